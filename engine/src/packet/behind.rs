//! What a packet shares with whoever has sent it: two engines on one machine hand each other packets by their cable, and nobody copies
//! a payload for that (Linux: `veth`, whose two ends pass one `struct sk_buff` on).

use alloc::sync::Arc;

use super::{Packet, Pool, buf::Fragment};
use crate::{
    ending::DropReason,
    frame::Frame,
    limits::{FRAGMENTS_MAX, FRAME_BYTES_MAX},
};

/// What follows the linear bytes of a frame, in memory that its sender has as well ([`crate::Transmit::as_frame`]). It is only read;
/// the memory stays taken until all have let it go.
#[derive(Clone, Copy, Debug, Default)]
pub struct Behind<'a>(&'a [Fragment]);

impl<'a> Behind<'a> {
    /// Nothing: a frame's linear bytes are all of it.
    pub const NOTHING: Self = Self(&[]);

    /// How many bytes.
    #[must_use]
    pub fn len(self) -> usize {
        self.parts().map(<[u8]>::len).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0.is_empty()
    }

    /// The bytes, in order.
    pub fn parts(self) -> impl Iterator<Item = &'a [u8]> {
        self.0.iter().map(Fragment::bytes)
    }
}

impl Packet {
    /// What follows its linear bytes.
    pub(crate) fn behind(&self) -> Behind<'_> {
        Behind(&self.0.fragments)
    }

    /// Takes over what follows the linear bytes of its frame.
    #[inline(never)]
    pub(super) fn share_rest_of(&mut self, pool: &mut Pool, frame: &Frame<'_>) -> Result<(), DropReason> {
        if frame.bytes.len() + frame.behind.len() > FRAME_BYTES_MAX {
            return Err(DropReason::FrameTooLong);
        }
        self.0.meta.cut_bytes = self.0.meta.cut_bytes.saturating_sub(frame.behind.len() as u32);
        self.share(pool, frame.behind);
        Ok(())
    }

    /// Puts bytes behind its last one, by reference; what follows what is there becomes one part with it, and only where there are
    /// [`FRAGMENTS_MAX`] already they are copied. Lengths and checksums in headers stay as they are.
    pub(crate) fn share(&mut self, pool: &mut Pool, behind: Behind<'_>) {
        for fragment in behind.0 {
            let fragments = &mut self.0.fragments;
            let is_full = fragments.len() >= FRAGMENTS_MAX;
            match fragments.last_mut() {
                Some(last) if Arc::ptr_eq(&last.buffer, &fragment.buffer) && last.end == fragment.start => {
                    last.end = fragment.end;
                }
                Some(_) if is_full => self.extend(pool, fragment.bytes()),
                Some(_) | None => fragments.push(fragment.clone()),
            }
        }
    }
}
