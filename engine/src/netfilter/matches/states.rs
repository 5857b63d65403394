//! The words of `--state` and `--ctstate`.

use alloc::string::String;

use crate::netfilter::{
    error::{Fault, Flaw, Noun},
    program::facts::StateSet,
    save::{text::Word, values},
};

/// Some of the words. A packet fits when it has one of the states, or its connection one of the translations.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct States(u8);

impl States {
    const SNAT: Self = Self(1 << 5);
    const DNAT: Self = Self(1 << 6);

    /// Reads words separated by commas. Like the tool it takes the start of a word, in any case.
    pub(super) fn parse(word: &Word, translations: bool) -> Result<Self, Flaw> {
        let known = &WORDS[..if translations { WORDS.len() } else { WORDS.len() - 2 }];
        let mut states = 0;
        for text in word.text.split(',') {
            match known.iter().find(|(name, _)| values::starts(name, text)) {
                Some((_, state)) => states |= state.0,
                None => {
                    let names = known.iter().map(|(name, _)| *name);
                    return Err(Fault::unknown(Noun::Flag, text, names).at(word.column));
                }
            }
        }
        Ok(Self(states))
    }

    /// Writes the words, separated by commas, in the tool's order.
    pub(super) fn print(self, out: &mut String) {
        let mut separator = ' ';
        for index in PRINT_ORDER {
            let (name, state) = WORDS[index];
            if self.0 & state.0 != 0 {
                out.push(separator);
                out.push_str(name);
                separator = ',';
            }
        }
    }

    /// The states among them.
    pub(super) const fn states(self) -> StateSet {
        StateSet(self.0 & StateSet::ALL.0)
    }

    /// Whether a packet that has one of the states, but whose connection has perhaps no translation, may not fit:
    /// the words name a translation.
    pub(super) const fn names_translation(self) -> bool {
        self.0 & (Self::SNAT.0 | Self::DNAT.0) != 0
    }

    /// Whether a translation of a connection is among them.
    pub(super) const fn holds_translation(self, source: bool, destination: bool) -> bool {
        source && self.0 & Self::SNAT.0 != 0 || destination && self.0 & Self::DNAT.0 != 0
    }
}

/// In the order in which starts of words are looked for.
#[rustfmt::skip]
static WORDS: [(&str, States); 7] = [
    ("INVALID",     States(StateSet::INVALID.0)),
    ("NEW",         States(StateSet::NEW.0)),
    ("ESTABLISHED", States(StateSet::ESTABLISHED.0)),
    ("RELATED",     States(StateSet::RELATED.0)),
    ("UNTRACKED",   States(StateSet::UNTRACKED.0)),
    ("SNAT",        States::SNAT),
    ("DNAT",        States::DNAT),
];

/// INVALID NEW RELATED ESTABLISHED UNTRACKED SNAT DNAT.
const PRINT_ORDER: [usize; 7] = [0, 1, 3, 2, 4, 5, 6];
