//! A gateway that is played to.

use core::fmt;

use towpath_engine::{
    Command, CommandError, DeviceId, Ending, Engine, Event, Instant, Reply, Subscription, Transmit,
    packet::Sketch,
    snapshot::{Restoring, SnapshotError},
    trace::Step,
    wire::MacAddr,
};

use super::{
    beside::Beside,
    compare::{Difference, compare},
    happening::{Happening, Watch},
    script::{Script, Sign},
};
use crate::record::{Fate, Record, Seen};

/// A gateway that is played to, and what became of the last packet.
pub struct Player {
    engine: Engine,
    watch: Watch,
    /// Packets so far.
    packets: u64,
    last: Option<Last>,
    out: Vec<Transmit>,
    events: Vec<(Instant, Event)>,
    path: Vec<Step>,
    now: Instant,
}

/// The last packet.
struct Last {
    time: Instant,
    device: DeviceId,
    frame: Vec<u8>,
    ending: Ending,
}

/// Why a play cannot be played.
#[derive(Debug)]
pub enum PlayError {
    /// The gateway has no such device; the second text lists those that it has.
    NoDevice(String, String),
    /// A packet that the gateway sends by itself, not because it was told.
    OwnArp,
    /// The gateway does not send such a packet.
    Command(CommandError),
}

impl fmt::Display for PlayError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoDevice(name, known) => write!(out, "the gateway has no interface '{name}', it has {known}"),
            Self::OwnArp => out.write_str("the gateway sends ARP packets by itself"),
            Self::Command(error) => error.fmt(out),
        }
    }
}

impl core::error::Error for PlayError {}

impl From<CommandError> for PlayError {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl Player {
    /// Plays to a gateway, from a time on.
    ///
    /// # Errors
    /// None that an engine gives today.
    pub fn new(engine: Engine, start: Instant) -> Result<Self, CommandError> {
        let mut player = Self {
            watch: Watch::default(),
            packets: 0,
            last: None,
            out: Vec::new(),
            events: Vec::new(),
            path: Vec::new(),
            now: start.max(engine.now()),
            engine,
        };
        let all = Subscription { conntrack: true, log: true, helper: true, endings: true };
        player.command(Command::Subscribe(all))?;
        Ok(player)
    }

    /// The gateway.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The same, for calls of its sockets.
    pub const fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// Asks something of the gateway, now.
    ///
    /// # Errors
    /// When the gateway refuses it.
    pub fn command(&mut self, command: Command) -> Result<Reply, CommandError> {
        self.engine.handle_command(self.now, command)
    }

    /// Goes on with an engine that was restored from a snapshot of this one, as another gateway does that takes over.
    ///
    /// # Errors
    /// As for [`Engine::restore`].
    pub fn fail_over(&mut self, restoring: Restoring) -> Result<(), SnapshotError> {
        self.engine = Engine::restore(&self.engine.save(), restoring)?;
        Ok(())
    }

