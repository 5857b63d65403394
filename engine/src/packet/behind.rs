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
    /// [`FRAGMENTS_MAX`] already they are copied, into the last one if it is its own, or one more. Lengths and checksums in headers stay as they are.
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

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::frame::DeviceId;

    /// How many parts a packet has after these were shared with it, one by one; what it has behind its head is them.
    fn parts_of(frame: &Frame<'_>, later: &[Fragment]) -> usize {
        let pool = &mut Pool::new();
        let mut packet = Packet::take(pool, frame).unwrap();
        for fragment in later {
            packet.share(pool, Behind(core::slice::from_ref(fragment)));
        }
        let whole: Vec<u8> = packet.fragments().flatten().copied().collect();
        let given = frame.behind.parts().chain(later.iter().map(Fragment::bytes));
        assert!(whole.iter().eq(given.flatten()));
        packet.0.fragments.len()
    }

    #[test]
    fn a_packet_has_as_many_parts_of_others_as_linux_has_and_one_of_its_own_for_all_that_follows() {
        let fragments: Vec<_> = (0..60).map(|number| Fragment::of(vec![number; 100])).collect();
        for (count, parts) in [(1, 1), (17, 17), (18, 18), (19, 18), (60, 18)] {
            // They come with its frame, behind it, or some so and some so.
            for arrived in [count, 0, 1, count / 2, count - 1] {
                let (first, later) = fragments[..count].split_at(arrived);
                let frame = Frame { behind: Behind(first), ..Frame::new(DeviceId(0), &[0; 60]) };
                assert_eq!(parts_of(&frame, later), parts, "{arrived} of {count}");
            }
        }
        let halves = [0..50, 50..100].map(|half| fragments[0].within(half.start, half.end));
        assert_eq!(parts_of(&Frame::new(DeviceId(0), &[0; 60]), &halves), 1, "what follows in memory is one part");
    }
}
