//! A report as a table for people.

use core::fmt::{self, Write};

use super::{
    bond::write_bonds,
    lane::Lost,
    load::{Load, LoadReport},
    run::{ConnectionReport, Report},
    scenario::{End, Link, Scenario},
    series::EndReport,
};

/// A report as text: a line a connection, what was sent again and why, a line a rate of a load, and one a direction of a link.
#[must_use]
pub fn table(scenario: &Scenario, report: &Report) -> String {
    let mut out = String::new();
    // Writing to a text does not fail.
    let _ = write_table(&mut out, scenario, report);
    out
}

fn write_table(out: &mut String, scenario: &Scenario, report: &Report) -> fmt::Result {
    if !scenario.connections.is_empty() {
        write_connections(out, scenario, report)?;
    }
    for (plan, found) in scenario.loads.iter().zip(&report.loads) {
        write_load(out, scenario, plan, found)?;
    }
    write_links(out, scenario, report)?;
    write_bonds(out, scenario, report)?;
    if !report.hardware.is_empty() {
        write_hardware(out, scenario, report)?;
    }
    writeln!(out, "\nended after {:.6} s", report.ended.as_secs_f64())
}

fn write_connections(out: &mut String, scenario: &Scenario, report: &Report) -> fmt::Result {
    writeln!(
        out,
        "{:<14} {:<21} {:>11} {:>12} {:>6} {:>4} {:>26}  result",
        "connection", "from > to", "bytes", "goodput", "resent", "RTOs", "srtt min/avg/max ms"
    )?;
    for (plan, found) in scenario.connections.iter().zip(&report.connections) {
        let names = plan.ends.map(|host| scenario.hosts[host].name.as_str());
        for end in End::BOTH {
            // The end that has said nothing has nothing to tell.
            if found.read[end as usize] == 0 && (end == End::To || found.read[1] > 0) {
                continue;
            }
            let (at, other) = (end as usize, end.other() as usize);
            let ways = format!("{} > {}", names[at], names[other]);
            write_end(out, if end == End::From { &plan.name } else { "" }, &ways, found, end)?;
        }
    }
    if let Some(index) = report.fairness() {
        writeln!(out, "Jain's index of {} goodputs: {index:.4}", report.connections.len())?;
    }
    writeln!(out)
}

/// A line a rate: what came, what went on and what did not, and what it has cost.
fn write_load(out: &mut String, scenario: &Scenario, plan: &Load, found: &LoadReport) -> fmt::Result {
    writeln!(
        out,
        "{:<14} {:>10} {:>10} {:>7} {:>7} {:>10} {:>8} {:>8} {:>8} {:>5} {:>21}",
        plan.name,
        "packets/s",
        "go on/s",
        "missed",
        "dropped",
        "interrupts",
        "/packet",
        "polls",
        "packets",
        "CPU %",
        "latency us mean/max"
    )?;
    for step in &found.steps {
        let micros = |time: core::time::Duration| time.as_nanos() as f64 / 1e3;
        writeln!(
            out,
            "{:<14} {:>10} {:>10} {:>7} {:>7} {:>10} {:>8.3} {:>8} {:>8.2} {:>5.1} {:>21}",
            format!("> {}", scenario.hosts[plan.ends[1]].name),
            step.rate,
            step.delivered_rate(),
            step.queues.rx_missed_errors,
            step.cpus.dropped,
            step.cpus.rounds.interrupts,
            step.interrupts_per_thousand() as f64 / 1e3,
            step.polls(),
            step.packets_per_thousand_polls() as f64 / 1e3,
            step.cpu_per_thousand() as f64 / 10.0,
            step.latency_mean().map_or_else(
                || "-".to_owned(),
                |mean| format!("{:.2}/{:.2}", micros(mean), micros(step.queues.latency_peak)),
            ),
        )?;
    }
    let left = plan.rates.len() - found.steps.len();
    if left > 0 {
        writeln!(out, "{left} of {} rates were not over when the scenario was", plan.rates.len())?;
    }
    writeln!(out)
}

fn write_links(out: &mut String, scenario: &Scenario, report: &Report) -> fmt::Result {
    writeln!(
        out,
        "{:<22} {:>9} {:>12} {:>8} {:>8} {:>8} {:>6} {:>6} {:>11} {:>12}",
        "link", "frames", "bytes", "line", "queue", "codel", "down", "silent", "queue max", "wait max ms"
    )?;
    for (number, lane) in report.lanes.iter().enumerate() {
        let link = &scenario.links[number / 2];
        let ends = [link.ends[number % 2], link.ends[1 - number % 2]].map(|node| scenario.name_of(node));
        let has_twin = scenario.links.iter().filter(|known| same_ends(known, link)).count() > 1;
        let lost = Lost::OF_LINKS.map(|why| lane.tally.lost_for(why));
        writeln!(
            out,
            "{:<22} {:>9} {:>12} {:>8} {:>8} {:>8} {:>6} {:>6} {:>11} {:>12.3}",
            if has_twin {
                format!("{} > {} ({})", ends[0], ends[1], link.name)
            } else {
                format!("{} > {}", ends[0], ends[1])
            },
            lane.tally.arrived,
            lane.tally.arrived_bytes,
            lost[0],
            lost[1],
            lost[2],
            lost[3],
            lost[4],
            lane.tally.queued_bytes_max,
            lane.tally.waited_max.as_secs_f64() * 1e3,
        )?;
    }
    Ok(())
}

