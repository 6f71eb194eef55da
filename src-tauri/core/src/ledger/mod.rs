//! Our SQLite history: what was read, what it came to, and what the engine is doing.
//!
//! One process writes (it holds the ingest lock), any number read. Offsets and the responses they produced
//! commit in one transaction.

pub mod alerts;
mod cluster;
mod cursors;
mod dimensions;
pub mod files;
pub mod followed;
mod forget;
mod heard;
pub mod listing;
mod lock;
pub mod looks;
mod names;
pub mod query;
pub mod quotas;
mod recount;
pub mod remote_days;
mod responses;
pub mod rests;
mod rollups;
pub mod seen;
pub mod state;

pub use lock::IngestLock;
pub use recount::WrongSum;
pub use responses::{Batch, Place, Pricer, Repriced};

use names::NameCache;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::{
    path::{Path, PathBuf},
    time::Duration,
};

/// Schema steps in order; a ledger at version n has run the first n. Append only.
const STEPS: &[&[&str]] = &[
    &[
        names::CREATE,
        dimensions::CREATE,
        files::CREATE,
        cursors::CREATE,
        responses::CREATE,
        rollups::CREATE,
        alerts::CREATE,
        state::CREATE,
        looks::CREATE,
        remote_days::CREATE,
        quotas::CREATE,
    ],
    // What gateways tell counts.
    &[
        remote_days::CREATE_SESSIONS,
        rests::CREATE,
        heard::CREATE,
        followed::CREATE,
    ],
];

/// "Clsp": tells our files from any other SQLite database.
const APPLICATION_ID: i32 = 0x436C_7370;

/// What can go wrong with the ledger.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The folder or file cannot be created or opened.
    #[error("cannot open the ledger {}", .path.display())]
    Open {
        /// The ledger's file.
        path: PathBuf,
        /// What SQLite or the operating system said.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// There is no ledger yet; a reader never creates one.
    #[error("there is no ledger at {} yet", .0.display())]
    Missing(PathBuf),
    /// Written by a newer Clawspend.
    #[error("the ledger {} has schema {found}, this Clawspend understands up to {known}", .path.display())]
    TooNew {
        /// The ledger's file.
        path: PathBuf,
        /// Its schema version.
        found: i64,
        /// The newest this build knows.
        known: usize,
    },
    /// Some other program's database, or not a database.
    #[error("{} is not a Clawspend ledger", .0.display())]
    Foreign(PathBuf),
    /// The file's content is damaged.
    #[error("the ledger {} is damaged", .0.display())]
    Corrupt(PathBuf),
    /// The disk is full.
    #[error("the disk is full: the ledger {} cannot be written", .0.display())]
    Full(PathBuf),
    /// Anything else SQLite refuses.
    #[error("cannot use the ledger {}: {source}", .path.display())]
    Sqlite {
        /// The ledger's file.
        path: PathBuf,
        /// What SQLite said.
        source: rusqlite::Error,
    },
}

impl LedgerError {
    fn new(path: &Path, source: rusqlite::Error) -> Self {
        let path = path.to_owned();
        match source.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Corrupt(path),
            Some(ErrorCode::DiskFull) => Self::Full(path),
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly) => Self::Open {
                path,
                source: source.into(),
            },
            _ => Self::Sqlite { path, source },
        }
    }

    /// What the user can do about it.
    #[must_use]
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Open { .. } => {
                "check that the folder can be written, or set CLAWSPEND_DATA_DIR to one that can"
            }
            Self::Missing(_) => "start the tray app, or run `clawspend report` once",
            Self::TooNew { .. } => "update Clawspend, or set CLAWSPEND_DATA_DIR to another folder",
            Self::Foreign(_) => "set CLAWSPEND_DATA_DIR to another folder",
            Self::Corrupt(_) => {
                "start Clawspend again: it sets the file aside and rebuilds it from the logs"
            }
            Self::Full(_) => "free some space; Clawspend goes on by itself",
            Self::Sqlite { .. } => "try again; if it stays, run `clawspend doctor`",
        }
    }
}

/// An open ledger.
#[derive(Debug)]
pub struct Ledger {
    connection: Connection,
    path: PathBuf,
    names: NameCache,
}

impl Ledger {
    /// Opens the ledger for writing: creates it, brings an older schema up to date in one transaction, and
    /// sets a damaged file aside (its new name is returned) to begin anew.
    ///
    /// # Errors
    /// [`LedgerError`], except `Missing` and `Corrupt`.
    pub fn open(path: &Path) -> Result<(Self, Option<PathBuf>), LedgerError> {
        let opened = match Self::open_existing_or_new(path) {
            Ok(ledger) if suspicion(path).exists() => ledger.is_sound().map(|()| ledger),
            opened => opened,
        };
        // Nobody has read it yet: whatever stood in the way is dealt with now.
        let _ = std::fs::remove_file(suspicion(path));
        match opened {
            Err(LedgerError::Corrupt(_)) => {
                let aside = set_aside(path).map_err(|source| LedgerError::Open {
                    path: path.to_owned(),
                    source: source.into(),
                })?;
                Ok((Self::open_existing_or_new(path)?, Some(aside)))
            }
            opened => Ok((opened?, None)),
        }
    }

