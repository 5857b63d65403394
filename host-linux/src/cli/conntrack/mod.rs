//! `towpath conntrack`: the connections of a running gateway, as conntrack(8) shows and deletes them.

use std::{
    io::{self, Write},
    net::IpAddr,
};

use anyhow::Result;
use clap::{Args, ValueEnum};
use towpath::{
    control::{Client, Reply, Request, Topic},
    tracking::{Ends, Filter, Format, Network, parse_protocol, write_statistics},
};
use towpath_engine::{
    conntrack::{Family, Status, TcpState, text::ExpectationLine},
    wire::Protocol,
};

use super::{Answer, Control};

/// Show, count or delete the connections of a running gateway.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
#[group(id = "what", required = true, multiple = false)]
pub(crate) struct Conntrack {
    /// List what is in the table.
    #[arg(short = 'L', long = "dump", group = "what")]
    list: bool,
    /// Show what comes, changes and goes, until interrupted.
    #[arg(short = 'E', long = "event", group = "what")]
    event: bool,
    /// Say how many there are.
    #[arg(short = 'C', long, group = "what")]
    count: bool,
    /// Show what connection tracking has counted.
    #[arg(short = 'S', long, group = "what")]
    stats: bool,
    /// Delete what the options describe, and show it. It is "no" (exit code 1) when there is nothing.
    #[arg(short = 'D', long, group = "what")]
    delete: bool,
    /// Empty the table.
    #[arg(short = 'F', long, group = "what")]
    flush: bool,
    /// The table.
    #[arg(value_enum, default_value_t = Table::Conntrack)]
    table: Table,
    #[command(flatten)]
    wanted: Wanted,
    /// How connections are shown.
    #[arg(short = 'o', long, value_enum, value_delimiter = ',')]
    output: Vec<Output>,
    #[command(flatten)]
    control: Control,
}

/// A table of conntrack(8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Table {
    /// Connections.
    Conntrack,
    /// Connections that are expected.
    Expect,
}

/// A way to show connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Output {
    /// As XML.
    Xml,
    /// With the family before each.
    Extended,
    /// With its number behind each; it is the gateway's own, from 1 on.
    Id,
    /// With its time before each event.
    Timestamp,
}

