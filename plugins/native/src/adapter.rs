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
    let HelperContext { protocol, direction, source, destination, broadcast_prefix } = *told;
    Ok(kit::Context {
        protocol: match protocol {
            Protocol::TCP => kit::Protocol::Tcp,
            Protocol::UDP => kit::Protocol::Udp,
            _ => return Err(HelperFailure::Contract),
        },
        direction: match direction {
            Direction::Original => kit::Direction::Original,
            Direction::Reply => kit::Direction::Reply,
        },
        source: endpoint(source),
        destination: endpoint(destination),
        broadcast_prefix,
    })
}

const fn endpoint(endpoint: HelperEndpoint) -> kit::Endpoint {
    let HelperEndpoint { address, port } = endpoint;
    kit::Endpoint { address, port }
}

fn inspection(inspection: kit::Inspection) -> Inspection {
    let kit::Inspection { verdict, wishes, state } = inspection;
    Inspection {
        verdict: match verdict {
            kit::Verdict::Accept => HelperVerdict::Accept,
            kit::Verdict::Incomplete => HelperVerdict::Incomplete,
            kit::Verdict::Malformed => HelperVerdict::Malformed,
            kit::Verdict::Foreign => HelperVerdict::Foreign,
        },
        wishes: wishes.into_iter().map(wish).collect(),
        state,
    }
}

fn wish(wish: kit::Wish) -> Wish {
    let kit::Wish { class, protocol: of, source, destination, direction: way, permanent, site } = wish;
    Wish {
        class,
        protocol: protocol(of),
        source: pattern(source),
        destination: pattern(destination),
        direction: direction(way),
        permanent,
        site: site.map(|kit::Site { offset, length, token }| Site { offset, length, token }),
    }
}

const fn pattern(pattern: kit::Pattern) -> Pattern {
    let kit::Pattern { address, prefix, port } = pattern;
    Pattern { address, prefix, port }
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
    let kit::Manifest {
        name,
        attach,
        framing,
        triggers,
        openings,
        classes,
        rewrite_bytes_max,
        state_bytes_max,
        fuel_per_call,
        memory_bytes_max,
        on_failure,
    } = manifest;
    Manifest {
        name,
        attach: attach.into_iter().map(attach_point).collect(),
        framing: match framing {
            kit::Framing::Packet => Framing::Packet,
            kit::Framing::Lines => Framing::Lines,
            kit::Framing::LooseLines => Framing::LooseLines,
        },
        triggers: triggers.into_iter().map(trigger).collect(),
        openings,
        classes: classes.into_iter().map(class).collect(),
        rewrite_bytes_max,
        state_bytes_max,
        fuel_per_call,
        memory_bytes_max,
        on_failure: match on_failure {
            kit::FailurePolicy::Pass => FailurePolicy::Pass,
            kit::FailurePolicy::Drop => FailurePolicy::Drop,
            kit::FailurePolicy::Detach => FailurePolicy::Detach,
        },
    }
}

fn attach_point(point: kit::AttachPoint) -> AttachPoint {
    let kit::AttachPoint { protocol: of, ports } = point;
    AttachPoint { protocol: protocol(of), ports }
}

fn trigger(trigger: kit::Trigger) -> Trigger {
    let kit::Trigger { bytes, anchor } = trigger;
    let anchor = match anchor {
        kit::Anchor::LineStart => Anchor::LineStart,
        kit::Anchor::Anywhere => Anchor::Anywhere,
    };
    Trigger { bytes, anchor }
}

fn class(class: kit::ExpectClass) -> ExpectClass {
    let kit::ExpectClass {
        name,
        protocol: of,
        direction: way,
        opener,
        ports,
        loose,
        permanent,
        ends_master,
        expected_max,
        timeout_seconds,
    } = class;
    ExpectClass {
        name,
        protocol: protocol(of),
        direction: way.map(direction),
        opener: match opener {
            kit::Opener::Peer => Opener::Peer,
            kit::Opener::Network => Opener::Network,
            kit::Opener::Anyone => Opener::Anyone,
        },
        ports,
        loose,
        permanent,
        ends_master,
        expected_max,
        timeout: Duration::from_secs(timeout_seconds.into()),
    }
}

#[cfg(test)]
mod tests {
    use alloc::{string::ToString, vec};

    use towpath_engine::limits::{HELPER_SITE_BYTES_MAX, HELPER_WISHES_MAX};

    use super::*;

    #[test]
    fn the_kit_knows_the_engines_bounds() {
        assert_eq!((kit::check::WISHES_MAX, kit::check::SITE_BYTES_MAX), (HELPER_WISHES_MAX, HELPER_SITE_BYTES_MAX));
    }

    #[test]
    fn every_field_of_a_manifest_is_taken_for_itself() {
        for (loose, permanent, ends_master) in [(true, false, false), (false, true, false), (false, false, true)] {
            let class = kit::ExpectClass {
                name: "class".to_string(),
                protocol: kit::Protocol::Udp,
                direction: Some(kit::Direction::Reply),
                opener: kit::Opener::Network,
                ports: 3..=4,
                loose,
                permanent,
                ends_master,
                expected_max: 5,
                timeout_seconds: 6,
            };
            let told = kit::Manifest {
                name: "helper".to_string(),
                attach: vec![kit::AttachPoint { protocol: kit::Protocol::Tcp, ports: 1..=2 }],
                framing: kit::Framing::LooseLines,
                triggers: vec![kit::Trigger { bytes: b"A".to_vec(), anchor: kit::Anchor::Anywhere }],
                openings: vec![b"B".to_vec()],
                classes: vec![class],
                rewrite_bytes_max: 7,
                state_bytes_max: 8,
                fuel_per_call: 9,
                memory_bytes_max: 10,
                on_failure: kit::FailurePolicy::Detach,
            };
            let class = ExpectClass {
                name: "class".to_string(),
                protocol: Protocol::UDP,
                direction: Some(Direction::Reply),
                opener: Opener::Network,
                ports: 3..=4,
                loose,
                permanent,
                ends_master,
                expected_max: 5,
                timeout: Duration::from_secs(6),
            };
            let expected = Manifest {
                name: "helper".to_string(),
                attach: vec![AttachPoint { protocol: Protocol::TCP, ports: 1..=2 }],
                framing: Framing::LooseLines,
                triggers: vec![Trigger { bytes: b"A".to_vec(), anchor: Anchor::Anywhere }],
                openings: vec![b"B".to_vec()],
                classes: vec![class],
                rewrite_bytes_max: 7,
                state_bytes_max: 8,
                fuel_per_call: 9,
                memory_bytes_max: 10,
                on_failure: FailurePolicy::Detach,
            };
            assert_eq!(manifest(told), expected);
        }
    }
}
