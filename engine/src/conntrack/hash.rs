//! The keyed hash that spreads connections over the table.
//!
//! Why SipHash with one round a word and three at the end: whoever sends packets chooses the tuples, and must not be able
//! to choose ones that collide; faster keyed hashes by folded multiplication have known collisions that hold for every
//! key. An IPv4 tuple is two words, so a look-up costs five rounds, which overlap with those of other packets of a batch.
//!
//! A tuple and the same turned round have one hash, but for a bit that says which of them it is: a connection whose answers
//! have its own tuple with the ends exchanged, in the same zone, stands in one place and is found there by both. Those that are
//! translated, those of ICMP (whose answers are of another type) and those in a zone of one direction stand in two.

use super::tuple::{Address, Family, Tuple};
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
        match tuple.family {
            Family::Ipv4 => self.hash_v4(tuple),
            Family::Ipv6 => self.hash_v6(tuple),
        }
    }

    #[inline(always)]
    fn hash_v4(&self, tuple: &Tuple) -> u64 {
        let mut sip = Sip13::new(self.keys);
        let [source, destination] = ends_v4(tuple);
        let is_turned = source > destination;
        // Exchanged without a branch, which every other packet would take.
        let exchanged = (source ^ destination) & u64::from(is_turned).wrapping_neg();
        let (low, high) = (source ^ exchanged, destination ^ exchanged);
        sip.word(low & ADDRESS | high << 32);
        sip.word(low >> 32 | high >> 32 << 16 | kind_of(tuple));
        with_turn(sip.finish(), is_turned)
    }

    #[inline(never)]
    fn hash_v6(&self, tuple: &Tuple) -> u64 {
        let mut sip = Sip13::new(self.keys);
        let [source, destination] = ends_v6(tuple);
        let (low, high) = (source.min(destination), source.max(destination));
        for (address, _) in [low, high] {
            sip.word(address as u64);
            sip.word((address >> 64) as u64);
        }
        sip.word(u64::from(low.1) | u64::from(high.1) << 16 | kind_of(tuple));
        with_turn(sip.finish(), source > destination)
    }

    /// The hash in zone 0 of a connection's answers, of whose original tuple it is known: that of the tuple turned round, where the
    /// answers' is nothing else.
    #[inline]
    pub(super) fn hash_of_answers(&self, hash: u64, [original, reply]: [&Tuple; 2]) -> u64 {
        if reply.is_turned(original) { Self::hash_of_turned(hash, reply) } else { self.hash(reply) }
    }

    /// The hash of a tuple, of which that of the same turned round is known.
    pub(super) fn hash_of_turned(hash: u64, tuple: &Tuple) -> u64 {
        let is_sorted = match tuple.family {
            Family::Ipv4 => ends_v4(tuple).is_sorted(),
            Family::Ipv6 => ends_v6(tuple).is_sorted(),
        };
        with_turn(hash, !is_sorted)
    }

    /// The hash of where a tuple comes from, in a zone.
    pub(super) fn hash_of_source(&self, zone: u16, tuple: &Tuple) -> u64 {
        let mut sip = Sip13::new(self.keys);
        let rest = u64::from(tuple.source_port) | u64::from(zone) << 16 | kind_of(tuple);
        match tuple.family {
            Family::Ipv4 => sip.word(u64::from(u32::from_le_bytes(tuple.source.as_v4()))),
            Family::Ipv6 => {
                let address = u128::from_le_bytes(tuple.source.0);
                sip.word(address as u64);
                sip.word((address >> 64) as u64);
            }
        }
        sip.word(rest);
        sip.finish()
    }
}

/// The bit of a hash in which that of a tuple and that of the same turned round differ, unless both ends are one. It is none
/// of those by which the index finds a bucket and a place.
pub(super) const TURNED: u64 = 1 << TURNED_BIT;
const TURNED_BIT: u32 = 16;

/// An IPv4 address in one of [`ends_v4`].
const ADDRESS: u64 = 0xffff_ffff;

/// What is the same for both ends, above 32 bits for their ports.
#[inline(always)]
fn kind_of(tuple: &Tuple) -> u64 {
    u64::from(tuple.protocol) << 32 | (tuple.family as u64) << 40
}

#[inline(always)]
fn ends_v4(tuple: &Tuple) -> [u64; 2] {
    let end = |address: Address, port: u16| u64::from(u32::from_le_bytes(address.as_v4())) | u64::from(port) << 32;
    [end(tuple.source, tuple.source_port), end(tuple.destination, tuple.destination_port)]
}

fn ends_v6(tuple: &Tuple) -> [(u128, u16); 2] {
    let end = |address: Address, port: u16| (u128::from_le_bytes(address.0), port);
    [end(tuple.source, tuple.source_port), end(tuple.destination, tuple.destination_port)]
}

#[inline(always)]
const fn with_turn(hash: u64, is_turned: bool) -> u64 {
    hash & !TURNED | (is_turned as u64) << TURNED_BIT
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

        #[test]
        fn a_tuple_turned_round_has_the_same_hash_but_for_one_bit(seed: u64, ports: [u16; 2], ends: [[u8; 16]; 2], is_v6: bool) {
            let hasher = Hasher::new(&mut Random::new(seed));
            let [source, destination] = match is_v6 {
                true => ends.map(Address),
                false => ends.map(|[a, b, c, d, ..]| Address::v4([a, b, c, d])),
            };
            let family = if is_v6 { Family::Ipv6 } else { Family::Ipv4 };
            let [source_port, destination_port] = ports;
            let tuple = Tuple { source, destination, source_port, destination_port, protocol: 6, family };
            let turned = tuple.inverted().expect("ports can be turned round");
            let differs = if turned == tuple { 0 } else { TURNED };
            prop_assert_eq!(hasher.hash(&tuple) ^ hasher.hash(&turned), differs);
            prop_assert_eq!(Hasher::hash_of_turned(hasher.hash(&tuple), &turned), hasher.hash(&turned));
        }
    }
}
