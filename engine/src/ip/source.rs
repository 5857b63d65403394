//! Whether an IPv4 packet may come from where it says, by the device that it came in by (RFC 1812, section 5.3.7; RFC 3704).
//!
//! Linux v6.18: `net/ipv4/fib_frontend.c`, `fib_validate_source()`, `__fib_validate_source()`.

use core::net::Ipv4Addr;

use super::route::{Fate, Routes};
use crate::{
    conntrack::Family,
    device::{Device, Devices},
    ending::DropReason,
    frame::DeviceId,
    sysctl::{InterfaceSysctl, OfInterface, Sysctls},
};

/// What is asked of sources, by one device.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sources<'a> {
    input: Option<(DeviceId, &'a Device)>,
    way_back: WayBack,
    tunables: OfInterface,
    sysctls: &'a Sysctls,
}

/// Which way back to a sender there has to be (RFC 3704; `rp_filter`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum WayBack {
    /// None.
    Off,
    /// By the device that its packet came in by.
    Strict,
    /// Any.
    Loose,
}

impl<'a> Sources<'a> {
    pub(super) fn by(devices: &'a Devices, input: Option<DeviceId>, sysctls: &'a Sysctls) -> Self {
        let input = input.and_then(|id| Some((id, devices.find(id)?)));
        let tunables = input.map(|(_, device)| device.tunables).unwrap_or_default();
        let way_back = match tunables.value(InterfaceSysctl::RpFilter, sysctls) {
            0 => WayBack::Off,
            1 => WayBack::Strict,
            _ => WayBack::Loose,
        };
        Self { input, way_back, tunables, sysctls }
    }

    /// Whether this host's own addresses may come in.
    fn accepts_local(&self) -> bool {
        self.tunables.holds(InterfaceSysctl::AcceptLocal, self.sysctls)
    }

    /// Whether 127.0.0.0/8 is an address like others.
    pub(super) fn routes_loopback(&self) -> bool {
        self.tunables.holds(InterfaceSysctl::RouteLocalnet, self.sysctls)
    }

    /// What stands against a source, which is no group, nobody and not everybody.
    pub(super) fn refuse(&self, routes: &Routes, devices: &Devices, source: Ipv4Addr) -> Option<DropReason> {
        let is_local = devices.has_address(source.into()) || source == Ipv4Addr::LOCALHOST;
        if self.way_back == WayBack::Off {
            return (is_local && !self.accepts_local()).then_some(DropReason::IpSourceLocal);
        }
        let is_by_input = if is_local || source.is_loopback() {
            if !self.accepts_local() {
                return Some(DropReason::IpSourceLocal);
            }
            self.input.is_some_and(|(_, device)| device.addresses.iter().any(|own| own.address == source))
        } else if devices.is_directed_broadcast(source.into()) {
            return Some(DropReason::IpSourceInvalid);
        } else {
            match routes.from_here(devices, source.into(), None) {
                Fate::Forward(hop) => self.input.is_some_and(|(id, _)| id == hop.device),
                Fate::Local | Fate::Nowhere(_) => return Some(DropReason::IpReversePath),
            }
        };
        // A device without an address has no other way than the one that leads to it.
        let may_differ = self.way_back == WayBack::Loose
            && self.input.is_some_and(|(_, device)| device.addresses_of(Family::Ipv4).next().is_some());
        (!is_by_input && !may_differ).then_some(DropReason::IpReversePath)
    }
}
