//! How a gateway's IPv4 translation behaves, requirement by requirement: RFC 4787 (UDP), RFC 5382 (TCP), RFC 5508 (ICMP), and what
//! RFC 7857 asks beside them.
//!
//! Each requirement is an experiment on a gateway of its own, made anew from the same files: packets go in, and what comes out
//! decides. Rules and tunables of the gateway are part of what is judged, as they are of what its users meet: a requirement about a
//! default is held against what is configured.
//!
//! What stands behind a helper is asked of the configuration: whether it is attached, and not whether it is loaded.
//!
//! RFC 7857 loosens some requirements of the other three: two hosts may share an endpoint outside as long as their peers have
//! different addresses (sections 3 and 13), a connection that opens may be given up earlier where that is configured (2.1), parity of
//! ports need not be kept (8).
//! What is not met and may be so by that is neither `pass` nor `fail` but `allowed`.
//!
//! | not tried | why |
//! |---|---|
//! | what an RFC leaves to choice (`MAY`), and what must be configurable | packets do not show it |
//! | 4787 REQ-7, how a translator gets its own address | there is no DHCP here |
//! | 4787 REQ-14a, fragments that come in floods | a bound is no requirement of a few packets |
//! | 5508 REQ-1, other queries than echo requests | REQ-10 leaves some to choice and asks not to support others |
//! | 5508 REQ-3d, ICMP extensions | they count only where a quoted transport header is verified, which REQ-3c asks not to do |
//! | 5508 REQ-7, queries between hosts inside | asked of Basic NAT alone, which leaves ports as they are |
//! | 5508 REQ-8, what a host is told when it may have no flow | it takes a full table, or a rule that only the gateway's owner can name |
//! | 5508 REQ-10c, source quench and information requests, which should not be supported | a few packets do not show that they never come |
//! | 5508 REQ-10d, REQ-10e, REQ-10f, how errors are marked, when there are none, and how many | asked of all routers, translators or not |
//! | 7857 section 2, the state machine | 5382 REQ-5 and section 2.2 ask for its times one by one |
//! | 7857 section 4, addresses that have run out of ports | that takes a pool of addresses |
//! | 7857 section 8, how a host asks for parity | there is no protocol for that here |
//! | 7857 section 12 | it tells what 5508 REQ-7 takes |
//!
//! # As JSON
//!
//! `towpath nat-audit --json` writes a line with one object about the gateway, then one a requirement.
//!
//! | field | what it is |
//! |---|---|
//! | `schema` | `"towpath.nat-audit/1"`, in the first line, with the names of the interfaces `inside` and `outside` |
//! | `rfc`, `requirement`, `level` | which (of RFC 7857 the section); `level` is the RFC's word: `MUST`, `MUST NOT`, `SHOULD`, `SHOULD NOT`, `RECOMMENDED` |
//! | `asks` | what it asks for, in short |
//! | `outcome` | `pass`, `fail`, `allowed` when it is not met but RFC 7857 allows that, `untested` when the gateway cannot be asked |
//! | `why` | what was seen that decides |
//! | `steps` | list of `sent`, a packet in the one notation behind its interface, and `came`, what came out of it; `waited`, seconds |

mod bench;
mod came;
mod carrier;
mod errors;
mod flows;
mod helpers;
mod icmp;
mod sizes;
mod tcp;
mod udp;
mod updates;

use core::fmt;

use serde::Serialize;
use towpath_engine::{CommandError, Engine};

pub use self::bench::Step;
use self::{
    bench::{Bench, Sides},
    carrier::Carrier,
};

/// What an RFC asks of a translator.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Requirement {
    /// The RFC.
    pub rfc: u16,
    /// Its number there.
    #[serde(rename = "requirement")]
    pub number: &'static str,
    /// How strongly it is asked for, in the RFC's word.
    pub level: &'static str,
    /// What it asks for, in short.
    pub asks: &'static str,
}

impl Requirement {
    /// Whether a translator that complies has to meet it, and not just had better.
    #[must_use]
    pub const fn is_absolute(&self) -> bool {
        matches!(self.level.as_bytes(), b"MUST" | b"MUST NOT")
    }
}

