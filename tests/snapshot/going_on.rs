//! The same inputs give the same outputs, whether or not the engine was saved and restored in between.

use std::{fs, path::PathBuf, sync::OnceLock, time::Duration};

use lab::kernel::{Input, Material, folders, play};
use proptest::{prelude::*, sample::Index};
use towpath_engine::{
    Command, DeviceId, Engine, Frame, Instant,
    conntrack::Family,
    ip::{Route, RouteKind},
    netfilter::{Loading, RuleSet, Source},
    snapshot::Restoring,
    trace::TraceLevel,
    transcript::Transcript,
};
use towpath_replay::{
    capture::Capture,
    replay::{Detail, Replay, Setup},
};

/// When runs start.
pub(crate) const START: Instant = Instant::from_secs(1_000_000);

pub(crate) fn restoring() -> Restoring {
    Restoring { helpers: towpath_helpers_native::all(), ..Restoring::default() }
}

/// Every scenario that can be played.
pub(crate) fn scenarios() -> &'static [PathBuf] {
    static PLAYABLE: OnceLock<Vec<PathBuf>> = OnceLock::new();
    PLAYABLE.get_or_init(|| {
        let all = folders().expect("the scenarios can be listed");
        let playable: Vec<_> = all.into_iter().filter(|folder| Material::read(folder, START).is_ok()).collect();
        assert!(playable.len() >= 25, "only {} scenarios can be played", playable.len());
        playable
    })
}

#[test]
fn a_scenario_gives_the_same_answer_when_it_is_restarted_before_any_frame() {
    for folder in scenarios() {
        let name = folder.display();
        let Ok((answer, saved)) = play(folder, |_| false) else { continue };
        let expected = serde_json::to_string(&answer).expect("an answer is JSON");
        type Cuts = fn(usize) -> bool;
        let cuts: [(&str, Cuts); 4] =
            [("every", |_| true), ("every third", |n| n % 3 == 1), ("the fifth", |n| n == 5), ("a late", |n| n == 20)];
        for (which, restarts) in cuts {
            let (answer, saved_after) =
                play(folder, restarts).unwrap_or_else(|error| panic!("{name}, restarted before {which}: {error:#}"));
            let given = serde_json::to_string(&answer).expect("an answer is JSON");
            assert_eq!(given, expected, "{name}, restarted before {which} frame");
            assert_eq!(saved_after, saved, "{name}, restarted before {which} frame");
        }
    }
}

#[test]
fn a_capture_is_replayed_the_same_when_the_gateway_is_restarted_on_the_way() {
    for (name, bytes) in captures() {
        let run = |every: Option<u64>| {
            let setup = || Setup {
                rules: vec![Source { name: "masquerade", text: MASQUERADE }],
                helpers: towpath_helpers_native::all(),
                detail: Detail::Full,
                ..Setup::default()
            };
            let mut replay = Replay::new(setup()).expect("the gateway can be set up");
            let mut transcript = Transcript::default();
            let mut capture = Capture::from_bytes(&bytes).expect("the capture can be read");
            while let Ok(batch) = capture.next_batch(64) {
                if batch.is_empty() {
                    break;
                }
                replay.learn(&batch);
                for packet in batch.packets() {
                    let waiting = replay.engine().waiting_packets();
                    if every.is_some_and(|every| packet.number % every == 0) && waiting == 0 {
                        replay.restart(restoring()).expect("the gateway can be restarted");
                    }
                    replay.handle(&packet).transcribe(&mut transcript);
                }
            }
            transcript.listings(replay.engine());
            (transcript, replay.engine().save())
        };
        let whole = run(None);
        for every in [1, 7, 40] {
            assert!(run(Some(every)) == whole, "{name}, restarted before every {every}th packet");
        }
    }
}

pub(crate) const MASQUERADE: &str = "*nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n";

/// The captures that are in the repository.
pub(crate) fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../captures");
    let mut found: Vec<_> = fs::read_dir(folder)
        .expect("the captures can be listed")
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let is_capture = path.extension().is_some_and(|ending| ending == "pcap" || ending == "pcapng");
            is_capture.then(|| (path.display().to_string(), fs::read(&path).expect("the capture can be read")))
        })
        .collect();
    found.sort();
    assert!(found.len() > 30, "only {} captures", found.len());
    found
}

/// Something that happens to an engine.
#[derive(Clone, Debug)]
pub(crate) enum Deed {
    /// A frame of the scenario.
    Frame(Index),
    /// One with a bit that has changed on the way.
    Damaged(Index, Index, u8),
    /// Time passes, and what is due happens.
    Pass(u64),
    /// Time passes, and nobody looks.
    Sleep(u64),
    /// A tunable is set.
    Sysctl(Index, u32),
    /// Rules are replaced.
    Rules(Index),
    /// What a frame of the scenario is for is reached another way from now on, by one of two devices.
    Detour(Index, u16),
    /// All connections are forgotten.
    Flush,
}

