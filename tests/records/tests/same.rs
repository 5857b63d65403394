//! The same capture and gateway give the same records, byte for byte: twice on this machine, and in WebAssembly.

use std::{
    fs,
    path::{Path, PathBuf},
};

use records::records;
use wasmtime::{
    Config, Engine, Store,
    component::{Component, Linker, TypedFunc},
};

/// A capture, and the rules it is replayed with.
struct Case {
    name: String,
    capture: Vec<u8>,
    rules: Option<String>,
}

#[test]
fn a_replay_gives_the_same_records_each_time() {
    for case in cases() {
        let first = records(&case.capture, case.rules.as_deref());
        let second = records(&case.capture, case.rules.as_deref());
        assert_same(&case.name, &first, &second);
    }
}

#[test]
fn webassembly_gives_the_records_that_this_machine_gives() {
    let file = root().join("target/wasm/tests/records.wasm");
    let Ok(component) = fs::read(&file) else {
        return lab::skip("the records' WebAssembly is not built (cargo xtask test builds it)");
    };
    let (mut store, function) = instance(&component).expect("it is a component that imports nothing");
    for case in cases() {
        let here = records(&case.capture, case.rules.as_deref());
        let (there,) = function
            .call(&mut store, (case.capture, case.rules))
            .unwrap_or_else(|error| panic!("{}: {error:#}", case.name));
        assert_same(&case.name, &here, &there);
    }
}

#[test]
fn cases_are_many_and_most_have_records() {
    let cases = cases();
    let told = cases.iter().filter_map(|case| records(&case.capture, case.rules.as_deref()).ok());
    let lines: usize = told.map(|lines| lines.lines().count()).sum();
    assert!(cases.len() > 100 && lines > 5000, "{} cases, {lines} lines", cases.len());
}

type Answer = Result<String, String>;
type Function = TypedFunc<(Vec<u8>, Option<String>), (Answer,)>;

/// An instance without anything to import, so that it cannot see a clock, chance or a machine.
fn instance(component: &[u8]) -> wasmtime::Result<(Store<()>, Function)> {
    let engine = Engine::new(&Config::new())?;
    let component = Component::new(&engine, component)?;
    let mut store = Store::new(&engine, ());
    let instance = Linker::new(&engine).instantiate(&mut store, &component)?;
    let function = instance.get_typed_func(&mut store, "records")?;
    Ok((store, function))
}

/// Every capture that the project keeps, without rules; and the kernel's scenarios, with their rules too.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for file in files(&root().join("captures")) {
        let name = file.display().to_string();
        if [".pcap", ".pcapng", ".gz"].iter().any(|ending| name.ends_with(ending)) {
            cases.push(Case { capture: fs::read(&file).expect(&name), name, rules: None });
        }
    }
    for group in ["examples", "scenarios"] {
        for folder in files(&root().join("tests/kernel").join(group)) {
            let name = folder.display().to_string();
            let Ok(capture) = fs::read(folder.join("in.pcap")) else { continue };
            let rules = rules_of(&folder);
            cases.push(Case { name: name.clone(), capture: capture.clone(), rules: None });
            if rules.is_some() {
                cases.push(Case { name: format!("{name} with its rules"), capture, rules });
            }
        }
    }
    cases
}

/// A scenario's rules, which are a string or a list of lines.
fn rules_of(folder: &Path) -> Option<String> {
    let text = fs::read_to_string(folder.join("scenario.json")).ok()?;
    let scenario: serde_json::Value = serde_json::from_str(&text).expect("a scenario is JSON");
    match &scenario["iptables"] {
        serde_json::Value::String(text) => Some(text.clone()),
        serde_json::Value::Array(lines) => {
            Some(lines.iter().filter_map(|line| line.as_str()).map(|line| format!("{line}\n")).collect())
        }
        _ => None,
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = read.map(|entry| entry.expect("a folder entry").path()).collect();
    files.sort();
    files
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Byte for byte; a difference is shown by its line.
fn assert_same(name: &str, one: &Answer, other: &Answer) {
    if one == other {
        return;
    }
    let (Ok(one), Ok(other)) = (one, other) else { panic!("{name}: {one:?} and {other:?}") };
    let line = one.lines().zip(other.lines()).position(|(one, other)| one != other);
    let line = line.unwrap_or_else(|| one.lines().count().min(other.lines().count()));
    panic!("{name}: line {}:\n{:?}\n{:?}", line + 1, one.lines().nth(line), other.lines().nth(line));
}
