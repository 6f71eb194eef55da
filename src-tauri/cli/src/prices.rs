//! `clawspend prices`: what a model costs, and by which row of the book or of the user's own prices.

use crate::{
    Failure, environment, note_all, print, refresh,
    table::{Align, count, table, visible},
};
use clawspend_core::{
    api::Reader,
    money::{NanoUsd, Rate},
    pricing::{
        Class, Match, Origin, Override, Period, PriceBook, Priced, Prices, Query, RateFrom, Rates,
        Ratio, Receipt, Resolved, rate,
    },
    time::{UnixMillis, day_start, plain_day},
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// The model as a log writes it; every model the ledger has seen by default
    #[arg(value_parser = model)]
    model: Option<String>,
    /// The provider as a log writes it
    #[arg(
        long,
        default_value = "",
        hide_default_value = true,
        requires = "model"
    )]
    provider: String,
    /// When: a day as 2026-11-20, which means its beginning in UTC, or 2026-11-20T14:00:00Z; now by default
    #[arg(long, value_parser = instant)]
    at: Option<UnixMillis>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// List what the ledger holds, without reading logs first
    #[arg(long, conflicts_with = "model")]
    no_refresh: bool,
}

fn model(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("name a model, such as claude-opus-5".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

fn instant(text: &str) -> Result<UnixMillis, String> {
    let day = || Some(day_start(plain_day(text)?, &TimeZone::UTC));
    let at = UnixMillis::parse_rfc3339(text).or_else(day);
    at.ok_or_else(|| "write it as 2026-11-20 or 2026-11-20T14:00:00Z".to_owned())
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    let at = arguments.at.unwrap_or_else(UnixMillis::now);
    let Some(model) = &arguments.model else {
        if !arguments.no_refresh {
            note_all(&refresh(&environment)?);
        }
        let mut reader = Reader::open(environment)?;
        let mut asked: Vec<(String, String)> = Vec::new();
        for seen in reader.models()? {
            let one = (seen.provider.to_string(), seen.model.to_string());
            if !asked.contains(&one) {
                asked.push(one);
            }
        }
        let all = asked.iter().map(|(provider, model)| Asked {
            provider,
            model,
            at,
        });
        let all: Vec<Asked<'_>> = all.collect();
        return print(&if arguments.json {
            as_json(reader.prices(), &all)
        } else {
            overview(reader.prices(), &all)
        });
    };
    let (config, problems) = environment.config();
    note_all(&problems);
    let config_file = environment.paths.config_file();
    // What is about to be in force; while the config cannot be read, what is.
    let terms = config.terms.or_else(|| {
        let mut reader = Reader::open(environment).ok()?;
        Some(reader.prices().terms().clone())
    });
    let mut prices = Prices::new(terms.unwrap_or_default());
    let asked = Asked {
        provider: &arguments.provider,
        model,
        at,
    };
    let unknown = rows(&mut prices, asked).is_empty() && !asked.free(&mut prices);
    if arguments.json {
        print(&as_json(&mut prices, &[asked]))?;
    } else if !unknown {
        print(&text(&mut prices, asked))?;
    }
    if unknown {
        let near = PriceBook::embedded().near(model);
        let meant = match near.as_slice() {
            [] => String::new(),
            near => format!("did you mean {}? else ", near.join(", ")),
        };
        return Err(Failure {
            message: format!("no price is known for {}", asked.name()),
            hint: format!(
                "{meant}put its price into {}:\n\n{}",
                config_file.display(),
                paste(asked.provider, asked.model).trim_end()
            ),
        });
    }
    Ok(())
}

/// What to put into the config file for a model without a price, once the rates are filled in.
pub(crate) fn paste(provider: &str, model: &str) -> String {
    let quoted = |text: &str| Value::from(text).to_string();
    let mut text = format!("[[prices.model]]\nmodel = {}\n", quoted(model));
    if !provider.is_empty() {
        text += &format!("provider = {}\n", quoted(provider));
    }
    text + "input = \noutput = \ncache_read = \n"
}

#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    provider: &'a str,
    model: &'a str,
    at: UnixMillis,
}

impl Asked<'_> {
    fn price<'p>(&self, prices: &'p mut Prices) -> Priced<'p> {
        let (tokens, modifiers) = Default::default();
        prices.price(&Query {
            provider: self.provider,
            model: self.model,
            at: self.at,
            tokens,
            modifiers,
        })
    }

    fn free(&self, prices: &mut Prices) -> bool {
        matches!(self.price(prices), Priced::Free)
    }

    fn name(&self) -> String {
        match self.provider {
            "" => self.model.to_owned(),
            provider => format!("{} by {provider}", self.model),
        }
    }
}

