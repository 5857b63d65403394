//! `towpath helper load`, `reload` and `unload`: the helpers of a running gateway.

use std::{
    io::{self, Write},
    path::Path,
};

use anyhow::Result;
use towpath::{
    control::{Client, NewHelper, Request},
    helpers::Loaded,
};

use super::{Answer, Control, component};

/// Loads a component into the gateway, or puts it in the place of the helper of its name.
pub(super) fn load(named: &Path, replaces: bool, by_ports: bool, control: &Control) -> Result<Answer> {
    let bytes = component(named)?;
    let helper = NewHelper { name: named.display().to_string(), bytes: bytes.len() as u64, replaces, by_ports };
    let Loaded { about, component, .. } = Client::load_helper(&control.path(), helper, &bytes)?;
    let hash = component.unwrap_or_default();
    let done = if replaces { "reloaded" } else { "loaded" };
    let places = about.places();
    writeln!(io::stderr(), "towpath: helper {} has been {done}, attached {places}; component {hash}.", about.name)?;
    Ok(Answer::Fine)
}

/// Unloads a helper of the gateway.
pub(super) fn unload(name: String, control: &Control) -> Result<Answer> {
    let forgotten = Client::count(&control.path(), Request::UnloadHelper(name.clone()))?;
    writeln!(io::stderr(), "towpath: helper {name} has been unloaded; {forgotten} expectations are forgotten.")?;
    Ok(Answer::Fine)
}
