//! Reading OpenClaw's database as a guest, against real SQLite files in every state they are met in.

use clawspend_core::{
    dialects::{Carry, Context},
    follow::openclaw_db::{Cursors, Incomplete, Reading, Row, Survey, read_new, stamp},
    time::UnixMillis,
    usage::{Fault, SessionFacts},
};
use rusqlite::Connection;
use serde_json::Value;
use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    slice,
};
use tempfile::TempDir;

const CURRENT: &str = "
    CREATE TABLE session_nodes (session_key TEXT NOT NULL PRIMARY KEY, created_via TEXT, label TEXT) STRICT;
    CREATE TABLE session_windows (session_id TEXT NOT NULL PRIMARY KEY, session_key TEXT NOT NULL, channel TEXT,
        chat_type TEXT, model_provider TEXT, model TEXT, parent_session_key TEXT, spawned_by TEXT,
        transcript_updated_at INTEGER) STRICT;
    CREATE TABLE transcript_events (session_id TEXT NOT NULL, seq INTEGER NOT NULL, event_json TEXT,
        created_at INTEGER NOT NULL, event_zstd BLOB, event_utf8_bytes INTEGER, navigation_json TEXT,
        PRIMARY KEY (session_id, seq)) STRICT;
    CREATE TABLE transcript_rewrite_watermarks (session_id TEXT NOT NULL PRIMARY KEY, generation TEXT NOT NULL,
        updated_at INTEGER NOT NULL) STRICT;
    CREATE TABLE session_transcript_archives (session_id TEXT NOT NULL, generation TEXT NOT NULL,
        encoding TEXT NOT NULL, archive_blob BLOB NOT NULL, created_at INTEGER NOT NULL,
        PRIMARY KEY (session_id, generation)) STRICT;
    CREATE TABLE session_transcript_cold_archives (session_id TEXT NOT NULL PRIMARY KEY, generation TEXT NOT NULL,
        archived_at INTEGER NOT NULL, archive_blob BLOB) STRICT;
    PRAGMA user_version = 23;";
const CREATED: i64 = 1_795_177_726_484;

/// A database in a folder of its own, with its owner's connection.
struct Store {
    folder: TempDir,
    owner: Connection,
}

impl Store {
    fn new() -> Self {
        Self::with(CURRENT)
    }

    fn with(schema: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let owner = Connection::open(folder.path().join("openclaw-agent.sqlite")).expect("created");
        owner
            .execute_batch("PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0")
            .expect("in WAL mode");
        owner.execute_batch(schema).expect("a schema");
        Self { folder, owner }
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("openclaw-agent.sqlite")
    }

    fn run(&self, sql: &str) {
        self.owner.execute_batch(sql).expect(sql);
    }

    fn window(&self, session: &str, updated_at: i64) {
        let sql = "INSERT OR REPLACE INTO session_windows(session_id, session_key, transcript_updated_at) VALUES (?1, ?1, ?2)";
        self.owner
            .execute(sql, (session, updated_at))
            .expect("a window");
    }

    fn event(&self, session: &str, seq: i64, json: &str) {
        let sql = "INSERT OR REPLACE INTO transcript_events(session_id, seq, event_json, created_at) VALUES (?1, ?2, ?3, ?4)";
        self.owner
            .execute(sql, (session, seq, json, CREATED))
            .expect("an event");
    }

    fn packed(&self, session: &str, seq: i64, packed: &[u8]) {
        let sql = "INSERT INTO transcript_events(session_id, seq, event_zstd, created_at) VALUES (?1, ?2, ?3, ?4)";
        self.owner
            .execute(sql, (session, seq, packed, CREATED))
            .expect("an event");
    }

    fn archive(&self, session: &str, encoding: &str, blob: &[u8]) {
        let sql = "INSERT INTO session_transcript_archives VALUES (?1, 'g', ?2, ?3, ?4)";
        self.owner
            .execute(sql, (session, encoding, blob, CREATED))
            .expect("an archive");
    }

    /// Many events, fast.
    fn fill(&self, session: &str, seqs: std::ops::Range<i64>, json: impl Fn(i64) -> String) {
        self.run("BEGIN");
        seqs.for_each(|seq| self.event(session, seq, &json(seq)));
        self.run("COMMIT");
    }

    /// The owner leaves and tidies up.
    fn close(self) -> (TempDir, PathBuf) {
        let path = self.path();
        self.owner
            .close()
            .map_err(|(_, error)| error)
            .expect("closed");
        (self.folder, path)
    }
}

