//! `clawspend session`.

use crate::{
    Failure, environment,
    json::line,
    note, note_all, print,
    report::cost,
    table::{Align, count, table, visible},
};
use clawspend_core::{
    api::gateways::{ToldSession, session},
    environment::zone,
    gateway::{Entry, Point},
    money::NanoUsd,
    summary::Amount,
    time::UnixMillis,
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The session's key, such as agent:main:main
    key: String,
    /// Which gateway to ask; the default gateway when left out
    #[arg(long, value_name = "NAME")]
    gateway: Option<String>,
    /// Tell of each message too: when, whose, how much; never what
    #[arg(long)]
    log: bool,
    /// How many messages at most, the latest
    #[arg(long, value_name = "N", requires = "log", default_value_t = 200, value_parser = clap::value_parser!(u32).range(1..=1_000))]
    limit: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    let messages = arguments.log.then_some(arguments.limit);
    let told = session(
        &environment,
        arguments.gateway.as_deref(),
        &arguments.key,
        messages,
    )?;
    note_all(&told.problems);
    if let Some(warning) = told.gateway.address.warning() {
        note(&warning);
    }
    let (zone, zone_name) = zone(&environment.config().0);
    print(&if arguments.json {
        as_json(arguments, &told)
    } else {
        as_text(arguments, &told, &zone, &zone_name)
    })
}

/// A point as a sum; each counts as one, also where the gateway merged several.
fn amount(point: &Point) -> Amount {
    let mut amount = Amount {
        responses: 1,
        cost: point.cost.unwrap_or_default(),
        unpriced_responses: point.cost.is_none().into(),
        ..Amount::default()
    };
    amount.tokens.input = point.input;
    amount.tokens.output = point.output;
    amount.tokens.cache_read = point.cache_read;
    amount.tokens.cache_write_5m = point.cache_write;
    amount
}

/// Each point, and the sum up to it.
fn summed(points: &[Point]) -> Vec<(&Point, Amount)> {
    let mut sum = Amount::default();
    let points = points.iter().map(|point| {
        sum += amount(point);
        (point, sum)
    });
    points.collect()
}

/// `clawspend.session/1`.
fn as_json(arguments: &Arguments, told: &ToldSession) -> String {
    let usd = |cost: Option<NanoUsd>| cost.map(|cost| cost.to_string());
    let sums = summed(&told.points);
    let points = sums.iter().map(|(point, sum)| {
        json!({
            "at": point.timestamp,
            "input_tokens": point.input,
            "output_tokens": point.output,
            "cache_read_tokens": point.cache_read,
            "cache_write_tokens": point.cache_write,
            "cost_usd": usd(point.cost),
            "cost_so_far_usd": sum.cost.to_string(),
        })
    });
    let total = sums.last().map(|(_, sum)| *sum).unwrap_or_default();
    let log = told.log.as_ref().map(|log| {
        let entries = log.iter().map(|entry| {
            json!({
                "at": entry.timestamp,
                "role": entry.role,
                "tokens": entry.tokens,
                "cost_usd": usd(entry.cost),
            })
        });
        entries.collect::<Vec<Value>>()
    });
    line(&json!({
        "schema": "clawspend.session/1",
        "gateway": told.gateway.name,
        "session_key": arguments.key,
        "merged": told.is_merged(),
        "points": points.collect::<Vec<_>>(),
        "totals": {
            "points": total.responses,
            "input_tokens": total.tokens.input,
            "output_tokens": total.tokens.output,
            "cache_read_tokens": total.tokens.cache_read,
            "cache_write_tokens": total.tokens.cache_write_5m,
            "cost_usd": total.cost.to_string(),
            "points_without_cost": total.unpriced_responses,
        },
        "log": log,
    }))
}

fn as_text(arguments: &Arguments, told: &ToldSession, zone: &TimeZone, zone_name: &str) -> String {
    let mut text = format!(
        "{} at {}, times of {}\n\n",
        visible(&arguments.key),
        told.gateway.name,
        visible(zone_name)
    );
    text += &points_text(told, zone);
    if let Some(log) = &told.log {
        text += "\n";
        text += &log_text(log, zone);
        if log.len() == arguments.limit as usize {
            text += &format!(
                "\nThe latest {} messages; --limit tells of up to 1000.\n",
                arguments.limit
            );
        }
    }
    text
}

fn points_text(told: &ToldSession, zone: &TimeZone) -> String {
    let sums = summed(&told.points);
    let Some((_, total)) = sums.last() else {
        return "The gateway knows the session, and nothing that it used.\n".into();
    };
    let heads = [
        ("time", Align::Left),
        ("input", Align::Right),
        ("output", Align::Right),
        ("cache read", Align::Right),
        ("cache write", Align::Right),
        ("cost", Align::Right),
        ("so far", Align::Right),
    ];
    let row = |first: String, amount: &Amount| {
        let tokens = &amount.tokens;
        vec![
            first,
            count(tokens.input),
            count(tokens.output),
            count(tokens.cache_read),
            count(tokens.cache_write_5m),
            cost(amount),
        ]
    };
    let rows = sums.iter().map(|(point, sum)| {
        let mut row = row(time(point.timestamp, zone), &amount(point));
        row.push(cost(sum));
        row
    });
    let rows: Vec<_> = rows.collect();
    let mut text = table(&heads, &rows, Some(&row("total".into(), total)));
    if total.unpriced_responses > 0 {
        text += "\nunknown: the gateway says $0 for tokens, because it knows no price or because they are free.\n";
    }
    if told.is_merged() {
        text += "\nThe session is long: the gateway merges responses that follow each other into one row.\n";
    }
    text
}

fn log_text(log: &[Entry], zone: &TimeZone) -> String {
    let heads = [
        ("time", Align::Left),
        ("role", Align::Left),
        ("tokens", Align::Right),
        ("cost", Align::Right),
    ];
    let rows = log.iter().map(|entry| {
        let cost = match (entry.tokens, entry.cost) {
            (_, Some(cost)) => cost.display(),
            (Some(_), None) => "unknown".into(),
            (None, None) => String::new(),
        };
        vec![
            time(entry.timestamp, zone),
            entry.role.clone(),
            entry.tokens.map(count).unwrap_or_default(),
            cost,
        ]
    });
    table(&heads, &rows.collect::<Vec<_>>(), None)
}

fn time(at: UnixMillis, zone: &TimeZone) -> String {
    let at = at.timestamp().to_zoned(zone.clone());
    at.strftime("%Y-%m-%d %H:%M:%S").to_string()
}
