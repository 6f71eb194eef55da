//! Which days the ledger knows whole, as far as that can be told. Pure.
//!
//! Claude Code deletes a transcript once nothing was written to it for some days. So a look finds all that was written
//! in those days before it, and what lies between two looks is known whole when they are not further apart. OpenClaw
//! archives what it resets or deletes: whatever it still has is whole.

use crate::{
    ledger::looks::{Looks, OldLogs},
    time::{UnixMillis, add_days},
    usage::Source,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::Serialize;

/// For so many days ahead it is told that logs will be deleted.
pub const SOON_DAYS: u32 = 7;

/// What no log contains, so that sums are a lower bound of a bill.
pub const NOT_IN_LOGS: &str = "recaps, titles, quota probes and some compaction calls are billed and leave no usage in any \
     log; taxes, credits, discounts and plan limits are not known either";

/// What is known of a source's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Completeness {
    /// Whose.
    pub source: Source,
    /// The first look at its logs.
    pub collected_since: UnixMillis,
    /// The days that are known whole: first and last of each stretch, in order.
    pub whole: Vec<(Date, Date)>,
    /// The first and the last day of what the user had forgotten.
    pub forgotten: Option<(Date, Date)>,
    /// After how many days without change its agent deletes a log; `None` for never.
    pub kept_days: Option<u32>,
    /// Logs that will be deleted in the next [`SOON_DAYS`] days.
    pub ending_logs: u64,
    /// Those of them that the ledger has not read to their end.
    pub ending_unread: u64,
}

impl Completeness {
    /// The days that are known whole, in words.
    #[must_use]
    pub fn stretches(&self) -> String {
        let whole: Vec<String> = self.whole.iter().map(stretch).collect();
        if whole.is_empty() {
            "no day yet".to_owned()
        } else {
            whole.join(", ")
        }
    }

    /// What a total over these days may lack, in sentences; none when they are known whole.
    #[must_use]
    pub fn remarks(&self, since: Date, until: Date) -> Vec<String> {
        let source = self.source.title();
        let mut remarks = Vec::new();
        if since <= until && !self.covers(since, until) {
            remarks.push(format!(
                "{source}: not all of these days are known whole ({}); what was deleted before it could be read is missing.",
                self.stretches()
            ));
        }
        if let Some(days) = self.forgotten
            && days.0 <= until
            && since <= days.1
        {
            remarks.push(format!(
                "{source}: you had responses of these days forgotten ({}).",
                stretch(&days)
            ));
        }
        remarks
    }

    /// Whether every day of a range is known whole.
    #[must_use]
    pub fn covers(&self, since: Date, until: Date) -> bool {
        let never_deletes = self.kept_days.is_none();
        self.whole
            .iter()
            .any(|(first, last)| (never_deletes || *first <= since) && until <= *last)
    }
}

/// Days from first to last, in words.
#[must_use]
pub fn stretch((first, last): &(Date, Date)) -> String {
    if first == last {
        first.to_string()
    } else {
        format!("{first} to {last}")
    }
}

/// Tells it for one source, whose `looks` are in order; `None` when it was never looked at. `first` is the day of the
/// first response ever.
#[must_use]
pub fn completeness(
    source: Source,
    looks: &[Looks],
    kept_days: Option<u32>,
    first: Option<Date>,
    old: OldLogs,
    forgotten: Option<(UnixMillis, UnixMillis)>,
    zone: &TimeZone,
) -> Option<Completeness> {
    let looks = looks.iter().filter(|look| look.source == source);
    let mut whole: Vec<(Date, Date)> = Vec::new();
    let mut collected_since = None;
    for look in looks {
        collected_since.get_or_insert(look.since);
        let begun = look.since.day(zone);
        let from = match kept_days {
            // The day on which deletion begins is only partly there.
            Some(days) => add_days(begun, 1 - i64::from(days)).min(add_days(begun, 1)),
            None => first.map_or(begun, |first| first.min(begun)),
        };
        let until = look.until.day(zone);
        match whole.last_mut() {
            Some((_, last)) if from <= add_days(*last, 1) => *last = until.max(*last),
            _ if from <= until => whole.push((from, until)),
            _ => {}
        }
    }
    Some(Completeness {
        source,
        collected_since: collected_since?,
        whole,
        forgotten: forgotten.map(|(first, last)| (first.day(zone), last.day(zone))),
        kept_days,
        ending_logs: old.files,
        ending_unread: old.unread,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn looks(times: &[(&str, &str)]) -> Vec<Looks> {
        let at = |time: &str| UnixMillis::parse_rfc3339(time).expect("a time");
        times
            .iter()
            .map(|(since, until)| Looks {
                source: Source::ClaudeCode,
                since: at(since),
                until: at(until),
            })
            .collect()
    }

    fn whole(times: &[(&str, &str)], kept_days: Option<u32>) -> Vec<(Date, Date)> {
        let told = completeness(
            Source::ClaudeCode,
            &looks(times),
            kept_days,
            Some(date(2026, 3, 1)),
            OldLogs::default(),
            None,
            &TimeZone::UTC,
        );
        told.expect("it was looked at").whole
    }

    #[test]
    fn a_look_reaches_back_as_far_as_logs_are_kept() {
        let once = [("2026-10-31T12:00:00Z", "2026-11-20T12:00:00Z")];
        assert_eq!(
            whole(&once, Some(30)),
            [(date(2026, 10, 2), date(2026, 11, 20))]
        );
        assert_eq!(
            whole(&once, Some(1)),
            [(date(2026, 10, 31), date(2026, 11, 20))]
        );
        assert_eq!(whole(&once, None), [(date(2026, 3, 1), date(2026, 11, 20))]);
        assert_eq!(
            whole(&once, Some(0)),
            [(date(2026, 11, 1), date(2026, 11, 20))]
        );
    }

    #[test]
    fn a_gap_leaves_days_that_nobody_knows() {
        let twice = [
            ("2026-08-01T12:00:00Z", "2026-08-10T12:00:00Z"),
            ("2026-11-19T12:00:00Z", "2026-11-20T12:00:00Z"),
        ];
        let stretches = [
            (date(2026, 7, 3), date(2026, 8, 10)),
            (date(2026, 10, 21), date(2026, 11, 20)),
        ];
        assert_eq!(whole(&twice, Some(30)), stretches);
        let told = completeness(
            Source::ClaudeCode,
            &looks(&twice),
            Some(30),
            None,
            OldLogs::default(),
            None,
            &TimeZone::UTC,
        )
        .expect("it was looked at");
        assert!(told.covers(date(2026, 7, 3), date(2026, 8, 10)));
        assert!(!told.covers(date(2026, 7, 2), date(2026, 8, 10)));
        assert!(!told.covers(date(2026, 8, 10), date(2026, 10, 21)));
        // Logs that are kept for longer bridge it.
        assert_eq!(
            whole(&twice, Some(120)),
            [(date(2026, 4, 4), date(2026, 11, 20))]
        );
    }

    #[test]
    fn a_source_never_looked_at_has_no_history() {
        let told = completeness(
            Source::OpenClaw,
            &looks(&[("2026-08-01T12:00:00Z", "2026-08-10T12:00:00Z")]),
            None,
            None,
            OldLogs::default(),
            None,
            &TimeZone::UTC,
        );
        assert_eq!(told, None);
    }
}
