//! What can be wrong with a configuration, and where.

use core::{fmt, time::Duration};

use towpath_engine::device::{Feature, Kind, bond::OptionsError};

use crate::play::ScriptFault;

/// Why a configuration cannot be used: one mistake, the first that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConfigError {
    /// The file, as its reader named it.
    pub file: String,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
    /// What is wrong there.
    pub mistake: Mistake,
}

/// A mistake in a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// It is not TOML; the text is the TOML parser's.
    Syntax(String),
    /// A key that its table does not have.
    UnknownKey {
        /// The key.
        key: String,
        /// Where it stands: a table's name.
        table: &'static str,
        /// What may stand there.
        known: &'static [&'static str],
    },
    /// A key that a later version will know.
    NotYet(String),
    /// A key without which its table means nothing.
    Missing {
        /// The key.
        key: &'static str,
        /// The table's name.
        table: &'static str,
    },
    /// A value that is not what its key needs.
    Expected {
        /// The key.
        key: &'static str,
        /// What it needs.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// A number that lies outside its range.
    Range {
        /// The key.
        key: String,
        /// The least it may be.
        min: u64,
        /// The most it may be.
        max: u64,
        /// What is there.
        found: String,
    },
    /// Something that is there twice and must not be.
    Twice {
        /// What it is.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// More of something than there can be.
    TooMany {
        /// What it is.
        what: &'static str,
        /// How many there can be.
        max: usize,
    },
    /// A time after which so much is done again that it would be too much in all.
    TooOften {
        /// The key.
        key: &'static str,
        /// The least it may be.
        least: Duration,
        /// How many things are done each time.
        series: u64,
        /// What is there.
        found: String,
    },
    /// No interface at all.
    NoInterfaces,
    /// An interface that is not described.
    NoInterface(String),
    /// A next hop that lies in no interface's network.
    NextHop(String),
    /// Something is named that is not there.
    NoSuch {
        /// What it would be.
        what: &'static str,
        /// Its name.
        name: String,
    },
    /// A sysctl that is not known.
    NoSysctl(String),
    /// A sysctl that only says what there is.
    ReadOnlySysctl(String),
    /// A value of a sysctl that does not look as it has to.
    SysctlForm {
        /// Its name.
        name: String,
        /// What values of it look like.
        expected: &'static str,
        /// What is there.
        found: String,
    },
    /// The name that a VLAN would have is too long for a device.
    VlanName(String),
    /// A feature of a device that is not known.
    NoFeature(String),
    /// A state that connections of a protocol are never in.
    NoState {
        /// The protocol.
        protocol: &'static str,
        /// The state.
        state: &'static str,
        /// Those that it has.
        known: Vec<&'static str>,
    },
    /// A limit that is looser than the plugin's own.
    Looser {
        /// The key.
        key: &'static str,
        /// What the plugin allows itself.
        own: u64,
    },
    /// A packet or a line of a play that cannot be read.
    Script(ScriptFault),
    /// A key beside another one that excludes it.
    Beside {
        /// The key.
        key: &'static str,
        /// The other one.
        other: &'static str,
    },
    /// A key of a case that says something about its packet, in a case that has none.
    OnlyWithPacket(&'static str),
    /// A lab's host cannot have such hardware.
    Hardware(towpath_engine::device::napi::OptionsError),
    /// Frames of a port are those of its bond.
    PortOf {
        /// The bond's name.
        bond: String,
    },
    /// A bond that cannot be so.
    Bond(OptionsError),
    /// A file that the configuration names cannot be used; the text says which and why.
    File(String),
}

impl fmt::Display for ConfigError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}:{}: {}", self.file, self.line, self.column, self.mistake)
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Syntax(text) => out.write_str(text),
            Self::UnknownKey { key, table, known } => {
                write!(out, "{table} has no key '{key}'")?;
                match nearest(key, known) {
                    Some(meant) => write!(out, "; did you mean '{meant}'?"),
                    None => write!(out, "; it has {}", known.join(", ")),
                }
            }
            Self::NotYet(key) => write!(out, "'{key}' is not supported by this version"),
            Self::Missing { key, table } => write!(out, "{table} needs '{key}'"),
            Self::Expected { key, expected, found } => write!(out, "'{key}' must be {expected}, not {found}"),
            Self::Range { key, min, max, found } => {
                write!(out, "'{key}' must be a number from {min} to {max}, not {found}")
            }
            Self::Twice { what, name } => write!(out, "{what} '{name}' is there already"),
            Self::TooMany { what, max } => write!(out, "there can be {max} {what} at most"),
            Self::TooOften { key, least, series, found } => {
                write!(out, "'{key}' must be at least {least:?} where {series} series are taken down, not {found}")
            }
            Self::NoInterfaces => out.write_str("there is no [[interface]]: describe those of the gateway"),
            Self::NoInterface(name) => write!(out, "there is no [[interface]], [[bond]] or [[vlan]] named '{name}'"),
            Self::NoSuch { what, name } => write!(out, "there is no {what} named '{name}'"),
            Self::NextHop(via) => {
                write!(out, "{via} lies in no interface's network; say which one with 'interface'")
            }
            Self::NoSysctl(name) => write!(out, "there is no sysctl '{name}'"),
            Self::ReadOnlySysctl(name) => write!(out, "sysctl '{name}' can only be read"),
            Self::SysctlForm { name, expected, found } => write!(out, "'{name}' must be {expected}, not {found}"),
            Self::VlanName(name) => write!(out, "'{name}' is too long for a device's name; say another with 'name'"),
            Self::NoFeature(name) => {
                write!(out, "there is no feature '{name}'; there are")?;
                Feature::all()
                    .filter(|known| known.is_for(Kind::Physical))
                    .enumerate()
                    .try_for_each(|(index, known)| write!(out, "{} {}", if index == 0 { "" } else { "," }, known.name))
            }
            Self::NoState { protocol, state, known } => {
                write!(out, "{protocol} has no state '{state}'; it has {}", known.join(", "))
            }
            Self::Looser { key: key @ "loose", .. } => {
                write!(out, "'{key}' can only be false: the plugin's manifest says so, which can only be tightened")
            }
            Self::Looser { key, own } => {
                write!(out, "'{key}' can only tighten what the plugin's manifest says, and that is {own}")
            }
            Self::Script(fault) => fault.fmt(out),
            Self::Beside { key, other } => write!(out, "'{key}' cannot stand beside '{other}'"),
            Self::OnlyWithPacket(key) => {
                write!(out, "'{key}' stands beside 'packet' only; what is expected of one packet of many stands in ")?;
                out.write_str("[[case.expect]] with its number 'n'")
            }
            Self::Hardware(error) => write!(out, "this hardware cannot be: {error}"),
            Self::PortOf { bond } => write!(out, "its frames are those of '{bond}', whose port it is: name that"),
            Self::Bond(error) => write!(out, "this [[bond]] cannot be: {error}"),
            Self::File(text) => out.write_str(text),
        }
    }
}

