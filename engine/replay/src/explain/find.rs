//! Replays a capture up to one packet.

use core::fmt;

use towpath_engine::{CommandError, Instant};

use crate::{
    capture::{Capture, CaptureError},
    limits::BATCH_PACKETS,
    record::Record,
    replay::{Detail, Replay},
};

/// Why a packet could not be explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ExplainError {
    /// The capture is damaged before it.
    Capture(CaptureError),
    /// The capture ends before it.
    NoSuchPacket {
        /// The number that was asked for.
        number: u64,
        /// How many packets there are.
        packets: u64,
    },
    /// The gateway could not be told to write everything down.
    Command(CommandError),
}

impl fmt::Display for ExplainError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(error) => error.fmt(out),
            Self::NoSuchPacket { number, packets: 0 } => {
                write!(out, "there is no packet {number}: the capture has none")
            }
            Self::NoSuchPacket { number, packets } => {
                write!(out, "there is no packet {number}: the capture has {packets}, numbered from 1")
            }
            Self::Command(error) => error.fmt(out),
        }
    }
}

impl core::error::Error for ExplainError {}

impl From<CaptureError> for ExplainError {
    fn from(error: CaptureError) -> Self {
        Self::Capture(error)
    }
}

/// Replays a capture from its start up to a packet, and lets `tell` speak of that one's record, which has every step of
/// its path. `tell` also gets the time at which the capture starts.
///
/// # Errors
/// When the packet cannot be reached.
pub fn explain<T>(
    replay: &mut Replay,
    capture: &mut Capture<'_>,
    number: u64,
    tell: impl FnOnce(&Record<'_>, Instant) -> T,
) -> Result<T, ExplainError> {
    let mut left = number.saturating_sub(1);
    let missing = |replay: &Replay| ExplainError::NoSuchPacket { number, packets: replay.totals().packets };
    replay.set_detail(Detail::Verdicts).map_err(ExplainError::Command)?;
    while left > 0 {
        let batch = capture.next_batch(usize::try_from(left).unwrap_or(BATCH_PACKETS).min(BATCH_PACKETS))?;
        if batch.is_empty() {
            return Err(missing(replay));
        }
        replay.learn(&batch);
        for packet in batch.packets() {
            replay.handle(&packet);
        }
        left -= batch.len() as u64;
    }
    replay.set_detail(Detail::Full).map_err(ExplainError::Command)?;
    let batch = capture.next_batch(1)?;
    replay.learn(&batch);
    let Some(packet) = batch.packets().next() else { return Err(missing(replay)) };
    let start = replay.totals().first.unwrap_or(packet.time);
    Ok(tell(&replay.handle(&packet), start))
}
