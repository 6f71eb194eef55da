//! What the embedded book must be, whatever its prices.

use super::*;

#[test]
fn the_header_says_what_the_book_is() {
    let book = PriceBook::embedded();
    assert_eq!(book.version(), "genai-prices 0.2.3, litellm 1.109.1");
    assert_eq!(book.generated_on(), jiff::civil::date(2026, 11, 21));
    let broken = PriceBook::parse("{}").expect_err("nothing in it");
    assert_eq!(
        broken.to_string(),
        "missing field `generated_at` at line 1 column 2"
    );
}

#[test]
fn the_fingerprint_moves_with_the_prices() {
    let dearer: &'static str = Box::leak(SMALL.replace("[10,", "[11,").into_boxed_str());
    let [first, same, other] =
        [SMALL, SMALL, dearer].map(|text| PriceBook::parse(text).expect("a book").fingerprint());
    assert_eq!(first, same);
    assert_ne!(first, other);
}

#[test]
fn every_row_is_whole_unique_and_in_order() {
    let providers = PriceBook::embedded().providers();
    assert!(providers.is_sorted_by(|a, b| a.id < b.id), "providers");
    for provider in providers {
        let id = provider.id;
        assert!(
            provider
                .models
                .is_sorted_by_key(|row| row.id.to_lowercase()),
            "{id}"
        );
        assert!(
            provider.names().is_sorted_by(|a, b| a.0 < b.0),
            "{id}: a name twice"
        );
        for row in &provider.models {
            let id = format!("{id}/{}", row.id);
            assert!(
                row.prices[0].from.is_none(),
                "{id}: no price before its first date"
            );
            assert!(
                row.prices.is_sorted_by(|a, b| a.from < b.from),
                "{id}: periods out of order"
            );
            for rates in row.prices.iter().flat_map(Period::all_rates) {
                assert!(
                    rates[0].is_some() && rates[1].is_some(),
                    "{id}: no input or output rate"
                );
                // A rate above $1,000 per million tokens is a slip of the source.
                let sane = |rate: &Rate| (0..=1_000 * DOLLAR).contains(&rate.0);
                assert!(rates.iter().flatten().all(sane), "{id}: {rates:?}");
            }
        }
    }
}

#[test]
fn models_in_use_have_a_price() {
    for model in "
        claude-3-5-haiku-20241022 claude-3-7-sonnet-20250219 claude-fable-5 claude-fable-5-1 claude-fable-5-2
        claude-haiku-4-5-20251001 claude-haiku-5-5 claude-mythos-5 claude-mythos-5-1 claude-mythos-5-2
        claude-opus-4-20250514 claude-opus-4-1-20250805 claude-opus-4-5-20251101 claude-opus-4-6 claude-opus-4-7
        claude-opus-4-8 claude-opus-5 claude-opus-5-5 claude-sonnet-4-20250514 claude-sonnet-4-5-20250929
        claude-sonnet-4-6 claude-sonnet-5 claude-sonnet-5-5
        deepseek-chat deepseek-v4-pro gemini-2.5-pro gemini-3.5-flash glm-4.6 gpt-5 gpt-5-codex gpt-5-mini gpt-5.1
        gpt-5.2-2025-12-11 gpt-5.4 gpt-5.5 gpt-6-sol grok-4.7 kimi-k2.5 kimi-k3 minimax-m2.5 mistral-large-latest o3
        qwen3-coder-plus"
        .split_whitespace()
    {
        assert!(nanos(model, tokens(1_000, 1_000, 0, 0, 0), PLAIN) > 0, "{model}");
    }
}
