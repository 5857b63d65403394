//! `-m mh`: messages of Mobile IPv6 (RFC 6275, section 6.1; Linux v6.18: `net/ipv6/netfilter/ip6t_mh.c`, `mh_mt6()`).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::Flaw,
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not},
            values,
        },
        walk::Depends,
    },
    wire::Protocol,
};

/// The first and the last type of message.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Mh(Not<(u8, u8)>);

/// The types by their numbers (RFC 6275, section 6.1.1), each with its short and its long name.
static TYPES: [[&str; 2]; 8] = [
    ["brr", "binding-refresh-request"],
    ["hoti", "home-test-init"],
    ["coti", "careof-test-init"],
    ["hot", "home-test"],
    ["cot", "careof-test"],
    ["bu", "binding-update"],
    ["ba", "binding-acknowledgement"],
    ["be", "binding-error"],
];

impl Matching for Mh {
    const SPEC: &'static Spec = &Spec { name: "mh", options: &[Opt::value(&["mh-type"]).inverting()] };
    const FAMILY: Option<Family> = Some(Family::Ipv6);

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[MOBILITY], "-m mh", given.column, "`-p mobility-header`")?;
        let Some(item) = given.find("mh-type") else { return Ok(Self(Not { inverted: false, what: (0, u8::MAX) })) };
        Ok(Self(Not { inverted: item.inverted, what: parse_types(item.value())? }))
    }

    fn print(&self, out: &mut String) {
        let Not { inverted, what: (first, last) } = self.0;
        if (first, last, inverted) == (0, u8::MAX, false) {
            return;
        }
        print_not(out, inverted);
        let _ = match first == last {
            true => write!(out, " --mh-type {first}"),
            false => write!(out, " --mh-type {first}:{last}"),
        };
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        if facts.fragment_offset != 0 {
            return Answer::No;
        }
        let Not { inverted, what: (first, last) } = self.0;
        match view.packet.transport_bytes() {
            // Nothing may follow such a message.
            &[next, _, kind, _, _, _, ..] if Protocol(next) == Protocol::NO_NEXT => {
                Answer::from((first..=last).contains(&kind) != inverted)
            }
            _ => Answer::Drop,
        }
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match view.packet.transport_bytes() {
            [_, _, kind, ..] => format!("has message type {kind}"),
            _ => "has no message".into(),
        }
    }
}

fn parse_types(word: &Word) -> Result<(u8, u8), Flaw> {
    let (first, last) = word.text.split_once(':').unwrap_or((&word.text, &word.text));
    let one = |text: &str, missing| if text.is_empty() { Some(missing) } else { number(text) };
    let types = one(first, 0).zip(one(last, u8::MAX)).filter(|(first, last)| first <= last);
    types.ok_or_else(|| word.bad("a type of message by name or number, or a range `first:last` of them"))
}

/// The number of a type; of a name, the beginning will do if no other begins so.
fn number(text: &str) -> Option<u8> {
    let lower = text.to_ascii_lowercase();
    let whole = TYPES.iter().position(|names| names.contains(&lower.as_str()));
    let mut begins = (0..TYPES.len()).filter(|index| TYPES[*index].iter().any(|name| name.starts_with(&lower)));
    let only = begins.next().filter(|_| begins.next().is_none());
    whole
        .or(only)
        .or_else(|| values::number(text).map(|number| number as usize))
        .and_then(|number| u8::try_from(number).ok())
}

/// Mobility headers (RFC 6275, section 6.1.1).
const MOBILITY: Protocol = Protocol(135);
