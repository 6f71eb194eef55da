//! `clawspend models`: which models the ledger has seen, and which of their responses have no cost.

use crate::{
    Failure, environment, json, note_all,
    prices::paste,
    print, refresh,
    report::cost,
    table::{Align, count, table, visible_lines},
};
use clawspend_core::{api::Reader, ledger::seen::SeenModel, pricing::Gap, time::Slot};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::path::Path;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Only those with responses whose cost is not known: why, and what to do
    #[arg(long)]
    unpriced: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List what the ledger holds, without reading logs first
    #[arg(long)]
    no_refresh: bool,
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    if !arguments.no_refresh {
        note_all(&refresh(&environment)?);
    }
    let config_file = environment.paths.config_file();
    let mut reader = Reader::open(environment)?;
    let mut models = reader.models()?;
    if arguments.unpriced {
        models.retain(|model| !model.gaps.is_empty());
    }
    print(&match (arguments.json, arguments.unpriced) {
        (true, _) => as_json(&models),
        (false, false) => all(&models, reader.zone().0),
        (false, true) => unpriced(&models, &config_file),
    })
}

fn all(models: &[SeenModel], zone: &TimeZone) -> String {
    let heads = [
        ("source", Align::Left),
        ("provider", Align::Left),
        ("model", Align::Left),
        ("responses", Align::Right),
        ("tokens", Align::Right),
        ("cost", Align::Right),
        ("first", Align::Left),
        ("last", Align::Left),
    ];
    let day = |slot: Slot| slot.start().day(zone).to_string();
    let row = |model: &SeenModel| {
        vec![
            model.source.as_str().to_owned(),
            model.provider.to_string(),
            model.model.to_string(),
            count(model.amount.responses),
            count(model.amount.tokens.total()),
            cost(&model.amount),
            day(model.first),
            day(model.last),
        ]
    };
    let rows: Vec<Vec<String>> = models.iter().map(row).collect();
    table(&heads, &rows, None)
}

fn unpriced(models: &[SeenModel], config_file: &Path) -> String {
    if models.is_empty() {
        return "The cost of every response is known.\n".into();
    }
    let heads = [
        ("source", Align::Left),
        ("provider", Align::Left),
        ("model", Align::Left),
        ("without cost", Align::Right),
        ("of", Align::Right),
        ("why", Align::Left),
    ];
    let mut rows = Vec::new();
    for model in models {
        for (gap, responses) in &model.gaps {
            rows.push(vec![
                model.source.as_str().to_owned(),
                model.provider.to_string(),
                model.model.to_string(),
                count(*responses),
                count(model.amount.responses),
                gap.describe().to_owned(),
            ]);
        }
    }
    let mut text = table(&heads, &rows, None);
    for gap in [
        Gap::UnknownModel,
        Gap::UnsplitTokens,
        Gap::UnknownMode,
        Gap::NotRecorded,
        Gap::PriceMissingThere,
    ] {
        if models.iter().any(|model| model.gaps.contains_key(&gap)) {
            text += &format!("\nWhere {}: {}.\n", gap.describe(), gap.advice());
        }
    }
    let mut pastes: Vec<String> = Vec::new();
    for paste in models.iter().filter_map(addition) {
        if !pastes.contains(&paste) {
            pastes.push(paste);
        }
    }
    if !pastes.is_empty() {
        text += &format!(
            "\nTo be put into {}, rates in US dollars per million tokens filled in:\n\n{}",
            config_file.display(),
            visible_lines(&pastes.join("\n"))
        );
    }
    text
}

/// What to put into the config file, where that helps.
fn addition(model: &SeenModel) -> Option<String> {
    let unknown = model.gaps.contains_key(&Gap::UnknownModel);
    unknown.then(|| paste(&model.provider, &model.model))
}

/// `clawspend.models/1`.
fn as_json(models: &[SeenModel]) -> String {
    let models: Vec<Value> = models
        .iter()
        .map(|model| {
            let gaps = model.gaps.iter();
            let gaps = gaps.map(|(gap, responses)| {
                json!({ "gap": gap, "responses": responses, "why": gap.describe(), "advice": gap.advice() })
            });
            let mut object = serde_json::Map::new();
            object.insert("source".into(), model.source.as_str().into());
            object.insert("provider".into(), model.provider.as_ref().into());
            object.insert("model".into(), model.model.as_ref().into());
            object.extend(json::figures(&model.amount));
            object.insert("first_at".into(), model.first.start().0.into());
            object.insert("last_at".into(), model.last.start().0.into());
            object.insert("gaps".into(), gaps.collect());
            object.insert("addition".into(), addition(model).into());
            object.into()
        })
        .collect();
    format!(
        "{}\n",
        json!({ "schema": "clawspend.models/1", "models": models })
    )
}
