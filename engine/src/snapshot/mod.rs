//! A gateway as bytes: [`Engine::save`] and [`Engine::restore`].
//!
//! A restored engine goes on as the saved one would have: the same inputs give the same outputs, byte for byte, down to
//! which port is drawn next and when a timer wants to be looked at. For that a snapshot holds
//!
//! - devices, bonds with what is known of their ports, routes, neighbours, services, tunables;
//! - rules as text with their counters, where they were written, and what their matches remember (the credit of
//!   `limit`, the count of `statistic`);
//! - connections with all that their protocols and helpers know of them, expectations, the order in which all of
//!   them are found and run out;
//! - the keys of the hashes, the generator, credit for ICMP errors, counters, subscriptions, the latest time;
//! - names and hashes of helpers, but not their code: whoever restores brings the helpers.
//!
//! It does not hold sockets: who used them is elsewhere. A restored engine has none but its services, with the keys, the chance and
//! what the others have left of other hosts ([`Destination`](crate::tcp::Destination)); to other ends it is as if the host had been started again. An engine that goes on from a snapshot
//! ([`Engine::reload`], [`Engine::resume`]) keeps those that it has.
//!
//! It does not hold packets: neither those that wait for [`Engine::poll_transmit`], for a neighbour's address, for other
//! fragments, for the rest of a helper's line or for what continues them, nor events and endings that nobody has fetched. Drain the
//! queues first; [`Engine::waiting_packets`] counts the rest, which is lost as if a link had lost it.
//!
//! Records are made for the snapshot and taken apart field by field when it is written, so that the compiler asks whoever
//! adds state to a room what becomes of it here; only plain values (addresses, tuples, counters) are those that
//! rooms work with. [`VERSION`] changes with every change of the records. A snapshot is input from outside: everything that
//! another part relies on is checked before it is used, and a wrong one is refused with its reason.
//!
//! | file | what |
//! |---|---|
//! | `envelope` | version, length, checksum, bincode |
//! | `record` | the record of a whole engine |
//! | [`error`] | why one is refused |
//! | `conntrack/snapshot`, `netfilter/snapshot`, `ip/neighbour/snapshot` | rooms that keep their state to themselves |

mod envelope;
pub mod error;
mod record;
#[cfg(test)]
mod tests;

pub use error::{Part, SnapshotError};
pub use record::Snapshot;

use alloc::{boxed::Box, string::String, vec::Vec};
use core::fmt;

use crate::{
    conntrack::{
        Family, HelperId,
        calling::{Helpers, HelpersRecord, Offer},
        helper::Helper,
    },
    engine::Engine,
    netfilter::{
        RuleSet,
        snapshot::{RulesRecord, TakenRules},
    },
    wire::checksum::Routines,
};

/// The version of snapshots that are written, and the only one that is read.
pub const VERSION: u32 = 27;

/// What a snapshot does not hold and an engine needs.
pub struct Restoring {
    /// Checksum routines that give the results of the portable ones.
    pub routines: Routines,
    /// Helpers. Those of the snapshot are found by name; others are loaded behind them.
    pub helpers: Vec<Box<dyn Helper>>,
    /// Takes a helper of the right name even if its component is another one than the snapshot was made with; what it
    /// remembered of connections is handed to the new one.
    pub other_helpers: bool,
}

impl Default for Restoring {
    /// Portable routines, no helpers.
    fn default() -> Self {
        Self { routines: Routines::PORTABLE, helpers: Vec::new(), other_helpers: false }
    }
}

impl fmt::Debug for Restoring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.helpers.iter().map(|helper| helper.manifest().name.as_str()).collect();
        f.debug_struct("Restoring").field("helpers", &names).field("other_helpers", &self.other_helpers).finish()
    }
}

/// What a snapshot is held against that an engine has and no snapshot holds: checksum routines, and which helpers it gets.
#[derive(Debug)]
pub struct Succession {
    routines: Routines,
    offers: Vec<Offer>,
    other_helpers: bool,
}

/// An engine that was read from a snapshot and may take the place of another ([`Engine::give_way`]).
#[derive(Debug)]
pub struct Successor {
    engine: Box<Engine>,
    counted: HelpersRecord,
    /// What the snapshot was held against.
    offers: Vec<Offer>,
}

