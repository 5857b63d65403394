//! Rules are read beside the packet path: a million of them take seconds, in which no packet would move.

use std::io;

use towpath_engine::{
    conntrack::{HelperId, TimeoutPolicies},
    netfilter::{Loading, RuleSet, Source},
};

use super::message::NewRules;
use crate::worker::{Broken, Doing, Worker};

/// What rules may name that a gateway has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Its helpers.
    pub helpers: Vec<(String, HelperId)>,
    /// The sets of the rules' family.
    pub sets: Vec<String>,
    /// Its timeout policies.
    pub timeouts: TimeoutPolicies,
}

/// Has the rules of one client at a time read.
#[derive(Debug)]
pub(super) struct Parser {
    worker: Worker,
    job: Option<Job>,
}

/// Rules that are being read.
#[derive(Debug)]
struct Job {
    /// The client's number.
    client: u64,
    names: Names,
    reading: Doing<Result<RuleSet, String>>,
}

/// Rules that have been read, and what they could name.
pub(super) struct Parsed {
    pub(super) names: Names,
    /// Or why they are not right.
    pub(super) rules: Result<RuleSet, String>,
}

impl Parser {
    pub(super) const fn new(worker: Worker) -> Self {
        Self { worker, job: None }
    }

    /// Whether nobody's rules are being read.
    pub(super) const fn is_free(&self) -> bool {
        self.job.is_none()
    }

    /// Begins to read a client's rules, whose texts lie in `bytes` one behind the other. It must be free.
    ///
    /// # Errors
    /// When the system has no thread to spare.
    pub(super) fn begin(&mut self, client: u64, rules: NewRules, bytes: Vec<u8>, names: Names) -> io::Result<()> {
        let known = names.clone();
        let reading = self.worker.begin(move || parse(&rules, &bytes, &known))?;
        self.job = Some(Job { client, names, reading });
        Ok(())
    }

    /// A client's rules, once they have been read.
    pub(super) fn take(&mut self, client: u64) -> Option<Parsed> {
        let read = self.job.as_ref().filter(|job| job.client == client)?.reading.take()?;
        let names = self.job.take()?.names;
        let rules = read.unwrap_or_else(|Broken| Err("reading the rules has failed".to_owned()));
        Some(Parsed { names, rules })
    }

    /// Forgets rules that have been read for a client who is gone.
    pub(super) fn forget_unless(&mut self, is_there: impl FnOnce(u64) -> bool) {
        self.job.take_if(|job| !is_there(job.client) && job.reading.take().is_some());
    }
}

/// Reads rules.
///
/// # Errors
/// Why they are not taken, with the place.
fn parse(rules: &NewRules, bytes: &[u8], names: &Names) -> Result<RuleSet, String> {
    let mut sources = Vec::with_capacity(rules.texts.len());
    let mut rest = bytes;
    for (name, len) in &rules.texts {
        let len = usize::try_from(*len).unwrap_or(usize::MAX).min(rest.len());
        let (text, others) = rest.split_at(len);
        rest = others;
        let text = core::str::from_utf8(text).map_err(|_| format!("{name} is not UTF-8 text"))?;
        sources.push(Source { name, text });
    }
    let helpers: Vec<(&str, HelperId)> = names.helpers.iter().map(|(name, id)| (name.as_str(), *id)).collect();
    let sets: Vec<&str> = names.sets.iter().map(String::as_str).collect();
    let (family, counters, timeouts) = (rules.family, rules.counters, Some(&names.timeouts));
    let loading = Loading { family, counters, sets: &sets, helpers: &helpers, timeouts, only_shown: false };
    RuleSet::parse(&sources, &loading).map_err(|error| error.to_string())
}
