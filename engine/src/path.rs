//! The packet's whole way, top-down. Read after `lib.rs`, before anything else.
//!
//! ```text
//!  receive ─► PREROUTING ─► fate? ─┬─► forward ─► FORWARD ─► transmit ─► POSTROUTING ─► send
//!     ▲                            └─► deliver ─► INPUT ─► local ──► originate ─► OUTPUT ─► transmit
//!     └── receive_looped ◄──────────────────── lo ◄──────────────────────────────────────────────┘
//! ```
//!
//! A packet that passes through as packets of its flow have passed before leaves this way once its connection is known, and
//! is taken straight to its next hop: [`Engine::repeat`] in `repeat.rs` says when, and does what the long way would.
//!
//! Each hook's stages are called in turn by [`Engine::walk`], and [`Engine::go_on`] says what comes behind a hook. A stage may
//! keep a packet ([`Walked::Held`]); whoever keeps it holds with it where it was ([`Held`]), and [`Engine::lead_on`] takes it on
//! from there, whatever packet is at hand by then.
//!
//! ```text
//!  walk ─► stage ─► stage ─► stage ─► go_on ─► …            the packet at hand
//!                     │ Held { packet, place, way }
//!                     ▼
//!                   its holder ─── let_go ─► lead_on ─► …    later, as its frame's second ending
//! ```
//!
//! Rooms do not know the engine; only this file, `stages.rs` (what each stage of a hook asks of its room), `link/`
//! (Ethernet, ARP and neighbour discovery at both ends), `reassembly.rs` (fragments), `extensions.rs` (extension headers) and
//! `loopback.rs` (what this host sends to itself) know the rooms. Every stage takes the packet by value and gives it back; `?` is the way to drop it.
//! `settle.rs` alone decides what an ending means. Both address families go this one way.

use crate::{
    ending::{DropReason, Dropped, End},
    engine::Engine,
    frame::DeviceId,
    held::{Held, Place, Walked},
    ip::{
        Fate, NextHop,
        fragment::{self, Need},
        local::Delivery,
    },
    loopback::{goes_to, to_itself},
    netfilter::{Hook, Stage, TableName},
    offload::{self, gso::Segments},
    packet::{Ip, Network, Owner, Packet, Summary, Transport},
    time::Instant,
    trace::Step,
};
use alloc::string::ToString;

/// Where a packet comes from and goes to, as far as that is known at a hook.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Way {
    pub(crate) input: Option<DeviceId>,
    pub(crate) hop: Option<NextHop>,
}

impl Way {
    /// That of a packet that has come in.
    pub(crate) fn in_by(packet: &Packet) -> Self {
        Self { input: packet.meta().device, hop: None }
    }

    pub(crate) fn output(self) -> Option<DeviceId> {
        self.hop.map(|hop| hop.device)
    }
}

impl Engine {
    /// A packet has arrived, and its device has taken it (`device/kind.rs`).
    #[inline(always)]
    pub(crate) fn receive(&mut self, now: Instant, packet: Packet) -> Result<End, Dropped> {
        match packet.network() {
            Network::Ipv4 | Network::Ipv6 => {}
            Network::Arp => return self.answer_arp(now, packet),
            Network::Other => return self.take_slow(now, packet),
        }
        if packet.meta().device == Some(DeviceId::LOOPBACK) {
            return self.send_for_host(now, packet);
        }
        let packet = self.heed_hop_by_hop(packet)?;
        let Some(packet) = self.gather(now, packet)? else { return Self::waits_for_fragments() };
        let packet = self.until_tracked(now, packet)?;
        if let Some(as_before) = self.recorded_way(&packet) {
            return self.repeat(now, packet, as_before);
        }
        let way = Way::in_by(&packet);
        self.walk(now, packet, Place::SINCE_TRACKED, way)
    }

    /// A packet that has arrived finds its way.
    fn route(&mut self, now: Instant, mut packet: Packet, way: Way) -> Result<End, Dropped> {
        Self::look_at_transport(&mut packet);
        let fate = self.routes.fate(&self.devices, &self.around.sysctls, &packet);
        let packet = self.heed_options(now, packet, fate)?;
        match fate {
            Fate::Local => match self.broadcast_hop(&packet) {
                Some(hop) => self.forward(now, packet, Way { hop: Some(hop), ..way }, hop),
                None => self.deliver(now, packet, way),
            },
            Fate::Forward(hop) => self.forward(now, packet, Way { hop: Some(hop), ..way }, hop),
            Fate::Nowhere(reason) => Err(packet.drop_for(reason)),
        }
    }

