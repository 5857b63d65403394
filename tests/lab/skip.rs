//! Tests that cannot run where they are.

use std::{env, fs::OpenOptions, io::Write, thread};

/// Notes that the calling test cannot run here, and why: "no root", "no browser". The test then returns. `cargo xtask
/// test` names the file for these notes in `TOWPATH_SKIPS` and lists them; with `--no-skips` each is a failure.
///
/// # Panics
/// When the file cannot be written.
pub fn skip(reason: &str) {
    let thread = thread::current();
    let test = thread.name().unwrap_or("a test");
    if let Some(file) = env::var_os("TOWPATH_SKIPS") {
        let note = format!("{test}: {reason}\n");
        let written = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&file)
            .and_then(|mut file| file.write_all(note.as_bytes()));
        assert!(written.is_ok(), "cannot write {}: {written:?}", file.display());
    }
}
