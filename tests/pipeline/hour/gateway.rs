//! A gateway that makes responses and answers as OpenClaw 2026.9.6 was measured to, in a time of its own. It is all in
//! memory; where its logs are read, it writes the rows of its agents' databases.

use clawspend_core::{gateway::Failure, time::UnixMillis};
use clawspend_tests::corpus::AGENT_DATABASE;
use jiff::{civil::Date, tz::TimeZone};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    collections::{BTreeMap, HashMap},
    path::Path,
};

/// When it all begins: forty minutes before midnight.
pub(crate) const BEGAN: UnixMillis = UnixMillis(1_795_216_800_000);
/// A transcript's new rows are in the totals after so long.
const COUNTED_AFTER: u64 = 8_000;
/// An answer is handed out again for so long.
const CACHED: u64 = 30_000;
/// So long does computing an answer anew take.
const COMPUTING: u64 = 1_500;
/// So long does it count after it has started.
const WARMING_UP: u64 = 2_500;
/// Wrong secrets until an address is locked out.
pub(crate) const LOCK_OUT: u32 = 10;

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }

    /// One of `start..end`.
    pub(crate) fn between(&mut self, start: u64, end: u64) -> u64 {
        start + self.next() % (end - start)
    }
}

/// One billed response. Times are milliseconds since the beginning.
#[derive(Debug, Clone)]
pub(crate) struct Response {
    /// When it is stored, and everybody told.
    pub(crate) at: u64,
    /// So long before that it began.
    took: u64,
    session: usize,
    model: usize,
    id: String,
    /// Input, output, cache reads, cache writes.
    tokens: [u64; 4],
    nano_usd: i64,
}

/// Agent, key and id.
const SESSIONS: [(&str, &str, &str); 3] = [
    (
        "main",
        "agent:main:main",
        "0b243ddd-d81c-428f-8097-d4747d0a7f41",
    ),
    (
        "main",
        "agent:main:work",
        "7d02bd37-cc09-4690-96e5-4cbb8e191caa",
    ),
    (
        "ops",
        "agent:ops:main",
        "d1d48c5e-4fda-4cca-aab2-1ad660fc6669",
    ),
];
const MODELS: [(&str, &str); 2] = [("mock", "mock-large"), ("mockanth", "mock-claude")];

/// An hour's work.
pub(crate) fn responses(random: &mut Random) -> Vec<Response> {
    let mut at = random.between(0, 60_000);
    let mut all = Vec::new();
    while at < 3_600_000 {
        all.push(Response {
            at,
            took: random.between(0, 40_000),
            session: random.between(0, 3) as usize,
            model: random.between(0, 2) as usize,
            id: format!("{:016x}", random.next()),
            tokens: [(); 4].map(|()| random.between(1, 5_000)),
            nano_usd: random.between(1, 90_000).cast_signed() * 1_000,
        });
        at += match random.between(0, 4) {
            0 => random.between(100, 2_000),
            _ => random.between(2_000, 50_000),
        };
    }
    all
}

/// What they come to by day, agent and model: responses, tokens, billionths of a dollar.
pub(crate) type Figures = BTreeMap<Vec<String>, (u64, u64, i64)>;

/// The figures that are true, by the gateway's clock.
pub(crate) fn truth(responses: &[Response], ahead: i64) -> Figures {
    let mut figures = Figures::new();
    for one in responses {
        let day = one.day(ahead).to_string();
        let (agent, model) = (SESSIONS[one.session].0, MODELS[one.model].1);
        let key = vec![day, agent.to_owned(), model.to_owned()];
        let sum = figures.entry(key).or_default();
        sum.0 += 1;
        sum.1 += one.tokens.iter().sum::<u64>();
        sum.2 += one.nano_usd;
    }
    figures
}

impl Response {
    fn wall(&self, ahead: i64) -> UnixMillis {
        BEGAN.plus(self.at.cast_signed() + ahead)
    }

    fn day(&self, ahead: i64) -> Date {
        self.began(ahead).day(&TimeZone::UTC)
    }

    fn began(&self, ahead: i64) -> UnixMillis {
        self.wall(ahead).plus(-self.took.cast_signed())
    }

