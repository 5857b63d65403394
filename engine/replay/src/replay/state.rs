//! A replay's gateway as bytes: saved after one capture, gone on with in another, or on a wire.

use towpath_engine::{
    Engine,
    conntrack::Family,
    snapshot::{Restoring, SnapshotError},
    transcript::Transcript,
};

use super::{
    Replay, Setup, SetupError,
    gateway::{Parts, hears_machine},
    setup,
};
use crate::{
    capture::{Capture, CaptureError},
    record::{Fate, Record},
};

impl Replay {
    /// The gateway as bytes, for [`Self::resume`] or for a gateway on a wire. What waits for a neighbour's address is not in it
    /// (see [`towpath_engine::snapshot`]).
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.engine().save()
    }

    /// Sets a gateway up that goes on where another one was saved. Connections, counters, devices, routes and tunables are the
    /// snapshot's, of the helpers also what they remember. From `setup` come the configuration's networks, which say how
    /// packets get to interfaces, the helpers themselves, what records tell, and rules if there are any: they replace the
    /// snapshot's.
    ///
    /// # Errors
    /// When the snapshot is not taken, or rules are not right.
    pub fn resume(mut setup: Setup<'_>, state: &[u8], other_helpers: bool) -> Result<Self, SetupError> {
        let hears_machine = hears_machine(&setup);
        let config = setup.config.clone().unwrap_or_else(super::transparent::config);
        let helpers = core::mem::take(&mut setup.helpers);
        let restoring = Restoring { routines: setup.routines, helpers, other_helpers };
        let mut engine = Engine::restore(state, restoring)?;
        let rules = [(Family::Ipv4, &setup.rules[..]), (Family::Ipv6, &setup.rules_v6)];
        setup::replace_rules(&mut engine, rules)?;
        let now = engine.now();
        for command in setup.detail.commands() {
            engine.handle_command(now, command)?;
        }
        Ok(Self::of(Parts { engine, config: &config, hears_machine, checksums: setup.checksums }))
    }

    /// Saves the gateway and goes on with what is restored from that: nothing that it gives is different afterwards.
    ///
    /// # Errors
    /// When a helper is missing or another one.
    pub fn restart(&mut self, restoring: Restoring) -> Result<(), SnapshotError> {
        *self.engine_mut() = Engine::restore(&self.save(), restoring)?;
        self.say_what_is_heard();
        Ok(())
    }

    /// Replays a capture to its end and adds everything that came out to `transcript`.
    ///
    /// # Errors
    /// When the capture is damaged; everything before the damage has been transcribed.
    pub fn transcribe(&mut self, capture: &mut Capture<'_>, transcript: &mut Transcript) -> Result<(), CaptureError> {
        let result = self.run(capture, |record| {
            record.transcribe(transcript);
            true
        });
        transcript.listings(self.engine());
        result
    }
}

impl Record<'_> {
    /// Adds everything about the packet to a transcript.
    pub fn transcribe(&self, transcript: &mut Transcript) {
        transcript.add(format_args!("{} {:?} {:?} {}", self.number, self.time, self.seen, self.wire_len));
        match &self.fate {
            Fate::Fed(device, ending) => {
                transcript.add(format_args!("{device:?}"));
                transcript.ending(ending);
            }
            Fate::NotFed(why) => transcript.add(format_args!("{why:?}")),
        }
        transcript.add(format_args!("{:?}", self.frame));
        self.out.iter().for_each(|transmit| transcript.transmit(transmit));
        self.events.iter().for_each(|(when, event)| transcript.event(*when, event));
        self.late.iter().for_each(|late| transcript.add(format_args!("{late:?}")));
        transcript.path(self.path);
        transcript.add(format_args!("{:?} {:?}", self.connection(), self.engine.poll_timeout()));
    }
}
