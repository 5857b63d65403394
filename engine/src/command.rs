//! What an operator asks of the engine.

use alloc::{boxed::Box, string::String, sync::Arc, vec::Vec};
use core::{fmt, net::IpAddr, time::Duration};

use crate::{
    conntrack::{
        ConnId, ExpectationId, Family, HelperId, Revision, TimeoutPolicy, TimeoutPolicyError,
        calling::LoadError,
        helper::{Helper, HelperMode},
    },
    device::{
        Device, Feature, InterfaceAddress, Kind, Link, Vlan,
        bond::{Options as BondOptions, OptionsError as BondOptionsError},
    },
    event::Subscription,
    frame::DeviceId,
    ip::{Route, prefix},
    limits::{BOND_PORTS_MAX, BONDS_MAX, VLAN_DEPTH_MAX},
    netfilter::{RuleSet, TableName},
    random::Draw,
    socket::{SocketError, UdpService},
    sysctl::SysctlError,
    trace::TraceLevel,
    wire::MacAddr,
};

/// Something an operator asks. Commands are inputs like frames: the same ones give the same state.
pub enum Command {
    /// Adds a device behind the others.
    AddDevice(Device),
    /// Adds an address to a device, and the route to its network.
    AddAddress(DeviceId, InterfaceAddress),
    /// Switches a feature of a device on or off, as `ethtool -K` does. `large-receive-offload` stays off while a bond
    /// over the device has it off, and under a VLAN, which cannot have it; it goes off where the bond's goes off, and wherever
    /// forwarding is switched on. What the device cannot have, or be without, is refused; what needs a feature that is off is off until
    /// that comes back ([`Features`](crate::device::Features)).
    SetFeature(DeviceId, Feature, bool),
    /// Says how large packets are that a device sends, in bytes. Its VLANs send none that are larger than that and than their tags leave
    /// ([`Devices::vlan_mtu_bytes_max`](crate::device::Devices::vlan_mtu_bytes_max)), and those that did go on with what is left; they do
    /// not follow when it grows again (Linux v6.18: `net/8021q/vlan.c`, `vlan_device_event()`). More than what is left to it is refused of a
    /// VLAN (`net/8021q/vlan_dev.c`, `vlan_dev_change_mtu()`). A bond does not follow its ports.
    SetMtu(DeviceId, u32),
    /// Says how long a device keeps what it may merge ([`Device::gro_flush_timeout`]).
    SetGroFlushTimeout(DeviceId, Duration),
    /// Says what a device of kind [`Kind::Bond`] is, and which ports it has, in their order; those that it had before are devices by
    /// themselves again. A bond whose Ethernet address is not told has that of its first port.
    SetBond(DeviceId, Box<BondOptions>, Vec<DeviceId>),
    /// Says what a device's link says of itself. Neighbours that were learned on it are forgotten when it loses its carrier.
    SetLink(DeviceId, Link),
    /// Says how many frames may wait to leave by a device: [`TRANSMIT_QUEUE_MAX`](crate::limits::TRANSMIT_QUEUE_MAX) at most, and 0 that
    /// it takes none (`tc qdisc … pfifo limit N`). Like [`Self::Subscribe`], it is in no snapshot.
    LimitQueue(DeviceId, usize),
    /// Adds a route.
    AddRoute(Route),
    /// Adds a route, or puts it into the place of the one to the same network with the same metric. Connections whose packets it is for
    /// find out with the next packet that they send.
    ReplaceRoute(Route),
    /// Sets a neighbour's address for good.
    AddNeighbour {
        /// On which link.
        device: DeviceId,
        /// Its address.
        address: IpAddr,
        /// Its Ethernet address.
        mac: MacAddr,
    },
    /// Says whether a device is up, as an operator has it (`ip link set DEVICE down`). Nothing is sent to where only routes by a
    /// device that is down lead, or by its VLANs, and connections that are masqueraded behind its addresses and the neighbours that
    /// were learned on it are forgotten when it goes down. Devices are up when they are added.
    SetUp(DeviceId, bool),
    /// Replaces all rules of a family at once. Those of the other family, and connections, stay; so do tables that the new rules
    /// were read beside and do not name ([`crate::netfilter::Loading::beside`]).
    ReplaceRules(Box<RuleSet>),
    /// Forgets what the rules of a table of a family have counted, or those of all its tables.
    ZeroRules(Family, Option<TableName>),
    /// Loads a helper. One of the same name is replaced; its connections and their state stay.
    LoadHelper(Box<dyn Helper>),
    /// Unloads a helper: what it expects is forgotten, and its connections go on without one. Not while a rule attaches it.
    UnloadHelper(HelperId),
    /// Adds a timeout policy for `-j CT --timeout` to name, or has one of that name say something else.
    SetTimeoutPolicy(TimeoutPolicy),
    /// Takes payloads, and what helpers wish for, as strictly as that from now on.
    SetHelperMode(HelperMode),
    /// Attaches helpers to the ports their manifests name, without a rule.
    AttachHelpersByPort(bool),
    /// Sets a tunable by its `/proc/sys` name.
    SetSysctl(String, u32),
    /// Sets a tunable of several values by its `/proc/sys` name: the first ones, if there are fewer.
    SetSysctls(String, Vec<u32>),
    /// Forgets what is remembered of the hosts in that network (its address and how long its prefix is), cookies of Fast Open and what
    /// connections to them have left, or of all hosts, as `ip tcp_metrics delete` and `flush` do. [`Reply::Forgotten`] tells how many.
    ForgetDestinations(Option<(IpAddr, u8)>),
    /// Offers a datagram service on this host.
    OfferUdp(UdpService),
    /// Says which events are wanted.
    Subscribe(Subscription),
    /// Says how much is written down about each packet.
    Trace(TraceLevel),
    /// Takes these values where the engine would draw by lot; `None` ends it.
    Script(Option<Vec<(Draw, u32)>>),
    /// Sends a packet of this host's superuser: bytes from its IPv4 or IPv6 header on, as into a raw socket.
    SendPacket(Vec<u8>),
    /// Serves the programs of the machine that the engine runs on, as a kernel does: what has passed INPUT and nobody here takes
    /// leaves by `lo` ([`DeviceId::LOOPBACK`]), and frames of `lo` are this host's own packets. Like [`Self::Subscribe`], it is in
    /// no snapshot.
    ServeHost(bool),
    /// Forgets all connections and expectations.
    FlushConntrack,
    /// Forgets the connections with these serial numbers, with their expectations.
    ForgetConnections(Vec<u64>),
    /// Forgets connections of the table from that slot on, as far as is done in one go
    /// ([`FORGET_PLACES_MAX`](crate::limits::FORGET_PLACES_MAX),
    /// [`FORGET_CONNECTIONS_MAX`](crate::limits::FORGET_CONNECTIONS_MAX)), so that packets can pass before the next part; in the order
    /// of slots.
    ForgetPart(u32, Condemned),
    /// Changes connections of the table from that slot on, as far as is done in one go, as [`Self::ForgetPart`] goes by parts.
    RevisePart(u32, Condemned, Revision),
    /// Forgets how many packets and bytes these connections have carried so far; those that are gone are passed over.
    ForgetCounted(Vec<ConnId>),
    /// Forgets expectations: those with these numbers, or all.
    ForgetExpectations(Option<Vec<ExpectationId>>),
}

