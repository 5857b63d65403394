//! Plays a scenario and writes down what the engine did with each frame.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use anyhow::{Context, Result, bail};
use serde::Serialize;
use towpath_engine::{
    Command, DeviceId, DropReason, End, Ending, Engine, Event, Frame, Instant, Outcome, Packet,
    conntrack::{Direction, ExpectationEntry, Family, Tracking, Tuple, Zone, helper::Helper},
    ending::Holder,
    netfilter::{Hook, Stage},
    packet::{Pool, Summary},
    random::Draw,
    snapshot::Restoring,
};
use towpath_replay::schema::{Connection, ConntrackEvent, Expectation};

use super::{
    Folder,
    frames::{self, Input},
    router::{self, SIDES},
    scenario::{Draws, Scenario, Step},
};

/// An answer in the schema `kernel-oracle/1`.
#[derive(Debug, Serialize)]
pub struct Answer {
    schema: &'static str,
    scenario: String,
    frames: Vec<FrameAnswer>,
    after: After,
    #[serde(rename = "final")]
    last: Last,
}

/// What became of one frame.
#[derive(Debug, Serialize)]
struct FrameAnswer {
    n: usize,
    ts: f64,
    side: &'static str,
    pkt: String,
    state: Option<&'static str>,
    dir: Option<&'static str>,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    events: Vec<ConntrackEvent>,
    out: Vec<Out>,
    in_hex: String,
    ct: Option<Connection>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kmsg: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    expired: Vec<ConntrackEvent>,
}

/// A frame that came out.
#[derive(Debug, Serialize)]
struct Out {
    side: &'static str,
    pkt: String,
    hex: String,
}

/// What came after the last frame.
#[derive(Debug, Serialize)]
struct After {
    events: Vec<ConntrackEvent>,
    out: Vec<Out>,
}

/// What is left at the end.
#[derive(Debug, Serialize)]
struct Last {
    conntrack: Vec<Connection>,
    expectations: Vec<Expectation>,
    iptables_save: Vec<String>,
    ip6tables_save: Vec<String>,
}

/// What the engine gave for one input.
#[derive(Default)]
struct Given {
    out: Vec<(DeviceId, Vec<u8>)>,
    events: Vec<ConntrackEvent>,
    /// The zones of the events' connections, where both directions have the same.
    zones: Vec<u16>,
    log: Vec<String>,
}

/// Makes the router's helpers, each time anew.
pub type HelpersMade<'h> = &'h dyn Fn() -> Vec<Box<dyn Helper>>;

/// Plays the scenario in a folder and gives the answer.
///
/// # Errors
/// When the scenario cannot be read, asks for something that is not supported, or when the engine draws a value that
/// the kernel's draws do not admit.
pub fn answer<'f>(folder: impl Into<Folder<'f>>) -> Result<Answer> {
    answer_with(folder, &towpath_helpers_native::all)
}

/// The same with helpers of the caller's.
///
/// # Errors
/// As for [`answer`].
pub fn answer_with<'f>(folder: impl Into<Folder<'f>>, helpers: HelpersMade<'_>) -> Result<Answer> {
    let folder = folder.into();
    let (answer, _, undrawn) = play_with(folder, 0, helpers, |_| false)?;
    if !undrawn.is_empty() {
        // Nobody knows what was drawn for a packet that never left. It makes no difference then.
        let (other, ..) = play_with(folder, 1, helpers, |_| false)?;
        depends_on_nothing_undrawn(&answer, &other, &undrawn)?;
    }
    Ok(answer)
}

