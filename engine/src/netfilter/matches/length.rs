//! `-m length`: the length of the network packet (Linux v6.18: `net/netfilter/xt_length.c`, `length_mt()`).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::netfilter::{
    View,
    error::Flaw,
    header::Not,
    program::facts::Facts,
    save::{
        options::{Given, Opt, Spec},
        text::print_not,
        values,
    },
    walk::Depends,
};

/// Least and most bytes.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Length(Not<(u32, u32)>);

impl Matching for Length {
    const SPEC: &'static Spec = &Spec { name: "length", options: &[Opt::value(&["length"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("length", "`--length BYTES[:BYTES]`")?;
        let what = values::range(item.value(), u32::from(u16::MAX), "bytes or a range `least:most`, up to 65535")?;
        Ok(Self(Not { inverted: item.inverted, what }))
    }

    fn print(&self, out: &mut String) {
        let Not { inverted, what: (least, most) } = self.0;
        print_not(out, inverted);
        let _ = match least == most {
            true => write!(out, " --length {least}"),
            false => write!(out, " --length {least}:{most}"),
        };
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        let Not { inverted, what: (least, most) } = self.0;
        Answer::from((least as usize..=most as usize).contains(&view.packet.network_len()) != inverted)
    }

    fn covers(&self, narrower: &Self) -> bool {
        self.0.covers(&narrower.0)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        format!("has {} bytes", view.packet.network_len())
    }
}
