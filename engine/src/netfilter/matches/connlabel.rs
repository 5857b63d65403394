//! `-m connlabel`: bits that a connection carries (Linux v6.18: `net/netfilter/xt_connlabel.c`, `connlabel_mt()`).
//!
//! Labels are numbers here: names stand in a file of the machine that wrote the rules, and `iptables-save` writes numbers
//! when it does not find them.

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::{
    conntrack::Changes,
    netfilter::{
        View,
        error::Flaw,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::print_not,
            values,
        },
        walk::Depends,
    },
};

/// A label that has to be there, or is put there.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Connlabel {
    /// 0 to 127.
    bit: u8,
    set: bool,
    inverted: bool,
}

impl Matching for Connlabel {
    const SPEC: &'static Spec =
        &Spec { name: "connlabel", options: &[Opt::value(&["label"]).inverting(), Opt::flag(&["set"])] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("label", "`--label NUMBER`")?;
        let wants = "a label's number from 0 to 127; names of labels are not known here";
        let bit = values::ranged(item.value(), 0, 127, wants)? as u8;
        Ok(Self { bit, set: given.has("set"), inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        let _ = write!(out, " --label \"{}\"", self.bit);
        if self.set {
            out.push_str(" --set");
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let id = view.packet.meta().tracking.connection();
        let Some(connection) = id.and_then(|id| view.conntrack.connection_mut(id)) else {
            return Answer::from(self.inverted);
        };
        let has = connection.labels() >> self.bit & 1 != 0;
        if !has && self.set {
            connection.extension_mut().labels |= 1 << self.bit;
            connection.changes.insert(Changes::LABELS);
        }
        Answer::from((has || self.set) != self.inverted)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match view.connection() {
            Some((connection, _)) => format!("belongs to a connection with labels {:#x}", connection.labels()),
            None => "belongs to no connection".into(),
        }
    }
}
