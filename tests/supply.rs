//! What comes in from outside: where it is from, and under which licence. `deny.toml` says what may; `cargo deny check bans
//! licenses sources` says the same of it, and takes minutes to build where this takes a second.

use std::{collections::BTreeSet, fs, path::PathBuf, process::Command};

use serde_json::Value;

const CRATES_IO: &str = "registry+https://github.com/rust-lang/crates.io-index";

#[test]
fn every_dependency_comes_from_crates_io_under_a_licence_that_is_allowed() {
    let allowed = list("allow");
    let mut faults = BTreeSet::new();
    for package in list("targets").iter().flat_map(|target| packages(target)) {
        let text = |field: &str| package[field].as_str().unwrap_or_default().to_owned();
        let (name, licence) = (format!("{} {}", text("name"), text("version")), text("license"));
        if !package["source"].is_null() && package["source"] != CRATES_IO {
            faults.insert(format!("{name} comes from {}", package["source"]));
        }
        if !is_allowed(&licence, &|word| allowed.contains(word)) {
            faults.insert(format!("{name} has the licence '{licence}'"));
        }
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            if dependency["req"] == "*" && dependency["path"].is_null() && package["source"].is_null() {
                faults.insert(format!("{name} takes any version of {}", dependency["name"]));
            }
        }
    }
    assert!(faults.is_empty(), "{faults:#?}");
}

#[test]
fn every_licence_that_is_allowed_is_needed() {
    let all: Vec<String> = list("targets")
        .iter()
        .flat_map(|target| packages(target))
        .map(|package| package["license"].as_str().unwrap_or_default().to_owned())
        .collect();
    let mut idle = list("allow");
    idle.retain(|allowed| !all.iter().any(|licence| licence.contains(allowed)));
    assert!(idle.is_empty(), "nothing has these licences: {idle:?}");
}

#[test]
fn licences_are_read_as_spdx_says() {
    let mit = |word: &str| word == "MIT" || word == "Apache-2.0 WITH LLVM-exception";
    for fine in [
        "MIT",
        "MIT OR GPL-3.0",
        "GPL-3.0 OR MIT",
        "(MIT OR GPL-3.0) AND MIT",
        "MIT/GPL-3.0",
        "MIT AND (GPL-3.0 OR Apache-2.0 WITH LLVM-exception)",
    ] {
        assert!(is_allowed(fine, &mit), "{fine}");
    }
    for wrong in ["", "GPL-3.0", "MIT AND GPL-3.0", "Apache-2.0", "GPL-3.0 OR (MIT AND GPL-3.0)", "MIT OR", "(MIT"] {
        assert!(!is_allowed(wrong, &mit), "{wrong}");
    }
}

/// Whether what a licence expression demands can be met by allowed licences (SPDX 2.3, annex D). AND binds before OR.
fn is_allowed(expression: &str, allowed: &dyn Fn(&str) -> bool) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut rest = &words[..];
    either(&mut rest, allowed).unwrap_or(false) && rest.is_empty()
}

fn either(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut fine = both(rest, allowed)?;
    while let ["OR", others @ ..] = *rest {
        *rest = others;
        fine |= both(rest, allowed)?;
    }
    Some(fine)
}

fn both(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    let mut fine = one(rest, allowed)?;
    while let ["AND", others @ ..] = *rest {
        *rest = others;
        fine &= one(rest, allowed)?;
    }
    Some(fine)
}

fn one(rest: &mut &[&str], allowed: &dyn Fn(&str) -> bool) -> Option<bool> {
    match *rest {
        ["(", others @ ..] => {
            *rest = others;
            let fine = either(rest, allowed)?;
            let [")", others @ ..] = *rest else { return None };
            *rest = others;
            Some(fine)
        }
        [name, "WITH", exception, others @ ..] => {
            *rest = others;
            Some(allowed(&format!("{name} WITH {exception}")))
        }
        [name, others @ ..] if *name != "OR" && *name != "AND" => {
            *rest = others;
            Some(allowed(name))
        }
        _ => None,
    }
}

/// The strings of a list in `deny.toml`: between `NAME = [` and `]`.
fn list(name: &str) -> BTreeSet<String> {
    let text = fs::read_to_string(root().join("deny.toml")).expect("deny.toml can be read");
    let (_, rest) = text.split_once(&format!("\n{name} = [")).expect(name);
    let (list, _) = rest.split_once(']').expect("a list ends");
    list.split('"').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The packages that are built for a target, for tests and builds too.
fn packages(target: &str) -> Vec<Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--locked", "--format-version", "1", "--filter-platform", target])
        .current_dir(root())
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    // Of the packages in the lock file, those of other targets are not in the graph.
    let nodes = metadata["resolve"]["nodes"].as_array().expect("a graph").iter();
    let used: BTreeSet<String> = nodes.filter_map(|node| node["id"].as_str()).map(str::to_owned).collect();
    let packages = metadata["packages"].as_array_mut().expect("packages");
    packages.retain(|package| package["id"].as_str().is_some_and(|id| used.contains(id)));
    std::mem::take(packages)
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("..")
}
