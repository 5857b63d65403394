//! `-m recent`: whether an address was seen before, and noting that it is (Linux v6.18: `net/netfilter/xt_recent.c`,
//! `recent_mt()`; reading and printing as iptables 1.8.9 does, `extensions/libxt_recent.c`).

use alloc::{format, string::String};
use core::{fmt::Write, time::Duration};

use super::{Answer, Matching};
use crate::{
    conntrack::{Address, Family},
    limits::RECENT_STAMPS_MAX,
    netfilter::{
        View,
        ends::{Ends, masked},
        error::{Fault, Flaw},
        lists::{Claims, checked_name, recent},
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::print_not,
            values,
        },
        walk::Depends,
    },
    time::Instant,
};

/// What is asked of a list, or done to it.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Recent {
    action: Action,
    inverted: bool,
    seconds: u32,
    reap: bool,
    hits: u32,
    ttl: bool,
    name: String,
    family: Family,
    mask: Address,
    destination: bool,
    /// Where the list was found last.
    hint: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Action {
    Set,
    Check,
    Update,
    Remove,
}

impl Matching for Recent {
    const SPEC: &'static Spec = &Spec {
        name: "recent",
        options: &[
            Opt::flag(&["set"]).inverting(),
            Opt::flag(&["rcheck"]).inverting(),
            Opt::flag(&["update"]).inverting(),
            Opt::flag(&["remove"]).inverting(),
            Opt::value(&["seconds"]),
            Opt::flag(&["reap"]),
            Opt::value(&["hitcount"]),
            Opt::flag(&["rttl"]),
            Opt::value(&["name"]),
            Opt::value(&["mask"]),
            Opt::flag(&["rsource"]),
            Opt::flag(&["rdest"]),
        ],
    };
    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["set", "rcheck", "update", "remove"])?;
        let found = ACTIONS.iter().find_map(|(name, action)| Some((given.find(name)?, *action)));
        let (item, action) = found.ok_or_else(|| given.needs("`--set`, `--rcheck`, `--update` or `--remove`"))?;
        let asks = matches!(action, Action::Check | Action::Update);
        for name in ["seconds", "hitcount", "rttl"] {
            if let Some(item) = given.find(name).filter(|_| !asks) {
                let needed = "`--rcheck` or `--update` in the same match";
                return Err(Fault::Needs { what: item.name(), needed }.at(item.column));
            }
        }
        if let Some(item) = given.find("reap").filter(|_| !given.has("seconds")) {
            return Err(Fault::Needs { what: "--reap".into(), needed: "`--seconds`" }.at(item.column));
        }
        let seconds = match given.find("seconds") {
            Some(item) => match item.value().text.parse::<i32>() {
                // What the tool prints of a number that is larger than those with a sign, though it does not read it.
                Ok(number @ ..0) => number.cast_unsigned(),
                Ok(_) | Err(_) => {
                    values::ranged(item.value(), 1, u64::from(u32::MAX), "a number of seconds from 1 to 4294967295")?
                        as u32
                }
            },
            None => 0,
        };
        let hits = match given.find("hitcount") {
            Some(item) => {
                let max = u64::from(RECENT_STAMPS_MAX - 1);
                values::ranged(item.value(), 0, max, "a number of packets from 0 to 65535")? as u32
            }
            None => 0,
        };
        let name = match given.find("name") {
            Some(item) => checked_name(item.value(), NAME_BYTES_MAX)?,
            None => "DEFAULT".into(),
        };
        let mask = match given.find("mask") {
            Some(item) => {
                let wants = "a mask such as 255.255.255.0 or ffff:ffff::";
                parse_mask(&item.value().text, given.family).ok_or_else(|| item.value().bad(wants))?
            }
            None => values::whole_mask(given.family).into(),
        };
        let destination = match (given.find("rsource"), given.find("rdest")) {
            (Some(source), Some(destination)) => destination.column > source.column,
            (_, destination) => destination.is_some(),
        };
        let (reap, ttl) = (given.has("reap"), given.has("rttl"));
        let family = given.family;
        Ok(Self { action, inverted: item.inverted, seconds, reap, hits, ttl, name, family, mask, destination, hint: 0 })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        let name = ACTIONS.iter().find(|(_, action)| *action == self.action).map_or("", |(name, _)| name);
        let _ = write!(out, " --{name}");
        if self.seconds != 0 {
            let _ = write!(out, " --seconds {}", self.seconds.cast_signed());
        }
        if self.reap {
            out.push_str(" --reap");
        }
        if self.hits != 0 {
            let _ = write!(out, " --hitcount {}", self.hits);
        }
        if self.ttl {
            out.push_str(" --rttl");
        }
        let _ = write!(out, " --name {} --mask {}", self.name, self.mask.to_ip(self.family));
        out.push_str(if self.destination { " --rdest" } else { " --rsource" });
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let Some((key, ttl)) = self.key(view) else { return Answer::No };
        let Some(list) = view.lists.recent.find_mut(&self.name, &mut self.hint) else { return Answer::No };
        let found = list.find(key, if self.ttl { ttl } else { 0 });
        let enough = found.map(|entry| self.hits_enough(view.now, entry.stamps()));
        let hit = match (self.action, enough) {
            (Action::Set, _) => {
                list.see(view.now, key, ttl);
                true
            }
            (_, None) => false,
            (Action::Remove, Some(_)) => {
                list.forget(key);
                true
            }
            (Action::Check | Action::Update, Some(enough)) => {
                let hit = enough != self.inverted;
                let update = self.action == Action::Update && hit;
                if self.reap {
                    list.reap(self.since(view.now), update.then_some(key));
                }
                if update {
                    list.see(view.now, key, ttl);
                }
                enough
            }
        };
        Answer::from(hit != self.inverted)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        let entry = self.key(view).and_then(|(key, _)| view.lists.recent.find(&self.name)?.find(key, 0));
        match entry {
            Some(entry) => {
                let age = view.now.since(entry.last_seen()).as_secs();
                format!("was seen {} times, last {age} s ago", entry.stamps().len())
            }
            None => format!("is not in list {}", self.name),
        }
    }

    fn claims(&self, claims: &mut Claims) {
        let fresh = recent::Recent::new(self.hits);
        match claims.recent.iter_mut().find(|(name, _)| *name == self.name) {
            Some((_, known)) if known.hits_max() >= fresh.hits_max() => {}
            Some((_, known)) => *known = fresh,
            None => claims.recent.push((self.name.clone(), fresh)),
        }
    }
}

