//! Sessions of OpenClaw, the same events for both of its eras: lines of files, rows of databases.

use super::{
    clock::{Clock, iso},
    line::OpenClawLine,
    pitfall::Pitfall,
    random::Random,
    text::Text,
    truth::{Figures, Tally},
};
use clawspend_core::money::NanoUsd;
use std::{fmt::Write, io};

const SOURCE: &str = "openclaw";

/// Provider, API dialect, model.
const MODELS: &[(&str, &str, &str)] = &[
    ("anthropic", "anthropic-messages", "claude-sonnet-5"),
    ("anthropic", "anthropic-messages", "claude-opus-5"),
    ("openai", "openai-responses", "gpt-5.5"),
    (
        "openrouter",
        "openai-completions",
        "anthropic/claude-sonnet-5",
    ),
    ("moonshot", "openai-completions", "kimi-k2.5"),
    ("ollama", "openai-completions", "qwen3:32b"),
];

/// One event of a transcript.
#[derive(Debug)]
pub(super) struct Event<'a> {
    pub(super) kind: &'static str,
    pub(super) id: &'a str,
    pub(super) parent: Option<&'a str>,
    /// When it was written, milliseconds since the epoch.
    pub(super) at: i64,
    pub(super) json: &'a str,
}

/// Where a session's events go, in order.
pub(super) type Sink<'a> = dyn FnMut(&Event<'_>) -> io::Result<()> + 'a;

