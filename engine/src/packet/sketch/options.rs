//! The TCP options that the notation knows.

use alloc::vec::Vec;

use crate::wire::tcp_options::TcpOptions;

/// TCP options, as far as they are told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OptionsSketch {
    /// Maximum segment size, in bytes.
    pub mss: Option<u16>,
    /// By how many bits the window is shifted.
    pub window_scale: Option<u8>,
    /// SACK is permitted.
    pub sack_permitted: bool,
    /// Timestamps: value and echo.
    pub timestamps: Option<(u32, u32)>,
    /// SACK blocks: left and right edges.
    pub sack: Vec<(u32, u32)>,
}

impl OptionsSketch {
    /// Those of a header. Options of wrong lengths are left out.
    pub(super) fn of(options: TcpOptions<'_>) -> Self {
        let mut sketch = Self::default();
        for option in options {
            match (option.kind, option.data) {
                (TcpOptions::MSS, &[high, low]) => sketch.mss = Some(u16::from_be_bytes([high, low])),
                (TcpOptions::WINDOW_SCALE, &[shift]) => sketch.window_scale = Some(shift),
                (TcpOptions::SACK_PERMITTED, []) => sketch.sack_permitted = true,
                (TcpOptions::TIMESTAMPS, data) if data.len() == 8 => sketch.timestamps = pairs(data).next(),
                (TcpOptions::SACK, data) => sketch.sack.extend(pairs(data)),
                _ => {}
            }
        }
        sketch
    }

    /// As they stand in a header, padded to a multiple of 4 bytes; of SACK blocks the first four.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        if let Some(mss) = self.mss {
            bytes.extend([TcpOptions::MSS, 4]);
            bytes.extend(mss.to_be_bytes());
        }
        if self.sack_permitted {
            bytes.extend([TcpOptions::SACK_PERMITTED, 2]);
        }
        if let Some((value, echo)) = self.timestamps {
            bytes.extend([TcpOptions::TIMESTAMPS, 10]);
            bytes.extend(value.to_be_bytes());
            bytes.extend(echo.to_be_bytes());
        }
        if let Some(shift) = self.window_scale {
            bytes.extend([TcpOptions::WINDOW_SCALE, 3, shift]);
        }
        let blocks = &self.sack[..self.sack.len().min(SACK_BLOCKS_MAX)];
        if !blocks.is_empty() {
            bytes.extend([TcpOptions::SACK, 2 + 8 * blocks.len() as u8]);
            for (left, right) in blocks {
                bytes.extend(left.to_be_bytes());
                bytes.extend(right.to_be_bytes());
            }
        }
        bytes.resize(bytes.len().next_multiple_of(4), TcpOptions::NOP);
        bytes
    }

    /// Whether everything that is told here is so in `seen`.
    pub(super) fn hold(&self, seen: &Self) -> bool {
        (self.mss.is_none() || self.mss == seen.mss)
            && (self.window_scale.is_none() || self.window_scale == seen.window_scale)
            && (!self.sack_permitted || seen.sack_permitted)
            && (self.timestamps.is_none() || self.timestamps == seen.timestamps)
            && (self.sack.is_empty() || self.sack == seen.sack)
    }
}

fn pairs(data: &[u8]) -> impl Iterator<Item = (u32, u32)> {
    let (blocks, _) = data.as_chunks::<8>();
    blocks.iter().map(|&[a, b, c, d, e, f, g, h]| (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h])))
}

/// SACK blocks that fit a header.
pub(super) const SACK_BLOCKS_MAX: usize = 4;
