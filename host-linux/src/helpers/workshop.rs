//! Makes helpers of components in a thread of its own, so that no packet waits for a compiler.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread,
};

use rustix::{
    event::{EventfdFlags, eventfd},
    process::nice,
};
use towpath_replay::config::Config;

use crate::{
    gateway,
    plugin::{Cache, Plugin, Runtime},
};

/// A thread that makes one helper after the other. It is started with the first one.
#[derive(Debug)]
pub struct Workshop {
    jobs: Option<Sender<Job>>,
    /// Rung for each helper that is made.
    bell: Arc<OwnedFd>,
    config: Arc<Config>,
}

/// A component to be made a helper of.
struct Job {
    /// What errors call it.
    name: String,
    component: Vec<u8>,
    done: Sender<Made>,
}

/// A helper behind what the configuration leaves of its manifest, or why there is none, in one line.
pub type Made = Result<Box<Plugin>, String>;

/// A helper that is being made.
pub struct Making(Receiver<Made>);

impl Workshop {
    /// For the gateway of this configuration, which says what is left of manifests.
    ///
    /// # Errors
    /// When the kernel has no file left for the bell.
    pub fn new(config: Config) -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { jobs: None, bell: Arc::new(bell), config: Arc::new(config) })
    }

    /// Begins to make a helper. `name` is what errors call it.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn make(&mut self, name: String, component: Vec<u8>) -> io::Result<Making> {
        let (done, making) = Making::pair();
        let jobs = match &self.jobs {
            Some(jobs) => jobs,
            None => {
                let (jobs, work) = mpsc::channel();
                let (config, bell) = (Arc::clone(&self.config), Arc::clone(&self.bell));
                thread::Builder::new().name("helpers".to_owned()).spawn(move || do_all(&work, &config, &bell))?;
                self.jobs.insert(jobs)
            }
        };
        // The thread ends with the workshop, not before it.
        let _ = jobs.send(Job { name, component, done });
        Ok(making)
    }

    /// Stops the bell ringing.
    pub fn hush(&self) {
        let mut rung = [0; 8];
        // It has not rung; nobody minds.
        let _ = rustix::io::read(&self.bell, &mut rung);
    }
}

/// Readable when a helper is made.
impl AsFd for Workshop {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl Making {
    /// The helper, once it is made or has turned out to be none.
    #[must_use]
    pub fn take(&self) -> Option<Made> {
        match self.0.try_recv() {
            Ok(made) => Some(made),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err("the thread that makes helpers has ended".to_owned())),
        }
    }

    /// A helper that is made by whoever has the first half.
    pub(crate) fn pair() -> (Sender<Made>, Self) {
        let (done, made) = mpsc::channel();
        (done, Self(made))
    }
}

impl fmt::Debug for Making {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Making")
    }
}

fn do_all(work: &Receiver<Job>, config: &Config, bell: &OwnedFd) {
    // Packets come first; that it cannot be had does not matter.
    let _ = nice(NICENESS);
    for Job { name, component, done } in work {
        // Who asked may have left.
        let _ = done.send(make(&name, &component, config));
        let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
    }
}

fn make(name: &str, component: &[u8], config: &Config) -> Made {
    // Without a cache it takes a tenth of a second more.
    let runtime = Runtime::new(Cache::of_user().ok()).map_err(|error| error.to_string())?;
    let plugin = runtime.load_bytes(component).map_err(|problem| format!("{name}: {problem}"))?;
    gateway::tightened(config, plugin).map(Box::new).map_err(|error| error.to_string())
}

/// Half as much processor as others get, and half of that again.
const NICENESS: i32 = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    #[test]
    fn what_is_no_helper_is_told_when_the_bell_rings() {
        let mut workshop = Workshop::new(Config::default()).unwrap();
        let first = workshop.make("a.wasm".to_owned(), b"\0asm".to_vec()).unwrap();
        let second = workshop.make("b.wasm".to_owned(), Vec::new()).unwrap();
        for (making, name) in [(first, "a.wasm"), (second, "b.wasm")] {
            let made = loop {
                if let Some(made) = making.take() {
                    break made;
                }
                wait(&workshop);
                workshop.hush();
            };
            let why = made.err().expect("it is no helper");
            assert!(why.starts_with(&format!("{name}: is no WebAssembly component")), "{why}");
        }
    }

    fn wait(workshop: &Workshop) {
        let patience = Timespec { tv_sec: Duration::from_secs(60).as_secs() as i64, tv_nsec: 0 };
        let mut files = [PollFd::new(workshop, PollFlags::IN)];
        assert_eq!(poll(&mut files, Some(&patience)).unwrap(), 1, "the bell rings");
    }
}
