//! The way in: a ring of slots for common frames, and socket memory for those that do not fit a slot.
//!
//! A slot holds a frame of MTU 1500. Of a longer one (a super-packet of 64 KB, a jumbo frame) the kernel keeps the
//! whole in the socket's queue, marks its slot with TP_STATUS_COPY, and the frame is read from there in its turn: order is
//! kept, and the ring stays small enough for the caches.

use std::os::fd::BorrowedFd;

use rustix::{
    io::Errno,
    net::{RecvFlags, recv},
};
use towpath_engine::{DeviceId, DropReason, Frame, VlanTag, limits::FRAME_BYTES_MAX};
use zerocopy::FromBytes;

use super::{
    Received,
    counters::Counters,
    mapping::{Mapping, Slot},
    vnet::VnetHeader,
};
use crate::limits::{BATCH_FRAMES_MAX, LONG_FRAMES_MAX};

/// A device's receive ring.
#[derive(Debug)]
pub(super) struct ReceiveRing {
    device: DeviceId,
    mapping: Mapping,
    /// The slot that the kernel fills next, or has filled and not got back yet.
    next: u32,
    /// Where frames go that do not fit a slot: reused for each batch, so that they stay in the cache.
    long: Vec<LongFrame>,
}

type LongFrame = Box<[u8; VnetHeader::BYTES + FRAME_BYTES_MAX]>;

impl ReceiveRing {
    pub(super) fn new(device: DeviceId, mapping: Mapping) -> Self {
        let long = (0..LONG_FRAMES_MAX).map(|_| Box::new([0; _])).collect();
        Self { device, mapping, next: 0, long }
    }

    /// Its slots.
    pub(super) const fn slots(&self) -> u32 {
        self.mapping.geometry().slots()
    }

    /// Takes up to `weight` frames (at most [`BATCH_FRAMES_MAX`]), lets `handle` see those that are whole as one batch,
    /// and gives their slots back.
    pub(super) fn receive(
        &mut self,
        socket: BorrowedFd<'_>,
        weight: usize,
        counters: &mut Counters,
        handle: impl FnOnce(&[Frame<'_>]),
    ) -> Received {
        let slots = self.slots();
        let weight = weight.min(BATCH_FRAMES_MAX).min(slots as usize);
        let mut frames = [Frame::new(self.device, &[]); BATCH_FRAMES_MAX];
        let (mut emptied, mut whole) = (0, 0);
        let mut long = self.long.iter_mut();
        while emptied < weight {
            let index = (self.next + emptied as u32) % slots;
            let Some(slot) = self.mapping.filled(index) else { break };
            let taken = if slot.status & libc::TP_STATUS_COPY == 0 {
                read_slot(self.device, slot)
            } else {
                let Some(buffer) = long.next() else { break };
                read_long(self.device, slot, socket, buffer)
            };
            emptied += 1;
            match taken {
                Ok(frame) => {
                    frames[whole] = frame;
                    whole += 1;
                }
                Err(reason) => counters.receive_drops.add(reason, 1),
            }
        }
        if whole > 0 {
            counters.received_frames += whole as u64;
            counters.received_bytes += frames[..whole].iter().map(|frame| frame.bytes.len() as u64).sum::<u64>();
            handle(&frames[..whole]);
        }
        for _ in 0..emptied {
            self.mapping.give_back(self.next);
            self.next = (self.next + 1) % slots;
        }
        Received { frames: emptied, is_drained: self.mapping.filled(self.next).is_none() }
    }
}

/// A frame that lies in its slot.
fn read_slot<'a>(device: DeviceId, slot: Slot<'a>) -> Result<Frame<'a>, DropReason> {
    let header = slot.header().ok_or(DropReason::ReceiveMemory)?;
    if header.frame_len > header.present_len {
        // It fits no slot, and the socket had no memory left to keep it.
        return Err(DropReason::ReceiveMemory);
    }
    let start = usize::from(header.link_at).checked_sub(VnetHeader::BYTES).ok_or(DropReason::OffloadUnknown)?;
    let bytes = slot.bytes(start, VnetHeader::BYTES + header.present_len as usize).ok_or(DropReason::OffloadUnknown)?;
    frame(device, slot, bytes)
}

/// A frame that lies in the socket's queue.
fn read_long<'a>(
    device: DeviceId,
    slot: Slot<'a>,
    socket: BorrowedFd<'_>,
    buffer: &'a mut LongFrame,
) -> Result<Frame<'a>, DropReason> {
    let mut receive = || recv(socket, &mut buffer[..], RecvFlags::DONTWAIT | RecvFlags::TRUNC);
    // An error that waits at the socket (a device that went down) is told once and in front of the frame.
    let (_, len) = receive()
        .or_else(|error| if error == Errno::AGAIN { Err(error) } else { receive() })
        .map_err(|_| DropReason::ReceiveMemory)?;
    let bytes = buffer.get(..len).ok_or(DropReason::FrameTooLong)?;
    frame(device, slot, bytes)
}

/// The frame whose vnet header and bytes are `bytes`.
fn frame<'a>(device: DeviceId, slot: Slot<'a>, bytes: &'a [u8]) -> Result<Frame<'a>, DropReason> {
    let (vnet, bytes) = VnetHeader::ref_from_prefix(bytes).map_err(|_| DropReason::OffloadUnknown)?;
    let (checksum, gso) = vnet.parse(bytes.len()).map_err(|_| DropReason::OffloadUnknown)?;
    Ok(Frame { checksum, gso, vlan: vlan_tag(slot), ..Frame::new(device, bytes) })
}

fn vlan_tag(slot: Slot<'_>) -> Option<VlanTag> {
    if slot.status & libc::TP_STATUS_VLAN_VALID == 0 {
        return None;
    }
    let header = slot.header()?;
    let tpid =
        if slot.status & libc::TP_STATUS_VLAN_TPID_VALID == 0 { libc::ETH_P_8021Q as u16 } else { header.vlan_tpid };
    Some(VlanTag { tpid, tci: header.vlan_tci })
}
