//! The captured databases beside what a gateway says they come to.

use clawspend_core::{
    api::Reader,
    gateway::{Usage, remote},
    ledger::{
        Ledger,
        quotas::KeptQuota,
        remote_days::{KeptDay, RemoteAnswer},
    },
    money::NanoUsd,
    reconcile::{
        Cause::{self, DeletedSessions, ForkedCopies, NotFresh, Unexplained},
        Reconciled,
    },
    time::UnixMillis,
};
use clawspend_tests::home::{Home, drain};
use jiff::civil::{Date, date};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

const DAY: Date = date(2026, 11, 20);

/// When the captured answer was computed, and a time after the last response in the databases.
const CAPTURED: i64 = 1_795_178_748_276;
const LATER: i64 = 1_795_190_000_000;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fixtures")
        .join(name)
}

/// A home whose OpenClaw has these agents' databases, all read.
pub(crate) fn home(agents: &[&str]) -> Home {
    let home = Home::new();
    for agent in agents {
        let from = fixture("openclaw-sqlite/agents").join(agent);
        let to = home.path().join(".openclaw/agents").join(agent);
        for entry in walk(&from) {
            let to = to.join(entry.strip_prefix(&from).expect("below it"));
            fs::create_dir_all(to.parent().expect("a folder")).expect("can be created");
            fs::copy(&entry, to).expect("copied");
        }
    }
    drain(&mut home.ingest());
    home
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).expect("a folder");
    let paths = entries.map(|entry| entry.expect("readable").path());
    paths
        .flat_map(|path| {
            if path.is_dir() {
                walk(&path)
            } else {
                vec![path]
            }
        })
        .collect()
}

/// What a gateway answered.
fn captured() -> Value {
    let text = fs::read_to_string(fixture("gateway/rpc/sessions.usage.allagents.json"));
    let mut captured: Value = serde_json::from_str(&text.expect("readable")).expect("JSON");
    captured["response"]["payload"].take()
}

/// The same, with other totals of the day and of its dearest model.
fn answer(updated_at: i64, total: f64, (tokens, cost): (u64, f64)) -> Value {
    let mut answer = captured();
    answer["updatedAt"] = updated_at.into();
    // The log of the agent main is here in all tests.
    answer["sessions"][1]["usage"]["lastActivity"] = CAPTURED.into();
    answer["aggregates"]["costDaily"][0]["totalCost"] = total.into();
    let large = &mut answer["aggregates"]["modelDaily"][0];
    large["tokens"] = tokens.into();
    large["cost"] = cost.into();
    answer
}

/// Keeps an answer as the engine does.
fn keep(home: &Home, payload: &Value) {
    let usage: Usage = serde_json::from_str(&payload.to_string()).expect("usage");
    let now = usage.updated_at.plus(1_000);
    assert!(remote::Asking::default().judge(&usage, now).keep);
    let answer = RemoteAnswer {
        gateway: "home",
        zone: "UTC",
        updated_at: usage.updated_at,
        taken_at: now,
        days: &remote::days(&usage, DAY, DAY).expect("amounts"),
        sessions: &remote::sessions(&usage),
    };
    let mut ledger = Ledger::open_writer(&home.data().join("ledger.sqlite")).expect("a ledger");
    ledger.keep_remote_days(&answer).expect("kept");
}

/// Ours, the gateway's, and why they differ, of the only day.
fn reconciled(home: &Home) -> (i64, i64, Vec<(Cause, i64)>) {
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let told = reader.reconcile(Some("home"), DAY, DAY, &mut |_| {});
    let told = told.expect("an answer");
    assert_eq!(told.unread, []);
    let [day]: [Reconciled; 1] = told.days.try_into().expect("one day");
    assert_eq!((day.gateway.as_str(), day.day), ("home", DAY));
    let causes = day.causes.into_iter();
    let causes = causes.map(|(cause, amount)| (cause, amount.0)).collect();
    (day.ours.0, day.theirs.0, causes)
}

/// The gateway was asked before the fork, before a last response of `main` and two of `ops`.
#[test]
fn what_was_made_after_the_captured_answer_is_the_whole_difference() {
    let home = home(&["main", "ops"]);
    keep(&home, &captured());
    assert_eq!(
        reconciled(&home),
        (84_450_000, 75_630_000, vec![(NotFresh, -8_820_000)])
    );
}

/// OpenClaw's own total went from $0.07563 to $0.10896, and nothing was spent.
#[test]
fn a_fork_is_named_as_what_it_added() {
    let home = home(&["main", "ops"]);
    keep(&home, &answer(CAPTURED, 0.108_96, (38_490, 0.101_91)));
    assert_eq!(
        reconciled(&home),
        (
            84_450_000,
            108_960_000,
            vec![(NotFresh, -8_820_000), (ForkedCopies, 33_330_000)]
        )
    );
}

