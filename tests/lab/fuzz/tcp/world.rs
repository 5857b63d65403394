//! Two engines, their link, and what their users do.

use core::time::Duration;

use towpath_engine::{
    Command, DeviceId,
    device::Feature,
    netfilter::{Loading, RuleSet, Source},
    socket::{Family, Readiness, SendFlags, Socket, SocketError, SocketId, SocketOption},
};

use super::{
    choices, forge,
    input::Input,
    pair::{Pair, Side},
};
use crate::network::{Link, Model, Network, address, address_v6, keeps_books};

pub(super) struct World {
    pub(super) network: Network,
    /// The socket of engine 1 that listens.
    listener: Option<SocketId>,
    pairs: Vec<Pair>,
    family: Family,
    /// Something may have come to a connection that the other end has not sent so.
    pub(super) is_forged: bool,
    /// The network has told of errors.
    is_troubled: bool,
    /// There may have been no memory for what came within a window, which is smaller then: an end that has sent more says so by numbers
    /// that are no longer taken. It is asked for in vain until it is given up (Linux v6.18: `net/ipv4/tcp_input.c`, `tcp_sequence()`).
    is_squeezed: bool,
    /// How much has happened in the time that passes.
    steps: u32,
    read: Vec<u8>,
}

impl World {
    /// Engines with some tunables, and a connection that is begun.
    pub(super) fn new(input: &mut Input<'_>) -> Self {
        let how = input.byte();
        let delay = Duration::from_millis([1, 10, 40, 200][usize::from(how >> 2 & 3)]);
        let link = Link {
            delay,
            mtu_bytes: if how & 0x80 == 0 { 1500 } else { 576.max(u32::from(how & 1) * 1280) },
            ..Link::default()
        };
        let seed = input.byte();
        let mut world = Self {
            network: Network::new(seed.into(), link),
            listener: None,
            pairs: Vec::new(),
            family: if how & 1 == 0 { Family::Ipv4 } else { Family::Ipv6 },
            is_forged: false,
            is_troubled: false,
            is_squeezed: false,
            steps: 0,
            read: vec![0; READ_BYTES],
        };
        // So that no deadline but those of sockets is waited for, and each try is cheap.
        let family = world.family;
        world.command(|| Command::ReplaceRules(Box::new(untracked(family))));
        world.command(|| Command::SetSysctls(COOKIES.into(), NO_COOKIES.to_vec()));
        if how & 2 != 0 {
            world.command(|| Command::SetFeature(DeviceId(0), feature("tx"), false));
        }
        if how & 0x10 != 0 {
            world.command(|| Command::SetFeature(DeviceId(0), Feature::GRO, true));
        }
        for _ in 0..usize::from(how >> 5 & 3) {
            world.tune(input);
        }
        world.network.is_shared = seed & 0x80 != 0;
        world.listen(input.byte());
        world.connect(input.byte());
        world
    }

    fn command(&mut self, command: impl Fn() -> Command) {
        let now = self.network.now();
        for engine in &mut self.network.engines {
            engine.handle_command(now, command()).unwrap_or_else(|error| panic!("{error}"));
        }
    }

    /// Sets a tunable at both ends.
    pub(super) fn tune(&mut self, input: &mut Input<'_>) {
        let (name, values) = input.of(&choices::TUNABLES);
        let values = input.of(values);
        // A cookie takes what is up to three bytes further on for the first segment, as Linux's does: its MSS is only a smaller one then.
        self.is_forged |= name == COOKIES && values != NO_COOKIES;
        self.is_squeezed |= name == MEMORY;
        self.command(|| Command::SetSysctls(name.into(), values.to_vec()));
    }

    /// Opens the listener, or closes it.
    pub(super) fn listen(&mut self, how: u8) {
        let now = self.network.now();
        if let Some(listener) = self.listener.take() {
            self.network.engines[1].socket(now, listener).expect("it listens").close();
        }
        if how < 0xf0 {
            let id = self.opened(1, Some(PORT));
            self.network.engines[1].socket(now, id).expect("it is open").listen(how.into()).expect("the port is free");
            self.listener = Some(id);
        }
        self.network.collect();
    }

    /// Begins another connection, perhaps from a port that an earlier one may have had.
    pub(super) fn connect(&mut self, how: u8) {
        if self.pairs.len() == PAIRS_MAX {
            return;
        }
        let id = self.opened(0, (how & 0x80 != 0).then_some(4000 + u16::from(how & 1)));
        let to = self.address(1, PORT);
        let now = self.network.now();
        let _ = self.network.engines[0].socket(now, id).expect("it is open").connect(to);
        self.add(id, Model::default());
    }

