//! Reads the text that `ipset save` writes and `ipset restore` takes.
//!
//! `-exist` is that of its line alone. `ipset` sends neighbouring lines about one set to the kernel together, and takes the first one's
//! word for all of them.

use alloc::{collections::BTreeSet, string::String, vec::Vec};
use core::time::Duration;

use super::{
    Sets, create, key,
    kind::{Kind, Part, Storage},
    set::{Element, Set},
};
use crate::{
    limits::{COMMENT_BYTES_MAX, COUNT_MAX, SET_TEXT_ELEMENTS_MAX},
    netfilter::{
        error::{Fault, Flaw, Noun},
        save::{
            text::{Word, words},
            values,
        },
    },
    time::Instant,
};

/// Whether a text is about sets: its first line that is not a comment is a command of ipset. Of those that begin with a dash, as
/// commands of iptables do, it is one that makes a set of a kind that there is.
pub(in crate::netfilter) fn is_sets(text: &str) -> bool {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let words = first.into_iter().flat_map(str::split_whitespace).filter(|word| general(word).is_none());
    let words: Vec<&str> = words.take(3).collect();
    let makes = |kind: &&str| Kind::find(kind).is_some();
    match words.first().and_then(|word| command(word)) {
        Some("create") if words[0].starts_with('-') => words.get(2).is_some_and(makes),
        Some(_) => !words[0].starts_with('-'),
        None => false,
    }
}

/// The command that a word stands for: the first that it is the beginning of, behind two dashes or none.
fn command(word: &str) -> Option<&'static str> {
    let beginning = word.strip_prefix("--").unwrap_or(word);
    let is = |names: &&&[&str]| names.iter().any(|name| name.starts_with(beginning));
    COMMANDS.iter().filter(|_| !["", "-"].contains(&beginning)).find(is).map(|names| names[0])
}

/// An option's name, which two dashes may stand before.
pub(super) fn option_name(word: &Word) -> &str {
    word.text.strip_prefix("--").unwrap_or(&word.text)
}

/// Whether a text is read back as one word when it stands without quotes: no blanks, no quotes, nothing that cannot be seen.
pub(super) fn is_one_word(text: &str) -> bool {
    !text.contains(|letter: char| letter.is_whitespace() || letter.is_control() || letter == '"')
}

/// How many elements the lines of a text may still stand for, beside the first of each.
#[derive(Debug)]
pub(in crate::netfilter) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(SET_TEXT_ELEMENTS_MAX)
    }
}

#[cfg(test)]
impl Budget {
    pub(super) const fn of(elements: usize) -> Self {
        Self(elements)
    }
}

/// Does what one line of a text says, of which `budget` is.
pub(in crate::netfilter) fn take_line(sets: &mut Sets, budget: &mut Budget, line: &str) -> Result<(), Flaw> {
    let line = line.trim_end();
    if line.trim_start().is_empty() || line.trim_start().starts_with('#') {
        return Ok(());
    }
    let mut words = words(line, 1)?;
    // The tool takes `""` for nothing.
    words.retain(|word| !word.text.is_empty());
    let exist = take_general(&mut words);
    let mut reader = Reader { words: &words, next: 0, exist, budget };
    let Some(first) = reader.word() else { return Ok(()) };
    // The last line of a restore.
    if first.text == "COMMIT" {
        return reader.end();
    }
    match command(&first.text) {
        Some("create") => create::create(sets, &mut reader, first),
        Some("add") => add(sets, &mut reader, first),
        Some("del") => delete(sets, &mut reader, first),
        Some("flush") => flush(sets, &mut reader),
        Some("destroy") => destroy(sets, &mut reader),
        Some("rename") => rename(sets, &mut reader, first),
        Some("swap") => swap(sets, &mut reader, first),
        Some("quit") => reader.end(),
        _ => Err(Fault::unknown(Noun::Option, &first.text, TAKEN.into_iter()).at(first.column)),
    }
}

