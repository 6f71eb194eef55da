//! OpenClaw's transcripts, in files or database rows: one JSON event each, assistant `message` events carry `usage`.

pub mod pushed;

use super::{
    Carry, Context, Reading, codex, hash,
    json::{self, Cursor, Value},
    plausible,
};
use crate::{
    money::NanoUsd,
    time::UnixMillis,
    usage::{Fault, Identity, Line, MIRROR_RANK, Modifiers, Observation, Reason, Source, Tokens},
};
use std::borrow::Cow;

/// Providers that run on the user's own machine, where a cost of zero is the truth. Lower case, letters and digits only.
const LOCAL_PROVIDERS: [&str; 8] = [
    "ollama", "lmstudio", "llamacpp", "vllm", "sglang", "localai", "local", "mlx",
];

/// Says what one event means. `line` comes without its newline; `carry` keeps what the header and model changes of
/// the same session said.
#[must_use]
pub fn parse<'a>(line: &'a [u8], context: &'a Context, carry: &mut Carry) -> Line<'a> {
    if json::mentions_usage(line) || tells_of_later_events(line) {
        super::line(read(line, context, carry))
    } else {
        json::without_usage(line)
    }
}

/// Whether the event's type, in practice its first member, is one that [`Carry`] remembers.
fn tells_of_later_events(line: &[u8]) -> bool {
    let mut kind = Value::default();
    // The walk ends at the type; whether the line is whole is not asked here.
    let _ = Cursor::line(line, |cursor| {
        cursor.members(|key, cursor| {
            let value = cursor.value()?;
            if key == b"type" {
                kind = value;
                return None;
            }
            Some(())
        })
    });
    kind.is("session") || kind.is("model_change") || kind.is("custom")
}

fn read<'a>(line: &'a [u8], context: &'a Context, carry: &mut Carry) -> Reading<'a> {
    let record = Cursor::line(line, Record::read).ok_or(Fault::NotJson)?;
    let message = &record.message;
    let own_time = message
        .timestamp
        .instant()
        .or_else(|| record.timestamp.instant());
    carry.at = own_time.or(carry.at);
    record.remember(carry)?;
    if !record.kind.is("message") {
        return Err(Reason::NotAssistant.into());
    }
    observe(&record, own_time, context, carry)
}

/// What a `message` event counts.
fn observe<'a>(
    record: &Record<'a>,
    own_time: Option<UnixMillis>,
    context: &'a Context,
    carry: &Carry,
) -> Reading<'a> {
    let message = &record.message;
    if !message.role.is("assistant") {
        return Err(Reason::NotAssistant.into());
    }
    let known = |value: &Option<String>| value.clone().map(Cow::Owned);
    let provider = message
        .provider
        .text()
        .or_else(|| known(&carry.provider))
        .unwrap_or_default();
    let model = message
        .model
        .text()
        .or_else(|| message.model_id.text())
        .or_else(|| known(&carry.model));
    let model = model.unwrap_or(Cow::Borrowed("unknown"));
    if message.api.is("openclaw-transcript")
        || provider == "openclaw" && (model == "delivery-mirror" || model == "gateway-injected")
    {
        return Err(Reason::Synthetic.into());
    }
    let usage = if message.usage.present {
        &message.usage
    } else {
        &record.usage
    };
    if !usage.present {
        return Err(Reason::NoUsage.into());
    }
    let tokens = usage.tokens()?;
    if tokens.total() == 0 {
        return Err(Reason::ZeroUsage.into());
    }
    let at = own_time
        .or(context.stored_at)
        .or(carry.at)
        .ok_or(Fault::BadTimestamp)?;
    let session = known(&carry.session).unwrap_or(Cow::Borrowed(&context.session));
    let own = || match record.id.text() {
        Some(id) => event_cluster(&id, own_time, tokens),
        None => nameless_cluster(&session, at, &model, tokens),
    };
    let (cluster, identity, rank) = match message.mirrored_turn() {
        Some(turn) => (turn, Identity::Weak, MIRROR_RANK),
        None => (own(), Identity::Strong, context.rank),
    };
    Ok(Box::new(Observation {
        cluster,
        identity,
        request: 0,
        line: hash::id(&record.id.bytes()),
        parent: hash::id(&record.parent.bytes()),
        at,
        source: Source::OpenClaw,
        rank,
        forked: carry.begun.is_some_and(|begun| at < begun),
        has_speed: false,
        session,
        project: known(&carry.project).unwrap_or(Cow::Borrowed(&context.project)),
        agent: Cow::Borrowed(&context.agent),
        subagent: Cow::Borrowed(""),
        branch: Cow::Borrowed(""),
        gateway: Cow::Borrowed(""),
        recorded: usage.cost.recorded(&provider, &model),
        provider,
        model,
        api: message.api.text().unwrap_or_default(),
        stop: message.stop.text().unwrap_or_default(),
        tokens,
        modifiers: Modifiers::default(),
        extras: Vec::new(),
    }))
}

