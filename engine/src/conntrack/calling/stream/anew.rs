//! A connection that begins on the ports of one that is still remembered: a SYN that tracking has ignored was right after all.
//!
//! What was read, remembered and written is the earlier connection's. Nothing of it holds any more, but by how much numbers move, which
//! Linux keeps as well (v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `nf_conntrack_tcp_packet()`).

use crate::{
    conntrack::{ConnId, calling::Desk},
    packet::{Packet, Standing},
};

/// Takes note of a segment with which a connection begins anew: nothing is expected, remembered or written that the earlier one has said. Its
/// streams tracking has begun anew already ([`Streams::begin_anew`](super::Streams::begin_anew)), whatever becomes of the segment on its way.
pub(in crate::conntrack::calling) fn begin_anew(desk: &mut Desk<'_>, id: ConnId, packet: &Packet) {
    if packet.meta().standing == Standing::Anew {
        desk.conntrack.forget_all(id);
        desk.conntrack.expectations_mut().remove_of(desk.now, id, &mut desk.around.events);
    }
}
