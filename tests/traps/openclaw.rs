//! OpenClaw: the same events in files, rows, archives and copies of both, told by providers of every kind.
//!
//! Unless a case says otherwise a response has input 800, output 300 and cache reads 5000 of claude-sonnet-5. OpenClaw
//! wrote down that it cost $0.0042; by the price book it is $0.0056.

use crate::support::{
    Agent, AgentList, File, Line, amount, case, claude, message, openclaw, opening, packed,
    response, rows, telling, telling_of, text,
};
use clawspend_core::{
    api::Reader,
    report::{Column, ReportRequest},
    time::UnixMillis,
};
use clawspend_tests::home::{Home, drain};
use jiff::{civil::date, tz::TimeZone};
use serde_json::json;
use std::fs;

const ONE: &str =
    "2026-11-20 openclaw /w/claw main s1 claude-sonnet-5 | 1 | 800 300 5000 0 0 | 0.004200000";
const TWO: &str =
    "2026-11-20 openclaw /w/claw main s1 claude-sonnet-5 | 2 | 1600 600 10000 0 0 | 0.008400000";

/// A live file of session s1.
fn live(events: impl IntoIterator<Item = Line>) -> File {
    openclaw(
        "main/sessions/s1.jsonl",
        [opening("s1")].into_iter().chain(events),
    )
}

/// OpenClaw wrote down no cost.
fn without_cost(line: Line) -> Line {
    line.with("message.usage.cost.total", 0.0)
}

fn without_model(line: Line) -> Line {
    line.without("message.model").without("message.provider")
}

#[test]
fn o01_the_model_comes_from_the_last_change() {
    let change = |provider: &str, model: &str| {
        let id = format!("change to {model}");
        Line(json!({"type": "model_change", "id": id, "provider": provider, "modelId": model}))
    };
    case(
        &[live([
            change("anthropic", "claude-opus-5"),
            without_cost(without_model(message("e1"))),
            change("anthropic", "claude-sonnet-5"),
            without_cost(without_model(message("e2"))),
        ])],
        [
            "2026-11-20 openclaw /w/claw main s1 claude-opus-5 | 1 | 800 300 5000 0 0 | 0.014000000",
            "2026-11-20 openclaw /w/claw main s1 claude-sonnet-5 | 1 | 800 300 5000 0 0 | 0.005600000",
            "counted 2, no_usage 3",
        ],
    );
}

#[test]
fn o02_the_model_comes_from_a_snapshot() {
    let snapshot = Line(json!({
        "type": "custom", "customType": "model-snapshot", "id": "c1",
        "data": {"provider": "moonshot", "modelApi": "openai-completions", "modelId": "kimi-k2.5"}
    }));
    case(
        &[live([snapshot, without_cost(without_model(message("e1")))])],
        [
            "2026-11-20 openclaw /w/claw main s1 kimi-k2.5 | 1 | 800 300 5000 0 0 | 0.001880000",
            "counted 1, no_usage 2",
        ],
    );
}

#[test]
fn o03_the_same_event_in_the_database_and_in_the_old_file() {
    for file_first in [true, false] {
        let home = Home::new();
        let file = live([message("e1")]);
        if file_first {
            file.write(&home);
            drain(&mut home.ingest());
        }
        let agent = Agent::new(&home, "main");
        agent.session("s1", [message("e1")]);
        drain(&mut home.ingest());
        file.write(&home);
        let expected = [ONE, "counted 2, no_usage 2"];
        assert_eq!(telling(&home), expected, "file first: {file_first}");
    }
}

#[test]
fn o04_the_same_event_in_a_reset_file_and_in_the_import_archive() {
    let lines = [opening("s1"), message("e1")];
    case(
        &[
            openclaw(
                "main/sessions/s1.jsonl.reset.2026-11-20T12-39-25.525Z",
                lines.clone(),
            ),
            openclaw(
                "main/session-sqlite-import-archive/k1.s1.jsonl.imported-1795178824841",
                lines,
            ),
        ],
        [ONE, "counted 2, no_usage 2"],
    );
}

