//! What the ledger is asked: ranges of days and of quarter hours.

use super::{
    Ledger, LedgerError,
    dimensions::{CallId, FactsOf, OwnerId, source, source_number},
    names::NameId,
    rests,
    rollups::{self, SUMS, amount, day_number, day_of_number},
    state,
};
use crate::{
    money::NanoUsd,
    summary::Amount,
    time::{Slot, UnixMillis, slots},
    usage::Source,
};
use jiff::{civil::Date, tz::TimeZone};
use std::{
    collections::{BTreeMap, HashMap},
    ops::Range,
    sync::Arc,
};

/// Sums of one local day, source and model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayRow {
    /// The local day.
    pub day: Date,
    /// Whose responses.
    pub source: Source,
    /// The model as written.
    pub model: Arc<str>,
    /// Their sum.
    pub amount: Amount,
}

/// A text kept in the ledger once; [`Ledger::text`] tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Name(NameId);

/// What is told of each response as a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dimension {
    /// OpenClaw's agent; `main` or `subagent` for Claude Code.
    Agent,
    /// Working directory.
    Project,
    /// Session id.
    Session,
    /// Git branch.
    Branch,
    /// Kind of Claude Code subagent.
    Subagent,
    /// The gateway that reported it; empty for what was read from a log.
    Gateway,
    /// Provider as written.
    Provider,
    /// Model as written.
    Model,
    /// The provider's interface that was called.
    Api,
    /// Why the response ended.
    StopReason,
    /// OpenClaw's name of the conversation.
    SessionKey,
    /// The name a person gave the session.
    Label,
    /// Where the session is held.
    Channel,
    /// `direct`, `group` or `channel`.
    ChatType,
    /// What began the session.
    Created,
    /// The session that began this one.
    Parent,
}

/// Sums of one quarter hour, or of a day where no time is known, and all dimensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollup {
    /// The quarter hour; `None` of a rest: a gateway tells its totals by day.
    pub slot: Option<Slot>,
    /// Whose responses.
    pub source: Source,
    /// By [`Dimension`], in its order.
    names: [NameId; 16],
    /// Their sum.
    pub amount: Amount,
}

impl Rollup {
    /// What it has in a dimension.
    #[must_use]
    pub const fn name(&self, dimension: Dimension) -> Name {
        Name(self.names[dimension as usize])
    }
}

