//! What a replay is made of.

use core::fmt;

use towpath_engine::{
    Command, CommandError, Engine, Instant, Subscription,
    conntrack::{Family, helper::Helper},
    netfilter::{KnownSet, Loading, RuleError, RuleSet, Source},
    snapshot::SnapshotError,
    trace::TraceLevel,
    wire::checksum::Routines,
};

use super::ChecksumTrust;
use crate::config::{Config, Hardware};

/// A gateway and how it is watched.
#[derive(Default)]
pub struct Setup<'a> {
    /// The gateway; without one, a transparent gateway stands in the capture's way.
    pub config: Option<Config>,
    /// The texts of rules files for `iptables`, with the names that errors and records call them.
    pub rules: Vec<Source<'a>>,
    /// Those for `ip6tables`.
    pub rules_v6: Vec<Source<'a>>,
    /// Tunables to set beside those of the configuration.
    pub sysctls: Vec<(String, u32)>,
    /// Helpers, behind their manifests as the configuration tightens them.
    pub helpers: Vec<Box<dyn Helper>>,
    /// Attaches helpers to the ports of their manifests even when the configuration lists none of them.
    pub by_port: bool,
    /// What is believed about transport checksums.
    pub checksums: ChecksumTrust,
    /// How much records tell.
    pub detail: Detail,
    /// What sums checksums: the same result, however it is done.
    pub routines: Routines,
}

impl<'a> Setup<'a> {
    /// Adds a text of sets behind those that there are: both families share them, and those of `iptables` are read first.
    pub(crate) fn add_to_sets(&mut self, text: Source<'a>) {
        let texts = if self.rules.iter().any(Source::is_of_sets) { &mut self.rules } else { &mut self.rules_v6 };
        texts.push(text);
    }
}

/// How much records tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// What became of each packet. No events, no path: nothing is formatted, and the path is at its fastest.
    #[default]
    Verdicts,
    /// Also what happened to connections, expectations and helpers, and what rules log.
    Events,
    /// Also each packet's path.
    Path,
    /// Also every rule that did not match, and why.
    Full,
}

impl Detail {
    /// What an engine is told so that records can tell that much.
    pub(super) fn commands(self) -> [Command; 2] {
        let told = self >= Self::Events;
        let trace = match self {
            Self::Verdicts | Self::Events => TraceLevel::Off,
            Self::Path => TraceLevel::Path,
            Self::Full => TraceLevel::Full,
        };
        let events = Subscription { conntrack: told, log: told, helper: told, endings: true };
        [Command::Subscribe(events), Command::Trace(trace)]
    }
}

/// Why a replay could not be set up.
#[derive(Debug)]
pub enum SetupError {
    /// Rules that are not right.
    Rules(RuleError),
    /// Something the configuration asks for that cannot be.
    Command(CommandError),
    /// A snapshot that is not taken.
    Snapshot(SnapshotError),
}

impl fmt::Display for SetupError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rules(error) => error.fmt(out),
            Self::Command(error) => error.fmt(out),
            Self::Snapshot(error) => error.fmt(out),
        }
    }
}

impl core::error::Error for SetupError {}

impl From<CommandError> for SetupError {
    fn from(error: CommandError) -> Self {
        Self::Command(error)
    }
}

impl From<SnapshotError> for SetupError {
    fn from(error: SnapshotError) -> Self {
        Self::Snapshot(error)
    }
}

/// An engine that is the gateway of `setup`, as `config` describes it.
pub(super) fn engine_of(setup: Setup<'_>, config: &Config) -> Result<Engine, SetupError> {
    let mut engine = Engine::with_routines(config.seed.unwrap_or_default(), setup.routines);
    // Who looks at a capture wants to see what its flows have carried.
    engine.handle_command(Instant::ZERO, Command::SetSysctl("net.netfilter.nf_conntrack_acct".into(), 1))?;
    for step in config.commands(|device, _| Hardware::in_replay(device)) {
        engine.handle_command(Instant::ZERO, step)?;
    }
    for (name, value) in setup.sysctls {
        engine.handle_command(Instant::ZERO, Command::SetSysctl(name, value))?;
    }
    // Without a configuration, helpers are attached where their manifests say; with one, where it says.
    let by_port = setup.by_port || setup.config.is_none() || !config.helpers.is_empty();
    furnish(&mut engine, setup.helpers, by_port, [(Family::Ipv4, &setup.rules), (Family::Ipv6, &setup.rules_v6)])?;
    let mut command = |command| engine.handle_command(Instant::ZERO, command);
    setup.detail.commands().into_iter().try_for_each(|detail| command(detail).map(drop))?;
    Ok(engine)
}

/// Gives an engine its helpers and its rules, which may name the helpers. `by_port`: the helpers are also attached to the
/// ports that their manifests name. Of a family without texts the rules stay as they are.
///
/// # Errors
/// When a helper or a rule cannot be taken.
pub fn furnish(
    engine: &mut Engine,
    helpers: Vec<Box<dyn Helper>>,
    by_port: bool,
    rules: [(Family, &[Source<'_>]); 2],
) -> Result<(), SetupError> {
    for helper in helpers {
        engine.handle_command(Instant::ZERO, Command::LoadHelper(helper))?;
    }
    engine.handle_command(Instant::ZERO, Command::AttachHelpersByPort(by_port))?;
    replace_rules(engine, rules)
}

/// Puts the rules of each family in the place of those of the engine, if there are any. Texts of sets are read first, and rules of
/// both families may name what they hold; a file that both name is read once.
///
/// # Errors
/// When a rule cannot be taken.
pub fn replace_rules(engine: &mut Engine, rules: [(Family, &[Source<'_>]); 2]) -> Result<(), SetupError> {
    let mut sets: Vec<Source<'_>> = Vec::new();
    for source in rules.iter().flat_map(|(_, texts)| *texts).filter(|source| source.is_of_sets()) {
        if sets.iter().all(|known| (known.name, known.text) != (source.name, source.text)) {
            sets.push(*source);
        }
    }
    let stays =
        rules.iter().find(|(_, texts)| texts.is_empty()).map(|(family, _)| engine.rules().of(*family).standing());
    for (family, texts) in rules.into_iter().filter(|(_, texts)| !texts.is_empty()) {
        let mut sources = core::mem::take(&mut sets);
        sources.extend(texts.iter().filter(|source| !source.is_of_sets()));
        let helpers = engine.helpers().known();
        let timeouts = Some(engine.conntrack().timeout_policies());
        let known: Vec<KnownSet> = engine.sets().known().collect();
        let across = stays.as_ref();
        let loading = Loading { family, helpers: &helpers, timeouts, sets: &known, across, ..Loading::default() };
        let rules = RuleSet::parse(&sources, &loading).map_err(SetupError::Rules)?;
        engine.handle_command(engine.now(), Command::ReplaceRules(Box::new(rules)))?;
    }
    Ok(())
}