pub(crate) fn deeds(most: usize) -> impl Strategy<Value = Vec<Deed>> {
    let deed = prop_oneof![
        24 => any::<Index>().prop_map(Deed::Frame),
        4 => (any::<Index>(), any::<Index>(), 0..8_u8).prop_map(|(frame, at, bit)| Deed::Damaged(frame, at, bit)),
        4 => (0_u64..200_000_000_000).prop_map(|nanos| Deed::Pass(nanos >> (nanos % 24))),
        1 => (0_u64..200_000_000_000).prop_map(|nanos| Deed::Sleep(nanos >> (nanos % 24))),
        1 => (any::<Index>(), 0_u32..4).prop_map(|(which, value)| Deed::Sysctl(which, value)),
        1 => any::<Index>().prop_map(Deed::Rules),
        1 => (any::<Index>(), 0..2_u16).prop_map(|(frame, device)| Deed::Detour(frame, device)),
        1 => Just(Deed::Flush),
    ];
    prop::collection::vec(deed, 1..most)
}

/// An engine to which things happen, and what it gave.
pub(crate) struct Life {
    pub(crate) engine: Engine,
    pub(crate) transcript: Transcript,
    now: Instant,
    inputs: Vec<Input>,
}

impl Life {
    /// Without a trace, so that established flows pass the rules as their packets before did.
    pub(crate) fn new(mut engine: Engine, inputs: Vec<Input>, now: Instant) -> Self {
        // At the engine's own time: a restored one shall not have seen more of it than the one that was saved.
        let seen = engine.now();
        engine.handle_command(seen, Command::Trace(TraceLevel::Off)).expect("a trace can be ended");
        Self { engine, transcript: Transcript::default(), now, inputs }
    }

    pub(crate) fn happen(&mut self, deed: &Deed) {
        match deed {
            Deed::Frame(which) => self.feed(&self.inputs[which.index(self.inputs.len())].clone()),
            Deed::Damaged(which, at, bit) => {
                let mut input = self.inputs[which.index(self.inputs.len())].clone();
                let at = at.index(input.bytes.len());
                input.bytes[at] ^= 1 << bit;
                self.feed(&input);
            }
            Deed::Sleep(nanos) => self.now = self.now + Duration::from_nanos(*nanos),
            Deed::Pass(nanos) => {
                self.now = self.now + Duration::from_nanos(*nanos);
                for _ in 0..1000 {
                    match self.engine.poll_timeout() {
                        Some((when, _)) if when <= self.now => self.engine.handle_timeout(when),
                        Some(_) | None => break,
                    }
                    self.transcript.drain(&mut self.engine);
                }
            }
            Deed::Sysctl(which, value) => {
                let (name, least) = SYSCTLS[which.index(SYSCTLS.len())];
                let _ = self.engine.handle_command(self.now, Command::SetSysctl(name.into(), least + value));
            }
            Deed::Rules(which) => self.replace_rules(which.index(RULES.len())),
            Deed::Detour(which, device) => self.detour(which.index(self.inputs.len()), DeviceId(*device)),
            Deed::Flush => {
                self.engine.handle_command(self.now, Command::FlushConntrack).expect("the table is emptied");
            }
        }
        self.transcript.drain(&mut self.engine);
    }

    /// Adds a route to the IPv4 destination of an input; nothing happens when it is there already.
    fn detour(&mut self, input: usize, device: DeviceId) {
        let Input { side, bytes, .. } = &self.inputs[input];
        let start = if side.is_some() { 30 } else { 16 };
        let Some(destination) = bytes.get(start..start + 4).and_then(|bytes| <[u8; 4]>::try_from(bytes).ok()) else {
            return;
        };
        let kind = RouteKind::Unicast { device, via: None };
        let route = Route::new(destination.into(), 32, kind);
        let _ = self.engine.handle_command(self.now, Command::AddRoute(route));
    }

    pub(crate) fn replace_rules(&mut self, which: usize) {
        let helpers = self.engine.helpers().known();
        let loading = Loading { helpers: &helpers, ..Loading::default() };
        let sources = [("sets", SETS), ("rules", RULES[which])].map(|(name, text)| Source { name, text });
        let rules = Box::new(RuleSet::parse(&sources, &loading).expect("the rules can be read"));
        self.engine.handle_command(self.now, Command::ReplaceRules(rules)).expect("rules are taken");
    }

    pub(crate) fn feed(&mut self, input: &Input) {
        match input.side {
            Some(device) => self.engine.handle_frames(self.now, &[Frame::new(device, &input.bytes)]),
            None => {
                let _ = self.engine.handle_command(self.now, Command::SendPacket(input.bytes.clone()));
            }
        }
    }
}

