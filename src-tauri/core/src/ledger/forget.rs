//! The only way anything leaves the ledger: the user's explicit wish.
//!
//! Of a forgotten response only its id is left, or a hash of what tells it apart from others of that id, so that no log
//! brings it back, and of a session without any other only a hash of its id, as a row of `sessions` with a negative number.
//! Of what a gateway told, its amounts stay in `heard`, by model, so that its totals do not bring it back. Texts that nothing else refers to leave with
//! them, the file's free space too.

use super::{
    Ledger, LedgerError,
    cluster::{Cluster, Group},
    dimensions::source_number,
    files::REPLACED,
    names::{NameCache, NamesOn},
    responses::{Pricer, Tally, decode},
    rests::{self, Rest},
    state,
};
use crate::{time::UnixMillis, usage::Source};
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _};
use rustc_hash::FxHashSet;
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

impl Ledger {
    /// Forgets all responses of these ids and these rests, in one transaction. Only for the process that holds the ingest lock: any
    /// other that writes might still know numbers of texts that are gone. False when a reader kept the file's
    /// old pages from being overwritten.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing is forgotten.
    pub fn forget(
        &mut self,
        ids: &[u64],
        rests: &[Rest],
        zone: &TimeZone,
        price: &mut Pricer<'_>,
    ) -> Result<bool, LedgerError> {
        self.read(|connection| connection.execute_batch("PRAGMA secure_delete = ON"))?;
        self.write(|connection, names| {
            let mut select =
                connection.prepare("SELECT seen FROM responses WHERE id = ?1 AND seen <> x''")?;
            let mut delete = connection.prepare("DELETE FROM responses WHERE id = ?1")?;
            let mut delete_stored = connection.prepare("DELETE FROM stored WHERE id = ?1")?;
            let mut insert =
                connection.prepare("INSERT OR REPLACE INTO responses VALUES (?1, x'')")?;
            let mut spans = spans(connection)?;
            let mut tally = Tally::new(names.on(connection), price);
            for id in ids {
                let row = [id.cast_signed()];
                let known: Option<Vec<u8>> = select.query_row(row, |row| row.get(0)).optional()?;
                if let Some(known) = decode(&known.unwrap_or_default())? {
                    tally.forget(*id, &known)?;
                    tally.settle(zone)?;
                    delete.execute(row)?;
                    delete_stored.execute(row)?;
                    for trace in known.traces(*id) {
                        insert.execute([trace.cast_signed()])?;
                    }
                    for Group { first, .. } in known.groups(&mut tally.names)? {
                        let span = spans.entry(known.source).or_insert((first.at, first.at));
                        *span = (span.0.min(first.at), span.1.max(first.at));
                    }
                }
            }
            for rest in rests {
                let span = spans.entry(Source::OpenClaw).or_insert((rest.at, rest.at));
                *span = (span.0.min(rest.at), span.1.max(rest.at));
            }
            if !spans.is_empty() {
                let spans = serde_json::to_string(&spans).unwrap_or_default();
                state::set(connection, state::FORGOTTEN, &spans)?;
            }
            tally.finish(zone)?;
            rests::forget(&mut names.on(connection), rests)?;
            sweep(&mut names.on(connection))
        })?;
        self.names = NameCache::default();
        self.read(|connection| {
            connection.execute_batch("VACUUM")?;
            let busy: bool =
                connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            Ok(!busy)
        })
    }

    /// When the first and the last response was made that the user had forgotten, by source.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn forgotten(&self) -> Result<Spans, LedgerError> {
        self.read(spans)
    }
}

/// See [`Ledger::forgotten`].
type Spans = BTreeMap<Source, (UnixMillis, UnixMillis)>;

fn spans(connection: &Connection) -> rusqlite::Result<Spans> {
    let text = state::get(connection, state::FORGOTTEN)?;
    let spans = text.and_then(|text| serde_json::from_str(&text).ok());
    Ok(spans.unwrap_or_default())
}

/// Whether the user had the responses forgotten of which this number is kept: an id, or one of [`Cluster::traces`].
pub(super) fn is_forgotten(connection: &Connection, kept: u64) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM responses WHERE id = ?1 AND seen = x''")?
        .exists([kept.cast_signed()])
}

/// Whether all responses of this session were forgotten, so that its names must not come back.
pub(super) fn is_forgotten_session(
    connection: &Connection,
    source: Source,
    session: &str,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM sessions WHERE (session, source) = (?1, ?2) AND NOT EXISTS
               (SELECT 1 FROM owners JOIN names ON names.id = owners.session
                WHERE names.text = ?3 AND owners.source = ?2)",
        )?
        .exists((trace(session), source_number(source), session))
}

/// What is kept of a forgotten session's id: negative, unlike the number of a text.
fn trace(session: &str) -> i64 {
    !(xxh3_64(session.as_bytes()) >> 1).cast_signed()
}

/// What the responses that are left refer to, by number.
#[derive(Default)]
struct Used {
    owners: FxHashSet<i64>,
    calls: FxHashSet<i64>,
    paths: FxHashSet<i64>,
}

