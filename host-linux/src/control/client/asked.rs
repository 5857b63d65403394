//! The answer to each request, as what it is.

use std::{
    io::{self, Read},
    path::Path,
};

use towpath_engine::{
    Change, Instant,
    conntrack::{Entry, ExpectationEntry, Family},
    socket::SocketEntry,
};

use super::{
    super::message::{Logged, NewHelper, NewRules, Reply, Request, Switched, Topic},
    Client, ClientError, ClientErrorCause, say,
};
use crate::{helpers::Loaded, limits::CONTROL_STATE_BYTES_MAX, stats::Report, tracking::Counted};

/// What has happened to a connection or expectation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Happened<E> {
    /// When.
    pub when: Instant,
    /// What.
    pub change: Change,
    /// As it was then.
    pub entry: Box<E>,
}

/// Things that a gateway tells, one by one; the last one may be why no more come.
#[derive(Debug)]
pub struct Told<T> {
    client: Client,
    /// Whether all has been told.
    is_over: bool,
    pick: fn(Reply) -> Option<T>,
}

/// What happens in a gateway, told as it happens; the last thing is why no more is told.
#[derive(Debug)]
pub struct Watched<T>(Told<T>);

/// What a watcher hears.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard<T> {
    /// Something has happened.
    Told(T),
    /// So much has happened that is not told, because the watcher has read too slowly.
    Lost(u64),
}

impl<T> Iterator for Told<T> {
    type Item = Result<T, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_of(self.pick)
    }
}

impl<T> Iterator for Watched<T> {
    type Item = Result<Heard<T>, ClientError>;

    fn next(&mut self) -> Option<Self::Item> {
        let pick = self.0.pick;
        self.0.next_of(|reply| {
            if let Reply::Lost(count) = reply { Some(Heard::Lost(count)) } else { pick(reply).map(Heard::Told) }
        })
    }
}

impl<T> Watched<T> {
    /// Whether the next thing is there already.
    #[must_use]
    pub fn has_next(&self) -> bool {
        self.0.client.has_reply()
    }
}

impl<T> Told<T> {
    /// The next thing that is picked.
    fn next_of<U>(&mut self, pick: impl Fn(Reply) -> Option<U>) -> Option<Result<U, ClientError>> {
        while !self.is_over {
            match self.client.next_reply() {
                Ok(Some(reply)) => {
                    if let Some(thing) = pick(reply) {
                        return Some(Ok(thing));
                    }
                }
                Ok(None) => self.is_over = true,
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl Client {
    /// Asks for all counters.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`].
    pub fn stats(path: &Path) -> Result<Report, ClientError> {
        Self::one(path, Request::Stats, |reply| if let Reply::Stats(report) = reply { Some(*report) } else { None })
    }

    /// Asks for what connection tracking has counted.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`].
    pub fn tracking(path: &Path) -> Result<Counted, ClientError> {
        Self::one(
            path,
            Request::Tracking,
            |reply| if let Reply::Tracking(counted) = reply { Some(counted) } else { None },
        )
    }

    /// Asks for a number: [`Request::Count`], [`Request::Forget`], [`Request::Flush`], [`Request::UnloadHelper`].
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`].
    pub fn count(path: &Path, request: Request) -> Result<u64, ClientError> {
        Self::one(path, request, |reply| if let Reply::Count(count) = reply { Some(count) } else { None })
    }

    /// Asks for something to be done that nothing is said of.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`].
    pub fn order(path: &Path, request: Request) -> Result<(), ClientError> {
        Self::ask(path, request)?.finish()
    }

    /// Asks for all connections.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub fn connections(path: &Path) -> Result<Told<Box<Entry>>, ClientError> {
        Self::told(path, Request::List(Topic::Connections), connection)
    }

    /// Asks for what happens to connections from now on.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub fn watch_connections(path: &Path) -> Result<Watched<Happened<Entry>>, ClientError> {
        Self::watched(path, Topic::Connections, |reply| {
            if let Reply::ConnectionEvent(when, change, entry) = reply {
                Some(Happened { when, change, entry })
            } else {
                None
            }
        })
    }

    /// Asks for all connections, which count what they carry anew from then on.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub fn connections_counted(path: &Path) -> Result<Told<Box<Entry>>, ClientError> {
        Self::told(path, Request::ListAndForgetCounted, connection)
    }

