//! Sessions of Claude Code: what happens in one, turn by turn.

use super::{
    clock::{Clock, DAY, iso},
    line::{ClaudeLine, ClaudeUsage},
    pitfall::Pitfall,
    random::Random,
    text::Text,
    transcript::Transcript,
    truth::{Figures, Tally, list_price},
};
use std::{fmt::Write, io};

pub(super) const SOURCE: &str = "claude-code";

/// How an endpoint names its responses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Style {
    /// Unique message and request ids.
    Ordinary,
    /// Unique message ids, no request ids.
    NoRequest,
    /// A relay that gives every response this id, and no request id. `context` tells its files apart.
    Relay { id: String, context: u64 },
    /// Neither id: only the line's own.
    Anonymous,
    /// Ordinary, but an old version that nests some responses in `progress` lines.
    Nested,
}

/// How a version writes the lifetimes of its cache writes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Split {
    Missing,
    FiveMinutes,
    OneHour,
    Both,
}

/// What all lines of a file share.
#[derive(Debug, Clone)]
pub(super) struct Who {
    pub(super) session: String,
    pub(super) agent: String,
    pub(super) cwd: &'static str,
    pub(super) version: &'static str,
    pub(super) branch: &'static str,
    pub(super) model: &'static str,
    pub(super) split: Split,
    pub(super) pitfalls: &'static [Pitfall],
}

/// A response that a side question may replay.
#[derive(Debug, Clone)]
pub(super) struct Replayable {
    message_id: String,
    at: i64,
    usage: ClaudeUsage,
}

/// One file of a session being written.
#[derive(Debug)]
pub(super) struct Session<'a> {
    pub(super) text: &'a Text,
    pub(super) tally: &'a mut Tally,
    pub(super) random: Random,
    pub(super) clock: Clock,
    pub(super) out: Transcript,
    pub(super) who: Who,
    pub(super) style: Style,
    /// Bytes to write; a session ends with the turn that passes them.
    pub(super) budget: u64,
    /// The line written last.
    pub(super) parent: String,
    pub(super) replayable: Vec<Replayable>,
    /// Tokens in the model's context.
    pub(super) context: u64,
    pub(super) turns: u64,
    /// The next response is to begin before midnight and end after it.
    pub(super) over_midnight: bool,
}

const CONTEXT_LIMIT: u64 = 170_000;

