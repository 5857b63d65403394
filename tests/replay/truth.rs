//! What helpers expect in captures of other people: each data connection that was announced is RELATED, and nothing else is. So it is in
//! the mode `kernel`, in all of them; and where nothing is said about the gateway, in all but those that begin as no client does.
//!
//! `TOWPATH_CAPTURES` names a folder of captures; `truth/ground_truth.jsonl` in it tells, announcement by announcement, which frame
//! opens the connection (`data`), and whether a Linux gateway takes it for related (`expected_related`).

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
};

use serde_json::Value;
use towpath_replay::config::Config;

use crate::{lines, replayed_by};

/// Captures whose announced connections pass no gateway between two networks, and why.
#[rustfmt::skip]
const APART: &[(&str, &str)] = &[
    ("suricata-verify__smb2-ntlmssp-negotiateflags-input.pcap",
                                               "a station asks everybody; the helper serves the gateway's own questions"),
];

/// Captures whose announcements count in the mode `kernel` alone, and why.
#[rustfmt::skip]
const GUARDED: &[(&str, &str)] = &[
    ("zeek__irc-dcc-first-command.pcap",       "the client offers a file on its very first line, before it has registered; servers refuse that"),
];

/// A gateway in the mode `kernel`, which is as transparent as the one of which nothing is said, and takes part in what a machine says to
/// itself.
const KERNEL: &str = r#"
helper_mode = "kernel"
[host]
device = "host"
[[interface]]
name = "inside"
mtu = 65535
[[interface]]
name = "outside"
mtu = 65535
[[route]]
to = "10.0.0.0/8"
interface = "inside"
[[route]]
to = "172.16.0.0/12"
interface = "inside"
[[route]]
to = "192.168.0.0/16"
interface = "inside"
[[route]]
to = "100.64.0.0/10"
interface = "inside"
[[route]]
to = "169.254.0.0/16"
interface = "inside"
[[route]]
to = "fc00::/7"
interface = "inside"
[[route]]
to = "default"
interface = "outside"
[[route]]
to = "::/0"
interface = "outside"
"#;

#[test]
fn what_was_announced_is_related_and_nothing_else_is() {
    assert_eq!(wrong(None, GUARDED), [""; 0]);
}

#[test]
fn in_the_mode_kernel_it_is_so_in_every_capture() {
    let kernel = Config::read("kernel.toml", KERNEL).expect("a gateway");
    assert_eq!(wrong(Some(&kernel), &[]), [""; 0]);
}

/// In which captures something else is related than was announced, but for those where nothing is to be.
fn wrong(gateway: Option<&Config>, nothing: &[(&str, &str)]) -> Vec<String> {
    let folder = env::var_os("TOWPATH_CAPTURES").expect("a folder of captures, without which this test is not built");
    let folder = Path::new(&folder);
    let truth = fs::read_to_string(folder.join("truth/ground_truth.jsonl")).expect("the truth");
    let mut announced: BTreeMap<String, BTreeSet<u64>> = BTreeMap::new();
    for line in truth.lines() {
        let line: Value = serde_json::from_str(line).expect("a line is JSON");
        let frames = announced.entry(line["file"].as_str().expect("a file").to_owned()).or_default();
        if line["expected_related"] == true {
            frames.insert(line["data"]["frame"].as_u64().expect("a frame"));
        }
    }
    assert!(announced.len() > 20, "only {} captures", announced.len());
    let mut wrong = Vec::new();
    for (file, frames) in announced {
        let path = folder.join(&file);
        let path = path.to_str().expect("a path");
        let told = lines(|each| replayed_by(path, gateway.cloned(), &[], each));
        let related: BTreeSet<u64> = told
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            // Errors about a flow are related to it, and announced by nobody.
            .filter(|line| line["state"] == "RELATED" && !line["pkt"].as_str().is_some_and(|pkt| pkt.contains(" icmp")))
            .filter_map(|line| line["n"].as_u64())
            .collect();
        let is_none = APART.iter().chain(nothing).any(|(name, _)| *name == file);
        let is_right = if is_none { related.is_empty() } else { related == frames };
        if !is_right {
            wrong.push(format!("{file}: {related:?} instead of {frames:?}"));
        }
    }
    wrong
}
