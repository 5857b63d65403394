//! The look that decides whether a payload is worth a helper's time.

use alloc::vec::Vec;
use core::ops::Range;

use crate::{
    conntrack::helper::{Anchor, Trigger},
    limits::{HELPER_LINES_ASKED_MAX, HELPER_TRIGGER_BYTES_MAX},
};

/// What the beginning of a line is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// The line cannot matter.
    Nothing,
    /// The line can matter, but these bytes cannot change: they lie before any trigger. They may go on.
    Remembering,
    /// They hold a trigger, or its beginning.
    Waiting,
}

/// A manifest's triggers, made ready.
#[derive(Clone, Debug, Default)]
pub(super) struct Triggers {
    at_line_starts: Vec<Vec<u8>>,
    anywhere: Vec<Vec<u8>>,
    /// One bit for each byte, of either case, that a trigger at a line start begins with.
    first_bytes: [u64; 4],
    /// There are none, so that everything is worth a look.
    none: bool,
    /// There are some, and all stand at line starts.
    only_at_line_starts: bool,
}

impl Triggers {
    pub(super) fn new(triggers: &[Trigger]) -> Self {
        let mut ready = Self { none: triggers.is_empty(), ..Self::default() };
        for trigger in triggers {
            let bytes = trigger.bytes.to_ascii_lowercase();
            match (trigger.anchor, bytes.first()) {
                (_, None) => {}
                (Anchor::LineStart, Some(&first)) => {
                    for byte in [first, first.to_ascii_uppercase()] {
                        ready.first_bytes[usize::from(byte / 64)] |= 1 << (byte % 64);
                    }
                    ready.at_line_starts.push(bytes);
                }
                (Anchor::Anywhere, Some(_)) => ready.anywhere.push(bytes),
            }
        }
        ready.only_at_line_starts = !ready.none && ready.anywhere.is_empty();
        ready
    }

    /// Whether the payload holds one of them. A line that the payload's end cuts inside a trigger counts.
    pub(super) fn hit(&self, payload: &[u8]) -> bool {
        self.none
            || self.hit_at_line_start(payload)
            || self.anywhere.iter().any(|bytes| position(payload, bytes).is_some())
    }

    /// Whether the payload is whole lines that hold none of them.
    #[inline(always)]
    pub(super) fn passes(&self, payload: &[u8]) -> bool {
        // Most payloads are one line, and no trigger begins as it does.
        match payload {
            [first, ..] if self.only_at_line_starts && !self.may_start(*first) && has_one_line(payload) => true,
            [.., b'\n'] => !self.hit(payload),
            _ => false,
        }
    }

    /// Whether one at a line start begins with that byte.
    #[inline]
    fn may_start(&self, first: u8) -> bool {
        self.first_bytes[usize::from(first / 64)] >> (first % 64) & 1 != 0
    }

    /// Where the first of them ends in a payload that holds one, as far as it stands there; 0 when there are none at all.
    pub(super) fn hit_end(&self, payload: &[u8]) -> usize {
        let mut starts = core::iter::once(0)
            .chain(payload.iter().enumerate().filter_map(|(at, byte)| (*byte == b'\n').then_some(at + 1)));
        let at_line_start = starts.find_map(|start| Some(start + self.starting(&payload[start..])?));
        let anywhere = self.anywhere.iter().filter_map(|bytes| Some(position(payload, bytes)? + bytes.len()));
        anywhere.chain(at_line_start).min().unwrap_or_default()
    }

    /// The lines of a text that ends with one that hold one of them, newlines included, at most [`HELPER_LINES_ASKED_MAX`]; and whether
    /// there are more.
    pub(super) fn lines(&self, text: &[u8]) -> (Vec<Range<usize>>, bool) {
        let mut hits = Vec::new();
        let mut start = 0;
        if !self.hit(text) {
            return (hits, false);
        }
        while let Some(end) = find(&text[start..], b'\n').map(|at| start + at + 1) {
            if self.hit(&text[start..end]) {
                if hits.len() == HELPER_LINES_ASKED_MAX {
                    return (hits, true);
                }
                hits.push(start..end);
            }
            start = end;
        }
        (hits, false)
    }

