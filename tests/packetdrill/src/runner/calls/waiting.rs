//! `poll` and `epoll`.

use std::{collections::BTreeMap, time::Duration};

use towpath_engine::socket::Readiness;

use super::{
    Attempt, File, Host, Program, Returned, Stop,
    constants::{field, number},
};
use crate::script::Value;

/// What an epoll descriptor watches of a socket.
#[derive(Clone, Copy, Debug)]
pub(super) struct Watch {
    events: i64,
    /// Something has happened since it was told last.
    pub(super) has_changed: bool,
}

/// Bits of `poll` and `epoll` by what a socket is ready for.
static EVENTS: [(i64, Readiness); 5] = [
    (0x1, Readiness::READABLE),
    (0x4, Readiness::WRITABLE),
    (0x8, Readiness::ERROR),
    (0x10, Readiness::HUNG_UP),
    (0x2000, Readiness::PEER_CLOSED),
];
/// Errors and hang-ups are told whether they are asked for or not.
const ALWAYS: i64 = 0x18;
const ONE_SHOT: i64 = 1 << 30;
const EDGES: i64 = 1 << 31;

fn bits(readiness: Readiness) -> i64 {
    EVENTS.iter().filter(|(_, ready)| readiness.has(*ready)).fold(0, |bits, (bit, _)| bits | bit)
}

pub(super) fn epoll_create(program: &mut Program, _: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    Ok(program.add(attempt, File::Epoll(BTreeMap::new())))
}

pub(super) fn epoll_ctl(program: &mut Program, _: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    const ADD: i64 = 1;
    const DELETE: i64 = 2;
    let (own, operation, descriptor) = (attempt.number(0)?, attempt.number(1)?, attempt.number(2)?);
    let asked = field(attempt.argument(3)?, "events").map(number).transpose()?;
    let Some(File::Epoll(watches)) = program.files.get_mut(&own) else {
        return Err(Stop::unknown("the epoll descriptor", own));
    };
    if operation == DELETE {
        let removed = watches.remove(&descriptor);
        return Ok(if removed.is_some() { Returned::Value(0) } else { Returned::Error("ENOENT") });
    }
    if (operation == ADD) == watches.contains_key(&descriptor) {
        return Ok(Returned::Error(if operation == ADD { "EEXIST" } else { "ENOENT" }));
    }
    let events = asked.ok_or_else(|| Stop::unknown("the form of", "epoll_ctl"))?;
    watches.insert(descriptor, Watch { events, has_changed: true });
    Ok(Returned::Value(0))
}

pub(super) fn epoll_wait(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let (own, most) = (attempt.number(0)?, attempt.number(2)?);
    let Some(File::Epoll(watches)) = program.files.get(&own) else {
        return Err(Stop::unknown("the epoll descriptor", own));
    };
    let watches = watches.clone();
    let mut told: Option<i64> = None;
    let mut count = 0;
    for (descriptor, mut watch) in watches {
        let ready = bits(program.readiness(host, descriptor)?) & (watch.events | ALWAYS);
        let is_due = ready != 0 && watch.events & (EDGES | ONE_SHOT | 0x3fff) != 0;
        let is_due = is_due && (watch.events & EDGES == 0 || watch.has_changed);
        if !is_due || count >= most {
            continue;
        }
        count += 1;
        told.get_or_insert(ready);
        watch.has_changed = false;
        if watch.events & ONE_SHOT != 0 {
            watch.events = 0;
        }
        if let Some(File::Epoll(watches)) = program.files.get_mut(&own) {
            watches.insert(descriptor, watch);
        }
    }
    if count == 0 && is_to_wait(host, attempt, 3)? {
        return Ok(Returned::Waits);
    }
    let expected = field(attempt.argument(1)?, "events").map(number).transpose()?;
    match (expected, told.unwrap_or(0)) {
        (Some(expected), found) if expected != found => {
            Err(Stop::differs("the events", format_args!("{expected:#x}"), format_args!("{found:#x}")))
        }
        _ => Ok(Returned::Value(count)),
    }
}

pub(super) fn poll(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let Value::List(asked) = attempt.argument(0)? else { return Err(Stop::unknown("the form of", "poll")) };
    let mut found = Vec::new();
    for one in asked {
        let part = |name| field(one, name).map(number).transpose();
        let descriptor = part("fd")?.ok_or_else(|| Stop::unknown("the form of", "poll"))?;
        let events = part("events")?.unwrap_or(0) | ALWAYS;
        found.push((bits(program.readiness(host, descriptor)?) & events, part("revents")?));
    }
    let count = found.iter().filter(|(ready, _)| *ready != 0).count();
    if count == 0 && is_to_wait(host, attempt, 2)? {
        return Ok(Returned::Waits);
    }
    for (ready, expected) in found {
        if let Some(expected) = expected
            && expected != ready
        {
            return Err(Stop::differs("the events", format_args!("{expected:#x}"), format_args!("{ready:#x}")));
        }
    }
    Ok(Returned::Value(count as i64))
}

/// Whether the time that a call may wait, in milliseconds, has not run out; without end when it is negative.
fn is_to_wait(host: &Host, attempt: &mut Attempt<'_>, index: usize) -> Result<bool, Stop> {
    let Ok(wait) = u64::try_from(attempt.number(index)?) else { return Ok(true) };
    let until = *attempt.progress.until.get_or_insert(host.elapsed() + Duration::from_millis(wait));
    Ok(host.elapsed() < until)
}
