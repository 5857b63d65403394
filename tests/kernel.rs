//! The kernel is the referee: its answers to scenarios, and ours.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// Folders on which we agree with the kernel in everything that is compared.
const AGREED: &[&str] = &[
    "examples/01-tcp-masquerade",
    "examples/02-tcp-odd",
    "examples/02b-tcp-strict",
    "examples/02c-tcp-liberal",
    "examples/02d-tcp-refresh",
    "examples/03-udp-nat",
    "examples/04-icmp",
    "examples/05-ftp-client-inside",
    "examples/05b-ftp-server-inside",
    "examples/05c-ftp-expectation-life",
    "examples/06-tftp",
    "examples/07-irc-dcc",
    "examples/08-netbios-ns",
    "examples/09-fragments",
    "examples/10-reject-log",
    "examples/11-nat-clash",
    "examples/12-ipv6",
    "examples/13-notrack-mark-zone",
    "scenarios/amended",
    "scenarios/filter-addresses",
    "scenarios/filter-protocols",
    "scenarios/filter-state",
    "scenarios/fragments-errors",
    "scenarios/fragments-out",
    "scenarios/fragments-overlap",
    "scenarios/fragments-time",
    "scenarios/ftp-both-lengths",
    "scenarios/ftp-expectations",
    "scenarios/ftp-server-dnat",
    "scenarios/icmp-errors",
    "scenarios/ipv6-amended",
    "scenarios/ipv6-answers",
    "scenarios/ipv6-filter",
    "scenarios/ipv6-fragments-errors",
    "scenarios/ipv6-fragments-out",
    "scenarios/ipv6-fragments-overlap",
    "scenarios/ipv6-fragments-own",
    "scenarios/ipv6-fragments-told",
    "scenarios/ipv6-headers",
    "scenarios/ipv6-icmp",
    "scenarios/ipv6-local",
    "scenarios/ipv6-log",
    "scenarios/ipv6-mobility",
    "scenarios/ipv6-nat",
    "scenarios/ipv6-nat-forms",
    "scenarios/ipv6-npt",
    "scenarios/ipv6-protocols",
    "scenarios/ipv6-reject",
    "scenarios/ipv6-routing",
    "scenarios/ipv6-rules-acting",
    "scenarios/ipv6-rules-asked",
    "scenarios/ipv6-rules-fragments",
    "scenarios/ipv6-rules-headers",
    "scenarios/ipv6-rules-memory",
    "scenarios/ipv6-rules-routes",
    "scenarios/ipv6-told-itself",
    "scenarios/ipv6-udp-timers",
    "scenarios/ipv6-untracked",
    "scenarios/judging",
    "scenarios/limit",
    "scenarios/local-answers",
    "scenarios/local-answers-cut",
    "scenarios/local-input",
    "scenarios/local-loopback",
    "scenarios/local-output",
    "scenarios/local-told-itself",
    "scenarios/log",
    "scenarios/mangle-fields",
    "scenarios/marks",
    "scenarios/marks-lost",
    "scenarios/nat-destination",
    "scenarios/nat-flags",
    "scenarios/nat-forms",
    "scenarios/nat-hairpin",
    "scenarios/nat-source",
    "scenarios/pmtu",
    "scenarios/protocols",
    "scenarios/raw-untracked",
    "scenarios/reject-types",
    "scenarios/routing-drops",
    "scenarios/rules-asked",
    "scenarios/rules-connection",
    "scenarios/rules-connlimit",
    "scenarios/rules-hashlimit",
    "scenarios/rules-headers",
    "scenarios/rules-netmap",
    "scenarios/rules-recent",
    "scenarios/rules-sctp",
    "scenarios/rules-sets",
    "scenarios/rules-string",
    "scenarios/rules-tee",
    "scenarios/rules-trace",
    "scenarios/rules-way-back",
    "scenarios/sctp-flows",
    "scenarios/sctp-states-client",
    "scenarios/sctp-states-server",
    "scenarios/tcp-close",
    "scenarios/tcp-retransmission",
    "scenarios/timeouts",
    "scenarios/udp-timers",
];

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kernel").join(name)
}

#[test]
fn the_engine_answers_every_agreed_scenario_as_the_kernel_does() {
    let mut wrong = Vec::new();
    for name in AGREED {
        let folder = folder(name);
        let text = fs::read_to_string(folder.join("result.json")).expect("the kernel has answered");
        let kernel: Value = serde_json::from_str(&text).expect("the kernel's answer is JSON");
        let ours = lab::kernel::answer(&folder).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let ours = serde_json::to_value(ours).expect("our answer is JSON");
        let mut differences = lab::kernel::differences(&kernel, &ours);
        differences.extend(lab::kernel::counters(&kernel, &ours));
        if !differences.is_empty() {
            wrong.push(format!("{name}:\n{}", differences.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_difference_in_any_compared_field_is_found() {
    let folder = folder(AGREED[0]);
    let ours = lab::kernel::answer(&folder).expect("the scenario can be played");
    let ours = serde_json::to_value(ours).expect("our answer is JSON");
    for pointer in [
        "/frames/3/state",
        "/frames/3/verdict",
        "/frames/0/events/0/timeout",
        "/frames/3/out/0/hex",
        "/frames/3/ct/state",
    ] {
        let mut changed = ours.clone();
        *changed.pointer_mut(pointer).expect(pointer) = Value::from("something else");
        assert_eq!(lab::kernel::differences(&ours, &changed).len(), 1, "{pointer}");
    }
}

#[test]
fn a_draw_that_the_kernel_did_not_make_is_an_error() {
    let source = folder("examples/11-nat-clash");
    let copy = tempfile::tempdir().expect("a folder can be made");
    for file in ["scenario.json", "in.pcap"] {
        fs::copy(source.join(file), copy.path().join(file)).expect("the scenario can be copied");
    }
    fs::write(copy.path().join("draws.json"), r#"{"frames": {"2": {"port": [5000]}}}"#).expect("draws can be written");
    let error = lab::kernel::answer(copy.path()).expect_err("port 5000 is taken");
    assert!(format!("{error:#}").contains("frame 2: the engine draws (Port)"), "{error:#}");
}
