//! Which queue and which CPU a flow's frames go to.
//!
//! RSS: the low bits of the hash name an entry of the indirection table, and that names a queue (`ethtool -x`). RPS: the whole hash,
//! scaled to their number, chooses one of the CPUs that a queue's packets may go on to (`/sys/class/net/DEVICE/queues/rx-N/rps_cpus`).
//!
//! Linux v6.18: `include/linux/ethtool.h`, `ethtool_rxfh_indir_default()`; `net/core/dev.c`, `get_rps_cpu()`; `include/linux/kernel.h`,
//! `reciprocal_scale()`.

/// Entries of an indirection table.
pub const INDIRECTION_ENTRIES: usize = 128;

/// Chooses queues and CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Steering {
    /// Queues by hash, each below the number of queues.
    pub indirection: [u16; INDIRECTION_ENTRIES],
    /// CPUs that packets may go on to, a bit each; none: they stay where they are.
    pub rps_cpus: u64,
}

impl Steering {
    /// Flows are spread over so many queues evenly, and their packets stay there.
    #[must_use]
    pub fn even(queues: u16) -> Self {
        let mut indirection = [0; INDIRECTION_ENTRIES];
        for (entry, queue) in indirection.iter_mut().zip((0..queues.max(1)).cycle()) {
            *entry = queue;
        }
        Self { indirection, rps_cpus: 0 }
    }

    /// The queue of a flow.
    #[must_use]
    pub const fn queue_of(&self, hash: u32) -> u16 {
        self.indirection[hash as usize % INDIRECTION_ENTRIES]
    }

    /// The CPU that a flow's packets go on to; `None`: where they are.
    #[must_use]
    pub fn cpu_of(&self, hash: u32) -> Option<u16> {
        let cpus = u64::from(self.rps_cpus.count_ones());
        let place = (u64::from(hash) * cpus) >> 32;
        (0..64_u16).filter(|cpu| self.rps_cpus >> cpu & 1 == 1).nth(place as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_spread_over_queues_by_their_low_bits_and_over_cpus_by_their_high_ones() {
        let steering = Steering { rps_cpus: 0b1011, ..Steering::even(3) };
        #[rustfmt::skip]
        let cases = [
            // hash       queue  CPU
            (0,           0,     0),
            (1,           1,     0),
            (2,           2,     0),
            (3,           0,     0),
            (127,         1,     0),
            (128,         0,     0),
            (0x5555_5555, 1,     0),
            (0x5555_5556, 2,     1),
            (0xaaaa_aaaa, 0,     1),
            (0xaaaa_aaab, 1,     3),
            (u32::MAX,    1,     3),
        ];
        for (hash, queue, cpu) in cases {
            assert_eq!((steering.queue_of(hash), steering.cpu_of(hash)), (queue, Some(cpu)), "{hash:#x}");
        }
        assert_eq!(Steering::even(3).cpu_of(7), None);
    }
}
