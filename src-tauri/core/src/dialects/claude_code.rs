//! Claude Code's transcripts: one JSON object a line, `assistant` lines carry `message.usage`.

use super::{
    Carry, Context, Reading, hash,
    json::{self, Cursor, Value},
    plausible,
};
use crate::{
    money::NanoUsd,
    time::UnixMillis,
    usage::{Fault, Identity, Line, Modifiers, Observation, Reason, Source, Tokens},
};
use memchr::memmem::Finder;
use std::{borrow::Cow, sync::LazyLock};

/// Ids of at least this many characters are taken to be unique; some relays send one short id for everything.
const UNIQUE_ID_CHARS: usize = 16;

/// More web searches than one response can run.
const ABSURD_SEARCHES: u64 = 100_000;

/// Says what one line means. `line` comes without its newline; `carry` keeps the time of the last line that had one.
#[must_use]
pub fn parse<'a>(line: &'a [u8], context: &'a Context, carry: &mut Carry) -> Line<'a> {
    if json::mentions_usage(line) {
        super::line(read(line, context, carry))
    } else {
        json::without_usage(line)
    }
}

/// The cluster of the responses with this message id; see [`Observation::cluster`].
#[must_use]
pub fn cluster_of_message(id: &str) -> u64 {
    hash::cluster(&[Source::ClaudeCode.as_str().as_bytes(), id.as_bytes()])
}

/// The clusters of what is billed inside a response of this cluster: compactions and advisors, by their place in it.
#[must_use]
pub fn cluster_of_step(whole: u64, index: u64) -> u64 {
    hash::cluster(&[&whole.to_le_bytes(), b"#iter", &index.to_le_bytes()])
}

/// The kind of subagent that the note beside its transcript, `agent-<id>.meta.json`, names.
#[must_use]
pub fn agent_type(note: &[u8]) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Note {
        agent_type: String,
    }
    serde_json::from_slice::<Note>(note)
        .ok()
        .map(|note| note.agent_type)
}

fn read<'a>(line: &'a [u8], context: &'a Context, carry: &mut Carry) -> Reading<'a> {
    let mut record = Cursor::line(line, Record::read).ok_or(Fault::NotJson)?;
    if record.kind.is("progress") {
        record = record.nested().ok_or(Fault::NotJson)?;
    }
    carry.at = record.timestamp.instant().or(carry.at);
    if !record.kind.is("assistant") {
        return Err(Reason::NotAssistant.into());
    }
    let usage = &record.message.usage;
    if !usage.present {
        return Err(Reason::NoUsage.into());
    }
    let model = record
        .message
        .model
        .text()
        .unwrap_or(Cow::Borrowed("unknown"));
    if model.starts_with('<') {
        return Err(Reason::Synthetic.into());
    }
    let (tokens, modifiers) = usage.amounts()?;
    let steps = usage.steps()?;
    if tokens.total() == 0 && modifiers.web_searches == 0 && steps.is_empty() {
        return Err(Reason::ZeroUsage.into());
    }
    let at = carry.at.or(context.stored_at).ok_or(Fault::BadTimestamp)?;
    let (cluster, identity) = record.identity(at, &model, tokens);
    let sidechain = record.sidechain.is_true();
    let mut observation = Box::new(Observation {
        cluster,
        identity,
        request: hash::id(&record.request.bytes()),
        line: hash::id(&record.uuid.bytes()),
        parent: hash::id(&record.parent.bytes()),
        at,
        source: Source::ClaudeCode,
        rank: context.rank.saturating_add(u8::from(sidechain)),
        forked: !record.forked_from.is_missing(),
        has_speed: !usage.speed.is_missing() && !usage.speed.is(""),
        session: record
            .session
            .text()
            .unwrap_or(Cow::Borrowed(&context.session)),
        project: record.cwd.text().unwrap_or(Cow::Borrowed(&context.project)),
        agent: Cow::Borrowed(if sidechain { "subagent" } else { "main" }),
        subagent: Cow::Borrowed(if sidechain { &context.subagent } else { "" }),
        branch: record.branch.text().unwrap_or_default(),
        gateway: Cow::Borrowed(""),
        provider: Cow::Borrowed(""),
        model,
        api: Cow::Borrowed(""),
        stop: record.message.stop.text().unwrap_or_default(),
        tokens,
        modifiers,
        recorded: record.cost.dollars().filter(|cost| *cost > NanoUsd::ZERO),
        extras: Vec::new(),
    });
    observation.extras = steps.iter().map(|step| step.extra(&observation)).collect();
    Ok(observation)
}

