//! A plugin of the kit behind the engine's trait.

use alloc::vec::Vec;
use core::{marker::PhantomData, time::Duration};

use towpath_engine::{
    conntrack::{
        helper::{
            Anchor, AttachPoint, ExpectClass, FailurePolicy, Framing, Helper, HelperContext, HelperEndpoint,
            HelperFailure, HelperVerdict, Inspection, Manifest, Opener, Pattern, Site, Trigger, Wish,
        },
        tuple::Direction,
    },
    wire::ipv4::Protocol,
};
use towpath_helper_kit::{self as kit, Plugin};

/// A plugin that is compiled in.
#[derive(Clone, Debug)]
pub struct Native<P> {
    manifest: Manifest,
    plugin: PhantomData<fn() -> P>,
}

impl<P: Plugin> Default for Native<P> {
    fn default() -> Self {
        Self { manifest: manifest(P::manifest()), plugin: PhantomData }
    }
}

impl<P: Plugin> Helper for Native<P> {
    fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    fn component_hash(&self) -> [u8; 32] {
        [0; 32]
    }

    fn inspect(&mut self, told: &HelperContext, state: &[u8], payload: &[u8]) -> Result<Inspection, HelperFailure> {
        let answer = P::inspect(&context(told)?, state, payload);
        Ok(answer.map_or_else(Inspection::default, inspection))
    }

    fn render(
        &mut self,
        told: &HelperContext,
        state: &[u8],
        site: Site,
        translated: HelperEndpoint,
    ) -> Result<Vec<u8>, HelperFailure> {
        let Site { offset, length, token } = site;
        Ok(P::render(&context(told)?, state, kit::Site { offset, length, token }, endpoint(translated)))
    }
}

fn context(told: &HelperContext) -> Result<kit::Context, HelperFailure> {
    Ok(kit::Context {
        protocol: match told.protocol {
            Protocol::TCP => kit::Protocol::Tcp,
            Protocol::UDP => kit::Protocol::Udp,
            _ => return Err(HelperFailure::Contract),
        },
        direction: match told.direction {
            Direction::Original => kit::Direction::Original,
            Direction::Reply => kit::Direction::Reply,
        },
        source: endpoint(told.source),
        destination: endpoint(told.destination),
        broadcast_prefix: told.broadcast_prefix,
    })
}

const fn endpoint(endpoint: HelperEndpoint) -> kit::Endpoint {
    kit::Endpoint { address: endpoint.address, port: endpoint.port }
}

fn inspection(inspection: kit::Inspection) -> Inspection {
    Inspection {
        verdict: match inspection.verdict {
            kit::Verdict::Accept => HelperVerdict::Accept,
            kit::Verdict::Incomplete => HelperVerdict::Incomplete,
            kit::Verdict::Malformed => HelperVerdict::Malformed,
            kit::Verdict::Foreign => HelperVerdict::Foreign,
        },
        wishes: inspection.wishes.iter().map(wish).collect(),
        state: inspection.state,
    }
}

fn wish(wish: &kit::Wish) -> Wish {
    Wish {
        class: wish.class,
        protocol: protocol(wish.protocol),
        source: pattern(wish.source),
        destination: pattern(wish.destination),
        direction: direction(wish.direction),
        permanent: wish.permanent,
        site: wish.site.map(|kit::Site { offset, length, token }| Site { offset, length, token }),
    }
}

const fn pattern(pattern: kit::Pattern) -> Pattern {
    Pattern { address: pattern.address, prefix: pattern.prefix, port: pattern.port }
}

const fn protocol(protocol: kit::Protocol) -> Protocol {
    match protocol {
        kit::Protocol::Tcp => Protocol::TCP,
        kit::Protocol::Udp => Protocol::UDP,
    }
}

const fn direction(direction: kit::Direction) -> Direction {
    match direction {
        kit::Direction::Original => Direction::Original,
        kit::Direction::Reply => Direction::Reply,
    }
}

fn manifest(manifest: kit::Manifest) -> Manifest {
    Manifest {
        name: manifest.name,
        attach: manifest.attach.into_iter().map(attach_point).collect(),
        framing: match manifest.framing {
            kit::Framing::Packet => Framing::Packet,
            kit::Framing::Lines => Framing::Lines,
            kit::Framing::LooseLines => Framing::LooseLines,
        },
        triggers: manifest.triggers.into_iter().map(trigger).collect(),
        classes: manifest.classes.into_iter().map(class).collect(),
        rewrite_bytes_max: manifest.rewrite_bytes_max,
        state_bytes_max: manifest.state_bytes_max,
        fuel_per_call: manifest.fuel_per_call,
        memory_bytes_max: manifest.memory_bytes_max,
        on_failure: match manifest.on_failure {
            kit::FailurePolicy::Pass => FailurePolicy::Pass,
            kit::FailurePolicy::Drop => FailurePolicy::Drop,
            kit::FailurePolicy::Detach => FailurePolicy::Detach,
        },
    }
}

fn attach_point(point: kit::AttachPoint) -> AttachPoint {
    AttachPoint { protocol: protocol(point.protocol), ports: point.ports }
}

fn trigger(trigger: kit::Trigger) -> Trigger {
    let anchor = match trigger.anchor {
        kit::Anchor::LineStart => Anchor::LineStart,
        kit::Anchor::Anywhere => Anchor::Anywhere,
    };
    Trigger { bytes: trigger.bytes, anchor }
}

fn class(class: kit::ExpectClass) -> ExpectClass {
    ExpectClass {
        name: class.name,
        protocol: protocol(class.protocol),
        direction: class.direction.map(direction),
        opener: match class.opener {
            kit::Opener::Peer => Opener::Peer,
            kit::Opener::Network => Opener::Network,
            kit::Opener::Anyone => Opener::Anyone,
        },
        ports: class.ports,
        loose: class.loose,
        permanent: class.permanent,
        ends_master: class.ends_master,
        expected_max: class.expected_max,
        timeout: Duration::from_secs(class.timeout_seconds.into()),
    }
}
