//! The components that are wanted, each behind its tightened manifest.

use towpath_engine::conntrack::helper::{Helper, Manifest};
use towpath_replay::config::{Config, HelperConfig, Located, Mistake};

use super::{
    error::GatewayError,
    rules::{RulesText, beside},
};
use crate::plugin::{Cache, Plugin, PluginError, Problem, Runtime, shipped};

/// Those that a configuration lists, and those that only rules name.
pub(super) fn of_config(config: &Config, rules: &[RulesText]) -> Result<Vec<Box<dyn Helper>>, GatewayError> {
    let named = named_by_rules(config, rules);
    if config.helpers.is_empty() && named.is_empty() {
        return Ok(Vec::new());
    }
    let runtime = runtime()?;
    let mut helpers: Vec<Box<dyn Helper>> = Vec::new();
    for wanted in &config.helpers {
        helpers.push(Box::new(load(&runtime, config, wanted)?));
    }
    for name in named {
        let plugin = runtime.load_shipped(name)?;
        let manifest = Manifest { attach: Vec::new(), ..plugin.manifest().clone() };
        helpers.push(Box::new(hold(plugin, manifest, name)?));
    }
    Ok(helpers)
}

/// All that this program brings along, attached where they say.
pub(super) fn all() -> Result<Vec<Box<dyn Helper>>, GatewayError> {
    if shipped::COMPONENTS.is_empty() {
        return Ok(Vec::new());
    }
    let runtime = runtime()?;
    let mut helpers: Vec<Box<dyn Helper>> = Vec::new();
    for shipped in shipped::COMPONENTS {
        helpers.push(Box::new(runtime.load_shipped(shipped.name)?));
    }
    Ok(helpers)
}

/// One that this program brings along.
pub(super) fn shipped(name: &str) -> Result<Box<dyn Helper>, GatewayError> {
    Ok(Box::new(runtime()?.load_shipped(name)?))
}

/// Holds a helper to what a configuration leaves of its manifest; one that it does not list, to all of that.
///
/// # Errors
/// When the configuration asks for more than the manifest allows, or leaves too little memory to start in.
pub fn tightened(config: &Config, plugin: Plugin) -> Result<Plugin, GatewayError> {
    match config.helpers.iter().find(|wanted| wanted.name.value == plugin.manifest().name) {
        Some(wanted) => tighten(config, wanted, plugin),
        None => Ok(plugin),
    }
}

/// Helpers of this program that rules name and the configuration does not list.
fn named_by_rules(config: &Config, rules: &[RulesText]) -> Vec<&'static str> {
    let names = shipped::COMPONENTS.iter().map(|shipped| shipped.name);
    let is_listed = |name: &str| config.helpers.iter().any(|helper| helper.name.value == name);
    let is_named = |name: &str| rules.iter().any(|rules| rules.helpers().any(|named| named == name));
    names.filter(|name| is_named(name) && !is_listed(name)).collect()
}

/// Loads one that a configuration lists, and holds it to what the configuration leaves of its manifest.
fn load(runtime: &Runtime, config: &Config, wanted: &HelperConfig) -> Result<Plugin, GatewayError> {
    let name = &wanted.name;
    let place = wanted.component.as_ref().unwrap_or(name);
    let plugin = match &wanted.component {
        Some(file) => runtime.load_file(&beside(config, &file.value)),
        None => runtime.load_shipped(&name.value),
    };
    let plugin = plugin.map_err(|error| at(config, place, error.to_string()))?;
    let own = &plugin.manifest().name;
    if *own != name.value {
        return Err(at(config, name, format!("the component calls itself '{own}', not '{}'", name.value)));
    }
    tighten(config, wanted, plugin)
}

fn tighten(config: &Config, wanted: &HelperConfig, plugin: Plugin) -> Result<Plugin, GatewayError> {
    let name = &wanted.name;
    let manifest = config.tighten(wanted, plugin.manifest())?;
    hold(plugin, manifest, &name.value).map_err(|error| match &wanted.memory_bytes {
        Some(bytes) if matches!(error.problem, Problem::TightMemory(_)) => at(config, bytes, error.to_string()),
        Some(_) | None => at(config, name, error.to_string()),
    })
}

fn hold(plugin: Plugin, manifest: Manifest, name: &str) -> Result<Plugin, PluginError> {
    plugin.held_to(manifest).map_err(|problem| PluginError { component: name.to_owned(), problem })
}

fn at<T>(config: &Config, place: &Located<T>, why: String) -> GatewayError {
    config.mistake_at(place, Mistake::File(why)).into()
}

fn runtime() -> Result<Runtime, PluginError> {
    // Without a cache each start takes a tenth of a second more.
    Runtime::new(Cache::of_user_if_any())
}