fn usage(n: i64) -> String {
    format!(
        r#"{{"type":"message","id":"e{n}","message":{{"role":"assistant","usage":{{"input":{n}}}}}}}"#
    )
}

fn pack(text: &str) -> Vec<u8> {
    zstd::encode_all(text.as_bytes(), 3).expect("packing in memory")
}

/// A row as text: session, place, "again" mark and the event or fault.
type Told = (String, u64, bool, Result<String, Fault>);

fn tell(row: &Row<'_>) -> Told {
    let json = row
        .json
        .map(|json| String::from_utf8(json.to_vec()).expect("UTF-8"));
    (row.context.session.clone(), row.place, row.again, json)
}

fn read(
    path: &Path,
    cursors: &Cursors,
    survey: Survey,
) -> Result<(Reading, Vec<Told>), Incomplete> {
    let mut rows = Vec::new();
    let reading = read_new(path, &Context::default(), cursors, survey, &mut |row, _| {
        rows.push(tell(&row));
    })?;
    Ok((reading, rows))
}

/// Follows one database the way the engine does.
struct Follower {
    path: PathBuf,
    cursors: Cursors,
}

impl Follower {
    fn of(path: &Path) -> Self {
        Self {
            path: path.into(),
            cursors: Cursors::default(),
        }
    }

    fn look(&mut self, survey: Survey) -> Vec<Told> {
        let mut all = Vec::new();
        loop {
            let (reading, rows) = read(&self.path, &self.cursors, survey).expect("a reading");
            all.extend(rows);
            self.cursors.advance(reading.moved);
            if !reading.more {
                return all;
            }
        }
    }

    fn quick(&mut self) -> Vec<Told> {
        self.look(Survey::Quick)
    }
}

fn row(session: &str, seq: i64) -> Told {
    (
        session.into(),
        u64::try_from(seq).expect("a place"),
        false,
        Ok(usage(seq)),
    )
}

fn again(session: &str, seq: i64) -> Told {
    let (session, place, _, json) = row(session, seq);
    (session, place, true, json)
}

fn refusal(path: &Path) -> Incomplete {
    read(path, &Cursors::default(), Survey::Quick).expect_err("a refusal")
}

fn listing(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).expect("listed");
    let file = |entry: fs::DirEntry| {
        (
            entry.file_name().to_string_lossy().into_owned(),
            fs::read(entry.path()).expect("read"),
        )
    };
    entries
        .map(|entry| file(entry.expect("an entry")))
        .collect()
}

fn sample(agent: &str) -> PathBuf {
    let fixtures =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures/openclaw-sqlite/agents");
    fixtures.join(agent).join("agent/openclaw-agent.sqlite")
}

#[test]
fn captured_databases_give_exactly_their_events() {
    // Rows that may matter, rows that do not, distinct responses, their recorded cost in nano-dollars.
    for (agent, expected) in [
        ("main", (56, 39, 15, 76_530_000)),
        ("ops", (6, 4, 3, 7_920_000)),
    ] {
        let base = Context {
            agent: agent.into(),
            ..Context::default()
        };
        let (mut count, mut costs, mut ranks) = (0, BTreeMap::new(), BTreeSet::new());
        let mut sink = |row: Row<'_>, _: &mut Carry| {
            assert_eq!(row.context.agent, agent);
            assert!(row.context.stored_at.is_some() && !row.again);
            count += 1;
            ranks.insert(row.context.rank);
            let event: Value = serde_json::from_slice(row.json.expect("readable")).expect("JSON");
            let message = &event["message"];
            if message["role"] == "assistant" && message["usage"].is_object() {
                let cost = message["usage"]["cost"]["total"].as_f64().expect("a cost");
                costs.insert(
                    (event["id"].to_string(), message["timestamp"].to_string()),
                    (cost * 1e9).round() as i64,
                );
            }
        };
        let path = sample(agent);
        let reading = read_new(
            &path,
            &base,
            &Cursors::default(),
            Survey::Thorough,
            &mut sink,
        )
        .expect("a reading");
        assert_eq!(
            (
                count,
                reading.passed_over,
                costs.len(),
                costs.values().sum()
            ),
            expected,
            "{agent}"
        );
        assert_eq!(
            ranks,
            if agent == "main" {
                [0, 2].into()
            } else {
                [0].into()
            }
        );
        assert_eq!((reading.more, &reading.unknown), (false, &vec![]));
        let (second, rows) = read(&path, &reading.moved, Survey::Thorough).expect("a reading");
        assert_eq!(
            (
                rows,
                second.moved.sessions.len(),
                second.moved.archives.len()
            ),
            (vec![], 0, 0)
        );
    }
}

