//! The gateway's end of the control socket: a few clients, each with bounded memory, none of which the path waits for.

use std::os::{
    fd::{AsFd, BorrowedFd},
    unix::net::UnixStream,
};

use rustix::event::PollFlags;
use towpath_engine::{
    Instant,
    conntrack::{Family, Statistics},
    netfilter::{ListOptions, RuleSet, TableName},
    snapshot::SnapshotError,
};

use super::{
    codec,
    listener::Listener,
    message::{NewHelper, Reply, Topic},
    outbox::Outbox,
    parser::{Names, Parser},
    peer::{Gone, Peer},
};
use crate::{
    helpers::{Loaded, Made},
    limits::{CONTROL_CLIENTS_MAX, CONTROL_DEAF_TIME},
    plugin::Plugin,
    stats::Report,
    worker::{Doing, Worker},
};

/// Where the server gets its answers.
pub trait Answers {
    /// A place in a list.
    type Cursor: Copy;

    /// All counters but the server's own.
    fn report(&mut self) -> Report;

    /// How many there are.
    fn count(&mut self, topic: Topic) -> u64;

    /// What connection tracking has counted.
    fn tracking(&mut self) -> Statistics;

    /// Forgets connections or expectations by their numbers, `None`: all. Answers how many.
    fn forget(&mut self, topic: Topic, numbers: Option<Vec<u64>>) -> u64;

    /// The gateway as bytes.
    fn save(&mut self) -> Vec<u8>;

    /// Goes on from a snapshot.
    ///
    /// # Errors
    /// Why it is not taken; nothing has changed then.
    fn load(&mut self, snapshot: &[u8]) -> Result<(), SnapshotError>;

    /// The rules of a family as text, with each rule's counters or without.
    fn save_rules(&mut self, family: Family, counters: bool) -> String;

    /// A table of rules as text.
    fn list_rules(&mut self, family: Family, table: TableName, options: ListOptions) -> String;

    /// What rules may name.
    fn names(&mut self) -> Names;

    /// Puts rules in the place of those of their family; what they name was among [`Self::names`].
    fn replace_rules(&mut self, rules: RuleSet);

    /// Forgets what rules have counted.
    fn zero_rules(&mut self, family: Family, table: Option<TableName>);

    /// All tunables and their values as text.
    fn tunables(&mut self) -> String;

    /// Sets the values of a tunable.
    ///
    /// # Errors
    /// When there is none of that name, or a value lies outside of its range; nothing has changed then.
    fn set_tunable(&mut self, name: &str, values: &[u32]) -> Result<(), String>;

    /// The features of a device as text.
    ///
    /// # Errors
    /// When there is none of that name.
    fn features(&mut self, device: &str) -> Result<String, String>;

    /// The bond of that name, or all, as text.
    ///
    /// # Errors
    /// When there is none.
    fn bonds(&mut self, name: Option<&str>) -> Result<String, String>;

    /// Switches features of a device.
    ///
    /// # Errors
    /// When there is no such device or feature; nothing has changed then.
    fn set_features(&mut self, device: &str, features: &[(String, bool)]) -> Result<(), String>;

    /// The helpers, by number.
    fn helpers(&mut self) -> Vec<Loaded>;

    /// Begins to make a helper of a component, while packets pass. `name` is what errors call it. The server serves again when
    /// it is made.
    ///
    /// # Errors
    /// Why that cannot be begun.
    fn make_helper(&mut self, name: &str, component: Vec<u8>) -> Result<Doing<Made>, String>;

    /// Loads a helper that was made.
    ///
    /// # Errors
    /// Why it is not taken; nothing has changed then.
    fn load_helper(&mut self, helper: &NewHelper, made: Plugin) -> Result<Loaded, String>;

    /// Unloads the helper of that name. Answers how many connections it expected.
    ///
    /// # Errors
    /// When there is none, or a rule attaches it.
    fn unload_helper(&mut self, name: &str) -> Result<u64, String>;

    /// A page of a list, what comes behind `after` or first, each entry told to `tell`. Answers where the page ends; `None`
    /// when nothing comes behind it. The server asks for one page at a time and lets the path have its turn between.
    fn page(&mut self, topic: Topic, after: Option<Self::Cursor>, tell: &mut dyn FnMut(&Reply))
    -> Option<Self::Cursor>;
}

/// What the server has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Clients that connected.
    pub clients: u64,
    /// Clients sent away because there were too many.
    pub clients_refused: u64,
    /// Clients cut off because they did not read, or did not say what they want.
    pub clients_cut_off: u64,
    /// Replies that watchers lost because they did not read.
    pub replies_lost: u64,
}