impl Ledger {
    /// The days `since..=until` of `zone`, in order of day, source and model, with the rests of gateways. A range read
    /// where the ledger counts in that zone, else summed up from the quarter hours.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn days(
        &mut self,
        since: Date,
        until: Date,
        zone: &TimeZone,
        zone_name: &str,
    ) -> Result<Vec<DayRow>, LedgerError> {
        if self.state(state::ZONE)?.as_deref() != Some(zone_name) {
            return self.days_from_rollups(since, until, zone);
        }
        let path = &self.path;
        let mut names = self.names.on(&self.connection);
        let mut read = || {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT day, source, model, {SUMS} FROM days WHERE day BETWEEN ?1 AND ?2
                 UNION ALL SELECT day, {}, model, responses, unpriced, cost, 0, 0, 0, 0, 0, tokens FROM rests
                   WHERE day BETWEEN ?1 AND ?2
                 ORDER BY day, source, model",
                source_number(Source::OpenClaw)
            ))?;
            let mut rows = statement.query([day_number(since), day_number(until)])?;
            let mut found: Vec<DayRow> = Vec::new();
            let mut last = None;
            let (mut number, mut day) = (day_number(since), since);
            while let Some(row) = rows.next()? {
                let now: i64 = row.get(0)?;
                if now != number {
                    (number, day) = (now, day_of_number(now));
                }
                let key = (now, row.get(1)?, NameId(row.get(2)?));
                let amount = amount(row, 3)?;
                match found.last_mut() {
                    Some(same) if last == Some(key) => same.amount += amount,
                    _ => found.push(DayRow {
                        day,
                        source: source(key.1),
                        model: names.text(key.2)?,
                        amount,
                    }),
                }
                last = Some(key);
            }
            Ok(found)
        };
        read().map_err(|source| LedgerError::new(path, source))
    }

    fn days_from_rollups(
        &mut self,
        since: Date,
        until: Date,
        zone: &TimeZone,
    ) -> Result<Vec<DayRow>, LedgerError> {
        let mut days: BTreeMap<(Date, i64, Name), Amount> = BTreeMap::new();
        self.each_sum(since, until, zone, |day, row| {
            *days
                .entry((day, source_number(row.source), row.name(Dimension::Model)))
                .or_default() += row.amount;
        })?;
        days.into_iter()
            .map(|((day, from, model), amount)| {
                Ok(DayRow {
                    day,
                    source: source(from),
                    model: self.text(model)?,
                    amount,
                })
            })
            .collect()
    }

    /// Hands everything that these days sum up from to `visit`, with its day: every rollup, in order of time, then the
    /// rests of gateways.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn each_sum(
        &mut self,
        since: Date,
        until: Date,
        zone: &TimeZone,
        mut visit: impl FnMut(Date, &Rollup),
    ) -> Result<(), LedgerError> {
        let mut last: Option<(Slot, Date)> = None;
        self.each_rollup(slots(since, until, zone), |row| {
            let slot = row.slot.unwrap_or(Slot(0));
            let day = match last {
                Some((known, day)) if known == slot => day,
                _ => slot.start().day(zone),
            };
            last = Some((slot, day));
            visit(day, row);
        })?;
        self.read(|connection| {
            let mut statement = connection.prepare_cached(&format!(
                "SELECT day, gateway, provider, model, agent, {} FROM rests WHERE day BETWEEN ?1 AND ?2 ORDER BY day",
                rests::FIGURES
            ))?;
            let mut rows = statement.query([day_number(since), day_number(until)])?;
            while let Some(row) = rows.next()? {
                let mut names = [NameId::default(); 16];
                for (column, dimension) in [
                    (1, Dimension::Gateway),
                    (2, Dimension::Provider),
                    (3, Dimension::Model),
                    (4, Dimension::Agent),
                ] {
                    names[dimension as usize] = NameId(row.get(column)?);
                }
                let rest = Rollup {
                    slot: None,
                    source: Source::OpenClaw,
                    names,
                    amount: rests::amount(row, 5)?,
                };
                visit(day_of_number(row.get(0)?), &rest);
            }
            Ok(())
        })
    }

    /// Hands every rollup of these slots to `visit`, in order of time. What has no time is not among them.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn each_rollup(
        &mut self,
        slots: Range<i64>,
        mut visit: impl FnMut(&Rollup),
    ) -> Result<(), LedgerError> {
        let path = &self.path;
        let mut known = self.names.on(&self.connection);
        let mut facts = FactsOf::default();
        let mut read = || {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT slot, owner, call, {SUMS} FROM rollups WHERE slot >= ?1 AND slot < ?2 ORDER BY slot"
            ))?;
            let mut rows = statement.query([slots.start, slots.end])?;
            while let Some(row) = rows.next()? {
                let (owner, call) = (OwnerId(row.get(1)?), CallId(row.get(2)?));
                let (source, names) = known.dimensions(owner, call, &mut facts)?;
                visit(&Rollup {
                    slot: Some(Slot(row.get(0)?)),
                    source,
                    names,
                    amount: amount(row, 3)?,
                });
            }
            Ok(())
        };
        read().map_err(|source| LedgerError::new(path, source))
    }

    /// The text of a name.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn text(&mut self, name: Name) -> Result<Arc<str>, LedgerError> {
        let path = &self.path;
        let text = self.names.on(&self.connection).text(name.0);
        text.map_err(|source| LedgerError::new(path, source))
    }

    /// The sessions that a text may mean: those with this id, label or key, else those whose id begins with it.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn find_sessions(&self, text: &str) -> Result<Vec<String>, LedgerError> {
        let named = "SELECT DISTINCT names.text FROM owners JOIN names ON names.id = owners.session
             WHERE names.text = ?1 OR owners.session IN (
               SELECT session FROM sessions JOIN names AS known ON known.id IN (sessions.label, sessions.key)
               WHERE known.text = ?1)
             ORDER BY names.text";
        let begun = "SELECT DISTINCT names.text FROM owners JOIN names ON names.id = owners.session
             WHERE substr(names.text, 1, length(?1)) = ?1 ORDER BY names.text";
        self.read(|connection| {
            let find = |sql| -> rusqlite::Result<Vec<String>> {
                connection
                    .prepare(sql)?
                    .query_map([text], |row| row.get(0))?
                    .collect()
            };
            let found = find(named)?;
            if found.is_empty() {
                find(begun)
            } else {
                Ok(found)
            }
        })
    }

    /// OpenClaw's names of the conversations that sessions belong to, by session, as far as they are known.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn session_keys(&self, source: Source) -> Result<HashMap<String, String>, LedgerError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT id.text, key.text FROM sessions JOIN names AS id ON id.id = sessions.session
                     JOIN names AS key ON key.id = sessions.key WHERE sessions.source = ?1",
                )?
                .query_map([source_number(source)], |row| Ok((row.get(0)?, row.get(1)?)))?
                .collect()
        })
    }

    /// The first day that anything is counted on.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn first_day(&self, zone: &TimeZone) -> Result<Option<Date>, LedgerError> {
        self.read(|connection| {
            let least = |sql| connection.query_row(sql, [], |row| row.get::<_, Option<i64>>(0));
            let slot = least("SELECT MIN(slot) FROM rollups")?;
            let rest = least("SELECT MIN(day) FROM rests")?;
            let slot = slot.map(|slot| Slot(slot).start().day(zone));
            Ok(slot.into_iter().chain(rest.map(day_of_number)).min())
        })
    }

    /// The first quarter hour with a response of a source.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn first_slot_of(&self, source: Source) -> Result<Option<Slot>, LedgerError> {
        self.read(|connection| {
            connection
                .query_row(
                    "SELECT MIN(slot) FROM rollups JOIN owners ON owners.id = rollups.owner WHERE source = ?1",
                    [source_number(source)],
                    |row| row.get::<_, Option<i64>>(0),
                )
                .map(|slot| slot.map(Slot))
        })
    }

    /// When the latest response was made.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn last_response(&self) -> Result<Option<UnixMillis>, LedgerError> {
        Ok(self
            .state(state::LAST_RESPONSE)?
            .and_then(|text| text.parse().ok())
            .map(UnixMillis))
    }

    /// What each of these quarter hours cost, those without a response left out.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn slot_costs(&self, slots: Range<i64>) -> Result<Vec<(Slot, NanoUsd)>, LedgerError> {
        self.read(|connection| {
            let mut statement = connection.prepare_cached(
                "SELECT slot, SUM(cost) FROM rollups WHERE slot >= ?1 AND slot < ?2 GROUP BY slot ORDER BY slot",
            )?;
            let rows =
                statement.query_map([slots.start, slots.end], |row| Ok((Slot(row.get(0)?), NanoUsd(row.get(1)?))))?;
            rows.collect()
        })
    }

    /// Bytes of the ledger's pages, without its write-ahead log.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn bytes(&self) -> Result<u64, LedgerError> {
        self.read(|connection| {
            let pragma =
                |name| connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0));
            Ok((pragma("page_count")? * pragma("page_size")?).cast_unsigned())
        })
    }

    /// How many responses it counts.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn response_count(&self) -> Result<u64, LedgerError> {
        Ok(self.read(rollups::total)?.responses)
    }
}
