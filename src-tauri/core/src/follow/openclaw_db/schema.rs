//! The tables of OpenClaw's agent database, whatever their version: columns are looked at, not version
//! numbers, and those that only add detail may be missing.

use super::{Cursors, Incomplete, SessionMeta, Survey, wanted};
use crate::{
    dialects::openclaw_session::completed,
    time::UnixMillis,
    usage::{Fault, SessionFacts},
};
use memchr::memmem;
use rusqlite::{OptionalExtension, Result, Row, Transaction, types::ValueRef};
use std::{
    collections::{BTreeSet, HashSet},
    ops::Range,
    time::{Duration, Instant},
};

/// A page ends after this many rows, bytes or this much time, whichever comes first.
const PAGE_ROWS: usize = 2000;
const PAGE_BYTES: usize = 4 << 20;
const PAGE_TIME: Duration = Duration::from_millis(250);
/// Bytes of the largest event or packed archive that is read.
const VALUE_LIMIT: i64 = 64 << 20;
/// Derived data has seconds where milliseconds belong; no millisecond stamp of this century is smaller.
const SECONDS_BELOW: i64 = 100_000_000_000;

/// The statements that fit this database.
pub(super) struct Schema {
    listing: &'static str,
    newest: Option<&'static str>,
    notes: Option<String>,
    state: String,
    page: String,
    windows: Option<String>,
    archives: Vec<ArchiveTable>,
    /// Stores that are there in an unknown form.
    pub(super) unknown: Vec<&'static str>,
}

struct ArchiveTable {
    listing: String,
    blob: String,
}

/// What a survey found to read.
pub(super) struct Found {
    pub(super) sessions: Vec<(String, State)>,
    pub(super) archives: Vec<Archive>,
    pub(super) horizon: Option<i64>,
}

/// Where a session stands.
pub(super) struct State {
    pub(super) next_seq: i64,
    pub(super) generation: Option<String>,
    pub(super) updated_at: Option<i64>,
}

/// An archived transcript, by the table it is in.
pub(super) struct Archive {
    table: usize,
    pub(super) session: String,
    pub(super) generation: String,
}

/// Rows copied out of the database.
#[derive(Default)]
pub(super) struct Page {
    pub(super) rows: Vec<Event>,
    pub(super) bytes: Vec<u8>,
    pub(super) generation: Option<String>,
    /// Nothing is left behind it.
    pub(super) last: bool,
}

pub(super) struct Event {
    pub(super) seq: i64,
    pub(super) created_at: Option<UnixMillis>,
    pub(super) body: Body,
}

pub(super) enum Body {
    /// Mentions nothing of interest; not copied.
    Idle,
    Plain(Range<usize>),
    Packed(Range<usize>),
    Broken(Fault),
}

/// Whether the database is just being made: OpenClaw creates the file first, then all tables at once.
pub(super) fn has_no_table(tx: &Transaction<'_>) -> Result<bool> {
    tx.query_row(
        "SELECT NOT EXISTS (SELECT 1 FROM sqlite_master)",
        [],
        |row| row.get(0),
    )
}

