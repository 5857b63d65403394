//! A play's text.

use std::{fmt, time::Duration};

use towpath_engine::{
    DropReason,
    packet::{Sketch, sketch::TextError},
};

use super::beside::Beside;

/// A play's text, read.
#[derive(Clone, Debug, Default)]
pub struct Script(Vec<Line>);

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Its number in the text, from 1.
    pub(super) number: u32,
    pub(super) time: Duration,
    /// `-`: none.
    pub(super) device: String,
    pub(super) sign: Sign,
}

/// What a line says.
#[derive(Clone, Debug)]
pub(super) enum Sign {
    /// A packet goes in.
    In(Sketch, Beside),
    /// A packet comes out.
    Out(Sketch, Beside),
    /// A packet ends for this reason.
    Drop(DropReason),
    /// These words are said of the packet before.
    Known(Vec<String>),
    /// This text is told.
    Told(String),
}

/// A line that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptError {
    /// Its number, from 1.
    pub line: u32,
    /// What stands there.
    pub text: String,
    /// What is wrong with it.
    pub fault: ScriptFault,
}

/// What can be wrong with a line of a play.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptFault {
    /// It starts with no time.
    Time(String),
    /// The time steps back.
    TimeStepsBack,
    /// The sign is none.
    Sign(String),
    /// The packet cannot be read.
    Packet(TextError),
    /// What stands behind the packet's bar cannot be read.
    Beside(String),
    /// There is no such drop reason.
    Reason(String),
    /// The gateway has no such device; the second text lists those that it has.
    Device(String, String),
}

impl fmt::Display for ScriptFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(word) => write!(f, "'{word}' is no time in seconds"),
            Self::TimeStepsBack => f.write_str("the time steps back"),
            Self::Sign(word) => write!(f, "'{word}' is none of the signs < > x = !"),
            Self::Packet(error) => write!(f, "the packet's {error}"),
            Self::Beside(word) => write!(f, "'{word}' is none of 'gso', 'vlan' and 'svlan' with a number, or 'in'"),
            Self::Reason(word) => write!(f, "'{word}' is no drop reason"),
            Self::Device(word, known) => write!(f, "'{word}' is none of the gateway's interfaces: {known}, or -"),
        }
    }
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the play: {}\n    {}", self.line, self.fault, self.text)
    }
}

impl core::error::Error for ScriptError {}

impl Script {
    /// Reads a play.
    ///
    /// # Errors
    /// With the first line that cannot be read.
    pub fn read(text: &str) -> Result<Self, ScriptError> {
        let mut lines: Vec<Line> = Vec::new();
        let written = (1..).zip(text.lines().map(str::trim));
        for (number, text) in written.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
            let error = |fault| ScriptError { line: number, text: text.to_owned(), fault };
            let line = line(number, text).map_err(error)?;
            if lines.last().is_some_and(|last| last.time > line.time) {
                return Err(error(ScriptFault::TimeStepsBack));
            }
            lines.push(line);
        }
        Ok(Self(lines))
    }

    /// Says which line names a device that is none of `devices`.
    ///
    /// # Errors
    /// With the first such line.
    pub fn check_devices(&self, devices: &[&str]) -> Result<(), ScriptError> {
        let is_known = |line: &&Line| line.device == "-" || devices.contains(&line.device.as_str());
        match self.0.iter().find(|line| !is_known(line)) {
            Some(line) => {
                let fault = ScriptFault::Device(line.device.clone(), devices.join(", "));
                Err(ScriptError { line: line.number, text: line.to_string(), fault })
            }
            None => Ok(()),
        }
    }

    /// How many packets go in.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.0.iter().filter(|line| matches!(line.sign, Sign::In(..))).count() as u64
    }

    /// How long it lasts.
    #[must_use]
    pub fn length(&self) -> Duration {
        self.0.last().map_or(Duration::ZERO, |line| line.time)
    }

    pub(super) fn lines(&self) -> &[Line] {
        &self.0
    }
}

fn line(number: u32, text: &str) -> Result<Line, ScriptFault> {
    let (time, rest) = word(text);
    let (device, rest) = word(rest);
    let (sign, rest) = word(rest);
    let time = seconds(time).ok_or_else(|| ScriptFault::Time(time.to_owned()))?;
    let sign = match sign {
        "<" => packet(rest).map(|(sketch, beside)| Sign::In(sketch, beside))?,
        ">" => packet(rest).map(|(sketch, beside)| Sign::Out(sketch, beside))?,
        "x" => {
            let reason = DropReason::ALL.iter().find(|reason| reason.name() == rest);
            Sign::Drop(*reason.ok_or_else(|| ScriptFault::Reason(rest.to_owned()))?)
        }
        "=" => Sign::Known(rest.split_whitespace().map(str::to_owned).collect()),
        "!" => Sign::Told(rest.to_owned()),
        other => return Err(ScriptFault::Sign(other.to_owned())),
    };
    Ok(Line { number, time, device: device.to_owned(), sign })
}

/// A packet, and what stands behind its bar.
pub(crate) fn packet(text: &str) -> Result<(Sketch, Beside), ScriptFault> {
    let (packet, beside) = text.split_once(" | ").unwrap_or((text, ""));
    Ok((packet.parse::<Sketch>().map_err(ScriptFault::Packet)?, beside.parse()?))
}

/// The first word of a text, and what follows it.
pub(crate) fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// Seconds with up to three decimals; a century at most, which no clock here fails to hold.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.').unwrap_or((text, "0"));
    let millis = format!("{decimals:0<3}");
    let is_number = millis.len() == 3 && millis.bytes().chain(whole.bytes()).all(|digit| digit.is_ascii_digit());
    let millis: u64 = is_number.then(|| millis.parse().ok())??;
    let whole: u64 = whole.parse().ok().filter(|seconds| *seconds <= SECONDS_MAX)?;
    Some(Duration::from_secs(whole) + Duration::from_millis(millis))
}

/// A hundred years of 365 days.
const SECONDS_MAX: u64 = 100 * 365 * 86_400;

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { number: _, time, device, sign } = self;
        write!(f, "{:>3}.{:03}  {device} ", time.as_secs(), time.subsec_millis())?;
        match sign {
            Sign::In(sketch, beside) => write!(f, "<  {sketch}{beside}"),
            Sign::Out(sketch, beside) => write!(f, ">  {sketch}{beside}"),
            Sign::Drop(reason) => write!(f, "x  {}", reason.name()),
            Sign::Known(words) => write!(f, "=  {}", words.join(" ")),
            Sign::Told(text) => write!(f, "!  {text}"),
        }
    }
}
