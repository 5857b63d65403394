//! `-j CLASSIFY`: the packet's priority, by which a queueing discipline sorts (Linux v6.18:
//! `net/netfilter/xt_CLASSIFY.c`, `classify_tg()`). It travels with the packet to whoever sends it.

use alloc::{format, string::String};

use super::{Next, Targeting};
use crate::netfilter::{
    Hook, RuleId, View,
    error::Flaw,
    save::options::{Given, Opt, Spec},
};

/// Major and minor number of the class.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Classify {
    major: u16,
    minor: u16,
}

impl Targeting for Classify {
    const SPEC: &'static Spec = &Spec { name: "CLASSIFY", options: &[Opt::value(&["set-class"])] };
    const HOOKS: &'static [Hook] = &[Hook::Forward, Hook::Output, Hook::Postrouting];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let word = given.need("set-class", "`--set-class MAJOR:MINOR`")?.value();
        let number = |text: &str| {
            let digits = text.strip_prefix("0x").unwrap_or(text);
            u16::from_str_radix(digits, 16).ok().filter(|_| !digits.starts_with('+'))
        };
        let found = word.text.split_once(':').and_then(|(major, minor)| Some((number(major)?, number(minor)?)));
        let (major, minor) = found.ok_or_else(|| word.bad("a class `MAJOR:MINOR`, hexadecimal, up to ffff:ffff"))?;
        Ok(Self { major, minor })
    }

    fn print(&self, out: &mut String) {
        out.push_str(&format!(" --set-class {:04x}:{:04x}", self.major, self.minor));
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        view.packet.meta_mut().priority = u32::from(self.major) << 16 | u32::from(self.minor);
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}
