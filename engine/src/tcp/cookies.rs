//! SYN cookies: a listener whose requests are too many remembers none of them. What it would have to know lies in the
//! sequence number of its answer, and in the timestamp beside it, and comes back with the handshake's last segment
//! (Bernstein, 1996; RFC 4987, section 3.6).
//!
//! ```text
//!  cookie    = hash(ends) + seq + (minute << 24) + ((hash(ends, minute) + mss) & 0xff_ffff)
//!  timestamp = clock, its six low bits replaced: ECN 1 | SACK 1 | window scale 4 (15: none)
//! ```
//!
//! A cookie is good for two minutes. Without timestamps in the SYN there are no options in such a connection but the MSS, of
//! which there are four.
//!
//! Linux v6.18: `net/ipv4/syncookies.c`; `net/ipv6/syncookies.c`.

use core::time::Duration;

use super::{
    listen::Request,
    segment::{Agreed, Ends, Segment},
    settings::Settings,
    way::Way,
    work::Work,
};
use crate::{
    sysctl::Sysctls,
    time::Instant,
    wire::{SeqNum, TcpFlags},
};

/// The segment sizes that a cookie can tell apart, of IPv4 and IPv6: what most peers name (Linux: `msstab`).
static SIZES: [[u32; 4]; 2] = [[536, 1300, 1440, 1460], [1220, 1420, 1440, 8940]];

/// So long after it has sent its last cookie a listener looks for them.
pub(crate) const VALID: Duration = Duration::from_secs(2 * MINUTE_SECS);
const MINUTE_SECS: u64 = 60;
/// Minutes that a cookie is good for, the one it was made in included.
const AGE_MAX: u32 = 2;

const SCALE_BITS: u32 = 0xf;
const SACK_BIT: u32 = 1 << 4;
const ECN_BIT: u32 = 1 << 5;
const OPTION_BITS: u32 = 6;

impl Request {
    /// The request of a SYN that is answered with a cookie and then forgotten.
    pub(crate) fn with_cookie(
        work: &Work<'_>,
        listener: (u32, u64),
        ends: Ends,
        segment: &Segment,
        settings: &Settings,
        way: Way,
    ) -> Self {
        let mut request = Self::new(work, listener, ends, segment, settings, way, None);
        let sizes = &SIZES[usize::from(ends.remote.is_ipv6())];
        let size = sizes.iter().rposition(|size| *size <= request.mss_clamp).unwrap_or(0);
        request.initial = SeqNum(
            work.secrets
                .cookie(&ends, 0)
                .wrapping_add(segment.seq.0)
                .wrapping_add(minute(work.now) << 24)
                .wrapping_add(
                    work.secrets.cookie(&ends, 1 + u64::from(minute(work.now))).wrapping_add(size as u32) & LOW,
                ),
        );
        if !request.agreed.timestamps {
            // Nothing would bring the other options back.
            let agreed = &mut request.agreed;
            (agreed.sack, agreed.ecn, agreed.scaling) = (false, false, false);
            (agreed.send_scale, agreed.receive_scale) = (0, 0);
            return request;
        }
        // The clock of this one answer tells them; it must not be ahead of that of later segments.
        let clock = milliseconds(work.now);
        let mut told = clock >> OPTION_BITS << OPTION_BITS | options_of(&request.agreed);
        if told > clock {
            told = told.wrapping_sub(1 << OPTION_BITS);
        }
        request.agreed.timestamp_offset = request.agreed.timestamp_offset.wrapping_add(told.wrapping_sub(clock));
        request
    }

    /// The request that the last segment of a handshake brings back; `None` when it is not the answer to a cookie.
    pub(crate) fn of_cookie(
        work: &Work<'_>,
        listener: (u32, u64),
        ends: Ends,
        segment: &Segment,
        settings: &Settings,
        way: Way,
    ) -> Option<Self> {
        if !segment.has(TcpFlags::ACK) || segment.flags.intersects(TcpFlags::SYN.union(TcpFlags::RST)) {
            return None;
        }
        let cookie = SeqNum(segment.ack.0.wrapping_sub(1));
        let theirs = SeqNum(segment.seq.0.wrapping_sub(1));
        let rest = cookie.0.wrapping_sub(work.secrets.cookie(&ends, 0)).wrapping_sub(theirs.0);
        let now = minute(work.now);
        let age = now.wrapping_sub(rest >> 24) & 0xff;
        if age >= AGE_MAX {
            return None;
        }
        let made = u64::from(now.wrapping_sub(age));
        let size = rest.wrapping_sub(work.secrets.cookie(&ends, 1 + made)) & LOW;
        let mss = *SIZES[usize::from(ends.remote.is_ipv6())].get(size as usize)?;
        let mut request = Self::new(work, listener, ends, segment, settings, way, Some(cookie));
        (request.their_initial, request.mss_clamp) = (theirs, mss);
        request.is_of_cookie = true;
        let agreed = &mut request.agreed;
        (agreed.sack, agreed.ecn, agreed.scaling, agreed.send_scale) = (false, false, false, 0);
        if let Some(timestamps) = segment.timestamps.filter(|_| agreed.timestamps) {
            take_options(agreed, timestamps.echo.wrapping_sub(agreed.timestamp_offset), work.sysctls)?;
        }
        request.settle_window(settings, work.sysctls);
        Some(request)
    }
}

/// What was agreed on, as the low bits of a timestamp.
fn options_of(agreed: &Agreed) -> u32 {
    let scale = if agreed.scaling { u32::from(agreed.send_scale) } else { SCALE_BITS };
    scale | if agreed.sack { SACK_BIT } else { 0 } | if agreed.ecn { ECN_BIT } else { 0 }
}

/// The other way; `None` when they say what this host does not do: then it has not said them.
fn take_options(agreed: &mut Agreed, told: u32, sysctls: &Sysctls) -> Option<()> {
    agreed.sack = told & SACK_BIT != 0;
    agreed.ecn = told & ECN_BIT != 0 && sysctls.tcp_ecn != 0;
    let scale = told & SCALE_BITS;
    agreed.scaling = scale != SCALE_BITS;
    agreed.send_scale = if agreed.scaling { (scale as u8).min(super::segment::WINDOW_SCALE_MAX) } else { 0 };
    let is_ours = (!agreed.sack || sysctls.tcp_sack != 0) && (!agreed.scaling || sysctls.tcp_window_scaling != 0);
    is_ours.then_some(())
}

fn minute(now: Instant) -> u32 {
    (now.as_secs() / MINUTE_SECS) as u32
}

fn milliseconds(now: Instant) -> u32 {
    (now.as_nanos() / 1_000_000) as u32
}

const LOW: u32 = 0xff_ffff;
