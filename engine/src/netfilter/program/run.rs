//! A packet's walk through a table (Linux v6.18: `net/ipv4/netfilter/ip_tables.c`, `ipt_do_table()`).

use alloc::string::String;

use super::{
    Entry, Program,
    classify::Candidates,
    facts::{Facts, StateSet},
    selector::{Action, Fit},
};
use crate::{
    netfilter::{
        RuleId, TableName, Verdict, View,
        explain::found_in_header,
        matches::Answer,
        rule::Rule,
        save::Tables,
        targets::{
            Next,
            trace::{self, Station},
        },
        walk::{Depends, Fingerprint},
    },
    trace::Step,
};

impl Program {
    /// Walks the chain of `table` at the view's hook. A packet of another family, and a table that has no chain there,
    /// accept.
    pub(in crate::netfilter) fn evaluate(&mut self, tables: &Tables, table: TableName, view: &mut View<'_>) -> Verdict {
        let Some(entry) = self.entries[table as usize][view.hook as usize] else { return Verdict::Accept };
        let Some(mut facts) = Facts::of(view, self.family, &self.interfaces) else { return Verdict::Accept };
        view.walk.start_table((table, view.hook), view.output, view.packet.meta().tracking);
        self.stack.clear();
        let mut noted = Verdict::Accept;
        let asks_all = view.around.trace.is_full();
        let mut candidates = Candidates::ALL;
        let mut at = self.seek(entry.first, &facts, asks_all, &mut candidates, view);
        loop {
            match self.asks_for(at, &facts, view) {
                Asked::Yes => {}
                Asked::No(part) => {
                    if view.around.trace.is_full() {
                        self.explain_miss(tables, table, at, part, &facts, view);
                    }
                    at = self.classifier.after(at, &mut candidates);
                    continue;
                }
                Asked::Drop => return Verdict::Unreadable(self.id(at)),
                Asked::Full => return Verdict::Full(self.id(at)),
                Asked::Doomed => {
                    return match self.act(tables, table, at, entry, view) {
                        Then::Done(verdict @ Verdict::Reject(..)) => verdict,
                        Then::Next | Then::To(_) | Then::Noted(_) | Then::Done(_) => Verdict::Unreadable(self.id(at)),
                    };
                }
            }
            match self.act(tables, table, at, entry, view) {
                Then::Next => at = self.classifier.after(at, &mut candidates),
                Then::To(next) => at = self.seek(next, &facts, asks_all, &mut candidates, view),
                Then::Noted(verdict) => {
                    noted = verdict;
                    facts.state = StateSet::of(view.packet.meta().tracking);
                    at = self.classifier.after(at, &mut candidates);
                }
                Then::Done(Verdict::Accept) => return noted,
                Then::Done(verdict) => return verdict,
            }
        }
    }

    /// The number by which others know an entry.
    pub(super) const fn id(&self, at: u32) -> RuleId {
        RuleId::new(self.family, at)
    }

    /// Goes to an entry, and past the rules behind it that cannot match.
    #[inline]
    fn seek(&self, at: u32, facts: &Facts, asks_all: bool, candidates: &mut Candidates, view: &mut View<'_>) -> u32 {
        let at = self.classifier.seek(at, facts, asks_all, candidates);
        if candidates.missed_ports {
            look(view, Fingerprint::SHAPE);
        }
        at
    }

    /// Whether the packet is what an entry asks for.
    #[inline]
    fn asks_for(&mut self, at: u32, facts: &Facts, view: &mut View<'_>) -> Asked {
        let selector = &self.selectors[at as usize];
        let fit = selector.fit(facts, &self.interfaces);
        if let (Some(ends), true) = (self.ends.get(at as usize), fit != Fit::Never)
            && !ends.hold(facts)
        {
            return Asked::No(None);
        }
        let matches = match fit {
            Fit::Never => return Asked::No(None),
            Fit::NotNow => {
                look(view, selector.looks_at);
                return Asked::No(None);
            }
            Fit::Yes => selector.matches_to_run(),
            Fit::Unsure => selector.all_matches(),
            Fit::Unreached => return Asked::Drop,
        };
        look(view, selector.looks_at);
        let mut doomed = false;
        for index in matches {
            let condition = &mut self.matches[index];
            let depends = condition.depends();
            look_all(view, depends);
            match condition.test(facts, view) {
                Answer::Yes => {}
                Answer::No if doomed => return Asked::Drop,
                Answer::No => return Asked::No(Some(index - self.selectors[at as usize].all_matches().start)),
                Answer::Drop => return Asked::Drop,
                Answer::Full => return Asked::Full,
                Answer::Doomed => doomed = true,
            }
        }
        if doomed { Asked::Doomed } else { Asked::Yes }
    }

