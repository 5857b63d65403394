//! Runs a case.

use core::fmt;
use std::collections::BTreeMap;

use towpath_engine::{
    CommandError, Engine, Instant,
    conntrack::{
        ExpectationEntry, Family,
        text::{ConnectionLine, ExpectationLine},
    },
    netfilter::RuleInfo,
};

use super::{Case, Failure, Input, Sent, expect::has_words};
use crate::{
    capture::{Capture, CaptureError},
    config::Located,
    limits::BATCH_PACKETS,
    play::{Difference, Mark, PlayError, Player, Script, ScriptFault},
    record::{Record, Verdict},
    replay::{Detail, Replay},
};

/// What a case has shown.
#[derive(Clone, Debug, Default)]
pub struct Ran {
    /// What is not as it says; none: it has passed.
    pub failures: Vec<Failure>,
    /// Packets that went in.
    pub packets: u64,
    /// The rules of both families, with what they have counted in this case.
    pub rules: Vec<RuleInfo>,
}

/// Why a case cannot be run.
#[derive(Debug)]
pub struct CaseError {
    /// Where the file asks for it, from 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub cause: CaseErrorCause,
}

/// What can be wrong with a case that has been read.
#[derive(Debug)]
pub enum CaseErrorCause {
    /// A packet cannot go in.
    Play(PlayError),
    /// A line of a play does not fit the gateway.
    Script(ScriptFault),
    /// The capture is damaged.
    Capture(CaptureError),
    /// The gateway refuses to be watched, or a tunable.
    Command(CommandError),
}

impl fmt::Display for CaseError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            CaseErrorCause::Play(error) => error.fmt(out),
            CaseErrorCause::Script(fault) => fault.fmt(out),
            CaseErrorCause::Capture(error) => error.fmt(out),
            CaseErrorCause::Command(error) => error.fmt(out),
        }
    }
}

impl core::error::Error for CaseError {}

/// Who wants to see a packet of a case with every step of its path.
pub struct Look<'l> {
    /// Its number, from 1.
    pub packet: u64,
    /// Gets its record, and when the case began.
    pub tell: &'l mut dyn FnMut(&Record<'_>, Instant),
}

/// Runs a case on a gateway that has just been set up, the case's tunables included. `capture` is the one that the case
/// names, if it does.
///
/// # Errors
/// When a packet cannot go in, or the capture is damaged.
pub fn run(
    case: &Case,
    mut replay: Replay,
    capture: Option<&mut Capture<'_>>,
    mut look: Option<Look<'_>>,
) -> Result<Ran, CaseError> {
    let at = |cause| CaseError { line: case.name.line, column: case.name.column, cause };
    let mut run = Run { case, ran: Ran::default(), verdicts: BTreeMap::new() };
    if let (Input::Capture(place), Some(capture)) = (&case.input, capture) {
        run.capture(&mut replay, capture, look.as_mut()).map_err(|cause| located(place, cause))?;
        return Ok(run.end(replay.engine()));
    }
    replay.set_detail(Detail::Full).map_err(|error| at(CaseErrorCause::Command(error)))?;
    let mut player = Player::new(replay.into_engine(), START).map_err(|error| at(CaseErrorCause::Command(error)))?;
    match &case.input {
        Input::Packets(packets) => run.packets(&mut player, packets, look.as_mut())?,
        Input::Play(script, first) => run.play(&mut player, script, *first, look.as_mut())?,
        Input::Capture(_) => {}
    }
    Ok(run.end(player.engine()))
}

fn located<T>(place: &Located<T>, cause: CaseErrorCause) -> CaseError {
    CaseError { line: place.line, column: place.column, cause }
}

struct Run<'c> {
    case: &'c Case,
    ran: Ran,
    verdicts: BTreeMap<&'static str, u64>,
}

