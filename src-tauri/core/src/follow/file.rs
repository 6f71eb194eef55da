//! Reads what is new in one log file into a batch, from a position that its content proves.

use super::{
    archive,
    lines::{self, Lines, Piece},
    roots::{Kind, LogFile},
};
use crate::{
    api::Problem,
    dialects::{Carry, Context, claude_code, codex, openclaw, openclaw_session},
    ledger::{
        Batch, LedgerError, Place,
        files::{BROKEN_PLACES, FileState},
    },
    time::UnixMillis,
    usage::{Fault, Line},
};
use serde::de::IgnoredAny;
use std::{
    borrow::Cow,
    fs::File,
    io::{self, Read, Seek as _, SeekFrom},
    path::Path,
    time::SystemTime,
};
use xxhash_rust::xxh3::xxh3_64;

/// How many bytes at the beginning and before the offset prove that the content is still the same.
const HEAD: u64 = 1024;
const ANCHOR: u64 = 512;

/// A last line without newline counts once its file has been quiet for so long.
const QUIET_MILLIS: i64 = 5_000;

/// A file changed this recently may change again within the same tick of its file system's clock.
const FRESH_MILLIS: i64 = 2_000;

/// What the operating system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stat {
    pub(super) identity: (u64, u64),
    pub(super) size: u64,
    /// Nanoseconds since the epoch.
    pub(super) mtime: i64,
}

impl Stat {
    pub(super) fn of(metadata: &std::fs::Metadata) -> Self {
        #[cfg(unix)]
        let identity = {
            use std::os::unix::fs::MetadataExt as _;
            (metadata.dev(), metadata.ino())
        };
        // Elsewhere the path alone tells files apart: a renamed file is read again, which is harmless.
        #[cfg(not(unix))]
        let identity = (0, 0);
        let mtime = metadata
            .modified()
            .ok()
            .and_then(|at| at.duration_since(SystemTime::UNIX_EPOCH).ok())
            .and_then(|since| i64::try_from(since.as_nanos()).ok())
            .unwrap_or_default();
        Self {
            identity,
            size: metadata.len(),
            mtime,
        }
    }

    /// How far its last change is from now; also one to come, as a clock that was set back or another machine's
    /// makes it.
    fn age_millis(&self, now: UnixMillis) -> i64 {
        (now.0 - self.mtime / 1_000_000).abs()
    }

    /// The modification time to remember; 0, so that the next scan looks again, while it is fresh.
    pub(super) fn settled_mtime(&self, now: UnixMillis) -> i64 {
        if self.age_millis(now) < FRESH_MILLIS {
            0
        } else {
            self.mtime
        }
    }
}

/// How reading a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// Everything complete was read.
    End,
    /// The batch is full; there is more.
    More,
    /// What follows the last newline waits for it, or for quiet.
    Waiting,
}

/// Why a file was not read.
#[derive(Debug)]
pub(super) enum ReadError {
    Io(io::Error),
    Ledger(LedgerError),
    /// A database could not be read to its end.
    Incomplete(Problem),
}

impl From<io::Error> for ReadError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<LedgerError> for ReadError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

/// How much one batch takes in before it is committed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Room {
    pub(super) bytes: u64,
    pub(super) clusters: usize,
}

pub(super) fn parse<'a>(
    kind: Kind,
    line: &'a [u8],
    context: &'a Context,
    carry: &mut Carry,
) -> Line<'a> {
    match kind {
        Kind::ClaudeJsonl => claude_code::parse(line, context, carry),
        Kind::CodexJsonl | Kind::CodexArchive => codex::parse(line, context, carry),
        _ => openclaw::parse(line, context, carry),
    }
}

/// Zeros are what a power cut leaves of bytes that never reached the disk; what was written behind them later is a
/// record of its own.
pub(super) fn leading_zeros(line: &[u8]) -> usize {
    line.iter().take_while(|byte| **byte == 0).count()
}

