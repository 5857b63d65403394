//! `towpath explain`: the path of one packet.

use std::io::{self, Write};

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use towpath_engine::Instant;
use towpath_replay::{
    explain::{Change, Explanation, Proposal, changes, explain},
    record::{JsonRecords, Record, Verdict},
    replay::{Detail, Replay},
};

use super::{
    Answer,
    capture::{CaptureFile, GatewayFiles, Opened, setup},
    terminal::colour,
};

/// Say everything about one packet of a capture: each hook, each rule that was tried and what did not match, what
/// connection tracking thought, translations, the verdict, and what single change would have let it pass.
#[derive(Debug, Args)]
pub(crate) struct Explain {
    #[command(flatten)]
    capture: CaptureFile,
    #[command(flatten)]
    gateway: GatewayFiles,
    /// The packet's number in the capture, from 1.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    number: u64,
    /// JSON, one object a line: the replay's head, the packet (towpath.record/1), then each change that would help.
    #[arg(long)]
    json: bool,
}

/// What is said of a packet.
struct Told {
    text: String,
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
                Ok(Some(verdict)) if !verdict.is_pass() => continue,
                Ok(verdict) => verdict,
                // A rule without one of its conditions need not be a rule.
                Err(_) => continue,
            };
            self.write_proposal(&mut out, proposal, verdict, !helped)?;
            out.flush()?;
            helped = true;
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
        Told { text, proposals: changes(record) }
    }

    /// Replays up to the packet, with a change when there is one to try.
    fn replayed<T>(&self, change: Option<&Change>, tell: impl FnOnce(&Record<'_>, Instant) -> T) -> Result<T> {
        let mut gateway = self.gateway.read()?;
        let Opened { mut capture, .. } = self.capture.open()?;
        let mut setup = setup(&mut gateway, &self.capture, Detail::Verdicts);
        if let Some(change) = change {
            change.make(&mut setup);
        }
        let mut replay = Replay::new(setup)?;
        if change.is_none() {
            self.gateway.warn(replay.engine())?;
        }
        explain(&mut replay, &mut capture, self.number, tell).map_err(|error| self.capture.at(error))
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
        proposal: &Proposal,
        verdict: Option<Verdict>,
        is_first: bool,
    ) -> io::Result<()> {
        let Proposal { change, why } = proposal;
        if self.json {
            let verdict = verdict.map(Verdict::word);
            let line = Line { n: self.number, change: change.kind(), text: change.to_string(), why, verdict };
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
