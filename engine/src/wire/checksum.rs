//! The Internet checksum (RFC 1071) and its incremental update (RFC 1624).
//!
//! Sums here are ones' complement sums of big-endian 16-bit words, folded to 16 bits and *not* complemented, unless a
//! name says `checksum`.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::ipv4::Protocol;

/// What a machine can do better than portable code; handed to the engine at construction.
#[derive(Clone, Copy, Debug)]
pub struct Routines {
    /// The sum of some bytes, an odd last one padded with zero.
    pub sum: fn(&[u8]) -> u16,
    /// Copies the second slice over the first and sums it on the way. The slices have the same length.
    pub copy_and_sum: fn(&mut [u8], &[u8]) -> u16,
}

impl Routines {
    /// Safe code that runs everywhere.
    pub const PORTABLE: Self = Self { sum, copy_and_sum };
}

impl Default for Routines {
    fn default() -> Self {
        Self::PORTABLE
    }
}

/// The sum of `bytes`, an odd last one padded with zero.
///
/// Words of 8 bytes are added with their carries counted apart; four lanes keep the processor busy on long buffers.
/// The order of bytes within a word does not matter until the end (RFC 1071, section 2 (B)).
#[must_use]
pub fn sum(bytes: &[u8]) -> u16 {
    if let Ok(bare) = bytes.try_into() {
        return sum_of_bare_segment(bare);
    }
    let (blocks, rest) = bytes.as_chunks::<32>();
    let total = match blocks {
        [] => 0,
        [alone] => sum_of_block(alone),
        _ => sum_of_blocks(blocks),
    };
    sum_of_rest(total, rest)
}

/// The sum of one block, as short headers are: lanes would not pay.
#[inline]
fn sum_of_block(block: &[u8; 32]) -> u64 {
    let (words, _) = block.as_chunks::<8>();
    words.iter().fold(0, |total, word| add_wide(total, u64::from_ne_bytes(*word)))
}

fn sum_of_blocks(blocks: &[[u8; 32]]) -> u64 {
    let (mut lanes, mut carries) = ([0_u64; 4], [0_u64; 4]);
    for block in blocks {
        let (words, _) = block.as_chunks::<8>();
        for lane in 0..4 {
            let (sum, carry) = lanes[lane].overflowing_add(u64::from_ne_bytes(words[lane]));
            lanes[lane] = sum;
            carries[lane] += u64::from(carry);
        }
    }
    let mut total = carries.iter().sum();
    for lane in lanes {
        total = add_wide(total, lane);
    }
    total
}

/// The sum of up to 31 bytes behind others.
#[inline]
fn sum_of_rest(mut total: u64, rest: &[u8]) -> u16 {
    // At most one of each size is left. Parts that start at an even offset are added as they stand, whatever their size.
    let (both, rest) = rest.as_chunks::<16>();
    if let &[[a, b, c, d, e, f, g, h, ref last @ ..]] = both {
        total = add_wide(total, u64::from_ne_bytes([a, b, c, d, e, f, g, h]));
        total = add_wide(total, u64::from_ne_bytes(*last));
    }
    let (word, rest) = rest.as_chunks::<8>();
    if let [word] = word {
        total = add_wide(total, u64::from_ne_bytes(*word));
    }
    let (word, rest) = rest.as_chunks::<4>();
    if let [word] = word {
        total = add_wide(total, u64::from(u32::from_ne_bytes(*word)));
    }
    let (word, rest) = rest.as_chunks::<2>();
    if let [word] = word {
        total = add_wide(total, u64::from(u16::from_ne_bytes(*word)));
    }
    if let [last] = *rest {
        total = add_wide(total, u64::from(u16::from_ne_bytes([last, 0])));
    }
    u16::from_be(fold(total))
}

/// The sum of an IPv4 header; for the usual 20 bytes it takes no loop.
#[must_use]
#[inline]
pub fn sum_of_header(bytes: &[u8]) -> u16 {
    let Some((&[a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p, q, r, s, t], [])) = bytes.split_first_chunk::<20>()
    else {
        return sum(bytes);
    };
    let wide = u64::from_ne_bytes([a, b, c, d, e, f, g, h]);
    let wide = add_wide(wide, u64::from_ne_bytes([i, j, k, l, m, n, o, p]));
    u16::from_be(fold(add_wide(wide, u64::from(u32::from_ne_bytes([q, r, s, t])))))
}

/// The sum of two IPv4 addresses and a TCP header without options, as bare acknowledgements are summed.
#[inline]
fn sum_of_bare_segment(bytes: &[u8; 28]) -> u16 {
    let (words, _) = bytes.as_chunks::<8>();
    let [.., a, b, c, d] = *bytes;
    let last = u64::from(u32::from_ne_bytes([a, b, c, d]));
    u16::from_be(fold(words.iter().fold(last, |total, word| add_wide(total, u64::from_ne_bytes(*word)))))
}

/// The sum of a few bytes, an even number of them, known when this is compiled.
#[must_use]
#[inline]
pub fn sum_of_part<const N: usize>(bytes: &[u8; N]) -> u16 {
    const { assert!(N.is_multiple_of(2) && N <= 64, "the wide sum must not overflow, and nothing is padded") };
    let (words, _) = bytes.as_chunks::<2>();
    let wide: u32 = words.iter().map(|&word| u32::from(u16::from_be_bytes(word))).sum();
    let once = (wide & 0xffff) + (wide >> 16);
    (once + (once >> 16)) as u16
}

/// The ones' complement sum of two wide words.
const fn add_wide(one: u64, other: u64) -> u64 {
    let (sum, carry) = one.overflowing_add(other);
    sum + carry as u64
}

