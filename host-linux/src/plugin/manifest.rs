//! A manifest, checked against the bounds that `wit/helper.wit` tells authors.

use std::{ops::RangeInclusive, time::Duration};

use towpath_engine::{
    conntrack::helper::{Anchor, AttachPoint, ExpectClass, FailurePolicy, Framing, Manifest, Opener, Trigger},
    limits::HELPER_STATE_BYTES_MAX,
};

use super::{
    contract::{direction, protocol, wit},
    error::BadManifest,
    limits::{
        ATTACH_POINTS, CLASSES, EXPECT_SECONDS, EXPECTED, FUEL_PER_CALL, MEMORY_BYTES, NAME_BYTES_MAX, TRIGGER_BYTES,
        TRIGGERS_MAX,
    },
};

/// The engine's manifest from what a component declares.
///
/// # Errors
/// Names the first field that breaks its bound.
pub fn checked(declared: wit::HelperManifest) -> Result<Manifest, BadManifest> {
    ensure(is_name(&declared.name), "name", "must be 1 to 15 characters of a-z 0-9 - _")?;
    ensure(ATTACH_POINTS.contains(&declared.attach.len()), "attach", "must name 1 to 16 places")?;
    ensure(declared.triggers.len() <= TRIGGERS_MAX, "triggers", "must be at most 32")?;
    ensure(CLASSES.contains(&declared.classes.len()), "classes", "must be 1 to 8")?;
    ensure(declared.state_bytes_max <= HELPER_STATE_BYTES_MAX, "state-bytes-max", "must be at most 1024")?;
    ensure(FUEL_PER_CALL.contains(&declared.fuel_per_call), "fuel-per-call", "must be 1000 to 100 million")?;
    ensure(MEMORY_BYTES.contains(&declared.memory_bytes_max), "memory-bytes-max", "must be 64 KB to 16 MB")?;
    Ok(Manifest {
        name: declared.name,
        attach: declared.attach.iter().map(attach_point).collect::<Result<_, _>>()?,
        framing: match declared.framing {
            wit::Framing::Packet => Framing::Packet,
            wit::Framing::Lines => Framing::Lines,
            wit::Framing::LooseLines => Framing::LooseLines,
        },
        triggers: declared.triggers.into_iter().map(trigger).collect::<Result<_, _>>()?,
        classes: declared.classes.into_iter().map(class).collect::<Result<_, _>>()?,
        rewrite_bytes_max: declared.rewrite_bytes_max,
        state_bytes_max: declared.state_bytes_max,
        fuel_per_call: declared.fuel_per_call,
        memory_bytes_max: declared.memory_bytes_max,
        on_failure: match declared.on_failure {
            wit::FailurePolicy::Pass => FailurePolicy::Pass,
            wit::FailurePolicy::Drop => FailurePolicy::Drop,
            wit::FailurePolicy::Detach => FailurePolicy::Detach,
        },
    })
}

fn attach_point(declared: &wit::AttachPoint) -> Result<AttachPoint, BadManifest> {
    Ok(AttachPoint { protocol: protocol(declared.protocol), ports: ports("attach", declared.ports)? })
}

fn trigger(declared: wit::Trigger) -> Result<Trigger, BadManifest> {
    ensure(TRIGGER_BYTES.contains(&declared.bytes.len()), "triggers", "must be of 1 to 16 bytes each")?;
    let anchor = match declared.anchor {
        wit::Anchor::LineStart => Anchor::LineStart,
        wit::Anchor::Anywhere => Anchor::Anywhere,
    };
    Ok(Trigger { bytes: declared.bytes, anchor })
}

fn class(declared: wit::ExpectClass) -> Result<ExpectClass, BadManifest> {
    ensure(is_name(&declared.name), "classes.name", "must be 1 to 15 characters of a-z 0-9 - _")?;
    ensure(EXPECTED.contains(&declared.expected_max), "classes.expected-max", "must be 1 to 255")?;
    ensure(EXPECT_SECONDS.contains(&declared.timeout_seconds), "classes.timeout-seconds", "must be 1 to 86400")?;
    Ok(ExpectClass {
        protocol: protocol(declared.protocol),
        direction: declared.direction.map(direction),
        opener: match declared.opener {
            wit::Opener::Peer => Opener::Peer,
            wit::Opener::Network => Opener::Network,
            wit::Opener::Anyone => Opener::Anyone,
        },
        ports: ports("classes.ports", declared.ports)?,
        loose: declared.loose,
        permanent: declared.permanent,
        ends_master: declared.ends_master,
        name: declared.name,
        expected_max: declared.expected_max,
        timeout: Duration::from_secs(declared.timeout_seconds.into()),
    })
}

fn ports(field: &'static str, declared: wit::PortRange) -> Result<RangeInclusive<u16>, BadManifest> {
    ensure(declared.first <= declared.last, field, "must not have a first port above the last")?;
    Ok(declared.first..=declared.last)
}

fn is_name(name: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-' || byte == b'_';
    (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_plain)
}

fn ensure(holds: bool, field: &'static str, rule: &'static str) -> Result<(), BadManifest> {
    if holds { Ok(()) } else { Err(BadManifest { field, rule }) }
}

#[cfg(test)]
mod tests {
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
        let breaks: [(&str, Break); 18] = [
            ("name", |m| m.name.clear()),
            ("name", |m| m.name = "ftp\n".into()),
            ("name", |m| m.name = "a".repeat(16)),
            ("attach", |m| m.attach.clear()),
            ("attach", |m| m.attach = vec![m.attach[0]; 17]),
            ("attach", |m| m.attach[0].ports = wit::PortRange { first: 22, last: 21 }),
            ("triggers", |m| m.triggers = vec![m.triggers[0].clone(); 33]),
            ("triggers", |m| m.triggers[0].bytes.clear()),
            ("triggers", |m| m.triggers[0].bytes = vec![0; 17]),
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
            assert_eq!(checked(manifest).unwrap_err().field, field);
        }
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
