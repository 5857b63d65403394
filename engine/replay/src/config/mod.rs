//! `gateway.toml`: one file that describes a gateway for the wire and for a capture.
//!
//! [`Config::read`] takes the text and gives plain data or one [`ConfigError`] with file, line and column;
//! [`Config::commands`] turns the data into what an engine is told. Reading the files that a configuration names is
//! its caller's part.
//!
//! # Reference
//!
//! Every table may be missing. `host-linux/examples/gateway.toml` is a whole one with comments.
//!
//! | key | what it says |
//! |---|---|
//! | `seed` | number; what the engine draws its lots and its secrets from. In a replay the default is 0; on a wire it is drawn from the system, and `run` warns of another one |
//!
//! `[[interface]]`, one for each of the gateway's interfaces, in the order of their numbers:
//!
//! | key | what it says |
//! |---|---|
//! | `name` | as rules name it (`-i`, `-o`): 1 to 15 bytes |
//! | `addresses` | list of IPv4 addresses with prefix lengths, the primary one first; each makes a route to its network |
//! | `mac` | its Ethernet address. Default on a wire: the device's own; in a replay `02:00:00:00:00:N` with N from 0x10 |
//! | `mtu` | 68 to 65535 bytes. Default on a wire: the device's own; in a replay 1500 |
//! | `arp` | false: its neighbours are not asked for their addresses, as on a device with NOARP. Default: true on a wire, false in a replay, where nobody would answer |
//! | `device` | the device that `towpath run` opens for it. Default: its name |
//! | `features` | a table of features that its device has or has not: `tx` (`tx-checksumming`), `sg` (`scatter-gather`), `tso` (`tcp-segmentation-offload`) and its parts, `tx-udp-segmentation`; true or false, by the names of `ethtool -k`. What is false is done before the device gets a packet; `tso` is false without `tx` and `sg`. Default: true, but for `tx-tcp-mangleid-segmentation`. `rx` (`rx-checksumming`), default true: what the device says of checksums counts, else they are verified here. `gro` (`generic-receive-offload`), default false, merges segments that come in one poll, and with `rx-udp-gro-forwarding` datagrams as well; `rx-gro-list` keeps both as a list of the frames that have come, whose checksums nobody has to compute again; `rx-gro-hw` merges segments as a device does that merges them by the same rules, and `lro` (`large-receive-offload`) as one by looser ones: for this host's own connections, as what it has merged is not forwarded but dropped; these four default to false; `rxhash` (`receive-hashing`) tells flows apart before |
//! | `gro_flush_timeout` | nanoseconds that it keeps what it may merge with what comes in later polls, as `/sys/class/net/DEVICE/gro_flush_timeout`; 0, the default: not beyond the poll. In a replay each packet is a poll, so that nothing is merged without |
//! | `capture` | in a replay: the capture's interface that stands for it, by name or by number from 0; `"ifindex:N"` is the kernel's number N in a Linux cooked v2 capture. Also a list |
//! | `networks` | in a replay: list of networks whose hosts lie behind it, beside those of addresses and routes |
//!
//! `[[bond]]`, one for each bond over interfaces, under the names of the options of Linux's bonding driver, whose defaults are theirs; their
//! numbers follow those of the interfaces:
//!
//! | key | what it says |
//! |---|---|
//! | `name` | as rules name it: 1 to 15 bytes |
//! | `ports` | list of its interfaces, which have no addresses and are in no other bond; rules name the bond, never them |
//! | `mode` | `"balance-rr"` (default), `"active-backup"`, `"balance-xor"`, `"broadcast"`, `"802.3ad"`, `"balance-tlb"` or `"balance-alb"` |
//! | `miimon` | milliseconds from one look at the links to the next. Default: 0, which is never: all links count as up, and only the modes that send by several ports pass over those without a carrier; 100 in modes 802.3ad, balance-tlb and balance-alb, which cannot be without |
//! | `updelay`, `downdelay` | milliseconds that a link has to be up, or down, before that counts; rounded down to whole `miimon`, without a warning |
//! | `primary`, `primary_reselect` | of active-backup, balance-tlb and balance-alb only, the port that is preferred, and when it takes over again: `"always"`, `"better"` or `"failure"` |
//! | `fail_over_mac` | of active-backup, `"none"`: all ports have the bond's address; `"active"`: the bond has the active one's; `"follow"`: the active one has the bond's |
//! | `num_grat_arp`, or `num_unsol_na` | how often neighbours are told when another port is the active one, 0 to 255; one option under two names |
//! | `peer_notif_delay` | milliseconds from one time to the next; default: each `miimon` |
//! | `arp_interval` | not in modes 802.3ad, balance-tlb and balance-alb, and not together with `miimon`: milliseconds from one question to the next, by which links are judged: one carries by which something comes back. Default: 0, nobody is asked; nor in a replay without `arp = true`, so that all links are up there. Beside an `arp` that says false, the bond's own or its first port's, it is refused |
//! | `arp_ip_target`, `ns_ip6_target` | whom to ask, lists of 16 addresses at most: IPv4 by ARP, with the tags of the VLAN that they lie in, and IPv6 by neighbour solicitations |
//! | `arp_validate` | what counts as an answer: `"none"` (default), anything; `"filter"`, anything about neighbours; `"active"`, `"backup"`, `"all"`: of the active port, of the others, of both, only what targets say to this host, or the active port's own questions that the others hear; `"filter_active"`, `"filter_backup"`: so of these, and as with `"filter"` of the others |
//! | `arp_all_targets` | of active-backup that validates, `"any"` (default) or `"all"` IPv4 targets have to answer |
//! | `arp_missed_max` | intervals without an answer after which a link is down, 1 to 255; default 2 |
//! | `tlb_dynamic_lb` | of balance-tlb and balance-alb only, true (default): flows are dealt to ports anew every ten seconds; false: a hash says by which one each leaves |
//! | `lp_interval` | of these modes, seconds from one learning packet for switches to the next, 1 (default) to 3600; Linux takes more. balance-tlb sends none without `tlb_dynamic_lb` |
//! | `xmit_hash_policy` | of balance-xor and 802.3ad, of balance-tlb, and of balance-alb without `tlb_dynamic_lb`, `"layer2"`, `"layer2+3"`, `"layer3+4"`, `"encap2+3"`, `"encap3+4"` or `"vlan+srcmac"` |
//! | `packets_per_slave` | of balance-rr only, packets by a port before the next one's turn; 0: by lot |
//! | `lacp_rate`, `lacp_active` | of 802.3ad only, how often LACPDUs are asked for, `"slow"` (default) or `"fast"`; false: none are sent before some have come |
//! | `ad_select`, `min_links` | of 802.3ad, by what the aggregator is chosen, `"stable"` (default), `"bandwidth"`, `"count"` or `"actor_port_prio"`; how many of its ports have to be up |
//! | `actor_port_prio` | of 802.3ad only, list of the ports' priorities in their order, 0 to 65535; default 255 |
//! | `ad_actor_sys_prio`, `ad_actor_system`, `ad_user_port_key` | of 802.3ad only, what LACPDUs say of this system: its priority, its address, the upper bits of its keys |
//! | `all_slaves_active` | of active-backup, 802.3ad, balance-tlb and balance-alb, true: what comes in by ports that are not the active one is taken, too |
//! | `addresses`, `mac`, `mtu`, `arp`, `networks` | as of an interface. Default of `mac` and `arp`: its first port's; of `mtu`: the least of its ports' |
//!
//! What is said to be *of* some mode has no effect in others, as in Linux; what is *only* for one is refused in others.
//!
//! Links are what `towpath run` finds them to be; in a replay all are up.
//!
//! `[[vlan]]`, one for each VLAN whose tagged frames an interface or a bond has; their numbers follow those of the bonds:
//!
//! | key | what it says |
//! |---|---|
//! | `parent` | the interface or bond, or a `[[vlan]]` above it |
//! | `id` | the number in the tag: 0 to 4094 |
//! | `protocol` | `"802.1Q"` (default) or `"802.1ad"`, the service tag around others |
//! | `name` | as rules name it. Default: `PARENT.ID` |
//! | `addresses`, `mac`, `mtu`, `arp`, `networks` | as of an interface. Default of `mac`, `mtu` and `arp`: its parent's. `towpath run` leaves a VLAN no more MTU than its tags leave of the device's: one of 802.1Q has room beyond that in a packet socket's frames, each one in it and each of 802.1ad takes 4 bytes |
//!
//! Tagged frames of VLANs that are not told are dropped, unless none is told at all: then a replay takes tags for the
//! capture's network's, and reads what they are around.
//!
//! `[[route]]`:
//!
//! | key | what it says |
//! |---|---|
//! | `to` | a network, an address, or `"default"` |
//! | `via` | the next hop |
//! | `interface` | the interface it leaves by; may be left out when `via` lies in an interface's network |
//! | `kind` | `"blackhole"`, `"unreachable"` or `"prohibit"` instead of the two before |
//! | `metric`, `mtu` | numbers; default 0, and the interface's MTU |
//! | `mtu_lock` | true: over IPv4 its packets are such that routers can cut them, and are not made smaller when somebody says that they are too large |
//! | `rtt`, `rttvar` | milliseconds, 1 to 120000: what is remembered of round trips there to begin with (`ip tcp_metrics`) |
//! | `ssthresh`, `cwnd`, `reordering` | what is remembered of the slow start threshold, the congestion window and reordering, in segments: 1 to 33554432, of `reordering` to 65535 |
//! | `rtt_lock`, `rttvar_lock`, `ssthresh_lock`, `cwnd_lock`, `reordering_lock` | true: connections that end change nothing of it; a locked `cwnd` is also the upper bound of their windows |
//! | `advmss` | the MSS that SYNs tell, 36 to 65495; default: what the MTU has room for |
//! | `initcwnd`, `initrwnd` | the congestion window that connections begin with, and the window that they tell first at most, in segments, 1 to 65535; default 10, and what the buffer has room for |
//! | `rto_min` | milliseconds, 1 to 120000, instead of `net.ipv4.tcp_rto_min_us` |
//! | `quickack` | true: acknowledgements do not wait |
//! | `fastopen_no_cookie` | true: Fast Open needs no cookie |
//!
//! What begins with `rtt` is about the gateway's own connections: those of relays and services, and of `towpath lab`.
//!
//! `[[neighbour]]`: `interface`, `address`, `mac`: a neighbour that is known for good.
//!
//! `[rules]`: `v4` and `v6`: a file in the format of `iptables-save`, and one in that of `ip6tables-save`; `sets`: one in that of
//! `ipset save`, with the sets that both may name. Relative paths start at the configuration's folder.
//!
//! `[host]`: the programs of the machine that the gateway runs on send and receive through it, as through their kernel. `device` is the
//! name of the TUN device that `towpath run` makes for them. What they send passes OUTPUT; what has passed INPUT and the gateway does not
//! take itself (it answers neighbours, pings and `[[service]]`s) is theirs. Addresses and routes of the device are given by ip(8): the
//! gateway's own addresses, or programs cannot answer, and a route to whom they are to reach. In a replay such packets leave by `lo`, and
//! what a machine has sent to itself, as a capture of `lo` holds it, passes OUTPUT and INPUT; without `[host]` the gateway has no part in that.
//!
//! `[[helper]]`, a conntrack helper that is attached to its ports without a rule:
//!
//! | key | what it says |
//! |---|---|
//! | `name` | as `-j CT --helper` names it |
//! | `component` | a file with the component; without it, the one that comes with the program |
//! | `ports` | list of ports and ranges it is attached to, instead of the manifest's; `[]`: only by rules |
//! | `expect_ports` | range of ports it may expect |
//! | `expectations`, `timeout` | how many expectations may wait for one connection, at least 1, and how long |
//! | `rewrite_bytes` | how many bytes a rewrite may add or remove; 0 forbids it |
//! | `fuel`, `memory_bytes` | bounds of one call |
//! | `loose` | false: it may expect only endpoints of its connection |
//! | `on_failure` | `"pass"`, `"drop"` or `"detach"` |
//!
//! All but `ports` and `on_failure` only tighten what the plugin's manifest says: anything looser is an error.
//! The ports are the operator's choice, as they are in a rule.
//!
//! `helper_mode` says how strictly payloads, and what helpers wish for, are taken: `"guarded"`, the default: lines are read
//! one by one, and no payload can name a port below 1024; `"service-ports"`: it can; `"kernel"`: as in Linux,
//! which reads segments as they come, never a connection's first line, and lets any port be named. In the first two,
//! `towpath.helper.expect_max_per_client` of `[sysctl]` (256) bounds how many expectations wait for the connections of one client, an
//! address or 64 bits of IPv6: what announces more goes on as it is, and that is told.
//!
//! `[[timeout]]`, a timeout policy: timeouts of their own for the connections that a rule gives it to:
//!
//! | key | what it says |
//! |---|---|
//! | `name` | as `-j CT --timeout` names it: 1 to 31 bytes, and another one for each family and protocol |
//! | `protocol` | `"tcp"`, `"udp"`, `"udplite"`, `"sctp"`, `"icmp"`, `"icmpv6"`, `"gre"` or `"generic"` (all others); rules name it in `-p` |
//! | `family` | `"ipv4"` (default) or `"ipv6"`: of which rules |
//! | a state of the protocol, as `nfct` calls it | whole seconds from `"1s"` to 24 days, such as `established = "1h"` (Linux takes 0 and 32 bits of them); what is not said is what `[sysctl]` says |
//!
//! The states: of TCP `syn_sent`, `syn_recv`, `established`, `fin_wait`, `close_wait`, `last_ack`, `time_wait`, `close`,
//! `syn_sent2`, and `retrans` and `unacknowledged`, which are the most for a connection whose data is not acknowledged; of UDP,
//! UDP-Lite and GRE `unreplied` and `replied`; of SCTP `closed`, `cookie_wait`, `cookie_echoed`, `established`, `shutdown_sent`,
//! `shutdown_recd`, `shutdown_ack_sent` and `heartbeat_sent`; of the others `timeout`.
//!
//! `[[service]]`, something that the gateway itself offers on all of its addresses:
//!
//! | key | what it says |
//! |---|---|
//! | `kind` | `"echo"` sends back what comes (RFC 862), `"discard"` says nothing (RFC 863), `"chargen"` answers a datagram with 444 characters, and sends lines of them over TCP (RFC 864), `"text"` answers a datagram with a text of its own, `"http"` lets the files of a folder be fetched |
//! | `protocol` | `"udp"` or `"tcp"`; `"text"` is over UDP only, `"http"` over TCP only |
//! | `port` | default: 7, 9, 19 and 80, the kinds' own; `"text"` has none |
//! | `text` | the text, at most 1452 bytes |
//! | `folder` | the folder of `"http"`; relative paths start at the configuration's |
//!
//! `[[relay]]`: who connects to the gateway at TCP port `port` is connected to `to` (`"192.0.2.1:80"`), by a connection of the
//! gateway's own. What is offered over TCP is there on a wire only: in a replay nobody listens.
//!
//! Answers may be longer than questions: who may ask is for the rules of INPUT to say. Over UDP nobody is answered who seems to be
//! such a service himself, this host, or everybody.
//!
//! `[nat]`, how translation depends on peers (RFC 4787, sections 4.1 and 5); what is not said is as in Linux:
//!
//! | key | what it says |
//! |---|---|
//! | `mapping` | `"endpoint-independent"`: a source keeps one endpoint outside, whomever it talks to, and shares it with no other; `"linux"`: another port where a peer's is taken |
//! | `filtering` | `"endpoint-independent"` ("full cone"): everybody may send to that endpoint; `"address-dependent"`: all ports of an address that was sent to; `"linux"`: who was sent to. What is let in so is RELATED to rules |
//!
//! `[sysctl]`: tunables by their `/proc/sys` names, such as `net.netfilter.nf_conntrack_tcp_loose = 0` or
//! `net.ipv4.tcp_congestion_control = "bbr"`.
//!
//! `[capture]`, for replays only: `taken_at` is `"gateway"` when the capture was taken on the gateway itself, so that
//! what its host sent is the gateway's own output, or `"elsewhere"` (a client, a mirror port), so that every packet is
//! somebody's input. Default: `"gateway"` when an interface has `capture`, else `"elsewhere"`.

