//! What waits is bounded, and whatever happens to it, nothing stays that nobody holds.

use std::time::Duration;

use proptest::prelude::*;
use towpath_engine::{
    Command, CommandError, DeviceId, Engine, Frame, Gso, GsoKind, Instant,
    device::{Device, Feature, InterfaceAddress},
    ip::{Route, RouteKind},
    limits::{NEIGHBOUR_QUEUE_BYTES_MAX, NEIGHBOUR_QUEUES_BYTES_MAX},
    packet::Sketch,
    socket::{ServiceAnswer, UdpService},
    wire::MacAddr,
};

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
    give(Command::AddRoute(Route { destination: [0; 4].into(), prefix: 0, kind, metric: 0, mtu_bytes: None }));
    give(Command::SetFeature(WAN, Feature::by_name("tso").expect("it is known"), tso));
    give(Command::OfferUdp(UdpService { port: 7, answer: ServiceAnswer::Echo }));
    engine
}
