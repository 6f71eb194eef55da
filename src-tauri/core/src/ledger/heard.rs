//! What gateways push, on its way into the ledger: like a log that each gateway writes, with a place and counters of
//! its own. Table `stored`: when the gateway stored each response. Its totals can have it from then on, and the time of the
//! response is when it began.

use super::{
    Ledger, LedgerError,
    files::{FileState, HEARD},
    responses::Pricer,
};
use crate::{
    dialects::openclaw::pushed::Pushed,
    time::UnixMillis,
    usage::{Line, SessionFacts, Source},
};
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _};

pub(super) const CREATE: &str = "
CREATE TABLE stored (
  id INTEGER PRIMARY KEY,
  at INTEGER NOT NULL
) STRICT;
";

/// When a gateway stored the response of this id; `None` where none told.
pub(super) fn stored_at(connection: &Connection, id: u64) -> rusqlite::Result<Option<UnixMillis>> {
    connection
        .prepare_cached("SELECT at FROM stored WHERE id = ?1")?
        .query_row([id.cast_signed()], |row| row.get(0).map(UnixMillis))
        .optional()
}

/// Keeps when it was stored.
pub(super) fn keep_stored(
    connection: &Connection,
    id: u64,
    at: UnixMillis,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached("INSERT OR REPLACE INTO stored (id, at) VALUES (?1, ?2)")?
        .execute((id.cast_signed(), at.0))
        .map(drop)
}

impl Ledger {
    /// Takes in what a gateway pushed. True when any response changed.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing of it remains.
    pub fn hear(
        &mut self,
        gateway: &str,
        pushed: &[Pushed],
        zone: &TimeZone,
        price: &mut Pricer<'_>,
    ) -> Result<bool, LedgerError> {
        let path = format!("{HEARD}{gateway}");
        let mut batch = self.batch()?;
        let place = batch.place(&path)?;
        let mut state = match batch.file_at(&path)? {
            Some(state) => state,
            None => FileState::new(path, Source::OpenClaw, (0, 0)),
        };
        batch.set_file(&mut state)?;
        for one in pushed {
            match &one.line {
                Line::Observation(observation) => {
                    let facts = SessionFacts {
                        key: one.key.clone(),
                        ..SessionFacts::default()
                    };
                    if !observation.session.is_empty() {
                        batch.describe_session(Source::OpenClaw, &observation.session, &facts)?;
                    }
                    batch.add(observation, place, 0)?;
                    if let Some(at) = one.stored {
                        batch.stored(observation.cluster, at);
                    }
                    state.counts.counted += 1;
                }
                Line::Ignored(reason) => state.counts.ignore(*reason),
                // The number of the record stands for its place, which nobody can look up.
                Line::Broken(fault) => {
                    let number = state.counts.broken;
                    batch.add_broken(&mut state, number, *fault)?;
                }
            }
        }
        batch.set_file(&mut state)?;
        batch.commit(zone, price)
    }
}
