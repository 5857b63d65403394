//! Interrupt coalescing: how long a frame waits for others before an interrupt tells of them.
//!
//! `ethtool -c` has two numbers, and an interrupt is due when either is reached: frames that have come, or time since the first of them
//! (Linux v6.18: `include/uapi/linux/ethtool.h`, `ethtool_coalesce`). With `adaptive-rx` both come from a profile that [`super::Dim`] chooses.

use core::time::Duration;

use super::Ring;
use crate::time::Instant;

/// When an interrupt tells of frames (`ethtool -c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Coalescing {
    /// So long after the first frame (`rx-usecs`); 0: only `rx_frames` counts.
    pub rx_usecs: u32,
    /// When so many have come (`rx-frames`); 0: only `rx_usecs` counts. Not both may be 0: no interrupt would ever come.
    pub rx_frames: u32,
    /// Whether both are chosen by what comes (`adaptive-rx`).
    pub adaptive_rx: bool,
    /// Whether each frame starts `rx_usecs` anew (`rx-cqe-mode`).
    pub cqe_mode_rx: bool,
}

/// An interrupt at once.
impl Default for Coalescing {
    fn default() -> Self {
        Self { rx_usecs: 0, rx_frames: 1, adaptive_rx: false, cqe_mode_rx: false }
    }
}

impl Coalescing {
    /// When the interrupt for what waits in a ring is due; `None` when it waits for more, or nothing does. May be in the past.
    #[must_use]
    pub fn due<T>(&self, ring: &Ring<T>) -> Option<Instant> {
        let (first, last) = ring.span()?;
        if self.rx_frames > 0 && ring.len() >= self.rx_frames as usize {
            return Some(last);
        }
        let from = if self.cqe_mode_rx { last } else { first };
        (self.rx_usecs > 0).then(|| from + Duration::from_micros(self.rx_usecs.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            let coalescing = Coalescing { rx_usecs, rx_frames, cqe_mode_rx, adaptive_rx: false };
            let mut ring = Ring::new(16);
            let at = |micros: u64| Instant::from_nanos(micros * 1000);
            frames.iter().for_each(|micros| ring.push(at(*micros), ()).expect("there is room"));
            assert_eq!(coalescing.due(&ring), due.map(at), "{coalescing:?}, {frames:?}");
        }
    }
}