impl Command {
    /// Whether packets of established flows may pass otherwise, or be counted otherwise, after it.
    pub(crate) const fn may_change_courses(&self) -> bool {
        match self {
            Self::AddDevice(_)
            | Self::AddAddress(..)
            | Self::AddRoute(_)
            | Self::ReplaceRoute(_)
            | Self::AddNeighbour { .. }
            | Self::SetUp(..)
            | Self::ReplaceRules(_)
            | Self::ZeroRules(..)
            | Self::LoadHelper(_)
            | Self::UnloadHelper(_)
            | Self::AttachHelpersByPort(_)
            | Self::SetHelperMode(_)
            | Self::SetSysctl(..)
            | Self::SetSysctls(..)
            | Self::SetFeature(..)
            | Self::SetMtu(..)
            | Self::SetBond(..)
            | Self::ServeHost(_)
            | Self::RevisePart(..)
            | Self::OfferUdp(_) => true,
            Self::SetTimeoutPolicy(_)
            | Self::Subscribe(_)
            | Self::SetGroFlushTimeout(..)
            | Self::SetLink(..)
            | Self::LimitQueue(..)
            | Self::Trace(_)
            | Self::Script(_)
            | Self::SendPacket(_)
            | Self::ForgetDestinations(_)
            | Self::FlushConntrack
            | Self::ForgetConnections(_)
            | Self::ForgetPart(..)
            | Self::ForgetCounted(_)
            | Self::ForgetExpectations(_) => false,
        }
    }
}

