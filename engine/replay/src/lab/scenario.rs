//! A scenario as plain data: hosts, links, connections, and what happens when.

use core::time::Duration;

use towpath_engine::{
    DeviceId,
    device::{Feature, Features, bond, napi::Options},
    ip::RouteMetrics,
    socket::SocketOption,
};

use super::{load::Load, words::Chance};

/// What is played.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The file that it was read from.
    pub file: String,
    /// What it is to show, in a sentence; may be empty.
    pub title: String,
    /// What all chance comes from.
    pub seed: u64,
    /// When it ends at the latest.
    pub until: Duration,
    /// How often connections and queues are looked at; none: 250 to 500 times, however long the run takes.
    pub sample: Option<Duration>,
    /// The time in which goodputs are measured; none: each connection's own.
    pub measure: Option<(Duration, Duration)>,
    /// The hosts.
    pub hosts: Vec<Host>,
    /// The switches: they are numbered on behind the hosts.
    pub switches: Vec<Switch>,
    /// The links between them all.
    pub links: Vec<Link>,
    /// The connections.
    pub connections: Vec<Conversation>,
    /// The loads.
    pub loads: Vec<Load>,
    /// What changes on the way, in order of time.
    pub events: Vec<Change>,
}

impl Scenario {
    /// The name of a host or switch, by its number.
    #[must_use]
    pub fn name_of(&self, node: usize) -> &str {
        let switch = || self.switches.get(node - self.hosts.len()).map(|switch| switch.name.as_str());
        self.hosts.get(node).map(|host| host.name.as_str()).or_else(switch).unwrap_or("?")
    }

    /// The bonds of a host, or the groups of a switch.
    #[must_use]
    pub fn aggregates_of(&self, node: usize) -> &[Aggregate] {
        let groups = || self.switches.get(node - self.hosts.len()).map(|switch| &switch.groups[..]);
        self.hosts.get(node).map(|host| &host.bonds[..]).or_else(groups).unwrap_or_default()
    }

    /// The links at a host or switch: its devices or ports are numbered in their order.
    pub fn links_of(&self, node: usize) -> impl Iterator<Item = usize> {
        self.links.iter().enumerate().filter(move |(_, link)| link.ends.contains(&node)).map(|(number, _)| number)
    }

    /// The device or port at which a link is.
    #[must_use]
    pub fn device_of(&self, node: usize, link: usize) -> Option<DeviceId> {
        self.links_of(node).position(|known| known == link).map(|place| DeviceId(place as u16))
    }
}

/// A host.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// Tunables by their `/proc/sys` names.
    pub sysctls: Vec<(String, Vec<u32>)>,
    /// Features of its devices that are not as they are without a word.
    pub features: Vec<(Feature, bool)>,
    /// Its CPUs, and what the NIC at each of its links is; none: frames cost nothing, and each one is a poll.
    pub hardware: Option<Options>,
    /// Its bonds.
    pub bonds: Vec<Aggregate>,
    /// What its routes say of all ways.
    pub metrics: RouteMetrics,
}

impl Host {
    /// The features that its devices have, once these are as they are said to be.
    pub(super) fn features_of(said: &[(Feature, bool)]) -> Features {
        said.iter().fold(Features::WIRE, |features, (feature, is_on)| features.with(*feature, *is_on))
    }
}

/// A switch.
#[derive(Clone, Debug)]
pub struct Switch {
    /// Its name.
    pub name: String,
    /// How long it remembers where a station is that says nothing.
    pub ageing: Duration,
    /// How many stations it remembers.
    pub stations_max: usize,
    /// Ports that are one to it.
    pub groups: Vec<Aggregate>,
}

/// Links that are one to a host, whose bond they are, or to a switch.
#[derive(Clone, Debug)]
pub struct Aggregate {
    /// Its name.
    pub name: String,
    /// The numbers of the links.
    pub links: Vec<usize>,
    /// How it uses them.
    pub options: bond::Options,
}

/// A link between two hosts, switches, or one of each.
#[derive(Clone, Debug)]
pub struct Link {
    /// Its name.
    pub name: String,
    /// The numbers of the hosts or switches at its ends.
    pub ends: [usize; 2],
    /// The largest packet, in bytes.
    pub mtu_bytes: u32,
    /// From the first end to the second, and back.
    pub ways: [Way; 2],
}

