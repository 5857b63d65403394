//! What is written against what has happened.

use core::fmt;

use towpath_engine::{Instant, packet::Sketch};

use super::{
    happening::{Happening, Shown, What},
    script::{Line, Sign},
};

/// How a play went otherwise than written: the whole play, its lines marked. `Display` prints a line each.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// The lines, with what happened instead where it did.
    pub lines: Vec<Marked>,
}

/// A line of a play that went otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Marked {
    /// What is the matter with it.
    pub mark: Mark,
    /// Its number in the play's text; `None`: it is not written there.
    pub number: Option<u32>,
    /// The packet that it is about, counted from 1; 0: none has gone in yet.
    pub packet: u64,
    /// In the one notation.
    pub text: String,
}

/// What is the matter with a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It happened as written.
    Fine,
    /// It is written and did not happen.
    Missing,
    /// It happened and is not written.
    Unwritten,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.lines.iter().try_for_each(|line| writeln!(f, "  {} {}", line.mark.sign(), line.text))
    }
}

impl Mark {
    /// `-` for what is missing, `+` for what is not written.
    #[must_use]
    pub const fn sign(self) -> char {
        match self {
            Self::Fine => ' ',
            Self::Missing => '-',
            Self::Unwritten => '+',
        }
    }
}

/// Compares a play with what happened: first before any packet, then for each packet until the next.
pub(super) fn compare(lines: &[Line], acts: &[Vec<Happening>], start: Instant) -> Result<(), Difference> {
    let mut comparison = Comparison { told: Difference::default(), fine: true, packet: 0, start };
    let mut rest = lines;
    for (index, act) in acts.iter().enumerate() {
        if index > 0
            && let Some((input, others)) = rest.split_first()
        {
            comparison.packet += 1;
            comparison.tell(Mark::Fine, Some(input.number), input.to_string());
            rest = others;
        }
        let end = rest.iter().position(|line| matches!(line.sign, Sign::In(..))).unwrap_or(rest.len());
        let (written, others) = rest.split_at(end);
        rest = others;
        comparison.act(written, act);
    }
    if comparison.fine { Ok(()) } else { Err(comparison.told) }
}

struct Comparison {
    told: Difference,
    fine: bool,
    packet: u64,
    start: Instant,
}

impl Comparison {
    /// Compares what followed one packet.
    fn act(&mut self, written: &[Line], act: &[Happening]) {
        let start = self.start;
        let mut left: Vec<&Happening> = act.iter().filter(|happening| must_be_written(happening)).collect();
        for (index, line) in written.iter().enumerate() {
            let is_so = match &line.sign {
                Sign::Out(..) | Sign::Drop(_) => {
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
                Sign::In(..) => false,
            };
            self.tell(if is_so { Mark::Fine } else { Mark::Missing }, Some(line.number), line.to_string());
            if is_so {
                continue;
            }
            match &line.sign {
                Sign::Out(..) | Sign::Drop(_) => {
                    // What stands in its place, unless a later line tells of it.
                    let instead = left.iter().position(|happening| kind(happening) == sign_kind(line));
                    let later = |at: usize| written[index + 1..].iter().any(|other| holds(other, left[at], start));
                    if let Some(at) = instead.filter(|&at| !later(at)) {
                        self.tell(Mark::Unwritten, None, shown(left.remove(at), Some(line), start));
                    }
                }
                Sign::Known(_) => self.tell_all(act, |what| matches!(what, What::Known(_))),
                Sign::Told(_) => self.tell_all(act, |what| matches!(what, What::Told(_))),
                Sign::In(..) => {}
            }
        }
        for happening in left {
            self.tell(Mark::Unwritten, None, shown(happening, None, start));
        }
    }

    fn tell(&mut self, mark: Mark, number: Option<u32>, text: String) {
        self.fine &= mark == Mark::Fine;
        self.told.lines.push(Marked { mark, number, packet: self.packet, text });
    }

    fn tell_all(&mut self, act: &[Happening], wanted: impl Fn(&What) -> bool) {
        for happening in act.iter().filter(|happening| wanted(&happening.what)) {
            self.tell(Mark::Unwritten, None, shown(happening, None, self.start));
        }
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
        Sign::In(..) => '<',
        Sign::Out(..) => '>',
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
        (Sign::Out(told, beside), What::Out(Shown::Packet(seen, also))) => {
            same_place && told.holds_for(seen) && beside == also
        }
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
        Some(Sign::Out(told, _)) => Some(told),
        Some(_) | None => None,
    };
    let what = match &happening.what {
        What::Out(Shown::Packet(seen, also)) => format!("{}{also}", seen.clone().told_as(told)),
        What::Out(Shown::Odd(text)) | What::Known(text) | What::Told(text) => text.clone(),
        What::Drop(reason) => reason.name().to_owned(),
    };
    let (seconds, millis) = (time.as_secs(), time.subsec_millis());
    format!("{seconds:>3}.{millis:03}  {} {}  {what}", happening.device, kind(happening))
}
