//! A helper in words.

use std::{fmt, ops::RangeInclusive};

use serde::{Deserialize, Serialize};
use towpath_engine::conntrack::{
    Direction,
    calling::HelperStatus,
    helper::{Anchor, ExpectClass, FailurePolicy, Framing, Manifest, Opener},
};

use crate::plugin::hex;

/// What a helper is and what it may do: its manifest, as `towpath.helper/1` says it. Fields are added, never changed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Its name.
    pub name: String,
    /// Where it may be attached, such as `tcp 21`; nothing: by rules alone.
    pub attach: Vec<String>,
    /// How payloads are cut before it sees them: `packet`, `lines` or `loose-lines`.
    pub framing: String,
    /// Byte strings that a payload must hold, as Rust writes bytes; nothing: it sees all.
    pub triggers: Vec<Trigger>,
    /// How the first line of a connection must begin, as Rust writes bytes; nothing: anyhow.
    pub openings: Vec<String>,
    /// The kinds of connections that it may expect.
    pub classes: Vec<Class>,
    /// How many bytes a rewrite may add or remove; 0: it may not rewrite.
    pub rewrite_bytes_max: u16,
    /// Bytes that it may remember of a connection.
    pub state_bytes_max: u16,
    /// Fuel for one call.
    pub fuel_per_call: u64,
    /// Bytes that its memory may have.
    pub memory_bytes_max: u32,
    /// What a failed call costs: `pass`, `drop` or `detach`.
    pub on_failure: String,
}

/// A byte string that a payload must hold.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// The bytes, as Rust writes bytes.
    pub bytes: String,
    /// Where they must stand: `line-start` or `anywhere`.
    pub anchor: String,
}

/// A kind of connection that a helper may expect.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Class {
    /// Its name.
    pub name: String,
    /// `tcp` or `udp`.
    pub protocol: String,
    /// `ORIGINAL` or `REPLY`, seen from the master; nothing: either.
    pub direction: Option<String>,
    /// Who may open it: `peer`, `network` or `anyone`.
    pub opener: String,
    /// Its destination ports, such as `1024-65535`.
    pub ports: String,
    /// Whether it may lead to hosts that are no end of the master.
    pub loose: bool,
    /// Whether it may stay after its first use.
    pub permanent: bool,
    /// Whether the master, too, is forgotten when the time is over.
    pub ends_master: bool,
    /// How many may wait at once for one master.
    pub expected_max: u16,
    /// How long one waits.
    pub timeout_seconds: u64,
}

/// A helper of a running gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Loaded {
    /// Its number.
    pub number: u16,
    /// What it is and may do here.
    #[serde(flatten)]
    pub about: About,
    /// SHA-256 of its component; nothing: it is compiled in.
    pub component: Option<String>,
    /// How often it was called.
    pub calls: u64,
    /// How often that failed.
    pub failures: u32,
    /// How often it wished for what it may not have.
    pub refusals: u64,
    /// How often lines for it went on unread: they were too long, too late or too many.
    #[serde(default)]
    pub given_up: u64,
    /// Whether it failed for too many clients and is not called any more.
    pub quarantined: bool,
    /// Of how many clients it is shown no more at the moment, since it has failed too often on what they say.
    #[serde(default)]
    pub clients_barred: u64,
    /// How many connections it expects now.
    pub expects: u64,
}

impl Loaded {
    /// A helper as its engine shows it, that expects so many connections and is shown no more of so many clients.
    #[must_use]
    pub fn of(status: &HelperStatus<'_>, expects: u64, clients_barred: usize) -> Self {
        Self {
            number: status.id.0,
            about: About::of(status.manifest),
            component: (status.component_hash != [0; 32]).then(|| hex(&status.component_hash)),
            calls: status.calls,
            failures: status.failures,
            refusals: status.refusals,
            given_up: status.given_up,
            quarantined: status.is_quarantined,
            clients_barred: clients_barred as u64,
            expects,
        }
    }
}

impl About {
    /// A manifest in words.
    #[must_use]
    pub fn of(manifest: &Manifest) -> Self {
        let attach = manifest.attach.iter().map(|point| format!("{} {}", point.protocol, ports(&point.ports)));
        let triggers = manifest.triggers.iter().map(|trigger| Trigger {
            bytes: trigger.bytes.escape_ascii().to_string(),
            anchor: match trigger.anchor {
                Anchor::LineStart => "line-start",
                Anchor::Anywhere => "anywhere",
            }
            .to_owned(),
        });
        Self {
            name: manifest.name.clone(),
            attach: attach.collect(),
            framing: match manifest.framing {
                Framing::Packet => "packet",
                Framing::Lines => "lines",
                Framing::LooseLines => "loose-lines",
            }
            .to_owned(),
            triggers: triggers.collect(),
            openings: manifest.openings.iter().map(|opening| opening.escape_ascii().to_string()).collect(),
            classes: manifest.classes.iter().map(Class::of).collect(),
            rewrite_bytes_max: manifest.rewrite_bytes_max,
            state_bytes_max: manifest.state_bytes_max,
            fuel_per_call: manifest.fuel_per_call,
            memory_bytes_max: manifest.memory_bytes_max,
            on_failure: match manifest.on_failure {
                FailurePolicy::Pass => "pass",
                FailurePolicy::Drop => "drop",
                FailurePolicy::Detach => "detach",
            }
            .to_owned(),
        }
    }