impl Schema {
    /// Looks at what tables and columns there are.
    pub(super) fn read(tx: &Transaction<'_>) -> Result<std::result::Result<Self, Incomplete>> {
        let events = Columns::of(tx, "transcript_events")?;
        for (column, name) in [
            ("session_id", "column transcript_events.session_id"),
            ("seq", "column transcript_events.seq"),
            ("event_json", "column transcript_events.event_json"),
        ] {
            if !events.has(column) {
                let lacks = if events.is_table() {
                    name
                } else {
                    "table transcript_events"
                };
                return Ok(Err(Incomplete::Lacks(lacks)));
            }
        }
        // Before the windows there were sessions.
        let mut windows = Columns::of(tx, "session_windows")?;
        if !windows.has("session_id") {
            windows = Columns::of(tx, "sessions")?;
        }
        let nodes = Columns::of(tx, "session_nodes")?;
        let watermarks = Columns::of(tx, "transcript_rewrite_watermarks")?;

        let generation = match watermarks.has("session_id") && watermarks.has("generation") {
            true => {
                "(SELECT CAST(generation AS TEXT) FROM transcript_rewrite_watermarks WHERE session_id = ?1)"
            }
            false => "NULL",
        };
        let noted = windows.has("session_id") && windows.has("transcript_updated_at");
        let table = windows.table;
        let updated_at = match noted {
            true => format!(
                "(SELECT CAST(transcript_updated_at AS INTEGER) FROM {table} WHERE session_id = ?1)"
            ),
            false => "NULL".into(),
        };
        let has_rowid = tx
            .prepare("SELECT rowid FROM transcript_events LIMIT 0")
            .is_ok();
        let mut schema = Self {
            // Leaps from one session to the next along the primary key.
            listing: "WITH RECURSIVE next(id) AS (
                SELECT min(session_id) FROM transcript_events
                UNION ALL
                SELECT (SELECT min(session_id) FROM transcript_events WHERE session_id > next.id) FROM next
                WHERE next.id IS NOT NULL)
                SELECT id FROM next WHERE id IS NOT NULL",
            newest: has_rowid.then_some("SELECT session_id FROM transcript_events WHERE rowid > ?1"),
            notes: noted.then(|| format!("SELECT session_id, CAST(transcript_updated_at AS INTEGER) FROM {table}")),
            state: format!(
                "SELECT (SELECT max(seq) FROM transcript_events WHERE session_id = ?1), {generation}, {updated_at}"
            ),
            page: format!(
                "SELECT seq, {created_at},
                    CASE WHEN octet_length(event_json) <= {VALUE_LIMIT} THEN event_json END,
                    CASE WHEN octet_length({zstd}) <= {VALUE_LIMIT} THEN {zstd} END,
                    ifnull(octet_length(event_json) > {VALUE_LIMIT} OR octet_length({zstd}) > {VALUE_LIMIT}, FALSE),
                    {generation},
                    CASE WHEN event_json IS NULL THEN {navigation} END
                FROM transcript_events WHERE session_id = ?1 AND seq >= ?2 ORDER BY seq LIMIT {limit}",
                created_at = events.or_null("created_at"),
                zstd = events.or_null("event_zstd"),
                navigation = events.or_null("navigation_json"),
                limit = PAGE_ROWS + 1,
            ),
            windows: windows_statement(&windows, &nodes),
            archives: Vec::new(),
            unknown: Vec::new(),
        };
        for (table, time, only) in [
            ("session_transcript_archives", "created_at", ""),
            (
                "session_transcript_cold_archives",
                "archived_at",
                "WHERE archive_blob IS NOT NULL",
            ),
        ] {
            let columns = Columns::of(tx, table)?;
            if ["session_id", "generation", "archive_blob"]
                .iter()
                .all(|column| columns.has(column))
            {
                schema.archives.push(ArchiveTable {
                    listing: format!("SELECT session_id, CAST(generation AS TEXT) FROM {table} {only}"),
                    blob: format!(
                        "SELECT CASE WHEN octet_length(archive_blob) <= {VALUE_LIMIT} THEN archive_blob END, {}
                        FROM {table} WHERE session_id = ?1 AND generation = ?2",
                        columns.or_null(time)
                    ),
                });
            } else if columns.is_table() {
                schema.unknown.push(table);
            }
        }
        Ok(Ok(schema))
    }

    /// Finds the sessions and archives that have something new.
    pub(super) fn survey(
        &self,
        tx: &Transaction<'_>,
        cursors: &Cursors,
        survey: Survey,
    ) -> Result<Found> {
        let horizon = match self.newest {
            Some(_) => Some(tx.query_row(
                "SELECT ifnull(max(rowid), 0) FROM transcript_events",
                [],
                |row| row.get(0),
            )?),
            None => None,
        };
        let ids = match (survey, self.newest, cursors.horizon, horizon) {
            (Survey::Quick, Some(newest), Some(known), Some(now)) if known <= now => {
                let mut ids: BTreeSet<String> = texts(tx, newest, [known])?;
                if let Some(notes) = &self.notes {
                    let mut statement = tx.prepare(notes)?;
                    let mut rows = statement.query([])?;
                    while let Some(row) = rows.next()? {
                        let id = row.get_ref(0)?.as_str()?;
                        let known = cursors
                            .sessions
                            .get(id)
                            .and_then(|cursor| cursor.updated_at);
                        if known != row.get(1)? {
                            ids.insert(id.into());
                        }
                    }
                }
                ids
            }
            _ => texts(tx, self.listing, [])?,
        };
        let mut sessions = Vec::new();
        let mut statement = tx.prepare(&self.state)?;
        for id in ids {
            let state = statement.query_row([&id], |row| {
                let last: Option<i64> = row.get(0)?;
                Ok(State {
                    next_seq: last.map_or(0, |seq| seq.saturating_add(1)),
                    generation: row.get(1)?,
                    updated_at: row.get(2)?,
                })
            })?;
            let unchanged = cursors.sessions.get(&id).is_some_and(|known| {
                (known.next_seq, &known.generation, known.updated_at)
                    == (state.next_seq, &state.generation, state.updated_at)
            });
            if !unchanged {
                sessions.push((id, state));
            }
        }
        let mut archives = Vec::new();
        for (table, found) in self.archives.iter().enumerate() {
            let mut statement = tx.prepare(&found.listing)?;
            let mut rows = statement.query([])?;
            while let Some(row) = rows.next()? {
                let key = (row.get(0)?, row.get(1)?);
                if !cursors.archives.contains(&key) {
                    archives.push(Archive {
                        table,
                        session: key.0,
                        generation: key.1,
                    });
                }
            }
        }
        Ok(Found {
            sessions,
            archives,
            horizon,
        })
    }

    /// Copies a page of a session's rows, from `seq` on.
    pub(super) fn page(
        &self,
        tx: &Transaction<'_>,
        id: &str,
        seq: i64,
        page: &mut Page,
    ) -> Result<()> {
        let started = Instant::now();
        let Page {
            rows: events,
            bytes,
            ..
        } = page;
        events.clear();
        bytes.clear();
        (page.generation, page.last) = (None, true);
        let mut statement = tx.prepare_cached(&self.page)?;
        let mut rows = statement.query((id, seq))?;
        while let Some(row) = rows.next()? {
            let full = events.len() >= PAGE_ROWS
                || bytes.len() >= PAGE_BYTES
                || started.elapsed() >= PAGE_TIME;
            if full && !events.is_empty() {
                page.last = false;
                break;
            }
            if events.is_empty() {
                page.generation = row.get(5)?;
            }
            let mut keep = |value: &[u8]| {
                bytes.extend_from_slice(value);
                bytes.len() - value.len()..bytes.len()
            };
            let body = match (text(row.get_ref(2)?), text(row.get_ref(3)?)) {
                (Some(json), _) if wanted(json) => Body::Plain(keep(json)),
                (Some(_), _) => Body::Idle,
                (None, Some(_)) if text(row.get_ref(6)?).is_some_and(is_unbilled) => Body::Idle,
                (None, Some(packed)) => Body::Packed(keep(packed)),
                (None, None) if row.get(4)? => Body::Broken(Fault::TooLong),
                (None, None) => Body::Broken(Fault::NotJson),
            };
            events.push(Event {
                seq: row.get(0)?,
                created_at: time(row.get_ref(1)?),
                body,
            });
        }
        if events.is_empty() {
            drop(rows);
            page.generation = tx
                .prepare_cached(&self.state)?
                .query_row([id], |row| row.get(1))?;
        }
        Ok(())
    }

    /// What is known of a session.
    pub(super) fn meta(&self, tx: &Transaction<'_>, id: &str) -> Result<SessionMeta> {
        let Some(windows) = &self.windows else {
            return Ok(SessionMeta::default());
        };
        let meta = tx
            .prepare_cached(&format!("{windows} WHERE w.session_id = ?1"))?
            .query_row([id], |row| {
                Ok(SessionMeta {
                    facts: facts(row)?,
                    provider: detail(row, 7)?,
                    model: detail(row, 8)?,
                })
            });
        Ok(meta.optional()?.unwrap_or_default())
    }

    /// What is known of all sessions.
    pub(super) fn all_facts(&self, tx: &Transaction<'_>) -> Result<Vec<(String, SessionFacts)>> {
        let Some(windows) = &self.windows else {
            return Ok(Vec::new());
        };
        tx.prepare(windows)?
            .query_map([], |row| {
                Ok((detail(row, 6)?.unwrap_or_default(), facts(row)?))
            })?
            .collect()
    }

    /// Copies an archived transcript; the page is not the `last` when it was too large. Returns its time.
    pub(super) fn blob(
        &self,
        tx: &Transaction<'_>,
        archive: &Archive,
        page: &mut Page,
    ) -> Result<Option<UnixMillis>> {
        page.bytes.clear();
        page.last = false;
        let mut statement = tx.prepare_cached(&self.archives[archive.table].blob)?;
        let mut rows = statement.query((&archive.session, &archive.generation))?;
        let Some(row) = rows.next()? else {
            page.last = true;
            return Ok(None);
        };
        if let Some(blob) = text(row.get_ref(0)?) {
            page.bytes.extend_from_slice(blob);
            page.last = true;
        }
        Ok(time(row.get_ref(1)?))
    }
}

