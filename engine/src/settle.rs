//! What an ending means: counting, tracing, answering, giving back.

use core::net::IpAddr;

use crate::{
    conntrack::{Family, State, TemplateId, Tracking},
    device::Devices,
    ending::{DropReason, Dropped, End, Outcome},
    engine::Engine,
    extensions::put_options,
    frame::DeviceId,
    ip::{
        Fate, Routes,
        icmp_error::{self, About, Ends, IcmpError, Making},
        icmp_limit,
        local::{self, Query},
    },
    limits::EVENT_QUEUE_MAX,
    nat,
    noted::Noted,
    offload,
    packet::Packet,
    path::Way,
    time::Instant,
    trace::Step,
};

impl Engine {
    /// Ends a packet's way; nobody else does.
    #[inline(always)]
    pub(crate) fn settle(&mut self, now: Instant, result: Result<End, Dropped>) -> Outcome {
        match result {
            Ok(end) => Outcome::Ended(end),
            Err(dropped) => self.settle_dropped(now, dropped),
        }
    }

    fn settle_dropped(&mut self, now: Instant, Dropped { packet, reason }: Dropped) -> Outcome {
        self.stats.count_drop(reason);
        self.around.trace.push(|| Step::Dropped(reason));
        self.answer_drop(now, &packet, reason);
        if let Some(connection) = packet.meta().tracking.connection() {
            if self.looped.is_empty() {
                self.conntrack.release(now, connection, &mut self.around);
            } else {
                self.answered_for.push(connection);
            }
        }
        packet.recycle(&mut self.pool);
        Outcome::Dropped(reason)
    }

    /// Notes how the packet of a frame has ended, when somebody wants to know.
    pub(crate) fn note_ending(&mut self, outcome: Outcome) {
        if self.are_endings_wanted() && !self.noted.goes_on {
            self.endings.push_back(self.noted.ending(outcome));
        }
    }

    /// The same of a frame whose packet is not at hand.
    pub(crate) fn note_ending_of(&mut self, noted: &Noted, outcome: Outcome) {
        if self.are_endings_wanted() && noted.frame != 0 && !noted.goes_on {
            self.endings.push_back(noted.ending(outcome));
        }
    }

    fn are_endings_wanted(&self) -> bool {
        self.around.events.wanted().endings && self.endings.len() < EVENT_QUEUE_MAX
    }

    /// Leads another packet to its end while the one at hand waits, and then what follows it (`waiting.rs`). `noted` is what is
    /// known of the other one before; gives what is known of it then.
    pub(crate) fn aside(
        &mut self,
        now: Instant,
        noted: Noted,
        lead: impl FnOnce(&mut Self) -> Result<End, Dropped>,
    ) -> (Noted, Outcome) {
        let waiting = core::mem::replace(&mut self.noted, noted);
        let behind_waiting = core::mem::take(&mut self.following);
        let result = lead(self);
        let outcome = self.settle(now, result);
        let noted = core::mem::replace(&mut self.noted, waiting);
        if !self.following.is_empty() {
            self.let_following_go(now);
        }
        self.following = behind_waiting;
        (noted, outcome)
    }

    /// Lets a packet go on that was held, whatever packet is at hand: `on` leads it to its end, which is its frame's second
    /// ending.
    pub(crate) fn let_go(
        &mut self,
        now: Instant,
        packet: Packet,
        on: impl FnOnce(&mut Self, Packet) -> Result<End, Dropped>,
    ) {
        let (noted, outcome) = self.aside(now, Noted::of_held(&packet), |engine| on(engine, packet));
        self.note_ending_of(&noted, outcome);
    }

    /// Notes that the bytes of a frame that was held go on in the packet at hand.
    pub(crate) fn note_joined(&mut self, frame: u64) {
        if frame != self.noted.frame {
            self.note_ending_of(&Noted { frame, ..Noted::default() }, Outcome::Ended(End::Joined));
        }
    }

