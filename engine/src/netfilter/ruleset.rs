//! The rules of all tables, as written and as walked.

use alloc::{string::String, sync::Arc, vec::Vec};

use super::{
    Counted, Lists, MatchState, RuleError, RuleId, Stage, TableName, Verdict, View,
    explain::RuleInfo,
    lists::{Claims, sets::Sets},
    program::{
        Place, Program,
        compile::compile,
        facts::StateSet,
        held::{Beside, OuterEndpoint},
    },
    rule::{Jump, Rule},
    save::{self, ListOptions, Loading, Source, Tables},
    standing::{self, Kept, Standing},
    targets::Target,
    walk::{Course, Walk, WalkId, Walks},
};
use crate::{
    conntrack::{Conntrack, Counter, Direction, Family, HelperId, State, Template, TemplateId},
    device::Devices,
    packet::Packet,
    time::Instant,
};

/// The rules of all tables of one family.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// As written, which changes no more: whoever writes them down elsewhere shares them.
    pub(super) tables: Arc<Tables>,
    /// Which tables have been named, by number.
    named: [bool; TableName::ALL.len()],
    /// Sets that came along and are not in force yet.
    sets: Sets,
    /// What they remember under a name.
    claims: Claims,
    /// Whether a rule asks what connections have carried.
    wants_accounting: bool,
    pub(super) program: Program,
    walks: Walks,
    /// Tables that others name, until these are in force in their place.
    pub(super) kept: Option<Kept>,
    pub(super) generation: u32,
}

/// What rules that were put in force have taken the place of. A million rules are dropped in a tenth of a second: whoever has packets
/// that wait lets somebody else do that.
#[derive(Debug)]
pub struct Former {
    pub(crate) _rules: RuleSet,
    /// Sets whose names others have now, and what no rule names any more.
    pub(crate) _lists: [Lists; 2],
}

