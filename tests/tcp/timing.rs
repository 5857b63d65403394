//! When segments are sent: acknowledgements, repetitions, probes (RFC 6298, RFC 8985, RFC 1122).

use std::time::Duration;

use lab::network::{Link, Network, Peer, address_v6};
use towpath_engine::{
    socket::{Family, SocketError, SocketOption},
    tcp::State,
};

const NONE: [&str; 0] = [];

fn lines(sent: &[(u64, String)]) -> Vec<(u64, &str)> {
    sent.iter().map(|(when, line)| (*when, line.as_str())).collect()
}

#[test]
fn the_first_segments_are_acknowledged_at_once_and_later_ones_after_a_while_or_by_twos() {
    let mut peer = Peer::new().accepted("mss 1460 wscale 7");
    let mut next = 1;
    let mut comes = |peer: &mut Peer| {
        peer.gets(&format!("A seq {next} ack 1 win 60000 len 1460"));
        next += 1460;
        peer.says()
    };
    for at in 1..=16 {
        assert_eq!(comes(&mut peer), [format!("A seq 1 ack {}", 1 + at * 1460)]);
        peer.call().receive(&mut [0; 1460]).unwrap();
        peer.passes(10);
    }
    assert_eq!(comes(&mut peer), NONE);
    assert_eq!(lines(&peer.waits(Duration::from_millis(100))), [(40, "A seq 1 ack 24821")]);
    peer.call().receive(&mut [0; 1460]).unwrap();
    assert_eq!(comes(&mut peer), NONE);
    peer.call().receive(&mut [0; 1460]).unwrap();
    assert_eq!(comes(&mut peer), ["A seq 1 ack 27741"]);
}

#[test]
fn what_comes_behind_a_gap_is_acknowledged_after_a_twentieth_of_the_round_trip_once_the_gap_has_been_told_of() {
    for (delay_millis, expected) in [(100, 10), (4, 4)] {
        let peer = Peer::new().round_trip(200).sysctl("net.ipv4.tcp_comp_sack_slack_ns", &[0]);
        let peer = peer.sysctl("net.ipv4.tcp_comp_sack_delay_ns", &[delay_millis * 1_000_000]);
        let mut peer = peer.accepted("mss 1460 sackok ts 1/0");
        // A question and its answer, so that nothing is acknowledged at once without a reason.
        peer.gets("PA seq 1 ack 1 win 60000 ts 2/E len 1448");
        assert_eq!(peer.says(), ["A seq 1 ack 1449"]);
        peer.call().send(b"hello").expect("there is room");
        assert_eq!(peer.says(), ["PA seq 1 ack 1449 len 5"]);
        peer.passes(200);
        peer.gets("A seq 1449 ack 6 win 60000 ts 3/E");
        for at in 1..=3 {
            peer.passes(200);
            peer.gets(&format!("A seq {} ack 6 win 60000 ts 4/E len 1448", 1449 + at * 1448));
            assert_eq!(peer.says().len(), 1, "{at}");
        }
        peer.passes(200);
        peer.gets("A seq 7241 ack 6 win 60000 ts 5/E len 1448");
        assert_eq!(peer.says(), NONE);
        let waited = peer.waits(Duration::from_millis(100));
        assert_eq!(lines(&waited), [(expected, "A seq 6 ack 1449 sack 2897-8689")]);
    }
}

#[test]
fn a_lost_segment_is_sent_again_after_200_ms_and_then_after_ever_longer() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.call().send(&[7; 100]).unwrap();
    assert_eq!(peer.says(), ["PA seq 1 ack 1 len 100"]);
    let sent = peer.waits(Duration::from_secs(7));
    let again = "PA seq 1 ack 1 len 100";
    assert_eq!(lines(&sent), [(200, again), (600, again), (1400, again), (3000, again), (6200, again)]);
}

#[test]
fn a_connection_without_answers_is_given_up_after_924_seconds() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.call().send(&[7; 100]).unwrap();
    peer.waits(Duration::from_secs(900));
    assert_eq!(peer.call().state(), State::Established);
    peer.waits(Duration::from_secs(150));
    assert_eq!(peer.call().take_error(), Some(SocketError::TimedOut));
}

