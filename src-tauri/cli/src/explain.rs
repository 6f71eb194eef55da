//! `clawspend explain`.

use crate::{
    Bar, Failure, environment,
    json::figures,
    note_all,
    prices::{origin, plain, since, why},
    print, refresh,
    table::{Align, count, responses, table, visible},
};
use clawspend_core::{
    api::{Copies, Copy, Explained, Reader, Subject},
    ledger::{
        listing::{Response, Spot, SpotKind},
        query::Dimension,
        rests::Rest,
    },
    money::NanoUsd,
    pricing::{Class, CostRule, Priced, Receipt},
    report::Column,
    summary::Amount,
    time::UnixMillis,
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Rows of the table of responses, unless all are asked for.
const ROWS: usize = 20;

#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// A day (2026-11-20, today, yesterday), a session (its id, the beginning of it, its label or its key), or a
    /// response (its name as the explanation of its day lists it, or Claude Code's message id)
    #[arg(value_parser = what)]
    what: String,
    /// List all responses, not only the dearest
    #[arg(long)]
    all: bool,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Explain what the ledger holds, without reading logs first
    #[arg(long)]
    no_refresh: bool,
}

fn what(text: &str) -> Result<String, String> {
    match text.trim() {
        "" => Err("name a day (2026-11-20), a session or a response".to_owned()),
        _ => Ok(text.to_owned()),
    }
}

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let environment = environment()?;
    if !arguments.no_refresh {
        note_all(&refresh(&environment)?);
    }
    Reader::open(environment)?.at_one_time(|reader| tell(reader, arguments))
}

fn tell(reader: &mut Reader, arguments: &Arguments) -> Result<(), Failure> {
    let subject = reader.subject(&arguments.what, UnixMillis::now())?;
    let found = reader.responses(&subject)?;
    let zone = reader.zone().0.clone();
    if let (Subject::Response(_), [response]) = (&subject, found.as_slice()) {
        let mut bar = Bar::new("Searching logs");
        let copies = reader.copies(response, &mut |progress| bar.show(progress))?;
        drop(bar);
        let explained = reader.explained(response);
        return print(&if arguments.json {
            line(&json!({
                "schema": "clawspend.explain/1",
                "responses": [entry(&explained, Some(&copies))],
            }))
        } else {
            one(&explained, &copies, &zone)
        });
    }
    let now = UnixMillis::now();
    let (remarks, rests) = match subject {
        Subject::Day(day) => (reader.remarks(day, day, now)?, reader.rests(day, day)?),
        _ => Default::default(),
    };
    let remarks = remarks.iter().map(|it| format!("\n{}\n", visible(it)));
    let remarks: String = remarks.collect();
    print(&if arguments.json {
        let entries: Vec<Value> = found
            .iter()
            .map(|response| entry(&reader.explained(response), None))
            .collect();
        let rests: Vec<Value> = rests.iter().map(rest_json).collect();
        line(
            &json!({ "schema": "clawspend.explain/1", "responses": entries, "gateway_totals": rests }),
        )
    } else {
        several(
            reader,
            &found,
            &rests,
            if arguments.all { usize::MAX } else { ROWS },
        ) + &remarks
    })
}

fn line(value: &Value) -> String {
    format!("{value}\n")
}

fn time(at: UnixMillis, zone: &TimeZone) -> String {
    let local = at.timestamp().to_zoned(zone.clone());
    local.strftime("%Y-%m-%d %H:%M:%S%.3f %:z").to_string()
}

