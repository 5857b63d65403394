//! The search for a tuple whose answers are nobody else's.

use crate::{
    conntrack::{ConnId, Conntrack, Direction, ProtocolState, Status, TcpState, Tuple, Zone},
    nat::{
        Manip, NatRange, address,
        ports::{self, Candidates, Key, Occupancy, Start},
    },
    surroundings::Surroundings,
    time::Instant,
    wire::Protocol,
};

/// Where a tuple is searched.
#[derive(Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) now: Instant,
    pub(super) conntrack: &'a Conntrack,
    pub(super) id: ConnId,
    pub(super) zone: Zone,
    /// Whether a closed connection may be thrown out.
    pub(super) evicting: bool,
    /// Whether a source keeps one endpoint outside, whomever it talks to, and shares it with no other.
    pub(super) apart: bool,
}

impl Place<'_> {
    /// The tuple that `current` is translated to, and what stands there.
    ///
    /// Linux v6.18: `net/netfilter/nf_nat_core.c`, `get_unique_tuple()`.
    pub(super) fn unique(
        self,
        current: &Tuple,
        manip: Manip,
        range: &NatRange,
        around: &mut Surroundings,
    ) -> (Tuple, Occupancy) {
        let drawn = range.random || range.random_fully;
        if manip == Manip::Source && (self.apart || !drawn) {
            if is_in_range(current, range) && !(self.apart && drawn) {
                if self.is_free(current) || self.is_other_half(current) {
                    return (*current, Occupancy::Free);
                }
            } else if let Some(mapped) = self.mapped(current, range).filter(|mapped| self.is_free(mapped)) {
                return (mapped, Occupancy::Free);
            }
        }
        let moved = address::in_range(current, self.zone.id, range, manip);
        if !drawn && self.keeps_port(&moved, manip, range) {
            return (moved, Occupancy::Free);
        }
        let (Some(key), Some(candidates)) = (Key::of(&moved, manip), Candidates::of(&moved, manip, range)) else {
            return (moved, Occupancy::Taken);
        };
        let start = match range.base {
            Some(base) => Start::Behind(key.value(&moved).wrapping_sub(base)),
            None if drawn || manip == Manip::Source => Start::Drawn,
            None => Start::First,
        };
        let choice =
            ports::search(candidates, start, &mut around.random, |value| self.occupancy(&key.with(&moved, value)));
        (key.with(&moved, choice.value), choice.occupancy)
    }

    /// Whether the tuple may keep its port: it is free, or the rule leaves no other.
    fn keeps_port(self, moved: &Tuple, manip: Manip, range: &NatRange) -> bool {
        match (range.ports, Key::of(moved, manip)) {
            (Some(_), _) if range.base.is_some() => false,
            (Some((low, high)), Some(key)) => {
                (low..=high).contains(&key.value(moved)) && (low == high || self.is_free(moved))
            }
            (Some((low, high)), None) => low == high || self.is_free(moved),
            (None, _) => self.is_free(moved),
        }
    }

    /// How the newest connection that comes from the same source, and fits the range, is translated.
    ///
    /// Linux v6.18: `net/netfilter/nf_nat_core.c`, `find_appropriate_src()`.
    fn mapped(self, current: &Tuple, range: &NatRange) -> Option<Tuple> {
        self.conntrack.coming_from(self.zone, current).find_map(|other| {
            let Tuple { source, source_port, .. } = other.reply.inverted()?;
            let mapped = Tuple { source, source_port, ..*current };
            is_in_range(&mapped, range).then_some(mapped)
        })
    }

    fn is_free(self, translated: &Tuple) -> bool {
        self.standing(translated).is_none() && !self.is_anothers(translated)
    }

    /// Whether what stands at the tuple's answers is the same flow, taken for another connection that began with them, and neither
    /// is translated.
    ///
    /// Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_used_tuple_new()`.
    fn is_other_half(self, translated: &Tuple) -> bool {
        let moved = Status(Status::NAT.0 | Status::SEQ_ADJUST.0);
        // Two such halves do no harm where nothing counts sequence numbers (Linux: `allow_clash`).
        if !matches!(translated.protocol(), Protocol::UDP | Protocol::UDPLITE) {
            return false;
        }
        let Some((other, Direction::Original)) = self.standing(translated) else { return false };
        let (Some(own), Some(other)) = (self.conntrack.connection(self.id), self.conntrack.connection(other)) else {
            return false;
        };
        !own.status.intersects(moved)
            && !other.status.intersects(moved)
            && other.original == own.reply
            && other.reply == own.original
    }

    /// Whether the tuple's source stands for another host, where hosts are kept apart.
    fn is_anothers(self, translated: &Tuple) -> bool {
        let Some(own) = self.conntrack.connection(self.id).map(|own| (own.original.source, own.original.source_port))
        else {
            return false;
        };
        self.apart && self.conntrack.inside_of_source(self.zone.id, translated).is_some_and(|inside| inside != own)
    }

    /// The connection that has the answers to this tuple.
    fn standing(self, translated: &Tuple) -> Option<(ConnId, Direction)> {
        let reply = translated.inverted()?;
        self.conntrack.find_answered(self.now, self.zone, &reply).filter(|(other, _)| *other != self.id)
    }

    /// What stands at a tuple: a closed TCP connection may go when the new one's sequence numbers lie behind its own, so
    /// that late packets of the old one cannot be taken for the new one's.
    ///
    /// Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_nat_used_tuple_harder()`.
    fn occupancy(self, translated: &Tuple) -> Occupancy {
        if self.is_anothers(translated) {
            return Occupancy::Taken;
        }
        let Some((other, direction)) = self.standing(translated) else { return Occupancy::Free };
        let evictable = self.evicting
            && direction == Direction::Reply
            && translated.protocol() == Protocol::TCP
            && self.gives_way(other);
        if evictable { Occupancy::Evictable(other) } else { Occupancy::Taken }
    }

    fn gives_way(self, other: ConnId) -> bool {
        let (Some(old), Some(new)) = (self.conntrack.connection(other), self.conntrack.connection(self.id)) else {
            return false;
        };
        let (ProtocolState::Tcp(old_tcp), ProtocolState::Tcp(new_tcp)) = (&old.protocol, &new.protocol) else {
            return false;
        };
        let kept = Status(Status::FIXED_TIMEOUT.0 | Status::DYING.0);
        new_tcp.state == TcpState::SynSent
            && matches!(old_tcp.state, TcpState::TimeWait | TcpState::Close | TcpState::SynSent2)
            && old.status.contains(Status::SRC_NAT)
            && !old.status.intersects(kept)
            && new_tcp.seen[0].end.after(old_tcp.seen[0].end)
    }
}

/// Whether the source already is what the range allows.
///
/// Linux v6.18: `net/netfilter/nf_nat_core.c`, `nf_in_range()`.
fn is_in_range(tuple: &Tuple, range: &NatRange) -> bool {
    let in_addresses = range.addresses.is_none_or(|(first, last)| (first..=last).contains(&tuple.source));
    let in_ports = match (range.ports, Key::of(tuple, Manip::Source)) {
        (Some((low, high)), Some(_)) => (low..=high).contains(&tuple.source_port),
        (Some(_), None) | (None, _) => true,
    };
    in_addresses && in_ports
}
