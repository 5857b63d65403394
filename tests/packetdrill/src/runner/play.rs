//! A script's events, one by one.

use std::{fmt, time::Duration};

use super::{
    calls::Program,
    numbers::Connection,
    settings::Settings,
    verdict::{Difference, Stop, Unsupported},
};
use crate::{
    assertion::{self, AssertionError, Names},
    script::{Action, Call, Direction, Event, Script, Time, Value},
    system::{Host, Progress, Returned, info, shell},
};

/// Why a script was not played to its end.
#[derive(Debug)]
pub(super) enum Ended {
    Differs(Difference),
    Unsupported(Unsupported),
}

/// Plays a script to its end.
pub(super) fn play(script: &Script, settings: &Settings) -> Result<(), Ended> {
    let settings = settings.of(script).map_err(|stop| ended(1, stop))?;
    let host = Host::new(&[settings.local], settings.mtu_bytes())
        .map_err(|error| ended(1, Stop::Unsupported(error.to_string())))?;
    let mut player = Player {
        host,
        program: Program::new(settings),
        connection: None,
        peers: 0,
        pending: None,
        names: Names::new(),
        before: Duration::ZERO,
    };
    for event in &script.events {
        player.event(event)?;
    }
    player.finish_pending()
}

fn ended(line: usize, stop: Stop) -> Ended {
    match stop {
        Stop::Differs { what, expected, found } => Ended::Differs(Difference { line, what, expected, found }),
        Stop::Unsupported(reason) => Ended::Unsupported(Unsupported { line, reason }),
    }
}

/// A script that is being played.
pub(super) struct Player<'s> {
    pub(super) host: Host,
    pub(super) program: Program,
    /// The connection that packets are about: the one begun last.
    pub(super) connection: Option<Connection>,
    /// How many have connected.
    pub(super) peers: u16,
    pending: Option<Pending<'s>>,
    names: Names,
    /// When the event before was due.
    before: Duration,
}

/// A call that waits.
struct Pending<'s> {
    line: usize,
    call: &'s Call,
    /// When it must return.
    window: Option<Window>,
    progress: Progress,
}

/// When something must happen: from, to, and how far off it may be.
#[derive(Clone, Copy, Debug)]
pub(super) struct Window {
    from: Duration,
    to: Duration,
    tolerance: Duration,
}

impl Window {
    pub(super) fn check(self, what: &'static str, at: Duration) -> Result<(), Stop> {
        let is_in = at + self.tolerance >= self.from && at <= self.to.saturating_add(self.tolerance);
        if is_in { Ok(()) } else { Err(Stop::differs(what, self, Seconds(at))) }
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", Seconds(self.from))?;
        if self.to != self.from {
            write!(f, " to {}", Seconds(self.to))?;
        }
        write!(f, " ± {}", Seconds(self.tolerance))
    }
}

/// A time with six decimals.
struct Seconds(Duration);

impl fmt::Display for Seconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:06} s", self.0.as_secs(), self.0.subsec_micros())
    }
}

impl<'s> Player<'s> {
    fn event(&mut self, event: &'s Event) -> Result<(), Ended> {
        let line = event.line;
        if let Action::Call(_) = event.action {
            self.finish_pending()?;
        }
        let window = self.window(event.time);
        let end = self.end(event);
        if let Action::Packet(Direction::Out, packet) = &event.action {
            let result = self.packet_out(packet, window);
            self.before = window.from.max(self.before);
            return result.map_err(|stop| ended(line, stop));
        }
        let result = self.advance(window.from).and_then(|()| match &event.action {
            Action::Packet(_, packet) => self.packet_in(packet),
            Action::Call(call) => self.call(line, call, end),
            Action::Shell(lines) => Ok(shell::run(lines, &mut self.program.process, &mut self.host)?),
            Action::Code(code) => self.code(code),
        });
        self.before = window.from.max(self.before);
        result.map_err(|stop| ended(line, stop))
    }

    /// When a call must return: behind a relative beginning the end is relative to the same time.
    fn end(&self, event: &Event) -> Option<Window> {
        let Action::Call(Call { end: Some(end), .. }) = event.action else { return None };
        let is_relative = matches!(event.time, Time::After(_) | Time::Within(..));
        Some(self.window(if is_relative { Time::After(end) } else { Time::At(end) }))
    }

