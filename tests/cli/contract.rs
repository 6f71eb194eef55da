//! The JSON that scripts and the outside rely on, to the letter.

use crate::home::{HOUR, Home, MINUTE, NINE, Watch, append, now, response, zone_far_from_midnight};
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage, OpenClawLine};
use serde_json::{Value, json};

/// Claude Code: a response streamed in three lines, one with both cache lifetimes, one of a model nobody knows,
/// a subagent, and a fork that copies the first and adds one a day later. OpenClaw: the fixture and a file.
fn home() -> Home {
    let home = Home::new();
    let streamed = |session, output, stop_reason| {
        ClaudeLine {
            session,
            usage: ClaudeUsage {
                output,
                ..ClaudeLine::default().usage
            },
            stop_reason,
            at: NINE,
            ..ClaudeLine::default()
        }
        .to_string()
    };
    let cached = ClaudeLine {
        uuid: "00000000-0000-4000-8000-000000000003",
        message_id: "msg_022222222222222222222222",
        request_id: "req_022222222222222222222222",
        session: "sess-a",
        model: "claude-opus-5",
        at: NINE + MINUTE,
        usage: ClaudeUsage {
            input: 10,
            output: 50,
            cache_read: 1_000,
            cache_write: 1_200,
            one_hour: Some(1_000),
            ..ClaudeUsage::default()
        },
        ..ClaudeLine::default()
    };
    let unknown = ClaudeLine {
        uuid: "00000000-0000-4000-8000-000000000004",
        message_id: "msg_033333333333333333333333",
        request_id: "req_033333333333333333333333",
        session: "sess-a",
        model: "acme-9",
        at: NINE + 2 * MINUTE,
        ..ClaudeLine::default()
    };
    home.claude(
        "-home-dev-demo/sess-a.jsonl",
        &[
            streamed("sess-a", 1, ""),
            streamed("sess-a", 80, ""),
            streamed("sess-a", 159, "end_turn"),
            cached.to_string(),
            unknown.to_string(),
        ],
    );
    let subagent = ClaudeLine {
        uuid: "00000000-0000-4000-8000-000000000005",
        message_id: "msg_044444444444444444444444",
        request_id: "req_044444444444444444444444",
        session: "sess-a",
        sidechain: true,
        agent: "x1",
        model: "claude-haiku-4-5-20251001",
        at: NINE + HOUR,
        usage: ClaudeUsage {
            input: 3,
            output: 7,
            ..ClaudeUsage::default()
        },
        ..ClaudeLine::default()
    };
    home.claude(
        "-home-dev-demo/sess-a/subagents/agent-x1.jsonl",
        &[subagent],
    );
    let new = ClaudeLine {
        uuid: "00000000-0000-4000-8000-000000000006",
        message_id: "msg_055555555555555555555555",
        request_id: "req_055555555555555555555555",
        session: "sess-b",
        cwd: "/home/dev/other",
        at: NINE + 24 * HOUR,
        ..ClaudeLine::default()
    };
    home.claude(
        "-home-dev-demo/sess-b.jsonl",
        &[streamed("sess-b", 159, "end_turn"), new.to_string()],
    );
    home.openclaw_fixture();
    home.write(
        ".openclaw/agents/research/sessions/sess-c.jsonl",
        format!("{}\n", OpenClawLine::default()),
    );
    home
}

const RANGE: &str = "--since 2026-11-20 --until 2026-11-21 --timezone UTC --json";

