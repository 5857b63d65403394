//! Long chains, in which rules that cannot match are left out.

use alloc::format;

use proptest::prelude::*;

use super::*;

/// A rule as a test draws it.
#[derive(Clone, Debug)]
struct Drawn {
    chain: usize,
    text: String,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_long_chain_decides_and_counts_as_one_whose_every_rule_is_asked(
        rules in proptest::collection::vec(rule(), 0..120), packets in proptest::collection::vec(packet(), 1..40),
    ) {
        let mut text = String::from("-N one\n-N two\n");
        for Drawn { chain, text: rule } in &rules {
            text.push_str(&format!("-A {} {rule}\n", CHAINS[*chain]));
        }
        let (mut classified, mut plain) = (Lab::new(&text), Lab::new(&text));
        plain.rules.forget_classifier();
        for lab in [&mut classified, &mut plain] {
            lab.around.trace.set_level(TraceLevel::Path);
        }
        for sample in packets {
            let answers = [&mut classified, &mut plain].map(|lab| {
                let mut packet = lab.packet(&sample);
                let verdict = lab.forward(&mut packet);
                (verdict, lab.around.trace.take())
            });
            prop_assert_eq!(&answers[0], &answers[1], "{:?}", sample);
        }
        prop_assert_eq!(classified.rules.save(true), plain.rules.save(true));
    }
}

#[test]
fn what_finds_rules_grows_with_their_number_and_no_faster() {
    let bytes = |count: u32| {
        let rule =
            |n: u32| format!("-A FORWARD -s 10.{}.{}.0/24 -p tcp --dport {} -j DROP\n", n / 200, n % 200, n % 60_000);
        let text: String = (0..count).map(rule).collect();
        let rules = parse(&text).expect("rules");
        rules.classifier_bytes()
    };
    assert_eq!(bytes(4), 0);
    assert!(bytes(1000) <= 1000 * 64, "{}", bytes(1000));
    assert!(bytes(20_000) <= 20_000 * 64, "{}", bytes(20_000));
}

#[test]
fn a_broken_packet_meets_the_first_rule_that_asks_for_its_ports() {
    let rules: String = (0..50).map(|port| format!("-A FORWARD -p tcp --dport {} -j ACCEPT\n", 1000 + port)).collect();
    let mut lab = Lab::new(&rules);
    let mut sample = tcp(80, 0x10);
    sample.transport.truncate(12);
    let mut packet = lab.packet(&sample);
    assert!(matches!(lab.forward(&mut packet), Verdict::Unreadable(_)));
}

/// Each part is boxed: put together as they are, their types take minutes to compile.
fn rule() -> BoxedStrategy<Drawn> {
    let transport = prop_oneof![
        2 => Just(String::new()),
        1 => Just("-p icmp".into()),
        1 => Just("! -p tcp".into()),
        1 => Just("-f".into()),
        4 => (word(&["tcp", "udp"]), port("--sport"), port("--dport"))
            .prop_map(|(protocol, source, destination)| format!("-p {protocol} -m {protocol} {source} {destination}")),
    ];
    let matches = word(&["", "", "", "", "", "", "-i lan", "-m state --state NEW", LENGTH, EVERY_OTHER]);
    let targets = word(&["", "", "", "", "", "", "-j ACCEPT", "-j DROP", "-j RETURN", "-j NEXT", "-j NEXT", "-g NEXT"]);
    (0..CHAINS.len(), address("-s"), address("-d"), transport.boxed(), matches, targets)
        .prop_map(|(chain, source, destination, transport, other, target)| {
            let target = match CHAINS.get(chain + 1) {
                Some(next) => target.replace("NEXT", next),
                None => String::from(if target.contains("NEXT") { "" } else { target }),
            };
            Drawn { chain, text: format!("{source} {destination} {transport} {other} {target}") }
        })
        .boxed()
}

fn word(words: &'static [&'static str]) -> BoxedStrategy<&'static str> {
    proptest::sample::select(words).boxed()
}

fn address(flag: &'static str) -> BoxedStrategy<String> {
    let network = (0_u8..4, 0_u8..4, proptest::sample::select(&[8_u8, 24, 31, 32][..]), proptest::bool::weighted(0.1));
    let network = network.prop_map(move |(a, b, length, not)| {
        let not = if not { "!" } else { "" };
        format!("{not} {flag} 10.0.{a}.{b}/{length}")
    });
    prop_oneof![2 => Just(String::new()), 3 => network].boxed()
}

fn port(flag: &'static str) -> BoxedStrategy<String> {
    (0_u8..7, 0_u16..12, 0_u16..12)
        .prop_map(move |(kind, low, width)| match kind {
            0 | 1 => String::new(),
            2..=4 => format!("{flag} {low}"),
            5 => format!("{flag} {low}:{}", low + width),
            _ => format!("! {flag} {low}"),
        })
        .boxed()
}

fn packet() -> BoxedStrategy<Sample> {
    let addresses = (0_u8..4, 0_u8..4, 0_u8..4, 0_u8..4);
    (0_u8..11, addresses, 0_u16..24, 0_u16..24)
        .prop_map(|(kind, (a, b, c, d), from, to)| {
            let mut sample = match kind {
                0..=3 | 8 => tcp(to, 0x10),
                4..=7 | 9 => udp(to, 4),
                _ => icmp(8, 0),
            };
            if kind < 10 {
                sample.transport[..2].copy_from_slice(&from.to_be_bytes());
            }
            match kind {
                8 => sample.transport.truncate(10),
                9 => sample = sample.fragment(3),
                _ => {}
            }
            sample.from([10, 0, a, b]).to([10, 0, c, d])
        })
        .boxed()
}

const LENGTH: &str = "-m length --length 0:28";
const EVERY_OTHER: &str = "-m statistic --mode nth --every 2 --packet 0";

static CHAINS: [&str; 3] = ["FORWARD", "one", "two"];
