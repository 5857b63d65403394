//! What helpers expect in captures of other people: each data connection that was announced is RELATED, and nothing else is.
//!
//! `TOWPATH_CAPTURES` names a folder of captures; `truth/ground_truth.jsonl` in it tells, announcement by announcement, which frame
//! opens the connection (`data`), and whether a Linux gateway takes it for related (`expected_related`).

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::Path,
};

use serde_json::Value;

use crate::json;

/// Captures whose announced connections pass no gateway between two networks, and why.
#[rustfmt::skip]
const APART: &[(&str, &str)] = &[
    ("suricata-verify__smb2-ntlmssp-negotiateflags-input.pcap",
                                               "a station asks everybody; the helper serves the gateway's own questions"),
];

#[test]
fn what_was_announced_is_related_and_nothing_else_is() {
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
        let related: BTreeSet<u64> = json(path.to_str().expect("a path"), None)
            .iter()
            .filter_map(|line| serde_json::from_str::<Value>(line).ok())
            // Errors about a flow are related to it, and announced by nobody.
            .filter(|line| line["state"] == "RELATED" && !line["pkt"].as_str().is_some_and(|pkt| pkt.contains(" icmp")))
            .filter_map(|line| line["n"].as_u64())
            .collect();
        let apart = APART.iter().any(|(name, _)| *name == file);
        let is_right = if apart { related.is_empty() } else { related == frames };
        if !is_right {
            wrong.push(format!("{file}: {related:?} instead of {frames:?}"));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
