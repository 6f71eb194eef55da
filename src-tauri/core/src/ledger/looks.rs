//! Table `looks`: from when to when each source's logs were looked at, without a gap long enough for logs to come and go
//! unseen.

use super::{
    Ledger, LedgerError,
    dimensions::{source, source_number},
};
use crate::{time::UnixMillis, usage::Source};
use rusqlite::OptionalExtension as _;

pub(super) const CREATE: &str = "
CREATE TABLE looks (
  source INTEGER NOT NULL,
  since INTEGER NOT NULL,
  until INTEGER NOT NULL,
  PRIMARY KEY (source, since)
) STRICT, WITHOUT ROWID;
";

/// A look this soon after the last one is not worth a write.
const FINE_MILLIS: i64 = 3_600_000;

/// A time in which a source's logs were looked at often enough.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Looks {
    /// Whose logs.
    pub source: Source,
    /// The first look.
    pub since: UnixMillis,
    /// The latest, give or take an hour.
    pub until: UnixMillis,
}

/// Logs of a source that are old enough to be deleted soon.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct OldLogs {
    /// How many.
    pub files: u64,
    /// Those of them that were not read to their end.
    pub unread: u64,
}

impl Ledger {
    /// Notes that all logs of a source were looked at. A look more than `gap_millis` after the last one begins anew.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn note_look(
        &mut self,
        source: Source,
        at: UnixMillis,
        gap_millis: i64,
    ) -> Result<(), LedgerError> {
        let source = source_number(source);
        let last: Option<(i64, i64)> = self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT since, until FROM looks WHERE source = ?1 ORDER BY since DESC LIMIT 1",
                )?
                .query_row([source], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })?;
        let (since, until) = match last {
            // Also of a clock that was set back.
            Some((_, until)) if at.0 < until.saturating_add(FINE_MILLIS) => return Ok(()),
            Some((since, until)) if at.0 <= until.saturating_add(gap_millis) => (since, at.0),
            _ => (at.0, at.0),
        };
        self.write(|connection, _| {
            connection
                .execute(
                    "INSERT INTO looks (source, since, until) VALUES (?1, ?2, ?3)
                     ON CONFLICT DO UPDATE SET until = excluded.until",
                    (source, since, until),
                )
                .map(drop)
        })
    }

    /// All times of looks, in order of source and time.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn looks(&self) -> Result<Vec<Looks>, LedgerError> {
        self.read(|connection| {
            connection
                .prepare("SELECT source, since, until FROM looks ORDER BY source, since")?
                .query_map([], |row| {
                    Ok(Looks {
                        source: source(row.get(0)?),
                        since: UnixMillis(row.get(1)?),
                        until: UnixMillis(row.get(2)?),
                    })
                })?
                .collect()
        })
    }

    /// Logs of a source that are there and were not changed since `before`.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn old_logs(&self, source: Source, before: UnixMillis) -> Result<OldLogs, LedgerError> {
        self.read(|connection| {
            connection.query_row(
                "SELECT count(*), count(*) FILTER (WHERE offset < size) FROM files
                 WHERE source = ?1 AND NOT gone AND mtime > 0 AND mtime < ?2",
                (source_number(source), before.0.saturating_mul(1_000_000)),
                |row| {
                    Ok(OldLogs {
                        files: row.get::<_, i64>(0)?.cast_unsigned(),
                        unread: row.get::<_, i64>(1)?.cast_unsigned(),
                    })
                },
            )
        })
    }
}
