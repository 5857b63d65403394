//! `towpath rules` on files: what it prints, and what it refuses.

use std::{
    path::PathBuf,
    process::{Command, Output},
};

/// A file of those that real tools have written.
fn real(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../tests/rules/real").join(name)
}

fn towpath(words: &[&str], files: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_towpath"));
    command.arg("rules").args(words);
    for file in files {
        command.arg("-r").arg(real(file));
    }
    command.output().expect("the program starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("text")
}

#[test]
fn rules_are_saved_as_iptables_saves_them_with_their_sets() {
    let saved = towpath(&["save", "-c"], &["fail2ban.ipset", "fail2ban.v4"]);
    assert_eq!(text(&saved.stdout), std::fs::read_to_string(real("fail2ban.saved")).expect("recorded"));
    assert_eq!(saved.status.code(), Some(0));
}

#[test]
fn a_table_is_listed_with_chains_and_their_references() {
    let listed = towpath(&["-L", "-v", "-n", "-t", "nat"], &["libvirt.v4"]);
    assert!(
        text(&listed.stdout).starts_with("Chain PREROUTING (policy ACCEPT 0 packets, 0 bytes)\n pkts bytes target ")
    );
    assert!(text(&listed.stdout).contains("\nChain LIBVIRT_PRT (1 references)\n"));
    assert_eq!(listed.status.code(), Some(0));
}

#[test]
fn rules_are_shown_whoever_is_the_helper_that_they_name() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("own.v4");
    let rule = "-A PREROUTING -p tcp -m tcp --dport 5060 -j CT --helper my-own\n";
    std::fs::write(&file, format!("*raw\n:PREROUTING ACCEPT [0:0]\n{rule}COMMIT\n")).expect("written");
    let saved = towpath(&["save"], &[&file.display().to_string()]);
    assert!(text(&saved.stdout).contains(rule), "{saved:?}");
    assert_eq!(saved.status.code(), Some(0));
}

#[test]
fn rules_of_both_families_are_not_taken_for_those_of_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let file = folder.path().join(name);
        std::fs::write(&file, text).expect("written");
        file.display().to_string()
    };
    let (v4, v6) = (file("rules.v4", "-A FORWARD -j DROP\n"), file("rules.v6", "-A FORWARD -p ipv6-icmp -j DROP\n"));
    let wrong = format!(
        "towpath: {v6} holds rules of ip6tables and {v4} rules of iptables, as their names say: name those of one family at a \
         time, or say -6 if all are of ip6tables\n"
    );
    let saved = towpath(&["save"], &[&v4, &v6]);
    assert_eq!((saved.status.code(), text(&saved.stderr)), (Some(2), wrong.as_str()));
    let applied = towpath(&["apply", &v6, &v4], &[]);
    assert_eq!((applied.status.code(), text(&applied.stderr)), (Some(2), wrong.as_str()));
    let sets = file("sets.save", "create a hash:ip family inet6\n");
    assert_eq!(towpath(&["save"], &[&sets, &v6]).status.code(), Some(0), "sets are of both");
    assert_eq!(towpath(&["save", "-6"], &[&v4, &v6]).status.code(), Some(0), "as is said");
}

#[test]
fn rules_that_name_a_set_that_is_not_there_are_refused_with_their_place() {
    let refused = towpath(&["save"], &["fail2ban.v4"]);
    assert!(text(&refused.stderr).ends_with("fail2ban.v4:8:71: there is no set `f2b-ipset-web`\n"));
    assert_eq!((refused.status.code(), text(&refused.stdout)), (Some(2), ""));
}
