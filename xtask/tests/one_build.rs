//! The demo and the tests use the same build of wasmtime, which takes minutes.
//!
//! Cargo builds a crate once for each set of features, and what tests depend on may switch on features of crates that
//! wasmtime needs too. xtask therefore chooses the demo's programs and the tests from one set of packages
//! (`xtask/src/host.rs`); what only tests need must not add to it.
//!
//! And xtask itself is compiled before it can say anything: what a command needs beyond text is a crate of its own.

use std::{collections::BTreeSet, process::Command};

#[test]
fn what_tests_depend_on_gives_wasmtime_no_other_features_than_the_demo_does() {
    let demo = tree("normal,build", "wasmtime");
    assert!(demo.iter().any(|line| line.starts_with("cranelift-codegen ")), "{demo:?}");
    let tests = tree("normal,build,dev", "wasmtime");
    let differing: Vec<_> = demo.symmetric_difference(&tests).collect();
    assert!(
        differing.is_empty(),
        "tests give other features than the programs; add them to the unused dependencies of host-linux/Cargo.toml:\n\
         {differing:#?}"
    );
}

#[test]
fn xtask_itself_is_compiled_in_a_moment() {
    let output = Command::new(env!("CARGO"))
        .args([
            "tree",
            "--locked",
            "--package",
            "xtask",
            "--edges",
            "normal,build",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo can be run");
    let text = String::from_utf8(output.stdout).expect("names are text");
    let packages: BTreeSet<_> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(packages.contains("clap") && packages.len() <= PACKAGES_MAX, "{} packages: {packages:?}", packages.len());
}

/// clap with what it brings, and anyhow.
const PACKAGES_MAX: usize = 30;

/// Packages below `root` with their features, as they come out when the workspace is built along `edges`.
fn tree(edges: &str, root: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--workspace", "--edges", edges, "--prefix", "depth", "--no-dedupe"])
        .args(["--format", " {p} [{f}]"])
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .expect("cargo can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("names are text");
    let mut below = None;
    let mut found = BTreeSet::new();
    // An empty line stands between the trees of several roots.
    for line in text.lines().filter(|line| !line.is_empty()) {
        let (depth, package) = line.split_once(' ').expect("a depth and a package");
        let depth: usize = depth.parse().expect("a number");
        if below.is_some_and(|below| depth <= below) {
            below = None;
        }
        if below.is_none() && package.split(' ').next() == Some(root) {
            below = Some(depth);
        }
        if below.is_some() {
            found.insert(package.to_owned());
        }
    }
    found
}
