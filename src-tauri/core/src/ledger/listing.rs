//! Responses one by one, as the ledger knows them.

use super::{
    Ledger, LedgerError,
    cluster::{Cluster, Group, Sighting, Texts as _},
    dimensions::FactsOf,
    files::HEARD,
    forget::is_forgotten,
    names::NamesOn,
    query::Dimension,
    responses::decode,
};
use crate::{
    follow::roots::rank,
    money::NanoUsd,
    pricing::{Priceable, Query},
    summary::Amount,
    time::UnixMillis,
    usage::{MIRROR_RANK, Modifiers, Source, Tokens},
};
use rusqlite::OptionalExtension as _;
use serde::Serialize;
use std::{fmt, str::FromStr, sync::Arc};

/// Names a response for good: 16 hex digits, the hash of what its copies share. Where several responses share an id,
/// all but the first have a number behind a dash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResponseId {
    /// See [`crate::usage::Observation::cluster`].
    pub cluster: u64,
    /// Its place among those that share the id; mostly 0.
    pub nth: u32,
}

/// Where a record lies.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Spot {
    /// File or database.
    pub path: Arc<str>,
    /// The session it is a record of: in a database, rows of several have the same number.
    pub session: Arc<str>,
    /// Byte offset of the line, or sequence number of the row.
    pub offset: u64,
    /// What the offset counts.
    pub kind: SpotKind,
}

/// What kind of record lies at a spot, and so what its offset counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpotKind {
    /// A line of a file, by its first byte.
    Line,
    /// A line of a packed file, by its first byte in the unpacked text.
    Unpacked,
    /// A row of a database, by its number in the session.
    Row,
    /// A line of a transcript in a database's archive table, by its first byte in the unpacked text.
    Archive,
    /// What a gateway pushed: it lies nowhere that could be read again.
    Pushed,
}

impl SpotKind {
    /// Of a record in this file or database. Its rank tells a row from an archived line, but for a mirror's, which
    /// counts as a row of its database.
    #[must_use]
    pub fn of(source: Source, path: &str, rank: u8) -> Self {
        match (source, rank) {
            (Source::OpenClaw, rank::LIVE_DB) => Self::Row,
            (Source::OpenClaw, rank::ARCHIVE_TABLE) => Self::Archive,
            (Source::OpenClaw, MIRROR_RANK) if path.ends_with(".sqlite") => Self::Row,
            (Source::OpenClaw, _) if path.starts_with(HEARD) => Self::Pushed,
            _ if path.ends_with(".zst") => Self::Unpacked,
            _ => Self::Line,
        }
    }
}

/// One billable response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// Its name.
    pub id: ResponseId,
    /// Whose it is.
    pub source: Source,
    /// When it was made.
    pub at: UnixMillis,
    /// By [`Dimension`], in its order.
    names: [Arc<str>; 16],
    /// What it used.
    pub tokens: Tokens,
    /// What changes its price.
    pub modifiers: Modifiers,
    /// The cost its log states.
    pub recorded: Option<NanoUsd>,
    /// The copy whose figures count.
    pub figures: Spot,
    /// The copy that says when it was made, and whose it is: the earliest.
    pub origin: Spot,
}

/// A copy of a response that the ledger remembers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trace {
    /// The file or database that it lies in.
    pub path: Arc<str>,
    /// Where in it, and in which session; not kept of a copy that is only remembered for what it followed.
    pub place: Option<(u64, Arc<str>)>,
}

/// All responses of one id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// The id.
    pub cluster: u64,
    /// Mostly one; none of what the user had forgotten.
    pub responses: Vec<Response>,
}

impl Response {
    /// What it has in a dimension.
    #[must_use]
    pub fn name(&self, dimension: Dimension) -> &str {
        &self.names[dimension as usize]
    }

    /// What it adds to a sum at this cost.
    #[must_use]
    pub fn amount(&self, cost: Option<NanoUsd>) -> Amount {
        Amount {
            cost: cost.unwrap_or_default(),
            responses: 1,
            unpriced_responses: u64::from(cost.is_none()),
            tokens: self.tokens,
        }
    }

