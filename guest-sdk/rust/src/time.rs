//! Dates and times as columns have them.

use std::fmt;

/// Days since 1970-01-01.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Date(pub i32);

/// Microseconds since midnight.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Time(pub i64);

/// Microseconds since 1970-01-01T00:00:00: an instant (UTC) in a timestamptz column, a local time in a timestamp column.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Timestamp(pub i64);

const DAY: i64 = 86_400_000_000; // µs

impl Date {
    /// The day of a month (1–12) of a year of the Gregorian calendar. Days and months beyond their range carry over.
    /// Howard Hinnant's days_from_civil.
    pub fn new(year: i32, month: i32, day: i32) -> Date {
        let months = year as i64 * 12 + (month as i64 - 1);
        let (y, m) = (months.div_euclid(12), months.rem_euclid(12) + 1);
        let y = if m <= 2 { y - 1 } else { y };
        let era = y.div_euclid(400);
        let year_of_era = y.rem_euclid(400);
        let day_of_year = (153 * ((m + 9) % 12) + 2) / 5 + day as i64 - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        Date((era * 146_097 + day_of_era - 719_468) as i32)
    }

    /// Year, month (1–12) and day of the month. Howard Hinnant's civil_from_days.
    pub fn ymd(self) -> (i32, i32, i32) {
        let z = self.0 as i64 + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        (year as i32, month as i32, (doy - (153 * mp + 2) / 5 + 1) as i32)
    }
}

/// ISO 8601: 2026-11-01.
impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (y, m, d) = self.ymd();
        write!(f, "{y:04}-{m:02}-{d:02}")
    }
}

/// ISO 8601: 15:04:05.999999, without zeros at the end.
impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (seconds, micros) = (self.0 / 1_000_000, self.0 % 1_000_000);
        write!(f, "{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)?;
        if micros != 0 {
            let text = format!("{micros:06}");
            write!(f, ".{}", text.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

impl Timestamp {
    /// A day and a time of it.
    pub fn new(date: Date, time: Time) -> Timestamp {
        Timestamp(date.0 as i64 * DAY + time.0)
    }

    /// The day it lies in.
    pub fn date(self) -> Date {
        Date(self.0.div_euclid(DAY) as i32)
    }

    /// The time of that day.
    pub fn time(self) -> Time {
        Time(self.0.rem_euclid(DAY))
    }
}

/// ISO 8601 without a zone: 2026-11-01T15:04:05.999999.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}T{}", self.date(), self.time())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_both_ways() {
        for (y, m, d, days) in [
            (1970, 1, 1, 0),
            (1969, 12, 31, -1),
            (2000, 2, 29, 11_016),
            (2026, 11, 1, 20_758),
            (1, 1, 1, -719_162),
            (9999, 12, 31, 2_932_896),
        ] {
            assert_eq!(Date::new(y, m, d), Date(days), "{y}-{m}-{d}");
            assert_eq!(Date(days).ymd(), (y, m, d));
        }
        assert_eq!(Date::new(2026, 14, 1), Date::new(2027, 2, 1));
        for days in (-800_000..3_000_000).step_by(997) {
            let (y, m, d) = Date(days).ymd();
            assert_eq!(Date::new(y, m, d), Date(days));
        }
    }

    #[test]
    fn text() {
        assert_eq!(Date(20_758).to_string(), "2026-11-01");
        assert_eq!(Time(86_399_999_999).to_string(), "23:59:59.999999");
        assert_eq!(Time(1_500_000).to_string(), "00:00:01.5");
        assert_eq!(Timestamp(-1).to_string(), "1969-12-31T23:59:59.999999");
        assert_eq!(Timestamp::new(Date(1), Time(2)).date(), Date(1));
    }
}
