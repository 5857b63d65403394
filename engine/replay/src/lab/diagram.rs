//! A connection as a sequence diagram in text.
//!
//! ```text
//!    seconds  client                                          server
//!   0.000000  S 0:1 win 64240 ─────────────────────────────────────►  arrives 0.015048
//!   0.015048  ◄────────────────────────── SA 0:1 ack 1 win 65160      arrives 0.030096
//!   0.102310  1449:2897 ack 1 ─────────────────────── ✗               lost: line
//! ```
//!
//! What happens to links and bonds meanwhile stands between. Numbers count from each end's SYN. Segments that leave one after the other, and of which nothing is to be said, share a line.

use core::{fmt::Write, time::Duration};
use std::collections::{BTreeMap, VecDeque};

use towpath_engine::{
    tcp::ResendReason,
    wire::{SeqNum, TcpFlags},
};

use super::{
    lane::Lost,
    scenario::{End, Scenario},
    segment::Segment,
    watch::{Pass, Passing, Watch},
};

/// Takes down what goes over a connection, and draws it.
#[derive(Debug)]
pub struct Diagram {
    connection: usize,
    /// The hosts' names, and numbers.
    names: [String; 2],
    from: Duration,
    until: Duration,
    rows_max: usize,
    rows: Vec<Row>,
    /// Rows of segments that have neither arrived nor been lost, by their print.
    on_way: BTreeMap<u64, VecDeque<usize>>,
    /// Whether a lane leads out of the host of an end, and into one.
    lanes: [Vec<[bool; 2]>; 2],
    initial: [Option<SeqNum>; 2],
    scale: [Option<u8>; 2],
    left_out: u64,
    /// What happens to links and bonds.
    notes: Vec<(Duration, String)>,
}

#[derive(Debug)]
struct Row {
    at: Duration,
    end: End,
    seq: u32,
    behind: u32,
    /// All but the numbers, and whether it may share a line with others.
    rest: String,
    is_plain: bool,
    flags: String,
    again: Option<ResendReason>,
    fate: Fate,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    OnWay,
    Arrived(Duration),
    Lost(Lost),
}

impl Diagram {
    /// Takes a connection down that is named by its number, from a time until another, `rows_max` segments at most.
    #[must_use]
    pub fn new(scenario: &Scenario, connection: usize, (from, until): (Duration, Duration), rows_max: usize) -> Self {
        let ends = scenario.connections.get(connection).map_or([0, 0], |plan| plan.ends);
        let lanes = ends.map(|host| {
            let leads = scenario.links.iter().flat_map(|link| {
                let [first, second] = link.ends.map(|end| end == host);
                [[first, second], [second, first]]
            });
            leads.collect()
        });
        Self {
            connection,
            names: ends.map(|host| scenario.hosts[host].name.clone()),
            from,
            until,
            rows_max,
            rows: Vec::new(),
            on_way: BTreeMap::new(),
            lanes,
            initial: [None; 2],
            scale: [None; 2],
            left_out: 0,
            notes: Vec::new(),
        }
    }

    /// Draws what was taken down.
    #[must_use]
    pub fn draw(&self) -> String {
        let mut out = format!("{:>11}  {:<width$}{}\n", "seconds", self.names[0], self.names[1], width = WIDTH - 2);
        let (mut at, mut notes) = (0, self.notes.iter().peekable());
        while let Some(row) = self.rows.get(at) {
            while let Some((when, what)) = notes.next_if(|(when, _)| *when <= row.at) {
                let _ = writeln!(out, "{:>11.6}  ·· {what}", when.as_secs_f64());
            }
            let together = self.together(at);
            let last = &self.rows[at + together - 1];
            let many = if together > 1 { format!("{together} × ") } else { String::new() };
            let numbers = if row.seq == row.behind { String::new() } else { format!("{}:{} ", row.seq, last.behind) };
            let again = row.again.map_or_else(String::new, |why| format!(" again: {}", why.name()));
            let text = format!("{many}{}{numbers}{}{again}", row.flags, last.rest);
            // Writing to a text does not fail.
            let _ = writeln!(
                out,
                "{:>11.6}  {}  {}",
                row.at.as_secs_f64(),
                arrow(&text, row.end, last.fate),
                match last.fate {
                    Fate::OnWay => "on its way".to_owned(),
                    Fate::Arrived(when) => format!("arrives {:.6}", when.as_secs_f64()),
                    Fate::Lost(why) => format!("lost: {}", why.name()),
                }
            );
            at += together;
        }
        for (when, what) in notes {
            let _ = writeln!(out, "{:>11.6}  ·· {what}", when.as_secs_f64());
        }
        if self.left_out > 0 {
            let _ = writeln!(out, "{} segments more: see another time with --from and --until", self.left_out);
        }
        out
    }

