//! Receive side scaling: the hash of a frame's flow, and the receive queue that it leads to.
//!
//! The hash is Toeplitz's: for each bit of the input that is set, the 32 bits of the key that start at the same place are
//! added without carry. Which fields are the input: addresses and ports of TCP and UDP, the addresses alone of everything else
//! that is IP, fragments among it, whose ports only the first one has (Linux: `ethtool -n DEVICE rx-flow-hash tcp4`, `sdfn`).
//!
//! Sources: Microsoft, "RSS hashing functions" and "Verifying the RSS hash calculation"; Woo and Park, "Scalable TCP session
//! monitoring with symmetric receive-side scaling" (2012), for the symmetric key. Linux v6.18: `net/core/dev.c`,
//! `get_rps_cpu()`; `net/ethtool/rss.c`; `include/linux/ethtool.h`, `ethtool_rxfh_indir_default()`.

use zerocopy::FromBytes;

use crate::wire::{EtherType, EthernetHeader, Ipv4Header, Ipv6Header, Protocol};

/// A Toeplitz hash with a key.
#[derive(Clone, Debug)]
pub struct Toeplitz {
    /// What each value of each half byte of the input adds.
    halves: [[u32; 16]; INPUT_BYTES_MAX * 2],
}

/// Bytes of a key: 4 more than the longest input has.
pub const KEY_BYTES: usize = 40;

/// A key of Microsoft's, for which hashes are published.
#[rustfmt::skip]
pub const MICROSOFT_KEY: [u8; KEY_BYTES] = [
    0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2, 0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0, 0xd0, 0xca, 0x2b, 0xcb,
    0xae, 0x7b, 0x30, 0xb4, 0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c, 0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa,
];

/// A key with which both directions of a flow have the same hash: its bits repeat after 16.
pub const SYMMETRIC_KEY: [u8; KEY_BYTES] = {
    let mut key = [0x6d; KEY_BYTES];
    let mut at = 1;
    while at < KEY_BYTES {
        key[at] = 0x5a;
        at += 2;
    }
    key
};

impl Toeplitz {
    /// The hash with that key.
    #[must_use]
    pub fn new(key: &[u8; KEY_BYTES]) -> Self {
        let mut halves = [[0; 16]; INPUT_BYTES_MAX * 2];
        for (half, values) in halves.iter_mut().enumerate() {
            for (value, sum) in values.iter_mut().enumerate() {
                let bits = (0..4).filter(|bit| value & (8 >> bit) != 0);
                *sum = bits.fold(0, |sum, bit| sum ^ window(key, half * 4 + bit));
            }
        }
        Self { halves }
    }

    /// The hash of an input; what is beyond [`INPUT_BYTES_MAX`] bytes does not count.
    #[must_use]
    pub fn hash(&self, input: &[u8]) -> u32 {
        let (pairs, _) = self.halves.as_chunks::<2>();
        let add = |sum, (byte, [high, low]): (&u8, &[[u32; 16]; 2])| {
            sum ^ high[usize::from(byte >> 4)] ^ low[usize::from(byte & 15)]
        };
        input.iter().zip(pairs).fold(0, add)
    }

    /// The hash of a frame's flow; 0 of what is no IP.
    #[must_use]
    pub fn hash_of(&self, frame: &[u8]) -> u32 {
        let mut input = [0; INPUT_BYTES_MAX];
        let len = input_of(frame, &mut input).unwrap_or(0);
        self.hash(&input[..len])
    }
}

/// Hashes as those of a device whose operator has chosen nothing: with [`SYMMETRIC_KEY`].
impl Default for Toeplitz {
    fn default() -> Self {
        Self::new(&SYMMETRIC_KEY)
    }
}

/// The 32 bits of a key from bit `at` on.
fn window(key: &[u8; KEY_BYTES], at: usize) -> u32 {
    let mut eight = [0; 8];
    let from = at / 8;
    let len = eight.len().min(KEY_BYTES - from);
    eight[..len].copy_from_slice(&key[from..from + len]);
    ((u64::from_be_bytes(eight) << (at % 8)) >> 32) as u32
}

/// Writes the input of a frame's hash, and tells its length; `None` of what is no IP.
fn input_of(frame: &[u8], input: &mut [u8; INPUT_BYTES_MAX]) -> Option<usize> {
    let mut at = EthernetHeader::LEN;
    let ether_type = loop {
        match EtherType(u16::from_be_bytes(*frame.get(at - 2..)?.first_chunk()?)) {
            EtherType::VLAN | EtherType::SERVICE_VLAN => at += TAG_BYTES,
            other => break other,
        }
    };
    let network = frame.get(at..)?;
    let (len, protocol, ports) = match ether_type {
        EtherType::IPV4 => {
            let (ip, _) = Ipv4Header::ref_from_prefix(network).ok()?;
            input[..4].copy_from_slice(&ip.source);
            input[4..8].copy_from_slice(&ip.destination);
            (8, ip.protocol(), network.get(ip.header_len()..).filter(|_| !ip.is_fragment()))
        }
        EtherType::IPV6 => {
            let (ip, rest) = Ipv6Header::ref_from_prefix(network).ok()?;
            input[..16].copy_from_slice(&ip.source);
            input[16..32].copy_from_slice(&ip.destination);
            (32, ip.next_header(), Some(rest))
        }
        _ => return None,
    };
    match ports.and_then(|ports| ports.first_chunk::<4>()) {
        Some(ports) if matches!(protocol, Protocol::TCP | Protocol::UDP) => {
            input[len..len + ports.len()].copy_from_slice(ports);
            Some(len + ports.len())
        }
        Some(_) | None => Some(len),
    }
}

