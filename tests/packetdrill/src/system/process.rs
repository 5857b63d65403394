//! A process: its descriptors, and what calls come to.

use std::{collections::BTreeMap, time::Duration};

use towpath_engine::socket::{Family, Readiness, Socket, SocketError, SocketId};

use super::{errno::Errno, host::Host, waiting::Watch};

/// A program that runs on a host: its descriptors. Who calls chooses their numbers, as each call that makes one is told which it is.
#[derive(Debug, Default)]
pub struct Process {
    /// New sockets hold their segments apart, at the rate that they would tell a queue of the device.
    pub paces: bool,
    /// What had been counted when that was asked for last.
    pub(super) counted: BTreeMap<String, u64>,
    pub(super) files: BTreeMap<i32, File>,
}

/// What a descriptor stands for.
#[derive(Debug)]
pub(super) enum File {
    Socket(OpenSocket),
    Epoll(BTreeMap<i32, Watch>),
}

/// A socket that is open.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenSocket {
    pub(super) id: SocketId,
    pub(super) family: Family,
    pub(super) mode: Mode,
    /// A connection was begun, and nobody has asked yet what became of it.
    pub(super) is_connecting: bool,
    /// Somebody has been told that it is connected.
    pub(super) is_connected: bool,
}

/// Whether calls wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Waits,
    Not,
}

/// What a call comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// It is done, with this result.
    Value(i64),
    /// It fails.
    Error(Errno),
    /// Not yet: it is to be tried again when something has happened.
    Waits,
}

/// What earlier attempts at a call have come to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Progress {
    /// Bytes written or read, or 1 for a connection that is begun.
    pub(super) done: usize,
    /// Whether a call that sends has begun a connection.
    pub(super) beginning: Beginning,
    /// When it gives up waiting, since the host's start.
    pub until: Option<Duration>,
}

/// Whether a call that sends has begun a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Beginning {
    /// It has not.
    #[default]
    Not,
    /// It has, and waits until that stands.
    Waits,
    /// That stands.
    Stands,
}

/// Something is asked for that the host has not, so that what it answers would say nothing about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown(pub String);

impl Unknown {
    /// Something by its name or number.
    pub fn new(what: &str, name: impl std::fmt::Display) -> Self {
        Self(format!("{what} `{name}` is not known"))
    }
}

/// What a call comes to, if it is known.
pub type Outcome = Result<Returned, Unknown>;

impl Process {
    /// The least number that is no descriptor, from 3 on.
    #[must_use]
    pub fn free_descriptor(&self) -> i32 {
        (3..i32::MAX).find(|number| !self.files.contains_key(number)).unwrap_or(i32::MAX)
    }

    /// Whether the number is a descriptor.
    #[must_use]
    pub fn has(&self, descriptor: i32) -> bool {
        self.files.contains_key(&descriptor)
    }

    /// The engine's handle of a socket.
    #[must_use]
    pub fn socket_id(&self, descriptor: i32) -> Option<SocketId> {
        self.open(descriptor).ok().map(|open| open.id)
    }

    /// Tells what waits for events of what has changed. To be called after each call and whenever time has gone on.
    pub fn note_changes(&mut self, host: &mut Host) {
        while let Some((id, _)) = host.engine.poll_socket() {
            let of_socket = |file: &File| matches!(file, File::Socket(open) if open.id == id);
            let descriptors: Vec<i32> =
                self.files.iter().filter(|(_, file)| of_socket(file)).map(|(descriptor, _)| *descriptor).collect();
            for file in self.files.values_mut() {
                let File::Epoll(watches) = file else { continue };
                for descriptor in &descriptors {
                    if let Some(watch) = watches.get_mut(descriptor) {
                        watch.has_changed = true;
                    }
                }
            }
        }
    }

    /// What a descriptor says of its socket.
    pub(super) fn open(&self, descriptor: i32) -> Result<OpenSocket, Errno> {
        match self.files.get(&descriptor) {
            Some(File::Socket(open)) => Ok(*open),
            Some(File::Epoll(_)) => Err(Errno::NOT_SOCKET),
            None => Err(Errno::BAD_DESCRIPTOR),
        }
    }

    pub(super) fn open_mut(&mut self, descriptor: i32) -> Option<&mut OpenSocket> {
        match self.files.get_mut(&descriptor) {
            Some(File::Socket(open)) => Some(open),
            Some(File::Epoll(_)) | None => None,
        }
    }

    /// The socket of a descriptor, for calls now.
    pub(super) fn borrow<'h>(&self, host: &'h mut Host, descriptor: i32) -> Result<(Socket<'h>, OpenSocket), Errno> {
        let open = self.open(descriptor)?;
        Ok((host.engine.socket(host.now, open.id)?, open))
    }

    pub(super) fn readiness(&self, host: &mut Host, descriptor: i32) -> Result<Readiness, Errno> {
        Ok(self.borrow(host, descriptor)?.0.readiness())
    }
}

/// What a call has come to that does not wait.
pub(super) fn done(result: Result<(), SocketError>) -> Returned {
    match result {
        Ok(()) => Returned::Value(0),
        Err(error) => Returned::Error(error.into()),
    }
}

/// What a call has come to that may have failed before the engine was asked.
pub(super) fn settled(result: Result<Returned, Errno>) -> Outcome {
    Ok(result.unwrap_or_else(Returned::Error))
}