    /// What a line that begins with these bytes, and perhaps goes on, is worth.
    pub(super) fn worth(&self, line: &[u8]) -> Worth {
        let begins_at = |at: usize| {
            self.anywhere
                .iter()
                .any(|bytes| bytes.get(..line.len() - at).is_some_and(|part| line[at..].eq_ignore_ascii_case(part)))
        };
        let ends_within = || (line.len().saturating_sub(HELPER_TRIGGER_BYTES_MAX)..line.len()).any(begins_at);
        if self.none
            || self.starts(line)
            || self.anywhere.iter().any(|bytes| position(line, bytes).is_some())
            || ends_within()
        {
            Worth::Waiting
        } else if self.anywhere.is_empty() {
            Worth::Nothing
        } else {
            Worth::Remembering
        }
    }

    /// Whether one that may stand anywhere stands in the rest of a line.
    pub(super) fn stands_in(&self, rest: &[u8]) -> bool {
        self.anywhere.iter().any(|bytes| position(rest, bytes).is_some())
    }

    /// Whether the payload holds one of them, or ends inside of what may become one.
    pub(super) fn may_matter(&self, payload: &[u8]) -> bool {
        let last = payload.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        self.hit(payload) || self.worth(&payload[last..]) == Worth::Waiting
    }

    fn hit_at_line_start(&self, payload: &[u8]) -> bool {
        if self.at_line_starts.is_empty() {
            return false;
        }
        let mut line = payload;
        loop {
            if self.starts(line) {
                return true;
            }
            match find(line, b'\n') {
                Some(end) => line = &line[end + 1..],
                None => return false,
            }
        }
    }

    fn starts(&self, line: &[u8]) -> bool {
        self.starting(line).is_some()
    }

    /// How many bytes a line begins with that are one of them, or the beginning of one where the line ends.
    fn starting(&self, line: &[u8]) -> Option<usize> {
        let first = *line.first()?;
        if !self.may_start(first) {
            return None;
        }
        let compared = |bytes: &Vec<u8>| bytes.len().min(line.len());
        let begins = |bytes: &&Vec<u8>| line[..compared(bytes)].eq_ignore_ascii_case(&bytes[..compared(bytes)]);
        self.at_line_starts.iter().find(begins).map(compared)
    }
}

/// Where `bytes`, which are in lower case and not empty, stand first in the payload.
fn position(payload: &[u8], bytes: &[u8]) -> Option<usize> {
    let first = *bytes.first()?;
    let other = first.to_ascii_uppercase();
    let mut rest = payload;
    loop {
        let found = if first == other {
            find(rest, first)
        } else {
            rest.iter().position(|byte| byte.to_ascii_lowercase() == first)
        };
        let at = found?;
        if rest.get(at..at + bytes.len()).is_some_and(|here| here.eq_ignore_ascii_case(bytes)) {
            return Some(payload.len() - rest.len() + at);
        }
        rest = &rest[at + 1..];
    }
}

/// Where a byte stands first, eight bytes at a time.
pub(super) fn find(bytes: &[u8], wanted: u8) -> Option<usize> {
    const LOW: u64 = 0x0101_0101_0101_0101;
    const HIGH: u64 = 0x8080_8080_8080_8080;
    let (words, rest) = bytes.as_chunks::<8>();
    let pattern = LOW * u64::from(wanted);
    for (index, word) in words.iter().enumerate() {
        let differing = u64::from_le_bytes(*word) ^ pattern;
        // The high bit of the first byte that is zero, and perhaps of some behind it: it is the only one below it that borrows from
        // its high bit.
        let found = differing.wrapping_sub(LOW) & !differing & HIGH;
        if found != 0 {
            return Some(index * 8 + found.trailing_zeros() as usize / 8);
        }
    }
    rest.iter().position(|byte| *byte == wanted).map(|at| words.len() * 8 + at)
}

