//! The socket's place in the file system: made for its owner alone, taken by one gateway at a time, removed at the end.

use std::{
    fmt,
    fs::{self, File, OpenOptions},
    io,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::{
            fs::{FileTypeExt, MetadataExt, OpenOptionsExt},
            net::{UnixListener, UnixStream},
        },
    },
    path::{Path, PathBuf},
};

use rustix::{
    fs::{FlockOperation, Mode, fchmod, flock},
    net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, bind, listen, socket_with, sockopt},
    process::geteuid,
};

use crate::limits::CONTROL_CLIENTS_MAX;

/// The control socket of a running gateway.
///
/// A lock file beside it, held as long as the gateway runs, says who owns the place: whoever holds the lock may remove
/// a socket that a dead gateway has left.
#[derive(Debug)]
pub struct Listener {
    path: PathBuf,
    listener: UnixListener,
    /// Who may connect: whoever started the gateway, even after it has become somebody else.
    owner: u32,
    lock: Lock,
}

/// Why a gateway cannot listen at a path.
#[derive(Debug)]
pub struct ListenError {
    path: PathBuf,
    cause: ListenErrorCause,
}

#[derive(Debug)]
enum ListenErrorCause {
    /// Another gateway is there.
    Taken,
    /// Something that is no socket is there.
    Occupied,
    /// The path does not fit a socket's address.
    TooLong,
    /// A system call failed; the text says which.
    Call(&'static str, io::Error),
}

impl Listener {
    /// Listens at `path`.
    ///
    /// # Errors
    /// [`ListenError`]: another gateway listens there, a file that is no socket is there, or the directory cannot be
    /// written.
    pub fn bind(path: &Path) -> Result<Self, ListenError> {
        Self::try_bind(path).map_err(|cause| ListenError { path: path.to_owned(), cause })
    }

    fn try_bind(path: &Path) -> Result<Self, ListenErrorCause> {
        let call = |what| move |error| ListenErrorCause::Call(what, error);
        let address = SocketAddrUnix::new(path).map_err(|_| ListenErrorCause::TooLong)?;
        let lock = Lock::take(path)?;
        remove_leftover(path)?;
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)
            .map_err(|error| ListenErrorCause::Call("opening a socket", error.into()))?;
        // The file gets the socket's mode: it is never there with another one, whatever the umask.
        fchmod(&socket, Mode::RUSR | Mode::WUSR).map_err(|error| call("setting the mode")(error.into()))?;
        bind(&socket, &address).map_err(|error| call("making the socket")(error.into()))?;
        listen(&socket, CONTROL_CLIENTS_MAX as i32).map_err(|error| call("listening")(error.into()))?;
        let owner = geteuid().as_raw();
        Ok(Self { path: path.to_owned(), listener: socket.into(), owner, lock })
    }

    /// The next client that waits and may connect.
    ///
    /// # Errors
    /// When one waits that cannot be taken now: no more files can be open, or there is no memory. He goes on waiting.
    pub(super) fn accept(&self) -> io::Result<Option<UnixStream>> {
        loop {
            let stream = match self.listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                // He has left; the next one may be there.
                Err(error) if matches!(error.kind(), io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted) => {
                    continue;
                }
                Err(error) => return Err(error),
            };
            if self.may_connect(&stream) && stream.set_nonblocking(true).is_ok() {
                return Ok(Some(stream));
            }
        }
    }

    /// The file's mode keeps others out already; this holds even if somebody changes it.
    fn may_connect(&self, stream: &UnixStream) -> bool {
        sockopt::socket_peercred(stream).is_ok_and(|peer| peer.uid.is_root() || peer.uid.as_raw() == self.owner)
    }
}

impl AsFd for Listener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        // After a change of user the directory may not be ours to write; the next gateway removes the rest.
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(&self.lock.path);
    }
}

/// Removes the socket of a gateway that has died. The lock is ours, so nobody listens at it.
fn remove_leftover(path: &Path) -> Result<(), ListenErrorCause> {
    match fs::symlink_metadata(path) {
        Ok(leftover) if !leftover.file_type().is_socket() => Err(ListenErrorCause::Occupied),
        Ok(_) => fs::remove_file(path).map_err(|error| ListenErrorCause::Call("removing an old socket", error)),
        Err(_) => Ok(()),
    }
}

/// A file that one process at a time holds.
#[derive(Debug)]
struct Lock {
    path: PathBuf,
    /// Locked while it is open.
    _file: File,
}

impl Lock {
    fn take(socket: &Path) -> Result<Self, ListenErrorCause> {
        let path = lock_path(socket);
        let call = |error| ListenErrorCause::Call("making the lock file", error);
        loop {
            let mut options = OpenOptions::new();
            let file = options
                .read(true)
                .write(true)
                .create(true)
                .mode(0o600)
                .custom_flags(libc::O_NOFOLLOW)
                .open(&path)
                .map_err(call)?;
            match flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(rustix::io::Errno::WOULDBLOCK) => return Err(ListenErrorCause::Taken),
                Err(error) => return Err(call(error.into())),
            }
            let held = file.metadata().map_err(call)?;
            // Its last owner may have removed the file between our opening and locking it.
            if fs::symlink_metadata(&path).is_ok_and(|there| (there.dev(), there.ino()) == (held.dev(), held.ino())) {
                return Ok(Self { path, _file: file });
            }
        }
    }
}

/// The lock file of a socket: its path and `.lock`.
fn lock_path(socket: &Path) -> PathBuf {
    let mut path = socket.as_os_str().to_owned();
    path.push(".lock");
    path.into()
}

impl fmt::Display for ListenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.cause {
            ListenErrorCause::Taken => {
                write!(f, "control socket {path}: another gateway is listening there; stop it, or give --control PATH")
            }
            ListenErrorCause::Occupied => {
                write!(
                    f,
                    "control socket {path}: a file that is no socket is in the way; remove it, or give --control PATH"
                )
            }
            ListenErrorCause::TooLong => write!(f, "control socket {path}: the path is longer than 107 bytes"),
            ListenErrorCause::Call(what, error) => write!(f, "control socket {path}: {what}: {error}"),
        }
    }
}

impl std::error::Error for ListenError {}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_socket_is_for_its_owner_alone_whatever_the_umask() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let _listener = Listener::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
    }

    #[test]
    fn a_second_gateway_on_the_same_socket_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        let first = Listener::bind(&path).unwrap();
        let error = Listener::bind(&path).unwrap_err();
        assert!(error.to_string().contains("another gateway"), "{error}");
        drop(first);
        assert!(Listener::bind(&path).is_ok());
    }

    #[test]
    fn the_socket_of_a_dead_gateway_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        assert!(Listener::bind(&path).is_ok());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("control");
        fs::write(&path, "precious").unwrap();
        let error = Listener::bind(&path).unwrap_err();
        assert!(error.to_string().contains("no socket"), "{error}");
        assert_eq!(fs::read(&path).unwrap(), b"precious");
    }

    #[test]
    fn nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        drop(Listener::bind(&folder.path().join("control")).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_path_too_long_for_a_socket_says_so() {
        let error = Listener::bind(Path::new(&format!("/tmp/{}", "x".repeat(120)))).unwrap_err();
        assert!(error.to_string().contains("107"), "{error}");
    }
}
