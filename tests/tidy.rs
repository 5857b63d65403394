//! The house rules that no compiler knows.

use std::{
    fs,
    path::{Path, PathBuf},
};

const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Files that are longer than [`FILE_LINES_MAX`], and how long they are. Numbers here may only become smaller.
const LONG_FILES: [(&str, usize); 2] =
    [("tests/kernel/oracle/kernel_oracle.py", 1456), ("tests/kernel/oracle/make_examples.py", 1053)];

/// The only files with unsafe code: rings, system calls around them, the SIMD checksum, loading precompiled components, the C
/// interface and what calls it.
const UNSAFE_FILES: [&str; 10] = [
    "host-linux/checksum/src/avx2.rs",
    "host-linux/src/af_packet/mapping.rs",
    "host-linux/src/af_packet/sys.rs",
    "host-linux/src/plugin/cache.rs",
    "tests/packetdrill/library/src/abi/calls.rs",
    "tests/packetdrill/library/src/abi/memory.rs",
    "tests/packetdrill/library/src/abi/preloaded.rs",
    "tests/packetdrill/library/src/abi/readiness.rs",
    "tests/packetdrill/library/src/abi/table.rs",
    "tests/packetdrill/library/tests/table/stack.rs",
];

#[test]
fn no_file_is_longer_than_its_readers_patience() {
    let faults = sources(&["rs", "py", "ts", "c", "h"]).into_iter().filter_map(|(name, text)| {
        let lines = text.lines().count();
        match LONG_FILES.iter().find(|(long, _)| *long == name) {
            Some((_, most)) if lines > *most => Some(format!("{name} has grown from {most} to {lines} lines")),
            Some((_, most)) if lines < *most => Some(format!("{name} has {lines} lines now: note it in LONG_FILES")),
            None if lines > FILE_LINES_MAX => Some(format!("{name} has {lines} lines: split it")),
            Some(_) | None => None,
        }
    });
    assert_none(faults);
}

#[test]
fn every_function_fits_a_screen() {
    let faults = sources(&["rs"]).into_iter().flat_map(|(name, text)| {
        let long = functions(&text).into_iter().filter(|(_, lines)| *lines > FUNCTION_LINES_MAX);
        long.map(|(at, lines)| format!("{name}:{at} is a function of {lines} lines")).collect::<Vec<_>>()
    });
    assert_none(faults);
}

#[test]
fn a_room_is_a_folder_and_never_a_file_beside_it() {
    let all = sources(&["rs"]);
    let faults = all.iter().filter_map(|(name, _)| {
        let room = format!("{}/", name.strip_suffix(".rs")?);
        // A suite is a crate of its own; what lies in the folder of its name is its data.
        let is_suite = name.strip_prefix("tests/").is_some_and(|file| !file.contains('/'));
        let inside = all.iter().any(|(other, _)| other.starts_with(&room));
        (inside && !is_suite).then(|| format!("{name} stands beside {room}: make it {room}mod.rs"))
    });
    assert_none(faults);
}

#[test]
fn nothing_is_left_to_do_without_an_issue() {
    let marks = ["TO", "FIX"].map(|start| start.to_owned() + if start == "TO" { "DO" } else { "ME" });
    let faults = sources(&["rs", "py", "ts", "toml", "sh", "wit"]).into_iter().flat_map(|(name, text)| {
        let marked = text.lines().enumerate().filter(|(_, line)| marks.iter().any(|mark| line.contains(mark.as_str())));
        marked.map(|(at, line)| format!("{name}:{}: {}", at + 1, line.trim())).collect::<Vec<_>>()
    });
    assert_none(faults);
}

#[test]
fn unsafe_code_stands_only_where_it_is_listed() {
    let mut found: Vec<String> =
        sources(&["rs"]).into_iter().filter(|(_, text)| has_unsafe(text)).map(|(name, _)| name).collect();
    found.sort();
    assert_eq!(found, UNSAFE_FILES);
}

#[test]
fn every_file_of_the_engine_says_what_it_is() {
    let faults = sources(&["rs"]).into_iter().filter_map(|(name, text)| {
        let is_told = text.starts_with("//!") || name.contains("/tests/") || name.ends_with("/tests.rs");
        (name.starts_with("engine/") && !is_told).then(|| format!("{name} does not start with //!"))
    });
    assert_none(faults);
}

#[test]
fn the_length_of_a_function_is_counted_from_its_first_line_to_its_last() {
    let text = "impl A {\n    fn one() {}\n\n    pub(crate) const fn two(\n        a: u8,\n    ) {\n        a;\n    }\n}\nfn three() {\n}\n";
    assert_eq!(functions(text), [(2, 1), (4, 5), (10, 2)]);
}

/// The files with these endings in the repository: their paths from its root, and their text.
fn sources(endings: &[&str]) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the repository");
    let mut files = Vec::new();
    collect(root, &mut files);
    let wanted = |file: &PathBuf| file.extension().is_some_and(|ending| endings.iter().any(|wanted| ending == *wanted));
    let name = |file: &Path| file.strip_prefix(root).expect("a file of the repository").display().to_string();
    let sources: Vec<_> = files
        .into_iter()
        .filter(wanted)
        .map(|file| {
            (name(&file), fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display())))
        })
        .collect();
    assert!(!sources.is_empty(), "no {endings:?} found below {}", root.display());
    sources
}

fn collect(folder: &Path, into: &mut Vec<PathBuf>) {
    const BUILT: [&str; 3] = ["target", "node_modules", "dist"];
    for entry in fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let entry = entry.expect("a folder entry");
        let name = entry.file_name().to_string_lossy().into_owned();
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_folder && !name.starts_with('.') && !BUILT.contains(&name.as_str()) {
            collect(&entry.path(), into);
        } else if !is_folder {
            into.push(entry.path());
        }
    }
}

/// First lines and lengths of the functions in formatted code: a function ends at the first brace as deep as its start.
fn functions(text: &str) -> Vec<(usize, usize)> {
    let lines: Vec<&str> = text.lines().collect();
    let starts = lines.iter().enumerate().filter(|(_, line)| is_function(line));
    starts
        .map(|(start, line)| {
            let end = format!("{}}}", &line[..line.len() - line.trim_start().len()]);
            let length = if line.ends_with('}') || line.ends_with(';') {
                1
            } else {
                lines[start..].iter().position(|line| **line == end).map_or(1, |at| at + 1)
            };
            (start + 1, length)
        })
        .collect()
}

fn is_function(line: &str) -> bool {
    const BEFORE: [&str; 4] = ["pub", "const", "async", "extern"];
    let mut words = line.split_whitespace().skip_while(|word| BEFORE.iter().any(|before| word.starts_with(before)));
    words.next() == Some("fn")
}

fn has_unsafe(text: &str) -> bool {
    let code = text.lines().map(|line| line.split("//").next().unwrap_or_default());
    let word = format!("{}safe", "un");
    code.into_iter().any(|line| line.split(|c: char| !c.is_alphanumeric() && c != '_').any(|found| found == word))
}

fn assert_none(faults: impl Iterator<Item = String>) {
    let faults: Vec<String> = faults.collect();
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}
