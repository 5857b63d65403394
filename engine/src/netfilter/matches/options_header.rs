//! `-m hbh` and `-m dst`: options of IPv6 (RFC 8200, sections 4.2, 4.3 and 4.6; Linux v6.18: `net/ipv6/netfilter/ip6t_hbh.c`,
//! `hbh_mt6()`).

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use super::{Answer, Matching, extension};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::Flaw,
        header::Not,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::Word,
            values,
        },
        walk::Depends,
    },
    wire::Protocol,
};

/// `-m hbh`
pub(in crate::netfilter) type HopByHop = OptionsHeader<true>;
/// `-m dst`
pub(in crate::netfilter) type DestinationOptions = OptionsHeader<false>;

/// What is asked of hop-by-hop options, or of destination options.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct OptionsHeader<const HOP_BY_HOP: bool> {
    /// Bytes of the header.
    len: Option<Not<u32>>,
    /// The options that it starts with: types, and lengths where they are asked for.
    options: Option<Vec<(u8, Option<u8>)>>,
}

static HBH: Spec = Spec { name: "hbh", options: &[Opt::value(&["hbh-len"]).inverting(), Opt::value(&["hbh-opts"])] };
static DST: Spec = Spec { name: "dst", options: &[Opt::value(&["dst-len"]).inverting(), Opt::value(&["dst-opts"])] };

impl<const HOP_BY_HOP: bool> OptionsHeader<HOP_BY_HOP> {
    const NAMES: [&'static str; 2] = if HOP_BY_HOP { ["hbh-len", "hbh-opts"] } else { ["dst-len", "dst-opts"] };
    const PROTOCOL: Protocol = if HOP_BY_HOP { Protocol::HOP_BY_HOP } else { Protocol::DESTINATION_OPTIONS };
}

impl<const HOP_BY_HOP: bool> Matching for OptionsHeader<HOP_BY_HOP> {
    const SPEC: &'static Spec = if HOP_BY_HOP { &HBH } else { &DST };
    const FAMILY: Option<Family> = Some(Family::Ipv6);

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let [len, options] = Self::NAMES;
        let options = given.find(options).map(|item| parse_options(item.value())).transpose()?;
        Ok(Self { len: extension::number(given, len)?, options })
    }

    fn print(&self, out: &mut String) {
        let [len, options] = Self::NAMES;
        extension::print_number(out, len, self.len);
        for (index, (kind, len)) in self.options.iter().flatten().enumerate() {
            let _ = match index {
                0 => write!(out, " --{options} {kind}"),
                _ => write!(out, ",{kind}"),
            };
            if let Some(len) = len {
                let _ = write!(out, ":{len}");
            }
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let bytes = match extension::find(view.packet, Self::PROTOCOL) {
            Ok(bytes) => bytes,
            Err(answer) => return answer,
        };
        let Some(&[_, len]) = bytes.first_chunk() else { return Answer::Drop };
        let header_len = extension::header_len(Self::PROTOCOL, len);
        let Some(header) = bytes.get(..header_len) else { return Answer::Drop };
        let has_len = self.len.is_none_or(|Not { inverted, what }| (what == header_len as u32) != inverted);
        let has_options = self.options.as_ref().is_none_or(|wanted| starts_with(&header[2..], wanted));
        Answer::from(has_len && has_options)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        extension::found(view.packet, Self::PROTOCOL, if HOP_BY_HOP { "hop-by-hop" } else { "destination options" })
    }
}

/// Whether options start with the wanted ones. What is asked for behind the header's end is not there.
fn starts_with(options: &[u8], wanted: &[(u8, Option<u8>)]) -> bool {
    let mut rest = options;
    for (index, &(kind, len)) in wanted.iter().enumerate() {
        let taken = match (rest, kind) {
            (&[found, ..], _) if found != kind => return false,
            (&[0, ..], _) => 1,
            (&[_, found, ..], _) if len.is_some_and(|len| len != found) => return false,
            (&[_, found, ..], _) => usize::from(found) + 2,
            (_, _) => return false,
        };
        // How far the last one goes is not asked.
        if index + 1 < wanted.len() && rest.len() < taken {
            return false;
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    true
}

/// Types, each with a length or without, as `TYPE[:LENGTH],…`; of greater numbers the low 8 bits count. Length 255 asks for
/// none.
fn parse_options(word: &Word) -> Result<Vec<(u8, Option<u8>)>, Flaw> {
    let wants = "up to 16 types of options, each with a length or without, `type:length,type`";
    let byte = |text: &str| values::number(text).map(|number| number as u8).ok_or_else(|| word.bad(wants));
    let one = |text: &str| match text.split_once(':') {
        None => Ok((byte(text)?, None)),
        Some((kind, len)) => Ok((byte(kind)?, Some(byte(len)?).filter(|len| *len != u8::MAX))),
    };
    let options = word.text.split(',').map(one).collect::<Result<Vec<_>, Flaw>>()?;
    if options.len() > OPTIONS_MAX { Err(word.bad(wants)) } else { Ok(options) }
}

/// Options that a rule may ask for (Linux: `IP6T_OPTS_OPTSNR`).
const OPTIONS_MAX: usize = 16;
