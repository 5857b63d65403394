//! Finding or making a packet's connection, and judging the packet.
//!
//! Linux v6.18: `net/netfilter/nf_conntrack_core.c`, `nf_conntrack_in()`.

use alloc::boxed::Box;

use super::{
    Conntrack, Expectation, FlowHint, FlowKey, State, Template, Tracking,
    conn::{Connection, Status},
    reasoning::{Ignored, Invalid, Reasoning, Taken},
    sctp,
    segment::Segment,
    table::Found,
    tcp, tcp_states,
    timeouts::Timeouts,
    tracker::{self, Outcome, Refreshed},
    tuple::{Address, Direction, Tuple},
    udplite,
    zone::Zone,
};
use crate::{
    ending::DropReason,
    offload,
    packet::{Network, Packet, Standing, Transport},
    surroundings::Surroundings,
    time::Instant,
    trace::Step,
    wire::{IcmpHeader, Protocol, icmp::IcmpType},
};

/// A connection's slot, which way the packet goes, and the announcement that has made it a new one.
type Resolved = (u32, Direction, Option<Box<Expectation>>);

impl Conntrack {
    /// Finds or makes the packet's connection and judges the packet; the answer is in `packet.meta().tracking`. A packet
    /// that has been judged already, or shall not be, is left alone.
    ///
    /// Gives the expectation that a new connection fulfils, for NAT to follow.
    ///
    /// # Errors
    /// [`DropReason::ConntrackFull`] when there is no room for another connection.
    #[inline(always)]
    pub fn track(
        &mut self,
        now: Instant,
        packet: &mut Packet,
        template: &Template,
        around: &mut Surroundings,
    ) -> Result<Option<Box<Expectation>>, DropReason> {
        let zone = template.zone.of(packet.meta().mark);
        self.track_in(now, packet, zone, |_| *template, around)
    }

    /// The same in a zone, when what is said of a packet beside it takes finding out: `said` is asked only about one that may start a
    /// connection.
    #[inline(always)]
    pub(crate) fn track_in(
        &mut self,
        now: Instant,
        packet: &mut Packet,
        zone: Zone,
        said: impl FnOnce(&Packet) -> Template,
        around: &mut Surroundings,
    ) -> Result<Option<Box<Expectation>>, DropReason> {
        match packet.meta().tracking {
            Tracking::Tracked { .. } | Tracking::Untracked => return Ok(None),
            Tracking::Unseen | Tracking::Template(_) | Tracking::Invalid => {}
        }
        self.bury();
        let judged = match (packet.network(), packet.protocol()) {
            (Network::Ipv4, Protocol::ICMP) => self.judge_icmp(now, packet, zone, around),
            (Network::Ipv6, Protocol::ICMPV6) => self.judge_icmpv6(now, packet, zone, around),
            (Network::Ipv4 | Network::Ipv6 | Network::Arp | Network::Other, _) => None,
        };
        if let Some(verdict) = judged {
            self.statistics.error += u64::from(verdict.is_err());
            let (tracking, reasoning) = match verdict {
                Ok(verdict) => verdict,
                Err(reason) => (Tracking::Invalid, Reasoning::Invalid(reason)),
            };
            conclude(packet, tracking, reasoning, around);
            return Ok(None);
        }
        if packet.meta().flow.is_none() {
            self.look_up(packet);
        }
        // Packet for packet this says what the long way does; only speed depends on it.
        if self.takes_usual(now, packet, zone, around) {
            return Ok(None);
        }
        let template = said(packet);
        self.track_flow(now, packet, zone, &template, around)
    }

