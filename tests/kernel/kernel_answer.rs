//! `kernel-answer FOLDER --json OUT`: plays a scenario folder through the engine, in the kernel oracle's schema.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result};

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            #[expect(clippy::print_stderr, reason = "this is a program")]
            {
                eprintln!("kernel-answer: {error:#}");
            }
            ExitCode::from(2)
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let (folder, flag, out) = (arguments.next(), arguments.next(), arguments.next());
    let usage = "usage: kernel-answer FOLDER --json OUT";
    let folder = PathBuf::from(folder.context(usage)?);
    anyhow::ensure!(flag.as_deref() == Some("--json".as_ref()) && arguments.next().is_none(), usage);
    let out = PathBuf::from(out.context(usage)?);
    let answer = lab::kernel::answer(&folder).with_context(|| format!("{}", folder.display()))?;
    let text = serde_json::to_string(&answer)?;
    fs::write(&out, text).with_context(|| format!("cannot write {}", out.display()))
}
