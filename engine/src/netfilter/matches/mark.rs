//! `-m mark`: the packet's mark (Linux v6.18: `net/netfilter/xt_mark.c`, `mark_mt()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::netfilter::{
    View,
    error::Flaw,
    header::Bits,
    program::facts::Facts,
    save::{
        options::{Given, Opt, Spec},
        text::{print_mark, print_not},
        values,
    },
    walk::{Depends, Fingerprint},
};

/// Some bits of the mark have to be these.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Mark {
    value: u32,
    mask: u32,
    inverted: bool,
}

impl Mark {
    /// What it asks of the mark.
    const fn bits(&self) -> Bits {
        Bits { value: self.value, mask: self.mask, inverted: self.inverted }
    }
}

impl Matching for Mark {
    const SPEC: &'static Spec = &Spec { name: "mark", options: &[Opt::value(&["mark"]).inverting()] };

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
        Answer::from(self.bits().holds(view.packet.meta().mark))
    }

    fn covers(&self, narrower: &Self) -> bool {
        self.bits().covers(narrower.bits())
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::mark(self.mask))
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        format!("has mark {:#x}", view.packet.meta().mark)
    }
}
