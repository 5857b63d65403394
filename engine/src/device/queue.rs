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
#[derive(Clone, Copy, Debug)]
struct Waiting {
    frames: usize,
    bytes: usize,
    /// As many frames may wait.
    frames_max: usize,
}

impl Default for Waiting {
    fn default() -> Self {
        Self { frames: 0, bytes: 0, frames_max: TRANSMIT_QUEUE_MAX }
    }
}

impl TransmitQueue {
    /// Puts a frame behind the others.
    ///
    /// # Errors
    /// Gives it back when as many frames wait for its port as may, or more bytes would than [`TRANSMIT_QUEUE_BYTES_MAX`].
    #[inline]
    pub(crate) fn push(&mut self, port: DeviceId, packet: Packet) -> Result<(), Packet> {
        let waiting = self.of(port);
        let bytes = waiting.bytes + packet.len();
        if waiting.frames >= waiting.frames_max || bytes > TRANSMIT_QUEUE_BYTES_MAX {
            return Err(packet);
        }
        waiting.frames += 1;
        waiting.bytes = bytes;
        self.frames.push_back(Transmit { device: port, packet });
        Ok(())
    }

    #[inline]
    fn of(&mut self, port: DeviceId) -> &mut Waiting {
        let index = usize::from(port.0);
        if index >= self.waiting.len() {
            self.waiting.resize(index + 1, Waiting::default());
        }
        &mut self.waiting[index]
    }

    /// Says how many frames may wait for a port; [`TRANSMIT_QUEUE_MAX`] at most.
    pub(crate) fn limit(&mut self, port: DeviceId, frames_max: usize) {
        self.of(port).frames_max = frames_max.min(TRANSMIT_QUEUE_MAX);
    }

    /// Whether a port takes no frame behind so many others.
    pub(crate) fn is_full(&self, port: DeviceId, others: usize) -> bool {
        let waiting = self.waiting.get(usize::from(port.0));
        waiting.is_some_and(|waiting| waiting.frames + others >= waiting.frames_max)
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
    fn a_port_takes_as_many_frames_as_it_is_told_to_and_others_more() {
        let (mut pool, mut queue) = (Pool::new(), TransmitQueue::default());
        assert!(!queue.is_full(DeviceId(1), TRANSMIT_QUEUE_MAX * 2), "nothing is known of it yet");
        queue.limit(DeviceId(1), 2);
        queue.push(DeviceId(1), packet(&mut pool, 20)).expect("there is room");
        assert!(!queue.is_full(DeviceId(1), 0) && queue.is_full(DeviceId(1), 1));
        queue.push(DeviceId(1), packet(&mut pool, 20)).expect("there is room");
        assert!(queue.push(DeviceId(1), packet(&mut pool, 20)).is_err());
        queue.push(DeviceId(0), packet(&mut pool, 20)).expect("that is another port");
        queue.limit(DeviceId(1), usize::MAX);
        queue.push(DeviceId(1), packet(&mut pool, 20)).expect("there is room again");
        assert!(queue.is_full(DeviceId(1), TRANSMIT_QUEUE_MAX - 3));
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
