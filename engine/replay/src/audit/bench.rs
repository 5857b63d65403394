//! A gateway on the bench: hosts inside, peers outside, and what comes out of what they send.

use core::{
    net::{IpAddr, Ipv4Addr},
    time::Duration,
};

use serde::{Serialize, Serializer};
use towpath_engine::{
    CommandError, Engine, Instant,
    device::Device,
    ip::Fate,
    packet::Sketch,
    wire::{EthernetHeader, IcmpHeader, Ipv4Header, MacAddr, checksum},
};

use super::{
    AuditError, Untested,
    came::{Came, outputs},
    carrier::{Carrier, Endpoint},
};
use crate::play::{Beside, Player, station_mac};

/// A step of an experiment.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Step {
    /// The packet that went in, behind its interface.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sent: Option<String>,
    /// The time that went by instead; in JSON in seconds.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "in_seconds")]
    pub waited: Option<Duration>,
    /// What came out, each behind its interface, or why nothing did.
    pub came: Vec<String>,
}

/// Whole seconds as an integer.
fn in_seconds<S: Serializer>(waited: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
    match waited {
        None => to.serialize_none(),
        Some(waited) if waited.subsec_nanos() == 0 => to.serialize_u64(waited.as_secs()),
        Some(waited) => to.serialize_f64(waited.as_secs_f64()),
    }
}

/// From where a packet comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Inside,
    Outside,
}

/// Which interfaces the gateway has towards whom, and what it lets out.
#[derive(Clone, Debug)]
pub(super) struct Sides {
    pub(super) inside: String,
    pub(super) outside: String,
    /// Addresses of three hosts inside.
    hosts: [Ipv4Addr; 3],
    /// By carrier: ports of peers that may be talked to, at most two.
    ports: [Vec<u16>; 3],
}

impl Sides {
    /// Finds out from behind which interface packets leave translated, and to which ports they may go.
    pub(super) fn find<E: From<AuditError>>(make: &mut impl FnMut() -> Result<Engine, E>) -> Result<Self, E> {
        let engine = make()?;
        let devices: Vec<(String, [Ipv4Addr; 3])> =
            engine.devices().iter().filter_map(|(_, device)| Some((device.name.clone(), hosts_of(device)?))).collect();
        for (inside, hosts) in devices {
            let mut found = Self { inside, outside: String::new(), hosts, ports: Default::default() };
            for carrier in Carrier::ALL {
                for port in PORTS {
                    let ports = &found.ports[carrier as usize];
                    if ports.len() == 2 || (carrier == Carrier::Icmp && ports.len() == 1) {
                        break;
                    }
                    let mut bench = Bench::new(make()?, &found).map_err(AuditError::from)?;
                    let out = bench.send(Side::Inside, &carrier.opening(found.host(0, 5000), PEERS[0].with_port(port)));
                    let translated = out
                        .into_iter()
                        .find(|came| came.device != found.inside && came.source().address != found.hosts[0]);
                    if let Some(came) = translated {
                        found.outside = came.device;
                        found.ports[carrier as usize].push(port);
                    }
                }
            }
            if !found.outside.is_empty() {
                return Ok(found);
            }
        }
        Err(AuditError::NothingTranslated.into())
    }

    pub(super) const fn lets_out(&self, carrier: Carrier) -> bool {
        !self.ports[carrier as usize].is_empty()
    }

    const fn host(&self, index: usize, port: u16) -> Endpoint {
        Endpoint { address: self.hosts[index], port }
    }

    fn device(&self, side: Side) -> &str {
        match side {
            Side::Inside => &self.inside,
            Side::Outside => &self.outside,
        }
    }
}

/// A frame with an ICMP error, and one word of options behind the IPv4 header of the packet that it quotes.
fn with_quoted_options(mut frame: Vec<u8>) -> Vec<u8> {
    let quoted = EthernetHeader::LEN + Ipv4Header::LEN + IcmpHeader::LEN;
    let options = quoted + Ipv4Header::LEN;
    frame.splice(options..options, [1, 1, 1, 0]);
    for (header, len) in [(EthernetHeader::LEN, Ipv4Header::LEN), (quoted, Ipv4Header::LEN + 4)] {
        let total = u16::from_be_bytes([frame[header + 2], frame[header + 3]]) + 4;
        frame[header] = 0x40 | (len / 4) as u8;
        frame[header + 2..header + 4].copy_from_slice(&total.to_be_bytes());
        sum_into(&mut frame[header..header + len], 10);
    }
    sum_into(&mut frame[EthernetHeader::LEN + Ipv4Header::LEN..], 2);
    frame
}

/// Changes a byte of the packet that an ICMP error quotes, counted from its first; the error's own checksum is right again. `bytes` are
/// those of the error, from its IPv4 header on.
pub(super) fn change_quoted(bytes: &mut [u8], at: usize) {
    bytes[Ipv4Header::LEN + IcmpHeader::LEN + at] ^= 0x55;
    sum_into(&mut bytes[Ipv4Header::LEN..], 2);
}

