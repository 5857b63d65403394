//! Packets of a gateway's device, withheld from the machine's own network stack.
//!
//! A packet socket sees frames beside the kernel's stack, not in its place. That looks for a way for every packet of which it has no address, and
//! finds none, which takes it as long as it takes a gateway to forward the packet. So rules of the device's own are made for netfilter's ingress
//! hook, behind packet sockets for all protocols and before all else, that drop what would come to that: untagged IP packets to the device's own
//! Ethernet address. VLANs, broadcasts, other Ethernet addresses, and all of a device that is a port of a bridge or a bond, stay as they are. Others
//! that share the device's address hear nothing: ipvlan and macvtap over it, packet sockets for IP alone. So
//! whoever runs the gateway says whether this is to be.
//!
//! The rules' table is owned by a socket, and the kernel takes both away together, whatever ends the process (Linux v5.12 and later:
//! `net/netfilter/nf_tables_api.c`, `nft_rcv_nl_event()`). Making it takes CAP_NET_ADMIN, each time anew: [`crate::withholder`] says who has that.

mod table;

use std::fmt;

use super::interface::{Interface, Intrusion, forwards_ipv6, is_port};
use table::Table;

/// Withholds a device's packets from the machine's own network stack as long as it lives.
#[derive(Debug)]
pub struct Withheld {
    /// Its name at first.
    name: String,
    /// Its number in the kernel.
    index: u32,
    /// What withholds them, if any are withheld, and what of.
    made: Option<(Table, Wanted)>,
}

/// What a table is to be: for which device, by number and name, and what of it is withheld.
type Wanted = (u32, String, Extent);

/// Which packets of a device are withheld, or why none are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// Those of IPv4 and IPv6.
    Both,
    /// Those of IPv4: the machine has IPv6 addresses on the device, or forwards IPv6.
    Ipv4,
    /// Those of IPv6: the machine has IPv4 addresses on the device, or forwards IPv4.
    Ipv6,
    /// None: the machine has addresses on the device, or forwards, in both versions.
    Neither,
    /// None: the device is a port of a bridge, a bond or the like.
    Port,
    /// None: there is no such device.
    Gone,
    /// None: CAP_NET_ADMIN in the user namespace that owns the network namespace, or nf_tables, or its owned tables (Linux 5.12) are not there.
    Refused,
}

impl Withheld {
    /// The packets of the device of that name; nothing is withheld until it is looked at.
    #[must_use]
    pub fn of(name: &str) -> Self {
        Self { name: name.to_owned(), index: 0, made: None }
    }

    /// Withholds the packets of the IP versions in which the kernel has no address on the device and does not forward. To be asked for again whenever
    /// the device, its addresses or the forwarding may have changed; a device that is made anew under the name of one that has gone takes its place,
    /// a renamed one stays what it is.
    pub fn look(&mut self) -> Extent {
        let found = Interface::find_again(self.index, &self.name);
        self.index = found.as_ref().map_or(self.index, |found| found.index);
        let extent = found.as_ref().map_or(Extent::Gone, Extent::of);
        let Some(device) = found.filter(|_| !extent.protocols().is_empty()) else {
            self.made = None;
            return extent;
        };
        let wanted = (device.index, device.name, extent);
        let table = match self.made.take() {
            Some((table, made)) if made == wanted => Ok(table),
            Some((table, _)) => table.put(&wanted.1, extent.protocols()),
            None => {
                Table::new(format!("towpath-{}", self.name)).and_then(|table| table.put(&wanted.1, extent.protocols()))
            }
        };
        self.made = table.ok().map(|table| (table, wanted));
        if self.made.is_some() { extent } else { Extent::Refused }
    }
}

impl Extent {
    /// All there are.
    pub const ALL: [Self; 7] =
        [Self::Both, Self::Ipv4, Self::Ipv6, Self::Neither, Self::Port, Self::Gone, Self::Refused];

    /// What can be withheld of a device.
    fn of(device: &Interface) -> Self {
        let Interface { name, index, intrusions, .. } = device;
        if is_port(*index) {
            return Self::Port;
        }
        let has = |intrusion| intrusions.contains(&intrusion);
        let uses_ipv4 = has(Intrusion::Ipv4Address) || has(Intrusion::Forwarding);
        let uses_ipv6 = has(Intrusion::Ipv6Address) || forwards_ipv6(name);
        match (uses_ipv4, uses_ipv6) {
            (false, false) => Self::Both,
            (false, true) => Self::Ipv4,
            (true, false) => Self::Ipv6,
            (true, true) => Self::Neither,
        }
    }

    /// Ethernet's numbers of what is withheld.
    const fn protocols(self) -> &'static [u16] {
        const IPV4: u16 = libc::ETH_P_IP as u16;
        const IPV6: u16 = libc::ETH_P_IPV6 as u16;
        match self {
            Self::Both => &[IPV4, IPV6],
            Self::Ipv4 => &[IPV4],
            Self::Ipv6 => &[IPV6],
            Self::Neither | Self::Port | Self::Gone | Self::Refused => &[],
        }
    }
}

/// What an operator is told of the device.
impl fmt::Display for Extent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let why = match self {
            Self::Both => return f.write_str("its packets are withheld from the machine's own network stack"),
            Self::Ipv4 => "its IPv6 packets are not withheld: the machine has addresses on it, or forwards",
            Self::Ipv6 => "its IPv4 packets are not withheld: the machine has addresses on it, or forwards",
            Self::Neither => "its packets are not withheld: the machine has addresses on it, or forwards",
            Self::Port => "its packets are not withheld: it is a port of another device of the machine's",
            Self::Gone => "its packets are not withheld: there is none of its name",
            Self::Refused => {
                "its packets are not withheld: there is no CAP_NET_ADMIN, or the kernel has no nf_tables with owned tables (Linux 5.12)"
            }
        };
        f.write_str(why)
    }
}
