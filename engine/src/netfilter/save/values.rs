//! Values of options: numbers, addresses, ports, protocols, marks.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{names, text::Word};
use crate::{conntrack::Family, ip::prefix, netfilter::error::Flaw, wire::Protocol};

/// A number in decimal, `0x` hexadecimal or `0` octal notation, as the tool reads it (`strtoul` with base 0).
pub(in crate::netfilter) fn number(text: &str) -> Option<u64> {
    let (digits, radix) = match text.as_bytes() {
        [b'0', b'x' | b'X', ..] => (&text[2..], 16),
        [b'0', _, ..] => (&text[1..], 8),
        _ => (text, 10),
    };
    // `from_str_radix` takes a sign.
    if digits.starts_with(['+', '-']) {
        return None;
    }
    u64::from_str_radix(digits, radix).ok()
}

/// A number from `min` to `max`.
pub(in crate::netfilter) fn ranged(word: &Word, min: u64, max: u64, wants: &'static str) -> Result<u64, Flaw> {
    number(&word.text).filter(|value| (min..=max).contains(value)).ok_or_else(|| word.bad(wants))
}

/// `low:high` or one number, up to `max`; a missing end stands for 0 or `max`.
pub(in crate::netfilter) fn range(word: &Word, max: u32, wants: &'static str) -> Result<(u32, u32), Flaw> {
    let number = |text: &str| number(text).and_then(|value| u32::try_from(value).ok()).filter(|value| *value <= max);
    let part = |text: &str, missing| if text.is_empty() { Some(missing) } else { number(text) };
    let found = match word.text.split_once(':') {
        None => number(&word.text).map(|only| (only, only)),
        Some((low, high)) => part(low, 0).zip(part(high, max)),
    };
    found.ok_or_else(|| word.bad(wants))
}

/// A number of 8 bits.
pub(in crate::netfilter) fn byte(word: &Word, wants: &'static str) -> Result<u8, Flaw> {
    Ok(ranged(word, 0, 0xff, wants)? as u8)
}

/// A number of 16 bits.
pub(in crate::netfilter) fn short(word: &Word, wants: &'static str) -> Result<u16, Flaw> {
    Ok(ranged(word, 0, 0xffff, wants)? as u16)
}

/// `value` or `value/mask` of 32 bits, as marks are written; without a mask all bits count.
pub(in crate::netfilter) fn masked(word: &Word) -> Result<(u32, u32), Flaw> {
    let (value, mask) = word.text.split_once('/').unwrap_or((&word.text, "0xffffffff"));
    let part = |text| number(text).and_then(|value| u32::try_from(value).ok());
    part(value).zip(part(mask)).ok_or_else(|| word.bad("a mark of 32 bits, or a mark and a mask `value/mask`"))
}

/// A mark of 32 bits.
pub(in crate::netfilter) fn mark(word: &Word) -> Result<u32, Flaw> {
    Ok(ranged(word, 0, u64::from(u32::MAX), "a number of 32 bits")? as u32)
}

/// A port by number, or by the name of a service of a protocol; `None`: of any.
pub(in crate::netfilter) fn port(text: &str, protocol: Option<Protocol>) -> Option<u16> {
    match number(text) {
        Some(value) => u16::try_from(value).ok(),
        None => names::service(text, protocol),
    }
}

/// `port` or `port:port`, where a missing end stands for the least or greatest port; of the protocol whose services' names count, as
/// [`port`].
pub(in crate::netfilter) fn ports(word: &Word, protocol: Option<Protocol>) -> Result<(u16, u16), Flaw> {
    let wants = match protocol {
        Some(Protocol::TCP) => "a port, a TCP service's name or a range `low:high`",
        Some(Protocol::SCTP) => "a port, an SCTP service's name or a range `low:high`",
        Some(_) | None => "a port, a service's name or a range `low:high`",
    };
    let port = |text| port(text, protocol);
    let range = match word.text.split_once(':') {
        None => port(&word.text).map(|only| (only, only)),
        Some((low, high)) => {
            let low = if low.is_empty() { Some(0) } else { port(low) };
            let high = if high.is_empty() { Some(u16::MAX) } else { port(high) };
            low.zip(high)
        }
    };
    range.filter(|(low, high)| low <= high).ok_or_else(|| word.bad(wants))
}

/// A protocol by number or name; `None` for `all` and 0.
pub(in crate::netfilter) fn protocol(word: &Word) -> Result<Option<Protocol>, Flaw> {
    let found = match number(&word.text) {
        Some(value) => u8::try_from(value).ok(),
        None => names::protocol(&word.text.to_ascii_lowercase()),
    };
    match found {
        Some(0) => Ok(None),
        Some(value) => Ok(Some(Protocol(value))),
        None => Err(word.bad("a protocol's name or number from 0 to 255")),
    }
}

