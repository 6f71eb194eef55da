//! Tables `remote_days` and `remote_models`: what gateways count by themselves, by day, as their last believable answers
//! tell, and `remote_sessions`: in which sessions of each something happened lately, and whether a log of one, and so the
//! gateway's logs, are read here. What of it all nobody heard is for `rests`.

use super::{
    Ledger, LedgerError,
    dimensions::source_number,
    followed,
    forget::is_forgotten_session,
    rests,
    rollups::{day_number, day_of_number},
};
use crate::{
    gateway::remote::{ActiveSession, Figures, RemoteDay, RemoteModel},
    money::NanoUsd,
    time::UnixMillis,
    usage::{Source, Tokens},
};
use jiff::civil::Date;
use rusqlite::{Connection, Row};

pub(super) const CREATE: &str = "
CREATE TABLE remote_days (
  gateway TEXT NOT NULL,
  day INTEGER NOT NULL,
  zone TEXT NOT NULL,
  updated_at INTEGER NOT NULL,
  taken_at INTEGER NOT NULL,
  logs_here INTEGER NOT NULL,
  input INTEGER NOT NULL,
  output INTEGER NOT NULL,
  cache_read INTEGER NOT NULL,
  cache_write INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  PRIMARY KEY (gateway, day)
) STRICT, WITHOUT ROWID;
CREATE TABLE remote_models (
  gateway TEXT NOT NULL,
  day INTEGER NOT NULL,
  provider TEXT NOT NULL,
  model TEXT NOT NULL,
  agent TEXT NOT NULL,
  tokens INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  missing INTEGER NOT NULL,
  PRIMARY KEY (gateway, day, provider, model, agent)
) STRICT, WITHOUT ROWID;
";

pub(super) const CREATE_SESSIONS: &str = "
CREATE TABLE remote_sessions (
  gateway TEXT NOT NULL,
  session TEXT NOT NULL,
  active_at INTEGER NOT NULL,
  logs_here INTEGER NOT NULL,
  PRIMARY KEY (gateway, session)
) STRICT, WITHOUT ROWID;
";

/// A log that is read tells what happened a quarter of an hour ago, if not what is happening.
const CURRENT_MILLIS: i64 = 900_000;

const DAY_MILLIS: i64 = 86_400_000;

/// Sessions of a gateway whose logs are looked for at most, the latest.
const MOST_SESSIONS: usize = 50;

/// An answer that can be believed, about some days.
#[derive(Debug, Clone, Copy)]
pub struct RemoteAnswer<'a> {
    /// The gateway's name.
    pub gateway: &'a str,
    /// Whose days: an IANA name.
    pub zone: &'a str,
    /// Of when it is, by the gateway's clock.
    pub updated_at: UnixMillis,
    /// When it came.
    pub taken_at: UnixMillis,
    /// Every day that was asked for.
    pub days: &'a [RemoteDay],
    /// Its sessions.
    pub sessions: &'a [ActiveSession],
}

/// What a gateway counts on a day, as far as is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptDay {
    /// The gateway's name.
    pub gateway: String,
    /// Whose day.
    pub zone: String,
    /// Of when the figures are, by the gateway's clock.
    pub updated_at: UnixMillis,
    /// When they came.
    pub taken_at: UnixMillis,
    /// The gateway's logs are read on this machine.
    pub logs_here: bool,
    /// The figures.
    pub figures: RemoteDay,
}