/// All there is to say of one response.
fn one(explained: &Explained<'_>, copies: &Copies, zone: &TimeZone) -> String {
    let Explained { response, cost, .. } = explained;
    let said = |dimension| Some(response.name(dimension)).filter(|text| !text.is_empty());
    let mut text = format!(
        "{} of {}, {}\n{}\n\n",
        response.id,
        response.source.title(),
        time(response.at, zone),
        cost.map_or_else(
            || "Its cost is not known.".to_owned(),
            |cost| format!("It cost ${cost}.")
        ),
    );
    for (name, dimension) in [
        ("model", Dimension::Model),
        ("provider", Dimension::Provider),
        ("API", Dimension::Api),
        ("ended with", Dimension::StopReason),
        ("gateway", Dimension::Gateway),
        ("agent", Dimension::Agent),
        ("subagent", Dimension::Subagent),
        ("session", Dimension::Session),
        ("label", Dimension::Label),
        ("began by", Dimension::Created),
        ("channel", Dimension::Channel),
        ("project", Dimension::Project),
        ("branch", Dimension::Branch),
    ] {
        if let Some(value) = said(dimension) {
            text += &format!("{name:<12} {}\n", visible(value));
        }
    }
    text += &format!("\n{}\n", reckoning(explained));
    text += "Where it is told\n\n";
    for copy in &copies.found {
        text += &format!("  {}\n      {}\n", place(&copy.spot), part(copy, zone));
    }
    for spot in &copies.gone {
        let why = match spot.kind {
            SpotKind::Pushed => "counted when the gateway told it; no log here has it",
            _ => "counted when it was read; no longer there",
        };
        text += &format!("  {}\n      {why}\n", place(spot));
    }
    for (path, why) in &copies.unread {
        text += &format!(
            "  {} could not be searched: {}\n",
            visible(&path.to_string_lossy()),
            visible(why)
        );
    }
    text
}

fn place(spot: &Spot) -> String {
    let Spot {
        path,
        session,
        offset,
        kind,
    } = spot;
    let (path, session) = (visible(path), visible(session));
    match kind {
        SpotKind::Line => format!("{path}, byte {offset}"),
        SpotKind::Unpacked => format!("{path}, byte {offset} of the unpacked text"),
        SpotKind::Row => format!("{path}, session {session}, row {offset}"),
        SpotKind::Archive => {
            format!("{path}, archive of session {session}, byte {offset} of the unpacked text")
        }
        SpotKind::Pushed => format!("{path}, session {session}"),
    }
}

fn part(copy: &Copy, zone: &TimeZone) -> String {
    let figures = match copy.lesser {
        None => "its figures count",
        Some(lesser) => lesser.describe(),
    };
    let whose = if copy.is_origin {
        "; the earliest: it says when, and whose it is"
    } else {
        ""
    };
    let session = visible(&copy.spot.session);
    format!(
        "{figures}{whose} ({} output, {} in all; {}, session {session})",
        count(copy.tokens.output),
        count(copy.tokens.total()),
        time(copy.at, zone)
    )
}

/// How the cost came to be, line by line.
fn reckoning(explained: &Explained<'_>) -> String {
    let Explained {
        response,
        rule,
        computed,
        ..
    } = explained;
    let mut text = match computed {
        Priced::Known(receipt) => lines(receipt),
        Priced::Free => {
            "It runs on a machine of the user's own, or is given away: free.\n".to_owned()
        }
        Priced::Unpriced(reason) => {
            format!("No cost can be computed: {}.\n", reason.describe())
        }
    };
    let recorded = response.recorded.map_or_else(
        || "its log states none".to_owned(),
        |recorded| format!("its log states ${recorded}"),
    );
    let counts = match rule {
        CostRule::Computed => "the computed cost counts",
        CostRule::Recorded => "the cost that the log states counts",
        CostRule::RecordedElseComputed => {
            "the cost that the log states counts, else the computed one"
        }
    };
    text += &format!("{}: {counts}; {recorded}.\n", response.source.title());
    text
}

