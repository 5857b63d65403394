//! Which connections are meant: the filters of conntrack(8).

use std::{
    fs,
    io::{self, Write},
    net::IpAddr,
    path::PathBuf,
};

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::{Args, ValueEnum};
use towpath::tracking::{Ends, Expected, Filter, Network, StateName, parse_protocol};
use towpath_engine::{
    Change,
    conntrack::{Family, Revision, SctpState, Status, TcpState, Tuple, labels::LabelNames},
    wire::Protocol,
};

/// Which connections are meant.
#[derive(Debug, Args)]
pub(super) struct Wanted {
    /// Layer 4 protocol, by name or number.
    #[arg(short = 'p', long = "protonum", visible_alias = "proto", value_parser = parse_protocol)]
    pub(super) protocol: Option<Protocol>,
    /// Layer 3 protocol.
    #[arg(short, long, value_enum)]
    family: Option<FamilyName>,
    /// Source address or network, in the original direction.
    #[arg(short = 's', long = "src", visible_alias = "orig-src", value_parser = Network::parse)]
    pub(super) orig_src: Option<Network>,
    /// Destination address or network, in the original direction.
    #[arg(short = 'd', long = "dst", visible_alias = "orig-dst", value_parser = Network::parse)]
    pub(super) orig_dst: Option<Network>,
    /// Which bits of the source address count, in the original direction.
    #[arg(long)]
    mask_src: Option<IpAddr>,
    /// Which bits of the destination address count, in the original direction.
    #[arg(long)]
    mask_dst: Option<IpAddr>,
    /// Source address or network, in the reply direction.
    #[arg(short = 'r', long, value_parser = Network::parse)]
    reply_src: Option<Network>,
    /// Destination address or network, in the reply direction.
    #[arg(short = 'q', long, value_parser = Network::parse)]
    reply_dst: Option<Network>,
    /// Source port, in the original direction.
    #[arg(long, visible_alias = "orig-port-src")]
    sport: Option<u16>,
    /// Destination port, in the original direction.
    #[arg(long, visible_alias = "orig-port-dst")]
    dport: Option<u16>,
    /// Source port, in the reply direction.
    #[arg(long)]
    reply_port_src: Option<u16>,
    /// Destination port, in the reply direction.
    #[arg(long)]
    reply_port_dst: Option<u16>,
    #[command(flatten)]
    message: Message,
    #[command(flatten)]
    keys: Keys,
    /// State of TCP or SCTP, such as ESTABLISHED.
    #[arg(long)]
    state: Option<String>,
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
    /// Status: ASSURED, SEEN_REPLY, UNREPLIED, FIXED_TIMEOUT, EXPECTED, OFFLOAD.
    #[arg(short = 'u', long, value_parser = parse_status)]
    status: Option<Wish>,
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
    #[arg(short, long, value_enum, value_delimiter = ',', ignore_case = true)]
    event_mask: Vec<Happening>,
}

/// What is asked of a ping or another message of ICMP or ICMPv6.
#[derive(Debug, Args)]
struct Message {
    /// Type of ICMP, in the original direction.
    #[arg(long)]
    icmp_type: Option<u8>,
    /// Code of ICMP, in the original direction.
    #[arg(long)]
    icmp_code: Option<u8>,
    /// Identifier of ICMP.
    #[arg(long)]
    icmp_id: Option<u16>,
    /// Type of ICMPv6, in the original direction.
    #[arg(long)]
    icmpv6_type: Option<u8>,
    /// Code of ICMPv6, in the original direction.
    #[arg(long)]
    icmpv6_code: Option<u8>,
    /// Identifier of ICMPv6.
    #[arg(long)]
    icmpv6_id: Option<u16>,
}

/// What is asked of GRE.
#[derive(Debug, Args)]
struct Keys {
    /// Source key, in the original direction.
    #[arg(long, visible_alias = "orig-key-src", value_parser = parse_key)]
    srckey: Option<u16>,
    /// Destination key, in the original direction.
    #[arg(long, visible_alias = "orig-key-dst", value_parser = parse_key)]
    dstkey: Option<u16>,
    /// Source key, in the reply direction.
    #[arg(long, value_parser = parse_key)]
    reply_key_src: Option<u16>,
    /// Destination key, in the reply direction.
    #[arg(long, value_parser = parse_key)]
    reply_key_dst: Option<u16>,
}

/// What is asked of a status.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Wish {
    set: Status,
    unreplied: bool,
    offloaded: bool,
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

impl FamilyName {
    const fn family(self) -> Family {
        match self {
            Self::Ipv4 => Family::Ipv4,
            Self::Ipv6 => Family::Ipv6,
        }
    }
}