    fn message(&self, ahead: i64) -> Value {
        let [input, output, cache_read, cache_write] = self.tokens;
        let (provider, model) = MODELS[self.model];
        json!({
            "role": "assistant", "content": [{ "type": "text", "text": "done" }], "api": "openai-completions",
            "provider": provider, "model": model, "stopReason": "stop", "timestamp": self.began(ahead).0,
            "__openclaw": { "id": self.id, "recordTimestampMs": self.wall(ahead).0 },
            "usage": {
                "input": input, "output": output, "cacheRead": cache_read, "cacheWrite": cache_write,
                "cost": { "total": dollars(self.nano_usd) },
            },
        })
    }
}

fn dollars(nano_usd: i64) -> Value {
    let text = format!(
        "{}.{:09}",
        nano_usd / 1_000_000_000,
        nano_usd % 1_000_000_000
    );
    serde_json::from_str(&text).expect("a number")
}

/// What is wrong with it, or with the way to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trouble {
    None,
    /// Nothing listens.
    Refusing,
    /// Packets vanish, both ways.
    Vanishing,
    /// Stopping, gone and starting, a third of the time each.
    Restarting,
    /// What it says is garbage.
    Babbling,
    /// Others sent too many wrong tokens from our address.
    LockedOut,
    /// Events get lost; their numbers tell.
    Losing,
    /// Answers take long, some too long.
    Slow,
    /// What it counts is not all counted.
    Behind,
}

/// What a client does to it.
#[derive(Debug)]
pub(crate) enum Sent {
    Dial,
    Text(String),
    Ping,
    Gone,
}

/// What a client hears.
#[derive(Debug)]
pub(crate) enum Said {
    Opened,
    Text(String),
    Pong,
    Closed(Option<u16>),
    Failed(Failure),
}

pub(crate) struct Gateway {
    pub(crate) trouble: Trouble,
    /// Since when, and until when.
    pub(crate) lasts: (u64, u64),
    pub(crate) shared: String,
    device: Option<String>,
    tokens_given: u64,
    /// Its clock is ahead.
    pub(crate) ahead: i64,
    responses: Vec<Response>,
    made: usize,
    /// When it will have counted its transcripts, once it was asked for that.
    warm_at: Option<u64>,
    answers: HashMap<String, Cached>,
    line: Option<Line>,
    databases: Option<HashMap<&'static str, Connection>>,
    pub(crate) wrong: u32,
    locked_until: u64,
}

struct Cached {
    computed_at: u64,
    again_at: Option<u64>,
}

/// The latest connection.
struct Line {
    number: u64,
    seq: u64,
    subscribed: bool,
}

impl Gateway {
    /// With the home in which it writes its logs, where that is here.
    pub(crate) fn new(responses: Vec<Response>, ahead: i64, home: Option<&Path>) -> Self {
        Self {
            trouble: Trouble::None,
            lasts: (0, 0),
            shared: "sesame".into(),
            device: None,
            tokens_given: 0,
            ahead,
            responses,
            made: 0,
            warm_at: None,
            answers: HashMap::new(),
            line: None,
            databases: home.map(|home| databases(home, BEGAN.plus(ahead - 60_000))),
            wrong: 0,
            locked_until: 0,
        }
    }

    /// Its logs are read.
    pub(crate) fn writes_logs(&self) -> bool {
        self.databases.is_some()
    }

    /// The connection is gone on its side, or it will never know.
    pub(crate) fn drop_line(&mut self) -> Option<u64> {
        self.line.take().map(|line| line.number)
    }

    /// It has stopped, and knows nothing any more that it held in memory.
    pub(crate) fn restart(&mut self) {
        self.warm_at = None;
        self.answers.clear();
    }

    /// The device's token is no longer good.
    pub(crate) fn rotate(&mut self) {
        self.device = None;
        self.tokens_given += 1;
    }

    /// The responses made so far, and what they cost.
    pub(crate) fn made(&self) -> (u64, i64) {
        let made = &self.responses[..self.made];
        (made.len() as u64, made.iter().map(|one| one.nano_usd).sum())
    }

    /// When the next response is made.
    pub(crate) fn next_response(&self) -> Option<u64> {
        self.responses.get(self.made).map(|one| one.at)
    }

