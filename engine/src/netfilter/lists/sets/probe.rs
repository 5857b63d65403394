//! What a packet shows to sets.

use alloc::string::String;

use super::{
    key::{Key, Net},
    kind::{Kind, Part},
    set::Set,
};
use crate::{
    conntrack::{Address, Family},
    device::Devices,
    netfilter::{View, ends::Ends, program::held::OuterEndpoint},
    packet::Packet,
    wire::{Protocol, TcpHeader, UdpHeader, sctp::SCTP_HEADER_LEN},
};

/// What a packet shows to sets.
#[derive(Clone, Debug)]
pub(in crate::netfilter) struct Probe<'a> {
    pub(super) family: Family,
    source: Address,
    destination: Address,
    ports: Ports,
    /// Devices' names; empty when there is none.
    input: &'a str,
    output: &'a str,
    macs: Option<([u8; 6], [u8; 6])>,
    mark: u32,
    /// For counters.
    pub(super) bytes: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ports {
    Here {
        protocol: u8,
        source: u16,
        destination: u16,
    },
    /// They should be here, but this is a later fragment or the packet ends before.
    Missing,
}

impl<'a> Probe<'a> {
    /// Reads the view's packet; `None` when it has no addresses.
    pub(in crate::netfilter) fn of<'v: 'a>(view: &'a View<'v>) -> Option<Self> {
        let ends = Ends::of(view.packet)?;
        let name = |id| view.devices.find(id).map_or("", |device| device.name.as_str());
        Some(Self {
            family: ends.family,
            source: ends.source,
            destination: ends.destination,
            ports: ports(view.packet),
            input: view.input.map_or("", name),
            output: view.output.map_or("", name),
            macs: view.packet.ethernet().map(|header| (header.source.0, header.destination.0)),
            mark: view.packet.meta().mark,
            bytes: view.packet.network_len() as u64,
        })
    }

    /// What somebody shows who calls an endpoint, as far as it is known.
    pub(in crate::netfilter) fn of_callers(endpoint: &OuterEndpoint, devices: &'a Devices) -> Self {
        let input = endpoint.input.and_then(|id| devices.find(id));
        Self {
            family: Family::of(endpoint.address),
            source: Address::default(),
            destination: endpoint.address.into(),
            ports: Ports::Here { protocol: endpoint.protocol.0, source: 0, destination: endpoint.port },
            input: input.map_or("", |device| device.name.as_str()),
            output: "",
            macs: None,
            mark: 0,
            bytes: 0,
        }
    }

    /// The element that the packet would be in this set: its first network as wide as packets' are there. `None`: it shows
    /// no such thing, or `from_source` names too few ends.
    pub(super) fn key_in(&self, set: &Set, from_source: &[bool]) -> Option<Key> {
        let parts = set.kind.parts();
        let mut key = (from_source.len() >= parts.len()).then(|| self.key(set.kind, from_source)).flatten()?;
        if let Some(prefix) = set.packet_prefix().filter(|_| parts.first() == Some(&Part::Network)) {
            key.nets[0] = key.nets[0].within(prefix);
        }
        Some(key)
    }

    /// The element that the packet would be in a set of this kind, with whole addresses; `from_source` says which end each
    /// part is taken from. `None`: it shows no such thing.
    pub(super) fn key(&self, kind: Kind, from_source: &[bool]) -> Option<Key> {
        let mut key = Key { family: self.family, ..Key::default() };
        let mut nets = 0;
        for (part, &source) in kind.parts().iter().zip(from_source) {
            match part {
                Part::Address | Part::Network => {
                    let address = if source { self.source } else { self.destination };
                    key.nets[nets] = Net::whole(address, self.family);
                    nets += 1;
                }
                Part::Port | Part::BarePort => {
                    let Ports::Here { protocol, source: from, destination } = self.ports else { return None };
                    if *part == Part::BarePort && !matches!(Protocol(protocol), Protocol::TCP | Protocol::UDP) {
                        return None;
                    }
                    key.port = if source { from } else { destination };
                    key.protocol = if *part == Part::Port { protocol } else { 0 };
                }
                Part::Interface => {
                    let name = if source { self.input } else { self.output };
                    key.interface = (!name.is_empty()).then(|| String::from(name))?;
                }
                Part::Mac => {
                    let (from, to) = self.macs?;
                    key.mac = Some(if source { from } else { to }).filter(|mac| *mac != [0; 6])?;
                }
                Part::Mark => key.mark = self.mark,
            }
        }
        Some(key)
    }
}

/// Linux v6.18: `net/netfilter/ipset/ip_set_getport.c`, `ip_set_get_ip4_port()`.
fn ports(packet: &Packet) -> Ports {
    let protocol = packet.protocol();
    let is_later_fragment = packet.fragment_offset() != 0;
    // A header has to be there as a whole, though ports are its first bytes.
    let header_len = match protocol {
        Protocol::TCP => TcpHeader::LEN,
        Protocol::SCTP => SCTP_HEADER_LEN,
        Protocol::UDP | Protocol::UDPLITE | Protocol::ICMP | Protocol::ICMPV6 => UdpHeader::LEN,
        _ => return Ports::Here { protocol: protocol.0, source: 0, destination: 0 },
    };
    match packet.transport_bytes() {
        bytes if is_later_fragment || bytes.len() < header_len => Ports::Missing,
        &[a, b, c, d, ..] => {
            let (source, destination) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
            let is_icmp = matches!(protocol, Protocol::ICMP | Protocol::ICMPV6);
            Ports::Here { protocol: protocol.0, source, destination: if is_icmp { source } else { destination } }
        }
        _ => Ports::Missing,
    }
}
