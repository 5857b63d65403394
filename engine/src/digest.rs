//! A hash that stands for bytes: of snapshots against damage, of a run's outputs to compare two runs.

use core::fmt;

/// FNV-1a with 64 bits (RFC 9923): each byte is a bijection of the state, so that two inputs of one length that differ in
/// one byte never agree. It keeps nobody out who wants two inputs to agree.
///
/// Text can be written into it, so that whatever has a `Debug` form can be hashed without putting it together first:
///
/// ```
/// use core::fmt::Write;
/// use towpath_engine::digest::Digest;
///
/// let mut digest = Digest::new();
/// write!(digest, "{:?}", Some(7)).unwrap();
/// assert_eq!(digest.value(), Digest::of(b"Some(7)"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Digest(u64);

impl Digest {
    /// Of nothing.
    #[must_use]
    pub const fn new() -> Self {
        Self(OFFSET_BASIS)
    }

    /// Of these bytes.
    #[must_use]
    pub fn of(bytes: &[u8]) -> u64 {
        let mut digest = Self::new();
        digest.update(bytes);
        digest.value()
    }

    /// Adds bytes behind the others.
    pub fn update(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(PRIME);
        }
    }

    /// The hash of all bytes so far.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0
    }
}

impl Default for Digest {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Digest {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.update(text.as_bytes());
        Ok(())
    }
}

/// RFC 9923, section 5, for 64 bits.
const OFFSET_BASIS: u64 = 0xcbf2_9ce4_8422_2325;
const PRIME: u64 = 0x0000_0100_0000_01b3;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 9923, appendix C: test vectors of FNV-1a 64.
    #[test]
    fn known_inputs_have_the_known_hashes() {
        assert_eq!(Digest::of(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(Digest::of(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(Digest::of(b"foobar"), 0x8594_4171_f739_67e8);
    }
}
