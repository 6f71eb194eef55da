//! Tables `heard` and `rests`: what gateways whose logs are not read here count beyond what was heard from them.
//!
//! While it is connected, a gateway pushes each response, and the ledger counts it like any other. What was made while
//! nobody listened is only in the gateway's own totals by day (`remote_days`). The rest of a day, provider, model and
//! agent is what the gateway counts of it, less the responses that were heard and that its answer can know: those that
//! it had stored by the time of the answer, whenever they began. It follows from the kept answer and the responses alone, so it does not matter in which order they
//! came.
//!
//! `heard` is what that is computed from: the responses that a gateway told, by the millisecond. What the user has
//! forgotten stays in it, by model and without a session, so that it does not come back as a rest.

use super::{
    Ledger, LedgerError,
    dimensions::OwnerId,
    followed,
    names::{NameId, NamesOn},
    query::Dimension,
    rollups::{day_number, day_of_number},
};
use crate::{
    gateway::remote::{Figures, RemoteModel},
    money::NanoUsd,
    summary::Amount,
    time::{UnixMillis, add_days, day_start},
    usage::Tokens,
};
use jiff::{civil::Date, tz::TimeZone};
use rusqlite::{Connection, Row};
use rustc_hash::FxHashMap;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub(super) const CREATE: &str = "
CREATE TABLE heard (
  gateway INTEGER NOT NULL,
  at INTEGER NOT NULL,
  stored INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  model INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  forgotten INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  recorded INTEGER NOT NULL,
  unstated INTEGER NOT NULL,
  computed INTEGER NOT NULL,
  PRIMARY KEY (gateway, at, stored, provider, model, agent, forgotten)
) STRICT, WITHOUT ROWID;
CREATE TABLE rests (
  day INTEGER NOT NULL,
  gateway INTEGER NOT NULL,
  provider INTEGER NOT NULL,
  model INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  responses INTEGER NOT NULL,
  unpriced INTEGER NOT NULL,
  cost INTEGER NOT NULL,
  tokens INTEGER NOT NULL,
  PRIMARY KEY (day, gateway, provider, model, agent)
) STRICT, WITHOUT ROWID;
";

/// What a gateway counts of a day, provider, model and agent and was not heard from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// The day, in the zone that the gateway was asked for.
    pub day: Date,
    /// The gateway's name.
    pub gateway: Arc<str>,
    /// Provider as written.
    pub provider: Arc<str>,
    /// Model as written.
    pub model: Arc<str>,
    /// The agent; empty where the gateway did not tell whose it is.
    pub agent: Arc<str>,
    /// The figures; of the tokens only the sum is known.
    pub amount: Amount,
    /// Of when the gateway's figures are, by its clock.
    pub updated_at: UnixMillis,
    key: RestKey,
    /// A time for what has none: on its day, and known to the answer.
    pub(super) at: UnixMillis,
}

/// Day, gateway, provider, model and agent.
type RestKey = (i64, [NameId; 4]);

impl Rest {
    /// What it has in a dimension; of most, nothing is known.
    #[must_use]
    pub fn name(&self, dimension: Dimension) -> &str {
        match dimension {
            Dimension::Gateway => &self.gateway,
            Dimension::Provider => &self.provider,
            Dimension::Model => &self.model,
            Dimension::Agent => &self.agent,
            _ => "",
        }
    }

    /// The same as the gateway would tell it.
    #[must_use]
    pub fn told(&self) -> RemoteModel {
        RemoteModel {
            agent: self.agent.to_string(),
            provider: self.provider.to_string(),
            model: self.model.to_string(),
            figures: Figures {
                tokens: self.amount.tokens.unsplit,
                cost: self.amount.cost,
                responses: self.amount.responses,
                missing: self.amount.unpriced_responses,
            },
        }
    }
}

/// Responses, tokens, cost that the gateway stated, how many stated none, and what those cost here.
pub(super) type HeardSums = [i64; 5];

/// Gateway, times, provider, model and agent of a response that was heard, and whether it was forgotten.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct HeardKey {
    pub(super) gateway: NameId,
    /// When it began: its day.
    pub(super) at: UnixMillis,
    /// When the gateway could count it.
    pub(super) stored: UnixMillis,
    pub(super) provider: NameId,
    pub(super) model: NameId,
    pub(super) agent: NameId,
    pub(super) forgotten: bool,
}

/// What is to be added to `heard`.
pub(super) type Heard = FxHashMap<HeardKey, HeardSums>;

/// The gateway that told of an owner's responses, and the owner's agent; `None` for what was read from a log.
pub(super) fn teller(
    names: &mut NamesOn<'_>,
    owner: OwnerId,
) -> rusqlite::Result<Option<(NameId, NameId)>> {
    let (_, [agent, .., gateway]) = names.owner_of(owner)?;
    Ok((gateway != NameId::default()).then_some((gateway, agent)))
}

/// What one response adds to what was heard.
pub(super) fn heard(
    tokens: &Tokens,
    recorded: Option<NanoUsd>,
    cost: Option<NanoUsd>,
) -> HeardSums {
    let tokens = tokens.total().cast_signed();
    match recorded {
        Some(recorded) => [1, tokens, recorded.0, 0, 0],
        None => [1, tokens, 0, 1, cost.unwrap_or_default().0],
    }
}

