//! Which address of a rule's range a translation chooses.

use super::{Manip, NatRange};
use crate::conntrack::{Address, Family, Tuple};

/// The tuple with the translated end moved to the address that the range gives it; the same end of the same two
/// addresses always gets the same one.
///
/// Linux v6.18: `net/netfilter/nf_nat_core.c`, `find_best_ips_proto()`, on a little-endian machine.
#[must_use]
pub fn in_range(tuple: &Tuple, zone: u16, range: &NatRange, manip: Manip) -> Tuple {
    let Some((first, last)) = range.addresses else { return *tuple };
    let address = if first == last { first } else { spread(tuple, zone, (first, last), range.persistent, manip) };
    match manip {
        Manip::Source => Tuple { source: address, ..*tuple },
        Manip::Destination => Tuple { destination: address, ..*tuple },
    }
}

/// An address between two, chosen by a hash of the tuple's addresses; of the source only when `persistent`.
fn spread(tuple: &Tuple, zone: u16, (first, last): (Address, Address), persistent: bool, manip: Manip) -> Address {
    let len = match tuple.family {
        Family::Ipv4 => 1,
        Family::Ipv6 => 4,
    };
    let destination = words(tuple.destination);
    let seed = if persistent { 0 } else { destination[len - 1] ^ u32::from(zone) };
    let mut hash = jenkins(words(tuple.source), seed);
    let (first, last) = (words(first), words(last));
    let mut chosen = [0; 16];
    let mut whole = false;
    for index in 0..len {
        // Behind a word that is below the range's end, all values lie in the range.
        let (low, count) = if whole {
            (0, u32::MAX)
        } else {
            let (low, high) = (u32::from_be(first[index]), u32::from_be(last[index]));
            (low, high.wrapping_sub(low).wrapping_add(1))
        };
        let word = low.wrapping_add(((u64::from(hash) * u64::from(count)) >> 32) as u32);
        whole |= word.to_be() != last[index];
        chosen[index * 4..index * 4 + 4].copy_from_slice(&word.to_be_bytes());
        // Linux reads a destination's words where it has just written the chosen ones.
        hash ^= match manip {
            _ if persistent => 0,
            Manip::Source => destination[index],
            Manip::Destination => word.to_be(),
        };
    }
    Address(chosen)
}

/// The address's words as a little-endian machine reads them.
fn words(address: Address) -> [u32; 4] {
    let (words, _) = address.0.as_chunks::<4>();
    core::array::from_fn(|index| words.get(index).map_or(0, |word| u32::from_le_bytes(*word)))
}

/// Bob Jenkins' hash of four words (`lookup3.c`, May 2006, public domain: `hashword()`), with Linux's start value.
fn jenkins([one, two, three, four]: [u32; 4], seed: u32) -> u32 {
    let start = 0xdead_beef_u32.wrapping_add(4 << 2).wrapping_add(seed);
    let (mut a, mut b, mut c) = (start.wrapping_add(one), start.wrapping_add(two), start.wrapping_add(three));
    for [first, second, third] in [[4, 6, 8], [16, 19, 4]] {
        a = a.wrapping_sub(c) ^ c.rotate_left(first);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(second);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(third);
        b = b.wrapping_add(a);
    }
    a = a.wrapping_add(four);
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    (c ^ b).wrapping_sub(b.rotate_left(24))
}

#[cfg(test)]
mod tests {
    use core::net::IpAddr;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn one_end_of_a_range_is_kept_when_it_is_the_only_choice() {
        let range = NatRange { addresses: Some((v4([203, 0, 113, 1]), v4([203, 0, 113, 1]))), ..NatRange::default() };
        let tuple = Tuple { source: v4([10, 0, 0, 1]), ..Tuple::default() };
        assert_eq!(in_range(&tuple, 0, &range, Manip::Source).source, v4([203, 0, 113, 1]));
        assert_eq!(in_range(&tuple, 0, &range, Manip::Destination).destination, v4([203, 0, 113, 1]));
        assert_eq!(in_range(&tuple, 0, &NatRange::default(), Manip::Source), tuple);
    }

