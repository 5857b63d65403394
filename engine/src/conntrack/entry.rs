//! Connections as listings and events show them: plain data, copied out.

use alloc::{boxed::Box, string::String};

use serde::{Deserialize, Serialize};

use super::{
    HelperId,
    conn::{Changes, Connection, Counter, ProtocolState, Status},
    sctp_states::SctpState,
    tcp_states::TcpState,
    tcp_window::{Side, SideFlags},
    timeout_policy::TimeoutPolicies,
    tuple::Tuple,
    zone::Zone,
};
use crate::{nat::SequenceAdjustment, time::Instant};

/// A connection as it was at one moment. An event holds only what Linux puts into it (v6.18:
/// `net/netfilter/nf_conntrack_netlink.c`, `ctnetlink_conntrack_event()`); a listing holds all there is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// [`Connection::serial`].
    pub serial: u64,
    /// The way of the first packet, before any translation.
    pub original: Tuple,
    /// The way back.
    pub reply: Tuple,
    /// What has happened to it.
    pub status: Status,
    /// Its zone.
    pub zone: Zone,
    /// Whole seconds until it is forgotten.
    pub timeout_secs: Option<u32>,
    /// What the TCP tracker remembers.
    pub tcp: Option<TcpEntry>,
    /// What the SCTP tracker remembers.
    pub sctp: Option<SctpEntry>,
    /// The name of its helper.
    pub helper: Option<String>,
    /// The name of the policy that says how long it is remembered, where one does. Known in listings only.
    pub policy: Option<String>,
    /// Its mark, when it has one or has lost it.
    pub mark: Option<u32>,
    /// The original tuple of the connection that has announced it.
    pub master: Option<Tuple>,
    /// How its sequence numbers have moved, original and reply.
    pub adjustments: Option<[SequenceAdjustment; 2]>,
    /// Packets and bytes, original and reply.
    pub counters: Option<[Counter; 2]>,
    /// How long it has been there, where that is known (`net.netfilter.nf_conntrack_timestamp`). In listings, and in events that
    /// tell its end.
    pub life: Option<Life>,
    /// The bits that rules have set, the lowest one is label 0; missing where there are none. In listings, and in events that tell
    /// of labels.
    pub labels: Option<u128>,
    /// How many hold it: the table, and each connection that it has announced. Known in listings only.
    pub uses: Option<u32>,
}

/// How long a connection has been there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Life {
    /// When it was confirmed.
    pub start: Instant,
    /// When it ended, or its time was over; `None`: it is there.
    pub stop: Option<Instant>,
    /// When this was asked.
    pub now: Instant,
}

/// What is known of a connection that lies beside it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    /// What it has carried, original and reply.
    pub(super) counters: Option<[Counter; 2]>,
    /// When it was confirmed.
    pub(super) began: Option<Instant>,
}

/// What is shown of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpEntry {
    /// Its state.
    pub state: TcpState,
    /// Of both ends, original and reply.
    pub sides: Option<[TcpSideEntry; 2]>,
}

/// What is shown of an SCTP association.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SctpEntry {
    /// Its state.
    pub state: SctpState,
    /// The verification tags of packets of the original and reply direction; 0: not known.
    pub tags: [u32; 2],
}

/// What is shown of an end of a TCP connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TcpSideEntry {
    /// By how many bits its window is shifted.
    pub scale: u8,
    /// What it does.
    pub flags: SideFlags,
}

impl Entry {
    /// All there is.
    #[must_use]
    pub(super) fn listed(
        connection: &Connection,
        known: Known,
        now: Instant,
        (helpers, policies): (&HelperNames, &TimeoutPolicies),
    ) -> Self {
        let has_moved = connection.status.contains(Status::SEQ_ADJUST);
        let policy = connection.extension.as_ref().and_then(|extension| policies.find(extension.timeouts?));
        Self {
            timeout_secs: Some(seconds_left(connection, now)),
            tcp: tcp(connection),
            sctp: sctp(connection),
            helper: helpers.of(connection),
            master: master(connection),
            adjustments: adjustments(connection).filter(|_| has_moved),
            counters: known.counters,
            life: known.began.map(|start| Life { start, stop: None, now }),
            labels: labels(connection),
            policy: policy.map(|policy| policy.name.clone()),
            ..Self::common(connection)
        }
    }

