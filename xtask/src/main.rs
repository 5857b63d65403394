//! `cargo xtask COMMAND`: everything that takes more than `cargo build`.
//!
//! A file per command; `toolchain/` finds or makes a compiler for WebAssembly, `places.rs` knows where things lie,
//! `run.rs` starts other programs. Each command says what it is doing, and in one line what is missing.
#![expect(clippy::print_stderr, reason = "a command-line program")]

mod c_helper;
mod demo;
mod host;
mod instructions;
mod kernel_answer;
mod kernel_fuzz;
mod new_helper;
mod packetdrill;
mod pkt;
mod places;
mod plugins;
mod run;
mod test;
mod toolchain;
mod web;

use std::{ffi::OsString, process::ExitCode};

use clap::{CommandFactory, Parser, Subcommand};

/// Builds the wasm components, runs the demo and the tests.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Subcommand)]
enum Command {
    /// Plays a scenario of the kernel oracle through the engine and writes down its answer
    KernelAnswer(kernel_answer::Arguments),
    /// Puts random rules and packets to the kernel and to the engine, and makes small what they answer differently
    KernelFuzz(kernel_fuzz::Arguments),
    /// Makes a helper plugin to start from, which builds and passes at once
    NewHelper(new_helper::NewHelper),
    /// Builds the helper plugins to WebAssembly components, in target/wasm/plugins, and the examples, in target/wasm/examples
    Plugins,
    /// Makes a component of a helper in C, in target/wasm/examples: of plugins/examples/sane, or of a folder that is named
    CHelper(c_helper::Arguments),
    /// Sends a file by FTP through a gateway, between network namespaces: builds what that takes, needs no root
    Demo {
        /// What `towpath demo` is told
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Counts the machine instructions that a packet takes, with valgrind
    Instructions,
    /// Lets the original packetdrill play packet scripts on the engine as well, and tells where it judges otherwise
    Packetdrill(packetdrill::Arguments),
    /// Plays packet scripts on the engine, in virtual time: files, folders of them, --define NAME=VALUE
    Pkt {
        /// What the player is told; --help lists it
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
    /// Runs all tests
    Test(test::Test),
    /// Builds the page with the engine in it and serves it on 127.0.0.1
    Web(web::Web),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Some(Command::KernelAnswer(arguments)) => kernel_answer::answer(&arguments).map(|()| ExitCode::SUCCESS),
        Some(Command::KernelFuzz(arguments)) => kernel_fuzz::fuzz(&arguments).map(|()| ExitCode::SUCCESS),
        Some(Command::NewHelper(helper)) => helper.make().map(|()| ExitCode::SUCCESS),
        Some(Command::Plugins) => plugins::build().map(|_| ExitCode::SUCCESS),
        Some(Command::CHelper(arguments)) => c_helper::build(&arguments).map(|()| ExitCode::SUCCESS),
        Some(Command::Demo { arguments }) => demo::demo(&arguments).map(|never| match never {}),
        Some(Command::Instructions) => instructions::count().map(|()| ExitCode::SUCCESS),
        Some(Command::Packetdrill(arguments)) => packetdrill::play(&arguments).map(|never| match never {}),
        Some(Command::Pkt { arguments }) => pkt::play(&arguments).map(|never| match never {}),
        Some(Command::Test(test)) => test.run(),
        Some(Command::Web(web)) => web.run().map(|()| ExitCode::SUCCESS),
        None => Arguments::command().print_help().map(|()| ExitCode::SUCCESS).map_err(Into::into),
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Says what is being done.
fn say(what: impl std::fmt::Display) {
    eprintln!("xtask: {what}");
}