    /// Tells the sender of a dropped packet, as the table of `ip/icmp_error.rs` says.
    fn answer_drop(&mut self, now: Instant, packet: &Packet, reason: DropReason) {
        if self.is_heard(packet) {
            return;
        }
        let Some((family, sender)) = packet.ip().map(|ip| (ip.family(), ip.source())) else { return };
        if reason == DropReason::PacketTooBig {
            let error = IcmpError::too_big(family, self.noted.told);
            self.send_error(now, packet, error, attached(packet.meta().tracking));
        } else if matches!(reason, DropReason::NoSocket | DropReason::TcpNobodyReads) && packet.tcp().is_some() {
            // This host's own answer is tracked as any packet of its own (Linux: `tcp_v4_send_reset()`).
            let flow_label = match family {
                Family::Ipv4 => 0,
                Family::Ipv6 => Making::towards(sender, &self.routes, &self.devices, &mut self.around).flow_label,
            };
            if let Some(mut answer) = self.reset_of(packet, flow_label) {
                let tos = packet.ip().map_or(0, |ip| ip.tos() & !CONGESTION_BITS);
                if let Some(mut ip) = answer.ip_mut() {
                    ip.set_tos(tos);
                }
                if family == Family::Ipv6 {
                    // Whoever quotes it meanwhile shows that (Linux: `tcp_v6_send_response()`).
                    offload::checksum::leave_to_device(&mut answer);
                }
                let source = packet.ip().map_or(sender, |ip| ip.destination());
                let Some((options, noted)) = self.options_of_answer(now, packet, source) else { return };
                put_options(&mut answer, &options, noted);
                self.originate(now, answer);
            }
        } else if packet.meta().is_of_machine {
            if let Some(error) = IcmpError::for_reason(reason, packet, self.noted.told) {
                self.tell_machine(now, packet, error);
            }
        } else if let Some(error) =
            IcmpError::for_reason(reason, packet, self.noted.told).filter(|_| packet.meta().device.is_some())
        {
            // A socket of this host is told by its own call.
            if reason.is_of_routing() && !self.icmp_limit.allows_route_error(now, sender, &self.around.sysctls) {
                self.stats.icmp_limited += 1;
                return;
            }
            // What has come to a protocol of this host has lost its connection by then (Linux: `nf_reset_ct()`); of one that is
            // not there, nobody has taken it.
            let is_lost = reason == DropReason::NoSocket;
            let tracking = if is_lost { Tracking::Unseen } else { attached(packet.meta().tracking) };
            if is_lost && packet.is_longer_than_datagram() {
                let mut datagram = packet.copy(&mut self.pool);
                datagram.end_with_datagram();
                self.send_error(now, &datagram, error, tracking);
                return datagram.recycle(&mut self.pool);
            }
            self.send_error(now, packet, error, tracking);
        }
    }

    /// Tells a program of the machine why its packet goes nowhere. Nobody on the way has any part in that, so no hook sees it.
    #[cold]
    fn tell_machine(&mut self, now: Instant, about: &Packet, error: IcmpError) {
        let Some((to, asked)) = about.ip().map(|ip| (ip.source(), ip.destination())) else { return };
        if !icmp_error::may_answer(about, error) || self.devices.is_broadcast(asked) {
            return;
        }
        let (sysctls, random) = (&self.around.sysctls, &mut self.around.random);
        if !self.icmp_limit.allows(now, to, error, icmp_limit::Way::ToSelf, sysctls, random) {
            self.stats.icmp_limited += 1;
            return;
        }
        let making = Making::towards(to, &self.routes, &self.devices, &mut self.around);
        // As Linux, whose own address on the way to itself that is.
        let answer =
            icmp_error::icmp_error(&mut self.pool, About { packet: about, options_bytes: 0 }, error, to, making);
        self.stats.originated += 1;
        if let Err(Dropped { packet, reason }) = self.hand_over(answer) {
            self.stats.count_drop(reason);
            packet.recycle(&mut self.pool);
        }
    }