    /// A packet of this host has arrived where it was sent to: over `lo`, back at the path's beginning (`loopback.rs`).
    pub(crate) fn receive_looped(&mut self, now: Instant, packet: Packet) -> Result<End, Dropped> {
        let packet = self.heed_hop_by_hop(packet)?;
        let Some(packet) = self.gather(now, packet)? else { return Self::waits_for_fragments() };
        let way = Way::in_by(&packet);
        self.enter(Hook::Prerouting, now, packet, way)
    }

    /// A packet of this host to itself finds its way.
    fn route_looped(&mut self, now: Instant, packet: Packet, way: Way) -> Result<End, Dropped> {
        let bound = packet.meta().bound;
        let fate = packet.ip().map(|ip| self.routes.from_here(&self.devices, ip.destination(), bound));
        let packet = self.heed_options(now, packet, Fate::Local)?;
        match fate {
            Some(Fate::Local) => self.deliver(now, packet, way),
            Some(_) if self.is_heard(&packet) => self.deliver(now, packet, way),
            Some(Fate::Forward(_)) | None => Err(packet.drop_for(DropReason::IpSourceInvalid)),
            Some(Fate::Nowhere(reason)) => Err(packet.drop_for(reason)),
        }
    }

    /// The first hook up to connection tracking, after which it is known to which flow the packet belongs.
    #[inline(always)]
    fn until_tracked(&mut self, now: Instant, mut packet: Packet) -> Result<Packet, Dropped> {
        let hook = Hook::Prerouting;
        self.around.trace.push(|| Step::Hook(hook, Summary(&packet).to_string()));
        if self.comes_to(Stage::Raw, hook, &packet) {
            let way = Way::in_by(&packet);
            packet = self.table(TableName::Raw, hook, now, packet, way)?;
        }
        if self.comes_to(Stage::Conntrack, hook, &packet) { self.track(now, packet) } else { Ok(packet) }
    }

    /// A packet passes through.
    fn forward(&mut self, now: Instant, packet: Packet, way: Way, hop: NextHop) -> Result<End, Dropped> {
        let packet = self.may_forward(packet, hop)?;
        self.around.trace.push(|| Step::Routed(hop.device));
        self.enter(Hook::Forward, now, packet, way)
    }

    /// A packet is for this host.
    pub(crate) fn deliver(&mut self, now: Instant, packet: Packet, way: Way) -> Result<End, Dropped> {
        self.around.trace.push(|| Step::RoutedLocal);
        self.enter(Hook::Input, now, packet, way)
    }

    /// This host takes a packet that has passed INPUT: the engine, or a program of the machine. The copy of a broadcast is the engine's
    /// alone, since the machine has made one itself.
    fn take(&mut self, now: Instant, packet: Packet, way: Way) -> Result<End, Dropped> {
        let may_be_hosts = self.serves_host && !packet.meta().is_looped;
        if self.is_heard(&packet) {
            return Ok(self.take_heard(packet));
        }
        match self.take_here(now, packet, way) {
            Err(Dropped { packet, reason: DropReason::NoSocket | DropReason::NoProtocol }) if may_be_hosts => {
                self.hand_over(packet)
            }
            taken => taken,
        }
    }

    /// The engine takes a packet.
    fn take_here(&mut self, now: Instant, packet: Packet, way: Way) -> Result<End, Dropped> {
        if packet.meta().gso.is_some() && packet.udp().is_some() {
            return self.take_datagrams(now, packet, way);
        }
        let packet = self.heed_extensions(packet)?;
        let is_taken_raw = self.deliver_raw(&packet);
        let delivery = match Delivery::of(packet, &self.around.sysctls, &self.around.routines) {
            // Somebody has taken it who takes all of its protocol.
            Err(Dropped { packet, reason: DropReason::NoProtocol }) if is_taken_raw => Delivery::Taken(packet),
            other => other?,
        };
        match delivery {
            Delivery::Segment(packet) => self.deliver_segment(now, packet)?,
            Delivery::Datagram(packet) => self.deliver_datagram(now, packet, way.input)?,
            Delivery::EchoReply(packet) => match self.deliver_echo_reply(now, packet) {
                // Nobody here has asked.
                Err(Dropped { packet, reason: DropReason::NoSocket }) if self.serves_host => {
                    return self.hand_over(packet);
                }
                Err(Dropped { packet, reason: DropReason::NoSocket }) => packet.recycle(&mut self.pool),
                other => other?,
            },
            Delivery::Taken(packet) if self.serves_host && is_icmp(&packet) => return self.hand_over(packet),
            Delivery::Taken(packet) => packet.recycle(&mut self.pool),
            Delivery::Query(asked, packet) => self.answer_query(now, asked, packet, way),
            Delivery::Error(packet) => {
                if !self.is_for_all(&packet) {
                    self.deliver_error(now, &packet);
                }
                if self.serves_host {
                    return self.hand_over(packet);
                }
                packet.recycle(&mut self.pool);
            }
            Delivery::Neighbour(packet) => {
                self.stats.delivered += 1;
                return Ok(self.take_neighbour_message(now, packet));
            }
        }
        self.stats.delivered += 1;
        Ok(End::Delivered)
    }