/// Whether it is one line, with its end.
#[inline(always)]
fn has_one_line(payload: &[u8]) -> bool {
    matches!(payload, [line @ .., b'\n'] if !has(line, b'\n'))
}

/// Whether a byte stands anywhere. It is not asked where, so that a processor compares many at once.
#[inline(always)]
fn has(bytes: &[u8], wanted: u8) -> bool {
    let Some(last) = bytes.last_chunk::<MANY>() else { return bytes.contains(&wanted) };
    for chunk in bytes.as_chunks::<MANY>().0 {
        if is_in(chunk, wanted) {
            return true;
        }
    }
    // These overlap those before.
    is_in(last, wanted)
}

#[inline(always)]
fn is_in(chunk: &[u8; MANY], wanted: u8) -> bool {
    chunk.iter().fold(false, |is_in, byte| is_in | (*byte == wanted))
}

/// Bytes that are compared at once.
const MANY: usize = 32;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use proptest::prelude::*;

    use super::*;

    fn triggers(anchor: Anchor, all: &[&[u8]]) -> Triggers {
        let all = Vec::from_iter(all.iter().map(|bytes| Trigger { bytes: bytes.to_vec(), anchor }));
        Triggers::new(&all)
    }

    #[test]
    #[rustfmt::skip]
    fn a_line_start_is_the_payloads_or_follows_a_newline() {
        let ftp = triggers(Anchor::LineStart, &[b"PORT", b"227 "]);
        let cases: [(&[u8], bool); 12] = [
            (b"PORT 10,0,0,5,200,10\r\n",   true),
            (b"port 10,0,0,5,200,10\r\n",   true),
            (b"227 Entering\r\n",           true),
            (b"NOOP\r\nPORT 1\r\n",         true),
            (b"a\n\n\nb\nPort",             true),
            (b"PO",                         true),
            (b"NOOP\r\n22",                 true),
            (b"",                           false),
            (b"NOOP\r\n",                   false),
            (b"XPORT 1\r\n",                false),
            (b"POST /\r\n",                 false),
            (b"2270\r\n",                   false),
        ];
        for (payload, hit) in cases {
            assert_eq!(ftp.hit(payload), hit, "{}", payload.escape_ascii());
            let passes = payload.ends_with(b"\n") && !hit;
            assert_eq!(ftp.passes(payload), passes, "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn what_may_stand_anywhere_is_looked_for_in_lines_that_begin_with_nothing_of_concern() {
        let both = [(&b"PORT"[..], Anchor::LineStart), (b"\x01dcc ", Anchor::Anywhere)];
        let both = both.map(|(bytes, anchor)| Trigger { bytes: bytes.to_vec(), anchor });
        let both = Triggers::new(&both);
        assert!(both.passes(b"NOTICE x\n") && !both.passes(b"NOTICE \x01DCC x\n") && !both.passes(b"PORT 1\n"));
        assert!(!Triggers::new(&[]).passes(b"NOTICE x\n"), "all is of concern");
    }

    #[test]
    fn whole_lines_with_a_trigger_are_found_and_where_they_end() {
        let ftp = triggers(Anchor::LineStart, &[b"PORT"]);
        assert_eq!(ftp.lines(b"PORT 1\nNOOP\n\nPORT 2\n"), (vec![0..7, 13..20], false));
        assert_eq!(ftp.lines(b"NOOP\r\n"), (vec![], false));
        for (count, has_more) in [(HELPER_LINES_ASKED_MAX, false), (HELPER_LINES_ASKED_MAX + 1, true)] {
            let (lines, more) = ftp.lines(&[b"PORT 1\n".repeat(count), b"NOOP\n".to_vec()].concat());
            assert_eq!((lines.len(), more), (HELPER_LINES_ASKED_MAX, has_more));
        }
    }

    #[test]
    fn anywhere_is_anywhere() {
        let irc = triggers(Anchor::Anywhere, &[b"\x01dcc "]);
        assert!(irc.hit(b"PRIVMSG bob :\x01DCC SEND x 1 2\x01\r\n"));
        assert!(irc.hit(b"\x01\x01dcc "));
        assert!(!irc.hit(b"PRIVMSG bob :\x01DCC"));
        assert!(!irc.hit(b"dcc "));
        let words = triggers(Anchor::Anywhere, &[b"Abc"]);
        assert!(words.hit(b"xxaabC") && !words.hit(b"ababab"));
    }

    #[test]
    fn a_line_waits_when_a_trigger_stands_in_it_or_begins_at_its_end() {
        let irc = triggers(Anchor::Anywhere, &[b"\x01dcc "]);
        for (line, worth) in [
            (&b"PRIVMSG bob :"[..], Worth::Remembering),
            (b"PRIVMSG bob :\x01", Worth::Waiting),
            (b"PRIVMSG bob :\x01DC", Worth::Waiting),
            (b"PRIVMSG bob :\x01DCC SEND", Worth::Waiting),
            (b"PRIVMSG bob :\x01DCX", Worth::Remembering),
            (b"", Worth::Remembering),
        ] {
            assert_eq!(irc.worth(line), worth, "{}", line.escape_ascii());
        }
        let ftp = triggers(Anchor::LineStart, &[b"PORT"]);
        let worths = [&b"PO"[..], b"PORT 1", b"POP", b"x PORT"].map(|line| ftp.worth(line));
        assert_eq!(worths, [Worth::Waiting, Worth::Waiting, Worth::Nothing, Worth::Nothing]);
    }

    #[test]
    fn what_ends_inside_a_trigger_may_matter() {
        let irc = triggers(Anchor::Anywhere, &[b"\x01dcc "]);
        for (payload, may) in [
            (&b"NOOP\nPRIVMSG bob :\x01DC"[..], true),
            (b"\x01DCC x\n", true),
            (b"\x01DC\nNOOP", false),
            (b"NOOP\n", false),
        ] {
            assert_eq!(irc.may_matter(payload), may, "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn the_first_trigger_ends_where_it_ends() {
        let irc = triggers(Anchor::Anywhere, &[b"\x01dcc "]);
        assert_eq!(irc.hit_end(b"bob :\x01DCC SEND \x01DCC "), 10);
        let ftp = triggers(Anchor::LineStart, &[b"PORT", b"227 "]);
        for (payload, end) in [(&b"port 1"[..], 4), (b"NOOP\r\n227 x", 10), (b"NOOP\nPO", 7), (b"NOOP", 0)] {
            assert_eq!(ftp.hit_end(payload), end, "{}", payload.escape_ascii());
        }
    }

    #[test]
    fn without_triggers_everything_is_worth_a_look() {
        assert!(triggers(Anchor::LineStart, &[]).hit(b""));
    }

    proptest! {
        #[test]
        fn a_byte_is_found_where_it_stands_first(bytes in proptest::collection::vec(0_u8..4, 0..100), wanted in 0_u8..5) {
            prop_assert_eq!(find(&bytes, wanted), bytes.iter().position(|byte| *byte == wanted));
            let high = Vec::from_iter(bytes.iter().map(|byte| byte | 0x80));
            prop_assert_eq!(find(&high, wanted | 0x80), bytes.iter().position(|byte| *byte == wanted));
            prop_assert_eq!(has(&bytes, wanted), bytes.contains(&wanted));
        }

        #[test]
        fn every_line_is_looked_at(lines in proptest::collection::vec("[a-z]{0,12}", 0..8), at in 0_usize..8) {
            let ftp = triggers(Anchor::LineStart, &[b"0port"]);
            let mut payload = vec![];
            for (index, line) in lines.iter().enumerate() {
                payload.extend(if index == at { b"0PoRt" } else { &b""[..] });
                payload.extend(line.as_bytes());
                payload.push(b'\n');
            }
            prop_assert_eq!(ftp.hit(&payload), at < lines.len());
            prop_assert_eq!(ftp.passes(&payload), !payload.is_empty() && at >= lines.len());
        }
    }
}
