//! An OpenClaw database with any values in its cells: every row ends in one counter, what is handed out is what was
//! stored, and a second reading finds nothing new.

use super::dialect::{mentions, within_limits};
use clawspend_core::{
    dialects::{Context, openclaw},
    follow::{
        archive::EVENT_LIMIT,
        openclaw_db::{Cursors, Incomplete, Row, Survey, read_new},
        roots::rank,
    },
    usage::{Fault, Line},
};
use rusqlite::{
    Connection, Statement,
    types::{ToSqlOutput, ValueRef},
};
use std::{collections::HashMap, fs, io::Read as _, path::Path, sync::OnceLock};

const SCHEMA: &str = concat!(
    include_str!("../corpus/agent_database.sql"),
    "CREATE TABLE transcript_rewrite_watermarks (
       session_id TEXT NOT NULL PRIMARY KEY, generation TEXT NOT NULL, updated_at INTEGER NOT NULL
     ) STRICT;"
);

/// The first word of a line, and where its cells go.
const TABLES: [(&str, &str); 6] = [
    // session, seq, event, created at, packed event, bytes, navigation
    ("event", "INSERT INTO transcript_events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"),
    (
        "window",
        "INSERT INTO session_windows (session_id, session_key, transcript_updated_at, model_provider, model,
           created_at, updated_at) VALUES (?1, ?2, ?3, ?4, ?5, 0, 0)",
    ),
    (
        "node",
        "INSERT INTO session_nodes (session_key, created_via, label, current_session_id, entry_json, updated_at)
         VALUES (?1, ?2, ?3, '', '{}', 0)",
    ),
    (
        "archive",
        "INSERT INTO session_transcript_archives (session_id, generation, archive_blob, created_at, session_key, reason,
           encoding, archive_sha256, archive_name) VALUES (?1, ?2, ?3, ?4, '', 'deleted', 'zstd', '', ?1 || ?2)",
    ),
    (
        "cold",
        "INSERT INTO session_transcript_cold_archives (session_id, generation, archive_blob, archived_at, archive_name,
           archive_sha256, event_count, raw_bytes, archive_bytes, last_seq, storage)
         VALUES (?1, ?2, ?3, ?4, ?1, '', 1, 1, 1, 1, 'sqlite')",
    ),
    ("rewrite", "INSERT INTO transcript_rewrite_watermarks VALUES (?1, ?2, 0)"),
];

/// `data` is a row a line: a word of `TABLES`, then its cells, parted by tabs: `i5`, `r0.5`, `ttext`, `bbytes`,
/// `xff00` for bytes in hexadecimal, `ztext` for bytes that are packed here, and `n` or nothing for NULL. If the first
/// line is `loose`, the tables take values of any kind, as those of older versions do.
pub fn check(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("openclaw-agent.sqlite");
    let loose = data.starts_with(b"loose\n");
    fs::write(&path, empty(loose)).expect("written");
    let Ok(stored) = fill(&path, data) else {
        return; // not even a plain look makes sense of it
    };
    let mut cursors = Cursors::default();
    let first = reading(&path, &mut cursors, Survey::Thorough, &stored);
    let sound = !loose && stored.ids_are_text;
    if sound {
        assert_eq!(
            first,
            Ok(stored.events.len() as u64 + stored.archived),
            "every row ends in one counter"
        );
    }
    if first.is_ok() {
        for survey in [Survey::Quick, Survey::Thorough] {
            let again = reading(&path, &mut cursors, survey, &stored);
            assert!(again.is_ok() || !sound, "{again:?}");
            assert_eq!(
                again.unwrap_or(0),
                0,
                "{survey:?} finds something new where nothing is"
            );
        }
    }
}

/// A database without rows; made once, as text of SQL takes long to read.
fn empty(loose: bool) -> &'static [u8] {
    static EMPTY: OnceLock<[Vec<u8>; 2]> = OnceLock::new();
    let made = |schema: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("empty");
        Connection::open(&path)
            .and_then(|db| db.execute_batch(schema))
            .expect("a database");
        fs::read(path).expect("read")
    };
    let both = EMPTY.get_or_init(|| {
        let any_kind = SCHEMA
            .replace(") STRICT", ")")
            .replace("INTEGER", "")
            .replace("TEXT", "")
            .replace(" NOT NULL", "");
        [made(SCHEMA), made(&any_kind)]
    });
    &both[usize::from(loose)]
}

/// What a plain look at the tables shows.
struct Stored {
    /// By session and sequence number: the event, its packed form and what stands beside it.
    events: HashMap<(String, i64), [Option<Vec<u8>>; 3]>,
    /// Lines of the archives.
    archived: u64,
    ids_are_text: bool,
}

fn fill(path: &Path, data: &[u8]) -> rusqlite::Result<Stored> {
    let db = Connection::open(path)?;
    db.execute_batch(
        "PRAGMA journal_mode = off; PRAGMA synchronous = off; PRAGMA foreign_keys = off;
         PRAGMA ignore_check_constraints = on; BEGIN",
    )?;
    for row in data.split(|byte| *byte == b'\n') {
        let mut cells = row.split(|byte| *byte == b'\t');
        let word = cells.next().unwrap_or_default();
        if let Some((_, sql)) = TABLES.iter().find(|(name, _)| name.as_bytes() == word) {
            // A row that the schema refuses is not there.
            let mut statement = db.prepare_cached(sql)?;
            let _ = insert(&mut statement, cells);
        }
    }
    db.execute_batch("COMMIT")?;
    stored(&db)
}

