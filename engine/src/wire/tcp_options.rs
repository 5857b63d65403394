//! TCP options (RFC 9293, section 3.1; RFC 7323; RFC 2018), walked without a copy.

/// The options of one header, from first to last. Ends at "end of list", at the header's end, or at the first option
/// whose length cannot be right, as Linux does (v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `tcp_options()`).
#[derive(Clone, Debug)]
pub struct TcpOptions<'a> {
    rest: &'a [u8],
}

/// One option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpOption<'a> {
    /// Its kind; see the constants of [`TcpOptions`].
    pub kind: u8,
    /// What follows kind and length.
    pub data: &'a [u8],
}

impl<'a> TcpOptions<'a> {
    /// End of the list.
    pub const END: u8 = 0;
    /// Padding.
    pub const NOP: u8 = 1;
    /// Maximum segment size; 2 bytes of data.
    pub const MSS: u8 = 2;
    /// Window scale; 1 byte of data.
    pub const WINDOW_SCALE: u8 = 3;
    /// SACK permitted; no data.
    pub const SACK_PERMITTED: u8 = 4;
    /// SACK blocks; 8 bytes of data each.
    pub const SACK: u8 = 5;
    /// Timestamps; 8 bytes of data.
    pub const TIMESTAMPS: u8 = 8;
    /// Fast Open; the cookie.
    pub const FAST_OPEN: u8 = 34;
    /// An experiment; 2 bytes that tell which, and its data.
    pub const EXPERIMENT: u8 = 254;

    /// Walks `bytes`: what lies between the fixed header and the payload.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }
}

impl<'a> Iterator for TcpOptions<'a> {
    type Item = TcpOption<'a>;

    fn next(&mut self) -> Option<TcpOption<'a>> {
        loop {
            match *self.rest {
                [] | [TcpOptions::END, ..] => return None,
                [TcpOptions::NOP, ref rest @ ..] => self.rest = rest,
                [kind, len, ..] if len >= 2 && usize::from(len) <= self.rest.len() => {
                    let (option, rest) = self.rest.split_at(usize::from(len));
                    self.rest = rest;
                    return Some(TcpOption { kind, data: &option[2..] });
                }
                [_, ..] => {
                    self.rest = &[];
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use proptest::prelude::*;

    use super::*;

    fn kinds(bytes: &[u8]) -> Vec<u8> {
        TcpOptions::new(bytes).map(|option| option.kind).collect()
    }

    #[test]
    fn options_of_a_usual_syn_are_found_in_order() {
        let syn = [2, 4, 5, 0xb4, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
        assert_eq!(kinds(&syn), [2, 4, 8, 3]);
        assert_eq!(TcpOptions::new(&syn).last().map(|option| option.data), Some(&[7_u8][..]));
    }

    #[test]
    fn nothing_is_read_after_the_end_of_the_list_or_a_wrong_length() {
        assert_eq!(kinds(&[4, 2, 0, 2, 4, 5, 0xb4]), [4]);
        assert_eq!(kinds(&[4, 2, 3, 1, 4, 2]), [4]);
        assert_eq!(kinds(&[4, 2, 3, 9, 7]), [4]);
        assert_eq!(kinds(&[3]), [0_u8; 0]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_walked_to_an_end(bytes in proptest::collection::vec(any::<u8>(), 0..60)) {
            let data: usize = TcpOptions::new(&bytes).map(|option| option.data.len() + 2).sum();
            prop_assert!(data <= bytes.len());
        }
    }
}
