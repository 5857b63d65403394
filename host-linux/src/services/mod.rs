//! What the gateway itself offers over TCP, and what it passes on: `[[service]]` and `[[relay]]`.
//!
//! ```text
//!   engine ── poll_socket: became readable, writable … ──► Turns ──► Services ── the conversation whose turn it is
//!          ◄── accept · receive · send · shut · close ────────────────────┘
//! ```
//!
//! A conversation does what it can with what has come and what there is room for, and waits for the engine to say that there
//! is more; nothing here waits by itself. Each has its turn: one that could go on for ever is put behind the others, and when the
//! time of all is over ([`SERVE_TIME`]), the devices have theirs. Who says nothing for too long is not waited for, and nobody has
//! so many conversations that there is no place for others (`places`).
//!
//! | file | what |
//! |---|---|
//! | `pipe`, `chargen`, `http`, `folder` | conversations |
//! | `reader` | files are read beside the path |
//! | `turns`, `places` | whose turn it is, how long it is waited for whom; how many there may be |

mod chargen;
mod folder;
mod http;
mod pipe;
mod places;
mod reader;
mod turns;

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv6Addr, SocketAddr},
    os::fd::{AsFd, BorrowedFd},
    sync::Arc,
    time::Duration,
};

use towpath_engine::{
    Engine, Instant,
    socket::{Family, SocketError, SocketId, SocketOption},
};
use towpath_replay::config::{Config, Mistake, StreamProgram, StreamService};

use self::{
    chargen::Chargen,
    folder::Folder,
    http::Http,
    pipe::Pipe,
    places::{Place, Places},
    reader::Reader,
    turns::{Patience, Turns},
};
use crate::{
    clock::Clock,
    gateway::{GatewayError, beside},
    limits::{
        ACCEPTS_OF_TURN_MAX, BACKLOG, DISCARDS_OF_TURN_MAX, RELAY_SILENCE_MAX, SERVE_TIME, SERVICE_SILENCE_MAX,
        TURNS_BETWEEN_DRAINS_MAX,
    },
    worker::Worker,
};

/// The services of a gateway, and all conversations with them.
#[derive(Debug, Default)]
pub struct Services {
    offers: BTreeMap<SocketId, Offer>,
    talks: BTreeMap<SocketId, Talk>,
    turns: Turns,
    patience: Patience,
    places: Places,
    /// `None`: there is nothing to read.
    reader: Option<Reader>,
    counters: Counters,
}

/// What services have counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Conversations that there are.
    pub conversations: usize,
    /// Conversations that there have been.
    pub begun: u64,
    /// Who was reset because there was no place for him, or no way to whom he was to be relayed.
    pub refused: u64,
    /// Who was silent for too long.
    pub silent: u64,
}

/// What happens to those who connect to a port.
#[derive(Clone, Debug)]
struct Offer {
    port: u16,
    program: Program,
}

#[derive(Clone, Debug)]
enum Program {
    Echo,
    Discard,
    Chargen,
    Http(Arc<Folder>),
    Relay(SocketAddr),
}

/// A conversation, or one side of a relay.
#[derive(Debug)]
struct Talk {
    role: Role,
    /// The place that it has; of a relay, who has connected has it.
    place: Option<Place>,
}

#[derive(Debug)]
enum Role {
    Echo(Pipe),
    Discard,
    Chargen(Chargen),
    Http(Box<Http>),
    /// What this side has read for the other one.
    Relay {
        other: SocketId,
        pipe: Pipe,
    },
}

impl Role {
    /// How long it is waited for somebody who has just had a turn.
    fn patience(&self, now: Instant) -> Instant {
        match self {
            Self::Echo(_) | Self::Discard | Self::Chargen(_) => now + SERVICE_SILENCE_MAX,
            Self::Http(http) => http.waits_until(now),
            Self::Relay { .. } => now + RELAY_SILENCE_MAX,
        }
    }
}

/// How a turn has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It waits for the other end.
    Waits,
    /// It could go on.
    Again,
    /// It is over: the connection is closed in order.
    Over,
}

impl Services {
    /// Offers what a configuration says; `worker` is to read its files.
    ///
    /// # Errors
    /// The first one that cannot be offered: its folder cannot be read, or no socket can be had.
    pub fn offer(engine: &mut Engine, now: Instant, config: &Config, worker: Worker) -> Result<Self, GatewayError> {
        let mut services = Self { reader: Some(Reader::new(worker)), ..Self::default() };
        for StreamService { port, program } in &config.stream_services {
            let offer = Offer { port: *port, program: program_of(config, program)? };
            let listener =
                listen(engine, now, *port).map_err(|error| GatewayError::Service(config.file.clone(), *port, error))?;
            services.offers.insert(listener, offer);
        }
        Ok(services)
    }

