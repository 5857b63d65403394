//! A museum of attacks on connection tracking's helpers: what each does, and what comes of it here.
//!
//! Each one is a capture in `captures/attacks`, which goes through a gateway that masquerades and whose helpers read FTP and
//! IRC. None may make it expect anything, while the honest command beside it does.

#[path = "attacks/museum.rs"]
mod museum;
#[path = "attacks/shown.rs"]
mod shown;

use std::{env, fs};

use museum::{End, FTP, IRC, MUSEUM, Side};
use towpath_engine::{
    Ending, Event, Outcome,
    conntrack::{HelperEvent, calling::Refusal},
    netfilter::Source,
};
use towpath_replay::{
    capture::Capture,
    config::Config,
    record::{Fate, Record},
    replay::{Detail, Replay, Setup},
};

#[test]
fn no_attack_makes_the_gateway_expect_anything() {
    let mut wrong = Vec::new();
    for attack in MUSEUM {
        let (end, expected) = carried_out(&shown::read(&format!("{}.pcap", attack.file)));
        let is_right = match attack.end {
            End::Elsewhere(port) => end == End::Ignored && expected.len() == 1 && !leads_to(port, &expected[0]),
            End::Ignored | End::Refused(_) | End::Left | End::Held | End::Dropped(_) => {
                end == attack.end && expected.is_empty()
            }
        };
        if !is_right {
            wrong.push(format!("{}: {end:?}, and it expects {expected:?}", attack.file));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn honest_commands_are_expected_whole_and_nothing_beyond() {
    let said = |port, from, payloads: &[&str]| {
        let (hello, payloads) =
            (Some(museum::hello(port)), payloads.iter().map(ToString::to_string).collect::<Vec<_>>());
        carried_out(&shown::capture(&shown::frames(40_000, port, (hello, from), &payloads))).1
    };
    let client = |port, payload| said(port, Side::Client, &[payload]);
    assert_eq!(client(FTP, r"PORT 10,0,0,2,20,162\r\n"), ["198.51.100.7:0 > 203.0.113.1:5282 tcp"]);
    assert_eq!(client(FTP, r"EPRT |1|10.0.0.2|5282|\r\n"), ["198.51.100.7:0 > 203.0.113.1:5282 tcp"]);
    for [asked, answered] in [
        [r"ASKS PASV\r\n", r"227 Entering Passive Mode (198,51,100,7,20,162)\r\n"],
        [r"ASKS EPSV\r\n", r"229 Entering Extended Passive Mode (|||5282|)\r\n"],
    ] {
        assert_eq!(said(FTP, Side::Server, &[asked, answered]), ["10.0.0.2:0 > 198.51.100.7:5282 tcp"]);
    }
    // A reply that is refused answers its command, and costs the next one nothing.
    let told = [
        r"ASKS PASV\r\nPASV\r\n",
        r"227 Entering Passive Mode (192,168,0,7,195,80)\r\n",
        r"227 Entering Passive Mode (198,51,100,7,20,162)\r\n",
    ];
    assert_eq!(said(FTP, Side::Server, &told), ["10.0.0.2:0 > 198.51.100.7:5282 tcp"]);
    // CVE-2002-0060: an offer was expected at any host and port behind the gateway.
    let offer = r"PRIVMSG bob :\x01DCC SEND file.txt 167772162 8080 1234\x01\r\n";
    assert_eq!(client(IRC, offer), ["0.0.0.0:0 > 203.0.113.1:8080 tcp"]);
}

#[test]
fn attacks_do_not_cost_others_their_helper() {
    let conversations = (0..40).map(|number| {
        let attack = &MUSEUM[number % MUSEUM.len()];
        shown::frames(40_000 + number as u16, attack.port, attack.speaker(), &attack.payloads())
    });
    let frames: Vec<_> = conversations.flatten().collect();
    let mut reached = 0;
    let replay =
        replayed(&shown::capture(&frames), |record| reached += usize::from(matches!(record.fate, Fate::Fed(..))));
    assert_eq!(reached, frames.len());
    let helpers: Vec<_> = replay.engine().helpers().iter().filter(|helper| helper.calls > 0).collect();
    assert_eq!(helpers.len(), 2, "both were asked");
    assert!(helpers.iter().all(|helper| !helper.is_quarantined && helper.failures == 0));
}

#[test]
fn the_captures_and_their_list_are_what_the_museum_says() {
    let files = shown::all();
    if env::var_os("TOWPATH_WRITE").is_some() {
        files.iter().for_each(|(name, bytes)| fs::write(shown::folder().join(name), bytes).expect("a file"));
    }
    for (name, bytes) in &files {
        assert!(shown::read(name) == *bytes, "{name} is not what the museum says: write it anew (its README says how)");
    }
    let there = fs::read_dir(shown::folder()).expect("the folder").flatten();
    let captures = there.filter(|file| file.path().extension().is_some_and(|ending| ending == "pcap")).count();
    assert_eq!(captures, MUSEUM.len(), "a capture of no attack");
}

/// What comes of a capture's last packet, and what is expected afterwards.
fn carried_out(capture: &[u8]) -> (End, Vec<String>) {
    let (mut end, mut has_left) = (End::Ignored, false);
    let replay = replayed(capture, |record| {
        end = end_of(record);
        has_left |= record.events.iter().any(|(_, event)| matches!(event, Event::Helper(HelperEvent::Detached { .. })));
    });
    if has_left && end == End::Ignored {
        end = End::Left;
    }
    let waiting = replay.engine().conntrack().expectations().iter().map(|waiting| waiting.tuple.to_string()).collect();
    (end, waiting)
}

/// Whether a tuple's destination is the gateway's port.
fn leads_to(port: u16, tuple: &str) -> bool {
    tuple.ends_with(&format!(" 203.0.113.1:{port} tcp"))
}

fn end_of(record: &Record<'_>) -> End {
    let Fate::Fed(_, Ending { outcome, .. }) = record.fate else { panic!("packet {} is not fed in", record.number) };
    let refused = record.events.iter().find_map(|(_, event)| {
        let Event::Helper(HelperEvent::Refused { refusal, .. }) = event else { return None };
        Some(named(*refusal))
    });
    match (outcome, refused) {
        (Outcome::Dropped(reason), _) => End::Dropped(reason),
        (Outcome::Ended(_), Some(refusal)) => End::Refused(refusal),
        (Outcome::Ended(towpath_engine::End::Held(_)), None) => End::Held,
        (Outcome::Ended(_), None) => End::Ignored,
    }
}

const fn named(refusal: Refusal) -> &'static str {
    match refusal {
        Refusal::ThirdParty(_) => "ThirdParty",
        Refusal::ServicePort(_) => "ServicePort",
        Refusal::Port(_) => "Port",
        Refusal::Protocol | Refusal::Direction | Refusal::Opener | Refusal::Permanent => "manifest",
        Refusal::Rewriting | Refusal::RewriteSize(_) | Refusal::RewriteLoss(_) | Refusal::SiteSize(_) => "Rewriting",
        Refusal::Share(_) => "Share",
        Refusal::Held(_) => "Held",
        Refusal::Sent => "Sent",
    }
}

/// Leads a capture through the museum's gateway.
fn replayed(capture: &[u8], mut each: impl FnMut(&Record<'_>)) -> Replay {
    let text = |name| String::from_utf8(shown::read(name)).expect("text");
    let rules = text("rules.v4");
    let setup = Setup {
        config: Some(Config::read("gateway.toml", &text("gateway.toml")).expect("the gateway")),
        rules: vec![Source { name: "rules.v4", text: &rules }],
        helpers: towpath_helpers_native::all(),
        detail: Detail::Events,
        ..Setup::default()
    };
    let mut replay = Replay::new(setup).unwrap_or_else(|error| panic!("{error}"));
    let mut capture = Capture::from_bytes(capture).expect("a capture");
    let all = replay.run(&mut capture, |record| {
        each(record);
        true
    });
    all.expect("the capture is whole");
    replay
}
