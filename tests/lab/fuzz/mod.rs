//! What is fuzzed: each function takes any bytes and must neither panic nor hang. `tests/corpora.rs` feeds the corpora to
//! them; `tests/fuzz` lets cargo-fuzz search for more.

mod boundary;
mod ports;
mod tcp;

pub use boundary::boundary;
pub use ports::ports;
pub use tcp::tcp;

use core::time::Duration;

use towpath_engine::{
    Command, DeviceId, Engine, Frame, Instant, Subscription,
    conntrack::{Family, HelperId},
    device::{Device, InterfaceAddress},
    ip::{Route, RouteKind, RouteMetrics},
    netfilter::{KnownSet, Loading, RuleSet, Source},
    packet::Sketch,
    socket::{ServiceAnswer, UdpService},
    sysctl::Sysctls,
    trace::TraceLevel,
    wire::MacAddr,
};
use towpath_replay::{
    capture::Capture,
    config::Config,
    lab::Scenario,
    record::JsonRecords,
    replay::{Detail, Replay, Setup},
};

/// A target: takes any bytes.
pub type Target = fn(&[u8]);

/// All targets, by the names of their corpora: what follows, and each helper by itself.
pub fn targets() -> impl Iterator<Item = (&'static str, Target)> {
    OURS.into_iter().chain(towpath_helpers_native::CHECKS.iter().copied())
}

/// Shows a helper any bytes; see `towpath_helper_kit::check`.
///
/// # Panics
/// When it breaks its contract, or there is no helper of that name.
pub fn helper(name: &str, data: &[u8]) {
    let (_, check) = towpath_helpers_native::CHECKS.iter().find(|(known, _)| *known == name).expect("a helper");
    check(data);
}

const OURS: [(&str, Target); 11] = [
    ("boundary", boundary),
    ("capture", capture),
    ("commands", commands),
    ("config", config),
    ("ipset", ipset),
    ("notation", notation),
    ("packets", packets),
    ("ports", ports),
    ("rules", rules),
    ("scenario", scenario),
    ("tcp", tcp),
];

/// Rules as text: what is read is written as a text that reads as the same.
///
/// # Panics
/// When it is not so.
pub fn rules(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    let read = |text: &str| RuleSet::parse(&[Source { name: "rules", text }], &Loading::default());
    match read(text) {
        Ok(rules) => {
            let saved = rules.save(false);
            match read(&saved) {
                Ok(again) => assert_eq!(again.save(false), saved),
                Err(error) => panic!("what was written cannot be read: {error}\n{saved}"),
            }
        }
        Err(error) => assert_one_line(&error.to_string()),
    }
}

/// Sets as text: what is read is written as a text that reads as the same, and rules with the sets lead a packet through.
///
/// # Panics
/// When it is not so, or when a packet has no ending.
pub fn ipset(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    // Whatever stands first, it is a text about sets.
    let text = format!("create fuzzed hash:ip timeout 9\n{text}");
    let read = |text: &str| RuleSet::parse(&[Source { name: "sets", text }], &Loading::default());
    let rules = match read(&text) {
        Ok(rules) => rules,
        Err(error) => return assert_one_line(&error.to_string()),
    };
    // Until sets are in force, lives have not begun.
    let saved = rules.sets().save(Instant::ZERO);
    match read(&saved) {
        Ok(again) => assert_eq!(again.sets().save(Instant::ZERO), saved),
        Err(error) => panic!("what was written cannot be read: {error}\n{saved}"),
    }
    let of_v4 = rules.sets().known().filter(|set| set.family != Some(Family::Ipv6));
    let asking = of_v4.take(NAMED_SETS).map(|KnownSet { name, .. }| {
        format!("-A FORWARD -m set --match-set {name} src,dst,dst\n-A FORWARD -j SET --add-set {name} dst,src,dst\n")
    });
    let asking: String = asking.collect();
    let sources = [("sets", text.as_str()), ("rules", asking.as_str())].map(|(name, text)| Source { name, text });
    let Ok(rules) = RuleSet::parse(&sources, &Loading::default()) else { return };
    let mut engine = gateway();
    let _ = engine.handle_command(Instant::from_secs(1), Command::ReplaceRules(Box::new(rules)));
    let sketch: Sketch = "10.0.0.7:9 > 198.51.100.7:80 S seq 1".parse().unwrap_or_else(|error| panic!("{error}"));
    for second in [1, 5, 20] {
        feed(&mut engine, Instant::from_secs(second), 0, &sketch.frame(MacAddr([2; 6]), MacAddr::BROADCAST));
    }
}

/// More would only make each try slow.
const NAMED_SETS: usize = 8;

/// A `gateway.toml`.
///
/// # Panics
/// When its error is not one line.
pub fn config(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    match Config::read("gateway.toml", text) {
        Ok(config) => {
            if let Err(error) = Replay::new(Setup { config: Some(config), ..Setup::default() }) {
                assert_one_line(&error.to_string());
            }
        }
        Err(error) => assert_one_line(&error.to_string()),
    }
}

