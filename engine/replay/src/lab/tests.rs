//! Scenarios are read, and small ones played.

use core::time::Duration;
use std::collections::BTreeMap;

use towpath_engine::{
    device::Feature,
    socket::{SocketError, SocketOption},
    tcp::ResendReason,
};

use super::{Bound, Chance, End, Loss, Lost, Pass, Passing, Scenario, Watch, run, table, write_json};

/// Two hosts, a link that is said, and what is said over it.
fn scenario(link: &str, connection: &str, more: &str) -> Scenario {
    let text = format!(
        "until = \"60s\"\n{more}\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\n{link}\n[[connection]]\nfrom = \"a\"\nto = \"b\"\n{connection}\n"
    );
    Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"))
}

fn mistake(text: &str) -> String {
    Scenario::read("s.toml", text).expect_err("it has a mistake").to_string()
}

#[test]
fn a_link_says_what_it_does_in_both_directions_unless_it_says_otherwise_for_one() {
    let link = "rate = \"10 Mbit/s\"\ndelay = \"5ms\"\nloss = \"1 %\"\nqueue = { bytes = \"64 KiB\", discipline = \"codel\", target = \"10ms\" }\nback = { rate = \"1 Mbit/s\", loss = { enters = \"1 %\", leaves = \"50 %\" } }";
    let found = scenario(link, "", "");
    let [there, back] = &found.links[0].ways;
    assert_eq!((there.rate_bps, back.rate_bps), (Some(10_000_000), Some(1_000_000)));
    assert_eq!(there.delay, back.delay);
    assert_eq!(there.loss, Loss::Random(Chance::from_billionths(10_000_000)));
    assert!(matches!(back.loss, Loss::Burst { good: Chance::NEVER, bad: Chance::ALWAYS, .. }));
    let codel = back.queue.codel.expect("CoDel, as there");
    assert_eq!((codel.target, codel.interval), (Duration::from_millis(10), Duration::from_millis(100)));
    assert_eq!(back.queue.bound, Bound::Bytes(65_536));
    assert_eq!(found.links[0].name, "a-b");
}

#[test]
fn mistakes_are_told_with_their_place_and_what_was_expected() {
    let hosts = "until = \"1s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n";
    let link = format!("{hosts}[[link]]\nbetween = [\"a\", \"b\"]\n");
    for (text, expected) in [
        ("[[host]]\nname = \"a\"\n".to_owned(), "s.toml:1:1: the scenario needs 'until'"),
        (format!("{hosts}[[link]]\nbetween = [\"a\", \"c\"]\n"), "s.toml:7:17: there is no [[host]] named 'c'"),
        (
            format!("{link}rate = \"fast\"\n"),
            "s.toml:8:8: 'rate' must be a rate, such as \"10 Mbit/s\", \"1.5 Gbit/s\" or \"64 kbit/s\", not \"fast\"",
        ),
        (format!("{link}dealy = \"1ms\"\n"), "s.toml:8:1: [[link]] has no key 'dealy'; did you mean 'delay'?"),
        (format!("{link}loss = {{ every = 3, frames = [1] }}\n"), "s.toml:8:30: 'frames' cannot stand beside 'every'"),
        (
            format!("{link}[[connection]]\nfrom = \"a\"\nto = \"b\"\noptions = {{ congestion = \"vegas\" }}\n"),
            "s.toml:11:26: 'congestion' must be \"cubic\", \"reno\" or \"bbr\", not \"vegas\"",
        ),
        (
            format!("{link}queue = {{ bytes = \"2 GiB\" }}\n"),
            "s.toml:8:19: 'bytes' must be at most \"1 GiB\", not \"2 GiB\"",
        ),
        (
            format!("{link}loss = {{ frames = [{}] }}\n", "1, ".repeat(1001)),
            "s.toml:8:3020: there can be 1000 'frames' at most",
        ),
        (
            format!("sample = \"10us\"\n{link}[[connection]]\nfrom = \"a\"\nto = \"b\"\n").replace("\"1s\"", "\"1h\""),
            "s.toml:1:10: 'sample' must be at least 2.880005ms where 4 series are taken down, not \"10us\"",
        ),
        (
            format!(
                "{link}[[connection]]\nfrom = \"a\"\nto = \"b\"\n{}",
                "[[event]]\nat = \"0s\"\nlink = \"a-b\"\n".repeat(10_001)
            ),
            "s.toml:30011:1: there can be 10000 [[event]] at most",
        ),
        (
            format!("measure = [\"0s\", \"2s\"]\n{hosts}"),
            "s.toml:1:18: 'measure' must be no later than 'until', not \"2s\"",
        ),
        (
            "until = \"1s\"\n[[host]]\nname = \"a\"\nsysctl.net.ipv4.tcp_sacks = 1\n".to_owned(),
            "s.toml:4:29: there is no sysctl 'net.ipv4.tcp_sacks'",
        ),
        (
            "until = \"1s\"\n[[host]]\nname = \"a\"\nsysctl.net.ipv4.tcp_congestion_control = \"vegas\"\n".to_owned(),
            "s.toml:4:42: 'net.ipv4.tcp_congestion_control' must be one of reno, bbr and cubic, not \"vegas\"",
        ),
    ] {
        assert_eq!(mistake(&text), expected, "{text}");
    }
}

