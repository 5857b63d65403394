//! TCP options as they are written here, in the order and with the padding that Linux has (v6.18: `net/ipv4/tcp_output.c`,
//! `tcp_options_write()`): peers and their filters have long been tried on it.
//!
//! ```text
//!  SYN        mss 4 | sackOK 2, TS 10          | nop 1, wscale 3      with timestamps and SACK
//!             mss 4 | nop nop, TS 10           | nop 1, wscale 3      with timestamps
//!             mss 4 | nop nop, sackOK 2        | nop 1, wscale 3      with SACK
//!  any other  nop nop, TS 10 | nop nop, SACK 2 + 8 a block            blocks: 4, or 3 with timestamps
//! ```

use super::{seq::SeqNum, tcp_options::TcpOptions};

/// The timestamps option (RFC 7323, section 3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamps {
    /// The sender's clock, in ticks of its own.
    pub value: u32,
    /// The receiver's clock, as the sender has seen it last.
    pub echo: u32,
}

/// The blocks of a SACK option (RFC 2018): what has arrived, each from its first byte to behind its last one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlocks {
    blocks: [(SeqNum, SeqNum); Self::MAX],
    len: u8,
}

impl SackBlocks {
    /// As many as an option of 40 bytes can have.
    pub const MAX: usize = 4;

    /// Adds a block behind the others; what there is no room for is left out.
    pub fn push(&mut self, block: (SeqNum, SeqNum)) {
        if let Some(free) = self.blocks.get_mut(usize::from(self.len)) {
            *free = block;
            self.len += 1;
        }
    }

    /// The blocks, in order.
    #[must_use]
    pub fn as_slice(&self) -> &[(SeqNum, SeqNum)] {
        &self.blocks[..usize::from(self.len)]
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Those of an option's data; what is no whole block is left out.
    #[must_use]
    pub fn parse(data: &[u8]) -> Self {
        let mut blocks = Self::default();
        let (pairs, _) = data.as_chunks::<8>();
        for &[a, b, c, d, e, f, g, h] in pairs {
            blocks.push((SeqNum(u32::from_be_bytes([a, b, c, d])), SeqNum(u32::from_be_bytes([e, f, g, h]))));
        }
        blocks
    }
}

/// The options of a segment that is made here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OptionsOut {
    /// Payload bytes that this end takes in one segment, of a SYN.
    pub mss_bytes: Option<u16>,
    /// By how many bits windows are shifted, 0 to 14, of a SYN.
    pub window_scale: Option<u8>,
    /// Whether SACK may be sent here, of a SYN.
    pub sack_permitted: bool,
    /// Timestamps.
    pub timestamps: Option<Timestamps>,
    /// Blocks that have arrived; not beside those of a SYN.
    pub sack: SackBlocks,
}

impl OptionsOut {
    /// Bytes of all options at most.
    pub const BYTES_MAX: usize = 40;
    /// Bytes that timestamps take in every segment.
    pub const TIMESTAMPS_BYTES: usize = 12;

    /// Writes them at the start of `to` and tells how many bytes that took, a multiple of 4.
    pub fn emit(&self, to: &mut [u8; Self::BYTES_MAX]) -> usize {
        let mut writer = Writer { to, len: 0 };
        if let Some(mss) = self.mss_bytes {
            let [high, low] = mss.to_be_bytes();
            writer.put(&[TcpOptions::MSS, 4, high, low]);
        }
        match self.timestamps {
            Some(Timestamps { value, echo }) => {
                let before = if self.sack_permitted { [TcpOptions::SACK_PERMITTED, 2] } else { PADDING };
                writer.put(&before);
                writer.put(&[TcpOptions::TIMESTAMPS, 10]);
                writer.put(&value.to_be_bytes());
                writer.put(&echo.to_be_bytes());
            }
            None if self.sack_permitted => {
                writer.put(&PADDING);
                writer.put(&[TcpOptions::SACK_PERMITTED, 2]);
            }
            None => {}
        }
        if let Some(scale) = self.window_scale {
            writer.put(&[TcpOptions::NOP, TcpOptions::WINDOW_SCALE, 3, scale]);
        }
        let blocks = self.sack.as_slice();
        let blocks = &blocks[..blocks.len().min(writer.room().saturating_sub(4) / 8)];
        if !blocks.is_empty() {
            writer.put(&PADDING);
            writer.put(&[TcpOptions::SACK, 2 + 8 * blocks.len() as u8]);
            for (start, end) in blocks {
                writer.put(&start.0.to_be_bytes());
                writer.put(&end.0.to_be_bytes());
            }
        }
        writer.len
    }
}

