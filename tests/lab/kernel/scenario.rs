//! `scenario.json`, as `tests/kernel/oracle/README.md` describes it. A key that is not understood is an error.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

/// A scenario: the router, its rules, and what happens between frames.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    /// What it is about.
    pub name: String,
    /// The router's side towards the inside.
    #[serde(default)]
    pub inside: Side,
    /// The router's side towards the outside.
    #[serde(default)]
    pub outside: Side,
    /// Routes beside those to the sides' own networks.
    #[serde(default)]
    pub routes: Vec<RouteLine>,
    /// Further addresses that are neighbours.
    #[serde(default)]
    pub neighbours: Vec<String>,
    /// IPv4 rules.
    #[serde(default)]
    pub iptables: Text,
    /// A file with IPv4 rules, beside the scenario.
    pub iptables_file: Option<String>,
    /// IPv6 rules.
    #[serde(default)]
    pub ip6tables: Text,
    /// Which iptables the kernel was asked through; makes no difference here.
    pub iptables_backend: Option<String>,
    /// Tunables.
    #[serde(default)]
    pub sysctls: BTreeMap<String, u32>,
    /// Commands run before the rules are loaded.
    #[serde(default)]
    pub setup: Vec<CommandLine>,
    /// Where each frame is injected.
    pub sides: Option<Sides>,
    /// Where frames are injected, by source.
    #[serde(default)]
    pub side_rules: Vec<SideRule>,
    /// Where all others are injected.
    pub default_side: Option<String>,
    /// `rewrite` (the default) or `keep`.
    pub l2: Option<String>,
    /// What the router itself offers.
    #[serde(default)]
    pub local_services: Vec<Service>,
    /// Frames that answer an earlier frame's output.
    #[serde(default)]
    pub answers: BTreeMap<usize, Answer>,
    /// What happens before frames.
    #[serde(default)]
    pub steps: Vec<Step>,
    /// Groups that NFLOG rules of the scenario use; nothing to do here.
    #[serde(default)]
    pub nflog_groups: Vec<u16>,
    /// Frames in which the kernel draws; nothing to do here.
    #[serde(default)]
    pub drawn: serde_json::Value,
    /// Free text.
    #[serde(default)]
    pub notes: serde_json::Value,
}

/// One side of the router.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Side {
    /// Its addresses with prefix lengths.
    #[serde(default)]
    pub addrs: Vec<String>,
    /// Its MTU.
    pub mtu: Option<u32>,
    /// Neighbours with an Ethernet address of their own.
    #[serde(default)]
    pub neigh: BTreeMap<String, String>,
}

/// A route.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouteLine {
    /// The network, or `default`.
    #[serde(default = "default_route")]
    pub dst: String,
    /// The next router.
    pub via: Option<String>,
    /// The side.
    pub dev: Option<String>,
    /// Further words of `ip route add`.
    #[serde(default)]
    pub extra: Vec<String>,
}

fn default_route() -> String {
    String::from("default")
}

/// Text: one string, or a list of lines.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Text {
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
    pub fn joined(&self) -> String {
        match self {
            Self::Whole(text) => text.clone(),
            Self::Lines(lines) => lines.iter().map(|line| format!("{line}\n")).collect(),
        }
    }
}

/// A command: words, or a line.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum CommandLine {
    /// A line for a shell.
    Line(String),
    /// Its words.
    Words(Vec<String>),
}

impl CommandLine {
    /// Its words. Quotes of a shell are not understood and not used.
    #[must_use]
    pub fn words(&self) -> Vec<String> {
        match self {
            Self::Line(line) => line.split_whitespace().map(String::from).collect(),
            Self::Words(words) => words.clone(),
        }
    }
}

/// Where frames are injected: a list of names, or a string of first letters.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Sides {
    /// One letter a frame.
    Letters(String),
    /// One name a frame.
    Names(Vec<String>),
}

/// Where frames of a source are injected.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SideRule {
    /// The source network.
    pub src: String,
    /// The side.
    pub side: String,
}

/// A service of the router.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Service {
    /// `udp`; `tcp` is not offered here yet.
    pub proto: String,
    /// Its port.
    pub port: u16,
    /// Its address; empty for all.
    #[serde(default)]
    pub addr: String,
    /// Whether it sends datagrams back.
    pub echo: Option<bool>,
    /// What it sends instead.
    pub reply: Option<String>,
}

/// Whose source a frame answers.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// The earlier frame.
    pub frame: usize,
    /// On which side its output left.
    #[serde(default = "outside")]
    pub side: String,
    /// Which of its outputs there.
    #[serde(default)]
    pub index: usize,
}

fn outside() -> String {
    String::from("outside")
}

/// What happens before a frame.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// The frame.
    pub before: usize,
    /// Seconds that pass.
    #[serde(default)]
    pub sleep: f64,
    /// Seconds taken off all timeouts.
    #[serde(default)]
    pub advance: u64,
    /// Tunables to set.
    #[serde(default)]
    pub sysctl: BTreeMap<String, u32>,
    /// Whether all connections are forgotten.
    #[serde(default)]
    pub flush: bool,
}

/// Draws of the kernel, by frame and kind (`draws.json`).
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Draws {
    /// By the frame's number, then by kind.
    pub frames: BTreeMap<usize, BTreeMap<String, Vec<u32>>>,
}

impl Scenario {
    /// Reads `scenario.json` of a folder.
    ///
    /// # Errors
    /// When it is not there, is no JSON, or holds a key that is not understood.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("scenario.json");
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let scenario: Self = serde_json::from_str(&text).with_context(|| format!("{}", path.display()))?;
        if !scenario.ip6tables.joined().trim().is_empty() {
            bail!("{}: IPv6 rules are not supported yet", path.display());
        }
        Ok(scenario)
    }

    /// The IPv4 rules.
    ///
    /// # Errors
    /// When they stand in a file that cannot be read.
    pub fn rules(&self, folder: &Path) -> Result<String> {
        match &self.iptables_file {
            Some(file) => {
                let path = folder.join(file);
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
            }
            None => Ok(self.iptables.joined()),
        }
    }
}

impl Draws {
    /// Reads `draws.json` of a folder; nothing is drawn where there is none.
    ///
    /// # Errors
    /// When it is there and cannot be read.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join("draws.json");
        if !path.exists() {
            return Ok(Self::default());
        }
        let text = fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
    }
}
