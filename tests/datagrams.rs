//! Datagram sockets: UDP, pings and whole protocols, between two engines and with errors on the way.

#[path = "datagrams/errors.rs"]
mod errors;

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddr},
    time::Duration,
};

use lab::network::{Link, Network, address, address_v6};
use proptest::prelude::*;
use towpath_engine::{
    Command, CommandError, DeviceId, DropReason, Engine, Frame,
    ip::{Route, RouteKind, RouteMetrics},
    snapshot::Restoring,
    socket::{
        DatagramKind, Family, Readiness, Received, ServiceAnswer, Socket, SocketError, SocketId, SocketOption,
        UdpService,
    },
    wire::Protocol,
};

fn network() -> Network {
    Network::new(1, Link::default())
}

fn open(network: &mut Network, host: usize, kind: DatagramKind, local: impl Into<Option<SocketAddr>>) -> SocketId {
    let now = network.now();
    let local = local.into();
    let family = if local.is_some_and(|local| local.is_ipv6()) { Family::Ipv6 } else { Family::Ipv4 };
    let id = network.engines[host].open_datagram(now, family, kind).expect("a socket");
    if let Some(local) = local {
        on(network, host, id).bind(local).expect("it is free");
    }
    id
}

fn udp(network: &mut Network, host: usize, local: impl Into<Option<SocketAddr>>) -> SocketId {
    open(network, host, DatagramKind::Udp, local)
}

fn on(network: &mut Network, host: usize, id: SocketId) -> Socket<'_> {
    let now = network.now();
    network.engines[host].socket(now, id).expect("it is open")
}

fn at(host: usize, port: u16) -> SocketAddr {
    SocketAddr::new(address(host).ip(), port)
}

fn at_v6(host: usize, port: u16) -> SocketAddr {
    SocketAddr::new(address_v6(host).ip(), port)
}

/// What a socket reads next, and from whom.
fn read(network: &mut Network, host: usize, id: SocketId) -> Result<(Vec<u8>, SocketAddr), SocketError> {
    let mut bytes = vec![0; 70_000];
    let Received { len, from } = on(network, host, id).receive_from(&mut bytes)?;
    bytes.truncate(len);
    Ok((bytes, from))
}

fn pass(network: &mut Network) {
    network.run(Duration::from_millis(100));
}

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at * 7 + at / 251) as u8).collect()
}

#[test]
fn a_datagram_arrives_as_it_was_sent_and_the_answer_finds_its_way_back() {
    let mut network = network();
    let server = udp(&mut network, 1, at(1, 53));
    let client = udp(&mut network, 0, None);
    assert_eq!(on(&mut network, 0, client).send_to(b"who", at(1, 53)), Ok(3));
    pass(&mut network);
    assert_eq!(network.engines[1].poll_socket(), Some((server, Readiness::READABLE)));
    assert_eq!(on(&mut network, 1, server).unread(), 3);
    let mut peeked = [0; 2];
    assert_eq!(on(&mut network, 1, server).peek(&mut peeked), Ok(2));
    assert_eq!(&peeked, b"wh");
    let (asked, from) = read(&mut network, 1, server).expect("it has come");
    assert_eq!((&asked[..], from.ip()), (&b"who"[..], at(0, 0).ip()));
    assert!((32_768..=60_999).contains(&from.port()), "{from}");
    on(&mut network, 1, server).send_to(b"me", from).expect("there is a way");
    pass(&mut network);
    assert_eq!(read(&mut network, 0, client), Ok((b"me".to_vec(), at(1, 53))));
    assert_eq!(read(&mut network, 0, client), Err(SocketError::WouldBlock));
}

#[test]
fn what_is_read_into_too_little_room_is_lost_and_told_of() {
    let mut network = network();
    let server = udp(&mut network, 1, at(1, 53));
    let client = udp(&mut network, 0, None);
    for text in [&b"a long text"[..], b"next"] {
        on(&mut network, 0, client).send_to(text, at(1, 53)).expect("there is a way");
    }
    pass(&mut network);
    let mut four = [0; 4];
    let received = on(&mut network, 1, server).receive_from(&mut four).expect("it has come");
    assert_eq!((received.len, &four), (11, b"a lo"));
    assert_eq!(read(&mut network, 1, server).expect("it has come").0, b"next");
}

