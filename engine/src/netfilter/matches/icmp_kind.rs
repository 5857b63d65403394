//! What `-m icmp` and `-m icmp6` have in common: the type, and perhaps the code, that a rule asks for.

use alloc::{format, string::String};

use super::Answer;
use crate::{
    netfilter::{
        View,
        error::{Fault, Flaw, Noun},
        program::facts::Facts,
        save::{text::Word, values},
    },
    wire::IcmpHeader,
};

/// What a name or number stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Any,
    Type(u8),
    Code(u8, u8),
}

impl Kind {
    /// Reads `type`, `type/code` or a name, of which a start that fits one name only suffices; `ambiguous` says so
    /// where it fits several. `numbered` makes what numbers stand for.
    pub(super) fn parse(
        word: &Word,
        names: &[(&'static str, Self)],
        ambiguous: &'static str,
        numbered: fn(u8, Option<u8>) -> Self,
    ) -> Result<Self, Flaw> {
        let number = |text| values::number(text).and_then(|value| u8::try_from(value).ok());
        let numeric = match word.text.split_once('/') {
            Some((kind, code)) => number(kind).zip(number(code)).map(|(kind, code)| numbered(kind, Some(code))),
            None => number(&word.text).map(|kind| numbered(kind, None)),
        };
        if let Some(kind) = numeric {
            return Ok(kind);
        }
        let mut found = names.iter().filter(|(name, _)| values::starts(name, &word.text));
        let whole = names.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text));
        match (whole, found.next(), found.next()) {
            (Some((_, kind)), ..) | (None, Some((_, kind)), None) => Ok(*kind),
            (None, Some(_), Some(_)) => Err(word.bad(ambiguous)),
            (None, None, _) => {
                let names = names.iter().map(|(name, _)| *name);
                Err(Fault::unknown(Noun::Flag, &word.text, names).at(word.column))
            }
        }
    }

    /// The type, with the code if there is one.
    pub(super) const fn numbered(kind: u8, code: Option<u8>) -> Self {
        match code {
            Some(code) => Self::Code(kind, code),
            None => Self::Type(kind),
        }
    }

    /// As rules have it.
    pub(super) fn text(self) -> String {
        match self {
            Self::Any => "any".into(),
            Self::Type(kind) => format!("{kind}"),
            Self::Code(kind, code) => format!("{kind}/{code}"),
        }
    }

    /// Whether a packet's message is of that kind, or of another when `inverted`. One that is too short for a header is
    /// dropped.
    pub(super) fn test(self, inverted: bool, facts: &Facts, view: &View<'_>) -> Answer {
        if facts.fragment_offset != 0 {
            return Answer::No;
        }
        match view.packet.transport_bytes() {
            bytes @ &[kind, code, ..] if bytes.len() >= IcmpHeader::LEN => {
                Answer::from(self.holds(kind, code) != inverted)
            }
            _ => Answer::Drop,
        }
    }

    /// Whether a rule that asks for it, or for what it is not, matches all that another one matches.
    pub(super) fn covers(self, inverted: bool, narrower: Self, narrower_is_inverted: bool) -> bool {
        match (inverted, narrower_is_inverted) {
            (false, false) => self.includes(narrower),
            (true, true) => narrower.includes(self),
            (true, false) => !self.includes(narrower) && !narrower.includes(self),
            (false, true) => self == Self::Any,
        }
    }

    fn includes(self, narrower: Self) -> bool {
        match narrower {
            Self::Any => self == Self::Any,
            Self::Type(kind) => matches!(self, Self::Any) || self == Self::Type(kind),
            Self::Code(kind, code) => self.holds(kind, code),
        }
    }

    const fn holds(self, kind: u8, code: u8) -> bool {
        match self {
            Self::Any => true,
            Self::Type(asked) => asked == kind,
            Self::Code(asked, asked_code) => asked == kind && asked_code == code,
        }
    }
}

/// What the message is instead.
pub(super) fn found(facts: &Facts, view: &View<'_>) -> String {
    match view.packet.transport_bytes() {
        [kind, code, ..] if facts.fragment_offset == 0 => format!("has type {kind} code {code}"),
        _ => "is a fragment without type".into(),
    }
}
