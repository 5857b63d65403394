//! TCP between two engines whose users and whose link do anything: what is delivered is a prefix of what was sent, both keep their
//! books, something is always waited for, and everything goes away in the end.

mod choices;
mod forge;
mod input;
mod pair;
mod world;

use core::time::Duration;

use self::{input::Input, pair::Side, world::World};
use crate::network::Tamper;

/// Operations on two engines: a byte says which, the next ones what.
///
/// Everything is made anew for each input, so that an input alone says what happens.
///
/// # Panics
/// When what is read is not what was written, though nobody has sent what neither engine has; when a connection's numbers do not agree,
/// it is stuck, or it leaves something behind.
pub fn tcp(data: &[u8]) {
    let mut input = Input(data);
    let mut world = World::new(&mut input);
    // More would only make each try slow.
    for _ in 0..OPERATIONS_MAX {
        let Some(which) = input.next() else { break };
        operate(&mut world, which, &mut input);
        world.check();
    }
    world.end();
}

const OPERATIONS_MAX: usize = 80;

fn operate(world: &mut World, which: u8, input: &mut Input<'_>) {
    match which % 40 {
        0..5 => {
            let side = Side::of(input.byte());
            let flags = input.byte();
            world.send(side, input.of(&LENGTHS), flags);
        }
        5..9 => {
            let side = Side::of(input.byte());
            let _ = world.receive(side, input.of(&LENGTHS).max(1));
        }
        9..13 => world.pass(input.of(&TIMES)),
        13..15 => world.step(1 + input.below(8)),
        15 => {
            let how = input.byte();
            world.shut(Side::of(how), how & 0x40 != 0, how & 0x80 != 0);
        }
        16 => world.close(Side::of(input.byte())),
        17..20 => {
            let side = Side::of(input.byte());
            world.set(side, &choices::option(input));
        }
        20 => world.network.link = choices::link(input, world.network.link),
        21..25 => {
            let nth = input.below(16);
            tamper(world, nth, input);
        }
        25..28 => world.forge(Side::of(input.byte()), input),
        28 => world.tell_error(Side::of(input.byte()), input),
        29 => world.connect(input.byte()),
        30 => world.connect_both(),
        31 => world.accept(),
        32 => world.tune(input),
        33 => world.receive_urgent(Side::of(input.byte())),
        34 => world.connect_again(Side::of(input.byte())),
        35 => world.listen(input.byte()),
        36 => world.peek(Side::of(input.byte()), input.of(&LENGTHS)),
        37 => world.take_error(Side::of(input.byte())),
        38 => world.send_fast(input.of(&LENGTHS)),
        _ => world.read_all(),
    }
}

fn tamper(world: &mut World, nth: usize, input: &mut Input<'_>) {
    let later = |input: &mut Input<'_>| Duration::from_millis(u64::from(input.byte()));
    let how = match input.below(8) {
        0..2 => Tamper::Lose,
        2..4 => Tamper::Repeat(later(input)),
        4..6 => Tamper::Delay(later(input)),
        6 => Tamper::Flip(usize::from(input.word())),
        _ => Tamper::Forge(usize::from(input.word())),
    };
    world.is_forged |= world.network.tamper(nth, how) && matches!(how, Tamper::Forge(_));
}

const LENGTHS: [usize; 12] = [0, 1, 2, 87, 100, 536, 1000, 1448, 2897, 5000, 14_480, 66_000];
const TIMES: [Duration; 10] = [
    Duration::from_micros(1),
    Duration::from_millis(1),
    Duration::from_millis(10),
    Duration::from_millis(41),
    Duration::from_millis(100),
    Duration::from_millis(205),
    Duration::from_secs(1),
    Duration::from_secs(3),
    Duration::from_secs(61),
    Duration::from_secs(400),
];
