//! Whose turn it is to have something gathered, for which the packet path stops.

use std::sync::Arc;

/// One thing at a time is gathered and written down, for all clients together, and packets pass between two of them.
#[derive(Debug, Default)]
pub(super) struct Turn {
    /// Shared with whoever has the turn.
    token: Arc<()>,
    /// Whether one was taken since packets have passed.
    is_over: bool,
}

/// The turn; it is the next one's when this is dropped, wherever that is.
#[derive(Debug)]
pub(super) struct Taken {
    _token: Arc<()>,
}

impl Turn {
    /// Packets have passed.
    pub(super) const fn renew(&mut self) {
        self.is_over = false;
    }

    /// Takes it, if nobody has it.
    pub(super) fn take(&mut self) -> Option<Taken> {
        if self.is_over || Arc::strong_count(&self.token) > 1 {
            return None;
        }
        self.is_over = true;
        Some(Taken { _token: Arc::clone(&self.token) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_has_the_turn_and_the_next_one_gets_it_once_packets_have_passed() {
        let mut turn = Turn::default();
        let first = turn.take();
        assert!(first.is_some() && turn.take().is_none());
        turn.renew();
        assert!(turn.take().is_none(), "the first one has it");
        drop(first);
        drop(turn.take().unwrap());
        assert!(turn.take().is_none(), "no packets have passed");
        turn.renew();
        assert!(turn.take().is_some());
    }
}
