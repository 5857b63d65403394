//! A gateway that is fed with a capture.

use std::{collections::BTreeMap, slice};

use towpath_engine::{
    Checksum, CommandError, DeviceId, End, Ending, Engine, Event, Frame, Instant, Outcome, TimerId, Transmit, VlanTag,
    conntrack::{Family, Zone},
    device::Vlan,
    trace::Step,
};

use super::{
    ChecksumTrust, Detail, Setup, SetupError,
    ahead::Ahead,
    datagrams::Datagrams,
    inner::{Captured, Inner},
    itself::Itself,
    offload::{self, Judgement},
    peek::Peek,
    setup::engine_of,
    side::Sides,
    translation::{self, Translation},
    transparent,
};
use crate::{
    capture::{Batch, Capture, CaptureError, CapturedPacket, Content, Unreadable},
    config::Config,
    limits::{BATCH_PACKETS, BOND_BEATS_BEFORE_MAX, BOND_BEATS_MAX, BOND_FRAMES_MAX},
    record::{Fate, Late, NotFed, Record, Seen, Verdict},
    tags,
};

/// A gateway that is fed with a capture.
pub struct Replay {
    engine: Engine,
    sides: Sides,
    itself: Itself,
    checksums: ChecksumTrust,
    /// By device.
    mtus: Vec<u32>,
    /// Whether rules translate at all, IPv4 and IPv6.
    translates: [bool; 2],
    /// The gateway's VLANs; without any, tags are of the capture's network and not of the gateway's.
    vlans: Vec<Vlan>,
    /// What was found out before the first packet of the batch at hand.
    ahead: Ahead,
    /// What rules lead connections to, where captures may have been taken behind them.
    inner: Inner,
    /// What the datagrams were given that come in fragments.
    datagrams: Datagrams,
    /// Room for a frame that is not replayed as it was captured.
    scratch: Vec<u8>,
    out: Vec<Transmit>,
    events: Vec<(Instant, Event)>,
    path: Vec<Step>,
    /// Packets that are held: their frames' numbers, theirs in the capture, and what has been said of them.
    held: BTreeMap<u64, (u64, Verdict)>,
    late: Vec<Late>,
    totals: Totals,
}

/// What a replay is put together of.
pub(super) struct Parts<'a> {
    pub(super) engine: Engine,
    pub(super) config: &'a Config,
    /// Whether it has a machine of its own, whose packets to itself are its own, too.
    pub(super) hears_machine: bool,
    pub(super) checksums: ChecksumTrust,
}

/// What a replay has counted, beside what its engine counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Packets of the capture.
    pub packets: u64,
    /// Of those, not fed in: the gateway's own output.
    pub own_output: u64,
    /// Not fed in: of a link layer that is not read.
    pub unreadable: u64,
    /// Why the first of those is not read.
    pub first_unreadable: Option<Unreadable>,
    /// Not fed in: no interface leads to their source.
    pub nowhere: u64,
    /// Not fed in: of a machine to itself, where the gateway has none.
    pub to_itself: u64,
    /// Fed in with other addresses.
    pub readdressed: u64,
    /// Fed in as they were, although the gateway may have seen something else.
    pub unknown: u64,
    /// The first packet's time.
    pub first: Option<Instant>,
    /// The latest time.
    pub last: Option<Instant>,
}

/// What a captured packet has become on its way to the engine.
#[derive(Clone, Copy, Debug)]
struct Fed {
    /// Where it was given to the engine, if it was.
    place: Result<DeviceId, NotFed>,
    seen: Seen,
    /// Whether the frame lies in the scratch room.
    changed: bool,
    wire_len: u32,
}

impl Replay {
    /// Sets a gateway up.
    ///
    /// # Errors
    /// When rules or configuration are not right.
    pub fn new(setup: Setup<'_>) -> Result<Self, SetupError> {
        let config = setup.config.clone().unwrap_or_else(transparent::config);
        let (checksums, hears_machine) = (setup.checksums, hears_machine(&setup));
        let engine = engine_of(setup, &config)?;
        Ok(Self::of(Parts { engine, config: &config, hears_machine, checksums }))
    }

    /// A gateway that is fed.
    pub(super) fn of(parts: Parts<'_>) -> Self {
        let Parts { mut engine, config, hears_machine, checksums } = parts;
        engine.set_hearing_host(hears_machine);
        Self {
            mtus: engine.devices().iter().map(|(_, device)| device.mtu_bytes).collect(),
            translates: [Family::Ipv4, Family::Ipv6].map(|family| translation::is_possible(&engine, family)),
            sides: Sides::new(config),
            itself: Itself::new(config, hears_machine),
            vlans: config.vlans.iter().map(|vlan| vlan.vlan).collect(),
            inner: Inner::new(&engine),
            engine,
            checksums,
            ahead: Ahead::default(),
            datagrams: Datagrams::default(),
            scratch: Vec::new(),
            out: Vec::new(),
            events: Vec::new(),
            path: Vec::new(),
            held: BTreeMap::new(),
            late: Vec::new(),
            totals: Totals::default(),
        }
    }

