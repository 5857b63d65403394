//! The model against what can be worked out by hand.

use alloc::{vec, vec::Vec};
use core::time::Duration;

use super::*;
use crate::time::Instant;

mod cpus;
mod resize;
mod send;
mod spin;

const fn nanos(nanos: u64) -> Duration {
    Duration::from_nanos(nanos)
}

/// Interrupt 1000, poll 200, packet 400, enqueue 100.
fn hardware(nic: NicOptions) -> Hardware<u64> {
    Hardware::new(&Options { nics: vec![nic], ..Options::default() }).expect("right options")
}

/// So many frames of 60 bytes, one each `every`, with hash 0; when the batches were over, and their frames. From a whole tick on.
fn played(hardware: &mut Hardware<u64>, frames: u64, every: u64) -> Vec<(u64, Vec<u64>)> {
    for number in 0..frames {
        _ = hardware.handle_frame(START + nanos(number * every), 0, (0, 60), number);
    }
    hardware.handle_timeout(START + Duration::from_secs(60));
    assert_eq!(hardware.poll_timeout(), None, "nothing is left to do");
    core::iter::from_fn(|| hardware.poll_batch())
        .map(|batch| {
            let frames = batch.frames.iter().map(|received| received.frame).collect();
            (batch.at.since(START).as_nanos() as u64, frames)
        })
        .collect()
}

const START: Instant = Instant::from_secs(1);

#[test]
fn a_frame_alone_costs_an_interrupt_a_poll_and_its_way() {
    let mut hardware = hardware(NicOptions::default());
    assert_eq!(played(&mut hardware, 3, 10_000), [(1600, vec![0]), (11_600, vec![1]), (21_600, vec![2])]);
    let queue = hardware.queues_of(0).next().expect("a queue");
    assert_eq!((queue.interrupts, queue.polls, queue.delivered), (3, 3, 3));
    assert_eq!((queue.latency_sum, queue.latency_max), (nanos(4800), nanos(1600)));
    let cpu = hardware.cpus(START + Duration::from_secs(60)).next().expect("a CPU");
    assert_eq!(cpu.time(Activity::Interrupt), nanos(3000));
    assert_eq!(cpu.time(Activity::Softirq), nanos(1800));
    assert_eq!(cpu.times.iter().sum::<Duration>(), Duration::from_secs(61));
}

#[test]
fn while_it_polls_no_interrupt_comes_and_the_weight_bounds_a_poll() {
    let mut hardware = hardware(NicOptions::default());
    // 200 at once: polls of 64, 64, 64 and 8 behind one interrupt, in rounds of a poll each, since each one is polled again.
    let polled = played(&mut hardware, 200, 0);
    let ends: Vec<u64> = polled.iter().map(|(at, _)| *at).collect();
    assert_eq!(ends, [1000 + 200 + 64 * 400, 52_600, 78_400, 81_800]);
    assert_eq!(polled.iter().map(|(_, frames)| frames.len()).collect::<Vec<_>>(), [64, 64, 64, 8]);
    let queue = hardware.queues_of(0).next().expect("a queue");
    assert_eq!((queue.interrupts, queue.polls, queue.sizes.0), (1, 4, [0, 0, 0, 0, 1, 0, 0, 3]));
}

#[test]
fn the_same_frames_later_looked_at_give_the_same_batches() {
    let (mut often, mut late) = (hardware(NicOptions::default()), hardware(NicOptions::default()));
    for number in 0..500_u64 {
        let at = START + nanos(number * 450);
        for part in 0..9 {
            often.handle_timeout(START + nanos((number.saturating_sub(1)) * 450 + part * 50));
        }
        _ = often.handle_frame(at, 0, (0, 60), number);
    }
    assert_eq!(played(&mut often, 0, 0), played(&mut late, 500, 450));
}

#[test]
fn what_finds_the_ring_full_is_missed_and_counted() {
    let mut hardware = hardware(NicOptions { rx_ring: 100, ..NicOptions::default() });
    let polled = played(&mut hardware, 150, 0);
    let queue = hardware.queues_of(0).next().expect("a queue");
    assert_eq!((queue.rx_packets, queue.rx_missed_errors, queue.delivered), (100, 50, 100));
    assert_eq!(polled.iter().flat_map(|(_, frames)| frames).copied().collect::<Vec<_>>(), (0..100).collect::<Vec<_>>());
}

