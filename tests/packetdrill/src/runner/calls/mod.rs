//! System calls: what a program does with the host's sockets.

mod connection;
mod constants;
mod data;
mod options;
mod waiting;

pub(super) use connection::PORT;
use towpath_engine::socket::SocketId;

use super::{settings::Settings, verdict::Stop};
use crate::{
    script::{Call, Value},
    system::{Host, Outcome, Process, Progress, Returned},
};

/// The program of a script.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) settings: Settings,
    pub(super) process: Process,
    /// The socket that assertions are about: the one accepted or connected last.
    pub(super) under_test: Option<SocketId>,
    /// It has begun a connection since the last packet that was expected: packets of others are passed over.
    pub(super) has_begun: bool,
    /// A socket was opened since the connection at hand was begun: the next SYN that comes begins another. Without one it is the same
    /// peer's once more.
    pub(super) has_new_socket: bool,
}

/// A call at hand.
#[derive(Debug)]
pub(super) struct Attempt<'c> {
    call: &'c Call,
    progress: &'c mut Progress,
}

type Function = fn(&mut Program, &mut Host, &mut Attempt<'_>) -> Result<Returned, Stop>;

/// Calls by name.
static CALLS: [(&str, Function); 25] = [
    ("accept", connection::accept),
    ("bind", connection::bind),
    ("close", connection::close),
    ("connect", connection::connect),
    ("epoll_create", waiting::epoll_create),
    ("epoll_ctl", waiting::epoll_ctl),
    ("epoll_wait", waiting::epoll_wait),
    ("fcntl", options::fcntl),
    ("getsockopt", options::getsockopt),
    ("ioctl", options::ioctl),
    ("listen", connection::listen),
    ("poll", waiting::poll),
    ("read", data::receive),
    ("readv", data::receive),
    ("recv", data::receive),
    ("recvfrom", data::receive),
    ("recvmsg", data::receive),
    ("send", data::send),
    ("sendmsg", data::send),
    ("sendto", data::send),
    ("setsockopt", options::setsockopt),
    ("shutdown", connection::shutdown),
    ("socket", connection::socket),
    ("write", data::send),
    ("writev", data::send),
];

/// Calls that are given a buffer and its length.
const BUFFERED: [&str; 6] = ["read", "recv", "recvfrom", "send", "sendto", "write"];

impl Program {
    pub(super) fn new(settings: Settings) -> Self {
        Self { settings, process: Process::default(), under_test: None, has_begun: false, has_new_socket: false }
    }

    /// Makes a call that may begin a connection, which assertions and packets are about then.
    fn beginning(
        &mut self,
        host: &mut Host,
        descriptor: i32,
        call: impl FnOnce(&mut Process, &mut Host) -> Outcome,
    ) -> Result<Returned, Stop> {
        let had_begun = self.process.has_begun(host, descriptor);
        let returned = call(&mut self.process, host)?;
        if !had_begun && self.process.has_begun(host, descriptor) {
            (self.under_test, self.has_begun) = (self.process.socket_id(descriptor), true);
        }
        Ok(returned)
    }

    /// Tries a call.
    pub(super) fn attempt(&mut self, host: &mut Host, call: &Call, progress: &mut Progress) -> Result<Returned, Stop> {
        let found = CALLS.iter().find(|(name, _)| *name == call.name);
        let (_, function) = found.ok_or_else(|| Stop::unknown("the call", &call.name))?;
        let mut attempt = Attempt { call, progress };
        // Of buffers it is known what comes of it.
        let is_told = |at| at == 1 && BUFFERED.contains(&call.name.as_str());
        if (0..call.arguments.len()).any(|at| attempt.points_nowhere(at) && !is_told(at)) {
            return Err(Stop::Unsupported("a pointer that leads nowhere has no counterpart here".to_owned()));
        }
        let returned = function(self, host, &mut attempt)?;
        host.collect();
        self.process.note_changes(host);
        Ok(returned)
    }

    /// The number of a descriptor that a call makes: the script's, as later calls name that one.
    fn descriptor_for(&self, attempt: &Attempt<'_>) -> i32 {
        let Value::Number(number) = attempt.call.result else { return self.process.free_descriptor() };
        // One that is open still is not named any more.
        let wanted = i32::try_from(number).ok().filter(|number| *number >= 0);
        wanted.unwrap_or_else(|| self.process.free_descriptor())
    }
}

impl Attempt<'_> {
    fn argument(&self, index: usize) -> Result<&Value, Stop> {
        self.call.arguments.get(index).ok_or_else(|| Stop::unknown("the form of", &self.call.name))
    }

    /// Whether an argument is a pointer that leads nowhere.
    fn points_nowhere(&self, index: usize) -> bool {
        matches!(self.call.arguments.get(index), Some(Value::Words(words)) if words == &["NULL"])
    }

    /// An argument as a number; constants are known by name.
    fn wide(&self, index: usize) -> Result<i64, Stop> {
        constants::number(self.argument(index)?)
    }

    /// One of 32 bits, with or without a sign.
    fn number(&self, index: usize) -> Result<i32, Stop> {
        let number = self.wide(index)?;
        let fits = number >= i32::MIN.into() && number <= u32::MAX.into();
        if fits { Ok(number as i32) } else { Err(Stop::unknown("the number", number)) }
    }
}
