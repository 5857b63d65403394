//! `-m state`: what connection tracking says of a packet. The kernel runs it as `-m conntrack --ctstate`.

use alloc::{format, string::String};

use super::{Answer, Fold, Matching, states::States};
use crate::netfilter::{
    View,
    error::Flaw,
    program::facts::Facts,
    save::{
        options::{Given, Opt, Spec},
        text::print_not,
    },
    walk::{Depends, Fingerprint},
};

/// Some states, or all others.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct StateMatch {
    states: States,
    inverted: bool,
}

impl Matching for StateMatch {
    const SPEC: &'static Spec = &Spec { name: "state", options: &[Opt::value(&["state"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("state", "`--state WORDS`")?;
        Ok(Self { states: States::parse(item.value(), false)?, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(" --state");
        self.states.print(out);
    }

    fn test(&mut self, facts: &Facts, _: &mut View<'_>) -> Answer {
        Answer::from(self.states.states().intersects(facts.state) != self.inverted)
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::STATE)
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        found_state(view)
    }

    fn fold(&self) -> Fold {
        let states = self.states.states();
        Fold::States(if self.inverted { states.inverted() } else { states })
    }
}

/// The packet's state as the end of a sentence.
pub(super) fn found_state(view: &View<'_>) -> String {
    match view.packet.meta().tracking.word() {
        Some(word) => format!("is {word}"),
        None => "has not been tracked yet".into(),
    }
}
