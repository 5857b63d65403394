//! A network device with its two rings.

use std::{
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

use rustix::net::sockopt;
use towpath_engine::{DeviceId, DropReason, Frame};
use zerocopy::{Immutable, IntoBytes};

use super::{
    Received, Ring,
    counters::Counters,
    error::{DeviceError, DeviceErrorCause},
    interface::Interface,
    mapping::{Geometry, Mapping, SLOT_ALIGN},
    receive::ReceiveRing,
    sys,
    transmit::{self, Outgoing, Ways},
    transmit_ring::TransmitRing,
};
use crate::limits::{
    RING_SLOTS_DEFAULT, RING_SLOTS_MAX, RING_SLOTS_MIN, SLOT_FRAME_BYTES_MAX, SOCKET_MEMORY_BYTES, TRANSMIT_SLOTS,
};

/// How a device is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RingOptions {
    /// Slots of the receive ring, [`RING_SLOTS_MIN`] to [`RING_SLOTS_MAX`], outside of which it is taken to the bound.
    pub slots: u32,
    /// Receives frames for other stations too: needed when the gateway's address is not the device's own.
    pub promiscuous: bool,
    /// Sends past the device's queueing discipline: faster, but `tc` on the device has no say (PACKET_QDISC_BYPASS).
    pub qdisc_bypass: bool,
}

impl Default for RingOptions {
    fn default() -> Self {
        Self { slots: RING_SLOTS_DEFAULT, promiscuous: false, qdisc_bypass: true }
    }
}

/// A network device, opened for frames in both directions.
#[derive(Debug)]
pub struct PacketDevice {
    id: DeviceId,
    interface: Interface,
    socket: OwnedFd,
    ring: ReceiveRing,
    transmit_ring: TransmitRing,
    options: RingOptions,
    counters: Counters,
}

impl PacketDevice {
    /// Opens the device `name` of this network namespace as the engine's device `id`. Frames arrive from here on.
    ///
    /// Needs CAP_NET_RAW in the user namespace that owns the network namespace; sending, receiving and going on with a device that was
    /// made anew need nothing.
    ///
    /// # Errors
    /// [`DeviceError`] says why not, and what to do.
    pub fn open(name: &str, id: DeviceId, options: RingOptions) -> Result<Self, DeviceError> {
        let failed = |cause| DeviceError::new(name, cause);
        let open = || sys::open().map_err(|error| failed(open_failure(error)));
        let (socket, sending) = (open()?, open()?);
        let interface = Interface::find(name)?;
        let ring = |socket: &OwnedFd, kind, slots| {
            set_options(socket.as_fd(), options)?;
            let geometry = geometry(interface.mtu_bytes, slots);
            sys::set_packet_option(socket.as_fd(), kind, &RingRequest::from(geometry))
                .and_then(|()| Mapping::new(socket.as_fd(), geometry))
                .map_err(DeviceErrorCause::RingMemory)
        };
        let received = ring(&socket, libc::PACKET_RX_RING, options.slots).map_err(failed)?;
        let sent = ring(&sending, libc::PACKET_TX_RING, TRANSMIT_SLOTS).map_err(failed)?;
        bind(&socket, &sending, interface.index)
            .map_err(|error| failed(DeviceErrorCause::Call("binding the packet socket", error)))?;
        if options.promiscuous {
            enter_promiscuous_mode(socket.as_fd(), interface.index)
                .map_err(|error| failed(DeviceErrorCause::Call("entering promiscuous mode", error)))?;
        }
        let ring = ReceiveRing::new(id, received);
        let transmit_ring = TransmitRing::new(sending, sent, interface.mtu_bytes);
        Ok(Self { id, interface, socket, ring, transmit_ring, options, counters: Counters::default() })
    }

    /// What the kernel says about the device, as it was when it was opened.
    #[must_use]
    pub const fn interface(&self) -> &Interface {
        &self.interface
    }

    /// Adds the ring's own losses to the counters; the kernel counts them in 32 bits until they are taken.
    fn take_losses(&mut self) {
        if let Ok(statistics) = sys::take_statistics(self.socket.as_fd()) {
            self.counters.receive_drops.add(DropReason::ReceiveRingFull, statistics.drops.into());
        }
    }
}

impl AsFd for PacketDevice {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Ring for PacketDevice {
    fn device(&self) -> DeviceId {
        self.id
    }

