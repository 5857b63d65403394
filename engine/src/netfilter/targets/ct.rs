//! `-j CT`: how a packet is to be tracked (Linux v6.18: `net/netfilter/xt_CT.c`).

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

use super::{Next, Targeting};
use crate::{
    conntrack::{Changes, EventMask, HelperId, Template, TemplateId, Tracking},
    netfilter::{
        RuleId, TableName, Verdict, View,
        error::{Fault, Flaw, Noun},
        save::{
            options::{Given, Opt, Spec},
            text::Word,
            values,
        },
    },
};

/// How a packet is to be tracked, or that it is not.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Ct {
    notrack: bool,
    helper_name: Option<String>,
    /// The helper is found, the zone is read; what compiling adds is where the rule set keeps it.
    template: Template,
    id: TemplateId,
}

impl Ct {
    /// Whether it attaches a helper.
    pub(in crate::netfilter) const fn names_helper(&self) -> bool {
        self.helper_name.is_some()
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
        ],
    };
    const TABLES: &'static [TableName] = &[TableName::Raw];

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let mut template = Template::default();
        let mut helper_name = None;
        if let Some(item) = given.find("helper") {
            let word = item.value();
            if given.header.only_protocol().is_none() {
                let needed = "`-p tcp` or `-p udp` in the same rule";
                return Err(Fault::Needs { what: "--helper".into(), needed }.at(item.column));
            }
            let found = given.helpers.iter().find(|(name, _)| *name == word.text);
            let (name, helper) = found.ok_or_else(|| {
                let known = given.helpers.iter().map(|(name, _)| name.to_string()).collect();
                Fault::Unknown { noun: Noun::Helper, name: word.text.clone(), nearest: None, known }.at(word.column)
            })?;
            template.helper = Some(*helper);
            helper_name = Some(name.to_string());
        }
        let events = given.find("ctevents").map(|item| parse_events(item.value(), &EVENTS)).transpose()?;
        let expected = given.find("expevents").map(|item| parse_events(item.value(), &EXPECTED_EVENTS)).transpose()?;
        if events.is_some() || expected.is_some() {
            template.events =
                Some(EventMask { connection: events.unwrap_or_default(), new_expectations: expected.is_some() });
        }
        if let Some(item) = given.find("zone") {
            template.zone = values::short(item.value(), "a zone's number from 0 to 65535")?;
        }
        Ok(Self { notrack: given.has("notrack"), helper_name, template, id: TemplateId(0) })
    }

    fn print(&self, out: &mut String) {
        if self.notrack {
            out.push_str(" --notrack");
        }
        if let Some(name) = &self.helper_name {
            out.push_str(&format!(" --helper {name}"));
        }
        if let Some(mask) = self.template.events {
            print_events(out, "ctevents", mask.connection, &EVENTS);
            let expected = if mask.new_expectations { Changes::NEW } else { Changes::default() };
            print_events(out, "expevents", expected, &EXPECTED_EVENTS);
        }
        if self.template.zone != 0 {
            out.push_str(&format!(" --zone {}", self.template.zone));
        }
    }

    fn apply(&mut self, rule: RuleId, view: &mut View<'_>) -> Next {
        let tracking = &mut view.packet.meta_mut().tracking;
        match (*tracking, self.notrack) {
            // An earlier rule has spoken, or the packet has been tracked already.
            (Tracking::Template(_) | Tracking::Untracked | Tracking::Invalid | Tracking::Tracked { .. }, _) => {
                Next::Rule
            }
            (Tracking::Unseen, true) => {
                *tracking = Tracking::Untracked;
                Next::Noted(Verdict::Untracked(rule))
            }
            (Tracking::Unseen, false) => {
                *tracking = Tracking::Template(self.id);
                Next::Noted(Verdict::Template(self.id, rule))
            }
        }
    }

    fn is_repeatable(&self) -> bool {
        // A helper is attached when a connection starts; in another zone the connection itself would be another.
        !self.notrack && self.template.zone == 0 && self.template.events.is_none()
    }
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
