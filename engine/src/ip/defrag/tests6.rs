//! Fragments of IPv6, in and out of order, and such as cannot be.

use alloc::vec;

use proptest::prelude::*;

use super::*;
use crate::{
    frame::{DeviceId, Frame},
    packet::Pool,
};

/// A fragment of a UDP datagram whose byte at `n` is `n`, behind hop-by-hop options.
#[derive(Clone, Copy, Debug)]
struct Piece {
    device: u16,
    destination: u8,
    offset: u16,
    len: u16,
    more: bool,
    class: u8,
}

const fn piece(offset: u16, len: u16, more: bool) -> Piece {
    Piece { device: 0, destination: 0xfd, offset, len, more, class: 0 }
}

impl Piece {
    fn packet(self) -> Packet {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd];
        bytes.extend([0x60 | self.class >> 4, self.class << 4, 0, 0]);
        bytes.extend((16 + self.len).to_be_bytes());
        bytes.extend([0, 64]);
        bytes.extend([[0xfd; 16], [self.destination; 16]].concat());
        bytes.extend([44, 0, 1, 4, 0, 0, 0, 0]);
        bytes.extend([17, 0]);
        bytes.extend((self.offset | u16::from(self.more)).to_be_bytes());
        bytes.extend([0, 0, 0, 7]);
        bytes.extend((0..self.len).map(|byte| (self.offset + byte) as u8));
        Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(self.device), &bytes)).expect("a right fragment")
    }
}

const NOW: Instant = Instant::from_secs(100);

/// What becomes of the last of these fragments.
fn outcome(defrag: &mut Defrag, pieces: &[Piece]) -> Result<Option<Packet>, DropReason> {
    let mut last = Ok(None);
    for piece in pieces {
        last = defrag.gather(NOW, piece.packet(), &Sysctls::default()).result.map_err(|dropped| dropped.reason);
    }
    last
}

fn data(packet: &Packet) -> Vec<u8> {
    let mut bytes = vec![0; packet.network_len()];
    packet.copy_network(&mut bytes);
    bytes.split_off(packet.network_header_len())
}

fn reason(pieces: &[Piece]) -> Option<DropReason> {
    outcome(&mut Defrag::default(), pieces).err()
}

#[test]
fn the_fragment_header_is_gone_and_what_stood_before_it_stays() {
    let mut defrag = Defrag::default();
    let whole =
        outcome(&mut defrag, &[piece(16, 5, false), piece(0, 16, true)]).expect("no flaw").expect("all is there");
    assert_eq!(data(&whole), (0..21).collect::<Vec<u8>>());
    assert_eq!(whole.network_bytes()[40..48], [17, 0, 1, 4, 0, 0, 0, 0]);
    assert_eq!(whole.ipv6().map(|ip| ip.payload_len.get()), Some(29));
    assert!(!whole.is_fragment() && whole.ethernet().is_some());
    let pieces = whole.pieces().expect("it came in pieces");
    assert_eq!((pieces.largest_bytes, &pieces.lens[..]), (40 + 16 + 16, &[16, 5][..]));
    assert!(defrag.is_empty() && defrag.bytes() == 0 && defrag.next_timeout().is_none() && defrag.senders.is_empty());
}

#[test]
fn a_packet_that_is_its_own_only_fragment_waits_for_nobody() {
    let whole = outcome(&mut Defrag::default(), &[piece(0, 21, false)]).expect("no flaw").expect("all is there");
    assert_eq!((data(&whole).len(), whole.fragment_header()), (21, None));
}

#[test]
fn what_overlaps_takes_all_with_it_and_what_ends_elsewhere_goes_alone() {
    assert_eq!(reason(&[piece(0, 16, true), piece(8, 16, true)]), Some(DropReason::FragmentOverlap));
    let mut defrag = Defrag::default();
    assert!(outcome(&mut defrag, &[piece(0, 16, true), piece(8, 16, true)]).is_err());
    assert!(defrag.is_empty());
    let elsewhere = [piece(16, 8, false), piece(24, 8, true)];
    assert_eq!(outcome(&mut defrag, &elsewhere).err(), Some(DropReason::FragmentMalformed));
    assert!(outcome(&mut defrag, &[piece(0, 16, true)]).expect("no flaw").is_some());
    assert_eq!(reason(&[piece(65_528, 8, false)]), Some(DropReason::FragmentMalformed));
}

