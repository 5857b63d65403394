//! Looking ahead: before the first packet of a batch is fed, each one's headers are read, and what connection tracking will
//! need for all of them is touched, so that cache misses overlap.
//!
//! Packets are fed one by one, because each one's record shows the gateway as it is right behind it. So this is done here
//! and not by a batch of the engine's. What is found is what would be found again and a key to look with, never an answer:
//! nothing depends on it.

use towpath_engine::conntrack::{Conntrack, FlowKey, Tuple};

use super::peek::{PLAIN_TRANSPORT, Peek, PlainHeaders};
use crate::capture::Batch;

/// What was read of the packets of a batch, as each was captured.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    /// The number of the batch's first packet.
    first: u64,
    /// Headers, and what they say; `None`: they are others than [`PlainHeaders`], or none.
    peeks: Vec<Option<(PlainHeaders, Peek)>>,
    /// By what each packet will be looked for.
    keys: Vec<Option<FlowKey>>,
}

impl Ahead {
    /// Reads the packets of a batch, and touches what they will need.
    pub(super) fn look(&mut self, conntrack: &Conntrack, batch: &Batch<'_>) {
        self.first = batch.packets().next().map_or(0, |packet| packet.number);
        self.peeks.clear();
        self.keys.clear();
        for frame in batch.frames() {
            let frame = frame.unwrap_or_default();
            match frame.first_chunk().and_then(|headers| Some((headers, Peek::plain(headers)?))) {
                Some((headers, (peek, tuple))) => {
                    self.keys.push(Some(conntrack.key(tuple)));
                    self.peeks.push(Some((*headers, peek)));
                }
                None => self.look_closer(conntrack, frame),
            }
        }
        conntrack.look_ahead(&mut self.keys);
    }

    #[inline(never)]
    fn look_closer(&mut self, conntrack: &Conntrack, frame: &[u8]) {
        let peek = Peek::frame(frame);
        let tuple = peek.as_ref().and_then(|peek| peek.tuple(frame));
        self.keys.push(tuple.map(|tuple| conntrack.key(tuple)));
        self.peeks.push(match (frame.first_chunk(), peek) {
            (Some(headers), Some(peek)) if peek.source.is_ipv4() && peek.transport == PLAIN_TRANSPORT => {
                Some((*headers, peek))
            }
            _ => None,
        });
    }

    /// What was read of a packet's headers, if they are still the same, and its key.
    #[inline]
    pub(super) fn read(&self, number: u64, frame: &[u8]) -> Option<(&Peek, Option<&FlowKey>)> {
        let index = self.index(number);
        let (headers, peek) = self.peeks.get(index)?.as_ref()?;
        (frame.first_chunk() == Some(headers)).then_some((peek, self.keys.get(index)?.as_ref()))
    }

    /// What a packet's headers say that are not those that were read, and its key.
    #[inline(never)]
    pub(super) fn read_anew(
        &self,
        conntrack: &Conntrack,
        number: u64,
        frame: &[u8],
    ) -> (Option<Peek>, Option<FlowKey>) {
        let peek = Peek::frame(frame);
        let tuple = peek.as_ref().and_then(|peek| peek.tuple(frame));
        (peek, tuple.map(|tuple| self.key(conntrack, number, tuple)))
    }

    /// The key of a packet that has this tuple, made now if nobody has looked ahead for it.
    fn key(&self, conntrack: &Conntrack, number: u64, tuple: Tuple) -> FlowKey {
        match self.keys.get(self.index(number)) {
            Some(Some(key)) if key.tuple == tuple => *key,
            Some(_) | None => conntrack.key(tuple),
        }
    }

    fn index(&self, number: u64) -> usize {
        usize::try_from(number.wrapping_sub(self.first)).unwrap_or(usize::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

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

        #[test]
        fn what_is_read_of_headers_depends_on_nothing_behind_them(
            headers in headers(),
            rest: [Vec<u8>; 2],
        ) {
            let read = |rest: &[u8]| {
                let frame = [&headers[..], rest].concat();
                let peek = Peek::frame(&frame).expect("it holds IPv4");
                assert_eq!(peek.transport, PLAIN_TRANSPORT);
                let tuple = peek.tuple(&frame);
                (peek, tuple)
            };
            prop_assert_eq!(read(&rest[0]), read(&rest[1]));
        }
    }
}
