//! What of a packet rules may have looked at.

use crate::{
    conntrack::{Conntrack, State, TemplateId, Tracking},
    frame::DeviceId,
    netfilter::view::View,
    packet::{Packet, Transport},
};

/// The bits of a packet that rules may have looked at and that may differ between packets of one direction of a
/// connection.
///
/// Two numbers, so that it is handed over and compared in registers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Fingerprint {
    low: u64,
    high: u64,
}

impl Fingerprint {
    /// No bits.
    pub(in crate::netfilter) const NOTHING: Self = Self::of(0, 0);
    /// What the packet is to its connection.
    pub(in crate::netfilter) const STATE: Self = Self::of(0xff << 48, 0);
    /// The device it came in by.
    pub(in crate::netfilter) const INPUT: Self = Self::of(0, 0xffff << 32);
    /// The device it goes out by.
    pub(in crate::netfilter) const OUTPUT: Self = Self::of(0, 0xffff << 48);
    /// Whether the packet is a fragment or has a broken transport header.
    pub(in crate::netfilter) const SHAPE: Self = Self::of(0x03 << 56, 0);
    /// Whom the link layer addressed.
    pub(in crate::netfilter) const ADDRESSED: Self = Self::of(0x0c << 56, 0);

    /// The packet mark.
    pub(in crate::netfilter) const fn mark(mask: u32) -> Self {
        Self::of(mask as u64, 0)
    }

    /// The connection mark.
    pub(in crate::netfilter) const fn connection_mark(mask: u32) -> Self {
        Self::of(0, mask as u64)
    }

    /// TCP flags.
    pub(in crate::netfilter) const fn tcp_flags(mask: u8) -> Self {
        Self::of((mask as u64) << 32, 0)
    }

    /// The type of service.
    pub(in crate::netfilter) const fn tos(mask: u8) -> Self {
        Self::of((mask as u64) << 40, 0)
    }

    const fn of(low: u64, high: u64) -> Self {
        Self { low, high }
    }

    /// Reads these bits of the packet at hand.
    #[inline]
    pub(in crate::netfilter) fn read(self, view: &View<'_>) -> Self {
        self.read_of(view.packet, view.input, view.output, view.conntrack)
    }

    /// Reads these bits of a packet that has come in and goes out by these devices.
    #[inline]
    pub(super) fn read_of(
        self,
        packet: &Packet,
        input: Option<DeviceId>,
        output: Option<DeviceId>,
        conntrack: &Conntrack,
    ) -> Self {
        let meta = packet.meta();
        let mut low = u64::from(meta.mark) | state_bits(meta.tracking) << 48 | (meta.addressed as u64) << 58;
        if !self.and(Self::IN_HEADERS).is_empty() {
            let flags = packet.tcp().map_or(0, |tcp| tcp.flags.0);
            let tos = packet.ip().map_or(0, |ip| ip.tos());
            let shape =
                u64::from(packet.fragment_offset() != 0) | u64::from(packet.transport() == Transport::Broken) << 1;
            low |= u64::from(flags) << 32 | u64::from(tos) << 40 | shape << 56;
        }
        let mut high = device(input) << 32 | device(output) << 48;
        if !self.and(Self::connection_mark(u32::MAX)).is_empty() {
            let connection = meta.tracking.connection().and_then(|id| conntrack.connection(id));
            high |= connection.map_or(0, |connection| u64::from(connection.mark));
        }
        Self { low, high }.and(self)
    }

    /// The bits that stand in the packet's bytes.
    const IN_HEADERS: Self = Self::SHAPE.or(Self::tcp_flags(u8::MAX)).or(Self::tos(u8::MAX));

    pub(super) const fn and(self, other: Self) -> Self {
        Self::of(self.low & other.low, self.high & other.high)
    }

    pub(in crate::netfilter) const fn or(self, other: Self) -> Self {
        Self::of(self.low | other.low, self.high | other.high)
    }

    pub(super) const fn without(self, other: Self) -> Self {
        Self::of(self.low & !other.low, self.high & !other.high)
    }

    pub(super) const fn is_empty(self) -> bool {
        self.low | self.high == 0
    }

    pub(super) const fn words(self) -> [u64; 2] {
        [self.low, self.high]
    }
}

fn device(id: Option<DeviceId>) -> u64 {
    // The loopback device has the highest number; the others' numbers are far below.
    id.map_or(0, |id| u64::from(id.0.saturating_add(1)))
}

const fn state_bits(tracking: Tracking) -> u64 {
    match tracking {
        Tracking::Unseen | Tracking::Template(TemplateId::CLOSED) => 0,
        Tracking::Template(_) => 1,
        Tracking::Untracked => 2,
        Tracking::Invalid => 3,
        Tracking::Tracked { state: State::New, .. } => 4,
        Tracking::Tracked { state: State::Established, .. } => 5,
        Tracking::Tracked { state: State::Related, .. } => 6,
    }
}

/// On what an answer depends beside what is fixed in a direction of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::netfilter) enum Depends {
    /// On nothing more, or on these bits.
    On(Fingerprint),
    /// On more than a fingerprint holds: time, chance, sizes, changing state.
    Anything,
}

impl Depends {
    /// On nothing more.
    pub(in crate::netfilter) const FLOW: Self = Self::On(Fingerprint::NOTHING);

    pub(in crate::netfilter) const fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::On(one), Self::On(other)) => Self::On(one.or(other)),
            (Self::Anything, _) | (_, Self::Anything) => Self::Anything,
        }
    }
}