    /// This host takes datagrams one by one that have come as one packet.
    ///
    /// Linux v6.18: `net/ipv4/udp.c`, `udp_queue_rcv_skb()`.
    #[cold]
    fn take_datagrams(&mut self, now: Instant, packet: Packet, way: Way) -> Result<End, Dropped> {
        let mut failed = None;
        if let Some(mut segments) = Segments::of(&packet) {
            while failed.is_none()
                && let Some(mut segment) = segments.next(&mut self.pool)
            {
                offload::checksum::complete(&mut segment, &self.around.routines);
                if let Err(Dropped { packet, reason }) = self.take_here(now, segment, way) {
                    packet.recycle(&mut self.pool);
                    failed = Some(reason);
                }
            }
        }
        if let Some(reason) = failed {
            return Err(packet.drop_for(reason));
        }
        packet.recycle(&mut self.pool);
        Ok(End::Delivered)
    }

    /// A packet of one of the machine's own programs sets out.
    #[cold]
    fn send_for_host(&mut self, now: Instant, mut packet: Packet) -> Result<End, Dropped> {
        if !self.serves_host && !self.hears_host {
            return Err(packet.drop_for(DropReason::DeviceDown));
        }
        let meta = packet.meta_mut();
        (meta.device, meta.owner, meta.is_of_machine) = (None, Some(Owner::ROOT), true);
        self.stats.originated += 1;
        self.send_own(now, packet)
    }

    /// A packet of this host sets out.
    pub(crate) fn send_own(&mut self, now: Instant, packet: Packet) -> Result<End, Dropped> {
        let (packet, hop) = match self.is_heard(&packet) {
            true => to_itself(packet),
            false => self.route_own(packet)?,
        };
        let Some(packet) = self.gather(now, packet)? else { return Self::waits_for_fragments() };
        self.enter(Hook::Output, now, packet, Way { input: None, hop: Some(hop) })
    }

    /// A packet of this host has passed OUTPUT.
    fn reroute_own(&mut self, now: Instant, packet: Packet, hop: NextHop) -> Result<End, Dropped> {
        // DNAT in OUTPUT may have changed where it goes (Linux: `ip_route_me_harder()`).
        let (mut packet, hop) = match self.is_heard(&packet) && goes_to(&packet, hop.neighbour) {
            true => (packet, hop),
            false => self.route_own(packet)?,
        };
        if packet.meta().owner.is_none() && packet.meta().gso.is_none() && hop.device != DeviceId::LOOPBACK {
            // Nobody but a rule of this hook, and who hears it on `lo`, has seen what the path itself has left to do.
            offload::checksum::complete(&mut packet, &self.around.routines);
        }
        self.transmit(now, packet, Way { input: None, hop: Some(hop) }, hop)
    }

    /// A copy that a TEE rule has made sets out to its router.
    pub(crate) fn send_copy(&mut self, now: Instant, packet: Packet, hop: NextHop) -> Result<End, Dropped> {
        let asked =
            |packet: &Packet| (packet.meta().mark, packet.ip().map(|ip| (ip.source(), ip.destination(), ip.tos())));
        let before = asked(&packet);
        let (way, place) = (Way { input: None, hop: Some(hop) }, Place::start(Hook::Output));
        self.around.trace.push(|| Step::Hook(Hook::Output, Summary(&packet).to_string()));
        let packet = match self.ask_stages(now, packet, place, way)? {
            Walked::On(packet) => packet,
            Walked::Held(holder) => return Ok(End::Held(holder)),
        };
        // A copy whose mark or header rules have changed goes where its destination is (Linux: `ip_route_me_harder()`).
        let (packet, hop) = if asked(&packet) == before { (packet, hop) } else { self.route_own(packet)? };
        self.transmit(now, packet, Way { input: None, hop: Some(hop) }, hop)
    }

