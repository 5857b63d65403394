//! `-m tcpmss`: the segment size that a TCP segment offers (Linux v6.18: `net/netfilter/xt_tcpmss.c`, `tcpmss_mt()`).

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::{
    netfilter::{
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
    },
    packet::Packet,
    wire::{Protocol, TcpHeader, tcp_options::TcpOptions},
};

/// The size offered has to be in this range. A segment that offers none counts as outside.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Tcpmss {
    low: u16,
    high: u16,
    inverted: bool,
}

impl Matching for Tcpmss {
    const SPEC: &'static Spec = &Spec { name: "tcpmss", options: &[Opt::value(&["mss"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        given.header.need_protocol(&[Protocol::TCP], "-m tcpmss", given.column, "`-p tcp` in the same rule")?;
        let item = given.need("mss", "`--mss BYTES` or `--mss LOW:HIGH`")?;
        let wants = "a number of bytes up to 65535 or a range `low:high`";
        let (low, high) = values::range(item.value(), u32::from(u16::MAX), wants)?;
        if low > high {
            return Err(item.value().bad(wants));
        }
        Ok(Self { low: low as u16, high: high as u16, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        let _ = match self.low == self.high {
            true => write!(out, " --mss {}", self.low),
            false => write!(out, " --mss {}:{}", self.low, self.high),
        };
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        match offered(view.packet) {
            Err(Broken) => Answer::Drop,
            Ok(None) => Answer::from(self.inverted),
            Ok(Some(mss)) => Answer::from((self.low..=self.high).contains(&mss) != self.inverted),
        }
    }

    fn covers(&self, narrower: &Self) -> bool {
        // A segment that offers none is in no range.
        let sizes = |asked: &Self| Not { inverted: asked.inverted, what: (asked.low, asked.high) };
        sizes(self).covers(&sizes(narrower))
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        match offered(view.packet) {
            Err(Broken) => "has a broken TCP header".into(),
            Ok(None) => "offers no segment size".into(),
            Ok(Some(mss)) => format!("offers segments of {mss} bytes"),
        }
    }
}

/// The header or its options end too early.
struct Broken;

/// The segment size in the options, as the kernel reads them: any option of that kind whose length is right.
fn offered(packet: &Packet) -> Result<Option<u16>, Broken> {
    let bytes = packet.transport_bytes();
    let Some(&length) = bytes.get(LENGTH_AT).filter(|_| bytes.len() >= TcpHeader::LEN) else { return Err(Broken) };
    let length = usize::from(length >> 4) * 4;
    let mut rest = bytes.get(TcpHeader::LEN..length).ok_or(Broken)?;
    loop {
        match *rest {
            [] => return Ok(None),
            [TcpOptions::MSS, 4, high, low, ..] => return Ok(Some(u16::from_be_bytes([high, low]))),
            [TcpOptions::END | TcpOptions::NOP, ..] | [_] | [_, 0, ..] => rest = &rest[1..],
            [_, step, ..] => rest = rest.get(usize::from(step)..).unwrap_or_default(),
        }
    }
}

/// Where the header's length stands.
const LENGTH_AT: usize = 12;
