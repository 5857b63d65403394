//! A script as data.

use core::time::Duration;

/// A script.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Script {
    /// `--name=value` or `--name`, in order.
    pub options: Vec<(String, Option<String>)>,
    /// What happens, in order. Shell lines before the first timed event are events without a time.
    pub events: Vec<Event>,
}

/// Something that is done, or must happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The line it begins in, from 1 on.
    pub line: usize,
    /// When.
    pub time: Time,
    /// What.
    pub action: Action,
}

/// When something happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Time {
    /// Shell lines before everything and behind everything have no time.
    None,
    /// So long after the script's start.
    At(Duration),
    /// So long after the event before.
    After(Duration),
    /// Between two times after the script's start: `0.1~0.2`.
    Between(Duration, Duration),
    /// Between two times after the event before: `+.1~+.2`.
    Within(Duration, Duration),
    /// Any time: `*`.
    Any,
}

/// What is done, or must happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// A packet comes in or must go out.
    Packet(Direction, Packet),
    /// A program calls.
    Call(Call),
    /// A shell is given these lines.
    Shell(String),
    /// Assertions about the connection.
    Code(String),
}

/// Which way a packet goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `<`: it comes in.
    In,
    /// `>`: it must go out.
    Out,
}

/// A packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packet {
    /// What its ECN field is or must be.
    pub ecn: Option<Ecn>,
    /// What it carries.
    pub body: Body,
}

/// The ECN field of an IP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecn {
    /// `[noecn]`
    NotCapable,
    /// `[ect0]`
    Ect0,
    /// `[ect1]`
    Ect1,
    /// `[ect01]`: either of the two.
    Ect01,
    /// `[ce]`
    CongestionExperienced,
}

/// What a packet carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Body {
    /// A TCP segment.
    Tcp(Segment),
    /// An ICMP error about a segment of the connection.
    Icmp(IcmpError),
}

/// A TCP segment. Sequence numbers count from each side's first one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Segment {
    /// The letters of its flags, as written: `F S R P . U E W A`; none: `-`.
    pub flags: String,
    /// Its first sequence number.
    pub start: u32,
    /// Its length in bytes of payload.
    pub len: u32,
    /// The number that it acknowledges.
    pub ack: Option<u32>,
    /// The window field.
    pub window: Option<u16>,
    /// The urgent pointer.
    pub urgent: Option<u16>,
    /// Its options in order; `None`: any (`<...>`).
    pub options: Option<Vec<TcpOption>>,
}

/// A TCP option.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TcpOption {
    /// `nop`
    Nop,
    /// `eol`
    End,
    /// `mss N`
    Mss(u16),
    /// `wscale N`
    WindowScale(u8),
    /// `sackOK`
    SackPermitted,
    /// `sack A:B C:D`
    Sack(Vec<(u32, u32)>),
    /// `TS val N ecr N`
    Timestamps {
        /// The sender's clock.
        value: u32,
        /// What it echoes.
        echo: u32,
    },
    /// `FO COOKIE`, or `FOEXP COOKIE` in the experimental form.
    FastOpen {
        /// Whether it has the experimental number (254, RFC 6994).
        experimental: bool,
        /// The cookie; empty asks for one.
        cookie: Vec<u8>,
    },
    /// `md5 DIGEST`; without digits: any.
    Md5(Vec<u8>),
}

/// An ICMP error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IcmpError {
    /// Its type as written: `unreachable`, `packet_too_big`.
    pub kind: String,
    /// Its code as written: `frag_needed`, `host_unreachable`.
    pub code: Option<String>,
    /// `mtu N`
    pub mtu: Option<u32>,
    /// First sequence number and length of the segment that it is about; `None`: of the first one.
    pub about: Option<(u32, u32)>,
}

/// A system call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// When it returns, if it blocks, counted from where its beginning is counted from: `+0...0.2`.
    pub end: Option<Duration>,
    /// Its name.
    pub name: String,
    /// What it is given.
    pub arguments: Vec<Value>,
    /// What it returns; [`Value::Any`] when that does not matter.
    pub result: Value,
    /// The name of the error, such as `EAGAIN`.
    pub errno: Option<String>,
}

/// An argument or a result.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `...`
    Any,
    /// A number.
    Number(i64),
    /// `"text"`, without its quotes.
    Text(String),
    /// A constant, or several with `|` between.
    Words(Vec<String>),
    /// `name(argument, …)`
    Applied(String, Vec<Self>),
    /// `name = value`, in braces; `name(argument, …) = value` too.
    Field(String, Vec<Self>, Box<Self>),
    /// `[a, b]`
    List(Vec<Self>),
    /// `{a, b}`
    Struct(Vec<Self>),
}
