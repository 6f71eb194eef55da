use super::*;
use crate::usage::{Modifiers, Tokens};
use proptest::prelude::*;

const DOLLAR: i64 = 1_000_000_000;

fn at(text: &str) -> UnixMillis {
    let text = if text.contains('T') {
        text.to_owned()
    } else {
        format!("{text}T12:00:00Z")
    };
    UnixMillis::parse_rfc3339(&text).expect("a timestamp")
}

fn priced(provider: &str, model: &str, day: &str, tokens: Tokens, modifiers: Modifiers) -> Priced {
    PriceBook::embedded().price(&Query {
        provider,
        model,
        at: at(day),
        tokens,
        modifiers,
    })
}

fn receipt(model: &str, day: &str, tokens: Tokens, modifiers: Modifiers) -> Receipt {
    match priced("", model, day, tokens, modifiers) {
        Priced::Known(receipt) => receipt,
        other => panic!("{model} on {day}: {other:?}"),
    }
}

/// The cost in nano-dollars of a Claude Code response on an ordinary day.
fn nanos(model: &str, tokens: Tokens, modifiers: Modifiers) -> i64 {
    receipt(model, "2026-11-20", tokens, modifiers).total.0
}

/// The dollar prices of one million of each class: input, output, cache read, 5-minute and 1-hour write.
fn rates(receipt: &Receipt) -> [f64; 5] {
    #[expect(
        clippy::cast_precision_loss,
        reason = "shown to people who read the test"
    )]
    receipt.lines.map(|line| line.rate.0 as f64 / DOLLAR as f64)
}

fn tokens(
    input: u64,
    output: u64,
    cache_read: u64,
    cache_write_5m: u64,
    cache_write_1h: u64,
) -> Tokens {
    Tokens {
        input,
        output,
        cache_read,
        cache_write_5m,
        cache_write_1h,
        unsplit: 0,
    }
}

const PLAIN: Modifiers = Modifiers {
    fast: false,
    batch: false,
    us_only: false,
    web_searches: 0,
};
const FAST: Modifiers = Modifiers {
    fast: true,
    ..PLAIN
};
const MILLION: u64 = 1_000_000;

#[test]
fn the_header_says_what_the_book_is() {
    let book = PriceBook::embedded();
    assert_eq!(book.version(), "genai-prices 0.2.3, litellm 1.109.1");
    assert_eq!(book.generated_on(), jiff::civil::date(2026, 11, 21));
    assert_eq!(
        PriceBook::parse("{}").expect_err("no header").to_string(),
        "missing field `generated_at` at line 1 column 2"
    );
}

#[test]
fn the_fingerprint_moves_with_the_prices() {
    let cheap = PriceBook::parse(SMALL).expect("a book");
    let dear =
        PriceBook::parse(Box::leak(SMALL.replace("10,", "11,").into_boxed_str())).expect("a book");
    assert_eq!(
        cheap.fingerprint(),
        PriceBook::parse(SMALL).expect("a book").fingerprint()
    );
    assert_ne!(cheap.fingerprint(), dear.fingerprint());
}

#[test]
fn every_row_of_the_book_is_whole_unique_and_in_order() {
    let ids: Vec<_> = PriceBook::embedded()
        .providers()
        .iter()
        .map(|provider| provider.id)
        .collect();
    assert!(ids.is_sorted_by(|a, b| a < b), "{ids:?}");
    for provider in PriceBook::embedded().providers() {
        assert!(
            provider
                .models
                .is_sorted_by_key(|row| row.id.to_lowercase()),
            "{}",
            provider.id
        );
        assert!(
            provider.names().is_sorted_by(|a, b| a.0 < b.0),
            "{}: a name twice",
            provider.id
        );
        for row in &provider.models {
            let id = format!("{} {}", provider.id, row.id);
            assert!(row.prices[0].from.is_none(), "{id}: nothing before a date");
            assert!(
                row.prices.is_sorted_by(|a, b| a.from < b.from),
                "{id}: periods out of order"
            );
            for period in &row.prices {
                for rates in period.all_rates() {
                    assert!(
                        rates[0].is_some() && rates[1].is_some(),
                        "{id}: no input or output rate"
                    );
                    // No model has ever cost more than $1,000 per million tokens.
                    assert!(
                        rates
                            .iter()
                            .flatten()
                            .all(|rate| (0..=1000 * DOLLAR).contains(&rate.0)),
                        "{id}: {rates:?}"
                    );
                }
            }
        }
    }
}

