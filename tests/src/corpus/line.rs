//! Single log lines in the field order of the agents that write them, with defaults for tests made by hand.
//!
//! ```
//! use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage};
//! let usage = ClaudeUsage { output: 159, ..ClaudeUsage::default() };
//! let line = ClaudeLine { message_id: "msg_A", usage, ..ClaudeLine::default() }.to_string();
//! assert!(line.contains(r#""output_tokens":159"#));
//! ```

use super::clock::iso;
use std::fmt;

/// An assistant line of Claude Code; an empty text leaves its field out.
#[derive(Debug, Clone, Copy)]
pub struct ClaudeLine<'a> {
    /// The line's own id.
    pub uuid: &'a str,
    /// The id of the line it follows; empty writes null.
    pub parent: &'a str,
    /// Session id.
    pub session: &'a str,
    /// Subagent or side question.
    pub sidechain: bool,
    /// Subagent id.
    pub agent: &'a str,
    /// Working directory.
    pub cwd: &'a str,
    /// Version of Claude Code.
    pub version: &'a str,
    /// Git branch.
    pub branch: &'a str,
    /// Milliseconds since the epoch.
    pub at: i64,
    /// Model.
    pub model: &'a str,
    /// Provider's response id.
    pub message_id: &'a str,
    /// Provider's request id.
    pub request_id: &'a str,
    /// JSON array of content blocks.
    pub content: &'a str,
    /// Why the response ended.
    pub stop_reason: &'a str,
    /// What it used.
    pub usage: ClaudeUsage,
}

/// The usage object of an assistant line.
#[derive(Debug, Default, Clone, Copy)]
pub struct ClaudeUsage {
    /// Uncached input.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Cache hits.
    pub cache_read: u64,
    /// Cache writes, both lifetimes.
    pub cache_write: u64,
    /// The one-hour part of the writes; `None` leaves out the split.
    pub one_hour: Option<u64>,
    /// Thinking tokens, already in `output`.
    pub thinking: u64,
    /// Web searches.
    pub searches: u64,
    /// Repeats the usage under `iterations`, as newer versions do.
    pub iterations: bool,
    /// The raw JSON value of `speed`; `None` leaves it out.
    pub speed: Option<&'static str>,
}

impl Default for ClaudeLine<'_> {
    fn default() -> Self {
        Self {
            uuid: "00000000-0000-4000-8000-000000000002",
            parent: "00000000-0000-4000-8000-000000000001",
            session: "00000000-0000-4000-8000-00000000000a",
            sidechain: false,
            agent: "",
            cwd: "/home/dev/demo",
            version: "2.1.280",
            branch: "main",
            at: 1_795_165_201_250,
            model: "claude-sonnet-5",
            message_id: "msg_011111111111111111111111",
            request_id: "req_011111111111111111111111",
            content: r#"[{"type":"text","text":"Done."}]"#,
            stop_reason: "end_turn",
            usage: ClaudeUsage {
                input: 2,
                output: 10,
                cache_read: 100,
                ..ClaudeUsage::default()
            },
        }
    }
}

impl ClaudeLine<'_> {
    /// A user line with this envelope: `message` is its JSON, `extra` further fields, each behind a comma.
    #[must_use]
    pub fn user(&self, message: &str, extra: &str) -> String {
        let (uuid, at) = (self.uuid, iso(self.at));
        let head = Head(self);
        format!(
            r#"{head},"type":"user","message":{message},"uuid":"{uuid}","timestamp":"{at}"{extra}}}"#
        )
    }

    /// A line of another kind with this envelope: `fields` each behind a comma.
    #[must_use]
    pub fn other(&self, kind: &str, fields: &str) -> String {
        let (uuid, at, head) = (self.uuid, iso(self.at), Head(self));
        format!(r#"{head},"type":"{kind}"{fields},"uuid":"{uuid}","timestamp":"{at}"}}"#)
    }

    /// The response nested in a `progress` line, as old versions wrote for subagents.
    #[must_use]
    pub fn progress(&self, tool: &str) -> String {
        let (uuid, at, head, record) = (self.uuid, iso(self.at), Head(self), Record(self));
        format!(
            r#"{head},"type":"progress","data":{{"type":"agent_progress","message":{{{record},"uuid":"{uuid}","timestamp":"{at}"}}}},"toolUseID":"{tool}","uuid":"{uuid}","timestamp":"{at}"}}"#
        )
    }
}

impl fmt::Display for ClaudeLine<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (uuid, at) = (self.uuid, iso(self.at));
        write!(
            out,
            r#"{},{},"uuid":"{uuid}","timestamp":"{at}"}}"#,
            Head(self),
            Record(self)
        )
    }
}

/// The fields that open every line of a session.
struct Head<'a>(&'a ClaudeLine<'a>);

