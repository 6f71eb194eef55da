//! By what costs are computed: the book, the user's own prices before it, and which cost counts.

use super::{
    Model, Override, PriceBook, Priced, Query, Resolved,
    overrides::{Own, for_model},
};
use crate::{money::NanoUsd, time::UnixMillis, usage::Source};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};

/// Which cost of a response counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum CostRule {
    /// The one computed from tokens and prices.
    Computed,
    /// The one its log states; unknown where it states none.
    Recorded,
    /// The one its log states, else the computed one.
    RecordedElseComputed,
}

/// The user's say in what a response costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Terms {
    /// Which cost of Claude Code's responses counts.
    pub claude_code: CostRule,
    /// Which cost of OpenClaw's responses counts.
    pub openclaw: CostRule,
    /// Prices that win over the book.
    pub own: Vec<Override>,
}

/// OpenClaw knows prices of models that users set up themselves; what Claude Code used to state was often wrong.
impl Default for Terms {
    fn default() -> Self {
        Self {
            claude_code: CostRule::Computed,
            openclaw: CostRule::RecordedElseComputed,
            own: Vec::new(),
        }
    }
}

/// All that decides over costs; while it stays the same, so do they.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Basis {
    /// The price book's fingerprint.
    pub book: String,
    /// The user's say.
    #[serde(flatten)]
    pub terms: Terms,
}

/// What of a [`Basis`] became another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The price book.
    Book,
    /// The user's own prices.
    OwnPrices,
    /// Which cost counts.
    CostRule,
}

/// Why responses have no cost, as far as their sums tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "ts", derive(ts_rs::TS), ts(export_to = "types.ts"))]
#[serde(rename_all = "snake_case")]
pub enum Gap {
    /// No price is known for the model.
    UnknownModel,
    /// Only the total of their tokens is known, and each class has its own price.
    UnsplitTokens,
    /// Made in a mode (fast, batch, with web searches) that has no price with this model.
    UnknownMode,
    /// Only the cost that a log states counts, and theirs states none.
    NotRecorded,
    /// Only a gateway's totals tell of them, and it knows no price.
    PriceMissingThere,
}

/// A response as far as its cost depends on it.
#[derive(Debug, Clone, Copy)]
pub struct Priceable<'a> {
    /// Whose it is.
    pub source: Source,
    /// The cost its log states.
    pub recorded: Option<NanoUsd>,
    /// What a price is asked for.
    pub query: Query<'a>,
}

/// The price book and the user's own prices, with the models met so far looked up.
#[derive(Debug, Default)]
pub struct Prices {
    terms: Terms,
    known: Vec<Known>,
    /// By provider and model, as logged.
    places: FxHashMap<String, FxHashMap<String, usize>>,
}

/// What a provider and model as logged mean.
#[derive(Debug)]
struct Known {
    book: Resolved<'static>,
    /// Places in [`Terms::own`] with how they go together, the best first.
    own: Vec<(usize, super::Match, bool)>,
}

impl CostRule {
    /// The words of the config file.
    pub const ALL: [(&'static str, Self); 3] = [
        ("computed", Self::Computed),
        ("recorded", Self::Recorded),
        ("recorded-else-computed", Self::RecordedElseComputed),
    ];

    /// Which of the two counts.
    #[must_use]
    pub fn choose(self, computed: Option<NanoUsd>, recorded: Option<NanoUsd>) -> Option<NanoUsd> {
        match self {
            Self::Computed => computed,
            Self::Recorded => recorded,
            Self::RecordedElseComputed => recorded.or(computed),
        }
    }
}

impl Terms {
    /// Which cost of a source's responses counts.
    #[must_use]
    pub const fn rule(&self, source: Source) -> CostRule {
        match source {
            Source::ClaudeCode => self.claude_code,
            Source::OpenClaw => self.openclaw,
        }
    }
}

impl Basis {
    /// The embedded book under these terms.
    #[must_use]
    pub fn of(terms: &Terms) -> Self {
        Self {
            book: format!("{:016x}", PriceBook::embedded_fingerprint()),
            terms: terms.clone(),
        }
    }

    /// What became another since `before`.
    #[must_use]
    pub fn changes(&self, before: &Self) -> Vec<Change> {
        let (now, then) = (&self.terms, &before.terms);
        let rules = |terms: &Terms| (terms.claude_code, terms.openclaw);
        [
            (self.book != before.book).then_some(Change::Book),
            (now.own != then.own).then_some(Change::OwnPrices),
            (rules(now) != rules(then)).then_some(Change::CostRule),
        ]
        .into_iter()
        .flatten()
        .collect()
    }
}

impl Change {
    /// The words shown to people.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::Book => "another price book",
            Self::OwnPrices => "other prices of your own",
            Self::CostRule => "another choice of which cost counts",
        }
    }
}

