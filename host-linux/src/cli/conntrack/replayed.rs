//! What the gateway of a replay is asked.

use std::{ffi::OsString, io, io::Write};

use anyhow::{Result, ensure};
use clap::Parser;
use towpath::tracking::{Counted, Expected, Filter, Shown, list, list_expectations};
use towpath_engine::{Engine, Event, Instant};

use super::{Question, Table};
use crate::cli::Answer;

/// A question to the gateway of a replay, as conntrack(8) is asked: what happens during it, or what is there at its end.
#[derive(Debug)]
pub(crate) struct Replayed {
    question: Question,
    filter: Filter,
    expected: Expected,
    shown: Shown,
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
            !question.delete && !question.flush && !question.update,
            "the connections of a replay can be shown (-L, -G, -E, -C, -S), not deleted or changed"
        );
        question.check()?;
        // Nothing is counted after the end, so that -z changes nothing.
        let (filter, expected, shown) = (question.filter()?, question.expected(), Shown::new(question.format()?));
        Ok(Self { question, filter, expected, shown })
    }

    /// Whether it asks for what happens.
    pub(crate) const fn watches(&self) -> bool {
        self.question.event
    }

    /// Writes what has happened, as far as it is wanted.
    pub(crate) fn tell(&mut self, events: &[(Instant, Event)], mut out: &mut dyn Write) -> io::Result<()> {
        if !self.watches() {
            return Ok(());
        }
        for (when, event) in events {
            match (event, self.question.table) {
                (Event::Connection(change, entry), Table::Conntrack)
                    if self.filter.hears(Some(*change)) && self.filter.wants(entry) =>
                {
                    self.shown.connection(&mut out, entry, Some((*when, *change)))?;
                }
                (Event::Expectation(change, entry), Table::Expect) => {
                    self.shown.expectation(&mut out, entry, *when, Some(*change))?;
                }
                (
                    Event::Connection(..)
                    | Event::Expectation(..)
                    | Event::Log { .. }
                    | Event::Nflog(_)
                    | Event::Audit { .. }
                    | Event::Helper(_),
                    Table::Conntrack | Table::Expect | Table::Dying | Table::Unconfirmed,
                ) => {}
            }
        }
        Ok(())
    }

    /// Writes what is there at the end.
    pub(crate) fn end(&mut self, engine: &Engine, mut out: &mut dyn Write) -> io::Result<()> {
        let conntrack = engine.conntrack();
        match (&self.question, self.question.table) {
            (Question { event: true, .. }, _) => self.shown.end(&mut out)?,
            (Question { stats: true, .. }, _) => self.question.write_statistics(&mut out, &Counted::of(engine))?,
            (Question { count: true, .. }, Table::Expect) => {
                list_expectations(engine, &self.expected, &mut self.shown, &mut io::sink())?;
                writeln!(out, "{}", self.shown.count())?;
            }
            (Question { count: true, .. }, _) => writeln!(out, "{}", conntrack.len())?,
            (_, Table::Dying | Table::Unconfirmed) => {}
            (_, Table::Conntrack) => list(engine, &self.filter, &mut self.shown, &mut out)?,
            (_, Table::Expect) => list_expectations(engine, &self.expected, &mut self.shown, &mut out)?,
        }
        Ok(())
    }

    /// Says on standard error how many were shown.
    pub(crate) fn answer(&self) -> Result<Answer> {
        if self.question.count || self.question.stats {
            Ok(Answer::Fine)
        } else {
            self.question.conclude(self.shown.count())
        }
    }
}
