//! Segments that wait for the rest of a helper's line: where they are kept on the path, and how they go on
//! (`conntrack/calling/stream` says which ones wait, and why).

use alloc::string::ToString;

use crate::{
    conntrack::calling::{
        self, Desk, Outside,
        stream::{self, Passing},
    },
    ending::{Dropped, End, Holder},
    engine::Engine,
    held::{Held, Walked},
    packet::{Packet, Summary},
    path::Way,
    time::Instant,
    trace::Step,
};

impl Engine {
    /// What helpers are called from.
    pub(crate) const fn desk(&mut self, now: Instant) -> Desk<'_> {
        Desk {
            now,
            conntrack: &mut self.conntrack,
            helpers: &mut self.helpers,
            waiting: &mut self.waiting,
            outside: Outside {
                rules: &mut self.rules,
                lists: &mut self.lists,
                devices: &self.devices,
                sockets: &self.sockets,
                way: Way { input: None, hop: None },
            },
            around: &mut self.around,
        }
    }

    /// Takes a segment that may have to wait for the rest of its line. Those that it was waited for go on before it, if they come
    /// before it in their stream; those behind it follow when it has come to its end.
    #[cold]
    pub(crate) fn wait_for_line(&mut self, now: Instant, held: Held) -> Result<Walked, Dropped> {
        let mut passing = stream::wait(&mut self.desk(now), held).into_iter();
        while let Some(passed) = passing.next() {
            if passed.is_own {
                self.following.extend(passing);
                return self.moved(now, passed).map(Walked::On);
            }
            self.let_segment_go(now, passed);
        }
        Ok(Walked::Held(Holder::Helper))
    }

    /// Lets those go on that wait no longer and stand behind a packet that has come to its end.
    #[cold]
    pub(crate) fn let_following_go(&mut self, now: Instant) {
        while let Some(passed) = self.following.pop_front() {
            self.let_segment_go(now, passed);
        }
    }

    /// Lets segments go on that have waited long enough for the rest of their line.
    pub(crate) fn handle_lines_overdue(&mut self, now: Instant) {
        if self.waiting.next_timeout().is_none_or(|when| when > now) {
            return;
        }
        for passed in stream::flush_overdue(&mut self.desk(now)) {
            self.let_segment_go(now, passed);
        }
    }

    /// Lets a segment go on, as its frame's second ending.
    fn let_segment_go(&mut self, now: Instant, passed: Passing) {
        let Held { place, way, .. } = passed.held;
        self.around.trace.push(|| Step::Released(Summary(&passed.held.packet).to_string()));
        let moved = self.moved(now, passed);
        match moved {
            Ok(packet) => self
                .let_go(now, packet, |engine, packet| engine.lead_on(now, Held { packet, place: place.next(), way })),
            Err(Dropped { packet, reason }) => {
                self.let_go(now, packet, |_, packet| Err::<End, _>(packet.drop_for(reason)))
            }
        }
    }

    /// A segment's numbers move when it goes on, and not before: its stream may have grown while it has waited.
    fn moved(&mut self, now: Instant, passed: Passing) -> Result<Packet, Dropped> {
        let Passing { held: Held { mut packet, .. }, dropped, .. } = passed;
        let moved = dropped.map_or_else(|| calling::adjust(&self.desk(now), &mut packet), Err);
        match moved {
            Ok(()) => Ok(packet),
            Err(reason) => Err(packet.drop_for(reason)),
        }
    }
}
