//! A connection that begins on the ports of one that is still remembered: a SYN that tracking has ignored was right after all.
//!
//! What was read, remembered and written is the earlier connection's. Nothing of it holds any more, but by how much numbers move, which
//! Linux keeps as well (v6.18: `net/netfilter/nf_conntrack_proto_tcp.c`, `nf_conntrack_tcp_packet()`).

use crate::{
    conntrack::{ConnId, Conntrack, Direction},
    event::Events,
    time::Instant,
    wire::SeqNum,
};

impl Conntrack {
    /// Takes note of a segment in `direction` with which a connection begins anew, the other side's stream at `start`: nothing is expected,
    /// remembered or written that the earlier one has said. So it is from here on, whatever becomes of the segment on its way. In the mode
    /// `kernel` no stream is read, and all stays as in Linux.
    #[cold]
    pub(in crate::conntrack) fn begin_anew(
        &mut self,
        now: Instant,
        (id, direction): (ConnId, Direction),
        start: Option<SeqNum>,
        events: &mut Events,
    ) {
        let Some(connection) = self.connection_mut(id) else { return };
        let Some(extension) = &mut connection.extension else { return };
        if extension.streams.begin_anew(direction, start) {
            self.forget_all(id);
            self.expectations_mut().remove_of(now, id, events);
        }
    }
}
