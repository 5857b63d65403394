//! What lies between the wire and [`crate::Engine::handle_frames`]: rings, interrupts, NAPI and softirqs, as a model.
//!
//! An engine is handed batches, and each is one poll. Where they come from is a machine's business: a real one's on a wire
//! (`host-linux` drives its rings by [`Round`], and counts in [`PollCounters`]), and this model's where there is none: [`Hardware`] is
//! a host's NICs and CPUs in virtual time. It is given `now` and the frames that arrive, says when it has something to do next, and
//! hands out batches. Who does not make one pays nothing.
//!
//! ```text
//!  wire ─► RSS ─► ring ─► moderation ─► interrupt ─► NAPI is scheduled ─► softirq: net_rx_action ─► poll ─► batch ─► engine
//!                  │ full: missed          │ masked from here on            weight, budget, time      │
//!                  ▼                       │                                  │ 10 rounds or 2 ms:    └─► RPS: backlog of another CPU
//!               lost, counted              │                                  ▼ ksoftirqd
//!                                          └──── armed again when a poll has left its weight over ◄── or deferred, or spun on
//!
//!  wire ◄─ transmit ring ◄─ queueing discipline       what was sent: moderation ─► the same interrupt ─► the same poll takes it back
//! ```
//!
//! # What takes time
//!
//! Virtual time passes for nobody, so [`Costs`] say what a CPU is busy for: an interrupt, a poll, a packet, putting one on a
//! backlog, taking back one that was sent. A CPU does one thing at once. An interrupt puts off a softirq, and that a thread; what
//! is put off goes on afterwards with what is left of it. That is enough for receive livelock to come about by itself: in
//! [`Mode::Interrupt`] each packet that arrives takes time from those that have (Mogul and Ramakrishnan: "Eliminating receive
//! livelock in an interrupt-driven kernel", 1997).
//!
//! # The four modes
//!
//! | mode | who takes frames off the ring | the interrupt meanwhile |
//! |---|---|---|
//! | [`Mode::Interrupt`] | the interrupt, so many each time, to the CPU's backlog (`netif_rx()`), which a softirq empties | stays on |
//! | [`Mode::Napi`] | the softirq, a weight at a time, for as long as there are frames | is masked |
//! | [`Mode::BusyPoll`] | the softirq; and the process that waits for them, 8 at a time, until it finds something, or [`NicOptions::busy_read`] is over | is armed each time a process stops: one that comes while the next one polls is handled, for nothing |
//! | [`Mode::PreferBusyPoll`] | the same; a softirq that has used up its weight leaves the rest to the process | stays masked while a process stops and comes back within `gro_flush_timeout`, where that and `napi_defer_hard_irqs` are set |
//!
//! # What is not as on a machine
//!
//! - What a poll has taken is handed over when the poll ends, and counts as received then.
//! - GRO takes place in the engine, after RPS.
//! - A process that polls runs on the CPU that its queue's interrupts go to, reads as soon as it has that, and what it does with what it
//!   reads takes no time. So there is nothing for `irq-suspend-timeout` to do, which keeps interrupts off for that long.
//! - An interrupt that coalescing puts off does not come if a process has taken the frames meanwhile; some NICs raise it nevertheless.
//! - Of sending, putting a frame on the ring, forwarding and what applications do cost no time, so that the CPU time of who sends
//!   is understated. A frame leaves by the queue that its flow's hash says. Wire and queueing discipline are those of who uses the
//!   model ([`Hardware::handle_transmit`]).
//! - A frame that comes takes one descriptor of its ring, as all do that fit a NIC's buffers.
//! - One set of `rps_cpus` is that of all of a NIC's queues, where Linux has one for each. A frame without a hash has 0 here, where
//!   Linux hashes it in software. `dev_weight_rx_bias` is 1.
//! - Threaded NAPI (`/sys/class/net/DEVICE/threaded`), RFS, flow limits and `need_resched()` are not
//!   modelled; of processes only that they want their slice before ksoftirqd has its turn.
//!
//! Linux v6.18: `net/core/dev.c`, `net_rx_action()`, `__napi_poll()`, `napi_complete_done()`, `process_backlog()`,
//! `enqueue_to_backlog()`; `kernel/softirq.c`, `handle_softirqs()`; `lib/dim`; `include/uapi/linux/ethtool.h`, `ethtool_coalesce`;
//! its documentation, `networking/napi.rst` and `networking/scaling.rst`.

mod backlog;
mod byte_limits;
mod counters;
mod cpu;
mod dim;
mod event;
mod hardware;
mod instance;
mod moderation;
mod options;
mod poll;
mod resize;
mod ring;
mod round;
mod send;
mod softirq;
mod spin;
mod steering;
mod transmit;
mod work;

pub use byte_limits::ByteLimitOptions;
pub use counters::{Activity, CpuCounters, POLL_SIZES, PollCounters, PollSizes, QueueCounters};
pub use dim::{Dim, PROFILES, PROFILES_BY_COMPLETION, Profile, Sample};
pub use hardware::{Batch, Dropped, Hardware, Received};
use instance::{AfterPoll, Instance, Owner};
pub use moderation::Coalescing;
pub use options::{Costs, Mode, NicOptions, Options, OptionsError, SoftirqOptions};
pub use ring::Ring;
pub use round::{Budget, Round, Squeeze};
pub use steering::{INDIRECTION_ENTRIES, Steering};
pub use transmit::{FRAME_DESCRIPTORS_MAX, Footprint, TransmitRing};

#[cfg(test)]
mod tests;
