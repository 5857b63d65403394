//! One line of rules text that starts with a command: `-A CHAIN …`, `-N CHAIN`, `-P CHAIN POLICY` and their like.
//!
//! Options are found as the tool finds them: short ones with their value apart (of commands, `-g` and `-c` also right behind, as
//! in `-AINPUT`), long ones in full or by any start that fits one only, `--name=value` too. An option belongs to the match or target named last that knows it. The
//! protocol's own match is loaded when an option asks for it (`-p tcp --dport 80`).

mod base;
mod draft;
mod find;
mod finish;

pub(super) use base::table;
pub(super) use draft::Draft;
pub(super) use finish::Surroundings;

use super::text::Word;
use crate::{
    conntrack::{Counter, Family},
    netfilter::{
        TableName,
        error::{Fault, Flaw},
    },
};
use base::Base;
use find::{Found, FoundOption, find};

/// A command and the rule that follows it.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) verb: Verb,
    pub(super) table: Option<TableName>,
    pub(super) draft: Draft,
    pub(super) counter: Option<Counter>,
    /// The line is for the other address family (`-6`, or of ip6tables `-4`).
    pub(super) other_family: bool,
}

/// What a line does.
#[derive(Debug)]
pub(super) enum Verb {
    Append(Word),
    /// Before the rule of that number, from 1.
    Insert(Word, usize),
    NewChain(Word),
    Policy(Word, Word),
    Flush(Option<Word>),
    DeleteChain(Option<Word>),
}

/// Reads the words of a line.
pub(super) fn parse(words: &[Word], family: Family) -> Result<Line, Flaw> {
    let mut reader = Reader { words, next: 0, inverted: false };
    let column = words.first().map_or(1, |word| word.column);
    let mut verb = None;
    let mut line = Unfinished { table: None, counter: None, other_family: false };
    let mut draft = Draft { family, column, ..Draft::default() };
    while let Some(word) = reader.word() {
        if word.is_invert() && !reader.inverted {
            reader.inverted = true;
            continue;
        }
        if !word.is_option() {
            return Err(Fault::StrayWord { word: word.text.clone() }.at(word.column));
        }
        let Found { option, attached } = find(word, &mut draft)?;
        match option {
            FoundOption::Base(base) => {
                let argument = Argument { option: word, attached, base };
                if let Some(found) = draft.take_base(&argument, &mut reader, &mut line)? {
                    if verb.is_some() {
                        return Err(Fault::Twice { option: word.text.clone() }.at(word.column));
                    }
                    verb = Some(found);
                }
            }
            FoundOption::Part(part, option) => draft.take_part(part, option, word, attached, &mut reader)?,
        }
    }
    if reader.inverted {
        return Err(Fault::MissingValue { option: "!".into(), count: 1 }.at(column));
    }
    match verb {
        Some(verb) => {
            let Unfinished { table, counter, other_family } = line;
            Ok(Line { verb, table, draft, counter, other_family })
        }
        None => Err(Fault::NoCommand.at(column)),
    }
}

struct Unfinished {
    table: Option<TableName>,
    counter: Option<Counter>,
    other_family: bool,
}

struct Reader<'a> {
    words: &'a [Word],
    next: usize,
    /// A `!` has been read and waits for what it inverts.
    inverted: bool,
}

impl<'a> Reader<'a> {
    fn word(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word)
    }

    /// The next word when it is neither an option nor a `!`.
    fn argument(&mut self) -> Option<&'a Word> {
        self.words.get(self.next).filter(|word| !word.is_option() && !word.is_invert())?;
        self.word()
    }

    /// Whether a `!` stood before the option at hand.
    fn take_inverted(&mut self) -> bool {
        core::mem::take(&mut self.inverted)
    }
}

/// A base option and its value, as far as it is attached.
struct Argument<'a> {
    option: &'a Word,
    attached: Option<Word>,
    base: Base,
}

impl Argument<'_> {
    fn value(&self, reader: &mut Reader<'_>) -> Result<Word, Flaw> {
        self.attached.clone().or_else(|| reader.word().cloned()).ok_or_else(|| self.missing(1))
    }

    fn optional(&self, reader: &mut Reader<'_>) -> Option<Word> {
        self.attached.clone().or_else(|| reader.argument().cloned())
    }

    fn missing(&self, count: u8) -> Flaw {
        Fault::MissingValue { option: self.option.text.clone(), count }.at(self.option.column)
    }

    fn twice(&self) -> Flaw {
        Fault::Twice { option: self.option.text.clone() }.at(self.option.column)
    }

    /// Puts a value where none may be yet.
    fn put<T>(&self, place: &mut Option<T>, value: T) -> Result<(), Flaw> {
        match place.replace(value) {
            None => Ok(()),
            Some(_) => Err(self.twice()),
        }
    }
}
