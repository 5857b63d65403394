//! What is known of a connection, and what waits on a lane, over time.

use core::time::Duration;

use serde::Serialize;
use towpath_engine::tcp::{ResendReason, Resent, TcpInfo};

/// What the engine knows of one end of a connection at a time: `TCP_INFO`'s words.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Point {
    /// Nanoseconds since the start.
    pub ts: u64,
    /// The congestion window, in segments.
    pub snd_cwnd: u32,
    /// Slow start's threshold, in segments; none before there is one.
    pub snd_ssthresh: Option<u32>,
    /// The smoothed round-trip time, in microseconds; 0 before one was measured.
    pub rtt: u32,
    /// Its mean deviation, in microseconds.
    pub rttvar: u32,
    /// Segments in flight, those that are taken for lost not counted.
    pub in_flight: u32,
    /// The window that the other end tells, in bytes.
    pub snd_wnd: u32,
    /// The window that this end tells, in bytes.
    pub rcv_wnd: u32,
    /// What may be sent a second, in bytes; 0 before it is known.
    pub pacing_rate: u64,
    /// Bytes that the other end has acknowledged.
    pub bytes_acked: u64,
    /// Bytes that have come from it.
    pub bytes_received: u64,
    /// Segments sent again.
    pub total_retrans: u32,
}

impl Point {
    pub(super) fn of(at: Duration, info: &TcpInfo) -> Self {
        let micros = |time: Duration| u32::try_from(time.as_micros()).unwrap_or(u32::MAX);
        Self {
            ts: at.as_nanos() as u64,
            snd_cwnd: info.snd_cwnd,
            snd_ssthresh: (info.snd_ssthresh < NO_THRESHOLD).then_some(info.snd_ssthresh),
            rtt: micros(info.rtt),
            rttvar: micros(info.rttvar),
            in_flight: (info.unacked + info.retrans).saturating_sub(info.sacked + info.lost),
            snd_wnd: info.snd_wnd,
            rcv_wnd: info.rcv_wnd,
            pacing_rate: if info.pacing_rate == u64::MAX { 0 } else { info.pacing_rate },
            bytes_acked: info.bytes_acked,
            bytes_received: info.bytes_received,
            total_retrans: info.total_retrans,
        }
    }
}

/// What waits on a lane at a time.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Wait {
    /// Nanoseconds since the start.
    pub ts: u64,
    /// Frames that wait.
    pub packets: u32,
    /// Their bytes.
    pub bytes: u64,
    /// Frames that have been lost so far, on the line or before it.
    pub lost: u64,
}

/// What became of one end of a connection.
#[derive(Clone, Debug, Default)]
pub struct EndReport {
    /// Over time.
    pub points: Vec<Point>,
    /// What was known last.
    pub last: Option<TcpInfo>,
    /// What was sent again, and why.
    pub resent: Resent,
}

impl EndReport {
    /// Least, mean and greatest smoothed round-trip time of those that were seen, in microseconds.
    #[must_use]
    pub fn rtt(&self) -> Option<[u32; 3]> {
        let seen = || self.points.iter().map(|point| point.rtt).filter(|rtt| *rtt > 0);
        let count = seen().count() as u64;
        let mean = seen().map(u64::from).sum::<u64>().checked_div(count)?;
        Some([seen().min()?, mean as u32, seen().max()?])
    }

    /// Reasons for which segments were sent again, with how many for each.
    pub fn reasons(&self) -> impl Iterator<Item = (ResendReason, u32)> {
        ResendReason::ALL.into_iter().map(|why| (why, self.resent.of(why))).filter(|(_, count)| *count > 0)
    }

    /// How often the retransmission timeout has run out.
    #[must_use]
    pub fn timeouts(&self) -> u16 {
        self.last.map_or(0, |info| info.total_rto)
    }
}

/// No threshold yet.
const NO_THRESHOLD: u32 = 0x7fff_ffff;
