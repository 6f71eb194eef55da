//! What a response costs, and how that came to be: the dated price book and its arithmetic. Pure.
//!
//! ```text
//! provider, model ─ resolve ─► Model ─ period valid at the time ─ tier ─► rates × tokens × factors + searches
//! ```
//!
//! | file | holds |
//! |---|---|
//! | `mod.rs` | a response's [`Receipt`]: the arithmetic |
//! | `book.rs` | [`PriceBook`]: which of its rows a log means, and which period of it |
//! | `model_name.rs` | the spellings of a model's name |
//! | `overrides.rs` | [`Override`]: the user's own prices |
//! | `prices.rs` | [`Prices`]: both together, and which cost counts |
//!
//! A model the book does not know has no price: never zero, never another model's.

mod book;
mod model_name;
mod overrides;
mod prices;
#[cfg(test)]
mod tests;

pub use book::{Daily, Model, Period, PriceBook, Rates, Ratio, Resolved};
pub use model_name::Match;
pub use overrides::Override;
pub use prices::{Basis, Change, CostRule, Gap, Priceable, Prices, Terms};

use crate::{
    money::{NanoUsd, Rate},
    time::UnixMillis,
    usage::{Modifiers, Tokens},
};
use overrides::Own;
use serde::Serialize;

/// What is to be priced.
#[derive(Debug, Clone, Copy)]
pub struct Query<'a> {
    /// Provider as written; empty when the log names none.
    pub provider: &'a str,
    /// Model as written.
    pub model: &'a str,
    /// When the response was made: prices change.
    pub at: UnixMillis,
    /// What was used.
    pub tokens: Tokens,
    /// What changes the price.
    pub modifiers: Modifiers,
}

/// The answer to a [`Query`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "short-lived; a box would be an allocation per response"
)]
pub enum Priced<'p> {
    /// It has a price.
    Known(Receipt<'p>),
    /// It costs nothing: run on the user's own machine, or given away.
    Free,
    /// What it costs cannot be told.
    Unpriced(UnpricedReason),
}

/// Why a response has no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum UnpricedReason {
    /// The book has no such model.
    UnknownModel,
    /// Only the total of its tokens is known.
    UnsplitTokens,
    /// Made in fast mode, whose price the book does not have for this model.
    NoFastPrice,
    /// Made in the batch tier, whose price the book does not have for this provider.
    NoBatchPrice,
    /// It searched the web, and the book has no fee for that with this model.
    NoSearchFee,
}

/// How one response's cost came to be.
///
/// ```text
/// total = round( Σ line.exact() / 1,000,000 × Π factors ) + searches
/// ```
///
/// Each line is exact; the sum is divided once and rounded half up, so that no rounding adds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Receipt<'p> {
    /// Whose price it is.
    pub origin: Origin,
    /// Who bills, by the name in the book; empty for a price of the user's own that names nobody.
    pub provider: &'p str,
    /// The price's name of the model: with `origin`, `provider` and `since` it says which row.
    pub model: &'p str,
    /// How that name and the one in the log go together.
    pub how: Match,
    /// The seller is not known, or has no price of its own: this is the price of who made the model.
    pub by_owner: bool,
    /// Since when these prices hold; `None` for the oldest known.
    pub since: Option<UnixMillis>,
    /// The long-context threshold that the request passed: every class is charged at that tier.
    pub tier: Option<u64>,
    /// The time of day decided the rates.
    pub by_time_of_day: bool,
    /// One line for each class of tokens, in the order of [`Class::ALL`].
    pub lines: [ReceiptLine; 5],
    /// Fast mode's factor on the lines' sum.
    pub fast: Option<Ratio>,
    /// The batch tier's factor on the lines' sum.
    pub batch: Option<Ratio>,
    /// The factor of inference pinned to the United States, on the lines' sum.
    pub us_only: Option<Ratio>,
    /// Fee of all web searches together; no factor changes it.
    pub searches: NanoUsd,
    /// The cost: lines times factors, rounded once, plus searches.
    pub total: NanoUsd,
}

/// Whose price it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The price book's.
    Book,
    /// The user's own, from the config file.
    Override,
}

/// One class of tokens on a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct ReceiptLine {
    /// Which tokens.
    pub class: Class,
    /// How many.
    pub tokens: u64,
    /// At what price.
    pub rate: Rate,
    /// Where the rate comes from.
    pub from: RateFrom,
}