    /// How many rows from one on make one line: data in order, all of which arrive.
    fn together(&self, at: usize) -> usize {
        let is_plain = |row: &Row| row.is_plain && row.again.is_none() && matches!(row.fate, Fate::Arrived(_));
        let pairs = self.rows[at..].windows(2).take_while(|pair| {
            is_plain(&pair[0])
                && is_plain(&pair[1])
                && pair[0].end == pair[1].end
                && pair[0].behind == pair[1].seq
                && pair[1].at.saturating_sub(pair[0].at) <= TOGETHER
                && pair[1].flags.is_empty()
                && !self.notes.iter().any(|(when, _)| (pair[0].at..=pair[1].at).contains(when))
        });
        1 + pairs.count()
    }

    fn leaves(&mut self, at: Duration, end: End, segment: &Segment, again: Option<ResendReason>) {
        let (own, other) = (end as usize, end.other() as usize);
        if segment.flags.contains(TcpFlags::SYN) {
            (self.initial[own], self.scale[own]) = (Some(segment.seq), segment.scale);
        }
        if at < self.from || at >= self.until {
            return;
        }
        if self.rows.len() >= self.rows_max {
            self.left_out += 1;
            return;
        }
        let first = *self.initial[own].get_or_insert(segment.seq);
        let seq = segment.seq - first;
        let theirs = *self.initial[other].get_or_insert(segment.ack);
        let is_scaled =
            !segment.flags.contains(TcpFlags::SYN) && self.scale[own].is_some() && self.scale[other].is_some();
        let shift = if is_scaled { self.scale[own].unwrap_or(0) } else { 0 };
        let mut rest = String::new();
        if segment.flags.contains(TcpFlags::ACK) {
            let _ = write!(rest, "ack {} ", segment.ack - theirs);
        }
        let _ = write!(rest, "win {}", u64::from(segment.window) << shift);
        for (start, end) in segment.sack.iter().take(SACKS_SHOWN) {
            let _ = write!(rest, " sack {}:{}", *start - theirs, *end - theirs);
        }
        let shown = segment.flags.without(TcpFlags::ACK).without(TcpFlags::PSH);
        let is_bare = shown == TcpFlags::default();
        let flags = if is_bare { String::new() } else { format!("{} ", segment.flags) };
        self.on_way.entry(segment.print).or_default().push_back(self.rows.len());
        self.rows.push(Row {
            at,
            end,
            seq,
            behind: segment.end() - first,
            rest,
            is_plain: is_bare && segment.len > 0 && segment.sack.is_empty(),
            flags,
            again,
            fate: Fate::OnWay,
        });
    }

    fn settle(&mut self, print: u64, fate: Fate) {
        let Some(waiting) = self.on_way.get_mut(&print) else { return };
        if let Some(row) = waiting.pop_front().and_then(|at| self.rows.get_mut(at)) {
            row.fate = fate;
        }
        if waiting.is_empty() {
            self.on_way.remove(&print);
        }
    }
}

impl Watch for Diagram {
    fn frame(&mut self, passing: &Passing<'_>) {
        let (Some(segment), Some((connection, end))) = (passing.segment, passing.connection) else { return };
        if connection != self.connection {
            return;
        }
        let leads = |end: End| self.lanes[end as usize].get(passing.lane).copied().unwrap_or_default();
        match passing.pass {
            Pass::Leaves(again) if leads(end)[0] => self.leaves(passing.at, end, segment, again),
            Pass::Arrives if leads(end.other())[1] => self.settle(segment.print, Fate::Arrived(passing.at)),
            Pass::Lost(why) => self.settle(segment.print, Fate::Lost(why)),
            Pass::Leaves(_) | Pass::Arrives => {}
        }
    }

    fn happens(&mut self, at: Duration, what: &str) {
        if (self.from..self.until).contains(&at) && self.notes.len() < self.rows_max {
            self.notes.push((at, what.to_owned()));
        }
    }
}

/// A text with an arrow to the other end, or as far as it has come.
fn arrow(text: &str, end: End, fate: Fate) -> String {
    let shown: String = text.chars().take(WIDTH - 6).collect();
    let left = WIDTH - shown.chars().count() - 1;
    let (line, tip, blank) = match fate {
        Fate::Lost(_) => (left / 2, "✗", left - left / 2 - 1),
        Fate::OnWay | Fate::Arrived(_) => (left - 1, if end == End::From { "►" } else { "◄" }, 0),
    };
    let (line, blank) = ("─".repeat(line), " ".repeat(blank));
    match end {
        End::From => format!("{shown} {line}{tip}{blank}"),
        End::To => format!("{blank}{tip}{line} {shown}"),
    }
}

/// Columns between the ends.
const WIDTH: usize = 72;
/// Segments that share a line leave within this.
const TOGETHER: Duration = Duration::from_millis(1);
const SACKS_SHOWN: usize = 2;
