//! IPv6 addresses as EPRT writes them, with Linux's idea of what still is one.
//!
//! ```text
//! words and gap     2001:db8::5  ::1  1::  1:2:3:4:5:6:7:8   the gap stands for one word or more
//! IPv4 at the end   ::ffff:10.0.0.5  64:ff9b::10.0.0.5       in place of the last two words
//! ```
//!
//! Leading zeros are allowed without bound, also in the parts of an IPv4 address.
//! Source: Linux v6.18: net/core/utils.c, `in6_pton()`.

use core::net::Ipv6Addr;

/// Words of an IPv6 address.
const WORDS: usize = 8;

/// An IPv6 address that ends before `delimiter`, before a NUL or with the text; also the number of bytes it takes.
///
/// `delimiter` comes first: where it is a letter, that letter (in that case) is no digit.
pub(crate) fn ipv6(text: &[u8], delimiter: u8) -> Option<(Ipv6Addr, usize)> {
    let text = Text { bytes: text, delimiter };
    let mut words = Words::default();
    let mut at = 0;
    if text.has_colon(0) && text.has_colon(1) {
        words.gap = Some(0);
        at = 2;
    }
    loop {
        if text.has_end(at) && words.gap == Some(words.len) {
            return Some((words.address()?, at));
        }
        let (value, next) = text.word(at)?;
        if text.has_dot(next) {
            let (high, low, end) = text.ipv4(at)?;
            words.push(high)?;
            words.push(low)?;
            return Some((words.address()?, end));
        }
        words.push(value)?;
        if text.has_end(next) {
            return Some((words.address()?, next));
        }
        if !text.has_colon(next) {
            return None;
        }
        at = next + 1;
        if words.gap.is_none() && text.has_colon(at) {
            words.gap = Some(words.len);
            at += 1;
        }
    }
}

/// The words read so far and where the gap stands.
#[derive(Default)]
struct Words {
    values: [u16; WORDS],
    len: usize,
    gap: Option<usize>,
}

impl Words {
    /// Takes one more word; `None` when there is no room (the gap needs room for one).
    fn push(&mut self, value: u16) -> Option<()> {
        if self.len + usize::from(self.gap.is_some()) >= WORDS {
            return None;
        }
        *self.values.get_mut(self.len)? = value;
        self.len += 1;
        Some(())
    }

    /// The address; `None` when words are missing or a gap has no room.
    fn address(&self) -> Option<Ipv6Addr> {
        let missing = WORDS - self.len;
        let gap = match self.gap {
            Some(gap) if missing > 0 => gap,
            None if missing == 0 => self.len,
            Some(_) | None => return None,
        };
        let mut whole = [0_u16; WORDS];
        whole[..gap].copy_from_slice(&self.values[..gap]);
        whole[gap + missing..].copy_from_slice(&self.values[gap..self.len]);
        Some(Ipv6Addr::from(whole))
    }
}

/// The text with what ends it.
struct Text<'a> {
    bytes: &'a [u8],
    delimiter: u8,
}

impl Text<'_> {
    /// The byte at `at`, or NUL at the end and in place of the delimiter.
    fn byte(&self, at: usize) -> u8 {
        self.bytes.get(at).copied().filter(|&byte| byte != self.delimiter).unwrap_or(0)
    }

    fn has_end(&self, at: usize) -> bool {
        self.byte(at) == 0
    }

    fn has_colon(&self, at: usize) -> bool {
        self.byte(at) == b':'
    }

    fn has_dot(&self, at: usize) -> bool {
        self.byte(at) == b'.'
    }

    /// Hexadecimal digits from `at`: the word and where it ends.
    fn word(&self, at: usize) -> Option<(u16, usize)> {
        self.number(at, 16, 0xffff)
    }

    /// A dotted IPv4 address from `at`: its two words and where it ends. A colon ends it too.
    fn ipv4(&self, at: usize) -> Option<(u16, u16, usize)> {
        let mut parts = [0_u16; 4];
        let mut next = at;
        for (index, part) in parts.iter_mut().enumerate() {
            if index > 0 {
                if !self.has_dot(next) {
                    return None;
                }
                next += 1;
            }
            (*part, next) = self.number(next, 10, 255)?;
        }
        let [a, b, c, d] = parts;
        (self.has_end(next) || self.has_colon(next)).then_some((a << 8 | b, c << 8 | d, next))
    }

    /// One digit or more from `at`, not above `max`: the number and where it ends.
    fn number(&self, at: usize, radix: u32, max: u32) -> Option<(u16, usize)> {
        let mut value = 0_u32;
        let mut next = at;
        while let Some(digit) = char::from(self.byte(next)).to_digit(radix) {
            value = value * radix + digit;
            if value > max {
                return None;
            }
            next += 1;
        }
        let value = u16::try_from(value).ok()?;
        (next > at).then_some((value, next))
    }
}

