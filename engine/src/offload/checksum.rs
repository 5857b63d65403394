//! Verifying and filling transport checksums, whatever state the device left them in.

use crate::{
    packet::{Checksum, Ip, Network, Packet, Transport},
    wire::{
        Ipv4Header, Protocol,
        checksum::{self, Routines},
        crc32c::crc32c,
        sctp::SCTP_CHECKSUM,
    },
};

/// Whether the transport checksum is right. True where nothing can be said against it: a device has verified or will
/// fill it, the capture has cut the payload, UDP carries none, or the protocol has none that is read here.
///
/// Linux v6.18: `net/netfilter/utils.c`, `nf_ip_checksum()` and `nf_ip6_checksum()`.
#[must_use]
pub fn is_right(packet: &Packet, routines: &Routines) -> bool {
    match packet.meta().checksum {
        Checksum::Unnecessary | Checksum::Partial { .. } => return true,
        Checksum::None | Checksum::Complete(_) => {}
    }
    if packet.meta().cut_bytes > 0 {
        return true;
    }
    let (len, covered) = match packet.transport() {
        Transport::Udp => match packet.udp() {
            Some(udp) if udp.checksum != [0, 0] => (udp.len.get().into(), udp.len.get().into()),
            Some(_) | None => return true,
        },
        Transport::Tcp | Transport::Icmp | Transport::Icmpv6 => (packet.transport_len(), usize::MAX),
        Transport::Other | Transport::Broken => return true,
    };
    checksum::add(pseudo_header_of(packet, len), sum_of(packet, covered, routines)) == 0xffff
}

/// Whether Netfilter takes the transport checksum for right: as [`is_right`], but a UDP datagram counts as long as the IP
/// packet is, whatever its own length field says, and a packet that ends inside its header is summed as it is.
///
/// Linux v6.18: `net/netfilter/utils.c`, `nf_ip_checksum()`.
#[must_use]
#[inline(always)]
pub fn is_right_to_netfilter(packet: &Packet, routines: &Routines) -> bool {
    is_plain_right(packet, routines).unwrap_or_else(|| is_right_of_any(packet, routines))
}

fn is_right_of_any(packet: &Packet, routines: &Routines) -> bool {
    let Some(ip) = packet.ip() else { return is_right(packet, routines) };
    let len = packet.transport_len();
    let is_odd = match packet.transport() {
        Transport::Broken => true,
        Transport::Udp => packet.udp().is_some_and(|udp| usize::from(udp.len.get()) != len),
        // What sums up to nothing is right as well: see `netfilter_sum()`.
        Transport::Icmp => true,
        Transport::Tcp | Transport::Icmpv6 | Transport::Other => false,
    };
    if !is_odd || packet.meta().checksum != Checksum::None || packet.meta().cut_bytes > 0 {
        return is_right(packet, routines);
    }
    let is_left_out = packet.protocol() == Protocol::UDP && packet.transport_bytes().get(6..8) == Some(&[0, 0]);
    let pseudo = match (ip, packet.protocol()) {
        (Ip::V4(_), protocol @ (Protocol::TCP | Protocol::UDP)) => pseudo_sum(ip, protocol, len as u32),
        // Of IPv6 the packet's sum has it already.
        (Ip::V4(_) | Ip::V6(_), _) => 0,
    };
    is_left_out || checksum::add(pseudo, netfilter_sum(packet, routines)) == 0xffff
}

/// The same for most packets: TCP or UDP over IPv4 without options, whole and in one piece, of which no device has said anything.
/// `None` of others.
///
/// The addresses of the pseudo-header stand right before the transport header, so that they are summed along with it.
#[inline(always)]
fn is_plain_right(packet: &Packet, routines: &Routines) -> Option<bool> {
    let bytes = packet.network_bytes();
    let is_plain = packet.network() == Network::Ipv4
        && packet.network_header_len() == Ipv4Header::LEN
        && bytes.len() == packet.network_len()
        && packet.meta().checksum == Checksum::None;
    if !is_plain {
        return None;
    }
    let covered = bytes.get(Ipv4Header::ADDRESSES..)?;
    let len = (bytes.len() - Ipv4Header::LEN) as u16;
    match packet.transport() {
        Transport::Udp => {
            let &[_, _, _, _, high, low, checksum @ ..] = covered.get(8..)?.first_chunk::<8>()?;
            if u16::from_be_bytes([high, low]) != len {
                return None;
            }
            if checksum == [0, 0] {
                return Some(true);
            }
        }
        Transport::Tcp => {}
        Transport::Icmp | Transport::Icmpv6 | Transport::Other | Transport::Broken => return None,
    }
    let rest = checksum::add(u16::from(packet.protocol().0), len);
    packet.count_sum(len.into());
    Some(checksum::add(rest, (routines.sum)(covered)) == 0xffff)
}