#[test]
fn a_socket_of_both_families_hears_both_unless_it_wants_one_only() {
    for only_v6 in [false, true] {
        let mut network = network();
        let now = network.now();
        let server = network.engines[1].open_datagram(now, Family::Ipv6, DatagramKind::Udp).expect("a socket");
        on(&mut network, 1, server).set(&SocketOption::OnlyV6(only_v6)).expect("it may be set");
        on(&mut network, 1, server).bind(SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), 53)).expect("it is free");
        let (v4, v6) = (udp(&mut network, 0, at(0, 1000)), udp(&mut network, 0, at_v6(0, 1000)));
        on(&mut network, 0, v6).send_to(b"6", at_v6(1, 53)).expect("there is a way");
        pass(&mut network);
        assert_eq!(read(&mut network, 1, server), Ok((b"6".to_vec(), at_v6(0, 1000))));
        on(&mut network, 0, v4).send_to(b"4", at(1, 53)).expect("there is a way");
        pass(&mut network);
        let expected = if only_v6 { Err(SocketError::WouldBlock) } else { Ok((b"4".to_vec(), at(0, 1000))) };
        assert_eq!(read(&mut network, 1, server), expected);
        if !only_v6 {
            on(&mut network, 1, server).send_to(b"back", at(0, 1000)).expect("there is a way");
            pass(&mut network);
            assert_eq!(read(&mut network, 0, v4), Ok((b"back".to_vec(), at(1, 53))));
        }
    }
}

#[test]
fn who_is_connected_hears_nobody_else_and_before_all_others() {
    let mut network = network();
    let (all, one) = (udp(&mut network, 1, SocketAddr::from(([0, 0, 0, 0], 53))), {
        let one = udp(&mut network, 1, None);
        on(&mut network, 1, one).set(&SocketOption::ReuseAddress(true)).expect("it may be set");
        one
    });
    on(&mut network, 1, all).set(&SocketOption::ReuseAddress(true)).expect("it may be set");
    on(&mut network, 1, one).bind(at(1, 53)).expect("both share it");
    on(&mut network, 1, one).connect(at(0, 1000)).expect("there is a way");
    assert_eq!(on(&mut network, 1, one).peer(), Ok(at(0, 1000)));
    for port in [1000, 2000] {
        let client = udp(&mut network, 0, at(0, port));
        on(&mut network, 0, client).send_to(&port.to_be_bytes(), at(1, 53)).expect("there is a way");
    }
    pass(&mut network);
    assert_eq!(read(&mut network, 1, one), Ok((1000_u16.to_be_bytes().to_vec(), at(0, 1000))));
    assert_eq!(read(&mut network, 1, one), Err(SocketError::WouldBlock));
    assert_eq!(read(&mut network, 1, all), Ok((2000_u16.to_be_bytes().to_vec(), at(0, 2000))));
    on(&mut network, 1, one).disconnect().expect("it is a socket");
    assert_eq!(on(&mut network, 1, one).send(b"x"), Err(SocketError::NoDestination));
}

#[test]
fn who_does_not_read_loses_what_is_beyond_his_buffer_and_takes_again_when_he_has_read() {
    let mut network = network();
    let server = udp(&mut network, 1, at(1, 53));
    on(&mut network, 1, server).set(&SocketOption::ReceiveBuffer(4096)).expect("it may be set");
    let client = udp(&mut network, 0, None);
    for _ in 0..10 {
        on(&mut network, 0, client).send_to(&[1; 100], at(1, 53)).expect("there is a way");
    }
    pass(&mut network);
    let mut taken = 0;
    while read(&mut network, 1, server).is_ok() {
        taken += 1;
    }
    let dropped: u64 = network.engines[1].stats().all_drops().map(|(_, count)| count).sum();
    assert!((1..10).contains(&taken), "{taken}");
    assert_eq!(taken + dropped, 10);
    assert!(network.engines[1].stats().all_drops().all(|(why, _)| why == DropReason::SocketMemory));
    on(&mut network, 0, client).send_to(&[1; 100], at(1, 53)).expect("there is a way");
    pass(&mut network);
    assert!(read(&mut network, 1, server).is_ok());
}

