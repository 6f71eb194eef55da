//! What only the totals of a gateway elsewhere tell, in words.

use crate::home::Home;
use clawspend_core::{
    dialects::openclaw::pushed,
    follow::roots::rank,
    gateway::{Usage, remote},
    ledger::{Ledger, remote_days::RemoteAnswer},
    usage::Line,
};
use jiff::{civil::date, tz::TimeZone};
use serde_json::{Value, json};

const ANSWER: &str = include_str!("../fixtures/gateway/rpc/sessions.usage.allagents.json");
const TURN: &str = include_str!("../fixtures/gateway/events/turn-after-sessions.subscribe.json");

/// A home to which a gateway pushed one response at 12:35:03, and told its totals at 12:45:48.
fn home() -> Home {
    let home = Home::new();
    home.tell("report");
    let mut ledger = Ledger::open_writer(&home.ledger()).expect("a ledger");
    let answer: Value = serde_json::from_str(ANSWER).expect("JSON");
    let usage = answer["response"]["payload"].to_string();
    let usage: Usage = serde_json::from_str(&usage).expect("usage");
    let day = date(2026, 11, 20);
    let answer = RemoteAnswer {
        gateway: "home",
        zone: "UTC",
        updated_at: usage.updated_at,
        taken_at: usage.updated_at,
        days: &remote::days(&usage, day, day).expect("amounts"),
        sessions: &[],
    };
    ledger.keep_remote_days(&answer).expect("kept");
    let events: Vec<Value> = serde_json::from_str(TURN).expect("JSON");
    let payloads = events.iter().map(|event| &event["payload"]);
    let mut answers = payloads.filter(|it| it["message"]["role"] == "assistant");
    let payload = answers.next().expect("an answer").to_string();
    let mut pushed = pushed::parse(payload.as_bytes(), rank::GATEWAY);
    if let Line::Observation(observation) = &mut pushed.line {
        observation.gateway = "home".into();
    }
    let heard = ledger.hear("home", &[pushed], &TimeZone::UTC, &mut |it| it.recorded);
    assert!(heard.expect("kept"));
    home
}

const ID: &str = "84af6a41690854a2";
const SESSION: &str = "0b243ddd-d81c-428f-8097-d4747d0a7f41";
const REMARK: &str = "OpenClaw: 13 responses of these days (at least $0.07) are known from the totals of the gateway home alone; \
                      they count copies in forked sessions again, which cannot be seen from outside.";

#[test]
fn explain_tells_it_from_what_has_a_receipt_and_adds_both_up() {
    let home = home();
    let expected = "\
≥ $0.075630000 for 14 responses; the cost of 1 is not known.

model        price                  tokens          a million            cost
───────────  ─────────────────────  ──────  ──────  ─────────  ──────────────
mock-claude  total of gateway home  all      1,754               $0.007050000
mock-free    total of gateway home  all      1,580                    unknown
mock-large   stated by the log      all      2,020               $0.005340000
mock-large   total of gateway home  all     23,320               $0.063240000
───────────  ─────────────────────  ──────  ──────  ─────────  ──────────────
total                                                          ≥ $0.075630000

Gateway home: 13 responses, ≥ $0.070290000 as it counts them by day, as of 2026-11-20 12:45; they were made while \
Clawspend was not listening.

response          made                            model       tokens          cost
────────────────  ──────────────────────────────  ──────────  ──────  ────────────
84af6a41690854a2  2026-11-20 12:35:03.495 +00:00  mock-large   2,020  $0.005340000
";
    let told = home.tell("explain 2026-11-20");
    assert_eq!(told, format!("{expected}\n{REMARK}\n"));

    let told = home.json("explain 2026-11-20 --json");
    let ids: Vec<&Value> = told["responses"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|response| &response["response"])
        .collect();
    assert_eq!(ids, [ID]);
    let total = |agent: &str, provider: &str, model: &str, figures: (u64, u64, &str, u64)| {
        json!({
            "gateway": "home", "agent": agent, "provider": provider, "model": model, "as_of": 1_795_178_748_276_i64,
            "responses": figures.0, "unsplit_tokens": figures.1, "cost_usd": figures.2, "unpriced_responses": figures.3,
            "input_tokens": 0, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_5m_tokens": 0,
            "cache_write_1h_tokens": 0,
        })
    };
    assert_eq!(
        told["gateway_totals"],
        json!([
            total("", "mock", "mock-free", (1, 1_580, "0.000000000", 1)),
            total("", "mock", "mock-large", (4, 10_940, "0.033060000", 0)),
            total("main", "mock", "mock-large", (6, 11_130, "0.027990000", 0)),
            total("ops", "mock", "mock-large", (1, 1_250, "0.002190000", 0)),
            total("", "mockanth", "mock-claude", (1, 1_754, "0.007050000", 0)),
        ])
    );
}

