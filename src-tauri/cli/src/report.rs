//! `clawspend report`.

use crate::{
    Failure, environment, json, note_all, print, refresh,
    table::{Align, count, responses, table, visible},
    wrong_usage,
};
use clawspend_core::{
    api::Reader,
    config::Plan,
    environment::zone as configured_zone,
    report::{Column, Filter, Report, ReportRequest, passes},
    summary::Amount,
    time::{UnixMillis, add_days, plain_day},
    usage::Source,
};
use jiff::{civil::Date, tz::TimeZone};
use std::collections::BTreeSet;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// What the rows are told apart by: any of day, hour, week, month, source, gateway, agent, subagent, project,
    /// branch, session, session_key, label, parent, created, channel, chat_type, provider, model, api, stop_reason
    #[arg(long, value_delimiter = ',', value_parser = column, default_value = "day,source,model")]
    by: Vec<Column>,
    /// Count only what matches, as model=claude-opus-5 or project=*/demo; of one column any, of several columns all
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = filter)]
    only: Vec<Filter>,
    /// First day, as 2026-11-20; thirty days back by default
    #[arg(long, value_parser = day)]
    since: Option<Date>,
    /// Last day; today by default
    #[arg(long, value_parser = day)]
    until: Option<Date>,
    /// Whose days: an IANA name such as Europe/Berlin; the configured or the system's zone by default
    #[arg(long, value_parser = zone)]
    timezone: Option<(TimeZone, String)>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Report what the ledger holds, without reading logs first
    #[arg(long)]
    no_refresh: bool,
}

fn column(word: &str) -> Result<Column, String> {
    Column::of_word(word).ok_or_else(|| {
        let words: Vec<&str> = Column::ALL.iter().map(|(_, name)| *name).collect();
        format!("there is no such column; choose from {}", words.join(", "))
    })
}

pub(crate) fn filter(text: &str) -> Result<Filter, String> {
    let (word, pattern) = text
        .split_once('=')
        .ok_or_else(|| "write it as COLUMN=VALUE, such as model=claude-opus-5".to_owned())?;
    let filter = Filter {
        column: column(word)?,
        pattern: pattern.into(),
    };
    if filter.column == Column::Source {
        let words = Source::ALL.map(Source::as_str);
        let only = [filter.clone()];
        if !words.iter().any(|word| passes(&only, Column::Source, word)) {
            let words = words.join(", ");
            return Err(format!("there is no such source; choose from {words}"));
        }
    }
    Ok(filter)
}

pub(crate) fn day(text: &str) -> Result<Date, String> {
    plain_day(text).ok_or_else(|| "write the day as 2026-11-20".to_owned())
}

pub(crate) fn zone(name: &str) -> Result<(TimeZone, String), String> {
    let zone = TimeZone::get(name)
        .map_err(|_| "there is no such time zone; write it as Europe/Berlin".to_owned())?;
    Ok((zone, name.to_owned()))
}

/// The days that are asked for: the last thirty up to today, where nothing else is said.
pub(crate) fn days(
    command: &str,
    since: Option<Date>,
    until: Option<Date>,
    zone: &TimeZone,
) -> (Date, Date) {
    let until = until.unwrap_or_else(|| UnixMillis::now().day(zone));
    let since = since.unwrap_or_else(|| add_days(until, -29));
    if since > until {
        let why = format!("the first day {since} is after the last day {until}");
        wrong_usage(command, &why);
    }
    (since, until)
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    let (zone, zone_name) = arguments
        .timezone
        .clone()
        .unwrap_or_else(|| configured_zone(&environment.config().0));
    let (since, until) = days("report", arguments.since, arguments.until, &zone);
    if !arguments.no_refresh {
        note_all(&refresh(&environment)?);
    }
    let mut reader = Reader::open(environment)?;
    let mut by = Vec::new();
    for column in &arguments.by {
        if !by.contains(column) {
            by.push(*column);
        }
    }
    let report = reader.report(ReportRequest {
        by,
        only: arguments.only.clone(),
        since,
        until,
        zone,
    })?;
    if arguments.json {
        return print(&json::report(&report, &zone_name, &reader.counts()?));
    }
    let covered = covered(&mut reader, &report)?;
    let now = UnixMillis::now();
    let last = until.min(now.day(reader.zone().0));
    let mut text = text(&report, &zone_name, &covered, reader.plans());
    for known in reader.completeness(now)? {
        let counts = passes(&arguments.only, Column::Source, known.source.as_str());
        if counts {
            for remark in known.remarks(since, last) {
                text += &format!("\n{remark}\n");
            }
        }
    }
    if passes(&arguments.only, Column::Source, Source::OpenClaw.as_str()) {
        for remark in reader.gateway_remarks(since, last, now)? {
            text += &format!("\n{}\n", visible(&remark));
        }
    }
    print(&text)
}

