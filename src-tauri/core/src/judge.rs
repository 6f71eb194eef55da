//! Asks the alert rules about what the ledger holds, and keeps what they say.

use crate::{
    alerts::{self, Episode, HourBurn, Situation, Top},
    config::Config,
    ledger::{Ledger, LedgerError, query::Dimension, state},
    money::NanoUsd,
    summary::Summary,
    time::{UnixMillis, slots},
};
use jiff::tz::TimeZone;
use std::{collections::HashMap, ops::Range};

/// Asks the alert rules; what they say is kept before anyone is told, so that a restart repeats nothing.
pub(crate) fn judge(
    ledger: &mut Ledger,
    summary: &Summary,
    config: &Config,
    now: UnixMillis,
    zone: &TimeZone,
) -> Result<(), LedgerError> {
    let episodes: Vec<Episode> = ledger
        .state(state::EPISODES)?
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or_default();
    let situation = situation(ledger, summary, now, zone)?;
    let outcome = alerts::evaluate(&situation, config, &episodes);
    if outcome.episodes != episodes {
        let text = serde_json::to_string(&outcome.episodes).unwrap_or_default();
        ledger.record_alerts(&outcome.changed(&episodes), &text)?;
    }
    Ok(())
}

/// The last hour, the hours it is compared with, and what cost most.
fn situation(
    ledger: &mut Ledger,
    summary: &Summary,
    now: UnixMillis,
    zone: &TimeZone,
) -> Result<Situation, LedgerError> {
    let burn = ledger.slot_costs(HourBurn::slots(now, zone))?;
    let hour = now.slot().0 - 3..now.slot().0 + 1;
    Ok(Situation {
        now,
        day: summary.day,
        today: summary.today.cost,
        usual_day: summary.median_7d,
        today_top: top(ledger, slots(summary.day, summary.day, zone))?,
        hour: HourBurn::measure(now, zone, &burn),
        hour_top: top(ledger, hour)?,
    })
}

/// The session and the model that cost most in some time.
fn top(ledger: &mut Ledger, time: Range<i64>) -> Result<Top, LedgerError> {
    let mut sessions: HashMap<_, NanoUsd> = HashMap::new();
    let mut models: HashMap<_, NanoUsd> = HashMap::new();
    ledger.each_rollup(time, |row| {
        *sessions
            .entry((row.name(Dimension::Project), row.name(Dimension::Session)))
            .or_default() += row.amount.cost;
        *models.entry(row.name(Dimension::Model)).or_default() += row.amount.cost;
    })?;
    let mut found = Top::default();
    if let Some(((project, session), cost)) =
        sessions.into_iter().max_by_key(|(key, cost)| (*cost, *key))
    {
        found.session = Some((
            alerts::session_label(&ledger.text(project)?, &ledger.text(session)?),
            cost,
        ));
    }
    if let Some((model, cost)) = models
        .into_iter()
        .max_by_key(|(model, cost)| (*cost, *model))
    {
        found.model = Some((ledger.text(model)?.to_string(), cost));
    }
    Ok(found)
}
