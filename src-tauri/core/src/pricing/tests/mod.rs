mod book;
mod overrides;
mod properties;

use super::*;

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
const DOLLAR: i64 = 1_000_000_000;
const MILLION: u64 = 1_000_000;

/// A book of two models.
const SMALL: &str = r#"{"generated_at":"2026-01-01","sources":[],"local":[],"providers":[
{"id":"anthropic","owns":["claude-"],"models":[
{"id":"claude-x","prices":[{"rates":[10,40,null,null,null]}]}]},
{"id":"openai","owns":["gpt-"],"models":[
{"id":"gpt-5","prices":[{"rates":[10,40,null,20,null]}]}]}]}"#;

/// Noon of a day, or an instant.
fn at(text: &str) -> UnixMillis {
    let noon = if text.contains('T') { "" } else { "T12:00:00Z" };
    UnixMillis::parse_rfc3339(&format!("{text}{noon}")).expect("a timestamp")
}

fn tokens(input: u64, output: u64, cache_read: u64, short_write: u64, long_write: u64) -> Tokens {
    Tokens {
        input,
        output,
        cache_read,
        cache_write_5m: short_write,
        cache_write_1h: long_write,
        unsplit: 0,
    }
}

fn price(provider: &str, model: &str, tokens: Tokens, modifiers: Modifiers) -> Priced<'static> {
    let at = at("2026-11-20");
    PriceBook::embedded().price(&Query {
        provider,
        model,
        at,
        tokens,
        modifiers,
    })
}

/// A Claude Code response's receipt: its log names no provider.
fn receipt(model: &str, time: &str, tokens: Tokens, modifiers: Modifiers) -> Receipt<'static> {
    let query = Query {
        provider: "",
        model,
        at: at(time),
        tokens,
        modifiers,
    };
    match PriceBook::embedded().price(&query) {
        Priced::Known(receipt) => receipt,
        other => panic!("{model} at {time}: {other:?}"),
    }
}

fn nanos(model: &str, tokens: Tokens, modifiers: Modifiers) -> i64 {
    receipt(model, "2026-11-20", tokens, modifiers).total.0
}