/// Copies `from` over `to` and sums it.
///
/// # Panics
/// When the lengths differ.
#[must_use]
pub fn copy_and_sum(to: &mut [u8], from: &[u8]) -> u16 {
    to.copy_from_slice(from);
    sum(to)
}

/// The sum of two sums.
#[must_use]
pub const fn add(one: u16, other: u16) -> u16 {
    let (sum, carry) = one.overflowing_add(other);
    sum + carry as u16
}

/// The sum of `len` bytes and of what follows them, of the sums of both.
#[must_use]
pub const fn append(total: u16, len: usize, sum: u16) -> u16 {
    add(total, if len % 2 == 1 { sum.swap_bytes() } else { sum })
}

/// The sum of the pseudo-header of TCP and UDP over IPv4 (RFC 9293, section 3.1).
#[must_use]
pub fn pseudo_header_v4(source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol, transport_len: u16) -> u16 {
    let addresses = u64::from(source.to_bits()) + u64::from(destination.to_bits());
    fold(addresses + u64::from(protocol.0) + u64::from(transport_len))
}

/// The sum of the pseudo-header of upper layers over IPv6 (RFC 8200, section 8.1).
#[must_use]
pub fn pseudo_header_v6(source: Ipv6Addr, destination: Ipv6Addr, protocol: Protocol, transport_len: u32) -> u16 {
    let addresses = add(sum(&source.octets()), sum(&destination.octets()));
    let len = add((transport_len >> 16) as u16, transport_len as u16);
    add(add(addresses, u16::from(protocol.0)), len)
}

/// The checksum field after a 16-bit aligned part of what it covers has changed (RFC 1624, equation 3).
///
/// `before` and `after` have the same, even length.
#[must_use]
pub fn update<const N: usize>(checksum: [u8; 2], before: [u8; N], after: [u8; N]) -> [u8; 2] {
    let old = !u16::from_be_bytes(checksum);
    let sum = add(add(old, !sum_of_part(&before)), sum_of_part(&after));
    (!sum).to_be_bytes()
}

/// The same for a checksum of UDP, where 0 stands for "none" and stays, and a computed 0 is sent as 0xffff.
#[must_use]
pub fn update_udp<const N: usize>(checksum: [u8; 2], before: [u8; N], after: [u8; N]) -> [u8; 2] {
    match checksum {
        [0, 0] => checksum,
        _ => match update(checksum, before, after) {
            [0, 0] => [0xff, 0xff],
            changed => changed,
        },
    }
}

/// Folds a wide sum to 16 bits.
#[must_use]
pub const fn fold(wide: u64) -> u16 {
    // Both halves added, with the carry, to 32 bits; then each half to the other, which carries by itself.
    let (sum, carry) = (wide as u32).overflowing_add((wide >> 32) as u32);
    let sum = sum + carry as u32;
    (sum.wrapping_add(sum.rotate_left(16)) >> 16) as u16
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    /// The definition, word by word.
    fn reference(bytes: &[u8]) -> u16 {
        bytes.chunks(2).fold(0, |total, pair| add(total, u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])))
    }

    #[test]
    fn the_example_of_rfc_1071_sums_to_ddf2() {
        assert_eq!(sum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), 0xddf2);
    }

    #[test]
    fn a_udp_checksum_of_none_stays_none_and_a_computed_zero_is_sent_as_ones() {
        assert_eq!(update_udp([0, 0], [1, 2], [3, 4]), [0, 0]);
        assert_eq!(update_udp([0x00, 0x01], [0x00, 0x00], [0x00, 0x01]), [0xff, 0xff]);
    }

    proptest! {
        #[test]
        fn the_wide_sum_equals_the_definition(bytes in proptest::collection::vec(any::<u8>(), 0..2000)) {
            let (ours, theirs) = (sum(&bytes), reference(&bytes));
            prop_assert!(ours == theirs || (ours % 0xffff == 0 && theirs % 0xffff == 0));
        }

        #[test]
        fn a_header_sums_as_anything_does(bytes in proptest::collection::vec(any::<u8>(), 16..24)) {
            prop_assert_eq!(sum_of_header(&bytes), sum(&bytes));
        }

        #[test]
        fn a_bare_segment_sums_as_anything_does(bytes: [u8; 28]) {
            prop_assert_eq!(sum(&bytes), sum(&[&bytes[..], &[0; 4]].concat()));
        }

        #[test]
        fn an_updated_checksum_equals_a_recomputed_one(
            mut bytes in proptest::collection::vec(any::<u8>(), 40..=40), at in 0_usize..18, after: [u8; 4],
        ) {
            let checksum = (!sum(&bytes)).to_be_bytes();
            let place = at * 2..at * 2 + 4;
            let before: [u8; 4] = bytes[place.clone()].try_into().unwrap_or_default();
            bytes[place].copy_from_slice(&after);
            let updated = u16::from_be_bytes(update(checksum, before, after));
            prop_assert_eq!(add(sum(&bytes), updated) % 0xffff, 0);
        }

        #[test]
        fn parts_add_up_to_the_whole(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..200) {
            let (head, tail) = bytes.split_at(cut.min(bytes.len()));
            prop_assert_eq!(append(sum(head), head.len(), sum(tail)) % 0xffff, sum(&bytes) % 0xffff);
        }

        #[test]
        fn copying_and_summing_does_both(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut copy = Vec::from_iter(bytes.iter().map(|byte| !byte));
            prop_assert_eq!(copy_and_sum(&mut copy, &bytes), sum(&bytes));
            prop_assert_eq!(copy, bytes);
        }
    }
}
