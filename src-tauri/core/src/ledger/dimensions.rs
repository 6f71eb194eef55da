//! Tables `owners` (whose a response is), `calls` (what was called for it, and how it ended) and `sessions`: each
//! combination once, with a number.

use super::{
    LedgerError,
    cluster::Texts,
    forget,
    names::{NameId, NamesOn},
    responses::Batch,
};
use crate::usage::{Observation, SessionFacts, Source};
use rusqlite::{Connection, OptionalExtension as _, Params, Row};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::{collections::hash_map::Entry, sync::Arc};

pub(super) const CREATE: &str = "
CREATE TABLE owners (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  project INTEGER NOT NULL,
  session INTEGER NOT NULL,
  branch INTEGER NOT NULL,
  subagent INTEGER NOT NULL,
  gateway INTEGER NOT NULL,
  UNIQUE (session, project, agent, branch, subagent, gateway, source)
) STRICT;
CREATE TABLE calls (
  id INTEGER PRIMARY KEY,
  provider INTEGER NOT NULL,
  model INTEGER NOT NULL,
  api INTEGER NOT NULL,
  stop INTEGER NOT NULL,
  UNIQUE (model, provider, api, stop)
) STRICT;
CREATE TABLE sessions (
  session INTEGER NOT NULL,
  source INTEGER NOT NULL,
  key INTEGER NOT NULL,
  label INTEGER NOT NULL,
  channel INTEGER NOT NULL,
  chat_type INTEGER NOT NULL,
  created INTEGER NOT NULL,
  parent INTEGER NOT NULL,
  PRIMARY KEY (session, source)
) STRICT, WITHOUT ROWID;
";

/// The number of a row of `owners`.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(super) struct OwnerId(pub(super) u32);

/// The number of a row of `calls`.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(super) struct CallId(pub(super) u32);

/// Source, then agent, project, session, git branch, kind of subagent and gateway.
type Owner = (Source, [NameId; 6]);

/// Provider, model, API and stop reason, all as written.
type Call = [NameId; 4];

/// Key, label, channel, chat type, what created it, and parent.
type Facts = [NameId; 6];

/// The combinations this process has met.
#[derive(Debug, Default)]
pub(super) struct Known {
    owner_ids: FxHashMap<Owner, OwnerId>,
    owners: FxHashMap<OwnerId, Owner>,
    call_ids: FxHashMap<Call, CallId>,
    calls: FxHashMap<CallId, Call>,
    /// What the observation before had: mostly the next has the same.
    last_owner: Last<7, OwnerId>,
    last_call: Last<4, CallId>,
}

/// Texts, and the number they came to.
#[derive(Debug)]
struct Last<const N: usize, T> {
    texts: [String; N],
    id: Option<T>,
}

impl<const N: usize, T> Default for Last<N, T> {
    fn default() -> Self {
        Self {
            texts: std::array::from_fn(|_| String::new()),
            id: None,
        }
    }
}

impl<const N: usize, T: Copy> Last<N, T> {
    fn get(&self, texts: [&str; N]) -> Option<T> {
        let same = self.texts.iter().zip(texts).all(|(one, two)| one == two);
        self.id.filter(|_| same)
    }

    fn set(&mut self, texts: [&str; N], id: T) {
        for (known, text) in self.texts.iter_mut().zip(texts) {
            text.clone_into(known);
        }
        self.id = Some(id);
    }
}

