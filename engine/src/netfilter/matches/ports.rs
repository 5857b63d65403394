//! The ports that a match asks for.

use crate::netfilter::header::Not;

/// Source and destination ports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::netfilter) struct PortSets {
    pub(super) sides: [Not<(u16, u16)>; 2],
    /// Whether all packets match whose ports are in these sets; else something more is asked.
    pub(super) is_all: bool,
}

impl PortSets {
    /// The ports of either end.
    pub(in crate::netfilter) const fn sides(self) -> [Not<(u16, u16)>; 2] {
        self.sides
    }

    /// Whether nothing but ports is asked for.
    pub(in crate::netfilter) const fn is_all(self) -> bool {
        self.is_all
    }

    /// Whether these hold all ports that others hold.
    pub(in crate::netfilter) fn cover(self, narrower: Self) -> bool {
        let mut sides = self.sides.iter().zip(&narrower.sides);
        sides.all(|(asked, known)| *asked == ANY_PORT || asked.covers(known))
    }
}

/// Every port.
pub(super) const ANY_PORT: Not<(u16, u16)> = Not { inverted: false, what: (0, u16::MAX) };
