//! What a script is played with: addresses, tolerances, how packets are counted.

use std::{net::IpAddr, time::Duration};

use super::verdict::Stop;
use crate::script::Script;

/// What a script is played with; its own options come before these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The address of the host under test.
    pub local: IpAddr,
    /// The address that packets come from.
    pub remote: IpAddr,
    /// The largest packet; `None`: one in which a segment is as long with either version of IP.
    pub mtu: Option<u32>,
    /// Times may be that far off, in any case.
    pub tolerance: Duration,
    /// Each packet must have the length that is written; otherwise several may add up to it.
    pub strict_segments: bool,
    /// PSH may be anywhere, and times up to 25 ms off.
    pub relaxed: bool,
    /// How long a tick of the timestamps' clock is; `None`: their values are not compared.
    pub timestamp_tick: Option<Duration>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            local: IpAddr::from([192, 168, 0, 1]),
            remote: IpAddr::from([192, 0, 2, 1]),
            mtu: None,
            tolerance: Duration::from_millis(4),
            strict_segments: false,
            relaxed: false,
            timestamp_tick: None,
        }
    }
}

impl Settings {
    /// With the usual addresses of `ipv4` or `ipv6`; `None` when the version is neither.
    #[must_use]
    pub fn with_version(self, version: &str) -> Option<Self> {
        let (local, remote) = addresses(version)?;
        Some(Self { local, remote, ..self })
    }

    /// With the addresses that a script plays with, as far as it names some.
    #[must_use]
    pub fn addressed_as(&self, script: &Script) -> Self {
        let mut settings = self.clone();
        for (name, value) in &script.options {
            // What is wrong with others is told elsewhere.
            _ = settings.address(name, value.as_deref().unwrap_or_default());
        }
        settings
    }

    /// Does what an option about addresses says; `None` when it is no such option, or has no value of its kind.
    fn address(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "ip_version" => (self.local, self.remote) = addresses(value)?,
            "local_ip" => self.local = value.parse().ok()?,
            "remote_ip" => self.remote = value.parse().ok()?,
            "mtu" => self.mtu = Some(value.parse().ok()?),
            _ => return None,
        }
        Some(())
    }

    /// With what the script's options say.
    pub(super) fn of(&self, script: &Script) -> Result<Self, Stop> {
        let mut settings = self.clone();
        for (name, value) in &script.options {
            let value = value.as_deref().unwrap_or_default();
            let wrong = || Stop::unknown("the option", format_args!("--{name}={value}"));
            match name.as_str() {
                "tolerance_usecs" => settings.tolerance = micros(value).ok_or_else(wrong)?,
                "tcp_ts_tick_usecs" => settings.timestamp_tick = micros(value),
                "strict_segments" => settings.strict_segments = true,
                _ => settings.address(name, value).ok_or_else(wrong)?,
            }
        }
        if settings.local.is_ipv4() != settings.remote.is_ipv4() {
            return Err(Stop::Unsupported("the two addresses are of different versions of IP".to_owned()));
        }
        if settings.relaxed {
            settings.tolerance = settings.tolerance.max(RELAXED_TOLERANCE);
        }
        Ok(settings)
    }

    /// The largest packet.
    pub(crate) fn mtu_bytes(&self) -> u32 {
        self.mtu.unwrap_or(if self.local.is_ipv4() { 1500 } else { 1520 })
    }
}

fn addresses(version: &str) -> Option<(IpAddr, IpAddr)> {
    match version {
        "ipv4" => Some((IpAddr::from([192, 168, 0, 1]), IpAddr::from([192, 0, 2, 1]))),
        "ipv6" => Some((
            IpAddr::from([0xfd3d, 0xfa7b, 0xd17d, 0, 0, 0, 0, 1]),
            IpAddr::from([0x2001, 0xdb8, 0, 0, 0, 0, 0, 1]),
        )),
        _ => None,
    }
}

/// So many microseconds, if the text is a number above zero.
fn micros(text: &str) -> Option<Duration> {
    text.parse().ok().filter(|micros| *micros > 0).map(Duration::from_micros)
}

const RELAXED_TOLERANCE: Duration = Duration::from_millis(25);
