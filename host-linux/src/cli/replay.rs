//! `towpath replay`: a capture through a gateway.

use std::{
    ffi::OsString,
    fs::File,
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::atomic::Ordering,
};

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use towpath::{bonds, state};
use towpath_replay::{
    capture::CaptureError,
    record::{Colour, Flows, JsonRecords, PcapngRecords, Record, Summary, TextRecords},
    replay::{Detail, Replay as Run},
};

use super::{
    Answer,
    capture::{CaptureFile, GatewayFiles, Opened, setup},
    conntrack::Replayed,
    outputs::{outputs, overwrite_nothing},
    terminal::{Progress, colour},
};

/// Lead a capture's packets through a gateway and say what becomes of each, with no root and no waiting.
///
/// Without a gateway nothing is filtered or translated: connections are listed with their states, and with what helpers
/// would have expected. Exit code 2 says that none of the packets can be read, or that the capture ends in damage; all
/// before it has been replayed.
#[derive(Debug, Args)]
pub(crate) struct Replay {
    #[command(flatten)]
    capture: CaptureFile,
    #[command(flatten)]
    gateway: GatewayFiles,
    /// Also write a pcapng file: each packet with its verdict as a comment, and what left the gateway.
    #[arg(short, long, value_name = "OUT.pcapng")]
    write: Option<PathBuf>,
    /// One JSON object a line (towpath.record/1) instead of text.
    #[arg(long)]
    json: bool,
    /// With --json: also the bytes of what came out.
    #[arg(long, requires = "json")]
    hex: bool,
    /// Stop after this packet.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    until: Option<u64>,
    /// What is shown as text [default: all; without a gateway, flows and counts].
    #[arg(long, value_enum, value_name = "WHAT", value_delimiter = ',', conflicts_with = "json")]
    show: Vec<Show>,
    /// Write the gateway's state at the end to this file, for `towpath run --state` and `towpath state load`.
    #[arg(long, value_name = "FILE")]
    state_out: Option<PathBuf>,
    /// Answer what stands behind it as `towpath conntrack` does, and show nothing else: `--conntrack -L -p tcp`. Must be the last
    /// option.
    #[arg(long, value_name = "OPTIONS", num_args = 0.., allow_hyphen_values = true, conflicts_with_all = ["json", "show"])]
    conntrack: Option<Vec<OsString>>,
}

/// A part of the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Show {
    /// A line a packet.
    Packets,
    /// A line a connection, with what its helper expected.
    Flows,
    /// What became of all packets, counted.
    Counts,
    /// The bonds at the end, as /proc/net/bonding shows them.
    Bonds,
}

impl Replay {
    pub(crate) fn main(self) -> Result<Answer> {
        let tracked = self.conntrack.as_deref().map(Replayed::parse).transpose()?;
        let watches = tracked.as_ref().is_some_and(Replayed::watches);
        let mut gateway = self.gateway.read()?;
        let mut opened = self.capture.open()?;
        overwrite_nothing(
            &outputs([("-w", self.write.as_ref()), ("--state-out", self.state_out.as_ref())]),
            self.gateway.files(&gateway).iter().chain([&self.capture.file]),
        )?;
        let detail = if self.json || watches || self.shows(Show::Packets) || self.shows(Show::Flows) {
            Detail::Events
        } else {
            Detail::Verdicts
        };
        let mut replay = Run::new(setup(&mut gateway, &self.capture, detail))?;
        self.gateway.warn(replay.engine())?;
        let mut written = self.written(&replay)?;
        let mut shown: Box<dyn Output> = match tracked {
            Some(tracked) => Box::new(tracked),
            None if self.json => Box::new(Lines::new(self.hex)),
            None => Box::new(Text::new(&self)),
        };
        let mut progress = Progress::start(self.json || watches || self.shows(Show::Packets));
        let ended = {
            let mut out = BufWriter::with_capacity(OUT_BYTES, io::stdout().lock());
            shown.start(&replay, &mut out)?;
            let ended = self.run(&mut replay, &mut opened, &mut progress, |record| {
                if let Some(written) = &mut written {
                    self.of_written(written.write(record))?;
                }
                Ok(shown.packet(record, &mut out)?)
            })?;
            progress.clear();
            shown.end(&replay, &mut out)?;
            out.flush()?;
            ended
        };
        if let Some(written) = written {
            self.of_written(written.finish())?;
        }
        if let Some(file) = &self.state_out {
            state::write(file, &replay.engine().save()).map_err(|error| anyhow!("{}: {error}", file.display()))?;
        }
        ended.map_err(|error| self.capture.at(error))?;
        let totals = replay.totals();
        match totals.first_unreadable {
            Some(why) if totals.unreadable == totals.packets => {
                Err(self.capture.at(format_args!("none of its packets can be read: {why}")))
            }
            Some(_) | None => shown.answer(),
        }
    }

