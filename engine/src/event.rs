//! What the host is told.

use alloc::{borrow::ToOwned, boxed::Box, collections::VecDeque, format, string::String, vec::Vec};

use crate::{
    conntrack::{Entry, ExpectationEntry, HelperEvent},
    frame::DeviceId,
    limits::{
        ENTRY_MEMORY_BYTES, EVENT_MEMORY_BYTES, EVENT_QUEUE_BYTES_MAX, EVENT_QUEUE_MAX, EXPECTATION_MEMORY_BYTES,
        LOGGED_MEMORY_BYTES,
    },
    netfilter::Hook,
    rate_limit::RateLimit,
    time::Instant,
    wire::MacAddr,
};

/// Something the host may want to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// A connection came, changed or went (conntrack -E).
    Connection(Change, Box<Entry>),
    /// An expectation came or went (conntrack -E expect).
    Expectation(Change, Box<ExpectationEntry>),
    /// A line of the kernel log, without the time: what a LOG rule says, what becomes of a bond, that there is no room for connections.
    Log {
        /// `--log-level`, 0 (emerg) to 7 (debug).
        level: u8,
        /// The line.
        line: String,
    },
    /// A packet that an NFLOG rule hands to whoever listens to its group.
    Nflog(Box<LoggedPacket>),
    /// An AUDIT rule's record, without its time and number (`type=NETFILTER_PKT`).
    Audit {
        /// The record.
        record: String,
    },
    /// A helper failed, asked for too much or was quarantined.
    Helper(HelperEvent),
}

impl Event {
    /// Memory that it holds, but for the few bytes of names in it.
    #[must_use]
    pub fn memory_bytes(&self) -> usize {
        let held = match self {
            Self::Connection(..) => ENTRY_MEMORY_BYTES,
            Self::Expectation(..) => EXPECTATION_MEMORY_BYTES,
            Self::Log { line, .. } => line.len(),
            Self::Nflog(packet) => LOGGED_MEMORY_BYTES + packet.prefix.len() + packet.bytes.len(),
            Self::Audit { record } => record.len(),
            Self::Helper(_) => 0,
        };
        EVENT_MEMORY_BYTES + held
    }
}

const _: () = assert!(
    size_of::<(Instant, Event)>() <= EVENT_MEMORY_BYTES
        && size_of::<Entry>() <= ENTRY_MEMORY_BYTES
        && size_of::<ExpectationEntry>() <= EXPECTATION_MEMORY_BYTES
        && size_of::<LoggedPacket>() <= LOGGED_MEMORY_BYTES
);

/// A packet as an NFLOG rule hands it out (Linux: `struct nfulnl_msg_packet_hdr` and its attributes).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoggedPacket {
    /// `--nflog-group`.
    pub group: u16,
    /// `--nflog-prefix`, at most 63 bytes.
    pub prefix: String,
    /// Where the packet was.
    pub hook: Hook,
    /// Where it came in.
    pub input: Option<DeviceId>,
    /// Where it goes out.
    pub output: Option<DeviceId>,
    /// Its mark.
    pub mark: u32,
    /// Who sent the frame, of packets that came in one.
    pub source: Option<MacAddr>,
    /// From the network header on, `--nflog-size` bytes at most.
    pub bytes: Vec<u8>,
}

/// What happened to a connection or expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Change {
    /// It is new.
    New,
    /// It changed.
    Update,
    /// It is gone.
    Destroy,
}

/// Which events are wanted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Subscription {
    /// Connections and expectations.
    pub conntrack: bool,
    /// LOG lines, and what NFLOG, AUDIT and TRACE tell.
    pub log: bool,
    /// Helpers.
    pub helper: bool,
    /// How each frame's packet ended ([`crate::Engine::poll_ending`]).
    pub endings: bool,
}

/// Events that wait for [`crate::Engine::poll_event`].
#[derive(Debug, Default)]
pub struct Events {
    subscription: Subscription,
    queue: VecDeque<(Instant, Event)>,
    /// Memory of what waits.
    bytes: usize,
    lost: u64,
    warnings: RateLimit,
}

impl Events {
    /// What is wanted from now on; what waits already stays.
    pub fn subscribe(&mut self, subscription: Subscription) {
        self.subscription = subscription;
    }

