//! One direction of a link: what waits, what is sent, and what becomes of it on the way.
//!
//! ```text
//!  offer ─► room? ─► queue ─► CoDel? ─► (ring) ─► rate ─► loss? ─► repetition ─► delay, jitter, lateness ─► arrives
//! ```
//!
//! A loss is one of the line, behind the queue: a frame that is lost has taken its time to send.

use core::time::Duration;

use towpath_engine::{
    Instant,
    packet::{Checksum, Gso},
    random::Random,
};

use super::{
    feed::{Feed, Next},
    scenario::{Loss, Way},
};

/// Why a frame does not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// The line has lost it.
    Line,
    /// It has found no room in the queue.
    Queue,
    /// It has waited too long (CoDel).
    Codel,
    /// The link was down, or went down while it was on its way; or it was on a transmit ring that was made anew while the link stayed up.
    /// What was on a receive ring then is told to who watches, and not counted here: it had arrived.
    Down,
    /// The link was silent.
    Silent,
    /// It has arrived, and found the ring of the host's NIC full (`rx_missed_errors`).
    Ring,
    /// It has arrived, and found the backlog of a CPU of the host full (`dropped`).
    Backlog,
    /// It has arrived at a port by which the host's bond takes nothing now.
    Inactive,
    /// It has arrived at a port by which the switch takes nothing now: of a group that has not come to terms with the other end.
    Blocked,
    /// It has arrived at a switch, and no link carries by which it would have gone on.
    NoPort,
}

impl Lost {
    /// The reasons of links.
    pub const OF_LINKS: [Self; 5] = [Self::Line, Self::Queue, Self::Codel, Self::Down, Self::Silent];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Line => "line",
            Self::Queue => "queue",
            Self::Codel => "codel",
            Self::Down => "down",
            Self::Ring => "ring",
            Self::Backlog => "backlog",
            Self::Silent => "silent",
            Self::Inactive => "inactive",
            Self::Blocked => "blocked",
            Self::NoPort => "no port",
        }
    }
}

/// What has gone over a lane.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// Frames that were to go over it.
    pub offered: u64,
    /// Frames that have arrived; one that comes twice counts twice.
    pub arrived: u64,
    /// Their bytes.
    pub arrived_bytes: u64,
    /// Frames that have not, by reason, in the order of [`Lost::OF_LINKS`].
    pub lost: [u64; Lost::OF_LINKS.len()],
    /// Frames that came twice.
    pub repeated: u64,
    /// Frames that came late.
    pub late: u64,
    /// The most bytes that have waited at once.
    pub queued_bytes_max: u64,
    /// The longest that a frame has waited.
    pub waited_max: Duration,
}

impl Tally {
    /// Frames that were lost for a reason of links; of a host's reasons a link knows nothing.
    #[must_use]
    pub fn lost_for(&self, why: Lost) -> u64 {
        self.lost.get(why as usize).copied().unwrap_or_default()
    }
}

/// A frame that a lane carries, with what devices tell each other of it beside its bytes, as a pair of virtual ones does.
#[derive(Clone, Debug, Default)]
pub(super) struct Carried {
    pub(super) bytes: Vec<u8>,
    /// Its sum, if that is not to be filled in yet.
    pub(super) checksum: Checksum,
    /// How it is to be cut, if it is.
    pub(super) gso: Option<Gso>,
    /// Descriptors that it takes of a transmit ring beside its first.
    pub(super) more_descriptors: u16,
}

/// What a lane has to be told again, or says of a frame.
#[derive(Debug)]
pub(super) enum Outcome {
    /// The frame that is being sent will have been sent then.
    SentAt(Instant),
    /// A frame arrives then.
    ArrivesAt(Instant, Carried),
    /// So does another one like it.
    RepeatedAt(Instant, Carried),
    /// A frame never does.
    Lost(Lost, Carried),
}

/// One direction of a link.
#[derive(Debug)]
pub(super) struct Lane {
    way: Way,
    mtu_bytes: u64,
    random: Random,
    feed: Feed,
    /// What is being sent, the age in which that began, and the ring that it has come from, if there is one.
    sending: Option<(u32, Carried, Option<usize>)>,
    /// Frames that the line has carried; whether its times are bad ones.
    carried: u64,
    is_bad: bool,
    /// Frames stay in order, but for late ones.
    last_arrival: Instant,
    /// How often it has gone down: what was on its way then does not arrive.
    pub(super) age: u32,
    pub(super) tally: Tally,
}