impl core::error::Error for ConfigError {}

/// The known key that differs from `key` in one letter: one more, one less, another one, or two that changed places.
fn nearest(key: &str, known: &[&'static str]) -> Option<&'static str> {
    known.iter().copied().find(|candidate| {
        let (key, candidate) = (key.as_bytes(), candidate.as_bytes());
        let same_start = key.iter().zip(candidate).take_while(|(a, b)| a == b).count();
        let (key, candidate) =
            (key.get(same_start..).unwrap_or_default(), candidate.get(same_start..).unwrap_or_default());
        match (key, candidate) {
            ([a, b, key @ ..], [c, d, candidate @ ..]) if a == d && b == c => key == candidate,
            ([_, key @ ..], [_, candidate @ ..]) if key == candidate => true,
            ([_, longer @ ..], shorter) | (shorter, [_, longer @ ..]) if longer == shorter => true,
            ([_, ..] | [], _) => false,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_one_letter_is_recognised() {
        let known = &["addresses", "mtu", "name"];
        for (key, meant) in [
            ("adresses", Some("addresses")),
            ("addressess", Some("addresses")),
            ("addrseses", Some("addresses")),
            ("mtv", Some("mtu")),
            ("nam", Some("name")),
            ("names", Some("name")),
            ("ip", None),
        ] {
            assert_eq!(nearest(key, known), meant, "{key}");
        }
    }
}
