//! Payloads that make a helper work: what a stranger may send, who has read its source.
//!
//! What costs most is a payload as long as payloads may be that goes on being of concern. So each word of a sample, with what stands
//! behind it, is said again and again until the payload is full; and behind each trigger stands each of the bytes that protocols
//! give a meaning, as often as there is room. A helper that has one rule for each of ten thousand commas shows it here.

use std::iter::{once, repeat_n};

use towpath_engine::{
    conntrack::helper::{Framing, Manifest},
    limits::LINE_BYTES_HELD_MAX,
};

/// Bytes of the longest payload that a helper is shown: a line's, or a packet's.
#[must_use]
pub const fn longest(manifest: &Manifest) -> usize {
    match manifest.framing {
        Framing::Lines | Framing::LooseLines => LINE_BYTES_HELD_MAX,
        Framing::Packet => PACKET_BYTES,
    }
}

/// All payloads to try: made of the manifest's triggers, and of the samples, of which the first [`SAMPLES_MAX`] count. They are made one by
/// one: all together they may be a gigabyte.
pub fn payloads<'a>(manifest: &'a Manifest, samples: &'a [Vec<u8>]) -> impl Iterator<Item = Vec<u8>> + 'a {
    let is_lines = manifest.framing != Framing::Packet;
    let room = longest(manifest) - if is_lines { LINE_END.len() } else { 0 };
    let triggers = manifest.triggers.iter().map(|trigger| trigger.bytes.as_slice()).chain(once(&b""[..]));
    let behind =
        triggers.flat_map(move |trigger| FILLINGS.iter().map(move |filling| filled(trigger, filling, b"", room)));
    let of_samples =
        samples.iter().take(SAMPLES_MAX).flat_map(move |sample| stretched(without_end(sample, is_lines), room));
    // In mode `kernel` a segment may end before its line does.
    behind.chain(of_samples).flat_map(move |payload| {
        let ended = is_lines.then(|| [&payload[..], LINE_END].concat());
        once(payload).chain(ended)
    })
}

/// A sample, stretched at each of its words.
fn stretched(sample: &[u8], room: usize) -> impl Iterator<Item = Vec<u8>> {
    let sample = &sample[..sample.len().min(room)];
    let starts = words(sample);
    let ends: Vec<usize> = starts.iter().skip(1).copied().chain(once(sample.len())).collect();
    let at = move |(start, end): (usize, usize)| {
        let (before, word, after) = (&sample[..start], &sample[start..end], &sample[end..]);
        let fillings = FILLINGS.iter().copied().chain(once(word));
        fillings.map(|filling| filled(before, filling, &[word, after].concat(), room)).collect::<Vec<_>>()
    };
    starts.into_iter().zip(ends).take(WORDS_MAX).flat_map(at)
}

/// Where the words of a sample begin: each goes up to the next one, and its separators belong to it.
fn words(sample: &[u8]) -> Vec<usize> {
    let is_start = |at: &usize| *at == 0 || (!sample[at - 1].is_ascii_alphanumeric());
    (0..sample.len()).filter(is_start).collect()
}

/// A payload of so many bytes: something, a filling again and again, and what stands behind it.
fn filled(before: &[u8], filling: &[u8], after: &[u8], room: usize) -> Vec<u8> {
    let left = room.saturating_sub(before.len() + after.len());
    let times = left / filling.len().max(1);
    before.iter().copied().chain(repeat_n(filling, times).flatten().copied()).chain(after.iter().copied()).collect()
}

fn without_end(sample: &[u8], is_lines: bool) -> &[u8] {
    if is_lines { sample.trim_ascii_end() } else { sample }
}

/// What protocols of text give a meaning, and what binary ones may count by.
#[rustfmt::skip]
static FILLINGS: &[&[u8]] = &[
    b" ", b"\t", b"0", b"9", b"a", b"A", b",", b";", b":", b".", b"|", b"/", b"=", b"-", b"(", b")", b"<", b">", b"@", b"\"", b"%41", b"\\",
    b"\x00", b"\x01", b"\xff", b"0,", b"0.", b"a ", b"a=", b"a;", b"a:", b" ;", b" ,", b"\r",
];

const LINE_END: &[u8] = b"\r\n";
/// A packet of 64 KB without its headers.
const PACKET_BYTES: usize = 65_000;
/// Samples that are stretched.
pub const SAMPLES_MAX: usize = 16;
/// Words of one that are said again and again.
const WORDS_MAX: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_of_a_sample_is_said_until_the_payload_is_full() {
        let all: Vec<_> = stretched(b"PORT 1,22", 20).collect();
        for wanted in
            [&b"PORT PORT PORT 1,22"[..], b"PORT 1,1,1,1,1,1,22", b"PORT 1,222222222222", b"PORT ,,,,,,,,,,,1,22"]
        {
            assert!(
                all.iter().any(|payload| payload == wanted),
                "{:?} is not among them",
                String::from_utf8_lossy(wanted)
            );
        }
        assert!(all.iter().all(|payload| payload.len() <= 20));
    }

    #[test]
    fn words_begin_behind_what_is_no_letter_and_no_digit() {
        assert_eq!(words(b"PORT 1,22"), [0, 5, 7]);
        assert!(words(b"").is_empty());
    }
}