#[test]
fn c17_c18_c20_cache_writes_are_priced_by_their_lifetime() {
    for (tokens, expected) in [
        (tokens(0, 0, 0, 100, 200), 100 * 3_750 + 200 * 6_000),
        (tokens(0, 0, 0, 300, 0), 300 * 3_750),
        (tokens(0, 0, 0, 0, MILLION), 6 * DOLLAR),
    ] {
        assert_eq!(
            nanos("claude-sonnet-4-6", tokens, PLAIN),
            expected,
            "{tokens:?}"
        );
    }
}

#[test]
fn c21_cache_reads_cost_what_the_table_says_not_a_tenth() {
    let reads = tokens(0, 0, MILLION, 0, 0);
    for (model, cents) in [
        ("claude-fable-5", 100),
        ("claude-fable-5-1", 25),
        ("claude-mythos-5-1", 25),
        ("claude-opus-5-5", 20),
        ("claude-sonnet-5-5", 10),
        ("claude-haiku-5-5", 5), // one million tokens are above its tier
    ] {
        assert_eq!(nanos(model, reads, PLAIN), cents * DOLLAR / 100, "{model}");
    }
}

#[test]
fn c22_c22b_c23_a_long_request_is_charged_whole_at_the_higher_tier() {
    for (model, day, tokens, tier, expected) in [
        (
            "claude-sonnet-4-5",
            "2026-04-01",
            tokens(1_000, 1_000, 150_000, 60_000, 0),
            Some(200_000),
            [6.0, 22.5, 0.6, 7.5, 12.0],
        ),
        (
            "claude-sonnet-4-5",
            "2026-04-01",
            tokens(1_000, 1_000, 150_000, 49_000, 0),
            None,
            [3.0, 15.0, 0.3, 3.75, 6.0],
        ),
        (
            "claude-sonnet-4-5",
            "2026-04-30",
            tokens(1_000, 1_000, 150_000, 60_000, 0),
            None,
            [3.0, 15.0, 0.3, 3.75, 6.0],
        ),
        (
            "claude-sonnet-4-20250514",
            "2026-04-01",
            tokens(300_000, 0, 0, 0, 0),
            Some(200_000),
            [6.0, 22.5, 0.6, 7.5, 12.0],
        ),
        (
            "claude-sonnet-4-20250514",
            "2026-05-01",
            tokens(300_000, 0, 0, 0, 0),
            None,
            [3.0, 15.0, 0.3, 3.75, 6.0],
        ),
        (
            "claude-haiku-5-5",
            "2026-11-20",
            tokens(0, 9, 100_000, 0, 0),
            None,
            [0.1, 0.5, 0.01, 0.125, 0.2],
        ),
        (
            "claude-haiku-5-5",
            "2026-11-20",
            tokens(1, 9, 100_000, 0, 0),
            Some(100_000),
            [0.5, 2.5, 0.05, 0.625, 1.0],
        ),
        (
            "claude-opus-4-6",
            "2026-03-12T23:59:59.999Z",
            tokens(300_000, 9, 0, 0, 0),
            Some(200_000),
            [10.0, 37.5, 1.0, 12.5, 20.0],
        ),
        (
            "claude-opus-4-6",
            "2026-03-13T00:00:00Z",
            tokens(300_000, 9, 0, 0, 0),
            None,
            [5.0, 25.0, 0.5, 6.25, 10.0],
        ),
        (
            "claude-sonnet-4-6",
            "2026-03-12",
            tokens(300_000, 9, 0, 0, 0),
            Some(200_000),
            [6.0, 22.5, 0.6, 7.5, 12.0],
        ),
        (
            "claude-opus-4-7",
            "2026-03-12",
            tokens(900_000, 9, 0, 0, 0),
            None,
            [5.0, 25.0, 0.5, 6.25, 10.0],
        ),
        (
            "gpt-5.4",
            "2026-11-20",
            tokens(272_001, 9, 0, 0, 0),
            Some(272_000),
            [5.0, 22.5, 0.5, 5.0, 5.0],
        ),
        (
            "claude-sonnet-5",
            "2026-08-31",
            tokens(9, 9, 0, 0, 0),
            None,
            [2.0, 10.0, 0.2, 2.5, 4.0],
        ),
        (
            "claude-sonnet-5",
            "2026-09-01",
            tokens(9, 9, 0, 0, 0),
            None,
            [2.0, 10.0, 0.2, 2.5, 4.0],
        ),
    ] {
        let receipt = receipt(model, day, tokens, PLAIN);
        assert_eq!(
            (receipt.tier, rates(&receipt)),
            (tier, expected),
            "{model} on {day}"
        );
    }
    let whole = receipt(
        "claude-sonnet-4-5",
        "2026-04-01",
        tokens(1_000, 1_000, 150_000, 60_000, 0),
        PLAIN,
    );
    assert_eq!(whole.total.to_string(), "0.568500000");
}