/// An IPv4 address of which trailing bytes may be missing and are zero then: `10` is 10.0.0.0.
pub(in crate::netfilter) fn short_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut octets = [0; 4];
    let mut parts = text.split('.');
    for octet in &mut octets {
        let Some(part) = parts.next() else { break };
        *octet = u8::try_from(number(part)?).ok()?;
    }
    parts.next().is_none().then(|| Ipv4Addr::from_octets(octets))
}

/// An IPv4 address in the notation of the C library (`inet_aton()`): one to four numbers, the last of which fills the bytes that
/// are left, so that `10.256` is 10.0.1.0.
pub(in crate::netfilter) fn libc_ipv4(text: &str) -> Option<Ipv4Addr> {
    let mut address = 0;
    let mut parts = text.split('.');
    let last = number(parts.next_back()?)?;
    let mut bits = u32::BITS;
    for part in parts {
        bits = bits.checked_sub(u8::BITS).filter(|bits| *bits > 0)?;
        address |= u32::from(u8::try_from(number(part)?).ok()?) << bits;
    }
    u32::try_from(last).ok().filter(|last| bits == u32::BITS || last >> bits == 0).map(|last| (address | last).into())
}

/// A mask as a prefix length or as four bytes.
pub(in crate::netfilter) fn ipv4_mask(text: &str) -> Option<u32> {
    if text.contains('.') {
        return (text.split('.').count() == 4).then(|| short_ipv4(text).map(Ipv4Addr::to_bits))?;
    }
    match number(text)? {
        0 => Some(0),
        length @ 1..=32 => Some(u32::MAX << (32 - length)),
        _ => None,
    }
}

/// An IPv4 address as ipset reads it: up to four numbers, octal behind a zero, of which the last one fills all bytes that are left, so
/// that `1.1` is 1.0.0.1 (`inet_aton()`, without its hexadecimal numbers).
pub(in crate::netfilter) fn ipv4(text: &str) -> Option<Ipv4Addr> {
    let count = text.split('.').count();
    let mut bits = 0_u64;
    for (index, part) in text.split('.').enumerate() {
        // `from_str_radix` takes a sign.
        let is_number = count <= 4 && part.bytes().all(|digit| digit.is_ascii_digit());
        let radix = if part.starts_with('0') { 8 } else { 10 };
        let value = u32::from_str_radix(part, radix).ok().filter(|_| is_number)?;
        let width = if index + 1 == count { 8 * (4 - index) } else { 8 };
        (u64::from(value) >> width == 0).then_some(())?;
        bits = bits << width | u64::from(value);
    }
    Some(Ipv4Addr::from_bits(bits as u32))
}

/// A mask of IPv4 that is a prefix: its length, or four bytes.
pub(in crate::netfilter) fn ipv4_prefix(text: &str) -> Option<u32> {
    ipv4_mask(text).filter(|mask| mask.leading_ones() == mask.count_ones())
}

/// A whole address of a family.
pub(in crate::netfilter) fn address(text: &str, family: Family) -> Option<IpAddr> {
    text.parse().ok().filter(|address| Family::of(*address) == family)
}

/// A host of a family as the C library reads it, by its address: of IPv4 four numbers in any notation, or one of 32 bits. Where
/// numbers are missing, as in `10.1`, the tool's other options fill in zeros and the C library does not: that is not read.
pub(in crate::netfilter) fn host(text: &str, family: Family) -> Option<IpAddr> {
    let is_clear = |address: &Ipv4Addr| match text.split('.').count() {
        1 => address.octets()[0] != 0,
        count => count == 4,
    };
    match family {
        Family::Ipv4 => libc_ipv4(text).filter(is_clear).map(IpAddr::V4),
        Family::Ipv6 => address(text, family),
    }
}

/// An address of a family; of IPv4 trailing bytes may be missing.
pub(in crate::netfilter) fn short_address(text: &str, family: Family) -> Option<IpAddr> {
    match family {
        Family::Ipv4 => short_ipv4(text).map(IpAddr::V4),
        Family::Ipv6 => address(text, family),
    }
}

/// The length of a prefix of a family, written as a number or as a mask.
pub(in crate::netfilter) fn prefix_length(word: &Word, family: Family) -> Result<u8, Flaw> {
    let length = mask(&word.text, family).and_then(prefix_of);
    length.ok_or_else(|| word.bad("a prefix length of its family, or a mask such as 255.255.0.0"))
}

