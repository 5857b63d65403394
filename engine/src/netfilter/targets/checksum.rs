//! `-j CHECKSUM`: computes a transport checksum that was left to the device, for receivers that look at it too early
//! (Linux v6.18: `net/netfilter/xt_CHECKSUM.c`, `checksum_tg()`).

use alloc::string::String;

use super::{Next, Targeting};
use crate::{
    netfilter::{
        RuleId, TableName, View,
        error::Flaw,
        save::options::{Given, Opt, Spec},
    },
    offload,
};

/// There is nothing to choose.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct ChecksumFill;

impl Targeting for ChecksumFill {
    const SPEC: &'static Spec = &Spec { name: "CHECKSUM", options: &[Opt::flag(&["checksum-fill"])] };
    const TABLES: &'static [TableName] = &[TableName::Mangle];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.need("checksum-fill", "`--checksum-fill`")?;
        Ok(Self)
    }

    fn print(&self, out: &mut String) {
        out.push_str(" --checksum-fill");
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        if view.packet.meta().gso.is_none() {
            offload::checksum::complete(view.packet, &view.around.routines);
        }
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}