    /// Where it is attached, in one line.
    #[must_use]
    pub fn places(&self) -> String {
        if self.attach.is_empty() { "by rules alone".to_owned() } else { self.attach.join(", ") }
    }
}

impl Class {
    fn of(class: &ExpectClass) -> Self {
        Self {
            name: class.name.clone(),
            protocol: class.protocol.to_string(),
            direction: class.direction.map(|direction| {
                match direction {
                    Direction::Original => "ORIGINAL",
                    Direction::Reply => "REPLY",
                }
                .to_owned()
            }),
            opener: match class.opener {
                Opener::Peer => "peer",
                Opener::Network => "network",
                Opener::Anyone => "anyone",
            }
            .to_owned(),
            ports: ports(&class.ports),
            loose: class.loose,
            permanent: class.permanent,
            ends_master: class.ends_master,
            expected_max: class.expected_max,
            timeout_seconds: class.timeout.as_secs(),
        }
    }
}

/// Lines that start with two blanks.
impl fmt::Display for About {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "  name         {}", self.name)?;
        writeln!(f, "  attached     {}", self.places())?;
        writeln!(f, "  reads        {}", self.readings())?;
        if !self.openings.is_empty() {
            let openings = self.openings.iter().map(|opening| format!("\"{opening}\"")).collect::<Vec<_>>();
            writeln!(f, "  on           connections whose client begins with the word {}", openings.join(", "))?;
        }
        for class in &self.classes {
            writeln!(f, "  may expect   {class}")?;
        }
        match self.rewrite_bytes_max {
            0 => writeln!(f, "  may rewrite  nothing")?,
            bytes => writeln!(f, "  may rewrite  endpoints, by at most {bytes} bytes more or fewer")?,
        }
        match self.state_bytes_max {
            0 => writeln!(f, "  remembers    nothing")?,
            bytes => writeln!(f, "  remembers    at most {bytes} bytes of a connection")?,
        }
        writeln!(f, "  a call has   {} fuel, {} KB of memory", self.fuel_per_call, self.memory_bytes_max >> 10)?;
        let costs = match &*self.on_failure {
            "drop" => "the packet",
            "detach" => "the connection its helper",
            _ => "nothing: the packet goes on unread",
        };
        writeln!(f, "  failing costs {costs}")
    }
}

impl About {
    fn readings(&self) -> String {
        let (unit, start) = match &*self.framing {
            "packet" => ("packets", "payloads that start a line with"),
            _ => ("lines", "lines that start with"),
        };
        if self.triggers.is_empty() {
            return format!("all {unit}");
        }
        let of = |anchor: &str| {
            let all = self.triggers.iter().filter(|trigger| trigger.anchor == anchor);
            all.map(|trigger| format!("\"{}\"", trigger.bytes)).collect::<Vec<_>>().join(", ")
        };
        let parts = [(start.to_owned(), of("line-start")), (format!("{unit} that hold"), of("anywhere"))];
        let parts = parts.into_iter().filter(|(_, list)| !list.is_empty()).map(|(what, list)| format!("{what} {list}"));
        parts.collect::<Vec<_>>().join("; ")
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let opener = match &*self.opener {
            "peer" => "the other end",
            "network" => "a station of the network that was asked",
            _ => "anybody",
        };
        let Self { name, protocol, ports, .. } = self;
        write!(f, "{name}: {protocol} from {opener} to ports {ports}")?;
        if let Some(direction) = &self.direction {
            write!(f, ", {direction}")?;
        }
        write!(f, "; at most {} at once, each for {} s", self.expected_max, self.timeout_seconds)?;
        let marks = [
            (self.loose, "; also to third parties"),
            (self.permanent, "; may stay after its first use"),
            (self.ends_master, "; the master ends with it"),
        ];
        marks.into_iter().filter(|(is_set, _)| *is_set).try_for_each(|(_, words)| f.write_str(words))
    }
}

fn ports(ports: &RangeInclusive<u16>) -> String {
    let (first, last) = (ports.start(), ports.end());
    if first == last { first.to_string() } else { format!("{first}-{last}") }
}
