//! The short way of a packet that passes through as others of its flow have passed.
//!
//! Linux has a like thing, the flowtable (v6.18: `net/netfilter/nf_flow_table_ip.c`), which leaves hooks and rules out. Here
//! nothing is left out: connection tracking has judged the packet before, every rule that would count counts, and what the
//! packet becomes is what the long way would have made of it, byte for byte. What is spared is finding out again what
//! cannot have changed: which rules match, where the packet goes, whether it may.
//!
//! ```text
//!  tracked, ESTABLISHED ─► recorded course? ─► nothing unusual about this packet? ─► count, translate, one hop less, tell
//! ```
//!
//! From its frame to the transmit queue such a packet passes some twenty functions of as many rooms. Those that it passes
//! alone are `#[inline(always)]`: each call would save and restore what the next one needs, which is a tenth of all
//! instructions.

use crate::{
    conntrack::{Status, Tracking, calling},
    ending::{Dropped, End},
    engine::Engine,
    held::{Place, Walked},
    ip::NextHop,
    nat,
    netfilter::{Course, Hook, Stage},
    packet::{Addressed, Packet, Transport},
    path::Way,
    time::Instant,
};

/// How a packet passes through that fares as packets of its flow have fared before.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeat {
    /// Where it goes.
    hop: NextHop,
    /// Its connection has changes that were not told.
    has_news: bool,
    /// A helper reads it, or its numbers have moved.
    is_read: bool,
    is_translated: bool,
}

impl Engine {
    /// The way of a packet that connection tracking has just spoken about, when it can only fare as packets of its
    /// flow have fared before.
    ///
    /// A record of the flow's walk and course holds until an operator changes something (see [`Self::forget_courses`]). What
    /// may differ from packet to packet and has a say on the way is looked at here: what rules have looked at, hops left,
    /// size and fragments. A helper is asked on the short way, too. A packet whose path is written down takes the long way.
    #[inline(always)]
    pub(crate) fn recorded_way(&self, packet: &Packet) -> Option<Repeat> {
        let Tracking::Tracked { connection, direction, .. } = packet.meta().tracking else { return None };
        let rules = self.rules.of(packet.family()?);
        let course = rules.course(&self.noted.walk, packet, &self.conntrack)?;
        let is_usual = packet.meta().device == Some(course.input)
            && packet.meta().addressed == Addressed::Host
            && packet.ip().is_some_and(|ip| ip.hops() > 1)
            && packet.pieces().is_none()
            && !packet.has_options()
            && !self.knows_way_of(packet)
            && packet.may_pass(course.mtu_bytes)
            && matches!(packet.transport(), Transport::Tcp | Transport::Udp | Transport::Icmp | Transport::Icmpv6);
        if !is_usual || !self.repeats {
            return None;
        }
        let connection = self.conntrack.connection(connection)?;
        Some(Repeat {
            // It goes to where the answers to the other direction come from.
            hop: course.hop(connection.tuple(direction.opposite()).source_ip()),
            has_news: !connection.changes.is_empty(),
            is_read: calling::concerns(connection),
            is_translated: connection.status.intersects(Status::NAT),
        })
    }

    /// Takes a packet from connection tracking to its next hop, as [`Self::recorded_way`] has allowed.
    pub(crate) fn repeat(&mut self, now: Instant, mut packet: Packet, as_before: Repeat) -> Result<End, Dropped> {
        let Repeat { hop, has_news, is_read, is_translated } = as_before;
        let bytes = packet.network_len() as u64;
        if let Some(family) = packet.family() {
            self.rules.of_mut(family).count(&self.noted.walk, bytes);
        }
        if is_translated
            && let Tracking::Tracked { connection, direction, .. } = packet.meta().tracking
            && let Some(connection) = self.conntrack.connection(connection)
            && let Err(reason) = nat::rewrite_both(connection, direction, &mut packet)
        {
            return Err(packet.drop_for(reason));
        }
        if let Some(mut ip) = packet.ip_mut() {
            ip.decrement_hops();
        }
        self.stats.forwarded += 1;
        self.repeated += 1;
        if is_read && !calling::passes_by(&mut self.conntrack, &self.helpers, &packet) {
            self.noted.place = Some((Hook::Postrouting, Stage::Helper));
            let way = Way { input: packet.meta().device, hop: Some(hop) };
            let before = packet.network_len();
            packet = match self.help(now, packet, Place::HELPER, way)? {
                Walked::On(packet) => packet,
                Walked::Held(holder) => return Ok(End::Held(holder)),
            };
            self.noted.place = Some((Hook::Postrouting, Stage::Confirm));
            self.conntrack.tell(now, &packet, &mut self.around);
            if packet.network_len() > before {
                // What was written into it may have made it too long for the link.
                return self.leave(now, packet, hop);
            }
            return self.resolve_station(now, packet, hop);
        }
        self.noted.place = Some((Hook::Postrouting, Stage::Confirm));
        if has_news {
            self.conntrack.tell(now, &packet, &mut self.around);
        }
        self.resolve_station(now, packet, hop)
    }

    /// How a packet passes through that is about to leave; `None` when its next hop is many stations.
    pub(crate) fn course_of(&self, packet: &Packet, way: Way) -> Option<Course> {
        let (input, hop) = (way.input?, way.hop?);
        self.leads_to_one(hop).then(|| Some(Course::new(input, hop, packet.ip()?.destination())))?
    }

    /// Forgets how packets have passed. Whoever changes devices, routes, rules, tunables or anything else on which the way of
    /// an established flow's packets depends calls this.
    pub(crate) fn forget_courses(&mut self) {
        self.rules.forget_walks();
    }

    /// Whether packets of established flows may take a short way through the engine, as they do from the start. What comes
    /// out is the same, byte for byte, which a test can show with this.
    pub const fn set_repeating(&mut self, on: bool) {
        self.repeats = on;
    }

    /// How many packets have taken the short way. No output depends on it, and it is in no snapshot.
    #[must_use]
    pub const fn repeated(&self) -> u64 {
        self.repeated
    }
}