#[test]
fn f25_a_closed_database_is_read_without_a_trace() {
    let store = Store::new();
    store.event("s", 0, &usage(0));
    let (folder, path) = store.close();
    let before = listing(folder.path());
    assert_eq!(before.keys().collect::<Vec<_>>(), ["openclaw-agent.sqlite"]);
    let seen = stamp(&path).expect("a stamp");
    assert_eq!(Follower::of(&path).quick(), [row("s", 0)]);
    assert!(
        listing(folder.path()) == before,
        "the folder's listing or bytes changed"
    );
    assert_eq!(stamp(&path).expect("a stamp"), seen);
}

#[test]
fn f26_a_live_database_shows_what_is_committed_and_nothing_else() {
    let store = Store::new();
    store.event("s", 0, &usage(0));
    store.run("BEGIN IMMEDIATE");
    store.event("s", 1, &usage(1));
    let mut follower = Follower::of(&store.path());
    assert_eq!(follower.quick(), [row("s", 0)]);
    store.run("COMMIT");
    assert_eq!(follower.quick(), [again("s", 0), row("s", 1)]);
    assert_eq!(follower.quick(), []);
}

#[test]
fn f30_the_owner_is_free_while_rows_are_handed_out() {
    let store = Store::new();
    store.fill("s", 0..3000, usage);
    let mut checkpoints = BTreeSet::new();
    let mut sink = |_: Row<'_>, _: &mut Carry| {
        let blocked = "PRAGMA wal_checkpoint(TRUNCATE)";
        checkpoints.insert(
            store
                .owner
                .query_row(blocked, [], |row| row.get::<_, i64>(0))
                .expect("a checkpoint"),
        );
    };
    read_new(
        &store.path(),
        &Context::default(),
        &Cursors::default(),
        Survey::Quick,
        &mut sink,
    )
    .expect("a reading");
    assert_eq!(checkpoints, [0].into());
}

#[test]
fn f26_a_log_left_by_a_crash_is_read_and_kept() {
    let store = Store::new();
    store.event("s", 0, &usage(0));
    let crashed = tempfile::tempdir().expect("a folder");
    for name in ["openclaw-agent.sqlite", "openclaw-agent.sqlite-wal"] {
        fs::copy(store.folder.path().join(name), crashed.path().join(name)).expect("copied");
    }
    let mut before = listing(crashed.path());
    assert_eq!(
        Follower::of(&crashed.path().join("openclaw-agent.sqlite")).quick(),
        [row("s", 0)]
    );
    let mut after = listing(crashed.path());
    // The index of the log is made anew by whoever opens it next.
    assert!(before.remove("openclaw-agent.sqlite-shm").is_none());
    after.remove("openclaw-agent.sqlite-shm");
    assert!(before == after, "the owner's files changed");
}

#[test]
fn f30_a_locked_database_is_busy_and_not_empty() {
    let store = Store::new();
    store.run("PRAGMA locking_mode = EXCLUSIVE");
    store.event("s", 0, &usage(0));
    assert_eq!(refusal(&store.path()), Incomplete::Busy);
    store.run("PRAGMA locking_mode = NORMAL");
    store.event("s", 1, &usage(1));
    assert_eq!(
        Follower::of(&store.path()).quick(),
        [row("s", 0), row("s", 1)]
    );
}

#[test]
fn a_rollback_journal_is_its_owners_business() {
    let store = Store::new();
    store.event("s", 0, &usage(0));
    store.run("PRAGMA journal_mode = DELETE; BEGIN IMMEDIATE");
    store.event("s", 1, &usage(1));
    let journal = store.folder.path().join("openclaw-agent.sqlite-journal");
    store.owner.cache_flush().expect("a journal");
    assert!(journal.exists());
    assert_eq!(refusal(&store.path()), Incomplete::Recovering);
    store.run("COMMIT");
    fs::write(&journal, "").expect("an empty journal");
    assert_eq!(
        Follower::of(&store.path()).quick(),
        [row("s", 0), row("s", 1)]
    );
}

