//! What a watcher is told, and how much of it is lost.
//!
//! ```text
//!   what happens ─► queue ─────────────────────────────────► client
//!                    └─ full: lost, counted ─► half of it is free: `Lost`, in the place of what was lost
//! ```
//!
//! Why not when there is room for one event again: who reads too slowly for long would be told of a loss at every other event.
//! Linux lets its queue run empty before it goes on (v6.18: `net/netlink/af_netlink.c`, `netlink_rcv_wake()`).

use super::{
    message::{Reply, Topic},
    outbox::Outbox,
};
use crate::limits::CONTROL_WATCHED_BYTES_MAX;

/// Somebody who watches.
#[derive(Debug)]
pub(super) struct Watch {
    topic: Topic,
    /// What has happened since there was no room; nothing else is put into the queue before it is said.
    lost: u64,
}

impl Watch {
    /// Who watches this.
    pub(super) const fn of(topic: Topic) -> Self {
        Self { topic, lost: 0 }
    }

    /// What is watched.
    pub(super) const fn topic(&self) -> Topic {
        self.topic
    }

    /// Whether nothing that happens now can be told.
    pub(super) const fn is_losing(&self) -> bool {
        self.lost > 0
    }

    /// Puts what happened behind the rest, encoded already. Returns false when it is lost.
    pub(super) fn tell(&mut self, outbox: &mut Outbox, reply: &[u8]) -> bool {
        let has_room = !self.is_losing() && outbox.len() + reply.len() <= CONTROL_WATCHED_BYTES_MAX;
        if has_room {
            outbox.push_bytes(reply);
        } else {
            self.lost += 1;
        }
        has_room
    }

    /// Says how much was lost, once there is room for what comes behind that.
    pub(super) fn go_on(&mut self, outbox: &mut Outbox) {
        if self.is_losing() && outbox.len() <= CONTROL_WATCHED_BYTES_MAX / 2 {
            outbox.push(&Reply::Lost(self.lost));
            self.lost = 0;
        }
    }
}