/// Columns of one table, none when it does not exist.
struct Columns {
    table: &'static str,
    names: HashSet<String>,
}

impl Columns {
    fn of(tx: &Transaction<'_>, table: &'static str) -> Result<Self> {
        Ok(Self {
            table,
            names: texts(tx, "SELECT name FROM pragma_table_info(?1)", [table])?,
        })
    }

    fn is_table(&self) -> bool {
        !self.names.is_empty()
    }

    fn has(&self, column: &str) -> bool {
        self.names.contains(column)
    }

    fn or_null(&self, column: &'static str) -> &'static str {
        if self.has(column) { column } else { "NULL" }
    }
}

/// Lists the sessions, for [`facts`]; then their id, provider and model. `None` when the table says nothing.
fn windows_statement(windows: &Columns, nodes: &Columns) -> Option<String> {
    if !windows.has("session_id") {
        return None;
    }
    let joined = nodes.has("session_key") && windows.has("session_key");
    let of = |table: &str, columns: &Columns, column: &str| {
        if columns.has(column) {
            format!("CAST({table}.{column} AS TEXT)")
        } else {
            "NULL".into()
        }
    };
    let window = |column| of("w", windows, column);
    let node = |column| {
        if joined {
            of("n", nodes, column)
        } else {
            "NULL".into()
        }
    };
    let join = if joined {
        "LEFT JOIN session_nodes n ON n.session_key = w.session_key"
    } else {
        ""
    };
    let columns = [
        window("session_key"),
        node("label"),
        window("channel"),
        window("chat_type"),
        node("created_via"),
        format!(
            "coalesce({}, {}, NULL)",
            window("spawned_by"),
            window("parent_session_key")
        ),
        window("session_id"),
        window("model_provider"),
        window("model"),
    ];
    Some(format!(
        "SELECT {} FROM {} w {join}",
        columns.join(", "),
        windows.table
    ))
}

fn facts(row: &Row<'_>) -> Result<SessionFacts> {
    let text = |at| detail(row, at).map(Option::unwrap_or_default);
    Ok(completed(SessionFacts {
        key: text(0)?,
        label: text(1)?,
        channel: text(2)?,
        chat_type: text(3)?,
        created: text(4)?,
        parent: text(5)?,
    }))
}

/// Whatever is wrong with a detail, the rows are read.
fn detail(row: &Row<'_>, at: usize) -> Result<Option<String>> {
    let bytes = text(row.get_ref(at)?);
    Ok(bytes.map(|bytes| String::from_utf8_lossy(bytes).into_owned()))
}

fn texts<C: FromIterator<String>>(
    tx: &Transaction<'_>,
    sql: &str,
    params: impl rusqlite::Params,
) -> Result<C> {
    tx.prepare(sql)?
        .query_map(params, |row| row.get(0))?
        .collect()
}

fn text(value: ValueRef<'_>) -> Option<&[u8]> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes),
        _ => None,
    }
}

