//! The report: sums over any range, by any dimensions. Its JSON is a contract.

use crate::{
    ledger::{
        Ledger, LedgerError,
        listing::Response,
        query::{Dimension, Name},
        rests::Rest,
    },
    summary::Amount,
    time::{Slot, UnixMillis, week_start},
    usage::Source,
};
use jiff::{civil::Date, tz::TimeZone};
use std::collections::BTreeMap;

/// What rows can be told apart by, and chosen by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Column {
    /// Local day, `2026-11-20`.
    Day,
    /// Local hour with its offset from UTC, `2026-11-20T14:00+01:00`; the offset keeps apart the two hours
    /// of one name when clocks go back. Empty for what a gateway counts by day.
    Hour,
    /// ISO week, `2026-W47`.
    Week,
    /// Local month, `2026-11`.
    Month,
    /// `claude-code` or `openclaw`.
    Source,
    /// A text that is told of each response; empty where it is not known.
    Of(Dimension),
}

impl Column {
    /// All of them, with the words used on the command line and as JSON keys.
    pub const ALL: [(Self, &'static str); 21] = [
        (Self::Day, "day"),
        (Self::Hour, "hour"),
        (Self::Week, "week"),
        (Self::Month, "month"),
        (Self::Source, "source"),
        (Self::Of(Dimension::Gateway), "gateway"),
        (Self::Of(Dimension::Agent), "agent"),
        (Self::Of(Dimension::Subagent), "subagent"),
        (Self::Of(Dimension::Project), "project"),
        (Self::Of(Dimension::Branch), "branch"),
        (Self::Of(Dimension::Session), "session"),
        (Self::Of(Dimension::SessionKey), "session_key"),
        (Self::Of(Dimension::Label), "label"),
        (Self::Of(Dimension::Parent), "parent"),
        (Self::Of(Dimension::Created), "created"),
        (Self::Of(Dimension::Channel), "channel"),
        (Self::Of(Dimension::ChatType), "chat_type"),
        (Self::Of(Dimension::Provider), "provider"),
        (Self::Of(Dimension::Model), "model"),
        (Self::Of(Dimension::Api), "api"),
        (Self::Of(Dimension::StopReason), "stop_reason"),
    ];

    /// The column of this word; `chat-type` is `chat_type` too.
    #[must_use]
    pub fn of_word(word: &str) -> Option<Self> {
        let word = word.trim().replace('-', "_");
        let known = Self::ALL.iter().find(|(_, known)| *known == word);
        known.map(|(column, _)| *column)
    }

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(column, _)| *column == self)
            .map_or("", |(_, word)| word)
    }
}

/// Only responses whose value matches count; an asterisk in the pattern stands for any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filter {
    /// What is looked at.
    pub column: Column,
    /// What its value must be, as a report would print it.
    pub pattern: String,
}

impl Filter {
    fn matches(&self, value: &str) -> bool {
        let mut parts = self.pattern.split('*');
        let Some(rest) = value.strip_prefix(parts.next().unwrap_or_default()) else {
            return false;
        };
        let Some(last) = parts.next_back() else {
            return rest.is_empty();
        };
        let between = parts.try_fold(rest, |rest, part| {
            rest.find(part).map(|at| &rest[at + part.len()..])
        });
        between.is_some_and(|rest| rest.ends_with(last))
    }
}

/// What is asked: whole local days, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRequest {
    /// What the rows are told apart by, in order of columns.
    pub by: Vec<Column>,
    /// What counts: of the filters of one column any must match, and so for every column that has some.
    pub only: Vec<Filter>,
    /// First day.
    pub since: Date,
    /// Last day.
    pub until: Date,
    /// Whose days.
    pub zone: TimeZone,
}

/// One row: a value for each asked column, and the sum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRow {
    /// In the order of [`ReportRequest::by`].
    pub values: Vec<String>,
    /// The sum.
    pub amount: Amount,
}

/// The answer, rows in order of their values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// What was asked.
    pub request: ReportRequest,
    /// The rows.
    pub rows: Vec<ReportRow>,
    /// All rows together.
    pub totals: Amount,
}

/// Whether something with this value in a column counts: any of the column's filters matches, or there is none.
#[must_use]
pub fn passes(only: &[Filter], column: Column, value: &str) -> bool {
    let mut filters = only.iter().filter(|it| it.column == column).peekable();
    filters.peek().is_none() || filters.any(|filter| filter.matches(value))
}

/// A value before its text is looked up; orders in time where it is a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cell<N> {
    Date(Date),
    Hour(Option<UnixMillis>),
    Source(Source),
    Name(N),
}

