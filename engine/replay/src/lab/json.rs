//! A report as JSON.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;
use towpath_engine::{
    device::napi::{Activity, CpuCounters, POLL_SIZES},
    tcp::TcpInfo,
};

use super::{
    bond,
    hardware::QueueReport,
    lane::Lost,
    load::{Load, LoadStep},
    run::{ConnectionReport, Report},
    scenario::{End, Scenario},
    series::{Point, Wait},
    table::result,
};

#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    title: &'a str,
    seed: u64,
    ended: u64,
}

#[derive(Serialize)]
struct Direction<'a> {
    connection: &'a str,
    from: &'a str,
    to: &'a str,
    bytes: u64,
    goodput_bps: u64,
    resent: BTreeMap<&'static str, u32>,
    rto: u16,
    srtt_us: Option<[u32; 3]>,
    begun: Option<u64>,
    connected: Option<u64>,
    finished: Option<u64>,
    result: String,
    tcp_info: Option<&'a TcpInfo>,
}

#[derive(Serialize)]
struct Lane<'a> {
    link: &'a str,
    from: &'a str,
    to: &'a str,
    frames: u64,
    bytes: u64,
    lost: BTreeMap<&'static str, u64>,
    queue_bytes_max: u64,
    wait_max: u64,
}

/// A rate of a load.
#[derive(Serialize)]
struct Rate<'a> {
    load: &'a str,
    from: &'a str,
    to: &'a str,
    rate: u64,
    time: u64,
    rx_packets: u64,
    rx_missed_errors: u64,
    dropped: u64,
    delivered: u64,
    interrupts: u64,
    timers: u64,
    received_rps: u64,
    polls: u64,
    poll_sizes: [u64; POLL_SIZES.len()],
    busy_polls: u64,
    busy_poll_sizes: [u64; POLL_SIZES.len()],
    budget_spent: u64,
    time_spent: u64,
    ksoftirqd_woken: u64,
    latency_mean: Option<u64>,
    latency_max: u64,
    cpu: BTreeMap<String, u64>,
}

/// Rates of a load that were not over when the scenario was.
#[derive(Serialize)]
struct Left<'a> {
    load: &'a str,
    from: &'a str,
    to: &'a str,
    rates_left: &'a [u64],
}

/// A queue of a host.
#[derive(Serialize)]
struct Queue<'a> {
    queue: usize,
    host: &'a str,
    link: &'a str,
    rx_packets: u64,
    rx_bytes: u64,
    rx_missed_errors: u64,
    tx_packets: u64,
    tx_bytes: u64,
    tx_stopped: u64,
    tx_limited: u64,
    tx_limit_max: u64,
    tx_restart: u64,
    delivered: u64,
    interrupts: u64,
    deferred: u64,
    polls: u64,
    poll_sizes: [u64; POLL_SIZES.len()],
    busy_polls: u64,
    busy_poll_sizes: [u64; POLL_SIZES.len()],
    latency_max: u64,
}

/// A CPU of a host.
#[derive(Serialize)]
struct Cpu<'a> {
    cpu: usize,
    host: &'a str,
    processed: u64,
    dropped: u64,
    interrupts: u64,
    timers: u64,
    received_rps: u64,
    polls: u64,
    poll_sizes: [u64; POLL_SIZES.len()],
    budget_spent: u64,
    time_spent: u64,
    ksoftirqd_woken: u64,
    times: BTreeMap<String, u64>,
}

#[derive(Serialize)]
struct Fairness {
    fairness: f64,
}

#[derive(Serialize)]
struct Seen<'a> {
    point: &'a str,
    end: &'a str,
    #[serde(flatten)]
    seen: &'a Point,
}

#[derive(Serialize)]
struct Waits<'a> {
    wait: &'a str,
    from: &'a str,
    #[serde(flatten)]
    seen: &'a Wait,
}

