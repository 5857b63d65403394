//! What the kernel's answers reach: matches and targets of rules that packets have met, protocols of connections, forms of
//! translation. Read from `result.json`, whose rules carry the kernel's own counters.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use towpath_engine::{
    conntrack::Family,
    netfilter::{match_names, target_names},
};

/// What is reached, each with the scenarios that do, by family.
#[derive(Clone, Debug, Default)]
pub struct Reach {
    reached: BTreeMap<(Kind, String), [BTreeSet<String>; 2]>,
}

/// What kind of thing is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Match,
    Target,
    Protocol,
    Translation,
}

impl Reach {
    /// Adds what a scenario's answer reaches.
    pub fn add(&mut self, scenario: &str, answer: &Value) {
        for (family, name) in FAMILIES.into_iter().zip(["iptables_save", "ip6tables_save"]) {
            let lines = answer["final"][name].as_array().into_iter().flatten().filter_map(Value::as_str);
            for rule in lines.filter_map(met) {
                self.add_rule(scenario, family, rule);
            }
        }
        let frames = answer["frames"].as_array().into_iter().flatten();
        for event in frames.flat_map(|frame| frame["events"].as_array().into_iter().flatten()) {
            let orig = &event["orig"];
            let (Some(source), Some(protocol)) = (orig["src"].as_str(), orig["proto"].as_str()) else { continue };
            let family = if source.contains(':') { Family::Ipv6 } else { Family::Ipv4 };
            let known = PROTOCOLS.iter().any(|(name, _)| *name == protocol);
            self.note(Kind::Protocol, if known { protocol } else { "any other" }, family, scenario);
        }
    }

    fn add_rule(&mut self, scenario: &str, family: Family, rule: &str) {
        let words = words_of(rule);
        for pair in words.windows(2) {
            match pair[0] {
                "-m" => self.note(Kind::Match, pair[1], family, scenario),
                "-j" => self.note(Kind::Target, pair[1], family, scenario),
                "-g" => self.note(Kind::Target, "-g CHAIN", family, scenario),
                _ => {}
            }
        }
        for (target, name, asks) in TRANSLATIONS {
            if words.windows(2).any(|pair| pair == ["-j", target]) && asks(&words) {
                self.note(Kind::Translation, &format!("{target} {name}"), family, scenario);
            }
        }
    }

    fn note(&mut self, kind: Kind, name: &str, family: Family, scenario: &str) {
        self.reached.entry((kind, name.into())).or_default()[family as usize].insert(scenario.into());
    }

    /// The table: what there is to reach, and the scenarios that do, by family. A dash: the family has no such thing.
    #[must_use]
    pub fn table(&self) -> String {
        let mut text = String::new();
        for (kind, title) in KINDS {
            text.push_str(&format!("| {title} | IPv4 | IPv6 |\n|---|---|---|\n"));
            for name in wanted(kind).into_keys() {
                let cells = FAMILIES.map(|family| self.cell(kind, &name, family));
                text.push_str(&format!("| `{name}` | {} | {} |\n", cells[0], cells[1]));
            }
            text.push('\n');
        }
        text
    }

    /// What no scenario reaches.
    #[must_use]
    pub fn holes(&self) -> Vec<String> {
        let mut holes = Vec::new();
        for (kind, title) in KINDS {
            for (name, families) in wanted(kind) {
                let missing = families.into_iter().filter(|&family| self.scenarios(kind, &name, family).is_empty());
                holes.extend(missing.map(|family| format!("{title} {name} over {family:?}")));
            }
        }
        holes
    }

    fn scenarios(&self, kind: Kind, name: &str, family: Family) -> Vec<&str> {
        let reached = self.reached.get(&(kind, name.into()));
        reached.map_or_else(Vec::new, |by_family| by_family[family as usize].iter().map(String::as_str).collect())
    }

    fn cell(&self, kind: Kind, name: &str, family: Family) -> String {
        if !wanted(kind).get(name).is_some_and(|families| families.contains(&family)) {
            return "–".into();
        }
        let scenarios = self.scenarios(kind, name, family);
        match scenarios.len() {
            0 => "**none**".into(),
            len if len > SHOWN_MAX => format!("{} and {} more", scenarios[..SHOWN_MAX].join(", "), len - SHOWN_MAX),
            _ => scenarios.join(", "),
        }
    }
}

/// What there is of a kind, with the families that have it.
fn wanted(kind: Kind) -> BTreeMap<String, Vec<Family>> {
    let mut all: BTreeMap<String, Vec<Family>> = BTreeMap::new();
    let mut add = |name: &str, family| all.entry(name.into()).or_default().push(family);
    for family in FAMILIES {
        match kind {
            Kind::Match => match_names(family).for_each(|name| add(name, family)),
            Kind::Target => target_names(family).chain(["-g CHAIN"]).for_each(|name| add(name, family)),
            Kind::Protocol => PROTOCOLS
                .iter()
                .filter(|(_, only)| only.is_none_or(|only| only == family))
                .for_each(|(name, _)| add(name, family)),
            Kind::Translation => {
                let known: BTreeSet<&str> = target_names(family).collect();
                let of_family = TRANSLATIONS.iter().filter(|(target, ..)| known.contains(target));
                of_family.for_each(|(target, name, _)| add(&format!("{target} {name}"), family));
            }
        }
    }
    all
}

