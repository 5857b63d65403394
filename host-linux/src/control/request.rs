//! What a client's request begins.

use serde::Deserialize;
use towpath_engine::{Condemned, limits::RULES_TEXT_BYTES_MAX};

use super::{
    Answers, Counters,
    codec::{self, CodecError},
    message::{Hello, Listing, Reply, Request, Topic, VERSION},
    peer::{ONE_REQUEST, Peer},
    task::{Answer, Coming, Desk, Gathering, Task},
    watch::Watch,
};
use crate::{
    limits::{CONTROL_REQUEST_BYTES_MAX, CONTROL_STATE_BYTES_MAX, CONTROL_TEXT_BYTES_MAX, CONTROL_WATCHERS_MAX},
    plugin::{Problem, limits::COMPONENT_BYTES_MAX},
    stats::Report,
};

/// What is done for a request.
enum Begun<C, S> {
    /// It goes on by and by.
    Task(Task<C, S>),
    /// All of it.
    Answer(Answer),
}

impl<C: Copy + Send + 'static, S: Send + 'static> Peer<C, S> {
    /// Begins with its request, once that is all there.
    pub(super) fn take_request<A: Answers<Cursor = C, Successor = S>>(
        &mut self,
        counters: &Counters,
        desk: &mut Desk<'_, A>,
    ) {
        let message = codec::first(&self.inbox, CONTROL_REQUEST_BYTES_MAX);
        let begun = match message.and_then(|message| message.map(parse_hello).transpose()) {
            Ok(None) => return,
            Ok(Some((Ok(request), len))) if self.inbox.len() > len && !is_followed(&request) => {
                Err(ONE_REQUEST.to_owned())
            }
            Ok(Some((Ok(request), len))) => {
                self.inbox.drain(..len);
                begin(request, counters, desk)
            }
            Ok(Some((Err(version), _))) => Err(format!(
                "the gateway speaks version {VERSION} of the control messages, not {version}; use the same towpath for both"
            )),
            Err(error) => Err(error.to_string()),
        };
        match begun {
            Ok(Begun::Task(task)) => {
                if matches!(task, Task::Watching(_)) {
                    // It says nothing more, perhaps for ever.
                    self.inbox = Vec::new();
                }
                self.task = task;
            }
            Ok(Begun::Answer(answer)) => self.finish(answer, desk.worker),
            Err(why) => self.finish(Answer::Refused(why), desk.worker),
        }
    }
}

/// Begins something that takes its time, or answers what does not.
///
/// # Errors
/// Why the request is refused.
fn begin<A: Answers>(
    request: Request,
    counters: &Counters,
    desk: &mut Desk<'_, A>,
) -> Result<Begun<A::Cursor, A::Successor>, String> {
    if let Some(why) = has_no_answer(&request) {
        return Err(why.to_owned());
    }
    Ok(Begun::Task(match request {
        Request::List(topic) => Task::Listing(Listing::of(topic), None),
        Request::ListAndForgetCounted => {
            Task::Listing(Listing { topic: Topic::Connections, forgets_counted: true }, None)
        }
        Request::Watch(_) if desk.watchers >= CONTROL_WATCHERS_MAX => {
            return Err(format!("{CONTROL_WATCHERS_MAX} watchers are being told what happens; end one of them first"));
        }
        Request::Watch(topic) => Task::Watching(Watch::of(topic)),
        Request::Forget(topic, mut numbers) => {
            numbers.sort_unstable();
            Task::Forgetting(topic, Condemned::Numbered(numbers.into()), None, 0)
        }
        Request::Revise(revision, mut numbers) => {
            numbers.sort_unstable();
            Task::Revising(revision, Condemned::Numbered(numbers.into()), None, 0)
        }
        Request::Flush(topic) => Task::Forgetting(topic, Condemned::UpTo(desk.answers.newest(topic)), None, 0),
        Request::SaveState => Task::InTurn(Gathering::State),
        Request::SaveRules(family, counters) => Task::InTurn(Gathering::Rules(family, counters)),
        Request::ListRules(family, table, options) => Task::InTurn(Gathering::Table(family, table, options)),
        Request::ShowSets(name, how) => {
            if let Some(name) =
                name.as_deref().filter(|name| !desk.answers.names().sets.iter().any(|known| known.name == *name))
            {
                return Err(format!("there is no set '{name}'"));
            }
            Task::InTurn(Gathering::Sets(name, how))
        }
        Request::ApplyRules(rules) => {
            let len = rules.texts.iter().try_fold(0_u64, |sum, (_, len)| sum.checked_add(*len));
            let too_long = || format!("rules have at most {RULES_TEXT_BYTES_MAX} bytes");
            coming(desk, Coming::Rules(rules), len, RULES_TEXT_BYTES_MAX, too_long)?
        }
        Request::LoadHelper(helper) => {
            let (len, name) = (helper.bytes, helper.name.clone());
            let too_long = || format!("{name}: {}", Problem::TooLarge);
            coming(desk, Coming::Helper(helper), Some(len), COMPONENT_BYTES_MAX, too_long)?
        }
        Request::LoadState(len) => {
            let too_long = || format!("a snapshot has at most {CONTROL_STATE_BYTES_MAX} bytes");
            coming(desk, Coming::State, Some(len), CONTROL_STATE_BYTES_MAX, too_long)?
        }
        Request::Stats
        | Request::Count(_)
        | Request::Tracking
        | Request::ZeroRules(..)
        | Request::ShowRecent(_)
        | Request::Helpers
        | Request::Features(_)
        | Request::Hardware(..)
        | Request::Bonds(_)
        | Request::Destinations(_)
        | Request::ForgetDestinations(_)
        | Request::Tunables
        | Request::SetTunable(..)
        | Request::SetFeatures(..)
        | Request::UnloadHelper(_) => return answer(request, counters, desk).map(Begun::Answer),
    }))
}

