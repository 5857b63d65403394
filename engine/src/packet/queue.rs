//! Packets that wait.

use alloc::collections::VecDeque;

use super::{Packet, charge::Account};

/// Packets that wait, the first one first, and what they hold. As an iterator it gives them out.
#[derive(Debug, Default)]
pub struct Queue {
    packets: VecDeque<Packet>,
    bytes: usize,
    account: Account,
}

impl Queue {
    /// A queue whose packets are charged to an account, as those of others may be.
    #[must_use]
    pub fn charging(account: &Account) -> Self {
        Self { account: account.clone(), ..Self::default() }
    }

    /// Puts a packet behind the others.
    pub fn push(&mut self, mut packet: Packet) {
        self.bytes += packet.charge_to(&self.account);
        self.packets.push_back(packet);
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
        let account = Account::default();
        let mut queues = [Queue::charging(&account), Queue::charging(&account)];
        let one = packet(&mut pool).memory_bytes();
        for _ in 0..3 {
            queues.iter_mut().for_each(|queue| queue.push(packet(&mut pool)));
        }
        assert_eq!((account.bytes(), queues[0].bytes()), (6 * one, 3 * one));
        let first = queues[0].next().expect("three wait");
        assert_eq!((account.bytes(), queues[0].bytes()), (5 * one, 2 * one), "it waits no longer");
        queues[1].push(first);
        let mut charged = packet(&mut pool);
        charged.charge_to(&account);
        let (other, copy) = (Account::default(), charged.copy(&mut pool));
        charged.charge_to(&other);
        assert_eq!((account.bytes(), other.bytes()), (6 * one, one), "one account at a time");
        drop(copy);
        charged.recycle(&mut pool);
        assert_eq!(other.bytes(), 0, "given back to the pool");
        drop(queues);
        assert_eq!(account.bytes(), 0, "dropped without a word");
    }
}