/// A scenario's text; a small one that can be read is played for a moment.
///
/// # Panics
/// When its error is not one line.
pub fn scenario(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    match Scenario::read("scenario.toml", text) {
        Ok(mut scenario) => {
            let nodes = scenario.hosts.len() + scenario.switches.len();
            if nodes > 6 || scenario.connections.len() > 4 || scenario.links.len() > 6 {
                return;
            }
            scenario.until = scenario.until.min(PLAYED);
            match towpath_replay::lab::run(&scenario, None) {
                Ok(report) => {
                    assert!(report.connections.iter().all(|found| !found.is_damaged), "bytes are not what was sent");
                    towpath_replay::lab::write_json(&mut std::io::sink(), &scenario, &report, true)
                        .expect("no output fails");
                }
                Err(error) => assert_one_line(&error.to_string()),
            }
        }
        Err(error) => assert_one_line(&error.to_string()),
    }
}

/// So short that a link without a rate carries no more than some thousand frames in it.
const PLAYED: Duration = Duration::from_micros(200);

/// The bytes of a capture, replayed with everything told.
///
/// # Panics
/// When a record is no line of JSON.
pub fn capture(data: &[u8]) {
    let Ok(mut capture) = Capture::from_bytes(data) else { return };
    let rules = vec![Source { name: "rules", text: RULES }];
    let setup = Setup { rules, helpers: towpath_helpers_native::all(), detail: Detail::Full, ..Setup::default() };
    let mut replay = Replay::new(setup).unwrap_or_else(|error| panic!("{error}"));
    let mut json = JsonRecords::new(true);
    while let Ok(batch) = capture.next_batch(64) {
        if batch.is_empty() {
            return;
        }
        replay.learn(&batch);
        for packet in batch.packets() {
            assert_one_line(&json.line(&replay.handle(&packet)));
        }
    }
}

/// A line of the notation: what is read is written as a line that reads as the same, and makes a frame.
///
/// # Panics
/// When it is not so.
pub fn notation(data: &[u8]) {
    let Ok(text) = core::str::from_utf8(data) else { return };
    if let Ok(sketch) = text.parse::<Sketch>() {
        let line = sketch.to_string();
        let again: Sketch = line.parse().unwrap_or_else(|error| panic!("{line}: {error}"));
        assert_eq!(again.to_string(), line);
        feed(&mut gateway(), Instant::from_secs(1), 0, &sketch.frame(MacAddr([2; 6]), MacAddr::BROADCAST));
    }
}

/// Frames: each has a byte for device and time, two for its length, and its bytes.
///
/// # Panics
/// When a frame has no ending.
pub fn packets(data: &[u8]) {
    let mut engine = gateway();
    let mut now = Instant::from_secs(1);
    let mut rest = data;
    while let [how, high, low, tail @ ..] = rest {
        let len = usize::from(u16::from_be_bytes([*high, *low])).min(tail.len());
        let (frame, others) = tail.split_at(len);
        now = now + Duration::from_millis(u64::from(how >> 1) * 100);
        feed(&mut engine, now, u16::from(how & 1), frame);
        rest = others;
    }
}

/// Commands between frames: a byte says which, the next ones what.
///
/// # Panics
/// When a frame has no ending.
pub fn commands(data: &[u8]) {
    let mut engine = gateway();
    let mut now = Instant::from_secs(1);
    // More would only make each try slow.
    for words in data.chunks(8).take(64) {
        let mut word = [0; 8];
        word[..words.len()].copy_from_slice(words);
        now = now + Duration::from_millis(u64::from(word[7]) * 50);
        match command(&engine, word) {
            // Whether it can be carried out does not matter: it must not break anything.
            Some(command) => drop(engine.handle_command(now, command)),
            None => engine.handle_timeout(now),
        }
        let sketch = format!(
            "10.0.0.{}:{} > 198.51.100.{}:{} {} seq {}",
            word[1] % 4,
            word[2],
            word[3] % 4,
            word[4],
            ["S", "SA", "A", "PA", "FA", "R", "udp", "udp"][usize::from(word[5] % 8)],
            word[6],
        );
        let sketch = sketch.strip_suffix(&format!(" seq {}", word[6])).filter(|_| word[5] % 8 > 5).unwrap_or(&sketch);
        let sketch: Sketch = sketch.parse().unwrap_or_else(|error| panic!("{sketch}: {error}"));
        feed(&mut engine, now, u16::from(word[0] & 1), &sketch.frame(MacAddr([2; 6]), MacAddr::BROADCAST));
    }
}

