//! The rule language: `iptables-save` text, in and out.
//!
//! A text is read as `iptables-restore` reads it: `*table`, `:CHAIN POLICY [packets:bytes]`, rules, `COMMIT`; a table's
//! lines replace what the table held. Lines outside of a table are read as if typed after `iptables`, so that a rules
//! file may also be written by hand (`-P INPUT DROP`, `-t nat -A POSTROUTING -j MASQUERADE`). Nothing is ignored: what
//! is not understood is an error with file, line and column.
//!
//! A text of ipset (`create NAME hash:ip …`, as `ipset save` writes it) may stand among the texts; sets are read first.
//!
//! Printing gives what `iptables-save` (1.8.9, legacy) prints, but for the two comment lines that hold the time.

pub(super) mod decimal;
mod describe;
mod describe_headers;
mod line;
mod list;
pub(super) mod names;
mod nearest;
pub(super) mod options;
mod print;
mod restore;
pub(super) mod text;
pub(super) mod values;

pub use list::ListOptions;
pub(super) use list::list;
pub(super) use nearest::nearest;
pub(super) use print::{Form, print, print_rule};
pub(super) use restore::{Tables, restore};

use super::{
    lists::sets::{KnownSet, read::is_sets},
    standing::Standing,
};
use crate::conntrack::{Family, TimeoutPolicies, calling::KnownHelper};

/// A rules text.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What errors call it: a file's name.
    pub name: &'a str,
    /// Its lines, at most [`crate::limits::RULES_TEXT_BYTES_MAX`] bytes.
    pub text: &'a str,
}

impl Source<'_> {
    /// Whether it is a text of ipset, not of rules.
    #[must_use]
    pub fn is_of_sets(&self) -> bool {
        is_sets(self.text)
    }
}

/// What is needed to load rules.
#[derive(Clone, Copy, Debug, Default)]
pub struct Loading<'a> {
    /// Whose packets the rules are for: `iptables` text or `ip6tables` text.
    pub family: Family,
    /// Whether counters in the text are taken (`iptables-restore --counters`); else all start at zero.
    pub counters: bool,
    /// Sets that are there already and that rules may name, beside those of the texts.
    pub sets: &'a [KnownSet],
    /// The helpers that `-j CT --helper NAME` can name.
    pub helpers: &'a [KnownHelper],
    /// The policies that `-j CT --timeout NAME` can name; `None`: there are none.
    pub timeouts: Option<&'a TimeoutPolicies>,
    /// Rules in force, whose tables stay where no text names them; `None`: there are no such tables then.
    pub beside: Option<&'a Standing>,
    /// Rules in force of the other family, which share the sets: those of the texts have to suit them, too.
    pub across: Option<&'a Standing>,
    /// Whether the rules are only to be shown: they may name any helper and any timeout policy then, and attach none of those
    /// that are not there. A helper that comes with Towpath is still refused where it cannot read the rule's protocol.
    pub only_shown: bool,
}
