//! `cargo xtask packetdrill`: lets the original packetdrill play scripts on the engine, beside the player of our own.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use clap::Args;

use crate::{
    places::{program, root, target},
    run::{become_command, find, is_program, run},
};

/// What `cargo xtask packetdrill` is told.
#[derive(Args)]
pub(crate) struct Arguments {
    /// The program packetdrill; without it, the one in PATH
    #[arg(long, value_name = "PROGRAM", env = "PACKETDRILL")]
    packetdrill: Option<PathBuf>,
    /// What the player is told: files, folders of them, --ip-version VERSION, --define NAME=VALUE; without any, our own scripts
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

/// Builds the library and becomes the player; returns only when that is not possible.
pub(crate) fn play(arguments: &Arguments) -> Result<std::convert::Infallible> {
    let packetdrill = match &arguments.packetdrill {
        Some(named) if is_program(named) => named.canonicalize().context("packetdrill has no full name")?,
        Some(named) => bail!("{} is no program; {HOW_TO_GET_IT}", named.display()),
        None => find("packetdrill").with_context(|| format!("there is no packetdrill in PATH; {HOW_TO_GET_IT}"))?,
    };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--quiet", "--package", "towpath-packetdrill", "--package", "packet-scripts", "--target-dir"]);
    run(build.arg(target()))?;
    let mut player = Command::new(program("packet-scripts"));
    player.arg("--packetdrill").arg(packetdrill).arg("--library").arg(program("libtowpath_packetdrill.so"));
    // The rest may be options of the player's alone.
    let names_script = |argument: &OsString| {
        let path = Path::new(argument);
        path.extension().is_some_and(|ending| ending == "pkt") || path.is_dir()
    };
    if !arguments.arguments.iter().any(names_script) {
        player.arg(root().join("tests/packetdrill/scripts"));
    }
    Err(become_command(player.args(&arguments.arguments)))
}

const HOW_TO_GET_IT: &str =
    "git clone https://github.com/google/packetdrill, there in gtests/net/packetdrill: ./configure && make";
