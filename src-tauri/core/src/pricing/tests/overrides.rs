//! The user's own prices before the book, and which cost counts.

use super::*;
use crate::usage::Source;

fn own(text: &str) -> Prices {
    let text = format!("[[prices.model]]\n{}", text.replace("; ", "\n"));
    let config = crate::config::parse(&text.replace("\n--", "\n[[prices.model]]"), None);
    Prices::new(config.expect("own prices").terms.expect("it was read"))
}

/// What is charged, and by which price.
fn told(priced: Priced<'_>) -> String {
    match priced {
        Priced::Known(it) => {
            let since = it.since.map_or("ever".into(), |at| {
                at.day(&jiff::tz::TimeZone::UTC).to_string()
            });
            let (origin, how) = (it.origin, it.how);
            format!(
                "{origin:?} {}/{} since {since} {how:?}: {}",
                it.provider, it.model, it.total
            )
        }
        other => format!("{other:?}"),
    }
}

fn ask<'p>(
    prices: &'p mut Prices,
    provider: &str,
    model: &str,
    time: &str,
    modifiers: Modifiers,
) -> Priced<'p> {
    let tokens = tokens(MILLION, 0, 0, 0, 0);
    prices.price(&Query {
        provider,
        model,
        at: at(time),
        tokens,
        modifiers,
    })
}

#[test]
fn an_own_price_wins_over_the_book_from_its_day_on() {
    let mut prices = own("model = \"claude-opus-5\"; from = 2026-11-01; input = 1; output = 2");
    for (time, expected) in [
        (
            "2026-10-31T23:59:59Z",
            "Book anthropic/claude-opus-5 since ever Exact: 5.000000000",
        ),
        (
            "2026-11-01T00:00:00Z",
            "Override anthropic/claude-opus-5 since 2026-11-01 Exact: 1.000000000",
        ),
    ] {
        assert_eq!(
            told(ask(&mut prices, "", "claude-opus-5", time, PLAIN)),
            expected
        );
    }
}

#[test]
fn the_closest_name_wins_then_the_provider_then_the_latest_day() {
    let mut prices = own(
        "model = \"acme-9\"; input = 1; output = 1; --; model = \"acme-9\"; provider = \"relay\"; input = 2; output = 1; \
         --; model = \"acme-9\"; from = 2026-11-10; input = 3; output = 1; \
         --; model = \"acme-9-20260101\"; input = 4; output = 1",
    );
    for (provider, model, time, expected) in [
        (
            "",
            "acme-9",
            "2026-11-01",
            "Override /acme-9 since ever Exact: 1.000000000",
        ),
        (
            "",
            "ACME-9",
            "2026-11-10",
            "Override /acme-9 since 2026-11-10 Exact: 3.000000000",
        ),
        (
            "Relay",
            "acme-9",
            "2026-11-20",
            "Override relay/acme-9 since ever Exact: 2.000000000",
        ),
        (
            "other",
            "x/acme-9",
            "2026-11-20",
            "Override /acme-9 since 2026-11-10 Family: 3.000000000",
        ),
        (
            "",
            "acme-9-20260101",
            "2026-11-20",
            "Override /acme-9-20260101 since ever Exact: 4.000000000",
        ),
        (
            "",
            "acme-9-20260202",
            "2026-11-20",
            "Override /acme-9 since 2026-11-10 Dated: 3.000000000",
        ),
        ("", "acme-90", "2026-11-20", "Unpriced(UnknownModel)"),
        ("", "my-acme-9", "2026-11-20", "Unpriced(UnknownModel)"),
    ] {
        let found = told(ask(&mut prices, provider, model, time, PLAIN));
        assert_eq!(found, expected, "{provider} {model} {time}");
    }
}

/// "claude" is another name of "anthropic" in the book, which owns the model that Claude Code's log names.
#[test]
fn a_provider_is_known_by_all_its_names() {
    let mut prices = own("model = \"claude-opus-5\"; provider = \"claude\"; input = 1; output = 2");
    for (provider, expected) in [
        ("", 1),
        ("anthropic", 1),
        ("openrouter", 5),
        ("my-relay", 5),
    ] {
        let cost = ask(&mut prices, provider, "claude-opus-5", "2026-11-20", PLAIN).cost();
        assert_eq!(cost, Some(NanoUsd::dollars(expected)), "{provider}");
    }
}

