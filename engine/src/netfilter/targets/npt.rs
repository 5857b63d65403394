//! `-j SNPT` and `-j DNPT`: another network prefix for the source or the destination, without state and without a change of
//! any checksum (RFC 6296; Linux v6.18: `net/ipv6/netfilter/ip6t_NPT.c`, `ip6t_npt_map_pfx()`).
//!
//! `ip6tables-save` leaves out a prefix of no bits (`::/0`), and `ip6tables-restore` refuses the rule without it; so do we (iptables
//! 1.8.9: `extensions/libip6t_SNPT.c`, `SNPT_save()`). Snapshots keep it.

use alloc::string::String;
use core::{fmt::Write, net::Ipv6Addr};

use super::{Next, Targeting};
use crate::{
    conntrack::Family,
    netfilter::{
        Hook, RejectWith, RuleId, TableName, Verdict, View,
        error::Flaw,
        save::{
            options::{Given, Item, Opt, Spec},
            text::Written,
            values,
        },
    },
    packet::Packet,
    wire::{
        Icmpv6Header, Ipv6Header, Protocol,
        checksum::{add, sum},
    },
};

/// `-j SNPT`
pub(in crate::netfilter) type Snpt = Prefixes<true>;
/// `-j DNPT`
pub(in crate::netfilter) type Dnpt = Prefixes<false>;

/// The prefix that goes and the one that comes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Prefixes<const SOURCE: bool> {
    before: Prefix,
    after: Prefix,
}

/// A network of at most 64 bits of prefix; the rest of the address is zero.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Prefix {
    address: Ipv6Addr,
    length: u8,
}

static OPTIONS: &[Opt] = &[Opt::value(&["src-pfx"]), Opt::value(&["dst-pfx"])];
static SNPT: Spec = Spec { name: "SNPT", options: OPTIONS };
static DNPT: Spec = Spec { name: "DNPT", options: OPTIONS };

impl<const SOURCE: bool> Targeting for Prefixes<SOURCE> {
    const SPEC: &'static Spec = if SOURCE { &SNPT } else { &DNPT };
    const FAMILY: Option<Family> = Some(Family::Ipv6);
    const TABLES: &'static [TableName] = &[TableName::Mangle];
    const HOOKS: &'static [Hook] =
        if SOURCE { &[Hook::Input, Hook::Postrouting] } else { &[Hook::Prerouting, Hook::Output] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let needed = "`--src-pfx PREFIX` and `--dst-pfx PREFIX`";
        let prefix = |name| Prefix::parse(given.need(name, needed)?);
        Ok(Self { before: prefix("src-pfx")?, after: prefix("dst-pfx")? })
    }

    fn print(&self, out: &mut String) {
        self.write(out, |prefix| prefix.length > 0);
    }

    fn print_forgotten(&self, out: &mut String) {
        self.write(out, |prefix| prefix.length == 0);
    }

