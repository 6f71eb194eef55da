//! `clawspend forget`.

use crate::{
    Failure, environment,
    json::{figures, line},
    note, note_all, print, refresh,
    report::{cost, day, filter, zone},
    table::{Align, count, responses, table},
};
use clawspend_core::{
    api::Reader,
    forget::{Choice, ForgetRequest, Forgotten, forget},
    report::Filter,
};
use jiff::{civil::Date, tz::TimeZone};
use serde_json::{Value, json};

/// Forgotten responses stay forgotten, also when their logs are read again.
#[derive(Debug, clap::Args)]
#[command(group(clap::ArgGroup::new("condition").required(true).multiple(true)))]
pub(crate) struct Arguments {
    /// What was made before this day, as 2026-11-20
    #[arg(long, value_name = "DAY", value_parser = day, group = "condition")]
    before: Option<Date>,
    /// What matches, as project=*/demo or label=nightly; of one column any, of several columns all
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = filter, group = "condition")]
    only: Vec<Filter>,
    /// Whose days: an IANA name such as Europe/Berlin; the configured or the system's zone by default
    #[arg(long, value_parser = zone)]
    timezone: Option<(TimeZone, String)>,
    /// Forget it; without, it is only shown
    #[arg(long)]
    yes: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    note_all(&refresh(&environment)?);
    let mut reader = Reader::open(environment.clone())?;
    let (zone, zone_name) = arguments.timezone.clone().unwrap_or_else(|| {
        let (zone, name) = reader.zone();
        (zone.clone(), name.to_owned())
    });
    let request = ForgetRequest {
        before: arguments.before,
        only: arguments.only.clone(),
        zone,
    };
    let choice = if arguments.yes {
        drop(reader);
        let (config, _) = environment.config();
        let Forgotten { choice, clean } = forget(&environment, &config, &request)?;
        if !clean {
            note(
                "another program reads the ledger; its old pages are overwritten once that has ended",
            );
        }
        choice
    } else {
        reader.forgettable(&request)?
    };
    print(&if arguments.json {
        as_json(&choice, &zone_name, arguments.yes)
    } else {
        as_text(&choice, &zone_name, arguments.yes)
    })
}

fn as_json(choice: &Choice, zone_name: &str, done: bool) -> String {
    let rows = choice.by_project.iter().map(|((source, project), amount)| {
        let mut row = figures(amount);
        row.insert("source".into(), json!(source));
        row.insert("project".into(), (&**project).into());
        Value::from(row)
    });
    line(&json!({
        "schema": "clawspend.forget/1",
        "timezone": zone_name,
        "forgotten": done,
        "first_day": choice.days.map(|(first, _)| first.to_string()),
        "last_day": choice.days.map(|(_, last)| last.to_string()),
        "rows": rows.collect::<Vec<_>>(),
        "totals": figures(&choice.chosen),
        "stay": figures(&choice.stay),
    }))
}

fn as_text(choice: &Choice, zone_name: &str, done: bool) -> String {
    let Choice {
        chosen,
        by_project,
        days,
        stay,
        ..
    } = choice;
    let mut text = match days {
        None => "Nothing to forget: no response meets all conditions.\n".to_owned(),
        Some((first, last)) => {
            let verb = match (done, chosen.responses) {
                (true, 1) => "was forgotten",
                (true, _) => "were forgotten",
                (false, _) => "would be forgotten",
            };
            let rows = by_project.iter().map(|((source, project), amount)| {
                vec![
                    source.as_str().to_owned(),
                    project.to_string(),
                    count(amount.responses),
                    count(amount.tokens.total()),
                    cost(amount),
                ]
            });
            let heads = [
                ("source", Align::Left),
                ("project", Align::Left),
                ("responses", Align::Right),
                ("tokens", Align::Right),
                ("cost", Align::Right),
            ];
            format!(
                "{} of {first} to {last} (days of {zone_name}) {verb}: {} tokens, {}.\n\n{}",
                responses(chosen.responses),
                count(chosen.tokens.total()),
                cost(chosen),
                table(&heads, &rows.collect::<Vec<_>>(), None)
            )
        }
    };
    if stay.responses > 0 {
        text += &format!(
            "\nLeft as it is, because others with the same id do not meet the conditions: {}.\n",
            responses(stay.responses)
        );
    }
    if days.is_some() && !done {
        text += "\nNothing has been changed. Add --yes to forget it for good.\n";
    }
    text
}