    /// Goes on where a snapshot stopped: what was wanted, how many were lost, and of what was warned lately.
    pub(crate) const fn resume(&mut self, subscription: Subscription, lost: u64, warnings: RateLimit) {
        self.subscription = subscription;
        self.lost = lost;
        self.warnings = warnings;
    }

    /// Of what was warned lately.
    pub(crate) const fn warnings(&self) -> RateLimit {
        self.warnings
    }

    /// What is wanted. Whoever makes an event asks first, so that nothing is formatted for nobody.
    #[must_use]
    pub const fn wanted(&self) -> Subscription {
        self.subscription
    }

    /// Puts an event behind the others; when [`EVENT_QUEUE_MAX`] wait, or they would hold more than
    /// [`EVENT_QUEUE_BYTES_MAX`], it is lost and counted.
    pub fn push(&mut self, now: Instant, event: Event) {
        let bytes = self.bytes + event.memory_bytes();
        if self.queue.len() < EVENT_QUEUE_MAX && bytes <= EVENT_QUEUE_BYTES_MAX {
            self.bytes = bytes;
            self.queue.push_back((now, event));
        } else {
            self.lost += 1;
        }
    }

    /// Tells a line of the kernel log that packets can cause as often as they come: not more than ten in five seconds, and how many more
    /// there were (Linux: `net_warn_ratelimited()`).
    #[cold]
    pub(crate) fn warn(&mut self, now: Instant, line: &str) {
        if !self.subscription.log {
            return;
        }
        let Some(held) = self.warnings.take(now) else { return };
        if held > 0 {
            self.push(now, Event::Log { level: WARNING, line: format!("net_ratelimit: {held} callbacks suppressed") });
        }
        self.push(now, Event::Log { level: WARNING, line: line.to_owned() });
    }

    /// The oldest event and when it happened.
    pub fn pop(&mut self) -> Option<(Instant, Event)> {
        let (when, event) = self.queue.pop_front()?;
        self.bytes -= event.memory_bytes();
        Some((when, event))
    }

    /// How many were lost so far.
    #[must_use]
    pub const fn lost(&self) -> u64 {
        self.lost
    }
}

/// `KERN_WARNING`.
const WARNING: u8 = 4;

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn warnings_that_packets_cause_are_told_ten_in_five_seconds_and_how_many_more_there_were() {
        let mut events = Events::default();
        events.warn(Instant::ZERO, "to nobody");
        events.subscribe(Subscription { log: true, ..Subscription::default() });
        (0..1000).for_each(|_| events.warn(Instant::from_secs(1), "full"));
        events.warn(Instant::from_secs(7), "full");
        let line = |event| if let Event::Log { level: 4, line } = event { line } else { panic!("{event:?}") };
        let told: Vec<String> = core::iter::from_fn(|| events.pop()).map(|(_, event)| line(event)).collect();
        assert_eq!(told[..10], ["full"; 10]);
        assert_eq!(told[10..], ["net_ratelimit: 990 callbacks suppressed", "full"]);
    }

    #[test]
    fn events_are_lost_when_those_that_wait_hold_too_much() {
        let mut events = Events::default();
        let packet = || LoggedPacket {
            group: 1,
            prefix: String::new(),
            hook: Hook::Input,
            input: None,
            output: None,
            mark: 0,
            source: None,
            bytes: vec![0; 1 << 20],
        };
        for _ in 0..100 {
            events.push(Instant::ZERO, Event::Nflog(Box::new(packet())));
        }
        assert_eq!(events.lost(), 100 - 63, "63 of a little more than a MB fit 64 MB");
        for _ in 0..63 {
            assert!(events.pop().is_some());
        }
        events.push(Instant::ZERO, Event::Nflog(Box::new(packet())));
        assert_eq!((events.lost(), events.pop().is_some()), (37, true), "there is room again");
        assert_eq!(Event::Nflog(Box::new(packet())).memory_bytes(), 192 + (1 << 20), "wherever this runs");
        for _ in 0..=EVENT_QUEUE_MAX {
            events.push(Instant::ZERO, Event::Audit { record: String::new() });
        }
        assert_eq!(events.lost(), 38);
    }
}