    /// Makes it: first it is stored, then everybody is told.
    pub(crate) fn make_response(&mut self) -> Vec<Said> {
        let one = self.responses[self.made].clone();
        self.made += 1;
        self.store(&one);
        let (agent, key, session) = SESSIONS[one.session];
        let event = |role: &str, id: &str, message: Value| {
            let payload = json!({
                "sessionKey": key, "agentId": agent, "messageId": id, "message": message,
                "session": { "sessionId": session, "lastMessagePreview": role },
            });
            ("session.message", payload)
        };
        let asked = json!({ "role": "user", "content": "do it", "timestamp": one.began(self.ahead).0 - 50 });
        let told = [
            event("user", &format!("{}-asked", one.id), asked),
            (
                "sessions.changed",
                json!({ "phase": "end", "totalTokens": 5 }),
            ),
            event("assistant", &one.id, one.message(self.ahead)),
        ];
        let told = told.into_iter();
        told.filter_map(|(name, payload)| self.event(name, &payload))
            .collect()
    }

    /// A sign of life.
    pub(crate) fn tick(&mut self) -> Option<Said> {
        self.event("tick", &json!({}))
    }

    /// That it is about to stop.
    pub(crate) fn shutdown(&mut self) -> Option<Said> {
        self.event("shutdown", &json!({ "reason": "gateway stopping" }))
    }

    /// What a subscriber hears; `None` also where it gets lost on the way.
    fn event(&mut self, name: &str, payload: &Value) -> Option<Said> {
        let line = self.line.as_mut().filter(|line| line.subscribed)?;
        line.seq += 1;
        let event = json!({ "type": "event", "event": name, "seq": line.seq, "payload": payload });
        match self.trouble {
            Trouble::Losing if name != "tick" => None,
            Trouble::Babbling if line.seq.is_multiple_of(2) => {
                Some(Said::Text(event.to_string()[..20].to_owned()))
            }
            _ => Some(Said::Text(event.to_string())),
        }
    }

    /// The connection that hears events.
    pub(crate) fn listener(&self) -> Option<u64> {
        self.line.as_ref().map(|line| line.number)
    }

    /// What it says to a client, and how long that takes.
    pub(crate) fn hear(&mut self, number: u64, sent: Sent, now: u64) -> Vec<(u64, Said)> {
        if self.trouble == Trouble::Vanishing {
            return Vec::new();
        }
        let is_known = self.line.as_ref().is_some_and(|line| line.number == number);
        match sent {
            Sent::Dial => self.answer_dial(number, now),
            Sent::Gone if is_known => {
                self.line = None;
                Vec::new()
            }
            Sent::Ping if is_known => vec![(0, Said::Pong)],
            Sent::Text(text) if is_known => {
                let request: Value = serde_json::from_str(&text).expect("JSON");
                let slow = self.trouble == Trouble::Slow && request["method"] != "connect";
                // By what it asks for, so that answers overtake each other.
                let delay = if slow {
                    45_000 - text.len() as u64 * 150 % 44_000
                } else {
                    20
                };
                vec![(delay, self.answer(&request, now))]
            }
            _ => Vec::new(),
        }
    }

    fn answer_dial(&mut self, number: u64, now: u64) -> Vec<(u64, Said)> {
        let third = (self.lasts.1 - self.lasts.0) / 3;
        let gone = (now - self.lasts.0) / third.max(1);
        match (self.trouble, gone) {
            (Trouble::Refusing, _) | (Trouble::Restarting, 1) => {
                vec![(0, Said::Failed(Failure::Refused))]
            }
            (Trouble::Restarting, 0) => vec![(0, Said::Failed(Failure::Http { status: 503 }))],
            (Trouble::Babbling, _) => {
                vec![(0, Said::Opened), (0, Said::Text("\u{1f4a5}<html>".into()))]
            }
            _ => {
                self.line = Some(Line {
                    number,
                    seq: 0,
                    subscribed: false,
                });
                let challenge = json!({ "nonce": number.to_string(), "ts": self.wall(now).0 });
                let event =
                    json!({ "type": "event", "event": "connect.challenge", "payload": challenge });
                vec![(0, Said::Opened), (0, Said::Text(event.to_string()))]
            }
        }
    }

    fn wall(&self, now: u64) -> UnixMillis {
        BEGAN.plus(now.cast_signed() + self.ahead)
    }

    fn answer(&mut self, request: &Value, now: u64) -> Said {
        let result = match request["method"].as_str().expect("a method") {
            "connect" => self.admit(&request["params"]["auth"], now),
            "sessions.subscribe" => {
                if let Some(line) = &mut self.line {
                    line.subscribed = true;
                }
                Ok(json!({ "subscribed": true }))
            }
            "usage.status" => Ok(json!({ "updatedAt": self.wall(now).0, "providers": [] })),
            "sessions.usage" => Ok(self.usage(&request["params"], now)),
            method => panic!("{method} was not to be asked"),
        };
        let id = &request["id"];
        let answer = match result {
            Ok(payload) => json!({ "type": "res", "id": id, "ok": true, "payload": payload }),
            Err(error) => json!({ "type": "res", "id": id, "ok": false, "error": error }),
        };
        Said::Text(answer.to_string())
    }

