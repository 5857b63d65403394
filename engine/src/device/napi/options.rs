//! The knobs, under the names that Linux has for them.

use alloc::vec::Vec;
use core::{fmt, time::Duration};

use super::{Budget, ByteLimitOptions, Coalescing, FRAME_DESCRIPTORS_MAX, Steering};
use crate::limits::{
    BACKLOG_MAX, BATCH_FRAMES_MAX, CPUS_MAX, NICS_MAX, RECEIVE_QUEUES_MAX, RECEIVE_RING_MAX, TRANSMIT_RING_MAX,
};

/// Who takes frames off a ring.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Mode {
    /// Each interrupt takes so many frames, and the interrupt stays on (before NAPI).
    Interrupt {
        /// Frames that one interrupt takes, at least 1.
        frames: u16,
    },
    /// A softirq, while the interrupt is masked.
    #[default]
    Napi,
    /// A softirq, and the process that waits for them beside it (`SO_BUSY_POLL`, `net.core.busy_read`): the interrupt is armed each time
    /// that one stops.
    BusyPoll,
    /// The same process, which would rather poll by itself (`SO_PREFER_BUSY_POLL`): where both [`NicOptions::napi_defer_hard_irqs`] and
    /// [`NicOptions::gro_flush_timeout`] are set, the interrupt stays masked while it comes back in time.
    PreferBusyPoll,
}

/// What a CPU is busy for, each at least 1 ns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Costs {
    /// Going into an interrupt's handler and out of it.
    pub interrupt: Duration,
    /// A poll, without what it finds.
    pub poll: Duration,
    /// A packet's way through the stack.
    pub packet: Duration,
    /// Putting a packet on a backlog.
    pub enqueue: Duration,
    /// Taking back a frame that was sent.
    pub complete: Duration,
}

/// Round numbers in the range of machines of this decade; measure your own.
impl Default for Costs {
    fn default() -> Self {
        let [interrupt, poll, packet, enqueue, complete] = [1000, 200, 400, 100, 50].map(Duration::from_nanos);
        Self { interrupt, poll, packet, enqueue, complete }
    }
}

/// A NIC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NicOptions {
    /// Who takes frames off its rings.
    pub mode: Mode,
    /// Queues that receive and send (`ethtool -l`: combined), 1 to [`RECEIVE_QUEUES_MAX`]. The interrupts of queue N go to CPU N,
    /// and around.
    pub queues: u16,
    /// Frames of one queue's ring (`ethtool -g`: RX), 1 to [`RECEIVE_RING_MAX`].
    pub rx_ring: u16,
    /// Descriptors of one queue's transmit ring (`ethtool -g`: TX), 1 to [`TRANSMIT_RING_MAX`]; [`FRAME_DESCRIPTORS_MAX`] and more
    /// where it gathers.
    pub tx_ring: u16,
    /// Whether it gathers the fragments of a frame that it sends (`ethtool -k`: scatter-gather); else they are joined before.
    pub gathers: bool,
    /// What bounds its bytes; `None`: nothing, as with drivers that do not tell the kernel what they put there.
    pub byte_limits: Option<ByteLimitOptions>,
    /// When an interrupt tells of frames (`ethtool -c`).
    pub coalescing: Coalescing,
    /// Which queue and CPU flows go to (`ethtool -x`, `rps_cpus`).
    pub steering: Steering,
    /// How often empty polls put off the interrupt (`/sys/class/net/DEVICE/napi_defer_hard_irqs`).
    pub napi_defer_hard_irqs: u32,
    /// By how much each time (`/sys/class/net/DEVICE/gro_flush_timeout`); 0: they do not.
    pub gro_flush_timeout: Duration,
    /// How long a process that waits polls (`net.core.busy_read`), in the modes in which one does.
    pub busy_read: Duration,
}