/// Whether two answers are the same though other values were drawn where `draws.json` holds none.
fn depends_on_nothing_undrawn(answer: &Answer, other: &Answer, undrawn: &[(usize, Draw)]) -> Result<()> {
    let texts = |answer: &Answer| -> Result<Vec<String>> {
        let end = serde_json::to_string(&(&answer.after, &answer.last));
        Ok(answer.frames.iter().map(serde_json::to_string).chain([end]).collect::<Result<_, _>>()?)
    };
    let unequal = texts(answer)?.iter().zip(&texts(other)?).position(|(one, other)| one != other);
    let Some(n) = unequal else { return Ok(()) };
    let Some((frame, draw)) = undrawn.iter().rev().find(|(frame, _)| *frame <= n) else {
        bail!("frame {n}: the engine answers otherwise with another seed");
    };
    bail!(
        "frame {frame}: the engine draws ({draw:?}) where draws.json holds no admissible value, and the answer to frame {n} shows it"
    )
}

/// Plays the scenario in a folder, saves the engine before each frame for which `restarts` says so, and goes on with what was
/// restored from that. Gives the answer and what is saved at the end.
///
/// # Errors
/// As for [`answer`], and when a snapshot is refused.
pub fn play<'f>(folder: impl Into<Folder<'f>>, restarts: impl Fn(usize) -> bool) -> Result<(Answer, Vec<u8>)> {
    play_with(folder.into(), 0, &towpath_helpers_native::all, restarts).map(|(answer, saved, _)| (answer, saved))
}

/// What was played, what is saved at its end, and what was drawn in which frame for want of a value.
type Played = (Answer, Vec<u8>, Vec<(usize, Draw)>);

fn play_with(
    folder: Folder<'_>,
    seed: u64,
    helpers: HelpersMade<'_>,
    restarts: impl Fn(usize) -> bool,
) -> Result<Played> {
    let scenario = Scenario::read(folder)?;
    let draws = Draws::read(folder)?;
    let inputs = frames::read(&scenario, folder)?;
    let now = START;
    let engine =
        router::build(&scenario, folder, &frames::addresses(&inputs), draws.names(FLOW_LABEL), seed, helpers(), now)?;
    let zones = BTreeSet::from([0]);
    let mut play = Play {
        scenario,
        draws,
        engine,
        now,
        pool: Pool::new(),
        outputs: Vec::new(),
        zones,
        early: Given::default(),
        undrawn: Vec::new(),
    };
    let mut frames = Vec::new();
    for (n, input) in inputs.iter().enumerate() {
        // Fragments that wait for others are in no snapshot.
        if restarts(n) && play.engine.waiting_packets() == 0 {
            play.engine = restarted(&play.engine, helpers())?;
        }
        frames.push(play.frame(n, input)?);
    }
    let saved = play.engine.save();
    let undrawn = std::mem::take(&mut play.undrawn);
    Ok((play.finish(frames), saved, undrawn))
}

/// What is restored from what is saved of an engine.
fn restarted(engine: &Engine, helpers: Vec<Box<dyn Helper>>) -> Result<Engine> {
    let restoring = Restoring { helpers, ..Restoring::default() };
    Ok(Engine::restore(&engine.save(), restoring)?)
}

/// A scenario in play.
struct Play {
    scenario: Scenario,
    draws: Draws,
    engine: Engine,
    now: Instant,
    pool: Pool,
    /// What came out for each frame so far.
    outputs: Vec<Vec<(DeviceId, Vec<u8>)>>,
    /// The zones that were seen in events: where a connection is looked for.
    zones: BTreeSet<u16>,
    /// What came out while time passed before the next frame.
    early: Given,
    /// Draws for which `draws.json` holds no value, each with its frame.
    undrawn: Vec<(usize, Draw)>,
}

