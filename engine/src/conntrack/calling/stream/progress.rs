//! How far streams were read: what each packet needs in eight bytes a direction, and beside it what few streams have.

use alloc::{boxed::Box, vec::Vec};

use serde::{Deserialize, Serialize};

use super::ahead::{Ahead, Stretch};
use crate::{
    conntrack::{Direction, calling::trigger::Triggers},
    limits::LINE_BYTES_HELD_MAX,
    packet::Packet,
    wire::{SeqNum, TcpFlags},
};

/// How far both directions of a stream were read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Streams {
    ways: [Stream; 2],
    beside: Option<Box<[Beside; 2]>>,
}

/// What few streams have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Beside {
    /// How the line has begun of which [`Place::Line`] speaks; at most [`LINE_BYTES_HELD_MAX`].
    line: Vec<u8>,
    /// What has gone on unread behind the next byte, which is missing.
    ahead: Ahead,
    /// The byte behind the latest SYN that tracking has ignored and that has gone on all the same, without bytes.
    asked: Option<SeqNum>,
}

/// How far one direction was read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stream {
    /// The first byte that has not gone on.
    next: SeqNum,
    /// What lies there.
    place: Place,
    /// Segments of it wait.
    waits: bool,
    /// That lines of it go on unread has been told.
    has_told: bool,
    /// Its first line was one with which the helper's protocol begins, and nothing that matters was forgotten since.
    is_known: bool,
}

const _: () = assert!(size_of::<Stream>() == 8);

/// What the next byte of a stream belongs to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Place {
    /// Nothing of the stream was seen yet, and its next byte is not known.
    #[default]
    Unseen,
    /// The first byte of the stream, whose SYN has had bytes, so that nobody can say what the next one is.
    Carried,
    /// The stream's first line starts there.
    First,
    /// A line starts there.
    Start,
    /// A line that can matter and whose beginning has gone on and is remembered.
    Line,
    /// A line that cannot matter, or of which too little is known.
    Other,
    /// Nobody reads the stream any more.
    Deaf,
}

/// What the next byte of a stream belongs to, with the beginning of its line.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Open {
    /// The first byte of the stream, whose SYN has had bytes, so that nobody can say what the next one is.
    Carried,
    /// The stream's first line starts there.
    First,
    /// A line starts there.
    Start,
    /// A line that can matter and that begins with these bytes, which have gone on: at most [`LINE_BYTES_HELD_MAX`].
    Line(Vec<u8>),
    /// A line that cannot matter, or of which too little is known.
    #[default]
    Other,
    /// Nobody reads the stream any more: it was not seen whole.
    Deaf,
}

/// One direction of [`Streams`].
pub(super) struct StreamMut<'a> {
    stream: &'a mut Stream,
    beside: &'a mut Option<Box<[Beside; 2]>>,
    index: usize,
}

/// [`Streams`] in a snapshot: segments that wait are not in it.
pub(crate) type StreamsRecord = [StreamRecord; 2];

/// One direction of them.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct StreamRecord {
    next: Option<SeqNum>,
    open: Open,
    is_known: bool,
    ahead: Ahead,
    asked: Option<SeqNum>,
}