    fn receive(&mut self, weight: usize, handle: impl FnOnce(&[Frame<'_>])) -> Received {
        self.ring.receive(self.socket.as_fd(), weight, &mut self.counters, handle)
    }

    fn send<T: Outgoing>(&mut self, frames: &[T]) -> usize {
        let Self { socket, transmit_ring, options, counters, .. } = self;
        let mut ways = Ways { ring: transmit_ring, socket: socket.as_fd(), past_qdisc: options.qdisc_bypass };
        transmit::send(&mut ways, frames, counters)
    }

    fn rebind(&mut self, index: u32, promiscuous: bool) -> io::Result<()> {
        bind(&self.socket, self.transmit_ring.socket(), index)?;
        if self.options.promiscuous || promiscuous {
            enter_promiscuous_mode(self.socket.as_fd(), index)?;
        }
        self.interface.index = index;
        Ok(())
    }

    fn set_mtu(&mut self, mtu_bytes: u32) {
        self.transmit_ring.set_mtu(mtu_bytes);
    }

    fn take_error(&mut self) -> Option<io::Error> {
        match sockopt::socket_error(&self.socket) {
            Ok(Ok(())) => None,
            Ok(Err(error)) | Err(error) => Some(error.into()),
        }
    }

    fn slots(&self) -> Option<u32> {
        Some(self.ring.slots())
    }

    fn counters(&mut self) -> &Counters {
        self.take_losses();
        &self.counters
    }
}

/// Binds both sockets to a device; from here on frames arrive.
fn bind(receiving: &OwnedFd, sending: &OwnedFd, index: u32) -> io::Result<()> {
    sys::bind(sending.as_fd(), index, sys::Protocol::None)?;
    sys::bind(receiving.as_fd(), index, sys::Protocol::All)
}

fn enter_promiscuous_mode(socket: BorrowedFd<'_>, index: u32) -> io::Result<()> {
    let membership = Membership { index, kind: PACKET_MR_PROMISC, ..Membership::default() };
    sys::set_packet_option(socket, libc::PACKET_ADD_MEMBERSHIP, &membership)
}

/// Options that have to be set before the ring exists.
fn set_options(socket: BorrowedFd<'_>, options: RingOptions) -> Result<(), DeviceErrorCause> {
    let flags = [
        ("choosing the ring's version", libc::PACKET_VERSION, TPACKET_V2),
        ("ignoring outgoing frames", PACKET_IGNORE_OUTGOING, 1),
        ("asking for vnet headers", libc::PACKET_VNET_HDR, 1),
        ("keeping long frames", libc::PACKET_COPY_THRESH, 1),
        ("passing by the queueing discipline", libc::PACKET_QDISC_BYPASS, options.qdisc_bypass.into()),
    ];
    for (what, option, value) in flags {
        sys::set_packet_option(socket, option, &value).map_err(|error| DeviceErrorCause::Call(what, error))?;
    }
    for buffer in [sys::Buffer::Receive, sys::Buffer::Send] {
        sys::set_buffer_bytes(socket, buffer, SOCKET_MEMORY_BYTES)
            .map_err(|error| DeviceErrorCause::Call("asking for socket memory", error))?;
    }
    Ok(())
}

fn open_failure(error: io::Error) -> DeviceErrorCause {
    match error.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => DeviceErrorCause::NotPermitted,
        Some(libc::EAFNOSUPPORT) => DeviceErrorCause::Unsupported,
        Some(_) | None => DeviceErrorCause::Call("opening a packet socket", error),
    }
}

/// Slots that hold a frame of the device's MTU, unless that is longer than any wire's.
fn geometry(mtu_bytes: u32, slots: u32) -> Geometry {
    let frame_bytes = if mtu_bytes > SLOT_FRAME_BYTES_MAX { ETHERNET_MTU_BYTES } else { mtu_bytes } + LINK_BYTES;
    // An odd number of cache lines: slots start in all of a cache's sets, not in every second or fourth.
    let lines = (FRAME_AT + frame_bytes).div_ceil(CACHE_LINE_BYTES) | 1;
    let slot_bytes = lines * CACHE_LINE_BYTES;
    // The kernel uses all slots of all blocks. A power of two to a block gives rings of just as many as are asked for where that is one as
    // well, and not too few.
    let per_block = 1 << (BLOCK_BYTES / slot_bytes).ilog2();
    let block_bytes = (per_block * slot_bytes).next_multiple_of(PAGE_BYTES);
    let blocks = slots.clamp(RING_SLOTS_MIN, RING_SLOTS_MAX).div_ceil(block_bytes / slot_bytes);
    Geometry { block_bytes, blocks, slot_bytes }
}

/// Where a frame starts in its slot: behind two headers and the vnet header
/// (Linux v6.18: `net/packet/af_packet.c`, `tpacket_rcv()`).
const FRAME_AT: u32 = 76;
/// An Ethernet header and one tag that was not stripped.
const LINK_BYTES: u32 = 14 + 4;
const ETHERNET_MTU_BYTES: u32 = 1500;
const CACHE_LINE_BYTES: u32 = 64;
/// The most of a block: small enough to be found in fragmented memory. What a block has less, the kernel takes all the same.
const BLOCK_BYTES: u32 = 256 << 10;
/// The largest page of memory in use, of which a block has whole ones; where that is a large one, it has more slots than a power of two.
const PAGE_BYTES: u32 = if cfg!(target_arch = "x86_64") { 4 << 10 } else { 64 << 10 };
const _: () =
    assert!(CACHE_LINE_BYTES.is_multiple_of(SLOT_ALIGN) && BLOCK_BYTES > FRAME_AT + SLOT_FRAME_BYTES_MAX + LINK_BYTES);

/// Version 2: each frame is seen as soon as it is there. [`super`] says why not version 3.
const TPACKET_V2: i32 = libc::tpacket_versions::TPACKET_V2 as i32;
/// Linux 4.20 and later: `include/uapi/linux/if_packet.h`.
const PACKET_IGNORE_OUTGOING: i32 = 23;
const PACKET_MR_PROMISC: u16 = 1;

/// `struct tpacket_req`.
#[derive(IntoBytes, Immutable)]
#[repr(C)]
struct RingRequest {
    block_bytes: u32,
    blocks: u32,
    slot_bytes: u32,
    slots: u32,
}

impl From<Geometry> for RingRequest {
    fn from(geometry: Geometry) -> Self {
        let Geometry { block_bytes, blocks, slot_bytes } = geometry;
        Self { block_bytes, blocks, slot_bytes, slots: geometry.slots() }
    }
}

/// `struct packet_mreq`.
#[derive(Default, IntoBytes, Immutable)]
#[repr(C)]
struct Membership {
    index: u32,
    kind: u16,
    address_len: u16,
    address: [u8; 8],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_of_an_ethernet_device_is_an_odd_number_of_cache_lines_and_holds_a_full_frame() {
        for (mtu_bytes, slot_bytes) in [(1500, 1600), (1280, 1472), (9000, 9152), (65_536, 1600)] {
            let geometry = geometry(mtu_bytes, 1000);
            assert_eq!(geometry.slot_bytes, slot_bytes, "mtu {mtu_bytes}");
            assert!(geometry.slots() >= 1000);
            assert_eq!(geometry.slot_bytes / CACHE_LINE_BYTES % 2, 1);
        }
    }

