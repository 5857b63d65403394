//! `-j CT`: how a packet is to be tracked (Linux v6.18: `net/netfilter/xt_CT.c`).
//!
//! A policy's name is printed whole. Linux hands four bytes of it to `iptables-save` (the target's `usersize` is that of an older
//! revision), so that what a kernel has saved may name no policy. Two of the zone's options in one rule, of which `iptables` makes
//! something that neither says, are refused.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{Next, Targeting};
use crate::{
    conntrack::{
        Changes, EventMask, Family, HelperId, Reach, Template, TemplateId, TimeoutId, TimeoutKind, TimeoutPolicies,
        Tracking, Zone, ZoneChoice,
    },
    netfilter::{
        RuleId, TableName, Verdict, View,
        error::{Fault, Flaw, Noun},
        save::{
            options::{Given, Item, Opt, Spec},
            text::Word,
            values,
        },
    },
    wire::Protocol,
};

/// How a packet is to be tracked, or that it is not.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Ct {
    notrack: bool,
    helper_name: Option<String>,
    timeout_name: Option<String>,
    /// The helper and the policy are found, the zone is read; what compiling adds is where the rule set keeps it.
    template: Template,
    id: TemplateId,
}

impl Ct {
    /// Whether it attaches a helper.
    pub(in crate::netfilter) const fn names_helper(&self) -> bool {
        self.helper_name.is_some()
    }

    /// Whether packets are tracked among those of whom nothing is said.
    pub(in crate::netfilter) fn keeps_zone(&self) -> bool {
        !self.notrack && self.template.zone == ZoneChoice::DEFAULT
    }

    /// The helper that it attaches.
    pub(in crate::netfilter) const fn helper(&self) -> Option<HelperId> {
        self.template.helper
    }
}

impl Targeting for Ct {
    const SPEC: &'static Spec = &Spec {
        name: "CT",
        options: &[
            Opt::flag(&["notrack"]),
            Opt::value(&["helper"]),
            Opt::value(&["ctevents"]),
            Opt::value(&["expevents"]),
            Opt::value(&["zone"]),
            Opt::value(&["zone-orig"]),
            Opt::value(&["zone-reply"]),
            Opt::value(&["timeout"]),
        ],
    };
    const TABLES: &'static [TableName] = &[TableName::Raw];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let mut template = Template::default();
        let mut helper_name = None;
        if let Some(item) = given.find("helper") {
            template.helper = helper(given, item)?;
            helper_name = Some(item.value().text.clone());
        }
        let events = given.find("ctevents").map(|item| parse_events(item.value(), &EVENTS)).transpose()?;
        let expected = given.find("expevents").map(|item| parse_events(item.value(), &EXPECTED_EVENTS)).transpose()?;
        if events.is_some() || expected.is_some() {
            template.events =
                Some(EventMask { connection: events.unwrap_or_default(), new_expectations: expected.is_some() });
        }
        template.zone = zone(given)?;
        let timeout = given.find("timeout");
        template.timeouts = timeout.map(|item| policy(given, item)).transpose()?.flatten();
        let timeout_name = timeout.map(|item| item.value().text.clone());
        Ok(Self { notrack: given.has("notrack"), helper_name, timeout_name, template, id: TemplateId(0) })
    }

    fn print(&self, out: &mut String) {
        if self.notrack {
            out.push_str(" --notrack");
        }
        if let Some(name) = &self.helper_name {
            out.push_str(&format!(" --helper {name}"));
        }
        if let Some(name) = &self.timeout_name {
            out.push_str(&format!(" --timeout {name}"));
        }
        if let Some(mask) = self.template.events {
            print_events(out, "ctevents", mask.connection, &EVENTS);
            let expected = if mask.new_expectations { Changes::NEW } else { Changes::default() };
            print_events(out, "expevents", expected, &EXPECTED_EVENTS);
        }
        let (reach, value) = match self.template.zone {
            ZoneChoice::Named(Zone { id: 0, .. }) => return,
            ZoneChoice::Named(Zone { id, reach }) => (reach, id.to_string()),
            ZoneChoice::OfMark(reach) => (reach, MARK.to_string()),
        };
        let option = ZONES.iter().find(|(_, known)| *known == reach).map_or("zone", |(option, _)| option);
        out.push_str(&format!(" --{option} {value}"));
    }

    fn apply(&mut self, rule: RuleId, view: &mut View<'_>) -> Next {
        let tracking = &mut view.packet.meta_mut().tracking;
        if !tracking.may_be_told() {
            // An earlier rule has spoken, or the packet has been tracked already.
            return Next::Rule;
        }
        let (told, verdict) = if self.notrack {
            (Tracking::Untracked, Verdict::Untracked(rule))
        } else {
            (Tracking::Template(self.id), Verdict::Template(self.id, rule))
        };
        *tracking = told;
        Next::Noted(verdict)
    }

    fn is_repeatable(&self) -> bool {
        // A helper is attached when a connection starts; in another zone the connection itself would be another.
        // What else it says holds for connections that start.
        !self.notrack && self.template.zone == ZoneChoice::DEFAULT && self.template.events.is_none()
    }
}

