use alloc::vec::Vec;

use super::*;

/// A way of 1000-byte segments, of which `delivered` have come by then.
fn flow(millis: u64, delivered: u32) -> Flow {
    let now = Instant::from_nanos(1_000_000 * millis);
    Flow {
        now,
        mss_bytes: 1000,
        smoothed: Some(Duration::from_millis(10)),
        least: Some(Duration::from_millis(10)),
        delivered,
        delivered_at: Some(now),
        lost: 0,
        in_flight: 10,
        departs: now,
        trouble: Trouble::Open,
        pacing_rate_max: u64::MAX,
        pacing_rate: u64::MAX,
        app_limited_until: None,
    }
}

/// So many segments were delivered in ten milliseconds, and a round has ended.
fn sample(flow: &Flow, segments: u32) -> Sample {
    Sample {
        delivered: Some(segments),
        interval: Some(Duration::from_millis(10)),
        prior_delivered: flow.delivered,
        acknowledged: segments,
        rtt: Some(Duration::from_millis(10)),
        prior_in_flight: flow.in_flight,
        ..Sample::default()
    }
}

/// An acknowledgement of so many segments comes.
fn step(bbr: &mut Bbr, window: &mut Window, mut now: Flow, segments: u32) {
    let sample = sample(&now, segments);
    bbr.control(&mut now, window, &sample);
}

/// Segments a millisecond.
fn per_milli(segments: u32) -> u32 {
    segments * (ONE_SEGMENT / 1000)
}

#[test]
fn rates_are_one_percent_below_the_bandwidth() {
    assert_eq!(bytes_per_second(ONE_SEGMENT.into(), 1000, UNIT), 990_000_000);
    assert_eq!(bytes_per_second(ONE_SEGMENT.into(), 1000, 2 * UNIT), 2 * 990_000_000);
    assert_eq!(bandwidth::bytes(ONE_SEGMENT, 1000), 1_000_000_000);
    assert_eq!((HIGH_GAIN, DRAIN_GAIN), (739, 88), "2.89, and its inverse");
}

#[test]
fn the_most_counts_for_ten_rounds() {
    let mut bandwidth = Bandwidth::default();
    let mut round = |segments: u32, number: u32| {
        let flow = flow(number.into(), number);
        bandwidth.update(&flow, &sample(&flow, segments), false);
        bandwidth.most() / (ONE_SEGMENT / 10_000)
    };
    assert_eq!(round(50, 1), 50);
    for number in 2..=11 {
        assert_eq!(round(20, number), 50, "round {number}");
    }
    assert_eq!(round(20, 12), 20, "the first one is more than ten rounds old");
    assert_eq!(round(30, 13), 30, "more counts at once");
}

#[test]
fn what_the_user_has_not_sent_lowers_no_bandwidth() {
    let mut bandwidth = Bandwidth::default();
    for number in 1..40 {
        let flow = flow(number.into(), number);
        let measured = sample(&flow, if number == 1 { 50 } else { 2 });
        bandwidth.update(&flow, &Sample { is_app_limited: number > 1, ..measured }, false);
    }
    assert_eq!(bandwidth.most() / (ONE_SEGMENT / 10_000), 50);
}

#[test]
fn startup_ends_after_three_rounds_without_growth_and_the_queue_is_let_go() {
    let (mut bbr, mut window) = (Bbr::default(), Window::default());
    let mut now = flow(0, 1);
    bbr.begin(&mut now, &mut window, 1);
    // 2.89 times ten segments each ten milliseconds.
    assert_eq!(now.pacing_rate, bytes_per_second(per_milli(1).into(), 1000, HIGH_GAIN));
    let mut delivered = 1;
    for round in 1..=5 {
        delivered += 40;
        let now = Flow { in_flight: 60, pacing_rate: 4_000_000, ..flow(10 * round, delivered) };
        step(&mut bbr, &mut window, now, 40);
        let expected = if round < 4 { Mode::Startup } else { Mode::Drain };
        assert_eq!(bbr.mode, expected, "round {round}");
    }
    assert_eq!(bbr.pacing_gain, DRAIN_GAIN);
    let now = Flow { in_flight: 40, pacing_rate: 4_000_000, ..flow(60, delivered + 40) };
    step(&mut bbr, &mut window, now, 40);
    assert_eq!(bbr.mode, Mode::ProbeBandwidth);
}

#[test]
fn two_times_in_a_row_with_much_loss_and_one_rate_are_a_policers() {
    let mut bandwidth = Bandwidth::default();
    let (mut delivered, mut lost) = (0, 0);
    let mut found = Vec::new();
    for round in 1..=60_u64 {
        (delivered, lost) = (delivered + 40, lost + 12);
        let now = Flow { lost, ..flow(10 * round, delivered) };
        let news = bandwidth.update(&now, &Sample { lost: 12, ..sample(&now, 40) }, true);
        if news != BandwidthNews::Nothing {
            found.push((round, news));
        }
    }
    assert_eq!(found.first(), Some(&(8, BandwidthNews::Policed)));
    assert_eq!(found.get(1), Some(&(56, BandwidthNews::PolicerOver)), "48 rounds later it is asked anew");
}

#[test]
fn without_much_loss_there_is_no_policer() {
    let mut bandwidth = Bandwidth::default();
    for round in 1..=60_u64 {
        let now = Flow { lost: round as u32, ..flow(10 * round, 40 * round as u32) };
        let news = bandwidth.update(&now, &Sample { lost: 1, ..sample(&now, 40) }, true);
        assert_eq!(news, BandwidthNews::Nothing);
    }
}

#[test]
fn acknowledgements_in_heaps_let_more_be_in_flight() {
    let mut aggregation = Aggregation::default();
    aggregation.begin(Instant::ZERO);
    for heap in 1..=20_u64 {
        let now = flow(20 * heap, 80 * heap as u32);
        aggregation.update(&now, &sample(&now, 80), per_milli(4), false, 1000);
    }
    // A heap of twenty milliseconds.
    let segments = aggregation.segments(per_milli(4));
    assert!((80..=82).contains(&segments), "{segments}");
}

#[test]
fn after_a_timeout_the_window_comes_back_when_it_is_over() {
    let (mut bbr, mut window) = (Bbr::default(), Window::default());
    let mut now = flow(0, 1);
    bbr.begin(&mut now, &mut window, 1);
    window.set(50);
    bbr.threshold_after_loss(now.now, &window);
    window.set(1);
    bbr.enter(&now, Trouble::Loss);
    let now = flow(20, 30);
    step(&mut bbr, &mut window, now, 1);
    assert!(window.segments >= 50, "{}", window.segments);
}