    /// When an event is due. Relative times count from now.
    fn window(&self, time: Time) -> Window {
        let now = self.host.elapsed();
        let (from, to) = match time {
            Time::None => (now, now),
            Time::At(at) => (at, at),
            Time::After(delay) => (now + delay, now + delay),
            Time::Between(from, to) => (from, to),
            Time::Within(from, to) => (now + from, now + to),
            Time::Any => (now, Duration::MAX),
        };
        let distance = from.saturating_sub(self.before);
        Window { from, to, tolerance: self.program.settings.tolerance.max(distance / 8) }
    }

    /// Lets time go by.
    fn advance(&mut self, until: Duration) -> Result<(), Stop> {
        while self.step(until)? {}
        Ok(())
    }

    /// Goes on to what happens next, but no further than `until`; false when nothing does.
    pub(super) fn step(&mut self, until: Duration) -> Result<bool, Stop> {
        let wake = self.pending.as_ref().and_then(|pending| pending.progress.until).filter(|wake| *wake <= until);
        let happened = self.host.step(wake.unwrap_or(until)) || wake.is_some();
        if happened {
            self.happened()?;
        }
        Ok(happened)
    }

    /// Something has happened: a call that waits may go on.
    pub(super) fn happened(&mut self) -> Result<(), Stop> {
        self.program.process.note_changes(&mut self.host);
        let Some(mut pending) = self.pending.take() else { return Ok(()) };
        match self.program.attempt(&mut self.host, pending.call, &mut pending.progress)? {
            Returned::Waits => self.pending = Some(pending),
            returned @ (Returned::Value(_) | Returned::Error(_)) => {
                check_result(pending.call, returned)?;
                if let Some(window) = pending.window {
                    window.check("the time at which the call returns", self.host.elapsed())?;
                }
            }
        }
        Ok(())
    }

    /// Begins a call.
    fn call(&mut self, line: usize, call: &'s Call, window: Option<Window>) -> Result<(), Stop> {
        let mut progress = Progress::default();
        match self.program.attempt(&mut self.host, call, &mut progress)? {
            Returned::Waits => {
                self.pending = Some(Pending { line, call, window, progress });
                Ok(())
            }
            returned @ (Returned::Value(_) | Returned::Error(_)) => check_result(call, returned),
        }
    }

    /// Waits for the call that waits.
    fn finish_pending(&mut self) -> Result<(), Ended> {
        let limit = self.host.elapsed() + PATIENCE;
        while let Some(line) = self.pending.as_ref().map(|pending| pending.line) {
            let stepped = self.step(limit).map_err(|stop| ended(line, stop))?;
            if !stepped && let Some(pending) = &self.pending {
                let stop =
                    Stop::differs("the call", format_args!("that {} returns", pending.call.name), "that it waits");
                return Err(ended(line, stop));
            }
        }
        Ok(())
    }

    fn code(&mut self, code: &str) -> Result<(), Stop> {
        let info = self.program.under_test.and_then(|id| {
            let mut socket = self.host.engine.socket(self.host.now, id).ok()?;
            socket.info().ok()
        });
        self.host.collect();
        let known = |name: &str| info::value(info.as_ref(), name);
        assertion::run(code, &mut self.names, &known).map_err(|error| match error {
            AssertionError::Failed { ref assertion, .. } => Stop::differs("the assertion", assertion, &error),
            other @ (AssertionError::Unreadable(_) | AssertionError::UnknownName(_) | AssertionError::Arithmetic) => {
                Stop::Unsupported(other.to_string())
            }
        })
    }
}

/// Compares what a call has come to.
fn check_result(call: &Call, returned: Returned) -> Result<(), Stop> {
    let found = match returned {
        Returned::Value(value) => value.to_string(),
        Returned::Error(errno) => format!("-1 {}", errno.name),
        Returned::Waits => "that it waits".to_owned(),
    };
    let expected = match (&call.result, &call.errno) {
        (Value::Any, _) => return Ok(()),
        // What is not named may be any.
        (Value::Number(-1), None) if matches!(returned, Returned::Error(_)) => return Ok(()),
        (Value::Number(-1), Some(errno)) => format!("-1 {errno}"),
        (Value::Number(value), _) => value.to_string(),
        (other, _) => return Err(Stop::unknown("the result", format_args!("{other:?}"))),
    };
    if expected == found { Ok(()) } else { Err(Stop::differs("what the call returns", expected, found)) }
}

/// How long a call that waits is waited for.
const PATIENCE: Duration = Duration::from_secs(1300);
