//! An expectation as JSON.

use std::net::IpAddr;

use serde::Serialize;
use towpath_engine::conntrack::{Direction, ExpectationEntry};

use super::{Tuple, tuple::name};

/// An expectation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Expectation {
    /// Its number, from 1 in order of appearance.
    pub id: u64,
    /// The connection that has announced it.
    pub master: Tuple,
    /// What its first packet will look like.
    pub tuple: Tuple,
    /// Which parts of that count.
    pub mask: Mask,
    /// Seconds until it is forgotten.
    pub timeout: u32,
    /// The name of the helper.
    pub helper: String,
    /// `PERMANENT`, `INACTIVE`.
    pub flags: Vec<&'static str>,
    /// Which of the helper's classes it belongs to.
    pub class: u8,
    /// How its connection is to be translated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nat: Option<ExpectedNat>,
}

/// Which parts of an expected tuple count: bits that are zero may be anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Mask {
    /// Of the source address.
    pub src: IpAddr,
    /// Of the destination address; all.
    pub dst: IpAddr,
    /// The protocol; all.
    pub proto: String,
    /// Of the source port.
    pub sport: u16,
    /// Of the destination port; all.
    pub dport: u16,
}

/// How an expected connection is to be translated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ExpectedNat {
    /// The direction of its first packet, seen from the master: 0 original, 1 reply.
    pub dir: u8,
    /// The port the payload named.
    pub port: u16,
}

impl From<&ExpectationEntry> for Expectation {
    fn from(entry: &ExpectationEntry) -> Self {
        let family = entry.tuple.family;
        let all = match family {
            towpath_engine::conntrack::Family::Ipv4 => IpAddr::from([0xff; 4]),
            towpath_engine::conntrack::Family::Ipv6 => IpAddr::from([0xff; 16]),
        };
        Self {
            id: entry.id.0,
            master: Tuple::from(&entry.master),
            tuple: Tuple::from(&entry.tuple),
            mask: Mask {
                src: entry.mask.address.to_ip(family),
                dst: all,
                proto: name(entry.tuple.protocol()),
                sport: entry.mask.port,
                dport: u16::MAX,
            },
            timeout: entry.timeout_secs,
            helper: entry.helper.to_string(),
            flags: entry.flags().collect(),
            class: entry.class,
            nat: entry.nat.map(|nat| ExpectedNat {
                dir: match nat.direction {
                    Direction::Original => 0,
                    Direction::Reply => 1,
                },
                port: nat.port,
            }),
        }
    }
}
