//! `ip route`, as far as scripts use it: routes by the host's one device, and what they say of the way.

use std::net::IpAddr;

use towpath_engine::{
    Command,
    ip::{Metric, Route, RouteKind, prefix},
};

use super::{Host, Unknown};

/// `ip route add`, `change` and `replace`. There is a route to everywhere, which `change` is to be understood to change for a network.
pub(super) fn route(words: &[&str], host: &mut Host) -> Result<(), Unknown> {
    let unknown = || Unknown::new("the command", format_args!("ip {}", words.join(" ")));
    let (is_v6, words) = match words {
        ["-6", words @ ..] => (true, words),
        ["-4", words @ ..] | words => (false, words),
    };
    let ["route", verb, network, said @ ..] = words else { return Err(unknown()) };
    let how = match *verb {
        "add" => Command::AddRoute,
        "change" | "replace" => Command::ReplaceRoute,
        _ => return Err(unknown()),
    };
    let (destination, len) = match (*network, is_v6) {
        ("default", false) => ("0.0.0.0", Some("0")),
        ("default", true) => ("::", Some("0")),
        (network, _) => network.split_once('/').map_or((network, None), |(address, len)| (address, Some(len))),
    };
    let destination: IpAddr = destination.parse().map_err(|_| unknown())?;
    let len = len.map_or(Ok(prefix::longest(destination)), str::parse).map_err(|_| unknown())?;
    let mut route = Route::new(destination, len, RouteKind::Unicast { device: host.device(), via: None });
    let mut said = said.iter();
    while let Some(name) = said.next() {
        let mut value = *said.next().ok_or_else(unknown)?;
        let is_locked = value == "lock";
        if is_locked {
            value = *said.next().ok_or_else(unknown)?;
        }
        say(&mut route, (name, value), is_locked).ok_or_else(unknown)?;
    }
    let done = host.engine.handle_command(host.now, how(route));
    done.map(|_| ()).map_err(|error| Unknown(error.to_string()))
}

/// One word and what it says of the route; `None` when that is not known.
fn say(route: &mut Route, (name, value): (&str, &str), is_locked: bool) -> Option<()> {
    match name {
        "dev" => (value == DEVICE && !is_locked).then_some(()),
        "via" if !is_locked => {
            let router = value.parse().ok()?;
            if let RouteKind::Unicast { via, .. } = &mut route.kind {
                *via = Some(router);
            }
            Some(())
        }
        "metric" if !is_locked => {
            route.metric = value.parse().ok()?;
            Some(())
        }
        _ => {
            let metric = Metric::by_name(name)?;
            let number = match metric.name {
                "rto_min" => milliseconds(value, 1)?,
                "rtt" => milliseconds(value, RTT_UNITS)?,
                "rttvar" => milliseconds(value, RTTVAR_UNITS)?,
                _ => value.parse().ok()?,
            };
            // The lock of others says nothing.
            if !metric.say_lock(&mut route.metrics, is_locked) && is_locked {
                return None;
            }
            metric.say(&mut route.metrics, number).then_some(())
        }
    }
}

/// A time; where it has no unit, so many of its units are a millisecond, and it is whole milliseconds.
fn milliseconds(value: &str, units: u32) -> Option<u32> {
    let (number, factor) = match (value.strip_suffix("ms"), value.strip_suffix('s')) {
        (Some(number), _) => (number, 1),
        (None, Some(number)) => (number, 1000),
        (None, None) => {
            let number: u32 = value.parse().ok()?;
            return number.is_multiple_of(units).then_some(number / units);
        }
    };
    number.parse::<u32>().ok()?.checked_mul(factor)
}

/// Round trips without a unit are in eighths of a millisecond, and what they vary by in quarters (iproute2 6.1: `ip/iproute.c`).
const RTT_UNITS: u32 = 8;
const RTTVAR_UNITS: u32 = 4;

const DEVICE: &str = "tun0";
