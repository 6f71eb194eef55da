//! Which gateway is which. Neither a name nor an address tells: a gateway may get others, and its own may be given to
//! another. What tells is the sessions in its answers.
//!
//! Table `gateways`: those that are followed, and since when another than the one that was recognised may be behind each.
//! Table `told_sessions`: hashes of the sessions that each gateway told of. Table `tellers`: what is heard under a name from
//! a time on is of which gateway; without a row, of the one that has this name. So what was heard goes to another gateway
//! with no response touched, and counting anew comes to the same.

use super::{
    Ledger, LedgerError,
    names::{NameCache, NameId, NamesOn},
    remote_days::RemoteAnswer,
    rests,
    rollups::day_number,
};
use crate::{gateway::remote::Figures, time::UnixMillis};
use jiff::tz::TimeZone;
use rusqlite::{Connection, OptionalExtension as _};
use std::collections::BTreeMap;
use xxhash_rust::xxh3::xxh3_64;

pub(super) const CREATE: &str = "
CREATE TABLE gateways (
  name TEXT PRIMARY KEY,
  address TEXT NOT NULL,
  since INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE told_sessions (
  session INTEGER NOT NULL,
  gateway TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY (session, gateway)
) STRICT, WITHOUT ROWID;
CREATE TABLE tellers (
  name TEXT NOT NULL,
  since INTEGER NOT NULL,
  gateway TEXT NOT NULL,
  PRIMARY KEY (name, since)
) STRICT, WITHOUT ROWID;
";

/// Sessions by which a gateway is known again, at most; an answer has 500.
const MOST_SESSIONS: i64 = 2_000;

/// The end of time.
const NOW: UnixMillis = UnixMillis(i64::MAX);

impl Ledger {
    /// These gateways, by name and address, are followed from now on. Nobody else tells of quotas any more.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn follow_gateways(
        &mut self,
        gateways: &[(String, String)],
        now: UnixMillis,
    ) -> Result<(), LedgerError> {
        let names: Vec<&str> = gateways.iter().map(|(name, _)| name.as_str()).collect();
        self.keep_quotas_of(&names)?;
        let names = serde_json::to_string(&names).unwrap_or_default();
        self.write(|connection, _| {
            connection
                .prepare_cached(
                    "DELETE FROM gateways WHERE name NOT IN (SELECT value FROM json_each(?1))",
                )?
                .execute([names])?;
            let mut insert = connection.prepare_cached(
                "INSERT INTO gateways (name, address, since) VALUES (?1, ?2, ?3)
                 ON CONFLICT DO UPDATE SET address = excluded.address, since = excluded.since
                 WHERE address <> excluded.address",
            )?;
            for (name, address) in gateways {
                insert.execute((name, address, now.0))?;
            }
            Ok(())
        })
    }

    /// Whose is what is heard under the names of gateways.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn tellers(&self) -> Result<Tellers, LedgerError> {
        self.read(tellers)
    }
}

/// Whose is what is heard under the names of gateways.
#[derive(Debug, Default)]
pub struct Tellers(BTreeMap<String, Vec<(i64, String)>>);

impl Tellers {
    /// The gateway that was behind a name at a time.
    #[must_use]
    pub fn gateway<'a>(&'a self, name: &'a str, at: UnixMillis) -> &'a str {
        let spans = self.0.get(name).map_or(&[][..], Vec::as_slice);
        let last = spans.iter().rfind(|(since, _)| *since <= at.0);
        last.map_or(name, |(_, gateway)| gateway)
    }

    /// When a gateway was behind which names: from a millisecond to before another.
    pub(super) fn names<'a>(&'a self, gateway: &'a str) -> Vec<(&'a str, i64, i64)> {
        let mut names = Vec::new();
        if !self.0.contains_key(gateway) {
            names.push((gateway, i64::MIN, i64::MAX));
        }
        for (name, spans) in &self.0 {
            let ends = spans.iter().skip(1).map(|(since, _)| *since);
            for ((since, of), until) in spans.iter().zip(ends.chain([i64::MAX])) {
                if of == gateway {
                    names.push((name, *since, until));
                }
            }
        }
        names
    }
}

pub(super) fn tellers(connection: &Connection) -> rusqlite::Result<Tellers> {
    let mut tellers = Tellers::default();
    let mut statement =
        connection.prepare_cached("SELECT name, since, gateway FROM tellers ORDER BY since")?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let spans = tellers.0.entry(row.get(0)?).or_default();
        spans.push((row.get(1)?, row.get(2)?));
    }
    Ok(tellers)
}

