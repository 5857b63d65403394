//! `-m tos`: the type-of-service byte (Linux v6.18: `net/netfilter/xt_dscp.c`, `tos_mt()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::netfilter::{
    View,
    error::{Fault, Flaw, Noun},
    header::Bits,
    program::facts::Facts,
    save::{
        options::{Given, Opt, Spec},
        text::{Word, print_not},
        values,
    },
    walk::{Depends, Fingerprint},
};

/// Some bits have to be these.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Tos {
    value: u8,
    mask: u8,
    inverted: bool,
}

impl Tos {
    /// What it asks of the byte.
    pub(super) fn bits(&self) -> Bits {
        Bits { value: self.value.into(), mask: self.mask.into(), inverted: self.inverted }
    }
}

impl Matching for Tos {
    const SPEC: &'static Spec = &Spec { name: "tos", options: &[Opt::value(&["tos"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("tos", "`--tos VALUE[/MASK]`")?;
        let (value, mask) = parse_tos(item.value())?;
        Ok(Self { value, mask, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(&format!(" --tos {:#04x}/{:#04x}", self.value, self.mask));
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        Answer::from(self.bits().holds(tos(view).into()))
    }

    fn covers(&self, narrower: &Self) -> bool {
        self.bits().covers(narrower.bits())
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::tos(self.mask))
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        format!("has TOS {:#04x}", tos(view))
    }
}

/// The packet's type of service.
pub(super) fn tos(view: &View<'_>) -> u8 {
    view.packet.ip().map_or(0, |ip| ip.tos())
}

/// Reads `value`, `value/mask` or a name, which stands for its value under the mask 0x3f.
pub(in crate::netfilter) fn parse_tos(word: &Word) -> Result<(u8, u8), Flaw> {
    let part = |text| values::number(text).and_then(|value| u8::try_from(value).ok());
    if word.text.starts_with(|first: char| first.is_ascii_digit()) {
        let (value, mask) = word.text.split_once('/').unwrap_or((&word.text, "0xff"));
        return part(value).zip(part(mask)).ok_or_else(|| word.bad("a byte, or a byte and a mask `value/mask`"));
    }
    match NAMES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text)) {
        Some((_, value)) => Ok((*value, 0x3f)),
        None => Err(Fault::unknown(Noun::Flag, &word.text, NAMES.iter().map(|(name, _)| *name)).at(word.column)),
    }
}

/// RFC 1349.
#[rustfmt::skip]
static NAMES: [(&str, u8); 5] = [
    ("Minimize-Delay",       0x10),
    ("Maximize-Throughput",  0x08),
    ("Maximize-Reliability", 0x04),
    ("Minimize-Cost",        0x02),
    ("Normal-Service",       0x00),
];