/// Netfilter's sum over a packet: over all that follows the network header, and over IPv6's pseudo-header or IPv4's own header,
/// which changes nothing but that a sum of zero becomes the one that is right.
#[must_use]
pub fn netfilter_sum(packet: &Packet, routines: &Routines) -> u16 {
    let pseudo = match packet.ip() {
        Some(ip @ Ip::V6(_)) => pseudo_sum(ip, packet.protocol(), packet.transport_len() as u32),
        Some(Ip::V4(_)) | None => 0xffff,
    };
    checksum::add(pseudo, sum_of(packet, usize::MAX, routines))
}

fn pseudo_sum(ip: Ip<'_>, protocol: Protocol, len: u32) -> u16 {
    match ip {
        Ip::V4(ip) => checksum::pseudo_header_v4(ip.source(), ip.destination(), protocol, len as u16),
        Ip::V6(ip) => checksum::pseudo_header_v6(ip.source(), ip.destination(), protocol, len),
    }
}

/// Computes the transport checksum anew and writes it. A packet whose device will fill it gets the pseudo-header's
/// sum only; a UDP packet without checksum stays without. What comes out as 0 is written as 0xffff, of TCP too, since 0
/// stands for "none" (Linux v6.18: `net/core/dev.c`, `skb_checksum_help()`); an ICMP checksum of 0 is one.
pub fn fill(packet: &mut Packet, routines: &Routines) {
    let Some(at) = field_offset(packet) else { return };
    if packet.udp().is_some_and(|udp| udp.checksum == [0, 0]) && !is_partial(packet) {
        return;
    }
    if is_partial(packet) {
        return write(packet, at, pseudo_header(packet));
    }
    write_sum(packet, at, routines);
}

/// Computes the transport checksum that was left to the device, for when no device will: before a packet is cut into
/// fragments, or when a rule asks for it. Nothing happens to a packet whose checksum is filled in already, and to one that
/// the capture has cut.
///
/// Linux v6.18: `net/core/dev.c`, `skb_checksum_help()`.
pub fn complete(packet: &mut Packet, routines: &Routines) {
    if !is_partial(packet) || packet.meta().cut_bytes > 0 {
        return;
    }
    if let Some(at) = field_offset(packet) {
        write_sum(packet, at, routines);
    } else if packet.protocol() == Protocol::SCTP {
        fill_sctp(packet);
    }
    packet.meta_mut().checksum = Checksum::None;
}

/// Computes SCTP's checksum, which is none of that kind.
pub fn fill_sctp(packet: &mut Packet) {
    let Some(field) = packet.transport_bytes_mut().get_mut(SCTP_CHECKSUM) else { return };
    field.fill(0);
    packet.count_sum(packet.transport_len());
    let crc = crc32c(core::iter::once(packet.transport_bytes()).chain(packet.fragments()));
    if let Some(field) = packet.transport_bytes_mut().get_mut(SCTP_CHECKSUM) {
        field.copy_from_slice(&crc.to_le_bytes());
    }
}

/// Leaves the transport checksum to the device: writes the pseudo-header's sum only. A UDP packet without checksum stays
/// without, unless its sender has left it to the device; other protocols stay as they are.
pub fn leave_to_device(packet: &mut Packet) {
    let Some(at) = field_offset(packet) else { return };
    if packet.udp().is_some_and(|udp| udp.checksum == [0, 0]) && !is_partial(packet) {
        return;
    }
    write(packet, at, pseudo_header(packet));
    packet.leave_checksum_at(at as u16);
}

/// Writes the sum over pseudo-header, header and payload.
fn write_sum(packet: &mut Packet, at: usize, routines: &Routines) {
    write(packet, at, 0);
    let pseudo = pseudo_header(packet);
    let sum = checksum::add(pseudo, transport_sum(packet, routines));
    let zero_is_none = !matches!(packet.transport(), Transport::Icmp | Transport::Icmpv6);
    write(packet, at, if zero_is_none && sum == 0xffff { 0xffff } else { !sum });
}

/// Whether the device that sends the packet has to fill its checksum.
#[must_use]
pub fn is_partial(packet: &Packet) -> bool {
    matches!(packet.meta().checksum, Checksum::Partial { .. })
}

/// The sum of what precedes the transport header in the checksum; zero for ICMP, which has no pseudo-header.
fn pseudo_header(packet: &Packet) -> u16 {
    // UDP's own length field counts where the two differ (RFC 768).
    pseudo_header_of(packet, packet.udp().map_or(packet.transport_len(), |udp| usize::from(udp.len.get())))
}

/// The same, `len` being that of transport header and payload.
#[inline]
fn pseudo_header_of(packet: &Packet, len: usize) -> u16 {
    match (packet.ip(), packet.protocol()) {
        (Some(Ip::V4(_)), Protocol::ICMP) | (None, _) => 0,
        (Some(ip), protocol) => pseudo_sum(ip, protocol, len as u32),
    }
}