/// Tunables, and the least value they get: no limit of connections would make room for all there can be.
static SYSCTLS: &[(&str, u32)] = &[
    ("net.ipv4.ip_forward", 0),
    ("net.ipv4.icmp_ratelimit", 0),
    ("net.netfilter.nf_conntrack_max", 2),
    ("net.netfilter.nf_conntrack_acct", 0),
    ("net.netfilter.nf_conntrack_timestamp", 0),
    ("net.netfilter.nf_conntrack_tcp_loose", 0),
    ("net.netfilter.nf_conntrack_tcp_be_liberal", 0),
    ("net.netfilter.nf_conntrack_udp_timeout", 0),
];

const SETS: &str = "create known hash:ip timeout 60 counters\nadd known 10.0.0.1\nadd known 192.168.1.10\n";

/// The sets of rules that runs choose from; number 4 remembers most.
static RULES: &[&str] = &[
    "",
    MASQUERADE,
    "*nat\n-A POSTROUTING -j MASQUERADE --random\n-A PREROUTING -p udp -j REDIRECT --to-ports 7\nCOMMIT\n",
    "*filter\n:FORWARD DROP [0:0]\n-A FORWARD -m limit --limit 2/sec --limit-burst 3 -j ACCEPT\n\
     -A FORWARD -m statistic --mode nth --every 3 --packet 0 -j REJECT\n\
     -A FORWARD -m statistic --mode random --probability 0.5 -j LOG\nCOMMIT\n",
    // What rules remember: by themselves, and under a name.
    "*filter\n-A FORWARD -m recent --name seen --set\n-A FORWARD -m recent --name seen --rcheck --seconds 5 --hitcount 3 -j DROP\n\
     -A FORWARD -m hashlimit --hashlimit-name some --hashlimit-mode srcip,dstport --hashlimit-upto 3/sec -j ACCEPT\n\
     -A FORWARD -m connlimit --connlimit-above 2 -j REJECT\n-A FORWARD -m set --match-set known src -j ACCEPT\n\
     -A FORWARD -j SET --add-set known src --timeout 7\nCOMMIT\n",
    "*raw\n-A PREROUTING -p tcp --dport 21 -j CT --helper ftp\nCOMMIT\n*mangle\n-A PREROUTING -j MARK --set-mark 0x7\n\
     -A POSTROUTING -j CONNMARK --save-mark\nCOMMIT\n*nat\n-A POSTROUTING -p tcp -j SNAT --to-source 203.0.113.9-203.0.113.11\n\
     COMMIT\n*filter\n-N seen\n-A seen -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n-A FORWARD -j seen\nCOMMIT\n",
];

#[test]
fn rules_whose_set_others_have_replaced_by_one_of_another_family_are_restored() {
    let mut engine = Engine::new(7);
    for (family, set) in
        [(Family::Ipv6, "create known hash:ip family inet6\n"), (Family::Ipv4, "create known hash:ip\n")]
    {
        let rules = "-A FORWARD -m set --match-set known src -j ACCEPT\n";
        let sources = [Source { name: "sets", text: set }, Source { name: "rules", text: rules }];
        let rules = RuleSet::parse(&sources, &Loading { family, ..Loading::default() }).expect("the rules can be read");
        engine.handle_command(START, Command::ReplaceRules(Box::new(rules))).expect("rules are taken");
    }
    let saved = engine.save();
    let restored = Engine::restore(&saved, Restoring::default()).expect("a snapshot is taken");
    assert!(restored.save() == saved, "what was restored is saved as it was");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_happens_happens_the_same_to_a_restored_engine(
        folder: Index,
        before in deeds(60),
        after in deeds(60),
    ) {
        let material = Material::read(&scenarios()[folder.index(scenarios().len())], START).expect("the scenario can be read");
        let mut saved = Life::new(material.engine, material.inputs, START);
        before.iter().for_each(|deed| saved.happen(deed));
        // Fragments that wait for others, and the datagrams that lost theirs, are in no snapshot: they are given up first.
        if saved.engine.waiting_packets() > 0 || saved.engine.defrag().next_timeout().is_some() {
            saved.happen(&Deed::Pass(70_000_000_000));
        }
        prop_assert_eq!(saved.engine.waiting_packets(), 0, "neighbours are known, and everything was fetched");
        let bytes = saved.engine.save();
        let restored = Engine::restore(&bytes, restoring()).expect("a snapshot is taken");
        prop_assert!(restored.save() == bytes, "what was restored is saved as it was");
        let mut restored = Life::new(restored, saved.inputs.clone(), saved.now);
        saved.transcript = Transcript::default();
        for deed in &after {
            saved.happen(deed);
            restored.happen(deed);
            prop_assert_eq!(saved.transcript, restored.transcript, "{:?}", deed);
        }
        saved.transcript.listings(&saved.engine);
        restored.transcript.listings(&restored.engine);
        prop_assert_eq!(saved.transcript, restored.transcript);
        prop_assert!(saved.engine.save() == restored.engine.save(), "both are in the same state");
    }
}
