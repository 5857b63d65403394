//! The helper as the kit sees it.

use alloc::vec::Vec;

use towpath_helper_kit::{
    Anchor, AttachPoint, Context, Direction, Endpoint, ExpectClass, FailurePolicy, Framing, Inspection, Manifest,
    Opener, Pattern, Plugin, Protocol, Site, Trigger, Verdict, Wish, foreign,
};

use crate::{
    manifest::{EXPECT_SECONDS, EXPECTED_MAX, FUEL_PER_CALL, MEMORY_BYTES_MAX, OPENINGS, PORT, REWRITE_BYTES_MAX},
    offer, render,
};

/// The IRC helper; keeps nothing.
#[derive(Clone, Copy, Debug)]
pub struct Irc;

impl Plugin for Irc {
    fn manifest() -> Manifest {
        Manifest {
            name: "irc".into(),
            attach: Vec::from([AttachPoint { protocol: Protocol::Tcp, ports: PORT..=PORT }]),
            framing: Framing::LooseLines,
            triggers: Vec::from([
                Trigger { bytes: b"\x01DCC ".to_vec(), anchor: Anchor::Anywhere },
                foreign::trigger(),
            ]),
            openings: OPENINGS.iter().map(|opening| opening.to_vec()).collect(),
            classes: Vec::from([ExpectClass {
                name: "dcc".into(),
                protocol: Protocol::Tcp,
                direction: Some(Direction::Reply),
                // Whom the message was for, the server alone knows.
                opener: Opener::Anyone,
                ports: 1..=u16::MAX,
                loose: false,
                permanent: false,
                ends_master: false,
                expected_max: EXPECTED_MAX,
                timeout_seconds: EXPECT_SECONDS,
            }]),
            rewrite_bytes_max: REWRITE_BYTES_MAX,
            state_bytes_max: 0,
            fuel_per_call: FUEL_PER_CALL,
            memory_bytes_max: MEMORY_BYTES_MAX,
            on_failure: FailurePolicy::Drop,
        }
    }

    fn inspect(context: &Context, _state: &[u8], payload: &[u8]) -> Option<Inspection> {
        if foreign::speaks(context, payload) {
            return Some(Inspection::of(Verdict::Foreign));
        }
        // What comes from the server is somebody else's offer: this client will call, which needs no help.
        if context.direction != Direction::Original {
            return None;
        }
        let found = offer(context.source.address, payload)?;
        // No client writes such a number; in mode `kernel` it counts as in Linux.
        let verdict = if found.wraps { Verdict::Foreign } else { Verdict::Accept };
        let wish = Wish {
            class: 0,
            protocol: Protocol::Tcp,
            source: Pattern::default(),
            destination: Pattern::endpoint(found.address, found.port),
            direction: Direction::Reply,
            permanent: false,
            // A payload is at most 64 KB.
            site: Some(Site { offset: found.offset as u32, length: found.length as u32, token: 0 }),
        };
        Some(Inspection { verdict, ..Inspection::wish(wish) })
    }

    fn render(_context: &Context, _state: &[u8], _site: Site, translated: Endpoint) -> Vec<u8> {
        render(translated.address, translated.port).into_bytes()
    }
}
