//! Why a snapshot is not restored.

use alloc::{boxed::Box, string::String};
use core::fmt;

use super::VERSION;
use crate::{command::CommandError, conntrack::calling::LoadError, netfilter::RuleError};

/// Why a snapshot is not restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SnapshotError {
    /// The bytes do not start as a snapshot does.
    NoSnapshot,
    /// It is of another version; the number is its own.
    Version(u32),
    /// It is longer than [`crate::limits::SNAPSHOT_BYTES_MAX`].
    TooLong(u64),
    /// It should have so many bytes and has so many.
    Length {
        /// What its header promises.
        promised: u64,
        /// What is there.
        found: u64,
    },
    /// Its checksum does not fit its bytes.
    Damaged,
    /// Its checksum fits, but its bytes are not those of this version.
    Malformed,
    /// A part contradicts itself or another one.
    Inconsistent(Part),
    /// A device, route or tunable cannot be as it says.
    Command(Box<CommandError>),
    /// It is of a gateway with other devices.
    OtherDevices {
        /// The first device that is not the same.
        device: String,
        /// In what: a word such as `addresses`.
        differs_in: &'static str,
    },
    /// Helpers have come or gone since it was read.
    OtherHelpers,
    /// Its rules are not taken.
    Rules(Box<RuleError>),
    /// A helper that was given is not taken.
    Helper(LoadError),
    /// It needs a helper that was not given.
    HelperMissing(String),
    /// It was made with another component of that name.
    HelperOther {
        /// Which helper.
        name: String,
        /// SHA-256 of the component that it was made with.
        saved: [u8; 32],
        /// SHA-256 of the one that was given.
        given: [u8; 32],
    },
}

/// A part of a snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// A bond.
    Bonds,
    /// The routes.
    Routes,
    /// The neighbours.
    Neighbours,
    /// The credit for ICMP errors.
    IcmpLimit,
    /// How large packets to hosts may be.
    PathMtus,
    /// What is remembered of other hosts.
    Destinations,
    /// Where rules stood, or what their matches remember.
    Rules,
    /// The helpers.
    Helpers,
    /// A connection.
    Connection,
    /// Which places of the table are taken.
    Places,
    /// Where connections are found.
    Index,
    /// Who sends from where.
    Sources,
    /// When connections run out.
    Timers,
    /// The expectations.
    Expectations,
    /// The counters.
    Counters,
    /// How much is traced.
    Trace,
}

impl Part {
    /// Refuses the snapshot for this part unless `condition` holds.
    pub(crate) const fn check(self, condition: bool) -> Result<(), SnapshotError> {
        if condition { Ok(()) } else { Err(SnapshotError::Inconsistent(self)) }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Bonds => "bonds",
            Self::Routes => "routes",
            Self::Neighbours => "neighbours",
            Self::IcmpLimit => "credit for ICMP errors",
            Self::PathMtus => "MTUs of paths",
            Self::Destinations => "what is remembered of destinations",
            Self::Rules => "rules",
            Self::Helpers => "helpers",
            Self::Connection => "connections",
            Self::Places => "places of the connection table",
            Self::Index => "index of connections",
            Self::Sources => "index of sources",
            Self::Timers => "timers",
            Self::Expectations => "expectations",
            Self::Counters => "counters",
            Self::Trace => "trace level",
        }
    }
}

impl fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSnapshot => f.write_str("this is no snapshot of a gateway"),
            Self::Version(found) => {
                let age = if *found > VERSION { "newer" } else { "older" };
                write!(f, "the snapshot has version {found}, {age} than {VERSION}, the only one that is read here")
            }
            Self::TooLong(bytes) => write!(f, "a snapshot of {bytes} bytes is longer than any that is written here"),
            Self::Length { promised, found } if found < promised => {
                write!(f, "the snapshot is cut: it should have {promised} bytes and has {found}")
            }
            Self::Length { promised, found } => {
                write!(f, "something follows the snapshot: it should have {promised} bytes and has {found}")
            }
            Self::Damaged => f.write_str("the snapshot is damaged: its checksum does not fit"),
            Self::Malformed => f.write_str("the snapshot is whole, but was not written by this program"),
            Self::Inconsistent(part) => {
                write!(f, "the snapshot contradicts itself: its {} cannot be right", part.name())
            }
            Self::Command(error) => write!(f, "the snapshot cannot be right: {error}"),
            Self::OtherDevices { device, differs_in } => write!(
                f,
                "the snapshot is of a gateway with other devices: '{device}' is not the same there ({differs_in}); \
                 number, order, names, kinds and addresses of devices must be"
            ),
            Self::OtherHelpers => f.write_str("the gateway has other helpers meanwhile; try again"),
            Self::Rules(error) => write!(f, "the snapshot's rules are not taken: {error}"),
            Self::Helper(error) => write!(f, "the snapshot is not taken: {error}"),
            Self::HelperMissing(name) => write!(f, "the snapshot needs the helper '{name}': load it too"),
            Self::HelperOther { name, saved, given } => write!(
                f,
                "the snapshot was made with another helper '{name}': its component is {}, this one {}",
                Short(saved),
                Short(given)
            ),
        }
    }
}

impl core::error::Error for SnapshotError {}

impl From<CommandError> for SnapshotError {
    fn from(error: CommandError) -> Self {
        Self::Command(Box::new(error))
    }
}

impl From<RuleError> for SnapshotError {
    fn from(error: RuleError) -> Self {
        Self::Rules(Box::new(error))
    }
}

/// The start of a component's hash; zeros stand for code that is compiled in.
struct Short<'a>(&'a [u8; 32]);

impl fmt::Display for Short<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.iter().all(|byte| *byte == 0) {
            return f.write_str("compiled in");
        }
        self.0[..6].iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}