mod bond;
mod commands;
mod error;
mod file;
mod helper;
mod metrics;
mod reader;
mod service;
mod sysctl;
mod timeout;
mod words;

use core::{net::IpAddr, ops::RangeInclusive, time::Duration};

use towpath_engine::{
    DeviceId,
    conntrack::{
        TimeoutPolicy,
        helper::{FailurePolicy, HelperMode},
    },
    device::{Feature, InterfaceAddress, Vlan},
    ip::Route,
    socket::UdpService,
    wire::MacAddr,
};

pub use self::{
    bond::BondConfig,
    commands::Hardware,
    error::{ConfigError, Mistake},
    service::{StreamProgram, StreamService},
    words::Network,
};
pub(crate) use self::{
    bond::{BOND, BOND_LATER, options as bond_options},
    file::features,
    metrics::{METRICS, metrics},
    reader::{Fault, Table, Text, Value, Word, document},
    sysctl::{sysctls_of, word_of},
    words::DeviceName,
};

/// A gateway, as its configuration describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Config {
    /// The file it was read from, as messages name it.
    pub file: String,
    /// What the engine draws its lots from.
    pub seed: Option<u64>,
    /// The interfaces; the first one becomes device 0.
    pub interfaces: Vec<Interface>,
    /// Bonds over them; the first one becomes the device behind the last interface.
    pub bonds: Vec<BondConfig>,
    /// VLANs over both; the first one becomes the device behind the last bond.
    pub vlans: Vec<VlanConfig>,
    /// The addresses of all of them, and where they stand.
    pub address_places: Vec<Located<InterfaceAddress>>,
    /// What lies behind devices, as their `networks` and the routes say, where it stands.
    pub network_places: Vec<Located<Network>>,
    /// Routes beside those to the interfaces' own networks.
    pub routes: Vec<Route>,
    /// Neighbours that are known for good.
    pub neighbours: Vec<Neighbour>,
    /// The file with IPv4 rules, as the configuration names it.
    pub rules_v4: Option<Located<String>>,
    /// The file with the sets that rules of both families may name.
    pub sets: Option<Located<String>>,
    /// The file with IPv6 rules.
    pub rules_v6: Option<Located<String>>,
    /// The TUN device by which the machine's own programs send and receive, if they do.
    pub host: Option<Located<String>>,
    /// Helpers to load.
    pub helpers: Vec<HelperConfig>,
    /// Timeout policies that rules can name.
    pub timeouts: Vec<TimeoutPolicy>,
    /// How strictly payloads, and what helpers wish for, are taken.
    pub helper_mode: Option<HelperMode>,
    /// Datagram services that it offers.
    pub services: Vec<UdpService>,
    /// What it offers over TCP, relays included; they are for who runs it on a wire, a replay has none.
    pub stream_services: Vec<StreamService>,
    /// Tunables to set; names and values have been checked.
    pub sysctls: Vec<(String, u32)>,
    /// Where a capture of this gateway was taken.
    pub taken_at: Option<TakenAt>,
}