    /// The long way, which any packet may take.
    #[inline(never)]
    pub(super) fn track_flow(
        &mut self,
        now: Instant,
        packet: &mut Packet,
        zone: Zone,
        template: &Template,
        around: &mut Surroundings,
    ) -> Result<Option<Box<Expectation>>, DropReason> {
        loop {
            let Some(flow) = &packet.meta().flow else { return Ok(self.is_invalid(packet, Invalid::NoTuple, around)) };
            let guess = flow.hint.filter(|guess| self.table.is_there(now, zone, &flow.tuple, *guess));
            let (slot, direction, expectation) = match guess {
                Some(FlowHint { slot, direction }) => (slot, direction, None),
                None => match self.find_or_create(now, flow, zone, template, around)? {
                    Some(resolved) => resolved,
                    None => {
                        let (kind, _) = flow.tuple.icmp_type_code().unwrap_or_default();
                        return Ok(self.is_invalid(packet, Invalid::IcmpUnasked(kind), around));
                    }
                },
            };
            let bytes = packet.network_len();
            let connection = &mut self.table.slab[slot];
            let state = state_of(connection, direction);
            let tracking = Tracking::Tracked { connection: connection.id(slot), state, direction };
            let is_new = !connection.is_confirmed();
            let timeouts = self.timeout_policies.of(connection, &around.sysctls);
            let outcome = judge(connection, now, packet, direction, around, timeouts);
            let reasoning = match outcome {
                Outcome::Taken(Refreshed { secs, reason }) => {
                    if let Taken::TcpAnew { is_bare } = reason {
                        let (id, start) = (connection.id(slot), packet.tcp().filter(|_| is_bare).map(|tcp| tcp.ack()));
                        self.begin_anew(now, (id, direction), start, &mut around.events);
                    }
                    self.table.take(now, (slot, direction), secs, bytes);
                    if is_new { self.reasoning_of_first(slot, reason) } else { Reasoning::Belongs(reason) }
                }
                Outcome::Ignored(ignored) => Reasoning::Ignored(ignored),
                Outcome::Refused => {
                    if connection.status.contains(Status::COUNTED) {
                        self.table.slab.count(slot, direction, bytes as u64);
                    }
                    self.destroy(now, slot, around);
                    Reasoning::Refused
                }
                Outcome::Reopen => {
                    self.destroy(now, slot, around);
                    continue;
                }
                Outcome::Invalid { reason, refresh } => {
                    if let Some(secs) = refresh {
                        self.table.refresh(now, slot, secs);
                    }
                    self.forget_unconfirmed(now, slot, around);
                    return Ok(self.is_invalid(packet, reason, around));
                }
            };
            if direction == Direction::Reply {
                self.table.slab[slot].has_been_answered();
            }
            conclude(packet, tracking, reasoning, around);
            return Ok(expectation);
        }
    }

    /// A packet that belongs to no connection and may start none announces none either.
    #[cold]
    fn is_invalid(
        &mut self,
        packet: &mut Packet,
        reason: Invalid,
        around: &mut Surroundings,
    ) -> Option<Box<Expectation>> {
        self.statistics.invalid += 1;
        conclude(packet, Tracking::Invalid, Reasoning::Invalid(reason), around);
        None
    }

    #[cold]
    fn reasoning_of_first(&self, slot: u32, reason: Taken) -> Reasoning {
        let master = self.table.slab[slot].extension.as_ref().and_then(|extension| extension.master_tuple);
        master.map_or(Reasoning::Starts(reason), Reasoning::Announced)
    }

    /// The connection at a tuple, made when there is none; `None` when there cannot be one.
    #[inline(never)]
    fn find_or_create(
        &mut self,
        now: Instant,
        flow: &FlowKey,
        zone: Zone,
        template: &Template,
        around: &mut Surroundings,
    ) -> Result<Option<Resolved>, DropReason> {
        let tuple = &flow.tuple;
        let hash = flow.hash.or_else(|| self.table.hash(tuple));
        loop {
            match self.table.find(now, zone, tuple, hash) {
                Some(Found::Alive(slot, direction)) => return Ok(Some((slot, direction, None))),
                Some(Found::Expired(slot)) => self.destroy(now, slot, around),
                None => break,
            }
        }
        let Some(reply) = tuple.inverted() else { return Ok(None) };
        let Some(slot) = self.create(now, (tuple, &reply), hash, zone, around) else {
            self.statistics.drop += 1;
            around.trace.push(|| Step::Conntrack(None, Reasoning::Full));
            around.events.warn(now, TABLE_FULL);
            return Err(DropReason::ConntrackFull);
        };
        let expectation = self.welcome(now, slot, template, around);
        Ok(Some((slot, Direction::Original, expectation)))
    }