/// One line's members that matter.
#[derive(Default)]
struct Record<'a> {
    kind: Value<'a>,
    uuid: Value<'a>,
    parent: Value<'a>,
    session: Value<'a>,
    request: Value<'a>,
    timestamp: Value<'a>,
    cwd: Value<'a>,
    branch: Value<'a>,
    sidechain: Value<'a>,
    forked_from: Value<'a>,
    cost: Value<'a>,
    data: Value<'a>,
    message: Message<'a>,
}

impl<'a> Record<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut record = Self::default();
        cursor.members(|key, cursor| {
            let member = match key {
                b"type" => &mut record.kind,
                b"uuid" => &mut record.uuid,
                b"parentUuid" => &mut record.parent,
                b"sessionId" => &mut record.session,
                b"requestId" => &mut record.request,
                b"timestamp" => &mut record.timestamp,
                b"cwd" => &mut record.cwd,
                b"gitBranch" => &mut record.branch,
                b"isSidechain" => &mut record.sidechain,
                b"forkedFrom" => &mut record.forked_from,
                b"costUSD" => &mut record.cost,
                b"data" => &mut record.data,
                b"message" => {
                    record.message = Message::read(cursor)?;
                    return Some(());
                }
                _ => &mut Value::default(),
            };
            *member = cursor.value()?;
            Some(())
        })?;
        Some(record)
    }

    /// Old `progress` lines hold a subagent's whole record at `data.message`; what it lacks stands outside.
    fn nested(self) -> Option<Self> {
        let mut inner = Self::default();
        if !self.data.is_missing() {
            self.data.cursor().members(|key, cursor| {
                match key {
                    b"message" => inner = Self::read(cursor)?,
                    _ => drop(cursor.value()?),
                }
                Some(())
            })?;
        }
        Some(Self {
            session: inner.session.or(self.session),
            timestamp: inner.timestamp.or(self.timestamp),
            cwd: inner.cwd.or(self.cwd),
            branch: inner.branch.or(self.branch),
            sidechain: inner.sidechain.or(Value::TRUE),
            ..inner
        })
    }

    /// By the provider's id, else the line's, else what the line says.
    fn identity(&self, at: UnixMillis, model: &str, tokens: Tokens) -> (u64, Identity) {
        let source = Source::ClaudeCode.as_str().as_bytes();
        if let Some(id) = self.message.id.text() {
            let unique = id.chars().nth(UNIQUE_ID_CHARS - 1).is_some();
            let identity = if unique {
                Identity::Strong
            } else {
                Identity::Weak
            };
            return (cluster_of_message(&id), identity);
        }
        if let Some(uuid) = self.uuid.text() {
            return (
                hash::cluster(&[source, b"uuid", uuid.as_bytes()]),
                Identity::Strong,
            );
        }
        let said = [
            at.0.cast_unsigned(),
            tokens.input,
            tokens.cache_write_5m + tokens.cache_write_1h,
            tokens.cache_read,
            tokens.output,
        ];
        let said = said.map(u64::to_le_bytes);
        (
            hash::cluster(&[source, b"said", model.as_bytes(), said.as_flattened()]),
            Identity::Strong,
        )
    }
}

/// The members of `message` that matter.
#[derive(Default)]
struct Message<'a> {
    id: Value<'a>,
    model: Value<'a>,
    stop: Value<'a>,
    usage: Usage<'a>,
}

impl<'a> Message<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut message = Self::default();
        cursor.members(|key, cursor| {
            match key {
                b"id" => message.id = cursor.value()?,
                b"model" => message.model = cursor.value()?,
                b"stop_reason" => message.stop = cursor.value()?,
                b"usage" => message.usage = Usage::read(cursor)?,
                _ => drop(cursor.value()?),
            }
            Some(())
        })?;
        Some(message)
    }
}

/// The usage of a message, or of one of its iterations: these say their kind and model in the same object.
#[derive(Default)]
struct Usage<'a> {
    present: bool,
    kind: Value<'a>,
    model: Value<'a>,
    input: Value<'a>,
    output: Value<'a>,
    cache_read: Value<'a>,
    cache_write: Value<'a>,
    cache_write_5m: Value<'a>,
    cache_write_1h: Value<'a>,
    searches: Value<'a>,
    speed: Value<'a>,
    tier: Value<'a>,
    geo: Value<'a>,
    iterations: Value<'a>,
}

