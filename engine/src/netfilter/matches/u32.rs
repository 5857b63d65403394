//! `-m u32`: numbers of four bytes anywhere in a packet, masked, shifted and compared (Linux v6.18:
//! `net/netfilter/xt_u32.c`, `u32_match_it()`; syntax as iptables 1.8.9, `extensions/libxt_u32.c`).

use alloc::{string::String, vec::Vec};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::{
    netfilter::{
        View,
        error::Flaw,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::{Word, print_not},
            values,
        },
        walk::Depends,
    },
    packet::Packet,
};

/// All tests have to hold.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct U32 {
    tests: Vec<Test>,
    inverted: bool,
}

/// How a number is found, and the ranges it may lie in.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Test {
    start: u32,
    steps: Vec<(Operator, u32)>,
    ranges: Vec<(u32, u32)>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    And,
    Left,
    Right,
    /// Moves the origin by the number found so far and reads again.
    At,
}

impl Matching for U32 {
    const SPEC: &'static Spec = &Spec { name: "u32", options: &[Opt::value(&["u32"]).inverting()] };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let item = given.need("u32", "`--u32 \"LOCATION=VALUES\"`")?;
        let mut reader = Reader { rest: item.value().text.as_str() };
        let tests = reader.tests().ok_or_else(|| wrong(item.value()))?;
        Ok(Self { tests, inverted: item.inverted })
    }

    fn print(&self, out: &mut String) {
        print_not(out, self.inverted);
        out.push_str(" --u32 \"");
        for (index, test) in self.tests.iter().enumerate() {
            out.push_str(if index == 0 { "" } else { "&&" });
            test.print(out);
        }
        out.push('"');
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        Answer::from(self.tests.iter().all(|test| test.holds(view.packet)) != self.inverted)
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        let failed = self.tests.iter().find(|test| !test.holds(view.packet));
        match failed.map(|test| test.number(view.packet)) {
            None => "has these numbers".into(),
            Some(None) => "ends before the number".into(),
            Some(Some(number)) => alloc::format!("has {number:#x} there"),
        }
    }
}

impl Test {
    fn holds(&self, packet: &Packet) -> bool {
        self.number(packet).is_some_and(|number| self.ranges.iter().any(|&(low, high)| (low..=high).contains(&number)))
    }

    /// The number that the steps lead to; `None` when the packet ends before.
    fn number(&self, packet: &Packet) -> Option<u32> {
        let mut origin = 0_u32;
        let mut number = read(packet, origin, self.start)?;
        for &(operator, operand) in &self.steps {
            match operator {
                Operator::And => number &= operand,
                Operator::Left => number = number.wrapping_shl(operand),
                Operator::Right => number = number.wrapping_shr(operand),
                Operator::At => {
                    origin = origin.checked_add(number)?;
                    number = read(packet, origin, operand)?;
                }
            }
        }
        Some(number)
    }

    fn print(&self, out: &mut String) {
        let _ = write!(out, "{:#x}", self.start);
        for (operator, operand) in &self.steps {
            let sign = OPERATORS.iter().find(|(_, known)| known == operator).map_or("", |(sign, _)| sign);
            let _ = write!(out, "{sign}{operand:#x}");
        }
        for (index, (low, high)) in self.ranges.iter().enumerate() {
            out.push(if index == 0 { '=' } else { ',' });
            let _ = match low == high {
                true => write!(out, "{low:#x}"),
                false => write!(out, "{low:#x}:{high:#x}"),
            };
        }
    }
}

/// Reads four bytes `origin + at` behind the start of the network header.
fn read(packet: &Packet, origin: u32, at: u32) -> Option<u32> {
    let start = usize::try_from(origin.checked_add(at)?).ok()?;
    let end = start.checked_add(4)?;
    if end > packet.network_len() {
        return None;
    }
    if let Some(&[a, b, c, d]) = packet.network_bytes().get(start..end) {
        return Some(u32::from_be_bytes([a, b, c, d]));
    }
    let all = core::iter::once(packet.network_bytes()).chain(packet.fragments()).flatten();
    let mut bytes = [0; 4];
    let mut found = 0;
    for (place, byte) in bytes.iter_mut().zip(all.skip(start)) {
        *place = *byte;
        found += 1;
    }
    (found == 4).then_some(u32::from_be_bytes(bytes))
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn tests(&mut self) -> Option<Vec<Test>> {
        let mut tests = Vec::new();
        loop {
            tests.push(self.test()?);
            if tests.len() > EACH_MAX {
                return None;
            }
            if self.at_end() {
                return Some(tests);
            }
            self.take("&&").then_some(())?;
        }
    }

    fn test(&mut self) -> Option<Test> {
        let start = self.number()?;
        let mut steps = Vec::new();
        while !self.take("=") {
            let (_, operator) = OPERATORS.iter().find(|(sign, _)| self.take(sign))?;
            let operand = self.number()?;
            // The kernel refuses shifts that leave nothing.
            let shifts = matches!(operator, Operator::Left | Operator::Right);
            (!shifts || operand < 32).then_some(())?;
            steps.push((*operator, operand));
        }
        let mut ranges = Vec::new();
        loop {
            let low = self.number()?;
            let high = if self.take(":") { self.number()? } else { low };
            ranges.push((low, high));
            if !self.take(",") {
                break;
            }
        }
        (steps.len() < EACH_MAX && ranges.len() <= EACH_MAX).then_some(Test { start, steps, ranges })
    }

    fn at_end(&mut self) -> bool {
        self.rest = self.rest.trim_start();
        self.rest.is_empty()
    }

    fn take(&mut self, sign: &str) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn number(&mut self) -> Option<u32> {
        self.rest = self.rest.trim_start();
        let length = self.rest.bytes().take_while(u8::is_ascii_alphanumeric).count();
        let (digits, rest) = self.rest.split_at(length);
        self.rest = rest;
        u32::try_from(values::number(digits)?).ok()
    }
}

fn wrong(word: &Word) -> Flaw {
    word.bad("tests such as `0>>22&0x3C@12=1:5,7 && 6&0xFF=17`, at most 10, each with at most 10 numbers and 10 ranges")
}

/// Linux: `XT_U32_MAXSIZE`: tests, numbers of a location and ranges.
const EACH_MAX: usize = 10;

/// `&&` ends a test and is not looked for here: a location ends with `=`.
static OPERATORS: [(&str, Operator); 4] =
    [("&", Operator::And), ("<<", Operator::Left), (">>", Operator::Right), ("@", Operator::At)];
