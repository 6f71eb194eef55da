//! Why a figure is what it is: the receipt of each response behind it, and the copies that were merged into one.

use super::{ApiError, Progress, Reader};
use crate::{
    dialects::claude_code,
    follow::{roots::rank, search},
    ledger::{
        files::path_text,
        listing::{Response, ResponseId, Spot, SpotKind},
        query::Dimension,
    },
    money::NanoUsd,
    pricing::{CostRule, Priced},
    time::{UnixMillis, add_days, plain_day},
    usage::{Source, Tokens},
};
use jiff::civil::Date;
use serde::Serialize;
use std::{cmp::Reverse, collections::BTreeSet, path::PathBuf, sync::Arc};

/// What is to be explained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// One response.
    Response(ResponseId),
    /// All responses with one message id: it can be shared, and steps inside a response are billed on their own.
    Message(Vec<ResponseId>),
    /// All responses of these sessions; mostly one.
    Sessions(Vec<String>),
    /// All responses of a local day.
    Day(Date),
}

/// As many steps inside a response are looked for; more than a few have not been seen.
const STEPS: u64 = 64;

/// A response and how its cost came to be.
#[derive(Debug)]
pub struct Explained<'a> {
    /// The response.
    pub response: &'a Response,
    /// The cost that counts; `None` when it is not known.
    pub cost: Option<NanoUsd>,
    /// Which of the two costs counts, for responses of its source.
    pub rule: CostRule,
    /// The computed cost with its receipt.
    pub computed: Priced<'a>,
}

/// The records that told of a response.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Copies {
    /// Those that are there, in order of path, session and offset.
    pub found: Vec<Copy>,
    /// Those that counted and are no longer there.
    pub gone: Vec<Spot>,
    /// Logs that could not be searched, with why.
    pub unread: Vec<(PathBuf, String)>,
}

/// One record that told of a response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copy {
    /// Where it lies.
    pub spot: Spot,
    /// When it says the response was made.
    pub at: UnixMillis,
    /// What it says was used.
    pub tokens: Tokens,
    /// It says when the response was made, and whose it is: the earliest does.
    pub is_origin: bool,
    /// Why its figures do not count; `None` for the one whose figures do.
    pub lesser: Option<Lesser>,
}

/// Why the figures of a copy do not count. The first reason that holds decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Lesser {
    /// A side chain repeats what the main one said.
    SideChain,
    /// It lies in a store that ranks behind: a file behind the database, an archive behind both.
    Store,
    /// Snapshots grow, and it has less output.
    EarlierSnapshot,
    /// It has fewer tokens in all.
    FewerTokens,
    /// It says the same, and another lies before it.
    Repeats,
}

impl Lesser {
    /// The words shown to people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::SideChain => "a side chain's copy",
            Self::Store => "a copy in a store of lower rank",
            Self::EarlierSnapshot => "an earlier snapshot, with less output",
            Self::FewerTokens => "a copy with fewer tokens",
            Self::Repeats => "says the same",
        }
    }
}

impl Reader {
    /// What a text means: a response's name, a day, a message id of Claude Code, or a session by its id, the beginning
    /// of it, its label or its key.
    ///
    /// # Errors
    /// [`ApiError`]: `not_found` and `ambiguous`, or what is wrong with the ledger.
    pub fn subject(&mut self, text: &str, now: UnixMillis) -> Result<Subject, ApiError> {
        let today = now.day(&self.zone);
        let day = match text {
            "today" => Some(today),
            "yesterday" => Some(add_days(today, -1)),
            _ => plain_day(text),
        };
        if let Some(day) = day {
            return Ok(Subject::Day(day));
        }
        if let Ok(id) = text.parse::<ResponseId>() {
            let responses = self.ledger.responses_of(id.cluster)?;
            if responses.iter().any(|response| response.id == id) {
                return Ok(Subject::Response(id));
            }
        }
        let whole = claude_code::cluster_of_message(text);
        let steps = (0..STEPS).map(|index| claude_code::cluster_of_step(whole, index));
        let mut message = Vec::new();
        for cluster in std::iter::once(whole).chain(steps) {
            let responses = self.ledger.responses_of(cluster)?;
            message.extend(responses.iter().map(|response| response.id));
        }
        match message.as_slice() {
            [] => {}
            [only] => return Ok(Subject::Response(*only)),
            _ => return Ok(Subject::Message(message)),
        }
        let sessions = self.ledger.find_sessions(text)?;
        let begins = sessions.iter().all(|id| id.starts_with(text) && id != text);
        match sessions.len() {
            0 => Err(ApiError {
                code: "not_found".into(),
                message: format!("the ledger knows no response, session or day {text:?}"),
                hint: "give a day (2026-11-20), a session's id, label or key, or the name of a response as `clawspend \
                       explain` of its day lists it"
                    .into(),
            }),
            several @ 2.. if begins => Err(ApiError {
                code: "ambiguous".into(),
                message: format!("{several} sessions begin with {text:?}"),
                hint: format!("give more of the id: {}", some(&sessions)),
            }),
            _ => Ok(Subject::Sessions(sessions)),
        }
    }

