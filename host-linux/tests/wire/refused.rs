//! What a gateway is refused for before it runs: one line with the place, and exit code 2.

use std::process::Command;

use towpath::plugin::shipped::COMPONENTS;

use crate::{
    running::{Folder, question_wrong},
    skip::skip,
};

/// A configuration on the loopback device, which every namespace has, with more lines behind.
fn config(more: &str) -> String {
    format!("[[interface]]\nname = \"lan\"\ndevice = \"lo\"\naddresses = [\"10.0.0.1/24\"]\n{more}\n")
}

/// What `towpath run` says, with the folder's name taken off.
fn refused(config: &str, files: &[(&str, &[u8])]) -> String {
    let folder = Folder::with(config, files);
    let error = question_wrong(&folder.towpath(&["run", "-c", folder.config_name()]));
    error.trim_end().replace(&format!("{}/", folder.path().display()), "")
}

#[test]
fn a_configuration_that_is_not_there_is_named() {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
    let error = question_wrong(&command.args(["run", "-c", "/no/such/gateway.toml"]).output().unwrap());
    assert!(error.starts_with("towpath: /no/such/gateway.toml: No such file or directory"), "{error}");
}

#[test]
fn a_wrong_address_is_named_with_file_and_line() {
    let error = refused(&config("").replace("10.0.0.1/24", "10.0.0.256/24"), &[]);
    let expected = "towpath: gateway.toml:4:14: 'addresses' must be an address with its prefix length";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn an_unknown_match_is_named_with_the_rules_files_line() {
    let rules = b"*filter\n:INPUT DROP [0:0]\n-A INPUT -m colour --colour red -j ACCEPT\nCOMMIT\n";
    let error = refused(&config("[rules]\nv4 = \"rules.v4\""), &[("rules.v4", rules)]);
    assert!(error.starts_with("towpath: rules.v4:3:13: ") && error.contains("`colour`"), "{error}");
}

#[test]
fn a_rules_file_that_is_not_there_is_named_where_the_configuration_names_it() {
    let error = refused(&config("[rules]\nv4 = \"rules.v4\""), &[]);
    assert!(error.starts_with("towpath: gateway.toml:6:6: rules.v4: No such file or directory"), "{error}");
}

#[test]
fn rules_that_are_no_text_are_refused_with_their_line() {
    let error = refused(&config("[rules]\nv4 = \"rules.v4\""), &[("rules.v4", b"*filter\n\xff\nCOMMIT\n")]);
    assert!(error.starts_with("towpath: gateway.toml:6:6: rules.v4: line 2 is not UTF-8 text"), "{error}");
}

#[test]
fn a_plugin_that_is_no_component_is_named_where_the_configuration_names_it() {
    let more = "[[helper]]\nname = \"ftp\"\ncomponent = \"ftp.wasm\"";
    let error = refused(&config(more), &[("ftp.wasm", b"#!/bin/sh\n")]);
    assert!(error.starts_with("towpath: gateway.toml:7:13: ftp.wasm: is no WebAssembly component"), "{error}");
    let error = refused(&config(more), &[]);
    assert!(error.starts_with("towpath: gateway.toml:7:13: ftp.wasm: cannot be read: No such file"), "{error}");
}

#[test]
fn a_plugin_that_lacks_an_export_is_named_with_it() {
    let more = "[[helper]]\nname = \"ftp\"\ncomponent = \"ftp.wasm\"";
    let component = wat::parse_str("(component)").unwrap();
    let error = refused(&config(more), &[("ftp.wasm", &component)]);
    let expected = "towpath: gateway.toml:7:13: ftp.wasm: does not export `towpath:helper/conntrack@";
    assert!(error.starts_with(expected), "{error}");
}

#[test]
fn a_helper_that_nobody_brings_along_is_named_where_it_is_asked_for() {
    let error = refused(&config("[[helper]]\nname = \"gopher\""), &[]);
    assert!(error.starts_with("towpath: gateway.toml:6:8: gopher: is no helper that"), "{error}");
    let rules = b"*raw\n-A PREROUTING -p tcp --dport 70 -j CT --helper gopher\nCOMMIT\n";
    let error = refused(&config("[rules]\nv4 = \"rules.v4\""), &[("rules.v4", rules)]);
    assert!(error.starts_with("towpath: rules.v4:2:") && error.contains("`gopher`"), "{error}");
}

#[test]
fn a_limit_looser_than_the_plugins_own_is_refused() {
    if COMPONENTS.is_empty() {
        return skip("refused::a_limit_looser_than_the_plugins_own_is_refused", "built without `cargo xtask plugins`");
    }
    let error = refused(&config("[[helper]]\nname = \"ftp\"\nexpectations = 100"), &[]);
    let expected = "towpath: gateway.toml:7:16: 'expectations' can only tighten what the plugin's manifest says";
    assert!(error.starts_with(expected), "{error}");
}
