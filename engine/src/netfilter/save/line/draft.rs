//! A rule while it is being read.

use alloc::{string::String, vec::Vec};

use super::{
    Argument, Reader, Unfinished, Verb,
    base::{self, Base},
};
use crate::{
    conntrack::Family,
    netfilter::{
        error::{Fault, Flaw, Noun},
        header::{Field, Header, Interface, Network, Not},
        matches,
        save::{
            names,
            options::{Item, Opt, Spec},
            text::Word,
            values,
        },
        targets,
    },
    wire::Protocol,
};

/// A rule that is being read.
#[derive(Debug, Default)]
pub(in crate::netfilter::save) struct Draft {
    pub(super) family: Family,
    pub(super) header: Header,
    /// What `-p` was given, be it for all.
    pub(super) protocol: Option<Word>,
    /// `-s` and `-d` may be lists; the rule stands for all pairs.
    pub(super) sources: Option<Not<Vec<Network>>>,
    pub(super) destinations: Option<Not<Vec<Network>>>,
    pub(super) parts: Vec<Part>,
    pub(super) target: Option<Part>,
    pub(super) jump: Option<Destination>,
    pub(in crate::netfilter::save) column: u32,
}

/// A match or target with its options.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) spec: &'static Spec,
    pub(super) items: Vec<Item>,
    /// Where its name stands.
    pub(super) column: u32,
}

/// Where `-j` or `-g` leads.
#[derive(Debug)]
pub(super) struct Destination {
    pub(super) name: Word,
    pub(super) goto: bool,
}

impl Draft {
    /// Takes an option of the command line itself; a command is given back.
    pub(super) fn take_base(
        &mut self,
        argument: &Argument<'_>,
        reader: &mut Reader<'_>,
        line: &mut Unfinished,
    ) -> Result<Option<Verb>, Flaw> {
        let inverted = reader.take_inverted();
        if inverted && !matches!(argument.base, Base::Header(_)) {
            let option = argument.option;
            return Err(Fault::NotInvertible { option: option.text.clone() }.at(option.column));
        }
        match argument.base {
            Base::Verb(name) => return base::take_verb(name, argument, reader).map(Some),
            Base::Table => argument.put(&mut line.table, base::table(&argument.value(reader)?)?)?,
            Base::Counters => argument.put(&mut line.counter, base::counters(argument, reader)?)?,
            Base::Only(family) => line.other_family |= family != self.family,
            Base::Foreign => {
                let why = "a rules file says what is, not what to change or to show";
                let fault = Fault::Unsupported { noun: Noun::Option, name: argument.option.text.clone(), why };
                return Err(fault.at(argument.option.column));
            }
            Base::Match => self.load_match(&argument.value(reader)?)?,
            Base::Jump | Base::Goto => self.load_target(argument, reader)?,
            Base::Header(field) => self.take_header(field, argument, reader, inverted)?,
        }
        Ok(None)
    }

    fn take_header(
        &mut self,
        field: Field,
        argument: &Argument<'_>,
        reader: &mut Reader<'_>,
        inverted: bool,
    ) -> Result<(), Flaw> {
        match field {
            Field::Source => argument.put(&mut self.sources, networks(argument, reader, inverted, self.family)?),
            Field::Destination => {
                argument.put(&mut self.destinations, networks(argument, reader, inverted, self.family)?)
            }
            Field::Protocol => {
                let word = argument.value(reader)?;
                let protocol = values::protocol(&word)?;
                argument.put(&mut self.protocol, word.clone())?;
                match protocol {
                    Some(what) => self.header.protocol = Some(Not { inverted, what }),
                    None if inverted => return Err(Fault::Never { why: "no packet is of no protocol" }.at(word.column)),
                    None => self.header.any_protocol = self.family == Family::Ipv6,
                }
                Ok(())
            }
            Field::Fragment if self.family == Family::Ipv6 => {
                let (option, why) =
                    (argument.option, "IPv6 has no `-f`; fragments are put together before rules see them");
                let fault = Fault::Unsupported { noun: Noun::Option, name: option.text.clone(), why };
                Err(fault.at(option.column))
            }
            Field::Fragment => argument.put(&mut self.header.fragment, Not { inverted, what: () }),
            Field::Input => interface(argument, reader, inverted, &mut self.header.input),
            Field::Output => interface(argument, reader, inverted, &mut self.header.output),
        }
    }

    fn load_match(&mut self, word: &Word) -> Result<(), Flaw> {
        // The tool knows one by the names of its protocol, too.
        let name = if matches!(word.text.as_str(), "icmpv6" | "ipv6-icmp") { "icmp6" } else { &word.text };
        let spec = matches::find(name, self.family).ok_or_else(|| unknown_match(word, self.family))?;
        self.parts.push(Part { spec, items: Vec::new(), column: word.column });
        Ok(())
    }

    fn load_target(&mut self, argument: &Argument<'_>, reader: &mut Reader<'_>) -> Result<(), Flaw> {
        let name = argument.value(reader)?;
        let goto = argument.base == Base::Goto;
        if let Some(spec) = targets::find(&name.text, self.family).filter(|_| !goto) {
            self.target = Some(Part { spec, items: Vec::new(), column: name.column });
        }
        argument.put(&mut self.jump, Destination { name, goto })
    }

