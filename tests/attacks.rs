//! A museum of attacks on connection tracking's helpers: what each does, and what comes of it here.
//!
//! Each one goes through a gateway that masquerades, with the helpers on their standard ports. None may make it expect
//! anything, while the honest command beside it does.

use lab::frame;
use towpath_engine::{
    Command, DeviceId, DropReason, Engine, Event, Frame, Instant, Subscription,
    conntrack::{HelperEvent, calling::Refusal},
    device::{Device, InterfaceAddress},
    ip::{Route, RouteKind},
    netfilter::{Loading, RuleSet, Source},
};

/// An attack.
struct Attack {
    /// What it does.
    what: &'static str,
    /// The server's port.
    port: u16,
    /// Who sends the payloads.
    from: Side,
    /// Its payloads, a segment each.
    payloads: &'static [&'static str],
    /// What comes of the last one.
    end: End,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Client,
    Server,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It passes, and nobody takes it for a command.
    Ignored,
    /// It passes as it is; what it asks for is refused, and that is told.
    Refused(&'static str),
    /// It waits for the rest of its line.
    Held,
    /// It is dropped.
    Dropped(DropReason),
}

const FTP: u16 = 21;
const IRC: u16 = 6667;
/// `000…`: what makes a command long.
const ZEROS: &str =
    concat!("00000000000000000000000000000000000000000000000000", "00000000000000000000000000000000000000000000000000");

