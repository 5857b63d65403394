//! The program and the tests use the same build of wasmtime, which takes minutes.
//!
//! Cargo builds a crate once for each set of features, and what the tests depend on switches on features of crates that
//! wasmtime needs too. `host-linux/Cargo.toml` therefore asks for the same features itself.

use std::{collections::BTreeSet, process::Command};

#[test]
fn the_programs_dependencies_have_the_features_that_the_whole_workspace_gives_them() {
    let below_wasmtime: BTreeSet<_> = tree(&["--package", "towpath"], "wasmtime").into_iter().collect();
    assert!(below_wasmtime.iter().any(|line| line.starts_with("cranelift-codegen ")), "{below_wasmtime:?}");
    let everywhere = tree(&["--workspace"], "wasmtime");
    let differing: Vec<_> = below_wasmtime.symmetric_difference(&everywhere).collect();
    assert!(
        differing.is_empty(),
        "the workspace gives other features than the program alone; add them to the unused dependencies of \
         host-linux/Cargo.toml:\n{differing:#?}"
    );
}

/// Packages below `root` with their features, as they come out when `selection` is built.
fn tree(selection: &[&str], root: &str) -> BTreeSet<String> {
    let output = Command::new(env!("CARGO"))
        .args(["tree", "--locked", "--edges", "normal,build,dev", "--prefix", "depth", "--no-dedupe"])
        .args(["--format", " {p} [{f}]"])
        .args(selection)
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
