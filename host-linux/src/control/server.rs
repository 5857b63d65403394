//! The gateway's end of the control socket: a few clients, with bounded memory, none of which the path waits for.

use std::{
    any::Any,
    array,
    net::IpAddr,
    os::{
        fd::{AsFd, BorrowedFd},
        unix::net::UnixStream,
    },
};

use rustix::event::PollFlags;
use towpath_engine::{
    Condemned, Instant,
    conntrack::{Family, Revision},
    netfilter::{ListOptions, RuleSet, SetListing, TableName},
};

use super::{
    budget::Budget,
    codec,
    listener::Listener,
    message::{Facts, Listing, NewHelper, Reply, Switched, Topic},
    outbox::Outbox,
    parser::Names,
    peer::{Gone, Peer},
    task::Desk,
    turn::Turn,
};
use crate::{
    helpers::{Loaded, Made},
    limits::{COMPILERS, CONTROL_ASKING_MAX, CONTROL_DEAF_TIME},
    plugin::Plugin,
    stats::Report,
    tracking::Counted,
    worker::Worker,
};

/// Makes something of bytes, beside the packet path.
pub type Reading<T> = Box<dyn FnOnce(&[u8]) -> T + Send>;

/// Writes something down, beside the packet path.
pub type Writing = Box<dyn FnOnce() -> Vec<u8> + Send>;

/// How many there were, and where the page ends; `None` when nothing comes behind it.
pub type Forgotten<C> = (u64, Option<C>);

/// What is left over and not dropped in a moment.
pub type Waste = Box<dyn Any + Send>;

/// Where the server gets its answers.
pub trait Answers {
    /// A place in a list.
    type Cursor: Copy + Send + 'static;

    /// A gateway that was read from a snapshot.
    type Successor: Send + 'static;

    /// All counters but the server's own.
    fn report(&mut self) -> Report;

    /// How many there are.
    fn count(&mut self, topic: Topic) -> u64;

    /// What connection tracking has counted.
    fn tracking(&mut self) -> Counted;

    /// The number of the connection or expectation that came last.
    fn newest(&mut self, topic: Topic) -> u64;

    /// Forgets connections or expectations by their numbers, a page of what comes behind `after`, or the first one.
    fn forget(&mut self, topic: Topic, which: &Condemned, after: Option<Self::Cursor>) -> Forgotten<Self::Cursor>;

    /// Changes connections by their numbers, a page of what comes behind `after`, or the first one.
    fn revise(&mut self, to: &Revision, which: &Condemned, after: Option<Self::Cursor>) -> Forgotten<Self::Cursor>;

    /// Gathers what a snapshot says, for it to be written down.
    fn save(&mut self) -> Writing;

    /// Reads a snapshot.
    fn reader(&mut self) -> Reading<Result<Self::Successor, String>>;

    /// Goes on from a snapshot that was read. Gives what it has taken the place of.
    ///
    /// # Errors
    /// Why it is not taken, and what is left of it; nothing has changed then.
    fn load(&mut self, successor: Self::Successor) -> Result<Waste, (String, Waste)>;

    /// The rules of a family as text, with each rule's counters or without.
    fn save_rules(&mut self, family: Family, counters: bool) -> Writing;

    /// A table of rules as text.
    fn list_rules(&mut self, family: Family, table: TableName, options: ListOptions) -> Writing;

    /// The set of that name, or all, as text; nothing of one that is not there any more.
    fn show_sets(&mut self, name: Option<&str>, how: SetListing) -> Writing;

    /// What `-m recent` has seen, in the list of that name, or without one the lists' names, as text.
    ///
    /// # Errors
    /// When there is no such list.
    fn recent(&mut self, name: Option<&str>) -> Result<String, String>;

    /// What rules may name.
    fn names(&mut self) -> Names;

    /// Puts rules in the place of those of their family, which it gives; what they name was among [`Self::names`].
    fn replace_rules(&mut self, rules: RuleSet) -> Waste;

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

