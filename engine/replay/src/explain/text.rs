//! A packet's path for people.

use core::fmt;

use towpath_engine::{Change, Event, Instant, conntrack::text::ConnectionLine};

use crate::record::{Colour, Fate, Record, Seen, Tint, helper_event, notation::Notation, seconds, step::Step};

/// A record with every step of its path; `Display` gives some lines. Its record has to be made with
/// [`Detail::Full`](crate::replay::Detail::Full).
pub struct Explanation<'r, 'p> {
    record: &'r Record<'p>,
    /// When the capture starts.
    start: Instant,
    colour: Colour,
}

impl<'r, 'p> Explanation<'r, 'p> {
    /// Explains a record of a capture that starts at `start`.
    #[must_use]
    pub const fn new(record: &'r Record<'p>, start: Instant, colour: Colour) -> Self {
        Self { record, start, colour }
    }

    fn strong(&self, text: &str) -> String {
        self.colour.paint(Tint::Strong, &format!("{text:<12}"))
    }

    fn write_packet(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        let at = seconds(record.time, self.start);
        match record.device() {
            Some("lo") => writeln!(out, "packet {} at {at} s, of a program of the machine itself", record.number)?,
            Some(device) => writeln!(out, "packet {} at {at} s, came in by {device}", record.number)?,
            None => writeln!(out, "packet {} at {at} s", record.number)?,
        }
        let mut notation = Notation::new();
        if !record.captured.is_empty() {
            writeln!(out, "{} {}", self.strong("captured"), notation.of(record.captured, record.wire_len))?;
        }
        match record.seen {
            Seen::AsCaptured => Ok(()),
            Seen::Readdressed => writeln!(
                out,
                "{} {}, as the gateway translates its connection",
                self.strong("seen as"),
                notation.of(record.frame, record.wire_len)
            ),
            Seen::Unknown(why) => writeln!(
                out,
                "{} as captured: {}, so what a translating gateway would have seen is not known",
                self.strong("seen"),
                why.text()
            ),
        }
    }

    fn write_end(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        let verdict = record.verdict();
        write!(out, "{} {}", self.strong("verdict"), self.colour.paint(verdict.tint(), verdict.word()))?;
        match (record.fate, record.drop_reason()) {
            (Fate::Fed(..), Some(reason)) => writeln!(out, " {}: {}", reason.name(), reason.meaning())?,
            (Fate::Fed(..), None) => writeln!(out)?,
            (Fate::NotFed(why), _) => writeln!(out, " {}: {why}", why.name())?,
        }
        if let Some(rule) = record.rule() {
            let at = format!("{}:{}", rule.file, rule.line);
            writeln!(out, "{} {at} {} {}", self.strong("rule"), rule.table.name(), rule.text)?;
        }
        if let Some(entry) = record.connection() {
            writeln!(out, "{} {}", self.strong("connection"), ConnectionLine::listed(&entry))?;
            if let Some(policy) = &entry.policy {
                writeln!(out, "{} of policy {policy}", self.strong("timeouts"))?;
            }
        }
        Ok(())
    }

    fn write_results(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let record = self.record;
        let mut notation = Notation::new();
        let mut bytes = Vec::new();
        for transmit in record.out {
            crate::record::bytes_out(transmit, &mut bytes);
            let packet = notation.of(&bytes, bytes.len() as u32);
            let device = record.device_name(transmit.device).unwrap_or("?");
            writeln!(out, "{} {packet}, by {device}", self.strong("sent"))?;
        }
        for (_, event) in record.events {
            match event {
                Event::Connection(change, entry) => {
                    writeln!(out, "{} {}", self.strong("event"), ConnectionLine::told(*change, entry))?;
                }
                Event::Expectation(Change::New, entry) => {
                    writeln!(out, "{} {} expects {}", self.strong("event"), entry.helper, entry.tuple)?;
                }
                Event::Expectation(..) => {}
                Event::Log { line, .. } => writeln!(out, "{} {line}", self.strong("log"))?,
                Event::Nflog(packet) => {
                    let (group, prefix) = (packet.group, &packet.prefix);
                    writeln!(out, "{} {group}: {prefix}{} bytes", self.strong("nflog"), packet.bytes.len())?;
                }
                Event::Audit { record } => writeln!(out, "{} {record}", self.strong("audit"))?,
                Event::Helper(event) => {
                    let (id, text) = helper_event(event);
                    let name = record.engine.helpers().name(id).unwrap_or("?");
                    writeln!(out, "{} {name} {text}", self.strong("helper"))?;
                }
            }
        }
        Ok(())
    }
}

impl fmt::Display for Explanation<'_, '_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_packet(out)?;
        for step in self.record.path {
            writeln!(out, "{}", Step::new(self.record.engine, step).in_words(self.colour))?;
        }
        self.write_end(out)?;
        self.write_results(out)
    }
}
