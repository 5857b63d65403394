//! `-m hashlimit`: a rate for each group of packets (Linux v6.18: `net/netfilter/xt_hashlimit.c`, revision 3; reading and
//! printing as iptables 1.8.9 does, `extensions/libxt_hashlimit.c`).

use alloc::{format, string::String};
use core::{fmt::Write, time::Duration};

use super::{Answer, Matching};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        ends::{Ends, PortBytes, address_bits, masked, ports, prefix_mask},
        error::{Fault, Flaw, Noun},
        lists::{
            Claims, checked_name,
            hashlimit::{Buckets, CHUNK_SHIFT, Group, Level, SCALE, Shape, byte_cost, credits},
        },
        program::facts::Facts,
        save::{
            options::{Given, Item, Opt, Spec},
            text::Word,
            values,
        },
        walk::Depends,
    },
    wire::ipv6::is_extension,
};

/// A rate, a table by name, and what makes a group.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Hashlimit {
    above: bool,
    rate: Rate,
    mode: Mode,
    name: String,
    /// Bits of an address of its family.
    whole: u8,
    source_prefix: u8,
    destination_prefix: u8,
    /// 0 when not given.
    size: u32,
    max: u32,
    sweep_millis: u32,
    keep_millis: u32,
    rate_match: bool,
    /// 0 when neither given nor asked for.
    interval_secs: u32,
    /// Where the table was found last.
    hint: usize,
}

/// How much, as the kernel counts it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Rate {
    bytes: bool,
    average: u64,
    burst: u64,
}

/// A rate, and what it says of options that are not given.
#[derive(Clone, Copy, Debug)]
struct Asked {
    rate: Rate,
    /// Seconds in which it counts when it is matched.
    interval_secs: u32,
    /// How long a bucket is kept.
    keep_millis: u32,
}

/// What of a packet makes its group: bits in the order of [`MODES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Mode(u8);