    /// What ethtool shows of the hardware of a device as text.
    ///
    /// # Errors
    /// When there is none of that name, or it has nothing of the kind.
    fn hardware(&mut self, facts: Facts, device: &str) -> Result<String, String>;

    /// The bond of that name, or all, as text.
    ///
    /// # Errors
    /// When there is none.
    fn bonds(&mut self, name: Option<&str>) -> Result<String, String>;

    /// What is remembered of destinations in that network, or of all, as text.
    fn destinations(&mut self, network: Option<(IpAddr, u8)>) -> String;

    /// Forgets that; tells of how many destinations.
    fn forget_destinations(&mut self, network: Option<(IpAddr, u8)>) -> u64;

    /// Switches features of a device, as far as it can have them.
    ///
    /// # Errors
    /// When there is no such device or feature, or nobody may ask for it; nothing has changed then.
    fn set_features(&mut self, device: &str, features: &[(String, bool)]) -> Result<Switched, String>;

    /// The helpers, by number.
    fn helpers(&mut self) -> Vec<Loaded>;

    /// Whether a component is one that the program brings along: it is compiled in a moment, or was before.
    ///
    /// # Errors
    /// When it is, and cannot be loaded as it is asked; of others that is known when they are made.
    fn is_shipped(&mut self, helper: &NewHelper, component: &[u8]) -> Result<bool, String>;

    /// Makes a helper of a component. `name` is what errors call it.
    fn maker(&mut self, name: &str) -> Reading<Made>;

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
    fn page(
        &mut self,
        listing: Listing,
        after: Option<Self::Cursor>,
        tell: &mut dyn FnMut(&Reply),
    ) -> Option<Self::Cursor>;
}

/// What the server has counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counters {
    /// Clients that connected.
    pub clients: u64,
    /// Clients sent away because there were too many.
    pub clients_refused: u64,
    /// Clients cut off because they did not read what they asked for, or did not say what they want.
    pub clients_cut_off: u64,
    /// Replies that watchers lost because they did not read.
    pub replies_lost: u64,
}

impl Counters {
    const NONE: Self = Self { clients: 0, clients_refused: 0, clients_cut_off: 0, replies_lost: 0 };
}

/// The gateway's end of the control socket. `C` is [`Answers::Cursor`], `S` is [`Answers::Successor`].
#[derive(Debug)]
pub struct Server<C, S> {
    listener: Listener,
    peers: Vec<Peer<C, S>>,
    worker: Worker,
    compilers: [Worker; COMPILERS],
    own_compiler: Worker,
    budget: Budget,
    turn: Turn,
    counters: Counters,
    /// Clients wait that cannot be taken before then: poll(2) would tell of them at each call.
    deaf_until: Option<Instant>,
    /// What is being told, encoded.
    message: Vec<u8>,
}

impl<C: Copy + Send + 'static, S: Send + 'static> Server<C, S> {
    /// Serves the clients of `listener`. What takes long is done by `worker` and colleagues of its, whose bell says when to serve
    /// again.
    #[must_use]
    pub fn new(listener: Listener, worker: Worker) -> Self {
        Self {
            listener,
            peers: Vec::new(),
            compilers: array::from_fn(|_| worker.colleague()),
            own_compiler: worker.colleague(),
            worker,
            budget: Budget::default(),
            turn: Turn::default(),
            counters: Counters::NONE,
            deaf_until: None,
            message: Vec::new(),
        }
    }

    /// The files to sleep on, and for what. One of whom nothing is wanted is none of them: of a client that has left while its
    /// rules are read, poll(2) tells at each call that it has.
    pub fn files(&self) -> impl Iterator<Item = (BorrowedFd<'_>, PollFlags)> {
        let peers =
            self.peers.iter().map(|peer| (peer.as_fd(), peer.events())).filter(|(_, events)| !events.is_empty());
        let listener = self.deaf_until.is_none().then(|| self.listener.as_fd());
        listener.into_iter().chain([self.worker.as_fd()]).map(|file| (file, PollFlags::IN)).chain(peers)
    }

