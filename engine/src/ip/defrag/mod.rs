//! Putting fragments together (RFC 791, section 3.2; RFC 815; Linux v6.18: `net/ipv4/ip_fragment.c`, `ip_defrag()`).
//!
//! ```text
//!  fragment ─► gather ─► its datagram ─┬─ not all there ──► held, at most ipfrag_time
//!                                      ├─ all there ──────► one packet goes on
//!                                      └─ contradiction ──► all of it is dropped
//! ```
//!
//! Memory is bounded: beyond `net.ipv4.ipfrag_high_thresh` no fragment is taken, and a datagram lasts no longer than
//! `net.ipv4.ipfrag_time`. Why not evict older datagrams (`ipfrag_low_thresh`): Linux has given that up in v4.17, since
//! whoever floods evicts everybody else's.
//!
//! What differs from Linux: memory is counted as it is taken here, where the kernel counts its own buffers.

mod datagram;
mod ecn;

use alloc::{
    collections::{BTreeMap, BTreeSet},
    vec::Vec,
};
use core::time::Duration;

use datagram::{Datagram, Refusal};

use crate::{
    conntrack::Address,
    ending::{DropReason, Dropped},
    packet::Packet,
    sysctl::Sysctls,
    time::Instant,
    wire::Protocol,
};

/// Datagrams that are being put together.
#[derive(Debug, Default)]
pub struct Defrag {
    datagrams: BTreeMap<Key, Datagram>,
    deadlines: BTreeSet<(Instant, Key)>,
    /// Senders of datagrams that wait; nobody else's are counted.
    senders: BTreeMap<Address, Sender>,
    /// Memory that all of it takes.
    bytes: usize,
}

/// What tells datagrams apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    source: Address,
    destination: Address,
    id: u16,
    protocol: Protocol,
    /// Whether this host sends it: what comes in is never mixed with that.
    is_own: bool,
}

/// What is known of a sender.
#[derive(Clone, Copy, Debug, Default)]
struct Sender {
    /// Fragments that have come from it since it is known.
    fragments: u32,
    /// Its datagrams that wait.
    datagrams: u32,
}

/// What becomes of a fragment.
#[derive(Debug)]
pub struct Gathered {
    /// The datagram, when this was the last fragment that was missing; `None`: it waits for the others.
    pub result: Result<Option<Packet>, Dropped>,
    /// Fragments whose bytes are in the datagram: their buffers can be used again.
    pub spent: Vec<Packet>,
    /// Fragments that have waited in vain, and for which reason.
    pub lost: Vec<Dropped>,
}

/// A datagram whose time is over.
#[derive(Debug)]
pub struct GivenUp {
    /// Its fragments.
    pub fragments: Vec<Packet>,
    /// Whether the first one of them is the datagram's beginning, so that its sender can be told.
    pub has_first: bool,
}

impl Defrag {
    /// Takes a fragment. Packets without a device are this host's own.
    pub fn gather(&mut self, now: Instant, packet: Packet, sysctls: &Sysctls) -> Gathered {
        let Some(key) = Key::of(&packet) else { return refused(packet, DropReason::FragmentMalformed) };
        if self.bytes > sysctls.ipfrag_high_thresh as usize || sysctls.ipfrag_high_thresh == 0 {
            return refused(packet, DropReason::FragmentMemory);
        }
        let deadline = now + Duration::from_secs(sysctls.ipfrag_time.into());
        if !self.datagrams.contains_key(&key) {
            self.begin(key, deadline);
        }
        let mut gathered = Gathered { result: Ok(None), spent: Vec::new(), lost: Vec::new() };
        if self.is_too_far(&key, sysctls.ipfrag_max_dist) {
            gathered.lose(self.restart(key, deadline), DropReason::FragmentTooFar);
        }
        let Some(datagram) = self.datagrams.get_mut(&key) else {
            return refused(packet, DropReason::FragmentMalformed);
        };
        let before = datagram.bytes;
        let inserted = datagram.insert(packet);
        self.bytes += datagram.bytes - before;
        match inserted {
            Ok(()) if datagram.is_complete() => self.complete(&key, &mut gathered),
            Ok(()) => {}
            Err((packet, Refusal::Duplicate)) => gathered.result = Err(packet.drop_for(DropReason::FragmentDuplicate)),
            Err((packet, Refusal::Overlap)) => self.give_up(&key, packet, DropReason::FragmentOverlap, &mut gathered),
            Err((packet, Refusal::Malformed)) => {
                self.give_up(&key, packet, DropReason::FragmentMalformed, &mut gathered);
            }
        }
        gathered
    }