/// Puts the records of one file where they belong: into the batch, or into a counter.
pub(super) struct Intake<'b, 'l> {
    pub(super) batch: &'b mut Batch<'l>,
    pub(super) state: &'b mut FileState,
    place: Place,
}

impl<'b, 'l> Intake<'b, 'l> {
    pub(super) fn new(
        batch: &'b mut Batch<'l>,
        state: &'b mut FileState,
    ) -> Result<Self, LedgerError> {
        let place = batch.place(&state.path)?;
        Ok(Self {
            batch,
            state,
            place,
        })
    }

    /// Takes a line of a file.
    fn line(
        &mut self,
        log: &LogFile,
        line: &[u8],
        offset: u64,
        carry: &mut Carry,
    ) -> Result<(), LedgerError> {
        let zeros = leading_zeros(line);
        if zeros > 0 {
            self.broken(Fault::NotJson, offset)?;
            if zeros == line.len() {
                return Ok(());
            }
        }
        let record = parse(log.kind, &line[zeros..], &log.context, carry);
        self.take(record, offset + zeros as u64)
    }

    pub(super) fn take(&mut self, line: Line<'_>, offset: u64) -> Result<(), LedgerError> {
        match line {
            Line::Observation(observation) => {
                self.state.counts.counted += 1;
                self.batch.add(&observation, self.place, offset)
            }
            Line::Ignored(reason) => {
                self.state.counts.ignore(reason);
                Ok(())
            }
            Line::Broken(fault) => self.broken(fault, offset),
        }
    }

    pub(super) fn broken(&mut self, fault: Fault, offset: u64) -> Result<(), LedgerError> {
        if self.state.id.is_none() {
            self.batch.set_file(self.state)?;
        }
        self.batch.add_broken(self.state, offset, fault)
    }

    /// Takes what follows the last newline of a file that has been quiet: its writer may never come back. A whole
    /// record is one; part of one is told as broken until it is read again from where it begins. Returns the byte to
    /// go on from.
    fn last(
        &mut self,
        log: &LogFile,
        rest: &Piece<'_>,
        carry: &mut Carry,
    ) -> Result<u64, LedgerError> {
        match *rest {
            Piece::Line(offset, line) if is_whole(line) => {
                self.line(log, line, offset, carry)?;
                Ok(offset + line.len() as u64)
            }
            Piece::Line(offset, line) => {
                if !line.trim_ascii().is_empty() {
                    self.unfinished(Fault::NotJson, offset)?;
                }
                Ok(offset)
            }
            Piece::TooLong(offset) => {
                self.unfinished(Fault::TooLong, offset)?;
                Ok(offset)
            }
        }
    }

    fn unfinished(&mut self, fault: Fault, offset: u64) -> Result<(), LedgerError> {
        // Without its place it could not be taken back.
        if self.state.counts.broken < BROKEN_PLACES {
            self.broken(fault, offset)?;
        }
        Ok(())
    }
}

/// Whether a line without newline is a record all the same: nothing that may still come can be part of an object
/// that is closed.
fn is_whole(line: &[u8]) -> bool {
    line.trim_ascii_start().starts_with(b"{") && serde_json::from_slice::<IgnoredAny>(line).is_ok()
}