#[test]
fn o05_the_tier_of_archives_that_was_never_imported() {
    let lines = [opening("s1"), message("e1")];
    let name = "archive-tier.s1.jsonl.imported-1795178824841";
    case(
        &[openclaw(
            &format!("main/session-sqlite-import-archive/{name}"),
            lines,
        )],
        [ONE, "counted 1, no_usage 1"],
    );
}

#[test]
fn o06_a_packed_archive() {
    let name = "main/sessions/s1.jsonl.deleted.2026-11-20T12-39-34.760Z.f6462a0f3b1740808df9290e393a5996.zst";
    let whole = packed(name, [opening("s1"), message("e1")]);
    case(std::slice::from_ref(&whole), [ONE, "counted 1, no_usage 1"]);

    // Cut, it tells what it can, and where it ends; whole again, it is read again.
    let home = Home::new();
    let lines = text([opening("s1"), message("e1")]).repeat(2000);
    let pack = |text: &str| zstd::encode_all(text.as_bytes(), 3).expect("packed");
    let mut cut = [pack(&lines), pack("{\"type\":\"leaf\"}\n")].concat();
    cut.truncate(cut.len() - 3);
    File {
        bytes: cut,
        ..whole.clone()
    }
    .write(&home);
    let broken = format!("BadCompression at .openclaw/agents/{name}:{}", lines.len());
    let expected = [ONE, "counted 2000, no_usage 2000, broken 1", &broken];
    assert_eq!(telling(&home), expected);
    whole.write(&home);
    assert_eq!(telling(&home), [ONE, "counted 1, no_usage 1"]);

    // What is no archive at all is told, and so is one that unpacks to an absurd size.
    let blank = [&[b' '; 1023][..], b"\n"].concat();
    let bomb = zstd::encode_all(blank.repeat(65 << 10).as_slice(), 3).expect("packed");
    assert!(bomb.len() < 65_000, "{}", bomb.len());
    for (bytes, expected) in [
        (
            b"no frame".to_vec(),
            [
                "broken 1".to_owned(),
                format!("BadCompression at .openclaw/agents/{name}:0"),
            ],
        ),
        (
            bomb,
            [
                format!("blank {}, broken 1", 64 << 10),
                format!("BadCompression at .openclaw/agents/{name}:{}", 64 << 20),
            ],
        ),
    ] {
        let home = Home::new();
        File {
            bytes,
            ..whole.clone()
        }
        .write(&home);
        assert_eq!(telling(&home), expected);
    }
}

#[test]
fn o07_the_table_of_archives_and_the_file_made_from_it() {
    let lines = text([opening("s1"), message("e1")]);
    for encoding in ["identity", "zstd"] {
        let home = Home::new();
        let agent = Agent::new(&home, "main");
        agent.archive("s1", encoding, &lines);
        assert_eq!(telling(&home), [ONE, "counted 1, no_usage 1"], "{encoding}");
        packed(
            "main/sessions/s1.jsonl.deleted.2026-11-20T12-39-34.760Z.g.zst",
            [&lines[..lines.len() - 1]],
        )
        .write(&home);
        assert_eq!(
            telling(&home),
            [ONE, "counted 2, no_usage 2"],
            "{encoding}, and the file"
        );
    }
}

#[test]
fn o08_a_database_that_is_locked_keeps_its_last_figures() {
    let home = Home::new();
    let agent = Agent::new(&home, "main");
    agent.session("s1", [message("e1")]);
    let mut ingest = home.ingest();
    assert_eq!(
        telling_of(&home, &mut ingest),
        [ONE, "counted 1, no_usage 1"]
    );
    agent
        .owner
        .pragma_update(None, "locking_mode", "exclusive")
        .expect("set");
    agent.event("s1", 2, &message("e2"));
    let path = home
        .path()
        .join(".openclaw/agents/main/agent/openclaw-agent.sqlite");
    for _ in 0..2 {
        let told = telling_of(&home, &mut ingest);
        assert_eq!(told, [ONE, "counted 1, no_usage 1", "database_busy"]);
        assert_eq!(
            ingest.follower.waiting(),
            std::slice::from_ref(&path),
            "to be tried again"
        );
    }
    agent
        .owner
        .pragma_update(None, "locking_mode", "normal")
        .expect("set");
    agent.event("s1", 3, &Line(json!({"type": "leaf", "id": "e3"})));
    assert_eq!(
        telling_of(&home, &mut ingest),
        [TWO, "counted 2, no_usage 2"]
    );
    assert!(ingest.follower.waiting().is_empty());
}

