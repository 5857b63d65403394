//! Cutting packets that are too long for a link (RFC 791, section 3.2; Linux v6.18: `net/ipv4/ip_output.c`,
//! `ip_do_fragment()`).

use alloc::{vec, vec::Vec};

use crate::{
    packet::{Packet, Pool},
    wire::{Ipv4Header, checksum},
};

/// The parts of `packet`, none longer than `mtu_bytes`. The caller has made sure that it may be cut.
///
/// Options stay on the first part; later parts keep those that say so (RFC 791: the copied flag).
#[must_use]
pub fn cut(pool: &mut Pool, packet: &Packet, mtu_bytes: u32) -> Vec<Packet> {
    let mut bytes = vec![0; packet.network_len()];
    let present = packet.copy_network(&mut bytes);
    let header_len = packet.network_header().len();
    let (header, data) = bytes[..present].split_at(header_len);
    let later = later_header(header);
    let whole_offset = packet.ipv4().map_or(0, Ipv4Header::fragment_offset);
    let more = packet.ipv4().is_some_and(|ip| ip.flags_fragment.get() & Ipv4Header::MORE_FRAGMENTS != 0);
    let mut parts = Vec::new();
    let mut offset = 0;
    while offset < data.len() {
        let header = if offset == 0 { header } else { &later[..] };
        let room = (mtu_bytes as usize).saturating_sub(header.len()) & !7;
        let end = data.len().min(offset + room.max(8));
        let mut part = header.to_vec();
        part.extend_from_slice(&data[offset..end]);
        let is_last = end == data.len() && !more;
        let flags = if is_last { 0 } else { Ipv4Header::MORE_FRAGMENTS };
        let header_len = header.len();
        finish_header(&mut part, header_len, flags | ((whole_offset + offset) / 8) as u16);
        if let Ok(mut made) = Packet::from_network_bytes(pool, &part) {
            *made.meta_mut() = *packet.meta();
            parts.push(made);
        }
        offset = end;
    }
    parts
}

/// The header of every part but the first: the fixed part and the options that are copied, padded to a word.
fn later_header(header: &[u8]) -> Vec<u8> {
    let (fixed, mut options) = header.split_at(Ipv4Header::LEN);
    let mut later = fixed.to_vec();
    while let [kind, rest @ ..] = options {
        let len = match (*kind, rest.first()) {
            (END, _) | (_, None) => break,
            (NOP, _) => 1,
            (_, Some(&len)) if len >= 2 && usize::from(len) <= options.len() => usize::from(len),
            (_, Some(_)) => break,
        };
        if kind & COPIED != 0 {
            later.extend_from_slice(&options[..len]);
        }
        options = &options[len..];
    }
    later.resize(later.len().next_multiple_of(4), END);
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

/// "End of option list" (RFC 791, section 3.1).
const END: u8 = 0;
/// "No operation".
const NOP: u8 = 1;
/// The flag of options that every fragment carries.
const COPIED: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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
            let parts = cut(&mut pool, &whole, mtu);
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
    fn only_options_that_say_so_are_copied() {
        let mut header = vec![0; 20];
        header.extend_from_slice(&[1, 0x94, 4, 0, 0, 7, 3, 4]);
        assert_eq!(later_header(&header)[20..], [0x94, 4, 0, 0]);
    }
}