#[test]
fn c24_fast_mode_multiplies_every_class() {
    let used = tokens(1_000, 1_000, 1_000, 1_000, 1_000);
    for (model, factor) in [
        ("claude-opus-4-6", 6),
        ("claude-opus-4-7", 6),
        ("claude-opus-4-8", 2),
        ("claude-opus-5", 2),
        ("claude-opus-5-5", 2),
        ("claude-fable-5-2", 2),
    ] {
        assert_eq!(
            nanos(model, used, FAST),
            factor * nanos(model, used, PLAIN),
            "{model}"
        );
        assert_eq!(
            nanos(&format!("{model}-fast"), used, PLAIN),
            nanos(model, used, FAST),
            "{model}-fast"
        );
    }
    assert_eq!(
        priced("", "claude-sonnet-5", "2026-11-20", used, FAST),
        Priced::Unpriced(UnpricedReason::NoFastPrice),
        "no fast mode, so no fast price"
    );
}

#[test]
fn c25_c26_batch_geography_and_searches() {
    let used = tokens(MILLION, 0, 0, 0, 0);
    for (modifiers, expected) in [
        (PLAIN, 2_000_000_000),
        (
            Modifiers {
                us_only: true,
                ..PLAIN
            },
            2_200_000_000,
        ),
        (
            Modifiers {
                batch: true,
                ..PLAIN
            },
            1_000_000_000,
        ),
        (
            Modifiers {
                batch: true,
                us_only: true,
                ..PLAIN
            },
            1_100_000_000,
        ),
        (
            Modifiers {
                web_searches: 3,
                ..PLAIN
            },
            2_030_000_000,
        ),
        (
            Modifiers {
                batch: true,
                web_searches: 3,
                ..PLAIN
            },
            1_030_000_000,
        ),
    ] {
        assert_eq!(
            nanos("claude-sonnet-5", used, modifiers),
            expected,
            "{modifiers:?}"
        );
    }
    for (provider, model, modifiers, expected) in [
        (
            "moonshot",
            "kimi-k2.5",
            Modifiers {
                batch: true,
                ..PLAIN
            },
            UnpricedReason::NoBatchPrice,
        ),
        (
            "moonshot",
            "kimi-k2.5",
            Modifiers {
                web_searches: 1,
                ..PLAIN
            },
            UnpricedReason::NoSearchFee,
        ),
    ] {
        assert_eq!(
            priced(provider, model, "2026-11-20", used, modifiers),
            Priced::Unpriced(expected)
        );
    }
}

