//! Against what Linux 6.18.44 has remembered of connections between two namespaces (`ip tcp_metrics show`), in whole microseconds.

use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddr};

use super::*;
use crate::{limits::DESTINATIONS_MAX, tcp::Ends};

const NOW: Instant = Instant::from_secs(10_000);

fn ends(host: u32) -> Ends {
    let local = SocketAddr::from(([10, 9, 0, 1], 1));
    Ends { local, remote: SocketAddr::new(Ipv4Addr::from_bits(host).into(), 80) }
}

/// In its first slow start, after a round trip that was as long each time.
fn lesson(rtt_micros: u32, segments: u32) -> Lesson {
    let window = Window { segments, ..Window::default() };
    Lesson { rtt_8: rtt_micros << 3, deviation_4: 0, window, trouble: Trouble::Open, reordering: 3 }
}

fn saving_thresholds() -> Sysctls {
    Sysctls { tcp_no_ssthresh_metrics_save: 0, ..Sysctls::default() }
}

/// What is shown after these lessons of a destination whose route says that.
fn learned(sysctls: &Sysctls, metrics: RouteMetrics, lessons: &[Lesson]) -> Destination {
    let mut destinations = Destinations::default();
    for lesson in lessons {
        destinations.revise(NOW, &ends(1), &metrics, |known| known.learn(NOW, sysctls, lesson));
    }
    destinations.all(NOW).next().expect("one")
}

fn times(known: &Destination) -> [u128; 2] {
    [known.rtt.as_micros(), known.deviation.as_micros()]
}

#[test]
fn a_longer_time_is_believed_at_once_and_a_shorter_one_by_eighths_and_quarters() {
    let said = RouteMetrics { rtt_ms: Some(100), ..RouteMetrics::NONE };
    let known = learned(&Sysctls::default(), said, &[lesson(5406, 146)]);
    assert_eq!((times(&known), known.window), ([88_175, 94_594], 146));
    let known = learned(&Sysctls::default(), said, &[lesson(5406, 146), lesson(623, 10)]);
    assert_eq!((times(&known), known.window), ([77_231, 92_833], 146));
    let known = learned(&Sysctls::default(), said, &[lesson(5406, 146), lesson(200_000, 10)]);
    assert_eq!(times(&known), [200_000, 111_824]);
    let first = Lesson { deviation_4: 23 << 2, ..lesson(20, 10) };
    assert_eq!(times(&learned(&Sysctls::default(), RouteMetrics::NONE, &[first])), [20, 23]);
}

#[test]
fn the_window_and_the_threshold_are_learned_by_how_far_the_connection_has_come() {
    let known = |said, lessons: &[Lesson]| {
        let known = learned(&saving_thresholds(), said, lessons);
        (known.window, known.threshold)
    };
    let said = RouteMetrics { ssthresh: Some(20), ..RouteMetrics::NONE };
    let began = lesson(40, 146);
    // It began with the threshold that was known, and has not come there.
    let below = |segments, threshold| {
        let window = Window { segments, threshold, ..Window::default() };
        Lesson { window, ..began }
    };
    assert_eq!(known(RouteMetrics::NONE, &[began]), (146, 0));
    assert_eq!(known(said, &[began]), (146, 73));
    assert_eq!(known(said, &[began, below(10, 73)]), (109, 73));
    let locked = RouteMetrics { locks: Locks::NONE.with(Locks::SSTHRESH, true), ..said };
    assert_eq!(known(locked, &[lesson(40, 160), below(10, 20)]), (90, 20));
    // Beyond it: in congestion avoidance, and in trouble.
    assert_eq!(known(said, &[began, below(100, 80)]), (123, 80));
    assert_eq!(known(said, &[began, below(200, 80)]), (173, 100));
    let troubled = Lesson { trouble: Trouble::Recovery, ..below(100, 80) };
    assert_eq!(known(said, &[began, troubled]), (113, 80));
    assert_eq!(learned(&Sysctls::default(), said, &[began]).threshold, 20, "thresholds are not saved by default");
}

#[test]
fn reordering_is_learned_in_trouble_alone_and_only_if_it_is_no_longer_the_tunables() {
    let of = |reordering, trouble| {
        let window = Window { segments: 5, threshold: 5, ..Window::default() };
        let lesson = Lesson { window, trouble, reordering, ..lesson(40, 5) };
        learned(&Sysctls::default(), RouteMetrics::NONE, &[lesson]).reordering
    };
    assert_eq!(of(7, Trouble::Disorder), 7);
    assert_eq!(of(7, Trouble::Open), 0);
    assert_eq!(of(3, Trouble::Disorder), 0);
}

