//! What waits is bounded, and whatever happens to it, nothing stays that nobody holds.

use std::time::Duration;

use proptest::prelude::*;
use towpath_engine::{
    Command, CommandError, Condemned, DeviceId, Engine, Frame, Gso, GsoKind, Instant, Reply, TimerId,
    device::{Device, Feature, InterfaceAddress},
    ip::{Route, RouteKind},
    limits::{FORGET_CONNECTIONS_MAX, FORGET_PLACES_MAX, NEIGHBOUR_QUEUE_BYTES_MAX, NEIGHBOUR_QUEUES_BYTES_MAX},
    packet::Sketch,
    snapshot::Restoring,
    socket::{ServiceAnswer, UdpService},
    wire::MacAddr,
};
use towpath_helpers_native::{Ftp, Irc};

const START: Instant = Instant::from_secs(1000);
const LAN: DeviceId = DeviceId(0);
const WAN: DeviceId = DeviceId(1);

/// Something that happens to a gateway.
#[derive(Clone, Copy, Debug)]
struct Deed {
    which: u8,
    number: u8,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn nothing_is_held_once_all_has_ended(
        deeds in proptest::collection::vec((any::<u8>(), any::<u8>(), any::<bool>()), 1..100), tso: bool,
    ) {
        let mut engine = gateway(tso);
        let mut now = START;
        for (which, number, is_recycled) in deeds {
            now = now + Duration::from_millis(u64::from(which / 16) * 20);
            act(&mut engine, now, Deed { which, number });
            fetch(&mut engine, is_recycled);
        }
        // Longer than a neighbour is asked and fragments are kept.
        for seconds in 1..=40 {
            engine.handle_timeout(now + Duration::from_secs(seconds));
            fetch(&mut engine, true);
        }
        prop_assert_eq!(engine.waiting_bytes(), 0);
    }
}

#[test]
fn packets_for_a_silent_neighbour_hold_no_more_than_its_queue_may() {
    let mut engine = gateway(true);
    let mut most = 0;
    for number in 0..200 {
        act(&mut engine, START, Deed { which: 0, number: 10 });
        act(&mut engine, START, Deed { which: 3, number: 10 });
        fetch(&mut engine, true);
        most = most.max(engine.waiting_bytes());
        assert!(engine.waiting_bytes() <= NEIGHBOUR_QUEUE_BYTES_MAX, "after {number}");
    }
    assert!(most > NEIGHBOUR_QUEUE_BYTES_MAX / 2, "{most} bytes");
    assert!(NEIGHBOUR_QUEUES_BYTES_MAX > most, "others have room");
}

#[test]
fn an_address_whose_network_another_device_has_is_refused() {
    let mut engine = gateway(true);
    let mut add = |device, address: [u8; 4], prefix| {
        let address = InterfaceAddress { address: address.into(), prefix };
        engine.handle_command(START, Command::AddAddress(device, address)).map(drop)
    };
    assert_eq!(add(LAN, [10, 0, 0, 7], 24), Ok(()), "a second one of the same device's network");
    assert!(matches!(add(WAN, [10, 0, 0, 8], 24), Err(CommandError::Route(route)) if route.prefix == 24));
    assert_eq!(add(WAN, [10, 0, 0, 8], 25), Ok(()));
    let addresses = vec![InterfaceAddress { address: [10, 0, 0, 9].into(), prefix: 24 }];
    let device = Device { name: "third".into(), addresses, ..Device::default() };
    assert!(matches!(engine.handle_command(START, Command::AddDevice(device)), Err(CommandError::Route(_))));
    assert_eq!(engine.devices().len(), 2, "nothing has changed");
}

#[test]
fn connections_are_forgotten_in_parts_and_those_that_come_meanwhile_stay() {
    let mut engine = busy_gateway();
    let newest = engine.conntrack().newest_serial();
    let serials: Vec<u64> = engine.conntrack().entries(START).iter().map(|entry| entry.serial).step_by(2).collect();
    let mut forget = |condemned: &Condemned| {
        let (mut forgotten, mut parts, mut next) = (0, 0, Some(0));
        while let Some(from) = next {
            let reply = engine.handle_command(START, Command::ForgetPart(from, condemned.clone()));
            let Ok(Reply::ForgottenPart(count, then)) = reply else { panic!("{reply:?}") };
            assert!(count <= FORGET_CONNECTIONS_MAX && then.is_none_or(|then| then > from), "{reply:?}");
            connect(&mut engine, 60_000 + parts);
            (forgotten, parts, next) = (forgotten + count, parts + 1, then);
        }
        (forgotten, parts)
    };
    assert_eq!(forget(&Condemned::Numbered(serials.into())), (BUSY / 2, BUSY.div_ceil(2 * FORGET_CONNECTIONS_MAX)));
    let (forgotten, parts) = forget(&Condemned::UpTo(newest));
    assert_eq!(forgotten, BUSY / 2);
    let stay = engine.conntrack().entries(START);
    assert!(parts > 1 && stay.iter().all(|entry| entry.serial > newest) && !stay.is_empty(), "{parts} {stay:?}");
}

