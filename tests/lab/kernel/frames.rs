//! The scenario's frames: where each is injected, and with which link header.

use std::{
    collections::BTreeSet,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

use anyhow::{Context, Result, bail};
use towpath_engine::{
    DeviceId, Frame, Packet,
    offload::checksum,
    packet::{IpMut, Pool, Transport},
    wire::checksum::Routines,
};
use towpath_replay::capture::{Capture, Content};

use super::{
    Folder,
    router::{HOST_MAC, ROUTER_MAC, parse_network, side},
    scenario::{Answer, Scenario, Sides},
};

/// A frame of the scenario.
#[derive(Clone, Debug)]
pub struct Input {
    /// Nanoseconds since the first.
    pub nanos: u64,
    /// Where it is injected; `None`: sent by the router itself.
    pub side: Option<DeviceId>,
    /// With a link header, unless the router itself sends it.
    pub bytes: Vec<u8>,
}

/// The capture with the frames.
const FILE: &str = "in.pcap";

/// Bytes of an Ethernet header.
const LINK: usize = 14;

/// Reads the frames of a folder's `in.pcap`.
///
/// # Errors
/// When it cannot be read, or a frame is injected nowhere.
pub(super) fn read(scenario: &Scenario, folder: Folder<'_>) -> Result<Vec<Input>> {
    let bytes = folder.read(FILE)?;
    let mut capture = Capture::from_bytes(&bytes).context(FILE)?;
    let mut inputs = Vec::new();
    let mut first = None;
    loop {
        let batch = capture.next_batch(64).context(FILE)?;
        if batch.is_empty() {
            return Ok(inputs);
        }
        for packet in batch.packets() {
            let Content::Ethernet(frame) = packet.content else { bail!("{FILE}: a packet cannot be read") };
            let start = *first.get_or_insert(packet.time.as_nanos());
            let side = injected(scenario, inputs.len(), frame)?;
            let bytes = match side {
                None => frame[LINK..].to_vec(),
                Some(_) if scenario.l2.as_deref() == Some("keep") => frame.to_vec(),
                Some(device) => readdressed(frame, device),
            };
            inputs.push(Input { nanos: packet.time.as_nanos().saturating_sub(start), side, bytes });
        }
    }
}

/// Every address that the frames mention.
pub(super) fn addresses(inputs: &[Input]) -> BTreeSet<IpAddr> {
    let start = |input: &Input| if input.side.is_some() { LINK } else { 0 };
    inputs.iter().filter_map(|input| ends(input.bytes.get(start(input)..)?)).flatten().collect()
}

/// Source and destination of the IP packet that starts at `bytes`.
fn ends(bytes: &[u8]) -> Option<[IpAddr; 2]> {
    let v4 = |at: usize| Some(IpAddr::V4(Ipv4Addr::from_octets(*bytes.get(at..)?.first_chunk()?)));
    let v6 = |at: usize| Some(IpAddr::V6(Ipv6Addr::from_octets(*bytes.get(at..)?.first_chunk()?)));
    match bytes.first()? >> 4 {
        4 => Some([v4(12)?, v4(16)?]),
        6 => Some([v6(8)?, v6(24)?]),
        _ => None,
    }
}

/// The frame with the destination of `answered`'s source: address, and port or ICMP identifier.
pub(super) fn answering(input: &Input, answered: &[u8], pool: &mut Pool) -> Result<Vec<u8>> {
    let device = input.side.context("a frame of the router itself answers nothing")?;
    let earlier = parse(pool, device, answered)?;
    let mut frame = parse(pool, device, &input.bytes)?;
    match (earlier.ip().context("the answered frame is no IP")?.source(), frame.ip_mut()) {
        (IpAddr::V4(source), Some(IpMut::V4(ip))) => ip.destination = source.octets(),
        (IpAddr::V6(source), Some(IpMut::V6(ip))) => ip.destination = source.octets(),
        _ => bail!("a frame answers one of another family"),
    }
    frame.fill_ip_checksum();
    let (from, to) = match frame.transport() {
        Transport::Tcp | Transport::Udp => (0..2, 2..4),
        Transport::Icmp | Transport::Icmpv6 => (4..6, 4..6),
        Transport::Other | Transport::Broken => bail!("a frame without ports answers nothing"),
    };
    // One that ends before its port leaves the answer's as it is.
    if let Some(port) = earlier.transport_bytes().get(from) {
        frame.transport_bytes_mut()[to].copy_from_slice(port);
    }
    checksum::fill(&mut frame, &Routines::PORTABLE);
    // The tool writes the sum as it is, where whoever stands in for a device writes ones for zero.
    if let Some(tcp) = frame.tcp_mut().filter(|tcp| tcp.checksum == [0xff; 2]) {
        tcp.checksum = [0; 2];
    }
    Ok(frame.linear().to_vec())
}

/// What a scenario says of an `answers` entry: which earlier output is answered.
pub(super) fn answered<'a>(answer: &Answer, outputs: &'a [Vec<(DeviceId, Vec<u8>)>]) -> Result<Option<&'a [u8]>> {
    let device = side(&answer.side)?;
    let earlier = outputs.get(answer.frame).context("an answer comes before what it answers")?;
    Ok(earlier.iter().filter(|(out, _)| *out == device).map(|(_, bytes)| &bytes[..]).nth(answer.index))
}

fn parse(pool: &mut Pool, device: DeviceId, bytes: &[u8]) -> Result<Packet> {
    Packet::parse(pool, &Frame::new(device, bytes)).map_err(|dropped| anyhow::anyhow!(dropped.reason.meaning()))
}

/// Where a frame is injected.
fn injected(scenario: &Scenario, n: usize, frame: &[u8]) -> Result<Option<DeviceId>> {
    let named = match &scenario.sides {
        Some(Sides::Letters(letters)) => letters.get(n..=n),
        Some(Sides::Names(names)) => names.get(n).map(String::as_str),
        None => return by_source(scenario, frame),
    };
    match named.with_context(|| format!("frame {n} has no side"))? {
        "l" | "local" => Ok(None),
        name => side(name).map(Some),
    }
}

fn by_source(scenario: &Scenario, frame: &[u8]) -> Result<Option<DeviceId>> {
    let source = frame.get(LINK..).and_then(ends).map(|[source, _]| source);
    let rules: Vec<(&str, &str)> = if scenario.side_rules.is_empty() {
        scenario.inside.addrs.iter().map(|network| (&network[..], "inside")).collect()
    } else {
        scenario.side_rules.iter().map(|rule| (&rule.src[..], &rule.side[..])).collect()
    };
    for (network, name) in rules {
        if source.is_some_and(|source| parse_network(network).is_ok_and(|network| network.contains(source))) {
            return side(name).map(Some);
        }
    }
    side(scenario.default_side.as_deref().unwrap_or("outside")).map(Some)
}

/// The frame as the router's neighbour sends it; group addresses stay.
fn readdressed(frame: &[u8], device: DeviceId) -> Vec<u8> {
    let index = usize::from(device.0);
    let mut bytes = frame.to_vec();
    if bytes[0] & 1 == 0 {
        bytes[..6].copy_from_slice(&ROUTER_MAC[index].0);
    }
    bytes[6..12].copy_from_slice(&HOST_MAC[index].0);
    bytes
}