/// A name under which nothing but this gateway is heard at a time.
pub(super) fn name_of(
    names: &mut NamesOn<'_>,
    gateway: NameId,
    at: UnixMillis,
) -> rusqlite::Result<NameId> {
    let connection = names.connection;
    let gateway = names.text(gateway)?;
    let known = tellers(connection)?;
    let mut spans = known.names(&gateway).into_iter();
    if let Some((name, ..)) = spans.find(|(_, since, until)| (*since..*until).contains(&at.0)) {
        return names.id(name);
    }
    let name = unused(connection, &format!("{gateway} (forgotten)"))?;
    set_teller(connection, (&name, i64::MIN), &gateway)?;
    names.id(&name)
}

/// Recognises the gateway that gave an answer, and returns the name that its figures have.
///
/// - It tells of no session that the gateway of its name ever told of, and something else of days that one counted: it is
///   another, and what the other counted stays under a name with the date.
/// - It tells of a session of another name. Where that is not followed any more, it was renamed, and all it ever told is
///   of the new name. Where it is, one gateway is followed under two names, and the first has its figures.
pub(super) fn recognise(
    connection: &Connection,
    cache: &mut NameCache,
    answer: &RemoteAnswer<'_>,
) -> rusqlite::Result<String> {
    let name = answer.gateway;
    let sessions = answer.sessions.iter().filter(|it| !it.id.is_empty());
    let sessions: Vec<i64> = sessions
        .map(|session| xxh3_64(session.id.as_bytes()).cast_signed())
        .collect();
    let tellers = tellers(connection)?;
    let mut here = tellers.gateway(name, NOW).to_owned();
    let mut changed = false;
    let same = told_by(connection, &sessions)?;
    if !same.contains(&here) && contradicts(connection, &here, answer)? {
        part(connection, &here, answer)?;
        name.clone_into(&mut here);
        changed = true;
    }
    for other in same {
        if other == here {
            continue;
        }
        if is_followed(connection, &other)? && tellers.gateway(&other, NOW) == other {
            rename(connection, &here, &other)?;
            here = other;
        } else {
            rename(connection, &other, &here)?;
        }
        changed = true;
    }
    if here != name && !is_followed(connection, &here)? {
        rename(connection, &here, name)?;
        name.clone_into(&mut here);
        changed = true;
    }
    if changed {
        rests::settle_all(&mut cache.on(connection))?;
    }
    if !sessions.is_empty() {
        keep_sessions(connection, &here, &sessions, answer)?;
    }
    Ok(here)
}

/// The gateways that told of some of these sessions.
fn told_by(connection: &Connection, sessions: &[i64]) -> rusqlite::Result<Vec<String>> {
    let sessions = serde_json::to_string(sessions).unwrap_or_default();
    connection
        .prepare_cached(
            "SELECT DISTINCT gateway FROM told_sessions WHERE session IN (SELECT value FROM json_each(?1))
             ORDER BY gateway",
        )?
        .query_map([sessions], |row| row.get(0))?
        .collect()
}

/// Whether an answer tells otherwise of what a gateway counted, and the same of no day.
fn contradicts(
    connection: &Connection,
    gateway: &str,
    answer: &RemoteAnswer<'_>,
) -> rusqlite::Result<bool> {
    let known = connection
        .prepare_cached("SELECT 1 FROM told_sessions WHERE gateway = ?1")?
        .exists([gateway])?;
    if !known {
        return Ok(false);
    }
    let mut sums = connection.prepare_cached(
        "SELECT COALESCE(SUM(responses), 0), COALESCE(SUM(tokens), 0), COALESCE(SUM(cost), 0) FROM remote_models
         WHERE gateway = ?1 AND day = ?2",
    )?;
    let mut otherwise = false;
    for day in answer.days {
        let kept: [i64; 3] = sums.query_row((gateway, day_number(day.day)), |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?])
        })?;
        let mut all = Figures::default();
        for model in &day.models {
            all += model.figures;
        }
        let told = [
            all.responses.cast_signed(),
            all.tokens.cast_signed(),
            all.cost.0,
        ];
        if kept == told && kept[0] > 0 {
            return Ok(false);
        }
        otherwise |= kept != told && kept[0] > 0;
    }
    Ok(otherwise)
}

