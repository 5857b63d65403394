//! `-j TTL` and, of IPv6, `-j HL`: changes the hops left (Linux v6.18: `net/netfilter/xt_HL.c`, `ttl_tg()`, `hl_tg6()`).

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::{
    conntrack::Family,
    netfilter::{
        RuleId, TableName, View,
        error::Flaw,
        save::{
            options::{Given, Opt, Spec},
            values,
        },
    },
};

/// `-j TTL`
pub(in crate::netfilter) type Ttl = Hops<false>;
/// `-j HL`
pub(in crate::netfilter) type Hl = Hops<true>;

/// What becomes of the hops left, of IPv4 or of IPv6. They stay between 0 and 255.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) enum Hops<const V6: bool> {
    Set(u8),
    Less(u8),
    More(u8),
}

static TTL: Spec =
    Spec { name: "TTL", options: &[Opt::value(&["ttl-set"]), Opt::value(&["ttl-dec"]), Opt::value(&["ttl-inc"])] };
static HL: Spec =
    Spec { name: "HL", options: &[Opt::value(&["hl-set"]), Opt::value(&["hl-dec"]), Opt::value(&["hl-inc"])] };

impl<const V6: bool> Targeting for Hops<V6> {
    const SPEC: &'static Spec = if V6 { &HL } else { &TTL };
    const FAMILY: Option<Family> = Some(if V6 { Family::Ipv6 } else { Family::Ipv4 });
    const TABLES: &'static [TableName] = &[TableName::Mangle];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let [set, less, more] = if V6 { ["hl-set", "hl-dec", "hl-inc"] } else { ["ttl-set", "ttl-dec", "ttl-inc"] };
        given.exclusive(&[set, less, more])?;
        let hops = |name, least| match given.find(name) {
            Some(item) => {
                values::ranged(item.value(), least, 255, "a number of hops up to 255").map(|hops| Some(hops as u8))
            }
            None => Ok(None),
        };
        match (hops(set, 0)?, hops(less, 1)?, hops(more, 1)?) {
            (Some(hops), ..) => Ok(Self::Set(hops)),
            (_, Some(hops), _) => Ok(Self::Less(hops)),
            (.., Some(hops)) => Ok(Self::More(hops)),
            (None, None, None) => Err(given.needs("what to do: `-set`, `-dec` or `-inc` behind `--ttl` or `--hl`")),
        }
    }

    fn print(&self, out: &mut String) {
        let name = if V6 { "hl" } else { "ttl" };
        let text = match self {
            Self::Set(hops) => format!(" --{name}-set {hops}"),
            Self::Less(hops) => format!(" --{name}-dec {hops}"),
            Self::More(hops) => format!(" --{name}-inc {hops}"),
        };
        out.push_str(&text);
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        let before = view.packet.ip().map_or(0, |ip| ip.hops());
        let hops = match *self {
            Self::Set(hops) => hops,
            Self::Less(hops) => before.saturating_sub(hops),
            Self::More(hops) => before.saturating_add(hops),
        };
        view.packet.amend_ip(|ip| ip.set_hops(hops));
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}
