//! One packet's whole path, and what would have let it pass.
//!
//! [`explain`] replays a capture up to a packet, and [`Explanation`] tells that packet's record to people.
//! [`changes`] proposes changes for a packet that did not pass: single ones, each of which whoever asks can try, because
//! the same capture with a changed [`Setup`](crate::replay::Setup) is just another replay. What has not been tried is
//! only a proposal: another rule further down may still drop the packet.
//!
//! # As JSON
//!
//! `towpath explain --json` writes the two lines of a replay of that packet alone ([`crate::record`]: the head, then the
//! packet, its `path` with all steps), then a line with one object for each change that was tried and lets it pass:
//!
//! | field | what it is |
//! |---|---|
//! | `n` | the packet's number |
//! | `change` | `rule` (a line for `iptables` or `ip6tables`), `member` (a line for `ipset`), `helper` (a part of `gateway.toml`), `sysctl` (`name = value`), `host` (a part of `gateway.toml`), `checksums` (`trust`), or `hint` (a sentence that cannot be tried) |
//! | `text` | that |
//! | `why` | what it changes, in words |
//! | `verdict` | what becomes of the packet then; null for a hint |

mod change;
mod find;
mod flow;
mod near;
mod text;
mod unclaimed;

pub use self::{
    change::{Change, Proposal, changes},
    find::{ExplainError, explain},
    text::Explanation,
};

#[cfg(test)]
mod tests;
