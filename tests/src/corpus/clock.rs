//! Time in the corpus: people work by day, mostly on weekdays, some through midnight.

use super::random::Random;
use jiff::{Timestamp, civil::Date, tz::TimeZone};

pub(super) const SECOND: i64 = 1_000;
pub(super) const HOUR: i64 = 3_600 * SECOND;
pub(super) const DAY: i64 = 24 * HOUR;

/// A clock that only goes forward, in milliseconds since the epoch.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    now: i64,
    end: i64,
    night_owl: bool,
}

impl Clock {
    /// A clock that starts on the working day of `start` and never reaches `end`.
    pub(super) fn new(start: i64, end: i64, random: &mut Random) -> Self {
        let mut clock = Self {
            now: start.min(end - 1),
            end,
            night_owl: random.one_in(12),
        };
        if clock.night_owl {
            clock.set(clock.midnight() + DAY - 20 * 60 * SECOND + millis(random, 0, 1_200));
        } else {
            clock.start_work(random);
        }
        clock
    }

    pub(super) fn now(&self) -> i64 {
        self.now
    }

    /// A short step, as within one response.
    pub(super) fn tick(&mut self, millis: u64) {
        self.set(self.now + i64::try_from(millis).unwrap_or(SECOND));
    }

    /// The step to the next turn; after a day's work to the next morning.
    pub(super) fn turn(&mut self, random: &mut Random) {
        let tenths = random.long_tailed(12, 6);
        self.set(self.now + i64::try_from(tenths).unwrap_or(1) * 100);
        let hour = (self.now - self.midnight()) / HOUR;
        if !self.night_owl && hour >= 18 && random.one_in(12) {
            self.set(self.midnight() + DAY);
            self.start_work(random);
        }
    }

    /// Ahead to just before the next midnight, so that a response may cross it.
    pub(super) fn before_midnight(&mut self) {
        self.set(self.midnight() + DAY - 150);
    }

    /// Whether it is almost midnight.
    pub(super) fn is_late(&self) -> bool {
        self.now - self.midnight() > DAY - 60 * SECOND
    }

    fn start_work(&mut self, random: &mut Random) {
        let weekday = (self.now.div_euclid(DAY) + 4) % 7; // 1 January 1970 was a Thursday; 0 is Sunday
        let rest = match weekday {
            6 => 2,
            0 => 1,
            _ => 0,
        };
        let days = if random.one_in(8) { 0 } else { rest };
        self.set(
            (self.midnight() + days * DAY + 8 * HOUR + millis(random, 0, 8 * 3_600)).max(self.now),
        );
    }

    fn midnight(&self) -> i64 {
        self.now.div_euclid(DAY) * DAY
    }

    fn set(&mut self, at: i64) {
        self.now = at.min(self.end - 1);
    }
}

fn millis(random: &mut Random, from_seconds: u64, to_seconds: u64) -> i64 {
    i64::try_from(random.between(from_seconds * 1_000, to_seconds * 1_000)).unwrap_or(0)
}

/// `2026-11-20T09:00:01.250Z`.
pub(super) fn iso(millis: i64) -> String {
    Timestamp::from_millisecond(millis).map_or_else(|_| String::new(), |at| format!("{at:.3}"))
}

/// The time stamp in OpenClaw's file names: [`iso`] with dashes for colons.
pub(super) fn file_stamp(millis: i64) -> String {
    iso(millis).replace(':', "-")
}

/// First instant of `day` in UTC.
pub(super) fn midnight_of(day: Date) -> i64 {
    day.to_zoned(TimeZone::UTC)
        .map_or(0, |start| start.timestamp().as_millisecond())
}

/// The UTC day of an instant: `2026-11-20`.
pub(super) fn day_of(millis: i64) -> String {
    let mut text = iso(millis);
    text.truncate(10);
    text
}
