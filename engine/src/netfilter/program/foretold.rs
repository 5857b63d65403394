//! What a table would answer about a packet that is not there: a walk without counting, without writing anything down, and without
//! anything that rules remember or do.
//!
//! The packet is whole, and so conditions that look at nothing else are asked as they are. Where the answer depends on what was before,
//! or on something that another hook does to the packet, nothing is foretold.

use alloc::vec::Vec;

use super::{
    Program,
    classify::Candidates,
    facts::{Facts, StateSet},
    held::Likely,
    selector::{Action, Fit},
};
use crate::{
    limits::HELD_RULES_MAX,
    netfilter::{
        TableName, Verdict, View,
        matches::{Answer, Match},
        targets::{Next, Target},
    },
};

impl Program {
    /// What `table` would answer at the view's hook about a packet in that state; `None`: that is not certain, takes longer to find out
    /// than it may, or the packet would not go on as it is.
    pub(in crate::netfilter) fn foretell(
        &mut self,
        table: TableName,
        state: StateSet,
        view: &mut View<'_>,
    ) -> Option<Verdict> {
        let Some(entry) = self.entries[table as usize][view.hook as usize] else { return Some(Verdict::Accept) };
        let facts = Facts { state, ..Facts::of(view, self.family, &self.interfaces)? };
        let mut stack: Vec<u32> = Vec::new();
        let mut candidates = Candidates::ALL;
        let mut at = self.classifier.seek(entry.first, &facts, false, &mut candidates);
        for _ in 0..HELD_RULES_MAX {
            let likely = self.likely(at, &facts, view);
            let to = match (self.selectors[at as usize].action, likely) {
                (Action::Policy(accept), _) => return accept.then_some(Verdict::Accept),
                (Action::End, _) | (Action::Return, Likely::Yes) => stack.pop().unwrap_or(entry.policy),
                (_, Likely::No) | (Action::Continue, _) => {
                    at = self.classifier.after(at, &mut candidates);
                    continue;
                }
                (Action::Run(target), likely) => match self.foretell_target(target, at, likely, view)? {
                    Next::Done(verdict) => return Some(verdict),
                    Next::Rule | Next::Noted(_) => {
                        at = self.classifier.after(at, &mut candidates);
                        continue;
                    }
                },
                (Action::Accept, Likely::Yes) => return Some(Verdict::Accept),
                (Action::Jump(chain), Likely::Yes) => {
                    stack.push(at + 1);
                    chain
                }
                (Action::Goto(chain), Likely::Yes) => chain,
                (Action::Accept | Action::Return | Action::Jump(_) | Action::Goto(_), Likely::Maybe)
                | (Action::Drop, _) => return None,
            };
            at = self.classifier.seek(to, &facts, false, &mut candidates);
        }
        None
    }

    /// What a target says, where it only says something or does what changes nobody's way.
    #[expect(clippy::wildcard_enum_match_arm, reason = "all others change the packet, or something that is remembered")]
    fn foretell_target(&mut self, target: u32, at: u32, likely: Likely, view: &mut View<'_>) -> Option<Next> {
        let id = self.id(at);
        match &mut self.targets[target as usize] {
            Target::Audit(_)
            | Target::ChecksumFill(_)
            | Target::Classify(_)
            | Target::Connmark(_)
            | Target::Log(_)
            | Target::Mark(_)
            | Target::Nflog(_)
            | Target::Tcpmss(_)
            | Target::Tee(_)
            | Target::Trace(_) => Some(Next::Rule),
            Target::Ct(ct) if ct.keeps_zone() => Some(Next::Rule),
            target @ (Target::Dnat(_) | Target::Netmap(_) | Target::Redirect(_)) if likely == Likely::Yes => {
                Some(target.apply(id, view))
            }
            _ => None,
        }
    }

    /// Whether a rule matches.
    fn likely(&mut self, at: u32, facts: &Facts, view: &mut View<'_>) -> Likely {
        let selector = &self.selectors[at as usize];
        match selector.fit(facts, &self.interfaces) {
            Fit::Yes => {}
            Fit::Never | Fit::NotNow => return Likely::No,
            Fit::Unsure | Fit::Unreached => return Likely::Maybe,
        }
        if self.ends.get(at as usize).is_some_and(|ends| !ends.hold(facts)) {
            return Likely::No;
        }
        let mut all = Likely::Yes;
        for condition in &mut self.matches[selector.matches_to_run()] {
            all = all.and(foretell(condition, facts, view));
            if all == Likely::No {
                break;
            }
        }
        all
    }
}

/// What a match says that the selector does not ask. What a packet's way before the gateway changes (hops, marks of congestion,
/// Ethernet addresses) is not looked at: it is known of a packet that is there only.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others depend on what happened before, or elsewhere")]
fn foretell(condition: &mut Match, facts: &Facts, view: &mut View<'_>) -> Likely {
    match condition {
        Match::Set(set) => match set.foretell(view) {
            Some(true) => Likely::Yes,
            Some(false) => Likely::No,
            None => Likely::Maybe,
        },
        Match::Addrtype(_)
        | Match::Comment(_)
        | Match::Dccp(_)
        | Match::Icmp(_)
        | Match::Icmp6(_)
        | Match::Iprange(_)
        | Match::Length(_)
        | Match::Multiport(_)
        | Match::Sctp(_)
        | Match::Tcp(_)
        | Match::Time(_)
        | Match::Udp(_) => match condition.test(facts, view) {
            Answer::Yes => Likely::Yes,
            Answer::No => Likely::No,
            Answer::Drop | Answer::Full | Answer::Doomed => Likely::Maybe,
        },
        other => Likely::of(other.possible_states().intersects(facts.state), false),
    }
}
