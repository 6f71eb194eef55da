//! The files of one Claude Code conversation: transcript, subagents, and a fork of it.

use super::{
    claude::{Replayable, Session, Split, Style, Who},
    clock::{Clock, SECOND},
    pitfall::Pitfall,
    random::Random,
    text::Text,
    transcript::Transcript,
    truth::Tally,
};
use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

const PROJECTS: &[&str] = &[
    "/home/dev/shop",
    "/home/dev/api-server",
    "/home/dev/dotfiles",
    "/home/dev/web/site",
    "/home/dev/game_engine",
    "/home/dev/notes",
    "/srv/infra",
    "/home/dev/compiler",
    "/home/dev/shop-wt/feature",
    "/home/dev/Größe",
];
const MODELS: &[&str] = &[
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-opus-5",
    "claude-sonnet-5",
    "claude-opus-4-8",
    "claude-sonnet-4-6",
];
const SMALL_MODELS: &[&str] = &[
    "claude-haiku-5-5",
    "claude-haiku-4-5-20251001",
    "claude-sonnet-5",
];
const RELAY_MODELS: &[&str] = &["kimi-k2.5", "deepseek-v4", "glm-5"];

/// How a conversation is continued in a file of its own, which repeats the history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fork {
    /// The session id is rewritten.
    Resume,
    /// As `Resume`, and the copies lack their request ids.
    WithoutRequests,
    /// As `Resume`, and the copies say where they come from.
    Branch,
    /// Each line twice: as in `Resume` and as in `Branch`.
    Twice,
}

/// One conversation of the plan.
#[derive(Debug)]
pub(super) struct Conversation {
    pub(super) seed: u64,
    /// The day it starts, milliseconds since the epoch.
    pub(super) start: i64,
    pub(super) end: i64,
    pub(super) style: Style,
    pub(super) bytes: u64,
    /// Bytes of each subagent's file.
    pub(super) subagents: Vec<u64>,
    /// The first subagent is a side question.
    pub(super) side_question: bool,
    /// Subagents lie beside the transcript, as they used to.
    pub(super) flat: bool,
    /// And the bytes of its file.
    pub(super) fork: Option<(Fork, u64)>,
    pub(super) truncated: bool,
    pub(super) over_midnight: bool,
    pub(super) pitfalls: &'static [Pitfall],
}

impl Conversation {
    /// The sum over its files, while these hold weights.
    pub(super) fn weight(&self) -> u64 {
        self.bytes + self.subagents.iter().sum::<u64>() + self.fork.map_or(0, |(_, weight)| weight)
    }

    pub(super) fn write(&self, home: &Path, text: &Text, tally: &mut Tally) -> io::Result<()> {
        let mut random = Random::new(self.seed);
        let session = random.uuid();
        let cwd = random.pick(PROJECTS);
        let folder = home.join(".claude/projects").join(slug(cwd));
        let relay = matches!(self.style, Style::Relay { .. });
        let split = match random.below(10) {
            _ if relay => Split::Missing,
            0 => Split::Missing,
            1..3 => Split::FiveMinutes,
            3 => Split::Both,
            _ => Split::OneHour,
        };
        let who = Who {
            session: session.clone(),
            agent: String::new(),
            cwd,
            version: if self.style == Style::Nested {
                "2.0.14"
            } else {
                random.pick(&["2.1.266", "2.1.280"])
            },
            branch: random.pick(&["main", "main", "feature/parser", "fix-größe", ""]),
            pitfalls: self.pitfalls,
            model: random.pick(if relay { RELAY_MODELS } else { MODELS }),
            split,
        };
        let clock = Clock::new(self.start, self.end, &mut random);
        let path = folder.join(format!("{session}.jsonl"));
        let mut main = Session {
            text,
            tally,
            random,
            clock: clock.clone(),
            out: Transcript::create(&path)?,
            who: who.clone(),
            style: self.style.clone(),
            budget: self.bytes,
            parent: String::new(),
            replayable: Vec::new(),
            context: 0,
            turns: 0,
            over_midnight: self.over_midnight,
        };
        main.open()?;
        main.run(if relay { 3 } else { 1 })?;
        if self.truncated {
            main.cut_short()?;
        }
        let Session {
            tally,
            mut random,
            clock: ended,
            out,
            replayable,
            turns,
            ..
        } = main;
        out.close(tally)?;

        for (number, bytes) in self.subagents.iter().enumerate() {
            let replays: &[Replayable] = if self.side_question && number == 0 {
                &replayable
            } else {
                &[]
            };
            let part = Random::new(random.next());
            self.subagent(
                &folder,
                part,
                clock.clone(),
                &who,
                *bytes,
                replays,
                text,
                tally,
            )?;
        }
        if let Some((fork, bytes)) = self.fork {
            let who = Who {
                session: random.uuid(),
                ..who
            };
            let copy = folder.join(format!("{}.jsonl", who.session));
            let mut out = Transcript::create(&copy)?;
            // Most forks repeat everything, some stop earlier.
            let copied = if random.one_in(3) {
                self.bytes * random.between(30, 90) / 100
            } else {
                u64::MAX
            };
            let parent = copy_history(&path, &session, &who.session, fork, copied, &mut out)?;
            tally.trap(fork.name());
            let style = match &self.style {
                Style::Relay { id, context } => Style::Relay {
                    id: id.clone(),
                    context: context + 1,
                },
                style => style.clone(),
            };
            let mut clock = ended;
            clock.turn(&mut random);
            let budget = bytes.max(out.bytes() + 1);
            let mut session = Session {
                text,
                tally,
                random,
                clock,
                out,
                who,
                style,
                budget,
                parent,
                replayable: Vec::new(),
                context: 0,
                turns,
                over_midnight: false,
            };
            session.run(1)?;
            session.out.close(session.tally)?;
        }
        Ok(())
    }