#[test]
fn two_that_share_a_port_share_the_senders_and_each_sender_stays_with_one() {
    let mut network = network();
    let servers = [0; 2].map(|_| {
        let server = udp(&mut network, 1, None);
        on(&mut network, 1, server).set(&SocketOption::ReusePort(true)).expect("it may be set");
        on(&mut network, 1, server).bind(at(1, 53)).expect("they share it");
        server
    });
    for port in 0..40 {
        let client = udp(&mut network, 0, at(0, 1000 + port));
        for _ in 0..2 {
            on(&mut network, 0, client).send_to(b"x", at(1, 53)).expect("there is a way");
        }
    }
    pass(&mut network);
    let heard = servers.map(|server| {
        let mut ports = Vec::new();
        while let Ok((_, from)) = read(&mut network, 1, server) {
            ports.push(from.port());
        }
        ports
    });
    assert!(heard.iter().all(|ports| ports.len() > 10), "{heard:?}");
    assert_eq!(heard[0].len() + heard[1].len(), 80);
    assert!(heard[0].iter().all(|port| !heard[1].contains(port)));
    let third = udp(&mut network, 1, None);
    assert_eq!(on(&mut network, 1, third).bind(at(1, 53)), Err(SocketError::AddressInUse));
}

#[test]
fn ports_are_drawn_from_the_range_and_run_out() {
    let mut network = network().sysctl("net.ipv4.ip_local_port_range", &[40_000, 40_009]);
    let mut ports: Vec<u16> = (0..10)
        .map(|_| {
            let socket = udp(&mut network, 0, None);
            on(&mut network, 0, socket).send_to(b"x", at(1, 53)).expect("a port is left");
            on(&mut network, 0, socket).local().expect("it has one").port()
        })
        .collect();
    assert_ne!(ports, (40_000..40_010).collect::<Vec<_>>(), "nobody can guess the next one");
    ports.sort_unstable();
    assert_eq!(ports, (40_000..40_010).collect::<Vec<_>>());
    let last = udp(&mut network, 0, None);
    assert_eq!(on(&mut network, 0, last).send_to(b"x", at(1, 53)), Err(SocketError::AddressInUse));
}

#[test]
fn what_is_sent_to_everybody_needs_leave_and_reaches_each_socket_of_the_port() {
    for everybody in [[10, 0, 0, 255], [255; 4]] {
        let mut network = network();
        let to = SocketAddr::from((everybody, 53));
        let kind = RouteKind::Unicast { device: DeviceId(0), via: None };
        let route = Route::new([0; 4].into(), 0, kind);
        let now = network.now();
        network.engines[0].handle_command(now, Command::AddRoute(route)).expect("a way to everybody");
        let mut servers = [0; 3].map(|_| udp(&mut network, 1, None));
        let [any, again, itself] = servers;
        for (server, address) in [(any, [0; 4]), (again, [0; 4]), (itself, everybody)] {
            on(&mut network, 1, server).set(&SocketOption::ReuseAddress(true)).expect("it may be set");
            on(&mut network, 1, server).bind(SocketAddr::from((address, 53))).expect("they share it");
        }
        let client = udp(&mut network, 0, None);
        assert_eq!(on(&mut network, 0, client).send_to(b"all", to), Err(SocketError::NotAllowed), "{to}");
        assert_eq!(on(&mut network, 0, client).connect(to), Err(SocketError::NotAllowed), "{to}");
        on(&mut network, 0, client).set(&SocketOption::Broadcast(true)).expect("it may be set");
        on(&mut network, 0, client).send_to(b"all", to).expect("it may");
        pass(&mut network);
        for server in &mut servers {
            assert_eq!(read(&mut network, 1, *server).expect("each has it").0, b"all", "{to}");
        }
    }
}

#[test]
fn datagrams_may_be_cut_where_the_largest_packet_is_locked() {
    for (is_mtu_locked, dont_fragment) in [(false, 0x40), (true, 0)] {
        let mut network = network();
        let kind = RouteKind::Unicast { device: DeviceId(0), via: None };
        let metrics = RouteMetrics { is_mtu_locked, ..RouteMetrics::of_mtu(Some(1000)) };
        let route = Route { metrics, ..Route::new(at(1, 0).ip(), 32, kind) };
        let now = network.now();
        network.engines[0].handle_command(now, Command::AddRoute(route)).expect("a route of its own");
        let client = udp(&mut network, 0, None);
        on(&mut network, 0, client).send_to(b"any", at(1, 53)).expect("there is a way");
        let sent = network.engines[0].poll_transmit().expect("it has left");
        assert_eq!(sent.head()[14 + 6] & 0x40, dont_fragment, "locked: {is_mtu_locked}");
    }
}

