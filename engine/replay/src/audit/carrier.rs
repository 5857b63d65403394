//! What carries a flow, from where to where.

use core::{fmt, net::Ipv4Addr};

/// What carries a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Carrier {
    Udp,
    Tcp,
    /// Echo requests; the identifier stands for a port.
    Icmp,
}

impl Carrier {
    pub(super) const ALL: [Self; 3] = [Self::Udp, Self::Tcp, Self::Icmp];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Icmp => "ICMP",
        }
    }

    /// The first packet of a flow.
    pub(super) fn opening(self, from: Endpoint, to: Endpoint) -> String {
        match self {
            Self::Udp => format!("{from} > {to} udp len 8"),
            Self::Tcp => format!("{from} > {to} S seq 1000 ack 0"),
            Self::Icmp => format!("{} > {} icmp type 8 code 0 id {} seq 1", from.address, to.address, from.port),
        }
    }

    /// The packet that answers it.
    pub(super) fn answer(self, from: Endpoint, to: Endpoint) -> String {
        match self {
            Self::Udp => format!("{from} > {to} udp len 8"),
            Self::Tcp => format!("{from} > {to} SA seq 9000 ack 1001"),
            Self::Icmp => format!("{} > {} icmp type 0 code 0 id {} seq 1", from.address, to.address, to.port),
        }
    }

    /// The answer to a flow's first packet, for an error to quote.
    pub(super) fn quoted_answer(self, from: Endpoint, to: Endpoint) -> String {
        match self {
            Self::Udp | Self::Tcp => self.quoted(from, to),
            Self::Icmp => format!("{} > {} icmp type 0 code 0 id {}", from.address, to.address, to.port),
        }
    }

    /// A packet, without what only the whole needs, for an error to quote.
    pub(super) fn quoted(self, from: Endpoint, to: Endpoint) -> String {
        match self {
            Self::Udp => format!("{from} > {to} udp"),
            Self::Tcp => format!("{from} > {to} tcp seq 1000"),
            Self::Icmp => format!("{} > {} icmp type 8 code 0 id {}", from.address, to.address, from.port),
        }
    }
}

/// An address with a port, or an ICMP identifier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Endpoint {
    pub(super) address: Ipv4Addr,
    pub(super) port: u16,
}

impl Endpoint {
    pub(super) const fn with_port(self, port: u16) -> Self {
        Self { port, ..self }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}", self.address, self.port)
    }
}
