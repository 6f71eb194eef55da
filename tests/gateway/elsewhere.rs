//! Clawspend beside a gateway whose logs are not on its machine, and then are.

use crate::{
    gateway::{Gateway, TOKEN, version},
    home::{Home, PATIENCE},
    pairing::{add, connected, reader},
    running::{Running, home_far_from_midnight},
    turns::{Tokens, begin, reply, row, sums, told, told_afresh},
    way::Way,
};
use clawspend_core::{
    api::{GatewayStatus, Phase},
    ledger::quotas::KeptQuota,
    time::UnixMillis,
};
use jiff::{Zoned, civil::DateTime, tz::TimeZone};
use serde_json::{Value, json};
use std::{
    fs, thread,
    time::{Duration, Instant},
};

/// Rows by gateway: how many responses it alone told of.
fn by_gateway(home: &Home) -> Value {
    let report = home.json("report --by gateway --since 2020-01-01 --json");
    let rows = report["rows"].as_array().expect("rows").iter();
    rows.map(|row| json!([row["gateway"], row["responses"], row["cost_usd"]]))
        .collect()
}

#[test]
fn what_a_gateway_tells_counts_once_whoever_else_tells_it() {
    let (home, provider, mut gateway) = begin();
    let viewer = home_far_from_midnight();
    let way = Way::to(gateway.address());
    let url = way.url();
    let mut engine = Running::start(&viewer, 0, "0");
    engine.until("nothing is known", |update| {
        update.status.phase == Phase::Live && update.status.gateways.is_empty()
    });

    // A wrong token is tried once, however often somebody asks.
    assert_eq!(add(&viewer, "lab", &url, "not-its-token", "is added"), "");
    let unauthorized = engine.stands("unauthorized");
    let expected = GatewayStatus {
        state: "unauthorized".into(),
        brief: "wrong token".into(),
        sentence: format!("the gateway at {url} refuses the token"),
        advice: Some(
            "give it the gateway's own: clawspend gateway add NAME URL --token-stdin".into(),
        ),
        needs_user: true,
        ..connected("lab", &url)
    };
    assert_eq!(unauthorized, expected);
    let tested = viewer.run("gateway test lab --json");
    let [sentence, advice] = [expected.sentence, expected.advice.expect("advice")];
    let said = json!({
        "schema": "clawspend.gateway/1", "name": "lab", "state": "unauthorized", "paired": false, "scopes": [],
        "server_version": null, "protocol": null, "hint": format!("{sentence}: {advice}"),
    });
    let out: Value = serde_json::from_str(&tested.out).expect("JSON");
    let err = format!("clawspend: {sentence}\nHint: {advice}\n");
    assert_eq!((tested.code, out, tested.err), (Some(1), said, err));
    assert_eq!(way.connections(), 1);
    let mut operator = gateway.operator();
    assert_eq!(operator.devices(), Vec::<Value>::new());

    // The right one needs no approval on the gateway's machine, and no restart.
    assert_eq!(add(&viewer, "lab", &url, TOKEN, "has another token"), "");
    assert_eq!(engine.stands("connected"), connected("lab", &url));
    assert_eq!((way.connections(), operator.devices()), (2, vec![reader()]));
    only_for_its_owner(&viewer, "gateway-secrets.json");
    let (_, update) = engine.until("its quota is known", |update| update.quota.is_some());
    let quota = update.quota.expect("a quota");
    let expected = KeptQuota {
        gateway: "lab".into(),
        provider: "clawrouter".into(),
        title: "ClawRouter".into(),
        plan: Some("Managed monthly budget".into()),
        label: "Monthly budget".into(),
        group: String::new(),
        used_milli_percent: 24_680,
        // 2100-01-01T00:00:00Z.
        reset_at: Some(UnixMillis(4_102_444_800_000)),
        since: quota.since,
        until: quota.until,
    };
    assert_eq!(quota, expected);
    let said = json!({
        "gateway": "lab", "provider": "clawrouter", "name": "ClawRouter", "plan": "Managed monthly budget",
        "window": "Monthly budget", "group": "", "used_percent": 24.68, "resets_at": 4_102_444_800_000_u64,
        "since": quota.since, "until": quota.until,
    });
    assert_eq!(
        viewer.json("quota --json"),
        json!({"schema": "clawspend.quota/1", "quotas": [said]})
    );
    let said = json!({
        "schema": "clawspend.gateway/1", "name": "lab", "state": "connected", "paired": true,
        "scopes": ["operator.read"], "server_version": version(), "protocol": 4, "hint": null,
    });
    assert_eq!(viewer.json("gateway test lab --json"), said);
    let said = json!({
        "name": "lab", "url": url, "default": true, "origin": "config", "has_token": true, "paired": true,
        "warning": null,
    });
    assert_eq!(
        viewer.json("gateway list --json"),
        json!({"schema": "clawspend.gateways/1", "gateways": [said]})
    );

    // Each response is told the moment it is made.
    let long = "a long reply ".repeat(400);
    let turns: [(&str, &str, &str, Tokens, &str); 4] = [
        (
            "agent:main:main",
            "mock-large",
            "short",
            [1_000, 100, 0, 0],
            "0.004500000",
        ),
        (
            "agent:main:main",
            "mock-large",
            &long,
            [400, 3_000, 800, 0],
            "0.050940000",
        ),
        (
            "agent:main:desk",
            "mock-claude",
            "short",
            [10, 20, 5_000, 64],
            "0.054390000",
        ),
        (
            "agent:main:desk",
            "mock-free",
            "short",
            [7, 8, 9, 0],
            "0.054390000",
        ),
    ];
    let mut delays = Vec::new();
    for (number, (session, model, text, tokens, cost)) in (1..).zip(turns) {
        provider.will(reply(text, tokens));
        let turn = operator.turn(session, model, &format!("message {number}"));
        assert_eq!(turn, "ok");
        let (asked, answered) = provider.answered();
        assert_eq!(asked, model);
        delays.push(engine.spends(number, cost) - answered);
    }
    eprintln!("told so long after the model's answer: {delays:.0?}");
    let fastest = delays.iter().min().expect("four");
    assert!(*fastest < Duration::from_secs(1), "{delays:?}");
    assert_eq!(by_gateway(&viewer), json!([["lab", 4, "0.054390000"]]));
    let mut rows = vec![
        row(
            "main",
            "mock-claude",
            &sums(1, 0, [10, 20, 5_000, 64], "0.003450000"),
        ),
        row(
            "main",
            "mock-free",
            &sums(1, 1, [7, 8, 9, 0], "0.000000000"),
        ),
        row(
            "main",
            "mock-large",
            &sums(2, 0, [1_400, 3_100, 800, 0], "0.050940000"),
        ),
    ];
    let four = sums(4, 1, [1_417, 3_128, 5_809, 64], "0.054390000");
    assert_eq!(told(&viewer), json!([rows, four]));

    // Whatever an administrator does with its token, it comes back by itself.
    let device = operator.device();
    let device = device.as_str().expect("an id");
    let spend = |gateway: &Gateway, number: u64, input: u64| {
        provider.will(reply("short", [input, 0, 0, 0]));
        let message = format!("message {number}");
        let turn = gateway
            .operator()
            .turn("agent:main:main", "mock-large", &message);
        assert_eq!(turn, "ok");
    };
    for (number, cost, command) in [
        (
            5,
            "0.057390000",
            format!("rotate --device {device} --role operator"),
        ),
        (
            6,
            "0.060390000",
            format!("revoke --device {device} --role operator"),
        ),
        (7, "0.063390000", format!("remove {device}")),
    ] {
        let connections = way.connections();
        gateway.run(&format!("openclaw devices {command}"));
        engine.stands("connecting");
        let back = engine.stands("connected");
        assert_eq!(
            GatewayStatus {
                told_at: None,
                ..back
            },
            connected("lab", &url)
        );
        assert_eq!(
            (way.connections(), operator.devices()),
            (connections + 1, vec![reader()]),
            "{command}"
        );
        spend(&gateway, number, 1_000);
        engine.spends(number, cost);
    }

    // It comes back to a gateway that does.
    let before = second(UnixMillis::now());
    gateway.stop();
    let offline = engine.stands("unreachable");
    let since = between(
        &offline.sentence,
        &format!("the gateway at {url} cannot be reached since "),
        ": it is starting or stopping",
    );
    let since = time(&viewer, since);
    assert!((before..=UnixMillis::now().0).contains(&since.timestamp().as_millisecond()));
    let expected = GatewayStatus {
        state: "unreachable".into(),
        brief: since.strftime("offline since %H:%M").to_string(),
        sentence: offline.sentence.clone(),
        advice: Some("try again; the tray app does so by itself".into()),
        told_at: offline.told_at,
        ..connected("lab", &url)
    };
    assert_eq!(offline, expected);
    gateway.start_again();
    engine.stands("connected");
    spend(&gateway, 8, 1_000);
    engine.spends(8, "0.066390000");
    assert_eq!(by_gateway(&viewer), json!([["lab", 8, "0.066390000"]]));

    // What nobody heard is in the gateway's own totals, which do not tell how its tokens were used.
    drop(engine);
    spend(&gateway, 9, 1_000);
    engine = Running::start(&viewer, 8, "0.066390000");
    engine.spends(9, "0.069390000");
    assert_eq!(by_gateway(&viewer), json!([["lab", 9, "0.069390000"]]));
    let mut large = sums(7, 0, [5_400, 3_100, 800, 0], "0.065940000");
    large["unsplit_tokens"] = 1_000.into();
    rows[2] = row("main", "mock-large", &large);
    let mut nine = sums(9, 1, [5_417, 3_128, 5_809, 64], "0.069390000");
    nine["unsplit_tokens"] = 1_000.into();
    assert_eq!(told(&viewer), json!([rows, nine]));
    assert_eq!(
        compared(&viewer, "0.069390000"),
        json!(["0.069390000", "0.069390000", "0.000000000", []])
    );
    let causes = json!([
        ["heard_from_gateway", true, 8, 0],
        ["gateway_totals", true, 1, 0]
    ]);
    assert_eq!(verified(&viewer), json!([true, 9, 0, causes]));

    // Its logs come to this machine: they tell the same, and what was missed.
    let config = viewer.path().join("config/clawspend.toml");
    let text = fs::read_to_string(&config).expect("the settings");
    let root = home.path().join(".openclaw").display().to_string();
    let text = text.replace("openclaw = []", &format!("openclaw = [{root:?}]"));
    fs::write(&config, text).expect("the settings");
    by_logs(&viewer, &json!([["", 9, "0.069390000"]]));

    // Both at once.
    spend(&gateway, 10, 2_000);
    engine.spends(10, "0.075390000");
    by_logs(&viewer, &json!([["", 10, "0.075390000"]]));
    rows[2] = row(
        "main",
        "mock-large",
        &sums(8, 0, [8_400, 3_100, 800, 0], "0.071940000"),
    );
    let ten = json!([rows, sums(10, 1, [8_417, 3_128, 5_809, 64], "0.075390000")]);
    assert_eq!(told(&viewer), ten);
    assert_eq!(verified(&viewer), json!([true, 10, 10, []]));
    engine.stays();
    assert_eq!(told_afresh(&viewer), ten);
    assert_eq!(provider.all_asked(), ["mock-large"; 6]);
}