/// An interface of the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name in rules.
    pub name: String,
    /// Its addresses, the primary one first.
    pub addresses: Vec<InterfaceAddress>,
    /// Its Ethernet address.
    pub mac: Option<MacAddr>,
    /// The largest packet it sends, in bytes.
    pub mtu_bytes: Option<u32>,
    /// Whether its neighbours are asked for their addresses.
    pub arp: Option<bool>,
    /// The device that stands for it on a wire.
    pub device: Located<String>,
    /// Features to switch on or off, in this order.
    pub features: Vec<(Feature, bool)>,
    /// How long it keeps what it may merge with what comes in later polls.
    pub gro_flush_timeout: Duration,
    /// The interfaces of a capture that stand for it.
    pub captures: Vec<CaptureName>,
    /// Networks that lie behind it, for splitting a capture by address.
    pub networks: Vec<Network>,
}

/// A VLAN of an interface, or of another VLAN.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VlanConfig {
    /// Its name in rules.
    pub name: String,
    /// What its frames are, and of which device: an interface, or a VLAN before it.
    pub vlan: Vlan,
    /// Its addresses, the primary one first.
    pub addresses: Vec<InterfaceAddress>,
    /// Its Ethernet address; its parent's when `None`.
    pub mac: Option<MacAddr>,
    /// The largest packet it sends, in bytes; what its parent leaves it when `None`.
    pub mtu_bytes: Option<Located<u32>>,
    /// Whether its neighbours are asked for their addresses; as its parent's when `None`.
    pub arp: Option<bool>,
    /// Networks that lie behind it, for splitting a capture by address.
    pub networks: Vec<Network>,
}

