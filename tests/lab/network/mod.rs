//! Engines joined by links that delay, lose, repeat and reorder, by lot and in virtual time.
//!
//! ```text
//!   engine 0 (10.0.0.1, fd00::1) ──► loss? ──► rate ──► delay, jitter, repetition ──► engine 1 (10.0.0.2, fd00::2)
//!            ◄───────────────────────────────────────────────────────────────────────
//! ```
//!
//! The same seed gives the same run, frame by frame.

mod books;
mod model;
mod peer;
mod stream;
mod tamper;

pub use books::keeps_books;
pub use model::{Model, byte};
pub use peer::{Peer, host};
pub use stream::Streams;
pub use tamper::Tamper;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, SocketAddr},
    rc::Rc,
    time::Duration,
};

use towpath_engine::{
    Checksum, Command, DeviceId, Engine, Frame, Gso, Instant, Transmit,
    device::{Device, InterfaceAddress},
    packet::{Packet, Pool, Sketch},
    random::Random,
    wire::MacAddr,
};

/// What a link does to what goes over it, in each direction.
#[derive(Clone, Copy, Debug)]
pub struct Link {
    /// How long a frame is on its way.
    pub delay: Duration,
    /// Bits a second; `None`: any number.
    pub rate_bps: Option<u64>,
    /// Full frames that may wait to be sent at that rate; further ones are lost.
    pub queue_frames: usize,
    /// Frames lost, of a thousand.
    pub loss_permille: u32,
    /// Frames that come twice, of a thousand.
    pub repeated_permille: u32,
    /// Frames that come late by up to `jitter`, of a thousand.
    pub late_permille: u32,
    /// By how much.
    pub jitter: Duration,
    /// The largest packet.
    pub mtu_bytes: u32,
    /// The largest packet that comes through: larger ones are lost, and nobody says so.
    pub passes_bytes: u32,
}

impl Default for Link {
    fn default() -> Self {
        Self {
            delay: Duration::from_millis(10),
            rate_bps: None,
            queue_frames: 1000,
            loss_permille: 0,
            repeated_permille: 0,
            late_permille: 0,
            jitter: Duration::ZERO,
            mtu_bytes: 1500,
            passes_bytes: u32::MAX,
        }
    }
}

/// Two engines and the link between them.
pub struct Network {
    /// The engines.
    pub engines: [Engine; 2],
    /// What the link does; it may be changed at any time.
    pub link: Link,
    /// Whether frames are handed over as by a cable within one machine, their payload shared, and not copied.
    pub is_shared: bool,
    /// Frames that nobody will get: `(from, number of its frames)`, counted from 0.
    pub doomed: Vec<(usize, u64)>,
    /// The last frames that have left: when, from whom, and how they begin.
    recent: VecDeque<(Instant, usize, Sent, usize)>,
    now: Instant,
    random: Random,
    /// What is on its way, by when it arrives and in which order it left.
    on_way: BTreeMap<(Instant, u64), (usize, Sent)>,
    /// When the sender's queue is empty, and how many frames have left.
    busy_until: [Instant; 2],
    left: [u64; 2],
    order: u64,
}

#[derive(Clone)]
struct Sent {
    bytes: Vec<u8>,
    /// As it was sent, where its payload is shared.
    whole: Option<Rc<Transmit>>,
    checksum: Checksum,
    gso: Option<Gso>,
}

impl Network {
    /// Two engines with one device each.
    ///
    /// # Panics
    /// When an engine does not take its device.
    #[must_use]
    pub fn new(seed: u64, link: Link) -> Self {
        let engine = |index: usize| {
            let mut engine = Engine::new(seed.wrapping_mul(2).wrapping_add(index as u64));
            let device = Device {
                name: "eth0".into(),
                mac: MacAddr([2, 0, 0, 0, 0, 1 + index as u8]),
                mtu_bytes: link.mtu_bytes,
                addresses: [address(index).ip(), address_v6(index).ip()].map(own).to_vec(),
                any_destination: true,
                arp: false,
                ..Device::default()
            };
            engine.handle_command(START, Command::AddDevice(device)).expect("one device");
            engine
        };
        Self {
            engines: [engine(0), engine(1)],
            link,
            is_shared: false,
            doomed: Vec::new(),
            recent: VecDeque::new(),
            now: START,
            random: Random::new(seed ^ 0x6c69_6e6b),
            on_way: BTreeMap::new(),
            busy_until: [START; 2],
            left: [0; 2],
            order: 0,
        }
    }

    /// With a tunable set at both ends.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn sysctl(mut self, name: &str, values: &[u32]) -> Self {
        for engine in &mut self.engines {
            let command = Command::SetSysctls(name.into(), values.to_vec());
            engine.handle_command(START, command).unwrap_or_else(|error| panic!("{error}"));
        }
        self
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Frames that have left an engine.
    #[must_use]
    pub const fn left(&self, index: usize) -> u64 {
        self.left[index]
    }

    /// Goes on to the next thing that happens, but no further than `until`; false when nothing does.
    pub fn step(&mut self, until: Instant) -> bool {
        self.collect();
        let arrival = self.on_way.first_key_value().map(|((when, _), _)| *when);
        let deadlines = self.engines.iter().filter_map(|engine| engine.poll_timeout().map(|(when, _)| when));
        let Some(next) = deadlines.chain(arrival).min().filter(|next| *next <= until) else {
            self.now = self.now.max(until);
            return false;
        };
        self.now = self.now.max(next);
        while let Some(entry) = self.on_way.first_entry().filter(|entry| entry.key().0 <= self.now) {
            let (to, sent) = entry.remove();
            let frame = match &sent.whole {
                Some(whole) => whole.as_frame(DeviceId(0)),
                None => Frame { checksum: sent.checksum, gso: sent.gso, ..Frame::new(DeviceId(0), &sent.bytes) },
            };
            self.engines[to].handle_frames(self.now, &[frame]);
        }
        for engine in &mut self.engines {
            if engine.poll_timeout().is_some_and(|(when, _)| when <= self.now) {
                engine.handle_timeout(self.now);
            }
        }
        self.collect();
        true
    }