/// Waits until the logs have told all that the gateway did.
fn by_logs(home: &Home, expected: &Value) {
    let began = Instant::now();
    let mut told = by_gateway(home);
    while told != *expected && began.elapsed() < PATIENCE {
        thread::sleep(Duration::from_millis(100));
        told = by_gateway(home);
    }
    assert_eq!(told, *expected);
}

/// What `verify` says: whether all is explained, how many responses ledger and logs have, and why they differ.
pub(crate) fn verified(home: &Home) -> Value {
    let told = home.json("verify --json");
    let causes = told["causes"].as_array().expect("causes").iter();
    let causes: Value = causes
        .map(|it| {
            let [ledger, logs] = ["ledger", "logs"].map(|side| &it[side]["responses"]);
            json!([it["cause"], it["explained"], ledger, logs])
        })
        .collect();
    json!([
        told["explained"],
        told["ledger_responses"],
        told["log_responses"],
        causes
    ])
}

/// What `reconcile` says of today, once the gateway's own total is this: ours, theirs, the difference, and its causes.
pub(crate) fn compared(home: &Home, theirs: &str) -> Value {
    let today = UnixMillis::now().day(&TimeZone::get(home.zone).expect("a zone"));
    let began = Instant::now();
    loop {
        let told = home.json(&format!("reconcile --since {today} --until {today} --json"));
        let day = &told["days"][0];
        if day["gateway_usd"] == theirs {
            let causes = day["causes"].as_array().expect("causes").iter();
            let causes: Value = causes.map(|it| json!([it["cause"], it["usd"]])).collect();
            return json!([
                day["ours_usd"],
                day["gateway_usd"],
                day["difference_usd"],
                causes
            ]);
        }
        assert!(began.elapsed() < 2 * PATIENCE, "{told}");
        thread::sleep(Duration::from_millis(500));
    }
}

/// What stands between two texts.
pub(crate) fn between<'a>(text: &'a str, before: &str, after: &str) -> &'a str {
    let rest = text
        .strip_prefix(before)
        .and_then(|rest| rest.strip_suffix(after));
    rest.unwrap_or_else(|| panic!("{text}"))
}

/// A time as it is told in somebody's home.
pub(crate) fn time(home: &Home, text: &str) -> Zoned {
    let time: DateTime = text.parse().expect("a time");
    time.in_tz(home.zone).expect("a time")
}

/// Times are told without their thousandths.
fn second(at: UnixMillis) -> i64 {
    at.0 / 1_000 * 1_000
}

fn only_for_its_owner(home: &Home, file: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let file = home.path().join("config").join(file);
    let mode = fs::metadata(file).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