/// Writes a report as JSON, one object a line, `towpath.lab/1`; with all that was seen over time, if `series`.
///
/// | first key | what the object is |
/// |---|---|
/// | `schema` | the first line: `"towpath.lab/1"`, the scenario's `title`, `seed`, and when the run has `ended`, in nanoseconds |
/// | `connection` | one direction of a connection, by name: `from` and `to` (hosts), `bytes` read, `goodput_bps`, `resent` (segments by reason), `rto`, `srtt_us` (least, mean, greatest), `begun`, `connected`, `finished` (nanoseconds), `result`, the last `tcp_info` |
/// | `link` | a direction of a link, by name: `from`, `to`, `frames` and `bytes` that have arrived, `lost` by reason, `queue_bytes_max`, `wait_max` (nanoseconds) |
/// | `bond` | a bond of a host, or a group of a switch, by name: `of` (the host or switch), `mode`, `uses` (which `links` from when on, `ts`), `log` (lines as the kernel writes them, `ts`), `left_out` (of both), and `proc`: what is known of it in the end, as `/proc/net/bonding` prints it |
/// | `drops` | what a host with bonds has dropped: `reasons`, with how many packets for each |
/// | `switch` | a switch, by name: frames `forwarded` to one port or group, `flooded` to all others, `filtered` (for where they came from), `link_local` (LACP), `blocked` (by a port by which its group takes nothing), without a port to leave by (`no_port`), `unlearned` (stations without room) and `stations_max` (the most at once) |
/// | `load` | one rate of a load, by name: `from` and `to` (hosts), the `rate` in packets a second, the `time` that was measured (nanoseconds), and of the hardware of `to`: `rx_packets`, `rx_missed_errors` (rings full), `dropped` (backlogs full), `delivered`, `interrupts` (of devices), `timers` (`gro_flush_timeout`), `received_rps` (interrupts by other CPUs), `polls` of softirqs (of backlogs too) and `poll_sizes` (how many of them found 0, 1, 2, 4, 8, 16, 32, 64 packets or more), `busy_polls` of processes that found packets and `busy_poll_sizes`, `budget_spent` and `time_spent` (together Linux's `time_squeeze`), `ksoftirqd_woken`, `latency_mean` (null: no packet went on), `latency_max` and `cpu` (nanoseconds, by what all CPUs did: `process`, `interrupt`, `softirq`, `ksoftirqd`, `busy_poll`); or, `rates_left` alone, its rates that were not over when the scenario was |
/// | `queue` | a queue of a `host` with hardware, by its number at its `link`, over the whole run: as of a load, besides `rx_bytes`, `deferred` (times it was polled by a timer), and of its transmit ring `tx_packets`, `tx_bytes`, `tx_stopped` and `tx_limited` (times it was full, or beyond the limit to its bytes, so that the queue was stopped), `tx_limit_max` (the most that limit was; 0: there is none) and `tx_restart` (times it was woken); its `polls` are those of that queue |
/// | `cpu` | a CPU of such a host, by its number: as of a load; `times` are its own |
/// | `fairness` | Jain's index of all goodputs, when there are two or more |
/// | `point` | with series: a connection at an end at a time: `end` and [`Point`]'s fields |
/// | `wait` | with series: what waits at a link's direction at a time: `from` and [`Wait`]'s fields |
///
/// # Errors
/// What `out` says.
pub fn write_json(out: &mut impl Write, scenario: &Scenario, report: &Report, series: bool) -> io::Result<()> {
    let ended = report.ended.as_nanos() as u64;
    line(out, &Head { schema: "towpath.lab/1", title: &scenario.title, seed: scenario.seed, ended })?;
    for (plan, found) in scenario.connections.iter().zip(&report.connections) {
        let names = plan.ends.map(|host| scenario.hosts[host].name.as_str());
        for end in End::BOTH {
            line(out, &direction(&plan.name, names, found, end))?;
            for seen in found.ends[end as usize].points.iter().filter(|_| series) {
                line(out, &Seen { point: &plan.name, end: names[end as usize], seen })?;
            }
        }
    }
    for (plan, found) in scenario.loads.iter().zip(&report.loads) {
        let names = plan.ends.map(|host| scenario.hosts[host].name.as_str());
        for step in &found.steps {
            line(out, &rate(plan, names, step))?;
        }
        let rates_left = plan.rates.get(found.steps.len()..).unwrap_or_default();
        if !rates_left.is_empty() {
            line(out, &Left { load: &plan.name, from: names[0], to: names[1], rates_left })?;
        }
    }
    bond::write_json(out, scenario, report)?;
    for found in &report.hardware {
        let host = scenario.hosts[found.host].name.as_str();
        for found in &found.queues {
            line(out, &queue(scenario, host, found))?;
        }
        for (number, counters) in found.cpus.iter().enumerate() {
            line(out, &cpu(host, number, counters))?;
        }
    }
    if let Some(fairness) = report.fairness() {
        line(out, &Fairness { fairness })?;
    }
    for (number, lane) in report.lanes.iter().enumerate() {
        let link = &scenario.links[number / 2];
        let [from, to] = [link.ends[number % 2], link.ends[1 - number % 2]].map(|node| scenario.name_of(node));
        let tally = &lane.tally;
        line(
            out,
            &Lane {
                link: &link.name,
                from,
                to,
                frames: tally.arrived,
                bytes: tally.arrived_bytes,
                lost: Lost::OF_LINKS.into_iter().map(|why| (why.name(), tally.lost_for(why))).collect(),
                queue_bytes_max: tally.queued_bytes_max,
                wait_max: tally.waited_max.as_nanos() as u64,
            },
        )?;
        for seen in lane.waits.iter().filter(|_| series) {
            line(out, &Waits { wait: &link.name, from, seen })?;
        }
    }
    Ok(())
}