    /// Takes an option of a match or of the target.
    pub(super) fn take_part(
        &mut self,
        part: Option<usize>,
        option: &'static Opt,
        word: &Word,
        attached: Option<Word>,
        reader: &mut Reader<'_>,
    ) -> Result<(), Flaw> {
        let inverted = reader.take_inverted();
        let name = || word.text.clone();
        if inverted && !option.may_invert() {
            return Err(Fault::NotInvertible { option: name() }.at(word.column));
        }
        let mut values: Vec<Word> = attached.into_iter().collect();
        let count = usize::from(option.value_count());
        if values.len() > count {
            return Err(Fault::SurplusValue { option: name() }.at(word.column));
        }
        while values.len() < count {
            // The first value may look like anything; a second one is never an option.
            let next = if values.is_empty() { reader.word() } else { reader.argument() };
            match next {
                Some(value) => values.push(value.clone()),
                None => {
                    return Err(Fault::MissingValue { option: name(), count: option.value_count() }.at(word.column));
                }
            }
        }
        let part = match part {
            Some(index) => self.parts.get_mut(index),
            None => self.target.as_mut(),
        };
        let Some(part) = part else { return Err(Fault::StrayWord { word: name() }.at(word.column)) };
        if part.items.iter().any(|item| item.is(option)) {
            return Err(Fault::Twice { option: name() }.at(word.column));
        }
        part.items.push(Item::new(option, inverted, values, word.column));
        Ok(())
    }

    /// All options of the target and the matches with each of their names, the part named last first.
    pub(super) fn options(&self) -> impl Iterator<Item = (Option<usize>, &'static Opt, &'static str)> {
        let target = self.target.iter().map(|part| (None, part.spec));
        let parts = self.parts.iter().enumerate().rev().map(|(index, part)| (Some(index), part.spec));
        target.chain(parts).flat_map(|(index, spec)| {
            spec.options.iter().flat_map(move |option| option.names().iter().map(move |name| (index, option, *name)))
        })
    }

    /// Loads the match of the rule's protocol, once. False: there is none, or it is there.
    pub(super) fn load_protocol_match(&mut self, column: u32) -> bool {
        let Some(spec) = self.protocol_match().and_then(|name| matches::find(&name, self.family)) else { return false };
        if self.parts.iter().any(|part| part.spec.name == spec.name) {
            return false;
        }
        self.parts.push(Part { spec, items: Vec::new(), column });
        true
    }

    /// The name that the match of the rule's protocol has, if there is one: that of the protocol as it was given, of a number its
    /// first (iptables 1.8.9: `xshared.c`, `load_proto()`), so that it is `-p mh` that knows `--mh-type`.
    pub(super) fn protocol_match(&self) -> Option<String> {
        let (number, given) = (self.header.protocol?.what, self.protocol.as_ref()?.text.to_ascii_lowercase());
        match number {
            Protocol::ICMPV6 => Some("icmp6".into()),
            Protocol(number) if values::number(&given).is_some() => names::protocol_name(number).map(Into::into),
            _ => Some(given),
        }
    }
}

fn networks(
    argument: &Argument<'_>,
    reader: &mut Reader<'_>,
    inverted: bool,
    family: Family,
) -> Result<Not<Vec<Network>>, Flaw> {
    let word = argument.value(reader)?;
    let what = Network::parse_list(&word, family)?;
    if inverted && what.len() > 1 {
        return Err(Fault::NotInvertible { option: word.text }.at(word.column));
    }
    Ok(Not { inverted, what })
}

fn interface(
    argument: &Argument<'_>,
    reader: &mut Reader<'_>,
    inverted: bool,
    place: &mut Option<Not<Interface>>,
) -> Result<(), Flaw> {
    let word = argument.value(reader)?;
    match Interface::parse(&word)? {
        Some(what) => argument.put(place, Not { inverted, what }),
        None if inverted => Err(Fault::Never { why: "`+` means any device" }.at(word.column)),
        None => Ok(()),
    }
}

fn unknown_match(word: &Word, family: Family) -> Flaw {
    unsupported_match(&word.text, family)
        .unwrap_or_else(|| Fault::unknown(Noun::Match, &word.text, matches::names(family)))
        .at(word.column)
}

/// That a match which Linux knows is not supported, and why; `None` when nobody knows it or the family has it.
pub(super) fn unsupported_match(name: &str, family: Family) -> Option<Fault> {
    let other = if family == Family::Ipv4 { Family::Ipv6 } else { Family::Ipv4 };
    let why = match matches::UNSUPPORTED.iter().find(|(known, _)| *known == name) {
        _ if matches::find(name, family).is_some() => return None,
        Some((_, why)) => why,
        None if matches::find(name, other).is_some() => "it is there for the other address family only",
        None => return None,
    };
    Some(Fault::Unsupported { noun: Noun::Match, name: name.into(), why })
}