#[test]
fn a_report_is_exactly_this_text() {
    let told = home().tell(&format!("report --by day,source,model {RANGE}"));
    // In billionths: 2 x 2,000 + 159 x 10,000 + 100 x 200 for the streamed response; 10 x 5,000 + 50 x 25,000
    // + 1,000 x 500 + 200 x 6,250 + 1,000 x 10,000 for the cached one. OpenClaw's own cost stands for OpenClaw.
    let expected = [
        r#"{"schema":"clawspend.report/1","timezone":"UTC","since":"2026-11-20","until":"2026-11-21","rows":["#,
        r#"{"day":"2026-11-20","source":"claude-code","model":"acme-9","responses":1,"input_tokens":2,"output_tokens":10,"cache_read_tokens":100,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"unsplit_tokens":0,"cost_usd":"0.000000000","unpriced_responses":1},"#,
        r#"{"day":"2026-11-20","source":"claude-code","model":"claude-haiku-4-5-20251001","responses":1,"input_tokens":3,"output_tokens":7,"cache_read_tokens":0,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"unsplit_tokens":0,"cost_usd":"0.000038000","unpriced_responses":0},"#,
        r#"{"day":"2026-11-20","source":"claude-code","model":"claude-opus-5","responses":1,"input_tokens":10,"output_tokens":50,"cache_read_tokens":1000,"cache_write_5m_tokens":200,"cache_write_1h_tokens":1000,"unsplit_tokens":0,"cost_usd":"0.013050000","unpriced_responses":0},"#,
        r#"{"day":"2026-11-20","source":"claude-code","model":"claude-sonnet-5","responses":1,"input_tokens":2,"output_tokens":159,"cache_read_tokens":100,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"unsplit_tokens":0,"cost_usd":"0.001614000","unpriced_responses":0},"#,
        r#"{"day":"2026-11-20","source":"openclaw","model":"claude-sonnet-5","responses":1,"input_tokens":800,"output_tokens":300,"cache_read_tokens":5000,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"unsplit_tokens":0,"cost_usd":"0.005600000","unpriced_responses":0},"#,
        r#"{"day":"2026-11-20","source":"openclaw","model":"mock-claude","responses":1,"input_tokens":800,"output_tokens":90,"cache_read_tokens":800,"cache_write_5m_tokens":64,"cache_write_1h_tokens":0,"unsplit_tokens":0,"cost_usd":"0.007050000","unpriced_responses":0},"#,
        r#"{"day":"2026-11-20","source":"openclaw","model":"mock-free","responses":1,"input_tokens":700,"output_tokens":80,"cache_read_tokens":800,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"unsplit_tokens":0,"cost_usd":"0.000000000","unpriced_responses":1},"#,
        r#"{"day":"2026-11-20","source":"openclaw","model":"mock-large","responses":15,"input_tokens":15900,"output_tokens":1740,"cache_read_tokens":12000,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"unsplit_tokens":0,"cost_usd":"0.077400000","unpriced_responses":0},"#,
        r#"{"day":"2026-11-21","source":"claude-code","model":"claude-sonnet-5","responses":1,"input_tokens":2,"output_tokens":10,"cache_read_tokens":100,"cache_write_5m_tokens":0,"cache_write_1h_tokens":0,"unsplit_tokens":0,"cost_usd":"0.000124000","unpriced_responses":0}"#,
        r#"],"totals":{"responses":23,"input_tokens":18219,"output_tokens":2446,"cache_read_tokens":19900,"cache_write_5m_tokens":264,"cache_write_1h_tokens":1000,"unsplit_tokens":0,"cost_usd":"0.104876000","unpriced_responses":2},"#,
        r#""diagnostics":{"broken_lines":0,"counted_lines":35,"ignored_lines":{"no_usage":84,"not_assistant":0,"synthetic":0,"zero_usage":1,"blank":0}}}"#,
    ];
    assert_eq!(told, expected.concat() + "\n");
}