/// Which connections are meant.
#[derive(Debug, Args)]
struct Wanted {
    /// Layer 4 protocol, by name or number.
    #[arg(short = 'p', long = "protonum", visible_alias = "proto", value_parser = parse_protocol)]
    protocol: Option<Protocol>,
    /// Layer 3 protocol.
    #[arg(short, long, value_enum)]
    family: Option<FamilyName>,
    /// Source address or network, in the original direction.
    #[arg(short = 's', long = "src", visible_alias = "orig-src", value_parser = Network::parse)]
    orig_src: Option<Network>,
    /// Destination address or network, in the original direction.
    #[arg(short = 'd', long = "dst", visible_alias = "orig-dst", value_parser = Network::parse)]
    orig_dst: Option<Network>,
    /// Source address or network, in the reply direction.
    #[arg(short = 'r', long, value_parser = Network::parse)]
    reply_src: Option<Network>,
    /// Destination address or network, in the reply direction.
    #[arg(short = 'q', long, value_parser = Network::parse)]
    reply_dst: Option<Network>,
    /// Source port, in the original direction.
    #[arg(long, visible_alias = "orig-port-src", requires = "protocol")]
    sport: Option<u16>,
    /// Destination port, in the original direction.
    #[arg(long, visible_alias = "orig-port-dst", requires = "protocol")]
    dport: Option<u16>,
    /// Source port, in the reply direction.
    #[arg(long, requires = "protocol")]
    reply_port_src: Option<u16>,
    /// Destination port, in the reply direction.
    #[arg(long, requires = "protocol")]
    reply_port_dst: Option<u16>,
    /// TCP state, such as ESTABLISHED.
    #[arg(long, requires = "protocol", value_parser = parse_state)]
    state: Option<TcpState>,
    /// Connection mark, with a mask if need be: 0x1/0xff.
    #[arg(short, long, value_parser = parse_mark)]
    mark: Option<(u32, u32)>,
    /// Zone.
    #[arg(short = 'w', long)]
    zone: Option<u16>,
    /// Status: ASSURED, SEEN_REPLY, FIXED_TIMEOUT, EXPECTED.
    #[arg(short = 'u', long, value_parser = parse_status)]
    status: Option<Status>,
    /// Only with a translated source, to this address if one is given.
    #[arg(short = 'n', long, value_name = "IP", num_args = 0..=1)]
    src_nat: Option<Option<IpAddr>>,
    /// Only with a translated destination, to this address if one is given.
    #[arg(short = 'g', long, value_name = "IP", num_args = 0..=1)]
    dst_nat: Option<Option<IpAddr>>,
    /// Only with a translated source or destination, to this address if one is given.
    #[arg(short = 'j', long, value_name = "IP", num_args = 0..=1)]
    any_nat: Option<Option<IpAddr>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FamilyName {
    Ipv4,
    Ipv6,
}

impl From<Wanted> for Filter {
    fn from(wanted: Wanted) -> Self {
        Self {
            family: wanted.family.map(|family| match family {
                FamilyName::Ipv4 => Family::Ipv4,
                FamilyName::Ipv6 => Family::Ipv6,
            }),
            protocol: wanted.protocol,
            original: Ends {
                source: wanted.orig_src,
                destination: wanted.orig_dst,
                source_port: wanted.sport,
                destination_port: wanted.dport,
            },
            reply: Ends {
                source: wanted.reply_src,
                destination: wanted.reply_dst,
                source_port: wanted.reply_port_src,
                destination_port: wanted.reply_port_dst,
            },
            mark: wanted.mark,
            zone: wanted.zone,
            status: wanted.status,
            state: wanted.state,
            source_nat: wanted.src_nat,
            destination_nat: wanted.dst_nat,
            any_nat: wanted.any_nat,
        }
    }
}

impl Conntrack {
    pub(crate) fn main(self) -> Result<Answer> {
        let has = |output| self.output.contains(&output);
        let format = Format {
            xml: has(Output::Xml),
            extended: has(Output::Extended),
            id: has(Output::Id),
            timestamp: has(Output::Timestamp),
        };
        let (topic, name, table) = match self.table {
            Table::Conntrack => (Topic::Connections, "flow entries", "connection tracking"),
            Table::Expect => (Topic::Expectations, "expectations", "expectation"),
        };
        let asking = Asking { path: self.control.path(), topic, filter: self.wanted.into(), format };
        let mut out = io::stdout().lock();
        let (count, done) = if self.count || self.stats {
            asking.number(if self.count { Request::Count(topic) } else { Request::Tracking }, &mut out)?;
            return Ok(Answer::Fine);
        } else if self.flush {
            asking.number(Request::Flush(topic), &mut io::sink())?;
            writeln!(io::stderr(), "towpath: {table} table has been emptied.")?;
            return Ok(Answer::Fine);
        } else if self.delete {
            (asking.delete(&mut out)?, "deleted")
        } else {
            let request = if self.list { Request::List(topic) } else { Request::Watch(topic) };
            (asking.show(request, &mut out)?.len(), "shown")
        };
        out.flush()?;
        writeln!(io::stderr(), "towpath: {count} {name} have been {done}.")?;
        Ok(if self.delete && count == 0 { Answer::No } else { Answer::Fine })
    }
}

/// What is asked of which gateway.
struct Asking {
    path: std::path::PathBuf,
    topic: Topic,
    filter: Filter,
    format: Format,
}

impl Asking {
    /// Shows what a list or what happens brings and is wanted; gives the numbers of what was shown.
    fn show(&self, request: Request, out: &mut impl Write) -> Result<Vec<u64>> {
        let keeps = matches!(request, Request::List(_));
        let mut client = Client::ask(&self.path, request)?;
        let (mut shown, format) = (Vec::new(), self.format);
        format.start(out)?;
        while let Some(reply) = client.next_reply()? {
            let number = match &reply {
                Reply::Connection(entry) if self.filter.wants(entry) => {
                    format.write(out, entry, None)?;
                    entry.serial
                }
                Reply::ConnectionEvent(when, change, entry) if self.filter.wants(entry) => {
                    format.write(out, entry, Some((*when, *change)))?;
                    entry.serial
                }
                Reply::Expectation(entry) => {
                    writeln!(out, "{}", ExpectationLine { entry, change: None })?;
                    entry.id.0
                }
                Reply::ExpectationEvent(_, change, entry) => {
                    writeln!(out, "{}", ExpectationLine { entry, change: Some(*change) })?;
                    entry.id.0
                }
                Reply::Connection(_)
                | Reply::ConnectionEvent(..)
                | Reply::Stats(_)
                | Reply::Count(_)
                | Reply::Tracking(_)
                | Reply::State(_)
                | Reply::Text(_)
                | Reply::Logged(..)
                | Reply::Done
                | Reply::Refused(_)
                | Reply::CutOff(_) => continue,
            };
            if keeps {
                shown.push(number);
            }
        }
        format.end(out)?;
        Ok(shown)
    }

