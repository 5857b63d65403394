//! Every capture in `captures/`, replayed: a snapshot each, a line a packet, then the connections and the counts.
//!
//! A capture is replayed with no configuration at all, and once more through the router's own configuration where it was
//! taken at a router with rules. `cargo insta review` shows what a change to the engine does to them.

#[cfg(foreign_captures)]
#[path = "replay/truth.rs"]
mod truth;

use std::{
    fs,
    path::{Path, PathBuf},
};

use serde_json::Value;
use towpath_engine::netfilter::Source;
use towpath_replay::{
    capture::{Capture, CaptureError},
    config::Config,
    record::{Colour, Flows, JsonRecords, Record, Summary, TextRecords},
    replay::{Detail, Replay, Setup},
};

/// Captures of a network behind a router, and the rules that the router had.
#[rustfmt::skip]
const ROUTED: &[(&str, &str)] = &[
    ("any-sll.pcap",         "masquerade.v4"),
    ("any-sll2.pcap",        "masquerade.v4"),
    ("directions.pcapng",    "masquerade.v4"),
    ("dns-nat.pcapng",       "masquerade.v4"),
    ("ftp-dnat.pcapng",      "dnat-ftp.v4"),
    ("ftp-eprt-inside.pcap", "masquerade.v4"),
    ("ftp-eprt-nat.pcapng",  "masquerade.v4"),
    ("ftp-epsv-inside.pcap", "masquerade.v4"),
    ("ftp-epsv-nat.pcapng",  "masquerade.v4"),
    ("ftp-pasv-inside.pcap", "masquerade.v4"),
    ("ftp-pasv-nat.pcapng",  "masquerade.v4"),
    ("ftp-port-inside.pcap", "masquerade.v4"),
    ("ftp-port-nat.pcapng",  "masquerade.v4"),
    ("http-nat.pcapng",      "masquerade.v4"),
    ("offload-router.pcap",  "masquerade.v4"),
    ("ping-nat.pcapng",      "masquerade.v4"),
    ("pmtu-nat.pcapng",      "masquerade.v4"),
    ("tftp-nat.pcapng",      "masquerade.v4"),
    ("traceroute-nat.pcapng", "masquerade.v4"),
    ("unasked.pcapng",       "masquerade.v4"),
];

#[test]
fn every_capture_is_told_as_it_was_told_before() {
    for file in all_captures() {
        snapshot(&file, &told(&file, None));
    }
}

#[test]
fn every_capture_of_a_router_is_told_through_that_routers_rules_as_it_was_told_before() {
    for (file, rules) in ROUTED {
        snapshot(&format!("{file}.{rules}"), &told(file, Some(rules)));
    }
}

#[test]
fn a_second_replay_gives_the_same_records() {
    let rules = |file: &str| ROUTED.iter().find(|(routed, _)| *routed == file).map(|(_, rules)| *rules);
    for file in all_captures() {
        for rules in [None, rules(&file)] {
            assert_eq!(json(&file, rules), json(&file, rules), "{file}");
        }
    }
}

#[test]
fn a_compressed_capture_is_told_as_the_capture_in_it() {
    assert_eq!(told("http-short.pcap.gz", None), told("http-short.pcap", None));
}

#[test]
fn a_cut_capture_is_told_up_to_the_cut_as_the_whole_one() {
    let (cut, whole) = (json("http-cut.pcap", None), json("http-short.pcap", None));
    let (records, error) = cut.split_at(cut.len() - 1);
    assert_eq!(records, &whole[..records.len()]);
    assert!(error[0].contains("the capture is cut off"), "{error:?}");
}

/// FTP sessions and what the gateway had: how many control and how many data connections there are.
#[rustfmt::skip]
const FTP: &[(&str, Option<&str>, usize, usize)] = &[
    ("ftp-port-inside.pcap", Some("masquerade.v4"), 1, 2),
    ("ftp-port-nat.pcapng",  Some("masquerade.v4"), 1, 2),
    ("ftp-pasv-inside.pcap", Some("masquerade.v4"), 1, 3),
    ("ftp-pasv-nat.pcapng",  Some("masquerade.v4"), 1, 3),
    ("ftp-eprt-inside.pcap", Some("masquerade.v4"), 1, 2),
    ("ftp-eprt-nat.pcapng",  Some("masquerade.v4"), 1, 2),
    ("ftp-epsv-inside.pcap", Some("masquerade.v4"), 1, 2),
    ("ftp-epsv-nat.pcapng",  Some("masquerade.v4"), 1, 2),
    ("ftp-dnat.pcapng",      Some("dnat-ftp.v4"),   3, 6),
    ("ftp-ipv6.pcap",        None,                  2, 4),
];

#[test]
fn every_ftp_session_is_a_closed_loop_in_which_data_connections_are_related() {
    for &(file, rules, control, data) in FTP {
        let lines = parsed(file, rules);
        let tcp = |line: &&Value| line["pkt"].as_str().is_some_and(|packet| packet.contains(" tcp "));
        let fed: Vec<_> = lines.iter().filter(tcp).filter(|line| line["verdict"] != "NOT_INJECTED").collect();
        let count = |state: &str| fed.iter().filter(|line| line["state"] == state).count();
        assert_eq!((count("NEW"), count("RELATED")), (control, data), "{file}");
        assert_eq!(count("ESTABLISHED"), fed.len() - control - data, "{file}: every other packet finds its connection");
        for line in fed {
            assert_eq!(line["verdict"], "FORWARDED", "{file}: {line}");
            if rules.is_some() {
                // Behind a gateway that hides them, neither side hears of the other's own addresses.
                let (out, hidden) = match line["dev"].as_str() {
                    Some("inside") => ("outside", "192.168.1."),
                    _ => ("inside", "203.0.113."),
                };
                assert_eq!(line["out"][0]["dev"], out, "{file}: {line}");
                assert!(!line["out"][0]["pkt"].as_str().expect("a packet").contains(hidden), "{file}: {line}");
            }
        }
    }
}

