//! One client of the control socket, as the gateway sees it.

use std::{
    io::{self, Read},
    mem,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use rustix::event::PollFlags;
use towpath_engine::Instant;

use super::{
    Answers, Counters,
    message::{Reply, Topic},
    outbox::Outbox,
    task::{Answer, Desk, Task},
};
use crate::limits::{CONTROL_OUTBOX_BYTES_MAX, CONTROL_SILENCE_MAX, CONTROL_TURN_BYTES_MAX};

/// A client that has connected.
#[derive(Debug)]
pub(super) struct Peer<C, S> {
    stream: UnixStream,
    pub(super) inbox: Vec<u8>,
    pub(super) outbox: Outbox,
    pub(super) task: Task<C, S>,
    /// When it is cut off unless something moves; none while nothing has to.
    deadline: Option<Instant>,
    /// Whether it has shut its sending side: it says nothing more, and reads what it is given.
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
        if let Task::Watching(topic) = self.task { Some(topic) } else { None }
    }

    /// What to sleep on: whether it says something, and room when something is to be written.
    pub(super) fn events(&self) -> PollFlags {
        let says = if self.has_said_all { PollFlags::empty() } else { PollFlags::IN };
        let has_more = !self.outbox.is_empty() || matches!(self.task, Task::Listing(..) | Task::Forgetting(..));
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
        let is_long = outbox.is_long() || matches!(task, Task::Coming(..) | Task::Waiting(_));
        is_long.then_some((inbox, outbox, task))
    }

    /// Does what can be done now without waiting: at most one page of a listing.
    pub(super) fn serve<A: Answers<Cursor = C, Successor = S>>(
        &mut self,
        now: Instant,
        counters: &Counters,
        desk: &mut Desk<'_, A>,
    ) -> Result<(), Gone> {
        let taken = self.read(counters, desk)?;
        self.go_on(desk);
        let (written, done) = self.outbox.write_to(&self.stream).map_err(|_| Gone::Served)?;
        if let Some(held) = done {
            desk.worker.discard(held);
        }
        if matches!(self.task, Task::Leaving) && self.outbox.is_empty() {
            return Err(Gone::Served);
        }
        let is_content = self.watched().is_some() && self.outbox.is_empty();
        if is_content || matches!(self.task, Task::Waiting(_) | Task::Forgetting(..)) {
            self.deadline = None;
        } else if written > 0 || (taken > 0 && matches!(self.task, Task::Coming(..))) || self.deadline.is_none() {
            self.deadline = Some(now + CONTROL_SILENCE_MAX);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) { Err(Gone::Silent) } else { Ok(()) }
    }

    /// Gives a watcher of `topic` a reply, encoded already. Returns false when it is lost; who reads too slowly is cut off.
    pub(super) fn tell(&mut self, topic: Topic, reply: &[u8]) -> bool {
        match &mut self.task {
            Task::Watching(watched) if *watched == topic => {
                if self.outbox.len() + reply.len() <= CONTROL_OUTBOX_BYTES_MAX {
                    self.outbox.push_bytes(reply);
                    return true;
                }
                self.task = Task::CutOff(topic, 1);
                false
            }
            Task::CutOff(watched, lost) if *watched == topic => {
                *lost += 1;
                false
            }
            Task::Asking
            | Task::Listing(..)
            | Task::Forgetting(..)
            | Task::Watching(_)
            | Task::Coming(..)
            | Task::Waiting(_)
            | Task::CutOff(..)
            | Task::Leaving => true,
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
                Ok(0) => self.has_said_all = true,
                Ok(len) => {
                    taken += len;
                    self.take(&bytes[..len], counters, desk);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone::Served),
            }
        }
        Ok(taken)
    }

    fn take<A: Answers<Cursor = C, Successor = S>>(
        &mut self,
        bytes: &[u8],
        counters: &Counters,
        desk: &mut Desk<'_, A>,
    ) {
        if !matches!(self.task, Task::Asking | Task::Coming(..)) {
            return self.refuse_more();
        }
        self.inbox.extend_from_slice(bytes);
        if matches!(self.task, Task::Asking) {
            self.take_request(counters, desk);
        }
        if let Task::Coming(_, len, _) = self.task {
            if self.inbox.len() > len {
                self.refuse("something follows what was announced".to_owned());
            } else if self.inbox.len() == len {
                self.take_in(desk);
            }
        } else if !matches!(self.task, Task::Asking) && !self.inbox.is_empty() {
            self.refuse_more();
        }
    }

    /// Begins with what has come.
    fn take_in<A: Answers<Cursor = C, Successor = S>>(&mut self, desk: &mut Desk<'_, A>) {
        let Task::Coming(coming, _, claim) = mem::replace(&mut self.task, Task::Leaving) else { return };
        match desk.take_in(coming, claim.of(mem::take(&mut self.inbox))) {
            Ok(errand) => self.task = Task::Waiting(errand),
            Err(why) => self.finish(Answer::Refused(why)),
        }
    }

    /// Does the next piece of what it is being given.
    fn go_on<A: Answers<Cursor = C, Successor = S>>(&mut self, desk: &mut Desk<'_, A>) {
        let Self { outbox, task, .. } = self;
        match task {
            Task::Listing(listing, after) if outbox.len() < CONTROL_OUTBOX_BYTES_MAX => {
                match desk.answers.page(*listing, *after, &mut |reply| outbox.push(reply)) {
                    Some(last) => *after = Some(last),
                    None => self.finish(Answer::Replies(Vec::new())),
                }
            }
            Task::Forgetting(topic, condemned, after, count) => {
                let (forgotten, last) = desk.answers.forget(*topic, condemned, *after);
                *count += forgotten;
                match last {
                    Some(last) => *after = Some(last),
                    None => {
                        let count = *count;
                        self.finish(Answer::Replies(vec![Reply::Count(count)]));
                    }
                }
            }
            Task::Waiting(errand) => {
                if let Some(answer) = desk.finish(errand) {
                    self.finish(answer);
                }
            }
            Task::CutOff(_, lost) if outbox.is_empty() => {
                outbox.push(&Reply::CutOff(*lost));
                *task = Task::Leaving;
            }
            Task::Asking
            | Task::Listing(..)
            | Task::Watching(_)
            | Task::Coming(..)
            | Task::CutOff(..)
            | Task::Leaving => {}
        }
    }

    /// Tells it the last thing.
    pub(super) fn finish(&mut self, answer: Answer) {
        let mut end = Reply::Done;
        match answer {
            Answer::Refused(why) => end = Reply::Refused(why),
            Answer::Replies(replies) => replies.iter().for_each(|reply| self.outbox.push(reply)),
            Answer::Long(head, held) => {
                self.outbox.push(&head(held.bytes.len() as u64));
                self.outbox.push_long(held);
            }
        }
        self.outbox.push(&end);
        self.task = Task::Leaving;
    }

    pub(super) fn refuse(&mut self, why: String) {
        if !matches!(self.task, Task::Leaving) {
            self.finish(Answer::Refused(why));
        }
    }

    /// A request is all that a client may say.
    fn refuse_more(&mut self) {
        self.refuse("only one request a connection".to_owned());
    }
}

impl<C, S> AsFd for Peer<C, S> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// Bytes read in one go.
const READ_BYTES: usize = 16 << 10;
