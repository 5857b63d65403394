//! `towpath explain`: the path of one packet.

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use towpath::{
    gateway::{Gateway, GatewayError},
    plugin::shipped::COMPONENTS,
};
use towpath_engine::Instant;
use towpath_replay::{
    cases::Look,
    explain::{Change, Explanation, Proposal, changes, explain},
    record::{JsonRecords, Record, Verdict},
    replay::{Detail, Replay},
};

use super::{
    Answer,
    capture::{CaptureFile, GatewayFiles, Opened, setup},
    terminal::colour,
    test::Loaded,
};

/// Say everything about one packet of a capture: each hook, each rule that was tried and what did not match, what
/// connection tracking thought, translations, the verdict, and what single change would have let it pass.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    capture: CaptureFile,
    #[command(flatten)]
    gateway: GatewayFiles,
    /// The packet's number in the capture, from 1 [default with --case: the last one that the case speaks of].
    #[arg(short, long, value_name = "N", value_parser = parse_number, required_unless_present = "case")]
    number: Option<u64>,
    /// A packet of this case of a test file, which is named instead of a capture.
    #[arg(long, value_name = "NAME")]
    case: Option<String>,
    /// JSON, one object a line: the replay's head, the packet (towpath.record/1), then each change that would help.
    #[arg(long)]
    json: bool,
}

/// What is said of a packet.
struct Told {
    number: u64,
    text: String,
    verdict: Verdict,
    proposals: Vec<Proposal>,
}

/// A change that helps, as JSON.
#[derive(Serialize)]
struct Line<'p> {
    n: u64,
    change: &'static str,
    text: String,
    why: &'p str,
    verdict: Option<&'static str>,
}

impl Explain {
    pub(crate) fn main(self) -> Result<Answer> {
        let mut out = io::stdout().lock();
        let told = self.replayed(None, |record, start| self.tell(record, start))?;
        write!(out, "{}", told.text)?;
        out.flush()?;
        let mut helped = false;
        for proposal in &told.proposals {
            let verdict = match self.can_be_tried(proposal).then(|| self.verdict_with(proposal)).transpose() {
                Ok(Some(verdict)) if !verdict.is_pass() || verdict == told.verdict => continue,
                Ok(verdict) => verdict,
                // A rule without one of its conditions need not be a rule.
                Err(_) => continue,
            };
            self.write_proposal(&mut out, (told.number, proposal), verdict, !helped)?;
            out.flush()?;
            helped = true;
        }
        if !helped && !told.verdict.is_pass() && !self.json {
            writeln!(out, "\nno single change that is known here lets it pass")?;
        }
        Ok(Answer::Fine)
    }

    fn tell(&self, record: &Record<'_>, start: Instant) -> Told {
        let text = if self.json {
            let mut json = JsonRecords::new(false);
            format!("{}\n{}\n", json.head(record.engine), json.line(record))
        } else {
            Explanation::new(record, start, colour()).to_string()
        };
        let loaded = record.engine.helpers().known();
        let is_loaded = |name: &str| loaded.iter().any(|helper| helper.name == name);
        let helpers: Vec<_> = COMPONENTS.iter().map(|shipped| shipped.name).filter(|name| !is_loaded(name)).collect();
        Told { number: record.number, text, verdict: record.verdict(), proposals: changes(record, &helpers) }
    }

    /// Replays up to the packet, with a change when there is one to try.
    fn replayed<T>(&self, change: Option<&Change>, tell: impl FnOnce(&Record<'_>, Instant) -> T) -> Result<T> {
        if let Some(name) = &self.case {
            return self.played(name, change, tell);
        }
        anyhow::ensure!(
            self.capture.file.extension().is_none_or(|extension| extension != "toml"),
            self.capture.at("this is no capture; of a file of firewall tests, --case names the case that is meant")
        );
        let mut gateway = self.gateway.read()?;
        let Opened { mut capture, .. } = self.capture.open()?;
        prepare(&mut gateway, change)?;
        let mut setup = setup(&mut gateway, &self.capture, Detail::Verdicts);
        if let Some(change) = change {
            change.make(&mut setup);
        }
        let mut replay = Replay::new(setup)?;
        if change.is_none() {
            self.gateway.warn(replay.engine())?;
        }
        explain(&mut replay, &mut capture, self.number.unwrap_or(1), tell).map_err(|error| self.capture.at(error))
    }

    /// The same with a case of a test file.
    fn played<T>(
        &self,
        name: &str,
        change: Option<&Change>,
        tell: impl FnOnce(&Record<'_>, Instant) -> T,
    ) -> Result<T> {
        let loaded = Loaded::read(&self.capture.file, &self.gateway)?;
        let case = loaded.case(name)?;
        let packet = self.number.unwrap_or_else(|| case.last_packet().max(1));
        let (mut tell, mut told) = (Some(tell), None);
        let mut hear = |record: &Record<'_>, start: Instant| told = tell.take().map(|tell| tell(record, start));
        let ran = loaded.run(case, change, Some(Look { packet, tell: &mut hear }))?;
        told.ok_or_else(|| {
            self.capture.at(format!("there is no packet {packet}: the case has {}, numbered from 1", ran.packets))
        })
    }

    /// What has been read from a pipe cannot be read again.
    fn can_be_tried(&self, proposal: &Proposal) -> bool {
        proposal.change.can_be_made() && !self.capture.is_standard_input()
    }

    fn verdict_with(&self, proposal: &Proposal) -> Result<Verdict> {
        self.replayed(Some(&proposal.change), |record, _| record.verdict())
    }

    fn write_proposal(
        &self,
        out: &mut impl Write,
        (n, proposal): (u64, &Proposal),
        verdict: Option<Verdict>,
        is_first: bool,
    ) -> io::Result<()> {
        let Proposal { change, why } = proposal;
        if self.json {
            let verdict = verdict.map(Verdict::word);
            let line = Line { n, change: change.kind(), text: change.to_string(), why, verdict };
            return writeln!(out, "{}", serde_json::to_string(&line)?);
        }
        if is_first {
            writeln!(out)?;
        }
        let tried = match verdict {
            Some(verdict) => format!("{} with", verdict.word()),
            None => "might pass with".to_owned(),
        };
        writeln!(out, "{tried}: {change}\n    {why}")
    }
}

/// Loads what a change needs beside its own words.
pub(super) fn prepare(gateway: &mut Gateway, change: Option<&Change>) -> Result<(), GatewayError> {
    match change {
        Some(Change::Helper(name)) => gateway.bring(name),
        _ => Ok(()),
    }
}

/// Reads a packet's number.
fn parse_number(text: &str) -> Result<u64, &'static str> {
    text.parse().ok().filter(|number| *number > 0).ok_or("a whole number is wanted; packets are numbered from 1")
}
