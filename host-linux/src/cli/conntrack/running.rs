//! What a running gateway is asked.

use std::{
    io::{self, Write},
    ops::ControlFlow,
    path::Path,
};

use anyhow::Result;
use towpath::{
    clock::{Clock, SystemClock},
    control::{Client, Happened, Heard, Request, Topic},
    tracking::{Expected, Filter, Format, Shown},
};
use towpath_engine::conntrack::Revision;

use super::{super::follow::follow, Table};

/// A running gateway, and what is wanted of it.
pub(super) struct Running<'a> {
    pub(super) path: &'a Path,
    pub(super) table: Table,
    pub(super) filter: Filter,
    pub(super) expected: Expected,
    pub(super) format: Format,
    /// Whether connections count what they carry anew, once they are shown.
    pub(super) zeroes: bool,
}

impl Running<'_> {
    /// Shows what there is, or what happens from now on, as far as it is wanted; gives how many there were.
    pub(super) fn show(&self, happening: bool, out: &mut impl Write) -> Result<u64> {
        if happening { self.follow(out) } else { self.each(out, |_| {}) }
    }

    /// How many there are.
    pub(super) fn count(&self) -> Result<u64> {
        match self.table {
            Table::Expect => self.show(false, &mut io::sink()),
            Table::Conntrack | Table::Dying | Table::Unconfirmed => {
                Ok(Client::count(self.path, Request::Count(Topic::Connections))?)
            }
        }
    }

    /// Deletes what is wanted, and shows it, if it is a connection; gives how many there were.
    pub(super) fn delete(&self, out: &mut impl Write) -> Result<u64> {
        let mut doomed = Vec::new();
        let note = |number| doomed.push(number);
        let count = match self.table {
            Table::Expect => self.each(&mut io::sink(), note)?,
            Table::Conntrack | Table::Dying | Table::Unconfirmed => self.each(out, note)?,
        };
        for numbers in doomed.chunks(NUMBERS_A_REQUEST) {
            Client::count(self.path, Request::Forget(self.table.topic(), numbers.to_vec()))?;
        }
        Ok(count)
    }

    /// Changes what is wanted, and shows what it is then; gives how many the gateway has changed. What has become another one meanwhile
    /// is not among them.
    pub(super) fn update(&self, revision: &Revision, out: &mut impl Write) -> Result<u64> {
        let mut numbers = Vec::new();
        for told in Client::connections(self.path)? {
            let entry = told?;
            let would_change = revision.changes(entry.mark.unwrap_or(0), entry.status, entry.timeout_secs);
            if would_change && self.filter.wants(&entry) {
                numbers.push(entry.serial);
            }
        }
        let mut changed = 0;
        for some in numbers.chunks(NUMBERS_A_REQUEST) {
            changed += Client::count(self.path, Request::Revise(*revision, some.to_vec()))?;
        }
        numbers.sort_unstable();
        if numbers.is_empty() {
            return Ok(0);
        }
        let mut shown = Shown::new(self.format.clone());
        for told in Client::connections(self.path)? {
            let entry = told?;
            if numbers.binary_search(&entry.serial).is_ok() {
                shown.connection(out, &entry, None)?;
            }
        }
        shown.end(out)?;
        Ok(changed)
    }

    /// Shows what is wanted, gives `note` each one's number, and says how many there were.
    fn each(&self, out: &mut impl Write, mut note: impl FnMut(u64)) -> Result<u64> {
        let mut shown = Shown::new(self.format.clone());
        match self.table {
            Table::Conntrack => {
                let connections = match self.zeroes {
                    true => Client::connections_counted(self.path)?,
                    false => Client::connections(self.path)?,
                };
                for told in connections {
                    let entry = told?;
                    if self.filter.wants(&entry) {
                        note(entry.serial);
                        shown.connection(out, &entry, None)?;
                    }
                }
            }
            // Whether the gateway is there matters all the same.
            Table::Dying | Table::Unconfirmed => {
                self.count()?;
            }
            Table::Expect => {
                let mut clock = SystemClock::start();
                for told in Client::expectations(self.path)? {
                    let entry = told?;
                    if self.expected.wants(&entry) {
                        note(entry.id.0);
                        shown.expectation(out, &entry, clock.now(), None)?;
                    }
                }
            }
        }
        shown.end(out)?;
        Ok(shown.count())
    }

    /// Shows what happens from now on, as far as it is wanted; says how much that was when the gateway has stopped telling.
    fn follow(&self, out: &mut impl Write) -> Result<u64> {
        let (filter, mut shown) = (&self.filter, Shown::new(self.format.clone()));
        match self.table {
            Table::Conntrack => follow(Client::watch_connections(self.path)?, &mut *out, |out, heard| {
                match heard {
                    Heard::Told(Happened { when, change, entry }) => {
                        if filter.hears(Some(change)) && filter.wants(&entry) {
                            shown.connection(out, &entry, Some((when, change)))?;
                        }
                    }
                    Heard::Lost(count) => shown.lost(out, count)?,
                }
                Ok(ControlFlow::Continue(()))
            })?,
            Table::Expect => follow(Client::watch_expectations(self.path)?, &mut *out, |out, heard| {
                match heard {
                    Heard::Told(Happened { when, change, entry }) => {
                        shown.expectation(out, &entry, when, Some(change))?;
                    }
                    Heard::Lost(count) => shown.lost(out, count)?,
                }
                Ok(ControlFlow::Continue(()))
            })?,
            // Nothing happens to what is never there.
            Table::Dying | Table::Unconfirmed => {}
        }
        shown.end(out)?;
        Ok(shown.count())
    }
}

/// Numbers of one request: 2000 of at most 20 digits and a comma are 42 KB.
const NUMBERS_A_REQUEST: usize = 2000;
