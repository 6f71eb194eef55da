//! What agents do at a gateway, and what Clawspend tells of it.

use crate::{
    elsewhere::{compared, verified},
    gateway::Gateway,
    home::{Home, Watch, ended},
    provider::{Provider, Reply, Usage},
    running::{Running, home_far_from_midnight},
};
use serde_json::{Value, json};
use std::fs;

const REPORT: &str =
    "report --by source,agent,model --since 2020-01-01 --until 2099-12-31 --timezone UTC --json";

pub(crate) fn begin() -> (Home, Provider, Gateway) {
    begin_with(Gateway::start)
}

pub(crate) fn begin_with(
    start: impl FnOnce(&Home, &Provider) -> Gateway,
) -> (Home, Provider, Gateway) {
    let home = home_far_from_midnight();
    let provider = Provider::start();
    let gateway = start(&home, &provider);
    (home, provider, gateway)
}

/// Tokens in and out, read from a cache and written to it.
pub(crate) type Tokens = [u64; 4];

pub(crate) fn reply(text: &str, [input, output, cache_read, cache_write]: Tokens) -> Reply {
    let usage = Usage {
        input,
        output,
        cache_read,
        cache_write,
    };
    Reply::Text(text.into(), usage)
}

/// Rows and totals; how many lines have nothing to do with usage is OpenClaw's matter.
pub(crate) fn told(home: &Home) -> Value {
    rows_and_totals(&home.tell(REPORT))
}

fn rows_and_totals(report: &str) -> Value {
    let mut report: Value = serde_json::from_str(report).expect("JSON");
    assert_eq!(report["diagnostics"]["broken_lines"], 0, "{report}");
    json!([report["rows"].take(), report["totals"].take()])
}

/// The same by a Clawspend that has not looked before.
pub(crate) fn told_afresh(home: &Home) -> Value {
    let folder = home.path().join("afresh");
    let mut command = home.command(REPORT);
    let answer = ended(command.env("CLAWSPEND_DATA_DIR", &folder));
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    fs::remove_dir_all(folder).expect("a ledger");
    rows_and_totals(&answer.out)
}

/// What the totals say.
pub(crate) fn sums(
    responses: u64,
    unpriced: u64,
    [input, output, read, written]: Tokens,
    cost: &str,
) -> Value {
    json!({
        "responses": responses,
        "input_tokens": input, "output_tokens": output, "cache_read_tokens": read,
        "cache_write_5m_tokens": written, "cache_write_1h_tokens": 0, "unsplit_tokens": 0,
        "cost_usd": cost, "unpriced_responses": unpriced,
    })
}

pub(crate) fn row(agent: &str, model: &str, sums: &Value) -> Value {
    let mut row = json!({"source": "openclaw", "agent": agent, "model": model});
    let fields = row.as_object_mut().expect("an object");
    fields.extend(sums.as_object().expect("an object").clone());
    row
}

#[test]
fn what_a_turn_cost_is_told_when_it_is_made() {
    let (home, provider, gateway) = begin();
    let mut operator = gateway.operator();
    let watch = Watch::start(&home);
    assert_eq!(watch.next(), (0, "0.000000000".into()));

    // What today came to after each turn, in millionths of a dollar: 1,000 x 3 + 100 x 15; then 400 x 3 + 3,000 x 15
    // + 800 x 0.3; then 10 x 5 + 20 x 25 + 5,000 x 0.5 + 64 x 6.25; and one without a price.
    let long = "a long reply ".repeat(400);
    let turns = [
        (
            "agent:main:main",
            "mock-large",
            reply("short", [1_000, 100, 0, 0]),
            "0.004500000",
        ),
        (
            "agent:main:main",
            "mock-large",
            reply(&long, [400, 3_000, 800, 0]),
            "0.050940000",
        ),
        (
            "agent:main:desk",
            "mock-claude",
            reply("short", [10, 20, 5_000, 64]),
            "0.054390000",
        ),
        (
            "agent:main:desk",
            "mock-free",
            reply("short", [7, 8, 9, 0]),
            "0.054390000",
        ),
    ];
    for (number, (session, model, reply, cost)) in (1..).zip(turns) {
        provider.will(reply);
        let turn = operator.turn(session, model, &format!("message {number}"));
        assert_eq!((turn.as_str(), provider.asked().as_str()), ("ok", model));
        assert_eq!(watch.next(), (number, cost.to_owned()));
    }
    provider.will(Reply::Refusal);
    assert_eq!(
        operator.turn("agent:main:main", "mock-large", "message 5"),
        "error"
    );
    assert_eq!(provider.all_asked(), ["mock-large"]);

    let rows = json!([
        row(
            "main",
            "mock-claude",
            &sums(1, 0, [10, 20, 5_000, 64], "0.003450000")
        ),
        row(
            "main",
            "mock-free",
            &sums(1, 1, [7, 8, 9, 0], "0.000000000")
        ),
        row(
            "main",
            "mock-large",
            &sums(2, 0, [1_400, 3_100, 800, 0], "0.050940000")
        ),
    ]);
    let expected = json!([rows, sums(4, 1, [1_417, 3_128, 5_809, 64], "0.054390000")]);
    assert_eq!(told(&home), expected);
    drop(watch);
    assert_eq!(told_afresh(&home), expected);
}

