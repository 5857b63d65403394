//! Processes that poll.

use super::*;

fn spinning(mode: Mode) -> NicOptions {
    NicOptions { mode, busy_read: nanos(50_000), ..NicOptions::default() }
}

fn preferring() -> NicOptions {
    NicOptions { napi_defer_hard_irqs: 2, gro_flush_timeout: nanos(20_000), ..spinning(Mode::PreferBusyPoll) }
}

fn ends(polled: &[(u64, Vec<u64>)]) -> Vec<u64> {
    polled.iter().map(|(at, _)| *at).collect()
}

fn counted(hardware: &Hardware<u64>) -> (QueueCounters, CpuCounters) {
    let queue = hardware.queues_of(0).next().expect("a queue");
    (queue, hardware.cpus(START + Duration::from_secs(60)).next().expect("a CPU"))
}

#[test]
fn a_process_that_polls_is_interrupted_for_each_packet_that_it_has_waited_for() {
    let mut hardware = hardware(spinning(Mode::BusyPoll));
    let polled = played(&mut hardware, 5, 10_000);
    // The first is a softirq's. At the others the interrupt that is armed comes first, and the process looks anew afterwards.
    assert_eq!(ends(&polled), [1600, 11_600, 21_600, 31_600, 41_600]);
    let (queue, cpu) = counted(&hardware);
    assert_eq!((queue.interrupts, queue.polls, queue.busy_polls), (5, 1, 4));
    // It gives up 50 us after its last poll, which lasts 200 ns, and polls once more then.
    let spun = 41_600 + 200 + 50_000 + 200 - 1600 - 4 * 1000;
    assert_eq!((cpu.time(Activity::BusyPoll), cpu.time(Activity::Interrupt)), (nanos(spun), nanos(5000)));
}

#[test]
fn what_a_process_finds_before_the_interrupt_is_due_raises_none() {
    let coalescing = Coalescing { rx_usecs: 5, rx_frames: 0, ..Coalescing::default() };
    let mut hardware = hardware(NicOptions { coalescing, ..spinning(Mode::BusyPoll) });
    let polled = played(&mut hardware, 5, 10_000);
    // 5 us and an interrupt for the first; the process looks each 200 ns from 6600 on, and from the end of its last poll.
    assert_eq!(ends(&polled), [6600, 10_400, 20_400, 30_400, 40_400]);
    let (queue, cpu) = counted(&hardware);
    assert_eq!((queue.interrupts, queue.busy_polls), (1, 4));
    assert_eq!(cpu.time(Activity::BusyPoll), nanos(40_400 + 200 + 50_000 + 200 - 6600));
}

#[test]
fn a_process_that_prefers_to_poll_and_has_both_knobs_is_interrupted_once() {
    let mut hardware = hardware(preferring());
    let polled = played(&mut hardware, 5, 10_000);
    assert_eq!(ends(&polled), [1600, 10_400, 20_400, 30_400, 40_400]);
    let (queue, cpu) = counted(&hardware);
    // It comes back before the timer is over. That comes while it waits for a sixth, and finds that somebody has the queue. It has been
    // set anew when the process gives up, and puts off the interrupt once more.
    assert_eq!((queue.interrupts, queue.deferred), (1, 2));
    assert_eq!((cpu.rounds.interrupts, cpu.timers, cpu.time(Activity::Interrupt)), (1, 3, nanos(4000)));
    // And then it is armed.
    _ = hardware.handle_frame(START + Duration::from_secs(70), 0, (0, 60), 5);
    hardware.handle_timeout(START + Duration::from_secs(71));
    assert_eq!(hardware.poll_batch().map(|batch| batch.at), Some(START + Duration::from_secs(70) + nanos(1600)));
}

#[test]
fn a_preference_without_the_knobs_changes_nothing() {
    let played = |mode| played(&mut hardware(spinning(mode)), 500, 2500);
    assert_eq!(played(Mode::BusyPoll), played(Mode::PreferBusyPoll));
}

#[test]
fn beyond_what_it_can_take_a_process_that_prefers_to_poll_goes_on_polling_and_another_one_never_gets_to() {
    let [softirqs, processes] = [spinning(Mode::BusyPoll), preferring()].map(|nic| {
        let mut hardware = hardware(nic);
        let polled = played(&mut hardware, 20_000, 250);
        let last = polled.iter().filter(|(at, _)| *at < 20_000 * 250);
        (last.map(|(_, frames)| frames.len()).max(), counted(&hardware).0)
    });
    assert_eq!((softirqs.0, softirqs.1.busy_polls), (Some(64), 0));
    // Ten rounds, and one of ksoftirqd, which leaves the rest to the process. That takes 8 each time. Two find nothing in the end.
    let left = processes.1;
    assert_eq!((left.interrupts, left.polls), (1, 11 + 2));
    assert_eq!(left.busy_polls, (left.delivered - 11 * 64).div_ceil(8));
}

#[test]
fn processes_of_a_cpu_look_in_turn() {
    let nics = vec![preferring(), preferring()];
    let mut hardware = Hardware::new(&Options { nics, ..Options::default() }).expect("right options");
    for (micros, nic) in [(0, 0), (0, 1), (10, 0), (20, 1)] {
        _ = hardware.handle_frame(START + nanos(micros * 1000), nic, (0, 60), micros);
    }
    hardware.handle_timeout(START + nanos(25_000));
    let ends: Vec<u64> =
        core::iter::from_fn(|| hardware.poll_batch()).map(|batch| batch.at.since(START).as_nanos() as u64).collect();
    // Two interrupts and both polls end at 3200. Each is looked at every 400 ns: the first at 3400, 3800, ..., 10,200; it is read at 10,800,
    // after which the second one is looked at first, at 11,000, 11,400, ..., 20,200.
    assert_eq!(ends, [2600, 3200, 10_600, 20_600]);
}
