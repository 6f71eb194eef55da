//! OpenClaw's state directory: in which files, copies and databases a session ends up.

use super::{
    clock::{Clock, file_stamp},
    database::AgentDatabase,
    openclaw::Session,
    pitfall::Pitfall,
    random::Random,
    text::Text,
    transcript::Transcript,
    truth::Tally,
};
use std::{
    io,
    path::{Path, PathBuf},
};

/// What became of a session; each counts once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// A live file of the older era.
    Live,
    /// Only the file that a reset left.
    Reset,
    /// Only the file that a delete left.
    Deleted,
    /// A live file and a reset copy of it.
    LiveAndReset,
    /// Moved aside by the migration without having been imported: the only copy.
    ArchiveTier,
    /// Rows of the newer era.
    Rows,
    /// Rows, partly copied to a new session.
    ForkedRows,
    /// Rows, a part of which was copied when the session was wound back.
    RewoundRows,
    /// Rows, and the live file they were imported from.
    RowsAndLive,
    /// Rows, and the file the migration moved aside.
    RowsAndImported,
    /// Deleted in the newer era: a compressed file, and the same in the archive table.
    Archived,
}

pub(super) const FATES: &[Fate] = &[
    Fate::Live,
    Fate::Rows,
    Fate::Reset,
    Fate::ForkedRows,
    Fate::Deleted,
    Fate::RowsAndLive,
    Fate::LiveAndReset,
    Fate::RewoundRows,
    Fate::ArchiveTier,
    Fate::RowsAndImported,
    Fate::Archived,
    Fate::Live,
];

impl Fate {
    /// The transcript files it leaves.
    pub(super) const fn files(self) -> usize {
        match self {
            Self::Rows | Self::ForkedRows | Self::RewoundRows => 0,
            Self::LiveAndReset => 2,
            _ => 1,
        }
    }

    pub(super) const fn needs_database(self) -> bool {
        !matches!(
            self,
            Self::Live | Self::Reset | Self::Deleted | Self::LiveAndReset | Self::ArchiveTier
        )
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Live => "live file",
            Self::Reset => "reset file",
            Self::Deleted => "deleted file",
            Self::LiveAndReset => "live file with reset copy",
            Self::ArchiveTier => "archive tier",
            Self::Rows => "rows",
            Self::ForkedRows => "forked rows",
            Self::RewoundRows => "rewound rows",
            Self::RowsAndLive => "rows with live file",
            Self::RowsAndImported => "rows with imported file",
            Self::Archived => "archived in table and file",
        }
    }
}

/// One session of the plan.
#[derive(Debug)]
pub(super) struct OpenClawSession {
    pub(super) seed: u64,
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) fate: Fate,
    pub(super) bytes: u64,
    pub(super) pitfalls: &'static [Pitfall],
}

/// The old era's index; its counters cover the last run only and must not be added.
const INDEX: &str = r#"{"agent:main:main":{"sessionId":"0","inputTokens":500,"outputTokens":60,"totalTokens":1300,"cacheRead":800}}"#;

/// Writes the sessions of one agent.
pub(super) fn write_agent(
    folder: &Path,
    sessions: &[OpenClawSession],
    text: &Text,
    tally: &mut Tally,
) -> io::Result<()> {
    let mut database = match sessions.iter().any(|session| session.fate.needs_database()) {
        true => Some(AgentDatabase::create(folder)?),
        false => None,
    };
    for session in sessions {
        session.write(folder, database.as_mut(), text, tally)?;
    }
    if folder.join("sessions").is_dir() {
        std::fs::write(folder.join("sessions/sessions.json"), INDEX)?;
    }
    database.map_or(Ok(()), |database| database.close(tally))
}

impl OpenClawSession {
    fn write(
        &self,
        folder: &Path,
        database: Option<&mut AgentDatabase>,
        text: &Text,
        tally: &mut Tally,
    ) -> io::Result<()> {
        tally.trap(self.fate.name());
        let mut random = Random::new(self.seed);
        let clock = Clock::new(self.start, self.end, &mut random);
        let version = if self.fate.needs_database() { 4 } else { 3 };
        let mut session = Session::new(text, random, clock, version, self.bytes, self.pitfalls);
        let mut files = Vec::new();
        for path in self.paths(folder, &session.id) {
            files.push(Transcript::create(&path)?);
        }
        match database {
            Some(database) if self.fate == Fate::Archived => {
                let mut lines = Vec::new();
                session.play(tally, &mut |event| {
                    lines.extend_from_slice(event.json.as_bytes());
                    lines.push(b'\n');
                    Ok(())
                })?;
                let packed = zstd::bulk::compress(&lines, 3)?;
                database.archive(
                    &session.id,
                    &file_stamp(session.clock.now()),
                    session.clock.now(),
                    &packed,
                )?;
                for file in &mut files {
                    file.raw(&packed)?;
                }
            }
            Some(database) if self.fate.needs_database() => {
                let started = session.clock.now();
                let id = session.id.clone();
                let mut rows = database.session(
                    &id,
                    started,
                    self.pitfalls.contains(&Pitfall::PackedEvents),
                )?;
                session.play(tally, &mut |event| {
                    rows.push(event)?;
                    files.iter_mut().try_for_each(|file| file.line(event.json))
                })?;
                let last = session.clock.now();
                match self.fate {
                    Fate::ForkedRows => rows.copy(&session.random.uuid(), "fork", last, 80)?,
                    Fate::RewoundRows => rows.copy(&session.random.uuid(), "rewind", last, 50)?,
                    _ => {}
                }
                rows.commit()?;
            }
            _ => session.play(tally, &mut |event| {
                files.iter_mut().try_for_each(|file| file.line(event.json))
            })?,
        }
        files.into_iter().try_for_each(|file| file.close(tally))
    }

    fn paths(&self, folder: &Path, id: &str) -> Vec<PathBuf> {
        let stamp = file_stamp(self.start);
        let sessions = folder.join("sessions");
        let aside = folder.join("session-sqlite-import-archive");
        let live = sessions.join(format!("{id}.jsonl"));
        let reset = sessions.join(format!("{id}.jsonl.reset.{stamp}"));
        match self.fate {
            Fate::Rows | Fate::ForkedRows | Fate::RewoundRows => vec![],
            Fate::Live | Fate::RowsAndLive => vec![live],
            Fate::Reset => vec![reset],
            Fate::LiveAndReset => vec![live, reset],
            Fate::Deleted => vec![sessions.join(format!("{id}.jsonl.deleted.{stamp}"))],
            Fate::Archived => vec![sessions.join(archive_name(id, &stamp))],
            Fate::ArchiveTier => {
                vec![aside.join(format!("archive-tier.{id}.jsonl.imported-{}", self.end))]
            }
            Fate::RowsAndImported => {
                vec![aside.join(format!("{}.{id}.jsonl.imported-{}", &id[..8], self.end))]
            }
        }
    }
}

/// The name of a deleted session's compressed file; the part before the ending is its generation.
pub(super) fn archive_name(id: &str, stamp: &str) -> String {
    format!("{id}.jsonl.deleted.{stamp}.{}.zst", id.replace('-', ""))
}