impl Counters {
    const NONE: Self = Self { clients: 0, clients_refused: 0, clients_cut_off: 0, replies_lost: 0 };
}

/// The gateway's end of the control socket. `C` is [`Answers::Cursor`].
#[derive(Debug)]
pub struct Server<C> {
    listener: Listener,
    peers: Vec<Peer<C>>,
    parser: Parser,
    counters: Counters,
    /// Clients wait that cannot be taken before then: poll(2) would tell of them at each call.
    deaf_until: Option<Instant>,
    /// What is being told, encoded.
    message: Vec<u8>,
}

impl<C: Copy> Server<C> {
    /// Serves the clients of `listener`. What takes long is done by `worker`, whose bell says when to serve again.
    #[must_use]
    pub fn new(listener: Listener, worker: Worker) -> Self {
        let (peers, message) = (Vec::new(), Vec::new());
        Self { listener, peers, parser: Parser::new(worker), counters: Counters::NONE, deaf_until: None, message }
    }

    /// The files to sleep on, and for what. One of whom nothing is wanted is none of them: of a client that has left while its
    /// rules are read, poll(2) tells at each call that it has.
    pub fn files(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let peers =
            self.peers.iter().map(|peer| (peer.as_fd(), peer.events())).filter(|(_, events)| !events.is_empty());
        let listener = self.deaf_until.is_none().then(|| (self.listener.as_fd(), PollFlags::IN));
        listener.into_iter().chain(peers)
    }

    /// When [`Server::serve`] has something to do even if no file moves.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.peers.iter().filter_map(Peer::deadline).chain(self.deaf_until).min()
    }

    /// Does for each client what can be done without waiting.
    pub fn serve(&mut self, now: Instant, answers: &mut impl Answers<Cursor = C>) {
        self.accept(now);
        self.serve_peers(now, answers);
        // Whose rules have been read makes room for those who were served before.
        while self.parser.is_free() && self.peers.iter().any(Peer::waits_for_parser) {
            self.serve_peers(now, answers);
        }
    }

    fn accept(&mut self, now: Instant) {
        if self.deaf_until.is_some_and(|until| until > now) {
            return;
        }
        self.deaf_until = None;
        loop {
            let stream = match self.listener.accept() {
                Ok(Some(stream)) => stream,
                Ok(None) => return,
                Err(_) => {
                    self.deaf_until = Some(now + CONTROL_DEAF_TIME);
                    return;
                }
            };
            if self.peers.len() < CONTROL_CLIENTS_MAX {
                self.counters.clients += 1;
                self.peers.push(Peer::new(now, self.counters.clients, stream));
            } else {
                self.counters.clients_refused += 1;
                turn_away(stream);
            }
        }
    }

    fn serve_peers(&mut self, now: Instant, answers: &mut impl Answers<Cursor = C>) {
        let Self { peers, parser, counters, .. } = self;
        peers.retain_mut(|peer| match peer.serve(now, counters, parser, answers) {
            Ok(()) => true,
            Err(Gone::Served) => false,
            Err(Gone::Silent) => {
                counters.clients_cut_off += 1;
                false
            }
        });
        parser.forget_unless(|client| peers.iter().any(|peer| peer.number() == client));
    }

    /// Whether somebody watches connections or expectations.
    #[must_use]
    pub fn has_watchers(&self) -> bool {
        self.peers.iter().any(|peer| peer.watched().is_some_and(|topic| topic != Topic::Log))
    }

    /// Tells something to all who watch the topic. Who does not read is cut off rather than waited for.
    pub fn tell(&mut self, topic: Topic, reply: &Reply) {
        if self.peers.is_empty() {
            return;
        }
        self.message.clear();
        if codec::append(&mut self.message, reply).is_err() {
            return;
        }
        for peer in &mut self.peers {
            let was_watching = peer.watched().is_some();
            if !peer.tell(topic, &self.message) {
                self.counters.replies_lost += 1;
                self.counters.clients_cut_off += u64::from(was_watching);
            }
        }
    }

    /// What has been counted.
    #[must_use]
    pub const fn counters(&self) -> &Counters {
        &self.counters
    }
}

/// Says why, as far as that can be done without waiting.
fn turn_away(stream: UnixStream) {
    let mut outbox = Outbox::default();
    outbox.push(&Reply::Refused(format!("{CONTROL_CLIENTS_MAX} clients are being served; try again")));
    let _ = outbox.write_to(stream);
}