#[test]
fn a_helper_that_is_unloaded_leaves_its_connections_in_parts_and_its_number_is_free_after_that() {
    let mut engine = busy_gateway();
    let ftp = engine.helpers().by_name("ftp").expect("it is loaded");
    assert!(engine.conntrack().entries(START).iter().all(|entry| entry.helper.as_deref() == Some("ftp")));
    engine.handle_command(START, Command::UnloadHelper(ftp)).expect("it is there");
    assert!(engine.conntrack().entries(START).iter().all(|entry| entry.helper.is_none()), "for whoever looks");
    assert_eq!(engine.poll_timeout(), Some((START, TimerId::Leaving)), "there is more to do");
    let saved = Engine::restore(&engine.save(), Restoring::default()).expect("it is whole");
    engine.handle_command(START, Command::LoadHelper(Box::new(Irc::default()))).expect("there is room");
    assert_ne!(engine.helpers().by_name("irc"), Some(ftp), "connections have that number still");
    let mut parts = 1;
    while engine.poll_timeout().is_some_and(|(when, timer)| (when, timer) == (START, TimerId::Leaving)) {
        engine.handle_timeout(START);
        parts += 1;
    }
    assert_eq!(parts, BUSY.div_ceil(FORGET_PLACES_MAX as usize));
    let with_helper = |engine: &Engine| {
        let connections = (0..engine.conntrack().slots()).filter_map(|slot| engine.conntrack().in_slot(slot));
        connections.filter(|(_, connection)| connection.helper().is_some()).count()
    };
    assert_eq!((with_helper(&engine), with_helper(&saved)), (0, 0));
    engine.handle_command(START, Command::LoadHelper(Box::new(Ftp::default()))).expect("there is room");
    assert_eq!(engine.helpers().by_name("ftp"), Some(ftp));
}

/// A gateway with as many connections as take several parts to look at.
fn busy_gateway() -> Engine {
    let mut engine = gateway(true);
    let address = [203, 0, 113, 7].into();
    for command in [
        Command::AddNeighbour { device: WAN, address, mac: MacAddr([2, 0, 0, 0, 0, 7]) },
        Command::LoadHelper(Box::new(Ftp::default())),
        Command::AttachHelpersByPort(true),
    ] {
        engine.handle_command(START, command).expect("it can be done");
    }
    (0..BUSY).for_each(|number| connect(&mut engine, 1024 + number));
    assert_eq!(engine.conntrack().len() as usize, BUSY);
    engine
}

/// Begins an FTP session.
fn connect(engine: &mut Engine, port: usize) {
    let line = format!("10.0.0.2:{port} > 203.0.113.7:21 S seq 1000");
    let bytes = line.parse::<Sketch>().expect("a packet").frame(MacAddr([2; 6]), MacAddr([2, 0, 0, 0, 0, 1]));
    engine.handle_frames(START, &[Frame::new(LAN, &bytes)]);
    fetch(engine, true);
}

const BUSY: usize = 10_000;

/// Does something, or lets time pass.
fn act(engine: &mut Engine, now: Instant, deed: Deed) {
    let number = deed.number;
    let sketch = match deed.which % 8 {
        0 => (LAN, format!("10.0.0.2:{number} > 203.0.113.{}:9 udp len {}", number % 8, 20 * u32::from(number))),
        1 => (WAN, format!("arp 203.0.113.{} is-at 02:00:00:00:00:{number:02x}", number % 8)),
        2 => (WAN, format!("203.0.113.9 > 10.0.0.2 udp fragment {} more len 800 ipid {}", number / 8 * 8, number % 4)),
        3 => (LAN, format!("10.0.0.2:{number} > 203.0.113.{}:80 A seq 1 ack 1 len 9000", number % 8)),
        4 => {
            let ping: Sketch = "10.0.0.1:7 > 203.0.113.1:7 udp len 100".parse().expect("a packet");
            let Sketch::Ip(ping) = ping else { return };
            let _ = engine.handle_command(now, Command::SendPacket(ping.packet()));
            return;
        }
        5 => (WAN, format!("203.0.113.9 > 10.0.0.2 udp fragment {} len 8 ipid {}", u32::from(number) * 8, number % 4)),
        6 => (WAN, "arp who-has 203.0.113.1 tell 203.0.113.9".to_owned()),
        _ => return engine.handle_timeout(now),
    };
    let (device, sketch) = (sketch.0, sketch.1.parse::<Sketch>().expect("a packet"));
    let bytes = sketch.frame(MacAddr([2, 0, 0, 0, 0, 9]), MacAddr([2, 0, 0, 0, 0, 1]));
    let gso = Gso { kind: GsoKind::Tcp4, size: 1000, segments: 0, fixed_id: false };
    let gso = (deed.which % 8 == 3).then_some(gso);
    engine.handle_frames(now, &[Frame { gso, ..Frame::new(device, &bytes) }]);
}

/// Takes what comes out; it is given back, or dropped without a word.
fn fetch(engine: &mut Engine, is_recycled: bool) {
    while let Some(transmit) = engine.poll_transmit() {
        if is_recycled {
            engine.recycle(transmit);
        }
    }
}

fn gateway(tso: bool) -> Engine {
    let mut engine = Engine::new(1);
    let mut give = |command| engine.handle_command(START, command).expect("a right command");
    for (name, address, arp) in [("lan", [10, 0, 0, 1], false), ("wan", [203, 0, 113, 1], true)] {
        give(Command::AddDevice(Device {
            name: name.into(),
            mac: MacAddr([2, 0, 0, 0, 0, 1]),
            addresses: vec![InterfaceAddress { address: address.into(), prefix: 24 }],
            arp,
            ..Device::default()
        }));
    }
    let kind = RouteKind::Unicast { device: WAN, via: None };
    give(Command::AddRoute(Route::new([0; 4].into(), 0, kind)));
    give(Command::SetFeature(WAN, Feature::by_name("tso").expect("it is known"), tso));
    give(Command::OfferUdp(UdpService { port: 7, answer: ServiceAnswer::Echo }));
    engine
}
