//! What of what comes in shows that a link carries: `arp_validate`.
//!
//! A bond that validates hears of the active port (or the one that is being tried) answers of targets to this host. Of others it hears
//! the questions of the active port, which a switch sends on to them: but only when that one is answered, as it would else believe
//! itself.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use zerocopy::FromBytes;

use super::super::{Bond, receive::behind_tag};
use crate::{
    frame::DeviceId,
    packet::Packet,
    time::Instant,
    wire::{ArpPacket, EtherType, Icmpv6Type, Ipv6Header, Protocol, ipv6::solicited_node},
};

/// What has come in by a port, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// ARP, or IPv6: both ends, if it is about neighbours and for this host.
    Neighbours(Option<Ends>),
    /// Anything else.
    Other,
}

/// Who asks or answers whom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Ends {
    sender: IpAddr,
    receiver: IpAddr,
    /// Nobody who asks: in ARP an answer, in neighbour discovery anything.
    may_be_answer: bool,
}

impl Ends {
    const fn swapped(self) -> Self {
        Self { sender: self.receiver, receiver: self.sender, ..self }
    }
}

impl Heard {
    /// What a frame is that came for this host, or `is_for_other`, with a tag at most.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_arp_rcv()`, `bond_na_rcv()`.
    pub(crate) fn of(packet: &Packet, is_for_other: bool) -> Self {
        let Some((ether_type, bytes)) = behind_tag(packet) else { return Self::Other };
        let ends = match ether_type {
            EtherType::ARP => arp_ends(bytes),
            EtherType::IPV6 => neighbour_ends(bytes),
            _ => return Self::Other,
        };
        Self::Neighbours(ends.filter(|_| !is_for_other))
    }

    /// What a frame says in ARP.
    pub(crate) fn arp_of(packet: &Packet) -> Option<ArpPacket> {
        let (ether_type, bytes) = behind_tag(packet)?;
        let arp = ArpPacket::read_from_prefix(bytes).ok().filter(|_| ether_type == EtherType::ARP);
        arp.map(|(arp, _)| arp)
    }

    /// Both ends' addresses.
    pub(crate) fn addresses(self) -> [Option<IpAddr>; 2] {
        match self {
            Self::Neighbours(Some(ends)) => [Some(ends.sender), Some(ends.receiver)],
            Self::Neighbours(None) | Self::Other => [None; 2],
        }
    }
}

impl Bond {
    /// Whether it wants to know what comes in.
    pub(crate) fn listens(&self) -> bool {
        self.probing.is_some() || self.hears_arp()
    }

    /// Something has come in by a port. `ours` are those of its ends' addresses that are the bond's or those of a VLAN over it.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_rcv_validate()`.
    pub(crate) fn hear(&mut self, now: Instant, port: DeviceId, heard: Heard, ours: [Option<IpAddr>; 2]) {
        let Some(place) = self.place_of(port) else { return };
        let is_backup = self.ports[usize::from(place)].is_backup;
        let validate = self.options.arp_validate;
        if !validate.is_of(is_backup) {
            if !validate.filters() || matches!(heard, Heard::Neighbours(_)) {
                self.note_heard(now, place, None);
            }
            return;
        }
        let Heard::Neighbours(Some(ends)) = heard else { return };
        if let Some(ends) = self.believed(now, is_backup, ends)
            && let Some(target) = self.target_of(ends, ours)
        {
            self.note_heard(now, place, Some(target));
        }
    }

    /// What a port may believe: whom it has heard, or whose question it was.
    fn believed(&self, now: Instant, is_backup: bool, ends: Ends) -> Option<Ends> {
        if !is_backup {
            return Some(ends);
        }
        let is_answered =
            |place: u16| self.times(place).is_some_and(|times| times.up.is_none_or(|up| self.heard_last(place) > up));
        if self.active.is_some_and(is_answered) {
            return Some(ends.swapped());
        }
        let candidate = self.probing.as_ref().and_then(|probing| self.times(probing.candidate?));
        candidate.filter(|times| ends.may_be_answer && self.is_within(now, times.asked, 1)).map(|_| ends)
    }

    /// The place of the target that has told this host something.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_validate_arp()`, `bond_validate_na()`; `include/net/bonding.h`,
    /// `bond_get_targets_ip6()`, which takes a target's group for the target, as questions are for that.
    fn target_of(&self, ends: Ends, ours: [Option<IpAddr>; 2]) -> Option<usize> {
        let is_for_us = ends.receiver == IpAddr::V6(ALL_NODES) || ours.contains(&Some(ends.receiver));
        if ends.sender.is_unspecified() || !is_for_us {
            return None;
        }
        match ends.sender {
            IpAddr::V4(sender) => self.options.arp_ip_targets.iter().position(|target| *target == sender),
            IpAddr::V6(sender) => {
                let is_it = |target: &Ipv6Addr| *target == sender || solicited_node(*target) == sender;
                self.options.ns_ip6_targets.iter().position(is_it)
            }
        }
    }

    fn note_heard(&mut self, now: Instant, place: u16, target: Option<usize>) {
        let Some(times) = self.times_mut(place) else { return };
        times.heard = now;
        if let Some(answered) = target.and_then(|target| times.answered.get_mut(target)) {
            *answered = now;
        }
    }
}

fn arp_ends(bytes: &[u8]) -> Option<Ends> {
    let (arp, _) = ArpPacket::ref_from_prefix(bytes).ok()?;
    arp.is_ipv4_over_ethernet().then(|| Ends {
        sender: Ipv4Addr::from(arp.sender_ip).into(),
        receiver: Ipv4Addr::from(arp.target_ip).into(),
        may_be_answer: arp.operation.get() == ArpPacket::REPLY,
    })
}

/// Those of a solicitation or an advertisement without extension headers.
fn neighbour_ends(bytes: &[u8]) -> Option<Ends> {
    let (ip, bytes) = Ipv6Header::ref_from_prefix(bytes).ok()?;
    let kind = Icmpv6Type(*bytes.first()?);
    let is_about = matches!(kind, Icmpv6Type::NEIGHBOUR_SOLICITATION | Icmpv6Type::NEIGHBOUR_ADVERTISEMENT);
    (ip.next_header == Protocol::ICMPV6.0 && bytes.len() >= ICMPV6_LEN && is_about).then(|| Ends {
        sender: ip.source().into(),
        receiver: ip.destination().into(),
        may_be_answer: true,
    })
}

/// Type, code, checksum, and the word behind them.
const ICMPV6_LEN: usize = 8;

/// Everybody on a link.
const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
