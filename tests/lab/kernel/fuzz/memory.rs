//! Matches and targets that look into what is kept beside the rules: sets, lists of addresses, counts and credit. How fast time
//! passes in the kernel must not decide what they say: connlimit is left out, which counts a packet of no connection again in the
//! same tick, and credit comes back once an hour at most.

use super::{case::Case, dice::Dice};

/// Commands that make what rules may name. The text is that of IPv4. Of a policy's name iptables-save is told four letters.
pub(super) const SETUP: [&str; 13] = [
    "ipset create hosts hash:ip family inet",
    "ipset add hosts 192.168.1.10",
    "ipset add hosts 198.51.100.8",
    "ipset create nets hash:net family inet",
    "ipset add nets 198.51.100.0/28",
    "ipset add nets 198.51.100.9 nomatch",
    "ipset create ends hash:ip,port family inet",
    "ipset add ends 198.51.100.7,tcp:80",
    "ipset add ends 198.51.100.7,udp:53",
    "ipset create seen hash:ip,port,ip family inet counters",
    "nfct add timeout ftcp inet tcp syn_sent 33 established 1111 close 7 unacknowledged 222",
    "nfct add timeout fudp inet udp unreplied 11 replied 99",
    "nfct add timeout rest inet generic timeout 66",
];

/// The timeouts that the policies among them say.
pub(super) const TIMEOUTS: [u32; 7] = [33, 1111, 7, 222, 11, 99, 66];

/// The commands that a case's rules need.
pub(super) fn setup(case: &Case) -> impl Iterator<Item = &'static str> {
    let is_named = |word: &'static str| move |case: &Case| case.rules.iter().any(|line| line.rule.contains(word));
    let (sets, timeouts) = (is_named("-set ")(case), is_named("--timeout ")(case));
    SETUP.into_iter().filter(move |line| if line.starts_with("ipset") { sets } else { timeouts })
}

/// A match that remembers, or looks into a set.
pub(super) fn remembering(dice: &mut Dice) -> String {
    let not = if dice.one_in(4) { "! " } else { "" };
    match dice.below(8) {
        0 => format!(" -m set {not}--match-set hosts {}", dice.pick(&["src", "dst"])),
        1 => format!(" -m set {not}--match-set nets {}", dice.pick(&["src", "dst"])),
        2 => format!(" -m set {not}--match-set ends {}", dice.pick(&["src,src", "dst,dst", "src,dst"])),
        3 => format!(" -m set {not}--match-set seen src,dst,dst"),
        4 => format!(" -m limit --limit 1/hour --limit-burst {}", dice.between(1, 9)),
        5 => {
            let by = dice.pick(&["srcip", "dstip", "srcip,dstport", "srcip,dstip,srcport,dstport"]);
            let word = dice.pick(&["upto", "above"]);
            let (burst, name) = (dice.between(1, 6), dice.pick(&["one", "two", "three"]));
            // Of one name, the first rule's settings hold for all.
            format!(
                " -m hashlimit --hashlimit-{word} 1/hour --hashlimit-burst {burst} --hashlimit-mode {by} --hashlimit-name {name}-{by}-{burst}"
            )
        }
        6 => {
            let (action, side) = (dice.pick(&["set", "rcheck", "update", "remove"]), dice.pick(&["rsource", "rdest"]));
            let hits = if matches!(action, "rcheck" | "update") && dice.one_in(2) { " --hitcount 2" } else { "" };
            format!(" -m recent {not}--{action}{hits} --name {} --{side}", dice.pick(&["few", "many"]))
        }
        _ => {
            let mode = dice.pick(&["packets", "bytes", "avgpkt"]);
            let (side, range) =
                (dice.pick(&["original", "reply", "both"]), dice.pick(&["2:", "1:3", "100:1000", "0:60"]));
            format!(" -m connbytes {not}--connbytes {range} --connbytes-dir {side} --connbytes-mode {mode}")
        }
    }
}

/// A target that writes into a set.
pub(super) fn recording(dice: &mut Dice) -> &'static str {
    dice.pick(&[
        "-j SET --add-set hosts src",
        "-j SET --del-set hosts dst",
        "-j SET --add-set ends src,src",
        "-j SET --add-set seen src,dst,dst",
        "-j SET --add-set seen src,dst,dst --exist",
    ])
}
