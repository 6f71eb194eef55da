//! Tables `files` and `broken`: how far each log has been read, what its records came to, and where the
//! unreadable ones lie.

use super::{Ledger, LedgerError, responses::Batch};
use crate::{
    api::BrokenRecord,
    usage::{Fault, Reason, Source},
};
use rusqlite::{Connection, OptionalExtension as _, Row};
use serde::{Deserialize, Serialize};
use std::{collections::HashMap, path::Path};

pub(super) const CREATE: &str = "
CREATE TABLE files (
  id INTEGER PRIMARY KEY,
  path TEXT NOT NULL UNIQUE,
  source INTEGER NOT NULL,
  device INTEGER NOT NULL,
  inode INTEGER NOT NULL,
  size INTEGER NOT NULL,
  mtime INTEGER NOT NULL,
  stamp TEXT NOT NULL,
  unknown TEXT NOT NULL,
  generation INTEGER NOT NULL,
  offset INTEGER NOT NULL,
  head_length INTEGER NOT NULL,
  head INTEGER NOT NULL,
  anchor INTEGER NOT NULL,
  carry TEXT NOT NULL,
  gone INTEGER NOT NULL,
  counted INTEGER NOT NULL,
  no_usage INTEGER NOT NULL,
  not_assistant INTEGER NOT NULL,
  synthetic INTEGER NOT NULL,
  zero_usage INTEGER NOT NULL,
  blank INTEGER NOT NULL,
  broken INTEGER NOT NULL
) STRICT;
CREATE INDEX files_identity ON files (device, inode);
CREATE TABLE broken (
  file INTEGER NOT NULL REFERENCES files (id) ON DELETE CASCADE,
  offset INTEGER NOT NULL,
  fault TEXT NOT NULL,
  PRIMARY KEY (file, offset)
) STRICT, WITHOUT ROWID;
";

/// Places of broken records kept for one file; the counter goes on beyond.
pub(crate) const BROKEN_PLACES: u64 = 100;

/// Stands behind the path of a row whose path another file has taken.
pub(super) const REPLACED: &str = " (replaced #";

/// Stands before the name of a gateway in the row that counts what it pushed.
pub(crate) const HEARD: &str = "gateway:";

/// What the records of a file, or of all files, came to; every record is in exactly one.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Records that counted.
    pub counted: u64,
    /// See [`Reason::NoUsage`].
    pub no_usage: u64,
    /// See [`Reason::NotAssistant`].
    pub not_assistant: u64,
    /// See [`Reason::Synthetic`].
    pub synthetic: u64,
    /// See [`Reason::ZeroUsage`].
    pub zero_usage: u64,
    /// See [`Reason::Blank`].
    pub blank: u64,
    /// Records that could not be read.
    pub broken: u64,
}

impl Counts {
    /// Counts one ignored record.
    pub const fn ignore(&mut self, reason: Reason) {
        match reason {
            Reason::NoUsage => self.no_usage += 1,
            Reason::NotAssistant => self.not_assistant += 1,
            Reason::Synthetic => self.synthetic += 1,
            Reason::ZeroUsage => self.zero_usage += 1,
            Reason::Blank => self.blank += 1,
        }
    }
}

/// What a look at the folder needs to know of a file, to see whether anything is new.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Row id.
    pub id: i64,
    /// Path it was last seen at.
    pub path: String,
    /// Device number and file id; 0 where the platform has none.
    pub identity: (u64, u64),
    /// Size when last read.
    pub size: u64,
    /// Modification time when last read, in nanoseconds; 0 when it was too fresh to be trusted.
    pub mtime: i64,
    /// A database's stamp when last read; empty for files.
    pub stamp: String,
    /// See [`FileState::unknown`].
    pub unknown: String,
    /// It was missing at the last full scan.
    pub gone: bool,
}

