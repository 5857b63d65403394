//! A host's NICs and CPUs: frames in, batches out.

use alloc::{collections::VecDeque, vec::Vec};
use core::{ops::Range, time::Duration};

use super::{
    CpuCounters, Dim, Instance, Mode, NicOptions, Options, OptionsError, QueueCounters, Ring, Sample, TransmitRing,
    cpu::{Cpu, Handler, Vector},
    event::Happening,
    moderation::Coalescing,
    options::{Costs, SoftirqOptions},
    send::TAKEN_BACK_MAX,
    spin::Process,
};
use crate::{limits::HARDWARE_OUT_MAX, time::Instant};

/// A frame that has come through.
#[derive(Clone, Debug)]
pub struct Received<T> {
    /// The NIC.
    pub nic: usize,
    /// Its queue.
    pub queue: u16,
    /// The hash of its flow.
    pub hash: u32,
    /// When it came to the ring.
    pub arrived: Instant,
    /// The frame.
    pub frame: T,
}

/// What one poll has taken.
#[derive(Clone, Debug)]
pub struct Batch<T> {
    /// When the poll was over.
    pub at: Instant,
    /// The CPU that has polled.
    pub cpu: usize,
    /// The frames in order, at least one.
    pub frames: Vec<Received<T>>,
}

/// A frame that has found the backlog of a CPU full (`net.core.netdev_max_backlog`).
#[derive(Clone, Debug)]
pub struct Dropped<T> {
    /// When.
    pub at: Instant,
    /// The CPU whose backlog it was.
    pub cpu: usize,
    /// The frame.
    pub received: Received<T>,
}

/// A host's NICs and CPUs, for frames of any kind. See [the module](super).
///
/// The loop: hand it a frame or call [`Self::handle_timeout`], then take all batches and what was dropped, then sleep until
/// [`Self::poll_timeout`] or the next frame. Who comes late changes nothing of what comes: each batch has its own time. Who sends must come
/// in time, or queues are woken late. What is not taken stays, up to
/// [`HARDWARE_OUT_MAX`] batches and frames; then rings take nothing more.
#[derive(Debug)]
pub struct Hardware<T> {
    pub(super) cpus: Vec<Cpu<T>>,
    pub(super) queues: Vec<Queue<T>>,
    pub(super) nics: Vec<Nic>,
    pub(super) costs: Costs,
    pub(super) softirq: SoftirqOptions,
    pub(super) out: VecDeque<Batch<T>>,
    pub(super) lost: VecDeque<Dropped<T>>,
    /// Queues, by their places, that were woken.
    pub(super) woken: VecDeque<usize>,
}

#[derive(Debug)]
pub(super) struct Nic {
    pub(super) queues: Range<usize>,
    pub(super) options: NicOptions,
}

/// A queue.
#[derive(Debug)]
pub(super) struct Queue<T> {
    pub(super) nic: usize,
    pub(super) number: u16,
    /// The CPU that its interrupts go to.
    pub(super) cpu: usize,
    pub(super) mode: Mode,
    /// Frames with the hashes of their flows.
    pub(super) ring: Ring<(u32, T)>,
    /// What it is to send, and has sent.
    pub(super) transmit: TransmitRing,
    pub(super) napi: Instance,
    /// Since when its interrupt may come; none: it is masked.
    pub(super) armed: Option<Instant>,
    coalescing: Coalescing,
    dim: Option<Dim>,
    pub(super) busy_read: Duration,
    pub(super) process: Process,
    pub(super) counters: QueueCounters,
}

impl<T> Hardware<T> {
    /// Hardware of which nothing has happened yet.
    ///
    /// # Errors
    /// Options that cannot be used.
    pub fn new(options: &Options) -> Result<Self, OptionsError> {
        options.check()?;
        let cpus = usize::from(options.cpus);
        let (mut queues, mut nics) = (Vec::new(), Vec::new());
        for (nic, plan) in options.nics.iter().enumerate() {
            let first = queues.len();
            queues.extend((0..plan.queues).map(|number| Queue::new(nic, number, usize::from(number) % cpus, plan)));
            nics.push(Nic { queues: first..queues.len(), options: plan.clone() });
        }
        Ok(Self {
            cpus: (0..cpus).map(|_| Cpu::new(options.softirq.max_backlog)).collect(),
            queues,
            nics,
            costs: options.costs,
            softirq: options.softirq,
            out: VecDeque::new(),
            lost: VecDeque::new(),
            woken: VecDeque::new(),
        })
    }