impl Streams {
    /// One direction.
    pub(super) const fn of(&mut self, direction: Direction) -> StreamMut<'_> {
        let index = direction.index();
        StreamMut { stream: &mut self.ways[index], beside: &mut self.beside, index }
    }

    /// Bytes that are remembered of a line, and of what has gone on unread.
    pub(in crate::conntrack::calling) fn line_bytes(&self, direction: Direction) -> usize {
        self.beside.as_ref().map_or(0, |beside| beside[direction.index()].bytes())
    }

    /// Whether there may be any such.
    pub(super) const fn has_line(&self) -> bool {
        self.beside.is_some()
    }

    /// Begins anew, where a segment in `direction` has answered a SYN that was ignored: the other stream begins at `start`, unless that SYN
    /// has had bytes or has not gone on. Whether the earlier ones were read.
    pub(super) fn begin_anew(&mut self, direction: Direction, start: Option<SeqNum>) -> bool {
        let were_read = self.ways.iter().any(|stream| stream.place != Place::Unseen);
        self.of(direction).begin_anew(None);
        self.of(direction.opposite()).begin_anew(start);
        were_read
    }

    /// Forgets how far it was read, but not how it has begun.
    pub(in crate::conntrack::calling) fn forget(&mut self) {
        let ways = self.ways.map(|Stream { is_known, .. }| Stream { is_known, ..Stream::default() });
        *self = Self { ways, beside: None };
    }

    /// Forgets how the connection has begun.
    pub(in crate::conntrack::calling) const fn forget_beginning(&mut self) {
        self.ways[Direction::Original.index()].is_known = false;
    }

    /// Forgets how a line has begun: it is not read then.
    pub(in crate::conntrack::calling) fn forget_line(&mut self, direction: Direction) {
        let mut stream = self.of(direction);
        if stream.stream.place == Place::Line {
            stream.stream.place = Place::Other;
        }
        stream.keep(Beside::default());
    }

    /// Whether segments of either direction wait.
    pub(super) fn any_waits(&self) -> bool {
        self.ways.iter().any(|stream| stream.waits)
    }

    /// Takes a segment that nobody needs to be shown and behind which a line starts: it has no payload, or comes next, where a line
    /// starts, and is whole lines without a trigger. Whether it was such a one.
    #[inline(always)]
    pub(in crate::conntrack::calling) fn takes_unseen(
        &mut self,
        direction: Direction,
        packet: &Packet,
        triggers: &Triggers,
    ) -> bool {
        let stream = &mut self.ways[direction.index()];
        let Some(tcp) = packet.tcp().filter(|tcp| !tcp.flags.intersects(UNUSUAL) && packet.meta().cut_bytes == 0)
        else {
            return false;
        };
        let Some(payload) = packet.linear_payload() else { return false };
        if payload.is_empty() {
            return true;
        }
        let is_next =
            stream.next == tcp.seq() && stream.place == Place::Start && !stream.waits && self.beside.is_none();
        if !is_next || !triggers.passes(payload) {
            return false;
        }
        stream.next = tcp.seq() + payload.len() as u32;
        true
    }

    pub(in crate::conntrack) fn save(&self) -> Option<StreamsRecord> {
        let beside = |index: usize| self.beside.as_ref().map(|beside| beside[index].clone()).unwrap_or_default();
        let record = |index: usize| StreamRecord {
            next: (self.ways[index].place != Place::Unseen).then_some(self.ways[index].next),
            open: open(self.ways[index].place, self.beside.as_deref(), index),
            is_known: self.ways[index].is_known,
            ahead: beside(index).ahead,
            asked: beside(index).asked,
        };
        self.ways.iter().any(|stream| stream.place != Place::Unseen || stream.is_known).then(|| [0, 1].map(record))
    }

    pub(in crate::conntrack) fn resume(record: StreamsRecord) -> Self {
        let mut streams = Self::default();
        let directions = [Direction::Original, Direction::Reply];
        for (direction, StreamRecord { next, open, is_known, ahead, asked }) in directions.into_iter().zip(record) {
            let mut stream = streams.of(direction);
            stream.stream.is_known = is_known;
            if let Some(next) = next {
                stream.set(next, open);
                stream.change(|beside| (beside.ahead, beside.asked) = (ahead, asked));
            }
        }
        streams
    }
}

/// What lies at a place of a direction.
fn open(place: Place, beside: Option<&[Beside; 2]>, index: usize) -> Open {
    match (place, beside) {
        (Place::Carried, _) => Open::Carried,
        (Place::First, _) => Open::First,
        (Place::Start, _) => Open::Start,
        (Place::Deaf, _) => Open::Deaf,
        (Place::Line, Some(beside)) => Open::Line(beside[index].line.clone()),
        (Place::Unseen | Place::Other | Place::Line, _) => Open::Other,
    }
}

impl Stream {
    fn next(self) -> Option<SeqNum> {
        (!matches!(self.place, Place::Unseen | Place::Carried | Place::Deaf)).then_some(self.next)
    }
}

impl Beside {
    const fn bytes(&self) -> usize {
        self.line.len() + self.ahead.bytes()
    }
}