#[test]
fn o09_a_fork_copies_events_to_a_new_session() {
    let home = Home::new();
    let agent = Agent::new(&home, "main");
    agent.session("s1", [message("e1"), message("e2")]);
    agent.session("s2", [message("e1"), message("e2")]);
    assert_eq!(telling(&home), [TWO, "counted 4, no_usage 2"]);
    // In the older era too.
    case(
        &[
            live([message("e1"), message("e2")]),
            openclaw(
                "main/sessions/s2.jsonl",
                [opening("s2"), message("e1"), message("e2")],
            ),
        ],
        [TWO, "counted 4, no_usage 2"],
    );
}

/// A fork begins after what it copied was made: whatever its id, the history stays with the session that made it.
#[test]
fn o09_a_fork_takes_nothing_from_the_session_it_copied() {
    let forked = |id: &str| opening(id).with("timestamp", "2026-11-20T10:00:00.000Z");
    let own = message("e3").with("message.timestamp", 1_795_172_400_000_u64);
    let rows = [
        "2026-11-20 openclaw /w/claw main a0 claude-sonnet-5 | 1 | 800 300 5000 0 0 | 0.004200000",
        TWO,
    ];
    case(
        &[
            live([message("e1"), message("e2")]),
            openclaw(
                "main/sessions/a0.jsonl",
                [forked("a0"), message("e1"), message("e2"), own.clone()],
            ),
        ],
        [rows[0], rows[1], "counted 5, no_usage 2"],
    );
    let home = Home::new();
    let agent = Agent::new(&home, "main");
    agent.session("s1", [message("e1"), message("e2")]);
    assert_eq!(telling(&home), [TWO, "counted 2, no_usage 1"]);
    agent.session("a0", [message("e1"), message("e2"), own]);
    let header = forked("a0").to_string();
    agent.run(
        "UPDATE transcript_events SET event_json = ?1 WHERE session_id = 'a0' AND seq = 0",
        [header],
    );
    assert_eq!(telling(&home), [rows[0], rows[1], "counted 5, no_usage 2"]);
}

#[test]
fn o10_a_rewrite_takes_nothing_back_and_adds_nothing_twice() {
    let home = Home::new();
    let agent = Agent::new(&home, "main");
    let mark = "INSERT OR REPLACE INTO transcript_rewrite_watermarks VALUES ('s1', ?1, 0)";
    agent.run(mark, ["one"]);
    agent.session("s1", [message("e1"), message("e2")]);
    assert_eq!(telling(&home), [TWO, "counted 2, no_usage 1"]);
    agent.run("DELETE FROM transcript_events WHERE seq > 0", []);
    agent.event("s1", 1, &message("e2"));
    agent.event("s1", 2, &message("e3"));
    agent.run(mark, ["two"]);
    let three = "2026-11-20 openclaw /w/claw main s1 claude-sonnet-5 | 3 | 2400 900 15000 0 0 | 0.012600000";
    assert_eq!(rows_of(&home), [three]);
    assert_eq!(rows_of(&home), [three], "and again");
}

fn rows_of(home: &Home) -> Vec<String> {
    drain(&mut home.ingest());
    rows(&home.everything())
}