/// The helper that is named, which has to read the rule's protocol (Linux: `xt_ct_set_helper()`); `None` when it is not there and
/// needs not be.
fn helper(given: &Given<'_>, item: &Item) -> Result<Option<HelperId>, Flaw> {
    let word = item.value();
    let Some(protocol) = given.header.only_protocol() else {
        let needed = "`-p tcp` or `-p udp` in the same rule";
        return Err(Fault::Needs { what: "--helper".into(), needed }.at(item.column));
    };
    let found = given.helpers.iter().find(|helper| helper.name == word.text);
    let shipped = SHIPPED.iter().find(|(name, _)| found.is_none() && given.only_shown && *name == word.text);
    let reads = match (found, shipped) {
        (Some(helper), _) => helper.protocols.as_slice(),
        (None, Some((_, reads))) => core::slice::from_ref(reads),
        (None, None) if given.only_shown => return Ok(None),
        (None, None) => {
            let known = given.helpers.iter().map(|helper| helper.name.clone()).collect();
            let name = word.text.clone();
            return Err(Fault::Unknown { noun: Noun::Helper, name, nearest: None, known }.at(word.column));
        }
    };
    if given.family == Family::Ipv6 && IPV4_ONLY.contains(&word.text.as_str()) {
        let needed = "a rule of iptables: it reads IPv4 only";
        return Err(Fault::Needs { what: format!("--helper {}", word.text), needed }.at(word.column));
    }
    if !reads.contains(&protocol) {
        let needed = match reads.first() {
            Some(&Protocol::UDP) => "`-p udp`, the protocol that it reads",
            Some(_) | None => "`-p tcp`, the protocol that it reads",
        };
        return Err(Fault::Needs { what: format!("--helper {}", word.text), needed }.at(word.column));
    }
    Ok(found.map(|helper| helper.id))
}

/// The zone that is given, in one of three ways.
fn zone(given: &Given<'_>) -> Result<ZoneChoice, Flaw> {
    given.exclusive(&ZONES.map(|(option, _)| option))?;
    let found = ZONES.iter().find_map(|(option, reach)| Some((given.find(option)?, *reach)));
    Ok(match found {
        None => ZoneChoice::DEFAULT,
        Some((item, reach)) if item.value().text == MARK => ZoneChoice::OfMark(reach),
        Some((item, reach)) => ZoneChoice::Named(Zone::new(
            values::short(item.value(), "a zone's number from 0 to 65535, or `mark`")?,
            reach,
        )),
    })
}

