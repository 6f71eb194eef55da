//! What a log line meant: [`Observation`], and what it counted: [`Tokens`].

use crate::{money::NanoUsd, time::UnixMillis};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// Which agent wrote the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
#[serde(rename_all = "kebab-case")]
pub enum Source {
    /// Claude Code's session transcripts.
    ClaudeCode,
    /// OpenClaw's transcripts, in files or databases.
    #[serde(rename = "openclaw")]
    OpenClaw,
}

impl Source {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::ClaudeCode, Self::OpenClaw];

    /// The word used in JSON, the ledger and on the command line.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClaudeCode => "claude-code",
            Self::OpenClaw => "openclaw",
        }
    }

    /// The name people know it by.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::ClaudeCode => "Claude Code",
            Self::OpenClaw => "OpenClaw",
        }
    }
}

/// Token counts of one response or a sum of many; the classes do not overlap.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct Tokens {
    /// Input that no cache served.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub input: u64,
    /// Output, thinking included.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub output: u64,
    /// Input served from the cache.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub cache_read: u64,
    /// Input written to the five-minute cache.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub cache_write_5m: u64,
    /// Input written to the one-hour cache.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub cache_write_1h: u64,
    /// Tokens of which only the total is known; they have no price.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub unsplit: u64,
}

impl Tokens {
    /// All classes together.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.context() + self.output + self.unsplit
    }

    /// What the model read: input, cache reads and cache writes. Long-context tiers go by it.
    #[must_use]
    pub const fn context(&self) -> u64 {
        self.input + self.cache_read + self.cache_write_5m + self.cache_write_1h
    }
}

impl std::ops::AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        self.input += other.input;
        self.output += other.output;
        self.cache_read += other.cache_read;
        self.cache_write_5m += other.cache_write_5m;
        self.cache_write_1h += other.cache_write_1h;
        self.unsplit += other.unsplit;
    }
}

/// What changes a response's price besides its model and tokens.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Modifiers {
    /// Fast mode (`speed: "fast"`).
    pub fast: bool,
    /// Batch service tier.
    pub batch: bool,
    /// Inference pinned to the United States.
    pub us_only: bool,
    /// Web searches the provider ran, billed each.
    pub web_searches: u32,
}

/// The [`Observation::rank`] of a record that only stands for responses which have a log of their own: it counts where
/// that log was not read.
pub const MIRROR_RANK: u8 = u8::MAX;

/// How a dedupe group's identity came about; decides how its observations merge.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Identity {
    /// A provider's id long enough to be unique: one response, unless its use proves otherwise.
    Strong,
    /// An id that may be shared by responses: `request` and the token tuple tell them apart.
    Weak,
}

/// One usage record as a log line, database row or gateway event told it: no price, no opinion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Observation<'a> {
    /// Hash of source and id: observations of one response always share it.
    pub cluster: u64,
    /// Whether `cluster` alone names the response.
    pub identity: Identity,
    /// Hash of the request id; 0 when the record has none.
    pub request: u64,
    /// Hash of the record's own id, and of the record it follows; 0 when absent.
    pub line: u64,
    /// See `line`.
    pub parent: u64,
    /// When the response was made.
    pub at: UnixMillis,
    /// Which agent's log it is.
    pub source: Source,
    /// Standing among copies, lower wins: 0 for the original, higher for side chains, archives and imports.
    pub rank: u8,
    /// The record says itself that it was copied from another session.
    pub forked: bool,
    /// The record names a speed, which partial copies do not.
    pub has_speed: bool,
    /// Session id as written.
    pub session: Cow<'a, str>,
    /// Working directory, or the best substitute.
    pub project: Cow<'a, str>,
    /// OpenClaw agent, or "main" and "subagent" for Claude Code.
    pub agent: Cow<'a, str>,
    /// Kind of a Claude Code subagent, such as `Explore`; empty when unknown.
    pub subagent: Cow<'a, str>,
    /// Git branch; empty when unknown.
    pub branch: Cow<'a, str>,
    /// Name of the gateway that reported it; empty for what was read from a log.
    pub gateway: Cow<'a, str>,
    /// Provider as written; empty when the record names none.
    pub provider: Cow<'a, str>,
    /// Model as written in the log.
    pub model: Cow<'a, str>,
    /// The provider's interface that was called, such as `anthropic-messages`; empty when the record names none.
    pub api: Cow<'a, str>,
    /// Why the response ended, as written: `end_turn`, `toolUse` …; empty when the record does not say.
    pub stop: Cow<'a, str>,
    /// What was used.
    pub tokens: Tokens,
    /// What changes the price.
    pub modifiers: Modifiers,
    /// The log's own cost, when it states one that means something.
    pub recorded: Option<NanoUsd>,
    /// Further billable steps inside the same record (compaction, advisor), each with its own cluster.
    pub extras: Vec<Observation<'a>>,
}