impl Matching for Hashlimit {
    const SPEC: &'static Spec = &Spec {
        name: "hashlimit",
        options: &[
            Opt::value(&["hashlimit-upto", "hashlimit"]).inverting(),
            Opt::value(&["hashlimit-above"]).inverting(),
            Opt::value(&["hashlimit-burst"]),
            Opt::value(&["hashlimit-mode"]),
            Opt::value(&["hashlimit-name"]),
            Opt::value(&["hashlimit-srcmask"]),
            Opt::value(&["hashlimit-dstmask"]),
            Opt::value(&["hashlimit-htable-size"]),
            Opt::value(&["hashlimit-htable-max"]),
            Opt::value(&["hashlimit-htable-gcinterval"]),
            Opt::value(&["hashlimit-htable-expire"]),
            Opt::flag(&["hashlimit-rate-match"]),
            Opt::value(&["hashlimit-rate-interval"]),
        ],
    };
    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["hashlimit-upto", "hashlimit-above"])?;
        let (item, above) = match (given.find("hashlimit-upto"), given.find("hashlimit-above")) {
            (Some(item), _) => (item, item.inverted),
            (None, Some(item)) => (item, !item.inverted),
            (None, None) => return Err(given.needs("`--hashlimit-upto` or `--hashlimit-above` with a rate")),
        };
        let rate_match = given.has("hashlimit-rate-match");
        let Asked { rate, interval_secs, keep_millis } = Rate::parse(item, given.find("hashlimit-burst"), rate_match)?;
        let name = checked_name(given.need("hashlimit-name", "`--hashlimit-name`")?.value(), NAME_BYTES_MAX)?;
        let number = |option: &str, min: u32, default: u32| match given.find(option) {
            Some(item) => values::ranged(item.value(), u64::from(min), u64::from(u32::MAX), "a number of 32 bits")
                .map(|value| value as u32),
            None => Ok(default),
        };
        let whole = address_bits(given.family);
        let prefix = |option: &str| match given.find(option) {
            Some(item) => values::prefix_length(item.value(), given.family),
            None => Ok(whole),
        };
        Ok(Self {
            above,
            rate,
            mode: given.find("hashlimit-mode").map_or(Ok(Mode(0)), |item| Mode::parse(item.value()))?,
            name,
            whole,
            source_prefix: prefix("hashlimit-srcmask")?,
            destination_prefix: prefix("hashlimit-dstmask")?,
            size: number("hashlimit-htable-size", 0, 0)?,
            max: number("hashlimit-htable-max", 0, 0)?,
            sweep_millis: number("hashlimit-htable-gcinterval", 1, SWEEP_MILLIS)?,
            keep_millis: number("hashlimit-htable-expire", 1, keep_millis)?,
            rate_match,
            interval_secs: match given.find("hashlimit-rate-interval") {
                Some(item) => parse_interval(item.value())?,
                None if rate_match => interval_secs,
                None => 0,
            },
            hint: 0,
        })
    }

    fn print(&self, out: &mut String) {
        self.write(out, self.rate);
    }

    fn print_listed(&self, out: &mut String) {
        // The tool lists packets as if they were those of the whole interval, even where nothing counts by it.
        let interval = if self.rate.bytes { 1 } else { u64::from(self.interval_secs.max(1)) };
        self.write(out, Rate { average: self.rate.average.saturating_mul(interval), ..self.rate });
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let Some(ends) = Ends::of(view.packet) else { return Answer::No };
        let Some(group) = self.group(&ends, view) else { return Answer::Drop };
        let bytes = view.packet.network_len() as u32;
        let tables = &mut view.lists.hashlimit[view.packet.family().unwrap_or_default() as usize];
        let Some(buckets) = tables.find_mut(&self.name, &mut self.hint) else { return Answer::No };
        match buckets.take(view.now, group, bytes) {
            Level::Within => Answer::from(!self.above),
            Level::Above => Answer::from(self.above),
            Level::Full => Answer::Full,
        }
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, _: &View<'_>) -> String {
        let level = if self.above { "is within" } else { "is above" };
        format!("{level} the rate of its group in table {}", self.name)
    }

    fn claims(&self, claims: &mut Claims) {
        if !claims.hashlimit.iter().any(|(name, _)| *name == self.name) {
            claims.hashlimit.push((self.name.clone(), Buckets::new(self.shape())));
        }
    }
}

impl Hashlimit {
    /// Whether it holds for what is above its rate rather than within.
    pub(in crate::netfilter) const fn is_above(&self) -> bool {
        self.above
    }

    /// Writes its options, of another rate if need be.
    fn write(&self, out: &mut String, rate: Rate) {
        out.push_str(if self.above { " --hashlimit-above" } else { " --hashlimit-upto" });
        let keep_millis = rate.print(out);
        if self.mode.0 != 0 {
            out.push_str(" --hashlimit-mode ");
            self.mode.print(out);
        }
        let _ = write!(out, " --hashlimit-name {}", self.name);
        let mut option = |name: &str, value: u32, default: u32| {
            if value != default {
                let _ = write!(out, " --hashlimit-{name} {value}");
            }
        };
        option("htable-size", self.size, 0);
        option("htable-max", self.max, 0);
        option("htable-gcinterval", self.sweep_millis, SWEEP_MILLIS);
        option("htable-expire", self.keep_millis, keep_millis);
        option("srcmask", self.source_prefix.into(), self.whole.into());
        option("dstmask", self.destination_prefix.into(), self.whole.into());
        if self.rate_match {
            out.push_str(" --hashlimit-rate-match");
            if self.interval_secs != 1 {
                let _ = write!(out, " --hashlimit-rate-interval {}", self.interval_secs);
            }
        }
    }

    fn shape(&self) -> Shape {
        let size = if self.size == 0 { SIZE } else { self.size };
        Shape {
            bytes: self.rate.bytes,
            rate_match: self.rate_match,
            average: self.rate.average,
            burst: self.rate.burst,
            interval_secs: self.interval_secs,
            max: if self.max == 0 { size.saturating_mul(8) } else { self.max.max(size) },
            sweep: Duration::from_millis(u64::from(self.sweep_millis)),
            keep: Duration::from_millis(u64::from(self.keep_millis)),
        }
    }

