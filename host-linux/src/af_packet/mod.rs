//! Network devices through AF_PACKET: frames in from a mapped ring, frames out in batches, with vnet headers both ways, so
//! that unfilled checksums, super-packets and stripped VLAN tags are what they are.
//!
//! ```text
//!   device ─► slots of the ring ──────────► Frame (borrowed) ─► engine
//!             longer ones: socket queue ─┘
//!   device ◄─ slots of a ring ◄───────────── vnet header, tag, head, fragments ◄─ Transmit
//!             sendmmsg for longer ones ◄─┘
//! ```
//!
//! One port is none of these: [`HostPort`], by which the machine itself is reached.
//!
//! The kernel's own network stack sees frames too. A gateway's devices therefore carry no addresses and do not
//! forward; [`Interface::warnings`] tells where that is not so, and [`Withheld`] spares the kernel most of them where it is, if the operator says so.
//!
//! Why not TPACKET_V3: it packs frames into blocks and hands over whole blocks, when full or after a timeout of at least
//! 1 ms, which every packet of a quiet link waits for, and every ACK of a TCP transfer. Why not slots of 64 KB for
//! super-packets: each small packet then costs a page's worth of cache and TLB misses. Why a ring to transmit by, into which frames
//! have to be copied: `sendmmsg` takes them from where they lie, and spends 300 ns on each frame before it looks at it. Super-packets go that way,
//! of which a copy would cost more. The figures are in `host-linux/benches/README.md`.

mod attribute;
mod claim;
mod condition;
mod counters;
mod device;
mod error;
mod host_port;
mod interface;
mod mapping;
mod port;
mod receive;
mod sys;
mod transmit;
mod transmit_ring;
mod vnet;
mod withheld;

use std::{io, os::fd::AsFd};

use towpath_engine::{DeviceId, Frame};

pub use claim::Claim;
pub use condition::{Condition, OFFLOADS};
pub use counters::{Counters, Drops};
pub use device::{PacketDevice, RingOptions};
pub use error::{DeviceError, DeviceErrorCause};
pub use host_port::HostPort;
pub use interface::{Interface, Intrusion};
pub use port::Port;
pub use transmit::Outgoing;
pub use withheld::{Extent, Withheld};

/// What a ring gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Frames taken off the ring, the dropped ones included.
    pub frames: usize,
    /// Whether nothing was left behind them.
    pub is_drained: bool,
}

/// A device's two rings, as the poll loop sees them. Its file is readable while frames wait, and writable while frames
/// can be sent.
pub trait Ring: AsFd {
    /// The engine's number of the device.
    fn device(&self) -> DeviceId;

    /// Takes up to `weight` frames off the receive ring, lets `handle` see the good ones as one batch, if any, and frees
    /// their places.
    fn receive(&mut self, weight: usize, handle: impl FnOnce(&[Frame<'_>])) -> Received;

    /// Sends `frames` in order as far as the device takes them now. Returns how many are dealt with, sent or dropped
    /// and counted; the rest is to be offered again once the file is writable.
    fn send<T: Outgoing>(&mut self, frames: &[T]) -> usize;

    /// The error that waits at the device's file (it went down, it was removed), if any. Taking it clears it.
    fn take_error(&mut self) -> Option<io::Error>;

    /// Goes on with the device of that number in the kernel, which has taken the place of the former one; `promiscuous`: it has another
    /// Ethernet address than the gateway goes on with. Its MTU may be another one as well ([`Self::set_mtu`]).
    ///
    /// # Errors
    /// When that device has gone, too.
    fn rebind(&mut self, _index: u32, _promiscuous: bool) -> io::Result<()> {
        Ok(())
    }

    /// Says that the device, or the one that has taken its place, carries packets of so many bytes now. No longer ones are handed to it.
    fn set_mtu(&mut self, _mtu_bytes: u32) {}

    /// Whether nothing comes of it any more, nor leaves by it, whatever happens to the device.
    fn is_gone(&self) -> bool {
        false
    }

    /// What the machine calls the device, where the engine calls it otherwise.
    fn name(&self) -> Option<&str> {
        None
    }

    /// Slots of its receive ring; `None`: it has none that could run full.
    fn slots(&self) -> Option<u32> {
        None
    }

    /// What has been counted so far.
    fn counters(&mut self) -> &Counters;
}
