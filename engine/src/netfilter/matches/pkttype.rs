//! `-m pkttype`: whom the link layer addressed (Linux v6.18: `net/netfilter/xt_pkttype.c`, `pkttype_mt()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::{
    netfilter::{
        View,
        error::{Fault, Flaw, Noun},
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::print_not,
        },
        walk::{Depends, Fingerprint},
    },
    packet::Addressed,
};

/// One kind of address, or all others.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Pkttype {
    addressed: Addressed,
    inverted: bool,
}

impl Matching for Pkttype {
    const SPEC: &'static Spec = &Spec { name: "pkttype", options: &[Opt::value(&["pkt-type"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("pkt-type", "`--pkt-type TYPE`")?;
        let word = item.value();
        match NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text)) {
            Some((_, addressed)) => Ok(Self { addressed: *addressed, inverted: item.inverted }),
            None => Err(Fault::unknown(Noun::Flag, &word.text, NAMES.iter().map(|(name, _)| *name)).at(word.column)),
        }
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(&format!(" --pkt-type {}", name(self.addressed)));
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        Answer::from((view.packet.meta().addressed == self.addressed) != self.inverted)
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::ADDRESSED)
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        format!("is {}", name(view.packet.meta().addressed))
    }
}

fn name(addressed: Addressed) -> &'static str {
    NAMES.iter().find(|(_, known)| *known == addressed).map_or("", |(name, _)| name)
}

/// The first name of a kind is the one that is printed.
#[rustfmt::skip]
static NAMES: [(&str, Addressed); 7] = [
    ("unicast",   Addressed::Host),
    ("broadcast", Addressed::Broadcast),
    ("multicast", Addressed::Multicast),
    ("otherhost", Addressed::Other),
    ("bcast",     Addressed::Broadcast),
    ("mcast",     Addressed::Multicast),
    ("host",      Addressed::Host),
];
