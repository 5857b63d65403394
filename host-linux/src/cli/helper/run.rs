//! `towpath helper run`: a component tried on a capture.

use std::{
    collections::BTreeSet,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
};

use anyhow::{Result, anyhow};
use clap::Args;
use serde::Serialize;
use towpath::{
    gateway::{self, Gateway},
    helpers::About,
    plugin::{Cache, Plugin, Runtime, hex, stretched::SAMPLES_MAX},
};
use towpath_engine::conntrack::helper::{Helper, Manifest};
use towpath_replay::{
    record::Record,
    replay::{Detail, Replay, Setup},
};

use super::{
    super::{
        Answer,
        capture::{CaptureFile, GatewayFiles, setup},
    },
    component,
    fuel::Fuel,
    happening::{Counts, Happening, Line, happenings},
    watched::{Call, Log, Watched},
};

/// Show what a component reads in a capture, and what it would have expected and written anew.
///
/// The capture is led through a gateway with that helper at the ports of its manifest: with none said, one that translates
/// nothing; with -c or -r that very one, so that under NAT it shows what it would write. Exit code 1 says that a call failed, or
/// that the helper broke its manifest.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// The component's file, or the name of a helper that this program brings along.
    #[arg(value_name = "COMPONENT")]
    component: PathBuf,
    #[command(flatten)]
    capture: CaptureFile,
    #[command(flatten)]
    gateway: GatewayFiles,
    /// Show payloads in which nothing was found, too.
    #[arg(long)]
    all: bool,
    /// Then try payloads as long as they may be, made of its triggers and of what the capture has shown it, and tell the most fuel
    /// that a call takes: what its manifest has to ask for. Exit code 1 also says that this is less.
    #[arg(long)]
    fuel: bool,
    /// One JSON object a line (towpath.helper-run/1) instead of text.
    #[arg(long)]
    json: bool,
}

/// The first line of JSON.
#[derive(Serialize)]
struct Head {
    schema: &'static str,
    component: String,
    helper: About,
}

/// The last one.
#[derive(Serialize)]
struct End<'c> {
    counts: &'c Counts,
    /// With --fuel.
    #[serde(skip_serializing_if = "Option::is_none")]
    fuel: Option<&'c Fuel>,
}

/// What is shown, and what was seen so far.
struct Shown<'r, W> {
    asked: &'r Run,
    out: W,
    manifest: Manifest,
    log: Log,
    counts: Counts,
    masters: Vec<towpath_engine::conntrack::Tuple>,
    /// Payloads that it was shown, as far as they are wanted.
    samples: BTreeSet<Vec<u8>>,
    fuel: Option<Fuel>,
}

impl Run {
    pub(crate) fn main(self) -> Result<Answer> {
        let mut files = if self.gateway.are_given() { self.gateway.read()? } else { Gateway::default() };
        let plugin = self.plugin(&files)?;
        let (manifest, hash) = (plugin.manifest().clone(), plugin.component_hash());
        let (watched, log) = Watched::new(plugin);
        let mut opened = self.capture.open()?;
        let mut setup = setup(&mut files, &self.capture, Detail::Events);
        // Ahead of all others, so that its ports are its own.
        setup.helpers.retain(|helper| helper.manifest().name != manifest.name);
        setup.helpers.insert(0, Box::new(watched));
        let mut replay = Replay::new(Setup { by_port: true, ..setup })?;
        self.gateway.warn(replay.engine())?;
        let out = BufWriter::new(io::stdout().lock());
        let (counts, masters) = (Counts::default(), Vec::new());
        let (samples, fuel) = (BTreeSet::new(), None);
        let mut shown = Shown { asked: &self, out, manifest, log, counts, masters, samples, fuel };
        shown.head(&hex(&hash))?;
        let mut failed = Ok(());
        let ended = replay.run(&mut opened.capture, |record| {
            failed = shown.packet(record);
            failed.is_ok()
        });
        failed?;
        let faults = replay.engine().helpers().iter().find(|helper| helper.manifest.name == shown.manifest.name);
        shown.counts.failed = faults.map_or(0, |helper| helper.failures.into());
        if self.fuel {
            let samples: Vec<_> = core::mem::take(&mut shown.samples).into_iter().collect();
            shown.fuel = Some(Fuel::of(self.plugin(&files)?, &samples)?);
        }
        shown.end()?;
        ended.map_err(|error| self.capture.at(error))?;
        let is_fine = shown.counts.failed == 0 && !shown.fuel.is_some_and(|fuel| fuel.is_too_little());
        Ok(if is_fine { Answer::Fine } else { Answer::No })
    }

