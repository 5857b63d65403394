//! The same inputs give the same outputs, byte for byte, whenever they are given.

use lab::kernel::Material;
use towpath_engine::{Command, Frame, netfilter::Source, transcript::Transcript};
use towpath_replay::{
    capture::Capture,
    replay::{Detail, Replay, Setup},
};

use crate::going_on::{MASQUERADE, START, captures, scenarios};

/// Everything that the scenarios and captures make come out, as one number.
fn everything() -> Transcript {
    let mut transcript = Transcript::default();
    for folder in scenarios() {
        let Material { mut engine, inputs } = Material::read(folder, START).expect("the scenario can be read");
        for input in &inputs {
            let now = START + std::time::Duration::from_nanos(input.nanos);
            match input.side {
                Some(device) => engine.handle_frames(now, &[Frame::new(device, &input.bytes)]),
                None => {
                    let _ = engine.handle_command(now, Command::SendPacket(input.bytes.clone()));
                }
            }
            transcript.drain(&mut engine);
        }
        transcript.listings(&engine);
    }
    for (_, bytes) in captures() {
        let setup = Setup {
            rules: vec![Source { name: "masquerade", text: MASQUERADE }],
            helpers: towpath_helpers_native::all(),
            detail: Detail::Full,
            ..Setup::default()
        };
        let mut replay = Replay::new(setup).expect("the gateway can be set up");
        // A capture that ends too early is transcribed up to there.
        let _ = replay.transcribe(&mut Capture::from_bytes(&bytes).expect("a capture"), &mut transcript);
    }
    transcript
}

#[test]
fn two_runs_of_all_scenarios_and_captures_give_the_same() {
    assert_eq!(everything(), everything());
}
