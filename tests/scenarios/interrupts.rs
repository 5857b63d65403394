//! What interrupts cost: the lab's hosts against what can be worked out on paper.
//!
//! A packet comes each T. An interrupt takes I, a poll P, a packet S, putting one on a backlog E; all times are in nanoseconds.

use towpath_replay::lab::{LoadStep, Report, Scenario, run};

const I: u64 = 1000;
const P: u64 = 200;
const S: u64 = 400;
const E: u64 = 100;
const WEIGHT: u64 = 64;

fn played() -> (Scenario, Report) {
    let scenario = super::library::read("interrupts.toml");
    let report = run(&scenario, None).unwrap_or_else(|error| panic!("{error}"));
    (scenario, report)
}

fn steps<'r>((scenario, report): &'r (Scenario, Report), name: &str) -> &'r [LoadStep] {
    let place = scenario.loads.iter().position(|load| load.name == name).expect("such a load");
    assert_eq!(report.loads[place].steps.len(), scenario.loads[place].rates.len(), "{name} was not played to its end");
    &report.loads[place].steps
}

/// Packets that come with one interrupt, which is handled `wait` after the first of them: the least n that have been dealt with before the
/// next one comes. A poll that has used up its weight is followed by another one. `None`: the ring is never empty.
fn packets_an_interrupt(wait: u64, rate: u64) -> Option<u64> {
    let spent = |n: u64| wait + I + P * (1 + n / WEIGHT) + n * S;
    (1..100_000).find(|n| n * 1_000_000_000 / rate >= spent(*n))
}

/// Whether `found` is `expected`, give or take a hundredth and `slack`.
fn is_near(found: u64, expected: u64, slack: u64) -> bool {
    found.abs_diff(expected) <= expected / 100 + slack
}

#[test]
fn interrupts_are_as_many_as_the_three_ways_to_take_frames_need() {
    let played = played();
    for step in steps(&played, "per packet") {
        // One a packet for as long as they are handled faster than they come, and one after the other beyond.
        let expected = 5000.min(step.time.as_nanos() as u64 / (I + E));
        assert!(is_near(step.cpus.rounds.interrupts, expected, 2), "per packet at {}: {step:?}", step.rate);
    }
    for step in steps(&played, "NAPI") {
        let expected = packets_an_interrupt(0, step.rate).map_or(1, |n| 5000 / n);
        assert!(is_near(step.cpus.rounds.interrupts, expected, 2), "NAPI at {}, {expected}: {step:?}", step.rate);
    }
    for step in steps(&played, "coalesced") {
        // 20 us behind the first one, or with the 32nd.
        let wait = 20_000.min(31 * 1_000_000_000 / step.rate);
        let expected = packets_an_interrupt(wait, step.rate).map_or(1, |n| 5000 / n);
        assert!(is_near(step.cpus.rounds.interrupts, expected, 2), "coalesced at {}, {expected}: {step:?}", step.rate);
    }
    for step in steps(&played, "busy poll") {
        assert_eq!(step.cpus.rounds.interrupts, 1, "the first one wakes the process, at {}", step.rate);
    }
}

#[test]
fn an_interrupt_for_each_packet_ends_in_livelock_and_a_masked_one_does_not() {
    let played = played();
    for step in steps(&played, "per packet") {
        let time = step.time.as_nanos() as u64;
        // What interrupts leave is for packets, and for a poll each 64.
        let left = time.saturating_sub(5000 * (I + E));
        let expected = 5000.min(left * WEIGHT / (S * WEIGHT + P));
        assert!(is_near(step.queues.delivered, expected, WEIGHT), "at {}, {expected}: {step:?}", step.rate);
        if step.rate * (I + E) > 1_000_000_000 {
            assert_eq!(step.queues.delivered, 0, "nothing gets through at {}", step.rate);
        }
    }
    // Beyond what it can take, a process never gets to poll: the softirq that has woken it finds its weight each time.
    for (name, weight) in [("NAPI", WEIGHT), ("coalesced", WEIGHT), ("busy poll", WEIGHT)] {
        for step in steps(&played, name) {
            let time = step.time.as_nanos() as u64;
            let expected = 5000.min(time * weight / (S * weight + P));
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
    let played = played();
    let (old, napi) = (steps(&played, "per packet"), steps(&played, "NAPI"));
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
fn latency_is_the_wait_for_the_interrupt_and_the_poll_and_busy_polling_has_the_least() {
    let played = played();
    let mean = |name: &str, place: usize| {
        steps(&played, name)[place].latency_mean().expect("packets went on").as_nanos() as u64
    };
    // At 1 k/s each packet is alone.
    assert_eq!(mean("per packet", 0), I + E + P + S);
    assert_eq!(mean("NAPI", 0), I + P + S);
    assert!(is_near(mean("coalesced", 0), 20_000 + I + P + S, 0), "{}", mean("coalesced", 0));
    let busy = mean("busy poll", 0);
    assert!((S..=P + S + 1).contains(&busy), "{busy}");
    // A ring that is always full is as long as what it holds takes.
    let full = 512 * S + 512 / WEIGHT * P;
    let last = steps(&played, "NAPI").last().expect("a step").queues.latency_max.as_nanos() as u64;
    assert!(is_near(last, full, WEIGHT * S + P), "{last}, not {full}");
    // And CPU time: alone, a packet takes all four; who polls takes all there is.
    let cpu = |name: &str, place: usize| steps(&played, name)[place].cpu_per_thousand();
    assert_eq!([cpu("per packet", 4), cpu("NAPI", 4)], [(I + E + P + S) / 10, (I + P + S) / 10]);
    assert!(cpu("busy poll", 0) >= 999);
}
