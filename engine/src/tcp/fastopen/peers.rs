//! What a client knows of a server: its cookie, and how much data fit beside a SYN (RFC 7413, section 4.1.3; Linux v6.18:
//! `net/ipv4/tcp_metrics.c`, `tcp_fastopen_cache_get()`, `tcp_fastopen_cache_set()`).

use serde::{Deserialize, Serialize};

use crate::wire::fast_open::FastOpenOption;

/// What is remembered of a server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::tcp) struct Peer {
    /// The MSS that it has named last.
    pub(in crate::tcp) mss_bytes: Option<u16>,
    /// Its cookie, in the form in which it came.
    pub(in crate::tcp) cookie: Option<FastOpenOption>,
    /// With which form it was asked in vain.
    pub(super) tried: Tried,
}

/// Which forms of the option a server has not answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Tried {
    /// None that is known of.
    #[default]
    None,
    /// The usual one: the next SYN has the experimental one.
    Usual,
    /// Both: the usual one is asked with from then on.
    Both,
}

impl Peer {
    /// Writes down what a SYN's answer has told.
    pub(super) fn note(&mut self, mss_bytes: Option<u16>, cookie: Option<FastOpenOption>, tried: Tried) {
        self.mss_bytes = mss_bytes.or(self.mss_bytes);
        match cookie.filter(|option| !option.cookie.is_empty()) {
            Some(cookie) => self.cookie = Some(cookie),
            None if tried > self.tried && self.cookie.is_none() => self.tried = tried,
            None => {}
        }
    }

    /// Whether its cookie can be.
    pub(in crate::tcp) fn is_right(&self) -> bool {
        self.cookie.is_none_or(|option| !option.cookie.is_empty() && option.cookie.is_right())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::fast_open::FastOpenCookie;

    fn option(byte: u8) -> FastOpenOption {
        FastOpenOption { cookie: FastOpenCookie::new(&[byte; 4]).expect("a cookie"), is_experimental: false }
    }

    #[test]
    fn a_cookie_stays_until_another_one_comes_and_the_segment_size_is_the_last_one() {
        let mut peer = Peer::default();
        peer.note(Some(1460), Some(option(1)), Tried::None);
        peer.note(Some(1000), None, Tried::Usual);
        let known = Peer { mss_bytes: Some(1000), cookie: Some(option(1)), tried: Tried::None };
        assert_eq!(peer, known);
        peer.note(None, Some(FastOpenOption::default()), Tried::None);
        assert_eq!(peer, known);
        peer.note(None, Some(option(2)), Tried::None);
        assert_eq!(peer.cookie, Some(option(2)));
    }

    #[test]
    fn no_cookie_is_one_that_cannot_be() {
        let of = |cookie| Peer { cookie, ..Peer::default() };
        assert!(of(None).is_right() && of(Some(option(1))).is_right());
        assert!(!of(Some(FastOpenOption::default())).is_right());
    }
}
