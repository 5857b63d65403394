//! `poll` and `epoll`.

use std::{
    collections::{BTreeMap, btree_map::Entry},
    time::Duration,
};

use towpath_engine::socket::Readiness;

use super::{
    Errno, Host, Outcome, Process, Progress, Returned, Unknown,
    process::{File, settled},
};

/// What an epoll descriptor watches of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    asked: EpollEvent,
    /// Something has happened since it was told last.
    pub(super) has_changed: bool,
}

/// What is waited for, or has happened, and what is told with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EpollEvent {
    /// `EPOLL*`.
    pub events: u32,
    /// Whatever the process wants to be told.
    pub data: u64,
}

/// One of those that `poll` is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Polled {
    /// The descriptor; below zero: none.
    pub descriptor: i32,
    /// What is waited for.
    pub events: i16,
    /// What has happened.
    pub happened: i16,
}

/// Bits of `poll` and `epoll` by what a socket is ready for.
static EVENTS: [(u32, Readiness); 6] = [
    (0x1, Readiness::READABLE),
    (0x2, Readiness::URGENT),
    (0x4, Readiness::WRITABLE),
    (0x8, Readiness::ERROR),
    (0x10, Readiness::HUNG_UP),
    (0x2000, Readiness::PEER_CLOSED),
];
/// Errors and hang-ups are told whether they are asked for or not.
const ALWAYS: u32 = 0x18;
/// `POLLNVAL`.
const NO_DESCRIPTOR: i16 = 0x20;
const ONE_SHOT: u32 = 1 << 30;
const EDGES: u32 = 1 << 31;

fn bits(readiness: Readiness) -> u32 {
    EVENTS.iter().filter(|(_, ready)| readiness.has(*ready)).fold(0, |bits, (bit, _)| bits | bit)
}

impl Process {
    /// `epoll_create`, with the number that its descriptor is to have.
    ///
    /// # Errors
    /// None.
    pub fn epoll_create(&mut self, descriptor: i32) -> Outcome {
        self.files.insert(descriptor, File::Epoll(BTreeMap::new()));
        Ok(Returned::Value(descriptor.into()))
    }

    /// `epoll_ctl`.
    ///
    /// # Errors
    /// An operation that is not known.
    pub fn epoll_ctl(&mut self, own: i32, operation: i32, descriptor: i32, asked: Option<EpollEvent>) -> Outcome {
        const ADD: i32 = 1;
        const DELETE: i32 = 2;
        const MODIFY: i32 = 3;
        if !self.has(descriptor) {
            return Ok(Returned::Error(Errno::BAD_DESCRIPTOR));
        }
        let watches = match self.watches(own) {
            Ok(watches) => watches,
            Err(errno) => return Ok(Returned::Error(errno)),
        };
        let asked = asked.map(|asked| EpollEvent { events: asked.events | ALWAYS, ..asked });
        let watch = |asked| Watch { asked, has_changed: true };
        let result = match (operation, watches.entry(descriptor), asked) {
            (DELETE, Entry::Occupied(watched), _) => {
                watched.remove();
                Ok(Returned::Value(0))
            }
            (ADD | MODIFY, _, None) => Err(Errno::BAD_ADDRESS),
            (ADD, Entry::Vacant(free), Some(asked)) => {
                free.insert(watch(asked));
                Ok(Returned::Value(0))
            }
            (ADD, Entry::Occupied(_), Some(_)) => Err(Errno::EXISTS),
            (MODIFY, Entry::Occupied(mut watched), Some(asked)) => {
                watched.insert(watch(asked));
                Ok(Returned::Value(0))
            }
            (DELETE | MODIFY, Entry::Vacant(_), _) => Err(Errno::NO_ENTRY),
            (other, ..) => return Err(Unknown::new("the operation of epoll_ctl", other)),
        };
        settled(result)
    }

    /// `epoll_wait`: what has happened is put into `told`, `most` at most; it waits for so many milliseconds, without end below zero.
    ///
    /// # Errors
    /// None.
    pub fn epoll_wait(
        &mut self,
        host: &mut Host,
        own: i32,
        most: usize,
        wait: i32,
        (told, progress): (&mut Vec<EpollEvent>, &mut Progress),
    ) -> Outcome {
        told.clear();
        let watches = match self.watches(own) {
            Ok(watches) => watches.clone(),
            Err(errno) => return Ok(Returned::Error(errno)),
        };
        for (descriptor, mut watch) in watches {
            // One that watches another would have to be asked in turn; such are never ready here.
            let Ok(readiness) = self.readiness(host, descriptor) else { continue };
            let asked = watch.asked.events;
            let ready = bits(readiness) & asked;
            if ready == 0 || (asked & EDGES != 0 && !watch.has_changed) || told.len() >= most {
                continue;
            }
            told.push(EpollEvent { events: ready, data: watch.asked.data });
            watch.has_changed = false;
            if asked & ONE_SHOT != 0 {
                // Nothing more is told, errors neither, before it is asked for again.
                watch.asked.events = asked & (EDGES | ONE_SHOT);
            }
            if let Ok(watches) = self.watches(own) {
                watches.insert(descriptor, watch);
            }
        }
        if told.is_empty() && is_to_wait(host, wait, progress) {
            return Ok(Returned::Waits);
        }
        Ok(Returned::Value(told.len() as i64))
    }

    /// `poll`: each is told what has happened; it waits for so many milliseconds, without end below zero.
    ///
    /// # Errors
    /// None.
    pub fn poll(&mut self, host: &mut Host, asked: &mut [Polled], wait: i32, progress: &mut Progress) -> Outcome {
        for one in &mut *asked {
            one.happened = match self.readiness(host, one.descriptor) {
                _ if one.descriptor < 0 => 0,
                Ok(readiness) => bits(readiness) as i16 & (one.events | ALWAYS as i16),
                Err(Errno::NOT_SOCKET) => 0,
                Err(_) => NO_DESCRIPTOR,
            };
        }
        let count = asked.iter().filter(|one| one.happened != 0).count();
        if count == 0 && is_to_wait(host, wait, progress) {
            return Ok(Returned::Waits);
        }
        Ok(Returned::Value(count as i64))
    }

    fn watches(&mut self, descriptor: i32) -> Result<&mut BTreeMap<i32, Watch>, Errno> {
        match self.files.get_mut(&descriptor) {
            Some(File::Epoll(watches)) => Ok(watches),
            Some(File::Socket(_)) => Err(Errno::INVALID),
            None => Err(Errno::BAD_DESCRIPTOR),
        }
    }
}

/// Whether the time that a call may wait, in milliseconds, has not run out; without end when it is negative.
fn is_to_wait(host: &Host, wait: i32, progress: &mut Progress) -> bool {
    let Ok(wait) = u64::try_from(wait) else { return true };
    let until = *progress.until.get_or_insert(host.elapsed() + Duration::from_millis(wait));
    host.elapsed() < until
}
