//! Table `cursors`: how far each session of an OpenClaw database has been read.

use super::{Batch, LedgerError};
use crate::follow::openclaw_db::{Cursors, SessionCursor};
use rusqlite::Connection;

pub(super) const CREATE: &str = "
CREATE TABLE cursors (
  file INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
  session TEXT NOT NULL,
  generation TEXT NOT NULL,
  cursor TEXT NOT NULL,
  PRIMARY KEY (file, session, generation)
) STRICT, WITHOUT ROWID;
";

/// Names of the rows that are not a live session: the horizon has no session, an archived transcript has a
/// generation and no cursor.
const HORIZON: &str = "";

impl Batch<'_> {
    /// How far the database of this file row has been read.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn cursors(&self, file: i64) -> Result<Cursors, LedgerError> {
        load(&self.transaction, file).map_err(|source| self.fail(source))
    }

    /// Keeps what a reading has moved.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn move_cursors(&mut self, file: i64, moved: &Cursors) -> Result<(), LedgerError> {
        store(&self.transaction, file, moved).map_err(|source| self.fail(source))
    }
}

fn load(connection: &Connection, file: i64) -> rusqlite::Result<Cursors> {
    let mut cursors = Cursors::default();
    let mut statement = connection
        .prepare_cached("SELECT session, generation, cursor FROM cursors WHERE file = ?1")?;
    let mut rows = statement.query([file])?;
    while let Some(row) = rows.next()? {
        let (session, generation, cursor): (String, String, String) =
            (row.get(0)?, row.get(1)?, row.get(2)?);
        if session == HORIZON {
            cursors.horizon = cursor.parse().ok();
        } else if cursor.is_empty() {
            cursors.archives.insert((session, generation));
        // A cursor that cannot be read is forgotten: its session is read again, which is harmless.
        } else if let Ok(cursor) = serde_json::from_str::<SessionCursor>(&cursor) {
            cursors.sessions.insert(session, cursor);
        }
    }
    Ok(cursors)
}

fn store(connection: &Connection, file: i64, moved: &Cursors) -> rusqlite::Result<()> {
    let mut upsert = connection.prepare_cached(
        "INSERT INTO cursors (file, session, generation, cursor) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET cursor = excluded.cursor",
    )?;
    for (session, cursor) in &moved.sessions {
        let cursor = serde_json::to_string(cursor).unwrap_or_default();
        upsert.execute((file, session, "", cursor))?;
    }
    for (session, generation) in &moved.archives {
        upsert.execute((file, session, generation, ""))?;
    }
    if let Some(horizon) = moved.horizon {
        upsert.execute((file, HORIZON, "", horizon.to_string()))?;
    }
    Ok(())
}
