use alloc::vec::Vec;

use proptest::prelude::*;

use super::*;
use crate::{
    nat::fixture,
    offload::checksum::is_right,
    packet::Checksum,
    wire::{Protocol, checksum::Routines},
};

const CLIENT: [u8; 4] = [192, 168, 1, 10];
const SERVER: [u8; 4] = [198, 51, 100, 7];

/// A connection whose client's segment at 1017 has grown by 3.
fn grown() -> Connection {
    let mut connection = fixture::connection(fixture::tuple(Protocol::TCP));
    book(&mut connection, Direction::Original, SeqNum(1017), 3);
    connection
}

fn segment(seq: u32, ack: u32, options: &[u8]) -> Packet {
    let mut packet = fixture::tcp(CLIENT, 5000, SERVER, 53, options, b"x");
    let tcp = packet.tcp_mut().expect("it is TCP");
    (tcp.seq, tcp.ack) = (seq.into(), ack.into());
    crate::offload::checksum::fill(&mut packet, &Routines::PORTABLE);
    packet
}

fn adjusted(connection: &Connection, direction: Direction, seq: u32, ack: u32) -> (u32, u32) {
    let mut packet = segment(seq, ack, &[]);
    adjust(connection, direction, &mut packet).expect("it can be adjusted");
    assert!(is_right(&packet, &Routines::PORTABLE));
    packet.tcp().map(|tcp| (tcp.seq.get(), tcp.ack.get())).expect("it is TCP")
}

#[test]
#[rustfmt::skip]
fn numbers_above_the_rewritten_segment_move_and_it_stays() {
    let connection = grown();
    let cases = [
        // seq   moved
        (1001,   1001),
        (1017,   1017),
        (1018,   1021),
        (1039,   1042),
    ];
    for (seq, moved) in cases {
        assert_eq!(adjusted(&connection, Direction::Original, seq, 9012), (moved, 9012), "seq {seq}");
    }
}

#[test]
#[rustfmt::skip]
fn acknowledgements_of_the_other_direction_move_back() {
    let connection = grown();
    let cases = [
        // ack   moved
        (1017,   1017),
        (1042,   1039),
        (1048,   1045),
    ];
    for (ack, moved) in cases {
        assert_eq!(adjusted(&connection, Direction::Reply, 9012, ack), (9012, moved), "ack {ack}");
    }
}

#[test]
fn a_second_rewrite_adds_to_the_first_and_a_retransmission_does_not() {
    let mut connection = grown();
    book(&mut connection, Direction::Original, SeqNum(1017), 3);
    let adjustment = |connection: &Connection| connection.extension.as_ref().map(|more| more.adjustments()[0]);
    assert_eq!(adjustment(&connection), Some(SequenceAdjustment { correction: SeqNum(1017), before: 0, after: 3 }));
    book(&mut connection, Direction::Original, SeqNum(1045), -1);
    assert_eq!(adjustment(&connection), Some(SequenceAdjustment { correction: SeqNum(1045), before: 3, after: 2 }));
    assert_eq!(adjusted(&connection, Direction::Original, 1030, 9012), (1033, 9012));
    assert_eq!(adjusted(&connection, Direction::Original, 1070, 9012), (1072, 9012));
}

#[test]
fn a_rewrite_of_the_same_length_leaves_no_trace() {
    let mut connection = fixture::connection(fixture::tuple(Protocol::TCP));
    book(&mut connection, Direction::Original, SeqNum(1017), 0);
    assert!(connection.extension.is_none() && !connection.status.contains(Status::SEQ_ADJUST));
}

#[test]
fn sack_blocks_move_back_with_the_acknowledgement() {
    let mut options = Vec::from([1, 1, 5, 18]);
    for edge in [1042_u32, 1048, 1060, 1070] {
        options.extend(edge.to_be_bytes());
    }
    let mut packet = segment(9012, 1017, &options);
    adjust(&grown(), Direction::Reply, &mut packet).expect("it can be adjusted");
    let edges = Vec::from_iter(
        packet.transport_bytes()[24..40].chunks(4).map(|edge| u32::from_be_bytes(edge.try_into().unwrap_or_default())),
    );
    assert_eq!(edges, [1039, 1045, 1057, 1067]);
    assert!(is_right(&packet, &Routines::PORTABLE));
}