/// One row of one response: everything but its model and amount is as [`message`] says.
#[track_caller]
fn one_message(line: Line, model_and_amount: &str) {
    let row = format!("2026-11-20 openclaw /w/claw main s1 {model_and_amount}");
    case(&[live([line])], [row.as_str(), "counted 1, no_usage 1"]);
}

fn by(provider: &str, model: &str) -> Line {
    let line = message("e1").with("message.provider", provider);
    without_cost(line.with("message.model", model))
}

/// $0.60, $0.10 and $3.00 per million of input, cache reads and output.
#[test]
fn o11_a_cost_of_zero_means_that_no_price_was_known() {
    let used = json!({"input": 7_000, "output": 1_000, "cacheRead": 2_000, "cost": {"total": 0}});
    let line = by("moonshot", "kimi-k2.5").with("message.usage", used.clone());
    one_message(line, "kimi-k2.5 | 1 | 7000 1000 2000 0 0 | 0.007400000");
    // Nor is it free where we know no price either.
    let line = by("moonshot", "foo-9").with("message.usage", used);
    one_message(
        line,
        "foo-9 | 1 | 7000 1000 2000 0 0 | 0.000000000 and 1 unpriced",
    );
    // A negative one is none.
    let line = message("e1").with("message.usage.cost.total", -0.5);
    one_message(line, "claude-sonnet-5 | 1 | 800 300 5000 0 0 | 0.005600000");
}

#[test]
fn o12_what_runs_at_home_is_free() {
    for provider in ["ollama", "lmstudio", "llama.cpp", "vllm"] {
        one_message(
            by(provider, "qwen3:32b"),
            "qwen3:32b | 1 | 800 300 5000 0 0 | 0.000000000",
        );
    }
    // A hosted model behind the local server is not.
    let line = by("ollama", "foo-9:cloud");
    one_message(
        line,
        "foo-9:cloud | 1 | 800 300 5000 0 0 | 0.000000000 and 1 unpriced",
    );
}

#[test]
fn o13_mirrors_of_delivery_are_no_responses() {
    case(
        &[live([
            by("openclaw", "delivery-mirror"),
            by("openclaw", "gateway-injected"),
            message("e2").with("message.api", "openclaw-transcript"),
        ])],
        ["no_usage 1, synthetic 3"],
    );
}

#[test]
fn o14_a_total_that_is_not_split_has_no_price() {
    let line = message("e1").with("message.usage", json!({"totalTokens": 222}));
    one_message(
        line,
        "claude-sonnet-5 | 1 | 0 0 0 0 0 +222 | 0.000000000 and 1 unpriced",
    );
}

#[test]
fn o15_the_messages_own_time_decides_the_day() {
    let line = message("e1")
        .with("timestamp", "2026-11-20T00:00:30.000Z")
        .with("message.timestamp", 1_795_132_770_000_u64);
    let expected = [
        "2026-11-19 openclaw /w/claw main s1 claude-sonnet-5 | 1 | 800 300 5000 0 0 | 0.004200000",
        "counted 1, no_usage 1",
    ];
    case(&[live([line.clone()])], expected);
    // Seconds are told from milliseconds.
    case(
        &[live([line.with("message.timestamp", 1_795_132_770)])],
        expected,
    );
}

#[test]
fn o16_an_agent_without_an_entry_in_the_config() {
    let home = Home::new();
    live([message("e1")]).write(&home);
    openclaw("ops/sessions/s2.jsonl", [opening("s2"), message("e2")]).write(&home);
    let config = r#"{ agents: { list: [{ id: "main" }] } }"#;
    fs::write(home.path().join(".openclaw/openclaw.json"), config).expect("writable");
    let expected = [
        ONE,
        "2026-11-20 openclaw /w/claw ops s2 claude-sonnet-5 | 1 | 800 300 5000 0 0 | 0.004200000",
        "counted 2, no_usage 2",
    ];
    assert_eq!(telling(&home), expected);
}

/// A record of Codex, in the middle of 20 November.
fn codex(second: u32, kind: &str, payload: impl Into<serde_json::Value>) -> Line {
    let timestamp = format!("2026-11-20T09:00:{second:02}.000Z");
    Line(json!({"timestamp": timestamp, "type": kind, "payload": payload.into()}))
}