/// Adds to what was heard, and works out anew the rests that this changes.
pub(super) fn hear(names: &mut NamesOn<'_>, heard: Heard) -> rusqlite::Result<()> {
    let mut touched: BTreeSet<(NameId, i64)> = BTreeSet::new();
    let tellers = followed::tellers(names.connection)?;
    {
        let mut upsert = names.connection.prepare_cached(
            "INSERT INTO heard VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)
             ON CONFLICT DO UPDATE SET responses = responses + excluded.responses, tokens = tokens + excluded.tokens,
               recorded = recorded + excluded.recorded, unstated = unstated + excluded.unstated,
               computed = computed + excluded.computed",
        )?;
        let mut delete = names.connection.prepare_cached(
            "DELETE FROM heard
             WHERE (gateway, at, stored, provider, model, agent, forgotten) = (?1, ?2, ?3, ?4, ?5, ?6, ?7) AND responses = 0",
        )?;
        for (key, sums) in heard {
            if sums == HeardSums::default() {
                continue;
            }
            let HeardKey {
                gateway,
                at,
                stored,
                provider,
                model,
                agent,
                forgotten,
            } = key;
            let [responses, tokens, recorded, unstated, computed] = sums;
            let key = (
                gateway.0, at.0, stored.0, provider.0, model.0, agent.0, forgotten,
            );
            upsert.execute((
                key.0, key.1, key.2, key.3, key.4, key.5, key.6, responses, tokens, recorded,
                unstated, computed,
            ))?;
            if responses <= 0 {
                delete.execute(key)?;
            }
            let gateway = names.text(gateway)?;
            let gateway = names.id(tellers.gateway(&gateway, at))?;
            touched.insert((gateway, day_number(at.day(&TimeZone::UTC))));
        }
    }
    for (gateway, day) in touched {
        // Its day in any zone.
        settle(names, gateway, (day - 1, day + 1))?;
    }
    Ok(())
}

/// Works out anew the rests of a gateway's days.
pub(super) fn settle(
    names: &mut NamesOn<'_>,
    gateway: NameId,
    (first, last): (i64, i64),
) -> rusqlite::Result<()> {
    let connection = names.connection;
    connection
        .prepare_cached("DELETE FROM rests WHERE gateway = ?1 AND day BETWEEN ?2 AND ?3")?
        .execute((gateway.0, first, last))?;
    let name = names.text(gateway)?;
    let days: Vec<(i64, String, i64)> = connection
        .prepare_cached(
            "SELECT day, zone, updated_at FROM remote_days
             WHERE gateway = ?1 AND day BETWEEN ?2 AND ?3 AND NOT logs_here",
        )?
        .query_map((&*name, first, last), |row| {
            Ok((row.get(0)?, row.get(1)?, row.get(2)?))
        })?
        .collect::<Result<_, _>>()?;
    for (day, zone, updated_at) in days {
        let mut models = told(connection, &name, day)?;
        let zone = TimeZone::get(&zone).unwrap_or(TimeZone::UTC);
        add_heard(
            &mut models,
            names,
            gateway,
            (day, &zone, UnixMillis(updated_at)),
        )?;
        let mut insert = connection
            .prepare_cached("INSERT INTO rests VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)")?;
        for ((provider, model), Sides { theirs, heard }) in models {
            let (provider, model) = (names.id(&provider)?, names.id(&model)?);
            for (agent, [responses, tokens, cost, unpriced]) in rests(theirs, heard) {
                let agent = names.id(&agent)?;
                insert.execute((
                    day, gateway.0, provider.0, model.0, agent.0, responses, unpriced, cost, tokens,
                ))?;
            }
        }
    }
    Ok(())
}

/// Works out all rests anew.
pub(super) fn settle_all(names: &mut NamesOn<'_>) -> rusqlite::Result<()> {
    let connection = names.connection;
    connection.execute_batch("DELETE FROM rests")?;
    let mut statement = connection.prepare("SELECT DISTINCT gateway FROM remote_days")?;
    let gateways: Vec<String> = statement
        .query_map([], |row| row.get(0))?
        .collect::<Result<_, _>>()?;
    for gateway in gateways {
        let gateway = names.id(&gateway)?;
        settle(names, gateway, (i64::MIN, i64::MAX))?;
    }
    Ok(())
}

/// Forgets what was heard, before all responses are counted anew; not what was forgotten by the user.
pub(super) fn clear(connection: &Connection) -> rusqlite::Result<()> {
    connection.execute_batch("DELETE FROM heard WHERE NOT forgotten")
}

/// Of a model, by agent: what the gateway counts, and what was heard.
#[derive(Debug, Default)]
struct Sides {
    theirs: BTreeMap<Arc<str>, Measures>,
    heard: BTreeMap<Arc<str>, HeardSums>,
}

/// Responses, tokens, cost, and responses that the gateway knows no price for.
type Measures = [i64; 4];

/// By provider and model.
type Models = BTreeMap<(Arc<str>, Arc<str>), Sides>;

fn told(connection: &Connection, gateway: &str, day: i64) -> rusqlite::Result<Models> {
    let mut models = Models::new();
    let mut statement = connection.prepare_cached(
        "SELECT provider, model, agent, responses, tokens, cost, missing FROM remote_models
         WHERE gateway = ?1 AND day = ?2",
    )?;
    let mut rows = statement.query((gateway, day))?;
    while let Some(row) = rows.next()? {
        let model = models.entry((row.get(0)?, row.get(1)?)).or_default();
        let measures = [row.get(3)?, row.get(4)?, row.get(5)?, row.get(6)?];
        model.theirs.insert(row.get(2)?, measures);
    }
    Ok(models)
}