impl fmt::Debug for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AddDevice(device) => f.debug_tuple("AddDevice").field(device).finish(),
            Self::AddAddress(device, address) => f.debug_tuple("AddAddress").field(device).field(address).finish(),
            Self::SetFeature(device, feature, on) => {
                f.debug_tuple("SetFeature").field(device).field(&feature.name).field(on).finish()
            }
            Self::SetMtu(device, bytes) => f.debug_tuple("SetMtu").field(device).field(bytes).finish(),
            Self::SetGroFlushTimeout(device, timeout) => {
                f.debug_tuple("SetGroFlushTimeout").field(device).field(timeout).finish()
            }
            Self::SetBond(device, options, ports) => {
                f.debug_tuple("SetBond").field(device).field(options).field(ports).finish()
            }
            Self::SetLink(device, link) => f.debug_tuple("SetLink").field(device).field(link).finish(),
            Self::LimitQueue(device, most) => f.debug_tuple("LimitQueue").field(device).field(most).finish(),
            Self::AddRoute(route) => f.debug_tuple("AddRoute").field(route).finish(),
            Self::ReplaceRoute(route) => f.debug_tuple("ReplaceRoute").field(route).finish(),
            Self::AddNeighbour { device, address, mac } => {
                f.debug_tuple("AddNeighbour").field(device).field(address).field(mac).finish()
            }
            Self::SetUp(device, is_up) => f.debug_tuple("SetUp").field(device).field(is_up).finish(),
            Self::ReplaceRules(_) => f.write_str("ReplaceRules"),
            Self::ZeroRules(family, table) => f.debug_tuple("ZeroRules").field(family).field(table).finish(),
            Self::LoadHelper(helper) => f.debug_tuple("LoadHelper").field(&helper.manifest().name).finish(),
            Self::UnloadHelper(id) => f.debug_tuple("UnloadHelper").field(id).finish(),
            Self::SetTimeoutPolicy(policy) => f.debug_tuple("SetTimeoutPolicy").field(policy).finish(),
            Self::SetHelperMode(mode) => f.debug_tuple("SetHelperMode").field(mode).finish(),
            Self::AttachHelpersByPort(on) => f.debug_tuple("AttachHelpersByPort").field(on).finish(),
            Self::SetSysctl(name, value) => f.debug_tuple("SetSysctl").field(name).field(value).finish(),
            Self::SetSysctls(name, values) => f.debug_tuple("SetSysctls").field(name).field(values).finish(),
            Self::OfferUdp(service) => f.debug_tuple("OfferUdp").field(service).finish(),
            Self::Subscribe(subscription) => f.debug_tuple("Subscribe").field(subscription).finish(),
            Self::Trace(level) => f.debug_tuple("Trace").field(level).finish(),
            Self::Script(values) => f.debug_tuple("Script").field(values).finish(),
            Self::SendPacket(bytes) => f.debug_tuple("SendPacket").field(&bytes.len()).finish(),
            Self::ServeHost(on) => f.debug_tuple("ServeHost").field(on).finish(),
            Self::ForgetDestinations(network) => f.debug_tuple("ForgetDestinations").field(network).finish(),
            Self::FlushConntrack => f.write_str("FlushConntrack"),
            Self::ForgetConnections(serials) => f.debug_tuple("ForgetConnections").field(serials).finish(),
            Self::ForgetPart(from, condemned) => f.debug_tuple("ForgetPart").field(from).field(condemned).finish(),
            Self::RevisePart(from, which, revision) => {
                f.debug_tuple("RevisePart").field(from).field(which).field(revision).finish()
            }
            Self::ForgetCounted(ids) => f.debug_tuple("ForgetCounted").field(ids).finish(),
            Self::ForgetExpectations(numbers) => f.debug_tuple("ForgetExpectations").field(numbers).finish(),
        }
    }
}

