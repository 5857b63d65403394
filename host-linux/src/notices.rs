//! Notices on their way to the operator: written by a thread of their own, so that the packet path never waits for whoever reads
//! them, and of one kind only so many at a time.
//!
//! ```text
//!   path ─► of a helper: ten of a kind in five seconds, the others counted ─► queue ─► thread ─► standard error
//!                                                                               └─ full: lost, counted
//! ```

use std::{
    collections::BTreeMap,
    fmt, io,
    io::Write,
    mem,
    sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel},
    thread,
    time::Duration,
};

use towpath_engine::{
    Engine, Instant,
    conntrack::{HelperEvent, HelperId},
};

use crate::{
    limits::{NOTICES_OF_A_KIND_MAX, NOTICES_OF_A_KIND_TIME, NOTICES_QUEUED_MAX},
    notice::Notice,
};

/// Tells notices without waiting.
pub struct Notices {
    queue: SyncSender<Notice>,
    /// Closed when all has been written.
    ended: Receiver<()>,
    recently: BTreeMap<(HelperId, Kind), Recently>,
    lost: u64,
    /// How many of the lost ones nobody has been told of.
    unsaid: u64,
}

/// What happened with a helper, but for the details.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Failed,
    Refused,
    Barred,
    Quarantined,
    Detached,
    GivenUp,
}

/// What has been told of a kind lately.
#[derive(Clone, Copy, Debug)]
struct Recently {
    since: Instant,
    told: u32,
    /// How many more there were.
    more: u64,
}

impl Notices {
    /// Notices that are written to `out`, a line each.
    ///
    /// # Errors
    /// When there can be no further thread.
    pub fn to(out: impl Write + Send + 'static) -> io::Result<Self> {
        let (queue, notices) = sync_channel(NOTICES_QUEUED_MAX);
        let (end, ended) = sync_channel(0);
        thread::Builder::new().name("notices".to_owned()).spawn(move || {
            write_all(out, &notices);
            drop(end);
        })?;
        Ok(Self { queue, ended, recently: BTreeMap::new(), lost: 0, unsaid: 0 })
    }

    /// Tells a notice, if there is room for it.
    pub fn tell(&mut self, notice: Notice) {
        if self.unsaid > 0 {
            let unsaid = mem::take(&mut self.unsaid);
            if self.queue.try_send(Notice::Lost(unsaid)).is_err() {
                self.unsaid = unsaid;
            }
        }
        match self.queue.try_send(notice) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                (self.lost, self.unsaid) = (self.lost + 1, self.unsaid + 1);
            }
        }
    }

    /// Tells what happened with a helper of `engine`, unless as much of that kind has been told lately as may be: a peer can cause
    /// as much of it as it likes. Of the others, the next one that is told says how many they were
    /// (Linux v6.18: `kernel/printk/printk.c`, `printk_ratelimit_state`).
    pub fn tell_of_helper(&mut self, engine: &Engine, when: Instant, event: HelperEvent) {
        let notice = Notice::of_helper(engine, when, event);
        let (helper, kind) = kind_of(&event);
        let new = Recently { since: when, told: 0, more: 0 };
        let recently = self.recently.entry((helper, kind)).or_insert(new);
        let mut more = 0;
        if when.since(recently.since) >= NOTICES_OF_A_KIND_TIME {
            more = mem::replace(recently, new).more;
        }
        if recently.told >= NOTICES_OF_A_KIND_MAX {
            recently.more += 1;
            return;
        }
        recently.told += 1;
        if more > 0 {
            self.tell(Notice::More { when, name: notice.helper_name().to_owned(), more });
        }
        self.tell(notice);
    }

    /// How many were lost, because nobody read those before them.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }

    /// Waits until all has been written, but not for long.
    pub fn finish(mut self, engine: &Engine, now: Instant) {
        for ((helper, _), Recently { more, .. }) in mem::take(&mut self.recently) {
            if more > 0 {
                let name = Notice::of_helper(engine, now, HelperEvent::Quarantined(helper)).helper_name().to_owned();
                self.tell(Notice::More { when: now, name, more });
            }
        }
        let Self { queue, ended, .. } = self;
        drop(queue);
        // Nothing comes: it is closed, or that takes too long.
        let _ = ended.recv_timeout(PATIENCE);
    }
}

