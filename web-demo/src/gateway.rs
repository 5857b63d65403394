//! The gateway that a capture is replayed through, from texts.

use towpath_engine::{conntrack::helper::Helper, netfilter::Source as RulesText};
use towpath_replay::{
    config::{Config, Located},
    replay::{Detail, Setup},
};
use wasm_bindgen::prelude::*;

/// A gateway's texts. Without any, it is a transparent one.
#[wasm_bindgen]
#[derive(Debug, Default)]
pub struct Gateway {
    config: Option<File>,
    rules: Vec<File>,
}

#[derive(Debug)]
struct File {
    name: String,
    text: String,
}

#[wasm_bindgen]
impl Gateway {
    /// A gateway without texts.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Gives it a configuration, the text of a `gateway.toml`. `name` is what messages call it.
    #[wasm_bindgen(js_name = setConfig)]
    pub fn set_config(&mut self, name: String, text: String) {
        self.config = Some(File { name, text });
    }

    /// Gives it rules as `iptables-save` prints them. `name` is what messages and records call them; a configuration
    /// finds its rules by it.
    #[wasm_bindgen(js_name = addRules)]
    pub fn add_rules(&mut self, name: String, text: String) {
        self.rules.push(File { name, text });
    }
}

impl Gateway {
    /// What a replay is made of. Helpers are the crates that the plugins' components are made of, without their
    /// sandbox.
    ///
    /// # Errors
    /// The first mistake, in a line.
    pub(crate) fn setup(&self, detail: Detail) -> Result<Setup<'_>, String> {
        let Some(file) = &self.config else {
            let (rules, rules_v6) = self.all_rules();
            return Ok(Setup { rules, rules_v6, helpers: towpath_helpers_native::all(), detail, ..Setup::default() });
        };
        let config = Config::read(&file.name, &file.text).map_err(|error| error.to_string())?;
        config.need_interfaces().map_err(|error| error.to_string())?;
        let (rules, rules_v6) = self.rules_of(&config)?;
        let helpers = helpers_of(&config)?;
        Ok(Setup { config: Some(config), rules, rules_v6, helpers, detail, ..Setup::default() })
    }

    /// The rules that a configuration names; all there are when it names none.
    fn rules_of(&self, config: &Config) -> Result<(Vec<RulesText<'_>>, Vec<RulesText<'_>>), String> {
        if config.rules_v4.is_none() && config.rules_v6.is_none() {
            return Ok(self.all_rules());
        }
        let named = |wanted: [&Option<Located<String>>; 2]| {
            wanted.into_iter().flatten().map(|wanted| self.named(config, wanted)).collect::<Result<_, _>>()
        };
        Ok((named([&config.sets, &config.rules_v4])?, named([&config.rules_v6, &None])?))
    }

    /// All texts: those whose names end in `v6` hold rules of `ip6tables`.
    fn all_rules(&self) -> (Vec<RulesText<'_>>, Vec<RulesText<'_>>) {
        let (v6, v4): (Vec<_>, Vec<_>) = self.rules.iter().partition(|file| file.name.ends_with("v6"));
        (v4.into_iter().map(File::as_rules).collect(), v6.into_iter().map(File::as_rules).collect())
    }

    fn named(&self, config: &Config, wanted: &Located<String>) -> Result<RulesText<'_>, String> {
        // A page knows files by their last names.
        let name = wanted.value.rsplit('/').next().unwrap_or_default();
        match self.rules.iter().find(|file| file.name == name) {
            Some(file) => Ok(file.as_rules()),
            None => Err(format!(
                "{}:{}:{}: there is no text `{name}`: give that file to the page, too",
                config.file, wanted.line, wanted.column
            )),
        }
    }
}

impl File {
    fn as_rules(&self) -> RulesText<'_> {
        RulesText { name: &self.name, text: &self.text }
    }
}

/// The helpers that a configuration names, behind their manifests as it tightens them; all there are when it names
/// none.
fn helpers_of(config: &Config) -> Result<Vec<Box<dyn Helper>>, String> {
    let mut all = towpath_helpers_native::all();
    if config.helpers.is_empty() {
        return Ok(all);
    }
    let tightened = config.helpers.iter().map(|wanted| {
        let name = &wanted.name;
        let Some(index) = all.iter().position(|helper| helper.manifest().name == name.value) else {
            let (file, line, column) = (&config.file, name.line, name.column);
            return Err(format!("{file}:{line}:{column}: there is no helper `{}` in the page", name.value));
        };
        config.tightened(wanted, all.swap_remove(index)).map_err(|error| error.to_string())
    });
    tightened.collect()
}
