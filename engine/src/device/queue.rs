//! Frames that wait for the host, with bounds for each port, so that one port's frames never take the room of another's.

use alloc::{collections::VecDeque, vec::Vec};

use crate::{
    frame::{DeviceId, Transmit},
    limits::{TRANSMIT_QUEUE_BYTES_MAX, TRANSMIT_QUEUE_MAX},
    packet::Packet,
};

/// Frames that wait for [`crate::Engine::poll_transmit`], the first one first, of all ports.
#[derive(Debug, Default)]
pub(crate) struct TransmitQueue {
    frames: VecDeque<Transmit>,
    /// What waits for each port, by its number.
    waiting: Vec<Waiting>,
}

/// What waits for a port.
#[derive(Clone, Copy, Debug, Default)]
struct Waiting {
    frames: usize,
    bytes: usize,
}

impl TransmitQueue {
    /// Puts a frame behind the others.
    ///
    /// # Errors
    /// Gives it back when [`TRANSMIT_QUEUE_MAX`] frames wait for its port, or more bytes would than
    /// [`TRANSMIT_QUEUE_BYTES_MAX`].
    #[inline]
    pub(crate) fn push(&mut self, port: DeviceId, packet: Packet) -> Result<(), Packet> {
        let index = usize::from(port.0);
        if index >= self.waiting.len() {
            self.waiting.resize(index + 1, Waiting::default());
        }
        let waiting = &mut self.waiting[index];
        let bytes = waiting.bytes + packet.len();
        if waiting.frames >= TRANSMIT_QUEUE_MAX || bytes > TRANSMIT_QUEUE_BYTES_MAX {
            return Err(packet);
        }
        waiting.frames += 1;
        waiting.bytes = bytes;
        self.frames.push_back(Transmit { device: port, packet });
        Ok(())
    }

    /// Takes the first frame, and its length in bytes.
    pub(crate) fn pop(&mut self) -> Option<(Transmit, usize)> {
        let transmit = self.frames.pop_front()?;
        let bytes = transmit.len();
        if let Some(waiting) = self.waiting.get_mut(usize::from(transmit.device.0)) {
            waiting.frames -= 1;
            waiting.bytes -= bytes;
        }
        Some((transmit, bytes))
    }

    /// How many wait.
    pub(crate) fn len(&self) -> usize {
        self.frames.len()
    }

    /// Bytes that wait.
    pub(crate) fn bytes(&self) -> usize {
        self.waiting.iter().map(|waiting| waiting.bytes).sum()
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;
    use crate::packet::Pool;

    fn packet(pool: &mut Pool, len: usize) -> Packet {
        let mut bytes = vec![0x45, 0, 0, 0, 0, 0, 0, 0, 64, 99, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
        bytes.resize(len, 0);
        bytes[2..4].copy_from_slice(&(len as u16).to_be_bytes());
        let checksum = !crate::wire::checksum::sum(&bytes[..20]);
        bytes[10..12].copy_from_slice(&checksum.to_be_bytes());
        Packet::from_network_bytes(pool, &bytes).expect("a right header")
    }

    #[test]
    fn a_port_whose_frames_wait_takes_no_room_from_another() {
        let (mut pool, mut queue) = (Pool::new(), TransmitQueue::default());
        for _ in 0..TRANSMIT_QUEUE_MAX {
            queue.push(DeviceId(0), packet(&mut pool, 20)).expect("there is room");
        }
        assert!(queue.push(DeviceId(0), packet(&mut pool, 20)).is_err(), "too many frames");
        let long = 60_000;
        for _ in 0..TRANSMIT_QUEUE_BYTES_MAX / long {
            queue.push(DeviceId(3), packet(&mut pool, long)).expect("there is room");
        }
        assert!(queue.push(DeviceId(3), packet(&mut pool, long)).is_err(), "too many bytes");
        queue.push(DeviceId(1), packet(&mut pool, long)).expect("another port has its own room");
        while let Some((transmit, bytes)) = queue.pop() {
            assert_eq!(transmit.len(), bytes);
        }
        assert_eq!((queue.len(), queue.bytes()), (0, 0));
        queue.push(DeviceId(0), packet(&mut pool, 20)).expect("there is room again");
    }
}
