//! Fragments on the path: where they are put together, and what is told when the rest never comes.

use alloc::vec::Vec;

use crate::{
    conntrack::{Family, Tracking},
    ending::{DropReason, Dropped, End},
    engine::Engine,
    ip::{
        Fate,
        defrag::{self, GivenUp},
        icmp_error::IcmpError,
    },
    packet::Packet,
    time::Instant,
    wire::{Protocol, TcpHeader, UdpHeader},
};

impl Engine {
    /// Puts fragments together, before any rule or tracker sees them; `None` while others are missing.
    ///
    /// Linux v6.18: `net/ipv4/netfilter/nf_defrag_ipv4.c`, `ipv4_conntrack_defrag()`;
    /// `net/ipv6/netfilter/nf_defrag_ipv6_hooks.c`, `ipv6_defrag()`.
    #[inline(always)]
    pub(crate) fn gather(&mut self, now: Instant, packet: Packet) -> Result<Option<Packet>, Dropped> {
        match defrag::concerns(&packet) {
            true => self.gather_fragment(now, packet),
            false => Ok(Some(packet)),
        }
    }

    fn gather_fragment(&mut self, now: Instant, packet: Packet) -> Result<Option<Packet>, Dropped> {
        let frame = packet.meta().frame;
        let gathered = self.defrag.gather(now, packet, &self.around.sysctls);
        for lost in gathered.lost {
            let Dropped { packet, reason } = lost;
            self.let_go(now, packet, |_, packet| Err(packet.drop_for(reason)));
        }
        let mut result = gathered.result;
        let mut joined: Vec<u64> = gathered.spent.iter().map(|packet| packet.meta().frame).collect();
        if let Ok(Some(datagram)) = &mut result {
            // The datagram lies in the block of its first fragment, but it is this frame that has brought it.
            joined.push(core::mem::replace(&mut datagram.meta_mut().frame, frame));
            datagram.meta_mut().flow = None;
        }
        joined.sort_unstable();
        joined.into_iter().for_each(|frame| self.note_joined(frame));
        gathered.spent.into_iter().for_each(|spent| spent.recycle(&mut self.pool));
        result
    }

    /// Gives up datagrams whose fragments have not all come. The sender of one for this host is told, if its first fragment
    /// is there (RFC 792, "Time exceeded"; RFC 1122, 3.3.2); over IPv6, that of one that passes through as well.
    ///
    /// Linux v6.18: `net/ipv4/ip_fragment.c`, `ip_expire()`; `include/net/ipv6_frag.h`, `ip6frag_expire_frag_queue()`.
    pub(crate) fn handle_fragments_overdue(&mut self, now: Instant) {
        for GivenUp { fragments, has_first } in self.defrag.handle_timeout(now) {
            for (index, packet) in fragments.into_iter().enumerate() {
                let is_first = has_first && index == 0 && packet.meta().device.is_some();
                let is_told = |packet: &Packet| match packet.family() {
                    Some(Family::Ipv6) => true,
                    Some(Family::Ipv4) | None => {
                        self.routes.fate(&self.devices, &self.around.sysctls, packet) == Fate::Local
                    }
                };
                if is_first && is_told(&packet) {
                    let error = IcmpError::fragments_missing(packet.family().unwrap_or_default());
                    self.send_error(now, &packet, error, Tracking::Unseen);
                }
                self.let_go(now, packet, |_, packet| Err(packet.drop_for(DropReason::FragmentTimeout)));
            }
        }
    }

    /// Looks at the transport header of a packet that has arrived, to find a socket early; what a datagram's first piece lacks
    /// of it lies there from now on, which shows when it is cut again.
    ///
    /// Linux v6.18: `net/ipv4/tcp_ipv4.c`, `tcp_v4_early_demux()`; `net/ipv4/udp.c`, `udp_v4_early_demux()`. The first
    /// fragment of IPv6 holds such a header anyway.
    pub(crate) fn look_at_transport(packet: &mut Packet) {
        let len = match packet.protocol() {
            Protocol::TCP if packet.transport_len() >= TcpHeader::LEN => TcpHeader::LEN,
            Protocol::UDP => UdpHeader::LEN,
            _ => return,
        };
        if let Some(pieces) = packet.pieces_mut() {
            pieces.pull(len);
        }
    }

    /// How a fragment ends that waits for others.
    pub(crate) const fn waits_for_fragments() -> Result<End, Dropped> {
        Ok(End::Held(crate::ending::Holder::Defrag))
    }
}
