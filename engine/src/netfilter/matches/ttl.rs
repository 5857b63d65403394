//! `-m ttl` and, of IPv6, `-m hl`: hops left (Linux v6.18: `net/netfilter/xt_hl.c`, `ttl_mt()`, `hl_mt6()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::Flaw,
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            values,
        },
        walk::Depends,
    },
};

/// `-m ttl`
pub(in crate::netfilter) type Ttl = Hops<false>;
/// `-m hl`
pub(in crate::netfilter) type Hl = Hops<true>;

/// How many hops are asked for, of IPv4 or of IPv6.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) enum Hops<const V6: bool> {
    Equal(u8),
    NotEqual(u8),
    Less(u8),
    Greater(u8),
}

static TTL: Spec = Spec {
    name: "ttl",
    options: &[Opt::value(&["ttl-eq", "ttl"]).inverting(), Opt::value(&["ttl-lt"]), Opt::value(&["ttl-gt"])],
};
static HL: Spec = Spec {
    name: "hl",
    options: &[Opt::value(&["hl-eq", "hl"]).inverting(), Opt::value(&["hl-lt"]), Opt::value(&["hl-gt"])],
};

impl<const V6: bool> Matching for Hops<V6> {
    const SPEC: &'static Spec = if V6 { &HL } else { &TTL };
    const FAMILY: Option<Family> = Some(if V6 { Family::Ipv6 } else { Family::Ipv4 });

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let [equal, less, greater] = if V6 { ["hl-eq", "hl-lt", "hl-gt"] } else { ["ttl-eq", "ttl-lt", "ttl-gt"] };
        given.exclusive(&[equal, less, greater])?;
        let value =
            |name| given.find(name).map(|item| Ok((item.inverted, values::byte(item.value(), HOPS)?))).transpose();
        if let Some((inverted, hops)) = value(equal)? {
            return Ok(if inverted { Self::NotEqual(hops) } else { Self::Equal(hops) });
        }
        if let Some((_, hops)) = value(less)? {
            return Ok(Self::Less(hops));
        }
        match value(greater)? {
            Some((_, hops)) => Ok(Self::Greater(hops)),
            None => Err(given.needs("how many hops: `-eq`, `-lt` or `-gt` behind `--ttl` or `--hl`")),
        }
    }

    fn print(&self, out: &mut String) {
        let name = if V6 { "hl" } else { "ttl" };
        let text = match self {
            Self::Equal(hops) => format!(" --{name}-eq {hops}"),
            Self::NotEqual(hops) => format!(" ! --{name}-eq {hops}"),
            Self::Less(hops) => format!(" --{name}-lt {hops}"),
            Self::Greater(hops) => format!(" --{name}-gt {hops}"),
        };
        out.push_str(&text);
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let ttl = hops(view);
        Answer::from(match *self {
            Self::Equal(hops) => ttl == hops,
            Self::NotEqual(hops) => ttl != hops,
            Self::Less(hops) => ttl < hops,
            Self::Greater(hops) => ttl > hops,
        })
    }

    fn covers(&self, narrower: &Self) -> bool {
        self.range().covers(&narrower.range())
    }

    fn depends(&self) -> Depends {
        // It falls by one on the way, so that a fingerprint of the whole way cannot hold it.
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        format!("has {} {}", if V6 { "hop limit" } else { "TTL" }, hops(view))
    }
}

impl<const V6: bool> Hops<V6> {
    /// The numbers that match.
    const fn range(&self) -> Not<(u16, u16)> {
        match *self {
            Self::Equal(hops) => Not { inverted: false, what: (hops as u16, hops as u16) },
            Self::NotEqual(hops) => Not { inverted: true, what: (hops as u16, hops as u16) },
            Self::Less(hops) => Not { inverted: true, what: (hops as u16, u16::MAX) },
            Self::Greater(hops) => Not { inverted: true, what: (0, hops as u16) },
        }
    }
}

fn hops(view: &View<'_>) -> u8 {
    view.packet.ip().map_or(0, |ip| ip.hops())
}

const HOPS: &str = "a number of hops from 0 to 255";
