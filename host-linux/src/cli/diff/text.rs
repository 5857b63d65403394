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
        (0, true) => write!(out, "nothing differs")?,
        (0, false) => write!(out, "no flow differs, but single packets do")?,
        (1, _) => write!(out, "1 flow differs")?,
        (flows, _) => write!(out, "{flows} flows differ")?,
    }
    match counts.packets_beyond {
        0 => writeln!(out),
        packets => writeln!(out, "; {} of further flows could only be compared one by one", counted(packets, "packet")),
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
