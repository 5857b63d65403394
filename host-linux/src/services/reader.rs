//! Files are read while packets pass: what lies in memory at once, what has to come from a disk by a thread of its own. Where and
//! what a file is, is still looked up by the path itself: those are few reads, of what most lie in memory.

use std::{
    fs::File,
    io::{self, IoSliceMut},
    os::{
        fd::{AsFd, BorrowedFd},
        unix::fs::FileExt,
    },
    sync::{
        Arc,
        mpsc::{self, Receiver, Sender},
    },
};

use rustix::io::{Errno, ReadWriteFlags, preadv2};
use towpath_engine::socket::SocketId;

use crate::worker::Worker;

/// Who reads files.
#[derive(Debug)]
pub(super) struct Reader {
    worker: Worker,
    done: Receiver<(SocketId, Chunk)>,
    told: Sender<(SocketId, Chunk)>,
    /// Whether it is tried to read at once.
    tries: bool,
}

/// What was read.
pub(super) type Chunk = io::Result<Vec<u8>>;

impl Reader {
    pub(super) fn new(worker: Worker) -> Self {
        let (told, done) = mpsc::channel();
        Self { worker, done, told, tries: true }
    }

    /// One that leaves all to its worker.
    #[cfg(test)]
    pub(super) fn patient(worker: Worker) -> Self {
        Self { tries: false, ..Self::new(worker) }
    }

    /// Reads as many bytes as `bytes` has, from a place of a file, for a conversation. `None`: they come later, by
    /// [`Self::next_done`]; it is called for as soon as the worker's bell rings. Fewer are read at the end of a file, or where the rest
    /// would have to be waited for.
    pub(super) fn read(&self, who: SocketId, file: &Arc<File>, from: u64, mut bytes: Vec<u8>) -> Option<Chunk> {
        let at_once = if self.tries { read_at_once(file, from, &mut bytes) } else { Err(Errno::AGAIN) };
        match at_once {
            Ok(read) => {
                bytes.truncate(read);
                return Some(Ok(bytes));
            }
            // Some file systems cannot tell whether it would have to be waited for.
            Err(Errno::AGAIN | Errno::OPNOTSUPP | Errno::INTR) => {}
            Err(error) => return Some(Err(error.into())),
        }
        let (file, told) = (Arc::clone(file), self.told.clone());
        let begun = self.worker.begin(move || {
            let chunk = file.read_at(&mut bytes, from).map(|read| {
                bytes.truncate(read);
                bytes
            });
            // The gateway has stopped; nobody waits any more.
            let _ = told.send((who, chunk));
        });
        begun.err().map(Err)
    }

    /// What has been read since, and for whom.
    pub(super) fn next_done(&self) -> Option<(SocketId, Chunk)> {
        self.worker.hush();
        self.done.try_recv().ok()
    }
}

/// Readable when something has been read.
impl AsFd for Reader {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.worker.as_fd()
    }
}

fn read_at_once(file: &File, from: u64, bytes: &mut [u8]) -> Result<usize, Errno> {
    preadv2(file, &mut [IoSliceMut::new(bytes)], from, ReadWriteFlags::NOWAIT)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::event::{PollFd, PollFlags, poll};
    use towpath_engine::{Engine, Instant, socket::Family};

    use super::*;

    #[test]
    fn a_file_is_read_alike_at_once_and_beside_the_path() {
        let who = Engine::new(1).open_stream(Instant::ZERO, Family::Ipv4).unwrap();
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(b"hello, world").unwrap();
        let file = Arc::new(file);
        let now = Reader::new(Worker::new().unwrap());
        let later = Reader::patient(Worker::new().unwrap());
        for (from, expected) in [(0, &b"hello"[..]), (7, b"world"), (9, b"rld"), (12, b""), (99, b"")] {
            assert_eq!(now.read(who, &file, from, vec![0; 5]).unwrap().unwrap(), expected);
            assert!(later.read(who, &file, from, vec![0; 5]).is_none());
            assert_eq!(poll(&mut [PollFd::new(&later, PollFlags::IN)], None).unwrap(), 1, "the bell rings");
            let (done, chunk) = later.next_done().unwrap();
            assert_eq!((done, &chunk.unwrap()[..]), (who, expected));
            assert!(later.next_done().is_none());
        }
    }
}
