//! What an operator should see while a gateway runs.

use std::{fmt, io};

use towpath_engine::{
    Engine, Instant,
    conntrack::{HelperEvent, HelperId, Tuple, calling::Refusal, helper::HelperFailure},
};

/// Something that an operator should see. Its text is one line.
#[derive(Debug)]
pub enum Notice {
    /// A LOG rule's line.
    Log {
        /// When the packet was there.
        when: Instant,
        /// `--log-level`, 0 (emerg) to 7 (debug).
        level: u8,
        /// The line, as the kernel log shows it.
        line: String,
    },
    /// Something that happened with a helper.
    Helper {
        /// When.
        when: Instant,
        /// The helper's name.
        name: String,
        /// What.
        event: HelperEvent,
    },
    /// There was more of the same kind with a helper than is told.
    More {
        /// When the next one is told again.
        when: Instant,
        /// The helper's name.
        name: String,
        /// How much.
        more: u64,
    },
    /// A device went down or was removed.
    Device(String, io::Error),
    /// Something else has become of a device; the text says what.
    Changed(String, String),
    /// The process that withheld packets from the machine has ended.
    Unwithheld,
    /// So many notices were lost, because nobody has read those before them.
    Lost(u64),
}

impl Notice {
    /// What happened with a helper of `engine`.
    #[must_use]
    pub fn of_helper(engine: &Engine, when: Instant, event: HelperEvent) -> Self {
        let id = helper_of(&event);
        let name = engine.helpers().name(id).map_or_else(|| id.0.to_string(), str::to_owned);
        Self::Helper { when, name, event }
    }

    /// The name of the helper that it is about; empty when it is about none.
    pub(crate) fn helper_name(&self) -> &str {
        match self {
            Self::Helper { name, .. } | Self::More { name, .. } => name,
            Self::Log { .. } | Self::Device(..) | Self::Changed(..) | Self::Unwithheld | Self::Lost(_) => "",
        }
    }
}

const fn helper_of(event: &HelperEvent) -> HelperId {
    match event {
        HelperEvent::Failed { helper, .. }
        | HelperEvent::Refused { helper, .. }
        | HelperEvent::GivenUp { helper, .. }
        | HelperEvent::Detached { helper, .. }
        | HelperEvent::Barred { helper, .. }
        | HelperEvent::Quarantined(helper) => *helper,
    }
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Log { when, level, line } => write!(f, "{} <{level}>{line}", Stamp(*when)),
            Self::Helper { when, name, event } => {
                write!(f, "{} helper {name}: ", Stamp(*when))?;
                match event {
                    HelperEvent::Failed { connection, failure, .. } => failed(f, connection, *failure),
                    HelperEvent::Refused { connection, refusal, .. } => refused(f, connection, *refusal),
                    HelperEvent::Detached { connection, why, .. } => {
                        write!(f, "leaves a connection {} (connection {connection})", why.in_words())
                    }
                    HelperEvent::GivenUp { connection, why, .. } => {
                        write!(f, "gives up a line: {} (connection {connection})", why.in_words())
                    }
                    HelperEvent::Barred { client, .. } => {
                        write!(f, "failed too often on what {client} says, and is shown no more of it for a while")
                    }
                    HelperEvent::Quarantined(_) => {
                        f.write_str("failed for too many clients and is not called any more")
                    }
                }
            }
            Self::More { when, name, more } => {
                write!(f, "{} helper {name}: and {more} more of the same kind in the seconds before", Stamp(*when))
            }
            Self::Lost(count) => write!(f, "{count} notices are lost, because nobody has read them"),
            Self::Unwithheld => f.write_str(
                "packets are not withheld from the machine's own network stack any more: who did that has ended",
            ),
            Self::Changed(device, text) => write!(f, "device {device}: {text}"),
            Self::Device(device, error) => write!(f, "device {device}: {error}"),
        }
    }
}

fn failed(f: &mut fmt::Formatter<'_>, connection: &Tuple, failure: HelperFailure) -> fmt::Result {
    let how = match failure {
        HelperFailure::Trap => "trapped",
        HelperFailure::Fuel => "used up its fuel",
        HelperFailure::Memory => "wanted more memory than its manifest allows",
        HelperFailure::Contract => "answered what wit/helper.wit does not allow",
    };
    write!(f, "{how} (connection {connection})")
}

fn refused(f: &mut fmt::Formatter<'_>, connection: &Tuple, refusal: Refusal) -> fmt::Result {
    write!(f, "may not {} (connection {connection})", refusal.in_words(connection.family))
}

/// Unix time in seconds, as `conntrack -E -o timestamp` shows it.
struct Stamp(Instant);

impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos();
        write!(f, "[{}.{:06}]", nanos / 1_000_000_000, nanos / 1_000 % 1_000_000)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_logged_packet_is_shown_as_the_kernel_log_shows_it() {
        let when = Instant::from_nanos(12_000_345_678);
        let notice = Notice::Log { when, level: 4, line: "in: IN=lan OUT= SRC=10.0.0.2".to_owned() };
        assert_eq!(notice.to_string(), "[12.000345] <4>in: IN=lan OUT= SRC=10.0.0.2");
    }

    #[test]
    fn a_helpers_trouble_is_told_with_its_name() {
        let (engine, when) = (Engine::new(0), Instant::ZERO);
        let notice = Notice::of_helper(&engine, when, HelperEvent::Quarantined(HelperId(3)));
        assert_eq!(notice.to_string(), "[0.000000] helper 3: failed for too many clients and is not called any more");
    }
}
