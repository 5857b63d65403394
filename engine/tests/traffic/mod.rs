//! A router between two networks, and frames for it.

use std::net::Ipv4Addr;

use towpath_engine::{
    Command, DeviceId, Engine, Frame, Instant,
    device::{Device, InterfaceAddress},
    ip::{Route, RouteKind},
    netfilter::{Loading, RuleSet, Source},
    wire::{MacAddr, checksum},
};

pub(crate) const LAN: DeviceId = DeviceId(0);
pub(crate) const WAN: DeviceId = DeviceId(1);
const ROUTER: [MacAddr; 2] = [MacAddr([2, 0, 0, 0, 1, 1]), MacAddr([2, 0, 0, 0, 2, 1])];

/// A router with the devices `lan` (10.0.0.1/8) and `wan` (203.0.113.1/24, where everything else is), and rules.
pub(crate) fn router(rules: &str) -> Engine {
    let mut engine = Engine::new(7);
    let mut give = |command| engine.handle_command(Instant::ZERO, command).expect("a right command");
    let addresses = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(203, 0, 113, 1)];
    for (index, name) in ["lan", "wan"].into_iter().enumerate() {
        give(Command::AddDevice(Device {
            name: name.into(),
            mac: ROUTER[index],
            mtu_bytes: 1500,
            addresses: vec![InterfaceAddress { address: addresses[index].into(), prefix: [8, 24][index] }],
            any_destination: false,
            arp: false,
            ..Device::default()
        }));
    }
    give(Command::AddRoute(Route::new(
        Ipv4Addr::UNSPECIFIED.into(),
        0,
        RouteKind::Unicast { device: WAN, via: Some(Ipv4Addr::new(203, 0, 113, 254).into()) },
    )));
    let source = Source { name: "rules.v4", text: rules };
    let parsed = RuleSet::parse(&[source], &Loading::default()).unwrap_or_else(|error| panic!("{error}\n{rules}"));
    give(Command::ReplaceRules(Box::new(parsed)));
    engine
}

/// What a packet says of itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    pub(crate) source: Ipv4Addr,
    pub(crate) destination: Ipv4Addr,
    pub(crate) ports: (u16, u16),
    /// TCP flags; `None`: UDP.
    pub(crate) flags: Option<u8>,
    pub(crate) ttl: u8,
    pub(crate) tos: u8,
}

/// A frame to one of the router's devices, with right checksums and 18 letters of payload.
pub(crate) fn frame(device: DeviceId, header: &Header) -> Vec<u8> {
    let (protocol, transport_len) = if header.flags.is_some() { (6, 20 + 18) } else { (17, 8 + 18) };
    let mut frame = vec![0; 34 + transport_len];
    frame[..6].copy_from_slice(&ROUTER[usize::from(device.0)].0);
    frame[6..14].copy_from_slice(&[2, 0, 0, 0, 9, 9, 8, 0]);
    frame[14..24].copy_from_slice(&[0x45, header.tos, 0, 0, 0, 0, 0, 0, header.ttl, protocol]);
    frame[16..18].copy_from_slice(&(20 + transport_len as u16).to_be_bytes());
    frame[26..30].copy_from_slice(&header.source.octets());
    frame[30..34].copy_from_slice(&header.destination.octets());
    frame[34..36].copy_from_slice(&header.ports.0.to_be_bytes());
    frame[36..38].copy_from_slice(&header.ports.1.to_be_bytes());
    let field = match header.flags {
        Some(flags) => {
            frame[38..46].copy_from_slice(&[0, 0, 3, 232, 0, 0, 3, 232]);
            frame[46..50].copy_from_slice(&[0x50, flags, 0xff, 0xff]);
            50
        }
        None => {
            frame[38..40].copy_from_slice(&(transport_len as u16).to_be_bytes());
            40
        }
    };
    let payload = frame.len() - 18;
    frame[payload..].fill(b'x');
    let ip = !checksum::sum(&frame[14..34]);
    frame[24..26].copy_from_slice(&ip.to_be_bytes());
    let pseudo = checksum::add(checksum::sum(&frame[26..34]), u16::from(protocol) + transport_len as u16);
    let transport = !checksum::add(pseudo, checksum::sum(&frame[34..]));
    frame[field..field + 2].copy_from_slice(&transport.to_be_bytes());
    frame
}

/// Hands one frame over and gives what leaves.
pub(crate) fn pass(engine: &mut Engine, now: Instant, device: DeviceId, bytes: &[u8]) -> Vec<(DeviceId, Vec<u8>)> {
    engine.handle_frames(now, &[Frame::new(device, bytes)]);
    let mut sent = Vec::new();
    while let Some(transmit) = engine.poll_transmit() {
        sent.push((transmit.device, transmit.head().to_vec()));
        engine.recycle(transmit);
    }
    sent
}