impl Recent {
    /// Under what the packet is remembered, and the TTL it came with.
    fn key(&self, view: &View<'_>) -> Option<((Family, Address), u8)> {
        let ends = Ends::of(view.packet)?;
        let address = if self.destination { ends.destination } else { ends.source };
        // Behind the routing decision a packet that passes through has one hop less than it came with.
        let hops = ends.hops.wrapping_add(u8::from(view.output.is_some() && view.input.is_some()));
        Some(((ends.family, masked(address, self.mask)), hops))
    }

    fn hits_enough(&self, now: Instant, stamps: &[Instant]) -> bool {
        let since = self.since(now);
        let asked = self.hits.max(1) as usize;
        stamps.iter().filter(|stamp| self.seconds == 0 || **stamp >= since).take(asked).count() == asked
    }

    /// From when on sightings count. Linux counts ticks in 32 bits, so that 17179870 seconds, 198 days, are less than one.
    fn since(&self, now: Instant) -> Instant {
        let ticks = self.seconds.wrapping_mul(TICKS_A_SECOND);
        now - Duration::from_secs(1) / TICKS_A_SECOND * ticks
    }
}

/// The tool takes any address for a mask, also one short of bytes: `24` is 0.0.0.24.
fn parse_mask(text: &str, family: Family) -> Option<Address> {
    match family {
        Family::Ipv4 => values::libc_ipv4(text).map(|mask| Address::v4(mask.octets())),
        Family::Ipv6 => values::address(text, family).map(Address::from),
    }
}

/// Linux: `CONFIG_HZ`.
const TICKS_A_SECOND: u32 = 250;

/// Linux: `XT_RECENT_NAME_LEN` less its final zero.
const NAME_BYTES_MAX: usize = 199;

#[rustfmt::skip]
static ACTIONS: [(&str, Action); 4] = [
    ("set",    Action::Set),
    ("rcheck", Action::Check),
    ("update", Action::Update),
    ("remove", Action::Remove),
];