/// How a configuration names an interface of a capture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaptureName {
    /// By its name on the capturing host.
    Name(String),
    /// By its number in the capture, from 0.
    Number(u16),
    /// By the kernel's number, which Linux cooked v2 captures tell.
    Ifindex(u32),
}

/// A neighbour that is known for good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Neighbour {
    /// On which link.
    pub device: DeviceId,
    /// Its address.
    pub address: IpAddr,
    /// Its Ethernet address.
    pub mac: MacAddr,
}

/// A helper to load, and how its manifest is tightened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HelperConfig {
    /// Its name.
    pub name: Located<String>,
    /// The file with its component.
    pub component: Option<Located<String>>,
    /// Ports it is attached to.
    pub ports: Option<Vec<RangeInclusive<u16>>>,
    /// Ports it may expect.
    pub expect_ports: Option<Located<RangeInclusive<u16>>>,
    /// Expectations that may wait for one connection.
    pub expectations: Option<Located<u16>>,
    /// How long they may wait.
    pub timeout: Option<Located<Duration>>,
    /// Bytes a rewrite may add or remove.
    pub rewrite_bytes: Option<Located<u16>>,
    /// Fuel of one call.
    pub fuel: Option<Located<u64>>,
    /// Memory of one call.
    pub memory_bytes: Option<Located<u32>>,
    /// Whether it may expect hosts that are no endpoint of its connection.
    pub loose: Option<Located<bool>>,
    /// What a failed call costs.
    pub on_failure: Option<FailurePolicy>,
}

