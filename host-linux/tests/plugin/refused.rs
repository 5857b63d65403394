//! What is no helper, and what the error says.

use std::fs;

use towpath::plugin::{Problem, error::BadManifest, limits::COMPONENT_BYTES_MAX};
use towpath_engine::conntrack::helper::{Helper, HelperFailure};

use crate::{
    made::{CONTRACT, Made},
    runtime,
};

#[test]
fn a_file_that_is_not_there_is_named() {
    let error = runtime().load_file("no/such/helper.wasm".as_ref()).err().unwrap().to_string();
    assert!(error.starts_with("no/such/helper.wasm: cannot be read: No such file"), "{error}");
}

#[test]
fn garbage_is_refused_with_the_files_name() {
    for garbage in [&b""[..], b"\0asm", b"#!/bin/sh\necho no component\n", &[0xff; 100]] {
        let error = refused(garbage);
        assert!(error.ends_with("helper.wasm: is no WebAssembly component (it does not start with \\0asm)"), "{error}");
    }
}

#[test]
fn a_core_module_is_refused_as_one() {
    let error = refused(&Made::default().module());
    assert!(error.contains("is a core WebAssembly module, not a component"), "{error}");
}

#[test]
fn a_damaged_component_is_refused() {
    let component = Made::default().component();
    let error = refused(&component[..component.len() / 2]);
    assert!(error.contains("is no valid component: "), "{error}");
    assert!(!error.contains('\n'), "{error}");
}

#[test]
fn a_file_beyond_the_bound_is_refused() {
    let error = refused(&vec![0; COMPONENT_BYTES_MAX + 1]);
    assert!(error.contains("is larger than a component may be (4194304 bytes)"), "{error}");
}

#[test]
fn an_import_is_refused_by_its_name() {
    let contract = CONTRACT.replace(
        "world conntrack-helper {",
        "interface clock { now: func() -> u64; }\nworld conntrack-helper {\n  import clock;",
    );
    let more = r#"(import "towpath:helper/clock@1.0.0" "now" (func (result i64)))"#;
    let error = refused(&Made { contract, more, ..Made::default() }.component());
    assert!(error.contains("imports `towpath:helper/clock@1.0.0`, but a helper may import nothing"), "{error}");
}

#[test]
fn a_missing_interface_is_named() {
    let error = refused(&wat::parse_str("(component)").unwrap());
    assert!(error.contains("does not export `towpath:helper/conntrack@1.0.0`"), "{error}");
}

#[test]
fn a_missing_function_is_named() {
    let contract = CONTRACT.replace("  render: func(", "  // render: func(");
    assert_ne!(contract, CONTRACT);
    let error = refused(&Made { contract, has_render: false, ..Made::default() }.component());
    assert!(error.contains("does not export `towpath:helper/conntrack@1.0.0#render`"), "{error}");
}

#[test]
fn a_function_of_another_type_is_refused() {
    let contract = CONTRACT.replace("translated: endpoint) -> list<u8>", "translated: endpoint) -> string");
    assert_ne!(contract, CONTRACT);
    let error = refused(&Made { contract, ..Made::default() }.component());
    assert!(error.contains("exports something else than wit/helper.wit says: ") && error.contains("render"), "{error}");
}

#[test]
fn a_later_contract_of_the_same_version_is_taken_and_another_version_is_not() {
    let version = |version: &str| Made {
        contract: CONTRACT.replace("package towpath:helper@1.0.0;", &format!("package towpath:helper@{version};")),
        ..Made::default()
    };
    for fits in ["1.0.7", "1.4.0"] {
        let plugin = runtime().load_bytes(&version(fits).component()).unwrap();
        assert_eq!(plugin.manifest().name, "made");
    }
    for other in ["0.3.0", "2.0.0"] {
        let error = refused(&version(other).component());
        let wanted = format!(
            "was made for `towpath:helper/conntrack@{other}`, and this program runs those for `towpath:helper/conntrack@1.0.0`"
        );
        assert!(error.contains(&wanted), "{error}");
    }
}

#[test]
fn a_manifest_out_of_bounds_is_refused() {
    let error = refused(&Made { name: "Upper", ..Made::default() }.component());
    assert!(error.contains("has a wrong manifest: name must be 1 to 15 characters"), "{error}");
    let problem = problem(&Made { memory_bytes_max: 1, ..Made::default() });
    assert!(matches!(problem, Problem::BadManifest(BadManifest::Memory)), "{problem:?}");
    assert_eq!(problem.to_string(), "has a wrong manifest: memory-bytes-max must be 65536 to 16777216");
}

#[test]
fn a_manifest_that_cannot_be_asked_is_refused() {
    for (manifest, failure) in [
        ("unreachable", HelperFailure::Trap),
        ("(loop $forever (br $forever)) unreachable", HelperFailure::Fuel),
        (
            "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable)) unreachable",
            HelperFailure::Memory,
        ),
        ("i32.const -8", HelperFailure::Contract),
    ] {
        let problem = problem(&Made { manifest: Some(manifest), ..Made::default() });
        let Problem::DoesNotStart(found) = problem else { panic!("{problem:?}") };
        assert_eq!(found, failure, "{manifest}");
    }
}

#[test]
fn memory_beyond_the_manifest_or_the_bound_is_refused_at_the_start() {
    for made in [
        Made { pages: 3, memory_bytes_max: 2 << 16, ..Made::default() },
        Made { pages: 257, memory_bytes_max: 16 << 20, ..Made::default() },
    ] {
        let error = refused(&made.component());
        assert!(error.contains("wants more memory when it is started"), "{error}");
    }
}

#[test]
fn a_component_that_is_slow_to_start_is_refused_since_each_payload_starts_one() {
    let start = "(func $slow (local $left i32) (local.set $left (i32.const 100000)) (loop $again
        (local.set $left (i32.sub (local.get $left) (i32.const 1))) (br_if $again (local.get $left)))) (start $slow)";
    let found = problem(&Made { more: start, ..Made::default() });
    assert!(matches!(found, Problem::StartsSlowly(fuel) if fuel > 100_000), "{found:?}");
}

#[test]
fn a_component_of_parts_that_could_pass_strings_to_each_other_is_refused() {
    let made = Made::default();
    let another = "(component (core module $other (memory 1)) (core instance (instantiate $other)))";
    let (component, other) = (made.component(), wat::parse_str(another).expect("it is right"));
    // Sections behind each other make one component.
    let found = refused(&[&component[..], &other[8..]].concat());
    assert!(found.contains("has 2 linear memories"), "{found}");
}

#[test]
fn a_helper_that_is_not_built_in_is_named_with_those_that_can_be_the_likeliest_first() {
    let error = runtime().load_shipped("tfpt").err().unwrap().to_string();
    let known = "tfpt: is no helper that this program brings along; there are tftp, ";
    assert!(error.starts_with(known) && error.ends_with("; any other needs its component's file"), "{error}");
}

/// The error for a file with these bytes.
fn refused(component: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("helper.wasm");
    fs::write(&file, component).expect("a file");
    let error = runtime().load_file(&file).err().expect("it is refused").to_string();
    assert!(error.starts_with(&file.display().to_string()), "{error}");
    error
}

fn problem(made: &Made) -> Problem {
    runtime().load_bytes(&made.component()).err().expect("it is refused")
}
