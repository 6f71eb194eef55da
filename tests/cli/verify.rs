//! `verify`: the ledger against all logs, read again; each difference with its reason.

use crate::home::{Answer, HOUR, Home, NINE, append, ended, response};
use clawspend_core::ledger::IngestLock;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    fs,
    sync::atomic::{AtomicBool, AtomicU32, Ordering},
    thread,
    time::Duration,
};

const DAY: i64 = 24 * HOUR;

/// Two projects, a file each, of three and of two responses; the last of the three a day later.
fn home() -> Home {
    let home = Home::new();
    home.claude(
        "one/a.jsonl",
        &[
            response(1, NINE, 10),
            response(2, NINE, 20),
            response(3, NINE + DAY, 30),
        ],
    );
    home.claude(
        "two/b.jsonl",
        &[response(4, NINE, 40), response(5, NINE, 50)],
    );
    home
}

/// By reason, day, source and model: responses and tokens of the ledger, then of the logs.
fn differences(verified: &Value) -> Vec<String> {
    let found = verified["differences"].as_array().expect("differences");
    let side = |side: &Value| {
        let tokens = side.as_object().expect("figures").iter();
        let tokens = tokens.filter(|(name, _)| name.ends_with("_tokens"));
        let tokens: u64 = tokens.filter_map(|(_, count)| count.as_u64()).sum();
        format!("{}/{tokens}", side["responses"])
    };
    let text = |it: &Value, name: &str| it[name].as_str().expect("a text").to_owned();
    let lines = found.iter().map(|it| {
        let words = ["cause", "day", "source", "model"].map(|name| text(it, name));
        format!(
            "{} {} {}",
            words.join(" "),
            side(&it["ledger"]),
            side(&it["logs"])
        )
    });
    lines.collect()
}

fn figures(responses: u64, input: u64, output: u64, cache_read: u64, cost: &str) -> Value {
    json!({
        "responses": responses, "input_tokens": input, "output_tokens": output, "cache_read_tokens": cache_read,
        "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0, "unsplit_tokens": 0, "cost_usd": cost,
        "unpriced_responses": 0,
    })
}

#[test]
fn a_ledger_that_is_what_its_logs_tell_is_said_to_be() {
    let home = home();
    home.openclaw_fixture();
    assert_eq!(
        home.tell("verify"),
        "22 responses from 5 files read again: everything as in the ledger.\n"
    );
    assert_eq!(
        home.json("verify --json"),
        json!({
            "schema": "clawspend.verify/1", "timezone": "UTC", "explained": true, "files": 5, "ledger_responses": 22,
            "log_responses": 22, "causes": [], "differences": [],
        })
    );
}

#[test]
fn a_log_that_is_gone_explains_what_only_the_ledger_knows() {
    let home = home();
    home.tell("report");
    fs::remove_file(home.path().join(".claude/projects/one/a.jsonl")).expect("a file");
    assert_eq!(
        home.tell("verify"),
        "\
2 responses from 1 file read again, 5 in the ledger. What only one of them has:

why       ledger  tokens    cost  logs  tokens   cost  meaning
────────  ──────  ──────  ──────  ────  ──────  ─────  ──────────────────────────────────────────────
log_gone       3     366  $0.001     0       0  $0.00  the log is gone; the ledger keeps what it told

why       day         source       model            ledger  tokens    cost  logs  tokens   cost
────────  ──────────  ───────────  ───────────────  ──────  ──────  ──────  ────  ──────  ─────
log_gone  2026-11-20  claude-code  claude-sonnet-5       2     234  $0.001     0       0  $0.00
log_gone  2026-11-21  claude-code  claude-sonnet-5       1     132  $0.001     0       0  $0.00
"
    );
    let nothing = || figures(0, 0, 0, 0, "0.000000000");
    assert_eq!(
        home.json("verify --json"),
        json!({
            "schema": "clawspend.verify/1", "timezone": "UTC", "explained": true, "files": 1, "ledger_responses": 5,
            "log_responses": 2,
            "causes": [{
                "cause": "log_gone", "explained": true, "sentence": "the log is gone; the ledger keeps what it told",
                "ledger": figures(3, 6, 60, 300, "0.000672000"), "logs": nothing(),
            }],
            "differences": [
                {
                    "cause": "log_gone", "day": "2026-11-20", "source": "claude-code", "model": "claude-sonnet-5",
                    "ledger": figures(2, 4, 30, 200, "0.000348000"), "logs": nothing(),
                },
                {
                    "cause": "log_gone", "day": "2026-11-21", "source": "claude-code", "model": "claude-sonnet-5",
                    "ledger": figures(1, 2, 30, 100, "0.000324000"), "logs": nothing(),
                },
            ],
        })
    );
}

/// A copy that was fuller lay in a file that is gone: the rest of it lies in one that is there.
#[test]
fn a_copy_that_is_gone_explains_other_figures() {
    let home = home();
    let fuller = home.claude("one/c.jsonl", &[response(4, NINE, 400)]);
    home.tell("report");
    fs::remove_file(fuller).expect("a file");
    assert_eq!(
        differences(&home.json("verify --json")),
        ["log_gone 2026-11-20 claude-code claude-sonnet-5 1/502 1/142"]
    );
}

