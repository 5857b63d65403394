//! Packets of established flows that take the short way give what the long way gives: frames, events, endings, counters,
//! connections, and the state that is left.

use lab::kernel::Material;
use proptest::{prelude::*, sample::Index};
use towpath_engine::{netfilter::Source, transcript::Transcript};
use towpath_replay::{
    capture::Capture,
    replay::{Detail, Replay, Setup},
};

use crate::going_on::{Deed, Life, START, captures, deeds, scenarios};

/// A scenario with these deeds, on the short way and on the long one.
fn both(folder: usize, deeds: &[Deed]) -> [Life; 2] {
    [true, false].map(|repeating| {
        let Material { mut engine, inputs } =
            Material::read(&scenarios()[folder], START).expect("the scenario can be read");
        engine.set_repeating(repeating);
        let mut life = Life::new(engine, inputs, START);
        deeds.iter().for_each(|deed| life.happen(deed));
        life.transcript.listings(&life.engine);
        life
    })
}

#[test]
fn all_scenarios_give_on_the_short_way_what_they_give_on_the_long_one() {
    let mut repeated = 0;
    for (folder, name) in scenarios().iter().enumerate() {
        let [short, long] = [true, false].map(|repeating| {
            let Material { mut engine, inputs } = Material::read(name, START).expect("the scenario can be read");
            engine.set_repeating(repeating);
            let mut life = Life::new(engine, inputs.clone(), START);
            // Three times, so that flows which scenarios leave early go on for a while.
            for input in inputs.iter().cycle().take(3 * inputs.len()) {
                life.feed(input);
                life.transcript.drain(&mut life.engine);
            }
            life.transcript.listings(&life.engine);
            life
        });
        assert_eq!(short.transcript, long.transcript, "{} ({folder})", name.display());
        assert!(short.engine.save() == long.engine.save(), "{} ({folder})", name.display());
        assert_eq!(long.engine.repeated(), 0);
        repeated += short.engine.repeated();
    }
    assert!(repeated > 500, "only {repeated} packets took the short way");
}

#[test]
fn all_captures_give_on_the_short_way_what_they_give_on_the_long_one() {
    let mut repeated = 0;
    for (name, bytes) in captures() {
        for text in ["", FIREWALL] {
            let [short, long] = [true, false].map(|repeating| {
                let setup = Setup {
                    rules: vec![Source { name: "rules", text }],
                    helpers: towpath_helpers_native::all(),
                    detail: Detail::Events,
                    ..Setup::default()
                };
                let mut replay = Replay::new(setup).expect("the gateway can be set up");
                replay.set_repeating(repeating);
                let mut transcript = Transcript::default();
                // A capture that ends too early is transcribed up to there.
                let _ = replay.transcribe(&mut Capture::from_bytes(&bytes).expect("a capture"), &mut transcript);
                (transcript, replay.engine().save(), replay.engine().repeated())
            });
            assert_eq!(short.0, long.0, "{name} with {text}");
            assert!(short.1 == long.1, "{name} with {text}");
            repeated += short.2;
        }
    }
    assert!(repeated > 300, "only {repeated} packets took the short way");
}

/// Rules that look at more than the flow.
pub(crate) const FIREWALL: &str = "*mangle\n-A PREROUTING -m connmark --mark 0x1\n-A POSTROUTING -p tcp --tcp-flags ALL ACK\nCOMMIT\n\
    *nat\n-A POSTROUTING -j MASQUERADE\nCOMMIT\n\
    *filter\n-A FORWARD -p tcp --tcp-flags PSH PSH\n-A FORWARD -m tos --tos 0x10/0x3f -j ACCEPT\n\
    -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\nCOMMIT\n";

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whatever_happens_happens_the_same_on_the_short_way(folder: Index, deeds in deeds(120)) {
        let [short, long] = both(folder.index(scenarios().len()), &deeds);
        prop_assert_eq!(short.transcript, long.transcript);
        prop_assert!(short.engine.save() == long.engine.save(), "both are in the same state");
    }
}