    /// The gateway, to put another one in its place.
    pub(super) const fn engine_mut(&mut self) -> &mut Engine {
        &mut self.engine
    }

    /// Says to the gateway anew, which may be another one, whether it has a machine of its own.
    pub(super) const fn say_what_is_heard(&mut self) {
        self.engine.set_hearing_host(self.itself.is_heard());
    }

    /// Whether the gateway lets packets of established flows take a short way; see [`Engine::set_repeating`].
    pub const fn set_repeating(&mut self, on: bool) {
        self.engine.set_repeating(on);
    }

    /// The gateway.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        &self.engine
    }

    /// The gateway alone, to be asked and fed in other ways.
    #[must_use]
    pub fn into_engine(self) -> Engine {
        let mut engine = self.engine;
        engine.set_hearing_host(false);
        engine
    }

    /// What has been counted.
    #[must_use]
    pub const fn totals(&self) -> Totals {
        self.totals
    }

    /// Replays a capture to its end, or until `each` says false about a record.
    ///
    /// # Errors
    /// When the capture is damaged; everything before the damage has been replayed.
    pub fn run(
        &mut self,
        capture: &mut Capture<'_>,
        mut each: impl FnMut(&Record<'_>) -> bool,
    ) -> Result<(), CaptureError> {
        loop {
            let batch = capture.next_batch(BATCH_PACKETS)?;
            if batch.is_empty() {
                return Ok(());
            }
            self.learn(&batch);
            for packet in batch.packets() {
                if !each(&self.handle(&packet)) {
                    return Ok(());
                }
            }
        }
    }

    /// Changes how much records tell, from the next packet on.
    ///
    /// # Errors
    /// None that an engine gives today.
    pub fn set_detail(&mut self, detail: Detail) -> Result<(), CommandError> {
        let now = self.engine.now();
        detail.commands().into_iter().try_for_each(|command| self.engine.handle_command(now, command).map(drop))
    }

    /// Takes note of a batch whose packets come next: of the interfaces that the capture has described by now, and of what its
    /// packets will need. Only speed depends on whether its packets are what comes.
    pub fn learn(&mut self, batch: &Batch<'_>) {
        self.sides.learn(batch.interfaces());
        self.itself.learn(batch.interfaces());
        self.ahead.look(self.engine.conntrack(), batch);
    }

    /// Replays one packet.
    pub fn handle<'r>(&'r mut self, packet: &CapturedPacket<'r>) -> Record<'r> {
        self.forget_last();
        self.totals.packets += 1;
        self.totals.first.get_or_insert(packet.time);
        self.totals.last = self.totals.last.max(Some(packet.time));
        self.pass_time(packet.time);
        let captured = match packet.content {
            Content::Ethernet(frame) => frame,
            Content::Unreadable(_) => &[],
        };
        let fed = match packet.content {
            Content::Ethernet(frame) => self.feed(packet, frame),
            Content::Unreadable(why) => Fed::refused(NotFed::Unreadable(why), packet.wire_len),
        };
        let fate = match fed.place {
            Ok(device) => self.take_fate(packet.number, device),
            Err(why) => Fate::NotFed(why),
        };
        self.drain();
        if self.engine.is_tracing() {
            self.path = self.engine.take_trace();
        }
        self.count(&fate, fed.seen);
        Record {
            number: packet.number,
            time: packet.time,
            fate,
            seen: fed.seen,
            captured,
            frame: if fed.changed { &self.scratch } else { captured },
            wire_len: fed.wire_len,
            out: &self.out,
            events: &self.events,
            path: &self.path,
            late: &self.late,
            engine: &self.engine,
        }
    }

    /// Gives back what the last record has shown.
    fn forget_last(&mut self) {
        while let Some(transmit) = self.out.pop() {
            self.engine.recycle(transmit);
        }
        self.events.clear();
        self.path.clear();
        self.late.clear();
    }

    /// Lets happen what is due before `now`. What comes out belongs to the next packet's record.
    fn pass_time(&mut self, now: Instant) {
        if self.engine.poll_timeout().is_some_and(|(when, _)| when <= now) {
            self.pass_due(now);
        }
    }

    #[inline(never)]
    fn pass_due(&mut self, now: Instant) {
        let (mut last, mut beats, mut frames) = (None, 0, 0);
        let begins = self.engine.now() == Instant::ZERO;
        let beats_max = if begins { BOND_BEATS_BEFORE_MAX } else { BOND_BEATS_MAX };
        while let Some((when, timer)) = self.engine.poll_timeout()
            && when <= now
        {
            // Delays of links end, and then what does not begins to count.
            beats = if timer == TimerId::Bond { 0 } else { beats + u32::from(timer == TimerId::BondBeat) };
            // A deadline that stays although its time has come would be asked for without end.
            let stays = last.is_some_and(|last| last >= when);
            let is_enough = beats > beats_max || frames > BOND_FRAMES_MAX;
            let due = if stays || is_enough { now } else { when };
            let before = self.out.len();
            self.engine.handle_timeout(due);
            self.drain();
            frames += self.out.len() - before;
            if due == now {
                return;
            }
            last = Some(when);
        }
    }

    fn drain(&mut self) {
        while let Some(transmit) = self.engine.poll_transmit() {
            self.out.push(transmit);
        }
        while let Some(event) = self.engine.poll_event() {
            self.events.push(event);
        }
        while let Some(ending) = self.engine.poll_ending() {
            self.note_late(ending);
        }
    }

    /// Notes how a packet went on that was held.
    #[inline(never)]
    fn note_late(&mut self, ending: Ending) {
        if let Some((number, before)) = self.held.remove(&ending.frame) {
            self.late.push(Late { number, before, ending });
            self.note_held(number, &ending);
        }
    }

    /// Remembers a packet whose ending is not its last.
    #[inline(always)]
    fn note_held(&mut self, number: u64, ending: &Ending) {
        if let Outcome::Ended(End::Held(_)) = ending.outcome {
            self.held.insert(ending.frame, (number, Verdict::of(ending)));
        }
    }

    fn feed(&mut self, packet: &CapturedPacket<'_>, captured: &[u8]) -> Fed {
        let mut scratch = core::mem::take(&mut self.scratch);
        scratch.clear();
        let tags = tags::strip(captured, &mut scratch).unwrap_or_default();
        let fed = self.feed_untagged(packet, captured, &mut scratch, packet.wire_len.saturating_sub(tags));
        self.scratch = scratch;
        fed
    }

    /// Feeds a frame that lies in `scratch`, or in `captured` when that is empty.
    fn feed_untagged(
        &mut self,
        packet: &CapturedPacket<'_>,
        captured: &[u8],
        scratch: &mut Vec<u8>,
        wire_len: u32,
    ) -> Fed {
        let frame = if scratch.is_empty() { captured } else { &scratch[..] };
        let conntrack = self.engine.conntrack();
        let (peek, tuple) = Peek::read(frame);
        let peek = peek.as_ref();
        let mut anew = None;
        let key = tuple.as_ref().map(|tuple| self.ahead.key(conntrack, packet.number, tuple, &mut anew));
        let is_to_itself = peek.is_some_and(|peek| self.itself.holds(packet, frame, peek));
        // Written where it stays: to move it would wait for what was just written.
        let mut translation;
        match peek {
            Some(peek) if self.translates[peek.family() as usize] => {
                if peek.is_fragment() && !peek.has_ports {
                    translation = self.datagrams.of_later(packet.time, peek);
                } else {
                    let (engine, captured) = (&mut self.engine, Captured { packet, frame, wire_len, peek, key });
                    translation = translation::find(engine, packet.time, frame, peek, key);
                    if !is_to_itself {
                        self.inner.look_before(&mut translation, engine, &mut self.sides, captured);
                    }
                    if peek.is_fragment() {
                        self.datagrams.note(packet.time, peek, translation);
                    }
                }
            }
            Some(_) | None => {
                let found = key.and_then(|key| conntrack.find_by(packet.time, Zone::DEFAULT, key));
                translation = Translation::AsCaptured(found);
            }
        }
        let place = match is_to_itself {
            true => self.itself.place(),
            false => self.inner.place(&self.engine, &mut self.sides, (packet, frame, peek), &translation),
        };
        let device = match place {
            Ok(device) => device,
            Err(why) => return Fed { changed: !scratch.is_empty(), ..Fed::refused(why, wire_len) },
        };
        let mtu = self.mtus.get(usize::from(device.0)).copied().unwrap_or(u32::MAX);
        let judgement = peek.map(|peek| offload::judge(self.checksums, frame, wire_len, peek, mtu)).unwrap_or_default();
        if let Some(peek) = peek
            && (translation.changes() || judgement.repair.is_some())
        {
            self.write_anew(scratch, captured, peek, &translation, &judgement);
        }
        let bytes = if scratch.is_empty() { captured } else { &scratch[..] };
        let Judgement { mut checksum, gso, .. } = judgement;
        if translation.changes() && peek.is_some_and(|peek| peek.is_sctp_in_fragments()) {
            // Its ports may have changed, and its checksum cannot until all of it is there.
            checksum = Checksum::Unnecessary;
        }
        let plain = Frame { wire_len, checksum, gso, flow: translation.flow(), ..Frame::new(device, bytes) };
        self.hand_over(packet.time, captured, &plain, translation.changes());
        Fed { place: Ok(device), seen: translation.seen(), changed: !scratch.is_empty(), wire_len }
    }

    /// Writes into `scratch` what the gateway sees instead of a captured frame, or of the one that lies there.
    #[inline(always)]
    fn write_anew(
        &self,
        scratch: &mut Vec<u8>,
        captured: &[u8],
        peek: &Peek,
        translation: &Translation,
        judgement: &Judgement,
    ) {
        if scratch.is_empty() {
            scratch.extend_from_slice(captured);
        }
        if let Some(repair) = judgement.repair {
            offload::finish(scratch, peek, repair);
        }
        translation::apply(&self.engine, scratch, peek, translation, judgement.checksum);
    }

    /// What has become of the packet that was handed over last, which has come in by `device`.
    #[inline(always)]
    fn take_fate(&mut self, number: u64, device: DeviceId) -> Fate {
        let ending = if self.held.is_empty() { self.engine.poll_ending() } else { self.poll_own_ending() };
        let Some(own) = ending else { return Fate::NotFed(NotFed::Nowhere) };
        self.note_held(number, &own);
        Fate::Fed(device, own)
    }

    /// How it has ended, where others may have gone on with it: those of packets that were held have lower numbers than its own.
    #[inline(never)]
    fn poll_own_ending(&mut self) -> Option<Ending> {
        loop {
            let ending = self.engine.poll_ending()?;
            if !self.held.contains_key(&ending.frame) {
                return Some(ending);
            }
            self.note_late(ending);
        }
    }

    /// Gives a frame to the gateway, with the tags that it had where VLANs are the gateway's.
    #[inline(always)]
    fn hand_over(&mut self, now: Instant, captured: &[u8], plain: &Frame<'_>, is_readdressed: bool) {
        if self.vlans.is_empty() {
            self.engine.handle_frames(now, slice::from_ref(plain));
        } else {
            self.hand_over_tagged(now, captured, plain, is_readdressed);
        }
    }

    /// The same where VLANs are. A packet that was captured on one link and comes in by another has left the tags of the first one
    /// there.
    #[inline(never)]
    fn hand_over_tagged(&mut self, now: Instant, captured: &[u8], plain: &Frame<'_>, is_readdressed: bool) {
        let is_here = |tag: VlanTag| {
            let is_it = |vlan: &Vlan| vlan.parent == plain.device && vlan.tpid == tag.tpid && vlan.id == tag.id();
            self.vlans.iter().any(is_it)
        };
        let is_tagged = tags::all(captured).first().is_some_and(|tag| !is_readdressed || is_here(*tag));
        if is_tagged {
            tags::with_tags(captured, plain, |frame| self.engine.handle_frames(now, &[*frame]));
        } else {
            self.engine.handle_frames(now, &[*plain]);
        }
    }

    fn count(&mut self, fate: &Fate, seen: Seen) {
        let totals = &mut self.totals;
        match fate {
            Fate::NotFed(NotFed::OwnOutput) => totals.own_output += 1,
            Fate::NotFed(NotFed::Unreadable(why)) => {
                totals.unreadable += 1;
                totals.first_unreadable.get_or_insert(*why);
            }
            Fate::NotFed(NotFed::Nowhere) => totals.nowhere += 1,
            Fate::NotFed(NotFed::ToItself) => totals.to_itself += 1,
            Fate::Fed(..) => match seen {
                Seen::AsCaptured => {}
                Seen::Readdressed => totals.readdressed += 1,
                Seen::Unknown(_) => totals.unknown += 1,
            },
        }
    }
}

/// Whether a gateway has a machine of its own: one that is described says so (`[host]`), and one that is not stands for whoever is there.
pub(super) fn hears_machine(setup: &Setup<'_>) -> bool {
    setup.config.as_ref().is_none_or(|config| config.host.is_some())
}

impl Fed {
    const fn refused(why: NotFed, wire_len: u32) -> Self {
        Self { place: Err(why), seen: Seen::AsCaptured, changed: false, wire_len }
    }
}