#[rustfmt::skip]
static MUSEUM: &[Attack] = &[
    Attack { what: "CVE-2022-2663: a PING makes the client send a request in its PONG", port: IRC, from: Side::Client,
        payloads: &[r"PONG :\x01DCC SEND file.txt 167772162 8080 1234\x01\r\n"], end: End::Ignored },
    Attack { what: "CVE-2022-2663: a request inside of quoted text", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :look: \x01DCC SEND file.txt 167772162 8080 1234\x01\r\n"], end: End::Ignored },
    Attack { what: "CVE-2022-2663: an offer of an address of somebody else", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 167772169 8080 1234\x01\r\n"], end: End::Refused("ThirdParty") },
    Attack { what: "CVE-2026-53268: a request that is read in vain looks like one of another kind", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND CHAT chat 167772162 8080 1\x01\r\n"], end: End::Ignored },
    Attack { what: "CVE-2026-53268: a request ends where its address should start", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND aaaaaaaaaaaaaaaaaa \r\n"], end: End::Ignored },
    Attack { what: "CVE-2026-34956: a command so long that its rewriting does not fit", port: FTP, from: Side::Client,
        payloads: &[r"PORT ZEROS10,0,0,2,20,162\r\n"], end: End::Dropped(DropReason::HelperFailed) },
    Attack { what: "bounce: PORT names another host", port: FTP, from: Side::Client,
        payloads: &[r"PORT 10,0,0,9,20,162\r\n"], end: End::Refused("ThirdParty") },
    Attack { what: "bounce: EPRT names another host", port: FTP, from: Side::Client,
        payloads: &[r"EPRT |1|10.0.0.9|5282|\r\n"], end: End::Refused("ThirdParty") },
    Attack { what: "bounce: a server's 227 names another host", port: FTP, from: Side::Server,
        payloads: &[r"227 Entering Passive Mode (203,0,113,77,20,162)\r\n"], end: End::Refused("ThirdParty") },
    Attack { what: "NAT slipstreaming: a form's body opens the victim's SSH", port: FTP, from: Side::Client,
        payloads: &[r"POST / HTTP/1.1\r\nContent-Length: 20\r\n\r\n", r"PORT 10,0,0,2,0,22\r\n"], end: End::Refused("ServicePort") },
    Attack { what: "NAT slipstreaming by IRC: a service's port is offered", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC CHAT chat 167772162 445 12345\x01\r\n"], end: End::Refused("ServicePort") },
    Attack { what: "an address of twenty digits", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 99999999999999999999 8080 1\x01\r\n"], end: End::Refused("ThirdParty") },
    Attack { what: "a number of twenty digits in PORT", port: FTP, from: Side::Client,
        payloads: &[r"PORT 99999999999999999999,0,0,2,20,162\r\n"], end: End::Refused("ThirdParty") },
    Attack { what: "a port that wraps to 0", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 167772162 65536 1\x01\r\n"], end: End::Ignored },
    Attack { what: "a command that is split", port: FTP, from: Side::Client,
        payloads: &[r"PORT 10,0,0,2,20,1"], end: End::Held },
    Attack { what: "a command that is split names a third party", port: FTP, from: Side::Client,
        payloads: &[r"PORT 10,0,", r"0,99,20,162\r\n"], end: End::Refused("ThirdParty") },
    Attack { what: "a newline inside of a command", port: FTP, from: Side::Client,
        payloads: &[r"PORT 10,0,0,2\n,20,162\r\n"], end: End::Dropped(DropReason::HelperMalformed) },
    Attack { what: "a newline between address and port", port: IRC, from: Side::Client,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 167772162\n8080 1234567\x01\r\n"], end: End::Ignored },
    Attack { what: "a command behind the start of a line", port: FTP, from: Side::Client,
        payloads: &[r"STOR PORT 10,0,0,2,20,162\r\n"], end: End::Ignored },
    Attack { what: "the rest of a line looks like a command", port: FTP, from: Side::Client,
        payloads: &[r"STOR ", r"PORT 10,0,0,2,20,162\r\n"], end: End::Ignored },
    Attack { what: "a line that never ends", port: FTP, from: Side::Server,
        payloads: &[r"227 ZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROSZEROS\r\n"], end: End::Dropped(DropReason::HelperMalformed) },
    Attack { what: "a client's command from the server", port: FTP, from: Side::Server,
        payloads: &[r"PORT 198,51,100,7,20,162\r\n"], end: End::Ignored },
    Attack { what: "a server's reply from the client", port: FTP, from: Side::Client,
        payloads: &[r"227 Entering Passive Mode (10,0,0,2,20,162)\r\n"], end: End::Ignored },
    Attack { what: "an offer from the server", port: IRC, from: Side::Server,
        payloads: &[r"PRIVMSG bob :\x01DCC SEND file.txt 3325256711 8080 1234\x01\r\n"], end: End::Ignored },
];

#[test]
fn no_attack_makes_the_gateway_expect_anything() {
    let mut wrong = Vec::new();
    for attack in MUSEUM {
        let (end, expected) = carry_out(attack.port, attack.from, attack.payloads);
        if end != attack.end || !expected.is_empty() {
            wrong.push(format!("{}: {end:?}, and it expects {expected:?}", attack.what));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn honest_commands_are_expected_whole_and_nothing_beyond() {
    let client = |port, payload| carry_out(port, Side::Client, &[payload]).1;
    assert_eq!(client(FTP, r"PORT 10,0,0,2,20,162\r\n"), ["198.51.100.7:0 > 203.0.113.1:5282 tcp"]);
    assert_eq!(client(FTP, r"EPRT |1|10.0.0.2|5282|\r\n"), ["198.51.100.7:0 > 203.0.113.1:5282 tcp"]);
    let server = carry_out(FTP, Side::Server, &[r"227 Entering Passive Mode (198,51,100,7,20,162)\r\n"]).1;
    assert_eq!(server, ["10.0.0.2:0 > 198.51.100.7:5282 tcp"]);
    // CVE-2002-0060: an offer was expected at any host and port behind the gateway.
    let offer = r"PRIVMSG bob :\x01DCC SEND file.txt 167772162 8080 1234\x01\r\n";
    assert_eq!(client(IRC, offer), ["0.0.0.0:0 > 203.0.113.1:8080 tcp"]);
}

#[test]
fn attacks_do_not_cost_others_their_helper() {
    let mut engine = gateway();
    for number in 0..40 {
        let attack = &MUSEUM[number % MUSEUM.len()];
        let start = Instant::from_secs(10);
        converse(&mut engine, start, 40_000 + number as u16, attack.port, attack.from, attack.payloads);
    }
    assert!(engine.helpers().iter().all(|helper| !helper.is_quarantined && helper.failures == 0));
}

/// What comes of the last payload, and what is expected afterwards.
fn carry_out(port: u16, from: Side, payloads: &[&str]) -> (End, Vec<String>) {
    let mut engine = gateway();
    let end = converse(&mut engine, Instant::from_secs(10), 40_000, port, from, payloads);
    let expected = engine.conntrack().expectations().iter().map(|waiting| waiting.tuple.to_string()).collect();
    (end, expected)
}

/// A client from port `local` opens a connection, and one side sends payloads.
fn converse(engine: &mut Engine, now: Instant, local: u16, port: u16, from: Side, payloads: &[&str]) -> End {
    let out = format!("10.0.0.2:{local} > 198.51.100.7:{port}");
    let back = format!("198.51.100.7:{port} > 203.0.113.1:{local}");
    feed(engine, now, "lan", &format!("{out} S seq 100"));
    feed(engine, now, "wan", &format!("{back} SA seq 500 ack 101"));
    feed(engine, now, "lan", &format!("{out} A seq 101 ack 501"));
    let mut sent = 0;
    let mut end = End::Ignored;
    for payload in payloads {
        let text = payload.replace("ZEROS", ZEROS);
        let line = match from {
            Side::Client => format!("{out} PA seq {} ack 501 data \"{text}\"", 101 + sent),
            Side::Server => format!("{back} PA seq {} ack 101 data \"{text}\"", 501 + sent),
        };
        let (before, waiting) = (engine.stats(), engine.waiting_packets());
        let device = if from == Side::Client { "lan" } else { "wan" };
        let refusal = feed(engine, now, device, &line);
        let dropped = DropReason::ALL.iter().find(|reason| engine.stats().drops(**reason) > before.drops(**reason));
        end = match (dropped, refusal) {
            (Some(reason), _) => End::Dropped(*reason),
            (None, Some(refusal)) => End::Refused(refusal),
            (None, None) if engine.waiting_packets() > waiting => End::Held,
            (None, None) => End::Ignored,
        };
        sent += frame(device, &line).len() - frame(device, &line.replace(&text, "")).len();
    }
    end
}

/// Hands a frame over; gives what a helper was refused.
fn feed(engine: &mut Engine, now: Instant, device: &str, line: &str) -> Option<&'static str> {
    let id = engine.devices().by_name(device).expect("a device");
    engine.handle_frames(now, &[Frame::new(id, &frame(device, line))]);
    while let Some(transmit) = engine.poll_transmit() {
        engine.recycle(transmit);
    }
    let mut refused = None;
    while let Some((_, event)) = engine.poll_event() {
        if let Event::Helper(HelperEvent::Refused { refusal, .. }) = event {
            refused = Some(match refusal {
                Refusal::ThirdParty(_) => "ThirdParty",
                Refusal::ServicePort(_) => "ServicePort",
                Refusal::Port(_) => "Port",
                Refusal::Protocol | Refusal::Direction | Refusal::Opener | Refusal::Permanent => "manifest",
                Refusal::Rewriting | Refusal::RewriteSize(_) | Refusal::RewriteLoss(_) => "Rewriting",
                Refusal::Sent => "Sent",
            });
        }
    }
    refused
}

/// A gateway that masquerades, with all helpers on their ports.
fn gateway() -> Engine {
    let mut engine = Engine::new(1);
    let mut give = |command| engine.handle_command(Instant::from_secs(1), command).expect("a right command");
    for (name, address) in [("lan", [10, 0, 0, 1]), ("wan", [203, 0, 113, 1])] {
        give(Command::AddDevice(Device {
            name: name.into(),
            mtu_bytes: 1500,
            addresses: vec![InterfaceAddress { address: address.into(), prefix: 24 }],
            any_destination: true,
            arp: false,
            ..Device::default()
        }));
    }
    let kind = RouteKind::Unicast { device: DeviceId(1), via: Some([203, 0, 113, 254].into()) };
    give(Command::AddRoute(Route { destination: [0; 4].into(), prefix: 0, kind, metric: 0, mtu_bytes: None }));
    for helper in towpath_helpers_native::all() {
        give(Command::LoadHelper(helper));
    }
    give(Command::AttachHelpersByPort(true));
    give(Command::Subscribe(Subscription { helper: true, ..Subscription::default() }));
    let text = "-t nat -A POSTROUTING -o wan -j MASQUERADE";
    let rules = RuleSet::parse(&[Source { name: "rules", text }], &Loading::default()).expect("right rules");
    give(Command::ReplaceRules(Box::new(rules)));
    engine
}