/// Of the rewound session only what was said after the rewind is visible, so the fork alone is counted again.
#[test]
fn copies_are_the_whole_difference_of_the_agent_that_forked() {
    let home = home(&["main"]);
    keep(&home, &answer(LATER, 0.109_86, (38_710, 0.102_81)));
    assert_eq!(
        reconciled(&home),
        (76_530_000, 109_860_000, vec![(ForkedCopies, 33_330_000)])
    );
    // Every row of the database, those of the rewound session too.
    keep(&home, &answer(LATER, 0.118_35, (41_500, 0.111_3)));
    assert_eq!(
        reconciled(&home),
        (76_530_000, 118_350_000, vec![(ForkedCopies, 41_820_000)])
    );
    // What nothing explains is said to be so.
    keep(&home, &answer(LATER, 0.118_36, (41_500, 0.111_31)));
    assert_eq!(
        reconciled(&home),
        (
            76_530_000,
            118_360_000,
            vec![(ForkedCopies, 41_820_000), (Unexplained, 10_000)]
        )
    );
}

#[test]
fn what_the_ledger_keeps_of_a_deleted_session_is_named() {
    let home = home(&["main"]);
    let database = home
        .path()
        .join(".openclaw/agents/main/agent/openclaw-agent.sqlite");
    let database = rusqlite::Connection::open(database).expect("a database");
    // The only session of the agent for mock-claude: $0.00705.
    database
        .execute_batch(
            "PRAGMA foreign_keys = off;
             DELETE FROM transcript_events WHERE session_id = '7d02bd37-cc09-4690-96e5-4cbb8e191caa'",
        )
        .expect("deleted");
    drain(&mut home.ingest());
    let mut answer = answer(LATER, 0.102_81, (38_710, 0.102_81));
    answer["aggregates"]["modelDaily"]
        .as_array_mut()
        .expect("models")
        .retain(|row| row["model"] != "mock-claude");
    keep(&home, &answer);
    assert_eq!(
        reconciled(&home),
        (
            76_530_000,
            102_810_000,
            vec![(DeletedSessions, -7_050_000), (ForkedCopies, 33_330_000)]
        )
    );
}

/// The same answer of a gateway on another machine: nobody listened to it, so all of it is its own count.
#[test]
fn a_gateway_whose_logs_are_elsewhere_is_not_compared_with_the_logs_here() {
    let home = home(&["main"]);
    let mut elsewhere = captured();
    for session in elsewhere["sessions"].as_array_mut().expect("sessions") {
        session["sessionId"] = "00000000-0000-4000-8000-000000000000".into();
    }
    keep(&home, &elsewhere);
    assert_eq!(reconciled(&home), (75_630_000, 75_630_000, vec![]));
}

#[test]
fn a_gateway_that_told_nothing_is_not_made_up() {
    let home = home(&["ops"]);
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let none = reader
        .reconcile(None, DAY, DAY, &mut |_| {})
        .expect("an answer");
    assert_eq!((none.days, none.unread), (Vec::new(), Vec::new()));
    let error = reader.reconcile(Some("office"), DAY, DAY, &mut |_| {});
    let error = error.expect_err("nothing is known");
    assert_eq!(error.code, "not_found");
    assert_eq!(
        error.message,
        "no gateway named \"office\" has told its own figures yet"
    );
    keep(&home, &captured());
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let error = reader.reconcile(Some("office"), DAY, DAY, &mut |_| {});
    assert_eq!(
        error.expect_err("not this one").hint,
        "these have told theirs: home"
    );
}

/// Where the logs are here, figures of gateways stay apart from what the ledger counts.
#[test]
fn what_a_gateway_with_its_logs_here_tells_is_added_to_nothing() {
    let home = home(&["main", "ops"]);
    let before = home.everything();
    keep(&home, &captured());
    let quotas = json!({
        "updatedAt": CAPTURED,
        "providers": [{ "provider": "p", "displayName": "P", "windows": [{ "label": "5h", "usedPercent": 24.68 }] }],
    });
    let quotas = serde_json::from_str(&quotas.to_string()).expect("quotas");
    let mut ledger = Ledger::open_writer(&home.data().join("ledger.sqlite")).expect("a ledger");
    ledger.keep_quotas("home", &quotas).expect("kept");
    assert_eq!(home.catch_up(), before);
    let reader = Reader::open(home.environment()).expect("a ledger");
    let days: Vec<KeptDay> = reader.gateway_days(DAY, DAY).expect("days");
    let cost = |day: &KeptDay| (day.gateway.clone(), day.logs_here, day.figures.cost);
    assert_eq!(
        days.iter().map(cost).collect::<Vec<_>>(),
        [("home".to_owned(), true, NanoUsd(75_630_000))]
    );
    let quota = KeptQuota {
        gateway: "home".into(),
        provider: "p".into(),
        title: "P".into(),
        plan: None,
        label: "5h".into(),
        group: String::new(),
        used_milli_percent: 24_680,
        reset_at: None,
        since: UnixMillis(CAPTURED),
        until: UnixMillis(CAPTURED),
    };
    assert_eq!(reader.quotas().expect("quotas"), [quota]);
}
