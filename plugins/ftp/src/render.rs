//! Writes a named endpoint anew.

use alloc::{format, string::String};
use core::net::IpAddr;

use crate::command::Notation;

/// The text that names `address` and `port` in `notation`, for the place where an [`Announcement`] stands.
///
/// EPRT and 229 come out with `|` between the parts whatever stood there, IPv6 addresses in full (eight words of four
/// digits). PORT and 227 hold four octets only: of an IPv6 address, the first four.
///
/// Source: Linux v6.18: net/netfilter/nf_nat_ftp.c, `nf_nat_ftp_fmt_cmd()`.
///
/// [`Announcement`]: crate::Announcement
#[must_use]
pub fn render(notation: Notation, address: IpAddr, port: u16) -> String {
    match notation {
        Notation::Port | Notation::Pasv => {
            let [a, b, c, d] = first_octets(address);
            let [high, low] = port.to_be_bytes();
            format!("{a},{b},{c},{d},{high},{low}")
        }
        Notation::Eprt => match address {
            IpAddr::V4(address) => format!("|1|{address}|{port}|"),
            IpAddr::V6(address) => {
                let [a, b, c, d, e, f, g, h] = address.segments();
                format!("|2|{a:04x}:{b:04x}:{c:04x}:{d:04x}:{e:04x}:{f:04x}:{g:04x}:{h:04x}|{port}|")
            }
        },
        Notation::Epsv => format!("|||{port}|"),
    }
}

/// The first four octets of an address.
fn first_octets(address: IpAddr) -> [u8; 4] {
    match address {
        IpAddr::V4(address) => address.octets(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.octets();
            [a, b, c, d]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::render;
    use crate::command::Notation;

    #[test]
    fn each_notation_is_written_as_linux_writes_it() {
        let four = "203.0.113.1".parse().unwrap();
        let six = "2001:db8::a".parse().unwrap();
        assert_eq!(render(Notation::Port, four, 51210), "203,0,113,1,200,10");
        assert_eq!(render(Notation::Pasv, four, 255), "203,0,113,1,0,255");
        assert_eq!(render(Notation::Eprt, four, 51210), "|1|203.0.113.1|51210|");
        assert_eq!(render(Notation::Eprt, six, 21), "|2|2001:0db8:0000:0000:0000:0000:0000:000a|21|");
        assert_eq!(render(Notation::Epsv, six, 1), "|||1|");
        assert_eq!(render(Notation::Port, six, 256), "32,1,13,184,1,0");
    }
}
