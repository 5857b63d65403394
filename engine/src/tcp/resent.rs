//! Why segments are sent again, counted by reason. Linux counts some of it for the whole host only (`LINUX_MIB_TCPFASTRETRANS`,
//! `LINUX_MIB_TCPSLOWSTARTRETRANS`, `LINUX_MIB_TCPLOSSPROBES`), and `TCP_INFO` has none of it.

use serde::{Deserialize, Serialize};

use super::{congestion::Trouble, connection::Connection};

/// Why a segment was sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum ResendReason {
    /// A SYN, or a SYN with an ACK, was not answered.
    Handshake,
    /// Acknowledgements have shown that it was lost: by SACK and time (RACK), or by duplicates.
    Recovery,
    /// It had not come in the time in which the network reorders (RACK's timer).
    Reordering,
    /// The retransmission timeout has run out: the first segment.
    Timeout,
    /// The retransmission timeout has run out before: those behind the first one.
    AfterTimeout,
    /// The end of what is in flight was asked for (TLP).
    LossProbe,
    /// It was too large for the way.
    TooLarge,
}

impl ResendReason {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Handshake,
        Self::Recovery,
        Self::Reordering,
        Self::Timeout,
        Self::AfterTimeout,
        Self::LossProbe,
        Self::TooLarge,
    ];

    /// Why what is lost is sent again in such a trouble.
    pub(super) const fn of_recovery(trouble: Trouble) -> Self {
        match trouble {
            Trouble::Loss => Self::AfterTimeout,
            Trouble::Open | Trouble::Disorder | Trouble::Reduced | Trouble::Recovery => Self::Recovery,
        }
    }

    /// Its name in texts and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Recovery => "recovery",
            Self::Reordering => "reordering",
            Self::Timeout => "timeout",
            Self::AfterTimeout => "after timeout",
            Self::LossProbe => "loss probe",
            Self::TooLarge => "too large",
        }
    }
}

/// How many segments were sent again for each reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resent([u32; ResendReason::ALL.len()]);

impl Resent {
    pub(super) fn count(&mut self, why: ResendReason, segments: u32) {
        if let Some(count) = self.0.get_mut(why as usize) {
            *count = count.saturating_add(segments);
        }
    }

    /// For one reason.
    #[must_use]
    pub fn of(&self, why: ResendReason) -> u32 {
        self.0.get(why as usize).copied().unwrap_or_default()
    }

    /// For all: what `TCP_INFO` has as `total_retrans`.
    #[must_use]
    pub fn total(&self) -> u32 {
        self.0.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }
}

impl Connection {
    /// What was sent again, and why.
    pub(crate) const fn resent(&self) -> Resent {
        self.counters.resent_for
    }
}
