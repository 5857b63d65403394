//! `scenario.json`, as `tests/kernel/oracle/README.md` describes it. A key that is not understood is an error.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde::{Deserialize, de::IgnoredAny};

use super::Folder;

/// A scenario: the router, its rules, and what happens between frames.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Scenario {
    /// What it is about.
    pub(super) name: String,
    /// The router's side towards the inside.
    #[serde(default)]
    pub(super) inside: Side,
    /// The router's side towards the outside.
    #[serde(default)]
    pub(super) outside: Side,
    /// Routes beside those to the sides' own networks.
    #[serde(default)]
    pub(super) routes: Vec<RouteLine>,
    /// Further addresses that are neighbours.
    #[serde(default)]
    pub(super) neighbours: Vec<String>,
    /// IPv4 rules.
    #[serde(default)]
    pub(super) iptables: Text,
    /// A file with IPv4 rules, beside the scenario.
    pub(super) iptables_file: Option<String>,
    /// IPv6 rules.
    #[serde(default)]
    pub(super) ip6tables: Text,
    /// Which iptables the kernel was asked through; makes no difference here.
    #[serde(default, rename = "iptables_backend")]
    _iptables_backend: IgnoredAny,
    /// Tunables.
    #[serde(default)]
    pub(super) sysctls: BTreeMap<String, u32>,
    /// Commands run before the rules are loaded.
    #[serde(default)]
    pub(super) setup: Vec<CommandLine>,
    /// Where each frame is injected.
    pub(super) sides: Option<Sides>,
    /// Where frames are injected, by source.
    #[serde(default)]
    pub(super) side_rules: Vec<SideRule>,
    /// Where all others are injected.
    pub(super) default_side: Option<String>,
    /// `rewrite` (the default) or `keep`.
    pub l2: Option<String>,
    /// What the router itself offers.
    #[serde(default)]
    pub(super) local_services: Vec<Service>,
    /// Frames that answer an earlier frame's output.
    #[serde(default)]
    pub(super) answers: BTreeMap<usize, Answer>,
    /// What happens before frames.
    #[serde(default)]
    pub(super) steps: Vec<Step>,
    /// Groups that NFLOG rules of the scenario use; nothing to do here.
    #[serde(default, rename = "nflog_groups")]
    _nflog_groups: IgnoredAny,
    /// Timeouts that its policies say; nothing to do here.
    #[serde(default, rename = "known_timeouts")]
    _known_timeouts: IgnoredAny,
    /// Frames in which the kernel draws; nothing to do here.
    #[serde(default, rename = "drawn")]
    _drawn: IgnoredAny,
    /// Free text.
    #[serde(default, rename = "notes")]
    _notes: IgnoredAny,
}

/// One side of the router.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Side {
    /// Its addresses with prefix lengths.
    #[serde(default)]
    pub(super) addrs: Vec<String>,
    /// Its MTU.
    pub(super) mtu: Option<u32>,
    /// Neighbours with an Ethernet address of their own.
    #[serde(default)]
    pub(super) neigh: BTreeMap<String, String>,
}

/// A route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteLine {
    /// The network, or `default`.
    #[serde(default = "default_route")]
    pub(super) dst: String,
    /// The next router.
    pub(super) via: Option<String>,
    /// The side.
    pub(super) dev: Option<String>,
    /// Further words of `ip route add`.
    #[serde(default)]
    pub(super) extra: Vec<String>,
}

fn default_route() -> String {
    String::from("default")
}

/// Text: one string, or a list of lines.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Text {
    /// One string.
    Whole(String),
    /// Lines without their ends.
    Lines(Vec<String>),
}

impl Default for Text {
    fn default() -> Self {
        Self::Lines(Vec::new())
    }
}

impl Text {
    /// The text, each line ended.
    #[must_use]
    pub(super) fn joined(&self) -> String {
        match self {
            Self::Whole(text) => text.clone(),
            Self::Lines(lines) => lines.iter().map(|line| format!("{line}\n")).collect(),
        }
    }
}

/// A command: words, or a line.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum CommandLine {
    /// A line for a shell.
    Line(String),
    /// Its words.
    Words(Vec<String>),
}

impl CommandLine {
    /// Its words. Quotes of a shell are not understood and not used.
    #[must_use]
    pub(super) fn words(&self) -> Vec<String> {
        match self {
            Self::Line(line) => line.split_whitespace().map(String::from).collect(),
            Self::Words(words) => words.clone(),
        }
    }
}

/// Where frames are injected: a list of names, or a string of first letters.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum Sides {
    /// One letter a frame.
    Letters(String),
    /// One name a frame.
    Names(Vec<String>),
}

/// Where frames of a source are injected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SideRule {
    /// The source network.
    pub(super) src: String,
    /// The side.
    pub(super) side: String,
}

/// A service of the router.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Service {
    /// `udp` or `tcp`.
    pub(super) proto: String,
    /// Its port.
    pub(super) port: u16,
    /// Its address; empty for all.
    #[serde(default)]
    pub(super) addr: String,
    /// Whether it sends datagrams back.
    pub(super) echo: Option<bool>,
    /// What it sends instead.
    pub(super) reply: Option<String>,
}

/// Whose source a frame answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Answer {
    /// The earlier frame.
    pub(super) frame: usize,
    /// On which side its output left.
    #[serde(default = "outside")]
    pub(super) side: String,
    /// Which of its outputs there.
    #[serde(default)]
    pub(super) index: usize,
}

fn outside() -> String {
    String::from("outside")
}

/// What happens before a frame.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Step {
    /// The frame.
    pub(super) before: usize,
    /// Seconds that pass.
    #[serde(default)]
    pub(super) sleep: f64,
    /// Seconds taken off all timeouts.
    #[serde(default)]
    pub(super) advance: u64,
    /// Tunables to set.
    #[serde(default)]
    pub(super) sysctl: BTreeMap<String, u32>,
    /// Whether all connections are forgotten.
    #[serde(default)]
    pub(super) flush: bool,
}

/// Draws of the kernel, by frame and kind (`draws.json`).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Draws {
    /// By the frame's number, then by kind.
    pub(super) frames: BTreeMap<usize, BTreeMap<String, Vec<u32>>>,
}

impl Scenario {
    /// Reads `scenario.json` of a folder.
    ///
    /// # Errors
    /// When it is not there, is no JSON, or holds a key that is not understood.
    pub(super) fn read(folder: Folder<'_>) -> Result<Self> {
        serde_json::from_slice(&folder.read(FILE)?).context(FILE)
    }

    /// The IPv4 rules.
    ///
    /// # Errors
    /// When they stand in a file that cannot be read.
    pub(super) fn rules(&self, folder: Folder<'_>) -> Result<String> {
        match &self.iptables_file {
            Some(file) => folder.text(file),
            None => Ok(self.iptables.joined()),
        }
    }
}

impl Draws {
    /// Reads `draws.json` of a folder; nothing is drawn where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub(super) fn read(folder: Folder<'_>) -> Result<Self> {
        match folder.find(DRAWS)? {
            Some(bytes) => serde_json::from_slice(&bytes).context(DRAWS),
            None => Ok(Self::default()),
        }
    }

    /// Whether there are draws of a kind.
    pub(super) fn names(&self, kind: &str) -> bool {
        self.frames.values().any(|draws| draws.contains_key(kind))
    }
}

const FILE: &str = "scenario.json";
const DRAWS: &str = "draws.json";
