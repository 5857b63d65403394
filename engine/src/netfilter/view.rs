//! What a rule sees, and what a table answers.

use alloc::vec::Vec;
use core::net::IpAddr;

use crate::{
    conntrack::{Connection, Conntrack, Direction, Family, TemplateId, Tracking},
    device::Devices,
    frame::DeviceId,
    ip::Routes,
    nat::NatRange,
    netfilter::{hooks::Hook, lists::Lists, walk::Walk},
    packet::{Packet, Pool},
    socket::Sockets,
    surroundings::Surroundings,
    time::Instant,
};

/// What a rule sees and may touch while a packet is at a hook.
#[derive(Debug)]
pub struct View<'a> {
    /// When.
    pub now: Instant,
    /// Where on the path.
    pub hook: Hook,
    /// The packet; its connection is found by `packet.meta().tracking`.
    pub packet: &'a mut Packet,
    /// Where it came in; `None` in OUTPUT and for packets made here.
    pub input: Option<DeviceId>,
    /// Where it goes out; `None` in PREROUTING and INPUT.
    pub output: Option<DeviceId>,
    /// All devices, for names and local addresses.
    pub devices: &'a Devices,
    /// All routes, for the way back.
    pub routes: &'a Routes,
    /// This host's sockets.
    pub sockets: &'a Sockets,
    /// All connections.
    pub conntrack: &'a mut Conntrack,
    /// What rules remember under a name.
    pub lists: &'a mut Lists,
    /// Chance, where LOG and its like go, what is written down for `explain`.
    pub around: &'a mut Surroundings,
    /// Where copies are made.
    pub pool: &'a mut Pool,
    /// Copies that go their own way when the table has been asked.
    pub copies: &'a mut Vec<Copied>,
    /// What is to be repeated of an earlier packet's walk, or what rules did with this packet so far.
    pub walk: &'a mut Walk,
}

impl View<'_> {
    /// The packet's connection and its direction in it.
    pub(super) fn connection(&self) -> Option<(&Connection, Direction)> {
        match self.packet.meta().tracking {
            Tracking::Tracked { connection, direction, .. } => {
                Some((self.conntrack.connection(connection)?, direction))
            }
            Tracking::Unseen | Tracking::Template(_) | Tracking::Untracked | Tracking::Invalid => None,
        }
    }
}

/// A copy of a packet that goes its own way (`-j TEE`).
#[derive(Debug)]
pub struct Copied {
    /// The copy, untracked, from its network header on.
    pub packet: Packet,
    /// To which router.
    pub gateway: IpAddr,
    /// By which device; by the one that leads to the router when `None`.
    pub output: Option<DeviceId>,
}

/// What a table answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The packet goes on. In the raw table `template` carries what `-j CT` said.
    Accept,
    /// A rule drops it.
    Drop(RuleId),
    /// A rule drops it since one of its matches cannot read it.
    Unreadable(RuleId),
    /// A rule drops it since one of its matches has no room for what it would have to remember.
    Full(RuleId),
    /// The policy of a built-in chain drops it.
    DropByPolicy,
    /// A rule drops it and an answer is sent.
    Reject(RejectWith, RuleId),
    /// A rule of the nat table translates the connection.
    Translate(NatRange, RuleId),
    /// A rule of the nat table translates the source to the address of the device the packet leaves by.
    Masquerade(NatRange, RuleId),
    /// A rule of the nat table translates the destination to the address of the device the packet came in by.
    Redirect(NatRange, RuleId),
    /// `-j CT`: how the packet is to be tracked.
    Template(TemplateId, RuleId),
    /// `-j CT --notrack` or `-j NOTRACK`.
    Untracked(RuleId),
}

/// A rule's number among the rules of an engine: the number within its set, and which of the two sets that is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
pub struct RuleId(pub u32);

impl RuleId {
    /// What numbers of `ip6tables` rules start with.
    const IPV6: u32 = 1 << 31;

    /// The rule of that place in its family's set; there are at most [`crate::limits::RULES_MAX`] and two policies a
    /// chain in a set.
    #[must_use]
    pub const fn new(family: Family, index: u32) -> Self {
        match family {
            Family::Ipv4 => Self(index),
            Family::Ipv6 => Self(index | Self::IPV6),
        }
    }

    /// Whose packets the rule is for.
    #[must_use]
    pub const fn family(self) -> Family {
        if self.0 & Self::IPV6 == 0 { Family::Ipv4 } else { Family::Ipv6 }
    }

    /// Its place in its set.
    #[must_use]
    pub const fn index(self) -> usize {
        (self.0 & !Self::IPV6) as usize
    }
}

/// What the sender of a packet is told that a rule does not let on, mostly REJECT.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
pub enum RejectWith {
    /// "Destination unreachable" of the packet's family, with this code. The rules' words for codes are in the target's
    /// file.
    Unreachable(u8),
    /// `tcp-reset`
    TcpReset,
    /// "Parameter problem": the field at this place of the IPv6 header (SNPT, DNPT).
    HeaderField(u8),
}
