//! `-m addrtype`: what an address is to this host (Linux v6.18: `net/netfilter/xt_addrtype.c`, `addrtype_mt_v1()`, which
//! asks the routing table "local" and nothing else).

use alloc::{format, string::String};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::{Answer, Matching};
use crate::{
    conntrack::Family,
    device::{Device, Devices},
    frame::DeviceId,
    netfilter::{
        Hook, View,
        error::{Fault, Flaw, Noun},
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not},
            values,
        },
        walk::{Depends, Fingerprint},
    },
};

/// Kinds of addresses, of the source, of the destination or of both.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Addrtype {
    source: Option<Not<Kinds>>,
    destination: Option<Not<Kinds>>,
    device: Which,
}

/// Whose addresses count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    All,
    Input,
    Output,
}

/// A set of [`KINDS`], one bit each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kinds(u16);

impl Matching for Addrtype {
    const SPEC: &'static Spec = &Spec {
        name: "addrtype",
        options: &[
            Opt::value(&["src-type"]).inverting(),
            Opt::value(&["dst-type"]).inverting(),
            Opt::flag(&["limit-iface-in"]),
            Opt::flag(&["limit-iface-out"]),
        ],
    };

    fn hooks(&self) -> &'static [Hook] {
        match self.device {
            Which::All => &Hook::ALL,
            Which::Input => &[Hook::Prerouting, Hook::Input, Hook::Forward],
            Which::Output => &[Hook::Forward, Hook::Output, Hook::Postrouting],
        }
    }

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["limit-iface-in", "limit-iface-out"])?;
        let kinds = |name| match given.find(name) {
            Some(item) => Ok(Some(Not { inverted: item.inverted, what: Kinds::parse(item.value(), given.family)? })),
            None => Ok(None),
        };
        let (source, destination) = (kinds("src-type")?, kinds("dst-type")?);
        if source.is_none() && destination.is_none() {
            return Err(given.needs("`--src-type` or `--dst-type`"));
        }
        let device = match (given.has("limit-iface-in"), given.has("limit-iface-out")) {
            (true, _) => Which::Input,
            (_, true) => Which::Output,
            (false, false) => Which::All,
        };
        Ok(Self { source, destination, device })
    }

    fn print(&self, out: &mut String) {
        for (name, kinds) in [("src-type", self.source), ("dst-type", self.destination)] {
            if let Some(kinds) = kinds {
                print_not(out, kinds.inverted);
                out.push_str(&format!(" --{name} "));
                kinds.what.print(out);
            }
        }
        out.push_str(match self.device {
            Which::All => "",
            Which::Input => " --limit-iface-in",
            Which::Output => " --limit-iface-out",
        });
    }

    fn test(&mut self, facts: &Facts, view: &mut View<'_>) -> Answer {
        let holds = |asked: Option<Not<Kinds>>, address| {
            asked.is_none_or(|asked| self.is_of(asked.what, address, view) != asked.inverted)
        };
        Answer::from(holds(self.source, facts.source_ip()) && holds(self.destination, facts.destination_ip()))
    }

    fn depends(&self) -> Depends {
        match self.device {
            Which::All => Depends::FLOW,
            Which::Input => Depends::On(Fingerprint::INPUT),
            Which::Output => Depends::On(Fingerprint::OUTPUT),
        }
    }

    fn found(&self, facts: &Facts, view: &View<'_>) -> String {
        let name = |address| match address {
            IpAddr::V4(v4) => KINDS[self.kind(v4, view)],
            IpAddr::V6(v6) => self.kind_v6(v6, view),
        };
        match (self.source, self.destination) {
            (Some(_), Some(_)) => {
                format!(
                    "comes from a {} and goes to a {} address",
                    name(facts.source_ip()),
                    name(facts.destination_ip())
                )
            }
            (Some(_), None) => format!("comes from a {} address", name(facts.source_ip())),
            (None, _) => format!("goes to a {} address", name(facts.destination_ip())),
        }
    }
}

impl Addrtype {
    /// Whether an address is of one of some kinds.
    fn is_of(&self, kinds: Kinds, address: IpAddr, view: &View<'_>) -> bool {
        match address {
            IpAddr::V4(v4) => kinds.has(self.kind(v4, view)),
            IpAddr::V6(v6) => self.is_of_v6(kinds, v6, view),
        }
    }