impl Play {
    fn frame(&mut self, n: usize, input: &Input) -> Result<FrameAnswer> {
        let script = script(self.draws.frames.get(&n))?;
        self.engine.handle_command(self.now, Command::Script(Some(script)))?;
        let expired = self.steps_before(n)?;
        let input = self.addressed(n, input)?;
        let taken = match input.side {
            Some(device) => {
                self.engine.handle_frames(self.now, &[Frame::new(device, &input.bytes)]);
                true
            }
            None => self.engine.handle_command(self.now, Command::SendPacket(input.bytes.clone())).is_ok(),
        };
        // What is let go of packets that were held has lower numbers.
        let endings = std::iter::from_fn(|| self.engine.poll_ending());
        let ending = match endings.max_by_key(|ending| ending.frame) {
            Some(ending) => ending,
            None if taken => bail!("frame {n} did not end"),
            None => REFUSED,
        };
        self.meets_a_listener(&input, &ending).with_context(|| format!("frame {n}"))?;
        self.undrawn.extend(self.engine.random().missing().iter().map(|draw| (n, *draw)));
        let given = self.drain();
        let (state, dir) = state_and_direction(ending.tracking);
        let answer = FrameAnswer {
            n,
            ts: input.nanos as f64 / 1e9,
            side: input.side.map_or("local", |device| SIDES[usize::from(device.0)]),
            pkt: self.summary(&input),
            state,
            dir,
            verdict: verdict(&ending, &input, self.is_fragment(&input)),
            reason: match ending.outcome {
                Outcome::Dropped(reason) => Some(reason.name()),
                Outcome::Ended(_) => None,
            },
            events: given.events,
            out: given.out.iter().map(|(device, bytes)| self.out(*device, bytes)).collect(),
            in_hex: hex(&input.bytes),
            ct: self.entry_of(&input),
            kmsg: given.log,
            expired,
        };
        self.outputs.push(given.out);
        Ok(answer)
    }

    /// What the scenario does before a frame.
    fn steps_before(&mut self, n: usize) -> Result<Vec<ConntrackEvent>> {
        let mut expired = Vec::new();
        let steps: Vec<&Step> = self.scenario.steps.iter().filter(|step| step.before == n).collect();
        for step in steps {
            let passed = Duration::from_secs(step.advance) + Duration::from_secs_f64(step.sleep);
            self.now = self.now + passed;
            self.engine.handle_timeout(self.now);
            for (name, value) in &step.sysctl {
                self.engine.handle_command(self.now, Command::SetSysctl(name.clone(), *value))?;
            }
            if step.flush {
                self.engine.handle_command(self.now, Command::FlushConntrack)?;
            }
            let given = drain(&mut self.engine);
            expired.extend(given.events);
            self.early.out.extend(given.out);
            self.early.log.extend(given.log);
        }
        Ok(expired)
    }

    /// The input with the destination it gets when it answers an earlier output.
    fn addressed(&mut self, n: usize, input: &Input) -> Result<Input> {
        let Some(answer) = self.scenario.answers.get(&n) else { return Ok(input.clone()) };
        match frames::answered(answer, &self.outputs)? {
            Some(answered) => {
                let bytes = frames::answering(input, answered, &mut self.pool)?;
                Ok(Input { bytes, ..input.clone() })
            }
            None => Ok(input.clone()),
        }
    }

    fn drain(&mut self) -> Given {
        let given = drain(&mut self.engine);
        let early = std::mem::take(&mut self.early);
        let given = Given {
            out: early.out.into_iter().chain(given.out).collect(),
            log: early.log.into_iter().chain(given.log).collect(),
            events: given.events,
            zones: given.zones,
        };
        self.zones.extend(&given.zones);
        given
    }

    /// The listeners of a scenario are not played: what a segment would be answered that reaches one is not known.
    fn meets_a_listener(&mut self, input: &Input, ending: &Ending) -> Result<()> {
        let listeners = self.scenario.local_services.iter().filter(|service| service.proto == "tcp");
        let ports: Vec<u16> = listeners.map(|service| service.port).collect();
        if ports.is_empty() || ending.outcome != Outcome::Dropped(DropReason::NoSocket) {
            return Ok(());
        }
        let Some(packet) = parse(&mut self.pool, input) else { return Ok(()) };
        let port = packet.tcp().map(|tcp| tcp.destination_port.get());
        packet.recycle(&mut self.pool);
        match port.filter(|port| ports.contains(port)) {
            Some(port) => bail!("a segment reaches the listener on port {port}: the play has no listeners"),
            None => Ok(()),
        }
    }