#[test]
fn a_log_with_another_content_explains_what_only_the_ledger_knows() {
    let home = home();
    home.tell("report");
    home.claude(
        "one/a.jsonl",
        &[response(6, NINE, 60), response(2, NINE, 2)],
    );
    assert_eq!(
        differences(&home.json("verify --json")),
        [
            "log_rewritten 2026-11-20 claude-code claude-sonnet-5 2/234 1/104",
            "log_rewritten 2026-11-21 claude-code claude-sonnet-5 1/132 0/0",
        ]
    );
}

#[test]
fn rows_that_openclaw_dropped_are_told() {
    let home = Home::new();
    home.openclaw_fixture();
    home.tell("report");
    let path = home
        .path()
        .join(".openclaw/agents/ops/agent/openclaw-agent.sqlite");
    let database = Connection::open(path).expect("a database");
    let dropped = database.execute("DELETE FROM transcript_events", []);
    assert!(dropped.expect("rows") > 0);
    let verified = home.json("verify --json");
    let found = differences(&verified);
    assert!(!found.is_empty());
    for difference in found {
        let (cause, _) = difference.split_once(' ').expect("words");
        assert_eq!(cause, "log_rewritten", "{difference}");
        assert!(difference.ends_with(" 0/0"), "{difference}");
    }
    let (ledger, logs) = (&verified["ledger_responses"], &verified["log_responses"]);
    assert!(logs.as_u64() < ledger.as_u64(), "{logs} {ledger}");
}

/// What a session began with is dropped, and with it the working directory that its later rows rely on.
#[test]
fn rows_that_rely_on_dropped_ones_are_told() {
    let home = Home::new();
    home.openclaw_fixture();
    home.tell("report");
    let path = home
        .path()
        .join(".openclaw/agents/ops/agent/openclaw-agent.sqlite");
    let dropped = Connection::open(path).expect("a database").execute(
        "DELETE FROM transcript_events WHERE seq < (SELECT MAX(seq) FROM transcript_events)",
        [],
    );
    assert!(dropped.expect("rows") > 0);
    assert_eq!(
        differences(&home.json("verify --json")),
        ["log_rewritten 2026-11-20 openclaw mock-large 3/4080 1/1250"]
    );
}

#[test]
fn a_folder_that_is_no_longer_looked_at_explains() {
    let home = home();
    home.tell("report");
    let mut command = home.command("verify --json");
    let answer = ended(command.env("CLAUDE_CONFIG_DIR", home.path().join("elsewhere")));
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    assert_eq!(
        differences(&serde_json::from_str(&answer.out).expect("JSON")),
        [
            "folder_not_looked_at 2026-11-20 claude-code claude-sonnet-5 4/528 0/0",
            "folder_not_looked_at 2026-11-21 claude-code claude-sonnet-5 1/132 0/0",
        ]
    );
}

#[cfg(unix)]
#[test]
fn a_log_that_cannot_be_read_now_explains() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = home();
    let run = crate::together::unprivileged(&home);
    assert_eq!(ended(&mut run("report")).code, Some(0));
    let folder = home.path().join(".claude/projects/two");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o000)).expect("ours");
    let answer = ended(&mut run("verify --json"));
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o700)).expect("ours");
    assert_eq!(
        (answer.code, answer.err),
        (
            Some(0),
            format!(
                "clawspend: cannot read {}: Permission denied (os error 13)\n\
                 Hint: let your user read it; until then its figures stay as they were last seen\n",
                folder.display()
            )
        )
    );
    assert_eq!(
        differences(&serde_json::from_str(&answer.out).expect("JSON")),
        ["log_unreadable 2026-11-20 claude-code claude-sonnet-5 2/294 0/0"]
    );
}

/// Runs SQL on the ledger, as somebody who should not.
fn tamper(home: &Home, sql: &str) {
    let ledger = Connection::open(home.ledger()).expect("the ledger");
    assert_eq!(ledger.execute(sql, []), Ok(1), "{sql}");
}