fn lines(receipt: &Receipt<'_>) -> String {
    let mut rows: Vec<Vec<String>> = receipt
        .lines
        .iter()
        .filter(|line| line.tokens > 0)
        .map(|line| {
            vec![
                class(line.class).into(),
                count(line.tokens),
                format!("${}", plain(line.rate)),
                format!("${}", line.amount()),
            ]
        })
        .collect();
    let factors = [
        ("fast mode", receipt.fast),
        ("batch", receipt.batch),
        ("in the United States only", receipt.us_only),
    ];
    for (name, factor) in factors {
        if let Some(factor) = factor {
            rows.push(vec![
                name.into(),
                String::new(),
                String::new(),
                format!("× {factor}"),
            ]);
        }
    }
    if receipt.searches > NanoUsd::ZERO {
        let fee = format!("${}", receipt.searches);
        rows.push(vec![
            "web searches".into(),
            String::new(),
            String::new(),
            fee,
        ]);
    }
    let total = [
        "computed".into(),
        String::new(),
        String::new(),
        format!("${}", receipt.total),
    ];
    let heads = [
        ("tokens", Align::Left),
        ("", Align::Right),
        ("a million", Align::Right),
        ("cost", Align::Right),
    ];
    let mut text = table(&heads, &rows, Some(&total));
    text += &format!(
        "\nPrice of {} ({}), valid {}: {}.\n",
        visible(receipt.model),
        visible([receipt.provider, origin(receipt.origin)].join(" ").trim()),
        match receipt.since {
            None => "at all times known".to_owned(),
            from => format!("since {}", since(from)),
        },
        visible(&why(receipt))
    );
    if let Some(tier) = receipt.tier {
        text += &format!(
            "The request read more than {} tokens: every class is charged at that tier.\n",
            count(tier)
        );
    }
    if receipt.by_time_of_day {
        text += "The time of day decided the rates.\n";
    }
    text
}

const fn class(class: Class) -> &'static str {
    match class {
        Class::Input => "input",
        Class::Output => "output",
        Class::CacheRead => "cache read",
        Class::CacheWrite5m => "cache write, 5 minutes",
        Class::CacheWrite1h => "cache write, 1 hour",
    }
}

/// What many responses come to: a line for each price, then the dearest responses, then what only gateways' totals tell.
fn several(reader: &mut Reader, found: &[Response], rests: &[Rest], most: usize) -> String {
    if found.is_empty() && rests.is_empty() {
        return "No response is known.\n".to_owned();
    }
    let zone = reader.zone().0.clone();
    let mut total = NanoUsd::ZERO;
    let mut unknown = 0_u64;
    let mut sums: BTreeMap<Vec<String>, (u64, Option<NanoUsd>)> = BTreeMap::new();
    let mut dearest: Vec<Vec<String>> = Vec::new();
    for response in found {
        let explained = reader.explained(response);
        total += explained.cost.unwrap_or_default();
        unknown += u64::from(explained.cost.is_none());
        for (key, tokens, amount) in parts(&explained) {
            let sum = sums.entry(key).or_default();
            sum.0 += tokens;
            sum.1 = amount.map(|amount| sum.1.unwrap_or_default() + amount);
        }
        if dearest.len() < most {
            dearest.push(vec![
                response.id.to_string(),
                time(response.at, &zone),
                response.name(Dimension::Model).into(),
                count(response.tokens.total()),
                explained
                    .cost
                    .map_or("unknown".into(), |cost| format!("${cost}")),
            ]);
        }
    }
    for rest in rests {
        let price = format!("total of gateway {}", rest.gateway);
        let key = [&*rest.model, &price, "all", ""].map(str::to_owned);
        let sum = sums.entry(key.to_vec()).or_default();
        sum.0 += rest.amount.tokens.total();
        if rest.amount.unpriced_responses < rest.amount.responses {
            sum.1 = Some(sum.1.unwrap_or_default() + rest.amount.cost);
        }
        total += rest.amount.cost;
        unknown += rest.amount.unpriced_responses;
    }
    let of_rests: u64 = rests.iter().map(|rest| rest.amount.responses).sum();
    let all = found.len() as u64 + of_rests;
    let total = match unknown {
        0 => format!("${total}"),
        some if some == all => "unknown".to_owned(),
        _ => format!("≥ ${total}"),
    };
    let mut text = match unknown {
        0 => format!("{total} for {}.\n\n", responses(all)),
        some if some == all => format!("The cost of {} is unknown.\n\n", responses(all)),
        some => format!(
            "{total} for {}; the cost of {} is not known.\n\n",
            responses(all),
            count(some)
        ),
    };
    let heads = [
        ("model", Align::Left),
        ("price", Align::Left),
        ("tokens", Align::Left),
        ("", Align::Right),
        ("a million", Align::Right),
        ("cost", Align::Right),
    ];
    let rows: Vec<Vec<String>> = sums
        .into_iter()
        .map(|(mut row, (tokens, amount))| {
            let rate = row.pop().unwrap_or_default();
            let tokens = if tokens > 0 {
                count(tokens)
            } else {
                String::new()
            };
            row.extend([
                tokens,
                rate,
                amount.map_or_else(|| "unknown".into(), |amount| format!("${amount}")),
            ]);
            row
        })
        .collect();
    let sum = [
        "total".into(),
        String::new(),
        String::new(),
        String::new(),
        String::new(),
        total,
    ];
    text += &table(&heads, &rows, Some(&sum));
    text += &by_gateway(rests, &zone);
    if found.is_empty() {
        return text;
    }
    text += "\n";
    let heads = [
        ("response", Align::Left),
        ("made", Align::Left),
        ("model", Align::Left),
        ("tokens", Align::Right),
        ("cost", Align::Right),
    ];
    text += &table(&heads, &dearest, None);
    if found.len() > dearest.len() {
        text += &format!(
            "… and {} more: --all\n",
            count((found.len() - dearest.len()) as u64)
        );
    }
    text
}