fn command(engine: &Engine, word: [u8; 8]) -> Option<Command> {
    let [which, a, b, c, d, ..] = word;
    let address = [10, 0, a, b].into();
    let device = DeviceId(u16::from(c % 4));
    let number = u32::from_be_bytes([a, b, c, d]);
    Some(match which % 15 {
        0 => Command::AddAddress(device, InterfaceAddress { address, prefix: d }),
        1 => Command::AddNeighbour { device, address, mac: MacAddr([a, b, c, d, 0, 0]) },
        2 => {
            let kind = RouteKind::Unicast { device, via: Some(address) };
            Command::AddRoute(Route {
                metrics: RouteMetrics::of_mtu(Some(u32::from(c) * 8)),
                ..Route::new(address, d, kind)
            })
        }
        3 => Command::SetSysctl(Sysctls::NAMES[usize::from(a) % Sysctls::NAMES.len()].into(), number >> (b % 32)),
        4 => Command::FlushConntrack,
        5 => Command::ReplaceRules(Box::new(engine.rules().of(Family::Ipv4).clone())),
        6 => Command::ReplaceRules(Box::default()),
        7 => Command::AttachHelpersByPort(a % 2 == 0),
        8 => Command::OfferUdp(UdpService { port: u16::from(a), answer: ServiceAnswer::Echo }),
        9 => Command::SendPacket(word.to_vec()),
        10 => Command::Trace(if a % 2 == 0 { TraceLevel::Full } else { TraceLevel::Off }),
        11 => Command::UnloadHelper(HelperId(u16::from(a % 6))),
        12 => {
            let mut helpers = towpath_helpers_native::all();
            Command::LoadHelper(helpers.swap_remove(usize::from(a) % helpers.len()))
        }
        13 => Command::SetMtu(device, number >> (b % 32)),
        _ => return None,
    })
}

/// A gateway with rules, helpers, translation and a service.
fn gateway() -> Engine {
    let mut engine = Engine::new(1);
    let mut give = |command| {
        let done = engine.handle_command(Instant::from_secs(1), command);
        done.unwrap_or_else(|error| panic!("{error}"));
    };
    for (index, (name, address)) in [("lan", [10, 0, 0, 1]), ("wan", [203, 0, 113, 1])].into_iter().enumerate() {
        give(Command::AddDevice(Device {
            name: name.into(),
            mac: MacAddr([2, 0, 0, 0, 0, index as u8]),
            mtu_bytes: 576,
            addresses: vec![InterfaceAddress { address: address.into(), prefix: 24 }],
            any_destination: true,
            arp: index == 1,
            ..Device::default()
        }));
    }
    let kind = RouteKind::Unicast { device: DeviceId(1), via: Some([203, 0, 113, 254].into()) };
    give(Command::AddRoute(Route::new([0; 4].into(), 0, kind)));
    towpath_helpers_native::all().into_iter().for_each(|helper| give(Command::LoadHelper(helper)));
    give(Command::AttachHelpersByPort(true));
    give(Command::OfferUdp(UdpService { port: 7, answer: ServiceAnswer::Echo }));
    give(Command::Subscribe(Subscription { conntrack: true, log: true, helper: true, endings: true }));
    give(Command::Trace(TraceLevel::Full));
    let rules = RuleSet::parse(&[Source { name: "rules", text: RULES }], &Loading::default());
    give(Command::ReplaceRules(Box::new(rules.unwrap_or_else(|error| panic!("{error}")))));
    engine
}

/// A frame goes in, time passes, and everything is fetched: the frames that go out.
fn feed(engine: &mut Engine, now: Instant, device: u16, frame: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    engine.handle_frames(now, &[Frame::new(DeviceId(device), frame)]);
    assert!(engine.poll_ending().is_some(), "a frame has ended somehow");
    while let Some(transmit) = engine.poll_transmit() {
        out.push(transmit.fragments().fold(transmit.head().to_vec(), |bytes, part| [&bytes, part].concat()));
        engine.recycle(transmit);
    }
    while engine.poll_event().is_some() {}
    while engine.poll_ending().is_some() {}
    engine.take_trace();
    engine.handle_timeout(now);
    out
}

fn assert_one_line(text: &str) {
    assert!(!text.is_empty() && !text.contains('\n'), "one line: {text:?}");
}

const RULES: &str = "-t nat -A POSTROUTING -o wan -j MASQUERADE
-t nat -A PREROUTING -i wan -p tcp --dport 80 -j DNAT --to-destination 10.0.0.80:8080
-t mangle -A FORWARD -p tcp --tcp-flags SYN,RST SYN -j TCPMSS --clamp-mss-to-pmtu
-A FORWARD -m conntrack --ctstate INVALID -j LOG --log-prefix \"invalid \"
-A FORWARD -m conntrack --ctstate INVALID -j DROP
-A FORWARD -p udp --dport 9 -j REJECT
-A FORWARD -p tcp --dport 9 -j REJECT --reject-with tcp-reset
";