    #[test]
    fn the_number_of_slots_stays_within_its_bounds() {
        assert!(geometry(1500, 0).slots() >= RING_SLOTS_MIN);
        assert!(geometry(1500, u32::MAX).slots() < RING_SLOTS_MAX + BLOCK_BYTES / 1600);
    }

    #[cfg(target_arch = "x86_64")]
    #[test]
    fn a_ring_has_as_many_slots_as_are_asked_for_where_they_are_a_power_of_two() {
        for mtu_bytes in 576..=SLOT_FRAME_BYTES_MAX {
            for slots in [256, 4096, RING_SLOTS_MAX] {
                let geometry = geometry(mtu_bytes, slots);
                assert_eq!(geometry.slots(), slots, "mtu {mtu_bytes}");
                assert_eq!(geometry.block_bytes % PAGE_BYTES, 0);
                assert!(geometry.block_bytes <= BLOCK_BYTES);
            }
        }
        assert_eq!(geometry(1500, 4097).slots(), 4224, "else it is rounded up to whole blocks, as drivers do");
    }

    #[test]
    fn a_device_that_does_not_exist_is_named_in_the_error() {
        let error = PacketDevice::open("nosuchdev0", DeviceId(0), RingOptions::default()).unwrap_err();
        assert!(error.to_string().starts_with("device nosuchdev0: "), "{error}");
    }
}
