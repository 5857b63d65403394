//! A manifest in the engine's words, held against what only a runtime has bounds for; the engine judges the rest.

use std::{ops::RangeInclusive, time::Duration};

use towpath_engine::conntrack::{
    calling::registry,
    helper::{Anchor, AttachPoint, ExpectClass, FailurePolicy, Framing, Manifest, Opener, Trigger},
};

use super::{
    contract::{direction, protocol, wit},
    error::BadManifest,
    limits::{FUEL_PER_CALL, MEMORY_BYTES},
};

/// The engine's manifest from what a component declares.
///
/// # Errors
/// Names the first field that breaks its bound.
pub fn checked(declared: wit::HelperManifest) -> Result<Manifest, BadManifest> {
    let manifest = manifest(declared);
    if manifest.attach.is_empty() {
        // An operator may leave it none, for it to be attached by rules alone.
        return Err(BadManifest::NoPlace);
    }
    registry::check(&manifest).map_err(BadManifest::Flaw)?;
    if !FUEL_PER_CALL.contains(&manifest.fuel_per_call) {
        return Err(BadManifest::Fuel);
    }
    if !MEMORY_BYTES.contains(&manifest.memory_bytes_max) {
        return Err(BadManifest::Memory);
    }
    Ok(manifest)
}

fn manifest(declared: wit::HelperManifest) -> Manifest {
    let wit::HelperManifest {
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
    } = declared;
    Manifest {
        name,
        attach: attach.into_iter().map(attach_point).collect(),
        framing: match framing {
            wit::Framing::Packet => Framing::Packet,
            wit::Framing::Lines => Framing::Lines,
            wit::Framing::LooseLines => Framing::LooseLines,
        },
        triggers: triggers.into_iter().map(trigger).collect(),
        openings,
        classes: classes.into_iter().map(class).collect(),
        rewrite_bytes_max,
        state_bytes_max,
        fuel_per_call,
        memory_bytes_max,
        on_failure: match on_failure {
            wit::FailurePolicy::Pass => FailurePolicy::Pass,
            wit::FailurePolicy::Drop => FailurePolicy::Drop,
            wit::FailurePolicy::Detach => FailurePolicy::Detach,
        },
    }
}

fn attach_point(declared: wit::AttachPoint) -> AttachPoint {
    let wit::AttachPoint { protocol: of, ports: range } = declared;
    AttachPoint { protocol: protocol(of), ports: ports(range) }
}

fn trigger(declared: wit::Trigger) -> Trigger {
    let wit::Trigger { bytes, anchor } = declared;
    let anchor = match anchor {
        wit::Anchor::LineStart => Anchor::LineStart,
        wit::Anchor::Anywhere => Anchor::Anywhere,
    };
    Trigger { bytes, anchor }
}

fn class(declared: wit::ExpectClass) -> ExpectClass {
    let wit::ExpectClass {
        name,
        protocol: of,
        direction: way,
        opener,
        ports: range,
        loose,
        permanent,
        ends_master,
        expected_max,
        timeout_seconds,
    } = declared;
    ExpectClass {
        name,
        protocol: protocol(of),
        direction: way.map(direction),
        opener: match opener {
            wit::Opener::Peer => Opener::Peer,
            wit::Opener::Network => Opener::Network,
            wit::Opener::Anyone => Opener::Anyone,
        },
        ports: ports(range),
        loose,
        permanent,
        ends_master,
        expected_max,
        timeout: Duration::from_secs(timeout_seconds.into()),
    }
}

