//! Rows of the ledger -> what the tray, the window and the command line show.

use crate::{
    money::NanoUsd,
    time::UnixMillis,
    usage::{Source, Tokens},
};
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// A sum over responses.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct Amount {
    /// Cost of the responses whose price is known.
    pub cost: NanoUsd,
    /// Responses, priced or not.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub responses: u64,
    /// Responses whose cost is not known; their tokens count, `cost` is then a lower bound.
    #[cfg_attr(feature = "ts", ts(type = "number"))]
    pub unpriced_responses: u64,
    /// Token sums.
    pub tokens: Tokens,
}

impl std::ops::AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.cost += other.cost;
        self.responses += other.responses;
        self.unpriced_responses += other.unpriced_responses;
        self.tokens += other.tokens;
    }
}

/// A model and what it came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct ModelAmount {
    /// The model as written in the log.
    pub model: String,
    /// Its sum.
    pub amount: Amount,
}

/// One day of the chart, its models in falling order of cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct DayAmounts {
    /// The user's local day, `YYYY-MM-DD`.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub day: Date,
    /// The models used on it.
    pub models: Vec<ModelAmount>,
}

/// One row of a breakdown table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct BreakdownRow {
    /// Model, project path or session id, as written in the log.
    pub name: String,
    /// For a session its project; empty otherwise.
    pub detail: String,
    /// The agent whose log told it; `None` where several did.
    pub source: Option<Source>,
    /// Its sum.
    pub amount: Amount,
    /// Its latest response.
    pub last_at: UnixMillis,
}

/// What the tray shows: a few sums around today.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct Summary {
    /// When it was computed.
    pub as_of: UnixMillis,
    /// The IANA zone whose days these are.
    pub timezone: String,
    /// Today.
    #[cfg_attr(feature = "ts", ts(type = "string"))]
    pub day: Date,
    /// Since local midnight.
    pub today: Amount,
    /// The day before.
    pub yesterday: Amount,
    /// Median cost of the seven days before today, days without spend included; `None` until the
    /// ledger reaches back seven days.
    pub median_7d: Option<NanoUsd>,
    /// Since Monday.
    pub week: Amount,
    /// Since the first of the month.
    pub month: Amount,
    /// Today's models, dearest first.
    pub models: Vec<ModelAmount>,
    /// The latest response in the ledger.
    pub last_response: Option<UnixMillis>,
}
