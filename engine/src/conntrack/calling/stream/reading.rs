//! Lines found in a stream, and shown.

use alloc::{borrow::Cow, string::ToString, vec::Vec};

use super::{Open, StreamMut, ahead::Stretch};
use crate::{
    conntrack::{
        Direction,
        calling::{
            Departure, GivenUp, Memory, announce,
            consult::Call,
            opening::{self, Beginning},
            trigger::Worth,
        },
        helper::HelperMode,
    },
    ending::DropReason,
    limits::{HELPER_LINES_MAX, LATE_BYTES_MAX, LINE_BYTES_HELD_MAX},
    packet::Packet,
    wire::SeqNum,
};

/// Bytes of a stream, from the next one on.
pub(super) struct Run<'a> {
    /// They.
    pub(super) bytes: &'a [u8],
    /// Where its segments end, counted in its bytes; the last one is its own end.
    pub(super) ends: &'a [usize],
    /// Nothing more is waited for.
    pub(super) is_last: bool,
}

/// Shows the lines of a run and remembers what is to be written; tells how many of the run's bytes, whole segments, may go on.
/// Nothing of them has changed by then.
///
/// # Errors
/// When the run's segments have to be dropped; nothing was granted then, and the stream stands where it stood.
pub(super) fn read(call: &mut Call<'_>, next: SeqNum, run: &Run<'_>) -> Result<usize, DropReason> {
    let open = stream_mut(call).map(|stream| stream.open()).unwrap_or_default();
    let blank = if open == Open::First { blank_bytes(run.bytes) } else { 0 };
    if open == Open::First {
        if blank == run.bytes.len() {
            go_on(call, next + blank as u32, Open::First);
            return Ok(blank);
        }
        match begin(call, &run.bytes[blank..], run.is_last) {
            Beginning::Known => know(call),
            Beginning::Short => return Ok(0),
            Beginning::Foreign => return Ok(pass(call, next, run.bytes)),
        }
    } else if leave_unknown(call) {
        return Ok(pass(call, next, run.bytes));
    }
    if call.direction == Direction::Reply && !is_begun(call) {
        return Ok(pass(call, next, run.bytes));
    }
    let (sent, skipped) = match open {
        Open::Line(sent) => (sent, 0),
        Open::First if !must_begin(call) => (Vec::new(), 0),
        Open::Start => (Vec::new(), 0),
        Open::Carried | Open::First | Open::Other | Open::Deaf => {
            match skip(call, open == Open::Other, blank, run.bytes) {
                Some(skipped) => (Vec::new(), skipped),
                None => return Ok(pass(call, next, run.bytes)),
            }
        }
    };
    let text: Cow<'_, [u8]> = match sent.is_empty() {
        true => Cow::Borrowed(&run.bytes[skipped..]),
        false => Cow::Owned([&sent[..], run.bytes].concat()),
    };
    // So many of the text's bytes are not in the run.
    let before = sent.len();
    let whole = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
    let tail = &text[whole..];
    let worth = if tail.is_empty() { Worth::Nothing } else { call.loaded.triggers.worth(tail) };
    let until = match worth == Worth::Waiting && !run.is_last {
        false => run.bytes.len(),
        // What goes on ends with a line, at a segment's end.
        true => {
            let is_line_end = |end: &&usize| {
                let at = (**end + before).saturating_sub(skipped);
                at <= whole && at > before && text[at - 1] == b'\n'
            };
            run.ends.iter().rev().find(is_line_end).copied().unwrap_or(0)
        }
    };
    if until == 0 {
        return Ok(0);
    }
    let shown = whole.min((until + before).saturating_sub(skipped));
    call.sent = before;
    show(call, &text[..shown])?;
    let base = next.offset(skipped as i32 - before as i32);
    announce::remember(call, base);
    if is_over(call) {
        return Ok(pass(call, next, run.bytes));
    }
    if until == run.bytes.len() && worth == Worth::Waiting && tail.len() > LINE_BYTES_HELD_MAX {
        give_up(call, GivenUp::Length);
    }
    let left = if until == run.bytes.len() { left_open(worth, tail) } else { Open::Start };
    go_on(call, next + until as u32, left);
    Ok(until)
}

/// What a stream stands in that was read to behind the beginning of a line.
fn left_open(worth: Worth, tail: &[u8]) -> Open {
    if tail.is_empty() {
        return Open::Start;
    }
    let is_kept = worth != Worth::Nothing && tail.len() <= LINE_BYTES_HELD_MAX;
    if is_kept { Open::Line(tail.to_vec()) } else { Open::Other }
}

/// How many bytes of blank lines some bytes begin with. They are no part of the first line: no browser begins with such.
pub(super) fn blank_bytes(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()
}