    /// Counts and does what the entry says.
    #[inline]
    fn act(&mut self, tables: &Tables, table: TableName, at: u32, entry: Entry, view: &mut View<'_>) -> Then {
        let action = self.selectors[at as usize].action;
        if action == Action::End {
            if view.packet.meta().traced {
                self.tell_station(tables, table, at, view);
            }
            return Then::To(self.come_back(entry));
        }
        if view.packet.meta().traced {
            self.tell_station(tables, table, at, view);
        }
        self.counters[at as usize].count(1, view.packet.network_len() as u64);
        view.walk.count(at);
        if let Action::Policy(accept) = action {
            let hook = view.hook;
            view.around.trace.push(|| Step::Policy(table, hook, accept));
            return Then::Done(if accept { Verdict::Accept } else { Verdict::DropByPolicy });
        }
        let id = self.id(at);
        view.around.trace.push(|| Step::Matched(table, id));
        match action {
            Action::Continue => Then::Next,
            Action::Accept => Then::Done(Verdict::Accept),
            Action::Drop => Then::Done(Verdict::Drop(id)),
            Action::Return | Action::End | Action::Policy(_) => Then::To(self.come_back(entry)),
            Action::Jump(chain) => {
                self.stack.push(at + 1);
                Then::To(chain)
            }
            Action::Goto(chain) => Then::To(chain),
            Action::Run(target) => {
                let target = &mut self.targets[target as usize];
                if !target.is_repeatable() {
                    view.walk.spoil();
                }
                match target.apply(id, view) {
                    Next::Rule => Then::Next,
                    Next::Noted(verdict) => Then::Noted(verdict),
                    Next::Done(verdict) => Then::Done(verdict),
                }
            }
        }
    }

    /// Where a chain that ends comes back to: behind the jump, or to the policy.
    fn come_back(&mut self, entry: Entry) -> u32 {
        self.stack.pop().unwrap_or(entry.policy)
    }

    /// Lets a traced packet tell where it is (Linux v6.18: `net/ipv4/netfilter/ip_tables.c`, `get_chainname_rulenum()`:
    /// a rule that asks for nothing and ends the chain counts as the chain's end).
    #[cold]
    fn tell_station(&self, tables: &Tables, table: TableName, at: u32, view: &mut View<'_>) {
        let Some(place) = self.place(RuleId(at)) else { return };
        let Some(chain) =
            tables.iter().find(|known| known.name == table).map(|known| &known.chains[place.chain as usize])
        else {
            return;
        };
        let is_end = chain.rules.get(place.rule as usize).is_none_or(Rule::is_end);
        let kind = match (is_end, chain.policy) {
            (false, _) => "rule",
            (true, Some(_)) => "policy",
            (true, None) => "return",
        };
        trace::tell(Station { table, chain: &chain.name, kind, number: place.rule as usize + 1 }, view);
    }

    /// Writes down which part of a rule the packet did not match, and what it is instead. `failed` is the match that
    /// said so; without one a field of the header did, or a match that the selector has asked instead.
    #[cold]
    fn explain_miss(
        &mut self,
        tables: &Tables,
        table: TableName,
        at: u32,
        failed: Option<usize>,
        facts: &Facts,
        view: &mut View<'_>,
    ) {
        let Some(rule) = self.place(self.id(at)).and_then(|place| tables.rule(place)) else { return };
        let fields = rule.header.fields();
        let (part, found) = match failed {
            Some(index) => (fields.len() + index, self.found(at, index, facts, view)),
            None => match found_in_header(&rule.header, &fields, facts, view) {
                Some(miss) => miss,
                None => self.found_in_folded(at, fields.len(), facts, view),
            },
        };
        let id = self.id(at);
        view.around.trace.push(|| Step::Missed(table, id, part as u16, found));
    }

    fn found(&self, at: u32, index: usize, facts: &Facts, view: &View<'_>) -> String {
        let all = self.selectors[at as usize].all_matches();
        self.matches[all][index].found(facts, view)
    }

    /// The first match, among those that the selector asks instead, that says no.
    fn found_in_folded(&mut self, at: u32, before: usize, facts: &Facts, view: &mut View<'_>) -> (usize, String) {
        let all = self.selectors[at as usize].all_matches();
        let failed = self.matches[all].iter_mut().position(|condition| condition.test(facts, view) != Answer::Yes);
        let index = failed.unwrap_or_default();
        (before + index, self.found(at, index, facts, view))
    }
}

/// Whether a packet is what an entry asks for.
enum Asked {
    Yes,
    /// The match that said so, counted from the rule's first; `None`: the selector did.
    No(Option<usize>),
    Drop,
    /// A match has no room to remember it.
    Full,
    /// It is, and the rule does what it does, but the packet is dropped.
    Doomed,
}

/// What follows an entry.
enum Then {
    /// The next rule.
    Next,
    To(u32),
    Noted(Verdict),
    Done(Verdict),
}

#[inline]
fn look(view: &mut View<'_>, bits: Fingerprint) {
    look_all(view, Depends::On(bits));
}

#[inline]
fn look_all(view: &mut View<'_>, depends: Depends) {
    if let Some(bits) = view.walk.asks_for(depends) {
        let seen = bits.read(view);
        view.walk.note(bits, seen);
    }
}
