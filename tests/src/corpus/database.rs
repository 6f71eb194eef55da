//! An OpenClaw agent's database, as version 2026.9.6 lays it out.

use super::{
    clock::iso,
    openclaw::{Event, Session},
    state_dir::archive_name,
    truth::Tally,
};
use rusqlite::{Connection, params};
use std::{
    io,
    path::{Path, PathBuf},
};

const SCHEMA: &str = include_str!("agent_database.sql");

/// Events from this many bytes on are compressed.
const COMPRESSED_FROM: usize = 1024;

#[derive(Debug)]
pub(super) struct AgentDatabase {
    path: PathBuf,
    agent: String,
    connection: Connection,
}

/// One session's rows, not yet committed.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    connection: &'a Connection,
    agent: &'a str,
    session: &'a str,
    next: i64,
    /// Long events are compressed.
    packing: bool,
}

impl AgentDatabase {
    /// Creates it in the agent's folder.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let agent = folder
            .file_name()
            .map(|name| name.to_string_lossy().into_owned())
            .unwrap_or_default();
        let path = folder.join("agent/openclaw-agent.sqlite");
        std::fs::create_dir_all(folder.join("agent"))?;
        let connection = Connection::open(&path).map_err(io::Error::other)?;
        connection
            .execute_batch("PRAGMA journal_mode = off; PRAGMA synchronous = off;")
            .map_err(io::Error::other)?;
        connection.execute_batch(SCHEMA).map_err(io::Error::other)?;
        Ok(Self {
            path,
            agent,
            connection,
        })
    }

    /// Begins a session of its own key.
    pub(super) fn session<'a>(
        &'a mut self,
        id: &'a str,
        at: i64,
        packing: bool,
    ) -> io::Result<Rows<'a>> {
        self.connection
            .execute_batch("BEGIN")
            .map_err(io::Error::other)?;
        let rows = Rows {
            connection: &self.connection,
            agent: &self.agent,
            session: id,
            next: 0,
            packing,
        };
        rows.window(id, None, "initial", at)
            .map_err(io::Error::other)?;
        Ok(rows)
    }

    /// Keeps a deleted session's lines, compressed.
    pub(super) fn archive(
        &mut self,
        id: &str,
        stamp: &str,
        at: i64,
        packed: &[u8],
    ) -> io::Result<()> {
        let (generation, key) = (id.replace('-', ""), format!("agent:{}:{id}", self.agent));
        self.connection
            .execute(
                "INSERT INTO session_transcript_archives
                   (session_id, generation, session_key, reason, encoding, archive_blob, archive_sha256, archive_name, created_at)
                 VALUES (?1, ?2, ?3, 'deleted', 'zstd', ?4, ?5, ?6, ?7)",
                params![id, generation, key, packed, format!("{generation}{generation}"), archive_name(id, stamp), at],
            )
            .map_err(io::Error::other)?;
        Ok(())
    }

    /// Leaves the file as OpenClaw does when it ends: in WAL mode, without files beside it.
    pub(super) fn close(self, tally: &mut Tally) -> io::Result<()> {
        self.connection
            .execute_batch("PRAGMA journal_mode = wal")
            .map_err(io::Error::other)?;
        self.connection
            .close()
            .map_err(|(_, error)| io::Error::other(error))?;
        tally.file(std::fs::metadata(&self.path)?.len());
        Ok(())
    }
}

