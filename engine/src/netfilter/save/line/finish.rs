//! From a draft to rules.

use alloc::{borrow::ToOwned, vec::Vec};

use super::draft::{Destination, Draft, Part};
use crate::{
    conntrack::{Family, TimeoutPolicies, calling::KnownHelper},
    netfilter::{
        Hook, TableName,
        error::{Fault, Flaw, Noun},
        header::{Header, Network, Not},
        lists::sets::KnownSet,
        matches::{self, Match},
        rule::Jump,
        save::{options::Given, text::Word},
        targets,
    },
};

/// What a finished line needs to know to become rules.
#[derive(Clone, Copy, Debug)]
pub(in crate::netfilter::save) struct Surroundings<'a> {
    pub(in crate::netfilter::save) table: TableName,
    pub(in crate::netfilter::save) sets: &'a [KnownSet],
    pub(in crate::netfilter::save) family: Family,
    pub(in crate::netfilter::save) helpers: &'a [KnownHelper],
    pub(in crate::netfilter::save) timeouts: Option<&'a TimeoutPolicies>,
    pub(in crate::netfilter::save) only_shown: bool,
}

/// The rules that a draft stands for: headers, and what they share.
#[derive(Debug)]
pub(in crate::netfilter::save) struct Finished {
    pub(in crate::netfilter::save) headers: Vec<Header>,
    pub(in crate::netfilter::save) matches: Vec<Match>,
    pub(in crate::netfilter::save) jump: Jump,
    /// Where the target stands.
    pub(in crate::netfilter::save) column: u32,
}

impl Draft {
    /// Whether nothing but a command has been given.
    pub(in crate::netfilter::save) fn is_empty(&self) -> bool {
        self.parts.is_empty()
            && self.jump.is_none()
            && self.sources.is_none()
            && self.destinations.is_none()
            && self.header == Header::default()
    }

    /// Refuses devices that a packet at a built-in chain does not have yet or any more. Like the tool it looks at the
    /// chain's name only.
    pub(in crate::netfilter::save) fn check_devices(&self, chain: &str) -> Result<(), Flaw> {
        let (option, hook, allowed): (_, _, &'static [Hook]) = match chain {
            "PREROUTING" | "INPUT" if self.header.output.is_some() => ("-o", chain, &OUTGOING),
            "OUTPUT" | "POSTROUTING" if self.header.input.is_some() => ("-i", chain, &INCOMING),
            _ => return Ok(()),
        };
        match Hook::ALL.iter().find(|known| known.chain() == hook) {
            Some(&hook) => Err(Fault::WrongHook { name: option.to_owned(), hook, allowed }.at(self.column)),
            None => Ok(()),
        }
    }

    /// Makes matches and target, and the headers of all pairs of source and destination.
    pub(in crate::netfilter::save) fn finish(
        &self,
        around: Surroundings<'_>,
        is_chain: impl Fn(&str) -> bool,
    ) -> Result<Finished, Flaw> {
        let mut found = Vec::with_capacity(self.parts.len());
        for part in &self.parts {
            // Every part's declaration was found in the same table that makes it.
            let next = matches::parse(&self.given(part, around, &found))?;
            if let Some(allowed) = next.as_ref().map(Match::tables).filter(|allowed| !allowed.contains(&around.table)) {
                let (name, table) = (part.spec.name.to_owned(), around.table);
                return Err(Fault::WrongTable { name, table, allowed }.at(part.column));
            }
            found.extend(next);
        }
        let jump = match (&self.jump, &self.target) {
            (None, _) => Jump::Nothing,
            (Some(_), Some(part)) => match targets::parse(&self.given(part, around, &found))? {
                Some(target) => {
                    let (name, table, allowed) = (part.spec.name.to_owned(), around.table, target.tables());
                    if !allowed.contains(&table) {
                        return Err(Fault::WrongTable { name, table, allowed }.at(part.column));
                    }
                    Jump::Target(target)
                }
                None => Jump::Nothing,
            },
            (Some(destination), None) => destination.resolve(around, is_chain)?,
        };
        Ok(Finished {
            headers: self.headers(),
            matches: found,
            jump,
            column: self.jump.as_ref().map_or(self.column, |destination| destination.name.column),
        })
    }

    fn given<'a>(&'a self, part: &'a Part, around: Surroundings<'a>, matches: &'a [Match]) -> Given<'a> {
        Given {
            name: part.spec.name,
            column: part.column,
            items: &part.items,
            header: &self.header,
            matches,
            sets: around.sets,
            family: around.family,
            helpers: around.helpers,
            timeouts: around.timeouts,
            only_shown: around.only_shown,
        }
    }

    fn headers(&self) -> Vec<Header> {
        let each = |list: &Option<Not<Vec<Network>>>| -> Vec<Option<Not<Network>>> {
            match list {
                None => alloc::vec![None],
                Some(list) => list.what.iter().map(|&what| network(list.inverted, what)).collect(),
            }
        };
        let (sources, destinations) = (each(&self.sources), each(&self.destinations));
        let pairs = sources.iter().flat_map(|source| destinations.iter().map(move |destination| (source, destination)));
        pairs.map(|(&source, &destination)| Header { source, destination, ..self.header.clone() }).collect()
    }
}

/// A network as a header holds it: all addresses are the same as none given, unless inverted.
fn network(inverted: bool, what: Network) -> Option<Not<Network>> {
    (inverted || !what.is_all()).then_some(Not { inverted, what })
}

impl Destination {
    fn resolve(&self, around: Surroundings<'_>, is_chain: impl Fn(&str) -> bool) -> Result<Jump, Flaw> {
        let Self { name: Word { text, column, .. }, goto } = self;
        let jump = match (text.as_str(), goto) {
            ("ACCEPT", false) => Jump::Accept,
            ("DROP", false) if around.table == TableName::Nat => return Err(Fault::NatDrop.at(*column)),
            ("DROP", false) => Jump::Drop,
            ("RETURN", false) => Jump::Return,
            (chain, false) if is_chain(chain) => Jump::Chain(chain.to_owned()),
            (chain, true) if is_chain(chain) => Jump::Goto(chain.to_owned()),
            (name, _) => {
                return Err(unsupported_target(&self.name, around.family)
                    .unwrap_or_else(|| Fault::unknown(Noun::Target, name, targets::names(around.family)).at(*column)));
            }
        };
        Ok(jump)
    }
}

/// That a target which Linux knows is not supported, and why; `None` when nobody knows it or the family has it.
pub(super) fn unsupported_target(name: &Word, family: Family) -> Option<Flaw> {
    let (name, why) = match targets::find(&name.text, family) {
        Some(_) => return None,
        None => (name, targets::UNSUPPORTED.iter().find(|(known, _)| *known == name.text)?.1),
    };
    Some(Fault::Unsupported { noun: Noun::Target, name: name.text.clone(), why }.at(name.column))
}

/// Where a packet has a device to leave by, and where it has one that it came in by, as the tool sees it.
const OUTGOING: [Hook; 3] = [Hook::Forward, Hook::Output, Hook::Postrouting];
const INCOMING: [Hook; 3] = [Hook::Prerouting, Hook::Input, Hook::Forward];