/// Takes out the options that may stand anywhere in a line, quoted or behind `comment` too, as the tool does; true: what is there may
/// be there, and what is not may be missing.
fn take_general(words: &mut Vec<Word>) -> bool {
    let mut exist = false;
    words.retain(|word| {
        let found = general(&word.text);
        exist |= found.is_some_and(|name| ["-exist", "-!"].contains(&name));
        found.is_none()
    });
    exist
}

/// The option that may stand anywhere, behind one dash or two.
fn general(word: &str) -> Option<&'static str> {
    let is = |name: &&&str| word == **name || word.strip_prefix('-') == Some(**name);
    GENERAL.iter().find(is).copied()
}

fn add(sets: &mut Sets, reader: &mut Reader<'_>, command: &Word) -> Result<(), Flaw> {
    let name = reader.need(command)?;
    let element_word = reader.need(command)?;
    if named(sets, name)?.kind.storage() == Storage::List {
        return add_member(sets, reader, name, element_word);
    }
    let set = named(sets, name)?;
    let element = element_options(set, reader)?;
    for key in element_keys(set, reader, element_word)? {
        if !set.add(Instant::ZERO, key, element.clone(), reader.exist) {
            return Err(element_word.bad("a new element that the set has room for (`-exist` takes an old one)"));
        }
    }
    Ok(())
}

/// `add LIST SET [before|after SET]`
fn add_member(sets: &mut Sets, reader: &mut Reader<'_>, list: &Word, member: &Word) -> Result<(), Flaw> {
    let is_list = named(sets, member)?.kind.storage() == Storage::List;
    if is_list {
        return Err(member.bad("a set that is not a list itself"));
    }
    let place = match reader.words.get(reader.next).map(|word| word.text.as_str()) {
        Some(word @ ("before" | "after")) => {
            let after = word == "after";
            let command = reader.word();
            Some((reader.need(command.unwrap_or(member))?, after))
        }
        Some(_) | None => None,
    };
    let set = named(sets, list)?;
    let element = element_options(set, reader)?;
    let known = set.members.iter().any(|(known, _)| *known == member.text);
    if known {
        return if reader.exist { Ok(()) } else { Err(Fault::Twice { option: member.text.clone() }.at(member.column)) };
    }
    let index = match place {
        Some((neighbour, after)) => {
            let found = set.members.iter().position(|(known, _)| *known == neighbour.text);
            found.map(|index| index + usize::from(after)).ok_or_else(|| neighbour.bad("a set of the list"))?
        }
        None => set.members.len(),
    };
    set.members.insert(index, (member.text.clone(), element));
    Ok(())
}

/// `del SET ELEMENT`: all of a range go, even if one of it is not there.
fn delete(sets: &mut Sets, reader: &mut Reader<'_>, command: &Word) -> Result<(), Flaw> {
    let set = named(sets, reader.need(command)?)?;
    let element = reader.need(command)?;
    let is_there = if set.kind.storage() == Storage::List {
        let before = set.members.len();
        set.members.retain(|(member, _)| *member != element.text);
        set.members.len() < before
    } else {
        element_keys(set, reader, element)?.into_iter().filter(|key| !set.remove(key.clone())).count() == 0
    };
    if is_there || reader.exist { reader.end() } else { Err(element.bad("an element of the set")) }
}

/// `flush [SET]`
fn flush(sets: &mut Sets, reader: &mut Reader<'_>) -> Result<(), Flaw> {
    match reader.word() {
        Some(name) => named(sets, name)?.clear(),
        None => sets.0.values_mut().for_each(Set::clear),
    }
    reader.end()
}

