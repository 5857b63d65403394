//! From tables to the flat form, with the checks that need to see all chains.

use alloc::{borrow::ToOwned, vec, vec::Vec};

use super::{
    Entry, Place, Program,
    classify::LONG_CHAIN_RULES,
    selector::{Action, Ends, Selector},
};
use crate::{
    conntrack::{Counter, Family, TemplateId},
    netfilter::{
        Hook,
        error::{Fault, RuleError},
        header::Header,
        matches::Fold,
        rule::{Jump, Rule},
        save::Tables,
        table::{Chain, Table},
        targets::Target,
    },
};

/// Makes the flat form of all tables.
pub(in crate::netfilter) fn compile(tables: &Tables) -> Result<Program, RuleError> {
    let mut program = Program { family: tables.family, ..Program::default() };
    for table in tables.iter() {
        check(tables, table)?;
        let mut starts = Vec::with_capacity(table.chains.len());
        let mut next = program.selectors.len() as u32;
        for chain in &table.chains {
            starts.push(next);
            next += chain.rules.len() as u32 + 1;
        }
        for (index, chain) in table.chains.iter().enumerate() {
            program.add_chain(tables, table, index as u32, chain, &starts)?;
        }
        program.stack.reserve(table.chains.len());
    }
    Ok(program)
}

impl Program {
    fn add_chain(
        &mut self,
        tables: &Tables,
        table: &Table,
        index: u32,
        chain: &Chain,
        starts: &[u32],
    ) -> Result<(), RuleError> {
        let first = self.selectors.len() as u32;
        for (number, rule) in (0..).zip(&chain.rules) {
            let start = |name: &str| table.find(name).and_then(|at| starts.get(at).copied());
            let selector = self.rule(rule, start).map_err(|fault| tables.error(rule.origin, fault))?;
            self.push(selector, rule.counter, Place { table: table.name, chain: index, rule: number }, &rule.header);
        }
        let rules = &self.selectors[first as usize..];
        if rules.len() >= LONG_CHAIN_RULES {
            self.classifier.add(first, rules);
        }
        let header = Header::default();
        let Some(mut end) = Selector::new(&header, &mut self.interfaces) else { return Ok(()) };
        let place = Place { table: table.name, chain: index, rule: chain.rules.len() as u32 };
        match chain.policy {
            Some(policy) => {
                end.action = Action::Policy(policy.accept);
                let entry = Entry { first, policy: self.selectors.len() as u32 };
                self.entries[table.name as usize][policy.hook as usize] = Some(entry);
                self.push(end, policy.counter, place, &header);
            }
            None => {
                end.action = Action::End;
                self.push(end, Counter::default(), place, &header);
            }
        }
        Ok(())
    }

    fn push(&mut self, selector: Selector, counter: Counter, place: Place, header: &Header) {
        self.selectors.push(selector);
        if self.family == Family::Ipv6 {
            self.ends.push(Ends::new(header));
        }
        self.counters.push(counter);
        self.places.push(place);
    }

    /// A rule's selector; its matches and target are added.
    fn rule(&mut self, rule: &Rule, start: impl Fn(&str) -> Option<u32>) -> Result<Selector, Fault> {
        let too_many = Fault::TooMany { what: "device names in rules", max: usize::from(u16::MAX) };
        let mut selector = Selector::new(&rule.header, &mut self.interfaces).ok_or(too_many)?;
        let mut folding = true;
        let mut folded = 0;
        for condition in &rule.matches {
            // Only what comes before every match that is run may be asked earlier: a match that is run may count.
            folding = folding
                && match condition.fold() {
                    Fold::No => false,
                    Fold::Nothing => true,
                    Fold::Ports(source, destination) => selector.fold_ports(source, destination),
                    Fold::States(states) => {
                        selector.fold_states(states);
                        true
                    }
                };
            folded += u16::from(folding);
        }
        let count = u16::try_from(rule.matches.len())
            .map_err(|_| Fault::TooMany { what: "matches of one rule", max: usize::from(u16::MAX) })?;
        selector.set_matches(self.matches.len() as u32, folded, count);
        self.matches.extend(rule.matches.iter().cloned());
        selector.action = self.action(&rule.jump, start);
        Ok(selector)
    }

