//! Feeds the fuzzer's corpora to what is fuzzed: what once broke something stays here. See `fuzz/README.md`.

use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::{Path, PathBuf},
};

use lab::fuzz::targets;

#[test]
fn nothing_in_the_corpora_breaks_anything() {
    let mut broken = Vec::new();
    for (name, target) in targets() {
        for file in inputs(name) {
            let data = fs::read(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
            if catch_unwind(AssertUnwindSafe(|| target(&data))).is_err() {
                broken.push(file);
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_target_has_a_corpus_and_a_fuzzer() {
    for (name, _) in targets() {
        assert!(!files(&here().join("fuzz/corpus").join(name)).is_empty(), "fuzz/corpus/{name} is empty");
        let fuzzer = here().join("fuzz/fuzz_targets").join(format!("{name}.rs"));
        assert!(fuzzer.exists(), "{} is missing", fuzzer.display());
    }
}

#[test]
fn inputs_that_end_anywhere_break_nothing() {
    for (_, target) in targets() {
        for len in 0..64 {
            target(&vec![0; len]);
            target(&(0..len).map(|index| (index * 37 + len) as u8).collect::<Vec<_>>());
        }
    }
}

/// A target's corpus, and what else the project has of that kind.
fn inputs(target: &str) -> Vec<PathBuf> {
    let mut inputs = files(&here().join("fuzz/corpus").join(target));
    match target {
        "capture" => inputs.extend(files(&here().join("../captures"))),
        "scenario" => inputs.extend(files(&here().join("../captures/lab"))),
        "rules" => inputs.extend(files(&here().join("rules/files"))),
        _ => {}
    }
    inputs
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let read = fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<_> =
        read.map(|entry| entry.expect("a folder entry").path()).filter(|path| path.is_file()).collect();
    files.sort();
    files
}

fn here() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