#[test]
fn c29_c32_every_spelling_of_a_model_is_one_row() {
    for model in [
        "claude-sonnet-5",
        "Claude-Sonnet-5",
        " claude-sonnet-5 ",
        "claude-sonnet-5@20260601",
        "claude-sonnet-5-20260601",
        "claude-sonnet-5-latest",
        "claude-sonnet-5[1m]",
        "claude-sonnet-5-thinking",
        "us.anthropic.claude-sonnet-5-v1:0",
        "global.anthropic.claude-sonnet-5",
        "anthropic/claude-sonnet-5",
        "openrouter/anthropic/claude-sonnet-5",
        "bedrock/us.anthropic.claude-sonnet-5-20260601-v1:0",
        "vertex_ai/claude-sonnet-5@20260601",
        "my-relay/claude-sonnet-5",
    ] {
        let receipt = receipt(model, "2026-11-20", tokens(MILLION, 0, 0, 0, 0), PLAIN);
        assert_eq!(
            (receipt.provider, receipt.model, receipt.total.0),
            ("anthropic", "claude-sonnet-5", 2 * DOLLAR),
            "{model}"
        );
    }
}

const SMALL: &str = r#"{"generated_at":"2026-01-01","sources":[],"local":[],"providers":[
{"id":"anthropic","owns":["claude-"],"models":[{"id":"claude-x","prices":[{"rates":[10,40,null,null,null]}]}]},
{"id":"openai","owns":["gpt-"],"models":[{"id":"gpt-5","prices":[{"rates":[10,40,null,20,null]}]}]}]}"#;

#[test]
fn c30_c31_an_unknown_model_has_no_price_and_takes_none_from_another() {
    let small = PriceBook::parse(SMALL).expect("a book");
    for provider in ["", "openai", "my-relay"] {
        for model in ["gpt-5-mini", "gpt", "gpt-50", "my-gpt-5", "foo-9", ""] {
            let query = Query {
                provider,
                model,
                at: at("2026-11-20"),
                tokens: tokens(1, 1, 0, 0, 0),
                modifiers: PLAIN,
            };
            assert_eq!(
                small.price(&query),
                Priced::Unpriced(UnpricedReason::UnknownModel),
                "{provider} {model}"
            );
        }
    }
    for (provider, model) in [
        ("", "foo-9"),
        ("", "<synthetic>"),
        ("mock", "mock-large"),
        ("openrouter", "openrouter/auto"),
    ] {
        let found = priced(provider, model, "2026-11-20", tokens(1, 1, 0, 0, 0), PLAIN);
        assert_eq!(
            found,
            Priced::Unpriced(UnpricedReason::UnknownModel),
            "{provider} {model}"
        );
    }
}

