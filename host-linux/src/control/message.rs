//! What is said at the control socket.

use serde::{Deserialize, Serialize};
use towpath_engine::{
    Change, Instant,
    conntrack::{Entry, ExpectationEntry},
};

use crate::stats::Report;

/// The version of these messages. A gateway and a client of different versions do not talk to each other: they say so.
pub const VERSION: u32 = 1;

/// What a client says, once, when it has connected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`VERSION`] of the client. This field stays in all versions.
    pub version: u32,
    /// What it wants.
    pub request: Request,
}

/// What a client wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Request {
    /// All there is of something, then [`Reply::Done`].
    List(Topic),
    /// Each thing that happens to something, until the client leaves.
    Watch(Topic),
    /// One [`Reply::Stats`], then [`Reply::Done`].
    Stats,
}

/// What can be listed and watched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Topic {
    /// Connections: [`Reply::Connection`], [`Reply::ConnectionEvent`].
    Connections,
    /// Expectations: [`Reply::Expectation`], [`Reply::ExpectationEvent`].
    Expectations,
}

/// What the gateway answers: any number of the first ones, then one of the last three.
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
    /// All counters.
    Stats(Box<Report>),
    /// That was all.
    Done,
    /// The request is not answered, and why.
    Refused(String),
    /// The client read too slowly: this many replies were lost, and no more come.
    CutOff(u64),
}
