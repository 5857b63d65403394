//! How a packet that passes through has gone on.

use core::net::IpAddr;

use crate::{frame::DeviceId, ip::NextHop};

/// Where a packet that passes through came in, and how it went on. It is what routing has said, in a form that many flows
/// share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Course {
    /// By which device it came in.
    pub input: DeviceId,
    /// By which device it goes out.
    pub output: DeviceId,
    /// To which router; to its destination itself when `None`.
    pub via: Option<IpAddr>,
    /// The largest packet that fits, in bytes.
    pub mtu_bytes: u32,
}

/// What is remembered of a flow's course.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum CourseId {
    /// None is known, or packets do not pass through.
    #[default]
    None,
    /// Its number.
    Number(u32),
    /// There was no room for it among those that are remembered: packets take the long way, and nobody tries again.
    NoRoom,
}

impl CourseId {
    /// As a word, for hashing.
    pub(super) const fn word(self) -> u64 {
        match self {
            Self::None => 0,
            Self::NoRoom => 1,
            Self::Number(number) => number as u64 + 2,
        }
    }
}

impl Course {
    /// The course of a packet for `destination`, as it is when it leaves.
    #[must_use]
    pub fn new(input: DeviceId, hop: NextHop, destination: IpAddr) -> Self {
        let via = (hop.neighbour != destination).then_some(hop.neighbour);
        Self { input, output: hop.device, via, mtu_bytes: hop.mtu_bytes }
    }

    /// The next hop of a packet for `destination`.
    #[must_use]
    pub fn hop(&self, destination: IpAddr) -> NextHop {
        NextHop { device: self.output, neighbour: self.via.unwrap_or(destination), mtu_bytes: self.mtu_bytes }
    }
}