/// Names the router to go by instead in an ICMP redirect; the redirect's checksum is right again. `bytes` are as those of
/// [`change_quoted`].
pub(super) fn name_gateway(bytes: &mut [u8], gateway: Ipv4Addr) {
    bytes[Ipv4Header::LEN + 4..Ipv4Header::LEN + IcmpHeader::LEN].copy_from_slice(&gateway.octets());
    sum_into(&mut bytes[Ipv4Header::LEN..], 2);
}

/// Writes the checksum of all bytes into two of them.
fn sum_into(bytes: &mut [u8], at: usize) {
    bytes[at..at + 2].fill(0);
    let sum = !checksum::sum(bytes);
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// Three hosts of a device's network; `None` where there is no room for them.
fn hosts_of(device: &Device) -> Option<[Ipv4Addr; 3]> {
    device.addresses.iter().find_map(|own| {
        let (IpAddr::V4(address), IpAddr::V4(network)) = (own.address, own.network()) else { return None };
        let room = u32::MAX.checked_shr(own.prefix.into()).unwrap_or(0);
        let all =
            (1..room).map(|number| Ipv4Addr::from_bits(network.to_bits() + number)).filter(|host| *host != address);
        let hosts: Vec<Ipv4Addr> = all.skip(if room > 64 { 9 } else { 0 }).take(3).collect();
        hosts.try_into().ok()
    })
}

/// Two connections of a host to one peer, and what they are outside.
pub(super) struct Pair {
    pub(super) hosts: [Endpoint; 2],
    pub(super) mapped: [Endpoint; 2],
    pub(super) peer: Endpoint,
}

/// A gateway on the bench.
pub(super) struct Bench {
    player: Player,
    sides: Sides,
    steps: Vec<Step>,
}

impl Bench {
    pub(super) fn new(engine: Engine, sides: &Sides) -> Result<Self, CommandError> {
        Ok(Self { player: Player::new(engine, START)?, sides: sides.clone(), steps: Vec::new() })
    }

    pub(super) fn into_steps(self) -> Vec<Step> {
        self.steps
    }

    pub(super) const fn engine(&self) -> &Engine {
        self.player.engine()
    }

    /// A host inside.
    pub(super) const fn host(&self, index: usize, port: u16) -> Endpoint {
        self.sides.host(index, port)
    }

    /// A peer outside, with the first or second port that may be talked to.
    pub(super) fn peer(&self, carrier: Carrier, index: usize, port: usize) -> Endpoint {
        let ports = &self.sides.ports[carrier as usize];
        PEERS[index].with_port(ports.get(port).or(ports.first()).copied().unwrap_or_default())
    }

    /// Whether the gateway lets such flows out.
    pub(super) const fn lets_out(&self, carrier: Carrier) -> bool {
        self.sides.lets_out(carrier)
    }

    /// The largest packet that goes towards a peer whole, in bytes: what its route and the link allow.
    pub(super) fn mtu_towards(&self, peer: Endpoint) -> Option<u32> {
        match self.engine().fate_towards(peer.address.into()) {
            Fate::Forward(hop) => Some(hop.mtu_bytes),
            Fate::Local | Fate::Nowhere(_) => None,
        }
    }

    pub(super) fn is_inside(&self, came: &Came) -> bool {
        came.device == self.sides.inside
    }

    pub(super) fn is_outside(&self, came: &Came) -> bool {
        came.device == self.sides.outside
    }

    /// A packet goes in; gives what comes out.
    pub(super) fn send(&mut self, side: Side, packet: &str) -> Vec<Came> {
        let device = self.sides.device(side).to_owned();
        let sketch: Sketch = packet.parse().unwrap_or_else(|error| unreachable!("'{packet}' is a packet: {error}"));
        let happened = self.player.take_in(&device, &sketch, &Beside::default());
        let happened = happened.unwrap_or_else(|error| unreachable!("'{packet}' can go in by {device}: {error}"));
        let (came, said) = outputs(&happened);
        self.steps.push(Step { sent: Some(format!("{device} < {packet}")), waited: None, came: said });
        came
    }

    /// A packet goes in from outside after its bytes, from the IPv4 header on, were changed; `how` says how. Gives what comes out.
    pub(super) fn send_changed(&mut self, packet: &str, how: &str, change: impl FnOnce(&mut Vec<u8>)) -> Vec<Came> {
        let name = self.sides.outside.clone();
        let sketch: Sketch = packet.parse().unwrap_or_else(|error| unreachable!("'{packet}' is a packet: {error}"));
        let device = self.player.device(&name).unwrap_or_else(|error| unreachable!("{name} is there: {error}"));
        let own = self.engine().devices().find(device).map_or(MacAddr::BROADCAST, |device| device.mac);
        let frame = sketch.frame(station_mac(device), own);
        let (link, network) = frame.split_at(EthernetHeader::LEN);
        let mut bytes = network.to_vec();
        change(&mut bytes);
        let happened = self.player.receive(device, [link, &bytes].concat(), &Beside::default());
        let (came, said) = outputs(&happened);
        self.steps.push(Step { sent: Some(format!("{name} < {packet} ({how})")), waited: None, came: said });
        came
    }

    /// A handshake from inside; gives the endpoint outside.
    ///
    /// # Errors
    /// When it does not pass.
    pub(super) fn connect(&mut self, host: Endpoint, peer: Endpoint) -> Result<Endpoint, Untested> {
        let mapped = self.open(Carrier::Tcp, host, peer)?;
        if self.reach(&Carrier::Tcp.answer(peer, mapped)) != Some(host) {
            return Err(Untested("a handshake does not pass".to_owned()));
        }
        self.send(Side::Inside, &format!("{host} > {peer} A seq 1001 ack 9001"));
        Ok(mapped)
    }

    /// Two handshakes from inside.
    ///
    /// # Errors
    /// When one does not pass.
    pub(super) fn connect_two(&mut self) -> Result<Pair, Untested> {
        let (hosts, peer) = ([5000, 5001].map(|port| self.host(0, port)), self.peer(Carrier::Tcp, 0, 0));
        Ok(Pair { hosts, mapped: [self.connect(hosts[0], peer)?, self.connect(hosts[1], peer)?], peer })
    }

    /// The peer sends a segment on the first connection and the host one on the second: whether the one arrives, and the other leaves
    /// translated.
    pub(super) fn pass_both_ways(&mut self, pair: &Pair, from_peer: &str, from_host: &str) -> bool {
        let Pair { hosts, mapped, peer } = pair;
        let arrives = self.reach(&format!("{peer} > {} {from_peer}", mapped[0])) == Some(hosts[0]);
        let out = self.send(Side::Inside, &format!("{} > {peer} {from_host}", hosts[1]));
        arrives && out.iter().any(|came| self.is_outside(came) && came.ends() == [mapped[1], *peer])
    }

    /// An ICMP error goes in whose quoted packet has options in its IPv4 header, which the notation does not know; gives what comes
    /// out.
    pub(super) fn send_quoting_options(&mut self, side: Side, packet: &str) -> Vec<Came> {
        let device = self.sides.device(side).to_owned();
        let sketch: Sketch = packet.parse().unwrap_or_else(|error| unreachable!("'{packet}' is a packet: {error}"));
        let id = self.player.device(&device).unwrap_or_else(|error| unreachable!("{device} is there: {error}"));
        let mac = self.engine().devices().find(id).map_or(MacAddr::BROADCAST, |device| device.mac);
        let frame = with_quoted_options(sketch.frame(station_mac(id), mac));
        let happened = self.player.receive(id, frame, &Beside::default());
        let (came, said) = outputs(&happened);
        let sent = format!("{device} < {packet} (with IP options in the packet that it quotes)");
        self.steps.push(Step { sent: Some(sent), waited: None, came: said });
        came
    }

    /// For how many seconds each connection is remembered, the oldest first.
    pub(super) fn seconds_left(&self) -> Vec<u32> {
        let entries = self.engine().conntrack().entries(self.player.now());
        entries.into_iter().filter_map(|entry| entry.timeout_secs).collect()
    }

    /// Time goes by; gives what comes out meanwhile.
    pub(super) fn wait(&mut self, secs: u64) -> Vec<Came> {
        self.wait_for(Duration::from_secs(secs))
    }

    /// Time goes by; gives what comes out meanwhile.
    pub(super) fn wait_for(&mut self, waited: Duration) -> Vec<Came> {
        let happened = self.player.until(self.player.now() + waited);
        let (came, said) = outputs(&happened);
        self.steps.push(Step { sent: None, waited: Some(waited), came: said });
        came
    }

    /// A host opens a flow; gives the endpoint outside that stands for it.
    ///
    /// # Errors
    /// When its packet does not come out.
    pub(super) fn open(&mut self, carrier: Carrier, from: Endpoint, to: Endpoint) -> Result<Endpoint, Untested> {
        let came = self.send(Side::Inside, &carrier.opening(from, to));
        let out = came.iter().find(|came| self.is_outside(came) && came.header.destination == to.address);
        out.map(Came::source)
            .ok_or_else(|| Untested(format!("what {from} sends to {to} by {} does not come out", carrier.name())))
    }

    /// Somebody outside sends; gives whom inside that reaches.
    pub(super) fn reach(&mut self, packet: &str) -> Option<Endpoint> {
        let came = self.send(Side::Outside, packet);
        came.iter().find(|came| self.is_inside(came)).map(Came::destination)
    }
}

/// Peers outside, of networks that are kept for documentation (RFC 5737).
const PEERS: [Endpoint; 3] = [
    Endpoint { address: Ipv4Addr::new(198, 51, 100, 7), port: 0 },
    Endpoint { address: Ipv4Addr::new(198, 51, 100, 8), port: 0 },
    Endpoint { address: Ipv4Addr::new(192, 0, 2, 9), port: 0 },
];

/// Ports that rules may let out, the likeliest ones first.
const PORTS: [u16; 12] = [5000, 6000, 3478, 443, 80, 53, 123, 21, 22, 25, 993, 8080];

/// When experiments begin: late enough that nothing is older than the clock.
const START: Instant = Instant::from_secs(1_000_000);
