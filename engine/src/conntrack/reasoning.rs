//! Why connection tracking said what it said.

/// The reason for a classification, with the figures behind it. `Display` makes it a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reasoning {
    /// The packet starts a connection.
    Starts,
}
