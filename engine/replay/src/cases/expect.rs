//! Whether what became of a packet is what a case says.

use core::fmt::Display;

use towpath_engine::{DropReason, conntrack::text::ConnectionLine, netfilter::RuleInfo};

use super::{Expect, Failure, Out, Wanted};
use crate::{
    config::Located,
    play::{Beside, Shown, told},
    record::{Decision, Record, Verdict, bytes_out, direction_word},
};

impl Expect {
    /// What is not as it says.
    pub(super) fn failures(&self, record: &Record<'_>) -> Vec<Failure> {
        let mut found = Found { n: self.n, failures: Vec::new() };
        let verdict = record.verdict();
        if let Some(wanted) = self.verdict.as_ref().filter(|wanted| !wanted.value.holds_for(record)) {
            let reason = record.reason().map(|reason| format!(" {reason}")).unwrap_or_default();
            let by = by(record).map(|by| format!(", by {by}")).unwrap_or_default();
            found.push(wanted, "verdict", wanted.value.word(), format!("{}{reason}{by}", verdict.word()));
        }
        if let Some(wanted) = self.reason.as_ref().filter(|wanted| record.drop_reason() != Some(wanted.value)) {
            let got = record.reason().map_or_else(|| format!("none, it is {}", verdict.word()), str::to_owned);
            found.push(wanted, "reason", wanted.value.name(), got);
        }
        found.word("state", self.state.as_ref(), record.state().unwrap_or("UNSEEN"));
        found.word("direction", self.direction.as_ref(), record.direction().map_or("none", direction_word));
        if let Some(wanted) = self.rule.as_ref().filter(|wanted| !is_decision(&wanted.value, record)) {
            found.push(wanted, "rule", &wanted.value, by(record).unwrap_or_else(|| "no rule was asked".to_owned()));
        }
        self.check_nat(record, &mut found);
        self.check_out(record, &mut found);
        self.check_told(record, &mut found);
        self.check_connection(record, &mut found);
        found.failures
    }

    fn check_nat(&self, record: &Record<'_>, found: &mut Found) {
        let Some(wanted) = &self.nat else { return };
        let rules = record.translating_rules();
        if !rules.iter().any(|rule| is_rule(&wanted.value, rule)) {
            let got = rules.last().map_or_else(|| "no rule of the nat table matched".to_owned(), rule_in_words);
            found.push(wanted, "nat", &wanted.value, got);
        }
    }

    fn check_out(&self, record: &Record<'_>, found: &mut Found) {
        let Some(wanted) = &self.out else { return };
        let mut came: Vec<(String, Shown)> = record
            .out
            .iter()
            .map(|transmit| {
                let mut bytes = Vec::new();
                bytes_out(transmit, &mut bytes);
                let device = record.device_name(transmit.device).unwrap_or("?");
                (device.to_owned(), Shown::of(transmit.device, &bytes, Beside::of(transmit)))
            })
            .collect();
        let shown = |came: &[(String, Shown)], wanted: Option<&Out>| {
            let lines: Vec<String> = came
                .iter()
                .map(|(device, packet)| match packet {
                    Shown::Packet(packet, beside) => {
                        format!("{device} {}{beside}", packet.clone().told_as(wanted.map(|out| &out.packet)))
                    }
                    Shown::Odd(text) => format!("{device} {text}"),
                })
                .collect();
            if lines.is_empty() { "nothing".to_owned() } else { lines.join("; ") }
        };
        if wanted.value.is_empty() && !came.is_empty() {
            found.push(wanted, "out", "nothing", shown(&came, None));
        }
        for out in &wanted.value {
            let is_it = |(device, packet): &(String, Shown)| {
                let is_packet = matches!(packet, Shown::Packet(packet, beside) if out.packet.holds_for(packet) && *beside == out.beside);
                *device == out.device && is_packet
            };
            match came.iter().position(is_it) {
                Some(at) => drop(came.remove(at)),
                None => {
                    let place = Located { value: (), line: out.place.0, column: out.place.1 };
                    found.push(
                        &place,
                        "out",
                        format!("{} {}{}", out.device, out.packet, out.beside),
                        shown(&came, Some(out)),
                    );
                }
            }
        }
    }