/// A table's rows and cells, as the tests write them.
fn table(text: &'static str) -> impl Iterator<Item = Vec<&'static str>> {
    let rows = text.lines().filter(|line| !line.trim().is_empty());
    rows.map(|line| line.split('|').map(str::trim).collect())
}

/// "6 22.5 0.6 7.5 12": dollars per million tokens of each class.
fn dollars(receipt: &Receipt<'_>) -> String {
    let short = |text: String| text.trim_end_matches('0').trim_end_matches('.').to_owned();
    receipt
        .lines
        .map(|line| short(NanoUsd(line.rate.0).to_string()))
        .join(" ")
}

#[test]
fn c17_c18_c20_cache_writes_are_priced_by_their_lifetime() {
    for (used, expected) in [
        (tokens(0, 0, 0, 100, 200), 100 * 3_750 + 200 * 6_000),
        (tokens(0, 0, 0, 300, 0), 300 * 3_750),
        (tokens(0, 0, 0, 0, MILLION), 6 * DOLLAR),
    ] {
        assert_eq!(
            nanos("claude-sonnet-4-6", used, PLAIN),
            expected,
            "{used:?}"
        );
    }
}

#[test]
fn c21_cache_reads_cost_what_the_table_says_not_a_tenth() {
    for (model, cents) in [
        ("claude-fable-5", 100),
        ("claude-fable-5-1", 25),
        ("claude-mythos-5-1", 25),
        ("claude-opus-5-5", 20),
        ("claude-sonnet-5-5", 10),
        // A tenth of its input rate, unlike the rest of its generation, and above its tier here.
        ("claude-haiku-5-5", 5),
    ] {
        let reads = tokens(0, 0, MILLION, 0, 0);
        assert_eq!(nanos(model, reads, PLAIN), cents * DOLLAR / 100, "{model}");
    }
}

#[test]
fn c22_c22b_c23_a_long_request_is_charged_whole_at_the_higher_tier() {
    for row in table(
        "
        claude-sonnet-4-5        | 2026-04-01               | 211000 | 200000 | 6 22.5 0.6 7.5 12
        claude-sonnet-4-5        | 2026-04-01               | 200000 |      0 | 3 15 0.3 3.75 6
        claude-sonnet-4-5        | 2026-04-30               | 211000 |      0 | 3 15 0.3 3.75 6
        claude-sonnet-4-20250514 | 2026-04-01               | 300000 | 200000 | 6 22.5 0.6 7.5 12
        claude-sonnet-4-20250514 | 2026-04-30               | 300000 |      0 | 3 15 0.3 3.75 6
        claude-haiku-5-5         | 2026-11-20               | 100000 |      0 | 0.1 0.5 0.01 0.125 0.2
        claude-haiku-5-5         | 2026-11-20               | 100001 | 100000 | 0.5 2.5 0.05 0.625 1
        claude-opus-4-6          | 2026-03-12T23:59:59.999Z | 300000 | 200000 | 10 37.5 1 12.5 20
        claude-opus-4-6          | 2026-03-13T00:00:00Z     | 300000 |      0 | 5 25 0.5 6.25 10
        claude-sonnet-4-6        | 2026-03-12               | 300000 | 200000 | 6 22.5 0.6 7.5 12
        claude-opus-4-7          | 2026-05-01               | 900000 |      0 | 5 25 0.5 6.25 10
        claude-sonnet-5          | 2026-08-31               | 900000 |      0 | 2 10 0.2 2.5 4
        claude-sonnet-5          | 2026-09-01               | 900000 |      0 | 2 10 0.2 2.5 4
        gpt-5.4                  | 2026-11-20               | 272000 |      0 | 2.5 15 0.25 2.5 2.5
        gpt-5.4                  | 2026-11-20               | 272001 | 272000 | 5 22.5 0.5 5 5
        ",
    ) {
        let context: u64 = row[2].parse().expect("a number");
        let threshold: u64 = row[3].parse().expect("a number");
        // Every class of input counts towards the threshold, output does not.
        for used in [tokens(1, 9, context - 3, 1, 1), tokens(context, 900_000, 0, 0, 0)] {
            let found = receipt(row[0], row[1], used, PLAIN);
            assert_eq!(found.tier, (threshold > 0).then_some(threshold), "{row:?}");
            assert_eq!(dollars(&found), row[4], "{row:?}");
        }
    }
    let used = tokens(1_000, 1_000, 150_000, 60_000, 0);
    let found = receipt("claude-sonnet-4-5", "2026-04-01", used, PLAIN);
    assert_eq!(found.total.to_string(), "0.568500000");
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
        let named = format!("{model}-fast");
        assert_eq!(
            nanos(&named, used, PLAIN),
            nanos(model, used, FAST),
            "{named}"
        );
    }
    let never_fast = price("", "claude-sonnet-5", used, FAST);
    assert_eq!(never_fast, Priced::Unpriced(UnpricedReason::NoFastPrice));
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
    for (modifiers, expected) in [
        (
            Modifiers {
                batch: true,
                ..PLAIN
            },
            UnpricedReason::NoBatchPrice,
        ),
        (
            Modifiers {
                web_searches: 1,
                ..PLAIN
            },
            UnpricedReason::NoSearchFee,
        ),
    ] {
        let found = price("moonshot", "kimi-k2.5", used, modifiers);
        assert_eq!(found, Priced::Unpriced(expected));
    }
}

#[test]
fn c32_every_spelling_of_a_model_is_one_row() {
    for model in [
        "claude-sonnet-5",
        " Claude-Sonnet-5 ",
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
        let found = receipt(model, "2026-11-20", tokens(MILLION, 0, 0, 0, 0), PLAIN);
        let row = (found.provider, found.model, found.total.0);
        assert_eq!(row, ("anthropic", "claude-sonnet-5", 2 * DOLLAR), "{model}");
    }
}

#[test]
fn c30_c31_an_unknown_model_has_no_price_and_takes_none_from_another() {
    let used = tokens(1, 1, 0, 0, 0);
    let small = PriceBook::parse(SMALL).expect("a book");
    for provider in ["", "openai", "my-relay"] {
        for model in ["gpt-5-mini", "gpt", "gpt-50", "my-gpt-5", "foo-9", ""] {
            let found = small
                .resolve(provider, model)
                .price(at("2026-11-20"), &used, PLAIN);
            let expected = Priced::Unpriced(UnpricedReason::UnknownModel);
            assert_eq!(found, expected, "{provider} {model}");
        }
    }
    for (provider, model) in [
        ("", "foo-9"),
        ("", "<synthetic>"),
        ("mock", "mock-large"),
        ("openrouter", "openrouter/auto"),
    ] {
        let found = price(provider, model, used, PLAIN);
        assert_eq!(
            found,
            Priced::Unpriced(UnpricedReason::UnknownModel),
            "{provider} {model}"
        );
    }
}

