//! A corpus of session logs made from a seed, with the true answer known.
//!
//! ```text
//! Options ─► Corpus (the plan: a few numbers for each session) ─► write(home) ─► files and Truth
//! ```
//!
//! The mix of Claude Code's lines follows what its sessions are made of. A response takes 1.8 lines (thinking, text and
//! each tool use stand alone, with one message id), answers one line of the user's (nine in ten a tool's result, which
//! repeats its content for the client: files read and edited make that 10 to 60 KB) and comes with one or two short
//! notes of the client. So two lines in five carry usage, the median line has 1.5 KB, the mean about 5 KB, and
//! one in a thousand holds 250 KB and more.
//!
//! Each session comes from a seed of its own and is written line by line, so memory stays small at any size. The
//! [`Truth`] is counted where a response is invented; nothing is read back for it.

mod claude;
mod clock;
mod conversation;
mod database;
mod line;
mod openclaw;
mod pitfall;
mod random;
mod state_dir;
mod surroundings;
mod text;
mod transcript;
mod truth;

pub use line::{ClaudeLine, ClaudeUsage, OpenClawLine};
pub use pitfall::Pitfall;
pub use truth::{Figures, Row, Truth};

use claude::Style;
use clock::{DAY, midnight_of};
use conversation::{Conversation, Fork};
use jiff::civil::{Date, date};
use random::Random;
use state_dir::{FATES, Fate, OpenClawSession, write_agent};
use std::{io, path::Path};
use text::Text;
use truth::Tally;

/// What to make; the same options give the same bytes.
#[derive(Debug, Clone)]
pub struct Options {
    /// Start of all randomness.
    pub seed: u64,
    /// Bytes of all files together, roughly (compressed rows come out smaller).
    pub bytes: u64,
    /// Transcripts and databases, exactly; from 40 on every trap is laid.
    pub files: usize,
    /// The last UTC day with responses.
    pub last_day: Date,
    /// UTC days with responses.
    pub days: u32,
    /// Also OpenClaw's files.
    pub openclaw: bool,
    /// Also OpenClaw's databases.
    pub databases: bool,
    /// What of that which other readers get wrong is to occur.
    pub pitfalls: &'static [Pitfall],
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seed: 7,
            bytes: 1 << 30,
            files: 2_400,
            last_day: date(2026, 11, 20),
            days: 180,
            openclaw: true,
            databases: true,
            pitfalls: Pitfall::ALL,
        }
    }
}

/// The plan of a corpus.
#[derive(Debug)]
pub struct Corpus {
    options: Options,
    conversations: Vec<Conversation>,
    /// Agents and their sessions.
    agents: Vec<(&'static str, Vec<OpenClawSession>)>,
}

impl Corpus {
    /// Decides which sessions there are, when they happen and how long they are.
    #[must_use]
    pub fn plan(options: Options) -> Self {
        let mut random = Random::part(options.seed, 1);
        let agents = if options.openclaw {
            plan_agents(&options, &mut random)
        } else {
            Vec::new()
        };
        let openclaw_files: usize = agents.iter().map(|(_, sessions)| files_of(sessions)).sum();
        let conversations = plan_conversations(
            &options,
            &mut random,
            options.files.saturating_sub(openclaw_files),
        );
        let mut corpus = Self {
            options,
            conversations,
            agents,
        };
        corpus.share_out(&mut random);
        corpus
    }

    /// Writes `.claude` and `.openclaw` below `home`.
    ///
    /// # Errors
    /// Those of writing files.
    pub fn write(&self, home: &Path) -> io::Result<Truth> {
        let (text, mut tally) = (Text::new(self.options.seed), Tally::default());
        for conversation in &self.conversations {
            conversation.write(home, &text, &mut tally)?;
        }
        for (agent, sessions) in &self.agents {
            write_agent(
                &home.join(".openclaw/agents").join(agent),
                sessions,
                &text,
                &mut tally,
            )?;
        }
        let (since, end) = window(&self.options);
        Ok(tally.truth(since, end - 1))
    }

    /// Turns the weights that the plan put in place of bytes into bytes, and picks the days.
    fn share_out(&mut self, random: &mut Random) {
        let (since, end) = window(&self.options);
        let conversations = &mut self.conversations;
        let sessions = || self.agents.iter().flat_map(|(_, sessions)| sessions);
        let weights = conversations
            .iter()
            .map(Conversation::weight)
            .chain(sessions().map(|session| session.bytes));
        let total = u128::from(weights.sum::<u64>().max(1));
        let bytes = u128::from(self.options.bytes);
        let share =
            |weight: u64| u64::try_from(u128::from(weight) * bytes / total).unwrap_or(u64::MAX);
        for conversation in conversations {
            conversation.bytes = share(conversation.bytes);
            conversation
                .subagents
                .iter_mut()
                .for_each(|weight| *weight = share(*weight));
            conversation.fork = conversation
                .fork
                .map(|(fork, weight)| (fork, share(weight)));
            conversation.start = start(random, since, end, conversation.bytes);
        }
        // OpenClaw moved from files to databases in the middle of the window.
        let middle = since + (end - since) / DAY / 2 * DAY;
        for session in self.agents.iter_mut().flat_map(|(_, sessions)| sessions) {
            session.bytes = share(session.bytes);
            let (from, to) = if session.fate.needs_database() {
                (middle, end)
            } else {
                (since, middle)
            };
            session.start = start(random, from, to, session.bytes);
        }
    }
}

/// Reads a size such as `500K`, `64M` or `1G`.
///
/// # Errors
/// Says what a size looks like.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    let (number, shift) = match text.char_indices().last() {
        Some((at, 'K' | 'k')) => (&text[..at], 10),
        Some((at, 'M' | 'm')) => (&text[..at], 20),
        Some((at, 'G' | 'g')) => (&text[..at], 30),
        _ => (text, 0),
    };
    let number: u64 = number
        .parse()
        .map_err(|_| "a size is a whole number and K, M or G".to_owned())?;
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| "too large".to_owned())
}