/// Reads on in a JSONL file, or an archive from its beginning; `read` counts the bytes.
pub(super) fn read(
    path: &Path,
    log: &LogFile,
    state: &mut FileState,
    batch: &mut Batch<'_>,
    room: &mut Room,
    buffer: &mut Vec<u8>,
    now: UnixMillis,
) -> Result<Ended, ReadError> {
    let mut file = File::open(path)?;
    // The open handle supplies stat, proof and data, so that a rename in between mixes nothing.
    let stat = Stat::of(&file.metadata()?);
    let log = &*with_note(path, log);
    let subagent = &log.context.subagent;
    if !(state.offset == 0 || state.stamp == *subagent && proves(&mut file, state)?) {
        if let Some(id) = state.id {
            batch.forget_broken(id)?;
        }
        state.restart();
    }
    state.identity = stat.identity;
    state.stamp.clone_from(subagent);
    if log.kind == Kind::OpenClawIndex {
        return read_index(&file, stat, state, batch, room, now);
    }
    if matches!(log.kind, Kind::OpenClawArchive | Kind::CodexArchive) {
        return read_archive(path, stat, log, state, batch, room, buffer, now);
    }
    let mut carry: Carry = serde_json::from_str(&state.carry).unwrap_or_default();
    batch.take_back_unfinished(state)?;
    let began = state.offset;
    let newline_missing = ends_without_newline(&mut file, began)?;
    let mut intake = Intake::new(batch, state)?;
    file.seek(SeekFrom::Start(began))?;
    let mut lines = Lines::new(&file, began, std::mem::take(buffer));
    let mut ended = loop {
        if lines.offset() - began >= room.bytes || intake.batch.pending() >= room.clusters {
            break Ended::More;
        }
        match lines.next()? {
            // The newline of a line that was taken without it.
            Some(Piece::Line(offset, line))
                if newline_missing && offset == began && line.trim_ascii().is_empty() => {}
            Some(Piece::Line(offset, line)) => intake.line(log, line, offset, &mut carry)?,
            Some(Piece::TooLong(offset)) => intake.broken(Fault::TooLong, offset)?,
            None => break Ended::End,
        }
    };
    let mut settled = stat.settled_mtime(now);
    let mut offset = lines.offset();
    if ended == Ended::End
        && let Some(rest) = lines.rest()
    {
        if stat.age_millis(now) >= QUIET_MILLIS {
            offset = intake.last(log, &rest, &mut carry)?;
        } else {
            (ended, settled) = (Ended::Waiting, 0);
        }
    }
    state.offset = offset;
    room.bytes = room.bytes.saturating_sub(state.offset - began);
    *buffer = lines.into_buffer();
    (state.size, state.mtime) = if ended == Ended::More {
        (state.offset, 0)
    } else {
        (stat.size, settled)
    };
    state.carry = carry_text(&carry);
    prove(&mut file, state)?;
    batch.set_file(state)?;
    Ok(ended)
}

/// A log, and of a Claude Code subagent's also the note beside it, which says what kind it was.
pub(super) fn with_note<'l>(path: &Path, log: &'l LogFile) -> Cow<'l, LogFile> {
    let is_subagent = log.kind == Kind::ClaudeJsonl
        && path
            .file_name()
            .is_some_and(|name| name.as_encoded_bytes().starts_with(b"agent-"));
    let note = is_subagent.then(|| std::fs::read(path.with_extension("meta.json")).ok());
    let Some(subagent) = note
        .flatten()
        .and_then(|json| claude_code::agent_type(&json))
    else {
        return Cow::Borrowed(log);
    };
    let context = Context {
        subagent,
        ..log.context.clone()
    };
    Cow::Owned(LogFile {
        kind: log.kind,
        context,
    })
}

/// An index is rewritten whole, and tells of sessions only: it has no records to count.
fn read_index(
    file: &File,
    stat: Stat,
    state: &mut FileState,
    batch: &mut Batch<'_>,
    room: &mut Room,
    now: UnixMillis,
) -> Result<Ended, ReadError> {
    state.restart();
    if let Some(id) = state.id {
        batch.forget_broken(id)?;
    }
    let mut json = Vec::new();
    let longest = lines::LONGEST as u64;
    let length = file.take(longest + 1).read_to_end(&mut json)? as u64;
    let sessions = if length > longest {
        Err(Fault::TooLong)
    } else {
        openclaw_session::index(&json).ok_or(Fault::NotJson)
    };
    match sessions {
        Ok(sessions) => {
            for (session, facts) in &sessions {
                batch.describe_session(state.source, session, facts)?;
            }
        }
        Err(fault) => Intake::new(batch, state)?.broken(fault, 0)?,
    }
    room.bytes = room.bytes.saturating_sub(length);
    (state.size, state.mtime) = (stat.size, stat.settled_mtime(now));
    batch.set_file(state)?;
    Ok(Ended::End)
}