    /// Sends an ICMP error about a packet, if one may be sent (RFC 1812, 4.3.2; RFC 4443, 2.4). `tracking` is what it is to
    /// connection tracking.
    pub(crate) fn send_error(&mut self, now: Instant, about: &Packet, error: IcmpError, tracking: Tracking) {
        let Some((to, asked)) = about.ip().map(|ip| (ip.source(), ip.destination())) else { return };
        // While this host sends a message of its own, it makes no other (Linux v6.18: `icmp_xmit_lock()`).
        let is_own_message = about.meta().device.is_none() && about.meta().owner.is_none() && nat::is_icmp(about);
        if !icmp_error::may_answer(about, error) || is_own_message || self.devices.is_broadcast(asked) {
            return;
        }
        let arrived_at = about.meta().device;
        let way = match self.routes.from_here(&self.devices, to, arrived_at) {
            Fate::Local => icmp_limit::Way::ToSelf,
            Fate::Forward(_) | Fate::Nowhere(_) => {
                icmp_limit::Way::Routed { prefix: self.routes.longest(to).map_or(0, |route| route.prefix) }
            }
        };
        let (sysctls, random) = (&self.around.sysctls, &mut self.around.random);
        if !self.icmp_limit.allows(now, to, error, way, sysctls, random) {
            self.stats.icmp_limited += 1;
            return;
        }
        let Some(source) = self.address_of_error(to, asked, arrived_at) else { return };
        let Some((options, noted)) = self.options_of_answer(now, about, source) else { return };
        let making = Making::towards(to, &self.routes, &self.devices, &mut self.around);
        let quoted = About { packet: about, options_bytes: options.len() };
        let mut answer = icmp_error::icmp_error(&mut self.pool, quoted, error, source, making);
        put_options(&mut answer, &options, noted);
        answer.meta_mut().tracking = tracking;
        answer.meta_mut().bound = arrived_at;
        self.originate(now, answer);
    }

    /// This host's address for an error to `to`: as [`Self::address_towards`], but over IPv6 it is chosen as if the error left
    /// where the packet arrived, whatever way leads to its sender (Linux v6.18: `net/ipv6/icmp.c`, `icmp6_send()`).
    fn address_of_error(&self, to: IpAddr, asked: IpAddr, arrived_at: Option<DeviceId>) -> Option<IpAddr> {
        let usual = self.address_towards(to, asked, arrived_at)?;
        let chosen = arrived_at.filter(|device| to.is_ipv6() && usual != asked && *device != DeviceId::LOOPBACK);
        chosen.and_then(|device| self.devices.source_address(device, to)).or(Some(usual))
    }

    /// Resets the TCP connection of a packet that a REJECT rule drops, in the name of its receiver.
    ///
    /// Linux v6.18: `net/ipv4/netfilter/nf_reject_ipv4.c`, `nf_send_reset()`; `net/ipv6/netfilter/nf_reject_ipv6.c`,
    /// `nf_send_reset6()`: the answer belongs to the packet's connection, which is taken as closed.
    pub(crate) fn send_reset(&mut self, now: Instant, about: &Packet) {
        let Some(mut answer) = self.reset_of(about, 0) else { return };
        if answer.ipv4().is_some() {
            // Whoever quotes it meanwhile shows that (Linux: `nf_reject_ip_tcphdr_put()`).
            offload::checksum::leave_to_device(&mut answer);
        }
        answer.meta_mut().tracking = attached(about.meta().tracking);
        if let Some(connection) = about.meta().tracking.connection() {
            self.conntrack.set_closing(now, connection, &self.around.sysctls);
        }
        self.originate(now, answer);
    }

    /// The reset that answers a segment; none for what was sent to more than one (RFC 1122, 4.2.3.10).
    fn reset_of(&mut self, about: &Packet, flow_label: u32) -> Option<Packet> {
        if about.ip().is_some_and(|ip| self.devices.is_for_many(ip.destination())) {
            return None;
        }
        let hops = match about.family()? {
            Family::Ipv4 => self.around.sysctls.ip_default_ttl,
            Family::Ipv6 => self.around.sysctls.ipv6_hop_limit,
        };
        let making = Making { hops: hops as u8, id: 0, flow_label };
        let mut reset = icmp_error::tcp_reset(&mut self.pool, about, &self.around.routines, making)?;
        reset.meta_mut().bound = about.meta().device;
        Some(reset)
    }

