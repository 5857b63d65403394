//! Whole lines: a helper that reads a TCP stream sees a line only when all of it is there, and no byte of it has been sent.
//!
//! ```text
//!            next: what comes next in the stream              held: waits for its line, or for what is missing before it
//!              │
//!  ──sent──────┤ PORT 10,0, ┊ 0,5,20 ┊ · · · · ┊ 0\r\nNOOP\r\n
//!              └──── held ──┴─ held ─┘ missing └─── held ────┘
//!
//!  segment ─► old? ────────────► what was written there is written again ─────────────────────────► goes on
//!          ─► next, ends a line ─► its lines are shown, texts remembered and written ──────────────► goes on
//!          ─► ends inside a line that can matter, or lies ahead ─► held ─► line whole ─► shown ────► goes on, in order
//!                                                                     └─► too long, too late ─────► goes on as it is, told
//! ```
//!
//! A line can matter when it holds a trigger, or still could; but what lies before a trigger that may stand anywhere cannot change,
//! and goes on. A site may lie across segments; then the text goes where the site
//! starts, and each segment stays a segment of its own, with its own acknowledgement and options ([`crate::nat::sequence`]).
//!
//! | what comes while bytes are held | what becomes of it |
//! |---|---|
//! | a segment of the other direction | goes on: acknowledgements wait for nothing |
//! | an acknowledgement without payload, a window update | goes on before what is held; TCP takes it by its number |
//! | held bytes once more, a keepalive | what is not new is taken off; the rest goes on as an acknowledgement or is held |
//! | other bytes in the place of held ones | the held ones count: nobody can show the helper one thing and its receiver another |
//! | bytes that are missing, where a helper has to know how a connection begins | once it has waited, what follows them goes on unread, and they are read when they come: `ahead` |
//! | FIN | nothing can complete the line: what is held goes on, and then the FIN |
//! | RST, of either end | what is held goes on, and then the RST |
//! | a snapshot | has how far the stream was read, but no packets: held ones are sent again, as if a link had lost them |
//!
//! What both ends and connection tracking see: tracking has judged a held segment when it came, by the sender's numbers, so
//! that its windows know of it; acknowledgements of it come when it has gone on. The sender sees a longer way, and sends again
//! if it is longer than its timeout. A sender that waits for an acknowledgement before it ends its line (Nagle, RFC 9293, 3.7.4)
//! is let go after [`LINE_HELD_TIME`]; the line's beginning is remembered, so that the helper still reads the line whole, and
//! only a site in bytes that were sent cannot be written any more ([`Refusal::Sent`](super::Refusal::Sent)).
//!
//! Why not acknowledge what is held: then it would be ours to bring it there, whatever the link loses. Why not shown piece by
//! piece, as in Linux, which drops what ends inside a command: its sender may send the same pieces again, for ever.
//!
//! | file | what |
//! |---|---|
//! | `reading` | lines found, shown, and what that leaves open |
//! | `arrival` | what becomes of a segment that arrives |
//! | `ahead` | what has gone on unread behind bytes that are missing |
//! | `anew` | a connection that begins on another one's ports |
//! | `progress` | how far a stream was read, and the short way of segments that nobody needs to be shown |
//! | `waiting` | segments that wait, their bounds and deadlines |
//!
//! [`LINE_HELD_TIME`]: crate::limits::LINE_HELD_TIME

mod ahead;
mod anew;
mod arrival;
mod progress;
mod reading;
mod waiting;

pub(super) use arrival::{Arrived, arrive, finds_waiting, pass_unread};
pub(crate) use arrival::{Passing, flush_overdue, wait};
pub use progress::Streams;
use progress::{Open, StreamMut};
pub(crate) use progress::{StreamRecord, StreamsRecord};
pub(super) use reading::{is_first_trouble, leave_unread, payload};
pub(crate) use waiting::Waiting;
