//! Bonds in a table for people.

use core::fmt::{self, Write};

use super::BondReport;
use crate::lab::{run::Report, scenario::Scenario};

/// A list a bond or group of what happened to it, a line of what each host with bonds has dropped, and one of each switch.
pub(in super::super) fn write_bonds(out: &mut String, scenario: &Scenario, report: &Report) -> fmt::Result {
    for found in &report.bonds {
        write_bond(out, scenario, found)?;
    }
    for found in report.drops.iter().filter(|found| !found.drops.is_empty()) {
        let drops: Vec<String> = found.drops.iter().map(|(why, count)| format!("{count} {}", why.name())).collect();
        writeln!(out, "\n{} drops {}", scenario.hosts[found.host].name, drops.join(", "))?;
    }
    if report.switches.is_empty() {
        return Ok(());
    }
    writeln!(
        out,
        "\n{:<22} {:>9} {:>9} {:>9} {:>10} {:>9} {:>8} {:>9}",
        "switch", "forwarded", "flooded", "filtered", "link-local", "blocked", "no port", "stations"
    )?;
    for (plan, tally) in scenario.switches.iter().zip(&report.switches) {
        writeln!(
            out,
            "{:<22} {:>9} {:>9} {:>9} {:>10} {:>9} {:>8} {:>9}",
            plan.name,
            tally.forwarded,
            tally.flooded,
            tally.filtered,
            tally.link_local,
            tally.blocked,
            tally.no_port,
            tally.stations_max,
        )?;
    }
    Ok(())
}

fn write_bond(out: &mut String, scenario: &Scenario, found: &BondReport) -> fmt::Result {
    let plan = &scenario.aggregates_of(found.node)[found.place];
    writeln!(out, "\n{}, {} ({})", scenario.name_of(found.node), plan.name, plan.options.mode.name())?;
    let uses = found.uses.iter().map(|(at, links)| {
        let names: Vec<&str> = links.iter().map(|link| scenario.links[*link].name.as_str()).collect();
        (at, format!("uses {}", if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }))
    });
    let log = found.log.iter().map(|(at, line)| {
        let own = line.strip_prefix(&plan.name).and_then(|line| line.strip_prefix(": "));
        (at, own.unwrap_or(line).replace('\n', " "))
    });
    // What is logged has led to what is used.
    let mut lines: Vec<_> = log.chain(uses).collect();
    lines.sort_by_key(|(at, _)| **at);
    for (at, line) in lines.iter().take(LINES_SHOWN) {
        writeln!(out, "{:>13.6} s  {line}", at.as_secs_f64())?;
    }
    let more = lines.len().saturating_sub(LINES_SHOWN) as u64 + found.left_out;
    if more > 0 {
        writeln!(out, "{more} lines more: see --json")?;
    }
    Ok(())
}

const LINES_SHOWN: usize = 50;
