//! A poll that goes on: frame by frame, each of which takes its time.

use alloc::vec::Vec;
use core::time::Duration;

use super::Received;

/// Whose frames a poll takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// Those of a receive queue, by its place among all.
    Queue(usize),
    /// Those of the CPU's backlog.
    Backlog,
}

/// A poll that goes on.
#[derive(Debug)]
pub(super) struct Poll<T> {
    pub(super) source: Source,
    pub(super) sent: Sent,
    /// Frames that it has taken.
    pub(super) found: usize,
    /// The one that is being processed.
    pub(super) current: Option<Received<T>>,
    /// Those that have been and go on from here.
    pub(super) done: Vec<Received<T>>,
    /// How long the CPU is busy yet with what it does now.
    pub(super) left: Duration,
    /// What it is the last one of, if it is a process's last one.
    pub(super) last: Option<Last>,
}

/// What a poll does first: it takes back what was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sent {
    /// It will.
    Untouched,
    /// It takes back so many frames.
    Going(usize),
    /// It has, all of them or not.
    Done {
        /// All: none are left that a poll would have taken back.
        all: bool,
    },
}

/// A process's last poll before it reads or sleeps.
#[derive(Clone, Copy, Debug)]
pub(super) struct Last {
    /// Whether a timer looks after the instance from then on.
    pub(super) is_timed: bool,
    /// Whether it sleeps afterwards if nothing has come.
    pub(super) gives_up: bool,
}

impl<T> Poll<T> {
    /// One that begins, which takes so long by itself.
    pub(super) const fn new(source: Source, cost: Duration) -> Self {
        Self { source, sent: Sent::Untouched, found: 0, current: None, done: Vec::new(), left: cost, last: None }
    }
}
