//! `towpath demo`: becomes the program `towpath-demo`, which lies beside this one.

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    os::unix::process::CommandExt,
    process::Command,
};

use anyhow::{Context, Result, anyhow};
use clap::Args;

use super::Answer;

/// Send a file by FTP through a gateway, between network namespaces; needs no root.
#[derive(Debug, Args)]
#[command(disable_help_flag = true)]
pub(crate) struct Demo {
    /// See `towpath demo --help`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<OsString>,
}

impl Demo {
    pub(crate) fn main(self) -> Result<Answer> {
        let own = env::current_exe().context("cannot tell where this program lies")?;
        let demo = own.with_file_name("towpath-demo");
        let asks_for_help = self.arguments.iter().any(|word| word == "--help" || word == "-h");
        let error = Command::new(&demo).args(self.arguments).env("TOWPATH", own).exec();
        let demo = demo.display();
        Err(if error.kind() == io::ErrorKind::NotFound {
            if asks_for_help {
                writeln!(io::stdout(), "{HELP}")?;
                return Ok(Answer::Fine);
            }
            anyhow!(
                "{demo} is missing: `cargo build -p towpath-demo` makes it, `cargo xtask demo` all that a demo takes"
            )
        } else {
            anyhow!("cannot run {demo}: {error}")
        })
    }
}

/// What is told of it where the program is missing that tells of itself.
const HELP: &str = "Send a file by FTP through a gateway, between network namespaces; needs no root.

Usage: towpath demo [OPTIONS]

It is a program of its own, towpath-demo, which has to lie beside this one and tells its options then. It is missing:
`cargo build -p towpath-demo` makes it, `cargo xtask demo` all that a demo takes.";
