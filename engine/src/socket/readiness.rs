//! What a socket can be used for now, as `poll` and `epoll` tell.

use core::ops::{BitAnd, BitOr, BitOrAssign};

/// A set of what a socket is ready for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Readiness(u8);

impl Readiness {
    /// Something can be read, accepted, or the end has come (`POLLIN`).
    pub const READABLE: Self = Self(1);
    /// Something can be written (`POLLOUT`).
    pub const WRITABLE: Self = Self(1 << 1);
    /// An error waits to be asked for (`POLLERR`).
    pub const ERROR: Self = Self(1 << 2);
    /// Both directions are done (`POLLHUP`).
    pub const HUNG_UP: Self = Self(1 << 3);
    /// The other end sends nothing more (`POLLRDHUP`).
    pub const PEER_CLOSED: Self = Self(1 << 4);

    /// An urgent byte has come (`POLLPRI`).
    pub const URGENT: Self = Self(1 << 5);

    /// Whether it is ready for all of `what`.
    #[must_use]
    pub const fn has(self, what: Self) -> bool {
        self.0 & what.0 == what.0
    }

    /// Whether it is ready for nothing.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Its bits, for a host that has to pack them: in the order of the constants, from the lowest.
    #[must_use]
    pub const fn bits(self) -> u8 {
        self.0
    }
}

impl BitOr for Readiness {
    type Output = Self;

    fn bitor(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
}

impl BitAnd for Readiness {
    type Output = Self;

    fn bitand(self, other: Self) -> Self {
        Self(self.0 & other.0)
    }
}

impl BitOrAssign for Readiness {
    fn bitor_assign(&mut self, other: Self) {
        self.0 |= other.0;
    }
}