    /// When [`Server::serve`] has something to do even if no file moves.
    #[must_use]
    pub fn deadline(&self) -> Option<Instant> {
        self.peers.iter().filter_map(Peer::deadline).chain(self.deaf_until).min()
    }

    /// Does for each client what can be done without waiting.
    pub fn serve(&mut self, now: Instant, answers: &mut impl Answers<Cursor = C, Successor = S>) {
        self.worker.hush();
        self.accept(now);
        self.turn.renew();
        let watchers = self.peers.iter().filter(|peer| peer.watched().is_some()).count();
        let Self { peers, worker, compilers, own_compiler, budget, turn, counters, .. } = self;
        let desk = &mut Desk { answers, worker, compilers, own_compiler, budget, turn, watchers };
        let mut has_gone = |peer: &mut Peer<C, S>| {
            let was_watching = peer.watched().is_some();
            let gone = peer.serve(now, counters, desk).err();
            desk.watchers += usize::from(gone.is_none() && peer.watched().is_some());
            desk.watchers -= usize::from(was_watching);
            counters.clients_cut_off += u64::from(gone == Some(Gone::Silent));
            gone.is_some()
        };
        let gone: Vec<_> = peers.extract_if(.., |peer| has_gone(peer)).collect();
        gone.into_iter().filter_map(Peer::remains).for_each(|remains| worker.discard(remains));
        self.send_away(now);
    }

    /// Takes in who waits, as far as there is room. Who watches has a room of his own.
    fn accept(&mut self, now: Instant) {
        while self.has_room()
            && let Some(stream) = self.next_client(now)
        {
            self.counters.clients += 1;
            self.peers.push(Peer::new(now, stream));
        }
    }

    /// Sends away who still waits, if none of those who were served has made room; else he has his turn when packets have passed.
    fn send_away(&mut self, now: Instant) {
        while !self.has_room()
            && let Some(stream) = self.next_client(now)
        {
            self.counters.clients_refused += 1;
            turn_away(stream);
        }
    }

    /// Whether one more may ask.
    fn has_room(&self) -> bool {
        self.peers.iter().filter(|peer| peer.watched().is_none()).count() < CONTROL_ASKING_MAX
    }

    /// Who has waited longest, if he can be taken.
    fn next_client(&mut self, now: Instant) -> Option<UnixStream> {
        if self.deaf_until.is_some_and(|until| until > now) {
            return None;
        }
        self.deaf_until = None;
        self.listener.accept().unwrap_or_else(|_| {
            self.deaf_until = Some(now + CONTROL_DEAF_TIME);
            None
        })
    }

    /// Memory of what waits at the socket, of what is short and of what is long: at most
    /// [`CONTROL_SHORT_BYTES_MAX`](crate::limits::CONTROL_SHORT_BYTES_MAX) and
    /// [`CONTROL_LONG_BYTES_MAX`](crate::limits::CONTROL_LONG_BYTES_MAX).
    #[must_use]
    pub fn memory_bytes(&self) -> [usize; 2] {
        [self.message.capacity() + self.peers.iter().map(Peer::memory_bytes).sum::<usize>(), self.budget.claimed()]
    }

    /// Whether somebody watches connections or expectations.
    #[must_use]
    pub fn has_watchers(&self) -> bool {
        self.peers.iter().any(|peer| peer.watched().is_some_and(|topic| topic != Topic::Log))
    }

    /// Tells something to all who watch the topic. Who does not read loses it, and is told how much that was when he reads again;
    /// nobody waits for him.
    pub fn tell(&mut self, topic: Topic, reply: &Reply) {
        let Self { peers, message, counters, .. } = self;
        message.clear();
        for (watch, outbox) in peers.iter_mut().filter_map(|peer| peer.watch_of(topic)) {
            // Encoded once for all of them, and not at all for those who lose it.
            if message.is_empty() && !watch.is_losing() && codec::append(message, reply).is_err() {
                return;
            }
            counters.replies_lost += u64::from(!watch.tell(outbox, message));
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
    outbox.push(&Reply::Refused(format!("{CONTROL_ASKING_MAX} clients are being served; try again")));
    let _ = outbox.write_to(stream);
}
