//! `-m statistic`: by chance, or every nth packet (Linux v6.18: `net/netfilter/xt_statistic.c`, `statistic_mt()`).

use alloc::{format, string::String};

use super::{Answer, MatchState, Matching};
use crate::netfilter::{
    View,
    error::{Fault, Flaw},
    program::facts::Facts,
    save::{
        decimal,
        options::{Given, Opt, Spec},
        text::print_not,
        values,
    },
    walk::Depends,
};

/// Which packets match, and the count so far.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Statistic {
    mode: Mode,
    inverted: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// In 2^31 parts, 0 to 2^31.
    Random { probability: u32 },
    Nth {
        /// At least 1.
        every: u32,
        /// Which of them, less than `every`.
        packet: u32,
        count: u32,
    },
}

impl Matching for Statistic {
    const SPEC: &'static Spec = &Spec {
        name: "statistic",
        options: &[
            Opt::value(&["mode"]),
            Opt::value(&["probability"]).inverting(),
            Opt::value(&["every"]).inverting(),
            Opt::value(&["packet"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let mode = given.need("mode", "`--mode random` or `--mode nth`")?;
        match mode.value().text.as_str() {
            "random" => {
                let item = given.need("probability", "`--probability P` with `--mode random`")?;
                given.exclusive(&["probability", "every"])?;
                given.exclusive(&["probability", "packet"])?;
                let probability = decimal::parts(&item.value().text);
                let wants = "a probability from 0 to 1 such as 0.25 or 1e-3";
                let probability = probability.ok_or_else(|| item.value().bad(wants))?;
                Ok(Self { mode: Mode::Random { probability }, inverted: item.inverted })
            }
            "nth" => {
                given.exclusive(&["every", "probability"])?;
                let item = given.need("every", "`--every N` with `--mode nth`")?;
                let wants = "a number of packets from 1";
                let every = values::ranged(item.value(), 1, u64::from(u32::MAX), wants)? as u32;
                let packet = match given.find("packet") {
                    Some(item) => {
                        let wants = "a packet's number from 0 to one less than `--every`";
                        values::ranged(item.value(), 0, u64::from(every) - 1, wants)? as u32
                    }
                    None => {
                        let needed = "`--packet P` beside it: which of them, from 0";
                        return Err(Fault::Needs { what: item.name(), needed }.at(item.column));
                    }
                };
                Ok(Self { mode: Mode::Nth { every, packet, count: every - 1 - packet }, inverted: item.inverted })
            }
            _ => Err(mode.value().bad("a mode: random or nth")),
        }
    }

    fn print(&self, out: &mut String) {
        let not = |out: &mut String| print_not(out, self.inverted);
        match self.mode {
            Mode::Random { probability } => {
                out.push_str(" --mode random");
                not(out);
                let (whole, fraction) = printed(probability);
                out.push_str(&format!(" --probability {whole}.{fraction:011}"));
            }
            Mode::Nth { every, packet, .. } => {
                out.push_str(" --mode nth");
                not(out);
                out.push_str(&format!(" --every {every} --packet {packet}"));
            }
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let found = match &mut self.mode {
            Mode::Random { probability } => view.around.random.below(1 << 31) < *probability,
            Mode::Nth { every, count, .. } => {
                *count = if *count == *every - 1 { 0 } else { *count + 1 };
                *count == 0
            }
        };
        Answer::from(found != self.inverted)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn state(&self) -> Option<MatchState> {
        match self.mode {
            Mode::Random { .. } => None,
            Mode::Nth { count, .. } => Some(MatchState::Statistic(count)),
        }
    }

    fn set_state(&mut self, state: MatchState) {
        if let (MatchState::Statistic(seen), Mode::Nth { count, every, .. }) = (state, &mut self.mode) {
            *count = seen % (*every).max(1);
        }
    }

    fn found(&self, _: &Facts, _: &View<'_>) -> String {
        match self.mode {
            Mode::Random { .. } => "was not drawn".into(),
            Mode::Nth { every, count, .. } => format!("has number {count} of {every}"),
        }
    }
}

const SCALE: u128 = 1 << 31;

/// A probability's digits before and behind the point, eleven of them, rounded to the nearest, of two to the even one.
const fn printed(probability: u32) -> (u64, u64) {
    let one = 100_000_000_000_u128;
    let product = probability as u128 * one;
    let (mut digits, rest) = (product / SCALE, product % SCALE);
    if rest > SCALE / 2 || (rest == SCALE / 2 && digits % 2 == 1) {
        digits += 1;
    }
    ((digits / one) as u64, (digits % one) as u64)
}