impl Ledger {
    /// Keeps an answer in place of what was known of its days, and tells whether the gateway's logs are read here. One
    /// that is older than that is passed over, unless what is known is of a time to come: then the gateway's clock was set
    /// back.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn keep_remote_days(&mut self, answer: &RemoteAnswer<'_>) -> Result<bool, LedgerError> {
        self.write(|connection, names| {
            let gateway = followed::recognise(connection, names, answer)?;
            let answer = &RemoteAnswer {
                gateway: &gateway,
                ..*answer
            };
            let logs_here = decide(connection, answer)?;
            if logs_here {
                logs_are_here(connection, answer.gateway)?;
            }
            for day in answer.days {
                keep(connection, answer, logs_here, day)?;
            }
            let mut names = names.on(connection);
            let gateway = names.id(answer.gateway)?;
            let days = || answer.days.iter().map(|day| day_number(day.day));
            let (first, last) = (days().min(), days().max());
            let days = (first.unwrap_or(0), last.unwrap_or(-1));
            rests::settle(&mut names, gateway, days)?;
            Ok(logs_here)
        })
    }

    /// When a gateway last told what it counts, and whether its logs are read here; `None` where it never did.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn last_told(&self, gateway: &str) -> Result<Option<(UnixMillis, bool)>, LedgerError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT MAX(taken_at), EXISTS (SELECT 1 FROM remote_sessions WHERE gateway = ?1 AND logs_here)
                     FROM remote_days WHERE gateway = ?1",
                )?
                .query_row([gateway], |row| {
                    let taken_at: Option<i64> = row.get(0)?;
                    let logs_here = row.get(1)?;
                    Ok(taken_at.map(|at| (UnixMillis(at), logs_here)))
                })
        })
    }

    /// Names of the gateways that ever told what they count.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn remote_gateways(&self) -> Result<Vec<String>, LedgerError> {
        self.read(|connection| {
            connection
                .prepare_cached("SELECT DISTINCT gateway FROM remote_days ORDER BY gateway")?
                .query_map([], |row| row.get(0))?
                .collect()
        })
    }

    /// Of when the latest figures are of each gateway whose logs are not read here, in order of name.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn remote_latest(&self) -> Result<Vec<(String, UnixMillis)>, LedgerError> {
        self.read(|connection| {
            connection
                .prepare_cached(
                    "SELECT gateway, MAX(updated_at) FROM remote_days
                     WHERE gateway NOT IN (SELECT gateway FROM remote_sessions WHERE logs_here)
                     GROUP BY gateway ORDER BY gateway",
                )?
                .query_map([], |row| Ok((row.get(0)?, UnixMillis(row.get(1)?))))?
                .collect()
        })
    }

    /// What gateways count on these days, in order of gateway and day.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn remote_days(&self, since: Date, until: Date) -> Result<Vec<KeptDay>, LedgerError> {
        let range = (day_number(since), day_number(until));
        self.read(|connection| {
            let mut days: Vec<KeptDay> = connection
                .prepare_cached(
                    "SELECT gateway, day, zone, updated_at, taken_at, logs_here, input, output, cache_read, cache_write,
                       cost, missing
                     FROM remote_days WHERE day BETWEEN ?1 AND ?2 ORDER BY gateway, day",
                )?
                .query_map(range, kept_day)?
                .collect::<Result<_, _>>()?;
            let mut models = connection.prepare_cached(
                "SELECT agent, provider, model, tokens, cost, responses, missing FROM remote_models
                 WHERE gateway = ?1 AND day = ?2 ORDER BY provider, model, agent",
            )?;
            for day in &mut days {
                let key = (&day.gateway, day_number(day.figures.day));
                let rows = models.query_map(key, remote_model)?;
                day.figures.models = rows.collect::<Result<_, _>>()?;
            }
            Ok(days)
        })
    }
}

