//! What the programs at both ends of a connection do.

use core::{net::SocketAddr, time::Duration};

use towpath_engine::{
    Engine, Instant,
    random::Random,
    socket::{Family, SocketError, SocketId, SocketOption},
    tcp::State,
};

use super::scenario::{Conversation, End};

/// A connection that is being played.
#[derive(Debug)]
pub(super) struct Talk {
    /// The sockets of both ends, as long as they are open.
    pub(super) ids: [Option<SocketId>; 2],
    /// Bytes that each end has written.
    pub(super) written: [u64; 2],
    /// How many of those the other end has read.
    pub(super) read: [u64; 2],
    /// Bytes that each end shall have written by now.
    wants: [u64; 2],
    /// Rounds that the first end has begun.
    round: u64,
    /// Rounds of which it has heard the answer.
    heard: u64,
    /// Nobody reads at the second end.
    pub(super) is_deaf: bool,
    /// The first end waits until its next round.
    pub(super) is_pausing: bool,
    /// The first end has stopped before it was done.
    pub(super) is_stopped: bool,
    has_shut: [bool; 2],
    has_ended: [bool; 2],
    /// When it was asked for.
    pub(super) begun: Option<Instant>,
    /// When it stood.
    pub(super) connected: Option<Instant>,
    /// When it was over.
    pub(super) finished: Option<Instant>,
    /// When bytes were read last.
    pub(super) last_read: Option<Instant>,
    /// What each end has failed with.
    pub(super) errors: [Option<SocketError>; 2],
    /// What was read is not what was written.
    pub(super) is_damaged: bool,
}

/// What streams are made of.
pub(super) struct Matter {
    stream: Vec<u8>,
    /// Where what is read goes.
    buffer: Vec<u8>,
}

impl Matter {
    /// Bytes of which no two places that are near each other look alike.
    pub(super) fn new() -> Self {
        let mut random = Random::new(0x6d61_7474_6572);
        let period: Vec<u8> = (0..PERIOD).map(|_| random.next_u64() as u8).collect();
        let stream = period.iter().copied().cycle().take(PERIOD + CHUNK).collect();
        Self { stream, buffer: vec![0; CHUNK] }
    }

    /// Bytes of a stream from a place on.
    fn at(&self, end: usize, place: u64, len: usize) -> &[u8] {
        let from = ((place + end as u64 * 7919) % PERIOD as u64) as usize;
        &self.stream[from..from + len.min(CHUNK)]
    }
}

impl Talk {
    pub(super) fn new() -> Self {
        Self {
            ids: [None; 2],
            written: [0; 2],
            read: [0; 2],
            wants: [0; 2],
            round: 0,
            heard: 0,
            is_deaf: false,
            is_pausing: false,
            is_stopped: false,
            has_shut: [false; 2],
            has_ended: [false; 2],
            begun: None,
            connected: None,
            finished: None,
            last_read: None,
            errors: [None; 2],
            is_damaged: false,
        }
    }

    /// The first end connects.
    pub(super) fn begin(&mut self, now: Instant, engine: &mut Engine, plan: &Conversation, to: SocketAddr) {
        self.begun = Some(now);
        if let Err(error) = self.try_begin(now, engine, plan, to) {
            self.fail(End::From, error);
            self.finished = Some(now);
        }
    }