    /// The connection that the input's tuple belongs to now; of a fragment, the one that its datagram belongs to.
    fn entry_of(&mut self, input: &Input) -> Option<Connection> {
        let packet = parse(&mut self.pool, input)?;
        let tuple = self.engine.completed_datagram().or_else(|| Tuple::about(&packet));
        packet.recycle(&mut self.pool);
        let conntrack = self.engine.conntrack();
        let (id, _) = self.zones.iter().find_map(|&zone| conntrack.find(self.now, Zone::both(zone), &tuple?))?;
        Some(Connection::from(&conntrack.entry(self.now, id)?))
    }

    /// Whether the frame holds a part of a datagram.
    fn is_fragment(&mut self, input: &Input) -> bool {
        let packet = parse(&mut self.pool, input);
        let is_fragment = packet.as_ref().is_some_and(Packet::is_fragment);
        packet.into_iter().for_each(|packet| packet.recycle(&mut self.pool));
        is_fragment
    }

    fn summary(&mut self, input: &Input) -> String {
        match parse(&mut self.pool, input) {
            Some(packet) => {
                let text = Summary(&packet).to_string();
                packet.recycle(&mut self.pool);
                text
            }
            None => String::from("?"),
        }
    }

    fn out(&mut self, device: DeviceId, bytes: &[u8]) -> Out {
        let input = Input { nanos: 0, side: Some(device), bytes: bytes.to_vec() };
        Out { side: SIDES[usize::from(device.0)], pkt: self.summary(&input), hex: hex(bytes) }
    }

    fn finish(mut self, frames: Vec<FrameAnswer>) -> Answer {
        let late = self.drain();
        let out = late.out.iter().map(|(device, bytes)| self.out(*device, bytes)).collect();
        let conntrack = self.engine.conntrack();
        let expectations: Vec<_> =
            conntrack.expectations().iter().map(|known| ExpectationEntry::of(self.now, known)).collect();
        Answer {
            schema: "kernel-oracle/1",
            scenario: self.scenario.name.clone(),
            frames,
            after: After { events: late.events, out },
            last: Last {
                conntrack: conntrack.entries(self.now).iter().map(Connection::from).collect(),
                expectations: expectations.iter().map(Expectation::from).collect(),
                iptables_save: saved(&self.engine, Family::Ipv4),
                ip6tables_save: saved(&self.engine, Family::Ipv6),
            },
        }
    }
}

/// The rules of a family with their counters.
fn saved(engine: &Engine, family: Family) -> Vec<String> {
    engine.rules().of(family).save(true).lines().map(String::from).collect()
}

/// Takes everything that the engine has to give.
fn drain(engine: &mut Engine) -> Given {
    let mut given = Given::default();
    while let Some(transmit) = engine.poll_transmit() {
        let mut bytes = transmit.head().to_vec();
        transmit.fragments().for_each(|part| bytes.extend_from_slice(part));
        given.out.push((transmit.device, bytes));
        engine.recycle(transmit);
    }
    while let Some((_, event)) = engine.poll_event() {
        match event {
            Event::Log { line, .. } => given.log.push(line),
            // What the kernel tells of these is not compared.
            Event::Nflog(_) | Event::Audit { .. } => {}
            Event::Connection(..) | Event::Expectation(..) | Event::Helper(_) => {
                if let Event::Connection(_, entry) = &event {
                    given.zones.extend(entry.zone.shared());
                }
                given.events.extend(ConntrackEvent::of(&event));
            }
        }
    }
    given
}

/// What draws of flow labels are called.
const FLOW_LABEL: &str = "flow_label";

