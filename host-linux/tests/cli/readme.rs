//! What the READMEs show is what the program says.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use crate::in_c;

/// A command of a README, the folder it is given in, and the lines that the README shows below it.
#[derive(Debug)]
struct Shown {
    command: String,
    folder: PathBuf,
    lines: Vec<String>,
}

/// The folders whose READMEs show what the program prints.
const FOLDERS: [&str; 3] = [".", "host-linux", "captures/lab"];

#[test]
fn every_output_in_a_readme_is_what_the_program_prints() {
    assert_right(FOLDERS.into_iter().flat_map(shown).collect(), 9);
}

#[test]
fn what_the_helper_in_c_is_shown_to_do_it_does() {
    if in_c::component("readme::what_the_helper_in_c_is_shown_to_do_it_does").is_some() {
        assert_right(shown("plugins"), 2);
    }
}

/// Holds what the program prints against what is shown, which must be that much at least.
fn assert_right(mut shown: Vec<Shown>, least: usize) {
    shown.retain(|shown| !shown.lines.is_empty());
    assert!(shown.len() >= least, "{shown:#?}");
    for shown in shown {
        let printed = printed(&shown);
        let mut lines = printed.lines();
        let mut skips = false;
        for wanted in &shown.lines {
            if wanted == "..." {
                skips = true;
                continue;
            }
            let found = if skips { lines.find(|line| line == wanted) } else { lines.next() };
            assert_eq!(found, Some(&**wanted), "{}:\n{printed}", shown.command);
            skips = false;
        }
        assert!(skips || lines.next().is_none(), "{} prints more:\n{printed}", shown.command);
    }
}

/// The commands of all blocks marked `console` whose prompt is that of an ordinary user, in the README of a folder.
fn shown(folder: &str) -> Vec<Shown> {
    let mut folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder);
    let readme = fs::read_to_string(folder.join("README.md")).expect("the README");
    let mut all: Vec<Shown> = Vec::new();
    for block in readme.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let mut open = false;
        for line in block.lines() {
            if let Some(place) = line.strip_prefix("$ cd ") {
                folder.push(place);
                open = false;
            } else if let Some(command) = line.strip_prefix("$ ") {
                all.push(Shown { command: command.to_owned(), folder: folder.clone(), lines: Vec::new() });
                open = true;
            } else if line.starts_with("# ") {
                open = false;
            } else if let (true, Some(last)) = (open, all.last_mut()) {
                last.lines.push(line.to_owned());
            }
        }
    }
    all
}

/// What a shell prints that runs the command and finds the program.
fn printed(shown: &Shown) -> String {
    let program = Path::new(env!("CARGO_BIN_EXE_towpath"));
    let others = env::var_os("PATH").unwrap_or_default();
    let path = program.parent().into_iter().map(Path::to_owned).chain(env::split_paths(&others));
    let output = Command::new("sh")
        .args(["-c", &shown.command])
        .current_dir(&shown.folder)
        .env("PATH", env::join_paths(path).expect("folders without colons"))
        .stdin(Stdio::null())
        .output()
        .expect("there is a shell");
    assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{}", shown.command);
    String::from_utf8(output.stdout).expect("the program writes UTF-8")
}
