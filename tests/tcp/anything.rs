//! Whatever segments come, in whatever order: a host keeps its books, waits for something, and never takes more memory than
//! it may.

use std::time::Duration;

use lab::network::{Peer, keeps_books};
use towpath_engine::{
    random::Random,
    socket::{SendFlags, SocketOption},
    tcp::State,
};

/// Lets a peer send by lot what is nearly right, while the socket's user does something, too.
fn disturb(peer: &mut Peer, random: &mut Random) {
    let near = |random: &mut Random, place: u32| {
        let off = [0, 0, 0, 1, 500, 1000, 3000, 70_000][random.below(8) as usize];
        if random.below(4) == 0 { place.wrapping_sub(off) } else { place.wrapping_add(off) }
    };
    let flags = ["A", "A", "A", "A", "A", "PA", "FA", "S", "SA", "R", "RA", "F", "UA"][random.below(13) as usize];
    let (expected, sent) = (1 + random.below(8) * 1000, random.below(12) * 1000 + 1);
    let (seq, ack) = (near(random, expected), near(random, sent));
    let len = [0, 0, 1, 500, 1000, 1460][random.below(6) as usize];
    let window = [0, 1, 500, 20_000, 60_000][random.below(5) as usize];
    let mut segment = format!("{flags} seq {seq} win {window} len {len}");
    if flags.contains('A') {
        segment += &format!(" ack {ack}");
    }
    if random.below(3) == 0 {
        let start = near(random, sent);
        segment += &format!(" sack {start}-{}", start.wrapping_add(1000 * (1 + random.below(3))));
    }
    if random.below(3) == 0 {
        segment += &format!(" ts {}/E", random.below(3000));
    }
    peer.gets(&segment);
    if peer.engine.socket(peer.now(), peer.socket).is_err() {
        return;
    }
    match random.below(12) {
        0..3 => _ = peer.call().send(&vec![7; random.below(6000) as usize]),
        3 => {
            let flags = SendFlags {
                urgent: random.below(2) == 0,
                more: random.below(2) == 0,
                end_of_record: random.below(2) == 0,
                waits: random.below(2) == 0,
            };
            _ = peer.call().send_with(&[7; 300], flags);
        }
        4..6 => _ = peer.call().receive(&mut [0; 3000]),
        6 => _ = peer.call().set(&SocketOption::NoDelay(random.below(2) == 0)),
        7 => _ = peer.call().set(&SocketOption::ReceiveBuffer(random.below(20_000))),
        8 if random.below(10) == 0 => _ = peer.call().shut(random.below(2) == 0, random.below(2) == 0),
        9 if random.below(20) == 0 => peer.call().close(),
        _ => peer.passes([0, 1, 40, 250, 3000][random.below(5) as usize]),
    }
}

#[test]
fn books_are_kept_whatever_comes() {
    for seed in 0..300 {
        let mut random = Random::new(seed);
        let options = ["", "sackok", "sackok wscale 4", "wscale 14", "sackok ts 1/0"][random.below(5) as usize];
        let pages = [98_304, 16, 8, 0][random.below(4) as usize];
        // Beside what all may hold, a segment, a little to send and the piece that fills the buffer; or what one socket's buffers
        // have room for.
        let bound = if pages > 16 { 1 << 20 } else { u64::from(pages) * 4096 + 16_384 + (1 << 16) };
        let mut peer =
            Peer::new().round_trip(u64::from(random.below(100))).sysctl("net.ipv4.tcp_mem", &[pages / 2, pages, pages]);
        // The largest packet is searched for from 440 bytes on, in some.
        peer = peer.sysctl("net.ipv4.tcp_mtu_probing", &[seed as u32 % 3]).sysctl("net.ipv4.tcp_base_mss", &[400]);
        // A third of them is in use before the handshake is done.
        let options = format!("mss 1000 {options}");
        peer = if seed % 3 == 2 { peer.accepted_fast(&options) } else { peer.accepted(&options) };
        for step in 0..200 {
            disturb(&mut peer, &mut random);
            peer.says();
            let now = peer.now();
            let Ok(mut socket) = peer.engine.socket(now, peer.socket) else { break };
            let info = socket.info().unwrap();
            let when = || format!("seed {seed}, step {step}");
            keeps_books(&peer.engine, &info, when);
            let memory = peer.engine.tcp_memory();
            assert!(memory.bytes <= bound && memory.connections == 1, "{memory:?}, {}", when());
            if info.state == State::Closed {
                break;
            }
        }
        // Whatever is left goes away by itself, once nobody answers.
        if peer.engine.socket(peer.now(), peer.socket).is_ok() {
            peer.call().close();
        }
        peer.waits(Duration::from_secs(3000));
        assert_eq!(peer.engine.sockets(), 1, "seed {seed}: only the listener stays");
        let memory = peer.engine.tcp_memory();
        assert_eq!((memory.bytes, memory.connections, memory.orphans), (0, 0, 0), "seed {seed}: {memory:?}");
    }
}

#[test]
fn a_flood_of_requests_takes_no_more_than_the_backlog() {
    for (cookies, answers) in [(0, 65), (1, 1000)] {
        let mut peer = Peer::new().sysctl("net.ipv4.tcp_syncookies", &[cookies]);
        peer.call().bind(([10, 0, 0, 1], 80).into()).unwrap();
        peer.call().listen(64).unwrap();
        for port in 0..1000 {
            peer.gets_from(3000 + port, "S seq 0 win 60000 mss 1000");
        }
        assert_eq!(peer.says().len(), answers);
        assert_eq!(peer.engine.sockets(), 66, "cookies are not remembered");
    }
}
