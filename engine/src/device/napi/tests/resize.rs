//! Rings of other sizes while frames come and go.

use super::*;

const QUEUE: (usize, u16) = (0, 0);

#[test]
fn what_is_on_rings_that_are_made_anew_is_lost_and_what_a_poll_has_taken_is_not() {
    let mut hardware = hardware(NicOptions { tx_ring: 2, byte_limits: None, ..NicOptions::default() });
    for frame in [7, 8, 9] {
        assert_eq!(hardware.handle_frame(START, 0, (0, 60), frame), Ok(()));
    }
    for _ in 0..2 {
        assert!(hardware.handle_transmit(START, QUEUE, Footprint::linear(60)));
    }
    assert!(!hardware.can_transmit(0, 0));
    // Behind interrupt and poll the first one is under way.
    assert_eq!(hardware.resize_rings(START + nanos(1300), 0, (1, 64)), Ok(vec![8, 9]));
    assert_eq!((hardware.rings_of(0), hardware.rings_of(1)), (Some((1, 64)), None));
    assert_eq!((hardware.poll_woken(), hardware.can_transmit(0, 0)), (Some(QUEUE), true));
    assert_eq!(hardware.handle_frame(START + nanos(1400), 0, (0, 60), 10), Ok(()));
    assert_eq!(hardware.handle_frame(START + nanos(1400), 0, (0, 60), 11), Err(11), "there is room for one");
    hardware.handle_timeout(START + Duration::from_secs(1));
    let batch = hardware.poll_batch().expect("a poll");
    assert_eq!(batch.frames.iter().map(|received| received.frame).collect::<Vec<_>>(), [7, 10]);
    let queue = hardware.queues_of(0).next().expect("a queue");
    assert_eq!((queue.rx_packets, queue.rx_missed_errors, queue.tx_packets), (4, 1, 0), "nobody counts what was lost");
    assert_eq!(hardware.poll_timeout(), None);
}

#[test]
fn rings_that_cannot_be_or_are_so_already_lose_nothing() {
    let mut hardware = hardware(NicOptions { gathers: true, ..NicOptions::default() });
    assert_eq!(hardware.handle_frame(START, 0, (0, 60), 7), Ok(()));
    let error = |name, min, max| Err(OptionsError::Range { name, min, max });
    assert_eq!(hardware.resize_rings(START, 0, (0, 512)), error("rx ring", 1, 16_384));
    assert_eq!(hardware.resize_rings(START, 0, (512, 17)), error("tx ring", 18, 16_384));
    assert_eq!(hardware.resize_rings(START, 0, (512, 512)), Ok(vec![]));
    assert_eq!(hardware.resize_rings(START, 1, (1, 18)), Ok(vec![]), "there is no such NIC");
    assert_eq!(hardware.resize_rings(START, 0, (512, 18)), Ok(vec![7]));
}