fn header(thread: &str) -> Line {
    let payload = json!({"id": thread, "cwd": "/w/codex", "model_provider": "openai", "cli_version": "0.155.1"});
    codex(0, "session_meta", payload)
}

fn turn(second: u32, id: &str) -> Line {
    let payload = json!({"turn_id": id, "cwd": "/w/codex", "model": "gpt-5.5"});
    codex(second, "turn_context", payload)
}

/// The `n`-th response of a thread: input 1000 times n, of which 400 were cached, output 10 times n.
fn used(second: u32, n: u64) -> Line {
    let count = |input: u64, cached: u64, output: u64| {
        json!({
            "input_tokens": input, "cached_input_tokens": cached, "output_tokens": output,
            "reasoning_output_tokens": output / 2, "total_tokens": input + output
        })
    };
    let upto = n * (n + 1) / 2;
    let info = json!({
        "total_token_usage": count(1000 * upto, 400 * n, 10 * upto),
        "last_token_usage": count(1000 * n, 400, 10 * n), "model_context_window": 258_400
    });
    codex(
        second,
        "event_msg",
        json!({"type": "token_count", "info": info, "rate_limits": null}),
    )
}

fn rollout(thread: &str, records: impl IntoIterator<Item = Line>) -> File {
    let name = format!("rollout-2026-11-20T09-00-00-{thread}.jsonl");
    openclaw(
        &format!("main/agent/codex-home/sessions/2026/11/20/{name}"),
        [header(thread)].into_iter().chain(records),
    )
}

/// OpenClaw's row for a turn: the figures of its last response.
fn mirror(id: &str, turn: &str, n: u64) -> Line {
    let usage = json!({"input": 1000 * n - 400, "output": 10 * n, "cacheRead": 400, "cacheWrite": 0, "cost": {"total": 0}});
    by("openai-codex", "gpt-5.5")
        .with("id", id)
        .with("message.usage", usage)
        .with(
            "message.idempotencyKey",
            format!("codex-app-server:thread-1:{turn}:assistant"),
        )
}

/// Three responses at $5, $0.50 and $30 per million, and the next turn, of which the rollout knows nothing yet.
#[test]
fn o17_a_turn_of_codex_is_told_by_its_rollout_and_mirrored() {
    let told = rollout(
        "thread-1",
        [turn(1, "turn-1"), used(2, 1), used(3, 2), used(4, 3)],
    );
    case(
        &[
            live([mirror("e1", "turn-1", 3), mirror("e2", "turn-2", 4)]),
            told.clone(),
        ],
        [
            "2026-11-20 openclaw /w/claw main s1 gpt-5.5 | 4 | 8400 100 1600 0 0 | 0.045800000",
            "counted 5, no_usage 3",
        ],
    );
    // Whatever a mirror says: its turn is known better. In the database too.
    let home = Home::new();
    let agent = Agent::new(&home, "main");
    agent.session("s1", [mirror("e1", "turn-1", 9)]);
    told.write(&home);
    let expected = [
        "2026-11-20 openclaw /w/claw main s1 gpt-5.5 | 3 | 4800 60 1200 0 0 | 0.026400000",
        "counted 4, no_usage 3",
    ];
    assert_eq!(telling(&home), expected);
}

