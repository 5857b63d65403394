//! What can be wrong with rules, where, and what to do about it.

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::fmt;

use super::{Hook, TableName};

/// Why rules were not taken. Nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// The name of the text, as the caller gave it.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column in characters, from 1.
    pub column: u32,
    /// What is wrong.
    pub fault: Fault,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.fault)
    }
}

impl core::error::Error for RuleError {}

/// A fault and the column where it stands; the line and the file are known further up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Flaw {
    pub(super) column: u32,
    pub(super) fault: Fault,
}

/// What a rules text names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Noun {
    /// After `-m`.
    Match,
    /// After `-j`.
    Target,
    /// An option.
    Option,
    /// After `*` or `-t`.
    Table,
    /// A chain.
    Chain,
    /// A helper that is loaded.
    Helper,
    /// A timeout policy that is there.
    Timeout,
    /// A word of a list that is fixed: a TCP flag, a state, a type.
    Flag,
    /// A chain's policy.
    Policy,
    /// A set (ipset), or a kind of set.
    Set,
}

impl Noun {
    const fn word(self) -> &'static str {
        match self {
            Self::Match => "match",
            Self::Target => "target or chain",
            Self::Option => "option",
            Self::Table => "table",
            Self::Chain => "chain",
            Self::Helper => "helper",
            Self::Timeout => "timeout policy",
            Self::Flag => "word",
            Self::Policy => "policy",
            Self::Set => "set",
        }
    }
}

/// What is wrong with a rules text. `Display` says what to do about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of this name is there.
    Unknown {
        /// What was looked for.
        noun: Noun,
        /// The name in the text.
        name: String,
        /// The most similar name that would have been found.
        nearest: Option<String>,
        /// All names, where they are few and the user cannot know them.
        known: Vec<String>,
    },
    /// Linux knows it, but it is not supported here.
    Unsupported {
        /// What it is.
        noun: Noun,
        /// Its name.
        name: String,
        /// Why, or what to use.
        why: &'static str,
    },
    /// The start of an option's name fits more than one option.
    Ambiguous {
        /// What stands in the text.
        option: String,
        /// Two options it could be.
        candidates: [&'static str; 2],
    },
    /// An option lacks its value.
    MissingValue {
        /// The option.
        option: String,
        /// How many values it takes.
        count: u8,
    },
    /// An option that takes no value got one.
    SurplusValue {
        /// The option.
        option: String,
    },
    /// A value is not what it must be.
    BadValue {
        /// The value.
        value: String,
        /// What is wanted.
        wants: &'static str,
    },
    /// A word that belongs to nothing.
    StrayWord {
        /// The word.
        word: String,
    },
    /// A `!` before something that cannot be inverted.
    NotInvertible {
        /// What it stands before.
        option: String,
    },
    /// An option, or one that excludes it, stands twice.
    Twice {
        /// The option.
        option: String,
    },
    /// Something needs something else in the same rule.
    Needs {
        /// What needs it.
        what: String,
        /// What is needed.
        needed: &'static str,
    },
    /// The rule can never match anything.
    Never {
        /// Why.
        why: &'static str,
    },
    /// A target or match is not allowed in this table.
    WrongTable {
        /// Its name.
        name: String,
        /// The table it stands in.
        table: TableName,
        /// Tables it may stand in.
        allowed: &'static [TableName],
    },
    /// A target, match or option is not allowed at a hook that reaches the rule.
    WrongHook {
        /// Its name.
        name: String,
        /// The hook from which the rule is reached.
        hook: Hook,
        /// Hooks it is allowed at.
        allowed: &'static [Hook],
    },
    /// Nothing filters in the nat table, which sees first packets only.
    NatDrop,
    /// Chains that call each other in a circle.
    Loop {
        /// A chain of the circle.
        chain: String,
    },
    /// A chain of this name is there already, or it is a built-in chain's or a target's name.
    ChainExists {
        /// The name.
        chain: String,
    },
    /// A user chain has no policy, and a built-in one cannot be jumped to, made or deleted.
    WrongKindOfChain {
        /// The name.
        chain: String,
        /// True: it is built in.
        builtin: bool,
        /// What was tried.
        tried: &'static str,
    },
    /// A chain that rules still jump to, or that still has rules, is deleted.
    ChainInUse {
        /// The name.
        chain: String,
    },
    /// A chain's name is empty, too long or starts like an option.
    BadChainName {
        /// The name.
        name: String,
    },
    /// A quotation mark is not closed on its line.
    OpenQuote,
    /// `[packets:bytes]` cannot be read.
    BadCounters,
    /// A line outside of `*table … COMMIT` that belongs inside.
    OutsideTable,
    /// `*table` inside another table's lines, or `-t` inside a table's lines.
    TableInTable,
    /// A table's lines end without `COMMIT`; they would have no effect.
    CommitMissing {
        /// The table.
        table: TableName,
    },
    /// The line says nothing that can be done.
    NoCommand,
    /// A rule's number is beyond the chain's end.
    BadPosition {
        /// The greatest that would do.
        max: usize,
    },
    /// More than can be taken.
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
}

impl Fault {
    pub(super) const fn at(self, column: u32) -> Flaw {
        Flaw { column, fault: self }
    }

    /// A name that is not among `known`; the most similar one is offered, or all words of a short list.
    pub(super) fn unknown<'a>(noun: Noun, name: &str, known: impl Iterator<Item = &'a str>) -> Self {
        let known: Vec<&str> = known.collect();
        let nearest = super::save::nearest(name, known.iter().copied()).map(ToOwned::to_owned);
        let is_listed = noun == Noun::Flag && nearest.is_none() && known.len() <= LISTED_WORDS;
        let known = if is_listed { known.into_iter().map(ToOwned::to_owned).collect() } else { Vec::new() };
        Self::Unknown { noun, name: name.to_owned(), nearest, known }
    }
}