impl Run<'_> {
    /// Single packets.
    fn packets(
        &mut self,
        player: &mut Player,
        packets: &[Sent],
        mut look: Option<&mut Look<'_>>,
    ) -> Result<(), CaseError> {
        for sent in packets {
            player.until(START + sent.at);
            player
                .take_in(&sent.device.value, &sent.packet, &sent.beside)
                .map_err(|error| located(&sent.device, CaseErrorCause::Play(error)))?;
            if let Some(record) = player.record() {
                self.packet(&record, START, &mut look);
            }
        }
        Ok(())
    }

    /// A play.
    fn play(
        &mut self,
        player: &mut Player,
        script: &Script,
        first: u32,
        mut look: Option<&mut Look<'_>>,
    ) -> Result<(), CaseError> {
        let devices: Vec<&str> = player.engine().devices().iter().map(|(_, device)| device.name.as_str()).collect();
        script.check_devices(&devices).map_err(|error| CaseError {
            line: first + error.line - 1,
            column: 1,
            cause: CaseErrorCause::Script(error.fault),
        })?;
        let mut records = Vec::new();
        let played = player.play(script, |record| {
            self.packet(record, START, &mut look);
            records.push(record.number);
        });
        match played {
            Ok(Ok(())) => Ok(()),
            Ok(Err(difference)) => {
                self.ran.failures.extend(failures(&difference, first));
                Ok(())
            }
            Err(error) => Err(CaseError { line: first, column: 1, cause: CaseErrorCause::Play(error) }),
        }
    }

    /// A capture. All that is said about a packet is asked with its path at hand; of the others only verdicts are told.
    fn capture(
        &mut self,
        replay: &mut Replay,
        capture: &mut Capture<'_>,
        mut look: Option<&mut Look<'_>>,
    ) -> Result<(), CaseErrorCause> {
        let mut detail = None;
        loop {
            let batch = capture.next_batch(BATCH_PACKETS).map_err(CaseErrorCause::Capture)?;
            if batch.is_empty() {
                return Ok(());
            }
            replay.learn(&batch);
            for packet in batch.packets() {
                let number = packet.number;
                let is_asked = self.case.expects.iter().any(|expect| expect.n == number)
                    || look.as_ref().is_some_and(|look| look.packet == number);
                let wanted = if is_asked { Detail::Full } else { Detail::Verdicts };
                if detail != Some(wanted) {
                    replay.set_detail(wanted).map_err(CaseErrorCause::Command)?;
                    detail = Some(wanted);
                }
                let record = replay.handle(&packet);
                let start = record.time;
                self.packet(&record, start, &mut look);
            }
        }
    }

    /// Looks at what became of a packet.
    fn packet(&mut self, record: &Record<'_>, start: Instant, look: &mut Option<&mut Look<'_>>) {
        self.ran.packets += 1;
        *self.verdicts.entry(record.verdict().word()).or_default() += 1;
        for expect in self.case.expects.iter().filter(|expect| expect.n == record.number) {
            self.ran.failures.extend(expect.failures(record));
        }
        if let Some(look) = look.as_mut().filter(|look| look.packet == record.number) {
            (look.tell)(record, start);
        }
    }

    /// Looks at what is left when everything has gone in.
    fn end(mut self, engine: &Engine) -> Ran {
        let packets = self.ran.packets;
        for expect in self.case.expects.iter().filter(|expect| expect.n > packets) {
            let (line, column) = expect.place;
            let (expected, got) = (format!("a packet {}", expect.n), format!("{packets} packets"));
            self.ran.failures.push(Failure { line, column, packet: None, what: "n", expected, got });
        }
        let wanted = &self.case.at_end;
        let connections = connections(engine);
        self.ran.failures.extend(missing("connections", &wanted.connections, &connections));
        self.ran.failures.extend(missing("expectations", &wanted.expectations, &expectations(engine)));
        for text in &wanted.no_connections {
            if let Some(line) = connections.iter().find(|line| has_words(line, &text.value)) {
                let expected = format!("none with {}", text.value);
                self.ran.failures.push(failure("no_connections", text, expected, line.clone()));
            }
        }
        for (verdict, count) in &wanted.verdicts {
            let word = Verdict::word(verdict.value);
            let got = self.verdicts.get(word).copied().unwrap_or_default();
            if got != *count {
                let texts = (format!("{count} {word}"), got.to_string());
                self.ran.failures.push(failure("verdicts", verdict, texts.0, texts.1));
            }
        }
        self.ran.failures.sort_by_key(|failure| (failure.line, failure.column));
        self.ran.rules =
            [Family::Ipv4, Family::Ipv6].iter().flat_map(|family| engine.rules().of(*family).rules()).collect();
        self.ran
    }
}

