//! Bonds as JSON.

use std::{
    collections::BTreeMap,
    io::{self, Write},
};

use serde::Serialize;

use super::BondReport;
use crate::lab::{json::line, run::Report, scenario::Scenario};

/// A bond of a host, or a group of a switch.
#[derive(Serialize)]
struct Bond<'a> {
    bond: &'a str,
    of: &'a str,
    mode: &'static str,
    uses: Vec<Use<'a>>,
    log: Vec<Said<'a>>,
    left_out: u64,
    proc: &'a str,
}

#[derive(Serialize)]
struct Use<'a> {
    ts: u64,
    links: Vec<&'a str>,
}

#[derive(Serialize)]
struct Said<'a> {
    ts: u64,
    line: &'a str,
}

/// What a host has dropped.
#[derive(Serialize)]
struct Drops<'a> {
    drops: &'a str,
    reasons: BTreeMap<&'static str, u64>,
}

/// What a switch has done.
#[derive(Serialize)]
struct Switch<'a> {
    switch: &'a str,
    forwarded: u64,
    flooded: u64,
    filtered: u64,
    link_local: u64,
    blocked: u64,
    no_port: u64,
    unlearned: u64,
    stations_max: usize,
}

/// Writes bonds, what hosts that have some have dropped, and switches.
pub(in super::super) fn write_json(out: &mut impl Write, scenario: &Scenario, report: &Report) -> io::Result<()> {
    for found in &report.bonds {
        line(out, &bond(scenario, found))?;
    }
    for found in &report.drops {
        let reasons = found.drops.iter().map(|(why, count)| (why.name(), *count)).collect();
        line(out, &Drops { drops: &scenario.hosts[found.host].name, reasons })?;
    }
    for (plan, tally) in scenario.switches.iter().zip(&report.switches) {
        line(
            out,
            &Switch {
                switch: &plan.name,
                forwarded: tally.forwarded,
                flooded: tally.flooded,
                filtered: tally.filtered,
                link_local: tally.link_local,
                blocked: tally.blocked,
                no_port: tally.no_port,
                unlearned: tally.unlearned,
                stations_max: tally.stations_max,
            },
        )?;
    }
    Ok(())
}

fn bond<'a>(scenario: &'a Scenario, found: &'a BondReport) -> Bond<'a> {
    let plan = &scenario.aggregates_of(found.node)[found.place];
    let name = |link: &usize| scenario.links[*link].name.as_str();
    Bond {
        bond: &plan.name,
        of: scenario.name_of(found.node),
        mode: plan.options.mode.name(),
        uses: found
            .uses
            .iter()
            .map(|(at, links)| Use { ts: at.as_nanos() as u64, links: links.iter().map(name).collect() })
            .collect(),
        log: found.log.iter().map(|(at, line)| Said { ts: at.as_nanos() as u64, line }).collect(),
        left_out: found.left_out,
        proc: &found.text,
    }
}
