//! `clawspend reconcile`.

use crate::{
    Bar, Failure, environment,
    json::line,
    note, note_all, print, refresh,
    report::{day, days},
    table::{Align, table},
};
use clawspend_core::{
    api::{NOTHING_TOLD, Reader, Reconciliation},
    money::NanoUsd,
};
use jiff::civil::Date;
use serde_json::json;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only this gateway
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// First day, as 2026-11-20; thirty days back by default
    #[arg(long, value_parser = day)]
    since: Option<Date>,
    /// Last day; today by default
    #[arg(long, value_parser = day)]
    until: Option<Date>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    note_all(&refresh(&environment)?);
    let mut reader = Reader::open(environment)?;
    let (zone, zone_name) = reader.zone();
    let zone_name = zone_name.to_owned();
    let (since, until) = days("reconcile", arguments.since, arguments.until, zone);
    let mut bar = Bar::new("Searching logs for copies");
    let gateway = arguments.gateway.as_deref();
    let told = reader.reconcile(gateway, since, until, &mut |progress| bar.show(progress));
    drop(bar);
    let told = told?;
    for (path, why) in &told.unread {
        note(&format!("{} cannot be read: {why}", path.display()));
    }
    print(&if arguments.json {
        as_json(&told, &zone_name, since, until)
    } else {
        as_text(&told, since, until)
    })
}

fn as_json(told: &Reconciliation, zone_name: &str, since: Date, until: Date) -> String {
    let days = told.days.iter().map(|day| {
        let causes = day.causes.iter().map(|(cause, amount)| {
            json!({ "cause": cause, "usd": amount.to_string(), "sentence": cause.describe() })
        });
        json!({
            "day": day.day.to_string(),
            "gateway": day.gateway,
            "ours_usd": day.ours.to_string(),
            "from_totals_usd": day.rest.to_string(),
            "gateway_usd": day.theirs.to_string(),
            "difference_usd": (day.theirs - day.ours).to_string(),
            "as_of": day.updated_at,
            "causes": causes.collect::<Vec<_>>(),
        })
    });
    line(&json!({
        "schema": "clawspend.reconcile/1",
        "timezone": zone_name,
        "since": since.to_string(),
        "until": until.to_string(),
        "days": days.collect::<Vec<_>>(),
    }))
}

/// A row for each day and gateway where anything counts, and below it one for each cause.
fn as_text(told: &Reconciliation, since: Date, until: Date) -> String {
    if told.days.is_empty() {
        return format!(
            "No gateway has told its own figures for {since} to {until}.\nHint: {NOTHING_TOLD}\n"
        );
    }
    let mut rows = Vec::new();
    for day in &told.days {
        if (day.ours, day.theirs) == (NanoUsd::ZERO, NanoUsd::ZERO) && day.causes.is_empty() {
            continue;
        }
        let difference = day.theirs - day.ours;
        let why = match difference {
            NanoUsd::ZERO if day.causes.is_empty() => "the same",
            _ => "",
        };
        rows.push(vec![
            day.day.to_string(),
            day.gateway.clone(),
            exact(day.ours),
            exact(day.theirs),
            exact(difference),
            why.into(),
        ]);
        for (cause, amount) in &day.causes {
            let mut row = vec![String::new(); 4];
            row.extend([exact(*amount), cause.describe().into()]);
            rows.push(row);
        }
    }
    if rows.is_empty() {
        return format!("Neither side counts anything for {since} to {until}.\n");
    }
    let heads = [
        ("day", Align::Left),
        ("gateway", Align::Left),
        ("Clawspend", Align::Right),
        ("gateway's own", Align::Right),
        ("difference", Align::Right),
        ("why", Align::Left),
    ];
    table(&heads, &rows, None)
}

/// To the billionth: rounded amounts would not add up.
fn exact(amount: NanoUsd) -> String {
    amount.to_string()
}
