//! What a device's rings have counted.

use towpath_engine::DropReason;

/// Counts of one device since it was opened.
#[derive(Clone, Debug, Default)]
pub struct Counters {
    /// Frames handed to the engine.
    pub received_frames: u64,
    /// Their bytes, without vnet header and stripped tag.
    pub received_bytes: u64,
    /// Frames that the kernel took.
    pub sent_frames: u64,
    /// Their bytes.
    pub sent_bytes: u64,
    /// Frames that came and were not handed to the engine.
    pub receive_drops: Drops,
    /// Frames that the engine handed out and that did not leave.
    pub send_drops: Drops,
}

/// Dropped frames by reason.
#[derive(Clone, Debug)]
pub struct Drops([u64; DropReason::ALL.len()]);

impl Default for Drops {
    fn default() -> Self {
        Self([0; _])
    }
}

impl Drops {
    /// Counts `frames` more.
    pub fn add(&mut self, reason: DropReason, frames: u64) {
        self.0[reason as usize] += frames;
    }

    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// The reasons that occurred, with their counts.
    pub fn iter(&self) -> impl Iterator<Item = (DropReason, u64)> {
        DropReason::ALL.iter().copied().zip(self.0).filter(|(_, frames)| *frames > 0)
    }
}
