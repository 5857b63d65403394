//! The stages of a hook: what each asks of its room, and what the room's answer does to the packet.

use core::net::IpAddr;

use crate::{
    conntrack::{
        self, ConnId, Connection, Direction, State, Status, Template, Tracking, Tuple, Zone,
        calling::{self, Called},
    },
    ending::{DropReason, Dropped},
    engine::Engine,
    held::{Held, Place, Walked},
    ip::{Fate, NextHop, fragment, icmp_error, reject},
    nat::{self, Manip},
    netfilter::{Copied, Hook, RejectWith, RuleId, TableName, Verdict, View},
    noted::Noted,
    packet::{Addressed, Packet},
    path::Way,
    settle::attached,
    tcp::Ends,
    time::Instant,
    trace::Step,
    wire::{Ipv6Header, Protocol},
};

impl Engine {
    /// Whether a packet may be forwarded, and one hop less (Linux v6.18: `net/ipv4/ip_forward.c`, `ip_forward()`;
    /// `net/ipv6/ip6_output.c`, `ip6_forward()`).
    pub(crate) fn may_forward(&mut self, mut packet: Packet, hop: NextHop) -> Result<Packet, Dropped> {
        let hops = packet.ip().map_or(0, |ip| ip.hops());
        let (forwards, mtu_bytes) = match packet.ipv6() {
            None => (self.around.sysctls.ip_forward, hop.mtu_bytes),
            Some(_) => {
                // Here the route's MTU does not count yet (Linux: `ip6_dst_mtu_maybe_forward()`).
                let device = self.devices.find(hop.device).map_or(hop.mtu_bytes, |device| device.mtu_bytes);
                (self.around.sysctls.ipv6_forwarding, device.max(Ipv6Header::MTU_MIN))
            }
        };
        if forwards == 0 {
            return Err(packet.drop_for(DropReason::ForwardingOff));
        }
        if packet.meta().addressed != Addressed::Host {
            return Err(packet.drop_for(DropReason::IpLinkBroadcast));
        }
        if hops <= 1 {
            // What may not pass at all is asked first (Linux v6.18: `ip_forward()`, `skb_warn_if_lro()`).
            let reason = if packet.is_uncuttable() { DropReason::LroForwarded } else { DropReason::TtlExpired };
            return Err(packet.drop_for(reason));
        }
        if let (Some(ip), false) = (packet.ipv6(), packet.meta().device == Some(hop.device)) {
            let source = ip.source();
            if source.is_unspecified() {
                return Err(packet.drop_for(DropReason::IpSourceInvalid));
            }
            if source.is_unicast_link_local() {
                return Err(packet.drop_for(DropReason::IpSourceLinkLocal));
            }
        }
        if !packet.may_pass(mtu_bytes) {
            if packet.is_uncuttable() {
                return Err(packet.drop_for(DropReason::LroForwarded));
            }
            if fragment::exceeds(&packet, mtu_bytes) {
                self.noted.told = mtu_bytes;
                return Err(packet.drop_for(DropReason::PacketTooBig));
            }
        }
        if let Some(mut ip) = packet.ip_mut() {
            ip.decrement_hops();
        }
        Ok(packet)
    }

    /// Asks a table.
    pub(crate) fn table(
        &mut self,
        table: TableName,
        hook: Hook,
        now: Instant,
        mut packet: Packet,
        way: Way,
    ) -> Result<Packet, Dropped> {
        match self.ask(table, hook, now, &mut packet, way) {
            Verdict::Accept | Verdict::Translate(..) | Verdict::Masquerade(..) | Verdict::Redirect(..) => Ok(packet),
            Verdict::Template(template, _) => {
                packet.meta_mut().tracking = Tracking::Template(template);
                Ok(packet)
            }
            Verdict::Untracked(_) => {
                packet.meta_mut().tracking = Tracking::Untracked;
                Ok(packet)
            }
            Verdict::Drop(rule) => Err(self.dropped_by(rule, packet, DropReason::FilterRule)),
            Verdict::Unreadable(rule) => Err(self.dropped_by(rule, packet, DropReason::MatchUnreadable)),
            Verdict::Full(rule) => Err(self.dropped_by(rule, packet, DropReason::MatchFull)),
            Verdict::DropByPolicy => Err(packet.drop_for(DropReason::FilterPolicy)),
            Verdict::Reject(with, rule) => {
                self.reject(now, hook, &packet, with);
                Err(self.dropped_by(rule, packet, DropReason::FilterReject))
            }
        }
    }

