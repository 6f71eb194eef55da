//! Table `responses`: what is known of each id that responses have. Its writer is the [`Batch`].
//!
//! A row is one [`Cluster`] in postcard's encoding; mostly it stands for one response. An empty one is what is left of
//! what the user had forgotten, so that no log brings it back: see [`Cluster::traces`]. Costs are not kept: the basis
//! in force, which is, gives the same ones again.

use super::{
    Ledger, LedgerError,
    cluster::{Cluster, Group, Sighting, trace},
    forget::is_forgotten,
    heard::{keep_stored, stored_at},
    names::{NameCache, NameId, NamesOn},
    remote_days,
    rests::{self, Heard, HeardKey},
    rollups::{self, Key, Sums},
    state,
};
use crate::{
    money::{NanoUsd, grouped},
    pricing::{Basis, Change, Priceable, Query},
    summary::Amount,
    time::UnixMillis,
    usage::{Observation, Source},
};
use jiff::tz::TimeZone;
use rusqlite::{CachedStatement, Connection, Transaction, TransactionBehavior};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::path::Path;

pub(super) const CREATE: &str = "
CREATE TABLE responses (
  id INTEGER PRIMARY KEY,
  seen BLOB NOT NULL
) STRICT;
";

/// Computes the cost that counts; `None` when it is not known.
pub type Pricer<'a> = dyn FnMut(Priceable<'_>) -> Option<NanoUsd> + 'a;

/// What computing all costs anew came to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Repriced {
    /// When it was done.
    pub at: UnixMillis,
    /// What was another than before; empty when that cannot be told.
    pub why: Vec<Change>,
    /// The whole ledger before.
    pub before: Amount,
    /// The whole ledger after.
    pub after: Amount,
}

impl Repriced {
    /// One line for the user: why, the total before and after, and of how many responses.
    #[must_use]
    pub fn describe(&self) -> String {
        let why: Vec<&str> = self.why.iter().map(|change| change.describe()).collect();
        let why = if why.is_empty() {
            "other prices".to_owned()
        } else {
            why.join(", ")
        };
        let Self { before, after, .. } = self;
        let cost = match after.cost - before.cost {
            NanoUsd::ZERO => "as before".to_owned(),
            more if more > NanoUsd::ZERO => format!("{} more than before", more.display()),
            less => format!("{} less than before", (NanoUsd::ZERO - less).display()),
        };
        let cost = format!("{} in all, {cost}", after.cost.display());
        let unpriced = match (before.unpriced_responses, after.unpriced_responses) {
            (0, 0) => String::new(),
            (then, now) if then == now => format!(", {} of them without a price", grouped(now)),
            (then, now) => format!(
                ", {} of them without a price, {} before",
                grouped(now),
                grouped(then)
            ),
        };
        let plural = if after.responses == 1 { "" } else { "s" };
        format!(
            "{why}: {cost}; {} response{plural}{unpriced}",
            grouped(after.responses)
        )
    }
}

/// Where an observation lies: a file or database, by the number of its path.
#[derive(Debug, Clone, Copy)]
pub struct Place(NameId);

/// One write transaction: observations, what could not be read, and how far the files have been read commit
/// together. Dropped without [`Batch::commit`], nothing of it remains.
#[derive(Debug)]
pub struct Batch<'l> {
    pub(super) transaction: Transaction<'l>,
    pub(super) names: &'l mut NameCache,
    pub(super) path: &'l Path,
    clusters: FxHashMap<u64, Cluster>,
    /// When gateways stored what they pushed of these ids.
    stored: FxHashMap<u64, UnixMillis>,
    /// The user has had responses forgotten.
    pub(super) forgets: bool,
}

