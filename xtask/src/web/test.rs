//! Tests the page: what it shows is what `towpath replay --json` prints.

use std::{path::PathBuf, process::Command};

use anyhow::{Result, bail};

use super::{browser, build, node::Node};
use crate::{host, places, run, say};

/// Tests the page and shows how they go.
///
/// # Errors
/// When Node.js or a browser is missing, a test fails, or something cannot be built.
pub(super) fn test() -> Result<()> {
    match prepared()? {
        Ok(mut tests) => run::run(tests.arg("test")),
        Err(reason) => bail!("the page cannot be tested here: {reason}"),
    }
}

/// Builds what the page's tests need, and gives the command that runs them and prints TAP; or says why they cannot run here.
///
/// # Errors
/// When something cannot be built.
pub(crate) fn tests() -> Result<Result<Command, String>> {
    Ok(prepared()?.map(|mut tests| {
        tests.arg("test:tap");
        tests
    }))
}

/// Builds the page and the program that it is compared with; or says what is missing.
fn prepared() -> Result<Result<Command, String>> {
    let node = match Node::find() {
        Ok(node) => node,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let Some(browser) = browser::find() else {
        return Ok(Err("there is no Chromium or Chrome (TOWPATH_BROWSER may name one)".to_owned()));
    };
    // Without network, or with a registry that does not answer.
    if let Err(error) = node.install() {
        return Ok(Err(format!("npm has not installed what the page is built with ({error:#})")));
    }
    build(&node)?;
    say("building towpath, to compare the page with it");
    run::run(host::workspace("build").args(["--bin", "towpath"]))?;
    say(format_args!("testing the page in {}", browser.display()));
    Ok(Ok(command(&node, browser)))
}

fn command(node: &Node, browser: PathBuf) -> Command {
    let mut tests = node.npm();
    tests.args(["run", "--silent"]).env("TOWPATH", places::program("towpath")).env("TOWPATH_BROWSER", browser);
    tests
}
