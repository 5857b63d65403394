//! What every room may use beside its own state: the tunables, the routines, chance, and where things are told.

use crate::{event::Events, random::Random, sysctl::Sysctls, trace::Trace, wire::checksum::Routines};

/// What a room is lent while it works on a packet. There is one for the engine.
#[derive(Debug)]
pub struct Surroundings {
    /// The tunables.
    pub sysctls: Sysctls,
    /// Checksum routines.
    pub routines: Routines,
    /// The engine's source of chance.
    pub random: Random,
    /// Where changes are told.
    pub events: Events,
    /// What is written down for `explain`.
    pub trace: Trace,
}

impl Surroundings {
    /// Defaults, and chance that starts at `seed`. `routines` must give the results of the portable ones.
    #[must_use]
    pub fn new(seed: u64, routines: Routines) -> Self {
        Self {
            sysctls: Sysctls::default(),
            routines,
            random: Random::new(seed),
            events: Events::default(),
            trace: Trace::default(),
        }
    }
}
