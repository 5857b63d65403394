//! Making a packet longer at its end, before its layers are found; and laying together what has become of that.

use alloc::sync::Arc;

use super::{Packet, Pool, buf::Fragment};
use crate::limits::FRAGMENTS_MAX;

impl Packet {
    /// The linear bytes from the first header on, to change.
    pub(crate) fn linear_mut(&mut self) -> &mut [u8] {
        let block = &mut *self.0;
        &mut block.bytes[usize::from(block.data)..usize::from(block.tail)]
    }

    /// Lays the payload together: beside the headers where there is room, else in one part behind them. What others share of it stays
    /// theirs.
    ///
    /// Linux v6.18: `net/core/skbuff.c`, `__skb_linearize()`, which has room for all in one piece.
    #[cold]
    #[inline(never)]
    pub(crate) fn lay_together(&mut self, pool: &mut Pool) {
        let block = &mut *self.0;
        let (tail, behind): (usize, usize) =
            (block.tail.into(), block.fragments.iter().map(|part| part.bytes().len()).sum());
        match block.bytes.get_mut(tail..tail + behind) {
            _ if behind == 0 => {}
            Some(room) => {
                let mut at = 0;
                for part in block.fragments.drain(..) {
                    room[at..at + part.bytes().len()].copy_from_slice(part.bytes());
                    at += part.bytes().len();
                    pool.give_back_buffer(part.buffer);
                }
                block.tail += behind as u16;
                block.tally.copied(behind);
            }
            None if block.fragments.len() == 1 => {}
            None => {
                let mut whole = pool.buffer(behind);
                let Some(bytes) = Arc::get_mut(&mut whole) else {
                    unreachable!("a buffer that is given out is nobody else's")
                };
                for part in block.fragments.drain(..) {
                    bytes.extend_from_slice(part.bytes());
                    pool.give_back_buffer(part.buffer);
                }
                block.fragments.push(Fragment { buffer: whole, start: 0, end: behind as u32 });
                block.tally.copied(behind);
            }
        }
    }

    /// Puts bytes behind its last one; each is copied once, as long as there are not [`FRAGMENTS_MAX`] parts, the last of which would
    /// have to grow. A further part has room for half as much as there is, so that those are few, and little of them stays empty.
    /// Lengths and checksums in headers stay as they are.
    pub(crate) fn extend(&mut self, pool: &mut Pool, bytes: &[u8]) {
        let fragments = &mut self.0.fragments;
        let is_full = fragments.len() >= FRAGMENTS_MAX;
        if let Some(last) = fragments.last_mut()
            && let Some(own) = Arc::get_mut(&mut last.buffer)
            && own.len() == last.end as usize
        {
            let has_room = own.capacity() - own.len() >= bytes.len();
            if has_room || is_full {
                self.0.tally.copied(if has_room { 0 } else { own.len() });
                own.extend_from_slice(bytes);
                last.end += bytes.len() as u32;
                return;
            }
        }
        let held: u32 = fragments.iter().map(|part| part.end - part.start).sum();
        fragments.push(pool.fragment_with_room(bytes, held as usize / 2));
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;
    use crate::{DeviceId, Frame};

    fn whole(packet: &Packet) -> Vec<u8> {
        [packet.linear()].into_iter().chain(packet.fragments()).collect::<Vec<_>>().concat()
    }

    #[test]
    fn pieces_are_laid_together_beside_the_headers_or_in_one_behind_them() {
        let mut pool = Pool::new();
        // Bytes of the frame, of what is put behind it twice, and the pieces that are left behind the headers.
        for (frame_len, more_len, left) in [(100, 0, 0), (100, 700, 0), (100, 3000, 1), (4000, 6000, 1), (4000, 0, 1)] {
            let frame: Vec<u8> = [vec![0; 12], vec![0x88, 0xb5], vec![7; frame_len - 14]].concat();
            let mut packet = Packet::take(&mut pool, &Frame::new(DeviceId(0), &frame)).expect("a link header");
            for byte in [8, 9] {
                if more_len > 0 {
                    let more = pool.fragment(&vec![byte; more_len]);
                    packet.0.fragments.push(more);
                }
            }
            let expected = whole(&packet);
            packet.lay_together(&mut pool);
            assert_eq!((packet.fragments().count(), packet.len()), (left, frame_len + 2 * more_len));
            assert_eq!(whole(&packet), expected);
            packet.recycle(&mut pool);
        }
    }
}
