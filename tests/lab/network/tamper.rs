//! What happens to one frame, or one that nobody has sent, where what a [`Link`](super::Link) does by lot is not enough.

use std::time::Duration;

use towpath_engine::{Checksum, DeviceId, Frame};

use super::{Network, Sent};

/// What is done to a frame that is on its way.
#[derive(Clone, Copy, Debug)]
pub enum Tamper {
    /// It is lost.
    Lose,
    /// It comes a second time, so much later.
    Repeat(Duration),
    /// It comes later.
    Delay(Duration),
    /// One of its bits is another one when it comes, behind its IP header, so that it goes nowhere else. A super-packet, and a frame whose
    /// checksum would have been filled in by a device, are lost: the other end's device sees that they are broken.
    Flip(usize),
    /// The same, and its checksum is right.
    Forge(usize),
}

impl Network {
    /// Does something to one of the frames that are on their way: they count from the one that comes next, round and round. Tells whether
    /// there are any.
    pub fn tamper(&mut self, nth: usize, how: Tamper) -> bool {
        self.collect();
        let Some(key) = self.on_way.keys().nth(nth % self.on_way.len().max(1)).copied() else { return false };
        let Some((to, mut sent)) = self.on_way.remove(&key) else { return false };
        match how {
            Tamper::Lose => return true,
            Tamper::Repeat(later) => {
                self.order += 1;
                self.on_way.insert((key.0 + later, self.order), (to, sent.clone()));
            }
            Tamper::Delay(by) => {
                self.order += 1;
                self.on_way.insert((key.0 + by, self.order), (to, sent));
                return true;
            }
            Tamper::Flip(bit) => {
                if sent.gso.is_some() || matches!(sent.checksum, Checksum::Partial { .. }) {
                    return true;
                }
                sent.flip(bit);
                sent.checksum = Checksum::None;
            }
            Tamper::Forge(bit) => {
                sent.flip(bit);
                sent.checksum = Checksum::Unnecessary;
            }
        }
        self.on_way.insert(key, (to, sent));
        true
    }

    /// A frame comes that the other engine has not sent, with a checksum that is right.
    pub fn give(&mut self, to: usize, bytes: &[u8]) {
        let frame = Frame { checksum: Checksum::Unnecessary, ..Frame::new(DeviceId(0), bytes) };
        self.engines[to].handle_frames(self.now, &[frame]);
        self.collect();
    }

    /// How one of the last frames that an engine has sent begins: its headers, and some of its payload.
    #[must_use]
    pub fn sent_by(&self, from: usize, nth_last: usize) -> Option<&[u8]> {
        let mut sent = self.recent.iter().rev().filter(|(_, sender, ..)| *sender == from);
        sent.nth(nth_last).map(|(_, _, sent, _)| sent.bytes.as_slice())
    }
}

impl Sent {
    fn flip(&mut self, bit: usize) {
        self.whole = None;
        let is_v4 = self.bytes.get(super::ETHERNET_BYTES).is_some_and(|first| first >> 4 == 4);
        let headers = super::ETHERNET_BYTES + if is_v4 { 20 } else { 40 };
        if let Some(bits) = self.bytes.get_mut(headers..).filter(|bits| !bits.is_empty()) {
            let bit = bit % (bits.len() * 8);
            bits[bit / 8] ^= 1 << (bit % 8);
        }
    }
}
