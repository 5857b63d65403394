//! What depends on whether somebody looks on: colours and progress.

use std::{
    env,
    io::{self, IsTerminal, Write},
    time::Duration,
};

use towpath::clock::SystemClock;
use towpath_replay::record::Colour;

/// Colours for standard output: only on a terminal, and not when NO_COLOR is set (no-color.org).
pub(crate) fn colour() -> Colour {
    let is_wanted = env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    let is_possible = env::var_os("TERM").is_none_or(|terminal| terminal != "dumb");
    if is_wanted && is_possible && io::stdout().is_terminal() { Colour::On } else { Colour::Off }
}

/// A line on standard error that tells how far long work has come; only on a terminal, and only when standard output
/// does not fill the same one.
pub(crate) struct Progress {
    shown: Option<Shown>,
}

struct Shown {
    clock: SystemClock,
    next: Duration,
    /// Whether the line is on the screen.
    is_there: bool,
}

impl Progress {
    /// Starts. `prints`: every step writes a line to standard output.
    pub(crate) fn start(prints: bool) -> Self {
        let is_seen = io::stderr().is_terminal() && !(prints && io::stdout().is_terminal());
        Self { shown: is_seen.then(|| Shown { clock: SystemClock::start(), next: FIRST_AFTER, is_there: false }) }
    }

    /// Says how far a capture's replay has come when it is time to.
    pub(crate) fn tell(&mut self, packets: u64, read: u64, size: Option<u64>) {
        self.say(packets, || match size.filter(|size| *size > 0) {
            Some(size) => format!("{packets} packets, {} % of the capture", read.min(size) * 100 / size),
            None => format!("{packets} packets"),
        });
    }

    /// Says so much after so many steps when it is time to.
    pub(crate) fn say(&mut self, steps: u64, what: impl FnOnce() -> String) {
        // Looking at the clock costs as much as a packet.
        if !steps.is_multiple_of(STEPS_BETWEEN) {
            return;
        }
        let Some(shown) = &mut self.shown else { return };
        let elapsed = shown.clock.elapsed();
        if elapsed < shown.next {
            return;
        }
        shown.next = elapsed + AGAIN_AFTER;
        shown.is_there = true;
        // Nobody is hurt when nobody is told.
        let _ = write!(io::stderr().lock(), "\rtowpath: {} ", what());
    }

    /// Takes the line off the screen.
    pub(crate) fn clear(&mut self) {
        if let Some(shown) = &mut self.shown
            && core::mem::take(&mut shown.is_there)
        {
            let _ = write!(io::stderr(), "\r\x1b[K");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

const FIRST_AFTER: Duration = Duration::from_secs(1);
const AGAIN_AFTER: Duration = Duration::from_millis(200);
const STEPS_BETWEEN: u64 = 4096;
