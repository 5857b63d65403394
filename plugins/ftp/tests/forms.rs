//! Each form of each command, the odd ones by name, and that what is written is read back.

use std::net::IpAddr;

use proptest::prelude::*;
use towpath_helper_ftp::{Announcement, Notation, Outcome, Sender, inspect, manifest, render};

#[test]
fn the_four_notations_name_their_endpoint_and_its_place() {
    for (sender, source, payload, notation, port, place) in [
        (Sender::Client, "10.0.0.5", "PORT 10,0,0,5,200,10\r\n", Notation::Port, 51210, "10,0,0,5,200,10"),
        (Sender::Client, "10.0.0.5", "EPRT |1|10.0.0.5|51210|\r\n", Notation::Eprt, 51210, "|1|10.0.0.5|51210|"),
        (Sender::Client, "fd00::5", "EPRT |2|fd00::5|51210|\r\n", Notation::Eprt, 51210, "|2|fd00::5|51210|"),
        (Sender::Server, "10.0.0.21", "227 Ok (10,0,0,21,195,80).\r\n", Notation::Pasv, 50000, "10,0,0,21,195,80"),
        (Sender::Server, "10.0.0.21", "229 Ok (|||50001|)\r\n", Notation::Epsv, 50001, "|||50001|"),
        (Sender::Server, "fd00::21", "229 Ok (|||50001|)\r\n", Notation::Epsv, 50001, "|||50001|"),
    ] {
        let found = announced(sender, source, payload);
        assert_eq!((found.notation, found.address, found.port), (notation, address(source), port), "{payload}");
        assert_eq!(&payload[found.offset..found.offset + found.length], place, "{payload}");
    }
}

#[test]
fn a_reply_without_parentheses_counts_from_its_first_digit() {
    let found = announced(Sender::Server, "10.0.0.21", "227 =10,0,0,21,195,80\r\n");
    assert_eq!((found.port, found.offset), (50000, 5));
}

#[test]
fn each_side_has_its_own_commands() {
    for payload in ["227 (10,0,0,5,1,2)\r\n", "229 (|||50001|)\r\n"] {
        assert_eq!(read(Sender::Client, "10.0.0.5", payload), Outcome::Nothing);
    }
    for payload in ["PORT 10,0,0,5,1,2\r\n", "EPRT |1|10.0.0.5|51210|\r\n"] {
        assert_eq!(read(Sender::Server, "10.0.0.5", payload), Outcome::Nothing);
    }
}

#[test]
fn an_endpoint_on_another_host_is_named_as_it_stands() {
    assert_eq!(announced(Sender::Client, "10.0.0.5", "PORT 10,0,0,6,200,10\r\n").address, address("10.0.0.6"));
    assert_eq!(announced(Sender::Client, "fd00::5", "EPRT |2|fd00::6|51210|\r\n").address, address("fd00::6"));
    assert_eq!(announced(Sender::Server, "10.0.0.21", "227 (10,0,0,5,195,80)\r\n").address, address("10.0.0.5"));
}

#[test]
fn a_word_that_only_begins_as_a_command_is_told() {
    for (payload, is_longer) in [
        ("PORT 10,0,0,5,200,10\r\n", false),
        ("EPRT |1|10.0.0.5|51210|\r\n", false),
        ("PORT: 10,0,0,5,200,10\r\n", true),
        ("eprtx |1|10.0.0.5|51210|\r\n", true),
    ] {
        assert_eq!(announced(Sender::Client, "10.0.0.5", payload).is_longer, is_longer, "{payload}");
    }
    assert!(!announced(Sender::Server, "10.0.0.21", "229 Entering (|||50001|)\r\n").is_longer);
}

#[test]
fn only_the_first_line_counts() {
    assert_eq!(read(Sender::Client, "10.0.0.5", "NOOP\r\nPORT 10,0,0,5,200,10\r\n"), Outcome::Nothing);
}

#[test]
fn every_cut_of_a_command_is_incomplete() {
    for (sender, source, payload, needed) in [
        (Sender::Client, "10.0.0.5", "PORT 10,0,0,5,200,10\r\n", 21),
        (Sender::Client, "10.0.0.5", "EPRT |1|10.0.0.5|51210|\r\n", 23),
        (Sender::Server, "10.0.0.21", "227 Ok (10,0,0,21,195,80)\r\n", 25),
        (Sender::Server, "10.0.0.21", "229 Ok (|||50001|)\r\n", 17),
    ] {
        for cut in 1..needed {
            assert_eq!(read(sender, source, &payload[..cut]), Outcome::Incomplete, "{}", &payload[..cut]);
        }
        announced(sender, source, &payload[..needed]);
    }
}

#[test]
fn a_whole_line_without_endpoint_is_malformed() {
    for payload in ["PORT 10,0,0,5,200\r\n", "PORT ten\r\n", "EPRT |1|10.0.0.5|0|\r\n", "EPRT |2|fd00::5|51210|\r\n"] {
        assert_eq!(read(Sender::Client, "10.0.0.5", payload), Outcome::Malformed, "{payload}");
    }
    for payload in ["227 no digits\r\n", "227 10,0,0,21,195\r\n", "229 |||50001|\r\n", "229 (||50001|)\r\n"] {
        assert_eq!(read(Sender::Server, "10.0.0.21", payload), Outcome::Malformed, "{payload}");
    }
}

