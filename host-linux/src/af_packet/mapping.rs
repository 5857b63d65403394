//! The memory that a ring shares with the kernel: an array of slots, each of them owned by one side at a time.

use std::{
    io,
    os::fd::BorrowedFd,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
};

use rustix::mm::{MapFlags, ProtFlags};
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// How the kernel lays slots out: blocks of contiguous memory, each with as many whole slots as fit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Geometry {
    /// Bytes of a block: a multiple of the page size.
    pub(super) block_bytes: u32,
    /// Blocks.
    pub(super) blocks: u32,
    /// Bytes of a slot: a multiple of [`SLOT_ALIGN`], not larger than a block.
    pub(super) slot_bytes: u32,
}

/// The boundary slots start at (`TPACKET_ALIGNMENT`).
pub(super) const SLOT_ALIGN: u32 = 16;

impl Geometry {
    /// Slots in all blocks.
    pub(super) const fn slots(self) -> u32 {
        self.slots_per_block() * self.blocks
    }

    const fn slots_per_block(self) -> u32 {
        self.block_bytes / self.slot_bytes
    }

    const fn bytes(self) -> usize {
        self.block_bytes as usize * self.blocks as usize
    }

    /// Where slot `index` starts.
    const fn offset(self, index: u32) -> usize {
        let (block, slot) = (index / self.slots_per_block(), index % self.slots_per_block());
        block as usize * self.block_bytes as usize + slot as usize * self.slot_bytes as usize
    }
}

/// A mapped ring of slots, to receive by or to transmit by. Slot headers are `struct tpacket2_hdr`; its first word says whose the slot is.
#[derive(Debug)]
pub(super) struct Mapping {
    base: NonNull<u8>,
    geometry: Geometry,
}

#[expect(unsafe_code, reason = "the ring is memory shared with the kernel")]
// SAFETY: the memory is the mapping's alone on our side, and no thread's in particular.
unsafe impl Send for Mapping {}

impl Mapping {
    /// Maps the ring that the socket was given before.
    ///
    /// # Errors
    /// What mmap(2) says.
    pub(super) fn new(socket: BorrowedFd<'_>, geometry: Geometry) -> io::Result<Self> {
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        let flags = MapFlags::SHARED | MapFlags::POPULATE;
        #[expect(unsafe_code, reason = "the ring is memory shared with the kernel")]
        // SAFETY: the kernel chooses a free place; nothing that exists is remapped.
        let base = unsafe { rustix::mm::mmap(ptr::null_mut(), geometry.bytes(), protection, flags, socket, 0) }?;
        let base = NonNull::new(base.cast()).ok_or(io::ErrorKind::OutOfMemory)?;
        Ok(Self { base, geometry })
    }

    /// How it is laid out.
    pub(super) const fn geometry(&self) -> Geometry {
        self.geometry
    }

