//! One payload shown to a helper, and what its answer costs.

use alloc::{format, string::ToString, vec::Vec};

use super::{HelperEvent, LineStarts, Refusal, announce, lines, registry::Loaded, wish, with_payload};
use crate::{
    conntrack::{
        ConnId, Connection, Conntrack, Direction, HelperId,
        helper::{FailurePolicy, HelperContext, HelperEndpoint, HelperFailure, HelperVerdict, Inspection},
    },
    ending::DropReason,
    event::Event,
    limits::{HELPER_FAILURES_MAX, HELPER_WISHES_MAX},
    packet::Packet,
    surroundings::Surroundings,
    time::Instant,
    trace::Step,
    wire::SeqNum,
};

/// A helper, a connection of its, and all that a call needs.
pub(super) struct Call<'a> {
    pub(super) now: Instant,
    pub(super) id: ConnId,
    pub(super) helper: HelperId,
    pub(super) direction: Direction,
    pub(super) conntrack: &'a mut Conntrack,
    pub(super) loaded: &'a mut Loaded,
    pub(super) around: &'a mut Surroundings,
    /// The payload has changed, and the checksum has not.
    pub(super) has_written: bool,
}

/// Why a wish was not fulfilled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unfulfilled {
    /// The helper failed.
    Failed(HelperFailure),
    /// The manifest forbids it.
    Refused(Refusal),
    /// Nobody's fault, but the packet cannot go on as it is.
    Dropped(DropReason),
}

impl Call<'_> {
    /// Shows the payload and does what the answer asks for.
    pub(super) fn consult(&mut self, packet: &mut Packet) -> Result<(), DropReason> {
        let Some(connection) = self.conntrack.connection(self.id) else { return Ok(()) };
        let told = told(connection, self.direction);
        let most = usize::from(self.loaded.manifest.state_bytes_max);
        // A helper that was replaced may have left more than its successor takes.
        let state = connection.extension.as_ref().map_or(&[][..], |extension| &extension.helper_state);
        let state = if state.len() <= most { state } else { &[] };
        self.loaded.calls += 1;
        let answer = with_payload(packet, |payload| self.loaded.helper.inspect(&told, state, payload));
        let fulfilled = match answer {
            Ok(inspection) => self.fulfil(&told, inspection, packet),
            Err(failure) => Err(Unfulfilled::Failed(failure)),
        };
        fulfilled.or_else(|unfulfilled| self.answer_for(unfulfilled))
    }

    fn fulfil(&mut self, told: &HelperContext, inspection: Inspection, packet: &mut Packet) -> Result<(), Unfulfilled> {
        let dropped = match inspection.verdict {
            HelperVerdict::Accept => None,
            HelperVerdict::Incomplete => Some((DropReason::HelperIncomplete, "the payload ends inside a command")),
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
        wish::check_sites(&inspection.wishes, with_payload(packet, <[u8]>::len))?;
        for wish in &inspection.wishes {
            wish::check(wish, told, &self.loaded.manifest)?;
        }
        announce::announce(self, told, &inspection.wishes, packet)?;
        if let (Some(state), Some(connection)) = (inspection.state, self.conntrack.connection_mut(self.id)) {
            connection.extension_mut().helper_state = state;
        }
        Ok(())
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
                self.loaded.failures += 1;
                self.note(|| format!("the call failed: {failure:?}"));
                self.tell(HelperEvent::Failed { helper, connection, failure });
                if self.loaded.failures >= HELPER_FAILURES_MAX {
                    self.loaded.is_quarantined = true;
                    self.note(|| "failed too often and is not called any more".to_string());
                    self.tell(HelperEvent::Quarantined(helper));
                }
            }
            Unfulfilled::Refused(refusal) => {
                self.loaded.refusals += 1;
                self.note(|| format!("its manifest forbids what it wishes for: {refusal:?}"));
                self.tell(HelperEvent::Refused { helper, connection, refusal });
            }
        }
        match self.loaded.manifest.on_failure {
            FailurePolicy::Pass => Ok(()),
            FailurePolicy::Drop => Err(DropReason::HelperFailed),
            FailurePolicy::Detach => {
                if let Some(connection) = self.conntrack.connection_mut(self.id) {
                    connection.extension_mut().helper = None;
                }
                Ok(())
            }
        }
    }

    /// Where lines start in the packet's direction.
    pub(super) fn lines(&self) -> Option<&LineStarts> {
        lines(self.conntrack.connection(self.id)?, self.direction)
    }

    /// Remembers where a line starts in the packet's direction.
    pub(super) fn note_line(&mut self, seq: SeqNum) {
        if let Some(connection) = self.conntrack.connection_mut(self.id) {
            connection.extension_mut().line_starts[self.direction.index()].note(seq);
        }
    }

    /// Asks the helper for the bytes that name an endpoint.
    pub(super) fn render(
        &mut self,
        told: &HelperContext,
        site: crate::conntrack::helper::Site,
        endpoint: HelperEndpoint,
    ) -> Result<Vec<u8>, Unfulfilled> {
        self.loaded.calls += 1;
        self.loaded.helper.render(told, site, endpoint).map_err(Unfulfilled::Failed)
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

/// What the helper is told: the master's tuple in the packet's direction.
fn told(connection: &Connection, direction: Direction) -> HelperContext {
    let tuple = connection.tuple(direction);
    HelperContext {
        protocol: tuple.protocol(),
        direction,
        source: HelperEndpoint { address: tuple.source_ip(), port: tuple.source_port },
        destination: HelperEndpoint { address: tuple.destination_ip(), port: tuple.destination_port },
    }
}