/// Codex repeats its counts when nothing new was used, copies whole threads to forks, and packs old files.
#[test]
fn o28_what_codex_writes_again_counts_once() {
    let limits = codex(
        5,
        "event_msg",
        json!({"type": "token_count", "info": null, "rate_limits": {}}),
    );
    let records = [
        turn(1, "turn-1"),
        used(2, 1),
        used(3, 1),
        limits,
        turn(6, "turn-2"),
        used(7, 1),
        used(8, 2),
    ];
    let fork = [header("thread-1")].into_iter().chain(records.clone());
    let fork = rollout("thread-2", fork.chain([turn(20, "turn-3"), used(21, 3)]));
    let mut packed = rollout("thread-1", records.clone());
    packed.path = packed
        .path
        .replace("sessions/2026/11/20", "archived_sessions")
        + ".zst";
    packed.bytes = zstd::encode_all(packed.bytes.as_slice(), 3).expect("packed in memory");
    let expected = [
        "2026-11-20 openclaw /w/codex main thread-1 gpt-5.5 | 2 | 2200 30 800 0 0 | 0.012300000",
        "2026-11-20 openclaw /w/codex main thread-2 gpt-5.5 | 1 | 2600 30 400 0 0 | 0.014100000",
    ];
    let [first, second] = expected;
    case(
        &[rollout("thread-1", records), packed, fork],
        [first, second, "counted 7, no_usage 14, zero_usage 6"],
    );
}

/// Of a turn without an id nothing tells whether it is mirrored; so only the mirror counts.
#[test]
fn o29_a_turn_of_codex_without_an_id() {
    let nameless = codex(1, "turn_context", json!({"model": "gpt-5.5"}));
    case(
        &[
            rollout("thread-1", [nameless, used(2, 1)]),
            live([mirror("e1", "turn-1", 1)]),
        ],
        [
            "2026-11-20 openclaw /w/claw main s1 gpt-5.5 | 1 | 600 10 400 0 0 | 0.003500000",
            "counted 1, no_usage 3, broken 1",
            "NamelessTurn at .openclaw/agents/main/agent/codex-home/sessions/2026/11/20/rollout-2026-11-20T09-00-00-thread-1.jsonl:251",
        ],
    );
}

/// A row that stands for a turn of the Codex harness, whose own log is not there.
#[test]
fn o18_a_mirrored_turn_of_codex_counts_once() {
    let mirror = by("openai-codex", "gpt-5.5").with(
        "message.idempotencyKey",
        "codex-app-server:thread-1:turn-1:assistant",
    );
    let home = Home::new();
    let agent = Agent::new(&home, "main");
    agent.session("s1", [mirror.clone()]);
    live([mirror]).write(&home);
    let expected = [
        "2026-11-20 openclaw /w/claw main s1 gpt-5.5 | 1 | 800 300 5000 0 0 | 0.015500000",
        "counted 2, no_usage 2",
    ];
    assert_eq!(telling(&home), expected);
}

#[cfg(unix)]
#[test]
fn o19_the_old_install_is_a_link_to_the_new_one() {
    let home = Home::new();
    live([message("e1")]).write(&home);
    let links = [".clawdbot", ".moltbot"].map(|name| home.path().join(name));
    for link in links {
        std::os::unix::fs::symlink(home.path().join(".openclaw"), link).expect("linked");
    }
    assert_eq!(telling(&home), [ONE, "counted 1, no_usage 1"]);
    // A copy instead of a link.
    let mut copy = live([message("e1")]);
    copy.path = copy.path.replace(".openclaw", ".moldbot");
    copy.write(&home);
    assert_eq!(telling(&home), [ONE, "counted 2, no_usage 2"]);
}

/// How a session came about, and over which channel, stands beside its transcript.
#[test]
fn o20_a_session_started_by_cron_over_a_channel() {
    let home = Home::new();
    let agent = Agent::new(&home, "main");
    agent.session("s1", [message("e1")]);
    agent.run(
        "UPDATE session_nodes SET created_via = 'cron', label = 'nightly'",
        [],
    );
    agent.run(
        "UPDATE session_windows SET channel = 'telegram', chat_type = 'direct'",
        [],
    );
    assert_eq!(telling(&home), [ONE, "counted 1, no_usage 1"]);
    let columns = ["created", "channel", "chat_type", "label"];
    let request = ReportRequest {
        by: columns
            .map(|word| Column::of_word(word).expect("a column"))
            .into(),
        only: Vec::new(),
        since: date(2026, 1, 1),
        until: date(2026, 12, 31),
        zone: TimeZone::UTC,
    };
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let rows = reader.report(request).expect("a report").rows;
    let told: Vec<_> = rows
        .into_iter()
        .map(|row| (row.values, row.amount.responses))
        .collect();
    let row = ["cron", "telegram", "direct", "nightly"].map(str::to_owned);
    assert_eq!(told, [(row.to_vec(), 1)]);
}

