//! What the network says of datagrams, kept for who sent them (`IP_RECVERR`; ip(7); Linux v6.18: `net/ipv4/ip_sockglue.c`).

use std::{iter, net::SocketAddr, time::Duration};

use lab::network::Network;
use towpath_engine::{
    socket::{DatagramKind, QueuedError, Readiness, SocketError, SocketOption},
    wire::Protocol,
};

use super::{at, at_v6, network, on, open, pass, read, udp};

#[test]
fn that_nobody_is_there_is_told_to_who_is_connected_once_and_to_nobody_else() {
    let mut network = network();
    let (connected, free) = (udp(&mut network, 0, None), udp(&mut network, 0, None));
    on(&mut network, 0, connected).connect(at(1, 99)).expect("there is a way");
    assert_eq!(on(&mut network, 0, connected).local().map(|local| local.ip()), Some(at(0, 0).ip()));
    on(&mut network, 0, connected).send(b"x").expect("there is a way");
    on(&mut network, 0, free).send_to(b"x", at(1, 98)).expect("there is a way");
    pass(&mut network);
    assert!(on(&mut network, 0, connected).readiness().has(Readiness::ERROR));
    assert_eq!(on(&mut network, 0, connected).send(b"y"), Err(SocketError::ConnectionRefused));
    assert_eq!(on(&mut network, 0, connected).send(b"y"), Ok(1));
    assert_eq!(on(&mut network, 0, free).take_error(), None);
    let over_v6 = udp(&mut network, 0, at_v6(0, 77));
    on(&mut network, 0, over_v6).connect(at_v6(1, 99)).expect("there is a way");
    on(&mut network, 0, over_v6).send(b"x").expect("there is a way");
    pass(&mut network);
    assert_eq!(read(&mut network, 0, over_v6), Err(SocketError::ConnectionRefused));
}

#[test]
fn who_wants_to_know_of_errors_reads_each_with_what_it_is_about() {
    for (near, far, is_v6, kind, code) in [(at(0, 0), at(1, 0), false, 3, 3), (at_v6(0, 0), at_v6(1, 0), true, 1, 4)] {
        let mut network = network();
        let to = |port| SocketAddr::new(far.ip(), port);
        let socket = udp(&mut network, 0, SocketAddr::new(near.ip(), 1000));
        on(&mut network, 0, socket).send_to(b"untold", to(8)).expect("there is a way");
        pass(&mut network);
        assert_eq!(on(&mut network, 0, socket).readiness(), Readiness::WRITABLE, "it is connected to nobody");
        on(&mut network, 0, socket).set(&SocketOption::ReceiveErrors(true)).expect("it may");
        for (bytes, port) in [(&b"one"[..], 9), (b"three", 11)] {
            on(&mut network, 0, socket).send_to(bytes, to(port)).expect("there is a way");
            pass(&mut network);
            let refused = Err(SocketError::ConnectionRefused);
            assert_eq!(on(&mut network, 0, socket).send_to(b"not sent", to(10)), refused, "each is told, too");
        }
        let mut start = [0; 2];
        let first = on(&mut network, 0, socket).receive_error(&mut start);
        let (error, offender) = (SocketError::ConnectionRefused, far.ip());
        let expected = QueuedError { error, is_v6, kind, code, info: 0, offender, to: to(9), len: 3 };
        assert_eq!((first, &start), (Ok(expected), b"on"));
        assert!(on(&mut network, 0, socket).readiness().has(Readiness::ERROR), "another one waits");
        let second = on(&mut network, 0, socket).receive_error(&mut start);
        assert_eq!((second, &start), (Ok(QueuedError { to: to(11), len: 5, ..expected }), b"th"));
        assert_eq!(on(&mut network, 0, socket).take_error(), None, "it was read");
        assert_eq!(on(&mut network, 0, socket).receive_error(&mut start), Err(SocketError::WouldBlock));
        assert_eq!(on(&mut network, 0, socket).readiness(), Readiness::WRITABLE);
        on(&mut network, 0, socket).send_to(b"four", to(9)).expect("there is a way");
        pass(&mut network);
        on(&mut network, 0, socket).set(&SocketOption::ReceiveErrors(false)).expect("it may");
        assert_eq!(on(&mut network, 0, socket).receive_error(&mut start), Err(SocketError::WouldBlock), "it is gone");
        assert_eq!(on(&mut network, 0, socket).take_error(), Some(error), "but who asks is told");
    }
}

#[test]
fn errors_that_nobody_reads_take_no_more_than_a_receive_buffer() {
    let mut network = network();
    let socket = udp(&mut network, 0, at(0, 1000));
    let mut ours = on(&mut network, 0, socket);
    ours.set(&SocketOption::ReceiveErrors(true)).expect("it may");
    ours.set(&SocketOption::ReceiveBuffer(20_000)).expect("it may");
    for _ in 0..50 {
        on(&mut network, 0, socket).take_error();
        on(&mut network, 0, socket).send_to(b"x", at(1, 9)).expect("there is a way");
        network.run(Duration::from_secs(2));
    }
    let mut kept = 0;
    while on(&mut network, 0, socket).receive_error(&mut []).is_ok() {
        kept += 1;
    }
    assert!((2..20).contains(&kept), "{kept}");
}

#[test]
fn each_socket_of_a_whole_protocol_is_told_of_each_error_and_anew_when_it_has_read_one_of_several() {
    let mut network = network();
    let all = [(); 2].map(|()| open(&mut network, 0, DatagramKind::Raw(Protocol::UDP), None));
    for socket in all {
        on(&mut network, 0, socket).set(&SocketOption::ReceiveErrors(true)).expect("it may");
    }
    let sender = udp(&mut network, 0, at(0, 1000));
    for port in [9, 11] {
        on(&mut network, 0, sender).send_to(b"x", at(1, port)).expect("there is a way");
    }
    pass(&mut network);
    let woken = |network: &mut Network| -> Vec<_> {
        let events = iter::from_fn(|| network.engines[0].poll_socket());
        events.filter(|(_, ready)| ready.has(Readiness::ERROR)).map(|(socket, _)| socket).collect()
    };
    assert_eq!(woken(&mut network), all);
    for waiting in [1, 0] {
        for socket in all {
            let heard = on(&mut network, 0, socket).receive_error(&mut []).expect("there is one more");
            assert_eq!((heard.error, heard.to, heard.len), (SocketError::ConnectionRefused, at(1, 0), 9));
        }
        assert_eq!(woken(&mut network).len(), waiting * all.len());
    }
}
