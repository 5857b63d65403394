//! Which connections and expectations conntrack(8) would show, and how: for a running gateway and for the one of a replay.

mod expected;
mod filter;
mod format;
mod page;

use std::io::{self, Write};

use serde::{Deserialize, Serialize};
use towpath_engine::{
    Engine,
    conntrack::{Entry, ExpectationEntry, Statistics},
};

pub use expected::Expected;
pub use filter::{Ends, Filter, Network, StateName, parse_protocol};
pub use format::{Format, Shown, Style, Told};
pub(crate) use page::{connections, expectations};

/// Writes the connections of an engine as `conntrack -L` does.
///
/// # Errors
/// When `out` takes nothing more.
pub fn list(engine: &Engine, filter: &Filter, shown: &mut Shown, out: &mut impl Write) -> io::Result<()> {
    for entry in engine.conntrack().entries(engine.now()) {
        // Linux lists a mark of 0 too.
        let entry = Entry { mark: Some(entry.mark.unwrap_or(0)), ..entry };
        if filter.wants(&entry) {
            shown.connection(out, &entry, None)?;
        }
    }
    shown.end(out)
}

/// Writes the expectations of an engine as `conntrack -L expect` does.
///
/// # Errors
/// When `out` takes nothing more.
pub fn list_expectations(
    engine: &Engine,
    wanted: &Expected,
    shown: &mut Shown,
    out: &mut impl Write,
) -> io::Result<()> {
    let now = engine.now();
    for expectation in engine.conntrack().expectations().iter() {
        let entry = ExpectationEntry::of(now, expectation);
        if wanted.wants(&entry) {
            shown.expectation(out, &entry, now, None)?;
        }
    }
    shown.end(out)
}

/// What connection tracking and its expectations have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counted {
    /// Connection tracking.
    pub connections: Statistics,
    /// Expectations that have ever waited.
    pub created: u64,
    /// Those of them that do not wait any more.
    pub deleted: u64,
}

impl Counted {
    /// What an engine has counted.
    #[must_use]
    pub fn of(engine: &Engine) -> Self {
        let conntrack = engine.conntrack();
        let created = conntrack.expectations().appeared();
        let deleted = created - conntrack.expectations().len() as u64;
        Self { connections: conntrack.statistics(), created, deleted }
    }
}

/// Writes what connection tracking has counted as `conntrack -S` does, for the one processor that there is here. What Linux
/// counts besides cannot happen here.
///
/// # Errors
/// When `out` takes nothing more.
pub fn write_statistics(out: &mut impl Write, counted: &Statistics) -> io::Result<()> {
    // Linux counts as inserted only what comes in by netlink.
    let Statistics { found, invalid, insert: _, insert_failed, drop, early_drop, error, expect_new: _ } = counted;
    writeln!(
        out,
        "cpu=0   \tfound={found} invalid={invalid} insert=0 insert_failed={insert_failed} drop={drop} \
         early_drop={early_drop} error={error} search_restart=0 clash_resolve=0 chaintoolong=0 "
    )
}

/// Writes what has been counted of expectations as `conntrack -S expect` does.
///
/// # Errors
/// When `out` takes nothing more.
pub fn write_expectation_statistics(out: &mut impl Write, counted: &Counted) -> io::Result<()> {
    let Counted { connections: Statistics { expect_new, .. }, created, deleted } = counted;
    writeln!(out, "cpu=0   \texpect_new={expect_new} expect_create={created} expect_delete={deleted} ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The lines are the real tool's.
    #[test]
    fn statistics_are_those_of_the_real_tool() {
        let mut out = Vec::new();
        write_statistics(&mut out, &Statistics { invalid: 2, insert: 9, ..Statistics::default() }).unwrap();
        assert_eq!(
            String::from_utf8(out).unwrap(),
            "cpu=0   \tfound=0 invalid=2 insert=0 insert_failed=0 drop=0 early_drop=0 error=0 search_restart=0 \
             clash_resolve=0 chaintoolong=0 \n"
        );
        let mut out = Vec::new();
        write_expectation_statistics(&mut out, &Counted { created: 6, deleted: 3, ..Counted::default() }).unwrap();
        assert_eq!(String::from_utf8(out).unwrap(), "cpu=0   \texpect_new=0 expect_create=6 expect_delete=3 \n");
    }
}