/// Whether the gateway's logs are read here: one of its sessions of the last day tells. A gateway that moved away takes its
/// sessions along and anybody may have a copy of an old log, and of the latest session alone there may be no response to
/// tell of, as where it only fails. Where the answer names none, it is as before.
fn decide(connection: &Connection, answer: &RemoteAnswer<'_>) -> rusqlite::Result<bool> {
    let mut sessions: Vec<&ActiveSession> = answer.sessions.iter().collect();
    sessions.sort_by_key(|it| std::cmp::Reverse((it.at, &it.id)));
    let Some(latest) = sessions.first().map(|it| it.at) else {
        return connection
            .prepare_cached("SELECT 1 FROM remote_sessions WHERE gateway = ?1 AND logs_here")?
            .exists([answer.gateway]);
    };
    sessions.retain(|it| it.at > latest.plus(-DAY_MILLIS));
    sessions.truncate(MOST_SESSIONS);
    let mut logs_here = false;
    let mut told = Vec::new();
    for ActiveSession { id, at } in sessions {
        let forgotten = is_forgotten_session(connection, Source::OpenClaw, id)?;
        // The log of a session that the user has forgotten was here, unless what the gateway pushed was forgotten.
        logs_here |= if forgotten {
            !has_forgotten_pushes(connection, answer.gateway)?
        } else {
            has_current_log(connection, id, *at)? || has_only_copies(connection, id)?
        };
        if !forgotten {
            told.push((id.as_str(), at.0));
        }
    }
    if told.is_empty() {
        told.push(("", latest.0));
    }
    connection
        .prepare_cached("DELETE FROM remote_sessions WHERE gateway = ?1")?
        .execute([answer.gateway])?;
    let mut insert = connection.prepare_cached(
        "INSERT OR REPLACE INTO remote_sessions (gateway, session, active_at, logs_here) VALUES (?1, ?2, ?3, ?4)",
    )?;
    for (session, at) in told {
        insert.execute((answer.gateway, session, at, logs_here))?;
    }
    Ok(logs_here)
}

/// Whether the user had something forgotten that this gateway pushed, under whatever name it had.
fn has_forgotten_pushes(connection: &Connection, gateway: &str) -> rusqlite::Result<bool> {
    let tellers = followed::tellers(connection)?;
    let names = tellers.names(gateway);
    let names: Vec<&str> = names.iter().map(|(name, ..)| *name).collect();
    connection
        .prepare_cached(
            "SELECT 1 FROM heard JOIN names ON names.id = heard.gateway
             WHERE names.text IN (SELECT value FROM json_each(?1)) AND forgotten",
        )?
        .exists([serde_json::to_string(&names).unwrap_or_default()])
}

/// Whether a log of the session is read here that knows of what happened last in it. What gateways push bears their
/// name, what logs tell does not.
fn has_current_log(
    connection: &Connection,
    session: &str,
    active_at: UnixMillis,
) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "SELECT 1 FROM rollups WHERE slot >= ?3 AND owner IN
               (SELECT owners.id FROM owners JOIN names ON names.id = owners.session
                WHERE names.text = ?1 AND owners.source = ?2 AND owners.gateway = 0)",
        )?
        .exists((
            session,
            source_number(Source::OpenClaw),
            active_at.plus(-CURRENT_MILLIS).slot().0,
        ))
}

/// Whether a log of the session is read here, and each of its responses counts as another session's: a fork's, or one
/// that another agent's log tells too. How old the log is cannot be seen then.
fn has_only_copies(connection: &Connection, session: &str) -> rusqlite::Result<bool> {
    connection
        .prepare_cached(
            "WITH mine AS (SELECT owners.id FROM owners JOIN names ON names.id = owners.session
               WHERE names.text = ?1 AND owners.source = ?2 AND owners.gateway = 0)
             SELECT 1 FROM mine WHERE NOT EXISTS (SELECT 1 FROM rollups WHERE owner IN mine)",
        )?
        .exists((session, source_number(Source::OpenClaw)))
}

/// Logs were read: perhaps that of a session in which a gateway was active lately.
pub(super) fn notice_logs(connection: &Connection) -> rusqlite::Result<()> {
    let elsewhere: Vec<(String, String, i64)> = connection
        .prepare_cached(
            "SELECT gateway, session, active_at FROM remote_sessions WHERE NOT logs_here AND session <> ''",
        )?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<Result<_, _>>()?;
    for (gateway, session, active_at) in elsewhere {
        if has_current_log(connection, &session, UnixMillis(active_at))? {
            logs_are_here(connection, &gateway)?;
        }
    }
    Ok(())
}

