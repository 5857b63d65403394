//! Plays packet scripts and tells how each has gone.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line program")]

use std::{
    fs,
    net::IpAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::{Context, Result, bail};
use clap::Parser;
use packet_scripts::{
    parse,
    runner::{self, Settings, Verdict},
};

/// Plays packet scripts on the engine, in virtual time.
#[derive(Parser)]
struct Arguments {
    /// Scripts, and folders of them: all `.pkt` in a folder and below.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What a word stands for in all scripts.
    #[arg(long, value_name = "NAME=VALUE")]
    define: Vec<String>,
    /// Addresses of that version, and of no other unless a script says so.
    #[arg(long, visible_alias = "ip_version", value_parser = ["ipv4", "ipv6"])]
    ip_version: Option<String>,
    /// The address of the host under test.
    #[arg(long, visible_alias = "local_ip", value_name = "ADDRESS")]
    local_ip: Option<IpAddr>,
    /// The address that packets come from.
    #[arg(long, visible_alias = "remote_ip", value_name = "ADDRESS")]
    remote_ip: Option<IpAddr>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("packet-scripts: {error:#}");
            ExitCode::from(2)
        }
    }
}

/// Plays all; the code is 1 when one has failed.
fn run(arguments: &Arguments) -> Result<ExitCode> {
    let definitions = arguments.define.iter().map(|definition| {
        let (name, value) =
            definition.split_once('=').with_context(|| format!("--define {definition}: write NAME=VALUE"))?;
        Ok((name.to_owned(), value.to_owned()))
    });
    let definitions = definitions.collect::<Result<Vec<_>>>()?;
    let settings = settings(arguments)?;
    let mut scripts = Vec::new();
    for file in &arguments.files {
        collect(file, &mut scripts)?;
    }
    if scripts.is_empty() {
        bail!("there is no .pkt in what was named");
    }
    let mut totals = [0_usize; 4];
    for path in &scripts {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let (kind, detail) = match parse(&text, &definitions) {
            Err(error) => (UNSUPPORTED, format!("cannot be read: {error}")),
            Ok(script) => match runner::play(&script, &settings) {
                Verdict::Strict => (STRICT, String::new()),
                Verdict::Relaxed(difference) => (RELAXED, difference.to_string()),
                Verdict::Failed(difference) => (FAILED, difference.to_string()),
                Verdict::NotSupported(unsupported) => (UNSUPPORTED, unsupported.to_string()),
            },
        };
        totals[kind] += 1;
        println!("{:<13} {}", WORDS[kind], path.display());
        if !detail.is_empty() {
            println!("              {detail}");
        }
    }
    let counts: Vec<String> = WORDS.iter().zip(totals).map(|(word, count)| format!("{count} {word}")).collect();
    println!("{} scripts: {}", scripts.len(), counts.join(", "));
    Ok(if totals[FAILED] > 0 { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

const STRICT: usize = 0;
const RELAXED: usize = 1;
const FAILED: usize = 2;
const UNSUPPORTED: usize = 3;
const WORDS: [&str; 4] = ["passed", "relaxed", "failed", "not supported"];

fn settings(arguments: &Arguments) -> Result<Settings> {
    let mut settings = Settings::default();
    if let Some(version) = &arguments.ip_version {
        settings = settings.with_version(version).context("--ip-version: ipv4 or ipv6")?;
    }
    settings.local = arguments.local_ip.unwrap_or(settings.local);
    settings.remote = arguments.remote_ip.unwrap_or(settings.remote);
    if settings.local.is_ipv4() != settings.remote.is_ipv4() {
        bail!("{} and {} are of different versions of IP", settings.local, settings.remote);
    }
    Ok(settings)
}

/// Finds scripts: the file itself, or all below a folder in order.
fn collect(path: &Path, scripts: &mut Vec<PathBuf>) -> Result<()> {
    if !path.is_dir() {
        scripts.push(path.to_owned());
        return Ok(());
    }
    let entries = fs::read_dir(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut entries = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
    entries.sort();
    for entry in entries {
        if entry.is_dir() || entry.extension().is_some_and(|extension| extension == "pkt") {
            collect(&entry, scripts)?;
        }
    }
    Ok(())
}
