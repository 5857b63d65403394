//! `-m string`: bytes that stand somewhere in a packet (Linux v6.18: `net/netfilter/xt_string.c`, `string_mt()`; reading
//! and printing as iptables 1.8.9 does, `extensions/libxt_string.c`).
//!
//! Both algorithms find the same here. In Linux `bm` overlooks what is spread over two fragments of a buffer.

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::{
    netfilter::{
        View,
        error::{Fault, Flaw, Noun},
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not},
            values,
        },
        walk::Depends,
    },
    packet::Packet,
};

/// What is looked for, and where.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct StringMatch {
    /// 1 to 128 bytes.
    pattern: Vec<u8>,
    algorithm: &'static str,
    /// Offsets from the network header on: the pattern lies within.
    from: u16,
    to: u16,
    ignore_case: bool,
    inverted: bool,
}

impl Matching for StringMatch {
    const SPEC: &'static Spec = &Spec {
        name: "string",
        options: &[
            Opt::value(&["from"]),
            Opt::value(&["to"]),
            Opt::value(&["algo"]),
            Opt::value(&["string"]).inverting(),
            Opt::value(&["hex-string"]).inverting(),
            Opt::flag(&["icase"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["string", "hex-string"])?;
        let (item, pattern) = match (given.find("string"), given.find("hex-string")) {
            (Some(item), _) => (item, Some(item.value().text.as_bytes().to_vec())),
            (None, Some(item)) => (item, parse_hex(item.value().text.as_bytes())),
            (None, None) => return Err(given.needs("`--string` or `--hex-string`")),
        };
        let wants = "1 to 128 bytes; in `--hex-string` pairs of hex digits between `|` and `|`";
        let pattern = pattern
            .filter(|pattern| (1..=PATTERN_BYTES_MAX).contains(&pattern.len()))
            .ok_or_else(|| item.value().bad(wants))?;
        let offset = |name: &str, default: u16| match given.find(name) {
            Some(item) => values::short(item.value(), "an offset from 0 to 65535"),
            None => Ok(default),
        };
        let (from, to) = (offset("from", 0)?, offset("to", u16::MAX)?);
        if let Some(item) = given.find("to").filter(|_| from > to) {
            return Err(item.value().bad("an offset behind `--from`"));
        }
        let algorithm = parse_algorithm(given.need("algo", "`--algo bm` or `--algo kmp`")?.value())?;
        Ok(Self { pattern, algorithm, from, to, ignore_case: given.has("icase"), inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        if is_text(&self.pattern) {
            out.push_str(" --string \"");
            for &byte in &self.pattern {
                if matches!(byte, b'"' | b'\\') {
                    out.push('\\');
                }
                out.push(char::from(byte));
            }
            out.push('"');
        } else {
            out.push_str(" --hex-string \"|");
            for byte in &self.pattern {
                let _ = write!(out, "{byte:02x}");
            }
            out.push_str("|\"");
        }
        let _ = write!(out, " --algo {}", self.algorithm);
        if self.from != 0 {
            let _ = write!(out, " --from {}", self.from);
        }
        if self.to != u16::MAX {
            let _ = write!(out, " --to {}", self.to);
        }
        if self.ignore_case {
            out.push_str(" --icase");
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        Answer::from(self.is_in(view.packet) != self.inverted)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, _: &View<'_>) -> String {
        if self.inverted { "contains it".into() } else { "does not contain it".into() }
    }
}

impl StringMatch {
    fn is_in(&self, packet: &Packet) -> bool {
        let (from, to) = (usize::from(self.from), usize::from(self.to).min(packet.network_len()));
        let linear = packet.network_bytes();
        if to <= linear.len() {
            return linear.get(from..to).is_some_and(|bytes| self.is_within(bytes));
        }
        let all = core::iter::once(linear).chain(packet.fragments()).flatten().copied();
        let bytes: Vec<u8> = all.take(to).skip(from).collect();
        self.is_within(&bytes)
    }

    fn is_within(&self, bytes: &[u8]) -> bool {
        bytes.windows(self.pattern.len()).any(|window| match self.ignore_case {
            true => window.eq_ignore_ascii_case(&self.pattern),
            false => window == self.pattern,
        })
    }
}

fn parse_algorithm(word: &Word) -> Result<&'static str, Flaw> {
    ALGORITHMS.iter().find(|name| **name == word.text).copied().ok_or_else(|| {
        let names = ALGORITHMS.iter().copied();
        Fault::unknown(Noun::Flag, &word.text, names).at(word.column)
    })
}

/// Reads text with pairs of hex digits between `|` and `|`, where one blank may follow each pair; outside a backslash
/// takes the next byte as it is.
fn parse_hex(text: &[u8]) -> Option<Vec<u8>> {
    let mut pattern = Vec::new();
    let mut at = 0;
    let mut hex = false;
    while let Some(&byte) = text.get(at) {
        let mut byte = byte;
        if byte == b'|' {
            hex = !hex;
            while hex && text.get(at + 1) == Some(&b' ') {
                at += 1;
            }
            at += 1;
            let Some(&next) = text.get(at) else { break };
            byte = next;
        }
        match (hex, byte) {
            (true, _) => {
                // Something has to follow the pair: at least the closing `|`.
                let (high, low) = (hex_digit(byte)?, hex_digit(*text.get(at + 1)?)?);
                pattern.push(high << 4 | low);
                at += if *text.get(at + 2)? == b' ' { 3 } else { 2 };
            }
            (false, b'\\') => {
                pattern.push(*text.get(at + 1)?);
                at += 2;
            }
            (false, _) => {
                pattern.push(byte);
                at += 1;
            }
        }
    }
    Some(pattern)
}

fn hex_digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}

/// Whether the tool prints it as text.
fn is_text(pattern: &[u8]) -> bool {
    pattern.iter().all(|byte| matches!(byte, b' '..=b'~')) && pattern.last() != Some(&b'\\')
}

/// Linux: `XT_STRING_MAX_PATTERN_SIZE`.
const PATTERN_BYTES_MAX: usize = 128;

static ALGORITHMS: [&str; 2] = ["bm", "kmp"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_and_text_may_alternate() {
        assert_eq!(parse_hex(b"|0d 0a|abc|00|"), Some(b"\r\nabc\0".to_vec()));
        assert_eq!(parse_hex(b"|  41|"), Some(b"A".to_vec()));
        assert_eq!(parse_hex(br"a\|b"), Some(b"a|b".to_vec()));
        for wrong in [&b"|zz|"[..], b"|0d", b"|0|", br"a\"] {
            assert_eq!(parse_hex(wrong), None, "{wrong:?}");
        }
    }
}
