//! Plays: a gateway between two networks, and what goes in and must come out of it, in the one notation.
//!
//! ```
//! lab::lab("-P INPUT DROP\n-t nat -A POSTROUTING -o wan -j MASQUERADE").play("
//!     0.000  lan <  10.0.0.2:40000 > 198.51.100.7:80     S  seq 1000 win 64240
//!     0.000  wan >  203.0.113.1:40000 > 198.51.100.7:80  S  seq 1000 win 64240
//!     0.000  lan =  NEW ORIGINAL SYN_SENT [UNREPLIED]
//!     0.020  wan <  198.51.100.7:80 > 203.0.113.1:40000  SA seq 9000 ack 1001
//!     0.020  lan >  198.51.100.7:80 > 10.0.0.2:40000     SA seq 9000 ack 1001
//!     0.500  wan <  198.51.100.7:81 > 203.0.113.1:40000  S  seq 1
//!     0.500  wan x  FilterPolicy
//! ");
//! ```
//!
//! What the signs say is told in [`towpath_replay::play`]; of the devices there are `lan` and `wan`.
//!
//! The gateway is 10.0.0.1/24 on `lan` and 203.0.113.1/24 on `wan`, with the default route to 203.0.113.254; without ARP,
//! unless made by [`lab_with_arp`].

#[cfg(test)]
mod tests;

use std::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use towpath_engine::{
    Command, DeviceId, DropReason, Engine, Instant, Reply,
    device::{Device, Feature, InterfaceAddress, Kind, Vlan},
    ip::{Route, RouteKind, RouteMetrics},
    netfilter::{Loading, RuleSet, Source},
    packet::Sketch,
    random::Draw,
    snapshot::Restoring,
    socket::{Family, ServiceAnswer, UdpService},
    wire::MacAddr,
};

use towpath_replay::play::{Beside, Happening, Player, Script, station_mac};

/// A gateway, ready to play.
pub struct Lab {
    player: Player,
}

/// A gateway with these rules, one a line as one would type them after `iptables`, or as `iptables-save` prints them.
///
/// # Panics
/// When the rules are not right.
#[must_use]
#[track_caller]
pub fn lab(rules: &str) -> Lab {
    let mut lab = Lab::new(false);
    lab.replace_rules(rules);
    lab
}

/// The same gateway on links with ARP: stations have to be asked for their Ethernet addresses.
///
/// # Panics
/// When the rules are not right.
#[must_use]
#[track_caller]
pub fn lab_with_arp(rules: &str) -> Lab {
    let mut lab = Lab::new(true);
    lab.replace_rules(rules);
    lab
}

impl Lab {
    fn new(arp: bool) -> Self {
        let player = Player::new(Engine::new(1), START).expect("an engine can be watched");
        let mut lab = Self { player };
        for (index, (name, address)) in DEVICES.into_iter().enumerate() {
            let address = InterfaceAddress { address: address.into(), prefix: 24 };
            lab.give(Command::AddDevice(Device {
                name: name.into(),
                mac: gateway_mac(index),
                mtu_bytes: 1500,
                addresses: vec![address],
                any_destination: false,
                arp,
                ..Device::default()
            }));
        }
        for helper in towpath_helpers_native::all() {
            lab.give(Command::LoadHelper(helper));
        }
        lab.unicast("0.0.0.0/0", "wan", Some([203, 0, 113, 254].into()))
    }

    fn give(&mut self, command: Command) -> Reply {
        let told = format!("{command:?}");
        self.player.command(command).unwrap_or_else(|error| panic!("{told}: {error}"))
    }

    /// Replaces the rules.
    ///
    /// # Panics
    /// When they are not right.
    #[track_caller]
    pub fn replace_rules(&mut self, text: &str) {
        let helpers = self.player.engine().helpers().known();
        let loading = Loading { counters: false, helpers: &helpers, ..Loading::default() };
        match RuleSet::parse(&[Source { name: "rules", text }], &loading) {
            Ok(rules) => self.give(Command::ReplaceRules(Box::new(rules))),
            Err(error) => panic!("{error}"),
        };
    }

