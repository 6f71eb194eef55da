//! Every dimension of a response, in rows and in filters, whatever tells it.

use crate::home::{Home, NINE};
use clawspend_core::report::Column;
use clawspend_tests::corpus::{ClaudeLine, OpenClawLine};
use serde_json::{Value, json};

const RANGE: &str = "--since 2026-11-01 --until 2026-11-30 --timezone UTC --json";

/// Claude Code with a subagent; OpenClaw in files with their index, and in a database.
fn home() -> Home {
    let home = Home::new();
    let response = |session, number: u32, sidechain| {
        ClaudeLine {
            uuid: &format!("00000000-0000-4000-8000-{number:012}"),
            message_id: &format!("msg_{number:024}"),
            session,
            sidechain,
            at: NINE,
            branch: "topic/x",
            stop_reason: if sidechain { "tool_use" } else { "end_turn" },
            ..ClaudeLine::default()
        }
        .to_string()
    };
    home.claude("-home-dev-demo/s1.jsonl", &[response("s1", 1, false)]);
    home.claude(
        "-home-dev-demo/s1/subagents/agent-7.jsonl",
        &[response("s1", 2, true)],
    );
    home.write(
        ".claude/projects/-home-dev-demo/s1/subagents/agent-7.meta.json",
        r#"{"agentType":"Explore"}"#,
    );
    let event = OpenClawLine {
        at: NINE,
        ..OpenClawLine::default()
    };
    home.write(
        ".openclaw/agents/main/sessions/o1.jsonl",
        format!("{{\"type\":\"session\",\"id\":\"o1\",\"cwd\":\"/w/claw\"}}\n{event}\n"),
    );
    home.write(
        ".openclaw/agents/main/sessions/sessions.json",
        r#"{"agent:main:telegram:group:7": {"sessionId": "o1", "label": "ops room", "spawnedBy": "agent:main:main"}}"#,
    );
    let database = home.write(".openclaw/agents/ops/agent/openclaw-agent.sqlite", "");
    let database = rusqlite::Connection::open(database).expect("a database");
    database
        .execute_batch(include_str!("../src/corpus/agent_database.sql"))
        .expect("OpenClaw's tables");
    database
        .execute_batch(
            "INSERT INTO session_nodes (session_key, current_session_id, entry_json, updated_at, created_via, label)
             VALUES ('agent:ops:nightly', 'd1', '{}', 1, 'cron', 'nightly');
             INSERT INTO session_windows (session_id, session_key, created_at, updated_at, channel, chat_type)
             VALUES ('d1', 'agent:ops:nightly', 1, 1, 'telegram', 'direct')",
        )
        .expect("a session");
    let event = OpenClawLine {
        id: "fc550771",
        at: NINE,
        api: "openai-responses",
        provider: "openai",
        model: "gpt-5.5",
        stop_reason: "length",
        ..OpenClawLine::default()
    };
    database
        .execute(
            "INSERT INTO transcript_events (session_id, seq, event_json, created_at) VALUES ('d1', 1, ?1, 1)",
            [event.to_string()],
        )
        .expect("an event");
    home
}

/// What each row says in the columns that hold a text.
fn told(report: &Value) -> Vec<Vec<String>> {
    let rows = report["rows"].as_array().expect("rows");
    let text = |row: &Value, word: &str| row[word].as_str().expect("a text").to_owned();
    let words = || Column::ALL.iter().map(|(_, word)| *word);
    rows.iter()
        .map(|row| words().map(|word| text(row, word)).collect())
        .collect()
}

