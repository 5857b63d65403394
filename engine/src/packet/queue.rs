//! Packets that wait.

use alloc::collections::VecDeque;

use super::{Packet, charge::Budget};

/// Packets that wait, the first one first, and what they hold. As an iterator it gives them out.
#[derive(Debug, Default)]
pub struct Queue {
    packets: VecDeque<Packet>,
    bytes: usize,
}

impl Queue {
    /// Puts a packet behind the others, and charges it to its owner for as long as it waits.
    pub fn push(&mut self, mut packet: Packet, owner: &Budget) {
        self.bytes += packet.charge_to(owner);
        self.packets.push_back(packet);
    }

    /// The packet that has waited longest; it goes on waiting.
    #[must_use]
    pub fn first(&self) -> Option<&Packet> {
        self.packets.front()
    }

    /// How many wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether none waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    /// Memory that they hold.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Iterator for Queue {
    type Item = Packet;

    fn next(&mut self) -> Option<Packet> {
        let mut packet = self.packets.pop_front()?;
        self.bytes -= packet.discharge();
        Some(packet)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::packet::{Packet, Pool};

    fn packet(pool: &mut Pool) -> Packet {
        let bytes = [0x45, 0, 0, 20, 0, 0, 0, 0, 64, 99, 0x66, 0x85, 10, 0, 0, 1, 10, 0, 0, 2];
        Packet::from_network_bytes(pool, &bytes).expect("a right header")
    }

    #[test]
    fn what_a_packet_holds_is_given_back_wherever_it_ends() {
        let mut pool = Pool::new();
        let one = packet(&mut pool).memory_bytes();
        let owner = Budget::new(6 * one);
        let mut queues = [Queue::default(), Queue::default()];
        for _ in 0..3 {
            queues.iter_mut().for_each(|queue| queue.push(packet(&mut pool), &owner));
        }
        assert_eq!((owner.bytes(), queues[0].bytes()), (6 * one, 3 * one));
        assert!(!owner.has_room(1) && owner.has_room(0));
        let first = queues[0].next().expect("three wait");
        assert_eq!((owner.bytes(), queues[0].bytes()), (5 * one, 2 * one), "it waits no longer");
        assert!(owner.has_room(one) && !owner.has_room(one + 1));
        queues[1].push(first, &owner);
        let mut charged = packet(&mut pool);
        charged.charge_to(&owner);
        let (other, copy) = (Budget::new(0), charged.copy(&mut pool));
        charged.charge_to(&other);
        assert_eq!((owner.bytes(), other.bytes()), (6 * one, one), "one owner at a time");
        drop(copy);
        charged.recycle(&mut pool);
        assert_eq!(other.bytes(), 0, "given back to the pool");
        drop(queues);
        assert_eq!(owner.bytes(), 0, "dropped without a word");
    }

    #[test]
    fn a_queue_holds_what_belongs_to_different_owners() {
        let (mut pool, mut queue) = (Pool::new(), Queue::default());
        let one = packet(&mut pool).memory_bytes();
        let owners = [Budget::new(one), Budget::new(9 * one)];
        owners.iter().for_each(|owner| queue.push(packet(&mut pool), owner));
        assert_eq!(
            owners.each_ref().map(|owner| owner.has_room(1)),
            [false, true],
            "one that is spent takes none of the other's"
        );
        assert_eq!(queue.bytes(), 2 * one);
        queue.next();
        assert_eq!(owners.map(|owner| owner.bytes()), [0, one]);
    }
}
