//! What a helper does with one packet of a capture, in words and as JSON.

use serde::Serialize;
use towpath_engine::{
    Change, Event,
    conntrack::{
        Direction, ExpectationEntry,
        helper::{HelperFailure, HelperVerdict, Inspection, Manifest, Pattern, Wish},
    },
};
use towpath_replay::{
    record::{Record, step::helper_event},
    schema::ConntrackEvent,
};

use super::watched::{Asked, Call};

/// A line of JSON: `n` and `ts` are the packet's number and time, as in towpath.record/1.
#[derive(Serialize)]
pub(super) struct Line {
    pub(super) n: u64,
    pub(super) ts: u64,
    #[serde(flatten)]
    pub(super) what: Happening,
}

/// Something that happened.
#[derive(Serialize)]
#[serde(tag = "what", rename_all = "lowercase")]
pub(super) enum Happening {
    /// The helper was shown a payload.
    Inspect {
        from: String,
        to: String,
        dir: &'static str,
        shown: String,
        fuel: u64,
        #[serde(flatten)]
        answer: Answered,
    },
    /// It wished for a connection.
    Wish {
        class: String,
        protocol: String,
        from: String,
        to: String,
        dir: &'static str,
        permanent: bool,
        /// Where the payload names it.
        site: Option<Named>,
    },
    /// It was asked to name an endpoint.
    Render { names: String, writes: Option<String>, failure: Option<&'static str>, fuel: u64 },
    /// A connection is expected, as the engine sees it.
    Expected {
        #[serde(flatten)]
        event: Box<ConntrackEvent>,
        #[serde(skip)]
        words: String,
    },
    /// A connection that it announced has come.
    Announced { connection: String },
    /// Something that it did was not right.
    Trouble { text: String },
    /// The packet was dropped.
    Dropped { reason: &'static str, meaning: &'static str },
}

/// What came of showing a payload.
#[derive(Serialize)]
pub(super) struct Answered {
    /// `accept`, `incomplete` or `malformed`.
    verdict: Option<&'static str>,
    failure: Option<&'static str>,
    wishes: usize,
    /// What it remembers from now on, in hexadecimal digits.
    state: Option<String>,
}

/// A place in a payload.
#[derive(Serialize)]
pub(super) struct Named {
    offset: u32,
    length: u32,
    text: String,
}

/// What is being counted of all packets.
#[derive(Default, Serialize)]
pub(super) struct Counts {
    pub(super) packets: u64,
    /// Payloads that were shown.
    pub(super) shown: u64,
    /// Those in which something was found.
    pub(super) found: u64,
    pub(super) expected: u64,
    /// Endpoints that were written anew.
    pub(super) rewritten: u64,
    /// Connections that came as announced.
    pub(super) announced: u64,
    pub(super) refused: u64,
    pub(super) dropped: u64,
    pub(super) failed: u64,
    /// The most fuel that a call took.
    pub(super) fuel_most: u64,
}

/// What happened with a packet: the helper's calls, and what the engine made of them. `waiting` are the masters of what this
/// helper has announced so far.
pub(super) fn happenings(
    record: &Record<'_>,
    calls: &[Call],
    manifest: &Manifest,
    masters: &mut Vec<towpath_engine::conntrack::Tuple>,
) -> Vec<Happening> {
    let mut all: Vec<Happening> = calls.iter().flat_map(|call| of_call(call, manifest)).collect();
    for (_, event) in record.events {
        match event {
            Event::Expectation(Change::New, entry) if *entry.helper == *manifest.name => {
                if !masters.contains(&entry.master) {
                    masters.push(entry.master);
                }
                if let Some(event) = ConntrackEvent::of(event) {
                    all.push(Happening::Expected { event: Box::new(event), words: in_words(entry) });
                }
            }
            Event::Connection(Change::New, entry) if entry.master.is_some_and(|master| masters.contains(&master)) => {
                all.push(Happening::Announced { connection: entry.original.to_string() });
            }
            Event::Helper(event) => {
                let (id, text) = helper_event(event);
                if record.engine.helpers().name(id) == Some(&manifest.name) {
                    all.push(Happening::Trouble { text });
                }
            }
            Event::Connection(..)
            | Event::Expectation(..)
            | Event::Log { .. }
            | Event::Nflog(_)
            | Event::Audit { .. } => {}
        }
    }
    if let (Some(reason), false) = (record.drop_reason(), calls.is_empty()) {
        all.push(Happening::Dropped { reason: reason.name(), meaning: reason.meaning() });
    }
    all
}

fn of_call(call: &Call, manifest: &Manifest) -> Vec<Happening> {
    match &call.asked {
        Asked::Inspect { payload, answer } => {
            let mut all = vec![Happening::Inspect {
                from: socket(call.context.source.address, call.context.source.port),
                to: socket(call.context.destination.address, call.context.destination.port),
                dir: word(call.context.direction),
                shown: payload.escape_ascii().to_string(),
                fuel: call.fuel,
                answer: Answered::of(answer),
            }];
            let wishes = answer.as_ref().map_or(&[][..], |inspection| &inspection.wishes);
            all.extend(wishes.iter().map(|wish| Happening::of_wish(wish, payload, manifest)));
            all
        }
        Asked::Render { to, answer } => vec![Happening::Render {
            names: socket(to.address, to.port),
            writes: answer.as_ref().ok().map(|bytes| bytes.escape_ascii().to_string()),
            failure: answer.as_ref().err().copied().map(failure),
            fuel: call.fuel,
        }],
    }
}

impl Answered {
    fn of(answer: &Result<Inspection, HelperFailure>) -> Self {
        let inspection = answer.as_ref().ok();
        Self {
            verdict: inspection.map(|inspection| match inspection.verdict {
                HelperVerdict::Accept => "accept",
                HelperVerdict::Incomplete => "incomplete",
                HelperVerdict::Malformed => "malformed",
                HelperVerdict::Foreign => "foreign",
            }),
            failure: answer.as_ref().err().copied().map(failure),
            wishes: inspection.map_or(0, |inspection| inspection.wishes.len()),
            state: inspection.and_then(|inspection| inspection.state.as_deref()).map(towpath::plugin::hex),
        }
    }
}

impl Happening {
    fn of_wish(wish: &Wish, payload: &[u8], manifest: &Manifest) -> Self {
        let class = manifest.classes.get(usize::from(wish.class));
        let site = wish.site.map(|site| {
            let (start, length) = (site.offset as usize, site.length as usize);
            let text = payload.get(start..start.saturating_add(length)).unwrap_or_default();
            Named { offset: site.offset, length: site.length, text: text.escape_ascii().to_string() }
        });
        Self::Wish {
            class: class.map_or_else(|| wish.class.to_string(), |class| class.name.clone()),
            protocol: wish.protocol.to_string(),
            from: pattern(wish.source),
            to: pattern(wish.destination),
            dir: word(wish.direction),
            permanent: wish.permanent,
            site,
        }
    }

