//! The same capture and gateway give the same records and leave the same state, byte for byte: twice on this machine, and
//! in WebAssembly.

use std::{
    env, fs,
    path::{Path, PathBuf},
    sync::LazyLock,
};

use lab::kernel::folders;
use records::{Gateway, answer, records};
use wasmtime::{
    Engine, Store,
    component::{Component, Linker, TypedFunc},
};

/// What is done in both.
enum Case {
    /// A capture is led through a gateway.
    Replay { name: String, capture: Vec<u8>, config: Option<String>, rules: Option<String> },
    /// A scenario's files are played.
    Scenario { name: String, files: Vec<(String, Vec<u8>)> },
}

#[test]
fn the_same_input_gives_the_same_records_each_time() {
    for (case, first) in &*CASES {
        assert_same(case.name(), first, &case.here());
    }
}

#[test]
fn webassembly_gives_the_records_that_this_machine_gives() {
    let Some(component) = component() else { return };
    let mut there = There::new(&component).expect("a component that imports nothing");
    for (case, here) in &*CASES {
        let answer = there.call(case).unwrap_or_else(|error| panic!("{}: {error:#}", case.name()));
        assert_same(case.name(), here, &answer);
    }
}

#[test]
fn the_engine_in_webassembly_imports_nothing() {
    let Some(bytes) = component() else { return };
    let engine = Engine::default();
    let component = Component::new(&engine, bytes).expect("a component");
    let world = component.component_type();
    let imports: Vec<_> = world.imports(&engine).map(|(name, _)| name.to_owned()).collect();
    assert!(imports.is_empty(), "{imports:?}");
    let mut exports: Vec<_> = world.exports(&engine).map(|(name, _)| name.to_owned()).collect();
    exports.sort();
    assert_eq!(exports, ["answer", "records"]);
}

#[test]
fn cases_are_many_and_nearly_all_are_played_to_the_end() {
    let lines: usize = CASES.iter().filter_map(|(_, answer)| Some(answer.as_ref().ok()?.lines().count())).sum();
    assert!(CASES.len() > 200 && lines > 10_000, "{} cases, {lines} lines", CASES.len());
    let is_whole = |answer: &Answer| answer.as_ref().is_ok_and(|lines| lines.contains("\nstate: "));
    let others: Vec<_> = CASES.iter().filter(|(_, answer)| !is_whole(answer)).map(|(case, _)| case.name()).collect();
    // One capture is cut in the middle of a packet, and a few scenarios want what is not there yet.
    assert!(others.len() * 20 < CASES.len(), "{others:#?}");
}

/// Each case, and what comes out here.
static CASES: LazyLock<Vec<(Case, Answer)>> = LazyLock::new(|| {
    let answered = |case: Case| {
        let answer = case.here();
        (case, answer)
    };
    cases().into_iter().map(answered).collect()
});

type Answer = Result<String, String>;

impl Case {
    fn name(&self) -> &str {
        match self {
            Self::Replay { name, .. } | Self::Scenario { name, .. } => name,
        }
    }

    fn here(&self) -> Answer {
        match self {
            Self::Replay { capture, config, rules, .. } => {
                records(capture, Gateway { config: config.as_deref(), rules: rules.as_deref() })
            }
            Self::Scenario { files, .. } => answer(files),
        }
    }
}

/// A capture, the text of a gateway's configuration, and of a rules file.
type RecordsOf = (Vec<u8>, Option<String>, Option<String>);

/// The files of a scenario, by name.
type AnswerOf = (Vec<(String, Vec<u8>)>,);

/// The functions in WebAssembly.
struct There {
    store: Store<()>,
    records: TypedFunc<RecordsOf, (Answer,)>,
    answer: TypedFunc<AnswerOf, (Answer,)>,
}

impl There {
    /// An instance without anything to import, so that it cannot see a clock, chance or a machine.
    fn new(component: &[u8]) -> wasmtime::Result<Self> {
        let engine = Engine::default();
        let component = Component::new(&engine, component)?;
        let mut store = Store::new(&engine, ());
        let instance = Linker::new(&engine).instantiate(&mut store, &component)?;
        let records = instance.get_typed_func(&mut store, "records")?;
        let answer = instance.get_typed_func(&mut store, "answer")?;
        Ok(Self { store, records, answer })
    }

    fn call(&mut self, case: &Case) -> wasmtime::Result<Answer> {
        let (answer,) = match case {
            Case::Replay { capture, config, rules, .. } => {
                self.records.call(&mut self.store, (capture.clone(), config.clone(), rules.clone()))?
            }
            Case::Scenario { files, .. } => self.answer.call(&mut self.store, (files.clone(),))?,
        };
        Ok(answer)
    }
}

/// The engine as `cargo xtask test` has built it for WebAssembly a moment ago, from the same sources as this test. It says
/// where it is; without it the test is skipped.
fn component() -> Option<Vec<u8>> {
    let Some(file) = env::var_os("TOWPATH_RECORDS") else {
        lab::skip("the engine is not built for WebAssembly (cargo xtask test builds it)");
        return None;
    };
    Some(fs::read(file).expect("the component"))
}

/// Every capture that the project keeps, without a gateway and through the router's with each of its rules; and the
/// kernel's scenarios, played as the kernel played them, and replayed without a gateway.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let captures = root().join("captures");
    let router = fs::read_to_string(captures.join("rules/router.toml")).expect("the router");
    let rules =
        files(&captures.join("rules")).into_iter().filter(|file| file.extension().is_some_and(|end| end == "v4"));
    let rules: Vec<_> = rules.map(|file| (name(&file), fs::read_to_string(&file).expect("rules"))).collect();
    for file in files(&captures) {
        let name = name(&file);
        if [".pcap", ".pcapng", ".gz"].iter().any(|ending| name.ends_with(ending)) {
            let capture = fs::read(&file).expect("a capture");
            for (rules_name, rules) in &rules {
                let (name, capture) = (format!("{name} through {rules_name}"), capture.clone());
                cases.push(Case::Replay { name, capture, config: Some(router.clone()), rules: Some(rules.clone()) });
            }
            cases.push(Case::Replay { name, capture, config: None, rules: None });
        }
    }
    for folder in folders().expect("the scenarios") {
        let files = SCENARIO.iter().filter_map(|file| Some(((*file).to_owned(), fs::read(folder.join(file)).ok()?)));
        let (name, files): (_, Vec<_>) = (name(&folder), files.collect());
        let capture = files.iter().find(|(file, _)| file == "in.pcap").expect("frames").1.clone();
        cases.push(Case::Replay { name: format!("{name}, replayed"), capture, config: None, rules: None });
        cases.push(Case::Scenario { name, files });
    }
    cases
}

/// The files that a scenario is played from.
const SCENARIO: &[&str] = &["scenario.json", "draws.json", "in.pcap"];

fn files(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> = read.map(|entry| entry.expect("a folder entry").path()).collect();
    files.sort();
    files
}

fn name(file: &Path) -> String {
    file.file_name().unwrap_or_default().to_string_lossy().into_owned()
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
