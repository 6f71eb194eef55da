//! OpenClaw's live database of one agent, read as a guest: never written, never locked for long, never kept
//! open, and never touched with plain file calls (closing any descriptor of the file would drop SQLite's
//! locks in this process; `stat` needs none).
//!
//! A reading surveys which sessions have changed, then reads those, newest first, in pages. Each page is one
//! short read transaction that has ended before anything is decoded or handed out.

mod guest;
mod list;
mod schema;

pub use self::guest::{Stamp, stamp};
pub use self::list::listed;

use self::guest::{BUSY_TIMEOUT, Guest};
use self::schema::{Archive, Body, Page, Schema, State};
use super::{archive, roots::rank};
use crate::{
    dialects::{Carry, Context},
    usage::{Fault, SessionFacts},
};
use memchr::memmem::Finder;
use rusqlite::ErrorCode;
use serde::{Deserialize, Serialize};
use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet},
    io,
    path::Path,
    sync::LazyLock,
};
use zstd::bulk::Decompressor;

/// Rows at a session's end that are read again when it has changed: OpenClaw may rewrite them in place.
const TAIL_ROWS: i64 = 50;
/// After this many bytes or rows a reading ends, so that its results can be committed.
const READING_BYTES: usize = 16 << 20;
const READING_ROWS: u64 = 100_000;

/// How far one database has been read. Belongs into the same commit as what was made of the rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursors {
    /// By session id.
    pub sessions: BTreeMap<String, SessionCursor>,
    /// Archived transcripts that were read: session id and generation.
    pub archives: BTreeSet<(String, String)>,
    /// All rows up to this row id have been read.
    pub horizon: Option<i64>,
}

/// How far one session has been read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionCursor {
    /// All rows below have been read.
    pub next_seq: i64,
    /// Where the next reading begins: some rows before `next_seq`, which may be rewritten in place.
    pub from_seq: i64,
    /// What the rows below `from_seq` said.
    pub carry: Carry,
    /// OpenClaw's mark of the transcript; another one means that it was rewritten.
    pub generation: Option<String>,
    /// OpenClaw's own note of the last change.
    pub updated_at: Option<i64>,
}

impl Cursors {
    /// Takes over what a reading has moved.
    pub fn advance(&mut self, moved: Self) {
        self.sessions.extend(moved.sessions);
        self.archives.extend(moved.archives);
        self.horizon = moved.horizon.or(self.horizon);
    }
}

/// How to find the sessions that have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Survey {
    /// Goes by the newest row ids and OpenClaw's own notes: cost does not grow with the history.
    Quick,
    /// Compares every session's last row and generation: at start, and now and then.
    Thorough,
}

/// What the database says of a session besides its transcript.
#[derive(Default)]
struct SessionMeta {
    facts: SessionFacts,
    /// Provider and model now in use.
    provider: Option<String>,
    model: Option<String>,
}

/// One event of a transcript that may matter: it mentions usage, a model or the session's header.
#[derive(Debug)]
pub struct Row<'a> {
    /// Agent, session, standing and the row's own time, as the dialect wants them.
    pub context: &'a Context,
    /// Sequence number in the live transcript; byte offset in an archived one.
    pub place: u64,
    /// The event, or why it cannot be read.
    pub json: Result<&'a [u8], Fault>,
    /// It was handed out by an earlier reading and has been counted then.
    pub again: bool,
}

/// What a reading did.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Reading {
    /// Cursors that have moved; see [`Cursors::advance`].
    pub moved: Cursors,
    /// The reading ended early because it was long: commit and read on, with the same survey.
    pub more: bool,
    /// Rows seen for the first time that mention nothing of interest.
    pub passed_over: u64,
    /// What is known of the sessions that were read, or, after a thorough survey, of all.
    pub sessions: Vec<(String, SessionFacts)>,
    /// A store this version of OpenClaw keeps in a form unknown to us, such as `session_transcript_archives`.
    pub unknown: Vec<&'static str>,
}

