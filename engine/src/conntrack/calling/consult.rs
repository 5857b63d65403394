//! One payload shown to a helper, and what its answer costs.

use super::{
    Departure, GivenUp, HelperEvent, LineStarts, Memory, Outside, Refusal,
    announce::{self, Text},
    failures::Noted,
    line_starts,
    registry::Loaded,
    stream::{self, Waiting},
    wish,
};
use crate::{
    conntrack::{
        ConnId, Connection, Conntrack, Direction, ExpectationId, HelperId,
        helper::{
            FailurePolicy, HelperContext, HelperEndpoint, HelperFailure, HelperMode, HelperVerdict, Inspection, Site,
            Wish,
        },
    },
    ending::DropReason,
    event::Event,
    limits::HELPER_WISHES_MAX,
    surroundings::Surroundings,
    time::Instant,
    trace::Step,
    wire::SeqNum,
};
use alloc::{format, string::ToString, vec::Vec};
use core::net::IpAddr;

/// A helper, a connection of its, and all that a call needs.
pub(super) struct Call<'a> {
    pub(super) now: Instant,
    pub(super) id: ConnId,
    pub(super) helper: HelperId,
    pub(super) direction: Direction,
    /// What the helper is told of the packet.
    pub(super) told: HelperContext,
    pub(super) conntrack: &'a mut Conntrack,
    pub(super) loaded: &'a mut Loaded,
    pub(super) mode: HelperMode,
    pub(super) waiting: &'a mut Waiting,
    pub(super) outside: Outside<'a>,
    pub(super) around: &'a mut Surroundings,
    /// What has come of the packet's payloads so far.
    pub(super) granted: Granted,
    /// How many bytes of what is shown have gone on before and cannot change.
    pub(super) sent: usize,
    /// On how many payloads the helper has answered anything.
    pub(super) answers: usize,
}

/// What helpers' answers have led to, until the packet is written: all of it is taken back when a later line drops the packet.
#[derive(Debug, Default)]
pub(super) struct Granted {
    /// Expectations that wait now.
    pub(super) waiting: Vec<ExpectationId>,
    /// What is to stand in the payload, in its order.
    pub(super) texts: Vec<Text>,
    /// What the helper is to remember.
    pub(super) state: Option<Vec<u8>>,
    /// After how many seconds the connection is to be forgotten.
    pub(super) forget_after: Option<u32>,
}

/// Why a wish was not fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfulfilled {
    /// The helper failed.
    Failed(HelperFailure),
    /// It may not have that.
    Refused(Refusal),
    /// Nobody's fault, but the packet cannot go on as it is.
    Dropped(DropReason),
}

