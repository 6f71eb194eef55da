//! What a gateway is asked, and its answers as far as anybody here needs them. Text of messages is never among it.

use crate::{dialects::name, money::NanoUsd, time::UnixMillis};
use jiff::civil::Date;
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::{Value, json, value::RawValue};
use std::collections::BTreeMap;

/// A question. There are no others: none of them changes anything, and none needs more than the right to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// How full the providers' quotas are.
    Quotas,
    /// Usage of all agents' sessions on these days of this zone.
    Usage {
        /// First day.
        since: Date,
        /// Last day.
        until: Date,
        /// Whose days: an IANA name.
        zone: String,
        /// Sessions told at most; the totals are of all.
        sessions: u32,
    },
    /// One session's usage, response by response.
    Timeseries {
        /// Its key.
        key: String,
    },
    /// One session's messages: when, who, how much; not what.
    Log {
        /// Its key.
        key: String,
        /// Messages at most.
        limit: u32,
    },
}

/// The answer to an [`Ask`] of the same name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// See [`Quotas`].
    Quotas(Quotas),
    /// See [`Usage`].
    Usage(Box<Usage>),
    /// In order of time.
    Timeseries(Vec<Point>),
    /// In order of time.
    Log(Vec<Entry>),
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unanswered {
    /// There is no connection just now.
    NotConnected,
    /// Too many questions wait already.
    TooMany,
    /// No answer came in time.
    TimedOut,
    /// The gateway is too old to know the question.
    UnknownMethod,
    /// The gateway refused, with this code.
    Refused(String),
    /// The answer is not what it should be.
    Unreadable,
    /// It has not counted everything yet.
    Counting,
}

impl Unanswered {
    /// Whether it may answer in a moment: it is starting, or something came between.
    #[must_use]
    pub fn is_for_now(&self) -> bool {
        matches!(self, Self::Refused(code) if code == "UNAVAILABLE")
    }

    /// What happened, in words that go on from "…: ".
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            Self::NotConnected => "there is no connection".into(),
            Self::TooMany => "too many questions wait already".into(),
            Self::TimedOut => "no answer came in time".into(),
            Self::UnknownMethod => "it is too old to know the question".into(),
            Self::Refused(code) if code.is_empty() => "it refused without a reason".into(),
            Self::Refused(code) => format!("it refused with {code}"),
            Self::Unreadable => "its answer cannot be understood".into(),
            Self::Counting => "it is still counting".into(),
        }
    }
}

impl Ask {
    /// The gateway's method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::Quotas => "usage.status",
            Self::Usage { .. } => "sessions.usage",
            Self::Timeseries { .. } => "sessions.usage.timeseries",
            Self::Log { .. } => "sessions.usage.logs",
        }
    }

    pub(super) fn params(&self) -> Value {
        match self {
            Self::Quotas => json!({}),
            Self::Usage {
                since,
                until,
                zone,
                sessions,
            } => json!({
                "startDate": since.to_string(), "endDate": until.to_string(),
                "mode": "specific", "timeZone": zone, "agentScope": "all", "limit": sessions,
            }),
            Self::Timeseries { key } => json!({ "key": key }),
            Self::Log { key, limit } => json!({ "key": key, "limit": limit }),
        }
    }

    pub(super) fn read(&self, payload: &RawValue) -> Result<Answer, Unanswered> {
        fn read<'a, T: Deserialize<'a>>(payload: &'a RawValue) -> Result<T, Unanswered> {
            // serde would take an empty array for an object of defaults.
            let object = Some(payload.get()).filter(|text| text.starts_with('{'));
            object
                .and_then(|text| serde_json::from_str(text).ok())
                .ok_or(Unanswered::Unreadable)
        }
        #[derive(Deserialize)]
        struct Points {
            points: Vec<Point>,
        }
        #[derive(Deserialize)]
        struct Log {
            logs: Vec<Entry>,
        }
        Ok(match self {
            Self::Quotas => Answer::Quotas(read(payload)?),
            Self::Usage { sessions, .. } => {
                let mut usage: Usage = read(payload)?;
                usage.sessions.truncate(*sessions as usize);
                Answer::Usage(Box::new(usage))
            }
            Self::Timeseries { .. } => Answer::Timeseries(read::<Points>(payload)?.points),
            Self::Log { .. } => Answer::Log(read::<Log>(payload)?.logs),
        })
    }
}