/// They stay so for the days that are known: their responses are in the ledger, or the user had them forgotten.
fn logs_are_here(connection: &Connection, gateway: &str) -> rusqlite::Result<()> {
    for statement in [
        "UPDATE remote_days SET logs_here = 1 WHERE gateway = ?1 AND NOT logs_here",
        "UPDATE remote_sessions SET logs_here = 1 WHERE gateway = ?1",
        "DELETE FROM rests WHERE gateway = (SELECT id FROM names WHERE text = ?1)",
    ] {
        connection.prepare_cached(statement)?.execute([gateway])?;
    }
    Ok(())
}

fn keep(
    connection: &Connection,
    answer: &RemoteAnswer<'_>,
    logs_here: bool,
    day: &RemoteDay,
) -> rusqlite::Result<()> {
    let number = day_number(day.day);
    let written = connection
        .prepare_cached(
            "INSERT INTO remote_days (gateway, day, zone, updated_at, taken_at, logs_here, input, output, cache_read,
               cache_write, cost, missing)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT DO UPDATE SET zone = excluded.zone, updated_at = excluded.updated_at,
               taken_at = excluded.taken_at, logs_here = MAX(logs_here, excluded.logs_here), input = excluded.input,
               output = excluded.output, cache_read = excluded.cache_read, cache_write = excluded.cache_write,
               cost = excluded.cost, missing = excluded.missing
             WHERE updated_at <= excluded.updated_at OR updated_at > excluded.taken_at",
        )?
        .execute((
            answer.gateway,
            number,
            answer.zone,
            answer.updated_at.0,
            answer.taken_at.0,
            logs_here,
            day.tokens.input.cast_signed(),
            day.tokens.output.cast_signed(),
            day.tokens.cache_read.cast_signed(),
            day.tokens.cache_write_5m.cast_signed(),
            day.cost.0,
            day.missing.cast_signed(),
        ))?;
    if written == 0 {
        return Ok(());
    }
    connection
        .prepare_cached("DELETE FROM remote_models WHERE gateway = ?1 AND day = ?2")?
        .execute((answer.gateway, number))?;
    let mut insert = connection.prepare_cached(
        "INSERT INTO remote_models (gateway, day, agent, provider, model, tokens, cost, responses, missing)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
    )?;
    for RemoteModel {
        agent,
        provider,
        model,
        figures,
    } in &day.models
    {
        insert.execute((
            answer.gateway,
            number,
            agent,
            provider,
            model,
            figures.tokens.cast_signed(),
            figures.cost.0,
            figures.responses.cast_signed(),
            figures.missing.cast_signed(),
        ))?;
    }
    Ok(())
}

fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.cast_unsigned())
}

fn kept_day(row: &Row<'_>) -> rusqlite::Result<KeptDay> {
    Ok(KeptDay {
        gateway: row.get(0)?,
        zone: row.get(2)?,
        updated_at: UnixMillis(row.get(3)?),
        taken_at: UnixMillis(row.get(4)?),
        logs_here: row.get(5)?,
        figures: RemoteDay {
            day: day_of_number(row.get(1)?),
            tokens: Tokens {
                input: number(row, 6)?,
                output: number(row, 7)?,
                cache_read: number(row, 8)?,
                cache_write_5m: number(row, 9)?,
                ..Tokens::default()
            },
            cost: NanoUsd(row.get(10)?),
            missing: number(row, 11)?,
            models: Vec::new(),
        },
    })
}

