//! Whether rules have given an endpoint outside to somebody already: a walk through the nat table without a packet, without counting,
//! and without anything that rules remember.
//!
//! Where callers go is known, who they are is not. So a rule's answer is yes, no or maybe, and whoever may be led away by a rule that
//! names the port counts as led away. What a rule without a port does with all the rest ("all else goes to that host") holds nothing:
//! it is for what nobody else has asked for.

use alloc::vec::Vec;
use core::net::IpAddr;

use super::{Program, facts::Facts, selector::Action};
use crate::{
    device::Devices,
    frame::DeviceId,
    limits::HELD_RULES_MAX,
    netfilter::{Hook, TableName, lists::sets::Sets, matches::Match, targets::Target},
    time::Instant,
    wire::Protocol,
};

/// An endpoint as callers from outside see it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OuterEndpoint {
    /// TCP or UDP.
    pub(crate) protocol: Protocol,
    pub(crate) address: IpAddr,
    pub(crate) port: u16,
    /// By which device callers come, if that is known.
    pub(crate) input: Option<DeviceId>,
    /// Who is to have the endpoint: a rule that leads callers there as well is in nobody's way.
    pub(crate) inside: IpAddr,
}

/// What a condition says of callers of whom little is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::netfilter) enum Likely {
    Yes,
    /// It depends on who calls, or on what happened before.
    Maybe,
    No,
}

impl Likely {
    /// Both at once.
    pub(in crate::netfilter) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, Self::Yes) => Self::Yes,
            (Self::Maybe, _) | (_, Self::Maybe) => Self::Maybe,
        }
    }

    /// Yes where the condition depends on nothing but where callers go.
    pub(in crate::netfilter) const fn of(holds: bool, is_certain: bool) -> Self {
        match (holds, is_certain) {
            (false, _) => Self::No,
            (true, true) => Self::Yes,
            (true, false) => Self::Maybe,
        }
    }
}

/// What a condition, or all of a rule's, says of callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::netfilter) struct Foreseen {
    pub(in crate::netfilter) likely: Likely,
    /// It asks for some ports out of all.
    pub(in crate::netfilter) names_port: bool,
}

/// What there is to ask beside rules.
pub(in crate::netfilter) struct Beside<'a> {
    pub(in crate::netfilter) now: Instant,
    pub(in crate::netfilter) devices: &'a Devices,
    pub(in crate::netfilter) sets: &'a mut Sets,
}

/// A chain that was left for another one.
#[derive(Clone, Copy, Debug)]
struct Left {
    /// Its next rule.
    next: u32,
    /// Whether the port was named by then.
    named: bool,
    /// Whether all callers have left it.
    by_all: bool,
}

/// Goes back to the last chain that perhaps not all callers have left.
fn first_left_by_some(stack: &mut Vec<Left>) -> Option<Left> {
    while let Some(left) = stack.pop() {
        if !left.by_all {
            return Some(left);
        }
    }
    None
}

impl Program {
    /// Whether a rule of PREROUTING that names the endpoint's port may decide where its callers go. Where the walk takes longer than it
    /// may, one does.
    pub(in crate::netfilter) fn holds(&mut self, endpoint: &OuterEndpoint, beside: &mut Beside<'_>) -> bool {
        let Some(entry) = self.entries[TableName::Nat as usize][Hook::Prerouting as usize] else { return false };
        let Some(facts) = Facts::of_callers(endpoint, self.family, &self.interfaces) else { return false };
        let mut stack: Vec<Left> = Vec::new();
        let (mut at, mut named) = (entry.first, false);
        for _ in 0..HELD_RULES_MAX {
            let Foreseen { likely, names_port } = self.foresee(at, &facts, endpoint, beside);
            let names = named || names_port;
            (at, named) = match (self.selectors[at as usize].action, likely) {
                (Action::Policy(_), _) => return false,
                (Action::End, _) | (Action::Return, Likely::Yes) => match stack.pop() {
                    Some(left) => (left.next, left.named),
                    None => return false,
                },
                (_, Likely::No) | (Action::Continue, _) | (Action::Return, Likely::Maybe) => (at + 1, named),
                (Action::Goto(chain), Likely::Yes) => (chain, names),
                (Action::Jump(chain) | Action::Goto(chain), likely) => {
                    stack.push(Left { next: at + 1, named, by_all: likely == Likely::Yes });
                    (chain, names)
                }
                // Who is let be, or led somewhere, is asked for nothing more.
                (action @ (Action::Accept | Action::Drop | Action::Run(_)), likely) => {
                    match self.leads_away(action, endpoint.inside) {
                        Some(true) if names => return true,
                        // All who have come here are; whoever has not come into its chain goes on where that was left.
                        Some(_) if likely == Likely::Yes => match first_left_by_some(&mut stack) {
                            Some(left) => (left.next, left.named),
                            None => return false,
                        },
                        Some(_) | None => (at + 1, named),
                    }
                }
            };
        }
        true
    }

    /// Whether callers go elsewhere than to the host inside alone; `None`: it is not settled yet where they go.
    fn leads_away(&self, action: Action, inside: IpAddr) -> Option<bool> {
        let Action::Run(target) = action else { return Some(true) };
        let target = &self.targets[target as usize];
        if let Target::Dnat(dnat) = target {
            return Some(dnat.range().0.addresses != Some((inside.into(), inside.into())));
        }
        matches!(target, Target::Redirect(_) | Target::Netmap(_)).then_some(true)
    }

    /// What a rule says of callers.
    fn foresee(&mut self, at: u32, facts: &Facts, endpoint: &OuterEndpoint, beside: &mut Beside<'_>) -> Foreseen {
        let selector = &self.selectors[at as usize];
        let mut all = selector.foresee(facts, &self.interfaces, endpoint.input.is_some());
        all.likely = all.likely.and(self.ends.get(at as usize).map_or(Likely::Yes, |ends| ends.foresee(facts)));
        for condition in &mut self.matches[selector.matches_to_run()] {
            if all.likely == Likely::No {
                break;
            }
            let Foreseen { likely, names_port } = foresee(condition, facts, endpoint, beside);
            all = Foreseen { likely: all.likely.and(likely), names_port: all.names_port || names_port };
        }
        all
    }
}

/// What a match that the selector does not ask says of callers.
#[expect(clippy::wildcard_enum_match_arm, reason = "all others depend on who calls, or on what happened before")]
fn foresee(condition: &mut Match, facts: &Facts, endpoint: &OuterEndpoint, beside: &mut Beside<'_>) -> Foreseen {
    match condition {
        Match::Tcp(tcp) => tcp.foresee(facts),
        Match::Udp(udp) => udp.foresee(facts),
        Match::Multiport(multiport) => multiport.foresee(facts),
        Match::Set(set) => set.foresee(endpoint, beside),
        Match::Comment(_) => Foreseen { likely: Likely::Yes, names_port: false },
        other => {
            let may_be = other.possible_states().intersects(facts.state);
            Foreseen { likely: Likely::of(may_be, false), names_port: false }
        }
    }
}
