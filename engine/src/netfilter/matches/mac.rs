//! `-m mac`: the sender's Ethernet address (Linux v6.18: `net/netfilter/xt_mac.c`, `mac_mt()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::{
    netfilter::{
        Hook, View,
        error::Flaw,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not},
        },
        walk::Depends,
    },
    wire::MacAddr,
};

/// One address, or all others. A packet that came over no Ethernet does not match, inverted or not.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Mac {
    source: MacAddr,
    inverted: bool,
}

impl Matching for Mac {
    const SPEC: &'static Spec = &Spec { name: "mac", options: &[Opt::value(&["mac-source"]).inverting()] };

    fn hooks(&self) -> &'static [Hook] {
        &[Hook::Prerouting, Hook::Input, Hook::Forward]
    }

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("mac-source", "`--mac-source ADDRESS`")?;
        Ok(Self { source: parse_mac(item.value())?, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(&format!(" --mac-source {}", self.source));
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let ethernet = view.packet.ethernet().filter(|_| view.input.is_some());
        Answer::from(ethernet.is_some_and(|header| (header.source == self.source) != self.inverted))
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match view.packet.ethernet().filter(|_| view.input.is_some()) {
            Some(header) => format!("comes from station {}", header.source),
            None => "came over no Ethernet".into(),
        }
    }
}

/// Reads six bytes of one or two hexadecimal digits, separated by colons.
fn parse_mac(word: &Word) -> Result<MacAddr, Flaw> {
    let mut bytes = [0; 6];
    let mut parts = word.text.split(':');
    let fits = bytes.iter_mut().all(|byte| {
        let part = parts.next().filter(|part| matches!(part.len(), 1 | 2) && !part.starts_with('+'));
        part.and_then(|part| u8::from_str_radix(part, 16).ok()).is_some_and(|value| {
            *byte = value;
            true
        })
    });
    if fits && parts.next().is_none() {
        Ok(MacAddr(bytes))
    } else {
        Err(word.bad("an Ethernet address such as 02:00:00:00:00:01"))
    }
}