    /// The packet's group; `None` when its ports are asked for and cannot be looked for: they are cut off, or the headers of IPv6 lead
    /// to none that has any (Linux v6.18: `net/ipv6/exthdrs_core.c`, `ipv6_skip_exthdr()`, which fails then).
    fn group(&self, ends: &Ends, view: &View<'_>) -> Option<Group> {
        let mut group = Group { family: ends.family, ..Group::default() };
        if self.mode.has(SOURCE) {
            group.source = masked(ends.source, prefix_mask(self.source_prefix));
        }
        if self.mode.has(DESTINATION) {
            group.destination = masked(ends.destination, prefix_mask(self.destination_prefix));
        }
        if !self.mode.has(SOURCE_PORT | DESTINATION_PORT) {
            return Some(group);
        }
        let packet = &view.packet;
        // Behind the headers of a later fragment, nothing is looked for.
        let is_later_v6 = ends.family == Family::Ipv6 && packet.fragment_offset() != 0;
        let (source, destination) = match ports(packet) {
            _ if is_later_v6 => (0, 0),
            _ if ends.family == Family::Ipv6 && is_extension(packet.protocol()) => return None,
            PortBytes::Here(source, destination) => (source, destination),
            PortBytes::None => (0, 0),
            PortBytes::Cut => return None,
        };
        if self.mode.has(SOURCE_PORT) {
            group.source_port = source;
        }
        if self.mode.has(DESTINATION_PORT) {
            group.destination_port = destination;
        }
        Some(group)
    }
}

impl Rate {
    /// Reads a rate and a burst. A rate that is matched is one of packets a second, counted in the unit (iptables:
    /// `hashlimit_mt_check()`).
    fn parse(item: &Item, burst: Option<&Item>, rate_match: bool) -> Result<Asked, Flaw> {
        let word = item.value();
        let mut asked = match parse_bytes_per_second(word)? {
            Some(average) => Self::in_bytes(average, burst)?,
            None => Self::in_packets(word, burst)?,
        };
        if rate_match && !asked.rate.bytes {
            asked.rate.average /= u64::from(asked.interval_secs);
        }
        match asked.rate.lacks(rate_match) {
            Some(needed) => Err(Fault::Needs { what: "-m hashlimit".into(), needed }.at(word.column)),
            None => Ok(asked),
        }
    }

    fn in_packets(word: &Word, burst: Option<&Item>) -> Result<Asked, Flaw> {
        let (average, seconds) = parse_packets(word)?;
        let burst = match burst {
            Some(item) => parse_burst(item.value())
                .filter(|burst| (1..=BURST_MAX).contains(burst))
                .ok_or_else(|| item.value().bad("a number of packets from 1 to 1000000"))?,
            None => BURST,
        };
        let (rate, interval_secs) = (Self { bytes: false, average, burst }, seconds as u32);
        Ok(Asked { rate, interval_secs, keep_millis: interval_secs * 1000 })
    }

    fn in_bytes(average: u64, burst: Option<&Item>) -> Result<Asked, Flaw> {
        let rate = Self { bytes: true, average, burst: 0 };
        let Some(item) = burst else { return Ok(Asked { rate, interval_secs: 1, keep_millis: KEEP_BYTES_MILLIS }) };
        let (word, least) = (item.value(), bytes_of(average));
        let wants =
            "a number of bytes such as 64kb, not less than the rate of one second; without b, kb or mb up to 1000000";
        let bytes = parse_burst(word).filter(|bytes| *bytes >= least && least > 0).ok_or_else(|| word.bad(wants))?;
        let rate = Self { burst: bytes.div_ceil(least), ..rate };
        Ok(Asked { rate, interval_secs: 1, keep_millis: KEEP_BURST_MILLIS })
    }

