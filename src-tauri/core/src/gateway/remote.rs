//! What is kept of a gateway's usage answers, and when to ask again. Pure.
//!
//! A gateway counts in the background: its first answer is all zeros, an expired one is handed out once more while the
//! next is being computed, and both look like answers. Only a fresh one replaces what is known.

use super::{Freshness, ModelDay, SessionUsage, Sum, Usage};
use crate::{
    money::NanoUsd,
    time::{UnixMillis, add_days},
    usage::Tokens,
};
use jiff::civil::Date;
use std::collections::{BTreeMap, BTreeSet};

/// A gateway computes an answer anew once it is 30 seconds old; an older one was handed out once more.
const EXPIRED_MILLIS: i64 = 35_000;

/// More of anything than a model can come to on a day; so much can be added up without an overflow.
const ABSURD: u64 = 1 << 48;

/// How long to wait before each further try; after the last, the next regular question is soon enough.
const AGAIN_MILLIS: [u32; 4] = [2_000, 5_000, 10_000, 20_000];

/// So far may a gateway's clock be ahead, such as one that was set in another zone.
const AHEAD_MILLIS: i64 = 24 * 3_600_000;

/// Whether an answer can be of this time; what is missing or far off would outlive everything that is told later.
pub(super) fn is_time(at: UnixMillis, now: UnixMillis) -> bool {
    at.plausible().is_some() && at.0 <= now.plus(AHEAD_MILLIS).0
}

/// What to do with an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// It is true as of its `updated_at`, and replaces what is known. Else what is known stays, with its age.
    pub keep: bool,
    /// There will be a better one in so many milliseconds.
    pub again_in: Option<u32>,
}

/// A question that is asked until its answer can be believed; one for each regular question.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Asking {
    tries: usize,
    /// The latest `updated_at` of its answers.
    seen: Option<UnixMillis>,
}

impl Asking {
    /// Judges its next answer.
    #[must_use]
    pub fn judge(&mut self, answer: &Usage, now: UnixMillis) -> Verdict {
        let keep = answer.freshness == Freshness::Fresh
            && is_time(answer.updated_at, now)
            && days(answer, Date::MIN, Date::MIN).is_some();
        // An answer that was computed since the question is new whatever the two clocks say.
        let renewed = self.seen.is_some_and(|seen| seen < answer.updated_at);
        let expired = now.0.saturating_sub(answer.updated_at.0) > EXPIRED_MILLIS;
        self.seen = self.seen.max(Some(answer.updated_at));
        let wanting = !keep || (expired && !renewed);
        let again_in = self.again_in().filter(|_| wanting);
        Verdict { keep, again_in }
    }

    /// In how many milliseconds to ask once more, as this time there was no answer; `None` after the last try.
    pub fn again_in(&mut self) -> Option<u32> {
        let again_in = AGAIN_MILLIS.get(self.tries).copied();
        self.tries += 1;
        again_in
    }
}

/// What a gateway counts on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteDay {
    /// The day, in the zone that was asked for.
    pub day: Date,
    /// By class, as no finer figure is.
    pub tokens: Tokens,
    /// The gateway's own figure.
    pub cost: NanoUsd,
    /// Responses it knows no price for.
    pub missing: u64,
    /// The same by agent and model; their costs may differ from `cost` by what rounding does.
    pub models: Vec<RemoteModel>,
}

/// A session that used something, and when something last happened in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveSession {
    /// Its id.
    pub id: String,
    /// By the gateway's clock.
    pub at: UnixMillis,
}

/// What a gateway counts of an agent and model on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteModel {
    /// The agent; empty where the answer does not tell whose it is.
    pub agent: String,
    /// Provider as written.
    pub provider: String,
    /// Model as written.
    pub model: String,
    /// The figures.
    pub figures: Figures,
}

/// What a gateway tells of a model.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// All classes together.
    pub tokens: u64,
    /// The gateway's own figure.
    pub cost: NanoUsd,
    /// Responses, also those that used nothing.
    pub responses: u64,
    /// Responses it knows no price for.
    pub missing: u64,
}

