//! What a careful reader would remark about rules: which ones no packet reaches, and what is most likely not meant.
//!
//! Remarks are sound where they say "never": a rule is called shadowed only when an earlier rule of its chain surely
//! takes every packet that it asks for, and nothing in between can change the packet. They are not complete: of several
//! rules that only together take everything, two are seen of which one excludes what the other asks for.
//!
//! | file | what |
//! |---|---|
//! | `cover` | whether one rule asks for all that another asks for |
//! | `reach` | rules and chains that no packet gets to |
//! | `answers` | what is let through and whose answers are not |
//! | `forwarding` | translation of what nothing forwards |
//! | `habits` | rules that are right as such, and seldom what somebody meant |
//! | `invalid` | INVALID packets that leave a translating gateway as they are |
//! | `sets` | what rules do with sets |

mod answers;
mod cover;
mod early;
mod forwarding;
mod habits;
mod invalid;
mod neighbours;
mod reach;
mod sets;

#[cfg(test)]
mod tests;

use alloc::{borrow::ToOwned, string::String, vec::Vec};
use core::net::IpAddr;

pub use sets::{SetUsage, SetUse};

use super::{
    Hook, RuleId, RuleInfo, RuleSet, TableName,
    matches::{Fold, Match},
    program::{Place, facts::StateSet},
    rule::{Jump, Rule},
    save::Tables,
    table::{Chain, Table},
    targets::Target,
};
use crate::{conntrack::HelperId, device::Devices, frame::DeviceId, wire::Protocol};

/// What a reader would say about rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Review {
    /// What is wrong, or most likely not meant, in the order of tables and chains.
    pub remarks: Vec<Remark>,
    /// The first rule that translates an address or port.
    pub translation: Option<RuleInfo>,
    /// The first rule that accepts RELATED packets by that word.
    pub related: Option<RuleInfo>,
    /// The first rule that attaches a helper.
    pub helper: Option<RuleInfo>,
}

/// Something that is wrong with rules, or most likely not meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Remark {
    /// No packet matches a rule: an earlier one of its chain takes all that it asks for.
    Shadowed {
        /// The rule.
        rule: RuleInfo,
        /// The earlier one.
        by: RuleInfo,
    },
    /// No packet gets to a rule, nor to those behind it: an earlier one takes every packet.
    Unreachable {
        /// The first rule that no packet gets to.
        rule: RuleInfo,
        /// How many there are from there to the chain's end.
        count: usize,
        /// The one that takes every packet.
        by: RuleInfo,
    },
    /// No packet gets to a rule, nor to those behind it: each is taken by one of two earlier rules.
    NothingLeft {
        /// The first rule that no packet gets to.
        rule: RuleInfo,
        /// How many there are from there to the chain's end.
        count: usize,
        /// The two.
        by: [RuleInfo; 2],
    },
    /// No built-in chain leads to a user chain.
    Unused {
        /// Its table.
        table: TableName,
        /// Its name.
        chain: String,
        /// Its first rule, if it has any.
        rule: Option<RuleInfo>,
    },
    /// A rule names a device that is not there.
    NoDevice {
        /// The rule.
        rule: RuleInfo,
        /// The name, or the start of names with a `+`.
        device: String,
    },
    /// Packets of new connections are accepted, but no rule accepts their answers.
    Unanswered {
        /// The rule that accepts; `None`: the chain's policy.
        rule: Option<RuleInfo>,
        /// The chain that accepts.
        hook: Hook,
        /// The chain that drops the answers.
        answers: Hook,
    },
    /// A rule of the raw table asks for a connection's state, before connection tracking has looked at the packet.
    StateBeforeTracking {
        /// The rule.
        rule: RuleInfo,
        /// Whether all packets are in the state it asks for, as in INVALID; else none is.
        takes_all: bool,
    },
    /// A chain of IPv6 lets no messages of neighbours through, without which nobody finds anybody.
    NoNeighbours {
        /// The chain.
        hook: Hook,
    },
    /// INVALID packets are forwarded, and since they belong to no connection, they are not translated.
    Untranslated {
        /// The rule that accepts them; `None`: the chain's policy.
        rule: Option<RuleInfo>,
        /// The rule that would translate others.
        translation: RuleInfo,
    },
    /// A rule gives forwarded connections another source, and FORWARD lets none of them begin.
    NothingForwarded {
        /// The rule.
        translation: RuleInfo,
    },
    /// A rule masquerades whatever leaves, wherever it comes from and goes to.
    MasqueradesEverywhere {
        /// The rule.
        rule: RuleInfo,
    },
    /// A rule accepts so many packets a time, and nothing behind it drops the rest.
    LimitWithoutDrop {
        /// The rule.
        rule: RuleInfo,
    },
    /// A rule translates to a range of addresses whose first is behind its last: to any address but those between.
    FallingRange {
        /// The rule.
        rule: RuleInfo,
    },
    /// A rule gives connections a source that is no address of this host.
    ForeignSource {
        /// The rule.
        rule: RuleInfo,
        /// The first address that it gives.
        address: IpAddr,
    },
    /// A rule sends connections to a host that FORWARD lets none through to.
    NotForwarded {
        /// The rule.
        rule: RuleInfo,
        /// The host.
        address: IpAddr,
    },
}

impl RuleSet {
    /// All rules that attach a helper, in order, whether packets get to them or not.
    #[must_use]
    pub fn attachments(&self) -> Vec<Attachment> {
        let reader = Reader::new(self);
        let attached = reader.all_rules().filter_map(|(table, chain, index, rule)| {
            let Jump::Target(Target::Ct(ct)) = &rule.jump else { return None };
            let (helper, protocol) = ct.helper().zip(rule.header.only_protocol())?;
            let rule = reader.info(table.name, chain, index)?;
            Some(Attachment { helper, protocol, rule })
        });
        attached.collect()
    }