impl Ledger {
    /// Begins a write transaction.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn batch(&mut self) -> Result<Batch<'_>, LedgerError> {
        let transaction = self
            .connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(|source| LedgerError::new(&self.path, source))?;
        self.names.unsettle();
        let forgets = state::get(&transaction, state::FORGOTTEN)
            .map_err(|source| LedgerError::new(&self.path, source))?;
        Ok(Batch {
            forgets: forgets.is_some(),
            transaction,
            names: &mut self.names,
            path: &self.path,
            clusters: FxHashMap::default(),
            stored: FxHashMap::default(),
        })
    }

    /// Computes all costs anew, in one transaction, when their basis is another than last time. Tells what that
    /// came to where there was anything to compute.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn reprice(
        &mut self,
        basis: &Basis,
        zone: &TimeZone,
        price: &mut Pricer<'_>,
        now: UnixMillis,
    ) -> Result<Option<Repriced>, LedgerError> {
        let before = self.basis()?;
        if before.as_ref() == Some(basis) {
            return Ok(None);
        }
        let why = before.map_or(Vec::new(), |before| basis.changes(&before));
        self.write(|connection, names| {
            let before = rollups::total(connection)?;
            recount(connection, names, zone, price)?;
            state::set(connection, state::PRICES, &json(basis))?;
            let after = rollups::total(connection)?;
            let repriced = Repriced {
                at: now,
                why,
                before,
                after,
            };
            if repriced.after.responses == 0 {
                return Ok(None);
            }
            state::set(connection, state::REPRICED, &json(&repriced))?;
            Ok(Some(repriced))
        })
    }

    /// By what the costs in the ledger were computed; `None` in a new one.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn basis(&self) -> Result<Option<Basis>, LedgerError> {
        let text = self.state(state::PRICES)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    /// What computing all costs anew last came to.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn repriced(&self) -> Result<Option<Repriced>, LedgerError> {
        let text = self.state(state::REPRICED)?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// Sums up all responses anew.
pub(super) fn recount<'p>(
    connection: &Connection,
    names: &mut NameCache,
    zone: &TimeZone,
    price: &'p mut Pricer<'p>,
) -> rusqlite::Result<()> {
    rollups::clear(connection)?;
    rests::clear(connection)?;
    let mut tally = Tally::new(names.on(connection), price);
    let mut statement = connection.prepare("SELECT seen, id FROM responses")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        if let Some(cluster) = decode(row.get_ref(0)?.as_blob()?)? {
            tally.count(row.get::<_, i64>(1)?.cast_unsigned(), &cluster, 1)?;
            tally.settle(zone)?;
        }
    }
    tally.finish(zone)?;
    rests::settle_all(&mut names.on(connection))
}

/// Sums held in memory before they are added to the ledger's; bounds what a long history takes.
const MOST_CHANGES: usize = 16_000;

impl Batch<'_> {
    pub(super) fn fail(&self, source: rusqlite::Error) -> LedgerError {
        LedgerError::new(self.path, source)
    }

    /// A path's number, for [`Batch::add`].
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn place(&mut self, path: &str) -> Result<Place, LedgerError> {
        let id = self.names.on(&self.transaction).id(path);
        id.map(Place).map_err(|source| self.fail(source))
    }

    /// Takes in an observation that lies at `offset` of a file or database.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn add(
        &mut self,
        observation: &Observation<'_>,
        place: Place,
        offset: u64,
    ) -> Result<(), LedgerError> {
        let mut names = self.names.on(&self.transaction);
        let mut add = || {
            for one in std::iter::once(observation).chain(&observation.extras) {
                let forgotten = |kept| is_forgotten(&self.transaction, kept);
                // Their names must not come back either.
                if self.forgets
                    && (forgotten(one.cluster)?
                        || forgotten(trace(one.cluster, one.request, &one.tokens))?)
                {
                    continue;
                }
                let seen = Sighting {
                    path: place.0,
                    offset,
                    owner: names.owner(one)?,
                };
                let call = names.call(one)?;
                let cluster = self.clusters.entry(one.cluster);
                let cluster = cluster.or_insert_with(|| Cluster::of(one));
                cluster.add(one, seen, call, &mut names)?;
            }
            Ok(())
        };
        add().map_err(|source| LedgerError::new(self.path, source))
    }

    /// A gateway stored the response of this id then; of several times the last counts.
    pub(super) fn stored(&mut self, id: u64, at: UnixMillis) {
        let known = self.stored.entry(id).or_insert(at);
        *known = at.max(*known);
    }

    /// How many ids wait to be merged into the ledger; memory grows with it.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.clusters.len()
    }

    /// Merges everything into the ledger and commits. True when any response changed.
    ///
    /// # Errors
    /// [`LedgerError`]; then nothing of the batch remains.
    pub fn commit(self, zone: &TimeZone, price: &mut Pricer<'_>) -> Result<bool, LedgerError> {
        let Self {
            transaction,
            names,
            path,
            clusters,
            stored,
            ..
        } = self;
        let run = || {
            let tally = Tally::new(names.on(&transaction), price);
            let changed = merge(&transaction, (&clusters, &stored), tally, zone)?;
            transaction.commit()?;
            names.settle();
            Ok(changed)
        };
        run().map_err(|source| LedgerError::new(path, source))
    }
}

