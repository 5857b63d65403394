//! Frames in the one notation.

use towpath_engine::{DeviceId, Frame, Packet, packet::Pool, packet::Summary};

/// Writes frames in the one notation; keeps the room that takes.
pub(crate) struct Notation {
    pool: Pool,
}

impl Notation {
    pub(crate) fn new() -> Self {
        Self { pool: Pool::new() }
    }

    /// A frame in words, also one that the engine would not take.
    pub(crate) fn of(&mut self, frame: &[u8], wire_len: u32) -> String {
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
