//! Tells frames that a network card has seen from those that it had yet to finish.
//!
//! A capture taken on a host holds what the host handed to its card: transport checksums that hold only the sum of the
//! pseudo-header, TCP segments of many times the MTU, IPv4 lengths of zero. None of that is on the wire, and a gateway
//! that judged it as such would call half of the capture INVALID.

use core::net::IpAddr;

use towpath_engine::{
    Checksum, Gso, GsoKind,
    conntrack::Family,
    wire::{
        Protocol,
        checksum::{add, pseudo_header_v4, pseudo_header_v6, sum},
    },
};

use super::peek::Peek;

/// What the replay believes about transport checksums.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ChecksumTrust {
    /// They are verified, unless they look as a host leaves them for its card to fill in.
    #[default]
    Auto,
    /// They are verified.
    Verify,
    /// They are taken as right.
    Trust,
}

/// What is known of a frame beside its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) checksum: Checksum,
    pub(super) gso: Option<Gso>,
    /// The IPv4 header as the card would have finished it.
    pub(super) repair: Option<Repair>,
}

/// Fields of an IPv4 header that were left to the card.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Repair {
    total_len: u16,
}

/// Judges the frame of an IP packet. `wire_len` is the frame's length, `mtu` that of the device it comes in by.
pub(super) fn judge(trust: ChecksumTrust, frame: &[u8], wire_len: u32, peek: &Peek, mtu: u32) -> Judgement {
    let taken = match trust {
        ChecksumTrust::Auto => Checksum::None,
        ChecksumTrust::Verify => return Judgement::default(),
        ChecksumTrust::Trust => Checksum::Unnecessary,
    };
    let repair = repair(frame, wire_len, peek);
    let total_len = repair.map_or(peek.total_len, |repair| usize::from(repair.total_len));
    let transport_len = total_len.saturating_sub(peek.transport - peek.network);
    let checksum = match (trust, field(peek)) {
        (ChecksumTrust::Auto, Some(offset)) => unfilled(frame, peek, offset, transport_len, repair.is_some()),
        (ChecksumTrust::Auto | ChecksumTrust::Verify | ChecksumTrust::Trust, _) => taken,
    };
    Judgement { checksum, gso: gso(frame, peek, total_len, mtu, checksum), repair }
}

/// Finishes an IPv4 header in place.
pub(super) fn finish(frame: &mut [u8], peek: &Peek, repair: Repair) {
    let header_len = peek.transport - peek.network;
    let Some(header) = frame.get_mut(peek.network..).and_then(|bytes| bytes.get_mut(..header_len)) else { return };
    if let Some(length) = header.get_mut(2..).and_then(|bytes| bytes.first_chunk_mut::<2>()) {
        *length = repair.total_len.to_be_bytes();
    }
    // As if it had been zero, which it was.
    let whole = sum(header);
    if let Some(checksum) = header.get_mut(10..).and_then(|bytes| bytes.first_chunk_mut::<2>()) {
        let others = add(whole, !u16::from_be_bytes(*checksum));
        *checksum = (!others).to_be_bytes();
    }
}

/// Fills a transport checksum that waits for it, in a whole frame.
pub(crate) fn fill(frame: &mut [u8], start: u16, offset: u16) {
    let Some(covered) = frame.get_mut(usize::from(start)..) else { return };
    let total = !sum(covered);
    if let Some(field) = covered.get_mut(usize::from(offset)..).and_then(|bytes| bytes.first_chunk_mut::<2>()) {
        // A UDP checksum of zero would mean that there is none.
        *field = if total == 0 { [0xff, 0xff] } else { total.to_be_bytes() };
    }
}

/// What a card finishes in an IPv4 header: a length of zero on a super-packet, and the header's checksum.
fn repair(frame: &[u8], wire_len: u32, peek: &Peek) -> Option<Repair> {
    if peek.family() == Family::Ipv6 {
        return None;
    }
    let header = frame.get(peek.network..peek.transport)?;
    let left_out = peek.total_len == 0 && peek.protocol == Protocol::TCP;
    let total_len = if left_out {
        u16::try_from((wire_len as usize).saturating_sub(peek.network)).unwrap_or(u16::MAX)
    } else {
        u16::try_from(peek.total_len).unwrap_or(u16::MAX)
    };
    let no_checksum = header.get(10..12)? == [0, 0] && sum(header) != 0xffff;
    (left_out || no_checksum).then_some(Repair { total_len })
}