/// Quotas of the providers a gateway uses, as they report them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all(deserialize = "camelCase"))]
pub struct Quotas {
    /// When they were fetched.
    pub updated_at: UnixMillis,
    /// They are being fetched: what is missing is not known, not absent.
    pub refreshing: bool,
    /// One entry for each provider with quotas.
    pub providers: Vec<ProviderQuota>,
}

/// One provider's quotas.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all(deserialize = "camelCase"))]
pub struct ProviderQuota {
    /// Its name, such as `anthropic`.
    #[serde(deserialize_with = "short")]
    pub provider: String,
    /// The name people know it by.
    #[serde(deserialize_with = "short")]
    pub display_name: String,
    /// What was subscribed to.
    #[serde(deserialize_with = "short_or_none")]
    pub plan: Option<String>,
    /// What fills up and empties again.
    pub windows: Vec<QuotaWindow>,
    /// Amounts.
    pub billing: Vec<Billing>,
}

/// A quota that fills up until it is reset.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all(deserialize = "camelCase"))]
pub struct QuotaWindow {
    /// Its name, such as `5h`.
    #[serde(deserialize_with = "short")]
    pub label: String,
    /// What it belongs to, such as a model.
    #[serde(deserialize_with = "short_or_none")]
    pub group_label: Option<String>,
    /// Used, in thousandths of a percent.
    #[serde(rename(deserialize = "usedPercent"), deserialize_with = "thousandths")]
    pub used_milli_percent: i64,
    /// When it is empty again.
    pub reset_at: Option<UnixMillis>,
}

/// An amount at a provider: a balance, what was spent, or a budget.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all(deserialize = "camelCase"))]
pub struct Billing {
    /// `balance`, `spend` or `budget`.
    #[serde(rename(deserialize = "type"), deserialize_with = "short")]
    pub kind: String,
    /// Its name.
    #[serde(deserialize_with = "short_or_none")]
    pub label: Option<String>,
    /// Of a balance or spend, in billionths of the unit.
    #[serde(deserialize_with = "amount")]
    pub amount: Option<NanoUsd>,
    /// Of a budget.
    #[serde(deserialize_with = "amount")]
    pub used: Option<NanoUsd>,
    /// Of a budget.
    #[serde(deserialize_with = "amount")]
    pub limit: Option<NanoUsd>,
    /// `USD`, or something that is no money, such as `credits`.
    #[serde(deserialize_with = "short")]
    pub unit: String,
    /// `month` …
    #[serde(deserialize_with = "short_or_none")]
    pub period: Option<String>,
    /// When it begins anew.
    pub reset_at: Option<UnixMillis>,
}

/// How far the gateway has come with counting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Freshness {
    /// All is counted, as of the answer's `updated_at`.
    Fresh,
    /// Some of it is old.
    Partial,
    /// All of it is old.
    Stale,
    /// It is being counted: zeros mean that nothing is known.
    Refreshing,
    /// It says nothing that is known here.
    #[default]
    #[serde(other)]
    Unknown,
}

/// Usage of some days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Usage {
    /// Of when the answer is; one that is older than 35 seconds is worth asking for again, two seconds later.
    pub updated_at: UnixMillis,
    /// Whether it can be believed.
    #[serde(rename = "cacheStatus", deserialize_with = "freshness")]
    pub freshness: Freshness,
    /// Of all sessions.
    pub totals: Sum,
    /// Sums over all sessions.
    pub aggregates: Aggregates,
    /// The latest sessions.
    pub sessions: Vec<SessionUsage>,
}

