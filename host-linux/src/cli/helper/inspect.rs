//! `towpath helper inspect`: what a component is, and whether it would be accepted.

use std::{
    io::{self, Write},
    path::PathBuf,
};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use towpath::{
    helpers::About,
    plugin::{Look, PluginError, Runtime, contract::INTERFACE, hex},
};
use towpath_engine::conntrack::helper::Helper;

use super::{Answer, component};

/// Show what a component is and what it asks to be allowed, and whether it would be accepted: exit code 1 says that it would not.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// The component's file, or the name of a helper that this program brings along.
    #[arg(value_name = "COMPONENT")]
    named: PathBuf,
    /// One JSON object (towpath.helper/1) instead of text.
    #[arg(long)]
    json: bool,
}

/// What is known of a component, as JSON.
#[derive(Serialize)]
struct Known {
    schema: &'static str,
    bytes: usize,
    component: String,
    /// The contract that it was made for, of whatever version.
    contract: Option<String>,
    imports: Vec<String>,
    exports: Vec<String>,
    accepted: bool,
    /// Why it is not accepted.
    why: Option<String>,
    /// What it says of itself.
    helper: Option<About>,
}

impl Inspect {
    pub(crate) fn main(self) -> Result<Answer> {
        let error = |problem| PluginError { component: self.named.display().to_string(), problem };
        let looked = Runtime::new(None)?.look_at(&component(&self.named)?).map_err(error)?;
        let Look { bytes, hash, imports, exports, helper } = looked;
        let (helper, why) = match &helper {
            Ok(plugin) => (Some(About::of(plugin.manifest())), None),
            Err(problem) => (None, Some(problem.to_string())),
        };
        let component = hex(&hash);
        let contract = exports.iter().find(|name| is_contract(name)).cloned();
        let accepted = why.is_none();
        let schema = "towpath.helper/1";
        let known = Known { schema, bytes, component, contract, imports, exports, accepted, why, helper };
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&known)?)?;
        } else {
            self.write(&mut out, &known)?;
        }
        Ok(if accepted { Answer::Fine } else { Answer::No })
    }

    fn write(&self, out: &mut impl Write, known: &Known) -> io::Result<()> {
        let file = self.named.display();
        match &known.why {
            None => {
                writeln!(out, "{file}: accepted, a helper for {}", known.contract.as_deref().unwrap_or(INTERFACE))?;
            }
            Some(why) => writeln!(out, "{file}: not accepted: it {why}")?,
        }
        let list = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        writeln!(out, "  component    {} bytes, SHA-256 {}", known.bytes, known.component)?;
        if let Some(contract) = &known.contract {
            writeln!(out, "  contract     {contract}; this program runs those for {INTERFACE}")?;
        }
        writeln!(out, "  imports      {}", list(&known.imports))?;
        writeln!(out, "  exports      {}", list(&known.exports))?;
        known.helper.as_ref().map_or(Ok(()), |helper| write!(out, "{helper}"))
    }
}

/// Whether that is the contract's interface, of whatever version.
fn is_contract(name: &str) -> bool {
    name.split('@').next() == INTERFACE.split('@').next()
}