    fn ask(&mut self, table: TableName, hook: Hook, now: Instant, packet: &mut Packet, way: Way) -> Verdict {
        let Some(family) = packet.family() else { return Verdict::Accept };
        let mut view = View {
            now,
            hook,
            packet,
            input: way.input,
            output: way.output(),
            devices: &self.devices,
            routes: &self.routes,
            sockets: &self.sockets,
            conntrack: &mut self.conntrack,
            lists: &mut self.lists,
            pool: &mut self.pool,
            copies: &mut self.copies,
            around: &mut self.around,
            walk: &mut self.noted.walk,
        };
        let verdict = self.rules.of_mut(family).evaluate(table, &mut view);
        if !self.copies.is_empty() {
            self.send_copies(now);
        }
        verdict
    }

    /// Sends what TEE rules have copied; each copy goes its way before the original goes on.
    ///
    /// Linux v6.18: `net/ipv4/netfilter/nf_dup_ipv4.c`, `nf_dup_ipv4_route()`.
    #[cold]
    fn send_copies(&mut self, now: Instant) {
        for Copied { packet, gateway, output } in core::mem::take(&mut self.copies) {
            let hop = match self.routes.from_here(&self.devices, gateway, output) {
                Fate::Forward(hop) if output.is_none_or(|output| output == hop.device) => Some(hop),
                // The named device leads to the router though no route says so.
                Fate::Forward(_) | Fate::Nowhere(_) => output
                    .and_then(|device| Some((device, self.devices.find(device)?.mtu_bytes)))
                    .map(|(device, mtu_bytes)| NextHop { device, neighbour: gateway, mtu_bytes }),
                Fate::Local => None,
            };
            self.aside(now, Noted::default(), |engine| match hop {
                Some(hop) => engine.send_copy(now, packet, hop),
                None => Err(packet.drop_for(DropReason::NoRoute)),
            });
        }
    }

    fn dropped_by(&mut self, rule: RuleId, packet: Packet, reason: DropReason) -> Dropped {
        self.noted.rule = Some(rule);
        packet.drop_for(reason)
    }

    /// Answers a packet that a REJECT rule is about to drop.
    fn reject(&mut self, now: Instant, hook: Hook, packet: &Packet, with: RejectWith) {
        let Some(family) = packet.family() else { return };
        let around = &self.around;
        match icmp_error::IcmpError::for_reject(with, family) {
            Some(error) if matches!(with, RejectWith::HeaderField(_)) || reject::may_tell(packet, around) => {
                self.send_error(now, packet, error, attached(packet.meta().tracking));
            }
            None if reject::may_reset(packet, hook, around) => self.send_reset(now, packet),
            Some(_) | None => {}
        }
    }

    /// Asks connection tracking what the packet is.
    #[inline(always)]
    pub(crate) fn track(&mut self, now: Instant, mut packet: Packet) -> Result<Packet, Dropped> {
        if packet.pieces().is_some() && self.noted.tracked == Tracking::Unseen {
            self.noted.datagram = Tuple::about(&packet);
        }
        let said = match packet.meta().tracking {
            Tracking::Untracked | Tracking::Tracked { .. } => {
                self.noted.tracked_as(packet.meta().tracking);
                return Ok(packet);
            }
            Tracking::Template(id) => Some(self.rules.of(packet.family().unwrap_or_default()).template(id)),
            Tracking::Unseen | Tracking::Invalid => None,
        };
        if packet.protocol() == Protocol::SCTP && conntrack::is_verified(&packet, &self.around) {
            nat::rewrite::lay_together(&mut packet);
        }
        // Of most packets nothing is said.
        let zone = said.map_or(Zone::DEFAULT, |said| said.zone.of(packet.meta().mark));
        if said.is_some() {
            self.note_zone(zone);
        }
        let (helpers, by_port) = (&self.helpers, self.helpers_by_port);
        let template = |packet: &Packet| {
            let said = said.unwrap_or_default();
            let attached = || by_port.then(|| helpers.attached_to(packet)).flatten();
            Template { helper: said.helper.or_else(attached), ..said }
        };
        let judged = self.conntrack.track_in(now, &mut packet, zone, template, &mut self.around);
        if self.around.sysctls.nat_filtering != 0 && judged.is_ok() {
            self.admit(now, &mut packet);
        }
        self.noted.tracked_as(packet.meta().tracking);
        let expectation = match judged {
            Ok(expectation) => expectation,
            Err(reason) => return Err(packet.drop_for(reason)),
        };
        if let (Some(expectation), Some(id)) = (expectation, packet.meta().tracking.connection()) {
            nat::follow_master(now, &mut self.conntrack, id, &expectation, &mut self.around);
        }
        self.plan_walk(&packet);
        Ok(packet)
    }