/// What only the totals of each gateway tell; it has no receipt.
fn by_gateway(rests: &[Rest], zone: &TimeZone) -> String {
    let mut sums: BTreeMap<&str, (Amount, UnixMillis)> = BTreeMap::new();
    for rest in rests {
        let sum = sums
            .entry(&rest.gateway)
            .or_insert((Amount::default(), rest.updated_at));
        sum.0 += rest.amount;
    }
    let lines = sums.iter().map(|(gateway, (amount, at))| {
        let local = at.timestamp().to_zoned(zone.clone());
        let cost = match amount.unpriced_responses {
            0 => format!("${}", amount.cost),
            all if all == amount.responses => "of unknown cost,".to_owned(),
            _ => format!("≥ ${}", amount.cost),
        };
        format!(
            "\nGateway {}: {}, {cost} as it counts them by day, as of {}; they were made while Clawspend was not listening.\n",
            visible(gateway),
            responses(amount.responses),
            local.strftime("%Y-%m-%d %H:%M")
        )
    });
    lines.collect()
}

fn rest_json(rest: &Rest) -> Value {
    let mut object = figures(&rest.amount);
    for (name, text) in [
        ("gateway", &rest.gateway),
        ("agent", &rest.agent),
        ("provider", &rest.provider),
        ("model", &rest.model),
    ] {
        object.insert(name.into(), (**text).into());
    }
    object.insert("as_of".into(), rest.updated_at.0.into());
    object.into()
}

/// What a response adds to the sums: keys of model, price, what, and rate; tokens; money, which adds up to its cost.
fn parts(explained: &Explained<'_>) -> Vec<(Vec<String>, u64, Option<NanoUsd>)> {
    let Explained {
        response,
        cost,
        rule,
        computed,
    } = explained;
    let model = response.name(Dimension::Model).to_owned();
    let key = |price: &str, what: &str, rate: &str| {
        [&model, price, what, rate].map(str::to_owned).to_vec()
    };
    let stated = *rule != CostRule::Computed && response.recorded.is_some();
    let all = |price: &str| vec![(key(price, "all", ""), response.tokens.total(), *cost)];
    let (receipt, cost) = match (computed, cost) {
        (_, None) => return all("not known"),
        (_, Some(_)) if stated => return all("stated by the log"),
        (Priced::Known(receipt), Some(cost)) => (receipt, *cost),
        (Priced::Free | Priced::Unpriced(_), Some(_)) => return all("free"),
    };
    let mut price = origin(receipt.origin).to_owned();
    if receipt.since.is_some() {
        price += &format!(" since {}", since(receipt.since));
    }
    for (factor, name) in receipt
        .factors()
        .into_iter()
        .zip(["fast", "batch", "US only"])
    {
        if let Some(factor) = factor {
            price += &format!(", {name} × {factor}");
        }
    }
    if let Some(tier) = receipt.tier {
        price += &format!(", above {}", count(tier));
    }
    let mut rest = cost;
    let mut parts = Vec::new();
    for line in receipt.lines.iter().filter(|line| line.tokens > 0) {
        let rate = format!("${}", plain(line.rate));
        let share = receipt.share(line);
        rest = rest - share;
        parts.push((
            key(&price, class(line.class), &rate),
            line.tokens,
            Some(share),
        ));
    }
    if receipt.searches > NanoUsd::ZERO {
        rest = rest - receipt.searches;
        parts.push((key(&price, "web searches", ""), 0, Some(receipt.searches)));
    }
    if rest != NanoUsd::ZERO {
        parts.push((key(&price, "rounding", ""), 0, Some(rest)));
    }
    parts
}

