//! What is sent and taken: LACPDUs (IEEE 802.1AX-2020, 6.4.16) and answers to markers (6.5.4).

use zerocopy::FromBytes;

use super::{Machines, TICKS_PER_SEC};
use crate::{
    device::bond::Happening,
    wire::lacp::{Lacpdu, MarkerPdu, subtype},
};

impl Machines<'_> {
    /// Sends an LACPDU if there is something to be said; a port sends none within 300 ms after another.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_tx_machine()`.
    pub(super) fn transmit(&mut self, place: usize) {
        let (system, system_priority) = (self.ad.system, self.ad.system_priority);
        let port = &mut self.ad.ports[place];
        port.timers.tx = port.timers.tx.saturating_sub(1);
        if port.timers.tx > 0 || !port.ntt || !port.lacp_enabled {
            return;
        }
        let (actor, partner) = (port.actor(system, system_priority), port.partner);
        self.tell.push(Happening::Lacpdu { port: self.ports[place].device, actor, partner });
        port.stats.lacpdu_tx = port.stats.lacpdu_tx.saturating_add(1);
        port.ntt = false;
        port.timers.tx = TX_TICKS;
    }

    /// Takes what has come behind the Ethernet header of a frame of slow protocols; whether it is a marker that is to be answered with
    /// itself.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `bond_3ad_rx_indication()`.
    pub(in super::super) fn take(&mut self, place: usize, bytes: &[u8]) -> bool {
        match bytes.first() {
            Some(&subtype::LACP) => {
                if let Some(heard) = Lacpdu::parse(bytes) {
                    self.wake();
                    let count = &mut self.ad.ports[place].stats.lacpdu_rx;
                    *count = count.saturating_add(1);
                    self.receive(place, Some(&heard));
                }
                false
            }
            Some(&subtype::MARKER) => {
                MarkerPdu::ref_from_prefix(bytes).is_ok_and(|(marker, _)| self.take_marker(place, marker.kind))
            }
            Some(_) | None => false,
        }
    }

    /// Counts a marker; whether it is to be answered.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_3ad.c`, `ad_marker_info_received()`.
    fn take_marker(&mut self, place: usize, kind: u8) -> bool {
        let stats = &mut self.ad.ports[place].stats;
        let is_asked = kind == MarkerPdu::INFORMATION;
        let count = match kind {
            MarkerPdu::INFORMATION => &mut stats.marker_rx,
            MarkerPdu::RESPONSE => &mut stats.marker_resp_rx,
            _ => &mut stats.marker_unknown_rx,
        };
        *count = count.saturating_add(1);
        stats.marker_resp_tx = stats.marker_resp_tx.saturating_add(u64::from(is_asked));
        is_asked
    }
}

/// Whether what stands behind the Ethernet header of a frame of slow protocols is for an aggregator: an LACPDU or a marker, whole but for
/// what a capture has cut.
pub(in super::super) fn is_taken(bytes: &[u8], is_cut: bool) -> bool {
    let least = if is_cut { Lacpdu::ENDS_LEN } else { Lacpdu::LEN };
    matches!(bytes.first(), Some(&(subtype::LACP | subtype::MARKER))) && bytes.len() >= least
}

/// Ticks from one LACPDU of a port to the next (Linux: `AD_MAX_TX_IN_SECOND`).
pub(super) const TX_TICKS: u16 = TICKS_PER_SEC / 3;