impl Session<'_> {
    /// The lines before the first turn; none of them has usage, some have no time.
    pub(super) fn open(&mut self) -> io::Result<()> {
        let (leaf, mut title) = (self.random.uuid(), String::new());
        self.text.words(&mut self.random, 60, &mut title);
        if self.random.one_in(2) {
            self.out.line(&format!(
                r#"{{"type":"summary","summary":"{title}","leafUuid":"{leaf}"}}"#
            ))?;
        } else {
            let (session, at) = (&self.who.session, iso(self.clock.now()));
            self.out.line(&format!(
                r#"{{"type":"queue-operation","operation":"enqueue","timestamp":"{at}","sessionId":"{session}","content":"{title}"}}"#
            ))?;
        }
        self.out.line(&format!(
            r#"{{"type":"file-history-snapshot","messageId":"{leaf}","snapshot":{{"messageId":"{leaf}","trackedFileBackups":{{}}}},"isSnapshotUpdate":false}}"#
        ))
    }

    /// Turns until the budget is spent, at least `least`.
    pub(super) fn run(&mut self, least: u64) -> io::Result<()> {
        let end = self.turns + least;
        while self.turns < end || self.out.bytes() < self.budget {
            self.turn()?;
        }
        Ok(())
    }

    /// A line that the writer has not finished: it has no end and does not count yet.
    pub(super) fn cut_short(&mut self) -> io::Result<()> {
        let usage = ClaudeUsage {
            output: 777_777,
            ..self.usage()
        };
        let mut content = String::from(r#"[{"type":"text","text":""#);
        self.text.words(&mut self.random, 600, &mut content);
        content.push_str(r#""}]"#);
        let (uuid, message_id) = (self.random.uuid(), self.random.id("msg_"));
        let line = ClaudeLine {
            uuid: &uuid,
            message_id: &message_id,
            content: &content,
            usage,
            ..self.template()
        };
        let line = line.to_string();
        // Anywhere, also within a character or after the usage, but never at the end.
        let end = self
            .random
            .between(line.len() as u64 / 3, line.len() as u64 - 1);
        self.tally.trap("truncated tail");
        self.out
            .raw(&line.as_bytes()[..usize::try_from(end).unwrap_or(0)])
    }

    /// Replays the parent's responses as a side question does: same message id, new request, other cache counts.
    pub(super) fn replay(&mut self, responses: &[Replayable]) -> io::Result<()> {
        for response in responses {
            let (uuid, request_id) = (self.random.uuid(), self.random.id("req_"));
            let usage = ClaudeUsage {
                cache_read: response.usage.cache_read + 41_000,
                output: self.random.between(1, 2 * response.usage.output + 2),
                ..response.usage
            };
            let line = ClaudeLine {
                uuid: &uuid,
                message_id: &response.message_id,
                request_id: &request_id,
                at: response.at,
                usage,
                ..self.template()
            };
            self.out.line(&line.to_string())?;
            self.parent = uuid;
            self.tally.trap("side-question replay");
        }
        Ok(())
    }

    fn turn(&mut self) -> io::Result<()> {
        self.turns += 1;
        self.clock.turn(&mut self.random);
        self.user()?;
        self.notes()?;
        if self.random.one_in(80) {
            return self.synthetic();
        }
        self.clock.tick(self.random.between(800, 9_000));
        self.response()
    }

    /// An API error that the client wrote as if the model had said it.
    fn synthetic(&mut self) -> io::Result<()> {
        let (uuid, id) = (self.random.uuid(), self.random.uuid());
        let line = ClaudeLine {
            uuid: &uuid,
            model: "<synthetic>",
            message_id: &id,
            request_id: "",
            content: r#"[{"type":"text","text":"API Error: 529 overloaded_error"}]"#,
            stop_reason: "stop_sequence",
            usage: ClaudeUsage {
                one_hour: Some(0),
                ..ClaudeUsage::default()
            },
            ..self.template()
        };
        let line =
            line.to_string()
                .replacen(r#","uuid":"#, r#","isApiErrorMessage":true,"uuid":"#, 1);
        self.parent = uuid;
        self.tally.trap("synthetic");
        self.out.line(&line)
    }

    /// One response: one to four lines that repeat its ids while its output grows.
    fn response(&mut self) -> io::Result<()> {
        let usage = self.usage();
        let (message_id, request_id) = match &self.style {
            Style::Ordinary | Style::Nested => (self.random.id("msg_"), self.random.id("req_")),
            Style::NoRequest => (self.random.id("chatcmpl-"), String::new()),
            Style::Relay { id, .. } => (id.clone(), String::new()),
            Style::Anonymous => (String::new(), String::new()),
        };
        let mut lines = if self.style == Style::Anonymous {
            1
        } else {
            self.random.pick(&[1, 1, 1, 1, 1, 2, 2, 2, 3, 4])
        };
        if std::mem::take(&mut self.over_midnight) {
            self.clock.before_midnight();
            lines = lines.max(2);
        }
        if self.clock.is_late() && !self.occurs(Pitfall::OverMidnight) {
            lines = 1;
        }
        let largest_first = lines > 1 && self.random.one_in(40);
        let nested = self.style == Style::Nested && self.random.one_in(3);
        let first_at = self.clock.now();
        for number in 1..=lines {
            let last = number == lines;
            let whole = if largest_first { number == 1 } else { last };
            let output = if whole {
                usage.output
            } else {
                1 + usage.output * (number - 1) / (2 * lines)
            };
            let content = self.content(last);
            let uuid = self.random.uuid();
            let line = ClaudeLine {
                uuid: &uuid,
                message_id: &message_id,
                request_id: &request_id,
                content: &content,
                stop_reason: if last { "tool_use" } else { "" },
                usage: ClaudeUsage { output, ..usage },
                ..self.template()
            };
            let line = if nested {
                line.progress("toolu_012345")
            } else {
                line.to_string()
            };
            self.out.line(&line)?;
            if self.style == Style::Anonymous && self.random.one_in(4) {
                self.tally.trap("repeated line without ids");
                self.out.line(&line)?;
            }
            self.parent = uuid;
            if !last {
                self.clock.tick(self.random.between(200, 4_000));
            }
        }
        let crossed = first_at.div_euclid(DAY) != self.clock.now().div_euclid(DAY);
        let kinds = [
            ("streamed in several lines", lines > 1),
            ("largest line first", largest_first),
            ("over midnight", crossed),
            ("nested in progress", nested),
            ("constant id", matches!(self.style, Style::Relay { .. })),
            ("no request id", self.style == Style::NoRequest),
            ("no ids", self.style == Style::Anonymous),
            ("subagent", !self.who.agent.is_empty()),
            (
                "split above total",
                usage
                    .one_hour
                    .is_some_and(|one_hour| one_hour > usage.cache_write),
            ),
        ];
        for (name, _) in kinds.iter().filter(|(_, laid)| *laid) {
            self.tally.trap(name);
        }
        let (model, figures) = (self.who.model, figures(&usage));
        let cost = list_price(first_at, model, &figures, usage.searches);
        self.tally.response(first_at, SOURCE, model, figures, cost);
        if self.style == Style::Ordinary && self.random.one_in(8) && self.replayable.len() < 16 {
            self.replayable.push(Replayable {
                message_id,
                at: first_at,
                usage,
            });
        }
        self.context += usage.cache_write + usage.output;
        Ok(())
    }

    /// The usage of the next response, as its last line will tell it.
    pub(super) fn usage(&mut self) -> ClaudeUsage {
        let null_speed = self.occurs(Pitfall::NullSpeed).then_some("null");
        let split_above_total = self.occurs(Pitfall::SplitAboveTotal);
        let random = &mut self.random;
        if self.context > CONTEXT_LIMIT || self.context == 0 {
            self.context = random.between(9_000, 24_000);
        }
        let missed = random.one_in(40);
        let fresh = random.long_tailed(40, 7);
        let cache_write = if missed { self.context + fresh } else { fresh };
        let one_hour = match self.who.split {
            Split::Missing => None,
            Split::FiveMinutes => Some(0),
            Split::OneHour if random.one_in(30) && split_above_total => Some(cache_write + 200),
            Split::OneHour => Some(cache_write),
            Split::Both => Some(random.between(0, cache_write)),
        };
        let output = random.long_tailed(12, 8);
        let usage = ClaudeUsage {
            input: if random.one_in(12) {
                random.between(200, 6_000)
            } else {
                random.between(1, 12)
            },
            output,
            cache_read: if missed { 0 } else { self.context },
            cache_write,
            one_hour,
            thinking: if random.one_in(3) { output / 2 } else { 0 },
            searches: if random.one_in(80) {
                random.between(1, 4)
            } else {
                0
            },
            iterations: random.one_in(3),
            speed: random.pick(&[
                None,
                Some(r#""standard""#),
                Some(r#""standard""#),
                null_speed,
            ]),
        };
        match &self.style {
            // Distinct for every response of every relay, as only these counts tell them apart.
            Style::Relay { context, .. } => ClaudeUsage {
                input: 1_000 + self.turns,
                cache_read: 64 * context,
                cache_write: 0,
                one_hour: None,
                ..usage
            },
            _ => usage,
        }
    }

    fn content(&mut self, last: bool) -> String {
        let size = if self.random.one_in(900) {
            self.tail(20_000, 250_000)
        } else {
            self.line_size(1_000)
        };
        let mut content = String::with_capacity(usize::try_from(size).unwrap_or(0) + 400);
        if last {
            let id = self.random.id("toolu_");
            let null = match self.occurs(Pitfall::NullInToolInput) {
                true => r#""id":null,"#,
                false => "",
            };
            let _ = write!(
                content,
                r#"[{{"type":"tool_use","id":"{id}","name":"Edit","input":{{"file_path":"src/main.rs",{null}"new_string":""#
            );
            self.text.words(&mut self.random, size, &mut content);
            content.push_str(r#""}}]"#);
        } else if self.random.one_in(3) {
            content.push_str(r#"[{"type":"thinking","thinking":""#);
            self.text.words(&mut self.random, size / 2, &mut content);
            content.push_str(r#"","signature":""#);
            self.text.base64(&mut self.random, size / 2, &mut content);
            content.push_str(r#"=="}]"#);
        } else {
            content.push_str(r#"[{"type":"text","text":""#);
            self.text.words(&mut self.random, size, &mut content);
            content.push_str(r#""}]"#);
        }
        content
    }

    /// An assistant line's size less `overhead`; half of them are above 2 KB.
    fn line_size(&mut self, overhead: u64) -> u64 {
        self.random
            .long_tailed(190, 6)
            .saturating_sub(overhead)
            .max(24)
    }

    /// The size of a long text, at most a third of the file.
    pub(super) fn tail(&mut self, from: u64, to: u64) -> u64 {
        self.random.between(from, to).min(self.budget / 3)
    }

    fn occurs(&self, pitfall: Pitfall) -> bool {
        self.who.pitfalls.contains(&pitfall)
    }

    pub(super) fn template(&self) -> ClaudeLine<'_> {
        ClaudeLine {
            parent: &self.parent,
            session: &self.who.session,
            sidechain: !self.who.agent.is_empty(),
            agent: &self.who.agent,
            cwd: self.who.cwd,
            version: self.who.version,
            branch: self.who.branch,
            at: self.clock.now(),
            model: self.who.model,
            ..ClaudeLine::default()
        }
    }
}

/// Without a split all writes are five-minute ones; the one-hour part cannot exceed the total.
fn figures(usage: &ClaudeUsage) -> Figures {
    let one_hour = usage.one_hour.unwrap_or(0).min(usage.cache_write);
    Figures {
        responses: 1,
        input_tokens: usage.input,
        output_tokens: usage.output,
        cache_read_tokens: usage.cache_read,
        cache_write_5m_tokens: usage.cache_write - one_hour,
        cache_write_1h_tokens: one_hour,
        unsplit_tokens: 0,
    }
}