/// Whether the note beside a packed event says that a person or a tool wrote it: then it need not be unpacked. Inside
/// strings quotes are escaped, so what is found here is a member.
fn is_unbilled(navigation: &[u8]) -> bool {
    let has = |member: &str| memmem::find(navigation, member.as_bytes()).is_some();
    let roles = [
        r#""message":{"role":"user""#,
        r#""message":{"role":"toolResult""#,
    ];
    roles.into_iter().any(has) && !has(r#""role":"assistant""#)
}

fn time(value: ValueRef<'_>) -> Option<UnixMillis> {
    let ValueRef::Integer(at) = value else {
        return None;
    };
    UnixMillis(if at < SECONDS_BELOW {
        at.saturating_mul(1000)
    } else {
        at
    })
    .plausible()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rusqlite::Connection;

    #[test]
    fn only_a_role_that_is_never_billed_spares_the_unpacking() {
        let cases = [
            (
                r#"{"navigation":{"type":"message","message":{"role":"user","__openclaw":{}}}}"#,
                true,
            ),
            (
                r#"{"navigation":{"type":"message","message":{"role":"toolResult"}}}"#,
                true,
            ),
            (
                r#"{"navigation":{"type":"message","message":{"role":"assistant"}}}"#,
                false,
            ),
            (
                r#"{"report":{"message":{"role":"user"}},"model":{"message":{"role":"assistant"}}}"#,
                false,
            ),
            (
                r#"{"navigation":{"id":"\"message\":{\"role\":\"user\""}}"#,
                false,
            ),
            (r#"{"navigation":{"type":"compaction"}}"#, false),
            ("", false),
        ];
        for (navigation, expected) in cases {
            assert_eq!(is_unbilled(navigation.as_bytes()), expected, "{navigation}");
        }
    }

    #[test]
    fn a_survey_never_walks_through_the_history() {
        let mut db = Connection::open_in_memory().expect("a database");
        db.execute_batch(
            "CREATE TABLE session_windows (session_id TEXT PRIMARY KEY, transcript_updated_at INTEGER);
            CREATE TABLE transcript_rewrite_watermarks (session_id TEXT PRIMARY KEY, generation TEXT);
            CREATE TABLE transcript_events (session_id TEXT, seq INTEGER, event_json TEXT, created_at INTEGER,
                PRIMARY KEY (session_id, seq))",
        )
        .expect("a schema");
        let tx = db.transaction().expect("a transaction");
        let schema = Schema::read(&tx)
            .expect("read")
            .unwrap_or_else(|lacks| panic!("{lacks}"));
        for sql in [
            schema.listing,
            schema.newest.expect("row ids"),
            &schema.state,
            &schema.page,
        ] {
            let mut statement = tx
                .prepare(&format!("EXPLAIN QUERY PLAN {sql}"))
                .expect("a plan");
            let parameters = vec![rusqlite::types::Null; statement.parameter_count()];
            let steps =
                statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(3));
            let steps: Vec<String> = steps.expect("steps").collect::<Result<_>>().expect("steps");
            let walks = steps
                .iter()
                .any(|step| step.starts_with("SCAN transcript_events"));
            assert!(!walks, "{sql}: {steps:?}");
        }
    }
}
