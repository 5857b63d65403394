//! Packets from their parts: IPv4 and what stands in it, checksums filled in.

use towpath_engine::wire::checksum::{pseudo_header_v4, sum};
use towpath_engine::wire::{Protocol, checksum};

/// What an IPv4 header says.
#[derive(Clone, Debug)]
pub(super) struct Ip {
    pub(super) source: [u8; 4],
    pub(super) destination: [u8; 4],
    pub(super) protocol: u8,
    pub(super) tos: u8,
    pub(super) id: u16,
    /// Flags and offset, as the field holds them.
    pub(super) fragment: u16,
    pub(super) ttl: u8,
    /// Whole words.
    pub(super) options: Vec<u8>,
}

impl Ip {
    pub(super) fn new(source: [u8; 4], destination: [u8; 4], protocol: u8) -> Self {
        Self { source, destination, protocol, tos: 0, id: 1, fragment: 0, ttl: 64, options: Vec::new() }
    }

    /// The packet, from the IPv4 header on.
    pub(super) fn packet(&self, transport: &[u8]) -> Vec<u8> {
        let header_len = 20 + self.options.len();
        let total = (header_len + transport.len()) as u16;
        let mut bytes = vec![0x40 | (header_len / 4) as u8, self.tos];
        bytes.extend(total.to_be_bytes());
        bytes.extend(self.id.to_be_bytes());
        bytes.extend(self.fragment.to_be_bytes());
        bytes.extend([self.ttl, self.protocol, 0, 0]);
        bytes.extend(self.source);
        bytes.extend(self.destination);
        bytes.extend(&self.options);
        let header_sum = !sum(&bytes);
        bytes[10..12].copy_from_slice(&header_sum.to_be_bytes());
        bytes.extend(transport);
        bytes
    }

    /// `transport` with its checksum at `at`, pseudo-header included.
    pub(super) fn summed(&self, mut transport: Vec<u8>, at: usize) -> Vec<u8> {
        let len = transport.len() as u16;
        let pseudo = pseudo_header_v4(self.source.into(), self.destination.into(), Protocol(self.protocol), len);
        let total = !checksum::add(pseudo, sum(&transport));
        transport[at..at + 2].copy_from_slice(&total.to_be_bytes());
        transport
    }
}

/// A TCP header's fields.
#[derive(Clone, Debug)]
pub(super) struct Tcp {
    pub(super) ports: (u16, u16),
    pub(super) seq: u32,
    pub(super) ack: u32,
    pub(super) flags: u8,
    pub(super) window: u16,
    /// Whole words.
    pub(super) options: Vec<u8>,
}

impl Tcp {
    pub(super) fn segment(&self, data: &[u8]) -> Vec<u8> {
        let mut bytes = Vec::from(self.ports.0.to_be_bytes());
        bytes.extend(self.ports.1.to_be_bytes());
        bytes.extend(self.seq.to_be_bytes());
        bytes.extend(self.ack.to_be_bytes());
        bytes.extend([((20 + self.options.len()) / 4 * 16) as u8, self.flags]);
        bytes.extend(self.window.to_be_bytes());
        bytes.extend([0; 4]);
        bytes.extend(&self.options);
        bytes.extend(data);
        bytes
    }
}

/// A UDP datagram without its checksum.
pub(super) fn udp(ports: (u16, u16), data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from(ports.0.to_be_bytes());
    bytes.extend(ports.1.to_be_bytes());
    bytes.extend((8 + data.len() as u16).to_be_bytes());
    bytes.extend([0; 2]);
    bytes.extend(data);
    bytes
}

/// An ICMP message with its checksum.
pub(super) fn icmp(kind: u8, code: u8, rest: [u8; 4], data: &[u8]) -> Vec<u8> {
    let mut bytes = vec![kind, code, 0, 0];
    bytes.extend(rest);
    bytes.extend(data);
    let total = !sum(&bytes);
    bytes[2..4].copy_from_slice(&total.to_be_bytes());
    bytes
}
