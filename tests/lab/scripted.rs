//! A helper that does what the payload says, for tests of what becomes of its answers.

use std::{net::IpAddr, time::Duration};

use towpath_engine::{
    conntrack::{
        Direction,
        helper::{
            AttachPoint, ExpectClass, FailurePolicy, Framing, Helper, HelperContext, HelperEndpoint, HelperFailure,
            HelperVerdict, Inspection, Manifest, Opener, Pattern, Site, Wish,
        },
    },
    limits::HELPER_SITE_BYTES_MAX,
    wire::Protocol,
};

/// Attached to TCP port 7000. A payload's first word says what it does:
///
/// | word | what |
/// |---|---|
/// | `TRAP` | fails; its manifest says to drop then |
/// | `PART`, `WRONG` | finds the payload incomplete, or malformed |
/// | `OPEN port` | expects a connection to the sender's port, and names it where the port stands |
/// | `LONG` | the same for port 5001, with the longest name there may be |
/// | `TWICE` | expects the same connection in two classes |
#[derive(Debug)]
pub struct Scripted {
    manifest: Manifest,
}

impl Default for Scripted {
    fn default() -> Self {
        let class = |name: &str| ExpectClass {
            name: name.into(),
            protocol: Protocol::TCP,
            direction: None,
            opener: Opener::Anyone,
            ports: 0..=u16::MAX,
            loose: false,
            permanent: false,
            ends_master: false,
            expected_max: 4,
            timeout: Duration::from_secs(60),
        };
        Self {
            manifest: Manifest {
                name: "scripted".into(),
                attach: vec![AttachPoint { protocol: Protocol::TCP, ports: 7000..=7000 }],
                framing: Framing::Packet,
                triggers: Vec::new(),
                openings: Vec::new(),
                classes: vec![class("one"), class("other")],
                rewrite_bytes_max: u16::MAX,
                state_bytes_max: 0,
                fuel_per_call: 0,
                memory_bytes_max: 0,
                on_failure: FailurePolicy::Drop,
            },
        }
    }
}

impl Helper for Scripted {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn component_hash(&self) -> [u8; 32] {
        [0; 32]
    }

    fn inspect(&mut self, context: &HelperContext, _: &[u8], payload: &[u8]) -> Result<Inspection, HelperFailure> {
        let text = String::from_utf8_lossy(payload);
        let (word, rest) = text.trim_end().split_once(' ').unwrap_or((text.trim_end(), ""));
        let address = context.source.address;
        let site = Site { offset: 5, length: rest.len() as u32, token: 0 };
        let verdict = |verdict| Inspection { verdict, ..Inspection::default() };
        let wishes = |wishes| Inspection { wishes, ..Inspection::default() };
        Ok(match word {
            "TRAP" => return Err(HelperFailure::Trap),
            "PART" => verdict(HelperVerdict::Incomplete),
            "WRONG" => verdict(HelperVerdict::Malformed),
            "OPEN" => wishes(vec![wish(address, rest.parse().unwrap_or(0), 0, Some(site))]),
            "LONG" => wishes(vec![wish(address, 5001, 0, Some(Site { offset: 0, length: 4, token: LONG }))]),
            "TWICE" => wishes(vec![wish(address, 5009, 0, None), wish(address, 5009, 1, None)]),
            _ => Inspection::default(),
        })
    }

    fn render(
        &mut self,
        _: &HelperContext,
        _: &[u8],
        site: Site,
        to: HelperEndpoint,
    ) -> Result<Vec<u8>, HelperFailure> {
        Ok(if site.token == LONG { vec![b'x'; HELPER_SITE_BYTES_MAX] } else { to.port.to_string().into_bytes() })
    }
}

fn wish(address: IpAddr, port: u16, class: u8, site: Option<Site>) -> Wish {
    Wish {
        class,
        protocol: Protocol::TCP,
        source: Pattern::default(),
        destination: Pattern { address: Some(address), prefix: None, port: Some(port) },
        direction: Direction::Reply,
        permanent: false,
        site,
    }
}

/// The token of the longest name.
const LONG: u32 = 1;
