//! Lines that scripts give to a shell: no shell runs; the few commands that scripts use are known here.

use std::{collections::BTreeMap, fmt};

use towpath_engine::{Command, sysctl::ValueForm};

use super::{Host, Process, Unknown, route::route};

/// Why a line has failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// A command that is not known, or what it is told to do.
    Unknown(Unknown),
    /// What is looked for among what was counted has not happened: its name, and how often it has in all.
    NotCounted(String, u64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(unknown) => f.write_str(&unknown.0),
            Self::NotCounted(name, count) => write!(f, "{name} is {count} still"),
        }
    }
}

impl From<Unknown> for Failure {
    fn from(unknown: Unknown) -> Self {
        Self::Unknown(unknown)
    }
}

/// What a command does.
type Run = fn(&[&str], &mut Process, &mut Host) -> Result<(), Failure>;

/// Commands by the name of their program, without its folder.
static COMMANDS: [(&str, Run); 10] = [
    ("defaults.sh", |_, _, host| DEFAULTS.iter().try_for_each(|(name, value)| tune(host, name, value))),
    ("sysctl", |words, _, host| tune_each(words, host)),
    ("set_sysctls.py", |words, _, host| tune_each(words, host)),
    // Puts back what was changed, behind the script's end.
    ("sysctl_restore_${PPID}.sh", |_, _, _| Ok(())),
    ("tc", queue),
    ("ethtool", device),
    ("nstat", counters),
    ("ip", |words, _, host| match words {
        ["tcp_metrics", "flush", ..] => {
            let forgotten = host.engine.handle_command(host.now, Command::ForgetDestinations(None));
            forgotten.map(|_| ()).map_err(|_| unknown("ip", words))
        }
        _ => Ok(route(words, host)?),
    }),
    ("echo", |words, _, _| match words {
        // Both ways to leave slow start early are in use.
        ["3", ">", "/sys/module/tcp_cubic/parameters/hystart_detect"] => Ok(()),
        _ => Err(unknown("echo", words)),
    }),
    ("sleep", |words, _, _| Err(unknown("sleep", words))),
];

/// Runs lines.
///
/// # Errors
/// That of the first line that fails; those behind it are not run.
pub fn run(lines: &str, process: &mut Process, host: &mut Host) -> Result<(), Failure> {
    let joined = lines.replace("\\\n", " ");
    let joined = joined.trim_end_matches('\\');
    for line in joined.lines().flat_map(|line| without_remark(line).split(';')) {
        let words: Vec<&str> = line.split_whitespace().filter(|word| !REDIRECTED.contains(word)).collect();
        let Some((command, words)) = words.split_first() else { continue };
        let name = command.rsplit('/').next().unwrap_or(command);
        let known = COMMANDS.iter().find(|(known, _)| *known == name);
        let (_, run) = known.ok_or_else(|| unknown(name, words))?;
        run(words, process, host)?;
    }
    Ok(())
}

fn without_remark(line: &str) -> &str {
    line.find(" #").or_else(|| line.starts_with('#').then_some(0)).map_or(line, |at| &line[..at])
}

fn unknown(name: &str, words: &[&str]) -> Failure {
    Unknown::new("the command", format_args!("{name} {}", words.join(" "))).into()
}

fn tune_each(words: &[&str], host: &mut Host) -> Result<(), Failure> {
    // A value of several words stands in quotes.
    let joined = words.join(" ");
    let mut rest = joined.as_str();
    while !rest.is_empty() {
        let (word, behind) = match rest.find(['"', ' ']) {
            Some(at) if rest[at..].starts_with('"') => {
                let end = rest[at + 1..].find('"').map_or(rest.len(), |len| at + len + 2);
                rest.split_at(end)
            }
            Some(at) => rest.split_at(at),
            None => (rest, ""),
        };
        rest = behind.trim_start();
        if matches!(word, "-q" | "-w" | "-e" | "-n") {
            continue;
        }
        let (name, value) = word.split_once('=').ok_or_else(|| unknown("sysctl", words))?;
        let name = name.trim_start_matches("/proc/sys/").replace('/', ".");
        tune(host, &name, value.trim_matches('"'))?;
    }
    Ok(())
}

/// Sets a tunable. One that the engine has not may have the value of what it does anyway.
fn tune(host: &mut Host, name: &str, value: &str) -> Result<(), Failure> {
    if FIXED.contains(&(name, value)) {
        return Ok(());
    }
    let wrong = || Failure::from(Unknown::new("the tunable", format_args!("{name}={value}")));
    let values = match ValueForm::of(name) {
        ValueForm::Numbers => value.split_whitespace().map(number).collect(),
        form @ (ValueForm::Keys | ValueForm::Algorithm | ValueForm::Algorithms) => form.read(value),
    };
    let values: Vec<u32> = values.ok_or_else(wrong)?;
    host.engine.handle_command(host.now, Command::SetSysctls(name.to_owned(), values)).map_err(|_| wrong())?;
    Ok(())
}

