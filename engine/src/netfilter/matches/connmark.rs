//! `-m connmark`: the mark of the packet's connection (Linux v6.18: `net/netfilter/xt_connmark.c`, `connmark_mt()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::netfilter::{
    View,
    error::Flaw,
    header::Bits,
    program::facts::{Facts, StateSet},
    save::{
        options::{Given, Opt, Spec},
        text::{print_mark, print_not},
        values,
    },
    walk::{Depends, Fingerprint},
};

/// Some bits of the mark have to be these. Without a connection it does not match, inverted or not.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Connmark {
    value: u32,
    mask: u32,
    inverted: bool,
}

impl Connmark {
    /// What it asks of the mark.
    const fn bits(&self) -> Bits {
        Bits { value: self.value, mask: self.mask, inverted: self.inverted }
    }
}

impl Matching for Connmark {
    const SPEC: &'static Spec = &Spec { name: "connmark", options: &[Opt::value(&["mark"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("mark", "`--mark VALUE[/MASK]`")?;
        let (value, mask) = values::masked(item.value())?;
        Ok(Self { value, mask, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(" --mark");
        print_mark(out, self.value, self.mask);
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        Answer::from(mark(view).is_some_and(|mark| self.bits().holds(mark)))
    }

    fn possible_states(&self) -> StateSet {
        StateSet::TRACKED
    }

    fn covers(&self, narrower: &Self) -> bool {
        self.bits().covers(narrower.bits())
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::connection_mark(self.mask).or(Fingerprint::STATE))
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match mark(view) {
            Some(mark) => format!("belongs to a connection with mark {mark:#x}"),
            None => "belongs to no connection".into(),
        }
    }
}

fn mark(view: &View<'_>) -> Option<u32> {
    let id = view.packet.meta().tracking.connection()?;
    Some(view.conntrack.connection(id)?.mark)
}
