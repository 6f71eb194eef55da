//! `clawspend today`.

use crate::{
    Failure, environment, json, note_all, print, refresh,
    report::cost,
    table::{Align, count, responses, table, visible},
};
use clawspend_core::{
    api::{Phase, Reader},
    engine::{self, Listener, Update},
    summary::{Amount, PlanUse, Summary},
    time::{UnixMillis, add_days},
};
use std::{
    io::{IsTerminal as _, Write as _},
    sync::mpsc,
};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Go on and show every change
    #[arg(long)]
    watch: bool,
    /// Print JSON, with --watch one line for each change
    #[arg(long)]
    json: bool,
    /// Show what the ledger holds, without reading logs first
    #[arg(long, conflicts_with = "watch")]
    no_refresh: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.watch {
        return watch(arguments.json);
    }
    let environment = environment()?;
    if !arguments.no_refresh {
        note_all(&refresh(&environment)?);
    }
    let mut reader = Reader::open(environment)?;
    let now = UnixMillis::now();
    let summary = reader.summary(now)?;
    if arguments.json {
        return print(&json::today(&summary));
    }
    let mut text = text(&summary);
    // The month and the median of seven days reach back the furthest.
    let since = summary.day.first_of_month().min(add_days(summary.day, -7));
    for remark in reader.remarks(since, summary.day, now)? {
        text += &format!("\n{remark}\n");
    }
    print(&text)
}

fn watch(as_json: bool) -> Result<(), Failure> {
    let (sender, updates) = mpsc::channel();
    let engine = engine::start(environment()?, Listener::Viewer, move |update| {
        let _ = sender.send(update);
    })
    .map_err(|error| Failure {
        message: format!("cannot start following the logs: {error}"),
        hint: "close some programs and try again".into(),
    })?;
    let terminal = std::io::stdout().is_terminal();
    let mut told: Option<Summary> = None;
    let mut problems = Vec::new();
    let mut said = String::new();
    for update in updates {
        if update.status.problems != problems {
            note_all(&update.status.problems);
            problems.clone_from(&update.status.problems);
        }
        if as_json {
            // The first line tells the whole: what was there has been read by then.
            let Some(summary) = update.summary else {
                continue;
            };
            let same = told
                .as_ref()
                .is_some_and(|told| (&told.today, told.day) == (&summary.today, summary.day));
            if !same && update.status.phase == Phase::Live {
                print(&json::today(&summary))?;
                told = Some(summary);
            }
        } else if terminal {
            screen(&update)?;
        } else {
            let now = line(&update);
            // Whatever else has changed, it is not in the line.
            if now != said {
                print(&format!("{now}\n"))?;
                said = now;
            }
        }
    }
    drop(engine);
    Ok(())
}

/// One line that says it all, for a pipe.
fn line(update: &Update) -> String {
    let state = match update.status.phase {
        Phase::CatchingUp(progress) => format!(
            ", reading {} of {} files",
            progress.files_done, progress.files_total
        ),
        Phase::Live => String::new(),
        Phase::Stopped => ", not following the logs".into(),
    };
    match &update.summary {
        Some(summary) => format!(
            "{} {} today{}, {}{state}",
            summary.day,
            cost(&summary.today),
            behind(&api_equivalent(summary, &summary.today, |plan| &plan.today)),
            responses(summary.today.responses)
        ),
        None => format!("today's spend is not known yet{state}"),
    }
}

/// Draws the whole screen anew.
fn screen(update: &Update) -> Result<(), Failure> {
    let mut text = match &update.summary {
        Some(summary) => text(summary),
        None => "Today's spend is not known yet.\n".into(),
    };
    if let Phase::CatchingUp(progress) = update.status.phase {
        text += &format!(
            "\nReading logs: {} of {} files …\n",
            progress.files_done, progress.files_total
        );
    }
    text += "\nCtrl+C ends it.\n";
    let mut out = std::io::stdout().lock();
    write!(out, "\x1b[H\x1b[2J{text}")?;
    Ok(out.flush()?)
}

/// What of a sum nobody bills by the token: nothing, all, or some of it.
fn api_equivalent(summary: &Summary, total: &Amount, part: impl Fn(&PlanUse) -> &Amount) -> String {
    let mut covered = Amount::default();
    for plan in &summary.plans {
        covered += *part(plan);
    }
    match covered.responses {
        0 => String::new(),
        all if all == total.responses => "API-equivalent".into(),
        _ => format!("{} of it API-equivalent", cost(&covered)),
    }
}

/// A label set behind a figure.
fn behind(label: &str) -> String {
    if label.is_empty() {
        String::new()
    } else {
        format!(", {label}")
    }
}

fn text(summary: &Summary) -> String {
    let tokens = &summary.today.tokens;
    let mut text = format!(
        "{} today{} ({}, {})\n\n",
        cost(&summary.today),
        behind(&api_equivalent(summary, &summary.today, |plan| &plan.today)),
        summary.day.strftime("%A, %-d %B %Y"),
        visible(&summary.timezone)
    );
    let label = |total, part: fn(&PlanUse) -> &Amount| api_equivalent(summary, total, part);
    let (yesterday, week, month) = (&summary.yesterday, &summary.week, &summary.month);
    let mut rows = vec![
        (
            "yesterday",
            cost(yesterday),
            label(yesterday, |plan| &plan.yesterday),
        ),
        ("this week", cost(week), label(week, |plan| &plan.week)),
        ("this month", cost(month), label(month, |plan| &plan.month)),
    ];
    if let Some(median) = summary.median_7d {
        let label = match summary.plans.is_empty() {
            true => String::new(),
            false => "API-equivalents included".to_owned(),
        };
        rows.insert(1, ("median of 7 days", median.display(), label));
    }
    for (name, figure, label) in rows {
        let line = format!("{name:<18}{figure:>12}  {label}");
        text += &format!("{}\n", line.trim_end());
    }
    for plan in &summary.plans {
        text += &format!("\n{}.\n", visible(&plan.describe()));
    }
    let unsplit = match tokens.unsplit {
        0 => String::new(),
        some => format!(", {} unsplit", count(some)),
    };
    text += &format!(
        "\n{}: {} input, {} output, {} cache read, {} cache write{unsplit} tokens\n",
        responses(summary.today.responses),
        count(tokens.input),
        count(tokens.output),
        count(tokens.cache_read),
        count(tokens.cache_write_5m + tokens.cache_write_1h),
    );
    if !summary.models.is_empty() {
        let rows: Vec<Vec<String>> = summary
            .models
            .iter()
            .map(|model| {
                vec![
                    model.model.clone(),
                    count(model.amount.responses),
                    cost(&model.amount),
                ]
            })
            .collect();
        let heads = [
            ("model", Align::Left),
            ("responses", Align::Right),
            ("cost", Align::Right),
        ];
        text += &format!("\n{}", table(&heads, &rows, None));
    }
    text
}