    /// Opens an existing ledger for a small write beside the ingester: nothing is created, upgraded or set aside.
    ///
    /// # Errors
    /// As for [`Ledger::open_reader`].
    pub fn open_writer(path: &Path) -> Result<Self, LedgerError> {
        let ledger = Self::open_reader(path)?;
        ledger.read(|connection| {
            connection.busy_timeout(Duration::from_millis(5000))?;
            connection.execute_batch("PRAGMA synchronous = FULL; PRAGMA query_only = OFF")
        })?;
        Ok(ledger)
    }

    /// Opens an existing ledger for reading only.
    ///
    /// # Errors
    /// [`LedgerError`]; `Missing` when there is none, `TooNew` and also an older schema are refused.
    pub fn open_reader(path: &Path) -> Result<Self, LedgerError> {
        if !path.exists() {
            return Err(LedgerError::Missing(path.to_owned()));
        }
        let fail = |source| LedgerError::new(path, source);
        // Read-write, so that a reader may attach to the write-ahead log; `query_only` keeps it a reader.
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags).map_err(fail)?;
        prepare(&connection, Duration::from_millis(1500)).map_err(fail)?;
        let ledger = Self {
            connection,
            path: path.to_owned(),
            names: NameCache::default(),
        };
        if ledger.version()? < STEPS.len() {
            return Err(LedgerError::Missing(path.to_owned()));
        }
        ledger
            .connection
            .pragma_update(None, "query_only", true)
            .map_err(fail)?;
        Ok(ledger)
    }

    fn open_existing_or_new(path: &Path) -> Result<Self, LedgerError> {
        let fail = |source| LedgerError::new(path, source);
        create_private(path).map_err(|source| LedgerError::Open {
            path: path.to_owned(),
            source: source.into(),
        })?;
        let connection = Connection::open(path).map_err(fail)?;
        prepare(&connection, Duration::from_millis(5000)).map_err(fail)?;
        let mut ledger = Self {
            connection,
            path: path.to_owned(),
            names: NameCache::default(),
        };
        ledger.version()?;
        let journal: String = ledger
            .connection
            .query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0))
            .map_err(fail)?;
        if journal != "wal" {
            tracing::warn!(
                journal,
                "the ledger's file system allows no write-ahead log"
            );
        }
        ledger
            .connection
            .execute_batch(
                "PRAGMA synchronous = FULL; PRAGMA checkpoint_fullfsync = ON; PRAGMA journal_size_limit = 67108864;
                 PRAGMA wal_autocheckpoint = 4000;",
            )
            .map_err(fail)?;
        ledger.upgrade().map_err(fail)?;
        Ok(ledger)
    }

    /// The number of schema steps the file has run.
    fn version(&self) -> Result<usize, LedgerError> {
        let fail = |source| LedgerError::new(&self.path, source);
        let pragma = |name| {
            self.connection
                .pragma_query_value(None, name, |row| row.get::<_, i64>(0))
        };
        let found = pragma("user_version").map_err(fail)?;
        let application = pragma("application_id").map_err(fail)?;
        let ours = application == i64::from(APPLICATION_ID);
        let empty = || -> rusqlite::Result<bool> {
            self.connection.query_row(
                "SELECT NOT EXISTS (SELECT 1 FROM sqlite_master)",
                [],
                |row| row.get(0),
            )
        };
        if !ours && (found != 0 || application != 0 || !empty().map_err(fail)?) {
            return Err(LedgerError::Foreign(self.path.clone()));
        }
        match usize::try_from(found) {
            Ok(version) if version <= STEPS.len() => Ok(version),
            _ => Err(LedgerError::TooNew {
                path: self.path.clone(),
                found,
                known: STEPS.len(),
            }),
        }
    }

    fn upgrade(&mut self) -> rusqlite::Result<()> {
        let version = |connection: &Connection| {
            connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0))
        };
        let known = STEPS.len().cast_signed() as i64;
        if version(&self.connection)? == known {
            return Ok(());
        }
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Another process may have upgraded it while this one waited for the lock.
        let done = usize::try_from(version(&transaction)?)
            .unwrap_or(STEPS.len())
            .min(STEPS.len());
        for step in &STEPS[done..] {
            for statements in *step {
                transaction.execute_batch(statements)?;
            }
        }
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", known)?;
        transaction.commit()
    }

    /// Where it lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Moves when another process has committed something.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn data_version(&self) -> Result<i64, LedgerError> {
        self.connection
            .pragma_query_value(None, "data_version", |row| row.get(0))
            .map_err(|source| self.fail(source))
    }

    /// Begins to read the ledger as it is now, until [`Ledger::end_reading`]; false when that was begun already.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn begin_reading(&self) -> Result<bool, LedgerError> {
        if !self.connection.is_autocommit() {
            return Ok(false);
        }
        self.read(|connection| connection.execute_batch("BEGIN"))?;
        Ok(true)
    }

    /// See [`Ledger::begin_reading`].
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn end_reading(&self) -> Result<(), LedgerError> {
        self.read(|connection| connection.execute_batch("ROLLBACK"))
    }

    /// Moves committed pages from the write-ahead log into the file, as far as no reader is in the way.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn checkpoint(&self) -> Result<(), LedgerError> {
        self.connection
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()))
            .map_err(|source| self.fail(source))
    }

    /// Runs SQLite's own check of the whole file; the answers, "ok" alone when all is well.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn integrity(&self) -> Result<Vec<String>, LedgerError> {
        self.read(|connection| {
            let mut statement = connection.prepare("PRAGMA integrity_check(20)")?;
            let rows = statement.query_map([], |row| row.get(0))?;
            rows.collect()
        })
    }

    fn is_sound(&self) -> Result<(), LedgerError> {
        let verdict: String = self.read(|connection| {
            connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        })?;
        if verdict == "ok" {
            Ok(())
        } else {
            Err(LedgerError::Corrupt(self.path.clone()))
        }
    }

    fn fail(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::new(&self.path, source)
    }

    fn read<T>(
        &self,
        work: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        work(&self.connection).map_err(|source| self.fail(source))
    }

    /// Runs `work` in one write transaction; nothing stays when it fails, in memory neither.
    fn write<T>(
        &mut self,
        work: impl FnOnce(&Connection, &mut NameCache) -> rusqlite::Result<T>,
    ) -> Result<T, LedgerError> {
        let run = || {
            let transaction = self
                .connection
                .transaction_with_behavior(TransactionBehavior::Immediate)?;
            self.names.unsettle();
            let done = work(&transaction, &mut self.names)?;
            transaction.commit()?;
            self.names.settle();
            Ok(done)
        };
        run().map_err(|source| LedgerError::new(&self.path, source))
    }
}

