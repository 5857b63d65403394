//! Cutting packets that are too long for a link (RFC 791, section 3.2; RFC 8200, section 4.5; Linux v6.18:
//! `net/ipv4/ip_output.c`, `ip_do_fragment()`; `net/ipv6/ip6_output.c`, `ip6_fragment()`).

use alloc::{vec, vec::Vec};

use zerocopy::{FromBytes, IntoBytes};

use crate::{
    packet::{Packet, Pool},
    wire::{
        Ipv4Header, Ipv6Header, Protocol, checksum,
        ipv4_options::{Ipv4Option, Ipv4Options},
        ipv6::FragmentHeader,
    },
};

/// Whether a packet has to be cut before it leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// It leaves as it is.
    None,
    /// It has to.
    Cut,
    /// It has to, but must not be.
    Refused,
}

/// Whether a packet has to be cut before it leaves by a link of that MTU. A datagram that was put together here always
/// is, even if it would fit: its sender has chosen the size of its parts. Of IPv6, one that is no larger than its largest
/// part was leaves whole. Of a super-packet its segments count.
///
/// Linux v6.18: `net/ipv4/ip_output.c`, `__ip_finish_output()` and `ip_fragment()`; `net/ipv6/ip6_output.c`,
/// `__ip6_finish_output()` and `ip6_fragment()`.
#[must_use]
pub fn need(packet: &Packet, mtu_bytes: u32) -> Need {
    // Of IPv6 only the sender cuts (RFC 8200, section 5), and nothing that comes whole out of a raw socket.
    let is_whole = packet.meta().owner.is_some() && !packet.meta().ignores_df;
    let is_own_v6 = packet.ipv6().is_some() && packet.meta().device.is_none() && !is_whole;
    let must_not = !(packet.may_be_cut() || is_own_v6);
    match packet.pieces() {
        None if packet.fits(mtu_bytes) => Need::None,
        Some(pieces) if packet.ipv6().is_some() => match u32::from(pieces.largest_bytes) {
            largest if packet.fits(mtu_bytes.min(largest)) => Need::None,
            largest if largest > mtu_bytes => Need::Refused,
            _ => Need::Cut,
        },
        None if must_not => Need::Refused,
        Some(pieces) if must_not && u32::from(pieces.largest_bytes) > mtu_bytes => Need::Refused,
        None | Some(_) => Need::Cut,
    }
}

/// Whether a packet is too large to be forwarded over a link of that MTU.
///
/// Linux v6.18: `net/ipv4/ip_forward.c`, `ip_exceeds_mtu()`.
#[must_use]
pub fn exceeds(packet: &Packet, mtu_bytes: u32) -> bool {
    !packet.fits(mtu_bytes) && need(packet, mtu_bytes) == Need::Refused
}

/// The parts of `packet`, none longer than `mtu_bytes` nor than the largest fragment in which it came. The caller has made
/// sure that it may be cut. `id` is what the fragments of IPv6 share; those of IPv4 have the packet's own identification.
///
/// A datagram that was put together here leaves in the fragments in which it came, if they fit. Options stay where they
/// are; in later parts, those that are not for every fragment become "no operation" (RFC 791: the copied flag).
#[must_use]
pub fn cut(pool: &mut Pool, packet: &Packet, mtu_bytes: u32, id: u32) -> Vec<Packet> {
    let mut bytes = vec![0; packet.network_len()];
    let present = packet.copy_network(&mut bytes);
    match packet.ipv6() {
        Some(_) => cut_v6(pool, packet, &bytes[..present], mtu_bytes, id),
        None => cut_v4(pool, packet, &bytes[..present], mtu_bytes),
    }
}