impl Usage {
    /// Whether there is nothing in it, as in a gateway that was never used.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.sessions.is_empty() && self.aggregates.model_daily.is_empty()
    }
}

/// Sums over all sessions.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Aggregates {
    /// By day; days of nothing may be missing.
    pub cost_daily: Vec<DaySum>,
    /// By day and model.
    pub model_daily: Vec<ModelDay>,
    /// By agent.
    pub by_agent: Vec<AgentSum>,
    /// How many sessions there are.
    pub session_count: u64,
}

/// Tokens and cost as the gateway counts them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Sum {
    /// Input that no cache served.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Input served from the cache.
    pub cache_read: u64,
    /// Input written to the cache.
    pub cache_write: u64,
    /// The gateway's own figure.
    #[serde(deserialize_with = "amount")]
    pub total_cost: Option<NanoUsd>,
    /// Responses it knows no price for.
    pub missing_cost_entries: u64,
    /// The same by `provider/model`.
    pub missing_cost_by_model: BTreeMap<String, u64>,
}

impl Sum {
    /// Responses of a model it knows no price for.
    #[must_use]
    pub fn missing(&self, provider: &str, model: &str) -> u64 {
        let name = format!("{provider}/{model}");
        self.missing_cost_by_model.get(&name).copied().unwrap_or(0)
    }
}

/// A day's sum.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DaySum {
    /// The day, in the zone that was asked for.
    pub date: Date,
    /// Its sum.
    pub sum: Sum,
}

/// Both stand in one object. (`serde(flatten)` would turn its numbers into floats.)
impl<'de> Deserialize<'de> for DaySum {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Day {
            date: Date,
        }
        let raw = Box::<RawValue>::deserialize(from)?;
        let day: Day = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        let sum = serde_json::from_str(raw.get()).map_err(D::Error::custom)?;
        Ok(Self {
            date: day.date,
            sum,
        })
    }
}

/// An agent's sum.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct AgentSum {
    /// The agent.
    #[serde(deserialize_with = "short")]
    pub agent_id: String,
    /// Its sum.
    pub totals: Sum,
}

/// What a model used on a day.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct ModelDay {
    /// The day, in the zone that was asked for.
    pub date: Date,
    /// Provider as written.
    #[serde(deserialize_with = "short")]
    pub provider: String,
    /// Model as written.
    #[serde(deserialize_with = "short")]
    pub model: String,
    /// All classes of tokens together.
    pub tokens: u64,
    /// The gateway's own figure.
    #[serde(deserialize_with = "amount")]
    pub cost: Option<NanoUsd>,
    /// Responses.
    pub count: u64,
}

/// What a session used on those days.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SessionUsage {
    /// The conversation.
    #[serde(deserialize_with = "short")]
    pub key: String,
    /// The session.
    #[serde(deserialize_with = "short")]
    pub session_id: String,
    /// Whose it is.
    #[serde(deserialize_with = "short")]
    pub agent_id: String,
    /// When it last changed.
    #[serde(deserialize_with = "instant")]
    pub updated_at: Option<UnixMillis>,
    /// The sums; nothing while the gateway has not counted it.
    #[serde(deserialize_with = "or_nothing")]
    pub usage: SessionSums,
}

/// A session's sums.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SessionSums {
    /// When something last happened in it.
    #[serde(deserialize_with = "instant")]
    pub last_activity: Option<UnixMillis>,
    /// By day.
    pub daily_breakdown: Vec<DaySum>,
    /// By day and model.
    pub daily_model_usage: Vec<ModelDay>,
}

/// One response of a session, or of a long session several that follow each other.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Point {
    /// When.
    pub timestamp: UnixMillis,
    /// Input that no cache served.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Input served from the cache.
    pub cache_read: u64,
    /// Input written to the cache.
    pub cache_write: u64,
    /// The gateway's own figure; 0 also where it knows no price.
    #[serde(deserialize_with = "amount")]
    pub cost: Option<NanoUsd>,
}

