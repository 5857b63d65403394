//! Plays scripts on an engine, in virtual time.
//!
//! ```text
//!  script ── event by event ──► play ── calls ──────► program ──► sockets ┐
//!                                │  ├── packets in ──► numbers ──► wire ──► engine
//!                                │  └── packets out ◄─ numbers ◄── wire ◄──┘
//!                                └── pending: a call that waits, tried again whenever something has happened
//! ```
//!
//! Time goes on from event to event, and in between from timer to timer; what an event does takes none. A packet that must go
//! out is the oldest one that nobody has looked at, or the next one that comes, whenever that is: then its time is compared.
//! What a script does not ask for goes unseen, as long as nothing else is expected in its place.
//!
//! | file | what |
//! |---|---|
//! | [`settings`], [`verdict`] | with what, and how it has gone |
//! | `play` | the events one by one |
//! | `packets`, `compare` | packets in and out; what must be alike |
//! | `calls/` | system calls: their words; what they do is the [system](crate::system)'s |
//! | `numbers`, `wire`, `icmp`, `notation` | the script's numbers and those on the wire; bytes; letters |

mod calls;
mod compare;
mod icmp;
mod notation;
mod numbers;
mod packets;
mod play;
pub mod settings;
pub mod verdict;
mod wire;

pub use settings::Settings;
pub use verdict::{Difference, Unsupported, Verdict};

use crate::script::Script;

/// Plays a script strictly, and once more in the relaxed way when something differs.
#[must_use]
pub fn play(script: &Script, settings: &Settings) -> Verdict {
    let strict = match play::play(script, settings) {
        Ok(()) if settings.relaxed => None,
        Ok(()) => return Verdict::Strict,
        Err(play::Ended::Unsupported(unsupported)) => return Verdict::NotSupported(unsupported),
        Err(play::Ended::Differs(difference)) => Some(difference),
    };
    let relaxed = Settings { relaxed: true, ..settings.clone() };
    match (play::play(script, &relaxed), strict) {
        (Ok(()), Some(difference)) => Verdict::Relaxed(difference),
        (Ok(()), None) => Verdict::Strict,
        (Err(play::Ended::Unsupported(unsupported)), _) => Verdict::NotSupported(unsupported),
        (Err(play::Ended::Differs(difference)), _) => Verdict::Failed(difference),
    }
}