fn cut_v4(pool: &mut Pool, packet: &Packet, bytes: &[u8], mtu_bytes: u32) -> Vec<Packet> {
    let header_len = packet.network_header_len();
    let (header, data) = bytes.split_at(header_len);
    let later = later_header(header);
    let whole_offset = packet.ipv4().map_or(0, Ipv4Header::fragment_offset);
    let more = packet.ipv4().is_some_and(|ip| ip.flags_fragment.get() & Ipv4Header::MORE_FRAGMENTS != 0);
    let Plan { lens, flags } = Plan::of(packet, data.len(), mtu_bytes as usize, header_len);
    let mut parts = Vec::new();
    let mut offset = 0;
    for len in lens {
        let header = if offset == 0 { header } else { &later[..] };
        let end = data.len().min(offset + len);
        let mut part = header.to_vec();
        part.extend_from_slice(&data[offset..end]);
        pool.count_copy(end - offset);
        let is_last = end == data.len() && !more;
        let more = if is_last { 0 } else { Ipv4Header::MORE_FRAGMENTS };
        finish_header(&mut part, header_len, flags | more | ((whole_offset + offset) / 8) as u16);
        if let Ok(mut made) = Packet::from_network_bytes(pool, &part) {
            *made.meta_mut() = *packet.meta();
            parts.push(made);
        }
        offset = end;
    }
    parts
}

/// How a packet's data is cut.
struct Plan {
    /// Bytes of data in each part.
    lens: Vec<usize>,
    /// What every part says beside its offset.
    flags: u16,
}

impl Plan {
    fn of(packet: &Packet, data_len: usize, mtu: usize, header_len: usize) -> Self {
        let Some(pieces) = packet.pieces() else {
            return Self { lens: even(data_len, mtu.saturating_sub(header_len)), flags: 0 };
        };
        let room = mtu.min(pieces.largest_bytes.into()).saturating_sub(header_len);
        let lens: Vec<usize> = pieces.lens.iter().copied().map(usize::from).collect();
        if lens.len() > 1 && fits(&lens, data_len, room) {
            return Self { lens, flags: 0 };
        }
        let flags = if pieces.dont_fragment { Ipv4Header::DONT_FRAGMENT } else { 0 };
        Self { lens: even(data_len, room), flags }
    }
}

/// Parts of at most `room` bytes: whole units of 8, but for the last one.
fn even(data_len: usize, room: usize) -> Vec<usize> {
    let mut left = data_len;
    let mut lens = Vec::new();
    while left > 0 {
        let len = if left <= room { left } else { (room & !7).max(8).min(left) };
        lens.push(len);
        left -= len;
    }
    lens
}

/// Every part has the IPv6 header and the extension headers that stations on the way read, then a fragment header.
fn cut_v6(pool: &mut Pool, packet: &Packet, bytes: &[u8], mtu_bytes: u32, id: u32) -> Vec<Packet> {
    let Ok((ip, extensions)) = Ipv6Header::ref_from_prefix(bytes) else { return Vec::new() };
    let Unfragmentable { len, named_at, next } = Unfragmentable::of(ip.next_header(), extensions);
    let (header, data) = bytes.split_at(Ipv6Header::LEN + len);
    let mut parts = Vec::new();
    let mut offset = 0;
    for len in lens_v6(packet, header.len(), data.len(), mtu_bytes) {
        let end = data.len().min(offset + len);
        let more = u16::from(end < data.len());
        let fragment = FragmentHeader {
            next_header: next.0,
            reserved: 0,
            offset_more: (offset as u16 | more).into(),
            id: id.into(),
        };
        let mut part = header.to_vec();
        part[named_at] = Protocol::FRAGMENT.0;
        part.extend_from_slice(fragment.as_bytes());
        part.extend_from_slice(&data[offset..end]);
        pool.count_copy(end - offset);
        let payload_len = (part.len() - Ipv6Header::LEN) as u16;
        part[4..6].copy_from_slice(&payload_len.to_be_bytes());
        if let Ok(mut made) = Packet::from_network_bytes(pool, &part) {
            *made.meta_mut() = *packet.meta();
            parts.push(made);
        }
        offset = end;
    }
    parts
}

