//! `-m time`: the time of day, days of the week and of the month, and a span of dates (Linux v6.18:
//! `net/netfilter/xt_time.c`, `time_mt()`; reading and printing as iptables 1.8.9 does, `extensions/libxt_time.c`).
//!
//! The time is the engine's: Unix time on a wire, the capture's in a replay. The engine knows no time zone, so that
//! `--kerneltz` means UTC too, as on a kernel that nobody has told its zone.

use alloc::{format, string::String};
use core::fmt::Write;

use super::{Answer, Matching};
use crate::{
    calendar::{Clock, DAY, WEEKDAYS, civil, days_of, weekday},
    netfilter::{
        View,
        error::Flaw,
        program::facts::Facts,
        save::{
            options::{Given, Opt, Spec},
            text::Word,
        },
        walk::Depends,
    },
};

/// When a packet matches. Everything has to hold.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::netfilter) struct Time {
    /// Seconds of Unix time, both ends included.
    dates: (u32, u32),
    /// Seconds of the day, both ends included; over midnight when the second one is not greater.
    daytime: (u32, u32),
    /// Bits 1 to 31.
    monthdays: u32,
    /// Bits 1 (Monday) to 7.
    weekdays: u8,
    kernel_zone: bool,
    /// What is over midnight belongs to the day before.
    contiguous: bool,
}

impl Matching for Time {
    const SPEC: &'static Spec = &Spec {
        name: "time",
        options: &[
            Opt::value(&["timestart"]),
            Opt::value(&["timestop"]),
            Opt::value(&["datestart"]),
            Opt::value(&["datestop"]),
            Opt::value(&["monthdays"]).inverting(),
            Opt::value(&["weekdays"]).inverting(),
            Opt::flag(&["kerneltz"]),
            Opt::flag(&["localtz"]),
            Opt::flag(&["utc"]),
            Opt::flag(&["contiguous"]),
        ],
    };

    fn parse(given: &Given<'_>) -> Result<Self, Flaw> {
        let daytime =
            |name: &str, default: u32| given.find(name).map_or(Ok(default), |item| parse_daytime(item.value()));
        let date = |name: &str, default: u32| given.find(name).map_or(Ok(default), |item| parse_date(item.value()));
        let daytime = (daytime("timestart", 0)?, daytime("timestop", DAY - 1)?);
        if let Some(item) = given.find("contiguous").filter(|_| daytime.0 < daytime.1) {
            return Err(crate::netfilter::Fault::Needs {
                what: item.name(),
                needed: "a `--timestop` before its `--timestart`, over midnight",
            }
            .at(item.column));
        }
        let monthdays = match given.find("monthdays") {
            Some(item) => parse_monthdays(item.value())? ^ if item.inverted { EVERY_MONTHDAY } else { 0 },
            None => EVERY_MONTHDAY,
        };
        let weekdays = match given.find("weekdays") {
            Some(item) => parse_weekdays(item.value())? ^ if item.inverted { EVERY_WEEKDAY } else { 0 },
            None => EVERY_WEEKDAY,
        };
        Ok(Self {
            dates: (date("datestart", 0)?, date("datestop", LAST_DATE)?),
            daytime,
            monthdays,
            weekdays,
            kernel_zone: given.has("kerneltz") || given.has("localtz"),
            contiguous: given.has("contiguous"),
        })
    }

    fn print(&self, out: &mut String) {
        if self.daytime != (0, DAY - 1) {
            for (name, second) in [("timestart", self.daytime.0), ("timestop", self.daytime.1)] {
                let _ = write!(out, " --{name} {}", Clock(second));
            }
        }
        if self.monthdays != EVERY_MONTHDAY {
            let days = (1..=31).filter(|day| self.monthdays >> day & 1 != 0);
            print_list(out, "monthdays", days.map(|day| format!("{day}")));
        }
        if self.weekdays != EVERY_WEEKDAY {
            let days = WEEKDAYS.iter().enumerate().filter(|(index, _)| self.weekdays >> (index + 1) & 1 != 0);
            print_list(out, "weekdays", days.map(|(_, name)| String::from(*name)));
        }
        if self.dates.0 != 0 {
            let _ = write!(out, " --datestart {}", Date(self.dates.0));
        }
        let _ = write!(out, " --datestop {}", Date(self.dates.1));
        if self.kernel_zone {
            out.push_str(" --kerneltz");
        }
        if self.contiguous {
            out.push_str(" --contiguous");
        }
    }

    fn test(&mut self, _: &Facts, view: &mut View<'_>) -> Answer {
        Answer::from(self.holds(view.now.as_secs()))
    }

    fn depends(&self) -> Depends {
        Depends::Anything
    }

    fn found(&self, _: &Facts, view: &View<'_>) -> String {
        let now = view.now.as_secs();
        let weekday = WEEKDAYS[usize::from(weekday(now) - 1)];
        format!("came on {weekday} {} UTC", Date(u32::try_from(now).unwrap_or(u32::MAX)))
    }
}

impl Time {
    fn holds(&self, mut now: u64) -> bool {
        let (first, last) = self.dates;
        if !(u64::from(first)..=u64::from(last)).contains(&now) {
            return false;
        }
        let second = (now % u64::from(DAY)) as u32;
        let (start, stop) = self.daytime;
        if start < stop {
            if !(start..=stop).contains(&second) {
                return false;
            }
        } else {
            if second < start && second > stop {
                return false;
            }
            if self.contiguous && second <= stop {
                now = now.saturating_sub(u64::from(DAY));
            }
        }
        self.weekdays >> weekday(now) & 1 != 0 && self.monthdays >> civil(now).2 & 1 != 0
    }
}

