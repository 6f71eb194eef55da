//! The price book: `prices.json`, and which of its rows a logged provider and model mean.

use super::model_name::{Match, spellings};
use crate::{
    money::{NanoUsd, Rate},
    time::{UnixMillis, day_start},
};
use jiff::{civil::Date, tz::TimeZone};
use serde::{Deserialize, Deserializer, Serialize};
use std::{fmt, sync::OnceLock};

const EMBEDDED: &str = include_str!("../../prices.json");

/// Raised when the same book gives other costs than before, so that stored costs are computed again.
const RULES: u64 = 1;

/// Dated prices of models by provider.
#[derive(Debug)]
pub struct PriceBook {
    header: Header,
    fingerprint: u64,
}

#[derive(Debug, Deserialize)]
struct Header {
    generated_at: Date,
    sources: Vec<Origin>,
    #[serde(borrow)]
    local: Vec<&'static str>,
    providers: Vec<Provider>,
}

#[derive(Debug, Deserialize)]
struct Origin {
    name: &'static str,
    #[serde(default)]
    version: &'static str,
}

/// Who bills for a model, and all its models.
#[derive(Debug, Deserialize)]
pub(super) struct Provider {
    pub(super) id: &'static str,
    #[serde(default, borrow)]
    aliases: Vec<&'static str>,
    /// Beginnings of the names of its own models, whoever relays them.
    #[serde(default, borrow)]
    owns: Vec<&'static str>,
    pub(super) batch: Option<Ratio>,
    pub(super) us: Option<Ratio>,
    pub(super) models: Box<[Row]>,
    /// Every name of every model with the model's place in `models`, sorted.
    #[serde(skip)]
    index: Box<[(&'static str, u16)]>,
}

/// One model's prices over time.
#[derive(Debug, Deserialize)]
pub(super) struct Row {
    pub(super) id: &'static str,
    #[serde(default, borrow)]
    names: Box<[&'static str]>,
    /// Oldest first; the first one holds since ever.
    pub(super) prices: Box<[Period]>,
}

/// Prices by token class, in the order of [`super::Class::ALL`]; `None` where none is listed.
pub type Rates = [Option<Rate>; 5];

/// What a model costs from some time on.
#[derive(Debug, Deserialize)]
pub struct Period {
    /// Its beginning; `None` for the oldest known.
    #[serde(default, deserialize_with = "since")]
    pub from: Option<UnixMillis>,
    /// The rates of an ordinary request.
    pub rates: Rates,
    /// Whole-request tiers: above so many tokens of context, these rates. Rising.
    #[serde(default)]
    pub over: Box<[(u64, Rates)]>,
    /// Other rates at some times of the day.
    pub daily: Option<Box<Daily>>,
    /// What fast mode multiplies by.
    pub fast: Option<Ratio>,
    /// Price of one web search.
    pub search: Option<NanoUsd>,
}

/// Other rates at some times of the day.
#[derive(Debug, Deserialize)]
pub struct Daily {
    /// From and to, in minutes since midnight, the end excluded.
    pub utc_minutes: Box<[[i64; 2]]>,
    /// Not on Saturday and Sunday.
    #[serde(default)]
    pub weekdays: bool,
    /// The rates then.
    pub rates: Rates,
}

/// An exact factor: numerator and denominator.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ratio(pub u32, pub u32);

/// As a decimal: "2", "0.5", "1.1".
impl fmt::Display for Ratio {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(above, below) = *self;
        let (whole, rest) = (above / below.max(1), above % below.max(1));
        let thousandths = u64::from(rest) * 1_000 / u64::from(below.max(1));
        let places = format!("{thousandths:03}");
        match places.trim_end_matches('0') {
            "" => write!(out, "{whole}"),
            places => write!(out, "{whole}.{places}"),
        }
    }
}

/// What a logged provider and model mean; worth keeping when many responses share them.
#[derive(Debug, Clone, Copy)]
pub enum Resolved<'b> {
    /// A model of the book.
    Model(Model<'b>),
    /// Runs on the user's own machine, or is given away.
    Free,
    /// The book knows no such model.
    Unknown,
}

/// A model of the book.
#[derive(Debug, Clone, Copy)]
pub struct Model<'b> {
    pub(super) provider: &'b Provider,
    pub(super) row: &'b Row,
    /// The name itself says fast mode.
    pub(super) fast: bool,
    pub(super) how: Match,
    pub(super) by_owner: bool,
}

impl PriceBook {
    /// The book this program was built with; read at the first call.
    ///
    /// # Panics
    /// Never: a test reads the embedded book.
    pub fn embedded() -> &'static Self {
        static BOOK: OnceLock<PriceBook> = OnceLock::new();
        BOOK.get_or_init(|| Self::parse(EMBEDDED).expect("the embedded price book is well-formed"))
    }

