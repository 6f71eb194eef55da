//! Table `responses`: one row for each billable response. Its writer is the [`Batch`].

use super::{
    Ledger, LedgerError,
    cluster::{Cluster, Group, Names, Sighting},
    names::{NameCache, NameId},
    rollups::{self, Key, Sums},
    state,
};
use crate::{
    money::NanoUsd,
    time::UnixMillis,
    usage::{Modifiers, Observation, Source, Tokens},
};
use jiff::tz::TimeZone;
use rusqlite::{Connection, Row, Statement, Transaction, TransactionBehavior};
use rustc_hash::FxHashMap;
use std::path::Path;

pub(super) const CREATE: &str = "
CREATE TABLE responses (
  id INTEGER PRIMARY KEY,
  cluster BLOB NOT NULL,
  part INTEGER NOT NULL,
  at INTEGER NOT NULL,
  source INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  project INTEGER NOT NULL,
  session INTEGER NOT NULL,
  branch INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  model INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write_5m INTEGER NOT NULL,
  cache_write_1h INTEGER NOT NULL,
  unsplit INTEGER NOT NULL,
  modifiers INTEGER NOT NULL,
  computed INTEGER,
  recorded INTEGER,
  seen BLOB
) STRICT;
CREATE UNIQUE INDEX responses_cluster ON responses (cluster, part);
";

/// The cost that counts: OpenClaw's own figure where it has one, else ours; for Claude Code always ours.
pub(super) const EFFECTIVE: &str =
    "CASE source WHEN 1 THEN COALESCE(recorded, computed) ELSE computed END";

fn effective(
    source: Source,
    computed: Option<NanoUsd>,
    recorded: Option<NanoUsd>,
) -> Option<NanoUsd> {
    match source {
        Source::ClaudeCode => computed,
        Source::OpenClaw => recorded.or(computed),
    }
}

pub(super) const fn source_number(source: Source) -> i64 {
    match source {
        Source::ClaudeCode => 0,
        Source::OpenClaw => 1,
    }
}

pub(super) const fn source(number: i64) -> Source {
    match number {
        1 => Source::OpenClaw,
        _ => Source::ClaudeCode,
    }
}

/// What a price is asked for.
#[derive(Debug, Clone, Copy)]
pub struct Priceable<'a> {
    /// Whose response it is.
    pub source: Source,
    /// Provider as written; may be empty.
    pub provider: &'a str,
    /// Model as written.
    pub model: &'a str,
    /// When it was made.
    pub at: UnixMillis,
    /// What it used.
    pub tokens: Tokens,
    /// What changes the price.
    pub modifiers: Modifiers,
}

/// Computes a cost; `None` when the price is not known.
pub type Pricer<'a> = dyn FnMut(Priceable<'_>) -> Option<NanoUsd> + 'a;

/// Where an observation lies: a file or database, by the number of its path.
#[derive(Debug, Clone, Copy)]
pub struct Place(NameId);

/// One write transaction: observations, what could not be read, and how far the files have been read commit
/// together. Dropped without [`Batch::commit`], nothing of it remains.
#[derive(Debug)]
pub struct Batch<'l> {
    pub(super) transaction: Transaction<'l>,
    names: &'l mut NameCache,
    path: &'l Path,
    clusters: FxHashMap<u128, Cluster>,
}

