//! The steps of a packet's path, as JSON and in words.
//!
//! | `step` | what it is | fields |
//! |---|---|---|
//! | `hook` | the packet enters a hook | `hook`, `pkt` |
//! | `zone` | connection tracking is asked about another zone than 0 | `id`; `dir`, the direction that alone is in it |
//! | `conntrack` | connection tracking has spoken | `state`, `dir`, `why` |
//! | `missed` | a rule did not match | `rule`, `part` (the condition), `why` (what the packet is instead) |
//! | `matched` | a rule matched | `rule` |
//! | `policy` | no rule decided, the chain's policy did | `table`, `chain`, `policy` |
//! | `translated` | an end of the connection was translated | `end` (`source` or `destination`), `from`, `to` |
//! | `local` | routing: the packet is for the gateway itself | |
//! | `routed` | routing: the packet leaves by a device | `dev` |
//! | `helper` | a helper did something | `text` |
//! | `options` | an options header of IPv6 is wrong | `header` (`hop-by-hop` or `destination`), `why` |
//! | `waits` | the packet's device waits for segments that continue it | |
//! | `joined` | its bytes go on in the packet of an earlier frame; what follows is that one's way, if it goes on now | |
//! | `released` | a packet that was held goes on before this one | `pkt` |
//! | `dropped` | the packet's way ended | `reason`, `meaning` |

use serde::Serialize;
use towpath_engine::{
    Engine,
    conntrack::{Direction, HelperEvent, HelperId, Reasoning, helper::HelperFailure},
    nat::Manip,
    netfilter::{RuleId, RuleInfo, TableName},
    trace,
    wire::ipv6_options::OptionsHeader,
};

use super::{Colour, Tint};

/// A step as JSON.
#[derive(Debug, Serialize)]
#[serde(tag = "step", rename_all = "lowercase")]
pub enum Step<'r> {
    /// The packet enters a hook.
    Hook {
        /// The hook's name.
        hook: &'static str,
        /// The packet there.
        pkt: &'r str,
    },
    /// Connection tracking is asked about another zone than 0.
    Zone {
        /// The zone's number.
        id: u16,
        /// The direction that alone is in it.
        #[serde(skip_serializing_if = "Option::is_none")]
        dir: Option<&'static str>,
    },
    /// Connection tracking has spoken.
    Conntrack {
        /// The packet's state.
        state: Option<&'static str>,
        /// Its direction.
        dir: Option<&'static str>,
        /// The reasoning.
        why: String,
    },
    /// A rule did not match.
    Missed {
        /// The rule.
        rule: Option<Rule>,
        /// Which of its conditions.
        part: Option<String>,
        /// What the packet is instead.
        why: &'r str,
    },
    /// A rule matched.
    Matched {
        /// The rule.
        rule: Option<Rule>,
    },
    /// A chain's policy has decided.
    Policy {
        /// The table.
        table: &'static str,
        /// The chain.
        chain: &'static str,
        /// `ACCEPT` or `DROP`.
        policy: &'static str,
    },
    /// The packet goes to an endpoint outside that stands for one inside.
    Admission {
        /// The one inside.
        inside: String,
        /// Whether whoever sends it may (`towpath.nat.filtering`).
        enters: bool,
    },
    /// An end of the connection was translated.
    Translated {
        /// `source` or `destination`.
        end: &'static str,
        /// The packet's tuple before.
        from: String,
        /// And after.
        to: String,
    },
    /// The packet is for the gateway itself.
    Local,
    /// The packet leaves by a device.
    Routed {
        /// The device's name.
        dev: Option<&'r str>,
    },
    /// A helper did something.
    Helper {
        /// What.
        text: &'r str,
    },
    /// An options header of IPv6 is wrong.
    Options {
        /// `hop-by-hop` or `destination`.
        header: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// Its device waits for segments that continue it.
    Waits,
    /// Its bytes go on in the packet of an earlier frame.
    Joined,
    /// A packet that was held goes on before this one.
    Released {
        /// It.
        pkt: &'r str,
    },
    /// The packet's way ended.
    Dropped {
        /// The drop reason.
        reason: &'static str,
        /// What it means.
        meaning: &'static str,
    },
}

/// A rule as JSON.
#[derive(Debug, Serialize)]
pub struct Rule {
    /// The file.
    pub file: String,
    /// The line in it, from 1.
    pub line: u32,
    /// The table.
    pub table: &'static str,
    /// The chain.
    pub chain: String,
    /// The rule as `iptables-save` prints it.
    pub text: String,
}

impl From<RuleInfo> for Rule {
    fn from(info: RuleInfo) -> Self {
        Self { file: info.file, line: info.line, table: info.table.name(), chain: info.chain, text: info.text }
    }
}

