//! Tests that cannot run here say so, and are counted.

use std::{
    env,
    fs::OpenOptions,
    io::{self, Write},
};

/// Reports that the test `name` is skipped and why: on standard error, and as a line of the file that `TOWPATH_SKIPS` names,
/// if any, which `cargo xtask test` counts.
pub(crate) fn skip(name: &str, reason: &str) {
    let _ = writeln!(io::stderr(), "SKIPPED: {name}: {reason}");
    if let Some(path) = env::var_os("TOWPATH_SKIPS") {
        let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the list of skips");
        writeln!(file, "{name}: {reason}").expect("the list of skips can be written");
    }
}