#[test]
fn the_usual_congestion_control_of_a_host_is_named() {
    let usual = "name = \"a\"\nsysctl.net.ipv4.tcp_congestion_control = \"bbr\"\n";
    let link = "[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"1 Mbit/s\"\ndelay = \"1ms\"\n";
    let connection = "[[connection]]\nfrom = \"a\"\nto = \"b\"\n";
    let text = format!("until = \"1s\"\n[[host]]\n{usual}[[host]]\nname = \"b\"\n{link}{connection}");
    let found = Scenario::read("s.toml", &text).expect("it is right");
    assert_eq!(found.hosts[0].sysctls, [("net.ipv4.tcp_congestion_control".to_owned(), vec![2])]);
}

#[test]
fn a_transfer_takes_the_time_that_its_link_takes() {
    let found = run(&scenario("rate = \"10 Mbit/s\"\ndelay = \"10ms\"", "send = \"1 MB\"", ""), None).expect("a run");
    let connection = &found.connections[0];
    assert_eq!(connection.read, [1_000_000, 0]);
    assert!(connection.finished.is_some() && !connection.is_damaged);
    // 691 frames of up to 1514 bytes, 20 ms of handshake before, and 10 ms on the way.
    let took = connection.measured.time;
    assert!((Duration::from_millis(850)..Duration::from_millis(960)).contains(&took), "{took:?}");
    assert_eq!(found.lanes[0].tally.lost_for(Lost::Line), 0);
}

#[test]
fn rounds_of_questions_and_answers_take_a_round_trip_each() {
    let found = run(&scenario("delay = \"25ms\"", "send = 100\nanswer = 1000\nrounds = 10", ""), None).expect("a run");
    let connection = &found.connections[0];
    assert_eq!(connection.read, [1000, 10_000]);
    assert_eq!(connection.measured.time, Duration::from_millis(550));
}

#[test]
fn what_a_hosts_routes_say_holds_for_its_connections() {
    let took = |route: &str| {
        let text = format!(
            "until = \"9s\"\n[[host]]\nname = \"a\"\n{route}\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\n\
             delay = \"25ms\"\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nsend = 40000\n"
        );
        let scenario = Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        run(&scenario, None).expect("a run").connections[0].measured.time
    };
    // A handshake, and three windows of which the first is of ten segments; or one.
    assert_eq!(took(""), Duration::from_millis(125));
    assert_eq!(took("route = { initcwnd = 40 }"), Duration::from_millis(75));
    assert!(
        mistake("until = \"1s\"\n[[host]]\nname = \"a\"\nroute.hoplimit = 3\n")
            .starts_with("s.toml:4:7: [host.route] has no key")
    );
}

#[test]
fn a_pause_lies_between_rounds_and_a_deaf_end_reads_nothing() {
    let found = run(&scenario("delay = \"25ms\"", "send = 100\nanswer = 1000\nrounds = 3\npause = \"1s\"", ""), None);
    assert_eq!(found.expect("a run").connections[0].measured.time, Duration::from_millis(2200));
    let deaf = scenario("delay = \"5ms\"", "send = \"1 MB\"\ndeaf = [\"0s\", \"5s\"]", "");
    let found = run(&deaf, None).expect("a run");
    assert_eq!(found.connections[0].read[0], 1_000_000);
    assert!(found.connections[0].measured.time > Duration::from_secs(5));
}

