//! One client of the control socket, as the gateway sees it.

use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use serde::Deserialize;
use towpath_engine::Instant;

use super::{
    Answers, Counters,
    codec::{self, CodecError},
    message::{Hello, Reply, Request, Topic, VERSION},
    outbox::Outbox,
};
use crate::{
    limits::{CONTROL_OUTBOX_BYTES_MAX, CONTROL_REQUEST_BYTES_MAX, CONTROL_SILENCE_MAX},
    stats::Report,
};

/// A client that has connected.
#[derive(Debug)]
pub(super) struct Peer<C> {
    stream: UnixStream,
    inbox: Vec<u8>,
    outbox: Outbox,
    task: Task<C>,
    /// When it is cut off unless something moves; none while nothing has to.
    deadline: Option<Instant>,
}

/// What a client is being given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Task<C> {
    /// Nothing yet: its request is not all there.
    Asking,
    /// What comes behind this place.
    Listing(Topic, Option<C>),
    /// What happens.
    Watching(Topic),
    /// What is in its outbox, and then how much of what it watched it has lost.
    CutOff(Topic, u64),
    /// What is in its outbox.
    Leaving,
}

/// A client that is done with, and how it went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gone {
    /// It got what it wanted, or left.
    Served,
    /// It did not read, or did not say what it wants.
    Silent,
}

impl<C: Copy> Peer<C> {
    pub(super) fn new(now: Instant, stream: UnixStream) -> Self {
        let deadline = Some(now + CONTROL_SILENCE_MAX);
        Self { stream, inbox: Vec::new(), outbox: Outbox::default(), task: Task::Asking, deadline }
    }

    /// What it watches, if it does.
    pub(super) const fn watched(&self) -> Option<Topic> {
        match self.task {
            Task::Watching(topic) => Some(topic),
            Task::Asking | Task::Listing(..) | Task::CutOff(..) | Task::Leaving => None,
        }
    }

    /// Whether it has something to be written when there is room.
    pub(super) const fn has_more(&self) -> bool {
        !self.outbox.is_empty() || matches!(self.task, Task::Listing(..))
    }

    /// When it is cut off unless something moves.
    pub(super) const fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    /// Does what can be done now without waiting: at most one page of a listing.
    pub(super) fn serve(
        &mut self,
        now: Instant,
        counters: &Counters,
        answers: &mut impl Answers<Cursor = C>,
    ) -> Result<(), Gone> {
        self.read(counters, answers)?;
        if let Task::Listing(topic, after) = self.task
            && self.outbox.len() < CONTROL_OUTBOX_BYTES_MAX
        {
            self.list(topic, after, answers);
        }
        if let Task::CutOff(_, lost) = self.task
            && self.outbox.is_empty()
        {
            self.outbox.push(&Reply::CutOff(lost));
            self.task = Task::Leaving;
        }
        let written = self.outbox.write_to(&self.stream).map_err(|_| Gone::Served)?;
        if matches!(self.task, Task::Leaving) && self.outbox.is_empty() {
            return Err(Gone::Served);
        }
        if self.watched().is_some() && self.outbox.is_empty() {
            self.deadline = None;
        } else if written > 0 || self.deadline.is_none() {
            self.deadline = Some(now + CONTROL_SILENCE_MAX);
        }
        if self.deadline.is_some_and(|deadline| deadline <= now) { Err(Gone::Silent) } else { Ok(()) }
    }

    /// Gives a watcher of `topic` a reply, encoded already. Returns false when it is lost; who reads too slowly is cut off.
    pub(super) fn tell(&mut self, topic: Topic, reply: &[u8]) -> bool {
        match &mut self.task {
            Task::Watching(watched) | Task::CutOff(watched, _) if *watched != topic => true,
            Task::Watching(_) if self.outbox.len() + reply.len() <= CONTROL_OUTBOX_BYTES_MAX => {
                self.outbox.push_bytes(reply);
                true
            }
            Task::Watching(_) => {
                self.task = Task::CutOff(topic, 1);
                false
            }
            Task::CutOff(_, lost) => {
                *lost += 1;
                false
            }
            Task::Asking | Task::Listing(..) | Task::Leaving => true,
        }
    }

    /// Reads what has come: the request, or that the client has left.
    fn read(&mut self, counters: &Counters, answers: &mut impl Answers<Cursor = C>) -> Result<(), Gone> {
        let mut bytes = [0; 4096];
        loop {
            match self.stream.read(&mut bytes) {
                Ok(0) => return Err(Gone::Served),
                Ok(len) if matches!(self.task, Task::Asking) => {
                    self.inbox.extend_from_slice(&bytes[..len]);
                    match codec::first(&self.inbox, CONTROL_REQUEST_BYTES_MAX)
                        .and_then(|message| message.map(parse_hello).transpose())
                    {
                        Ok(None) => {}
                        Ok(Some(hello)) => self.begin(hello, counters, answers),
                        Err(error) => self.refuse(error.to_string()),
                    }
                }
                // A request is all that a client may say.
                Ok(_) => self.refuse("only one request a connection".to_owned()),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone::Served),
            }
        }
    }

    fn begin(&mut self, hello: Result<Request, u32>, counters: &Counters, answers: &mut impl Answers<Cursor = C>) {
        match hello {
            Err(version) => self.refuse(format!(
                "the gateway speaks version {VERSION} of the control messages, not {version}; use the same towpath for both"
            )),
            Ok(Request::List(topic)) => self.task = Task::Listing(topic, None),
            Ok(Request::Watch(topic)) => self.task = Task::Watching(topic),
            Ok(Request::Stats) => {
                let report = Report { control: counters.into(), ..answers.report() };
                self.outbox.push(&Reply::Stats(Box::new(report)));
                self.outbox.push(&Reply::Done);
                self.task = Task::Leaving;
            }
        }
    }

    fn refuse(&mut self, why: String) {
        if !matches!(self.task, Task::Leaving) {
            self.outbox.push(&Reply::Refused(why));
            self.task = Task::Leaving;
        }
    }

    fn list(&mut self, topic: Topic, after: Option<C>, answers: &mut impl Answers<Cursor = C>) {
        let outbox = &mut self.outbox;
        let last = answers.page(topic, after, &mut |reply| outbox.push(reply));
        if last.is_some() {
            self.task = Task::Listing(topic, last);
        } else {
            self.outbox.push(&Reply::Done);
            self.task = Task::Leaving;
        }
    }
}

impl<C> AsFd for Peer<C> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The request, or the client's version when it is not ours.
fn parse_hello(bytes: &[u8]) -> Result<Result<Request, u32>, CodecError> {
    /// What all versions have in common.
    #[derive(Deserialize)]
    struct AnyHello {
        version: u32,
    }
    match codec::decode::<AnyHello>(bytes)?.version {
        VERSION => codec::decode::<Hello>(bytes).map(|hello| Ok(hello.request)),
        other => Ok(Err(other)),
    }
}