#[test]
fn o11_a_named_provider_is_priced_by_its_own_row_then_by_the_models_owner() {
    for row in table(
        "
        moonshot          | kimi-k2.5                            | moonshotai/kimi-k2.5
        anthropic         | claude-sonnet-5                      | anthropic/claude-sonnet-5
        claude-cli        | claude-sonnet-5                      | anthropic/claude-sonnet-5
        openai            | gpt-5.2                              | openai/gpt-5.2
        openai-codex      | gpt-5.2                              | openai/gpt-5.2
        google            | gemini-3.5-flash                     | google/gemini-3.5-flash
        google-gemini-cli | gemini-3.5-flash                     | google/gemini-3.5-flash
        google-vertex     | claude-sonnet-4-5@20250929           | google/claude-sonnet-4-5
        zai               | glm-4.6                              | zai/GLM-4.6
        openrouter        | anthropic/claude-sonnet-5            | openrouter/anthropic/claude-sonnet-5
        amazon-bedrock    | us.anthropic.claude-sonnet-5-v1:0    | aws/regional.anthropic.claude-sonnet-5-v1:0
        amazon-bedrock    | global.anthropic.claude-sonnet-5     | aws/global.anthropic.claude-sonnet-5-v1:0
        mock              | claude-sonnet-5                      | anthropic/claude-sonnet-5
        openai            | anthropic/claude-sonnet-5            | anthropic/claude-sonnet-5
        ",
    ) {
        let Resolved::Model(found) = PriceBook::embedded().resolve(row[0], row[1]) else {
            panic!("{row:?}: no such model");
        };
        assert_eq!(format!("{}/{}", found.provider(), found.id()), row[2], "{row:?}");
    }
    let found = price(
        "moonshot",
        "kimi-k2.5",
        tokens(7_000, 1_000, 2_000, 0, 0),
        PLAIN,
    );
    assert_eq!(found.cost(), Some(NanoUsd(7_400_000)));
}

#[test]
fn o12_what_runs_at_home_or_is_given_away_is_free() {
    for (provider, model) in [
        ("ollama", "llama3.3:70b"),
        ("LMStudio", "gpt-5"),
        ("vllm", "claude-sonnet-5"),
        ("llama.cpp", ""),
        ("", "ollama/qwen3"),
        ("openrouter", "deepseek/deepseek-r1:free"),
    ] {
        let found = price(provider, model, tokens(10_000, 0, 0, 0, 0), PLAIN);
        assert_eq!(
            (found, found.cost()),
            (Priced::Free, Some(NanoUsd::ZERO)),
            "{provider} {model}"
        );
    }
    for (provider, model) in [("my-relay", "x:free"), ("ollama", "foo-9:cloud")] {
        let elsewhere = price(provider, model, tokens(1, 0, 0, 0, 0), PLAIN);
        assert_eq!(
            elsewhere,
            Priced::Unpriced(UnpricedReason::UnknownModel),
            "{provider} {model}"
        );
    }
}

#[test]
fn o14_a_total_that_is_not_split_has_no_price() {
    let unsplit = Tokens {
        unsplit: 222,
        ..Tokens::default()
    };
    let found = price("moonshot", "kimi-k2.5", unsplit, PLAIN);
    assert_eq!(found, Priced::Unpriced(UnpricedReason::UnsplitTokens));
    assert_eq!(price("ollama", "kimi-k2.5", unsplit, PLAIN), Priced::Free);
}

#[test]
fn nothing_used_costs_nothing() {
    assert_eq!(nanos("claude-opus-5", Tokens::default(), PLAIN), 0);
}

#[test]
fn rates_that_are_not_listed_fall_back_by_a_stated_rule() {
    use RateFrom::{AsInput, AsShortWrite, Listed, TimesInput};
    let small = PriceBook::parse(SMALL).expect("a book");
    for (model, expected) in [
        (
            "claude-x",
            [
                (10, Listed),
                (40, Listed),
                (10, AsInput),
                (12, TimesInput),
                (20, TimesInput),
            ],
        ),
        (
            "gpt-5",
            [
                (10, Listed),
                (40, Listed),
                (10, AsInput),
                (20, Listed),
                (20, AsShortWrite),
            ],
        ),
    ] {
        match small
            .resolve("", model)
            .price(at("2026-11-20"), &Tokens::default(), PLAIN)
        {
            Priced::Known(receipt) => {
                assert_eq!(
                    receipt.lines.map(|line| (line.rate.0, line.from)),
                    expected,
                    "{model}"
                );
            }
            other => panic!("{model}: {other:?}"),
        }
    }
}