impl fmt::Debug for Notices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Notices").field("lost", &self.lost).finish_non_exhaustive()
    }
}

const fn kind_of(event: &HelperEvent) -> (HelperId, Kind) {
    match event {
        HelperEvent::Failed { helper, .. } => (*helper, Kind::Failed),
        HelperEvent::Refused { helper, .. } => (*helper, Kind::Refused),
        HelperEvent::Barred { helper, .. } => (*helper, Kind::Barred),
        HelperEvent::Quarantined(helper) => (*helper, Kind::Quarantined),
        HelperEvent::Detached { helper, .. } => (*helper, Kind::Detached),
        HelperEvent::GivenUp { helper, .. } => (*helper, Kind::GivenUp),
    }
}

fn write_all(mut out: impl Write, notices: &Receiver<Notice>) {
    for notice in notices {
        // In one piece, among whatever else is written there. Nobody to tell when it is gone.
        let _ = out.write_all(format!("towpath: {notice}\n").as_bytes());
    }
}

/// How long a gateway that ends waits for whoever reads its notices.
const PATIENCE: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex, MutexGuard};

    use towpath_engine::conntrack::{Tuple, calling::GivenUp};

    use super::*;

    /// What was written, to whoever may lock it.
    #[derive(Clone, Default)]
    struct Shared(Arc<Mutex<Vec<u8>>>);

    impl Shared {
        fn lock(&self) -> MutexGuard<'_, Vec<u8>> {
            self.0.lock().unwrap()
        }
    }

    impl Write for Shared {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.lock().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line(number: usize) -> Notice {
        Notice::Log { when: Instant::ZERO, level: 4, line: number.to_string() }
    }

    #[test]
    fn nobody_waits_for_who_does_not_read_and_what_is_lost_is_counted_and_said() {
        let written = Shared::default();
        let mut notices = Notices::to(written.clone()).unwrap();
        let reader_sleeps = written.lock();
        let count = 2 * NOTICES_QUEUED_MAX;
        (0..count).for_each(|number| notices.tell(line(number)));
        let lost = notices.lost();
        assert!((count - NOTICES_QUEUED_MAX - 1..=count - NOTICES_QUEUED_MAX).contains(&(lost as usize)), "{lost}");
        drop(reader_sleeps);
        while notices.queue.try_send(line(count)).is_err() {
            thread::yield_now();
        }
        // Room for two.
        thread::sleep(Duration::from_millis(100));
        notices.tell(line(count + 1));
        notices.finish(&Engine::new(0), Instant::ZERO);
        let text = String::from_utf8(written.lock().clone()).unwrap();
        assert!(text.starts_with("towpath: [0.000000] <4>0\n"), "{text}");
        let end = format!(
            "towpath: {lost} notices are lost, because nobody has read them\ntowpath: [0.000000] <4>{}\n",
            count + 1
        );
        assert!(text.ends_with(&end), "{text}");
        assert_eq!(text.lines().count() as u64, count as u64 - lost + 3);
    }

    #[test]
    fn of_what_peers_can_cause_only_so_much_is_told_at_a_time_and_how_much_more_there_was() {
        let written = Shared::default();
        let mut notices = Notices::to(written.clone()).unwrap();
        let engine = Engine::new(0);
        let given_up = HelperEvent::GivenUp { helper: HelperId(3), connection: Tuple::default(), why: GivenUp::Time };
        for number in 0..1000 {
            notices.tell_of_helper(&engine, Instant::from_nanos(number), given_up);
        }
        notices.tell_of_helper(&engine, Instant::from_nanos(1000), HelperEvent::Quarantined(HelperId(3)));
        let later = Instant::ZERO + NOTICES_OF_A_KIND_TIME;
        (0..11).for_each(|_| notices.tell_of_helper(&engine, later, given_up));
        notices.finish(&engine, later);
        let text = String::from_utf8(written.lock().clone()).unwrap();
        let all: Vec<&str> = text.lines().map(|line| line.split_once("helper 3: ").unwrap().1).collect();
        assert_eq!(all.len(), 10 + 1 + 1 + 10 + 1, "{text}");
        assert!(all[10].starts_with("failed for too many"), "another kind: {text}");
        assert_eq!(all[11], "and 990 more of the same kind in the seconds before");
        assert_eq!(all[22], "and 1 more of the same kind in the seconds before");
    }
}