impl Rows<'_> {
    pub(super) fn push(&mut self, event: &Event<'_>) -> io::Result<()> {
        self.insert(event).map_err(io::Error::other)
    }

    /// Copies the first `percent` of the events to a new session, as a fork or a rewind does.
    pub(super) fn copy(&mut self, to: &str, reason: &str, at: i64, percent: i64) -> io::Result<()> {
        let end = self.next * percent / 100;
        self.copy_events(to, reason, at, end)
            .map_err(io::Error::other)
    }

    pub(super) fn commit(self) -> io::Result<()> {
        self.connection
            .execute_batch("COMMIT")
            .map_err(io::Error::other)
    }

    fn insert(&mut self, event: &Event<'_>) -> rusqlite::Result<()> {
        let packed = match event.json.len() {
            COMPRESSED_FROM.. if self.packing => {
                zstd::bulk::compress(event.json.as_bytes(), 3).ok()
            }
            _ => None,
        };
        let plain = packed.is_none().then_some(event.json);
        let navigation = packed.is_some().then(|| navigation(event));
        self.connection
            .prepare_cached("INSERT INTO transcript_events VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)")?
            .execute(params![
                self.session,
                self.next,
                plain,
                event.at,
                packed,
                length(event.json),
                navigation
            ])?;
        self.connection
            .prepare_cached(
                "INSERT INTO transcript_event_identities VALUES (?1, ?2, ?3, ?4, ?5, NULL, ?6)",
            )?
            .execute(params![
                self.session,
                event.id,
                self.next,
                event.kind,
                event.parent,
                event.at
            ])?;
        self.next += 1;
        Ok(())
    }

    fn copy_events(&self, to: &str, reason: &str, at: i64, end: i64) -> rusqlite::Result<()> {
        self.window(to, Some(self.session), reason, at)?;
        let opening = Session::opening(to, 4, at);
        self.connection.execute(
            "INSERT INTO transcript_events VALUES (?1, 0, ?2, ?3, NULL, ?4, NULL)",
            params![to, opening, at, length(&opening)],
        )?;
        self.connection.execute(
            "INSERT INTO transcript_events
             SELECT ?1, seq, event_json, created_at, event_zstd, event_utf8_bytes, navigation_json
             FROM transcript_events WHERE session_id = ?2 AND seq BETWEEN 1 AND ?3",
            params![to, self.session, end],
        )?;
        self.connection.execute(
            "INSERT INTO transcript_event_identities
             SELECT ?1, event_id, seq, event_type, parent_id, message_idempotency_key, created_at
             FROM transcript_event_identities WHERE session_id = ?2 AND seq BETWEEN 1 AND ?3",
            params![to, self.session, end],
        )?;
        Ok(())
    }

    /// A session key of its own, except after a rewind, and the window of `id` under it.
    fn window(
        &self,
        id: &str,
        previous: Option<&str>,
        reason: &str,
        at: i64,
    ) -> rusqlite::Result<()> {
        let owner = if reason == "rewind" {
            previous.unwrap_or(id)
        } else {
            id
        };
        let key = format!("agent:{}:{owner}", self.agent);
        let forked = previous.filter(|_| reason == "fork");
        self.connection.execute(
            "INSERT INTO session_nodes (session_key, current_session_id, entry_json, entry_valid, updated_at, created_at,
               created_via, fork_source_session_id)
             VALUES (?1, ?2, '{}', 1, ?3, ?3, 'run', ?4)
             ON CONFLICT (session_key) DO UPDATE SET current_session_id = excluded.current_session_id",
            params![key, id, at, forked],
        )?;
        self.connection.execute(
            "INSERT INTO session_windows (session_id, session_key, previous_session_id, reason, created_at, updated_at,
               transcript_updated_at, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?5, ?5)",
            params![id, key, previous, reason, at],
        )?;
        Ok(())
    }
}

/// What stands beside a compressed event to be listed without unpacking it; it has nothing that counts.
fn navigation(event: &Event<'_>) -> String {
    let Event {
        kind,
        id,
        parent,
        at,
        json,
    } = event;
    let parent = parent.map_or_else(|| "null".to_owned(), |parent| format!(r#""{parent}""#));
    let entry = format!(
        r#""type":"{kind}","id":"{id}","parentId":{parent},"timestamp":"{}""#,
        iso(*at)
    );
    let role = json
        .split_once(r#""message":{"role":""#)
        .and_then(|(_, rest)| rest.split('"').next());
    let message = |more: &str| {
        role.map_or_else(String::new, |role| {
            format!(r#","message":{{"role":"{role}"{more}}}"#)
        })
    };
    let bytes = json.len();
    format!(
        r#"{{"version":1,"report":{{"kind":"canonical","hasParentId":true,"entry":{{{entry}}}}},"navigation":{{{entry}{}}},"reset":{{{entry}{}}},"model":{{{entry}{}}},"modelBytes":{bytes},"modelWithoutCheckpointBytes":{bytes},"withoutCustomDataBytes":{bytes}}}"#,
        message(r#","__openclaw":{}"#),
        message(""),
        message(r#","content":[],"command":"","output":"""#),
    )
}

fn length(json: &str) -> i64 {
    i64::try_from(json.len()).unwrap_or(i64::MAX)
}
