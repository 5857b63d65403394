//! Whose turn it is, and for whom nobody waits any longer.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use towpath_engine::{Instant, socket::SocketId};

/// Those who want a turn, in the order in which they have asked; each of them once, however often he asks.
#[derive(Debug, Default)]
pub(super) struct Turns {
    queue: VecDeque<SocketId>,
    waiting: BTreeSet<SocketId>,
}

impl Turns {
    pub(super) fn ask(&mut self, id: SocketId) {
        if self.waiting.insert(id) {
            self.queue.push_back(id);
        }
    }

    pub(super) fn next(&mut self) -> Option<SocketId> {
        let id = self.queue.pop_front()?;
        self.waiting.remove(&id);
        Some(id)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}

/// How long it is waited for whom.
#[derive(Debug, Default)]
pub(super) struct Patience {
    until: BTreeMap<SocketId, Instant>,
    order: BTreeSet<(Instant, SocketId)>,
}

impl Patience {
    /// Waits for somebody until then, and no longer for what was said before.
    pub(super) fn wait(&mut self, id: SocketId, until: Instant) {
        if let Some(before) = self.until.insert(id, until) {
            self.order.remove(&(before, id));
        }
        self.order.insert((until, id));
    }

    /// Waits for him no more.
    pub(super) fn forget(&mut self, id: SocketId) {
        if let Some(before) = self.until.remove(&id) {
            self.order.remove(&(before, id));
        }
    }

    /// When it is over for the first of them.
    pub(super) fn deadline(&self) -> Option<Instant> {
        self.order.first().map(|(until, _)| *until)
    }

    /// One for whom it is over; he is forgotten.
    pub(super) fn overdue(&mut self, now: Instant) -> Option<SocketId> {
        let (_, id) = *self.order.first().filter(|(until, _)| *until <= now)?;
        self.forget(id);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use towpath_engine::{Engine, socket::Family};

    use super::*;

    fn ids() -> [SocketId; 2] {
        let mut engine = Engine::new(1);
        [(); 2].map(|()| engine.open_stream(Instant::ZERO, Family::Ipv4).unwrap())
    }

    #[test]
    fn who_asks_again_before_his_turn_has_one_turn_all_the_same() {
        let ([one, other], mut turns) = (ids(), Turns::default());
        [one, one, other, one].into_iter().for_each(|id| turns.ask(id));
        assert_eq!([turns.next(), turns.next(), turns.next()], [Some(one), Some(other), None]);
        turns.ask(one);
        assert_eq!(turns.next(), Some(one));
        assert!(turns.is_empty());
    }

    #[test]
    fn patience_ends_when_it_was_said_last() {
        let ([one, other], mut patience) = (ids(), Patience::default());
        let at = |seconds| Instant::ZERO + Duration::from_secs(seconds);
        patience.wait(one, at(1));
        patience.wait(other, at(2));
        patience.wait(one, at(3));
        assert_eq!((patience.deadline(), patience.overdue(at(1))), (Some(at(2)), None));
        assert_eq!([patience.overdue(at(2)), patience.overdue(at(2))], [Some(other), None]);
        patience.forget(one);
        assert_eq!((patience.deadline(), patience.overdue(at(9))), (None, None));
    }
}