/// Puts beside each model what was heard of it on the day and stored by the time of the answer.
fn add_heard(
    models: &mut Models,
    names: &mut NamesOn<'_>,
    gateway: NameId,
    (day, zone, updated_at): (i64, &TimeZone, UnixMillis),
) -> rusqlite::Result<()> {
    let day = day_of_number(day);
    let since = day_start(day, zone);
    let until = day_start(add_days(day, 1), zone);
    let connection = names.connection;
    let mut statement = connection.prepare_cached(
        "SELECT provider, model, agent, responses, tokens, recorded, unstated, computed FROM heard
         WHERE gateway = ?1 AND at >= ?2 AND at < ?3 AND stored <= ?4",
    )?;
    let gateway = names.text(gateway)?;
    for (name, from, to) in followed::tellers(connection)?.names(&gateway) {
        let name = names.id(name)?;
        let time = (since.0.max(from), until.0.min(to));
        let mut rows = statement.query((name.0, time.0, time.1, updated_at.max(since).0))?;
        while let Some(row) = rows.next()? {
            let mut text = |column| names.text(NameId(row.get(column)?));
            let (model, agent) = ((text(0)?, text(1)?), text(2)?);
            if let Some(sides) = models.get_mut(&model) {
                let sums = sides.heard.entry(agent).or_default();
                for (at, sum) in sums.iter_mut().enumerate() {
                    *sum += row.get::<_, i64>(3 + at)?;
                }
            }
        }
    }
    Ok(())
}

/// What is left of a model, by agent. Each agent's own responses were heard first; those of which the gateway does not
/// tell the agent come next, then anybody's: so all rests together never exceed what the gateway counts less what was heard.
fn rests(
    theirs: BTreeMap<Arc<str>, Measures>,
    heard: BTreeMap<Arc<str>, HeardSums>,
) -> BTreeMap<Arc<str>, Measures> {
    let told: Measures = sum(theirs.values());
    let [.., unstated, _] = sum(heard.values());
    // Where it lacks no price, it has added its own to those that state no cost; ours comes closest.
    let priced_there = told[3] < unstated;
    let heard = heard.into_iter().map(|(agent, sums)| {
        let [responses, tokens, recorded, unstated, computed] = sums;
        let cost = recorded + if priced_there { computed } else { 0 };
        (agent, [responses, tokens, cost, unstated])
    });
    let heard: Vec<(Arc<str>, Measures)> = heard.collect();
    let mut left = theirs;
    for at in 0..4 {
        let mut more = 0;
        for row in left.values_mut() {
            // What the sessions of an answer do not tell is a difference, and rounding may leave it negative.
            more -= row[at].min(0);
            row[at] = row[at].max(0);
        }
        for (agent, measures) in &heard {
            more += match left.get_mut(agent) {
                Some(row) => take(&mut row[at], measures[at]),
                None => measures[at].max(0),
            };
        }
        // The nameless agent is the first.
        for row in left.values_mut() {
            more = take(&mut row[at], more);
        }
    }
    for [responses, _, _, missing] in left.values_mut() {
        *missing = (*missing).min(*responses);
    }
    left.retain(|_, [responses, tokens, cost, _]| {
        // What used nothing is no response here either, and rounding leaves a billionth for each.
        *responses > 0 && (*tokens > 0 || *cost > told[0])
    });
    left
}

/// Takes `more` from a figure as far as it goes; what remains to be taken.
fn take(from: &mut i64, more: i64) -> i64 {
    let taken = more.clamp(0, *from);
    *from -= taken;
    more.max(0) - taken
}

fn sum<'a, const N: usize>(rows: impl Iterator<Item = &'a [i64; N]>) -> [i64; N] {
    let mut sum = [0; N];
    for row in rows {
        for (sum, more) in sum.iter_mut().zip(row) {
            *sum += more;
        }
    }
    sum
}

/// The columns of [`amount`], in order.
pub(super) const FIGURES: &str = "responses, unpriced, rests.cost, tokens";

pub(super) fn amount(row: &Row<'_>, from: usize) -> rusqlite::Result<Amount> {
    let unsigned = |at| row.get::<_, i64>(from + at).map(i64::cast_unsigned);
    Ok(Amount {
        responses: unsigned(0)?,
        unpriced_responses: unsigned(1)?,
        cost: NanoUsd(row.get(from + 2)?),
        tokens: Tokens {
            unsplit: unsigned(3)?,
            ..Tokens::default()
        },
    })
}

/// All rests together.
pub(super) fn total(connection: &Connection) -> rusqlite::Result<Amount> {
    let mut statement = connection.prepare_cached(&format!("SELECT {FIGURES} FROM rests"))?;
    let mut rows = statement.query([])?;
    let mut total = Amount::default();
    while let Some(row) = rows.next()? {
        total += amount(row, 0)?;
    }
    Ok(total)
}

/// Takes rests for heard and forgotten, so that they are gone for good, and what the gateway counts later is not.
pub(super) fn forget(names: &mut NamesOn<'_>, forgotten: &[Rest]) -> rusqlite::Result<()> {
    let mut heard = Heard::default();
    let connection = names.connection;
    let mut find = connection.prepare(&format!(
        "SELECT {FIGURES} FROM rests WHERE (day, gateway, provider, model, agent) = (?1, ?2, ?3, ?4, ?5)"
    ))?;
    for rest in forgotten {
        let (day, [gateway, provider, model, agent]) = rest.key;
        let mut rows = find.query((day, gateway.0, provider.0, model.0, agent.0))?;
        let Some(row) = rows.next()? else {
            continue;
        };
        let amount = amount(row, 0)?;
        let key = HeardKey {
            gateway: followed::name_of(names, gateway, rest.at)?,
            at: rest.at,
            stored: rest.at,
            provider,
            model,
            agent,
            forgotten: true,
        };
        heard.insert(
            key,
            [
                amount.responses.cast_signed(),
                amount.tokens.unsplit.cast_signed(),
                amount.cost.0,
                amount.unpriced_responses.cast_signed(),
                0,
            ],
        );
    }
    hear(names, heard)
}

