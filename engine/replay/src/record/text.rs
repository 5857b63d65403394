//! Records as lines for people.

use core::fmt::Write;

use towpath_engine::{Event, Instant};

use super::{Colour, Fate, NotFed, Record, Seen, Tint, notation::Notation, step::helper_event};
use crate::replay::Peek;

/// Writes a record as a line.
pub struct TextRecords {
    notation: Notation,
    start: Option<Instant>,
    colour: Colour,
}

impl Default for TextRecords {
    fn default() -> Self {
        Self::new(Colour::Off)
    }
}

impl TextRecords {
    /// Times are told from the first record on.
    #[must_use]
    pub fn new(colour: Colour) -> Self {
        Self { notation: Notation::new(), start: None, colour }
    }

    /// A packet's line, and one more for each log line and each event of a helper; without the last end.
    ///
    /// ```text
    ///    7   0.012345  inside  10.0.0.5:42000 > 198.51.100.21:21 tcp A seq 1 ack 1  ESTABLISHED  FORWARDED
    /// ```
    pub fn line(&mut self, record: &Record<'_>) -> String {
        let start = *self.start.get_or_insert(record.time);
        let mut line = format!("{:>6} {:>12}  {:<8}", record.number, seconds(record.time, start), self.place(record));
        // Writing to a string cannot fail.
        if !record.frame.is_empty() {
            let _ = write!(line, "  {}", self.notation.of(record.frame, record.wire_len));
        }
        match record.state() {
            Some("INVALID") => line += &format!("  {}", self.colour.paint(Tint::Odd, "INVALID")),
            Some(state) => line += &format!("  {state}"),
            None => {}
        }
        line.push_str("  ");
        line += &self.colour.paint(record.verdict().tint(), &decision(record));
        if let Some(aside) = self.aside(record) {
            line += &format!("  {}", self.colour.paint(Tint::Quiet, &aside));
        }
        for late in record.late {
            let (number, verdict) = (late.number, late.verdict());
            let reason = late.drop_reason().map_or("", |reason| reason.name());
            let word = self.colour.paint(verdict.tint(), format!("{} {reason}", verdict.word()).trim_end());
            let _ = write!(line, "\n{:>19}  packet {number} went on: {word}", "");
        }
        for (_, event) in record.events {
            match event {
                Event::Log { line: logged, .. } => {
                    let _ = write!(line, "\n{:>19}  log: {logged}", "");
                }
                Event::Nflog(packet) => {
                    let (group, prefix) = (packet.group, &packet.prefix);
                    let _ = write!(line, "\n{:>19}  nflog {group}: {prefix}{} bytes", "", packet.bytes.len());
                }
                Event::Audit { record } => {
                    let _ = write!(line, "\n{:>19}  audit: {record}", "");
                }
                Event::Helper(event) => {
                    let (id, text) = helper_event(event);
                    let name = record.engine.helpers().name(id).unwrap_or("?");
                    let _ = write!(line, "\n{:>19}  helper {name} {text}", "");
                }
                Event::Connection(..) | Event::Expectation(..) => {}
            }
        }
        line
    }

    /// What has to be said of a packet that is not, or perhaps not, what was captured.
    fn aside(&mut self, record: &Record<'_>) -> Option<String> {
        match record.seen {
            Seen::AsCaptured => None,
            Seen::Readdressed => {
                let captured = record.captured;
                Some(match Peek::frame(captured).and_then(|peek| peek.tuple(captured)) {
                    Some(tuple) => format!("(captured as {tuple})"),
                    None => format!("(captured as {})", self.notation.of(captured, record.wire_len)),
                })
            }
            Seen::Unknown(why) => Some(format!("({})", why.text())),
        }
    }

    fn place<'r>(&self, record: &'r Record<'_>) -> &'r str {
        record.device().unwrap_or("-")
    }
}

/// Verdict, reason and rule.
#[must_use]
pub(super) fn decision(record: &Record<'_>) -> String {
    let mut text = record.verdict().word().to_owned();
    match record.fate {
        Fate::NotFed(NotFed::Unreadable(why)) => {
            let _ = write!(text, " {}: {why}", NotFed::Unreadable(why).name());
        }
        Fate::NotFed(_) | Fate::Fed(..) => {
            if let Some(reason) = record.reason() {
                let _ = write!(text, " {reason}");
            }
        }
    }
    if let Some(rule) = record.rule() {
        let _ = write!(text, " {}:{}", rule.file, rule.line);
    }
    text
}

/// Seconds with microseconds between two times.
pub(crate) fn seconds(time: Instant, start: Instant) -> String {
    let (sign, span) = if time < start { ("-", start.since(time)) } else { ("", time.since(start)) };
    format!("{sign}{}.{:06}", span.as_secs(), span.subsec_micros())
}
