//! The report: sums over any range, by any dimensions. Its JSON is a contract.

use crate::{
    ledger::{
        Ledger, LedgerError,
        query::{Name, Rollup},
    },
    summary::Amount,
    time::{UnixMillis, slots, week_start},
    usage::Source,
};
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What rows can be told apart by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Column {
    /// Local day, `2026-11-20`.
    Day,
    /// Local hour with its offset from UTC, `2026-11-20T14:00+01:00`; the offset keeps apart the two hours
    /// of one name when clocks go back.
    Hour,
    /// ISO week, `2026-W47`.
    Week,
    /// Local month, `2026-11`.
    Month,
    /// `claude-code` or `openclaw`.
    Source,
    /// Working directory.
    Project,
    /// OpenClaw's agent; `main` or `subagent` for Claude Code.
    Agent,
    /// Session id.
    Session,
    /// Model as written in the log.
    Model,
}

impl Column {
    /// All of them, with the words used on the command line and as JSON keys.
    pub const ALL: [(Self, &'static str); 9] = [
        (Self::Day, "day"),
        (Self::Hour, "hour"),
        (Self::Week, "week"),
        (Self::Month, "month"),
        (Self::Source, "source"),
        (Self::Project, "project"),
        (Self::Agent, "agent"),
        (Self::Session, "session"),
        (Self::Model, "model"),
    ];

    /// Its word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL
            .iter()
            .find(|(column, _)| *column == self)
            .map_or("", |(_, word)| word)
    }
}

/// What is asked: whole local days, both ends included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReportRequest {
    /// What the rows are told apart by, in order of columns.
    pub by: Vec<Column>,
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

/// A value before its text is looked up; orders in time where it is a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Cell {
    Date(Date),
    Hour(UnixMillis),
    Source(Source),
    Name(Name),
}

/// Sums up the ledger as asked.
///
/// # Errors
/// [`LedgerError`].
pub fn report(ledger: &mut Ledger, request: ReportRequest) -> Result<Report, LedgerError> {
    let zone = &request.zone;
    let mut sums: BTreeMap<Vec<Cell>, Amount> = BTreeMap::new();
    let mut totals = Amount::default();
    let mut last: Option<(i64, Date)> = None;
    ledger.each_rollup(slots(request.since, request.until, zone), |row| {
        let day = match last {
            Some((slot, day)) if slot == row.slot.0 => day,
            _ => row.slot.start().day(zone),
        };
        last = Some((row.slot.0, day));
        let cells = request
            .by
            .iter()
            .map(|column| cell(*column, row, day, zone))
            .collect();
        *sums.entry(cells).or_default() += row.amount;
        totals += row.amount;
    })?;
    let mut rows = Vec::with_capacity(sums.len());
    for (cells, amount) in sums {
        let mut values = Vec::with_capacity(cells.len());
        for (cell, column) in cells.iter().zip(&request.by) {
            values.push(match cell {
                Cell::Date(day) if *column == Column::Week => iso_week(*day),
                Cell::Date(day) if *column == Column::Month => day.strftime("%Y-%m").to_string(),
                Cell::Date(day) => day.to_string(),
                Cell::Hour(at) => at
                    .timestamp()
                    .to_zoned(zone.clone())
                    .strftime("%Y-%m-%dT%H:%M%:z")
                    .to_string(),
                Cell::Source(source) => source.as_str().to_owned(),
                Cell::Name(name) => ledger.text(*name)?.to_string(),
            });
        }
        rows.push((cells, ReportRow { values, amount }));
    }
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

fn cell(column: Column, row: &Rollup, day: Date, zone: &TimeZone) -> Cell {
    match column {
        Column::Day => Cell::Date(day),
        Column::Week => Cell::Date(week_start(day)),
        Column::Month => Cell::Date(day.first_of_month()),
        Column::Hour => Cell::Hour(hour_start(row.slot.start(), zone)),
        Column::Source => Cell::Source(row.source),
        Column::Project => Cell::Name(row.project),
        Column::Agent => Cell::Name(row.agent),
        Column::Session => Cell::Name(row.session),
        Column::Model => Cell::Name(row.model),
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