/// Sums up the ledger as asked.
///
/// # Errors
/// [`LedgerError`].
pub fn report(ledger: &mut Ledger, request: ReportRequest) -> Result<Report, LedgerError> {
    let zone = &request.zone;
    let mut asked = request.by.clone();
    for filter in &request.only {
        if !asked.contains(&filter.column) {
            asked.push(filter.column);
        }
    }
    // By all that is asked for, also what rows are only chosen by.
    let mut sums: BTreeMap<Vec<Cell<Name>>, Amount> = BTreeMap::new();
    ledger.each_sum(request.since, request.until, zone, |day, row| {
        let cells = asked
            .iter()
            .map(|column| column.cell(row.slot, day, zone, row.source, |of| row.name(of)));
        *sums.entry(cells.collect()).or_default() += row.amount;
    })?;
    let mut rows: BTreeMap<Vec<Cell<Name>>, ReportRow> = BTreeMap::new();
    let mut totals = Amount::default();
    for (mut cells, amount) in sums {
        let mut values = Vec::with_capacity(cells.len());
        for (cell, column) in cells.iter().zip(&asked) {
            values.push(match column.text(*cell, zone) {
                Ok(text) => text,
                Err(name) => ledger.text(name)?.to_string(),
            });
        }
        let mut valued = asked.iter().zip(&values);
        if !valued.all(|(column, value)| passes(&request.only, *column, value)) {
            continue;
        }
        totals += amount;
        cells.truncate(request.by.len());
        values.truncate(request.by.len());
        let row = rows.entry(cells).or_insert_with(|| ReportRow {
            values,
            amount: Amount::default(),
        });
        row.amount += amount;
    }
    let mut rows: Vec<_> = rows.into_iter().collect();
    // Times in their own order, names by their text.
    rows.sort_by(|(cells, one), (others, two)| {
        let mut order = std::cmp::Ordering::Equal;
        for at in 0..cells.len() {
            order = order.then_with(|| match (cells[at], others[at]) {
                (Cell::Hour(one), Cell::Hour(two)) => one.cmp(&two),
                _ => one.values[at].cmp(&two.values[at]),
            });
        }
        order
    });
    Ok(Report {
        rows: rows.into_iter().map(|(_, row)| row).collect(),
        totals,
        request,
    })
}

impl Column {
    /// What something of this quarter hour, if that is known, has in it.
    fn cell<N>(
        self,
        slot: Option<Slot>,
        day: Date,
        zone: &TimeZone,
        source: Source,
        name: impl FnOnce(Dimension) -> N,
    ) -> Cell<N> {
        match self {
            Self::Day => Cell::Date(day),
            Self::Week => Cell::Date(week_start(day)),
            Self::Month => Cell::Date(day.first_of_month()),
            Self::Hour => Cell::Hour(slot.map(|slot| hour_start(slot.start(), zone))),
            Self::Source => Cell::Source(source),
            Self::Of(dimension) => Cell::Name(name(dimension)),
        }
    }

    /// The text of a cell, or the name whose text it is.
    fn text<N>(self, cell: Cell<N>, zone: &TimeZone) -> Result<String, N> {
        Ok(match cell {
            Cell::Date(day) if self == Self::Week => iso_week(day),
            Cell::Date(day) if self == Self::Month => day.strftime("%Y-%m").to_string(),
            Cell::Date(day) => day.to_string(),
            Cell::Hour(None) => String::new(),
            Cell::Hour(Some(at)) => at
                .timestamp()
                .to_zoned(zone.clone())
                .strftime("%Y-%m-%dT%H:%M%:z")
                .to_string(),
            Cell::Source(source) => source.as_str().to_owned(),
            Cell::Name(name) => return Err(name),
        })
    }

    /// What a response has in it, as a report would print it.
    #[must_use]
    pub fn value(self, response: &Response, zone: &TimeZone) -> String {
        let slot = response.at.slot();
        let day = slot.start().day(zone);
        let name = |of| response.name(of);
        let cell = self.cell(Some(slot), day, zone, response.source, name);
        self.text(cell, zone).unwrap_or_else(str::to_owned)
    }

    /// The same of a rest.
    #[must_use]
    pub fn value_of_rest(self, rest: &Rest, zone: &TimeZone) -> String {
        let name = |of| rest.name(of);
        let cell = self.cell(None, rest.day, zone, Source::OpenClaw, name);
        self.text(cell, zone).unwrap_or_else(str::to_owned)
    }
}

/// The beginning of the local clock's hour.
fn hour_start(at: UnixMillis, zone: &TimeZone) -> UnixMillis {
    let minute = zone.to_datetime(at.timestamp()).minute();
    at.plus(-i64::from(minute) * 60_000)
}

fn iso_week(day: Date) -> String {
    let week = day.iso_week_date();
    format!("{:04}-W{:02}", week.year(), week.week())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_asterisk_stands_for_any_text() {
        for (pattern, value, expected) in [
            ("main", "main", true),
            ("main", "mainline", false),
            ("", "", true),
            ("", "main", false),
            ("*", "", true),
            ("*", "main", true),
            ("claude-*", "claude-opus-5", true),
            ("claude-*", "gpt-5", false),
            ("*-5", "claude-opus-5", true),
            ("*-5", "claude-opus-5-fast", false),
            ("claude-*-5", "claude-opus-5", true),
            ("claude-*-5", "claude-5", false),
            ("*opus*", "claude-opus-5", true),
            ("*a*b*c*", "xaxbxcx", true),
            ("*a*b*c*", "xcxbxax", false),
            ("ab*ba", "aba", false),
        ] {
            let filter = Filter {
                column: Column::Of(Dimension::Model),
                pattern: pattern.into(),
            };
            assert_eq!(filter.matches(value), expected, "{pattern} on {value}");
        }
    }

    #[test]
    fn every_column_has_a_word_of_its_own() {
        for (column, word) in Column::ALL {
            assert_eq!(Column::of_word(word), Some(column));
            assert_eq!(column.as_str(), word);
        }
        assert_eq!(
            Column::of_word(" chat-type"),
            Some(Column::Of(Dimension::ChatType))
        );
        assert_eq!(Column::of_word("colour"), None);
    }
}
