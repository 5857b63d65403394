//! What both IP headers say, so that the path need not care which one a packet has.

use core::net::IpAddr;

use zerocopy::IntoBytes;

use super::{Network, Packet};
use crate::{
    conntrack::Family,
    wire::{Ipv4Header, Ipv6Header, checksum, ipv6::FragmentHeader},
};

/// A packet's IP header.
#[derive(Clone, Copy, Debug)]
pub enum Ip<'a> {
    /// IPv4.
    V4(&'a Ipv4Header),
    /// IPv6.
    V6(&'a Ipv6Header),
}

/// A packet's IP header, to change.
#[derive(Debug)]
pub enum IpMut<'a> {
    /// IPv4; its checksum is mended with each change.
    V4(&'a mut Ipv4Header),
    /// IPv6.
    V6(&'a mut Ipv6Header),
}

impl Ip<'_> {
    /// Its family.
    #[must_use]
    pub const fn family(self) -> Family {
        match self {
            Self::V4(_) => Family::Ipv4,
            Self::V6(_) => Family::Ipv6,
        }
    }

    /// From whom.
    #[must_use]
    pub const fn source(self) -> IpAddr {
        match self {
            Self::V4(ip) => IpAddr::V4(ip.source()),
            Self::V6(ip) => IpAddr::V6(ip.source()),
        }
    }

    /// To whom.
    #[must_use]
    pub const fn destination(self) -> IpAddr {
        match self {
            Self::V4(ip) => IpAddr::V4(ip.destination()),
            Self::V6(ip) => IpAddr::V6(ip.destination()),
        }
    }

    /// Hops left: IPv4's TTL, IPv6's hop limit.
    #[must_use]
    pub const fn hops(self) -> u8 {
        match self {
            Self::V4(ip) => ip.ttl,
            Self::V6(ip) => ip.hop_limit,
        }
    }

    /// IPv4's type of service, IPv6's traffic class: DSCP in the high six bits, ECN in the low two.
    #[must_use]
    pub fn tos(self) -> u8 {
        match self {
            Self::V4(ip) => ip.tos,
            Self::V6(ip) => ip.traffic_class(),
        }
    }
}

impl IpMut<'_> {
    /// Sets the hops left.
    pub fn set_hops(&mut self, hops: u8) {
        match self {
            Self::V4(ip) => ip.set_ttl(hops),
            Self::V6(ip) => ip.hop_limit = hops,
        }
    }

    /// Takes one hop off; none stays none.
    pub fn decrement_hops(&mut self) {
        match self {
            Self::V4(ip) => ip.decrement_ttl(),
            Self::V6(ip) => ip.hop_limit = ip.hop_limit.saturating_sub(1),
        }
    }

    /// Sets the type of service or traffic class.
    pub fn set_tos(&mut self, tos: u8) {
        match self {
            Self::V4(ip) => ip.set_tos(tos),
            Self::V6(ip) => ip.set_traffic_class(tos),
        }
    }
}

impl Packet {
    /// Its IP header; `None` when it is no IP.
    #[must_use]
    pub fn ip(&self) -> Option<Ip<'_>> {
        match self.network() {
            Network::Ipv4 => self.ipv4().map(Ip::V4),
            Network::Ipv6 => self.ipv6().map(Ip::V6),
            Network::Arp | Network::Other => None,
        }
    }

    /// Its IP header, to change.
    pub fn ip_mut(&mut self) -> Option<IpMut<'_>> {
        match self.network() {
            Network::Ipv4 => self.ipv4_mut().map(IpMut::V4),
            Network::Ipv6 => self.ipv6_mut().map(IpMut::V6),
            Network::Arp | Network::Other => None,
        }
    }

    /// Changes its IP header as a rule does. A sum that was made over a whole IPv6 packet before does not follow:
    /// [`Meta::drift`](super::Meta::drift).
    pub fn amend_ip(&mut self, change: impl FnOnce(&mut IpMut<'_>)) {
        let sum_before = self.ipv6().map(sum_of_first_words);
        if let Some(mut ip) = self.ip_mut() {
            change(&mut ip);
        }
        if let (Some(before), Some(after)) = (sum_before, self.ipv6().map(sum_of_first_words)) {
            let meta = self.meta_mut();
            meta.drift = checksum::add(meta.drift, checksum::add(after, !before));
        }
    }

    /// Its family; `None` when it is no IP.
    #[must_use]
    pub fn family(&self) -> Option<Family> {
        match self.network() {
            Network::Ipv4 => Some(Family::Ipv4),
            Network::Ipv6 => Some(Family::Ipv6),
            Network::Arp | Network::Other => None,
        }
    }

    /// Whether it is a part of a packet, the first one included.
    #[must_use]
    pub fn is_fragment(&self) -> bool {
        match self.network() {
            Network::Ipv4 => self.ipv4().is_some_and(Ipv4Header::is_fragment),
            Network::Ipv6 => {
                let part = FragmentHeader::FRAGMENT_OFFSET | FragmentHeader::MORE_FRAGMENTS;
                self.fragment_word().is_some_and(|word| word & part != 0)
            }
            Network::Arp | Network::Other => false,
        }
    }

    /// Where in the whole this part starts, in bytes; 0 of what is no part.
    #[must_use]
    pub fn fragment_offset(&self) -> usize {
        match self.network() {
            Network::Ipv4 => self.ipv4().map_or(0, Ipv4Header::fragment_offset),
            Network::Ipv6 => self.fragment_word().map_or(0, |word| usize::from(word & FragmentHeader::FRAGMENT_OFFSET)),
            Network::Arp | Network::Other => 0,
        }
    }

    /// Whether a router may cut it into fragments: IPv4 that does not forbid it, or whose socket does not mind, and IPv6 that was put together here.
    #[must_use]
    pub fn may_be_cut(&self) -> bool {
        match self.ip() {
            Some(Ip::V4(ip)) => !ip.dont_fragment() || self.meta().ignores_df,
            Some(Ip::V6(_)) => self.pieces().is_some(),
            None => false,
        }
    }
}

/// The sum of what stands before the addresses.
fn sum_of_first_words(ip: &Ipv6Header) -> u16 {
    checksum::sum(&ip.as_bytes()[..FIRST_WORDS_LEN])
}

const FIRST_WORDS_LEN: usize = 8;
