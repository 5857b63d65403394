//! `towpath-helper-ftp` behind the engine's trait; the component (`plugins/ftp/component`) says the same in WIT.

use alloc::{vec, vec::Vec};
use core::time::Duration;

use towpath_engine::{
    conntrack::{
        helper::{
            Anchor, AttachPoint, ExpectClass, FailurePolicy, Framing, Helper, HelperContext, HelperEndpoint,
            HelperFailure, HelperVerdict, Inspection, Manifest, Pattern, Site, Trigger, Wish,
        },
        tuple::Direction,
    },
    wire::ipv4::Protocol,
};
use towpath_helper_ftp::{Announcement, Notation, Outcome, Sender, inspect, manifest, render};

/// The FTP helper.
#[derive(Clone, Debug)]
pub struct Ftp {
    manifest: Manifest,
}

impl Default for Ftp {
    fn default() -> Self {
        let triggers = manifest::TRIGGERS.iter();
        Self {
            manifest: Manifest {
                name: manifest::NAME.into(),
                attach: vec![AttachPoint { protocol: Protocol::TCP, ports: manifest::PORT..=manifest::PORT }],
                framing: Framing::Lines,
                triggers: triggers.map(|bytes| Trigger { bytes: bytes.to_vec(), anchor: Anchor::LineStart }).collect(),
                classes: vec![ExpectClass {
                    name: manifest::CLASS.into(),
                    expected_max: manifest::EXPECTED_MAX,
                    timeout: Duration::from_secs(manifest::EXPECT_SECONDS.into()),
                }],
                expect_ports: 0..=u16::MAX,
                loose: false,
                rewrite_bytes_max: manifest::REWRITE_BYTES_MAX,
                state_bytes_max: 0,
                fuel_per_call: manifest::FUEL_PER_CALL,
                memory_bytes_max: manifest::MEMORY_BYTES_MAX,
                on_failure: FailurePolicy::Drop,
            },
        }
    }
}

impl Helper for Ftp {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn component_hash(&self) -> [u8; 32] {
        [0; 32]
    }

    fn inspect(&mut self, context: &HelperContext, _state: &[u8], payload: &[u8]) -> Result<Inspection, HelperFailure> {
        let sender = match context.direction {
            Direction::Original => Sender::Client,
            Direction::Reply => Sender::Server,
        };
        let (verdict, wishes) = match inspect(sender, context.source.address, payload) {
            Outcome::Nothing => (HelperVerdict::Accept, Vec::new()),
            Outcome::Incomplete => (HelperVerdict::Incomplete, Vec::new()),
            Outcome::Malformed => (HelperVerdict::Malformed, Vec::new()),
            Outcome::Announced(found) => (HelperVerdict::Accept, vec![wish(context, &found)?]),
        };
        Ok(Inspection { verdict, wishes, state: None })
    }

    fn render(
        &mut self,
        _context: &HelperContext,
        site: Site,
        translated: HelperEndpoint,
    ) -> Result<Vec<u8>, HelperFailure> {
        let notation = Notation::from_token(site.token);
        Ok(notation
            .map_or_else(Vec::new, |notation| render(notation, translated.address, translated.port).into_bytes()))
    }
}

/// A data connection from the side that reads the payload to the side that wrote it, from any port.
fn wish(context: &HelperContext, found: &Announcement) -> Result<Wish, HelperFailure> {
    // A payload is at most 64 KB.
    let number = |bytes: usize| u32::try_from(bytes).map_err(|_| HelperFailure::Contract);
    Ok(Wish {
        class: 0,
        protocol: Protocol::TCP,
        source: Pattern { address: Some(context.destination.address), prefix: None, port: None },
        destination: Pattern { address: Some(found.address), prefix: None, port: Some(found.port) },
        direction: context.direction.opposite(),
        permanent: false,
        site: Some(Site {
            offset: number(found.offset)?,
            length: number(found.length)?,
            token: found.notation.token(),
        }),
    })
}