    #[test]
    #[rustfmt::skip]
    fn linux_chooses_the_same_addresses() {
        // What Linux 6.18 made of these under SNAT to .10-.50, and to .60-.99 with --persistent.
        let cases = [
            // 192.168.1. 198.51.100. persistent 203.0.113.
            (161, 190, true, 81),
            (178, 190, false, 32),
            (121,  64, false, 22),
            ( 42,  96, true, 94),
            ( 65, 140, false, 22),
            (148,   4, false, 44),
            (106,  47, true, 70),
            ( 42,  19, false, 44),
            (160, 114, false, 21),
            ( 35,   2, false, 18),
            (200,  43, false, 16),
            ( 76,  51, false, 37),
        ];
        for (source, destination, persistent, chosen) in cases {
            let (low, high) = if persistent { (60, 99) } else { (10, 50) };
            let ends = (v4([203, 0, 113, low]), v4([203, 0, 113, high]));
            let range = NatRange { addresses: Some(ends), persistent, ..NatRange::default() };
            let tuple = Tuple {
                source: v4([192, 168, 1, source]), destination: v4([198, 51, 100, destination]), ..Tuple::default()
            };
            let found = in_range(&tuple, 0, &range, Manip::Source).source;
            assert_eq!(found, v4([203, 0, 113, chosen]), "{source} to {destination}");
        }
    }

    #[test]
    fn linux_leaves_out_what_a_falling_range_names_between_its_ends() {
        // What Linux 6.18 made of these under SNAT to 203.0.113.9-203.0.113.1.
        let cases =
            [(161, [40, 157, 84, 64]), (178, [88, 105, 27, 204]), (121, [151, 72, 142, 18]), (42, [20, 184, 229, 133])];
        let range = NatRange { addresses: Some((v4([203, 0, 113, 9]), v4([203, 0, 113, 1]))), ..NatRange::default() };
        for (source, chosen) in cases {
            let (source, destination) = (v4([192, 168, 1, source]), v4([198, 51, 100, 190]));
            let tuple = Tuple { source, destination, ..Tuple::default() };
            assert_eq!(in_range(&tuple, 0, &range, Manip::Source).source, v4(chosen));
        }
    }

    proptest! {
        #[test]
        fn a_chosen_address_lies_in_the_range(source: u32, destination: u32, low: u32, span in 0_u32..5000, zone: u16) {
            let high = low.saturating_add(span);
            let ends = (v4(low.to_be_bytes()), v4(high.to_be_bytes()));
            let tuple = Tuple {
                source: v4(source.to_be_bytes()), destination: v4(destination.to_be_bytes()), ..Tuple::default()
            };
            for persistent in [false, true] {
                let range = NatRange { addresses: Some(ends), persistent, ..NatRange::default() };
                let chosen = in_range(&tuple, zone, &range, Manip::Source).source;
                prop_assert!((low..=high).contains(&u32::from_be_bytes(chosen.as_v4())));
                prop_assert_eq!(chosen.0[4..].iter().sum::<u8>(), 0);
            }
        }

        #[test]
        fn a_persistent_choice_depends_on_the_source_only(source: u32, one: u32, other: u32) {
            let ends = (v4([203, 0, 113, 1]), v4([203, 0, 113, 200]));
            let range = NatRange { addresses: Some(ends), persistent: true, ..NatRange::default() };
            let chosen = |destination: u32| {
                let tuple = Tuple {
                    source: v4(source.to_be_bytes()), destination: v4(destination.to_be_bytes()), ..Tuple::default()
                };
                in_range(&tuple, 0, &range, Manip::Source).source
            };
            prop_assert_eq!(chosen(one), chosen(other));
        }
    }

    fn v4(octets: [u8; 4]) -> Address {
        Address::from(IpAddr::from(octets))
    }
}