impl Lane {
    /// One whose sender has so many transmit rings, none without hardware.
    pub(super) fn new(way: Way, mtu_bytes: u32, rings: usize, seed: u64) -> Self {
        Self {
            way,
            mtu_bytes: u64::from(mtu_bytes) + ETHERNET_BYTES,
            random: Random::new(seed),
            feed: Feed::new(rings),
            sending: None,
            carried: 0,
            is_bad: false,
            last_arrival: Instant::ZERO,
            age: 0,
            tally: Tally::default(),
        }
    }

    /// What it does.
    pub(super) const fn way(&self) -> &Way {
        &self.way
    }

    /// Frames and bytes that wait.
    pub(super) fn queued(&self) -> (usize, u64) {
        self.feed.queued()
    }

    /// It is like that from now on. What waits when it goes down is lost; tells which rings that was on.
    pub(super) fn change(&mut self, way: Way, out: &mut Vec<Outcome>) -> Vec<usize> {
        let mut rings = Vec::new();
        if self.way.is_up && !way.is_up {
            self.age += 1;
            let lost: Vec<_> = self.feed.empty().collect();
            for (ring, frame) in lost {
                rings.extend(ring);
                self.lose(Lost::Down, frame, out);
            }
        }
        self.way = way;
        rings
    }

    /// Its sender's rings are made anew: what is on them is lost, but for what the wire has taken already.
    pub(super) fn empty_rings(&mut self, out: &mut Vec<Outcome>) {
        if let Some((_, _, ring)) = &mut self.sending {
            *ring = None;
        }
        let lost: Vec<_> = self.feed.empty_rings().collect();
        lost.into_iter().for_each(|(_, frame)| self.lose(Lost::Down, frame, out));
    }

    /// A frame is to go over it.
    pub(super) fn offer(&mut self, now: Instant, frame: Carried, out: &mut Vec<Outcome>) {
        self.tally.offered += 1;
        if !self.way.is_up {
            return self.lose(Lost::Down, frame, out);
        }
        if self.way.rate_bps.is_none() && self.sending.is_none() {
            return self.carry(now, frame, out);
        }
        if self.sending.is_none() {
            return self.send(now, frame, None, out);
        }
        self.push(now, 0, frame, (false, out));
    }

    /// A frame is to go over it by way of a ring, which has room for it or not.
    pub(super) fn enqueue(
        &mut self,
        now: Instant,
        queue: usize,
        frame: Carried,
        (has_room, out): (bool, &mut Vec<Outcome>),
    ) {
        self.tally.offered += 1;
        if self.way.is_up {
            self.push(now, queue, frame, (has_room, out));
        } else {
            self.lose(Lost::Down, frame, out);
        }
    }

    fn push(&mut self, now: Instant, queue: usize, frame: Carried, (is_next, out): (bool, &mut Vec<Outcome>)) {
        if let Err(frame) = self.feed.push(now, queue, frame, (self.way.queue.bound, is_next)) {
            return self.lose(Lost::Queue, frame, out);
        }
        // What a ring has room for does not wait here.
        if !is_next {
            self.tally.queued_bytes_max = self.tally.queued_bytes_max.max(self.feed.queued().1);
        }
    }

    /// What a queue gives next, for its ring or the wire.
    pub(super) fn dequeue(&mut self, now: Instant, queue: usize, out: &mut Vec<Outcome>) -> Option<Carried> {
        loop {
            match self.feed.pop(now, queue, self.way.queue.codel, self.mtu_bytes)? {
                Next::Goes(frame, waited) => {
                    self.tally.waited_max = self.tally.waited_max.max(waited);
                    return Some(frame);
                }
                Next::Dropped(frame) => self.lose(Lost::Codel, frame, out),
            }
        }
    }

    /// A frame is on a ring.
    pub(super) fn put(&mut self, ring: usize, frame: Carried) {
        self.feed.put(ring, frame);
    }

    /// Begins to send what is on rings, if nothing else is sent.
    pub(super) fn start(&mut self, now: Instant, out: &mut Vec<Outcome>) {
        if self.sending.is_none()
            && let Some((ring, frame)) = self.feed.take()
        {
            self.send(now, frame, Some(ring), out);
        }
    }

    /// A frame was to go over it, and there is no memory for it.
    pub(super) fn refuse(&mut self, frame: Carried, out: &mut Vec<Outcome>) {
        self.tally.offered += 1;
        self.lose(Lost::Queue, frame, out);
    }

    /// The frame that was being sent has been; the next one's turn comes. Tells which ring that was on.
    pub(super) fn handle_sent(&mut self, now: Instant, out: &mut Vec<Outcome>) -> Option<usize> {
        let (age, frame, ring) = self.sending.take()?;
        if age == self.age {
            self.carry(now, frame, out);
        } else {
            self.lose(Lost::Down, frame, out);
        }
        if self.feed.has_rings() {
            self.start(now, out);
        } else if let Some(frame) = self.dequeue(now, 0, out) {
            self.send(now, frame, None, out);
        }
        ring
    }