    fn action(&mut self, jump: &Jump, start: impl Fn(&str) -> Option<u32>) -> Action {
        match jump {
            Jump::Nothing => Action::Continue,
            Jump::Accept => Action::Accept,
            Jump::Drop => Action::Drop,
            Jump::Return => Action::Return,
            // Reading has seen that the chains are there.
            Jump::Chain(name) => start(name).map_or(Action::Continue, Action::Jump),
            Jump::Goto(name) => start(name).map_or(Action::Continue, Action::Goto),
            Jump::Target(target) => {
                let mut target = target.clone();
                if let Target::Ct(ct) = &mut target {
                    let known = self.templates.iter().position(|template| *template == ct.template());
                    let id = known.unwrap_or_else(|| {
                        self.templates.push(ct.template());
                        self.templates.len() - 1
                    });
                    ct.set_id(TemplateId(id as u32));
                }
                self.targets.push(target);
                Action::Run(self.targets.len() as u32 - 1)
            }
        }
    }
}

/// Sees from which hooks each chain is reached, and refuses circles and targets that are not allowed at such a hook.
/// Like the kernel it does not look behind a rule that always ends its chain (Linux v6.18:
/// `net/ipv4/netfilter/ip_tables.c`, `mark_source_chains()`).
fn check(tables: &Tables, table: &Table) -> Result<(), RuleError> {
    let edges: Vec<Vec<Edge<'_>>> = table.chains.iter().map(|chain| edges(table, chain)).collect();
    for (index, chain) in table.chains.iter().enumerate() {
        let Some(policy) = chain.policy else { continue };
        let mut state = vec![Visit::Unseen; table.chains.len()];
        // The chains that are being walked, and how many of their jumps have been.
        let mut path = vec![(index, 0)];
        state[index] = Visit::Open;
        check_hooks(tables, chain, policy.hook)?;
        while let Some((at, done)) = path.last_mut() {
            let Some(edge) = edges[*at].get(*done) else {
                state[*at] = Visit::Done;
                path.pop();
                continue;
            };
            *done += 1;
            match state[edge.to] {
                Visit::Done => {}
                Visit::Open => {
                    let chain = table.chains[edge.to].name.to_owned();
                    return Err(tables.error(edge.rule.origin, Fault::Loop { chain }));
                }
                Visit::Unseen => {
                    state[edge.to] = Visit::Open;
                    check_hooks(tables, &table.chains[edge.to], policy.hook)?;
                    path.push((edge.to, 0));
                }
            }
        }
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Visit {
    Unseen,
    Open,
    Done,
}

/// A jump to a chain.
struct Edge<'a> {
    to: usize,
    rule: &'a Rule,
}

fn edges<'a>(table: &Table, chain: &'a Chain) -> Vec<Edge<'a>> {
    live(chain).filter_map(|rule| Some(Edge { to: table.find(rule.jump.chain()?)?, rule })).collect()
}

/// The rules of a chain up to the first one that always ends it.
fn live(chain: &Chain) -> impl Iterator<Item = &Rule> {
    let end = chain.rules.iter().position(Rule::is_end).map_or(chain.rules.len(), |at| at + 1);
    chain.rules[..end].iter()
}

fn check_hooks(tables: &Tables, chain: &Chain, hook: Hook) -> Result<(), RuleError> {
    for rule in live(chain) {
        let target = match &rule.jump {
            Jump::Target(target) => Some((target.name(), target.hooks())),
            Jump::Nothing | Jump::Accept | Jump::Drop | Jump::Return | Jump::Chain(_) | Jump::Goto(_) => None,
        };
        let matches = rule.matches.iter().map(|condition| (condition.name(), condition.hooks()));
        if let Some((name, allowed)) = matches.chain(target).find(|(_, allowed)| !allowed.contains(&hook)) {
            let fault = Fault::WrongHook { name: name.to_owned(), hook, allowed };
            return Err(tables.error(rule.origin, fault));
        }
    }
    Ok(())
}
