//! `clawspend session` against a gateway that follows a script.

use crate::{
    gateway::home_with,
    home::{Answer, Home},
};
use clawspend_tests::gateway::{ScriptedGateway, Step, friendly, refusal};
use serde_json::{Value, json};

const POINTS: &str = include_str!("../fixtures/gateway/rpc/sessions.usage.timeseries.json");
const LOG: &str = include_str!("../fixtures/gateway/rpc/sessions.usage.logs.json");

fn payload(captured: &str) -> Value {
    let mut captured: Value = serde_json::from_str(captured).expect("JSON");
    captured["response"]["payload"].take()
}

/// Lets us in, takes the subscription, and then does this.
fn gateway(answers: Vec<Step>) -> ScriptedGateway {
    ScriptedGateway::start(move |_| {
        let mut steps = friendly();
        steps.push(Step::Answer(json!({ "subscribed": true })));
        steps.extend(answers.clone());
        steps
    })
}

/// What it was asked once it had let us in.
fn asked(scripted: &ScriptedGateway) -> Vec<(Value, Value)> {
    let heard = scripted.heard().into_iter();
    let asked = heard.filter_map(|(_, heard)| match heard {
        clawspend_tests::gateway::Heard::Frame(frame) => {
            Some((frame["method"].clone(), frame["params"].clone()))
        }
        _ => None,
    });
    asked.skip(2).collect()
}

#[test]
fn a_captured_session_is_told_to_the_last_digit() {
    let scripted = gateway(vec![Step::Answer(payload(POINTS))]);
    let mut home = home_with(&scripted);
    let told = home.json("session agent:main:main --gateway claw --json");
    let point = |at: i64, input: u64, output: u64, cost: &str, so_far: &str| {
        json!({
            "at": at, "input_tokens": input, "output_tokens": output, "cache_read_tokens": 800,
            "cache_write_tokens": 0, "cost_usd": cost, "cost_so_far_usd": so_far,
        })
    };
    let expected = json!({
        "schema": "clawspend.session/1", "gateway": "claw", "session_key": "agent:main:main", "merged": false,
        "points": [
            point(1_795_177_726_397, 400, 50, "0.002190000", "0.002190000"),
            point(1_795_177_749_135, 500, 60, "0.002640000", "0.004830000"),
            point(1_795_177_750_290, 600, 70, "0.003090000", "0.007920000"),
            point(1_795_178_101_559, 1_000, 110, "0.004890000", "0.012810000"),
            point(1_795_178_103_495, 1_100, 120, "0.005340000", "0.018150000"),
            point(1_795_178_106_228, 1_200, 130, "0.005790000", "0.023940000"),
            point(1_795_178_626_268, 2_000, 210, "0.009390000", "0.033330000"),
        ],
        "totals": {
            "points": 7, "input_tokens": 6_800, "output_tokens": 750, "cache_read_tokens": 5_600,
            "cache_write_tokens": 0, "cost_usd": "0.033330000", "points_without_cost": 0,
        },
        "log": null,
    });
    assert_eq!(told, expected);
    let timeseries = (
        json!("sessions.usage.timeseries"),
        json!({ "key": "agent:main:main" }),
    );
    assert_eq!(asked(&scripted), [timeseries]);

    home.zone = "Europe/Berlin";
    assert_eq!(
        home.tell("session agent:main:main"),
        "\
agent:main:main at claw, times of Europe/Berlin

time                 input  output  cache read  cache write    cost  so far
───────────────────  ─────  ──────  ──────────  ───────────  ──────  ──────
2026-11-20 13:28:46    400      50         800            0  $0.003  $0.003
2026-11-20 13:29:09    500      60         800            0  $0.003  $0.005
2026-11-20 13:29:10    600      70         800            0  $0.004  $0.008
2026-11-20 13:35:01  1,000     110         800            0  $0.005   $0.01
2026-11-20 13:35:03  1,100     120         800            0  $0.006   $0.02
2026-11-20 13:35:06  1,200     130         800            0  $0.006   $0.02
2026-11-20 13:43:46  2,000     210         800            0   $0.01   $0.03
───────────────────  ─────  ──────  ──────────  ───────────  ──────  ──────
total                6,800     750       5,600            0   $0.03
"
    );
}

