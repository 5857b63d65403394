//! What is written against what has happened.

use std::fmt::Write;

use towpath_engine::{Instant, packet::Sketch};

use super::{
    Line, Sign,
    happening::{Happening, Seen, What},
};

/// Compares a play with what happened: first before any packet, then for each packet until the next. A difference is told
/// as the whole play, with a sign before lines that are only written or have only happened.
pub(super) fn compare(lines: &[Line], acts: &[Vec<Happening>], start: Instant) -> Result<(), String> {
    let mut text = String::new();
    let mut fine = true;
    let mut rest = lines;
    for (index, act) in acts.iter().enumerate() {
        if index > 0
            && let Some((input, others)) = rest.split_first()
        {
            tell(&mut text, ' ', &input.to_string());
            rest = others;
        }
        let end = rest.iter().position(|line| matches!(line.sign, Sign::In(_))).unwrap_or(rest.len());
        let (written, others) = rest.split_at(end);
        rest = others;
        fine &= act_is_as(&mut text, written, act, start);
    }
    if fine { Ok(()) } else { Err(text) }
}

/// Compares what followed one packet.
fn act_is_as(text: &mut String, written: &[Line], act: &[Happening], start: Instant) -> bool {
    let mut fine = true;
    let mut left: Vec<&Happening> = act.iter().filter(|happening| must_be_written(happening)).collect();
    for (index, line) in written.iter().enumerate() {
        let is_so = match &line.sign {
            Sign::Out(_) | Sign::Drop(_) => {
                let same_kind = |happening: &&Happening| kind(happening) == sign_kind(line);
                let first = left.iter().position(same_kind);
                match first.filter(|&at| holds(line, left[at], start)) {
                    Some(at) => {
                        left.remove(at);
                        true
                    }
                    None => false,
                }
            }
            Sign::Known(_) | Sign::Told(_) => act.iter().any(|happening| holds(line, happening, start)),
            Sign::In(_) => false,
        };
        tell(text, if is_so { ' ' } else { '-' }, &line.to_string());
        if is_so {
            continue;
        }
        fine = false;
        match &line.sign {
            Sign::Out(_) | Sign::Drop(_) => {
                // What stands in its place, unless a later line tells of it.
                let instead = left.iter().position(|happening| kind(happening) == sign_kind(line));
                let later = |at: usize| written[index + 1..].iter().any(|other| holds(other, left[at], start));
                if let Some(at) = instead.filter(|&at| !later(at)) {
                    tell(text, '+', &shown(left.remove(at), Some(line), start));
                }
            }
            Sign::Known(_) => tell_all(text, act, start, |what| matches!(what, What::Known(_))),
            Sign::Told(_) => tell_all(text, act, start, |what| matches!(what, What::Told(_))),
            Sign::In(_) => {}
        }
    }
    for happening in left {
        fine = false;
        tell(text, '+', &shown(happening, None, start));
    }
    fine
}

fn tell(text: &mut String, sign: char, line: &str) {
    // Writing to a string cannot fail.
    let _ = writeln!(text, "  {sign} {line}");
}

fn tell_all(text: &mut String, act: &[Happening], start: Instant, wanted: impl Fn(&What) -> bool) {
    for happening in act.iter().filter(|happening| wanted(&happening.what)) {
        tell(text, '+', &shown(happening, None, start));
    }
}

/// Packets and drops must be written; the rest may.
const fn must_be_written(happening: &Happening) -> bool {
    matches!(happening.what, What::Out(_) | What::Drop(_))
}

const fn kind(happening: &Happening) -> char {
    match happening.what {
        What::Out(_) => '>',
        What::Drop(_) => 'x',
        What::Known(_) => '=',
        What::Told(_) => '!',
    }
}

const fn sign_kind(line: &Line) -> char {
    match line.sign {
        Sign::In(_) => '<',
        Sign::Out(_) => '>',
        Sign::Drop(_) => 'x',
        Sign::Known(_) => '=',
        Sign::Told(_) => '!',
    }
}

/// Whether a line tells of something that happened.
fn holds(line: &Line, happening: &Happening, start: Instant) -> bool {
    // A play tells times to the millisecond.
    let same_time = happening.at.since(start).as_millis() == line.time.as_millis();
    let same_place = happening.device == line.device && same_time;
    match (&line.sign, &happening.what) {
        (Sign::Out(told), What::Out(Seen::Packet(seen))) => same_place && told.holds_for(seen),
        (Sign::Drop(told), What::Drop(seen)) => same_place && told == seen,
        (Sign::Known(words), What::Known(known)) => words.iter().all(|word| known.split(' ').any(|said| said == word)),
        (Sign::Told(text), What::Told(told)) => same_time && told.contains(text.as_str()),
        _ => false,
    }
}

/// What happened as a line of a play, told as `beside` is.
fn shown(happening: &Happening, beside: Option<&Line>, start: Instant) -> String {
    let time = happening.at.since(start);
    let told: Option<&Sketch> = match beside.map(|line| &line.sign) {
        Some(Sign::Out(told)) => Some(told),
        Some(_) | None => None,
    };
    let what = match &happening.what {
        What::Out(Seen::Packet(seen)) => seen.clone().told_as(told).to_string(),
        What::Out(Seen::Odd(text)) | What::Known(text) | What::Told(text) => text.clone(),
        What::Drop(reason) => reason.name().to_owned(),
    };
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    format!("{seconds:>3}.{millis:03}  {} {}  {what}", happening.device, kind(happening))
}
