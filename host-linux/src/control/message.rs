//! What is said at the control socket.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};
use towpath_engine::{
    Change, Instant,
    conntrack::{Entry, ExpectationEntry, Family, Revision},
    netfilter::{Hook, ListOptions, SetListing, TableName},
    socket::SocketEntry,
};

use crate::{helpers::Loaded, stats::Report, tracking::Counted};

/// The version of these messages. A gateway and a client of different versions do not talk to each other: they say so.
pub const VERSION: u32 = 17;

/// What a client says, once, when it has connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`] of the client. This field stays in all versions.
    pub version: u32,
    /// What it wants.
    pub request: Request,
}

/// What a client wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// All there is of something, then [`Reply::Done`].
    List(Topic),
    /// All connections, then [`Reply::Done`]; what each has carried is counted anew from then on.
    ListAndForgetCounted,
    /// Each thing that happens to something, until the client leaves; what it reads too slowly is lost, and [`Reply::Lost`] is in its
    /// place.
    Watch(Topic),
    /// One [`Reply::Stats`], then [`Reply::Done`].
    Stats,
    /// One [`Reply::Count`]: how many there are.
    Count(Topic),
    /// One [`Reply::Tracking`].
    Tracking,
    /// Forgets connections by their serial numbers, or expectations by their numbers; one [`Reply::Count`]: how many were
    /// there.
    Forget(Topic, Vec<u64>),
    /// Changes connections by their serial numbers; one [`Reply::Count`]: how many have changed.
    Revise(Revision, Vec<u64>),
    /// Forgets all connections with their expectations, or all expectations; one [`Reply::Count`].
    Flush(Topic),
    /// One [`Reply::State`]; so many bytes follow it, and then [`Reply::Done`].
    SaveState,
    /// So many bytes follow, a snapshot. [`Reply::Done`]: the gateway goes on from it.
    LoadState(u64),
    /// The rules of a family as `iptables-save` prints them, with each rule's counters or without: one [`Reply::Text`].
    SaveRules(Family, bool),
    /// A table as `iptables -L` prints it: one [`Reply::Text`].
    ListRules(Family, TableName, ListOptions),
    /// The set of that name, or all, as ipset(8) shows them: one [`Reply::Text`].
    ShowSets(Option<String>, SetListing),
    /// What `-m recent` has seen, in the list of that name, as `/proc/net/xt_recent` tells it; without one, the names of all lists:
    /// one [`Reply::Text`].
    ShowRecent(Option<String>),
    /// The texts of these rules follow, one behind the other. [`Reply::Done`]: they have taken the place of all rules of
    /// their family at once, and connections have stayed; refused, nothing has changed.
    ApplyRules(NewRules),
    /// Forgets what the rules of a table have counted, or those of all tables of a family.
    ZeroRules(Family, Option<TableName>),
    /// One [`Reply::Helper`] for each helper.
    Helpers,
    /// The component follows. One [`Reply::Helper`]: that is loaded now; refused, nothing has changed.
    LoadHelper(NewHelper),
    /// The features of the device of that name as `ethtool -k` prints them: one [`Reply::Text`].
    Features(String),
    /// What ethtool shows of the hardware of the device of that name: one [`Reply::Text`].
    Hardware(Facts, String),
    /// All tunables, as `sysctl -a` prints them: one [`Reply::Text`].
    Tunables,
    /// Sets the values of a tunable; of several the first ones. [`Reply::Done`].
    SetTunable(String, Vec<u32>),
    /// Switches features of a device on or off, by the names that `ethtool -K` takes: one [`Reply::Switched`]; refused, none of them.
    SetFeatures(String, Vec<(String, bool)>),
    /// The bond of that name, or all, as `/proc/net/bonding` prints them: one [`Reply::Text`].
    Bonds(Option<String>),
    /// What is remembered of destinations in that network, or of all, as `ip tcp_metrics show` prints it: one [`Reply::Text`].
    Destinations(Option<(IpAddr, u8)>),
    /// Forgets what is remembered of destinations in that network, or of all; one [`Reply::Count`]: how many there were.
    ForgetDestinations(Option<(IpAddr, u8)>),
    /// Unloads the helper of that name; one [`Reply::Count`]: how many connections it expected.
    UnloadHelper(String),
}