#[test]
fn o20_rows_tell_whatever_is_known_of_a_response() {
    let home = home();
    let words: Vec<&str> = Column::ALL.iter().map(|(_, word)| *word).collect();
    let report = home.json(&format!("report --by {} {RANGE}", words.join(",")));
    let row = |of: &str| -> Vec<String> {
        let time = [
            "2026-11-20",
            "2026-11-20T09:00+00:00",
            "2026-W47",
            "2026-11",
        ];
        let texts = of.split('|').map(str::trim);
        time.into_iter().chain(texts).map(str::to_owned).collect()
    };
    assert_eq!(
        told(&report),
        [
            // source | gateway | agent | subagent | project | branch | session | session_key | label | parent |
            // created | channel | chat_type | provider | model | api | stop_reason
            row("claude-code||main||/home/dev/demo|topic/x|s1|||||||| claude-sonnet-5 || end_turn"),
            row(
                "claude-code||subagent|Explore|/home/dev/demo|topic/x|s1|||||||| claude-sonnet-5 || tool_use"
            ),
            row(
                "openclaw||main||/w/claw||o1|agent:main:telegram:group:7|ops room|agent:main:main||telegram|group|\
                 anthropic|claude-sonnet-5|anthropic-messages|stop"
            ),
            row(
                "openclaw||ops||||d1|agent:ops:nightly|nightly||cron|telegram|direct|openai|gpt-5.5|\
                 openai-responses|length"
            ),
        ]
    );
    assert_eq!(report["totals"]["responses"], 4);
    assert_eq!(report["diagnostics"]["broken_lines"], 0);
}

#[test]
fn filters_choose_by_any_column() {
    let home = home();
    for (filters, sessions) in [
        ("--where channel=telegram", json!(["d1", "o1"])),
        (
            "--where channel=telegram --where created=cron",
            json!(["d1"]),
        ),
        ("--where subagent=Explore", json!(["s1"])),
        (
            "--where model=gpt-* --where model=claude-*",
            json!(["d1", "o1", "s1"]),
        ),
        ("--where chat-type=", json!(["s1"])),
        ("--where hour=2026-11-20T08:00+00:00", json!([])),
        (
            "--where project=*/claw --where day=2026-11-2*",
            json!(["o1"]),
        ),
    ] {
        let report = home.json(&format!("report --by session {filters} {RANGE}"));
        let rows = report["rows"].as_array().expect("rows");
        let found: Vec<&Value> = rows.iter().map(|row| &row["session"]).collect();
        assert_eq!(json!(found), sessions, "{filters}");
        let responses: u64 = rows
            .iter()
            .map(|row| row["responses"].as_u64().expect("a count"))
            .sum();
        assert_eq!(report["totals"]["responses"], responses, "{filters}");
    }
}

#[test]
fn what_is_told_later_counts_from_then_on() {
    let home = home();
    let labels = |home: &Home| {
        let report = home.json(&format!("report --by label {RANGE}"));
        let rows = report["rows"].as_array().expect("rows");
        rows.iter()
            .map(|row| row["label"].as_str().expect("a text").to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(labels(&home), ["", "nightly", "ops room"]);
    home.write(
        ".openclaw/agents/main/sessions/sessions.json",
        r#"{"agent:main:telegram:group:7": {"sessionId": "o1", "label": "war room"}}"#,
    );
    let database = home
        .path()
        .join(".openclaw/agents/ops/agent/openclaw-agent.sqlite");
    let database = rusqlite::Connection::open(database).expect("a database");
    let renamed = database.execute("UPDATE session_nodes SET label = 'daily'", []);
    assert_eq!(renamed, Ok(1));
    assert_eq!(labels(&home), ["", "daily", "war room"]);

    // A subagent's note that came after its first lines.
    home.write(
        ".claude/projects/-home-dev-demo/s1/subagents/agent-7.meta.json",
        r#"{"agentType":"Plan"}"#,
    );
    let transcript = home
        .path()
        .join(".claude/projects/-home-dev-demo/s1/subagents/agent-7.jsonl");
    crate::home::append(&transcript, "{}");
    let report = home.json(&format!("report --by subagent {RANGE}"));
    let rows = report["rows"].as_array().expect("rows");
    let found: Vec<(&str, u64)> = rows
        .iter()
        .map(|row| {
            (
                row["subagent"].as_str().expect("a text"),
                row["responses"].as_u64().expect("a count"),
            )
        })
        .collect();
    assert_eq!(found, [("", 3), ("Plan", 1)]);
}

#[test]
fn a_broken_index_hides_nothing_and_is_told() {
    let home = home();
    home.write(
        ".openclaw/agents/main/sessions/sessions.json",
        "{\"agent:main:main\": {",
    );
    let report = home.json(&format!("report --by session,label {RANGE}"));
    assert_eq!(report["totals"]["responses"], 4);
    assert_eq!(report["diagnostics"]["broken_lines"], 1);
}
