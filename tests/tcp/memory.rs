//! What all streams of a host hold together, and who gives way when that is too much.

use std::time::Duration;

use lab::network::{Link, Network, Peer, Streams};
use towpath_engine::{
    DropReason, Engine,
    socket::{SocketError, SocketOption},
    tcp::{State, TcpMemory},
};

const PAGE: u64 = 4096;
/// What a writer may have more than all may hold: the piece that makes him wait.
const PIECE: u64 = 1 << 16;
/// What a segment takes: a block with what is known of it.
const SEGMENT: u64 = 4096;

/// Streams whose readers have read so much that their buffers are large, and then no more; whose writers go on.
fn stalled(network: &mut Network, count: u16, written: u64) -> Vec<Streams> {
    let mut streams: Vec<Streams> = (0..count).map(|port| network.connected(1000 + port)).collect();
    let until = network.now() + Duration::from_secs(600);
    for stream in &mut streams {
        stream.transfer(network, [100_000, 0], until);
    }
    for _ in 0..20 {
        for stream in &mut streams {
            stream.write(network, 0, written);
        }
        network.run(Duration::from_millis(50));
        for engine in &network.engines {
            let held = engine.waiting_bytes() as u64;
            assert!(engine.tcp_memory().bytes <= held, "it is counted");
        }
    }
    streams
}

fn held(engine: &Engine) -> u64 {
    engine.tcp_memory().bytes
}

#[test]
fn readers_that_stop_hold_no_more_than_all_may_and_go_on_when_they_read_again() {
    let link = || Link { delay: Duration::from_millis(2), ..Link::default() };
    let mut unbounded = Network::new(1, link()).sysctl("net.ipv4.tcp_mem", &[1 << 20; 3]);
    stalled(&mut unbounded, 12, 400_000);
    let pages = [128, 192, 256];
    let most = u64::from(pages[2]) * PAGE + 12 * SEGMENT;
    assert!(held(&unbounded.engines[1]) > 2 * most, "{:?}", unbounded.engines[1].tcp_memory());

    let mut network = Network::new(1, link()).sysctl("net.ipv4.tcp_mem", &pages);
    let mut streams = stalled(&mut network, 12, 400_000);
    for (engine, pieces) in network.engines.iter().zip([12, 0]) {
        let memory = engine.tcp_memory();
        assert!(memory.bytes <= most + pieces * PIECE, "each writer has one piece more: {memory:?}");
        assert!(memory.is_under_pressure && memory.counters.pressures > 0, "{memory:?}");
    }
    let until = network.now() + Duration::from_secs(3600);
    for stream in &mut streams {
        stream.transfer(&mut network, [400_000, 0], until);
    }
    network.run(Duration::from_secs(1));
    for engine in &network.engines {
        let memory = engine.tcp_memory();
        assert_eq!((memory.bytes, memory.is_under_pressure, memory.connections), (0, false, 12), "{memory:?}");
        assert!(memory.counters.pressure_millis > 0, "{memory:?}");
    }
}

#[test]
fn who_nobody_holds_any_more_is_reset_when_there_are_too_many_of_them() {
    let mut network = Network::new(1, Link::default()).sysctl("net.ipv4.tcp_max_orphans", &[2]);
    let mut streams: Vec<Streams> = (0..5).map(|port| network.connected(1000 + port)).collect();
    for stream in &mut streams {
        stream.write(&mut network, 1, 100);
        stream.close(&mut network, 1);
    }
    let memory = network.engines[1].tcp_memory();
    assert_eq!((memory.orphans, memory.connections, memory.counters.aborts), (2, 2, 3), "{memory:?}");
    network.run(Duration::from_secs(1));
    let now = network.now();
    let mut error = |stream: &Streams| network.engines[0].socket(now, stream.ids[0]).expect("it is open").take_error();
    let errors: Vec<_> = streams.iter().map(&mut error).collect();
    // Their peers have read what was written before, and the FIN behind it.
    let reset = Some(SocketError::BrokenPipe);
    assert_eq!(errors, [None, None, reset, reset, reset]);
    network.run(Duration::from_secs(600));
    assert_eq!(network.engines[1].tcp_memory().orphans, 0, "they are waited for no longer");
}