impl StreamMut<'_> {
    /// The first byte that has not gone on; `None`: nothing of it was seen yet.
    pub(super) fn next(&self) -> Option<SeqNum> {
        self.stream.next()
    }

    /// What lies there.
    pub(super) fn open(&self) -> Open {
        open(self.stream.place, self.beside.as_deref(), self.index)
    }

    /// Sets how far it was read, and what lies there. A stream that nobody reads any more stays so.
    pub(super) fn set(&mut self, next: SeqNum, open: Open) {
        if self.stream.place == Place::Deaf {
            return;
        }
        self.stream.next = next;
        let (place, line) = match open {
            Open::Carried => (Place::Carried, Vec::new()),
            Open::First => (Place::First, Vec::new()),
            Open::Start => (Place::Start, Vec::new()),
            Open::Line(line) => (Place::Line, line),
            Open::Other => (Place::Other, Vec::new()),
            Open::Deaf => (Place::Deaf, Vec::new()),
        };
        self.stream.place = place;
        self.change(|beside| {
            beside.line = line;
            if place == Place::Deaf {
                beside.ahead = Ahead::default();
            }
        });
    }

    /// Whether bytes are missing, behind which others have gone on unread.
    pub(super) fn has_gap(&self) -> bool {
        self.beside.as_ref().is_some_and(|beside| !beside[self.index].ahead.is_empty())
    }

    /// Takes note of bytes that go on unread; whether there is room for that.
    pub(super) fn note_ahead(&mut self, stretch: Stretch) -> bool {
        let mut has_room = false;
        self.change(|beside| has_room = beside.ahead.note(stretch));
        has_room
    }

    /// Bytes that have gone on unread and before which nothing is missing any more.
    pub(super) fn reached(&mut self) -> Option<Stretch> {
        let next = self.next()?;
        let mut stretch = None;
        if self.has_gap() {
            self.change(|beside| stretch = beside.ahead.reached(next));
        }
        stretch
    }

    /// Forgets how far it was read.
    pub(super) fn forget(&mut self) {
        self.stream.place = Place::Unseen;
        self.keep(Beside::default());
    }

    /// Begins anew, with a first line at `start` if that is known and the earlier stream was read, of which no segments wait. Nobody has been
    /// asked for what begins behind a SYN that has not gone on from here: somebody else may have sent it, to choose where that is.
    fn begin_anew(&mut self, start: Option<SeqNum>) {
        (self.stream.is_known, self.stream.has_told) = (false, false);
        let was_read = !self.stream.waits && self.stream.place != Place::Unseen;
        let asked = self.beside.as_ref().and_then(|beside| beside[self.index].asked);
        self.forget();
        if let Some(start) = start.filter(|start| was_read && asked == Some(*start)) {
            self.set(start, Open::First);
        }
    }

    /// Takes note of a SYN that goes on although tracking has ignored it, before byte `start`.
    pub(super) fn ask(&mut self, start: SeqNum, is_bare: bool) {
        self.change(|beside| beside.asked = is_bare.then_some(start));
    }

    /// Takes note of a SYN with whose number, and the next one, the stream begins. Whether the bytes of a SYN count is for its receiver to
    /// say (RFC 7413): the beginning of a stream whose SYN has had some is not known, however bare it is sent again.
    pub(super) fn begin(&mut self, start: SeqNum, is_bare: bool) {
        let had_bytes = self.stream.place == Place::Carried && self.stream.next == start;
        self.forget();
        match is_bare && !had_bytes {
            true => self.set(start, Open::First),
            false => self.set(start, Open::Carried),
        }
    }

    /// Whether its first line was one with which the helper's protocol begins.
    pub(super) const fn is_known(&self) -> bool {
        self.stream.is_known
    }

    pub(super) const fn set_known(&mut self) {
        self.stream.is_known = true;
    }

    /// Lets a byte that is none of any line go on, as a FIN's.
    pub(super) const fn pass(&mut self, next: SeqNum) {
        self.stream.next = next;
    }

    /// Bytes that are remembered of a line, and of what has gone on unread.
    pub(super) fn line_bytes(&self) -> usize {
        self.beside.as_ref().map_or(0, |beside| beside[self.index].bytes())
    }

    /// Whether segments of it wait.
    pub(super) const fn waits(&self) -> bool {
        self.stream.waits
    }

    pub(super) const fn set_waiting(&mut self, waits: bool) {
        self.stream.waits = waits;
    }

    /// Whether nobody has been told before that lines of it go on unread; by now somebody has.
    pub(super) const fn is_first_trouble(&mut self) -> bool {
        !core::mem::replace(&mut self.stream.has_told, true)
    }

    /// Changes what it has beside.
    fn change(&mut self, change: impl FnOnce(&mut Beside)) {
        let mut beside =
            self.beside.as_mut().map(|beside| core::mem::take(&mut beside[self.index])).unwrap_or_default();
        change(&mut beside);
        self.keep(beside);
    }

    /// Keeps something beside. No room is kept where nothing is.
    fn keep(&mut self, new: Beside) {
        match self.beside {
            Some(beside) => beside[self.index] = new,
            None if new == Beside::default() => {}
            None => self.beside.get_or_insert_default()[self.index] = new,
        }
        if self.beside.as_ref().is_some_and(|beside| beside.iter().all(|beside| *beside == Beside::default())) {
            *self.beside = None;
        }
    }
}

impl StreamRecord {
    /// Whether it can have been read as far as that.
    pub(crate) fn is_right(&self) -> bool {
        let is_ahead_right = match (self.next, &self.open) {
            (None, _) | (Some(_), Open::Carried | Open::Deaf) => self.ahead.is_empty(),
            (Some(next), Open::First | Open::Start | Open::Line(_) | Open::Other) => self.ahead.is_right(next),
        };
        is_ahead_right
            && match &self.open {
                Open::Line(sent) => self.next.is_some() && sent.len() <= LINE_BYTES_HELD_MAX,
                Open::Carried | Open::First | Open::Start | Open::Other | Open::Deaf => true,
            }
    }
}

/// Segments with one of these take the long way.
const UNUSUAL: TcpFlags = TcpFlags::SYN.union(TcpFlags::FIN).union(TcpFlags::RST);
