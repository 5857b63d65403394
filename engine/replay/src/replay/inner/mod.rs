//! Captures that were taken behind the gateway, on the side of a host to which a DNAT rule leads connections.
//!
//! ```text
//!  what the gateway gets                  nat PREROUTING                  captured behind it
//!  198.51.100.7:4000 > 203.0.113.1:8080 ─► -j DNAT ─────────────────────► 198.51.100.7:4000 > 192.168.1.20:80
//!  └───────────── is replayed ◄───── and it leads just there ◄─────────── what may it have called?
//! ```
//!
//! The first packet of a connection is taken for one that was led where it goes, and replayed as one that calls what the rule asks for,
//! when all of this holds:
//!
//! - It goes to what a rule leads to, from another side than that.
//! - It was captured on the way from the gateway to there: on a link of which the configuration says so, or, where nothing is said,
//!   because from a public address nobody calls a private one. Not when the capturing host has sent it, when it goes to an Ethernet
//!   address of the gateway, or when the capture has shown before what comes to the gateway from that side.
//! - The gateway, asked what it would do with the packet that was called ([`Engine::foretell`]), would lead it just there: rules that
//!   come before, and depend on who calls, have their say; sets are asked as they are by then. Of several rules the first one counts. What hangs on chance, or on what rules
//!   remember, stays as it was captured.
//!
//! A capture may show both sides: once it has shown a packet of such a connection before the gateway, what comes from that side but
//! looks as it does behind it has left the gateway, and is not fed in again.
//!
//! From its first packet on the connection is known, and its other packets are what [`super::translation`] finds. Rules with REDIRECT lead to the
//! gateway itself, behind which nothing is captured.
//!
//! What a host inside has announced itself, such as the data connections of a passive FTP server, is led in by no rule and is not found.

use std::collections::{BTreeMap, BTreeSet};

use core::net::IpAddr;

use towpath_engine::{
    Checksum, DeviceId, Engine, Frame,
    conntrack::{Direction, Expectation, Family, FlowKey, Status, Tuple, Zone},
    netfilter::Lead,
};

#[cfg(test)]
mod tests;

use super::{
    peek::Peek,
    readdress::readdress,
    side::{Side, Sides, Sources},
    translation::Translation,
};
use crate::{capture::CapturedPacket, limits::INNER_TRIES_MAX, record::NotFed};

/// What is known of connections that are led in.
#[derive(Debug, Default)]
pub(super) struct Inner {
    /// What rules lead to, those of IPv4 first, in the order in which they are asked.
    leads: Vec<Lead>,
    /// By the only address that they lead to.
    hosts: BTreeMap<IpAddr, Vec<usize>>,
    /// Those that lead to several.
    ranges: Vec<usize>,
    /// What is called: addresses of the gateway, and those that the rules ask for.
    called: BTreeSet<IpAddr>,
    /// By which devices, and in which direction of connections that are led in, packets come that the capture shows before the gateway.
    shown: Vec<(DeviceId, Direction)>,
    /// Room for a frame that is tried.
    tried: Vec<u8>,
}

/// A packet of a capture.
#[derive(Clone, Copy, Debug)]
pub(super) struct Captured<'a> {
    pub(super) packet: &'a CapturedPacket<'a>,
    /// The frame without tags.
    pub(super) frame: &'a [u8],
    /// Its length on the wire.
    pub(super) wire_len: u32,
    pub(super) peek: &'a Peek,
    /// By what its connection is looked for.
    pub(super) key: Option<&'a FlowKey>,
}

impl Inner {
    /// Reads the rules of a gateway.
    pub(super) fn new(engine: &Engine) -> Self {
        let leads: Vec<Lead> =
            [Family::Ipv4, Family::Ipv6].into_iter().flat_map(|family| engine.rules().of(family).leads()).collect();
        let mut inner = Self::default();
        if leads.is_empty() {
            return inner;
        }
        for (index, lead) in leads.iter().enumerate() {
            match lead.addresses {
                (host, last) if host == last => inner.hosts.entry(host).or_default().push(index),
                (..) => inner.ranges.push(index),
            }
        }
        let own = engine.devices().addresses().map(|own| own.address);
        inner.called = own.chain(leads.iter().filter_map(|lead| lead.called)).collect();
        Self { leads, ..inner }
    }

    /// Puts right what was found out about what the gateway sees of a packet: of one that it would see as it was captured, without a
    /// connection, it may be what was called before.
    #[inline(always)]
    pub(super) fn look_before(
        &mut self,
        found: &mut Translation,
        engine: &mut Engine,
        sides: &mut Sides,
        captured: Captured<'_>,
    ) {
        if !self.leads.is_empty()
            && *found == Translation::AsCaptured(None)
            && let Some(tuple) = self.called_before(engine, sides, captured)
        {
            *found = Translation::Readdressed(tuple, None);
        }
    }

    /// Whether a packet that comes by `device` is one that the capture has shown already, before the gateway: it is a packet of a
    /// connection that was led in, as it has left.
    #[inline(always)]
    fn has_left(&mut self, engine: &Engine, translation: &Translation, device: DeviceId) -> bool {
        !self.leads.is_empty() && self.was_shown(engine, translation, device)
    }

