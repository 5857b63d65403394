//! Work that takes long, beside the packet path: rules are read and components compiled while packets pass.

use std::{
    fmt, io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
        mpsc::{self, Receiver, Sender, TryRecvError},
    },
    thread,
};

use rustix::{
    event::{EventfdFlags, eventfd},
    process::nice,
};

/// A thread that does one job after the other. It is started with the first one, as whoever the process is by then. Clones are
/// the same worker.
#[derive(Clone, Debug)]
pub struct Worker {
    jobs: Arc<OnceLock<Sender<Job>>>,
    /// How many are not done.
    left: Arc<AtomicUsize>,
    /// Rung for each job that is done.
    bell: Arc<OwnedFd>,
}

type Job = Box<dyn FnOnce() + Send>;

/// A job that is being done.
pub struct Doing<T>(Receiver<T>);

/// A job that is not done, counted as long as this is there.
struct Left(Arc<AtomicUsize>);

impl Left {
    fn one_more(left: &Arc<AtomicUsize>) -> Self {
        left.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(left))
    }
}

impl Drop for Left {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A job has panicked; the worker does the next one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken;

impl Worker {
    /// One that has nothing to do yet.
    ///
    /// # Errors
    /// When the kernel has no file left for the bell.
    pub fn new() -> io::Result<Self> {
        let bell = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { jobs: Arc::default(), left: Arc::default(), bell: Arc::new(bell) })
    }

    /// Gives it a job, which is done after those before it.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn begin<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> io::Result<Doing<T>> {
        let (done, doing) = Doing::pair();
        let jobs = match self.jobs.get() {
            Some(jobs) => jobs,
            None => {
                let (jobs, work) = mpsc::channel();
                let bell = Arc::clone(&self.bell);
                thread::Builder::new().name("worker".to_owned()).spawn(move || do_all(&work, &bell))?;
                self.jobs.get_or_init(|| jobs)
            }
        };
        // Who asked may have left by then; the thread ends with the last clone, not before it.
        let left = Left::one_more(&self.left);
        let _ = jobs.send(Box::new(move || {
            let _left = left;
            drop(done.send(job()));
        }));
        Ok(doing)
    }

    /// Another one, whose jobs wait for none of this one's; it rings the same bell.
    #[must_use]
    pub fn colleague(&self) -> Self {
        Self { jobs: Arc::default(), left: Arc::default(), bell: Arc::clone(&self.bell) }
    }

    /// Of several the one with the least to do, the first of equals.
    #[must_use]
    pub fn least_busy(workers: &[Self]) -> Option<&Self> {
        workers.iter().min_by_key(|worker| worker.left.load(Ordering::Relaxed))
    }

    /// Drops something that is not dropped in a moment.
    pub fn discard(&self, waste: impl Send + 'static) {
        // When there can be no further thread it is dropped here.
        let _ = self.begin(move || drop(waste));
    }

    /// Stops the bell ringing.
    pub fn hush(&self) {
        let mut rung = [0; 8];
        // It has not rung; nobody minds.
        let _ = rustix::io::read(&self.bell, &mut rung);
    }
}

/// Readable when a job is done.
impl AsFd for Worker {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.bell.as_fd()
    }
}

impl<T> Doing<T> {
    /// What has come of it, once it is done; that is told once.
    ///
    /// # Errors
    /// [`Broken`].
    pub fn take(&self) -> Option<Result<T, Broken>> {
        match self.0.try_recv() {
            Ok(done) => Some(Ok(done)),
            Err(TryRecvError::Empty) => None,
            Err(TryRecvError::Disconnected) => Some(Err(Broken)),
        }
    }

    /// A job that whoever has the first half does.
    fn pair() -> (Sender<T>, Self) {
        let (done, doing) = mpsc::channel();
        (done, Self(doing))
    }
}

impl<T> fmt::Debug for Doing<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Doing")
    }
}

fn do_all(work: &Receiver<Job>, bell: &OwnedFd) {
    // Packets come first; that it cannot be had does not matter.
    let _ = nice(NICENESS);
    for job in work {
        // Who waits for it learns that from what was dropped.
        let _ = catch_unwind(AssertUnwindSafe(job));
        let _ = rustix::io::write(bell, &1_u64.to_ne_bytes());
    }
}

/// Half as much processor as others get, and half of that again.
const NICENESS: i32 = 10;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    use super::*;

    #[test]
    fn jobs_are_done_in_turn_and_the_bell_rings_for_each() {
        let worker = Worker::new().unwrap();
        let (first, second) = (worker.begin(|| 1).unwrap(), worker.clone().begin(|| "two").unwrap());
        assert_eq!(wait(&worker, &second), Ok("two"));
        assert_eq!(first.take(), Some(Ok(1)), "it came before");
    }

    #[test]
    fn a_job_that_breaks_breaks_no_other() {
        let worker = Worker::new().unwrap();
        let broken = worker.begin(|| assert_eq!(1, 2, "this is the test")).unwrap();
        let next = worker.begin(|| 2).unwrap();
        assert_eq!((wait(&worker, &broken), wait(&worker, &next)), (Err(Broken), Ok(2)));
    }

    #[test]
    fn who_has_the_least_to_do_is_given_the_next() {
        let first = Worker::new().unwrap();
        let workers = [first.clone(), first.colleague()];
        let least = || Worker::least_busy(&workers).unwrap();
        let (go_on, waits) = mpsc::channel::<()>();
        let busy = least().begin(move || waits.recv().is_err()).unwrap();
        assert!(!Arc::ptr_eq(&least().jobs, &first.jobs), "the first one is busy");
        let next = least().begin(|| 2).unwrap();
        assert_eq!(wait(&first, &next), Ok(2), "it waits for nobody");
        drop(go_on);
        assert_eq!(wait(&first, &busy), Ok(true));
        while workers.iter().any(|worker| worker.left.load(Ordering::Relaxed) > 0) {
            thread::yield_now();
        }
        assert!(Arc::ptr_eq(&least().jobs, &first.jobs), "nobody has anything to do");
    }

    fn wait<T>(worker: &Worker, doing: &Doing<T>) -> Result<T, Broken> {
        let patience = Timespec { tv_sec: Duration::from_secs(60).as_secs() as i64, tv_nsec: 0 };
        loop {
            if let Some(done) = doing.take() {
                return done;
            }
            let mut files = [PollFd::new(worker, PollFlags::IN)];
            assert_eq!(poll(&mut files, Some(&patience)).unwrap(), 1, "the bell rings");
            worker.hush();
        }
    }
}