impl NamesOn<'_> {
    fn ids<const N: usize>(&mut self, texts: [&str; N]) -> rusqlite::Result<[NameId; N]> {
        let mut ids = [NameId::default(); N];
        for (id, text) in ids.iter_mut().zip(texts) {
            *id = self.id(text)?;
        }
        Ok(ids)
    }

    /// Whose an observation is.
    pub(super) fn owner(&mut self, observation: &Observation<'_>) -> rusqlite::Result<OwnerId> {
        let Observation {
            source,
            agent,
            project,
            session,
            branch,
            subagent,
            gateway,
            ..
        } = observation;
        let texts: [&str; 6] = [agent, project, session, branch, subagent, gateway];
        let last = [
            agent,
            project,
            session,
            branch,
            subagent,
            gateway,
            source.as_str(),
        ];
        if let Some(id) = self.cache.dimensions.last_owner.get(last) {
            return Ok(id);
        }
        let owner = (*source, self.ids(texts)?);
        let id = match self.cache.dimensions.owner_ids.get(&owner) {
            Some(id) => *id,
            None => {
                let [agent, project, session, branch, subagent, gateway] =
                    owner.1.map(|name| name.0);
                let row = (
                    session,
                    project,
                    agent,
                    branch,
                    subagent,
                    gateway,
                    source_number(*source),
                );
                let id = OwnerId(find_or_insert(
                    self.connection,
                    "SELECT id FROM owners
                     WHERE (session, project, agent, branch, subagent, gateway, source) = (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    "INSERT INTO owners (session, project, agent, branch, subagent, gateway, source)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                    row,
                )?);
                self.cache.dimensions.owner_ids.insert(owner, id);
                self.cache.dimensions.owners.insert(id, owner);
                id
            }
        };
        self.cache.dimensions.last_owner.set(last, id);
        Ok(id)
    }

    /// What was called for the response of an observation, and how it ended.
    pub(super) fn call(&mut self, observation: &Observation<'_>) -> rusqlite::Result<CallId> {
        let Observation {
            provider,
            model,
            api,
            stop,
            ..
        } = observation;
        let texts: [&str; 4] = [provider, model, api, stop];
        if let Some(id) = self.cache.dimensions.last_call.get(texts) {
            return Ok(id);
        }
        let call = self.ids(texts)?;
        let id = match self.cache.dimensions.call_ids.get(&call) {
            Some(id) => *id,
            None => {
                let id = CallId(find_or_insert(
                    self.connection,
                    "SELECT id FROM calls WHERE (provider, model, api, stop) = (?1, ?2, ?3, ?4)",
                    "INSERT INTO calls (provider, model, api, stop) VALUES (?1, ?2, ?3, ?4)",
                    call.map(|name| name.0),
                )?);
                self.cache.dimensions.call_ids.insert(call, id);
                self.cache.dimensions.calls.insert(id, call);
                id
            }
        };
        self.cache.dimensions.last_call.set(texts, id);
        Ok(id)
    }

    /// Provider, model, API and stop reason of a number.
    pub(super) fn call_of(&mut self, id: CallId) -> rusqlite::Result<Call> {
        if let Some(call) = self.cache.dimensions.calls.get(&id) {
            return Ok(*call);
        }
        let call = self
            .connection
            .prepare_cached("SELECT provider, model, api, stop FROM calls WHERE id = ?1")?
            .query_row([id.0], |row| names(row, 0))?;
        self.cache.dimensions.calls.insert(id, call);
        Ok(call)
    }

    /// Whose a number is.
    pub(super) fn owner_of(&mut self, id: OwnerId) -> rusqlite::Result<Owner> {
        if let Some(owner) = self.cache.dimensions.owners.get(&id) {
            return Ok(*owner);
        }
        let owner = self
            .connection
            .prepare_cached(
                "SELECT source, agent, project, session, branch, subagent, gateway FROM owners WHERE id = ?1",
            )?
            .query_row([id.0], |row| Ok((source(row.get(0)?), names(row, 1)?)))?;
        self.cache.dimensions.owners.insert(id, owner);
        Ok(owner)
    }
}

/// What sessions are known by, for one reading: it may change from one to the next.
pub(super) type FactsOf = FxHashMap<(Source, NameId), Facts>;