/// Bytes of data in each part. What this host itself sends is in whole units of 8 at the end, too (Linux v6.18:
/// `net/ipv6/ip6_output.c`, `__ip6_append_data()`).
fn lens_v6(packet: &Packet, header_len: usize, data_len: usize, mtu_bytes: u32) -> Vec<usize> {
    let room = |mtu: u32| (mtu as usize).saturating_sub(header_len + FragmentHeader::LEN).max(8);
    let Some(pieces) = packet.pieces() else { return even(data_len, room(mtu_bytes) & !7) };
    let room = room(u32::from(pieces.largest_bytes).max(Ipv6Header::MTU_MIN).min(mtu_bytes));
    let mut lens: Vec<usize> = pieces.lens.iter().copied().map(usize::from).collect();
    if let Some(first) = lens.first_mut() {
        *first += packet.network_header_len().saturating_sub(header_len);
    }
    if lens.len() > 1 && fits(&lens, data_len, room) { lens } else { even(data_len, room) }
}

/// Whether the data can leave in parts of these lengths, none of more than `room` bytes.
fn fits(lens: &[usize], data_len: usize, room: usize) -> bool {
    let fits = |(index, len): (usize, &usize)| *len <= room && (index + 1 == lens.len() || len % 8 == 0);
    lens.iter().sum::<usize>() == data_len && lens.iter().enumerate().all(fits)
}

/// The extension headers that every fragment carries: hop-by-hop options, a routing header and the destination options
/// before it (RFC 8200, section 4.5). Destination options that no routing header stands before count, too, as they do in
/// Linux (v6.18: `net/ipv6/output_core.c`, `ip6_find_1stfragopt()`).
#[derive(Clone, Copy)]
struct Unfragmentable {
    /// Their bytes.
    len: usize,
    /// Where the byte stands that names what follows them, from the start of the IPv6 header.
    named_at: usize,
    /// What that is.
    next: Protocol,
}

impl Unfragmentable {
    fn of(first: Protocol, extensions: &[u8]) -> Self {
        let mut found = Self { len: 0, named_at: NEXT_HEADER_AT, next: first };
        let mut is_routed = false;
        while let (Protocol::HOP_BY_HOP | Protocol::ROUTING | Protocol::DESTINATION_OPTIONS, Some(&[next, len, ..])) =
            (found.next, extensions.get(found.len..))
        {
            let end = found.len + (usize::from(len) + 1) * 8;
            if (found.next == Protocol::DESTINATION_OPTIONS && is_routed) || end > extensions.len() {
                break;
            }
            is_routed |= found.next == Protocol::ROUTING;
            found = Self { named_at: Ipv6Header::LEN + found.len, len: end, next: Protocol(next) };
        }
        found
    }
}

/// The header of every part but the first: options that are not copied do nothing there.
///
/// Linux v6.18: `net/ipv4/ip_options.c`, `ip_options_fragment()`.
fn later_header(header: &[u8]) -> Vec<u8> {
    let mut later = header.to_vec();
    for found in Ipv4Options::of(header).flatten() {
        if !found.kind.is_copied() && found.kind != Ipv4Option::END {
            later[found.at..found.at + found.len].fill(Ipv4Option::NOP.0);
        }
    }
    later
}

/// Writes lengths, flags with offset, and checksum into the header at the start of `part`.
fn finish_header(part: &mut [u8], header_len: usize, flags_fragment: u16) {
    let total = part.len() as u16;
    part[0] = 0x40 | (header_len / 4) as u8;
    part[2..4].copy_from_slice(&total.to_be_bytes());
    part[6..8].copy_from_slice(&flags_fragment.to_be_bytes());
    part[10..12].fill(0);
    let checksum = !checksum::sum(&part[..header_len]);
    part[10..12].copy_from_slice(&checksum.to_be_bytes());
}