/// A successor that may not take an engine's place. It is given back, since dropping it takes as long as it knows much.
#[derive(Debug)]
pub struct Refused {
    /// Why not.
    pub why: SnapshotError,
    /// It.
    pub successor: Box<Successor>,
}

impl Succession {
    /// Reads a snapshot.
    ///
    /// # Errors
    /// As for [`Engine::restore`].
    pub fn read(self, bytes: &[u8]) -> Result<Successor, SnapshotError> {
        let Self { routines, offers, other_helpers } = self;
        let record: record::EngineRecord = envelope::open(bytes)?;
        let (engine, counted) = record.restore(routines, &offers, other_helpers)?;
        Ok(Successor { engine: Box::new(engine), counted, offers })
    }
}

impl Engine {
    /// Everything that makes the engine go on as it does, as bytes.
    ///
    /// ```
    /// use towpath_engine::{Engine, snapshot::Restoring};
    ///
    /// let engine = Engine::new(42);
    /// let bytes = engine.save();
    /// let twin = Engine::restore(&bytes, Restoring::default()).unwrap();
    /// assert_eq!(twin.save(), bytes);
    /// ```
    #[must_use]
    pub fn save(&self) -> Vec<u8> {
        self.snapshot().seal()
    }

    /// All that [`Self::save`] writes down, as it is now. It takes 0.5 to 2 µs a connection; the other half
    /// of the work can be done elsewhere, while packets pass here.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::of(self)
    }

    /// The engine that [`Self::save`] wrote down.
    ///
    /// # Errors
    /// When the snapshot is damaged, cut, of another version, contradicts itself, or needs a helper that was not given.
    pub fn restore(bytes: &[u8], restoring: Restoring) -> Result<Self, SnapshotError> {
        let Restoring { routines, helpers, other_helpers } = restoring;
        let offers = helpers.iter().map(|helper| Offer::of(helper.as_ref(), helper.manifest())).collect();
        let Successor { mut engine, counted, .. } = Succession { routines, offers, other_helpers }.read(bytes)?;
        engine.helpers = Helpers::resume(&counted, helpers).map_err(SnapshotError::Helper)?;
        Ok(*engine)
    }

    /// Goes on from a snapshot, with this engine's routines, helpers (`other_helpers` as in [`Restoring`]) and devices. It must be one
    /// of the same gateway: interfaces are bound to devices by number, and connections hang on their names and addresses. What waits
    /// here to be fetched is lost. Sockets that somebody holds, and their connections, go on as they are.
    ///
    /// # Errors
    /// As for [`Self::restore`], [`SnapshotError::OtherDevices`], and [`SnapshotError::Command`] when a service of the snapshot has the
    /// port of a socket that somebody holds; nothing has changed then.
    pub fn reload(&mut self, bytes: &[u8], other_helpers: bool) -> Result<(), SnapshotError> {
        let successor = self.succession(other_helpers).read(bytes)?;
        self.give_way(successor).map(drop).map_err(|refused| refused.why)
    }

    /// What [`Self::reload`] reads a snapshot with. That is most of its work, and can be done elsewhere while packets pass here.
    #[must_use]
    pub fn succession(&self, other_helpers: bool) -> Succession {
        Succession { routines: self.around.routines, offers: self.helpers.offers(), other_helpers }
    }

    /// Does the rest of [`Self::reload`]: goes on from what was read, and gives back the engine that it was, without helpers and
    /// sockets; what has come in since it was read is lost.
    ///
    /// # Errors
    /// With the successor: [`SnapshotError::OtherDevices`], [`SnapshotError::OtherHelpers`] when helpers have come or gone since it was read, and
    /// [`SnapshotError::Command`] as for [`Self::reload`]; nothing has changed then.
    pub fn give_way(&mut self, successor: Successor) -> Result<Self, Refused> {
        if let Err(why) = self.may_give_way(&successor) {
            return Err(Refused { why, successor: Box::new(successor) });
        }
        let Successor { mut engine, counted, offers } = successor;
        let helpers = core::mem::take(&mut self.helpers).into_boxes();
        engine.helpers = match Helpers::resume(&counted, helpers) {
            Ok(helpers) => helpers,
            // None of them is refused: what could be has been, when the record was held against what they offer.
            Err(why) => {
                let successor = Box::new(Successor { engine, counted, offers });
                return Err(Refused { why: SnapshotError::Helper(why), successor });
            }
        };
        engine.devices = self.devices.clone();
        (engine.serves_host, engine.hears_host) = (self.serves_host, self.hears_host);
        engine.take_sockets_of(self);
        Ok(core::mem::replace(self, *engine))
    }

    /// Goes on from a snapshot as [`Self::reload`] does, but keeps what this engine's operator has set, as a gateway does that is
    /// started again with its configuration: routes, tunables, services, permanent neighbours, timeout policies, and the rules of each family,
    /// unless they are those of the snapshot, which then go on counting; and sets, unless the rules of both families are those.
    ///
    /// # Errors
    /// As for [`Self::reload`]; nothing has changed then.
    pub fn resume(&mut self, bytes: &[u8], other_helpers: bool) -> Result<(), SnapshotError> {
        let (routes, services, sysctls) = (self.routes.clone(), self.services(), self.around.sysctls.clone());
        let sets = self.lists.sets.clone();
        let rules = [Family::Ipv4, Family::Ipv6].map(|family| self.rules.of(family).clone());
        let (by_port, permanent) = (self.helpers_by_port, self.neighbours.all_permanent());
        let policies = self.conntrack.timeout_policies().clone();
        self.reload(bytes, other_helpers)?;
        self.conntrack.replace_timeout_policies(policies);
        (self.routes, self.around.sysctls) = (routes, sysctls);
        self.replace_services(services);
        self.conntrack.make_room(&self.around.sysctls);
        self.conntrack.map_anew(self.around.sysctls.keeps_mappings());
        self.helpers_by_port = by_port;
        self.neighbours.replace_permanent(&permanent);
        let are_same = rules
            .each_ref()
            .map(|rules| self.rules.of(rules.family()).counted().keep(false) == rules.counted().keep(false));
        if are_same != [true; 2] {
            self.lists.sets = sets;
        }
        for (rules, is_same) in rules.into_iter().zip(are_same) {
            let family = rules.family();
            let record = TakenRules::of(if is_same { self.rules.of(family) } else { &rules }).written();
            let rules = self.numbered_anew(record, family)?;
            match is_same {
                true => *self.rules.of_mut(family) = rules,
                false => drop(self.rules.replace(rules)),
            }
        }
        self.rules.claim(self.latest, &mut self.lists);
        Ok(())
    }

    /// Rules that name helpers and timeout policies by the numbers that those have now: the snapshot counts its helpers in another
    /// order than the operator, and he his policies in another order than the snapshot.
    fn numbered_anew(&self, rules: RulesRecord, family: Family) -> Result<RuleSet, SnapshotError> {
        let count = self.helpers.iter().map(|helper| usize::from(helper.id.0) + 1).max().unwrap_or_default();
        let names = (0..count as u16).map(|number| self.helpers.name(HelperId(number)).unwrap_or_default());
        let names: Vec<&str> = names.collect();
        rules.restore(family, &names, self.conntrack.timeout_policies(), &self.lists)
    }

    /// Whether what was read may take this engine's place.
    fn may_give_way(&self, successor: &Successor) -> Result<(), SnapshotError> {
        if let Some((device, differs_in)) = self.other_device(&successor.engine) {
            return Err(SnapshotError::OtherDevices { device, differs_in });
        }
        if self.helpers.offers() != successor.offers {
            return Err(SnapshotError::OtherHelpers);
        }
        successor.engine.may_take_sockets_of(self)
    }

    /// The first device that is not the same in another engine, and in what.
    fn other_device(&self, other: &Self) -> Option<(String, &'static str)> {
        for (id, device) in self.devices.iter() {
            let differs_in = other.devices.find(id).map_or(Some("it is missing"), |other| device.difference(other));
            if let Some(differs_in) = differs_in {
                return Some((device.name.clone(), differs_in));
            }
        }
        let more = other.devices.iter().nth(self.devices.len());
        more.map(|(_, device)| (device.name.clone(), "it is missing here"))
    }

    /// How many packets wait inside, for [`Self::poll_transmit`], for a neighbour's address, for other fragments, for the rest
    /// of a line or for what continues them: a snapshot does not hold them.
    #[must_use]
    pub fn waiting_packets(&self) -> usize {
        self.transmits.len()
            + self.looped.len()
            + self.neighbours.waiting()
            + self.defrag.waiting()
            + self.waiting.len()
            + self.receivers.len()
    }
}