#[test]
fn the_same_seed_gives_the_same_run_and_another_one_another() {
    let link = "rate = \"5 Mbit/s\"\ndelay = \"10ms\"\njitter = \"2ms\"\nloss = \"2 %\"\nreorder = { chance = \"1 %\", by = \"3ms\" }\nduplicate = \"1 %\"";
    let told = |seed| {
        let scenario = scenario(link, "send = \"300 kB\"", &format!("seed = {seed}"));
        let report = run(&scenario, None).expect("a run");
        assert_eq!(report.connections[0].read[0], 300_000);
        let mut out = Vec::new();
        write_json(&mut out, &scenario, &report, true).expect("it is written");
        (out, table(&scenario, &report))
    };
    assert_eq!(told(1), told(1));
    assert_ne!(told(1), told(2));
}

#[test]
fn hosts_between_forward_over_both_families() {
    for family in ["ipv4", "ipv6"] {
        let text = format!(
            "until = \"9s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"r\"\n[[host]]\nname = \"s\"\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"r\"]\n[[link]]\nbetween = [\"s\", \"r\"]\n[[link]]\nbetween = [\"s\", \"b\"]\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nfamily = \"{family}\"\nsend = 5000\nanswer = 7000\n"
        );
        let scenario = Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        let mut again = Again::default();
        let found = run(&scenario, Some(&mut again)).expect("a run");
        assert_eq!(found.connections[0].read, [5000, 7000], "{family}");
        assert!(again.0.is_empty(), "what is only forwarded is not sent again: {:?}", again.0);
    }
}

#[test]
fn who_sends_without_end_over_a_link_of_which_nothing_is_said_ends_in_time() {
    let scenario = Scenario { until: Duration::from_millis(1), ..scenario("", "send = \"endless\"", "") };
    let found = run(&scenario, None).expect("a run");
    assert!(found.connections[0].read[0] > 0);
}

#[test]
fn the_end_of_a_run_is_looked_at_once() {
    let link = "rate = \"100 kbit/s\"";
    let found = run(&scenario(link, "send = \"endless\"", "sample = \"1s\""), None).expect("a run");
    let times: Vec<u64> = found.lanes[0].waits.iter().map(|wait| wait.ts / 1_000_000_000).collect();
    assert_eq!(times, (0..=60).collect::<Vec<_>>());
}

#[test]
fn how_far_a_run_has_come_is_told_on_the_way() {
    let (mut told, link) = (Vec::new(), "rate = \"100 kbit/s\"");
    let scenario = scenario(link, "send = \"endless\"", "");
    super::run_telling(&scenario, None, &mut |passed| told.push(passed)).expect("a run");
    assert!(told.len() > 1000 && told.is_sorted() && told.last() == Some(&scenario.until), "{:?}", told.last());
}

#[test]
fn what_nobody_can_listen_for_is_told_at_the_end_that_should_have() {
    let mut scenario = scenario("delay = \"10ms\"", "send = 100", "");
    scenario.connections[0].options[1].push(SocketOption::MaxSegment(1));
    let found = run(&scenario, None).expect("a run");
    assert_eq!(found.connections[0].errors, [Some(SocketError::ConnectionRefused), Some(SocketError::Invalid)]);
}