/// A word of a rules text as a message shows it: on one line, and no longer than anybody reads.
struct Shown<'w>(&'w str);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut chars = self.0.chars();
        for char in chars.by_ref().take(SHOWN_CHARS) {
            match char.is_control() {
                true => write!(f, "{}", char.escape_default())?,
                false => write!(f, "{char}")?,
            }
        }
        if chars.next().is_some() { f.write_str("…") } else { Ok(()) }
    }
}

const SHOWN_CHARS: usize = 100;

/// As many words of a list as still are one line to read.
const LISTED_WORDS: usize = 24;

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { noun, name, nearest, known } => {
                write!(f, "there is no {} `{}`", noun.word(), Shown(name))?;
                if let Some(nearest) = nearest {
                    write!(f, "; did you mean `{nearest}`?")?;
                } else if !known.is_empty() {
                    write!(f, "; there are: {}", known.join(", "))?;
                } else if *noun == Noun::Timeout {
                    f.write_str(", nor any other: a gateway's configuration makes them ([[timeout]] in gateway.toml)")?;
                }
                Ok(())
            }
            Self::Unsupported { noun, name, why } => {
                write!(f, "the {} `{name}` is not supported: {why}", noun.word())
            }
            Self::Ambiguous { option, candidates: [one, other] } => {
                write!(f, "`{option}` could be `--{one}` or `--{other}`; write it in full")
            }
            Self::MissingValue { option, count: 1 } => write!(f, "`{option}` needs a value"),
            Self::MissingValue { option, count } => write!(f, "`{option}` needs {count} values"),
            Self::SurplusValue { option } => write!(f, "`{option}` takes no value"),
            Self::BadValue { value, wants } => write!(f, "`{}` is not {wants}", Shown(value)),
            Self::StrayWord { word } => write!(f, "`{}` belongs to no option; remove it or quote it", Shown(word)),
            Self::NotInvertible { option } => write!(f, "`{option}` cannot be inverted; remove the `!`"),
            Self::Twice { option } => write!(f, "`{option}` stands here a second time or excludes another; keep one"),
            Self::Needs { what, needed } => write!(f, "`{what}` needs {needed}"),
            Self::Never { why } => write!(f, "the rule can never match: {why}"),
            Self::WrongTable { name, table, allowed } => {
                write!(f, "`{name}` is not allowed in table {}; use it in ", table.name())?;
                list(f, allowed.iter().map(|table| table.name()))
            }
            Self::WrongHook { name, hook, allowed } => {
                write!(f, "`{name}` is not allowed at {}, from where this rule is reached; use it at ", hook.chain())?;
                list(f, allowed.iter().map(|hook| hook.chain()))
            }
            Self::NatDrop => f.write_str("the nat table sees first packets only and must not DROP; use filter"),
            Self::Loop { chain } => write!(f, "chain `{chain}` leads back to itself; remove a jump of the circle"),
            Self::ChainExists { chain } => {
                write!(f, "`{chain}` is already the name of a chain or target; choose another")
            }
            Self::WrongKindOfChain { chain, builtin, tried } => {
                let kind = if *builtin { "a built-in chain" } else { "not a built-in chain" };
                write!(f, "cannot {tried} `{chain}`: it is {kind}")
            }
            Self::ChainInUse { chain } => write!(f, "chain `{chain}` is not empty or still jumped to; flush it first"),
            Self::BadChainName { name } => {
                write!(f, "`{}` cannot name a chain: 1 to 28 characters, not starting with `-` or `!`", Shown(name))
            }
            Self::OpenQuote => f.write_str("the quotation mark is not closed on this line"),
            Self::BadCounters => f.write_str("counters are written `[packets:bytes]`"),
            Self::OutsideTable => f.write_str("this line belongs between `*table` and `COMMIT`"),
            Self::TableInTable => f.write_str("a table is open already; write `COMMIT` before another one"),
            Self::CommitMissing { table } => {
                write!(f, "the lines of table {} end without `COMMIT`; without it they have no effect", table.name())
            }
            Self::NoCommand => f.write_str("the line has no command; rules start with `-A CHAIN`"),
            Self::BadPosition { max } => write!(f, "there is no such position; give one from 1 to {max}"),
            Self::TooMany { what, max } => write!(f, "too many {what}; at most {max} are taken"),
        }
    }
}

/// Writes `a`, `a or b`, `a, b or c`.
fn list<'a>(f: &mut fmt::Formatter<'_>, mut names: impl ExactSizeIterator<Item = &'a str>) -> fmt::Result {
    let count = names.len();
    names.try_fold(0, |index, name| {
        let separator = match index {
            0 => "",
            _ if index + 1 == count => " or ",
            _ => ", ",
        };
        write!(f, "{separator}{name}").map(|()| index + 1)
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn a_word_of_any_length_and_kind_is_shown_short_and_on_one_line() {
        let shown = |word: &str| Fault::StrayWord { word: word.into() }.to_string();
        assert_eq!(shown("é\u{1b}[2J\n"), "`é\\u{1b}[2J\\n` belongs to no option; remove it or quote it");
        assert_eq!(shown(&"é".repeat(100)).chars().count(), 100 + 46);
        assert_eq!(shown(&"é".repeat(100_000)).chars().count(), 101 + 46);
    }
}
