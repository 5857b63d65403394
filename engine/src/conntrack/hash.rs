//! The keyed hash that spreads connections over the table.
//!
//! Why SipHash with one round a word and three at the end: whoever sends packets chooses the tuples, and must not be able
//! to choose ones that collide; faster keyed hashes by folded multiplication have known collisions that hold for every
//! key. An IPv4 tuple is two words, so a look-up costs five rounds, which overlap with those of other packets of a batch.

use super::tuple::{Family, Tuple};
use crate::{random::Random, sip::Sip13};

/// A key nobody outside knows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hasher {
    keys: [u64; 2],
}

impl Hasher {
    pub(super) const fn new(random: &mut Random) -> Self {
        Self { keys: [random.next_u64(), random.next_u64()] }
    }

    /// One that goes on with the keys of another.
    pub(super) const fn with_keys(keys: [u64; 2]) -> Self {
        Self { keys }
    }

    pub(super) const fn keys(&self) -> [u64; 2] {
        self.keys
    }

    /// The tuple's hash in zone 0.
    #[inline(always)]
    pub(super) fn hash(&self, tuple: &Tuple) -> u64 {
        let mut sip = Sip13::new(self.keys);
        let rest = u64::from(tuple.source_port)
            | u64::from(tuple.destination_port) << 16
            | u64::from(tuple.protocol) << 32
            | (tuple.family as u64) << 40;
        match tuple.family {
            Family::Ipv4 => {
                let [source, destination] =
                    [tuple.source, tuple.destination].map(|end| u32::from_le_bytes(end.as_v4()));
                sip.word(u64::from(source) | u64::from(destination) << 32);
            }
            Family::Ipv6 => {
                for end in [tuple.source, tuple.destination] {
                    let address = u128::from_le_bytes(end.0);
                    sip.word(address as u64);
                    sip.word((address >> 64) as u64);
                }
            }
        }
        sip.word(rest);
        sip.finish()
    }
}

/// The hash of the same tuple in another zone. Zones come from rules, not from packets, so that mixing them in needs no
/// key, and a hash can be made before the zone is known.
pub(super) const fn in_zone(hash: u64, zone: u16) -> u64 {
    hash ^ (zone as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::conntrack::Address;

    proptest! {
        #[test]
        fn each_field_of_a_tuple_changes_its_hash(seed: u64, port: u16, address: [u8; 4], bit in 0_u32..16) {
            let hasher = Hasher::new(&mut Random::new(seed));
            let tuple = Tuple { source: Address::v4(address), source_port: port, protocol: 6, ..Tuple::default() };
            let hash = hasher.hash(&tuple);
            let flipped = port ^ (1 << bit);
            for other in [
                Tuple { source_port: flipped, ..tuple },
                Tuple { destination_port: 1 << bit, ..tuple },
                Tuple { protocol: 17, ..tuple },
                Tuple { destination: Address::v4([0, 0, 0, 1]), ..tuple },
                Tuple { family: Family::Ipv6, ..tuple },
            ] {
                prop_assert_ne!(hasher.hash(&other), hash);
            }
            prop_assert_ne!(in_zone(hash, 1 << bit), hash);
        }
    }
}
