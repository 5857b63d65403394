//! What interrupts cost: the lab's hosts against what can be worked out on paper.
//!
//! A packet comes each T. An interrupt takes I, a poll P, a packet S, putting one on a backlog E; all times are in nanoseconds.

use std::sync::OnceLock;

use towpath_replay::lab::{LoadStep, Report, Scenario, run};

const I: u64 = 1000;
const P: u64 = 200;
const S: u64 = 400;
const E: u64 = 100;
/// Frames of a softirq's poll, and of a process's.
const WEIGHT: u64 = 64;
const BUSY: u64 = 8;
const PACKETS: u64 = 5000;

fn played() -> &'static (Scenario, Report) {
    static PLAYED: OnceLock<(Scenario, Report)> = OnceLock::new();
    PLAYED.get_or_init(|| {
        let scenario = super::library::read("interrupts.toml");
        let report = run(&scenario, None).unwrap_or_else(|error| panic!("{error}"));
        (scenario, report)
    })
}

fn steps(name: &str) -> &'static [LoadStep] {
    let (scenario, report) = played();
    let place = scenario.loads.iter().position(|load| load.name == name).expect("such a load");
    assert_eq!(report.loads[place].steps.len(), scenario.loads[place].rates.len(), "{name} was not played to its end");
    &report.loads[place].steps
}

/// Packets that come with one interrupt, and the time until it is armed again. The interrupt is handled `wait` after the first of them;
/// then polls follow each other, of these weights and of as many more of the last one as it takes. Each takes what has come by the time
/// that it is done with the others; the first that neither finds its weight nor is one of the `firm` ones is the last. `None`: the ring
/// is never empty.
fn cycle(wait: u64, rate: u64, weights: &[u64], firm: usize) -> Option<(u64, u64)> {
    let (mut at, mut taken) = (wait + I, 0);
    for number in 0..10_000 {
        let weight = weights[number.min(weights.len() - 1)];
        at += P;
        let mut found = 0;
        while found < weight && taken * 1_000_000_000 / rate < at {
            (at, taken, found) = (at + S, taken + 1, found + 1);
        }
        if found < weight && number >= firm {
            return Some((taken, at));
        }
    }
    None
}

/// Whether `found` is `expected`, give or take a hundredth and `slack`.
fn is_near(found: u64, expected: u64, slack: u64) -> bool {
    found.abs_diff(expected) <= expected / 100 + slack
}

/// What coalescing waits: 20 us behind the first packet, or for the 32nd.
fn coalesced(rate: u64) -> u64 {
    20_000.min(31 * 1_000_000_000 / rate)
}

#[test]
fn interrupts_are_as_many_as_each_way_to_take_frames_needs() {
    for step in steps("per packet") {
        // One a packet for as long as they are handled faster than they come, and one after the other beyond.
        let expected = PACKETS.min(step.time.as_nanos() as u64 / (I + E));
        assert!(is_near(step.cpus.rounds.interrupts, expected, 2), "per packet at {}: {step:?}", step.rate);
    }
    let held = |name: &str, weights: &[u64], firm, wait: fn(u64) -> u64| {
        for step in steps(name) {
            let expected = cycle(wait(step.rate), step.rate, weights, firm).map_or(1, |(n, _)| PACKETS.div_ceil(n));
            assert!(is_near(step.cpus.rounds.interrupts, expected, 2), "{name} at {}, {expected}: {step:?}", step.rate);
        }
    };
    held("NAPI", &[WEIGHT], 0, |_| 0);
    held("coalesced", &[WEIGHT], 0, coalesced);
    // A process polls, and once more before it reads. What finds its weight in that one is a softirq's.
    held("busy poll", &[BUSY, BUSY, WEIGHT], 1, |_| 0);
    for step in steps("preferred busy poll") {
        assert_eq!(step.cpus.rounds.interrupts, 1, "the first one wakes the process, at {}", step.rate);
    }
}

#[test]
fn an_interrupt_for_each_packet_ends_in_livelock_and_a_masked_one_does_not() {
    for step in steps("per packet") {
        let time = step.time.as_nanos() as u64;
        // What interrupts leave is for packets, and for a poll each 64.
        let left = time.saturating_sub(PACKETS * (I + E));
        let expected = PACKETS.min(left * WEIGHT / (S * WEIGHT + P));
        assert!(is_near(step.queues.delivered, expected, WEIGHT), "at {}, {expected}: {step:?}", step.rate);
        if step.rate * (I + E) > 1_000_000_000 {
            assert_eq!(step.queues.delivered, 0, "nothing gets through at {}", step.rate);
        }
    }
    // Beyond what it can take, a process never gets to poll by itself: the softirq that has woken it finds its weight each time. Where it
    // prefers to poll, softirqs leave the ring to it after their ten rounds.
    for (name, weight) in
        [("NAPI", WEIGHT), ("coalesced", WEIGHT), ("busy poll", WEIGHT), ("preferred busy poll", BUSY)]
    {
        for step in steps(name) {
            let time = step.time.as_nanos() as u64;
            let expected = PACKETS.min(time * weight / (S * weight + P));
            // What waits for an interrupt at the end has not gone on: 32 of them, or those of 20 us.
            let slack = WEIGHT + 32;
            assert!(is_near(step.queues.delivered, expected, slack), "{name} at {}, {expected}: {step:?}", step.rate);
            let known = step.queues.rx_packets + step.queues.rx_missed_errors;
            assert!((4980..=5000).contains(&known), "{name} at {}: all but what is on the wire", step.rate);
        }
    }
}

