//! Timeout policies: timeouts of their own for the connections that a rule gives them to (`-j CT --timeout NAME`).
//!
//! Linux v6.18: `net/netfilter/nfnetlink_cttimeout.c`; `nfct add timeout` of conntrack-tools makes them there. As there, a
//! policy is for one family and one protocol, and what it does not say is what the tunables say when it is made.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt;

use serde::{Deserialize, Serialize};

use super::{conn::Connection, timeouts::Timeouts, tuple::Family};
use crate::{limits::TIMEOUT_POLICIES_MAX, sysctl::Sysctls, wire::Protocol};

/// A policy, as an operator asks for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeoutPolicy {
    /// What rules call it: 1 to 31 bytes without blanks.
    pub name: String,
    /// Whose packets may be given it.
    pub family: Family,
    /// Of which protocol they are.
    pub kind: &'static TimeoutKind,
    /// What it says: an index into [`TimeoutKind::states`], and seconds.
    given: Vec<(usize, u32)>,
}

/// A protocol with timeouts, and its states that have one.
#[derive(Debug, PartialEq, Eq)]
pub struct TimeoutKind {
    /// What `nfct` calls it.
    pub name: &'static str,
    /// Its number; 255 is any protocol that has no tracker of its own.
    pub protocol: Protocol,
    /// States as `nfct` calls them, and the tunable that holds where a policy says nothing; none: 120 s.
    states: &'static [(&'static str, Option<&'static str>)],
}

/// Which policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct TimeoutId(pub u16);

/// Why a policy cannot be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TimeoutPolicyError {
    /// Its name is empty, longer than 31 bytes, or holds blanks.
    Name(String),
    /// There is one of that name for another family or protocol.
    Other(String),
    /// There is no room for another one.
    TooMany,
}

impl fmt::Display for TimeoutPolicyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name(name) => write!(f, "timeout policy '{name}' must have a name of 1 to 31 bytes without blanks"),
            Self::Other(name) => write!(f, "timeout policy '{name}' is there for another family or protocol"),
            Self::TooMany => write!(f, "there can be {TIMEOUT_POLICIES_MAX} timeout policies at most"),
        }
    }
}

impl TimeoutKind {
    /// All of them.
    pub const ALL: &'static [Self] = &KINDS;

    /// The one that `nfct` calls so.
    #[must_use]
    pub fn by_name(name: &str) -> Option<&'static Self> {
        KINDS.iter().find(|kind| kind.name == name)
    }

    /// The one that holds for packets of this protocol.
    #[must_use]
    pub fn of(protocol: Protocol) -> &'static Self {
        KINDS.iter().find(|kind| kind.protocol == protocol).unwrap_or(&KINDS[GENERIC])
    }

    /// Its states as `nfct` calls them.
    pub fn states(&self) -> impl Iterator<Item = &'static str> {
        self.states.iter().map(|(state, _)| *state)
    }
}

impl core::error::Error for TimeoutPolicyError {}

impl TimeoutPolicy {
    /// One that says nothing yet.
    #[must_use]
    pub const fn new(name: String, family: Family, kind: &'static TimeoutKind) -> Self {
        Self { name, family, kind, given: Vec::new() }
    }

    /// Whether a policy can be called so: 1 to 31 bytes without blanks (Linux: `CTNL_TIMEOUT_NAME_MAX`).
    #[must_use]
    pub fn is_name(name: &str) -> bool {
        (1..32).contains(&name.len()) && !name.contains(char::is_whitespace)
    }

    /// Says how many seconds a state lasts; false when its protocol has no such state.
    pub fn set(&mut self, state: &str, secs: u32) -> bool {
        let Some(index) = self.kind.states().position(|known| known == state) else { return false };
        self.given.retain(|(known, _)| *known != index);
        self.given.push((index, secs));
        true
    }
}

/// A policy that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownPolicy {
    /// What rules call it.
    pub name: String,
    /// Whose packets may be given it.
    pub family: Family,
    /// Of which protocol they are.
    pub kind: &'static TimeoutKind,
    /// Seconds, by state.
    pub(super) secs: [u32; STATES_MAX],
}

/// The policies, by number.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TimeoutPolicies(Vec<KnownPolicy>);

