//! `-m rt`: the routing header of IPv6 (RFC 8200, section 4.4; Linux v6.18: `net/ipv6/netfilter/ip6t_rt.c`, `rt_mt6()`).

use alloc::{string::String, vec::Vec};
use core::{fmt::Write, net::Ipv6Addr};

use super::{
    Answer, Matching,
    extension::{self, Numbers},
};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::Flaw,
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::Word,
        },
        walk::Depends,
    },
    wire::Protocol,
};

/// What is asked of a routing header. Everything given has to hold; the last three are for headers of type 0 (RFC 5095 has
/// taken that out of use).
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Rt {
    kind: Option<Not<u32>>,
    segments_left: Numbers,
    /// Bytes of the header.
    len: Option<Not<u32>>,
    /// The reserved field has to be zero.
    reserved: bool,
    addresses: Vec<Ipv6Addr>,
    /// Other addresses may stand between these, and behind them.
    loose: bool,
}

impl Matching for Rt {
    const SPEC: &'static Spec = &Spec {
        name: "rt",
        options: &[
            Opt::value(&["rt-type"]).inverting(),
            Opt::value(&["rt-segsleft"]).inverting(),
            Opt::value(&["rt-len"]).inverting(),
            Opt::flag(&["rt-0-res"]),
            Opt::value(&["rt-0-addrs"]),
            Opt::flag(&["rt-0-not-strict"]),
        ],
    };
    const FAMILY: Option<Family> = Some(Family::Ipv6);

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let kind = extension::number(given, "rt-type")?;
        let is_of_type_0 = ["rt-0-res", "rt-0-addrs", "rt-0-not-strict"].iter().any(|name| given.has(name));
        if is_of_type_0 && kind != Some(Not { inverted: false, what: 0 }) {
            return Err(given.needs("`--rt-type 0` for the options `--rt-0-…`"));
        }
        let addresses = given.find("rt-0-addrs").map(|item| parse_addresses(item.value())).transpose()?;
        if given.has("rt-0-not-strict") && addresses.is_none() {
            return Err(given.needs("`--rt-0-addrs` for `--rt-0-not-strict`"));
        }
        Ok(Self {
            kind,
            segments_left: Numbers::parse(given, "rt-segsleft")?,
            len: extension::number(given, "rt-len")?,
            reserved: given.has("rt-0-res"),
            addresses: addresses.unwrap_or_default(),
            loose: given.has("rt-0-not-strict"),
        })
    }

    fn print(&self, out: &mut String) {
        extension::print_number(out, "rt-type", self.kind);
        self.segments_left.print(out, "rt-segsleft");
        extension::print_number(out, "rt-len", self.len);
        out.push_str(if self.reserved { " --rt-0-res" } else { "" });
        for (index, address) in self.addresses.iter().enumerate() {
            let _ = write!(out, "{}{address}", if index == 0 { " --rt-0-addrs " } else { "," });
        }
        out.push_str(if self.loose { " --rt-0-not-strict" } else { "" });
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let bytes = match extension::find(view.packet, Protocol::ROUTING) {
            Ok(bytes) => bytes,
            Err(answer) => return answer,
        };
        let Some(&[_, len, kind, left]) = bytes.first_chunk() else { return Answer::Drop };
        let header_len = extension::header_len(Protocol::ROUTING, len);
        let Some(header) = bytes.get(..header_len) else { return Answer::Drop };
        let holds =
            |asked: Option<Not<u32>>, found| asked.is_none_or(|Not { inverted, what }| (what == found) != inverted);
        Answer::from(
            self.segments_left.hold(left.into())
                && holds(self.len, header_len as u32)
                && holds(self.kind, kind.into())
                && (!self.reserved || extension::word(&header[4..]) == 0)
                && (self.addresses.is_empty() || self.passes(&header[ADDRESSES_AT..])),
        )
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        extension::found(view.packet, Protocol::ROUTING, "routing")
    }
}

impl Rt {
    /// Whether the way goes over the addresses, in order.
    fn passes(&self, stations: &[u8]) -> bool {
        let mut way = stations.chunks_exact(16).map(|octets| octets.try_into().map(<[u8; 16]>::into).ok());
        if self.loose {
            return self.addresses.iter().all(|wanted| way.any(|station| station == Some(*wanted)));
        }
        way.eq(self.addresses.iter().copied().map(Some))
    }
}

fn parse_addresses(word: &Word) -> Result<Vec<Ipv6Addr>, Flaw> {
    let wants = "up to 16 IPv6 addresses with commas between them";
    let addresses: Result<Vec<Ipv6Addr>, _> = word.text.split(',').map(str::parse).collect();
    addresses.ok().filter(|addresses| addresses.len() <= ADDRESSES_MAX).ok_or_else(|| word.bad(wants))
}

/// Where the addresses start in a header of type 0 (RFC 2460, section 4.4).
const ADDRESSES_AT: usize = 8;
/// Addresses that a rule may ask for (Linux: `IP6T_RT_HOPS`).
const ADDRESSES_MAX: usize = 16;
