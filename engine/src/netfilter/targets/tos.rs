//! `-j TOS`: changes the type-of-service byte (Linux v6.18: `net/netfilter/xt_DSCP.c`, `tos_tg()`).

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::netfilter::{
    RuleId, TableName, View,
    error::Flaw,
    matches::parse_tos,
    save::{
        options::{Given, Opt, Spec},
        values,
    },
};

/// Clears some bits and turns others over.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Tos {
    value: u8,
    mask: u8,
}

impl Targeting for Tos {
    const SPEC: &'static Spec = &Spec {
        name: "TOS",
        options: &[
            Opt::value(&["set-tos"]),
            Opt::value(&["and-tos"]),
            Opt::value(&["or-tos"]),
            Opt::value(&["xor-tos"]),
        ],
    };
    const TABLES: &'static [TableName] = &[TableName::Mangle];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["set-tos", "and-tos", "or-tos", "xor-tos"])?;
        let bits = |name| given.find(name).map(|item| values::byte(item.value(), "a byte")).transpose();
        if let Some(item) = given.find("set-tos") {
            let (value, mask) = parse_tos(item.value())?;
            return Ok(Self { value, mask });
        }
        match (bits("and-tos")?, bits("or-tos")?, bits("xor-tos")?) {
            (Some(bits), ..) => Ok(Self { value: 0, mask: !bits }),
            (_, Some(bits), _) => Ok(Self { value: bits, mask: bits }),
            (.., Some(bits)) => Ok(Self { value: bits, mask: 0 }),
            (None, None, None) => Err(given.needs("`--set-tos`, `--and-tos`, `--or-tos` or `--xor-tos`")),
        }
    }

    fn print(&self, out: &mut String) {
        out.push_str(&format!(" --set-tos {:#04x}/{:#04x}", self.value, self.mask));
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        let before = view.packet.ip().map_or(0, |ip| ip.tos());
        view.packet.amend_ip(|ip| ip.set_tos((before & !self.mask) ^ self.value));
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}