fn insert<'a>(
    statement: &mut Statement<'_>,
    mut cells: impl Iterator<Item = &'a [u8]>,
) -> rusqlite::Result<usize> {
    for index in 1..=statement.parameter_count() {
        let cell = cells.next().unwrap_or_default();
        let (kind, value) = cell.split_first().unwrap_or((&b'n', &[]));
        let number = str::from_utf8(value).unwrap_or_default();
        let made;
        let value = match kind {
            b'i' => ValueRef::Integer(number.parse().unwrap_or(0)),
            b'r' => ValueRef::Real(number.parse().unwrap_or(0.0)),
            b't' => ValueRef::Text(value),
            b'b' => ValueRef::Blob(value),
            b'x' => {
                let pairs = value.as_chunks::<2>().0.iter();
                let byte = |pair: &[u8; 2]| u8::from_str_radix(str::from_utf8(pair).ok()?, 16).ok();
                made = pairs.map_while(byte).collect::<Vec<_>>();
                ValueRef::Blob(&made)
            }
            b'z' => {
                made = zstd::bulk::compress(value, 3).expect("packed in memory");
                ValueRef::Blob(&made)
            }
            _ => ValueRef::Null,
        };
        statement.raw_bind_parameter(index, ToSqlOutput::Borrowed(value))?;
    }
    statement.raw_execute()
}

fn stored(db: &Connection) -> rusqlite::Result<Stored> {
    let mut stored = Stored {
        events: HashMap::new(),
        archived: 0,
        ids_are_text: true,
    };
    let bytes = |value: ValueRef<'_>| match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => Some(bytes.to_vec()),
        _ => None,
    };
    let mut statement = db.prepare(
        "SELECT session_id, event_json, event_zstd, navigation_json, seq FROM transcript_events WHERE seq >= 0",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let [session, event, packed, navigation] = [
            row.get_ref(0)?,
            row.get_ref(1)?,
            row.get_ref(2)?,
            row.get_ref(3)?,
        ]
        .map(bytes);
        match (session.map(String::from_utf8), row.get(4)) {
            (Some(Ok(session)), Ok(seq)) => {
                stored
                    .events
                    .insert((session, seq), [event, packed, navigation]);
            }
            _ => stored.ids_are_text = false,
        }
    }
    let mut statement = db.prepare(
        "SELECT session_id, generation, archive_blob FROM session_transcript_archives
         UNION ALL SELECT session_id, generation, archive_blob FROM session_transcript_cold_archives
         WHERE archive_blob IS NOT NULL
         UNION ALL SELECT session_id, generation, NULL FROM transcript_rewrite_watermarks
         UNION ALL SELECT session_id, session_key, NULL FROM session_windows",
    )?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        stored.ids_are_text &= row.get_ref(0)?.as_str().is_ok() && row.get_ref(1)?.as_str().is_ok();
        stored.archived += bytes(row.get_ref(2)?).map_or(0, |blob| lines(&blob));
    }
    Ok(stored)
}

/// How many lines come out of an archive; damage that ends it is told as one more.
fn lines(archive: &[u8]) -> u64 {
    let (mut text, mut damaged) = (archive.to_vec(), false);
    if archive.starts_with(&[0x28, 0xB5, 0x2F, 0xFD]) {
        text.clear();
        let decoder = zstd::stream::read::Decoder::with_buffer(archive).expect("a decoder");
        damaged = decoder.take(64 << 20).read_to_end(&mut text).is_err();
        if damaged {
            // The rest of a line that was cut short is not handed out.
            text.truncate(
                text.iter()
                    .rposition(|byte| *byte == b'\n')
                    .map_or(0, |end| end + 1),
            );
        }
    }
    let lines = text.split_inclusive(|byte| *byte == b'\n').count();
    lines as u64 + u64::from(damaged)
}

/// Reads to the end; how many rows were counted for the first time.
fn reading(
    path: &Path,
    cursors: &mut Cursors,
    survey: Survey,
    stored: &Stored,
) -> Result<u64, Incomplete> {
    let base = Context {
        agent: "main".into(),
        ..Context::default()
    };
    let mut counted = 0;
    loop {
        let reading = read_new(path, &base, cursors, survey, &mut |row, carry| {
            counted += u64::from(!row.again);
            is_what_was_stored(&row, stored);
            if let Ok(json) = row.json
                && let Line::Observation(observation) = openclaw::parse(json, row.context, carry)
            {
                within_limits(&observation);
            }
        })?;
        counted += reading.passed_over;
        cursors.advance(reading.moved);
        if !reading.more {
            return Ok(counted);
        }
    }
}

fn is_what_was_stored(row: &Row<'_>, stored: &Stored) {
    if row.context.rank == rank::ARCHIVE_TABLE {
        return;
    }
    let seq = i64::try_from(row.place).expect("a sequence number");
    let Some([event, packed, _]) = stored.events.get(&(row.context.session.clone(), seq)) else {
        panic!("{}/{seq} is not there", row.context.session);
    };
    match (event, packed) {
        (Some(event), _) => assert_eq!(row.json, Ok(event.as_slice())),
        (None, Some(packed)) => {
            let mut event = Vec::new();
            let decoder =
                zstd::stream::read::Decoder::with_buffer(packed.as_slice()).expect("a decoder");
            let sound = decoder
                .take(EVENT_LIMIT as u64 + 1)
                .read_to_end(&mut event)
                .is_ok();
            if sound && event.len() <= EVENT_LIMIT {
                assert_eq!(row.json, Ok(event.as_slice()));
                assert!(
                    mentions(&event, b"\""),
                    "an event that tells nothing is passed over"
                );
            } else {
                assert_eq!(row.json, Err(Fault::BadCompression));
            }
        }
        (None, None) => assert_eq!(row.json, Err(Fault::NotJson)),
    }
}