    /// Looks whether what a configuration says could be offered, as far as that can be known without an engine.
    ///
    /// # Errors
    /// The first folder that cannot be read.
    pub fn check(config: &Config) -> Result<(), GatewayError> {
        config.stream_services.iter().try_for_each(|service| program_of(config, &service.program).map(drop))
    }

    /// Whether something could be done at once.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.turns.is_empty()
    }

    /// The file that becomes readable when something was read for somebody.
    #[must_use]
    pub fn file(&self) -> Option<BorrowedFd<'_>> {
        self.reader.as_ref().map(Reader::as_fd)
    }

    /// When somebody is not waited for any longer.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.patience.deadline()
    }

    /// What was counted.
    #[must_use]
    pub const fn counters(&self) -> Counters {
        Counters { conversations: self.places.taken(), ..self.counters }
    }

    /// Gives turns to those whose sockets have become ready, or who had not done when their last one was over, until nobody wants one
    /// or the time is over. `drain` hands on what the engine sends, before it has too much of that.
    pub fn serve(&mut self, engine: &mut Engine, clock: &mut impl Clock, mut drain: impl FnMut(&mut Engine)) {
        let start = clock.now();
        self.take_what_was_read(engine, start);
        while let Some(id) = self.patience.overdue(start) {
            self.counters.silent += 1;
            self.end(engine, start, id);
        }
        for turn in 1_usize.. {
            while let Some((id, _)) = engine.poll_socket() {
                self.turns.ask(id);
            }
            let now = clock.now();
            if now.since(start) >= SERVE_TIME {
                return;
            }
            let Some(id) = self.turns.next() else { return };
            if self.offers.contains_key(&id) {
                self.accept(engine, now, id);
            } else {
                self.turn(engine, now, id);
            }
            if turn.is_multiple_of(TURNS_BETWEEN_DRAINS_MAX) {
                drain(engine);
            }
        }
    }

    /// Conversations that have waited for their files go on.
    fn take_what_was_read(&mut self, engine: &mut Engine, now: Instant) {
        while let Some((id, chunk)) = self.reader.as_ref().and_then(Reader::next_done) {
            let Some(Talk { role: Role::Http(http), .. }) = self.talks.get_mut(&id) else { continue };
            match http.take(chunk) {
                Ok(()) => self.turns.ask(id),
                Err(_) => self.leave(engine, now, id, abort),
            }
        }
    }

    fn accept(&mut self, engine: &mut Engine, now: Instant, listener: SocketId) {
        let Some(offer) = self.offers.get(&listener).cloned() else { return };
        for _ in 0..ACCEPTS_OF_TURN_MAX {
            let Ok(id) = engine.socket(now, listener).and_then(|mut socket| socket.accept()) else { return };
            match self.begin(engine, now, id, &offer) {
                Ok(()) => self.counters.begun += 1,
                Err(_) => {
                    self.counters.refused += 1;
                    abort(engine, now, id);
                }
            }
        }
        self.turns.ask(listener);
    }

    /// Begins a conversation with who has just connected.
    fn begin(&mut self, engine: &mut Engine, now: Instant, id: SocketId, offer: &Offer) -> Result<(), SocketError> {
        let mut socket = engine.socket(now, id)?;
        socket.set(&SocketOption::Keepalive(true))?;
        let peer = socket.peer()?;
        let place = self.places.take(offer.port, peer.ip()).ok_or(SocketError::TooMany)?;
        let role = match &offer.program {
            Program::Echo => Role::Echo(Pipe::default()),
            Program::Discard => Role::Discard,
            Program::Chargen => Role::Chargen(Chargen::default()),
            Program::Http(folder) => Role::Http(Box::new(Http::new(Arc::clone(folder)))),
            Program::Relay(to) => match connect(engine, now, *to) {
                Ok(other) => {
                    self.put(now, other, Talk { role: Role::Relay { other: id, pipe: Pipe::default() }, place: None });
                    Role::Relay { other, pipe: Pipe::default() }
                }
                Err(error) => {
                    self.places.give_back(place);
                    return Err(error);
                }
            },
        };
        self.put(now, id, Talk { role, place: Some(place) });
        Ok(())
    }

    fn put(&mut self, now: Instant, id: SocketId, talk: Talk) {
        self.patience.wait(id, talk.role.patience(now));
        self.talks.insert(id, talk);
    }

    fn turn(&mut self, engine: &mut Engine, now: Instant, id: SocketId) {
        let Some(mut talk) = self.talks.remove(&id) else { return };
        let turn = match &mut talk.role {
            Role::Echo(pipe) => pipe.pump(engine, now, id, id),
            Role::Discard => discard(engine, now, id),
            Role::Chargen(chargen) => chargen.turn(engine, now, id),
            Role::Http(http) => match &self.reader {
                Some(reader) => http.turn(engine, now, id, reader),
                None => Err(SocketError::NotSupported),
            },
            Role::Relay { other, pipe } => {
                let other = *other;
                let turn = pipe.pump(engine, now, id, other);
                self.put(now, id, talk);
                return self.finish_relay(engine, now, (id, other), turn);
            }
        };
        self.put(now, id, talk);
        match turn {
            Ok(Turn::Waits) => {}
            Ok(Turn::Again) => self.turns.ask(id),
            Ok(Turn::Over) => self.leave(engine, now, id, close),
            Err(_) => self.leave(engine, now, id, abort),
        }
    }

    /// What this side has read is passed on; what the other one has waited for room for may go on as well.
    fn finish_relay(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        (id, other): (SocketId, SocketId),
        turn: Result<Turn, SocketError>,
    ) {
        let mut turns = [turn, Ok(Turn::Waits)];
        if let Some(Talk { role: Role::Relay { pipe, .. }, .. }) = self.talks.get_mut(&other) {
            turns[1] = pipe.pump(engine, now, other, id);
            // Either side speaks for both.
            self.patience.wait(other, now + RELAY_SILENCE_MAX);
        }
        if turns.iter().any(Result::is_err) {
            // One side is gone: the other one is told so.
            [id, other].into_iter().for_each(|end| self.leave(engine, now, end, abort));
        } else if turns == [Ok(Turn::Over); 2] {
            [id, other].into_iter().for_each(|end| self.leave(engine, now, end, close));
        } else if turns.contains(&Ok(Turn::Again)) {
            self.turns.ask(id);
        }
    }

    /// Ends the conversation of somebody who was silent for too long.
    fn end(&mut self, engine: &mut Engine, now: Instant, id: SocketId) {
        let other = match self.talks.get(&id) {
            Some(Talk { role: Role::Relay { other, .. }, .. }) => Some(*other),
            Some(_) | None => None,
        };
        [Some(id), other].into_iter().flatten().for_each(|end| self.leave(engine, now, end, abort));
    }

    /// Forgets a conversation, and ends its connection.
    fn leave(
        &mut self,
        engine: &mut Engine,
        now: Instant,
        id: SocketId,
        how: impl FnOnce(&mut Engine, Instant, SocketId),
    ) {
        if let Some(place) = self.talks.remove(&id).and_then(|talk| talk.place) {
            self.places.give_back(place);
        }
        self.patience.forget(id);
        how(engine, now, id);
    }
}