/// The first instant of the corpus and the first after it.
fn window(options: &Options) -> (i64, i64) {
    let end = midnight_of(options.last_day) + DAY;
    (end - i64::from(options.days) * DAY, end)
}

/// A day that leaves a session of `bytes` the time to happen.
fn start(random: &mut Random, from: i64, to: i64, bytes: u64) -> i64 {
    const BYTES_A_DAY: u64 = 6 << 20;
    let days = u64::try_from((to - from) / DAY).unwrap_or(1);
    let room = days.saturating_sub(bytes / BYTES_A_DAY).max(1);
    from + i64::try_from(random.below(room)).unwrap_or(0) * DAY
}

fn plan_conversations(options: &Options, random: &mut Random, files: usize) -> Vec<Conversation> {
    let (since, end) = window(options);
    let (mut conversations, mut left) = (Vec::new(), files);
    while left > 0 {
        let number = conversations.len() as u64;
        // The first ten lay every trap; after them traps are as rare as in life.
        let place = if number < 10 { number } else { number % 40 };
        let occurs = |pitfall| options.pitfalls.contains(&pitfall);
        let style = match place {
            1 if !occurs(Pitfall::NoRequestId) => Style::Ordinary,
            3 | 4 if !occurs(Pitfall::SharedId) => Style::Ordinary,
            6 if !occurs(Pitfall::NoIds) => Style::Ordinary,
            1 => Style::NoRequest,
            3 => Style::Relay {
                id: "ocgo".to_owned(),
                context: 2 * number,
            },
            4 => Style::Relay {
                id: random.id("chatcmpl-constant-"),
                context: 2 * number,
            },
            6 => Style::Anonymous,
            8 => Style::Nested,
            _ => Style::Ordinary,
        };
        left -= 1;
        let bytes = random.long_tailed(4, 16);
        let fork = match (place, number % 8) {
            (2 | 3, _) => Some((Fork::Resume, bytes * 23 / 20)),
            (5, _) if occurs(Pitfall::ForkWithoutRequestIds) => {
                Some((Fork::WithoutRequests, bytes * 23 / 20))
            }
            (9, _) => Some((Fork::Twice, bytes * 9 / 4)),
            (7, _) | (_, 1) => Some((Fork::Branch, bytes * 5 / 4)),
            _ => None,
        };
        let fork = fork.filter(|_| left > 0);
        left -= usize::from(fork.is_some());
        let side_question = place % 5 == 0;
        let subagents = (random.pick(&[0, 0, 1, 0, 2, 0, 0, 4, 1, 3]))
            .max(usize::from(side_question))
            .min(left);
        left -= subagents;
        conversations.push(Conversation {
            seed: random.next(),
            start: since,
            end,
            style,
            bytes,
            subagents: (0..subagents).map(|_| random.long_tailed(2, 15)).collect(),
            side_question,
            flat: number % 6 == 4,
            fork,
            truncated: number % 6 == 2,
            over_midnight: place % 9 == 0 && occurs(Pitfall::OverMidnight),
            pitfalls: options.pitfalls,
        });
    }
    conversations
}

fn plan_agents(
    options: &Options,
    random: &mut Random,
) -> Vec<(&'static str, Vec<OpenClawSession>)> {
    let (_, end) = window(options);
    let mut agents = vec![
        ("main", Vec::new()),
        ("ops", Vec::new()),
        ("research", Vec::new()),
    ];
    let files = (options.files / 12).max(12).min(options.files / 3);
    let mut left = files;
    let occurs = |pitfall| options.pitfalls.contains(&pitfall);
    let fates = FATES
        .iter()
        .cycle()
        .filter(|fate| options.databases || !fate.needs_database())
        .filter(|fate| match fate {
            Fate::ArchiveTier => occurs(Pitfall::ArchiveTier),
            Fate::Archived => occurs(Pitfall::PackedArchives),
            Fate::ForkedRows | Fate::RewoundRows => occurs(Pitfall::CopiedRows),
            _ => true,
        });
    for fate in fates {
        if left < fate.files() || left == 0 {
            break;
        }
        left -= fate.files();
        let agent = if fate.needs_database() {
            random.below(2)
        } else {
            random.below(3)
        };
        let mut bytes = random.long_tailed(4, 15);
        if *fate == Fate::Archived {
            bytes = bytes.min(1_000);
        }
        let session = OpenClawSession {
            seed: random.next(),
            start: 0,
            end,
            fate: *fate,
            bytes,
            pitfalls: options.pitfalls,
        };
        agents[usize::try_from(agent).unwrap_or(0)].1.push(session);
    }
    agents.retain(|(_, sessions)| !sessions.is_empty());
    agents
}

/// The files that an agent's sessions will leave, its database included.
fn files_of(sessions: &[OpenClawSession]) -> usize {
    let database = sessions.iter().any(|session| session.fate.needs_database());
    sessions
        .iter()
        .map(|session| session.fate.files())
        .sum::<usize>()
        + usize::from(database)
}
