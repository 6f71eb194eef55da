//! Table `alerts`: the alerts that fired, for the window's list.

use super::{Ledger, LedgerError};
use crate::{api::Alert, money::NanoUsd, time::UnixMillis};
use rusqlite::Connection;

pub(super) const CREATE: &str = "
CREATE TABLE alerts (
  id INTEGER PRIMARY KEY,
  rule TEXT NOT NULL,
  at INTEGER NOT NULL,
  ended INTEGER,
  title TEXT NOT NULL,
  body TEXT NOT NULL,
  amount INTEGER NOT NULL,
  told INTEGER NOT NULL DEFAULT 0,
  UNIQUE (rule, at)
) STRICT;
";

impl Ledger {
    /// Keeps alerts that began, ended or go on again, and the episodes' new state, together.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn record_alerts(&mut self, changed: &[Alert], episodes: &str) -> Result<(), LedgerError> {
        self.write(|connection, _| {
            let mut insert = connection.prepare_cached(
                "INSERT INTO alerts (rule, at, ended, title, body, amount) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
                 ON CONFLICT DO UPDATE SET ended = excluded.ended, title = excluded.title, body = excluded.body,
                   amount = excluded.amount",
            )?;
            for alert in changed {
                insert.execute((
                    &alert.rule,
                    alert.at.0,
                    alert.ended.map(|at| at.0),
                    &alert.title,
                    &alert.body,
                    alert.amount.0,
                ))?;
            }
            super::state::set(connection, super::state::EPISODES, episodes)
        })
    }

    /// Whether an open alert waits to be made a notification.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn has_untold_alerts(&self) -> Result<bool, LedgerError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT EXISTS (SELECT 1 FROM alerts WHERE NOT told AND ended IS NULL)",
                )?
                .query_row([], |row| row.get(0))
        })
    }

    /// The open alerts that were not made notifications yet, oldest first; they count as told from now on.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn take_untold_alerts(&mut self) -> Result<Vec<Alert>, LedgerError> {
        if !self.has_untold_alerts()? {
            return Ok(Vec::new());
        }
        self.write(|connection, _| {
            let untold = select(connection, "NOT told AND ended IS NULL ORDER BY at, id", [])?;
            connection.execute("UPDATE alerts SET told = 1 WHERE NOT told", [])?;
            Ok(untold)
        })
    }

    /// Alerts since then, newest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn alerts_since(&self, since: UnixMillis) -> Result<Vec<Alert>, LedgerError> {
        self.read(|connection| select(connection, "at >= ?1 ORDER BY at DESC, id DESC", [since.0]))
    }
}

fn select(
    connection: &Connection,
    condition: &str,
    parameters: impl rusqlite::Params,
) -> rusqlite::Result<Vec<Alert>> {
    let mut statement = connection.prepare_cached(&format!(
        "SELECT rule, at, ended, title, body, amount FROM alerts WHERE {condition}"
    ))?;
    let rows = statement.query_map(parameters, |row| {
        Ok(Alert {
            rule: row.get(0)?,
            at: UnixMillis(row.get(1)?),
            ended: row.get::<_, Option<i64>>(2)?.map(UnixMillis),
            title: row.get(3)?,
            body: row.get(4)?,
            amount: NanoUsd(row.get(5)?),
        })
    })?;
    rows.collect()
}