impl<'a> Usage<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut usage = Self::default();
        usage.present = cursor.members(|key, cursor| {
            let member = match key {
                b"type" => &mut usage.kind,
                b"model" => &mut usage.model,
                b"input_tokens" => &mut usage.input,
                b"output_tokens" => &mut usage.output,
                b"cache_read_input_tokens" => &mut usage.cache_read,
                b"cache_creation_input_tokens" => &mut usage.cache_write,
                b"speed" => &mut usage.speed,
                b"service_tier" => &mut usage.tier,
                b"inference_geo" => &mut usage.geo,
                b"iterations" => &mut usage.iterations,
                b"cache_creation" | b"server_tool_use" => return usage.read_inner(cursor),
                _ => &mut Value::default(),
            };
            *member = cursor.value()?;
            Some(())
        })?;
        Some(usage)
    }

    fn read_inner(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        cursor.members(|key, cursor| {
            let member = match key {
                b"ephemeral_5m_input_tokens" => &mut self.cache_write_5m,
                b"ephemeral_1h_input_tokens" => &mut self.cache_write_1h,
                b"web_search_requests" => &mut self.searches,
                _ => &mut Value::default(),
            };
            *member = cursor.value()?;
            Some(())
        })?;
        Some(())
    }

    fn amounts(&self) -> Result<(Tokens, Modifiers), Fault> {
        // The total is right where the split disagrees; without a split every write is a five-minute one.
        let split = (self.cache_write_5m.count(), self.cache_write_1h.count());
        let writes = if self.cache_write.is_missing() {
            split.0.saturating_add(split.1)
        } else {
            self.cache_write.count()
        };
        let cache_write_1h = split.1.min(writes);
        let tokens = plausible(Tokens {
            input: self.input.count(),
            output: self.output.count(),
            cache_read: self.cache_read.count(),
            cache_write_5m: writes - cache_write_1h,
            cache_write_1h,
            unsplit: 0,
        })?;
        let searches = self.searches.count();
        if searches > ABSURD_SEARCHES {
            return Err(Fault::AbsurdTokens);
        }
        let modifiers = Modifiers {
            fast: self.speed.is("fast"),
            batch: self.tier.is("batch"),
            us_only: self.geo.is("us"),
            web_searches: u32::try_from(searches).unwrap_or(u32::MAX),
        };
        Ok((tokens, modifiers))
    }

    /// The iterations that the message's own figures leave out.
    fn steps(&self) -> Result<Vec<Step<'a>>, Fault> {
        static COMPACTION: LazyLock<Finder<'static>> =
            LazyLock::new(|| Finder::new("\"compaction\""));
        static ADVISOR: LazyLock<Finder<'static>> =
            LazyLock::new(|| Finder::new("\"advisor_message\""));
        let mut found = Vec::new();
        let mut index = 0;
        if self.iterations.mentions(&COMPACTION) || self.iterations.mentions(&ADVISOR) {
            let walked = self.iterations.cursor().elements(|cursor| {
                let usage = Self::read(cursor)?;
                if usage.kind.is("compaction") || usage.kind.is("advisor_message") {
                    found.push((index, usage));
                }
                index += 1;
                Some(())
            });
            walked.ok_or(Fault::NotJson)?;
        }
        let mut steps = Vec::new();
        for (index, usage) in found {
            let (tokens, modifiers) = usage.amounts()?;
            if tokens.total() > 0 {
                steps.push(Step {
                    index,
                    model: usage.model.text(),
                    tokens,
                    fast: modifiers.fast,
                });
            }
        }
        Ok(steps)
    }
}

/// A billable step inside a response.
struct Step<'a> {
    index: u64,
    model: Option<Cow<'a, str>>,
    tokens: Tokens,
    fast: bool,
}

impl<'a> Step<'a> {
    /// The step as an observation of its own; what it does not say is as in `whole`.
    fn extra(&self, whole: &Observation<'a>) -> Observation<'a> {
        let own_model = self.model.as_ref().filter(|model| **model != whole.model);
        let fast = if own_model.is_some() {
            self.fast
        } else {
            whole.modifiers.fast
        };
        Observation {
            cluster: cluster_of_step(whole.cluster, self.index),
            model: own_model.unwrap_or(&whole.model).clone(),
            tokens: self.tokens,
            modifiers: Modifiers {
                fast,
                web_searches: 0,
                ..whole.modifiers
            },
            recorded: None,
            extras: Vec::new(),
            ..whole.clone()
        }
    }
}

#[cfg(test)]
mod tests;