impl RuleSet {
    /// Reads texts, one after the other. What a text says of a table with `*table` replaces what earlier ones said. Tables that none
    /// names are those of [`Loading::beside`].
    ///
    /// # Errors
    /// With the first thing that is wrong: what `iptables-restore` would refuse, and what is not supported here; or the first rule that
    /// stays though a set of the texts is not for its family.
    pub fn parse(sources: &[Source<'_>], loading: &Loading<'_>) -> Result<Self, RuleError> {
        let (mut tables, sets) = save::restore(sources, loading)?;
        let kept = loading.beside.map(|standing| Kept::into(&mut tables, standing));
        for tables in [Some(&tables), loading.across.map(Standing::tables)].into_iter().flatten() {
            standing::check_sets(&sets, tables)?;
        }
        let program = compile(&tables)?;
        let rules = tables.iter().flat_map(|table| &table.chains).flat_map(|chain| &chain.rules);
        let (mut claims, mut wants_accounting) = (Claims::default(), false);
        for condition in rules.flat_map(|rule| &rule.matches) {
            condition.claims(&mut claims);
            wants_accounting |= condition.wants_accounting();
        }
        Ok(Self { program, claims, wants_accounting, sets, kept, ..Self::of_tables(tables) })
    }

    /// Rules that are not compiled yet.
    fn of_tables(tables: Tables) -> Self {
        Self { named: tables.tables.each_ref().map(Option::is_some), tables: Arc::new(tables), ..Self::default() }
    }

    /// Puts `new` in its place, which is given back. Counters are those of `new`, but where it has kept a table of these rules: that one
    /// goes on counting. Recorded walks are forgotten, and their numbers find nothing in `new`.
    pub fn replace(&mut self, mut new: Self) -> Self {
        new.go_on_from(self);
        let former = core::mem::replace(self, new);
        self.walks.follow(&former.walks);
        self.generation = former.generation.wrapping_add(1);
        former
    }

    /// What its rules remember under a name.
    pub(super) const fn claims(&self) -> &Claims {
        &self.claims
    }

    /// Puts the sets that came with it in force: they take the place of those of their names, which are given back, and their
    /// timeouts begin `now`.
    pub(super) fn hand_over_sets(&mut self, now: Instant, lists: &mut Lists) -> Sets {
        lists.sets.take(now, core::mem::take(&mut self.sets))
    }

    /// The sets that came with the rules, until those are put in force.
    #[must_use]
    pub const fn sets(&self) -> &Sets {
        &self.sets
    }

    /// Whether a rule asks what connections have carried, which has to be counted then.
    pub(crate) const fn wants_accounting(&self) -> bool {
        self.wants_accounting
    }

    /// The first rule that attaches a helper.
    pub(crate) fn attaching(&self, helper: HelperId) -> Option<RuleInfo> {
        let attaches = |rule: &Rule| matches!(&rule.jump, Jump::Target(Target::Ct(ct)) if ct.helper() == Some(helper));
        let mut places = self.program.places();
        let (id, _) = places.find(|(_, place)| self.tables.rule(*place).is_some_and(attaches))?;
        self.find(id)
    }

    /// What matches remember of the packets before (`limit`, `statistic`, `connlimit`), for snapshots; what they remember
    /// under a name is in [`Lists`].
    #[must_use]
    pub fn states(&self) -> Vec<(u32, MatchState)> {
        self.program.states()
    }

    /// Takes what [`Self::states`] gave of a rule set that was made of the same text; what does not fit is left out.
    pub fn set_states(&mut self, states: Vec<(u32, MatchState)>) {
        self.program.set_states(states);
    }

    /// Whose packets the rules are for.
    #[must_use]
    pub fn family(&self) -> Family {
        self.tables.family
    }

    /// How often rules have been replaced.
    #[must_use]
    pub const fn generation(&self) -> u32 {
        self.generation
    }

    /// Does what the built-in chain of `table` at the view's hook does: what the view's walk is to repeat, or else what
    /// rules say.
    pub fn evaluate(&mut self, table: TableName, view: &mut View<'_>) -> Verdict {
        if self.program.bind(view.devices) {
            // What a device's name meant to recorded walks is over.
            self.walks.forget(&mut self.program.counters);
            view.walk.lose_record();
        }
        if !self.program.has_chain(table, view.hook) || self.walks.repeat(table, view) {
            return Verdict::Accept;
        }
        self.program.evaluate(&self.tables, table, view)
    }

    /// Whether a rule of the nat table that names an endpoint's port may decide where its callers go. Nothing is counted, and what
    /// rules remember stays as it is.
    pub(crate) fn holds(
        &mut self,
        now: Instant,
        devices: &Devices,
        lists: &mut Lists,
        endpoint: &OuterEndpoint,
    ) -> bool {
        if self.program.bind(devices) {
            self.walks.forget(&mut self.program.counters);
        }
        self.program.holds(endpoint, &mut Beside { now, devices, sets: &mut lists.sets })
    }

    /// What the built-in chain of `table` at the view's hook would do about a packet in a state (`None`: connection tracking has not seen
    /// it yet) if it came; `None` where that is not certain. Nothing is counted, and what rules remember stays as it is.
    pub(crate) fn foretell(&mut self, table: TableName, state: Option<State>, view: &mut View<'_>) -> Option<Verdict> {
        if self.program.bind(view.devices) {
            self.walks.forget(&mut self.program.counters);
        }
        self.program.foretell(table, StateSet::of_state(state), view)
    }

    /// Prepares the walk of a packet that connection tracking calls ESTABLISHED: what a packet of the same direction of
    /// its connection did before it is repeated, or else what this one does is noted. `walks` is the connection's number.
    ///
    /// Not for packets that are traced, which all rules are to be asked about, nor for ICMP errors about the connection.
    pub fn plan(&self, walks: WalkId, direction: Direction, walk: &mut Walk) {
        self.walks.plan(walks, direction, walk);
    }

    /// The course that packets before have taken, when the packet that [`Self::plan`] has prepared may be let through all
    /// tables as they were, without coming to them one by one; [`Self::count`] counts it then.
    #[must_use]
    #[inline]
    pub fn course(&self, walk: &Walk, packet: &Packet, conntrack: &Conntrack) -> Option<&Course> {
        self.walks.course(walk, packet, conntrack)
    }

    /// Counts a packet of so many bytes at all tables that it is let through as [`Self::course`] has allowed.
    #[inline]
    pub fn count(&mut self, walk: &Walk, bytes: u64) {
        self.walks.count(walk, bytes);
    }

    /// Whether [`Self::record`] would remember something that was not known. `course` is how the packet passes through; `None`
    /// when it does not.
    #[must_use]
    #[inline]
    pub fn is_news(&self, walk: &Walk, course: Option<&Course>) -> bool {
        self.walks.is_news(walk, course)
    }

    /// The number that a connection is to have from now on, after a packet that [`Self::plan`] has prepared got through
    /// all tables and takes that course; mostly the number that it had.
    pub fn record(&mut self, walks: WalkId, direction: Direction, walk: &Walk, course: Option<Course>) -> WalkId {
        self.walks.record(walk, walks, direction, course)
    }

    /// Forgets how packets have passed: something that rules or courses depend on may have changed. What was counted stays.
    pub fn forget_walks(&mut self) {
        self.walks.forget(&mut self.program.counters);
    }

    /// Asks every rule of every chain from now on, so that a test can compare.
    #[cfg(test)]
    pub(super) fn forget_classifier(&mut self) {
        self.program.forget_classifier();
    }

    /// Bytes taken by what finds the rules of long chains that a packet may match.
    #[must_use]
    pub fn classifier_bytes(&self) -> usize {
        self.program.classifier_bytes()
    }

    /// Whether the table has been named in the rules at all; the nat table changes connections by its mere presence.
    #[must_use]
    pub const fn has_table(&self, table: TableName) -> bool {
        self.named[table as usize]
    }

    /// Whether there is anything to do at a stage: a table that has not been named passes over its own. NAT goes on
    /// without one, for connections that are translated already.
    #[must_use]
    #[inline]
    pub const fn has_part_in(&self, stage: Stage) -> bool {
        match stage {
            Stage::Raw => self.has_table(TableName::Raw),
            Stage::Mangle => self.has_table(TableName::Mangle),
            Stage::Filter => self.has_table(TableName::Filter),
            Stage::Security => self.has_table(TableName::Security),
            Stage::Conntrack | Stage::DestinationNat | Stage::SourceNat | Stage::Helper | Stage::Confirm => true,
        }
    }

    /// What a `-j CT` rule said.
    #[must_use]
    pub fn template(&self, id: TemplateId) -> Template {
        self.program.templates.get(id.0 as usize).copied().unwrap_or_default()
    }

    /// All rules in order, with what they have counted.
    #[must_use]
    pub fn rules(&self) -> Vec<RuleInfo> {
        let counters = self.counters();
        let describe = |(id, place)| self.tables.describe(id, place, counters[id.index()]);
        self.program.places().filter_map(describe).collect()
    }

    /// One rule in words.
    #[must_use]
    pub fn find(&self, id: RuleId) -> Option<RuleInfo> {
        let counter = self.counters().get(id.index()).copied()?;
        self.tables.describe(id, self.program.place(id)?, counter)
    }

    /// One condition of a rule, such as `-p udp` or `-m tcp --dport 80`, counted from 0 as in
    /// [`Step::Missed`](crate::trace::Step::Missed).
    #[must_use]
    pub fn part(&self, id: RuleId, part: u16) -> Option<String> {
        let mut text = String::new();
        self.tables.rule(self.program.place(id)?)?.print_part(usize::from(part), &mut text);
        (!text.is_empty()).then(|| text.trim_start().into())
    }

    /// The rules as `iptables-save` or `ip6tables-save` prints them, with each rule's counters as `iptables-save --counters` does.
    #[must_use]
    pub fn save(&self, counters: bool) -> String {
        self.counted().save(counters)
    }

    /// A table as `iptables -L -n` lists it.
    #[must_use]
    pub fn list(&self, table: TableName, options: ListOptions) -> String {
        self.counted().list(table, options)
    }

    /// The rules with what they have counted by now, to be written down elsewhere. Costs a copy of the counters: 2 ms for
    /// a million rules.
    #[must_use]
    pub fn counted(&self) -> Counted {
        Counted::new(Arc::clone(&self.tables), self.counters())
    }

    /// Forgets what the rules of a table have counted, or those of all (`iptables -Z`). What matches remember stays.
    pub fn zero(&mut self, table: Option<TableName>) {
        self.walks.forget(&mut self.program.counters);
        self.program.zero(table);
    }

    /// The rules as written.
    pub(super) fn tables(&self) -> &Tables {
        &self.tables
    }

    /// Each rule's number and where it was written.
    pub(super) fn places(&self) -> impl Iterator<Item = (RuleId, Place)> {
        self.program.places()
    }

    pub(super) fn counters(&self) -> Vec<Counter> {
        let mut counters = self.program.counters.clone();
        self.walks.add_to(&mut counters);
        counters
    }
}

/// The rules of both families: those of `iptables` and those of `ip6tables`.
#[derive(Clone, Debug)]
pub struct RuleSets {
    v4: RuleSet,
    v6: RuleSet,
}

impl Default for RuleSets {
    fn default() -> Self {
        Self { v4: RuleSet::default(), v6: RuleSet::of_tables(Tables::new(Family::Ipv6)) }
    }
}

impl RuleSets {
    /// The rules for packets of a family.
    #[must_use]
    pub const fn of(&self, family: Family) -> &RuleSet {
        match family {
            Family::Ipv4 => &self.v4,
            Family::Ipv6 => &self.v6,
        }
    }

