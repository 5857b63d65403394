//! Streams: what is read is what was written, whatever the link does.

use std::time::Duration;

use lab::network::{Link, Network, Peer};
use towpath_engine::{
    Command, DeviceId,
    device::Feature,
    socket::{Readiness, SocketOption},
    tcp::State,
};

const MINUTE: Duration = Duration::from_secs(60);
/// Of IPv4 and TCP, without options.
const HEADERS_BYTES: u32 = 40;

#[test]
fn a_handshake_takes_one_round_trip_and_both_ends_are_ready() {
    let mut network = Network::new(1, Link::default());
    let streams = network.connected(80);
    assert_eq!(network.now().since(lab::network::START), Duration::from_millis(30));
    for side in 0..2 {
        let ready = streams.readiness(&mut network, side);
        assert!(ready.has(Readiness::WRITABLE) && !ready.has(Readiness::READABLE), "{ready:?}");
        let now = network.now();
        assert_eq!(network.engines[side].socket(now, streams.ids[side]).unwrap().state(), State::Established);
    }
}

#[test]
fn bytes_go_both_ways_at_once() {
    let mut network = Network::new(1, Link::default());
    let mut streams = network.connected(80);
    let until = network.now() + MINUTE;
    streams.transfer(&mut network, [300_000, 200_000], until);
}

#[test]
fn slow_start_doubles_the_window_each_round_trip() {
    let mut network = Network::new(1, Link { delay: Duration::from_millis(50), ..Link::default() });
    let mut streams = network.connected(80);
    let until = network.now() + MINUTE;
    // 10, 20 and 30 more segments: they are there after two and a half round trips.
    let took = streams.transfer(&mut network, [60 * 1448, 0], until);
    assert_eq!(took, Duration::from_millis(250));
}

#[test]
fn a_rate_of_100_mbit_is_used() {
    let link = Link { rate_bps: Some(100_000_000), delay: Duration::from_millis(5), ..Link::default() };
    let mut network = Network::new(1, link);
    let mut streams = network.connected(80);
    let until = network.now() + MINUTE;
    let took = streams.transfer(&mut network, [5_000_000, 0], until);
    assert!(took < Duration::from_millis(500), "5 MB take 0.4 s at best: {took:?}\n{}", network.recent());
}

#[test]
fn a_link_that_swallows_large_packets_stops_no_stream_that_searches_for_the_largest() {
    for (probing, passes_bytes) in [(1, 1300), (2, 1300), (1, 700), (1, 400)] {
        let mut network = Network::new(1, Link { passes_bytes, ..Link::default() })
            .sysctl("net.ipv4.tcp_mtu_probing", &[probing])
            .sysctl("net.ipv4.tcp_timestamps", &[0]);
        let mut streams = network.connected(80);
        let until = network.now() + MINUTE;
        let took = streams.transfer(&mut network, [3_000_000, 0], until);
        let slow = probing == 1;
        assert_eq!(took > Duration::from_secs(3), slow, "with {probing} over {passes_bytes}: {took:?}");
        let now = network.now();
        let info = network.engines[0].socket(now, streams.ids[0]).unwrap().info().unwrap();
        // The search ends where less than `tcp_probe_threshold` is left of it.
        let room = (passes_bytes - HEADERS_BYTES).checked_sub(info.snd_mss);
        assert!(room.is_some_and(|room| room < 8), "with {probing} over {passes_bytes}: {}", info.snd_mss);
    }
}

#[test]
fn streams_come_whole_over_links_that_lose_repeat_and_reorder() {
    for seed in 0..6 {
        for loss_permille in [10, 50, 150] {
            let link = Link {
                delay: Duration::from_millis(5),
                loss_permille,
                repeated_permille: 20,
                late_permille: 100,
                jitter: Duration::from_millis(8),
                ..Link::default()
            };
            let probing = [0, 1, 2][seed as usize % 3];
            let mut network = Network::new(seed, link).sysctl("net.ipv4.tcp_mtu_probing", &[probing]);
            let mut streams = network.connected(80);
            let until = network.now() + MINUTE * 60;
            streams.transfer(&mut network, [200_000, 50_000], until);
        }
    }
}