/// Whether two links lead between the same hosts or switches.
fn same_ends(one: &Link, other: &Link) -> bool {
    one.ends == other.ends || one.ends == [other.ends[1], other.ends[0]]
}

/// A line a queue and one a CPU of each host that has hardware.
fn write_hardware(out: &mut String, scenario: &Scenario, report: &Report) -> fmt::Result {
    let micros = |time: core::time::Duration| time.as_nanos() as f64 / 1e3;
    writeln!(
        out,
        "\n{:<22} {:>5} {:>10} {:>8} {:>10} {:>8} {:>10} {:>8} {:>8} {:>8} {:>15}",
        "host, link",
        "queue",
        "packets",
        "missed",
        "sent",
        "stopped",
        "interrupts",
        "deferred",
        "polls",
        "busy",
        "latency max us"
    )?;
    for found in &report.hardware {
        for queue in &found.queues {
            let place = format!("{}, {}", scenario.hosts[found.host].name, scenario.links[queue.link].name);
            let counted = &queue.counters;
            writeln!(
                out,
                "{place:<22} {:>5} {:>10} {:>8} {:>10} {:>8} {:>10} {:>8} {:>8} {:>8} {:>15.2}",
                queue.number,
                counted.rx_packets,
                counted.rx_missed_errors,
                counted.tx_packets,
                counted.tx_stopped + counted.tx_limited,
                counted.interrupts,
                counted.deferred,
                counted.polls,
                counted.busy_polls,
                micros(counted.latency_max),
            )?;
        }
    }
    writeln!(
        out,
        "\n{:<22} {:>5} {:>10} {:>8} {:>10} {:>8} {:>8} {:>8} {:>8} {:>9}",
        "host", "CPU", "processed", "dropped", "interrupts", "timers", "IPIs", "budget", "time", "busy s"
    )?;
    for found in &report.hardware {
        for (number, cpu) in found.cpus.iter().enumerate() {
            writeln!(
                out,
                "{:<22} {number:>5} {:>10} {:>8} {:>10} {:>8} {:>8} {:>8} {:>8} {:>9.6}",
                scenario.hosts[found.host].name,
                cpu.processed,
                cpu.dropped,
                cpu.rounds.interrupts,
                cpu.timers,
                cpu.received_rps,
                cpu.rounds.budget_spent,
                cpu.rounds.time_spent,
                cpu.busy().as_secs_f64(),
            )?;
        }
    }
    Ok(())
}

fn write_end(out: &mut String, name: &str, ways: &str, found: &ConnectionReport, end: End) -> fmt::Result {
    let report = &found.ends[end as usize];
    let srtt = report.rtt().map_or_else(
        || "-".to_owned(),
        |times| {
            let [least, mean, most] = times.map(|micros| f64::from(micros) / 1e3);
            format!("{least:.3}/{mean:.3}/{most:.3}")
        },
    );
    writeln!(
        out,
        "{name:<14} {ways:<21} {:>11} {:>12} {:>6} {:>4} {srtt:>26}  {}",
        found.read[end as usize],
        rate(found.goodput_bps(end)),
        report.resent.total(),
        report.timeouts(),
        result(found, end),
    )?;
    let reasons = reasons(report);
    if reasons.is_empty() { Ok(()) } else { writeln!(out, "{:<14} sent again: {reasons}", "") }
}

/// `12 recovery, 1 timeout`
pub(super) fn reasons(report: &EndReport) -> String {
    report.reasons().map(|(why, count)| format!("{count} {}", why.name())).collect::<Vec<_>>().join(", ")
}

/// How it went for an end, in a word or two.
pub(super) fn result(found: &ConnectionReport, end: End) -> String {
    if found.is_damaged {
        return "DAMAGED".into();
    }
    if let Some(error) = found.errors[end as usize] {
        return error.errno().into();
    }
    match (found.connected, found.finished) {
        (None, _) => "never stood".into(),
        (Some(_), None) => "open".into(),
        (Some(_), Some(_)) => "closed".into(),
    }
}

/// `9.41 Mbit/s`
pub(super) fn rate(bps: u64) -> String {
    let units = [(1_000_000_000, "Gbit/s"), (1_000_000, "Mbit/s"), (1_000, "kbit/s")];
    match units.iter().find(|(unit, _)| bps >= *unit) {
        Some((unit, name)) => format!("{:.2} {name}", bps as f64 / *unit as f64),
        None => format!("{bps} bit/s"),
    }
}

impl Report {
    /// Jain's index of the goodputs of all connections, in the direction in which each has carried more: 1 when all are equal, 1/n when
    /// one has all (Jain, Chiu, Hawe: "A quantitative measure of fairness", 1984). `None` of fewer than two.
    #[must_use]
    pub fn fairness(&self) -> Option<f64> {
        let rates: Vec<f64> = self
            .connections
            .iter()
            .map(|found| found.goodput_bps(End::From).max(found.goodput_bps(End::To)) as f64)
            .collect();
        let (sum, squares) = rates.iter().fold((0.0, 0.0), |(sum, squares), rate| (sum + rate, squares + rate * rate));
        (rates.len() > 1 && squares > 0.0).then(|| sum * sum / (rates.len() as f64 * squares))
    }
}
