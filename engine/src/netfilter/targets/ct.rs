//! `-j CT`: how a packet is to be tracked (Linux v6.18: `net/netfilter/xt_CT.c`).

use alloc::{
    format,
    string::{String, ToString},
};

use super::{Next, Targeting};
use crate::{
    conntrack::{Template, TemplateId, Tracking},
    netfilter::{
        RuleId, TableName, Verdict, View,
        error::{Fault, Flaw, Noun},
        save::{
            options::{Given, Opt, Spec},
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

impl Targeting for Ct {
    const SPEC: &'static Spec =
        &Spec { name: "CT", options: &[Opt::flag(&["notrack"]), Opt::value(&["helper"]), Opt::value(&["zone"])] };
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
        !self.notrack && self.template.zone == 0
    }
}

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
