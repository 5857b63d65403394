//! The routines for x86-64 processors with AVX2.
#![expect(
    unsafe_code,
    reason = "vector loads and stores go through pointers, and a processor's features are asked once"
)]

use std::arch::x86_64::{
    __m256i, _mm256_add_epi32, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi16, _mm256_setzero_si256,
    _mm256_storeu_si256, _mm256_xor_si256,
};

use towpath_engine::wire::checksum::{Routines, add};

/// The routines, where the processor has AVX2.
pub(super) fn routines() -> Option<Routines> {
    let known = std::arch::is_x86_feature_detected!("avx2");
    known.then_some(Routines { sum: sum_if_known, copy_and_sum: copy_and_sum_if_known })
}

fn sum_if_known(bytes: &[u8]) -> u16 {
    if bytes.len() < SHORT {
        return (Routines::PORTABLE.sum)(bytes);
    }
    // SAFETY: `routines` hands this function out only where the processor has AVX2.
    unsafe { sum(bytes) }
}

fn copy_and_sum_if_known(to: &mut [u8], from: &[u8]) -> u16 {
    assert_eq!(to.len(), from.len(), "as much is copied as there is room for");
    if from.len() < SHORT {
        return (Routines::PORTABLE.copy_and_sum)(to, from);
    }
    // SAFETY: as above.
    unsafe { copy_and_sum(to, from) }
}

#[target_feature(enable = "avx2")]
fn sum(bytes: &[u8]) -> u16 {
    let mut total = 0;
    for part in bytes.chunks(PART) {
        let (blocks, rest) = part.as_chunks::<BLOCK>();
        let mut lanes = [_mm256_setzero_si256(); 4];
        for block in blocks {
            for (index, lane) in lanes.iter_mut().enumerate() {
                *lane = added(*lane, load(block, index * 32));
            }
        }
        total = add(total, add(gathered(lanes, blocks.len()), (Routines::PORTABLE.sum)(rest)));
    }
    total
}

#[target_feature(enable = "avx2")]
fn copy_and_sum(to: &mut [u8], from: &[u8]) -> u16 {
    let mut total = 0;
    for (to, from) in to.chunks_mut(PART).zip(from.chunks(PART)) {
        let (blocks, rest) = from.as_chunks::<BLOCK>();
        let (copies, rest_copy) = to.as_chunks_mut::<BLOCK>();
        let mut lanes = [_mm256_setzero_si256(); 4];
        for (copy, block) in copies.iter_mut().zip(blocks) {
            for (index, lane) in lanes.iter_mut().enumerate() {
                let words = load(block, index * 32);
                store(copy, index * 32, words);
                *lane = added(*lane, words);
            }
        }
        let rest = (Routines::PORTABLE.copy_and_sum)(rest_copy, rest);
        total = add(total, add(gathered(lanes, blocks.len()), rest));
    }
    total
}

/// Adds 16 words, each less 2^15, to 8 sums.
#[target_feature(enable = "avx2")]
#[inline]
fn added(lane: __m256i, words: __m256i) -> __m256i {
    let signed = _mm256_xor_si256(words, _mm256_set1_epi16(i16::MIN));
    _mm256_add_epi32(lane, _mm256_madd_epi16(signed, _mm256_set1_epi16(1)))
}

/// The folded, big-endian sum of what `blocks` blocks have put into the lanes.
#[target_feature(enable = "avx2")]
fn gathered(lanes: [__m256i; 4], blocks: usize) -> u16 {
    let words = (blocks * BLOCK / 2) as i64;
    let mut total = words << 15;
    for lane in lanes {
        let mut sums = [0_i32; 8];
        // SAFETY: `sums` is 32 bytes long, and the store needs no alignment.
        unsafe { _mm256_storeu_si256(sums.as_mut_ptr().cast(), lane) };
        total += sums.iter().map(|&sum| i64::from(sum)).sum::<i64>();
    }
    let mut folded = total as u64;
    while folded > 0xffff {
        folded = (folded & 0xffff) + (folded >> 16);
    }
    u16::from_be(folded as u16)
}

/// The 32 bytes at `at` of a block; `at` is 0, 32, 64 or 96.
#[target_feature(enable = "avx2")]
#[inline]
fn load(block: &[u8; BLOCK], at: usize) -> __m256i {
    let bytes = &block[at..at + 32];
    // SAFETY: `bytes` is 32 bytes long, and the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}

/// Writes the 32 bytes at `at` of a block.
#[target_feature(enable = "avx2")]
#[inline]
fn store(block: &mut [u8; BLOCK], at: usize, words: __m256i) {
    let bytes = &mut block[at..at + 32];
    // SAFETY: `bytes` is 32 bytes long, and the store needs no alignment.
    unsafe { _mm256_storeu_si256(bytes.as_mut_ptr().cast(), words) };
}

/// Bytes of a step of the loops.
const BLOCK: usize = 128;
/// Bytes after which the lanes are emptied: each takes 1024 pairs of words, whose sum is at most 2^26 in either sign.
const PART: usize = 128 * 1024;
/// Below this the portable routine is as fast.
const SHORT: usize = 128;
