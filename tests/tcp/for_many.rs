//! Segments that were sent to more hosts than one: TCP answers none of them (RFC 1122, section 4.2.3.10).

use lab::{frame, network::host};
use towpath_engine::{Command, DeviceId, DropReason, Engine, Frame, Instant, device::InterfaceAddress, socket::Family};

const NOW: Instant = Instant::from_secs(100);

/// A host that listens on port 80 of all its addresses, if `listens`.
fn server(listens: bool) -> Engine {
    let mut engine = host(NOW, 1);
    let own = InterfaceAddress { address: "fd00::1".parse().expect("an address"), prefix: 64 };
    engine.handle_command(NOW, Command::AddAddress(DeviceId(0), own)).expect("another address");
    if listens {
        let listener = engine.open_stream(NOW, Family::Ipv6).expect("a socket");
        let mut socket = engine.socket(NOW, listener).expect("it is there");
        socket.bind("[::]:80".parse().expect("an address")).expect("the port is free");
        socket.listen(5).expect("it may listen");
    }
    engine
}

#[test]
fn a_segment_for_everybody_for_a_group_or_for_any_router_is_answered_by_nobody() {
    for (from, to) in [
        ("10.0.0.2:1000", "10.0.0.255:80"),
        ("10.0.0.2:1000", "255.255.255.255:80"),
        ("10.0.0.2:1000", "224.0.0.1:80"),
        ("fd00::2:1000", "fd00:::80"),
    ] {
        for (listens, segment) in
            [(true, "S seq 1 win 1000"), (true, "A seq 1 ack 9 win 1000"), (false, "S seq 1 win 1000")]
        {
            let mut engine = server(listens);
            let bytes = frame("lan", &format!("{from} > {to} {segment}"));
            engine.handle_frames(NOW, &[Frame::new(DeviceId(0), &bytes)]);
            assert!(engine.poll_transmit().is_none(), "{to} has answered {segment}");
            let dropped: Vec<_> = engine.stats().all_drops().collect();
            assert_eq!(dropped, [(DropReason::IpLinkBroadcast, 1)], "{to}, {segment}");
            assert_eq!(engine.sockets(), usize::from(listens), "{to}, {segment}");
        }
    }
}