    fn route_own(&self, packet: Packet) -> Result<(Packet, NextHop), Dropped> {
        let bound = packet.meta().bound;
        let fate = packet.ip().map(|ip| self.routes.from_here(&self.devices, ip.destination(), bound));
        match fate {
            Some(Fate::Forward(hop)) => {
                let hop = self.narrowed(&packet, hop);
                Ok((packet, hop))
            }
            Some(Fate::Nowhere(reason)) => Err(packet.drop_for(reason)),
            Some(Fate::Local) => Ok(to_itself(packet)),
            None => Err(packet.drop_for(DropReason::NoRoute)),
        }
    }

    /// A next hop for a packet of this host. A datagram is cut so that its parts go through all the way, as far as that is known;
    /// segments of TCP are made so.
    fn narrowed(&self, packet: &Packet, hop: NextHop) -> NextHop {
        // So are answers that no socket gives, of echo requests above all (Linux v6.18: `net/ipv4/icmp.c`, `icmp_push_reply()`).
        let is_answer = packet.meta().owner.is_none() && packet.tcp().is_none();
        self.narrowed_to(packet.ip().filter(|_| packet.meta().ignores_df || is_answer), hop)
    }

    /// Whether a packet that passes through is held against what is known of its way: over IPv4 that is of no account to others'
    /// packets (Linux v6.18: `ip_dst_mtu_maybe_forward()`, `ip_forward_use_pmtu`; `net/ipv6/ip6_output.c`, `ip6_finish_output()`).
    ///
    /// So is what comes whole out of a raw socket of this host.
    pub(crate) fn knows_way_of(&self, packet: &Packet) -> bool {
        let meta = packet.meta();
        let is_raw = || meta.owner.is_some() && !meta.ignores_df && packet.tcp().is_none();
        !self.path_mtus.is_empty() && packet.ipv6().is_some() && (meta.device.is_some() || is_raw())
    }

    fn narrowed_to(&self, known: Option<Ip<'_>>, hop: NextHop) -> NextHop {
        match known.and_then(|ip| self.path_mtus.towards(self.latest, ip.destination())) {
            Some(path) => NextHop { mtu_bytes: hop.mtu_bytes.min(path.bytes), ..hop },
            None => hop,
        }
    }

    /// A packet leaves by a device.
    fn transmit(&mut self, now: Instant, packet: Packet, way: Way, hop: NextHop) -> Result<End, Dropped> {
        if packet.meta().device.is_none() && hop.device != DeviceId::LOOPBACK && self.is_for_everybody(&packet) {
            self.take_own_broadcast(now, &packet, Way { hop: Some(hop), ..way });
        }
        self.enter(Hook::Postrouting, now, packet, Way { hop: Some(hop), ..way })
    }

    /// A packet has passed POSTROUTING.
    pub(crate) fn leave(&mut self, now: Instant, packet: Packet, hop: NextHop) -> Result<End, Dropped> {
        let hop = if self.knows_way_of(&packet) { self.narrowed_to(packet.ip(), hop) } else { hop };
        match fragment::need(&packet, hop.mtu_bytes) {
            Need::None => self.resolve(now, packet, hop),
            Need::Refused => {
                self.noted.told = hop.mtu_bytes;
                Err(packet.drop_for(DropReason::PacketTooBig))
            }
            Need::Cut if packet.meta().gso.is_some() => self.cut_segments(now, packet, hop),
            Need::Cut => self.cut(now, packet, hop),
        }
    }

    /// A packet leaves in fragments.
    fn cut(&mut self, now: Instant, mut packet: Packet, hop: NextHop) -> Result<End, Dropped> {
        // No device can sum what lies in several fragments.
        offload::checksum::complete(&mut packet, &self.around.routines);
        let id = if packet.ipv6().is_some() { self.around.random.fragment_id() } else { 0 };
        let mut parts = fragment::cut(&mut self.pool, &packet, hop.mtu_bytes, id);
        packet.recycle(&mut self.pool);
        // Wherever they may be held, the last one tells how the frame has ended.
        parts.iter_mut().rev().skip(1).for_each(|part| part.meta_mut().frame = 0);
        let mut parts = parts.into_iter();
        let mut end = Ok(End::Transmitted(hop.device));
        while end.is_ok()
            && let Some(part) = parts.next()
        {
            end = self.resolve(now, part, hop);
        }
        // Without one of them the others are worth nothing (Linux: `ip_do_fragment()`).
        parts.for_each(|part| part.recycle(&mut self.pool));
        end
    }