    fn admit(&mut self, auth: &Value, now: u64) -> Result<Value, Value> {
        let refusal = |detail: &str| json!({ "code": "INVALID_REQUEST", "message": "m", "details": { "code": detail } });
        let locked_until = match self.trouble {
            Trouble::Restarting => {
                return Err(json!({ "code": "UNAVAILABLE", "retryAfterMs": 500 }));
            }
            Trouble::LockedOut => self.lasts.1,
            _ => self.locked_until,
        };
        if now < locked_until {
            let mut error = refusal("AUTH_RATE_LIMITED");
            error["retryAfterMs"] = json!(locked_until - now);
            return Err(error);
        }
        let device = self.device.as_deref();
        let is_right = auth["token"] == *self.shared
            || device.is_some() && auth["deviceToken"].as_str() == device;
        if !is_right {
            if auth["token"].is_null() && auth["deviceToken"].is_null() {
                return Err(refusal("AUTH_TOKEN_MISSING"));
            }
            self.wrong += 1;
            if self.wrong >= LOCK_OUT {
                self.locked_until = now + 300_000;
            }
            return Err(refusal("AUTH_TOKEN_MISMATCH"));
        }
        let given = format!("device-token-{}", self.tokens_given);
        self.device = Some(given.clone());
        let mut hello = clawspend_tests::gateway::hello();
        hello["auth"]["deviceToken"] = json!(given);
        Ok(hello)
    }

    /// The answer of just now is handed out for half a minute, then once more while the next is computed.
    fn usage(&mut self, params: &Value, now: u64) -> Value {
        let warm_at = *self.warm_at.get_or_insert(now + WARMING_UP);
        if now < warm_at {
            return self.count(params, 0, now, "refreshing");
        }
        if self.trouble == Trouble::Behind {
            let half = self.made as u64 / 2;
            let until = self.responses.get(half as usize).map_or(0, |one| one.at);
            let status = if half.is_multiple_of(2) {
                "partial"
            } else {
                "stale"
            };
            return self.count(params, until, now, status);
        }
        let cached = self.answers.entry(params.to_string()).or_insert(Cached {
            computed_at: now,
            again_at: None,
        });
        if let Some(again_at) = cached.again_at.take_if(|at| *at <= now) {
            cached.computed_at = again_at;
        }
        if now - cached.computed_at > CACHED {
            cached.again_at.get_or_insert(now + COMPUTING);
        }
        let at = cached.computed_at;
        self.count(params, at.saturating_sub(COUNTED_AFTER), at, "fresh")
    }

    /// What was made up to some time, as of another.
    fn count(&self, params: &Value, until: u64, as_of: u64, status: &str) -> Value {
        let day = |member: &str| -> Date {
            let text = params[member].as_str().expect("a day");
            text.parse().expect("a day")
        };
        let asked = day("startDate")..=day("endDate");
        let is_in = |one: &&Response| one.at < until && asked.contains(&one.day(self.ahead));
        let all: Vec<&Response> = self.responses[..self.made].iter().filter(is_in).collect();
        let of_session = |number: usize| -> Vec<&Response> {
            let mine = all.iter().filter(|one| one.session == number);
            mine.copied().collect()
        };
        let sessions = (0..SESSIONS.len()).map(|number| (number, of_session(number)));
        let sessions: Vec<Value> = sessions
            .filter(|(_, mine)| !mine.is_empty())
            .map(|(number, mine)| {
                let (agent, key, session) = SESSIONS[number];
                json!({
                    "key": key, "sessionId": session, "agentId": agent,
                    "usage": {
                        "lastActivity": mine.iter().map(|one| one.wall(self.ahead).0).max(),
                        "dailyBreakdown": self.daily(&mine), "dailyModelUsage": self.by_model(&mine),
                    },
                })
            })
            .collect();
        let agents = ["main", "ops"].map(|agent| {
            let mine = all.iter().filter(|one| SESSIONS[one.session].0 == agent);
            json!({ "agentId": agent, "totals": sum(&mine.copied().collect::<Vec<_>>()) })
        });
        json!({
            "updatedAt": self.wall(as_of).0, "totals": sum(&all), "sessions": sessions,
            "aggregates": {
                "sessionCount": SESSIONS.len(), "costDaily": self.daily(&all), "modelDaily": self.by_model(&all),
                "byAgent": agents,
            },
            "cacheStatus": { "status": status },
        })
    }

