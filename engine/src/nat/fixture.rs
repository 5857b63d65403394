//! Packets and connections for the tests of this room.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};

use zerocopy::{FromZeros, IntoBytes};

use crate::{
    conntrack::{Address, Connection, Family, Status, Tuple, Zone},
    offload,
    packet::{Draft, Packet, Pool, Summary},
    wire::{IcmpHeader, Ipv4Header, Protocol, TcpFlags, TcpHeader, UdpHeader, checksum::Routines},
};

/// 192.168.1.10:5000 > 198.51.100.7:53.
pub(crate) fn tuple(protocol: Protocol) -> Tuple {
    Tuple {
        source: Address::v4([192, 168, 1, 10]),
        destination: Address::v4([198, 51, 100, 7]),
        source_port: 5000,
        destination_port: 53,
        protocol: protocol.0,
        family: Family::Ipv4,
    }
}

/// An echo request.
pub(crate) fn ping(source: [u8; 4], destination: [u8; 4], id: u16) -> Tuple {
    Tuple {
        source: Address::v4(source),
        destination: Address::v4(destination),
        source_port: id,
        destination_port: 0x0800,
        protocol: Protocol::ICMP.0,
        family: Family::Ipv4,
    }
}

/// A connection that is not translated.
pub(crate) fn connection(original: Tuple) -> Connection {
    let reply = original.inverted().expect("it has answers");
    Connection::new(original, reply, Zone::DEFAULT)
}

pub(crate) fn packet(protocol: Protocol, source: [u8; 4], destination: [u8; 4], transport: &[u8]) -> Packet {
    let mut ip = Ipv4Header::new_zeroed();
    ip.ttl = 64;
    ip.protocol = protocol.0;
    ip.source = source;
    ip.destination = destination;
    let mut packet = Packet::compose(&mut Pool::new(), &Draft { ip: ip.into(), transport });
    offload::checksum::fill(&mut packet, &Routines::PORTABLE);
    packet
}

pub(crate) fn udp(
    source: [u8; 4],
    source_port: u16,
    destination: [u8; 4],
    destination_port: u16,
    payload: &[u8],
) -> Packet {
    let header = UdpHeader {
        source_port: source_port.into(),
        destination_port: destination_port.into(),
        len: ((UdpHeader::LEN + payload.len()) as u16).into(),
        checksum: [0xff, 0xff],
    };
    packet(Protocol::UDP, source, destination, &[header.as_bytes(), payload].concat())
}

pub(crate) fn tcp(
    source: [u8; 4],
    source_port: u16,
    destination: [u8; 4],
    destination_port: u16,
    options: &[u8],
    payload: &[u8],
) -> Packet {
    let header = TcpHeader {
        source_port: source_port.into(),
        destination_port: destination_port.into(),
        seq: 1000.into(),
        ack: 9000.into(),
        data_offset: (((TcpHeader::LEN + options.len()) / 4) as u8) << 4,
        flags: TcpFlags::ACK,
        window: 64_240.into(),
        checksum: [0, 0],
        urgent: 0.into(),
    };
    packet(Protocol::TCP, source, destination, &[header.as_bytes(), options, payload].concat())
}

pub(crate) fn icmp(source: [u8; 4], destination: [u8; 4], kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Packet {
    let header = IcmpHeader { kind, code, checksum: [0, 0], rest };
    packet(Protocol::ICMP, source, destination, &[header.as_bytes(), payload].concat())
}

/// The packet in the one notation.
pub(crate) fn summary(packet: &Packet) -> String {
    Summary(packet).to_string()
}

/// An ICMP error that quotes `length` bytes of a packet.
pub(crate) fn error(source: [u8; 4], destination: [u8; 4], kind: u8, quoted: &Packet, length: usize) -> Packet {
    let quoted = Vec::from(&quoted.network_bytes()[..length]);
    icmp(source, destination, kind, 0, [0; 4], &quoted)
}

/// Marks both ends as settled.
pub(crate) fn settled(mut connection: Connection) -> Connection {
    connection.status.insert(Status::SRC_NAT_DONE);
    connection.status.insert(Status::DST_NAT_DONE);
    connection
}

/// The packet with its checksums filled in again, as after its headers were changed.
pub(crate) fn remade(packet: &Packet) -> Packet {
    let ip = *packet.ipv4().expect("it is IPv4");
    let mut made = Packet::compose(&mut Pool::new(), &Draft { ip: ip.into(), transport: packet.transport_bytes() });
    offload::checksum::fill(&mut made, &Routines::PORTABLE);
    made
}
