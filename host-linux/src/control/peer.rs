//! One client of the control socket, as the gateway sees it.

use std::{
    io::{self, Read},
    mem,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use towpath_engine::Instant;

use super::{
    Answers, Counters, Forgotten,
    message::{Reply, Topic},
    outbox::Outbox,
    task::{Answer, Desk, Task},
    watch::Watch,
};
use crate::{
    limits::{
        CONTROL_BYTE_TIME_MAX, CONTROL_OUTBOX_BYTES_MAX, CONTROL_PAUSE_MAX, CONTROL_SILENCE_MAX,
        CONTROL_TURN_BYTES_MAX, CONTROL_WATCHERS_MAX,
    },
    worker::Worker,
};

/// A client that has connected.
#[derive(Debug)]
pub(super) struct Peer<C, S> {
    stream: UnixStream,
    pub(super) inbox: Vec<u8>,
    pub(super) outbox: Outbox,
    pub(super) task: Task<C, S>,
    /// When it is cut off unless something moves; none while nothing has to.
    deadline: Option<Instant>,
    /// Whether nothing more is read from it: it has shut its sending side, or has said too much. It reads what it is given.
    has_said_all: bool,
}

/// A client that is done with, and how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// It got what it wanted, or left.
    Served,
    /// It did not read, or did not say what it wants.
    Silent,
}

impl<C: Copy + Send + 'static, S: Send + 'static> Peer<C, S> {
    pub(super) fn new(now: Instant, stream: UnixStream) -> Self {
        Self {
            stream,
            inbox: Vec::new(),
            outbox: Outbox::default(),
            task: Task::Asking,
            deadline: Some(now + CONTROL_SILENCE_MAX),
            has_said_all: false,
        }
    }

    /// What it watches, if it does.
    pub(super) const fn watched(&self) -> Option<Topic> {
        if let Task::Watching(watch) = &self.task { Some(watch.topic()) } else { None }
    }

    /// What to sleep on: whether it says something, and room when something is to be written.
    pub(super) fn events(&self) -> PollFlags {
        let says = if self.has_said_all { PollFlags::empty() } else { PollFlags::IN };
        let has_more = !self.outbox.is_empty()
            || matches!(self.task, Task::Listing(..) | Task::Forgetting(..) | Task::Revising(..));
        if has_more { says | PollFlags::OUT } else { says }
    }

    /// When it is cut off unless something moves.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// The memory that is not claimed of the budget.
    pub(super) const fn memory_bytes(&self) -> usize {
        let is_paid_for = matches!(self.task, Task::Coming(..));
        self.outbox.memory_bytes() + if is_paid_for { 0 } else { self.inbox.capacity() }
    }

