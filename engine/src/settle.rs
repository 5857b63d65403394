//! What an ending means: counting, tracing, answering, giving back.

use core::net::Ipv4Addr;

use crate::{
    conntrack::{State, Tracking},
    device::Devices,
    ending::{DropReason, Dropped, End, Ending, Outcome},
    engine::Engine,
    ip::{
        Fate, Routes,
        icmp_error::{self, IcmpError},
    },
    limits::EVENT_QUEUE_MAX,
    packet::Packet,
    time::Instant,
    trace::Step,
    wire::Protocol,
};

impl Engine {
    /// Ends a packet's way; nobody else does.
    pub(crate) fn settle(&mut self, now: Instant, result: Result<End, Dropped>) -> Outcome {
        let Dropped { packet, reason } = match result {
            Ok(end) => return Outcome::Ended(end),
            Err(dropped) => dropped,
        };
        self.stats.count_drop(reason);
        self.around.trace.push(|| Step::Dropped(reason));
        self.answer_drop(now, &packet, reason);
        self.conntrack.release(now, &packet, &mut self.around);
        packet.recycle(&mut self.pool);
        Outcome::Dropped(reason)
    }

    /// Notes how the packet of a frame has ended, when somebody wants to know.
    pub(crate) fn note_ending(&mut self, outcome: Outcome) {
        if self.around.events.wanted().endings && self.endings.len() < EVENT_QUEUE_MAX {
            let Self { tracked: tracking, tuple, place, rule, .. } = *self;
            self.endings.push_back(Ending { outcome, tracking, tuple, place, rule });
        }
    }

    /// Tells the sender of a dropped packet, as the table of `ip/icmp_error.rs` says.
    fn answer_drop(&mut self, now: Instant, packet: &Packet, reason: DropReason) {
        if reason == DropReason::PacketTooBig {
            let mtu = u16::try_from(self.mtu_told).unwrap_or(u16::MAX);
            self.send_error(now, packet, IcmpError::too_big(mtu), attached(packet.meta().tracking));
        } else if reason == DropReason::NoSocket && packet.tcp().is_some() {
            // This host's own answer is tracked as any packet of its own (Linux: `tcp_v4_send_reset()`).
            if let Some(mut answer) = self.reset_of(packet) {
                let tos = packet.ipv4().map_or(0, |ip| ip.tos & !CONGESTION_BITS);
                if let Some(ip) = answer.ipv4_mut() {
                    ip.set_tos(tos);
                }
                self.originate(now, answer);
            }
        } else if let Some(error) = IcmpError::for_reason(reason).filter(|_| packet.meta().device.is_some()) {
            // A sender on this host is told by its own system call.
            let sender = packet.ipv4().map_or(Ipv4Addr::UNSPECIFIED, |ip| ip.source());
            if reason.is_of_routing() && !self.icmp_limit.allows_route_error(now, sender, &self.around.sysctls) {
                self.stats.icmp_limited += 1;
                return;
            }
            // What has come to a protocol of this host has lost its connection by then (Linux: `nf_reset_ct()`).
            let is_lost = matches!(reason, DropReason::NoSocket | DropReason::NoProtocol);
            let tracking = if is_lost { Tracking::Unseen } else { attached(packet.meta().tracking) };
            self.send_error(now, packet, error, tracking);
        }
    }

    /// Sends an ICMP error about a packet, if one may be sent (RFC 1812, 4.3.2). `tracking` is what it is to connection
    /// tracking.
    pub(crate) fn send_error(&mut self, now: Instant, about: &Packet, error: IcmpError, tracking: Tracking) {
        let Some((to, asked)) = about.ipv4().map(|ip| (ip.source(), ip.destination())) else { return };
        // While this host sends a message of its own, it makes no other (Linux v6.18: `icmp_xmit_lock()`).
        let is_own_message =
            about.meta().device.is_none() && about.meta().owner.is_none() && about.protocol() == Protocol::ICMP;
        if !icmp_error::may_answer(about) || is_own_message || self.devices.is_broadcast(asked) {
            return;
        }
        let to_self = self.routes.from_here(&self.devices, to) == Fate::Local;
        let (sysctls, random) = (&self.around.sysctls, &mut self.around.random);
        if !self.icmp_limit.allows(now, to, error, to_self, sysctls, random) {
            self.stats.icmp_limited += 1;
            return;
        }
        let Some(source) = self.address_towards(to, asked) else { return };
        let id = self.ip_id_towards(to);
        let ttl = self.around.sysctls.ip_default_ttl as u8;
        let mut answer = icmp_error::icmp_error(&mut self.pool, about, error, source, id, ttl);
        answer.meta_mut().tracking = tracking;
        self.originate(now, answer);
    }

