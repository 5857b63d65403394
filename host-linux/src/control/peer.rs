//! One client of the control socket, as the gateway sees it.

use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use rustix::event::PollFlags;
use serde::Deserialize;
use towpath_engine::{Instant, limits::RULES_TEXT_BYTES_MAX};

use super::{
    Answers, Counters,
    codec::{self, CodecError},
    message::{Hello, NewHelper, NewRules, Reply, Request, Topic, VERSION},
    outbox::Outbox,
    parser::{Parsed, Parser},
};
use crate::{
    helpers::Made,
    limits::{CONTROL_OUTBOX_BYTES_MAX, CONTROL_REQUEST_BYTES_MAX, CONTROL_SILENCE_MAX, CONTROL_STATE_BYTES_MAX},
    plugin::{Problem, limits::COMPONENT_BYTES_MAX},
    stats::Report,
    worker::{Broken, Doing},
};

/// A client that has connected.
#[derive(Debug)]
pub(super) struct Peer<C> {
    /// No other client of this gateway has it.
    number: u64,
    stream: UnixStream,
    inbox: Vec<u8>,
    /// Which rules are coming, or wait to be read; none: a helper or a snapshot is coming.
    rules: Option<NewRules>,
    /// Which helper is coming; none: rules or a snapshot are.
    helper: Option<NewHelper>,
    /// The helper that is being made for it.
    making: Option<(NewHelper, Doing<Made>)>,
    outbox: Outbox,
    task: Task<C>,
    /// When it is cut off unless something moves; none while nothing has to.
    deadline: Option<Instant>,
    /// Whether it has shut its sending side: it says nothing more, and reads what it is given.
    has_said_all: bool,
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
    /// What it gets for so many bytes, which are coming.
    Loading(usize),
    /// Its rules, which have come, once they have been read.
    Applying,
    /// What it gets for a helper that is being made.
    Waiting,
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
    pub(super) fn new(now: Instant, number: u64, stream: UnixStream) -> Self {
        let deadline = Some(now + CONTROL_SILENCE_MAX);
        Self {
            number,
            stream,
            inbox: Vec::new(),
            rules: None,
            helper: None,
            making: None,
            outbox: Outbox::default(),
            task: Task::Asking,
            deadline,
            has_said_all: false,
        }
    }

    /// Its number.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// What it watches, if it does.
    pub(super) const fn watched(&self) -> Option<Topic> {
        match self.task {
            Task::Watching(topic) => Some(topic),
            Task::Asking
            | Task::Listing(..)
            | Task::Loading(_)
            | Task::Applying
            | Task::Waiting
            | Task::CutOff(..)
            | Task::Leaving => None,
        }
    }

    /// Whether its rules wait to be read.
    pub(super) fn waits_for_parser(&self) -> bool {
        matches!(self.task, Task::Applying) && self.rules.is_some()
    }

    /// What to sleep on: whether it says something, and room when something is to be written.
    pub(super) fn events(&self) -> PollFlags {
        let says = if self.has_said_all { PollFlags::empty() } else { PollFlags::IN };
        let has_more = !self.outbox.is_empty() || matches!(self.task, Task::Listing(..));
        if has_more { says | PollFlags::OUT } else { says }
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
        parser: &mut Parser,
        answers: &mut impl Answers<Cursor = C>,
    ) -> Result<(), Gone> {
        let taken = self.read(counters, answers)?;
        if matches!(self.task, Task::Applying) {
            self.apply(parser, answers);
        }
        self.take_made(answers);
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
        let is_content = self.watched().is_some() && self.outbox.is_empty();
        if is_content || matches!(self.task, Task::Applying | Task::Waiting) {
            self.deadline = None;
        } else if written > 0 || (taken > 0 && matches!(self.task, Task::Loading(_))) || self.deadline.is_none() {
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
            Task::Asking | Task::Listing(..) | Task::Loading(_) | Task::Applying | Task::Waiting | Task::Leaving => {
                true
            }
        }
    }

