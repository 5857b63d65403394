//! Interrupt coalescing: how long a frame that has come, or was sent, waits for others before an interrupt tells of them.
//!
//! `ethtool -c` has two numbers each way, and an interrupt is due when either is reached: frames, or time since the first of them
//! (Linux v6.18: `include/uapi/linux/ethtool.h`, `ethtool_coalesce`). With `adaptive-rx` those of what comes are from a profile that [`super::Dim`] chooses.

use core::time::Duration;

use super::{Ring, TransmitRing};
use crate::time::Instant;

/// When an interrupt tells of frames (`ethtool -c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coalescing {
    /// So long after the first frame (`rx-usecs`); 0: only `rx_frames` counts.
    pub rx_usecs: u32,
    /// When so many have come (`rx-frames`); 0: only `rx_usecs` counts. Not both may be 0: no interrupt would ever come.
    pub rx_frames: u32,
    /// So long after the first frame was sent (`tx-usecs`); 0: only `tx_frames` counts.
    pub tx_usecs: u32,
    /// When so many were sent (`tx-frames`); 0: only `tx_usecs` counts. Not both may be 0: a full ring would stay so.
    pub tx_frames: u32,
    /// Whether `rx_usecs` and `rx_frames` are chosen by what comes (`adaptive-rx`).
    pub adaptive_rx: bool,
    /// Whether each frame starts `rx_usecs` anew (`rx-cqe-mode`).
    pub cqe_mode_rx: bool,
}

/// An interrupt at once.
impl Default for Coalescing {
    fn default() -> Self {
        Self { rx_usecs: 0, rx_frames: 1, tx_usecs: 0, tx_frames: 1, adaptive_rx: false, cqe_mode_rx: false }
    }
}

impl Coalescing {
    /// When the interrupt for what waits in a ring is due; `None` when it waits for more, or nothing does. May be in the past.
    #[must_use]
    pub fn due<T>(&self, ring: &Ring<T>) -> Option<Instant> {
        let (first, last) = ring.span()?;
        let from = if self.cqe_mode_rx { last } else { first };
        due((self.rx_usecs, from), (self.rx_frames, ring.len()), last)
    }

    /// The same for what was sent, and has not been taken back.
    #[must_use]
    pub fn due_for_sent(&self, ring: &TransmitRing) -> Option<Instant> {
        let (first, last) = ring.span()?;
        due((self.tx_usecs, first), (self.tx_frames, ring.sent()), last)
    }
}

/// So long after a time, or when so many are there, the last of which came then.
fn due((usecs, from): (u32, Instant), (frames, len): (u32, usize), last: Instant) -> Option<Instant> {
    if frames > 0 && len >= frames as usize {
        return Some(last);
    }
    (usecs > 0).then(|| from + Duration::from_micros(usecs.into()))
}

#[cfg(test)]
mod tests {
    use super::{super::Footprint, *};

    #[test]
    fn an_interrupt_is_due_by_frames_or_by_time_whichever_comes_first() {
        #[rustfmt::skip]
        let cases = [
            // rx-usecs  rx-frames  cqe     frames come (us)    due (us)
            (0,          1,         false,  &[][..],            None),
            (0,          1,         false,  &[5],               Some(5)),
            (10,         0,         false,  &[5],               Some(15)),
            (10,         0,         false,  &[5, 12],           Some(15)),
            (10,         0,         true,   &[5, 12],           Some(22)),
            (10,         3,         false,  &[5, 6],            Some(15)),
            (10,         3,         false,  &[5, 6, 7],         Some(7)),
            (0,          3,         false,  &[5, 6],            None),
        ];
        for (rx_usecs, rx_frames, cqe_mode_rx, frames, due) in cases {
            let coalescing = Coalescing { rx_usecs, rx_frames, cqe_mode_rx, ..Coalescing::default() };
            let mut ring = Ring::new(16);
            let at = |micros: u64| Instant::from_nanos(micros * 1000);
            frames.iter().for_each(|micros| ring.push(at(*micros), ()).expect("there is room"));
            assert_eq!(coalescing.due(&ring), due.map(at), "{coalescing:?}, {frames:?}");
        }
    }

    #[test]
    fn an_interrupt_for_what_was_sent_is_due_by_numbers_of_its_own() {
        let coalescing = Coalescing { tx_usecs: 10, tx_frames: 3, ..Coalescing::default() };
        let (mut ring, at) = (TransmitRing::new(16, false, None), |micros: u64| Instant::from_nanos(micros * 1000));
        assert_eq!(coalescing.due_for_sent(&ring), None);
        for (micros, due) in [(5, 15), (6, 15), (7, 7), (8, 8)] {
            assert!(ring.put(Footprint::linear(60)));
            _ = ring.note_sent(at(micros));
            assert_eq!(coalescing.due_for_sent(&ring), Some(at(due)));
        }
        assert!(ring.put(Footprint::linear(60)), "one that has not been sent yet");
        _ = ring.take_back(at(9), 4);
        assert_eq!(coalescing.due_for_sent(&ring), None);
    }
}
