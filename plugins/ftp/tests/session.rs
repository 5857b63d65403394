//! Whole sessions, line by line as the engine shows them: which replies announce a data connection.

use towpath_helper_ftp::Ftp;
use towpath_helper_kit::{Context, Direction, Endpoint, Plugin, Protocol, Verdict};

/// A client that asks once is told once; one that asks for more before it is answered is told as often.
#[test]
fn each_reply_answers_one_command() {
    let mut session = Session::default();
    assert_eq!(session.said("> PASV\n< 227 Entering (198,51,100,7,195,80)\n"), [Said::Nothing, Said::Port(50000)]);
    assert_eq!(session.said("> EPSV\n< 229 Entering (|||50001|)\n"), [Said::Nothing, Said::Port(50001)]);
    let pipelined = "> TYPE I\n> PASV\n> RETR a\n> pasv\n> RETR b\n< 200 Ok\n< 227 (198,51,100,7,195,82)\n< 150 Here\n\
        < 226 Done\n< 227 (198,51,100,7,195,83)\n";
    let ports: Vec<_> = session.said(pipelined).into_iter().filter(|said| *said != Said::Nothing).collect();
    assert_eq!(ports, [Said::Port(50002), Said::Port(50003)]);
    assert!(session.state.is_empty());
}

#[test]
fn a_command_that_is_refused_costs_the_next_one_nothing() {
    let refused = "> EPSV\n< 522 Use PASV\n> PASV\n< 425 Not now\n> EPSV 1\n< 500 What?\n> PASV\n";
    assert_eq!(Session::default().last(&format!("{refused}< 227 Ok (198,51,100,7,195,80)\n")), Said::Port(50000));
}

#[test]
fn what_nobody_has_asked_for_is_no_reply() {
    let listing = "> STAT d\n< 213-Status:\n< -rw- a\n< 227 x (198,51,100,7,24,235)\n";
    assert_eq!(Session::default().last(listing), Said::Foreign);
    for text in [
        "> PASV\n< 229 x (|||6379|)\n",
        "> EPSV\n< 227 x (198,51,100,7,24,235)\n",
        "> PASVX\n< 227 198,51,100,7,24,235\n",
    ] {
        assert_eq!(Session::default().last(text), Said::Foreign, "{text}");
    }
    // It is no reply at all when it names nothing, and text then.
    assert_eq!(Session::default().last("> HELP\n< 227 Entering passive mode is what PASV is for\n"), Said::Malformed);
}

/// The first one is believed, and the second one takes that back.
#[test]
fn a_second_reply_to_one_command_is_none() {
    let listing = "> STAT d\n> PASV\n< 213-Status:\n< 227 x (198,51,100,7,24,235)\n< 213 End\n";
    let mut session = Session::default();
    assert!(session.said(listing).contains(&Said::Port(6379)));
    assert_eq!(session.last("< 227 Entering (198,51,100,7,195,80)\n"), Said::Foreign);
}

#[test]
fn the_side_that_asks_is_the_clients() {
    assert_eq!(Session::default().last("< PASV\n< 227 x (198,51,100,7,24,235)\n"), Said::Foreign);
}

/// What the helper makes of a line.
#[derive(Debug, PartialEq, Eq)]
enum Said {
    Nothing,
    Port(u16),
    Malformed,
    Foreign,
}

/// What is remembered of a session.
#[derive(Default)]
struct Session {
    state: Vec<u8>,
}

impl Session {
    /// What becomes of lines: `>` of the client's, `<` of the server's.
    fn said(&mut self, lines: &str) -> Vec<Said> {
        lines.lines().map(|line| self.line(line)).collect()
    }

    fn last(&mut self, lines: &str) -> Said {
        self.said(lines).pop().expect("a line")
    }

    fn line(&mut self, line: &str) -> Said {
        let (side, line) = line.split_once(' ').expect("a side and a line");
        let client = Endpoint { address: [10, 0, 0, 5].into(), port: 40_000 };
        let server = Endpoint { address: [198, 51, 100, 7].into(), port: 21 };
        let (direction, source, destination) = match side {
            ">" => (Direction::Original, client, server),
            _ => (Direction::Reply, server, client),
        };
        let context = Context { protocol: Protocol::Tcp, direction, source, destination, broadcast_prefix: None };
        let Some(found) = Ftp::inspect(&context, &self.state, format!("{line}\r\n").as_bytes()) else {
            return Said::Nothing;
        };
        let port = found.wishes.first().and_then(|wish| wish.destination.port);
        assert!(found.wishes.len() <= 1);
        match found.verdict {
            Verdict::Foreign => assert!(port.is_some(), "the mode `kernel` is to believe it"),
            Verdict::Accept => self.state = found.state.unwrap_or_else(|| self.state.clone()),
            Verdict::Incomplete | Verdict::Malformed => {}
        }
        match (found.verdict, port) {
            (Verdict::Foreign, _) => Said::Foreign,
            (Verdict::Accept, Some(port)) => Said::Port(port),
            (Verdict::Accept, None) => Said::Nothing,
            (Verdict::Incomplete | Verdict::Malformed, _) => Said::Malformed,
        }
    }
}