#[test]
fn o11_o12_o14_openclaw_providers() {
    let used = tokens(7_000, 1_000, 2_000, 0, 0);
    let found = |provider, model| match priced(provider, model, "2026-11-20", used, PLAIN) {
        Priced::Known(receipt) => (receipt.provider, receipt.model, receipt.total.to_string()),
        other => panic!("{provider} {model}: {other:?}"),
    };
    for (provider, model, expected) in [
        (
            "moonshot",
            "kimi-k2.5",
            ("moonshotai", "kimi-k2.5", "0.007400000"),
        ),
        (
            "anthropic",
            "claude-sonnet-5",
            ("anthropic", "claude-sonnet-5", "0.024400000"),
        ),
        (
            "claude-cli",
            "claude-sonnet-5",
            ("anthropic", "claude-sonnet-5", "0.024400000"),
        ),
        ("openai", "gpt-5.2", ("openai", "gpt-5.2", "0.026600000")),
        (
            "openai-codex",
            "gpt-5.2",
            ("openai", "gpt-5.2", "0.026600000"),
        ),
        (
            "google",
            "gemini-3.5-flash",
            ("google", "gemini-3.5-flash", "0.019800000"),
        ),
        (
            "google-gemini-cli",
            "gemini-3.5-flash",
            ("google", "gemini-3.5-flash", "0.019800000"),
        ),
        (
            "openrouter",
            "anthropic/claude-sonnet-5",
            ("openrouter", "anthropic/claude-sonnet-5", "0.024400000"),
        ),
        // Bedrock's own rows: a region costs a tenth more than the global endpoint.
        (
            "amazon-bedrock",
            "us.anthropic.claude-sonnet-5-v1:0",
            (
                "aws",
                "regional.anthropic.claude-sonnet-5-v1:0",
                "0.026840000",
            ),
        ),
        (
            "amazon-bedrock",
            "global.anthropic.claude-sonnet-5-v1:0",
            (
                "aws",
                "global.anthropic.claude-sonnet-5-v1:0",
                "0.024400000",
            ),
        ),
        // A provider nobody knows relays its model at the owner's price.
        (
            "mock",
            "claude-sonnet-5",
            ("anthropic", "claude-sonnet-5", "0.024400000"),
        ),
        (
            "openai",
            "anthropic/claude-sonnet-5",
            ("anthropic", "claude-sonnet-5", "0.024400000"),
        ),
    ] {
        let (provider_id, id, total) = expected;
        assert_eq!(
            found(provider, model),
            (provider_id, id, total.to_owned()),
            "{provider} {model}"
        );
    }
    for (provider, model) in [
        ("ollama", "llama3.3:70b"),
        ("LMStudio", "gpt-5"),
        ("vllm", "claude-sonnet-5"),
        ("llama.cpp", ""),
        ("", "ollama/qwen3"),
        ("openrouter", "deepseek/deepseek-r1:free"),
    ] {
        assert_eq!(
            priced(provider, model, "2026-11-20", used, PLAIN),
            Priced::Free,
            "{provider} {model}"
        );
    }
    let unsplit = Tokens {
        unsplit: 222,
        ..Tokens::default()
    };
    for (provider, expected) in [
        ("moonshot", Priced::Unpriced(UnpricedReason::UnsplitTokens)),
        ("ollama", Priced::Free),
    ] {
        assert_eq!(
            priced(provider, "kimi-k2.5", "2026-11-20", unsplit, PLAIN),
            expected,
            "{provider}"
        );
    }
}

#[test]
fn rates_that_are_not_listed_fall_back_by_a_stated_rule() {
    let small = PriceBook::parse(SMALL).expect("a book");
    let basis = |model| {
        let query = Query {
            provider: "",
            model,
            at: at("2026-11-20"),
            tokens: tokens(1, 1, 1, 1, 1),
            modifiers: PLAIN,
        };
        match small.price(&query) {
            Priced::Known(receipt) => receipt.lines.map(|line| (line.rate.0, line.basis)),
            other => panic!("{other:?}"),
        }
    };
    use Basis::{AsInput, AsShortWrite, Listed, TimesInput};
    assert_eq!(
        basis("claude-x"),
        [
            (10, Listed),
            (40, Listed),
            (10, AsInput),
            (10, TimesInput),
            (20, TimesInput)
        ]
    );
    assert_eq!(
        basis("gpt-5"),
        [
            (10, Listed),
            (40, Listed),
            (10, AsInput),
            (20, Listed),
            (20, AsShortWrite)
        ]
    );
}

