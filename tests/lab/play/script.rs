//! A play's text.

use std::{fmt, time::Duration};

use towpath_engine::{DropReason, packet::Sketch};

/// A line.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// As it is written, in one width.
    pub(super) time: Duration,
    pub(super) device: String,
    pub(super) sign: Sign,
}

/// What a line says.
#[derive(Clone, Debug)]
pub(super) enum Sign {
    /// A packet goes in.
    In(Sketch),
    /// A packet comes out.
    Out(Sketch),
    /// A packet ends for this reason.
    Drop(DropReason),
    /// These words are said of the packet before.
    Known(Vec<String>),
    /// This text is told.
    Told(String),
}

/// A line that cannot be read.
#[derive(Debug)]
pub(super) struct ScriptError {
    line: usize,
    text: String,
    what: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {} of the play: {}\n    {}", self.line, self.what, self.text)
    }
}

/// Reads a play.
pub(super) fn read(text: &str) -> Result<Vec<Line>, ScriptError> {
    let mut lines: Vec<Line> = Vec::new();
    let written = text.lines().map(str::trim).enumerate();
    for (index, text) in written.filter(|(_, text)| !text.is_empty() && !text.starts_with('#')) {
        let error = |what: String| ScriptError { line: index + 1, text: text.to_owned(), what };
        let line = line(text).map_err(error)?;
        if lines.last().is_some_and(|last| last.time > line.time) {
            return Err(error("the time steps back".to_owned()));
        }
        lines.push(line);
    }
    Ok(lines)
}

fn line(text: &str) -> Result<Line, String> {
    let (time, rest) = word(text);
    let (device, rest) = word(rest);
    let (sign, rest) = word(rest);
    let time = seconds(time).ok_or_else(|| format!("'{time}' is no time in seconds"))?;
    if !["lan", "wan", "-"].contains(&device) {
        return Err(format!("'{device}' is neither 'lan' nor 'wan' nor '-'"));
    }
    let sketch = || rest.parse::<Sketch>().map_err(|error| format!("the packet's {error}"));
    let sign = match sign {
        "<" => Sign::In(sketch()?),
        ">" => Sign::Out(sketch()?),
        "x" => {
            let reason = DropReason::ALL.iter().find(|reason| reason.name() == rest);
            Sign::Drop(*reason.ok_or_else(|| format!("'{rest}' is no drop reason"))?)
        }
        "=" => Sign::Known(rest.split_whitespace().map(str::to_owned).collect()),
        "!" => Sign::Told(rest.to_owned()),
        other => return Err(format!("'{other}' is none of the signs < > x = !")),
    };
    Ok(Line { time, device: device.to_owned(), sign })
}

fn word(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim_start()))
}

/// Seconds with up to three decimals.
fn seconds(text: &str) -> Option<Duration> {
    let (whole, decimals) = text.split_once('.')?;
    let millis = format!("{decimals:0<3}");
    let millis: u64 = (millis.len() == 3).then(|| millis.parse().ok())??;
    Some(Duration::from_secs(whole.parse().ok()?) + Duration::from_millis(millis))
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { time, device, sign } = self;
        write!(f, "{:>3}.{:03}  {device} ", time.as_secs(), time.subsec_millis())?;
        match sign {
            Sign::In(sketch) => write!(f, "<  {sketch}"),
            Sign::Out(sketch) => write!(f, ">  {sketch}"),
            Sign::Drop(reason) => write!(f, "x  {}", reason.name()),
            Sign::Known(words) => write!(f, "=  {}", words.join(" ")),
            Sign::Told(text) => write!(f, "!  {text}"),
        }
    }
}