/// How many bytes lie before the first line that is to be read; `None`: all of them, or none is. The rest of a line goes on unread, and
/// nothing of concern may stand there.
fn skip(call: &mut Call<'_>, is_rest: bool, blank: usize, bytes: &[u8]) -> Option<usize> {
    let newline = bytes[blank..].iter().position(|byte| *byte == b'\n');
    let skipped = newline.map_or(bytes.len(), |newline| blank + newline + 1);
    if is_rest && call.loaded.triggers.stands_in(&bytes[..skipped]) {
        give_up(call, GivenUp::Length);
    }
    newline.filter(|_| !is_over(call)).map(|_| skipped)
}

/// Lets bytes go on unread, and tells how many those are.
fn pass(call: &mut Call<'_>, next: SeqNum, bytes: &[u8]) -> usize {
    go_on(call, next + bytes.len() as u32, if bytes.ends_with(b"\n") { Open::Start } else { Open::Other });
    bytes.len()
}

/// Takes the helper away from a connection that does not begin as its protocol does: in lines of text, and of the side that has opened it
/// with one of the manifest's openings. What is short and the last for now is not waited for.
pub(super) fn begin(call: &mut Call<'_>, bytes: &[u8], is_last: bool) -> Beginning {
    let beginning = match call.direction {
        _ if is_binary(bytes, false) => Beginning::Foreign,
        Direction::Original => opening::judge(&call.loaded.manifest.openings, bytes),
        Direction::Reply => Beginning::Known,
    };
    let leaves = match beginning {
        Beginning::Known => false,
        Beginning::Short => is_last,
        Beginning::Foreign => true,
    };
    if leaves {
        call.let_off(Departure::Beginning);
        return Beginning::Foreign;
    }
    beginning
}

/// Whether the first line of some bytes is no line of text. Whoever has made somebody's program speak something else chooses what stands
/// on its later lines (NAT slipstreaming, CVE-2020-16022: names of users in TURN, sessions that are resumed in TLS).
fn is_binary(bytes: &[u8], is_begun: bool) -> bool {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or_default();
    // Messages of TURN begin with such a byte, and records of TLS, whose next ones may look like text.
    let begins_binary =
        || line.first().is_some_and(|first| first.is_ascii_control() && !matches!(first, b'\t' | b'\r'));
    line.contains(&0) || !is_begun && begins_binary()
}

/// Notes that a stream begins as the helper's protocol does.
pub(super) fn know(call: &mut Call<'_>) {
    if let Some(mut stream) = stream_mut(call) {
        stream.set_known();
    }
}

/// Whether a stream has to begin as the helper's protocol does: that of the side that has opened the connection, if the manifest says how.
pub(super) fn must_begin(call: &Call<'_>) -> bool {
    call.direction == Direction::Original && !call.loaded.manifest.openings.is_empty()
}

/// Whether the side that has opened the connection has begun as the helper's protocol does, as far as it has to. What the other side says
/// before is not read: it answers nothing.
fn is_begun(call: &mut Call<'_>) -> bool {
    let must = !call.loaded.manifest.openings.is_empty();
    let connection = call.conntrack.connection_mut(call.id);
    !must || connection.is_some_and(|connection| connection.extension_mut().streams.of(Direction::Original).is_known())
}

/// Takes the helper away from a connection whose beginning it has to know and has not read, and says whether it has. Somebody may have seen
/// to that: an end can have connection tracking forget a connection that goes on, send its first bytes in the SYN, or have them lost.
fn leave_unknown(call: &mut Call<'_>) -> bool {
    let leaves = must_begin(call) && !is_begun(call);
    if leaves {
        call.let_off(Departure::Unbegun);
    }
    leaves
}

/// Takes the helper away from a connection whose beginning nobody has seen, when it has to be known, or what is seen is no text.
pub(super) fn leave_unbegun(call: &mut Call<'_>, bytes: &[u8]) {
    if !leave_unknown(call) && is_binary(bytes, true) {
        call.let_off(Departure::Foreign);
    }
}

/// Shows the lines of a text that ends with one, each alone. Those beyond what a packet may show go on unread, which is told, and
/// so does one that is too long: what a call costs is not at a sender's mercy, and a line is worth no more for coming in one piece.
fn show(call: &mut Call<'_>, text: &[u8]) -> Result<(), DropReason> {
    let (lines, has_more) = call.loaded.triggers.lines(text);
    if has_more {
        give_up(call, GivenUp::Lines);
    }
    for line in lines {
        if is_over(call) {
            break;
        }
        if call.answers == HELPER_LINES_MAX {
            give_up(call, GivenUp::Lines);
            break;
        }
        if line.len() > LINE_BYTES_HELD_MAX {
            give_up(call, GivenUp::Length);
            continue;
        }
        call.consult(&text[line.clone()], line.start).inspect_err(|_| call.withdraw())?;
    }
    Ok(())
}

