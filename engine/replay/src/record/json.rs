//! Records as JSON: one object a line, the same bytes everywhere.

use serde::Serialize;
use towpath_engine::{DropReason, Engine, Event};

use super::{
    Late, Record, Seen, bytes_out,
    notation::Notation,
    step::{Rule, Step, direction_word, helper_event},
};
use crate::schema::{Connection, ConntrackEvent};

/// Writes records as JSON.
pub struct JsonRecords {
    notation: Notation,
    bytes: Vec<u8>,
    hex: bool,
}

/// The first line.
#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    devices: Vec<&'a str>,
    helpers: Vec<HelperHead<'a>>,
}

#[derive(Serialize)]
struct HelperHead<'a> {
    name: &'a str,
    component: Option<String>,
}

#[derive(Serialize)]
struct Line<'r> {
    n: u64,
    ts: u64,
    dev: Option<&'r str>,
    pkt: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    was: Option<String>,
    #[serde(skip_serializing_if = "core::ops::Not::not")]
    unknown: bool,
    state: Option<&'static str>,
    dir: Option<&'static str>,
    verdict: &'static str,
    reason: Option<&'static str>,
    rule: Option<Rule>,
    path: Vec<Step<'r>>,
    out: Vec<Out<'r>>,
    events: Vec<TimedEvent>,
    ct: Option<Connection>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    late: Vec<LateLine>,
}

#[derive(Serialize)]
struct LateLine {
    n: u64,
    verdict: &'static str,
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct Out<'r> {
    dev: Option<&'r str>,
    pkt: String,
    len: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    hex: Option<String>,
}

#[derive(Serialize)]
struct TimedEvent {
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<u64>,
    #[serde(flatten)]
    event: AnyEvent,
}

#[derive(Serialize)]
#[serde(untagged)]
enum AnyEvent {
    Conntrack(ConntrackEvent),
    Nflog { event: &'static str, group: u16, prefix: String, len: usize, hex: String },
    Audit { event: &'static str, record: String },
    Log { event: &'static str, level: u8, line: String },
    Helper { event: &'static str, helper: Option<String>, text: String },
}

impl JsonRecords {
    /// Writes records; the bytes of what came out only when `hex` says so.
    #[must_use]
    pub fn new(hex: bool) -> Self {
        Self { notation: Notation::new(), bytes: Vec::new(), hex }
    }

    /// The first line, without its end.
    #[must_use]
    pub fn head(&self, engine: &Engine) -> String {
        let helpers = engine.helpers().iter().map(|helper| HelperHead {
            name: &helper.manifest.name,
            component: (helper.component_hash != [0; 32]).then(|| hex(&helper.component_hash)),
        });
        to_line(&Head {
            schema: SCHEMA,
            devices: engine.devices().iter().map(|(_, device)| device.name.as_str()).collect(),
            helpers: helpers.collect(),
        })
    }

    /// A packet's line, without its end.
    pub fn line(&mut self, record: &Record<'_>) -> String {
        let now = record.engine.now();
        let packet = (!record.frame.is_empty()).then(|| self.notation.of(record.frame, record.wire_len));
        let was = (record.seen == Seen::Readdressed).then(|| self.notation.of(record.captured, record.wire_len));
        let out = record.out.iter().map(|transmit| {
            bytes_out(transmit, &mut self.bytes);
            Out {
                dev: record.device_name(transmit.device),
                pkt: self.notation.of(&self.bytes, self.bytes.len() as u32),
                len: self.bytes.len(),
                hex: self.hex.then(|| hex(&self.bytes)),
            }
        });
        let events = record.events.iter().filter_map(|(when, event)| {
            let event = AnyEvent::new(record.engine, event)?;
            Some(TimedEvent { ts: (*when < now).then(|| when.as_nanos()), event })
        });
        to_line(&Line {
            n: record.number,
            ts: record.time.as_nanos(),
            dev: record.device(),
            pkt: packet,
            was,
            unknown: matches!(record.seen, Seen::Unknown(_)),
            state: record.state(),
            dir: record.direction().map(direction_word),
            verdict: record.verdict().word(),
            reason: record.reason(),
            rule: record.rule().map(Rule::from),
            path: record.path.iter().map(|step| Step::new(record.engine, step)).collect(),
            out: out.collect(),
            events: events.collect(),
            ct: record.connection().as_ref().map(Connection::from),
            late: record.late.iter().map(LateLine::of).collect(),
        })
    }
}

impl LateLine {
    fn of(late: &Late) -> Self {
        Self { n: late.number, verdict: late.verdict().word(), reason: late.drop_reason().map(DropReason::name) }
    }
}

impl AnyEvent {
    fn new(engine: &Engine, event: &Event) -> Option<Self> {
        match event {
            Event::Log { level, line } => Some(Self::Log { event: "LOG", level: *level, line: line.clone() }),
            Event::Nflog(packet) => {
                let (group, prefix) = (packet.group, packet.prefix.clone());
                Some(Self::Nflog { event: "NFLOG", group, prefix, len: packet.bytes.len(), hex: hex(&packet.bytes) })
            }
            Event::Audit { record } => Some(Self::Audit { event: "AUDIT", record: record.clone() }),
            Event::Helper(event) => {
                let (id, text) = helper_event(event);
                let helper = engine.helpers().name(id).map(str::to_owned);
                Some(Self::Helper { event: "HELPER", helper, text })
            }
            Event::Connection(..) | Event::Expectation(..) => ConntrackEvent::of(event).map(Self::Conntrack),
        }
    }
}

fn to_line(value: &impl Serialize) -> String {
    // Strings, numbers and lists: there is nothing that JSON could not hold.
    serde_json::to_string(value).unwrap_or_default()
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: [char; 16] = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f'];
    bytes.iter().flat_map(|byte| [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]).collect()
}

const SCHEMA: &str = "towpath.record/1";