#[test]
fn peak_hours_hold_on_weekdays_in_utc_and_only_since_they_exist() {
    for (time, expected) in [
        ("2026-11-20T00:59:59Z", (false, 150_000_000)),
        ("2026-11-20T01:00:00Z", (true, 300_000_000)),
        ("2026-11-20T04:00:00Z", (false, 150_000_000)),
        ("2026-11-20T09:59:00Z", (true, 300_000_000)),
        ("2026-11-21T02:00:00Z", (false, 150_000_000)),
        ("2026-11-22T02:00:00Z", (false, 150_000_000)),
        ("2026-11-23T02:00:00Z", (true, 300_000_000)),
        ("2026-08-18T02:00:00Z", (true, 440_000_000)),
        ("2026-08-16T16:00:00Z", (false, 220_000_000)),
        ("2026-08-16T15:59:59Z", (false, 140_000_000)),
        ("2026-08-12T02:00:00Z", (false, 140_000_000)),
    ] {
        let found = receipt(
            "deepseek-v4-flash",
            time,
            tokens(MILLION, 0, 0, 0, 0),
            PLAIN,
        );
        assert_eq!((found.by_time_of_day, found.total.0), expected, "{time}");
    }
}

/// What `deepseek-chat` stood for changed several times, two of them in the middle of a day.
#[test]
fn prices_hold_from_the_instant_they_were_announced_for() {
    for (time, expected) in [
        ("2025-09-05T15:59:59.999Z", "0.27 1.1 0.07"),
        ("2025-09-05T16:00:00Z", "0.56 1.68 0.07"),
        ("2025-09-28T23:59:59Z", "0.56 1.68 0.07"),
        ("2025-09-29T00:00:00Z", "0.28 0.42 0.028"),
        ("2026-04-24T00:00:00Z", "0.14 0.28 0.028"),
        ("2026-04-26T12:14:59Z", "0.14 0.28 0.028"),
        ("2026-04-26T12:15:00Z", "0.14 0.28 0.0028"),
    ] {
        for model in ["deepseek-chat", "deepseek-reasoner"] {
            let found = dollars(&receipt(model, time, Tokens::default(), PLAIN));
            let expected = match (model, time) {
                ("deepseek-reasoner", "2025-09-05T15:59:59.999Z") => "0.55 2.19 0.14",
                _ => expected,
            };
            assert!(
                found.starts_with(&format!("{expected} ")),
                "{model} at {time}: {found}"
            );
        }
    }
}

#[test]
fn a_receipt_says_how_the_cost_came_to_be() {
    let line = |class, tokens, rate| ReceiptLine {
        class,
        tokens,
        rate: Rate(rate),
        from: RateFrom::Listed,
    };
    let expected = Receipt {
        origin: Origin::Book,
        provider: "anthropic",
        model: "claude-opus-4-6",
        how: Match::Exact,
        by_owner: true,
        since: Some(at("2026-03-13T00:00:00Z")),
        tier: None,
        by_time_of_day: false,
        lines: [
            line(Class::Input, 2, 5_000_000_000),
            line(Class::Output, 350, 25_000_000_000),
            line(Class::CacheRead, 8_000, 500_000_000),
            line(Class::CacheWrite5m, 0, 6_250_000_000),
            line(Class::CacheWrite1h, 1_200, 10_000_000_000),
        ],
        fast: Some(Ratio(6, 1)),
        batch: None,
        us_only: Some(Ratio(11, 10)),
        searches: NanoUsd(20_000_000),
        total: NanoUsd(24_760_000 * 66 / 10 + 20_000_000),
    };
    let modifiers = Modifiers {
        fast: true,
        us_only: true,
        batch: false,
        web_searches: 2,
    };
    let used = tokens(2, 350, 8_000, 0, 1_200);
    let found = receipt("claude-opus-4-6", "2026-03-20", used, modifiers);
    assert_eq!(found, expected);
    let amounts = found.lines.map(|line| line.amount().0);
    assert_eq!(amounts, [10_000, 8_750_000, 4_000_000, 0, 12_000_000]);
    assert_eq!(found.exact(), 24_760_000 * 1_000_000);
}

#[test]
fn a_sum_is_rounded_once_and_half_up() {
    let (half, tenth) = (Some(Ratio(1, 2)), Some(Ratio(11, 10)));
    for (sum, factors, expected) in [
        (499_999, [None, None], 0),
        (500_000, [None, None], 1),
        (1_499_999, [None, None], 1),
        (1_500_000, [None, None], 2),
        (999_999, [half, None], 0),
        (1_000_000, [half, None], 1),
        (1_000_000, [tenth, half], 1),
        (i128::MAX, [Some(Ratio(6, 1)), None], i64::MAX),
    ] {
        assert_eq!(
            amount(sum, &factors),
            NanoUsd(expected),
            "{sum} {factors:?}"
        );
    }
}
