//! Fragments, in and out of order.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::{
    frame::{DeviceId, Frame},
    packet::Pool,
    wire::{Ipv4Header, checksum},
};

/// A fragment of a datagram whose byte at `n` is `n`.
#[derive(Clone, Copy, Debug)]
struct Part {
    id: u16,
    offset: u16,
    len: u16,
    more: bool,
    tos: u8,
    dont_fragment: bool,
}

const fn part(offset: u16, len: u16, more: bool) -> Part {
    Part { id: 7, offset, len, more, tos: 0, dont_fragment: false }
}

impl Part {
    fn packet(self) -> Packet {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
        let total = 20 + self.len;
        let mut header = [0x45, self.tos, 0, 0, 0, 0, 0, 0, 64, 200, 0, 0, 10, 0, 0, 2, 10, 0, 0, 1];
        header[2..4].copy_from_slice(&total.to_be_bytes());
        header[4..6].copy_from_slice(&self.id.to_be_bytes());
        let flags = (u16::from(self.more) * Ipv4Header::MORE_FRAGMENTS)
            | (u16::from(self.dont_fragment) * Ipv4Header::DONT_FRAGMENT)
            | (self.offset / 8);
        header[6..8].copy_from_slice(&flags.to_be_bytes());
        let checksum = !checksum::sum(&header);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        bytes.extend(header);
        bytes.extend((0..self.len).map(|byte| (self.offset + byte) as u8));
        Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), &bytes)).expect("a right fragment")
    }
}

const NOW: Instant = Instant::from_secs(100);

/// What becomes of the last of these fragments.
fn outcome(defrag: &mut Defrag, parts: &[Part]) -> Result<Option<Packet>, DropReason> {
    let mut last = Ok(None);
    for part in parts {
        last = defrag.gather(NOW, part.packet(), &Sysctls::default()).result.map_err(|dropped| dropped.reason);
    }
    last
}

fn data(packet: &Packet) -> Vec<u8> {
    let mut bytes = vec![0; packet.network_len()];
    packet.copy_network(&mut bytes);
    bytes.split_off(packet.network_header_len())
}

fn reason(parts: &[Part]) -> Option<DropReason> {
    outcome(&mut Defrag::default(), parts).err()
}

#[test]
fn the_datagram_is_as_long_as_its_parts_and_says_so() {
    let mut defrag = Defrag::default();
    let whole = outcome(&mut defrag, &[part(16, 5, false), part(0, 16, true)]).expect("no flaw").expect("all is there");
    assert_eq!(data(&whole), (0..21).collect::<Vec<u8>>());
    assert_eq!(checksum::sum(whole.network_header()), 0xffff);
    let pieces = whole.pieces().expect("it came in pieces");
    assert_eq!((pieces.largest_bytes, &pieces.lens[..]), (36, &[16, 5][..]));
    assert!(defrag.is_empty() && defrag.bytes() == 0 && defrag.next_timeout().is_none() && defrag.senders.is_empty());
}

#[test]
fn what_is_there_already_is_ignored_and_what_overlaps_takes_all_with_it() {
    assert_eq!(reason(&[part(0, 16, true), part(0, 16, true)]), Some(DropReason::FragmentDuplicate));
    assert_eq!(reason(&[part(0, 16, true), part(16, 8, true), part(8, 16, true)]), Some(DropReason::FragmentDuplicate));
    assert_eq!(reason(&[part(0, 16, true), part(8, 16, true)]), Some(DropReason::FragmentOverlap));
    assert_eq!(reason(&[part(16, 16, true), part(8, 16, true)]), Some(DropReason::FragmentOverlap));
    // Two runs that only touch are not one.
    assert_eq!(reason(&[part(8, 8, true), part(0, 8, true), part(0, 16, true)]), Some(DropReason::FragmentOverlap));
    let mut defrag = Defrag::default();
    assert!(outcome(&mut defrag, &[part(0, 16, true), part(8, 16, true)]).is_err());
    assert!(defrag.is_empty());
    assert!(outcome(&mut defrag, &[part(16, 8, false), part(0, 16, true)]).expect("no flaw").is_some());
}

#[test]
fn a_datagram_ends_where_its_last_fragment_says() {
    assert_eq!(reason(&[part(16, 8, false), part(24, 8, true)]), Some(DropReason::FragmentMalformed));
    assert_eq!(reason(&[part(16, 8, false), part(24, 8, false)]), Some(DropReason::FragmentMalformed));
    assert_eq!(reason(&[part(16, 8, true), part(8, 8, false)]), Some(DropReason::FragmentMalformed));
    assert_eq!(reason(&[part(0, 7, true)]), Some(DropReason::FragmentMalformed));
    assert_eq!(reason(&[part(65_528, 8, false), part(0, 800, true)]), None);
}

#[test]
fn a_datagram_longer_than_an_ip_length_is_dropped() {
    let mut parts: Vec<Part> = (0..65).map(|index| part(index * 1000, 1000, true)).collect();
    parts.push(part(65_000, 535, false));
    assert_eq!(reason(&parts), Some(DropReason::FragmentMalformed));
    parts.pop();
    parts.push(part(65_000, 515, false));
    let whole = outcome(&mut Defrag::default(), &parts).expect("no flaw").expect("all is there");
    assert_eq!(whole.network_len(), 65_535);
}

