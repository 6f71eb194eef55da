//! The user's own prices: which of them a logged provider and model mean.

use super::{Match, PriceBook, Resolved, book::Rates, model_name::spellings};
use crate::time::{UnixMillis, day_start};
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Serialize};

/// A price of the user's own; it wins over the book from its day on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Override {
    /// The model, in lower case; found under the same spellings as one of the book.
    pub model: String,
    /// Who bills, in lower case; `None` for whoever does.
    pub provider: Option<String>,
    /// Since UTC's midnight of this day; `None` for ever.
    pub from: Option<Date>,
    /// Dollars per million tokens; those of input and output are there.
    pub rates: Rates,
}

/// A price of the user's own that was found for a model.
#[derive(Debug, Clone, Copy)]
pub(super) struct Own<'o> {
    pub(super) price: &'o Override,
    /// The name itself says fast mode.
    pub(super) fast: bool,
    pub(super) how: Match,
}

impl Override {
    /// Since when it holds.
    #[must_use]
    pub fn since(&self) -> Option<UnixMillis> {
        self.from.map(|day| day_start(day, &TimeZone::UTC))
    }

    /// How it and a model as logged go together; `None` when they do not.
    #[must_use]
    pub fn matches(&self, book: &PriceBook, provider: &str, model: &str) -> Option<Match> {
        let (provider, model) = (provider.trim().to_lowercase(), model.trim().to_lowercase());
        self.found(book, &provider, &model).map(|own| own.how)
    }

    fn found(&self, book: &PriceBook, provider: &str, model: &str) -> Option<Own<'_>> {
        let spelling = spellings(model).find(|spelling| spelling.name == self.model)?;
        let billed_by = |wanted: &String| match book.resolve(provider, model) {
            // A log that names nobody means who made the model.
            Resolved::Model(model) if provider.is_empty() => {
                book.provider_id(wanted) == model.provider()
            }
            _ => book.provider_id(wanted) == book.provider_id(provider),
        };
        self.provider.as_ref().is_none_or(billed_by).then_some(Own {
            price: self,
            fast: spelling.fast,
            how: spelling.how,
        })
    }
}

/// Those of `all` that mean a model as logged, whatever the time, by their places; the best first: the closest name,
/// then those for one provider, then the latest.
pub(super) fn for_model(
    all: &[Override],
    book: &PriceBook,
    provider: &str,
    model: &str,
) -> Vec<(usize, Match, bool)> {
    let (provider, model) = (provider.trim().to_lowercase(), model.trim().to_lowercase());
    let found = all.iter().enumerate();
    let mut found: Vec<(usize, Own<'_>)> = found
        .filter_map(|(at, one)| Some((at, one.found(book, &provider, &model)?)))
        .collect();
    // A longer spelling is closer to the one written.
    let rank = |own: &Own<'_>| {
        (
            own.how,
            usize::MAX - own.price.model.len(),
            own.price.provider.is_none(),
        )
    };
    found.sort_by(|(_, one), (_, two)| {
        rank(one)
            .cmp(&rank(two))
            .then_with(|| two.price.from.cmp(&one.price.from))
    });
    found
        .into_iter()
        .map(|(at, own)| (at, own.how, own.fast))
        .collect()
}
