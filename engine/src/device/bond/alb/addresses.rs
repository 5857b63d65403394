//! Which port has which Ethernet address: the active one the bond's.

use alloc::vec::Vec;

use super::super::{Bond, Happening};

impl Bond {
    /// Another port is the active one: it has the bond's address from now on, and the one that had it that one's.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `bond_alb_handle_active_change()`.
    pub(in super::super) fn alb_active_changed(
        &mut self,
        from: Option<u16>,
        to: Option<u16>,
        tell: &mut Vec<Happening>,
    ) {
        let Some(to) = to else { return };
        let bond = self.mac;
        let bears = || self.ports.iter().position(|port| port.mac == bond).map(|place| place as u16);
        let swapped = from.or_else(bears);
        let Some(alb) = &mut self.alb else { return };
        if let Some(swapped) = swapped {
            alb.clear(swapped, true);
        }
        alb.clear(to, true);
        let Some(swapped) = swapped else {
            let port = &mut self.ports[usize::from(to)];
            port.mac = bond;
            tell.push(Happening::Learn { port: port.device, mac: bond });
            return;
        };
        let own = self.ports[usize::from(to)].mac;
        self.ports[usize::from(to)].mac = core::mem::replace(&mut self.ports[usize::from(swapped)].mac, own);
        self.teach_swap([swapped, to], tell);
    }

    /// Switches and stations learn that two ports have changed addresses.
    ///
    /// Linux v6.18: `drivers/net/bonding/bond_alb.c`, `alb_fasten_mac_swap()`.
    fn teach_swap(&mut self, swapped: [u16; 2], tell: &mut Vec<Happening>) {
        let mut silent = None;
        for place in swapped {
            if self.can_send(place) {
                let port = &self.ports[usize::from(place)];
                tell.push(Happening::Learn { port: port.device, mac: port.mac });
                self.tell_peers_of(place);
            } else {
                silent = Some(place);
            }
        }
        let differ = self.can_send(swapped[0]) != self.can_send(swapped[1]);
        let has_peers = self.alb.as_ref().is_some_and(|alb| alb.peers.is_some());
        if let Some(silent) = silent.filter(|_| differ && has_peers) {
            let mac = self.ports[usize::from(silent)].mac;
            self.teach_of(mac, tell);
        }
    }
}
