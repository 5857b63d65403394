//! Checksum routines that use what this processor has beyond the portable ones.
//!
//! A crate of its own, so that it can be tested and measured without all that the program needs.
//!
//! Why two instructions a step: AVX2 has no sum with carry. 16-bit words are taken as signed (by turning their highest
//! bit), added in pairs to 32 bits, and what the turning has added is taken off at the end. That reads 32 bytes with
//! three instructions.

use towpath_engine::wire::checksum::Routines;

#[cfg(target_arch = "x86_64")]
mod avx2;

/// The best routines that this processor has.
#[must_use]
pub fn routines() -> Routines {
    #[cfg(target_arch = "x86_64")]
    if let Some(routines) = avx2::routines() {
        return routines;
    }
    Routines::PORTABLE
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_best_routine_sums_as_the_portable_one_does(
            bytes in proptest::collection::vec(any::<u8>(), 0..5000), start in 0_usize..64,
        ) {
            let bytes = &bytes[start.min(bytes.len())..];
            prop_assert_eq!((routines().sum)(bytes), (Routines::PORTABLE.sum)(bytes));
            let mut copy = vec![0; bytes.len()];
            prop_assert_eq!((routines().copy_and_sum)(&mut copy, bytes), (Routines::PORTABLE.sum)(bytes));
            prop_assert_eq!(&copy[..], bytes);
        }
    }

    #[test]
    fn sums_do_not_overflow_on_the_largest_buffers() {
        for byte in [0x00, 0x7f, 0x80, 0xff] {
            let bytes = vec![byte; 3 << 20];
            assert_eq!((routines().sum)(&bytes), (Routines::PORTABLE.sum)(&bytes), "bytes of {byte:#x}");
        }
    }
}
