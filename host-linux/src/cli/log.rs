//! `towpath log`: what rules tell about packets, as it happens.

use std::{
    io::{self, Write},
    ops::ControlFlow,
};

use anyhow::Result;
use clap::{Args, ValueEnum};
use serde::Serialize;
use towpath::control::{Client, Heard, Logged};
use towpath_engine::{
    Instant, Packet,
    packet::{Pool, Summary},
};

use super::{Answer, Control, follow::follow};

/// Show what the LOG, TRACE, NFLOG and AUDIT rules of a running gateway tell, from now on.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// Only this; may be given more than once.
    #[arg(short, long, value_enum, value_name = "WHAT")]
    only: Vec<Kind>,
    /// Only packets of this NFLOG group.
    #[arg(short, long, value_name = "GROUP")]
    group: Option<u16>,
    /// Stop after so many.
    #[arg(short, long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    number: Option<u64>,
    /// One JSON object a line (towpath.log/1) instead of text.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    control: Control,
}

/// What a rule may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// Lines of LOG and TRACE rules.
    Log,
    /// Packets of NFLOG rules.
    Nflog,
    /// Records of AUDIT rules.
    Audit,
}

/// A line of JSON: `ts` in nanoseconds since the Unix epoch, `kind`, and what belongs to it.
#[derive(Serialize)]
struct Line<'l> {
    ts: u64,
    #[serde(flatten)]
    what: What<'l>,
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum What<'l> {
    Log {
        level: u8,
        line: &'l str,
    },
    Nflog {
        group: u16,
        prefix: &'l str,
        hook: &'static str,
        dev: Option<&'l str>,
        out: Option<&'l str>,
        mark: u32,
        mac: Option<&'l str>,
        pkt: String,
        hex: String,
    },
    Audit {
        record: &'l str,
    },
}

/// A line of JSON in the place of what is lost; nobody knows when that was.
#[derive(Serialize)]
struct Lost {
    kind: &'static str,
    lost: u64,
}

impl Log {
    pub(crate) fn main(self) -> Result<Answer> {
        let log = Client::log(&self.control.path())?;
        let mut out = io::stdout().lock();
        if self.json {
            writeln!(out, "{{\"schema\":\"towpath.log/1\"}}")?;
            out.flush()?;
        }
        let mut left = self.number;
        follow(log, out, |out, heard| {
            match heard {
                Heard::Told((when, logged)) if self.wants(&logged) => {
                    self.write(out, when, &logged)?;
                    left = left.map(|left| left - 1);
                }
                Heard::Lost(lost) if self.json => {
                    writeln!(out, "{}", serde_json::to_string(&Lost { kind: "lost", lost })?)?;
                }
                Heard::Told(_) | Heard::Lost(_) => {}
            }
            Ok(if left == Some(0) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        Ok(Answer::Fine)
    }

    fn wants(&self, logged: &Logged) -> bool {
        let (kind, group) = match logged {
            Logged::Log { .. } => (Kind::Log, None),
            Logged::Nflog { group, .. } => (Kind::Nflog, Some(*group)),
            Logged::Audit { .. } => (Kind::Audit, None),
        };
        (self.only.is_empty() || self.only.contains(&kind)) && (self.group.is_none() || self.group == group)
    }

    fn write(&self, out: &mut impl Write, when: Instant, logged: &Logged) -> io::Result<()> {
        let what = what(logged);
        if self.json {
            return writeln!(out, "{}", serde_json::to_string(&Line { ts: when.as_nanos(), what })?);
        }
        let (seconds, micros) = (when.as_nanos() / 1_000_000_000, when.as_nanos() / 1_000 % 1_000_000);
        write!(out, "[{seconds}.{micros:06}] ")?;
        match what {
            What::Log { level, line } => writeln!(out, "<{level}>{line}"),
            What::Audit { record } => writeln!(out, "{record}"),
            What::Nflog { group, prefix, hook, dev, out: by, pkt, .. } => {
                let (dev, by) = (dev.unwrap_or_default(), by.unwrap_or_default());
                writeln!(out, "nflog {group} {hook}: {prefix}IN={dev} OUT={by} {pkt}")
            }
        }
    }
}

fn what(logged: &Logged) -> What<'_> {
    match logged {
        Logged::Log { level, line } => What::Log { level: *level, line },
        Logged::Audit { record } => What::Audit { record },
        Logged::Nflog { group, prefix, hook, input, output, mark, source, bytes } => What::Nflog {
            group: *group,
            prefix,
            hook: hook.chain(),
            dev: input.as_deref(),
            out: output.as_deref(),
            mark: *mark,
            mac: source.as_deref(),
            pkt: notation(bytes),
            hex: bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        },
    }
}

/// A packet from its network header on, in the one notation, or how many bytes it has when they are too few to tell.
fn notation(bytes: &[u8]) -> String {
    let packet = Packet::from_network_bytes(&mut Pool::new(), bytes);
    packet.map_or_else(|_| format!("{} bytes", bytes.len()), |packet| Summary(&packet).to_string())
}