/// A price that holds for a model from some time on.
struct Row<'p> {
    origin: Origin,
    provider: &'p str,
    model: &'p str,
    from: Option<UnixMillis>,
    rates: &'p Rates,
    /// The book's tiers, times of day, factors and fees; an own price has those of the book.
    period: Option<&'p Period>,
    in_force: bool,
}

/// The user's own prices, then the book's from the oldest on.
fn rows<'p>(prices: &'p mut Prices, asked: Asked<'_>) -> Vec<Row<'p>> {
    let in_force = match asked.price(prices) {
        Priced::Known(it) => Some((
            it.origin,
            it.provider.to_owned(),
            it.model.to_owned(),
            it.since,
        )),
        Priced::Free | Priced::Unpriced(_) => None,
    };
    let (book, own) = prices.candidates(asked.provider, asked.model);
    let model = match book {
        Resolved::Model(model) => Some(model),
        Resolved::Free | Resolved::Unknown => None,
    };
    let seller = model.map_or("", |model| model.provider());
    let own = own.into_iter().map(|own: &Override| Row {
        origin: Origin::Override,
        provider: own.provider.as_deref().unwrap_or(seller),
        model: &own.model,
        from: own.since(),
        rates: &own.rates,
        period: None,
        in_force: false,
    });
    let book = model.into_iter().flat_map(|model| {
        model.periods().iter().map(move |period| Row {
            origin: Origin::Book,
            provider: model.provider(),
            model: model.id(),
            from: period.from,
            rates: &period.rates,
            period: Some(period),
            in_force: false,
        })
    });
    let mut rows: Vec<Row<'_>> = own.chain(book).collect();
    for row in &mut rows {
        let key = (
            row.origin,
            row.provider.to_owned(),
            row.model.to_owned(),
            row.from,
        );
        row.in_force = in_force.as_ref() == Some(&key);
    }
    rows
}

/// Why this price was chosen.
pub(crate) fn why(receipt: &Receipt<'_>) -> String {
    let mut why = match receipt.how {
        Match::Exact => "the name is the same".to_owned(),
        Match::Dated => "the name is the same but for a date".to_owned(),
        Match::Family => {
            "the name is the same but for what relays, versions and modes add to it".to_owned()
        }
    };
    if receipt.by_owner {
        why += &format!(
            "; no seller with a price of its own is named, and the model is of {}",
            receipt.provider
        );
    }
    if receipt.origin == Origin::Override {
        why += "; your own price wins over the book";
    }
    why
}

pub(crate) fn origin(origin: Origin) -> &'static str {
    match origin {
        Origin::Book => "book",
        Origin::Override => "own",
    }
}

pub(crate) fn since(from: Option<UnixMillis>) -> String {
    from.map_or("ever".to_owned(), |from| {
        let text = format!("{:.0}", from.timestamp());
        text.strip_suffix("T00:00:00Z").unwrap_or(&text).to_owned()
    })
}