    /// A super-packet leaves whose segments do not fit the link either: each of them leaves in fragments.
    ///
    /// Linux v6.18: `net/ipv4/ip_output.c`, `ip_finish_output_gso()`; `net/ipv6/ip6_output.c`,
    /// `ip6_finish_output_gso_slowpath_drop()`.
    fn cut_segments(&mut self, now: Instant, packet: Packet, hop: NextHop) -> Result<End, Dropped> {
        let mut end = Ok(End::Transmitted(hop.device));
        if let Some(mut segments) = Segments::of(&packet) {
            while end.is_ok()
                && let Some(mut segment) = segments.next(&mut self.pool)
            {
                if segments.has_more() {
                    segment.meta_mut().frame = 0;
                }
                end = self.cut(now, segment, hop);
            }
        }
        packet.recycle(&mut self.pool);
        end
    }

    /// Leads a packet through a hook, and on to its end.
    pub(crate) fn enter(&mut self, hook: Hook, now: Instant, packet: Packet, way: Way) -> Result<End, Dropped> {
        self.around.trace.push(|| Step::Hook(hook, Summary(&packet).to_string()));
        self.walk(now, packet, Place::start(hook), way)
    }

    /// Leads a packet on that was held, from where it was.
    pub(crate) fn lead_on(&mut self, now: Instant, held: Held) -> Result<End, Dropped> {
        let Held { packet, place, way } = held;
        self.walk(now, packet, place, way)
    }

    /// Calls everybody at a hook from a place on, in order, and leads the packet to its end.
    fn walk(&mut self, now: Instant, packet: Packet, from: Place, way: Way) -> Result<End, Dropped> {
        match self.ask_stages(now, packet, from, way)? {
            Walked::On(packet) => self.go_on(from.hook, now, packet, way),
            Walked::Held(holder) => Ok(End::Held(holder)),
        }
    }

    /// What comes behind a hook.
    fn go_on(&mut self, hook: Hook, now: Instant, packet: Packet, way: Way) -> Result<End, Dropped> {
        match (hook, way.hop) {
            (Hook::Prerouting, _) if packet.meta().is_looped => self.deliver(now, packet, way),
            (Hook::Prerouting, _) if way.input == Some(DeviceId::LOOPBACK) => self.route_looped(now, packet, way),
            (Hook::Prerouting, _) => self.route(now, packet, way),
            (Hook::Input, _) => self.take(now, packet, way),
            (Hook::Forward, Some(hop)) => {
                self.stats.forwarded += 1;
                let packet = self.stamp_options(packet, hop);
                self.transmit(now, packet, way, hop)
            }
            (Hook::Output, Some(hop)) if packet.meta().is_copy => self.transmit(now, packet, way, hop),
            (Hook::Output, Some(hop)) => self.reroute_own(now, packet, hop),
            (Hook::Postrouting, Some(hop)) if packet.meta().is_looped => self.loop_back(packet, hop.device),
            (Hook::Postrouting, Some(hop)) => self.leave(now, packet, hop),
            (Hook::Forward | Hook::Output | Hook::Postrouting, None) => Err(packet.drop_for(DropReason::NoRoute)),
        }
    }

    /// Calls those at a hook that stand from a place on, in order.
    #[inline(always)]
    fn ask_stages(&mut self, now: Instant, mut packet: Packet, from: Place, way: Way) -> Result<Walked, Dropped> {
        let hook = from.hook;
        for (index, &stage) in hook.stages().iter().enumerate().skip(from.stage) {
            if !self.comes_to(stage, hook, &packet) {
                continue;
            }
            // Few keep packets. An answer that told of that for all of them would go through memory at each.
            packet = match stage {
                Stage::Raw => self.table(TableName::Raw, hook, now, packet, way)?,
                Stage::Conntrack => self.track(now, packet)?,
                Stage::Mangle => self.table(TableName::Mangle, hook, now, packet, way)?,
                Stage::Filter => self.table(TableName::Filter, hook, now, packet, way)?,
                Stage::Security => self.table(TableName::Security, hook, now, packet, way)?,
                Stage::DestinationNat | Stage::SourceNat => self.translate(hook, now, packet, way)?,
                Stage::Helper => match self.help(now, packet, Place { hook, stage: index }, way)? {
                    Walked::On(packet) => packet,
                    held @ Walked::Held(_) => return Ok(held),
                },
                Stage::Confirm => self.confirm(now, packet, way)?,
            };
        }
        Ok(Walked::On(packet))
    }

    /// Notes that a packet has come to a stage, and says whether anybody stands there.
    #[inline(always)]
    fn comes_to(&mut self, stage: Stage, hook: Hook, packet: &Packet) -> bool {
        self.noted.place = Some((hook, stage));
        self.rules.of(packet.family().unwrap_or_default()).has_part_in(stage)
    }
}

fn is_icmp(packet: &Packet) -> bool {
    matches!(packet.transport(), Transport::Icmp | Transport::Icmpv6)
}
