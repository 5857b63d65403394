//! A gateway as its files describe it: `gateway.toml`, the rules and the helpers that it names.
//!
//! ```text
//!  gateway.toml ─► Config ─┬─► rules files ─► texts ──┬─► Gateway ─► Engine (on a wire)
//!                          └─► components ─► plugins ─┘          └─► Setup (on a capture)
//! ```
//!
//! | file | what |
//! |---|---|
//! | `rules` | rules files, as texts with the names that errors call them |
//! | `helpers` | the components that are wanted, each behind its tightened manifest |
//! | [`error`] | what can be wrong with all this, and where |
//!
//! All that `towpath run` loads, `towpath replay` loads by the same way, so that both are the same gateway.

pub mod error;
mod helpers;
mod rules;

use std::path::Path;

use towpath_engine::{
    DeviceId, Engine, Instant,
    conntrack::{Family, helper::Helper},
    netfilter::Source,
    wire::checksum::Routines,
};
use towpath_replay::{
    config::{Config, Hardware, Interface},
    replay::{Setup, furnish},
};

pub use error::GatewayError;
pub use helpers::tightened;
pub(crate) use rules::beside;
pub use rules::{RulesText, family_of};

use crate::{checksum, limits::CONFIG_BYTES_MAX, text};

/// A gateway, with all that its configuration names at hand.
#[derive(Default)]
pub struct Gateway {
    /// The configuration; `None` when only rules were named.
    pub config: Option<Config>,
    /// The rules.
    pub rules: Vec<RulesText>,
    /// The helpers, behind their manifests as the configuration tightens them.
    pub helpers: Vec<Box<dyn Helper>>,
}

impl Gateway {
    /// Reads a configuration and all that it names. Rules files that are named beside it stand in place of its own; its sets stay, unless
    /// one of those files has sets.
    ///
    /// Without a configuration every helper of this program is attached where its manifest says. With one, those are
    /// that it lists, and further ones that rules name (`-j CT --helper NAME`) and this program brings along: attached
    /// by those rules alone.
    ///
    /// # Errors
    /// The first file that cannot be read or used, and where that shows.
    pub fn read(config: Option<&Path>, rules: &[impl AsRef<Path>]) -> Result<Self, GatewayError> {
        let config = config.map(read_config).transpose()?;
        let rules = if rules.is_empty() {
            config.as_ref().map_or(Ok(Vec::new()), rules::of_config)?
        } else {
            let named = rules.iter().map(|file| rules::read(file.as_ref())).collect::<Result<Vec<_>, _>>()?;
            let has_sets = named.iter().any(|text| text.source().is_of_sets());
            let sets = config.as_ref().filter(|_| !has_sets).map_or(Ok(None), rules::sets_of_config)?;
            sets.into_iter().chain(named).collect()
        };
        let helpers = match &config {
            Some(config) => helpers::of_config(config, &rules)?,
            None => helpers::all()?,
        };
        Ok(Self { config, rules, helpers })
    }

    /// Brings along one more helper of this program, to be attached where its manifest says.
    ///
    /// # Errors
    /// When there is none of that name, or it cannot be loaded.
    pub fn bring(&mut self, helper: &str) -> Result<(), GatewayError> {
        self.helpers.push(helpers::shipped(helper)?);
        Ok(())
    }

    /// The rules for a family's packets as the engine takes them.
    #[must_use]
    pub fn sources(&self, family: Family) -> Vec<Source<'_>> {
        sources(&self.rules, family)
    }

    /// What a replay through it is made of. Takes its helpers: they serve one gateway.
    pub fn setup(&mut self) -> Setup<'_> {
        let helpers = core::mem::take(&mut self.helpers);
        let (rules, rules_v6) = (self.sources(Family::Ipv4), self.sources(Family::Ipv6));
        let routines = checksum::routines();
        Setup { config: self.config.clone(), rules, rules_v6, helpers, routines, ..Setup::default() }
    }

    /// The engine that is this gateway, with `seed` unless the configuration has one. `hardware` says what the
    /// interfaces are where the configuration does not.
    ///
    /// # Errors
    /// When rules are wrong, or the configuration asks for what the engine cannot do.
    pub fn engine(
        self,
        seed: u64,
        routines: Routines,
        hardware: impl FnMut(DeviceId, &Interface) -> Hardware,
    ) -> Result<Engine, GatewayError> {
        let Self { config, rules, helpers } = self;
        let by_port = config.as_ref().is_none_or(|config| !config.helpers.is_empty());
        let config = config.unwrap_or_default();
        let mut engine = Engine::with_routines(config.seed.unwrap_or(seed), routines);
        for command in config.commands(hardware) {
            engine
                .handle_command(Instant::ZERO, command)
                .map_err(|error| GatewayError::Command(config.file.clone(), error))?;
        }
        let [v4, v6] = [Family::Ipv4, Family::Ipv6].map(|family| (family, sources(&rules, family)));
        furnish(&mut engine, helpers, by_port, [(v4.0, &v4.1), (v6.0, &v6.1)])
            .map_err(|error| GatewayError::of_setup(&config.file, error))?;
        Ok(engine)
    }

    /// The same, going on from `state` if there is one (see [`Engine::resume`]): connections, expectations, counters and learned
    /// neighbours are the state's, what the configuration says holds.
    ///
    /// # Errors
    /// As for [`Self::engine`], and when the state is not taken, or is one of other devices.
    pub fn engine_from(
        self,
        state: Option<State<'_>>,
        seed: u64,
        routines: Routines,
        hardware: impl FnMut(DeviceId, &Interface) -> Hardware,
    ) -> Result<Engine, GatewayError> {
        let mut engine = self.engine(seed, routines, hardware)?;
        if let Some(State { name, bytes }) = state {
            engine.resume(bytes, false).map_err(|error| GatewayError::Snapshot(name.to_owned(), error))?;
        }
        Ok(engine)
    }
}

/// A saved state and what errors call it.
#[derive(Clone, Copy, Debug)]
pub struct State<'a> {
    /// The name of its file.
    pub name: &'a str,
    /// Its bytes.
    pub bytes: &'a [u8],
}

fn sources(rules: &[RulesText], family: Family) -> Vec<Source<'_>> {
    rules.iter().filter(|text| text.family == family).map(RulesText::source).collect()
}

fn read_config(file: &Path) -> Result<Config, GatewayError> {
    let name = file.display().to_string();
    let text = text::read(file, CONFIG_BYTES_MAX).map_err(|error| GatewayError::Unreadable(name.clone(), error))?;
    let config = Config::read(&name, &text)?;
    config.need_interfaces()?;
    Ok(config)
}
