//! Instants, the user's days and the ranges that charts ask for.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// Milliseconds since the Unix epoch, UTC.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[cfg_attr(
    feature = "ts",
    derive(ts_rs::TS),
    ts(as = "f64", export_to = "types.ts")
)]
#[serde(transparent)]
pub struct UnixMillis(pub i64);

/// A quarter of an hour of UTC, counted from the epoch. Rollups are kept by it because every zone's days
/// begin on a quarter hour (Kathmandu is UTC+5:45), but not on an hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Slot(pub i64);

/// Milliseconds in one [`Slot`].
pub const SLOT_MILLIS: i64 = 15 * 60 * 1000;

const YEAR_2000: i64 = 946_684_800_000;
const YEAR_10000: i64 = 253_402_300_800_000;

impl UnixMillis {
    /// The system's clock; only the engine and the doors call it.
    #[must_use]
    pub fn now() -> Self {
        Self(Timestamp::now().as_millisecond())
    }

    /// The instant, when it lies in the years 2000 to 9999; logs hold nothing else that is true.
    #[must_use]
    pub fn plausible(self) -> Option<Self> {
        (YEAR_2000..YEAR_10000).contains(&self.0).then_some(self)
    }

    /// Reads an RFC 3339 timestamp.
    #[must_use]
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        let at: Timestamp = text.parse().ok()?;
        Self(at.as_millisecond()).plausible()
    }

    /// The slot it falls into.
    #[must_use]
    pub const fn slot(self) -> Slot {
        Slot(self.0.div_euclid(SLOT_MILLIS))
    }

    /// Its day in `zone`.
    #[must_use]
    pub fn day(self, zone: &TimeZone) -> Date {
        zone.to_datetime(self.timestamp()).date()
    }

    /// As jiff's instant; clamped to what jiff can hold.
    #[must_use]
    pub fn timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(if self.0 < 0 {
            Timestamp::MIN
        } else {
            Timestamp::MAX
        })
    }

    /// The instant `millis` later.
    #[must_use]
    pub const fn plus(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis))
    }
}

impl Slot {
    /// The first instant of the slot.
    #[must_use]
    pub const fn start(self) -> UnixMillis {
        UnixMillis(self.0 * SLOT_MILLIS)
    }
}

/// The first instant of `day` in `zone` (not always midnight: some zones change their clocks then).
#[must_use]
pub fn day_start(day: Date, zone: &TimeZone) -> UnixMillis {
    match day.to_zoned(zone.clone()) {
        Ok(start) => UnixMillis(start.timestamp().as_millisecond()),
        Err(_) => UnixMillis(if day.year() < 0 { i64::MIN } else { i64::MAX }),
    }
}

/// The day that a text such as "2026-11-20" is, and nothing longer: a time behind it would be left out.
#[must_use]
pub fn plain_day(text: &str) -> Option<Date> {
    let day: Date = text.parse().ok()?;
    (day.to_string() == text).then_some(day)
}

/// The slots of the days `since..=until` in `zone`, end excluded.
#[must_use]
pub fn slots(since: Date, until: Date, zone: &TimeZone) -> std::ops::Range<i64> {
    let end = until
        .tomorrow()
        .map_or(UnixMillis(i64::MAX), |next| day_start(next, zone));
    day_start(since, zone).slot().0..end.slot().0
}

/// `day` moved by `days`, clamped to the calendar.
#[must_use]
pub fn add_days(day: Date, days: i64) -> Date {
    day.saturating_add(SignedDuration::from_hours(24 * days))
}

/// The Monday of `day`'s week.
#[must_use]
pub fn week_start(day: Date) -> Date {
    add_days(day, -i64::from(day.weekday().to_monday_zero_offset()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn zone(name: &str) -> TimeZone {
        TimeZone::get(name).expect("a zone of the IANA database")
    }

    #[test]
    fn a_day_is_nothing_but_a_day() {
        assert_eq!(plain_day("2026-11-20"), Some(date(2026, 11, 20)));
        for text in [
            "",
            "20261120",
            "2026-11-20T10:00:00",
            "2026-11-20[UTC]",
            "2026-02-30",
            " 2026-11-20",
        ] {
            assert_eq!(plain_day(text), None, "{text}");
        }
    }

    #[test]
    fn days_are_the_users_own() {
        let at = UnixMillis::parse_rfc3339("2026-11-19T23:30:00Z").expect("a timestamp");
        assert_eq!(at.day(&zone("Asia/Tokyo")), date(2026, 11, 20));
        assert_eq!(at.day(&zone("America/Los_Angeles")), date(2026, 11, 19));
    }

    #[test]
    fn days_around_clock_changes_have_23_and_25_hours() {
        let berlin = zone("Europe/Berlin");
        for (day, hours) in [
            (date(2026, 3, 29), 23),
            (date(2026, 10, 25), 25),
            (date(2026, 11, 20), 24),
        ] {
            assert_eq!(slots(day, day, &berlin).count(), hours * 4, "{day}");
        }
    }

    #[test]
    fn a_day_that_begins_between_utc_hours_is_whole_slots() {
        let kathmandu = zone("Asia/Kathmandu");
        let day = date(2026, 11, 20);
        assert_eq!(
            slots(day, day, &kathmandu).start * SLOT_MILLIS,
            day_start(day, &kathmandu).0
        );
    }

    #[test]
    fn only_plausible_instants_are_read() {
        for (text, millis) in [
            ("2026-11-20T09:00:01.250Z", Some(1_795_165_201_250)),
            ("2026-11-20T10:00:01.250+01:00", Some(1_795_165_201_250)),
            ("1970-01-01T00:00:00Z", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(
                UnixMillis::parse_rfc3339(text).map(|at| at.0),
                millis,
                "{text}"
            );
        }
    }

    #[test]
    fn weeks_begin_on_monday() {
        assert_eq!(week_start(date(2026, 11, 22)), date(2026, 11, 16));
        assert_eq!(week_start(date(2026, 11, 16)), date(2026, 11, 16));
    }
}