#[test]
fn factors_and_fees_are_those_of_the_book() {
    let mut prices = own(
        "model = \"claude-opus-5\"; input = 1; output = 2; --; model = \"acme-9\"; input = 1; output = 2",
    );
    let (batch, searches) = (
        Modifiers {
            batch: true,
            us_only: true,
            ..PLAIN
        },
        Modifiers {
            web_searches: 2,
            ..PLAIN
        },
    );
    for (model, modifiers, expected) in [
        ("claude-opus-5", FAST, Ok(2_000_000_000)),
        ("claude-opus-5-fast", PLAIN, Ok(2_000_000_000)),
        ("claude-opus-5", batch, Ok(550_000_000)),
        ("claude-opus-5", searches, Ok(1_020_000_000)),
        ("acme-9", FAST, Err(UnpricedReason::NoFastPrice)),
        ("acme-9", batch, Err(UnpricedReason::NoBatchPrice)),
        ("acme-9", searches, Err(UnpricedReason::NoSearchFee)),
    ] {
        let found = match ask(&mut prices, "", model, "2026-11-20", modifiers) {
            Priced::Known(receipt) => Ok(receipt.total.0),
            Priced::Unpriced(reason) => Err(reason),
            Priced::Free => panic!("{model}"),
        };
        assert_eq!(found, expected, "{model} {modifiers:?}");
    }
    // What runs at home has a price where the user says so.
    let cost = ask(&mut prices, "ollama", "acme-9", "2026-11-20", PLAIN).cost();
    assert_eq!(cost, Some(NanoUsd::dollars(1)));
}

#[test]
fn an_own_price_has_no_tier_and_fills_what_it_leaves_out() {
    let mut prices = own("model = \"claude-haiku-5-5\"; input = 1; output = 2; cache_read = 0.5");
    let tokens = tokens(MILLION, MILLION, MILLION, MILLION, MILLION);
    let query = Query {
        provider: "",
        model: "claude-haiku-5-5",
        at: at("2026-11-20"),
        tokens,
        modifiers: PLAIN,
    };
    let Priced::Known(receipt) = prices.price(&query) else {
        panic!("an own price");
    };
    assert_eq!(
        (dollars(&receipt).as_str(), receipt.tier),
        ("1 2 0.5 1.25 2", None)
    );
    assert_eq!(receipt.total, NanoUsd(6_750_000_000));
}

#[test]
fn the_rule_says_which_cost_counts() {
    use CostRule::{Computed, Recorded, RecordedElseComputed};
    let (one, two) = (Some(NanoUsd(1)), Some(NanoUsd(2)));
    for (rule, computed, recorded, expected) in [
        (Computed, one, two, one),
        (Computed, None, two, None),
        (Recorded, one, two, two),
        (Recorded, one, None, None),
        (RecordedElseComputed, one, two, two),
        (RecordedElseComputed, one, None, one),
        (RecordedElseComputed, None, None, None),
    ] {
        assert_eq!(rule.choose(computed, recorded), expected, "{rule:?}");
    }
    let mut prices = Prices::new(Terms {
        openclaw: Recorded,
        ..Terms::default()
    });
    let query = Query {
        provider: "",
        model: "claude-sonnet-5",
        at: at("2026-11-20"),
        tokens: tokens(1, 0, 0, 0, 0),
        modifiers: PLAIN,
    };
    let cost = |source, recorded| {
        prices.cost(Priceable {
            source,
            recorded,
            query,
        })
    };
    let found = [
        (Source::ClaudeCode, two),
        (Source::OpenClaw, two),
        (Source::OpenClaw, None),
    ]
    .map({
        let mut cost = cost;
        move |(source, recorded)| cost(source, recorded)
    });
    assert_eq!(found, [Some(NanoUsd(2_000)), two, None]);
}

#[test]
fn a_basis_says_what_of_it_is_another() {
    let basis = Basis::of(&Terms::default());
    let book = Basis {
        book: "another".into(),
        ..basis.clone()
    };
    let rule = Basis::of(&Terms {
        claude_code: CostRule::Recorded,
        ..Terms::default()
    });
    let own = Basis::of(own("model = \"x\"; input = 1; output = 1").terms());
    for (other, expected) in [
        (&basis, vec![]),
        (&book, vec![Change::Book]),
        (&rule, vec![Change::CostRule]),
        (&own, vec![Change::OwnPrices]),
    ] {
        assert_eq!(other.changes(&basis), expected);
        let text = serde_json::to_string(other).expect("JSON");
        assert_eq!(
            &serde_json::from_str::<Basis>(&text).expect("a basis"),
            other
        );
    }
}