    /// Begins another one, with data in the SYN if there may be any.
    pub(super) fn send_fast(&mut self, len: usize) {
        if self.pairs.len() == PAIRS_MAX {
            return;
        }
        let id = self.opened(0, None);
        let mut model = Model::default();
        let (now, to) = (self.network.now(), self.address(1, PORT));
        let mut socket = self.network.engines[0].socket(now, id).expect("it is open");
        let sent = socket.send_fast(to, &model.next(0, len), SendFlags::default());
        model.written[0] += sent.unwrap_or(0) as u64;
        self.add(id, model);
    }

    /// A connection has been begun. Of several from one port it is not known which one is accepted.
    fn add(&mut self, id: SocketId, model: Model) {
        let now = self.network.now();
        let local = self.network.engines[0].socket(now, id).expect("it is open").local();
        let port = local.map(|local| local.port());
        let mut is_strange = false;
        for earlier in self.pairs.iter_mut().filter(|earlier| port.is_some() && earlier.port == port) {
            (earlier.is_strange, is_strange) = (true, true);
        }
        self.pairs.push(Pair { ids: [Some(id), None], model, port, is_strange, ..Pair::default() });
        self.network.collect();
    }

    /// Begins one from both sides.
    pub(super) fn connect_both(&mut self) {
        if self.pairs.len() == PAIRS_MAX {
            return;
        }
        let port = 5000 + self.pairs.len() as u16;
        let ids = [0, 1].map(|end| self.opened(end, Some(port)));
        let now = self.network.now();
        for (end, id) in ids.into_iter().enumerate() {
            let to = self.address(1 - end, port);
            let _ = self.network.engines[end].socket(now, id).expect("it is open").connect(to);
        }
        self.pairs.push(Pair { ids: ids.map(Some), ..Pair::default() });
        self.network.collect();
    }

    /// A socket that reads urgent bytes in their turn, so that they are bytes like others.
    fn opened(&mut self, end: usize, port: Option<u16>) -> SocketId {
        let (now, local) = (self.network.now(), self.address(end, port.unwrap_or(0)));
        let engine = &mut self.network.engines[end];
        let id = engine.open_stream(now, self.family).expect("a socket");
        let mut socket = engine.socket(now, id).expect("it is open");
        for option in [SocketOption::UrgentInline(true), SocketOption::ReuseAddress(true)] {
            socket.set(&option).expect("it may be set");
        }
        if port.is_some() {
            // It may be taken.
            let _ = socket.bind(local);
        }
        id
    }

    fn address(&self, end: usize, port: u16) -> core::net::SocketAddr {
        let mut to = if self.family == Family::Ipv4 { address(end) } else { address_v6(end) };
        to.set_port(port);
        to
    }

    /// Takes all that wait to be accepted.
    pub(super) fn accept(&mut self) {
        let now = self.network.now();
        while let Some(listener) = self.listener {
            let engine = &mut self.network.engines[1];
            let Ok(id) = engine.socket(now, listener).expect("it listens").accept() else { break };
            let mut socket = engine.socket(now, id).expect("it is open");
            let remote = socket.remote().map(|remote| remote.port());
            let _ = socket.set(&SocketOption::UrgentInline(true));
            let [client, _] = &mut self.network.engines;
            let mut waiting = self.pairs.iter_mut().filter(|pair| pair.ids[1].is_none());
            let of_it = waiting.find(|pair| {
                let client = pair.ids[0].and_then(|id| client.socket(now, id).ok());
                client.and_then(|client| client.local()).map(|local| local.port()) == remote
            });
            if let Some(pair) = of_it {
                pair.ids[1] = Some(id);
            } else if self.pairs.len() < PAIRS_MAX {
                self.pairs.push(Pair { ids: [None, Some(id)], is_strange: true, ..Pair::default() });
            } else {
                self.network.engines[1].socket(now, id).expect("it is open").close();
            }
        }
        self.network.collect();
    }

