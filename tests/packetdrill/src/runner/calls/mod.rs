//! System calls: what a program does with the host's sockets.

mod connection;
mod constants;
mod data;
mod options;
mod waiting;

use std::{collections::BTreeMap, time::Duration};

pub(super) use connection::PORT;
use towpath_engine::socket::{Readiness, Socket, SocketError, SocketId};

use super::{host::Host, settings::Settings, verdict::Stop};
use crate::script::{Call, Value};

/// The program of a script: its descriptors.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) settings: Settings,
    /// The congestion control of new sockets, when the script chose one.
    pub(super) congestion: Option<String>,
    files: BTreeMap<i64, File>,
    /// The socket that assertions are about: the one accepted or connected last.
    pub(super) under_test: Option<SocketId>,
}

#[derive(Debug)]
enum File {
    Socket(SocketId, Mode),
    Epoll(BTreeMap<i64, waiting::Watch>),
}

/// Whether calls wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Waits,
    Not,
}

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Returned {
    Value(i64),
    Error(&'static str),
    /// Not yet: it is to be tried again when something has happened.
    Waits,
}

/// A call at hand.
#[derive(Debug)]
pub(super) struct Attempt<'c> {
    call: &'c Call,
    progress: &'c mut Progress,
}

/// What earlier attempts at a call have come to.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Progress {
    /// Bytes written, or 1 for a connection that is begun.
    done: usize,
    /// When it gives up waiting, since the script's start.
    pub(super) until: Option<Duration>,
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

impl Program {
    pub(super) const fn new(settings: Settings) -> Self {
        Self { settings, congestion: None, files: BTreeMap::new(), under_test: None }
    }

    /// Tries a call.
    pub(super) fn attempt(&mut self, host: &mut Host, call: &Call, progress: &mut Progress) -> Result<Returned, Stop> {
        let found = CALLS.iter().find(|(name, _)| *name == call.name);
        let (_, function) = found.ok_or_else(|| Stop::unknown("the call", &call.name))?;
        if call.arguments.iter().any(|argument| *argument == Value::Words(vec!["NULL".to_owned()])) {
            return Err(Stop::Unsupported("a pointer that leads nowhere has no counterpart here".to_owned()));
        }
        let returned = function(self, host, &mut Attempt { call, progress })?;
        host.collect();
        self.note_changes(host);
        Ok(returned)
    }

    /// Tells what waits for events of what has changed.
    pub(super) fn note_changes(&mut self, host: &mut Host) {
        while let Some((id, _)) = host.engine.poll_socket() {
            let descriptors: Vec<i64> = self
                .files
                .iter()
                .filter(|(_, file)| matches!(file, File::Socket(own, _) if *own == id))
                .map(|(descriptor, _)| *descriptor)
                .collect();
            for file in self.files.values_mut() {
                if let File::Epoll(watches) = file {
                    for descriptor in &descriptors {
                        if let Some(watch) = watches.get_mut(descriptor) {
                            watch.has_changed = true;
                        }
                    }
                }
            }
        }
    }

    /// The socket of the descriptor that a call is given first.
    fn socket<'h>(&self, host: &'h mut Host, attempt: &Attempt<'_>) -> Result<(Socket<'h>, Mode), Stop> {
        let descriptor = attempt.number(0)?;
        let Some(File::Socket(id, mode)) = self.files.get(&descriptor) else {
            return Err(Stop::unknown("the socket", descriptor));
        };
        Ok((borrow(host, *id)?, *mode))
    }

    fn add(&mut self, attempt: &Attempt<'_>, file: File) -> Returned {
        // The script's number is the one that its later calls name.
        let descriptor = match attempt.call.result {
            Value::Number(number) if number >= 0 && !self.files.contains_key(&number) => number,
            Value::Any
            | Value::Number(_)
            | Value::Text(_)
            | Value::Words(_)
            | Value::Applied(..)
            | Value::Field(..)
            | Value::List(_)
            | Value::Struct(_) => (3..).find(|number| !self.files.contains_key(number)).unwrap_or(i64::MAX),
        };
        self.files.insert(descriptor, file);
        Returned::Value(descriptor)
    }

    fn readiness(&self, host: &mut Host, descriptor: i64) -> Result<Readiness, Stop> {
        match self.files.get(&descriptor) {
            Some(File::Socket(id, _)) => Ok(borrow(host, *id)?.readiness()),
            Some(File::Epoll(_)) | None => Err(Stop::unknown("the socket", descriptor)),
        }
    }
}

fn borrow(host: &mut Host, id: SocketId) -> Result<Socket<'_>, Stop> {
    host.engine.socket(host.now, id).map_err(|error| Stop::differs("the socket", "that it is there", error))
}

impl Attempt<'_> {
    fn argument(&self, index: usize) -> Result<&Value, Stop> {
        self.call.arguments.get(index).ok_or_else(|| Stop::unknown("the form of", &self.call.name))
    }

    /// An argument as a number; constants are known by name.
    fn number(&self, index: usize) -> Result<i64, Stop> {
        constants::number(self.argument(index)?)
    }
}

/// What a call has come to that does not wait.
fn done(result: Result<(), SocketError>) -> Returned {
    result.map_or_else(|error| Returned::Error(error.errno()), |()| Returned::Value(0))
}