/// A class of tokens with a price of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Class {
    /// Input that no cache served.
    Input,
    /// Output, thinking included.
    Output,
    /// Input served from the cache.
    CacheRead,
    /// Input written to the five-minute cache.
    #[serde(rename = "cache_write_5m")]
    CacheWrite5m,
    /// Input written to the one-hour cache.
    #[serde(rename = "cache_write_1h")]
    CacheWrite1h,
}

/// Where a line's rate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RateFrom {
    /// It is listed.
    Listed,
    /// Not listed; Anthropic's own rule: 1.25 times (five minutes) or twice (one hour) the input rate.
    TimesInput,
    /// Not listed; charged as a five-minute cache write.
    AsShortWrite,
    /// Not listed; charged as input.
    AsInput,
}

impl PriceBook {
    /// Prices one response.
    #[must_use]
    pub fn price(&self, query: &Query<'_>) -> Priced<'_> {
        self.resolve(query.provider, query.model)
            .price(query.at, &query.tokens, query.modifiers)
    }
}

impl<'b> Resolved<'b> {
    /// Prices one response of this model; allocates nothing.
    #[must_use]
    pub fn price(self, at: UnixMillis, tokens: &Tokens, modifiers: Modifiers) -> Priced<'b> {
        match self {
            Self::Free => Priced::Free,
            Self::Unknown => Priced::Unpriced(UnpricedReason::UnknownModel),
            Self::Model(model) => receipt(None, Some(model), at, tokens, modifiers),
        }
    }
}

impl Priced<'_> {
    /// The amount; `None` when it cannot be told.
    #[must_use]
    pub const fn cost(&self) -> Option<NanoUsd> {
        match self {
            Self::Known(receipt) => Some(receipt.total),
            Self::Free => Some(NanoUsd::ZERO),
            Self::Unpriced(_) => None,
        }
    }
}

impl UnpricedReason {
    /// The words shown to people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::UnknownModel => "no price known for this model",
            Self::UnsplitTokens => "only the total of its tokens is known",
            Self::NoFastPrice => "no fast-mode price known for this model",
            Self::NoBatchPrice => "no batch price known for this provider",
            Self::NoSearchFee => "no web-search fee known for this model",
        }
    }
}

impl Class {
    /// All classes, in the order of the book's rates.
    pub const ALL: [Self; 5] = [
        Self::Input,
        Self::Output,
        Self::CacheRead,
        Self::CacheWrite5m,
        Self::CacheWrite1h,
    ];

    const fn of(self, tokens: &Tokens) -> u64 {
        match self {
            Self::Input => tokens.input,
            Self::Output => tokens.output,
            Self::CacheRead => tokens.cache_read,
            Self::CacheWrite5m => tokens.cache_write_5m,
            Self::CacheWrite1h => tokens.cache_write_1h,
        }
    }
}

/// Prices a response by the user's own price where there is one, else by the book's. Factors and fees are always the
/// book's: an own price is that of an ordinary request.
fn receipt<'p>(
    own: Option<Own<'p>>,
    book: Option<Model<'p>>,
    at: UnixMillis,
    tokens: &Tokens,
    modifiers: Modifiers,
) -> Priced<'p> {
    match try_receipt(own, book, at, tokens, modifiers) {
        Ok(receipt) => Priced::Known(receipt),
        Err(reason) => Priced::Unpriced(reason),
    }
}