    /// A call on a socket, if there is one.
    fn call<R>(&mut self, side: Side, call: impl FnOnce(Socket<'_>, &mut Pair) -> R) -> Option<R> {
        let index = side.pair % self.pairs.len().max(1);
        let now = self.network.now();
        let pair = self.pairs.get_mut(index)?;
        let id = pair.ids[side.end]?;
        let result = call(self.network.engines[side.end].socket(now, id).expect("it is open"), pair);
        self.network.collect();
        Some(result)
    }

    pub(super) fn send(&mut self, side: Side, len: usize, flags: u8) {
        let flags = SendFlags {
            more: flags & 0x81 == 0x81,
            end_of_record: flags & 0x82 == 0x82,
            urgent: flags & 0x84 == 0x84,
            waits: flags & 0x88 == 0x88,
        };
        self.call(side, |mut socket, pair| match socket.send_with(&pair.model.next(side.end, len), flags) {
            Ok(sent) => pair.model.written[side.end] += sent as u64,
            Err(SocketError::WouldBlock) => {}
            Err(_) => pair.is_over[side.end] = true,
        });
    }

    /// Reads what has come; tells whether that is anything.
    pub(super) fn receive(&mut self, side: Side, most: usize) -> bool {
        let (is_known, mut bytes) = (!self.is_forged, core::mem::take(&mut self.read));
        let most = most.min(bytes.len());
        let is_any = self.call(side, |mut socket, pair| {
            let is_readable = socket.readiness().has(Readiness::READABLE);
            let read = socket.receive(&mut bytes[..most]);
            assert!(!is_readable || read != Err(SocketError::WouldBlock), "it said that it was readable");
            pair.takes(side.end, read.map(|read| &bytes[..read]), is_known);
            read.is_ok_and(|read| read > 0)
        });
        self.read = bytes;
        is_any.unwrap_or(false)
    }

    /// Reads what has come, everywhere.
    pub(super) fn read_all(&mut self) {
        for pair in 0..self.pairs.len() {
            for end in 0..2 {
                // Reading stops before an urgent byte.
                while self.receive(Side { pair, end }, READ_BYTES) {}
            }
        }
    }

    pub(super) fn peek(&mut self, side: Side, most: usize) {
        let is_known = !self.is_forged;
        self.call(side, |mut socket, pair| {
            let mut bytes = vec![0; most];
            match socket.peek(&mut bytes) {
                // It stays to be read.
                Ok(seen) if is_known && !pair.is_strange => pair.model.clone().takes(1 - side.end, &bytes[..seen]),
                Ok(_) | Err(SocketError::WouldBlock) => {}
                Err(_) => pair.is_over[side.end] = true,
            }
        });
    }

    /// From now on urgent bytes of this socket may be read out of turn.
    pub(super) fn receive_urgent(&mut self, side: Side) {
        self.call(side, |mut socket, pair| {
            pair.is_strange = true;
            let _ = socket.set(&SocketOption::UrgentInline(false));
            let _ = socket.is_at_mark();
            let _ = socket.receive_urgent();
        });
    }

    pub(super) fn take_error(&mut self, side: Side) {
        self.call(side, |mut socket, pair| pair.is_over[side.end] |= socket.take_error().is_some());
    }

    pub(super) fn set(&mut self, side: Side, option: &SocketOption) {
        self.call(side, |mut socket, pair| {
            pair.is_strange |= matches!(option, SocketOption::UrgentInline(false));
            // Whether it can be set does not matter: it must not break anything.
            let _ = socket.set(option);
        });
    }

    pub(super) fn shut(&mut self, side: Side, reading: bool, writing: bool) {
        self.call(side, |mut socket, pair| {
            pair.is_over[side.end] |= reading;
            let _ = socket.shut(reading, writing);
        });
    }

    pub(super) fn close(&mut self, side: Side) {
        self.call(side, |socket, pair| {
            socket.close();
            pair.ids[side.end] = None;
        });
    }

    /// Gives up a connection, and begins another one with the same socket.
    pub(super) fn connect_again(&mut self, side: Side) {
        let to = self.address(1 - side.end, PORT);
        self.call(side, |mut socket, pair| {
            pair.is_strange = true;
            let _ = socket.disconnect();
            let _ = socket.connect(to);
        });
    }

    /// A segment comes to a side that the other one has not sent.
    pub(super) fn forge(&mut self, side: Side, input: &mut Input<'_>) {
        let (from, to) = (1 - side.end, side.end);
        let info = self.call(side, |mut socket, _| socket.info().ok()).flatten();
        let Some(sent) = self.network.sent_by(from, side.pair) else { return };
        let heard = self.network.sent_by(to, 0);
        let Some(frame) = forge::segment(input, sent, heard, info) else { return };
        self.is_forged = true;
        self.network.give(to, &frame);
    }

    /// A router says something about what a side has sent.
    pub(super) fn tell_error(&mut self, side: Side, input: &mut Input<'_>) {
        let Some(sent) = self.network.sent_by(side.end, side.pair) else { return };
        let Some(frame) = forge::error(input, sent) else { return };
        self.is_troubled = true;
        self.network.give(side.end, &frame);
    }

    /// Some of what happens next.
    pub(super) fn step(&mut self, steps: usize) {
        let until = self.network.now() + Duration::from_secs(10);
        for _ in 0..steps {
            self.network.step(until);
        }
    }

    /// All that happens in a time.
    pub(super) fn pass(&mut self, time: Duration) {
        let until = self.network.now() + time;
        self.steps = 0;
        while self.network.step(until) {
            self.count_step();
        }
    }

    fn count_step(&mut self) {
        self.steps += 1;
        if self.steps == STEPS_MAX {
            panic!("they do not come to rest:\n{}", self.told());
        }
    }

    /// How all stands, and what was sent last, for the message of a failure.
    fn told(&mut self) -> String {
        let (now, mut told) = (self.network.now(), self.network.recent());
        for pair in &self.pairs {
            for (end, engine) in self.network.engines.iter_mut().enumerate() {
                let info = pair.ids[end].map(|id| engine.socket(now, id).expect("it is open").info());
                told += &format!("end {end} of {pair:?}: {info:?}\n");
            }
        }
        told
    }

    /// Holds what both engines tell against what must be true.
    pub(super) fn check(&mut self) {
        let now = self.network.now();
        for pair in &self.pairs {
            for (end, id) in pair.ids.iter().enumerate() {
                let Some(id) = *id else { continue };
                let info = self.network.engines[end].socket(now, id).expect("it is open").info();
                let Ok(info) = info else { continue };
                let told = || format!("{}end {end} of {pair:?}", self.network.recent());
                keeps_books(&self.network.engines[end], &info, told);
            }
        }
        for engine in &self.network.engines {
            let memory = engine.tcp_memory();
            assert!(memory.bytes <= MEMORY_MAX, "{memory:?}");
            assert!(memory.orphans <= memory.connections, "{memory:?}");
        }
    }

    /// The link is good again: all that was written comes, unless somebody has been told why not. Then all is closed, and goes away.
    pub(super) fn end(&mut self) {
        self.network.link = Link { delay: Duration::from_millis(10), ..Link::default() };
        self.read_for(Duration::from_secs(500));
        self.check();
        self.assert_nothing_is_stuck();
        for pair in 0..self.pairs.len() {
            for end in 0..2 {
                self.close(Side { pair, end });
            }
        }
        self.listen(u8::MAX);
        if self.is_forged {
            // Two ends that no longer agree where they stand may ask each other for windows as long as both answer.
            return self.pass(Duration::from_secs(200));
        }
        self.pass(Duration::from_secs(4000));
        for engine in &self.network.engines {
            let memory = engine.tcp_memory();
            let left = (engine.sockets(), memory.bytes, memory.connections, memory.orphans);
            assert_eq!(left, (0, 0, 0, 0), "something is left:\n{}", self.network.recent());
        }
    }

    /// Reads what comes in a time, as soon as it comes.
    fn read_for(&mut self, time: Duration) {
        let until = self.network.now() + time;
        self.steps = 0;
        self.accept();
        self.read_all();
        while self.network.step(until) {
            self.count_step();
            self.accept();
            self.read_all();
        }
    }

    /// What is left to be read goes on coming, if slowly, as long as both ends are connected.
    fn assert_nothing_is_stuck(&mut self) {
        if self.is_forged || self.is_troubled {
            return;
        }
        let before: Vec<_> = self.pairs.iter().map(|pair| pair.model.read).collect();
        if self.pairs.iter().any(|pair| pair.is_awaited(&mut self.network)) {
            // The longest time between two attempts is 120 seconds, and sixteen of them take 924.6 at least.
            self.read_for(Duration::from_secs(if self.is_squeezed { 1500 } else { 500 }));
        }
        let mut pairs = self.pairs.iter().zip(before);
        if pairs.any(|(pair, before)| pair.model.read == before && pair.is_awaited(&mut self.network)) {
            panic!("stuck:\n{}", self.told());
        }
    }
}

fn feature(name: &str) -> Feature {
    Feature::by_name(name).unwrap_or_else(|| panic!("{name} is known"))
}

fn untracked(family: Family) -> RuleSet {
    let rules = Source { name: "rules", text: "-t raw -A PREROUTING -j NOTRACK\n-t raw -A OUTPUT -j NOTRACK" };
    RuleSet::parse(&[rules], &Loading { family, ..Loading::default() }).unwrap_or_else(|error| panic!("{error}"))
}

const COOKIES: &str = "net.ipv4.tcp_syncookies";
const MEMORY: &str = "net.ipv4.tcp_mem";
const NO_COOKIES: [u32; 1] = [0];
const PORT: u16 = 80;
/// More would only make each try slow.
const PAIRS_MAX: usize = 4;
const READ_BYTES: usize = 100_000;
/// What is written at most, and what comes of it, with room for what holds it.
const MEMORY_MAX: u64 = 64 << 20;
/// Two engines that have nothing to tell each other do not do so for ever.
const STEPS_MAX: u32 = 100_000;