/// The rule of a line of saved rules, when a packet has met it.
fn met(line: &str) -> Option<&str> {
    let (counters, rule) = line.strip_prefix('[')?.split_once("] ")?;
    (!counters.starts_with("0:")).then_some(rule)
}

/// The words of a rule; what stands in quotes is one.
fn words_of(rule: &str) -> Vec<&str> {
    rule.split('"')
        .enumerate()
        .flat_map(|(index, part)| {
            let (quoted, plain) = if index % 2 == 1 { (Some(part), "") } else { (None, part) };
            quoted.into_iter().chain(plain.split_whitespace())
        })
        .collect()
}

fn value<'r>(words: &[&'r str], option: &str) -> Option<&'r str> {
    words.windows(2).find(|pair| pair[0] == option).map(|pair| pair[1])
}

/// Where translated addresses and ports stand.
fn range<'r>(words: &[&'r str]) -> Option<(&'r str, &'r str)> {
    let to =
        ["--to-source", "--to-destination", "--to-ports", "--to"].iter().find_map(|option| value(words, option))?;
    Some(match to.rsplit_once("]:").or_else(|| to.rsplit_once(':').filter(|(address, _)| !address.contains(':'))) {
        Some((address, ports)) => (address, ports),
        None if words.contains(&"--to-ports") => ("", to),
        None => (to, ""),
    })
}

const FAMILIES: [Family; 2] = [Family::Ipv4, Family::Ipv6];
const SHOWN_MAX: usize = 3;
const KINDS: [(Kind, &str); 4] = [
    (Kind::Match, "match"),
    (Kind::Target, "target"),
    (Kind::Protocol, "connections of"),
    (Kind::Translation, "translation"),
];

/// Protocols that are tracked in a way of their own, as events name them.
const PROTOCOLS: [(&str, Option<Family>); 8] = [
    ("tcp", None),
    ("udp", None),
    ("udplite", None),
    ("sctp", None),
    ("gre", None),
    ("icmp", Some(Family::Ipv4)),
    ("icmpv6", Some(Family::Ipv6)),
    ("any other", None),
];

type Asks = fn(&[&str]) -> bool;

const ONE_ADDRESS: Asks = |words| {
    range(words).is_some_and(|(address, ports)| !address.is_empty() && !address.contains('-') && ports.is_empty())
};
const ADDRESSES: Asks = |words| range(words).is_some_and(|(address, _)| address.contains('-'));
const ONE_PORT: Asks = |words| range(words).is_some_and(|(_, ports)| !ports.is_empty() && !ports.contains('-'));
const PORTS: Asks = |words| range(words).is_some_and(|(_, ports)| ports.contains('-') && !ports.contains('/'));
const SHIFTED: Asks = |words| range(words).is_some_and(|(_, ports)| ports.contains('/'));
const RANDOM: Asks = |words| words.contains(&"--random");
const FULLY: Asks = |words| words.contains(&"--random-fully");
const PERSISTENT: Asks = |words| words.contains(&"--persistent");
const PLAIN: Asks = |words| words.last() == Some(&"MASQUERADE") || words.last() == Some(&"REDIRECT");
const SOURCE_SIDE: Asks = |words| words.contains(&"POSTROUTING") || words.contains(&"INPUT");
const DESTINATION_SIDE: Asks = |words| words.contains(&"PREROUTING") || words.contains(&"OUTPUT");

/// Forms of translation: the target, the form's name, and whether a rule has it.
static TRANSLATIONS: [(&str, &str, Asks); 24] = [
    ("SNAT", "to an address", ONE_ADDRESS),
    ("SNAT", "to a range of addresses", ADDRESSES),
    ("SNAT", "to a range of ports", PORTS),
    ("SNAT", "--random", RANDOM),
    ("SNAT", "--random-fully", FULLY),
    ("SNAT", "--persistent", PERSISTENT),
    ("SNAT", "in INPUT", |words| words.contains(&"INPUT")),
    ("DNAT", "to an address", ONE_ADDRESS),
    ("DNAT", "to a range of addresses", ADDRESSES),
    ("DNAT", "to a port", ONE_PORT),
    ("DNAT", "to a range of ports", PORTS),
    ("DNAT", "to shifted ports", SHIFTED),
    ("DNAT", "--random", RANDOM),
    ("DNAT", "--persistent", PERSISTENT),
    ("DNAT", "in OUTPUT", |words| words.contains(&"OUTPUT")),
    ("MASQUERADE", "plain", PLAIN),
    ("MASQUERADE", "to a range of ports", PORTS),
    ("MASQUERADE", "--random", RANDOM),
    ("MASQUERADE", "--random-fully", FULLY),
    ("REDIRECT", "plain", PLAIN),
    ("REDIRECT", "to a port", ONE_PORT),
    ("REDIRECT", "to a range of ports", PORTS),
    ("NETMAP", "of sources", SOURCE_SIDE),
    ("NETMAP", "of destinations", DESTINATION_SIDE),
];