/// A row as it stands.
struct Stored {
    id: i64,
    key: Key,
    sums: Sums,
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
        Ok(Batch {
            transaction,
            names: &mut self.names,
            path: &self.path,
            clusters: FxHashMap::default(),
        })
    }

    /// Computes all costs anew when the price book is another than last time; the number of responses whose
    /// cost changed.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn reprice(
        &mut self,
        fingerprint: &str,
        zone: &TimeZone,
        price: &mut Pricer<'_>,
    ) -> Result<u64, LedgerError> {
        if self.state(state::PRICES)?.as_deref() == Some(fingerprint) {
            return Ok(0);
        }
        self.write(|connection, names| {
            let mut changed = 0;
            let mut update = connection.prepare("UPDATE responses SET computed = ?2 WHERE id = ?1")?;
            let mut statement = connection.prepare(
                "SELECT id, source, provider, model, at, input, output, cache_read, cache_write_5m, cache_write_1h,
                        unsplit, modifiers, computed FROM responses",
            )?;
            let mut rows = statement.query([])?;
            let mut names = names.on(connection);
            while let Some(row) = rows.next()? {
                let before: Option<i64> = row.get(12)?;
                let after = price(Priceable {
                    source: source(row.get(1)?),
                    provider: &names.text(NameId(row.get(2)?))?,
                    model: &names.text(NameId(row.get(3)?))?,
                    at: UnixMillis(row.get(4)?),
                    tokens: tokens(row, 5)?,
                    modifiers: unpack(row.get(11)?),
                })
                .map(|cost| cost.0);
                if before != after {
                    update.execute((row.get::<_, i64>(0)?, after))?;
                    changed += 1;
                }
            }
            if changed > 0 {
                rollups::rebuild(connection, zone)?;
            }
            state::set(connection, state::PRICES, fingerprint)?;
            Ok(changed)
        })
    }
}

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
                let sighting = Sighting::new(one, place.0, offset, &mut names)?;
                let cluster = self.clusters.entry(one.cluster);
                let cluster = cluster.or_insert_with(|| Cluster::new(one.identity));
                cluster.add(one, sighting, &mut names)?;
            }
            Ok(())
        };
        add().map_err(|source| LedgerError::new(self.path, source))
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
        } = self;
        let run = || {
            let changes = merge(&transaction, names, clusters, price)?;
            let changed = !changes.is_empty();
            rollups::add(&transaction, changes, zone)?;
            transaction.commit()?;
            names.settle();
            Ok(changed)
        };
        run().map_err(|source| LedgerError::new(path, source))
    }
}

/// Merges clusters with what the ledger knows of them, writes the responses that changed, and returns what
/// that adds to the rollups.
fn merge(
    connection: &Connection,
    names: &mut NameCache,
    clusters: FxHashMap<u128, Cluster>,
    price: &mut Pricer<'_>,
) -> rusqlite::Result<FxHashMap<Key, Sums>> {
    let mut changes: FxHashMap<Key, Sums> = FxHashMap::default();
    let mut names = names.on(connection);
    let mut table = Table::new(connection)?;
    let mut last: Option<UnixMillis> = None;
    // In the index's order, so that neighbouring pages are touched together.
    let mut clusters: Vec<(u128, Cluster)> = clusters.into_iter().collect();
    clusters.sort_unstable_by_key(|(id, _)| *id);
    let mut seen = Vec::new();
    for (id, cluster) in clusters {
        let id = id.to_be_bytes();
        let mut parts = priced(&cluster, price, &mut names)?;
        seen = encode(&cluster, seen)?;
        let mut stored = Vec::new();
        // Most ids are new, and the attempt to insert one tells so: a look before it would find nothing.
        let is_new = table.insert(&id, 0, &parts[0], Some(&seen))?;
        if !is_new {
            let known;
            (stored, known) = table.load(&id)?;
            let mut both: Cluster = postcard::from_bytes(&known).map_err(bad_blob)?;
            both.merge(&cluster, &mut names)?;
            seen = encode(&both, seen)?;
            if seen == known {
                continue;
            }
            parts = priced(&both, price, &mut names)?;
        }
        for Stored { key, sums, .. } in &stored {
            let change = changes.entry(*key).or_default();
            for (sum, less) in change.iter_mut().zip(sums) {
                *sum -= less;
            }
        }
        for (number, part) in parts.iter().enumerate() {
            let change = changes.entry(key(&part.group)).or_default();
            for (sum, more) in change.iter_mut().zip(sums(part)) {
                *sum += more;
            }
            last = last.max(Some(part.group.first.at));
            let blob = (number == 0).then_some(seen.as_slice());
            if number < stored.len() {
                table.update(&id, number, part, blob)?;
            } else if number > 0 || !is_new {
                table.insert(&id, number, part, blob)?;
            }
        }
        for row in stored.iter().skip(parts.len()) {
            connection
                .prepare_cached("DELETE FROM responses WHERE id = ?1")?
                .execute([row.id])?;
        }
    }
    if let Some(last) = last {
        let known =
            state::get(connection, state::LAST_RESPONSE)?.and_then(|text| text.parse().ok());
        if known.is_none_or(|known| last.0 > known) {
            state::set(connection, state::LAST_RESPONSE, &last.0.to_string())?;
        }
    }
    Ok(changes)
}

