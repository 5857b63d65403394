//! Looking ahead: before the first packet of a batch is fed, each one's headers are read, and what connection tracking will
//! need for all of them is touched, so that cache misses overlap.
//!
//! Packets are fed one by one, because each one's record shows the gateway as it is right behind it. So this is done here
//! and not by a batch of the engine's. What is kept is a key to look with, never an answer: nothing depends on it.

use towpath_engine::conntrack::{Conntrack, FlowKey, Tuple};

use super::peek::Peek;
use crate::capture::Batch;

/// By what the packets of a batch will be looked for, as each was captured.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The number of the batch's first packet.
    first: u64,
    /// By what each packet will be looked for.
    keys: Vec<Option<FlowKey>>,
}

impl Ahead {
    /// Reads the packets of a batch, and touches what they will need.
    pub(super) fn look(&mut self, conntrack: &Conntrack, batch: &Batch<'_>) {
        self.first = batch.packets().next().map_or(0, |packet| packet.number);
        self.keys.clear();
        self.keys.resize(batch.len(), None);
        for (key, frame) in self.keys.iter_mut().zip(batch.frames()) {
            let frame = frame.unwrap_or_default();
            // A key is written where it is kept: to move it there would wait for what was just written.
            if let Some((_, tuple)) = frame.first_chunk().and_then(Peek::plain) {
                *key = Some(conntrack.key(tuple));
            } else {
                *key = Peek::read_closer(frame).1.map(|tuple| conntrack.key(tuple));
            }
        }
        conntrack.look_ahead(&mut self.keys);
    }

    /// By what a packet of this tuple will be looked for: made now, in `anew`, if it was not when the batch was looked at.
    #[inline]
    pub(super) fn key<'k>(
        &'k self,
        conntrack: &Conntrack,
        number: u64,
        tuple: &Tuple,
        anew: &'k mut Option<FlowKey>,
    ) -> &'k FlowKey {
        let index = usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX);
        match self.keys.get(index) {
            Some(Some(key)) if key.tuple == *tuple => key,
            Some(_) | None => anew.insert(conntrack.key(*tuple)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::replay::peek::{PLAIN_TRANSPORT, PlainHeaders};

    /// An Ethernet header before any IPv4 header without options, and what follows it: eight bytes that belong to what is noted.
    fn headers() -> impl Strategy<Value = PlainHeaders> {
        let protocol = prop_oneof![Just(1_u8), Just(6), Just(17), Just(47), Just(132), any::<u8>()];
        (any::<[u8; 32]>(), any::<[u8; 10]>(), protocol, any::<bool>()).prop_map(|(first, last, protocol, is_whole)| {
            let mut headers = [0; PLAIN_TRANSPORT + 8];
            headers[..32].copy_from_slice(&first);
            headers[32..].copy_from_slice(&last);
            headers[12..15].copy_from_slice(&[0x08, 0x00, 0x45]);
            headers[23] = protocol;
            if is_whole {
                headers[20..22].fill(0);
            }
            headers
        })
    }

    proptest! {
        #[test]
        fn what_is_read_at_once_of_most_frames_is_what_is_read_of_any(headers in headers()) {
            if let Some((peek, tuple)) = Peek::plain(&headers) {
                prop_assert_eq!(Peek::frame(&headers), Some(peek));
                prop_assert_eq!(peek.tuple(&headers), Some(tuple));
            }
        }
    }
}
