//! Flows that pass the tables as their packets before did fare as flows whose every packet is asked about.

mod traffic;

use std::net::Ipv4Addr;

use proptest::prelude::*;
use towpath_engine::{Command, Engine, Instant, Subscription, conntrack::Family, trace::TraceLevel};
use traffic::{Header, LAN, WAN, frame, pass, router};

/// Something that happens to both routers.
#[derive(Clone, Copy, Debug)]
enum Deed {
    /// The client of a flow sends.
    Request { flow: u8, flags: u8, ttl: u8, tos: u8 },
    /// Its server answers.
    Answer { flow: u8, flags: u8, tos: u8 },
    /// A device changes.
    Address(u8),
    /// The rules are loaded again.
    Reload,
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn a_repeated_walk_counts_and_decides_as_the_rules_do(
        rules in proptest::collection::vec((0..CHAINS.len(), 0..HEADERS.len(), 0..MATCHES.len(), 0..6_usize), 0..14),
        accepts: bool,
        deeds in proptest::collection::vec(deed(), 1..60),
    ) {
        let text = text(&rules, accepts);
        let (mut repeating, mut asking) = (observed(&text), observed(&text));
        // A packet that is traced is asked about everywhere.
        asking.handle_command(Instant::ZERO, Command::Trace(TraceLevel::Path)).expect("a level");
        for (step, &deed) in deeds.iter().enumerate() {
            let now = Instant::from_secs(10 + step as u64);
            let outcomes = [&mut repeating, &mut asking].map(|engine| {
                let sent = carry_out(engine, now, deed, &text);
                (sent, engine.poll_ending())
            });
            prop_assert_eq!(&outcomes[0], &outcomes[1], "{:?} under\n{}", deed, text);
            asking.take_trace();
        }
        prop_assert_eq!(repeating.rules().of(Family::Ipv4).save(true), asking.rules().of(Family::Ipv4).save(true));
        prop_assert_eq!(
            repeating.conntrack().entries(Instant::from_secs(80)),
            asking.conntrack().entries(Instant::from_secs(80))
        );
    }
}

fn observed(text: &str) -> Engine {
    let mut engine = router(text);
    let endings = Subscription { endings: true, ..Subscription::default() };
    engine.handle_command(Instant::ZERO, Command::Subscribe(endings)).expect("a subscription");
    engine
}

fn carry_out(engine: &mut Engine, now: Instant, deed: Deed, text: &str) -> Vec<Vec<u8>> {
    let (device, header) = match deed {
        Deed::Request { flow, flags, ttl, tos } => {
            let flags = (flow % 2 == 1).then_some(flags);
            (LAN, Header { source: client(flow), destination: SERVER, ports: ports(flow), flags, ttl, tos })
        }
        Deed::Answer { flow, flags, tos } => {
            let flags = (flow % 2 == 1).then_some(flags);
            let (client_port, port) = ports(flow);
            let ports = (port, client_port);
            (WAN, Header { source: SERVER, destination: PUBLIC, ports, flags, ttl: 60, tos })
        }
        Deed::Address(last) => {
            let address =
                towpath_engine::device::InterfaceAddress { address: Ipv4Addr::new(10, 0, 1, last).into(), prefix: 8 };
            // A second time it is refused, by both.
            let _ = engine.handle_command(now, Command::AddAddress(LAN, address));
            return Vec::new();
        }
        Deed::Reload => {
            let rules = towpath_engine::netfilter::RuleSet::parse(
                &[towpath_engine::netfilter::Source { name: "rules.v4", text }],
                &towpath_engine::netfilter::Loading::default(),
            );
            let rules = Command::ReplaceRules(Box::new(rules.expect("they were right before")));
            engine.handle_command(now, rules).expect("they are right");
            return Vec::new();
        }
    };
    pass(engine, now, device, &frame(device, &header)).into_iter().map(|(_, bytes)| bytes).collect()
}

