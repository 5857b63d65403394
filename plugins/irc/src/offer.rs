//! Reads a message: whether it offers a DCC connection, and where.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// An offered connection: the endpoint that a message names, and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Offer {
    /// The address it names.
    pub address: IpAddr,
    /// The port it names, never 0 (that is an offer the other way round, which names no endpoint).
    pub port: u16,
    /// Where address and port stand: offset from the start of the payload.
    pub offset: usize,
    /// How many bytes they take, with what is between them; `offset + length` is at most the payload's length.
    pub length: usize,
    /// One of the numbers is larger than an address or a port, so that no client can have meant it: both are what Linux reads then.
    pub wraps: bool,
}

/// Reads a payload that starts with a message of a client; `source` is the client's own address.
///
/// The message must be a PRIVMSG whose text is one CTCP request, a DCC offer of one of five kinds, and which ends in a
/// newline within the payload. IPv4 addresses are decimal numbers; on IPv6 connections an address is text (RFC 5952), which
/// Linux does not read.
///
/// What is parsed in vain is not parsed a second time as another kind (CVE-2026-53268).
///
/// Source: Linux v6.18: net/netfilter/nf_conntrack_irc.c, `help()`, `parse_dcc()`.
#[must_use]
pub fn offer(source: IpAddr, payload: &[u8]) -> Option<Offer> {
    let blank = payload.iter().position(|byte| !matches!(byte, b' ' | b'\r' | b'\n'))?;
    let command = blank..blank + PRIVMSG.len();
    if !payload.get(command.clone())?.eq_ignore_ascii_case(PRIVMSG) {
        return None;
    }
    // The text follows the first colon behind a space; a request anywhere else in it is just text (CVE-2022-2663).
    let rest = &payload[command.end..];
    let text = command.end + rest.windows(2).position(|two| two == b" :")? + 2;
    let is_long_enough = payload.len() - (text - 2) > SHORTEST;
    let request = payload[text..].strip_prefix(DCC).filter(|_| is_long_enough)?;
    let kind = KINDS.iter().find(|kind| request.starts_with(kind))?;
    let argument = text + DCC.len() + kind.len();
    // The file's name, or the kind of talk: whatever it is, it ends at the first space.
    let name = payload[argument..].iter().position(|byte| *byte == b' ')?;
    let offset = argument + name + 1;
    let endpoint = &payload[offset..];
    let line = &endpoint[..endpoint.iter().position(|byte| *byte == b'\n')?];
    let (address, address_len, is_large) = match source {
        IpAddr::V4(_) => number(line, u32::MAX.into())
            .map(|(bits, len, is_large)| (Ipv4Addr::from_bits(bits as u32).into(), len, is_large))?,
        IpAddr::V6(_) => ipv6(line).map(|(address, len)| (address, len, false))?,
    };
    let spaces = line[address_len..].iter().take_while(|byte| **byte == b' ').count();
    let (port, port_len, port_is_large) = number(&line[address_len + spaces..], u16::MAX.into())?;
    let (port, wraps) = (port as u16, is_large || port_is_large);
    (port != 0).then_some(Offer { address, port, offset, length: address_len + spaces + port_len, wraps })
}

/// A decimal number at the text's start, which wraps at 2⁶⁴, how many digits it has, and whether it is above `most`; `None`: no digit.
fn number(text: &[u8], most: u64) -> Option<(u64, usize, bool)> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let zeros = text.iter().take_while(|byte| **byte == b'0').count();
    let significant = &text[zeros..digits];
    let value =
        significant.iter().fold(0_u64, |value, digit| value.wrapping_mul(10).wrapping_add(u64::from(digit - b'0')));
    // So many digits do not wrap yet.
    (digits > 0).then_some((value, digits, significant.len() > 19 || value > most))
}

/// An IPv6 address up to the next space, and its length.
fn ipv6(text: &[u8]) -> Option<(IpAddr, usize)> {
    let len = text.iter().position(|byte| *byte == b' ')?;
    let text = core::str::from_utf8(text.get(..len.min(ADDRESS_MAX + 1))?).ok()?;
    text.parse::<Ipv6Addr>().ok().map(|address| (address.into(), len))
}

/// What a message to somebody starts with; case does not matter.
const PRIVMSG: &[u8] = b"PRIVMSG ";

/// What a DCC request starts with.
const DCC: &[u8] = b"\x01DCC ";

/// The kinds of offers: a file, a talk, a talk's other end, a file without acknowledgements, a talk over TLS.
const KINDS: [&[u8]; 5] = [b"SEND ", b"CHAT ", b"MOVE ", b"TSEND ", b"SCHAT "];

/// Linux reads no message of which so few bytes are left at ` :`.
const SHORTEST: usize = 26;