/// Events of the older era have eight hex digits for an id: two sessions may well have the same.
#[test]
fn o21_an_id_alone_is_not_a_response() {
    let other = message("e1").with("message.timestamp", 1_795_165_300_000_u64);
    case(
        &[
            live([message("e1")]),
            openclaw("main/sessions/s2.jsonl", [opening("s2"), other]),
        ],
        [
            ONE,
            "2026-11-20 openclaw /w/claw main s2 claude-sonnet-5 | 1 | 800 300 5000 0 0 | 0.004200000",
            "counted 2, no_usage 2",
        ],
    );
}

/// A file's modification time moves with every line that is added and with every copy, so a day taken from it would
/// depend on when the file was read. What has no time, on it or before it, is told instead.
#[test]
fn o22_an_event_without_any_time() {
    let timeless = message("e1")
        .without("timestamp")
        .without("message.timestamp");
    case(
        &[openclaw("main/sessions/s1.jsonl", [timeless.clone()])],
        [
            "broken 1",
            "BadTimestamp at .openclaw/agents/main/sessions/s1.jsonl:0",
        ],
    );
    // The header's time is near enough.
    case(&[live([timeless.clone()])], [ONE, "counted 1, no_usage 1"]);
    // A row has the time it was written.
    let home = Home::new();
    let agent = Agent::new(&home, "main");
    agent.session("s1", [timeless]);
    assert_eq!(telling(&home), [ONE, "counted 1, no_usage 1"]);
}

/// OpenClaw may run Claude Code as its backend: both logs tell of one response, each under its own id, and nothing
/// proves that they are one. Both are shown, each under its source.
#[test]
fn o23_what_both_agents_logged_stays_apart() {
    case(
        &[
            live([message("e1").with("message.provider", "claude-cli")]),
            claude(
                "s9.jsonl",
                [response("msg_01AAAAAAAAAAAAAAAAAAAAAA", "req_A", 10)],
            ),
        ],
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
            ONE,
            "counted 2, no_usage 1",
        ],
    );
}

/// OpenAI's shape counts cached input inside the input.
#[test]
fn o24_cached_input_inside_the_input() {
    let used = json!({
        "prompt_tokens": 5_800, "completion_tokens": 300, "total_tokens": 6_100,
        "prompt_tokens_details": {"cached_tokens": 5_000}
    });
    let line = by("openai", "gpt-5.5").with("message.usage", used);
    one_message(line, "gpt-5.5 | 1 | 800 300 5000 0 0 | 0.015500000");
}

/// Beside the transcripts lie copies and notes of other kinds; their names tell them apart.
#[test]
fn o25_checkpoints_trajectories_and_backups_are_no_transcripts() {
    let home = Home::new();
    live([message("e1")]).write(&home);
    for name in [
        "s1.checkpoint.0b243ddd-d81c-428f-8097-d4747d0a7f41.jsonl",
        "s1.trajectory.jsonl",
        "s1.jsonl.bak.1795177724011",
        "s1.jsonl.lock",
        "sessions.json.bak.1",
        "s1.trajectory-path.json",
        ".usage-cost-cache.json",
    ] {
        openclaw(
            &format!("main/sessions/{name}"),
            [opening("s1"), message("another")],
        )
        .write(&home);
    }
    let index = r#"{"agent:main:main":{"sessionId":"s1","inputTokens":500,"outputTokens":60,"totalTokens":1300}}"#;
    fs::write(
        home.path()
            .join(".openclaw/agents/main/sessions/sessions.json"),
        index,
    )
    .expect("written");
    let incognito = Agent::new(&home, "main");
    incognito.session("s7", [message("e7")]);
    drop(incognito);
    let folder = home.path().join(".openclaw/agents/main/agent");
    fs::rename(
        folder.join("openclaw-agent.sqlite"),
        folder.join("incognito-openclaw-agent.sqlite"),
    )
    .expect("renamed");
    assert_eq!(telling(&home), [ONE, "counted 1, no_usage 1"]);
}

