use super::*;
use proptest::{prelude::*, sample::Index};

fn any_tokens() -> impl Strategy<Value = Tokens> {
    let count = || 0..10_000_000_000_u64;
    (count(), count(), count(), count(), count())
        .prop_map(|(input, output, read, short, long)| tokens(input, output, read, short, long))
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

const PROVIDERS: &str = "(|anthropic|openrouter|amazon-bedrock|ollama|\\PC{0,12})";
const MODELS: &str = "((us\\.)?(anthropic[./])?(claude|gpt|deepseek)-[a-z0-9.-]{0,12}\
    (\\[1m\\]|-v1:0|-fast|@20260101)?|\\PC{0,24})";

proptest! {
    #[test]
    fn nothing_makes_pricing_panic_or_go_negative(
        provider in PROVIDERS,
        model in MODELS,
        millis in any::<i64>(),
        tokens in any_tokens(),
        modifiers in any_modifiers(),
    ) {
        let at = UnixMillis(millis);
        let query = Query { provider: &provider, model: &model, at, tokens, modifiers };
        let cost = PriceBook::embedded().price(&query).cost();
        prop_assert!(cost.is_none_or(|cost| cost >= NanoUsd::ZERO));
    }

    #[test]
    fn more_tokens_never_cost_less(
        provider in any::<Index>(),
        model in any::<Index>(),
        few in any_tokens(),
        more in any_tokens(),
    ) {
        let provider = provider.get(PriceBook::embedded().providers());
        let model = model.get(&provider.models).id;
        let mut many = few;
        many += more;
        let cost = |used| price(provider.id, model, used, PLAIN).cost();
        prop_assert!(cost(few).is_some(), "{}/{model}", provider.id);
        prop_assert!(cost(few) <= cost(many), "{}/{model}", provider.id);
    }

    #[test]
    fn costs_add_up_within_a_tier(
        left in [0..10_000_u64, 0..10_000_u64, 0..10_000_u64, 0..10_000_u64, 0..10_000_u64],
        right in [0..10_000_u64, 0..10_000_u64, 0..10_000_u64, 0..10_000_u64, 0..10_000_u64],
    ) {
        let [left, mut both] = [left, right].map(|[a, b, c, d, e]| tokens(a, b, c, d, e));
        let right = both;
        both += left;
        let cost = |used| nanos("claude-haiku-5-5", used, PLAIN);
        // Each of the three is rounded on its own.
        prop_assert!((cost(both) - cost(left) - cost(right)).abs() <= 1);
    }

    #[test]
    fn a_receipt_adds_up_to_its_cost(
        provider in any::<Index>(),
        model in any::<Index>(),
        used in any_tokens(),
        modifiers in any_modifiers(),
    ) {
        let provider = provider.get(PriceBook::embedded().providers());
        let model = model.get(&provider.models).id;
        let Priced::Known(receipt) = price(provider.id, model, used, modifiers) else {
            return Ok(());
        };
        let (mut above, mut below) = (0_i128, 1_000_000_i128);
        for line in receipt.lines {
            above += i128::from(line.tokens) * i128::from(line.rate.0);
        }
        prop_assert_eq!(above, receipt.exact());
        for Ratio(numerator, denominator) in receipt.factors().into_iter().flatten() {
            above *= i128::from(numerator);
            below *= i128::from(denominator);
        }
        // Rounded once, half up: at most half a nano-dollar from the exact sum.
        let error = 2 * (i128::from((receipt.total - receipt.searches).0) * below - above);
        prop_assert!(-below < error && error <= below, "{receipt:?}");
    }
}
