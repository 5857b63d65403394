//! Streams over a network, held against the model: what is delivered is always a prefix of what was sent.

use std::{net::SocketAddr, time::Duration};

use towpath_engine::{
    Instant,
    socket::{Family, Readiness, SocketError, SocketId},
};

use super::{Model, Network, address};

/// A connection between both engines, and what has gone over it in each direction.
pub struct Streams {
    /// The sockets, of engine 0 and of engine 1.
    pub ids: [SocketId; 2],
    /// What has gone over it.
    pub model: Model,
}

impl Network {
    /// A socket of engine 1 that listens on a port.
    ///
    /// # Panics
    /// When it cannot.
    pub fn listen(&mut self, port: u16, backlog: u32) -> SocketId {
        let now = self.now();
        let engine = &mut self.engines[1];
        let id = engine.open_stream(now, Family::Ipv6).expect("a socket");
        let mut socket = engine.socket(now, id).expect("it is there");
        socket.bind(SocketAddr::from(([0_u16; 8], port))).expect("the port is free");
        socket.listen(backlog).expect("it may listen");
        id
    }

    /// A socket of engine 0 that connects to a port of engine 1.
    ///
    /// # Panics
    /// When it cannot even try.
    pub fn connect(&mut self, port: u16) -> SocketId {
        let now = self.now();
        let engine = &mut self.engines[0];
        let id = engine.open_stream(now, Family::Ipv4).expect("a socket");
        let to = SocketAddr::new(address(1).ip(), port);
        engine.socket(now, id).expect("it is there").connect(to).expect("there is a way");
        id
    }

    /// A connection between both, made within a minute.
    ///
    /// # Panics
    /// When it does not stand by then.
    pub fn connected(&mut self, port: u16) -> Streams {
        let listener = self.listen(port, 16);
        let client = self.connect(port);
        let until = self.now() + Duration::from_secs(60);
        let server = loop {
            let now = self.now();
            match self.engines[1].socket(now, listener).expect("it listens").accept() {
                Ok(server) => break server,
                Err(SocketError::WouldBlock) => assert!(self.step(until), "nobody has come within a minute"),
                Err(error) => panic!("{error}"),
            }
        };
        Streams { ids: [client, server], model: Model::default() }
    }
}

impl Streams {
    /// Writes as much as goes, up to `upto` bytes in all.
    ///
    /// # Panics
    /// When the socket says anything but that it is full.
    pub fn write(&mut self, network: &mut Network, from: usize, upto: u64) {
        let now = network.now();
        while self.model.written[from] < upto {
            let len = (upto - self.model.written[from]).min(100_000) as usize;
            let bytes = self.model.next(from, len);
            match network.engines[from].socket(now, self.ids[from]).expect("it is open").send(&bytes) {
                Ok(written) => self.model.written[from] += written as u64,
                Err(SocketError::WouldBlock) => break,
                Err(error) => panic!("{error} after {} bytes:\n{}", self.model.written[from], network.recent()),
            }
        }
        network.collect();
    }

    /// Reads what has come.
    ///
    /// # Panics
    /// When it is not what was written.
    pub fn read(&mut self, network: &mut Network, from: usize) {
        let (to, now) = (1 - from, network.now());
        let mut bytes = [0; 65_536];
        loop {
            match network.engines[to].socket(now, self.ids[to]).expect("it is open").receive(&mut bytes) {
                Ok(0) => {
                    self.model.takes_end(from);
                    break;
                }
                Ok(read) => self.model.takes(from, &bytes[..read]),
                Err(SocketError::WouldBlock) => break,
                Err(error) => panic!("{error} after {} bytes:\n{}", self.model.read[from], network.recent()),
            }
        }
        network.collect();
    }

    /// Lets so many bytes go in each direction and be read as they come; tells how long it took.
    ///
    /// # Panics
    /// When nothing happens any more before all has come, or not all has by `until`.
    pub fn transfer(&mut self, network: &mut Network, upto: [u64; 2], until: Instant) -> Duration {
        let start = network.now();
        loop {
            for (from, most) in upto.into_iter().enumerate() {
                self.write(network, from, most);
                self.read(network, from);
            }
            if self.model.read == upto {
                return network.now().since(start);
            }
            let (read, now) = (self.model.read, network.now());
            let goes_on = network.step(until);
            assert!(goes_on, "stuck at {now:?} with {read:?} of {upto:?} read:\n{}", network.recent());
        }
    }

    /// Ends the stream from one side.
    ///
    /// # Panics
    /// When the socket is gone.
    pub fn end(&mut self, network: &mut Network, from: usize) {
        let now = network.now();
        let mut socket = network.engines[from].socket(now, self.ids[from]).expect("it is open");
        socket.shut(false, true).expect("it is connected");
        network.collect();
    }

    /// Gives a side's socket up.
    ///
    /// # Panics
    /// When it has been given up.
    pub fn close(&mut self, network: &mut Network, side: usize) {
        let now = network.now();
        network.engines[side].socket(now, self.ids[side]).expect("it is open").close();
        network.collect();
    }

    /// What a side's socket can be used for.
    ///
    /// # Panics
    /// When it has been given up.
    #[must_use]
    pub fn readiness(&self, network: &mut Network, side: usize) -> Readiness {
        let now = network.now();
        network.engines[side].socket(now, self.ids[side]).expect("it is open").readiness()
    }
}
