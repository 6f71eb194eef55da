use clawspend_core::{
    api::{self, GatewayStatus, Phase, Reader},
    engine::Update,
    gateway::Secret,
    ledger::quotas::KeptQuota,
    money::NanoUsd,
    summary::Amount,
    time::UnixMillis,
    usage::Tokens,
};
use clawspend_tests::{
    gateway::{Heard, ScriptedGateway, Step, friendly, refusal},
    home::{Home, started, today, wait, zone_far_from_midnight},
};
use jiff::tz::TimeZone;
use serde_json::{Value, json};
use std::{fs, sync::Arc, thread::sleep, time::Duration};
use tokio::sync::Notify;

/// What a gateway counts and knows of quotas just now: a response of three cents, in a session that nobody else knows.
fn answers(now: UnixMillis) -> Step {
    answers_of(now, &json!([]))
}

fn answers_of(now: UnixMillis, sessions: &Value) -> Step {
    let day = now.day(&zone()).to_string();
    let usage = json!({
        "updatedAt": now.0, "sessions": sessions,
        "aggregates": {
            "byAgent": [{ "agentId": "main" }],
            "costDaily": [{ "date": day, "input": 1000, "output": 100, "cacheRead": 0, "cacheWrite": 0,
                "totalTokens": 1100, "totalCost": 0.03 }],
            "modelDaily": [{ "date": day, "provider": "mock", "model": "mock-large", "tokens": 1100, "cost": 0.03,
                "count": 1 }],
        },
        "cacheStatus": { "status": "fresh" },
    });
    let quotas = json!({ "updatedAt": now.0, "providers": [{
        "provider": "anthropic", "displayName": "Claude", "plan": "Max",
        "windows": [
            { "label": "5h", "usedPercent": 73.5 },
            { "label": "week", "usedPercent": 12 },
            // Empty again by now.
            { "label": "day", "usedPercent": 100, "resetAt": now.0 - 1_000 },
        ],
    }] });
    Step::AnswerEach(vec![
        ("sessions.subscribe", json!({})),
        ("sessions.usage", usage),
        ("usage.status", quotas),
    ])
}

/// A response of two cents.
fn message(at: UnixMillis) -> Value {
    json!({
        "role": "assistant", "provider": "mock", "model": "mock-large", "stopReason": "stop",
        "timestamp": at.0, "content": [{ "type": "text", "text": "the secret plan" }],
        "usage": { "input": 900, "output": 50, "cacheRead": 800, "cacheWrite": 0, "totalTokens": 1750,
            "cost": { "total": 0.02 } },
    })
}

/// The same as a gateway pushes it.
fn pushed(seq: u64, id: &str, at: UnixMillis) -> Step {
    let event = json!({ "type": "event", "event": "session.message", "seq": seq, "payload": {
        "sessionKey": "agent:main:main", "agentId": "main", "messageId": id,
        "message": message(at),
        "session": { "sessionId": "0b243ddd-d81c-428f-8097-d4747d0a7f41" },
    }});
    Step::Say(event.to_string())
}

const PUSHED: Amount = Amount {
    cost: NanoUsd(20_000_000),
    responses: 1,
    unpriced_responses: 0,
    tokens: Tokens {
        input: 900,
        output: 50,
        cache_read: 800,
        cache_write_5m: 0,
        cache_write_1h: 0,
        unsplit: 0,
    },
};

fn zone() -> TimeZone {
    TimeZone::get(zone_far_from_midnight()).expect("a zone")
}

fn home_of(gateway: &ScriptedGateway) -> Home {
    let home = Home::new();
    let config = home.path().join("clawspend-config");
    fs::create_dir_all(&config).expect("a folder");
    let text = format!("[display]\ntimezone = \"{}\"\n", zone_far_from_midnight());
    fs::write(config.join("clawspend.toml"), text).expect("written");
    let token = Secret::new("sesame");
    api::gateways::add(&home.environment(), "home", &gateway.url(), token.as_ref()).expect("added");
    home
}

/// An update where the gateway's state has this word.
fn stands(word: &str) -> impl Fn(&Update) -> bool {
    move |update| matches!(update.status.gateways.as_slice(), [only] if only.state == word)
}

/// An update that knows what the gateway answers.
fn answered(update: &Update) -> bool {
    let gateways = &update.status.gateways;
    update.quota.is_some() && gateways.iter().any(|it| it.told_at.is_some())
}

fn times_asked(gateway: &ScriptedGateway, method: &str) -> usize {
    let heard = gateway.heard();
    let of_method = |heard: &&(usize, Heard)| matches!(&heard.1, Heard::Frame(frame) if frame["method"] == method);
    heard.iter().filter(of_method).count()
}

