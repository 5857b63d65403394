//! Firewall tests for people: cases in TOML, each with packets and what must become of them.
//!
//! ```toml
//! gateway = "gateway.toml"
//!
//! [[case]]
//! name = "the office may browse the web"
//! packet = "lan 10.0.0.2:40000 > 198.51.100.7:443 S"
//! verdict = "forwarded"
//! out = "wan 203.0.113.1:40000 > 198.51.100.7:443 S"
//!
//! [[case]]
//! name = "nobody gets in from outside"
//! packet = "wan 198.51.100.7:4444 > 203.0.113.1:22 S"
//! verdict = "dropped"
//! reason = "FilterPolicy"
//! ```
//!
//! # Reference
//!
//! | key | what it says |
//! |---|---|
//! | `gateway` | the `gateway.toml` that is tested; relative paths start at this file's folder |
//! | `rules` | rules files, instead of those that the gateway names; also a list. Without `gateway` the interfaces are `inside` (private addresses) and `outside` |
//!
//! `[[case]]`; each begins with a gateway that has just been started:
//!
//! | key | what it says |
//! |---|---|
//! | `name` | a sentence, and no other case's |
//! | `packet` | the interface it comes in by (`-`: the gateway sends it), and the packet in the one notation ([`towpath_engine::packet::sketch`]) |
//! | `before` | list of packets that go in before it, a millisecond apart |
//! | `wait` | how long the gateway waits before it, such as `"5d"`; days cost nothing |
//! | `play` | instead of `packet`: a play ([`crate::play`]); all that comes out has to be written in it |
//! | `capture` | instead of `packet`: a capture, which is replayed as `towpath replay` does |
//! | `sysctl` | a table of tunables for this case |
//! | `connections`, `expectations` | at the end: lists of texts; the words of each must stand in one line of `conntrack -L`, or `-L expect` |
//! | `no_connections` | the same: no line may have all words |
//! | `verdicts` | at the end: a table of verdicts of records and how many packets had them, such as `{ FORWARDED = 53 }` |
//!
//! What must become of `packet` stands in the case itself; of others in `[[case.expect]]` with `n`, the packet's number
//! from 1:
//!
//! | key | what it says |
//! |---|---|
//! | `verdict` | `forwarded`, `delivered`, `dropped`, `rejected`, `blocked` (either), `held`; or a word of records, such as `DROPPED_FORWARD` |
//! | `reason` | the drop reason |
//! | `state`, `direction` | what it is to connection tracking: `NEW`, `ESTABLISHED`, …; `ORIGINAL` or `REPLY` |
//! | `rule` | who decided: `"rules.v4:12"`, a part of the rule as `iptables-save` prints it, or `"policy"` |
//! | `nat` | which rule translated its connection, in the same words |
//! | `out` | packets that must come out, each with its interface; also a list, and `[]`: none may |
//! | `told` | texts that must be told: events as `conntrack -E` prints them, `log: ` and a rule's line; also a list |
//! | `connection` | words of its connection's line in `conntrack -L` |
//! | `timeout` | how long its connection lives if nothing follows |

mod coverage;
mod expect;
mod file;
mod run;
#[cfg(test)]
mod tests;

use core::time::Duration;

use towpath_engine::{DropReason, packet::Sketch};

pub use self::{
    coverage::{Coverage, Covered},
    run::{CaseError, CaseErrorCause, Look, Ran, run},
};
use crate::{
    config::{ConfigError, Located, located_fault},
    play::{Beside, Script},
    record::Verdict,
};

/// A file of cases.
#[derive(Clone, Debug)]
pub struct Suite {
    /// The file, as messages name it.
    pub file: String,
    /// The gateway that is tested.
    pub gateway: Option<Located<String>>,
    /// Its rules, in place of its own.
    pub rules: Vec<Located<String>>,
    /// The cases, in order.
    pub cases: Vec<Case>,
}