    fn check_told(&self, record: &Record<'_>, found: &mut Found) {
        for wanted in &self.told {
            let all: Vec<String> = record.events.iter().map(|(_, event)| told(event)).collect();
            if !all.iter().any(|told| told.contains(&wanted.value)) {
                let got = if all.is_empty() { "nothing was told".to_owned() } else { all.join("; ") };
                found.push(wanted, "told", &wanted.value, got);
            }
        }
    }

    fn check_connection(&self, record: &Record<'_>, found: &mut Found) {
        let entry = record.connection();
        let line = entry.as_ref().map(|entry| ConnectionLine::listed(entry).to_string());
        let got = || line.clone().unwrap_or_else(|| "it belongs to no connection".to_owned());
        if let Some(wanted) = &self.connection
            && !line.as_deref().is_some_and(|line| has_words(line, &wanted.value))
        {
            found.push(wanted, "connection", &wanted.value, got());
        }
        let timeout = entry.as_ref().and_then(|entry| entry.timeout_secs);
        if let Some(wanted) = &self.timeout
            && timeout.map(u64::from) != Some(wanted.value.as_secs())
        {
            let got = timeout.map_or_else(got, |seconds| format!("{seconds}s"));
            found.push(wanted, "timeout", format!("{}s", wanted.value.as_secs()), got);
        }
    }
}

/// What is not as it should be with a packet.
struct Found {
    n: u64,
    failures: Vec<Failure>,
}

impl Found {
    fn push<T>(&mut self, place: &Located<T>, what: &'static str, expected: impl Display, got: impl Display) {
        let Located { line, column, .. } = *place;
        let (expected, got) = (expected.to_string(), got.to_string());
        self.failures.push(Failure { line, column, packet: Some(self.n), what, expected, got });
    }

    fn word(&mut self, what: &'static str, wanted: Option<&Located<String>>, got: &str) {
        if let Some(wanted) = wanted.filter(|wanted| wanted.value != got) {
            self.push(wanted, what, &wanted.value, got);
        }
    }
}

impl Wanted {
    fn holds_for(self, record: &Record<'_>) -> bool {
        let verdict = record.verdict();
        let is_dropped = record.drop_reason().is_some() && !verdict.is_pass();
        let is_rejected = record.drop_reason() == Some(DropReason::FilterReject);
        match self {
            Self::Dropped => is_dropped && !is_rejected,
            Self::Rejected => is_rejected,
            Self::Blocked => is_dropped,
            Self::Held => matches!(verdict, Verdict::HeldFragment | Verdict::HeldLine),
            Self::Exactly(wanted) => verdict == wanted,
        }
    }

    const fn word(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Rejected => "rejected",
            Self::Blocked => "blocked",
            Self::Held => "held",
            Self::Exactly(verdict) => verdict.word(),
        }
    }
}

/// Whether all words of `text` stand in `line`.
pub(super) fn has_words(line: &str, text: &str) -> bool {
    text.split_whitespace().all(|word| line.split_whitespace().any(|said| said == word))
}

/// Who decided, in words.
fn by(record: &Record<'_>) -> Option<String> {
    Some(match record.decision()? {
        Decision::Rule(rule) => rule_in_words(&rule),
        Decision::Policy { hook, accepts, .. } => {
            format!("the policy of {} ({})", hook.chain(), if accepts { "ACCEPT" } else { "DROP" })
        }
    })
}

fn rule_in_words(rule: &RuleInfo) -> String {
    format!("{}:{} ({})", rule.file, rule.line, rule.text)
}

fn is_decision(wanted: &str, record: &Record<'_>) -> bool {
    match record.decision() {
        Some(Decision::Rule(rule)) => is_rule(wanted, &rule),
        Some(Decision::Policy { hook, .. }) => wanted == "policy" || wanted == format!("{} policy", hook.chain()),
        None => false,
    }
}

/// Whether a rule is meant: by the end of its file's path with its line, or by a part of its text.
fn is_rule(wanted: &str, rule: &RuleInfo) -> bool {
    let place = format!("{}:{}", rule.file, rule.line);
    place == wanted || place.ends_with(&format!("/{wanted}")) || rule.text.contains(wanted)
}
