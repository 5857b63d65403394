//! Packets: `< S 0:0(0) win 1000 <mss 1460>`.

use super::Reader;
use crate::{
    ScriptError,
    cursor::{Cursor, is_of_word},
    script::{Action, Body, Direction, Ecn, IcmpError, Packet, Segment},
};

impl Reader<'_> {
    pub(super) fn packet(&self, cursor: &mut Cursor<'_>) -> Result<Action, ScriptError> {
        let direction = if cursor.take("<") {
            Direction::In
        } else {
            cursor.expect(">", "< or >")?;
            Direction::Out
        };
        let ecn = ecn(cursor)?;
        let body =
            if cursor.take_word("icmp") { Body::Icmp(self.icmp(cursor)?) } else { Body::Tcp(self.segment(cursor)?) };
        Ok(Action::Packet(direction, Packet { ecn, body }))
    }

    fn segment(&self, cursor: &mut Cursor<'_>) -> Result<Segment, ScriptError> {
        let flags = cursor.take_while(|c| FLAGS.contains(&c));
        if flags.is_empty() {
            return Err(cursor.error("the flags of a TCP segment: of F S R P . U E W A, or - for none"));
        }
        let (start, len) = sequence(cursor)?;
        let mut segment = Segment {
            flags: flags.trim_matches('-').to_owned(),
            start,
            len,
            ack: None,
            window: None,
            urgent: None,
            options: Some(Vec::new()),
        };
        if cursor.take_word("ack") {
            segment.ack = Some(cursor.number("the number that is acknowledged")?);
        }
        if cursor.take_word("win") {
            segment.window = Some(cursor.number("a window of at most 65535")?);
        }
        if cursor.take_word("urg") {
            segment.urgent = Some(cursor.number("an urgent pointer of at most 65535")?);
        }
        if cursor.peek() == Some('<') {
            segment.options = self.tcp_options(cursor)?;
        }
        Ok(segment)
    }

    fn icmp(&self, cursor: &mut Cursor<'_>) -> Result<IcmpError, ScriptError> {
        let kind = cursor.word("the type of an ICMP error, such as unreachable")?.to_owned();
        let mut error = IcmpError { kind, code: None, mtu: None, about: None };
        if cursor.peek().is_some_and(is_of_word) && !cursor.rest().starts_with("mtu ") && is_name(cursor) {
            let code = cursor.word("the code of an ICMP error")?;
            error.code = Some(self.defined(code).unwrap_or(code).to_owned());
        }
        if cursor.take_word("mtu") {
            error.mtu = Some(cursor.number("an MTU in bytes")?);
        }
        if cursor.take("[") {
            error.about = Some(sequence(cursor)?);
            cursor.expect("]", "] behind what the error is about")?;
        }
        Ok(error)
    }
}

/// Whether a word lies ahead that begins with a letter; the next event begins with something else.
fn is_name(cursor: &mut Cursor<'_>) -> bool {
    cursor.peek().is_some_and(|c| c.is_ascii_alphabetic())
}

/// Reads `start:end(length)`; gives start and length. The end must be as far from the start as the length says, but for flags
/// that count: those are not written in it.
fn sequence(cursor: &mut Cursor<'_>) -> Result<(u32, u32), ScriptError> {
    let mut at = *cursor;
    let start: u32 = cursor.number("the first sequence number")?;
    cursor.expect(":", "`:` and the last sequence number")?;
    let end: u32 = cursor.number("the last sequence number")?;
    cursor.expect("(", "( and the length in bytes")?;
    let len: u32 = cursor.number("the length in bytes")?;
    cursor.expect(")", ") behind the length")?;
    if end.wrapping_sub(start) != len {
        return Err(at.error("sequence numbers that are as far apart as the length says"));
    }
    Ok((start, len))
}

fn ecn(cursor: &mut Cursor<'_>) -> Result<Option<Ecn>, ScriptError> {
    if !cursor.take("[") {
        return Ok(None);
    }
    let mut at = *cursor;
    let word = cursor.word("noecn, ect0, ect1, ect01 or ce")?;
    let found = ECN.iter().find(|(name, _)| *name == word).map(|(_, ecn)| *ecn);
    let ecn = found.ok_or_else(|| at.error("noecn, ect0, ect1, ect01 or ce"))?;
    cursor.expect("]", "] behind the ECN field")?;
    Ok(Some(ecn))
}

const FLAGS: [char; 10] = ['F', 'S', 'R', 'P', '.', 'U', 'E', 'W', 'A', '-'];

static ECN: [(&str, Ecn); 5] = [
    ("noecn", Ecn::NotCapable),
    ("ect0", Ecn::Ect0),
    ("ect1", Ecn::Ect1),
    ("ect01", Ecn::Ect01),
    ("ce", Ecn::CongestionExperienced),
];