    /// The helper, held to what the configuration leaves of its manifest.
    fn plugin(&self, files: &Gateway) -> Result<Plugin> {
        let name = self.component.display();
        let bytes = component(Path::new(&self.component))?;
        // A component that is being written comes once in each form: only others are worth keeping.
        let runtime = Runtime::new(Cache::of_user_if_any())?;
        let plugin = runtime.load_bytes(&bytes).map_err(|problem| anyhow!("{name}: {problem}"))?;
        let config = files.config.clone().unwrap_or_default();
        let attach = plugin.manifest().attach.clone();
        let listed = config.helpers.iter().any(|helper| helper.name.value == plugin.manifest().name);
        let plugin = gateway::tightened(&config, plugin)?;
        let manifest = plugin.manifest().clone();
        let manifest = if listed { manifest } else { Manifest { attach, ..manifest } };
        plugin.held_to(manifest).map_err(|problem| anyhow!("{name}: {problem}"))
    }
}

impl<W: Write> Shown<'_, W> {
    fn head(&mut self, hash: &str) -> Result<()> {
        if self.asked.json {
            let helper = About::of(&self.manifest);
            let head = Head { schema: "towpath.helper-run/1", component: hash.to_owned(), helper };
            writeln!(self.out, "{}", serde_json::to_string(&head)?)?;
        }
        Ok(())
    }

    fn packet(&mut self, record: &Record<'_>) -> Result<()> {
        self.counts.packets += 1;
        let calls = self.log.take();
        if self.asked.fuel {
            let room = SAMPLES_MAX - self.samples.len();
            self.samples.extend(calls.iter().filter_map(Call::payload).take(room).map(Vec::from));
        }
        let happened = happenings(record, &calls, &self.manifest, &mut self.masters);
        happened.iter().for_each(|happening| happening.count(&mut self.counts));
        if happened.is_empty() || !(self.asked.all || happened.iter().any(Happening::is_finding)) {
            return Ok(());
        }
        let (n, ts) = (record.number, record.time.as_nanos());
        if !self.asked.json {
            writeln!(self.out, "packet {n}")?;
        }
        for what in happened {
            if self.asked.json {
                writeln!(self.out, "{}", serde_json::to_string(&Line { n, ts, what })?)?;
            } else {
                writeln!(self.out, "{}", what.in_words())?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let counts = &self.counts;
        if self.asked.json {
            writeln!(self.out, "{}", serde_json::to_string(&End { counts, fuel: self.fuel.as_ref() })?)?;
        } else {
            let Counts { packets, shown, found, expected, rewritten, announced, refused, dropped, failed, fuel_most } =
                counts;
            let most = self.manifest.fuel_per_call;
            writeln!(self.out, "{packets} packets: {shown} payloads shown, {found} with something found in them")?;
            writeln!(
                self.out,
                "{expected} connections expected, {announced} have come; {rewritten} endpoints written anew"
            )?;
            writeln!(
                self.out,
                "{refused} refused, {dropped} packets dropped, {failed} calls failed; at most {fuel_most} of {most} fuel a call"
            )?;
            self.fuel.as_ref().map_or(Ok(()), |fuel| fuel.write(&mut self.out))?;
        }
        self.out.flush()?;
        Ok(())
    }
}