    /// Sends a packet of this host, while another one's walk goes on.
    pub(crate) fn originate(&mut self, now: Instant, packet: Packet) {
        self.stats.originated += 1;
        let (own, _) = self.aside(now, Noted::default(), |engine| engine.send_own(now, packet));
        self.noted.answered(&own);
    }

    /// A request for an echo or the time is answered; one for many where `net.ipv4.icmp_echo_ignore_broadcasts` says so (RFC 1122,
    /// 3.2.2.6), which IPv6 has a tunable of its own for.
    pub(crate) fn answer_query(&mut self, now: Instant, asked: Query, packet: Packet, way: Way) {
        let is_silent = self.is_for_all(&packet) && self.around.sysctls.icmp_echo_ignore_broadcasts != 0;
        let Some(ends) = self.ends_of_answer(&packet).filter(|_| !is_silent) else {
            return packet.recycle(&mut self.pool);
        };
        let Some((options, noted)) = self.options_of_answer(now, &packet, ends.source) else {
            return packet.recycle(&mut self.pool);
        };
        let making = Making::towards(ends.destination, &self.routes, &self.devices, &mut self.around);
        let mut answer = match asked {
            Query::Time => {
                let answer = local::time_reply(&mut self.pool, now, &packet, ends, making);
                packet.recycle(&mut self.pool);
                answer
            }
            Query::Echo => local::echo_reply(packet, ends, making, &self.around.routines),
        };
        put_options(&mut answer, &options, noted);
        answer.meta_mut().bound = way.input;
        self.originate(now, answer);
    }

    /// From whom to whom an answer to a delivered packet goes.
    fn ends_of_answer(&self, packet: &Packet) -> Option<Ends> {
        let (ip, device) = (packet.ip()?, packet.meta().device);
        let source = match self.is_for_all(packet) {
            true => own_address(&self.routes, &self.devices, ip.source(), device)?,
            false => self.address_towards(ip.source(), ip.destination(), device)?,
        };
        Some(Ends { source, destination: ip.source() })
    }

    /// Whether an IPv4 packet is for everybody on a link or for a group.
    pub(crate) fn is_for_all(&self, packet: &Packet) -> bool {
        packet.ipv4().is_some_and(|ip| self.devices.is_for_many(ip.destination().into()))
    }

    /// This host's address for an answer to `to`, whose packet arrived at a device: the one that was asked, else the one
    /// that it uses on the way back.
    pub(crate) fn address_towards(&self, to: IpAddr, asked: IpAddr, arrived_at: Option<DeviceId>) -> Option<IpAddr> {
        let is_own = self.routes.from_here(&self.devices, asked, arrived_at) == Fate::Local;
        if is_own { Some(asked) } else { own_address(&self.routes, &self.devices, to, arrived_at) }
    }
}

/// The address that this host uses as its own when it talks to `to`; to itself, it is that very address. `bound` is the
/// device of the link on which an address that means something on links only is meant.
pub(crate) fn own_address(routes: &Routes, devices: &Devices, to: IpAddr, bound: Option<DeviceId>) -> Option<IpAddr> {
    match routes.from_here(devices, to, bound) {
        Fate::Forward(hop) => devices.source_address(hop.device, if to.is_ipv4() { hop.neighbour } else { to }),
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
        // It is tracked, whatever rules say to that: the mark that says what it is to no connection is not that of a packet which
        // nobody has asked about.
        Tracking::Untracked => Tracking::Template(TemplateId::CLOSED),
        Tracking::Unseen | Tracking::Template(_) | Tracking::Invalid => Tracking::Unseen,
    }
}