    /// Asks for all expectations.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub fn expectations(path: &Path) -> Result<Told<Box<ExpectationEntry>>, ClientError> {
        Self::told(path, Request::List(Topic::Expectations), |reply| {
            if let Reply::Expectation(entry) = reply { Some(entry) } else { None }
        })
    }

    /// Asks for what happens to expectations from now on.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub fn watch_expectations(path: &Path) -> Result<Watched<Happened<ExpectationEntry>>, ClientError> {
        Self::watched(path, Topic::Expectations, |reply| {
            if let Reply::ExpectationEvent(when, change, entry) = reply {
                Some(Happened { when, change, entry })
            } else {
                None
            }
        })
    }

    /// Asks for all sockets.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub fn sockets(path: &Path) -> Result<Told<Box<SocketEntry>>, ClientError> {
        Self::told(path, Request::List(Topic::Sockets), |reply| {
            if let Reply::Socket(socket) = reply { Some(socket) } else { None }
        })
    }

    /// Asks for what rules tell from now on.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub fn log(path: &Path) -> Result<Watched<(Instant, Box<Logged>)>, ClientError> {
        Self::watched(path, Topic::Log, |reply| {
            if let Reply::Logged(when, logged) = reply { Some((when, logged)) } else { None }
        })
    }

    /// Asks for all helpers.
    ///
    /// # Errors
    /// As for [`Self::ask`].
    pub fn helpers(path: &Path) -> Result<Told<Box<Loaded>>, ClientError> {
        Self::told(path, Request::Helpers, helper)
    }

    /// Asks for the gateway as bytes.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`].
    pub fn save_state(path: &Path) -> Result<Vec<u8>, ClientError> {
        Self::bytes(path, Request::SaveState)
    }

    /// Asks for a text: [`Request::SaveRules`], [`Request::ListRules`], [`Request::Tunables`], [`Request::Features`].
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`].
    pub fn text(path: &Path, request: Request) -> Result<String, ClientError> {
        String::from_utf8(Self::bytes(path, request)?).map_err(|error| {
            let cause = ClientErrorCause::Io(io::Error::new(io::ErrorKind::InvalidData, error));
            ClientError { path: path.to_owned(), cause }
        })
    }

    /// Asks for bytes that come behind a reply with their number.
    fn bytes(path: &Path, request: Request) -> Result<Vec<u8>, ClientError> {
        let mut client = Self::ask(path, request)?;
        let mut bytes = Vec::new();
        while let Some(reply) = client.next_reply()? {
            if let Reply::State(len) | Reply::Text(len) = reply {
                let len = len.min(CONTROL_STATE_BYTES_MAX as u64);
                let read = (&mut client.stream).take(len).read_to_end(&mut bytes);
                let cause = match read {
                    Ok(read) if read as u64 == len => continue,
                    Ok(_) => ClientErrorCause::Ended,
                    Err(error) => ClientErrorCause::Io(error),
                };
                return Err(ClientError { path: path.to_owned(), cause });
            }
        }
        Ok(bytes)
    }

    /// Switches features of a device on or off, by name; tells what came of it.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`]; the gateway refuses a device or feature that is not there, and changes nothing.
    pub fn switch(path: &Path, device: String, switches: Vec<(String, bool)>) -> Result<Switched, ClientError> {
        let switched = |reply| if let Reply::Switched(switched) = reply { Some(switched) } else { None };
        Self::ask(path, Request::SetFeatures(device, switches))?.last(switched)
    }

    /// Puts rules in the place of those of their family: names and texts.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`]; the gateway refuses wrong rules with their place, and keeps those that
    /// it has.
    pub fn apply_rules(
        path: &Path,
        family: Family,
        counters: bool,
        texts: &[(String, String)],
    ) -> Result<(), ClientError> {
        let named = texts.iter().map(|(name, text)| (name.clone(), text.len() as u64)).collect();
        let mut client = Self::ask(path, Request::ApplyRules(NewRules { family, counters, texts: named }))?;
        for (_, text) in texts {
            say(client.stream.get_mut(), text.as_bytes())
                .map_err(|error| ClientError { path: path.to_owned(), cause: ClientErrorCause::Io(error) })?;
        }
        client.finish()
    }

    /// Loads a component into a gateway; gives the helper that it is there.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`]; the gateway refuses what is no helper, and goes on with those that it has.
    pub fn load_helper(path: &Path, new: NewHelper, component: &[u8]) -> Result<Loaded, ClientError> {
        let failed = |cause| ClientError { path: path.to_owned(), cause };
        let mut client = Self::ask(path, Request::LoadHelper(new))?;
        say(client.stream.get_mut(), component).map_err(|error| failed(ClientErrorCause::Io(error)))?;
        client.last(helper).map(|loaded| *loaded)
    }

    /// Lets a gateway go on from a snapshot.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`]; the gateway refuses what is no snapshot of itself, and goes on as it was.
    pub fn load_state(path: &Path, state: &[u8]) -> Result<(), ClientError> {
        let mut client = Self::ask(path, Request::LoadState(state.len() as u64))?;
        say(client.stream.get_mut(), state)
            .map_err(|error| ClientError { path: path.to_owned(), cause: ClientErrorCause::Io(error) })?;
        client.finish()
    }

    fn told<T>(path: &Path, request: Request, pick: fn(Reply) -> Option<T>) -> Result<Told<T>, ClientError> {
        Ok(Told { client: Self::ask(path, request)?, is_over: false, pick })
    }

    fn watched<T>(path: &Path, topic: Topic, pick: fn(Reply) -> Option<T>) -> Result<Watched<T>, ClientError> {
        Self::told(path, Request::Watch(topic), pick).map(Watched)
    }

    fn one<T>(path: &Path, request: Request, pick: fn(Reply) -> Option<T>) -> Result<T, ClientError> {
        Self::ask(path, request)?.last(pick)
    }

    /// Reads all replies; gives the last one that is what was asked for.
    fn last<T>(mut self, pick: fn(Reply) -> Option<T>) -> Result<T, ClientError> {
        let mut found = None;
        while let Some(reply) = self.next_reply()? {
            found = pick(reply).or(found);
        }
        found.ok_or(ClientError { path: self.path, cause: ClientErrorCause::Ended })
    }

    /// Reads all replies.
    fn finish(mut self) -> Result<(), ClientError> {
        while self.next_reply()?.is_some() {}
        Ok(())
    }
}

fn connection(reply: Reply) -> Option<Box<Entry>> {
    if let Reply::Connection(entry) = reply { Some(entry) } else { None }
}

fn helper(reply: Reply) -> Option<Box<Loaded>> {
    if let Reply::Helper(helper) = reply { Some(helper) } else { None }
}