#[test]
fn a_response_that_was_heard_says_where_it_is_told() {
    let expected = format!(
        "\
{ID} of OpenClaw, 2026-11-20 12:35:03.495 +00:00
It cost $0.005340000.

model        mock-large
provider     mock
API          openai-completions
ended with   stop
gateway      home
agent        main
session      {SESSION}

No cost can be computed: no price known for this model.
OpenClaw: the cost that the log states counts, else the computed one; its log states $0.005340000.

Where it is told

  gateway:home, session {SESSION}
      counted when the gateway told it; no log here has it
"
    );
    assert_eq!(home().tell(&format!("explain {ID}")), expected);
}

#[test]
fn a_report_and_a_list_of_models_have_it_in() {
    let home = home();
    let day = "--since 2026-11-20 --until 2026-11-20";
    let expected = "\
2026-11-20 to 2026-11-20, days of UTC

hour                    agent  model        responses  input  output  cache read  cache write  unsplit     cost
──────────────────────  ─────  ───────────  ─────────  ─────  ──────  ──────────  ───────────  ───────  ───────
                               mock-claude          1      0       0           0            0    1,754   $0.008
                               mock-free            1      0       0           0            0    1,580  unknown
                               mock-large           4      0       0           0            0   10,940    $0.03
                        main   mock-large           6      0       0           0            0   11,130    $0.03
                        ops    mock-large           1      0       0           0            0    1,250   $0.003
2026-11-20T12:00+00:00  main   mock-large           1  1,100     120         800            0        0   $0.006
──────────────────────  ─────  ───────────  ─────────  ─────  ──────  ──────────  ───────────  ───────  ───────
total                                              14  1,100     120         800            0   26,654  ≥ $0.08

≥: the price of 1 response is not known; tokens are counted, cost is not.

unsplit: tokens of which only the sum is known, not the kind.
";
    assert_eq!(
        home.tell(&format!("report --by hour,agent,model {day}")),
        format!("{expected}\n{REMARK}\n")
    );
    assert_eq!(
        home.tell("models --unpriced"),
        "\
source    provider  model      without cost  of  why
────────  ────────  ─────────  ────────────  ──  ──────────────────────────────────────────────────────────
openclaw  mock      mock-free             1   1  the gateway that counted them knows no price for the model

Where the gateway that counted them knows no price for the model: give the model its price in the gateway's own \
configuration.
"
    );
    let told = home.json(&format!("reconcile {day} --json"));
    assert_eq!(
        told["days"],
        json!([{
            "day": "2026-11-20", "gateway": "home", "ours_usd": "0.075630000", "from_totals_usd": "0.070290000",
            "gateway_usd": "0.075630000", "difference_usd": "0.000000000", "as_of": 1_795_178_748_276_i64,
            "causes": [],
        }])
    );
}

#[test]
fn verify_tells_what_cannot_be_read_again() {
    let told = home().tell("verify");
    let (by_cause, _) = told
        .split_once("\n\nwhy                 day")
        .expect("two tables");
    assert_eq!(
        by_cause,
        "\
0 responses from 0 files read again, 14 in the ledger. What only one of them has:

why                 ledger  tokens     cost  logs  tokens   cost  meaning
──────────────────  ──────  ──────  ───────  ────  ──────  ─────  ────────────────────────────────────────────────────
heard_from_gateway       1   2,020   $0.006     0       0  $0.00  heard from a gateway; there is no file to read again
gateway_totals          13  26,654  ≥ $0.07     0       0  $0.00  only a gateway's own totals tell of it"
    );
}