#[cfg(unix)]
#[test]
fn f27_a_log_whose_index_cannot_be_opened_is_unreadable() {
    // Stands for a folder that cannot be written, which tests run as root would not notice.
    let store = Store::new();
    store.event("s", 0, &usage(0));
    let other = tempfile::tempdir().expect("a folder");
    for name in ["openclaw-agent.sqlite", "openclaw-agent.sqlite-wal"] {
        fs::copy(store.folder.path().join(name), other.path().join(name)).expect("copied");
    }
    let index = other.path().join("openclaw-agent.sqlite-shm");
    std::os::unix::fs::symlink(&index, &index).expect("a link to itself");
    let refusal = refusal(&other.path().join("openclaw-agent.sqlite"));
    assert!(matches!(refusal, Incomplete::Unreadable(_)), "{refusal:?}");
    assert!(refusal.passes());
}

#[test]
fn f28_a_database_replaced_by_rename_is_noticed_and_reread() {
    let store = Store::new();
    store.event("s", 0, &usage(0));
    let (_folder, path) = store.close();
    let mut follower = Follower::of(&path);
    assert_eq!(follower.quick(), [row("s", 0)]);

    let other = Store::new();
    other.event("s", 0, &usage(0));
    other.event("t", 5, &usage(5));
    let (_other, replacement) = other.close();
    let before = stamp(&path).expect("a stamp");
    fs::rename(replacement, &path).expect("renamed");
    assert_ne!(stamp(&path).expect("a stamp"), before);
    assert_eq!(follower.look(Survey::Thorough), [row("t", 5)]);
}

#[test]
fn f25_a_database_changed_beneath_the_reading_is_not_believed() {
    let store = Store::new();
    store.fill("s", 0..3000, usage);
    let (_folder, path) = store.close();
    let writer = Connection::open(&path).expect("opened");
    writer
        .execute_batch("PRAGMA journal_mode = DELETE")
        .expect("without a log");
    let mut handed_out = 0;
    let mut sink = |_: Row<'_>, _: &mut Carry| {
        if handed_out == 0 {
            writer
                .execute("DELETE FROM transcript_events WHERE seq > 2500", [])
                .expect("deleted");
        }
        handed_out += 1;
    };
    let result = read_new(
        &path,
        &Context::default(),
        &Cursors::default(),
        Survey::Quick,
        &mut sink,
    );
    assert_eq!((result, handed_out), (Err(Incomplete::Changed), 2000));
}

#[test]
fn damaged_databases_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("openclaw-agent.sqlite");
    assert!(
        matches!(refusal(&path), Incomplete::Unreadable(_)),
        "missing"
    );
    fs::write(&path, "no database ".repeat(1000)).expect("written");
    assert!(matches!(refusal(&path), Incomplete::Damaged(_)), "garbage");

    let store = Store::new();
    store.fill("s", 0..3000, usage);
    let (_folder, path) = store.close();
    let mut bytes = fs::read(&path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle..middle + 20_000].fill(0xA5);
    fs::write(&path, bytes).expect("written");
    assert!(
        matches!(refusal(&path), Incomplete::Damaged(_)),
        "overwritten in the middle"
    );
}

#[test]
fn a_database_that_is_being_made_is_empty() {
    let store = Store::with("");
    let mut follower = Follower::of(&store.path());
    assert_eq!(follower.quick(), []);
    store.run(CURRENT);
    assert_eq!(follower.quick(), []);
    store.event("s", 0, &usage(0));
    assert_eq!(follower.quick(), [row("s", 0)]);

    let path = store.folder.path().join("first-moment.sqlite");
    fs::write(&path, "").expect("written");
    assert_eq!(Follower::of(&path).quick(), []);
}

