//! Reads a payload: which command or reply it starts with, and which endpoint that names.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::{
    address,
    number::{self, List},
};

/// Who wrote the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The side that opened the control connection: it writes PORT and EPRT.
    Client,
    /// The side that was called: it writes 227 and 229.
    Server,
}

/// The ways to name an endpoint.
///
/// The numbers are the helper's tokens; Linux counts the same way (`enum nf_ct_ftp_type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum Notation {
    /// `10,0,0,5,200,10` after PORT.
    Port = 0,
    /// `10,0,0,5,200,10` somewhere after 227.
    Pasv = 1,
    /// `|1|10.0.0.5|51210|` or `|2|2001:db8::5|51210|` after EPRT.
    Eprt = 2,
    /// `|||51210|` in the parentheses after 229.
    Epsv = 3,
}

impl Notation {
    /// The number by which the engine and the helper speak of it.
    #[must_use]
    pub const fn token(self) -> u32 {
        self as u32
    }

    /// The notation with this number.
    #[must_use]
    pub const fn from_token(token: u32) -> Option<Self> {
        match token {
            0 => Some(Self::Port),
            1 => Some(Self::Pasv),
            2 => Some(Self::Eprt),
            3 => Some(Self::Epsv),
            4.. => None,
        }
    }
}

/// The endpoint that a payload names, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Announcement {
    /// How it is written.
    pub notation: Notation,
    /// The address it names; with 229, and in a command that names none, the sender's.
    pub address: IpAddr,
    /// The port it names. PORT and 227 can name port 0.
    pub port: u16,
    /// Where the notation starts: offset from the start of the payload.
    pub offset: usize,
    /// How many bytes it takes; never 0, and `offset + length` is at most the payload's length.
    pub length: usize,
    /// One of its numbers is larger than what it stands for, so that nobody can have meant it: address and port are what Linux
    /// reads then.
    pub wraps: bool,
    /// Its word only begins as the command's does, as in `PORT: 10,0,0,5,200,10`, which may be a header of HTTP: Linux reads it all the same.
    pub is_longer: bool,
}

/// What a payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Nothing of concern: none of the four.
    Nothing,
    /// It ends inside one of the four. Linux drops such a packet ("partial matching").
    Incomplete,
    /// It is one of the four and has its end of line, but names no endpoint. Linux drops it all the same.
    Malformed,
    /// It names where a data connection is waited for. When that is not on the sender, nobody may believe it: the engine
    /// refuses third parties, and says so.
    Announced(Announcement),
}

/// Reads a payload that starts where a line starts.
///
/// Only its start counts, as in Linux: a command after the first newline is not seen, though the search for the
/// endpoint itself may run past one. `source` is the sender's address as it knows it (before translation).
///
/// Source: Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `help()` and `find_pattern()`.
#[must_use]
pub fn inspect(sender: Sender, source: IpAddr, payload: &[u8]) -> Outcome {
    let forms = match sender {
        Sender::Client => &CLIENT_FORMS,
        Sender::Server => &SERVER_FORMS,
    };
    for form in forms {
        let compared = form.word.len().min(payload.len());
        if compared == 0 || !payload[..compared].eq_ignore_ascii_case(&form.word[..compared]) {
            continue;
        }
        return match form.read(source, payload) {
            Some(found) => Outcome::Announced(found),
            None if payload.contains(&b'\n') => Outcome::Malformed,
            None => Outcome::Incomplete,
        };
    }
    Outcome::Nothing
}

/// One of the commands and replies: its first word, then bytes up to `skip`, then the endpoint in `notation`.
struct Form {
    word: &'static [u8; 4],
    skip: Option<u8>,
    notation: Notation,
}

#[rustfmt::skip]
static CLIENT_FORMS: [Form; 2] = [
    Form { word: b"PORT", skip: Some(b' '), notation: Notation::Port },
    Form { word: b"EPRT", skip: Some(b' '), notation: Notation::Eprt },
];

#[rustfmt::skip]
static SERVER_FORMS: [Form; 2] = [
    Form { word: b"227 ", skip: None,       notation: Notation::Pasv },
    Form { word: b"229 ", skip: Some(b'('), notation: Notation::Epsv },
];

