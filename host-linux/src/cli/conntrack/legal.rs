//! Which options of conntrack(8) go with which of its commands, and what it says of those that do not (conntrack-tools 1.4.7, asked
//! one by one).

use anyhow::{Result, bail, ensure};
use towpath_engine::wire::Protocol;

use super::{Question, Table};

impl Question {
    /// Refuses options that conntrack(8) does not take together.
    pub(super) fn check(&self) -> Result<()> {
        ensure!(self.list || !self.table.is_empty(), "Can't do that command with tables `dying' and `unconfirmed'");
        ensure!(!self.update || self.table != Table::Expect, "Can't do --update on expectations");
        if self.names_expectation() {
            need(self.wanted.orig_src.is_some(), "src")?;
            need(self.wanted.orig_dst.is_some(), "dst")?;
            need(self.wanted.protocol.is_some(), "protonum")?;
        }
        let illegal = self.illegal();
        if let Some(option) = self.given().find(|option| illegal.holds(option)) {
            bail!("Illegal option `--{option}' with this command");
        }
        if self.get && self.table == Table::Conntrack {
            self.check_tuple()?;
        }
        if let Some(option) = self.wanted.of_protocols().find(|option| !self.fits(option)) {
            bail!("unknown option `--{option}'");
        }
        if self.names_expectation() {
            self.check_ports()?;
        }
        self.wanted.check_nat()?;
        self.wanted.check_families()
    }

    /// Whether it is about the one expectation that some packet would fulfil.
    pub(super) fn names_expectation(&self) -> bool {
        self.table == Table::Expect && (self.get || self.delete)
    }

    /// Sees to it that what tells an expectation apart is all there; conntrack(8) wants the ports of answers too, and makes nothing of
    /// them.
    fn check_ports(&self) -> Result<()> {
        let needed = PORTS_AND_KEYS.as_flattened();
        for option in needed {
            need(!self.fits(option) || self.wanted.of_protocols().any(|given| given == *option), option)?;
        }
        match self.wanted.of_protocols().find(|option| !needed.contains(option)) {
            Some(option) => bail!("Illegal option `--{option}' with this command"),
            None => Ok(()),
        }
    }

    /// The options that were given, but for those of protocols.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        let own =
            [("timeout", self.timeout.is_some()), ("zero", self.zero), ("output", !self.output.is_empty())].into_iter();
        self.wanted.given().chain(own.filter(|(_, is_given)| *is_given).map(|(option, _)| option))
    }

    /// What its command does not take.
    const fn illegal(&self) -> Illegal {
        let counts = self.count || self.stats;
        match (self.table, self.list, self.event) {
            _ if counts => Illegal::AllBut(&[]),
            // It is taken, and all goes all the same.
            (Table::Conntrack, ..) if self.flush => Illegal::AllBut(&["family"]),
            _ if self.flush => Illegal::AllBut(&[]),
            (Table::Expect, true, _) => Illegal::AllBut(&["family", "output"]),
            (Table::Expect, _, true) => Illegal::AllBut(&["output"]),
            (Table::Expect, false, false) => Illegal::AllBut(&["src", "dst", "reply-src", "reply-dst", "protonum"]),
            (_, true, _) => Illegal::These(&["event-mask", "timeout"]),
            (_, _, true) => Illegal::These(&["status", "timeout"]),
            _ if self.get => Illegal::AllBut(&["protonum", "src", "dst", "reply-src", "reply-dst", "output"]),
            _ if self.update => Illegal::These(&["zone", "orig-zone", "reply-zone", "any-nat", "event-mask"]),
            // Of `-D`; a timeout is taken and says nothing.
            _ => Illegal::These(&["any-nat", "event-mask"]),
        }
    }

    /// Whether an option of some protocols goes with the protocol that was given.
    fn fits(&self, option: &str) -> bool {
        self.wanted.protocol.is_some_and(|protocol| protocols_of(option).contains(&protocol))
    }

    /// Sees to it that `-G` has all that tells a connection apart.
    fn check_tuple(&self) -> Result<()> {
        let wanted = &self.wanted;
        need(wanted.protocol.is_some(), "protonum")?;
        ensure!(wanted.orig_src.is_some() && wanted.orig_dst.is_some(), "you have to specify `--src' and `--dst'");
        let has = |option: &str| wanted.of_protocols().any(|given| given == option);
        for (first, second) in [("sport", "dport"), ("srckey", "dstkey")] {
            let is_whole = !self.fits(first) || has(first) && has(second);
            ensure!(is_whole, "you have to specify `--{first}' and `--{second}'");
        }
        for option in ["icmp-type", "icmp-code", "icmpv6-type", "icmpv6-code"] {
            need(!self.fits(option) || has(option), option)?;
        }
        Ok(())
    }
}

fn need(is_given: bool, option: &str) -> Result<()> {
    ensure!(is_given, "You need to supply the `--{option}' option for this command");
    Ok(())
}

/// Options that a command does not take.
enum Illegal {
    These(&'static [&'static str]),
    AllBut(&'static [&'static str]),
}

impl Illegal {
    fn holds(&self, option: &str) -> bool {
        match self {
            Self::These(options) => options.contains(&option),
            Self::AllBut(options) => !options.contains(&option),
        }
    }
}

/// The protocols that an option is for.
fn protocols_of(option: &str) -> &'static [Protocol] {
    match option {
        "state" => &[Protocol::TCP, Protocol::SCTP],
        "icmp-type" | "icmp-code" | "icmp-id" => &[Protocol::ICMP],
        "icmpv6-type" | "icmpv6-code" | "icmpv6-id" => &[Protocol::ICMPV6],
        "srckey" | "dstkey" | "reply-key-src" | "reply-key-dst" => &[Protocol::GRE],
        _ => &[Protocol::TCP, Protocol::UDP, Protocol::UDPLITE, Protocol::SCTP, DCCP],
    }
}

/// What tells flows between two addresses apart, of packets and of answers.
const PORTS_AND_KEYS: [[&str; 4]; 2] =
    [["sport", "dport", "reply-port-src", "reply-port-dst"], ["srckey", "dstkey", "reply-key-src", "reply-key-dst"]];

const DCCP: Protocol = Protocol(33);