impl Wanted {
    /// The same as a filter.
    pub(super) fn filter(&self) -> Result<Filter> {
        Ok(Filter {
            family: self.family.map(FamilyName::family),
            protocol: self.protocol,
            original: Ends {
                source: masked(self.orig_src, self.mask_src)?,
                destination: masked(self.orig_dst, self.mask_dst)?,
                source_port: self.sport.or(self.keys.srckey).or(self.message.icmp_id).or(self.message.icmpv6_id),
                destination_port: self.dport.or(self.keys.dstkey),
            },
            reply: Ends {
                source: self.reply_src,
                destination: self.reply_dst,
                source_port: self.reply_port_src.or(self.keys.reply_key_src),
                destination_port: self.reply_port_dst.or(self.keys.reply_key_dst),
            },
            mark: self.mark,
            labels: self.labels()?,
            zone: self.zone,
            original_zone: self.orig_zone,
            reply_zone: self.reply_zone,
            status: self.status.map(|wish| wish.set),
            unreplied: self.status.is_some_and(|wish| wish.unreplied),
            offloaded: self.status.is_some_and(|wish| wish.offloaded),
            kind: self.message.icmp_type.or(self.message.icmpv6_type),
            code: self.message.icmp_code.or(self.message.icmpv6_code),
            state: self.state()?,
            source_nat: self.src_nat,
            destination_nat: self.dst_nat,
            any_nat: self.any_nat,
            changes: self.changes(),
        })
    }

    /// The expectations of that family.
    pub(super) fn expected(&self) -> Expected {
        Expected { family: self.family.map(FamilyName::family), packet: None }
    }

    /// The packet that the options describe, if they tell it whole.
    pub(super) fn packet(&self) -> Option<Tuple> {
        let (source, destination) = (self.orig_src?, self.orig_dst?);
        Some(Tuple {
            source: source.address().into(),
            destination: destination.address().into(),
            source_port: self.sport.or(self.keys.srckey).unwrap_or(0),
            destination_port: self.dport.or(self.keys.dstkey).unwrap_or(0),
            protocol: self.protocol?.0,
            family: source.family(),
        })
    }
}