    /// How many fragments wait for others.
    pub(crate) fn waiting(&self) -> usize {
        self.datagrams.values().map(Datagram::waiting).sum()
    }

    /// The datagrams whose time is over, oldest first.
    pub fn handle_timeout(&mut self, now: Instant) -> Vec<GivenUp> {
        let mut given_up = Vec::new();
        while let Some(&(deadline, key)) = self.deadlines.first().filter(|(deadline, _)| *deadline <= now) {
            self.deadlines.remove(&(deadline, key));
            if let Some(datagram) = self.end(&key) {
                let has_first = datagram.has_first();
                given_up.push(GivenUp { fragments: datagram.into_packets(), has_first });
            }
        }
        given_up
    }

    /// When [`Self::handle_timeout`] has something to do.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Instant> {
        self.deadlines.first().map(|(deadline, _)| *deadline)
    }

    /// How many datagrams wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.datagrams.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.datagrams.is_empty()
    }

    /// Bytes of memory that the waiting fragments take.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }

    fn begin(&mut self, key: Key, deadline: Instant) {
        let datagram = Datagram::new(deadline);
        self.bytes += datagram.bytes;
        self.deadlines.insert((deadline, key));
        self.datagrams.insert(key, datagram);
        self.senders.entry(key.source).or_default().datagrams += 1;
    }

    /// Whether so many other fragments of the sender have come since the datagram's last one that its identification may
    /// have been used again (RFC 4963).
    ///
    /// Linux v6.18: `net/ipv4/ip_fragment.c`, `ip_frag_too_far()`.
    fn is_too_far(&mut self, key: &Key, max_dist: u32) -> bool {
        let (Some(datagram), Some(sender)) = (self.datagrams.get_mut(key), self.senders.get_mut(&key.source)) else {
            return false;
        };
        if max_dist == 0 {
            return false;
        }
        sender.fragments = sender.fragments.wrapping_add(1);
        let before = core::mem::replace(&mut datagram.seen, sender.fragments);
        !datagram.is_empty() && sender.fragments.wrapping_sub(before) > max_dist
    }

    fn restart(&mut self, key: Key, deadline: Instant) -> Vec<Packet> {
        let Some(datagram) = self.datagrams.get_mut(&key) else { return Vec::new() };
        self.deadlines.remove(&(datagram.deadline, key));
        self.deadlines.insert((deadline, key));
        let before = datagram.bytes;
        let lost = datagram.restart(deadline);
        self.bytes -= before - datagram.bytes;
        lost
    }

    fn complete(&mut self, key: &Key, gathered: &mut Gathered) {
        match self.end(key).map(Datagram::join) {
            Some(Ok((whole, spent))) => (gathered.result, gathered.spent) = (Ok(Some(whole)), spent),
            Some(Err(mut lost)) => {
                if let Some(last) = lost.pop() {
                    gathered.result = Err(last.drop_for(DropReason::FragmentMalformed));
                }
                gathered.lose(lost, DropReason::FragmentMalformed);
            }
            None => {}
        }
    }

    /// Drops a fragment, and all that its datagram had so far.
    fn give_up(&mut self, key: &Key, packet: Packet, reason: DropReason, gathered: &mut Gathered) {
        gathered.result = Err(packet.drop_for(reason));
        gathered.lose(self.end(key).map(Datagram::into_packets).unwrap_or_default(), reason);
    }

    /// Takes a datagram out.
    fn end(&mut self, key: &Key) -> Option<Datagram> {
        let datagram = self.datagrams.remove(key)?;
        self.deadlines.remove(&(datagram.deadline, *key));
        self.bytes -= datagram.bytes;
        if let Some(sender) = self.senders.get_mut(&key.source) {
            sender.datagrams -= 1;
            if sender.datagrams == 0 {
                self.senders.remove(&key.source);
            }
        }
        Some(datagram)
    }
}

impl Gathered {
    fn lose(&mut self, packets: Vec<Packet>, reason: DropReason) {
        self.lost.extend(packets.into_iter().map(|packet| packet.drop_for(reason)));
    }
}

/// A fragment that nobody waits for.
fn refused(packet: Packet, reason: DropReason) -> Gathered {
    Gathered { result: Err(packet.drop_for(reason)), spent: Vec::new(), lost: Vec::new() }
}

impl Key {
    fn of(packet: &Packet) -> Option<Self> {
        let ip = packet.ipv4()?;
        Some(Self {
            source: Address::v4(ip.source),
            destination: Address::v4(ip.destination),
            id: ip.id.get(),
            protocol: ip.protocol(),
            is_own: packet.meta().device.is_none(),
        })
    }
}

#[cfg(test)]
mod tests;
