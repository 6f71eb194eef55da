//! Log lines that a case can bend, and what the product makes of them, told as text.

use clawspend_core::{
    ingest::Ingest,
    ledger::{Ledger, files::Counts},
    summary::Amount,
    usage::Tokens,
};
use clawspend_tests::{
    corpus::AGENT_DATABASE,
    home::{Everything, Home, drain},
};
use rusqlite::{Connection, Params};
use serde_json::{Value, json};
use std::{
    fmt::{self, Display, Write as _},
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
};

/// Providers' ids are at least this long; shorter ones come from relays that give the same to many.
pub(crate) const A: &str = "msg_01AAAAAAAAAAAAAAAAAAAAAA";
pub(crate) const B: &str = "msg_01BBBBBBBBBBBBBBBBBBBBBB";

/// A log line as JSON.
#[derive(Clone)]
pub(crate) struct Line(pub(crate) Value);

impl Line {
    /// Sets what stands at a path such as `message.usage.speed`.
    pub(crate) fn with(mut self, path: &str, value: impl Into<Value>) -> Self {
        let place = path.split('.').fold(&mut self.0, |at, key| &mut at[key]);
        *place = value.into();
        self
    }

    /// Takes away what stands there.
    pub(crate) fn without(mut self, path: &str) -> Self {
        let (parent, key) = path.rsplit_once('.').unwrap_or(("", path));
        let keys = parent.split('.').filter(|key| !key.is_empty());
        let parent = keys.fold(&mut self.0, |at, key| &mut at[key]);
        let members = parent.as_object_mut().expect("an object");
        members.shift_remove(key).expect("it was there");
        self
    }
}

impl Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// An assistant line of Claude Code: input 2, cache reads 100.
pub(crate) fn response(id: &str, request: &str, output: u64) -> Line {
    Line(json!({
        "type": "assistant", "uuid": format!("uuid of {id} {request} {output}"), "parentUuid": "what the user said",
        "sessionId": "s1", "isSidechain": false, "requestId": request, "timestamp": "2026-11-20T09:00:00.000Z",
        "cwd": "/w/demo", "gitBranch": "main", "version": "2.1.280",
        "message": {
            "id": id, "type": "message", "role": "assistant", "model": "claude-sonnet-5", "content": [],
            "usage": {
                "input_tokens": 2, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100,
                "output_tokens": output, "service_tier": "standard"
            }
        }
    }))
}

/// An assistant message of OpenClaw: input 800, output 300, cache reads 5000, which its own figure says cost $0.0042.
pub(crate) fn message(id: &str) -> Line {
    Line(json!({
        "type": "message", "id": id, "parentId": "d1ac42b8", "timestamp": "2026-11-20T09:00:00.061Z",
        "message": {
            "role": "assistant", "content": [], "api": "anthropic-messages", "provider": "anthropic",
            "model": "claude-sonnet-5", "stopReason": "stop", "timestamp": 1_795_165_200_000_u64,
            "usage": {
                "input": 800, "output": 300, "cacheRead": 5000, "cacheWrite": 0, "totalTokens": 6100,
                "cost": {"input": 0.0, "output": 0.0, "cacheRead": 0.0, "cacheWrite": 0.0, "total": 0.0042}
            }
        }
    }))
}

/// The event that opens an OpenClaw transcript.
pub(crate) fn opening(session: &str) -> Line {
    Line(json!({
        "type": "session", "version": 3, "id": session, "timestamp": "2026-11-20T08:59:00.000Z", "cwd": "/w/claw"
    }))
}

/// A file of a case, its path below the home.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) path: String,
    pub(crate) bytes: Vec<u8>,
}

/// Lines in a file below a project's folder of Claude Code.
pub(crate) fn claude<L: Display>(name: &str, lines: impl IntoIterator<Item = L>) -> File {
    let path = format!(".claude/projects/-w-demo/{name}");
    let bytes = text(lines).into_bytes();
    File { path, bytes }
}

/// Lines in a file below OpenClaw's `agents`.
pub(crate) fn openclaw<L: Display>(name: &str, lines: impl IntoIterator<Item = L>) -> File {
    let path = format!(".openclaw/agents/{name}");
    let bytes = text(lines).into_bytes();
    File { path, bytes }
}