#[test]
fn without_options_streams_come_whole_too() {
    for (name, seed) in [("tcp_sack", 1), ("tcp_timestamps", 2), ("tcp_window_scaling", 3), ("tcp_recovery", 4)] {
        let link = Link {
            delay: Duration::from_millis(5),
            loss_permille: 30,
            late_permille: 50,
            jitter: Duration::from_millis(5),
            ..Link::default()
        };
        let mut network = Network::new(seed, link).sysctl(&format!("net.ipv4.{name}"), &[0]);
        let mut streams = network.connected(80);
        let until = network.now() + MINUTE * 60;
        streams.transfer(&mut network, [300_000, 100_000], until);
    }
}

#[test]
fn a_reader_that_sleeps_stops_the_writer_and_wakes_it_again() {
    let mut network = Network::new(1, Link::default());
    let mut streams = network.connected(80);
    for _ in 0..200 {
        streams.write(&mut network, 0, 3_000_000);
        network.run(Duration::from_millis(50));
    }
    let written = streams.model.written[0];
    assert!(written < 1_000_000, "both buffers are full after {written} bytes");
    let until = network.now() + MINUTE * 10;
    streams.transfer(&mut network, [3_000_000, 0], until);
}

#[test]
fn the_way_back_may_be_dead_for_a_while() {
    let mut network = Network::new(1, Link::default());
    let mut streams = network.connected(80);
    let until = network.now() + MINUTE;
    streams.transfer(&mut network, [100_000, 0], until);
    network.link.loss_permille = 1000;
    streams.write(&mut network, 0, 200_000);
    network.run(Duration::from_secs(20));
    network.link.loss_permille = 0;
    let until = network.now() + MINUTE;
    streams.transfer(&mut network, [200_000, 0], until);
}

#[test]
fn small_writes_wait_for_each_other_unless_told_not_to() {
    for (no_delay, expected) in [(false, 2), (true, 8)] {
        let mut network = Network::new(1, Link::default());
        let mut streams = network.connected(80);
        network.run(Duration::from_secs(1));
        let now = network.now();
        let mut socket = network.engines[0].socket(now, streams.ids[0]).unwrap();
        socket.set(&SocketOption::NoDelay(no_delay)).unwrap();
        let before = network.left(0);
        for at in 1..=8 {
            streams.write(&mut network, 0, at * 10);
        }
        network.run(Duration::from_secs(1));
        streams.read(&mut network, 0);
        assert_eq!(streams.model.read[0], 80);
        let frames = network.left(0) - before;
        assert_eq!(frames, expected, "{}", network.recent());
    }
}

#[test]
fn a_stream_that_can_hold_no_more_is_readable_however_much_its_user_waits_for() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.call().set(&SocketOption::ReceiveBuffer(4000)).unwrap();
    peer.call().set(&SocketOption::ReceiveLow(1 << 20)).unwrap();
    assert_eq!(peer.call().settings().receive_low, 4000, "half of the memory");
    for seq in [1, 1001, 2001] {
        peer.gets(&format!("A seq {seq} ack 1 win 60000 len 1000"));
        assert!(!peer.call().readiness().has(Readiness::READABLE), "{} bytes", peer.call().unread());
    }
    peer.gets("A seq 3001 ack 1 win 60000 len 1000");
    assert_eq!(peer.call().unread(), 4000);
    assert!(peer.call().readiness().has(Readiness::READABLE), "four packets take more than seven eighths of it");
}

#[test]
fn a_buffer_grows_to_hold_what_its_user_waits_for() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.call().set(&SocketOption::ReceiveLow(100_000)).unwrap();
    assert_eq!(peer.call().settings().receive_buffer_bytes, 200_000);
    peer.call().set(&SocketOption::ReceiveLow(u32::MAX)).unwrap();
    assert_eq!(peer.call().settings().receive_low, 33_554_432 / 2, "half of what it may grow to");
}

#[test]
fn a_payload_that_is_shared_with_its_sender_arrives_as_one_that_is_copied() {
    for (merges, loss_permille) in [(false, 0), (true, 0), (true, 20), (false, 20)] {
        let mut network = Network::new(1, Link { loss_permille, late_permille: loss_permille, ..Link::default() });
        network.is_shared = true;
        for engine in &mut network.engines {
            for (name, on) in [("tcp-segmentation-offload", !merges), ("generic-receive-offload", merges)] {
                let feature = Feature::by_name(name).expect("a known name");
                engine.handle_command(lab::network::START, Command::SetFeature(DeviceId(0), feature, on)).unwrap();
            }
        }
        let mut streams = network.connected(80);
        let until = network.now() + MINUTE;
        streams.transfer(&mut network, [300_000, 200_000], until);
    }
}
