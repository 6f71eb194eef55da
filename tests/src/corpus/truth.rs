//! What the generator knows about what it wrote.

use super::clock::{DAY, day_of};
use clawspend_core::{
    money::NanoUsd,
    pricing::{PriceBook, Query},
    time::UnixMillis,
    usage::{Modifiers, Tokens},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Responses and their tokens, named as in `clawspend report --json`.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Billable responses, each once.
    pub responses: u64,
    /// Uncached input.
    pub input_tokens: u64,
    /// Output.
    pub output_tokens: u64,
    /// Cache hits.
    pub cache_read_tokens: u64,
    /// Writes to the five-minute cache.
    pub cache_write_5m_tokens: u64,
    /// Writes to the one-hour cache.
    pub cache_write_1h_tokens: u64,
    /// Tokens of which only the total was written.
    pub unsplit_tokens: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.responses += other.responses;
        self.input_tokens += other.input_tokens;
        self.output_tokens += other.output_tokens;
        self.cache_read_tokens += other.cache_read_tokens;
        self.cache_write_5m_tokens += other.cache_write_5m_tokens;
        self.cache_write_1h_tokens += other.cache_write_1h_tokens;
        self.unsplit_tokens += other.unsplit_tokens;
    }
}

/// One row of `clawspend report --by day,source,model --timezone UTC --json`, without its cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Row {
    /// UTC day.
    pub day: String,
    /// `claude-code` or `openclaw`.
    pub source: String,
    /// As written in the log.
    pub model: String,
    /// What it counted.
    #[serde(flatten)]
    pub figures: Figures,
}

/// The true answer for one corpus.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Truth {
    /// First UTC day of the corpus.
    pub since: String,
    /// Last UTC day of the corpus.
    pub until: String,
    /// Transcripts and databases written.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// Sorted by day, source and model.
    pub rows: Vec<Row>,
    /// The sum of `rows`.
    pub totals: Figures,
    /// By source: what the responses cost, each by the price book, or as OpenClaw recorded it.
    pub costs: BTreeMap<String, NanoUsd>,
    /// How often each trap for readers was laid.
    pub traps: BTreeMap<String, u64>,
}

/// The truth while the corpus is being written.
#[derive(Debug, Default)]
pub(super) struct Tally {
    rows: BTreeMap<(i64, &'static str, &'static str), Figures>,
    costs: BTreeMap<String, NanoUsd>,
    traps: BTreeMap<&'static str, u64>,
    files: u64,
    bytes: u64,
}

impl Tally {
    /// Counts one response made at `at` (milliseconds); `figures.responses` is set here.
    pub(super) fn response(
        &mut self,
        at: i64,
        source: &'static str,
        model: &'static str,
        figures: Figures,
        cost: NanoUsd,
    ) {
        *self.costs.entry(source.to_owned()).or_default() += cost;
        *self
            .rows
            .entry((at.div_euclid(DAY), source, model))
            .or_default() += Figures {
            responses: 1,
            ..figures
        };
    }

    pub(super) fn trap(&mut self, name: &'static str) {
        *self.traps.entry(name).or_default() += 1;
    }

    pub(super) fn file(&mut self, bytes: u64) {
        self.files += 1;
        self.bytes += bytes;
    }

    pub(super) fn truth(self, since: i64, until: i64) -> Truth {
        let mut totals = Figures::default();
        for figures in self.rows.values() {
            totals += *figures;
        }
        let rows = self
            .rows
            .into_iter()
            .map(|((day, source, model), figures)| Row {
                day: day_of(day * DAY),
                source: source.to_owned(),
                model: model.to_owned(),
                figures,
            });
        Truth {
            since: day_of(since),
            until: day_of(until),
            files: self.files,
            bytes: self.bytes,
            rows: rows.collect(),
            totals,
            costs: self.costs,
            traps: self
                .traps
                .into_iter()
                .map(|(name, count)| (name.to_owned(), count))
                .collect(),
        }
    }
}

/// What a response of Claude Code costs; nothing when the book has no price.
pub(super) fn list_price(at: i64, model: &str, figures: &Figures, web_searches: u64) -> NanoUsd {
    let query = Query {
        provider: "",
        model,
        at: UnixMillis(at),
        tokens: Tokens {
            input: figures.input_tokens,
            output: figures.output_tokens,
            cache_read: figures.cache_read_tokens,
            cache_write_5m: figures.cache_write_5m_tokens,
            cache_write_1h: figures.cache_write_1h_tokens,
            unsplit: figures.unsplit_tokens,
        },
        modifiers: Modifiers {
            web_searches: u32::try_from(web_searches).unwrap_or(u32::MAX),
            ..Modifiers::default()
        },
    };
    PriceBook::embedded()
        .price(&query)
        .cost()
        .unwrap_or_default()
}
