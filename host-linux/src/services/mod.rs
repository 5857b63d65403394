//! What the gateway itself offers over TCP, and what it passes on: `[[service]]` and `[[relay]]`.
//!
//! ```text
//!   engine ── poll_socket: became readable, writable … ──► Services ── the conversation of that socket
//!          ◄── accept · receive · send · shut · close ─────────┘
//! ```
//!
//! A conversation does what it can with what has come and what there is room for, and waits for the engine to say that there
//! is more; nothing here waits by itself. Each has its turn: a conversation that could go on for ever is put behind the others.

mod chargen;
mod folder;
mod http;
mod pipe;

use std::{
    collections::{BTreeMap, VecDeque},
    net::{IpAddr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use towpath_engine::{
    Engine, Instant,
    socket::{Family, SocketError, SocketId, SocketOption},
};
use towpath_replay::config::{Config, Mistake, StreamProgram, StreamService};

use self::{chargen::Chargen, folder::Folder, http::Http, pipe::Pipe};
use crate::gateway::{GatewayError, beside};

/// Conversations at once; further ones are reset. Each holds a descriptor at most (a file), and some 64 KB.
const CONVERSATIONS_MAX: usize = 4096;
/// Connections that may wait to be accepted, by one service.
const BACKLOG: u32 = 512;

/// The services of a gateway, and all conversations with them.
#[derive(Debug, Default)]
pub struct Services {
    offers: BTreeMap<SocketId, Offer>,
    talks: BTreeMap<SocketId, Talk>,
    /// Whose turn was over before they had done what they could.
    again: VecDeque<SocketId>,
    refused: u64,
}

/// What happens to those who connect.
#[derive(Clone, Debug)]
enum Offer {
    Echo,
    Discard,
    Chargen,
    Http(Arc<Folder>),
    Relay(SocketAddr),
}

/// A conversation.
#[derive(Debug)]
enum Talk {
    Echo(Pipe),
    Discard,
    Chargen(Chargen),
    Http(Box<Http>),
    /// One side of a relay: what it has read for the other one.
    Relay {
        other: SocketId,
        pipe: Pipe,
    },
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
    /// Offers what a configuration says.
    ///
    /// # Errors
    /// The first one that cannot be offered: its folder cannot be read, or no socket can be had.
    pub fn offer(engine: &mut Engine, now: Instant, config: &Config) -> Result<Self, GatewayError> {
        let mut services = Self::default();
        for StreamService { port, program } in &config.stream_services {
            let offer = offer(config, program)?;
            let listener =
                listen(engine, now, *port).map_err(|error| GatewayError::Service(config.file.clone(), *port, error))?;
            services.offers.insert(listener, offer);
        }
        Ok(services)
    }

    /// Whether something could be done at once.
    pub fn has_more(&self) -> bool {
        !self.again.is_empty()
    }

    /// How many conversations there are, and how many were refused because there were too many.
    pub fn counts(&self) -> (usize, u64) {
        (self.talks.len(), self.refused)
    }

    /// Lets everybody have a turn whose socket has become ready, or who had not done when his last one was over.
    pub fn serve(&mut self, engine: &mut Engine, now: Instant) {
        for _ in 0..self.again.len() {
            if let Some(id) = self.again.pop_front() {
                self.turn(engine, now, id);
            }
        }
        while let Some((id, _)) = engine.poll_socket() {
            if self.offers.contains_key(&id) {
                self.accept(engine, now, id);
            } else {
                self.turn(engine, now, id);
            }
        }
    }

    fn accept(&mut self, engine: &mut Engine, now: Instant, listener: SocketId) {
        let Some(offer) = self.offers.get(&listener).cloned() else { return };
        while let Ok(id) = engine.socket(now, listener).and_then(|mut socket| socket.accept()) {
            if self.talks.len() >= CONVERSATIONS_MAX || self.begin(engine, now, id, &offer).is_err() {
                self.refused += 1;
                abort(engine, now, id);
            }
        }
    }

    /// Begins a conversation with who has just connected.
    fn begin(&mut self, engine: &mut Engine, now: Instant, id: SocketId, offer: &Offer) -> Result<(), SocketError> {
        engine.socket(now, id)?.set(&SocketOption::Keepalive(true))?;
        let talk = match offer {
            Offer::Echo => Talk::Echo(Pipe::default()),
            Offer::Discard => Talk::Discard,
            Offer::Chargen => Talk::Chargen(Chargen::default()),
            Offer::Http(folder) => Talk::Http(Box::new(Http::new(Arc::clone(folder)))),
            Offer::Relay(to) => {
                let family = if to.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
                let other = engine.open_stream(now, family)?;
                let begun = engine.socket(now, other).and_then(|mut socket| {
                    socket.set(&SocketOption::Keepalive(true))?;
                    socket.connect(*to)
                });
                if let Err(error) = begun {
                    abort(engine, now, other);
                    return Err(error);
                }
                self.talks.insert(other, Talk::Relay { other: id, pipe: Pipe::default() });
                Talk::Relay { other, pipe: Pipe::default() }
            }
        };
        self.talks.insert(id, talk);
        Ok(())
    }

    fn turn(&mut self, engine: &mut Engine, now: Instant, id: SocketId) {
        let Some(mut talk) = self.talks.remove(&id) else { return };
        let turn = match &mut talk {
            Talk::Echo(pipe) => pipe.pump(engine, now, id, id),
            Talk::Discard => discard(engine, now, id),
            Talk::Chargen(chargen) => chargen.turn(engine, now, id),
            Talk::Http(http) => http.turn(engine, now, id),
            Talk::Relay { other, pipe } => {
                let other = *other;
                let turn = pipe.pump(engine, now, id, other);
                self.talks.insert(id, talk);
                return self.finish_relay(engine, now, (id, other), turn);
            }
        };
        match turn {
            Ok(Turn::Waits) => _ = self.talks.insert(id, talk),
            Ok(Turn::Again) => {
                self.talks.insert(id, talk);
                self.again.push_back(id);
            }
            Ok(Turn::Over) => close(engine, now, id),
            Err(_) => abort(engine, now, id),
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
        if let Some(Talk::Relay { pipe, .. }) = self.talks.get_mut(&other) {
            turns[1] = pipe.pump(engine, now, other, id);
        }
        if turns.iter().any(Result::is_err) {
            // One side is gone: the other one is told so.
            for end in [id, other] {
                self.talks.remove(&end);
                abort(engine, now, end);
            }
        } else if turns == [Ok(Turn::Over); 2] {
            for end in [id, other] {
                self.talks.remove(&end);
                close(engine, now, end);
            }
        } else if turns.contains(&Ok(Turn::Again)) {
            self.again.push_back(id);
        }
    }
}

fn offer(config: &Config, program: &StreamProgram) -> Result<Offer, GatewayError> {
    Ok(match program {
        StreamProgram::Echo => Offer::Echo,
        StreamProgram::Discard => Offer::Discard,
        StreamProgram::Chargen => Offer::Chargen,
        StreamProgram::Relay(to) => Offer::Relay(*to),
        StreamProgram::Http(place) => {
            let path = beside(config, &place.value);
            let folder = Folder::open(&path)
                .map_err(|error| config.mistake_at(place, Mistake::File(format!("{}: {error}", path.display()))))?;
            Offer::Http(Arc::new(folder))
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

/// Reads and forgets.
fn discard(engine: &mut Engine, now: Instant, id: SocketId) -> Result<Turn, SocketError> {
    let mut bytes = [0; 16_384];
    for _ in 0..64 {
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
        let _ = socket.set(&SocketOption::Linger(Some(std::time::Duration::ZERO)));
        socket.close();
    }
}
