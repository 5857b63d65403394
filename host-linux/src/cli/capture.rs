//! What the subcommands on captures have in common: which gateway, which capture, how far it has been read.

use std::{
    fs::File,
    io::{self, Read, Write},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};
use towpath::gateway::Gateway;
use towpath_engine::{Engine, conntrack::Family, netfilter::Remark};
use towpath_replay::{
    capture::Capture,
    replay::{ChecksumTrust, Detail, Setup},
};

use super::outputs::files_of;

/// Which gateway it is about.
#[derive(Clone, Debug, Args)]
pub(crate) struct GatewayFiles {
    /// What the gateway is, with the rules and helpers that it names.
    #[arg(short, long, value_name = "gateway.toml")]
    pub(crate) config: Option<PathBuf>,
    /// Rules as iptables-save writes them, instead of those that the configuration names; a name that ends in v6 holds
    /// those of ip6tables-save. May be given more than once.
    #[arg(short, long, value_name = "rules.v4")]
    pub(crate) rules: Vec<PathBuf>,
}

impl GatewayFiles {
    /// Reads all of it.
    pub(crate) fn read(&self) -> Result<Gateway> {
        Ok(Gateway::read(self.config.as_deref(), &self.rules)?)
    }

    /// All files that it is in.
    pub(crate) fn files(&self, gateway: &Gateway) -> Vec<PathBuf> {
        let described = self.config.iter().zip(&gateway.config).flat_map(|(file, config)| files_of(file, config));
        described.chain(self.rules.iter().cloned()).collect()
    }

    /// Says on standard error which interfaces rules name that a gateway without a configuration does not have.
    pub(crate) fn warn(&self, engine: &Engine) -> io::Result<()> {
        if self.config.is_some() {
            return Ok(());
        }
        let mut err = io::stderr().lock();
        missing_interfaces(engine).try_for_each(|missing| writeln!(err, "towpath: warning: {missing}"))
    }

    /// Whether a gateway was named at all.
    pub(crate) fn are_given(&self) -> bool {
        self.config.is_some() || !self.rules.is_empty()
    }
}

/// Which interfaces rules name that a gateway without a configuration does not have, and where: a line each.
pub(crate) fn missing_interfaces(engine: &Engine) -> impl Iterator<Item = String> {
    let reviews = [Family::Ipv4, Family::Ipv6].map(|family| engine.rules().of(family).review(engine.devices()));
    reviews.into_iter().flat_map(|review| review.remarks).filter_map(|remark| {
        let Remark::NoDevice { rule, device } = remark else { return None };
        Some(format!(
            "{}:{}: there is no interface '{device}', only inside (private addresses) and outside (all others); -c gateway.toml names others",
            rule.file, rule.line
        ))
    })
}

/// Which capture, and how it is read.
#[derive(Clone, Debug, Args)]
pub(crate) struct CaptureFile {
    /// A pcap or pcapng file, also inside gzip; `-` is standard input.
    #[arg(value_name = "CAPTURE")]
    pub(crate) file: PathBuf,
    /// Whether transport checksums are verified. A capture from a sending host holds checksums that its card had yet to
    /// fill in: auto tells them apart.
    #[arg(long, value_enum, value_name = "HOW", default_value_t = Checksums::Auto)]
    checksums: Checksums,
}

/// What is believed about transport checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Checksums {
    /// Verified, unless they look as a host leaves them for its card.
    Auto,
    /// Verified.
    Verify,
    /// Taken as right.
    Trust,
}

impl CaptureFile {
    /// Opens it.
    pub(crate) fn open(&self) -> Result<Opened> {
        let (reader, size): (Box<dyn Read + Send>, _) = if self.is_standard_input() {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(&self.file).map_err(|error| self.at(error))?;
            let about = file.metadata().map_err(|error| self.at(error))?;
            (Box::new(file), about.is_file().then_some(about.len()))
        };
        let read = Arc::default();
        let capture = Capture::in_background(Counting { reader, read: Arc::clone(&read) });
        Ok(Opened { capture: capture.map_err(|error| self.at(error))?, read, size })
    }

    /// Whether it can be read only once.
    pub(crate) fn is_standard_input(&self) -> bool {
        self.file.as_os_str() == "-"
    }

    /// An error about it.
    pub(crate) fn at(&self, error: impl core::fmt::Display) -> anyhow::Error {
        let name = if self.is_standard_input() { "standard input".into() } else { self.file.to_string_lossy() };
        anyhow!("{name}: {error}")
    }

    /// What is believed about its checksums.
    pub(crate) const fn checksums(&self) -> ChecksumTrust {
        match self.checksums {
            Checksums::Auto => ChecksumTrust::Auto,
            Checksums::Verify => ChecksumTrust::Verify,
            Checksums::Trust => ChecksumTrust::Trust,
        }
    }
}

/// A capture that is being read.
pub(crate) struct Opened {
    pub(crate) capture: Capture<'static>,
    /// Bytes that have been read so far.
    pub(crate) read: Arc<AtomicU64>,
    /// How many there are, where that is known.
    pub(crate) size: Option<u64>,
}

/// Counts what is read.
struct Counting {
    reader: Box<dyn Read + Send>,
    read: Arc<AtomicU64>,
}

impl Read for Counting {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(into)?;
        self.read.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// What a replay of a gateway is made of. Takes the gateway's helpers.
pub(crate) fn setup<'g>(gateway: &'g mut Gateway, capture: &CaptureFile, detail: Detail) -> Setup<'g> {
    Setup { checksums: capture.checksums(), detail, ..gateway.setup() }
}