impl TimeoutPolicies {
    /// Adds a policy, or has one of that name say something else; its connections follow when they are refreshed.
    ///
    /// # Errors
    /// When it cannot be.
    pub fn set(&mut self, policy: &TimeoutPolicy, sysctls: &Sysctls) -> Result<TimeoutId, TimeoutPolicyError> {
        let TimeoutPolicy { name, family, kind, given } = policy;
        if !TimeoutPolicy::is_name(name) {
            return Err(TimeoutPolicyError::Name(name.clone()));
        }
        let mut secs = [0; STATES_MAX];
        for (secs, (_, tunable)) in secs.iter_mut().zip(kind.states) {
            *secs = tunable.and_then(|tunable| sysctls.find(tunable)).unwrap_or(WITHOUT_TUNABLE);
        }
        given.iter().for_each(|&(index, value)| secs[index] = value);
        let known = KnownPolicy { name: name.clone(), family: *family, kind, secs };
        match self.0.iter().position(|known| known.name == *name) {
            Some(index) if (self.0[index].family, self.0[index].kind) != (*family, *kind) => {
                Err(TimeoutPolicyError::Other(name.clone()))
            }
            Some(index) => {
                self.0[index] = known;
                Ok(TimeoutId(index as u16))
            }
            None if self.0.len() >= TIMEOUT_POLICIES_MAX => Err(TimeoutPolicyError::TooMany),
            None => {
                self.0.push(known);
                Ok(TimeoutId(self.0.len() as u16 - 1))
            }
        }
    }

    /// All of them, by number.
    pub fn iter(&self) -> impl Iterator<Item = (TimeoutId, &KnownPolicy)> {
        (0..).map(TimeoutId).zip(&self.0)
    }

    /// The policy that stands for one of another list.
    pub(super) fn same_as(&self, other: &KnownPolicy) -> Option<TimeoutId> {
        let same =
            |known: &KnownPolicy| (&known.name, known.family, known.kind) == (&other.name, other.family, other.kind);
        self.iter().find(|(_, known)| same(known)).map(|(id, _)| id)
    }

    pub(super) fn find(&self, id: TimeoutId) -> Option<&KnownPolicy> {
        self.0.get(usize::from(id.0))
    }

    /// What holds for a connection.
    #[inline]
    pub(super) fn of<'a>(&'a self, connection: &Connection, sysctls: &'a Sysctls) -> Timeouts<'a> {
        match &connection.extension {
            None => Timeouts::Tunables(sysctls),
            Some(extension) => match extension.timeouts.and_then(|id| self.find(id)) {
                Some(policy) => Timeouts::Policy(&policy.secs),
                None => Timeouts::Tunables(sysctls),
            },
        }
    }

    pub(super) fn save(&self) -> Vec<PolicyRecord> {
        let record = |policy: &KnownPolicy| PolicyRecord {
            name: policy.name.clone(),
            family: policy.family,
            kind: policy.kind.name.to_string(),
            secs: policy.secs,
        };
        self.0.iter().map(record).collect()
    }

    /// `None` when no such policies can have been saved.
    pub(super) fn restore(records: Vec<PolicyRecord>) -> Option<Self> {
        let mut policies = Self::default();
        for PolicyRecord { name, family, kind, secs } in records {
            let is_new = policies.0.iter().all(|known| known.name != name);
            let kind = TimeoutKind::by_name(&kind).filter(|_| is_new && TimeoutPolicy::is_name(&name))?;
            policies.0.push(KnownPolicy { name, family, kind, secs });
        }
        (policies.0.len() <= TIMEOUT_POLICIES_MAX).then_some(policies)
    }
}

/// A policy in a snapshot.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct PolicyRecord {
    name: String,
    family: Family,
    kind: String,
    secs: [u32; STATES_MAX],
}

/// The most states that a protocol has: those of TCP.
pub(super) const STATES_MAX: usize = 11;

/// What no tunable says: two SYNs that cross.
pub(super) const WITHOUT_TUNABLE: u32 = 120;

/// TCP: behind its states, where [`TcpState`](super::TcpState) has them from 1 on, these two.
pub(super) const TCP_RETRANSMITTED: usize = 9;
pub(super) const TCP_UNACKNOWLEDGED: usize = 10;

const GENERIC: usize = 7;

macro_rules! tunable {
    ($name:literal) => {
        Some(concat!("net.netfilter.nf_conntrack_", $name))
    };
}

