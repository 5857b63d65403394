//! A helper for tests: its lines say what it shall answer.

use alloc::{
    boxed::Box,
    format,
    string::{String, ToString},
    vec,
    vec::Vec,
};
use core::{
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use crate::{
    conntrack::helper::{
        Anchor, AttachPoint, ExpectClass, FailurePolicy, Framing, Helper, HelperContext, HelperEndpoint, HelperFailure,
        HelperVerdict, Inspection, Manifest, Opener, Pattern, Site, Trigger, Wish,
    },
    wire::Protocol,
};

/// Reads one command at the start of a payload:
///
/// | command | answer |
/// |---|---|
/// | `OPEN a.b.c.d:port` (several, with spaces between, NULs behind each) | the peer will open connections to these endpoints |
/// | `SAME` | the peer will open one to the sender's own endpoint; nothing names it |
/// | `TRAP`, `FAR`, `CLASS`, `MUCH` | fails; a site beyond the payload; an unknown class; too much state |
/// | `STATE x` | remembers x |
/// | `TAKE x endpoint` | remembers x, and the same as `OPEN endpoint` |
/// | `TELL` | fails unless it remembers something |
/// | `ALIEN` | it is not its protocol |
#[derive(Debug)]
pub(super) struct Announcer {
    pub(super) manifest: Manifest,
    /// What [`Helper::render`] puts before the endpoint.
    pub(super) padding: String,
    /// What it changes in each of its wishes.
    pub(super) twist: fn(&mut Wish),
    /// What it has said of itself, when [`Self::manifest`] is tightened.
    pub(super) declared: Option<Manifest>,
}

impl Announcer {
    /// For TCP in lines, one expectation at a time, failures drop.
    pub(super) fn new() -> Self {
        let words = ["OPEN", "SAME", "TRAP", "FAR", "CLASS", "MUCH", "STATE", "TAKE", "TELL", "ALIEN"];
        Self {
            manifest: Manifest {
                name: "announcer".to_string(),
                attach: vec![AttachPoint { protocol: Protocol::TCP, ports: 21..=21 }],
                framing: Framing::Lines,
                triggers: words
                    .iter()
                    .map(|word| Trigger { bytes: word.as_bytes().to_vec(), anchor: Anchor::LineStart })
                    .collect(),
                openings: vec![],
                classes: vec![ExpectClass {
                    name: "data".to_string(),
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
                rewrite_bytes_max: 64,
                state_bytes_max: 4,
                fuel_per_call: 1_000_000,
                memory_bytes_max: 1 << 16,
                on_failure: FailurePolicy::Drop,
            },
            padding: String::new(),
            twist: |_| {},
            declared: None,
        }
    }

    pub(super) fn with(self, change: impl FnOnce(&mut Manifest)) -> Self {
        let mut changed = self;
        change(&mut changed.manifest);
        changed
    }

    pub(super) fn boxed(self) -> Box<dyn Helper> {
        Box::new(self)
    }
}

impl Helper for Announcer {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn declared(&self) -> &Manifest {
        self.declared.as_ref().unwrap_or(&self.manifest)
    }

    fn component_hash(&self) -> [u8; 32] {
        [0; 32]
    }

    fn inspect(&mut self, told: &HelperContext, state: &[u8], payload: &[u8]) -> Result<Inspection, HelperFailure> {
        let text = String::from_utf8_lossy(payload).to_string();
        let nothing = Inspection::default();
        let words = Vec::from_iter(text.split_whitespace());
        if !text.ends_with('\n') {
            return Ok(Inspection { verdict: HelperVerdict::Incomplete, ..nothing });
        }
        match words[..] {
            ["OPEN", ref endpoints @ ..] => {
                let endpoints: Option<Vec<SocketAddr>> =
                    endpoints.iter().map(|text| text.trim_end_matches('\0').parse().ok()).collect();
                let Some(endpoints) = endpoints.filter(|endpoints| !endpoints.is_empty()) else {
                    return Ok(Inspection { verdict: HelperVerdict::Malformed, ..nothing });
                };
                let named = |endpoint: SocketAddr| {
                    let name = endpoint.to_string();
                    let offset = text.find(&name).unwrap_or_default() as u32;
                    let site = Site { offset, length: name.len() as u32, token: 7 };
                    let mut wish = wish(told, endpoint.ip(), endpoint.port(), Some(site));
                    (self.twist)(&mut wish);
                    wish
                };
                Ok(Inspection { wishes: endpoints.into_iter().map(named).collect(), ..nothing })
            }
            ["SAME"] => {
                let HelperEndpoint { address, port } = told.source;
                Ok(Inspection { wishes: vec![wish(told, address, port, None)], ..nothing })
            }
            ["FAR"] => {
                let site = Site { offset: 1, length: payload.len() as u32, token: 0 };
                Ok(Inspection { wishes: vec![wish(told, told.source.address, 5, Some(site))], ..nothing })
            }
            ["CLASS"] => {
                let wish = Wish { class: 9, ..wish(told, told.source.address, 5, None) };
                Ok(Inspection { wishes: vec![wish], ..nothing })
            }
            ["MUCH"] => Ok(Inspection { state: Some(vec![0; 5]), ..nothing }),
            ["TAKE", what, endpoint] => {
                let open = format!("OPEN {endpoint}\r\n");
                let taken = self.inspect(told, state, open.as_bytes())?;
                let moved = |wish: Wish| Wish { site: wish.site.map(|site| behind(site, &text, endpoint)), ..wish };
                let wishes = taken.wishes.into_iter().map(moved).collect();
                Ok(Inspection { state: Some(what.into()), wishes, ..taken })
            }
            ["STATE", what] => Ok(Inspection { state: Some(what.into()), ..nothing }),
            ["ALIEN"] => Ok(Inspection { verdict: HelperVerdict::Foreign, ..nothing }),
            ["TELL"] if !state.is_empty() => Ok(nothing),
            _ => Err(HelperFailure::Trap),
        }
    }

    fn render(
        &mut self,
        _: &HelperContext,
        state: &[u8],
        site: Site,
        translated: HelperEndpoint,
    ) -> Result<Vec<u8>, HelperFailure> {
        if state == b"mute" {
            return Ok(Vec::new());
        }
        assert_eq!(site.token, 7, "the site comes back as it was given");
        Ok(format!("{}{}:{}", self.padding, translated.address, translated.port).into_bytes())
    }
}

/// The same site where it stands in another text.
fn behind(site: Site, text: &str, endpoint: &str) -> Site {
    Site { offset: text.find(endpoint).unwrap_or_default() as u32, ..site }
}

/// The peer opens a connection to `address` and `port`, from any port.
fn wish(told: &HelperContext, address: IpAddr, port: u16, site: Option<Site>) -> Wish {
    Wish {
        class: 0,
        protocol: told.protocol,
        source: Pattern { address: Some(told.destination.address), ..Pattern::default() },
        destination: Pattern { address: Some(address), port: Some(port), prefix: None },
        direction: told.direction.opposite(),
        permanent: false,
        site,
    }
}
