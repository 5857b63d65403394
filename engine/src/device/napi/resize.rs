//! Rings of other sizes while frames come and go (`ethtool -G`).
//!
//! A driver cannot change a ring under its NIC: it stops that, frees the rings with all that is on them, makes new ones and starts
//! it again. So what has come and was not polled is lost, and what was to be sent; no counter tells of either. What a poll has
//! taken goes on, and queues that were stopped are woken. A poll that is about to take back what was sent takes as many from the
//! new ring, if these are sent by then: early, but no more. That the other end sees no carrier for as long, and for how long, is
//! for who has the link to say.
//!
//! Linux v6.18: `drivers/net/ethernet/intel/igb/igb_ethtool.c`, `igb_set_ringparam()`; `igb_main.c`, `igb_down()`,
//! `igb_clean_rx_ring()`, `igb_clean_tx_ring()`.

use alloc::vec::Vec;

use super::{Hardware, NicOptions, OptionsError, Ring, TransmitRing};
use crate::time::Instant;

impl<T> Hardware<T> {
    /// The sizes of the rings of a NIC's queues, of what comes and of what is sent; `None`: there is no such NIC.
    #[must_use]
    pub fn rings_of(&self, nic: usize) -> Option<(u16, u16)> {
        self.nics.get(nic).map(|nic| (nic.options.rx_ring, nic.options.tx_ring))
    }

    /// Gives the queues of a NIC rings of other sizes, of what comes and of what is sent; gives the frames that had come and are
    /// lost. Those that were to be sent are lost as well: [`Self::handle_sent`] is not to be told of them any more. The same sizes
    /// change nothing, and are no reason to lose anything.
    ///
    /// # Errors
    /// Sizes with which the NIC cannot be; nothing has changed then.
    pub fn resize_rings(
        &mut self,
        now: Instant,
        nic: usize,
        (rx_ring, tx_ring): (u16, u16),
    ) -> Result<Vec<T>, OptionsError> {
        self.handle_timeout(now);
        let mut lost = Vec::new();
        let cpus = self.cpus.len() as u16;
        let Some(nic) = self.nics.get_mut(nic) else { return Ok(lost) };
        let options = NicOptions { rx_ring, tx_ring, ..nic.options.clone() };
        options.check(cpus)?;
        if options == nic.options {
            return Ok(lost);
        }
        for place in nic.queues.clone() {
            let queue = &mut self.queues[place];
            lost.extend(core::iter::from_fn(|| queue.ring.pop()).map(|(_, (_, frame))| frame));
            queue.ring = Ring::new(rx_ring.into());
            let was_stopped = queue.transmit.is_stopped();
            queue.transmit = TransmitRing::new(tx_ring.into(), options.gathers, options.byte_limits);
            if was_stopped && !self.woken.contains(&place) {
                self.woken.push_back(place);
            }
        }
        nic.options = options;
        Ok(lost)
    }
}
