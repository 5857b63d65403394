//! Options of the IPv4 header (RFC 791, section 3.1): what stands where.

/// An option's first byte: whether fragments carry it, its class and its number (IANA, "IP Option Numbers").
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ipv4Option(pub u8);

impl Ipv4Option {
    /// Nothing follows.
    pub const END: Self = Self(0);
    /// Nothing, one byte long.
    pub const NOP: Self = Self(1);
    /// Routers write down their addresses.
    pub const RECORD_ROUTE: Self = Self(7);
    /// Routers write down the time, and their addresses.
    pub const TIMESTAMP: Self = Self(68);
    /// The way, with others between.
    pub const LOOSE_SOURCE_ROUTE: Self = Self(131);
    /// A label of security (FIPS 188).
    pub const CIPSO: Self = Self(134);
    /// The way, with nobody between.
    pub const STRICT_SOURCE_ROUTE: Self = Self(137);
    /// Every router should look (RFC 2113).
    pub const ROUTER_ALERT: Self = Self(148);

    /// Whether every fragment carries it.
    #[must_use]
    pub const fn is_copied(self) -> bool {
        self.0 & 0x80 != 0
    }
}

/// An option of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// Which.
    pub kind: Ipv4Option,
    /// Where it begins, in bytes from the start of the IP header.
    pub at: usize,
    /// Its length in bytes, the first one included; 1 for an option that has no length.
    pub len: usize,
}

/// The options of a header from `at` on, up to the first one that ends behind it: that one is an error, which says where it begins.
/// `END` is the last.
#[derive(Clone, Debug)]
pub struct Ipv4Options<'h> {
    header: &'h [u8],
    at: usize,
}

impl<'h> Ipv4Options<'h> {
    /// Those of a header with all its bytes.
    #[must_use]
    pub const fn of(header: &'h [u8]) -> Self {
        Self { header, at: super::Ipv4Header::LEN }
    }
}

impl Iterator for Ipv4Options<'_> {
    type Item = Result<Found, usize>;

    fn next(&mut self) -> Option<Self::Item> {
        let at = self.at;
        let kind = Ipv4Option(*self.header.get(at)?);
        let len = match kind {
            Ipv4Option::END | Ipv4Option::NOP => 1,
            _ => self.header.get(at + 1).map_or(0, |&len| usize::from(len)),
        };
        let has_length = kind != Ipv4Option::END && kind != Ipv4Option::NOP;
        if (has_length && len < 2) || at + len > self.header.len() {
            self.at = self.header.len();
            return Some(Err(at));
        }
        self.at = if kind == Ipv4Option::END { self.header.len() } else { at + len };
        Some(Ok(Found { kind, at, len }))
    }
}

#[cfg(test)]
mod tests {
    use alloc::{vec, vec::Vec};

    use super::*;

    fn of(options: &[u8]) -> Vec<Result<(u8, usize, usize), usize>> {
        let header = [[0; 20].as_slice(), options].concat();
        Ipv4Options::of(&header).map(|found| found.map(|found| (found.kind.0, found.at, found.len))).collect()
    }

    #[test]
    fn options_are_found_one_behind_the_other_up_to_the_end() {
        assert_eq!(of(&[]), []);
        assert_eq!(of(&[1, 148, 4, 0, 0, 0, 7, 9]), [Ok((1, 20, 1)), Ok((148, 21, 4)), Ok((0, 25, 1))]);
    }

    #[test]
    fn what_ends_behind_the_header_is_an_error_with_its_place() {
        for (options, fault) in
            [(vec![7, 3, 4, 68], 23), (vec![1, 1, 7, 3], 22), (vec![7, 1, 1, 1], 20), (vec![1, 7, 0, 1], 21)]
        {
            assert_eq!(of(&options).pop(), Some(Err(fault)), "{options:?}");
        }
    }
}
