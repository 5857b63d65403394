//! What a running gateway is asked.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::Result;
use towpath::{
    control::{Client, Reply, Request, Topic},
    tracking::{Filter, Format, Shown, write_statistics},
};

/// A running gateway, and what is wanted of it.
pub(super) struct Running<'a> {
    pub(super) path: &'a Path,
    pub(super) topic: Topic,
    pub(super) filter: Filter,
    pub(super) format: Format,
}

impl Running<'_> {
    /// Shows what a list or what happens brings and is wanted; gives how many there were.
    pub(super) fn show(&self, request: Request, out: &mut impl Write) -> Result<u64> {
        self.each(request, out, |_| {})
    }

    /// Deletes what is wanted, and shows it; gives how many there were.
    pub(super) fn delete(&self, out: &mut impl Write) -> Result<u64> {
        let mut doomed = Vec::new();
        let count = self.each(Request::List(self.topic), out, |number| doomed.push(number))?;
        for numbers in doomed.chunks(NUMBERS_A_REQUEST) {
            self.number(Request::Forget(self.topic, numbers.to_vec()), &mut io::sink())?;
        }
        Ok(count)
    }

    /// Shows what is wanted, gives `note` each one's number, and says how many there were.
    fn each(&self, request: Request, out: &mut impl Write, mut note: impl FnMut(u64)) -> Result<u64> {
        let mut client = Client::ask(self.path, request)?;
        let mut shown = Shown::new(self.format);
        while let Some(reply) = client.next_reply()? {
            match &reply {
                Reply::Connection(entry) if self.filter.wants(entry) => {
                    note(entry.serial);
                    shown.connection(out, entry, None)?;
                }
                Reply::ConnectionEvent(when, change, entry) if self.filter.wants(entry) => {
                    shown.connection(out, entry, Some((*when, *change)))?;
                }
                Reply::Expectation(entry) => {
                    note(entry.id.0);
                    shown.expectation(out, entry, None)?;
                }
                Reply::ExpectationEvent(when, change, entry) => {
                    shown.expectation(out, entry, Some((*when, *change)))?;
                }
                Reply::Connection(_)
                | Reply::ConnectionEvent(..)
                | Reply::Stats(_)
                | Reply::Count(_)
                | Reply::Tracking(_)
                | Reply::State(_)
                | Reply::Text(_)
                | Reply::Helper(_)
                | Reply::Logged(..)
                | Reply::Done
                | Reply::Refused(_)
                | Reply::CutOff(_) => {}
            }
        }
        shown.end(out)?;
        Ok(shown.count())
    }

    /// Writes the number, or numbers, that answer a request.
    pub(super) fn number(&self, request: Request, out: &mut impl Write) -> Result<()> {
        let mut client = Client::ask(self.path, request)?;
        while let Some(reply) = client.next_reply()? {
            if let Reply::Count(count) = &reply {
                writeln!(out, "{count}")?;
            } else if let Reply::Tracking(counted) = &reply {
                write_statistics(out, counted)?;
            }
        }
        Ok(())
    }
}

/// Numbers of one request: 2000 of at most 20 digits and a comma are 42 KB.
const NUMBERS_A_REQUEST: usize = 2000;