/// The rows that use under a subscription is in.
fn covered(reader: &mut Reader, report: &Report) -> Result<BTreeSet<Vec<String>>, Failure> {
    let sources: Vec<&str> = reader
        .plans()
        .iter()
        .map(|plan| plan.source.as_str())
        .collect();
    if sources.is_empty() {
        return Ok(BTreeSet::new());
    }
    let mut request = report.request.clone();
    request.by.push(Column::Source);
    let rows = reader.report(request)?.rows.into_iter();
    let covered = rows.filter_map(|mut row| {
        let source = row.values.pop()?;
        sources.contains(&source.as_str()).then_some(row.values)
    });
    Ok(covered.collect())
}

fn text(
    report: &Report,
    zone_name: &str,
    covered: &BTreeSet<Vec<String>>,
    plans: &[Plan],
) -> String {
    let request = &report.request;
    let unsplit = report.totals.tokens.unsplit > 0;
    let figures = |amount: &Amount, covered: bool| {
        let tokens = &amount.tokens;
        let mut figures = vec![
            count(amount.responses),
            count(tokens.input),
            count(tokens.output),
            count(tokens.cache_read),
            count(tokens.cache_write_5m + tokens.cache_write_1h),
        ];
        if unsplit {
            figures.push(count(tokens.unsplit));
        }
        figures.push(cost(amount) + if covered { "*" } else { "" });
        figures
    };
    let mut heads: Vec<(&str, Align)> = request
        .by
        .iter()
        .map(|column| (column.as_str(), Align::Left))
        .collect();
    for head in ["responses", "input", "output", "cache read", "cache write"] {
        heads.push((head, Align::Right));
    }
    if unsplit {
        heads.push(("unsplit", Align::Right));
    }
    heads.push(("cost", Align::Right));
    let rows: Vec<Vec<String>> = report
        .rows
        .iter()
        .map(|row| {
            row.values
                .iter()
                .cloned()
                .chain(figures(&row.amount, covered.contains(&row.values)))
                .collect()
        })
        .collect();
    let mut total: Vec<String> = vec![String::new(); request.by.len()];
    if let Some(first) = total.first_mut() {
        *first = "total".into();
    }
    total.extend(figures(&report.totals, !covered.is_empty()));
    let mut text = format!(
        "{} to {}, days of {}\n\n",
        request.since,
        request.until,
        visible(zone_name)
    );
    if report.totals.responses == 0 && !request.only.is_empty() {
        let only = request.only.iter();
        let only = only.map(|it| format!("{}={}", it.column.as_str(), it.pattern));
        let only: Vec<String> = only.collect();
        return format!("{text}No response matches {}.\n", visible(&only.join(", ")));
    }
    text += &table(&heads, &rows, Some(&total));
    if report.totals.unpriced_responses > 0 {
        text += &format!(
            "\n≥: the price of {} is not known; tokens are counted, cost is not.\n",
            responses(report.totals.unpriced_responses)
        );
    }
    if unsplit {
        text += "\nunsplit: tokens of which only the sum is known, not the kind.\n";
    }
    if !covered.is_empty() {
        let under = |plan: &Plan| format!("{} under {}", plan.source.title(), visible(&plan.name));
        let plans: Vec<String> = plans.iter().map(under).collect();
        text += &format!(
            "\n*: API-equivalent, all or some of it: {}, which nobody bills by the token.\n",
            plans.join(" and ")
        );
    }
    text
}

/// The cost, marked as a lower bound where responses without a price are in it.
pub(crate) fn cost(amount: &Amount) -> String {
    match amount.unpriced_responses {
        0 => amount.cost.display(),
        all if all == amount.responses => "unknown".into(),
        _ => format!("≥ {}", amount.cost.display()),
    }
}
