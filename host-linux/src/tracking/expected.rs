//! What an expectation must be to be shown or deleted.

use towpath_engine::conntrack::{ExpectationEntry, Family, Tuple};

/// What an expectation must be to be shown or deleted; what is `None` may be anything.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Expected {
    /// `-f`
    pub family: Option<Family>,
    /// The first packet that it announces (`-G`, `-D`). It is looked for in the default zone alone, as by conntrack(8).
    pub packet: Option<Tuple>,
}

impl Expected {
    /// Whether an expectation is wanted.
    #[must_use]
    pub fn wants(&self, entry: &ExpectationEntry) -> bool {
        self.family.is_none_or(|family| family == entry.tuple.family)
            && self.packet.is_none_or(|packet| entry.announces(0, &packet))
    }
}