#[test]
fn a_ping_gets_the_reply_to_its_own_request_over_both_families() {
    for (local, to, request, reply) in [(at(0, 77), at(1, 0), 8, 0), (at_v6(0, 77), at_v6(1, 0), 128, 129)] {
        let mut network = network();
        let ping = open(&mut network, 0, DatagramKind::Ping, local);
        let other = open(&mut network, 0, DatagramKind::Ping, SocketAddr::new(local.ip(), 78));
        let message = [&[request, 0, 0, 0, 0, 0, 0, 5][..], b"payload"].concat();
        on(&mut network, 0, ping).send_to(&message, to).expect("there is a way");
        pass(&mut network);
        let (answer, from) = read(&mut network, 0, ping).expect("it is answered");
        assert_eq!(
            (answer[0], &answer[4..], from.ip()),
            (reply, &[&[0, 77, 0, 5][..], b"payload"].concat()[..], to.ip())
        );
        assert_eq!(read(&mut network, 0, other), Err(SocketError::WouldBlock));
        assert_eq!(on(&mut network, 0, ping).send_to(&[reply, 0, 0, 0, 0, 0, 0, 0], to), Err(SocketError::Invalid));
    }
}

#[test]
fn a_whole_protocol_is_received_beside_its_sockets_and_nobody_is_told_that_it_is_unknown() {
    const UNKNOWN: Protocol = Protocol(99);
    let mut network = network();
    let (ours, theirs) = (DatagramKind::Raw(UNKNOWN), DatagramKind::Raw(Protocol::UDP));
    let sender = open(&mut network, 0, ours, None);
    on(&mut network, 0, sender).connect(at(1, 0)).expect("there is a way");
    on(&mut network, 0, sender).send(b"nobody speaks it").expect("there is a way");
    pass(&mut network);
    assert_eq!(on(&mut network, 0, sender).take_error(), Some(SocketError::ProtocolUnreachable), "nobody is there");
    let raw = open(&mut network, 1, ours, None);
    on(&mut network, 0, sender).send(b"somebody does").expect("there is a way");
    pass(&mut network);
    let (packet, from) = read(&mut network, 1, raw).expect("it has come");
    assert_eq!((packet[0] >> 4, packet[9], &packet[20..], from.ip()), (4, 99, &b"somebody does"[..], at(0, 0).ip()));
    assert_eq!(on(&mut network, 0, sender).take_error(), None);
    let (copies, server) = (open(&mut network, 1, theirs, None), udp(&mut network, 1, at(1, 53)));
    let client = udp(&mut network, 0, at(0, 1000));
    on(&mut network, 0, client).send_to(b"both", at(1, 53)).expect("there is a way");
    pass(&mut network);
    assert_eq!(read(&mut network, 1, server).expect("it has come").0, b"both");
    assert_eq!(&read(&mut network, 1, copies).expect("it has come").0[28..], b"both");
}

#[test]
fn a_service_is_a_socket_that_nobody_holds() {
    let mut network = network();
    let now = network.now();
    let offer = |port| Command::OfferUdp(UdpService { port, answer: ServiceAnswer::Echo });
    network.engines[1].handle_command(now, offer(7)).expect("it is free");
    let client = udp(&mut network, 0, None);
    on(&mut network, 0, client).send_to(b"echo", at(1, 7)).expect("there is a way");
    pass(&mut network);
    assert_eq!(read(&mut network, 0, client), Ok((b"echo".to_vec(), at(1, 7))));
    let socket = udp(&mut network, 1, None);
    assert_eq!(on(&mut network, 1, socket).bind(at(1, 7)), Err(SocketError::AddressInUse));
    on(&mut network, 1, socket).bind(at(1, 8)).expect("it is free");
    let refused = network.engines[1].handle_command(now, offer(8));
    assert_eq!(refused, Err(CommandError::Service(8, SocketError::AddressInUse)));
}

