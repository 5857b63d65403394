//! Segments as scripts write them.

use std::fmt;

use crate::script::{Ecn, Segment, TcpOption};

/// Flags by letter, from the lowest bit of the header on.
const LETTERS: [(char, u16); 9] = [
    ('F', 0x001),
    ('S', 0x002),
    ('R', 0x004),
    ('P', 0x008),
    ('.', 0x010),
    ('U', 0x020),
    ('E', 0x040),
    ('W', 0x080),
    ('A', 0x100),
];

/// ACK and SYN and so on as the header has them: nine bits, the last one from beside the header's length.
pub(super) fn flag_bits(letters: &str) -> u16 {
    LETTERS.iter().filter(|(letter, _)| letters.contains(*letter)).fold(0, |bits, (_, bit)| bits | bit)
}

/// The letters of flags.
pub(super) fn flag_letters(bits: u16) -> String {
    LETTERS.iter().filter(|(_, bit)| bits & bit != 0).map(|(letter, _)| letter).collect()
}

impl fmt::Display for Segment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags = if self.flags.is_empty() { "-" } else { &self.flags };
        write!(f, "{flags} {}:{}({})", self.start, self.start.wrapping_add(self.len), self.len)?;
        for (name, value) in
            [("ack", self.ack), ("win", self.window.map(u32::from)), ("urg", self.urgent.map(u32::from))]
        {
            if let Some(value) = value {
                write!(f, " {name} {value}")?;
            }
        }
        match self.options.as_deref() {
            None => f.write_str(" <...>"),
            Some([]) => Ok(()),
            Some(options) => {
                let options: Vec<String> = options.iter().map(ToString::to_string).collect();
                write!(f, " <{}>", options.join(","))
            }
        }
    }
}

impl fmt::Display for TcpOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        match self {
            Self::Nop => f.write_str("nop"),
            Self::End => f.write_str("eol"),
            Self::Mss(bytes) => write!(f, "mss {bytes}"),
            Self::WindowScale(shift) => write!(f, "wscale {shift}"),
            Self::SackPermitted => f.write_str("sackOK"),
            Self::Sack(blocks) => {
                f.write_str("sack")?;
                blocks.iter().try_for_each(|(start, end)| write!(f, " {start}:{end}"))
            }
            Self::Timestamps { value, echo } => write!(f, "TS val {value} ecr {echo}"),
            Self::FastOpen { experimental: true, cookie } => write!(f, "FOEXP {}", digits(cookie)),
            Self::FastOpen { experimental: false, cookie } => write!(f, "FO {}", digits(cookie)),
            Self::Md5(digest) => write!(f, "md5 {}", digits(digest)),
        }
    }
}

/// The two bits of an IP header; of [`Ecn::Ect01`] the lower one.
pub(super) const fn ecn_bits(ecn: Ecn) -> u8 {
    match ecn {
        Ecn::NotCapable => 0,
        Ecn::Ect1 => 1,
        Ecn::Ect0 | Ecn::Ect01 => 2,
        Ecn::CongestionExperienced => 3,
    }
}