    /// What would have to be else (Linux v6.18: `net/netfilter/xt_hashlimit.c`, `hashlimit_mt_check_common()`).
    const fn lacks(self, rate_match: bool) -> Option<&'static str> {
        let Self { bytes, average, burst } = self;
        match (rate_match, bytes) {
            (true, _) if average == 0 => Some("a lower rate: there is no time left for a packet"),
            (false, true) if byte_cost(average) == 0 => Some("a lower rate: bytes would cost nothing, in Linux too"),
            (false, false) if credits(average.wrapping_mul(burst)) < credits(average) => {
                Some("a smaller `--hashlimit-burst` or a higher rate: together they overflow, in Linux too")
            }
            (true | false, _) => None,
        }
    }

    /// Writes it; gives how long a bucket is kept by default, in milliseconds.
    fn print(self, out: &mut String) -> u32 {
        if !self.bytes {
            // The longest unit in which the rate comes out nearly whole.
            let mut unit = &UNITS[0];
            for next in &UNITS[1..] {
                let period = SCALE * next.1;
                if self.average > period || period / self.average < period % self.average {
                    break;
                }
                unit = next;
            }
            let _ = write!(out, " {}/{} --hashlimit-burst {}", SCALE * unit.1 / self.average, unit.0, self.burst);
            return unit.1 as u32 * 1000;
        }
        let rate = bytes_of(self.average);
        // The tool's mask has 32 bits, so that greater rates are printed in bytes.
        let fits = |unit: u64| rate >= unit && cost_of(rate & u64::from(!(unit as u32 - 1))) == self.average;
        let (name, unit) = BYTE_UNITS.iter().find(|(_, unit)| fits(*unit)).unwrap_or(&BYTE_UNITS[2]);
        let _ = write!(out, " {}{name}b/s", rate / unit);
        if self.burst == 0 {
            return KEEP_BYTES_MILLIS;
        }
        let burst = rate * self.burst;
        let (name, unit) = BYTE_UNITS.iter().find(|(_, unit)| burst >= *unit).unwrap_or(&BYTE_UNITS[2]);
        let _ = write!(out, " --hashlimit-burst {}{name}b", burst / unit);
        KEEP_BURST_MILLIS
    }
}

impl Mode {
    fn parse(word: &Word) -> Result<Self, Flaw> {
        let mut bits = 0;
        for name in word.text.split([',', '|']).filter(|name| !name.is_empty()) {
            match MODES.iter().find(|(known, _)| *known == name) {
                Some((_, bit)) => bits |= bit,
                None => {
                    let names = MODES.iter().map(|(name, _)| *name);
                    return Err(Fault::unknown(Noun::Flag, name, names).at(word.column));
                }
            }
        }
        Ok(Self(bits))
    }

    const fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }

    fn print(self, out: &mut String) {
        let mut separator = "";
        for (name, _) in MODES.iter().filter(|(_, bit)| self.has(*bit)) {
            let _ = write!(out, "{separator}{name}");
            separator = ",";
        }
    }
}

/// Reads `packets[/unit]`; the start of a unit's name suffices. Gives millionths of a second a packet, and the unit's
/// seconds.
fn parse_packets(word: &Word) -> Result<(u64, u64), Flaw> {
    let wants = "a rate such as 5/minute or 512kb/s; at most 1000000/second";
    let (count, seconds) = match word.text.split_once('/') {
        Some((count, unit)) => {
            let unit = LONG_UNITS.iter().find(|(name, _)| values::starts(name, unit));
            (count, unit.ok_or_else(|| word.bad(wants))?.1)
        }
        None => (word.text.as_str(), 1),
    };
    let count = count.parse::<u64>().ok().filter(|count| *count > 0 && *count <= SCALE * seconds);
    Ok((SCALE * seconds / count.ok_or_else(|| word.bad(wants))?, seconds))
}