/// One message of a session, without its text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Entry {
    /// When.
    pub timestamp: UnixMillis,
    /// `user`, `assistant`, `tool` …
    pub role: String,
    /// Tokens, where it was billed.
    pub tokens: Option<u64>,
    /// The gateway's own figure, where it was billed.
    #[serde(deserialize_with = "amount")]
    pub cost: Option<NanoUsd>,
}

/// An amount from the number's own digits, so that no float comes between; `None` for what is no number.
fn amount<'de, D: Deserializer<'de>>(from: D) -> Result<Option<NanoUsd>, D::Error> {
    let raw = Box::<RawValue>::deserialize(from)?;
    Ok(NanoUsd::parse_decimal(raw.get()))
}

/// A time that is not needed must not make the rest unreadable. That of a deleted session is its archive's, a fraction.
fn instant<'de, D: Deserializer<'de>>(from: D) -> Result<Option<UnixMillis>, D::Error> {
    let millis = Value::deserialize(from)?.to_string();
    let whole = millis.split('.').next().and_then(|it| it.parse().ok());
    Ok(whole.map(UnixMillis))
}

/// A name as it is kept, so that it is the same as in what the gateway pushes.
fn short<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(name(String::deserialize(from)?.into()).into_owned())
}

fn short_or_none<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    let text: Option<String> = Option::deserialize(from)?;
    Ok(text.map(|text| name(text.into()).into_owned()))
}

fn or_nothing<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

fn thousandths<'de, D: Deserializer<'de>>(from: D) -> Result<i64, D::Error> {
    Ok(amount(from)?.map_or(0, |number| number.0 / 1_000_000))
}