/// What ethtool shows of a device's hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Facts {
    /// `ethtool -g`.
    Rings,
    /// `ethtool -c`.
    Coalescing,
    /// `ethtool -l`.
    Channels,
    /// `ethtool -S`.
    Statistics,
}

/// A component that is to become a helper.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewHelper {
    /// What errors call it.
    pub name: String,
    /// How many bytes it has.
    pub bytes: u64,
    /// Whether it takes the place of the one that has its name, whose connections and their state stay. Else there must be none.
    pub replaces: bool,
    /// Whether it is attached to the ports of its manifest; else by rules alone. One that replaces another is attached where that
    /// one was.
    pub by_ports: bool,
}

/// Rules that take the place of others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NewRules {
    /// Whose packets they are for.
    pub family: Family,
    /// Whether counters in the texts are taken.
    pub counters: bool,
    /// What errors call each text, and how many bytes it has.
    pub texts: Vec<(String, u64)>,
}

/// What is listed, and what becomes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Listing {
    /// What.
    pub topic: Topic,
    /// Whether what connections have carried is forgotten when it is told.
    pub forgets_counted: bool,
}

impl Listing {
    /// A listing that changes nothing.
    #[must_use]
    pub const fn of(topic: Topic) -> Self {
        Self { topic, forgets_counted: false }
    }
}

/// What can be listed and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Connections: [`Reply::Connection`], [`Reply::ConnectionEvent`].
    Connections,
    /// Expectations: [`Reply::Expectation`], [`Reply::ExpectationEvent`].
    Expectations,
    /// What rules tell (LOG, TRACE, NFLOG, AUDIT): [`Reply::Logged`]. Can be watched only.
    Log,
    /// Sockets: [`Reply::Socket`]. Can be listed and counted only.
    Sockets,
}

/// What the gateway answers: any number of the first ones, then one of the last two.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A connection as it is.
    Connection(Box<Entry>),
    /// What happened to a connection, and when.
    ConnectionEvent(Instant, Change, Box<Entry>),
    /// An expectation as it is.
    Expectation(Box<ExpectationEntry>),
    /// What happened to an expectation, and when.
    ExpectationEvent(Instant, Change, Box<ExpectationEntry>),
    /// A socket as it is.
    Socket(Box<SocketEntry>),
    /// All counters.
    Stats(Box<Report>),
    /// A number of what was asked for.
    Count(u64),
    /// What connection tracking has counted.
    Tracking(Counted),
    /// So many bytes follow this message: a snapshot of the gateway.
    State(u64),
    /// So many bytes follow this message: text.
    Text(u64),
    /// What came of asking for features.
    Switched(Switched),
    /// A helper as it is.
    Helper(Box<Loaded>),
    /// What a rule has told, and when.
    Logged(Instant, Box<Logged>),
    /// This many things that happened are not told here, because the watcher has read too slowly. Others follow.
    Lost(u64),
    /// That was all.
    Done,
    /// The request is not answered, and why.
    Refused(String),
}

/// What came of asking for features of a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub struct Switched {
    /// What `ethtool -K` prints: nothing where just that has happened which was asked for.
    pub text: String,
    /// Nothing of what was asked for is so.
    pub is_refused: bool,
}

/// What a rule has told of a packet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Logged {
    /// LOG, or TRACE.
    Log {
        /// `--log-level`, 0 (emerg) to 7 (debug).
        level: u8,
        /// The line, as the kernel log shows it, without the time.
        line: String,
    },
    /// NFLOG.
    Nflog {
        /// `--nflog-group`.
        group: u16,
        /// `--nflog-prefix`.
        prefix: String,
        /// Where the packet was.
        hook: Hook,
        /// The interface it came in by.
        input: Option<String>,
        /// The interface it goes out by.
        output: Option<String>,
        /// Its mark.
        mark: u32,
        /// Who sent the frame, of packets that came in one.
        source: Option<String>,
        /// From the network header on, `--nflog-size` bytes at most.
        bytes: Vec<u8>,
    },
    /// AUDIT.
    Audit {
        /// The record, without its time and number.
        record: String,
    },
}