/// What is needed to play one session.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) text: &'a Text,
    pub(super) random: Random,
    pub(super) clock: Clock,
    pub(super) id: String,
    /// 3 in files, 4 in databases.
    pub(super) version: u8,
    pub(super) bytes: u64,
    pub(super) pitfalls: &'static [Pitfall],
    model: (&'static str, &'static str, &'static str),
    parent: Option<String>,
    written: u64,
    context: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(
        text: &'a Text,
        mut random: Random,
        clock: Clock,
        version: u8,
        bytes: u64,
        pitfalls: &'static [Pitfall],
    ) -> Self {
        let (id, model) = (random.uuid(), random.pick(MODELS));
        let context = random.between(4_000, 20_000);
        Self {
            text,
            random,
            clock,
            id,
            version,
            bytes,
            pitfalls,
            model,
            parent: None,
            written: 0,
            context,
        }
    }

    /// The event that opens a transcript; forks have their own.
    pub(super) fn opening(id: &str, version: u8, at: i64) -> String {
        format!(
            r#"{{"type":"session","version":{version},"id":"{id}","timestamp":"{}","cwd":"/home/dev/agents"}}"#,
            iso(at)
        )
    }

    /// Plays the session into `sink` and counts its responses.
    pub(super) fn play(&mut self, tally: &mut Tally, sink: &mut Sink<'_>) -> io::Result<()> {
        let (at, id) = (self.clock.now(), self.id.clone());
        let json = Self::opening(&id, self.version, at);
        sink(&Event {
            kind: "session",
            id: &id,
            parent: None,
            at,
            json: &json,
        })?;
        self.change_model(sink)?;
        loop {
            self.turn(tally, sink)?;
            if self.written >= self.bytes {
                return Ok(());
            }
        }
    }

    fn turn(&mut self, tally: &mut Tally, sink: &mut Sink<'_>) -> io::Result<()> {
        self.clock.turn(&mut self.random);
        if self.random.one_in(30) {
            self.model = self.random.pick(MODELS);
            self.change_model(sink)?;
        }
        let (id, mut words) = (self.event_id(), String::new());
        let (size, role) = match self.random.below(60) {
            0 => (
                self.random.between(30_000, 200_000).min(self.bytes / 3),
                "toolResult",
            ),
            1..40 => (self.line_size(300), "toolResult"),
            _ => (self.line_size(300), "user"),
        };
        self.text.words(&mut self.random, size, &mut words);
        let at = self.clock.now();
        self.event(sink, "message", id, |parent, id| {
            format!(
                r#"{{"type":"message","id":"{id}",{parent},"timestamp":"{}","message":{{"role":"{role}","content":[{{"type":"text","text":"{words}"}}],"timestamp":{at}}}}}"#,
                iso(at)
            )
        })?;
        self.clock.tick(self.random.between(900, 12_000));
        match self.random.below(60) {
            0 => self.unbilled(
                tally,
                sink,
                "",
                r#"{"input":0,"output":0,"cacheRead":0,"cacheWrite":0,"totalTokens":0}"#,
            ),
            1 => self.unbilled(
                tally,
                sink,
                "delivery-mirror",
                r#"{"input":0,"output":0,"totalTokens":0}"#,
            ),
            _ => self.response(tally, sink),
        }
    }

    fn response(&mut self, tally: &mut Tally, sink: &mut Sink<'_>) -> io::Result<()> {
        let random = &mut self.random;
        if self.context > 150_000 {
            self.context = random.between(4_000, 20_000);
        }
        let [input, output] = [random.long_tailed(6, 8), random.long_tailed(12, 8)];
        let (cache_read, cache_write) = match self.model.0 {
            "anthropic" => (self.context, random.long_tailed(40, 6)),
            "ollama" => (0, 0),
            _ => (self.context, 0),
        };
        self.context += input + output + cache_write;
        let total = input + output + cache_read + cache_write;
        let unsplit = random.one_in(50) && self.pitfalls.contains(&Pitfall::BareTotal);
        let cost = if unsplit || self.model.0 == "ollama" {
            0
        } else {
            total
        };
        let mut usage = String::new();
        if unsplit {
            tally.trap("total only");
            let _ = write!(usage, r#"{{"totalTokens":{total}}}"#);
        } else {
            let _ = write!(
                usage,
                r#"{{"input":{input},"output":{output},"cacheRead":{cache_read},"cacheWrite":{cache_write},"totalTokens":{total},"cost":{{"input":0,"output":0,"cacheRead":0,"cacheWrite":0,"total":0.{cost:09}}}}}"#
            );
        }
        let model_left_out = random.one_in(12);
        if model_left_out {
            tally.trap("model from model_change");
        }
        let made_at = self.clock.now();
        let model = self.model.2;
        self.assistant(
            sink,
            if model_left_out { "" } else { model },
            self.model.0,
            &usage,
            "stop",
        )?;
        let figures = if unsplit {
            Figures {
                unsplit_tokens: total,
                ..Figures::default()
            }
        } else {
            Figures {
                input_tokens: input,
                output_tokens: output,
                cache_read_tokens: cache_read,
                cache_write_5m_tokens: cache_write,
                ..Figures::default()
            }
        };
        let cost = NanoUsd(i64::try_from(cost).unwrap_or(0));
        tally.response(made_at, SOURCE, model, figures, cost);
        Ok(())
    }

    /// A failed call, or a message that OpenClaw itself delivered.
    fn unbilled(
        &mut self,
        tally: &mut Tally,
        sink: &mut Sink<'_>,
        model: &str,
        usage: &str,
    ) -> io::Result<()> {
        let (provider, model) = if model.is_empty() {
            (self.model.0, self.model.2)
        } else {
            ("openclaw", model)
        };
        tally.trap(if provider == "openclaw" {
            "delivery mirror"
        } else {
            "failed call"
        });
        self.assistant(sink, model, provider, usage, "error")
    }

    fn assistant(
        &mut self,
        sink: &mut Sink<'_>,
        model: &str,
        provider: &str,
        usage: &str,
        stop_reason: &str,
    ) -> io::Result<()> {
        let (id, size) = (self.event_id(), self.line_size(550));
        let mut content = String::from(r#"[{"type":"text","text":""#);
        self.text.words(&mut self.random, size, &mut content);
        content.push_str(r#""}]"#);
        let at = self.clock.now();
        self.clock.tick(self.random.between(20, 400));
        let (written_at, parent) = (self.clock.now(), self.parent.clone().unwrap_or_default());
        let line = OpenClawLine {
            id: &id,
            parent: &parent,
            written_at,
            at,
            api: self.model.1,
            provider,
            model,
            content: &content,
            usage,
            stop_reason,
        };
        let json = line.to_string();
        self.event(sink, "message", id, |_, _| json)
    }

    fn change_model(&mut self, sink: &mut Sink<'_>) -> io::Result<()> {
        let ((provider, api, model), at) = (self.model, self.clock.now());
        let time = iso(at);
        if self.random.one_in(2) {
            let id = self.event_id();
            return self.event(sink, "model_change", id, |parent, id| {
                format!(
                    r#"{{"type":"model_change","id":"{id}",{parent},"timestamp":"{time}","provider":"{provider}","modelId":"{model}"}}"#
                )
            });
        }
        let id = self.event_id();
        self.event(sink, "custom", id, |parent, id| {
            format!(
                r#"{{"type":"custom","customType":"model-snapshot","data":{{"timestamp":{at},"provider":"{provider}","modelApi":"{api}","modelId":"{model}"}},"id":"{id}",{parent},"timestamp":"{time}"}}"#
            )
        })
    }

    /// Hands one event on; `json` gets the `parentId` field and the event's id.
    fn event(
        &mut self,
        sink: &mut Sink<'_>,
        kind: &'static str,
        id: String,
        json: impl FnOnce(&str, &str) -> String,
    ) -> io::Result<()> {
        let parent = self
            .parent
            .as_ref()
            .map_or_else(|| "null".to_owned(), |id| format!(r#""{id}""#));
        let json = json(&format!(r#""parentId":{parent}"#), &id);
        self.written += json.len() as u64 + 1;
        sink(&Event {
            kind,
            id: &id,
            parent: self.parent.as_deref(),
            at: self.clock.now(),
            json: &json,
        })?;
        self.parent = Some(id);
        Ok(())
    }

    fn event_id(&mut self) -> String {
        if self.version < 4 {
            self.random.hex(8)
        } else {
            self.random.uuid()
        }
    }

    fn line_size(&mut self, overhead: u64) -> u64 {
        self.random
            .long_tailed(140, 6)
            .saturating_sub(overhead)
            .max(24)
    }
}