    /// A frame of so many bytes, whose flow has that hash, has come to a NIC.
    ///
    /// # Errors
    /// Gives it back when there is no such NIC, or its ring is full, which is counted.
    pub fn handle_frame(&mut self, now: Instant, nic: usize, (hash, bytes): (u32, usize), frame: T) -> Result<(), T> {
        self.handle_timeout(now);
        let Some(Nic { queues, options }) = self.nics.get(nic) else { return Err(frame) };
        let place = queues.start + usize::from(options.steering.queue_of(hash));
        let is_stuck = self.out.len() + self.lost.len() >= HARDWARE_OUT_MAX;
        let queue = &mut self.queues[place];
        let taken = if is_stuck { Err((hash, frame)) } else { queue.ring.push(now, (hash, frame)) };
        if let Err((_, frame)) = taken {
            queue.counters.rx_missed_errors += 1;
            return Err(frame);
        }
        queue.counters.rx_packets += 1;
        queue.counters.rx_bytes += bytes as u64;
        // An interrupt that comes at once comes before a process looks.
        self.handle_timeout(now);
        self.look(now, place);
        self.handle_timeout(now);
        Ok(())
    }

    /// Lets happen what does until now. Early or twice: does nothing.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some((at, what)) = self.next().filter(|(at, _)| *at <= now) {
            match what {
                Happening::Done(cpu) => self.done(at, cpu),
                Happening::Interrupt(queue) => self.raise_queue(at, queue, Vector::Receive(queue)),
                Happening::Timer(queue) => self.raise_queue(at, queue, Vector::Timer(queue)),
                Happening::GiveUp(queue) => self.give_up(at, queue),
                Happening::Thread(cpu) => self.run_thread(at, cpu),
            }
        }
    }

    /// The next batch.
    pub fn poll_batch(&mut self) -> Option<Batch<T>> {
        self.out.pop_front()
    }

    /// The next frame that has found a backlog full.
    pub fn poll_dropped(&mut self) -> Option<Dropped<T>> {
        self.lost.pop_front()
    }

    /// Whether there is a batch, something that was dropped or a queue that was woken to be taken.
    #[must_use]
    pub fn has_news(&self) -> bool {
        !(self.out.is_empty() && self.lost.is_empty() && self.woken.is_empty())
    }

    /// When something happens next.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        self.next().map(|(at, _)| at)
    }

    /// What a NIC's queues have counted.
    pub fn queues_of(&self, nic: usize) -> impl Iterator<Item = QueueCounters> {
        let queues = self.nics.get(nic).map_or(0..0, |nic| nic.queues.clone());
        self.queues[queues].iter().map(|queue| queue.counters)
    }

    /// What all queues have counted.
    pub fn queues(&self) -> impl Iterator<Item = QueueCounters> {
        self.queues.iter().map(|queue| queue.counters)
    }

    /// Lets the peaks of latency be those from now on.
    pub fn forget_peaks(&mut self) {
        self.queues.iter_mut().for_each(|queue| queue.counters.latency_peak = Duration::ZERO);
    }

    /// What the CPUs have counted.
    pub fn cpus(&self, now: Instant) -> impl Iterator<Item = CpuCounters> {
        self.cpus.iter().map(move |cpu| cpu.counters_at(now))
    }

    fn raise_queue(&mut self, at: Instant, place: usize, vector: Vector) {
        let queue = &mut self.queues[place];
        match vector {
            Vector::Receive(_) => queue.armed = None,
            Vector::Timer(_) | Vector::Told => queue.napi.timer = None,
        }
        let cpu = queue.cpu;
        self.raise(at, cpu, vector);
    }

    /// An interrupt comes to a CPU.
    pub(super) fn raise(&mut self, at: Instant, place: usize, vector: Vector) {
        let cpu = &mut self.cpus[place];
        cpu.settle(at);
        cpu.waiting.push_back(vector);
        if cpu.handler.is_none() {
            self.handle_next(place);
        }
        self.cpus[place].note_activity();
    }

    /// Begins to handle the next interrupt that waits; tells whether there is one.
    pub(super) fn handle_next(&mut self, place: usize) -> bool {
        let cpu = &mut self.cpus[place];
        let Some(vector) = cpu.waiting.pop_front() else { return false };
        let (frames, taken_back) = match vector {
            Vector::Receive(queue) => match &self.queues[queue] {
                Queue { mode: Mode::Interrupt { frames }, ring, transmit, .. } => {
                    (ring.len().min((*frames).into()), transmit.sent().min(TAKEN_BACK_MAX))
                }
                _ => (0, 0),
            },
            Vector::Timer(_) | Vector::Told => (0, 0),
        };
        let taken = self.costs.enqueue * frames as u32 + self.costs.complete * taken_back as u32;
        cpu.handler = Some(Handler { vector, frames, taken_back, left: self.costs.interrupt + taken });
        true
    }

    /// The CPU that a frame goes on to; `None`: it stays.
    pub(super) fn target_of(&self, frame: &Received<T>) -> Option<usize> {
        self.nics[frame.nic].options.steering.cpu_of(frame.hash).map(usize::from)
    }

    /// Hands over what a poll has taken.
    pub(super) fn deliver(&mut self, at: Instant, cpu: usize, frames: Vec<Received<T>>) {
        if frames.is_empty() {
            return;
        }
        self.cpus[cpu].counters.processed += frames.len() as u64;
        for received in &frames {
            let place = self.nics[received.nic].queues.start + usize::from(received.queue);
            let (counters, took) = (&mut self.queues[place].counters, at.since(received.arrived));
            counters.delivered += 1;
            counters.latency_sum += took;
            counters.latency_max = counters.latency_max.max(took);
            counters.latency_peak = counters.latency_peak.max(took);
            self.wake(place);
        }
        self.out.push_back(Batch { at, cpu, frames });
    }
}

