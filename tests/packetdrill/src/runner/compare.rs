//! What must be alike in a packet that was expected and one that has left. Both are in the script's numbers.

use super::{
    notation::{ecn_bits, flag_bits},
    settings::Settings,
    verdict::Stop,
};
use crate::script::{Ecn, Segment, TcpOption};

const PUSH: u16 = 0x08;

/// Compares segments: flags, numbers and length always, window and options if they are written. Timestamps' values are
/// compared elsewhere.
pub(super) fn segments(expected: &Segment, found: &Segment, settings: &Settings) -> Result<(), Stop> {
    let ignored = if settings.relaxed { PUSH } else { 0 };
    let flags = |segment: &Segment| flag_bits(&segment.flags) & !ignored;
    let is_alike = flags(expected) == flags(found)
        && expected.start == found.start
        && expected.len == found.len
        && expected.ack == found.ack
        && expected.urgent == found.urgent
        && expected.window.is_none_or(|window| Some(window) == found.window)
        && options(expected, found);
    if is_alike {
        return Ok(());
    }
    // What is not written is left out on the other side, too.
    let mut shown = found.clone();
    if expected.window.is_none() {
        shown.window = None;
    }
    if expected.options.is_none() {
        shown.options = None;
    }
    Err(Stop::differs("the packet", expected, shown))
}

fn options(expected: &Segment, found: &Segment) -> bool {
    let (Some(expected), Some(found)) = (&expected.options, &found.options) else { return true };
    expected.len() == found.len() && expected.iter().zip(found).all(|pair| option(pair.0, pair.1))
}

fn option(expected: &TcpOption, found: &TcpOption) -> bool {
    match (expected, found) {
        (TcpOption::Timestamps { echo, .. }, TcpOption::Timestamps { echo: found, .. }) => echo == found,
        (TcpOption::Md5(digest), TcpOption::Md5(_)) if digest.is_empty() => true,
        (expected, found) => expected == found,
    }
}

/// Compares the ECN bits of IP headers, if they are written.
pub(super) fn ecn(expected: Option<Ecn>, found: u8) -> Result<(), Stop> {
    match expected {
        None => Ok(()),
        Some(Ecn::Ect01) if matches!(found, 1 | 2) => Ok(()),
        Some(ecn) if ecn != Ecn::Ect01 && ecn_bits(ecn) == found => Ok(()),
        Some(ecn) => Err(Stop::differs("the ECN field", format_args!("{ecn:?}"), found)),
    }
}