impl fmt::Display for Head<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClaudeLine {
            parent,
            session,
            sidechain,
            agent,
            cwd,
            version,
            branch,
            ..
        } = self.0;
        match *parent {
            "" => out.write_str(r#"{"parentUuid":null"#)?,
            parent => write!(out, r#"{{"parentUuid":"{parent}""#)?,
        }
        write!(
            out,
            r#","isSidechain":{sidechain},"userType":"external","cwd":"{cwd}","sessionId":"{session}""#
        )?;
        write!(out, r#","version":"{version}","gitBranch":"{branch}""#)?;
        optional(out, "agentId", agent)
    }
}

/// Message, request and type of an assistant line.
struct Record<'a>(&'a ClaudeLine<'a>);

impl fmt::Display for Record<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ClaudeLine {
            model,
            message_id,
            request_id,
            content,
            stop_reason,
            usage,
            ..
        } = self.0;
        write!(out, r#""message":{{"model":"{model}""#)?;
        optional(out, "id", message_id)?;
        write!(
            out,
            r#","type":"message","role":"assistant","content":{content}"#
        )?;
        match *stop_reason {
            "" => out.write_str(r#","stop_reason":null"#)?,
            reason => write!(out, r#","stop_reason":"{reason}""#)?,
        }
        write!(out, r#","stop_sequence":null,"usage":{usage}}}"#)?;
        optional(out, "requestId", request_id)?;
        out.write_str(r#","type":"assistant""#)
    }
}

impl fmt::Display for ClaudeUsage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            input,
            output,
            cache_read,
            cache_write,
            thinking,
            searches,
            ..
        } = self;
        write!(
            out,
            r#"{{"input_tokens":{input},"cache_creation_input_tokens":{cache_write}"#
        )?;
        write!(out, r#","cache_read_input_tokens":{cache_read}"#)?;
        if let Some(one_hour) = self.one_hour {
            let five_minutes = cache_write.saturating_sub(one_hour);
            write!(
                out,
                r#","cache_creation":{{"ephemeral_5m_input_tokens":{five_minutes}"#
            )?;
            write!(out, r#","ephemeral_1h_input_tokens":{one_hour}}}"#)?;
        }
        write!(out, r#","output_tokens":{output}"#)?;
        if *thinking > 0 {
            write!(
                out,
                r#","output_tokens_details":{{"thinking_tokens":{thinking}}}"#
            )?;
        }
        if *searches > 0 {
            write!(
                out,
                r#","server_tool_use":{{"web_search_requests":{searches},"web_fetch_requests":0}}"#
            )?;
        }
        out.write_str(r#","service_tier":"standard","inference_geo":"not_available""#)?;
        if self.iterations {
            write!(
                out,
                r#","iterations":[{{"type":"message","model":null,"input_tokens":{input}"#
            )?;
            write!(
                out,
                r#","cache_creation_input_tokens":{cache_write},"cache_read_input_tokens":{cache_read}"#
            )?;
            write!(out, r#","output_tokens":{output}}}]"#)?;
        }
        if let Some(speed) = self.speed {
            write!(out, r#","speed":{speed}"#)?;
        }
        out.write_str("}")
    }
}

/// An assistant message of OpenClaw; an empty text leaves its field out.
#[derive(Debug, Clone, Copy)]
pub struct OpenClawLine<'a> {
    /// Event id: 8 hex digits in files, a UUID in databases.
    pub id: &'a str,
    /// The event it follows.
    pub parent: &'a str,
    /// When it was written, milliseconds since the epoch.
    pub written_at: i64,
    /// When the response was made; 0 leaves it out.
    pub at: i64,
    /// API dialect.
    pub api: &'a str,
    /// Provider.
    pub provider: &'a str,
    /// Model.
    pub model: &'a str,
    /// JSON array of content blocks.
    pub content: &'a str,
    /// The JSON of `usage`.
    pub usage: &'a str,
    /// Why the response ended.
    pub stop_reason: &'a str,
}

impl Default for OpenClawLine<'_> {
    fn default() -> Self {
        Self {
            id: "fc550770",
            parent: "d1ac42b8",
            written_at: 1_795_178_292_221,
            at: 1_795_178_292_160,
            api: "anthropic-messages",
            provider: "anthropic",
            model: "claude-sonnet-5",
            content: r#"[{"type":"text","text":"Done."}]"#,
            usage: r#"{"input":800,"output":300,"cacheRead":5000,"cacheWrite":0,"totalTokens":6100,"cost":{"total":0.0056}}"#,
            stop_reason: "stop",
        }
    }
}

impl fmt::Display for OpenClawLine<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            parent,
            content,
            usage,
            stop_reason,
            ..
        } = self;
        let written_at = iso(self.written_at);
        write!(
            out,
            r#"{{"type":"message","id":"{id}","parentId":"{parent}","timestamp":"{written_at}""#
        )?;
        write!(
            out,
            r#","message":{{"role":"assistant","content":{content}"#
        )?;
        optional(out, "api", self.api)?;
        optional(out, "provider", self.provider)?;
        optional(out, "model", self.model)?;
        write!(out, r#","usage":{usage},"stopReason":"{stop_reason}""#)?;
        if self.at != 0 {
            write!(out, r#","timestamp":{}"#, self.at)?;
        }
        out.write_str("}}")
    }
}

fn optional(out: &mut fmt::Formatter<'_>, name: &str, value: &str) -> fmt::Result {
    if value.is_empty() {
        return Ok(());
    }
    write!(out, r#","{name}":"{value}""#)
}
