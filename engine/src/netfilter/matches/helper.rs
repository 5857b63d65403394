//! `-m helper`: which helper announced the packet's connection (Linux v6.18: `net/netfilter/xt_helper.c`, `helper_mt()`).

use alloc::{format, string::String};

use super::{Answer, Matching};
use crate::netfilter::{
    View,
    error::Flaw,
    program::facts::Facts,
    save::{
        options::{Given, Opt, Spec},
        text::{print_not, print_text},
    },
    walk::Depends,
};

/// The helper of the connection that announced the packet's own.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Helper {
    name: String,
    inverted: bool,
}

impl Matching for Helper {
    const SPEC: &'static Spec = &Spec { name: "helper", options: &[Opt::value(&["helper"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("helper", "`--helper NAME`")?;
        let word = item.value();
        if word.text.len() > NAME_BYTES_MAX {
            return Err(word.bad("a helper's name of at most 29 bytes"));
        }
        Ok(Self { name: word.text.clone(), inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(" --helper");
        print_text(out, &self.name);
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        // As in the kernel the text may go on behind a helper's name (`ftp-2121`), and the empty text means all.
        let is_meant = |name: &str| self.name.is_empty() || self.name.starts_with(name);
        Answer::from(announcer(view).is_some_and(is_meant) != self.inverted)
    }

    fn depends(&self) -> Depends {
        // The announcing connection may end, and with it the answer changes.
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match announcer(view) {
            Some(helper) => format!("was announced by helper {helper}"),
            None => "was announced by no helper".into(),
        }
    }
}

/// The name of the helper of the connection that announced the packet's own.
fn announcer<'v>(view: &'v View<'_>) -> Option<&'v str> {
    let connection = view.conntrack.connection(view.packet.meta().tracking.connection()?)?;
    view.conntrack.helper_name(view.conntrack.connection(connection.master()?)?.helper()?)
}

/// Linux: `struct xt_helper_info`, `name`, less its final zero.
const NAME_BYTES_MAX: usize = 29;
