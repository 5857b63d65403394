//! Each scenario of `captures/lab` shows what its title says.

use std::{fs, path::Path, time::Duration};

use towpath_engine::tcp::{ResendReason, State};
use towpath_replay::lab::{ConnectionReport, End, Pass, Passing, Report, Scenario, Watch, run};

pub(crate) const FROM: usize = End::From as usize;
const TO: usize = End::To as usize;

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../captures/lab")
}

pub(super) fn read(name: &str) -> Scenario {
    let text = fs::read_to_string(folder().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"));
    Scenario::read(name, &text).unwrap_or_else(|error| panic!("{error}"))
}

pub(crate) fn play(scenario: &Scenario) -> Report {
    let report = run(scenario, None).unwrap_or_else(|error| panic!("{error}"));
    for (plan, found) in scenario.connections.iter().zip(&report.connections) {
        assert!(!found.is_damaged, "{}: {} has read other bytes than were written", scenario.file, plan.name);
        assert_eq!(found.errors, [None; 2], "{}: {}", scenario.file, plan.name);
    }
    report
}

pub(crate) fn mean_rtt_millis(found: &ConnectionReport, end: usize) -> f64 {
    let [_, mean, _] = found.ends[end].rtt().expect("round trips were measured");
    f64::from(mean) / 1e3
}

#[test]
fn every_scenario_is_tested_and_has_a_title() {
    let mut names: Vec<String> = fs::read_dir(folder())
        .expect("the folder")
        .map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned())
        .filter(|name| name != "README.md")
        .collect();
    names.sort();
    let mut tested = TESTED.map(str::to_owned);
    tested.sort();
    assert_eq!(names, tested);
    names.iter().for_each(|name| assert!(!read(name).title.is_empty(), "{name} has no title"));
}

const TESTED: [&str; 24] = [
    "failover-balanced.toml",
    "failover-adaptive.toml",
    "bufferbloat-bbr.toml",
    "reno-cubic-bbr.toml",
    "lossy-link.toml",
    "bursts.toml",
    "bufferbloat.toml",
    "bufferbloat-codel.toml",
    "transmit-ring.toml",
    "reno-and-cubic.toml",
    "zero-window.toml",
    "long-fat-pipe.toml",
    "syn-loss.toml",
    "time-wait-reuse.toml",
    "fair-share.toml",
    "outage.toml",
    "interrupts.toml",
    "failover-active-backup.toml",
    "failover-arp-monitor.toml",
    "failover-lacp.toml",
    "failover-tcp.toml",
    "lacp-silent-fast.toml",
    "lacp-silent-slow.toml",
    "balance.toml",
];

#[test]
fn a_lossy_link_is_repaired_without_timeouts() {
    let report = play(&read("lossy-link.toml"));
    let found = &report.connections[0];
    assert_eq!(found.read, [200, 10_000_000]);
    let resent = found.ends[TO].resent;
    let lost = report.lanes[0].tally.lost_for(towpath_replay::lab::Lost::Line);
    assert!((50..110).contains(&lost), "about 70 of 6907 frames are lost: {lost}");
    assert!(u64::from(resent.total()) < lost + 5, "hardly more is sent again than is lost: {resent:?}, {lost} lost");
    let repaired = resent.of(ResendReason::Recovery) + resent.of(ResendReason::Reordering);
    assert!(repaired > 9 * resent.total() / 10, "{resent:?}");
    assert!(found.ends[TO].timeouts() <= 1, "{} timeouts", found.ends[TO].timeouts());
}

#[test]
fn bursts_cost_fewer_reductions_than_single_losses() {
    let scenario = read("bursts.toml");
    let bursts = play(&scenario);
    let lost = |report: &Report| report.lanes[0].tally.lost_for(towpath_replay::lab::Lost::Line);
    let mut single = scenario;
    // Bad times are 1 in 251 of all, and so is a loss.
    single.links[0].ways[0].loss = towpath_replay::lab::Loss::Every(251);
    let single = play(&single);
    assert!(lost(&bursts) > 30 && lost(&single) > 30);
    let rates = [&bursts, &single].map(|report| report.connections[0].goodput_bps(End::From));
    assert!(rates[0] > rates[1] * 5 / 4, "bursts {} bit/s, single losses {}", rates[0], rates[1]);
}

