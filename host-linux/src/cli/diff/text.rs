//! Differences for people.

use std::io::{self, Write};

use towpath_replay::diff::{Aspect, Diff as Comparison, Group};

use super::Diff;

pub(super) fn write(out: &mut impl Write, comparison: &Comparison, diff: &Diff) -> io::Result<()> {
    for group in comparison.groups() {
        write_group(out, group, diff)?;
    }
    let counts = comparison.counts();
    write!(
        out,
        "{}, {}, {}: ",
        counted(counts.captures, "capture"),
        counted(counts.packets, "packet"),
        counted(counts.flows, "flow")
    )?;
    match (counts.flows_that_differ, comparison.groups().is_empty()) {
        (0, true) => writeln!(out, "nothing differs"),
        (1, _) => writeln!(out, "1 flow differs"),
        (flows, _) => writeln!(out, "{flows} flows differ"),
    }
}

fn write_group(out: &mut impl Write, group: &Group, diff: &Diff) -> io::Result<()> {
    let example = &group.example;
    let (before, after) = (&example.before, &example.after);
    let what = if group.aspects.contains(&Aspect::Verdict) {
        format!("{} before, {} now", before.verdict.word(), after.verdict.word())
    } else {
        let words: Vec<&str> = group.aspects.iter().map(|aspect| aspect.word()).collect();
        format!("another {}", words.join(", "))
    };
    writeln!(out, "{}, {}: {what}", counted(group.flows, "flow"), counted(group.packets, "packet"))?;
    writeln!(out, "  before   {}", group.before)?;
    writeln!(out, "  now      {}", group.after)?;
    writeln!(out, "  example  {} packet {}: {}", example.capture, example.packet, example.text)?;
    writeln!(out, "    before {before}")?;
    writeln!(out, "    now    {after}")?;
    writeln!(out, "  look further: {}", diff.explaining(group, &diff.old))?;
    writeln!(out, "                {}", diff.explaining(group, &diff.new))
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
