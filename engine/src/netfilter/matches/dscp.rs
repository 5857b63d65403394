//! `-m dscp`: the codepoint of differentiated services (Linux v6.18: `net/netfilter/xt_dscp.c`, `dscp_mt()`).

use alloc::{format, string::String};

use super::{Answer, Matching, tos::tos};
use crate::netfilter::{
    View,
    error::{Fault, Flaw, Noun},
    header::Bits,
    program::facts::Facts,
    save::{
        options::{Given, Item, Opt, Spec},
        text::{Word, print_not},
        values,
    },
    walk::{Depends, Fingerprint},
};

/// One codepoint, or all others.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Dscp {
    codepoint: u8,
    inverted: bool,
}

impl Dscp {
    /// What it asks of the type-of-service byte.
    pub(super) fn bits(&self) -> Bits {
        Bits { value: u32::from(self.codepoint) << 2, mask: 0xfc, inverted: self.inverted }
    }
}

impl Matching for Dscp {
    const SPEC: &'static Spec =
        &Spec { name: "dscp", options: &[Opt::value(&["dscp"]).inverting(), Opt::value(&["dscp-class"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let (item, codepoint) = parse_codepoint(given, "dscp", "dscp-class")?;
        Ok(Self { codepoint, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(&format!(" --dscp {:#04x}", self.codepoint));
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        Answer::from(self.bits().holds(tos(view).into()))
    }

    fn covers(&self, narrower: &Self) -> bool {
        self.bits().covers(narrower.bits())
    }

    fn depends(&self) -> Depends {
        Depends::On(Fingerprint::tos(0xfc))
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        format!("has DSCP {:#04x}", tos(view) >> 2)
    }
}

/// Reads a codepoint, by number or by class.
pub(in crate::netfilter) fn parse_codepoint<'a>(
    given: &Given<'a>,
    number: &str,
    class: &str,
) -> Result<(&'a Item, u8), Flaw> {
    given.exclusive(&[number, class])?;
    if let Some(item) = given.find(class) {
        return Ok((item, parse_class(item.value())?));
    }
    let item = given.need(number, "a codepoint or a class")?;
    let codepoint = values::ranged(item.value(), 0, 63, "a codepoint from 0 to 63")?;
    Ok((item, codepoint as u8))
}

fn parse_class(word: &Word) -> Result<u8, Flaw> {
    match CLASSES.iter().find(|(name, _)| name.eq_ignore_ascii_case(&word.text)) {
        Some((_, codepoint)) => Ok(*codepoint),
        None => Err(Fault::unknown(Noun::Flag, &word.text, CLASSES.iter().map(|(name, _)| *name)).at(word.column)),
    }
}

/// IANA, "Differentiated Services Field Codepoints".
#[rustfmt::skip]
static CLASSES: [(&str, u8); 22] = [
    ("CS0",  0x00), ("CS1",  0x08), ("CS2",  0x10), ("CS3",  0x18),
    ("CS4",  0x20), ("CS5",  0x28), ("CS6",  0x30), ("CS7",  0x38),
    ("BE",   0x00),
    ("AF11", 0x0a), ("AF12", 0x0c), ("AF13", 0x0e),
    ("AF21", 0x12), ("AF22", 0x14), ("AF23", 0x16),
    ("AF31", 0x1a), ("AF32", 0x1c), ("AF33", 0x1e),
    ("AF41", 0x22), ("AF42", 0x24), ("AF43", 0x26),
    ("EF",   0x2e),
];