/// An archive does not grow: any change means reading it whole.
#[expect(
    clippy::too_many_arguments,
    reason = "the arguments of `read`, passed on"
)]
fn read_archive(
    path: &Path,
    stat: Stat,
    log: &LogFile,
    state: &mut FileState,
    batch: &mut Batch<'_>,
    room: &mut Room,
    buffer: &mut Vec<u8>,
    now: UnixMillis,
) -> Result<Ended, ReadError> {
    state.restart();
    if let Some(id) = state.id {
        batch.forget_broken(id)?;
    }
    let mut carry = Carry::default();
    let mut intake = Intake::new(batch, state)?;
    let mut lines = Lines::new(archive::open(path)?, 0, std::mem::take(buffer));
    let whole = loop {
        match lines.next() {
            Ok(Some(Piece::Line(offset, line))) => intake.line(log, line, offset, &mut carry)?,
            Ok(Some(Piece::TooLong(offset))) => intake.broken(Fault::TooLong, offset)?,
            Ok(None) => break true,
            Err(_) => {
                intake.broken(Fault::BadCompression, lines.offset())?;
                break false;
            }
        }
    };
    // What a cut archive ends in is told with the cut.
    match lines.rest().filter(|_| whole) {
        Some(Piece::Line(offset, line)) => intake.line(log, line, offset, &mut carry)?,
        Some(Piece::TooLong(offset)) => intake.broken(Fault::TooLong, offset)?,
        None => {}
    }
    *buffer = lines.into_buffer();
    room.bytes = room.bytes.saturating_sub(stat.size);
    (state.size, state.mtime) = (stat.size, stat.settled_mtime(now));
    batch.set_file(state)?;
    Ok(Ended::End)
}

/// The carry as the ledger keeps it; nothing for nothing, which is the usual case.
fn carry_text(carry: &Carry) -> String {
    if *carry == Carry::default() {
        String::new()
    } else {
        serde_json::to_string(carry).unwrap_or_default()
    }
}

/// Whether the last line before the offset was taken without its newline.
fn ends_without_newline(file: &mut File, offset: u64) -> io::Result<bool> {
    let Some(last) = offset.checked_sub(1) else {
        return Ok(false);
    };
    let mut byte = [0];
    file.seek(SeekFrom::Start(last))?;
    Ok(file.read(&mut byte)? == 1 && byte != *b"\n")
}

/// Whether the bytes that were read before are still there.
fn proves(file: &mut File, state: &FileState) -> io::Result<bool> {
    let (head, anchor) = hashes(file, u64::from(state.head_length), state.offset)?;
    Ok((head, anchor) == (Some(state.head), Some(state.anchor)))
}

fn prove(file: &mut File, state: &mut FileState) -> io::Result<()> {
    let head_length = state.offset.min(HEAD);
    let (head, anchor) = hashes(file, head_length, state.offset)?;
    state.head_length = u32::try_from(head_length).unwrap_or_default();
    // Bytes that have vanished since they were read can prove nothing: the next read begins anew.
    (state.head, state.anchor) = (head.unwrap_or_default(), anchor.unwrap_or_default());
    Ok(())
}

/// Hashes of the first `head` bytes and of those before `offset`; `None` where the file is shorter.
fn hashes(file: &mut File, head: u64, offset: u64) -> io::Result<(Option<u64>, Option<u64>)> {
    let mut bytes = [0_u8; 1024];
    let mut hash = |from: u64, length: u64| -> io::Result<Option<u64>> {
        let Ok(length) = usize::try_from(length.min(HEAD)) else {
            return Ok(None);
        };
        file.seek(SeekFrom::Start(from))?;
        match file.read_exact(&mut bytes[..length]) {
            Ok(()) => Ok(Some(xxh3_64(&bytes[..length]))),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
            Err(error) => Err(error),
        }
    };
    let anchor = offset.min(ANCHOR);
    Ok((hash(0, head)?, hash(offset - anchor, anchor)?))
}
