//! The way out: common frames by the ring, and batches of others in one system call each, gathered from where they lie.

use std::{io::IoSlice, os::fd::BorrowedFd, slice};

use arrayvec::ArrayVec;
use rustix::{
    io::Errno,
    net::{MMsgHdr, SendAncillaryBuffer, SendFlags, sendmmsg},
};
use towpath_engine::{Checksum, DropReason, Frame, Gso, Transmit, VlanTag, wire::EtherType};
use zerocopy::IntoBytes;

use super::{counters::Counters, sys, transmit_ring::TransmitRing, vnet::VnetHeader};
use crate::limits::BATCH_FRAMES_MAX;

/// A frame as the way out needs it.
pub trait Outgoing {
    /// All headers and perhaps more, from the Ethernet header on.
    fn head(&self) -> &[u8];
    /// What follows the head, in order.
    fn fragments(&self) -> impl Iterator<Item = &[u8]>;
    /// What is known about the transport checksum.
    fn checksum(&self) -> Checksum;
    /// Set on a super-packet.
    fn gso(&self) -> Option<Gso>;
    /// The tag to insert.
    fn vlan(&self) -> Option<VlanTag>;
}

impl Outgoing for Transmit {
    fn head(&self) -> &[u8] {
        self.head()
    }

    fn fragments(&self) -> impl Iterator<Item = &[u8]> {
        self.fragments()
    }

    fn checksum(&self) -> Checksum {
        self.checksum()
    }

    fn gso(&self) -> Option<Gso> {
        self.gso()
    }

    fn vlan(&self) -> Option<VlanTag> {
        self.vlan()
    }
}

impl Outgoing for Frame<'_> {
    fn head(&self) -> &[u8] {
        self.bytes
    }

    fn fragments(&self) -> impl Iterator<Item = &[u8]> {
        self.behind.parts()
    }

    fn checksum(&self) -> Checksum {
        self.checksum
    }

    fn gso(&self) -> Option<Gso> {
        self.gso
    }

    fn vlan(&self) -> Option<VlanTag> {
        self.vlan
    }
}

/// The ways out of a device: a ring for common frames, and a socket for those that do not fit its slots.
pub(super) struct Ways<'a> {
    /// The short one.
    pub(super) ring: &'a mut TransmitRing,
    /// The long one.
    pub(super) socket: BorrowedFd<'a>,
    /// Whether frames leave past the queueing discipline. There the kernel cuts no super-packet for a device that does not itself, but drops
    /// it (Linux v6.18: `net/core/dev.c`, `__dev_direct_xmit()`); such a one takes the way through it, where it is cut.
    pub(super) past_qdisc: bool,
}

/// Hands `frames` to the kernel in order, as far as it takes them now. Returns how many are dealt with: sent, or dropped
/// and counted because the kernel refused them. The rest waits for the socket to become writable.
pub(super) fn send<T: Outgoing>(ways: &mut Ways<'_>, frames: &[T], counters: &mut Counters) -> usize {
    // A device whose queue is full refuses each frame of its own: as many are offered as it has taken, and not all that wait.
    let (mut done, mut offered_max) = (0, frames.len());
    let mut is_down = false;
    while done < frames.len() {
        let offered = &frames[done..frames.len().min(done + offered_max)];
        let left = ways.ring.send(offered);
        note_sent(counters, &offered[..left.frames]);
        done += left.frames;
        if left.is_next_lost {
            counters.send_drops.add(DropReason::TransmitQueueFull, 1);
            done += 1;
            offered_max = left.frames.max(1);
            continue;
        }
        if left.frames == offered.len() {
            offered_max = offered_max.saturating_mul(2);
            continue;
        }
        let batch = &frames[done..frames.len().min(done + BATCH_FRAMES_MAX)];
        let Some(first) = batch.first() else { break };
        let sent = match send_batch(ways.socket, batch) {
            Err(Errno::NOBUFS) if ways.past_qdisc && first.gso().is_some() => send_through_qdisc(ways.socket, first),
            sent => sent,
        };
        match sent {
            Ok(sent) => {
                note_sent(counters, &batch[..sent]);
                done += sent;
                is_down = false;
            }
            Err(Errno::AGAIN | Errno::INTR) => break,
            // The error is that of the first frame; those behind it have not been tried. That a device is down is its own, or what a socket
            // still had to tell of one that is up again: it tells that once, so the second time it is that of all.
            Err(error) => {
                let reason = refusal(error);
                let lost = if is_down && reason == DropReason::DeviceDown { frames.len() - done } else { 1 };
                is_down = reason == DropReason::DeviceDown;
                counters.send_drops.add(reason, lost as u64);
                done += lost;
            }
        }
    }
    done
}

fn note_sent<T: Outgoing>(counters: &mut Counters, frames: &[T]) {
    counters.sent_frames += frames.len() as u64;
    counters.sent_bytes += frames.iter().map(frame_len).sum::<u64>();
}

/// Sends a frame through the device's queueing discipline, by a socket that sends past it.
fn send_through_qdisc<T: Outgoing>(socket: BorrowedFd<'_>, frame: &T) -> Result<usize, Errno> {
    // Both are what the socket was opened with: that cannot fail, and if it did, frames would leave by the slower way.
    let send_past = |past: i32| drop(sys::set_packet_option(socket, libc::PACKET_QDISC_BYPASS, &past));
    send_past(0);
    let sent = send_batch(socket, slice::from_ref(frame));
    send_past(1);
    sent
}