impl Ledger {
    /// What gateways count of these days beyond what was heard from them, in order of day, gateway, provider, model and
    /// agent.
    ///
    /// # Errors
    /// [`LedgerError`].
    pub fn rests(&mut self, since: Date, until: Date) -> Result<Vec<Rest>, LedgerError> {
        let path = &self.path;
        let mut names = self.names.on(&self.connection);
        let mut read = || {
            let mut statement = self.connection.prepare_cached(&format!(
                "SELECT rests.day, rests.gateway, provider, model, agent, zone, updated_at, {FIGURES}
                 FROM rests JOIN names ON names.id = rests.gateway
                 JOIN remote_days ON remote_days.gateway = names.text AND remote_days.day = rests.day
                 WHERE rests.day BETWEEN ?1 AND ?2"
            ))?;
            let mut rows = statement.query([day_number(since), day_number(until)])?;
            let mut found = Vec::new();
            while let Some(row) = rows.next()? {
                let key: RestKey = (row.get(0)?, super::dimensions::names(row, 1)?);
                let [gateway, provider, model, agent] = key.1;
                let day = day_of_number(key.0);
                let zone = TimeZone::get(&row.get::<_, String>(5)?).unwrap_or(TimeZone::UTC);
                let updated_at = UnixMillis(row.get(6)?);
                let begins = day_start(day, &zone);
                found.push(Rest {
                    day,
                    gateway: names.text(gateway)?,
                    provider: names.text(provider)?,
                    model: names.text(model)?,
                    agent: names.text(agent)?,
                    amount: amount(row, 7)?,
                    at: begins.plus(12 * 3_600_000).min(updated_at).max(begins),
                    updated_at,
                    key,
                });
            }
            Ok(found)
        };
        let mut found: Vec<Rest> = read().map_err(|source| LedgerError::new(path, source))?;
        found.sort_by(|one, two| {
            let order = |it: &Rest| {
                let names = [&it.gateway, &it.provider, &it.model, &it.agent].map(Arc::clone);
                (it.day, names)
            };
            order(one).cmp(&order(two))
        });
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        follow::roots::rank,
        gateway::remote::{ActiveSession, RemoteDay},
        ledger::{query::DayRow, remote_days::RemoteAnswer},
        usage::{Identity, Modifiers, Observation, Source},
    };
    use jiff::civil::date;
    use proptest::prelude::*;

    const HOUR: i64 = 3_600_000;
    /// 2026-11-20T00:00:00Z.
    const MIDNIGHT: i64 = 1_795_132_800_000;

    fn text(text: &str) -> Arc<str> {
        text.into()
    }

    fn left(theirs: &[(&str, Measures)], heard: &[(&str, HeardSums)]) -> Vec<(String, Measures)> {
        let theirs = theirs.iter().map(|(agent, row)| (text(agent), *row));
        let heard = heard.iter().map(|(agent, row)| (text(agent), *row));
        let left = rests(theirs.collect(), heard.collect());
        left.into_iter()
            .map(|(agent, row)| (agent.to_string(), row))
            .collect()
    }

    fn rows(rows: &[(&str, Measures)]) -> Vec<(String, Measures)> {
        rows.iter()
            .map(|(agent, row)| ((*agent).to_owned(), *row))
            .collect()
    }

    #[test]
    fn what_was_heard_is_taken_from_its_own_agent_then_from_nobodys_then_from_others() {
        let theirs = [
            ("", [2, 200, 2_000, 0]),
            ("main", [3, 300, 3_000, 0]),
            ("ops", [1, 100, 1_000, 0]),
        ];
        for (heard, expected) in [
            (
                vec![("main", [1, 100, 1_000, 0, 0])],
                vec![theirs[0], ("main", [2, 200, 2_000, 0]), theirs[2]],
            ),
            (
                vec![("main", [4, 400, 4_000, 0, 0])],
                vec![("", [1, 100, 1_000, 0]), theirs[2]],
            ),
            (
                vec![("lab", [3, 300, 3_000, 0, 0])],
                vec![("main", [2, 200, 2_000, 0]), theirs[2]],
            ),
            (vec![("main", [6, 600, 6_000, 0, 0])], vec![]),
            (vec![("main", [9, 900, 9_000, 0, 0])], vec![]),
        ] {
            assert_eq!(left(&theirs, &heard), rows(&expected), "{heard:?}");
        }
    }

    #[test]
    fn what_rounding_leaves_and_what_used_nothing_is_no_rest() {
        // The gateway adds binary fractions, and counts two responses that used nothing.
        let theirs = [("main", [5, 300, 3_001, 0])];
        let heard = [("main", [3, 300, 3_000, 0, 0])];
        assert_eq!(left(&theirs, &heard), []);
        assert_eq!(left(&[("", [1, 0, 0, 0])], &[]), []);
        // A fee without tokens is no rounding.
        let fee = [("", [1, 0, 2_000, 0])];
        assert_eq!(left(&fee, &[]), rows(&fee));
        // A difference that rounding left negative.
        assert_eq!(
            left(&[("", [0, 0, -1, 0]), ("main", [2, 200, 2_000, 0])], &[]),
            rows(&[("main", [2, 200, 1_999, 0])])
        );
    }

    #[test]
    fn a_gateway_that_knows_no_price_counted_none_for_what_was_heard_either() {
        // Two of its four state no cost; computed, they come to 500.
        let heard = [("main", [4, 400, 2_000, 2, 500])];
        for (missing, expected) in [
            (0, [2, 200, 500, 0]),
            (2, [2, 200, 1_000, 0]),
            (3, [2, 200, 1_000, 1]),
        ] {
            assert_eq!(
                left(&[("main", [6, 600, 3_000, missing])], &heard),
                rows(&[("main", expected)]),
                "{missing}"
            );
        }
        // Never more without a price than there are.
        assert_eq!(
            left(
                &[("main", [6, 600, 3_000, 6])],
                &[("main", [5, 500, 2_500, 0, 0])]
            ),
            rows(&[("main", [1, 100, 500, 1])])
        );
    }