#[test]
fn the_log_says_when_who_and_how_much_and_never_what() {
    let scripted = gateway(vec![
        Step::Answer(payload(POINTS)),
        Step::Answer(payload(LOG)),
    ]);
    let home = home_with(&scripted);
    let told = home.json("session agent:main:main --log --limit 14 --json");
    let log = told["log"].as_array().expect("a list");
    let user =
        json!({ "at": 1_795_177_724_055_i64, "role": "user", "tokens": null, "cost_usd": null });
    let assistant = json!({
        "at": 1_795_177_726_397_i64, "role": "assistant", "tokens": 1_250, "cost_usd": "0.002190000",
    });
    assert_eq!((log.len(), &log[..2]), (14, &[user, assistant][..]));
    let question = (
        json!("sessions.usage.logs"),
        json!({ "key": "agent:main:main", "limit": 14 }),
    );
    assert_eq!(asked(&scripted)[1], question);
    let text = home.tell("session agent:main:main --log --limit 14");
    let (_, log) = text
        .split_once("\n\ntime                 role")
        .expect("two tables");
    let expected = "       tokens    cost
───────────────────  ─────────  ──────  ──────
2026-11-20 12:28:44  user
2026-11-20 12:28:46  assistant   1,250  $0.003
2026-11-20 12:29:08  user
2026-11-20 12:29:09  assistant   1,360  $0.003
2026-11-20 12:29:10  user
2026-11-20 12:29:10  assistant   1,470  $0.004
2026-11-20 12:34:58  user
2026-11-20 12:35:01  assistant   1,910  $0.005
2026-11-20 12:35:03  user
2026-11-20 12:35:03  assistant   2,020  $0.006
2026-11-20 12:35:05  user
2026-11-20 12:35:06  assistant   2,130  $0.006
2026-11-20 12:43:44  user
2026-11-20 12:43:46  assistant   3,010   $0.01

The latest 14 messages; --limit tells of up to 1000.
";
    assert_eq!(log, expected);
}

