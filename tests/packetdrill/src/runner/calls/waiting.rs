//! `poll` and `epoll`.

use super::{
    Attempt, Host, Program, Returned,
    constants::{field, number},
};
use crate::{
    runner::verdict::Stop,
    script::Value,
    system::{EpollEvent, Polled},
};

pub(super) fn epoll_create(program: &mut Program, _: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    Ok(program.process.epoll_create(program.descriptor_for(attempt))?)
}

pub(super) fn epoll_ctl(program: &mut Program, _: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let (own, operation, descriptor) = (attempt.number(0)?, attempt.number(1)?, attempt.number(2)?);
    let events = field(attempt.argument(3)?, "events").map(number).transpose()?;
    let asked = events.map(|events| EpollEvent { events: events as u32, data: 0 });
    Ok(program.process.epoll_ctl(own, operation, descriptor, asked)?)
}

pub(super) fn epoll_wait(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let (own, most, wait) = (attempt.number(0)?, attempt.number(2)?, attempt.number(3)?);
    let most = usize::try_from(most).unwrap_or(0);
    let mut told = Vec::new();
    let returned = program.process.epoll_wait(host, own, most, wait, (&mut told, attempt.progress))?;
    let expected = field(attempt.argument(1)?, "events").map(number).transpose()?;
    if let (Returned::Value(_), Some(expected)) = (returned, expected) {
        let found = told.first().map_or(0, |first| first.events.into());
        same_events(expected, found)?;
    }
    Ok(returned)
}

pub(super) fn poll(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let Value::List(written) = attempt.argument(0)? else { return Err(Stop::unknown("the form of", "poll")) };
    let mut asked = Vec::new();
    let mut expected = Vec::new();
    for one in written {
        let part = |name| field(one, name).map(number).transpose();
        let descriptor = part("fd")?.ok_or_else(|| Stop::unknown("the form of", "poll"))?;
        let events = part("events")?.unwrap_or(0);
        asked.push(Polled { descriptor: descriptor as i32, events: events as i16, happened: 0 });
        expected.push(part("revents")?);
    }
    let returned = program.process.poll(host, &mut asked, attempt.number(2)?, attempt.progress)?;
    if let Returned::Value(_) = returned {
        for (one, expected) in asked.iter().zip(expected) {
            expected.map_or(Ok(()), |expected| same_events(expected, one.happened.into()))?;
        }
    }
    Ok(returned)
}

fn same_events(expected: i64, found: i64) -> Result<(), Stop> {
    if expected == found {
        return Ok(());
    }
    Err(Stop::differs("the events", format_args!("{expected:#x}"), format_args!("{found:#x}")))
}