#[test]
fn f30_other_versions_are_read_by_their_columns() {
    let newer = Store::new();
    newer.run("PRAGMA user_version = 99; CREATE TABLE hereafter (a); ALTER TABLE transcript_events ADD COLUMN later TEXT");
    newer.event("s", 0, &usage(0));
    assert_eq!(Follower::of(&newer.path()).quick(), [row("s", 0)]);

    let older = Store::with(
        "CREATE TABLE sessions (session_id TEXT PRIMARY KEY, session_key TEXT, model TEXT);
        CREATE TABLE transcript_events (session_id TEXT, seq INTEGER, event_json TEXT, created_at INTEGER,
            PRIMARY KEY (session_id, seq)) WITHOUT ROWID;
        CREATE TABLE session_transcript_archives (name TEXT);
        INSERT INTO sessions VALUES ('s', 'agent:main:main', 'm1')",
    );
    older.event("s", 0, &usage(0));
    let mut models = Vec::new();
    let mut sink = |_: Row<'_>, carry: &mut Carry| models.push(carry.model.clone());
    let reading = read_new(
        &older.path(),
        &Context::default(),
        &Cursors::default(),
        Survey::Quick,
        &mut sink,
    );
    let reading = reading.expect("a reading");
    let facts = SessionFacts {
        key: "agent:main:main".into(),
        ..SessionFacts::default()
    };
    assert_eq!(models, [Some("m1".to_owned())]);
    assert_eq!(reading.sessions, [("s".to_owned(), facts)]);
    assert_eq!(reading.unknown, ["session_transcript_archives"]);

    let mut follower = Follower::of(&older.path());
    assert_eq!(follower.quick(), [row("s", 0)]);
    older.event("s", 1, &usage(1));
    assert_eq!(
        follower.quick(),
        [again("s", 0), row("s", 1)],
        "without row ids every survey is thorough"
    );

    for (schema, lacks) in [
        ("CREATE TABLE other (a)", "table transcript_events"),
        (
            "CREATE TABLE transcript_events (session_id, seq, payload)",
            "column transcript_events.event_json",
        ),
        (
            "CREATE TABLE transcript_events (session_id, event_json)",
            "column transcript_events.seq",
        ),
    ] {
        let refusal = refusal(&Store::with(schema).path());
        assert_eq!(refusal, Incomplete::Lacks(lacks));
        assert!(!refusal.passes());
    }
}

#[test]
fn what_is_known_of_sessions_is_told() {
    let store = Store::new();
    store.run(
        "INSERT INTO session_nodes VALUES ('k', 'cron', 'nightly');
        INSERT INTO session_windows VALUES ('s', 'k', 'telegram', 'group', 'anthropic', 'claude', 'parent', 'spawner', 1);
        INSERT INTO session_windows VALUES ('t', 'agent:ops:signal:dm:7', NULL, NULL, NULL, NULL, 'parent', NULL, 1)",
    );
    store.event("s", 7, &usage(7));
    store.run("UPDATE transcript_events SET created_at = 1795177726");
    let mut all = Vec::new();
    let mut sink = |row: Row<'_>, carry: &mut Carry| {
        all.push((row.context.clone(), carry.clone()));
    };
    let base = Context {
        agent: "ops".into(),
        ..Context::default()
    };
    let mut read = |survey| {
        let reading = read_new(&store.path(), &base, &Cursors::default(), survey, &mut sink);
        reading.expect("a reading").sessions
    };
    let facts = |key: &str, rest: [&str; 5]| {
        let [label, channel, chat_type, created, parent] = rest.map(str::to_owned);
        SessionFacts {
            key: key.into(),
            label,
            channel,
            chat_type,
            created,
            parent,
        }
    };
    let read_one = (
        "s".to_owned(),
        facts("k", ["nightly", "telegram", "group", "cron", "spawner"]),
    );
    let other = (
        "t".to_owned(),
        facts(
            "agent:ops:signal:dm:7",
            ["", "signal", "direct", "", "parent"],
        ),
    );
    assert_eq!(read(Survey::Quick), slice::from_ref(&read_one));
    assert_eq!(read(Survey::Thorough), [read_one, other]);
    let some = |text: &str| Some(text.to_owned());
    let expected = (
        Context {
            session: "s".into(),
            stored_at: Some(UnixMillis(1_795_177_726_000)),
            ..base.clone()
        },
        Carry {
            model: some("claude"),
            provider: some("anthropic"),
            ..Carry::default()
        },
    );
    assert_eq!(all, [expected.clone(), expected]);
}