    fn side<const N: usize>() -> impl Strategy<Value = BTreeMap<Arc<str>, [i64; N]>> {
        let agent = prop::sample::select(vec!["", "lab", "main", "ops"]).prop_map(text);
        let sums =
            (0..6_i64, prop::array::uniform::<_, N>(0..400_i64)).prop_map(|(n, mut sums)| {
                sums[0] = n;
                sums
            });
        prop::collection::btree_map(agent, sums, 0..4)
    }

    proptest! {
        #[test]
        fn all_rests_together_are_at_most_what_is_counted_less_what_was_heard(
            theirs in side::<4>(),
            heard in side::<5>(),
        ) {
            let [responses, tokens, cost, missing]: Measures = sum(theirs.values());
            let [h_responses, h_tokens, recorded, unstated, computed] = sum(heard.values());
            let found: Measures = sum(rests(theirs, heard).values());
            let computed = if missing < unstated { computed } else { 0 };
            prop_assert!(found[0] <= (responses - h_responses).max(0));
            prop_assert!(found[1] <= (tokens - h_tokens).max(0));
            prop_assert!(found[2] <= (cost - recorded - computed).max(0));
            prop_assert!(found[3] <= found[0]);
        }
    }

    /// A response that the gateway pushes: its number, minute, agent, model and whether it states its cost.
    #[derive(Debug, Clone)]
    struct Push(u64, i64, &'static str, &'static str, bool);

