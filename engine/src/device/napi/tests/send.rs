//! What is sent, and how the queue comes to know of it.

use super::*;

const QUEUE: (usize, u16) = (0, 0);

/// A NIC whose rings are bounded by frames alone.
fn unlimited() -> NicOptions {
    NicOptions { byte_limits: None, ..NicOptions::default() }
}

/// So many frames of 60 bytes are put on the ring.
fn put(hardware: &mut Hardware<u64>, at: u64, frames: u64) {
    for _ in 0..frames {
        assert!(hardware.handle_transmit(START + nanos(at), QUEUE, Footprint::linear(60)), "there is room");
    }
}

/// When the queue is woken first; nanoseconds.
fn woken(hardware: &mut Hardware<u64>) -> Option<u64> {
    let mut at = START;
    loop {
        hardware.handle_timeout(at);
        if let Some(queue) = hardware.poll_woken() {
            assert_eq!(queue, QUEUE);
            return Some(at.since(START).as_nanos() as u64);
        }
        at = hardware.poll_timeout()?;
    }
}

fn queue(hardware: &Hardware<u64>) -> QueueCounters {
    hardware.queues_of(0).next().expect("a queue")
}

#[test]
fn a_full_ring_stops_its_queue_until_a_poll_has_taken_back_what_was_sent() {
    let mut hardware = hardware(NicOptions { tx_ring: 4, ..unlimited() });
    put(&mut hardware, 0, 4);
    assert!(!hardware.can_transmit(0, 0) && !hardware.handle_transmit(START, QUEUE, Footprint::linear(60)));
    hardware.handle_sent(START, QUEUE);
    // Interrupt, poll, and a frame that is taken back: a quarter of the ring.
    assert_eq!(woken(&mut hardware), Some(1000 + 200 + 50));
    assert!(hardware.can_transmit(0, 0));
    assert_eq!(hardware.poll_timeout(), None, "nothing is left to do");
    let queue = queue(&hardware);
    assert_eq!((queue.tx_packets, queue.tx_bytes, queue.tx_busy), (1, 60, 1));
    assert_eq!((queue.tx_stopped, queue.tx_restart, queue.interrupts), (1, 1, 1));
    assert_eq!((queue.polls, queue.sizes.0[0]), (1, 1), "what is taken back is nothing that came");
    assert!(!hardware.can_transmit(0, 1) && !hardware.can_transmit(1, 0), "there is no such queue");
}

#[test]
fn interrupts_for_what_was_sent_wait_for_so_many_or_so_long() {
    let coalescing = Coalescing { tx_usecs: 20, tx_frames: 8, ..Coalescing::default() };
    for (frames, first) in [(8, 7000 + 1000 + 200 + 8 * 50), (3, 20_000 + 1000 + 200 + 3 * 50)] {
        let mut hardware = hardware(NicOptions { tx_ring: frames, coalescing, ..unlimited() });
        put(&mut hardware, 0, frames.into());
        for number in 0..u64::from(frames) {
            hardware.handle_sent(START + nanos(number * 1000), QUEUE);
        }
        assert_eq!(hardware.poll_woken(), None);
        let mut at = START;
        while let Some(next) = hardware.poll_timeout() {
            at = next;
            hardware.handle_timeout(at);
        }
        assert_eq!((hardware.poll_woken(), at), (Some(QUEUE), START + nanos(first)));
        assert_eq!((queue(&hardware).interrupts, queue(&hardware).polls), (1, 1));
    }
}

#[test]
fn a_poll_takes_back_256_frames_and_is_polled_again_for_the_others() {
    let mut hardware = hardware(unlimited());
    put(&mut hardware, 0, 300);
    (0..300).for_each(|_| hardware.handle_sent(START, QUEUE));
    hardware.handle_timeout(START + Duration::from_secs(1));
    let cpu = hardware.cpus(START + Duration::from_secs(1)).next().expect("a CPU");
    assert_eq!((queue(&hardware).interrupts, queue(&hardware).polls), (1, 2));
    assert_eq!(cpu.time(Activity::Softirq), nanos(2 * 200 + 300 * 50));
}