/// The same, packed.
pub(crate) fn packed<L: Display>(name: &str, lines: impl IntoIterator<Item = L>) -> File {
    let File { path, bytes } = openclaw(name, lines);
    let bytes = zstd::encode_all(bytes.as_slice(), 3).expect("packed in memory");
    File { path, bytes }
}

pub(crate) fn text<L: Display>(lines: impl IntoIterator<Item = L>) -> String {
    lines.into_iter().fold(String::new(), |mut text, line| {
        writeln!(text, "{line}").expect("text grows");
        text
    })
}

impl File {
    pub(crate) fn write(&self, home: &Home) {
        let path = home.path().join(&self.path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("can be created");
        fs::write(path, &self.bytes).expect("writable");
    }

    fn append(&self, home: &Home, bytes: &[u8]) {
        append(&home.path().join(&self.path), bytes);
    }
}

pub(crate) fn append(path: &Path, bytes: &[u8]) {
    fs::create_dir_all(path.parent().expect("a folder")).expect("can be created");
    let file = OpenOptions::new().create(true).append(true).open(path);
    let mut file = file.expect("writable");
    file.write_all(bytes).expect("written");
}

/// Asserts all that the product makes of these files, however they come: at once, one after the other from the last to
/// the first, or growing by turns in pieces that end anywhere, with a new process after each step.
#[track_caller]
pub(crate) fn case<const N: usize>(files: &[File], expected: [&str; N]) {
    let at_once = Home::new();
    files.iter().for_each(|file| file.write(&at_once));
    assert_eq!(telling(&at_once), expected, "read at once");

    let backwards = Home::new();
    for file in files.iter().rev() {
        file.write(&backwards);
        drain(&mut backwards.ingest());
    }
    assert_eq!(
        telling(&backwards),
        expected,
        "read file by file, the last first"
    );

    let growing = Home::new();
    for step in 0..5 {
        for file in files {
            // An archive appears whole.
            let (from, to) = match (file.path.ends_with(".zst"), step) {
                (true, 0) => (0, file.bytes.len()),
                (true, _) => continue,
                (false, _) => (
                    step * file.bytes.len() / 5,
                    (step + 1) * file.bytes.len() / 5,
                ),
            };
            file.append(&growing, &file.bytes[from..to]);
            drain(&mut growing.ingest());
        }
    }
    assert_eq!(telling(&growing), expected, "grown in pieces");
}

/// Everything the ledger tells once all is read: the rows, what the records came to, where broken ones lie, and what
/// stands in the way.
pub(crate) fn telling(home: &Home) -> Vec<String> {
    telling_of(home, &mut home.ingest())
}

/// The same through a process that is there already.
pub(crate) fn telling_of(home: &Home, ingest: &mut Ingest) -> Vec<String> {
    drain(ingest);
    let mut told = rows(&home.everything());
    told.extend(diagnostics(home));
    told.extend(
        ingest
            .follower
            .problems()
            .into_iter()
            .map(|problem| problem.code),
    );
    told
}

/// `day source project agent session model | responses | input output reads 5m-writes 1h-writes | dollars`.
pub(crate) fn rows(everything: &Everything) -> Vec<String> {
    let rows = everything.by(&[0, 2, 3, 4, 5, 6]).into_iter();
    rows.map(|(key, sums)| format!("{} | {}", key.join(" "), amount(&sums)))
        .collect()
}

pub(crate) fn amount(amount: &Amount) -> String {
    let Amount {
        cost,
        responses,
        unpriced_responses,
        tokens,
    } = amount;
    let Tokens {
        input,
        output,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        unsplit,
    } = tokens;
    let mut text =
        format!("{responses} | {input} {output} {cache_read} {cache_write_5m} {cache_write_1h}");
    if *unsplit > 0 {
        let _ = write!(text, " +{unsplit}");
    }
    let _ = write!(text, " | {cost}");
    if *unpriced_responses > 0 {
        let _ = write!(text, " and {unpriced_responses} unpriced");
    }
    text
}

/// `counted 3, broken 1`, then the broken ones: `NotJson at .claude/projects/-w-demo/s1.jsonl:120`.
fn diagnostics(home: &Home) -> Vec<String> {
    let ledger = Ledger::open_reader(&home.data().join("ledger.sqlite")).expect("a ledger");
    let mut told = vec![counts(ledger.counts().expect("counts"))];
    for record in ledger.broken_records(100).expect("records") {
        let path = Path::new(&record.path).strip_prefix(home.path());
        let path = path.expect("below the home").display();
        told.push(format!("{:?} at {path}:{}", record.fault, record.offset));
    }
    told
}

pub(crate) fn counts(counts: Counts) -> String {
    let counts = serde_json::to_value(counts).expect("numbers");
    let counts = counts.as_object().expect("names and numbers").iter();
    let known = counts.filter(|(_, count)| **count != 0);
    known
        .map(|(name, count)| format!("{name} {count}"))
        .collect::<Vec<_>>()
        .join(", ")
}

/// One agent's database, held open as OpenClaw does while it runs.
pub(crate) struct Agent {
    pub(crate) owner: Connection,
}

impl Agent {
    pub(crate) fn new(home: &Home, agent: &str) -> Self {
        Self::at(&home.path().join(format!(".openclaw/agents/{agent}/agent")))
    }

