//! Asks the kernel and the engine about a case, and compares.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::case::Case;
use crate::kernel::{answer, counters, differences};

/// Where the tools lie that ask the kernel.
#[derive(Clone, Debug)]
pub(super) struct Kernel {
    oracle: PathBuf,
}

/// What came of asking.
#[derive(Clone, Debug)]
pub(super) enum Verdict {
    /// Both say the same.
    Agreed,
    /// They do not; the first differences.
    Differs(Vec<String>),
    /// The kernel could not be asked: the rules or packets are none that it takes.
    Unasked(String),
}

impl Kernel {
    pub(super) fn new() -> Self {
        Self { oracle: PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("kernel/oracle") }
    }

    /// Writes the case into `folder`, with both answers.
    pub(super) fn ask(&self, case: &Case, folder: &Path) -> Result<Verdict> {
        if folder.exists() {
            fs::remove_dir_all(folder).with_context(|| format!("cannot clear {}", folder.display()))?;
        }
        case.write(folder)?;
        if let Err(error) = self.answer(folder) {
            return Ok(Verdict::Unasked(format!("{error:#}")));
        }
        let kernel = read(&folder.join("result.json"))?;
        let ours = match answer(folder) {
            Ok(ours) => serde_json::to_value(ours)?,
            Err(error) => return Ok(Verdict::Differs(vec![format!("the engine: {error:#}")])),
        };
        fs::write(folder.join("ours.json"), serde_json::to_string(&ours)?)?;
        let mut found = differences(&kernel, &lenient(&kernel, ours.clone()));
        found.extend(counters(&kernel, &ours));
        Ok(if found.is_empty() { Verdict::Agreed } else { Verdict::Differs(found) })
    }

    fn answer(&self, folder: &Path) -> Result<()> {
        let at = |name: &str| folder.join(name);
        let mut command = Command::new("python3");
        command.arg(self.oracle.join("kernel_oracle.py")).arg("--scenario").arg(at("scenario.json"));
        command.arg("--in").arg(at("in.pcap")).arg("--json").arg(at("result.json")).arg("--stable");
        run(&mut command)?;
        run(Command::new("python3").arg(self.oracle.join("draws.py")).arg(folder))
    }
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.output().context("cannot start python3")?;
    if !output.status.success() {
        let told = String::from_utf8_lossy(&output.stderr);
        bail!("{}", told.lines().last().unwrap_or("the tool says nothing"));
    }
    Ok(())
}

fn read(path: &Path) -> Result<Value> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_str(&text).with_context(|| format!("{}", path.display()))
}

/// Our answer with the kernel's timeouts where they are a little less: real time has passed there.
fn lenient(kernel: &Value, mut ours: Value) -> Value {
    for (n, frame) in ours["frames"].as_array_mut().into_iter().flatten().enumerate() {
        let theirs = &kernel["frames"][n];
        settle(&theirs["ct"], &mut frame["ct"]);
        for (index, event) in frame["events"].as_array_mut().into_iter().flatten().enumerate() {
            settle(&theirs["events"][index], event);
        }
    }
    for entry in ours["final"]["conntrack"].as_array_mut().into_iter().flatten() {
        let same = |other: &&Value| other["orig"] == entry["orig"] && other["zone"] == entry["zone"];
        let theirs = kernel["final"]["conntrack"].as_array().into_iter().flatten().find(same).cloned();
        settle(&theirs.unwrap_or_default(), entry);
    }
    ours
}

fn settle(theirs: &Value, ours: &mut Value) {
    if let (Some(left), Some(right)) = (theirs["timeout"].as_u64(), ours["timeout"].as_u64())
        && (left..=left + SLACK_SECS).contains(&right)
    {
        ours["timeout"] = theirs["timeout"].clone();
    }
}

/// How long a run may take in which no time passes for the engine.
const SLACK_SECS: u64 = 4;