#[test]
fn what_was_sent_is_taken_back_before_what_has_come_is_taken() {
    let mut hardware = hardware(unlimited());
    put(&mut hardware, 0, 2);
    _ = hardware.handle_frame(START, 0, (0, 60), 7);
    hardware.handle_sent(START, QUEUE);
    hardware.handle_sent(START, QUEUE);
    hardware.handle_timeout(START + Duration::from_secs(1));
    assert_eq!(hardware.poll_batch().map(|batch| batch.at), Some(START + nanos(1000 + 200 + 2 * 50 + 400)));
    assert_eq!(queue(&hardware).interrupts, 1);
}

#[test]
fn without_napi_the_interrupt_takes_back_what_was_sent() {
    let mut hardware = hardware(NicOptions { mode: Mode::Interrupt { frames: 1 }, tx_ring: 1, ..unlimited() });
    put(&mut hardware, 0, 1);
    hardware.handle_sent(START, QUEUE);
    assert_eq!(woken(&mut hardware), Some(1000 + 50));
    assert_eq!(queue(&hardware).polls, 0);
}

#[test]
fn a_process_that_polls_takes_back_what_was_sent_and_goes_on_polling() {
    let nic = NicOptions {
        mode: Mode::PreferBusyPoll,
        tx_ring: 1,
        napi_defer_hard_irqs: 2,
        gro_flush_timeout: nanos(20_000),
        ..unlimited()
    };
    let mut hardware = hardware(nic);
    _ = hardware.handle_frame(START, 0, (0, 60), 0);
    hardware.handle_timeout(START + nanos(10_000));
    put(&mut hardware, 10_000, 1);
    hardware.handle_sent(START + nanos(10_000), QUEUE);
    // It has looked each 200 ns from 1600 on.
    hardware.handle_timeout(START + nanos(10_049));
    assert_eq!(hardware.poll_woken(), None);
    hardware.handle_timeout(START + nanos(10_050));
    assert_eq!(hardware.poll_woken(), Some(QUEUE));
    let counted = queue(&hardware);
    assert_eq!((counted.interrupts, counted.busy_polls), (1, 0), "it has found nothing to read");
    _ = hardware.handle_frame(START + nanos(10_100), 0, (0, 60), 1);
    hardware.handle_timeout(START + nanos(20_000));
    assert_eq!((queue(&hardware).interrupts, queue(&hardware).busy_polls), (1, 1));
}

#[test]
fn flows_leave_by_the_queue_that_their_hash_scaled_says() {
    let hardware = hardware(NicOptions { queues: 3, steering: Steering::even(3), ..unlimited() });
    let found = [0, 0x5555_5555, 0x5555_5556, 0xaaaa_aaab, u32::MAX].map(|hash| hardware.transmit_queue(0, hash));
    assert_eq!(found, [0, 0, 1, 2, 2]);
}

#[test]
fn a_ring_finds_what_keeps_its_wire_busy_and_holds_no_more() {
    let mut hardware = hardware(NicOptions::default());
    // A frame of 1000 bytes each 10 us; 1250 ns and more go by before one that was sent is taken back.
    let (mut at, mut on_ring) = (START, 0);
    for _ in 0..1000 {
        hardware.handle_timeout(at);
        while hardware.can_transmit(0, 0) {
            assert!(hardware.handle_transmit(at, QUEUE, Footprint::linear(1000)));
            on_ring += 1;
        }
        if on_ring > 0 {
            at = at + nanos(10_000);
            hardware.handle_sent(at, QUEUE);
            on_ring -= 1;
        }
        at = at + nanos(if on_ring == 0 { 1500 } else { 0 });
    }
    let queue = queue(&hardware);
    assert!(queue.tx_packets > 990 && queue.tx_stopped == 0 && queue.tx_limited > 900, "{queue:?}");
    assert!((1000..=4000).contains(&queue.tx_limit_max), "a few frames of the 512 that there is room for: {queue:?}");
}