#[test]
fn a_service_says_nothing_to_services_to_itself_and_to_everybody() {
    for (from, to, answers) in [
        ("10.0.0.2:5000", "10.0.0.1:7", 1),
        ("10.0.0.2:19", "10.0.0.1:7", 0),
        ("10.0.0.2:2007", "10.0.0.1:7", 0),
        ("10.0.0.255:5000", "10.0.0.1:7", 0),
        ("fd00::2:5000", "fd00::1:7", 1),
        ("fd00::1:7", "fd00::1:7", 0),
        ("fd00::1:5000", "fd00::1:7", 0),
    ] {
        let mut network = network();
        let (now, engine) = (network.now(), &mut network.engines[0]);
        for port in [7, 2007] {
            let service = UdpService { port, answer: ServiceAnswer::Echo };
            engine.handle_command(now, Command::OfferUdp(service)).expect("it is free");
        }
        let bytes = lab::frame("lan", &format!("{from} > {to} udp len 8"));
        engine.handle_frames(now, &[Frame::new(DeviceId(0), &bytes)]);
        assert_eq!(engine.stats().originated, answers, "{from} > {to}");
        assert_eq!(core::iter::from_fn(|| engine.poll_transmit()).count() as u64, answers, "{from} > {to}");
    }
}

#[test]
fn the_longest_datagram_of_each_family_arrives_and_is_sent_back() {
    for (client, service, len) in [(at(0, 5000), at(1, 7), 65_507), (at_v6(0, 5000), at_v6(1, 7), 65_527)] {
        let mut network = network();
        let now = network.now();
        let echo = UdpService { port: 7, answer: ServiceAnswer::Echo };
        network.engines[1].handle_command(now, Command::OfferUdp(echo)).expect("it is free");
        let client = udp(&mut network, 0, client);
        let too_long = on(&mut network, 0, client).send_to(&pattern(len + 1), service);
        assert_eq!(too_long, Err(SocketError::MessageTooLong), "{service}");
        assert_eq!(on(&mut network, 0, client).send_to(&pattern(len), service), Ok(len));
        pass(&mut network);
        assert_eq!(read(&mut network, 0, client), Ok((pattern(len), service)));
    }
}

/// The bytes of each packet that goes out for a datagram of 1400 bytes.
fn sent_for_1400(network: &mut Network, client: SocketId, to: SocketAddr) -> Vec<usize> {
    let now = network.now();
    on(network, 0, client).send_to(&[7; 1400], to).expect("there is a way");
    let engine = &mut network.engines[0];
    engine.handle_timeout(now);
    let sent = core::iter::from_fn(|| engine.poll_transmit());
    sent.map(|sent| sent.head().len() + sent.fragments().map(<[u8]>::len).sum::<usize>() - 14).collect()
}

#[test]
fn what_a_router_tells_of_a_narrow_way_is_remembered_for_ten_minutes() {
    for (from, server, told, whole, parts) in [
        (
            at(0, 1000),
            at(1, 53),
            "10.0.0.9 > 10.0.0.1 icmp type 3 code 4 mtu 1280 [10.0.0.1:PORT > 10.0.0.2:53 udp]",
            1428,
            [1276, 172],
        ),
        (
            at_v6(0, 1000),
            at_v6(1, 53),
            "fd00::9 > fd00::1 icmpv6 type 2 code 0 mtu 1280 [fd00::1:PORT > fd00::2:53 udp]",
            1448,
            [1280, 224],
        ),
    ] {
        let mut network = network();
        let client = udp(&mut network, 0, from);
        let tell = |network: &mut Network, port: &str| {
            let (now, bytes) = (network.now(), lab::frame("lan", &told.replace("PORT", port)));
            network.engines[0].handle_frames(now, &[Frame::new(DeviceId(0), &bytes)]);
        };
        assert_eq!(sent_for_1400(&mut network, client, server), [whole]);
        tell(&mut network, "1001");
        assert_eq!(sent_for_1400(&mut network, client, server), [whole], "no socket has sent what was quoted");
        tell(&mut network, "1000");
        assert_eq!(sent_for_1400(&mut network, client, server), parts);
        let twin = Engine::restore(&network.engines[0].save(), Restoring::default()).expect("a right snapshot");
        network.engines[0] = twin;
        let client = udp(&mut network, 0, from);
        assert_eq!(sent_for_1400(&mut network, client, server), parts, "a snapshot holds it");
        network.run(Duration::from_secs(600));
        assert_eq!(sent_for_1400(&mut network, client, server), [whole]);
    }
}