impl<T> Queue<T> {
    fn new(nic: usize, number: u16, cpu: usize, plan: &NicOptions) -> Self {
        Self {
            nic,
            number,
            cpu,
            mode: plan.mode,
            ring: Ring::new(plan.rx_ring.into()),
            transmit: TransmitRing::new(plan.tx_ring.into(), plan.gathers, plan.byte_limits),
            napi: Instance::new(plan.napi_defer_hard_irqs, plan.gro_flush_timeout),
            armed: Some(Instant::ZERO),
            coalescing: plan.coalescing,
            dim: plan.coalescing.adaptive_rx.then(|| Dim::new(plan.coalescing.cqe_mode_rx)),
            busy_read: plan.busy_read,
            process: Process::Asleep,
            counters: QueueCounters::default(),
        }
    }

    /// By what its interrupts are put off now.
    fn coalescing(&self) -> Coalescing {
        self.dim.as_ref().map_or(self.coalescing, |dim| dim.coalescing(self.coalescing))
    }

    /// When its interrupt is due; `None` when it has nothing to tell, or waits for more.
    pub(super) fn interrupt_due(&self) -> Option<Instant> {
        let coalescing = self.coalescing();
        let due = [coalescing.due(&self.ring), coalescing.due_for_sent(&self.transmit)];
        due.into_iter().flatten().min()
    }

    /// Whether a poll would find something.
    pub(super) fn has_work(&self) -> bool {
        !self.ring.is_empty() || self.transmit.sent() > 0
    }

    /// Takes the next frame.
    pub(super) fn pop(&mut self) -> Option<Received<T>> {
        let (arrived, (hash, frame)) = self.ring.pop()?;
        Some(Received { nic: self.nic, queue: self.number, hash, arrived, frame })
    }

    /// Its interrupt may come from now on.
    pub(super) fn arm(&mut self, at: Instant) {
        self.armed = Some(at);
        if let Some(dim) = &mut self.dim {
            let QueueCounters { interrupts, rx_packets, rx_bytes, .. } = self.counters;
            dim.note(Sample { at, events: interrupts, packets: rx_packets, bytes: rx_bytes });
        }
    }
}
