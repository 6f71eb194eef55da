//! Asks the alert rules about what the ledger holds, and keeps what they say.

use crate::{
    alerts::{self, Episode, HourBurn, Situation, Top},
    config::Config,
    ledger::{
        Ledger, LedgerError,
        query::{Dimension, Rollup},
        state,
    },
    money::NanoUsd,
    summary::Summary,
    time::UnixMillis,
};
use jiff::tz::TimeZone;
use std::collections::HashMap;

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
    let (mut today, mut hour) = (Vec::new(), Vec::new());
    ledger.each_sum(summary.day, summary.day, zone, |_, row| today.push(*row))?;
    let slots = now.slot().0 - 3..now.slot().0 + 1;
    ledger.each_rollup(slots, |row| hour.push(*row))?;
    Ok(Situation {
        now,
        day: summary.day,
        today: summary.today.cost,
        usual_day: summary.median_7d,
        today_top: top(ledger, &today)?,
        hour: HourBurn::measure(now, zone, &burn),
        hour_top: top(ledger, &hour)?,
    })
}

/// The session and the model that cost most; of what a gateway counts by day, the session is not known.
fn top(ledger: &mut Ledger, rows: &[Rollup]) -> Result<Top, LedgerError> {
    let mut sessions: HashMap<_, NanoUsd> = HashMap::new();
    let mut models: HashMap<_, NanoUsd> = HashMap::new();
    for row in rows {
        if row.slot.is_some() {
            *sessions
                .entry((row.name(Dimension::Project), row.name(Dimension::Session)))
                .or_default() += row.amount.cost;
        }
        *models.entry(row.name(Dimension::Model)).or_default() += row.amount.cost;
    }
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
