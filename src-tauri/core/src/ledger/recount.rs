//! Whether `rollups` and `days` are what the responses come to, and `rests` what they leave of gateways' totals.

use super::{
    Ledger, LedgerError,
    dimensions::{source, source_number},
    names::NameId,
    responses::{self, Pricer},
    rollups::{SUMS, amount, day_number, day_of_number},
};
use crate::{summary::Amount, time::Slot, usage::Source};
use jiff::{civil::Date, tz::TimeZone};
use rusqlite::{Connection, OpenFlags};
use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

/// Sums of one day, source and model that are not what its responses come to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongSum {
    /// `rollups`, `days` or `rests`.
    pub table: &'static str,
    /// The local day.
    pub day: Date,
    /// Whose responses.
    pub source: Source,
    /// The model as written.
    pub model: Arc<str>,
    /// What its wrong rows say.
    pub kept: Amount,
    /// What they should say.
    pub counted: Amount,
}

/// By day, source and model: what wrong rows say, and what they should say.
type Wrong = BTreeMap<(i64, i64, NameId), [Amount; 2]>;

impl Ledger {
    /// Copies the ledger to a new file, as it stands at one moment.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn copy_to(&self, path: &Path) -> Result<(), LedgerError> {
        // To a connection that only reads, SQLite grants no copy either.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let copy = || {
            let connection = Connection::open_with_flags(&self.path, flags)?;
            connection.busy_timeout(Duration::from_millis(5000))?;
            connection.execute("VACUUM INTO ?1", [path.to_string_lossy()])
        };
        copy().map(drop).map_err(|source| self.fail(source))
    }

    /// Sums up all responses anew, and tells where that is another sum than was kept. For a copy: the new sums stay.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn wrong_sums(
        &mut self,
        zone: &TimeZone,
        price: &mut Pricer<'_>,
    ) -> Result<Vec<WrongSum>, LedgerError> {
        let found = self.write(|connection, names| {
            connection.execute_batch(
                "CREATE TEMP TABLE kept_rollups AS SELECT * FROM rollups;
                 CREATE TEMP TABLE kept_days AS SELECT * FROM days;
                 CREATE TEMP TABLE kept_rests AS SELECT * FROM rests;",
            )?;
            responses::recount(connection, names, zone, price)?;
            let rollups = wrong(
                connection,
                &format!(
                    "SELECT slot, COALESCE(source, 0), COALESCE(model, 0), {SUMS} FROM
                       (SELECT * FROM {{these}}rollups EXCEPT SELECT * FROM {{others}}rollups) AS wrong
                     LEFT JOIN owners ON owners.id = wrong.owner LEFT JOIN calls ON calls.id = wrong.call"
                ),
                |slot| day_number(Slot(slot).start().day(zone)),
            )?;
            let days = wrong(
                connection,
                "SELECT * FROM {these}days EXCEPT SELECT * FROM {others}days",
                |day| day,
            )?;
            let rests = wrong(
                connection,
                &format!(
                    "SELECT day, {}, model, responses, unpriced, cost, 0, 0, 0, 0, 0, tokens FROM
                       (SELECT * FROM {{these}}rests EXCEPT SELECT * FROM {{others}}rests)",
                    source_number(Source::OpenClaw)
                ),
                |day| day,
            )?;
            connection.execute_batch(
                "DROP TABLE kept_rollups; DROP TABLE kept_days; DROP TABLE kept_rests;",
            )?;
            let mut names = names.on(connection);
            let mut found = Vec::new();
            for (table, wrong) in [("rollups", rollups), ("days", days), ("rests", rests)] {
                for ((day, from, model), [kept, counted]) in wrong {
                    found.push(WrongSum {
                        table,
                        day: day_of_number(day),
                        source: source(from),
                        model: names.text(model)?,
                        kept,
                        counted,
                    });
                }
            }
            Ok(found)
        })?;
        Ok(found)
    }
}

/// The rows of each side that the other has not. `select` gives a time, source, model and sums.
fn wrong(
    connection: &Connection,
    select: &str,
    day: impl Fn(i64) -> i64,
) -> rusqlite::Result<Wrong> {
    let mut wrong = Wrong::new();
    for (side, (these, others)) in [("temp.kept_", "main."), ("main.", "temp.kept_")]
        .into_iter()
        .enumerate()
    {
        let select = select.replace("{these}", these).replace("{others}", others);
        let mut statement = connection.prepare(&select)?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let key = (day(row.get(0)?), row.get(1)?, NameId(row.get(2)?));
            wrong.entry(key).or_default()[side] += amount(row, 3)?;
        }
    }
    Ok(wrong)
}
