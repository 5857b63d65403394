//! The short way out: a ring of slots from which the kernel takes frames by one system call for all of them.
//!
//! A frame is copied once more than by [`super::transmit`], and still is there in three quarters of the time: that has the kernel read a
//! message header, a list of slices and an address for each frame. `host-linux/benches/README.md` has the figures.

use std::os::fd::{AsFd, OwnedFd};

use rustix::{
    io::Errno,
    net::{SendFlags, send},
};

use super::{
    mapping::{Mapping, REQUEST_AT},
    transmit::{Outgoing, Prefix},
    vnet::VnetHeader,
};

/// A device's transmit ring, with a socket of its own: one that has such a ring sends by nothing else.
#[derive(Debug)]
pub(super) struct TransmitRing {
    socket: OwnedFd,
    mapping: Mapping,
    /// The slot that the kernel looks at next.
    next: u32,
    /// The longest frame without a tag. The kernel takes longer ones from a slot than the device's MTU allows; those are left to the long way,
    /// where it does not.
    frame_bytes_max: usize,
}

impl TransmitRing {
    /// That of a socket which is bound to the device and receives nothing.
    pub(super) const fn new(socket: OwnedFd, mapping: Mapping, mtu_bytes: u32) -> Self {
        Self { socket, mapping, next: 0, frame_bytes_max: frame_bytes_max(mtu_bytes) }
    }

    /// The device has this MTU now.
    pub(super) const fn set_mtu(&mut self, mtu_bytes: u32) {
        self.frame_bytes_max = frame_bytes_max(mtu_bytes);
    }

    /// Its socket.
    pub(super) const fn socket(&self) -> &OwnedFd {
        &self.socket
    }

    /// Sends as many of the first of `frames` as it can: those that fit a slot, as far as slots are free and the device takes them. Whatever else is
    /// the matter with the next one, [`super::transmit`] finds out.
    pub(super) fn send<T: Outgoing>(&mut self, frames: &[T]) -> Sent {
        let slots = self.mapping.geometry().slots();
        let first = self.next;
        let slot = |number: usize| (first + number as u32) % slots;
        let mut requested = 0;
        for frame in frames.iter().take(slots as usize) {
            if !request(&mut self.mapping, slot(requested), frame, self.frame_bytes_max) {
                break;
            }
            requested += 1;
        }
        if requested == 0 {
            return Sent { frames: 0, is_next_lost: false };
        }
        // What has become of each frame stands in its slot; the error, if there is one, is that of the first that has not left.
        let called = send(self.socket.as_fd(), &[], SendFlags::DONTWAIT);
        let frames = (0..requested).filter(|number| self.mapping.is_taken(slot(*number))).count();
        self.next = slot(frames);
        Sent { frames, is_next_lost: frames < requested && called == Err(Errno::NOBUFS) }
    }
}

/// What has become of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Sent {
    /// So many of the first have left.
    pub(super) frames: usize,
    /// The one behind them was refused, since the device's queue is full.
    pub(super) is_next_lost: bool,
}

/// Asks the kernel to send a frame from a slot; false when the slot is not free, or the frame does not fit it.
fn request<T: Outgoing>(mapping: &mut Mapping, slot: u32, frame: &T, frame_bytes_max: usize) -> bool {
    if frame.gso().is_some() {
        return false;
    }
    let prefix = Prefix::new(frame);
    let len = prefix.frame_len(frame);
    let room = mapping.geometry().slot_bytes as usize - REQUEST_AT - VnetHeader::BYTES;
    let most = frame_bytes_max + if prefix.has_tag_beyond_mtu(frame) { TAG_BYTES } else { 0 };
    let Some(len) = u16::try_from(len).ok().filter(|len| usize::from(*len) <= room.min(most)) else {
        return false;
    };
    let prefix = prefix.in_one_piece(len);
    mapping.request(slot, u32::from(len) + VnetHeader::BYTES as u32, |bytes| {
        let mut at = 0;
        for part in prefix.parts(frame) {
            bytes[at..at + part.len()].copy_from_slice(part);
            at += part.len();
        }
    })
}

/// The longest Ethernet frame of a device, its tag left out.
const fn frame_bytes_max(mtu_bytes: u32) -> usize {
    HEADER_BYTES + mtu_bytes as usize
}

/// Bytes of an Ethernet header.
const HEADER_BYTES: usize = 14;
/// Bytes of a VLAN tag.
const TAG_BYTES: usize = 4;
