//! Tests the page: what it shows is what `towpath replay --json` prints.

use std::{env, fs::OpenOptions, io::Write};

use anyhow::{Context, Result};

use super::{browser, build, node::Node};
use crate::{host, places, run, say};

/// Builds the page and the program, and compares them in a browser. Without Node.js or a browser that is skipped, and
/// said in the file that `TOWPATH_SKIPS` names.
///
/// # Errors
/// When a test fails, or something cannot be built.
pub(crate) fn test() -> Result<()> {
    let node = match Node::find() {
        Ok(node) => node,
        Err(error) => return skip(&error.to_string()),
    };
    let Some(browser) = browser::find() else {
        return skip("there is no Chromium or Chrome (TOWPATH_BROWSER may name one)");
    };
    build(&node)?;
    say("building towpath, to compare the page with it");
    run::run(host::workspace("build")?.args(["--bin", "towpath"]))?;
    say(format_args!("testing the page in {}", browser.display()));
    let mut tests = node.npm();
    tests.args(["run", "--silent", "test"]);
    run::run(tests.env("TOWPATH", places::program("towpath")).env("TOWPATH_BROWSER", browser))
}

fn skip(reason: &str) -> Result<()> {
    say(format_args!("skipped the page in a browser: {reason}"));
    if let Some(file) = env::var_os("TOWPATH_SKIPS") {
        let note = format!("the page in a browser: {reason}\n");
        let mut file =
            OpenOptions::new().append(true).create(true).open(&file).context("cannot write TOWPATH_SKIPS")?;
        file.write_all(note.as_bytes())?;
    }
    Ok(())
}
