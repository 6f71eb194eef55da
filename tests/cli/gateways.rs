//! `reconcile` and `quota`: what gateways told, beside what the ledger has.

use crate::home::{Answer, Home};
use clawspend_core::{
    gateway::{Quotas, Usage, remote},
    ledger::{Ledger, remote_days::RemoteAnswer},
};
use jiff::civil::date;
use serde_json::{Value, json};

const CAPTURED: &str = include_str!("../fixtures/gateway/rpc/sessions.usage.allagents.json");
const QUOTAS: &str = include_str!("../fixtures/gateway/rpc/usage.status.json");

fn payload(captured: &str) -> String {
    let captured: Value = serde_json::from_str(captured).expect("JSON");
    captured["response"]["payload"].to_string()
}

fn ledger(home: &Home) -> Ledger {
    Ledger::open_writer(&home.ledger()).expect("a ledger")
}

/// A home with the databases, and what their gateway answered before the fork.
fn home() -> Home {
    let home = Home::new();
    home.openclaw_fixture();
    home.tell("report");
    let usage: Usage = serde_json::from_str(&payload(CAPTURED)).expect("usage");
    let days = remote::days(&usage, date(2026, 11, 19), date(2026, 11, 20)).expect("amounts");
    let answer = RemoteAnswer {
        gateway: "home",
        zone: "UTC",
        updated_at: usage.updated_at,
        taken_at: usage.updated_at,
        days: &days,
        sessions: &remote::sessions(&usage),
    };
    ledger(&home).keep_remote_days(&answer).expect("kept");
    home
}

fn hint() -> String {
    "Hint: Clawspend asks a gateway while it is connected: add one with `clawspend gateway add`, and let the tray app run\n"
        .into()
}

#[test]
fn each_difference_is_named_and_they_add_up() {
    let home = home();
    let days = "--since 2026-11-19 --until 2026-11-20";
    assert_eq!(
        home.json(&format!("reconcile {days} --json")),
        json!({
            "schema": "clawspend.reconcile/1", "timezone": "UTC", "since": "2026-11-19", "until": "2026-11-20",
            "days": [
                {
                    "day": "2026-11-19", "gateway": "home", "ours_usd": "0.000000000", "from_totals_usd": "0.000000000",
                    "gateway_usd": "0.000000000",
                    "difference_usd": "0.000000000", "as_of": 1_795_178_748_276_i64, "causes": [],
                },
                {
                    "day": "2026-11-20", "gateway": "home", "ours_usd": "0.084450000", "from_totals_usd": "0.000000000",
                    "gateway_usd": "0.075630000",
                    "difference_usd": "-0.008820000", "as_of": 1_795_178_748_276_i64,
                    "causes": [{
                        "cause": "not_fresh", "usd": "-0.008820000",
                        "sentence": "made after the gateway computed its figures",
                    }],
                },
            ],
        })
    );
    assert_eq!(
        home.tell(&format!("reconcile --gateway home {days}")),
        "\
day         gateway    Clawspend  gateway's own    difference  why
──────────  ───────  ───────────  ─────────────  ────────────  ───────────────────────────────────────────
2026-11-20  home     0.084450000    0.075630000  -0.008820000
                                                 -0.008820000  made after the gateway computed its figures
"
    );
    assert_eq!(
        home.tell("reconcile --since 2026-11-19 --until 2026-11-19"),
        "Neither side counts anything for 2026-11-19 to 2026-11-19.\n"
    );
}

#[test]
fn where_no_gateway_told_anything_it_is_said_so() {
    let home = Home::new();
    assert_eq!(
        home.tell("quota"),
        format!("No gateway has told of a provider's quota.\n{}", hint())
    );
    assert!(!home.ledger().exists());
    let empty = json!({ "schema": "clawspend.quota/1", "quotas": [] });
    assert_eq!(home.json("quota --history --json"), empty);
    assert_eq!(
        home.tell("reconcile --since 2026-11-19 --until 2026-11-20"),
        format!(
            "No gateway has told its own figures for 2026-11-19 to 2026-11-20.\n{}",
            hint()
        )
    );
    let failure = |arguments: &str, message: &str| {
        let expected = Answer {
            code: Some(1),
            out: String::new(),
            err: format!("clawspend: {message}\n"),
        };
        assert_eq!(home.run(arguments), expected);
    };
    failure(
        "reconcile --gateway office",
        &format!(
            "no gateway named \"office\" has told its own figures yet\n{}",
            hint().trim_end()
        ),
    );
    assert_eq!(
        home.run("reconcile --since 2026-11-20 --until 2026-11-19")
            .code,
        Some(2)
    );
}

#[test]
fn quotas_are_told_as_they_are_and_as_they_were() {
    let home = home();
    let mut quotas: Quotas = serde_json::from_str(&payload(QUOTAS)).expect("quotas");
    let mut ledger = ledger(&home);
    ledger.keep_quotas("home", &quotas).expect("kept");
    quotas.updated_at = quotas.updated_at.plus(600_000);
    ledger.keep_quotas("home", &quotas).expect("kept");
    quotas.updated_at = quotas.updated_at.plus(600_000);
    quotas.providers[0].windows[0].used_milli_percent = 25_000;
    ledger.keep_quotas("home", &quotas).expect("kept");
    assert_eq!(
        home.tell("quota"),
        "\
provider                             quota           used  empty again       gateway  as of
───────────────────────────────────  ──────────────  ────  ────────────────  ───────  ────────────────
ClawRouter (Managed monthly budget)  Monthly budget  25 %  2026-12-01 00:00  home     2026-11-20 13:05
"
    );
    assert_eq!(
        home.tell("quota --history"),
        "\
provider                             quota              used  empty again       gateway  from              to
───────────────────────────────────  ──────────────  ───────  ────────────────  ───────  ────────────────  ────────────────
ClawRouter (Managed monthly budget)  Monthly budget  24.68 %  2026-12-01 00:00  home     2026-11-20 12:45  2026-11-20 12:55
ClawRouter (Managed monthly budget)  Monthly budget     25 %  2026-12-01 00:00  home     2026-11-20 13:05  2026-11-20 13:05
"
    );
    let quota = |used: Value, since: i64, until: i64| {
        json!({
            "gateway": "home", "provider": "clawrouter", "name": "ClawRouter", "plan": "Managed monthly budget",
            "window": "Monthly budget", "group": "", "used_percent": used, "resets_at": 1_796_083_200_000_i64,
            "since": since, "until": until,
        })
    };
    let (first, second, third) = (1_795_178_702_701, 1_795_179_302_701, 1_795_179_902_701);
    assert_eq!(
        home.json("quota --history --json"),
        json!({
            "schema": "clawspend.quota/1",
            "quotas": [quota(json!(24.68), first, second), quota(json!(25), third, third)],
        })
    );
    home.tell("gateway add home ws://127.0.0.1:1");
    home.tell("gateway remove home");
    assert_eq!(
        home.json("quota --json")["quotas"],
        json!([]),
        "a gateway that is not asked any more knows nothing of now"
    );
    let all = home.json("quota --history --json");
    assert_eq!(all["quotas"].as_array().map(Vec::len), Some(2));
}