impl Call<'_> {
    /// Shows a part of a payload, which begins at `offset` of all that is shown of it, and does what the answer asks for, but for the
    /// writing.
    pub(super) fn consult(&mut self, shown: &[u8], offset: usize) -> Result<(), DropReason> {
        let Some(connection) = self.conntrack.connection(self.id) else { return Ok(()) };
        if self.loaded.recent_failures.bars(self.now, connection.original.source_ip()) {
            self.note(|| "is shown nothing of this client's, on which it has failed too often".to_string());
            stream::leave_unread(self);
            return Ok(());
        }
        let most = usize::from(self.loaded.manifest.state_bytes_max);
        // A helper that was replaced may have left more than its successor takes.
        let kept = connection.extension.as_ref().map_or(&[][..], |extension| &extension.helper_state);
        let state = self.granted.state.as_deref().unwrap_or(kept);
        let state = if state.len() <= most { Vec::from(state) } else { Vec::new() };
        self.loaded.calls += 1;
        let fulfilled = match self.loaded.helper.inspect(&self.told, &state, shown) {
            // Most of what holds a trigger is of no concern after all.
            Ok(inspection) if inspection == Inspection::default() => return Ok(()),
            Ok(inspection) => self.fulfil(inspection, state, shown, offset),
            Err(failure) => Err(Unfulfilled::Failed(failure)),
        };
        self.answers += 1;
        fulfilled.or_else(|unfulfilled| self.answer_for(unfulfilled))
    }

    /// Takes back what the packet's payloads were granted.
    pub(super) fn withdraw(&mut self) {
        announce::withdraw(self, 0);
        self.granted = Granted::default();
    }

    /// Lets what was granted stand, whose texts have been taken out: nothing can drop the packet any more.
    pub(super) fn keep(&mut self) {
        let Granted { state, forget_after, .. } = core::mem::take(&mut self.granted);
        if let Some(secs) = forget_after {
            self.conntrack.forget_after(self.now, self.id, secs);
        }
        if let (Some(state), Some(connection)) = (state, self.conntrack.connection_mut(self.id)) {
            connection.extension_mut().helper_state = state;
            self.weigh(Memory::State);
        }
    }

    /// Tells that lines go on unread, of a stream once: it may be so of all that follows.
    pub(super) fn give_up(&mut self, why: GivenUp) {
        self.loaded.given_up += 1;
        let helper = self.helper;
        self.note(|| format!("gives up a line: {}", why.in_words()));
        let connection = self.conntrack.connection(self.id).map(|connection| connection.original);
        if let Some(connection) = connection.filter(|_| stream::is_first_trouble(self)) {
            self.tell(HelperEvent::GivenUp { helper, connection, why });
        }
    }

    /// Weighs what is remembered of the connection, and tells of those that have to make room for it.
    pub(super) fn weigh(&mut self, memory: Memory) {
        for (other, why) in self.conntrack.weigh(self.id, memory) {
            self.loaded.given_up += 1;
            let connection = self.conntrack.connection(other);
            let found = connection.and_then(|connection| Some((connection.helper()?, connection.original)));
            if let Some((helper, connection)) = found {
                self.tell(HelperEvent::GivenUp { helper, connection, why });
            }
        }
    }

    fn fulfil(
        &mut self,
        mut inspection: Inspection,
        state: Vec<u8>,
        shown: &[u8],
        offset: usize,
    ) -> Result<(), Unfulfilled> {
        let dropped = match inspection.verdict {
            HelperVerdict::Accept => None,
            HelperVerdict::Foreign if self.mode != HelperMode::Kernel => {
                self.let_off(Departure::Foreign);
                return Ok(());
            }
            // Linux knows no such thing, and follows what is wished for.
            HelperVerdict::Foreign => None,
            HelperVerdict::Incomplete => Some((DropReason::HelperIncomplete, "the payload ends inside a command")),
            // The line is whole: who sends it again says the same again, and dropping it would stop the connection for ever.
            HelperVerdict::Malformed if self.mode != HelperMode::Kernel => {
                self.note(|| "the command cannot be right, and goes on as it is".to_string());
                inspection.wishes.clear();
                None
            }
            HelperVerdict::Malformed => Some((DropReason::HelperMalformed, "the command cannot be right")),
        };
        if let Some((reason, why)) = dropped {
            self.note(|| why.to_string());
            return Err(Unfulfilled::Dropped(reason));
        }
        let most = usize::from(self.loaded.manifest.state_bytes_max);
        let state_fits = inspection.state.as_ref().is_none_or(|state| state.len() <= most);
        if !state_fits || inspection.wishes.len() > HELPER_WISHES_MAX {
            return Err(Unfulfilled::Failed(HelperFailure::Contract));
        }
        wish::check_sites(&inspection.wishes, shown, self.loaded)?;
        let granted = self.grant(inspection.state.as_ref().unwrap_or(&state), &inspection.wishes, offset);
        // What is refused was read all the same, and is not shown again where it goes on: a reply to a command has answered it then,
        // and the next one is not believed in its place.
        if inspection.state.is_some() && matches!(granted, Ok(()) | Err(Unfulfilled::Refused(_))) {
            self.granted.state = inspection.state;
        }
        granted
    }

    /// Lets what is wished for be expected, if the manifest allows it.
    fn grant(&mut self, state: &[u8], wishes: &[Wish], offset: usize) -> Result<(), Unfulfilled> {
        let Some(connection) = self.conntrack.connection(self.id) else { return Ok(()) };
        for wish in wishes {
            wish::check(wish, &self.told, connection, &self.loaded.manifest, self.mode)?;
        }
        announce::announce(self, state, wishes, offset)
    }

    /// What an answer that could not be followed costs.
    fn answer_for(&mut self, unfulfilled: Unfulfilled) -> Result<(), DropReason> {
        let Some(connection) = self.conntrack.connection(self.id).map(|connection| connection.original) else {
            return Ok(());
        };
        let helper = self.helper;
        match unfulfilled {
            Unfulfilled::Dropped(reason) => return Err(reason),
            Unfulfilled::Failed(failure) => {
                self.note(|| format!("the call failed: {failure:?}"));
                self.tell(HelperEvent::Failed { helper, connection, failure });
                self.note_failure(connection.source_ip());
            }
            Unfulfilled::Refused(refusal) => {
                self.loaded.refusals += 1;
                self.note(|| format!("may not have what it wishes for: {refusal:?}"));
                self.tell(HelperEvent::Refused { helper, connection, refusal });
                if refusal.is_of_payload() {
                    return Ok(());
                }
                if self.is_helpers_fault(refusal) {
                    self.note_failure(connection.source_ip());
                }
            }
        }
        match self.loaded.manifest.on_failure {
            FailurePolicy::Pass => Ok(()),
            FailurePolicy::Drop => Err(DropReason::HelperFailed),
            FailurePolicy::Detach => {
                self.detach();
                Ok(())
            }
        }
    }

    /// Ends the helper's part in a connection that does not speak its protocol, or may not: what it has announced so far, nobody has, and
    /// is expected no more.
    pub(super) fn let_off(&mut self, why: Departure) {
        if !self.is_attached() {
            return;
        }
        self.note(|| format!("leaves the connection, {}", why.in_words()));
        if let Some(connection) = self.conntrack.connection(self.id).map(|connection| connection.original) {
            self.tell(HelperEvent::Detached { helper: self.helper, connection, why });
        }
        self.withdraw();
        self.conntrack.expectations_mut().remove_of(self.now, self.id, &mut self.around.events);
        self.detach();
    }

    fn detach(&mut self) {
        if let Some(connection) = self.conntrack.connection_mut(self.id) {
            connection.extension_mut().helper = None;
        }
    }

    /// Whether the connection still has its helper.
    pub(super) fn is_attached(&self) -> bool {
        self.conntrack.connection(self.id).is_some_and(|connection| connection.helper() == Some(self.helper))
    }

    /// Whether a refusal tells that the helper breaks its own word, and not that its operator has tightened that.
    fn is_helpers_fault(&self, refusal: Refusal) -> bool {
        let declared = self.loaded.helper.declared().rewrite_bytes_max;
        match refusal {
            Refusal::ThirdParty(_)
            | Refusal::ServicePort(_)
            | Refusal::Port(_)
            | Refusal::RewriteLoss(_)
            | Refusal::SiteSize(_)
            | Refusal::Share(_)
            | Refusal::Held(_)
            | Refusal::Sent => false,
            Refusal::Protocol | Refusal::Direction | Refusal::Opener | Refusal::Permanent => true,
            Refusal::Rewriting => declared == 0,
            Refusal::RewriteSize(bytes) => bytes > u32::from(declared),
        }
    }

    fn note_failure(&mut self, client: IpAddr) {
        self.loaded.failures = self.loaded.failures.saturating_add(1);
        match self.loaded.recent_failures.note(self.now, client) {
            Noted::One => {}
            Noted::OfClient(client) => {
                self.note(|| format!("failed too often on what {client} says, and is shown no more of it for a while"));
                self.tell(HelperEvent::Barred { helper: self.helper, client });
            }
            Noted::OfAll => {
                self.loaded.is_quarantined = true;
                self.note(|| "failed for too many and is not called any more".to_string());
                self.tell(HelperEvent::Quarantined(self.helper));
            }
        }
    }

    /// Where lines start in the packet's direction.
    pub(super) fn line_starts(&self) -> Option<&LineStarts> {
        line_starts(self.conntrack.connection(self.id)?, self.direction)
    }

    /// Remembers where a line starts in the packet's direction.
    pub(super) fn note_line(&mut self, seq: SeqNum) {
        if let Some(connection) = self.conntrack.connection_mut(self.id) {
            connection.extension_mut().line_starts[self.direction.index()].note(seq);
        }
    }

    /// Asks the helper for the bytes that name an endpoint: at most [`HELPER_SITE_BYTES_MAX`](crate::limits::HELPER_SITE_BYTES_MAX), and no end of a line among them.
    pub(super) fn render(
        &mut self,
        state: &[u8],
        site: Site,
        endpoint: HelperEndpoint,
    ) -> Result<Vec<u8>, Unfulfilled> {
        self.loaded.calls += 1;
        match self.loaded.helper.render(&self.told, state, site, endpoint) {
            Ok(bytes) => {
                let framing = self.loaded.manifest.framing;
                wish::may_be_written(&bytes, framing)
                    .then_some(bytes)
                    .ok_or(Unfulfilled::Failed(HelperFailure::Contract))
            }
            Err(failure) => Err(Unfulfilled::Failed(failure)),
        }
    }

    fn tell(&mut self, event: HelperEvent) {
        if self.around.events.wanted().helper {
            self.around.events.push(self.now, Event::Helper(event));
        }
    }

    /// Writes down what the helper did.
    pub(super) fn note(&mut self, what: impl FnOnce() -> alloc::string::String) {
        let name = &self.loaded.manifest.name;
        self.around.trace.push(|| Step::Helper(format!("{name}: {}", what())));
    }
}

/// What a helper is told: the master's tuple in the packet's direction.
pub(super) fn told(connection: &Connection, direction: Direction, broadcast_prefix: Option<u8>) -> HelperContext {
    let tuple = connection.tuple(direction);
    HelperContext {
        protocol: tuple.protocol(),
        direction,
        source: HelperEndpoint { address: tuple.source_ip(), port: tuple.source_port },
        destination: HelperEndpoint { address: tuple.destination_ip(), port: tuple.destination_port },
        broadcast_prefix,
    }
}