#[test]
fn rows_can_be_told_apart_by_every_column() {
    let home = home();
    let columns: [(&str, &[(&str, u64)]); 9] = [
        ("day", &[("2026-11-20", 22), ("2026-11-21", 1)]),
        (
            "hour",
            &[
                ("2026-11-20T09:00+00:00", 3),
                ("2026-11-20T10:00+00:00", 1),
                ("2026-11-20T12:00+00:00", 18),
                ("2026-11-21T09:00+00:00", 1),
            ],
        ),
        ("week", &[("2026-W47", 23)]),
        ("month", &[("2026-11", 23)]),
        ("source", &[("claude-code", 5), ("openclaw", 18)]),
        (
            "project",
            &[
                ("", 1),
                ("/home/dev/demo", 4),
                ("/home/dev/other", 1),
                ("/home/user/ops", 3),
                ("/home/user/workspace", 14),
            ],
        ),
        (
            "agent",
            &[("main", 18), ("ops", 3), ("research", 1), ("subagent", 1)],
        ),
        (
            "session",
            &[
                ("09589ff0-0a54-4933-a9ee-241dded721d3", 1),
                ("0b243ddd-d81c-428f-8097-d4747d0a7f41", 7),
                ("5add32a2-5d59-4b2c-b477-8907f1f012cc", 1),
                ("5d816a09-7d49-42f1-a51e-a9c2d6e6b82c", 1),
                ("7d02bd37-cc09-4690-96e5-4cbb8e191caa", 1),
                ("d1d48c5e-4fda-4cca-aab2-1ad660fc6669", 3),
                ("ed3717ef-44d6-4ec9-9819-b641cb87d835", 1),
                ("eec973ac-8cfd-4fe1-a357-5cc939b256af", 1),
                ("ff59efde-d259-4b24-a9d4-bbae14d014a3", 1),
                ("sess-a", 4),
                ("sess-b", 1),
                ("sess-c", 1),
            ],
        ),
        (
            "model",
            &[
                ("acme-9", 1),
                ("claude-haiku-4-5-20251001", 1),
                ("claude-opus-5", 1),
                ("claude-sonnet-5", 3),
                ("mock-claude", 1),
                ("mock-free", 1),
                ("mock-large", 15),
            ],
        ),
    ];
    for (column, expected) in columns {
        let report = home.json(&format!("report --by {column} {RANGE}"));
        let rows: Vec<(&str, u64)> = report["rows"]
            .as_array()
            .expect("rows")
            .iter()
            .map(|row| {
                let value = row[column].as_str().expect("a value");
                (value, row["responses"].as_u64().expect("a count"))
            })
            .collect();
        assert_eq!(rows, expected, "{column}");
        assert_eq!(report["totals"]["responses"], 23, "{column}");
    }
}

/// Rows of a fork stand at the same places as their originals, in the same database.
#[test]
fn a_fork_found_later_ends_up_as_one_found_at_once() {
    let by_session = |home: &Home| home.tell(&format!("report --by session {RANGE}"));
    let [at_once, later] = [(), ()].map(|()| {
        let home = Home::new();
        home.openclaw_fixture();
        home
    });
    let path = ".openclaw/agents/main/agent/openclaw-agent.sqlite";
    let whole = std::fs::read(later.path().join(path)).expect("the fixture");
    rusqlite::Connection::open(later.path().join(path))
        .and_then(|owner| {
            owner.execute_batch(
                "DELETE FROM transcript_events WHERE session_id LIKE '44f4bbfe%';
                 PRAGMA wal_checkpoint(TRUNCATE)",
            )
        })
        .expect("a change");
    let before = by_session(&later);
    later.write(path, whole);
    assert_ne!(by_session(&later), before);
    let rows = |home: &Home| -> Value {
        let report: Value = serde_json::from_str(&by_session(home)).expect("JSON");
        report["rows"].clone()
    };
    assert_eq!(rows(&later), rows(&at_once));
}

#[test]
fn columns_come_in_the_order_asked_and_each_once() {
    let home = Home::new();
    home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
    let report = home.tell(&format!("report --by model,day,model {RANGE}"));
    let report: serde_json::Map<String, Value> = serde_json::from_str(&report).expect("JSON");
    let keys: Vec<&String> = report["rows"][0]
        .as_object()
        .expect("a row")
        .keys()
        .collect();
    assert_eq!(keys[..3], ["model", "day", "responses"]);
}

/// One response of today, in dollars: 2 input, `output`, 100 cache hits of claude-sonnet-5.
fn cost(output: u64) -> String {
    format!("0.{:09}", 2 * 2_000 + output * 10_000 + 100 * 200)
}

fn home_of_today() -> Home {
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    home
}

