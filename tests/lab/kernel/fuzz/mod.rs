//! Random rule sets and traffic, put to the kernel and to the engine; what they answer differently is made as small as it
//! goes.

mod ask;
mod case;
mod craft;
mod dice;
mod memory;
mod oddities;
mod rules;
mod sctp;
mod shrink;
mod six;
mod traffic;

use std::path::{Path, PathBuf};

use anyhow::Result;
use towpath_engine::conntrack::Family;

use ask::{Kernel, Verdict};
use case::Case;
use dice::Dice;
use shrink::Shrinker;

/// What to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The first case's seed; the next ones follow.
    pub seed: u64,
    /// Where cases that differ are kept.
    pub keep: PathBuf,
    /// How many questions a difference may cost to make it small.
    pub questions: u32,
}

/// What was found.
#[derive(Clone, Copy, Debug, Default)]
pub struct Found {
    /// Cases on which both agree.
    pub agreed: u32,
    /// Cases that the kernel could not be asked.
    pub unasked: u32,
    /// Cases that differ.
    pub differing: u32,
}

/// Draws cases and asks them as long as `goes_on`; one that has begun is finished, and a difference made small. `tell` is
/// given a line about each that matters.
///
/// # Errors
/// When the tools do not run, or files cannot be written.
pub fn run(plan: &Plan, goes_on: &mut dyn FnMut() -> bool, tell: &mut dyn FnMut(String)) -> Result<Found> {
    let kernel = Kernel::new();
    let mut found = Found::default();
    for seed in plan.seed.. {
        if !goes_on() {
            break;
        }
        let case = draw(seed);
        let folder = plan.keep.join(format!("seed-{seed}"));
        match kernel.ask(&case, &folder)? {
            Verdict::Agreed => {
                found.agreed += 1;
                std::fs::remove_dir_all(&folder)?;
            }
            Verdict::Unasked(why) => {
                found.unasked += 1;
                tell(format!("seed {seed}: not asked: {why}"));
                std::fs::remove_dir_all(&folder)?;
            }
            Verdict::Differs(_) => match again(&kernel, &case, &folder)? {
                Some(differences) => {
                    found.differing += 1;
                    report(&kernel, plan, (seed, case, differences), &folder, tell)?;
                }
                None => {
                    found.agreed += 1;
                    std::fs::remove_dir_all(&folder)?;
                }
            },
        }
    }
    Ok(found)
}

/// Asks once more: time passes in the kernel, and a machine under load may have stretched it.
fn again(kernel: &Kernel, case: &Case, folder: &Path) -> Result<Option<Vec<String>>> {
    Ok(match kernel.ask(case, folder)? {
        Verdict::Differs(differences) => Some(differences),
        Verdict::Agreed | Verdict::Unasked(_) => None,
    })
}

fn report(
    kernel: &Kernel,
    plan: &Plan,
    (seed, case, differences): (u64, Case, Vec<String>),
    folder: &Path,
    tell: &mut dyn FnMut(String),
) -> Result<()> {
    let mut shrinker = Shrinker { kernel, folder, questions: plan.questions };
    let (smallest, first) = shrinker.shrink(case, differences)?;
    kernel.ask(&smallest, folder)?;
    tell(format!(
        "seed {seed}: differs with {} frames and {} rules: {}",
        smallest.frames.len(),
        smallest.rules.len(),
        folder.display()
    ));
    smallest
        .rules_text()
        .into_iter()
        .filter(|line| line.starts_with(['-', '*']))
        .for_each(|line| tell(format!("    {line}")));
    first.into_iter().take(4).for_each(|line| tell(format!("  {}", line.chars().take(700).collect::<String>())));
    Ok(())
}

fn draw(seed: u64) -> Case {
    let mut dice = Dice::new(seed);
    let mtu = dice.pick(&[1500, 1500, 1500, 600, 1000]);
    // No link of IPv6 takes less than 1280 bytes.
    let (family, mtu) = if dice.one_in(2) { (Family::Ipv6, mtu.max(1280)) } else { (Family::Ipv4, mtu) };
    let mut case = Case { family, mtu, ..Case::default() };
    rules::draw(&mut dice, &mut case);
    for (name, value) in SYSCTLS {
        if dice.one_in(12) {
            case.sysctls.push((format!("net.netfilter.nf_conntrack_{name}"), value));
        }
    }
    let frames = dice.between(20, 90);
    let may_be_led_here = case
        .rules
        .iter()
        .any(|line| line.rule.contains("REDIRECT") || line.rule.contains("--to-destination 203.0.113.1"));
    case.frames = traffic::draw(&mut dice, family, frames, may_be_led_here);
    case
}

/// Tunables, and a value that is not their default. What is unacknowledged keeps more than 120 s: of the 120 s that a FIN or its last ACK
/// gives, FINs that do not fit take some away as long as no tick of the kernel's clock has passed (scenario `tcp-ends-unfit`).
const SYSCTLS: [(&str, u32); 11] = [
    ("tcp_loose", 0),
    ("tcp_be_liberal", 1),
    ("tcp_max_retrans", 1),
    ("tcp_ignore_invalid_rst", 1),
    ("checksum", 0),
    ("udp_timeout", 77),
    ("tcp_timeout_unacknowledged", 133),
    ("acct", 0),
    ("sctp_timeout_established", 88),
    ("gre_timeout", 44),
    ("icmp_timeout", 5),
];
