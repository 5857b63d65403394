//! The helper in C (`plugins/examples/sane`), as its component answers: message by message, on a capture, and beside Linux's own.

use std::{fs, path::PathBuf};

use towpath::plugin::Plugin;
use towpath_engine::{
    Change, Command, Event,
    conntrack::{
        helper::{Helper, HelperContext, HelperEndpoint, HelperVerdict, Pattern, Site},
        tuple::Direction,
    },
    netfilter::Source,
    random::Draw,
};
use towpath_replay::{
    capture::Capture,
    config::Config,
    replay::{Detail, Replay, Setup},
};

use crate::{address, context, in_c::component, runtime};

/// A message of a conversation: who says it, and its words.
type Said = (Direction, &'static [u32]);

const CALL: Direction = Direction::Original;
const REPLY: Direction = Direction::Reply;

const INIT: Said = (CALL, &[0, 0x0101_0003, 0]);
const START: Said = (CALL, &[7, 0]);
const ANNOUNCED: Said = (REPLY, &[0, 10_000, 0x1234, 0]);

/// Conversations, and whether their last message announces port 10000.
#[rustfmt::skip]
static TALKS: &[(&str, &[Said], bool)] = &[
    ("a good reply",                       &[INIT, START, ANNOUNCED],                                           true),
    ("the high byte first",                &[INIT, START, (REPLY, &[0, 10_000, 0x4321, 0])],                    true),
    ("START again, sent anew or not",      &[INIT, START, START, ANNOUNCED],                                    true),
    ("another START",                      &[INIT, START, (REPLY, &[7, 0, 0, 0]), START, ANNOUNCED],            true),
    ("a long call before the reply",       &[INIT, START, (CALL, &[5, 0, 1, 0, 2, 4, 1, 0]), ANNOUNCED],        true),
    ("a short call before the reply",      &[INIT, START, (CALL, &[8, 0]), ANNOUNCED],                          false),
    ("nobody has asked",                   &[INIT, ANNOUNCED],                                                  false),
    ("a second reply",                     &[INIT, START, ANNOUNCED, ANNOUNCED],                                false),
    ("the client says it",                 &[INIT, START, (CALL, ANNOUNCED.1)],                                 false),
    ("the server asks",                    &[INIT, (REPLY, START.1), ANNOUNCED],                                false),
    ("GET_PARAMETERS",                     &[INIT, (CALL, &[6, 0]), ANNOUNCED],                                 false),
    ("CANCEL",                             &[INIT, (CALL, &[8, 0]), ANNOUNCED],                                 false),
    ("a call that begins with START's",    &[INIT, (CALL, &[7, 0, 0]), ANNOUNCED],                              false),
    ("a call in two segments",             &[INIT, (CALL, &[7]), (CALL, &[0]), ANNOUNCED],                      false),
    ("a reply in two segments",            &[INIT, START, (REPLY, &[0, 10_000]), (REPLY, &[0x1234, 0])],        false),
    ("the rest of it looks like one",      &[INIT, START, (REPLY, &[0]), ANNOUNCED],                            false),
    ("the device is busy",                 &[INIT, START, (REPLY, &[3, 10_000, 0x1234, 0])],                    false),
    ("a password is wanted",               &[INIT, START, (REPLY, &[0, 10_000, 0x1234, 4, 0x7465_7374])],       false),
    ("a password is wanted, behind it",    &[INIT, START, (REPLY, &[0, 10_000, 0x1234, 4])],                    false),
    ("port 0",                             &[INIT, START, (REPLY, &[0, 0, 0x1234, 0])],                         false),
    ("more than a port",                   &[INIT, START, (REPLY, &[0, 0x1_2710, 0x1234, 0])],                  false),
    ("no order of bytes",                  &[INIT, START, (REPLY, &[0, 10_000, 0x3412, 0])],                    false),
    ("too short",                          &[INIT, START, (REPLY, &[0, 10_000, 0x1234])],                       false),
    ("too long",                           &[INIT, START, (REPLY, &[0, 10_000, 0x1234, 0, 0])],                 false),
];

#[test]
fn a_good_reply_to_start_announces_a_port_and_nothing_else_does() {
    let Some(mut sane) = sane("sane::a_good_reply_to_start_announces_a_port_and_nothing_else_does") else { return };
    for (name, talk, announces) in TALKS {
        let mut state = Vec::new();
        let mut last = None;
        for (direction, words) in *talk {
            let told = told(*direction);
            let payload: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            let found = sane.inspect(&told, &state, &payload).unwrap();
            assert_eq!(found.verdict, HelperVerdict::Accept, "{name}");
            state = found.state.unwrap_or(state);
            last = Some((told, found.wishes));
        }
        let (told, wishes) = last.unwrap();
        assert_eq!(wishes.len(), usize::from(*announces), "{name}");
        for wish in wishes {
            assert_eq!(
                wish.source,
                Pattern { address: Some(told.destination.address), ..Pattern::default() },
                "{name}"
            );
            let saned = Pattern { address: Some(told.source.address), prefix: None, port: Some(10_000) };
            assert_eq!((wish.destination, wish.direction), (saned, Direction::Original), "{name}");
            assert_eq!(wish.site, Some(Site { offset: 4, length: 4, token: 0 }), "{name}");
        }
    }
}

#[test]
fn a_client_that_does_not_begin_with_init_is_none_of_sane() {
    let Some(mut sane) = sane("sane::a_client_that_does_not_begin_with_init_is_none_of_sane") else { return };
    for begins in [
        &b"GET / HTTP/1.1\r\n"[..],
        b"\x16\x03\x01\x02\0",
        b"\0\0\0\x07\0\0\0\0",
        b"\0\0\0\0",
        b"\0",
        b"\0\0\0\0\x02\x01\0\x03",
    ] {
        let found = sane.inspect(&told(CALL), &[], begins).unwrap();
        assert_eq!(found.verdict, HelperVerdict::Foreign, "{}", begins.escape_ascii());
    }
    let silent = sane.inspect(&told(REPLY), &[], b"220 ready\r\n").unwrap();
    assert_eq!(silent.verdict, HelperVerdict::Accept, "what the server says first begins nothing");
}

#[test]
fn a_port_is_written_as_a_word_over_both_families() {
    let Some(mut sane) = sane("sane::a_port_is_written_as_a_word_over_both_families") else { return };
    for host in ["192.0.2.1", "2001:db8::1"] {
        let translated = HelperEndpoint { address: address(host), port: 0xabcd };
        let written = sane.render(&told(REPLY), &[1], Site { offset: 4, length: 4, token: 0 }, translated);
        assert_eq!(written, Ok(vec![0, 0, 0xab, 0xcd]));
    }
    let told = context(REPLY, "2001:db8::7", "2001:db8:1::5");
    let found = sane.inspect(&told, &[2], &[0, 10_000, 0x1234, 0].map(u32::to_be_bytes).concat()).unwrap();
    assert_eq!(found.wishes[0].destination.address, Some(told.source.address));
}

#[test]
fn any_payload_is_read_with_less_than_half_its_fuel() {
    let Some(mut sane) = sane("sane::any_payload_is_read_with_less_than_half_its_fuel") else { return };
    let mut worst = 0;
    for state in [&[][..], &[0], &[1], &[2], &[3], &[2, 2]] {
        for len in (0..40).chain([1400, 65_535]) {
            for direction in [CALL, REPLY] {
                sane.inspect(&told(direction), state, &vec![0; len]).unwrap();
                worst = worst.max(sane.fuel_spent());
            }
        }
    }
    sane.inspect(&told(REPLY), &[2], &[0, 10_000, 0x1234, 0].map(u32::to_be_bytes).concat()).unwrap();
    worst = worst.max(sane.fuel_spent());
    let bound = sane.manifest().fuel_per_call;
    assert!(worst > 0 && worst < bound / 2, "{worst} of {bound}");
}

#[test]
fn the_images_connection_of_a_capture_is_expected_and_comes() {
    let test = "sane::the_images_connection_of_a_capture_is_expected_and_comes";
    for config in [None, Some(CONFIG)] {
        let Some(sane) = sane(test) else { return };
        let (expected, related) = replayed(sane, config);
        assert_eq!(expected, ["192.168.1.10:0 > 198.51.100.7:10000 tcp"]);
        assert_eq!(related.len(), 1, "{related:?}");
        assert!(
            related[0].starts_with("192.168.1.10:") && related[0].ends_with(" > 198.51.100.7:10000 tcp"),
            "{related:?}"
        );
    }
}

#[test]
fn a_scanner_inside_is_called_at_another_port_where_its_own_is_published() {
    let test = "sane::a_scanner_inside_is_called_at_another_port_where_its_own_is_published";
    let Some(sane) = sane(test) else { return };
    let mut lab = lab::lab(PUBLISHED).draws(&[(Draw::Port, 10_007)]).helpers();
    lab.command(Command::LoadHelper(Box::new(sane))).play(
        r#"
        0.000  wan <  198.51.100.7:40000 > 203.0.113.1:6566 S  seq 0
        0.000  lan >  198.51.100.7:40000 > 10.0.0.2:6566 S  seq 0
        0.000  lan <  10.0.0.2:6566 > 198.51.100.7:40000 SA seq 0 ack 1
        0.000  wan >  203.0.113.1:6566 > 198.51.100.7:40000 SA seq 0 ack 1
        0.000  wan <  198.51.100.7:40000 > 203.0.113.1:6566 PA seq 1 ack 1 data "\x00\x00\x00\x00\x01\x01\x00\x03"
        0.000  lan >  198.51.100.7:40000 > 10.0.0.2:6566 PA seq 1 ack 1 data "\x00\x00\x00\x00\x01\x01\x00\x03"
        0.000  wan <  198.51.100.7:40000 > 203.0.113.1:6566 PA seq 9 ack 1 data "\x00\x00\x00\x07\x00\x00\x00\x00"
        0.000  lan >  198.51.100.7:40000 > 10.0.0.2:6566 PA seq 9 ack 1 data "\x00\x00\x00\x07\x00\x00\x00\x00"
        0.000  lan <  10.0.0.2:6566 > 198.51.100.7:40000 PA seq 1 ack 17 data "\x00\x00\x00\x00\x00\x00\x27\x10\x00\x00\x124\x00\x00\x00\x00"
        0.000  wan >  203.0.113.1:6566 > 198.51.100.7:40000 PA seq 1 ack 17 data "\x00\x00\x00\x00\x00\x00\x27\x17\x00\x00\x124\x00\x00\x00\x00"
        0.010  wan <  198.51.100.7:40001 > 203.0.113.1:10000 S  seq 3
        0.010  wan x  FilterPolicy
        0.010  wan <  198.51.100.7:40002 > 203.0.113.1:10007 S  seq 5
        0.010  lan >  198.51.100.7:40002 > 10.0.0.2:10000 S  seq 5
        "#,
    );
}

#[test]
fn beside_linuxs_own_it_answers_every_scenario_as_the_kernel_does() {
    let test = "sane::beside_linuxs_own_it_answers_every_scenario_as_the_kernel_does";
    if sane(test).is_none() {
        return;
    }
    let helpers = || vec![Box::new(sane(test).unwrap()) as Box<dyn Helper>];
    let mut played = 0;
    for folder in fs::read_dir(root().join("tests/kernel/plugins")).unwrap() {
        let folder = folder.unwrap().path();
        let text = fs::read_to_string(folder.join("result.json")).unwrap();
        let kernel: serde_json::Value = serde_json::from_str(&text).unwrap();
        let ours = serde_json::to_value(lab::kernel::answer_with(&folder, &helpers).unwrap()).unwrap();
        let mut differences = lab::kernel::differences(&kernel, &ours);
        if !folder.ends_with("sane-masquerade") {
            // There Linux asks the nat table about the image's connection, too; here it follows the first one.
            differences.extend(lab::kernel::counters(&kernel, &ours));
        }
        assert!(differences.is_empty(), "{}:\n{}", folder.display(), differences.join("\n"));
        played += 1;
    }
    assert!(played >= 3, "{played}");
}

/// The helper; without its component the test is skipped.
fn sane(test: &str) -> Option<Plugin> {
    component(test).map(|component| runtime().load_bytes(&component).expect("it is a helper"))
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn told(direction: Direction) -> HelperContext {
    match direction {
        Direction::Original => context(direction, "10.0.0.5", "198.51.100.7"),
        Direction::Reply => context(direction, "198.51.100.7", "10.0.0.5"),
    }
}

/// What was expected in the capture, and what has come of it: as it is, or through a gateway.
fn replayed(sane: Plugin, config: Option<&str>) -> (Vec<String>, Vec<String>) {
    let bytes = fs::read(root().join("captures/sane.pcap")).expect("the capture");
    let mut capture = Capture::from_bytes(&bytes).expect("a capture");
    let rules = config.map_or("", |_| RULES);
    let config = config.map(|text| Config::read("gateway.toml", text).expect("a configuration"));
    let rules = vec![Source { name: "rules.v4", text: rules }];
    let helpers: Vec<Box<dyn Helper>> = vec![Box::new(sane)];
    let setup = Setup { config, rules, helpers, by_port: true, detail: Detail::Events, ..Setup::default() };
    let mut replay = Replay::new(setup).expect("a gateway");
    let (mut expected, mut related) = (Vec::new(), Vec::new());
    let ended = replay.run(&mut capture, |record| {
        for (_, event) in record.events {
            if let Event::Expectation(Change::New, entry) = event {
                expected.push(entry.tuple.to_string());
            }
            if let Event::Connection(Change::New, entry) = event
                && entry.master.is_some()
            {
                related.push(entry.original.to_string());
            }
        }
        true
    });
    ended.expect("the capture is whole");
    (expected, related)
}

/// A scanner inside, beside another host whose port is the one that saned will name.
const PUBLISHED: &str = "-t nat -A PREROUTING -i wan -p tcp --dport 6566 -j DNAT --to-destination 10.0.0.2
-t nat -A PREROUTING -i wan -p tcp --dport 10000 -j DNAT --to-destination 10.0.0.9
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -p tcp --dport 6566 -j ACCEPT
-P FORWARD DROP";

const CONFIG: &str = include_str!("../../../captures/rules/router.toml");
const RULES: &str = "-t nat -A POSTROUTING -o outside -j MASQUERADE
-P FORWARD DROP
-A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
-A FORWARD -i inside -p tcp --dport 6566 -j ACCEPT";
