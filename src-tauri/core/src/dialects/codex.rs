//! Codex's rollouts, as OpenClaw's Codex harness leaves them: one JSON record a line, of which `token_count` events tell
//! what each response used.
//!
//! A turn is one message of the user's and takes many responses. OpenClaw's own transcript mirrors a turn with one row,
//! which has the figures of its last response alone; by the turn's id the two meet (see `turn_cluster`).

use super::{
    Carry, Context, Reading, hash,
    json::{self, Cursor, Value},
    plausible,
};
use crate::usage::{Fault, Identity, Line, Modifiers, Observation, Reason, Source, Tokens};
use memchr::memmem::Finder;
use std::{borrow::Cow, sync::LazyLock};

/// Says what one line means. `line` comes without its newline; `carry` keeps what the header said, the turn and its
/// model, and how much the thread had used.
#[must_use]
pub fn parse<'a>(line: &'a [u8], context: &'a Context, carry: &mut Carry) -> Line<'a> {
    static TELLING: LazyLock<[Finder<'static>; 4]> = LazyLock::new(|| {
        let kinds = [
            "\"token_count\"",
            "\"turn_context\"",
            "\"task_started\"",
            "\"session_meta\"",
        ];
        kinds.map(Finder::new)
    });
    if TELLING.iter().any(|kind| kind.find(line).is_some()) {
        super::line(read(line, context, carry))
    } else {
        json::without_usage(line)
    }
}

/// Observations of one turn share it, whoever tells them. Forks copy turns with their ids.
pub(super) fn turn_cluster(turn: &str) -> u64 {
    hash::cluster(&[
        Source::OpenClaw.as_str().as_bytes(),
        b"codex turn",
        turn.as_bytes(),
    ])
}

fn read<'a>(line: &'a [u8], context: &'a Context, carry: &mut Carry) -> Reading<'a> {
    let record = Cursor::line(line, Record::read).ok_or(Fault::NotJson)?;
    let payload = &record.payload;
    carry.at = record.timestamp.instant().or(carry.at);
    if !(record.kind.is("event_msg") && payload.kind.is("token_count")) {
        record.remember(carry);
        return Err(Reason::NoUsage.into());
    }
    let (total, last) = (&payload.total, &payload.last);
    if !(total.present && last.present) {
        return Err(Reason::NoUsage.into());
    }
    // The event comes again without a new response, for instance with new limits.
    let used_by_now = total.fingerprint();
    if carry.used.replace(used_by_now) == Some(used_by_now) {
        return Err(Reason::ZeroUsage.into());
    }
    let tokens = last.tokens()?;
    if tokens.total() == 0 {
        return Err(Reason::ZeroUsage.into());
    }
    // Of a turn without a name nothing tells whether it is mirrored: the mirror counts.
    let turn = carry.turn.as_deref().ok_or(Fault::NamelessTurn)?;
    let known = |value: &Option<String>| value.clone().map(Cow::Owned);
    Ok(Box::new(Observation {
        cluster: turn_cluster(turn),
        identity: Identity::Weak,
        request: used_by_now,
        line: 0,
        parent: 0,
        at: carry.at.ok_or(Fault::BadTimestamp)?,
        source: Source::OpenClaw,
        rank: context.rank,
        forked: false,
        has_speed: false,
        session: known(&carry.session).unwrap_or(Cow::Borrowed(&context.session)),
        project: known(&carry.project).unwrap_or(Cow::Borrowed(&context.project)),
        agent: Cow::Borrowed(&context.agent),
        subagent: Cow::Borrowed(""),
        branch: Cow::Borrowed(""),
        gateway: Cow::Borrowed(""),
        provider: known(&carry.provider).unwrap_or_default(),
        model: known(&carry.model).unwrap_or(Cow::Borrowed("unknown")),
        api: Cow::Borrowed(""),
        stop: Cow::Borrowed(""),
        tokens,
        modifiers: Modifiers::default(),
        recorded: None,
        extras: Vec::new(),
    }))
}

/// One line's members that matter.
#[derive(Default)]
struct Record<'a> {
    timestamp: Value<'a>,
    kind: Value<'a>,
    payload: Payload<'a>,
}