    /// By which device a packet comes in, whose frame holds what was read of it.
    #[inline(always)]
    pub(super) fn place(
        &mut self,
        engine: &Engine,
        sides: &mut Sides,
        (packet, frame, peek): (&CapturedPacket<'_>, &[u8], Option<&Peek>),
        translation: &Translation,
    ) -> Result<DeviceId, NotFed> {
        let readdressed = translation.source();
        let sources =
            peek.map(|Peek { source, .. }| Sources { captured: source, seen: readdressed.as_ref().unwrap_or(source) });
        match sides.of(packet, frame, sources.and_then(Sources::telling)) {
            Side::Input(device) if !self.has_left(engine, translation, device) => Ok(device),
            Side::OwnOutput | Side::Input(_) => Err(NotFed::OwnOutput),
            Side::Nowhere => Err(NotFed::Nowhere),
        }
    }

    #[inline(never)]
    fn was_shown(&mut self, engine: &Engine, translation: &Translation, device: DeviceId) -> bool {
        let ((id, direction), is_as_captured) = match translation {
            Translation::AsCaptured(Some(flow)) => (*flow, true),
            Translation::Readdressed(_, Some(flow)) => (*flow, false),
            Translation::AsCaptured(None)
            | Translation::Readdressed(_, None)
            | Translation::ErrorReaddressed { .. }
            | Translation::Unknown(_) => return false,
        };
        let is_shown = self.shown.contains(&(device, direction));
        let is_led = || engine.conntrack().connection(id).is_some_and(|known| known.status.contains(Status::DST_NAT));
        if is_as_captured == is_shown || !is_led() {
            return false;
        }
        if is_as_captured {
            self.shown.push((device, direction));
        }
        is_shown
    }

    /// What a packet has called that starts a connection and was led where it goes.
    #[inline(never)]
    fn called_before(&mut self, engine: &mut Engine, sides: &mut Sides, captured: Captured<'_>) -> Option<Tuple> {
        let Captured { packet, frame, peek, key, .. } = captured;
        let tuple = key?.tuple;
        let is_call = self.called.contains(&peek.destination);
        let candidates = self.leading_to(&peek.destination, &tuple);
        if !is_call && candidates.is_empty() {
            return None;
        }
        let sources = Sources { captured: &peek.source, seen: &peek.source }.telling();
        let Side::Input(device) = sides.of(packet, frame, sources) else { return None };
        let is_shown = self.shown.contains(&(device, Direction::Original));
        if is_call && !is_shown {
            self.shown.push((device, Direction::Original));
        }
        if is_call || is_shown || !sides.is_behind(packet, frame, peek, device) {
            return None;
        }
        let mut tried: Vec<Tuple> = Vec::new();
        for index in candidates {
            let lead = self.leads[index];
            let Some(port) = lead.port_called(tuple.destination_port) else { continue };
            for address in called(engine, device, &lead, tuple.family) {
                let before = Tuple { destination: address.into(), destination_port: port, ..tuple };
                if before == tuple || tried.contains(&before) {
                    continue;
                }
                if tried.len() >= INNER_TRIES_MAX {
                    return None;
                }
                if self.leads_there(engine, device, captured, &before, &tuple) {
                    return Some(before);
                }
                tried.push(before);
            }
        }
        None
    }

    /// The rules that may lead to an address connections of a tuple's protocol, first one first.
    fn leading_to(&self, host: &IpAddr, tuple: &Tuple) -> Vec<usize> {
        let is_between = |index: &&usize| {
            let (first, last) = self.leads[**index].addresses;
            first.is_ipv4() == host.is_ipv4() && (first..=last).contains(host)
        };
        let alone = self.hosts.get(host).into_iter().flatten();
        let mut found: Vec<usize> = alone.chain(self.ranges.iter().filter(is_between)).copied().collect();
        found.retain(|index| self.leads[*index].protocol.is_none_or(|protocol| protocol == tuple.protocol()));
        found.sort_unstable();
        found
    }

    /// Whether the gateway would lead the packet to where it was captured on its way to, had it come as one of `before`.
    fn leads_there(
        &mut self,
        engine: &mut Engine,
        device: DeviceId,
        captured: Captured<'_>,
        before: &Tuple,
        tuple: &Tuple,
    ) -> bool {
        let is_announced = |expectation: &Expectation| expectation.announces(Zone::DEFAULT.id, before);
        if engine.conntrack().expectations().iter().any(is_announced) {
            return false;
        }
        self.tried.clear();
        self.tried.extend_from_slice(captured.frame);
        readdress(&mut self.tried, captured.peek, before, Checksum::None);
        let frame = Frame { wire_len: captured.wire_len, ..Frame::new(device, &self.tried) };
        engine.foretell(captured.packet.time, &frame) == Some(*tuple)
    }
}

/// What may have been called of which a rule says where it leads: the address that it asks for, or those of the interface.
fn called(engine: &Engine, device: DeviceId, lead: &Lead, family: Family) -> Vec<IpAddr> {
    if let Some(called) = lead.called {
        return vec![called];
    }
    let devices = engine.devices();
    let port = devices.find(device);
    let input = port.and_then(|port| port.master).and_then(|bond| devices.find(bond)).or(port);
    input.map(|input| input.addresses_of(family).map(|own| own.address).collect()).unwrap_or_default()
}