#[test]
fn an_empty_payload_is_nothing() {
    assert_eq!(read(Sender::Client, "10.0.0.5", ""), Outcome::Nothing);
}

#[test]
fn octets_on_an_ipv6_connection_replace_the_first_four() {
    let found = announced(Sender::Client, "2001:db8::5", "PORT 32,1,13,184,200,10\r\n");
    assert_eq!(found.address, address("2001:db8::5"));
    let found = announced(Sender::Client, "2001:db8::5", "PORT 10,0,0,5,200,10\r\n");
    assert_eq!(found.address, address("a00:5::5"));
}

#[test]
fn tokens_are_read_back() {
    for notation in [Notation::Port, Notation::Pasv, Notation::Eprt, Notation::Epsv] {
        assert_eq!(Notation::from_token(notation.token()), Some(notation));
    }
    assert_eq!(Notation::from_token(4), None);
}

proptest! {
    /// Under NAT the peer must read the translated endpoint where the sender wrote its own.
    #[test]
    fn a_rewritten_payload_names_the_translated_endpoint(
        (notation, source, translated) in notation_and_addresses(),
        port in 1..=u16::MAX,
        translated_port in 1..=u16::MAX,
        (before, after) in ("[a-z ]{0,20}", "[ -~]{0,20}"),
    ) {
        let payload = written(notation, &before, source, port, &after);
        let found = expect_announced(sender(notation), source, payload.as_bytes());
        prop_assert_eq!((found.notation, found.address, found.port), (notation, source, port));

        let named = render(notation, translated, translated_port);
        prop_assert!(named.len().abs_diff(found.length) <= usize::from(manifest::REWRITE_BYTES_MAX));
        let mut rewritten = payload;
        rewritten.replace_range(found.offset..found.offset + found.length, &named);
        let found = expect_announced(sender(notation), translated, rewritten.as_bytes());
        prop_assert_eq!((found.notation, found.address, found.port), (notation, translated, translated_port));
        prop_assert_eq!(found.length, named.len());
    }

    /// Whatever comes in, nothing panics, and a place lies inside the payload.
    #[test]
    fn any_bytes_are_read_without_harm(
        word in prop::sample::select(vec!["PORT ", "EPRT |1|", "EPRT |2|", "227 (", "229 (|||", ""]),
        rest in prop::collection::vec(prop_oneof![any::<u8>(), prop::sample::select(b"0123456789,.:|()\r\n ".to_vec())], 0..80),
        six in any::<bool>(),
    ) {
        let payload = [word.as_bytes(), &rest].concat();
        let source = address(if six { "2001:db8::5" } else { "10.0.0.5" });
        for sender in [Sender::Client, Sender::Server] {
            if let Outcome::Announced(found) = inspect(sender, source, &payload) {
                prop_assert!(found.length > 0 && found.offset + found.length <= payload.len());
                prop_assert_eq!(found.address, source);
            }
        }
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

fn read(sender: Sender, source: &str, payload: &str) -> Outcome {
    inspect(sender, address(source), payload.as_bytes())
}

fn announced(sender: Sender, source: &str, payload: &str) -> Announcement {
    expect_announced(sender, address(source), payload.as_bytes())
}

fn expect_announced(sender: Sender, source: IpAddr, payload: &[u8]) -> Announcement {
    let outcome = inspect(sender, source, payload);
    let Outcome::Announced(found) = outcome else { panic!("{outcome:?}: {}", String::from_utf8_lossy(payload)) };
    found
}

fn sender(notation: Notation) -> Sender {
    match notation {
        Notation::Port | Notation::Eprt => Sender::Client,
        Notation::Pasv | Notation::Epsv => Sender::Server,
    }
}

/// A payload as a client or server writes it.
fn written(notation: Notation, before: &str, address: IpAddr, port: u16, after: &str) -> String {
    match notation {
        Notation::Port => format!("PORT {}\r\n{after}", render(notation, address, port)),
        Notation::Eprt => format!("EPRT |{}|{address}|{port}|\r\n{after}", if address.is_ipv4() { 1 } else { 2 }),
        Notation::Pasv => format!("227 {before}({})\r\n{after}", render(notation, address, port)),
        Notation::Epsv => format!("229 {before}(|||{port}|)\r\n{after}"),
    }
}

/// A notation, a sender and what it is translated to; where octets name the endpoint, IPv4 only. With 229 the address
/// is not in the payload.
fn notation_and_addresses() -> impl Strategy<Value = (Notation, IpAddr, IpAddr)> {
    let four = || any::<[u8; 4]>().prop_map(IpAddr::from);
    let six = || any::<[u8; 16]>().prop_map(IpAddr::from);
    let octets = prop::sample::select(vec![Notation::Port, Notation::Pasv, Notation::Eprt, Notation::Epsv]);
    let extended = prop::sample::select(vec![Notation::Eprt, Notation::Epsv]);
    prop_oneof![(octets, four(), four()), (extended, six(), six())]
}
