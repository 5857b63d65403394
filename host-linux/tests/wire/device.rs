//! What is said about devices before they are opened, and when they cannot be.

use std::{fs, process::Command};

use towpath::af_packet::{DeviceErrorCause, Interface, Intrusion, PacketDevice, RingOptions};
use towpath_engine::DeviceId;

use crate::{
    link::Station,
    namespace::{in_namespace, ip, quieten},
    skip::skip,
};

#[test]
fn an_interface_is_described_as_the_kernel_has_it() {
    in_namespace(|| {
        quieten();
        ip("link add ga address 02:00:00:00:00:01 mtu 1400 type veth peer name gb");
        let found = Interface::find("ga").unwrap();
        assert_eq!((found.mac.to_string().as_str(), found.mtu_bytes), ("02:00:00:00:00:01", 1400));
        assert!(!found.is_up && found.intrusions.is_empty());
        assert_eq!(found.warnings().collect::<Vec<_>>(), ["device ga is down: ip link set ga up"]);
        ip("link set ga up");
        assert_eq!(Interface::find("ga").unwrap().warnings().count(), 0);
    });
}

#[test]
fn what_the_kernel_does_beside_the_gateway_is_warned_of() {
    in_namespace(|| {
        let client = Station::new("ga", [10, 0, 0, 2].into());
        ip("addr add 10.0.0.1/24 dev ga");
        fs::write("/proc/sys/net/ipv4/conf/ga/forwarding", "1").unwrap();
        let mut expected = vec![Intrusion::Ipv4Address, Intrusion::Forwarding];
        if fs::exists("/proc/sys/net/ipv6/conf/ga").unwrap() {
            fs::write("/proc/sys/net/ipv6/conf/ga/disable_ipv6", "0").unwrap();
            ip("addr add 2001:db8::1/64 dev ga nodad");
            expected.insert(1, Intrusion::Ipv6Address);
        }
        let found = Interface::find("ga").unwrap();
        assert_eq!(found.intrusions, expected);
        assert!(found.warnings().all(|warning| warning.contains("ga")));
        drop(client);
    });
}

#[test]
fn a_device_that_is_not_there_or_not_ethernet_is_refused_by_name() {
    in_namespace(|| {
        let cause = |name| PacketDevice::open(name, DeviceId(0), RingOptions::default()).unwrap_err().cause;
        assert!(matches!(cause("ga"), DeviceErrorCause::Missing));
        assert!(matches!(cause("a-name-of-sixteen"), DeviceErrorCause::Missing));
        assert!(matches!(cause(""), DeviceErrorCause::Missing));
        let made = Command::new("ip").args(["tuntap", "add", "mode", "tun", "name", "tun7"]).output().unwrap();
        if made.status.success() {
            assert!(matches!(cause("tun7"), DeviceErrorCause::NotEthernet(65534)));
        } else {
            skip("device::a_device_that_is_not_there_or_not_ethernet_is_refused_by_name", "no /dev/net/tun");
        }
    });
}

#[test]
fn the_loopback_device_can_be_opened_in_spite_of_its_long_mtu() {
    in_namespace(|| {
        ip("link set lo up");
        PacketDevice::open("lo", DeviceId(0), RingOptions::default()).unwrap();
    });
}