/// Where an IPv6 header names what follows it.
const NEXT_HEADER_AT: usize = 6;
#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::packet::Pieces;

    fn packet(pool: &mut Pool, len: usize) -> Packet {
        let transport: Vec<u8> = (0..len).map(|byte| byte as u8).collect();
        let mut bytes = vec![0x45, 0, 0, 0, 0, 7, 0, 0, 64, 99, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.extend_from_slice(&transport);
        finish_header(&mut bytes, 20, 0);
        Packet::from_network_bytes(pool, &bytes).expect("a right packet")
    }

    proptest! {
        #[test]
        fn parts_fit_the_link_and_hold_the_whole(len in 1_usize..1800, mtu in 68_u32..1500) {
            let mut pool = Pool::new();
            let whole = packet(&mut pool, len);
            let mut data = Vec::new();
            let parts = cut(&mut pool, &whole, mtu, 0);
            for (index, part) in parts.iter().enumerate() {
                let ip = part.ipv4().expect("a part is IPv4");
                prop_assert!(part.network_len() <= mtu as usize);
                prop_assert_eq!(ip.fragment_offset(), data.len());
                let more = ip.flags_fragment.get() & Ipv4Header::MORE_FRAGMENTS != 0;
                prop_assert_eq!(more, index + 1 < parts.len());
                data.extend_from_slice(&part.network_bytes()[20..]);
            }
            prop_assert_eq!(&data[..], &whole.network_bytes()[20..]);
        }
    }

    #[test]
    fn options_that_are_not_copied_do_nothing_in_later_parts() {
        let mut header = vec![0; 20];
        header.extend_from_slice(&[1, 0x94, 4, 0, 0, 7, 3, 4]);
        assert_eq!(later_header(&header)[20..], [1, 0x94, 4, 0, 0, 1, 1, 1]);
    }

    #[test]
    fn a_datagram_leaves_in_the_pieces_in_which_it_came_if_they_fit() {
        let lens = |lens: &[u16], mtu: u32| -> Vec<(usize, bool)> {
            let mut pool = Pool::new();
            let mut whole = packet(&mut pool, lens.iter().copied().map(usize::from).sum());
            let largest = lens.iter().max().map_or(0, |most| most + 20);
            whole.set_pieces(Pieces { largest_bytes: largest, dont_fragment: true, lens: lens.to_vec() });
            let parts = cut(&mut pool, &whole, mtu, 0);
            parts.iter().map(|part| (part.transport_len(), part.ipv4().is_some_and(|ip| ip.dont_fragment()))).collect()
        };
        assert_eq!(lens(&[8, 800, 40, 5], 1500), [(8, false), (800, false), (40, false), (5, false)]);
        assert_eq!(lens(&[8, 800, 40], 500), [(480, true), (368, true)]);
        assert_eq!(lens(&[20, 800, 40], 1500), [(800, true), (60, true)]);
        assert_eq!(lens(&[1008], 1500), [(1008, true)]);
    }

    proptest! {
        #[test]
        fn parts_of_ipv6_fit_the_link_and_hold_the_whole(
            len in 1_usize..1700, mtu in 1280_u32..1500, options in 0_usize..3, id: u32,
        ) {
            let mut pool = Pool::new();
            let next = if options > 0 { Protocol::HOP_BY_HOP } else { Protocol(99) };
            let mut bytes = vec![0x60, 0, 0, 0];
            bytes.extend(((options * 8 + len) as u16).to_be_bytes());
            bytes.extend([next.0, 64]);
            bytes.extend([[0xfd; 16], [0xfe; 16]].concat());
            for option in 1..=options {
                let next = if option == options { Protocol(99) } else { Protocol::DESTINATION_OPTIONS };
                bytes.extend([next.0, 0, 1, 4, 0, 0, 0, 0]);
            }
            let kept = Ipv6Header::LEN + options * 8;
            bytes.extend((0..len).map(|byte| byte as u8));
            let whole = Packet::from_network_bytes(&mut pool, &bytes).expect("a right packet");
            let mut data = Vec::new();
            let parts = cut(&mut pool, &whole, mtu, id);
            for (index, part) in parts.iter().enumerate() {
                let fragment = part.fragment_header().expect("a fragment header");
                prop_assert!(part.network_len() <= mtu as usize);
                prop_assert_eq!((fragment.offset(), fragment.id.get()), (data.len(), id));
                prop_assert_eq!(fragment.more(), index + 1 < parts.len());
                data.extend_from_slice(&part.network_bytes()[kept + FragmentHeader::LEN..]);
            }
            prop_assert_eq!(&data[..], &whole.network_bytes()[kept..]);
        }
    }
}