    fn daily(&self, all: &[&Response]) -> Vec<Value> {
        let mut days: BTreeMap<Date, Vec<&Response>> = BTreeMap::new();
        for one in all {
            days.entry(one.day(self.ahead)).or_default().push(one);
        }
        let day = |(day, mine): (Date, Vec<&Response>)| {
            let mut sum = sum(&mine);
            sum["date"] = json!(day.to_string());
            sum
        };
        days.into_iter().map(day).collect()
    }

    fn by_model(&self, all: &[&Response]) -> Vec<Value> {
        let mut models: BTreeMap<(Date, usize), (u64, u64, i64)> = BTreeMap::new();
        for one in all {
            let sum = models.entry((one.day(self.ahead), one.model)).or_default();
            sum.0 += 1;
            sum.1 += one.tokens.iter().sum::<u64>();
            sum.2 += one.nano_usd;
        }
        let model = |((day, model), (count, tokens, cost)): ((Date, usize), (u64, u64, i64))| {
            let (provider, model) = MODELS[model];
            json!({
                "date": day.to_string(), "provider": provider, "model": model, "tokens": tokens,
                "cost": dollars(cost), "count": count,
            })
        };
        models.into_iter().map(model).collect()
    }

    fn store(&self, one: &Response) {
        let Some(databases) = &self.databases else {
            return;
        };
        let (agent, _, session) = SESSIONS[one.session];
        let wall = one.wall(self.ahead).0;
        let event = json!({
            "type": "message", "id": one.id, "parentId": format!("{}-asked", one.id),
            "timestamp": UnixMillis(wall).timestamp().to_string(), "message": one.message(self.ahead),
        });
        let sql = "INSERT INTO transcript_events (session_id, seq, event_json, created_at)
                   SELECT ?1, coalesce(max(seq) + 1, 0), ?2, ?3 FROM transcript_events WHERE session_id = ?1";
        databases[agent]
            .execute(sql, (session, event.to_string(), wall))
            .expect("stored");
    }
}

fn sum(all: &[&Response]) -> Value {
    let [input, output, cache_read, cache_write] =
        std::array::from_fn(|class| all.iter().map(|one| one.tokens[class]).sum::<u64>());
    json!({
        "input": input, "output": output, "cacheRead": cache_read, "cacheWrite": cache_write,
        "totalCost": dollars(all.iter().map(|one| one.nano_usd).sum()), "missingCostEntries": 0,
    })
}

/// The agents' databases, held open as OpenClaw does, each with its sessions, which began before their responses.
fn databases(home: &Path, began: UnixMillis) -> HashMap<&'static str, Connection> {
    let mut databases = HashMap::new();
    for (agent, key, session) in SESSIONS {
        let database = databases.entry(agent).or_insert_with(|| {
            let folder = home.join(format!(".openclaw/agents/{agent}/agent"));
            std::fs::create_dir_all(&folder).expect("a folder");
            let database = Connection::open(folder.join("openclaw-agent.sqlite"));
            let database = database.expect("a database");
            for sql in [
                "PRAGMA journal_mode = wal; PRAGMA synchronous = off",
                AGENT_DATABASE,
            ] {
                database.execute_batch(sql).expect(sql);
            }
            database
        });
        let opening = json!({
            "type": "session", "version": 4, "id": session, "cwd": "/w/claw",
            "timestamp": began.timestamp().to_string(),
        });
        for (sql, value) in [
            (
                "INSERT INTO session_nodes (session_key, current_session_id, entry_json, updated_at) VALUES (?1, ?2, ?3, 0)",
                "{}",
            ),
            (
                "INSERT INTO session_windows (session_id, session_key, created_at, updated_at, status) VALUES (?2, ?1, 0, 0, ?3)",
                "x",
            ),
            (
                "INSERT INTO transcript_events (session_id, seq, event_json, created_at) SELECT ?2, 0, ?3, 0 WHERE ?1 <> ''",
                &opening.to_string(),
            ),
        ] {
            database.execute(sql, (key, session, value)).expect(sql);
        }
    }
    databases
}
