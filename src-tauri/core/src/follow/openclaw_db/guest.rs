//! How a foreign database is looked at: its stamp, and a connection that can only read.

use super::Incomplete;
use crate::time::UnixMillis;
use rusqlite::{Connection, OpenFlags, Transaction, config::DbConfig};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, Metadata},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant, UNIX_EPOCH},
};

/// How long to wait for a lock or a write of OpenClaw's.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_millis(250);
/// How often to see whether a write has ended: with a journal, no lock tells.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// How long the files must have rested for an equal [`Stamp`] to mean "unchanged": clocks of file systems are coarse.
const REST_MILLIS: i64 = 2000;

/// What `stat` says of the database's files. Equal stamps, the older one [`rested`](Stamp::rested), mean
/// that there is nothing new.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stamp {
    main: Part,
    wal: Option<Part>,
    journal: Option<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Part {
    file: (u64, u64),
    length: u64,
    /// Nanoseconds since the epoch.
    modified: i64,
}

impl Stamp {
    /// Whether the files had rested for two seconds at `now`, the time of the stamp.
    #[must_use]
    pub fn rested(&self, now: UnixMillis) -> bool {
        [Some(&self.main), self.wal.as_ref(), self.journal.as_ref()]
            .into_iter()
            .flatten()
            .all(|part| now.0.abs_diff(part.modified / 1_000_000) > REST_MILLIS.unsigned_abs())
    }
}

/// Looks at the database's files without opening them.
///
/// # Errors
/// When there is no such database, or its folder cannot be searched.
pub fn stamp(path: &Path) -> io::Result<Stamp> {
    let side = |suffix: &str| match fs::metadata(beside(path, suffix)) {
        Ok(found) => Ok(Some(part(&found))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    };
    Ok(Stamp {
        main: part(&fs::metadata(path)?),
        wal: side("-wal")?,
        journal: side("-journal")?,
    })
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn part(found: &Metadata) -> Part {
    #[cfg(unix)]
    let file = {
        use std::os::unix::fs::MetadataExt;
        (found.dev(), found.ino())
    };
    // Windows tells a file's number only to those who open it.
    #[cfg(windows)]
    let file = (0, std::os::windows::fs::MetadataExt::creation_time(found));
    let modified = found
        .modified()
        .ok()
        .and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let modified = modified
        .and_then(|age| i64::try_from(age.as_nanos()).ok())
        .unwrap_or(0);
    Part {
        file,
        length: found.len(),
        modified,
    }
}

/// A connection that can only look.
pub(super) struct Guest {
    db: Connection,
    path: PathBuf,
    /// Set when no lock protects the reading: then the files must not change.
    unlocked: Option<Stamp>,
}

impl Guest {
    /// Opens it, after any write has ended that is under way, unless that takes longer than `patience`.
    pub(super) fn open(path: &Path, patience: Duration) -> Result<Self, Incomplete> {
        let began = Instant::now();
        let before = loop {
            let before = stamp(path)?;
            let journal = before.journal.as_ref();
            if journal.is_none_or(|journal| journal.length == 0) {
                break before;
            }
            if began.elapsed() >= patience {
                return Err(Incomplete::Recovering);
            }
            thread::sleep(LOOK_AGAIN);
        };
        // Without a `-wal`, a plain read-only connection would create one and leave it behind.
        let unlocked = before.wal.is_none().then_some(before);
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
            | OpenFlags::SQLITE_OPEN_URI
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let db = Connection::open_with_flags(uri(path, unlocked.is_some()), flags)?;
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        db.execute_batch("PRAGMA query_only=1; PRAGMA mmap_size=0; PRAGMA trusted_schema=0; PRAGMA cell_size_check=1")?;
        Ok(Self {
            db,
            path: path.into(),
            unlocked,
        })
    }

    /// Runs `work` in one read transaction; what it returns is proven to come from one state of the database.
    pub(super) fn transaction<T>(
        &self,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, Incomplete> {
        let tx = self.db.unchecked_transaction()?;
        let result = work(&tx);
        drop(tx);
        match &self.unlocked {
            Some(before) if stamp(&self.path)? != *before => Err(Incomplete::Changed),
            _ => Ok(result?),
        }
    }
}

fn uri(path: &Path, immutable: bool) -> String {
    use std::fmt::Write;
    let mut uri = String::from("file:");
    let mut push = |bytes: &[u8]| {
        for &byte in bytes {
            if byte.is_ascii_alphanumeric() || b"/-_.~:".contains(&byte) {
                uri.push(char::from(byte));
            } else {
                let _ = write!(uri, "%{byte:02X}");
            }
        }
    };
    if cfg!(windows) {
        // `C:\…` and `\\server\…`, without the prefix of canonical paths.
        let text = path
            .to_string_lossy()
            .replace(r"\\?\UNC\", r"\\")
            .replace(r"\\?\", "")
            .replace('\\', "/");
        push(if text.starts_with("//") {
            b"//"
        } else {
            b"///"
        });
        push(text.as_bytes());
    } else {
        push(path.as_os_str().as_encoded_bytes());
    }
    uri + if immutable {
        "?mode=ro&immutable=1"
    } else {
        "?mode=ro"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_write_under_way_is_waited_for() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("openclaw-agent.sqlite");
        let owner = Connection::open(&path).expect("a database");
        let sql = "CREATE TABLE t (a); BEGIN; INSERT INTO t VALUES (1)";
        owner.execute_batch(sql).expect("half a write");
        let opened = Guest::open(&path, Duration::ZERO);
        assert_eq!(opened.err(), Some(Incomplete::Recovering));
        let writer = thread::spawn(move || owner.execute_batch("COMMIT"));
        assert!(Guest::open(&path, Duration::from_secs(60)).is_ok());
        writer.join().expect("no panic").expect("written");
    }
}