/// One response as JSON.
fn entry(explained: &Explained<'_>, copies: Option<&Copies>) -> Value {
    let Explained {
        response,
        cost,
        rule,
        computed,
    } = explained;
    let spot = |spot: &Spot| json!({ "path": *spot.path, "session": *spot.session, "offset": spot.offset, "kind": spot.kind });
    let dollars = |cost: &Option<NanoUsd>| cost.map(|cost| cost.to_string());
    let mut value = json!({
        "response": response.id.to_string(),
        "at": response.at,
        "source": response.source,
        "tokens": response.tokens,
        "web_searches": response.modifiers.web_searches,
        "cost_usd": dollars(cost),
        "recorded_usd": dollars(&response.recorded),
        "rule": rule,
        "computed_usd": dollars(&computed.cost()),
        "receipt": match computed {
            Priced::Known(receipt) => receipt_json(receipt),
            Priced::Free => json!("free"),
            Priced::Unpriced(reason) => json!({ "unpriced": reason }),
        },
        "figures_from": spot(&response.figures),
        "origin": spot(&response.origin),
    });
    for (column, word) in Column::ALL {
        if let Column::Of(dimension) = column {
            value[word] = response.name(dimension).into();
        }
    }
    if let Some(copies) = copies {
        let found: Vec<Value> = copies
            .found
            .iter()
            .map(|copy| {
                json!({
                    "at": copy.at,
                    "place": spot(&copy.spot),
                    "tokens": copy.tokens,
                    "is_origin": copy.is_origin,
                    "lesser": copy.lesser,
                })
            })
            .collect();
        let gone: Vec<Value> = copies.gone.iter().map(spot).collect();
        let unread: Vec<Value> = copies
            .unread
            .iter()
            .map(|(path, why)| json!({ "path": path, "reason": why }))
            .collect();
        value["copies"] = json!({ "found": found, "gone": gone, "unread": unread });
    }
    value
}

fn receipt_json(receipt: &Receipt<'_>) -> Value {
    let lines: Vec<Value> = receipt
        .lines
        .iter()
        .filter(|line| line.tokens > 0)
        .map(|line| {
            json!({
                "class": line.class,
                "tokens": line.tokens,
                "usd_per_million": plain(line.rate),
                "rate_from": line.from,
                "usd": line.amount().to_string(),
            })
        })
        .collect();
    let factor = |at: usize| receipt.factors()[at].map(|factor| factor.to_string());
    json!({
        "price_of": receipt.origin,
        "provider": receipt.provider,
        "model": receipt.model,
        "match": receipt.how,
        "by_owner": receipt.by_owner,
        "since": receipt.since,
        "tier": receipt.tier,
        "by_time_of_day": receipt.by_time_of_day,
        "lines": lines,
        "factors": { "fast": factor(0), "batch": factor(1), "us_only": factor(2) },
        "searches_usd": receipt.searches.to_string(),
        "total_usd": receipt.total.to_string(),
    })
}
