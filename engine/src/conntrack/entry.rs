//! Connections and expectations as listings and events show them: plain data, copied out.

/// A connection as it was at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {}