fn try_receipt<'p>(
    own: Option<Own<'p>>,
    book: Option<Model<'p>>,
    at: UnixMillis,
    tokens: &Tokens,
    modifiers: Modifiers,
) -> Result<Receipt<'p>, UnpricedReason> {
    use UnpricedReason::{NoBatchPrice, NoFastPrice, NoSearchFee, UnknownModel, UnsplitTokens};
    if tokens.unsplit > 0 {
        return Err(UnsplitTokens);
    }
    let period = book.map(|model| model.period(at));
    let (rates, tier, by_time_of_day) = match (own, period) {
        (Some(own), _) => (&own.price.rates, None, false),
        (None, Some(period)) => period.rates(at, tokens.context()),
        (None, None) => return Err(UnknownModel),
    };
    let named_fast = own.map_or(book.is_some_and(|model| model.fast), |own| own.fast);
    let fast = period.and_then(|period| period.fast);
    let fast = wanted(modifiers.fast || named_fast, fast, NoFastPrice)?;
    let batch = book.and_then(Model::batch);
    let batch = wanted(modifiers.batch, batch, NoBatchPrice)?;
    let us_only = book.and_then(Model::us_only).filter(|_| modifiers.us_only);
    let fee = period.and_then(|period| period.search);
    let fee = wanted(modifiers.web_searches > 0, fee, NoSearchFee)?;
    let searches = NanoUsd(fee.map_or(0, |fee| {
        fee.0.saturating_mul(i64::from(modifiers.web_searches))
    }));
    let provider = book.map_or("", Model::provider);
    let (origin, provider, model, how, since) = match own {
        Some(Own { price, how, .. }) => {
            let provider = price.provider.as_deref().unwrap_or(provider);
            (
                Origin::Override,
                provider,
                price.model.as_str(),
                how,
                price.since(),
            )
        }
        None => {
            let (model, how) = book.map_or(("", Match::Exact), |model| (model.id(), model.how()));
            (
                Origin::Book,
                provider,
                model,
                how,
                period.and_then(|period| period.from),
            )
        }
    };
    let claude = model.contains("claude");
    let lines = Class::ALL.map(|class| {
        let (rate, from) = rate(class, rates, claude);
        ReceiptLine {
            class,
            tokens: class.of(tokens),
            rate,
            from,
        }
    });
    let mut receipt = Receipt {
        origin,
        provider,
        model,
        how,
        by_owner: own.is_none() && book.is_some_and(Model::by_owner),
        since,
        tier,
        by_time_of_day,
        lines,
        fast,
        batch,
        us_only,
        searches,
        total: NanoUsd::ZERO,
    };
    receipt.total = amount(receipt.exact(), &receipt.factors()) + searches;
    Ok(receipt)
}

/// The class's rate, or what stands in for one that is not listed.
#[must_use]
pub fn rate(class: Class, rates: &Rates, claude: bool) -> (Rate, RateFrom) {
    let listed = |class: Class| rates[class as usize];
    if let Some(rate) = listed(class) {
        return (rate, RateFrom::Listed);
    }
    let input = listed(Class::Input).unwrap_or_default();
    match class {
        Class::CacheWrite5m if claude => (Rate(input.0 * 5 / 4), RateFrom::TimesInput),
        Class::CacheWrite1h if claude => (Rate(input.0 * 2), RateFrom::TimesInput),
        Class::CacheWrite1h => listed(Class::CacheWrite5m)
            .map_or((input, RateFrom::AsInput), |short| {
                (short, RateFrom::AsShortWrite)
            }),
        _ => (input, RateFrom::AsInput),
    }
}

impl Receipt<'_> {
    /// The lines' sum before any factor, in millionths of nano-dollars: nothing is rounded in it.
    #[must_use]
    pub fn exact(&self) -> i128 {
        let lines = self.lines.iter().map(ReceiptLine::exact);
        lines.fold(0, i128::saturating_add)
    }

    /// A line times the factors, rounded by itself: a total is not the sum of rounded lines.
    #[must_use]
    pub fn share(&self, line: &ReceiptLine) -> NanoUsd {
        amount(line.exact(), &self.factors())
    }

    /// The factors on the lines' sum: fast mode, batch, United States.
    #[must_use]
    pub const fn factors(&self) -> [Option<Ratio>; 3] {
        [self.fast, self.batch, self.us_only]
    }
}

impl ReceiptLine {
    /// Tokens times rate, rounded by itself: a total is not the sum of rounded lines.
    #[must_use]
    pub fn amount(&self) -> NanoUsd {
        amount(self.exact(), &[])
    }

    /// Tokens times rate, in millionths of nano-dollars: not rounded.
    #[must_use]
    pub fn exact(&self) -> i128 {
        i128::from(self.tokens).saturating_mul(i128::from(self.rate.0))
    }
}

/// A factor or fee that is asked for and must then be known.
fn wanted<T>(
    asked: bool,
    known: Option<T>,
    otherwise: UnpricedReason,
) -> Result<Option<T>, UnpricedReason> {
    if asked {
        known.map(Some).ok_or(otherwise)
    } else {
        Ok(None)
    }
}

/// `sum` millionths of nano-dollars times `factors`, divided once and rounded half up.
fn amount(sum: i128, factors: &[Option<Ratio>]) -> NanoUsd {
    let (mut above, mut below) = (sum, 1_000_000_i128);
    for Ratio(numerator, denominator) in factors.iter().flatten() {
        above = above.saturating_mul(i128::from(*numerator));
        below = below.saturating_mul(i128::from(*denominator));
    }
    let rounded = above.saturating_add(below / 2).div_euclid(below);
    NanoUsd(i64::try_from(rounded).unwrap_or(i64::MAX))
}
