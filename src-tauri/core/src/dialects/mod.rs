//! One file per way a usage record is written. Pure: bytes in, meaning out; no disk, no clock.

pub mod claude_code;
pub mod codex;
mod hash;
mod json;
pub mod openclaw;
pub mod openclaw_session;

use crate::{
    time::UnixMillis,
    usage::{Fault, Line, Observation, Reason, Tokens},
};
use serde::{Deserialize, Serialize};

/// What is known about a record before reading it: where it lies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// Session id told by the file's name or the database row.
    pub session: String,
    /// Project told by the folder's name; only used when no record names a working directory.
    pub project: String,
    /// OpenClaw's agent; empty for Claude Code.
    pub agent: String,
    /// Kind of Claude Code subagent whose file it is; empty when unknown.
    pub subagent: String,
    /// Standing of this store among copies, lower wins (see [`crate::usage::Observation::rank`]).
    pub rank: u8,
    /// The time the store itself gives the record (a row's `created_at`), the last resort.
    pub stored_at: Option<UnixMillis>,
}

/// What earlier records of the same file or session said that later ones rely on. Kept beside the offset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Carry {
    /// Model of the last `model_change` or `model-snapshot`.
    pub model: Option<String>,
    /// Provider of the same.
    pub provider: Option<String>,
    /// Session id of the header record.
    pub session: Option<String>,
    /// Working directory of the header record.
    pub project: Option<String>,
    /// Time of the last record that had one.
    pub at: Option<UnixMillis>,
    /// Codex's turn that is under way.
    pub turn: Option<String>,
    /// Hash of what Codex's thread had used when it last said so.
    pub used: Option<u64>,
}

/// What reading a record comes to: something that counts, or why nothing does.
type Reading<'a> = Result<Box<Observation<'a>>, Line<'a>>;

fn line(reading: Reading<'_>) -> Line<'_> {
    reading.map_or_else(|line| line, Line::Observation)
}

impl From<Reason> for Line<'_> {
    fn from(reason: Reason) -> Self {
        Self::Ignored(reason)
    }
}

impl From<Fault> for Line<'_> {
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
}

/// More tokens than any model reads or writes in one response.
const ABSURD_TOKENS: u64 = 10_000_000_000;

/// Refuses counts that can only be damage, so that sums never overflow.
fn plausible(tokens: Tokens) -> Result<Tokens, Fault> {
    let Tokens {
        input,
        output,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        unsplit,
    } = tokens;
    let absurd = [
        input,
        output,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        unsplit,
    ]
    .iter()
    .any(|n| *n > ABSURD_TOKENS);
    if absurd {
        Err(Fault::AbsurdTokens)
    } else {
        Ok(tokens)
    }
}
