//! What the kernel says about a network device, and how it might get in a gateway's way.

use std::{fs, io, os::fd::OwnedFd};

use rustix::net::{AddressFamily, SocketType, netdevice};
use towpath_engine::{device::Link, wire::MacAddr};

use super::{
    attribute,
    error::{DeviceError, DeviceErrorCause},
    sys::{self, Query},
};

/// A network device as the kernel sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name, 1 to 15 bytes.
    pub name: String,
    /// Its number in the network namespace.
    pub index: u32,
    /// Its Ethernet address.
    pub mac: MacAddr,
    /// The largest network packet it carries, in bytes.
    pub mtu_bytes: u32,
    /// Whether it is set up; frames pass only then.
    pub is_up: bool,
    /// What its link says of itself.
    pub link: Link,
    /// What the kernel's own network stack does on the device that a gateway should do alone.
    pub intrusions: Vec<Intrusion>,
}

/// Something that the kernel's own network stack does on a device besides Towpath. AF_PACKET shows frames to both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Intrusion {
    /// The device has an IPv4 address: the kernel answers ARP and resets connections it does not know.
    Ipv4Address,
    /// The device has an IPv6 address: the kernel answers neighbour solicitations.
    Ipv6Address,
    /// The kernel forwards packets itself, so each would leave twice.
    Forwarding,
}

impl Interface {
    /// Asks the kernel about the device `name` of this network namespace. Anybody may.
    ///
    /// # Errors
    /// [`DeviceError`] when there is none of that name, or its frames are no Ethernet frames.
    pub fn find(name: &str) -> Result<Self, DeviceError> {
        let socket = &rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None)
            .map_err(|error| DeviceError::new(name, DeviceErrorCause::Call("opening a socket", error.into())))?;
        let missing = |_| DeviceError::new(name, DeviceErrorCause::Missing);
        let index = netdevice::name_to_index(socket, name).map_err(missing)?;
        let query = |query| sys::query_device(socket, name, query);
        let failed =
            |error: io::Error| DeviceError::new(name, DeviceErrorCause::Call("asking for its properties", error));
        // `struct sockaddr`: the type in the first two bytes, the address behind them.
        let [type_0, type_1, m0, m1, m2, m3, m4, m5, ..] = query(Query::HardwareAddress).map_err(failed)?;
        match u16::from_ne_bytes([type_0, type_1]) {
            libc::ARPHRD_ETHER | libc::ARPHRD_LOOPBACK => {}
            other => return Err(DeviceError::new(name, DeviceErrorCause::NotEthernet(other))),
        }
        let [b0, b1, b2, b3, ..] = query(Query::Mtu).map_err(failed)?;
        let [f0, f1, ..] = query(Query::Flags).map_err(failed)?;
        let intrusions = [
            query(Query::Ipv4Address).is_ok().then_some(Intrusion::Ipv4Address),
            has_ipv6_address(name).then_some(Intrusion::Ipv6Address),
            is_forwarding(name).then_some(Intrusion::Forwarding),
        ];
        Ok(Self {
            name: name.to_owned(),
            index,
            mac: MacAddr([m0, m1, m2, m3, m4, m5]),
            mtu_bytes: u32::from_ne_bytes([b0, b1, b2, b3]),
            is_up: i32::from(u16::from_ne_bytes([f0, f1])) & libc::IFF_UP != 0,
            link: link(socket, name).unwrap_or(Link::DOWN),
            intrusions: intrusions.into_iter().flatten().collect(),
        })
    }

    /// The device of that number, whatever it is called by now; if there is none, the one of that name, if any.
    pub(super) fn find_again(index: u32, name: &str) -> Option<Self> {
        let socket = rustix::net::socket(AddressFamily::INET, SocketType::DGRAM, None).ok()?;
        Self::find(&name_of(&socket, index, name)).ok()
    }

    /// One line for each thing that will keep a gateway on this device from working as meant, and what to do.
    pub fn warnings(&self) -> impl Iterator<Item = String> {
        let Self { name, is_up, intrusions, .. } = self;
        let down = (!is_up).then(|| format!("device {name} is down: ip link set {name} up"));
        down.into_iter().chain(intrusions.iter().map(move |intrusion| intrusion.warning(name)))
    }
}

impl Intrusion {
    fn warning(self, device: &str) -> String {
        match self {
            Self::Ipv4Address => format!(
                "device {device} has an IPv4 address of the kernel's own, which answers beside the gateway: \
                 ip addr flush dev {device}"
            ),
            Self::Ipv6Address => format!(
                "device {device} has an IPv6 address of the kernel's own, which answers beside the gateway: \
                 sysctl -w net.ipv6.conf.{device}.disable_ipv6=1"
            ),
            Self::Forwarding => format!(
                "the kernel forwards on device {device}, so packets leave twice: \
                 sysctl -w net.ipv4.conf.{device}.forwarding=0"
            ),
        }
    }
}

/// What the device of that number is called by now; if there is none, that name.
pub(super) fn name_of(socket: &OwnedFd, index: u32, name: &str) -> String {
    netdevice::index_to_name(socket, index).unwrap_or_else(|_| name.to_owned())
}

/// A device that is down has no carrier, whatever its cable says (netdevice(7), IFF_RUNNING). Speed and duplex are those of ethtool(8);
/// drivers that have none say so, or do not answer.
pub(super) fn link(socket: &OwnedFd, name: &str) -> io::Result<Link> {
    let [f0, f1, ..] = sys::query_device(socket, name, Query::Flags)?;
    let flags = i32::from(u16::from_ne_bytes([f0, f1]));
    let carrier = flags & (libc::IFF_UP | libc::IFF_RUNNING) == libc::IFF_UP | libc::IFF_RUNNING;
    let (speed, duplex) = sys::link_settings(socket, name).unwrap_or((0, u8::MAX));
    let full_duplex = match duplex {
        0 => Some(false),
        1 => Some(true),
        _ => None,
    };
    Ok(Link { carrier, speed_mbps: (1..u32::MAX).contains(&speed).then_some(speed), full_duplex })
}

/// Whether the device of that number is a port of another one: a bridge, a bond.
pub(super) fn is_port(index: u32) -> bool {
    attribute::number_of(index, libc::IFLA_MASTER).is_some()
}

/// Looked up in a list of lines whose last word is the device (proc_net(5)). Without /proc there is nothing to warn of.
fn has_ipv6_address(name: &str) -> bool {
    let list = fs::read_to_string("/proc/net/if_inet6").unwrap_or_default();
    list.lines().any(|line| line.split_ascii_whitespace().next_back() == Some(name))
}

fn is_forwarding(name: &str) -> bool {
    forwards("ipv4", name)
}

/// Whether the kernel forwards IPv6 that comes by the device.
pub(super) fn forwards_ipv6(name: &str) -> bool {
    forwards("ipv6", name)
}

fn forwards(version: &str, name: &str) -> bool {
    fs::read_to_string(format!("/proc/sys/net/{version}/conf/{name}/forwarding")).is_ok_and(|value| value.trim() != "0")
}
