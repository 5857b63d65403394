//! The helper as the kit sees it.

use alloc::vec::Vec;

use towpath_helper_kit::{
    Anchor, AttachPoint, Context, Direction, Endpoint, ExpectClass, FailurePolicy, Framing, Inspection, Manifest,
    Opener, Pattern, Plugin, Protocol, Site, Trigger, Verdict, Wish, foreign,
};

use crate::{Announcement, Notation, Outcome, Sender, asked, inspect, manifest, render};

/// The FTP helper; remembers what the client has asked for.
#[derive(Clone, Copy, Debug)]
pub struct Ftp;

impl Plugin for Ftp {
    fn manifest() -> Manifest {
        let commands = manifest::TRIGGERS.iter();
        let triggers = commands.map(|bytes| Trigger { bytes: bytes.to_vec(), anchor: Anchor::LineStart });
        Manifest {
            name: manifest::NAME.into(),
            attach: Vec::from([AttachPoint { protocol: Protocol::Tcp, ports: manifest::PORT..=manifest::PORT }]),
            framing: Framing::Lines,
            triggers: triggers.chain([foreign::trigger()]).collect(),
            openings: manifest::OPENINGS.iter().map(|opening| opening.to_vec()).collect(),
            classes: Vec::from([ExpectClass {
                name: manifest::CLASS.into(),
                protocol: Protocol::Tcp,
                // PORT and EPRT are the client's, and the server opens; 227 and 229 the other way round.
                direction: None,
                opener: Opener::Peer,
                ports: 0..=u16::MAX,
                loose: false,
                permanent: false,
                ends_master: false,
                expected_max: manifest::EXPECTED_MAX,
                timeout_seconds: manifest::EXPECT_SECONDS,
            }]),
            rewrite_bytes_max: manifest::REWRITE_BYTES_MAX,
            state_bytes_max: manifest::ASKED_MAX as u16,
            fuel_per_call: manifest::FUEL_PER_CALL,
            memory_bytes_max: manifest::MEMORY_BYTES_MAX,
            on_failure: FailurePolicy::Drop,
        }
    }

    fn inspect(context: &Context, state: &[u8], payload: &[u8]) -> Option<Inspection> {
        if foreign::speaks(context, payload) {
            return Some(Inspection::of(Verdict::Foreign));
        }
        let sender = match context.direction {
            Direction::Original => Sender::Client,
            Direction::Reply => Sender::Server,
        };
        match inspect(sender, context.source.address, payload) {
            Outcome::Nothing if sender == Sender::Client => {
                let asked = asked::ask(state, asked::asks(payload)?);
                Some(Inspection { state: Some(asked), ..Inspection::of(Verdict::Accept) })
            }
            Outcome::Nothing => None,
            Outcome::Incomplete => Some(Inspection::of(Verdict::Incomplete)),
            Outcome::Malformed => Some(Inspection::of(Verdict::Malformed)),
            Outcome::Announced(found) => Some(announced(context, state, &found)),
        }
    }

    fn render(_context: &Context, _state: &[u8], site: Site, translated: Endpoint) -> Vec<u8> {
        let notation = Notation::from_token(site.token);
        notation.map_or_else(Vec::new, |notation| render(notation, translated.address, translated.port).into_bytes())
    }
}

/// What an endpoint that is named leads to.
fn announced(context: &Context, state: &[u8], found: &Announcement) -> Inspection {
    let wished = Inspection::wish(wish(context, found));
    let asked = match found.notation {
        Notation::Port | Notation::Eprt => Some(None),
        Notation::Pasv | Notation::Epsv => asked::answer(state, found.notation).map(Some),
    };
    match asked {
        Some(state) if !found.wraps && !found.is_longer => Inspection { state, ..wished },
        // Neither end writes such a number or word, nor answers what nobody has asked; in mode `kernel` it counts as in Linux.
        Some(_) | None => Inspection { verdict: Verdict::Foreign, ..wished },
    }
}

/// A data connection from the side that reads the payload to the side that wrote it, from any port.
const fn wish(context: &Context, found: &Announcement) -> Wish {
    Wish {
        class: 0,
        protocol: Protocol::Tcp,
        source: Pattern::host(context.destination.address),
        destination: Pattern::endpoint(found.address, found.port),
        direction: context.direction.opposite(),
        permanent: false,
        // A payload is at most 64 KB.
        site: Some(Site { offset: found.offset as u32, length: found.length as u32, token: found.notation.token() }),
    }
}
