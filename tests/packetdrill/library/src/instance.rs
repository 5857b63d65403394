//! A host and a program on it, whose threads may wait.
//!
//! One thread lets time go on. Whenever something has happened, each thread that waits tries its call again before the clock goes on,
//! and one whose call is done is waited for until it has looked at the clock: so it sees the time at which its call has returned.
//! packetdrill looks there first when a call returns that blocks.
//!
//! ```text
//!  main      usleep ── timer ── happened ──────────────────────────── goes on
//!  another   receive: parked ────── tries again, is done ── gettimeofday
//! ```

use std::{
    collections::{BTreeMap, HashSet},
    os::fd::{AsRawFd, OwnedFd},
    sync::{Condvar, Mutex, MutexGuard},
    thread::{self, ThreadId},
    time::Duration,
};

use packet_scripts::system::{Errno, Host, Outcome, Process, Progress, Returned, Sent, Unknown};
use rustix::event::{EventfdFlags, eventfd};

/// What a call gives: its result, or why it failed.
pub(crate) type Answer = Result<i64, Errno>;

/// A host and a program on it.
#[derive(Debug)]
pub(crate) struct Instance {
    world: Mutex<World>,
    changed: Condvar,
}

/// What calls are about.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) host: Host,
    pub(crate) process: Process,
    /// Descriptors of this very process that keep the numbers: whoever calls closes some of them behind our back, and must neither
    /// meet one that is not open nor one of its own.
    pub(crate) numbers: BTreeMap<i32, OwnedFd>,
    /// Who waits, and until when at most.
    parked: Vec<(ThreadId, Option<Duration>)>,
    /// Who has not tried again since something has happened.
    untried: HashSet<ThreadId>,
    /// Whose call is done, and who has not looked at the clock since.
    returning: HashSet<ThreadId>,
    /// One of them has, since time was last let go on.
    has_returned: bool,
}

type Guard<'i> = MutexGuard<'i, World>;

impl Instance {
    pub(crate) fn new(host: Host, process: Process) -> Self {
        let world = World {
            host,
            process,
            numbers: BTreeMap::new(),
            parked: Vec::new(),
            untried: HashSet::default(),
            returning: HashSet::default(),
            has_returned: false,
        };
        Self { world: Mutex::new(world), changed: Condvar::new() }
    }

    /// All of it, when no call has gone wrong in the midst of changing it.
    pub(crate) fn lock(&self) -> Result<Guard<'_>, Errno> {
        self.world.lock().map_err(|_| BROKEN)
    }

    /// Makes a call, which waits if it has to.
    pub(crate) fn call(&self, mut attempt: impl FnMut(&mut World, &mut Progress) -> Outcome) -> Answer {
        let own = thread::current().id();
        let mut world = self.lock()?;
        world.returning.remove(&own);
        let mut progress = Progress::default();
        let mut has_waited = false;
        loop {
            let outcome = attempt(&mut world, &mut progress);
            world.settle();
            world.untried.remove(&own);
            world.parked.retain(|(thread, _)| *thread != own);
            if let Ok(Returned::Waits) = outcome {
                has_waited = true;
                world.parked.push((own, progress.until));
                self.changed.notify_all();
                let waited = self.changed.wait_while(world, |world| !world.untried.contains(&own));
                world = waited.map_err(|_| BROKEN)?;
                continue;
            }
            if has_waited {
                world.returning.insert(own);
                self.changed.notify_all();
            } else {
                // It may be what others wait for.
                drop(self.happened(world)?);
            }
            return answer(outcome);
        }
    }

    /// Lets time go on by so much, and all that happens until then.
    pub(crate) fn go_on(&self, by: Duration) -> Result<Guard<'_>, Errno> {
        let mut world = self.looked_at_the_clock()?;
        let until = world.host.elapsed() + by;
        while world.step(until) {
            world = self.happened(world)?;
        }
        Ok(world)
    }

    /// Gives way to who has returned from a call that has waited, and wants what the caller of `usleep` has let go of: packetdrill's own
    /// lock, with which it notes what the call has given. Nothing tells when it has done so; here it takes some real time, as there.
    pub(crate) fn give_way(&self) -> Result<(), Errno> {
        let has_returned = std::mem::take(&mut self.lock()?.has_returned);
        if has_returned {
            thread::sleep(A_LOCKS_TIME);
        }
        Ok(())
    }

    /// The packet that left first, and when; waits for one as long as nothing at all may come before it. `None`: none has come.
    pub(crate) fn next_packet(&self) -> Result<Option<Sent>, Errno> {
        let mut world = self.looked_at_the_clock()?;
        let until = world.host.elapsed() + PATIENCE;
        loop {
            if let Some(sent) = world.host.next_sent() {
                return Ok(Some(sent));
            }
            if !world.step(until) {
                return Ok(None);
            }
            world = self.happened(world)?;
        }
    }

    /// Lets a packet come in.
    pub(crate) fn inject(&self, packet: &[u8]) -> Answer {
        let mut world = self.lock()?;
        world.host.inject(packet);
        world.settle();
        drop(self.happened(world)?);
        Ok(0)
    }

    /// Lets all who wait try again.
    fn happened<'i>(&'i self, mut world: Guard<'i>) -> Result<Guard<'i>, Errno> {
        world.untried = world.parked.iter().map(|(thread, _)| *thread).collect();
        if world.untried.is_empty() {
            return Ok(world);
        }
        self.changed.notify_all();
        self.until_all_stand_still(world)
    }

    /// Waits for those who try again, and for those whose call is done.
    fn until_all_stand_still<'i>(&'i self, world: Guard<'i>) -> Result<Guard<'i>, Errno> {
        let moves = |world: &mut World| !(world.untried.is_empty() && world.returning.is_empty());
        let (mut world, waited) =
            self.changed.wait_timeout_while(world, A_THREADS_PATIENCE, moves).map_err(|_| BROKEN)?;
        if waited.timed_out() {
            // Who has not looked at the clock by now does not look at it.
            world.returning.clear();
        }
        Ok(world)
    }

    /// Whoever returns from a call that has waited finds the clock as it was then: it does not let go of the world in between.
    fn looked_at_the_clock(&self) -> Result<Guard<'_>, Errno> {
        let mut world = self.lock()?;
        if world.returning.remove(&thread::current().id()) {
            world.has_returned = true;
            self.changed.notify_all();
            return Ok(world);
        }
        self.until_all_stand_still(world)
    }
}

