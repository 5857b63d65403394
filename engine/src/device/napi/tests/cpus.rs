//! What CPUs leave to each other, and to their threads.

use super::*;

/// Two CPUs; packets go on to those of `rps_cpus`.
fn steered(rps_cpus: u64, softirq: SoftirqOptions) -> Hardware<u64> {
    let steering = Steering { rps_cpus, ..Steering::even(1) };
    let nics = vec![NicOptions { steering, ..NicOptions::default() }];
    Hardware::new(&Options { cpus: 2, nics, softirq, ..Options::default() }).expect("right options")
}

fn batches(hardware: &mut Hardware<u64>) -> Vec<(u64, usize, Vec<u64>)> {
    core::iter::from_fn(|| hardware.poll_batch())
        .map(|batch| {
            let frames = batch.frames.iter().map(|received| received.frame).collect();
            (batch.at.since(START).as_nanos() as u64, batch.cpu, frames)
        })
        .collect()
}

#[test]
fn dev_weight_bounds_polls_of_the_backlog_and_not_those_of_queues() {
    let mut hardware = steered(0b10, SoftirqOptions { dev_weight: 16, ..SoftirqOptions::default() });
    let sizes: Vec<usize> = played(&mut hardware, 100, 0).into_iter().map(|(_, frames)| frames.len()).collect();
    assert_eq!(sizes.iter().max(), Some(&16));
    let queue = hardware.queues_of(0).next().expect("a queue");
    assert_eq!(queue.sizes.0, [0, 0, 0, 0, 0, 0, 1, 1], "polls of 64 and 36");
}

#[test]
fn a_cpu_is_told_of_its_packets_before_the_one_that_tells_polls_its_own() {
    let mut hardware = steered(0b11, SoftirqOptions::default());
    for (number, hash) in [(0, 0), (1, u32::MAX)] {
        _ = hardware.handle_frame(START, 0, (hash, 60), number);
    }
    hardware.handle_timeout(START + Duration::from_secs(1));
    // The queue's poll ends at 1400. From then on one CPU polls its backlog, and the other one is interrupted.
    assert_eq!(batches(&mut hardware), [(2000, 0, vec![0]), (3000, 1, vec![1])]);
}

#[test]
fn ksoftirqd_is_woken_once_and_keeps_its_turn_whatever_interrupts_come() {
    let nics = vec![NicOptions { rx_ring: 8192, ..NicOptions::default() }, NicOptions::default()];
    let softirq =
        SoftirqOptions { process_slice: nanos(10_000_000), tick: Duration::from_secs(1), ..SoftirqOptions::default() };
    let mut hardware = Hardware::new(&Options { nics, softirq, ..Options::default() }).expect("right options");
    for number in 0..1500 {
        _ = hardware.handle_frame(START, 0, (0, 60), number);
    }
    // Ten rounds of 64 end at 259,000 ns. Then another interrupt comes, and behind it ten more.
    _ = hardware.handle_frame(START + nanos(300_000), 1, (0, 60), 1500);
    hardware.handle_timeout(START + Duration::from_secs(1));
    let cpu = hardware.cpus(START + Duration::from_secs(1)).next().expect("a CPU");
    assert_eq!(cpu.ksoftirqd_woken, 1);
    let ends: Vec<u64> = batches(&mut hardware).into_iter().map(|(at, ..)| at).collect();
    assert_eq!(ends[10 + 11], 259_000 + 10_000_000 + 200 + 64 * 400);
}
