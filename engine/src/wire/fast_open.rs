//! The Fast Open option of a SYN (RFC 7413, section 4.1.1), and the form that it had before it had a number of its own: kind 254
//! with a magic number (RFC 6994), which Linux still speaks (v6.18: `net/ipv4/tcp_input.c`, `tcp_parse_fastopen_option()`).
//!
//! ```text
//!  34 | 2 + n | cookie n          254 | 4 + n | f9 89 | cookie n          n: 0, or an even number from 4 to 16
//! ```

use serde::{Deserialize, Serialize};

use super::{tcp_layout::OptionsOut, tcp_options::TcpOptions};

/// A cookie; an empty one asks for one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FastOpenCookie {
    bytes: [u8; Self::BYTES_MAX],
    len: u8,
}

impl FastOpenCookie {
    /// Bytes of a cookie at least, unless it is empty.
    pub const BYTES_MIN: usize = 4;
    /// Bytes of a cookie at most.
    pub const BYTES_MAX: usize = 16;

    /// One of these bytes; `None` when there cannot be one of that length.
    #[must_use]
    pub fn new(data: &[u8]) -> Option<Self> {
        if !Self::is_length(data.len()) {
            return None;
        }
        let mut bytes = [0; Self::BYTES_MAX];
        bytes[..data.len()].copy_from_slice(data);
        Some(Self { bytes, len: data.len() as u8 })
    }

    const fn is_length(len: usize) -> bool {
        len == 0 || (len.is_multiple_of(2) && len >= Self::BYTES_MIN && len <= Self::BYTES_MAX)
    }

    /// Its bytes.
    #[must_use]
    pub fn as_slice(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len).min(Self::BYTES_MAX)]
    }

    /// Whether it asks for one.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether its length can be one, which is to be asked of one that comes from outside.
    pub(crate) const fn is_right(&self) -> bool {
        Self::is_length(self.len as usize)
    }
}

/// The option.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FastOpenOption {
    /// The cookie, or the wish for one.
    pub cookie: FastOpenCookie,
    /// It has the form of kind 254.
    pub is_experimental: bool,
}

impl FastOpenOption {
    /// The last one among a SYN's options. One with a cookie of a length that cannot be takes the place of those before it and is none;
    /// one of odd length is passed over.
    #[must_use]
    pub fn find(options: TcpOptions<'_>) -> Option<Self> {
        let mut found = None;
        for option in options {
            let (data, is_experimental) = match (option.kind, option.data) {
                (TcpOptions::FAST_OPEN, data) => (data, false),
                (TcpOptions::EXPERIMENT, [high, low, data @ ..]) if [*high, *low] == MAGIC => (data, true),
                _ => continue,
            };
            if data.len().is_multiple_of(2) {
                found = FastOpenCookie::new(data).map(|cookie| Self { cookie, is_experimental });
            }
        }
        found
    }

    /// Writes it behind the first `len` bytes of `to`, padded to a multiple of 4, if there is room; gives how many bytes there are then.
    #[must_use]
    pub fn emit_behind(&self, to: &mut [u8; OptionsOut::BYTES_MAX], len: usize) -> usize {
        let cookie = self.cookie.as_slice();
        let head: &[u8] = match self.is_experimental {
            true => &[TcpOptions::EXPERIMENT, 4 + cookie.len() as u8, MAGIC[0], MAGIC[1]],
            false => &[TcpOptions::FAST_OPEN, 2 + cookie.len() as u8],
        };
        let bytes = head.len() + cookie.len();
        let Some(place) = to.get_mut(len..len + bytes.next_multiple_of(4)) else { return len };
        let (head_place, rest) = place.split_at_mut(head.len());
        let (cookie_place, padding) = rest.split_at_mut(cookie.len());
        head_place.copy_from_slice(head);
        cookie_place.copy_from_slice(cookie);
        padding.fill(TcpOptions::NOP);
        len + bytes.next_multiple_of(4)
    }
}

/// What tells it from other experiments (Linux: `TCPOPT_FASTOPEN_MAGIC`).
const MAGIC: [u8; 2] = [0xf9, 0x89];

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn found(bytes: &[u8]) -> Option<FastOpenOption> {
        FastOpenOption::find(TcpOptions::new(bytes))
    }

    fn option(cookie: &[u8], is_experimental: bool) -> FastOpenOption {
        FastOpenOption { cookie: FastOpenCookie::new(cookie).expect("a cookie"), is_experimental }
    }

    #[test]
    fn cookies_of_both_forms_are_found_and_others_are_none() {
        assert_eq!(found(&[34, 2]), Some(option(&[], false)));
        assert_eq!(found(&[1, 34, 6, 1, 2, 3, 4]), Some(option(&[1, 2, 3, 4], false)));
        assert_eq!(found(&[254, 4, 0xf9, 0x89]), Some(option(&[], true)));
        assert_eq!(found(&[254, 8, 0xf9, 0x89, 1, 2, 3, 4]), Some(option(&[1, 2, 3, 4], true)));
        for none in [&[][..], &[254, 4, 0xf9, 0x88], &[34, 4, 1, 2], &[34, 7, 1, 2, 3, 4, 5], &[254, 3, 0xf9]] {
            assert_eq!(found(none), None, "{none:?}");
        }
    }

    #[test]
    fn the_last_one_counts_unless_its_length_is_odd() {
        let first = [34, 6, 1, 2, 3, 4];
        assert_eq!(found(&[&first[..], &[34, 6, 5, 6, 7, 8]].concat()), Some(option(&[5, 6, 7, 8], false)));
        assert_eq!(found(&[&first[..], &[34, 5, 5, 6, 7]].concat()), Some(option(&[1, 2, 3, 4], false)));
        assert_eq!(found(&[&first[..], &[34, 4, 5, 6]].concat()), None);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let mut bytes = [0; OptionsOut::BYTES_MAX];
        assert_eq!(option(&[7; 16], false).emit_behind(&mut bytes, 20), 40);
        assert_eq!(option(&[7; 16], false).emit_behind(&mut bytes, 24), 24);
    }

    proptest! {
        #[test]
        fn what_is_written_is_found_again(half in 0_usize..8, is_experimental: bool, byte: u8) {
            let len = if half == 0 { 0 } else { 2 + 2 * half };
            let written = option(&[byte; 16][..len], is_experimental);
            let mut bytes = [0xee; OptionsOut::BYTES_MAX];
            let end = written.emit_behind(&mut bytes, 4);
            prop_assert_eq!(end % 4, 0);
            prop_assert_eq!(found(&bytes[4..end]), Some(written));
        }
    }
}
