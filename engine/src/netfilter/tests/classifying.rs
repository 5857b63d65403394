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
    assert!(matches!(lab.forward(&mut packet), Verdict::Drop(_)));
}

fn rule() -> impl Strategy<Value = Drawn> {
    let address = |flag: &'static str| {
        prop_oneof![
            2 => Just(String::new()),
            3 => (0_u8..4, 0_u8..4, prop_oneof![Just(8_u8), Just(24), Just(31), Just(32)], proptest::bool::weighted(0.1))
                .prop_map(move |(a, b, length, not)| {
                    format!("{} {flag} 10.0.{a}.{b}/{length}", if not { "!" } else { "" })
                }),
        ]
    };
    let port = |flag: &'static str| {
        prop_oneof![
            2 => Just(String::new()),
            3 => (0_u16..12).prop_map(move |port| format!("{flag} {port}")),
            1 => (0_u16..12, 0_u16..12).prop_map(move |(low, width)| format!("{flag} {low}:{}", low + width)),
            1 => (0_u16..12).prop_map(move |port| format!("! {flag} {port}")),
        ]
    };
    let transport = prop_oneof![
        2 => Just(String::new()),
        1 => Just("-p icmp".into()),
        1 => Just("! -p tcp".into()),
        1 => Just("-f".into()),
        4 => (prop_oneof![Just("tcp"), Just("udp")], port("--sport"), port("--dport"))
            .prop_map(|(protocol, source, destination)| format!("-p {protocol} -m {protocol} {source} {destination}")),
    ];
    let other = prop_oneof![
        6 => Just(""),
        1 => Just("-i lan"),
        1 => Just("-m state --state NEW"),
        1 => Just("-m length --length 0:28"),
        1 => Just("-m statistic --mode nth --every 2 --packet 0"),
    ];
    let target = prop_oneof![
        6 => Just(""),
        1 => Just("-j ACCEPT"),
        1 => Just("-j DROP"),
        1 => Just("-j RETURN"),
        2 => Just("-j NEXT"),
        1 => Just("-g NEXT"),
    ];
    (0..CHAINS.len(), address("-s"), address("-d"), transport, other, target).prop_map(
        |(chain, source, destination, transport, other, target)| {
            let target = match CHAINS.get(chain + 1) {
                Some(next) => target.replace("NEXT", next),
                None => String::from(if target.contains("NEXT") { "" } else { target }),
            };
            Drawn { chain, text: format!("{source} {destination} {transport} {other} {target}") }
        },
    )
}

fn packet() -> impl Strategy<Value = Sample> {
    let address = || (0_u8..4, 0_u8..4).prop_map(|(a, b)| [10, 0, a, b]);
    let kind = prop_oneof![4 => Just(0_u8), 4 => Just(1), 1 => Just(2), 1 => Just(3), 1 => Just(4)];
    (kind, address(), address(), 0_u16..24, 0_u16..24).prop_map(|(kind, source, destination, from, to)| {
        let mut sample = match kind {
            0 | 3 => tcp(to, 0x10),
            1 | 4 => udp(to, 4),
            _ => icmp(8, 0),
        };
        if kind != 2 {
            sample.transport[..2].copy_from_slice(&from.to_be_bytes());
        }
        match kind {
            3 => sample.transport.truncate(10),
            4 => sample = sample.fragment(3),
            _ => {}
        }
        sample.from(source).to(destination)
    })
}

static CHAINS: [&str; 3] = ["FORWARD", "one", "two"];
