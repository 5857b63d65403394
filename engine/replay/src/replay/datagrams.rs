//! Datagrams in fragments: what the first fragment was given holds for the others, which name no ports.

use std::collections::{BTreeMap, VecDeque};

use core::{net::IpAddr, time::Duration};

use towpath_engine::{Instant, conntrack::Family, wire::Protocol};

use super::{peek::Peek, translation::Translation};
use crate::{limits::DATAGRAMS_MAX, record::Unmapped};

/// What the first fragments of datagrams were given.
#[derive(Debug, Default)]
pub(super) struct Datagrams {
    given: BTreeMap<Name, (Instant, Translation)>,
    /// In the order in which they came.
    order: VecDeque<(Instant, Name)>,
}

/// By what the fragments of a datagram know each other (RFC 791, section 3.2; RFC 8200, section 4.5: without the protocol).
type Name = (IpAddr, IpAddr, Option<u8>, u32);

impl Datagrams {
    /// What the gateway sees of a later fragment: what the first one was given.
    #[cold]
    pub(super) fn of_later(&self, now: Instant, peek: &Peek) -> Translation {
        match self.find(now, peek) {
            // It has no acknowledgements, and is found by no tuple.
            Some(Translation::Readdressed(tuple, _)) => Translation::Readdressed(tuple, None),
            Some(Translation::AsCaptured(_)) => Translation::AsCaptured(None),
            Some(other) => other,
            None => Translation::Unknown(Unmapped::FirstPartMissing),
        }
    }

    /// Notes what a first fragment was given.
    #[cold]
    pub(super) fn note(&mut self, now: Instant, peek: &Peek, translation: Translation) {
        let Some(name) = name(peek) else { return };
        while let Some((when, oldest)) = self.order.front()
            && (self.order.len() >= DATAGRAMS_MAX || *when + LIFE <= now)
        {
            // A later datagram of the same name stays.
            if self.given.get(oldest).is_some_and(|(noted, _)| noted == when) {
                self.given.remove(oldest);
            }
            self.order.pop_front();
        }
        self.given.insert(name, (now, translation));
        self.order.push_back((now, name));
    }

    /// What the first fragment of the same datagram was given; `None`: it has not come, or long ago.
    fn find(&self, now: Instant, peek: &Peek) -> Option<Translation> {
        let (noted, translation) = self.given.get(&name(peek)?)?;
        (*noted + LIFE > now).then_some(*translation)
    }
}

fn name(peek: &Peek) -> Option<Name> {
    let Protocol(protocol) = peek.protocol;
    let protocol = (peek.family() == Family::Ipv4).then_some(protocol);
    Some((peek.source, peek.destination, protocol, peek.fragment?))
}

/// How long fragments wait for each other in Linux, at the longest of both families (v6.18: `IP_FRAG_TIME`, 30 s;
/// `IPV6_FRAG_TIMEOUT`, 60 s).
const LIFE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::craft;

    #[test]
    fn a_datagram_is_forgotten_after_a_minute_and_when_there_are_many_others() {
        let part = |id: u16| {
            let mut frame = craft::udp(([10, 0, 0, 2], 1), ([198, 51, 100, 7], 2), b"part");
            frame[18..22].copy_from_slice(&[&id.to_be_bytes()[..], &[0x20, 0]].concat());
            Peek::frame(&frame).unwrap()
        };
        let at = Instant::from_secs;
        let mut datagrams = Datagrams::default();
        datagrams.note(at(1), &part(1), Translation::AsCaptured(None));
        assert!(datagrams.find(at(60), &part(1)).is_some());
        assert!(datagrams.find(at(61), &part(1)).is_none() && datagrams.find(at(1), &part(2)).is_none());
        datagrams.note(at(60), &part(1), Translation::AsCaptured(None));
        datagrams.note(at(62), &part(2), Translation::AsCaptured(None));
        assert!(datagrams.find(at(62), &part(1)).is_some(), "it has come again");
        for id in 0..=DATAGRAMS_MAX as u16 {
            datagrams.note(at(63), &part(1000 + id), Translation::AsCaptured(None));
        }
        assert!(datagrams.find(at(63), &part(2)).is_none() && datagrams.order.len() == DATAGRAMS_MAX);
    }
}