/// How far a file has been read. A database has no offset; see [`Batch::cursors`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileState {
    /// Its row, once it has one.
    pub id: Option<i64>,
    /// Path it was last seen at.
    pub path: String,
    /// Whose log it is.
    pub source: Source,
    /// See [`Known::identity`].
    pub identity: (u64, u64),
    /// See [`Known::size`].
    pub size: u64,
    /// See [`Known::mtime`].
    pub mtime: i64,
    /// See [`Known::stamp`].
    pub stamp: String,
    /// Of a database, the tables whose form is unknown and that were not read, with commas between; mostly empty.
    pub unknown: String,
    /// How often its content turned out to be another.
    pub generation: u32,
    /// The byte after the last complete line that was read, or after a whole record that has no newline yet.
    pub offset: u64,
    /// How many bytes `head` covers: the first 1024, or up to the offset.
    pub head_length: u32,
    /// Hash of the first `head_length` bytes.
    pub head: u64,
    /// Hash of the up to 512 bytes before the offset.
    pub anchor: u64,
    /// JSON of what earlier records said that later ones rely on.
    pub carry: String,
    /// What its records came to.
    pub counts: Counts,
}

impl FileState {
    /// A file not met before.
    #[must_use]
    pub const fn new(path: String, source: Source, identity: (u64, u64)) -> Self {
        Self {
            id: None,
            path,
            source,
            identity,
            size: 0,
            mtime: 0,
            stamp: String::new(),
            unknown: String::new(),
            generation: 0,
            offset: 0,
            head_length: 0,
            head: 0,
            anchor: 0,
            carry: String::new(),
            counts: Counts {
                counted: 0,
                no_usage: 0,
                not_assistant: 0,
                synthetic: 0,
                zero_usage: 0,
                blank: 0,
                broken: 0,
            },
        }
    }

    /// Forgets the position: the content is another one now, if there was any. What was read stays in the ledger.
    pub fn restart(&mut self) {
        *self = Self {
            id: self.id,
            generation: self.generation + u32::from(self.id.is_some()),
            ..Self::new(std::mem::take(&mut self.path), self.source, self.identity)
        };
    }
}

/// Which content of a file was read.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Content {
    /// How often it turned out to be another, or another file took its path.
    pub generation: u32,
    /// See [`FileState::stamp`].
    pub stamp: String,
    /// Records of it that counted.
    pub counted: u64,
}

/// A file's totals for the list of roots.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileSize {
    /// Its path.
    pub path: String,
    /// Its bytes when last read.
    pub size: u64,
}

const fn signed(value: u64) -> i64 {
    value.cast_signed()
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get::<_, i64>(column).map(i64::cast_unsigned)
}

impl Ledger {
    /// All files ever met; what gateways push is none.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn known_files(&self) -> Result<Vec<Known>, LedgerError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT id, path, device, inode, size, mtime, stamp, unknown, gone FROM files
                 WHERE substr(path, 1, length(?1)) <> ?1",
            )?;
            let rows = statement.query_map([HEARD], |row| {
                Ok(Known {
                    id: row.get(0)?,
                    path: row.get(1)?,
                    identity: (unsigned(row, 2)?, unsigned(row, 3)?),
                    size: unsigned(row, 4)?,
                    mtime: row.get(5)?,
                    stamp: row.get(6)?,
                    unknown: row.get(7)?,
                    gone: row.get(8)?,
                })
            })?;
            rows.collect()
        })
    }

    /// By path, which content of each file was read.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn contents(&self) -> Result<HashMap<String, Content>, LedgerError> {
        self.read(|connection| {
            let mut contents: HashMap<String, Content> = HashMap::new();
            let mut statement =
                connection.prepare_cached("SELECT path, generation, stamp, counted FROM files")?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let path: String = row.get(0)?;
                let (path, replaced) = match path.split_once(REPLACED) {
                    Some((path, _)) => (path.to_owned(), true),
                    None => (path, false),
                };
                let content = contents.entry(path).or_default();
                if replaced {
                    content.generation += 1;
                } else {
                    content.generation += row.get::<_, u32>(1)?;
                    content.stamp = row.get(2)?;
                    content.counted = unsigned(row, 3)?;
                }
            }
            Ok(contents)
        })
    }

    /// Marks files as gone, or there again; what they told stays.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn mark_gone(&mut self, ids: &[i64], gone: bool) -> Result<(), LedgerError> {
        self.write(|connection, _| {
            let mut update =
                connection.prepare_cached("UPDATE files SET gone = ?2 WHERE id = ?1")?;
            for id in ids {
                update.execute((id, gone))?;
            }
            Ok(())
        })
    }

    /// What all records came to.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn counts(&self) -> Result<Counts, LedgerError> {
        self.connection
            .query_row(
                "SELECT COALESCE(SUM(counted), 0), COALESCE(SUM(no_usage), 0), COALESCE(SUM(not_assistant), 0),
                        COALESCE(SUM(synthetic), 0), COALESCE(SUM(zero_usage), 0), COALESCE(SUM(blank), 0),
                        COALESCE(SUM(broken), 0) FROM files",
                [],
                |row| counts(row, 0),
            )
            .map_err(|source| self.fail(source))
    }

    /// Broken records and their places, at most `limit`.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn broken_records(&self, limit: u32) -> Result<Vec<BrokenRecord>, LedgerError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT fault, path, broken.offset FROM broken JOIN files ON files.id = broken.file
                 ORDER BY path, broken.offset LIMIT ?1",
            )?;
            let rows = statement.query_map([limit], |row| {
                let fault: String = row.get(0)?;
                Ok(BrokenRecord {
                    fault: serde_json::from_value(fault.into()).unwrap_or(Fault::NotJson),
                    path: row.get(1)?,
                    offset: unsigned(row, 2)?,
                })
            })?;
            rows.collect()
        })
    }

    /// Path and size of the files that are there, without what stands for gateways.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn file_sizes(&self) -> Result<Vec<FileSize>, LedgerError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT path, size FROM files WHERE NOT gone AND substr(path, 1, length(?1)) <> ?1",
            )?;
            let rows = statement.query_map([HEARD], |row| {
                Ok(FileSize {
                    path: row.get(0)?,
                    size: unsigned(row, 1)?,
                })
            })?;
            rows.collect()
        })
    }
}

