//! Table `state`: single values that doors share: the engine's status, a pause, the zone of the days.

use super::{Ledger, LedgerError};
use rusqlite::{Connection, OptionalExtension as _};

pub(super) const CREATE: &str = "
CREATE TABLE state (
  key TEXT NOT NULL PRIMARY KEY,
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

/// JSON of [`crate::api::Status`].
pub const STATUS: &str = "status";
/// JSON of the roots last looked at.
pub const ROOTS: &str = "roots";
/// Milliseconds: no notification before then.
pub const PAUSED_UNTIL: &str = "paused_until";
/// JSON of the alert episodes.
pub const EPISODES: &str = "episodes";
/// Name of the zone in which the table `days` counts.
pub const ZONE: &str = "zone";
/// Milliseconds: the latest response in the ledger.
pub const LAST_RESPONSE: &str = "last_response";
/// JSON of [`crate::pricing::Basis`]: by what the costs were computed.
pub const PRICES: &str = "prices";
/// There once the user has had responses forgotten: what logs still tell of those is passed over. JSON of when the first
/// and the last of them was made, by source.
pub const FORGOTTEN: &str = "forgotten";
/// JSON of [`super::Repriced`]: what computing all costs anew last came to.
pub const REPRICED: &str = "repriced";

pub(super) fn get(connection: &Connection, key: &str) -> rusqlite::Result<Option<String>> {
    connection
        .prepare_cached("SELECT value FROM state WHERE key = ?1")?
        .query_row([key], |row| row.get(0))
        .optional()
}

pub(super) fn set(connection: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT INTO state (key, value) VALUES (?1, ?2) ON CONFLICT DO UPDATE SET value = excluded.value",
        )?
        .execute([key, value])
        .map(drop)
}

pub(super) fn remove(connection: &Connection, key: &str) -> rusqlite::Result<()> {
    connection.execute("DELETE FROM state WHERE key = ?1", [key])?;
    Ok(())
}

impl Ledger {
    /// The value kept under `key`.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn state(&self, key: &str) -> Result<Option<String>, LedgerError> {
        get(&self.connection, key).map_err(|source| self.fail(source))
    }

    /// Keeps `value` under `key`.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn set_state(&mut self, key: &str, value: &str) -> Result<(), LedgerError> {
        self.write(|connection, _| set(connection, key, value))
    }
}
