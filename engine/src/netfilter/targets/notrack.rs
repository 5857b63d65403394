//! `-j NOTRACK`: the packet is not tracked. The kernel runs it as `-j CT --notrack`.

use alloc::string::String;

use super::{Next, Targeting};
use crate::{
    conntrack::Tracking,
    netfilter::{
        RuleId, TableName, Verdict, View,
        error::Flaw,
        save::options::{Given, Spec},
    },
};

/// The packet is not tracked.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Notrack;

impl Targeting for Notrack {
    const SPEC: &'static Spec = &Spec { name: "NOTRACK", options: &[] };
    const TABLES: &'static [TableName] = &[TableName::Raw];

    fn parse(_: &Given<'_>) -> Result<Self, Flaw> {
        Ok(Self)
    }

    fn print(&self, _: &mut String) {}

    fn apply(&mut self, rule: RuleId, view: &mut View<'_>) -> Next {
        let tracking = &mut view.packet.meta_mut().tracking;
        if !tracking.may_be_told() {
            return Next::Rule;
        }
        *tracking = Tracking::Untracked;
        Next::Noted(Verdict::Untracked(rule))
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}
