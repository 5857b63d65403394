//! `towpath check`: what is wrong with a gateway before it runs.

use std::io::{self, Write};

use anyhow::{Result, anyhow};
use clap::Args;
use serde::Serialize;
use towpath::services::Services;
use towpath_engine::{Engine, conntrack::Family};
use towpath_replay::{
    check::{Finding, LINTS, Level, Lint, check, lint_of},
    replay::Replay,
};

use super::{Answer, capture::GatewayFiles};

/// Validate a gateway's files, and say what a careful reader would: rules that no packet reaches, and what is most likely
/// not meant.
///
/// Exit code 0: nothing, or only notes; 1: there are warnings; 2: the files cannot be used.
#[derive(Debug, Args)]
pub(crate) struct Check {
    #[command(flatten)]
    gateway: GatewayFiles,
    /// Not this; may be given more than once.
    #[arg(long, value_name = "ID")]
    allow: Vec<String>,
    /// Say what is looked for, why it matters and what to change, and check nothing.
    #[arg(long)]
    lints: bool,
    /// One JSON object a line (towpath.check/1) instead of text.
    #[arg(long)]
    json: bool,
}

/// What was checked.
#[derive(Serialize)]
struct Head {
    schema: &'static str,
    interfaces: usize,
    rules: usize,
    helpers: usize,
}

impl Check {
    pub(crate) fn main(self) -> Result<Answer> {
        if let Some(unknown) = self.allow.iter().find(|id| lint_of(id).is_none()) {
            return Err(anyhow!("there is no lint '{unknown}'; towpath check --lints shows all"));
        }
        if self.lints {
            return self.write_lints();
        }
        if !self.gateway.are_given() {
            return Err(anyhow!("name what to check: -c gateway.toml, -r rules.v4, or both"));
        }
        let mut gateway = self.gateway.read()?;
        gateway.config.as_ref().map_or(Ok(()), Services::check)?;
        let replay = Replay::new(gateway.setup())?;
        let mut findings = check(replay.engine(), gateway.config.as_ref());
        if gateway.config.is_none() {
            // Without a configuration nothing is known about interfaces.
            findings.retain(|finding| !["no-interface", "foreign-source"].contains(&finding.kind));
        }
        findings.retain(|finding| !self.allow.iter().any(|id| id == finding.kind));
        let head = Head::of(replay.engine());
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{}", serde_json::to_string(&head)?)?;
            for finding in &findings {
                writeln!(out, "{}", serde_json::to_string(finding)?)?;
            }
        } else {
            write_text(&mut out, &head, &findings)?;
        }
        out.flush()?;
        let is_warned = findings.iter().any(|finding| finding.level == Level::Warning);
        Ok(if is_warned { Answer::No } else { Answer::Fine })
    }

    fn write_lints(&self) -> Result<Answer> {
        let mut out = io::stdout().lock();
        for lint in &LINTS {
            if self.json {
                writeln!(out, "{}", serde_json::to_string(lint)?)?;
            } else {
                let Lint { id, level, why, change } = lint;
                writeln!(out, "{id} ({})\n    {why}\n    to change: {change}", level.name())?;
            }
        }
        out.flush()?;
        Ok(Answer::Fine)
    }
}

impl Head {
    fn of(engine: &Engine) -> Self {
        Self {
            schema: "towpath.check/1",
            interfaces: engine.devices().len(),
            rules: [Family::Ipv4, Family::Ipv6].map(|family| engine.rules().of(family).rules().len()).iter().sum(),
            helpers: engine.helpers().iter().count(),
        }
    }
}

fn write_text(out: &mut impl Write, head: &Head, findings: &[Finding]) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{finding}")?;
    }
    let Head { interfaces, rules, helpers, .. } = head;
    let warnings = findings.iter().filter(|finding| finding.level == Level::Warning).count();
    write!(
        out,
        "{}, {}, {}: ",
        counted(*interfaces, "interface"),
        counted(*rules, "rule"),
        counted(*helpers, "helper")
    )?;
    match (warnings, findings.len() - warnings) {
        (0, 0) => writeln!(out, "nothing to remark"),
        (warnings, 0) => writeln!(out, "{}", counted(warnings, "warning")),
        (0, notes) => writeln!(out, "{}", counted(notes, "note")),
        (warnings, notes) => writeln!(out, "{}, {}", counted(warnings, "warning"), counted(notes, "note")),
    }
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}