impl std::ops::AddAssign for Figures {
    fn add_assign(&mut self, other: Self) {
        self.tokens += other.tokens;
        self.cost += other.cost;
        self.responses += other.responses;
        self.missing += other.missing;
    }
}

impl Figures {
    /// Nothing of it is beyond all reason.
    fn plausible(self) -> Option<Self> {
        let cost = self.cost.0.unsigned_abs() / 16;
        let all = [self.tokens, cost, self.responses, self.missing];
        all.iter().all(|it| *it < ABSURD).then_some(self)
    }

    pub(crate) fn without(self, other: Self) -> Self {
        Self {
            tokens: self.tokens.saturating_sub(other.tokens),
            cost: self.cost - other.cost,
            responses: self.responses.saturating_sub(other.responses),
            missing: self.missing.saturating_sub(other.missing),
        }
    }
}

/// Every day from `since` to `until`, also those without usage; `None` where an amount is no amount, or an absurd one.
#[must_use]
pub fn days(answer: &Usage, since: Date, until: Date) -> Option<Vec<RemoteDay>> {
    let models = models(answer)?;
    let sums = answer.aggregates.cost_daily.iter();
    let sums: BTreeMap<Date, &Sum> = sums.map(|day| (day.date, &day.sum)).collect();
    for sum in sums.values() {
        let figures = Figures {
            tokens: sum
                .input
                .max(sum.output)
                .max(sum.cache_read)
                .max(sum.cache_write),
            cost: sum.total_cost?,
            responses: 0,
            missing: sum.missing_cost_entries,
        };
        figures.plausible()?;
    }
    let mut days = Vec::new();
    let mut day = since;
    while day <= until {
        let nothing = Sum::default();
        let sum = sums.get(&day).copied().unwrap_or(&nothing);
        days.push(RemoteDay {
            day,
            tokens: Tokens {
                input: sum.input,
                output: sum.output,
                cache_read: sum.cache_read,
                cache_write_5m: sum.cache_write,
                ..Tokens::default()
            },
            cost: sum.total_cost.unwrap_or_default(),
            missing: sum.missing_cost_entries,
            models: models
                .range((day, "", "", "")..)
                .take_while(|((of, ..), _)| *of == day)
                .map(|((_, provider, model, agent), figures)| RemoteModel {
                    agent: (*agent).to_owned(),
                    provider: (*provider).to_owned(),
                    model: (*model).to_owned(),
                    figures: *figures,
                })
                .collect(),
        });
        if day == Date::MAX {
            break;
        }
        day = add_days(day, 1);
    }
    Some(days)
}

/// The sessions of an answer that used something.
#[must_use]
pub fn sessions(answer: &Usage) -> Vec<ActiveSession> {
    let used = answer.sessions.iter().filter(|session| {
        let models = &session.usage.daily_model_usage;
        !session.session_id.is_empty() && models.iter().any(|day| day.tokens > 0)
    });
    let active = used.filter_map(|session| {
        let at = session.usage.last_activity.or(session.updated_at);
        Some(ActiveSession {
            id: session.session_id.clone(),
            at: at?.plausible()?,
        })
    });
    active.collect()
}

/// By day, provider, model and agent.
type Models<'a> = BTreeMap<(Date, &'a str, &'a str, &'a str), Figures>;