    pub(crate) fn at(folder: &Path) -> Self {
        fs::create_dir_all(folder).expect("can be created");
        let owner = Connection::open(folder.join("openclaw-agent.sqlite")).expect("a database");
        let watermarks = "CREATE TABLE transcript_rewrite_watermarks (
            session_id TEXT NOT NULL PRIMARY KEY, generation TEXT NOT NULL, updated_at INTEGER NOT NULL) STRICT;";
        let wal = "PRAGMA journal_mode = wal; PRAGMA synchronous = off;";
        for sql in [wal, AGENT_DATABASE, watermarks] {
            owner.execute_batch(sql).expect(sql);
        }
        Self { owner }
    }

    /// A session with its key, its opening event and these events.
    pub(crate) fn session(&self, id: &str, events: impl IntoIterator<Item = Line>) {
        self.run(
            "INSERT INTO session_nodes (session_key, current_session_id, entry_json, updated_at) VALUES (?1, ?1, '{}', 0)",
            [id],
        );
        self.run(
            "INSERT INTO session_windows (session_id, session_key, created_at, updated_at) VALUES (?1, ?1, 0, 0)",
            [id],
        );
        for (seq, event) in (0..).zip(std::iter::once(opening(id)).chain(events)) {
            self.event(id, seq, &event);
        }
    }

    pub(crate) fn event(&self, session: &str, seq: i64, event: &Line) {
        self.run(
            "INSERT INTO transcript_events (session_id, seq, event_json, created_at) VALUES (?1, ?2, ?3, 1795165200061)",
            (session, seq, event.to_string()),
        );
    }

    /// A transcript in the table of archives: as it is, or packed.
    pub(crate) fn archive(&self, session: &str, encoding: &str, text: &str) {
        let blob = match encoding {
            "zstd" => zstd::encode_all(text.as_bytes(), 3).expect("packed in memory"),
            _ => text.as_bytes().to_vec(),
        };
        self.run(
            "INSERT INTO session_transcript_archives
               (session_id, generation, session_key, reason, encoding, archive_blob, archive_sha256, archive_name, created_at)
             VALUES (?1, 'g', ?1, 'deleted', ?2, ?3, '', ?1, 1795165200061)",
            (session, encoding, blob),
        );
    }

    pub(crate) fn run(&self, sql: &str, values: impl Params) {
        self.owner.execute(sql, values).expect(sql);
    }
}

/// The database of a whole install, in which OpenClaw lists those of its agents.
pub(crate) struct AgentList {
    pub(crate) owner: Connection,
}

impl AgentList {
    pub(crate) fn new(home: &Home) -> Self {
        let folder = home.path().join(".openclaw/state");
        fs::create_dir_all(&folder).expect("can be created");
        let owner = Connection::open(folder.join("openclaw.sqlite")).expect("a database");
        let sql = "PRAGMA journal_mode = wal; CREATE TABLE agent_databases (
            agent_id TEXT NOT NULL, path TEXT NOT NULL, schema_version INTEGER NOT NULL, last_seen_at INTEGER NOT NULL,
            size_bytes INTEGER, PRIMARY KEY (agent_id, path)) STRICT";
        owner.execute_batch(sql).expect(sql);
        Self { owner }
    }

    pub(crate) fn add(&self, agent: &str, path: &str) {
        let sql = "INSERT INTO agent_databases VALUES (?1, ?2, 23, 0, NULL)";
        self.owner.execute(sql, (agent, path)).expect(sql);
    }
}
