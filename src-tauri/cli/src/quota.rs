//! `clawspend quota`.

use crate::{
    Failure, environment,
    json::line,
    print,
    table::{Align, table},
};
use clawspend_core::{
    api::{NOTHING_TOLD, Reader},
    ledger::quotas::KeptQuota,
    time::UnixMillis,
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// How full each quota was over time, not only now
    #[arg(long)]
    history: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let reader = match Reader::open(environment()?) {
        Err(error) if error.code == "ledger_missing" => None,
        opened => Some(opened?),
    };
    let quotas = match &reader {
        None => Vec::new(),
        Some(reader) if arguments.history => reader.quota_history()?,
        Some(reader) => reader.quotas()?,
    };
    let zone = reader.map_or(TimeZone::UTC, |reader| reader.zone().0.clone());
    print(&if arguments.json {
        let quotas: Vec<Value> = quotas.iter().map(as_json).collect();
        line(&json!({ "schema": "clawspend.quota/1", "quotas": quotas }))
    } else if quotas.is_empty() {
        format!("No gateway has told of a provider's quota.\nHint: {NOTHING_TOLD}\n")
    } else {
        as_text(&quotas, arguments.history, &zone)
    })
}

fn as_json(quota: &KeptQuota) -> Value {
    json!({
        "gateway": quota.gateway,
        "provider": quota.provider,
        "name": quota.title,
        "plan": quota.plan,
        "window": quota.label,
        "group": quota.group,
        "used_percent": percent(quota.used_milli_percent),
        "resets_at": quota.reset_at,
        "since": quota.since,
        "until": quota.until,
    })
}

fn as_text(quotas: &[KeptQuota], history: bool, zone: &TimeZone) -> String {
    let time = |at: UnixMillis| {
        let at = at.timestamp().to_zoned(zone.clone());
        at.strftime("%Y-%m-%d %H:%M").to_string()
    };
    let mut heads = vec![
        ("provider", Align::Left),
        ("quota", Align::Left),
        ("used", Align::Right),
        ("empty again", Align::Left),
        ("gateway", Align::Left),
    ];
    heads.extend(history.then_some(("from", Align::Left)));
    heads.push((if history { "to" } else { "as of" }, Align::Left));
    let rows = quotas.iter().map(|quota| {
        let provider = match &quota.plan {
            Some(plan) => format!("{} ({plan})", quota.title),
            None => quota.title.clone(),
        };
        let mut row = vec![
            provider,
            format!("{} {}", quota.label, quota.group).trim().to_owned(),
            format!("{} %", percent(quota.used_milli_percent)),
            quota.reset_at.map(time).unwrap_or_default(),
            quota.gateway.clone(),
        ];
        row.extend(history.then(|| time(quota.since)));
        row.push(time(quota.until));
        row
    });
    table(&heads, &rows.collect::<Vec<_>>(), None)
}

/// Exactly, without zeros behind: `24.68`.
fn percent(thousandths: i64) -> Value {
    let (whole, part) = (thousandths / 1_000, (thousandths % 1_000).unsigned_abs());
    let sign = if thousandths < 0 && whole == 0 {
        "-"
    } else {
        ""
    };
    let text = format!("{sign}{whole}.{part:03}");
    let text = text.trim_end_matches('0').trim_end_matches('.');
    text.parse().map_or(Value::Null, Value::Number)
}