#[test]
fn what_the_gateway_knows_no_price_of_is_not_free() {
    let point = |at: i64, input: u64, cost: Value| json!({ "timestamp": at, "input": input, "output": 5, "cost": cost });
    let at = 1_795_177_726_397;
    let points = [
        point(at, 400, json!(0)),
        point(at + 1_000, 300, json!(0.25)),
        point(at + 2_000, 200, Value::Null),
        json!({ "timestamp": at + 3_000, "cost": 0 }),
    ];
    let log = json!([
        { "timestamp": at, "role": "assistant", "tokens": 405, "content": "a word" },
        { "timestamp": at, "role": "assistant\u{1b}[2J", "tokens": 0, "cost": 0 },
    ]);
    let scripted = gateway(vec![
        Step::Answer(json!({ "sessionId": "s", "points": points })),
        Step::Answer(json!({ "logs": log })),
    ]);
    let home = home_with(&scripted);
    assert_eq!(
        home.tell("session k --log"),
        "\
k at claw, times of UTC

time                 input  output  cache read  cache write     cost   so far
───────────────────  ─────  ──────  ──────────  ───────────  ───────  ───────
2026-11-20 12:28:46    400       5           0            0  unknown  unknown
2026-11-20 12:28:47    300       5           0            0    $0.25  ≥ $0.25
2026-11-20 12:28:48    200       5           0            0  unknown  ≥ $0.25
2026-11-20 12:28:49      0       0           0            0    $0.00  ≥ $0.25
───────────────────  ─────  ──────  ──────────  ───────────  ───────  ───────
total                  900      15           0            0  ≥ $0.25

unknown: the gateway says $0 for tokens, because it knows no price or because they are free.

time                 role                tokens     cost
───────────────────  ──────────────────  ──────  ───────
2026-11-20 12:28:46  assistant              405  unknown
2026-11-20 12:28:46  assistant\\u{1b}[2J       0    $0.00
"
    );
    let told = home.json("session k --json");
    let costs: Vec<&Value> = (0..4).map(|at| &told["points"][at]["cost_usd"]).collect();
    let expected = [
        &Value::Null,
        &json!("0.250000000"),
        &Value::Null,
        &json!("0.000000000"),
    ];
    assert_eq!(costs, expected);
    assert_eq!(told["totals"]["points_without_cost"], 2);
}

#[test]
fn a_long_session_is_said_to_be_merged_and_an_empty_one_to_be_empty() {
    let many: Vec<Value> = (0..101)
        .map(|number| json!({ "timestamp": number, "input": 1, "cost": 1 }))
        .collect();
    for (points, merged, end) in [
        (
            many.clone(),
            true,
            "\nThe session is long: the gateway merges responses that follow each other into one row.\n",
        ),
        (many[..100].to_vec(), false, "  $100.00\n"),
        (
            Vec::new(),
            false,
            "k at claw, times of UTC\n\nThe gateway knows the session, and nothing that it used.\n",
        ),
    ] {
        let scripted = gateway(vec![Step::Answer(json!({ "points": points }))]);
        let home = home_with(&scripted);
        assert_eq!(home.json("session k --json")["merged"], merged);
        let told = home.tell("session k");
        assert!(told.ends_with(end), "{told}");
    }
}

#[test]
fn whatever_is_no_answer_is_told_as_what_it_is() {
    let failure = |message: &str, hint: &str| Answer {
        code: Some(1),
        out: String::new(),
        err: format!("clawspend: {message}\nHint: {hint}\n"),
    };
    let refuse = |error: Value| Step::AnswerError(error);
    for (step, what, hint) in [
        (
            refuse(
                json!({ "code": "INVALID_REQUEST", "message": "No transcript found for session: \u{1b}[2J" }),
            ),
            "knows no session \"no\\u{1b}such\"",
            "give its key as `clawspend report --by session_key` tells it; that of a deleted session is \
             agent:AGENT:SESSION-ID",
        ),
        (
            refuse(json!({
                "code": "FORBIDDEN", "details": { "code": "MISSING_SCOPE", "missingScope": "operator.admin" },
            })),
            "does not tell of the session: it is too old to know the question",
            "update OpenClaw, then try again",
        ),
        (
            refuse(refusal("FORBIDDEN", "MISSING_SCOPE")),
            "does not tell of the session: it refused with FORBIDDEN",
            "update OpenClaw, then try again",
        ),
        (
            refuse(json!({ "code": "\u{1b}[2J" })),
            "does not tell of the session: it refused without a reason",
            "update OpenClaw, then try again",
        ),
        (
            Step::Answer(json!({ "points": [{ "timestamp": "yesterday" }] })),
            "does not tell of the session: its answer cannot be understood",
            "update Clawspend; if that does not help, report it with the version of OpenClaw",
        ),
        (
            Step::Answer(json!([])),
            "does not tell of the session: its answer cannot be understood",
            "update Clawspend; if that does not help, report it with the version of OpenClaw",
        ),
        (
            Step::Reset,
            "does not tell of the session: there is no connection",
            "try again",
        ),
    ] {
        let scripted = gateway(vec![step]);
        let home = home_with(&scripted);
        let mut command = home.command("session");
        let answer = crate::home::ended(command.args(["no\u{1b}such", "--log", "--json"]));
        let message = format!("the gateway at {} {what}", scripted.url());
        assert_eq!(answer, failure(&message, hint));
    }
}

#[test]
fn where_there_is_no_way_in_it_is_said_as_testing_the_gateway_says_it() {
    let scripted = ScriptedGateway::start(|_| {
        let mut pairing = refusal("NOT_PAIRED", "PAIRING_REQUIRED");
        pairing["details"]["requestId"] = json!("1ab96fea-1");
        vec![Step::Challenge, Step::Refuse(pairing)]
    });
    let home = home_with(&scripted);
    let expected = Answer {
        code: Some(1),
        out: String::new(),
        err: format!(
            "clawspend: the gateway at {} waits for somebody to approve this device\n\
             Hint: on the gateway's machine, run: openclaw devices approve 1ab96fea-1\n",
            scripted.url()
        ),
    };
    assert_eq!(home.run("session k"), expected);
    assert_eq!(home.run("gateway test"), expected);

    let failure = |arguments: &str, home: &Home, message: &str, hint: &str| {
        let expected = Answer {
            code: Some(1),
            out: String::new(),
            err: format!("clawspend: {message}\nHint: {hint}\n"),
        };
        assert_eq!(home.run(arguments), expected);
    };
    failure(
        "session k --gateway office",
        &home,
        "no gateway is called \"office\"",
        "there are: claw",
    );
    failure(
        "session k",
        &Home::new(),
        "no gateway is known",
        "add one: clawspend gateway add NAME URL",
    );
    for (arguments, why) in [
        ("session", "<KEY>"),
        ("session k --limit 5", "--log"),
        (
            "session k --log --limit 0",
            "invalid value '0' for '--limit <N>': 0 is not in 1..=1000",
        ),
    ] {
        let answer = home.run(arguments);
        assert_eq!((answer.code, answer.out.as_str()), (Some(2), ""));
        assert!(answer.err.contains(why), "{}", answer.err);
    }
}
