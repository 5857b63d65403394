//! Rules files, as texts with the names that errors call them.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

use towpath_engine::{conntrack::Family, limits::RULES_TEXT_BYTES_MAX, netfilter::Source};
use towpath_replay::config::{Config, Located, Mistake};

use super::error::GatewayError;
use crate::text;

/// The text of a rules file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RulesText {
    /// The file, as it was named.
    pub name: String,
    /// What is in it.
    pub text: String,
    /// Whose packets its rules are for.
    pub family: Family,
}

impl RulesText {
    /// As the engine takes it.
    #[must_use]
    pub fn source(&self) -> Source<'_> {
        Source { name: &self.name, text: &self.text }
    }

    /// The helpers that its lines name: what stands after `--helper`. What of it is no helper is found by the parser.
    pub(super) fn helpers(&self) -> impl Iterator<Item = &str> {
        let words = self.text.split_ascii_whitespace();
        let next = words.clone().skip(1);
        words.zip(next).filter(|(word, _)| *word == "--helper").map(|(_, name)| name.trim_matches(['"', '\'']))
    }
}

/// Whose rules a file holds that was named on the command line: one whose name ends in `v6`, those of `ip6tables`.
#[must_use]
pub fn family_of(file: &Path) -> Family {
    let is_v6 = file.as_os_str().to_string_lossy().ends_with("v6");
    if is_v6 { Family::Ipv6 } else { Family::Ipv4 }
}

/// Reads a file that was named on the command line.
pub(super) fn read(file: &Path) -> Result<RulesText, GatewayError> {
    if file.extension().is_some_and(|extension| extension == "toml") {
        let why = io::Error::new(io::ErrorKind::InvalidInput, "these are no rules; -c names a gateway's configuration");
        return Err(GatewayError::Unreadable(file.display().to_string(), why));
    }
    text_of(file, family_of(file)).map_err(|error| GatewayError::Unreadable(file.display().to_string(), error))
}

/// Reads the sets and the rules that a configuration names. Relative paths start at its folder.
pub(super) fn of_config(config: &Config) -> Result<Vec<RulesText>, GatewayError> {
    let wanted = [(Family::Ipv4, &config.rules_v4), (Family::Ipv6, &config.rules_v6)];
    let wanted = wanted.into_iter().filter_map(|(family, place)| Some((family, place.as_ref()?)));
    let rules = wanted.map(|(family, place)| named_by(config, place, family));
    sets_of_config(config).transpose().into_iter().chain(rules).collect()
}

/// Reads the sets that a configuration names. They count as of one family; both share them.
pub(super) fn sets_of_config(config: &Config) -> Result<Option<RulesText>, GatewayError> {
    let Some(place) = &config.sets else { return Ok(None) };
    let sets = named_by(config, place, Family::Ipv4)?;
    match sets.source().is_of_sets() {
        true => Ok(Some(sets)),
        false => Err(wrong(config, place, &"this is no text of ipset")),
    }
}

fn named_by(config: &Config, place: &Located<String>, family: Family) -> Result<RulesText, GatewayError> {
    text_of(&beside(config, &place.value), family).map_err(|error| wrong(config, place, &error))
}

fn wrong(config: &Config, place: &Located<String>, why: &dyn Display) -> GatewayError {
    let file = beside(config, &place.value);
    config.mistake_at(place, Mistake::File(format!("{}: {why}", file.display()))).into()
}

/// A file that a configuration names.
pub(crate) fn beside(config: &Config, name: &str) -> PathBuf {
    Path::new(&config.file).parent().unwrap_or(Path::new("")).join(name)
}

fn text_of(file: &Path, family: Family) -> io::Result<RulesText> {
    let text = text::read(file, RULES_TEXT_BYTES_MAX)?;
    Ok(RulesText { name: file.display().to_string(), text, family })
}

#[cfg(test)]
mod tests {
    use super::{Family, RulesText};

    #[test]
    fn helpers_that_rules_name_are_found_in_any_quotes() {
        let text =
            "*raw\n-A PREROUTING -j CT --helper ftp\n-A PREROUTING -j CT --helper \"tftp\"\n# --helper\nCOMMIT\n";
        let rules = RulesText { name: "rules.v4".to_owned(), text: text.to_owned(), family: Family::Ipv4 };
        assert_eq!(rules.helpers().collect::<Vec<_>>(), ["ftp", "tftp", "COMMIT"]);
    }
}