/// Bytes of the longest input: two IPv6 addresses and two ports.
pub const INPUT_BYTES_MAX: usize = 36;

const TAG_BYTES: usize = 4;

#[cfg(test)]
mod tests {
    use core::net::{Ipv4Addr, Ipv6Addr};

    use proptest::prelude::*;

    use super::*;

    /// Microsoft's "Verifying the RSS hash calculation": destination, source, hash of the addresses, hash with ports.
    #[rustfmt::skip]
    const V4: [(&str, u16, &str, u16, u32, u32); 5] = [
        // destination                source                   addresses    with ports
        ("161.142.100.80", 1766,  "66.9.149.187",    2794,  0x323e_8fc2, 0x51cc_c178),
        ("65.69.140.83",   4739,  "199.92.111.2",    14230, 0xd718_262a, 0xc626_b0ea),
        ("12.22.207.184",  38024, "24.19.198.95",    12898, 0xd2d0_a5de, 0x5c2b_394a),
        ("209.142.163.6",  2217,  "38.27.205.30",    48228, 0x8298_9176, 0xafc7_327f),
        ("202.188.127.2",  1303,  "153.39.163.191",  44251, 0x5d18_09c5, 0x10e8_28a2),
    ];

    #[rustfmt::skip]
    const V6: [(&str, u16, &str, u16, u32, u32); 3] = [
        ("3ffe:2501:200:3::1",           1766,  "3ffe:2501:200:1fff::7",                2794,  0x2cc1_8cd5, 0x4020_7d3d),
        ("ff02::1",                      4739,  "3ffe:501:8::260:97ff:fe40:efab",       14230, 0x0f0c_461c, 0xdde5_1bbf),
        ("fe80::200:f8ff:fe21:67cf",     38024, "3ffe:1900:4545:3:200:f8ff:fe21:67cf",  44251, 0x4b61_e985, 0x02d1_feef),
    ];

    #[test]
    fn hashes_are_those_that_microsoft_has_published() {
        let hash = Toeplitz::new(&MICROSOFT_KEY);
        for (destination, to, source, from, addresses, all) in V4 {
            let octets = |text: &str| text.parse::<Ipv4Addr>().expect("an address").octets();
            let input = [&octets(source)[..], &octets(destination), &from.to_be_bytes(), &to.to_be_bytes()].concat();
            assert_eq!((hash.hash(&input[..8]), hash.hash(&input)), (addresses, all), "{destination}");
        }
        for (destination, to, source, from, addresses, all) in V6 {
            let octets = |text: &str| text.parse::<Ipv6Addr>().expect("an address").octets();
            let input = [&octets(source)[..], &octets(destination), &from.to_be_bytes(), &to.to_be_bytes()].concat();
            assert_eq!((hash.hash(&input[..32]), hash.hash(&input)), (addresses, all), "{destination}");
        }
    }

    #[test]
    fn a_frame_is_hashed_by_what_its_headers_hold() {
        let (hash, addresses) = (Toeplitz::new(&MICROSOFT_KEY), [66, 9, 149, 187, 161, 142, 100, 80]);
        let frame = |protocol: u8, fragment: u8, tag: &[u8]| {
            let head = [0x45, 0, 0, 24, 0, 0, fragment, 0, 64, protocol, 0, 0];
            [&[0; 12][..], tag, &[8, 0], &head, &addresses, &2794_u16.to_be_bytes(), &1766_u16.to_be_bytes()].concat()
        };
        let whole = frame(6, 0, &[]);
        assert_eq!(hash.hash_of(&whole), 0x51cc_c178);
        assert_eq!(hash.hash_of(&frame(17, 0, &[0x81, 0, 0, 5])), 0x51cc_c178);
        for other in [frame(1, 0, &[]), frame(6, 0x20, &[]), whole[..34].to_vec()] {
            assert_eq!(hash.hash_of(&other), 0x323e_8fc2);
        }
        for other in [&whole[..33], &[0; 60], &[0x81; 100]] {
            assert_eq!(hash.hash_of(other), 0);
        }
    }

    proptest! {
        #[test]
        fn with_the_symmetric_key_both_directions_have_one_hash(ends: [[u8; 16]; 2], ports: [[u8; 2]; 2]) {
            let hash = Toeplitz::default();
            for len in [4, 16] {
                let input = |a: usize, b: usize| [&ends[a][..len], &ends[b][..len], &ports[a], &ports[b]].concat();
                prop_assert_eq!(hash.hash(&input(0, 1)), hash.hash(&input(1, 0)));
            }
        }

        #[test]
        fn what_half_bytes_add_is_what_bits_add(key: [u8; 40], input: [u8; 36]) {
            let bits = (0..288_usize).filter(|bit| input[bit / 8] & (0x80 >> (bit % 8)) != 0);
            let bitwise = bits.fold(0_u32, |sum, bit| {
                let of_key = (0..32).map(|more| u32::from(key[(bit + more) / 8] >> (7 - (bit + more) % 8) & 1));
                sum ^ of_key.fold(0, |window, next| window << 1 | next)
            });
            prop_assert_eq!(Toeplitz::new(&key).hash(&input), bitwise);
        }
    }
}