/// Another gateway has a name now. The one before keeps what was told and heard until then.
fn part(connection: &Connection, before: &str, answer: &RemoteAnswer<'_>) -> rusqlite::Result<()> {
    let name = answer.gateway;
    let since: Option<i64> = connection
        .prepare_cached("SELECT since FROM gateways WHERE name = ?1")?
        .query_row([name], |row| row.get(0))
        .optional()?;
    let since = UnixMillis(since.unwrap_or(answer.updated_at.0));
    if before != name {
        return set_teller(connection, (name, since.0), name);
    }
    let zone = TimeZone::get(answer.zone).unwrap_or(TimeZone::UTC);
    let left = unused(connection, &format!("{name} ({})", since.day(&zone)))?;
    give(connection, name, &left)?;
    set_teller(connection, (name, since.0), name)?;
    // It may be followed under another name.
    let tellers = tellers(connection)?;
    for other in tellers.0.keys() {
        if tellers.gateway(other, NOW) == left && is_followed(connection, other)? {
            return rename(connection, &left, other);
        }
    }
    Ok(())
}

/// A gateway has another name now; quotas, too, are told under it.
fn rename(connection: &Connection, from: &str, to: &str) -> rusqlite::Result<()> {
    give(connection, from, to)?;
    move_rows(connection, "quotas", from, to)
}

/// Gives all that a gateway told, and what was and is heard from it, to another name. Of a day of both, the later answer
/// stands.
fn give(connection: &Connection, from: &str, to: &str) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "UPDATE remote_days AS one SET logs_here = 1 WHERE gateway IN (?1, ?2) AND EXISTS
               (SELECT 1 FROM remote_days AS two WHERE two.gateway IN (?1, ?2) AND two.day = one.day AND two.logs_here)",
        )?
        .execute((from, to))?;
    for (loser, winner) in [(to, from), (from, to)] {
        connection
            .prepare_cached(
                "DELETE FROM remote_days WHERE gateway = ?1 AND EXISTS
                   (SELECT 1 FROM remote_days AS other WHERE other.gateway = ?2 AND other.day = remote_days.day
                      AND other.updated_at >= remote_days.updated_at)",
            )?
            .execute((loser, winner))?;
        connection
            .prepare_cached(
                "DELETE FROM remote_models WHERE gateway = ?1
                   AND day NOT IN (SELECT day FROM remote_days WHERE gateway = ?1)",
            )?
            .execute([loser])?;
    }
    for table in [
        "remote_days",
        "remote_models",
        "remote_sessions",
        "told_sessions",
    ] {
        move_rows(connection, table, from, to)?;
    }
    connection
        .prepare_cached("INSERT OR IGNORE INTO tellers VALUES (?1, ?2, ?1)")?
        .execute((from, i64::MIN))?;
    connection
        .prepare_cached("UPDATE tellers SET gateway = ?2 WHERE gateway = ?1")?
        .execute((from, to))
        .map(drop)
}

fn move_rows(connection: &Connection, table: &str, from: &str, to: &str) -> rusqlite::Result<()> {
    connection.execute(
        &format!("UPDATE OR IGNORE {table} SET gateway = ?2 WHERE gateway = ?1"),
        (from, to),
    )?;
    connection
        .execute(&format!("DELETE FROM {table} WHERE gateway = ?1"), [from])
        .map(drop)
}

fn set_teller(
    connection: &Connection,
    (name, since): (&str, i64),
    gateway: &str,
) -> rusqlite::Result<()> {
    connection
        .prepare_cached(
            "INSERT OR REPLACE INTO tellers (name, since, gateway) VALUES (?1, ?2, ?3)",
        )?
        .execute((name, since, gateway))
        .map(drop)
}

/// A name like this one that nothing has yet.
fn unused(connection: &Connection, like: &str) -> rusqlite::Result<String> {
    let mut find = connection.prepare_cached(
        "SELECT 1 FROM gateways WHERE name = ?1 UNION SELECT 1 FROM remote_days WHERE gateway = ?1
         UNION SELECT 1 FROM tellers WHERE ?1 IN (name, gateway)",
    )?;
    let mut name = like.to_owned();
    let mut number = 1;
    while find.exists([&name])? {
        number += 1;
        name = format!("{like} {number}");
    }
    Ok(name)
}