/// The session is left out, so that the copies in forks, archives and imports meet.
fn event_cluster(id: &str, own_time: Option<UnixMillis>, tokens: Tokens) -> u64 {
    let source = Source::OpenClaw.as_str().as_bytes();
    let used = [tokens.input, tokens.output].map(u64::to_le_bytes);
    let at = own_time.map(|at| at.0.to_le_bytes());
    hash::cluster(&[
        source,
        id.as_bytes(),
        at.as_ref().map_or(&[], |at| at),
        used.as_flattened(),
    ])
}

fn nameless_cluster(session: &str, at: UnixMillis, model: &str, tokens: Tokens) -> u64 {
    let source = Source::OpenClaw.as_str().as_bytes();
    let said = [
        at.0.cast_unsigned(),
        tokens.input,
        tokens.output,
        tokens.cache_read,
        tokens.cache_write_5m,
    ];
    let said = said.map(u64::to_le_bytes);
    hash::cluster(&[
        source,
        b"said",
        session.as_bytes(),
        model.as_bytes(),
        said.as_flattened(),
    ])
}

/// One event's members that matter.
#[derive(Default)]
struct Record<'a> {
    kind: Value<'a>,
    id: Value<'a>,
    parent: Value<'a>,
    timestamp: Value<'a>,
    cwd: Value<'a>,
    custom_kind: Value<'a>,
    /// Of a `model_change` itself, or of a `model-snapshot`'s `data`.
    choice: Choice<'a>,
    data: Choice<'a>,
    message: Message<'a>,
    usage: Usage<'a>,
}

impl<'a> Record<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut record = Self::default();
        cursor.members(|key, cursor| {
            match key {
                b"type" => record.kind = cursor.value()?,
                b"id" => record.id = cursor.value()?,
                b"parentId" => record.parent = cursor.value()?,
                b"timestamp" => record.timestamp = cursor.value()?,
                b"cwd" => record.cwd = cursor.value()?,
                b"customType" => record.custom_kind = cursor.value()?,
                b"data" => record.data = Choice::read(cursor)?,
                b"message" => record.message = Message::read(cursor)?,
                b"usage" => record.usage = Usage::read(cursor)?,
                _ => record.choice.read_member(key, cursor)?,
            }
            Some(())
        })?;
        Some(record)
    }

    /// Keeps what later events rely on; such an event counts nothing itself.
    fn remember(&self, carry: &mut Carry) -> Result<(), Line<'a>> {
        if self.kind.is("session") {
            carry.session = self.id.text().map(Cow::into_owned);
            carry.project = self.cwd.text().map(Cow::into_owned);
            carry.begun = self.timestamp.instant();
        } else if self.kind.is("model_change") {
            self.choice.remember(carry);
        } else if self.kind.is("custom") {
            if self.custom_kind.is("model-snapshot") {
                self.data.remember(carry);
            }
        } else {
            return Ok(());
        }
        Err(Reason::NoUsage.into())
    }
}

