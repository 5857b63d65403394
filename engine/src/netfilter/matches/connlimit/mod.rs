//! `-m connlimit`: how many connections an address has (Linux v6.18: `net/netfilter/xt_connlimit.c`, `connlimit_mt()`;
//! `net/netfilter/nf_conncount.c`, `__nf_conncount_add()`).
//!
//! A rule counts the connections whose packets it has seen, as far as they are still tracked and not closed. Linux skips
//! the check of who is still there within one tick; here it is always done.

mod counted;

use alloc::{format, string::String};
use core::fmt::Write;

use counted::{Counted, Standing};

use super::{Answer, MatchState, Matching, Whose};
use crate::{
    conntrack::{Connection, Family, ProtocolState, TcpState, Tuple, Zone},
    netfilter::{
        View,
        ends::{Ends, address_bits, masked, prefix_mask},
        error::Flaw,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            values,
        },
        walk::Depends,
    },
};

/// A number of connections, and whose they are.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Connlimit {
    limit: u32,
    above: bool,
    prefix: u8,
    destination: bool,
    counted: Counted,
}

impl Matching for Connlimit {
    const SPEC: &'static Spec = &Spec {
        name: "connlimit",
        options: &[
            Opt::value(&["connlimit-upto"]).inverting(),
            Opt::value(&["connlimit-above"]).inverting(),
            Opt::value(&["connlimit-mask"]),
            Opt::flag(&["connlimit-saddr"]),
            Opt::flag(&["connlimit-daddr"]),
        ],
    };
    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["connlimit-upto", "connlimit-above"])?;
        given.exclusive(&["connlimit-saddr", "connlimit-daddr"])?;
        let (item, above) = match (given.find("connlimit-upto"), given.find("connlimit-above")) {
            (Some(item), _) => (item, item.inverted),
            (None, Some(item)) => (item, !item.inverted),
            (None, None) => return Err(given.needs("`--connlimit-upto` or `--connlimit-above` with a number")),
        };
        let whole = address_bits(given.family);
        let prefix = match given.find("connlimit-mask") {
            // More bits than an address of IPv4 has are all of it, as in the tool.
            Some(item) if given.family == Family::Ipv4 && values::mark(item.value()).is_ok_and(|bits| bits > 32) => {
                whole
            }
            Some(item) => values::prefix_length(item.value(), given.family)?,
            None => whole,
        };
        let (limit, destination) = (values::mark(item.value())?, given.has("connlimit-daddr"));
        Ok(Self { limit, above, prefix, destination, counted: Counted::new() })
    }

    fn print(&self, out: &mut String) {
        let word = if self.above { "above" } else { "upto" };
        let end = if self.destination { "daddr" } else { "saddr" };
        let _ = write!(out, " --connlimit-{word} {} --connlimit-mask {} --connlimit-{end}", self.limit, self.prefix);
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let Some((whose, connection)) = self.key(view) else { return Answer::Drop };
        let Some(count) = self.counted.count(whose, connection, |known| standing(known, view)) else {
            return Answer::Full;
        };
        Answer::from((count as u64 > u64::from(self.limit)) == self.above)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        let count = self.key(view).map_or(0, |(whose, _)| self.counted.of(whose));
        format!("comes from where there are {count} connections")
    }

    fn state(&self) -> Option<MatchState> {
        Some(self.counted.state())
    }

    fn set_state(&mut self, state: MatchState) {
        if let MatchState::Connlimit(lists, tidied) = state {
            self.counted = Counted::restore(lists, tidied);
        }
    }
}

impl Connlimit {
    /// With whose connections the packet's is counted, and how that one is found.
    fn key(&self, view: &View<'_>) -> Option<(Whose, (Zone, Tuple))> {
        let ends = Ends::of(view.packet)?;
        let (zone, tuple) = match view.connection() {
            Some((connection, _)) => (connection.zone(), connection.original),
            None => (Zone::DEFAULT, Tuple::of(view.packet)?),
        };
        let address = if self.destination { ends.destination } else { ends.source };
        Some(((zone.id, masked(address, prefix_mask(self.prefix))), (zone, tuple)))
    }
}

/// What has become of a connection.
fn standing((zone, tuple): &(Zone, Tuple), view: &View<'_>) -> Standing {
    let found = view.conntrack.find(view.now, *zone, tuple);
    match found.and_then(|(id, _)| view.conntrack.connection(id)) {
        None => Standing::Gone,
        Some(connection) if is_closed(connection) => Standing::Closed,
        Some(_) => Standing::Alive,
    }
}

fn is_closed(connection: &Connection) -> bool {
    matches!(&connection.protocol, ProtocolState::Tcp(tcp) if matches!(tcp.state, TcpState::TimeWait | TcpState::Close))
}