    /// What is left of a client that has gone and is not dropped in a moment, if there is such a thing.
    pub(super) fn remains(self) -> Option<impl Send + 'static> {
        let Self { inbox, outbox, task, .. } = self;
        let is_long = outbox.is_long() || matches!(task, Task::Coming(..) | Task::Waiting(_) | Task::Abandoned(_));
        is_long.then_some((inbox, outbox, task))
    }

    /// Does what can be done now without waiting: at most one page of a listing.
    pub(super) fn serve<A: Answers<Cursor = C, Successor = S>>(
        &mut self,
        now: Instant,
        counters: &Counters,
        desk: &mut Desk<'_, A>,
    ) -> Result<(), Gone> {
        let was_coming = matches!(self.task, Task::Coming(..));
        let taken = self.read(counters, desk)?;
        self.go_on(desk);
        let (written, done) = self.outbox.write_to(&self.stream).map_err(|_| Gone::Served)?;
        if let Some(held) = done {
            desk.worker.discard(held);
        }
        if let Task::Watching(watch) = &mut self.task {
            watch.go_on(&mut self.outbox);
        }
        if matches!(self.task, Task::Leaving) && self.outbox.is_empty() {
            return Err(Gone::Served);
        }
        self.deadline = if let Task::Watching(watch) = &self.task {
            watch_deadline(now, watch, self.deadline.filter(|_| written == 0), desk.watchers)
        } else {
            self.next_deadline(now, was_coming, taken, written)
        };
        if self.deadline.is_some_and(|deadline| deadline <= now) { Err(Gone::Silent) } else { Ok(()) }
    }

    /// When it is cut off, now that so many bytes were taken from it, and given to it. What was announced is waited for a moment, and
    /// for each byte of it another one.
    fn next_deadline(&self, now: Instant, was_coming: bool, taken: usize, written: usize) -> Option<Instant> {
        let waits = matches!(
            self.task,
            Task::InTurn(_) | Task::Waiting(_) | Task::Abandoned(_) | Task::Forgetting(..) | Task::Revising(..)
        );
        if waits {
            return None;
        }
        let latest = now + CONTROL_SILENCE_MAX;
        let is_coming = matches!(self.task, Task::Coming(..));
        match self.deadline {
            Some(deadline) if written == 0 && is_coming == was_coming => {
                let bytes = if is_coming { u32::try_from(taken).unwrap_or(u32::MAX) } else { 0 };
                Some(latest.min(deadline + CONTROL_BYTE_TIME_MAX * bytes))
            }
            Some(_) | None => Some(latest),
        }
    }

    /// Its watch and where that is told, if it watches this.
    pub(super) fn watch_of(&mut self, topic: Topic) -> Option<(&mut Watch, &mut Outbox)> {
        match &mut self.task {
            Task::Watching(watch) if watch.topic() == topic => Some((watch, &mut self.outbox)),
            Task::Watching(_)
            | Task::Asking
            | Task::Listing(..)
            | Task::Forgetting(..)
            | Task::Revising(..)
            | Task::Coming(..)
            | Task::InTurn(_)
            | Task::Waiting(_)
            | Task::Abandoned(_)
            | Task::Leaving => None,
        }
    }

    /// Reads what has come: the request, what follows it, or that the client says no more. Gives how many bytes came; the rest
    /// of what is there waits for the next turn.
    fn read<A: Answers<Cursor = C, Successor = S>>(
        &mut self,
        counters: &Counters,
        desk: &mut Desk<'_, A>,
    ) -> Result<usize, Gone> {
        let mut bytes = [0; READ_BYTES];
        let mut taken = 0;
        while taken < CONTROL_TURN_BYTES_MAX && !self.has_said_all {
            match self.stream.read(&mut bytes) {
                // Who watches is not seen to leave otherwise, and the others have not said what they want.
                Ok(0) if matches!(self.task, Task::Asking | Task::Coming(..) | Task::Watching(_)) => {
                    return Err(Gone::Served);
                }
                Ok(0) => {
                    self.has_said_all = true;
                    self.leave()?;
                }
                Ok(len) => {
                    taken += len;
                    self.take(&bytes[..len], counters, desk);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What it began goes on, and it is counted until then.
                Err(_) if matches!(self.task, Task::Waiting(_) | Task::Abandoned(_)) => {
                    self.has_said_all = true;
                    self.leave()?;
                }
                Err(_) => return Err(Gone::Served),
            }
        }
        Ok(taken)
    }

    /// Gives up what has not begun yet when the client has left, and does not just say no more.
    fn leave(&self) -> Result<(), Gone> {
        let (Task::Waiting(errand) | Task::Abandoned(errand)) = &self.task else { return Ok(()) };
        if has_hung_up(&self.stream) && errand.give_up() { Err(Gone::Served) } else { Ok(()) }
    }

    fn take<A: Answers<Cursor = C, Successor = S>>(
        &mut self,
        bytes: &[u8],
        counters: &Counters,
        desk: &mut Desk<'_, A>,
    ) {
        if !matches!(self.task, Task::Asking | Task::Coming(..)) {
            return self.take_more(desk.worker);
        }
        self.inbox.extend_from_slice(bytes);
        if matches!(self.task, Task::Asking) {
            self.take_request(counters, desk);
        }
        if let Task::Coming(_, len, _) = self.task {
            if self.inbox.len() > len {
                let why = "something follows what was announced".to_owned();
                self.finish(Answer::Refused(why), desk.worker);
            } else if self.inbox.len() == len {
                self.take_in(desk);
            }
        }
    }

    /// Refuses what it says beyond its request. It keeps its place until what it has begun is done: else others could begin as much
    /// again meanwhile.
    fn take_more(&mut self, worker: &Worker) {
        match mem::replace(&mut self.task, Task::Leaving) {
            Task::Waiting(errand) if errand.give_up() => {
                self.finish(Answer::Refused(ONE_REQUEST.to_owned()), worker);
                worker.discard(errand);
            }
            Task::Waiting(errand) | Task::Abandoned(errand) => {
                self.task = Task::Abandoned(errand);
                self.has_said_all = true;
            }
            Task::Leaving => {}
            Task::Asking
            | Task::Listing(..)
            | Task::Forgetting(..)
            | Task::Revising(..)
            | Task::Watching(_)
            | Task::Coming(..)
            | Task::InTurn(_) => self.finish(Answer::Refused(ONE_REQUEST.to_owned()), worker),
        }
    }

    /// Begins with what has come.
    fn take_in<A: Answers<Cursor = C, Successor = S>>(&mut self, desk: &mut Desk<'_, A>) {
        let Task::Coming(coming, _, claim) = mem::replace(&mut self.task, Task::Leaving) else { return };
        match desk.take_in(coming, claim.of(mem::take(&mut self.inbox))) {
            Ok(errand) => self.task = Task::Waiting(errand),
            Err(why) => self.finish(Answer::Refused(why), desk.worker),
        }
    }

    /// Does the next piece of what it is being given.
    fn go_on<A: Answers<Cursor = C, Successor = S>>(&mut self, desk: &mut Desk<'_, A>) {
        let Self { outbox, task, .. } = self;
        match task {
            Task::Listing(listing, after) if outbox.len() < CONTROL_OUTBOX_BYTES_MAX => {
                match desk.answers.page(*listing, *after, &mut |reply| outbox.push(reply)) {
                    Some(last) => *after = Some(last),
                    None => self.finish(Answer::Replies(Vec::new()), desk.worker),
                }
            }
            Task::Forgetting(topic, condemned, after, count) => {
                let page = desk.answers.forget(*topic, condemned, *after);
                if let Some(count) = turn_page(page, after, count) {
                    self.finish(Answer::Replies(vec![Reply::Count(count)]), desk.worker);
                }
            }
            Task::Revising(revision, which, after, count) => {
                let page = desk.answers.revise(revision, which, *after);
                if let Some(count) = turn_page(page, after, count) {
                    self.finish(Answer::Replies(vec![Reply::Count(count)]), desk.worker);
                }
            }
            Task::InTurn(what) => match desk.gather(what) {
                Some(Ok(errand)) => *task = Task::Waiting(errand),
                Some(Err(why)) => self.finish(Answer::Refused(why), desk.worker),
                None => {}
            },
            Task::Waiting(errand) => {
                if let Some(answer) = desk.finish(errand) {
                    self.finish(answer, desk.worker);
                }
            }
            Task::Abandoned(errand) => {
                if desk.drop_done(errand) {
                    self.finish(Answer::Refused(ONE_REQUEST.to_owned()), desk.worker);
                }
            }
            Task::Asking | Task::Listing(..) | Task::Watching(_) | Task::Coming(..) | Task::Leaving => {}
        }
    }

    /// Tells it the last thing. What was coming from it goes to the worker, and is paid for until that has dropped it.
    pub(super) fn finish(&mut self, answer: Answer, worker: &Worker) {
        let mut end = Reply::Done;
        match answer {
            Answer::Refused(why) => end = Reply::Refused(why),
            Answer::Replies(replies) => replies.iter().for_each(|reply| self.outbox.push(reply)),
            Answer::Text(text) => {
                self.outbox.push(&Reply::Text(text.len() as u64));
                self.outbox.push_bytes(text.as_bytes());
            }
            Answer::Long(head, held) => {
                self.outbox.push(&head(held.bytes().len() as u64));
                self.outbox.push_long(held);
            }
        }
        self.outbox.push(&end);
        let former = mem::replace(&mut self.task, Task::Leaving);
        if matches!(former, Task::Coming(..)) {
            worker.discard((mem::take(&mut self.inbox), former));
        }
    }
}

