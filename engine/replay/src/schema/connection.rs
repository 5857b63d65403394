//! A connection as JSON.

use serde::Serialize;
use towpath_engine::{
    Instant,
    conntrack::{Counter, Direction, Entry, Status},
    nat::SequenceAdjustment,
};

use super::Tuple;

/// A connection; what an event does not carry is left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Connection {
    /// Its number, from 1 in order of confirmation.
    pub id: u64,
    /// The way of the first packet, before any translation.
    pub orig: Tuple,
    /// The way back.
    pub reply: Tuple,
    /// All status bits.
    pub status: Vec<&'static str>,
    /// `UNREPLIED`, `ASSURED`.
    pub flags: Vec<&'static str>,
    /// The TCP or SCTP state.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub state: Option<&'static str>,
    /// Window scales, original and reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wscale: Option<[u8; 2]>,
    /// What both ends of a TCP connection do, original and reply.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp_flags: Option<[Vec<&'static str>; 2]>,
    /// Seconds until it is forgotten.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<u32>,
    /// The name of its helper.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub helper: Option<String>,
    /// The policy that says how long it is remembered (`-j CT --timeout`); not in events.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_policy: Option<String>,
    /// Its mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mark: Option<u32>,
    /// Its zone, where both directions have the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<u16>,
    /// Its labels' numbers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<u8>,
    /// When it began, in nanoseconds of Unix time (`net.netfilter.nf_conntrack_timestamp`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start: Option<u64>,
    /// When it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<u64>,
    /// The connection that has announced it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub master: Option<Tuple>,
    /// How sequence numbers of the original direction have moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seqadj_orig: Option<Adjustment>,
    /// How sequence numbers of the reply direction have moved.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub seqadj_reply: Option<Adjustment>,
    /// Packets and bytes of the original direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters_orig: Option<[u64; 2]>,
    /// Packets and bytes of the reply direction.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counters_reply: Option<[u64; 2]>,
}

/// How sequence numbers have moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Adjustment {
    /// First byte of the segment rewritten last, before rewriting.
    pub correction_pos: u32,
    /// By how much numbers up to there move.
    pub offset_before: i32,
    /// By how much later numbers move.
    pub offset_after: i32,
}

impl From<&Entry> for Connection {
    fn from(entry: &Entry) -> Self {
        let sides = entry.tcp.and_then(|tcp| tcp.sides);
        let adjustment = |index: usize| entry.adjustments.map(|both| Adjustment::from(&both[index]));
        let counter = |index: usize| entry.counters.map(|both: [Counter; 2]| [both[index].packets, both[index].bytes]);
        Self {
            id: entry.serial,
            orig: Tuple { zone: entry.zone.only_of(Direction::Original), ..Tuple::from(&entry.original) },
            reply: Tuple { zone: entry.zone.only_of(Direction::Reply), ..Tuple::from(&entry.reply) },
            status: entry.status.names().collect(),
            flags: flags(entry.status),
            state: entry.tcp.map(|tcp| tcp.state.name()).or(entry.sctp.map(|sctp| sctp.state.name())),
            wscale: sides.map(|sides| sides.map(|side| side.scale)),
            tcp_flags: sides.map(|sides| sides.map(|side| side.flags.names().collect())),
            timeout: entry.timeout_secs,
            helper: entry.helper.clone(),
            timeout_policy: entry.policy.clone(),
            mark: entry.mark,
            zone: entry.zone.shared(),
            labels: (0..128).filter(|bit| entry.labels.unwrap_or(0) >> bit & 1 != 0).collect(),
            start: entry.life.map(|life| life.start.as_nanos()),
            stop: entry.life.and_then(|life| life.stop).map(Instant::as_nanos),
            master: entry.master.as_ref().map(Tuple::from),
            seqadj_orig: adjustment(0),
            seqadj_reply: adjustment(1),
            counters_orig: counter(0),
            counters_reply: counter(1),
        }
    }
}

impl From<&SequenceAdjustment> for Adjustment {
    fn from(adjustment: &SequenceAdjustment) -> Self {
        Self {
            correction_pos: adjustment.correction.0,
            offset_before: adjustment.before,
            offset_after: adjustment.after,
        }
    }
}

/// The words that conntrack(8) puts in brackets.
fn flags(status: Status) -> Vec<&'static str> {
    let unreplied = (!status.contains(Status::SEEN_REPLY)).then_some("UNREPLIED");
    let assured = status.contains(Status::ASSURED).then_some("ASSURED");
    unreplied.into_iter().chain(assured).collect()
}