fn failure<T>(what: &'static str, place: &Located<T>, expected: String, got: String) -> Failure {
    Failure { line: place.line, column: place.column, packet: None, what, expected, got }
}

/// Texts whose words stand in none of the lines.
fn missing(what: &'static str, texts: &[Located<String>], lines: &[String]) -> Vec<Failure> {
    let is_missing = |text: &&Located<String>| !lines.iter().any(|line| has_words(line, &text.value));
    let got = if lines.is_empty() { "there are none".to_owned() } else { lines.join("; ") };
    texts.iter().filter(is_missing).map(|text| failure(what, text, text.value.clone(), got.clone())).collect()
}

/// The lines of `conntrack -L`.
fn connections(engine: &Engine) -> Vec<String> {
    let conntrack = engine.conntrack();
    let ids = (0..conntrack.slots()).filter_map(|slot| conntrack.in_slot(slot));
    let entries = ids.filter_map(|(id, _)| conntrack.entry(engine.now(), id));
    entries.map(|entry| ConnectionLine::listed(&entry).to_string()).collect()
}

/// The lines of `conntrack -L expect`.
fn expectations(engine: &Engine) -> Vec<String> {
    let line = |expectation| {
        let entry = ExpectationEntry::of(engine.now(), expectation);
        ExpectationLine { entry: &entry, change: None }.to_string()
    };
    engine.conntrack().expectations().iter().map(line).collect()
}

/// How a play went otherwise, one failure a line that is missing, with what happened in its place.
fn failures(difference: &Difference, first: u32) -> Vec<Failure> {
    let mut failures: Vec<Failure> = Vec::new();
    // The line of the text that was looked at last.
    let mut line = first;
    for marked in &difference.lines {
        line = marked.number.map_or(line, |number| first + number - 1);
        let packet = (marked.packet > 0).then_some(marked.packet);
        let mut failure =
            Failure { line, column: 1, packet, what: "play", expected: String::new(), got: String::new() };
        match marked.mark {
            Mark::Fine => continue,
            Mark::Missing => failure.expected.clone_from(&marked.text),
            Mark::Unwritten => match place_of(&mut failures, packet, &marked.text) {
                Some(place) => {
                    let before = core::mem::take(&mut place.got);
                    let text = marked.text.trim();
                    place.got = if before.is_empty() { text.to_owned() } else { format!("{before}; {text}") };
                    continue;
                }
                None => failure.got.clone_from(&marked.text),
            },
        }
        failures.push(failure);
    }
    failures
}

/// The failure that what has happened belongs to: what is told of a packet to the line that asked for it, a packet or
/// drop to the first line without one.
fn place_of<'f>(failures: &'f mut [Failure], packet: Option<u64>, text: &str) -> Option<&'f mut Failure> {
    let sign = |text: &str| text.split_whitespace().nth(2).map(str::to_owned);
    let is_told = |sign: Option<String>| sign.is_some_and(|sign| sign == "=" || sign == "!");
    if is_told(sign(text)) {
        return failures.last_mut();
    }
    let mut open = failures.iter_mut().filter(|failure| failure.packet == packet && failure.got.is_empty());
    open.find(|failure| !failure.expected.is_empty() && !is_told(sign(&failure.expected)))
}

/// When cases begin: 2026-01-01 00:00:00 UTC, a Thursday.
const START: Instant = Instant::from_secs(1_767_225_600);