/// Why a frame did not leave (Linux v6.18: `net/packet/af_packet.c`, `packet_snd()`).
pub(super) fn refusal(error: Errno) -> DropReason {
    match error {
        // The device's queue is full, or there is no memory for one more frame.
        Errno::NOBUFS | Errno::NOMEM => DropReason::TransmitQueueFull,
        // It is down, or gone.
        Errno::NETDOWN | Errno::NXIO | Errno::NODEV => DropReason::DeviceDown,
        // EMSGSIZE: longer than the device's MTU; EINVAL: an offload it cannot do.
        _ => DropReason::TransmitRefused,
    }
}

/// Hands over as many of `frames` as one call takes: at least one, or the error of the first.
fn send_batch<T: Outgoing>(socket: BorrowedFd<'_>, frames: &[T]) -> Result<usize, Errno> {
    let mut headers = ArrayVec::<Prefix, BATCH_FRAMES_MAX>::new();
    headers.extend(frames.iter().map(Prefix::new));
    let mut slices = ArrayVec::<IoSlice<'_>, SLICES_MAX>::new();
    let mut ends = ArrayVec::<usize, BATCH_FRAMES_MAX>::new();
    for (frame, header) in frames.iter().zip(&headers) {
        if !gather(&mut slices, frame, header) {
            slices.truncate(ends.last().copied().unwrap_or(0));
            break;
        }
        ends.push(slices.len());
    }
    if ends.is_empty() {
        return Err(Errno::MSGSIZE);
    }
    let mut control: [SendAncillaryBuffer<'_, '_, '_>; BATCH_FRAMES_MAX] =
        std::array::from_fn(|_| SendAncillaryBuffer::default());
    let mut messages = ArrayVec::<MMsgHdr<'_>, BATCH_FRAMES_MAX>::new();
    let mut start = 0;
    for (end, control) in ends.iter().zip(&mut control) {
        messages.push(MMsgHdr::new(&slices[start..*end], control));
        start = *end;
    }
    sendmmsg(socket, &mut messages, SendFlags::DONTWAIT)
}

/// Slices of one call: a common frame takes two, a super-packet as many more as it has fragments, a tag two more.
const SLICES_MAX: usize = 4 * BATCH_FRAMES_MAX;

/// Bytes before the VLAN tag: two Ethernet addresses.
const ADDRESSES_BYTES: usize = 12;
/// What follows them: a tag's protocol, or what the frame carries.
const ETHER_TYPE_BYTES: usize = 2;

/// What is sent before and within the head.
pub(super) struct Prefix {
    vnet: VnetHeader,
    tag: Option<[u8; 4]>,
}

impl Prefix {
    pub(super) fn new<T: Outgoing>(frame: &T) -> Self {
        let tag = frame.vlan().map(|tag| {
            let ([a, b], [c, d]) = (tag.tpid.to_be_bytes(), tag.tci.to_be_bytes());
            [a, b, c, d]
        });
        let tag_bytes = tag.map_or(0, |tag| tag.len() as u16);
        Self { vnet: VnetHeader::emit(frame.head(), tag_bytes, frame.checksum(), frame.gso()), tag }
    }

    /// See [`VnetHeader::in_one_piece`].
    pub(super) fn in_one_piece(self, frame_len: u16) -> Self {
        Self { vnet: self.vnet.in_one_piece(frame_len), ..self }
    }

    /// Bytes of the frame, its tag included.
    pub(super) fn frame_len<T: Outgoing>(&self, frame: &T) -> usize {
        frame_len(frame) as usize + self.tag.map_or(0, |tag| tag.len())
    }

    /// Whether the kernel lets the frame have a tag beyond the device's MTU: the first one, if it is of 802.1Q, beside the frame or in it
    /// (Linux v6.18: `net/packet/af_packet.c`, `packet_extra_vlan_len_allowed()`).
    pub(super) fn has_tag_beyond_mtu<T: Outgoing>(&self, frame: &T) -> bool {
        let behind_addresses = match &self.tag {
            Some(tag) => tag.get(..ETHER_TYPE_BYTES),
            None => frame.head().get(ADDRESSES_BYTES..ADDRESSES_BYTES + ETHER_TYPE_BYTES),
        };
        behind_addresses == Some(&EtherType::VLAN.0.to_be_bytes()[..])
    }

    /// All that is to be sent of a frame, in order.
    pub(super) fn parts<'a, T: Outgoing>(&'a self, frame: &'a T) -> impl Iterator<Item = &'a [u8]> {
        let (addresses, rest) = match &self.tag {
            Some(_) => frame.head().split_at(ADDRESSES_BYTES.min(frame.head().len())),
            None => (&[][..], frame.head()),
        };
        let tag = self.tag.as_ref().map_or(&[][..], |tag| &tag[..]);
        let parts = [self.vnet.as_bytes(), addresses, tag, rest];
        parts.into_iter().filter(|part| !part.is_empty()).chain(frame.fragments())
    }
}

/// Lists what is to be sent of a frame; false when not all of it fits the list.
fn gather<'a, T: Outgoing>(slices: &mut ArrayVec<IoSlice<'a>, SLICES_MAX>, frame: &'a T, prefix: &'a Prefix) -> bool {
    prefix.parts(frame).all(|part| slices.try_push(IoSlice::new(part)).is_ok())
}

fn frame_len<T: Outgoing>(frame: &T) -> u64 {
    (frame.head().len() + frame.fragments().map(<[u8]>::len).sum::<usize>()) as u64
}
