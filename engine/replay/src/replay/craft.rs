//! Small packets with right checksums, for tests.

use core::net::Ipv6Addr;

use towpath_engine::wire::{
    Protocol,
    checksum::{add, pseudo_header_v4, pseudo_header_v6, sum},
    crc32c::crc32c,
};

/// A SYN.
pub(crate) fn tcp(source: [u8; 4], source_port: u16, destination: [u8; 4], destination_port: u16) -> Vec<u8> {
    segment((source, source_port), (destination, destination_port), 0x02, (1000, 0), &[], &[])
}

/// Any segment; `numbers` are sequence and acknowledgement.
pub(crate) fn segment(
    (source, source_port): ([u8; 4], u16),
    (destination, destination_port): ([u8; 4], u16),
    flags: u8,
    (seq, ack): (u32, u32),
    options: &[u8],
    payload: &[u8],
) -> Vec<u8> {
    let mut transport = [&source_port.to_be_bytes()[..], &destination_port.to_be_bytes(), &seq.to_be_bytes()].concat();
    transport.extend_from_slice(&ack.to_be_bytes());
    transport.extend_from_slice(&[(((20 + options.len()) / 4) << 4) as u8, flags, 0xfa, 0xf0, 0, 0, 0, 0]);
    transport.extend_from_slice(options);
    transport.extend_from_slice(payload);
    fill(&mut transport, 16, source, destination, Protocol::TCP);
    frame(source, destination, Protocol::TCP, &transport)
}

pub(crate) fn udp(source: ([u8; 4], u16), destination: ([u8; 4], u16), payload: &[u8]) -> Vec<u8> {
    let length = 8 + payload.len() as u16;
    let mut transport = [source.1, destination.1, length, 0].map(u16::to_be_bytes).concat();
    transport.extend_from_slice(payload);
    fill(&mut transport, 6, source.0, destination.0, Protocol::UDP);
    frame(source.0, destination.0, Protocol::UDP, &transport)
}

/// A UDP datagram of IPv6, between hosts of fd00:1::/64 unless the net is another one; ends are the last number and a port.
pub(crate) fn udp6(net: u16, source: (u16, u16), destination: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let address = |host| Ipv6Addr::new(0xfd00, net, 0, 0, 0, 0, 0, host);
    let ends = (address(source.0), address(destination.0));
    let length = 8 + payload.len() as u16;
    let mut transport = [source.1, destination.1, length, 0].map(u16::to_be_bytes).concat();
    transport.extend_from_slice(payload);
    frame6(ends, Protocol::UDP, 6, transport)
}

/// An IPv6 packet in an Ethernet frame, with a right checksum at that place of what it carries.
pub(crate) fn frame6(
    (source, destination): (Ipv6Addr, Ipv6Addr),
    protocol: Protocol,
    checksum_at: usize,
    mut transport: Vec<u8>,
) -> Vec<u8> {
    let length = transport.len() as u16;
    let checksum = !add(pseudo_header_v6(source, destination, protocol, length.into()), sum(&transport));
    transport[checksum_at..checksum_at + 2].copy_from_slice(&checksum.to_be_bytes());
    let [high, low] = length.to_be_bytes();
    let header = [&[0x60, 0, 0, 0, high, low, protocol.0, 64][..], &source.octets(), &destination.octets()].concat();
    [&[2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa, 0x86, 0xdd][..], &header, &transport].concat()
}

/// An SCTP packet with that verification tag and those chunks.
pub(crate) fn sctp(source: ([u8; 4], u16), destination: ([u8; 4], u16), tag: u32, chunks: &[u8]) -> Vec<u8> {
    let mut packet = [source.1, destination.1].map(u16::to_be_bytes).concat();
    packet.extend_from_slice(&tag.to_be_bytes());
    packet.extend_from_slice(&[0; 4]);
    packet.extend_from_slice(chunks);
    let checksum = crc32c([&packet[..]]).to_le_bytes();
    packet[8..12].copy_from_slice(&checksum);
    frame(source.0, destination.0, Protocol::SCTP, &packet)
}