/// One response of a cluster, and what it costs by the price book.
struct Part {
    group: Group,
    computed: Option<NanoUsd>,
}

/// The responses of a cluster, at least one.
fn priced(
    cluster: &Cluster,
    price: &mut Pricer<'_>,
    names: &mut impl Names,
) -> rusqlite::Result<Vec<Part>> {
    let groups = cluster.groups(names)?.into_iter().map(|group| {
        let Group { best, first } = &group;
        let computed = price(Priceable {
            source: best.source,
            provider: &names.text(best.provider)?,
            model: &names.text(best.model)?,
            at: first.at,
            tokens: best.tokens,
            modifiers: best.modifiers,
        });
        Ok(Part { group, computed })
    });
    groups.collect()
}

/// A cluster as the ledger keeps it, in a buffer that is used again.
fn encode(cluster: &Cluster, mut buffer: Vec<u8>) -> rusqlite::Result<Vec<u8>> {
    buffer.clear();
    postcard::to_extend(cluster, buffer).map_err(bad_blob)
}

/// The statements of [`merge`], prepared once.
struct Table<'c> {
    select: rusqlite::CachedStatement<'c>,
    insert: rusqlite::CachedStatement<'c>,
    update: rusqlite::CachedStatement<'c>,
}

impl<'c> Table<'c> {
    fn new(connection: &'c Connection) -> rusqlite::Result<Self> {
        Ok(Self {
            select: connection.prepare_cached(
                "SELECT id, at, source, agent, project, session, model, input, output, cache_read, cache_write_5m,
                        cache_write_1h, unsplit, computed, recorded, seen
                 FROM responses WHERE cluster = ?1 ORDER BY part",
            )?,
            insert: connection.prepare_cached(
                "INSERT INTO responses (cluster, part, at, source, agent, project, session, branch, provider, model,
                   input, output, cache_read, cache_write_5m, cache_write_1h, unsplit, modifiers, computed,
                   recorded, seen)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20)
                 ON CONFLICT (cluster, part) DO NOTHING",
            )?,
            update: connection.prepare_cached(
                "UPDATE responses SET at = ?3, source = ?4, agent = ?5, project = ?6, session = ?7, branch = ?8,
                   provider = ?9, model = ?10, input = ?11, output = ?12, cache_read = ?13, cache_write_5m = ?14,
                   cache_write_1h = ?15, unsplit = ?16, modifiers = ?17, computed = ?18, recorded = ?19, seen = ?20
                 WHERE cluster = ?1 AND part = ?2",
            )?,
        })
    }

    /// The rows of a cluster, and what was seen of it.
    fn load(&mut self, cluster: &[u8; 16]) -> rusqlite::Result<(Vec<Stored>, Vec<u8>)> {
        let mut stored = Vec::new();
        let mut seen = Vec::new();
        let mut rows = self.select.query([cluster.as_slice()])?;
        while let Some(row) = rows.next()? {
            let of = source(row.get(2)?);
            let cost = effective(
                of,
                row.get::<_, Option<i64>>(13)?.map(NanoUsd),
                row.get::<_, Option<i64>>(14)?.map(NanoUsd),
            );
            stored.push(Stored {
                id: row.get(0)?,
                key: Key {
                    slot: UnixMillis(row.get(1)?).slot(),
                    source: row.get(2)?,
                    agent: NameId(row.get(3)?),
                    project: NameId(row.get(4)?),
                    session: NameId(row.get(5)?),
                    model: NameId(row.get(6)?),
                },
                sums: sums_of(&tokens(row, 7)?, cost),
            });
            if stored.len() == 1 {
                seen = row.get(15)?;
            }
        }
        Ok((stored, seen))
    }

    /// False when it is there already; then nothing has changed.
    fn insert(
        &mut self,
        cluster: &[u8; 16],
        number: usize,
        part: &Part,
        seen: Option<&[u8]>,
    ) -> rusqlite::Result<bool> {
        let inserted = write(&mut self.insert, cluster, number, part, seen)?;
        Ok(inserted > 0)
    }

    fn update(
        &mut self,
        cluster: &[u8; 16],
        number: usize,
        part: &Part,
        seen: Option<&[u8]>,
    ) -> rusqlite::Result<()> {
        write(&mut self.update, cluster, number, part, seen).map(drop)
    }
}

