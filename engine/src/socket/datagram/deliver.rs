//! Datagrams arrive (Linux v6.18: `net/ipv4/udp.c`, `__udp4_lib_rcv()`, `compute_score()`, `__udp4_lib_mcast_deliver()`;
//! `net/ipv4/ping.c`, `ping_rcv()`; `net/ipv4/raw.c`, `raw_local_deliver()`).

use alloc::vec::Vec;
use core::net::SocketAddr;

use super::{Datagram, DatagramKind, RAW, send::Outgoing};
use crate::{
    ending::{DropReason, Dropped},
    engine::Engine,
    frame::DeviceId,
    packet::Packet,
    settle::own_address,
    socket::table::{Entry, Sockets, Taken},
    tcp::Ends,
    time::Instant,
    wire::Protocol,
};

impl Engine {
    /// Gives a datagram of UDP to whose it is.
    ///
    /// # Errors
    /// [`DropReason::NoSocket`] when it is nobody's, [`DropReason::SocketMemory`] when its socket has no room for it.
    pub(crate) fn deliver_datagram(
        &mut self,
        now: Instant,
        packet: Packet,
        input: Option<DeviceId>,
    ) -> Result<(), Dropped> {
        let Some(ends) = Ends::of(&packet) else { return Err(packet.drop_for(DropReason::TransportMalformed)) };
        let place = (Protocol::UDP, ends.local.port());
        if self.devices.is_for_many(ends.local.ip()) {
            let all = self.sockets.all_that_fit(place, &ends);
            let Some((last, others)) = all.split_last() else { return Err(packet.drop_for(DropReason::NoSocket)) };
            for index in others {
                let copy = packet.copy(&mut self.pool);
                // That others have no room is not this packet's end.
                if let Err(dropped) = self.put(now, *index, copy, &ends, input) {
                    dropped.packet.recycle(&mut self.pool);
                }
            }
            return self.put(now, *last, packet, &ends, input);
        }
        match self.sockets.that_fits_best(place, &ends) {
            Some(index) => self.put(now, index, packet, &ends, input),
            None => Err(packet.drop_for(DropReason::NoSocket)),
        }
    }

    /// Gives an echo reply to the socket that has asked.
    ///
    /// # Errors
    /// [`DropReason::NoSocket`] when none has, [`DropReason::SocketMemory`] when it has no room.
    pub(crate) fn deliver_echo_reply(&mut self, now: Instant, packet: Packet) -> Result<(), Dropped> {
        let Some(ip) = packet.ip() else { return Err(packet.drop_for(DropReason::TransportMalformed)) };
        let (own, peer) = (ip.destination(), ip.source());
        let id = match (packet.icmp(), packet.icmpv6()) {
            (Some(icmp), _) => icmp.id(),
            _ => match packet.transport_bytes() {
                &[_, _, _, _, high, low, ..] => u16::from_be_bytes([high, low]),
                _ => 0,
            },
        };
        let ends = Ends { local: SocketAddr::new(own, id), remote: SocketAddr::new(peer, 0) };
        match self.sockets.that_fits_best((packet.protocol(), id), &ends) {
            Some(index) => self.put(now, index, packet, &ends, None),
            None => Err(packet.drop_for(DropReason::NoSocket)),
        }
    }

    /// Gives a copy of a packet to each socket of its whole protocol. Tells whether there was one.
    pub(crate) fn deliver_raw(&mut self, packet: &Packet) -> bool {
        let place = (RAW, u16::from(packet.protocol().0));
        let Some(ip) = packet.ip().filter(|_| !self.sockets.bound_to(place.0, place.1).is_empty()) else {
            return false;
        };
        let (local, remote) = (SocketAddr::new(ip.destination(), place.1), SocketAddr::new(ip.source(), 0));
        let all = self.sockets.all_that_fit(place, &Ends { local, remote });
        for index in &all {
            let copy = packet.copy(&mut self.pool);
            if let Some(Entry::Datagram(datagram)) = self.sockets.entry_mut(*index)
                && let Err(copy) = take(datagram, copy, &self.datagram_budget)
            {
                copy.recycle(&mut self.pool);
                continue;
            }
            self.sockets.note_ready(*index);
        }
        !all.is_empty()
    }

