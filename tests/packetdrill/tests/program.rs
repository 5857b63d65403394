//! What the player of scripts says of those that it cannot play, and its code.

use std::{fs, path::PathBuf, process::Command};

/// Plays a script and gives the code and what is said.
fn played(name: &str, text: &str) -> (Option<i32>, String) {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&file, text).expect("a script");
    let output = Command::new(env!("CARGO_BIN_EXE_packet-scripts")).arg(&file).output().expect("the player");
    (output.status.code(), String::from_utf8(output.stdout).expect("text"))
}

const SOCKET: &str = "0 socket(..., SOCK_STREAM, IPPROTO_TCP) = 3\n";

#[test]
fn a_script_that_passes_or_fails_is_zero_or_one() {
    assert_eq!(played("passes.pkt", SOCKET).0, Some(0));
    assert_eq!(played("fails.pkt", &format!("{SOCKET}+0 > S 0:0(0)\n")).0, Some(1));
}

#[test]
fn a_script_that_cannot_be_played_is_two_and_says_where() {
    for (name, text, why) in [
        ("parenthesis.pkt", "0 socket(..., SOCK_STREAM, IPPROTO_TCP = 3\n", "unreadable    "),
        ("word.pkt", "hello world\n", "1:1: expected a time in seconds"),
        ("empty.pkt", "", "nothing happens in it"),
        ("remark.pkt", "// Nothing.\n", "nothing happens in it"),
        ("call.pkt", &format!("{SOCKET}+0 fooo(3) = 0\n"), "line 2: the call `fooo` is not known"),
        (
            "option.pkt",
            &format!("{SOCKET}+0 setsockopt(3, SOL_TCP, TCP_NODELLAY, [1], 4) = 0\n"),
            "line 2: the constant `TCP_NODELLAY` is not known",
        ),
    ] {
        let (code, said) = played(name, text);
        assert_eq!(code, Some(2), "{name}: {said}");
        assert!(said.contains(why), "{name}: {said}");
    }
}
