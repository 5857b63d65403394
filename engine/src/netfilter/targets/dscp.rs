//! `-j DSCP`: changes the codepoint of differentiated services and leaves ECN (Linux v6.18: `net/netfilter/xt_DSCP.c`,
//! `dscp_tg()`).

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::netfilter::{
    RuleId, TableName, View,
    error::Flaw,
    matches::parse_codepoint,
    save::options::{Given, Opt, Spec},
};

/// The codepoint, 0 to 63.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Dscp(u8);

impl Targeting for Dscp {
    const SPEC: &'static Spec =
        &Spec { name: "DSCP", options: &[Opt::value(&["set-dscp"]), Opt::value(&["set-dscp-class"])] };
    const TABLES: &'static [TableName] = &[TableName::Mangle];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        Ok(Self(parse_codepoint(given, "set-dscp", "set-dscp-class")?.1))
    }

    fn print(&self, out: &mut String) {
        out.push_str(&format!(" --set-dscp {:#04x}", self.0));
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        let before = view.packet.ip().map_or(0, |ip| ip.tos());
        view.packet.amend_ip(|ip| ip.set_tos(self.0 << 2 | before & 0x03));
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}
