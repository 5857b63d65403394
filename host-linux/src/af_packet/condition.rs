//! What may change of a device while a gateway uses it.

use rustix::net::{AddressFamily, SocketType, netdevice};
use towpath_engine::{
    device::{Feature, Link},
    wire::MacAddr,
};

use super::{
    attribute,
    interface::{link, name_of},
    sys,
    sys::Query,
};

/// How a device is at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// Its number in the kernel; `None`: it is not there.
    pub index: Option<u32>,
    /// Whether it is up, as an operator has it.
    pub is_up: bool,
    /// What its link says of itself; that of one which cannot be asked is down.
    pub link: Link,
    /// How often its link has lost its carrier since it was made; `None`: it cannot be asked, or does not say (before Linux 4.16). The kernel tells
    /// at once of a carrier that is lost and back, when it comes to it (Linux v6.18: `net/core/link_watch.c`), and counts each loss when it happens
    /// (`net/sched/sch_generic.c`, `netif_carrier_off()`): one that is back before anybody has looked leaves no other trace.
    pub carrier_losses: Option<u32>,
    /// The largest packet that it sends; `None`: it cannot be asked.
    pub mtu_bytes: Option<u32>,
    /// Its Ethernet address.
    pub mac: Option<MacAddr>,
    /// Which of [`OFFLOADS`] it has.
    pub offloads: [bool; OFFLOADS.len()],
}

/// Features of a device that leave work to it, by the names under which [`Feature::by_name`] finds them.
pub const OFFLOADS: [&str; 5] = [
    "tx-checksumming",
    "tx-tcp-segmentation",
    "tx-tcp-ecn-segmentation",
    "tx-tcp6-segmentation",
    "tx-udp-segmentation",
];

impl Condition {
    /// One that is not there.
    const GONE: Self = Self {
        index: None,
        is_up: false,
        link: Link::DOWN,
        carrier_losses: None,
        mtu_bytes: None,
        mac: None,
        offloads: [true; OFFLOADS.len()],
    };

    /// How the device of that number is, whatever it is called by now; if there is none, the one of that name.
    #[must_use]
    pub fn of(index: u32, name: &str) -> Self {
        let Ok(socket) = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None) else { return Self::GONE };
        let name = name_of(&socket, index, name);
        let Ok(index) = netdevice::name_to_index(&socket, &name) else { return Self::GONE };
        let query = |query| sys::query_device(&socket, &name, query).ok();
        let mtu_bytes = query(Query::Mtu).map(|[b0, b1, b2, b3, ..]| u32::from_ne_bytes([b0, b1, b2, b3]));
        let mac =
            query(Query::HardwareAddress).map(|[_, _, m0, m1, m2, m3, m4, m5, ..]| MacAddr([m0, m1, m2, m3, m4, m5]));
        let flags = query(Query::Flags).map_or(0, |[f0, f1, ..]| i32::from(u16::from_ne_bytes([f0, f1])));
        let is_up = flags & libc::IFF_UP != 0;
        // Asked first, so that a loss between both is told next time and not twice.
        let carrier_losses = attribute::number_of(index, libc::IFLA_CARRIER_DOWN_COUNT);
        let link = link(&socket, &name).unwrap_or(Link::DOWN);
        let offloads = sys::device_features(&socket, &name).map_or(Self::GONE.offloads, |features| offloads(&features));
        Self { index: Some(index), is_up, link, carrier_losses, mtu_bytes, mac, offloads }
    }

    /// Whether its link has lost its carrier since it was like that and has it again, with no time in between to see it.
    #[must_use]
    pub fn has_flickered_since(&self, was: &Self) -> bool {
        let counted = self.carrier_losses.zip(was.carrier_losses).is_some_and(|(is, was)| is != was);
        counted && was.link.carrier && self.link.carrier
    }

    /// The features of [`OFFLOADS`] with whether it has them.
    pub fn features(&self) -> impl Iterator<Item = (Feature, bool)> {
        OFFLOADS.into_iter().zip(self.offloads).filter_map(|(name, has)| Some((Feature::by_name(name)?, has)))
    }
}

/// Which of [`OFFLOADS`] are among features that are on. What the kernel's names say less finely is taken together: a device sums if it
/// sums both families (Linux v6.18: `net/ethtool/common.c`, `netdev_features_strings`).
fn offloads(features: &[(String, bool)]) -> [bool; OFFLOADS.len()] {
    let is_on = |name: &str| features.iter().any(|(known, on)| known == name && *on);
    OFFLOADS.map(|name| match name {
        "tx-checksumming" => {
            is_on("tx-checksum-ip-generic") || (is_on("tx-checksum-ipv4") && is_on("tx-checksum-ipv6"))
        }
        name => is_on(name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_has_flickered_when_it_was_lost_in_between_and_is_there_before_and_after() {
        let condition = |carrier, carrier_losses| Condition {
            link: Link { carrier, ..Link::default() },
            carrier_losses,
            ..Condition::GONE
        };
        let was = condition(true, Some(1));
        assert!(condition(true, Some(2)).has_flickered_since(&was));
        assert!(condition(true, Some(9)).has_flickered_since(&was));
        for is in [condition(true, Some(1)), condition(true, None), condition(false, Some(2))] {
            assert!(!is.has_flickered_since(&was), "{is:?}");
        }
        assert!(
            !condition(true, Some(2)).has_flickered_since(&condition(false, Some(1))),
            "that is no news but its return"
        );
        assert!(!condition(true, Some(2)).has_flickered_since(&condition(true, None)));
    }

    #[test]
    fn a_device_sums_when_it_sums_both_families_or_anything() {
        let found = |on: &[&str]| {
            let features: Vec<_> = on.iter().map(|name| ((*name).to_owned(), true)).collect();
            offloads(&features)
        };
        assert_eq!(found(&[]), [false; 5]);
        assert_eq!(found(&["tx-checksum-ipv4", "tx-tcp-segmentation"]), [false, true, false, false, false]);
        assert_eq!(found(&["tx-checksum-ipv4", "tx-checksum-ipv6"]), [true, false, false, false, false]);
        assert_eq!(found(&["tx-checksum-ip-generic", "tx-udp-segmentation"]), [true, false, false, false, true]);
    }
}
