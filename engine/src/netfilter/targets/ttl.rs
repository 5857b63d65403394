//! `-j TTL`: changes the hops left (Linux v6.18: `net/netfilter/xt_HL.c`, `ttl_tg()`).

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::netfilter::{
    RuleId, TableName, View,
    error::Flaw,
    save::{
        options::{Given, Opt, Spec},
        values,
    },
};

/// What becomes of the TTL. It stays between 0 and 255.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) enum Ttl {
    Set(u8),
    Less(u8),
    More(u8),
}

impl Targeting for Ttl {
    const SPEC: &'static Spec =
        &Spec { name: "TTL", options: &[Opt::value(&["ttl-set"]), Opt::value(&["ttl-dec"]), Opt::value(&["ttl-inc"])] };
    const TABLES: &'static [TableName] = &[TableName::Mangle];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["ttl-set", "ttl-dec", "ttl-inc"])?;
        let hops = |name, least| match given.find(name) {
            Some(item) => {
                values::ranged(item.value(), least, 255, "a number of hops up to 255").map(|hops| Some(hops as u8))
            }
            None => Ok(None),
        };
        match (hops("ttl-set", 0)?, hops("ttl-dec", 1)?, hops("ttl-inc", 1)?) {
            (Some(hops), ..) => Ok(Self::Set(hops)),
            (_, Some(hops), _) => Ok(Self::Less(hops)),
            (.., Some(hops)) => Ok(Self::More(hops)),
            (None, None, None) => Err(given.needs("`--ttl-set`, `--ttl-dec` or `--ttl-inc`")),
        }
    }

    fn print(&self, out: &mut String) {
        let text = match self {
            Self::Set(hops) => format!(" --ttl-set {hops}"),
            Self::Less(hops) => format!(" --ttl-dec {hops}"),
            Self::More(hops) => format!(" --ttl-inc {hops}"),
        };
        out.push_str(&text);
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        if let Some(ip) = view.packet.ipv4_mut() {
            let hops = match *self {
                Self::Set(hops) => hops,
                Self::Less(hops) => ip.ttl.saturating_sub(hops),
                Self::More(hops) => ip.ttl.saturating_add(hops),
            };
            ip.set_ttl(hops);
        }
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}
