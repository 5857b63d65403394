//! The other end of the control socket: what `towpath conntrack`, `towpath stats` and their like talk through.
//!
//! `asked` gives the answer to each request as what it is; [`Client::ask`] and [`Client::next_reply`] are what it is made of.

mod asked;

pub use asked::{Happened, Heard, Told, Watched};

use std::{
    fmt,
    io::{self, BufReader, Read, Write},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
};

use rustix::{net::sockopt::socket_peercred, process::geteuid};

use super::{
    codec::{self, LENGTH_BYTES},
    message::{Hello, Reply, Request, VERSION},
};
use crate::limits::CONTROL_REPLY_BYTES_MAX;

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
        Ok(Self { path: path.to_owned(), stream: BufReader::with_capacity(BUFFER_BYTES, stream) })
    }

    /// The next reply; none after the last one.
    ///
    /// # Errors
    /// [`ClientError`]: the request is refused, or the gateway stopped.
    pub fn next_reply(&mut self) -> Result<Option<Reply>, ClientError> {
        let cause = match self.read() {
            Ok(Reply::Done) => return Ok(None),
            Ok(Reply::Refused(why)) => ClientErrorCause::Refused(why),
            Ok(reply) => return Ok(Some(reply)),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => ClientErrorCause::Ended,
            Err(error) => ClientErrorCause::Io(error),
        };
        Err(ClientError { path: self.path.clone(), cause })
    }

    /// Whether a reply is there already: then [`Self::next_reply`] does not wait.
    fn has_reply(&self) -> bool {
        codec::first(self.stream.buffer(), CONTROL_REPLY_BYTES_MAX).is_ok_and(|message| message.is_some())
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

/// What is read at once: some hundred events.
const BUFFER_BYTES: usize = 64 << 10;

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
            ClientErrorCause::Ended => write!(f, "the gateway at {path} stopped"),
            ClientErrorCause::Io(error) => write!(f, "talking to the gateway at {path}: {error}"),
        }
    }
}

impl std::error::Error for ClientError {}