    /// Whether a packet of these ends would begin a connection, as its protocol is judged; nothing comes of it.
    #[must_use]
    pub(crate) fn may_begin(&self, now: Instant, packet: &Packet, tuple: &Tuple, around: &Surroundings) -> bool {
        let Some(reply) = tuple.inverted() else { return false };
        let mut connection = Connection::new(*tuple, reply, Zone::DEFAULT);
        let timeouts = self.timeout_policies.of(&connection, &around.sysctls);
        matches!(judge(&mut connection, now, packet, Direction::Original, around, timeouts), Outcome::Taken(_))
    }

    /// Judges an ICMP message as far as it needs no flow of its own; `None` for queries and their answers.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_proto_icmp.c`, `nf_conntrack_icmpv4_error()`.
    fn judge_icmp(
        &self,
        now: Instant,
        packet: &Packet,
        zone: Zone,
        around: &Surroundings,
    ) -> Option<Result<(Tracking, Reasoning), Invalid>> {
        Some(match packet.icmp() {
            None if packet.ipv4().is_some_and(|ip| ip.fragment_offset() > 0) => return None,
            None => Err(Invalid::Broken),
            Some(_) if !has_right_checksum(packet, around) => Err(Invalid::Checksum),
            Some(icmp) if icmp.kind > ICMP_TYPE_MAX => Err(Invalid::IcmpType(icmp.kind)),
            Some(icmp) if !IcmpType(icmp.kind).is_error() => return None,
            Some(_) => self.judge_icmp_error(now, packet, zone),
        })
    }

    /// The same for ICMPv6, of which the link's own business is not tracked at all.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_proto_icmpv6.c`, `nf_conntrack_icmpv6_error()`.
    fn judge_icmpv6(
        &self,
        now: Instant,
        packet: &Packet,
        zone: Zone,
        around: &Surroundings,
    ) -> Option<Result<(Tracking, Reasoning), Invalid>> {
        Some(match packet.icmpv6().map(|icmp| icmp.icmp_type()) {
            None if packet.fragment_offset() > 0 => return None,
            None => Err(Invalid::Broken),
            Some(_) if !has_right_checksum(packet, around) => Err(Invalid::Checksum),
            Some(kind) if kind.is_of_the_link() => Ok((Tracking::Untracked, Reasoning::OfTheLink)),
            Some(kind) if !kind.is_error() => return None,
            Some(_) => self.judge_icmp_error(now, packet, zone),
        })
    }

    /// An ICMP error, of either family, is RELATED to the connection of the packet that it quotes, in the direction in which it travels, if
    /// it goes to the end that sent that packet.
    ///
    /// Linux v6.18: `net/netfilter/nf_conntrack_proto_icmp.c`, `nf_conntrack_inet_error()`.
    fn judge_icmp_error(&self, now: Instant, packet: &Packet, zone: Zone) -> Result<(Tracking, Reasoning), Invalid> {
        let ip = packet.ip().ok_or(Invalid::ErrorUnreadable)?;
        let quoted = packet.transport_bytes().get(IcmpHeader::LEN..);
        let quoted = quoted.and_then(|bytes| Tuple::quoted(ip.family(), bytes)).ok_or(Invalid::ErrorUnreadable)?;
        let answer = quoted.inverted().ok_or(Invalid::ErrorUnreadable)?;
        let (connection, direction) = self.find(now, zone, &answer).ok_or(Invalid::ErrorUnknown(quoted))?;
        if Address::from(ip.destination()) != answer.destination {
            return Err(Invalid::ErrorMisaddressed(quoted));
        }
        let tracking = Tracking::Tracked { connection, state: State::Related, direction };
        Ok((tracking, Reasoning::ErrorAbout(quoted)))
    }
}