impl Observation<'_> {
    /// The same, free of the record it was read from.
    #[must_use]
    pub fn into_owned(self) -> Observation<'static> {
        let own = |text: Cow<'_, str>| Cow::Owned(text.into_owned());
        Observation {
            session: own(self.session),
            project: own(self.project),
            agent: own(self.agent),
            subagent: own(self.subagent),
            branch: own(self.branch),
            gateway: own(self.gateway),
            provider: own(self.provider),
            model: own(self.model),
            api: own(self.api),
            stop: own(self.stop),
            extras: self
                .extras
                .into_iter()
                .map(Observation::into_owned)
                .collect(),
            cluster: self.cluster,
            identity: self.identity,
            request: self.request,
            line: self.line,
            parent: self.parent,
            at: self.at,
            source: self.source,
            rank: self.rank,
            forked: self.forked,
            has_speed: self.has_speed,
            tokens: self.tokens,
            modifiers: self.modifiers,
            recorded: self.recorded,
        }
    }
}

/// What is known of a session besides its responses, as its log's surroundings tell it; empty where they do not.
/// No title: those are made from messages.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct SessionFacts {
    /// OpenClaw's name of the conversation, such as `agent:main:telegram:group:7`; it has many sessions over time.
    pub key: String,
    /// The name a person gave it.
    pub label: String,
    /// Where it is held, such as `telegram`.
    pub channel: String,
    /// `direct`, `group` or `channel`.
    pub chat_type: String,
    /// What began it: `operator`, `spawn`, `channel`, `cron`, `heartbeat` …
    pub created: String,
    /// The session that began this one: its id, or its key where only that is known.
    pub parent: String,
}

/// Why a record counts nothing; every record read ends in one counter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// The line mentions no usage.
    NoUsage,
    /// Usage stands somewhere else than on an assistant message.
    NotAssistant,
    /// Written by the client itself (`<synthetic>`, mirror rows): no model was called.
    Synthetic,
    /// An assistant message whose usage is all zero.
    ZeroUsage,
    /// An empty line.
    Blank,
}

/// What is wrong with a record that cannot be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Not a JSON object, or one that ends too early.
    NotJson,
    /// No timestamp on it or before it, or one outside the years 2000 to 9999.
    BadTimestamp,
    /// A token count no model can reach.
    AbsurdTokens,
    /// Longer than the longest line that is read.
    TooLong,
    /// Compressed bytes that do not unpack, or unpack to too much.
    BadCompression,
    /// A Codex response whose turn has no id: whether OpenClaw mirrors it cannot be known.
    NamelessTurn,
}

impl Fault {
    /// The sentence shown to people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::NotJson => "not a complete JSON object",
            Self::BadTimestamp => "no usable timestamp",
            Self::AbsurdTokens => "impossible token count",
            Self::TooLong => "line longer than 64 MiB",
            Self::BadCompression => "compressed data that cannot be unpacked",
            Self::NamelessTurn => {
                "a Codex response without its turn's id, counted only where OpenClaw mirrors it"
            }
        }
    }
}

/// What one record turned out to be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line<'a> {
    /// It counts.
    Observation(Box<Observation<'a>>),
    /// It rightly counts nothing.
    Ignored(Reason),
    /// It should have told something and cannot be read.
    Broken(Fault),
}