/// What came of an experiment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What was asked for.
    #[serde(flatten)]
    pub requirement: Requirement,
    /// Whether it is met.
    pub outcome: Outcome,
    /// What was seen that decides.
    pub why: String,
    /// What was sent, and what came out.
    pub steps: Vec<Step>,
}

/// Whether a requirement is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// It is.
    Pass,
    /// It is not.
    Fail,
    /// It is not, but a later RFC allows that.
    Allowed,
    /// The gateway cannot be asked: its rules let nothing of that kind out, or a packet with which the experiment begins.
    Untested,
}

/// What was found of a gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// The interface towards the hosts that are translated.
    pub inside: String,
    /// The interface by which they leave, translated.
    pub outside: String,
    /// One for each requirement, in the order of the RFCs.
    pub findings: Vec<Finding>,
}

/// Why a gateway cannot be audited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditError {
    /// No packet from behind one interface leaves by another with a translated source.
    NothingTranslated,
    /// The gateway cannot be watched.
    Command(CommandError),
}

impl fmt::Display for AuditError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NothingTranslated => out.write_str(
                "nothing is translated: no UDP, TCP or ICMP packet from a host in one interface's network leaves by another with another source",
            ),
            Self::Command(error) => error.fmt(out),
        }
    }
}

impl core::error::Error for AuditError {}

impl From<CommandError> for AuditError {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

/// Audits the gateway that `make` makes, each time anew and always the same.
///
/// # Errors
/// Those of `make`, and when the gateway translates nothing.
pub fn audit<E: From<AuditError>>(mut make: impl FnMut() -> Result<Engine, E>) -> Result<Audit, E> {
    let sides = Sides::find(&mut make)?;
    let mut findings = Vec::new();
    for (requirement, carrier, experiment) in
        [udp::EXPERIMENTS, tcp::EXPERIMENTS, icmp::EXPERIMENTS, updates::EXPERIMENTS].concat()
    {
        let mut bench = Bench::new(make()?, &sides).map_err(AuditError::from)?;
        let tried = match sides.lets_out(carrier) {
            true => experiment(&mut bench),
            false => Err(Untested(format!("the gateway lets no {} out", carrier.name()))),
        };
        let judged = tried.unwrap_or_else(|Untested(why)| Judged { outcome: Outcome::Untested, why });
        findings.push(Finding { requirement, outcome: judged.outcome, why: judged.why, steps: bench.into_steps() });
    }
    Ok(Audit { inside: sides.inside, outside: sides.outside, findings })
}

/// An experiment: what it is about, what it sends, and what it does.
type Experiment = (Requirement, Carrier, fn(&mut Bench) -> Tried);

/// What has come of an experiment that could begin.
type Tried = Result<Judged, Untested>;

/// Why an experiment could not begin.
#[derive(Debug)]
struct Untested(String);

/// What an experiment has decided.
struct Judged {
    outcome: Outcome,
    why: String,
}

impl Judged {
    /// It passes when `good`, for a reason either way.
    fn of(good: bool, if_good: impl Into<String>, if_not: impl Into<String>) -> Self {
        match good {
            true => Self { outcome: Outcome::Pass, why: if_good.into() },
            false => Self { outcome: Outcome::Fail, why: if_not.into() },
        }
    }

    fn fail(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Fail, why: why.into() }
    }

    fn pass(why: impl Into<String>) -> Self {
        Self { outcome: Outcome::Pass, why: why.into() }
    }

    /// What is not met may be so by a section of RFC 7857.
    fn allowed(why: impl fmt::Display, section: &str) -> Self {
        Self { outcome: Outcome::Allowed, why: format!("{why}; RFC 7857 section {section} allows that") }
    }
}

/// `FAIL  RFC 4787 REQ-1 (MUST): ...`, and why on a line of its own.
impl fmt::Display for Finding {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Pass => "pass",
            Outcome::Fail => "FAIL",
            Outcome::Allowed => "may",
            Outcome::Untested => "-",
        };
        let Requirement { rfc, number, level, asks } = self.requirement;
        write!(out, "{outcome:<5} RFC {rfc} {number} ({level}): {asks}\n        {}", self.why)
    }
}

/// Numbers as a sentence has them; `no` when there are none.
fn listed(numbers: &[impl fmt::Display]) -> String {
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    if words.is_empty() { "no".to_owned() } else { words.join(" and ") }
}

#[cfg(test)]
mod tests;