impl Batch<'_> {
    /// The state of the file with this row, as of this transaction.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn file(&self, id: i64) -> Result<Option<FileState>, LedgerError> {
        load(&self.transaction, id).map_err(|source| self.fail(source))
    }

    /// The state of what was last met at this path, as of this transaction.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn file_at(&self, path: &str) -> Result<Option<FileState>, LedgerError> {
        let id = self
            .transaction
            .prepare_cached("SELECT id FROM files WHERE path = ?1")
            .and_then(|mut find| find.query_row([path], |row| row.get(0)).optional());
        match id.map_err(|source| self.fail(source))? {
            Some(id) => self.file(id),
            None => Ok(None),
        }
    }

    /// Keeps a file's state and returns its row's id, which a new file gets here.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn set_file(&mut self, state: &mut FileState) -> Result<i64, LedgerError> {
        store(&self.transaction, state).map_err(|source| self.fail(source))
    }

    /// Forgets the places of a file's broken records, before it is read anew.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn forget_broken(&mut self, id: i64) -> Result<(), LedgerError> {
        self.transaction
            .prepare_cached("DELETE FROM broken WHERE file = ?1")
            .and_then(|mut delete| delete.execute([id]))
            .map(drop)
            .map_err(|source| self.fail(source))
    }

    /// Takes back what was told of a last line that was not complete: it is read again from its beginning, which is
    /// the offset.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn take_back_unfinished(&mut self, state: &mut FileState) -> Result<(), LedgerError> {
        let taken = self
            .transaction
            .prepare_cached("DELETE FROM broken WHERE file = ?1 AND offset >= ?2")
            .and_then(|mut delete| delete.execute((state.id, signed(state.offset))))
            .map_err(|source| self.fail(source))?;
        state.counts.broken = state.counts.broken.saturating_sub(taken as u64);
        Ok(())
    }

    /// Counts a broken record of a file that has its row, and keeps its place.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn add_broken(
        &mut self,
        state: &mut FileState,
        offset: u64,
        fault: Fault,
    ) -> Result<(), LedgerError> {
        state.counts.broken += 1;
        if state.counts.broken > BROKEN_PLACES {
            return Ok(());
        }
        let fault = serde_json::to_value(fault)
            .ok()
            .and_then(|name| name.as_str().map(str::to_owned));
        self.transaction
            .prepare_cached(
                "INSERT OR REPLACE INTO broken (file, offset, fault) VALUES (?1, ?2, ?3)",
            )
            .and_then(|mut insert| insert.execute((state.id, signed(offset), fault)))
            .map(drop)
            .map_err(|source| self.fail(source))
    }
}

