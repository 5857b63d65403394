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
    Definitions, files,
    original::Original,
    parse,
    runner::{self, Settings, Verdict},
    script::Script,
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
    /// The original packetdrill, which is to play the scripts as well
    #[arg(long, value_name = "PROGRAM", requires = "library")]
    packetdrill: Option<PathBuf>,
    /// The library that it is to drive
    #[arg(long, value_name = "FILE", requires = "packetdrill")]
    library: Option<PathBuf>,
    /// The largest packet, in bytes
    #[arg(long, value_name = "BYTES")]
    mtu: Option<u32>,
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

/// Plays all; the code is 1 when one has failed, and else 2 when one could not be played.
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
        scripts.extend(collect(file)?);
    }
    if scripts.is_empty() {
        bail!("there is no .pkt in what was named");
    }
    let original = arguments.packetdrill.clone().zip(arguments.library.clone());
    let original = original.map(|(program, library)| Original { program, library });
    let mut totals = [0_usize; WORDS.len()];
    let mut others = Others::default();
    for path in &scripts {
        let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
        let parsed = parse(&text, &definitions);
        let (kind, detail) = match &parsed {
            Err(error) => (UNREADABLE, error.to_string()),
            Ok(script) if script.events.is_empty() => (UNREADABLE, "nothing happens in it".to_owned()),
            Ok(script) => judged(&runner::play(script, &settings)),
        };
        totals[kind] += 1;
        println!("{:<13} {}", WORDS[kind], path.display());
        if !detail.is_empty() {
            println!("              {detail}");
        }
        if let Some(original) = &original {
            others.ask(original, (path, &parsed.unwrap_or_default()), (&settings, &definitions), kind == STRICT)?;
        }
    }
    let counts: Vec<String> = WORDS.iter().zip(totals).map(|(word, count)| format!("{count} {word}")).collect();
    println!("{} scripts: {}", scripts.len(), counts.join(", "));
    if original.is_some() {
        println!(
            "packetdrill itself: {} passed, {} failed; {} judged otherwise",
            others.passed, others.failed, others.differ
        );
    }
    Ok(match (totals[FAILED] + others.failed, totals[UNSUPPORTED] + totals[UNREADABLE]) {
        (0, 0) => ExitCode::SUCCESS,
        (0, _) => ExitCode::from(NOT_PLAYED),
        _ => ExitCode::FAILURE,
    })
}

fn judged(verdict: &Verdict) -> (usize, String) {
    match verdict {
        Verdict::Strict => (STRICT, String::new()),
        Verdict::Relaxed(difference) => (RELAXED, difference.to_string()),
        Verdict::Failed(difference) => (FAILED, difference.to_string()),
        Verdict::NotSupported(unsupported) => (UNSUPPORTED, unsupported.to_string()),
    }
}

/// What packetdrill itself says of scripts.
#[derive(Default)]
struct Others {
    passed: usize,
    failed: usize,
    /// Scripts that pass strictly here and not there, or there and not here.
    differ: usize,
}

impl Others {
    fn ask(
        &mut self,
        original: &Original,
        (path, script): (&Path, &Script),
        (settings, definitions): (&Settings, &Definitions),
        passes: bool,
    ) -> Result<()> {
        let said = original.play(path, script, settings, definitions);
        let said = said.with_context(|| format!("cannot run {}", original.program.display()))?;
        match &said {
            Ok(()) => self.passed += 1,
            Err(why) => {
                self.failed += 1;
                why.lines().for_each(|line| println!("  packetdrill {line}"));
            }
        }
        if said.is_ok() != passes {
            self.differ += 1;
            println!("  packetdrill judges otherwise: {}", if said.is_ok() { "passed" } else { "failed" });
        }
        Ok(())
    }
}

const STRICT: usize = 0;
const RELAXED: usize = 1;
const FAILED: usize = 2;
const UNSUPPORTED: usize = 3;
const UNREADABLE: usize = 4;
const WORDS: [&str; 5] = ["passed", "relaxed", "failed", "not supported", "unreadable"];
/// The code when nothing has failed, and something could not be played.
const NOT_PLAYED: u8 = 2;

fn settings(arguments: &Arguments) -> Result<Settings> {
    let mut settings = Settings::default();
    if let Some(version) = &arguments.ip_version {
        settings = settings.with_version(version).context("--ip-version: ipv4 or ipv6")?;
    }
    settings.local = arguments.local_ip.unwrap_or(settings.local);
    settings.remote = arguments.remote_ip.unwrap_or(settings.remote);
    settings.mtu = arguments.mtu;
    if settings.local.is_ipv4() != settings.remote.is_ipv4() {
        bail!("{} and {} are of different versions of IP", settings.local, settings.remote);
    }
    Ok(settings)
}

/// Finds scripts: the file itself, or all below a folder in order.
fn collect(path: &Path) -> Result<Vec<PathBuf>> {
    let mut scripts = files::below(path)?;
    if path.is_dir() {
        scripts.retain(|file| file.extension().is_some_and(|extension| extension == "pkt"));
    }
    Ok(scripts)
}