#[test]
fn today_is_exactly_this_text() {
    let home = home_of_today();
    let at = now();
    home.claude(
        "p/a.jsonl",
        &[response(1, at, 10), response(2, at - 48 * HOUR, 10)],
    );
    let mut told = home.json("today --json");
    let as_of = told["as_of"].take().as_i64().expect("milliseconds");
    assert!((at..=now()).contains(&as_of), "{as_of}");
    let day = told["day"].take();
    let expected = format!(
        concat!(
            r#"{{"schema":"clawspend.today/1","day":null,"timezone":"{}","as_of":null,"cost_usd":"{}","responses":1,"#,
            r#""tokens":{{"input":2,"output":10,"cache_read":100,"cache_write_5m":0,"cache_write_1h":0,"unsplit":0}},"#,
            r#""unpriced_responses":0}}"#
        ),
        home.zone,
        cost(10)
    );
    assert_eq!(told.to_string(), expected);
    let by_day = home.json(&format!("report --by day --json --timezone {}", home.zone));
    assert_eq!(by_day["rows"][1]["day"], day);
    assert_eq!(by_day["until"], day);
}

#[test]
fn watching_tells_every_change_and_nothing_else() {
    let home = home_of_today();
    let at = now();
    let log = home.claude("p/a.jsonl", &[response(1, at, 10)]);
    let watch = Watch::start(&home);
    assert_eq!(watch.next(), (1, cost(10)));
    append(&log, &response(2, at, 20));
    assert_eq!(watch.next(), (2, sum(&[10, 20])));
    home.claude("p/b.jsonl", &[response(1, at, 10), response(2, at, 20)]);
    // A report waits until the watching process has read the copies.
    let report = home.json("report --json");
    assert_eq!(
        (
            &report["diagnostics"]["counted_lines"],
            &report["totals"]["responses"]
        ),
        (&json!(4), &json!(2))
    );
    append(&log, &response(3, at, 30));
    assert_eq!(watch.next(), (3, sum(&[10, 20, 30])));
}

fn sum(outputs: &[u64]) -> String {
    let nano: u64 = outputs.iter().map(|output| 24_000 + output * 10_000).sum();
    format!("0.{nano:09}")
}

#[test]
fn without_a_refresh_the_ledger_answers() {
    let home = Home::new();
    let log = home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
    let report = |options: &str| home.json(&format!("report {RANGE} {options}"));
    assert_eq!(report("")["totals"]["responses"], 1);
    append(&log, &response(2, NINE, 10));
    assert_eq!(report("--no-refresh")["totals"]["responses"], 1);
    assert_eq!(report("")["totals"]["responses"], 2);
}

#[test]
fn roots_come_from_the_environment() {
    let home = Home::new();
    home.write("claude/projects/p/a.jsonl", response(1, NINE, 10) + "\n");
    home.write(
        "xdg/claude/projects/p/b.jsonl",
        response(2, NINE, 10) + "\n",
    );
    home.claude("p/c.jsonl", &[response(3, NINE, 10)]);
    home.write(
        "state/agents/main/sessions/d.jsonl",
        format!("{}\n", OpenClawLine::default()),
    );
    let sessions = |variables: &[(&str, String)]| -> u64 {
        let mut command = home.command(&format!("report {RANGE}"));
        command.env(
            "CLAWSPEND_DATA_DIR",
            home.path().join(variables[0].1.replace('/', "-")),
        );
        command.envs(variables.iter().map(|(name, value)| (name, value)));
        let answer = crate::home::ended(&mut command);
        let report: Value = serde_json::from_str(&answer.out).expect("JSON");
        report["totals"]["responses"].as_u64().expect("a count")
    };
    let below = |folders: &str| folders.replace('~', &home.text());
    assert_eq!(sessions(&[("NOTHING", "x".into())]), 1);
    assert_eq!(sessions(&[("XDG_CONFIG_HOME", below("~/xdg"))]), 2);
    assert_eq!(sessions(&[("CLAUDE_CONFIG_DIR", below("~/claude"))]), 1);
    assert_eq!(
        sessions(&[("CLAUDE_CONFIG_DIR", below("~/claude, ~/xdg/claude"))]),
        2
    );
    assert_eq!(sessions(&[("OPENCLAW_STATE_DIR", below("~/state"))]), 2);
}

#[test]
fn the_version_names_the_price_book() {
    let told = Home::new().json("version --json");
    let book = clawspend_core::pricing::PriceBook::embedded();
    assert_eq!(
        told,
        json!({
            "schema": "clawspend.version/1",
            "version": env!("CARGO_PKG_VERSION"),
            "price_book": { "date": book.generated_on().to_string(), "sources": book.version() },
        })
    );
}