fn is_followed(connection: &Connection, name: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached("SELECT 1 FROM gateways WHERE name = ?1")?
        .exists([name])
}

/// Remembers whose these sessions are. Until the time of the answer, nobody else was behind its name.
fn keep_sessions(
    connection: &Connection,
    gateway: &str,
    sessions: &[i64],
    answer: &RemoteAnswer<'_>,
) -> rusqlite::Result<()> {
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO told_sessions (session, gateway, at) VALUES (?1, ?2, ?3)",
    )?;
    for session in sessions {
        insert.execute((session, gateway, answer.taken_at.0))?;
    }
    connection
        .prepare_cached(
            "DELETE FROM told_sessions WHERE gateway = ?1 AND session NOT IN
               (SELECT session FROM told_sessions WHERE gateway = ?1 ORDER BY at DESC LIMIT ?2)",
        )?
        .execute((gateway, MOST_SESSIONS))?;
    connection
        .prepare_cached("UPDATE gateways SET since = MAX(since, ?2) WHERE name = ?1")?
        .execute((answer.gateway, answer.updated_at.0.saturating_add(1)))
        .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        follow::roots::rank,
        gateway::remote::{ActiveSession, RemoteDay, RemoteModel},
        money::NanoUsd,
        pricing::Priceable,
        usage::{Identity, Modifiers, Observation, Source, Tokens},
    };
    use jiff::civil::date;
    use proptest::prelude::*;

    /// 2026-11-20T00:00:00Z.
    const MIDNIGHT: i64 = 1_795_132_800_000;

    const fn minute(minute: i64) -> UnixMillis {
        UnixMillis(MIDNIGHT + minute * 60_000)
    }

    #[derive(Debug, Clone)]
    enum Step {
        /// These are in the settings, by name and address.
        Follow(Vec<(&'static str, &'static str)>),
        /// Under this name, so many responses are counted, in these sessions.
        Tell(&'static str, u64, Vec<String>),
        /// Under this name, the response of this number is pushed.
        Push(&'static str, u64),
        /// The rests of this gateway are to be forgotten.
        Forget(&'static str),
    }

    fn follow(gateways: &[(&'static str, &'static str)]) -> Step {
        Step::Follow(gateways.to_vec())
    }

    fn tell(name: &'static str, responses: u64, sessions: &[&str]) -> Step {
        let sessions = sessions.iter().map(|it| (*it).to_owned());
        Step::Tell(name, responses, sessions.collect())
    }

    /// All responses, and those of the rests by gateway.
    type Counted = (u64, Vec<(String, u64)>);

    fn counted(all: u64, rests: &[(&str, u64)]) -> Counted {
        let rests = rests.iter().map(|(name, rest)| ((*name).to_owned(), *rest));
        (all, rests.collect())
    }

    struct Home {
        folder: tempfile::TempDir,
        ledger: Ledger,
        minute: i64,
        /// What answers tell of the day before, if anything.
        yesterday: Option<u64>,
    }

    impl Home {
        fn new() -> Self {
            let folder = tempfile::tempdir().expect("a folder");
            let ledger = Self::open(&folder);
            Self {
                folder,
                ledger,
                minute: 900,
                yesterday: None,
            }
        }

        fn open(folder: &tempfile::TempDir) -> Ledger {
            let path = folder.path().join("ledger.sqlite");
            let (mut ledger, _) = Ledger::open(&path).expect("a ledger");
            ledger.set_zone(&TimeZone::UTC, "UTC").expect("a zone");
            ledger
        }

        /// Each a minute after the one before, with a restart before it.
        fn take(&mut self, step: &Step) {
            self.minute += 1;
            self.ledger = Self::open(&self.folder);
            match step {
                Step::Follow(gateways) => {
                    let own = |(name, address): &(&str, &str)| {
                        ((*name).to_owned(), (*address).to_owned())
                    };
                    let gateways: Vec<_> = gateways.iter().map(own).collect();
                    let followed = self.ledger.follow_gateways(&gateways, minute(self.minute));
                    followed.expect("followed");
                }
                Step::Tell(name, responses, sessions) => self.tell(name, *responses, sessions),
                Step::Push(name, id) => self.push(name, *id),
                Step::Forget(name) => {
                    let mut rests = self.rests();
                    rests.retain(|rest| *rest.gateway == **name);
                    let forgotten = self.ledger.forget(
                        &[],
                        &rests,
                        &TimeZone::UTC,
                        &mut |it: Priceable<'_>| it.recorded,
                    );
                    forgotten.expect("forgotten");
                }
            }
        }

        fn rests(&mut self) -> Vec<rests::Rest> {
            let rests = self.ledger.rests(date(2026, 11, 19), date(2026, 11, 20));
            rests.expect("rests")
        }

        fn tell(&mut self, name: &str, responses: u64, sessions: &[String]) {
            let day = |day, responses: u64| RemoteDay {
                day: date(2026, 11, day),
                tokens: Tokens::default(),
                cost: NanoUsd::ZERO,
                missing: 0,
                models: vec![RemoteModel {
                    agent: "main".into(),
                    provider: "mock".into(),
                    model: "large".into(),
                    figures: Figures {
                        tokens: 100 * responses,
                        cost: NanoUsd(1_000 * responses.cast_signed()),
                        responses,
                        missing: 0,
                    },
                }],
            };
            let yesterday = self.yesterday.map(|responses| day(19, responses));
            let days: Vec<RemoteDay> = yesterday.into_iter().chain([day(20, responses)]).collect();
            let sessions = sessions.iter().map(|id| ActiveSession {
                id: id.clone(),
                at: minute(self.minute),
            });
            let sessions: Vec<ActiveSession> = sessions.collect();
            let answer = RemoteAnswer {
                gateway: name,
                zone: "UTC",
                updated_at: minute(self.minute),
                taken_at: minute(self.minute),
                days: &days,
                sessions: &sessions,
            };
            self.ledger.keep_remote_days(&answer).expect("kept");
        }

        fn push(&mut self, name: &str, id: u64) {
            let observation = Observation {
                cluster: id,
                identity: Identity::Strong,
                request: 0,
                line: 0,
                parent: 0,
                at: minute(self.minute),
                source: Source::OpenClaw,
                rank: rank::GATEWAY,
                forked: false,
                has_speed: false,
                session: "heard".into(),
                project: "".into(),
                agent: "main".into(),
                subagent: "".into(),
                branch: "".into(),
                gateway: name.into(),
                provider: "mock".into(),
                model: "large".into(),
                api: "".into(),
                stop: "stop".into(),
                tokens: Tokens {
                    input: 100,
                    ..Tokens::default()
                },
                modifiers: Modifiers::default(),
                recorded: Some(NanoUsd(1_000)),
                extras: Vec::new(),
            };
            let mut batch = self.ledger.batch().expect("a batch");
            let place = batch.place("gateway").expect("a place");
            batch.add(&observation, place, 0).expect("added");
            batch
                .commit(&TimeZone::UTC, &mut |it| it.recorded)
                .expect("committed");
        }

        /// What counting anew comes to as well.
        fn counted(&mut self) -> Counted {
            let wrong = self
                .ledger
                .wrong_sums(&TimeZone::UTC, &mut |it: Priceable<'_>| it.recorded);
            assert_eq!(wrong.expect("counted anew"), []);
            let rests = self.rests();
            let rests = rests
                .iter()
                .map(|rest| (rest.gateway.to_string(), rest.amount.responses));
            let rests = rests.collect();
            (self.ledger.response_count().expect("a count"), rests)
        }
    }

    /// Takes steps and tells what counted after each.
    fn all_counted(steps: &[(Step, Counted)]) {
        let mut home = Home::new();
        for (number, (step, expected)) in steps.iter().enumerate() {
            home.take(step);
            assert_eq!(home.counted(), *expected, "{number}: {step:?}");
        }
    }

    #[test]
    fn a_gateway_that_gets_a_name_that_another_had_counts_once() {
        all_counted(&[
            (follow(&[("work", "y"), ("home", "x")]), counted(0, &[])),
            (tell("work", 2, &["y1"]), counted(2, &[("work", 2)])),
            (Step::Push("work", 1), counted(3, &[("work", 2)])),
            (
                tell("home", 5, &["x1"]),
                counted(8, &[("home", 5), ("work", 2)]),
            ),
            (
                follow(&[("home", "x")]),
                counted(8, &[("home", 5), ("work", 2)]),
            ),
            (
                follow(&[("work", "x")]),
                counted(8, &[("home", 5), ("work", 2)]),
            ),
            (
                tell("work", 6, &["x1", "x2"]),
                counted(9, &[("work", 6), ("work (2026-11-20)", 2)]),
            ),
            // And back.
            (
                follow(&[("home", "x")]),
                counted(9, &[("work", 6), ("work (2026-11-20)", 2)]),
            ),
            (
                Step::Push("home", 2),
                counted(10, &[("work", 6), ("work (2026-11-20)", 2)]),
            ),
            (
                tell("home", 8, &["x2"]),
                counted(11, &[("home", 7), ("work (2026-11-20)", 2)]),
            ),
        ]);
    }

    #[test]
    fn a_gateway_whose_name_goes_to_another_at_once_keeps_what_was_heard() {
        let begin = [
            (follow(&[("home", "x")]), counted(0, &[])),
            (Step::Push("home", 1), counted(1, &[])),
            (Step::Push("home", 2), counted(2, &[])),
            (tell("home", 5, &["x1"]), counted(5, &[("home", 3)])),
            (
                follow(&[("home", "y"), ("old", "x")]),
                counted(5, &[("home", 3)]),
            ),
            (Step::Push("home", 3), counted(6, &[("home", 3)])),
        ];
        let old = tell("old", 5, &["x1"]);
        let home = tell("home", 2, &["y1"]);
        let both = counted(7, &[("home", 1), ("old", 3)]);
        let mut steps = begin.to_vec();
        // Until the other tells, it could be the same gateway at two addresses.
        steps.push((old.clone(), counted(5, &[("home", 2)])));
        steps.push((home.clone(), both.clone()));
        steps.push((old.clone(), both.clone()));
        all_counted(&steps);
        let mut steps = begin.to_vec();
        let parted = counted(7, &[("home", 1), ("home (2026-11-20)", 3)]);
        steps.push((home.clone(), parted));
        steps.push((old, both.clone()));
        steps.push((home, both));
        all_counted(&steps);
    }

    #[test]
    fn another_gateway_at_the_address_of_one_that_is_gone_is_another() {
        all_counted(&[
            (follow(&[("office", "tunnel")]), counted(0, &[])),
            (tell("office", 5, &["x1"]), counted(5, &[("office", 5)])),
            (follow(&[]), counted(5, &[("office", 5)])),
            (follow(&[("lab", "tunnel")]), counted(5, &[("office", 5)])),
            (
                tell("lab", 3, &["y1"]),
                counted(8, &[("lab", 3), ("office", 5)]),
            ),
        ]);
    }

    #[test]
    fn a_name_that_is_given_to_another_gateway_keeps_what_the_one_before_counted() {
        // With another address, or another end of the same tunnel.
        for address in ["y", "x"] {
            all_counted(&[
                (follow(&[("home", "x")]), counted(0, &[])),
                (Step::Push("home", 1), counted(1, &[])),
                (Step::Push("home", 2), counted(2, &[])),
                (tell("home", 5, &["x1"]), counted(5, &[("home", 3)])),
                (follow(&[("home", address)]), counted(5, &[("home", 3)])),
                (Step::Push("home", 3), counted(6, &[("home", 3)])),
                // Nothing to know it by, but nothing that says otherwise.
                (tell("home", 5, &[]), counted(5, &[("home", 2)])),
                (
                    tell("home", 3, &["y1"]),
                    counted(8, &[("home", 2), ("home (2026-11-20)", 3)]),
                ),
                (
                    tell("home", 4, &["y1"]),
                    counted(9, &[("home", 3), ("home (2026-11-20)", 3)]),
                ),
                (
                    Step::Forget("home"),
                    counted(6, &[("home (2026-11-20)", 3)]),
                ),
                (
                    tell("home", 5, &["y2", "y1"]),
                    counted(7, &[("home", 1), ("home (2026-11-20)", 3)]),
                ),
                // The first is back: nothing of it counts twice.
                (
                    follow(&[("home", "y"), ("first", "x")]),
                    counted(7, &[("home", 1), ("home (2026-11-20)", 3)]),
                ),
                (
                    tell("first", 6, &["x1"]),
                    counted(8, &[("first", 4), ("home", 1)]),
                ),
            ]);
        }
    }

    #[test]
    fn a_gateway_with_another_name_and_address_counts_once() {
        all_counted(&[
            (follow(&[("office", "x")]), counted(0, &[])),
            (Step::Push("office", 1), counted(1, &[])),
            (
                tell("office", 5, &["x1", "x2"]),
                counted(5, &[("office", 4)]),
            ),
            (follow(&[]), counted(5, &[("office", 4)])),
            (follow(&[("claw", "tls")]), counted(5, &[("office", 4)])),
            (Step::Push("claw", 2), counted(6, &[("office", 4)])),
            (tell("claw", 7, &["x2", "x3"]), counted(7, &[("claw", 5)])),
            (Step::Forget("claw"), counted(2, &[])),
            (follow(&[("lab", "tls")]), counted(2, &[])),
            (tell("lab", 8, &["x3"]), counted(3, &[("lab", 1)])),
        ]);
    }

    #[test]
    fn a_gateway_that_is_followed_under_two_names_counts_once() {
        all_counted(&[
            (follow(&[("office", "x"), ("claw", "tls")]), counted(0, &[])),
            (tell("office", 5, &["x1"]), counted(5, &[("office", 5)])),
            (Step::Push("office", 1), counted(6, &[("office", 5)])),
            (Step::Push("claw", 1), counted(6, &[("office", 5)])),
            (tell("claw", 6, &["x1"]), counted(6, &[("office", 5)])),
            (Step::Push("claw", 2), counted(7, &[("office", 5)])),
            (tell("office", 7, &["x1"]), counted(7, &[("office", 5)])),
            // The first is removed.
            (follow(&[("claw", "tls")]), counted(7, &[("office", 5)])),
            (tell("claw", 8, &["x1"]), counted(8, &[("claw", 6)])),
            // Or becomes another.
            (
                follow(&[("claw", "tls"), ("office", "y")]),
                counted(8, &[("claw", 6)]),
            ),
            (
                tell("office", 3, &["y1"]),
                counted(11, &[("claw", 6), ("office", 3)]),
            ),
        ]);
    }

    #[test]
    fn a_gateway_of_which_other_sessions_were_told_long_ago_is_the_same() {
        all_counted(&[
            (follow(&[("home", "x")]), counted(0, &[])),
            (tell("home", 0, &["x1"]), counted(0, &[])),
            (tell("home", 3, &["x9"]), counted(3, &[("home", 3)])),
            // Of a day it tells the same as before.
            (tell("home", 3, &["x7"]), counted(3, &[("home", 3)])),
            // All its sessions were deleted there: what they came to stays.
            (
                tell("home", 1, &["x10"]),
                counted(4, &[("home", 1), ("home (2026-11-20)", 3)]),
            ),
        ]);
    }

    #[test]
    fn a_gateway_that_tells_the_same_of_a_day_is_the_same() {
        let mut home = Home::new();
        home.yesterday = Some(2);
        home.take(&tell("home", 3, &["x1"]));
        home.take(&tell("home", 4, &["x9"]));
        assert_eq!(home.counted(), counted(6, &[("home", 2), ("home", 4)]));
        home.yesterday = Some(1);
        home.take(&tell("home", 5, &["y1"]));
        let before = "home (2026-11-20)";
        let expected = [("home", 1), (before, 2), ("home", 5), (before, 4)];
        assert_eq!(home.counted(), counted(12, &expected));
    }

    #[test]
    fn of_a_day_that_was_told_under_both_names_the_later_answer_stands() {
        for (first, second, then) in [("office", "claw", 6), ("claw", "office", 5)] {
            let mut home = Home::new();
            for name in [first, second] {
                let (yesterday, sessions) = match name {
                    "office" => (5, &["x1"][..]),
                    // Without sessions, nobody can tell yet.
                    _ => (6, &[][..]),
                };
                home.yesterday = Some(yesterday);
                home.take(&tell(name, 0, sessions));
            }
            assert_eq!(home.counted(), counted(11, &[("claw", 6), ("office", 5)]));
            home.yesterday = None;
            home.take(&tell("claw", 1, &["x1"]));
            assert_eq!(
                home.counted(),
                counted(then + 1, &[("claw", then), ("claw", 1)])
            );
        }
    }

    #[test]
    fn days_of_which_the_logs_were_here_under_another_name_stay_so() {
        let mut home = Home::new();
        home.yesterday = Some(5);
        home.take(&tell("office", 2, &["x1"]));
        let noted = home
            .ledger
            .connection
            .execute_batch("UPDATE remote_days SET logs_here = 1; DELETE FROM rests");
        noted.expect("noted");
        home.take(&tell("claw", 2, &[]));
        assert_eq!(home.counted(), counted(7, &[("claw", 5), ("claw", 2)]));
        home.yesterday = None;
        home.take(&tell("claw", 3, &["x1"]));
        assert_eq!(home.counted(), counted(0, &[]));
    }

    #[test]
    fn what_was_pushed_and_forgotten_under_another_name_is_no_log() {
        let mut home = Home::new();
        for step in [
            follow(&[("office", "x")]),
            Step::Push("office", 1),
            tell("office", 5, &["a1", "heard"]),
        ] {
            home.take(&step);
        }
        let mut price = |it: Priceable<'_>| it.recorded;
        let forgotten = home.ledger.forget(&[1], &[], &TimeZone::UTC, &mut price);
        forgotten.expect("forgotten");
        assert_eq!(home.counted(), counted(4, &[("office", 4)]));
        home.take(&follow(&[("claw", "tls")]));
        home.take(&tell("claw", 6, &["a1", "heard"]));
        assert_eq!(home.counted(), counted(5, &[("claw", 5)]));
    }

    #[test]
    fn so_many_sessions_are_remembered_and_no_text_of_them() {
        let mut home = Home::new();
        let sessions: Vec<String> = (0..5_000).map(|number| format!("s{number}")).collect();
        home.take(&Step::Tell("home", 1, sessions));
        let kept =
            home.ledger
                .connection
                .query_row("SELECT COUNT(*) FROM told_sessions", [], |row| {
                    row.get::<_, i64>(0)
                });
        assert_eq!(kept.expect("a count"), MOST_SESSIONS);
    }

    /// What happens in a world of three gateways.
    #[derive(Debug, Clone)]
    enum Event {
        /// Which of them has which name in the settings.
        Settings(Vec<(usize, usize)>),
        /// One makes a response, and pushes it under all its names. Then all tell.
        Spend(usize),
        /// The one of this name tells.
        Tell(usize),
    }

    const NAMES: [&str; 3] = ["home", "office", "lab"];
    const PLACES: [&str; 3] = ["x", "y", "z"];

    fn event() -> impl Strategy<Value = Event> {
        let names = Just(vec![0_usize, 1, 2]).prop_shuffle();
        let settings = prop::collection::vec(0..3_usize, 1..4);
        let settings = (names, settings)
            .prop_map(|(names, of)| Event::Settings(names.into_iter().zip(of).collect()));
        prop_oneof![
            2 => settings,
            3 => (0..3_usize).prop_map(Event::Spend),
            3 => (0..3_usize).prop_map(Event::Tell),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100))]

        #[test]
        fn whatever_names_and_addresses_become_each_gateway_counts_once(
            events in prop::collection::vec(event(), 1..24),
        ) {
            let mut home = Home::new();
            let mut settings: Vec<(usize, usize)> = Vec::new();
            // Amounts by which no two are alike.
            let mut spent = [10_u64, 200, 3_000];
            let mut known = [0_u64; 3];
            let mut number = 0;
            let tell = |home: &mut Home, settings: &[(usize, usize)], spent: &[u64; 3], known: &mut [u64; 3]| {
                for (name, of) in settings {
                    let sessions = vec![format!("{of}-main"), format!("{of}-{}", spent[*of])];
                    home.take(&Step::Tell(NAMES[*name], spent[*of], sessions));
                    known[*of] = spent[*of];
                }
            };
            for event in events {
                match event {
                    Event::Settings(wanted) => {
                        settings = wanted;
                        let named = settings.iter().map(|(name, of)| (NAMES[*name], PLACES[*of]));
                        home.take(&Step::Follow(named.collect()));
                        continue;
                    }
                    Event::Spend(of) => {
                        number += 1;
                        spent[of] += 1;
                        let mut heard = 0;
                        for (name, _) in settings.iter().filter(|(_, it)| *it == of) {
                            home.take(&Step::Push(NAMES[*name], number));
                            heard = 1;
                        }
                        known[of] += heard;
                    }
                    Event::Tell(name) => {
                        let mut one = settings.clone();
                        one.retain(|it| it.0 == name);
                        tell(&mut home, &one, &spent, &mut known);
                        continue;
                    }
                }
                // One that tells before another that had its name is only known for itself when the other has told.
                for _ in 0..2 {
                    tell(&mut home, &settings, &spent, &mut known);
                }
                prop_assert_eq!(home.counted().0, known.iter().sum::<u64>());
            }
        }
    }
}
