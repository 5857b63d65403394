//! What is counted, by Linux's names where it has them.

use core::{
    ops::{AddAssign, SubAssign},
    time::Duration,
};

use super::Squeeze;

/// Sizes of polls that are counted apart: the least of each, by powers of two.
pub const POLL_SIZES: [usize; 8] = [0, 1, 2, 4, 8, 16, 32, 64];

/// How many polls have found how many packets, in the order of [`POLL_SIZES`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollSizes(pub [u64; POLL_SIZES.len()]);

impl AddAssign for PollSizes {
    fn add_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own += other);
    }
}

impl SubAssign for PollSizes {
    fn sub_assign(&mut self, other: Self) {
        self.0.iter_mut().zip(other.0).for_each(|(own, other)| *own -= other);
    }
}

impl PollSizes {
    /// How many there were.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.0.iter().sum()
    }

    /// A poll has found so many.
    pub fn add(&mut self, packets: usize) {
        let place = POLL_SIZES.iter().rposition(|least| packets >= *least).unwrap_or_default();
        self.0[place] += 1;
    }
}

/// What a poll loop has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PollCounters {
    /// Interrupts: for a poll loop over files, times one of them has woken it.
    pub interrupts: u64,
    /// Polls that found frames.
    pub polls: u64,
    /// Frames found by them.
    pub frames: u64,
    /// Rounds that ended because the budget was spent (Linux: in `time_squeeze` of `/proc/net/softnet_stat`).
    pub budget_spent: u64,
    /// Rounds that ended because the time was spent (Linux: in the same).
    pub time_spent: u64,
    /// How many frames polls have found.
    pub sizes: PollSizes,
}

impl PollCounters {
    /// A poll has found so many frames.
    pub fn note_poll(&mut self, frames: usize) {
        self.sizes.add(frames);
        if frames > 0 {
            self.polls += 1;
            self.frames += frames as u64;
        }
    }

    /// A round has run out of something.
    pub const fn note_squeeze(&mut self, squeeze: Squeeze) {
        match squeeze {
            Squeeze::Frames => self.budget_spent += 1,
            Squeeze::Time => self.time_spent += 1,
        }
    }
}

/// What a queue has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueCounters {
    /// Frames that have come to its ring (`rx_packets`).
    pub rx_packets: u64,
    /// Their bytes.
    pub rx_bytes: u64,
    /// Frames that have found it full (`rx_missed_errors`).
    pub rx_missed_errors: u64,
    /// Frames that its NIC was done with (`tx_packets`): sent, or thrown away when the link went down.
    pub tx_packets: u64,
    /// Their bytes.
    pub tx_bytes: u64,
    /// Times when a frame took the last place of its transmit ring, which stopped the queue.
    pub tx_stopped: u64,
    /// Times when a frame went beyond the limit to the bytes of its transmit ring, which stopped the queue.
    pub tx_limited: u64,
    /// The most that limit has been, in bytes; 0: there is none.
    pub tx_limit_max: u64,
    /// Times when it was woken again (igb: `tx_queue_N_restart`).
    pub tx_restart: u64,
    /// Frames that were to be put on a full transmit ring (Linux: `NETDEV_TX_BUSY`; ixgbe: `tx_busy`).
    pub tx_busy: u64,
    /// Interrupts that its CPU has handled.
    pub interrupts: u64,
    /// Times when it was polled without an interrupt, because `gro_flush_timeout` was over.
    pub deferred: u64,
    /// Polls by softirqs.
    pub polls: u64,
    /// How many packets they have found.
    pub sizes: PollSizes,
    /// Polls by a process that found packets.
    pub busy_polls: u64,
    /// Packets found by them (`BusyPollRxPackets` of `/proc/net/netstat`).
    pub busy_packets: u64,
    /// How many packets they have found.
    pub busy_sizes: PollSizes,
    /// Frames that have gone on to the engine, and how long they took from the wire, all together and at most.
    pub delivered: u64,
    /// See `delivered`.
    pub latency_sum: Duration,
    /// See `delivered`.
    pub latency_max: Duration,
    /// At most since [`Hardware::forget_peaks`](super::Hardware::forget_peaks).
    pub latency_peak: Duration,
}