    fn try_begin(
        &mut self,
        now: Instant,
        engine: &mut Engine,
        plan: &Conversation,
        to: SocketAddr,
    ) -> Result<(), SocketError> {
        let id = engine.open_stream(now, if plan.is_v6 { Family::Ipv6 } else { Family::Ipv4 })?;
        self.ids[0] = Some(id);
        let mut socket = engine.socket(now, id)?;
        for option in &plan.options[0] {
            socket.set(option)?;
        }
        if let Some(port) = plan.local_port {
            socket.set(&SocketOption::ReuseAddress(true))?;
            let any =
                if plan.is_v6 { SocketAddr::from(([0_u16; 8], port)) } else { SocketAddr::from(([0_u8; 4], port)) };
            socket.bind(any)?;
        }
        match socket.connect(to) {
            Ok(()) | Err(SocketError::InProgress) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// An end does what it can. Gives how long the first end pauses now, if it does.
    pub(super) fn act(
        &mut self,
        now: Instant,
        engine: &mut Engine,
        plan: &Conversation,
        end: End,
        matter: &mut Matter,
    ) -> Option<Duration> {
        let id = self.ids[end as usize]?;
        let Ok(socket) = engine.socket(now, id) else { return None };
        let state = socket.state();
        if end == End::From && self.connected.is_none() {
            if state == State::SynSent || state == State::SynReceived {
                return None;
            }
            if state != State::Closed {
                self.connected = Some(now);
            }
        }
        self.receive(now, engine, id, end, matter);
        loop {
            let written = self.written[end as usize];
            let later = self.decide(plan, end);
            if later.is_some() {
                return later;
            }
            self.send(now, engine, id, end, matter);
            if self.written[end as usize] == written {
                break;
            }
        }
        self.end(now, engine, plan, id, end);
        None
    }

    fn receive(&mut self, now: Instant, engine: &mut Engine, id: SocketId, end: End, matter: &mut Matter) {
        let sender = end.other() as usize;
        if (end == End::To && self.is_deaf) || self.has_ended[sender] {
            return;
        }
        loop {
            let Ok(mut socket) = engine.socket(now, id) else { return };
            match socket.receive(&mut matter.buffer) {
                Ok(0) => {
                    self.has_ended[sender] = true;
                    return;
                }
                Ok(len) => {
                    self.is_damaged |= matter.buffer[..len] != *matter.at(sender, self.read[sender], len);
                    self.read[sender] += len as u64;
                    self.last_read = Some(now);
                }
                Err(SocketError::WouldBlock) => return,
                Err(error) => {
                    self.fail(end, error);
                    self.has_ended[sender] = true;
                    return;
                }
            }
        }
    }

    /// What an end wants to say next, or how long it pauses before.
    fn decide(&mut self, plan: &Conversation, end: End) -> Option<Duration> {
        let Some(send) = plan.send else {
            // Endless: until it is stopped.
            if end == End::From {
                self.wants[0] = if self.is_stopped { self.written[0] } else { u64::MAX };
            }
            return None;
        };
        match end {
            End::To => {
                let asked = self.read[0].checked_div(send).unwrap_or(plan.rounds);
                self.wants[1] = asked.saturating_mul(plan.answer);
            }
            End::From => {
                let is_answered = self.read[1] >= self.round.saturating_mul(plan.answer)
                    && self.written[0] >= self.round.saturating_mul(send);
                if is_answered && self.round > self.heard {
                    self.heard = self.round;
                    if self.round < plan.rounds && !self.is_stopped && !plan.pause.is_zero() {
                        self.is_pausing = true;
                        return Some(plan.pause);
                    }
                }
                if self.heard == self.round && self.round < plan.rounds && !self.is_pausing && !self.is_stopped {
                    self.round += 1;
                    self.wants[0] = self.round.saturating_mul(send);
                }
            }
        }
        None
    }

    fn send(&mut self, now: Instant, engine: &mut Engine, id: SocketId, end: End, matter: &Matter) {
        let at = end as usize;
        while self.written[at] < self.wants[at] && !self.has_shut[at] {
            let len = (self.wants[at] - self.written[at]).min(CHUNK as u64) as usize;
            let Ok(mut socket) = engine.socket(now, id) else { return };
            match socket.send(matter.at(at, self.written[at], len)) {
                Ok(len) => self.written[at] += len as u64,
                Err(SocketError::WouldBlock) => return,
                Err(error) => {
                    self.fail(end, error);
                    self.has_shut[at] = true;
                    return;
                }
            }
        }
    }

    /// Whether an end has said all, and heard all answers.
    fn is_done(&self, plan: &Conversation, end: End) -> bool {
        match (end, plan.send) {
            (End::From, _) if self.is_stopped => self.written[0] >= self.wants[0],
            (_, None) => false,
            (End::From, Some(_)) => self.heard >= plan.rounds,
            (End::To, Some(send)) => {
                self.read[0] >= send.saturating_mul(plan.rounds)
                    && self.written[1] >= plan.answer.saturating_mul(plan.rounds)
            }
        }
    }

    /// Ends its direction when it is done, or when the other end has ended its own.
    fn end(&mut self, now: Instant, engine: &mut Engine, plan: &Conversation, id: SocketId, end: End) {
        let at = end as usize;
        let begins = plan.closes == Some(end) && self.connected.is_some() && self.is_done(plan, end);
        let owes = self.wants[at] != u64::MAX && self.written[at] < self.wants[at];
        let follows = self.has_ended[1 - at] && !owes;
        if (begins || follows) && !self.has_shut[at] {
            self.has_shut[at] = true;
            if let Ok(mut socket) = engine.socket(now, id) {
                // One that has failed is shut already.
                let _ = socket.shut(false, true);
            }
        }
    }

    /// Whether an end has nothing to do with its socket any more.
    pub(super) const fn is_through(&self, end: End) -> bool {
        self.has_shut[end as usize] && self.has_ended[end.other() as usize]
    }

    /// An end gives its socket up.
    pub(super) fn close(&mut self, now: Instant, engine: &mut Engine, end: End) {
        if let Some(socket) = self.ids[end as usize].take().and_then(|id| engine.socket(now, id).ok()) {
            socket.close();
        }
        if self.ids == [None; 2] {
            self.finished = Some(now);
        }
    }

    /// What an end fails with first is told.
    pub(super) fn fail(&mut self, end: End, error: SocketError) {
        self.errors[end as usize].get_or_insert(error);
    }
}

/// After how many bytes streams repeat: a prime, so that no segment's length divides it.
const PERIOD: usize = 65_521;
/// Bytes that are written or read at once.
const CHUNK: usize = 65_536;