    fn put(
        &mut self,
        now: Instant,
        index: u32,
        packet: Packet,
        ends: &Ends,
        input: Option<DeviceId>,
    ) -> Result<(), Dropped> {
        let Some(Entry::Datagram(datagram)) = self.sockets.entry_mut(index) else {
            return Err(packet.drop_for(DropReason::NoSocket));
        };
        if !datagram.is_held() {
            self.answer_as_service(now, index, &packet, ends, input);
            packet.recycle(&mut self.pool);
            return Ok(());
        }
        match take(datagram, packet, &self.datagram_budget) {
            Ok(()) => {
                self.sockets.note_ready(index);
                Ok(())
            }
            Err(packet) => Err(packet.drop_for(DropReason::SocketMemory)),
        }
    }

    /// A service answers: from the address of the way back, which need not be the one that was asked, since a socket that is
    /// bound to no address answers as if it had never been asked (Linux v6.18: `net/ipv4/udp.c`, `udp_sendmsg()`).
    fn answer_as_service(&mut self, now: Instant, index: u32, packet: &Packet, ends: &Ends, input: Option<DeviceId>) {
        if !self.may_answer_as_service(ends.remote, input) {
            return;
        }
        let Entry::Datagram(datagram) = self.sockets.entry(index) else { return };
        let Some(answer) = datagram.service.clone() else { return };
        let options = datagram.options;
        let source = own_address(&self.routes, &self.devices, ends.remote.ip(), input);
        let asked = payload_of(packet);
        if let (Some(source), Some(payload)) = (source, answer.answer(&asked)) {
            let source = SocketAddr::new(source, ends.local.port());
            let kind = DatagramKind::Udp;
            let out = Outgoing { source, to: ends.remote, kind, payload, options: &options, bound: input };
            // An answer is no longer than a packet can be. One that does not set out all the same is lost, as any datagram may be.
            let _ = self.emit_datagram(now, &out);
        }
    }
}

fn take(datagram: &mut Datagram, packet: Packet, budget: &crate::packet::Budget) -> Result<(), Packet> {
    datagram.take(packet, budget)
}

/// The payload of a datagram of UDP; it ends where UDP says.
pub(super) fn payload_of(packet: &Packet) -> Vec<u8> {
    let len = packet.udp().map_or(0, |udp| usize::from(udp.len.get()).saturating_sub(crate::wire::UdpHeader::LEN));
    let mut bytes = alloc::vec![0; packet.payload_len().min(len)];
    let copied = packet.copy_payload(0, &mut bytes);
    bytes.truncate(copied);
    bytes
}

impl Sockets {
    fn fit(&self, index: u32, ends: &Ends) -> u8 {
        self.entry(index).datagram().map_or(0, |datagram| datagram.fits(ends.local, ends.remote))
    }

    /// The socket that fits best; among several of the same port that the ends' hash chooses (`SO_REUSEPORT`).
    pub(super) fn that_fits_best(&self, (protocol, port): (Protocol, u16), ends: &Ends) -> Option<u32> {
        let there = self.bound_to(protocol, port);
        let best = there.iter().map(|index| self.fit(*index, ends)).max().filter(|best| *best > 0)?;
        let fitting = || there.iter().copied().filter(|index| self.fit(*index, ends) == best);
        let count = fitting().count() as u64;
        let chosen = (u64::from(self.secrets.choice(ends)) * count) >> 32;
        fitting().nth(chosen as usize)
    }

    /// All that fit what is for more than one.
    pub(super) fn all_that_fit(&self, (protocol, port): (Protocol, u16), ends: &Ends) -> Vec<u32> {
        let there = self.bound_to(protocol, port).iter().copied();
        there.filter(|index| self.fit(*index, ends) > 0).collect()
    }

    /// Which socket of UDP a packet with these ends is for.
    pub(in crate::socket) fn datagram_taken(&self, ends: &Ends) -> Option<Taken> {
        let best = self.that_fits_best((Protocol::UDP, ends.local.port()), ends)?;
        let datagram = self.entry(best).datagram()?;
        let is_wildcard = datagram.source.is_none() && datagram.local?.ip().is_unspecified();
        Some(Taken { is_wildcard, mark: Some(datagram.options.mark) })
    }
}