pub(crate) fn plain(rate: Rate) -> String {
    let text = NanoUsd(rate.0).to_string();
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// One cell for each class; `*` where the rate is not listed.
fn rate_cells(rates: &Rates, model: &str) -> Vec<String> {
    let cell = |class| {
        let (rate, from) = rate(class, rates, model.contains("claude"));
        let mark = if from == RateFrom::Listed { "" } else { "*" };
        plain(rate) + mark
    };
    Class::ALL.map(cell).to_vec()
}

const CLASSES: [(&str, Align); 5] = [
    ("input", Align::Right),
    ("output", Align::Right),
    ("cache read", Align::Right),
    ("5m write", Align::Right),
    ("1h write", Align::Right),
];
const UNIT: &str = "US dollars per million tokens; *: not listed, derived from the input rate or the 5-minute write.\n";

fn text(prices: &mut Prices, asked: Asked<'_>) -> String {
    let book = PriceBook::embedded();
    let name = asked.name();
    let name = visible(&name);
    let moment = since(Some(asked.at));
    let mut by_hour = false;
    let mut text = match asked.price(prices) {
        Priced::Known(receipt) => {
            by_hour = receipt.by_time_of_day;
            let whose = match receipt.origin {
                Origin::Book => format!("the price book of {}", book.generated_on()),
                Origin::Override => "your own prices".to_owned(),
            };
            let row = [receipt.provider, receipt.model].join("/");
            let row = visible(row.trim_start_matches('/'));
            format!(
                "{name} at {moment}: {row} in {whose}\nChosen because {}.\n",
                why(&receipt)
            )
        }
        Priced::Free => {
            return format!(
                "{name}: free of charge, as it runs on your own machine or is given away\n"
            );
        }
        Priced::Unpriced(_) => format!("{name} at {moment}: no price holds yet\n"),
    };
    let mut heads = vec![
        ("", Align::Left),
        ("price", Align::Left),
        ("from", Align::Left),
        ("for", Align::Left),
    ];
    heads.extend(CLASSES);
    let mut cells = Vec::new();
    let rows = rows(prices, asked);
    for row in &rows {
        let mark = |holds: bool| if holds { "▸" } else { "" };
        let mut add = |holds: bool, what: String, rates: &Rates| {
            let mut line = vec![
                mark(holds).to_owned(),
                origin(row.origin).to_owned(),
                since(row.from),
                what,
            ];
            line.extend(rate_cells(rates, row.model));
            cells.push(line);
        };
        add(
            row.in_force && !by_hour,
            "any request".to_owned(),
            row.rates,
        );
        let Some(period) = row.period else { continue };
        for (threshold, rates) in &period.over {
            add(
                false,
                format!("above {} tokens of context", count(*threshold)),
                rates,
            );
        }
        if let Some(daily) = &period.daily {
            add(
                row.in_force && by_hour,
                hours(&daily.utc_minutes, daily.weekdays),
                &daily.rates,
            );
        }
    }
    text += &format!("\n{}\n▸: in force. {UNIT}", table(&heads, &cells, None));
    if let Resolved::Model(model) = prices.candidates(asked.provider, asked.model).0 {
        let period = model.period(asked.at);
        let factors = [
            period.fast.map(|fast| format!("fast mode ×{fast}")),
            model.batch().map(|batch| format!("batch ×{batch}")),
            model
                .us_only()
                .map(|us| format!("United States only ×{us}")),
            period
                .search
                .map(|fee| format!("web search {} each", fee.display())),
        ];
        let factors: Vec<String> = factors.into_iter().flatten().collect();
        if !factors.is_empty() {
            text += &format!("Besides: {}.\n", factors.join(", "));
        }
    }
    text
}

/// "Monday to Friday 01:00-04:00, 06:00-10:00 UTC".
fn hours(minutes: &[[i64; 2]], weekdays: bool) -> String {
    let clock = |minute: i64| format!("{:02}:{:02}", minute / 60, minute % 60);
    let windows: Vec<String> = minutes
        .iter()
        .map(|[start, end]| format!("{}-{}", clock(*start), clock(*end)))
        .collect();
    let days = if weekdays { "Monday to Friday " } else { "" };
    format!("{days}{} UTC", windows.join(", "))
}

/// The rates in force of each model.
fn overview(prices: &mut Prices, all: &[Asked<'_>]) -> String {
    let mut heads = vec![
        ("provider", Align::Left),
        ("model", Align::Left),
        ("price", Align::Left),
    ];
    heads.extend(CLASSES);
    let cells: Vec<Vec<String>> = all
        .iter()
        .map(|asked| {
            let mut line = vec![asked.provider.to_owned(), asked.model.to_owned()];
            match asked.price(prices) {
                Priced::Known(receipt) => {
                    let row = [receipt.provider, receipt.model].join("/");
                    line.push(format!(
                        "{} {}",
                        origin(receipt.origin),
                        row.trim_start_matches('/')
                    ));
                    line.extend(receipt.lines.map(|line| {
                        let mark = if line.from == RateFrom::Listed {
                            ""
                        } else {
                            "*"
                        };
                        plain(line.rate) + mark
                    }));
                }
                Priced::Free => line.push("free".into()),
                Priced::Unpriced(reason) => line.push(reason.describe().into()),
            }
            line
        })
        .collect();
    let unpriced = "Models without a price: `clawspend models --unpriced`.\n";
    format!("{}\n{UNIT}{unpriced}", table(&heads, &cells, None))
}

/// `clawspend.prices/1`.
fn as_json(prices: &mut Prices, all: &[Asked<'_>]) -> String {
    let models: Vec<Value> = all.iter().map(|asked| model_json(prices, *asked)).collect();
    let value = json!({
        "schema": "clawspend.prices/1",
        "price_book": PriceBook::embedded().generated_on().to_string(),
        "unit": "US dollars per million tokens; search_usd: US dollars each",
        "models": models,
    });
    format!("{value}\n")
}

fn model_json(prices: &mut Prices, asked: Asked<'_>) -> Value {
    let (state, chosen) = match asked.price(prices) {
        Priced::Known(receipt) => (
            "priced",
            json!({
                "match": receipt.how,
                "by_owner": receipt.by_owner,
                "tier": receipt.tier,
                "by_time_of_day": receipt.by_time_of_day,
                "why": why(&receipt),
            }),
        ),
        Priced::Free => ("free", Value::Null),
        Priced::Unpriced(_) => ("unpriced", Value::Null),
    };
    let (batch, us_only) = match prices.candidates(asked.provider, asked.model).0 {
        Resolved::Model(model) => (model.batch(), model.us_only()),
        Resolved::Free | Resolved::Unknown => (None, None),
    };
    let rows: Vec<Value> = rows(prices, asked).iter().map(row_json).collect();
    let near = if rows.is_empty() && state == "unpriced" {
        PriceBook::embedded().near(asked.model)
    } else {
        Vec::new()
    };
    json!({
        "provider": asked.provider,
        "model": asked.model,
        "at": asked.at,
        "state": state,
        "chosen": chosen,
        "rows": rows,
        "batch": text_of(batch),
        "us_only": text_of(us_only),
        "near": near,
    })
}

fn text_of(ratio: Option<Ratio>) -> Option<String> {
    ratio.map(|ratio| ratio.to_string())
}

fn row_json(row: &Row<'_>) -> Value {
    let rates = |rates: &Rates| {
        let listed = Class::ALL.map(|class| {
            let (rate, from) = rate(class, rates, row.model.contains("claude"));
            json!({ "class": class, "usd": NanoUsd(rate.0).to_string(), "from": from })
        });
        Value::from(listed.to_vec())
    };
    let tiers = row.period.map(|period| {
        let tiers = period.over.iter();
        let tiers =
            tiers.map(|(above, tier)| json!({ "above_tokens": above, "rates": rates(tier) }));
        tiers.collect::<Vec<_>>()
    });
    let daily = row
        .period
        .and_then(|period| period.daily.as_deref())
        .map(|daily| {
            json!({
                "utc_minutes": daily.utc_minutes,
                "weekdays_only": daily.weekdays,
                "rates": rates(&daily.rates),
            })
        });
    json!({
        "origin": row.origin,
        "provider": row.provider,
        "model": row.model,
        "from": row.from,
        "in_force": row.in_force,
        "rates": rates(row.rates),
        "tiers": tiers.unwrap_or_default(),
        "daily": daily,
        "fast": text_of(row.period.and_then(|period| period.fast)),
        "search_usd": row.period.and_then(|period| period.search).map(|fee| fee.to_string()),
    })
}