impl Wanted {
    /// The options that were given, as conntrack(8) calls them.
    pub(super) fn given(&self) -> impl Iterator<Item = &'static str> {
        // A network is an address with a mask.
        let is_part = |network: Option<Network>| network.is_some_and(|network| !network.is_whole());
        let options = [
            ("protonum", self.protocol.is_some()),
            ("family", self.family.is_some()),
            ("src", self.orig_src.is_some()),
            ("dst", self.orig_dst.is_some()),
            ("mask-src", self.mask_src.is_some() || is_part(self.orig_src)),
            ("mask-dst", self.mask_dst.is_some() || is_part(self.orig_dst)),
            ("reply-src", self.reply_src.is_some()),
            ("reply-dst", self.reply_dst.is_some()),
            ("mark", self.mark.is_some()),
            ("label", !self.label.is_empty()),
            ("zone", self.zone.is_some()),
            ("orig-zone", self.orig_zone.is_some()),
            ("reply-zone", self.reply_zone.is_some()),
            ("status", self.status.is_some()),
            ("src-nat", self.src_nat.is_some()),
            ("dst-nat", self.dst_nat.is_some()),
            ("any-nat", self.any_nat.is_some()),
            ("event-mask", !self.event_mask.is_empty()),
        ];
        options.into_iter().filter(|(_, is_given)| *is_given).map(|(option, _)| option)
    }

    /// The same of those that some protocols have.
    pub(super) fn of_protocols(&self) -> impl Iterator<Item = &'static str> {
        let (message, keys) = (&self.message, &self.keys);
        let options = [
            ("sport", self.sport.is_some()),
            ("dport", self.dport.is_some()),
            ("reply-port-src", self.reply_port_src.is_some()),
            ("reply-port-dst", self.reply_port_dst.is_some()),
            ("state", self.state.is_some()),
            ("icmp-type", message.icmp_type.is_some()),
            ("icmp-code", message.icmp_code.is_some()),
            ("icmp-id", message.icmp_id.is_some()),
            ("icmpv6-type", message.icmpv6_type.is_some()),
            ("icmpv6-code", message.icmpv6_code.is_some()),
            ("icmpv6-id", message.icmpv6_id.is_some()),
            ("srckey", keys.srckey.is_some()),
            ("dstkey", keys.dstkey.is_some()),
            ("reply-key-src", keys.reply_key_src.is_some()),
            ("reply-key-dst", keys.reply_key_dst.is_some()),
        ];
        options.into_iter().filter(|(_, is_given)| *is_given).map(|(option, _)| option)
    }

    /// Sees to it that a translation of both is not asked for together with one of either.
    pub(super) fn check_nat(&self) -> Result<()> {
        let of_one = self.src_nat.or(self.dst_nat).is_some();
        ensure!(!of_one || self.any_nat.is_none(), "cannot specify `--src-nat' or `--dst-nat' with `--any-nat'");
        Ok(())
    }

    /// Sees to it that all addresses are of one family, and that no mask is without its address.
    pub(super) fn check_families(&self) -> Result<()> {
        for (mask, address, name) in [(self.mask_src, self.orig_src, "src"), (self.mask_dst, self.orig_dst, "dst")] {
            ensure!(mask.is_none() || address.is_some(), "Can't use --mask-{name} without --{name}");
        }
        let networks = [self.orig_src, self.orig_dst, self.reply_src, self.reply_dst];
        let of_mask = |mask: IpAddr| if mask.is_ipv4() { Family::Ipv4 } else { Family::Ipv6 };
        let mut families = self
            .family
            .map(FamilyName::family)
            .into_iter()
            .chain(networks.into_iter().flatten().map(|network| network.family()))
            .chain([self.mask_src, self.mask_dst].into_iter().flatten().map(of_mask));
        let first = families.next();
        ensure!(families.all(|family| Some(family) == first), "mismatched address family");
        Ok(())
    }

    /// What labels are called, where they are shown. Without its file they are not, which is said on standard error, as by conntrack(8).
    pub(super) fn shown_names(&self) -> Result<Option<LabelNames>> {
        if let Err(error) = fs::metadata(&self.label_names) {
            let path = self.label_names.display();
            writeln!(io::stderr(), "towpath: {path}: {error}; labels are not shown")?;
            return Ok(None);
        }
        self.label_names().map(Some)
    }

    /// What labels are called.
    fn label_names(&self) -> Result<LabelNames> {
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
        Ok(Filter { mark: None, status: None, unreplied: false, offloaded: false, ..self.filter()? })
    }

    /// The state of its protocol that is meant.
    fn state(&self) -> Result<Option<StateName>> {
        let Some(text) = self.state.as_deref() else { return Ok(None) };
        let (of, names) = match self.protocol {
            Some(Protocol::SCTP) => {
                ("an SCTP", named(SctpState::ALL.map(|state| (state.name(), StateName::Sctp(state)))))
            }
            Some(_) | None => ("a TCP", named(TcpState::ALL.map(|state| (state.name(), StateName::Tcp(state))))),
        };
        match names.iter().find(|(name, _)| *name == text) {
            Some((_, state)) => Ok(Some(*state)),
            None => {
                let names: Vec<_> = names.iter().map(|(name, _)| *name).collect();
                bail!("'{text}' is no state: --state takes {of} state: {}", names.join(", "))
            }
        }
    }

    /// What is to become of it.
    pub(super) fn revision(&self) -> Result<Revision> {
        let Wish { set: status, unreplied, offloaded } = self.status.unwrap_or_default();
        ensure!(
            Revision::SETTABLE.contains(status) && !unreplied && !offloaded,
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

/// States and what they are called, whatever their number.
fn named<const N: usize>(states: [(&'static str, StateName); N]) -> Vec<(&'static str, StateName)> {
    states.into()
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

/// The tool takes names of status in either case.
fn parse_status(text: &str) -> Result<Wish, &'static str> {
    let mut wish = Wish::default();
    for word in text.split(',') {
        match word.to_ascii_uppercase().as_str() {
            "ASSURED" => wish.set.insert(Status::ASSURED),
            "SEEN_REPLY" => wish.set.insert(Status::SEEN_REPLY),
            "FIXED_TIMEOUT" => wish.set.insert(Status::FIXED_TIMEOUT),
            "EXPECTED" => wish.set.insert(Status::EXPECTED),
            "UNREPLIED" => wish.unreplied = true,
            "OFFLOAD" | "HW_OFFLOAD" => wish.offloaded = true,
            _ => {
                return Err(
                    "ASSURED, SEEN_REPLY, UNREPLIED, FIXED_TIMEOUT, EXPECTED or OFFLOAD, several with commas between",
                );
            }
        }
    }
    Ok(wish)
}

fn parse_key(text: &str) -> Result<u16, &'static str> {
    let number = text.strip_prefix("0x").map_or_else(|| text.parse(), |digits| u16::from_str_radix(digits, 16));
    number.map_err(|_| "a key such as 7 or 0x7, of 16 bits")
}
