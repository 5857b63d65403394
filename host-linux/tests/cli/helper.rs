//! `towpath helper` on files: what a component is, and what it does with a capture.

use std::{fs, path::Path};

use crate::program::{MASQUERADE, Place, router};

fn place(component: &str) -> Place {
    let place = Place::new(&[]);
    fs::write(place.path("helper.wasm"), wat::parse_str(component).expect("a component")).expect("a file");
    place
}

#[test]
fn a_component_that_is_no_helper_is_shown_with_its_imports_and_the_answer_is_no() {
    let said = place(r#"(component (import "wasi:clocks/now" (func)))"#).towpath("helper inspect helper.wasm");
    assert_eq!((said.code, &*said.err), (Some(1), ""));
    let first =
        "helper.wasm: not accepted: it imports `wasi:clocks/now`, but a helper may import nothing (wit/helper.wit)";
    assert_eq!(said.out.lines().next(), Some(first));
    assert!(said.out.contains("\n  imports      wasi:clocks/now\n  exports      nothing\n"), "{}", said.out);
    let said = place("(component)").towpath("helper inspect helper.wasm --json");
    let known: serde_json::Value = serde_json::from_str(&said.out).expect("an object");
    assert_eq!((said.code, &known["accepted"], &known["bytes"]), (Some(1), &false.into(), &8.into()));
    assert_eq!(known["why"], "does not export `towpath:helper/conntrack@1.0.0`, which a helper must (wit/helper.wit)");
}

#[test]
fn a_component_for_another_version_of_the_contract_is_shown_with_that_version() {
    let older = r#"(component (instance $none) (export "towpath:helper/conntrack@0.3.0" (instance $none)))"#;
    let place = place(older);
    let said = place.towpath("helper inspect helper.wasm");
    let why = "was made for `towpath:helper/conntrack@0.3.0`, and this program runs those for \
               `towpath:helper/conntrack@1.0.0`: build it again for this version of wit/helper.wit \
               (`cargo xtask plugins` builds those of this repository)";
    assert_eq!(said.out.lines().next(), Some(&*format!("helper.wasm: not accepted: it {why}")));
    let contract =
        "\n  contract     towpath:helper/conntrack@0.3.0; this program runs those for towpath:helper/conntrack@1.0.0\n";
    assert!(said.code == Some(1) && said.out.contains(contract), "{}", said.out);
    let known: serde_json::Value =
        serde_json::from_str(&place.towpath("helper inspect helper.wasm --json").out).expect("an object");
    assert_eq!((&known["contract"], &known["why"]), (&"towpath:helper/conntrack@0.3.0".into(), &why.into()));
    assert_eq!(place.towpath("helper run helper.wasm @ping.pcap").wrong(), format!("towpath: helper.wasm: {why}"));
}

#[test]
fn what_cannot_be_read_or_is_no_helper_is_told_in_one_line() {
    let place = place("(component)");
    let missing = "towpath: none.wasm: No such file or directory (os error 2)";
    assert_eq!(place.towpath("helper run none.wasm @ping.pcap").wrong(), missing);
    assert_eq!(place.towpath("helper inspect none.wasm").wrong(), missing);
    let missing = place.towpath("helper run nosuch @ping.pcap").wrong();
    assert!(missing.starts_with(
        "towpath: nosuch: there is no such file, nor does this program bring along a helper of that name ("
    ));
    let endless = "towpath: /dev/zero: is larger than a component may be (4194304 bytes)";
    assert_eq!(place.towpath("helper inspect /dev/zero").wrong(), endless);
    let odd =
        "towpath: helper.wasm: does not export `towpath:helper/conntrack@1.0.0`, which a helper must (wit/helper.wit)";
    assert_eq!(place.towpath("helper run helper.wasm @ping.pcap").wrong(), odd);
    let told = place.towpath("helper run . @ping.pcap").wrong();
    assert_eq!(told, "towpath: .: Is a directory (os error 21)");
    for words in ["list", "load helper.wasm", "reload helper.wasm", "unload ftp"] {
        let told = place.towpath(&format!("helper {words} --control nowhere")).wrong();
        assert!(told.starts_with("towpath: no gateway listens at nowhere; "), "{told}");
    }
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn a_helper_is_shown_with_its_manifest() {
    let component = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/wasm/plugins/tftp.wasm");
    let said = Place::new(&[]).towpath(&format!("helper inspect {}", component.display())).fine();
    assert!(said.starts_with(&format!("{}: accepted, a helper for towpath:helper/conntrack@", component.display())));
    for line in ["imports      nothing", "name         tftp", "attached     udp 69", "may rewrite  nothing"] {
        assert!(said.contains(&format!("\n  {line}\n")), "{line}: {said}");
    }
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn what_the_program_brings_along_is_shown_by_its_name() {
    let said = Place::new(&[]).towpath("helper inspect ftp").fine();
    assert!(said.starts_with("ftp: accepted, a helper for towpath:helper/conntrack@"), "{said}");
    let reads = "  reads        lines that start with \"PORT\", \"EPRT\", \"PASV\", \"P@SW\", \"EPSV\", \"227 \", \"229 \", \"Host:\"\n  on           connections whose client begins with the word \"AUTH\", ";
    assert!(said.contains(reads), "{said}");
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn memory_that_is_too_little_is_told_where_it_is_given() {
    let place = router(MASQUERADE);
    let config = fs::read_to_string(place.path("gateway.toml")).expect("the configuration");
    let line = config.lines().count() + 4;
    fs::write(place.path("gateway.toml"), format!("{config}\n[[helper]]\nname = 'ftp'\nmemory_bytes = 65536\n"))
        .expect("a file");
    let told = place.towpath("check -c gateway.toml").wrong();
    let wanted = format!(
        "towpath: gateway.toml:{line}:16: ftp: does not start in the 65536 bytes of memory that the configuration leaves it"
    );
    assert_eq!(told, wanted);
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn the_helpers_that_the_program_brings_along_are_listed_as_text_and_as_json() {
    let text = Place::new(&[]).towpath("helper list --built-in").fine();
    let json = Place::new(&[]).towpath("helper list --built-in --json").json();
    assert_eq!(json[0]["schema"], "towpath.helper/1");
    assert_eq!(text.lines().count(), json.len());
    for (line, helper) in text.lines().zip(&json).skip(1) {
        let hash = helper["component"].as_str().expect("a hash");
        let name = helper["name"].as_str().expect("a name");
        assert!(line.starts_with(name) && line.ends_with(&hash[..16]) && hash.len() == 64, "{line}: {helper}");
    }
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn a_helper_on_a_capture_shows_what_it_reads_and_expects() {
    let said = Place::new(&[]).towpath("helper run ftp @ftp-port-inside.pcap").fine();
    let first = "packet 15
  shown      192.168.1.10:58442 > 198.51.100.7:21 \"PORT 192,168,1,10,150,207\\r\\n\" (";
    assert!(said.starts_with(first), "{said}");
    for line in [
        "wishes     data: 198.51.100.7:any > 192.168.1.10:38607 tcp, named at byte 5 as \"192,168,1,10,150,207\"",
        "expected   198.51.100.7:any > 192.168.1.10:38607 tcp for 300 s",
        "announced  198.51.100.7:20 > 192.168.1.10:38607 tcp has come",
    ] {
        assert!(said.contains(&format!("\n  {line}\n")), "{line}: {said}");
    }
    assert!(said.contains("\n55 packets: 2 payloads shown, 2 with something found in them\n"), "{said}");
    assert!(said.contains("\n2 connections expected, 2 have come; 0 endpoints written anew\n"), "{said}");
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn behind_masquerade_a_helper_shows_what_it_writes() {
    let said = router(MASQUERADE).towpath("helper run ftp @ftp-port-inside.pcap -c gateway.toml --json").json();
    assert_eq!(said[0]["schema"], "towpath.helper-run/1");
    assert_eq!(said[0]["helper"]["name"], "ftp");
    let written: Vec<_> = said.iter().filter(|line| line["what"] == "render").collect();
    assert_eq!(written.len(), 2, "{said:#?}");
    assert_eq!((&written[0]["n"], &written[0]["writes"]), (&15.into(), &"203,0,113,1,150,207".into()));
    let expected: Vec<_> = said.iter().filter(|line| line["what"] == "expected").collect();
    assert_eq!(expected[0]["tuple"]["dst"], "203.0.113.1");
    let counts = &said.last().expect("the counts")["counts"];
    assert_eq!((&counts["rewritten"], &counts["announced"], &counts["failed"]), (&2.into(), &2.into(), &0.into()));
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn a_helper_whose_calls_fail_on_a_capture_gets_no_for_an_answer() {
    let place = router(MASQUERADE);
    let config = fs::read_to_string(place.path("gateway.toml")).expect("the configuration");
    let tight = format!("{config}\n[[helper]]\nname = 'ftp'\nfuel = 1000\n");
    fs::write(place.path("gateway.toml"), tight).expect("a file");
    let said = place.towpath("helper run ftp @ftp-port-inside.pcap -c gateway.toml");
    assert_eq!((said.code, &*said.err), (Some(1), ""), "{}", said.out);
    assert!(said.out.contains(": the call used up its fuel\n"), "{}", said.out);
    assert!(said.out.contains("\n  dropped    HelperFailed: "), "{}", said.out);
}

#[test]
#[cfg_attr(not(shipped_helpers), ignore = "needs `cargo xtask plugins`")]
fn the_fuel_that_a_manifest_needs_is_found_by_payloads_that_make_it_work() {
    let said = Place::new(&[]).towpath("helper run ftp @ftp-port-inside.pcap --fuel --json").json();
    let fuel = &said.last().expect("the counts")["fuel"];
    let (most, given) = (fuel["most"].as_u64().expect("a number"), fuel["given"].as_u64().expect("a number"));
    let counted = said.last().expect("the counts")["counts"]["fuel_most"].as_u64().expect("a number");
    assert!(counted * 5 < most && most * 2 < given, "{fuel}");
    assert!(fuel["payload"].as_str().is_some_and(|payload| payload.contains("0000000000")), "{fuel}");
    // An operator who leaves it less is told that anybody can have its calls fail.
    let place = router(MASQUERADE);
    let config = fs::read_to_string(place.path("gateway.toml")).expect("the configuration");
    let tight = format!("{config}\n[[helper]]\nname = 'ftp'\nfuel = 20000\n");
    fs::write(place.path("gateway.toml"), tight).expect("a file");
    let said = place.towpath("helper run ftp @ftp-port-inside.pcap -c gateway.toml --fuel");
    assert!(
        said.code == Some(1) && said.out.contains("\nanybody can have its calls fail with that payload: "),
        "{}",
        said.out
    );
}