#[test]
fn codel_keeps_round_trips_short_where_a_long_queue_does_not_and_the_link_as_full() {
    let [bloated, codel] = ["bufferbloat.toml", "bufferbloat-codel.toml"].map(|name| play(&read(name)));
    let [long, short] = [&bloated, &codel].map(|report| mean_rtt_millis(&report.connections[0], FROM));
    assert!(long > 500.0 && short < 75.0, "{long} ms and {short} ms");
    let [slow, fast] = [&bloated, &codel].map(|report| report.connections[1].read[TO]);
    assert!(fast > 3 * slow, "{slow} and {fast} bytes were echoed");
    for report in [&bloated, &codel] {
        let rate = report.connections[0].goodput_bps(End::From);
        assert!(rate > 8_900_000, "of 10 Mbit/s {rate} bit/s are used");
    }
    assert_eq!(bloated.lanes[0].tally.lost_for(towpath_replay::lab::Lost::Codel), 0);
    assert!(codel.lanes[0].tally.lost_for(towpath_replay::lab::Lost::Codel) > 0);
}

#[test]
fn what_a_transmit_ring_holds_no_queueing_discipline_keeps_short() {
    let report = play(&read("transmit-ring.toml"));
    let [deep, shallow, limited] = [0, 1, 2].map(|at| mean_rtt_millis(&report.connections[at], FROM));
    // 512 frames of 1514 bytes take 620 ms at 10 Mbit/s, which CoDel knows nothing of: it drops when more than these are under way.
    assert!(deep > 400.0 && shallow < 80.0 && limited < 80.0, "{deep} ms, {shallow} ms and {limited} ms");
    for found in &report.connections {
        let rate = found.goodput_bps(End::From);
        assert!(rate > 8_900_000, "of 10 Mbit/s {rate} bit/s are used");
    }
    for host in &report.hardware {
        let queue = host.queues[0].counters;
        assert!((0..=1).contains(&(queue.tx_stopped + queue.tx_limited - queue.tx_restart)), "{queue:?}");
    }
    let [deep, shallow, limited] = [0, 1, 2].map(|host: usize| report.hardware[host].queues[0].counters);
    assert!(deep.tx_stopped > 0 && shallow.tx_stopped > 0 && limited.tx_stopped == 0, "{deep:?} {limited:?}");
    assert!((3000..20_000).contains(&limited.tx_limit_max), "{limited:?}");
}

#[test]
fn cubic_takes_more_of_a_long_bottleneck_than_reno() {
    let report = play(&read("reno-and-cubic.toml"));
    let [reno, cubic] = [0, 1].map(|at| report.connections[at].goodput_bps(End::From));
    assert!(cubic > reno * 3 / 2, "Reno {reno} bit/s, CUBIC {cubic}");
    assert!(reno + cubic > 43_000_000, "together {} of 50 Mbit/s", reno + cubic);
}

#[test]
fn a_window_that_closes_is_asked_for_and_opens_again() {
    let scenario = read("zero-window.toml");
    let mut asked = Sent(Vec::new());
    let report = run(&scenario, Some(&mut asked)).unwrap_or_else(|error| panic!("{error}"));
    let found = &report.connections[0];
    assert_eq!((found.read[FROM], found.is_damaged), (5_000_000, false));
    let points = &found.ends[FROM].points;
    let closed: Vec<u64> = points.iter().filter(|point| point.snd_wnd == 0).map(|point| point.ts / 1_000_000).collect();
    assert!(closed.first() < Some(&2_000) && closed.last() > Some(&9_900), "{:?}", (closed.first(), closed.last()));
    // The acknowledgement that closes the window waits a while, so that the last segment may be asked for meanwhile.
    let resent = found.ends[FROM].resent;
    assert_eq!(resent.total(), resent.of(ResendReason::LossProbe), "probes of the window are no retransmissions");
    assert!(resent.total() <= 1, "{resent:?}");
    assert_eq!(found.ends[FROM].timeouts(), 0);
    // Probes are sent after a timeout that doubles: five in ten seconds.
    let closed = Duration::from_millis(600)..Duration::from_secs(10);
    let probes: Vec<Duration> = asked.0.into_iter().filter(|at| closed.contains(at)).collect();
    let waits: Vec<f64> = probes.windows(2).map(|pair| (pair[1] - pair[0]).as_secs_f64()).collect();
    assert!((3..=6).contains(&probes.len()), "{probes:?}");
    assert!(waits.windows(2).all(|pair| (1.9..2.1).contains(&(pair[1] / pair[0]))), "{probes:?}");
    let finished = found.finished.expect("it ends");
    assert!(finished < Duration::from_secs(17), "{finished:?}");
}