fn freshness<'de, D: Deserializer<'de>>(from: D) -> Result<Freshness, D::Error> {
    #[derive(Default, Deserialize)]
    #[serde(default)]
    struct CacheStatus {
        status: Freshness,
    }
    Ok(CacheStatus::deserialize(from)?.status)
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    fn read(ask: &Ask, captured: &str) -> Answer {
        let captured: Value = serde_json::from_str(captured).expect("JSON");
        assert_eq!(captured["request"]["method"], ask.method());
        let payload = captured["response"]["payload"].to_string();
        ask.read(serde_json::from_str(&payload).expect("JSON"))
            .expect("an answer")
    }

    fn usage() -> Ask {
        Ask::Usage {
            since: date(2026, 11, 14),
            until: date(2026, 11, 20),
            zone: "Europe/Berlin".into(),
            sessions: 50,
        }
    }

    #[test]
    fn captured_usage_is_read_to_the_last_digit() {
        let captured =
            include_str!("../../../../tests/fixtures/gateway/rpc/sessions.usage.allagents.json");
        let Answer::Usage(answer) = read(&usage(), captured) else {
            panic!("another answer")
        };
        assert_eq!(answer.freshness, Freshness::Fresh);
        assert_eq!(answer.updated_at, UnixMillis(1_795_178_748_276));
        let totals = Sum {
            input: 15_700,
            output: 1_710,
            cache_read: 11_200,
            cache_write: 64,
            total_cost: Some(NanoUsd(75_630_000)),
            missing_cost_entries: 1,
            missing_cost_by_model: BTreeMap::from([("mock/mock-free".into(), 1)]),
        };
        assert_eq!(answer.totals, totals);
        let day = date(2026, 11, 20);
        assert_eq!(
            answer.aggregates.cost_daily,
            [DaySum {
                date: day,
                sum: totals
            }]
        );
        assert_eq!(answer.aggregates.session_count, 9);
        let costs = |rows: &[ModelDay]| -> i64 {
            rows.iter()
                .filter_map(|row| row.cost)
                .map(|cost| cost.0)
                .sum()
        };
        assert_eq!(costs(&answer.aggregates.model_daily), 75_630_000);
        let agents = answer.aggregates.by_agent.iter();
        let agents: Vec<_> = agents
            .map(|one| (one.agent_id.as_str(), one.totals.total_cost))
            .collect();
        let expected = [
            ("main", Some(NanoUsd(73_440_000))),
            ("ops", Some(NanoUsd(2_190_000))),
        ];
        assert_eq!(agents, expected);
        let ops = &answer.sessions[0];
        assert_eq!(
            (ops.key.as_str(), ops.agent_id.as_str()),
            ("agent:ops:main", "ops")
        );
        let expected = ModelDay {
            date: day,
            provider: "mock".into(),
            model: "mock-large".into(),
            tokens: 1_250,
            cost: Some(NanoUsd(2_190_000)),
            count: 1,
        };
        assert_eq!(ops.usage.daily_model_usage, [expected]);
    }

    #[test]
    fn a_session_that_is_still_being_counted_has_no_sums() {
        let captured =
            include_str!("../../../../tests/fixtures/gateway/rpc/sessions.usage.refreshing.json");
        let session = SessionUsage {
            key: "agent:main:main".into(),
            session_id: "13753df7-9daa-49d4-8012-5c9d939a02f9".into(),
            agent_id: "main".into(),
            updated_at: Some(UnixMillis(1_795_287_997_030)),
            usage: SessionSums::default(),
        };
        let expected = Usage {
            updated_at: UnixMillis(1_795_287_997_315),
            freshness: Freshness::Refreshing,
            totals: Sum {
                total_cost: Some(NanoUsd::ZERO),
                ..Sum::default()
            },
            aggregates: Aggregates::default(),
            sessions: vec![session],
        };
        assert_eq!(read(&usage(), captured), Answer::Usage(Box::new(expected)));
    }

    #[test]
    fn a_time_that_is_none_hides_nothing() {
        for (told, expected) in [
            ("1795294526123", Some(1_795_294_526_123)),
            ("1795294526123.4567", Some(1_795_294_526_123)),
            ("null", None),
            (r#""today""#, None),
            ("[]", None),
        ] {
            let payload = format!(r#"{{"sessions":[{{"sessionId":"a","updatedAt":{told}}}]}}"#);
            let usage: Usage = serde_json::from_str(&payload).expect(told);
            let session = SessionUsage {
                session_id: "a".into(),
                updated_at: expected.map(UnixMillis),
                ..SessionUsage::default()
            };
            assert_eq!(usage.sessions, [session], "{told}");
        }
    }

    #[test]
    fn names_are_cut_like_pushed_ones_and_sessions_are_no_more_than_were_asked_for() {
        let long = "m".repeat(300);
        let cut = format!("{}…", &long[..256]);
        let day = json!({ "date": "2026-11-20", "provider": long, "model": long, "count": 1 });
        let session = json!({
            "key": long, "sessionId": long, "agentId": long, "usage": { "dailyModelUsage": [day] },
        });
        let payload = json!({
            "aggregates": { "modelDaily": [day], "byAgent": [{ "agentId": long }] },
            "sessions": vec![session; 51],
        });
        let model = ModelDay {
            date: date(2026, 11, 20),
            provider: cut.clone(),
            model: cut.clone(),
            count: 1,
            ..ModelDay::default()
        };
        let session = SessionUsage {
            key: cut.clone(),
            session_id: cut.clone(),
            agent_id: cut.clone(),
            usage: SessionSums {
                daily_model_usage: vec![model.clone()],
                ..SessionSums::default()
            },
            ..SessionUsage::default()
        };
        let expected = Usage {
            aggregates: Aggregates {
                model_daily: vec![model],
                by_agent: vec![AgentSum {
                    agent_id: cut.clone(),
                    ..AgentSum::default()
                }],
                ..Aggregates::default()
            },
            sessions: vec![session; 50],
            ..Usage::default()
        };
        let answer = |ask: &Ask, payload: &Value| {
            let raw: Box<RawValue> = serde_json::from_str(&payload.to_string()).expect("JSON");
            ask.read(&raw)
        };
        let told = answer(&usage(), &payload);
        assert_eq!(told, Ok(Answer::Usage(Box::new(expected))));

        let payload = json!({ "providers": [{
            "provider": long, "displayName": long, "plan": long,
            "windows": [{ "label": long, "groupLabel": long }],
            "billing": [{ "type": long, "label": long, "unit": long, "period": long }],
        }] });
        let told = answer(&Ask::Quotas, &payload);
        let provider = ProviderQuota {
            provider: cut.clone(),
            display_name: cut.clone(),
            plan: Some(cut.clone()),
            windows: vec![QuotaWindow {
                label: cut.clone(),
                group_label: Some(cut.clone()),
                ..QuotaWindow::default()
            }],
            billing: vec![Billing {
                kind: cut.clone(),
                label: Some(cut.clone()),
                unit: cut.clone(),
                period: Some(cut),
                ..Billing::default()
            }],
        };
        let expected = Quotas {
            providers: vec![provider],
            ..Quotas::default()
        };
        assert_eq!(told, Ok(Answer::Quotas(expected)));
    }

    #[test]
    fn captured_quotas_are_read() {
        let captured = include_str!("../../../../tests/fixtures/gateway/rpc/usage.status.json");
        let reset_at = Some(UnixMillis(1_796_083_200_000));
        let expected = Quotas {
            updated_at: UnixMillis(1_795_178_702_701),
            refreshing: false,
            providers: vec![ProviderQuota {
                provider: "clawrouter".into(),
                display_name: "ClawRouter".into(),
                plan: Some("Managed monthly budget".into()),
                windows: vec![QuotaWindow {
                    label: "Monthly budget".into(),
                    group_label: None,
                    used_milli_percent: 24_680,
                    reset_at,
                }],
                billing: vec![Billing {
                    kind: "budget".into(),
                    used: Some(NanoUsd(12_340_000_000)),
                    limit: Some(NanoUsd::dollars(50)),
                    unit: "USD".into(),
                    period: Some("month".into()),
                    reset_at,
                    ..Billing::default()
                }],
            }],
        };
        assert_eq!(read(&Ask::Quotas, captured), Answer::Quotas(expected));
    }

    #[test]
    fn a_sessions_course_is_read_without_a_word_of_it() {
        let key = "agent:main:main".to_owned();
        let captured =
            include_str!("../../../../tests/fixtures/gateway/rpc/sessions.usage.timeseries.json");
        let Answer::Timeseries(points) = read(&Ask::Timeseries { key: key.clone() }, captured)
        else {
            panic!("another answer")
        };
        let first = Point {
            timestamp: UnixMillis(1_795_177_726_397),
            input: 400,
            output: 50,
            cache_read: 800,
            cache_write: 0,
            cost: Some(NanoUsd(2_190_000)),
        };
        assert_eq!((points.len(), &points[0]), (7, &first));
        let captured =
            include_str!("../../../../tests/fixtures/gateway/rpc/sessions.usage.logs.json");
        let Answer::Log(entries) = read(&Ask::Log { key, limit: 20 }, captured) else {
            panic!("another answer")
        };
        assert_eq!(entries.len(), 14);
        assert!(captured.contains("hello one") && !format!("{entries:?}").contains("hello"));
    }

    #[test]
    fn what_is_not_the_answer_is_unreadable() {
        for payload in ["null", "[]", "5", "{\"totals\":7}"] {
            let raw: &RawValue = serde_json::from_str(payload).expect("JSON");
            assert_eq!(usage().read(raw), Err(Unanswered::Unreadable), "{payload}");
        }
        let params = json!({
            "startDate": "2026-11-14", "endDate": "2026-11-20", "mode": "specific", "timeZone": "Europe/Berlin",
            "agentScope": "all", "limit": 50,
        });
        assert_eq!(usage().params(), params);
    }
}