    /// Whether there is more to tell than that a payload was shown.
    pub(super) const fn is_finding(&self) -> bool {
        match self {
            Self::Inspect { answer: Answered { verdict, wishes, state, .. }, .. } => {
                *wishes > 0 || state.is_some() || !matches!(verdict, Some(verdict) if is_accept(verdict))
            }
            Self::Wish { .. }
            | Self::Render { .. }
            | Self::Expected { .. }
            | Self::Announced { .. }
            | Self::Trouble { .. }
            | Self::Dropped { .. } => true,
        }
    }

    /// Adds it to the counts.
    pub(super) fn count(&self, counts: &mut Counts) {
        let (counter, fuel) = match self {
            Self::Inspect { fuel, .. } => (&mut counts.shown, *fuel),
            Self::Render { fuel, writes, .. } => {
                counts.rewritten += u64::from(writes.is_some());
                (&mut counts.found, *fuel)
            }
            Self::Wish { .. } => return,
            Self::Expected { .. } => (&mut counts.expected, 0),
            Self::Announced { .. } => (&mut counts.announced, 0),
            Self::Trouble { .. } => (&mut counts.refused, 0),
            Self::Dropped { .. } => (&mut counts.dropped, 0),
        };
        if !matches!(self, Self::Render { .. }) {
            *counter += 1;
        }
        if self.is_finding() && matches!(self, Self::Inspect { .. }) {
            counts.found += 1;
        }
        counts.fuel_most = counts.fuel_most.max(fuel);
    }