/// The sessions tell the agent, but an answer need not list them all; what is left
/// of a model is of no agent that could be named, unless there is only one.
fn models(answer: &Usage) -> Option<Models<'_>> {
    let mut models = Models::new();
    let mut listed: BTreeMap<_, Figures> = BTreeMap::new();
    for session in &answer.sessions {
        for day in &session.usage.daily_model_usage {
            let model = (day.date, day.provider.as_str(), day.model.as_str());
            let figures = Figures {
                tokens: day.tokens,
                cost: day.cost?,
                responses: count(day),
                missing: missing_of(session, model),
            }
            .plausible()?;
            *listed.entry(model).or_default() += figures;
            let (day, provider, model) = model;
            *models
                .entry((day, provider, model, session.agent_id.as_str()))
                .or_default() += figures;
        }
    }
    let agents = answer.aggregates.by_agent.iter();
    let agents: BTreeSet<&str> = agents.map(|agent| agent.agent_id.as_str()).collect();
    let only = match agents.first() {
        Some(agent) if agents.len() == 1 => agent,
        _ => "",
    };
    for day in &answer.aggregates.model_daily {
        let model = (day.date, day.provider.as_str(), day.model.as_str());
        let sums = answer.aggregates.cost_daily.iter();
        let sum = sums.filter(|sum| sum.date == day.date).map(|sum| &sum.sum);
        let all = Figures {
            tokens: day.tokens,
            cost: day.cost?,
            responses: count(day),
            missing: sum.map(|sum| sum.missing(model.1, model.2)).sum(),
        }
        .plausible()?;
        let mut rest = all.without(listed.get(&model).copied().unwrap_or_default());
        if day.count == 0 && rest.tokens > 0 {
            rest.responses = rest.responses.max(1);
        }
        if (rest.tokens, rest.responses, rest.missing) != (0, 0, 0) {
            let (day, provider, model) = model;
            *models.entry((day, provider, model, only)).or_default() += rest;
        }
    }
    Some(models)
}

/// Responses; at least one where anything was used, should their number be missing.
fn count(day: &ModelDay) -> u64 {
    let used = day.tokens > 0 || day.cost.is_some_and(|cost| cost != NanoUsd::ZERO);
    day.count.max(used.into())
}