#[rustfmt::skip]
static KINDS: [TimeoutKind; 8] = [
    TimeoutKind { name: "tcp", protocol: Protocol::TCP, states: &[
        ("syn_sent",       tunable!("tcp_timeout_syn_sent")),
        ("syn_recv",       tunable!("tcp_timeout_syn_recv")),
        ("established",    tunable!("tcp_timeout_established")),
        ("fin_wait",       tunable!("tcp_timeout_fin_wait")),
        ("close_wait",     tunable!("tcp_timeout_close_wait")),
        ("last_ack",       tunable!("tcp_timeout_last_ack")),
        ("time_wait",      tunable!("tcp_timeout_time_wait")),
        ("close",          tunable!("tcp_timeout_close")),
        ("syn_sent2",      None),
        ("retrans",        tunable!("tcp_timeout_max_retrans")),
        ("unacknowledged", tunable!("tcp_timeout_unacknowledged")),
    ] },
    TimeoutKind { name: "udp", protocol: Protocol::UDP, states: &[
        ("unreplied", tunable!("udp_timeout")),
        ("replied",   tunable!("udp_timeout_stream")),
    ] },
    TimeoutKind { name: "udplite", protocol: Protocol::UDPLITE, states: &[
        ("unreplied", tunable!("udp_timeout")),
        ("replied",   tunable!("udp_timeout_stream")),
    ] },
    TimeoutKind { name: "sctp", protocol: Protocol::SCTP, states: &[
        ("closed",            tunable!("sctp_timeout_closed")),
        ("cookie_wait",       tunable!("sctp_timeout_cookie_wait")),
        ("cookie_echoed",     tunable!("sctp_timeout_cookie_echoed")),
        ("established",       tunable!("sctp_timeout_established")),
        ("shutdown_sent",     tunable!("sctp_timeout_shutdown_sent")),
        ("shutdown_recd",     tunable!("sctp_timeout_shutdown_recd")),
        ("shutdown_ack_sent", tunable!("sctp_timeout_shutdown_ack_sent")),
        ("heartbeat_sent",    tunable!("sctp_timeout_heartbeat_sent")),
    ] },
    TimeoutKind { name: "icmp",   protocol: Protocol::ICMP,   states: &[("timeout", tunable!("icmp_timeout"))] },
    TimeoutKind { name: "icmpv6", protocol: Protocol::ICMPV6, states: &[("timeout", tunable!("icmpv6_timeout"))] },
    TimeoutKind { name: "gre", protocol: Protocol::GRE, states: &[
        ("unreplied", tunable!("gre_timeout")),
        ("replied",   tunable!("gre_timeout_stream")),
    ] },
    TimeoutKind { name: "generic", protocol: Protocol(255), states: &[("timeout", tunable!("generic_timeout"))] },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conntrack::{SctpState, TcpState};

    #[test]
    fn every_state_has_its_place_and_every_tunable_its_name() {
        assert_eq!(KINDS[GENERIC].name, "generic");
        let states = |name| Vec::from_iter(TimeoutKind::by_name(name).expect(name).states());
        for state in TcpState::ALL.into_iter().filter(|state| *state != TcpState::None) {
            assert_eq!(states("tcp")[state as usize - 1], state.name().to_lowercase());
        }
        assert_eq!(
            (states("tcp")[TCP_RETRANSMITTED], states("tcp")[TCP_UNACKNOWLEDGED]),
            ("retrans", "unacknowledged")
        );
        assert_eq!(states("sctp")[SctpState::Established as usize - 1], "established");
        assert_eq!(states("sctp")[SctpState::HeartbeatSent as usize - 1], "heartbeat_sent");
        let tunables = KINDS.iter().flat_map(|kind| kind.states).filter_map(|(_, tunable)| *tunable);
        tunables.for_each(|name| assert!(Sysctls::default().find(name).is_some(), "{name}"));
        assert!(KINDS.iter().all(|kind| kind.states.len() <= STATES_MAX));
    }

    #[test]
    fn a_policy_says_what_it_was_told_and_else_what_the_tunables_say_when_it_is_made() {
        let mut policies = TimeoutPolicies::default();
        let mut sysctls = Sysctls { conntrack_udp_timeout_stream: 99, ..Sysctls::default() };
        let kind = TimeoutKind::of(Protocol::UDP);
        let mut policy = TimeoutPolicy::new("short".into(), Family::Ipv4, kind);
        assert!(policy.set("unreplied", 7) && policy.set("unreplied", 8) && !policy.set("established", 1));
        let id = policies.set(&policy, &sysctls).expect("it can be");
        sysctls.conntrack_udp_timeout_stream = 55;
        assert_eq!(policies.find(id).map(|known| known.secs[..2].to_vec()), Some([8, 99].to_vec()));
        assert_eq!(policies.set(&policy, &sysctls), Ok(id), "it says something else now");
        assert_eq!(policies.find(id).map(|known| known.secs[1]), Some(55));
        let other = TimeoutPolicy::new("short".into(), Family::Ipv6, kind);
        assert_eq!(policies.set(&other, &sysctls), Err(TimeoutPolicyError::Other("short".into())));
        for name in ["", "with blank", "a name of more than thirty-one bytes"] {
            let refused = policies.set(&TimeoutPolicy::new(name.into(), Family::Ipv4, kind), &sysctls);
            assert_eq!(refused, Err(TimeoutPolicyError::Name(name.into())));
        }
    }
}