    /// What is told when a connection is new or has changed.
    pub(super) fn changed(connection: &Connection, now: Instant, changes: Changes, helpers: &HelperNames) -> Self {
        let has_moved = connection.status.contains(Status::SEQ_ADJUST) && changes.intersects(Changes::SEQUENCE);
        let common = Self::common(connection);
        Self {
            timeout_secs: Some(seconds_left(connection, now)),
            tcp: tcp(connection).filter(|_| changes.intersects(Changes::PROTOCOL)),
            sctp: sctp(connection).filter(|_| changes.intersects(Changes::PROTOCOL)),
            helper: helpers.of(connection),
            mark: common.mark.or_else(|| changes.intersects(Changes::MARK).then_some(0)),
            master: master(connection).filter(|_| changes.intersects(Changes::RELATED)),
            adjustments: adjustments(connection).filter(|_| has_moved),
            labels: labels(connection).filter(|_| changes.intersects(Changes::LABELS)),
            ..common
        }
    }

    /// What is told when a connection is gone.
    pub(super) fn destroyed(connection: &Connection, known: Known, now: Instant) -> Self {
        let stop = now.min(connection.expires);
        Self {
            timeout_secs: Some(seconds_left(connection, now)).filter(|&secs| secs > 0),
            tcp: tcp(connection).map(|tcp| TcpEntry { sides: None, ..tcp }),
            sctp: sctp(connection),
            counters: known.counters,
            life: known.began.map(|start| Life { start, stop: Some(stop), now }),
            ..Self::common(connection)
        }
    }

    fn common(connection: &Connection) -> Self {
        Self {
            serial: connection.serial,
            original: connection.original,
            reply: connection.reply,
            status: connection.status,
            zone: connection.zone(),
            timeout_secs: None,
            tcp: None,
            sctp: None,
            helper: None,
            policy: None,
            mark: Some(connection.mark).filter(|&mark| mark != 0),
            master: None,
            adjustments: None,
            counters: None,
            life: None,
            labels: None,
            uses: None,
        }
    }
}

impl Life {
    /// How many seconds of the clock have begun since it began, as `conntrack -L` shows it: 1 after a moment around a full one.
    #[must_use]
    pub const fn seconds_begun(&self) -> u64 {
        let Self { start, stop, now } = *self;
        let end = match stop {
            Some(stop) => stop,
            None => now,
        };
        end.as_secs().saturating_sub(start.as_secs())
    }
}

/// The names of the helpers, by number.
#[derive(Clone, Debug, Default)]
pub(super) struct HelperNames(alloc::vec::Vec<Box<str>>);

impl HelperNames {
    pub(super) fn set(&mut self, helper: HelperId, name: &str) {
        let index = usize::from(helper.0);
        if self.0.len() <= index {
            self.0.resize(index + 1, Box::default());
        }
        self.0[index] = name.into();
    }

    pub(super) fn find(&self, helper: HelperId) -> Option<&str> {
        self.0.get(usize::from(helper.0)).map(|name| &**name).filter(|name| !name.is_empty())
    }

    fn of(&self, connection: &Connection) -> Option<String> {
        self.find(connection.helper()?).map(String::from)
    }
}

/// Whole seconds until a connection is forgotten; for an unconfirmed one, from its confirmation on.
fn seconds_left(connection: &Connection, now: Instant) -> u32 {
    let from = if connection.is_confirmed() { now } else { Instant::ZERO };
    u32::try_from(connection.expires.since(from).as_secs()).unwrap_or(u32::MAX)
}

const fn tcp(connection: &Connection) -> Option<TcpEntry> {
    const fn side(side: &Side) -> TcpSideEntry {
        TcpSideEntry { scale: side.scale, flags: side.flags }
    }
    match &connection.protocol {
        ProtocolState::Tcp(tcp) => {
            let [original, reply] = &tcp.seen;
            Some(TcpEntry { state: tcp.state, sides: Some([side(original), side(reply)]) })
        }
        ProtocolState::Udp { .. }
        | ProtocolState::Sctp(_)
        | ProtocolState::Icmp
        | ProtocolState::Gre { .. }
        | ProtocolState::Generic => None,
    }
}

const fn sctp(connection: &Connection) -> Option<SctpEntry> {
    match &connection.protocol {
        ProtocolState::Sctp(sctp) => Some(SctpEntry { state: sctp.state, tags: sctp.tags }),
        ProtocolState::Tcp(_)
        | ProtocolState::Udp { .. }
        | ProtocolState::Icmp
        | ProtocolState::Gre { .. }
        | ProtocolState::Generic => None,
    }
}

fn master(connection: &Connection) -> Option<Tuple> {
    connection.extension.as_ref()?.master_tuple
}

fn labels(connection: &Connection) -> Option<u128> {
    Some(connection.labels()).filter(|&labels| labels != 0)
}

fn adjustments(connection: &Connection) -> Option<[SequenceAdjustment; 2]> {
    connection.extension.as_ref().map(|extension| extension.adjustments())
}