#[test]
fn a_segment_without_ack_keeps_what_stands_in_that_field() {
    let mut packet = segment(1040, 1048, &[]);
    packet.tcp_mut().expect("it is TCP").flags = TcpFlags::RST;
    crate::offload::checksum::fill(&mut packet, &Routines::PORTABLE);
    adjust(&grown(), Direction::Original, &mut packet).expect("it can be adjusted");
    assert_eq!(packet.tcp().map(|tcp| (tcp.seq.get(), tcp.ack.get())), Some((1043, 1048)));
    assert!(is_right(&packet, &Routines::PORTABLE));
}

#[test]
fn an_option_that_ends_too_early_is_refused() {
    for options in [[1, 1, 1, 5], [5, 10, 0, 0], [2, 1, 0, 0]] {
        let mut packet = segment(1040, 9012, &options);
        assert_eq!(adjust(&grown(), Direction::Original, &mut packet), Err(DropReason::NatUntranslatable));
    }
    for options in [[0, 5, 99, 0], [1, 1, 1, 1], [5, 2, 5, 2]] {
        let mut packet = segment(1040, 9012, &options);
        assert_eq!(adjust(&grown(), Direction::Original, &mut packet), Ok(()), "{options:?}");
    }
}

#[test]
fn an_unfilled_checksum_is_left_to_the_device() {
    let mut packet = segment(1040, 9012, &[]);
    packet.meta_mut().checksum = Checksum::Partial { start: 34, offset: 16 };
    crate::offload::checksum::fill(&mut packet, &Routines::PORTABLE);
    let before = packet.tcp().map(|tcp| tcp.checksum);
    adjust(&grown(), Direction::Original, &mut packet).expect("it can be adjusted");
    assert_eq!(packet.tcp().map(|tcp| tcp.checksum), before);
}

#[test]
fn what_is_no_tcp_is_left_alone() {
    let mut error = fixture::icmp(CLIENT, SERVER, 3, 3, [0; 4], &[0x45; 40]);
    let before = Vec::from(error.network_bytes());
    adjust(&grown(), Direction::Original, &mut error).expect("there is nothing to adjust");
    assert_eq!(error.network_bytes(), before);
}

proptest! {
    /// Whoever rewrites segments in order, with any lengths, keeps both views of the stream in step: what the receiver
    /// acknowledges of the newest segment is what the sender has sent.
    #[test]
    fn adjustments_compose(
        start: u32, segments in proptest::collection::vec((1_u32..1400, -40_i32..40), 1..20), further in 1_u32..1000,
    ) {
        let mut adjustment = SequenceAdjustment::default();
        let (mut seq, mut grown) = (SeqNum(start), 0_i32);
        for (len, bytes) in segments {
            prop_assert_eq!(adjustment.moved(seq), seq.offset(grown), "before a rewrite at {:?}", seq);
            // Something is left of every segment.
            let bytes = bytes.max(1 - len as i32);
            if bytes != 0 {
                adjustment.book(seq, bytes);
            }
            prop_assert_eq!(adjustment.moved(seq), seq.offset(grown), "of the rewritten segment");
            grown += bytes;
            seq += len;
            prop_assert_eq!(adjustment.moved(seq), seq.offset(grown));
            prop_assert_eq!(adjustment.moved(seq + further), (seq + further).offset(grown));
            prop_assert_eq!(adjustment.moved_back(seq.offset(grown)), seq, "the acknowledgement");
        }
    }

    #[test]
    fn any_options_are_walked_to_an_end(words in proptest::collection::vec(any::<[u8; 4]>(), 0..10)) {
        let mut packet = segment(1040, 9012, words.as_flattened());
        let _refused_or_not = adjust(&grown(), Direction::Original, &mut packet);
        if packet.tcp().is_some_and(|tcp| tcp.header_len() <= packet.transport_bytes().len()) {
            prop_assert!(is_right(&packet, &Routines::PORTABLE));
        }
    }
}