    /// The slot `index`, below [`Geometry::slots`], when the kernel has handed it over, with its status.
    pub(super) fn filled(&self, index: u32) -> Option<Slot<'_>> {
        let status = self.status(index).load(Ordering::Acquire);
        (status & libc::TP_STATUS_USER != 0).then(|| {
            #[expect(unsafe_code, reason = "the ring is memory shared with the kernel")]
            // SAFETY: the slot lies inside the mapping, which lives as long as `self`. It is ours: the kernel writes to
            // a slot only while its status is TP_STATUS_KERNEL, and the acquiring load above orders our reads after
            // its writes. Nobody here writes to it before `give_back`, which takes `self` mutably.
            let bytes = unsafe { std::slice::from_raw_parts(self.slot(index).as_ptr(), self.slot_bytes()) };
            Slot { status, bytes }
        })
    }

    /// Hands the slot `index`, below [`Geometry::slots`], back to the kernel.
    pub(super) fn give_back(&mut self, index: u32) {
        self.status(index).store(libc::TP_STATUS_KERNEL, Ordering::Release);
    }

    /// Writes a frame of `len` bytes into the slot `index`, below [`Geometry::slots`], of a transmit ring by `write`, and asks the kernel to
    /// send it, when the slot is ours; false when it is not.
    pub(super) fn request(&mut self, index: u32, len: u32, write: impl FnOnce(&mut [u8])) -> bool {
        const TAKEN: u32 = libc::TP_STATUS_SEND_REQUEST | libc::TP_STATUS_SENDING | libc::TP_STATUS_WRONG_FORMAT;
        if self.status(index).load(Ordering::Acquire) & TAKEN != 0 {
            return false;
        }
        #[expect(unsafe_code, reason = "the ring is memory shared with the kernel")]
        // SAFETY: all of the slot but its first word, which is accessed as an atomic one only; it lies inside the mapping, which lives as long
        // as `self`. The slot is ours: the kernel reads and writes one only while its status says one of these, and the
        // acquiring load above orders our writes after its own. Nobody else here has it, since `self` is borrowed mutably.
        let bytes = unsafe {
            std::slice::from_raw_parts_mut(
                self.slot(index).as_ptr().add(STATUS_BYTES),
                self.slot_bytes() - STATUS_BYTES,
            )
        };
        bytes[..STATUS_BYTES].copy_from_slice(&len.to_ne_bytes());
        write(&mut bytes[REQUEST_AT - STATUS_BYTES..]);
        self.status(index).store(libc::TP_STATUS_SEND_REQUEST, Ordering::Release);
        true
    }

    /// Whether the kernel has taken the frame in the slot `index` that it was asked to send. If not, the request is taken back; only while the
    /// kernel is not asked for anything (no system call on the socket) may that be.
    pub(super) fn is_taken(&mut self, index: u32) -> bool {
        let status = self.status(index);
        let is_taken =
            status.load(Ordering::Acquire) & (libc::TP_STATUS_SEND_REQUEST | libc::TP_STATUS_WRONG_FORMAT) == 0;
        if !is_taken {
            status.store(libc::TP_STATUS_AVAILABLE, Ordering::Release);
        }
        is_taken
    }

    fn status(&self, index: u32) -> &AtomicU32 {
        #[expect(unsafe_code, reason = "the ring is memory shared with the kernel")]
        // SAFETY: the slot lies inside the mapping, which lives as long as `self`, and starts at a multiple of 16. Both
        // sides access its first word only as a whole; on our side only through this reference.
        unsafe {
            AtomicU32::from_ptr(self.slot(index).as_ptr().cast())
        }
    }

    fn slot(&self, index: u32) -> NonNull<u8> {
        assert!(index < self.geometry.slots(), "slot {index} of {}", self.geometry.slots());
        #[expect(unsafe_code, reason = "the ring is memory shared with the kernel")]
        // SAFETY: the index is below the number of slots, so the slot lies inside the mapping.
        unsafe {
            self.base.add(self.geometry.offset(index))
        }
    }

    const fn slot_bytes(&self) -> usize {
        self.geometry.slot_bytes as usize
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        #[expect(unsafe_code, reason = "the ring is memory shared with the kernel")]
        // SAFETY: base and length are those of the mapping made in `new`; every borrow of it has ended.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.geometry.bytes()) };
        debug_assert!(unmapped.is_ok(), "a mapping of our own can be unmapped");
    }
}

/// A slot that is ours to read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot<'a> {
    /// `TP_STATUS_*`.
    pub(super) status: u32,
    bytes: &'a [u8],
}

impl<'a> Slot<'a> {
    /// What the kernel says about the frame; `None` never happens, since a slot is larger than its header.
    pub(super) fn header(&self) -> Option<&'a SlotHeader> {
        SlotHeader::ref_from_prefix(self.bytes).ok().map(|(header, _)| header)
    }

    /// `len` bytes of the slot from `start`; `None` when they are not all inside.
    pub(super) fn bytes(&self, start: usize, len: usize) -> Option<&'a [u8]> {
        self.bytes.get(start..start.checked_add(len)?)
    }
}

/// What precedes a frame in its slot (Linux v6.18: `include/uapi/linux/if_packet.h`, `struct tpacket2_hdr`).
#[derive(Clone, Copy, Debug, FromBytes, KnownLayout, Immutable)]
#[repr(C)]
pub(super) struct SlotHeader {
    /// Whose the slot is; read through [`Mapping::filled`].
    _status: u32,
    /// Length of the frame.
    pub(super) frame_len: u32,
    /// How much of it is in the slot.
    pub(super) present_len: u32,
    /// Where its Ethernet header starts in the slot; the vnet header ends there.
    pub(super) link_at: u16,
    /// Where its network header starts in the slot.
    pub(super) network_at: u16,
    /// Time of arrival, seconds and nanoseconds of Unix time.
    pub(super) seconds: u32,
    pub(super) nanoseconds: u32,
    /// The stripped tag, when the status says so.
    pub(super) vlan_tci: u16,
    pub(super) vlan_tpid: u16,
    _padding: [u8; 4],
}

const _: () = assert!(size_of::<SlotHeader>() == size_of::<libc::tpacket2_hdr>());

/// Where the bytes to send start in a slot of a transmit ring, behind its header
/// (Linux v6.18: `net/packet/af_packet.c`, `tpacket_parse_header()`).
pub(super) const REQUEST_AT: usize = size_of::<SlotHeader>();
/// The first word of a slot. The second one is the length of what is to be sent.
const STATUS_BYTES: usize = size_of::<u32>();
