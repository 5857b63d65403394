//! The keys that a server's cookies are made with, and the cookies (Linux v6.18: `net/ipv4/tcp_fastopen.c`,
//! `__tcp_fastopen_cookie_gen_cipher()`, `proc_tcp_fastopen_key()`).

use alloc::{string::String, vec::Vec};
use core::{
    fmt::Write,
    net::{IpAddr, SocketAddr},
};

use crate::{sip::Sip24, tcp::Ends, wire::fast_open::FastOpenCookie};

/// The key of new cookies, and one whose cookies are taken still: keys can be exchanged while clients have cookies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastOpenKeys {
    primary: [u64; 2],
    backup: Option<[u64; 2]>,
}

/// Whose cookie one is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// Of the key of new ones.
    WithPrimary,
    /// Of the other one.
    WithBackup,
    /// Of neither.
    Elsewhere,
}

impl FastOpenKeys {
    pub(in crate::tcp) const fn new(primary: [u64; 2]) -> Self {
        Self { primary, backup: None }
    }

    /// Those of 16 or 32 bytes, as `TCP_FASTOPEN_KEY` has them; `None` of any other number.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        let (halves, []) = bytes.as_chunks::<8>() else { return None };
        let word = |at: usize| u64::from_le_bytes(halves[at]);
        match halves.len() {
            2 => Some(Self { primary: [word(0), word(1)], backup: None }),
            4 => Some(Self { primary: [word(0), word(1)], backup: Some([word(2), word(3)]) }),
            _ => None,
        }
    }

    /// Their 16 or 32 bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let words = self.primary.into_iter().chain(self.backup.into_iter().flatten());
        words.flat_map(u64::to_le_bytes).collect()
    }

    /// Those of 4 or 8 numbers, as `net.ipv4.tcp_fastopen_key` has them; `None` of any other number.
    pub(crate) fn of_numbers(numbers: &[u32]) -> Option<Self> {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self::of_bytes(&bytes)
    }

    /// The cookie of a client, by its address and this host's: the same on all ports.
    #[must_use]
    pub(super) fn cookie(&self, ends: &Ends) -> FastOpenCookie {
        cookie(self.primary, ends)
    }

    /// Which of the keys a client's cookie was made with.
    pub(super) fn judge(&self, ends: &Ends, shown: &FastOpenCookie) -> Made {
        if *shown == self.cookie(ends) {
            Made::WithPrimary
        } else if self.backup.is_some_and(|backup| *shown == cookie(backup, ends)) {
            Made::WithBackup
        } else {
            Made::Elsewhere
        }
    }
}

fn cookie(key: [u64; 2], ends: &Ends) -> FastOpenCookie {
    let mut sip = Sip24::new(key);
    let (client, server): (SocketAddr, SocketAddr) = (ends.remote, ends.local);
    // The bytes of both addresses as they lie in the header, and how many they are.
    match (client.ip(), server.ip()) {
        (IpAddr::V4(client), IpAddr::V4(server)) => {
            let word = |address: [u8; 4]| u64::from(u32::from_le_bytes(address));
            sip.word(word(client.octets()) | word(server.octets()) << 32);
            sip.word(8 << 56);
        }
        (client, server) => {
            for address in [client, server] {
                let octets = match address {
                    IpAddr::V4(v4) => v4.to_ipv6_mapped().octets(),
                    IpAddr::V6(v6) => v6.octets(),
                };
                let number = u128::from_le_bytes(octets);
                sip.word(number as u64);
                sip.word((number >> 64) as u64);
            }
            sip.word(32 << 56);
        }
    }
    FastOpenCookie::new(&sip.finish().to_le_bytes()).unwrap_or_default()
}

/// The numbers of `00112233-44556677-8899aabb-ccddeeff`, or of two such keys with a comma between; `None` when it is neither.
#[must_use]
pub fn numbers_of(text: &str) -> Option<Vec<u32>> {
    let mut numbers = Vec::new();
    for key in text.trim().split(',') {
        let before = numbers.len();
        for word in key.split('-') {
            let is_hexadecimal = (1..=8).contains(&word.len()) && word.bytes().all(|byte| byte.is_ascii_hexdigit());
            numbers.push(is_hexadecimal.then(|| u32::from_str_radix(word, 16).ok())??);
        }
        if numbers.len() != before + KEY_NUMBERS || numbers.len() > 2 * KEY_NUMBERS {
            return None;
        }
    }
    Some(numbers)
}