    /// A frame has arrived, unless the link went down meanwhile.
    pub(super) fn arrive(&mut self, age: u32, bytes: usize) -> bool {
        if age != self.age {
            self.tally.lost[Lost::Down as usize] += 1;
            return false;
        }
        self.tally.arrived += 1;
        self.tally.arrived_bytes += bytes as u64;
        true
    }

    fn send(&mut self, now: Instant, frame: Carried, ring: Option<usize>, out: &mut Vec<Outcome>) {
        // A rate that is gone by now takes no time.
        let nanos = self.way.rate_bps.map_or(0, |rate| frame.bytes.len() as u64 * 8 * 1_000_000_000 / rate);
        self.sending = Some((self.age, frame, ring));
        out.push(Outcome::SentAt(now + Duration::from_nanos(nanos)));
    }

    fn carry(&mut self, now: Instant, frame: Carried, out: &mut Vec<Outcome>) {
        if self.way.is_silent {
            return self.lose(Lost::Silent, frame, out);
        }
        self.carried += 1;
        if self.draws_loss() {
            return self.lose(Lost::Line, frame, out);
        }
        let jitter = self.way.jitter.as_nanos() as u64;
        let late = if jitter == 0 { 0 } else { self.random.next_u64() % (jitter + 1) };
        let mut arrives = (now + self.way.delay + Duration::from_nanos(late)).max(self.last_arrival);
        self.last_arrival = arrives;
        if let Some((chance, by)) = self.way.reorder
            && chance.happens(&mut self.random)
        {
            self.tally.late += 1;
            arrives = arrives + by;
        }
        if self.way.duplicate.happens(&mut self.random) {
            self.tally.repeated += 1;
            out.push(Outcome::RepeatedAt(arrives, frame.clone()));
        }
        out.push(Outcome::ArrivesAt(arrives, frame));
    }

    /// Whether the line loses what it carries now.
    fn draws_loss(&mut self) -> bool {
        match &self.way.loss {
            Loss::None => false,
            Loss::Random(chance) => chance.happens(&mut self.random),
            Loss::Every(number) => self.carried.is_multiple_of(*number),
            Loss::These(numbers) => numbers.contains(&self.carried),
            Loss::Burst { enters, leaves, good, bad } => {
                let turns = if self.is_bad { leaves } else { enters };
                self.is_bad ^= turns.happens(&mut self.random);
                let chance = if self.is_bad { bad } else { good };
                chance.happens(&mut self.random)
            }
        }
    }

    fn lose(&mut self, why: Lost, frame: Carried, out: &mut Vec<Outcome>) {
        self.tally.lost[why as usize] += 1;
        out.push(Outcome::Lost(why, frame));
    }
}