    /// Reviews the rules as a gateway with these devices would use them.
    #[must_use]
    pub fn review(&self, devices: &Devices) -> Review {
        let reader = Reader::new(self);
        let mut remarks = Vec::new();
        for table in reader.tables.iter() {
            remarks.extend(reach::remarks(&reader, table));
            remarks.extend(reader.unknown_devices(table, devices));
        }
        remarks.extend(early::remarks(&reader));
        remarks.extend(neighbours::remarks(&reader));
        remarks.extend(answers::remarks(&reader));
        remarks.extend(invalid::remark(&reader));
        remarks.extend(forwarding::remark(&reader));
        remarks.extend(habits::remarks(&reader, devices));
        Review {
            remarks,
            translation: reader.first(|_, rule| is_translation(rule)),
            related: reader.first(|_, rule| accepts_by_word(rule, StateSet::RELATED)),
            helper: reader.first(|_, rule| matches!(&rule.jump, Jump::Target(Target::Ct(ct)) if ct.names_helper())),
        }
    }
}

/// That a rule attaches a helper to connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// The helper.
    pub helper: HelperId,
    /// The only protocol that the rule is for.
    pub protocol: Protocol,
    /// The rule.
    pub rule: RuleInfo,
}

/// The rules, and how they are called.
struct Reader<'r> {
    rules: &'r RuleSet,
    tables: &'r Tables,
    /// In the order of the places.
    numbers: Vec<(Place, RuleId)>,
}

impl<'r> Reader<'r> {
    fn new(rules: &'r RuleSet) -> Self {
        let mut numbers: Vec<_> = rules.places().map(|(id, place)| (place, id)).collect();
        numbers.sort_unstable_by_key(|(place, _)| *place);
        Self { rules, tables: rules.tables(), numbers }
    }

    /// All rules, each with its table, and the numbers of its chain there and of itself in that.
    fn all_rules(&self) -> impl Iterator<Item = (&'r Table, usize, usize, &'r Rule)> + use<'r> {
        let chains = |table: &'r Table| table.chains.iter().enumerate().map(move |(at, chain)| (table, at, chain));
        self.tables.iter().flat_map(chains).flat_map(|(table, at, chain)| {
            chain.rules.iter().enumerate().map(move |(index, rule)| (table, at, index, rule))
        })
    }

    fn table(&self, name: TableName) -> Option<&'r Table> {
        self.tables.tables[name as usize].as_ref()
    }

    /// A rule in words, by table, chain and index.
    fn info(&self, table: TableName, chain: usize, rule: usize) -> Option<RuleInfo> {
        let place = Place { table, chain: chain as u32, rule: rule as u32 };
        let at = self.numbers.binary_search_by_key(&place, |(place, _)| *place).ok()?;
        self.rules.find(self.numbers[at].1)
    }

    /// The first rule that is such.
    fn first(&self, is_such: impl Fn(&Table, &Rule) -> bool) -> Option<RuleInfo> {
        let (table, chain, index, _) = self.all_rules().find(|(table, .., rule)| is_such(table, rule))?;
        self.info(table.name, chain, index)
    }

    fn unknown_devices(&self, table: &Table, devices: &Devices) -> Vec<Remark> {
        let loopback = devices.find(DeviceId::LOOPBACK);
        let is_there = |asked: &super::header::Interface| {
            devices.iter().map(|(_, device)| device).chain(loopback).any(|device| asked.matches(&device.name))
        };
        let mut told: Vec<String> = Vec::new();
        let mut remarks = Vec::new();
        for (at, chain) in table.chains.iter().enumerate() {
            for (index, rule) in chain.rules.iter().enumerate() {
                for asked in [&rule.header.input, &rule.header.output].into_iter().flatten() {
                    let mut device = String::new();
                    asked.what.print(&mut device);
                    if is_there(&asked.what) || told.contains(&device) {
                        continue;
                    }
                    told.push(device.clone());
                    remarks.extend(self.info(table.name, at, index).map(|rule| Remark::NoDevice { rule, device }));
                }
            }
        }
        remarks
    }
}

/// The built-in chain at a hook.
fn built_in(table: &Table, hook: Hook) -> Option<(usize, &Chain)> {
    table.chains.iter().enumerate().find(|(_, chain)| chain.policy.is_some_and(|policy| policy.hook == hook))
}

/// Whether a rule matches every packet.
fn takes_all(rule: &Rule) -> bool {
    rule.header == super::header::Header::default() && rule.matches.iter().all(|asked| asked.fold() == Fold::Nothing)
}

/// Whether a rule may match a packet in one of these states.
fn may_match(rule: &Rule, states: StateSet) -> bool {
    rule.matches.iter().all(|asked| asked.possible_states().intersects(states))
}

/// Whether a rule asks for these states by their word, and accepts.
fn accepts_by_word(rule: &Rule, states: StateSet) -> bool {
    let named = |asked: &Match| matches!(asked.fold(), Fold::States(asked) if asked.intersects(states));
    rule.jump == Jump::Accept && rule.matches.iter().any(named)
}

/// Whether a rule translates addresses or ports.
fn is_translation(rule: &Rule) -> bool {
    matches!(rule.jump, Jump::Target(Target::Snat(_) | Target::Masquerade(_) | Target::Dnat(_) | Target::Redirect(_)))
}

/// Whether a rule ends the packet's way with a drop.
fn is_drop(rule: &Rule) -> bool {
    matches!(rule.jump, Jump::Drop | Jump::Target(Target::Reject(_)))
}

/// The name of a user chain, as remarks keep it.
fn name_of(chain: &Chain) -> String {
    chain.name.as_str().to_owned()
}
