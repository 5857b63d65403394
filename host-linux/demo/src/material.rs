//! What is transferred: bytes that cannot be guessed, and their checksum.

use std::fmt;

use sha2::{Digest, Sha256};

/// `bytes` bytes that look like noise, the same for the same seed (splitmix64: Steele, Lea, Flood 2014).
pub(crate) fn noise(seed: u64, bytes: usize) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    };
    let mut noise = vec![0; bytes];
    for chunk in noise.chunks_mut(8) {
        chunk.copy_from_slice(&next()[..chunk.len()]);
    }
    noise
}

/// A SHA-256.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Checksum([u8; 32]);

impl Checksum {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }
}

impl fmt::Display for Checksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::{Checksum, noise};

    #[test]
    fn the_same_seed_gives_the_same_noise_and_another_gives_other_noise() {
        assert_eq!(noise(1, 1003), noise(1, 1003));
        assert_ne!(noise(1, 1003), noise(2, 1003));
        assert_eq!(noise(1, 1003)[..1000], noise(1, 1000));
    }

    /// FIPS 180-4, the example of one block.
    #[test]
    fn the_checksum_is_the_standards() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(Checksum::of(b"abc").to_string(), expected);
    }
}
