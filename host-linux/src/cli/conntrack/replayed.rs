//! What the gateway of a replay is asked.

use std::{ffi::OsString, io, io::Write};

use anyhow::{Result, ensure};
use clap::Parser;
use towpath::tracking::{Filter, Format, list, list_expectations, write_statistics};
use towpath_engine::{Engine, Event, Instant};

use super::{Question, Table};
use crate::cli::Answer;

/// A question to the gateway of a replay, as conntrack(8) is asked: what happens during it, or what is there at its end.
#[derive(Debug)]
pub(crate) struct Replayed {
    question: Question,
    filter: Filter,
    format: Format,
    shown: u64,
}

/// What may stand behind `--conntrack`.
#[derive(Debug, Parser)]
#[command(name = "towpath replay CAPTURE --conntrack", no_binary_name = true)]
struct Words {
    #[command(flatten)]
    question: Question,
}

impl Replayed {
    /// Reads what stands behind `--conntrack`. Help and wrong words end the program, as everywhere on the command line.
    pub(crate) fn parse(words: &[OsString]) -> Result<Self> {
        let question = Words::parse_from(words).question;
        ensure!(
            !question.delete && !question.flush,
            "the connections of a replay can be shown (-L, -G, -E, -C, -S), not deleted"
        );
        let (filter, format) = (question.wanted.filter(), question.format()?);
        Ok(Self { question, filter, format, shown: 0 })
    }

    /// Whether it asks for what happens.
    pub(crate) const fn watches(&self) -> bool {
        self.question.event
    }

    /// Writes what stands before all of it.
    pub(crate) fn start(&self, mut out: &mut dyn Write) -> io::Result<()> {
        if self.watches() { self.format.start(&mut out) } else { Ok(()) }
    }

    /// Writes what has happened, as far as it is wanted.
    pub(crate) fn tell(&mut self, events: &[(Instant, Event)], mut out: &mut dyn Write) -> io::Result<()> {
        if !self.watches() {
            return Ok(());
        }
        for (when, event) in events {
            match (event, self.question.table) {
                (Event::Connection(change, entry), Table::Conntrack) if self.filter.wants(entry) => {
                    self.format.write(&mut out, entry, Some((*when, *change)))?;
                }
                (Event::Expectation(change, entry), Table::Expect) => {
                    self.format.write_expectation(&mut out, entry, Some((*when, *change)))?;
                }
                (
                    Event::Connection(..)
                    | Event::Expectation(..)
                    | Event::Log { .. }
                    | Event::Nflog(_)
                    | Event::Audit { .. }
                    | Event::Helper(_),
                    Table::Conntrack | Table::Expect,
                ) => continue,
            }
            self.shown += 1;
        }
        Ok(())
    }

    /// Writes what is there at the end.
    pub(crate) fn end(&mut self, engine: &Engine, mut out: &mut dyn Write) -> io::Result<()> {
        let conntrack = engine.conntrack();
        match (&self.question, self.question.table) {
            (Question { event: true, .. }, _) => self.format.end(&mut out)?,
            (Question { stats: true, .. }, _) => write_statistics(&mut out, &conntrack.statistics())?,
            (Question { count: true, .. }, Table::Conntrack) => writeln!(out, "{}", conntrack.len())?,
            (Question { count: true, .. }, Table::Expect) => writeln!(out, "{}", conntrack.expectations().len())?,
            (_, Table::Conntrack) => self.shown = list(engine, &self.filter, self.format, &mut out)?,
            (_, Table::Expect) => self.shown = list_expectations(engine, self.format, &mut out)?,
        }
        Ok(())
    }

    /// Says on standard error how many were shown.
    pub(crate) fn answer(&self) -> Result<Answer> {
        if self.question.count || self.question.stats { Ok(Answer::Fine) } else { self.question.conclude(self.shown) }
    }
}