#[test]
fn who_nobody_holds_and_whose_peer_takes_nothing_gives_way_to_others() {
    let mut network = Network::new(1, Link::default());
    let mut stream = network.connected(80);
    stream.write(&mut network, 1, 1_000_000);
    network.run(Duration::from_secs(5));
    stream.close(&mut network, 1);
    network.run(Duration::from_secs(1));
    assert_eq!(network.engines[1].tcp_memory().orphans, 1, "what was written is still sent");
    let mut network = network.sysctl("net.ipv4.tcp_mem", &[1, 1, 1]);
    network.run(Duration::from_secs(60));
    let memory = network.engines[1].tcp_memory();
    assert_eq!((memory.orphans, memory.connections, memory.bytes, memory.counters.aborts), (0, 0, 0, 1), "{memory:?}");
}

#[test]
fn beyond_what_all_may_hold_only_an_empty_queue_is_filled_and_the_window_is_closed() {
    let mut peer = Peer::new().sysctl("net.ipv4.tcp_mem", &[0, 0, 0]).accepted("mss 1000");
    peer.says();
    peer.gets("A seq 1 ack 1 win 60000 len 1000");
    assert_eq!((peer.says(), peer.call().info().expect("it stands").rcv_wnd), (vec!["A seq 1 ack 1001".to_owned()], 0));
    peer.gets("A seq 1001 ack 1 win 60000 len 1000");
    assert_eq!(peer.engine.stats().drops(DropReason::TcpOutsideWindow), 1, "the window is closed");
    let mut bytes = [0; 3000];
    assert_eq!(peer.call().receive(&mut bytes), Ok(1000));
    peer.says();
    assert!(peer.call().info().expect("it stands").rcv_wnd > 2000, "the window is open again");
    peer.gets("A seq 1001 ack 1 win 60000 len 1000");
    peer.gets("A seq 2001 ack 1 win 60000 len 1000");
    assert_eq!(peer.call().receive(&mut bytes), Ok(1000));
    let TcpMemory { counters, .. } = peer.engine.tcp_memory();
    assert_eq!((counters.pressures, counters.prunes), (2, 2), "{counters:?}");
}

#[test]
fn the_next_segment_is_dropped_when_all_hold_what_they_may_and_others_wait_to_be_read() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.gets("A seq 1 ack 1 win 60000 len 1000");
    peer.says();
    let mut peer = peer.sysctl("net.ipv4.tcp_mem", &[0, 0, 0]);
    peer.gets("A seq 1001 ack 1 win 60000 len 1000");
    assert_eq!(peer.says(), ["A seq 1 ack 1001"]);
    assert_eq!(peer.call().info().expect("it stands").rcv_wnd, 0, "the window is closed");
    assert_eq!(peer.engine.stats().drops(DropReason::TcpMemory), 1);
    assert_eq!(peer.engine.tcp_memory().counters.receive_drops, 1);
}

#[test]
fn segments_before_their_turn_are_given_up_for_the_next_one() {
    let mut peer = Peer::new().accepted("mss 1000 sackok");
    for at in 0..4 {
        peer.gets(&format!("A seq {} ack 1 win 60000 len 1000", 2001 + 1000 * at));
    }
    peer.says();
    let mut peer = peer.sysctl("net.ipv4.tcp_mem", &[1, 1, 1]);
    peer.gets("A seq 7001 ack 1 win 60000 len 1000");
    assert_eq!(peer.engine.stats().drops(DropReason::TcpMemory), 1, "nothing is given up for what comes later");
    peer.says();
    peer.gets("A seq 1 ack 1 win 60000 len 1000");
    let TcpMemory { counters, .. } = peer.engine.tcp_memory();
    assert_eq!((counters.out_of_order_drops, counters.out_of_order_pruned, counters.receive_drops), (1, 1, 0));
    let mut bytes = [0; 9000];
    assert_eq!(peer.call().receive(&mut bytes), Ok(1000), "the others come again");
}