#[test]
fn copies_and_removals_of_sessions_change_nothing() {
    const SIDE: &str = "agent:main:side";
    let (home, provider, gateway) = begin();
    let mut operator = gateway.operator();
    let spent = |responses, input, cost| {
        let sums = sums(responses, 0, [input, 0, 0, 0], cost);
        json!([[row("main", "mock-large", &sums)], sums])
    };
    for (message, input) in [("one", 1_000), ("two", 2_000), ("three", 3_000)] {
        provider.will(reply("short", [input, 0, 0, 0]));
        assert_eq!(operator.turn(SIDE, "mock-large", message), "ok");
    }
    let three = spent(3, 6_000, "0.018000000");
    assert_eq!(told(&home), three);

    let third = operator.messages_of_user(SIDE).pop();
    let place = json!({"sessionKey": SIDE, "entryId": third});
    let fork = operator.call("sessions.fork", &place);
    let fork = fork["sessionKey"].as_str().expect("a session");
    assert_eq!(told(&home), three);
    // The gateway counts the copies of one and two as well. Nobody has added it: it was found.
    let mut engine = Running::start(&home, 3, "0.018");
    engine.stands("connected");
    let copies = json!([["forked_copies", "0.009000000"]]);
    assert_eq!(
        compared(&home, "0.027000000"),
        json!(["0.018000000", "0.027000000", "0.009000000", copies])
    );
    operator.call("sessions.rewind", &place);
    assert_eq!(told(&home), three);
    assert_eq!(told_afresh(&home), three);

    // What is said in them from here on is spent, and both the gateway and the logs tell of it.
    for (session, input, number, cost) in [(fork, 4_000, 4, "0.030"), (SIDE, 5_000, 5, "0.045")] {
        provider.will(reply("short", [input, 0, 0, 0]));
        let turn = operator.turn(session, "mock-large", "three, otherwise");
        assert_eq!(turn, "ok");
        engine.spends(number, cost);
    }
    let five = spent(5, 15_000, "0.045000000");
    assert_eq!(told(&home), five);
    assert_eq!(told_afresh(&home), five);

    for (method, params) in [
        ("sessions.reset", json!({"key": SIDE})),
        (
            "sessions.delete",
            json!({"key": fork, "deleteTranscript": true}),
        ),
        (
            "sessions.delete",
            json!({"key": SIDE, "deleteTranscript": true}),
        ),
    ] {
        operator.call(method, &params);
        assert_eq!(told(&home), five, "{method}");
        assert_eq!(told_afresh(&home), five, "{method}");
    }
    engine.stays();
    drop(engine);
    engine = Running::start(&home, 5, "0.045");
    engine.stands("connected");
    let copies = json!([["forked_copies", "0.027000000"]]);
    assert_eq!(
        compared(&home, "0.072000000"),
        json!(["0.045000000", "0.072000000", "0.027000000", copies])
    );
    assert_eq!(verified(&home), json!([true, 5, 5, []]));
    engine.stays();
    assert_eq!(provider.all_asked(), ["mock-large"; 5]);
}

#[test]
fn a_gateway_that_dies_or_restarts_is_followed() {
    const SESSION: &str = "agent:main:main";
    let (home, provider, mut gateway) = begin();
    let watch = Watch::start(&home);
    assert_eq!(watch.next(), (0, "0.000000000".into()));
    provider.will(reply("one", [1_000, 0, 0, 0]));
    assert_eq!(gateway.operator().turn(SESSION, "mock-large", "one"), "ok");
    assert_eq!(watch.next(), (1, "0.003000000".into()));

    // It dies in the middle of a turn; OpenClaw asks the model again when it is back.
    provider.will(Reply::Silence);
    gateway.operator().begin(SESSION, "mock-large", "two");
    assert_eq!([provider.asked(), provider.asked()], ["mock-large"; 2]);
    gateway.kill();
    provider.will(reply("two", [2_000, 0, 0, 0]));
    gateway.start_again();
    assert_eq!(watch.next(), (2, "0.009000000".into()));

    gateway.stop();
    gateway.start_again();
    provider.will(reply("three", [3_000, 0, 0, 0]));
    assert_eq!(
        gateway.operator().turn(SESSION, "mock-large", "three"),
        "ok"
    );
    assert_eq!(watch.next(), (3, "0.018000000".into()));
    assert_eq!(provider.all_asked(), ["mock-large"; 2]);
    drop(watch);
    let sums = sums(3, 0, [6_000, 0, 0, 0], "0.018000000");
    let three = json!([[row("main", "mock-large", &sums)], sums]);
    assert_eq!(told(&home), three);
    assert_eq!(told_afresh(&home), three);
}
