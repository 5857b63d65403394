//! `-j SET`: puts what a packet shows into sets, or takes it out (Linux v6.18: `net/netfilter/xt_set.c`, `set_target_v3()`).

use alloc::string::String;
use core::fmt::Write;

use super::{Next, Targeting};
use crate::netfilter::{
    RuleId, View,
    error::{Fault, Flaw},
    lists::sets::{Addition, Selected, probe::Probe},
    review::SetUsage,
    save::{
        options::{Given, Item, Opt, Spec},
        values,
    },
};

/// What goes into which set, and out of which.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct SetTarget {
    add: Option<Selected>,
    delete: Option<Selected>,
    /// Takes what is there already as new: its timeout starts again.
    exist: bool,
    /// Seconds, instead of the set's own timeout.
    timeout: Option<u32>,
}

impl SetTarget {
    /// The names of the sets, and what becomes of them.
    pub(in crate::netfilter) fn named(&self) -> [Option<(&str, SetUsage)>; 2] {
        let adds = self.add.as_ref().map(|add| (add.name(), SetUsage::Adds));
        [adds, self.delete.as_ref().map(|delete| (delete.name(), SetUsage::Removes))]
    }
}

impl Targeting for SetTarget {
    const SPEC: &'static Spec = &Spec {
        name: "SET",
        options: &[
            Opt::value(&["add-set"]).pair(),
            Opt::value(&["del-set"]).pair(),
            Opt::flag(&["exist"]),
            Opt::value(&["timeout"]),
            Opt::value(&["map-set"]).pair(),
            Opt::flag(&["map-mark"]),
            Opt::flag(&["map-prio"]),
            Opt::flag(&["map-queue"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        if let Some(item) = ["map-set", "map-mark", "map-prio", "map-queue"].iter().find_map(|name| given.find(name)) {
            let why = "marks, classes and queues are not kept with the elements of sets here";
            let noun = crate::netfilter::Noun::Option;
            return Err(Fault::Unsupported { noun, name: item.name(), why }.at(item.column));
        }
        let selected = |name: &str| match given.find(name) {
            Some(item) => Selected::parse(item, given).map(Some),
            None => Ok(None),
        };
        let (add, delete) = (selected("add-set")?, selected("del-set")?);
        if add.is_none() && delete.is_none() {
            return Err(given.needs("`--add-set NAME src` or `--del-set NAME src`"));
        }
        let of_add = |item: &&Item| matches!(item.id(), "exist" | "timeout") && add.is_none();
        if let Some(item) = given.items.iter().find(of_add) {
            return Err(Fault::Needs { what: item.name(), needed: "`--add-set` in the same rule" }.at(item.column));
        }
        let timeout = match given.find("timeout") {
            Some(item) => Some(values::ranged(item.value(), 0, TIMEOUT_MAX, "seconds from 0 to 2147483")? as u32),
            None => None,
        };
        Ok(Self { add, delete, exist: given.has("exist"), timeout })
    }

    fn print(&self, out: &mut String) {
        if let Some(add) = &self.add {
            let _ = write!(out, " --add-set {add}");
            if self.exist {
                out.push_str(" --exist");
            }
            if let Some(timeout) = self.timeout {
                let _ = write!(out, " --timeout {timeout}");
            }
        }
        if let Some(delete) = &self.delete {
            let _ = write!(out, " --del-set {delete}");
        }
    }

    fn apply(&mut self, _: RuleId, view: &mut View<'_>) -> Next {
        // The packet shows itself to sets that are part of the view: they are taken out for that long.
        let mut sets = core::mem::take(&mut view.lists.sets);
        let addition = Addition { now: view.now, exist: self.exist, timeout: self.timeout };
        if let Some(probe) = Probe::of(view) {
            if let Some(add) = &mut self.add {
                sets.add(add, &probe, addition);
            }
            if let Some(delete) = &mut self.delete {
                sets.remove(delete, &probe);
            }
        }
        view.lists.sets = sets;
        Next::Rule
    }

    fn is_repeatable(&self) -> bool {
        false
    }
}

/// Linux: `IPSET_MAX_TIMEOUT`, in seconds what 32 bits of milliseconds hold, halved.
const TIMEOUT_MAX: u64 = u32::MAX as u64 / 1000 / 2;