impl World {
    /// Goes on to what happens next, but no further than `until`; false when nothing does.
    fn step(&mut self, until: Duration) -> bool {
        let wake = self.parked.iter().filter_map(|(_, wake)| *wake).filter(|wake| *wake <= until).min();
        let happened = self.host.step(wake.unwrap_or(until)) || wake.is_some();
        if happened {
            self.settle();
        }
        happened
    }

    fn settle(&mut self) {
        self.host.collect();
        self.process.note_changes(&mut self.host);
    }

    /// Makes a call that makes a descriptor, with a number that is free in this very process; the number is given back when the call
    /// fails.
    pub(crate) fn numbered(&mut self, make: impl FnOnce(&mut Self, i32) -> Outcome) -> Outcome {
        let Ok(kept) = eventfd(0, EventfdFlags::CLOEXEC) else { return Ok(Returned::Error(TOO_MANY)) };
        let number = kept.as_raw_fd();
        let outcome = make(self, number);
        if let Ok(Returned::Value(_)) = outcome {
            self.numbers.insert(number, kept);
        }
        outcome
    }
}

/// What a call has come to; what is not known is told, so that a script that fails of it is not held against the engine.
fn answer(outcome: Outcome) -> Answer {
    match outcome {
        Ok(Returned::Value(value)) => Ok(value),
        Ok(Returned::Error(errno)) => Err(errno),
        Ok(Returned::Waits) => Err(BROKEN),
        Err(unknown) => Err(tell(&unknown)),
    }
}

/// Tells what is not known; the error that it is answered with.
#[expect(clippy::print_stderr, reason = "the table has no other way to tell")]
pub(crate) fn tell(unknown: &Unknown) -> Errno {
    eprintln!("towpath: {}", unknown.0);
    NOT_KNOWN
}

/// Our own fault.
pub(crate) const BROKEN: Errno = Errno { name: "EIO", number: 5 };
const TOO_MANY: Errno = Errno { name: "EMFILE", number: 24 };
/// None that a socket would answer with, so that no script passes by it.
const NOT_KNOWN: Errno = Errno { name: "ENOSYS", number: 38 };

/// How long a packet is waited for: as long as a retransmission may take.
const PATIENCE: Duration = Duration::from_secs(130);
/// How long, in real time, a thread may take to look at the clock.
const A_THREADS_PATIENCE: Duration = Duration::from_secs(1);
/// How long, in real time, a thread is given to take a lock that is free.
const A_LOCKS_TIME: Duration = Duration::from_millis(5);
