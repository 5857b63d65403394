//! `-m set`: whether what a packet shows is in a set (Linux v6.18: `net/netfilter/xt_set.c`, `set_match_v4()`; reading and
//! printing as iptables 1.8.9 does, `extensions/libxt_set.c`).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::netfilter::{
    View,
    error::Flaw,
    lists::sets::{Compare, Demand, Selected, probe::Probe},
    program::{
        facts::Facts,
        held::{Beside, Foreseen, Likely, OuterEndpoint},
    },
    review::SetUsage,
    save::{
        options::{Given, Opt, Spec},
        text::print_not,
        values,
    },
    walk::Depends,
};

/// A set, and what of it counts.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Set {
    selected: Selected,
    inverted: bool,
    demand: Demand,
}

impl Set {
    /// The set's name, and what is asked of it.
    pub(in crate::netfilter) fn named(&self) -> (&str, SetUsage) {
        (self.selected.name(), if self.inverted { SetUsage::AsksNot } else { SetUsage::Asks })
    }

    /// Whether it holds for a packet, as the set is now; nothing counts that. `None` where the count is asked for, to which the packet
    /// would add.
    pub(in crate::netfilter) fn foretell(&mut self, view: &mut View<'_>) -> Option<bool> {
        let demand = Demand { count: false, count_members: false, ..self.demand };
        let asks_count = demand.packets.is_some() || demand.bytes.is_some();
        (!asks_count).then(|| self.holds(view, &demand))
    }

    fn holds(&mut self, view: &mut View<'_>, demand: &Demand) -> bool {
        // The packet shows itself to sets that are part of the view: they are taken out for that long.
        let mut sets = core::mem::take(&mut view.lists.sets);
        let found = Probe::of(view).is_some_and(|probe| sets.test(view.now, &mut self.selected, &probe, demand));
        view.lists.sets = sets;
        found != self.inverted
    }

    /// What it says of callers; nothing counts them.
    pub(in crate::netfilter) fn foresee(&mut self, endpoint: &OuterEndpoint, beside: &mut Beside<'_>) -> Foreseen {
        let names_port = !self.inverted && beside.sets.names_port_of_destination(&self.selected);
        if beside.sets.asks_who(&self.selected) {
            return Foreseen { likely: Likely::Maybe, names_port };
        }
        let probe = Probe::of_callers(endpoint, beside.devices);
        let demand = Demand { count: false, count_members: false, ..self.demand };
        let found = beside.sets.test(beside.now, &mut self.selected, &probe, &demand);
        Foreseen { likely: Likely::of(found != self.inverted, true), names_port }
    }
}

impl Matching for Set {
    const SPEC: &'static Spec = &Spec {
        name: "set",
        options: &[
            Opt::value(&["match-set", "set"]).pair().inverting(),
            Opt::flag(&["return-nomatch"]),
            Opt::flag(&["update-counters"]).inverting(),
            Opt::flag(&["update-subcounters"]).inverting(),
            Opt::value(&["packets-eq"]).inverting(),
            Opt::value(&["packets-lt"]),
            Opt::value(&["packets-gt"]),
            Opt::value(&["bytes-eq"]).inverting(),
            Opt::value(&["bytes-lt"]),
            Opt::value(&["bytes-gt"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("match-set", "`--match-set NAME src`")?;
        let selected = Selected::parse(item, given)?;
        let updates = |name: &str| !given.find(name).is_some_and(|item| item.inverted);
        let demand = Demand {
            count: updates("update-counters"),
            count_members: updates("update-subcounters"),
            exceptions: given.has("return-nomatch"),
            packets: comparison(given, ["packets-eq", "packets-lt", "packets-gt"])?,
            bytes: comparison(given, ["bytes-eq", "bytes-lt", "bytes-gt"])?,
        };
        Ok(Self { selected, inverted: item.inverted, demand })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        let _ = write!(out, " --match-set {}", self.selected);
        if self.demand.exceptions {
            out.push_str(" --return-nomatch");
        }
        if !self.demand.count {
            out.push_str(" ! --update-counters");
        }
        if !self.demand.count_members {
            out.push_str(" ! --update-subcounters");
        }
        for (name, compare) in [("packets", self.demand.packets), ("bytes", self.demand.bytes)] {
            let _ = match compare {
                None => Ok(()),
                Some(Compare::Equal(count)) => write!(out, " --{name}-eq {count}"),
                Some(Compare::NotEqual(count)) => write!(out, " ! --{name}-eq {count}"),
                Some(Compare::Less(count)) => write!(out, " --{name}-lt {count}"),
                Some(Compare::Greater(count)) => write!(out, " --{name}-gt {count}"),
            };
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let demand = self.demand;
        Answer::from(self.holds(view, &demand))
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, _: &View<'_>) -> String {
        let is = if self.inverted { "is" } else { "is not" };
        format!("{is} in set {}", self.selected.name())
    }
}

/// What a counter is compared with: of three options one at most.
fn comparison(given: &Given<'_>, [equal, less, greater]: [&str; 3]) -> Result<Option<Compare>, Flaw> {
    given.exclusive(&[equal, less, greater])?;
    for (name, make) in
        [(less, Compare::Less as fn(u64) -> Compare), (greater, Compare::Greater), (equal, Compare::Equal)]
    {
        let Some(item) = given.find(name) else { continue };
        let count = values::ranged(item.value(), 0, u64::MAX, "a number of 64 bits")?;
        return Ok(Some(if item.inverted { Compare::NotEqual(count) } else { make(count) }));
    }
    Ok(None)
}
