//! What a client has asked for and was not told yet: 227 and 229 answer PASV and EPSV, and are believed only where they do.
//!
//! A reply that nobody has asked for is text, which others may have chosen: a file's name in a listing. What is remembered are the commands
//! alone, in their order. Replies come in that order as well (RFC 959, 5.4): a reply is taken for the answer to the first command of its own
//! kind, and what was asked before that was refused. A command that is refused before another one of its kind so goes on waiting.

use alloc::vec::Vec;

use crate::{command::Notation, manifest::ASKED_MAX};

/// The notation in which a line of the client's asks for an endpoint of the server.
///
/// P@SW is what some routers make of PASV on its way; vsftpd, Pure-FTPd and FileZilla's server take it for one.
pub(crate) fn asks(line: &[u8]) -> Option<Notation> {
    let mut words = line.split(|byte| matches!(byte, b' ' | b'\r' | b'\n'));
    match words.next()?.to_ascii_uppercase().as_slice() {
        b"PASV" | b"P@SW" => Some(Notation::Pasv),
        // EPSV ALL only says that nothing else will follow (RFC 2428, 4).
        b"EPSV" if words.next().is_some_and(|word| word.eq_ignore_ascii_case(b"ALL")) => None,
        b"EPSV" => Some(Notation::Epsv),
        _ => None,
    }
}

/// What is remembered when a client asks once more. Of too many, the oldest is forgotten.
pub(crate) fn ask(asked: &[u8], notation: Notation) -> Vec<u8> {
    let forgotten = (asked.len() + 1).saturating_sub(ASKED_MAX);
    let kept = asked.iter().skip(forgotten).copied();
    kept.chain([notation.token() as u8]).collect()
}

/// What is still remembered when a server answers; `None` when nobody has asked for that.
pub(crate) fn answer(asked: &[u8], notation: Notation) -> Option<Vec<u8>> {
    let at = asked.iter().position(|token| u32::from(*token) == notation.token())?;
    Some(Vec::from(&asked[at + 1..]))
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    const PASV: u8 = Notation::Pasv.token() as u8;
    const EPSV: u8 = Notation::Epsv.token() as u8;

    #[test]
    fn a_client_asks_with_a_command_of_its_own() {
        for (line, asked) in [
            ("PASV\r\n", Some(Notation::Pasv)),
            ("pasv\n", Some(Notation::Pasv)),
            ("P@SW\r\n", Some(Notation::Pasv)),
            ("PASV \r\n", Some(Notation::Pasv)),
            ("PASV", Some(Notation::Pasv)),
            ("EPSV\r\n", Some(Notation::Epsv)),
            ("EPSV 2\r\n", Some(Notation::Epsv)),
            ("EPSV ALL\r\n", None),
            ("epsv all\r\n", None),
            ("EPSV ALLX\r\n", Some(Notation::Epsv)),
            ("PASVX\r\n", None),
            (" PASV\r\n", None),
            ("PAS\r\n", None),
            ("PORT 10,0,0,5,200,10\r\n", None),
            ("\r\n", None),
            ("", None),
        ] {
            assert_eq!(asks(line.as_bytes()), asked, "{line}");
        }
    }

    #[test]
    fn a_reply_answers_the_first_command_of_its_own_and_those_before_it_were_refused() {
        assert_eq!(answer(&[], Notation::Pasv), None);
        assert_eq!(answer(&[EPSV], Notation::Pasv), None);
        assert_eq!(answer(&[PASV], Notation::Epsv), None);
        assert_eq!(answer(&[PASV], Notation::Pasv), Some(vec![]));
        assert_eq!(answer(&[EPSV, PASV, PASV, EPSV], Notation::Pasv), Some(vec![PASV, EPSV]));
        assert_eq!(answer(&[PASV, EPSV, PASV], Notation::Epsv), Some(vec![PASV]));
    }

    #[test]
    fn of_more_commands_than_are_remembered_the_oldest_is_forgotten() {
        let all = (0..ASKED_MAX).fold(vec![EPSV], |asked, _| ask(&asked, Notation::Pasv));
        assert_eq!(all, [PASV; ASKED_MAX]);
        assert_eq!(ask(&[], Notation::Epsv), [EPSV]);
    }
}
