//! A capture of a player and a server replayed against the helper: media is expected, and comes, both ways.

use std::{fs, path::Path};

use towpath_engine::{Change, Event, conntrack::helper::Helper};
use towpath_helper_rtsp::Rtsp;
use towpath_helpers_native::Native;
use towpath_replay::{
    capture::Capture,
    config::Config,
    replay::{Detail, Replay, Setup},
};

/// What was expected, what has come of it, and the Transport lines that left the gateway.
#[derive(Debug, Default)]
struct Seen {
    expected: Vec<String>,
    related: Vec<String>,
    written: Vec<String>,
}

fn replayed(config: Option<&str>) -> Seen {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../captures/rtsp.pcap");
    let bytes = fs::read(file).expect("the capture");
    let mut capture = Capture::from_bytes(&bytes).expect("a capture");
    let helpers: Vec<Box<dyn Helper>> = vec![Box::new(Native::<Rtsp>::default())];
    let config = config.map(|text| Config::read("gateway.toml", text).expect("a configuration"));
    let rules = if config.is_some() { RULES } else { "" };
    let rules = vec![towpath_engine::netfilter::Source { name: "rules.v4", text: rules }];
    let setup = Setup { config, rules, helpers, by_port: true, detail: Detail::Events, ..Setup::default() };
    let mut replay = Replay::new(setup).expect("a gateway");
    let mut seen = Seen::default();
    let ended = replay.run(&mut capture, |record| {
        for (_, event) in record.events {
            match event {
                Event::Expectation(Change::New, entry) => seen.expected.push(entry.tuple.to_string()),
                Event::Connection(Change::New, entry) if entry.master.is_some() => {
                    seen.related.push(entry.original.to_string());
                }
                Event::Connection(..)
                | Event::Expectation(..)
                | Event::Log { .. }
                | Event::Helper(_)
                | Event::Nflog(_)
                | Event::Audit { .. } => {}
            }
        }
        for transmit in record.out {
            let text = String::from_utf8_lossy(transmit.head()).into_owned();
            seen.written.extend(text.lines().filter(|line| line.starts_with("Transport:")).map(str::to_owned));
        }
        true
    });
    ended.expect("the capture is whole");
    seen
}

#[test]
fn media_is_expected_both_ways_and_comes() {
    let Seen { expected, related, .. } = replayed(None);
    assert_eq!(expected.len(), 8, "two streams with a pair at each end: {expected:#?}");
    assert_eq!(expected[0], "198.51.100.7:0 > 192.168.1.10:4588 udp");
    assert_eq!(expected[2], "192.168.1.10:0 > 198.51.100.7:6256 udp");
    assert_eq!(
        related,
        [
            "198.51.100.7:6256 > 192.168.1.10:4588 udp",
            "192.168.1.10:4589 > 198.51.100.7:6257 udp",
            "198.51.100.7:6258 > 192.168.1.10:4590 udp",
            "192.168.1.10:4591 > 198.51.100.7:6259 udp",
        ]
    );
}

#[test]
fn behind_masquerade_media_is_expected_at_the_gateways_address() {
    let Seen { expected, related, written } = replayed(Some(CONFIG));
    assert_eq!(expected[0], "198.51.100.7:0 > 203.0.113.1:4588 udp");
    assert_eq!(expected[2], "192.168.1.10:0 > 198.51.100.7:6256 udp");
    assert_eq!(related.len(), 4, "{related:#?}");
    assert!(written.iter().any(|line| line.contains("client_port=4588-4589")), "{written:#?}");
}

const CONFIG: &str = include_str!("../../../../captures/rules/router.toml");
const RULES: &str = "-t nat -A POSTROUTING -o outside -j MASQUERADE
-P FORWARD DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i inside -p tcp --dport 554 -j ACCEPT";