    /// Lets time go by.
    pub fn run(&mut self, time: Duration) {
        let until = self.now + time;
        while self.step(until) {}
    }

    /// Puts what the engines have sent on its way.
    pub fn collect(&mut self) {
        for index in 0..2 {
            while let Some(mut transmit) = self.engines[index].poll_transmit() {
                let mut bytes = transmit.head().to_vec();
                transmit.fragments().for_each(|part| bytes.extend_from_slice(part));
                let mut sent = Sent { bytes, whole: None, checksum: transmit.checksum(), gso: transmit.gso() };
                if self.is_shared {
                    // It has left its sender, who is charged for it no more.
                    transmit.packet.discharge();
                    sent.whole = Some(Rc::new(transmit));
                } else {
                    self.engines[index].recycle(transmit);
                }
                self.send(index, sent);
            }
        }
    }

    fn send(&mut self, from: usize, sent: Sent) {
        let number = self.left[from];
        self.left[from] += 1;
        let shown = sent.bytes[..sent.bytes.len().min(SHOWN_BYTES)].to_vec();
        let head = Sent { bytes: shown, whole: None, ..sent };
        self.recent.push_back((self.now, from, head, sent.bytes.len()));
        if self.recent.len() > SHOWN_FRAMES {
            self.recent.pop_front();
        }
        if self.doomed.contains(&(from, number)) || self.happens(self.link.loss_permille) {
            return;
        }
        let packet_bytes =
            sent.gso.map_or(sent.bytes.len() - ETHERNET_BYTES, |gso| HEADERS_BYTES + usize::from(gso.size));
        if packet_bytes > self.link.passes_bytes as usize {
            return;
        }
        let mut leaves = self.now;
        if let Some(rate) = self.link.rate_bps {
            let takes = |bytes: u64| Duration::from_nanos(bytes * 8 * 1_000_000_000 / rate);
            let (takes, takes_whole) = (takes(sent.bytes.len() as u64), takes(self.link.mtu_bytes.into()));
            let waits = self.busy_until[from].since(self.now);
            // A small frame has a place as any other.
            if waits > takes_whole * self.link.queue_frames as u32 {
                return;
            }
            leaves = self.now + waits + takes;
            self.busy_until[from] = leaves;
        }
        let mut arrives = leaves + self.link.delay;
        if self.happens(self.link.late_permille) {
            let late = self.random.below(self.link.jitter.as_micros() as u32 + 1);
            arrives = arrives + Duration::from_micros(late.into());
        }
        if self.happens(self.link.repeated_permille) {
            self.order += 1;
            self.on_way.insert((arrives, self.order), (1 - from, sent.clone()));
        }
        self.order += 1;
        self.on_way.insert((arrives, self.order), (1 - from, sent));
    }

    /// The last frames that have left, a line each, for the message of a test that fails.
    #[must_use]
    pub fn recent(&self) -> String {
        let line = |(when, from, sent, len): &(Instant, usize, Sent, usize)| {
            let frame = Frame::new(DeviceId(0), &sent.bytes);
            let frame = Frame { checksum: sent.checksum, gso: sent.gso, wire_len: *len as u32, ..frame };
            let packet = Packet::parse(&mut Pool::new(), &frame).ok();
            let shown = packet.as_ref().and_then(Sketch::of).map_or_else(String::new, |sketch| sketch.to_string());
            let micros = when.since(START).as_micros();
            format!("{:6}.{:03} ms from {from}: {shown}\n", micros / 1000, micros % 1000)
        };
        let drops = self.engines.iter().enumerate().flat_map(|(index, engine)| {
            engine
                .stats()
                .all_drops()
                .map(move |(reason, count)| format!("engine {index} has dropped {count} for {}\n", reason.name()))
                .collect::<Vec<_>>()
        });
        self.recent.iter().map(line).chain(drops).collect()
    }

    fn happens(&mut self, permille: u32) -> bool {
        permille > 0 && self.random.below(1000) < permille
    }

    /// A number below `bound`, by lot, for who lets engines do things.
    pub const fn lot(&mut self, bound: u32) -> u32 {
        self.random.below(bound)
    }
}

/// The IPv4 address of an engine, without a port.
#[must_use]
pub fn address(index: usize) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1 + index as u8], 0))
}

/// Its IPv6 address, without a port.
#[must_use]
pub fn address_v6(index: usize) -> SocketAddr {
    SocketAddr::from(([0xfd00, 0, 0, 0, 0, 0, 0, 1 + index as u16], 0))
}

fn own(address: IpAddr) -> InterfaceAddress {
    InterfaceAddress { address, prefix: if address.is_ipv4() { 24 } else { 64 } }
}

pub(crate) const ETHERNET_BYTES: usize = 14;
/// Of IPv4 and TCP, without options.
const HEADERS_BYTES: usize = 40;
/// Frames that are remembered for messages, and how much of each.
const SHOWN_FRAMES: usize = 60;
const SHOWN_BYTES: usize = 140;

/// When a run starts.
pub const START: Instant = Instant::from_secs(1000);
