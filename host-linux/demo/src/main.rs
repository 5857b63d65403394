//! `towpath demo`: a file goes by FTP through a gateway with MASQUERADE, and comes out as it went in.
//!
//! ```text
//!   namespace "client"        namespace "gateway"         namespace "server"
//!   ┌──────────────┐   veth   ┌──────────────────┐  veth  ┌──────────────┐
//!   │ suppaftp     ├──────────┤ lan  towpath wan ├────────┤ libunftp     │
//!   │ 10.0.0.2     │          │ .1   run      .1 │        │ 203.0.113.2  │
//!   └──────────────┘          └──────────────────┘        └──────────────┘
//! ```
//!
//! | file | what it knows |
//! |---|---|
//! | `space` | network namespaces, with root's rights or in a user namespace |
//! | `netlink`, `network` | devices, addresses, routes |
//! | `gateway` | its configuration, its process, what it answers |
//! | `server`, `store` | the FTP server and what it serves |
//! | `client` | the FTP client |
//! | `play` | what is transferred, and what is shown meanwhile |
//! | `ending` | that nothing stays behind |
//!
//! Why not a part of the program `towpath`: an FTP server, its TLS and its async runtime are a hundred crates that have no
//! business in a process that forwards packets. `towpath demo` starts this program, which lies beside it.
//!
//! Why not vsftpd and curl: the demo runs on a machine that has neither.

mod client;
mod clock;
mod ending;
mod gateway;
mod material;
mod netlink;
mod network;
mod play;
mod server;
mod space;
mod store;

use std::{
    env,
    ffi::OsString,
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Sends a file by FTP through a gateway that runs towpath, between network namespaces. Needs no root.
#[derive(Debug, Parser)]
#[command(name = "towpath demo", bin_name = "towpath demo", version)]
struct Arguments {
    /// Megabytes to transfer in each direction of opening (active, passive)
    #[arg(long, value_name = "MB", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1000))]
    size: u32,
    /// The program towpath [default: the one beside this program]
    #[arg(long, value_name = "FILE", env = "TOWPATH")]
    program: Option<PathBuf>,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// Becomes a command that ends when the process that started it does
    #[command(hide = true)]
    Tied {
        /// That process
        parent: i32,
        /// The command
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
        command: Vec<OsString>,
    },
}

/// The transfer failed or what came out is not what went in.
const ANSWER_NO: u8 = 1;
/// The demo cannot be given here.
const QUESTION_WRONG: u8 = 2;

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Some(Role::Tied { parent, command }) = &arguments.role {
        return failed(&ending::tied(*parent, command), QUESTION_WRONG);
    }
    let stage = match set_up(&arguments) {
        Ok(stage) => stage,
        Err(error) => return failed(&error, QUESTION_WRONG),
    };
    match play::play(stage) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(&error, ANSWER_NO),
    }
}

fn set_up(arguments: &Arguments) -> Result<play::Stage> {
    let program = arguments.program.clone().map_or_else(beside, Ok)?;
    // Before any thread runs: a process with threads cannot have a user namespace of its own, and each thread inherits
    // the signals that are left to the one that waits for them.
    ending::hold_signals()?;
    let rights = space::gain_rights()?;
    let watch = ending::Watch::start()?;
    play::Stage::set_up(&program, arguments.size, rights, watch)
}

/// The program `towpath` in the folder of this one.
fn beside() -> Result<PathBuf> {
    let own = env::current_exe().context("cannot tell where this program lies")?;
    Ok(own.with_file_name("towpath"))
}

fn failed(error: &anyhow::Error, code: u8) -> ExitCode {
    // Nobody to tell when standard error is gone.
    let _ = writeln!(io::stderr(), "towpath demo: {error:#}");
    ExitCode::from(code)
}