/// The longest text of an IPv6 address, with an IPv4 tail.
const ADDRESS_MAX: usize = 45;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 168, 1, 10));

    fn found(text: &str) -> Option<(IpAddr, u16)> {
        offer(CLIENT, text.as_bytes()).map(|offer| (offer.address, offer.port))
    }

    #[test]
    fn each_kind_is_an_offer() {
        for kind in ["SEND file.txt", "CHAT chat", "MOVE file", "TSEND x.bin", "SCHAT chat"] {
            let text = format!("PRIVMSG bob :\x01DCC {kind} 3232235786 5000 1234\x01\r\n");
            let offer = offer(CLIENT, text.as_bytes()).unwrap();
            assert_eq!((offer.address, offer.port), (CLIENT, 5000), "{text}");
            assert_eq!(&text[offer.offset..][..offer.length], "3232235786 5000");
        }
    }

    #[test]
    fn the_message_may_follow_blanks_and_is_of_any_case() {
        assert!(found("\r\n privmsg bob :\x01DCC SEND file.txt 3232235786 5000\x01\r\n").is_some());
        assert!(found("PRIVMSG bob :\x01dcc SEND file.txt 3232235786 5000\x01\r\n").is_none());
        assert!(found("PRIVMSG bob :\x01DCC send file.txt 3232235786 5000\x01\r\n").is_none());
    }

    #[test]
    fn a_request_counts_only_where_the_text_starts() {
        for text in [
            "NOTICE bob :\x01DCC SEND file.txt 3232235786 5000\x01\r\n",
            "PING :\x01DCC SEND file.txt 3232235786 5000\x01 PRIVMSG bob\r\n",
            "PONG x PRIVMSG bob :\x01DCC SEND file.txt 3232235786 5000\x01\r\n",
            "PRIVMSG bob :look: \x01DCC SEND file.txt 3232235786 5000\x01\r\n",
            "PRIVMSG bob :x :\x01DCC SEND file.txt 3232235786 5000\x01\r\n",
            "PRIVMSG bob \x01DCC SEND file.txt 3232235786 5000\x01\r\n",
            ":alice PRIVMSG bob :\x01DCC SEND file.txt 3232235786 5000\x01\r\n",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn what_names_no_endpoint_is_no_offer() {
        for text in [
            "PRIVMSG bob :\x01DCC RESUME file.txt 5000 100000\x01\r\n",
            "PRIVMSG bob :\x01DCC SEND file.txt 3232235786 0 1234 77\x01\r\n",
            "PRIVMSG bob :\x01DCC SEND file.txt 3232235786 65536 1\x01\r\n",
            "PRIVMSG bob :\x01DCC SEND file.txt 3232235786 x 1234567\x01\r\n",
            "PRIVMSG bob :\x01DCC SEND \"my file\" 3232235786 5000\x01\r\n",
            "PRIVMSG bob :\x01DCC SEND 32322357865000xxxxxxxxxxxxxxx\x01\r\n",
            "PRIVMSG bob :\x01DCC SEND file.txt 3232235786 5000 1234567\x01",
            "PRIVMSG bob :\x01DCC SEND file.txt 3232235786\n5000 1234567\x01",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
    }

    #[test]
    fn an_offer_that_was_read_in_vain_is_not_read_as_another_kind() {
        assert_eq!(found("PRIVMSG bob :\x01DCC SEND CHAT chat 3232235786 5000 1\x01\r\n"), None);
    }

    #[test]
    fn numbers_wrap_as_linux_reads_them() {
        let text = "PRIVMSG bob :\x01DCC SEND file.txt 18446744076941787402 70536\x01\r\n";
        assert_eq!(found(text), Some((CLIENT, 5000)));
        let wraps = |text: &str| offer(CLIENT, text.as_bytes()).map(|offer| offer.wraps);
        assert_eq!(wraps(text), Some(true));
        assert_eq!(wraps("PRIVMSG bob :\x01DCC SEND file.txt 3232235786 70536\x01\r\n"), Some(true));
        assert_eq!(wraps("PRIVMSG bob :\x01DCC SEND file.txt 7527203082 5000\x01\r\n"), Some(true));
        assert_eq!(wraps("PRIVMSG bob :\x01DCC SEND file.txt 003232235786 05000\x01\r\n"), Some(false));
    }

    #[test]
    fn on_ipv6_an_address_is_text() {
        let client = "2001:db8::5".parse().unwrap();
        let text = "PRIVMSG bob :\x01DCC SEND file.txt 2001:db8::5 5000 1234\x01\r\n";
        let offer = offer(client, text.as_bytes()).unwrap();
        assert_eq!((offer.address, offer.port), (client, 5000));
        assert_eq!(&text[offer.offset..][..offer.length], "2001:db8::5 5000");
        assert_eq!(super::offer(client, b"PRIVMSG bob :\x01DCC SEND file.txt 3232235786 5000\x01\r\n"), None);
    }
}
