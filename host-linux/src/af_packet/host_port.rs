//! The port of a gateway to the machine that it runs on: a TUN device, by which the kernel's own programs send and receive.
//!
//! The engine knows it as `lo` ([`DeviceId::LOOPBACK`], `Command::ServeHost`). Packets have no Ethernet header there: one of zeros is
//! put before them, and taken off again.

use std::{
    io::{self, IoSlice},
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use arrayvec::ArrayVec;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::{Errno, read, writev},
};
use towpath_engine::{DeviceId, DropReason, Frame};

use super::{
    Received, Ring,
    counters::Counters,
    error::{DeviceError, DeviceErrorCause},
    sys,
    transmit::{self, Outgoing},
};
use crate::limits::BATCH_FRAMES_MAX;

/// The port to the machine itself.
#[derive(Debug)]
pub struct HostPort {
    name: String,
    file: OwnedFd,
    /// The device was removed, and its file is of no more use.
    is_gone: bool,
    /// A frame each, of which [`ETHERNET`] bytes stay what they are but for the type.
    buffers: Vec<Vec<u8>>,
    counters: Counters,
}

impl HostPort {
    /// Makes the TUN device `name` and sets it up. It carries packets of at most `mtu_bytes`, and goes with this value.
    ///
    /// Needs CAP_NET_ADMIN in the network namespace; sending and receiving need nothing.
    ///
    /// # Errors
    /// [`DeviceError`] says why not, and what to do.
    pub fn open(name: &str, mtu_bytes: u32) -> Result<Self, DeviceError> {
        let failed = |cause| DeviceError::new(name, cause);
        let file = sys::open_tun(name).map_err(|error| failed(open_failure(error)))?;
        sys::set_up(name, mtu_bytes).map_err(|error| failed(DeviceErrorCause::Call("setting it up", error)))?;
        let buffers = vec![vec![0; ETHERNET + mtu_bytes as usize]; BATCH_FRAMES_MAX];
        Ok(Self { name: name.to_owned(), file, is_gone: false, buffers, counters: Counters::default() })
    }
}

fn open_failure(error: io::Error) -> DeviceErrorCause {
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::PERM | Errno::ACCESS) => DeviceErrorCause::MayNotMake,
        Some(Errno::BUSY | Errno::EXIST | Errno::INVAL) => DeviceErrorCause::Taken,
        Some(Errno::NOENT | Errno::NODEV) => DeviceErrorCause::NoTun,
        _ => DeviceErrorCause::Call("making it", error),
    }
}

/// Why a packet was not taken (Linux v6.18: `drivers/net/tun.c`, `tun_get_user()`).
fn refusal(error: Errno) -> DropReason {
    match error {
        // It is down, or gone.
        Errno::IO | Errno::BADFD => DropReason::DeviceDown,
        other => transmit::refusal(other),
    }
}

impl AsFd for HostPort {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.file.as_fd()
    }
}

impl Ring for HostPort {
    fn device(&self) -> DeviceId {
        DeviceId::LOOPBACK
    }

    fn receive(&mut self, weight: usize, handle: impl FnOnce(&[Frame<'_>])) -> Received {
        let mut frames = ArrayVec::<Frame<'_>, BATCH_FRAMES_MAX>::new();
        let mut taken = 0;
        let weight = if self.is_gone { 0 } else { weight };
        for buffer in self.buffers.iter_mut().take(weight) {
            // Nothing is there, or never will be: then the file is in error, and whoever sleeps on it takes that.
            let Ok(len) = read(&self.file, &mut buffer[ETHERNET..]) else { break };
            taken += 1;
            let ether_type = match buffer[ETHERNET] >> 4 {
                4 => [0x08, 0x00],
                6 => [0x86, 0xdd],
                _ => {
                    self.counters.receive_drops.add(DropReason::NoProtocol, 1);
                    continue;
                }
            };
            buffer[ETHERNET - 2..ETHERNET].copy_from_slice(&ether_type);
            self.counters.received_frames += 1;
            self.counters.received_bytes += len as u64;
            frames.push(Frame::new(DeviceId::LOOPBACK, &buffer[..ETHERNET + len]));
        }
        if !frames.is_empty() {
            handle(&frames);
        }
        Received { frames: taken, is_drained: self.is_gone || taken < weight.min(BATCH_FRAMES_MAX) }
    }

    fn send<T: Outgoing>(&mut self, frames: &[T]) -> usize {
        for (done, frame) in frames.iter().enumerate() {
            let head = frame.head().get(ETHERNET..).unwrap_or_default();
            let mut parts = ArrayVec::<IoSlice<'_>, PARTS_MAX>::new();
            let all = [head].into_iter().chain(frame.fragments()).filter(|part| !part.is_empty());
            let fits = all.map(IoSlice::new).all(|part| parts.try_push(part).is_ok());
            match if fits { writev(&self.file, &parts) } else { Err(Errno::MSGSIZE) } {
                Ok(len) => {
                    self.counters.sent_frames += 1;
                    self.counters.sent_bytes += len as u64;
                }
                Err(Errno::AGAIN | Errno::INTR) => return done,
                Err(error) => self.counters.send_drops.add(refusal(error), 1),
            }
        }
        frames.len()
    }

    /// Of a device that was removed, once: its file is in error for ever (Linux v6.18: `drivers/net/tun.c`, `tun_chr_poll()`).
    fn take_error(&mut self) -> Option<io::Error> {
        if self.is_gone {
            return None;
        }
        let mut file = [PollFd::new(&self.file, PollFlags::empty())];
        poll(&mut file, Some(&Timespec::default())).ok()?;
        self.is_gone = file[0].revents().contains(PollFlags::ERR);
        self.is_gone.then(|| Errno::NODEV.into())
    }

    fn is_gone(&self) -> bool {
        self.is_gone
    }

    fn name(&self) -> Option<&str> {
        Some(&self.name)
    }

    fn counters(&mut self) -> &Counters {
        &self.counters
    }
}

/// Length of an Ethernet header.
const ETHERNET: usize = 14;

/// Parts of a packet: 64 KB in fragments of 2 KB, and its head.
const PARTS_MAX: usize = 64;