impl NamesOn<'_> {
    /// What an owner and a call stand for, in the order of [`super::query::Dimension`].
    pub(super) fn dimensions(
        &mut self,
        owner: OwnerId,
        call: CallId,
        facts: &mut FactsOf,
    ) -> rusqlite::Result<(Source, [NameId; 16])> {
        let (source, owner) = self.owner_of(owner)?;
        let call = self.call_of(call)?;
        let [_, _, session, ..] = owner;
        let facts = match facts.entry((source, session)) {
            Entry::Occupied(known) => *known.get(),
            Entry::Vacant(new) => *new.insert(self.facts_of(source, session)?),
        };
        let mut names = [NameId::default(); 16];
        for (name, known) in names
            .iter_mut()
            .zip(owner.into_iter().chain(call).chain(facts))
        {
            *name = known;
        }
        Ok((source, names))
    }

    fn facts_of(&self, source: Source, session: NameId) -> rusqlite::Result<Facts> {
        let known = self
            .connection
            .prepare_cached(
                "SELECT key, label, channel, chat_type, created, parent FROM sessions WHERE (session, source) = (?1, ?2)",
            )?
            .query_row((session.0, source_number(source)), |row| names(row, 0))
            .optional()?;
        Ok(known.unwrap_or_default())
    }
}

/// `N` numbers of names, from a column on.
pub(super) fn names<const N: usize>(row: &Row<'_>, from: usize) -> rusqlite::Result<[NameId; N]> {
    let mut names = [NameId::default(); N];
    for (at, name) in names.iter_mut().enumerate() {
        *name = NameId(row.get(from + at)?);
    }
    Ok(names)
}

impl Batch<'_> {
    /// Keeps what is known of a session. What is not known this time stays as it was.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn describe_session(
        &mut self,
        source: Source,
        session: &str,
        facts: &SessionFacts,
    ) -> Result<(), LedgerError> {
        if *facts == SessionFacts::default() {
            return Ok(());
        }
        let SessionFacts {
            key,
            label,
            channel,
            chat_type,
            created,
            parent,
        } = facts;
        let mut names = self.names.on(&self.transaction);
        let mut describe = || {
            let known = &self.transaction;
            if self.forgets && forget::is_forgotten_session(known, source, session)? {
                return Ok(());
            }
            let session = names.id(session)?;
            let facts = names.ids([key, label, channel, chat_type, created, parent])?;
            let [key, label, channel, chat_type, created, parent] = facts.map(|name| name.0);
            self.transaction
                .prepare_cached(
                    "INSERT INTO sessions (session, source, key, label, channel, chat_type, created, parent)
                     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)
                     ON CONFLICT DO UPDATE SET key = iif(excluded.key, excluded.key, key),
                       label = iif(excluded.label, excluded.label, label),
                       channel = iif(excluded.channel, excluded.channel, channel),
                       chat_type = iif(excluded.chat_type, excluded.chat_type, chat_type),
                       created = iif(excluded.created, excluded.created, created),
                       parent = iif(excluded.parent, excluded.parent, parent)
                     WHERE (excluded.key, excluded.label, excluded.channel, excluded.chat_type, excluded.created,
                            excluded.parent) IS NOT (key, label, channel, chat_type, created, parent)",
                )?
                .execute((session.0, source_number(source), key, label, channel, chat_type, created, parent))
                .map(drop)
        };
        describe().map_err(|source| LedgerError::new(self.path, source))
    }
}

impl Texts for NamesOn<'_> {
    fn path(&mut self, path: NameId) -> rusqlite::Result<Arc<str>> {
        self.text(path)
    }

    fn session(&mut self, owner: OwnerId) -> rusqlite::Result<Arc<str>> {
        let (_, [_, _, session, ..]) = self.owner_of(owner)?;
        self.text(session)
    }
}

/// The id of the row that has these values, which is made if need be.
pub(super) fn find_or_insert<P: Params + Clone>(
    connection: &Connection,
    find: &str,
    insert: &str,
    values: P,
) -> rusqlite::Result<u32> {
    let known = connection
        .prepare_cached(find)?
        .query_row(values.clone(), |row| row.get(0))
        .optional()?;
    if let Some(id) = known {
        return Ok(id);
    }
    connection.prepare_cached(insert)?.execute(values)?;
    let id = connection.last_insert_rowid();
    u32::try_from(id).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(0, id))
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
