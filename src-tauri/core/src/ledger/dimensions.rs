//! Tables `owners` (whose a response is) and `models` (what made it): each combination once, with a number.

use super::{
    cluster::Texts,
    names::{NameId, NamesOn},
};
use crate::usage::{Observation, Source};
use rusqlite::{Connection, OptionalExtension as _, Params};
use rustc_hash::FxHashMap;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

pub(super) const CREATE: &str = "
CREATE TABLE owners (
  id INTEGER PRIMARY KEY,
  source INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  project INTEGER NOT NULL,
  session INTEGER NOT NULL,
  branch INTEGER NOT NULL,
  UNIQUE (session, project, agent, branch, source)
) STRICT;
CREATE TABLE models (
  id INTEGER PRIMARY KEY,
  provider INTEGER NOT NULL,
  model INTEGER NOT NULL,
  UNIQUE (model, provider)
) STRICT;
";

/// The number of a row of `owners`.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(super) struct OwnerId(pub(super) u32);

/// The number of a row of `models`.
#[derive(
    Debug, Default, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub(super) struct ModelId(pub(super) u32);

/// Source, then agent, project, session and git branch.
type Owner = (Source, [NameId; 4]);

/// Provider and model, both as written.
pub(super) type Model = [NameId; 2];

/// The combinations this process has met.
#[derive(Debug, Default)]
pub(super) struct Known {
    owner_ids: FxHashMap<Owner, OwnerId>,
    owners: FxHashMap<OwnerId, Owner>,
    model_ids: FxHashMap<Model, ModelId>,
    models: FxHashMap<ModelId, Model>,
    /// What the observation before had: mostly the next has the same.
    last_owner: Last<5, OwnerId>,
    last_model: Last<2, ModelId>,
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
    /// Whose an observation is.
    pub(super) fn owner(&mut self, observation: &Observation<'_>) -> rusqlite::Result<OwnerId> {
        let Observation {
            source,
            agent,
            project,
            session,
            branch,
            ..
        } = observation;
        let texts = [source.as_str(), agent, project, session, branch];
        if let Some(id) = self.cache.dimensions.last_owner.get(texts) {
            return Ok(id);
        }
        let names = [
            self.id(agent)?,
            self.id(project)?,
            self.id(session)?,
            self.id(branch)?,
        ];
        let owner = (*source, names);
        let id = match self.cache.dimensions.owner_ids.get(&owner) {
            Some(id) => *id,
            None => {
                let [agent, project, session, branch] = names.map(|name| name.0);
                let row = (session, project, agent, branch, source_number(*source));
                let id = OwnerId(find_or_insert(
                    self.connection,
                    "SELECT id FROM owners WHERE (session, project, agent, branch, source) = (?1, ?2, ?3, ?4, ?5)",
                    "INSERT INTO owners (session, project, agent, branch, source) VALUES (?1, ?2, ?3, ?4, ?5)",
                    row,
                )?);
                self.cache.dimensions.owner_ids.insert(owner, id);
                self.cache.dimensions.owners.insert(id, owner);
                id
            }
        };
        self.cache.dimensions.last_owner.set(texts, id);
        Ok(id)
    }

    /// What made the response of an observation.
    pub(super) fn model(&mut self, observation: &Observation<'_>) -> rusqlite::Result<ModelId> {
        let Observation {
            provider, model, ..
        } = observation;
        let texts: [&str; 2] = [provider, model];
        if let Some(id) = self.cache.dimensions.last_model.get(texts) {
            return Ok(id);
        }
        let names = [self.id(provider)?, self.id(model)?];
        let id = match self.cache.dimensions.model_ids.get(&names) {
            Some(id) => *id,
            None => {
                let id = ModelId(find_or_insert(
                    self.connection,
                    "SELECT id FROM models WHERE (provider, model) = (?1, ?2)",
                    "INSERT INTO models (provider, model) VALUES (?1, ?2)",
                    names.map(|name| name.0),
                )?);
                self.cache.dimensions.model_ids.insert(names, id);
                self.cache.dimensions.models.insert(id, names);
                id
            }
        };
        self.cache.dimensions.last_model.set(texts, id);
        Ok(id)
    }

    /// Provider and model of a number.
    pub(super) fn model_of(&mut self, id: ModelId) -> rusqlite::Result<Model> {
        if let Some(model) = self.cache.dimensions.models.get(&id) {
            return Ok(*model);
        }
        let model = self
            .connection
            .prepare_cached("SELECT provider, model FROM models WHERE id = ?1")?
            .query_row([id.0], |row| Ok([NameId(row.get(0)?), NameId(row.get(1)?)]))?;
        self.cache.dimensions.models.insert(id, model);
        Ok(model)
    }

    /// Whose a number is.
    pub(super) fn owner_of(&mut self, id: OwnerId) -> rusqlite::Result<Owner> {
        if let Some(owner) = self.cache.dimensions.owners.get(&id) {
            return Ok(*owner);
        }
        let owner = self
            .connection
            .prepare_cached(
                "SELECT source, agent, project, session, branch FROM owners WHERE id = ?1",
            )?
            .query_row([id.0], |row| {
                let name = |at| row.get(at).map(NameId);
                Ok((
                    source(row.get(0)?),
                    [name(1)?, name(2)?, name(3)?, name(4)?],
                ))
            })?;
        self.cache.dimensions.owners.insert(id, owner);
        Ok(owner)
    }
}

impl Texts for NamesOn<'_> {
    fn path(&mut self, path: NameId) -> rusqlite::Result<Arc<str>> {
        self.text(path)
    }

    fn session(&mut self, owner: OwnerId) -> rusqlite::Result<Arc<str>> {
        let (_, [_, _, session, _]) = self.owner_of(owner)?;
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
