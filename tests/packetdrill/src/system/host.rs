//! The host under test: an engine with one device, in virtual time.

use std::{
    collections::VecDeque,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    time::Duration,
};

use towpath_engine::{
    Command, CommandError, DeviceId, Engine, Frame, Instant,
    device::{Device, Features, InterfaceAddress},
    ip::{Route, RouteKind},
    wire::MacAddr,
};

/// An engine, the time, and what has left it.
#[derive(Debug)]
pub struct Host {
    /// The engine.
    pub engine: Engine,
    /// What time it is; it goes on with [`Self::step`] only.
    pub now: Instant,
    sent: VecDeque<Sent>,
}

/// A packet that has left.
#[derive(Clone, Debug)]
pub struct Sent {
    /// When, since the host's start.
    pub at: Duration,
    /// From its IP header on.
    pub packet: Vec<u8>,
}

impl Host {
    /// With these addresses on its one device, which cuts and sums nothing, and a way to everywhere.
    ///
    /// # Errors
    /// An address or an MTU that a device cannot have.
    pub fn new(addresses: &[IpAddr], mtu_bytes: u32) -> Result<Self, CommandError> {
        let mut engine = Engine::new(SEED);
        let device = Device {
            name: "tun0".into(),
            mac: MAC,
            mtu_bytes,
            addresses: addresses
                .iter()
                .map(|address| InterfaceAddress { address: *address, prefix: if address.is_ipv4() { 16 } else { 64 } })
                .collect(),
            any_destination: true,
            arp: false,
            features: Features::WIRE,
            ..Device::default()
        };
        engine.handle_command(START, Command::AddDevice(device))?;
        for is_ipv4 in [true, false] {
            if addresses.iter().any(|address| address.is_ipv4() == is_ipv4) {
                let everywhere: IpAddr =
                    if is_ipv4 { Ipv4Addr::UNSPECIFIED.into() } else { Ipv6Addr::UNSPECIFIED.into() };
                let kind = RouteKind::Unicast { device: DEVICE, via: None };
                let route = Route::new(everywhere, 0, kind);
                engine.handle_command(START, Command::AddRoute(route))?;
            }
        }
        Ok(Self { engine, now: START, sent: VecDeque::new() })
    }

    /// Its one device.
    #[must_use]
    pub const fn device(&self) -> DeviceId {
        DEVICE
    }

    /// The time since its start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.now.since(START)
    }

    /// Goes on to the next timer that runs out by `until`, and lets it; false when none does: it is `until` then.
    pub fn step(&mut self, until: Duration) -> bool {
        let until = START + until;
        let next = self.engine.poll_timeout().map(|(when, _)| when).filter(|when| *when <= until);
        let Some(next) = next else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        self.engine.handle_timeout(self.now);
        self.collect();
        true
    }

    /// Gives it a packet, from its IP header on.
    pub fn inject(&mut self, packet: &[u8]) {
        let is_ipv4 = packet.first().is_some_and(|byte| byte >> 4 == 4);
        let kind: [u8; 2] = if is_ipv4 { [0x08, 0x00] } else { [0x86, 0xdd] };
        let frame = [&MAC.0[..], &PEER_MAC, &kind, packet].concat();
        self.engine.handle_frames(self.now, &[Frame::new(DEVICE, &frame)]);
        self.collect();
    }

    /// Takes what has left the engine.
    pub fn collect(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit() {
            let mut packet: Vec<u8> = transmit.head().get(ETHERNET_BYTES..).unwrap_or_default().to_vec();
            transmit.fragments().for_each(|part| packet.extend_from_slice(part));
            self.sent.push_back(Sent { at: self.elapsed(), packet });
            self.engine.recycle(transmit);
        }
        while self.engine.poll_event().is_some() {}
    }

    /// The packet that left first, of those that nobody has looked at.
    pub fn next_sent(&mut self) -> Option<Sent> {
        self.sent.pop_front()
    }

    /// Puts it back: it was not asked for yet.
    pub fn put_back(&mut self, sent: Sent) {
        self.sent.push_front(sent);
    }
}

const DEVICE: DeviceId = DeviceId(0);
const MAC: MacAddr = MacAddr([2, 0, 0, 0, 0, 1]);
const PEER_MAC: [u8; 6] = [2, 0, 0, 0, 0, 2];
const ETHERNET_BYTES: usize = 14;
/// Any will do: scripts name no number that is drawn by lot.
const SEED: u64 = 1;
/// Not zero, so that a time that nobody has set stands out.
const START: Instant = Instant::from_secs(1000);
