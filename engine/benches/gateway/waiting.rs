//! A helper that reads lines along and waits for ones that never come.

use std::time::Duration;

use towpath_engine::{
    conntrack::helper::{
        Anchor, AttachPoint, ExpectClass, FailurePolicy, Framing, Helper, HelperContext, HelperEndpoint, HelperFailure,
        Inspection, Manifest, Opener, Site, Trigger,
    },
    wire::ipv4::Protocol,
};

/// A helper that is never called: no line is of its concern.
pub(crate) struct Waiting(Manifest);

impl Waiting {
    /// As the helper for FTP, on another port.
    pub(crate) fn on(port: u16) -> Self {
        Self(manifest(port))
    }
}

fn manifest(port: u16) -> Manifest {
    let triggers = [&b"PORT"[..], b"EPRT", b"227 ", b"229 "];
    Manifest {
        name: "waiting".into(),
        attach: vec![AttachPoint { protocol: Protocol::TCP, ports: port..=port }],
        framing: Framing::Lines,
        triggers: triggers.map(|bytes| Trigger { bytes: bytes.to_vec(), anchor: Anchor::LineStart }).to_vec(),
        openings: vec![],
        classes: vec![ExpectClass {
            name: "data".into(),
            protocol: Protocol::TCP,
            direction: None,
            opener: Opener::Peer,
            ports: 0..=u16::MAX,
            loose: false,
            permanent: false,
            ends_master: false,
            expected_max: 1,
            timeout: Duration::from_secs(300),
        }],
        rewrite_bytes_max: 0,
        state_bytes_max: 0,
        fuel_per_call: 0,
        memory_bytes_max: 0,
        on_failure: FailurePolicy::Drop,
    }
}

impl Helper for Waiting {
    fn manifest(&self) -> &Manifest {
        &self.0
    }

    fn component_hash(&self) -> [u8; 32] {
        [0; 32]
    }

    fn inspect(&mut self, _: &HelperContext, _: &[u8], payload: &[u8]) -> Result<Inspection, HelperFailure> {
        unreachable!("no line is of concern: {}", payload.escape_ascii())
    }

    fn render(&mut self, _: &HelperContext, _: &[u8], site: Site, _: HelperEndpoint) -> Result<Vec<u8>, HelperFailure> {
        unreachable!("nothing was found: {site:?}")
    }
}
