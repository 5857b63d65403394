use std::{
    cell::RefCell,
    collections::VecDeque,
    fs::File,
    net::Ipv4Addr,
    os::fd::{AsFd, BorrowedFd},
    rc::Rc,
    time::Duration,
};

use towpath_engine::{
    Command, Frame,
    device::{Device, InterfaceAddress},
    wire::MacAddr,
};

use super::*;
use crate::af_packet::Outgoing;

const LAN: DeviceId = DeviceId(0);
const WAN: DeviceId = DeviceId(1);

#[test]
fn an_empty_gateway_is_idle_at_once() {
    let mut gateway = Gateway::new([], []);
    assert_eq!(gateway.round(), RoundEnd::Idle);
    assert_eq!(gateway.napi.counters(), PollCounters::default());
}

#[test]
fn devices_take_turns_of_one_weight_each() {
    let mut gateway = Gateway::new(datagrams(100), datagrams(70));
    assert_eq!(gateway.round(), RoundEnd::Idle);
    let polls: Vec<_> = gateway.log.borrow().polls.iter().copied().filter(|(_, frames)| *frames > 0).collect();
    assert_eq!(polls, [(LAN, 64), (WAN, 64), (LAN, 36), (WAN, 6)]);
    let PollCounters { polls, frames, budget_spent, time_spent, sizes, .. } = gateway.napi.counters();
    assert_eq!((polls, frames, budget_spent, time_spent), (4, 170, 0, 0));
    assert_eq!(sizes.0, [0, 0, 0, 1, 0, 0, 1, 2], "one of 6, one of 36, two of 64");
}

#[test]
fn a_round_ends_when_its_budget_of_frames_is_spent_and_the_next_one_goes_on() {
    let mut gateway = Gateway::new(datagrams(400), []);
    assert_eq!(gateway.round(), RoundEnd::Squeezed);
    assert_eq!(gateway.napi.counters().frames, 320, "the fifth poll overshoots 300");
    assert_eq!(gateway.napi.counters().budget_spent, 1);
    assert_eq!(gateway.round(), RoundEnd::Idle);
    assert_eq!(gateway.napi.counters().frames, 400);
}

#[test]
fn a_round_ends_when_its_time_is_spent() {
    let mut gateway = Gateway::new(datagrams(400), []);
    // The clock is read when a round starts and before each poll: the second poll would start after 2 ms.
    gateway.clock.step = Duration::from_millis(1);
    assert_eq!(gateway.round(), RoundEnd::Squeezed);
    assert_eq!(gateway.napi.counters().time_spent, 1);
    assert_eq!(gateway.napi.counters().budget_spent, 0);
    assert_eq!(gateway.log.borrow().polls.len(), 1);
}

#[test]
fn what_the_engine_forwards_leaves_after_each_poll() {
    let mut gateway = Gateway::new(datagrams(65), []);
    gateway.round();
    assert_eq!(gateway.log.borrow().sends, [(WAN, 64), (WAN, 1)]);
}

#[test]
fn frames_wait_for_a_device_that_takes_no_more_and_leave_in_order() {
    let mut gateway = Gateway::new(datagrams(10), []);
    gateway.log.borrow_mut().room = 4;
    gateway.round();
    assert_eq!(gateway.sent_ports(), [0, 1, 2, 3]);
    assert_eq!(gateway.napi.rings().map(|(_, waits)| waits).collect::<Vec<_>>(), [false, true]);
    gateway.log.borrow_mut().room = 100;
    gateway.napi.drain(&mut gateway.engine, &mut |_, _| {});
    assert_eq!(gateway.sent_ports(), (0..10).collect::<Vec<_>>());
    assert!(gateway.napi.rings().all(|(_, waits)| !waits));
}

#[test]
fn frames_beyond_the_send_queue_are_dropped_by_name() {
    let mut gateway = Gateway::new(datagrams(1010), []);
    gateway.log.borrow_mut().room = 0;
    while gateway.round() == RoundEnd::Squeezed {}
    let (_, _, wan) = gateway.napi.device_counters().nth(1).unwrap();
    assert_eq!(wan.send_drops.iter().collect::<Vec<_>>(), [(DropReason::TransmitQueueFull, 10)]);
    gateway.log.borrow_mut().room = 2000;
    gateway.napi.drain(&mut gateway.engine, &mut |_, _| {});
    assert_eq!(gateway.sent_ports(), (0..1000).collect::<Vec<_>>());
}

#[test]
fn frames_for_a_device_without_a_ring_are_counted_as_strays() {
    let mut gateway = Gateway::new(datagrams(3), []);
    let lan_only = gateway.napi.ports.drain(..1).map(|port| port.ring);
    gateway.napi = Napi::new(lan_only.collect::<Vec<_>>(), Budget::default());
    gateway.round();
    assert_eq!(gateway.napi.strays().iter().collect::<Vec<_>>(), [(DropReason::DeviceDown, 3)]);
}

