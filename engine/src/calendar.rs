//! The Gregorian calendar, in UTC.

use core::fmt;

use crate::time::Instant;

/// 1 (Monday) to 7. 1970 began on a Thursday.
pub(crate) const fn weekday(now: u64) -> u8 {
    ((now / DAY as u64 + 3) % 7) as u8 + 1
}

/// Year, month and day in the Gregorian calendar.
pub(crate) const fn civil(now: u64) -> (u64, u64, u64) {
    // Days since 1 March of the year 0, in years that begin in March, so that the day of a leap year comes last.
    let days = now / DAY as u64 + DAYS_TO_1970;
    let (era, day) = (days / DAYS_400, days % DAYS_400);
    let year = (day - day / 1460 + day / 36_524 - day / (DAYS_400 - 1)) / 365;
    let of_year = day - (365 * year + year / 4 - year / 100);
    let from_march = (5 * of_year + 2) / 153;
    let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
    (year + era * 400 + (month <= 2) as u64, month, of_year - (153 * from_march + 2) / 5 + 1)
}

/// Days from 1970 to a day, which may lie beyond the month's end.
pub(crate) const fn days_of(year: u64, month: u64, day: u64) -> u64 {
    let (year, from_march) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let of_year = (153 * from_march + 2) / 5 + day - 1;
    year / 400 * DAYS_400 + year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year - DAYS_TO_1970
}

/// A second of the day as `HH:MM:SS`.
pub(crate) struct Clock(pub(crate) u32);

impl fmt::Display for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(second) = self;
        write!(f, "{:02}:{:02}:{:02}", second / 3600, second / 60 % 60, second % 60)
    }
}

/// A moment of Unix time as `ctime()` of C writes it, in UTC.
pub(crate) struct Moment(pub(crate) Instant);

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let now = self.0.as_secs();
        let (year, month, day) = civil(now);
        let [weekday, month] = [WEEKDAYS[usize::from(weekday(now) - 1)], MONTHS[month as usize - 1]];
        write!(f, "{weekday} {month} {day:>2} {} {year}", Clock((now % u64::from(DAY)) as u32))
    }
}

/// Seconds of a day.
pub(crate) const DAY: u32 = 24 * 60 * 60;
const DAYS_400: u64 = 146_097;
/// From 1 March of the year 0 to 1 January 1970.
const DAYS_TO_1970: u64 = 719_468;

/// From Monday on.
pub(crate) static WEEKDAYS: [&str; 7] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];

static MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    #[test]
    fn the_calendar_knows_leap_years_and_days() {
        assert_eq!(civil(1_767_571_200), (2026, 1, 5));
        assert_eq!(weekday(1_767_571_200), 1);
        assert_eq!(civil(951_782_400), (2000, 2, 29));
        assert_eq!(days_of(2026, 2, 30), days_of(2026, 3, 2));
        assert_eq!(days_of(1970, 1, 1), 0);
    }

    #[test]
    fn a_moment_is_written_as_c_does() {
        let written = |secs| Moment(Instant::ZERO.after_secs(secs)).to_string();
        assert_eq!(written(0), "Thu Jan  1 00:00:00 1970");
        assert_eq!(written(1_795_769_917), "Fri Nov 27 08:58:37 2026");
    }
}
