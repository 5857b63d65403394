//! Calls that open, connect and close sockets.

use std::net::SocketAddr;

use super::{Attempt, Host, Program, Returned};
use crate::{
    runner::verdict::Stop,
    script::Value,
    system::{AF_INET, AF_INET6},
};

/// The port that scripts leave open: what listens has it, and what is connected to.
pub(in crate::runner) const PORT: u16 = 8080;

pub(super) fn socket(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let usual = if program.settings.local.is_ipv4() { AF_INET } else { AF_INET6 };
    let domain = if *attempt.argument(0)? == Value::Any { usual } else { attempt.number(0)? };
    let descriptor = program.descriptor_for(attempt);
    program.has_new_socket = true;
    Ok(program.process.socket(host, descriptor, domain, attempt.number(1)?)?)
}

pub(super) fn bind(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    any_address(attempt, 1)?;
    let local = SocketAddr::new(program.settings.local, PORT);
    Ok(program.process.bind(host, attempt.number(0)?, local)?)
}

pub(super) fn listen(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    Ok(program.process.listen(host, attempt.number(0)?, attempt.number(1)?)?)
}

pub(super) fn accept(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let accepted = program.descriptor_for(attempt);
    let returned = program.process.accept(host, attempt.number(0)?, accepted)?;
    if let Returned::Value(_) = returned {
        program.under_test = program.process.socket_id(accepted);
    }
    Ok(returned)
}

pub(super) fn connect(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    if matches!(attempt.argument(1)?, Value::Words(words) if words == &["AF_UNSPEC"]) {
        return Ok(program.process.disconnect(host, attempt.number(0)?)?);
    }
    any_address(attempt, 1)?;
    let remote = SocketAddr::new(program.settings.remote, PORT);
    let descriptor = attempt.number(0)?;
    program.beginning(host, descriptor, |process, host| process.connect(host, descriptor, remote, attempt.progress))
}

pub(super) fn shutdown(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    Ok(program.process.shutdown(host, attempt.number(0)?, attempt.number(1)?)?)
}

pub(super) fn close(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    Ok(program.process.close(host, attempt.number(0)?)?)
}

/// Scripts leave addresses open; what they might write instead is not read here.
fn any_address(attempt: &Attempt<'_>, index: usize) -> Result<(), Stop> {
    let address = attempt.argument(index)?;
    if *address == Value::Any { Ok(()) } else { Err(Stop::unknown("the address", format_args!("{address:?}"))) }
}
