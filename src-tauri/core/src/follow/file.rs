//! Reads what is new in one log file into a batch, from a position that its content proves.

use super::{
    archive,
    lines::{Lines, Piece},
    roots::{Kind, LogFile},
};
use crate::{
    api::Problem,
    dialects::{Carry, Context, claude_code, codex, openclaw},
    ledger::{
        Batch, LedgerError, Place,
        files::{BROKEN_PLACES, FileState},
    },
    time::UnixMillis,
    usage::{Fault, Line},
};
use std::{
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

    fn age_millis(&self, now: UnixMillis) -> i64 {
        now.0 - self.mtime / 1_000_000
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

fn parse<'a>(kind: Kind, line: &'a [u8], context: &'a Context, carry: &mut Carry) -> Line<'a> {
    match kind {
        Kind::ClaudeJsonl => claude_code::parse(line, context, carry),
        Kind::OpenClawJsonl | Kind::OpenClawArchive | Kind::OpenClawDb => {
            openclaw::parse(line, context, carry)
        }
        Kind::CodexJsonl | Kind::CodexArchive => codex::parse(line, context, carry),
    }
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
    if !(state.offset == 0 || proves(&mut file, state)?) {
        if let Some(id) = state.id {
            batch.forget_broken(id)?;
        }
        state.restart();
    }
    state.identity = stat.identity;
    if matches!(log.kind, Kind::OpenClawArchive | Kind::CodexArchive) {
        return read_archive(path, stat, log, state, batch, room, buffer, now);
    }
    let mut carry: Carry = serde_json::from_str(&state.carry).unwrap_or_default();
    // Told when it was the last line and cut; now it may go on.
    batch.take_back_broken(state, state.offset)?;
    let mid_line = state.offset > 0 && !ends_line(&mut file, state.offset)?;
    let mut intake = Intake::new(batch, state)?;
    file.seek(SeekFrom::Start(intake.state.offset))?;
    let mut lines = Lines::new(&file, intake.state.offset, std::mem::take(buffer));
    let began = intake.state.offset;
    let ended = loop {
        if lines.offset() - began >= room.bytes || intake.batch.pending() >= room.clusters {
            break Ended::More;
        }
        match lines.next()? {
            // The newline that the last line lacked when it was counted.
            Some(Piece::Line(offset, line))
                if mid_line && offset == began && line.trim_ascii().is_empty() => {}
            Some(Piece::Line(offset, line)) => {
                intake.take(parse(log.kind, line, &log.context, &mut carry), offset)?;
            }
            Some(Piece::TooLong(offset)) => intake.broken(Fault::TooLong, offset)?,
            None => break Ended::End,
        }
    };
    let mut settled = stat.settled_mtime(now);
    let mut offset = lines.offset();
    let rest = lines.rest();
    let ended = if ended == Ended::More || rest.is_empty() {
        ended
    } else if stat.age_millis(now) >= QUIET_MILLIS {
        // A writer that was killed never adds the newline.
        let mut after = carry.clone();
        match parse(log.kind, rest, &log.context, &mut after) {
            whole @ Line::Observation(_) => {
                intake.take(whole, offset)?;
                offset += rest.len() as u64;
                carry = after;
            }
            // Without its place it could not be taken back.
            Line::Broken(fault) if intake.state.counts.broken < BROKEN_PLACES => {
                intake.broken(fault, offset)?;
            }
            Line::Broken(_) => {}
            // Whether it is whole was not asked: it may tell more when it goes on.
            Line::Ignored(_) => {}
        }
        Ended::End
    } else {
        settled = 0;
        Ended::Waiting
    };
    state.offset = offset;
    room.bytes = room.bytes.saturating_sub(offset - began);
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
            Ok(Some(Piece::Line(offset, line))) => {
                intake.take(parse(log.kind, line, &log.context, &mut carry), offset)?;
            }
            Ok(Some(Piece::TooLong(offset))) => intake.broken(Fault::TooLong, offset)?,
            Ok(None) => break true,
            Err(_) => {
                intake.broken(Fault::BadCompression, lines.offset())?;
                break false;
            }
        }
    };
    let rest = lines.rest();
    if whole && !rest.is_empty() {
        intake.take(
            parse(log.kind, rest, &log.context, &mut carry),
            lines.offset(),
        )?;
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

/// Whether a newline stands before `offset`.
fn ends_line(file: &mut File, offset: u64) -> io::Result<bool> {
    let mut byte = [0];
    file.seek(SeekFrom::Start(offset - 1))?;
    file.read_exact(&mut byte)?;
    Ok(byte == *b"\n")
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
