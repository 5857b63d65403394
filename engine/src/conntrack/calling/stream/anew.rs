//! A connection that begins on the ports of one that is still remembered: a SYN that tracking has ignored was right after all.
//!
//! What was read, remembered and written is the earlier connection's. Nothing of it holds any more, but by how much numbers move, which
//! Linux keeps as well (v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `nf_conntrack_tcp_packet()`).

use crate::{
    conntrack::{ConnId, Conntrack, Direction, tcp},
    packet::Packet,
    wire::TcpFlags,
};

/// Takes note of a segment that answers a SYN.
pub(in crate::conntrack::calling) fn begin_anew(
    conntrack: &mut Conntrack,
    id: ConnId,
    direction: Direction,
    packet: &Packet,
) {
    let Some(tcp) = packet.tcp().filter(|tcp| tcp.flags.contains(TcpFlags::SYN.union(TcpFlags::ACK))) else { return };
    let Some(connection) = conntrack.connection_mut(id).filter(|connection| tcp::is_opening(connection)) else {
        return;
    };
    let streams = &mut connection.extension_mut().streams;
    streams.of(direction).begin_anew(tcp.seq() + 1);
    streams.of(direction.opposite()).begin_anew(tcp.ack());
    conntrack.forget_all(id);
}
