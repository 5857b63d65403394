//! What a gateway has made of a packet.

use core::fmt;
use std::collections::BTreeMap;

use serde::Serialize;
use towpath_engine::{
    conntrack::{Entry, Tuple},
    netfilter::RuleInfo,
};

use crate::record::{Decision, Record, Verdict};

/// What a gateway has made of a packet, as far as two gateways are compared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Made {
    /// What became of it.
    pub verdict: Verdict,
    /// Why it was dropped or not fed in.
    pub reason: Option<&'static str>,
    /// What it is to connection tracking.
    pub state: Option<&'static str>,
    /// The tuples of its connection, original and reply.
    pub connection: Option<[Tuple; 2]>,
    /// How long its connection lives if nothing follows, in seconds.
    pub timeout_secs: Option<u32>,
    /// Who decided about it.
    pub decided: Option<Cause>,
    /// Who decided how its connection is translated: when that was asked for this packet or one before it, or for the connection that has
    /// announced this one.
    pub translated: Option<Cause>,
}

/// Who decided how connections are translated, by their first packets.
#[derive(Debug)]
pub(super) struct Translators {
    known: BTreeMap<Tuple, Cause>,
    /// How many are remembered.
    count_max: usize,
}

impl Translators {
    pub(super) const fn new(count_max: usize) -> Self {
        Self { known: BTreeMap::new(), count_max }
    }

    /// Who decided about a connection, perhaps just now.
    fn of(&mut self, entry: &Entry, asked: Option<Cause>) -> Option<Cause> {
        let is_asked = asked.is_some();
        let remembered = |tuple| self.known.get(tuple).cloned();
        // Where an announced connection is led, it follows the one that has announced it, and the nat table is not asked.
        let found = asked.or_else(|| remembered(&entry.original)).or_else(|| remembered(entry.master.as_ref()?));
        let has_room = self.known.len() < self.count_max || self.known.contains_key(&entry.original);
        if let Some(cause) = found.as_ref().filter(|_| has_room && (is_asked || entry.master.is_some())) {
            self.known.insert(entry.original, cause.clone());
        }
        found
    }
}

/// Something about a packet that may differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Aspect {
    /// What became of it.
    Verdict,
    /// What it is to connection tracking.
    State,
    /// How its connection is translated.
    Translation,
    /// How long its connection lives.
    Timeout,
    /// Who decided, to the same effect.
    Rule,
}

impl Aspect {
    /// Its word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Verdict => "verdict",
            Self::State => "state",
            Self::Translation => "translation",
            Self::Timeout => "timeout",
            Self::Rule => "rule",
        }
    }
}

/// Who has decided something. Two rules are the same when their texts are, but for comments.
#[derive(Clone, Debug, Serialize)]
pub struct Cause {
    /// The rule's file and line; null: no rule.
    pub place: Option<String>,
    /// The rule as `iptables-save` prints it, or a few words.
    pub text: String,
}

impl PartialEq for Cause {
    fn eq(&self, other: &Self) -> bool {
        self.place.is_some() == other.place.is_some() && without_comments(&self.text) == without_comments(&other.text)
    }
}

impl Eq for Cause {}

impl fmt::Display for Cause {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Some(place) => write!(out, "{place} {}", self.text),
            None => out.write_str(&self.text),
        }
    }
}

impl Cause {
    fn rule(rule: &RuleInfo) -> Self {
        Self { place: Some(format!("{}:{}", rule.file, rule.line)), text: rule.text.clone() }
    }

    fn words(text: impl Into<String>) -> Self {
        Self { place: None, text: text.into() }
    }
}

/// A rule's text without what decides nothing.
fn without_comments(text: &str) -> String {
    let (mut kept, mut rest) = (String::new(), text);
    while let Some((before, comment)) = rest.split_once(COMMENT) {
        kept.push_str(before);
        let is_end = |(at, byte): &(usize, u8)| match comment.starts_with('"') {
            true => *at > 0 && *byte == b'"' && comment.as_bytes()[at - 1] != b'\\',
            false => *byte == b' ',
        };
        let end =
            comment.bytes().enumerate().find(is_end).map_or(comment.len(), |(at, byte)| at + usize::from(byte == b'"'));
        rest = &comment[end..];
    }
    kept + rest
}

const COMMENT: &str = " -m comment --comment ";

impl Made {
    /// What became of a record's packet, of a gateway that has translated connections before.
    pub(super) fn of(record: &Record<'_>, translators: &mut Translators) -> Self {
        let entry = record.connection();
        let asked = record.translating_rules().last().map(Cause::rule);
        let decided = record.decision().map(|decision| match decision {
            Decision::Rule(rule) => Cause::rule(&rule),
            Decision::Policy { table, hook, accepts } => {
                let word = if accepts { "ACCEPT" } else { "DROP" };
                Cause::words(format!("the policy of {} {} ({word})", table.name(), hook.chain()))
            }
        });
        Self {
            verdict: record.verdict(),
            reason: record.reason(),
            state: record.state(),
            connection: entry.as_ref().map(|entry| [entry.original, entry.reply]),
            timeout_secs: entry.as_ref().and_then(|entry| entry.timeout_secs),
            decided,
            translated: match &entry {
                Some(entry) => translators.of(entry, asked),
                None => asked,
            },
        }
    }

    /// What packets of its connection's original direction look like when they leave, if that is not how they came.
    #[must_use]
    pub fn translated_to(&self) -> Option<Tuple> {
        let [original, reply] = self.connection?;
        reply.inverted().filter(|translated| *translated != original)
    }

    /// What differs.
    pub(super) fn aspects(&self, other: &Self) -> Vec<Aspect> {
        let both = self.connection.zip(other.connection);
        let timeouts = self.timeout_secs.zip(other.timeout_secs);
        let verdict = (self.verdict, self.reason) != (other.verdict, other.reason);
        let differs = [
            (Aspect::Verdict, verdict),
            (Aspect::State, self.state != other.state),
            (Aspect::Translation, both.is_some_and(|(ours, theirs)| ours != theirs)),
            (Aspect::Timeout, timeouts.is_some_and(|(ours, theirs)| ours != theirs)),
            (Aspect::Rule, !verdict && self.rule() != other.rule()),
        ];
        differs.into_iter().filter(|(_, differs)| *differs).map(|(aspect, _)| aspect).collect()
    }

    /// The rule that decided. That no rule did, but a policy that accepts, is the same as that nobody was asked.
    fn rule(&self) -> Option<&Cause> {
        self.decided.as_ref().filter(|cause| cause.place.is_some())
    }

    /// Who is the cause of what differs.
    pub(super) fn cause(&self, aspects: &[Aspect]) -> Cause {
        let is_of_translation = aspects.first() == Some(&Aspect::Translation);
        let found = if is_of_translation { &self.translated } else { &self.decided };
        let or_else = || {
            if is_of_translation {
                return Cause::words("no rule of the nat table");
            }
            Cause::words(self.reason.map_or_else(|| "no rule".to_owned(), |reason| format!("no rule ({reason})")))
        };
        found.clone().unwrap_or_else(or_else)
    }
}

/// `FORWARDED NEW, translated to 203.0.113.1:40000 > 198.51.100.7:80 tcp, 120 s`
impl fmt::Display for Made {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.verdict.word())?;
        for word in [self.reason, self.state].into_iter().flatten() {
            write!(out, " {word}")?;
        }
        if let Some(translated) = self.translated_to() {
            write!(out, ", translated to {translated}")?;
        }
        self.timeout_secs.map_or(Ok(()), |seconds| write!(out, ", {seconds} s"))
    }
}
