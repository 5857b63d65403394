//! `-m frag`: the fragment header of IPv6 (RFC 8200, section 4.5; Linux v6.18: `net/ipv6/netfilter/ip6t_frag.c`,
//! `frag_mt6()`). Rules see one only where reassembly has let it pass: of a fragment that cannot be one.

use alloc::{format, string::String};
use core::fmt::Write;

use super::{
    Answer, Matching,
    extension::{self, Numbers},
};
use crate::{
    conntrack::Family,
    netfilter::{
        View,
        error::Flaw,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            values,
        },
        walk::Depends,
    },
    wire::{Protocol, ipv6::FragmentHeader},
};

/// What is asked of a fragment header. Everything given has to hold.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Frag {
    ids: Numbers,
    /// A length that is printed, and of which nothing is asked, as in Linux.
    len: Option<u32>,
    /// Reserved bits have to be zero.
    reserved: bool,
    /// It has to be the first.
    first: bool,
    /// Others have to follow, or none.
    more: Option<bool>,
}

impl Matching for Frag {
    const SPEC: &'static Spec = &Spec {
        name: "frag",
        options: &[
            Opt::value(&["fragid"]).inverting(),
            Opt::value(&["fraglen"]),
            Opt::flag(&["fragres"]),
            Opt::flag(&["fragfirst"]),
            Opt::flag(&["fragmore"]),
            Opt::flag(&["fraglast"]),
        ],
    };
    const FAMILY: Option<Family> = Some(Family::Ipv6);

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.exclusive(&["fragmore", "fraglast"])?;
        let len = given.find("fraglen").map(|item| values::mark(item.value())).transpose()?;
        let more = given.has("fragmore").then_some(true).or(given.has("fraglast").then_some(false));
        Ok(Self {
            ids: Numbers::parse(given, "fragid")?,
            len,
            reserved: given.has("fragres"),
            first: given.has("fragfirst"),
            more,
        })
    }

    fn print(&self, out: &mut String) {
        self.ids.print(out, "fragid");
        if let Some(len) = self.len {
            let _ = write!(out, " --fraglen {len}");
        }
        out.push_str(if self.reserved { " --fragres" } else { "" });
        out.push_str(if self.first { " --fragfirst" } else { "" });
        out.push_str(match self.more {
            None => "",
            Some(true) => " --fragmore",
            Some(false) => " --fraglast",
        });
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let bytes = match extension::find(view.packet, Protocol::FRAGMENT) {
            Ok(bytes) => bytes,
            Err(answer) => return answer,
        };
        let Some(header) = FragmentHeader::read(bytes) else { return Answer::Drop };
        let is_reserved_zero = header.reserved == 0 && header.offset_more.get() & RESERVED == 0;
        Answer::from(
            self.ids.hold(header.id.get())
                && (!self.reserved || is_reserved_zero)
                && (!self.first || header.offset() == 0)
                && self.more.is_none_or(|more| more == header.more()),
        )
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match extension::find(view.packet, Protocol::FRAGMENT).ok().and_then(FragmentHeader::read) {
            Some(header) => format!("has fragment {} at {}", header.id.get(), header.offset()),
            None => "has no fragment header".into(),
        }
    }
}

/// The reserved bits beside the offset.
const RESERVED: u16 = 0x0006;