/// What a command that was carried out answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Nothing but that it is done.
    Done,
    /// The number of the device that was added.
    Device(DeviceId),
    /// The number of the helper that was loaded.
    Helper(HelperId),
    /// How many were forgotten.
    Forgotten(usize),
    /// The same of a part, and the slot with which the next part begins, if there is one.
    ForgottenPart(usize, Option<u32>),
    /// So many connections of a part were changed; the next part begins with this slot, if there is one.
    RevisedPart(usize, Option<u32>),
}

/// Which connections are to be forgotten.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condemned {
    /// Those with these serial numbers, which go up.
    Numbered(Arc<[u64]>),
    /// Those with this serial number or a lower one: all that were there when it was the newest
    /// ([`Conntrack::newest_serial`](crate::conntrack::Conntrack::newest_serial)).
    UpTo(u64),
}

impl Condemned {
    /// Whether one with that number is among them.
    #[must_use]
    pub fn holds(&self, serial: u64) -> bool {
        match self {
            Self::Numbered(serials) => serials.binary_search(&serial).is_ok(),
            Self::UpTo(newest) => serial <= *newest,
        }
    }
}

/// Why a command was not carried out; nothing has changed then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CommandError {
    /// There is no room for another device; the number is the most there can be.
    TooManyDevices(usize),
    /// There is no room for another permanent neighbour; the number is the most there can be.
    TooManyNeighbours(usize),
    /// A device's name is empty, longer than 15 bytes, or taken.
    DeviceName(String),
    /// A device's MTU is not within 68 to 65535 bytes.
    DeviceMtu(u32),
    /// A VLAN is there already, has no parent, more bytes than it or too many below it, or a number or protocol that no VLAN
    /// has; or it is a second loopback device.
    DeviceKind(Kind),
    /// A bond cannot be so.
    Bond(BondOptionsError),
    /// The device is no bond, or there are as many bonds as there can be, or it would have no port or too many.
    NoBond(DeviceId),
    /// The device cannot be a port of the bond: it is no physical one, is told twice, is a port of another bond, has addresses or VLANs,
    /// or takes smaller packets than the bond, or has the same Ethernet address as another one where each needs its own.
    BondPort(DeviceId),
    /// The device cannot have the feature, or cannot be without it: it would have to be switched on (true) or off.
    FeatureFixed(Feature, bool),
    /// There is no device of that number.
    NoDevice(DeviceId),
    /// The device has that address already, its prefix is longer than the address, or there is no room for another.
    Address(InterfaceAddress),
    /// The route is there already, its prefix is longer than an address, its router is of
    /// the other family, a metric lies outside its range, or there is no room for another.
    Route(Box<Route>),
    /// A helper was not loaded.
    Helper(LoadError),
    /// There is no helper of that number.
    NoHelper(HelperId),
    /// A rule attaches the helper.
    HelperInUse {
        /// The helper's name.
        helper: String,
        /// The text that holds the rule.
        file: String,
        /// Its line there, from 1.
        line: u32,
    },
    /// A timeout policy cannot be.
    TimeoutPolicy(TimeoutPolicyError),
    /// A tunable has no such name, can only be read, or the value lies outside its range.
    Sysctl(String, SysctlError),
    /// The service cannot be offered on this port.
    Service(u16, SocketError),
    /// The bytes are no packet that this host could send.
    Packet(crate::DropReason),
}

