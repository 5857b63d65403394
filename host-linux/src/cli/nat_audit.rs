//! `towpath nat-audit`: how a gateway's translation behaves, requirement by requirement.

use std::io::{self, Write};

use anyhow::{Result, anyhow};
use clap::Args;
use serde::Serialize;
use towpath_engine::conntrack::Family;
use towpath_replay::{
    audit::{Audit, Outcome, Step, audit},
    replay::{Replay, Setup},
};

use super::{Answer, capture::GatewayFiles};

/// Say which requirements of RFC 4787 (UDP), RFC 5382 (TCP), RFC 5508 (ICMP) and RFC 7857 a gateway's IPv4 translation meets, by
/// experiments on the gateway that the files describe.
///
/// Exit code 0: all that could be tested are met, or RFC 7857 allows that they are not; 1: some are not met; 2: the files cannot be
/// used, or translate nothing.
#[derive(Debug, Args)]
pub(crate) struct NatAudit {
    #[command(flatten)]
    gateway: GatewayFiles,
    /// Only requirements of this RFC.
    #[arg(long, value_name = "NUMBER")]
    rfc: Option<u16>,
    /// Also what was sent and what came out.
    #[arg(long, short)]
    verbose: bool,
    /// One JSON object a line (towpath.nat-audit/1) instead of text.
    #[arg(long)]
    json: bool,
}

/// What was audited.
#[derive(Serialize)]
struct Head<'a> {
    schema: &'static str,
    inside: &'a str,
    outside: &'a str,
}

impl NatAudit {
    pub(crate) fn main(self) -> Result<Answer> {
        if let Some(rfc) = self.rfc.filter(|rfc| !RFCS.contains(rfc)) {
            return Err(anyhow!("RFC {rfc} is not audited; 4787, 5382, 5508 and 7857 are"));
        }
        if !self.gateway.are_given() {
            return Err(anyhow!("name what to audit: -c gateway.toml, and -r rules.v4 for other rules than its own"));
        }
        if self.gateway.config.is_none() {
            return Err(anyhow!(
                "rules alone say of no interface which hosts are behind it: name the gateway's configuration, too, with -c"
            ));
        }
        let mut found = audit(|| {
            let mut gateway = self.gateway.read()?;
            let helpers = core::mem::take(&mut gateway.helpers);
            let config = gateway.config.clone();
            let (rules, rules_v6) = (gateway.sources(Family::Ipv4), gateway.sources(Family::Ipv6));
            let setup = Setup { config, rules, rules_v6, helpers, ..Setup::default() };
            Ok::<_, anyhow::Error>(Replay::new(setup)?.into_engine())
        })?;
        found.findings.retain(|finding| self.rfc.is_none_or(|rfc| rfc == finding.requirement.rfc));
        let mut out = io::stdout().lock();
        if self.json {
            write_json(&mut out, &found)?
        } else {
            write_text(&mut out, &found, self.verbose)?
        }
        out.flush()?;
        let fails = found.findings.iter().any(|finding| finding.outcome == Outcome::Fail);
        Ok(if fails { Answer::No } else { Answer::Fine })
    }
}

fn write_json(out: &mut impl Write, Audit { inside, outside, findings }: &Audit) -> Result<()> {
    let head = Head { schema: "towpath.nat-audit/1", inside, outside };
    writeln!(out, "{}", serde_json::to_string(&head)?)?;
    for finding in findings {
        writeln!(out, "{}", serde_json::to_string(finding)?)?;
    }
    Ok(())
}

fn write_text(out: &mut impl Write, Audit { inside, outside, findings }: &Audit, verbose: bool) -> io::Result<()> {
    for finding in findings {
        writeln!(out, "{finding}")?;
        for Step { sent, waited, came } in finding.steps.iter().filter(|_| verbose) {
            if let Some(sent) = sent {
                writeln!(out, "          {sent}")?;
            }
            if let Some(waited) = waited {
                writeln!(out, "          {} seconds go by", waited.as_secs_f64())?;
            }
            came.iter().try_for_each(|came| writeln!(out, "            {came}"))?;
        }
    }
    let of = |outcome| findings.iter().filter(move |finding| finding.outcome == outcome);
    let (met, failed) = (of(Outcome::Pass).count(), of(Outcome::Fail).count());
    let absolute = of(Outcome::Fail).filter(|finding| finding.requirement.is_absolute()).count();
    let (allowed, untested) = (of(Outcome::Allowed).count(), of(Outcome::Untested).count());
    writeln!(
        out,
        "{inside} behind {outside}: {met} met, {failed} not met ({absolute} of them a MUST or MUST NOT), {allowed} not met as RFC 7857 allows, {untested} not tested"
    )
}

/// What is audited.
const RFCS: [u16; 4] = [4787, 5382, 5508, 7857];