#[test]
fn the_largest_fragment_decides_whether_it_may_be_cut_again() {
    let dont = |part| Part { dont_fragment: true, ..part };
    let flags = |parts: &[Part]| {
        let whole = outcome(&mut Defrag::default(), parts).expect("no flaw").expect("all is there");
        (whole.ipv4().is_some_and(|ip| ip.dont_fragment()), whole.pieces().is_some_and(|pieces| pieces.dont_fragment))
    };
    assert_eq!(flags(&[dont(part(0, 16, true)), part(16, 8, false)]), (true, true));
    assert_eq!(flags(&[part(0, 16, true), dont(part(16, 8, false))]), (false, false));
}

#[test]
fn congestion_of_one_fragment_is_the_datagrams() {
    let marked = |part, tos| Part { tos, ..part };
    let whole = outcome(&mut Defrag::default(), &[marked(part(0, 8, true), 2), marked(part(8, 8, false), 3)]);
    assert_eq!(whole.expect("no flaw").expect("all is there").ipv4().map(|ip| ip.tos), Some(3));
    let mixed = [marked(part(0, 8, true), 0), marked(part(8, 8, false), 3)];
    assert_eq!(reason(&mixed), Some(DropReason::FragmentMalformed));
}

#[test]
fn who_waits_too_long_is_given_up() {
    let mut defrag = Defrag::default();
    outcome(&mut defrag, &[part(0, 16, true), Part { id: 8, ..part(8, 16, true) }]).expect("no flaw");
    assert_eq!(defrag.next_timeout(), Some(Instant::from_secs(130)));
    assert!(defrag.handle_timeout(Instant::from_secs(129)).is_empty());
    let given_up = defrag.handle_timeout(Instant::from_secs(130));
    assert_eq!(given_up.iter().map(|given_up| given_up.has_first).collect::<Vec<_>>(), [true, false]);
    assert!(defrag.is_empty() && defrag.bytes() == 0);
}

#[test]
fn a_sender_who_has_moved_on_starts_the_datagram_anew() {
    let mut defrag = Defrag::default();
    outcome(&mut defrag, &[part(0, 16, true)]).expect("no flaw");
    for id in 100..164 {
        outcome(&mut defrag, &[Part { id, ..part(0, 16, true) }]).expect("no flaw");
    }
    let gathered = defrag.gather(NOW, part(16, 8, false).packet(), &Sysctls::default());
    assert!(matches!(gathered.result, Ok(None)));
    assert_eq!(gathered.lost.iter().map(|lost| lost.reason).collect::<Vec<_>>(), [DropReason::FragmentTooFar]);
    assert!(outcome(&mut defrag, &[part(0, 16, true)]).expect("no flaw").is_some());
}

#[test]
fn memory_is_bounded_and_none_means_none() {
    let mut defrag = Defrag::default();
    let sysctls = Sysctls { ipfrag_high_thresh: 100_000, ..Sysctls::default() };
    let refused = (0..1000).filter(|&id| {
        let gathered = defrag.gather(NOW, Part { id, ..part(0, 1000, true) }.packet(), &sysctls);
        matches!(gathered.result, Err(Dropped { reason: DropReason::FragmentMemory, .. }))
    });
    assert!(refused.count() > 900);
    assert!(defrag.bytes() < 105_000);
    let none = Sysctls { ipfrag_high_thresh: 0, ..Sysctls::default() };
    assert!(Defrag::default().gather(NOW, part(0, 8, true).packet(), &none).result.is_err());
}

proptest! {
    #[test]
    fn any_order_of_fragments_gives_the_datagram(
        cuts in proptest::collection::btree_set(1_u16..400, 0..20), last in 1_u16..30, order: u64,
    ) {
        let mut edges: Vec<u16> = core::iter::once(0).chain(cuts.iter().map(|cut| cut * 8)).collect();
        let len = edges.last().copied().unwrap_or(0) + last;
        edges.push(len);
        prop_assume!(edges.len() > 2);
        let ends = edges.windows(2);
        let mut parts: Vec<Part> = ends.map(|pair| part(pair[0], pair[1] - pair[0], pair[1] != len)).collect();
        let mut random = crate::random::Random::new(order);
        for index in (1..parts.len()).rev() {
            parts.swap(index, random.below(index as u32 + 1) as usize);
        }
        let mut defrag = Defrag::default();
        for part in &parts[..parts.len() - 1] {
            prop_assert!(outcome(&mut defrag, &[*part]).is_ok_and(|whole| whole.is_none()));
        }
        let whole = outcome(&mut defrag, &parts[parts.len() - 1..]).expect("no flaw").expect("all is there");
        prop_assert_eq!(data(&whole), (0..len).map(|byte| byte as u8).collect::<Vec<u8>>());
        prop_assert_eq!(defrag.bytes(), 0);
    }
}