/// Merges clusters with what the ledger knows of them, and adds to the rollups what that changes.
fn merge(
    connection: &Connection,
    (clusters, stored): (&FxHashMap<u64, Cluster>, &FxHashMap<u64, UnixMillis>),
    mut tally: Tally<'_, '_>,
    zone: &TimeZone,
) -> rusqlite::Result<bool> {
    let mut table = Table::new(connection)?;
    // In the table's order, so that neighbouring pages are touched together.
    let mut ids: Vec<u64> = clusters.keys().copied().collect();
    ids.sort_unstable_by_key(|id| id.cast_signed());
    let mut seen = Vec::new();
    for id in ids {
        let cluster = &clusters[&id];
        let key = id.cast_signed();
        let stored = stored.get(&id).copied();
        seen = encode(cluster, seen)?;
        // Most ids are new, and the attempt to insert one tells so: a look before it would find nothing.
        if table.insert.execute((key, seen.as_slice()))? > 0 {
            if let Some(at) = stored {
                keep_stored(connection, id, at)?;
            }
            tally.count(id, cluster, 1)?;
            continue;
        }
        let known: Vec<u8> = table.select.query_row([key], |row| row.get(0))?;
        let Some(before) = decode(&known)? else {
            continue;
        };
        let mut both = before.clone();
        both.merge(cluster, &mut tally.names)?;
        seen = encode(&both, seen)?;
        let later = match stored {
            Some(at) => stored_at(connection, id)?.is_none_or(|known| known < at),
            None => false,
        };
        if seen != known || later {
            tally.count(id, &before, -1)?;
            if let Some(at) = stored.filter(|_| later) {
                keep_stored(connection, id, at)?;
            }
            tally.count(id, &both, 1)?;
            table.update.execute((key, seen.as_slice()))?;
        }
    }
    let changed = !tally.changes.is_empty();
    if let Some(last) = tally.last {
        let known =
            state::get(connection, state::LAST_RESPONSE)?.and_then(|text| text.parse().ok());
        if known.is_none_or(|known| last.0 > known) {
            state::set(connection, state::LAST_RESPONSE, &last.0.to_string())?;
        }
    }
    tally.finish(zone)?;
    if changed {
        remote_days::notice_logs(connection)?;
    }
    Ok(changed)
}

/// The statements of [`merge`], prepared once.
struct Table<'c> {
    insert: CachedStatement<'c>,
    select: CachedStatement<'c>,
    update: CachedStatement<'c>,
}

impl<'c> Table<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            insert: connection.prepare_cached(
                "INSERT INTO responses (id, seen) VALUES (?1, ?2) ON CONFLICT DO NOTHING",
            )?,
            select: connection.prepare_cached("SELECT seen FROM responses WHERE id = ?1")?,
            update: connection.prepare_cached("UPDATE responses SET seen = ?2 WHERE id = ?1")?,
        })
    }
}

/// Sums up responses, each with its price.
pub(super) struct Tally<'n, 'p> {
    pub(super) names: NamesOn<'n>,
    price: &'p mut Pricer<'p>,
    changes: FxHashMap<Key, Sums>,
    /// The same of those that a gateway told.
    heard: Heard,
    /// When the latest was made.
    last: Option<UnixMillis>,
}