    /// Reads what has come: the request, what follows it, or that the client says no more. Gives how many bytes came; the rest
    /// of what is there waits for the next turn.
    fn read(&mut self, counters: &Counters, answers: &mut impl Answers<Cursor = C>) -> Result<usize, Gone> {
        let mut bytes = [0; READ_BYTES];
        let mut taken = 0;
        for _ in 0..READS_A_TURN {
            if self.has_said_all {
                break;
            }
            match self.stream.read(&mut bytes) {
                Ok(0) => match self.task {
                    // Who watches is not seen to leave otherwise, and the others have not said what they want.
                    Task::Asking | Task::Loading(_) | Task::Watching(_) => return Err(Gone::Served),
                    Task::Listing(..) | Task::Applying | Task::Waiting | Task::CutOff(..) | Task::Leaving => {
                        self.has_said_all = true
                    }
                },
                Ok(len) => {
                    taken += len;
                    self.take(&bytes[..len], counters, answers);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(_) => return Err(Gone::Served),
            }
        }
        Ok(taken)
    }

    fn take(&mut self, bytes: &[u8], counters: &Counters, answers: &mut impl Answers<Cursor = C>) {
        if !matches!(self.task, Task::Asking | Task::Loading(_)) {
            // A request is all that a client may say.
            return self.refuse("only one request a connection".to_owned());
        }
        self.inbox.extend_from_slice(bytes);
        if matches!(self.task, Task::Asking) {
            match codec::first(&self.inbox, CONTROL_REQUEST_BYTES_MAX)
                .and_then(|message| message.map(parse_hello).transpose())
            {
                Ok(None) => {}
                Ok(Some((hello, len))) => {
                    self.inbox.drain(..len);
                    self.begin(hello, counters, answers);
                }
                Err(error) => self.refuse(error.to_string()),
            }
        }
        match self.task {
            Task::Loading(len) if self.inbox.len() >= len => self.load(len, answers),
            Task::Loading(_) | Task::Asking => {}
            Task::Listing(..) | Task::Watching(_) | Task::Waiting | Task::CutOff(..) | Task::Leaving
                if !self.inbox.is_empty() =>
            {
                self.refuse("only one request a connection".to_owned());
            }
            Task::Applying
            | Task::Waiting
            | Task::Listing(..)
            | Task::Watching(_)
            | Task::CutOff(..)
            | Task::Leaving => {}
        }
    }

    fn begin(&mut self, hello: Result<Request, u32>, counters: &Counters, answers: &mut impl Answers<Cursor = C>) {
        if let Some(why) = hello.as_ref().ok().and_then(has_no_answer) {
            return self.refuse(why.to_owned());
        }
        match hello {
            Err(version) => self.refuse(format!(
                "the gateway speaks version {VERSION} of the control messages, not {version}; use the same towpath for both"
            )),
            Ok(Request::List(topic)) => self.task = Task::Listing(topic, None),
            Ok(Request::Watch(topic)) => self.task = Task::Watching(topic),
            Ok(Request::Stats) => {
                let report = Report { control: counters.into(), ..answers.report() };
                self.answer(&Reply::Stats(Box::new(report)));
            }
            Ok(Request::Count(topic)) => self.answer(&Reply::Count(answers.count(topic))),
            Ok(Request::Tracking) => self.answer(&Reply::Tracking(answers.tracking())),
            Ok(Request::Forget(topic, numbers)) => self.answer(&Reply::Count(answers.forget(topic, Some(numbers)))),
            Ok(Request::Flush(topic)) => self.answer(&Reply::Count(answers.forget(topic, None))),
            Ok(Request::SaveState) => {
                let state = answers.save();
                self.give(&Reply::State(state.len() as u64), &state);
            }
            Ok(Request::SaveRules(family, counters)) => self.give_text(&answers.save_rules(family, counters)),
            Ok(Request::ListRules(family, table, options)) => {
                self.give_text(&answers.list_rules(family, table, options));
            }
            Ok(Request::ZeroRules(family, table)) => {
                answers.zero_rules(family, table);
                self.end();
            }
            Ok(Request::ApplyRules(rules)) => {
                let len = rules.texts.iter().try_fold(0u64, |sum, (_, len)| sum.checked_add(*len));
                match len.and_then(|len| usize::try_from(len).ok()).filter(|len| *len <= RULES_TEXT_BYTES_MAX) {
                    Some(len) => {
                        self.rules = Some(rules);
                        self.task = Task::Loading(len);
                    }
                    None => self.refuse(format!("rules have at most {RULES_TEXT_BYTES_MAX} bytes")),
                }
            }
            Ok(Request::Helpers) => {
                for helper in answers.helpers() {
                    self.outbox.push(&Reply::Helper(Box::new(helper)));
                }
                self.end();
            }
            Ok(Request::Features(device)) => self.end_with_text(answers.features(&device)),
            Ok(Request::Bonds(name)) => self.end_with_text(answers.bonds(name.as_deref())),
            Ok(Request::Tunables) => self.give_text(&answers.tunables()),
            Ok(Request::SetTunable(name, values)) => self.end_with(answers.set_tunable(&name, &values)),
            Ok(Request::SetFeatures(device, switches)) => self.end_with(answers.set_features(&device, &switches)),
            Ok(Request::UnloadHelper(name)) => match answers.unload_helper(&name) {
                Ok(expected) => self.answer(&Reply::Count(expected)),
                Err(why) => self.refuse(why),
            },
            Ok(Request::LoadHelper(helper)) => match usize::try_from(helper.bytes) {
                Ok(len) if len <= COMPONENT_BYTES_MAX => {
                    self.helper = Some(helper);
                    self.task = Task::Loading(len);
                }
                Ok(_) | Err(_) => self.refuse(format!("{}: {}", helper.name, Problem::TooLarge)),
            },
            Ok(Request::LoadState(len)) => match usize::try_from(len) {
                Ok(len) if len <= CONTROL_STATE_BYTES_MAX => self.task = Task::Loading(len),
                Ok(_) | Err(_) => self.refuse(format!("a snapshot has at most {CONTROL_STATE_BYTES_MAX} bytes")),
            },
        }
    }

    /// Gives a text, or says why there is none.
    fn end_with_text(&mut self, text: Result<String, String>) {
        match text {
            Ok(text) => self.give_text(&text),
            Err(why) => self.refuse(why),
        }
    }

    /// Gives the one reply to a request.
    fn answer(&mut self, reply: &Reply) {
        self.outbox.push(reply);
        self.end();
    }

    /// Says that it is done, or why not.
    fn end_with(&mut self, done: Result<(), String>) {
        match done {
            Ok(()) => self.end(),
            Err(why) => self.refuse(why),
        }
    }

    /// Says that all has been said.
    fn end(&mut self) {
        self.outbox.push(&Reply::Done);
        self.task = Task::Leaving;
    }

    fn give_text(&mut self, text: &str) {
        self.give(&Reply::Text(text.len() as u64), text.as_bytes());
    }

    /// Gives bytes behind the reply that says how many they are.
    fn give(&mut self, head: &Reply, bytes: &[u8]) {
        self.outbox.push(head);
        self.outbox.push_bytes(bytes);
        self.outbox.push(&Reply::Done);
        self.task = Task::Leaving;
    }

    /// Gives a client its helper, once that is made.
    fn take_made(&mut self, answers: &mut impl Answers<Cursor = C>) {
        let Some(made) = self.making.as_ref().and_then(|(_, making)| making.take()) else { return };
        let Some((helper, _)) = self.making.take() else { return };
        let made = made.unwrap_or_else(|Broken| Err(format!("{}: making a helper of it has failed", helper.name)));
        match made.and_then(|made| answers.load_helper(&helper, *made)) {
            Ok(loaded) => self.answer(&Reply::Helper(Box::new(loaded))),
            Err(why) => self.refuse(why),
        }
    }

    /// Lets the gateway go on from the snapshot that has come, or begin with the helper; rules that have come wait to be read.
    fn load(&mut self, len: usize, answers: &mut impl Answers<Cursor = C>) {
        if self.inbox.len() > len {
            return self.refuse("something follows what was announced".to_owned());
        }
        if self.rules.is_some() {
            self.task = Task::Applying;
            return;
        }
        if let Some(helper) = self.helper.take() {
            match answers.make_helper(&helper.name, std::mem::take(&mut self.inbox)) {
                Ok(making) => {
                    self.making = Some((helper, making));
                    self.task = Task::Waiting;
                }
                Err(why) => self.refuse(why),
            }
            return;
        }
        let loaded = answers.load(&std::mem::take(&mut self.inbox));
        self.done(loaded.map_err(|error| error.to_string()));
    }

    /// Lets its rules be read, when it is its turn, and gives them to the gateway when they have been.
    fn apply(&mut self, parser: &mut Parser, answers: &mut impl Answers<Cursor = C>) {
        if let Some(rules) = self.rules.take_if(|_| parser.is_free()) {
            let (names, texts) = (answers.names(), std::mem::take(&mut self.inbox));
            if let Err(error) = parser.begin(self.number, rules, texts, names) {
                self.refuse(format!("the rules cannot be read now: {error}"));
            }
        } else if let Some(Parsed { names, rules }) = parser.take(self.number) {
            self.done(rules.and_then(|rules| {
                // What they name was looked up in what the gateway had then.
                if answers.names() != names {
                    return Err("the gateway has other sets or helpers meanwhile; try again".to_owned());
                }
                answers.replace_rules(rules);
                Ok(())
            }));
        }
    }

    /// Says that it is done, or why not.
    fn done(&mut self, done: Result<(), String>) {
        match done {
            Ok(()) => {
                self.outbox.push(&Reply::Done);
                self.task = Task::Leaving;
            }
            Err(why) => self.refuse(why),
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

/// Why nothing of a topic can be asked that way.
const fn has_no_answer(request: &Request) -> Option<&'static str> {
    if matches!(request, Request::List(Topic::Log)) {
        return Some("what rules tell can be watched, and is not kept");
    }
    if matches!(request, Request::Count(Topic::Log) | Request::Forget(Topic::Log, _) | Request::Flush(Topic::Log)) {
        return Some("what rules tell is not kept");
    }
    let changes = matches!(
        request,
        Request::Watch(Topic::Sockets) | Request::Forget(Topic::Sockets, _) | Request::Flush(Topic::Sockets)
    );
    if changes { Some("sockets can be listed and counted") } else { None }
}

/// The request, or the client's version when it is not ours; and how long the message is.
fn parse_hello(bytes: &[u8]) -> Result<(Result<Request, u32>, usize), CodecError> {
    /// What all versions have in common.
    #[derive(Deserialize)]
    struct AnyHello {
        version: u32,
    }
    let len = codec::LENGTH_BYTES + bytes.len();
    match codec::decode::<AnyHello>(bytes)?.version {
        VERSION => codec::decode::<Hello>(bytes).map(|hello| (Ok(hello.request), len)),
        other => Ok((Err(other), len)),
    }
}

/// Bytes read in one go, and how often in one turn: 256 KB, after which the path has its turn again.
const READ_BYTES: usize = 16 << 10;
const READS_A_TURN: usize = 16;