/// A case.
#[derive(Clone, Debug)]
pub struct Case {
    /// A sentence.
    pub name: Located<String>,
    /// Tunables that are set for it.
    pub sysctls: Vec<(String, u32)>,
    /// What goes in.
    pub input: Input,
    pub(crate) expects: Vec<Expect>,
    pub(crate) at_end: AtEnd,
}

/// What goes into a gateway.
#[derive(Clone, Debug)]
pub enum Input {
    /// Single packets.
    Packets(Vec<Sent>),
    /// A play, and the line of the file in which its text starts.
    Play(Script, u32),
    /// A capture.
    Capture(Located<String>),
}

/// A packet that goes in.
#[derive(Clone, Debug)]
pub struct Sent {
    /// How long after the case's start.
    pub(crate) at: Duration,
    /// By which device.
    pub(crate) device: Located<String>,
    pub(crate) packet: Sketch,
    pub(crate) beside: Beside,
}

/// What must become of a packet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Expect {
    /// The packet's number, from 1.
    pub(crate) n: u64,
    /// Where `n` stands, or the case's name.
    pub(crate) place: (u32, u32),
    pub(crate) verdict: Option<Located<Wanted>>,
    pub(crate) reason: Option<Located<DropReason>>,
    pub(crate) state: Option<Located<String>>,
    pub(crate) direction: Option<Located<String>>,
    pub(crate) rule: Option<Located<String>>,
    pub(crate) nat: Option<Located<String>>,
    /// `None`: nothing is said about what comes out.
    pub(crate) out: Option<Located<Vec<Out>>>,
    pub(crate) told: Vec<Located<String>>,
    pub(crate) connection: Option<Located<String>>,
    pub(crate) timeout: Option<Located<Duration>>,
}

/// A packet that must come out.
#[derive(Clone, Debug)]
pub(crate) struct Out {
    pub(crate) place: (u32, u32),
    pub(crate) device: String,
    pub(crate) packet: Sketch,
    pub(crate) beside: Beside,
}

/// A verdict that is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// Dropped, but not with an answer that a rule has ordered.
    Dropped,
    /// REJECT has answered.
    Rejected,
    /// Either.
    Blocked,
    /// Kept, for other fragments or for the rest of a line.
    Held,
    /// A word of records.
    Exactly(Verdict),
}

/// What must be so when everything has gone in.
#[derive(Clone, Debug, Default)]
pub(crate) struct AtEnd {
    pub(crate) connections: Vec<Located<String>>,
    pub(crate) no_connections: Vec<Located<String>>,
    pub(crate) expectations: Vec<Located<String>>,
    pub(crate) verdicts: Vec<(Located<Verdict>, u64)>,
}

/// Something that is not as a case says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Where the file says so, from 1.
    pub line: u32,
    /// In characters, from 1.
    pub column: u32,
    /// The packet that it is about, from 1; `None`: none.
    pub packet: Option<u64>,
    /// The key that says so, or `play`.
    pub what: &'static str,
    /// What was expected; empty: nothing more.
    pub expected: String,
    /// What there is; empty: nothing.
    pub got: String,
}

impl Suite {
    /// Reads a file of cases. `file` is what messages call it.
    ///
    /// # Errors
    /// The first mistake in the text.
    pub fn read(file: &str, text: &str) -> Result<Self, ConfigError> {
        file::read(file, text).map_err(|fault| located_fault(file, text, fault))
    }
}

impl Case {
    /// The number of the last packet that something is said about, or else of the last packet; 0 when that is not known
    /// before it is run.
    #[must_use]
    pub fn last_packet(&self) -> u64 {
        let told = self.expects.iter().map(|expect| expect.n).max();
        told.unwrap_or(match &self.input {
            Input::Packets(packets) => packets.len() as u64,
            Input::Play(script, _) => script.packets(),
            Input::Capture(_) => 0,
        })
    }
}
