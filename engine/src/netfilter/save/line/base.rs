//! Options of the command line itself.

use alloc::borrow::ToOwned;

use super::{Argument, Reader, Verb};
use crate::{
    conntrack::{Counter, Family},
    netfilter::{
        TableName,
        error::{Fault, Flaw, Noun},
        header::Field,
        save::{text::Word, values},
    },
};

/// Options of the command line itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    Verb(VerbName),
    Header(Field),
    Table,
    Match,
    Jump,
    Goto,
    Counters,
    /// The line is for one family only.
    Only(Family),
    /// Something that a rules file cannot ask for.
    Foreign,
}

/// Commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum VerbName {
    Append,
    Insert,
    NewChain,
    Policy,
    Flush,
    DeleteChain,
}

impl Base {
    /// Whether a value follows, or may.
    pub(super) const fn takes_value(self) -> bool {
        !matches!(self, Self::Header(Field::Fragment) | Self::Only(_))
    }

    /// Whether its value may stand right behind its letter. Of the others the tool takes the whole word for the value
    /// (iptables 1.8.9: `xshared.c`, `do_parse()`, which looks at `argv[optind - 1]`).
    pub(super) const fn takes_attached(self) -> bool {
        matches!(self, Self::Verb(_) | Self::Goto | Self::Counters)
    }
}

#[rustfmt::skip]
pub(super) static BASE: [(Base, char, &str); 32] = [
    (Base::Verb(VerbName::Append),      'A', "append"),
    (Base::Verb(VerbName::Insert),      'I', "insert"),
    (Base::Verb(VerbName::NewChain),    'N', "new-chain"),
    (Base::Verb(VerbName::Policy),      'P', "policy"),
    (Base::Verb(VerbName::Flush),       'F', "flush"),
    (Base::Verb(VerbName::DeleteChain), 'X', "delete-chain"),
    (Base::Table,                       't', "table"),
    (Base::Header(Field::Source),       's', "source"),
    (Base::Header(Field::Source),       's', "src"),
    (Base::Header(Field::Destination),  'd', "destination"),
    (Base::Header(Field::Destination),  'd', "dst"),
    (Base::Header(Field::Protocol),     'p', "protocol"),
    (Base::Header(Field::Input),        'i', "in-interface"),
    (Base::Header(Field::Output),       'o', "out-interface"),
    (Base::Match,                       'm', "match"),
    (Base::Jump,                        'j', "jump"),
    (Base::Goto,                        'g', "goto"),
    (Base::Header(Field::Fragment),     'f', "fragments"),
    (Base::Counters,                    'c', "set-counters"),
    (Base::Only(Family::Ipv4),          '4', "ipv4"),
    (Base::Only(Family::Ipv6),          '6', "ipv6"),
    (Base::Foreign,                     'C', "check"),
    (Base::Foreign,                     'D', "delete"),
    (Base::Foreign,                     'E', "rename-chain"),
    (Base::Foreign,                     'L', "list"),
    (Base::Foreign,                     'R', "replace"),
    (Base::Foreign,                     'S', "list-rules"),
    (Base::Foreign,                     'Z', "zero"),
    (Base::Foreign,                     'v', "verbose"),
    (Base::Foreign,                     'w', "wait"),
    (Base::Foreign,                     'n', "numeric"),
    (Base::Foreign,                     'x', "exact"),
];

/// Reads what follows a command.
pub(super) fn take_verb(name: VerbName, argument: &Argument<'_>, reader: &mut Reader<'_>) -> Result<Verb, Flaw> {
    Ok(match name {
        VerbName::Append => Verb::Append(argument.value(reader)?),
        VerbName::Insert => {
            let chain = argument.value(reader)?;
            let position = match reader.argument() {
                Some(word) => values::ranged(word, 1, u64::from(u32::MAX), "a rule's number from 1")? as usize,
                None => 1,
            };
            Verb::Insert(chain, position)
        }
        VerbName::NewChain => Verb::NewChain(argument.value(reader)?),
        VerbName::Policy => {
            let chain = argument.value(reader)?;
            let policy = reader.argument().ok_or_else(|| argument.missing(2))?;
            Verb::Policy(chain, policy.clone())
        }
        VerbName::Flush => Verb::Flush(argument.optional(reader)),
        VerbName::DeleteChain => Verb::DeleteChain(argument.optional(reader)),
    })
}

/// Reads the name of a table.
pub(in crate::netfilter::save) fn table(word: &Word) -> Result<TableName, Flaw> {
    let known = || TableName::ALL.iter().map(|table| table.name());
    match TableName::ALL.iter().find(|table| table.name() == word.text) {
        Some(table) => Ok(*table),
        None => Err(Fault::unknown(Noun::Table, &word.text, known()).at(word.column)),
    }
}

/// Reads `packets bytes` or `packets,bytes`.
pub(super) fn counters(argument: &Argument<'_>, reader: &mut Reader<'_>) -> Result<Counter, Flaw> {
    let first = argument.value(reader)?;
    let (packets, bytes) = match first.text.split_once(',') {
        Some((packets, bytes)) => (packets.to_owned(), bytes.to_owned()),
        None => (first.text.clone(), reader.argument().ok_or_else(|| argument.missing(2))?.text.clone()),
    };
    match (packets.parse(), bytes.parse()) {
        (Ok(packets), Ok(bytes)) => Ok(Counter { packets, bytes }),
        _ => Err(Fault::BadCounters.at(first.column)),
    }
}