    /// With a tunable set.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn sysctl(mut self, name: &str, value: u32) -> Self {
        self.give(Command::SetSysctl(name.into(), value));
        self
    }

    /// With a route to a network (`"10.1.0.0/16"`) by a device, through a router or not.
    ///
    /// # Panics
    /// When the network or the device is none.
    #[must_use]
    pub fn unicast(self, network: &str, device: &str, via: Option<Ipv4Addr>) -> Self {
        let device = self.player.device(device).unwrap_or_else(|error| panic!("{error}"));
        let kind = RouteKind::Unicast { device, via: via.map(IpAddr::V4) };
        self.route(network, kind, None)
    }

    /// With a route to a network.
    ///
    /// # Panics
    /// When the network is none.
    #[must_use]
    pub fn route(mut self, network: &str, kind: RouteKind, mtu_bytes: Option<u32>) -> Self {
        let (destination, prefix) = network.split_once('/').expect("a network is ADDRESS/PREFIX");
        let destination = destination.parse().expect("an IPv4 address");
        let prefix = prefix.parse().expect("a prefix length");
        self.give(Command::AddRoute(Route {
            metrics: RouteMetrics::of_mtu(mtu_bytes),
            ..Route::new(destination, prefix, kind)
        }));
        self
    }

    /// With another address on a device.
    #[must_use]
    pub fn address(mut self, device: &str, address: [u8; 4], prefix: u8) -> Self {
        let address = InterfaceAddress { address: address.into(), prefix };
        self.give(Command::AddAddress(device_of(device), address));
        self
    }

    /// With a device that has a feature, by its `ethtool -k` name, or has it not.
    ///
    /// # Panics
    /// When there is none of that name.
    #[must_use]
    pub fn feature(mut self, device: &str, name: &str, on: bool) -> Self {
        let feature = Feature::by_name(name).unwrap_or_else(|| panic!("there is no feature '{name}'"));
        self.give(Command::SetFeature(device_of(device), feature, on));
        self
    }

    /// With a device that merges what it receives, and keeps it for that long after a poll.
    #[must_use]
    pub fn merging(mut self, device: &str, flush_timeout: Duration) -> Self {
        self.give(Command::SetGroFlushTimeout(device_of(device), flush_timeout));
        self.feature(device, "gro", true)
    }

    /// With a VLAN, or of protocol 0x88a8 a service VLAN, of a device.
    ///
    /// # Panics
    /// When there can be none.
    #[must_use]
    pub fn vlan(mut self, parent: &str, tpid: u16, id: u16, address: [u8; 4]) -> Self {
        let parent = self.player.device(parent).unwrap_or_else(|error| panic!("{error}"));
        let vlan = Vlan { parent, tpid, id };
        let below = self.engine().devices().find(parent).cloned().unwrap_or_default();
        self.give(Command::AddDevice(Device {
            name: format!("{}.{id}", below.name),
            mtu_bytes: self.engine().devices().vlan_mtu_bytes_max(vlan),
            addresses: vec![InterfaceAddress { address: address.into(), prefix: 24 }],
            kind: Kind::Vlan(vlan),
            ..below
        }));
        self
    }

    /// With a service on the gateway that sends datagrams back.
    #[must_use]
    pub fn echo(mut self, port: u16) -> Self {
        self.give(Command::OfferUdp(UdpService { port, answer: ServiceAnswer::Echo }));
        self
    }

    /// With a stream socket of the gateway that listens on a port, on all its addresses.
    ///
    /// # Panics
    /// When the port is taken.
    #[must_use]
    pub fn listening(mut self, port: u16) -> Self {
        let (now, engine) = (self.player.now(), self.player.engine_mut());
        let id = engine.open_stream(now, Family::Ipv4).expect("there is room");
        let mut socket = engine.socket(now, id).expect("it is open");
        socket.bind((Ipv4Addr::UNSPECIFIED, port).into()).expect("the port is free");
        socket.listen(1).expect("it may listen");
        self
    }

    /// With a machine behind `lo` that takes what nobody here takes.
    #[must_use]
    pub fn serving_host(mut self) -> Self {
        self.give(Command::ServeHost(true));
        self
    }

    /// With helpers attached to their standard ports.
    #[must_use]
    pub fn helpers(mut self) -> Self {
        self.give(Command::AttachHelpersByPort(true));
        self
    }

    /// With these values where the engine draws by lot.
    #[must_use]
    pub fn draws(mut self, draws: &[(Draw, u32)]) -> Self {
        self.give(Command::Script(Some(draws.to_vec())));
        self
    }

    /// Asks something of the gateway.
    pub fn command(&mut self, command: Command) -> &mut Self {
        self.give(command);
        self
    }

    /// The engine.
    #[must_use]
    pub const fn engine(&self) -> &Engine {
        self.player.engine()
    }

    /// Another gateway takes over, from a snapshot of this one.
    ///
    /// # Panics
    /// When the snapshot is refused.
    #[track_caller]
    pub fn fail_over(&mut self) -> &mut Self {
        let restoring = Restoring { helpers: towpath_helpers_native::all(), ..Restoring::default() };
        self.player.fail_over(restoring).unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// Goes on with the connections of another gateway, and with rules and tunables of its own.
    ///
    /// # Panics
    /// When the snapshot is refused.
    #[must_use]
    #[track_caller]
    pub fn resuming(mut self, other: &Self) -> Self {
        let resumed = self.player.engine_mut().resume(&other.engine().save(), false);
        resumed.unwrap_or_else(|error| panic!("{error}"));
        self
    }

    /// Plays. A second play goes on where the first has ended; its times count from there.
    ///
    /// # Panics
    /// When something else happens than is written.
    #[track_caller]
    pub fn play(&mut self, text: &str) -> &mut Self {
        let script = Script::read(text).unwrap_or_else(|error| panic!("{error}"));
        script.check_devices(&["lan", "wan", "lo"]).unwrap_or_else(|error| panic!("{error}"));
        match self.player.play(&script, |_| {}) {
            Ok(Ok(())) => {}
            Ok(Err(told)) => panic!("the play went otherwise (- written, + happened):\n{told}"),
            Err(error) => panic!("{error}"),
        }
        self
    }

    /// A frame as it is goes in by a device, now: the reasons for which packets end. See [`frame`].
    pub fn drops_of(&mut self, device: &str, frame: &[u8]) -> Vec<DropReason> {
        self.player
            .receive(device_of(device), frame.to_vec(), &Beside::default())
            .iter()
            .filter_map(Happening::drop_reason)
            .collect()
    }

    /// The reasons for which packets end while something is done.
    pub fn drops_while(&mut self, act: impl FnOnce(&mut Self)) -> Vec<DropReason> {
        act(self);
        self.player.look_again().iter().filter_map(Happening::drop_reason).collect()
    }

    /// The reasons for which packets end while `seconds` go by.
    pub fn drops_within(&mut self, seconds: u64) -> Vec<DropReason> {
        let end = self.player.now() + Duration::from_secs(seconds);
        self.player.until(end).iter().filter_map(Happening::drop_reason).collect()
    }
}

/// The frame with which somebody on a device's link sends a packet to the gateway.
///
/// # Panics
/// When the line is no packet.
#[must_use]
#[track_caller]
pub fn frame(device: &str, line: &str) -> Vec<u8> {
    let sketch: Sketch = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
    let id = device_of(device);
    sketch.frame(station_mac(id), gateway_mac(usize::from(id.0)))
}

/// The device of that name.
fn device_of(name: &str) -> DeviceId {
    let index = DEVICES.iter().position(|(known, _)| *known == name);
    DeviceId(index.unwrap_or_else(|| panic!("there is no device '{name}', only lan and wan")) as u16)
}

/// The gateway's Ethernet address on a device.
const fn gateway_mac(device: usize) -> MacAddr {
    MacAddr([2, 0, 0, 0, device as u8 + 1, 1])
}

const DEVICES: [(&str, Ipv4Addr); 2] = [("lan", Ipv4Addr::new(10, 0, 0, 1)), ("wan", Ipv4Addr::new(203, 0, 113, 1))];
/// When plays start: late enough that nothing is older than the clock.
const START: Instant = Instant::from_secs(1_000_000);
