//! Tables `rollups` (by quarter hour and every dimension) and `days` (by local day, source and model), both
//! always equal to the sum of `responses`.

use super::{
    Ledger, LedgerError,
    dimensions::{CallId, OwnerId, source_number},
    names::{NameId, NamesOn},
    rests, state,
};
use crate::{money::NanoUsd, summary::Amount, time::Slot, usage::Tokens};
use jiff::{civil::Date, tz::TimeZone};
use rusqlite::{Connection, Row};
use rustc_hash::FxHashMap;
use std::collections::HashMap;

pub(super) const CREATE: &str = "
CREATE TABLE rollups (
  slot INTEGER NOT NULL,
  owner INTEGER NOT NULL,
  call INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  unsplit INTEGER NOT NULL,
  PRIMARY KEY (slot, owner, call)
) STRICT, WITHOUT ROWID;
CREATE TABLE days (
  day INTEGER NOT NULL,
  source INTEGER NOT NULL,
  model INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  unsplit INTEGER NOT NULL,
  PRIMARY KEY (day, source, model)
) STRICT, WITHOUT ROWID;
";

/// What one rollup row is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Key {
    pub(super) slot: Slot,
    pub(super) owner: OwnerId,
    pub(super) call: CallId,
}

/// Sums of one row, or what is to be added to it: responses, unpriced, cost, then the six token classes.
pub(super) type Sums = [i64; 9];

/// The columns of [`Sums`], in order.
pub(super) const SUMS: &str =
    "responses, unpriced, cost, input, output, cache_read, cache_write_5m, cache_write_1h, unsplit";

/// What one response adds.
pub(super) fn sums(tokens: &Tokens, cost: Option<NanoUsd>) -> Sums {
    [
        1,
        i64::from(cost.is_none()),
        cost.unwrap_or_default().0,
        tokens.input.cast_signed(),
        tokens.output.cast_signed(),
        tokens.cache_read.cast_signed(),
        tokens.cache_write_5m.cast_signed(),
        tokens.cache_write_1h.cast_signed(),
        tokens.unsplit.cast_signed(),
    ]
}

const ADD: &str = "ON CONFLICT DO UPDATE SET responses = responses + excluded.responses,
  unpriced = unpriced + excluded.unpriced, cost = cost + excluded.cost, input = input + excluded.input,
  output = output + excluded.output, cache_read = cache_read + excluded.cache_read,
  cache_write_5m = cache_write_5m + excluded.cache_write_5m,
  cache_write_1h = cache_write_1h + excluded.cache_write_1h, unsplit = unsplit + excluded.unsplit";

pub(super) fn amount(row: &Row<'_>, from: usize) -> rusqlite::Result<Amount> {
    let unsigned = |at| row.get::<_, i64>(from + at).map(i64::cast_unsigned);
    Ok(Amount {
        responses: unsigned(0)?,
        unpriced_responses: unsigned(1)?,
        cost: NanoUsd(row.get(from + 2)?),
        tokens: Tokens {
            input: unsigned(3)?,
            output: unsigned(4)?,
            cache_read: unsigned(5)?,
            cache_write_5m: unsigned(6)?,
            cache_write_1h: unsigned(7)?,
            unsplit: unsigned(8)?,
        },
    })
}

/// Days since the epoch's day; what the table `days` counts by.
pub(super) fn day_number(day: Date) -> i64 {
    i64::from((day - jiff::civil::date(1970, 1, 1)).get_days())
}

pub(super) fn day_of_number(number: i64) -> Date {
    crate::time::add_days(jiff::civil::date(1970, 1, 1), number)
}

