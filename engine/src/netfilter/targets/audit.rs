//! `-j AUDIT`: a record for the audit system; here an event (Linux v6.18: `net/netfilter/xt_AUDIT.c`, `audit_tg()`).

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::{
    event::Event,
    netfilter::{
        RuleId, View,
        error::{Fault, Flaw, Noun},
        save::options::{Given, Opt, Spec},
    },
};

/// What the rule's author says happens to the packet. The kernel's record does not tell it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Audit(&'static str);

impl Targeting for Audit {
    const SPEC: &'static Spec = &Spec { name: "AUDIT", options: &[Opt::value(&["type"])] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let word = given.need("type", "`--type accept`, `drop` or `reject`")?.value();
        match TYPES.iter().find(|name| word.text.eq_ignore_ascii_case(name)) {
            Some(name) => Ok(Self(name)),
            None => Err(Fault::unknown(Noun::Flag, &word.text, TYPES.iter().copied()).at(word.column)),
        }
    }

    fn print(&self, out: &mut String) {
        out.push_str(" --type ");
        out.push_str(self.0);
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        if view.around.events.wanted().log {
            let mark = view.packet.meta().mark;
            let ends = match view.packet.ip() {
                Some(ip) => {
                    let protocol = view.packet.protocol().0;
                    format!("saddr={} daddr={} proto={protocol}", ip.source(), ip.destination())
                }
                None => "saddr=? daddr=? proto=-1".into(),
            };
            view.around.events.push(view.now, Event::Audit { record: format!("mark={mark:#x} {ends}") });
        }
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

static TYPES: [&str; 3] = ["accept", "drop", "reject"];