impl fmt::Display for CommandError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyDevices(most) => write!(f, "there can be {most} devices at most"),
            Self::TooManyNeighbours(most) => write!(f, "there can be {most} neighbours at most"),
            Self::DeviceName(name) => write!(f, "device name '{name}' must be new and 1 to 15 bytes long"),
            Self::DeviceMtu(mtu) => write!(f, "MTU {mtu} must be within 68 to 65535"),
            Self::DeviceKind(Kind::Vlan(Vlan { parent, tpid, id })) => {
                write!(
                    f,
                    "VLAN {id} of protocol {tpid:#06x} must be new, its number 0 to {} and its protocol 0x8100 or ",
                    Vlan::ID_MAX
                )?;
                write!(f, "0x88a8, and device number {} must be there, take its packets, ", parent.0)?;
                write!(f, "and be no more than {VLAN_DEPTH_MAX} VLANs above a port")
            }
            Self::DeviceKind(Kind::Loopback | Kind::Physical | Kind::Bond) => {
                f.write_str("there is one loopback device")
            }
            Self::Bond(error) => write!(f, "{error}"),
            Self::NoBond(device) => {
                write!(f, "device number {} must be one of {BONDS_MAX} bonds at most, ", device.0)?;
                write!(f, "and have 1 to {BOND_PORTS_MAX} ports")
            }
            Self::BondPort(device) => {
                write!(
                    f,
                    "device number {} must be a physical one of no other bond, without addresses and VLANs, ",
                    device.0
                )?;
                f.write_str("and take packets as large as the bond's to be a port of it; ")?;
                f.write_str("in balance-tlb and balance-alb with an Ethernet address of its own")
            }
            Self::FeatureFixed(feature, on) => {
                write!(f, "{} cannot be switched {} for such a device", feature.name, if *on { "on" } else { "off" })
            }
            Self::NoDevice(device) => write!(f, "there is no device number {}", device.0),
            Self::Address(address) => {
                let longest = prefix::longest(address.address);
                write!(f, "address {}/{} must be new and its prefix 0 to {longest}", address.address, address.prefix)
            }
            Self::Route(route) => {
                let (destination, longest) = (route.destination, prefix::longest(route.destination));
                write!(f, "route to {destination}/{} must be new, its prefix 0 to {longest} ", route.prefix)?;
                f.write_str("and its router of the same address family, with metrics in their ranges")
            }
            Self::Helper(error) => write!(f, "{error}"),
            Self::NoHelper(id) => write!(f, "there is no helper number {}", id.0),
            Self::HelperInUse { helper, file, line } => {
                write!(f, "helper '{helper}' is attached by the rule at {file}:{line}: take that away first")
            }
            Self::TimeoutPolicy(error) => write!(f, "{error}"),
            Self::Sysctl(name, SysctlError::Unknown) => write!(f, "there is no sysctl '{name}'"),
            Self::Sysctl(name, SysctlError::ReadOnly) => write!(f, "sysctl '{name}' can only be read"),
            Self::Sysctl(name, SysctlError::OutOfRange { min, max }) => {
                write!(f, "sysctl '{name}' must be within {min} to {max}")
            }
            Self::Service(port, error) => write!(f, "no service on UDP port {port}: {}", error.meaning()),
            Self::Packet(reason) => write!(f, "not a packet this host could send: {}", reason.meaning()),
        }
    }
}

impl core::error::Error for CommandError {}
