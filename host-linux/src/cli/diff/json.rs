//! Differences as JSON, one object a line: `towpath.diff/1`.
//!
//! | line | fields |
//! |---|---|
//! | first | `schema`, and `captures`, `packets`, `flows`, `flows_that_differ` counted; `packets_beyond`: those of further flows, too many to be told apart |
//! | a group, most flows first | `differs`: list of `verdict`, `state`, `translation`, `timeout`, `rule`; `flows`, `packets`; `before` and `after`: `cause` (`place`, `text`) and what became of the example; `example`: `capture`, `n`, `pkt`; `explain`: two command lines |
//!
//! What became of the example has `verdict`, `reason`, `state`, `translated` (null: not), `timeout` in seconds.

use std::io::{self, Write};

use serde::Serialize;
use towpath_replay::diff::{Aspect, Cause, Diff as Comparison, Made};

use super::Diff;

#[derive(Serialize)]
struct Head {
    schema: &'static str,
    captures: u64,
    packets: u64,
    flows: u64,
    flows_that_differ: u64,
    packets_beyond: u64,
}

#[derive(Serialize)]
struct Line<'d> {
    differs: &'d [Aspect],
    flows: u64,
    packets: u64,
    before: Side<'d>,
    after: Side<'d>,
    example: Example<'d>,
    explain: [String; 2],
}

#[derive(Serialize)]
struct Side<'d> {
    cause: &'d Cause,
    verdict: &'static str,
    reason: Option<&'static str>,
    state: Option<&'static str>,
    translated: Option<String>,
    timeout: Option<u32>,
}

#[derive(Serialize)]
struct Example<'d> {
    capture: &'d str,
    n: u64,
    pkt: &'d str,
}

pub(super) fn write(out: &mut impl Write, comparison: &Comparison, diff: &Diff) -> io::Result<()> {
    let counts = comparison.counts();
    let head = Head {
        schema: "towpath.diff/1",
        captures: counts.captures,
        packets: counts.packets,
        flows: counts.flows,
        flows_that_differ: counts.flows_that_differ,
        packets_beyond: counts.packets_beyond,
    };
    writeln!(out, "{}", serde_json::to_string(&head)?)?;
    for group in comparison.groups() {
        let example = &group.example;
        let line = Line {
            differs: &group.aspects,
            flows: group.flows,
            packets: group.packets,
            before: side(&group.before, &example.before),
            after: side(&group.after, &example.after),
            example: Example { capture: &example.capture, n: example.packet, pkt: &example.text },
            explain: [&diff.old, &diff.new].map(|gateway| diff.explaining(group, gateway)),
        };
        writeln!(out, "{}", serde_json::to_string(&line)?)?;
    }
    Ok(())
}

fn side<'d>(cause: &'d Cause, made: &Made) -> Side<'d> {
    Side {
        cause,
        verdict: made.verdict.word(),
        reason: made.reason,
        state: made.state,
        translated: made.translated_to().map(|tuple| tuple.to_string()),
        timeout: made.timeout_secs,
    }
}