    /// The same, to ask or to change.
    pub const fn of_mut(&mut self, family: Family) -> &mut RuleSet {
        match family {
            Family::Ipv4 => &mut self.v4,
            Family::Ipv6 => &mut self.v6,
        }
    }

    /// Puts rules in the place of those of their family, which are given back.
    pub fn replace(&mut self, new: RuleSet) -> RuleSet {
        self.of_mut(new.family()).replace(new)
    }

    /// Makes what rules remember under a name, as far as `lists` do not have it, and gives back what no rule of either family names:
    /// it is forgotten. Sets that came with the rules take the place of those of their names, which are given back too, and their
    /// timeouts begin `now`.
    pub(crate) fn claim(&mut self, now: Instant, lists: &mut Lists) -> [Lists; 2] {
        let sets = [&mut self.v4, &mut self.v6].map(|rules| rules.hand_over_sets(now, lists));
        let unwanted = lists.claim([self.v4.claims(), self.v6.claims()]);
        let [sets, sets_v6] = sets;
        [Lists { sets, ..unwanted }, Lists { sets: sets_v6, ..Lists::default() }]
    }

    /// Forgets how packets have passed, of both families; see [`RuleSet::forget_walks`].
    pub fn forget_walks(&mut self) {
        self.v4.forget_walks();
        self.v6.forget_walks();
    }

    /// One rule in words.
    #[must_use]
    pub fn find(&self, id: RuleId) -> Option<RuleInfo> {
        self.of(id.family()).find(id)
    }

    /// One condition of a rule; see [`RuleSet::part`].
    #[must_use]
    pub fn part(&self, id: RuleId, part: u16) -> Option<String> {
        self.of(id.family()).part(id, part)
    }

    /// Whether either family has the table.
    #[must_use]
    pub const fn has_table(&self, table: TableName) -> bool {
        self.v4.has_table(table) || self.v6.has_table(table)
    }
}