/// Where a capture was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TakenAt {
    /// On the gateway: what its host sent is the gateway's own output.
    Gateway,
    /// Anywhere else: every packet is somebody's input.
    Elsewhere,
}

/// A value and where it stands, for mistakes that show only later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

impl Config {
    /// Reads a configuration. `file` is what messages call it.
    ///
    /// # Errors
    /// The first mistake in the text.
    pub fn read(file: &str, text: &str) -> Result<Self, ConfigError> {
        file::read(file, text).map_err(|fault| located_fault(file, text, fault))
    }

    /// Whether it describes a gateway that packets can come to.
    ///
    /// # Errors
    /// When it has no interface.
    pub fn need_interfaces(&self) -> Result<(), ConfigError> {
        match self.interfaces.is_empty() {
            true => Err(ConfigError { file: self.file.clone(), line: 1, column: 1, mistake: Mistake::NoInterfaces }),
            false => Ok(()),
        }
    }

    /// The bond that becomes that device.
    fn bond(&self, device: DeviceId) -> Option<&BondConfig> {
        self.bonds.get(usize::from(device.0).checked_sub(self.interfaces.len())?)
    }

    /// The VLAN that becomes that device.
    fn vlan(&self, device: DeviceId) -> Option<&VlanConfig> {
        self.vlans.get(usize::from(device.0).checked_sub(self.interfaces.len() + self.bonds.len())?)
    }