fn missing_of(session: &SessionUsage, (day, provider, model): (Date, &str, &str)) -> u64 {
    let days = session.usage.daily_breakdown.iter();
    let of_day = days.filter(|sum| sum.date == day);
    of_day.map(|sum| sum.sum.missing(provider, model)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gateway::{AgentSum, DaySum};
    use jiff::civil::date;
    use serde_json::{Value, json};

    /// The captured answer, its freshness replaced.
    fn captured(status: Option<&str>) -> Usage {
        let text =
            include_str!("../../../../tests/fixtures/gateway/rpc/sessions.usage.allagents.json");
        let mut captured: Value = serde_json::from_str(text).expect("JSON");
        let mut payload = captured["response"]["payload"].take();
        if let Some(status) = status {
            payload["cacheStatus"]["status"] = status.into();
        }
        serde_json::from_str(&payload.to_string()).expect("usage")
    }

    const UPDATED: UnixMillis = UnixMillis(1_795_178_748_276);

    #[test]
    fn only_fresh_answers_are_kept_and_old_ones_asked_for_again() {
        let first = |status: Option<&str>, age: i64| {
            let verdict = Asking::default().judge(&captured(status), UPDATED.plus(age));
            (verdict.keep, verdict.again_in)
        };
        for (status, age, expected) in [
            (None, 0, (true, None)),
            (None, 35_000, (true, None)),
            (None, 35_001, (true, Some(2_000))),
            (None, 173_000, (true, Some(2_000))),
            // The gateway's clock is ahead.
            (None, -3_600_000, (true, None)),
            (Some("refreshing"), 0, (false, Some(2_000))),
            (Some("partial"), 0, (false, Some(2_000))),
            (Some("stale"), 0, (false, Some(2_000))),
            (Some("of another kind"), 0, (false, Some(2_000))),
        ] {
            assert_eq!(first(status, age), expected, "{status:?} {age}");
        }
    }

    #[test]
    fn an_answer_of_no_time_that_can_be_is_not_kept() {
        for (updated_at, keep) in [
            (UnixMillis(0), false),
            (UnixMillis(-1), false),
            (UPDATED.plus(AHEAD_MILLIS), true),
            (UPDATED.plus(AHEAD_MILLIS + 1), false),
            (UnixMillis(i64::MAX), false),
        ] {
            let mut answer = captured(None);
            answer.updated_at = updated_at;
            let verdict = Asking::default().judge(&answer, UPDATED);
            assert_eq!(verdict.keep, keep, "{updated_at:?}");
            assert_eq!(verdict.again_in.is_some(), !keep, "{updated_at:?}");
        }
    }

    #[test]
    fn zeros_of_a_gateway_that_has_just_started_are_not_kept() {
        let zeros: Usage = serde_json::from_value(json!({
            "updatedAt": UPDATED.0, "sessions": [], "totals": { "totalCost": 0 }, "aggregates": { "costDaily": [] },
            "cacheStatus": { "status": "refreshing", "cachedFiles": 0 },
        }))
        .expect("usage");
        let mut asking = Asking::default();
        let mut verdicts = [
            zeros.clone(),
            zeros.clone(),
            zeros.clone(),
            zeros.clone(),
            zeros,
        ]
        .map(|answer| asking.judge(&answer, UPDATED));
        assert_eq!(
            verdicts.map(|it| (it.keep, it.again_in)),
            [
                (false, Some(2_000)),
                (false, Some(5_000)),
                (false, Some(10_000)),
                (false, Some(20_000)),
                (false, None),
            ]
        );
        let counted = captured(None);
        verdicts[0] = asking.judge(&counted, UPDATED);
        assert_eq!((verdicts[0].keep, verdicts[0].again_in), (true, None));
    }

    #[test]
    fn an_answer_handed_out_once_more_is_replaced_by_the_next() {
        let (old, mut new) = (captured(None), captured(None));
        let mut asking = Asking::default();
        // The clocks are an hour apart: no answer ever looks new.
        let now = UPDATED.plus(3_600_000);
        assert_eq!(
            asking.judge(&old, now),
            Verdict {
                keep: true,
                again_in: Some(2_000)
            }
        );
        new.updated_at = UPDATED.plus(173_000);
        let now = now.plus(2_100);
        assert_eq!(
            asking.judge(&new, now),
            Verdict {
                keep: true,
                again_in: None
            }
        );
    }

    fn model(
        agent: &str,
        provider: &str,
        model: &str,
        figures: (u64, i64, u64, u64),
    ) -> RemoteModel {
        let (tokens, cost, responses, missing) = figures;
        RemoteModel {
            agent: agent.into(),
            provider: provider.into(),
            model: model.into(),
            figures: Figures {
                tokens,
                cost: NanoUsd(cost),
                responses,
                missing,
            },
        }
    }

    fn nothing(day: Date) -> RemoteDay {
        RemoteDay {
            day,
            tokens: Tokens::default(),
            cost: NanoUsd::ZERO,
            missing: 0,
            models: Vec::new(),
        }
    }

    #[test]
    fn the_days_of_a_captured_answer() {
        let day = RemoteDay {
            day: date(2026, 11, 20),
            tokens: Tokens {
                input: 15_700,
                output: 1_710,
                cache_read: 11_200,
                cache_write_5m: 64,
                ..Tokens::default()
            },
            cost: NanoUsd(75_630_000),
            missing: 1,
            models: vec![
                model("", "mock", "mock-error", (0, 0, 1, 0)),
                model("", "mock", "mock-free", (1_580, 0, 1, 1)),
                // What the two listed sessions do not hold.
                model("", "mock", "mock-large", (10_940, 33_060_000, 4, 0)),
                model("main", "mock", "mock-large", (13_150, 33_330_000, 7, 0)),
                model("ops", "mock", "mock-large", (1_250, 2_190_000, 1, 0)),
                model("", "mockanth", "mock-claude", (1_754, 7_050_000, 1, 0)),
            ],
        };
        assert_eq!(
            days(&captured(None), date(2026, 11, 19), date(2026, 11, 21)),
            Some(vec![
                nothing(date(2026, 11, 19)),
                day,
                nothing(date(2026, 11, 21))
            ])
        );
    }

    #[test]
    fn what_the_sessions_leave_out_is_the_only_agents() {
        let mut answer = captured(None);
        answer.sessions.clear();
        answer.aggregates.by_agent = vec![AgentSum {
            agent_id: "main".into(),
            ..AgentSum::default()
        }];
        answer.aggregates.model_daily.truncate(1);
        let days = days(&answer, date(2026, 11, 20), date(2026, 11, 20)).expect("amounts");
        let all = model("main", "mock", "mock-large", (25_340, 68_580_000, 12, 0));
        assert_eq!(days[0].models, [all]);
    }

    #[test]
    fn what_was_used_without_a_count_is_one_response() {
        let day = date(2026, 11, 20);
        let row = |name: &str, tokens, cost| ModelDay {
            date: day,
            provider: "mock".into(),
            model: name.into(),
            tokens,
            cost: Some(NanoUsd(cost)),
            count: 0,
        };
        let mut answer = Usage::default();
        answer.aggregates.model_daily = vec![
            row("fee", 0, 7),
            row("listed", 100, 9),
            row("nothing", 0, 0),
            row("tokens", 100, 0),
        ];
        let mut session = SessionUsage {
            agent_id: "main".into(),
            ..SessionUsage::default()
        };
        session.usage.daily_model_usage = vec![row("listed", 60, 5)];
        answer.sessions = vec![session];
        let days = days(&answer, day, day).expect("amounts");
        let expected = [
            model("", "mock", "fee", (0, 7, 1, 0)),
            model("", "mock", "listed", (40, 4, 1, 0)),
            model("main", "mock", "listed", (60, 5, 1, 0)),
            model("", "mock", "tokens", (100, 0, 1, 0)),
        ];
        assert_eq!(days[0].models, expected);
    }

    #[test]
    fn sessions_are_told_with_when_something_last_happened_in_them() {
        let active = |id: &str, at: i64| ActiveSession {
            id: id.into(),
            at: UnixMillis(at),
        };
        let main = active("0b243ddd-d81c-428f-8097-d4747d0a7f41", 1_795_178_626_268);
        let ops = |at| active("d1d48c5e-4fda-4cca-aab2-1ad660fc6669", at);
        let mut answer = captured(None);
        assert_eq!(sessions(&answer), [ops(1_795_178_702_368), main.clone()]);
        answer.sessions[0].usage.last_activity = None;
        assert_eq!(sessions(&answer), [ops(1_795_178_702_473), main.clone()]);
        answer.sessions[0].updated_at = None;
        assert_eq!(sessions(&answer), std::slice::from_ref(&main));
        answer.sessions[0].updated_at = Some(UnixMillis(0));
        assert_eq!(sessions(&answer), std::slice::from_ref(&main));
        // Without an id; one in which nothing was billed.
        answer.sessions[0] = answer.sessions[1].clone();
        answer.sessions[0].session_id = String::new();
        assert_eq!(sessions(&answer), [main]);
        answer.sessions[1].usage.daily_model_usage[0].tokens = 0;
        assert_eq!(sessions(&answer), []);
    }

    #[test]
    fn an_amount_that_is_none_is_no_zero() {
        let day = date(2026, 11, 20);
        let mut no_total = captured(None);
        no_total.aggregates.cost_daily.push(DaySum::default());
        let mut no_cost = captured(None);
        no_cost.aggregates.model_daily.push(ModelDay::default());
        let mut absurd: [Usage; 4] = std::array::from_fn(|_| captured(None));
        absurd[0].aggregates.model_daily[0].tokens = u64::MAX;
        absurd[1].aggregates.model_daily[0].cost = Some(NanoUsd(i64::MAX));
        absurd[2].sessions[0].usage.daily_model_usage[0].count = 1 << 48;
        absurd[3].aggregates.cost_daily[0].sum.cache_read = u64::MAX;
        for answer in absurd.into_iter().chain([no_total, no_cost]) {
            assert_eq!(days(&answer, day, day), None);
            let verdict = Asking::default().judge(&answer, UPDATED);
            assert_eq!((verdict.keep, verdict.again_in), (false, Some(2_000)));
        }
    }
}
