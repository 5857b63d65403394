//! How connections and expectations are shown.

use std::{
    io::{self, Write},
    mem,
};

use serde::Serialize;
use towpath_engine::{
    Change, Event, Instant,
    conntrack::{
        Entry, ExpectationEntry,
        expect::xml::{self as expectations, ExpectationXml},
        labels::LabelNames,
        save::ConnectionSave,
        text::{ConnectionLine, ExpectationLine},
        xml::{self as connections, ConnectionXml},
    },
};
use towpath_replay::schema::{Connection, ConntrackEvent, Expectation};

/// How connections and expectations are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Format {
    /// The kind of text.
    pub style: Style,
    /// `-o extended`
    pub extended: bool,
    /// `-o id`
    pub id: bool,
    /// `-o timestamp`: events start with their time, and listed expectations with that of the listing.
    pub timestamp: bool,
    /// `-o ktimestamp`: when connections began and ended.
    pub times: bool,
    /// `-G`: whoever looks one up holds it meanwhile, which its use count shows.
    pub looked_up: bool,
    /// `-o labels`: what labels are called, where they are shown.
    pub labels: Option<LabelNames>,
}

/// A kind of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Style {
    /// A line each, as conntrack(8) prints it.
    #[default]
    Lines,
    /// `-o xml`; nothing at all when there are none.
    Xml,
    /// `-o save`: what `conntrack -R` reads. Expectations stay lines.
    Save,
    /// One JSON object a line: `towpath.conntrack/1`, after a line that says so. The fields are those that a connection, an
    /// expectation, or an event has in [`towpath_replay::schema`]; `ts`, in nanoseconds, comes before an event. A line with
    /// `lost` alone says how many events are missing in its place.
    Json,
}

/// What happened, and when.
pub type Told = Option<(Instant, Change)>;

/// What is shown in a format, one after the other.
#[derive(Clone, Debug)]
pub struct Shown {
    format: Format,
    count: u64,
    /// What stands before and behind all of them in XML, by what they are.
    frame: [&'static str; 2],
    /// Whether what stands before the first is written.
    has_head: bool,
}

impl Shown {
    /// Nothing yet.
    #[must_use]
    pub const fn new(format: Format) -> Self {
        Self { format, count: 0, frame: [connections::XML_START, connections::XML_END], has_head: false }
    }

    /// How many there were.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// Writes a connection, or what happened to it and when.
    ///
    /// # Errors
    /// When `out` takes nothing more.
    pub fn connection(&mut self, out: &mut impl Write, entry: &Entry, told: Told) -> io::Result<()> {
        self.begin(out, [connections::XML_START, connections::XML_END])?;
        let held = self.format.looked_up.then(|| Entry { uses: entry.uses.map(|uses| uses + 1), ..entry.clone() });
        let entry = held.as_ref().unwrap_or(entry);
        let &Format { style, extended: with_family, id: with_id, times: with_times, ref labels, .. } = &self.format;
        let labels = labels.as_ref();
        let change = told.map(|(_, change)| change);
        match style {
            Style::Xml => {
                let when = told.map(|(when, _)| when).filter(|_| self.format.timestamp);
                writeln!(out, "{}", ConnectionXml { entry, change, with_times, labels, when })
            }
            Style::Save => writeln!(out, "{}", ConnectionSave { entry, change }),
            Style::Json => match told {
                Some((ts, change)) => write_event(out, ts, &Event::Connection(change, Box::new(entry.clone()))),
                None => write_json(out, &Connection::from(entry)),
            },
            Style::Lines => {
                if let Some((when, _)) = told.filter(|_| self.format.timestamp) {
                    write!(out, "[{:08}.{:06}]\t", when.as_secs(), micros(when))?;
                }
                writeln!(out, "{}", ConnectionLine { entry, change, with_family, with_id, with_times, labels })
            }
        }
    }

    /// Writes an expectation, or what happened to it; `when` is that, or when it is listed.
    ///
    /// # Errors
    /// When `out` takes nothing more.
    pub fn expectation(
        &mut self,
        out: &mut impl Write,
        entry: &ExpectationEntry,
        when: Instant,
        change: Option<Change>,
    ) -> io::Result<()> {
        self.begin(out, [expectations::XML_START, expectations::XML_END])?;
        match (self.format.style, change) {
            (Style::Json, Some(change)) => write_event(out, when, &Event::Expectation(change, Box::new(entry.clone()))),
            (Style::Json, None) => write_json(out, &Expectation::from(entry)),
            (Style::Xml, _) => {
                let when = self.format.timestamp.then_some(when);
                writeln!(out, "{}", ExpectationXml { entry, change, when })
            }
            (Style::Lines | Style::Save, _) => {
                if self.format.timestamp {
                    // Without leading zeros, other than those of connections.
                    write!(out, "[{:<8}.{:<6}]\t", when.as_secs(), micros(when))?;
                }
                writeln!(out, "{}", ExpectationLine { entry, change })
            }
        }
    }

    /// Writes that so many events are missing here, where the format has a place for that.
    ///
    /// # Errors
    /// When `out` takes nothing more.
    pub fn lost(&mut self, out: &mut impl Write, lost: u64) -> io::Result<()> {
        if self.format.style != Style::Json {
            return Ok(());
        }
        self.head(out)?;
        write_json(out, &Lost { lost })
    }

    /// Writes what stands behind all of them.
    ///
    /// # Errors
    /// When `out` takes nothing more.
    pub fn end(&self, out: &mut impl Write) -> io::Result<()> {
        match self.format.style {
            Style::Xml if self.count > 0 => out.write_all(self.frame[1].as_bytes()),
            Style::Xml | Style::Lines | Style::Save | Style::Json => Ok(()),
        }
    }

    /// Counts one, and writes what stands before the first.
    fn begin(&mut self, out: &mut impl Write, frame: [&'static str; 2]) -> io::Result<()> {
        self.count += 1;
        self.frame = frame;
        self.head(out)
    }

    fn head(&mut self, out: &mut impl Write) -> io::Result<()> {
        if mem::replace(&mut self.has_head, true) {
            return Ok(());
        }
        match self.format.style {
            Style::Xml => out.write_all(self.frame[0].as_bytes()),
            Style::Json => writeln!(out, "{{\"schema\":\"towpath.conntrack/1\"}}"),
            Style::Lines | Style::Save => Ok(()),
        }
    }
}

/// Microseconds behind the last second.
const fn micros(when: Instant) -> u64 {
    when.as_nanos() / 1000 % 1_000_000
}

/// Events that are missing.
#[derive(Serialize)]
struct Lost {
    lost: u64,
}

/// An event with its time.
#[derive(Serialize)]
struct Timed {
    ts: u64,
    #[serde(flatten)]
    event: Option<ConntrackEvent>,
}

fn write_event(out: &mut impl Write, ts: Instant, event: &Event) -> io::Result<()> {
    write_json(out, &Timed { ts: ts.as_nanos(), event: ConntrackEvent::of(event) })
}

fn write_json(out: &mut impl Write, value: &impl Serialize) -> io::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    writeln!(out)
}