/// Why a reading came to nothing. What was handed out before it must be discarded with the cursors; the
/// figures known so far stand.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum Incomplete {
    /// OpenClaw holds a lock.
    #[error("the database is locked")]
    Busy,
    /// A rollback journal is there: a write is under way, or was cut off and is OpenClaw's to repair.
    #[error("the database is being written or awaits its owner's recovery")]
    Recovering,
    /// The files changed beneath the reading.
    #[error("the database changed while it was read")]
    Changed,
    /// The operating system or SQLite refuses to open or read it.
    #[error("the database cannot be read: {0}")]
    Unreadable(String),
    /// What is there is not a sound database.
    #[error("the database is damaged: {0}")]
    Damaged(String),
    /// A table or column that reading needs is missing.
    #[error("the database has no {0}")]
    Lacks(&'static str),
}

impl Incomplete {
    /// Whether waiting may help; otherwise only another [`Stamp`] does.
    #[must_use]
    pub const fn passes(&self) -> bool {
        !matches!(self, Self::Lacks(_))
    }
}

impl From<rusqlite::Error> for Incomplete {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                Self::Damaged(error.to_string())
            }
            _ => Self::Unreadable(error.to_string()),
        }
    }
}

impl From<io::Error> for Incomplete {
    fn from(error: io::Error) -> Self {
        Self::Unreadable(error.to_string())
    }
}

/// Reads what is new since `cursors` and hands each row to `sink`, with what earlier rows of its session
/// carried. `base` is what the database's path says (see [`super::roots::classify`]).
///
/// # Errors
/// [`Incomplete`]; never an empty reading in its place.
pub fn read_new(
    path: &Path,
    base: &Context,
    cursors: &Cursors,
    survey: Survey,
    sink: &mut dyn FnMut(Row<'_>, &mut Carry),
) -> Result<Reading, Incomplete> {
    let guest = Guest::open(path, BUSY_TIMEOUT)?;
    if guest.transaction(schema::has_no_table)? {
        return Ok(Reading::default());
    }
    let schema = guest.transaction(Schema::read)??;
    let found = guest.transaction(|tx| schema.survey(tx, cursors, survey))?;
    let mut reader = Reader {
        guest,
        schema,
        base,
        survey,
        sink,
        page: Page::default(),
        unpacker: Unpacker {
            decoder: Decompressor::new()?,
            out: Vec::new(),
        },
        reading: Reading::default(),
        bytes: 0,
        rows: 0,
    };
    reader.reading.unknown.clone_from(&reader.schema.unknown);

    if survey == Survey::Thorough {
        let all = reader.guest.transaction(|tx| reader.schema.all_facts(tx))?;
        reader.reading.sessions = all;
    }
    let mut sessions = found.sessions;
    sessions.sort_by_key(|(_, state)| Reverse(state.updated_at));
    for (id, state) in sessions {
        reader.session(&id, cursors.sessions.get(&id), &state)?;
        if reader.reading.more {
            return Ok(reader.reading);
        }
    }
    for archive in found.archives {
        reader.archive(archive)?;
        if reader.reading.more {
            return Ok(reader.reading);
        }
    }
    reader.reading.moved.horizon = found.horizon;
    Ok(reader.reading)
}

struct Reader<'a> {
    guest: Guest,
    schema: Schema,
    base: &'a Context,
    survey: Survey,
    sink: &'a mut dyn FnMut(Row<'_>, &mut Carry),
    page: Page,
    unpacker: Unpacker,
    reading: Reading,
    bytes: usize,
    rows: u64,
}

