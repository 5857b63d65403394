//! The keyed hash: what spreads flows over tables, and what makes numbers that outsiders see but must not foresee.

/// SipHash over whole words, with `WORD` rounds for each and `END` rounds at the end (Aumasson, Bernstein: "SipHash: a fast
/// short-input PRF", 2012).
pub(crate) struct Sip<const WORD: u32, const END: u32>([u64; 4]);

/// For tables, whose hashes nobody outside sees.
pub(crate) type Sip13 = Sip<1, 3>;

/// For what goes out on a wire: its authors' own choice of rounds.
pub(crate) type Sip24 = Sip<2, 4>;

impl<const WORD: u32, const END: u32> Sip<WORD, END> {
    pub(crate) const fn new([low, high]: [u64; 2]) -> Self {
        Self([
            low ^ 0x736f_6d65_7073_6575,
            high ^ 0x646f_7261_6e64_6f6d,
            low ^ 0x6c79_6765_6e65_7261,
            high ^ 0x7465_6462_7974_6573,
        ])
    }

    #[inline(always)]
    pub(crate) const fn word(&mut self, word: u64) {
        self.0[3] ^= word;
        self.rounds(WORD);
        self.0[0] ^= word;
    }

    #[inline(always)]
    const fn rounds(&mut self, count: u32) {
        let mut done = 0;
        while done < count {
            self.round();
            done += 1;
        }
    }

    #[inline(always)]
    const fn round(&mut self) {
        let [mut a, mut b, mut c, mut d] = self.0;
        a = a.wrapping_add(b);
        c = c.wrapping_add(d);
        b = b.rotate_left(13) ^ a;
        d = d.rotate_left(16) ^ c;
        a = a.rotate_left(32).wrapping_add(d);
        c = c.wrapping_add(b);
        d = d.rotate_left(21) ^ a;
        b = b.rotate_left(17) ^ c;
        c = c.rotate_left(32);
        self.0 = [a, b, c, d];
    }

    /// Whoever hashes gives words of one number for one thing, as all tuples of a family have, so that a length word would tell
    /// nothing.
    #[inline(always)]
    pub(crate) const fn finish(mut self) -> u64 {
        self.0[2] ^= 0xff;
        self.rounds(END);
        self.0[0] ^ self.0[1] ^ self.0[2] ^ self.0[3]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: [u64; 2] = [0x0706_0504_0302_0100, 0x0f0e_0d0c_0b0a_0908];

    /// The reference's words for the key 00 01 … 0f and no input differ only in the length word, which is a zero word.
    #[test]
    fn an_empty_input_hashes_as_the_reference_does() {
        let mut sip = Sip13::new(KEYS);
        sip.word(0);
        assert_eq!(sip.finish(), 0xabac_0158_050f_c4dc);
        let mut sip = Sip24::new(KEYS);
        sip.word(0);
        assert_eq!(sip.finish(), 0x726f_db47_dd0e_0e31);
    }

    /// The paper's own example (appendix A): the bytes 00 01 … 0e and the length 15.
    #[test]
    fn the_papers_example_hashes_as_the_paper_says() {
        let mut sip = Sip24::new(KEYS);
        sip.word(0x0706_0504_0302_0100);
        sip.word(0x0f0e_0d0c_0b0a_0908);
        assert_eq!(sip.finish(), 0xa129_ca61_49be_45e5);
    }
}
