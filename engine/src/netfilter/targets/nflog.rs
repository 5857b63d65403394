//! `-j NFLOG`: a copy of the packet for a program that listens; here an event (Linux v6.18: `net/netfilter/xt_NFLOG.c`,
//! `net/netfilter/nfnetlink_log.c`; reading and printing as iptables 1.8.9 does, `extensions/libxt_NFLOG.c`).

use alloc::{boxed::Box, string::String, vec};
use core::fmt::Write;

use super::{Next, Targeting};
use crate::{
    event::{Event, LoggedPacket},
    netfilter::{
        RuleId, View,
        error::{Fault, Flaw},
        save::{
            options::{Given, Opt, Spec},
            text::print_text,
            values,
        },
    },
};

/// To whom, with which words and how many bytes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Nflog {
    group: u16,
    prefix: String,
    range: Option<u32>,
    size: Option<u32>,
    /// How many packets the kernel collects before it tells; events here are told at once.
    threshold: u16,
}

impl Targeting for Nflog {
    const SPEC: &'static Spec = &Spec {
        name: "NFLOG",
        options: &[
            Opt::value(&["nflog-group"]),
            Opt::value(&["nflog-prefix"]),
            Opt::value(&["nflog-range"]),
            Opt::value(&["nflog-size"]),
            Opt::value(&["nflog-threshold"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["nflog-range", "nflog-size"])?;
        let short = |name: &str| match given.find(name) {
            Some(item) => values::short(item.value(), "a number from 0 to 65535"),
            None => Ok(0),
        };
        let bytes = |name: &str| match given.find(name) {
            Some(item) => values::mark(item.value()).map(Some),
            None => Ok(None),
        };
        let prefix = match given.find("nflog-prefix") {
            Some(item) if item.value().text.is_empty() => return Err(item.value().bad("a prefix of at least 1 byte")),
            Some(item) if item.value().text.contains('\n') => {
                let what = item.name();
                return Err(Fault::Needs { what, needed: "a prefix without a new line" }.at(item.column));
            }
            Some(item) => shortened(&item.value().text).into(),
            None => String::new(),
        };
        Ok(Self {
            group: short("nflog-group")?,
            prefix,
            range: bytes("nflog-range")?,
            size: bytes("nflog-size")?,
            threshold: short("nflog-threshold")?,
        })
    }

    fn print(&self, out: &mut String) {
        if !self.prefix.is_empty() {
            out.push_str(" --nflog-prefix");
            print_text(out, &self.prefix);
        }
        if self.group != 0 {
            let _ = write!(out, " --nflog-group {}", self.group);
        }
        if let Some(size) = self.size {
            let _ = write!(out, " --nflog-size {size}");
        }
        if let Some(range) = self.range {
            let _ = write!(out, " --nflog-range {range}");
        }
        if self.threshold != 0 {
            let _ = write!(out, " --nflog-threshold {}", self.threshold);
        }
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        if view.around.events.wanted().log {
            // A range is a hint that the kernel does not heed.
            let wanted = self.size.map_or(usize::from(u16::MAX), |size| size as usize);
            let mut bytes = vec![0; view.packet.network_len().min(wanted)];
            let present = view.packet.copy_network(&mut bytes);
            bytes.truncate(present);
            let packet = LoggedPacket {
                group: self.group,
                prefix: self.prefix.clone(),
                hook: view.hook,
                input: view.input,
                output: view.output,
                mark: view.packet.meta().mark,
                source: view.packet.ethernet().map(|ethernet| ethernet.source),
                bytes,
            };
            view.around.events.push(view.now, Event::Nflog(Box::new(packet)));
        }
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

/// The part of a prefix that the kernel keeps: 63 bytes, and here whole characters only.
fn shortened(prefix: &str) -> &str {
    let end = (0..=PREFIX_BYTES_MAX.min(prefix.len())).rev().find(|end| prefix.is_char_boundary(*end));
    &prefix[..end.unwrap_or(0)]
}

/// Linux: `struct xt_nflog_info`, `prefix`, less its final zero.
const PREFIX_BYTES_MAX: usize = 63;