#[test]
fn the_last_segment_is_asked_for_before_the_timeout_when_sack_can_tell() {
    let mut peer = Peer::new().round_trip(100).accepted("mss 1000 sackok");
    peer.call().send(&[7; 3000]).unwrap();
    assert_eq!(peer.says(), ["PA seq 1 ack 1 len 2000", "PA seq 2001 ack 1 len 1000"]);
    peer.passes(100);
    peer.gets("A seq 1 ack 1001 win 60000");
    assert_eq!(peer.says(), NONE);
    // Two round trips of 100 ms, and a little.
    let sent = peer.waits(Duration::from_millis(250));
    assert_eq!(lines(&sent), [(202, "PA seq 2001 ack 1 len 1000")]);
}

#[test]
fn three_segments_behind_a_hole_make_it_be_filled() {
    let mut peer = Peer::new().round_trip(50).accepted("mss 1000 sackok");
    peer.call().send(&[7; 8000]).unwrap();
    assert_eq!(peer.says().len(), 4, "a super-packet for each two segments");
    peer.passes(50);
    peer.gets("A seq 1 ack 1 win 60000 sack 1001-2001");
    peer.gets("A seq 1 ack 1 win 60000 sack 1001-3001");
    assert_eq!(peer.says(), NONE);
    peer.gets("A seq 1 ack 1 win 60000 sack 1001-4001");
    assert_eq!(peer.says(), ["A seq 1 ack 1 len 1000"]);
    let info = peer.call().info().unwrap();
    assert_eq!((info.ca_state, info.sacked, info.lost, info.retrans), (3, 3, 1, 1));
    assert_eq!(info.snd_ssthresh, 7);
    peer.passes(50);
    peer.gets("A seq 1 ack 8001 win 60000");
    let info = peer.call().info().unwrap();
    assert_eq!((info.ca_state, info.unacked, info.snd_cwnd), (0, 0, 7));
}

#[test]
fn without_sack_three_duplicates_do_the_same() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.call().send(&[7; 8000]).unwrap();
    peer.says();
    peer.passes(50);
    peer.gets("A seq 1 ack 1 win 60000");
    peer.gets("A seq 1 ack 1 win 60000");
    assert_eq!(peer.says(), NONE);
    peer.gets("A seq 1 ack 1 win 60000");
    assert_eq!(peer.says(), ["A seq 1 ack 1 len 1000"]);
    assert_eq!(peer.call().info().unwrap().ca_state, 3);
}

#[test]
fn what_has_come_out_of_order_and_twice_is_told() {
    let mut peer = Peer::new().accepted("mss 1000 sackok");
    peer.gets("A seq 1001 ack 1 win 60000 len 1000");
    assert_eq!(peer.says(), ["A seq 1 ack 1 sack 1001-2001"]);
    peer.gets("A seq 3001 ack 1 win 60000 len 1000");
    assert_eq!(peer.says(), ["A seq 1 ack 1 sack 3001-4001,1001-2001"]);
    peer.gets("A seq 1001 ack 1 win 60000 len 1000");
    assert_eq!(peer.says(), ["A seq 1 ack 1 sack 1001-2001,1001-2001,3001-4001"]);
    peer.gets("A seq 1 ack 1 win 60000 len 1000");
    assert_eq!(peer.says(), ["A seq 1 ack 2001 sack 3001-4001"]);
    let mut bytes = [0; 3000];
    assert_eq!(peer.call().receive(&mut bytes), Ok(2000));
}

#[test]
fn a_closed_window_is_asked_for_until_it_opens() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.gets("A seq 1 ack 1 win 0");
    peer.call().send(&[7; 500]).unwrap();
    assert_eq!(peer.says(), NONE);
    let sent = peer.waits(Duration::from_millis(1500));
    let probe = "A seq 0 ack 1";
    assert_eq!(lines(&sent), [(200, probe), (600, probe), (1400, probe)]);
    peer.gets("A seq 1 ack 1 win 60000");
    assert_eq!(peer.says(), ["PA seq 1 ack 1 len 500"]);
}

