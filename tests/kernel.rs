//! The kernel is the referee: its answers to scenarios, and ours.

use std::{fs, path::PathBuf};

use serde_json::Value;

/// Folders on which we do not agree with the kernel in everything that is compared. The list may only get shorter.
const DISAGREED: &[&str] = &[];

/// All folders with an answer of the kernel that the engine alone can give as well, in order.
fn folders() -> Vec<String> {
    names_in(&["examples", "scenarios"])
}

fn names_in(groups: &[&str]) -> Vec<String> {
    let mut names = Vec::new();
    for group in groups {
        for entry in fs::read_dir(folder(group)).expect("the folders can be listed") {
            let name = entry.expect("a folder").file_name().into_string().expect("a name of letters");
            names.push(format!("{group}/{name}"));
        }
    }
    names.sort();
    names
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kernel").join(name)
}

#[test]
fn the_engine_answers_every_scenario_as_the_kernel_does() {
    let mut wrong = Vec::new();
    for name in folders() {
        let folder = folder(&name);
        let text = fs::read_to_string(folder.join("result.json")).expect("the kernel has answered");
        let kernel: Value = serde_json::from_str(&text).expect("the kernel's answer is JSON");
        let ours = lab::kernel::answer(&folder).unwrap_or_else(|error| panic!("{name}: {error:#}"));
        let ours = serde_json::to_value(ours).expect("our answer is JSON");
        let mut differences = lab::kernel::differences(&kernel, &ours);
        differences.extend(lab::kernel::counters(&kernel, &ours));
        let is_excepted = DISAGREED.contains(&name.as_str());
        if is_excepted && differences.is_empty() {
            wrong.push(format!("{name}: agrees, and stands among those that do not"));
        } else if !is_excepted && !differences.is_empty() {
            wrong.push(format!("{name}:\n{}", differences.join("\n")));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_scenario_that_is_described_has_a_folder_and_every_folder_a_description() {
    let mut described: Vec<String> = Vec::new();
    for entry in fs::read_dir(folder("parts")).expect("the scripts can be listed") {
        let script = fs::read_to_string(entry.expect("a script").path()).unwrap_or_default();
        for (mark, group) in [("@scenario(\"", "scenarios"), ("@plugin_scenario(\"", "plugins")] {
            let names = script.lines().filter_map(|line| line.strip_prefix(mark)?.split('"').next());
            described.extend(names.map(|name| format!("{group}/{name}")));
        }
    }
    described.sort();
    let ours: Vec<String> = names_in(&["plugins", "scenarios"]);
    assert_eq!(ours, described);
    assert!(folders().len() > 100);
}

#[test]
fn a_difference_in_any_compared_field_is_found() {
    let folder = folder("examples/01-tcp-masquerade");
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
fn only_the_time_that_the_router_tells_is_not_compared() {
    let text = fs::read_to_string(folder("scenarios/local-times/result.json")).expect("the kernel has answered");
    let kernel: Value = serde_json::from_str(&text).expect("the kernel's answer is JSON");
    let with_out = |hex: &str| {
        let mut ours = kernel.clone();
        *ours.pointer_mut("/frames/0/out/0/hex").expect("frame 0 is answered") = Value::from(hex);
        lab::kernel::differences(&kernel, &ours).len()
    };
    let hex = kernel.pointer("/frames/0/out/0/hex").and_then(Value::as_str).expect("frame 0 is answered");
    let (headers, message) = hex.split_at(2 * (14 + 20));
    let own = &message[8..24];
    // Another time that both fields hold, and its checksum: 0x0e00 + 7 + 1 + 0x01a5 + 0x0c66 + 2 * (1 + 2).
    assert_eq!(with_out(&format!("{headers}0e00e3e6{own}0001000200010002")), 0);
    assert_eq!(with_out(&format!("{headers}0e00e3e5{own}0001000200010002")), 1, "a wrong checksum");
    assert_eq!(with_out(&format!("{headers}0e00e3e5{own}0001000200010003")), 1, "two times");
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