/// A range whose first port lies above the last has none, which the engine refuses.
fn ports(declared: wit::PortRange) -> RangeInclusive<u16> {
    let wit::PortRange { first, last } = declared;
    first..=last
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use towpath_engine::{
        conntrack::{
            helper::{ExpectClass, Manifest, Opener},
            tuple::Direction,
        },
        wire::ipv4::Protocol,
    };

    use super::{checked, wit};

    #[test]
    fn a_manifest_within_its_bounds_is_taken() {
        let manifest = checked(good()).unwrap();
        assert_eq!(manifest.name, "ftp");
        assert_eq!(manifest.attach[0].ports, 21..=21);
    }

    #[test]
    fn each_broken_bound_is_named() {
        type Break = fn(&mut wit::HelperManifest);
        let breaks: [(&str, Break); 26] = [
            ("name", |m| m.name.clear()),
            ("name", |m| m.name = "ftp\n".into()),
            ("name", |m| m.name = "a".repeat(16)),
            ("attach", |m| m.attach.clear()),
            ("attach", |m| m.attach = vec![m.attach[0]; 17]),
            ("attach.ports", |m| m.attach[0].ports = wit::PortRange { first: 22, last: 21 }),
            ("framing", |m| m.attach[0].protocol = wit::Protocol::Udp),
            ("framing", |m| (m.attach[0].protocol, m.framing) = (wit::Protocol::Udp, wit::Framing::LooseLines)),
            ("triggers", |m| m.triggers = vec![m.triggers[0].clone(); 33]),
            ("triggers.bytes", |m| m.triggers[0].bytes.clear()),
            ("triggers.bytes", |m| m.triggers[0].bytes = vec![0; 17]),
            ("triggers.bytes", |m| m.triggers[0].bytes = b"A\nB".to_vec()),
            ("openings", |m| m.openings = vec![b"A".to_vec(); 97]),
            ("openings", |m| m.openings[0].clear()),
            ("openings", |m| m.openings[0] = vec![0; 17]),
            ("openings", |m| m.openings[0] = b"A B".to_vec()),
            ("openings", |m| m.framing = wit::Framing::Packet),
            ("classes", |m| m.classes.clear()),
            ("classes", |m| m.classes = vec![m.classes[0].clone(); 9]),
            ("classes.name", |m| m.classes[0].name.clear()),
            ("classes.expected-max", |m| m.classes[0].expected_max = 256),
            ("classes.timeout-seconds", |m| m.classes[0].timeout_seconds = 0),
            ("classes.ports", |m| m.classes[0].ports = wit::PortRange { first: 1, last: 0 }),
            ("state-bytes-max", |m| m.state_bytes_max = 1025),
            ("fuel-per-call", |m| m.fuel_per_call = 999),
            ("memory-bytes-max", |m| m.memory_bytes_max = 17 << 20),
        ];
        for (field, break_it) in breaks {
            let mut manifest = good();
            break_it(&mut manifest);
            assert_eq!(checked(manifest).unwrap_err().field(), field);
        }
    }

    #[test]
    fn every_field_is_taken_for_itself() {
        for (loose, permanent, ends_master) in [(true, false, false), (false, true, false), (false, false, true)] {
            let mut declared = good();
            declared.classes[0] = wit::ExpectClass {
                name: "other".into(),
                protocol: wit::Protocol::Udp,
                direction: Some(wit::Direction::Reply),
                opener: wit::Opener::Network,
                ports: wit::PortRange { first: 7, last: 8 },
                loose,
                permanent,
                ends_master,
                expected_max: 9,
                timeout_seconds: 10,
            };
            let class = checked(declared).unwrap().classes.remove(0);
            let expected = ExpectClass {
                name: "other".into(),
                protocol: Protocol::UDP,
                direction: Some(Direction::Reply),
                opener: Opener::Network,
                ports: 7..=8,
                loose,
                permanent,
                ends_master,
                expected_max: 9,
                timeout: Duration::from_secs(10),
            };
            assert_eq!(class, expected);
        }
        let Manifest { rewrite_bytes_max, state_bytes_max, fuel_per_call, memory_bytes_max, .. } =
            checked(good()).unwrap();
        assert_eq!((rewrite_bytes_max, state_bytes_max, fuel_per_call, memory_bytes_max), (64, 0, 1_000_000, 1 << 20));
    }

    fn good() -> wit::HelperManifest {
        wit::HelperManifest {
            name: "ftp".into(),
            attach: vec![wit::AttachPoint {
                protocol: wit::Protocol::Tcp,
                ports: wit::PortRange { first: 21, last: 21 },
            }],
            framing: wit::Framing::Lines,
            triggers: vec![wit::Trigger { bytes: b"PORT".to_vec(), anchor: wit::Anchor::LineStart }],
            openings: vec![b"USER".to_vec()],
            classes: vec![wit::ExpectClass {
                name: "data".into(),
                protocol: wit::Protocol::Tcp,
                direction: None,
                opener: wit::Opener::Peer,
                ports: wit::PortRange { first: 0, last: 65535 },
                loose: false,
                permanent: false,
                ends_master: false,
                expected_max: 1,
                timeout_seconds: 300,
            }],
            rewrite_bytes_max: 64,
            state_bytes_max: 0,
            fuel_per_call: 1_000_000,
            memory_bytes_max: 1 << 20,
            on_failure: wit::FailurePolicy::Drop,
        }
    }
}