#[test]
fn calls_that_make_no_sense_are_refused() {
    let mut network = network();
    let socket = udp(&mut network, 0, at(0, 1000));
    let call = |network: &mut Network, call: &dyn Fn(&mut Socket<'_>) -> Result<usize, SocketError>| {
        call(&mut on(network, 0, socket))
    };
    let refused = |network: &mut Network, bytes: usize, to: SocketAddr| {
        call(network, &|socket| socket.send_to(&vec![0; bytes], to)).expect_err("it is refused")
    };
    assert_eq!(refused(&mut network, 65_508, at(1, 53)), SocketError::MessageTooLong);
    assert_eq!(refused(&mut network, 1, at(1, 0)), SocketError::Invalid);
    assert_eq!(refused(&mut network, 1, at_v6(1, 53)), SocketError::WrongFamily);
    assert_eq!(refused(&mut network, 1, SocketAddr::from(([192, 0, 2, 1], 53))), SocketError::NetworkUnreachable);
    assert_eq!(call(&mut network, &|socket| socket.bind(at(0, 2)).map(|()| 0)), Err(SocketError::Invalid));
    assert_eq!(call(&mut network, &|socket| socket.listen(1).map(|()| 0)), Err(SocketError::NotSupported));
    assert_eq!(
        call(&mut network, &|socket| socket.set(&SocketOption::NoDelay(true)).map(|()| 0)),
        Err(SocketError::NoOption)
    );
    assert_eq!(call(&mut network, &|socket| socket.shut(true, true).map(|()| 0)), Err(SocketError::NotConnected));
    assert_eq!(call(&mut network, &|socket| socket.send_to(b"x", at(1, 53))), Err(SocketError::BrokenPipe));
    let now = network.now();
    let stranger = network.engines[0].open_datagram(now, Family::Ipv4, DatagramKind::Udp).expect("a socket");
    let not_ours: IpAddr = [10, 0, 0, 9].into();
    assert_eq!(on(&mut network, 0, stranger).bind(SocketAddr::new(not_ours, 5)), Err(SocketError::AddressNotAvailable));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Whatever the network does, what is received was sent: whole, and by whom it seems to be. Fragments included.
    #[test]
    fn what_is_received_was_sent(
        lengths in proptest::collection::vec(prop_oneof![0_usize..2000, 0_usize..=65_507], 1..12),
        over_v6: bool, seed: u64, loss in 0_u32..200, late in 0_u32..500,
    ) {
        let link = Link {
            loss_permille: loss, late_permille: late, repeated_permille: 100, jitter: Duration::from_millis(30), ..Link::default()
        };
        let mut network = Network::new(seed, link);
        // However far behind the others a fragment comes, it is waited for.
        let unbounded = Command::SetSysctl("net.ipv4.ipfrag_max_dist".to_owned(), 0);
        let now = network.now();
        network.engines[1].handle_command(now, unbounded).expect("it may be set");
        let ends = |port| if over_v6 { [at_v6(0, port), at_v6(1, port)] } else { [at(0, port), at(1, port)] };
        let (client, server) = (udp(&mut network, 0, ends(1000)[0]), udp(&mut network, 1, ends(53)[1]));
        on(&mut network, 1, server).set(&SocketOption::ReceiveBuffer(4_000_000)).expect("it may be set");
        for len in &lengths {
            prop_assert_eq!(on(&mut network, 0, client).send_to(&pattern(*len), ends(53)[1]), Ok(*len));
            network.run(Duration::from_millis(1));
        }
        // Fragments are given up.
        network.run(Duration::from_secs(100));
        let mut count = 0;
        while let Ok((bytes, from)) = read(&mut network, 1, server) {
            count += 1;
            prop_assert_eq!(from, ends(1000)[0]);
            prop_assert!(lengths.contains(&bytes.len()));
            prop_assert_eq!(&bytes, &pattern(bytes.len()));
        }
        if loss == 0 {
            prop_assert!(count >= lengths.len(), "{count} of {}", lengths.len());
        }
        prop_assert_eq!(network.engines[1].waiting_bytes(), 0);
    }
}
