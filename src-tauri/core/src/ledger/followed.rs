//! Table `gateways`: where each gateway was when it was last followed. One that gets another name is still the same, and
//! what it told goes with it: else its totals would count under both.

use super::{Ledger, LedgerError, files::HEARD, names::NameCache};
use rusqlite::{Connection, OptionalExtension as _};

pub(super) const CREATE: &str = "
CREATE TABLE gateways (
  name TEXT PRIMARY KEY,
  address TEXT NOT NULL
) STRICT, WITHOUT ROWID;
";

impl Ledger {
    /// These gateways, by name and address, are followed from now on. Nobody else tells of quotas any more.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn follow_gateways(&mut self, gateways: &[(String, String)]) -> Result<(), LedgerError> {
        let names: Vec<&str> = gateways.iter().map(|(name, _)| name.as_str()).collect();
        self.keep_quotas_of(&names)?;
        self.write(|connection, cache| {
            for (name, address) in gateways {
                let known = connection
                    .prepare_cached("SELECT 1 FROM gateways WHERE name = ?1")?
                    .exists([name])?;
                if !known && let Some(before) = left_at(connection, address, &names)? {
                    rename(connection, cache, &before, name)?;
                }
                connection
                    .prepare_cached(
                        "INSERT OR REPLACE INTO gateways (name, address) VALUES (?1, ?2)",
                    )?
                    .execute((name, address))?;
            }
            Ok(())
        })
    }
}

/// The gateway that was followed at this address and is not any more.
fn left_at(
    connection: &Connection,
    address: &str,
    followed: &[&str],
) -> rusqlite::Result<Option<String>> {
    let followed = serde_json::to_string(followed).unwrap_or_default();
    connection
        .prepare_cached(
            "SELECT name FROM gateways WHERE address = ?1 AND name NOT IN (SELECT value FROM json_each(?2)) LIMIT 1",
        )?
        .query_row((address, followed), |row| row.get(0))
        .optional()
}

/// Gives a gateway a name that no gateway ever had.
fn rename(
    connection: &Connection,
    cache: &mut NameCache,
    before: &str,
    name: &str,
) -> rusqlite::Result<()> {
    let mut names = cache.on(connection);
    let numbers = (names.id(before)?.0, names.id(name)?.0);
    for table in ["owners", "heard", "rests"] {
        connection.execute(
            &format!("UPDATE {table} SET gateway = ?2 WHERE gateway = ?1"),
            numbers,
        )?;
    }
    for table in ["remote_days", "remote_models", "remote_sessions", "quotas"] {
        connection.execute(
            &format!("UPDATE {table} SET gateway = ?2 WHERE gateway = ?1"),
            (before, name),
        )?;
    }
    let paths = (format!("{HEARD}{before}"), format!("{HEARD}{name}"));
    connection.execute("UPDATE files SET path = ?2 WHERE path = ?1", paths)?;
    connection.execute("DELETE FROM gateways WHERE name = ?1", [before])?;
    // It knows whose the responses were.
    *cache = NameCache::default();
    Ok(())
}