impl Used {
    fn by(&mut self, cluster: &Cluster) {
        for seen in cluster.sightings() {
            self.owners.insert(seen.owner.0.into());
            self.paths.insert(seen.path.0.into());
        }
        self.calls
            .extend(cluster.calls().map(|call| i64::from(call.0)));
        self.paths
            .extend(cluster.sheets().map(|path| i64::from(path.0)));
    }
}

/// Deletes what nothing refers to any more.
fn sweep(names: &mut NamesOn<'_>) -> rusqlite::Result<()> {
    let connection = names.connection;
    let mut used = Used::default();
    let mut last: Option<UnixMillis> = None;
    let mut statement = connection.prepare("SELECT seen FROM responses WHERE seen <> x''")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(cluster) = decode(row.get_ref(0)?.as_blob()?)? {
            used.by(&cluster);
            for group in cluster.groups(names)? {
                last = last.max(Some(group.first.at));
            }
        }
    }
    match last {
        Some(last) => state::set(connection, state::LAST_RESPONSE, &last.0.to_string())?,
        None => state::remove(connection, state::LAST_RESPONSE)?,
    }

    let sessions = |connection| {
        pairs(
            connection,
            "SELECT DISTINCT session, source FROM owners WHERE session > 0",
        )
    };
    let before = sessions(connection)?;
    delete_unused(connection, "owners", &used.owners)?;
    delete_unused(connection, "calls", &used.calls)?;
    // Only these: sessions that never had a response here may yet get one.
    for (session, source) in before.difference(&sessions(connection)?) {
        connection.execute(
            "DELETE FROM sessions WHERE (session, source) = (?1, ?2)",
            (session, source),
        )?;
        let text =
            connection.query_row("SELECT text FROM names WHERE id = ?1", [session], |row| {
                row.get::<_, String>(0)
            })?;
        connection.execute(
            "INSERT INTO sessions VALUES (?1, ?2, 0, 0, 0, 0, 0, 0) ON CONFLICT DO NOTHING",
            (trace(&text), source),
        )?;
        connection.execute(
            "UPDATE OR REPLACE remote_sessions SET session = '' WHERE session = ?1",
            [text],
        )?;
    }
    delete_files(connection, &used.paths)?;
    let mut texts = used.paths;
    let mut statement = connection.prepare(
        "SELECT agent FROM owners UNION SELECT project FROM owners UNION SELECT session FROM owners
         UNION SELECT branch FROM owners UNION SELECT subagent FROM owners UNION SELECT gateway FROM owners
         UNION SELECT provider FROM calls UNION SELECT model FROM calls UNION SELECT api FROM calls
         UNION SELECT stop FROM calls UNION SELECT session FROM sessions UNION SELECT key FROM sessions
         UNION SELECT label FROM sessions UNION SELECT channel FROM sessions UNION SELECT chat_type FROM sessions
         UNION SELECT created FROM sessions UNION SELECT parent FROM sessions UNION SELECT model FROM days
         UNION SELECT gateway FROM heard UNION SELECT provider FROM heard UNION SELECT model FROM heard
         UNION SELECT agent FROM heard UNION SELECT gateway FROM rests UNION SELECT provider FROM rests
         UNION SELECT model FROM rests UNION SELECT agent FROM rests",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        texts.insert(row.get(0)?);
    }
    delete_unused(connection, "names", &texts)
}

/// Deletes the rows of other numbers. The highest number is kept with nothing behind it, so that it is not given
/// again: readers remember what a number stands for.
fn delete_unused(
    connection: &Connection,
    table: &str,
    used: &FxHashSet<i64>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare(&format!("SELECT id FROM {table} ORDER BY id"))?;
    let ids: Vec<i64> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    let mut delete = connection.prepare(&format!("DELETE FROM {table} WHERE id = ?1"))?;
    for id in ids.iter().filter(|id| !used.contains(id)) {
        delete.execute([id])?;
    }
    let highest = ids.last().filter(|id| !used.contains(id));
    let insert = match table {
        "owners" => "INSERT INTO owners VALUES (?1, -1, 0, 0, 0, 0, 0, 0)",
        "calls" => "INSERT INTO calls VALUES (?1, -1, 0, 0, 0)",
        _ => "INSERT INTO names VALUES (?1, '')",
    };
    if let Some(highest) = highest {
        connection.execute(insert, [highest])?;
    }
    Ok(())
}

/// Deletes the rows of logs that are gone and of which no response is left.
fn delete_files(connection: &Connection, paths: &FxHashSet<i64>) -> rusqlite::Result<()> {
    let mut find = connection.prepare("SELECT id FROM names WHERE text = ?1")?;
    let mut statement = connection.prepare("SELECT id, path FROM files WHERE gone")?;
    let gone: Vec<(i64, String)> = statement
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<_, _>>()?;
    for (id, path) in gone {
        let path = path.split(REPLACED).next().unwrap_or_default();
        let name: Option<i64> = find.query_row([path], |row| row.get(0)).optional()?;
        if name.is_none_or(|name| !paths.contains(&name)) {
            connection.execute("DELETE FROM files WHERE id = ?1", [id])?;
        }
    }
    Ok(())
}

fn pairs(connection: &Connection, sql: &str) -> rusqlite::Result<FxHashSet<(i64, i64)>> {
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}
