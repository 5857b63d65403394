//! Connections and expectations a page at a time, as clients of the control socket are told of them.

use towpath_engine::{
    Command, Engine, Instant,
    conntrack::{Entry, ExpectationEntry, ExpectationId},
};

use crate::{control::Reply, limits::CONTROL_PAGE_PLACES};

/// Tells of the connections in a page of slots from `from` on, and has them count what they carry anew if `forgets_counted`.
/// Gives the page's last slot; `None`: no slot comes behind it.
pub(crate) fn connections(
    engine: &mut Engine,
    now: Instant,
    from: u64,
    forgets_counted: bool,
    tell: &mut dyn FnMut(&Reply),
) -> Option<u64> {
    let conntrack = engine.conntrack();
    let slots = u64::from(conntrack.slots());
    let to = slots.min(from + CONTROL_PAGE_PLACES);
    let mut told = Vec::new();
    for slot in from..to {
        let Some((id, _)) = u32::try_from(slot).ok().and_then(|slot| conntrack.in_slot(slot)) else { continue };
        if let Some(entry) = conntrack.entry(now, id) {
            // Linux lists a mark of 0 too.
            let entry = Entry { mark: Some(entry.mark.unwrap_or(0)), ..entry };
            tell(&Reply::Connection(Box::new(entry)));
            told.push(id);
        }
    }
    if forgets_counted {
        let answer = engine.handle_command(now, Command::ForgetCounted(told));
        debug_assert!(answer.is_ok(), "{answer:?}");
    }
    (to < slots).then(|| to - 1)
}

/// Tells of a page of expectations with numbers from `from` on. Gives the last one's number; `None`: none comes behind it.
pub(crate) fn expectations(engine: &Engine, now: Instant, from: u64, tell: &mut dyn FnMut(&Reply)) -> Option<u64> {
    let mut waiting = engine.conntrack().expectations().from(ExpectationId(from)).peekable();
    let mut last = from;
    for expectation in waiting.by_ref().take(CONTROL_PAGE_PLACES as usize) {
        tell(&Reply::Expectation(Box::new(ExpectationEntry::of(now, expectation))));
        last = expectation.id.0;
    }
    waiting.peek().map(|_| last)
}