    #[expect(clippy::too_many_arguments, reason = "all parts of one new session")]
    fn subagent(
        &self,
        folder: &Path,
        mut random: Random,
        mut clock: Clock,
        parent: &Who,
        bytes: u64,
        replays: &[Replayable],
        text: &Text,
        tally: &mut Tally,
    ) -> io::Result<()> {
        clock.tick(random.between(1, 3_600) * SECOND.unsigned_abs());
        let agent = random.hex(17);
        let folder = if self.flat {
            folder.to_owned()
        } else {
            folder.join(&parent.session).join("subagents")
        };
        let path = folder.join(format!("agent-{agent}.jsonl"));
        let out = Transcript::create(&path)?;
        fs::write(
            path.with_extension("meta.json"),
            r#"{"agentType":"general-purpose"}"#,
        )?;
        let who = Who {
            agent,
            model: random.pick(SMALL_MODELS),
            split: Split::FiveMinutes,
            ..parent.clone()
        };
        let mut session = Session {
            text,
            tally,
            random,
            clock,
            out,
            who,
            style: Style::Ordinary,
            budget: bytes,
            parent: String::new(),
            replayable: Vec::new(),
            context: 0,
            turns: 0,
            over_midnight: false,
        };
        session.replay(replays)?;
        session.run(1)?;
        session.out.close(session.tally)
    }
}

impl Fork {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Resume => "resumed",
            Self::WithoutRequests => "resumed without request ids",
            Self::Branch => "branched",
            Self::Twice => "branched, each line twice",
        }
    }
}

/// The name of a project's folder.
fn slug(cwd: &str) -> String {
    cwd.chars()
        .map(|letter| {
            if letter.is_ascii_alphanumeric() {
                letter
            } else {
                '-'
            }
        })
        .collect()
}

/// Copies whole lines of the transcript at `path`, about `limit` bytes, under a new session id. Returns the id of
/// the last line that has one.
fn copy_history(
    path: &PathBuf,
    old: &str,
    new: &str,
    fork: Fork,
    limit: u64,
    out: &mut Transcript,
) -> io::Result<String> {
    let (mut lines, mut line) = (BufReader::new(File::open(path)?), Vec::new());
    let (mut parent, mut copied) = (String::new(), 0);
    let (old_field, new_field) = (
        format!(r#""sessionId":"{old}""#),
        format!(r#""sessionId":"{new}""#),
    );
    while copied < limit {
        line.clear();
        lines.read_until(b'\n', &mut line)?;
        if line.pop() != Some(b'\n') {
            break; // the end, or a line cut short
        }
        copied += line.len() as u64;
        let text = String::from_utf8_lossy(&line);
        let uuid = quoted_after(&text, r#""uuid":""#);
        let mut plain = text.replacen(&old_field, &new_field, 1);
        if fork == Fork::WithoutRequests
            && let Some(request) = quoted_after(&plain, r#""requestId":""#)
        {
            plain = plain.replacen(&format!(r#","requestId":"{request}""#), "", 1);
        }
        let from = format!(
            r#"{new_field},"forkedFrom":{{"sessionId":"{old}","messageUuid":"{}"}}"#,
            uuid.unwrap_or_default()
        );
        if fork != Fork::Branch || uuid.is_none() {
            out.line(&plain)?;
        }
        if matches!(fork, Fork::Branch | Fork::Twice) && uuid.is_some() {
            out.line(&text.replacen(&old_field, &from, 1))?;
        }
        if let Some(uuid) = uuid {
            uuid.clone_into(&mut parent);
        }
    }
    Ok(parent)
}

/// The text between the last `opening` of the line and the next quote. Inside strings quotes are escaped, so only
/// a field can match.
fn quoted_after<'a>(line: &'a str, opening: &str) -> Option<&'a str> {
    let start = line.rfind(opening)? + opening.len();
    line[start..].split('"').next()
}