#[test]
fn what_nothing_explains_is_a_failure() {
    let hint = "Hint: keep a copy of the ledger and report this with the table above; a log that was edited by hand \
                in its middle does this too\n";
    let a_response = "(SELECT id FROM responses ORDER BY id LIMIT 1)";
    for (sql, sentence, causes) in [
        (
            format!("DELETE FROM responses WHERE id = {a_response}"),
            "nothing explains what differs: 0 responses in the ledger, 1 in the logs",
            ["sums_wrong", "unexplained"].as_slice(),
        ),
        (
            format!(
                "UPDATE responses SET seen = (SELECT seen FROM responses ORDER BY id DESC LIMIT 1) WHERE id = {a_response}"
            ),
            "nothing explains what differs: 1 response in the ledger, 1 in the logs",
            &["sums_wrong", "unexplained"],
        ),
        (
            "UPDATE rollups SET cost = cost + 1 WHERE slot = (SELECT MIN(slot) FROM rollups)"
                .into(),
            "the sums kept are not what the responses come to",
            &["sums_wrong"],
        ),
        (
            "UPDATE days SET output = 0 WHERE day = (SELECT MIN(day) FROM days)".into(),
            "the sums kept are not what the responses come to",
            &["sums_wrong"],
        ),
    ] {
        let home = home();
        home.tell("report");
        tamper(&home, &sql);
        let answer = home.run("verify --json");
        assert_eq!(
            (answer.code, answer.err),
            (Some(1), format!("clawspend: {sentence}\n{hint}")),
            "{sql}"
        );
        let verified: Value = serde_json::from_str(&answer.out).expect("JSON");
        assert_eq!(verified["explained"], false);
        let told = verified["causes"].as_array().expect("causes");
        let told: Vec<&str> = told.iter().filter_map(|it| it["cause"].as_str()).collect();
        assert_eq!(told, causes, "{sql}");
    }
}

#[test]
fn wrong_sums_are_named() {
    let home = home();
    home.tell("report");
    tamper(
        &home,
        "UPDATE rollups SET responses = 7, cost = 0 WHERE slot = (SELECT MAX(slot) FROM rollups)",
    );
    let answer = home.run("verify");
    assert_eq!(
        answer,
        Answer {
            code: Some(1),
            out: "\
5 responses from 2 files read again, 5 in the ledger. What only one of them has:

why         ledger  tokens   cost  logs  tokens    cost  meaning
──────────  ──────  ──────  ─────  ────  ──────  ──────  ────────────────────────────────────────────────
sums_wrong       7     132  $0.00     1     132  $0.001  the sums kept are not what the responses come to

why         day         source       model            ledger  tokens   cost  logs  tokens    cost
──────────  ──────────  ───────────  ───────────────  ──────  ──────  ─────  ────  ──────  ──────
sums_wrong  2026-11-21  claude-code  claude-sonnet-5       7     132  $0.00     1     132  $0.001
"
            .into(),
            err: "clawspend: the sums kept are not what the responses come to\n\
                  Hint: keep a copy of the ledger and report this with the table above; a log that was edited by hand \
                  in its middle does this too\n"
                .into(),
        }
    );
}

#[test]
fn an_agent_that_writes_meanwhile_is_no_difference() {
    let home = home();
    let log = home.path().join(".claude/projects/one/a.jsonl");
    let (written, enough) = (AtomicU32::new(0), AtomicBool::new(false));
    let answers: Vec<Answer> = thread::scope(|scope| {
        scope.spawn(|| {
            for number in 100.. {
                if enough.load(Ordering::Relaxed) {
                    break;
                }
                append(&log, &response(number, NINE, 10));
                written.fetch_add(1, Ordering::Relaxed);
                thread::sleep(Duration::from_micros(200));
            }
        });
        let answers = (0..5).map(|_| home.run("verify --json")).collect();
        enough.store(true, Ordering::Relaxed);
        answers
    });
    for answer in answers {
        assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
        let verified: Value = serde_json::from_str(&answer.out).expect("JSON");
        assert_eq!(verified["causes"], json!([]));
    }
    let all = home.json("verify --json");
    assert_eq!(all["log_responses"], 5 + written.into_inner());
}

/// The lock is held as by another Clawspend, which says that it has read everything and does nothing.
fn another(home: &Home) -> IngestLock {
    let ledger = Connection::open(home.ledger()).expect("the ledger");
    let live = r#"{"phase":{"kind":"live"},"problems":[],"caught_up_at":null}"#;
    let said = ledger.execute(
        "INSERT INTO state (key, value) VALUES ('status', ?1)",
        [live],
    );
    assert_eq!(said, Ok(1));
    let lock = IngestLock::try_take(&home.data().join("ingest.lock"));
    lock.expect("a lock").expect("a free one")
}

#[test]
fn what_another_process_has_not_read_yet_is_told() {
    let home = home();
    home.tell("report");
    let _other = another(&home);
    append(
        &home.path().join(".claude/projects/two/b.jsonl"),
        &response(7, NINE, 70),
    );
    assert_eq!(
        differences(&home.json("verify --json")),
        ["not_read_yet 2026-11-20 claude-code claude-sonnet-5 0/0 1/172"]
    );
}

#[test]
fn prices_that_another_process_goes_by_are_told() {
    let home = home();
    home.tell("report");
    let _other = another(&home);
    home.write(
        "config/clawspend.toml",
        "[costs]\nclaude_code = \"recorded\"\n",
    );
    let verified = home.json("verify --json");
    assert_eq!(
        differences(&verified),
        [
            "price_changed 2026-11-20 claude-code claude-sonnet-5 4/528 4/528",
            "price_changed 2026-11-21 claude-code claude-sonnet-5 1/132 1/132",
        ]
    );
    assert_eq!(
        (
            &verified["causes"][0]["ledger"]["unpriced_responses"],
            &verified["causes"][0]["logs"]["unpriced_responses"]
        ),
        (&json!(0), &json!(5))
    );
}