    /// Lets a new connection in that goes to an endpoint which stands for a host inside, unless this host offers something
    /// there itself.
    #[cold]
    fn admit(&mut self, now: Instant, packet: &mut Packet) {
        let Tracking::Tracked { connection, state: State::New, direction } = packet.meta().tracking else { return };
        let is_asked_here = packet.meta().device.is_none()
            || Ends::of(packet).is_some_and(|ends| self.sockets.taken(packet.protocol(), &ends).is_some());
        if !is_asked_here && nat::admit(now, &mut self.conntrack, connection, &mut self.around) {
            packet.meta_mut().tracking = Tracking::Tracked { connection, state: State::Related, direction };
        }
    }

    /// Writes down in which zone a packet's connection is looked for, when it is not the one of all.
    #[cold]
    fn note_zone(&mut self, zone: Zone) {
        if zone != Zone::DEFAULT {
            self.around.trace.push(|| Step::Zone(zone));
        }
    }

    /// Lets a packet of an established flow pass the tables as one before it did, unless every rule's answer is to be
    /// written down.
    fn plan_walk(&mut self, packet: &Packet) {
        let Some((id, direction)) = established(packet) else { return };
        let is_told = self.around.trace.is_on() || packet.meta().traced;
        if let Some(connection) = self.conntrack.connection(id).filter(|_| !is_told) {
            let rules = self.rules.of(connection.original.family);
            rules.plan(connection.walks, direction, &mut self.noted.walk);
        }
    }

    /// Remembers how the tables let a packet of an established flow pass, and where it goes.
    fn record_walk(&mut self, packet: &Packet, way: Way) {
        let Some((id, direction)) = established(packet) else { return };
        let course = self.course_of(packet, way);
        if let Some(connection) = self.conntrack.connection_mut(id) {
            let rules = self.rules.of_mut(connection.original.family);
            if rules.is_news(&self.noted.walk, course.as_ref()) {
                connection.walks = rules.record(connection.walks, direction, &self.noted.walk, course);
            }
        }
    }

    /// Settles a new connection's translation, and translates the packet.
    ///
    /// Without a nat table nobody is asked; connections that were translated before it went stay translated.
    ///
    /// Linux v6.18: `net/netfilter/nf_nat_proto.c`, `nf_nat_ipv4_fn()`, `nf_nat_ipv6_fn()`.
    pub(crate) fn translate(
        &mut self,
        hook: Hook,
        now: Instant,
        mut packet: Packet,
        way: Way,
    ) -> Result<Packet, Dropped> {
        let Tracking::Tracked { connection: id, state, direction } = packet.meta().tracking else { return Ok(packet) };
        let manip = Manip::at(hook);
        let is_error = state == State::Related && nat::is_icmp(&packet);
        let unsettled = |connection: &Connection| nat::needs_binding(connection, state, manip);
        let has_table = self.rules.of(packet.family().unwrap_or_default()).has_table(TableName::Nat);
        if has_table && !is_error && self.conntrack.connection(id).is_some_and(unsettled) {
            packet = self.bind(hook, now, packet, way, id)?;
        }
        let Some(connection) = self.conntrack.connection(id) else { return Ok(packet) };
        if !has_table && !connection.status.intersects(Status::NAT) {
            return Ok(packet);
        }
        let output = || way.output().and_then(|output| self.devices.find(output));
        if hook == Hook::Postrouting && !is_error && nat::has_lost_its_device(connection, direction, output()) {
            self.forget(now, id);
            return Err(packet.drop_for(DropReason::NatDeviceChanged));
        }
        let before = self.around.trace.is_on().then(|| Tuple::of(&packet)).flatten();
        let rewritten = if is_error {
            nat::rewrite_icmp_error(connection, direction, manip, &mut packet, &self.around.routines)
        } else {
            nat::rewrite(connection, direction, manip, &mut packet)
        };
        if let Err(reason) = rewritten {
            return Err(packet.drop_for(reason));
        }
        if is_error {
            nat::lay_error_together(connection, direction, manip, &mut packet);
        } else if nat::rewrite::translates(connection, direction, manip) {
            nat::rewrite::lay_together(&mut packet);
        }
        if let (Some(before), Some(after)) = (before, Tuple::of(&packet))
            && before != after
        {
            self.around.trace.push(|| Step::Translated(manip, before, after));
        }
        Ok(packet)
    }