/// Keys as text. None at all, with which the engine takes one of its own, is a key of zeros.
#[must_use]
pub fn text_of(numbers: &[u32]) -> String {
    let numbers = if numbers.is_empty() { &[0; KEY_NUMBERS] } else { numbers };
    let mut text = String::new();
    for (at, number) in numbers.iter().enumerate() {
        let before = match at {
            0 => "",
            _ if at % KEY_NUMBERS == 0 => ",",
            _ => "-",
        };
        // Strings take all that is written to them.
        let _ = write!(text, "{before}{number:08x}");
    }
    text
}

/// Numbers of a key.
pub(crate) const KEY_NUMBERS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(client: &str, server: &str) -> Ends {
        let end = |ip: &str| SocketAddr::new(ip.parse().expect("an address"), 80);
        Ends { local: end(server), remote: end(client) }
    }

    fn keys(text: &str) -> FastOpenKeys {
        FastOpenKeys::of_numbers(&numbers_of(text).expect("a key")).expect("numbers")
    }

    const KEY: &str = "a0bf63f7-ed803d81-cd641d30-cebc4a90";

    /// Linux 6.18 gave these.
    #[test]
    fn cookies_are_those_of_linux() {
        for (client, server, key, cookie) in [
            ("10.248.0.2", "192.168.0.2", KEY, 0x00ab_aaab_e8e9_54c2_u64),
            ("10.248.0.3", "192.168.0.2", KEY, 0x1313_a2da_994a_0951),
            ("10.248.0.3", "192.168.0.3", KEY, 0x76d2_c1c5_30f5_1f79),
            ("10.248.0.2", "192.168.0.2", "0-0-0-0", 0x93b7_aa4f_550f_8a1a),
            ("fd3d:fa7b:d17d::1", "fd3d:a0b:17d6::1", "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4", 0xc1d1_e974_2a47_a9bc),
        ] {
            assert_eq!(keys(key).cookie(&ends(client, server)).as_slice(), cookie.to_be_bytes(), "{client} {server}");
        }
    }

    #[test]
    fn cookies_of_the_other_key_are_known_and_those_of_none_are_not() {
        let (old, new) = (keys(KEY), keys(&alloc::format!("1-2-3-4,{KEY}")));
        let ends = ends("10.0.0.1", "10.0.0.2");
        assert_eq!(new.judge(&ends, &new.cookie(&ends)), Made::WithPrimary);
        assert_eq!(new.judge(&ends, &old.cookie(&ends)), Made::WithBackup);
        assert_eq!(old.judge(&ends, &new.cookie(&ends)), Made::Elsewhere);
        assert_eq!(new.judge(&ends, &FastOpenCookie::default()), Made::Elsewhere);
    }

    #[test]
    fn keys_are_read_as_they_are_written() {
        let both = alloc::format!("{KEY},00000001-00000002-00000003-00000004");
        for text in [KEY, &both] {
            assert_eq!(text_of(&numbers_of(text).expect("a key")), text);
        }
        assert_eq!(text_of(&[]), "00000000-00000000-00000000-00000000");
        for wrong in
            ["", "1-2-3", "1-2-3-4-5", "1-2-3-x", "1-2-3-4,", "1-2-3-4,5-6-7-8,9-a-b-c", "1-2-3-123456789", "1-2-3-+4"]
        {
            assert_eq!(numbers_of(wrong), None, "{wrong}");
        }
        assert_eq!(FastOpenKeys::of_bytes(&[0; 15]), None);
        assert_eq!(FastOpenKeys::of_bytes(&[0; 24]), None);
        assert_eq!(FastOpenKeys::of_bytes(&[0; 16]), FastOpenKeys::of_numbers(&[0; 4]));
        let all: Vec<u8> = (0..32).collect();
        for bytes in [&all[..16], &all] {
            assert_eq!(FastOpenKeys::of_bytes(bytes).map(|keys| keys.bytes()), Some(bytes.to_vec()));
        }
    }
}