#[test]
fn what_a_gateway_pushes_counts_at_once_and_what_it_answers_is_kept() {
    let (now, word) = (UnixMillis::now(), Arc::new(Notify::new()));
    let told = Arc::clone(&word);
    let gateway = ScriptedGateway::start(move |_| {
        let mut steps = friendly();
        steps.extend([answers(now), Step::Await(Arc::clone(&told))]);
        // The same message twice, as one that is stored anew is.
        let at = now.plus(1);
        steps.extend([pushed(1, "a", at), pushed(2, "a", at), pushed(3, "b", at)]);
        steps
    });
    let home = home_of(&gateway);
    let (engine, updates) = started(&home);
    let connected = wait(&updates, "its answers are known", |update| {
        answered(update) && update.status.phase == Phase::Live
    });
    let url = gateway.url();
    let status = GatewayStatus {
        name: "home".into(),
        url: url.clone(),
        default: true,
        origin: "config".into(),
        state: "connected".into(),
        brief: "connected".into(),
        sentence: format!("connected to OpenClaw 2026.9.6 at {url}"),
        advice: None,
        command: None,
        warning: None,
        needs_user: false,
        told_at: None,
    };
    let first = connected.status.gateways.first().cloned();
    assert_eq!(
        first.map(|it| GatewayStatus {
            told_at: None,
            ..it
        }),
        Some(status)
    );
    let quota = KeptQuota {
        gateway: "home".into(),
        provider: "anthropic".into(),
        title: "Claude".into(),
        plan: Some("Max".into()),
        label: "5h".into(),
        group: String::new(),
        used_milli_percent: 73_500,
        reset_at: None,
        since: now,
        until: now,
    };
    assert_eq!(connected.quota, Some(quota));
    let mut expected = today(&connected);
    expected += PUSHED;
    expected += PUSHED;
    word.notify_one();
    let heard = wait(&updates, "both responses count", |update| {
        today(update).responses == expected.responses
    });
    assert_eq!(today(&heard), expected);
    assert_eq!(heard.status.problems, []);
    drop(engine);
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let summary = reader.summary(UnixMillis::now()).expect("figures");
    assert_eq!(summary.today, today(&heard));
    let counts = reader.counts().expect("counts");
    assert_eq!((counts.counted, counts.broken), (3, 0));
    let day = now.day(&zone());
    let days = reader.gateway_days(day, day).expect("days");
    let figures: Vec<(NanoUsd, bool)> = days
        .iter()
        .map(|it| (it.figures.cost, it.logs_here))
        .collect();
    assert_eq!(figures, [(NanoUsd(30_000_000), false)]);
    let ledger = fs::read(home.data().join("ledger.sqlite")).expect("readable");
    let wal = fs::read(home.data().join("ledger.sqlite-wal")).unwrap_or_default();
    let text = b"the secret plan";
    assert!(
        ![ledger, wal]
            .iter()
            .any(|bytes| bytes.windows(text.len()).any(|it| it == text))
    );
}

#[test]
fn a_gateway_that_comes_back_is_asked_for_what_went_unheard() {
    let now = UnixMillis::now();
    let word = Arc::new(Notify::new());
    let told = Arc::clone(&word);
    let gateway = ScriptedGateway::start(move |_| {
        let mut steps = friendly();
        steps.extend([
            answers(now),
            Step::Await(Arc::clone(&told)),
            Step::Close(1012),
        ]);
        steps
    });
    let home = home_of(&gateway);
    let (_engine, updates) = started(&home);
    wait(&updates, "its answers are known", answered);
    assert_eq!(times_asked(&gateway, "sessions.usage"), 1);
    word.notify_one();
    let lost = wait(&updates, "it is gone", stands("unreachable"));
    let [status] = lost.status.gateways.as_slice() else {
        panic!("{lost:?}")
    };
    assert!(status.brief.starts_with("offline since "), "{status:?}");
    assert_eq!(
        status.advice.as_deref(),
        Some("try again; the tray app does so by itself")
    );
    assert!(status.told_at.is_some(), "{status:?}");
    wait(&updates, "it is connected again", stands("connected"));
    gateway.wait_for(|heard| {
        let asked = |heard: &&(usize, Heard)| matches!(&heard.1, Heard::Frame(frame) if frame["method"] == "sessions.usage");
        heard.iter().filter(asked).count() == 2
    });
}

