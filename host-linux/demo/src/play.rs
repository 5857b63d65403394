//! The play: what is transferred, and what is shown meanwhile.

use std::{
    io::{self, Write},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use suppaftp::Mode;

use crate::{
    client::{Client, Took},
    clock::now,
    ending::Watch,
    gateway::{self, Counts, Gateway},
    material::{Checksum, noise},
    network::{CLIENT, GATEWAY_LAN, GATEWAY_WAN, Network, SERVER},
    server,
    space::Rights,
    store::{OFFERED, Store},
};

/// Everything is in its place and runs.
#[derive(Debug)]
pub(crate) struct Stage {
    started: Instant,
    gateway: Gateway,
    network: Network,
    store: Store,
    offered: Arc<Vec<u8>>,
    rights: Rights,
}

impl Stage {
    pub(crate) fn set_up(program: &Path, megabytes: u32, rights: Rights, watch: Watch) -> Result<Self> {
        let started = now();
        let network = Network::make()?;
        let gateway = Gateway::start(program, &watch)?;
        let offered = Arc::new(noise(SEED, megabytes as usize * 1_000_000));
        let store = Store::new(Arc::clone(&offered));
        network.server.enter()?;
        server::start(SERVER, store.clone())?;
        Ok(Self { started, gateway, network, store, offered, rights })
    }
}

/// The file's bytes are drawn from this.
const SEED: u64 = 2;
const UPLOAD_BYTES: usize = 1_000_000;

/// Transfers in both modes and both directions; shows the gateway at work.
pub(crate) fn play(mut stage: Stage) -> Result<()> {
    let mut screen = Screen(io::stdout());
    match stage.acts(&mut screen) {
        Ok(totals) => stage.finish(&mut screen, totals),
        Err(error) => {
            let complaint = stage.gateway.complaint();
            if complaint.is_empty() { Err(error) } else { Err(anyhow::anyhow!("{error:#}{complaint}")) }
        }
    }
}

/// What all transfers came to.
#[derive(Clone, Copy, Debug, Default)]
struct Totals {
    files: u32,
    bytes: usize,
    active: Duration,
}

impl Stage {
    fn acts(&self, screen: &mut Screen) -> Result<Totals> {
        self.introduce(screen)?;
        self.network.client.enter()?;
        let mut totals = Totals::default();
        for (title, mode) in [("passive (PASV)", Mode::Passive), ("active (PORT)", Mode::Active)] {
            self.download(screen, title, mode, &mut totals)?;
        }
        for (title, mode) in [("extended passive (EPSV)", Mode::ExtendedPassive), ("active (PORT)", Mode::Active)] {
            self.upload(screen, title, mode, &mut totals)?;
        }
        Ok(totals)
    }

    fn introduce(&self, screen: &mut Screen) -> Result<()> {
        screen.say(format_args!(
            "client {CLIENT} ──── lan {GATEWAY_LAN} [ towpath run ] {GATEWAY_WAN} wan ──── {SERVER} server"
        ))?;
        let rights = match self.rights {
            Rights::Own => "as root",
            Rights::UserNamespace => "in a user namespace: no root",
        };
        screen.say(format_args!("Three network namespaces, {rights}. The gateway's rules:"))?;
        screen.quote(&gateway::rules())
    }

    fn download(&self, screen: &mut Screen, title: &str, mode: Mode, totals: &mut Totals) -> Result<()> {
        let bytes = self.offered.len();
        screen.say(format_args!("\n== download, {title}: {} MB", bytes / 1_000_000))?;
        let before = self.gateway.counts()?;
        let mut client = Client::connect(SERVER, mode)?;
        let (file, took) = client.download(OFFERED, bytes, || self.show_live(screen))?;
        client.quit()?;
        totals.add(bytes, took);
        self.show_speed(screen, bytes, took, before)?;
        compare(screen, &self.offered, &file)
    }

    fn upload(&self, screen: &mut Screen, title: &str, mode: Mode, totals: &mut Totals) -> Result<()> {
        screen.say(format_args!("\n== upload, {title}: {} MB", UPLOAD_BYTES / 1_000_000))?;
        let before = self.gateway.counts()?;
        let file = noise(SEED + u64::from(totals.files), UPLOAD_BYTES);
        let mut client = Client::connect(SERVER, mode)?;
        let took = client.upload(UPLOADED, &file)?;
        client.quit()?;
        totals.add(file.len(), took);
        self.show_expectations(screen)?;
        self.show_speed(screen, file.len(), took, before)?;
        compare(screen, &file, &self.store.take(UPLOADED).context("the server has no uploaded file")?)
    }

    /// While a data connection lives.
    fn show_live(&self, screen: &mut Screen) -> Result<()> {
        self.show_expectations(screen)?;
        let connections = self.gateway.connections()?;
        screen.say(format_args!("half way, towpath conntrack -L:"))?;
        screen.quote(&connections)?;
        if !connections.contains(&CLIENT.to_string()) {
            bail!("the gateway's table lacks the connection that is open now");
        }
        Ok(())
    }

    fn show_expectations(&self, screen: &mut Screen) -> Result<()> {
        screen.say(format_args!("the helper's expectation, towpath conntrack -E expect:"))?;
        self.gateway.expectations()?.iter().try_for_each(|event| screen.quote(event))
    }

    fn show_speed(&self, screen: &mut Screen, bytes: usize, took: Took, before: Counts) -> Result<()> {
        let after = self.gateway.counts()?;
        let packets = after.forwarded - before.forwarded;
        let seconds = took.active.as_secs_f64();
        screen.say(format_args!(
            "{seconds:.3} s: {:.2} Gbit/s, {packets} packets forwarded, {:.0} packets/s, {} dropped",
            bytes as f64 * 8e-9 / seconds,
            packets as f64 / seconds,
            after.dropped - before.dropped,
        ))
    }

    fn finish(self, screen: &mut Screen, totals: Totals) -> Result<()> {
        let Self { started, gateway, .. } = self;
        let folder = gateway.folder().to_owned();
        let statistics = gateway.stop()?;
        screen.say(format_args!("\n== totals"))?;
        statistics.iter().try_for_each(|line| screen.quote(line))?;
        let Totals { files, bytes, active } = totals;
        screen.say(format_args!(
            "{files} files, {:.1} MB, {:.2} Gbit/s, all as they were sent; {:.1} s in all",
            bytes as f64 * 1e-6,
            bytes as f64 * 8e-9 / active.as_secs_f64(),
            started.elapsed().as_secs_f64(),
        ))?;
        if folder.exists() { bail!("{} is still there", folder.display()) } else { Ok(()) }
    }
}

/// Where uploads go.
const UPLOADED: &str = "/uploaded.bin";

fn compare(screen: &mut Screen, sent: &[u8], received: &[u8]) -> Result<()> {
    let (sent, received) = (Checksum::of(sent), Checksum::of(received));
    if sent != received {
        bail!("what came out is not what went in: SHA-256 {received} instead of {sent}");
    }
    screen.say(format_args!("SHA-256 {received} on both sides"))
}

impl Totals {
    fn add(&mut self, bytes: usize, took: Took) {
        self.files += 1;
        self.bytes += bytes;
        self.active += took.active;
    }
}

/// Where people look.
#[derive(Debug)]
struct Screen(io::Stdout);

impl Screen {
    fn say(&mut self, what: impl std::fmt::Display) -> Result<()> {
        writeln!(self.0, "{what}").context("cannot write")
    }

    /// Another program's text.
    fn quote(&mut self, text: &str) -> Result<()> {
        text.lines().try_for_each(|line| self.say(format_args!("    {line}")))
    }
}