/// A mask as a prefix length or as an address.
pub(in crate::netfilter) fn mask(text: &str, family: Family) -> Option<IpAddr> {
    match family {
        Family::Ipv4 => ipv4_mask(text).map(|mask| Ipv4Addr::from_bits(mask).into()),
        Family::Ipv6 if text.contains(':') => address(text, family),
        Family::Ipv6 => match number(text)? {
            length @ 0..=128 => Some(prefix::network(whole_mask(family), length as u8)),
            _ => None,
        },
    }
}

/// The mask of which all bits count.
pub(in crate::netfilter) const fn whole_mask(family: Family) -> IpAddr {
    match family {
        Family::Ipv4 => IpAddr::V4(Ipv4Addr::BROADCAST),
        Family::Ipv6 => IpAddr::V6(Ipv6Addr::from_bits(u128::MAX)),
    }
}

/// The length of a mask that is a prefix.
pub(in crate::netfilter) fn prefix_of(mask: IpAddr) -> Option<u8> {
    let (ones, all) = match mask {
        IpAddr::V4(v4) => (v4.to_bits().leading_ones(), v4.to_bits().count_ones()),
        IpAddr::V6(v6) => (v6.to_bits().leading_ones(), v6.to_bits().count_ones()),
    };
    (ones == all).then_some(ones as u8)
}

/// Whether `text` is the start of a word, in any case; the empty text is not.
pub(in crate::netfilter) fn starts(word: &str, text: &str) -> bool {
    !text.is_empty() && word.get(..text.len()).is_some_and(|start| start.eq_ignore_ascii_case(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn word(text: &str) -> Word {
        Word { text: text.into(), column: 1, quoted: false }
    }

    #[test]
    fn numbers_are_read_in_three_notations() {
        assert_eq!(number("0x1F"), Some(31));
        assert_eq!(number("017"), Some(15));
        assert_eq!(number("0"), Some(0));
        for wrong in ["", "08", "0x", "-1", "+1", "0x-1", "1 ", "1a"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn port_ranges_may_be_open_and_must_rise() {
        assert_eq!(ports(&word("1024:"), None), Ok((1024, 65_535)));
        assert_eq!(ports(&word(":http"), None), Ok((0, 80)));
        assert_eq!(ports(&word("022"), None), Ok((18, 18)));
        assert!(ports(&word("2:1"), None).is_err());
        assert!(ports(&word("65536"), None).is_err());
        assert!(ports(&word("nonsense"), None).is_err());
    }

    #[test]
    fn the_last_number_of_an_address_fills_it_as_in_the_c_library() {
        let cases = [
            ("0x0a000001", [10, 0, 0, 1]),
            ("10.256", [10, 0, 1, 0]),
            ("10.1.65535", [10, 1, 255, 255]),
            ("012.0.0x10.1", [10, 0, 16, 1]),
            ("4294967295", [255; 4]),
        ];
        for (text, octets) in cases {
            assert_eq!(libc_ipv4(text), Some(octets.into()), "{text}");
        }
        let wrong = [
            "",
            "10.",
            "10..1",
            "08.0.0.1",
            "256.1",
            "10.16777216",
            "10.1.65536",
            "4294967296",
            "1.2.3.4.5",
            "1.2.3.256",
        ];
        for text in wrong {
            assert_eq!(libc_ipv4(text), None, "{text}");
        }
        assert_eq!(host("10.1", Family::Ipv4), None, "10.0.0.1, and in other options 10.1.0.0");
        assert_eq!(host("10", Family::Ipv4), None, "0.0.0.10");
        assert_eq!(host("167772161", Family::Ipv4), Some(Ipv4Addr::new(10, 0, 0, 1).into()));
    }

    #[test]
    fn masks_are_lengths_or_addresses() {
        assert_eq!(ipv4_mask("24"), Some(0xffff_ff00));
        assert_eq!(ipv4_mask("0"), Some(0));
        assert_eq!(ipv4_mask("255.0.255.0"), Some(0xff00_ff00));
        assert_eq!(ipv4_mask("33"), None);
        assert_eq!(ipv4_mask("255.0"), None);
        assert_eq!(short_ipv4("10"), Some(Ipv4Addr::new(10, 0, 0, 0)));
        assert_eq!(short_ipv4("1.2.3.4.5"), None);
        assert_eq!(prefix_length(&word("255.255.0.0"), Family::Ipv4), Ok(16));
        assert!(prefix_length(&word("255.0.255.0"), Family::Ipv4).is_err());
    }
}