/// A choice of model for what follows.
#[derive(Default)]
struct Choice<'a> {
    provider: Value<'a>,
    model: Value<'a>,
}

impl<'a> Choice<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut choice = Self::default();
        cursor.members(|key, cursor| choice.read_member(key, cursor))?;
        Some(choice)
    }

    fn read_member(&mut self, key: &[u8], cursor: &mut Cursor<'a>) -> Option<()> {
        match key {
            b"provider" => self.provider = cursor.value()?,
            b"modelId" => self.model = cursor.value()?,
            _ => drop(cursor.value()?),
        }
        Some(())
    }

    fn remember(&self, carry: &mut Carry) {
        if let Some(model) = self.model.text() {
            carry.model = Some(model.into_owned());
            carry.provider = self.provider.text().map(Cow::into_owned);
        }
    }
}

/// The members of `message` that matter.
#[derive(Default)]
struct Message<'a> {
    role: Value<'a>,
    provider: Value<'a>,
    model: Value<'a>,
    model_id: Value<'a>,
    api: Value<'a>,
    stop: Value<'a>,
    timestamp: Value<'a>,
    idempotency_key: Value<'a>,
    /// When a gateway stored it; only what it pushes has that.
    stored: Value<'a>,
    usage: Usage<'a>,
}

impl<'a> Message<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut message = Self::default();
        cursor.members(|key, cursor| {
            match key {
                b"role" => message.role = cursor.value()?,
                b"provider" => message.provider = cursor.value()?,
                b"model" => message.model = cursor.value()?,
                b"modelId" => message.model_id = cursor.value()?,
                b"api" => message.api = cursor.value()?,
                b"stopReason" => message.stop = cursor.value()?,
                b"timestamp" => message.timestamp = cursor.value()?,
                b"idempotencyKey" => message.idempotency_key = cursor.value()?,
                b"usage" => message.usage = Usage::read(cursor)?,
                b"__openclaw" => message.stored = member(cursor, b"recordTimestampMs")?,
                _ => drop(cursor.value()?),
            }
            Some(())
        })?;
        Some(message)
    }

    /// The cluster of Codex's turn that the message stands for: `codex-app-server:<thread>:<turn>:assistant`.
    fn mirrored_turn(&self) -> Option<u64> {
        let key = self.idempotency_key.text()?;
        let turn = key
            .strip_prefix("codex-app-server:")?
            .strip_suffix(":assistant")?;
        let (_thread, turn) = turn.rsplit_once(':')?;
        Some(codex::turn_cluster(turn))
    }
}

/// A member of an object; the rest of it is passed over.
fn member<'a>(cursor: &mut Cursor<'a>, name: &[u8]) -> Option<Value<'a>> {
    let mut found = Value::default();
    cursor.members(|key, cursor| {
        let value = cursor.value()?;
        if key == name {
            found = value;
        }
        Some(())
    })?;
    Some(found)
}