#[test]
fn a_rewritten_session_is_read_from_its_start() {
    let store = Store::new();
    store.fill("s", 0..60, usage);
    store.event("t", 0, &usage(0));
    store.run("INSERT INTO transcript_rewrite_watermarks VALUES ('s', 'a', 1), ('t', 'a', 1)");
    let mut follower = Follower::of(&store.path());
    assert_eq!(follower.quick().len(), 61);

    store.run("UPDATE transcript_rewrite_watermarks SET generation = 'b' WHERE session_id = 's'");
    let all: Vec<_> = (0..60).map(|seq| row("s", seq)).collect();
    assert_eq!(follower.look(Survey::Thorough), all);
    store.run("DELETE FROM transcript_events WHERE session_id = 's' AND seq >= 40");
    assert_eq!(
        follower.look(Survey::Thorough),
        all[..40],
        "rows vanished without a new generation"
    );
    store.run("DELETE FROM transcript_events");
    assert_eq!(follower.quick(), []);
    store.event("s", 0, &usage(0));
    assert_eq!(follower.quick(), [row("s", 0)]);
}

#[test]
fn a_quick_survey_finds_what_changed() {
    let store = Store::new();
    for session in ["a", "b", "c"] {
        store.window(session, 1);
        store.event(session, 0, &usage(0));
    }
    let mut follower = Follower::of(&store.path());
    assert_eq!(follower.quick().len(), 3);
    store.event("b", 1, &usage(1));
    assert_eq!(
        follower.quick(),
        [again("b", 0), row("b", 1)],
        "a row without a note"
    );
    store.run("UPDATE transcript_events SET event_json = replace(event_json, 'e0', 'e9') WHERE session_id = 'c'");
    store.window("c", 2);
    assert_eq!(
        follower.quick(),
        [("c".into(), 0, true, Ok(usage(0).replace("e0", "e9")))],
        "a note without a row"
    );
    store.event("d", 0, &usage(0));
    store.run("DELETE FROM transcript_events WHERE session_id IN ('a', 'b'); VACUUM");
    assert_eq!(follower.quick(), [row("d", 0)], "row ids given anew");
    assert_eq!(follower.quick(), []);
}

#[test]
fn the_tail_is_read_again_with_what_was_known_before_it() {
    let change = |n: i64| format!(r#"{{"type":"model_change","modelId":"m{n}"}}"#);
    let store = Store::new();
    store.fill("s", 0..60, change);
    let mut cursors = Cursors::default();
    let mut seen = Vec::new();
    let mut look = |cursors: &mut Cursors| {
        seen.clear();
        let mut sink = |row: Row<'_>, carry: &mut Carry| {
            seen.push((row.place, row.again, carry.model.take()));
            carry.model = Some(format!("m{}", row.place));
        };
        let path = store.path();
        let reading = read_new(
            &path,
            &Context::default(),
            cursors,
            Survey::Quick,
            &mut sink,
        )
        .expect("a reading");
        cursors.advance(reading.moved);
        (seen.first().cloned(), seen.last().cloned(), seen.len())
    };
    let model = |n: u64| Some(format!("m{n}"));
    assert_eq!(
        look(&mut cursors),
        (Some((0, false, None)), Some((59, false, model(58))), 60)
    );
    store.event("s", 60, &change(60));
    assert_eq!(
        look(&mut cursors),
        (Some((10, true, model(9))), Some((60, false, model(59))), 51)
    );
}

#[test]
fn a_long_history_is_read_in_parts_and_each_row_once() {
    let padded = |seq: i64| {
        usage(seq).replace(
            "\"role\"",
            &format!("\"text\":\"{}\",\"role\"", "x".repeat(9000)),
        )
    };
    let store = Store::new();
    store.window("old", 1);
    store.window("new", 2);
    store.fill("old", 0..2500, padded);
    store.fill("new", 0..2500, usage);
    let mut cursors = Cursors::default();
    let (mut places, mut parts) = (Vec::new(), 0);
    loop {
        let (reading, rows) = read(&store.path(), &cursors, Survey::Quick).expect("a reading");
        places.extend(
            rows.into_iter()
                .filter(|row| !row.2)
                .map(|row| (row.0, row.1)),
        );
        cursors.advance(reading.moved);
        parts += 1;
        if !reading.more {
            break;
        }
    }
    let expected: Vec<_> = ["new", "old"]
        .iter()
        .flat_map(|s| (0..2500).map(move |seq| ((*s).into(), seq)))
        .collect();
    assert!(places == expected, "{} rows", places.len());
    assert_eq!(parts, 2, "a part ends after 16 MiB");
    assert_eq!(
        read(&store.path(), &cursors, Survey::Thorough)
            .expect("a reading")
            .1,
        []
    );
}

