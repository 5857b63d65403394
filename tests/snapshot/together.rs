//! Packets of a capture that are handed over together fare as they do one by one: what is found out ahead changes nothing.

use towpath_engine::{netfilter::Source, transcript::Transcript};
use towpath_replay::{
    capture::Capture,
    replay::{Detail, Replay, Setup},
};

use crate::{going_on::captures, repeating::FIREWALL};

#[test]
fn all_captures_give_together_what_they_give_packet_by_packet() {
    for (name, bytes) in captures() {
        for text in ["", FIREWALL] {
            let [together, alone] = [64, 1].map(|count| {
                let setup = Setup {
                    rules: vec![Source { name: "rules", text }],
                    helpers: towpath_helpers_native::all(),
                    detail: Detail::Events,
                    ..Setup::default()
                };
                let mut replay = Replay::new(setup).expect("the gateway can be set up");
                let mut capture = Capture::from_bytes(&bytes).expect("a capture");
                let mut transcript = Transcript::default();
                // A capture that ends too early is replayed up to there.
                while let Ok(batch) = capture.next_batch(count)
                    && !batch.is_empty()
                {
                    replay.learn(&batch);
                    for packet in batch.packets() {
                        replay.handle(&packet).transcribe(&mut transcript);
                    }
                }
                transcript.listings(replay.engine());
                (transcript, replay.save())
            });
            assert_eq!(together.0, alone.0, "{name} with {text}");
            assert!(together.1 == alone.1, "{name} with {text}");
        }
    }
}