impl<'r> Step<'r> {
    /// A step that the engine has written down.
    #[must_use]
    pub fn new(engine: &'r Engine, step: &'r trace::Step) -> Self {
        let rule = |id: RuleId| engine.rules().find(id).map(Rule::from);
        match step {
            trace::Step::Hook(hook, packet) => Self::Hook { hook: hook.chain(), pkt: packet },
            trace::Step::Zone(zone) => {
                let only = [Direction::Original, Direction::Reply].into_iter().find(|way| zone.only_of(*way).is_some());
                Self::Zone { id: zone.id, dir: only.map(direction_word) }
            }
            trace::Step::Conntrack(said, why) => Self::Conntrack {
                state: match (said, why) {
                    (Some((state, _)), _) => Some(state.word()),
                    (None, Reasoning::Invalid(_)) => Some("INVALID"),
                    (None, _) => None,
                },
                dir: said.map(|(_, direction)| direction_word(direction)),
                why: why.to_string(),
            },
            trace::Step::Missed(_, id, part, why) => {
                Self::Missed { rule: rule(*id), part: engine.rules().part(*id, *part), why }
            }
            trace::Step::Matched(_, id) => Self::Matched { rule: rule(*id) },
            trace::Step::Policy(table, hook, accepts) => Self::Policy {
                table: TableName::name(*table),
                chain: hook.chain(),
                policy: if *accepts { "ACCEPT" } else { "DROP" },
            },
            trace::Step::Admission(inside, enters) => Self::Admission { inside: inside.to_string(), enters: *enters },
            trace::Step::Translated(manip, from, to) => Self::Translated {
                end: match manip {
                    Manip::Source => "source",
                    Manip::Destination => "destination",
                },
                from: from.to_string(),
                to: to.to_string(),
            },
            trace::Step::RoutedLocal => Self::Local,
            trace::Step::Routed(device) => {
                Self::Routed { dev: engine.devices().find(*device).map(|device| device.name.as_str()) }
            }
            trace::Step::Helper(text) => Self::Helper { text },
            trace::Step::Options(header, fault) => Self::Options {
                header: match header {
                    OptionsHeader::HopByHop => "hop-by-hop",
                    OptionsHeader::Destination => "destination",
                },
                why: fault.to_string(),
            },
            trace::Step::HeldToMerge => Self::Waits,
            trace::Step::Joined => Self::Joined,
            trace::Step::Released(packet) => Self::Released { pkt: packet },
            trace::Step::Dropped(reason) => Self::Dropped { reason: reason.name(), meaning: reason.meaning() },
        }
    }

    /// The step as lines for people; what happens within a hook is indented.
    #[must_use]
    pub fn in_words(&self, colour: Colour) -> String {
        let place = |rule: &Option<Rule>| match rule {
            Some(rule) => format!("{}:{} {} {}", rule.file, rule.line, rule.table, rule.text),
            None => "a rule that is gone".to_owned(),
        };
        match self {
            Self::Hook { hook, pkt } => format!("{} {pkt}", colour.paint(Tint::Strong, &format!("{hook:<12}"))),
            Self::Zone { id, dir: None } => format!("  zone       {id}"),
            Self::Zone { id, dir: Some(dir) } => format!("  zone       {id} of the {} direction", dir.to_lowercase()),
            Self::Conntrack { state, dir, why } => {
                format!("  conntrack  {} {}: {why}", state.unwrap_or("-"), dir.unwrap_or_default()).replace(" :", ":")
            }
            Self::Missed { rule, part, why } => {
                let part = part.as_deref().unwrap_or("?");
                let text = format!("  missed     {}\n               {part}: the packet {why}", place(rule));
                colour.paint(Tint::Quiet, &text)
            }
            Self::Matched { rule } => format!("  matched    {}", place(rule)),
            Self::Policy { table, chain, policy } => format!("  policy     {table} {chain} {policy}"),
            Self::Admission { inside, enters: true } => {
                format!("  let in     to {inside}, whose endpoint outside this is (towpath.nat.filtering)")
            }
            Self::Admission { inside, enters: false } => {
                format!(
                    "  kept out   of {inside}, whose endpoint outside this is: it has sent nothing there (towpath.nat.filtering)"
                )
            }
            Self::Translated { end, from, to } => format!("  translated {end}: {from} is now {to}"),
            Self::Local => "  routed     to this host".to_owned(),
            Self::Routed { dev } => format!("  routed     out by {}", dev.unwrap_or("?")),
            Self::Helper { text } => format!("  helper     {text}"),
            Self::Options { header, why } => format!("  options    {header}: {why}"),
            Self::Waits => "  waits      for segments that continue it".to_owned(),
            Self::Joined => "  merged     into the packet before it that it continues".to_owned(),
            Self::Released { pkt } => format!("  goes on    before it, what was held: {pkt}"),
            Self::Dropped { reason, meaning } => {
                format!("  {}    {reason}: {meaning}", colour.paint(Tint::Bad, "dropped"))
            }
        }
    }
}

/// The word for a direction.
pub(crate) const fn direction_word(direction: Direction) -> &'static str {
    match direction {
        Direction::Original => "ORIGINAL",
        Direction::Reply => "REPLY",
    }
}

/// What happened with a helper: which one, and a sentence.
#[must_use]
pub fn helper_event(event: &HelperEvent) -> (HelperId, String) {
    match event {
        HelperEvent::Failed { helper, connection, failure } => {
            let how = match failure {
                HelperFailure::Trap => "trapped",
                HelperFailure::Fuel => "used up its fuel",
                HelperFailure::Memory => "wanted more memory than it may have",
                HelperFailure::Contract => "gave an answer that breaks its contract",
            };
            (*helper, format!("{how} while it read {connection}"))
        }
        HelperEvent::Refused { helper, connection, refusal } => {
            let what = refusal.in_words(connection.family);
            (*helper, format!("may not {what}, as it wished while it read {connection}"))
        }
        HelperEvent::Detached { helper, connection, why } => {
            (*helper, format!("leaves {connection}, {}", why.in_words()))
        }
        HelperEvent::GivenUp { helper, connection, why } => {
            (*helper, format!("gives up a line of {connection}: {}", why.in_words()))
        }
        HelperEvent::Barred { helper, client } => {
            (*helper, format!("failed too often on what {client} says, and is shown no more of it for a while"))
        }
        HelperEvent::Quarantined(helper) => {
            (*helper, "failed for too many clients and is not called any more".to_owned())
        }
    }
}