    /// The responses of a subject, dearest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn responses(&mut self, subject: &Subject) -> Result<Vec<Response>, ApiError> {
        let mut found = Vec::new();
        match subject {
            Subject::Response(id) => {
                found = self.ledger.responses_of(id.cluster)?;
                found.retain(|response| response.id == *id);
            }
            Subject::Message(ids) => {
                for id in ids {
                    let responses = self.ledger.responses_of(id.cluster)?;
                    found.extend(responses.into_iter().filter(|response| response.id == *id));
                }
            }
            Subject::Sessions(sessions) => {
                let wanted: BTreeSet<&str> = sessions.iter().map(String::as_str).collect();
                self.ledger.each_response(|response| {
                    if wanted.contains(response.name(Dimension::Session)) {
                        found.push(response);
                    }
                })?;
            }
            Subject::Day(day) => {
                let zone = &self.zone;
                self.ledger.each_response(|response| {
                    if response.at.day(zone) == *day {
                        found.push(response);
                    }
                })?;
            }
        }
        let prices = &mut self.prices;
        found.sort_by_cached_key(|response| {
            (
                Reverse(prices.cost(response.priceable())),
                response.at,
                response.id,
            )
        });
        Ok(found)
    }

    /// How a response's cost came to be.
    pub fn explained<'a>(&'a mut self, response: &'a Response) -> Explained<'a> {
        let priceable = response.priceable();
        let rule = self.prices.terms().rule(response.source);
        let cost = self.prices.cost(priceable);
        Explained {
            response,
            cost,
            rule,
            computed: self.prices.price(&priceable.query),
        }
    }

    /// Searches all logs of the response's agent for the records that tell of it.
    ///
    /// # Errors
    /// [`ApiError`].
    pub fn copies(
        &mut self,
        response: &Response,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Copies, ApiError> {
        let cluster = response.id.cluster;
        let shared = self.ledger.responses_of(cluster)?.len() > 1;
        let mut found: Vec<(Copy, u8)> = Vec::new();
        let roots = self.environment.roots(&self.config);
        let unread = search::each_observation(
            &roots,
            response.source,
            &mut |path, offset, observation| {
                for one in std::iter::once(observation).chain(&observation.extras) {
                    // Of responses that share an id, each has an input of its own.
                    let other = shared && one.tokens.context() != response.tokens.context();
                    if one.cluster != cluster || other {
                        continue;
                    }
                    let path: Arc<str> = path_text(path).into();
                    let spot = Spot {
                        kind: SpotKind::of(one.source, &path, one.rank),
                        path,
                        session: one.session.as_ref().into(),
                        offset,
                    };
                    let copy = Copy {
                        is_origin: spot == response.origin,
                        lesser: (spot != response.figures).then_some(Lesser::Repeats),
                        spot,
                        at: one.at,
                        tokens: one.tokens,
                    };
                    found.push((copy, one.rank));
                }
            },
            progress,
        );
        let counts = |copy: &Copy| copy.lesser.is_none();
        let best = found
            .iter()
            .find(|(copy, _)| counts(copy))
            .map_or(rank::LIVE_DB, |(_, rank)| *rank);
        for (copy, rank) in &mut found {
            if !counts(copy) {
                copy.lesser = Some(lesser(copy, *rank > best, response));
            }
        }
        let mut found: Vec<Copy> = found.into_iter().map(|(copy, _)| copy).collect();
        found.sort_by(|one, two| one.spot.cmp(&two.spot));
        let mut gone = vec![response.figures.clone(), response.origin.clone()];
        gone.dedup();
        gone.retain(|spot| found.iter().all(|copy| copy.spot != *spot));
        Ok(Copies {
            found,
            gone,
            unread,
        })
    }
}

fn lesser(copy: &Copy, ranks_behind: bool, response: &Response) -> Lesser {
    let (tokens, counted) = (&copy.tokens, &response.tokens);
    if ranks_behind {
        match response.source {
            Source::ClaudeCode => Lesser::SideChain,
            Source::OpenClaw => Lesser::Store,
        }
    } else if tokens.output < counted.output {
        Lesser::EarlierSnapshot
    } else if tokens.total() < counted.total() {
        Lesser::FewerTokens
    } else {
        Lesser::Repeats
    }
}

/// The first few, for a hint.
fn some(texts: &[String]) -> String {
    let more = if texts.len() > 5 { ", …" } else { "" };
    format!("{}{more}", texts[..texts.len().min(5)].join(", "))
}