/// Reads `512kb/s`; the start of `second` suffices. `None` when it is not a rate in bytes.
fn parse_bytes_per_second(word: &Word) -> Result<Option<u64>, Flaw> {
    let Some((bytes, _)) =
        word.text.split_once('/').filter(|(text, unit)| text.ends_with('b') && values::starts("second", unit))
    else {
        return Ok(None);
    };
    let bytes = parse_bytes(bytes, |digits| digits.parse().ok());
    let bytes = bytes.filter(|bytes| *bytes > 0 && bytes >> CHUNK_SHIFT < u64::from(u32::MAX));
    bytes.map(cost_of).map(Some).ok_or_else(|| word.bad("a rate such as 512kb/s, in b, kb or mb"))
}

/// Reads `64kb`, `2mb`, `100b` or `100k`, and up to 1000000 without a unit.
fn parse_burst(word: &Word) -> Option<u64> {
    match values::number(&word.text) {
        Some(plain) => Some(plain).filter(|plain| *plain <= BURST_MAX),
        None => parse_bytes(&word.text, values::number),
    }
}

fn parse_bytes(text: &str, number: impl Fn(&str) -> Option<u64>) -> Option<u64> {
    let text = text.strip_suffix('b').unwrap_or(text);
    let (digits, unit) = BYTE_UNITS.iter().find_map(|(name, unit)| Some((text.strip_suffix(name)?, *unit)))?;
    number(digits)?.checked_mul(unit)
}

/// Reads seconds, in decimal whatever they begin with.
fn parse_interval(word: &Word) -> Result<u32, Flaw> {
    let seconds = word.text.parse().ok().filter(|seconds| (1..=INTERVAL_SECS_MAX).contains(seconds));
    seconds.ok_or_else(|| word.bad("a number of seconds from 1 to 2147483647"))
}

/// The share of a second that a chunk costs, in 2^32nds (iptables: `bytes_to_cost()`).
const fn cost_of(bytes: u64) -> u64 {
    u32::MAX as u64 / ((bytes >> CHUNK_SHIFT) + 1)
}

/// Bytes a second (iptables: `cost_to_bytes()`).
const fn bytes_of(cost: u64) -> u64 {
    match cost {
        0 => (u32::MAX as u64 - 1) << CHUNK_SHIFT,
        cost => (u32::MAX as u64 / cost - 1) << CHUNK_SHIFT,
    }
}

const NAME_BYTES_MAX: usize = 254;
const BURST: u64 = 5;
const BURST_MAX: u64 = 1_000_000;
const SWEEP_MILLIS: u32 = 1000;
const KEEP_BYTES_MILLIS: u32 = 15_000;
const KEEP_BURST_MILLIS: u32 = 60_000;
const INTERVAL_SECS_MAX: u32 = i32::MAX as u32;
/// Buckets of the kernel's hash on a machine with more than 1 GB.
const SIZE: u32 = 8192;

const SOURCE: u8 = 1 << 0;
const SOURCE_PORT: u8 = 1 << 1;
const DESTINATION: u8 = 1 << 2;
const DESTINATION_PORT: u8 = 1 << 3;

#[rustfmt::skip]
static MODES: [(&str, u8); 4] = [
    ("srcip",   SOURCE),
    ("srcport", SOURCE_PORT),
    ("dstip",   DESTINATION),
    ("dstport", DESTINATION_PORT),
];

#[rustfmt::skip]
static LONG_UNITS: [(&str, u64); 4] = [
    ("second", 1),
    ("minute", 60),
    ("hour",   60 * 60),
    ("day",    24 * 60 * 60),
];

/// As they are printed, the longest first.
#[rustfmt::skip]
static UNITS: [(&str, u64); 4] = [
    ("day",  24 * 60 * 60),
    ("hour", 60 * 60),
    ("min",  60),
    ("sec",  1),
];

#[rustfmt::skip]
static BYTE_UNITS: [(&str, u64); 3] = [
    ("m", 1 << 20),
    ("k", 1 << 10),
    ("",  1),
];