    /// The identification of a packet made here.
    pub(crate) fn ip_id_towards(&mut self, to: Ipv4Addr) -> u16 {
        match self.routes.from_here(&self.devices, to) {
            Fate::Local => self.around.random.ip_id_to_self(),
            Fate::Forward(_) | Fate::Nowhere(_) => self.around.random.ip_id(),
        }
    }

    /// Resets the TCP connection of a packet that a REJECT rule drops, in the name of its receiver.
    ///
    /// Linux v6.18: `net/ipv4/netfilter/nf_reject_ipv4.c`, `nf_send_reset()`: the answer belongs to the packet's
    /// connection, which is taken as closed.
    pub(crate) fn send_reset(&mut self, now: Instant, about: &Packet) {
        let Some(mut answer) = self.reset_of(about) else { return };
        answer.meta_mut().tracking = attached(about.meta().tracking);
        if let Some(connection) = about.meta().tracking.connection() {
            self.conntrack.set_closing(now, connection, &self.around.sysctls);
        }
        self.originate(now, answer);
    }

    /// The reset that answers a segment; none for what was sent to everybody (RFC 1122, 4.2.3.10).
    fn reset_of(&mut self, about: &Packet) -> Option<Packet> {
        if about.ipv4().is_some_and(|ip| self.devices.is_broadcast(ip.destination())) {
            return None;
        }
        let ttl = self.around.sysctls.ip_default_ttl as u8;
        icmp_error::tcp_reset(&mut self.pool, about, &self.around.routines, ttl)
    }

    /// Sends a packet of this host, while another one's walk goes on.
    pub(crate) fn originate(&mut self, now: Instant, packet: Packet) {
        self.stats.originated += 1;
        let (place, rule) = (self.place, self.rule);
        let result = self.send_own(now, packet);
        self.settle(now, result);
        (self.place, self.rule) = (place, rule);
    }

    /// This host's address for an answer to `to`: the one that was asked, else the one that it uses on the way back.
    fn address_towards(&self, to: Ipv4Addr, asked: Ipv4Addr) -> Option<Ipv4Addr> {
        if self.routes.from_here(&self.devices, asked) == Fate::Local {
            return Some(asked);
        }
        own_address(&self.routes, &self.devices, to)
    }
}

/// The address that this host uses as its own when it talks to `to`; to itself, it is that very address.
pub(crate) fn own_address(routes: &Routes, devices: &Devices, to: Ipv4Addr) -> Option<Ipv4Addr> {
    match routes.from_here(devices, to) {
        Fate::Forward(hop) => devices.source_address(hop.device, hop.neighbour),
        Fate::Local => Some(to),
        Fate::Nowhere(_) => None,
    }
}

/// The bits of a type of service that tell of congestion (RFC 3168).
const CONGESTION_BITS: u8 = 3;

/// What an answer is to the connection of the packet it is about: related, the other way (Linux v6.18:
/// `net/netfilter/nf_conntrack_core.c`, `nf_conntrack_attach()`).
pub(crate) const fn attached(about: Tracking) -> Tracking {
    match about {
        Tracking::Tracked { connection, direction, .. } => {
            Tracking::Tracked { connection, state: State::Related, direction: direction.opposite() }
        }
        Tracking::Unseen | Tracking::Template(_) | Tracking::Untracked | Tracking::Invalid => Tracking::Unseen,
    }
}