#[test]
fn o26_packed_events_of_a_database() {
    let home = Home::new();
    let agent = Agent::new(&home, "main");
    agent.session("s1", []);
    let long = message("e1").with(
        "message.content",
        json!([{"type": "text", "text": "x".repeat(5000)}]),
    );
    let pack = |text: &str| zstd::encode_all(text.as_bytes(), 3).expect("packed in memory");
    let sql = "INSERT INTO transcript_events (session_id, seq, event_zstd, created_at) VALUES ('s1', ?1, ?2, 0)";
    agent.run(sql, (1, pack(&long.to_string())));
    agent.run(sql, (2, b"no frame".to_vec()));
    let expected = [
        ONE,
        "counted 1, no_usage 1, broken 1",
        "BadCompression at .openclaw/agents/main/agent/openclaw-agent.sqlite:2",
    ];
    assert_eq!(telling(&home), expected);
    let totals = home.everything().totals;
    assert_eq!(amount(&totals), "1 | 800 300 5000 0 0 | 0.004200000");
}

/// The config may put an agent's database anywhere; OpenClaw's own list says where.
#[test]
fn o27_an_agents_database_moved_by_the_config() {
    let home = Home::new();
    let folders = [
        home.path().join("elsewhere/ops"),
        home.path().join(".openclaw/stores/web"),
    ];
    let agents = folders.clone().map(|folder| Agent::at(&folder));
    let list = AgentList::new(&home);
    list.add(
        "ops",
        &folders[0]
            .join("openclaw-agent.sqlite")
            .display()
            .to_string(),
    );
    list.add("web", "stores/web/openclaw-agent.sqlite");
    list.add("main", "agents/main/agent/openclaw-agent.sqlite");
    list.add("gone", "stores/gone/openclaw-agent.sqlite");
    list.add("shared", "state/memory/shared-0123456789abcdef.sqlite");
    let main = Agent::new(&home, "main");
    main.session("s1", [message("e1")]);
    agents[0].session("s2", [message("e2")]);
    agents[1].session("s3", [message("e3")]);
    let row = |agent: &str, amount: &str| {
        format!("2026-11-20 openclaw /w/claw {agent} claude-sonnet-5 | {amount}")
    };
    let one = "1 | 800 300 5000 0 0 | 0.004200000";
    let mut ingest = home.ingest();
    let expected = [
        ONE.to_owned(),
        row("ops s2", one),
        row("web s3", one),
        "counted 3, no_usage 3".to_owned(),
    ];
    assert_eq!(telling_of(&home, &mut ingest), expected);
    // Between full scans it is looked at like any other file.
    agents[0].event("s2", 2, &message("e4"));
    ingest.examine(&[folders[0].join("openclaw-agent.sqlite-wal")]);
    while ingest.is_behind() {
        ingest.step(UnixMillis::now()).expect("a batch");
    }
    let ops = row("ops s2", "2 | 1600 600 10000 0 0 | 0.008400000");
    assert_eq!(rows(&home.everything())[1], ops);
    // A list that cannot be read takes nothing away, and is told.
    list.owner
        .pragma_update(None, "locking_mode", "exclusive")
        .expect("set");
    list.add("locked", "stores/locked/openclaw-agent.sqlite");
    agents[1].event("s3", 2, &message("e5"));
    let expected = [
        ONE.to_owned(),
        ops,
        row("web s3", "2 | 1600 600 10000 0 0 | 0.008400000"),
        "counted 5, no_usage 3".to_owned(),
        "database_busy".to_owned(),
    ];
    assert_eq!(telling_of(&home, &mut ingest), expected);
}
