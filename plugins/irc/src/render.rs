//! Writes an offered endpoint anew.

use alloc::{format, string::String};
use core::net::IpAddr;

/// Address and port for the place where an [`Offer`](crate::Offer) names them, with one space between.
///
/// Source: Linux v6.18: net/netfilter/nf_nat_irc.c, `help()`; IPv6 as text (RFC 5952).
#[must_use]
pub fn render(address: IpAddr, port: u16) -> String {
    match address {
        IpAddr::V4(address) => format!("{} {port}", address.to_bits()),
        IpAddr::V6(address) => format!("{address} {port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::render;

    #[test]
    fn addresses_are_written_as_they_are_read() {
        assert_eq!(render("203.0.113.1".parse().unwrap(), 5000), "3405803777 5000");
        assert_eq!(render("2001:db8::1".parse().unwrap(), 1), "2001:db8::1 1");
    }
}