/// The timeout policy that is named, which has to be one of the rule's family and protocol (Linux: `xt_ct_set_timeout()`); `None`
/// when it is not there and needs not be.
fn policy(given: &Given<'_>, item: &Item) -> Result<Option<TimeoutId>, Flaw> {
    let word = item.value();
    let Some(protocol) = given.header.only_protocol() else {
        let needed = "`-p` with a protocol in the same rule";
        return Err(Fault::Needs { what: "--timeout".into(), needed }.at(item.column));
    };
    let known = || given.timeouts.into_iter().flat_map(TimeoutPolicies::iter);
    let Some((id, policy)) = known().find(|(_, policy)| policy.name == word.text) else {
        if given.only_shown {
            return Ok(None);
        }
        let known = known().map(|(_, policy)| policy.name.clone()).collect();
        return Err(
            Fault::Unknown { noun: Noun::Timeout, name: word.text.clone(), nearest: None, known }.at(word.column)
        );
    };
    if policy.family != given.family {
        return Err(word.bad("a timeout policy of the rule's family"));
    }
    if policy.kind != TimeoutKind::of(protocol) {
        return Err(word.bad("a timeout policy of the rule's protocol"));
    }
    Ok(Some(id))
}

/// Reads names of events, with commas between them.
fn parse_events(word: &Word, names: &[(&str, Changes)]) -> Result<Changes, Flaw> {
    let mut events = Changes::default();
    for text in word.text.split(',') {
        match names.iter().find(|(name, _)| *name == text) {
            Some((_, event)) => events.insert(*event),
            None => return Err(Fault::unknown(Noun::Flag, text, names.iter().map(|(name, _)| *name)).at(word.column)),
        }
    }
    Ok(events)
}

fn print_events(out: &mut String, option: &str, events: Changes, names: &[(&str, Changes)]) {
    if events.is_empty() {
        return;
    }
    let set: Vec<&str> = names.iter().filter(|(_, event)| events.intersects(*event)).map(|(name, _)| *name).collect();
    out.push_str(&format!(" --{option} {}", set.join(",")));
}

/// Helpers of Linux that are registered for IPv4 alone (v6.18: `net/netfilter/nf_conntrack_irc.c`,
/// `nf_conntrack_netbios_ns.c`).
static IPV4_ONLY: [&str; 2] = ["irc", "netbios-ns"];

/// Helpers that come with Towpath and what they read, for rules that are shown where none is loaded.
static SHIPPED: [(&str, Protocol); 4] =
    [("ftp", Protocol::TCP), ("irc", Protocol::TCP), ("netbios-ns", Protocol::UDP), ("tftp", Protocol::UDP)];

/// A zone's options, and for which directions each is.
static ZONES: [(&str, Reach); 3] =
    [("zone", Reach::Both), ("zone-orig", Reach::Original), ("zone-reply", Reach::Reply)];

/// In the place of a zone's number: it is that of the packet's mark.
const MARK: &str = "mark";

/// In the order in which they are printed (iptables: `extensions/libxt_CT.c`).
#[rustfmt::skip]
static EVENTS: [(&str, Changes); 10] = [
    ("new",        Changes::NEW),
    ("related",    Changes::RELATED),
    ("destroy",    Changes::DESTROY),
    ("reply",      Changes::REPLY),
    ("assured",    Changes::ASSURED),
    ("protoinfo",  Changes::PROTOCOL),
    ("helper",     Changes::HELPER),
    ("mark",       Changes::MARK),
    ("natseqinfo", Changes::SEQUENCE),
    ("secmark",    Changes::SECURITY_MARK),
];

static EXPECTED_EVENTS: [(&str, Changes); 1] = [("new", Changes::NEW)];

impl Ct {
    /// What it asks for, unless that is not to be tracked.
    pub(in crate::netfilter) const fn template(&self) -> Template {
        self.template
    }

    /// Tells it where the rule set keeps its template.
    pub(in crate::netfilter) const fn set_id(&mut self, id: TemplateId) {
        self.id = id;
    }
}