#[test]
fn peak_hours_hold_on_weekdays_in_utc_and_only_since_they_exist() {
    for (time, expected) in [
        ("2026-11-20T01:00:00Z", (true, 300_000_000)),
        ("2026-11-20T03:59:59Z", (true, 300_000_000)),
        ("2026-11-20T04:00:00Z", (false, 150_000_000)),
        ("2026-11-20T09:59:00Z", (true, 300_000_000)),
        ("2026-11-21T02:00:00Z", (false, 150_000_000)),
        ("2026-11-22T02:00:00Z", (false, 150_000_000)),
        ("2026-11-23T02:00:00Z", (true, 300_000_000)),
        ("2026-08-18T02:00:00Z", (true, 440_000_000)),
        ("2026-08-12T02:00:00Z", (false, 140_000_000)),
    ] {
        let receipt = receipt(
            "deepseek-v4-flash",
            time,
            tokens(MILLION, 0, 0, 0, 0),
            PLAIN,
        );
        assert_eq!(
            (receipt.by_time_of_day, receipt.total.0),
            expected,
            "{time}"
        );
    }
}

#[test]
fn a_receipt_says_how_the_cost_came_to_be() {
    let modifiers = Modifiers {
        fast: true,
        us_only: true,
        batch: false,
        web_searches: 2,
    };
    let found = receipt(
        "claude-opus-4-6",
        "2026-03-20",
        tokens(2, 350, 8_000, 0, 1_200),
        modifiers,
    );
    let line = |class, tokens, rate, amount| ReceiptLine {
        class,
        tokens,
        rate: Rate(rate),
        basis: Basis::Listed,
        amount: NanoUsd(amount),
    };
    let expected = Receipt {
        provider: "anthropic",
        model: "claude-opus-4-6",
        since: Some(at("2026-03-13T00:00:00Z")),
        tier: None,
        by_time_of_day: false,
        lines: [
            line(Class::Input, 2, 5_000_000_000, 10_000),
            line(Class::Output, 350, 25_000_000_000, 8_750_000),
            line(Class::CacheRead, 8_000, 500_000_000, 4_000_000),
            line(Class::CacheWrite5m, 0, 6_250_000_000, 0),
            line(Class::CacheWrite1h, 1_200, 10_000_000_000, 12_000_000),
        ],
        fast: Some(Ratio(6, 1)),
        batch: None,
        us_only: Some(Ratio(11, 10)),
        searches: NanoUsd(20_000_000),
        total: NanoUsd(24_760_000 * 66 / 10 + 20_000_000),
    };
    assert_eq!(found, expected);
}

#[test]
fn nothing_used_costs_nothing() {
    assert_eq!(nanos("claude-opus-5", Tokens::default(), PLAIN), 0);
}

#[test]
fn a_sum_is_rounded_once_and_half_up() {
    for (sum, factors, expected) in [
        (499_999, vec![], 0),
        (500_000, vec![], 1),
        (1_499_999, vec![], 1),
        (1_500_000, vec![], 2),
        (1_000_000, vec![Some(Ratio(1, 2))], 1),
        (999_999, vec![Some(Ratio(1, 2)), None], 0),
        (1_000_000, vec![Some(Ratio(11, 10)), Some(Ratio(1, 2))], 1),
        (i128::MAX, vec![Some(Ratio(6, 1))], i64::MAX),
    ] {
        assert_eq!(
            amount(sum, &factors),
            NanoUsd(expected),
            "{sum} {factors:?}"
        );
    }
}