/// Reasons for which segments were sent again, as they were seen on the way.
#[derive(Default)]
struct Again(Vec<&'static str>);

impl Watch for Again {
    fn frame(&mut self, passing: &Passing<'_>) {
        if let Pass::Leaves(Some(why)) = passing.pass {
            self.0.push(why.name());
        }
    }
}

#[test]
fn who_looks_on_is_told_why_segments_are_sent_again() {
    // SYN, ACK, and nine of data: the SYN is lost, the third or last one of data, or all data and what asks for their end.
    for (lost, expected) in [
        ("[1]", vec!["handshake"]),
        ("[5]", vec!["recovery"]),
        ("[11]", vec!["loss probe"]),
        ("[3, 4, 5, 6, 7, 8, 9, 10, 11, 12]", vec!["loss probe", "timeout"]),
    ] {
        let link = format!("delay = \"10ms\"\nloss = {{ frames = {lost} }}");
        let mut again = Again::default();
        let found = run(&scenario(&link, "send = 13032\nclose = \"nobody\"", ""), Some(&mut again)).expect("a run");
        assert_eq!(found.connections[0].read[0], 13_032);
        assert!(again.0.starts_with(&expected), "{lost}: {:?}", again.0);
        let resent = found.connections[0].ends[End::From as usize].resent;
        assert_eq!(resent.total() as usize, again.0.len(), "{lost}: {resent:?}");
    }
}

/// Segments that were sent again, by reason, a frame of many counted as many.
#[derive(Default)]
struct AgainBySegments(BTreeMap<ResendReason, u32>);

impl Watch for AgainBySegments {
    fn frame(&mut self, passing: &Passing<'_>) {
        if let (Pass::Leaves(Some(why)), Some(segment)) = (passing.pass, passing.segment) {
            *self.0.entry(why).or_default() += segment.len.div_ceil(1448);
        }
    }
}

#[test]
fn frames_that_a_device_would_cut_and_sum_arrive_and_are_sent_again_for_one_reason_each() {
    let link = "rate = \"500 Mbit/s\"\ndelay = \"20ms\"\nloss = { every = 60 }";
    let mut scenario = scenario(link, "send = 4000000\nclose = \"nobody\"", "");
    let cuts = |feature: &Feature| ["tx-checksumming", "tcp-segmentation-offload"].contains(&feature.name);
    scenario.hosts[0].features = Feature::all().filter(cuts).map(|feature| (feature, true)).collect();
    let mut again = AgainBySegments::default();
    let found = run(&scenario, Some(&mut again)).expect("a run");
    assert_eq!(found.connections[0].read[0], 4_000_000);
    let tally = found.lanes[0].tally;
    assert!(tally.arrived_bytes > 2000 * tally.arrived, "many segments share a frame: {tally:?}");
    let reasons: BTreeMap<_, _> = found.connections[0].ends[End::From as usize].reasons().collect();
    assert!(reasons.len() > 1 && again.0 == reasons, "seen {:?}, counted {reasons:?}", again.0);
}

#[test]
fn a_link_that_goes_down_and_up_again_holds_a_connection_up() {
    let more = "event = [{ at = \"1s\", link = \"a-b\", up = false }, { at = \"3s\", link = \"a-b\", up = true }]";
    let found =
        run(&scenario("rate = \"1 Mbit/s\"\ndelay = \"10ms\"", "send = \"250 kB\"", more), None).expect("a run");
    let connection = &found.connections[0];
    assert_eq!(connection.read[0], 250_000);
    assert!(connection.measured.time > Duration::from_secs(4), "{:?}", connection.measured);
    assert!(connection.ends[0].timeouts() > 0 && found.lanes[0].tally.lost_for(Lost::Down) > 0);
}

#[test]
fn what_is_agreed_between_two_flows_shows_in_jains_index() {
    let text = "until = \"10s\"\nmeasure = [\"2s\", \"10s\"]\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"10 Mbit/s\"\ndelay = \"5ms\"\nqueue = { packets = 50 }\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nsend = \"endless\"\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nsend = 1000\n";
    let scenario = Scenario::read("s.toml", text).unwrap_or_else(|error| panic!("{error}"));
    let found = run(&scenario, None).expect("a run");
    // One has all: a half.
    let index = found.fairness().expect("two flows");
    assert!((index - 0.5).abs() < 0.001, "{index}");
    let goodput = found.connections[0].goodput_bps(End::From);
    assert!((9_400_000..9_700_000).contains(&goodput), "1448 of 1514 bytes of 10 Mbit/s: {goodput}");
}

#[test]
fn a_diagram_shows_who_says_what_what_is_lost_and_what_is_sent_again() {
    let scenario = scenario("delay = \"10ms\"\nloss = { frames = [4] }", "send = 7240\nanswer = 10", "");
    let mut diagram = super::Diagram::new(&scenario, 0, (Duration::ZERO, Duration::MAX), 100);
    run(&scenario, Some(&mut diagram)).expect("a run");
    let drawn = diagram.draw();
    let lines: Vec<&str> = drawn.lines().collect();
    let has = |at: usize, parts: &[&str]| {
        assert!(parts.iter().all(|part| lines[at].contains(part)), "line {at} lacks {parts:?}:\n{drawn}");
    };
    has(0, &["seconds", "a", "b"]);
    has(1, &["0.000000  S 0:1 win 64240", "►", "arrives 0.010000"]);
    has(2, &["0.010000  ◄", "SA 0:1 ack 1 win ", "arrives 0.020000"]);
    has(3, &["0.020000  ack 1 win"]);
    assert!(drawn.contains("1449:2897 ack 1") && drawn.contains("✗") && drawn.contains("lost: line"), "{drawn}");
    assert!(drawn.contains("ack 1449 win") && drawn.contains("sack 2897:4345"), "{drawn}");
    assert!(drawn.contains("again: recovery") || drawn.contains("again: reordering"), "{drawn}");
    assert!(drawn.contains("3 × 2897:7241"), "{drawn}");
}

#[test]
fn a_diagram_is_bounded_in_time_and_rows() {
    let scenario = scenario("delay = \"10ms\"", "send = 100\nanswer = 100\nrounds = 50", "");
    let mut diagram = super::Diagram::new(&scenario, 0, (Duration::from_millis(100), Duration::from_millis(500)), 10);
    run(&scenario, Some(&mut diagram)).expect("a run");
    let drawn = diagram.draw();
    assert_eq!(drawn.lines().count(), 12, "{drawn}");
    assert!(drawn.lines().nth(1).is_some_and(|line| line.trim_start().starts_with("0.100")), "{drawn}");
    assert!(drawn.contains("segments more"), "{drawn}");
}

#[test]
fn a_capture_of_both_ends_has_an_interface_for_each_and_says_why_segments_are_sent_again() {
    let scenario = scenario("delay = \"10ms\"\nloss = { frames = [4] }", "send = 7240", "");
    let mut file = super::PcapngRun::new(Vec::new(), &scenario, &[0, 1]).expect("it begins");
    run(&scenario, Some(&mut file)).expect("a run");
    let bytes = file.finish().expect("it is written");
    let mut capture = crate::capture::Capture::from_bytes(&bytes).expect("a capture");
    let batch = capture.next_batch(1000).expect("packets");
    let names: Vec<_> = batch.interfaces().iter().map(|interface| interface.name.as_deref()).collect();
    assert_eq!(names, [Some("a:a-b"), Some("b:a-b")]);
    let packets: Vec<_> = batch.packets().collect();
    let at = |interface: usize| packets.iter().filter(|packet| usize::from(packet.interface.0) == interface).count();
    // One was lost, and the run ends while the last one is on its way.
    assert_eq!(at(0), at(1) + 2);
    let again = packets.iter().filter_map(|packet| packet.comment).map(String::from_utf8_lossy).collect::<Vec<_>>();
    assert!(again.len() == 1 && again[0].starts_with("sent again: "), "{again:?}");
    assert!(packets.is_sorted_by_key(|packet| packet.time));
}

#[test]
fn what_a_device_has_merged_by_itself_is_read_as_it_was_sent_and_takes_fewer_acknowledgements() {
    let acknowledgements = |features: &str| {
        let text = format!(
            "until = \"60s\"\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\nhardware = {{ rx_usecs = 100 }}\nfeatures = {{ {features} }}\n[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"1 Gbit/s\"\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nsend = \"2 MB\"\n"
        );
        let scenario = Scenario::read("s.toml", &text).unwrap_or_else(|error| panic!("{error}"));
        let report = run(&scenario, None).expect("a run");
        let connection = &report.connections[0];
        assert!(connection.finished.is_some() && !connection.is_damaged, "{features}: {connection:?}");
        assert_eq!(connection.read[0], 2_000_000, "{features}");
        report.lanes[1].tally.arrived
    };
    let [alone, merged] = ["lro = false", "lro = true"].map(acknowledgements);
    assert!(merged * 5 / 4 < alone, "{merged} acknowledgements, and {alone} of what was not merged");
}
