//! Table `names`: each text (session, project, model, path …) once, with a number.

use super::dimensions::{Known, find_or_insert};
use rusqlite::Connection;
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(super) const CREATE: &str = "
CREATE TABLE names (
  id INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE
) STRICT;
";

/// A text's number. 0 is the empty text, which is not stored.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(super) struct NameId(pub(super) u32);

/// The names this process has met; a cache. Names met in a transaction that came to nothing are forgotten.
#[derive(Debug, Default)]
pub(super) struct NameCache {
    unsettled: bool,
    ids: FxHashMap<Arc<str>, NameId>,
    texts: FxHashMap<NameId, Arc<str>>,
    pub(super) dimensions: Known,
}

impl NameCache {
    /// A write transaction begins; the one before it must have been committed for its names to stay.
    pub(super) fn unsettle(&mut self) {
        if self.unsettled {
            *self = Self::default();
        }
        self.unsettled = true;
    }

    /// The transaction was committed.
    pub(super) const fn settle(&mut self) {
        self.unsettled = false;
    }

    pub(super) fn on<'a>(&'a mut self, connection: &'a Connection) -> NamesOn<'a> {
        NamesOn {
            cache: self,
            connection,
        }
    }

    fn remember(&mut self, id: NameId, text: Arc<str>) -> NameId {
        self.ids.insert(text.clone(), id);
        self.texts.insert(id, text);
        id
    }
}

/// The cache with the connection to ask when it does not know.
pub(super) struct NamesOn<'a> {
    pub(super) cache: &'a mut NameCache,
    pub(super) connection: &'a Connection,
}

impl NamesOn<'_> {
    pub(super) fn id(&mut self, text: &str) -> rusqlite::Result<NameId> {
        if text.is_empty() {
            return Ok(NameId::default());
        }
        if let Some(id) = self.cache.ids.get(text) {
            return Ok(*id);
        }
        let id = find_or_insert(
            self.connection,
            "SELECT id FROM names WHERE text = ?1",
            "INSERT INTO names (text) VALUES (?1)",
            [text],
        )?;
        Ok(self.cache.remember(NameId(id), text.into()))
    }

    pub(super) fn text(&mut self, id: NameId) -> rusqlite::Result<Arc<str>> {
        if id == NameId::default() {
            return Ok("".into());
        }
        if let Some(text) = self.cache.texts.get(&id) {
            return Ok(text.clone());
        }
        let text: String = self
            .connection
            .prepare_cached("SELECT text FROM names WHERE id = ?1")?
            .query_row([id.0], |row| row.get(0))?;
        let text: Arc<str> = text.into();
        self.cache.remember(id, text.clone());
        Ok(text)
    }
}