impl<'n, 'p> Tally<'n, 'p> {
    pub(super) fn new(names: NamesOn<'n>, price: &'p mut Pricer<'p>) -> Self {
        Self {
            names,
            price,
            changes: FxHashMap::default(),
            heard: Heard::default(),
            last: None,
        }
    }

    /// Adds to the ledger's sums once many have come together.
    pub(super) fn settle(&mut self, zone: &TimeZone) -> rusqlite::Result<()> {
        if self.changes.len() < MOST_CHANGES {
            return Ok(());
        }
        rollups::add(&mut self.names, std::mem::take(&mut self.changes), zone)
    }

    /// Adds the rest to the ledger's sums.
    pub(super) fn finish(mut self, zone: &TimeZone) -> rusqlite::Result<()> {
        rollups::add(&mut self.names, self.changes, zone)?;
        rests::hear(&mut self.names, self.heard)
    }

    /// Takes away the responses of a cluster for good. What a gateway told of them stays, so that they do not come back
    /// as part of its total.
    pub(super) fn forget(&mut self, id: u64, cluster: &Cluster) -> rusqlite::Result<()> {
        self.add(id, cluster, -1, 1)
    }

    /// Adds (`times` 1) or takes away (-1) the responses of an id.
    pub(super) fn count(&mut self, id: u64, cluster: &Cluster, times: i64) -> rusqlite::Result<()> {
        self.add(id, cluster, times, 0)
    }

    fn add(
        &mut self,
        id: u64,
        cluster: &Cluster,
        times: i64,
        forgotten: i64,
    ) -> rusqlite::Result<()> {
        for Group { best, first } in cluster.groups(&mut self.names)? {
            let [provider, model, ..] = self.names.call_of(best.call)?;
            let cost = (self.price)(Priceable {
                source: cluster.source,
                recorded: best.recorded,
                query: Query {
                    provider: &self.names.text(provider)?,
                    model: &self.names.text(model)?,
                    at: first.at,
                    tokens: best.tokens,
                    modifiers: best.modifiers,
                },
            });
            let key = Key {
                slot: first.at.slot(),
                owner: first.seen.owner,
                call: best.call,
            };
            let sums = self.changes.entry(key).or_default();
            for (sum, more) in sums.iter_mut().zip(rollups::sums(&best.tokens, cost)) {
                *sum += times * more;
            }
            self.last = self.last.max(Some(first.at));
            if cluster.source != Source::OpenClaw {
                continue;
            }
            if let Some((gateway, agent)) = rests::teller(&mut self.names, first.seen.owner)? {
                let stored = stored_at(self.names.connection, id)?;
                for (forgotten, times) in [(false, times), (true, forgotten)] {
                    let key = HeardKey {
                        gateway,
                        at: first.at,
                        stored: stored.unwrap_or(first.at).max(first.at),
                        provider,
                        model,
                        agent,
                        forgotten,
                    };
                    let sums = self.heard.entry(key).or_default();
                    let heard = rests::heard(&best.tokens, best.recorded, cost);
                    for (sum, more) in sums.iter_mut().zip(heard) {
                        *sum += times * more;
                    }
                }
            }
        }
        Ok(())
    }
}

/// A cluster as the ledger keeps it, in a buffer that is used again.
fn encode(cluster: &Cluster, mut buffer: Vec<u8>) -> rusqlite::Result<Vec<u8>> {
    buffer.clear();
    postcard::to_extend(cluster, buffer).map_err(bad_blob)
}

/// The cluster of a row; `None` for one that the user had forgotten, of which only the id is left.
pub(super) fn decode(blob: &[u8]) -> rusqlite::Result<Option<Cluster>> {
    if blob.is_empty() {
        return Ok(None);
    }
    postcard::from_bytes(blob).map(Some).map_err(bad_blob)
}

fn bad_blob(source: postcard::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, rusqlite::types::Type::Blob, Box::new(source))
}