    impl Push {
        fn observation(&self) -> Observation<'static> {
            let Self(id, minute, agent, model, states) = self;
            let tokens = Tokens {
                input: 60,
                output: 40,
                ..Tokens::default()
            };
            Observation {
                cluster: *id,
                identity: Identity::Strong,
                request: 0,
                line: 0,
                parent: 0,
                at: UnixMillis(MIDNIGHT + minute * 60_000),
                source: Source::OpenClaw,
                rank: rank::GATEWAY,
                forked: false,
                has_speed: false,
                session: format!("s-{agent}").into(),
                project: "".into(),
                agent: (*agent).into(),
                subagent: "".into(),
                branch: "".into(),
                gateway: "home".into(),
                provider: "mock".into(),
                model: (*model).into(),
                api: "".into(),
                stop: "stop".into(),
                tokens,
                modifiers: Modifiers::default(),
                recorded: states.then_some(NanoUsd(1_000)),
                extras: Vec::new(),
            }
        }
    }

    fn active(id: &str, minute: i64) -> ActiveSession {
        ActiveSession {
            id: id.into(),
            at: UnixMillis(MIDNIGHT + minute * 60_000),
        }
    }

    /// What the gateway answers at a minute: of 20 and 21 November, all pushes so far and some more.
    #[derive(Debug, Clone)]
    struct Answer(i64, &'static str, Vec<(&'static str, &'static str, u64)>);

    impl Answer {
        fn days(&self) -> Vec<RemoteDay> {
            [20, 21]
                .map(|day| RemoteDay {
                    day: date(2026, 11, day),
                    tokens: Tokens::default(),
                    cost: NanoUsd::ZERO,
                    missing: 0,
                    models: self
                        .2
                        .iter()
                        .map(|(agent, model, responses)| RemoteModel {
                            agent: (*agent).into(),
                            provider: "mock".into(),
                            model: (*model).into(),
                            figures: Figures {
                                tokens: 100 * responses,
                                cost: NanoUsd(1_000 * responses.cast_signed()),
                                responses: *responses,
                                missing: 0,
                            },
                        })
                        .collect(),
                })
                .into()
        }

        fn keep(&self, ledger: &mut Ledger) {
            self.keep_with(ledger, &[active("s-main", 70), active("s-elsewhere", 80)]);
        }

        fn keep_with(&self, ledger: &mut Ledger, sessions: &[ActiveSession]) {
            let answer = RemoteAnswer {
                gateway: "home",
                zone: self.1,
                updated_at: UnixMillis(MIDNIGHT + self.0 * 60_000),
                taken_at: UnixMillis(MIDNIGHT + 72 * HOUR),
                days: &self.days(),
                sessions,
            };
            ledger.keep_remote_days(&answer).expect("kept");
        }
    }

    #[derive(Debug, Clone)]
    enum Event {
        /// With how many minutes later it was stored, where that is told.
        Push(Push, Option<i64>),
        Answer(Answer),
        Restart,
    }

    /// Its responses, its rests, and the days that all doors show.
    type State = (u64, Vec<Rest>, Vec<DayRow>);

    fn take_in(ledger: &mut Ledger, pushes: &[&Push]) {
        for push in pushes {
            take_in_later(ledger, push, None);
        }
    }

    fn take_in_later(ledger: &mut Ledger, push: &Push, minutes: Option<i64>) {
        let mut batch = ledger.batch().expect("a batch");
        let place = batch.place("gateway:home").expect("a place");
        let observation = push.observation();
        batch.add(&observation, place, 0).expect("added");
        if let Some(minutes) = minutes {
            batch.stored(observation.cluster, observation.at.plus(minutes * 60_000));
        }
        batch
            .commit(&TimeZone::UTC, &mut |it| it.recorded.or(Some(NanoUsd(700))))
            .expect("committed");
    }

    fn after(events: &[Event]) -> State {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("ledger.sqlite");
        let open = || {
            let (mut ledger, _) = Ledger::open(&path).expect("a ledger");
            ledger.set_zone(&TimeZone::UTC, "UTC").expect("a zone");
            ledger
        };
        let mut ledger = open();
        for event in events {
            match event {
                Event::Push(push, minutes) => take_in_later(&mut ledger, push, *minutes),
                Event::Answer(answer) => answer.keep(&mut ledger),
                Event::Restart => ledger = open(),
            }
        }
        let state = state(&mut ledger);
        let mut price = |it: crate::pricing::Priceable<'_>| it.recorded.or(Some(NanoUsd(700)));
        let wrong = ledger.wrong_sums(&TimeZone::UTC, &mut price);
        assert_eq!(wrong.expect("counted anew"), []);
        assert_eq!(self::state(&mut ledger), state);
        state
    }

    fn state(ledger: &mut Ledger) -> State {
        let (since, until) = (date(2026, 11, 1), date(2026, 11, 30));
        let mut rests = ledger.rests(since, until).expect("rests");
        for rest in &mut rests {
            // Numbers of names go by the order in which they were met.
            rest.key = RestKey::default();
        }
        let mut days = ledger
            .days(since, until, &TimeZone::UTC, "UTC")
            .expect("days");
        days.sort_by(|one, two| (one.day, &one.model).cmp(&(two.day, &two.model)));
        let mut others = ledger
            .days(since, until, &TimeZone::UTC, "Etc/UTC")
            .expect("days");
        others.sort_by(|one, two| (one.day, &one.model).cmp(&(two.day, &two.model)));
        assert_eq!(days, others, "both ways to the days");
        let counted: u64 = days.iter().map(|row| row.amount.responses).sum();
        assert_eq!(ledger.response_count().expect("a count"), counted);
        let of_rests: u64 = rests.iter().map(|rest| rest.amount.responses).sum();
        (counted - of_rests, rests, days)
    }

    /// Each with when it was stored, as it was told.
    fn pushes() -> impl Strategy<Value = Vec<(Push, Vec<Option<i64>>)>> {
        let one = (
            0..2 * 24 * 60_i64,
            prop::sample::select(vec!["main", "ops"]),
            prop::sample::select(vec!["large", "small"]),
            any::<bool>(),
            prop::collection::vec(prop::option::of(0..600_i64), 1..3),
        );
        prop::collection::vec(one, 0..6).prop_map(|pushes| {
            let numbered = (1..).zip(pushes);
            numbered
                .map(|(id, (minute, agent, model, states, told))| {
                    (Push(id, minute, agent, model, states), told)
                })
                .collect()
        })
    }

    fn answers() -> impl Strategy<Value = Vec<Answer>> {
        let row = (
            prop::sample::select(vec!["", "main", "ops"]),
            prop::sample::select(vec!["large", "small"]),
        );
        let rows = prop::collection::btree_map(row, 0..5_u64, 0..5).prop_map(|rows| {
            let rows = rows.into_iter();
            rows.map(|((agent, model), responses)| (agent, model, responses))
                .collect()
        });
        let zone = prop::sample::select(vec!["UTC", "Pacific/Auckland", "America/New_York"]);
        let one = (0..3 * 24 * 60_i64, (zone, rows));
        prop::collection::btree_map(one.0, one.1, 1..4).prop_map(|answers| {
            let answers = answers.into_iter();
            answers
                .map(|(minute, (zone, rows))| Answer(minute, zone, rows))
                .collect()
        })
    }

    fn events() -> impl Strategy<Value = (Vec<Event>, Vec<Event>)> {
        (pushes(), answers(), 0..3_usize).prop_flat_map(|(pushes, answers, restarts)| {
            let mut events: Vec<Event> = answers.iter().cloned().map(Event::Answer).collect();
            for (push, told) in pushes {
                events.extend(
                    told.into_iter()
                        .map(|minutes| Event::Push(push.clone(), minutes)),
                );
            }
            // Answers come again, and pushes too.
            let mut again = events.clone();
            again.extend(events.iter().take(3).cloned());
            again.extend(vec![Event::Restart; restarts]);
            (Just(events), Just(again).prop_shuffle())
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn the_order_in_which_answers_and_pushes_come_does_not_matter((events, shuffled) in events()) {
            prop_assert_eq!(after(&shuffled), after(&events));
        }
    }

    fn ledger(folder: &tempfile::TempDir) -> Ledger {
        let (mut ledger, _) = Ledger::open(&folder.path().join("ledger.sqlite")).expect("a ledger");
        ledger.set_zone(&TimeZone::UTC, "UTC").expect("a zone");
        ledger
    }

    /// Day, agent, model, responses and cost.
    fn told(ledger: &mut Ledger) -> Vec<(i8, String, String, u64, i64)> {
        let rests = ledger
            .rests(date(2026, 11, 1), date(2026, 11, 30))
            .expect("rests");
        let told = rests.iter().map(|rest| {
            let Amount {
                responses, cost, ..
            } = rest.amount;
            (
                rest.day.day(),
                rest.agent.to_string(),
                rest.model.to_string(),
                responses,
                cost.0,
            )
        });
        told.collect()
    }

    fn one(day: i8, responses: u64, cost: i64) -> (i8, String, String, u64, i64) {
        (day, "main".into(), "large".into(), responses, cost)
    }

    #[test]
    fn a_push_that_an_answer_can_know_shrinks_the_rest_and_a_later_one_counts_on_top() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ledger = ledger(&folder);
        Answer(600, "UTC", vec![("main", "large", 3)]).keep(&mut ledger);
        assert_eq!(told(&mut ledger), [one(20, 3, 3_000), one(21, 3, 3_000)]);
        let in_all = |ledger: &Ledger| ledger.response_count().expect("a count");
        assert_eq!(in_all(&ledger), 6);
        for (push, rest, all) in [
            (Push(1, 600, "main", "large", true), 2, 6),
            (Push(2, 601, "main", "large", true), 2, 7),
            (Push(3, 0, "ops", "large", true), 1, 7),
            (Push(4, 0, "main", "small", true), 1, 8),
        ] {
            take_in(&mut ledger, &[&push]);
            let rest = one(20, rest, 1_000 * rest.cast_signed());
            assert_eq!(told(&mut ledger), [rest, one(21, 3, 3_000)], "{push:?}");
            assert_eq!(in_all(&ledger), all, "{push:?}");
        }
        // The next answer knows of all.
        Answer(700, "UTC", vec![("main", "large", 5), ("main", "small", 1)]).keep(&mut ledger);
        assert_eq!(
            told(&mut ledger),
            [
                one(20, 2, 2_000),
                one(21, 5, 5_000),
                (21, "main".into(), "small".into(), 1, 1_000)
            ]
        );
        assert_eq!(
            ledger.first_day(&TimeZone::UTC).expect("a day"),
            Some(date(2026, 11, 20))
        );
    }

    #[test]
    fn a_response_counts_on_top_until_an_answer_is_of_when_it_was_stored() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ledger = ledger(&folder);
        let answer = |minute, responses| Answer(minute, "UTC", vec![("main", "large", responses)]);
        answer(600, 3).keep(&mut ledger);
        let other_day = |ledger: &mut Ledger| told(ledger).swap_remove(1);
        // It began before the answer, and was stored after it.
        take_in_later(&mut ledger, &Push(1, 599, "main", "large", true), Some(2));
        assert_eq!(told(&mut ledger)[0], one(20, 3, 3_000));
        let mut price = |it: crate::pricing::Priceable<'_>| it.recorded.or(Some(NanoUsd(700)));
        let wrong = ledger.wrong_sums(&TimeZone::UTC, &mut price);
        assert_eq!(wrong.expect("counted anew"), []);
        assert_eq!(told(&mut ledger)[0], one(20, 3, 3_000));
        answer(601, 4).keep(&mut ledger);
        assert_eq!(told(&mut ledger)[0], one(20, 3, 3_000));
        // Its day is the one on which it began.
        take_in_later(&mut ledger, &Push(2, 1_439, "main", "large", true), Some(2));
        answer(1_442, 5).keep(&mut ledger);
        assert_eq!(told(&mut ledger)[0], one(20, 3, 3_000));
        assert_eq!(other_day(&mut ledger), one(21, 5, 5_000));
        // Of what is forgotten, nothing of its own stays.
        ledger
            .forget(&[1, 2], &[], &TimeZone::UTC, &mut price)
            .expect("forgotten");
        assert_eq!(told(&mut ledger)[0], one(20, 3, 3_000));
        let left = ledger
            .connection
            .query_row("SELECT COUNT(*) FROM stored", [], |row| {
                row.get::<_, i64>(0)
            });
        assert_eq!(left.expect("a count"), 0);
    }

    /// The same response in a log of this machine.
    fn logged(push: &Push) -> Observation<'static> {
        Observation {
            rank: rank::LIVE_DB,
            gateway: "".into(),
            project: "/demo".into(),
            ..push.observation()
        }
    }

    /// Reads it in a log of this machine.
    fn read(ledger: &mut Ledger, push: &Push) {
        let mut batch = ledger.batch().expect("a batch");
        let place = batch.place("/demo.sqlite").expect("a place");
        batch.add(&logged(push), place, 1).expect("added");
        batch
            .commit(&TimeZone::UTC, &mut |it| it.recorded)
            .expect("committed");
    }

    #[test]
    fn where_the_log_of_its_latest_session_turns_up_its_rests_go_whatever_came_first() {
        let push = Push(1, 60, "main", "large", true);
        let answer = Answer(600, "UTC", vec![("main", "large", 3)]);
        let elsewhere = Push(2, 60, "elsewhere", "large", true);
        for order in 0..3 {
            let folder = tempfile::tempdir().expect("a folder");
            let mut ledger = ledger(&folder);
            if order == 0 {
                read(&mut ledger, &elsewhere);
            }
            answer.keep(&mut ledger);
            if order == 1 {
                read(&mut ledger, &elsewhere);
            }
            take_in(&mut ledger, &[&push]);
            if order == 2 {
                read(&mut ledger, &elsewhere);
            }
            assert_eq!(told(&mut ledger), [], "{order}");
            assert_eq!(ledger.response_count().expect("a count"), 2);
            // It stays so: the answer after it does not bring them back.
            answer.keep(&mut ledger);
            assert_eq!(told(&mut ledger), [], "{order}");
        }
    }

    #[test]
    fn a_log_of_another_session_or_of_long_ago_is_none_of_the_gateways() {
        let answer = Answer(600, "UTC", vec![("main", "large", 3)]);
        let rests = [one(20, 3, 3_000), one(21, 3, 3_000)];
        // The first was active a day before the last.
        let latest = [
            active("s-old", 598 - 1_440),
            active("s-main", 597),
            active("s-ops", 598),
        ];
        for (log, here) in [
            (Push(1, 598, "old", "large", true), false),
            (Push(1, 598, "unheard of", "large", true), false),
            (Push(1, 598, "main", "large", true), true),
            // The quarter of an hour before the one of a quarter of an hour ago.
            (Push(1, 569, "ops", "large", true), false),
            (Push(1, 570, "ops", "large", true), true),
            (Push(1, 700, "ops", "large", true), true),
        ] {
            for log_first in [true, false] {
                let folder = tempfile::tempdir().expect("a folder");
                let mut ledger = ledger(&folder);
                if log_first {
                    read(&mut ledger, &log);
                }
                answer.keep_with(&mut ledger, &latest);
                if !log_first {
                    read(&mut ledger, &log);
                }
                let expected = if here { &[][..] } else { &rests };
                assert_eq!(told(&mut ledger), expected, "{log:?}");
                assert_eq!(ledger.remote_latest().expect("gateways").is_empty(), here);
                let told_at = Some((UnixMillis(MIDNIGHT + 72 * HOUR), here));
                assert_eq!(ledger.last_told("home").expect("a time"), told_at);
            }
        }
        let folder = tempfile::tempdir().expect("a folder");
        assert_eq!(ledger(&folder).last_told("home").expect("none"), None);
    }

    #[test]
    fn a_log_that_tells_only_copies_is_the_gateways() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ledger = ledger(&folder);
        let own = Push(1, 60, "main", "large", true);
        read(&mut ledger, &own);
        let mut batch = ledger.batch().expect("a batch");
        let place = batch.place("/demo.sqlite").expect("a place");
        let copy = Observation {
            session: "s-fork".into(),
            forked: true,
            ..logged(&own)
        };
        batch.add(&copy, place, 2).expect("added");
        batch
            .commit(&TimeZone::UTC, &mut |it| it.recorded)
            .expect("committed");
        let answer = Answer(600, "UTC", vec![("main", "large", 2)]);
        answer.keep_with(&mut ledger, &[active("s-main", 60), active("s-fork", 599)]);
        assert_eq!(told(&mut ledger), []);
        assert_eq!(ledger.response_count().expect("a count"), 1);
    }

    #[test]
    fn a_gateway_that_takes_its_session_elsewhere_has_rests_of_later_days() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ledger = ledger(&folder);
        read(&mut ledger, &Push(1, 1_430, "main", "large", true));
        let keep = |ledger: &mut Ledger, minute, day: usize, sessions: &[ActiveSession]| {
            let days = Answer(minute, "UTC", vec![("main", "large", 4)]).days();
            let answer = RemoteAnswer {
                gateway: "home",
                zone: "UTC",
                updated_at: UnixMillis(MIDNIGHT + minute * 60_000),
                taken_at: UnixMillis(MIDNIGHT + minute * 60_000),
                days: &days[day..=day],
                sessions,
            };
            ledger.keep_remote_days(&answer).expect("kept")
        };
        assert!(keep(&mut ledger, 1_435, 0, &[active("s-main", 1_430)]));
        // An answer that names no session changes nothing.
        assert!(keep(&mut ledger, 1_436, 0, &[]));
        assert!(!keep(&mut ledger, 2_000, 1, &[active("s-main", 1_990)]));
        assert!(!keep(&mut ledger, 2_001, 1, &[]));
        assert!(!keep(&mut ledger, 2_002, 0, &[active("s-main", 1_990)]));
        // The day of which the log is here stays so.
        assert_eq!(told(&mut ledger), [one(21, 4, 4_000)]);
        // It comes back: what it did elsewhere is in its log.
        read(&mut ledger, &Push(2, 1_990, "main", "large", true));
        assert_eq!(told(&mut ledger), []);
        assert!(keep(&mut ledger, 2_010, 1, &[active("s-main", 2_005)]));
    }

    #[test]
    fn what_was_forgotten_of_a_gateway_does_not_come_back_as_a_rest() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut ledger = ledger(&folder);
        let answer = |responses| Answer(600, "UTC", vec![("main", "large", responses)]);
        let (early, late) = (
            Push(1, 60, "main", "large", true),
            Push(2, 660, "main", "large", false),
        );
        take_in(&mut ledger, &[&early, &late]);
        answer(4).keep(&mut ledger);
        assert_eq!(told(&mut ledger), [one(20, 3, 3_000), one(21, 4, 4_000)]);
        let rests = ledger
            .rests(date(2026, 11, 20), date(2026, 11, 20))
            .expect("rests");
        let mut price = |it: crate::pricing::Priceable<'_>| it.recorded.or(Some(NanoUsd(700)));
        ledger
            .forget(&[1, 2], &rests, &TimeZone::UTC, &mut price)
            .expect("forgotten");
        let other_day = [one(21, 4, 4_000)];
        assert_eq!(told(&mut ledger), other_day);
        assert_eq!(ledger.response_count().expect("a count"), 4);
        // Neither the answer nor the pushes bring it back, nor does counting anew.
        answer(4).keep(&mut ledger);
        take_in(&mut ledger, &[&early, &late]);
        assert_eq!(
            ledger
                .wrong_sums(&TimeZone::UTC, &mut price)
                .expect("counted"),
            []
        );
        assert_eq!(told(&mut ledger), other_day);
        // What the gateway counts on that day later was not forgotten.
        Answer(720, "UTC", vec![("main", "large", 7)]).keep(&mut ledger);
        assert_eq!(told(&mut ledger), [one(20, 2, 2_300), one(21, 7, 7_000)]);
        let sessions: Vec<String> = ledger
            .connection
            .prepare(
                "SELECT text FROM names WHERE text LIKE 's-%' UNION ALL SELECT session FROM remote_sessions",
            )
            .and_then(|mut rows| rows.query_map([], |row| row.get(0))?.collect())
            .expect("sessions");
        assert_eq!(sessions, ["s-elsewhere"], "only the forgotten one is gone");
        // Nor does an answer bring back its name.
        Answer(730, "UTC", vec![]).keep_with(&mut ledger, &[active("s-main", 720)]);
        let session: String = ledger
            .connection
            .query_row("SELECT session FROM remote_sessions", [], |row| row.get(0))
            .expect("a row");
        assert_eq!(session, "");
    }
}