/// What a packet in this direction is to the connection (Linux: `resolve_normal_ct()`).
pub(super) const fn state_of(connection: &Connection, direction: Direction) -> State {
    match direction {
        Direction::Reply => State::Established,
        Direction::Original if connection.status.contains(Status::SEEN_REPLY) => State::Established,
        Direction::Original if connection.status.contains(Status::EXPECTED) => State::Related,
        Direction::Original => State::New,
    }
}

/// Asks the protocol's tracker.
#[inline]
fn judge(
    connection: &mut Connection,
    now: Instant,
    packet: &Packet,
    direction: Direction,
    around: &Surroundings,
    timeouts: Timeouts<'_>,
) -> Outcome {
    let invalid = |reason| Outcome::Invalid { reason, refresh: None };
    match packet.protocol() {
        Protocol::TCP | Protocol::UDP if packet.transport() == Transport::Broken => invalid(Invalid::Broken),
        Protocol::TCP => match Segment::of(packet) {
            None => invalid(Invalid::Broken),
            Some(_) if !has_right_checksum(packet, around) => invalid(Invalid::Checksum),
            Some(segment) if tcp_states::is_nonsense(segment.flags) => invalid(Invalid::Flags(segment.flags)),
            Some(segment) => tcp::track(connection, now, &segment, direction, &around.sysctls, timeouts),
        },
        Protocol::UDP if !has_right_checksum(packet, around) => invalid(Invalid::Checksum),
        Protocol::UDP => Outcome::Taken(tracker::udp(connection, now, timeouts)),
        Protocol::UDPLITE => match udplite::flaw(packet, is_verified(packet, around).then_some(&around.routines)) {
            Some(reason) => invalid(reason),
            None => tracker::udplite(connection, now, timeouts),
        },
        Protocol::SCTP => sctp::track(connection, packet, direction, is_verified(packet, around), timeouts),
        Protocol::ICMP | Protocol::ICMPV6 => tracker::icmp(connection, timeouts),
        Protocol::GRE => tracker::gre(connection, timeouts),
        _ => tracker::generic(connection, timeouts),
    }
}

/// Only what comes from outside is verified: this host's own packets may still lack their checksum.
pub(crate) fn is_verified(packet: &Packet, around: &Surroundings) -> bool {
    around.sysctls.conntrack_checksum != 0 && packet.meta().device.is_some()
}

#[inline(always)]
pub(super) fn has_right_checksum(packet: &Packet, around: &Surroundings) -> bool {
    !is_verified(packet, around) || offload::checksum::is_right_to_netfilter(packet, &around.routines)
}

#[inline]
fn conclude(packet: &mut Packet, tracking: Tracking, reasoning: Reasoning, around: &mut Surroundings) {
    packet.meta_mut().tracking = tracking;
    packet.meta_mut().standing = match reasoning {
        // A SYN again is a beginning as good as the one before.
        Reasoning::Ignored(ignored) if ignored != Ignored::SynAgain => Standing::Ignored,
        Reasoning::Ignored(_)
        | Reasoning::Starts(_)
        | Reasoning::Announced(_)
        | Reasoning::Belongs(_)
        | Reasoning::ErrorAbout(_)
        | Reasoning::OfTheLink
        | Reasoning::Refused
        | Reasoning::Invalid(_)
        | Reasoning::Full => Standing::Taken,
    };
    around.trace.push(|| {
        let what = match tracking {
            Tracking::Tracked { state, direction, .. } => Some((state, direction)),
            Tracking::Unseen | Tracking::Template(_) | Tracking::Untracked | Tracking::Invalid => None,
        };
        Step::Conntrack(what, reasoning)
    });
}

/// Linux: `NR_ICMP_TYPES`.
const ICMP_TYPE_MAX: u8 = 18;

/// What the kernel log shows (Linux: `__nf_conntrack_alloc()`).
const TABLE_FULL: &str = "nf_conntrack: nf_conntrack: table full, dropping packet";