/// Every model of the fixtures and of the reference cases, under the names of providers that log them.
#[test]
fn models_in_use_have_a_price() {
    for model in [
        "claude-3-5-haiku-20241022",
        "claude-3-7-sonnet-20250219",
        "claude-fable-5",
        "claude-fable-5-1",
        "claude-fable-5-2",
        "claude-haiku-4-5-20251001",
        "claude-haiku-5-5",
        "claude-mythos-5",
        "claude-mythos-5-1",
        "claude-mythos-5-2",
        "claude-opus-4-1-20250805",
        "claude-opus-4-20250514",
        "claude-opus-4-5-20251101",
        "claude-opus-4-6",
        "claude-opus-4-7",
        "claude-opus-4-8",
        "claude-opus-5",
        "claude-opus-5-5",
        "claude-sonnet-4-20250514",
        "claude-sonnet-4-5-20250929",
        "claude-sonnet-4-6",
        "claude-sonnet-5",
        "claude-sonnet-5-5",
        "deepseek-chat",
        "deepseek-v4-pro",
        "gemini-2.5-pro",
        "gemini-3.5-flash",
        "glm-4.6",
        "gpt-5",
        "gpt-5-codex",
        "gpt-5-mini",
        "gpt-5.1",
        "gpt-5.2-2025-12-11",
        "gpt-5.4",
        "gpt-5.5",
        "gpt-6-sol",
        "grok-4.7",
        "kimi-k2.5",
        "kimi-k3",
        "minimax-m2.5",
        "mistral-large-latest",
        "o3",
        "qwen3-coder-plus",
    ] {
        assert!(
            nanos(model, tokens(1_000, 1_000, 0, 0, 0), PLAIN) > 0,
            "{model}"
        );
    }
}

fn any_tokens() -> impl Strategy<Value = Tokens> {
    let count = || 0..10_000_000_000_u64;
    (
        count(),
        count(),
        count(),
        count(),
        count(),
        prop_oneof![Just(0), count()],
    )
        .prop_map(
            |(input, output, cache_read, cache_write_5m, cache_write_1h, unsplit)| Tokens {
                input,
                output,
                cache_read,
                cache_write_5m,
                cache_write_1h,
                unsplit,
            },
        )
}

fn any_modifiers() -> impl Strategy<Value = Modifiers> {
    (any::<bool>(), any::<bool>(), any::<bool>(), any::<u32>()).prop_map(
        |(fast, batch, us_only, web_searches)| Modifiers {
            fast,
            batch,
            us_only,
            web_searches,
        },
    )
}

proptest! {
    #[test]
    fn nothing_makes_pricing_panic_or_go_negative(
        provider in "(|anthropic|openrouter|amazon-bedrock|ollama|\\PC{0,12})",
        model in "((us\\.)?(anthropic[./])?(claude|gpt|deepseek)-[a-z0-9.-]{0,12}(\\[1m\\]|-v1:0|-fast|@20260101)?|\\PC{0,24})",
        millis in any::<i64>(),
        tokens in any_tokens(),
        modifiers in any_modifiers(),
    ) {
        let query = Query { provider: &provider, model: &model, at: UnixMillis(millis), tokens, modifiers };
        if let Some(cost) = PriceBook::embedded().price(&query).cost() {
            prop_assert!(cost >= NanoUsd::ZERO);
        }
    }

    #[test]
    fn more_tokens_never_cost_less(base in any_tokens(), more in any_tokens(), index in any::<prop::sample::Index>()) {
        let rows: Vec<_> = PriceBook::embedded().providers().iter().flat_map(|p| p.models.iter().map(move |row| (p.id, row.id))).collect();
        let (provider, model) = rows[index.index(rows.len())];
        let (mut small, mut large) = (Tokens { unsplit: 0, ..base }, Tokens { unsplit: 0, ..base });
        large += Tokens { unsplit: 0, ..more };
        small.output = small.output.min(large.output);
        let cost = |tokens| priced(provider, model, "2026-11-20", tokens, PLAIN).cost();
        prop_assert!(cost(small) <= cost(large), "{} {}", provider, model);
    }

    #[test]
    fn costs_add_up_within_a_tier(
        left in (0..40_000_u64, 0..40_000_u64, 0..10_000_u64),
        right in (0..40_000_u64, 0..40_000_u64, 0..10_000_u64),
    ) {
        let used = |(input, output, cache_read): (u64, u64, u64)| tokens(input, output, cache_read, 0, 0);
        let (left, right) = (used(left), used(right));
        let mut both = left;
        both += right;
        let cost = |tokens| nanos("claude-haiku-5-5", tokens, PLAIN);
        prop_assert!((cost(both) - cost(left) - cost(right)).abs() <= 1);
    }
}