    fn apply(&mut self, rule: RuleId, view: &mut View<'_>) -> Next {
        let Some(ip) = view.packet.ipv6_mut() else { return Next::Rule };
        let (address, at) = if SOURCE { (&mut ip.source, SOURCE_AT) } else { (&mut ip.destination, DESTINATION_AT) };
        let mapped = self.map(*address);
        // Whoever is told has the other prefix already, as in Linux.
        *address = mapped.unwrap_or_else(|unsummed| unsummed);
        if mapped.is_err() {
            return Next::Done(Verdict::Reject(RejectWith::HeaderField(at), rule));
        }
        self.map_quoted(view.packet);
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

impl<const SOURCE: bool> Prefixes<SOURCE> {
    /// Writes those of the prefixes that are such.
    fn write(&self, out: &mut String, is_such: fn(&Prefix) -> bool) {
        let named = [("src-pfx", self.before), ("dst-pfx", self.after)];
        for (name, prefix) in named.into_iter().filter(|(_, prefix)| is_such(prefix)) {
            let _ = write!(out, " --{name} {}/{}", Written(prefix.address.into()), prefix.length);
        }
    }

    /// The address with the other prefix, and one of its other words changed so that the sum over all stays the same (RFC
    /// 6296, section 3.5).
    ///
    /// # Errors
    /// When none of them can be changed: the address with the other prefix.
    fn map(&self, address: [u8; 16]) -> Result<[u8; 16], [u8; 16]> {
        let length = self.before.length.max(self.after.length);
        let mask = u128::MAX.checked_shl(128 - u32::from(length)).unwrap_or(0);
        let bits = u128::from_be_bytes(address) & !mask | self.after.address.to_bits() & mask;
        let mut words = Ipv6Addr::from_bits(bits).segments();
        let index = match length {
            0..=48 => 3,
            _ => {
                let changeable = (4..words.len()).find(|index| words[*index] != u16::MAX);
                changeable.ok_or_else(|| Ipv6Addr::from(words).octets())?
            }
        };
        let adjustment = add(sum(&self.before.address.octets()), !sum(&self.after.address.octets()));
        words[index] = Some(add(words[index], adjustment)).filter(|word| *word != u16::MAX).unwrap_or(0);
        Ok(Ipv6Addr::from(words).octets())
    }

    /// An error quotes a packet that went the other way: its other end has this prefix.
    fn map_quoted(&self, packet: &mut Packet) {
        let is_plain = packet.ipv6().is_some_and(|ip| ip.next_header() == Protocol::ICMPV6);
        if !is_plain || !packet.icmpv6().is_some_and(|icmp| icmp.icmp_type().is_error()) {
            return;
        }
        let start = Icmpv6Header::LEN + usize::from(if SOURCE { DESTINATION_AT } else { SOURCE_AT });
        if packet.transport_bytes().len() < Icmpv6Header::LEN + Ipv6Header::LEN {
            return;
        }
        let field = &mut packet.transport_bytes_mut()[start..start + 16];
        let quoted: [u8; 16] = core::array::from_fn(|index| field[index]);
        if self.before.holds(quoted) {
            field.copy_from_slice(&self.map(quoted).unwrap_or_else(|unsummed| unsummed));
        }
    }
}

impl Prefix {
    fn parse(item: &Item) -> Result<Self, Flaw> {
        let bad = || item.value().bad("a prefix of at most 64 bits such as 2001:db8:1::/48, zero behind them");
        let (address, length) = item.value().text.split_once('/').ok_or_else(bad)?;
        let address: Ipv6Addr = address.parse().map_err(|_| bad())?;
        let length = values::number(length).filter(|length| *length <= 64).ok_or_else(bad)? as u8;
        let prefix = Self { address, length };
        if prefix.of(address.octets()) == address { Ok(prefix) } else { Err(bad()) }
    }

    /// The first bits of an address, as many as it has itself.
    fn of(self, address: [u8; 16]) -> Ipv6Addr {
        let mask = u128::MAX.checked_shl(128 - u32::from(self.length)).unwrap_or(0);
        Ipv6Addr::from_bits(u128::from_be_bytes(address) & mask)
    }

    fn holds(self, address: [u8; 16]) -> bool {
        self.of(address) == self.address
    }
}

/// Where the addresses stand in an IPv6 header.
const SOURCE_AT: u8 = 8;
const DESTINATION_AT: u8 = 24;

#[cfg(test)]
mod tests {
    use alloc::format;

    use proptest::prelude::*;

    use super::*;

    fn prefixes(before: &str, after: &str) -> Snpt {
        let prefix = |text: &str| {
            let (address, length) = text.split_once('/').expect("a prefix");
            Prefix { address: address.parse().expect("an address"), length: length.parse().expect("a length") }
        };
        Prefixes { before: prefix(before), after: prefix(after) }
    }

    fn mapped(before: &str, after: &str, address: &str) -> Option<Ipv6Addr> {
        let address: Ipv6Addr = address.parse().expect("an address");
        prefixes(before, after).map(address.octets()).ok().map(Ipv6Addr::from)
    }

    #[test]
    fn an_address_gets_the_prefix_and_the_word_behind_it_that_keeps_the_sum() {
        // The example of RFC 6296, section 3.1 and appendix B.
        let ip = |text: &str| text.parse::<Ipv6Addr>().ok();
        assert_eq!(mapped("fd01:203:405::/48", "2001:db8:1::/48", "fd01:203:405:1::1234"), ip("2001:db8:1:d550::1234"));
        assert_eq!(mapped("2001:db8:1::/48", "fd01:203:405::/48", "2001:db8:1:d550::1234"), ip("fd01:203:405:1::1234"));
        assert_eq!(mapped("fd00::/64", "2001:db8::/64", "fd00::ffff:ffff:ffff:ffff"), None);
    }

    proptest! {
        #[test]
        fn no_checksum_changes_and_the_way_back_leads_home(
            site: u64, host: u64, length in prop_oneof![Just(48_u8), Just(56), Just(64)],
        ) {
            let there = prefixes(&format!("fd00:1:2::/{length}"), &format!("2001:db8:7::/{length}"));
            let back = prefixes(&format!("2001:db8:7::/{length}"), &format!("fd00:1:2::/{length}"));
            let mask = u128::MAX << (128 - u32::from(length));
            let rest = (u128::from(site) << 64 | u128::from(host)) & !mask;
            let address = (there.before.address.to_bits() & mask | rest).to_be_bytes();
            let Ok(mapped) = there.map(address) else { return Ok(()) };
            prop_assert!(there.after.holds(mapped) || length > 48);
            prop_assert_eq!(sum(&mapped) % u16::MAX, sum(&address) % u16::MAX);
            // A word of ones is the other zero: it does not come back.
            let words = Ipv6Addr::from(address).segments();
            if words[3..].iter().all(|word| *word != u16::MAX) {
                prop_assert_eq!(back.map(mapped), Ok(address));
            }
        }
    }
}