fn deed() -> impl Strategy<Value = Deed> {
    let flags = prop_oneof![Just(0x10_u8), Just(0x18), Just(0x02), Just(0x12), Just(0x11)];
    let tos = prop_oneof![4 => Just(0_u8), 1 => Just(0x10_u8)];
    let ttl = prop_oneof![6 => Just(64_u8), 1 => Just(1_u8)];
    prop_oneof![
        8 => (0_u8..4, flags.clone(), ttl, tos.clone())
            .prop_map(|(flow, flags, ttl, tos)| Deed::Request { flow, flags, ttl, tos }),
        8 => (0_u8..4, flags, tos).prop_map(|(flow, flags, tos)| Deed::Answer { flow, flags, tos }),
        1 => (1_u8..9).prop_map(Deed::Address),
        1 => Just(Deed::Reload),
    ]
}

fn text(rules: &[(usize, usize, usize, usize)], accepts: bool) -> String {
    let mut lines = vec![format!(":FORWARD {} [0:0]", if accepts { "ACCEPT" } else { "DROP" })];
    lines.push("-t mangle -N side".into());
    lines.push("-t mangle -A side -p udp".into());
    for &(chain, header, condition, target) in rules {
        let (chain, targets) = CHAINS[chain];
        let header = match chain.contains("POSTROUTING") {
            true => HEADERS[header].replace("-i", "-o"),
            false => HEADERS[header].into(),
        };
        lines.push(format!("{chain} {header} {} {}", MATCHES[condition], targets[target % targets.len()]));
    }
    lines.push("-A FORWARD -m state --state ESTABLISHED,RELATED -j ACCEPT".into());
    lines.push("-A FORWARD -i lan -j ACCEPT".into());
    lines.push("-t nat -A POSTROUTING -o wan -j MASQUERADE".into());
    by_table(&lines)
}

/// Puts lines as `iptables` takes them into the tables that they name.
fn by_table(lines: &[String]) -> String {
    let mut text = String::new();
    for table in ["raw", "mangle", "nat", "filter"] {
        text.push_str(&format!("*{table}\n"));
        for line in lines {
            let (at, rest) = match line.strip_prefix("-t ") {
                Some(rest) => rest.split_once(' ').expect("a table and a rule"),
                None => ("filter", line.as_str()),
            };
            if at == table {
                text.push_str(rest);
                text.push('\n');
            }
        }
        text.push_str("COMMIT\n");
    }
    text
}

const fn client(flow: u8) -> Ipv4Addr {
    Ipv4Addr::new(10, 0, 0, 2 + flow / 2)
}

const fn ports(flow: u8) -> (u16, u16) {
    (40_000 + flow as u16, 80 + flow as u16 / 2)
}

const SERVER: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 7);
const PUBLIC: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// Chains with the targets that their rules may have.
static CHAINS: [(&str, &[&str]); 6] = [
    ("-t raw -A PREROUTING", &["", "-j ACCEPT", "-j NOTRACK"]),
    ("-t mangle -A PREROUTING", MANGLING),
    ("-t mangle -A FORWARD", MANGLING),
    ("-t mangle -A side", &["", "-j RETURN", "-j ACCEPT"]),
    ("-t mangle -A POSTROUTING", &["", "-j ACCEPT", "-j MARK --set-xmark 1/1", "-j TOS --set-tos 0x10"]),
    ("-A FORWARD", &["", "-j ACCEPT", "-j DROP", "-j RETURN"]),
];

static MANGLING: &[&str] =
    &["", "-j ACCEPT", "-j side", "-g side", "-j MARK --set-xmark 1/1", "-j CONNMARK --set-xmark 2/2"];

static HEADERS: [&str; 7] = ["", "-i lan", "-i wan", "-s 10.0.0.2", "-d 198.51.100.0/24", "-p tcp", "-p udp"];

static MATCHES: [&str; 12] = [
    "",
    "",
    "-m state --state NEW",
    "-m state --state ESTABLISHED",
    "-m conntrack --ctdir ORIGINAL",
    "-m mark --mark 1/1",
    "-m connmark --mark 2/2",
    "-m tos --tos 0x10",
    "-m ttl --ttl-gt 60",
    "-m length --length 0:60",
    "-m limit --limit 1/second --limit-burst 2",
    "-m statistic --mode nth --every 3 --packet 0",
];
