//! A tuple as JSON.

use std::net::IpAddr;

use serde::Serialize;
use towpath_engine::{conntrack, wire::Protocol};

/// Who talks to whom: addresses, the protocol's name, and what the protocol has instead of ports.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Tuple {
    /// From whom.
    pub src: IpAddr,
    /// To whom.
    pub dst: IpAddr,
    /// The protocol's name, or its number as text.
    pub proto: String,
    /// The sender's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sport: Option<u16>,
    /// The receiver's port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dport: Option<u16>,
    /// An ICMP query's identifier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<u16>,
    /// The ICMP type.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<u8>,
    /// The ICMP code.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<u8>,
    /// The zone, where it is one of this direction only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub zone: Option<u16>,
}

impl From<&conntrack::Tuple> for Tuple {
    fn from(tuple: &conntrack::Tuple) -> Self {
        let icmp = tuple.icmp_type_code();
        let ports = has_ports(tuple.protocol()).then_some((tuple.source_port, tuple.destination_port));
        Self {
            src: tuple.source_ip(),
            dst: tuple.destination_ip(),
            proto: name(tuple.protocol()),
            sport: ports.map(|(source, _)| source),
            dport: ports.map(|(_, destination)| destination),
            id: icmp.map(|_| tuple.source_port),
            kind: icmp.map(|(kind, _)| kind),
            code: icmp.map(|(_, code)| code),
            zone: None,
        }
    }
}

/// The protocol's name as the oracle writes it: those that are tracked have one.
pub(super) fn name(protocol: Protocol) -> String {
    match protocol {
        Protocol::ICMPV6 => String::from("icmpv6"),
        Protocol::ESP | Protocol::AH => protocol.0.to_string(),
        other => other.to_string(),
    }
}

fn has_ports(protocol: Protocol) -> bool {
    matches!(protocol, Protocol::TCP | Protocol::UDP | Protocol::UDPLITE | Protocol::SCTP | Protocol::GRE)
}