impl<'a> Record<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut record = Self::default();
        cursor.members(|key, cursor| {
            match key {
                b"timestamp" => record.timestamp = cursor.value()?,
                b"type" => record.kind = cursor.value()?,
                b"payload" => record.payload = Payload::read(cursor)?,
                _ => drop(cursor.value()?),
            }
            Some(())
        })?;
        Some(record)
    }

    /// Keeps what later events rely on.
    fn remember(&self, carry: &mut Carry) {
        let payload = &self.payload;
        let text = |value: Value<'a>| value.text().map(Cow::into_owned);
        // A fork goes on with the header of the thread that it was copied from: the first one is its own.
        if self.kind.is("session_meta") && carry.session.is_none() {
            carry.session = text(payload.id.or(payload.session));
            carry.project = text(payload.cwd);
            carry.provider = text(payload.provider);
        } else if self.kind.is("turn_context") {
            carry.turn = text(payload.turn).or(carry.turn.take());
            carry.model = text(payload.model).or(carry.model.take());
            carry.project = text(payload.cwd).or(carry.project.take());
        } else if self.kind.is("event_msg") && payload.kind.is("task_started") {
            carry.turn = text(payload.turn);
        }
    }
}

/// The members of `payload` that matter, whatever the record's type.
#[derive(Default)]
struct Payload<'a> {
    kind: Value<'a>,
    id: Value<'a>,
    session: Value<'a>,
    turn: Value<'a>,
    model: Value<'a>,
    provider: Value<'a>,
    cwd: Value<'a>,
    /// Of the thread, by now.
    total: Usage<'a>,
    /// Of the latest response.
    last: Usage<'a>,
}

impl<'a> Payload<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut payload = Self::default();
        cursor.members(|key, cursor| {
            let member = match key {
                b"type" => &mut payload.kind,
                b"id" => &mut payload.id,
                b"session_id" => &mut payload.session,
                b"turn_id" => &mut payload.turn,
                b"model" => &mut payload.model,
                b"model_provider" => &mut payload.provider,
                b"cwd" => &mut payload.cwd,
                b"info" => return payload.read_info(cursor),
                _ => &mut Value::default(),
            };
            *member = cursor.value()?;
            Some(())
        })?;
        Some(payload)
    }

    fn read_info(&mut self, cursor: &mut Cursor<'a>) -> Option<()> {
        cursor.members(|key, cursor| {
            match key {
                b"total_token_usage" => self.total = Usage::read(cursor)?,
                b"last_token_usage" => self.last = Usage::read(cursor)?,
                _ => drop(cursor.value()?),
            }
            Some(())
        })?;
        Some(())
    }
}

/// OpenAI's counts: what the cache served or took in is inside the input, reasoning inside the output.
#[derive(Default)]
struct Usage<'a> {
    present: bool,
    input: Value<'a>,
    cached: Value<'a>,
    written: Value<'a>,
    output: Value<'a>,
}

impl<'a> Usage<'a> {
    fn read(cursor: &mut Cursor<'a>) -> Option<Self> {
        let mut usage = Self::default();
        usage.present = cursor.members(|key, cursor| {
            let member = match key {
                b"input_tokens" => &mut usage.input,
                b"cached_input_tokens" => &mut usage.cached,
                b"cache_write_input_tokens" => &mut usage.written,
                b"output_tokens" => &mut usage.output,
                _ => &mut Value::default(),
            };
            *member = cursor.value()?;
            Some(())
        })?;
        Some(usage)
    }

    fn counts(&self) -> [u64; 4] {
        [self.input, self.cached, self.written, self.output].map(Value::count)
    }

    fn fingerprint(&self) -> u64 {
        hash::id(self.counts().map(u64::to_le_bytes).as_flattened())
    }

    fn tokens(&self) -> Result<Tokens, Fault> {
        let [input, cached, written, output] = self.counts();
        plausible(Tokens {
            input: input.saturating_sub(cached.saturating_add(written)),
            output,
            cache_read: cached,
            cache_write_5m: written,
            cache_write_1h: 0,
            unsplit: 0,
        })
    }
}

#[cfg(test)]
mod tests;