    /// The embedded book's fingerprint, without reading the book.
    #[must_use]
    pub fn embedded_fingerprint() -> u64 {
        fingerprint(EMBEDDED)
    }

    /// Reads a book in the format of `prices.json`.
    ///
    /// # Errors
    /// When the text has another format.
    pub fn parse(text: &'static str) -> Result<Self, serde_json::Error> {
        let mut header: Header = serde_json::from_str(text)?;
        for provider in &mut header.providers {
            provider.index = index(&mut provider.models);
        }
        Ok(Self {
            header,
            fingerprint: fingerprint(text),
        })
    }

    /// Where the prices come from: "genai-prices 0.2.3, litellm 1.109.1".
    #[must_use]
    pub fn version(&self) -> String {
        let named = |origin: &Origin| format!("{} {}", origin.name, origin.version);
        let dated = self
            .header
            .sources
            .iter()
            .filter(|origin| !origin.version.is_empty());
        dated.map(named).collect::<Vec<_>>().join(", ")
    }

    /// The day the prices were last looked at.
    #[must_use]
    pub const fn generated_on(&self) -> Date {
        self.header.generated_at
    }

    /// Differs between books that may give different costs.
    #[must_use]
    pub const fn fingerprint(&self) -> u64 {
        self.fingerprint
    }

    /// Which of the book's models a log means: the named provider's own row first, then that of the model's owner.
    #[must_use]
    pub fn resolve(&self, provider: &str, model: &str) -> Resolved<'_> {
        let (provider, model) = (provider.trim().to_lowercase(), model.trim().to_lowercase());
        let prefix = model.split_once('/').map(|(prefix, _)| prefix);
        let named = if provider.is_empty() {
            prefix
        } else {
            Some(provider.as_str())
        };
        let seller = named.and_then(|name| self.provider(name));
        let router = seller.map_or(provider.is_empty(), |seller| seller.id == "openrouter");
        if named.is_some_and(|name| self.header.local.contains(&name))
            || (router && model.ends_with(":free"))
        {
            return Resolved::Free;
        }
        let sold = || find(seller?, &model);
        // A model id alone names no seller, only the way the request took.
        let found = if provider.is_empty() {
            self.owned(&model).or_else(sold)
        } else {
            sold().or_else(|| self.owned(&model))
        };
        found.map_or(Resolved::Unknown, Resolved::Model)
    }

    fn provider(&self, name: &str) -> Option<&Provider> {
        let is_called =
            |provider: &&Provider| provider.id == name || provider.aliases.contains(&name);
        self.header.providers.iter().find(is_called)
    }

    /// The model in its owner's part of the book.
    fn owned(&self, model: &str) -> Option<Model<'_>> {
        let bare = spellings(model).map(|spelling| spelling.name);
        let owner = |name: &str| {
            let owns =
                |provider: &&Provider| provider.owns.iter().any(|start| name.starts_with(start));
            self.header.providers.iter().find(owns)
        };
        let found = find(bare.filter_map(owner).next()?, model)?;
        Some(Model {
            by_owner: true,
            ..found
        })
    }

    /// The provider that goes by this name, by its one name in the book; else the name itself.
    pub(super) fn provider_id<'a>(&'a self, name: &'a str) -> &'a str {
        self.provider(name).map_or(name, |provider| provider.id)
    }

    /// Names of the book that `model` may be a misspelling of, the nearest first.
    #[must_use]
    pub fn near(&self, model: &str) -> Vec<&'static str> {
        let model = model.trim().to_lowercase();
        let names = self
            .header
            .providers
            .iter()
            .flat_map(|provider| &provider.index);
        let mut near: Vec<(usize, &'static str)> = names
            .map(|(name, _)| (strsim::damerau_levenshtein(&model, name), *name))
            .filter(|(distance, name)| *distance <= 1 + name.len() / 5)
            .collect();
        near.sort_unstable();
        near.dedup();
        near.truncate(3);
        near.into_iter().map(|(_, name)| name).collect()
    }

    #[cfg(test)]
    pub(super) fn providers(&self) -> &[Provider] {
        &self.header.providers
    }
}

