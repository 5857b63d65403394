//! The command line: one file a subcommand.
//!
//! Exit codes: 0 fine, 1 the answer is "no", 2 the question was wrong. What was asked for goes to standard output, what
//! went wrong to standard error in one line.

mod bond;
mod capture;
mod chains;
mod check;
mod conntrack;
mod demo;
mod diff;
mod ethtool;
mod explain;
mod follow;
mod helper;
mod ipset;
mod lab;
mod log;
mod nat_audit;
mod outputs;
mod replay;
mod rules;
mod run;
mod shell;
mod socket;
mod state;
mod stats;
mod sysctl;
mod tcp_metrics;
mod terminal;
mod test;
mod withhold;

use std::{
    io::{self, Write},
    path::PathBuf,
    process::ExitCode,
};

use clap::{Args, Parser, Subcommand};

/// The Linux packet path in a box: run it on a wire or on a capture.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Replay(replay::Replay),
    Explain(explain::Explain),
    Check(check::Check),
    Test(test::Test),
    Diff(diff::Diff),
    NatAudit(nat_audit::NatAudit),
    Run(run::Run),
    Conntrack(Box<conntrack::Conntrack>),
    Rules(Box<rules::Rules>),
    Ipset(ipset::Ipset),
    Recent(ipset::Recent),
    Helper(helper::Helper),
    Lab(lab::Lab),
    Log(log::Log),
    Stats(stats::Stats),
    Ethtool(ethtool::Ethtool),
    Bond(bond::Bond),
    Socket(socket::Socket),
    Sysctl(sysctl::Sysctl),
    #[command(name = "tcp_metrics", alias = "tcpmetrics")]
    TcpMetrics(tcp_metrics::TcpMetrics),
    State(state::State),
    Demo(demo::Demo),
    Withhold(withhold::Withhold),
}

/// What a subcommand answers when the question was right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Exit code 0.
    Fine,
    /// Exit code 1.
    No,
}

/// Where the control socket of a running gateway is.
#[derive(Clone, Debug, Args)]
pub(crate) struct Control {
    /// The gateway's control socket [default: towpath.sock in $XDG_RUNTIME_DIR or /run].
    #[arg(long, value_name = "PATH", env = "TOWPATH_CONTROL")]
    control: Option<PathBuf>,
}

impl Control {
    /// The path that was given, or the default.
    pub(crate) fn path(&self) -> PathBuf {
        self.control.clone().unwrap_or_else(towpath::control::default_path)
    }
}

/// Does what the command line says.
pub(crate) fn main() -> ExitCode {
    let answer = match Cli::parse().command {
        Command::Replay(replay) => replay.main(),
        Command::Explain(explain) => explain.main(),
        Command::Check(check) => check.main(),
        Command::Test(test) => test.main(),
        Command::Diff(diff) => diff.main(),
        Command::NatAudit(audit) => audit.main(),
        Command::Run(run) => run.main(),
        Command::Conntrack(conntrack) => conntrack.main(),
        Command::Rules(rules) => rules.main(),
        Command::Ipset(ipset) => ipset.main(),
        Command::Recent(recent) => recent.main(),
        Command::Helper(helper) => helper.main(),
        Command::Lab(lab) => lab.main(),
        Command::Log(log) => log.main(),
        Command::Stats(stats) => stats.main(),
        Command::Ethtool(ethtool) => ethtool.main(),
        Command::Bond(bond) => bond.main(),
        Command::Socket(socket) => socket.main(),
        Command::Sysctl(sysctl) => sysctl.main(),
        Command::TcpMetrics(metrics) => metrics.main(),
        Command::State(state) => state.main(),
        Command::Demo(demo) => demo.main(),
        Command::Withhold(withhold) => withhold.main(),
    };
    match answer {
        Ok(Answer::Fine) => ExitCode::SUCCESS,
        Ok(Answer::No) => ExitCode::from(ANSWER_IS_NO),
        // Whoever reads has read enough: `towpath conntrack -L | head`.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stderr(), "towpath: {error:#}");
            ExitCode::from(QUESTION_WRONG)
        }
    }
}

const ANSWER_IS_NO: u8 = 1;
const QUESTION_WRONG: u8 = 2;

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