/// When the first host of a scenario sends anything.
struct Sent(Vec<Duration>);

impl Watch for Sent {
    fn frame(&mut self, passing: &Passing<'_>) {
        if passing.lane == 0 && matches!(passing.pass, Pass::Leaves(_)) {
            self.0.push(passing.at);
        }
    }
}

#[test]
fn a_long_fat_pipe_is_filled_with_scaled_windows_and_not_without() {
    let scenario = read("long-fat-pipe.toml");
    let report = play(&scenario);
    let rate = report.connections[0].goodput_bps(End::From);
    assert!(rate >= 900_000_000, "{rate} bit/s of 1 Gbit/s");
    let mut unscaled = scenario;
    unscaled.hosts[1].sysctls.push(("net.ipv4.tcp_window_scaling".into(), vec![0]));
    let report = play(&unscaled);
    let rate = report.connections[0].goodput_bps(End::From);
    // 64 KB each 100 ms.
    assert!((4_000_000..5_300_000).contains(&rate), "{rate} bit/s");
}

#[test]
fn lost_syns_are_sent_again_each_second() {
    let report = play(&read("syn-loss.toml"));
    let found = &report.connections[0];
    assert_eq!(found.connected, Some(Duration::from_millis(2040)));
    assert_eq!(found.ends[FROM].resent.of(ResendReason::Handshake), 2);
    assert_eq!(found.read, [200, 5000]);
}

#[test]
fn a_newer_syn_reopens_what_waits_in_time_wait() {
    let report = play(&read("time-wait-reuse.toml"));
    for (at, found) in report.connections.iter().enumerate() {
        assert_eq!(found.read, [200, 5000], "connection {at}");
        let took = found.connected.expect("it stands") - found.begun.expect("it was asked for");
        assert_eq!(took, Duration::from_millis(20), "connection {at} takes one round trip");
    }
    let last = report.connections[0].ends[FROM].last.expect("it was seen");
    assert_eq!(last.state, State::LastAck, "the server has closed first, and waits");
}

#[test]
fn two_flows_of_a_kind_share_a_bottleneck() {
    let report = play(&read("fair-share.toml"));
    let index = report.fairness().expect("two flows");
    assert!(index >= 0.95, "Jain's index is {index}");
}

#[test]
fn an_outage_is_outlived_by_timeouts_that_double() {
    let report = play(&read("outage.toml"));
    let found = &report.connections[0];
    assert_eq!(found.read[FROM], 2_000_000);
    let timeouts = found.ends[FROM].timeouts();
    assert!((2..=5).contains(&timeouts), "{timeouts} timeouts in two seconds");
    assert!(
        found.measured.time > Duration::from_secs(5) && found.measured.time < Duration::from_secs(8),
        "{:?}",
        found.measured
    );
}

#[test]
fn a_limit_holds_a_sender_to_its_rate_in_even_steps() {
    let text = "until = \"10s\"\nmeasure = [\"2s\", \"10s\"]\n[[host]]\nname = \"a\"\n[[host]]\nname = \"b\"\n[[link]]\nbetween = [\"a\", \"b\"]\nrate = \"1 Gbit/s\"\ndelay = \"5ms\"\n[[connection]]\nfrom = \"a\"\nto = \"b\"\nsend = \"endless\"\nfrom_options = { max_pacing_rate = \"8 Mbit/s\" }\n";
    let scenario = Scenario::read("limit", text).unwrap_or_else(|error| panic!("{error}"));
    let mut sent = Sent(Vec::new());
    let report = run(&scenario, Some(&mut sent)).unwrap_or_else(|error| panic!("{error}"));
    let rate = report.connections[0].goodput_bps(End::From);
    assert!((7_900_000..=8_000_000).contains(&rate), "{rate} bit/s of 8 Mbit/s");
    let last = report.connections[0].ends[FROM].last.expect("it was seen");
    assert_eq!((last.pacing_rate, last.max_pacing_rate), (1_000_000, 1_000_000));
    assert!((950_000..=1_000_000).contains(&last.delivery_rate), "{} bytes/s", last.delivery_rate);
    // Two segments a time, each 2.9 ms.
    let gaps: Vec<Duration> = sent.0.windows(2).map(|pair| pair[1] - pair[0]).collect();
    let longest = gaps.iter().skip(1000).max().expect("much is sent");
    assert!(*longest < Duration::from_micros(3000), "{longest:?} between two segments");
}