#[test]
fn what_the_route_locks_stays() {
    let locks = [Locks::RTT, Locks::RTTVAR, Locks::SSTHRESH, Locks::CWND, Locks::REORDERING]
        .iter()
        .fold(Locks::NONE, |locks, lock| locks.with(*lock, true));
    let said = RouteMetrics {
        rtt_ms: Some(100),
        rttvar_ms: Some(50),
        ssthresh: Some(20),
        cwnd: Some(5),
        reordering: Some(4),
        locks,
        ..RouteMetrics::NONE
    };
    let window = Window { segments: 50, threshold: 60, ..Window::default() };
    let lesson = Lesson { window, trouble: Trouble::Loss, reordering: 9, ..lesson(40, 0) };
    let known = learned(&saving_thresholds(), said, &[lesson, lesson]);
    assert_eq!(times(&known), [100_000, 50_000]);
    assert_eq!((known.threshold, known.window, known.reordering), (20, 5, 4));
    let mut destinations = Destinations::default();
    destinations.revise(NOW, &ends(1), &said, Remembered::unlearn_rtt);
    assert!(destinations.is_proven(NOW, &ends(1), &said));
}

#[test]
fn after_an_hour_without_news_it_is_as_the_route_says_but_for_the_cookie() {
    let mut destinations = Destinations::default();
    let sysctls = Sysctls::default();
    destinations.revise(NOW, &ends(1), &RouteMetrics::NONE, |known| {
        known.learn(NOW, &sysctls, &lesson(40, 20));
        known.fast_open.mss_bytes = Some(1000);
    });
    let hour = NOW + Duration::from_secs(3600);
    assert!(destinations.is_proven(hour, &ends(1), &RouteMetrics::NONE));
    let late = hour + Duration::from_nanos(1);
    let said = RouteMetrics { cwnd: Some(7), ..RouteMetrics::NONE };
    assert!(!destinations.is_proven(late, &ends(1), &said));
    let known = destinations.all(late).next().expect("one");
    assert_eq!((known.window, known.rtt, known.fast_open_mss), (7, Duration::ZERO, Some(1000)));
    assert_eq!(known.age, Duration::ZERO);
}

#[test]
fn one_that_has_measured_nothing_makes_the_known_time_worth_nothing_and_is_no_news() {
    let mut destinations = Destinations::default();
    let (sysctls, none) = (Sysctls::default(), RouteMetrics::NONE);
    destinations.revise_known(NOW, &ends(1), &none, Remembered::unlearn_rtt);
    assert_eq!(destinations.all(NOW).count(), 0);
    destinations.revise(NOW, &ends(1), &none, |known| {
        known.learn(NOW, &sysctls, &Lesson { deviation_4: 43 << 2, ..lesson(43, 10) });
    });
    let later = NOW + Duration::from_secs(2);
    destinations.revise_known(later, &ends(1), &none, Remembered::unlearn_rtt);
    let known = destinations.all(later).next().expect("one");
    assert_eq!((times(&known), known.window, known.age), ([0, 43], 10, Duration::from_secs(2)));
}

#[test]
fn the_one_written_longest_ago_makes_room_and_a_snapshot_has_all() {
    let mut destinations = Destinations::default();
    let most = DESTINATIONS_MAX as u32;
    let mut note = |host, mss| {
        destinations.note_server(NOW, &ends(host), &RouteMetrics::NONE, |peer| peer.mss_bytes = Some(mss));
    };
    (0..most).for_each(|host| note(host, 1));
    note(0, 2);
    note(most, 3);
    let mut mss = |host| destinations.server(NOW, &ends(host), &RouteMetrics::NONE).mss_bytes;
    assert_eq!((mss(0), mss(1), mss(2), mss(most)), (Some(2), None, Some(1), Some(3)));
    assert_eq!(destinations.all(NOW).count(), DESTINATIONS_MAX);
    let twin = Destinations::restore(destinations.record()).expect("a record of one");
    assert_eq!(twin.record(), destinations.record());
    assert!(Destinations::restore(destinations.record().twice()).is_none(), "too many");
}

#[test]
fn a_snapshot_locks_no_window_of_nothing() {
    let mut destinations = Destinations::default();
    let metrics = RouteMetrics { cwnd: Some(0), locks: Locks::CWND, ..RouteMetrics::NONE };
    destinations.note_server(NOW, &ends(1), &metrics, |peer| peer.mss_bytes = Some(1));
    assert!(Destinations::restore(destinations.record()).is_none());
}

#[test]
fn those_in_a_network_are_forgotten_or_all() {
    let mut destinations = Destinations::default();
    for host in 1..=3 {
        destinations.note_server(NOW, &ends(host), &RouteMetrics::NONE, |peer| peer.mss_bytes = Some(1));
    }
    let host = Some((ends(2).remote.ip(), 32));
    assert_eq!((destinations.forget(host), destinations.forget(host)), (1, 0));
    let left: Vec<IpAddr> = destinations.all(NOW).map(|known| known.address).collect();
    assert_eq!(left, [ends(1).remote.ip(), ends(3).remote.ip()]);
    assert_eq!(destinations.forget(Some((ends(2).remote.ip(), 31))), 1);
    assert_eq!(destinations.forget(Some(("::".parse().expect("an address"), 0))), 0);
    assert_eq!((destinations.forget(None), destinations.record()), (1, DestinationsRecord::default()));
}
