//! A test file with what it names.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow};
use towpath::{
    gateway::{Gateway, GatewayError},
    limits::CONFIG_BYTES_MAX,
    text,
};
use towpath_replay::{
    capture::Capture,
    cases::{Case, Failure, Input, Look, Ran, Suite, run},
    config::Located,
    explain::Change,
    replay::{Replay, Setup},
};

use crate::cli::{capture::GatewayFiles, explain::prepare, shell::quoted};

/// A test file that has been read.
pub(crate) struct Loaded {
    pub(crate) suite: Suite,
    /// The gateway's files, as they are opened from here.
    gateway: GatewayFiles,
    /// Whether the command line names them, and not the file.
    is_given: bool,
}

impl Loaded {
    /// Reads a file. A configuration or rules that `given` names stand in place of those that the file names; another
    /// configuration also in place of the file's rules.
    pub(crate) fn read(file: &Path, given: &GatewayFiles) -> Result<Self> {
        let name = file.display().to_string();
        let text = text::read(file, CONFIG_BYTES_MAX).map_err(|error| anyhow!("{name}: {error}"))?;
        let suite = Suite::read(&name, &text)?;
        let mut gateway = given.clone();
        if given.config.is_none() {
            gateway.config = suite.gateway.as_ref().map(|named| beside(file, &named.value));
        }
        if !given.are_given() {
            gateway.rules = suite.rules.iter().map(|named| beside(file, &named.value)).collect();
        }
        Ok(Self { suite, gateway, is_given: given.are_given() })
    }

    /// The files that it names: those of its gateway, and captures.
    pub(crate) fn files(&self) -> Vec<PathBuf> {
        let captures = self.suite.cases.iter().filter_map(|case| match &case.input {
            Input::Capture(place) => Some(beside(Path::new(&self.suite.file), &place.value)),
            Input::Packets(_) | Input::Play(..) => None,
        });
        // What cannot be read is told by the cases that need it.
        let gateway = self.gateway().unwrap_or_default();
        self.gateway.files(&gateway).into_iter().chain(captures).collect()
    }

    /// The case of that name, or the only one whose name contains it.
    pub(crate) fn case(&self, name: &str) -> Result<&Case> {
        let cases = &self.suite.cases;
        if let Some(case) = cases.iter().find(|case| case.name.value == name) {
            return Ok(case);
        }
        let mut like = cases.iter().filter(|case| case.name.value.contains(name));
        match (like.next(), like.next()) {
            (Some(case), None) => Ok(case),
            (Some(_), Some(_)) => Err(anyhow!("{}: '{name}' is part of several cases' names", self.suite.file)),
            (None, _) => Err(anyhow!("{}: there is no case '{name}'; towpath test --list shows all", self.suite.file)),
        }
    }

    /// Runs a case on its gateway, or on that gateway with a change.
    pub(crate) fn run(&self, case: &Case, change: Option<&Change>, look: Option<Look<'_>>) -> Result<Ran> {
        let mut gateway = self.gateway()?;
        prepare(&mut gateway, change)?;
        let mut setup = Setup { sysctls: case.sysctls.clone(), ..gateway.setup() };
        if let Some(change) = change {
            change.make(&mut setup);
        }
        let replay = Replay::new(setup)?;
        let mut capture = match &case.input {
            Input::Capture(place) => Some(self.capture(place)?),
            Input::Packets(_) | Input::Play(..) => None,
        };
        run(case, replay, capture.as_mut(), look)
            .map_err(|error| anyhow!("{}:{}:{}: {error}", self.suite.file, error.line, error.column))
    }

    /// How to look further into a failure of a case: a command line.
    pub(crate) fn explaining(&self, case: &Case, failure: &Failure) -> String {
        let mut words = vec!["towpath".to_owned(), "explain".to_owned()];
        let packet = failure.packet.unwrap_or(case.last_packet().max(1));
        let named = |words: &mut Vec<String>| {
            for (option, files) in [("-c", self.gateway.config.as_slice()), ("-r", &self.gateway.rules)] {
                for file in files {
                    words.extend([option.to_owned(), quoted(&file.display().to_string())]);
                }
            }
        };
        match &case.input {
            Input::Capture(place) if case.sysctls.is_empty() => {
                words.push(quoted(&beside(Path::new(&self.suite.file), &place.value).display().to_string()));
                named(&mut words);
            }
            Input::Packets(_) | Input::Play(..) | Input::Capture(_) => {
                words.extend([quoted(&self.suite.file), "--case".to_owned(), quoted(&case.name.value)]);
                if self.is_given {
                    named(&mut words);
                }
            }
        }
        words.extend(["-n".to_owned(), packet.to_string()]);
        words.join(" ")
    }

    fn gateway(&self) -> Result<Gateway> {
        self.gateway.read().map_err(|error| match error.downcast::<GatewayError>() {
            // A file that is not there is missed where it is named.
            Ok(GatewayError::Unreadable(file, why)) => {
                let all = self.suite.gateway.iter().chain(&self.suite.rules);
                let path = Path::new(&self.suite.file);
                let named = all.into_iter().find(|named| beside(path, &named.value).display().to_string() == file);
                match named {
                    Some(named) => self.at(named, &format!("{file}: {why}")),
                    None => anyhow!("{file}: {why}"),
                }
            }
            Ok(error) => error.into(),
            Err(error) => error,
        })
    }

    fn capture(&self, place: &Located<String>) -> Result<Capture<'static>> {
        let path = beside(Path::new(&self.suite.file), &place.value);
        let at = |error: &dyn core::fmt::Display| self.at(place, &format!("{}: {error}", path.display()));
        let file = File::open(&path).map_err(|error| at(&error))?;
        Capture::in_background(file).map_err(|error| at(&error))
    }

    fn at<T>(&self, place: &Located<T>, why: &str) -> anyhow::Error {
        anyhow!("{}:{}:{}: {why}", self.suite.file, place.line, place.column)
    }
}

/// A file that another one names.
fn beside(file: &Path, name: &str) -> PathBuf {
    file.parent().unwrap_or(Path::new("")).join(name)
}
