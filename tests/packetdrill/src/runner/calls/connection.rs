//! Calls that open, connect and close sockets.

use std::net::SocketAddr;

use towpath_engine::{
    socket::{Family, SocketError, SocketOption},
    tcp::State,
};

use super::{Attempt, File, Host, Mode, Program, Returned, Stop, borrow, done};
use crate::script::Value;

/// The port that scripts leave open: what listens has it, and what is connected to.
pub(in crate::runner) const PORT: u16 = 8080;

pub(super) fn socket(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    const STREAM: i64 = 1;
    let kind = attempt.number(1)?;
    if kind & 0xf != STREAM {
        return Err(Stop::Unsupported("sockets that are no streams".to_owned()));
    }
    let is_ipv4 = match *attempt.argument(0)? == Value::Any {
        true => program.settings.local.is_ipv4(),
        false => attempt.number(0)? == 2,
    };
    let family = if is_ipv4 { Family::Ipv4 } else { Family::Ipv6 };
    let id = match host.engine.open_stream(host.now, family) {
        Ok(id) => id,
        Err(error) => return Ok(Returned::Error(error.errno())),
    };
    if let Some(name) = program.congestion.clone() {
        let set = borrow(host, id)?.set(&SocketOption::Congestion(name.clone()));
        set.map_err(|_| Stop::unknown("the congestion control", name))?;
    }
    let mode = if kind & NONBLOCK != 0 { Mode::Not } else { Mode::Waits };
    Ok(program.add(attempt, File::Socket(id, mode)))
}

pub(super) fn bind(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    any_address(attempt, 1)?;
    let local = SocketAddr::new(program.settings.local, PORT);
    Ok(done(program.socket(host, attempt)?.0.bind(local)))
}

pub(super) fn listen(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let backlog = u32::try_from(attempt.number(1)?).unwrap_or(u32::MAX);
    Ok(done(program.socket(host, attempt)?.0.listen(backlog)))
}

pub(super) fn accept(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let (mut socket, mode) = program.socket(host, attempt)?;
    match socket.accept() {
        Ok(id) => {
            program.under_test = Some(id);
            Ok(program.add(attempt, File::Socket(id, Mode::Waits)))
        }
        Err(SocketError::WouldBlock) if mode == Mode::Waits => Ok(Returned::Waits),
        Err(error) => Ok(Returned::Error(error.errno())),
    }
}

pub(super) fn connect(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    any_address(attempt, 1)?;
    let remote = SocketAddr::new(program.settings.remote, PORT);
    let (mut socket, mode) = program.socket(host, attempt)?;
    let id = socket.id();
    if attempt.progress.done == 0 {
        if let Err(error) = socket.connect(remote) {
            return Ok(Returned::Error(error.errno()));
        }
        attempt.progress.done = 1;
        program.under_test = Some(id);
        return Ok(if mode == Mode::Waits { Returned::Waits } else { Returned::Error("EINPROGRESS") });
    }
    Ok(match (socket.take_error(), socket.state()) {
        (Some(error), _) => Returned::Error(error.errno()),
        (None, State::SynSent | State::SynReceived) => Returned::Waits,
        (None, State::Closed) => Returned::Error(SocketError::ConnectionAborted.errno()),
        (None, _) => Returned::Value(0),
    })
}

pub(super) fn shutdown(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let (reading, writing) = match attempt.number(1)? {
        0 => (true, false),
        1 => (false, true),
        2 => (true, true),
        _ => return Ok(Returned::Error(SocketError::Invalid.errno())),
    };
    Ok(done(program.socket(host, attempt)?.0.shut(reading, writing)))
}

pub(super) fn close(program: &mut Program, host: &mut Host, attempt: &mut Attempt<'_>) -> Result<Returned, Stop> {
    let descriptor = attempt.number(0)?;
    match program.files.remove(&descriptor) {
        Some(File::Socket(id, _)) => borrow(host, id)?.close(),
        Some(File::Epoll(_)) => {}
        None => return Ok(Returned::Error(SocketError::NoSocket.errno())),
    }
    for file in program.files.values_mut() {
        if let File::Epoll(watches) = file {
            watches.remove(&descriptor);
        }
    }
    Ok(Returned::Value(0))
}

/// Scripts leave addresses open; what they might write instead is not read here.
fn any_address(attempt: &Attempt<'_>, index: usize) -> Result<(), Stop> {
    let address = attempt.argument(index)?;
    if *address == Value::Any { Ok(()) } else { Err(Stop::unknown("the address", format_args!("{address:?}"))) }
}

const NONBLOCK: i64 = 0x800;
