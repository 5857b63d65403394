//! The other end of the control socket: what `towpath conntrack`, `towpath stats` and their like talk through.

use std::{
    fmt,
    io::{self, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use rustix::{net::sockopt::socket_peercred, process::geteuid};
use towpath_engine::conntrack::Family;

use super::{
    codec::{self, LENGTH_BYTES},
    message::{Hello, NewHelper, NewRules, Reply, Request, VERSION},
};
use crate::{
    helpers::Loaded,
    limits::{CONTROL_REPLY_BYTES_MAX, CONTROL_STATE_BYTES_MAX},
};

/// The answers of a running gateway to one request: all replies up to [`Reply::Done`], which is not among them.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: BufReader<UnixStream>,
}

/// Why a gateway cannot be asked, or did not answer.
#[derive(Debug)]
pub struct ClientError {
    path: PathBuf,
    cause: ClientErrorCause,
}

#[derive(Debug)]
enum ClientErrorCause {
    /// Nobody listens.
    NoGateway,
    /// The socket belongs to somebody else.
    NotPermitted,
    /// Whoever listens is neither root nor us.
    Stranger(u32),
    /// The gateway refused the request.
    Refused(String),
    /// We read too slowly.
    CutOff(u64),
    /// The gateway stopped in the middle.
    Ended,
    /// A system call failed, or the answer is no message.
    Io(io::Error),
}

impl Client {
    /// Asks the gateway that listens at `path`.
    ///
    /// # Errors
    /// [`ClientError`]: nobody listens there, or somebody else's gateway.
    pub fn ask(path: &Path, request: Request) -> Result<Self, ClientError> {
        let failed = |cause| ClientError { path: path.to_owned(), cause };
        let mut stream = UnixStream::connect(path).map_err(|error| failed(connect_failure(error)))?;
        // Whoever may write to the directory could have put a socket there.
        let peer = socket_peercred(&stream).map_err(|error| failed(ClientErrorCause::Io(error.into())))?;
        if !peer.uid.is_root() && peer.uid != geteuid() {
            return Err(failed(ClientErrorCause::Stranger(peer.uid.as_raw())));
        }
        let mut message = Vec::new();
        codec::append(&mut message, &Hello { version: VERSION, request })
            .map_err(io::Error::from)
            .and_then(|()| say(&mut stream, &message))
            .map_err(|error| failed(ClientErrorCause::Io(error)))?;
        Ok(Self { path: path.to_owned(), stream: BufReader::new(stream) })
    }

    /// Asks for the gateway as bytes.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`].
    pub fn save_state(path: &Path) -> Result<Vec<u8>, ClientError> {
        Self::bytes(path, Request::SaveState)
    }

    /// Asks for a text: [`Request::SaveRules`], [`Request::ListRules`].
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
        while client.next_reply()?.is_some() {}
        Ok(())
    }

    /// Loads a component into a gateway; gives the helper that it is there.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`]; the gateway refuses what is no helper, and goes on with those that it has.
    pub fn load_helper(path: &Path, helper: NewHelper, component: &[u8]) -> Result<Loaded, ClientError> {
        let failed = |cause| ClientError { path: path.to_owned(), cause };
        let mut client = Self::ask(path, Request::LoadHelper(helper))?;
        say(client.stream.get_mut(), component).map_err(|error| failed(ClientErrorCause::Io(error)))?;
        let mut loaded = None;
        while let Some(reply) = client.next_reply()? {
            if let Reply::Helper(helper) = reply {
                loaded = Some(*helper);
            }
        }
        loaded.ok_or_else(|| failed(ClientErrorCause::Ended))
    }

    /// Lets a gateway go on from a snapshot.
    ///
    /// # Errors
    /// As for [`Self::ask`] and [`Self::next_reply`]; the gateway refuses what is no snapshot of itself, and goes on as it was.
    pub fn load_state(path: &Path, state: &[u8]) -> Result<(), ClientError> {
        let mut client = Self::ask(path, Request::LoadState(state.len() as u64))?;
        say(client.stream.get_mut(), state)
            .map_err(|error| ClientError { path: path.to_owned(), cause: ClientErrorCause::Io(error) })?;
        while client.next_reply()?.is_some() {}
        Ok(())
    }

    /// The next reply; none after the last one.
    ///
    /// # Errors
    /// [`ClientError`]: the request is refused, the gateway stopped, or we read too slowly.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ClientError> {
        let cause = match self.read() {
            Ok(Reply::Done) => return Ok(None),
            Ok(Reply::Refused(why)) => ClientErrorCause::Refused(why),
            Ok(Reply::CutOff(lost)) => ClientErrorCause::CutOff(lost),
            Ok(
                reply @ (Reply::Connection(_)
                | Reply::ConnectionEvent(..)
                | Reply::Expectation(_)
                | Reply::ExpectationEvent(..)
                | Reply::Stats(_)
                | Reply::Count(_)
                | Reply::Tracking(_)
                | Reply::State(_)
                | Reply::Text(_)
                | Reply::Helper(_)
                | Reply::Logged(..)),
            ) => return Ok(Some(reply)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => ClientErrorCause::Ended,
            Err(error) => ClientErrorCause::Io(error),
        };
        Err(ClientError { path: self.path.clone(), cause })
    }

    fn read(&mut self) -> io::Result<Reply> {
        let mut message = vec![0; LENGTH_BYTES];
        self.stream.read_exact(&mut message)?;
        let mut len = [0; LENGTH_BYTES];
        len.copy_from_slice(&message);
        // Refuses a length beyond the bound; the message itself is not there yet.
        codec::first(&message, CONTROL_REPLY_BYTES_MAX)?;
        message.resize(u32::from_le_bytes(len) as usize, 0);
        self.stream.read_exact(&mut message)?;
        Ok(codec::decode(&message)?)
    }
}

/// A gateway that turns clients away may have closed already; its reason can still be read.
fn say(stream: &mut UnixStream, message: &[u8]) -> io::Result<()> {
    stream
        .write_all(message)
        .or_else(|error| if error.kind() == io::ErrorKind::BrokenPipe { Ok(()) } else { Err(error) })
}

fn connect_failure(error: io::Error) -> ClientErrorCause {
    match error.raw_os_error() {
        Some(libc::ENOENT | libc::ECONNREFUSED | libc::ENOTDIR) => ClientErrorCause::NoGateway,
        Some(libc::EACCES | libc::EPERM) => ClientErrorCause::NotPermitted,
        Some(_) | None => ClientErrorCause::Io(error),
    }
}

impl fmt::Display for ClientError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.cause {
            ClientErrorCause::NoGateway => {
                write!(f, "no gateway listens at {path}; start one with `towpath run`, or give --control PATH")
            }
            ClientErrorCause::NotPermitted => {
                write!(f, "no permission to talk to the gateway at {path}: only root and who started it may")
            }
            ClientErrorCause::Stranger(uid) => {
                write!(f, "the socket at {path} belongs to user {uid}, who is neither root nor you")
            }
            ClientErrorCause::Refused(why) => write!(f, "the gateway at {path} refused: {why}"),
            ClientErrorCause::CutOff(lost) => {
                write!(
                    f,
                    "the gateway at {path} cut the connection off: {lost} replies were lost because they were not read in time"
                )
            }
            ClientErrorCause::Ended => write!(f, "the gateway at {path} stopped"),
            ClientErrorCause::Io(error) => write!(f, "talking to the gateway at {path}: {error}"),
        }
    }
}

impl std::error::Error for ClientError {}
