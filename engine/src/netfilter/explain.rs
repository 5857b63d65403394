//! Rules in words: for listings, for `explain`, for errors about packets.

use alloc::{format, string::String};

use super::{
    RuleId, TableName, View,
    header::{Field, Header, print_protocol},
    program::{Place, facts::Facts},
    rule::Rule,
    save::{Tables, print_rule},
};
use crate::{conntrack::Counter, frame::DeviceId};

/// A rule as a person sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleInfo {
    /// Its number.
    pub id: RuleId,
    /// Its table.
    pub table: TableName,
    /// Its chain.
    pub chain: String,
    /// Its place in the chain, from 1.
    pub position: u32,
    /// The text that holds it.
    pub file: String,
    /// Its line there, from 1.
    pub line: u32,
    /// The rule as `iptables-save` prints it.
    pub text: String,
    /// What it has counted.
    pub counter: Counter,
}

impl Tables {
    /// The rule at a place; `None` for a policy.
    pub(super) fn rule(&self, place: Place) -> Option<&Rule> {
        let table = self.tables[place.table as usize].as_ref()?;
        table.chains.get(place.chain as usize)?.rules.get(place.rule as usize)
    }

    /// A rule in words; `None` for a policy.
    pub(super) fn describe(&self, id: RuleId, place: Place, counter: Counter) -> Option<RuleInfo> {
        let rule = self.rule(place)?;
        let table = self.tables[place.table as usize].as_ref()?;
        let chain = table.chains.get(place.chain as usize)?.name.clone();
        let mut text = String::new();
        print_rule(&chain, rule, &mut text);
        Some(RuleInfo {
            id,
            table: place.table,
            chain,
            position: place.rule + 1,
            file: self.files.get(rule.origin.file as usize).cloned().unwrap_or_default(),
            line: rule.origin.line,
            text,
            counter,
        })
    }
}

/// The first field of a header that a packet does not fit, and what the packet is instead.
pub(super) fn found_in_header(
    header: &Header,
    fields: &[Field],
    facts: &Facts,
    view: &View<'_>,
) -> Option<(usize, String)> {
    let index = fields.iter().position(|field| !fits(header, *field, facts, view))?;
    let found = match fields[index] {
        Field::Source => format!("comes from {}", facts.source_ip()),
        Field::Destination => format!("goes to {}", facts.destination_ip()),
        Field::Input => match device(view, view.input) {
            Some(name) => format!("came in by {name}"),
            None => "was made here".into(),
        },
        Field::Output => match device(view, view.output) {
            Some(name) => format!("goes out by {name}"),
            None => "has no way out yet".into(),
        },
        Field::Protocol => {
            let mut found = String::from("is ");
            print_protocol(facts.protocol, &mut found);
            found
        }
        Field::Fragment if facts.fragment_offset == 0 => "is whole or a first fragment".into(),
        Field::Fragment => "is a later fragment".into(),
    };
    Some((index, found))
}

fn fits(header: &Header, field: Field, facts: &Facts, view: &View<'_>) -> bool {
    let name = |id: Option<DeviceId>| device(view, id);
    match field {
        Field::Source => header.source.is_none_or(|asked| asked.what.contains(facts.source_ip()) != asked.inverted),
        Field::Destination => {
            header.destination.is_none_or(|asked| asked.what.contains(facts.destination_ip()) != asked.inverted)
        }
        Field::Input => header
            .input
            .as_ref()
            .is_none_or(|asked| name(view.input).is_some_and(|name| asked.what.matches(name)) != asked.inverted),
        Field::Output => header
            .output
            .as_ref()
            .is_none_or(|asked| name(view.output).is_some_and(|name| asked.what.matches(name)) != asked.inverted),
        Field::Protocol => header.protocol.is_none_or(|asked| (asked.what == facts.protocol) != asked.inverted),
        Field::Fragment => header.fragment.is_none_or(|asked| (facts.fragment_offset != 0) != asked.inverted),
    }
}

fn device<'a>(view: &View<'a>, id: Option<DeviceId>) -> Option<&'a str> {
    view.devices.find(id?).map(|device| device.name.as_str())
}