/// Runs an insert or update with the columns of one row; the number of rows it changed.
fn write(
    statement: &mut Statement<'_>,
    cluster: &[u8; 16],
    number: usize,
    part: &Part,
    seen: Option<&[u8]>,
) -> rusqlite::Result<usize> {
    let Part {
        group: Group { best, first },
        computed,
    } = part;
    let tokens = &best.tokens;
    statement.execute(rusqlite::params![
        cluster.as_slice(),
        number.cast_signed() as i64,
        first.at.0,
        source_number(best.source),
        first.agent.0,
        first.project.0,
        first.session.0,
        first.branch.0,
        best.provider.0,
        best.model.0,
        tokens.input.cast_signed(),
        tokens.output.cast_signed(),
        tokens.cache_read.cast_signed(),
        tokens.cache_write_5m.cast_signed(),
        tokens.cache_write_1h.cast_signed(),
        tokens.unsplit.cast_signed(),
        pack(best.modifiers),
        computed.map(|cost| cost.0),
        best.recorded.map(|cost| cost.0),
        seen,
    ])
}

fn key(Group { best, first }: &Group) -> Key {
    Key {
        slot: first.at.slot(),
        source: source_number(best.source),
        agent: first.agent,
        project: first.project,
        session: first.session,
        model: best.model,
    }
}

fn sums(part: &Part) -> Sums {
    let best = &part.group.best;
    sums_of(
        &best.tokens,
        effective(best.source, part.computed, best.recorded),
    )
}

fn sums_of(tokens: &Tokens, cost: Option<NanoUsd>) -> Sums {
    [
        1,
        i64::from(cost.is_none()),
        cost.unwrap_or_default().0,
        tokens.input.cast_signed(),
        tokens.output.cast_signed(),
        tokens.cache_read.cast_signed(),
        tokens.cache_write_5m.cast_signed(),
        tokens.cache_write_1h.cast_signed(),
        tokens.unsplit.cast_signed(),
    ]
}

fn tokens(row: &Row<'_>, from: usize) -> rusqlite::Result<Tokens> {
    let unsigned = |at| row.get::<_, i64>(from + at).map(i64::cast_unsigned);
    Ok(Tokens {
        input: unsigned(0)?,
        output: unsigned(1)?,
        cache_read: unsigned(2)?,
        cache_write_5m: unsigned(3)?,
        cache_write_1h: unsigned(4)?,
        unsplit: unsigned(5)?,
    })
}

/// Fast, batch and US-only as bits, the number of web searches above them.
fn pack(modifiers: Modifiers) -> i64 {
    i64::from(modifiers.fast)
        | i64::from(modifiers.batch) << 1
        | i64::from(modifiers.us_only) << 2
        | i64::from(modifiers.web_searches) << 8
}

fn unpack(bits: i64) -> Modifiers {
    Modifiers {
        fast: bits & 1 != 0,
        batch: bits & 2 != 0,
        us_only: bits & 4 != 0,
        web_searches: u32::try_from(bits >> 8).unwrap_or(u32::MAX),
    }
}

fn bad_blob(source: postcard::Error) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(20, rusqlite::types::Type::Blob, Box::new(source))
}
