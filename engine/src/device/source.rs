//! Which of this host's IPv6 addresses it talks from (RFC 6724, section 5; Linux v6.18: `net/ipv6/addrconf.c`,
//! `ipv6_dev_get_saddr()`).
//!
//! Of the RFC's rules the ones that can tell addresses of a router apart are there: 1, 2, 5, 6 and 8. Addresses are never
//! deprecated, temporary or of a mobile node here.

use core::net::{IpAddr, Ipv6Addr};

use super::Devices;
use crate::{frame::DeviceId, ip::prefix};

/// The address for packets that leave by `device` to `peer`; `None` when there is none.
///
/// Peers on the link itself, and groups, are only sent to from an address of that device.
#[must_use]
pub fn address(devices: &Devices, device: DeviceId, peer: Ipv6Addr) -> Option<Ipv6Addr> {
    let only_here = peer.is_multicast() || peer.is_unicast_link_local();
    let mut best: Option<(Score, Ipv6Addr)> = None;
    for (id, known) in devices.iter() {
        if only_here && id != device {
            continue;
        }
        for own in &known.addresses {
            let IpAddr::V6(own) = own.address else { continue };
            if own.is_loopback() {
                continue;
            }
            let score = Score::new(own, peer, id == device);
            // Of two that are alike the one that was there first stays.
            if best.is_none_or(|(best, _)| score > best) {
                best = Some((score, own));
            }
        }
    }
    best.map(|(_, own)| own)
}

/// How well an address suits, the most important rule first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Score {
    /// Rule 1: it is the peer's own.
    same: bool,
    /// Rule 2: its scope is the least that reaches the peer, or else the greatest.
    scope: i16,
    /// Rule 5: it belongs to the device.
    at_device: bool,
    /// Rule 6: both have the same label.
    same_label: bool,
    /// Rule 8: bits in common.
    shared: u8,
}

impl Score {
    fn new(own: Ipv6Addr, peer: Ipv6Addr, at_device: bool) -> Self {
        let (own_scope, peer_scope) = (scope(own), scope(peer));
        Self {
            same: own == peer,
            scope: if own_scope >= peer_scope { -own_scope } else { own_scope - REACHES_NOT },
            at_device,
            same_label: label(own) == label(peer),
            shared: prefix::shared(own.into(), peer.into()).unwrap_or(0),
        }
    }
}

/// How far an address reaches, as multicast addresses count it (RFC 4291, section 2.7): 2 on the link, 5 in a site, 14
/// everywhere. Unique local addresses count as global (RFC 4193).
fn scope(address: Ipv6Addr) -> i16 {
    match address.octets() {
        [0xff, flags_scope, ..] => i16::from(flags_scope & 0x0f),
        _ if address.is_loopback() || address.is_unicast_link_local() => 2,
        [0xfe, second, ..] if second & 0xc0 == 0xc0 => 5,
        _ => 14,
    }
}

/// The label of the longest prefix of the policy table that holds the address.
fn label(address: Ipv6Addr) -> u8 {
    let holds =
        |(network, length, _): &&(Ipv6Addr, u8, u8)| prefix::agree(IpAddr::V6(*network), address.into(), *length);
    LABELS.iter().filter(holds).max_by_key(|(_, length, _)| *length).map_or(1, |(.., label)| *label)
}

/// More than any scope.
const REACHES_NOT: i16 = 64;

/// RFC 6724, section 2.1, with Linux's numbers (v6.18: `net/ipv6/addrlabel.c`).
#[rustfmt::skip]
static LABELS: [(Ipv6Addr, u8, u8); 10] = [
    // prefix                                           length  label
    (Ipv6Addr::LOCALHOST,                                  128,  0),
    (Ipv6Addr::UNSPECIFIED,                                  0,  1),
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0),            16,  2),
    (Ipv6Addr::UNSPECIFIED,                                 96,  3),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0),            96,  4),
    (Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0),             7,  5),
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0),            32,  6),
    (Ipv6Addr::new(0x2001, 0x10, 0, 0, 0, 0, 0, 0),         28,  7),
    (Ipv6Addr::new(0xfec0, 0, 0, 0, 0, 0, 0, 0),            10, 11),
    (Ipv6Addr::new(0x3ffe, 0, 0, 0, 0, 0, 0, 0),            16, 12),
];

#[cfg(test)]
mod tests {
    use alloc::{string::String, vec::Vec};

    use super::*;
    use crate::{
        device::{Device, InterfaceAddress},
        wire::MacAddr,
    };

    fn devices(all: &[&[&str]]) -> Devices {
        let mut devices = Devices::default();
        for (index, addresses) in all.iter().enumerate() {
            let address = |text: &&str| InterfaceAddress { address: text.parse().expect("an address"), prefix: 64 };
            devices.add(Device {
                name: String::from(["lan", "wan"][index]),
                mac: MacAddr::UNSPECIFIED,
                mtu_bytes: 1500,
                addresses: addresses.iter().map(address).collect::<Vec<_>>(),
                arp: true,
                any_destination: false,
                ..Device::default()
            });
        }
        devices
    }

    #[test]
    fn scope_device_label_and_prefix_decide_in_that_order() {
        let devices = devices(&[
            &["fe80::1", "fd00:1::1", "2001:db8:1::1"],
            &["fe80::2", "2001:db8:2::1", "2001:db8:3::1", "192.0.2.1"],
        ]);
        let from = |device: u16, peer: &str| {
            let found = address(&devices, DeviceId(device), peer.parse().expect("an address"));
            found.map(|found| alloc::format!("{found}"))
        };
        assert_eq!(from(0, "fe80::99").as_deref(), Some("fe80::1"), "the least scope that reaches");
        assert_eq!(from(1, "fe80::99").as_deref(), Some("fe80::2"), "only from the link's own device");
        assert_eq!(from(0, "2001:db8:3::9").as_deref(), Some("2001:db8:1::1"), "the device before the prefix");
        assert_eq!(from(1, "2001:db8:3::9").as_deref(), Some("2001:db8:3::1"), "the longer prefix in common");
        assert_eq!(from(0, "fd00:9::9").as_deref(), Some("fd00:1::1"), "the same label");
        assert_eq!(from(1, "fd00:9::9").as_deref(), Some("2001:db8:2::1"), "the device before the label");
        assert_eq!(from(1, "ff02::1").as_deref(), Some("fe80::2"));
    }

    #[test]
    fn a_device_without_a_fitting_address_borrows_one_except_on_its_own_link() {
        let devices = devices(&[&["fe80::1", "2001:db8:1::1"], &[]]);
        let own = address(&devices, DeviceId(1), "2001:db8:9::9".parse().expect("an address"));
        assert_eq!(own, "2001:db8:1::1".parse().ok());
        assert_eq!(address(&devices, DeviceId(1), "fe80::9".parse().expect("an address")), None);
    }
}
