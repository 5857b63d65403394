//! Rules asked about packets, with nothing else of the engine around them.

mod acting;
mod classifying;
mod foretelling;
mod holding;
mod keeping;
mod matching;
mod reading;
mod recording;
mod remembering;
mod shadowing;
mod walking;

use alloc::{format, string::String, vec, vec::Vec};
use core::net::Ipv4Addr;

use super::{Copied, Hook, Lists, Loading, RuleError, RuleId, RuleSet, Source, TableName, Verdict, View, Walk};
use crate::{
    conntrack::{Conntrack, Family, HelperId, calling::KnownHelper},
    device::{Device, Devices, InterfaceAddress},
    frame::DeviceId,
    ip::Routes,
    packet::{Draft, Packet, Pool},
    socket::Sockets,
    surroundings::Surroundings,
    time::Instant,
    trace::{Step, TraceLevel},
    wire::{Ipv4Header, MacAddr, Protocol, checksum::Routines},
};

/// Rules and what they look at: devices `lan` (10.0.0.1/24) and `wan` (203.0.113.1/24).
pub(super) struct Lab {
    pub(super) rules: RuleSet,
    pub(super) devices: Devices,
    pub(super) routes: Routes,
    pub(super) sockets: Sockets,
    pub(super) conntrack: Conntrack,
    pub(super) lists: Lists,
    pub(super) copies: Vec<Copied>,
    pub(super) around: Surroundings,
    pub(super) pool: Pool,
    pub(super) walk: Walk,
    pub(super) now: Instant,
}

pub(super) const LAN: Option<DeviceId> = Some(DeviceId(0));
pub(super) const WAN: Option<DeviceId> = Some(DeviceId(1));

/// Reads one text with the helpers `ftp` and `tftp`.
pub(super) fn parse(text: &str) -> Result<RuleSet, RuleError> {
    let known = |name: &str, id, protocol| KnownHelper {
        name: name.into(),
        id: HelperId(id),
        protocols: Vec::from([protocol]),
    };
    let helpers = [known("ftp", 0, Protocol::TCP), known("tftp", 1, Protocol::UDP)];
    RuleSet::parse(
        &[Source { name: "rules.v4", text }],
        &Loading { counters: true, helpers: &helpers, ..Loading::default() },
    )
}

/// The error of a text that must be refused.
pub(super) fn refusal(text: &str) -> String {
    match parse(text) {
        Ok(rules) => panic!("taken: {text}\nas: {}", rules.save(false)),
        Err(error) => format!("{error}"),
    }
}

/// Makes what rules remember under a name, as if there were no others.
pub(super) fn claim(now: Instant, rules: &mut RuleSet, lists: &mut Lists) {
    rules.hand_over_sets(now, lists);
    let none = super::lists::Claims::default();
    let mut claims = [&none; 2];
    claims[rules.family() as usize] = rules.claims();
    lists.claim(claims);
}

impl Lab {
    pub(super) fn new(text: &str) -> Self {
        let device = |name: &str, address: [u8; 4], last: u8| Device {
            name: name.into(),
            mac: MacAddr([2, 0, 0, 0, 0, last]),
            mtu_bytes: 1500,
            addresses: vec![InterfaceAddress { address: Ipv4Addr::from_octets(address).into(), prefix: 24 }],
            any_destination: false,
            arp: true,
            ..Device::default()
        };
        let mut devices = Devices::default();
        devices.add(device("lan", [10, 0, 0, 1], 1));
        devices.add(device("wan", [203, 0, 113, 1], 2));
        let mut around = Surroundings::new(1, Routines::PORTABLE);
        around.trace.set_level(TraceLevel::Full);
        let mut rules = parse(text).unwrap_or_else(|error| panic!("{error}"));
        let mut lists = Lists::default();
        claim(Instant::from_secs(1000), &mut rules, &mut lists);
        Self {
            rules,
            devices,
            routes: Routes::default(),
            sockets: Sockets::new(1),
            conntrack: Conntrack::new(1),
            lists,
            copies: Vec::new(),
            around,
            pool: Pool::new(),
            walk: Walk::new(),
            now: Instant::from_secs(1000),
        }
    }