#[test]
fn every_door_tells_the_same_of_a_gateway_that_wants_approval() {
    let gateway = ScriptedGateway::start(|_| {
        let mut error = refusal("NOT_PAIRED", "PAIRING_REQUIRED");
        error["details"]["requestId"] = "1ab96fea-4f5d-4b1e-9c1e-3a0c9a7c2f10".into();
        error["details"]["reason"] = "not-paired".into();
        vec![Step::Challenge, Step::Refuse(error)]
    });
    let home = home_of(&gateway);
    let (engine, updates) = started(&home);
    let told = wait(&updates, "it wants approval", stands("pairing-required"));
    let expected = GatewayStatus {
        name: "home".into(),
        url: gateway.url(),
        default: true,
        origin: "config".into(),
        state: "pairing-required".into(),
        brief: "waiting for approval".into(),
        sentence: format!("the gateway at {} waits for somebody to approve this device", gateway.url()),
        advice: Some(
            "on the gateway's machine, run: openclaw devices approve 1ab96fea-4f5d-4b1e-9c1e-3a0c9a7c2f10".into(),
        ),
        command: Some("openclaw devices approve 1ab96fea-4f5d-4b1e-9c1e-3a0c9a7c2f10".into()),
        warning: None,
        needs_user: true,
        told_at: None,
    };
    assert_eq!(told.status.gateways, std::slice::from_ref(&expected));
    let reader = Reader::open(home.environment()).expect("a ledger");
    assert_eq!(reader.status().expect("a status").gateways, [expected]);
    drop(engine);
    assert_eq!(reader.status().expect("a status").gateways, []);
}

#[test]
fn a_gateway_that_is_removed_is_left_and_its_quotas_are_no_longer_told() {
    let now = UnixMillis::now();
    let gateway = ScriptedGateway::start(move |_| {
        let mut steps = friendly();
        steps.push(answers(now));
        steps
    });
    let home = home_of(&gateway);
    let (_engine, updates) = started(&home);
    wait(&updates, "its answers are known", answered);
    api::gateways::remove(&home.environment(), "home").expect("removed");
    let left = wait(&updates, "it is left", |update| {
        update.status.gateways.is_empty()
    });
    assert_eq!(left.quota, None);
    gateway.wait_for(|heard| {
        heard
            .iter()
            .any(|(_, heard)| matches!(heard, Heard::Closed(Some(1000))))
    });
    let reader = Reader::open(home.environment()).expect("a ledger");
    assert_eq!(reader.quotas().expect("quotas"), []);
    assert_eq!(reader.quota_history().expect("quotas").len(), 3);
}

/// Lines of a log; enough that reading it takes longer than connecting.
const LINES: i64 = 20_000;

#[test]
fn a_gateway_whose_logs_are_here_is_asked_once_they_are_read_and_counts_nothing_twice() {
    let now = UnixMillis::now();
    let session = "0b243ddd-d81c-428f-8097-d4747d0a7f41";
    let gateway = ScriptedGateway::start(move |_| {
        let mut steps = friendly();
        let used = json!({
            "date": now.day(&TimeZone::UTC).to_string(), "provider": "mock", "model": "mock-large", "tokens": 1100,
            "cost": 0.03, "count": 1,
        });
        let sessions = json!([{
            "key": "agent:main:main", "sessionId": session, "agentId": "main",
            "usage": { "lastActivity": now.0, "dailyModelUsage": [used] },
        }]);
        steps.push(answers_of(now, &sessions));
        // What the log has too.
        steps.push(pushed(1, "00000000", now));
        steps
    });
    let home = home_of(&gateway);
    let folder = home.path().join(".openclaw/agents/main/sessions");
    fs::create_dir_all(&folder).expect("a folder");
    let mut log = json!({ "type": "session", "version": 3, "id": session, "timestamp": now.timestamp().to_string() })
        .to_string();
    for number in 0..LINES {
        let line = json!({ "type": "message", "id": format!("{number:08x}"), "timestamp": now.timestamp().to_string(),
            "message": message(now) });
        log += "\n";
        log += &line.to_string();
    }
    fs::write(folder.join(format!("{session}.jsonl")), log + "\n").expect("written");
    let (engine, updates) = started(&home);
    let first = wait(&updates, "its quotas are known", |update| {
        update.quota.is_some()
    });
    let expected = Amount {
        cost: NanoUsd(LINES * PUSHED.cost.0),
        responses: LINES.cast_unsigned(),
        unpriced_responses: 0,
        tokens: Tokens {
            input: LINES.cast_unsigned() * PUSHED.tokens.input,
            output: LINES.cast_unsigned() * PUSHED.tokens.output,
            cache_read: LINES.cast_unsigned() * PUSHED.tokens.cache_read,
            ..Tokens::default()
        },
    };
    assert_eq!(today(&first), expected);
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let day = now.day(&zone());
    let days = loop {
        let days = reader.gateway_days(day, day).expect("days");
        if !days.is_empty() {
            break days;
        }
        sleep(Duration::from_millis(10));
    };
    assert!(days[0].logs_here);
    drop(engine);
    let summary = reader.summary(UnixMillis::now()).expect("figures");
    assert_eq!(summary.today, expected);
}
