//! A connection that begins on the ports of one that is still remembered: a SYN that tracking has ignored was right after all.
//!
//! What was read, remembered and written is the earlier connection's. Nothing of it holds any more, but by how much numbers move, which
//! Linux keeps as well (v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `nf_conntrack_tcp_packet()`).

use crate::{
    conntrack::{ConnId, Direction, calling::Desk},
    packet::{Course, Packet},
};

/// Takes note of a segment with which a connection begins anew. Where its opener's stream begins, the SYN has said that it answers.
pub(in crate::conntrack::calling) fn begin_anew(
    desk: &mut Desk<'_>,
    id: ConnId,
    direction: Direction,
    packet: &Packet,
) {
    let (Course::Anew { is_bare }, Some(tcp)) = (packet.meta().course, packet.tcp()) else { return };
    let Some(connection) = desk.conntrack.connection_mut(id) else { return };
    let streams = &mut connection.extension_mut().streams;
    streams.of(direction).begin_anew(None);
    streams.of(direction.opposite()).begin_anew(is_bare.then(|| tcp.ack()));
    desk.conntrack.forget_all(id);
    desk.conntrack.expectations_mut().remove_of(desk.now, id, &mut desk.around.events);
}