#[test]
fn an_idle_connection_is_asked_whether_it_lives_and_given_up_when_it_does_not() {
    let mut peer = Peer::new().accepted("mss 1000");
    for option in [
        SocketOption::KeepaliveIdle(Duration::from_secs(10)),
        SocketOption::KeepaliveInterval(Duration::from_secs(5)),
        SocketOption::KeepaliveProbes(2),
        SocketOption::Keepalive(true),
    ] {
        peer.call().set(&option).unwrap();
    }
    assert_eq!(lines(&peer.waits(Duration::from_secs(12))), [(10_000, "A seq 0 ack 1")]);
    peer.gets("A seq 1 ack 1 win 60000");
    let sent = peer.waits(Duration::from_secs(30));
    assert_eq!(lines(&sent), [(10_000, "A seq 0 ack 1"), (15_000, "A seq 0 ack 1"), (20_000, "RA seq 1 ack 1")]);
    assert_eq!(peer.call().take_error(), Some(SocketError::TimedOut));
}

#[test]
fn a_user_timeout_ends_what_is_not_answered() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.call().set(&SocketOption::UserTimeout(Duration::from_secs(3))).unwrap();
    peer.call().send(&[7; 100]).unwrap();
    peer.waits(Duration::from_millis(3100));
    assert_eq!(peer.call().state(), State::Established);
    peer.waits(Duration::from_millis(200));
    assert_eq!(peer.call().take_error(), Some(SocketError::TimedOut));
}

#[test]
fn a_user_timeout_ends_what_is_answered_with_a_closed_window() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.call().set(&SocketOption::UserTimeout(Duration::from_secs(3))).unwrap();
    peer.call().send(&[7; 100]).unwrap();
    assert_eq!(peer.says(), ["PA seq 1 ack 1 len 100"]);
    let mut sent = 0;
    for _ in 0..40 {
        peer.gets("A seq 1 ack 1 win 0");
        sent += peer.waits(Duration::from_millis(100)).len();
    }
    assert_eq!(peer.call().take_error(), Some(SocketError::TimedOut));
    assert!(sent < 10, "{sent} times is it asked for");
}

#[test]
fn a_window_that_was_closed_over_what_is_in_flight_is_asked_for_as_long_as_somebody_answers() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.call().send(&[7; 100]).unwrap();
    for _ in 0..10 {
        peer.gets("A seq 1 ack 1 win 0");
        peer.passes(100_000);
        assert_eq!(peer.call().state(), State::Established);
    }
    peer.waits(Duration::from_secs(241 + 120));
    assert_eq!(peer.call().take_error(), Some(SocketError::TimedOut));
}

#[test]
fn a_smaller_way_makes_segments_smaller() {
    let mut peer = Peer::new().accepted("mss 1460");
    peer.call().send(&[7; 1460]).unwrap();
    assert_eq!(peer.says(), ["PA seq 1 ack 1 len 1460"]);
    let info = peer.call().info().unwrap();
    assert_eq!((info.pmtu, info.snd_mss), (1500, 1460));
}

#[test]
fn a_router_that_says_too_large_makes_segments_smaller_and_is_not_believed_about_what_was_not_sent() {
    let mut peer = Peer::new().accepted("mss 1460");
    peer.call().send(&[7; 2920]).unwrap();
    assert_eq!(peer.says(), ["PA seq 1 ack 1 len 2920"]);
    peer.is_told_too_big(1000, 5000);
    assert_eq!(peer.says(), NONE);
    peer.is_told_too_big(1000, 1);
    let info = peer.call().info().unwrap();
    assert_eq!((info.pmtu, info.snd_mss), (1000, 960));
    assert_eq!(info.retrans, 4, "what were two segments are four");
    assert_eq!(peer.says(), ["PA seq 1 ack 1 len 2920"]);
    peer.gets("A seq 1 ack 2921 win 60000");
    assert_eq!(peer.call().unacknowledged(), 0);
}

