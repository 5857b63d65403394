//! What is said at the control socket.

use serde::{Deserialize, Serialize};

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
    /// All connections: a [`Reply::Line`] each, then [`Reply::Done`].
    ConntrackList,
    /// A [`Reply::Line`] for each thing that happens to a connection or expectation, until the client leaves.
    ConntrackWatch,
    /// One [`Reply::Stats`], then [`Reply::Done`].
    Stats,
}

/// What the gateway answers. A request is answered by any number of lines or items and one of the last three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reply {
    /// A line of text, without its end.
    Line(String),
    /// All counters.
    Stats(Box<Report>),
    /// That was all.
    Done,
    /// The request is not answered, and why.
    Refused(String),
    /// The client read too slowly: this many replies were lost, and no more come.
    CutOff(u64),
}