fn prepare(connection: &Connection, patience: Duration) -> rusqlite::Result<()> {
    connection.busy_timeout(patience)?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.execute_batch(
        "PRAGMA foreign_keys = ON; PRAGMA trusted_schema = OFF; PRAGMA mmap_size = 0; PRAGMA cache_size = -8192;",
    )
}

/// Remembers damage that was met while the ledger was in use, so that the next process that opens it for
/// writing checks the whole file. Does nothing for other errors.
pub fn note_damage(error: &LedgerError) {
    if let LedgerError::Corrupt(path) = error
        && let Err(error) = std::fs::File::create(suspicion(path))
    {
        tracing::warn!(%error, "the damage could not be noted");
    }
}

fn suspicion(path: &Path) -> PathBuf {
    path.with_extension("suspect")
}

/// Creates the folder (0700) and the file (0600), so that the ledger is never readable by others.
fn create_private(path: &Path) -> std::io::Result<()> {
    if path.exists() {
        return Ok(());
    }
    if let Some(folder) = path.parent() {
        create_private_folder(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path).map(drop)
}

fn create_private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Renames a damaged ledger and its side files together; the date goes into the name.
fn set_aside(path: &Path) -> std::io::Result<PathBuf> {
    let stamp = jiff::Timestamp::now().strftime("%Y-%m-%dT%H-%M-%SZ");
    let beside = |name: &Path, suffix: &str| {
        let mut name = name.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    let aside = beside(path, &format!(".damaged-{stamp}"));
    for suffix in ["-wal", "-shm", ""] {
        match std::fs::rename(beside(path, suffix), beside(&aside, suffix)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    Ok(aside)
}

#[cfg(test)]
mod tests {
    use super::{files::FileState, *};
    use crate::usage::Source;

    #[test]
    fn f20_no_room_is_told_as_such_and_what_fits_later_is_written() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(&folder.path().join("ledger.sqlite")).expect("a ledger");
        let limit = |ledger: &Ledger, pages: i64| {
            let pages = ledger
                .connection
                .pragma_update(None, "max_page_count", pages);
            pages.expect("a limit");
        };
        let write = |ledger: &mut Ledger| -> Result<(), LedgerError> {
            let mut batch = ledger.batch()?;
            for number in 0..400 {
                let mut file = FileState::new(number.to_string(), Source::OpenClaw, (0, 0));
                batch.set_file(&mut file)?;
            }
            batch
                .commit(&jiff::tz::TimeZone::UTC, &mut |_| None)
                .map(drop)
        };
        // No more pages than there are.
        limit(&ledger, 1);
        let error = write(&mut ledger).expect_err("no room");
        assert!(matches!(error, LedgerError::Full(_)), "{error}");
        assert_eq!(ledger.known_files().expect("files"), []);
        assert_eq!(ledger.integrity().expect("an answer"), ["ok"]);
        limit(&ledger, 1 << 20);
        write(&mut ledger).expect("room");
        assert_eq!(ledger.known_files().expect("files").len(), 400);
    }
}
