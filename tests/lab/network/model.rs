//! The model that a connection is held against: a stream of bytes each way, of which a prefix has come.

/// What has gone over a connection, by direction: from side 0, and from side 1.
#[derive(Clone, Copy, Debug, Default)]
pub struct Model {
    /// Bytes written.
    pub written: [u64; 2],
    /// Bytes read.
    pub read: [u64; 2],
    /// Whether the end has been read.
    pub ended: [bool; 2],
}

impl Model {
    /// The bytes that are written next.
    #[must_use]
    pub fn next(&self, from: usize, len: usize) -> Vec<u8> {
        (0..len as u64).map(|at| byte(from, self.written[from] + at)).collect()
    }

    /// Bytes have been read.
    ///
    /// # Panics
    /// When they are not what was written.
    pub fn takes(&mut self, from: usize, bytes: &[u8]) {
        for (at, got) in bytes.iter().enumerate() {
            let place = self.read[from] + at as u64;
            assert_eq!(*got, byte(from, place), "byte {place} from {from}");
        }
        self.read[from] += bytes.len() as u64;
        assert!(self.read[from] <= self.written[from], "no more comes than was sent");
    }

    /// The end has been read.
    ///
    /// # Panics
    /// When something that was written has not been read before it.
    pub fn takes_end(&mut self, from: usize) {
        self.ended[from] = true;
        assert_eq!(self.read[from], self.written[from], "the end comes behind all that was written");
    }
}

/// The byte at a place of a stream: no two near ones are alike, and the directions differ.
#[must_use]
pub const fn byte(from: usize, place: u64) -> u8 {
    (place.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56) as u8 ^ (from as u8 * 0xa5)
}
