//! Rules files, as texts with the names that errors call them.

use std::{
    fmt::Display,
    io,
    path::{Path, PathBuf},
};

use towpath_engine::{conntrack::Family, limits::RULES_TEXT_BYTES_MAX, netfilter::Source};
use towpath_replay::config::{Config, Mistake};

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
    text_of(file, family_of(file)).map_err(|error| GatewayError::Unreadable(file.display().to_string(), error))
}

/// Reads the rules that a configuration names. Relative paths start at its folder.
pub(super) fn of_config(config: &Config) -> Result<Vec<RulesText>, GatewayError> {
    let wanted = [
        // Of whichever family: both share them.
        (Family::Ipv4, &config.sets),
        (Family::Ipv4, &config.rules_v4),
        (Family::Ipv6, &config.rules_v6),
    ];
    let wanted = wanted.into_iter().filter_map(|(family, place)| Some((family, place.as_ref()?)));
    let read = wanted.map(|(family, place)| {
        let file = beside(config, &place.value);
        let wrong = |why: &dyn Display| config.mistake_at(place, Mistake::File(format!("{}: {why}", file.display())));
        let rules = text_of(&file, family).map_err(|error| wrong(&error))?;
        if config.sets.as_ref() == Some(place) && !rules.source().is_of_sets() {
            return Err(wrong(&"this is no text of ipset").into());
        }
        Ok(rules)
    });
    read.collect()
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
