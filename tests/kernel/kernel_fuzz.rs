//! `kernel-fuzz --seconds N --seed S [--keep DIR] [--questions N]`: random cases, put to the kernel and to the engine.

use std::{
    path::PathBuf,
    process::ExitCode,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            say(&format!("kernel-fuzz: {error:#}"));
            ExitCode::from(2)
        }
    }
}

/// True when kernel and engine agree on everything.
fn run() -> Result<bool> {
    let keep = std::env::temp_dir().join("towpath-kernel-fuzz");
    let mut time = Duration::from_secs(60);
    let mut plan = lab::kernel::fuzz::Plan { seed: 1, keep, questions: 120 };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let value = arguments.next().with_context(|| format!("{name} needs a value"))?;
        let number = || value.parse::<u64>().with_context(|| format!("{name} needs a number, not '{value}'"));
        match name.as_str() {
            "--seconds" => time = Duration::from_secs(number()?),
            "--seed" => plan.seed = number()?,
            "--questions" => plan.questions = u32::try_from(number()?)?,
            "--keep" => plan.keep = PathBuf::from(&value),
            _ => bail!("there is no {name}; there are --seconds, --seed, --questions and --keep"),
        }
    }
    let begun = now();
    let found = lab::kernel::fuzz::run(&plan, &mut || now() - begun < time, &mut |line| say(&line))?;
    say(&format!("{} cases agree, {} differ, {} could not be asked", found.agreed, found.differing, found.unasked));
    Ok(found.differing == 0)
}

#[expect(clippy::disallowed_methods, reason = "the time that the user gives is real")]
fn now() -> Instant {
    Instant::now()
}

#[expect(clippy::print_stderr, reason = "this is a program")]
fn say(line: &str) {
    eprintln!("{line}");
}