fn program_of(config: &Config, program: &StreamProgram) -> Result<Program, GatewayError> {
    Ok(match program {
        StreamProgram::Echo => Program::Echo,
        StreamProgram::Discard => Program::Discard,
        StreamProgram::Chargen => Program::Chargen,
        StreamProgram::Relay(to) => Program::Relay(*to),
        StreamProgram::Http(place) => {
            let path = beside(config, &place.value);
            let folder = Folder::open(&path)
                .map_err(|error| config.mistake_at(place, Mistake::File(format!("{}: {error}", path.display()))))?;
            Program::Http(Arc::new(folder))
        }
    })
}

/// A listener on every address of this host.
fn listen(engine: &mut Engine, now: Instant, port: u16) -> Result<SocketId, SocketError> {
    let id = engine.open_stream(now, Family::Ipv6)?;
    let mut socket = engine.socket(now, id)?;
    socket.set(&SocketOption::ReuseAddress(true))?;
    socket.bind(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port))?;
    socket.listen(BACKLOG)?;
    Ok(id)
}

/// A connection of the gateway's own.
fn connect(engine: &mut Engine, now: Instant, to: SocketAddr) -> Result<SocketId, SocketError> {
    let id = engine.open_stream(now, if to.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 })?;
    let begun = engine.socket(now, id).and_then(|mut socket| {
        socket.set(&SocketOption::Keepalive(true))?;
        socket.connect(to)
    });
    if begun.is_err() {
        abort(engine, now, id);
    }
    begun.map(|()| id)
}

/// Reads and forgets.
fn discard(engine: &mut Engine, now: Instant, id: SocketId) -> Result<Turn, SocketError> {
    let mut bytes = [0; 16_384];
    for _ in 0..DISCARDS_OF_TURN_MAX {
        match engine.socket(now, id)?.receive(&mut bytes) {
            Ok(0) => return Ok(Turn::Over),
            Ok(_) => {}
            Err(SocketError::WouldBlock) => return Ok(Turn::Waits),
            Err(error) => return Err(error),
        }
    }
    Ok(Turn::Again)
}

fn close(engine: &mut Engine, now: Instant, id: SocketId) {
    if let Ok(socket) = engine.socket(now, id) {
        socket.close();
    }
}

/// Ends a connection with a reset.
fn abort(engine: &mut Engine, now: Instant, id: SocketId) {
    if let Ok(mut socket) = engine.socket(now, id) {
        // It takes any time; a socket that does not is closed in order.
        let _ = socket.set(&SocketOption::Linger(Some(Duration::ZERO)));
        socket.close();
    }
}

#[cfg(test)]
mod tests;
