//! What can be wrong with the files that describe a gateway.

use std::{error, fmt, io};

use towpath_engine::{CommandError, netfilter::RuleError, snapshot::SnapshotError, socket::SocketError};
use towpath_replay::{config::ConfigError, replay::SetupError};

use crate::plugin::PluginError;

/// Why a gateway cannot be made: the first mistake that was found, with its place.
#[derive(Debug)]
pub enum GatewayError {
    /// A file that was named on the command line cannot be read.
    Unreadable(String, io::Error),
    /// The configuration is wrong, or something that it names is: then the place is where it names it.
    Config(ConfigError),
    /// Rules are wrong.
    Rules(RuleError),
    /// A helper that no file names cannot be loaded.
    Helper(PluginError),
    /// The configuration in this file asks for what the engine cannot do.
    Command(String, CommandError),
    /// The snapshot of that file is not taken.
    Snapshot(String, SnapshotError),
    /// The configuration in this file wants something to be offered on this TCP port, and no socket can be had for it.
    Service(String, u16, SocketError),
}

impl GatewayError {
    /// What is wrong when the engine is set up after the configuration in `file`.
    pub(super) fn of_setup(file: &str, error: SetupError) -> Self {
        match error {
            SetupError::Rules(error) => Self::Rules(error),
            SetupError::Command(error) => Self::Command(file.to_owned(), error),
            SetupError::Snapshot(error) => Self::Snapshot(file.to_owned(), error),
        }
    }
}

impl fmt::Display for GatewayError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(file, error) => write!(f, "{file}: {error}"),
            Self::Config(error) => error.fmt(f),
            Self::Rules(error) => error.fmt(f),
            Self::Helper(error) => write!(f, "helper {error}"),
            Self::Command(file, error) => write!(f, "{file}: {error}"),
            Self::Snapshot(file, error) => write!(f, "{file}: {error}"),
            Self::Service(file, port, error) => {
                write!(f, "{file}: nothing can be offered on TCP port {port}: {}", error.meaning())
            }
        }
    }
}

impl error::Error for GatewayError {}

impl From<ConfigError> for GatewayError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl From<PluginError> for GatewayError {
    fn from(error: PluginError) -> Self {
        Self::Helper(error)
    }
}
