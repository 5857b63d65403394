//! Reads rules texts: tables of iptables-save text, and lines as one would type them after `iptables`.

use alloc::{borrow::ToOwned, string::String, vec::Vec};

use super::{
    Loading, Source,
    line::{self, Draft, Surroundings, Verb},
    text::{Word, words},
};
use crate::{
    conntrack::{Counter, Family},
    limits::{CHAINS_MAX, RULES_MAX, RULES_TEXT_BYTES_MAX},
    netfilter::{
        TableName,
        error::{Fault, Flaw, Noun, RuleError},
        lists::sets::{self, KnownSet, Sets, read::is_sets},
        rule::{Origin, Rule},
        table::Table,
        targets,
    },
};

/// What has been read.
#[derive(Clone, Debug, Default)]
pub(in crate::netfilter) struct Tables {
    pub(in crate::netfilter) family: Family,
    /// By their numbers; `None`: never named.
    pub(in crate::netfilter) tables: [Option<Table>; TableName::ALL.len()],
    /// Names of the texts.
    pub(in crate::netfilter) files: Vec<String>,
    rule_count: usize,
}

impl Tables {
    /// No tables, for packets of a family.
    pub(in crate::netfilter) fn new(family: Family) -> Self {
        Self { family, ..Self::default() }
    }

    /// The tables that were named, in order.
    pub(in crate::netfilter) fn iter(&self) -> impl Iterator<Item = &Table> {
        self.tables.iter().flatten()
    }

    /// Takes over the tables of others that are not named here, and says which those are.
    pub(in crate::netfilter) fn take_over(&mut self, others: &Self) -> [bool; TableName::ALL.len()] {
        // Only texts with rules that stay: else each taking over would add all that there ever were.
        let mut numbers: Vec<Option<u32>> = alloc::vec![None; others.files.len()];
        let which = core::array::from_fn(|number| self.tables[number].is_none() && others.tables[number].is_some());
        for (own, other) in self.tables.iter_mut().zip(&others.tables).filter(|(own, _)| own.is_none()) {
            own.clone_from(other);
            for rule in own.iter_mut().flat_map(|table| &mut table.chains).flat_map(|chain| &mut chain.rules) {
                let file = rule.origin.file as usize;
                let Some(number) = numbers.get_mut(file) else { continue };
                rule.origin.file = *number.get_or_insert_with(|| {
                    self.files.push(others.files[file].clone());
                    self.files.len() as u32 - 1
                });
            }
        }
        which
    }

    /// That something is wrong with a rule.
    pub(in crate::netfilter) fn error(&self, origin: Origin, fault: Fault) -> RuleError {
        let file = self.files.get(origin.file as usize).cloned().unwrap_or_default();
        RuleError { file, line: origin.line, column: origin.column, fault }
    }
}