/// Where the checksum stands, from the transport header on.
fn field(peek: &Peek) -> Option<u16> {
    match peek.protocol {
        Protocol::TCP if !peek.is_fragment() => Some(16),
        Protocol::UDP if !peek.is_fragment() => Some(6),
        _ => None,
    }
}

/// What a transport checksum is, when it may be one that a card had yet to fill in.
fn unfilled(frame: &[u8], peek: &Peek, offset: u16, transport_len: usize, repaired: bool) -> Checksum {
    let Some(transport) = frame.get(peek.transport..) else { return Checksum::None };
    let Some(field) = transport.get(usize::from(offset)..).and_then(|bytes| bytes.first_chunk::<2>()) else {
        return Checksum::None;
    };
    let field = u16::from_be_bytes(*field);
    let length = u16::try_from(transport_len).unwrap_or(u16::MAX);
    let pseudo = pseudo_header(peek, length);
    if field == pseudo {
        let start = u16::try_from(peek.transport).unwrap_or(u16::MAX);
        return Checksum::Partial { start, offset };
    }
    // Other systems leave the length out of a super-packet's sum, or write nothing at all.
    let without_length = repaired && field == pseudo_header(peek, 0);
    let nothing = field == 0 && peek.protocol == Protocol::TCP && has_wrong_sum(pseudo, transport.get(..transport_len));
    if without_length || nothing { Checksum::Unnecessary } else { Checksum::None }
}

/// Whether a segment that is whole has another checksum than zero.
#[inline(never)]
fn has_wrong_sum(pseudo: u16, segment: Option<&[u8]>) -> bool {
    segment.is_some_and(|segment| add(pseudo, sum(segment)) != 0xffff)
}

#[inline(never)]
fn pseudo_header(peek: &Peek, transport_len: u16) -> u16 {
    match (peek.source, peek.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            pseudo_header_v4(source, destination, peek.protocol, transport_len)
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            pseudo_header_v6(source, destination, peek.protocol, transport_len.into())
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => 0,
    }
}