    /// Plays a script whose times count from now, and tells `each` what became of each packet. Another play goes on where
    /// this one has ended.
    ///
    /// # Errors
    /// When a packet cannot go in. The inner result says whether all went as written.
    pub fn play(
        &mut self,
        script: &Script,
        mut each: impl FnMut(&Record<'_>),
    ) -> Result<Result<(), Difference>, PlayError> {
        let start = self.now;
        let mut acts: Vec<Vec<Happening>> = Vec::new();
        for line in script.lines() {
            let at = start + line.time;
            if let Sign::In(sketch, beside) = &line.sign {
                acts.push(self.until(at));
                acts.push(self.take_in(&line.device, sketch, beside)?);
                self.record().iter().for_each(&mut each);
            }
        }
        acts.push(self.until(start + script.length()));
        Ok(compare(script.lines(), &merged(acts), start))
    }

    /// A packet in the one notation goes in by a device, sent by a station of its link, or is sent by the gateway itself
    /// (`-`). Answers what that has led to.
    ///
    /// # Errors
    /// When it cannot go in.
    pub fn take_in(&mut self, device: &str, sketch: &Sketch, beside: &Beside) -> Result<Vec<Happening>, PlayError> {
        if device != "-" {
            let id = self.device(device)?;
            return Ok(self.receive(id, sketch.frame(station_mac(id), self.mac_of(id)), beside));
        }
        let Sketch::Ip(sketch) = sketch else { return Err(PlayError::OwnArp) };
        let packet = sketch.packet();
        self.forget_last();
        self.command(Command::SendPacket(packet.clone()))?;
        Ok(self.look(DeviceId::LOOPBACK, device, packet))
    }

    /// A frame goes in by a device, with what travels beside it. Answers what that has led to.
    pub fn receive(&mut self, device: DeviceId, frame: Vec<u8>, beside: &Beside) -> Vec<Happening> {
        self.forget_last();
        beside.with_frame(device, &frame, |frame| self.engine.handle_frames(self.now, &[*frame]));
        let name = self.engine.devices().find(device).map_or_else(|| "?".to_owned(), |device| device.name.clone());
        self.look(device, &name, frame)
    }

    /// Lets happen what is due until a time. Answers what that was.
    pub fn until(&mut self, end: Instant) -> Vec<Happening> {
        let mut happened = Vec::new();
        while let Some((when, _)) = self.engine.poll_timeout().filter(|(when, _)| *when <= end) {
            self.now = self.now.max(when);
            self.engine.handle_timeout(self.now);
            happened.extend(self.look_again());
        }
        self.now = self.now.max(end);
        happened
    }

    /// What has happened since it was asked for last, other than through packets and time.
    pub fn look_again(&mut self) -> Vec<Happening> {
        let (mut out, mut events) = (Vec::new(), Vec::new());
        let happened = self.watch.look(&mut self.engine, self.now, "-", (&mut out, &mut events));
        out.into_iter().for_each(|transmit| self.engine.recycle(transmit));
        happened
    }

    /// The device of that name.
    ///
    /// # Errors
    /// When there is none.
    pub fn device(&self, name: &str) -> Result<DeviceId, PlayError> {
        let devices = || self.engine.devices().iter();
        let found = devices().find(|(_, device)| device.name == name);
        if found.is_none() && name == "lo" {
            return Ok(DeviceId::LOOPBACK);
        }
        let known = || devices().map(|(_, device)| device.name.as_str()).collect::<Vec<_>>().join(", ");
        found.map(|(id, _)| id).ok_or_else(|| PlayError::NoDevice(name.to_owned(), known()))
    }

    /// What became of the last packet; `None` before the first.
    #[must_use]
    pub fn record(&self) -> Option<Record<'_>> {
        let Last { time, device, frame, ending } = self.last.as_ref()?;
        Some(Record {
            number: self.packets,
            time: *time,
            fate: Fate::Fed(*device, *ending),
            seen: Seen::AsCaptured,
            captured: frame,
            frame,
            wire_len: u32::try_from(frame.len()).unwrap_or(u32::MAX),
            out: &self.out,
            events: &self.events,
            path: &self.path,
            // What happens to packets that were held shows in what comes out.
            late: &[],
            engine: &self.engine,
        })
    }

    fn mac_of(&self, device: DeviceId) -> MacAddr {
        self.engine.devices().find(device).map_or(MacAddr::BROADCAST, |device| device.mac)
    }

    fn forget_last(&mut self) {
        self.out.drain(..).for_each(|transmit| self.engine.recycle(transmit));
        self.events.clear();
    }

    /// Takes note of what a packet has led to.
    fn look(&mut self, device: DeviceId, name: &str, frame: Vec<u8>) -> Vec<Happening> {
        let gone = (&mut self.out, &mut self.events);
        let mut happened = self.watch.look(&mut self.engine, self.now, name, gone);
        self.path = self.engine.take_trace();
        self.packets += 1;
        // Those of packets that were held have lower numbers than its own.
        let endings = core::iter::from_fn(|| self.engine.poll_ending());
        let own = endings.max_by_key(|ending| ending.frame);
        self.last = own.map(|ending| Last { time: self.now, device, frame, ending });
        if let Some(record) = self.record() {
            happened.push(Happening::known(name, &record));
        }
        happened
    }
}

/// The Ethernet address of whoever sends to a device.
#[must_use]
pub const fn station_mac(device: DeviceId) -> MacAddr {
    let [high, low] = device.0.wrapping_add(1).to_be_bytes();
    MacAddr([2, 0, 0, high, low, 2])
}

/// What happened because of one packet and then of time, for each packet; first what happened before any.
fn merged(acts: Vec<Vec<Happening>>) -> Vec<Vec<Happening>> {
    let mut acts = acts.into_iter();
    let mut merged = vec![acts.next().unwrap_or_default()];
    while let Some(mut act) = acts.next() {
        act.extend(acts.next().unwrap_or_default());
        merged.push(act);
    }
    merged
}
