//! Own prices and plans: tables within a section, each with keys of its own.

use super::{
    Plan,
    parse::Reading,
    values::{Refusal, decimal, did_you_mean, dollars},
};
use crate::{
    money::{NanoUsd, Rate},
    pricing::{Class, Override, Rates},
    usage::Source,
};
use jiff::civil::Date;
use toml::de::{DeTable, DeValue};

/// The keys of the rates, in the order of [`Class::ALL`].
pub(super) const RATES: [&str; 5] = [
    "input",
    "output",
    "cache_read",
    "cache_write_5m",
    "cache_write_1h",
];

/// No model ever cost so much; who writes more has the unit wrong.
const MOST: NanoUsd = NanoUsd::dollars(1_000);

/// Every `[[prices.model]]`.
pub(super) fn own_prices(
    value: &DeValue<'_>,
    reading: &mut Reading<'_>,
) -> Result<Vec<Override>, Refusal> {
    let wrong = || {
        Refusal(
            "must be a table for each model".to_owned(),
            Some("begin each with a line [[prices.model]], its keys below".to_owned()),
        )
    };
    let DeValue::Array(items) = value else {
        return Err(wrong());
    };
    let mut found: Vec<Override> = Vec::new();
    for item in items {
        let DeValue::Table(table) = item.get_ref() else {
            return Err(wrong());
        };
        let Some(one) = own_price(table, item.span().start, reading) else {
            continue;
        };
        let key = |one: &Override| (one.model.clone(), one.provider.clone(), one.from);
        if found.iter().any(|other| key(other) == key(&one)) {
            let refusal = Refusal(
                format!(
                    "`{}` has two prices here that hold from the same day",
                    one.model
                ),
                Some("give one of them a `from`, or remove it".to_owned()),
            );
            reading.inside.push((item.span().start, refusal));
        }
        found.push(one);
    }
    Ok(found)
}

fn own_price(table: &DeTable<'_>, start: usize, reading: &mut Reading<'_>) -> Option<Override> {
    let (mut model, mut provider, mut from) = (None, None, None);
    let mut rates: Rates = [None; 5];
    let faults = reading.inside.len();
    fields(
        table,
        reading,
        &[&["model", "provider", "from"], &RATES[..]].concat(),
        |name, value| match name {
            "model" => word(value).map(|word| model = Some(word)),
            "provider" => word(value).map(|word| provider = Some(word)),
            "from" => day(value).map(|day| from = Some(day)),
            _ => rate(value).map(|rate| {
                if let Some(at) = RATES.iter().position(|known| *known == name) {
                    rates[at] = Some(rate);
                }
            }),
        },
    );
    let missing = |wanted: &str| {
        Refusal(
            format!("`{wanted}` is missing in this [[prices.model]]"),
            None,
        )
    };
    if reading.inside.len() == faults {
        for (wanted, found) in [
            ("model", model.is_some()),
            ("input", rates[Class::Input as usize].is_some()),
            ("output", rates[Class::Output as usize].is_some()),
        ] {
            if !found {
                reading.inside.push((start, missing(wanted)));
            }
        }
    }
    Some(Override {
        model: model?,
        provider,
        from,
        rates,
    })
}

/// A plan; `None` when it costs nothing, which means there is none.
pub(super) fn plan(
    value: &DeValue<'_>,
    source: Source,
    reading: &mut Reading<'_>,
) -> Result<Option<Plan>, Refusal> {
    let DeValue::Table(table) = value else {
        return Err(Refusal(
            "must be a plan, such as { name = \"Max\", monthly_usd = 100.00 }".to_owned(),
            None,
        ));
    };
    let (mut name, mut monthly) = (String::new(), NanoUsd::ZERO);
    fields(
        table,
        reading,
        &["name", "monthly_usd"],
        |field, value| match field {
            "name" => match value.as_str() {
                Some(text) => {
                    text.trim().clone_into(&mut name);
                    Ok(())
                }
                None => Err(Refusal("must be a name in quotes".to_owned(), None)),
            },
            _ => dollars(value).map(|amount| monthly = amount),
        },
    );
    if name.is_empty() {
        name = "subscription".to_owned();
    }
    Ok((monthly > NanoUsd::ZERO).then_some(Plan {
        source,
        name,
        monthly,
    }))
}

/// Reads each key of a table; what is wrong goes to `reading`.
pub(super) fn fields(
    table: &DeTable<'_>,
    reading: &mut Reading<'_>,
    names: &[&str],
    mut read: impl FnMut(&str, &DeValue<'_>) -> Result<(), Refusal>,
) {
    for (key, value) in table {
        let name = key.get_ref().as_ref();
        if !names.contains(&name) {
            let refusal = Refusal(
                format!("unknown key `{name}`"),
                did_you_mean(name, names.iter().copied()),
            );
            reading.inside.push((key.span().start, refusal));
        } else if let Err(Refusal(why, suggestion)) = read(name, value.get_ref()) {
            let refusal = Refusal(format!("`{name}` {why}"), suggestion);
            reading.inside.push((value.span().start, refusal));
        }
    }
}

/// A name as the logs may write it, in lower case.
fn word(value: &DeValue<'_>) -> Result<String, Refusal> {
    let word = value.as_str().map(|word| word.trim().to_lowercase());
    word.filter(|word| !word.is_empty())
        .ok_or_else(|| Refusal("must be a name in quotes".to_owned(), None))
}

fn day(value: &DeValue<'_>) -> Result<Date, Refusal> {
    let text = match value {
        DeValue::Datetime(day) => day.to_string(),
        DeValue::String(day) => day.to_string(),
        _ => String::new(),
    };
    text.parse()
        .ok()
        .filter(|_| text.len() == "2026-11-20".len())
        .ok_or_else(|| Refusal("must be a day, such as 2026-11-20".to_owned(), None))
}

fn rate(value: &DeValue<'_>) -> Result<Rate, Refusal> {
    let suggestion = match decimal(value) {
        Some(amount) if (NanoUsd::ZERO..=MOST).contains(&amount) => return Ok(Rate(amount.0)),
        Some(amount) if amount > MOST => Some("is it the price of more than a million tokens?"),
        Some(_) => Some("0 is free of charge"),
        None => None,
    };
    Err(Refusal(
        "must be dollars per million tokens, from 0 to 1000, such as 3.00".to_owned(),
        suggestion.map(str::to_owned),
    ))
}