/// `destroy [SET]`: what a list holds stays (Linux v6.18: `net/netfilter/ipset/ip_set_core.c`, `ip_set_destroy()`).
fn destroy(sets: &mut Sets, reader: &mut Reader<'_>) -> Result<(), Flaw> {
    let Some(name) = reader.word() else {
        let held = sets.names().find(|name| sets.is_held(name)).map(String::from);
        if let Some(set) = held {
            let wants = "a set that can go: a list holds it";
            return Err(Fault::BadValue { value: set, wants }.at(1));
        }
        sets.0.retain(|_| false);
        return Ok(());
    };
    if sets.0.find(&name.text).is_none() && reader.exist {
        return reader.end();
    }
    named(sets, name)?;
    if sets.is_held(&name.text) {
        return Err(name.bad("a set that can go: a list holds it"));
    }
    sets.0.retain(|known| known != name.text);
    reader.end()
}

/// `rename SET NAME`: not of a set that a list holds (Linux v6.18: `net/netfilter/ipset/ip_set_core.c`, `ip_set_rename()`).
fn rename(sets: &mut Sets, reader: &mut Reader<'_>, command: &Word) -> Result<(), Flaw> {
    let (name, new) = (reader.need(command)?, reader.need(command)?);
    reader.end()?;
    create::check_name(new)?;
    named(sets, name)?;
    if sets.is_held(&name.text) {
        return Err(name.bad("a set that can be renamed: a list holds it"));
    }
    if sets.0.find(&new.text).is_some() {
        return Err(Fault::Twice { option: new.text.clone() }.at(new.column));
    }
    sets.0.rename(&name.text, &new.text);
    Ok(())
}

/// `swap SET SET`: a list holds what has the name then.
fn swap(sets: &mut Sets, reader: &mut Reader<'_>, command: &Word) -> Result<(), Flaw> {
    let (one, other) = (reader.need(command)?, reader.need(command)?);
    reader.end()?;
    let (kind, family) = (named(sets, one)?.kind, named(sets, one)?.family());
    let set = named(sets, other)?;
    if !set.kind.is_like(kind) || set.family() != family {
        return Err(other.bad("a set of the other's kind and family, with which it may change places"));
    }
    sets.0.swap(&one.text, &other.text);
    Ok(())
}

/// Reads what follows an element.
fn element_options(set: &Set, reader: &mut Reader<'_>) -> Result<Element, Flaw> {
    let mut element = Element { expires: set.expiry(Instant::ZERO, None), ..Element::default() };
    while let Some(word) = reader.word() {
        match option_name(word) {
            "timeout" if set.options.timeout.is_some() => {
                let seconds = reader.number(word, 0, TIMEOUT_MAX)?;
                let life = Duration::from_secs(u64::from(seconds));
                element.expires = (seconds > 0).then(|| Instant::ZERO + life);
            }
            "packets" if set.options.counters => element.packets = reader.count(word)?,
            "bytes" if set.options.counters => element.bytes = reader.count(word)?,
            "comment" if set.options.comment => {
                let comment = reader.need(word)?;
                if comment.text.len() > COMMENT_BYTES_MAX {
                    return Err(comment.bad("a comment of at most 255 bytes"));
                }
                element.comment = Some(comment.text.clone());
            }
            "nomatch" if set.kind.has(Part::Network) => element.no_match = true,
            "wildcard" if set.kind.has(Part::Interface) => element.wildcard = true,
            "timeout" | "packets" | "bytes" | "comment" => {
                let needed = "a set that was created with timeouts, counters or comments";
                return Err(Fault::Needs { what: word.text.clone(), needed }.at(word.column));
            }
            other => return Err(Fault::unknown(Noun::Option, other, ADD_OPTIONS.into_iter()).at(word.column)),
        }
    }
    Ok(element)
}