fn counts(row: &Row<'_>, from: usize) -> rusqlite::Result<Counts> {
    Ok(Counts {
        counted: unsigned(row, from)?,
        no_usage: unsigned(row, from + 1)?,
        not_assistant: unsigned(row, from + 2)?,
        synthetic: unsigned(row, from + 3)?,
        zero_usage: unsigned(row, from + 4)?,
        blank: unsigned(row, from + 5)?,
        broken: unsigned(row, from + 6)?,
    })
}

fn load(connection: &Connection, id: i64) -> rusqlite::Result<Option<FileState>> {
    connection
        .prepare_cached(
            "SELECT path, source, device, inode, size, mtime, stamp, generation, offset, head_length, head, anchor, carry,
                    unknown, counted, no_usage, not_assistant, synthetic, zero_usage, blank, broken
             FROM files WHERE id = ?1",
        )?
        .query_row([id], |row| {
            Ok(FileState {
                id: Some(id),
                path: row.get(0)?,
                source: super::dimensions::source(row.get(1)?),
                identity: (unsigned(row, 2)?, unsigned(row, 3)?),
                size: unsigned(row, 4)?,
                mtime: row.get(5)?,
                stamp: row.get(6)?,
                generation: row.get(7)?,
                offset: unsigned(row, 8)?,
                head_length: row.get(9)?,
                head: unsigned(row, 10)?,
                anchor: unsigned(row, 11)?,
                carry: row.get(12)?,
                unknown: row.get(13)?,
                counts: counts(row, 14)?,
            })
        })
        .optional()
}

fn store(connection: &Connection, state: &mut FileState) -> rusqlite::Result<i64> {
    let FileState { counts, .. } = state;
    // Another row may still have this path: its file was renamed, and will name its new one when it is read, or was
    // replaced by this one.
    connection
        .prepare_cached(
            "UPDATE files SET path = path || ?3 || id || ')', gone = 1 WHERE path = ?1 AND id IS NOT ?2",
        )?
        .execute((&state.path, state.id, REPLACED))?;
    let id = connection
        .prepare_cached(
            "INSERT INTO files (id, path, source, device, inode, size, mtime, stamp, generation, offset, head_length,
               head, anchor, carry, unknown, gone, counted, no_usage, not_assistant, synthetic, zero_usage, blank, broken)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, 0, ?16, ?17, ?18, ?19, ?20, ?21,
               ?22)
             ON CONFLICT (id) DO UPDATE SET path = excluded.path, device = excluded.device, inode = excluded.inode,
               size = excluded.size, mtime = excluded.mtime, stamp = excluded.stamp, generation = excluded.generation,
               offset = excluded.offset, head_length = excluded.head_length, head = excluded.head,
               anchor = excluded.anchor, carry = excluded.carry, unknown = excluded.unknown, gone = 0, counted = excluded.counted,
               no_usage = excluded.no_usage, not_assistant = excluded.not_assistant, synthetic = excluded.synthetic,
               zero_usage = excluded.zero_usage, blank = excluded.blank, broken = excluded.broken
             RETURNING id",
        )?
        .query_row(
            rusqlite::params![
                state.id,
                state.path,
                super::dimensions::source_number(state.source),
                signed(state.identity.0),
                signed(state.identity.1),
                signed(state.size),
                state.mtime,
                state.stamp,
                state.generation,
                signed(state.offset),
                state.head_length,
                signed(state.head),
                signed(state.anchor),
                state.carry,
                state.unknown,
                signed(counts.counted),
                signed(counts.no_usage),
                signed(counts.not_assistant),
                signed(counts.synthetic),
                signed(counts.zero_usage),
                signed(counts.blank),
                signed(counts.broken),
            ],
            |row| row.get(0),
        )?;
    state.id = Some(id);
    Ok(id)
}

/// The path as the ledger writes it.
#[must_use]
pub fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_content_is_another_one_only_where_one_was_read_before() {
        let mut state = FileState::new("/a.jsonl".into(), Source::ClaudeCode, (1, 2));
        state.restart();
        assert_eq!(state.generation, 0);
        state.id = Some(7);
        state.offset = 100;
        state.restart();
        let again = FileState {
            id: Some(7),
            generation: 1,
            ..FileState::new("/a.jsonl".into(), Source::ClaudeCode, (1, 2))
        };
        assert_eq!(state, again);
    }
}