#[test]
fn a_connection_that_begins_later_starts_with_what_is_known_of_the_way_until_that_is_old() {
    let mut peer = Peer::new().accepted("mss 1460");
    peer.call().send(&[7; 1460]).expect("there is room");
    peer.is_told_too_big(1000, 1);
    peer.says();
    let sizes = |peer: &mut Peer| {
        let now = peer.now();
        let id = peer.engine.open_stream(now, Family::Ipv4).expect("a socket");
        peer.engine.socket(now, id).expect("it is there").connect(([10, 0, 0, 2], 5).into()).expect("there is a way");
        let info = peer.engine.socket(now, id).expect("it is there").info().expect("it has begun");
        peer.engine.socket(now, id).expect("it is there").close();
        (info.pmtu, info.advmss)
    };
    assert_eq!(sizes(&mut peer), (1000, 960));
    peer.passes(599_000);
    assert_eq!(sizes(&mut peer), (1000, 960));
    peer.passes(1000);
    assert_eq!(sizes(&mut peer), (1500, 1460), "it is tried again");
}

#[test]
fn segments_may_be_cut_where_a_router_names_less_than_can_be() {
    let mut peer = Peer::new().accepted("mss 1460");
    peer.call().send(&[7; 1460]).expect("there is room");
    peer.is_told_too_big(100, 1);
    assert_eq!(peer.call().info().expect("it stands").pmtu, 552);
    let mut flags = Vec::new();
    while let Some(transmit) = peer.engine.poll_transmit() {
        flags.push(transmit.head()[14 + 6] & 0x40);
    }
    assert_eq!(flags, [0x40, 0], "the first one was to be told of");
}

#[test]
fn an_unreachable_host_ends_an_attempt_and_no_connection_that_stands() {
    for (code, error) in [
        (0, SocketError::NetworkUnreachable),
        (1, SocketError::HostUnreachable),
        (3, SocketError::ConnectionRefused),
        (7, SocketError::HostDown),
        (13, SocketError::HostUnreachable),
    ] {
        let mut peer = Peer::new();
        peer.connects();
        peer.is_told_unreachable(code, 5);
        assert_eq!(peer.call().state(), State::SynSent, "it is about something else");
        peer.is_told_unreachable(code, 0);
        assert_eq!(peer.call().take_error(), Some(error));
    }
    let mut peer = Peer::new().accepted("mss 1000");
    peer.call().send(&[1; 10]).unwrap();
    peer.is_told_unreachable(3, 1);
    // It is told to who asks, once (Linux: `sk_err_soft`).
    let refused = Some(SocketError::ConnectionRefused);
    assert_eq!((peer.call().state(), peer.call().take_error()), (State::Established, refused));
    assert_eq!((peer.call().state(), peer.call().take_error()), (State::Established, None));
}

#[test]
fn a_probe_asks_for_the_last_segment_as_it_was_cut() {
    let mut peer = Peer::new().round_trip(10).accepted("mss 1460 sackok");
    // Four holes to tell of take room from what is sent beside them.
    for at in 1..5 {
        peer.gets(&format!("A seq {} ack 1 win 60000 len 100", 1 + 1000 * at));
    }
    peer.says();
    peer.call().send(&[7; 14_240]).unwrap();
    let sent = peer.says();
    let whole: usize = sent.iter().map(|line| line.rsplit(' ').next().unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(whole, 14_240, "{sent:?}");
    let probe = peer.waits(Duration::from_millis(100));
    assert_eq!(probe.len(), 1, "{probe:?}");
    assert!(probe[0].1.starts_with("PA seq 12817 ") && probe[0].1.ends_with(" len 1424"), "{probe:?}");
}

#[test]
fn packets_of_ipv6_have_another_label_after_each_timeout() {
    let mut network = Network::new(1, Link::default());
    let (mut now, engine) = (network.now(), &mut network.engines[0]);
    let id = engine.open_stream(now, Family::Ipv6).unwrap();
    engine.socket(now, id).unwrap().connect(address_v6(1)).unwrap();
    let mut labels = Vec::new();
    while labels.len() < 3 {
        while let Some(transmit) = engine.poll_transmit() {
            // Behind the addresses of the link, the version and the class.
            labels.push(transmit.head()[14..18].to_vec());
        }
        (now, _) = engine.poll_timeout().expect("the SYN is sent again");
        engine.handle_timeout(now);
    }
    labels.sort();
    labels.dedup();
    assert_eq!(labels.len(), 3, "{labels:?}");
}