#[test]
fn packed_events_are_unpacked_within_bounds() {
    let store = Store::new();
    store.packed("s", 0, &pack(&usage(0)));
    store.packed("s", 1, b"no frame");
    store.packed("s", 2, &pack(&"x".repeat((4 << 20) + 1)));
    store.packed("s", 3, &pack("{\"type\":\"message\"}"));
    store.run(&format!(
        "INSERT INTO transcript_events(session_id, seq, created_at) VALUES ('s', 4, {CREATED})"
    ));
    store.event("s", 5, &usage(5));
    store.event("s", 6, "{}");
    let (reading, rows) =
        read(&store.path(), &Cursors::default(), Survey::Quick).expect("a reading");
    let fault = |place, fault| ("s".to_owned(), place, false, Err(fault));
    let bad = Fault::BadCompression;
    assert_eq!(
        rows,
        [
            row("s", 0),
            fault(1, bad),
            fault(2, bad),
            fault(4, Fault::NotJson),
            row("s", 5)
        ]
    );
    assert_eq!(reading.passed_over, 2);
}

#[test]
fn archived_transcripts_are_read_once() {
    let store = Store::new();
    let text = format!("{}\n{{}}\n{}\n", usage(0), usage(1));
    let second = (usage(0).len() + 4) as u64;
    store.archive("plain", "identity", text.as_bytes());
    store.archive("packed", "zstd", &pack(&text));
    store.archive("cut", "zstd", &pack(&text)[..20]);
    store
        .owner
        .execute(
            "INSERT INTO session_transcript_cold_archives VALUES ('cold', 'g', ?1, ?2)",
            (CREATED, pack(&text)),
        )
        .expect("an archive");
    store.run("INSERT INTO session_transcript_cold_archives VALUES ('file', 'g', 1, NULL)");
    let mut follower = Follower::of(&store.path());
    let whole = |s: &str| [row(s, 0), (s.into(), second, false, Ok(usage(1)))];
    let cut = [("cut".to_owned(), 0, false, Err(Fault::BadCompression))];
    let expected = [&cut[..], &whole("packed"), &whole("plain"), &whole("cold")].concat();
    assert_eq!(follower.quick(), expected);
    assert_eq!(follower.look(Survey::Thorough), []);
    store.archive("more", "identity", usage(0).as_bytes());
    assert_eq!(follower.quick(), [row("more", 0)]);
}

#[test]
fn a_path_may_hold_any_character() {
    let store = Store::new();
    store.event("s", 0, &usage(0));
    let (folder, path) = store.close();
    let odd = folder.path().join("a b%41#ü&c=d");
    fs::create_dir(&odd).expect("a folder");
    let odd = odd.join("openclaw-agent.sqlite");
    fs::rename(path, &odd).expect("moved");
    assert_eq!(Follower::of(&odd).quick(), [row("s", 0)]);
}

#[test]
fn stamps_tell_changes_and_whether_they_can_be_trusted() {
    let store = Store::new();
    let before = stamp(&store.path()).expect("a stamp");
    store.event("s", 0, &usage(0));
    let after = stamp(&store.path()).expect("a stamp");
    assert_ne!(before, after);
    let text = serde_json::to_string(&after).expect("text");
    assert_eq!(
        serde_json::from_str::<clawspend_core::follow::openclaw_db::Stamp>(&text).expect("a stamp"),
        after
    );
    let now = UnixMillis::now();
    assert_eq!(
        (after.rested(now), after.rested(now.plus(60_000))),
        (false, true)
    );
    assert!(stamp(&store.folder.path().join("none")).is_err());
}

#[test]
fn cursors_survive_being_written_down() {
    let mut follower = Follower::of(&sample("main"));
    follower.quick();
    let text = serde_json::to_string(&follower.cursors.sessions).expect("text");
    assert_eq!(
        serde_json::from_str::<BTreeMap<_, _>>(&text).expect("cursors"),
        follower.cursors.sessions
    );
}

#[test]
fn f29_the_reader_makes_no_plain_file_call() {
    let sources = [
        include_str!("../src/follow/openclaw_db.rs"),
        include_str!("../src/follow/openclaw_db/guest.rs"),
        include_str!("../src/follow/openclaw_db/list.rs"),
        include_str!("../src/follow/openclaw_db/schema.rs"),
    ];
    for call in ["File::", "fs::read", "fs::copy", "fs::write", "OpenOptions"] {
        assert!(
            sources.iter().all(|source| !source.contains(call)),
            "{call}"
        );
    }
}
