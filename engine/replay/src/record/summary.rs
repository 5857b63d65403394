//! What became of all packets of a replay, counted.

use core::fmt;
use std::collections::BTreeMap;

use towpath_engine::{DropReason, netfilter::RuleId};

use super::{Fate, Late, NotFed, Record, Verdict};
use crate::replay::Replay;

/// Counts records. Its size is bounded by the number of rules.
#[derive(Debug, Default)]
pub struct Summary {
    verdicts: Counts<Verdict>,
    states: Counts<&'static str>,
    drops: BTreeMap<(DropReason, Option<RuleId>), u64>,
    not_fed: BTreeMap<&'static str, u64>,
}

impl Summary {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Counts a record.
    pub fn note(&mut self, record: &Record<'_>) {
        self.verdicts.add(record.verdict());
        record.late.iter().for_each(|late| self.note_late(late));
        match record.fate {
            Fate::Fed(_, ending) => {
                if let Some(state) = ending.tracking.word() {
                    self.states.add(state);
                }
                if let Some(reason) = record.drop_reason() {
                    *self.drops.entry((reason, ending.rule)).or_default() += 1;
                }
            }
            Fate::NotFed(why) => *self.not_fed.entry(why.name()).or_default() += 1,
        }
    }

    /// Counts how a packet went on that was counted as held.
    fn note_late(&mut self, late: &Late) {
        self.verdicts.take(late.before);
        self.verdicts.add(late.verdict());
        if let Some(reason) = late.drop_reason() {
            *self.drops.entry((reason, late.ending.rule)).or_default() += 1;
        }
    }

    /// The counts in words, with what the replay itself knows.
    #[must_use]
    pub fn in_words<'s>(&'s self, replay: &'s Replay) -> impl fmt::Display + 's {
        Words { summary: self, replay }
    }
}

/// How often each of a few things was there, in their order: each packet counts in two of these, and of few things a search along the
/// list is the quickest.
#[derive(Debug)]
struct Counts<K>(Vec<(K, u64)>);

impl<K: Copy + Ord> Counts<K> {
    fn add(&mut self, key: K) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some((_, count)) => *count += 1,
            None => self.0.insert(self.0.partition_point(|(known, _)| *known < key), (key, 1)),
        }
    }

    /// Counts one of a thing less, which is not listed when none is left.
    fn take(&mut self, key: K) {
        if let Some((_, count)) = self.0.iter_mut().find(|(known, _)| *known == key) {
            *count = count.saturating_sub(1);
        }
        self.0.retain(|(_, count)| *count > 0);
    }
}

impl<K> Default for Counts<K> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct Words<'s> {
    summary: &'s Summary,
    replay: &'s Replay,
}

impl fmt::Display for Words<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { summary, replay } = self;
        let totals = replay.totals();
        let span = match (totals.first, totals.last) {
            (Some(first), Some(last)) => super::text::seconds(last, first),
            (Some(_) | None, _) => "0".to_owned(),
        };
        write!(out, "{} packets in {span} s", totals.packets)?;
        for (number, (verdict, count)) in summary.verdicts.0.iter().enumerate() {
            write!(out, "{} {count} {}", if number == 0 { ":" } else { "," }, verdict.word())?;
        }
        writeln!(out)?;
        if !summary.states.0.is_empty() {
            let states: Vec<_> = summary.states.0.iter().map(|(state, count)| format!("{count} {state}")).collect();
            writeln!(out, "of those {}", states.join(", "))?;
        }
        for ((reason, rule), count) in &summary.drops {
            write!(out, "{count:>8} dropped: {} ({})", reason.name(), reason.meaning().trim_end_matches('.'))?;
            match rule.and_then(|rule| replay.engine().rules().find(rule)) {
                Some(rule) => writeln!(out, " by {}:{}: {}", rule.file, rule.line, rule.text)?,
                None => writeln!(out)?,
            }
        }
        for (why, count) in &summary.not_fed {
            write!(out, "{count:>8} not fed in: {why}")?;
            match totals.first_unreadable.filter(|first| NotFed::Unreadable(*first).name() == *why) {
                Some(first) if *count > 1 => writeln!(out, " (the first: {first})")?,
                Some(first) => writeln!(out, " ({first})")?,
                None => writeln!(out)?,
            }
        }
        if totals.readdressed > 0 {
            writeln!(
                out,
                "{:>8} fed in with the addresses that the gateway gave their connections",
                totals.readdressed
            )?;
        }
        if totals.unknown > 0 {
            writeln!(
                out,
                "{:>8} fed in as they are, though a translating gateway may have seen something else",
                totals.unknown
            )?;
        }
        Ok(())
    }
}