    /// What its cost depends on.
    #[must_use]
    pub fn priceable(&self) -> Priceable<'_> {
        Priceable {
            source: self.source,
            recorded: self.recorded,
            query: Query {
                provider: self.name(Dimension::Provider),
                model: self.name(Dimension::Model),
                at: self.at,
                tokens: self.tokens,
                modifiers: self.modifiers,
            },
        }
    }
}

impl fmt::Display for ResponseId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:016x}", self.cluster)?;
        match self.nth {
            0 => Ok(()),
            nth => write!(out, "-{}", nth + 1),
        }
    }
}

impl FromStr for ResponseId {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (digits, nth) = match text.split_once('-') {
            Some((digits, number)) => {
                let number: u32 = number.parse().map_err(|_| ())?;
                (digits, number.checked_sub(1).ok_or(())?)
            }
            None => (text, 0),
        };
        let is_hex = digits.len() == 16 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
        if !is_hex {
            return Err(());
        }
        let cluster = u64::from_str_radix(digits, 16).map_err(|_| ())?;
        Ok(Self { cluster, nth })
    }
}

impl Ledger {
    /// The responses of one id; none for an id that is not known.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn responses_of(&mut self, cluster: u64) -> Result<Vec<Response>, LedgerError> {
        let listed = self.listed(cluster)?;
        Ok(listed.map_or(Vec::new(), |one| one.responses))
    }

    /// The responses of one id that the user of another ledger had not forgotten in it.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn responses_not_forgotten(
        &mut self,
        id: u64,
        other: &Self,
    ) -> Result<Vec<Response>, LedgerError> {
        let mut forgotten = |kept| is_forgotten(&other.connection, kept);
        let whole = forgotten(id).map_err(|source| other.fail(source))?;
        if whole {
            return Ok(Vec::new());
        }
        let listed = self.list_some(
            "SELECT id, seen FROM responses WHERE id = ?1",
            [id.cast_signed()],
            |known| known.without(id, &mut forgotten),
        )?;
        Ok(listed.into_iter().flat_map(|one| one.responses).collect())
    }

    /// What is known of one id.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn listed(&mut self, cluster: u64) -> Result<Option<Listed>, LedgerError> {
        let listed = self.list(
            "SELECT id, seen FROM responses WHERE id = ?1",
            [cluster.cast_signed()],
        )?;
        Ok(listed.into_iter().next())
    }

    /// The copies of an id's responses.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn traces(&mut self, cluster: u64) -> Result<Vec<Trace>, LedgerError> {
        let path = &self.path;
        let mut names = self.names.on(&self.connection);
        let mut read = || {
            let seen: Option<Vec<u8>> = self
                .connection
                .prepare_cached("SELECT seen FROM responses WHERE id = ?1")?
                .query_row([cluster.cast_signed()], |row| row.get(0))
                .optional()?;
            let Some(known) = decode(&seen.unwrap_or_default())? else {
                return Ok(Vec::new());
            };
            let mut traces = Vec::new();
            for seen in known.sightings() {
                traces.push(Trace {
                    path: names.text(seen.path)?,
                    place: Some((seen.offset, names.session(seen.owner)?)),
                });
            }
            for path in known.sheets() {
                traces.push(Trace {
                    path: names.text(path)?,
                    place: None,
                });
            }
            Ok(traces)
        };
        read().map_err(|source| LedgerError::new(path, source))
    }

    /// The next ids in the ledger's own order: at most `most`, behind `after`. Empty at the end.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn list_after(
        &mut self,
        after: Option<u64>,
        most: u32,
    ) -> Result<Vec<Listed>, LedgerError> {
        match after {
            Some(after) => self.list(
                "SELECT id, seen FROM responses WHERE id > ?1 ORDER BY id LIMIT ?2",
                (after.cast_signed(), most),
            ),
            None => self.list(
                "SELECT id, seen FROM responses ORDER BY id LIMIT ?1",
                [most],
            ),
        }
    }

    /// Hands every response to `visit`.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn each_response(&mut self, mut visit: impl FnMut(Response)) -> Result<(), LedgerError> {
        let mut after = None;
        loop {
            let page = self.list_after(after, 4096)?;
            let Some(last) = page.last() else {
                return Ok(());
            };
            after = Some(last.cluster);
            page.into_iter()
                .flat_map(|one| one.responses)
                .for_each(&mut visit);
        }
    }

    fn list(
        &mut self,
        sql: &str,
        values: impl rusqlite::Params,
    ) -> Result<Vec<Listed>, LedgerError> {
        self.list_some(sql, values, Ok)
    }

    fn list_some(
        &mut self,
        sql: &str,
        values: impl rusqlite::Params,
        mut some: impl FnMut(Cluster) -> rusqlite::Result<Cluster>,
    ) -> Result<Vec<Listed>, LedgerError> {
        let path = &self.path;
        let mut names = self.names.on(&self.connection);
        let mut facts = FactsOf::default();
        let read = || {
            let mut statement = self.connection.prepare_cached(sql)?;
            let mut rows = statement.query(values)?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let cluster = row.get::<_, i64>(0)?.cast_unsigned();
                let mut responses = Vec::new();
                if let Some(known) = decode(row.get_ref(1)?.as_blob()?)? {
                    for (nth, group) in (0..).zip(some(known)?.groups(&mut names)?) {
                        let id = ResponseId { cluster, nth };
                        responses.push(response(id, &group, &mut names, &mut facts)?);
                    }
                }
                found.push(Listed { cluster, responses });
            }
            Ok(found)
        };
        read().map_err(|source| LedgerError::new(path, source))
    }
}

