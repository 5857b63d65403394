//! Values that are written as text with a form of their own.

use core::{
    net::{IpAddr, Ipv4Addr},
    ops::RangeInclusive,
    time::Duration,
};

use towpath_engine::{
    conntrack::helper::{FailurePolicy, HelperMode},
    device::InterfaceAddress,
    ip::prefix,
    wire::MacAddr,
};

use super::{TakenAt, reader::Word};

/// A network: an address whose bits behind the prefix are zero.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    /// The network's address.
    pub address: IpAddr,
    /// Length of its prefix: 0 to 32, or 128 for IPv6.
    pub prefix: u8,
}

impl Network {
    /// Whether an address lies in it.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        prefix::agree(self.address, address, self.prefix)
    }
}

/// On what a source's endpoint outside may depend: the value of `towpath.nat.mapping`.
pub(super) struct Mapping(pub(super) u32);

/// On what it depends who may send there: the value of `towpath.nat.filtering`.
pub(super) struct Filtering(pub(super) u32);

impl Word for Mapping {
    const EXPECTED: &'static str = "\"endpoint-independent\" or \"linux\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "linux" => Some(Self(0)),
            "endpoint-independent" => Some(Self(1)),
            _ => None,
        }
    }
}

impl Word for Filtering {
    const EXPECTED: &'static str = "\"endpoint-independent\", \"address-dependent\" or \"linux\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "linux" => Some(Self(0)),
            "address-dependent" => Some(Self(1)),
            "endpoint-independent" => Some(Self(2)),
            _ => None,
        }
    }
}

impl Word for InterfaceAddress {
    const EXPECTED: &'static str = "an address with its prefix length, such as \"10.0.0.1/24\" or \"2001:db8::1/64\"";

    fn read(text: &str) -> Option<Self> {
        let (address, prefix) = text.split_once('/')?;
        let address = address.parse().ok()?;
        let prefix = prefix.parse().ok().filter(|length| *length <= prefix::longest(address))?;
        Some(Self { address, prefix })
    }
}

impl Word for Network {
    const EXPECTED: &'static str = "a network, such as \"10.0.0.0/8\" or \"2001:db8::/32\", an address or \"default\"";

    fn read(text: &str) -> Option<Self> {
        if text == "default" {
            return Some(Self { address: Ipv4Addr::UNSPECIFIED.into(), prefix: 0 });
        }
        let InterfaceAddress { address, prefix } = if text.contains('/') {
            InterfaceAddress::read(text)?
        } else {
            let address = text.parse().ok()?;
            InterfaceAddress { address, prefix: prefix::longest(address) }
        };
        // An address inside a network is more often a slip than meant.
        (prefix::network(address, prefix) == address).then_some(Self { address, prefix })
    }
}

impl Word for IpAddr {
    const EXPECTED: &'static str = "an address, such as \"10.0.0.1\" or \"2001:db8::1\"";

    fn read(text: &str) -> Option<Self> {
        text.parse().ok()
    }
}

impl Word for MacAddr {
    const EXPECTED: &'static str = "an Ethernet address of one station, such as \"02:00:00:00:00:01\"";

    fn read(text: &str) -> Option<Self> {
        let mut octets = [0; 6];
        let mut parts = text.split(':');
        for octet in &mut octets {
            let part =
                parts.next().filter(|part| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
            *octet = u8::from_str_radix(part, 16).ok()?;
        }
        // The lowest bit of the first byte makes it a group's address.
        (parts.next().is_none() && octets[0] & 1 == 0 && octets != [0; 6]).then_some(Self(octets))
    }
}

/// A name that Linux would take for a device.
pub(crate) struct DeviceName(pub(crate) String);

impl Word for DeviceName {
    const EXPECTED: &'static str = "a device's name: 1 to 15 bytes without spaces or '/'";

    fn read(text: &str) -> Option<Self> {
        let fits = (1..=15).contains(&text.len()) && text != "." && text != "..";
        let plain = !text.contains(|symbol: char| symbol.is_whitespace() || matches!(symbol, '/' | ':' | '\0'));
        (fits && plain).then(|| Self(text.to_owned()))
    }
}

/// A range of ports.
pub(super) struct Ports(pub(super) RangeInclusive<u16>);

impl Word for Ports {
    const EXPECTED: &'static str = "a port from 1 to 65535 or a range, such as \"2000-2010\"";

    fn read(text: &str) -> Option<Self> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
        let (first, last) = (port(first)?, port(last)?);
        (first <= last).then_some(Self(first..=last))
    }
}

impl Word for Duration {
    const EXPECTED: &'static str = "a time from 1 ms to 24 days, such as \"300s\", \"500ms\" or \"5d\"";