/// A gateway between two scripted devices, which forwards from the LAN to the WAN.
struct Gateway {
    engine: Engine,
    napi: Napi<ScriptedRing>,
    clock: SteppingClock,
    log: Rc<RefCell<Log>>,
}

/// What both rings saw.
#[derive(Default)]
struct Log {
    polls: Vec<(DeviceId, usize)>,
    sends: Vec<(DeviceId, usize)>,
    sent: Vec<Vec<u8>>,
    /// Frames that the devices still take.
    room: usize,
}

impl Gateway {
    fn new(lan: impl IntoIterator<Item = Vec<u8>>, wan: impl IntoIterator<Item = Vec<u8>>) -> Self {
        let log = Rc::new(RefCell::new(Log { room: usize::MAX, ..Log::default() }));
        let ring = |device, frames: VecDeque<_>| {
            let file = File::open("/dev/null").unwrap();
            ScriptedRing { device, frames, file, log: Rc::clone(&log), counters: Counters::default() }
        };
        let rings = [ring(LAN, lan.into_iter().collect()), ring(WAN, wan.into_iter().collect())];
        let napi = Napi::new(rings, Budget::default());
        let clock = SteppingClock { now: Instant::from_secs(1), step: Duration::ZERO };
        Self { engine: engine(), napi, clock, log }
    }

    fn round(&mut self) -> RoundEnd {
        self.napi.poll(&mut self.clock, &mut self.engine, &mut |_, _| {})
    }

    /// The source ports of the datagrams that left, by which they are numbered.
    fn sent_ports(&self) -> Vec<u16> {
        self.log.borrow().sent.iter().map(|frame| u16::from_be_bytes([frame[34], frame[35]])).collect()
    }
}

struct SteppingClock {
    now: Instant,
    step: Duration,
}

impl Clock for SteppingClock {
    fn now(&mut self) -> Instant {
        self.now = self.now + self.step;
        self.now
    }
}

struct ScriptedRing {
    device: DeviceId,
    frames: VecDeque<Vec<u8>>,
    file: File,
    log: Rc<RefCell<Log>>,
    counters: Counters,
}

impl AsFd for ScriptedRing {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Ring for ScriptedRing {
    fn device(&self) -> DeviceId {
        self.device
    }

    fn receive(&mut self, weight: usize, handle: impl FnOnce(&[Frame<'_>])) -> Received {
        let taken: Vec<_> = self.frames.drain(..weight.min(self.frames.len())).collect();
        let frames: Vec<_> = taken.iter().map(|bytes| Frame::new(self.device, bytes)).collect();
        self.log.borrow_mut().polls.push((self.device, frames.len()));
        if !frames.is_empty() {
            handle(&frames);
        }
        Received { frames: frames.len(), is_drained: self.frames.is_empty() }
    }

    fn send<T: Outgoing>(&mut self, frames: &[T]) -> usize {
        let mut log = self.log.borrow_mut();
        let taken = frames.len().min(log.room);
        log.room -= taken;
        log.sends.push((self.device, taken));
        let whole = |frame: &T| frame.fragments().fold(frame.head().to_vec(), |bytes, part| [&bytes, part].concat());
        log.sent.extend(frames[..taken].iter().map(whole));
        taken
    }

    fn take_error(&mut self) -> Option<io::Error> {
        None
    }

    fn counters(&mut self) -> &Counters {
        &self.counters
    }
}

fn engine() -> Engine {
    let mut engine = Engine::new(1);
    let now = Instant::from_secs(1);
    for (name, network) in [("lan", [10, 0, 0]), ("wan", [192, 0, 2])] {
        let [a, b, c] = network;
        let address = InterfaceAddress { address: Ipv4Addr::new(a, b, c, 1).into(), prefix: 24 };
        let device = Device {
            name: name.to_owned(),
            mac: MacAddr([2, 0, 0, 0, 0, a]),
            mtu_bytes: 1500,
            addresses: vec![address],
            arp: true,
            any_destination: false,
            ..Device::default()
        };
        engine.handle_command(now, Command::AddDevice(device)).unwrap();
    }
    let mac = MacAddr([2, 0, 0, 0, 1, 192]);
    let server = Command::AddNeighbour { device: WAN, address: Ipv4Addr::new(192, 0, 2, 2).into(), mac };
    engine.handle_command(now, server).unwrap();
    engine
}

/// UDP datagrams from the LAN to a server behind the WAN, numbered by their source ports.
fn datagrams(count: u16) -> impl Iterator<Item = Vec<u8>> {
    (0..count).map(|number| {
        let mut frame = vec![2, 0, 0, 0, 0, 10, 2, 0, 0, 0, 1, 10, 8, 0];
        let mut header = [0x45, 0, 0, 28, 0, 0, 0x40, 0, 64, 17, 0, 0, 10, 0, 0, 2, 192, 0, 2, 2];
        let sum: u32 = header.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
        let checksum = !((sum & 0xffff) + (sum >> 16)) as u16;
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        frame.extend(header);
        frame.extend(number.to_be_bytes());
        frame.extend([0, 53, 0, 8, 0, 0]);
        frame
    })
}
