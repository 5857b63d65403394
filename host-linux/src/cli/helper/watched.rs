//! A helper whose calls are written down.

use std::sync::mpsc::{Receiver, Sender, channel};

use towpath::plugin::Plugin;
use towpath_engine::conntrack::helper::{
    Helper, HelperContext, HelperEndpoint, HelperFailure, Inspection, Manifest, Site,
};

/// A helper, and what it is asked and answers.
pub(super) struct Watched {
    plugin: Plugin,
    calls: Sender<Call>,
}

/// Calls, until they are taken out.
pub(super) struct Log(Receiver<Call>);

/// A call.
pub(super) struct Call {
    pub(super) context: HelperContext,
    /// What it took of its fuel; 0 when it failed.
    pub(super) fuel: u64,
    pub(super) asked: Asked,
}

/// What was asked, and answered.
pub(super) enum Asked {
    Inspect { payload: Vec<u8>, answer: Result<Inspection, HelperFailure> },
    Render { to: HelperEndpoint, answer: Result<Vec<u8>, HelperFailure> },
}

impl Call {
    /// The payload that was shown.
    pub(super) fn payload(&self) -> Option<&[u8]> {
        match &self.asked {
            Asked::Inspect { payload, .. } => Some(payload),
            Asked::Render { .. } => None,
        }
    }
}

impl Log {
    /// The calls since the last time.
    pub(super) fn take(&self) -> Vec<Call> {
        self.0.try_iter().collect()
    }
}

impl Watched {
    pub(super) fn new(plugin: Plugin) -> (Self, Log) {
        let (calls, log) = channel();
        (Self { plugin, calls }, Log(log))
    }

    fn note(&self, context: &HelperContext, asked: Asked) {
        // Nobody reads when the run is over.
        let _ = self.calls.send(Call { context: *context, fuel: self.plugin.fuel_spent(), asked });
    }
}

impl Helper for Watched {
    fn manifest(&self) -> &Manifest {
        self.plugin.manifest()
    }

    fn declared(&self) -> &Manifest {
        self.plugin.declared()
    }

    fn component_hash(&self) -> [u8; 32] {
        self.plugin.component_hash()
    }

    fn inspect(&mut self, context: &HelperContext, state: &[u8], payload: &[u8]) -> Result<Inspection, HelperFailure> {
        let answer = self.plugin.inspect(context, state, payload);
        self.note(context, Asked::Inspect { payload: payload.to_vec(), answer: answer.clone() });
        answer
    }

    fn render(
        &mut self,
        context: &HelperContext,
        state: &[u8],
        site: Site,
        translated: HelperEndpoint,
    ) -> Result<Vec<u8>, HelperFailure> {
        let answer = self.plugin.render(context, state, site, translated);
        self.note(context, Asked::Render { to: translated, answer: answer.clone() });
        answer
    }
}
