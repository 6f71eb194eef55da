//! The price of one response: what a receipt says adds up.

use clawspend_core::{
    money::NanoUsd,
    pricing::{PriceBook, Priced, Query, Receipt, UnpricedReason},
    time::UnixMillis,
    usage::{Modifiers, Tokens},
};

/// `data` is text, one word or number a line: provider, model, milliseconds since the epoch, six counts of tokens,
/// how many web searches, and any of `fast`, `batch`, `us`. What is missing is empty or 0.
pub fn check(data: &[u8]) {
    let Ok(text) = str::from_utf8(data) else {
        return;
    };
    let mut lines = text.split('\n');
    let [provider, model] = [(); 2].map(|()| lines.next().unwrap_or_default());
    let at = UnixMillis(lines.next().and_then(|at| at.parse().ok()).unwrap_or(0));
    // No more than their sum can hold.
    let mut count = || -> u64 {
        let count = lines.next().and_then(|count| count.parse().ok());
        count.unwrap_or(0).min(u64::MAX / 6)
    };
    let tokens = Tokens {
        input: count(),
        output: count(),
        cache_read: count(),
        cache_write_5m: count(),
        cache_write_1h: count(),
        unsplit: count(),
    };
    let web_searches = u32::try_from(count()).unwrap_or(u32::MAX);
    let words = lines.next().unwrap_or_default();
    let modifiers = Modifiers {
        fast: words.contains("fast"),
        batch: words.contains("batch"),
        us_only: words.contains("us"),
        web_searches,
    };
    let query = Query {
        provider,
        model,
        at,
        tokens,
        modifiers,
    };
    let book = PriceBook::embedded();
    let priced = book.price(&query);
    match &priced {
        Priced::Known(receipt) => adds_up(receipt, &query),
        Priced::Free => assert_eq!(priced.cost(), Some(NanoUsd::ZERO)),
        Priced::Unpriced(reason) => {
            assert_eq!(priced.cost(), None);
            assert!(*reason != UnpricedReason::UnsplitTokens || tokens.unsplit > 0);
        }
    }
    let shouted = Query {
        provider: &provider.to_ascii_uppercase(),
        model: &format!(" {}\t", model.to_ascii_uppercase()),
        ..query
    };
    assert_eq!(
        book.price(&shouted),
        priced,
        "letters' case and space around names decide nothing"
    );
}

/// The receipt's own arithmetic, by another road: the whole quotient first, then its remainder against a half.
fn adds_up(receipt: &Receipt, query: &Query<'_>) {
    let Query {
        at,
        tokens,
        modifiers,
        ..
    } = query;
    let counts = receipt.lines.map(|line| line.tokens);
    assert_eq!(
        counts,
        [
            tokens.input,
            tokens.output,
            tokens.cache_read,
            tokens.cache_write_5m,
            tokens.cache_write_1h
        ]
    );
    assert!(receipt.since.is_none_or(|since| since <= *at));
    assert!(
        receipt
            .tier
            .is_none_or(|threshold| tokens.context() > threshold)
    );
    assert!(receipt.fast.is_some() || !modifiers.fast);
    assert_eq!(receipt.batch.is_some(), modifiers.batch);
    assert!(modifiers.us_only || receipt.us_only.is_none());
    assert_eq!(receipt.searches > NanoUsd::ZERO, modifiers.web_searches > 0);

    let mut above: u128 = 0;
    for line in receipt.lines {
        let rate = u128::try_from(line.rate.0).expect("no price is negative");
        above += u128::from(line.tokens) * rate;
    }
    let mut below: u128 = 1_000_000;
    for factor in [receipt.fast, receipt.batch, receipt.us_only]
        .into_iter()
        .flatten()
    {
        above = above.checked_mul(factor.0.into()).expect("within 128 bits");
        below *= u128::from(factor.1);
    }
    let half_up = u128::from(above % below * 2 >= below);
    let cost = i64::try_from(above / below + half_up).unwrap_or(i64::MAX);
    assert_eq!(
        receipt.total,
        NanoUsd(cost.saturating_add(receipt.searches.0))
    );
    assert!(receipt.total >= NanoUsd::ZERO);
}