    /// Replays until the end, `until`, damage or an error of `each`. The damage is the inner result.
    fn run(
        &self,
        replay: &mut Run,
        opened: &mut Opened,
        progress: &mut Progress,
        mut each: impl FnMut(&Record<'_>) -> Result<()>,
    ) -> Result<Result<(), CaptureError>> {
        let Opened { capture, read, size } = opened;
        let mut failed = Ok(());
        let ended = replay.run(capture, |record| {
            failed = each(record);
            progress.tell(record.number, read.load(Ordering::Relaxed), *size);
            failed.is_ok() && self.until.is_none_or(|until| record.number < until)
        });
        failed.map(|()| ended)
    }

    fn shows(&self, what: Show) -> bool {
        match (self.json || self.conntrack.is_some(), self.show.as_slice()) {
            (true, _) => false,
            (false, []) => what != Show::Bonds && (self.gateway.are_given() || what != Show::Packets),
            (false, chosen) => chosen.contains(&what),
        }
    }

    fn written(&self, replay: &Run) -> Result<Option<PcapngRecords<BufWriter<File>>>> {
        let Some(file) = &self.write else { return Ok(None) };
        let name = file.display();
        let out = File::create(file).map_err(|error| anyhow!("{name}: {error}"))?;
        let records = PcapngRecords::new(BufWriter::with_capacity(OUT_BYTES, out), replay.engine());
        Ok(Some(self.of_written(records)?))
    }

    /// Names the written file where writing it has failed.
    fn of_written<T>(&self, result: io::Result<T>) -> Result<T> {
        result.with_context(|| self.write.as_deref().unwrap_or(Path::new("-w")).display().to_string())
    }
}

/// How records are shown.
trait Output {
    fn start(&mut self, replay: &Run, out: &mut dyn Write) -> io::Result<()>;
    fn packet(&mut self, record: &Record<'_>, out: &mut dyn Write) -> io::Result<()>;
    fn end(&mut self, replay: &Run, out: &mut dyn Write) -> io::Result<()>;
    /// What the exit code says of it.
    fn answer(&self) -> Result<Answer> {
        Ok(Answer::Fine)
    }
}

impl Output for Replayed {
    fn start(&mut self, _: &Run, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn packet(&mut self, record: &Record<'_>, out: &mut dyn Write) -> io::Result<()> {
        self.tell(record.events, out)
    }

    fn end(&mut self, replay: &Run, out: &mut dyn Write) -> io::Result<()> {
        Self::end(self, replay.engine(), out)
    }

    fn answer(&self) -> Result<Answer> {
        Self::answer(self)
    }
}

/// As JSON.
struct Lines(JsonRecords);

impl Lines {
    fn new(hex: bool) -> Self {
        Self(JsonRecords::new(hex))
    }
}

impl Output for Lines {
    fn start(&mut self, replay: &Run, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.0.head(replay.engine()))
    }

    fn packet(&mut self, record: &Record<'_>, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{}", self.0.line(record))
    }

    fn end(&mut self, _: &Run, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }
}

/// For people.
struct Text {
    packets: Option<TextRecords>,
    flows: Option<Flows>,
    counts: Option<Summary>,
    shows_bonds: bool,
    colour: Colour,
}

impl Text {
    fn new(asked: &Replay) -> Self {
        let colour = colour();
        Self {
            packets: asked.shows(Show::Packets).then(|| TextRecords::new(colour)),
            flows: asked.shows(Show::Flows).then(Flows::new),
            counts: asked.shows(Show::Counts).then(Summary::new),
            shows_bonds: asked.shows(Show::Bonds),
            colour,
        }
    }
}

impl Output for Text {
    fn start(&mut self, _: &Run, _: &mut dyn Write) -> io::Result<()> {
        Ok(())
    }

    fn packet(&mut self, record: &Record<'_>, out: &mut dyn Write) -> io::Result<()> {
        if let Some(flows) = &mut self.flows {
            flows.note(record);
        }
        if let Some(counts) = &mut self.counts {
            counts.note(record);
        }
        match &mut self.packets {
            Some(packets) => writeln!(out, "{}", packets.line(record)),
            None => Ok(()),
        }
    }

    fn end(&mut self, replay: &Run, out: &mut dyn Write) -> io::Result<()> {
        let mut gap = if self.packets.is_some() { "\n" } else { "" };
        if let Some(flows) = self.flows.take() {
            let engine = replay.engine();
            let list = flows.list(engine.conntrack().entries(engine.now()), self.colour);
            if !list.is_empty() {
                write!(out, "{gap}{list}")?;
                gap = "\n";
            }
        }
        if self.shows_bonds {
            // A gateway without bonds has nothing to show, which is no error beside what else is shown.
            write!(out, "{gap}{}", bonds::text(replay.engine().devices(), None).unwrap_or_default())?;
            gap = "\n";
        }
        match self.counts.take() {
            Some(counts) => write!(out, "{gap}{}", counts.in_words(replay)),
            None => Ok(()),
        }
    }
}

/// Enough that a system call is rare.
const OUT_BYTES: usize = 64 << 10;