/// Waits for so many bytes, if they are not more than `most` and there is room for them.
fn coming<A: Answers>(
    desk: &Desk<'_, A>,
    what: Coming,
    len: Option<u64>,
    most: usize,
    too_long: impl FnOnce() -> String,
) -> Result<Task<A::Cursor, A::Successor>, String> {
    let len = len.and_then(|len| usize::try_from(len).ok()).filter(|len| *len <= most).ok_or_else(too_long)?;
    let claim = desk.budget.claim(len).map_err(|full| full.to_string())?;
    Ok(Task::Coming(what, len, claim))
}

/// Answers a request that takes no time.
///
/// # Errors
/// Why it is refused.
fn answer<A: Answers>(request: Request, counters: &Counters, desk: &mut Desk<'_, A>) -> Result<Answer, String> {
    let answers = &mut *desk.answers;
    let reply = match request {
        Request::Stats => Reply::Stats(Box::new(Report { control: counters.into(), ..answers.report() })),
        Request::Count(topic) => Reply::Count(answers.count(topic)),
        Request::Tracking => Reply::Tracking(answers.tracking()),
        Request::UnloadHelper(name) => Reply::Count(answers.unload_helper(&name)?),
        Request::Helpers => {
            let helpers = answers.helpers().into_iter();
            return Ok(Answer::Replies(helpers.map(|helper| Reply::Helper(Box::new(helper))).collect()));
        }
        Request::Features(device) => {
            let text = answers.features(&device)?;
            return give(desk, text);
        }
        Request::Hardware(facts, device) => {
            let text = answers.hardware(facts, &device)?;
            return give(desk, text);
        }
        Request::Bonds(name) => {
            let text = answers.bonds(name.as_deref())?;
            return give(desk, text);
        }
        Request::Destinations(network) => {
            let text = answers.destinations(network);
            return give(desk, text);
        }
        Request::ForgetDestinations(network) => Reply::Count(answers.forget_destinations(network)),
        Request::ShowRecent(name) => {
            let text = answers.recent(name.as_deref())?;
            return give(desk, text);
        }
        Request::Tunables => {
            let text = answers.tunables();
            return give(desk, text);
        }
        Request::SetTunable(name, values) => {
            return answers.set_tunable(&name, &values).map(|()| Answer::Replies(Vec::new()));
        }
        Request::SetFeatures(device, switches) => Reply::Switched(answers.set_features(&device, &switches)?),
        Request::ZeroRules(family, table) => {
            answers.zero_rules(family, table);
            return Ok(Answer::Replies(Vec::new()));
        }
        Request::List(_)
        | Request::ListAndForgetCounted
        | Request::Watch(_)
        | Request::Forget(..)
        | Request::Revise(..)
        | Request::Flush(_)
        | Request::SaveState
        | Request::LoadState(_)
        | Request::SaveRules(..)
        | Request::ListRules(..)
        | Request::ShowSets(..)
        | Request::ApplyRules(_)
        | Request::LoadHelper(_) => unreachable!("a task: {request:?}"),
    };
    Ok(Answer::Replies(vec![reply]))
}

/// A text, which is short as a rule and then needs no room beside what others send and get.
fn give<A>(desk: &Desk<'_, A>, text: String) -> Result<Answer, String> {
    if text.len() <= CONTROL_TEXT_BYTES_MAX {
        return Ok(Answer::Text(text));
    }
    let held = desk.budget.hold(text.into_bytes()).map_err(|full| full.to_string())?;
    Ok(Answer::Long(Reply::Text, held))
}

/// Whether more may follow it than it is itself.
const fn is_followed(request: &Request) -> bool {
    matches!(request, Request::ApplyRules(_) | Request::LoadHelper(_) | Request::LoadState(_))
}

/// Why nothing of a topic can be asked that way.
const fn has_no_answer(request: &Request) -> Option<&'static str> {
    if matches!(request, Request::List(Topic::Log)) {
        return Some("what rules tell can be watched, and is not kept");
    }
    if matches!(request, Request::Count(Topic::Log) | Request::Forget(Topic::Log, _) | Request::Flush(Topic::Log)) {
        return Some("what rules tell is not kept");
    }
    let changes = matches!(
        request,
        Request::Watch(Topic::Sockets) | Request::Forget(Topic::Sockets, _) | Request::Flush(Topic::Sockets)
    );
    if changes { Some("sockets can be listed and counted") } else { None }
}

/// The request, or the client's version when it is not ours; and how long the message is.
fn parse_hello(bytes: &[u8]) -> Result<(Result<Request, u32>, usize), CodecError> {
    /// What all versions have in common.
    #[derive(Deserialize)]
    struct AnyHello {
        version: u32,
    }
    let len = codec::LENGTH_BYTES + bytes.len();
    match codec::decode::<AnyHello>(bytes)?.version {
        VERSION => codec::decode::<Hello>(bytes).map(|hello| (Ok(hello.request), len)),
        other => Ok((Err(other), len)),
    }
}
