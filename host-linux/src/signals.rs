//! Signals as something to wait for: they set a flag and make a file readable.

use std::{
    io::{self, Read},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use signal_hook::{
    consts::{SIGHUP, SIGINT, SIGTERM},
    flag,
    low_level::pipe,
};

/// The signals a gateway listens to. SIGINT and SIGTERM ask it to stop; SIGHUP is kept for reading the configuration
/// again and does nothing yet, so that a closing terminal does not end a gateway.
#[derive(Debug)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    wakeups: UnixStream,
}

impl Signals {
    /// Listens from here on.
    ///
    /// # Errors
    /// When the machine has no file descriptors left.
    pub fn listen() -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (wakeups, sender) = UnixStream::pair()?;
        wakeups.set_nonblocking(true)?;
        for signal in [SIGINT, SIGTERM] {
            flag::register(signal, Arc::clone(&stop))?;
        }
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            pipe::register(signal, sender.try_clone()?)?;
        }
        Ok(Self { stop, wakeups })
    }

    /// Whether somebody asked the gateway to stop. Makes the file unreadable until the next signal.
    pub fn take_stop(&mut self) -> bool {
        while matches!(self.wakeups.read(&mut [0; 64]), Ok(1..)) {}
        self.stop.load(Ordering::Acquire)
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.wakeups.as_fd()
    }
}
