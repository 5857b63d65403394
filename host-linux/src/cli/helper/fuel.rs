//! What the fuel of a helper's manifest has to suffice for.

use std::io::{self, Write};

use anyhow::{Result, anyhow};
use serde::Serialize;
use towpath::plugin::{
    Plugin,
    limits::FUEL_PER_CALL,
    stretched::{longest, payloads},
};
use towpath_engine::conntrack::{
    Direction,
    helper::{Helper, HelperContext, HelperEndpoint, HelperFailure, Manifest},
};

/// What was found.
#[derive(Serialize)]
pub(super) struct Fuel {
    /// Payloads that were tried.
    tried: usize,
    /// Bytes of the longest.
    longest: usize,
    /// The most fuel that a call took.
    most: u64,
    /// What the manifest gives a call.
    given: u64,
    /// The payload that took the most.
    payload: String,
    /// Whether some take more than a manifest may give at all.
    is_endless: bool,
}

impl Fuel {
    /// Tries all payloads that its triggers and these samples give on a helper, from both ends of a connection.
    pub(super) fn of(plugin: Plugin, samples: &[Vec<u8>]) -> Result<Self> {
        let manifest = plugin.manifest().clone();
        let without_bound = Manifest { fuel_per_call: *FUEL_PER_CALL.end(), ..manifest.clone() };
        let mut plugin = plugin.held_to(without_bound).map_err(|problem| anyhow!("{}: {problem}", manifest.name))?;
        let mut found = Self {
            tried: 0,
            longest: longest(&manifest),
            most: 0,
            given: manifest.fuel_per_call,
            payload: String::new(),
            is_endless: false,
        };
        for payload in payloads(&manifest, samples) {
            if found.is_endless {
                break;
            }
            found.tried += 1;
            for direction in [Direction::Original, Direction::Reply] {
                let failed = plugin.inspect(&told(&manifest, direction), &[], &payload).err();
                let spent = plugin.take_fuel_most();
                found.is_endless |= failed == Some(HelperFailure::Fuel);
                if spent > found.most {
                    (found.most, found.payload) = (spent, shown(&payload));
                }
            }
        }
        Ok(found)
    }

    /// Whether a payload was found that spends a call's fuel.
    pub(super) const fn is_too_little(&self) -> bool {
        self.most > self.given || self.is_endless
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let Self { tried, longest, most, given, payload, .. } = self;
        writeln!(
            out,
            "at most {most} of {given} fuel a call for {tried} payloads of up to {longest} bytes; the most for {payload}"
        )?;
        match (self.is_endless, self.is_too_little()) {
            (true, _) => writeln!(
                out,
                "that is more than any manifest may give: anybody can have its calls fail with such a payload"
            ),
            (false, true) => writeln!(
                out,
                "anybody can have its calls fail with that payload: the manifest needs {}, twice as much",
                most * 2
            ),
            (false, false) if given / 2 < *most => {
                writeln!(out, "that is little to spare: {} would be twice as much", most * 2)
            }
            (false, false) => Ok(()),
        }
    }
}

/// A packet of a connection to the first port of the manifest.
fn told(manifest: &Manifest, direction: Direction) -> HelperContext {
    let place = manifest.attach.first();
    let endpoint = |last, port| HelperEndpoint { address: [192, 0, 2, last].into(), port };
    let (client, server) = (endpoint(1, 40_000), endpoint(2, place.map_or(21, |place| *place.ports.start())));
    let (source, destination) = match direction {
        Direction::Original => (client, server),
        Direction::Reply => (server, client),
    };
    let protocol = place.map_or(towpath_engine::wire::Protocol::TCP, |place| place.protocol);
    HelperContext { protocol, direction, source, destination, broadcast_prefix: None }
}

/// The beginning of a payload and its end.
fn shown(payload: &[u8]) -> String {
    match payload.len() {
        0..=80 => format!("\"{}\"", payload.escape_ascii()),
        len => format!("\"{}…{}\"", payload[..50].escape_ascii(), payload[len - 20..].escape_ascii()),
    }
}