#[test]
fn an_ftp_session_of_a_machine_with_itself_is_delivered_and_its_data_connections_are_related() {
    let lines = parsed("ftp-loopback.pcap", None);
    let count = |state: &str| lines.iter().filter(|line| line["state"] == state).count();
    assert_eq!((count("NEW"), count("RELATED"), count("ESTABLISHED")), (2, 4, lines.len() - 6));
    for line in lines {
        assert_eq!((&line["dev"], &line["verdict"]), (&"lo".into(), &"LOCAL_IN".into()), "{line}");
        assert_eq!(line["out"], Value::Array(Vec::new()), "nobody but the machine's programs has answered: {line}");
    }
}

#[test]
fn what_a_router_sent_is_what_the_engine_sends_in_its_place() {
    let two_sided = ["-nat.pcapng", "-dnat.pcapng", "directions.pcapng", "any-sll.pcap", "any-sll2.pcap"];
    for (file, rules) in ROUTED {
        if !two_sided.iter().any(|ending| file.ends_with(ending)) {
            continue;
        }
        let (mut theirs, mut ours) = (Vec::new(), Vec::new());
        for line in parsed(file, Some(rules)) {
            match line["verdict"].as_str() {
                Some("NOT_INJECTED") => theirs.push(line["pkt"].clone()),
                // The captures do not say whom the router's device on the inside has answered.
                Some("NO_HOOK") => {}
                _ => ours.extend(line["out"].as_array().expect("out").iter().map(|out| out["pkt"].clone())),
            }
        }
        assert!(!theirs.is_empty(), "{file}");
        assert_eq!(theirs, ours, "{file}");
    }
}

/// The records of a capture.
fn parsed(file: &str, rules: Option<&str>) -> Vec<Value> {
    json(file, rules).iter().map(|line| serde_json::from_str(line).expect("a record")).collect()
}

/// What `towpath replay` shows of a capture.
fn told(file: &str, rules: Option<&str>) -> String {
    let (mut text, mut flows, mut counts) = (TextRecords::new(Colour::Off), Flows::new(), Summary::new());
    let mut lines = String::new();
    let (replay, ended) = replayed(file, rules, |record| {
        flows.note(record);
        counts.note(record);
        lines += &text.line(record);
        lines.push('\n');
    });
    if let Err(error) = ended {
        lines += &format!("{error}\n");
    }
    let engine = replay.engine();
    let flows = flows.list(engine.conntrack().entries(engine.now()), Colour::Off);
    format!("{lines}\n{flows}\n{}", counts.in_words(&replay))
}

/// What `towpath replay --json --hex` shows of a capture.
fn json(file: &str, rules: Option<&str>) -> Vec<String> {
    lines(|each| replayed(file, rules, each))
}

/// A replay's records as JSON, and how it has ended if it had to.
fn lines(replay: impl FnOnce(&mut dyn FnMut(&Record<'_>)) -> (Replay, Result<(), CaptureError>)) -> Vec<String> {
    let mut json = JsonRecords::new(true);
    let mut lines = Vec::new();
    let (_, ended) = replay(&mut |record| lines.push(json.line(record)));
    lines.extend(ended.err().map(|error| error.to_string()));
    lines
}

fn replayed(file: &str, rules: Option<&str>, each: impl FnMut(&Record<'_>)) -> (Replay, Result<(), CaptureError>) {
    let text = rules.map(|rules| (rules, read(&format!("rules/{rules}"))));
    let rules: Vec<Source<'_>> = text.iter().map(|(name, text)| Source { name, text }).collect();
    let router = text.as_ref().map(|_| Config::read("router.toml", &read("rules/router.toml")).expect("the router"));
    replayed_by(file, router, &rules, each)
}

/// A capture through a gateway with the four helpers at their ports.
fn replayed_by(
    file: &str,
    config: Option<Config>,
    rules: &[Source<'_>],
    mut each: impl FnMut(&Record<'_>),
) -> (Replay, Result<(), CaptureError>) {
    let bytes = fs::read(captures().join(file)).expect("the capture");
    let setup = Setup {
        by_port: rules.is_empty(),
        config,
        rules: rules.to_vec(),
        helpers: towpath_helpers_native::all(),
        detail: Detail::Events,
        ..Setup::default()
    };
    let mut replay = Replay::new(setup).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut capture = Capture::from_bytes(&bytes).unwrap_or_else(|error| panic!("{file}: {error}"));
    let ended = replay.run(&mut capture, |record| {
        each(record);
        true
    });
    (replay, ended)
}

fn snapshot(name: &str, told: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    settings.bind(|| insta::assert_snapshot!(name, told));
}

fn all_captures() -> Vec<String> {
    let names = fs::read_dir(captures())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name of our own"));
    let mut names: Vec<_> = names.filter(|name| name.contains(".pcap")).collect();
    names.sort();
    assert!(names.len() > 40, "only {} captures were found", names.len());
    names
}

fn read(name: &str) -> String {
    fs::read_to_string(captures().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn captures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures")
}