    /// A line for people.
    pub(super) fn in_words(&self) -> String {
        match self {
            Self::Inspect { from, to, shown, fuel, answer, .. } => {
                let end = match (answer.failure, answer.verdict) {
                    (Some(failure), _) => format!(": the call {failure}"),
                    (None, Some("incomplete")) => ": it ends inside a command".to_owned(),
                    (None, Some("malformed")) => ": a command that cannot be right".to_owned(),
                    (None, _) if answer.wishes == 0 && answer.state.is_none() => ": nothing of concern".to_owned(),
                    (None, _) => String::new(),
                };
                format!("  shown      {from} > {to} \"{}\" ({fuel} fuel){end}", cut(shown))
            }
            Self::Wish { class, protocol, from, to, permanent, site, .. } => {
                let stays = if *permanent { ", for good" } else { "" };
                let named = site.as_ref().map_or_else(String::new, |site| {
                    format!(", named at byte {} as \"{}\"", site.offset, cut(&site.text))
                });
                format!("  wishes     {class}: {from} > {to} {protocol}{stays}{named}")
            }
            Self::Render { names, writes: Some(writes), .. } => format!("  writes     \"{}\" for {names}", cut(writes)),
            Self::Render { names, failure, .. } => {
                format!("  writes     nothing for {names}: the call {}", failure.unwrap_or_default())
            }
            Self::Expected { words, .. } => format!("  expected   {words}"),
            Self::Announced { connection } => format!("  announced  {connection} has come"),
            Self::Trouble { text } => format!("  refused    {text}"),
            Self::Dropped { reason, meaning } => format!("  dropped    {reason}: {meaning}"),
        }
    }
}

/// `str` cannot be compared in a constant function.
const fn is_accept(verdict: &str) -> bool {
    matches!(verdict.as_bytes(), b"accept")
}

/// An expectation in words.
fn in_words(entry: &ExpectationEntry) -> String {
    let port = if entry.mask.port == 0 { "any".to_owned() } else { entry.tuple.source_port.to_string() };
    let to = socket(entry.tuple.destination_ip(), entry.tuple.destination_port);
    let (from, seconds) = (entry.tuple.source_ip(), entry.timeout_secs);
    format!("{} > {to} {} for {seconds} s", with_port(from, &port), entry.tuple.protocol())
}

fn pattern(pattern: Pattern) -> String {
    let port = pattern.port.map_or_else(|| "any".to_owned(), |port| port.to_string());
    match (pattern.address, pattern.prefix) {
        (Some(address), Some(prefix)) => format!("{address}/{prefix}:{port}"),
        (Some(address), None) => with_port(address, &port),
        (None, _) => format!("any:{port}"),
    }
}

fn socket(address: std::net::IpAddr, port: u16) -> String {
    with_port(address, &port.to_string())
}

fn with_port(address: std::net::IpAddr, port: &str) -> String {
    if address.is_ipv4() { format!("{address}:{port}") } else { format!("[{address}]:{port}") }
}

const fn word(direction: Direction) -> &'static str {
    match direction {
        Direction::Original => "ORIGINAL",
        Direction::Reply => "REPLY",
    }
}

const fn failure(failure: HelperFailure) -> &'static str {
    match failure {
        HelperFailure::Trap => "trapped",
        HelperFailure::Fuel => "used up its fuel",
        HelperFailure::Memory => "wanted more memory than it may have",
        HelperFailure::Contract => "gave an answer that breaks the contract",
    }
}

/// The beginning of a text that is long; it is ASCII.
fn cut(text: &str) -> String {
    const MOST: usize = 120;
    text.get(..MOST)
        .map_or_else(|| text.to_owned(), |start| if text.len() > MOST { format!("{start}…") } else { text.to_owned() })
}
