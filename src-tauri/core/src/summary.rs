//! Rows of the ledger -> what the tray, the window and the command line show.

use crate::{
    config::Plan,
    ledger::query::DayRow,
    money::NanoUsd,
    time::{UnixMillis, add_days, week_start},
    usage::{Source, Tokens},
};
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};
use std::cmp::Reverse;

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

impl PlanUse {
    /// One line for people: what its use of this month would have cost, and how that compares with its price.
    #[must_use]
    pub fn describe(&self) -> String {
        let (used, monthly) = (self.month.cost.shown(), self.monthly.shown());
        let percent = i128::from(used.0) * 100 / i128::from(monthly.0.max(1));
        let at_least = if self.month.unpriced_responses > 0 {
            "at least "
        } else {
            ""
        };
        format!(
            "{} under {}, {} a month: {at_least}{} API-equivalent this month, {percent} % of that",
            self.source.title(),
            self.name,
            monthly.display(),
            used.display()
        )
    }
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
    /// The beginning of the quarter hour of its latest response; of its day where a gateway counts it by day.
    pub last_at: UnixMillis,
}

/// What was used under a subscription: nobody bills it by the token, so its cost is what the same use would have cost
/// through the API.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
pub struct PlanUse {
    /// Whose use it covers.
    pub source: Source,
    /// What the user calls it.
    pub name: String,
    /// Its price a month.
    pub monthly: NanoUsd,
    /// Since local midnight.
    pub today: Amount,
    /// The day before.
    pub yesterday: Amount,
    /// Since Monday.
    pub week: Amount,
    /// Since the first of the month.
    pub month: Amount,
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
    /// The part of these sums that a subscription covers.
    pub plans: Vec<PlanUse>,
    /// The latest response in the ledger.
    pub last_response: Option<UnixMillis>,
}

/// The local days around `now` that a [`Summary`] needs: the first of them and today.
#[must_use]
pub fn days_needed(now: UnixMillis, zone: &TimeZone) -> (Date, Date) {
    let today = now.day(zone);
    let first = today
        .first_of_month()
        .min(add_days(today, -7))
        .min(week_start(today));
    (first, today)
}

/// Sums up the days of [`days_needed`]. `first` is the first day of the whole ledger.
#[must_use]
pub fn summarise(
    rows: &[DayRow],
    first: Option<Date>,
    last_response: Option<UnixMillis>,
    now: UnixMillis,
    zone: &TimeZone,
    zone_name: &str,
    plans: &[Plan],
) -> Summary {
    let today = now.day(zone);
    let sum_of = |source: Option<Source>, since: Date, until: Date| {
        let mut sum = Amount::default();
        for row in rows.iter().filter(|row| (since..=until).contains(&row.day)) {
            if source.is_none_or(|source| source == row.source) {
                sum += row.amount;
            }
        }
        sum
    };
    let sum = |since, until| sum_of(None, since, until);
    let plans = plans.iter().map(|plan| {
        let sum = |since, until| sum_of(Some(plan.source), since, until);
        PlanUse {
            source: plan.source,
            name: plan.name.clone(),
            monthly: plan.monthly,
            today: sum(today, today),
            yesterday: sum(add_days(today, -1), add_days(today, -1)),
            week: sum(week_start(today), today),
            month: sum(today.first_of_month(), today),
        }
    });
    let mut week: Vec<NanoUsd> = (1..=7)
        .map(|back| add_days(today, -back))
        .map(|day| sum(day, day).cost)
        .collect();
    week.sort_unstable();
    Summary {
        as_of: now,
        timezone: zone_name.to_owned(),
        day: today,
        today: sum(today, today),
        yesterday: sum(add_days(today, -1), add_days(today, -1)),
        median_7d: first
            .filter(|first| *first <= add_days(today, -7))
            .map(|_| week[3]),
        week: sum(week_start(today), today),
        month: sum(today.first_of_month(), today),
        models: by_model(rows.iter().filter(|row| row.day == today)),
        plans: plans.collect(),
        last_response,
    }
}

/// Models with their sums over the rows, dearest first.
pub fn by_model<'a>(rows: impl Iterator<Item = &'a DayRow>) -> Vec<ModelAmount> {
    // A day knows a handful: looking through them is faster than any map.
    let mut models: Vec<ModelAmount> = Vec::new();
    for row in rows {
        match models.iter_mut().find(|known| *known.model == *row.model) {
            Some(known) => known.amount += row.amount,
            None => models.push(ModelAmount {
                model: row.model.as_ref().into(),
                amount: row.amount,
            }),
        }
    }
    let rank = |it: &ModelAmount| Reverse((it.amount.cost, it.amount.tokens.total()));
    models.sort_by(|one, two| {
        let by_rank = rank(one).cmp(&rank(two));
        by_rank.then_with(|| one.model.cmp(&two.model))
    });
    models
}