impl Gap {
    /// The words shown to people, behind "their cost is not known: ".
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Self::UnknownModel => "no price is known for the model",
            Self::UnsplitTokens => "only the total of their tokens is known",
            Self::UnknownMode => {
                "no price is known for their mode (fast, batch or web search) with this model"
            }
            Self::NotRecorded => "their log states no cost, and only that counts",
            Self::PriceMissingThere => "the gateway that counted them knows no price for the model",
        }
    }

    /// What to do about it.
    #[must_use]
    pub const fn advice(self) -> &'static str {
        match self {
            Self::UnknownModel => "add its price to the config file, or wait for a newer Clawspend",
            Self::UnsplitTokens => "nothing helps: their logs do not tell the classes apart",
            Self::UnknownMode => "a newer Clawspend may know it",
            Self::NotRecorded => "choose \"recorded-else-computed\" in [costs] of the config file",
            Self::PriceMissingThere => {
                "give the model its price in the gateway's own configuration"
            }
        }
    }
}

impl Prices {
    /// The embedded book under these terms.
    #[must_use]
    pub fn new(terms: Terms) -> Self {
        Self {
            terms,
            ..Self::default()
        }
    }

    /// The user's say.
    #[must_use]
    pub const fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The cost that counts; `None` when it is not known.
    pub fn cost(&mut self, response: Priceable<'_>) -> Option<NanoUsd> {
        let Priceable {
            source,
            recorded,
            query,
        } = response;
        let rule = self.terms.rule(source);
        rule.choose(self.price(&query).cost(), recorded)
    }

    /// The computed cost, and how it came to be.
    pub fn price(&mut self, query: &Query<'_>) -> Priced<'_> {
        let Query {
            provider,
            model,
            at,
            tokens,
            modifiers,
        } = query;
        let place = self.place(provider, model);
        let known = &self.known[place];
        match self.own(known, *at) {
            Some(own) => super::receipt(Some(own), known.model(), *at, tokens, *modifiers),
            None => known.book.price(*at, tokens, *modifiers),
        }
    }

    /// The book's answer, and the user's own prices for the model at any time, the best first.
    pub fn candidates(
        &mut self,
        provider: &str,
        model: &str,
    ) -> (Resolved<'static>, Vec<&Override>) {
        let place = self.place(provider, model);
        let known = &self.known[place];
        let own = known.own.iter().map(|(at, ..)| &self.terms.own[*at]);
        (known.book, own.collect())
    }

    /// Why responses of this model, made around `at`, have no cost; `unsplit` when tokens of theirs are not split.
    pub fn gap(
        &mut self,
        source: Source,
        provider: &str,
        model: &str,
        at: UnixMillis,
        unsplit: bool,
    ) -> Gap {
        let (tokens, modifiers) = Default::default();
        let ordinary = Query {
            provider,
            model,
            at,
            tokens,
            modifiers,
        };
        if self.terms.rule(source) == CostRule::Recorded {
            Gap::NotRecorded
        } else if self.price(&ordinary).cost().is_none() {
            Gap::UnknownModel
        } else if unsplit {
            Gap::UnsplitTokens
        } else {
            Gap::UnknownMode
        }
    }

    fn own(&self, known: &Known, at: UnixMillis) -> Option<Own<'_>> {
        let own = known.own.iter().map(|(place, how, fast)| Own {
            price: &self.terms.own[*place],
            fast: *fast,
            how: *how,
        });
        let mut holding = own.filter(|own| own.price.since().is_none_or(|since| since <= at));
        holding.next()
    }

    /// Where it is known; without an allocation for a model met before.
    fn place(&mut self, provider: &str, model: &str) -> usize {
        let place = self
            .places
            .get(provider)
            .and_then(|models| models.get(model));
        if let Some(place) = place {
            return *place;
        }
        let book = PriceBook::embedded();
        self.known.push(Known {
            book: book.resolve(provider, model),
            own: for_model(&self.terms.own, book, provider, model),
        });
        let place = self.known.len() - 1;
        let models = self.places.entry(provider.to_owned()).or_default();
        models.insert(model.to_owned(), place);
        place
    }
}

impl Known {
    const fn model(&self) -> Option<Model<'static>> {
        match self.book {
            Resolved::Model(model) => Some(model),
            Resolved::Free | Resolved::Unknown => None,
        }
    }
}
