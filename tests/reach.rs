//! The scenarios reach everything that there is: the table in `kernel/README.md` says which one does.

use std::{fs, path::PathBuf};

use lab::kernel::reach::Reach;
use serde_json::Value;

#[test]
fn every_match_target_protocol_and_translation_is_met_by_a_packet_of_some_scenario() {
    let holes = reach().holes();
    assert!(holes.is_empty(), "no scenario reaches:\n{}", holes.join("\n"));
}

#[test]
fn the_table_of_what_scenarios_reach_is_the_one_in_the_readme() {
    let path = kernel().join("README.md");
    let readme = fs::read_to_string(&path).expect("the README can be read");
    let (before, rest) = readme.split_once(BEGINS).expect("the README has the table's beginning");
    let (_, after) = rest.split_once(ENDS).expect("the README has the table's end");
    let now = format!("{before}{BEGINS}\n\n{}{ENDS}{after}", reach().table());
    if std::env::var_os("TOWPATH_WRITE_REACH").is_some() {
        fs::write(&path, &now).expect("the README can be written");
        return;
    }
    let unequal = now.lines().zip(readme.lines()).find(|(now, then)| now != then);
    assert!(now == readme, "{unequal:?}: TOWPATH_WRITE_REACH=1 cargo test -p tests --test reach writes the table anew");
}

fn reach() -> Reach {
    let mut reach = Reach::default();
    for group in ["examples", "scenarios"] {
        let folders = fs::read_dir(kernel().join(group)).expect("the scenarios can be listed");
        for folder in folders.map(|folder| folder.expect("a folder").path()) {
            let text = fs::read_to_string(folder.join("result.json")).expect("the kernel has answered");
            let answer: Value = serde_json::from_str(&text).expect("the kernel's answer is JSON");
            reach.add(&folder.file_name().expect("a name").to_string_lossy(), &answer);
        }
    }
    reach
}

fn kernel() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kernel")
}

const BEGINS: &str = "<!-- what scenarios reach, written by tests/reach.rs -->";
const ENDS: &str = "<!-- end -->";
