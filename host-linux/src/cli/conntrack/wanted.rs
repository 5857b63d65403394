//! Which connections are meant: the filters of conntrack(8).

use std::{fs, net::IpAddr, path::PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use towpath::tracking::{Ends, Filter, Network, parse_protocol};
use towpath_engine::{
    Change,
    conntrack::{Family, Revision, Status, TcpState, labels::LabelNames},
    wire::Protocol,
};

/// Which connections are meant.
#[derive(Debug, Args)]
pub(super) struct Wanted {
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
    /// Which bits of the source address count, in the original direction.
    #[arg(long, requires = "orig_src")]
    mask_src: Option<IpAddr>,
    /// Which bits of the destination address count, in the original direction.
    #[arg(long, requires = "orig_dst")]
    mask_dst: Option<IpAddr>,
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
    /// A label that must be set; again for each that must be.
    #[arg(short, long = "label", value_name = "NAME")]
    label: Vec<String>,
    /// Where labels have their names.
    #[arg(long, value_name = "FILE", default_value = "/etc/xtables/connlabel.conf")]
    label_names: PathBuf,
    /// Zone.
    #[arg(short = 'w', long)]
    zone: Option<u16>,
    /// Zone of the original direction only.
    #[arg(long)]
    orig_zone: Option<u16>,
    /// Zone of the reply direction only.
    #[arg(long)]
    reply_zone: Option<u16>,
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
    /// What must have happened.
    #[arg(short, long, value_enum, value_delimiter = ',', ignore_case = true, requires = "event")]
    event_mask: Vec<Happening>,
}

/// What may happen to a connection or an expectation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "UPPER")]
enum Happening {
    All,
    New,
    Updates,
    Destroy,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FamilyName {
    Ipv4,
    Ipv6,
}

impl Wanted {
    /// The same as a filter.
    pub(super) fn filter(&self) -> Result<Filter> {
        Ok(Filter {
            family: self.family.map(|family| match family {
                FamilyName::Ipv4 => Family::Ipv4,
                FamilyName::Ipv6 => Family::Ipv6,
            }),
            protocol: self.protocol,
            original: Ends {
                source: masked(self.orig_src, self.mask_src)?,
                destination: masked(self.orig_dst, self.mask_dst)?,
                source_port: self.sport,
                destination_port: self.dport,
            },
            reply: Ends {
                source: self.reply_src,
                destination: self.reply_dst,
                source_port: self.reply_port_src,
                destination_port: self.reply_port_dst,
            },
            mark: self.mark,
            labels: self.labels()?,
            zone: self.zone,
            original_zone: self.orig_zone,
            reply_zone: self.reply_zone,
            status: self.status,
            state: self.state,
            source_nat: self.src_nat,
            destination_nat: self.dst_nat,
            any_nat: self.any_nat,
            changes: self.changes(),
        })
    }
}

impl Wanted {
    /// What labels are called.
    pub(super) fn label_names(&self) -> Result<LabelNames> {
        let path = self.label_names.display();
        let text = fs::read_to_string(&self.label_names)
            .with_context(|| format!("cannot read {path}, which says what labels are called"))?;
        LabelNames::parse(&text).map_err(|error| anyhow!("{path}:{error}"))
    }

    /// What must have happened; anything when it is empty.
    fn changes(&self) -> Vec<Change> {
        let change = |happening: &Happening| match happening {
            Happening::All => vec![Change::New, Change::Update, Change::Destroy],
            Happening::New => vec![Change::New],
            Happening::Updates => vec![Change::Update],
            Happening::Destroy => vec![Change::Destroy],
        };
        self.event_mask.iter().flat_map(change).collect()
    }

    /// The labels that must be set.
    fn labels(&self) -> Result<u128> {
        if self.label.is_empty() {
            return Ok(0);
        }
        let names = self.label_names()?;
        let bit = |name: &String| {
            let number = names.number(name);
            number
                .map(|number| 1 << number)
                .with_context(|| format!("{} names no label '{name}'", self.label_names.display()))
        };
        self.label.iter().map(bit).try_fold(0, |labels, bit| Ok(labels | bit?))
    }

    /// What is meant where mark and status say what is to become of it (`-U`).
    pub(super) fn to_change(&self) -> Result<Filter> {
        ensure!(
            self.zone.or(self.orig_zone).or(self.reply_zone).is_none(),
            "-U takes no zone, as conntrack(8) does not"
        );
        ensure!(self.state.is_none(), "-U leaves the state to the packets");
        Ok(Filter { mark: None, status: None, ..self.filter()? })
    }

    /// What is to become of it.
    pub(super) fn revision(&self) -> Result<Revision> {
        let status = self.status.unwrap_or_default();
        ensure!(
            Revision::SETTABLE.contains(status),
            "-U sets ASSURED, SEEN_REPLY and FIXED_TIMEOUT; EXPECTED stays as it is"
        );
        Ok(Revision { mark: self.mark, timeout_secs: None, status })
    }
}

/// A network of which a mask says more than its own length.
fn masked(network: Option<Network>, mask: Option<IpAddr>) -> Result<Option<Network>> {
    let Some((network, mask)) = network.zip(mask) else { return Ok(network) };
    match network.masked(mask) {
        Some(network) => Ok(Some(network)),
        None => bail!("the mask {mask} is of another family than the address that it is for"),
    }
}

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