fn transport_sum(packet: &Packet, routines: &Routines) -> u16 {
    sum_of(packet, packet.udp().map_or(usize::MAX, |udp| usize::from(udp.len.get())), routines)
}

/// The sum over the first `covered` bytes from the transport header on.
pub(crate) fn sum_of(packet: &Packet, covered: usize, routines: &Routines) -> u16 {
    let head = packet.transport_bytes();
    let head = &head[..head.len().min(covered)];
    let (mut total, mut len) = ((routines.sum)(head), head.len());
    for part in packet.fragments() {
        let part = &part[..part.len().min(covered - len)];
        let sum = (routines.sum)(part);
        total = checksum::append(total, len, sum);
        len += part.len();
    }
    packet.count_sum(len);
    total
}

/// Where the checksum stands in the transport header.
const fn field(transport: Transport) -> Option<usize> {
    match transport {
        Transport::Tcp => Some(16),
        Transport::Udp => Some(6),
        Transport::Icmp | Transport::Icmpv6 => Some(2),
        Transport::Other | Transport::Broken => None,
    }
}

fn field_offset(packet: &Packet) -> Option<usize> {
    field(packet.transport())
}

fn write(packet: &mut Packet, at: usize, value: u16) {
    packet.transport_bytes_mut()[at..at + 2].copy_from_slice(&value.to_be_bytes());
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::{
        frame::{DeviceId, Frame},
        packet::Pool,
    };

    /// A UDP datagram as a sender with checksum offload hands it over: the field holds the pseudo-header's sum.
    fn unfilled(payload_len: usize) -> Vec<u8> {
        let len = 8 + payload_len;
        let mut bytes = vec![0; 12];
        bytes.extend([8, 0, 0x45, 0]);
        bytes.extend(((20 + len) as u16).to_be_bytes());
        bytes.extend([0, 0, 0, 0, 64, 17, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0x10, 0, 0x20, 0]);
        let ip = !checksum::sum(&bytes[14..34]);
        bytes[24..26].copy_from_slice(&ip.to_be_bytes());
        bytes.extend((len as u16).to_be_bytes());
        bytes.extend([0, 0]);
        bytes.extend((0..payload_len).map(|at| at as u8));
        bytes
    }

    fn received(bytes: &[u8]) -> Packet {
        let frame = Frame { checksum: Checksum::Partial { start: 34, offset: 6 }, ..Frame::new(DeviceId(0), bytes) };
        let mut packet = Packet::parse(&mut Pool::new(), &frame).expect("it is right");
        fill(&mut packet, &Routines::PORTABLE);
        packet
    }

    #[test]
    fn what_was_left_to_the_device_is_right_once_it_is_completed() {
        for payload_len in [0, 1, 500, 4001] {
            let mut packet = received(&unfilled(payload_len));
            assert!(is_partial(&packet));
            complete(&mut packet, &Routines::PORTABLE);
            assert_eq!(packet.meta().checksum, Checksum::None);
            assert!(is_right(&packet, &Routines::PORTABLE), "{payload_len}");
        }
    }

    #[test]
    fn of_plain_packets_netfilter_says_what_it_says_of_all() {
        let verdicts = [0, 1, 30, 700].map(|payload_len| {
            (0..8 + payload_len.min(40)).map(move |at| {
                let mut bytes = unfilled(payload_len);
                let mut packet = received(&bytes);
                complete(&mut packet, &Routines::PORTABLE);
                bytes[34..].copy_from_slice(packet.transport_bytes());
                // A bit of each byte in turn, ports, length and checksum among them, and no bit once.
                bytes[34 + at] ^= u8::from(at != 3) << (at % 8);
                let frame = Frame::new(DeviceId(0), &bytes);
                let packet = Packet::parse(&mut Pool::new(), &frame).expect("it is right");
                let plain = is_plain_right(&packet, &Routines::PORTABLE);
                assert!(plain.is_none_or(|right| right == is_right_of_any(&packet, &Routines::PORTABLE)));
                plain
            })
        });
        let verdicts: Vec<_> = verdicts.into_iter().flatten().collect();
        for verdict in [None, Some(true), Some(false)] {
            assert!(verdicts.contains(&verdict), "{verdict:?}");
        }
    }

    #[test]
    fn a_checksum_that_is_there_already_stays() {
        let mut packet = received(&unfilled(5));
        complete(&mut packet, &Routines::PORTABLE);
        packet.transport_bytes_mut()[6] ^= 1;
        let before = Vec::from(packet.transport_bytes());
        complete(&mut packet, &Routines::PORTABLE);
        assert_eq!(packet.transport_bytes(), before);
    }
}