/// A TCP packet that no link could have carried was still to be cut, or has been put together.
fn gso(frame: &[u8], peek: &Peek, total_len: usize, mtu: u32, checksum: Checksum) -> Option<Gso> {
    if total_len <= mtu as usize || peek.is_fragment() {
        return None;
    }
    let kind = match (peek.protocol, checksum) {
        (Protocol::TCP, _) if peek.family() == Family::Ipv6 => GsoKind::Tcp6,
        (Protocol::TCP, _) => GsoKind::Tcp4,
        (Protocol::UDP, Checksum::Partial { .. }) => GsoKind::Udp,
        _ => return None,
    };
    let header_len = match kind {
        GsoKind::Udp => 8,
        GsoKind::Tcp4 | GsoKind::Tcp4Ecn | GsoKind::Tcp6 | GsoKind::Tcp6Ecn | GsoKind::Lro => {
            usize::from(frame.get(peek.transport + 12)? >> 4) * 4
        }
    };
    // Nobody has noted the segments' size; the largest that fits is what senders use.
    let headers = peek.transport - peek.network + header_len;
    let size = u16::try_from((mtu as usize).checked_sub(headers)?).ok().filter(|size| *size > 0)?;
    Some(Gso { kind, size, segments: 0, fixed_id: false })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::craft;

    const CLIENT: ([u8; 4], u16) = ([10, 0, 0, 2], 40_000);
    const SERVER: ([u8; 4], u16) = ([198, 51, 100, 7], 80);

    fn auto(frame: &[u8]) -> Judgement {
        let peek = Peek::frame(frame).unwrap();
        judge(ChecksumTrust::Auto, frame, frame.len() as u32, &peek, 1500)
    }

    fn pseudo(frame: &[u8], protocol: Protocol, length: u16) -> [u8; 2] {
        let peek = Peek { protocol, ..Peek::frame(frame).unwrap() };
        pseudo_header(&peek, length).to_be_bytes()
    }

    #[test]
    fn a_filled_checksum_is_verified_whether_right_or_wrong() {
        let mut frame = craft::segment(CLIENT, SERVER, 0x18, (1, 2), &[], b"data");
        assert_eq!(auto(&frame), Judgement::default());
        frame[50] ^= 0x55;
        assert_eq!(auto(&frame), Judgement::default());
        let udp = craft::udp(CLIENT, SERVER, b"data");
        assert_eq!(auto(&udp), Judgement::default());
    }

    #[test]
    fn a_checksum_that_waits_for_the_card_is_told_and_can_be_filled() {
        for (whole, protocol, offset) in [
            (craft::segment(CLIENT, SERVER, 0x18, (1, 2), &[], b"data!"), Protocol::TCP, 16),
            (craft::udp(CLIENT, SERVER, b"data!"), Protocol::UDP, 6),
        ] {
            let mut frame = whole.clone();
            let at = 34 + usize::from(offset);
            let length = frame.len() as u16 - 34;
            let sum = pseudo(&frame, protocol, length);
            frame[at..at + 2].copy_from_slice(&sum);
            assert_eq!(auto(&frame).checksum, Checksum::Partial { start: 34, offset });
            fill(&mut frame, 34, offset);
            assert_eq!(frame, whole);
        }
    }

    #[test]
    fn a_tcp_checksum_of_zero_is_unfilled_unless_it_is_right() {
        let mut frame = craft::segment(CLIENT, SERVER, 0x18, (1, 2), &[], b"data");
        let right = u16::from_be_bytes([frame[50], frame[51]]);
        frame[50..52].fill(0);
        assert_eq!(auto(&frame).checksum, Checksum::Unnecessary);
        // Payload that makes the right checksum zero.
        let last = frame.len() - 2;
        let tail = u16::from_be_bytes([frame[last], frame[last + 1]]);
        frame[last..].copy_from_slice(&add(tail, right).to_be_bytes());
        assert_eq!(auto(&frame).checksum, Checksum::None);
    }

    #[test]
    fn a_super_packet_is_told_by_its_length_and_one_without_length_is_repaired() {
        let whole = craft::segment(CLIENT, SERVER, 0x18, (1, 2), &[1, 1, 1, 0], &[7; 5_000]);
        assert_eq!(auto(&whole).gso, Some(Gso { kind: GsoKind::Tcp4, size: 1456, segments: 0, fixed_id: false }));
        let mut left = whole.clone();
        left[16..18].fill(0);
        left[24..26].fill(0);
        let sum = pseudo(&left, Protocol::TCP, 0);
        left[50..52].copy_from_slice(&sum);
        let found = auto(&left);
        assert_eq!(found.checksum, Checksum::Unnecessary);
        assert!(found.gso.is_some());
        let peek = Peek::frame(&left).unwrap();
        finish(&mut left, &peek, found.repair.unwrap());
        assert_eq!(left[14..34], whole[14..34]);
    }

    #[test]
    fn a_missing_header_checksum_is_filled_in_and_a_wrong_one_is_not() {
        let whole = craft::udp(CLIENT, SERVER, b"x");
        let mut frame = whole.clone();
        frame[24] ^= 1;
        assert_eq!(auto(&frame).repair, None);
        frame[24..26].fill(0);
        let peek = Peek::frame(&frame).unwrap();
        let repair = auto(&frame).repair.unwrap();
        finish(&mut frame, &peek, repair);
        assert_eq!(frame, whole);
    }

    #[test]
    fn verify_takes_nothing_for_granted_and_trust_everything() {
        let mut frame = craft::segment(CLIENT, SERVER, 0x18, (1, 2), &[], b"data");
        frame[50..52].fill(0);
        let peek = Peek::frame(&frame).unwrap();
        let judged = |trust| judge(trust, &frame, frame.len() as u32, &peek, 1500).checksum;
        assert_eq!(judged(ChecksumTrust::Verify), Checksum::None);
        assert_eq!(judged(ChecksumTrust::Trust), Checksum::Unnecessary);
    }
}
