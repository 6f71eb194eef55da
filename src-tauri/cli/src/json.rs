//! The JSON that the commands print. It is a contract: fields are added, never renamed or removed.

use clawspend_core::{
    ledger::files::Counts,
    pricing::PriceBook,
    report::Report,
    summary::{Amount, Summary},
};
use serde_json::{Map, Value, json};

pub(crate) fn line(value: &Value) -> String {
    format!("{value}\n")
}

pub(crate) fn figures(amount: &Amount) -> Map<String, Value> {
    let tokens = &amount.tokens;
    let mut figures = Map::new();
    for (name, count) in [
        ("responses", amount.responses),
        ("input_tokens", tokens.input),
        ("output_tokens", tokens.output),
        ("cache_read_tokens", tokens.cache_read),
        ("cache_write_5m_tokens", tokens.cache_write_5m),
        ("cache_write_1h_tokens", tokens.cache_write_1h),
        ("unsplit_tokens", tokens.unsplit),
    ] {
        figures.insert(name.into(), count.into());
    }
    figures.insert("cost_usd".into(), amount.cost.to_string().into());
    figures.insert(
        "unpriced_responses".into(),
        amount.unpriced_responses.into(),
    );
    figures
}

/// `clawspend.report/1`.
pub(crate) fn report(report: &Report, zone_name: &str, counts: &Counts) -> String {
    let request = &report.request;
    let rows: Vec<Value> = report
        .rows
        .iter()
        .map(|row| {
            let mut object: Map<String, Value> = request
                .by
                .iter()
                .zip(&row.values)
                .map(|(column, value)| (column.as_str().to_owned(), value.as_str().into()))
                .collect();
            object.extend(figures(&row.amount));
            object.into()
        })
        .collect();
    line(&json!({
        "schema": "clawspend.report/1",
        "timezone": zone_name,
        "since": request.since.to_string(),
        "until": request.until.to_string(),
        "rows": rows,
        "totals": figures(&report.totals),
        "diagnostics": diagnostics(counts),
    }))
}

/// What all records ever read came to.
pub(crate) fn diagnostics(counts: &Counts) -> Value {
    json!({
        "broken_lines": counts.broken,
        "counted_lines": counts.counted,
        "ignored_lines": {
            "no_usage": counts.no_usage,
            "not_assistant": counts.not_assistant,
            "synthetic": counts.synthetic,
            "zero_usage": counts.zero_usage,
            "blank": counts.blank,
        },
    })
}

/// `clawspend.today/1`.
pub(crate) fn today(summary: &Summary) -> String {
    let tokens = &summary.today.tokens;
    line(&json!({
        "schema": "clawspend.today/1",
        "day": summary.day.to_string(),
        "timezone": summary.timezone,
        "as_of": summary.as_of,
        "cost_usd": summary.today.cost.to_string(),
        "responses": summary.today.responses,
        "tokens": {
            "input": tokens.input,
            "output": tokens.output,
            "cache_read": tokens.cache_read,
            "cache_write_5m": tokens.cache_write_5m,
            "cache_write_1h": tokens.cache_write_1h,
            "unsplit": tokens.unsplit,
        },
        "unpriced_responses": summary.today.unpriced_responses,
    }))
}

/// `clawspend.version/1`.
pub(crate) fn version(book: &PriceBook) -> String {
    line(&json!({
        "schema": "clawspend.version/1",
        "version": env!("CARGO_PKG_VERSION"),
        "price_book": { "date": book.generated_on().to_string(), "sources": book.version() },
    }))
}