#[test]
fn a_writer_waits_when_all_hold_what_they_may_and_may_always_write_a_little() {
    let mut network = Network::new(1, Link::default()).sysctl("net.ipv4.tcp_mem", &[0, 0, 0]);
    let mut stream = network.connected(80);
    stream.write(&mut network, 0, 3000);
    assert_eq!(stream.model.written[0], 3000, "as much as tcp_wmem says first");
    let until = network.now() + Duration::from_secs(10);
    stream.transfer(&mut network, [3000, 0], until);
    let until = network.now() + Duration::from_secs(3600);
    stream.transfer(&mut network, [100_000, 0], until);
    network.run(Duration::from_secs(1));
    assert_eq!(held(&network.engines[0]), 0);
}

#[test]
fn a_writer_whose_bytes_fill_his_buffer_waits_with_them_written_though_all_hold_what_they_may() {
    let mut network = Network::new(1, Link::default());
    let mut stream = network.connected(80);
    stream.write(&mut network, 0, 10_000);
    let now = network.now();
    let mut network = network.sysctl("net.ipv4.tcp_mem", &[0, 0, 0]);
    let before = stream.model.written[0];
    stream.write(&mut network, 0, 500_000);
    assert!(stream.model.written[0] > before + 4096, "the queue is longer than the buffer may be now");
    let at_once = stream.model.written[0];
    stream.write(&mut network, 0, 500_000);
    assert_eq!(stream.model.written[0], at_once, "and there is no more room until it is shorter");
    let settings = network.engines[0].socket(now, stream.ids[0]).expect("it is open").settings();
    assert!(settings.send_buffer_bytes < 10_000, "{settings:?}");
}

#[test]
fn who_nobody_holds_is_reset_for_others_even_when_it_has_asked_often_enough() {
    let mut network = Network::new(1, Link::default());
    let mut stream = network.connected(80);
    stream.write(&mut network, 1, 1_000_000);
    network.run(Duration::from_secs(5));
    stream.close(&mut network, 1);
    network.run(Duration::from_secs(5));
    assert_eq!(network.engines[1].tcp_memory().orphans, 1, "it still asks");
    let mut network = network.sysctl("net.ipv4.tcp_orphan_retries", &[1]).sysctl("net.ipv4.tcp_max_orphans", &[0]);
    network.run(Duration::from_secs(60));
    let memory = network.engines[1].tcp_memory();
    assert_eq!((memory.orphans, memory.counters.aborts), (0, 1), "{memory:?}");
}

#[test]
fn under_pressure_windows_and_buffers_stay_what_they_are() {
    let grown = |mem: &[u32]| {
        let link = Link { delay: Duration::from_millis(20), ..Link::default() };
        let mut network = Network::new(1, link).sysctl("net.ipv4.tcp_mem", mem);
        let mut stream = network.connected(80);
        let now = network.now();
        let settings = network.engines[1].socket(now, stream.ids[1]).expect("it is open").settings();
        let until = network.now() + Duration::from_secs(600);
        stream.transfer(&mut network, [1_000_000, 0], until);
        let now = network.now();
        let after = network.engines[1].socket(now, stream.ids[1]).expect("it is open").settings();
        after.receive_buffer_bytes > settings.receive_buffer_bytes
    };
    assert!(grown(&[1 << 20; 3]), "what is read fast makes the buffer grow");
    assert!(!grown(&[0, 0, 1 << 20]), "unless all together hold much");
}

#[test]
fn what_a_closed_socket_has_not_read_counts_until_it_is_given_up() {
    let mut peer = Peer::new().accepted("mss 1000");
    peer.gets("A seq 1 ack 1 win 60000 len 1000");
    peer.gets("RA seq 1001 ack 1 win 0");
    assert_eq!(peer.call().state(), State::Closed);
    assert!(peer.engine.tcp_memory().bytes > 1000);
    peer.call().set(&SocketOption::NoDelay(true)).expect("it may be set");
    peer.call().close();
    let memory = peer.engine.tcp_memory();
    assert_eq!((memory.bytes, memory.connections, memory.orphans), (0, 0, 0));
}
