//! `towpath state`: a running gateway's state into a file, and out of it.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use towpath::{control::Client, state};

use super::{Answer, Control};

/// Save what a running gateway knows of its connections and all else, or let it go on from that.
#[derive(Debug, Args)]
pub(crate) struct State {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Write the state of a running gateway to a file, which only its owner may read.
    Save(File),
    /// Let a running gateway go on from a file; its devices and helpers must be those that it was saved with.
    Load(File),
}

#[derive(Debug, Args)]
struct File {
    /// The file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    #[command(flatten)]
    control: Control,
}

impl State {
    pub(crate) fn main(self) -> Result<Answer> {
        let (File { file, control }, loads) = match self.what {
            What::Save(file) => (file, false),
            What::Load(file) => (file, true),
        };
        let at_file = |error| anyhow!("{}: {error}", file.display());
        let (state, done) = if loads {
            let state = state::read(&file).map_err(at_file)?;
            Client::load_state(&control.path(), &state)?;
            (state, "loaded from")
        } else {
            let state = Client::save_state(&control.path())?;
            state::write(&file, &state).map_err(at_file)?;
            (state, "saved to")
        };
        writeln!(io::stderr(), "towpath: {} bytes of state have been {done} {}.", state.len(), file.display())?;
        Ok(Answer::Fine)
    }
}
