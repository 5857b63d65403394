//! What a word that starts with `-` means.

use alloc::{borrow::ToOwned, format, vec::Vec};

use super::{
    base::{BASE, Base},
    draft::{Draft, unsupported_match},
    finish::unsupported_target,
};
use crate::netfilter::{
    error::{Fault, Flaw, Noun},
    matches,
    save::{
        nearest,
        options::{Opt, Spec},
        text::Word,
    },
};

/// An option that was found, and a value that was attached to it.
pub(super) struct Found {
    pub(super) option: FoundOption,
    pub(super) attached: Option<Word>,
}

/// Whose option it is.
pub(super) enum FoundOption {
    Base(Base),
    /// Of the target (`None`) or of a match, by its place.
    Part(Option<usize>, &'static Opt),
}

/// Finds what a word that starts with `-` means.
pub(super) fn find(word: &Word, draft: &mut Draft) -> Result<Found, Flaw> {
    if let Some(long) = word.text.strip_prefix("--") {
        return find_long(word, long, draft);
    }
    find_short(word, draft)
}

/// An option of one letter, with what may stand right behind it as in `-AINPUT`.
fn find_short(word: &Word, draft: &Draft) -> Result<Found, Flaw> {
    let mut letters = word.text[1..].chars();
    let first = letters.next();
    let (known, rest) = (BASE.iter().find(|(_, letter, _)| first == Some(*letter)), letters.as_str());
    let is_long = BASE
        .iter()
        .map(|(.., long)| *long)
        .chain(draft.options().map(|(.., long)| long))
        .any(|long| word.text[1..] == *long);
    match known {
        Some((base, ..)) if rest.is_empty() => Ok(Found { option: FoundOption::Base(*base), attached: None }),
        Some((base, ..)) if base.takes_attached() && !is_long => {
            let attached = Word { text: rest.to_owned(), column: word.column + 2, quoted: false };
            Ok(Found { option: FoundOption::Base(*base), attached: Some(attached) })
        }
        _ => {
            let (noun, name) = (Noun::Option, word.text.clone());
            let apart =
                |(base, letter, _): &(Base, char, &str)| base.takes_value().then(|| format!("-{letter} {rest}"));
            let nearest = if is_long { Some(format!("-{}", word.text)) } else { known.and_then(apart) };
            Err(Fault::Unknown { noun, name, nearest, known: Vec::new() }.at(word.column))
        }
    }
}

fn find_long(word: &Word, long: &str, draft: &mut Draft) -> Result<Found, Flaw> {
    let (name, attached) = match long.split_once('=') {
        Some((name, value)) => {
            let column = word.column + name.chars().count() as u32 + 3;
            (name, Some(Word { text: value.to_owned(), column, quoted: false }))
        }
        None => (long, None),
    };
    let option = match find_among(word, name, draft)? {
        Some(option) => option,
        None => {
            let loaded = draft.load_protocol_match(word.column);
            match if loaded { find_among(word, name, draft)? } else { None } {
                Some(option) => option,
                None => return Err(unknown_option(word, name, draft)),
            }
        }
    };
    if let (FoundOption::Base(base), Some(value)) = (&option, &attached)
        && !base.takes_value()
    {
        return Err(Fault::SurplusValue { option: format!("--{name}") }.at(value.column));
    }
    Ok(Found { option, attached })
}

/// Looks among the base options, then among those of the target and the matches, the one named last first.
fn find_among(word: &Word, name: &str, draft: &Draft) -> Result<Option<FoundOption>, Flaw> {
    if let Some((base, ..)) = BASE.iter().find(|(.., known)| *known == name) {
        return Ok(Some(FoundOption::Base(*base)));
    }
    if let Some((part, option, _)) = draft.options().find(|(.., known)| *known == name) {
        return Ok(Some(FoundOption::Part(part, option)));
    }
    let base = BASE.iter().filter(|(.., known)| known.starts_with(name));
    let mut candidates: Vec<(FoundOption, &'static str)> =
        base.map(|(base, _, known)| (FoundOption::Base(*base), *known)).collect();
    let parts = draft.options().filter(|(.., known)| known.starts_with(name));
    candidates.extend(parts.map(|(part, option, known)| (FoundOption::Part(part, option), known)));
    let same = |one: &FoundOption, other: &FoundOption| match (one, other) {
        (FoundOption::Base(one), FoundOption::Base(other)) => one == other,
        (FoundOption::Part(one, first), FoundOption::Part(other, second)) => {
            one == other && first.names()[0] == second.names()[0]
        }
        (FoundOption::Base(_), FoundOption::Part(..)) | (FoundOption::Part(..), FoundOption::Base(_)) => false,
    };
    if let [(first, one), rest @ ..] = candidates.as_slice()
        && let Some((_, other)) = rest.iter().find(|(option, _)| !same(first, option))
    {
        let candidates = [*one, *other];
        return Err(Fault::Ambiguous { option: word.text.clone(), candidates }.at(word.column));
    }
    Ok(candidates.into_iter().next().map(|(option, _)| option))
}

fn unknown_option(word: &Word, name: &str, draft: &Draft) -> Flaw {
    // An option of what is not supported: that is to be told.
    if let Some(flaw) = draft.jump.as_ref().and_then(|jump| unsupported_target(&jump.name, draft.family)) {
        return flaw;
    }
    if let Some(fault) = draft.protocol_match().and_then(|name| unsupported_match(&name, draft.family)) {
        return fault.at(word.column);
    }
    let known = BASE.iter().map(|(.., known)| *known).chain(draft.options().map(|(.., known)| known));
    let nearest = match owner(name, draft) {
        Some(part) => Some(format!("-m {part} --{name}")),
        None => nearest(name, known).map(|name| format!("--{name}")),
    };
    Fault::Unknown { noun: Noun::Option, name: word.text.clone(), nearest, known: Vec::new() }.at(word.column)
}

/// The match that alone knows an option.
fn owner(name: &str, draft: &Draft) -> Option<&'static str> {
    let knows = |spec: &&Spec| spec.options.iter().any(|option| option.names().contains(&name));
    let mut owners = matches::specs(draft.family).filter(knows);
    owners.next().filter(|_| owners.next().is_none()).map(|spec| spec.name)
}