/// As `ethtool` shows a NIC of one queue whose driver leaves all to its user. `busy_read` is what Linux's documentation recommends;
/// there it is 0 until somebody sets it, and no process polls.
impl Default for NicOptions {
    fn default() -> Self {
        Self {
            mode: Mode::Napi,
            queues: 1,
            rx_ring: 512,
            tx_ring: 512,
            gathers: false,
            byte_limits: Some(ByteLimitOptions::default()),
            coalescing: Coalescing::default(),
            steering: Steering::even(1),
            napi_defer_hard_irqs: 0,
            gro_flush_timeout: Duration::ZERO,
            busy_read: Duration::from_micros(50),
        }
    }
}

/// What softirqs are held to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftirqOptions {
    /// `net.core.netdev_budget` and `netdev_budget_usecs`, and the weight of a queue's poll.
    pub budget: Budget,
    /// Packets of one poll of the backlog (`net.core.dev_weight`), at least 1; those of queues have a weight of their own.
    pub dev_weight: usize,
    /// Packets of a CPU's backlog (`net.core.netdev_max_backlog`), at most [`BACKLOG_MAX`].
    pub max_backlog: usize,
    /// A clock tick (Linux: 1/HZ), at least 1 ns: what bounds softirqs is counted in ticks.
    pub tick: Duration,
    /// How long a process keeps its CPU before ksoftirqd has its turn there; 0: no process wants it.
    pub process_slice: Duration,
}

/// As Linux has them, with HZ = 1000 and nobody who wants the CPU.
impl Default for SoftirqOptions {
    fn default() -> Self {
        Self {
            budget: Budget::default(),
            dev_weight: 64,
            max_backlog: 1000,
            tick: Duration::from_millis(1),
            process_slice: Duration::ZERO,
        }
    }
}

/// A host's NICs and CPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// CPUs, 1 to [`CPUS_MAX`].
    pub cpus: u16,
    /// What each of them is busy for.
    pub costs: Costs,
    /// What softirqs are held to.
    pub softirq: SoftirqOptions,
    /// The NICs, at most [`NICS_MAX`].
    pub nics: Vec<NicOptions>,
}

/// One CPU, and one NIC with one queue.
impl Default for Options {
    fn default() -> Self {
        Self {
            cpus: 1,
            costs: Costs::default(),
            softirq: SoftirqOptions::default(),
            nics: Vec::from([NicOptions::default()]),
        }
    }
}

/// Why options cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionsError {
    /// A number is outside of its range.
    Range {
        /// Its name.
        name: &'static str,
        /// The least it may be.
        min: u64,
        /// The most.
        max: u64,
    },
    /// `rx-usecs` is not given, and `rx-frames` neither or beyond the ring: no interrupt would ever come.
    NoInterrupt,
    /// `tx-usecs` is not given, and `tx-frames` neither or beyond the frames that a full ring may consist of: it would stay so. That a
    /// queue may also be stopped by its byte limits, with fewer frames, is not looked at.
    NoTransmitInterrupt {
        /// The least frames that stop the queue.
        max: u16,
    },
    /// The indirection table names a queue that is not there.
    NoQueue(u16),
    /// `rps_cpus` names a CPU that is not there.
    NoCpu,
}

impl fmt::Display for OptionsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Range { name, min, max } => write!(f, "{name} must be {min} to {max}"),
            Self::NoInterrupt => f.write_str(
                "without rx-usecs, rx-frames must be 1 to the size of the ring: no interrupt would ever come",
            ),
            Self::NoTransmitInterrupt { max } => write!(
                f,
                "without tx-usecs, tx-frames must be 1 to {max}, the least frames of a full ring: it would stay so"
            ),
            Self::NoQueue(queue) => write!(f, "the indirection table names queue {queue}, which is not there"),
            Self::NoCpu => f.write_str("rps_cpus names a CPU that is not there"),
        }
    }
}

impl core::error::Error for OptionsError {}