/// The kernel's draws for one frame, for the engine to take.
fn script(draws: Option<&BTreeMap<String, Vec<u32>>>) -> Result<Vec<(Draw, u32)>> {
    let mut script = Vec::new();
    for (kind, values) in draws.into_iter().flatten() {
        let draw = match kind.as_str() {
            "port" => Draw::Port,
            "ip_id" => Draw::IpId,
            // The kernel's own TCP drew these, or a frame of the scenario brought them; the engine has none.
            "isn" | "tsval" => continue,
            FLOW_LABEL => Draw::FlowLabel,
            "frag_id" => Draw::FragmentId,
            other => bail!("draws.json: draws of kind '{other}' are not supported"),
        };
        script.extend(values.iter().map(|&value| (draw, value)));
    }
    Ok(script)
}

fn parse(pool: &mut Pool, input: &Input) -> Option<Packet> {
    match input.side {
        Some(device) => Packet::parse(pool, &Frame::new(device, &input.bytes)).ok(),
        None => Packet::from_network_bytes(pool, &input.bytes).ok(),
    }
}

fn state_and_direction(tracking: Tracking) -> (Option<&'static str>, Option<&'static str>) {
    let direction = match tracking {
        Tracking::Tracked { direction: Direction::Original, .. } => Some("ORIGINAL"),
        Tracking::Tracked { direction: Direction::Reply, .. } => Some("REPLY"),
        Tracking::Unseen | Tracking::Template(_) | Tracking::Untracked | Tracking::Invalid => None,
    };
    (tracking.word(), direction)
}

/// The oracle's word for an ending: it saw the packet at certain hooks, and from the last one tells what became of it.
fn verdict(ending: &Ending, input: &Input, is_fragment: bool) -> &'static str {
    let is_local = input.side.is_none();
    let is_v4 = input.bytes.first().is_some_and(|version| version >> 4 == 4);
    // Over IPv4 nobody is told of a fragment that is thrown away, and nowhere of a copy.
    let is_silent = |reason| is_local && (is_v4 || reason == DropReason::FragmentDuplicate);
    match (ending.outcome, ending.place) {
        (Outcome::Ended(End::Held(Holder::Defrag)), _) if is_local => "NO_HOOK",
        (Outcome::Ended(_), _) if is_local => "SENT",
        (Outcome::Dropped(reason), None) if is_silent(reason) && reason.is_of_fragment() => "NO_HOOK",
        // Whoever sends by a socket is told that it was in vain.
        (Outcome::Dropped(_), _) if is_local => "NOT_INJECTED",
        (Outcome::Ended(End::Held(Holder::Defrag)), _) => "HELD_FRAGMENT",
        (Outcome::Dropped(reason), None) if reason.is_of_fragment() => "HELD_FRAGMENT",
        (_, None) => "NO_HOOK",
        (_, Some((Hook::Input, Stage::Helper | Stage::Confirm))) => "LOCAL_IN",
        (Outcome::Ended(_), Some(_)) => "FORWARDED",
        (Outcome::Dropped(_), Some((hook, stage))) => match (hook, stage) {
            // It cannot tell whether a fragment was held, or its datagram dropped.
            (Hook::Prerouting, Stage::Raw | Stage::Conntrack) if is_fragment => "HELD_FRAGMENT",
            (Hook::Prerouting, Stage::Raw | Stage::Conntrack) => "DROPPED_CONNTRACK",
            (Hook::Prerouting | Hook::Output, _) => "DROPPED_BEFORE_FORWARD",
            (Hook::Input, _) => "DROPPED_INPUT",
            (Hook::Forward, _) => "DROPPED_FORWARD",
            (Hook::Postrouting, Stage::Helper | Stage::Confirm) => "DROPPED_LATE",
            (Hook::Postrouting, _) => "DROPPED_POSTROUTING",
        },
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// How a packet of the router itself ends that cannot be sent at all.
const REFUSED: Ending = Ending {
    frame: 0,
    outcome: Outcome::Dropped(DropReason::IpHeaderMalformed),
    tracking: Tracking::Unseen,
    place: None,
    rule: None,
};

/// When scenarios start: 2026, as the kernel's wall clock said when it was asked, for rules that ask for a date.
const START: Instant = Instant::from_secs(1_767_225_600);
