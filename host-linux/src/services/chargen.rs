//! The character generator (RFC 864): lines of printing characters for as long as somebody reads them.

use towpath_engine::{
    Engine, Instant,
    socket::{SocketError, SocketId},
};

use super::Turn;
use crate::limits::CHARGEN_ROUNDS_OF_TURN_MAX;

/// How far a conversation is.
#[derive(Debug, Default)]
pub(super) struct Chargen {
    /// Where in the pattern the next byte lies.
    place: usize,
}

impl Chargen {
    /// Writes as much as there is room for; what is said to it, it does not hear.
    pub(super) fn turn(&mut self, engine: &mut Engine, now: Instant, id: SocketId) -> Result<Turn, SocketError> {
        let heard = super::discard(engine, now, id)?;
        if heard == Turn::Over {
            return Ok(Turn::Over);
        }
        for _ in 0..CHARGEN_ROUNDS_OF_TURN_MAX {
            let bytes: Vec<u8> = (self.place..self.place + BYTES).map(byte).collect();
            match engine.socket(now, id)?.send(&bytes) {
                Ok(sent) => self.place = (self.place + sent) % PATTERN,
                Err(SocketError::WouldBlock) => return Ok(heard),
                Err(error) => return Err(error),
            }
        }
        Ok(Turn::Again)
    }
}

/// The byte at a place: 72 of the 95 printing characters a line, each line one character further on.
fn byte(place: usize) -> u8 {
    let (line, column) = (place / LINE, place % LINE);
    match column {
        72 => b'\r',
        73 => b'\n',
        column => b' ' + ((line + column) % PRINTING) as u8,
    }
}

const PRINTING: usize = (b'~' - b' ') as usize + 1;
const LINE: usize = 74;
/// After as many lines as there are characters the pattern begins anew.
const PATTERN: usize = LINE * PRINTING;
const BYTES: usize = 16_384;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_begins_one_character_further_on_and_the_pattern_repeats() {
        let text: String = (0..2 * PATTERN).map(|place| char::from(byte(place))).collect();
        let lines: Vec<&str> = text.split_terminator("\r\n").collect();
        assert_eq!(lines.len(), 190);
        assert!(lines.iter().all(|line| line.len() == 72));
        assert!(lines.windows(2).all(|pair| pair[0][1..] == pair[1][..71]));
        assert_eq!(lines[0], lines[95]);
    }
}
