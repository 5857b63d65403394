//! From text to [`Suite`].

use core::time::Duration;

use towpath_engine::{DropReason, packet::Sketch};

use super::{AtEnd, Case, Expect, Input, Out, Sent, Suite, Wanted};
use crate::{
    config::{Fault, Located, Mistake, Table, Text, Value, Word, document, sysctls_of},
    play::{self, Beside, Script},
    record::Verdict,
};

pub(super) fn read(file: &str, text: &str) -> Result<Suite, Fault> {
    let document = document(text)?;
    let top = Table::open("the test file", 0, document.get_ref(), TOP, &[])?;
    let text = Text(text);
    let mut suite = Suite {
        file: file.to_owned(),
        gateway: top.find("gateway").map(|value| text.name(value)).transpose()?,
        rules: top.list("rules")?.into_iter().map(|value| text.name(value)).collect::<Result<_, _>>()?,
        cases: Vec::new(),
    };
    if suite.gateway.is_none() && suite.rules.is_empty() {
        return Err(Fault { at: 0, mistake: Mistake::Missing { key: "gateway' or 'rules", table: top.name } });
    }
    for value in top.list("case")? {
        let case = text.case(value.table("[[case]]", CASE, &[])?)?;
        if suite.cases.iter().any(|known| known.name.value == case.name.value) {
            return Err(value.fault(Mistake::Twice { what: "[[case]]", name: case.name.value }));
        }
        suite.cases.push(case);
    }
    Ok(suite)
}

impl Text<'_> {
    fn case(&self, table: Table<'_>) -> Result<Case, Fault> {
        let name = self.name(table.need("name")?)?;
        let (input, mut expects) = self.input(&table, &name)?;
        for value in table.list("expect")? {
            let own = value.table("[[case.expect]]", EXPECT, &[])?;
            let n = own.need("n")?;
            let place = self.place(n.at());
            expects.push(self.expect(&own, n.number(1..=u64::MAX)?, place)?);
        }
        let mut sysctls = Vec::new();
        if let Some(value) = table.find("sysctl") {
            sysctls_of(value, &mut sysctls)?;
        }
        Ok(Case { name, sysctls, input, expects, at_end: self.at_end(&table)? })
    }

    /// What goes in, and what the case itself says about its packet.
    fn input(&self, table: &Table<'_>, name: &Located<String>) -> Result<(Input, Vec<Expect>), Fault> {
        let ways = ["packet", "play", "capture"].map(|key| table.find(key));
        let mut given = ways.iter().flatten();
        if let (Some(first), Some(second)) = (given.next(), given.next()) {
            return Err(second.fault(Mistake::Beside { key: second.key, other: first.key }));
        }
        let own = EXPECT.iter().filter(|key| **key != "n").find_map(|key| table.find(key));
        let [packet, play, capture] = ways;
        if let Some(packet) = packet {
            let Some(_) = own else {
                return Err(Fault { at: table.at, mistake: Mistake::Missing { key: "verdict", table: table.name } });
            };
            let sent = self.sent(table, packet)?;
            let n = sent.len() as u64;
            let expect = self.expect(table, n, (name.line, name.column))?;
            return Ok((Input::Packets(sent), vec![expect]));
        }
        let own = own.or_else(|| table.find("before")).or_else(|| table.find("wait"));
        if let Some(key) = own {
            return Err(key.fault(Mistake::OnlyWithPacket(key.key)));
        }
        match (play, capture) {
            (Some(value), _) => {
                let text = value.text()?;
                let script = Script::read(text).map_err(|error| Fault {
                    at: self.line_in(value.at(), error.line),
                    mistake: Mistake::Script(error.fault),
                })?;
                let first = self.place(self.line_in(value.at(), 1)).0;
                Ok((Input::Play(script, first), Vec::new()))
            }
            (None, Some(value)) => Ok((Input::Capture(self.name(value)?), Vec::new())),
            (None, None) => {
                let mistake = Mistake::Missing { key: "packet', 'play' or 'capture", table: table.name };
                Err(Fault { at: table.at, mistake })
            }
        }
    }

    /// The packets before, and the packet.
    fn sent(&self, table: &Table<'_>, packet: Value<'_>) -> Result<Vec<Sent>, Fault> {
        let before = table.list("before")?;
        let wait = table.find("wait").map(Value::word::<Duration>).transpose()?.unwrap_or_default();
        let mut at = Duration::ZERO;
        let mut sent = Vec::with_capacity(before.len() + 1);
        for value in before {
            sent.push(self.packet(value, at)?);
            at += Duration::from_millis(1);
        }
        sent.push(self.packet(packet, at + wait)?);
        Ok(sent)
    }

    fn packet(&self, value: Value<'_>, at: Duration) -> Result<Sent, Fault> {
        let (device, packet, beside) = packet(value, "<")?;
        Ok(Sent { at, device: self.locate(value.at(), device), packet, beside })
    }

    fn expect(&self, table: &Table<'_>, n: u64, place: (u32, u32)) -> Result<Expect, Fault> {
        let out = match table.find("out") {
            Some(value) => {
                let packets = value.list()?.into_iter().map(|value| {
                    let (device, packet, beside) = packet(value, ">")?;
                    Ok(Out { place: self.place(value.at()), device, packet, beside })
                });
                let packets = packets.collect::<Result<Vec<_>, Fault>>()?;
                Some(self.locate(value.at(), packets))
            }
            None => None,
        };
        let texts = |key| table.list(key)?.into_iter().map(|value| self.name(value)).collect::<Result<Vec<_>, _>>();
        let text = |key| table.find(key).map(|value| self.name(value)).transpose();
        let words = |key, known: &'static [&'static str], expected| {
            let value: Option<Value<'_>> = table.find(key);
            let read = |value: Value<'_>| {
                let text = value.text()?.to_ascii_uppercase();
                if known.contains(&text.as_str()) {
                    Ok(self.locate(value.at(), text))
                } else {
                    Err(value.expected(expected))
                }
            };
            value.map(read).transpose()
        };
        Ok(Expect {
            n,
            place,
            verdict: self.word(table, "verdict")?,
            reason: self.word(table, "reason")?,
            state: words("state", &STATES, "NEW, ESTABLISHED, RELATED, INVALID, UNTRACKED or UNSEEN")?,
            direction: words("direction", &["ORIGINAL", "REPLY"], "ORIGINAL or REPLY")?,
            rule: text("rule")?,
            nat: text("nat")?,
            out,
            told: texts("told")?,
            connection: text("connection")?,
            timeout: self.word(table, "timeout")?,
        })
    }

    fn word<T: Word>(&self, table: &Table<'_>, key: &'static str) -> Result<Option<Located<T>>, Fault> {
        let Some(value) = table.find(key) else { return Ok(None) };
        Ok(Some(self.locate(value.at(), value.word()?)))
    }

    fn at_end(&self, table: &Table<'_>) -> Result<AtEnd, Fault> {
        let texts = |key| table.list(key)?.into_iter().map(|value| self.name(value)).collect::<Result<Vec<_>, Fault>>();
        let mut verdicts = Vec::new();
        if let Some(value) = table.find("verdicts") {
            value.leaves("", &mut |name, value| {
                let known = Verdict::ALL.into_iter().find(|verdict| verdict.word() == name);
                let verdict =
                    known.ok_or_else(|| value.expected("a table of verdicts of records and their numbers"))?;
                verdicts.push((self.locate(value.at(), verdict), value.number(0..=u64::MAX)?));
                Ok(())
            })?;
        }
        Ok(AtEnd {
            connections: texts("connections")?,
            no_connections: texts("no_connections")?,
            expectations: texts("expectations")?,
            verdicts,
        })
    }

    /// Where a line of a text begins that stands in quotes at `at`; lines are counted from 1.
    fn line_in(&self, at: usize, line: u32) -> usize {
        let raw = self.0.get(at..).unwrap_or_default();
        let inner = raw.strip_prefix("'''").or_else(|| raw.strip_prefix("\"\"\""));
        // A line's end directly behind the quotes belongs to them.
        let skipped = inner
            .map_or(1, |inner| 3 + if inner.starts_with("\r\n") { 2 } else { usize::from(inner.starts_with('\n')) });
        let start = at + skipped;
        let text = self.0.get(start..).unwrap_or_default();
        let lines = text.split_inclusive('\n').take(line.saturating_sub(1) as usize);
        let start = start + lines.map(str::len).sum::<usize>();
        let blank = self.0.get(start..).unwrap_or_default();
        start + (blank.len() - blank.trim_start_matches([' ', '\t']).len())
    }
}