fn find<'b>(provider: &'b Provider, model: &str) -> Option<Model<'b>> {
    spellings(model).find_map(|spelling| {
        let place = provider
            .index
            .binary_search_by_key(&spelling.name, |(name, _)| name)
            .ok()?;
        let row = provider.models.get(usize::from(provider.index[place].1))?;
        Some(Model {
            provider,
            row,
            fast: spelling.fast,
            how: spelling.how,
            by_owner: false,
        })
    })
}

fn index(models: &mut [Row]) -> Box<[(&'static str, u16)]> {
    let mut index = Vec::with_capacity(2 * models.len());
    for (row, place) in models.iter_mut().zip(0..=u16::MAX) {
        index.push((row.id, place));
        index.extend(
            std::mem::take(&mut row.names)
                .iter()
                .map(|name| (*name, place)),
        );
    }
    index.sort_unstable();
    index.into_boxed_slice()
}

/// An instant, or a day, which begins at UTC's midnight.
fn since<'de, D: Deserializer<'de>>(text: D) -> Result<Option<UnixMillis>, D::Error> {
    let text = <&str>::deserialize(text)?;
    if let Some(at) = UnixMillis::parse_rfc3339(text) {
        return Ok(Some(at));
    }
    let day: Date = text.parse().map_err(serde::de::Error::custom)?;
    Ok(Some(day_start(day, &TimeZone::UTC)))
}

#[cfg(test)]
impl Provider {
    pub(super) fn names(&self) -> &[(&'static str, u16)] {
        &self.index
    }
}

#[cfg(test)]
impl Period {
    pub(super) fn all_rates(&self) -> impl Iterator<Item = &Rates> {
        let tiers = self.over.iter().map(|(_, rates)| rates);
        std::iter::once(&self.rates)
            .chain(tiers)
            .chain(self.daily.iter().map(|daily| &daily.rates))
    }
}

impl<'b> Model<'b> {
    /// The prices in force at `at`.
    #[must_use]
    pub fn period(self, at: UnixMillis) -> &'b Period {
        let later = self
            .row
            .prices
            .partition_point(|period| period.from.is_none_or(|from| from <= at));
        &self.row.prices[later.saturating_sub(1)]
    }

    /// All its prices, oldest first.
    #[must_use]
    pub const fn periods(self) -> &'b [Period] {
        &self.row.prices
    }

    /// How its name in the book and the one asked for go together.
    #[must_use]
    pub const fn how(self) -> Match {
        self.how
    }

    /// The seller is not known, or has no price of its own: this is the price of who made the model.
    #[must_use]
    pub const fn by_owner(self) -> bool {
        self.by_owner
    }

    /// What its provider multiplies a batch by.
    #[must_use]
    pub const fn batch(self) -> Option<Ratio> {
        self.provider.batch
    }

    /// What its provider multiplies inference pinned to the United States by.
    #[must_use]
    pub const fn us_only(self) -> Option<Ratio> {
        self.provider.us
    }

    /// Who bills for it.
    #[must_use]
    pub const fn provider(self) -> &'static str {
        self.provider.id
    }

    /// Its one name in the book.
    #[must_use]
    pub const fn id(self) -> &'static str {
        self.row.id
    }
}

impl Period {
    /// The rates for a request of that context at that time, with the tier's threshold when one was passed and
    /// whether the time of day decided.
    pub(super) fn rates(&self, at: UnixMillis, context: u64) -> (&Rates, Option<u64>, bool) {
        if let Some(daily) = self.daily.as_deref().filter(|daily| daily.holds(at)) {
            return (&daily.rates, None, true);
        }
        match self
            .over
            .iter()
            .rev()
            .find(|(threshold, _)| context > *threshold)
        {
            Some((threshold, rates)) => (rates, Some(*threshold), false),
            None => (&self.rates, None, false),
        }
    }
}

impl Daily {
    fn holds(&self, at: UnixMillis) -> bool {
        let minutes = at.0.div_euclid(60_000);
        // The epoch was a Thursday, the fourth day of its week.
        let weekday = (minutes.div_euclid(24 * 60) + 3).rem_euclid(7);
        let minute = minutes.rem_euclid(24 * 60);
        (weekday < 5 || !self.weekdays)
            && self
                .utc_minutes
                .iter()
                .any(|[start, end]| (*start..*end).contains(&minute))
    }
}

fn fingerprint(text: &str) -> u64 {
    xxhash_rust::xxh3::xxh3_64_with_seed(text.as_bytes(), RULES)
}
