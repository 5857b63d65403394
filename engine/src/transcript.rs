//! Everything that an engine gives, as one number: two runs gave the same exactly when their numbers agree.
//!
//! The same inputs and seed give the same outputs on every machine. A run that is transcribed on a processor and in
//! WebAssembly shows that they do.

use core::fmt::{self, Write};

use crate::{
    conntrack::{ExpectationEntry, Family},
    digest::Digest,
    ending::Ending,
    engine::Engine,
    event::Event,
    frame::Transmit,
    time::Instant,
    trace::Step,
};

/// A hash over outputs in the order in which they came.
///
/// ```
/// use towpath_engine::{Engine, Instant, transcript::Transcript};
///
/// let run = || {
///     let (mut engine, mut transcript) = (Engine::new(42), Transcript::default());
///     engine.handle_timeout(Instant::from_secs(1));
///     transcript.drain(&mut engine);
///     transcript.listings(&engine);
///     transcript.value()
/// };
/// assert_eq!(run(), run());
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Transcript(Digest);

impl Transcript {
    /// Takes and adds everything that waits to be fetched, and what the engine wants to be woken for.
    pub fn drain(&mut self, engine: &mut Engine) {
        while let Some(transmit) = engine.poll_transmit() {
            self.transmit(&transmit);
            engine.recycle(transmit);
        }
        while let Some((when, event)) = engine.poll_event() {
            self.event(when, &event);
        }
        while let Some(ending) = engine.poll_ending() {
            self.ending(&ending);
        }
        self.path(&engine.take_trace());
        self.add(format_args!("{:?}", engine.poll_timeout()));
    }

    /// Adds a frame that leaves, with what the device is told about it.
    pub fn transmit(&mut self, transmit: &Transmit) {
        let (checksum, gso, vlan) = (transmit.checksum(), transmit.gso(), transmit.vlan());
        self.add(format_args!("{:?} {} {checksum:?} {gso:?} {vlan:?}", transmit.device, transmit.len()));
        self.0.update(transmit.head());
        transmit.fragments().for_each(|part| self.0.update(part));
    }

    /// Adds an event.
    pub fn event(&mut self, when: Instant, event: &Event) {
        self.add(format_args!("{when:?} {event:?}"));
    }

    /// Adds how a packet ended.
    pub fn ending(&mut self, ending: &Ending) {
        self.add(format_args!("{ending:?}"));
    }

    /// Adds what was written down of a packet's path.
    pub fn path(&mut self, steps: &[Step]) {
        self.add(format_args!("{steps:?}"));
    }

    /// Adds what an engine tells when it is asked: counters, connections, expectations, rules with their counters.
    pub fn listings(&mut self, engine: &Engine) {
        let (conntrack, now) = (engine.conntrack(), engine.now());
        self.add(format_args!("{:?} {:?} {:?}", engine.stats(), conntrack.statistics(), engine.poll_timeout()));
        self.add(format_args!("{:?}", conntrack.entries(now)));
        for slot in 0..conntrack.slots() {
            self.add(format_args!("{:?}", conntrack.in_slot(slot).and_then(|(id, _)| conntrack.entry(now, id))));
        }
        for expectation in conntrack.expectations().iter() {
            self.add(format_args!("{:?}", ExpectationEntry::of(now, expectation)));
        }
        for helper in engine.helpers().iter() {
            self.add(format_args!("{helper:?}"));
        }
        for rules in [Family::Ipv4, Family::Ipv6].map(|family| engine.rules().of(family)) {
            self.add(format_args!("{:?} {}", rules.rules(), rules.save(true)));
        }
    }

    /// Adds anything else.
    pub fn add(&mut self, what: fmt::Arguments<'_>) {
        // It takes whatever is written. What ends one thing starts no other.
        let _ = self.0.write_fmt(what);
        self.0.update(&[0]);
    }

    /// The number that stands for all of it.
    #[must_use]
    pub const fn value(self) -> u64 {
        self.0.value()
    }
}
