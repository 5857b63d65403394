//! What a bond takes by which of its ports.

use zerocopy::FromBytes;

use super::{Bond, Mode};
use crate::{
    frame::DeviceId,
    packet::{Addressed, Packet},
    wire::{EtherType, EthernetHeader, MacAddr, lacp::SLOW_PROTOCOLS},
};

/// Whose a frame is that has come in by a port of a bond.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reception {
    /// The bond's.
    Bond,
    /// The port's own: it is for no station beyond this link (Linux: `RX_HANDLER_PASS`).
    Port,
    /// The port's own, and LACP's, whatever tag it has (Linux: `bond_3ad_lacpdu_recv()`).
    Slow,
    /// Nobody's: the bond takes nothing by this port now. (In Linux only who listens on the very port gets it: `RX_HANDLER_EXACT`.)
    Inactive,
}

impl Bond {
    /// Whether anything is taken that comes in by a port, beside what is for no station beyond its link; in balance-alb mode, at least what
    /// is for this host alone.
    #[must_use]
    pub fn takes_by(&self, port: DeviceId) -> bool {
        let port = self.ports.iter().find(|known| known.device == port);
        port.is_some_and(|port| !port.is_inactive || self.options.mode == Mode::Alb)
    }

    /// Whose a frame is that has come in by one of its ports.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_main.c`, `bond_handle_frame()`, `bond_should_deliver_exact_match()`.
    pub(crate) fn receives(&self, port: DeviceId, packet: &Packet) -> Reception {
        let is_inactive = self.ports.iter().find(|known| known.device == port).is_none_or(|port| port.is_inactive);
        let is_link_local = || packet.ethernet().is_some_and(|ethernet| is_link_local(ethernet.destination));
        if self.takes_slow() && is_slow(packet) {
            return Reception::Slow;
        }
        let is_for_one = packet.meta().addressed == Addressed::Host;
        match is_inactive {
            false => Reception::Bond,
            // Stations know the addresses of all ports.
            true if self.options.mode == Mode::Alb && is_for_one => Reception::Bond,
            true if is_link_local() => Reception::Port,
            true => Reception::Inactive,
        }
    }
}

/// Whether it is an LACPDU or a marker. Of one that the capture has cut, what both ends are has to be there.
pub(crate) fn is_slow(packet: &Packet) -> bool {
    let is_slow = |(ether_type, bytes): (EtherType, &[u8])| {
        ether_type == EtherType::SLOW_PROTOCOLS && super::ad::is_taken(bytes, packet.meta().cut_bytes > 0)
    };
    let is_for_us = |ethernet: &EthernetHeader| ethernet.destination == SLOW_PROTOCOLS;
    packet.ethernet().is_some_and(is_for_us) && behind_tag(packet).is_some_and(is_slow)
}

/// A frame's protocol, and what stands behind its link header and a tag at most. Of two tags the inner one stays (Linux v6.18:
/// `net/core/dev.c`, `__netif_receive_skb_core()`).
pub(super) fn behind_tag(packet: &Packet) -> Option<(EtherType, &[u8])> {
    let (ethernet, bytes) = EthernetHeader::ref_from_prefix(packet.linear()).ok()?;
    let ether_type = EtherType(ethernet.ether_type.get());
    let is_tag = matches!(ether_type, EtherType::VLAN | EtherType::SERVICE_VLAN);
    if !is_tag || packet.meta().vlan.is_some() {
        return Some((ether_type, bytes));
    }
    let (tag, bytes) = bytes.split_first_chunk::<4>()?;
    Some((EtherType(u16::from_be_bytes([tag[2], tag[3]])), bytes))
}

/// Whether it is one of the addresses that no bridge sends on (IEEE 802.1Q, table 8-1).
fn is_link_local(mac: MacAddr) -> bool {
    matches!(mac.0, [0x01, 0x80, 0xc2, 0, 0, last] if last < 0x10)
}