#[test]
fn an_interrupt_for_each_packet_puts_off_the_softirq_that_would_take_them_on() {
    let mode = Mode::Interrupt { frames: 1 };
    let mut hardware = hardware(NicOptions { mode, ..NicOptions::default() });
    // 0: interrupt until 1100, poll until 1300, its packet until 1700; at 1500 the next interrupt takes 1100 of that.
    let polled = played(&mut hardware, 2, 1500);
    assert_eq!(polled, [(1700 + 1100 + 400, vec![0, 1])]);
    let cpu = hardware.cpus(START + Duration::from_secs(60)).next().expect("a CPU");
    assert_eq!((cpu.rounds.interrupts, cpu.rounds.polls), (2, 1));
}

#[test]
fn interrupts_that_come_faster_than_they_are_handled_leave_nothing_for_packets() {
    let mode = Mode::Interrupt { frames: 1 };
    let mut hardware = hardware(NicOptions { mode, ..NicOptions::default() });
    for number in 0..10_000 {
        _ = hardware.handle_frame(START + nanos(number * 1000), 0, (0, 60), number);
    }
    assert_eq!(hardware.poll_batch().map(|batch| batch.at), None, "the first poll has not ended: livelock");
    let queue = hardware.queues_of(0).next().expect("a queue");
    let cpu = hardware.cpus(START + nanos(10_000 * 1000)).next().expect("a CPU");
    // One is handled each 1100 ns.
    assert_eq!(queue.interrupts, 9_999_000 / 1100);
    assert_eq!(queue.rx_missed_errors, 10_000 - queue.interrupts - 512);
    assert_eq!(cpu.dropped, queue.interrupts - 1001, "the backlog takes its bound and one more");
}

#[test]
fn deferred_interrupts_stay_off_while_frames_come_in_time() {
    let nic = NicOptions { napi_defer_hard_irqs: 2, gro_flush_timeout: nanos(20_000), ..NicOptions::default() };
    let mut hardware = hardware(nic);
    let polled = played(&mut hardware, 10, 15_000);
    let queue = hardware.queues_of(0).next().expect("a queue");
    assert_eq!((queue.interrupts, polled.iter().map(|(_, frames)| frames.len()).sum::<usize>()), (1, 10));
    // Each poll that finds something gives two more; the last two find nothing and arm it.
    assert_eq!(queue.deferred, queue.polls - 1);
    assert_eq!(queue.sizes.0[0], 2);
    let cpu = hardware.cpus(START).next().expect("a CPU");
    assert_eq!((cpu.rounds.interrupts, cpu.timers), (1, queue.deferred), "they save interrupts");
}

#[test]
fn packets_go_on_to_another_cpu_whose_interrupt_tells_it() {
    let steering = Steering { rps_cpus: 0b10, ..Steering::even(1) };
    let options =
        Options { cpus: 2, nics: vec![NicOptions { steering, ..NicOptions::default() }], ..Options::default() };
    let mut hardware = Hardware::new(&options).expect("right options");
    let polled = played(&mut hardware, 3, 0);
    // CPU 0: interrupt, poll, three times 100 ns; CPU 1: interrupt, poll, three packets.
    assert_eq!(polled, [(1000 + 200 + 300 + 1000 + 200 + 1200, vec![0, 1, 2])]);
    let [first, second] = hardware.cpus(START + Duration::from_secs(60)).collect::<Vec<_>>()[..] else { panic!("two") };
    assert_eq!((first.processed, second.processed, second.received_rps), (0, 3, 1));
    assert_eq!(first.busy() + second.busy(), nanos(1500 + 2400));
    // Both go to sleep afterwards, and wake again.
    _ = hardware.handle_frame(START + Duration::from_secs(70), 0, (0, 60), 3);
    hardware.handle_timeout(START + Duration::from_secs(71));
    assert_eq!(hardware.poll_batch().map(|batch| (batch.cpu, batch.frames.len())), Some((1, 1)));
}