fn remote_model(row: &Row<'_>) -> rusqlite::Result<RemoteModel> {
    Ok(RemoteModel {
        agent: row.get(0)?,
        provider: row.get(1)?,
        model: row.get(2)?,
        figures: Figures {
            tokens: number(row, 3)?,
            cost: NanoUsd(row.get(4)?),
            responses: number(row, 5)?,
            missing: number(row, 6)?,
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn day(day: i8, cost: i64, models: &[(&str, i64)]) -> RemoteDay {
        RemoteDay {
            day: date(2026, 11, day),
            tokens: Tokens {
                input: 1,
                output: 2,
                cache_read: 3,
                cache_write_5m: 4,
                ..Tokens::default()
            },
            cost: NanoUsd(cost),
            missing: 5,
            models: models
                .iter()
                .map(|(model, cost)| RemoteModel {
                    agent: "main".into(),
                    provider: "mock".into(),
                    model: (*model).into(),
                    figures: Figures {
                        tokens: 10,
                        cost: NanoUsd(*cost),
                        responses: 2,
                        missing: 1,
                    },
                })
                .collect(),
        }
    }

    fn kept(gateway: &str, times: (i64, i64), figures: &RemoteDay) -> KeptDay {
        KeptDay {
            gateway: gateway.into(),
            zone: "Europe/Berlin".into(),
            updated_at: UnixMillis(times.0),
            taken_at: UnixMillis(times.1),
            logs_here: false,
            figures: figures.clone(),
        }
    }

    fn keep(ledger: &mut Ledger, gateway: &str, times: (i64, i64), days: &[RemoteDay]) {
        let answer = RemoteAnswer {
            gateway,
            zone: "Europe/Berlin",
            updated_at: UnixMillis(times.0),
            taken_at: UnixMillis(times.1),
            days,
            sessions: &[ActiveSession {
                id: gateway.into(),
                at: UnixMillis(times.0),
            }],
        };
        ledger.keep_remote_days(&answer).expect("kept");
    }

    #[test]
    fn an_answer_replaces_what_was_known_of_its_days_only() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(&folder.path().join("ledger.sqlite")).expect("a ledger");
        let all = |ledger: &Ledger| {
            ledger
                .remote_days(date(2026, 11, 1), date(2026, 11, 30))
                .expect("days")
        };
        let (one, two) = (day(1, 100, &[("a", 60), ("b", 40)]), day(2, 7, &[("a", 7)]));
        keep(
            &mut ledger,
            "home",
            (1_000, 1_001),
            &[one.clone(), two.clone()],
        );
        keep(
            &mut ledger,
            "office",
            (900, 1_002),
            std::slice::from_ref(&two),
        );
        let nothing = day(2, 0, &[]);
        keep(
            &mut ledger,
            "home",
            (2_000, 2_001),
            std::slice::from_ref(&nothing),
        );
        let expected = [
            kept("home", (1_000, 1_001), &one),
            kept("home", (2_000, 2_001), &nothing),
            kept("office", (900, 1_002), &two),
        ];
        assert_eq!(all(&ledger), expected);
        assert_eq!(ledger.remote_gateways().expect("names"), ["home", "office"]);
        // An answer that was overtaken.
        keep(
            &mut ledger,
            "home",
            (1_999, 2_002),
            std::slice::from_ref(&two),
        );
        assert_eq!(all(&ledger), expected);
        assert_eq!(
            ledger
                .remote_days(date(2026, 11, 1), date(2026, 11, 1))
                .expect("days"),
            expected[..1]
        );
        // The clock of the gateway was set back.
        keep(
            &mut ledger,
            "home",
            (1_500, 1_600),
            std::slice::from_ref(&two),
        );
        assert_eq!(all(&ledger)[1], kept("home", (1_500, 1_600), &two));
    }

    #[test]
    fn a_gateway_that_moved_away_is_one_whose_logs_are_elsewhere() {
        let folder = tempfile::tempdir().expect("a folder");
        let (mut ledger, _) = Ledger::open(&folder.path().join("ledger.sqlite")).expect("a ledger");
        keep(&mut ledger, "home", (1_000, 1_001), &[day(1, 7, &[])]);
        logs_are_here(&ledger.connection, "home").expect("noted");
        assert_eq!(ledger.remote_latest().expect("gateways"), []);
        keep(&mut ledger, "home", (2_000, 2_001), &[day(2, 7, &[])]);
        let days = ledger.remote_days(date(2026, 11, 1), date(2026, 11, 30));
        let here: Vec<bool> = days
            .expect("days")
            .iter()
            .map(|day| day.logs_here)
            .collect();
        assert_eq!(here, [true, false]);
        let home = ("home".to_owned(), UnixMillis(2_000));
        assert_eq!(ledger.remote_latest().expect("gateways"), [home]);
    }
}
