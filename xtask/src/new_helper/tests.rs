use std::{
    env, fs, io,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Stdio,
};

use super::{NewHelper, camel, write};
use crate::{places, run};

#[test]
fn names_become_types() {
    assert_eq!([camel("ftp"), camel("net-bios2")], ["Ftp", "NetBios2"]);
}

#[test]
fn a_name_that_no_helper_can_have_or_that_is_taken_is_refused() {
    let folder = env::temp_dir();
    for name in ["", "Ftp", "2ftp", "sixteen-letters-x", "a--b", "a-", "../x", "a_b"] {
        assert!(write(name, &folder.join("no-such-helper")).is_err(), "{name}");
    }
    let error = write("gopher", &folder).unwrap_err().to_string();
    assert!(error.ends_with(" is there already"), "{error}");
}

#[test]
fn a_new_helper_builds_and_passes_its_tests_at_once() {
    let target = target();
    let root = target.join("tmp/new-helper");
    workspace(&root).unwrap();
    let folder = NewHelper { name: "go-pher".to_owned() }.make_in(&root).unwrap();
    assert!(folder.join("component/src/lib.rs").is_file());
    // The whole workspace's features, so that what is built already need not be built again.
    let mut tests = run::clean("cargo");
    tests.args(["test", "--workspace", "--offline", "--locked", "--test", "capture", "--test", "contract"]);
    let output = tests.env("CARGO_TARGET_DIR", &target).current_dir(&root).stdin(Stdio::null()).output().unwrap();
    let (said, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{errors}");
    for (name, times) in [
        ("what_a_session_announces_is_expected_and_comes", 1),
        // The example's and the new one's.
        ("what_lies_in_the_corpus_and_all_that_is_near_it_breaks_nothing", 2),
    ] {
        assert_eq!(said.matches(&format!("test {name} ... ok")).count(), times, "{said}\n{errors}");
    }
}

/// The target folder that this program was built in.
fn target() -> PathBuf {
    let program = env::current_exe().unwrap();
    program.ancestors().nth(3).unwrap().to_owned()
}

/// A folder with this repository's workspace, whose plugins and lock file are its own.
fn workspace(folder: &Path) -> io::Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder.join("plugins"))?;
    let root = places::root();
    for entry in fs::read_dir(&root)? {
        let name = entry?.file_name();
        match name.to_str() {
            Some("target" | "plugins" | ".git") => {}
            Some("Cargo.lock") => drop(fs::copy(root.join(&name), folder.join(&name))?),
            _ => symlink(root.join(&name), folder.join(&name))?,
        }
    }
    for entry in fs::read_dir(root.join("plugins"))? {
        let entry = entry?;
        symlink(entry.path(), folder.join("plugins").join(entry.file_name()))?;
    }
    Ok(())
}
