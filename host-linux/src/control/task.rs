//! What a client is being given: its states, and what is done for it beside the packet path.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use towpath_engine::{
    Condemned,
    conntrack::{Family, Revision},
    netfilter::{ListOptions, RuleSet, SetListing, TableName},
};

use super::{
    Answers,
    budget::{Budget, Claim, Full, Held},
    message::{Listing, NewHelper, NewRules, Reply, Topic},
    parser::{Names, parse},
    turn::Turn,
    watch::Watch,
};
use crate::{
    helpers::Made,
    worker::{Broken, Doing, Worker},
};

/// What a client is being given. `C` is [`Answers::Cursor`], `S` is [`Answers::Successor`].
#[derive(Debug)]
pub(super) enum Task<C, S> {
    /// Nothing yet: its request is not all there.
    Asking,
    /// What comes behind this place.
    Listing(Listing, Option<C>),
    /// What was forgotten up to this place, so many, and what is behind it.
    Forgetting(Topic, Condemned, Option<C>, u64),
    /// What was changed up to this place, so many, and what is behind it.
    Revising(Revision, Condemned, Option<C>, u64),
    /// What happens.
    Watching(Watch),
    /// What it gets for so many bytes, which are coming.
    Coming(Coming, usize, Claim),
    /// What is gathered for it when its turn comes.
    InTurn(Gathering),
    /// What comes of something that takes long.
    Waiting(Errand<S>),
    /// Nothing any more, and to be told so when this is done: it has said more than its request meanwhile.
    Abandoned(Errand<S>),
    /// What is in its outbox.
    Leaving,
}

/// What is gathered on the packet path, to be written down beside it.
#[derive(Clone, Debug)]
pub(super) enum Gathering {
    /// A snapshot.
    State,
    /// The rules of a family, with their counters or without.
    Rules(Family, bool),
    /// A table of rules.
    Table(Family, TableName, ListOptions),
    /// The set of that name, or all.
    Sets(Option<String>, SetListing),
}

/// What is coming from a client behind its request.
#[derive(Debug)]
pub(super) enum Coming {
    Rules(NewRules),
    Helper(NewHelper),
    State,
}

/// Something that is done beside the packet path.
#[derive(Debug)]
pub(super) enum Errand<S> {
    /// Rules are read, which could name what the gateway had then.
    Rules(Names, Doing<Result<RuleSet, String>>),
    /// A helper is made.
    Helper(NewHelper, Doing<Made>, Started),
    /// A snapshot is read.
    Load(Doing<Result<S, String>>),
    /// A snapshot is written down.
    Save(Doing<Result<Held, Full>>),
    /// A text is written.
    Text(Doing<Result<Held, Full>>),
}

/// Whether something that waits for its turn has begun. Clones are of the same thing.
#[derive(Clone, Debug, Default)]
pub(super) struct Started(Arc<AtomicU8>);

impl Started {
    const WAITS: u8 = 0;
    const BEGUN: u8 = 1;
    const GIVEN_UP: u8 = 2;

    /// Begins it, unless it was given up.
    fn begin(&self) -> bool {
        self.leave_waiting(Self::BEGUN)
    }

    /// Gives it up, unless it has begun.
    fn give_up(&self) -> bool {
        self.leave_waiting(Self::GIVEN_UP)
    }

    fn leave_waiting(&self, next: u8) -> bool {
        self.0.compare_exchange(Self::WAITS, next, Ordering::AcqRel, Ordering::Acquire).is_ok()
    }
}

impl<S> Errand<S> {
    /// Gives up what nobody waits for any more; `false`: it has begun, and goes on to its end.
    pub(super) fn give_up(&self) -> bool {
        match self {
            Self::Helper(_, _, started) => started.give_up(),
            Self::Rules(..) | Self::Load(_) | Self::Save(_) | Self::Text(_) => false,
        }
    }
}

/// What a client is told last, but for [`Reply::Done`].
#[derive(Debug)]
pub(super) enum Answer {
    /// These; there may be none.
    Replies(Vec<Reply>),
    /// This text, which is short, behind the reply that says how long it is.
    Text(String),
    /// These bytes, behind the reply that says how many they are.
    Long(fn(u64) -> Reply, Held),
    Refused(String),
}

/// What peers do their tasks with.
pub(super) struct Desk<'a, A> {
    pub(super) answers: &'a mut A,
    pub(super) worker: &'a Worker,
    /// Who compile components, which can take so long that nothing else should wait for it, and no other component while one of them has
    /// nothing to do.
    pub(super) compilers: &'a [Worker],
    /// Who compiles what this program brings along, which waits for nobody's component.
    pub(super) own_compiler: &'a Worker,
    pub(super) budget: &'a Budget,
    pub(super) turn: &'a mut Turn,
    /// How many peers watch.
    pub(super) watchers: usize,
}

