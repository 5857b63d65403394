//! Frames in the one notation.

use towpath_engine::{DeviceId, Frame, Packet, packet::Pool, packet::Summary};

use crate::{play::Beside, tags};

/// Writes frames in the one notation; keeps the room that takes.
pub(crate) struct Notation {
    pool: Pool,
}

impl Notation {
    pub(crate) fn new() -> Self {
        Self { pool: Pool::new() }
    }

    /// A frame in words, also one that the engine would not take. Its tags are told as plays tell them.
    pub(crate) fn of(&mut self, frame: &[u8], wire_len: u32) -> String {
        let mut untagged = Vec::new();
        let Some(tag_bytes) = tags::strip(frame, &mut untagged) else { return self.of_untagged(frame, wire_len) };
        let text = self.of_untagged(&untagged, wire_len.saturating_sub(tag_bytes));
        format!("{text}{}", Beside::in_bytes(frame))
    }

    fn of_untagged(&mut self, frame: &[u8], wire_len: u32) -> String {
        let frame = Frame { wire_len, ..Frame::new(DeviceId(0), frame) };
        let packet = match Packet::parse(&mut self.pool, &frame) {
            Ok(packet) => packet,
            Err(dropped) => dropped.packet,
        };
        let text = Summary(&packet).to_string();
        packet.recycle(&mut self.pool);
        text
    }
}