    /// Deletes what is wanted, and shows it; gives how many there were.
    fn delete(&self, out: &mut impl Write) -> Result<usize> {
        let doomed = self.show(Request::List(self.topic), out)?;
        for numbers in doomed.chunks(NUMBERS_A_REQUEST) {
            self.number(Request::Forget(self.topic, numbers.to_vec()), &mut io::sink())?;
        }
        Ok(doomed.len())
    }

    /// Writes the number, or numbers, that answer a request.
    fn number(&self, request: Request, out: &mut impl Write) -> Result<()> {
        let mut client = Client::ask(&self.path, request)?;
        while let Some(reply) = client.next_reply()? {
            if let Reply::Count(count) = &reply {
                writeln!(out, "{count}")?;
            } else if let Reply::Tracking(counted) = &reply {
                write_statistics(out, counted)?;
            }
        }
        Ok(())
    }
}

/// Numbers of one request: 2000 of at most 20 digits and a comma are 42 KB.
const NUMBERS_A_REQUEST: usize = 2000;

fn parse_state(text: &str) -> Result<TcpState, String> {
    let found = TcpState::ALL.into_iter().find(|state| state.name() == text);
    found.ok_or_else(|| {
        let names: Vec<_> = TcpState::ALL.iter().map(|state| state.name()).collect();
        format!("a TCP state: {}", names.join(", "))
    })
}

fn parse_mark(text: &str) -> Result<(u32, u32), &'static str> {
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    let (value, mask) = text.split_once('/').unwrap_or((text, "0xffffffff"));
    match (number(value), number(mask)) {
        (Ok(value), Ok(mask)) => Ok((value, mask)),
        (Err(_), _) | (_, Err(_)) => Err("a mark such as 7 or 0x7, or with a mask 0x7/0xf"),
    }
}

fn parse_status(text: &str) -> Result<Status, &'static str> {
    let mut status = Status::default();
    for word in text.split(',') {
        status.insert(match word {
            "ASSURED" => Status::ASSURED,
            "SEEN_REPLY" => Status::SEEN_REPLY,
            "FIXED_TIMEOUT" => Status::FIXED_TIMEOUT,
            "EXPECTED" => Status::EXPECTED,
            _ => return Err("ASSURED, SEEN_REPLY, FIXED_TIMEOUT or EXPECTED, several with commas between"),
        });
    }
    Ok(status)
}
