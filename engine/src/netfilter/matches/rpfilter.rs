//! `-m rpfilter`: whether an answer would leave by the device that the packet came in by (RFC 3704; Linux v6.18:
//! `net/ipv4/netfilter/ipt_rpfilter.c`, `rpfilter_mt()`).
//!
//! Routes do not depend on marks here, so that `--validmark` changes nothing.

use alloc::{format, string::String};
use core::net::IpAddr;

use super::{Answer, Matching};
use crate::{
    device::Device,
    frame::DeviceId,
    ip::{Fate, route::is_local_group},
    netfilter::{
        Hook, TableName, View,
        error::Flaw,
        program::facts::Facts,
        save::options::{Given, Opt, Spec},
        walk::Depends,
    },
};

/// How strictly the way back is checked.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Rpfilter {
    /// Any way back will do.
    loose: bool,
    valid_mark: bool,
    /// This host's own addresses may come in from outside.
    accept_local: bool,
    inverted: bool,
}

impl Matching for Rpfilter {
    const SPEC: &'static Spec = &Spec {
        name: "rpfilter",
        options: &[
            Opt::flag(&["loose"]),
            Opt::flag(&["validmark"]),
            Opt::flag(&["accept-local"]),
            Opt::flag(&["invert"]),
        ],
    };

    fn tables(&self) -> &'static [TableName] {
        &[TableName::Raw, TableName::Mangle]
    }

    fn hooks(&self) -> &'static [Hook] {
        &[Hook::Prerouting]
    }

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        Ok(Self {
            loose: given.has("loose"),
            valid_mark: given.has("validmark"),
            accept_local: given.has("accept-local"),
            inverted: given.has("invert"),
        })
    }

    fn print(&self, out: &mut String) {
        for (name, given) in [
            ("loose", self.loose),
            ("validmark", self.valid_mark),
            ("accept-local", self.accept_local),
            ("invert", self.inverted),
        ] {
            if given {
                out.push_str(" --");
                out.push_str(name);
            }
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        Answer::from(self.has_way_back(view) != self.inverted)
    }

    fn depends(&self) -> Depends {
        // Routes change without the rules being told.
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        let source = view.packet.ip().map(|ip| ip.source());
        let name = |id: DeviceId| view.devices.find(id).map_or("", |device| device.name.as_str());
        match source.map(|source| view.routes.from_here(view.devices, source, view.input)) {
            Some(Fate::Forward(hop)) => format!("would be answered through {}", name(hop.device)),
            Some(Fate::Local) => "comes from an address of this host".into(),
            Some(Fate::Nowhere(_)) | None => "cannot be answered: there is no route back".into(),
        }
    }
}

impl Rpfilter {
    fn has_way_back(&self, view: &View<'_>) -> bool {
        let Some((source, destination)) = view.packet.ip().map(|ip| (ip.source(), ip.destination())) else {
            return true;
        };
        if view.input == Some(DeviceId::LOOPBACK) {
            return true;
        }
        // Who has no address yet asks everybody.
        let asks_everybody = match (source, destination) {
            (IpAddr::V4(source), IpAddr::V4(destination)) => {
                source.octets()[0] == 0 && (destination.is_broadcast() || is_local_group(destination))
            }
            (source, _) => source.is_unspecified(),
        };
        if asks_everybody {
            return true;
        }
        let device = view.input.and_then(|id| view.devices.find(id));
        let is_on = |device: &Device| device.addresses.iter().any(|own| own.address == source);
        match view.routes.from_here(view.devices, source, view.input) {
            Fate::Local => self.accept_local && (self.loose || device.is_some_and(is_on)),
            _ if view.devices.is_local(source) => false,
            Fate::Forward(hop) => self.loose || Some(hop.device) == view.input,
            Fate::Nowhere(_) => false,
        }
    }
}