/// A frame's header, beside the packet that the MTU bounds.
const ETHERNET_BYTES: u64 = 14;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lab::{
        scenario::{Bound, Queue},
        words::Chance,
    };

    fn thousand() -> Carried {
        Carried { bytes: vec![0; 1000], ..Carried::default() }
    }

    /// Offers so many frames of 1000 bytes, one each `every`; tells when they arrive, in microseconds, and the lane afterwards.
    fn played(way: Way, frames: u64, every: Duration) -> (Vec<u64>, Lane) {
        let mut lane = Lane::new(way, 1500, 0, 7);
        let (mut arrivals, mut sent_at, mut offered) = (Vec::new(), None, 0);
        while offered < frames || sent_at.is_some() {
            let next = Instant::ZERO + every * offered as u32;
            let mut out = Vec::new();
            match sent_at.filter(|when| offered == frames || *when <= next) {
                Some(when) => {
                    sent_at = None;
                    _ = lane.handle_sent(when, &mut out);
                }
                None => {
                    lane.offer(next, thousand(), &mut out);
                    offered += 1;
                }
            }
            for outcome in out {
                match outcome {
                    Outcome::SentAt(when) => sent_at = Some(when),
                    Outcome::ArrivesAt(when, _) | Outcome::RepeatedAt(when, _) => arrivals.push(when.as_nanos() / 1000),
                    Outcome::Lost(..) => {}
                }
            }
        }
        (arrivals, lane)
    }

    #[test]
    fn a_rate_spaces_frames_and_the_delay_comes_on_top() {
        let way = Way { rate_bps: Some(8_000_000), delay: Duration::from_millis(10), ..Way::default() };
        let (arrivals, _) = played(way, 3, Duration::ZERO);
        assert_eq!(arrivals, [11_000, 12_000, 13_000]);
    }

    #[test]
    fn a_full_queue_takes_no_more_by_packets_or_by_bytes() {
        for (bound, waiting) in [(Bound::Packets(4), 4), (Bound::Bytes(4999), 4)] {
            let way = Way { rate_bps: Some(8_000_000), queue: Queue { bound, ..Queue::default() }, ..Way::default() };
            let (arrivals, lane) = played(way, 10, Duration::ZERO);
            assert_eq!(arrivals.len(), waiting + 1, "those that wait, and the one that is being sent");
            assert_eq!(lane.tally.lost_for(Lost::Queue), 5);
            assert_eq!(lane.tally.queued_bytes_max, 4000);
            assert_eq!(lane.tally.waited_max, Duration::from_millis(4));
        }
    }

    #[test]
    fn bursts_lose_as_many_as_their_two_states_say_and_one_after_the_other() {
        let loss = Loss::Burst {
            enters: Chance::from_billionths(10_000_000),
            leaves: Chance::from_billionths(250_000_000),
            good: Chance::NEVER,
            bad: Chance::ALWAYS,
        };
        let (_, lane) = played(Way { loss, ..Way::default() }, 100_000, Duration::from_millis(1));
        // Bad times are 0.01 / (0.01 + 0.25) of all.
        let lost = lane.tally.lost_for(Lost::Line);
        assert!((3500..4200).contains(&lost), "{lost} of 100000 are lost, not about 3846");
    }

    #[test]
    fn each_nth_frame_or_those_that_are_named_are_lost() {
        let (arrivals, _) = played(Way { loss: Loss::Every(3), ..Way::default() }, 9, Duration::from_micros(1));
        assert_eq!(arrivals, [0, 1, 3, 4, 6, 7]);
        let way = Way { loss: Loss::These(vec![1, 4]), ..Way::default() };
        assert_eq!(played(way, 5, Duration::from_micros(1)).0, [1, 2, 4]);
    }

    #[test]
    fn jitter_keeps_the_order_and_lateness_does_not() {
        let steady = Way { jitter: Duration::from_millis(5), ..Way::default() };
        let (arrivals, _) = played(steady.clone(), 500, Duration::from_micros(100));
        assert!(arrivals.is_sorted() && arrivals.last() > Some(&49_900));
        let reorder = Some((Chance::from_billionths(100_000_000), Duration::from_millis(3)));
        let (arrivals, lane) = played(Way { reorder, ..Way::default() }, 500, Duration::from_micros(100));
        assert!(!arrivals.is_sorted() && (25..80).contains(&lane.tally.late), "{} are late", lane.tally.late);
    }

    #[test]
    fn a_repeated_frame_comes_twice() {
        let (arrivals, lane) = played(Way { duplicate: Chance::ALWAYS, ..Way::default() }, 2, Duration::from_micros(9));
        assert_eq!(arrivals, [0, 0, 9, 9]);
        assert_eq!(lane.tally.repeated, 2);
    }

    #[test]
    fn what_waits_or_is_on_its_way_when_a_link_goes_down_is_lost() {
        let way = Way { rate_bps: Some(8_000_000), ..Way::default() };
        let (mut lane, mut out) = (Lane::new(way.clone(), 1500, 0, 1), Vec::new());
        for _ in 0..3 {
            lane.offer(Instant::ZERO, thousand(), &mut out);
        }
        let age = lane.age;
        assert!(lane.change(Way { is_up: false, ..way.clone() }, &mut out).is_empty(), "there are no rings");
        _ = lane.handle_sent(Instant::ZERO + Duration::from_millis(1), &mut out);
        assert_eq!(lane.tally.lost_for(Lost::Down), 3);
        assert!(!lane.arrive(age, 1000) && lane.arrive(lane.age, 1000));
        _ = lane.change(way, &mut out);
        out.clear();
        lane.offer(Instant::from_secs(1), thousand(), &mut out);
        assert!(matches!(out[..], [Outcome::SentAt(_)]));
    }

    #[test]
    fn a_link_that_goes_down_and_up_while_a_frame_is_sent_does_not_carry_it() {
        let way = Way { rate_bps: Some(8_000_000), ..Way::default() };
        let (mut lane, mut out) = (Lane::new(way.clone(), 1500, 0, 1), Vec::new());
        lane.offer(Instant::ZERO, thousand(), &mut out);
        assert!(lane.change(Way { is_up: false, ..way.clone() }, &mut out).is_empty(), "there are no rings");
        _ = lane.change(way, &mut out);
        out.clear();
        _ = lane.handle_sent(Instant::ZERO + Duration::from_millis(1), &mut out);
        assert!(matches!(out[..], [Outcome::Lost(Lost::Down, _)]), "{out:?}");
    }
}