pub(crate) fn icmp_echo(source: [u8; 4], destination: [u8; 4], kind: u8, id: u16) -> Vec<u8> {
    let [high, low] = id.to_be_bytes();
    icmp(source, destination, &[kind, 0, 0, 0, high, low, 0, 1, b'p', b'i', b'n', b'g'])
}

pub(crate) fn icmp_error(source: [u8; 4], destination: [u8; 4], kind: u8, code: u8, quoted: &[u8]) -> Vec<u8> {
    icmp(source, destination, &[&[kind, code, 0, 0, 0, 0, 0, 0][..], quoted].concat())
}

fn icmp(source: [u8; 4], destination: [u8; 4], message: &[u8]) -> Vec<u8> {
    let mut message = message.to_vec();
    let checksum = (!sum(&message)).to_be_bytes();
    message[2..4].copy_from_slice(&checksum);
    frame(source, destination, Protocol::ICMP, &message)
}

fn fill(transport: &mut [u8], at: usize, source: [u8; 4], destination: [u8; 4], protocol: Protocol) {
    let pseudo = pseudo_header_v4(source.into(), destination.into(), protocol, transport.len() as u16);
    let checksum = !add(pseudo, sum(transport));
    let checksum = if protocol == Protocol::UDP && checksum == 0 { 0xffff } else { checksum };
    transport[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// An IPv4 packet in an Ethernet frame, TTL 64, DF.
fn frame(source: [u8; 4], destination: [u8; 4], protocol: Protocol, transport: &[u8]) -> Vec<u8> {
    let total = (20 + transport.len()) as u16;
    let mut header = [0x45, 0, 0, 0, 0, 0, 0x40, 0, 64, protocol.0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    header[2..4].copy_from_slice(&total.to_be_bytes());
    header[12..16].copy_from_slice(&source);
    header[16..20].copy_from_slice(&destination);
    let checksum = (!sum(&header)).to_be_bytes();
    header[10..12].copy_from_slice(&checksum);
    [&[2, 0, 0, 0, 0, 0xbb, 2, 0, 0, 0, 0, 0xaa, 8, 0][..], &header, transport].concat()
}

/// Whether the IPv4 header's checksum and the transport checksum (also those of a quoted packet's header) are right.
pub(crate) fn is_sound(frame: &[u8]) -> bool {
    let header = &frame[14..34];
    let transport = &frame[34..14 + usize::from(u16::from_be_bytes([frame[16], frame[17]]))];
    let source: [u8; 4] = header[12..16].try_into().unwrap();
    let destination: [u8; 4] = header[16..20].try_into().unwrap();
    let protocol = Protocol(header[9]);
    let covered = match protocol {
        Protocol::ICMP => sum(transport),
        _ => {
            let pseudo = pseudo_header_v4(source.into(), destination.into(), protocol, transport.len() as u16);
            add(pseudo, sum(transport))
        }
    };
    let unused = protocol == Protocol::UDP && transport[6..8] == [0, 0];
    let quoted_is_sound =
        protocol != Protocol::ICMP || transport[0] == 8 || transport[0] == 0 || sum(&transport[8..28]) == 0xffff;
    sum(header) == 0xffff && (unused || covered == 0xffff) && quoted_is_sound
}

/// A classic capture of Ethernet frames, with nanoseconds.
pub(crate) fn pcap(frames: &[(u64, Vec<u8>)]) -> Vec<u8> {
    let mut file = [0xa1b2_3c4du32, 0x0004_0002, 0, 0, 65_535, 1].map(u32::to_le_bytes).concat();
    for (nanos, frame) in frames {
        let (seconds, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
        let length = frame.len() as u32;
        file.extend([seconds as u32, rest as u32, length, length].map(u32::to_le_bytes).concat());
        file.extend_from_slice(frame);
    }
    file
}
