//! `towpath lab`: connections over links that are slow, long, full or lossy.

mod loads;
mod plot;

use std::{
    fs::{self, File},
    io::{self, BufWriter, Write},
    path::PathBuf,
    time::Duration,
};

use anyhow::{Context, Result, anyhow};
use clap::Args;
use towpath_replay::lab::{Diagram, PcapngRun, Scenario, Watch, ethtool, run_telling, table, write_json};

use super::{
    Answer,
    outputs::{outputs, overwrite_nothing},
    terminal::Progress,
};

/// Play a scenario: hosts, links that are slow, long, full or lossy, and connections and loads over them, in virtual time.
///
/// The same scenario and seed give the same run, packet by packet. Exit code 0: it was played; 2: the scenario cannot be used.
#[derive(Debug, Args)]
pub(crate) struct Lab {
    /// The scenario, a TOML file; captures/lab has some.
    #[arg(value_name = "SCENARIO")]
    scenario: PathBuf,
    /// What all chance comes from, instead of the scenario's own seed.
    #[arg(long, value_name = "NUMBER")]
    seed: Option<u64>,
    /// One JSON object a line (towpath.lab/1) instead of a table.
    #[arg(long)]
    json: bool,
    /// With --json: also what was known over time.
    #[arg(long, requires = "json")]
    series: bool,
    /// Draw what goes over a connection, by its name, before the table; without a name: the first.
    #[arg(long, short, value_name = "CONNECTION", num_args = 0..=1, conflicts_with = "json")]
    diagram: Option<Option<String>>,
    /// With --diagram: from this second on.
    #[arg(long, value_name = "SECONDS", requires = "diagram", default_value = "0")]
    from: f64,
    /// With --diagram: until this second.
    #[arg(long, value_name = "SECONDS", requires = "diagram")]
    until: Option<f64>,
    /// Plot windows, round trips, throughput and queues over time, and what loads cost over their rate.
    #[arg(long, value_name = "FILE.svg")]
    svg: Option<PathBuf>,
    /// Write what goes over the links as pcapng.
    #[arg(long, short, value_name = "FILE.pcapng")]
    write: Option<PathBuf>,
    /// With --write: only what this host sees; again for more of them.
    #[arg(long, value_name = "NAME", requires = "write")]
    host: Vec<String>,
    /// Instead of the table: what `ethtool -g`, `-c`, `-l`, `-S` and `-k` show of this host's devices when all is over; again for more hosts.
    #[arg(long, value_name = "HOST", conflicts_with = "json")]
    ethtool: Vec<String>,
}

impl Lab {
    pub(crate) fn main(self) -> Result<Answer> {
        let file = self.scenario.display().to_string();
        let text = fs::read_to_string(&self.scenario).with_context(|| file.clone())?;
        let mut scenario = Scenario::read(&file, &text)?;
        if let Some(seed) = self.seed {
            scenario.seed = seed;
        }
        overwrite_nothing(&outputs([("-w", self.write.as_ref()), ("--svg", self.svg.as_ref())]), [&self.scenario])?;
        let shown = self.ethtool(&scenario)?;
        let mut diagram = self.diagram(&scenario)?;
        let mut pcapng = self.pcapng(&scenario)?;
        let mut watches: Vec<&mut dyn Watch> = Vec::new();
        watches.extend(diagram.as_mut().map(|diagram| diagram as &mut dyn Watch));
        watches.extend(pcapng.as_mut().map(|pcapng| pcapng as &mut dyn Watch));
        let is_watched = !watches.is_empty();
        let (mut progress, mut steps) = (Progress::start(false), 0);
        let until = scenario.until.as_nanos().max(1);
        let report = run_telling(&scenario, is_watched.then_some(&mut watches as &mut dyn Watch), &mut |passed| {
            steps += 1;
            progress.say(steps, || format!("{} % of the scenario's time", passed.as_nanos() * 100 / until));
        })?;
        progress.clear();
        drop(watches);
        if let (Some(pcapng), Some(path)) = (pcapng, &self.write) {
            pcapng.finish().with_context(|| path.display().to_string())?;
        }
        if let Some(path) = &self.svg {
            fs::write(path, plot::svg(&scenario, &report)?).with_context(|| path.display().to_string())?;
        }
        let mut out = BufWriter::new(io::stdout().lock());
        if self.json {
            write_json(&mut out, &scenario, &report, self.series)?;
        } else {
            if let Some(diagram) = diagram {
                writeln!(out, "{}", diagram.draw())?;
            }
            if shown.is_empty() {
                out.write_all(table(&scenario, &report).as_bytes())?;
            }
            for host in shown {
                out.write_all(ethtool(&scenario, &report, host).unwrap_or_default().as_bytes())?;
            }
        }
        out.flush()?;
        Ok(Answer::Fine)
    }

    fn diagram(&self, scenario: &Scenario) -> Result<Option<Diagram>> {
        let Some(name) = &self.diagram else { return Ok(None) };
        let number = match name {
            None if scenario.connections.is_empty() => return Err(anyhow!("{} has no [[connection]]", scenario.file)),
            None => 0,
            Some(name) => {
                let known = scenario.connections.iter().position(|known| known.name == *name);
                known.ok_or_else(|| anyhow!("{} has no [[connection]] named '{name}'", scenario.file))?
            }
        };
        let time =
            |seconds| Duration::try_from_secs_f64(seconds).map_err(|_| anyhow!("{seconds} is no time in seconds"));
        let span = (time(self.from)?, self.until.map_or(Ok(Duration::MAX), time)?);
        Ok(Some(Diagram::new(scenario, number, span, ROWS_MAX)))
    }

    /// The hosts whose devices are to be shown.
    fn ethtool(&self, scenario: &Scenario) -> Result<Vec<usize>> {
        let named = self.ethtool.iter().map(|name| {
            let host = host(scenario, name)?;
            let has_some = scenario.hosts[host].hardware.is_some();
            has_some.then_some(host).ok_or_else(|| anyhow!("{}: [[host]] '{name}' has no hardware", scenario.file))
        });
        named.collect()
    }

    fn pcapng(&self, scenario: &Scenario) -> Result<Option<PcapngRun<BufWriter<File>>>> {
        let Some(path) = &self.write else { return Ok(None) };
        let mut hosts = self.host.iter().map(|name| host(scenario, name)).collect::<Result<Vec<usize>>>()?;
        if hosts.is_empty() {
            hosts = (0..scenario.hosts.len()).collect();
        }
        let file = File::create(path).with_context(|| path.display().to_string())?;
        Ok(Some(PcapngRun::new(BufWriter::new(file), scenario, &hosts)?))
    }
}

/// The number of the host of that name.
fn host(scenario: &Scenario, name: &str) -> Result<usize> {
    let known = scenario.hosts.iter().position(|known| known.name == name);
    known.ok_or_else(|| anyhow!("{} has no [[host]] named '{name}'", scenario.file))
}

/// Segments that a diagram shows at most.
const ROWS_MAX: usize = 1000;
