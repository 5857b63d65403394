//! `towpath helper`: helpers of a running gateway, and components by themselves.

mod change;
mod fuel;
mod happening;
mod inspect;
mod list;
mod run;
mod watched;

use std::{
    io,
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use towpath::plugin::{runtime, shipped};

use super::{Answer, Control};

/// Show, try and change the helpers that read payloads: sandboxed WebAssembly components (wit/helper.wit).
#[derive(Debug, Args)]
pub(crate) struct Helper {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    List(list::List),
    Inspect(inspect::Inspect),
    Run(Box<run::Run>),
    /// Load a component into a running gateway, until it stops: gateway.toml says what it starts with.
    Load {
        /// A component's file, or the name of a helper that this program brings along.
        #[arg(value_name = "COMPONENT")]
        component: PathBuf,
        /// Attach it to the ports that its manifest names; else rules attach it (`-j CT --helper NAME`).
        #[arg(long)]
        by_ports: bool,
        #[command(flatten)]
        control: Control,
    },
    /// Put a component in the place of the helper that has its name. Connections stay, with what the helper remembers of them, and
    /// so does what it expects and where it is attached.
    Reload {
        /// A component's file, or the name of a helper that this program brings along.
        #[arg(value_name = "COMPONENT")]
        component: PathBuf,
        #[command(flatten)]
        control: Control,
    },
    /// Unload a helper. What it expects is forgotten, and its connections go on without one. A helper that a rule attaches is not
    /// unloaded.
    Unload {
        /// Its name.
        #[arg(value_name = "NAME")]
        name: String,
        #[command(flatten)]
        control: Control,
    },
}

impl Helper {
    pub(crate) fn main(self) -> Result<Answer> {
        match self.what {
            What::List(list) => list.main(),
            What::Inspect(inspect) => inspect.main(),
            What::Run(run) => run.main(),
            What::Load { component, by_ports, control } => change::load(&component, false, by_ports, &control),
            What::Reload { component, control } => change::load(&component, true, false, &control),
            What::Unload { name, control } => change::unload(name, &control),
        }
    }
}

/// The bytes of a component: of a file, or of the helper of that name that this program brings along.
fn component(named: &Path) -> Result<Vec<u8>> {
    let name = named.to_str().filter(|name| !name.contains(['/', '.']));
    let shipped = shipped::COMPONENTS.iter().find(|shipped| Some(shipped.name) == name);
    match (shipped, runtime::read(named)) {
        (_, Ok(bytes)) => Ok(bytes),
        (Some(shipped), Err(_)) => Ok(shipped.component.to_vec()),
        (None, Err(error)) if error.kind() == io::ErrorKind::NotFound && name.is_some() => {
            let known: Vec<_> = shipped::COMPONENTS.iter().map(|shipped| shipped.name).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            Err(anyhow!(
                "{}: there is no such file, nor does this program bring along a helper of that name ({known})",
                named.display()
            ))
        }
        (None, Err(error)) => Err(anyhow!("{}: {error}", named.display())),
    }
}