#[test]
fn queues_share_a_round_and_what_is_not_empty_goes_behind_the_others() {
    let nics = vec![NicOptions::default(), NicOptions::default()];
    let mut hardware = Hardware::new(&Options { nics, ..Options::default() }).expect("right options");
    for number in 0..100 {
        _ = hardware.handle_frame(START, 0, (0, 60), number);
    }
    _ = hardware.handle_frame(START, 1, (0, 60), 1000);
    hardware.handle_timeout(START + Duration::from_secs(1));
    let order: Vec<(usize, usize)> =
        core::iter::from_fn(|| hardware.poll_batch()).map(|batch| (batch.frames[0].nic, batch.frames.len())).collect();
    assert_eq!(order, [(0, 64), (1, 1), (0, 36)]);
}

#[test]
fn a_budget_that_is_spent_is_counted_and_ten_rounds_wake_ksoftirqd() {
    // A round is five polls: 320 frames are more than 300. Ten of them are 3200; all come at once.
    let nic = NicOptions { rx_ring: 8192, ..NicOptions::default() };
    let softirq =
        SoftirqOptions { process_slice: nanos(3_000_000), tick: Duration::from_secs(1), ..SoftirqOptions::default() };
    let nics = (0..5).map(|_| nic.clone()).collect();
    let mut hardware = Hardware::new(&Options { nics, softirq, ..Options::default() }).expect("right options");
    for number in 0..4000 {
        _ = hardware.handle_frame(START, number as usize % 5, (0, 60), number);
    }
    hardware.handle_timeout(START + Duration::from_secs(1));
    let cpu = hardware.cpus(START + Duration::from_secs(1)).next().expect("a CPU");
    assert_eq!((cpu.rounds.budget_spent, cpu.rounds.time_spent, cpu.ksoftirqd_woken), (12, 0, 1));
    let interrupts = 5 * 1000;
    assert_eq!(cpu.time(Activity::Softirq), nanos(50 * 200 + 3200 * 400));
    assert_eq!(cpu.time(Activity::Ksoftirqd), nanos(15 * 200 + 800 * 400));
    let ends: Vec<u64> =
        core::iter::from_fn(|| hardware.poll_batch()).map(|b| b.at.since(START).as_nanos() as u64).collect();
    assert_eq!(
        ends[50],
        interrupts + 50 * 200 + 3200 * 400 + 3_000_000 + 200 + 64 * 400,
        "a process has had its slice"
    );
}

#[test]
fn options_that_would_do_harm_are_refused() {
    let with = |change: &dyn Fn(&mut Options)| {
        let mut options = Options::default();
        change(&mut options);
        options.check()
    };
    let range = |name, min, max| Err(OptionsError::Range { name, min, max });
    assert_eq!(with(&|_| {}), Ok(()));
    assert_eq!(with(&|options| options.cpus = 65), range("cpus", 1, 64));
    assert_eq!(with(&|options| options.costs.poll = Duration::ZERO), range("poll cost", 1, 86_400_000_000_000));
    assert_eq!(with(&|options| options.nics[0].rx_ring = 0), range("rx ring", 1, 16_384));
    assert_eq!(with(&|options| options.nics[0].coalescing.rx_frames = 0), Err(OptionsError::NoInterrupt));
    assert_eq!(with(&|options| options.nics[0].coalescing.rx_frames = 513), Err(OptionsError::NoInterrupt));
    assert_eq!(with(&|options| options.nics[0].tx_ring = 16_385), range("tx ring", 1, 16_384));
    let limits = ByteLimitOptions { min: 2, max: 1, ..ByteLimitOptions::default() };
    assert_eq!(with(&|options| options.nics[0].byte_limits = Some(limits)), range("limit_max", 2, u32::MAX.into()));
    let no_interrupt = |max| Err(OptionsError::NoTransmitInterrupt { max });
    assert_eq!(with(&|options| options.nics[0].coalescing.tx_frames = 513), no_interrupt(512));
    let gathers = |tx_ring, tx_frames| {
        with(&|options| {
            let nic = &mut options.nics[0];
            (nic.gathers, nic.tx_ring, nic.coalescing.tx_frames) = (true, tx_ring, tx_frames);
        })
    };
    assert_eq!((gathers(64, 3), gathers(64, 4)), (Ok(()), no_interrupt(3)), "three of 18 descriptors fill it");
    assert_eq!((gathers(18, 1), gathers(53, 3)), (Ok(()), no_interrupt(2)));
    assert_eq!(with(&|options| options.nics[0].steering.indirection[5] = 1), Err(OptionsError::NoQueue(1)));
    assert_eq!(with(&|options| options.nics[0].steering.rps_cpus = 2), Err(OptionsError::NoCpu));
}