    fn read(text: &str) -> Option<Self> {
        let digits = text.trim_end_matches(|symbol: char| symbol.is_ascii_alphabetic());
        let number: u64 = digits.parse().ok()?;
        let millis = match text.get(digits.len()..)? {
            "ms" => number,
            "s" => number.checked_mul(1_000)?,
            "m" => number.checked_mul(60_000)?,
            "h" => number.checked_mul(3_600_000)?,
            "d" => number.checked_mul(86_400_000)?,
            _ => return None,
        };
        // Up to 24 days, as many milliseconds as fit into 31 bits; the kernel's own timeouts are seconds in 32 bits.
        (1..=0x7fff_ffff).contains(&millis).then(|| Self::from_millis(millis))
    }
}

impl Word for FailurePolicy {
    const EXPECTED: &'static str = "\"pass\", \"drop\" or \"detach\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "pass" => Some(Self::Pass),
            "drop" => Some(Self::Drop),
            "detach" => Some(Self::Detach),
            _ => None,
        }
    }
}

impl Word for HelperMode {
    const EXPECTED: &'static str = "\"guarded\", \"service-ports\" or \"kernel\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "guarded" => Some(Self::Guarded),
            "service-ports" => Some(Self::ServicePorts),
            "kernel" => Some(Self::Kernel),
            _ => None,
        }
    }
}

impl Word for TakenAt {
    const EXPECTED: &'static str = "\"gateway\" or \"elsewhere\"";

    fn read(text: &str) -> Option<Self> {
        match text {
            "gateway" => Some(Self::Gateway),
            "elsewhere" => Some(Self::Elsewhere),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn networks_have_no_bits_behind_their_prefix() {
        let network = |text| Network::read(text).map(|network| (format!("{}", network.address), network.prefix));
        let is = |address: &str, prefix| Some((address.to_owned(), prefix));
        assert_eq!(network("10.0.0.0/8"), is("10.0.0.0", 8));
        assert_eq!(network("default"), is("0.0.0.0", 0));
        assert_eq!(network("192.0.2.7"), is("192.0.2.7", 32));
        assert_eq!(network("fe80::/64"), is("fe80::", 64));
        assert_eq!(network("2001:db8::7"), is("2001:db8::7", 128));
        for wrong in ["10.0.0.1/8", "10.0.0.0/33", "10.0.0/8", "fe80::1/64", "::/129", "", "/", "0.0.0.0/-1"] {
            assert_eq!(network(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn only_a_single_station_has_an_ethernet_address() {
        assert_eq!(MacAddr::read("02:00:00:00:AB:01"), Some(MacAddr([2, 0, 0, 0, 0xab, 1])));
        for wrong in ["01:00:5e:00:00:01", "00:00:00:00:00:00", "2:0:0:0:0:1", "02:00:00:00:00", "02:00:00:00:00:01:02"]
        {
            assert_eq!(MacAddr::read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn ports_times_and_names_have_bounds() {
        assert_eq!(Ports::read("2000-2010").map(|ports| ports.0), Some(2000..=2010));
        assert_eq!(Ports::read("21").map(|ports| ports.0), Some(21..=21));
        for wrong in ["0", "5-4", "65536", "1-", "a"] {
            assert!(Ports::read(wrong).is_none(), "{wrong}");
        }
        assert_eq!(Duration::read("5m"), Some(Duration::from_secs(300)));
        assert_eq!(Duration::read("500ms"), Some(Duration::from_millis(500)));
        assert_eq!(Duration::read("5d"), Some(Duration::from_secs(432_000)));
        for wrong in ["5", "0s", "s", "25d", "600h", "18446744073709551615h", "-1s"] {
            assert_eq!(Duration::read(wrong), None, "{wrong}");
        }
        assert!(DeviceName::read("eth0.100").is_some());
        for wrong in ["", "sixteen-bytes-16", "a b", "a/b", ".."] {
            assert!(DeviceName::read(wrong).is_none(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_a_word_panic(text: String) {
            Network::read(&text);
            MacAddr::read(&text);
            Duration::read(&text);
            Ports::read(&text);
            DeviceName::read(&text);
        }

        #[test]
        fn an_address_in_its_network_is_contained(bits: u32, prefix in 0u8..=32, other: u32) {
            let address = InterfaceAddress { address: Ipv4Addr::from_bits(bits).into(), prefix };
            let network = Network { address: address.network(), prefix };
            prop_assert!(network.contains(address.address));
            let same = (u64::from(bits ^ other)) >> (32 - u32::from(prefix)) == 0;
            prop_assert_eq!(network.contains(Ipv4Addr::from_bits(other).into()), same);
        }
    }
}