    /// The kinds of IPv6 are not exclusive: what an address looks like has to agree with all that are named, and of LOCAL
    /// and ANYCAST one has to hold (Linux v6.18: `net/netfilter/xt_addrtype.c`, `match_type6()`).
    fn is_of_v6(&self, kinds: Kinds, address: Ipv6Addr, view: &View<'_>) -> bool {
        let is_unicast = !address.is_multicast() && !address.is_unspecified();
        let looks = [(UNSPEC, address.is_unspecified()), (UNICAST, is_unicast), (MULTICAST, address.is_multicast())];
        if looks.iter().any(|&(kind, holds)| kinds.has(kind) && !holds) {
            return false;
        }
        if !kinds.has(LOCAL) && !kinds.has(ANYCAST) {
            return true;
        }
        let only = self.only(view);
        let is_local = (address.is_loopback() && only.is_none()) || owns(view.devices, only, address.into());
        let is_anycast = only.is_none()
            && of(view.devices, None)
                .flat_map(|device| &device.addresses)
                .any(|own| own.routers_anycast() == Some(address));
        (kinds.has(LOCAL) && is_local) || (kinds.has(ANYCAST) && is_anycast)
    }

    /// The word that says most of an address.
    fn kind_v6(&self, address: Ipv6Addr, view: &View<'_>) -> &'static str {
        let kinds = [UNSPEC, MULTICAST, LOCAL, ANYCAST, UNICAST];
        let kind = kinds.into_iter().find(|&kind| self.is_of_v6(Kinds(1 << kind), address, view));
        KINDS[kind.unwrap_or(UNICAST)]
    }

    /// The device whose addresses alone count.
    const fn only(&self, view: &View<'_>) -> Option<DeviceId> {
        match self.device {
            Which::All => None,
            Which::Input => view.input,
            Which::Output => view.output,
        }
    }

    /// What an address is to this host, as an index into [`KINDS`].
    fn kind(&self, address: Ipv4Addr, view: &View<'_>) -> usize {
        let only = self.only(view);
        if address.octets()[0] == 0 || address.is_broadcast() {
            BROADCAST
        } else if address.is_multicast() {
            MULTICAST
        } else if (address.is_loopback() && only.is_none()) || owns(view.devices, only, address.into()) {
            LOCAL
        } else if is_broadcast(view.devices, only, address) {
            BROADCAST
        } else {
            UNICAST
        }
    }
}

/// Whether some devices, or one only, have the address.
fn owns(devices: &Devices, only: Option<DeviceId>, address: IpAddr) -> bool {
    of(devices, only).flat_map(|device| &device.addresses).any(|own| own.address == address)
}

fn is_broadcast(devices: &Devices, only: Option<DeviceId>, address: Ipv4Addr) -> bool {
    of(devices, only).flat_map(|device| &device.addresses).any(|own| own.broadcast() == Some(address))
}

fn of(devices: &Devices, only: Option<DeviceId>) -> impl Iterator<Item = &Device> {
    devices.iter().filter(move |(id, _)| only.is_none_or(|only| only == *id)).map(|(_, device)| device)
}

impl Kinds {
    /// Reads names separated by commas; the start of a name suffices, in any case.
    fn parse(word: &Word, family: Family) -> Result<Self, Flaw> {
        let mut kinds = 0;
        for text in word.text.split(',') {
            match KINDS.iter().position(|name| values::starts(name, text)) {
                Some(kind) if family == Family::Ipv6 && !KINDS_V6.contains(&kind) => {
                    let why = "an IPv6 address is never of that kind here";
                    return Err(Fault::Unsupported { noun: Noun::Flag, name: text.into(), why }.at(word.column));
                }
                Some(kind) => kinds |= 1 << kind,
                None => return Err(Fault::unknown(Noun::Flag, text, KINDS.into_iter()).at(word.column)),
            }
        }
        Ok(Self(kinds))
    }

    const fn has(self, kind: usize) -> bool {
        self.0 & 1 << kind != 0
    }

    fn print(self, out: &mut String) {
        let mut separator = "";
        for (_, name) in KINDS.iter().enumerate().filter(|(kind, _)| self.has(*kind)) {
            out.push_str(separator);
            out.push_str(name);
            separator = ",";
        }
    }
}

const UNSPEC: usize = 0;
const UNICAST: usize = 1;
const LOCAL: usize = 2;
const BROADCAST: usize = 3;
const ANYCAST: usize = 4;
const MULTICAST: usize = 5;

/// What IPv6 knows; Linux also takes UNREACHABLE, which asks the routes.
const KINDS_V6: [usize; 5] = [UNSPEC, UNICAST, LOCAL, ANYCAST, MULTICAST];

/// Linux: `enum` of `RTN_*`. Those that the table "local" never answers can be asked for and match nothing.
static KINDS: [&str; 12] = [
    "UNSPEC",
    "UNICAST",
    "LOCAL",
    "BROADCAST",
    "ANYCAST",
    "MULTICAST",
    "BLACKHOLE",
    "UNREACHABLE",
    "PROHIBIT",
    "THROW",
    "NAT",
    "XRESOLVE",
];