    fn forget(&mut self, now: Instant, id: ConnId) {
        self.conntrack.kill(now, id, &mut self.around);
    }

    /// Asks the nat table what one end of a connection becomes.
    fn bind(&mut self, hook: Hook, now: Instant, mut packet: Packet, way: Way, id: ConnId) -> Result<Packet, Dropped> {
        let verdict = self.ask(TableName::Nat, hook, now, &mut packet, way);
        let manip = Manip::at(hook);
        let (conntrack, devices) = (&mut self.conntrack, &self.devices);
        let bound = match verdict {
            Verdict::Translate(range, _) => {
                nat::bind(now, conntrack, id, manip, &range, &mut self.around);
                Ok(())
            }
            Verdict::Masquerade(range, _) => match way.hop {
                Some(hop) => {
                    let way = nat::Way { devices, output: hop.device, next_hop: hop.neighbour };
                    nat::masquerade(now, conntrack, id, &range, way, &mut self.around)
                }
                None => Err(DropReason::NatNoAddress),
            },
            Verdict::Redirect(range, _) => {
                nat::redirect(now, conntrack, id, &range, devices, way.input, &mut self.around)
            }
            Verdict::Accept | Verdict::Template(..) | Verdict::Untracked(_) => {
                nat::keep(now, conntrack, id, manip, &mut self.around);
                Ok(())
            }
            Verdict::DropByPolicy => Err(DropReason::FilterPolicy),
            Verdict::Drop(rule) | Verdict::Reject(_, rule) => {
                self.noted.rule = Some(rule);
                Err(DropReason::FilterRule)
            }
            Verdict::Unreadable(rule) => {
                self.noted.rule = Some(rule);
                Err(DropReason::MatchUnreadable)
            }
            Verdict::Full(rule) => {
                self.noted.rule = Some(rule);
                Err(DropReason::MatchFull)
            }
        };
        match bound {
            Ok(()) => Ok(packet),
            Err(reason) => Err(packet.drop_for(reason)),
        }
    }

    /// Shows the payload to the connection's helper, and moves sequence numbers that it has moved before.
    pub(crate) fn help(&mut self, now: Instant, mut packet: Packet, place: Place, way: Way) -> Result<Walked, Dropped> {
        let connection = packet.meta().tracking.connection().and_then(|id| self.conntrack.connection(id));
        if connection.is_none_or(|connection| connection.extension.is_none()) {
            return Ok(Walked::On(packet));
        }
        let broadcast_prefix = packet.meta().owner.and_then(|_| self.broadcast_prefix(&packet, way));
        let mut desk = self.desk(now);
        desk.outside.way = way;
        match calling::call(&mut desk, &mut packet, broadcast_prefix) {
            Ok(Called::Done) => Ok(Walked::On(packet)),
            Ok(Called::Waits) => self.wait_for_line(now, Held { packet, place, way }),
            Err(reason) => Err(packet.drop_for(reason)),
        }
    }

    /// The prefix length of the network whose broadcast address a packet goes to, when it leaves by a device with an address
    /// of that network.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_broadcast.c`, `nf_conntrack_broadcast_help()`.
    fn broadcast_prefix(&self, packet: &Packet, way: Way) -> Option<u8> {
        let IpAddr::V4(destination) = packet.ip()?.destination() else { return None };
        let device = self.devices.find(way.output()?)?;
        device.addresses.iter().find(|own| own.broadcast() == Some(destination)).map(|own| own.prefix)
    }

    /// Enters a new connection into the table, or remembers how the tables let a packet of an established one pass.
    pub(crate) fn confirm(&mut self, now: Instant, packet: Packet, way: Way) -> Result<Packet, Dropped> {
        self.record_walk(&packet, way);
        match self.conntrack.confirm(now, &packet, &mut self.around) {
            Ok(()) => Ok(packet),
            Err(reason) => Err(packet.drop_for(reason)),
        }
    }
}

/// The connection of a packet that belongs to an established flow, and its direction.
fn established(packet: &Packet) -> Option<(ConnId, Direction)> {
    let Tracking::Tracked { connection, state, direction } = packet.meta().tracking else { return None };
    (state == State::Established).then_some((connection, direction))
}
