//! `-m eui64`: whether the sender has made its address from that of its station (RFC 4291, appendix A; Linux v6.18:
//! `net/ipv6/netfilter/ip6t_eui64.c`, `eui64_mt6()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::{
    conntrack::Family,
    netfilter::{
        Hook, View,
        error::Flaw,
        program::facts::Facts,
        save::options::{Given, Spec},
        walk::Depends,
    },
    wire::ipv6::link_local,
};

/// It has no options. A packet that came over no Ethernet does not match.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Eui64;

impl Matching for Eui64 {
    const SPEC: &'static Spec = &Spec { name: "eui64", options: &[] };
    const FAMILY: Option<Family> = Some(Family::Ipv6);

    fn hooks(&self) -> &'static [Hook] {
        &[Hook::Prerouting, Hook::Input, Hook::Forward]
    }

    fn parse(_: &Given<'_>) -> Result<Self, Flaw> {
        Ok(Self)
    }

    fn print(&self, _: &mut String) {}

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let ethernet = view.packet.ethernet().filter(|_| view.input.is_some());
        let (Some(ethernet), Some(ip)) = (ethernet, view.packet.ipv6()) else { return Answer::No };
        Answer::from(ip.source[8..] == link_local(ethernet.source).octets()[8..])
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match view.packet.ethernet().filter(|_| view.input.is_some()) {
            Some(header) => format!("comes from station {}", header.source),
            None => "came over no Ethernet".into(),
        }
    }
}