    /// What a table answers about a packet that passes a hook.
    pub(super) fn ask(&mut self, table: TableName, hook: Hook, packet: &mut Packet) -> Verdict {
        let (input, output) = match hook {
            Hook::Prerouting | Hook::Input => (LAN, None),
            Hook::Forward => (LAN, WAN),
            Hook::Output => (None, WAN),
            Hook::Postrouting => (LAN, WAN),
        };
        let mut view = View {
            now: self.now,
            hook,
            packet,
            input,
            output,
            devices: &self.devices,
            routes: &self.routes,
            sockets: &self.sockets,
            conntrack: &mut self.conntrack,
            lists: &mut self.lists,
            pool: &mut self.pool,
            copies: &mut self.copies,
            around: &mut self.around,
            walk: &mut self.walk,
        };
        self.rules.evaluate(table, &mut view)
    }

    /// What the filter table answers about a packet that is forwarded.
    pub(super) fn forward(&mut self, packet: &mut Packet) -> Verdict {
        self.ask(TableName::Filter, Hook::Forward, packet)
    }

    /// The texts of the rules that matched since the last time, `policy` for a policy.
    pub(super) fn matched(&mut self) -> Vec<String> {
        let steps = self.around.trace.take();
        let name = |step: &Step| {
            if let Step::Matched(_, id) = step { Some(self.text(*id)) } else { policy(step).then(|| "policy".into()) }
        };
        steps.iter().filter_map(name).collect()
    }

    /// Why rules did not match since the last time: `condition: packet …`.
    pub(super) fn missed(&mut self) -> Vec<String> {
        let steps = self.around.trace.take();
        let sentence = |step: &Step| {
            let Step::Missed(_, id, part, found) = step else { return None };
            Some(format!("{}: packet {found}", self.rules.part(*id, *part).unwrap_or_default()))
        };
        steps.iter().filter_map(sentence).collect()
    }

    pub(super) fn text(&self, id: RuleId) -> String {
        self.rules.find(id).map(|rule| rule.text).unwrap_or_default()
    }

    pub(super) fn packet(&mut self, draft: &Sample) -> Packet {
        draft.packet(&mut self.pool)
    }
}

const fn policy(step: &Step) -> bool {
    matches!(step, Step::Policy(..))
}

/// A packet to be made.
#[derive(Clone, Debug)]
pub(super) struct Sample {
    pub(super) ip: Ipv4Header,
    pub(super) transport: Vec<u8>,
}

/// A TCP segment from 10.0.0.2:40000 to 198.51.100.7, without payload.
pub(super) fn tcp(port: u16, flags: u8) -> Sample {
    let mut transport = vec![0; 20];
    transport[0..2].copy_from_slice(&40_000_u16.to_be_bytes());
    transport[2..4].copy_from_slice(&port.to_be_bytes());
    transport[12] = 0x50;
    transport[13] = flags;
    Sample { ip: ip(Protocol::TCP), transport }
}

/// A UDP datagram from 10.0.0.2:40000 to 198.51.100.7 with some bytes of payload.
pub(super) fn udp(port: u16, payload: usize) -> Sample {
    let mut transport = vec![0; 8 + payload];
    transport[0..2].copy_from_slice(&40_000_u16.to_be_bytes());
    transport[2..4].copy_from_slice(&port.to_be_bytes());
    transport[4..6].copy_from_slice(&(8 + payload as u16).to_be_bytes());
    Sample { ip: ip(Protocol::UDP), transport }
}

/// A message of ICMP from 10.0.0.2 to 198.51.100.7.
pub(super) fn icmp(kind: u8, code: u8) -> Sample {
    Sample { ip: ip(Protocol::ICMP), transport: vec![kind, code, 0, 0, 0, 1, 0, 1] }
}

/// The header that all samples have.
pub(super) fn ip(protocol: Protocol) -> Ipv4Header {
    Ipv4Header {
        version_ihl: 0x45,
        tos: 0,
        total_len: 0.into(),
        id: 7.into(),
        flags_fragment: 0.into(),
        ttl: 64,
        protocol: protocol.0,
        checksum: [0; 2],
        source: [10, 0, 0, 2],
        destination: [198, 51, 100, 7],
    }
}

impl Sample {
    pub(super) fn packet(&self, pool: &mut Pool) -> Packet {
        Packet::compose(pool, &Draft { ip: self.ip.into(), transport: &self.transport })
    }

    pub(super) fn from(mut self, source: [u8; 4]) -> Self {
        self.ip.source = source;
        self
    }

    pub(super) fn to(mut self, destination: [u8; 4]) -> Self {
        self.ip.destination = destination;
        self
    }

    /// A fragment: its offset in units of 8 bytes.
    pub(super) fn fragment(mut self, offset: u16) -> Self {
        self.ip.flags_fragment.set(offset);
        self
    }
}