/// `DEVICE PACKET`, with or without a play's sign between them.
fn packet(value: Value<'_>, sign: &str) -> Result<(String, Sketch, Beside), Fault> {
    let (device, rest) = play::word(value.text()?);
    let rest = rest.strip_prefix(sign).unwrap_or(rest).trim_start();
    let (packet, beside) = play::packet(rest).map_err(|fault| value.fault(Mistake::Script(fault)))?;
    Ok((device.to_owned(), packet, beside))
}

impl Word for Wanted {
    const EXPECTED: &'static str = "\"forwarded\", \"delivered\", \"dropped\", \"rejected\", \"blocked\" or \"held\", or a verdict of records such as \"DROPPED_FORWARD\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "forwarded" => Some(Self::Exactly(Verdict::Forwarded)),
            "delivered" => Some(Self::Exactly(Verdict::LocalIn)),
            "held" => Some(Self::Held),
            "dropped" => Some(Self::Dropped),
            "rejected" => Some(Self::Rejected),
            "blocked" => Some(Self::Blocked),
            word => Verdict::ALL.into_iter().find(|verdict| verdict.word() == word).map(Self::Exactly),
        }
    }
}

impl Word for DropReason {
    const EXPECTED: &'static str = "a drop reason, such as \"FilterRule\" or \"FilterPolicy\"";

    fn read(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.name() == text)
    }
}

/// Words of records for what a packet is to connection tracking; `UNSEEN`: none.
const STATES: [&str; 6] = ["NEW", "ESTABLISHED", "RELATED", "INVALID", "UNTRACKED", "UNSEEN"];

const TOP: &[&str] = &["gateway", "rules", "case"];
const CASE: &[&str] = &[
    "name",
    "packet",
    "before",
    "wait",
    "play",
    "capture",
    "sysctl",
    "expect",
    "connections",
    "no_connections",
    "expectations",
    "verdicts",
    "verdict",
    "reason",
    "state",
    "direction",
    "rule",
    "nat",
    "out",
    "told",
    "connection",
    "timeout",
];
const EXPECT: &[&str] =
    &["n", "verdict", "reason", "state", "direction", "rule", "nat", "out", "told", "connection", "timeout"];