/// A number, decimal or hexadecimal.
fn number(word: &str) -> Option<u32> {
    match word.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => word.parse().ok(),
    }
}

/// Shows what has been counted since it was asked for last; `grep` finds a name in it, or fails.
fn counters(words: &[&str], process: &mut Process, host: &mut Host) -> Result<(), Failure> {
    let mut counted: BTreeMap<String, u64> = BTreeMap::new();
    for (name, count) in host.engine.fast_open_counters().named() {
        counted.insert(format!("TcpExt{name}"), count);
    }
    counted.insert("TcpExtOutOfWindowIcmps".to_owned(), host.engine.strange_icmp_errors());
    let before = std::mem::replace(&mut process.counted, counted);
    match words {
        [">", "/dev/null"] | [] => Ok(()),
        ["|", "grep", name, ..] => match (before.get(*name), process.counted.get(*name)) {
            (_, None) => Err(Unknown::new("the counter", name).into()),
            (before, Some(now)) if *now > before.copied().unwrap_or(0) => Ok(()),
            (_, Some(now)) => Err(Failure::NotCounted((*name).to_owned(), *now)),
        },
        _ => Err(unknown("nstat", words)),
    }
}

/// What leaves waits for nothing here; a queue that takes nothing is one of no length.
fn queue(words: &[&str], process: &mut Process, host: &mut Host) -> Result<(), Failure> {
    let frames_max = match words {
        ["qdisc", "delete", ..] | ["qdisc", "add" | "replace", "dev", _, "root", "pfifo"] => usize::MAX,
        ["qdisc", "add" | "replace", "dev", _, "root", "pfifo", "limit", most] => {
            most.parse().map_err(|_| unknown("tc", words))?
        }
        // Sockets that are opened from now on hold back by themselves what that queue would hold back.
        ["qdisc", "add" | "replace", "dev", _, "root", "fq"] => {
            process.paces = true;
            return Ok(());
        }
        _ => return Err(unknown("tc", words)),
    };
    process.paces = false;
    let limited = host.engine.handle_command(host.now, Command::LimitQueue(host.device(), frames_max));
    limited.map(|_| ()).map_err(|error| Unknown(error.to_string()).into())
}

/// The device cuts nothing by itself in any case.
fn device(words: &[&str], _: &mut Process, _: &mut Host) -> Result<(), Failure> {
    match words {
        ["-K", _, features @ ..] => {
            let is_off = |pair: &[&str]| matches!(pair, ["gso" | "tso" | "gro", "off"]);
            if features.chunks(2).all(is_off) { Ok(()) } else { Err(unknown("ethtool", words)) }
        }
        _ => Err(unknown("ethtool", words)),
    }
}

const REDIRECTED: [&str; 3] = ["2>/dev/null", ">/dev/null", "2>&1"];

/// Tunables of features that are not there, or of choices that are made for good.
const FIXED: [(&str, &str); 1] = [("net.ipv4.tcp_ecn_option", "2")];

/// What scripts take for granted.
#[rustfmt::skip]
const DEFAULTS: [(&str, &str); 20] = [
    ("net.ipv4.tcp_fastopen", "0x70403"),
    ("net.ipv4.tcp_fastopen_key", "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4"),
    ("net.ipv4.tcp_ecn", "0"),
    ("net.ipv4.tcp_rmem", "4096 540000 15728640"),
    ("net.ipv4.tcp_wmem", "4096 262144 4194304"),
    ("net.ipv4.tcp_timestamps", "1"),
    ("net.ipv4.tcp_syn_retries", "5"),
    ("net.ipv4.tcp_synack_retries", "5"),
    ("net.ipv4.tcp_frto", "2"),
    ("net.ipv4.tcp_sack", "1"),
    ("net.ipv4.tcp_dsack", "1"),
    ("net.ipv4.tcp_reordering", "3"),
    ("net.ipv4.tcp_congestion_control", "cubic"),
    ("net.ipv4.tcp_slow_start_after_idle", "0"),
    ("net.ipv4.tcp_early_retrans", "4"),
    ("net.ipv4.tcp_recovery", "1"),
    ("net.ipv4.tcp_tso_win_divisor", "3"),
    ("net.ipv4.tcp_pacing_ss_ratio", "200"),
    ("net.ipv4.tcp_pacing_ca_ratio", "120"),
    ("net.ipv4.tcp_notsent_lowat", "4294967295"),
];
