//! Which models the ledger has seen, and which of their responses have no cost.

use super::{
    Ledger, LedgerError,
    dimensions::source,
    names::NameId,
    rollups::{SUMS, amount},
};
use crate::{
    pricing::{Gap, Prices},
    summary::Amount,
    time::Slot,
    usage::Source,
};
use std::{collections::BTreeMap, ops::Range, sync::Arc};

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
    /// The quarter hour of the first.
    pub first: Slot,
    /// The quarter hour of the latest.
    pub last: Slot,
    /// Why some have no cost, and how many.
    pub gaps: BTreeMap<Gap, u64>,
}

impl Ledger {
    /// The models of these slots, dearest first.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn seen_models(
        &mut self,
        slots: Range<i64>,
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
            let mut rows = statement.query([slots.start, slots.end])?;
            while let Some(row) = rows.next()? {
                let slot = Slot(row.get(0)?);
                let key = (row.get(1)?, NameId(row.get(2)?), NameId(row.get(3)?));
                let amount = amount(row, 4)?;
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
                    let gap = prices.gap(one.source, &provider, &model, slot.start(), unsplit);
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