#[test]
fn doctor_tells_every_root_and_every_line() {
    let home = home();
    home.claude(
        "p/broken.jsonl",
        &[
            r#"{"type":"user","message":{"role":"user","content":"hello"}}"#,
            "",
            r#"{"type":"assistant","message":{"usage":{"input_to"#,
        ],
    );
    home.write(".openclaw/openclaw.json", r#"{"gateway":{"port":1}}"#);
    let mut told = home.json("doctor --json");
    let bytes = told["ledger"]["bytes"].take().as_u64().expect("bytes");
    assert!(bytes > 4096, "{bytes}");
    let roots = told["roots"].take();
    let roots: Vec<Value> = serde_json::from_value(roots).expect("roots");
    let roots: Vec<(String, &Value, &Value)> = roots
        .iter()
        .map(|root| {
            let path = root["path"].as_str().expect("a path");
            (
                path.replace(&home.text(), "~"),
                &root["state"]["kind"],
                &root["files"],
            )
        })
        .collect();
    let (found, missing) = (json!("found"), json!("missing"));
    assert_eq!(
        roots
            .iter()
            .filter(|(path, ..)| !path.contains("Library"))
            .cloned()
            .collect::<Vec<_>>(),
        [
            ("~/.config/claude/projects".to_owned(), &missing, &json!(0)),
            ("~/.claude/projects".to_owned(), &found, &json!(4)),
            ("~/.openclaw/agents".to_owned(), &found, &json!(4)),
            ("~/.clawdbot/agents".to_owned(), &missing, &json!(0)),
            ("~/.moltbot/agents".to_owned(), &missing, &json!(0)),
            ("~/.moldbot/agents".to_owned(), &missing, &json!(0)),
        ]
    );
    told["price_book"].take();
    let known = told["completeness"].take();
    let kept: Vec<_> = known
        .as_array()
        .expect("sources")
        .iter()
        .map(|it| &it["kept_days"])
        .collect();
    assert_eq!(kept, [&json!(36_500), &Value::Null]);
    told["host"].take();
    let text = told.to_string().replace(&home.text(), "~");
    let expected: Value = serde_json::from_str(
        r#"{"schema":"clawspend.doctor/1","roots":null,"diagnostics":{"broken_lines":1,"counted_lines":35,"ignored_lines":{"no_usage":85,"not_assistant":0,"synthetic":0,"zero_usage":1,"blank":1}},"broken":[{"fault":"not_json","path":"~/.claude/projects/p/broken.jsonl","offset":61}],"ledger":{"path":"~/data/ledger.sqlite","bytes":null,"responses":23,"integrity":["ok"]},"config":{"path":"~/config/clawspend.toml"},"price_book":null,"unpriced":[{"name":"mock-free","detail":"","source":"openclaw","amount":{"cost":0,"responses":1,"unpriced_responses":1,"tokens":{"input":700,"output":80,"cache_read":800,"cache_write_5m":0,"cache_write_1h":0,"unsplit":0}},"last_at":1795176900000,"provider":"mock","gaps":[{"gap":"unknown_model","responses":1}]},{"name":"acme-9","detail":"","source":"claude-code","amount":{"cost":0,"responses":1,"unpriced_responses":1,"tokens":{"input":2,"output":10,"cache_read":100,"cache_write_5m":0,"cache_write_1h":0,"unsplit":0}},"last_at":1795165200000,"provider":"","gaps":[{"gap":"unknown_model","responses":1}]}],"repriced":null,"completeness":null,"not_in_logs":"recaps, titles, quota probes and some compaction calls are billed and leave no usage in any log; taxes, credits, discounts and plan limits are not known either","status":{"phase":{"kind":"stopped"},"problems":[],"caught_up_at":null,"gateways":[]},"gateways":[{"name":"local","url":"ws://127.0.0.1:1","default":true,"origin":"local","has_token":false,"paired":false,"warning":null}],"problems":[],"host":null}"#,
    )
    .expect("JSON");
    let told: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(told, expected);
}