/// What a CPU does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Activity {
    /// Nothing of ours: it idles, or processes have it.
    #[default]
    Process,
    /// It handles an interrupt.
    Interrupt,
    /// It runs softirqs behind an interrupt.
    Softirq,
    /// It runs them in ksoftirqd.
    Ksoftirqd,
    /// A process polls.
    BusyPoll,
}

impl Activity {
    /// All, in the order of [`CpuCounters::times`].
    pub const ALL: [Self; 5] = [Self::Process, Self::Interrupt, Self::Softirq, Self::Ksoftirqd, Self::BusyPoll];

    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Interrupt => "interrupt",
            Self::Softirq => "softirq",
            Self::Ksoftirqd => "ksoftirqd",
            Self::BusyPoll => "busy poll",
        }
    }
}

/// What a CPU has counted (Linux: `/proc/net/softnet_stat`, `/proc/stat`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuCounters {
    /// Packets that have been received there (`processed`).
    pub processed: u64,
    /// Packets that found the backlog full (`dropped`).
    pub dropped: u64,
    /// Timers that polled a queue because `gro_flush_timeout` was over.
    pub timers: u64,
    /// Interrupts of other CPUs that told of packets (`received_rps`).
    pub received_rps: u64,
    /// Interrupts of devices, and rounds and polls of softirqs, those of the backlog too.
    pub rounds: PollCounters,
    /// Times when softirqs were left to ksoftirqd.
    pub ksoftirqd_woken: u64,
    /// How long it has done what, in the order of [`Activity::ALL`].
    pub times: [Duration; Activity::ALL.len()],
}

impl CpuCounters {
    /// How long it has done that.
    #[must_use]
    pub const fn time(&self, what: Activity) -> Duration {
        self.times[what as usize]
    }

    /// How long it was not free for processes.
    #[must_use]
    pub fn busy(&self) -> Duration {
        Activity::ALL.into_iter().filter(|what| *what != Activity::Process).map(|what| self.time(what)).sum()
    }
}

/// Sums and differences of counters, field by field.
macro_rules! counted {
    ($type:ty: $($field:ident)*) => {
        impl $type {
            /// Both together.
            #[must_use]
            pub fn and(mut self, other: &Self) -> Self {
                $(self.$field += other.$field;)*
                self.join(other);
                self
            }

            /// What has been counted since an earlier look.
            #[must_use]
            pub fn since(mut self, earlier: &Self) -> Self {
                $(self.$field -= earlier.$field;)*
                self.part(earlier);
                self
            }
        }
    };
}

counted!(PollCounters: interrupts polls frames budget_spent time_spent sizes);
counted!(QueueCounters: rx_packets rx_bytes rx_missed_errors tx_packets tx_bytes tx_stopped tx_limited tx_restart tx_busy interrupts deferred polls sizes busy_polls busy_packets busy_sizes delivered latency_sum);
counted!(CpuCounters: processed dropped timers received_rps ksoftirqd_woken);

impl PollCounters {
    const fn join(&self, _other: &Self) {}

    const fn part(&self, _earlier: &Self) {}
}

impl QueueCounters {
    fn join(&mut self, other: &Self) {
        self.latency_max = self.latency_max.max(other.latency_max);
        self.latency_peak = self.latency_peak.max(other.latency_peak);
        self.tx_limit_max = self.tx_limit_max.max(other.tx_limit_max);
    }

    /// A greatest one has no difference.
    const fn part(&self, _earlier: &Self) {}
}

impl CpuCounters {
    fn join(&mut self, other: &Self) {
        self.rounds = self.rounds.and(&other.rounds);
        self.times.iter_mut().zip(other.times).for_each(|(own, other)| *own += other);
    }

    fn part(&mut self, earlier: &Self) {
        self.rounds = self.rounds.since(&earlier.rounds);
        self.times.iter_mut().zip(earlier.times).for_each(|(own, earlier)| *own -= earlier);
    }
}