impl<C, S> AsFd for Peer<C, S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Counts a page of what was done, and notes where it ends; gives how many there were of all when nothing comes behind it.
fn turn_page<C>((done, last): Forgotten<C>, after: &mut Option<C>, count: &mut u64) -> Option<u64> {
    *count += done;
    match last {
        Some(last) => {
            *after = Some(last);
            None
        }
        None => Some(*count),
    }
}

/// When a watcher is cut off. It may read when it likes, as what waits for it is bounded; but where all places of watchers are taken, not if
/// it loses what happens and reads nothing for long.
fn watch_deadline(now: Instant, watch: &Watch, known: Option<Instant>, watchers: usize) -> Option<Instant> {
    let is_in_the_way = watch.is_losing() && watchers >= CONTROL_WATCHERS_MAX;
    is_in_the_way.then(|| known.unwrap_or(now + CONTROL_PAUSE_MAX))
}

/// Whether the other end is closed, for reading and writing.
fn has_hung_up(stream: &UnixStream) -> bool {
    let mut files = [PollFd::new(stream, PollFlags::empty())];
    poll(&mut files, Some(&Timespec::default())).is_ok()
        && files[0].revents().intersects(PollFlags::HUP | PollFlags::ERR)
}

/// Why more than a request is refused.
pub(super) const ONE_REQUEST: &str = "only one request a connection";

/// Bytes read in one go.
const READ_BYTES: usize = 16 << 10;