/// What a link does to what goes over it in one direction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// Whether anything goes over it, and who is at its end sees a carrier.
    pub is_up: bool,
    /// Whether all that it is to carry is lost, and nobody sees that.
    pub is_silent: bool,
    /// Bits a second, the Ethernet header counted; none: any number.
    pub rate_bps: Option<u64>,
    /// How long a frame is on its way.
    pub delay: Duration,
    /// By how much more at most; frames stay in order.
    pub jitter: Duration,
    /// Which frames are lost on the way.
    pub loss: Loss,
    /// How often a frame comes twice.
    pub duplicate: Chance,
    /// How often a frame comes late, so that later ones overtake it, and by how much.
    pub reorder: Option<(Chance, Duration)>,
    /// What waits to be sent.
    pub queue: Queue,
}

impl Default for Way {
    fn default() -> Self {
        Self {
            is_up: true,
            is_silent: false,
            rate_bps: None,
            delay: Duration::ZERO,
            jitter: Duration::ZERO,
            loss: Loss::None,
            duplicate: Chance::NEVER,
            reorder: None,
            queue: Queue::default(),
        }
    }
}

/// Which frames are lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// None.
    None,
    /// Each by lot.
    Random(Chance),
    /// Each N-th one.
    Every(u64),
    /// These, counted from 1.
    These(Vec<u64>),
    /// In bursts: a chain of two states (Gilbert: "Capacity of a burst-noise channel", 1960; Elliott, 1963).
    Burst {
        /// How often a frame makes good times bad.
        enters: Chance,
        /// How often a frame makes bad times good.
        leaves: Chance,
        /// How often a frame is lost in good times.
        good: Chance,
        /// The same in bad times.
        bad: Chance,
    },
}

/// What waits at the head of a link that has a rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Queue {
    /// How much may wait.
    pub bound: Bound,
    /// CoDel's target and interval; none: what finds no room is lost, and nothing else is.
    pub codel: Option<Codel>,
}

impl Default for Queue {
    fn default() -> Self {
        Self { bound: Bound::Packets(1000), codel: None }
    }
}

/// How much may wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bound {
    /// So many frames.
    Packets(u64),
    /// Frames of so many bytes in all.
    Bytes(u64),
}

/// CoDel's two numbers (RFC 8289, section 4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Codel {
    /// How long frames may wait.
    pub target: Duration,
    /// For how long they may wait longer.
    pub interval: Duration,
}

impl Default for Codel {
    fn default() -> Self {
        Self { target: Duration::from_millis(5), interval: Duration::from_millis(100) }
    }
}

/// A connection and what is said over it.
#[derive(Clone, Debug)]
pub struct Conversation {
    /// Its name.
    pub name: String,
    /// The number of the host that connects, and of the one that it connects to.
    pub ends: [usize; 2],
    /// Whether it is over IPv6.
    pub is_v6: bool,
    /// The port that is connected to.
    pub port: u16,
    /// The port that is connected from; none: one by lot.
    pub local_port: Option<u16>,
    /// When it is asked for.
    pub at: Duration,
    /// How many bytes the first end says in a round; none: it never stops.
    pub send: Option<u64>,
    /// How many bytes the second end answers once it has read those.
    pub answer: u64,
    /// How many rounds there are.
    pub rounds: u64,
    /// How long the first end waits between an answer and its next round.
    pub pause: Duration,
    /// When the first end stops, whatever it has said.
    pub stop: Option<Duration>,
    /// From when until when nobody reads at the second end.
    pub deaf: Option<(Duration, Duration)>,
    /// Who closes the connection when all has been said; none: nobody.
    pub closes: Option<End>,
    /// Options of the sockets of both ends.
    pub options: [Vec<SocketOption>; 2],
}

/// An end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum End {
    /// The one that connects.
    From,
    /// The one that it connects to.
    To,
}

impl End {
    /// Both.
    pub const BOTH: [Self; 2] = [Self::From, Self::To];

    /// The other one.
    #[must_use]
    pub const fn other(self) -> Self {
        match self {
            Self::From => Self::To,
            Self::To => Self::From,
        }
    }
}

/// Something that changes at a time.
#[derive(Clone, Debug)]
pub struct Change {
    /// When.
    pub at: Duration,
    /// What.
    pub what: Changed,
}

/// What is another from then on.
#[derive(Clone, Debug)]
pub enum Changed {
    /// A link.
    Link {
        /// The link's number.
        link: usize,
        /// What its ways are like from then on; none: as before.
        ways: Box<[Option<Way>; 2]>,
    },
    /// The rings of a host's NICs (`ethtool -G`).
    Rings {
        /// The host's number.
        host: usize,
        /// Frames of one queue's receive ring.
        rx: u16,
        /// Descriptors of one queue's transmit ring.
        tx: u16,
    },
}
