//! `-j LOG`: a line in the kernel's log; here an event (Linux v6.18: `net/netfilter/xt_LOG.c`).

use alloc::{format, string::String};

use super::{
    Next, Targeting,
    log_line::{Details, line},
};
use crate::{
    event::Event,
    netfilter::{
        RuleId, View,
        error::{Fault, Flaw, Noun},
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_text},
            values,
        },
    },
};

/// Level, prefix and what more than usual the line tells.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Log {
    /// 0 (emerg) to 7 (debug).
    level: u8,
    prefix: String,
    details: Details,
}

impl Targeting for Log {
    const SPEC: &'static Spec = &Spec {
        name: "LOG",
        options: &[
            Opt::value(&["log-level"]),
            Opt::value(&["log-prefix"]),
            Opt::flag(&["log-tcp-sequence"]),
            Opt::flag(&["log-tcp-options"]),
            Opt::flag(&["log-ip-options"]),
            Opt::flag(&["log-uid"]),
            Opt::flag(&["log-macdecode"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let level = match given.find("log-level") {
            Some(item) => parse_level(item.value())?,
            None => WARNING,
        };
        let prefix = match given.find("log-prefix") {
            Some(item) if item.value().text.is_empty() => return Err(item.value().bad("a prefix of at least 1 byte")),
            Some(item) => shortened(&item.value().text).into(),
            None => String::new(),
        };
        let details = Details {
            tcp_sequence: given.has("log-tcp-sequence"),
            tcp_options: given.has("log-tcp-options"),
            ip_options: given.has("log-ip-options"),
            uid: given.has("log-uid"),
            mac_decode: given.has("log-macdecode"),
        };
        Ok(Self { level, prefix, details })
    }

    fn print(&self, out: &mut String) {
        if !self.prefix.is_empty() {
            out.push_str(" --log-prefix");
            print_text(out, &self.prefix);
        }
        if self.level != WARNING {
            out.push_str(&format!(" --log-level {}", self.level));
        }
        let Details { tcp_sequence, tcp_options, ip_options, uid, mac_decode } = self.details;
        for (name, given) in [
            ("log-tcp-sequence", tcp_sequence),
            ("log-tcp-options", tcp_options),
            ("log-ip-options", ip_options),
            ("log-uid", uid),
            ("log-macdecode", mac_decode),
        ] {
            if given {
                out.push_str(&format!(" --{name}"));
            }
        }
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        if view.around.events.wanted().log {
            let line = line(&self.prefix, self.details, view);
            view.around.events.push(view.now, Event::Log { level: self.level, line });
        }
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

/// Reads a level by number or name.
fn parse_level(word: &Word) -> Result<u8, Flaw> {
    if let Some(level) = values::number(&word.text).filter(|level| *level <= 7) {
        return Ok(level as u8);
    }
    match LEVELS.iter().find(|(name, _)| *name == word.text) {
        Some((_, level)) => Ok(*level),
        None => Err(Fault::unknown(Noun::Flag, &word.text, LEVELS.iter().map(|(name, _)| *name)).at(word.column)),
    }
}

/// The part of a prefix that the kernel keeps: 29 bytes, and here whole characters only.
fn shortened(prefix: &str) -> &str {
    let end = (0..=PREFIX_BYTES_MAX.min(prefix.len())).rev().find(|end| prefix.is_char_boundary(*end));
    &prefix[..end.unwrap_or(0)]
}

const WARNING: u8 = 4;

/// Linux: `struct xt_log_info`, `prefix`, less its final zero.
const PREFIX_BYTES_MAX: usize = 29;

#[rustfmt::skip]
static LEVELS: [(&str, u8); 9] = [
    ("emerg",   0),
    ("panic",   0),
    ("alert",   1),
    ("crit",    2),
    ("error",   3),
    ("warning", 4),
    ("notice",  5),
    ("info",    6),
    ("debug",   7),
];