struct Writer<'a> {
    to: &'a mut [u8; OptionsOut::BYTES_MAX],
    len: usize,
}

impl Writer<'_> {
    const fn room(&self) -> usize {
        OptionsOut::BYTES_MAX - self.len
    }

    fn put(&mut self, bytes: &[u8]) {
        self.to[self.len..self.len + bytes.len()].copy_from_slice(bytes);
        self.len += bytes.len();
    }
}

const PADDING: [u8; 2] = [TcpOptions::NOP, TcpOptions::NOP];

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn emitted(options: OptionsOut) -> Vec<u8> {
        let mut bytes = [0xee; OptionsOut::BYTES_MAX];
        let len = options.emit(&mut bytes);
        bytes[..len].to_vec()
    }

    #[test]
    fn a_syn_has_its_options_in_the_order_of_linux() {
        let all = OptionsOut {
            mss_bytes: Some(1460),
            window_scale: Some(7),
            sack_permitted: true,
            timestamps: Some(Timestamps { value: 1, echo: 0 }),
            ..OptionsOut::default()
        };
        assert_eq!(emitted(all), [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7]);
        let unsacked = OptionsOut { sack_permitted: false, ..all };
        assert_eq!(emitted(unsacked)[4..8], [1, 1, 8, 10]);
        let untimed = OptionsOut { timestamps: None, ..all };
        assert_eq!(emitted(untimed), [2, 4, 5, 0xb4, 1, 1, 4, 2, 1, 3, 3, 7]);
    }

    #[test]
    fn there_is_room_for_four_blocks_and_for_three_beside_timestamps() {
        let mut options = OptionsOut::default();
        (0..5).for_each(|at| options.sack.push((SeqNum(at), SeqNum(at + 1))));
        assert_eq!(emitted(options).len(), 36);
        options.timestamps = Some(Timestamps::default());
        assert_eq!(emitted(options).len(), OptionsOut::BYTES_MAX);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            mss_bytes: Option<u16>, window_scale in proptest::option::of(0_u8..15), sack_permitted: bool,
            times: Option<(u32, u32)>, blocks in proptest::collection::vec((any::<u32>(), any::<u32>()), 0..4),
        ) {
            let mut options = OptionsOut {
                mss_bytes, window_scale, sack_permitted,
                timestamps: times.map(|(value, echo)| Timestamps { value, echo }),
                ..OptionsOut::default()
            };
            let is_syn = mss_bytes.is_some() || window_scale.is_some() || sack_permitted;
            if !is_syn {
                blocks.iter().for_each(|&(start, end)| options.sack.push((SeqNum(start), SeqNum(end))));
            }
            let bytes = emitted(options);
            prop_assert_eq!(bytes.len() % 4, 0);
            let mut read = OptionsOut::default();
            for option in TcpOptions::new(&bytes) {
                match (option.kind, option.data) {
                    (TcpOptions::MSS, &[high, low]) => read.mss_bytes = Some(u16::from_be_bytes([high, low])),
                    (TcpOptions::WINDOW_SCALE, &[scale]) => read.window_scale = Some(scale),
                    (TcpOptions::SACK_PERMITTED, &[]) => read.sack_permitted = true,
                    (TcpOptions::TIMESTAMPS, &[a, b, c, d, e, f, g, h]) => {
                        let (value, echo) = (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
                        read.timestamps = Some(Timestamps { value, echo });
                    }
                    (TcpOptions::SACK, data) => read.sack = SackBlocks::parse(data),
                    (kind, _) => prop_assert!(false, "option {} was not written", kind),
                }
            }
            prop_assert_eq!(read, options);
        }
    }
}