fn direction<'a>(name: &'a str, names: [&'a str; 2], found: &'a ConnectionReport, end: End) -> Direction<'a> {
    let report = &found.ends[end as usize];
    let nanos = |when: Option<core::time::Duration>| when.map(|when| when.as_nanos() as u64);
    Direction {
        connection: name,
        from: names[end as usize],
        to: names[end.other() as usize],
        bytes: found.read[end as usize],
        goodput_bps: found.goodput_bps(end),
        resent: report.reasons().map(|(why, count)| (why.name(), count)).collect(),
        rto: report.timeouts(),
        srtt_us: report.rtt(),
        begun: nanos(found.begun),
        connected: nanos(found.connected),
        finished: nanos(found.finished),
        result: result(found, end),
        tcp_info: report.last.as_ref(),
    }
}

fn rate<'a>(plan: &'a Load, [from, to]: [&'a str; 2], step: &LoadStep) -> Rate<'a> {
    let LoadStep { queues, cpus, .. } = step;
    let nanos = |time: core::time::Duration| time.as_nanos() as u64;
    Rate {
        load: &plan.name,
        from,
        to,
        rate: step.rate,
        time: nanos(step.time),
        rx_packets: queues.rx_packets,
        rx_missed_errors: queues.rx_missed_errors,
        dropped: cpus.dropped,
        delivered: queues.delivered,
        interrupts: cpus.rounds.interrupts,
        timers: cpus.timers,
        received_rps: cpus.received_rps,
        polls: cpus.rounds.sizes.count(),
        poll_sizes: cpus.rounds.sizes.0,
        busy_polls: queues.busy_polls,
        busy_poll_sizes: queues.busy_sizes.0,
        budget_spent: cpus.rounds.budget_spent,
        time_spent: cpus.rounds.time_spent,
        ksoftirqd_woken: cpus.ksoftirqd_woken,
        latency_mean: step.latency_mean().map(nanos),
        latency_max: nanos(queues.latency_peak),
        cpu: times(cpus),
    }
}

fn queue<'a>(scenario: &'a Scenario, host: &'a str, found: &QueueReport) -> Queue<'a> {
    let counters = &found.counters;
    Queue {
        queue: found.number,
        host,
        link: &scenario.links[found.link].name,
        rx_packets: counters.rx_packets,
        rx_bytes: counters.rx_bytes,
        rx_missed_errors: counters.rx_missed_errors,
        tx_packets: counters.tx_packets,
        tx_bytes: counters.tx_bytes,
        tx_stopped: counters.tx_stopped,
        tx_limited: counters.tx_limited,
        tx_limit_max: counters.tx_limit_max,
        tx_restart: counters.tx_restart,
        delivered: counters.delivered,
        interrupts: counters.interrupts,
        deferred: counters.deferred,
        polls: counters.polls,
        poll_sizes: counters.sizes.0,
        busy_polls: counters.busy_polls,
        busy_poll_sizes: counters.busy_sizes.0,
        latency_max: counters.latency_max.as_nanos() as u64,
    }
}

fn cpu<'a>(host: &'a str, number: usize, counters: &CpuCounters) -> Cpu<'a> {
    Cpu {
        cpu: number,
        host,
        processed: counters.processed,
        dropped: counters.dropped,
        interrupts: counters.rounds.interrupts,
        timers: counters.timers,
        received_rps: counters.received_rps,
        polls: counters.rounds.sizes.count(),
        poll_sizes: counters.rounds.sizes.0,
        budget_spent: counters.rounds.budget_spent,
        time_spent: counters.rounds.time_spent,
        ksoftirqd_woken: counters.ksoftirqd_woken,
        times: times(counters),
    }
}

/// How long CPUs have done what, in nanoseconds.
fn times(counters: &CpuCounters) -> BTreeMap<String, u64> {
    let named = |what: Activity| (what.name().replace(' ', "_"), counters.time(what).as_nanos() as u64);
    Activity::ALL.into_iter().map(named).collect()
}

pub(super) fn line(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.write_all(b"\n")
}
