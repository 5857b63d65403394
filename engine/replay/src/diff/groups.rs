//! Flows that differ for the same reason.

use super::{Aspect, Made, made::Cause};

/// Flows that differ for the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// What is different about them first.
    pub aspects: Vec<Aspect>,
    /// What decided before.
    pub before: Cause,
    /// What decides after.
    pub after: Cause,
    /// How many flows.
    pub flows: u64,
    /// How many of their packets differ.
    pub packets: u64,
    /// The first packet.
    pub example: Example,
}

/// A packet that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The capture, as its reader named it.
    pub capture: String,
    /// Its number there, from 1.
    pub packet: u64,
    /// The packet as it was captured, in the one notation.
    pub text: String,
    /// What became of it before.
    pub before: Made,
    /// What becomes of it after.
    pub after: Made,
}

/// The group of a packet, a new one when it is the first.
pub(super) fn place(groups: &mut Vec<Group>, aspects: Vec<Aspect>, example: Example) -> usize {
    let (before, after) = (example.before.cause(&aspects), example.after.cause(&aspects));
    let verdicts = |example: &Example| (example.before.verdict, example.after.verdict);
    let is_it = |group: &Group| {
        (&group.aspects, &group.before, &group.after) == (&aspects, &before, &after)
            && verdicts(&group.example) == verdicts(&example)
    };
    if let Some(index) = groups.iter().position(is_it) {
        return index;
    }
    groups.push(Group { aspects, before, after, flows: 0, packets: 0, example });
    groups.len() - 1
}
