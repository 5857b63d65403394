//! A case: a scenario that can be taken apart.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};
use towpath_engine::conntrack::Family;

use super::{memory, six};

/// Where a frame is injected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Inside,
    Outside,
    Local,
}

/// A frame in the making.
#[derive(Clone, Debug)]
pub(super) struct Planned {
    /// A number that stays its own when others are taken away.
    pub(super) key: usize,
    pub(super) side: Side,
    /// From the IP header on.
    pub(super) packet: Vec<u8>,
    /// The earlier frame whose translated source it goes to, and on which side that came out.
    pub(super) answers: Option<(usize, Side)>,
    /// Whether the frame is for everybody on the link.
    pub(super) broadcast: bool,
}

/// A rule, or a user chain when `rule` is empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RuleLine {
    pub(super) table: &'static str,
    pub(super) rule: String,
}

/// A scenario that can be taken apart.
#[derive(Clone, Debug, Default)]
pub(super) struct Case {
    pub(super) family: Family,
    pub(super) chains: Vec<(&'static str, String)>,
    pub(super) policies: Vec<(&'static str, &'static str)>,
    pub(super) rules: Vec<RuleLine>,
    pub(super) tables: Vec<&'static str>,
    pub(super) sysctls: Vec<(String, u32)>,
    /// The MTU of the outside.
    pub(super) mtu: u32,
    pub(super) frames: Vec<Planned>,
}

const BUILT_IN: [(&str, &[&str]); 4] = [
    ("raw", &["PREROUTING", "OUTPUT"]),
    ("mangle", &["PREROUTING", "INPUT", "FORWARD", "OUTPUT", "POSTROUTING"]),
    ("nat", &["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"]),
    ("filter", &["INPUT", "FORWARD", "OUTPUT"]),
];

impl Case {
    /// Writes `scenario.json` and `in.pcap`.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        let text = serde_json::to_string_pretty(&self.scenario(folder))?;
        fs::write(folder.join("scenario.json"), text + "\n")?;
        fs::write(folder.join("in.pcap"), self.capture())?;
        Ok(())
    }

    /// The rules in the text of `iptables-save` or `ip6tables-save`.
    pub(super) fn rules_text(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for (table, chains) in BUILT_IN.iter().filter(|(table, _)| self.tables.contains(table)) {
            lines.push(format!("*{table}"));
            for chain in *chains {
                let policy = if self.policies.contains(&(table, chain)) { "DROP" } else { "ACCEPT" };
                lines.push(format!(":{chain} {policy} [0:0]"));
            }
            let user = self.chains.iter().filter(|(of, _)| of == table);
            lines.extend(user.map(|(_, chain)| format!(":{chain} - [0:0]")));
            lines.extend(self.rules.iter().filter(|line| line.table == *table).map(|line| self.rule(line)));
            lines.push(String::from("COMMIT"));
        }
        lines
    }

    /// A rule as its family writes it.
    fn rule(&self, line: &RuleLine) -> String {
        match self.family {
            Family::Ipv4 => line.rule.clone(),
            Family::Ipv6 => six::rule(&line.rule),
        }
    }

    /// The commands that make what its rules name.
    fn setup(&self) -> Vec<String> {
        let commands = memory::setup(self);
        commands.map(|line| if self.family == Family::Ipv6 { six::command(line) } else { String::from(line) }).collect()
    }

    fn scenario(&self, folder: &Path) -> Value {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let sides: String = self.frames.iter().map(|frame| frame.side.letter()).collect();
        let sysctls: Map<String, Value> =
            self.sysctls.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        let index = |key: usize| self.frames.iter().position(|frame| frame.key == key);
        let answers: Map<String, Value> = self
            .frames
            .iter()
            .enumerate()
            .filter_map(|(n, frame)| {
                let (key, side) = frame.answers?;
                let earlier = index(key).filter(|earlier| *earlier < n)?;
                Some((n.to_string(), json!({"frame": earlier, "side": side.name()})))
            })
            .collect();
        let (inside, outside, router, rules, any) = match self.family {
            Family::Ipv4 => ("192.168.1.1/24", "203.0.113.1/24", "203.0.113.254", "iptables", ""),
            Family::Ipv6 => ("fd00:1::1/64", "2001:db8:1::1/64", "2001:db8:1::254", "ip6tables", "::"),
        };
        json!({
            "name": name,
            "inside": {"addrs": [inside]},
            "outside": {"addrs": [outside], "mtu": self.mtu},
            "routes": [{"dst": "default", "via": router, "dev": "outside"}],
            "setup": self.setup(),
            "known_timeouts": memory::TIMEOUTS,
            rules: self.rules_text(),
            "sysctls": sysctls,
            "sides": sides,
            "answers": answers,
            "local_services": [
                {"proto": "udp", "port": 53, "addr": any, "reply": "answer"}, {"proto": "udp", "port": 7, "addr": any},
            ],
        })
    }

    /// The frames as a capture file (libpcap, Ethernet), 10 ms apart.
    fn capture(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 0x0004_0000, 1] {
            bytes.extend(word.to_le_bytes());
        }
        for (n, frame) in self.frames.iter().enumerate() {
            let destination = if frame.broadcast { [0xff; 6] } else { [2, 0, 0, 0, 1, 1] };
            let ether_type = if frame.packet[0] >> 4 == 4 { [8, 0] } else { [0x86, 0xdd] };
            let link = [&destination[..], &[2, 0, 0, 0, 1, 2], &ether_type].concat();
            let len = (link.len() + frame.packet.len()) as u32;
            let micros = n as u32 * 10_000;
            for word in [1_700_000_000 + micros / 1_000_000, micros % 1_000_000, len, len] {
                bytes.extend(word.to_le_bytes());
            }
            bytes.extend(link);
            bytes.extend(&frame.packet);
        }
        bytes
    }
}

impl Side {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Inside => "inside",
            Self::Outside => "outside",
            Self::Local => "local",
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::Inside => 'i',
            Self::Outside => 'o',
            Self::Local => 'l',
        }
    }
}
