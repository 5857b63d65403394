//! `towpath helper list`.

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use towpath::{
    control::Client,
    helpers::{About, Loaded},
    plugin::{Cache, Runtime, hex, shipped},
};
use towpath_engine::conntrack::helper::Helper;

use super::{Answer, Control};

/// List the helpers of a running gateway, or those that this program brings along.
#[derive(Debug, Args)]
pub(crate) struct List {
    /// Those that this program brings along, whether or not a gateway runs.
    #[arg(long, conflicts_with = "control")]
    built_in: bool,
    /// One JSON object a line (towpath.helper/1) instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    control: Control,
}

/// A helper that this program brings along, as JSON.
#[derive(Serialize)]
struct BuiltIn {
    #[serde(flatten)]
    about: About,
    component: String,
}

impl List {
    pub(crate) fn main(self) -> Result<Answer> {
        if self.built_in { self.built_in() } else { self.loaded() }
    }

    fn loaded(&self) -> Result<Answer> {
        let helpers = Client::helpers(&self.control.path())?;
        let mut out = io::stdout().lock();
        self.head(&mut out, &line("name", "attached", LOADED.map(String::from), "component"))?;
        for helper in helpers {
            let helper = helper?;
            if self.json {
                writeln!(out, "{}", serde_json::to_string(&helper)?)?;
                continue;
            }
            let end = trouble(helper.quarantined, helper.clients_barred);
            let Loaded { about, component, calls, failures, refusals, given_up, expects, .. } = *helper;
            let counts = [calls, failures.into(), refusals, given_up, expects].map(|count: u64| count.to_string());
            let component = component.as_deref().map_or("compiled in", short);
            writeln!(out, "{}{end}", line(&about.name, &about.places(), counts, component))?;
        }
        Ok(Answer::Fine)
    }

    fn built_in(&self) -> Result<Answer> {
        let mut out = io::stdout().lock();
        self.head(&mut out, &format!("{:<16} {:<24} component", "name", "for"))?;
        let runtime = Runtime::new(Cache::of_user_if_any())?;
        for shipped in shipped::COMPONENTS {
            let plugin = runtime.load_shipped(shipped.name)?;
            let helper = BuiltIn { about: About::of(plugin.manifest()), component: hex(&plugin.component_hash()) };
            if self.json {
                writeln!(out, "{}", serde_json::to_string(&helper)?)?;
            } else {
                let BuiltIn { about, component } = helper;
                writeln!(out, "{:<16} {:<24} {}", about.name, about.places(), short(&component))?;
            }
        }
        Ok(Answer::Fine)
    }

    fn head(&self, out: &mut impl Write, columns: &str) -> io::Result<()> {
        if self.json { writeln!(out, "{{\"schema\":\"towpath.helper/1\"}}") } else { writeln!(out, "{columns}") }
    }
}

/// What keeps it from being called.
fn trouble(quarantined: bool, clients_barred: u64) -> String {
    match (quarantined, clients_barred) {
        (true, _) => "  quarantined: it failed for too many clients; `helper reload` lets it begin anew".to_owned(),
        (false, 0) => String::new(),
        (false, 1) => "  shown no more of 1 client for now: it failed too often on what that one says".to_owned(),
        (false, barred) => format!("  shown no more of {barred} clients for now: it failed too often on what they say"),
    }
}

/// What is counted.
const LOADED: [&str; 5] = ["calls", "failures", "refusals", "unread", "expects"];

fn line(
    name: &str,
    places: &str,
    [calls, failures, refusals, given_up, expects]: [String; 5],
    component: &str,
) -> String {
    format!("{name:<16} {places:<24} {calls:>10} {failures:>8} {refusals:>8} {given_up:>8} {expects:>7}  {component}")
}

/// As many digits of a hash as people compare.
fn short(hash: &str) -> &str {
    hash.get(..16).unwrap_or(hash)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_keeps_a_helper_from_being_called_is_told_with_how_many_clients_it_concerns() {
        assert_eq!(trouble(false, 0), "");
        assert!(trouble(false, 1).contains("no more of 1 client for now"));
        assert!(trouble(false, 3).contains("no more of 3 clients for now"));
        assert!(trouble(true, 3).contains("quarantined"));
    }
}