/// A usage object. Provider adapters spell its members differently; of several spellings the first listed counts.
#[derive(Default)]
struct Usage<'a> {
    present: bool,
    input: [Value<'a>; 5],
    output: [Value<'a>; 5],
    /// Cache reads beside the input.
    cache_read: [Value<'a>; 4],
    /// Cache reads inside the input, as OpenAI counts.
    cached: [Value<'a>; 3],
    cache_write: [Value<'a>; 4],
    total: [Value<'a>; 3],
    cost: Cost<'a>,
}

impl<'a> Usage<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut usage = Self::default();
        usage.present = cursor.members(|key, cursor| {
            let member = match key {
                b"input" => &mut usage.input[0],
                b"inputTokens" => &mut usage.input[1],
                b"input_tokens" => &mut usage.input[2],
                b"promptTokens" => &mut usage.input[3],
                b"prompt_tokens" => &mut usage.input[4],
                b"output" => &mut usage.output[0],
                b"outputTokens" => &mut usage.output[1],
                b"output_tokens" => &mut usage.output[2],
                b"completionTokens" => &mut usage.output[3],
                b"completion_tokens" => &mut usage.output[4],
                b"cacheRead" => &mut usage.cache_read[0],
                b"cacheReadTokens" => &mut usage.cache_read[1],
                b"cache_read" => &mut usage.cache_read[2],
                b"cache_read_input_tokens" => &mut usage.cache_read[3],
                b"cached_tokens" => &mut usage.cached[0],
                b"cacheWrite" => &mut usage.cache_write[0],
                b"cacheWriteTokens" => &mut usage.cache_write[1],
                b"cache_write" => &mut usage.cache_write[2],
                b"cache_creation_input_tokens" => &mut usage.cache_write[3],
                b"totalTokens" => &mut usage.total[0],
                b"total" => &mut usage.total[1],
                b"total_tokens" => &mut usage.total[2],
                b"input_tokens_details" => {
                    usage.cached[1] = read_cached(cursor)?;
                    return Some(());
                }
                b"prompt_tokens_details" => {
                    usage.cached[2] = read_cached(cursor)?;
                    return Some(());
                }
                b"cost" => {
                    usage.cost = Cost::read(cursor)?;
                    return Some(());
                }
                _ => &mut Value::default(),
            };
            *member = cursor.value()?;
            Some(())
        })?;
        Some(usage)
    }

    fn tokens(&self) -> Result<Tokens, Fault> {
        let first = |spellings: &[Value<'a>]| {
            spellings
                .iter()
                .fold(Value::default(), |first, next| first.or(*next))
        };
        let cached = first(&self.cached);
        let cache_read = first(&self.cache_read).or(cached).count();
        let inside = if cached.is_missing() { 0 } else { cache_read };
        let mut tokens = plausible(Tokens {
            input: first(&self.input).count().saturating_sub(inside),
            output: first(&self.output).count(),
            cache_read,
            cache_write_5m: first(&self.cache_write).count(),
            cache_write_1h: 0,
            unsplit: 0,
        })?;
        if tokens.total() == 0 {
            tokens.unsplit = first(&self.total).count();
        }
        plausible(tokens)
    }
}

fn read_cached<'a>(cursor: &mut Cursor<'a>) -> Option<Value<'a>> {
    let mut cached = Value::default();
    cursor.members(|key, cursor| {
        match key {
            b"cached_tokens" => cached = cursor.value()?,
            _ => drop(cursor.value()?),
        }
        Some(())
    })?;
    Some(cached)
}

/// OpenClaw's own figure for the call.
#[derive(Default)]
struct Cost<'a> {
    total: Value<'a>,
    origin: Value<'a>,
}

impl<'a> Cost<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut cost = Self::default();
        cursor.members(|key, cursor| {
            match key {
                b"total" => cost.total = cursor.value()?,
                b"totalOrigin" => cost.origin = cursor.value()?,
                _ => drop(cursor.value()?),
            }
            Some(())
        })?;
        Some(cost)
    }

    /// A cost of zero mostly means that OpenClaw knew no price; it is kept where it is the truth.
    fn recorded(&self, provider: &str, model: &str) -> Option<NanoUsd> {
        let total = self.total.dollars()?;
        let free = || self.origin.is("provider-billed") || is_local(provider, model);
        let possible = (NanoUsd::ZERO..=DEAREST).contains(&total);
        (possible && (total > NanoUsd::ZERO || free())).then_some(total)
    }
}

/// No single response costs more; a larger figure is a slip of whoever wrote it.
const DEAREST: NanoUsd = NanoUsd::dollars(100_000);

/// Ollama also serves hosted models, whose names end in "cloud".
fn is_local(provider: &str, model: &str) -> bool {
    let name = provider
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect::<String>()
        .to_ascii_lowercase();
    LOCAL_PROVIDERS.contains(&name.as_str()) && !model.ends_with("cloud")
}

#[cfg(test)]
mod tests;