#[test]
fn masking_the_interrupt_never_costs_more_and_saves_ever_more_as_load_grows() {
    let (old, napi) = (steps("per packet"), steps("NAPI"));
    let a_packet = |step: &LoadStep| step.interrupts_per_thousand();
    assert!(napi.windows(2).all(|pair| a_packet(&pair[1]) <= a_packet(&pair[0]) + 1), "interrupts a packet never grow");
    // The crossover: one interrupt a packet for both until the second packet comes while the first is dealt with.
    for (old, napi) in old.iter().zip(napi) {
        let is_before = 1_000_000_000 / napi.rate >= I + P + S;
        let both_take_one = a_packet(napi) >= 998 && a_packet(old) >= 998;
        assert_eq!(both_take_one, is_before, "at {}: {} and {}", napi.rate, a_packet(old), a_packet(napi));
        assert!(napi.queues.delivered + WEIGHT >= old.queues.delivered, "at {}", napi.rate);
        assert!(napi.cpu_per_thousand() <= old.cpu_per_thousand() + 1, "at {}", napi.rate);
    }
    assert_eq!(napi.last().map(|step| step.cpus.rounds.interrupts), Some(1));
}

#[test]
fn a_process_that_polls_takes_the_whole_cpu_and_the_others_what_comes_costs() {
    let is_held = |name: &str, step: &LoadStep, expected: u64| {
        let found = step.cpu_per_thousand();
        assert!(found.abs_diff(expected.min(1000)) <= 10, "{name} at {}: {found}, not {expected}", step.rate);
    };
    for step in steps("per packet") {
        // All four for each packet, but a poll takes all that have come; beyond what it can take there is nothing left.
        let all = step.rate * (I + E + P + S) / 1_000_000;
        let least = step.rate * (I + E + S) / 1_000_000;
        let found = step.cpu_per_thousand();
        assert!(
            (least.min(1000).saturating_sub(10)..=all.min(1000) + 10).contains(&found),
            "at {}: {found}",
            step.rate
        );
    }
    for (name, wait) in [("NAPI", (|_| 0) as fn(u64) -> u64), ("coalesced", coalesced)] {
        for step in steps(name) {
            let busy = cycle(wait(step.rate), step.rate, &[WEIGHT], 0)
                .map_or(1000, |(n, armed)| (armed - wait(step.rate)) * step.rate / n / 1_000_000);
            is_held(name, step, busy);
        }
    }
    for name in ["busy poll", "preferred busy poll"] {
        // But for the first packet's way to the host, when the process sleeps.
        steps(name).iter().for_each(|step| is_held(name, step, 1000));
    }
}

#[test]
fn latency_is_the_wait_for_the_interrupt_and_the_poll_and_only_polling_without_interrupts_saves_them() {
    let mean = |name: &str, place: usize| steps(name)[place].latency_mean().expect("packets went on").as_nanos() as u64;
    // At 1 k/s each packet is alone.
    assert_eq!(mean("per packet", 0), I + E + P + S);
    assert_eq!(mean("NAPI", 0), I + P + S);
    assert_eq!(mean("coalesced", 0), 20_000 + I + P + S);
    // The interrupt that a process has armed puts off its look.
    assert_eq!(mean("busy poll", 0), I + P + S);
    // The first packet wakes the process, and when the others come it has just looked: each T is a multiple of P.
    let sum = steps("preferred busy poll")[0].queues.latency_sum.as_nanos() as u64;
    assert_eq!(sum, I + P + S + (PACKETS - 1) * S);
    // A ring that is always full is as long as what it holds takes.
    let full = 512 * S + 512 / WEIGHT * P;
    let last = steps("NAPI").last().expect("a step").queues.latency_peak.as_nanos() as u64;
    assert!(is_near(last, full, WEIGHT * S + P), "{last}, not {full}");
}

#[test]
fn the_five_loads_are_the_same() {
    let (scenario, _) = played();
    assert!(scenario.loads.iter().all(|load| load.rates == scenario.loads[0].rates && load.packets == PACKETS));
}