    /// The interfaces by which a device's frames come and go: itself, or those that it lies over in the end.
    pub fn ports_of(&self, device: DeviceId) -> impl Iterator<Item = DeviceId> {
        let mut below = device;
        // Each parent stands before what lies over it.
        while let Some(vlan) = self.vlan(below) {
            below = vlan.vlan.parent;
        }
        let ports = self.bond(below).map_or(&[][..], |bond| &bond.ports);
        ports.iter().copied().chain(ports.is_empty().then_some(below))
    }

    /// The bond that an interface is a port of.
    #[must_use]
    pub fn bond_of(&self, port: DeviceId) -> Option<&BondConfig> {
        self.bonds.iter().find(|bond| bond.ports.contains(&port))
    }

    /// All devices in the order of their numbers: their names and addresses.
    pub(crate) fn devices(&self) -> impl Iterator<Item = (&str, &[InterfaceAddress])> {
        let interfaces = self.interfaces.iter().map(|interface| (&interface.name[..], &interface.addresses[..]));
        let bonds = self.bonds.iter().map(|bond| (&bond.name[..], &bond.addresses[..]));
        interfaces.chain(bonds).chain(self.vlans.iter().map(|vlan| (&vlan.name[..], &vlan.addresses[..])))
    }

    /// A mistake that showed later, at something the configuration says.
    #[must_use]
    pub fn mistake_at<T>(&self, place: &Located<T>, mistake: Mistake) -> ConfigError {
        ConfigError { file: self.file.clone(), line: place.line, column: place.column, mistake }
    }
}

/// A mistake with its place in words.
pub(crate) fn located_fault(file: &str, text: &str, fault: Fault) -> ConfigError {
    let (line, column) = reader::line_and_column(text, fault.at);
    ConfigError { file: file.to_owned(), line, column, mistake: fault.mistake }
}

#[cfg(test)]
mod tests;
