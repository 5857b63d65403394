//! `towpath lab`: what it writes where, and what it says of what it cannot play.

use std::{collections::BTreeSet, fs};

use serde_json::Value;
use towpath_replay::capture::Capture;

use crate::program::{Place, towpath};

/// Two hosts and a router, and a loss that is repaired.
const LOSSY: &str =
    "title = \"a loss\"\nuntil = \"9s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"r\"\n[[host]]\nname = \"b\"
[[link]]\nbetween = [\"a\", \"r\"]\nrate = \"10 Mbit/s\"\ndelay = \"5ms\"
[[link]]\nbetween = [\"r\", \"b\"]\ndelay = \"5ms\"\nloss = { frames = [5] }\nback = { loss = \"0 %\" }
[[connection]]\nname = \"first\"\nfrom = \"a\"\nto = \"b\"\nsend = 20000
[[connection]]\nname = \"second\"\nfrom = \"b\"\nto = \"a\"\nat = \"1s\"\nsend = 100\nanswer = 100\n";

fn place() -> Place {
    Place::new(&[("lossy.toml", LOSSY)])
}

/// Names of a capture's interfaces, comments of its packets, and how many packets it has.
fn captured(bytes: &[u8]) -> (Vec<String>, Vec<String>, usize) {
    let mut capture = Capture::from_bytes(bytes).expect("a capture");
    let batch = capture.next_batch(10_000).expect("packets");
    let names = batch.interfaces().iter().filter_map(|interface| interface.name.clone()).collect();
    let comments = batch.packets().filter_map(|packet| packet.comment).map(|text| String::from_utf8_lossy(text).into());
    (names, comments.collect(), batch.packets().count())
}

#[test]
fn a_run_is_written_as_pcapng_of_all_hosts_or_of_those_that_are_named() {
    let place = place();
    let all = place.towpath("lab lossy.toml -w all.pcapng").fine();
    let (names, comments, packets) = captured(&fs::read(place.path("all.pcapng")).expect("it was written"));
    assert_eq!(names, ["a:a-r", "r:a-r", "r:r-b", "b:r-b"]);
    assert_eq!(comments, ["sent again: recovery"], "where it is sent, and not where it is forwarded");
    let one = place.towpath("lab lossy.toml -w one.pcapng --host b").fine();
    let (names, comments, fewer) = captured(&fs::read(place.path("one.pcapng")).expect("it was written"));
    assert_eq!((names, comments.len()), (vec!["b:r-b".to_owned()], 0));
    assert!(fewer > 30 && packets > 3 * fewer, "{fewer} of {packets}");
    assert_eq!(all, one);
}

#[test]
fn who_looks_on_changes_nothing() {
    let place = place();
    let plain = place.towpath("lab lossy.toml --json --series").fine();
    let watched = place.towpath("lab lossy.toml --json --series -w all.pcapng --svg plot.svg").fine();
    assert_eq!(plain, watched);
    let table = place.towpath("lab lossy.toml").fine();
    let drawn = place.towpath("lab lossy.toml --diagram").fine();
    assert!(drawn.len() > table.len() && drawn.ends_with(&table), "{drawn}");
}

#[test]
fn what_ethtool_would_show_of_a_hosts_devices_takes_the_place_of_the_table() {
    let loaded = "until = \"1s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\nfeatures = { gro = true }\nhardware = { rx = 100, rx_usecs = 7, queues = 2 }
[[link]]\nbetween = [\"a\", \"b\"]\n[[load]]\nfrom = \"a\"\nto = \"b\"\nrates = [1000]\npackets = 10\n";
    let place = Place::new(&[("loaded.toml", loaded)]);
    let shown = place.towpath("lab loaded.toml --ethtool b").fine();
    let texts = [
        "Ring parameters for a-b:\n",
        "Current hardware settings:\nRX:\t\t100\n",
        "\nrx-usecs: 7\nrx-frames: 0\n",
        "Combined:\t2\n\nNIC statistics:\n     rx_packets: 10\n",
        "\nFeatures for a-b:\nrx-checksumming: on\ntx-checksumming: off\n",
        "\ngeneric-receive-offload: on\n",
    ];
    let places: Vec<_> = texts.iter().map(|text| shown.find(text)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{places:?}: {shown}");
    let said = place.towpath("lab loaded.toml --ethtool a").wrong();
    assert!(said.contains("loaded.toml: [[host]] 'a' has no hardware"), "{said}");
    let said = place.towpath("lab loaded.toml --ethtool c").wrong();
    assert!(said.contains("loaded.toml has no [[host]] named 'c'"), "{said}");
}

#[test]
fn json_has_an_object_for_each_direction_and_with_series_one_for_each_time() {
    let place = place();
    let plain = place.towpath("lab lossy.toml --json").json();
    assert_eq!((&plain[0]["schema"], &plain[0]["title"]), (&"towpath.lab/1".into(), &"a loss".into()));
    let bytes = |name: &str, from: &str| {
        let is_it = |object: &&Value| object["connection"] == name && object["from"] == from;
        plain.iter().find(is_it).expect("a direction")["bytes"].as_u64()
    };
    assert_eq!((bytes("first", "a"), bytes("second", "a")), (Some(20_000), Some(100)));
    let lost = plain.iter().find(|object| object["link"] == "r-b" && object["from"] == "r").expect("a lane");
    assert_eq!(lost["lost"]["line"], 1);
    assert!(plain.iter().all(|object| object.get("point").is_none() && object.get("wait").is_none()));
    let series = place.towpath("lab lossy.toml --json --series").json();
    let times: Vec<u64> = series
        .iter()
        .filter(|object| object["wait"] == "a-r" && object["from"] == "a")
        .filter_map(|object| object["ts"].as_u64())
        .collect();
    let distinct: BTreeSet<_> = times.iter().collect();
    assert!(times.len() > 50 && times.is_sorted() && distinct.len() == times.len(), "{times:?}");
    assert!(series.iter().any(|object| object["point"] == "first" && object["snd_cwnd"].as_u64() > Some(4)));
}

#[test]
fn a_plot_is_an_svg_and_a_diagram_is_of_the_connection_and_the_time_that_are_asked_for() {
    let place = place();
    place.towpath("lab lossy.toml --svg plot.svg").fine();
    let plot = fs::read_to_string(place.path("plot.svg")).expect("it was written");
    assert!(plot.starts_with("<svg ") && plot.contains("first from a: cwnd"), "{plot}");
    let drawn = place.towpath("lab lossy.toml --diagram second --from 1 --until 1.015").fine();
    let lines: Vec<&str> = drawn.lines().collect();
    assert!(lines[0].contains("seconds  b") && lines[1].contains("1.000000  S 0:1"), "{drawn}");
    assert!(lines[2].contains("SA 0:1 ack 1") && lines[3].is_empty(), "{drawn}");
}

#[test]
fn another_seed_is_another_run() {
    let chance = LOSSY.replace("{ frames = [5] }", "\"10 %\"");
    let place = Place::new(&[("chance.toml", &chance)]);
    let run = |words: &str| place.towpath(&format!("lab chance.toml --json {words}")).fine();
    assert_eq!(run("--seed 3"), run("--seed 3"));
    assert_ne!(run("--seed 3"), run("--seed 4"));
}

#[test]
fn what_cannot_be_played_is_one_line_and_exit_code_2() {
    let place = Place::new(&[("lossy.toml", LOSSY), ("wrong.toml", &LOSSY.replace("20000", "\"much\""))]);
    for (words, said) in [
        ("none.toml", "towpath: none.toml: No such file or directory (os error 2)"),
        (
            "wrong.toml",
            "towpath: wrong.toml:22:8: 'send' must be a number of bytes, such as \"10 MB\", \"64 KiB\" or \"1500 B\", not \"much\"",
        ),
        ("lossy.toml -w x --host c", "towpath: lossy.toml has no [[host]] named 'c'"),
        ("lossy.toml --diagram third", "towpath: lossy.toml has no [[connection]] named 'third'"),
        ("lossy.toml --diagram --from=-1", "towpath: -1 is no time in seconds"),
        ("lossy.toml -w no/folder/x", "towpath: no/folder/x: No such file or directory (os error 2)"),
        ("lossy.toml --svg no/folder/x", "towpath: no/folder/x: No such file or directory (os error 2)"),
    ] {
        assert_eq!(place.towpath(&format!("lab {words}")).wrong(), said, "{words}");
    }
    // What no option says is told by the reader of options, in more lines.
    for words in
        ["lossy.toml --series", "lossy.toml --host a", "lossy.toml --from 1", "lossy.toml --json --diagram", ""]
    {
        assert_eq!(towpath(&format!("lab {words}")).code, Some(2), "{words}");
    }
}
