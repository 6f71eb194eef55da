//! What a response costs, and how that came to be: the dated price book and its arithmetic. Pure.
//!
//! ```text
//! provider, model ─ resolve ─► Model ─ period valid at the time ─ tier ─► rates × tokens × factors + searches
//! ```
//!
//! A model the book does not know has no price: never zero, never another model's.

mod book;
mod model_name;
#[cfg(test)]
mod tests;

pub use book::{Model, PriceBook, Ratio, Resolved};

use crate::{
    money::{NanoUsd, Rate},
    time::UnixMillis,
    usage::{Modifiers, Tokens},
};
use book::Rates;

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
pub enum Priced {
    /// It has a price.
    Known(Receipt),
    /// It costs nothing: run on the user's own machine, or given away.
    Free,
    /// What it costs cannot be told.
    Unpriced(UnpricedReason),
}

/// Why a response has no price.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Who bills: the book's provider.
    pub provider: &'static str,
    /// The book's name of the model.
    pub model: &'static str,
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

/// One class of tokens on a receipt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ReceiptLine {
    /// Which tokens.
    pub class: Class,
    /// How many.
    pub tokens: u64,
    /// At what price.
    pub rate: Rate,
    /// Where the rate comes from.
    pub basis: Basis,
}

/// A class of tokens with a price of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Input that no cache served.
    Input,
    /// Output, thinking included.
    Output,
    /// Input served from the cache.
    CacheRead,
    /// Input written to the five-minute cache.
    CacheWrite5m,
    /// Input written to the one-hour cache.
    CacheWrite1h,
}

/// Where a line's rate comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The book lists it.
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
    pub fn price(&self, query: &Query<'_>) -> Priced {
        self.resolve(query.provider, query.model)
            .price(query.at, &query.tokens, query.modifiers)
    }
}

impl Resolved<'_> {
    /// Prices one response of this model; allocates nothing.
    #[must_use]
    pub fn price(self, at: UnixMillis, tokens: &Tokens, modifiers: Modifiers) -> Priced {
        match self {
            Self::Free => Priced::Free,
            Self::Unknown => Priced::Unpriced(UnpricedReason::UnknownModel),
            Self::Model(model) => match model.receipt(at, tokens, modifiers) {
                Ok(receipt) => Priced::Known(receipt),
                Err(reason) => Priced::Unpriced(reason),
            },
        }
    }
}

impl Priced {
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

impl Model<'_> {
    fn receipt(
        self,
        at: UnixMillis,
        tokens: &Tokens,
        modifiers: Modifiers,
    ) -> Result<Receipt, UnpricedReason> {
        if tokens.unsplit > 0 {
            return Err(UnpricedReason::UnsplitTokens);
        }
        let period = self.period(at);
        let (rates, tier, by_time_of_day) = period.rates(at, tokens.context());
        let fast = wanted(
            modifiers.fast || self.fast,
            period.fast,
            UnpricedReason::NoFastPrice,
        )?;
        let batch = wanted(
            modifiers.batch,
            self.provider.batch,
            UnpricedReason::NoBatchPrice,
        )?;
        let us_only = self.provider.us.filter(|_| modifiers.us_only);
        let fee = wanted(
            modifiers.web_searches > 0,
            period.search,
            UnpricedReason::NoSearchFee,
        )?;
        let searches = NanoUsd(fee.map_or(0, |fee| {
            fee.0.saturating_mul(i64::from(modifiers.web_searches))
        }));
        let lines = Class::ALL.map(|class| {
            let (rate, basis) = self.rate(class, rates);
            ReceiptLine {
                class,
                tokens: class.of(tokens),
                rate,
                basis,
            }
        });
        let sum = lines
            .iter()
            .map(ReceiptLine::exact)
            .fold(0, i128::saturating_add);
        let factors = [fast, batch, us_only];
        Ok(Receipt {
            provider: self.provider(),
            model: self.id(),
            since: period.from,
            tier,
            by_time_of_day,
            lines,
            fast,
            batch,
            us_only,
            searches,
            total: amount(sum, &factors) + searches,
        })
    }

    /// The class's rate, or what stands in for one that is not listed.
    fn rate(self, class: Class, rates: &Rates) -> (Rate, Basis) {
        let listed = |class: Class| rates[class as usize];
        if let Some(rate) = listed(class) {
            return (rate, Basis::Listed);
        }
        let input = listed(Class::Input).unwrap_or_default();
        let claude = self.id().contains("claude");
        match class {
            Class::CacheWrite5m if claude => (Rate(input.0 * 5 / 4), Basis::TimesInput),
            Class::CacheWrite1h if claude => (Rate(input.0 * 2), Basis::TimesInput),
            Class::CacheWrite1h => listed(Class::CacheWrite5m)
                .map_or((input, Basis::AsInput), |short| {
                    (short, Basis::AsShortWrite)
                }),
            _ => (input, Basis::AsInput),
        }
    }
}

impl ReceiptLine {
    /// Tokens times rate, rounded by itself: a total is not the sum of rounded lines.
    #[must_use]
    pub fn amount(&self) -> NanoUsd {
        amount(self.exact(), &[])
    }

    /// In millionths of nano-dollars.
    fn exact(&self) -> i128 {
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