impl Form {
    /// The endpoint that follows the word; `None` when there is none.
    fn read(&self, source: IpAddr, payload: &[u8]) -> Option<Announcement> {
        let rest = payload.get(self.word.len()..)?;
        let skipped = match self.skip {
            Some(skip) => rest.iter().position(|&byte| byte == skip)? + 1,
            None => 0,
        };
        let rest = &rest[skipped..];
        let (before, named) = match self.notation {
            Notation::Port => (0, octets(source, rest, Some(b'\r'))?),
            // RFC 1123, 4.1.2.6: the parentheses may be missing, so the first digit is what counts.
            Notation::Pasv => {
                let digit = rest.iter().position(u8::is_ascii_digit)?;
                (digit, octets(source, &rest[digit..], None)?)
            }
            Notation::Eprt => (0, extended_port(source, rest)?),
            Notation::Epsv => (0, extended_passive(source, rest)?),
        };
        Some(Announcement {
            notation: self.notation,
            address: named.address,
            port: named.port,
            offset: self.word.len() + skipped + before,
            length: named.length,
            wraps: named.wraps,
            is_longer: skipped > 1 && self.skip == Some(b' '),
        })
    }
}

/// An endpoint at the start of a text and the number of bytes it takes.
struct Named {
    address: IpAddr,
    port: u16,
    length: usize,
    wraps: bool,
}

/// `10,0,0,5,200,10`.
///
/// Numbers above 255 spill into the one before and past the top. On an IPv6 connection the four octets take the place
/// of the first four of the sender's address. Source: Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `try_rfc959()`.
fn octets(source: IpAddr, text: &[u8], terminator: Option<u8>) -> Option<Named> {
    let List { numbers: [a, b, c, d, high, low], length, wraps } = number::list(text, b',', terminator)?;
    let address = in_front_of(source, a << 24 | b << 16 | c << 8 | d);
    let [.., port_high, port_low] = (high << 8 | low).to_be_bytes();
    Some(Named { address, port: u16::from_be_bytes([port_high, port_low]), length, wraps })
}

/// `source` with its first four octets replaced.
fn in_front_of(source: IpAddr, first: u32) -> IpAddr {
    match source {
        IpAddr::V4(_) => Ipv4Addr::from(first).into(),
        IpAddr::V6(source) => {
            let rest = source.to_bits() & (u128::MAX >> 32);
            Ipv6Addr::from_bits(u128::from(first) << 96 | rest).into()
        }
    }
}

/// `|1|10.0.0.5|51210|` or `|2|2001:db8::5|51210|`; the family must be the connection's.
///
/// Source: Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `try_eprt()`.
fn extended_port(source: IpAddr, text: &[u8]) -> Option<Named> {
    let (&[delimiter, family, second], rest) = text.split_first_chunk()?;
    if !is_delimiter(delimiter) || second != delimiter {
        return None;
    }
    let (address, length, wraps) = match (source, family) {
        (IpAddr::V4(_), b'1') => {
            let List { numbers: [a, b, c, d], length, wraps } = number::list(rest, b'.', Some(delimiter))?;
            (Ipv4Addr::from(a << 24 | b << 16 | c << 8 | d).into(), length, wraps)
        }
        (IpAddr::V6(_), b'2') => {
            let (address, length) = address::ipv6(rest, delimiter)?;
            (address.into(), length, false)
        }
        (IpAddr::V4(_) | IpAddr::V6(_), _) => return None,
    };
    let after_address = length + 1;
    let (port, port_length, port_wraps) = number::port(rest.get(after_address..)?, delimiter)?;
    Some(Named { address, port, length: 3 + after_address + port_length, wraps: wraps || port_wraps })
}

/// `|||51210|`, on the sender's own address.
///
/// Source: Linux v6.18: net/netfilter/nf_conntrack_ftp.c, `try_epsv_response()`.
fn extended_passive(source: IpAddr, text: &[u8]) -> Option<Named> {
    let (&[delimiter, second, third], rest) = text.split_first_chunk()?;
    if !is_delimiter(delimiter) || second != delimiter || third != delimiter {
        return None;
    }
    let (port, length, wraps) = number::port(rest, delimiter)?;
    Some(Named { address: source, port, length: 3 + length, wraps })
}

/// RFC 2428, 2: a printable ASCII character, not a space; and no digit, which could not delimit numbers.
const fn is_delimiter(byte: u8) -> bool {
    byte.is_ascii_graphic() && !byte.is_ascii_digit()
}
