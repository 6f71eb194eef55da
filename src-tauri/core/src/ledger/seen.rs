//! Which models the ledger has seen, and which of their responses have no cost.

use super::{
    Ledger, LedgerError,
    dimensions::{source, source_number},
    names::NameId,
    rests,
    rollups::{SUMS, amount, day_number, day_of_number},
};
use crate::{
    pricing::{Gap, Prices},
    summary::Amount,
    time::{Slot, day_start, slots},
    usage::Source,
};
use jiff::{civil::Date, tz::TimeZone};
use std::{collections::BTreeMap, sync::Arc};

/// A model as logged, and what its responses came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenModel {
    /// Whose responses.
    pub source: Source,
    /// Provider as written; may be empty.
    pub provider: Arc<str>,
    /// Model as written.
    pub model: Arc<str>,
    /// Their sum.
    pub amount: Amount,
    /// The quarter hour of the first; the beginning of its day where a gateway counts it by day.
    pub first: Slot,
    /// The same of the latest.
    pub last: Slot,
    /// Why some have no cost, and how many.
    pub gaps: BTreeMap<Gap, u64>,
}

impl Ledger {
    /// The models of these days, dearest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn seen_models(
        &mut self,
        (since, until): (Date, Date),
        zone: &TimeZone,
        prices: &mut Prices,
    ) -> Result<Vec<SeenModel>, LedgerError> {
        let path = &self.path;
        let mut names = self.names.on(&self.connection);
        let mut read = || {
            let mut seen: BTreeMap<(i64, NameId, NameId), SeenModel> = BTreeMap::new();
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT slot, source, provider, model, {SUMS} FROM rollups
                 JOIN owners ON owners.id = rollups.owner JOIN calls ON calls.id = rollups.call
                 WHERE slot >= ?1 AND slot < ?2"
            ))?;
            let time = slots(since, until, zone);
            let mut rows = statement.query([time.start, time.end])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let key = (row.get(1)?, NameId(row.get(2)?), NameId(row.get(3)?));
                found.push((Slot(row.get(0)?), key, amount(row, 4)?, false));
            }
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT day, provider, model, {} FROM rests WHERE day BETWEEN ?1 AND ?2",
                rests::FIGURES
            ))?;
            let mut rows = statement.query([day_number(since), day_number(until)])?;
            while let Some(row) = rows.next()? {
                let begins = day_start(day_of_number(row.get(0)?), zone).slot();
                let source = source_number(Source::OpenClaw);
                let key = (source, NameId(row.get(1)?), NameId(row.get(2)?));
                found.push((begins, key, rests::amount(row, 3)?, true));
            }
            for (slot, key, amount, is_rest) in found {
                let (provider, model) = (names.text(key.1)?, names.text(key.2)?);
                let one = seen.entry(key).or_insert_with(|| SeenModel {
                    source: source(key.0),
                    provider: provider.clone(),
                    model: model.clone(),
                    amount: Amount::default(),
                    first: slot,
                    last: slot,
                    gaps: BTreeMap::new(),
                });
                one.amount += amount;
                one.first = one.first.min(slot);
                one.last = one.last.max(slot);
                if amount.unpriced_responses > 0 {
                    let unsplit = amount.tokens.unsplit > 0;
                    let gap = if is_rest {
                        Gap::PriceMissingThere
                    } else {
                        prices.gap(one.source, &provider, &model, slot.start(), unsplit)
                    };
                    *one.gaps.entry(gap).or_default() += amount.unpriced_responses;
                }
            }
            Ok(seen.into_values().collect::<Vec<_>>())
        };
        let mut seen = read().map_err(|source| LedgerError::new(path, source))?;
        seen.sort_by(|one, two| {
            let rank =
                |it: &SeenModel| std::cmp::Reverse((it.amount.cost, it.amount.tokens.total()));
            let name = |it: &SeenModel| (it.model.clone(), it.provider.clone(), it.source);
            rank(one)
                .cmp(&rank(two))
                .then_with(|| name(one).cmp(&name(two)))
        });
        Ok(seen)
    }
}
