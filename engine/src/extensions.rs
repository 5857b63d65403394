//! Extension headers of IPv6 on the path: hop-by-hop options before everything else, the other headers where a packet is for this
//! host.

use crate::{
    ending::Dropped,
    engine::Engine,
    ip::extensions::{self, Objection},
    packet::Packet,
    trace::Step,
    wire::Protocol,
};

impl Engine {
    /// Reads the hop-by-hop options of a packet that has arrived, before any rule or tracker sees it; of a fragment, its own.
    ///
    /// Linux v6.18: `net/ipv6/ip6_input.c`, `ip6_rcv_core()`.
    #[inline(always)]
    pub(crate) fn heed_hop_by_hop(&mut self, packet: Packet) -> Result<Packet, Dropped> {
        match packet.ipv6() {
            Some(ip) if ip.next_header() == Protocol::HOP_BY_HOP => self.read_hop_by_hop(packet),
            Some(_) | None => Ok(packet),
        }
    }

    #[cold]
    fn read_hop_by_hop(&mut self, packet: Packet) -> Result<Packet, Dropped> {
        match extensions::of_hop_by_hop(&packet, &self.around.sysctls) {
            Some(objection) => Err(self.object(packet, objection)),
            None => Ok(packet),
        }
    }

    /// Reads the extension headers of a packet that is for this host.
    ///
    /// Linux v6.18: `net/ipv6/ip6_input.c`, `ip6_protocol_deliver_rcu()`.
    pub(crate) fn heed_extensions(&mut self, packet: Packet) -> Result<Packet, Dropped> {
        match extensions::of_host(&packet, &self.around.sysctls) {
            Some(objection) => Err(self.object(packet, objection)),
            None => Ok(packet),
        }
    }

    fn object(&mut self, packet: Packet, objection: Objection) -> Dropped {
        self.noted.told = objection.pointer(&packet);
        if let Objection::Option(header, fault) = objection {
            self.around.trace.push(|| Step::Options(header, fault));
        }
        packet.drop_for(objection.reason())
    }
}