/// `HH:MM` or `HH:MM:SS`.
fn parse_daytime(word: &Word) -> Result<u32, Flaw> {
    let mut parts = word.text.split(':').map(|part| decimal(part, 59));
    let found = (|| {
        let hour = decimal(word.text.split(':').next()?, 23)?;
        parts.next();
        let minute = parts.next()??;
        let second = parts.next().unwrap_or(Some(0))?;
        parts.next().is_none().then_some(hour * 3600 + minute * 60 + second)
    })();
    found.ok_or_else(|| word.bad("a time of day from 00:00 to 23:59:59"))
}

/// `YYYY[-MM[-DD[Thh[:mm[:ss]]]]]`, from 1970 to 2038; days beyond a month's end reach into the next one, as in the tool.
fn parse_date(word: &Word) -> Result<u32, Flaw> {
    let found = (|| {
        let (date, time) = match word.text.split_once('T') {
            Some((date, time)) => (date, Some(time)),
            None => (word.text.as_str(), None),
        };
        let mut parts = date.split('-');
        let year = decimal(parts.next()?, 2038).filter(|year| *year >= 1970)?;
        let month = parts.next().map_or(Some(1), |text| decimal(text, 12)).filter(|month| *month >= 1)?;
        let day = parts.next().map_or(Some(1), |text| decimal(text, 31)).filter(|day| *day >= 1)?;
        let whole = date.split('-').count() == 3;
        if parts.next().is_some() || (time.is_some() && !whole) {
            return None;
        }
        let mut seconds = 0;
        let mut parts = time.into_iter().flat_map(|time| time.split(':'));
        for (unit, max) in [(3600, 23), (60, 59), (1, 59)] {
            seconds += unit * parts.next().map_or(Some(0), |text| decimal(text, max))?;
        }
        if parts.next().is_some() {
            return None;
        }
        let days = days_of(u64::from(year), u64::from(month), u64::from(day));
        u32::try_from(days * u64::from(DAY) + u64::from(seconds)).ok()
    })();
    found.ok_or_else(|| word.bad("a date `YYYY-MM-DDThh:mm:ss` from 1970 to 2038, of which the end may be left out"))
}

fn parse_monthdays(word: &Word) -> Result<u32, Flaw> {
    let wants = "days of the month from 1 to 31, separated by commas";
    word.text.split(',').try_fold(0, |days, text| {
        let day = decimal(text, 31).filter(|day| *day >= 1).ok_or_else(|| word.bad(wants))?;
        Ok(days | 1 << day)
    })
}

fn parse_weekdays(word: &Word) -> Result<u8, Flaw> {
    let wants = "days of the week, Mon to Sun or 1 to 7, separated by commas";
    word.text.split(',').try_fold(0, |days, text| {
        let named = WEEKDAYS.iter().position(|name| text.get(..2) == name.get(..2)).map(|index| index as u32 + 1);
        let day = named.or_else(|| decimal(text, 7).filter(|day| *day >= 1)).ok_or_else(|| word.bad(wants))?;
        Ok(days | 1 << day)
    })
}

/// A decimal number up to `max`, without a sign.
fn decimal(text: &str, max: u32) -> Option<u32> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse::<u32>().ok().filter(|value| digits && *value <= max)
}

fn print_list(out: &mut String, name: &str, items: impl Iterator<Item = String>) {
    let _ = write!(out, " --{name} ");
    for (index, item) in items.enumerate() {
        let _ = write!(out, "{}{item}", if index == 0 { "" } else { "," });
    }
}

/// A second of Unix time as `YYYY-MM-DDTHH:MM:SS`.
struct Date(u32);

impl core::fmt::Display for Date {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        let (year, month, day) = civil(u64::from(self.0));
        write!(f, "{year:04}-{month:02}-{day:02}T{}", Clock(self.0 % DAY))
    }
}

const EVERY_MONTHDAY: u32 = u32::MAX << 1;
const EVERY_WEEKDAY: u8 = 0xfe;
/// What the tool takes for "no end": 2038-01-19T03:14:07.
const LAST_DATE: u32 = i32::MAX as u32;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MONDAY: u64 = 1_767_571_200; // 2026-01-05T00:00:00

    const ALWAYS: Time = Time {
        dates: (0, LAST_DATE),
        daytime: (0, DAY - 1),
        monthdays: EVERY_MONTHDAY,
        weekdays: EVERY_WEEKDAY,
        kernel_zone: false,
        contiguous: false,
    };

    #[test]
    fn a_night_reaches_over_midnight_and_belongs_to_its_evening_when_contiguous() {
        let night = Time { daytime: (23 * 3600, 3600), weekdays: 1 << 1, ..ALWAYS };
        assert!(night.holds(MONDAY + 23 * 3600));
        assert!(night.holds(MONDAY + 3600));
        assert!(!night.holds(MONDAY + 3601));
        let tuesday = MONDAY + u64::from(DAY);
        assert!(!night.holds(tuesday));
        let night = Time { contiguous: true, ..night };
        assert!(night.holds(tuesday));
        assert!(!night.holds(MONDAY));
    }

    #[test]
    fn dates_and_days_of_the_month_bound_it() {
        let time = Time { dates: (MONDAY as u32, MONDAY as u32 + 10), monthdays: 1 << 5, ..ALWAYS };
        assert!(time.holds(MONDAY) && time.holds(MONDAY + 10));
        assert!(!time.holds(MONDAY - 1) && !time.holds(MONDAY + 11));
        assert!(!Time { monthdays: 1 << 6, ..ALWAYS }.holds(MONDAY));
    }

    proptest! {
        #[test]
        fn every_second_has_one_date(second: u32) {
            let (year, month, day) = civil(u64::from(second));
            prop_assert_eq!(days_of(year, month, day), u64::from(second / DAY));
        }
    }
}
