//! `-m ttl`: hops left (Linux v6.18: `net/netfilter/xt_hl.c`, `ttl_mt()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::netfilter::{
    View,
    error::Flaw,
    program::facts::Facts,
    save::{
        options::{Given, Opt, Spec},
        values,
    },
    walk::Depends,
};

/// How many hops are asked for.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) enum Ttl {
    Equal(u8),
    NotEqual(u8),
    Less(u8),
    Greater(u8),
}

impl Matching for Ttl {
    const SPEC: &'static Spec = &Spec {
        name: "ttl",
        options: &[Opt::value(&["ttl-eq", "ttl"]).inverting(), Opt::value(&["ttl-lt"]), Opt::value(&["ttl-gt"])],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["ttl-eq", "ttl-lt", "ttl-gt"])?;
        let value =
            |name| given.find(name).map(|item| Ok((item.inverted, values::byte(item.value(), HOPS)?))).transpose();
        if let Some((inverted, hops)) = value("ttl-eq")? {
            return Ok(if inverted { Self::NotEqual(hops) } else { Self::Equal(hops) });
        }
        if let Some((_, hops)) = value("ttl-lt")? {
            return Ok(Self::Less(hops));
        }
        match value("ttl-gt")? {
            Some((_, hops)) => Ok(Self::Greater(hops)),
            None => Err(given.needs("`--ttl-eq`, `--ttl-lt` or `--ttl-gt`")),
        }
    }

    fn print(&self, out: &mut String) {
        let text = match self {
            Self::Equal(hops) => format!(" --ttl-eq {hops}"),
            Self::NotEqual(hops) => format!(" ! --ttl-eq {hops}"),
            Self::Less(hops) => format!(" --ttl-lt {hops}"),
            Self::Greater(hops) => format!(" --ttl-gt {hops}"),
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

    fn depends(&self) -> Depends {
        // It falls by one on the way, so that a fingerprint of the whole way cannot hold it.
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        format!("has TTL {}", hops(view))
    }
}

fn hops(view: &View<'_>) -> u8 {
    view.packet.ipv4().map_or(0, |ip| ip.ttl)
}

const HOPS: &str = "a number of hops from 0 to 255";