fn response(
    id: ResponseId,
    group: &Group,
    names: &mut NamesOn<'_>,
    facts: &mut FactsOf,
) -> rusqlite::Result<Response> {
    let Group { best, first } = group;
    let (source, ids) = names.dimensions(first.seen.owner, best.call, facts)?;
    let mut texts: [Arc<str>; 16] = std::array::from_fn(|_| Arc::default());
    for (text, id) in texts.iter_mut().zip(ids) {
        *text = names.text(id)?;
    }
    let mut spot = |seen: &Sighting, rank| -> rusqlite::Result<Spot> {
        let (_, [_, _, session, ..]) = names.owner_of(seen.owner)?;
        let path = names.text(seen.path)?;
        Ok(Spot {
            kind: SpotKind::of(source, &path, rank),
            path,
            session: names.text(session)?,
            offset: seen.offset,
        })
    };
    Ok(Response {
        id,
        source,
        at: first.at,
        names: texts,
        tokens: best.tokens,
        modifiers: best.modifiers,
        recorded: best.recorded,
        figures: spot(&best.seen, best.rank)?,
        origin: spot(&first.seen, first.rank)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_offset_counts_is_known_by_where_it_lies() {
        use SpotKind::{Archive, Line, Pushed, Row, Unpacked};
        for (source, path, rank, kind) in [
            (Source::OpenClaw, "a.sqlite", rank::LIVE_DB, Row),
            (Source::OpenClaw, "linked.db", rank::LIVE_DB, Row),
            (Source::OpenClaw, "a.sqlite", rank::ARCHIVE_TABLE, Archive),
            (Source::OpenClaw, "a.sqlite", MIRROR_RANK, Row),
            (Source::OpenClaw, "a.jsonl", MIRROR_RANK, Line),
            (Source::OpenClaw, "gateway:home", rank::GATEWAY, Pushed),
            (Source::OpenClaw, "gateway:a.zst", MIRROR_RANK, Pushed),
            (Source::OpenClaw, "a.jsonl", rank::LIVE_FILE, Line),
            (
                Source::OpenClaw,
                "a.jsonl.deleted.x.zst",
                rank::ARCHIVE_FILE,
                Unpacked,
            ),
            (Source::ClaudeCode, "a.jsonl", 0, Line),
            (Source::ClaudeCode, "a.jsonl", 2, Line),
        ] {
            assert_eq!(SpotKind::of(source, path, rank), kind, "{path} {rank}");
        }
    }

    #[test]
    fn ids_are_written_and_read() {
        for (text, cluster, nth) in [
            ("00000000000000ff", 255, 0),
            ("ffffffffffffffff-2", u64::MAX, 1),
        ] {
            let id = ResponseId { cluster, nth };
            assert_eq!((id.to_string().as_str(), text.parse()), (text, Ok(id)));
        }
        for text in [
            "",
            "ff",
            "00000000000000fg",
            "00000000000000ff-0",
            "00000000000000ff-",
            "+0000000000000ff",
        ] {
            assert_eq!(text.parse::<ResponseId>(), Err(()), "{text}");
        }
    }
}
