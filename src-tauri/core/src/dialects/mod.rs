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
use std::borrow::Cow;

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
    /// Time of the header record: what is older was copied from another session.
    pub begun: Option<UnixMillis>,
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
    match reading {
        Ok(mut observation) => {
            tidy(&mut observation);
            Line::Observation(observation)
        }
        Err(line) => line,
    }
}

/// Sees to it that what an observation names are names: whatever else a log has in their place is not kept.
fn tidy(observation: &mut Observation<'_>) {
    let Observation {
        session,
        project,
        agent,
        branch,
        provider,
        model,
        subagent,
        api,
        stop,
        extras,
        ..
    } = observation;
    for text in [session, project, agent, branch, provider, model] {
        *text = name(std::mem::take(text));
    }
    for text in [subagent, api, stop] {
        *text = word(std::mem::take(text));
    }
    extras.iter_mut().for_each(tidy);
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

/// Bytes of the longest name that is kept; whatever is longer names nothing.
const LONGEST_NAME: usize = 256;
/// Bytes of the longest word that is kept.
const LONGEST_WORD: usize = 64;

/// A name as it is kept: of a model, a session, a folder. Text of any length may stand where a name belongs.
pub(crate) fn name(text: Cow<'_, str>) -> Cow<'_, str> {
    if text.len() <= LONGEST_NAME {
        return text;
    }
    let mut end = LONGEST_NAME;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    Cow::Owned(format!("{}…", &text[..end]))
}

/// One of a few words, such as a stop reason, as it is kept. What is not like one may be somebody's text, and is not.
fn word(text: Cow<'_, str>) -> Cow<'_, str> {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.:/-".contains(&byte);
    if text.len() <= LONGEST_WORD && text.bytes().all(fits) {
        text
    } else {
        Cow::Borrowed("other")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebodys_text_is_neither_a_name_nor_a_word() {
        for (text, expected) in [
            ("", ""),
            ("end_turn", "end_turn"),
            ("general-purpose", "general-purpose"),
            ("plugin:agent/v1.2", "plugin:agent/v1.2"),
            ("please do this", "other"),
            ("bell\u{7}", "other"),
            ("größer", "other"),
        ] {
            assert_eq!(word(text.into()), expected);
        }
        assert_eq!(word("x".repeat(65).into()), "other");
        assert_eq!(word("x".repeat(64).into()), "x".repeat(64));
        assert_eq!(name("größer als".into()), "größer als");
        assert_eq!(name("x".repeat(256).into()), "x".repeat(256));
        assert_eq!(name("ß".repeat(129).into()), "ß".repeat(128) + "…");
        assert_eq!(
            name(format!("x{}", "ß".repeat(128)).into()),
            format!("x{}…", "ß".repeat(127))
        );
    }
}
