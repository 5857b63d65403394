//! `-m ecn`: the bits of Explicit Congestion Notification in IP and TCP (RFC 3168; Linux v6.18: `net/netfilter/xt_ecn.c`,
//! `ecn_mt4()`).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::{
    netfilter::{
        View,
        error::Flaw,
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::print_not,
            values,
        },
        walk::{Depends, Fingerprint},
    },
    wire::Protocol,
};

/// What is asked of the bits. Everything given has to hold.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Ecn {
    /// True: the flag must not be set.
    echo: Option<bool>,
    reduced: Option<bool>,
    codepoint: Option<Not<u8>>,
}

impl Matching for Ecn {
    const SPEC: &'static Spec = &Spec {
        name: "ecn",
        options: &[
            Opt::flag(&["ecn-tcp-cwr"]).inverting(),
            Opt::flag(&["ecn-tcp-ece"]).inverting(),
            Opt::value(&["ecn-ip-ect"]).inverting(),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.need_any("`--ecn-tcp-cwr`, `--ecn-tcp-ece` or `--ecn-ip-ect`")?;
        let flag = |name: &str| match given.find(name) {
            Some(item) => {
                let needed = "`-p tcp` in the same rule";
                given.header.need_protocol(&[Protocol::TCP], &item.name(), item.column, needed)?;
                Ok::<_, Flaw>(Some(item.inverted))
            }
            None => Ok(None),
        };
        let codepoint = match given.find("ecn-ip-ect") {
            Some(item) => {
                let what = values::ranged(item.value(), 0, 3, "a codepoint from 0 to 3")? as u8;
                Some(Not { inverted: item.inverted, what })
            }
            None => None,
        };
        Ok(Self { echo: flag("ecn-tcp-ece")?, reduced: flag("ecn-tcp-cwr")?, codepoint })
    }

    fn print(&self, out: &mut String) {
        for (inverted, name) in [(self.echo, "ece"), (self.reduced, "cwr")] {
            if let Some(inverted) = inverted {
                print_not(out, inverted);
                let _ = write!(out, " --ecn-tcp-{name}");
            }
        }
        if let Some(codepoint) = self.codepoint {
            print_not(out, codepoint.inverted);
            let _ = write!(out, " --ecn-ip-ect {}", codepoint.what);
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let Some(tos) = view.packet.ip().map(|ip| ip.tos()) else { return Answer::No };
        if self.codepoint.is_some_and(|asked| (tos & CODEPOINT == asked.what) == asked.inverted) {
            return Answer::No;
        }
        if self.echo.is_none() && self.reduced.is_none() {
            return Answer::Yes;
        }
        let Some(&flags) = view.packet.transport_bytes().get(FLAGS_AT) else { return Answer::No };
        let holds = |asked: Option<bool>, bit: u8| asked.is_none_or(|inverted| (flags & bit != 0) != inverted);
        Answer::from(holds(self.echo, ECE) && holds(self.reduced, CWR))
    }

    fn depends(&self) -> Depends {
        let mut bits = Fingerprint::NOTHING;
        if self.codepoint.is_some() {
            bits = bits.or(Fingerprint::tos(CODEPOINT));
        }
        if self.echo.is_some() || self.reduced.is_some() {
            // Of a broken header the flags are read all the same, but not into a fingerprint.
            bits = bits.or(Fingerprint::tcp_flags(ECE | CWR)).or(Fingerprint::SHAPE);
        }
        Depends::On(bits)
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        let codepoint = view.packet.ip().map_or(0, |ip| ip.tos() & CODEPOINT);
        match view.packet.tcp() {
            Some(tcp) => format!("has ECN codepoint {codepoint} and flags {}", tcp.flags),
            None => format!("has ECN codepoint {codepoint}"),
        }
    }
}

const CODEPOINT: u8 = 0x03;
/// Where the flags stand in a TCP header.
const FLAGS_AT: usize = 13;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;