/// Reads texts one after the other, each as `iptables-restore` would; gives the sets that came with the rules, too.
pub(in crate::netfilter) fn restore(
    sources: &[Source<'_>],
    loading: &Loading<'_>,
) -> Result<(Tables, Sets), RuleError> {
    let sets = read_sets(sources)?;
    // Those of the texts are in force in place of the others.
    let known: Vec<KnownSet> = sets.known().chain(loading.sets.iter().cloned()).collect();
    let tables = Tables::new(loading.family);
    let mut reader = Reader { tables, open: None, loading, sets: &known, file: 0, line: 0 };
    reader.tables.files = sources.iter().map(|source| source.name.to_owned()).collect();
    for (index, source) in (0..).zip(sources).filter(|(_, source)| !is_sets(source.text)) {
        reader.file = index;
        reader.line = 1;
        let located = |line: u32, flaw: Flaw| located(source, line, flaw);
        if source.text.len() > RULES_TEXT_BYTES_MAX {
            let fault = Fault::TooMany { what: "bytes of rules text", max: RULES_TEXT_BYTES_MAX };
            return Err(located(1, fault.at(1)));
        }
        for line in source.text.lines() {
            reader.take_line(line).map_err(|flaw| located(reader.line, flaw))?;
            reader.line += 1;
        }
        if let Some(table) = reader.open {
            return Err(located(reader.line, Fault::CommitMissing { table }.at(1)));
        }
    }
    let tables = reader.tables;
    Ok((tables, sets))
}

/// Reads those texts that are about sets.
fn read_sets(sources: &[Source<'_>]) -> Result<Sets, RuleError> {
    let mut sets = Sets::default();
    for source in sources.iter().filter(|source| is_sets(source.text)) {
        if source.text.len() > RULES_TEXT_BYTES_MAX {
            let fault = Fault::TooMany { what: "bytes of sets text", max: RULES_TEXT_BYTES_MAX };
            return Err(located(source, 1, fault.at(1)));
        }
        let mut budget = sets::read::Budget::default();
        for (line, text) in (1..).zip(source.text.lines()) {
            sets::read::take_line(&mut sets, &mut budget, text).map_err(|flaw| located(source, line, flaw))?;
        }
    }
    Ok(sets)
}

fn located(source: &Source<'_>, line: u32, Flaw { column, fault }: Flaw) -> RuleError {
    RuleError { file: source.name.to_owned(), line, column, fault }
}

struct Reader<'a> {
    tables: Tables,
    /// The table between `*table` and `COMMIT`.
    open: Option<TableName>,
    loading: &'a Loading<'a>,
    /// Sets that rules may name.
    sets: &'a [KnownSet],
    file: u32,
    line: u32,
}

impl Reader<'_> {
    fn take_line(&mut self, line: &str) -> Result<(), Flaw> {
        let text = line.trim();
        let column = 1 + line.chars().take_while(|letter| letter.is_whitespace()).count() as u32;
        match (text.as_bytes().first(), self.open) {
            (None | Some(b'#'), _) => Ok(()),
            (Some(b'*'), None) => self.open_table(&text[1..], column),
            (Some(b'*'), Some(_)) => Err(Fault::TableInTable.at(column)),
            (Some(b':'), Some(table)) => self.declare_chain(table, &text[1..], column),
            (Some(b':'), None) => Err(Fault::OutsideTable.at(column)),
            _ if text == "COMMIT" => match self.open.take() {
                Some(_) => Ok(()),
                None => Err(Fault::OutsideTable.at(column)),
            },
            (Some(_), _) => self.command(text, column),
        }
    }

    fn open_table(&mut self, text: &str, column: u32) -> Result<(), Flaw> {
        let words = words(text, column + 1)?;
        let Some(word) = words.first() else { return Err(Fault::NoCommand.at(column)) };
        no_more(&words, 1)?;
        let table = line::table(word)?;
        self.table(table).clear();
        self.tables.rule_count =
            self.tables.iter().flat_map(|table| &table.chains).map(|chain| chain.rules.len()).sum();
        self.open = Some(table);
        Ok(())
    }

    /// The table, made when it has not been named yet.
    fn table(&mut self, table: TableName) -> &mut Table {
        self.tables.tables[table as usize].get_or_insert_with(|| Table::new(table))
    }

    /// `:CHAIN POLICY [packets:bytes]`
    fn declare_chain(&mut self, table: TableName, text: &str, column: u32) -> Result<(), Flaw> {
        let words = words(text, column + 1)?;
        let [name, policy, rest @ ..] = words.as_slice() else {
            let option = alloc::format!(":{text}");
            return Err(Fault::MissingValue { option, count: 2 }.at(column));
        };
        let counter = match rest.first() {
            Some(word) => parse_counters(&word.text).ok_or(Fault::BadCounters.at(word.column))?,
            None => Counter::default(),
        };
        no_more(&words, 3)?;
        let builtin = self.table(table).find(&name.text).is_some_and(|at| self.is_builtin(table, at));
        if !builtin {
            self.new_chain(table, name)?;
        }
        if policy.text == "-" { Ok(()) } else { self.set_policy(table, name, policy, counter) }
    }

    fn is_builtin(&self, table: TableName, chain: usize) -> bool {
        chain < table.hooks().len()
    }

    fn new_chain(&mut self, table: TableName, name: &Word) -> Result<(), Flaw> {
        let text = &name.text;
        let fits = (1..=CHAIN_NAME_BYTES_MAX).contains(&text.len()) && !text.starts_with(['-', '!']);
        if !fits || text.contains(char::is_whitespace) {
            return Err(Fault::BadChainName { name: text.clone() }.at(name.column));
        }
        let family = self.loading.family;
        let table = self.table(table);
        if table.find(text).is_some() || targets::names(family).any(|known| known == text) {
            return Err(Fault::ChainExists { chain: text.clone() }.at(name.column));
        }
        if table.chains.len() >= CHAINS_MAX {
            return Err(Fault::TooMany { what: "chains", max: CHAINS_MAX }.at(name.column));
        }
        table.add(text);
        Ok(())
    }

    fn set_policy(&mut self, table: TableName, name: &Word, policy: &Word, counter: Counter) -> Result<(), Flaw> {
        let counter = if self.loading.counters { counter } else { Counter::default() };
        let accept = match policy.text.as_str() {
            "ACCEPT" => true,
            "DROP" => false,
            other => {
                let fault = Fault::unknown(Noun::Policy, other, ["ACCEPT", "DROP"].into_iter());
                return Err(fault.at(policy.column));
            }
        };
        let at = self.chain(table, name)?;
        match &mut self.table(table).chains[at].policy {
            Some(found) => {
                found.accept = accept;
                found.counter = counter;
                Ok(())
            }
            None => {
                let tried = "set the policy of";
                Err(Fault::WrongKindOfChain { chain: name.text.clone(), builtin: false, tried }.at(name.column))
            }
        }
    }

    /// The chain of that name.
    fn chain(&mut self, table: TableName, name: &Word) -> Result<usize, Flaw> {
        let table = self.table(table);
        table.find(&name.text).ok_or_else(|| {
            Fault::unknown(Noun::Chain, &name.text, table.chains.iter().map(|chain| chain.name.as_str()))
                .at(name.column)
        })
    }

    fn command(&mut self, text: &str, column: u32) -> Result<(), Flaw> {
        let (prefix, rest) = match text.strip_prefix('[') {
            Some(inner) => {
                let end = inner.find(']').ok_or(Fault::BadCounters.at(column))?;
                let counter = parse_counters(&text[..end + 2]).ok_or(Fault::BadCounters.at(column))?;
                (Some(counter), (&text[end + 2..], column + text[..end + 2].chars().count() as u32))
            }
            None => (None, (text, column)),
        };
        let line = line::parse(&words(rest.0, rest.1)?, self.loading.family)?;
        if line.other_family {
            return Ok(());
        }
        let table = match (self.open, line.table) {
            (Some(_), Some(_)) => return Err(Fault::TableInTable.at(column)),
            (Some(table), None) | (None, Some(table)) => table,
            (None, None) => TableName::Filter,
        };
        let counter = line.counter.or(prefix).filter(|_| self.loading.counters).unwrap_or_default();
        match &line.verb {
            Verb::Append(chain) => self.insert(table, chain, None, &line.draft, counter),
            Verb::Insert(chain, position) => self.insert(table, chain, Some(*position), &line.draft, counter),
            Verb::NewChain(_) | Verb::Policy(..) | Verb::Flush(_) | Verb::DeleteChain(_) if !line.draft.is_empty() => {
                Err(Fault::NoCommand.at(line.draft.column))
            }
            Verb::NewChain(name) => self.new_chain(table, name),
            Verb::Policy(_, policy) if table == TableName::Nat && policy.text == "DROP" => {
                Err(Fault::NatDrop.at(policy.column))
            }
            Verb::Policy(chain, policy) => self.set_policy(table, chain, policy, Counter::default()),
            Verb::Flush(chain) => self.flush(table, chain.as_ref()),
            Verb::DeleteChain(chain) => self.delete_chain(table, chain.as_ref(), line.draft.column),
        }
    }

    fn insert(
        &mut self,
        table: TableName,
        chain: &Word,
        position: Option<usize>,
        draft: &Draft,
        counter: Counter,
    ) -> Result<(), Flaw> {
        let at = self.chain(table, chain)?;
        draft.check_devices(&chain.text)?;
        let around = Surroundings {
            table,
            sets: self.sets,
            family: self.loading.family,
            helpers: self.loading.helpers,
            timeouts: self.loading.timeouts,
            only_shown: self.loading.only_shown,
        };
        let known = self.table(table);
        let finished = draft.finish(around, |name| known.find(name).is_some_and(|at| at >= table.hooks().len()))?;
        let rules = &mut known.chains[at].rules;
        let end = rules.len();
        if position.is_some_and(|position| position > end + 1) {
            return Err(Fault::BadPosition { max: end + 1 }.at(chain.column));
        }
        let origin = Origin { file: self.file, line: self.line, column: finished.column };
        let count = finished.headers.len();
        for header in finished.headers {
            let (matches, jump) = (finished.matches.clone(), finished.jump.clone());
            // Each rule of a list goes to the same place, before the one that went there last.
            let index = position.map_or(self.tables_len(table, at), |position| position - 1);
            let rule = Rule { origin, header, matches, jump, counter };
            self.table(table).chains[at].rules.insert(index, rule);
        }
        self.tables.rule_count += count;
        if self.tables.rule_count > RULES_MAX {
            return Err(Fault::TooMany { what: "rules", max: RULES_MAX }.at(draft.column));
        }
        Ok(())
    }

    fn tables_len(&mut self, table: TableName, chain: usize) -> usize {
        self.table(table).chains[chain].rules.len()
    }

    fn flush(&mut self, table: TableName, chain: Option<&Word>) -> Result<(), Flaw> {
        match chain {
            Some(name) => {
                let at = self.chain(table, name)?;
                self.table(table).chains[at].rules.clear();
            }
            None => self.table(table).chains.iter_mut().for_each(|chain| chain.rules.clear()),
        }
        Ok(())
    }

    fn delete_chain(&mut self, table: TableName, chain: Option<&Word>, column: u32) -> Result<(), Flaw> {
        let builtin = table.hooks().len();
        let doomed: Vec<String> = match chain {
            Some(name) => {
                if self.chain(table, name)? < builtin {
                    let chain = name.text.clone();
                    let fault = Fault::WrongKindOfChain { chain, builtin: true, tried: "delete" };
                    return Err(fault.at(name.column));
                }
                alloc::vec![name.text.clone()]
            }
            None => self.table(table).chains[builtin..].iter().map(|chain| chain.name.clone()).collect(),
        };
        let column = chain.map_or(column, |name| name.column);
        let table = self.table(table);
        for name in doomed {
            let Some(at) = table.find(&name) else { continue };
            if !table.chains[at].rules.is_empty() || table.is_used(&name) {
                return Err(Fault::ChainInUse { chain: name }.at(column));
            }
            table.chains.remove(at);
        }
        Ok(())
    }
}

/// Refuses words beyond the first `count`.
fn no_more(words: &[Word], count: usize) -> Result<(), Flaw> {
    match words.get(count) {
        Some(word) => Err(Fault::StrayWord { word: word.text.clone() }.at(word.column)),
        None => Ok(()),
    }
}

/// Reads `[packets:bytes]`.
fn parse_counters(text: &str) -> Option<Counter> {
    let (packets, bytes) = text.strip_prefix('[')?.strip_suffix(']')?.split_once(':')?;
    Some(Counter { packets: packets.parse().ok()?, bytes: bytes.parse().ok()? })
}

/// Linux: `XT_EXTENSION_MAXNAMELEN` less its final zero.
const CHAIN_NAME_BYTES_MAX: usize = 28;