fn element_keys(set: &Set, reader: &mut Reader<'_>, word: &Word) -> Result<Vec<key::Key>, Flaw> {
    let wants =
        "an element of the set's kind and family, or a range of at most 65536 of them; /0 is no network of most kinds";
    let mut keys = key::parse(set.kind, set.options.family, &word.text).ok_or_else(|| word.bad(wants))?;
    if set.options.netmask.is_some() || set.options.bitmask.is_some() {
        // Of a range, each network that the set keeps counts once (Linux v6.18: `ip_set_hash_ip.c`, `hash_ip4_uadt()`). Of addresses
        // with ports Linux masks the first one only, and keeps the others though nothing ever matches them (`hash_ipport4_uadt()`).
        let mut seen = BTreeSet::new();
        keys.retain(|key| seen.insert(set.fitted(key.clone())));
    }
    let what = "elements in the ranges of a text";
    let left = reader.budget.0.checked_sub(keys.len().saturating_sub(1));
    reader.budget.0 = left.ok_or_else(|| Fault::TooMany { what, max: SET_TEXT_ELEMENTS_MAX }.at(word.column))?;
    Ok(keys)
}

fn named<'a>(sets: &'a mut Sets, name: &Word) -> Result<&'a mut Set, Flaw> {
    // Names are gathered only where there is an error that tells them.
    let is_there = sets.0.find(&name.text).is_some();
    let names: Vec<String> = sets.names().filter(|_| !is_there).map(String::from).collect();
    sets.0
        .find_mut(&name.text, &mut 0)
        .ok_or_else(|| Fault::unknown(Noun::Set, &name.text, names.iter().map(String::as_str)).at(name.column))
}

pub(super) struct Reader<'a> {
    words: &'a [Word],
    next: usize,
    /// What is there may be there, and what is not may be missing.
    pub(super) exist: bool,
    budget: &'a mut Budget,
}

impl<'a> Reader<'a> {
    pub(super) fn word(&mut self) -> Option<&'a Word> {
        let word = self.words.get(self.next)?;
        self.next += 1;
        Some(word)
    }

    /// The next word, which `after` asks for.
    pub(super) fn need(&mut self, after: &Word) -> Result<&'a Word, Flaw> {
        self.word().ok_or_else(|| Fault::MissingValue { option: after.text.clone(), count: 1 }.at(after.column))
    }

    pub(super) fn number(&mut self, after: &Word, min: u32, max: u32) -> Result<u32, Flaw> {
        let wants = "a number in the option's range";
        Ok(values::ranged(self.need(after)?, u64::from(min), u64::from(max), wants)? as u32)
    }

    fn count(&mut self, after: &Word) -> Result<u64, Flaw> {
        values::ranged(self.need(after)?, 0, COUNT_MAX - 1, "a count below 2^62")
    }

    fn end(&mut self) -> Result<(), Flaw> {
        match self.word() {
            Some(word) => Err(Fault::StrayWord { word: word.text.clone() }.at(word.column)),
            None => Ok(()),
        }
    }
}

/// Linux: `IPSET_MAX_TIMEOUT`.
pub(super) const TIMEOUT_MAX: u32 = u32::MAX / 1000 / 2;

/// Options that may stand before a command, or behind (ipset 7.17: `lib/ipset.c`, `ipset_match_envopt()`).
static GENERAL: [&str; 4] = ["-exist", "-!", "-quiet", "-q"];

/// The tool's commands with their other names, in its order (ipset 7.17: `lib/ipset.c`, `ipset_commands`).
static COMMANDS: [&[&str]; 14] = [
    &["create", "new", "-N"],
    &["add", "-A"],
    &["del", "-D"],
    &["test", "-T"],
    &["destroy", "x", "-X"],
    &["list", "-L"],
    &["save", "-S"],
    &["restore", "-R"],
    &["flush", "-F"],
    &["rename", "e", "-E"],
    &["swap", "w", "-W"],
    &["help", "-h", "-H"],
    &["version", "-v", "-V"],
    &["quit"],
];

/// Those that a text may have here.
static TAKEN: [&str; 8] = ["create", "add", "del", "flush", "destroy", "rename", "swap", "quit"];

static ADD_OPTIONS: [&str; 8] = ["timeout", "packets", "bytes", "comment", "nomatch", "wildcard", "before", "after"];