impl Reader<'_> {
    /// Reads one session from where its cursor stands, or from its start when in doubt.
    fn session(
        &mut self,
        id: &str,
        known: Option<&SessionCursor>,
        state: &State,
    ) -> Result<(), Incomplete> {
        let meta = self.guest.transaction(|tx| self.schema.meta(tx, id))?;
        if self.survey == Survey::Quick {
            self.reading
                .sessions
                .push((id.to_owned(), meta.facts.clone()));
        }
        let fresh = || SessionCursor {
            carry: Carry {
                model: meta.model.clone(),
                provider: meta.provider.clone(),
                ..Carry::default()
            },
            generation: state.generation.clone(),
            ..SessionCursor::default()
        };
        // Rows that vanished mean a rewrite, even without a new generation.
        let mut cursor = known
            .filter(|known| known.next_seq <= state.next_seq)
            .cloned()
            .unwrap_or_else(fresh);
        let mut context = Context {
            session: id.into(),
            rank: rank::LIVE_DB,
            ..self.base.clone()
        };
        let mut counted = cursor.next_seq;
        let mut carry = cursor.carry.clone();
        let mut seq = cursor.from_seq;
        let (mut tail_kept, mut restarted) = (false, false);
        loop {
            self.guest
                .transaction(|tx| self.schema.page(tx, id, seq, &mut self.page))?;
            if self.page.generation != cursor.generation {
                if restarted {
                    return Err(Incomplete::Changed);
                }
                cursor = SessionCursor {
                    generation: self.page.generation.clone(),
                    ..fresh()
                };
                (carry, seq, counted, tail_kept, restarted) =
                    (cursor.carry.clone(), 0, 0, false, true);
                continue;
            }
            for row in &self.page.rows {
                if !tail_kept && row.seq >= state.next_seq.saturating_sub(TAIL_ROWS) {
                    (cursor.from_seq, cursor.carry, tail_kept) = (row.seq, carry.clone(), true);
                }
                cursor.next_seq = row.seq.saturating_add(1);
                context.stored_at = row.created_at;
                let again = row.seq < counted;
                match self.unpacker.event(&self.page, &row.body) {
                    Some(json) => {
                        let place = u64::try_from(row.seq).unwrap_or(0);
                        (self.sink)(
                            Row {
                                context: &context,
                                place,
                                json,
                                again,
                            },
                            &mut carry,
                        );
                    }
                    None => self.reading.passed_over += u64::from(!again),
                }
            }
            self.bytes += self.page.bytes.len();
            self.rows += self.page.rows.len() as u64;
            seq = cursor.next_seq;
            if self.page.last {
                cursor.updated_at = state.updated_at;
                break;
            }
            self.check_length();
            if self.reading.more {
                break;
            }
        }
        if !tail_kept {
            (cursor.from_seq, cursor.carry) = (cursor.next_seq, carry);
        }
        self.reading.moved.sessions.insert(id.into(), cursor);
        self.check_length();
        Ok(())
    }

    /// Reads one archived transcript, whole.
    fn archive(&mut self, archive: Archive) -> Result<(), Incomplete> {
        let stored_at = self
            .guest
            .transaction(|tx| self.schema.blob(tx, &archive, &mut self.page))?;
        let context = Context {
            session: archive.session.clone(),
            rank: rank::ARCHIVE_TABLE,
            stored_at,
            ..self.base.clone()
        };
        let mut carry = Carry::default();
        let mut hand_out = |place, json: Result<&[u8], Fault>| {
            if json.is_ok_and(|json| !wanted(json)) {
                self.reading.passed_over += 1;
                return;
            }
            (self.sink)(
                Row {
                    context: &context,
                    place,
                    json,
                    again: false,
                },
                &mut carry,
            );
        };
        if self.page.last {
            archive::each_line(archive::of_bytes(&self.page.bytes)?, hand_out)?;
        } else {
            hand_out(0, Err(Fault::TooLong));
        }
        self.bytes += self.page.bytes.len();
        self.reading
            .moved
            .archives
            .insert((archive.session, archive.generation));
        self.check_length();
        Ok(())
    }

    fn check_length(&mut self) {
        self.reading.more = self.bytes >= READING_BYTES || self.rows >= READING_ROWS;
    }
}

/// Whether an event may tell anything: most, and the largest, hold only what people and tools said.
fn wanted(json: &[u8]) -> bool {
    static TELLING: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
        [
            "\"usage\"",
            "\"model_change\"",
            "\"model-snapshot\"",
            "\"session\"",
        ]
        .map(Finder::new)
    });
    TELLING.iter().any(|needle| needle.find(json).is_some())
}

struct Unpacker {
    decoder: Decompressor<'static>,
    out: Vec<u8>,
}

impl Unpacker {
    /// The event of a row, or `None` when it tells nothing.
    fn event<'a>(&'a mut self, page: &'a Page, body: &Body) -> Option<Result<&'a [u8], Fault>> {
        match body {
            Body::Idle => None,
            Body::Broken(fault) => Some(Err(*fault)),
            Body::Plain(range) => Some(Ok(&page.bytes[range.clone()])),
            Body::Packed(range) => {
                match archive::unpack_event(
                    &mut self.decoder,
                    &page.bytes[range.clone()],
                    &mut self.out,
                ) {
                    Ok(()) if wanted(&self.out) => Some(Ok(&self.out)),
                    Ok(()) => None,
                    Err(fault) => Some(Err(fault)),
                }
            }
        }
    }
}