/// Tells that lines go on unread. A helper that has to know how a connection begins reads none on whose lines are too long or too many to be
/// shown: somebody may have seen to it that what tells another protocol stands there. No program needs so much.
pub(super) fn give_up(call: &mut Call<'_>, why: GivenUp) {
    call.give_up(why);
    if matches!(why, GivenUp::Length | GivenUp::Lines) && must_be_whole(call) {
        stop(call, Departure::Unread);
    }
}

/// Reads a stream no more of which a helper is not shown what could matter, where it has to know all of it.
pub(in crate::conntrack::calling) fn leave_unread(call: &mut Call<'_>) {
    if call.mode != HelperMode::Kernel && must_be_whole(call) {
        stop(call, Departure::Unread);
    }
}

/// Whether a stream is read only as far as all of it was seen that could matter: of a connection whose beginning has to be known. What the
/// other side says before its client has begun is not read in any case.
pub(super) fn must_be_whole(call: &mut Call<'_>) -> bool {
    let must = !call.loaded.manifest.openings.is_empty();
    must && (call.direction == Direction::Original || is_begun(call))
}

/// Reads a stream no more that was not seen whole. Without what its client has said nobody can say what a connection speaks; what the other
/// side says then stands for nothing, but the client does for what it has said itself.
pub(super) fn stop(call: &mut Call<'_>, why: Departure) {
    match call.direction {
        Direction::Original => call.let_off(why),
        Direction::Reply => {
            call.note(|| "reads no more of what comes from this side, of which too much goes on unread".to_string());
            go_on(call, SeqNum::default(), Open::Deaf);
        }
    }
}

/// Whether the stream is read no more.
fn is_over(call: &mut Call<'_>) -> bool {
    !call.is_attached() || stream_mut(call).is_some_and(|stream| stream.open() == Open::Deaf)
}

/// Lets bytes go on unread that lie behind missing ones. None of them may be of concern: those that are missing may say what they mean.
pub(super) fn pass_ahead(call: &mut Call<'_>, stretch: Stretch, is_of_concern: bool) {
    let Some(mut stream) = stream_mut(call) else { return };
    let Some(next) = stream.next() else { return };
    let is_far = (stretch.start - next) as usize > LATE_BYTES_MAX;
    if !is_of_concern && !is_far && stream.note_ahead(stretch) {
        call.weigh(Memory::Line(call.direction));
        return;
    }
    let is_first = stream.open() == Open::First;
    stop(call, if is_first && !is_of_concern { Departure::Unbegun } else { Departure::Unread });
}

/// Goes on behind what has gone on unread before, when nothing is missing any more before it. What has been read up to there must not end
/// inside a line of concern, whose rest nobody has seen.
pub(super) fn catch_up(call: &mut Call<'_>) {
    while let Some(mut stream) = stream_mut(call)
        && let Some(stretch) = stream.reached()
    {
        call.weigh(Memory::Line(call.direction));
        let Some(stream) = stream_mut(call).filter(|stream| stream.next().is_some_and(|next| stretch.end.after(next)))
        else {
            continue;
        };
        if let Open::Line(line) = stream.open()
            && call.loaded.triggers.worth(&line) == Worth::Waiting
        {
            stop(call, Departure::Unread);
            return;
        }
        go_on(call, stretch.end, if stretch.ends_line { Open::Start } else { Open::Other });
    }
}

/// Sets how far the stream was read.
pub(super) fn go_on(call: &mut Call<'_>, next: SeqNum, open: Open) {
    let Some(mut stream) = stream_mut(call) else { return };
    let had_line = stream.line_bytes() > 0;
    stream.set(next, open);
    if had_line || stream.line_bytes() > 0 {
        call.weigh(Memory::Line(call.direction));
    }
}

/// The stream in the packet's direction.
pub(super) fn stream_mut<'a>(call: &'a mut Call<'_>) -> Option<StreamMut<'a>> {
    let direction = call.direction;
    Some(call.conntrack.connection_mut(call.id)?.extension_mut().streams.of(direction))
}

/// Whether nobody has been told before that lines of the stream go on unread; by now somebody has.
pub(in crate::conntrack::calling) fn is_first_trouble(call: &mut Call<'_>) -> bool {
    stream_mut(call).is_none_or(|mut stream| stream.is_first_trouble())
}

/// The payload, put together first when it lies in fragments.
pub(in crate::conntrack::calling) fn payload(packet: &Packet) -> Cow<'_, [u8]> {
    match packet.linear_payload() {
        Some(payload) => Cow::Borrowed(payload),
        None => {
            let header_len = packet.transport_len() - packet.payload_len();
            let mut payload = Vec::from(packet.transport_bytes().get(header_len..).unwrap_or_default());
            packet.fragments().for_each(|part| payload.extend_from_slice(part));
            packet.count_copy(payload.len());
            Cow::Owned(payload)
        }
    }
}