impl<A: Answers> Desk<'_, A> {
    /// Gathers something and begins to write it down, if nobody else's is being gathered or written. Whoever has to wait is served
    /// again when that is done: the worker's bell rings then.
    pub(super) fn gather(&mut self, what: &Gathering) -> Option<Result<Errand<A::Successor>, String>> {
        let taken = self.turn.take()?;
        let write = match what {
            Gathering::State => self.answers.save(),
            Gathering::Rules(family, counters) => self.answers.save_rules(*family, *counters),
            Gathering::Table(family, table, options) => self.answers.list_rules(*family, *table, *options),
            Gathering::Sets(name, how) => self.answers.show_sets(name.as_deref(), *how),
        };
        let budget = self.budget.clone();
        let writing = begin(self.worker, move || {
            let written = budget.hold(write());
            drop(taken);
            written
        });
        if writing.is_err() {
            // No bell rings for the others, who are to be told the same.
            self.turn.renew();
        }
        Some(writing.map(|writing| match what {
            Gathering::State => Errand::Save(writing),
            Gathering::Rules(..) | Gathering::Table(..) | Gathering::Sets(..) => Errand::Text(writing),
        }))
    }

    /// Whether an errand is done; what has come of it is dropped.
    pub(super) fn drop_done(&self, errand: &Errand<A::Successor>) -> bool {
        match errand {
            Errand::Rules(_, reading) => self.discard(reading.take()),
            Errand::Helper(_, making, _) => self.discard(making.take()),
            Errand::Load(reading) => self.discard(reading.take()),
            Errand::Save(writing) | Errand::Text(writing) => self.discard(writing.take()),
        }
    }

    /// Whether something is there, which is dropped.
    fn discard(&self, waste: Option<impl Send + 'static>) -> bool {
        waste.map(|waste| self.worker.discard(waste)).is_some()
    }

    /// Begins what is to be done with what has come.
    pub(super) fn take_in(&mut self, coming: Coming, come: Held) -> Result<Errand<A::Successor>, String> {
        match coming {
            Coming::Rules(rules) => {
                let names = self.answers.names();
                let known = names.clone();
                let reading = begin(self.worker, move || parse(&rules, come.bytes(), &known))?;
                Ok(Errand::Rules(names, reading))
            }
            Coming::Helper(helper) => {
                let is_shipped = self.answers.is_shipped(&helper, come.bytes())?;
                let make = self.answers.maker(&helper.name);
                let stranger = Worker::least_busy(self.compilers).unwrap_or(self.worker);
                let compiler = if is_shipped { self.own_compiler } else { stranger };
                let started = Started::default();
                let waits = started.clone();
                let given_up = || Err("nobody waits for it".to_owned());
                let making = begin(compiler, move || if waits.begin() { make(come.bytes()) } else { given_up() })?;
                Ok(Errand::Helper(helper, making, started))
            }
            Coming::State => {
                let read = self.answers.reader();
                begin(self.worker, move || read(come.bytes())).map(Errand::Load)
            }
        }
    }

    /// What has come of an errand, once it is done; then the gateway has it.
    pub(super) fn finish(&mut self, errand: &mut Errand<A::Successor>) -> Option<Answer> {
        let finished = match errand {
            Errand::Rules(names, reading) => {
                let read = reading.take()?.unwrap_or_else(|Broken| Err("reading the rules has failed".to_owned()));
                read.and_then(|rules| self.put_in_force(names, rules)).map(|()| Answer::Replies(Vec::new()))
            }
            Errand::Helper(helper, making, _) => {
                let failed = || Err(format!("{}: making a helper of it has failed", helper.name));
                let made = making.take()?.unwrap_or_else(|Broken| failed());
                let loaded = made.and_then(|made| self.answers.load_helper(helper, *made));
                loaded.map(|loaded| Answer::Replies(vec![Reply::Helper(Box::new(loaded))]))
            }
            Errand::Load(reading) => {
                let read = reading.take()?.unwrap_or_else(|Broken| Err("reading the snapshot has failed".to_owned()));
                let taken = read.map(|successor| self.answers.load(successor));
                taken.and_then(|taken| {
                    let (said, waste) = match taken {
                        Ok(former) => (Ok(Answer::Replies(Vec::new())), former),
                        Err((why, successor)) => (Err(why), successor),
                    };
                    // Either may know of a million connections.
                    self.worker.discard(waste);
                    said
                })
            }
            Errand::Save(writing) => long(writing.take()?, Reply::State),
            Errand::Text(writing) => long(writing.take()?, Reply::Text),
        };
        Some(finished.unwrap_or_else(Answer::Refused))
    }

    fn put_in_force(&mut self, names: &Names, rules: RuleSet) -> Result<(), String> {
        // What they name was looked up in what the gateway had then.
        if self.answers.names() != *names {
            self.worker.discard(rules);
            return Err("the gateway has other rules, sets or helpers meanwhile; try again".to_owned());
        }
        let former = self.answers.replace_rules(rules);
        self.worker.discard(former);
        Ok(())
    }
}

fn begin<T: Send + 'static>(worker: &Worker, job: impl FnOnce() -> T + Send + 'static) -> Result<Doing<T>, String> {
    worker.begin(job).map_err(|error| format!("that cannot be done now: {error}"))
}

fn long(written: Result<Result<Held, Full>, Broken>, reply: fn(u64) -> Reply) -> Result<Answer, String> {
    match written {
        Ok(Ok(held)) => Ok(Answer::Long(reply, held)),
        Ok(Err(full)) => Err(full.to_string()),
        Err(Broken) => Err("writing it down has failed".to_owned()),
    }
}