impl Options {
    /// Whether they can be used.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), OptionsError> {
        let day = Duration::from_secs(86_400).as_nanos() as u64;
        let nanos = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        let (costs, softirq) = (&self.costs, &self.softirq);
        #[rustfmt::skip]
        let ranges = [
            ("cpus",                self.cpus.into(),                   1, CPUS_MAX.into()),
            ("NICs",                self.nics.len() as u64,             0, NICS_MAX as u64),
            ("interrupt cost",      nanos(costs.interrupt),             1, day),
            ("poll cost",           nanos(costs.poll),                  1, day),
            ("packet cost",         nanos(costs.packet),                1, day),
            ("enqueue cost",        nanos(costs.enqueue),               1, day),
            ("complete cost",       nanos(costs.complete),              1, day),
            ("weight",              softirq.budget.weight as u64,       1, BATCH_FRAMES_MAX as u64),
            ("dev_weight",          softirq.dev_weight as u64,          1, BACKLOG_MAX as u64),
            ("netdev_budget",       softirq.budget.frames as u64,       1, u64::from(u32::MAX)),
            ("netdev_budget_usecs", nanos(softirq.budget.time),         1, day),
            ("netdev_max_backlog",  softirq.max_backlog as u64,         0, BACKLOG_MAX as u64),
            ("tick",                nanos(softirq.tick),                1, day),
            ("process slice",       nanos(softirq.process_slice),       0, day),
        ];
        check_ranges(&ranges)?;
        self.nics.iter().try_for_each(|nic| nic.check(self.cpus))
    }
}

impl NicOptions {
    pub(super) fn check(&self, cpus: u16) -> Result<(), OptionsError> {
        let day = Duration::from_secs(86_400);
        let limits = self.byte_limits.unwrap_or_default();
        let largest = if self.gathers { FRAME_DESCRIPTORS_MAX } else { 1 };
        let frames = match self.mode {
            Mode::Interrupt { frames } => frames,
            Mode::Napi | Mode::BusyPoll | Mode::PreferBusyPoll => 1,
        };
        #[rustfmt::skip]
        let ranges = [
            ("queues",              self.queues.into(),                                 1, RECEIVE_QUEUES_MAX.into()),
            ("rx ring",             self.rx_ring.into(),                                1, RECEIVE_RING_MAX.into()),
            ("tx ring",             self.tx_ring.into(),                                largest.into(), TRANSMIT_RING_MAX.into()),
            ("limit_max",           limits.max.into(),                                  limits.min.into(), u32::MAX.into()),
            ("hold_time",           limits.hold_time.min(day * 2).as_nanos() as u64,    0, day.as_nanos() as u64),
            ("interrupt frames",    frames.into(),                                      1, RECEIVE_RING_MAX.into()),
            ("gro_flush_timeout",   self.gro_flush_timeout.min(day * 2).as_nanos() as u64, 0, day.as_nanos() as u64),
            ("busy_read",           self.busy_read.min(day * 2).as_nanos() as u64,      0, day.as_nanos() as u64),
        ];
        check_ranges(&ranges)?;
        let Coalescing { rx_usecs, rx_frames, tx_usecs, tx_frames, adaptive_rx, .. } = self.coalescing;
        if rx_usecs == 0 && !adaptive_rx && !(1..=self.rx_ring.into()).contains(&rx_frames) {
            return Err(OptionsError::NoInterrupt);
        }
        // A queue is stopped as soon as the largest frame might find no room: by so many of the largest at the least.
        let max = self.tx_ring / largest;
        if tx_usecs == 0 && !(1..=max.into()).contains(&tx_frames) {
            return Err(OptionsError::NoTransmitInterrupt { max });
        }
        if let Some(queue) = self.steering.indirection.iter().find(|queue| **queue >= self.queues) {
            return Err(OptionsError::NoQueue(*queue));
        }
        if cpus < 64 && self.steering.rps_cpus >> cpus != 0 {
            return Err(OptionsError::NoCpu);
        }
        Ok(())
    }
}

fn check_ranges(ranges: &[(&'static str, u64, u64, u64)]) -> Result<(), OptionsError> {
    match ranges.iter().find(|(_, value, min, max)| !(*min..=*max).contains(value)) {
        Some(&(name, _, min, max)) => Err(OptionsError::Range { name, min, max }),
        None => Ok(()),
    }
}