/// Adds to the rollups, and to the days of the ledger's zone; rows that come to nothing disappear.
pub(super) fn add(
    names: &mut NamesOn<'_>,
    changes: FxHashMap<Key, Sums>,
    zone: &TimeZone,
) -> rusqlite::Result<()> {
    let mut changes: Vec<(Key, Sums)> = changes
        .into_iter()
        .filter(|(_, sums)| *sums != Sums::default())
        .collect();
    changes.sort_unstable_by_key(|(key, _)| *key);
    let connection = names.connection;
    let mut days: HashMap<(i64, i64, NameId), Sums> = HashMap::new();
    let mut shrunk = false;
    {
        let mut upsert = connection.prepare_cached(&format!(
            "INSERT INTO rollups (slot, owner, call, {SUMS})
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) {ADD}"
        ))?;
        let mut last: Option<(Slot, i64)> = None;
        for (key, sums) in &changes {
            let [
                responses,
                unpriced,
                cost,
                input,
                output,
                read,
                write_5m,
                write_1h,
                unsplit,
            ] = *sums;
            upsert.execute(rusqlite::params![
                key.slot.0,
                key.owner.0,
                key.call.0,
                responses,
                unpriced,
                cost,
                input,
                output,
                read,
                write_5m,
                write_1h,
                unsplit,
            ])?;
            shrunk |= responses < 0;
            let day = match last {
                Some((slot, day)) if slot == key.slot => day,
                _ => day_number(key.slot.start().day(zone)),
            };
            last = Some((key.slot, day));
            let source = source_number(names.owner_of(key.owner)?.0);
            let [_, model, ..] = names.call_of(key.call)?;
            let of_day = days.entry((day, source, model)).or_default();
            for (sum, more) in of_day.iter_mut().zip(sums) {
                *sum += more;
            }
        }
    }
    add_days(connection, days)?;
    if shrunk {
        connection.execute_batch(
            "DELETE FROM rollups WHERE responses = 0; DELETE FROM days WHERE responses = 0;",
        )?;
    }
    Ok(())
}

fn add_days(
    connection: &Connection,
    days: HashMap<(i64, i64, NameId), Sums>,
) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(&format!(
        "INSERT INTO days (day, source, model, {SUMS})
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12) {ADD}"
    ))?;
    for ((day, source, model), sums) in days {
        let [
            responses,
            unpriced,
            cost,
            input,
            output,
            read,
            write_5m,
            write_1h,
            unsplit,
        ] = sums;
        upsert.execute(rusqlite::params![
            day, source, model.0, responses, unpriced, cost, input, output, read, write_5m,
            write_1h, unsplit,
        ])?;
    }
    Ok(())
}

/// The sum over the whole ledger, rests too.
pub(super) fn total(connection: &Connection) -> rusqlite::Result<Amount> {
    let sums: Vec<String> = SUMS
        .split(", ")
        .map(|sum| format!("COALESCE(SUM({sum}), 0)"))
        .collect();
    let statement = format!("SELECT {} FROM days", sums.join(", "));
    let mut total = connection.query_row(&statement, [], |row| amount(row, 0))?;
    total += rests::total(connection)?;
    Ok(total)
}

/// Forgets all sums, before all responses are counted anew.
pub(super) fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DELETE FROM rollups; DELETE FROM days")
}

fn rebuild_days(connection: &Connection, zone: &TimeZone) -> rusqlite::Result<()> {
    connection.execute_batch("DELETE FROM days")?;
    let mut days: HashMap<(i64, i64, NameId), Sums> = HashMap::new();
    {
        let mut statement = connection.prepare(&format!(
            "SELECT slot, source, model, {SUMS} FROM rollups
             JOIN owners ON owners.id = rollups.owner JOIN calls ON calls.id = rollups.call"
        ))?;
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let day = day_number(Slot(row.get(0)?).start().day(zone));
            let sums = days
                .entry((day, row.get(1)?, NameId(row.get(2)?)))
                .or_default();
            for (at, sum) in sums.iter_mut().enumerate() {
                *sum += row.get::<_, i64>(3 + at)?;
            }
        }
    }
    add_days(connection, days)
}

impl Ledger {
    /// Makes `days` count the days of `zone`; does nothing when it already does.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn set_zone(&mut self, zone: &TimeZone, name: &str) -> Result<(), LedgerError> {
        if self.state(state::ZONE)?.as_deref() == Some(name) {
            return Ok(());
        }
        self.write(|connection, _| {
            rebuild_days(connection, zone)?;
            state::set(connection, state::ZONE, name)
        })
    }
}