#[cfg(test)]
mod tests {
    use core::net::Ipv6Addr;

    use proptest::prelude::*;

    use super::ipv6;

    fn address(text: &str) -> Option<Ipv6Addr> {
        ipv6(text.as_bytes(), b'|').map(|(address, _)| address)
    }

    #[test]
    fn an_address_ends_at_its_delimiter_a_nul_or_the_end() {
        assert_eq!(ipv6(b"2001:db8::5|51210|", b'|'), Some(("2001:db8::5".parse().unwrap(), 11)));
        assert_eq!(ipv6(b"::1\0 1|", b'|'), Some((Ipv6Addr::LOCALHOST, 3)));
        assert_eq!(ipv6(b"::1", b'|'), Some((Ipv6Addr::LOCALHOST, 3)));
        assert_eq!(ipv6(b"::1 |", b'|'), None);
    }

    #[test]
    fn a_letter_as_delimiter_is_no_digit_in_its_own_case() {
        assert_eq!(ipv6(b"::Aa", b'a'), Some((Ipv6Addr::new(0, 0, 0, 0, 0, 0, 0, 10), 3)));
    }

    #[test]
    fn an_ipv4_tail_may_also_end_at_a_colon() {
        assert_eq!(ipv6(b"::ffff:10.0.0.5:1|", b'|'), Some(("::ffff:10.0.0.5".parse().unwrap(), 15)));
    }

    #[test]
    fn leading_zeros_are_allowed_without_bound() {
        assert_eq!(address("000001::0000000002"), "1::2".parse().ok());
        assert_eq!(address("::000255.0.0.0010"), "::255.0.0.10".parse().ok());
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            ":",
            ":1",
            "1:",
            "1",
            "1:2:3:4:5:6:7",
            "1:2:3:4:5:6:7:8:9",
            "1:2:3:4:5:6:7:8::",
            "::1::",
            ":::",
            "1:2:3:4:5:6:7::8",
            "10000::",
            "::256.0.0.1",
            "::1.2.3",
            "::1.2.3.4.5",
            "1.2.3.4",
            "::a.2.3.4",
            "::.1.2.3",
            "1:2:3:4:5:6:7:1.2.3.4",
            "1:2:3:4:5::6:1.2.3.4",
            "::1%1",
            "g::",
        ] {
            assert_eq!(address(text), None, "{text}");
        }
    }

    proptest! {
        /// The standard library reads the same language, but for leading zeros (it allows four digits).
        #[test]
        fn short_texts_mean_what_the_standard_library_takes_them_for(text in "[0-9a-f:.]{0,20}|([0-9a-f]{0,3}:){5,8}[0-9a-f.:]{0,9}") {
            let longest_digits = text.split([':', '.']).map(str::len).max().unwrap_or(0);
            let padded_part = text.split(':').any(|part| {
                part.contains('.') && part.split('.').any(|octet| octet.len() > 1 && octet.starts_with('0'))
            });
            prop_assume!(longest_digits <= 4 && !padded_part);
            let ends_in_colon_after_ipv4 = text.contains('.') && text.ends_with(':');
            prop_assume!(!ends_in_colon_after_ipv4);
            prop_assert_eq!(address(&text), text.parse::<Ipv6Addr>().ok());
        }

        #[test]
        fn every_address_is_read_back(bits in any::<u128>(), zeros in any::<u128>()) {
            let address = Ipv6Addr::from(bits & zeros);
            let text = std::format!("{address}|");
            prop_assert_eq!(ipv6(text.as_bytes(), b'|'), Some((address, text.len() - 1)));
        }
    }

    extern crate std;
}