#[test]
fn what_cannot_be_a_fragment_goes_on_as_it_is() {
    let mut defrag = Defrag::default();
    outcome(&mut defrag, &[piece(0, 16, true)]).expect("no flaw");
    let gathered = defrag.gather(NOW, piece(16, 9, true).packet(), &Sysctls::default());
    assert!(gathered.result.is_ok_and(|passed| passed.is_some_and(|packet| packet.is_fragment())));
    assert_eq!(gathered.lost.len(), 1);
    assert!(defrag.is_empty());
    // The first one has not all of its UDP header.
    assert!(outcome(&mut defrag, &[piece(0, 0, true)]).is_ok_and(|passed| passed.is_some()));
    assert!(defrag.is_empty());
}

#[test]
fn the_same_address_on_another_link_is_another_host() {
    let group = |piece, device| Piece { device, destination: 0xff, ..piece };
    let mut defrag = Defrag::default();
    assert!(matches!(outcome(&mut defrag, &[group(piece(0, 16, true), 0), group(piece(16, 8, false), 1)]), Ok(None)));
    let mut defrag = Defrag::default();
    let elsewhere = Piece { device: 1, ..piece(16, 8, false) };
    assert!(matches!(outcome(&mut defrag, &[piece(0, 16, true), elsewhere]), Ok(Some(_))));
}

#[test]
fn each_family_has_its_own_memory_and_time() {
    let none = Sysctls { conntrack_frag6_high_thresh: 0, ..Sysctls::default() };
    let mut defrag = Defrag::default();
    assert!(defrag.gather(NOW, piece(0, 16, true).packet(), &none).result.is_err());
    let other = Sysctls { ipfrag_high_thresh: 0, conntrack_frag6_timeout: 7, ..Sysctls::default() };
    assert!(defrag.gather(NOW, piece(0, 16, true).packet(), &other).result.is_ok());
    assert_eq!(defrag.next_timeout(), Some(NOW + Duration::from_secs(7)));
}

#[test]
fn congestion_of_one_fragment_is_the_packets() {
    let marked = |piece, class| Piece { class, ..piece };
    let whole = outcome(&mut Defrag::default(), &[marked(piece(0, 8, true), 0xb9), marked(piece(8, 8, false), 3)]);
    let whole = whole.expect("no flaw").expect("all is there");
    assert_eq!(whole.ipv6().map(|ip| ip.traffic_class()), Some(0xbb));
}

proptest! {
    #[test]
    fn any_order_of_fragments_gives_the_packet(
        cuts in proptest::collection::btree_set(1_u16..400, 0..20), last in 1_u16..30, order: u64,
    ) {
        let mut edges: Vec<u16> = core::iter::once(0).chain(cuts.iter().map(|cut| cut * 8)).collect();
        let len = edges.last().copied().unwrap_or(0) + last;
        edges.push(len);
        prop_assume!(len >= 8);
        let ends = edges.windows(2);
        let mut pieces: Vec<Piece> = ends.map(|pair| piece(pair[0], pair[1] - pair[0], pair[1] != len)).collect();
        let mut random = crate::random::Random::new(order);
        for index in (1..pieces.len()).rev() {
            pieces.swap(index, random.below(index as u32 + 1) as usize);
        }
        let mut defrag = Defrag::default();
        for piece in &pieces[..pieces.len() - 1] {
            prop_assert!(outcome(&mut defrag, &[*piece]).is_ok_and(|whole| whole.is_none()));
        }
        let whole = outcome(&mut defrag, &pieces[pieces.len() - 1..]).expect("no flaw").expect("all is there");
        prop_assert_eq!(data(&whole), (0..len).map(|byte| byte as u8).collect::<Vec<u8>>());
        prop_assert_eq!(defrag.bytes(), 0);
    }

    #[test]
    fn no_bytes_behind_an_ipv6_header_do_harm(
        next in prop_oneof![Just(44_u8), Just(0), Just(60), Just(51), any::<u8>()],
        payload in proptest::collection::vec(prop_oneof![Just(44_u8), Just(0), any::<u8>()], 0..80), long: bool,
    ) {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x86, 0xdd, 0x60, 0, 0, 0];
        let payload = if long { [payload, vec![0; 2500]].concat() } else { payload };
        bytes.extend((payload.len() as u16).to_be_bytes());
        bytes.extend([next, 64]);
        bytes.extend([0xfd; 32]);
        bytes.extend(&payload);
        let packet = Packet::parse(&mut Pool::new(), &Frame::new(DeviceId(0), &bytes)).expect("a right header");
        let gathered = Defrag::default().gather(NOW, packet, &Sysctls::default());
        if let Ok(Some(whole)) = gathered.result {
            prop_assert_eq!(whole.network_len(), whole.len() - 14);
            let flaw = Flaw::of(&whole, 40);
            prop_assert!(!matches!(flaw, Some(Flaw::Malformed(at)) if at > whole.network_len()), "{:?}", flaw);
        }
    }
}
