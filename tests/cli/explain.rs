//! Every figure can be asked why, and answers.

use crate::home::{Answer, HOUR, Home, MINUTE, NINE};
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage};
use serde_json::{Value, json};

const ID: &str = "msg_011111111111111111111111";

/// A response streamed in two lines, repeated by a side question and copied by a fork a day later; and one of a model
/// that nobody knows.
fn home() -> Home {
    let home = Home::new();
    let line = ClaudeLine {
        message_id: ID,
        session: "s1",
        branch: "main",
        at: NINE,
        model: "claude-opus-5",
        usage: ClaudeUsage {
            input: 10,
            output: 50,
            cache_read: 100_000,
            cache_write: 1_200,
            one_hour: Some(1_000),
            searches: 2,
            speed: Some("\"fast\""),
            ..ClaudeUsage::default()
        },
        ..ClaudeLine::default()
    };
    let with_output = |output| ClaudeLine {
        usage: ClaudeUsage {
            output,
            ..line.usage
        },
        ..line
    };
    let unknown = ClaudeLine {
        uuid: "00000000-0000-4000-8000-000000000004",
        message_id: "msg_033333333333333333333333",
        model: "acme-9",
        at: NINE + MINUTE,
        ..line
    };
    home.claude(
        "-home-dev-demo/s1.jsonl",
        &[
            with_output(3).to_string(),
            with_output(159).to_string(),
            unknown.to_string(),
        ],
    );
    let side = ClaudeLine {
        sidechain: true,
        ..with_output(159)
    };
    home.claude(
        "-home-dev-demo/s1/subagents/agent-7.jsonl",
        &[side.to_string()],
    );
    let fork = ClaudeLine {
        session: "s2",
        ..with_output(159)
    };
    home.claude("-home-dev-demo/s2.jsonl", &[fork.to_string()]);
    home
}

/// What a command says, with the home's own path left out.
fn tell(home: &Home, arguments: &str) -> String {
    let slash = std::path::MAIN_SEPARATOR.to_string();
    home.tell(arguments)
        .replace(&home.text(), "~")
        .replace(&slash, "/")
}

#[test]
fn a_response_shows_its_receipt_and_all_its_copies() {
    let expected = "\
1f75126634ada482 of Claude Code, 2026-11-20 09:00:00.000 +00:00
It cost $0.150550000.

model        claude-opus-5
ended with   end_turn
agent        main
session      s1
project      /home/dev/demo
branch       main

tokens                           a million          cost
──────────────────────  ───────  ─────────  ────────────
input                        10         $5  $0.000050000
output                      159        $25  $0.003975000
cache read              100,000       $0.5  $0.050000000
cache write, 5 minutes      200      $6.25  $0.001250000
cache write, 1 hour       1,000        $10  $0.010000000
fast mode                                            × 2
web searches                                $0.020000000
──────────────────────  ───────  ─────────  ────────────
computed                                    $0.150550000

Price of claude-opus-5 (anthropic book), valid at all times known: the name is the same; no seller with a price of its own is named, and the model is of anthropic.
Claude Code: the computed cost counts; its log states none.

Where it is told

  ~/.claude/projects/-home-dev-demo/s1.jsonl, byte 0
      an earlier snapshot, with less output; the earliest: it says when, and whose it is (3 output, 101,213 in all; 2026-11-20 09:00:00.000 +00:00, session s1)
  ~/.claude/projects/-home-dev-demo/s1.jsonl, byte 857
      its figures count (159 output, 101,369 in all; 2026-11-20 09:00:00.000 +00:00, session s1)
  ~/.claude/projects/-home-dev-demo/s1/subagents/agent-7.jsonl, byte 0
      a side chain's copy (159 output, 101,369 in all; 2026-11-20 09:00:00.000 +00:00, session s1)
  ~/.claude/projects/-home-dev-demo/s2.jsonl, byte 0
      says the same (159 output, 101,369 in all; 2026-11-20 09:00:00.000 +00:00, session s2)
";
    let home = home();
    assert_eq!(tell(&home, &format!("explain {ID}")), expected);
}

#[test]
fn what_would_steer_the_terminal_is_spelt_out() {
    let home = Home::new();
    let line = ClaudeLine {
        message_id: ID,
        session: r"s\u001b[8m",
        cwd: r"/w/\u202egnp.exe",
        branch: r"a\u001b[2J\nb",
        model: r"acme\u001b]0;9\u0007",
        at: NINE,
        ..ClaudeLine::default()
    };
    home.claude("p/s1.jsonl", &[line]);
    let expected = r"1f75126634ada482 of Claude Code, 2026-11-20 09:00:00.000 +00:00
Its cost is not known.

model        acme\u{1b}]0;9\u{7}
ended with   end_turn
agent        main
session      s\u{1b}[8m
project      /w/\u{202e}gnp.exe
branch       a\u{1b}[2J\u{a}b

No cost can be computed: no price known for this model.
Claude Code: the computed cost counts; its log states none.

Where it is told

  ~/.claude/projects/p/s1.jsonl, byte 0
      its figures count; the earliest: it says when, and whose it is (10 output, 112 in all; 2026-11-20 09:00:00.000 +00:00, session s\u{1b}[8m)
";
    assert_eq!(tell(&home, &format!("explain {ID}")), expected);
}

#[test]
fn a_day_shows_each_price_and_the_dearest_responses() {
    let expected = "\
≥ $0.150550000 for 2 responses; the cost of 1 is not known.

model          price           tokens                           a million            cost
─────────────  ──────────────  ──────────────────────  ───────  ─────────  ──────────────
acme-9         not known       all                     101,260                    unknown
claude-opus-5  book, fast × 2  cache read              100,000       $0.5    $0.100000000
claude-opus-5  book, fast × 2  cache write, 1 hour       1,000        $10    $0.020000000
claude-opus-5  book, fast × 2  cache write, 5 minutes      200      $6.25    $0.002500000
claude-opus-5  book, fast × 2  input                        10         $5    $0.000100000
claude-opus-5  book, fast × 2  output                      159        $25    $0.007950000
claude-opus-5  book, fast × 2  web searches                                  $0.020000000
─────────────  ──────────────  ──────────────────────  ───────  ─────────  ──────────────
total                                                                      ≥ $0.150550000

response          made                            model           tokens          cost
────────────────  ──────────────────────────────  ─────────────  ───────  ────────────
1f75126634ada482  2026-11-20 09:00:00.000 +00:00  claude-opus-5  101,369  $0.150550000
1515ecfeb3cdaeac  2026-11-20 09:01:00.000 +00:00  acme-9         101,260       unknown
";
    let home = home();
    assert_eq!(tell(&home, "explain 2026-11-20"), expected);
}

#[test]
fn a_message_id_means_all_that_is_billed_under_it() {
    let home = Home::new();
    let line = ClaudeLine {
        message_id: ID,
        at: NINE,
        ..ClaudeLine::default()
    };
    let steps = r#""usage":{"iterations":[
        {"type":"message","input_tokens":2,"output_tokens":10},
        {"type":"advisor_message","model":"claude-opus-5","input_tokens":1000,"output_tokens":100}],"#
        .replace("\n        ", "");
    let line = line.to_string().replace(r#""usage":{"#, &steps);
    home.claude("p/s1.jsonl", &[line]);
    let expected = "\
$0.007624000 for 2 responses.

model            price  tokens             a million          cost
───────────────  ─────  ──────────  ─────  ─────────  ────────────
claude-opus-5    book   input       1,000         $5  $0.005000000
claude-opus-5    book   output        100        $25  $0.002500000
claude-sonnet-5  book   cache read    100       $0.2  $0.000020000
claude-sonnet-5  book   input           2         $2  $0.000004000
claude-sonnet-5  book   output         10        $10  $0.000100000
───────────────  ─────  ──────────  ─────  ─────────  ────────────
total                                                 $0.007624000

response          made                            model            tokens          cost
────────────────  ──────────────────────────────  ───────────────  ──────  ────────────
b87509227b190aa1  2026-11-20 09:00:00.000 +00:00  claude-opus-5     1,100  $0.007500000
1f75126634ada482  2026-11-20 09:00:00.000 +00:00  claude-sonnet-5     112  $0.000124000
";
    assert_eq!(tell(&home, &format!("explain {ID}")), expected);
    // Each of them has a name of its own.
    let one = home.json("explain 1f75126634ada482 --json");
    assert_eq!(one["responses"][0]["cost_usd"], "0.000124000");

    // Too short to be unique: two responses share it.
    let home = Home::new();
    let line = |uuid, request_id, input| ClaudeLine {
        uuid,
        message_id: "msg_1",
        request_id,
        at: NINE,
        usage: ClaudeUsage {
            input,
            ..ClaudeLine::default().usage
        },
        ..ClaudeLine::default()
    };
    home.claude(
        "p/s1.jsonl",
        &[line("u1", "req_1", 2), line("u2", "req_2", 1002)],
    );
    let told = home.json("explain msg_1 --json");
    let told: Vec<_> = told["responses"]
        .as_array()
        .expect("responses")
        .iter()
        .map(|one| [&one["response"], &one["cost_usd"]])
        .collect();
    assert_eq!(
        json!(told),
        json!([
            ["cbe1859735b378b9", "0.002124000"],
            ["cbe1859735b378b9-2", "0.000124000"]
        ])
    );
}

#[test]
fn a_day_without_any_known_cost_is_not_free() {
    let home = Home::new();
    let line = ClaudeLine {
        message_id: ID,
        model: "acme-9",
        at: NINE,
        ..ClaudeLine::default()
    };
    home.claude("p/s1.jsonl", &[line]);
    let expected = "\
The cost of 1 response is unknown.

model   price      tokens       a million     cost
──────  ─────────  ──────  ───  ─────────  ───────
acme-9  not known  all     112             unknown
──────  ─────────  ──────  ───  ─────────  ───────
total                                      unknown

response          made                            model   tokens     cost
────────────────  ──────────────────────────────  ──────  ──────  ───────
1f75126634ada482  2026-11-20 09:00:00.000 +00:00  acme-9     112  unknown
";
    assert_eq!(tell(&home, "explain 2026-11-20"), expected);
}

#[test]
fn the_same_as_json() {
    let home = home();
    let told: Value =
        serde_json::from_str(&tell(&home, &format!("explain {ID} --json"))).expect("JSON");
    let place = |file: &str, session: &str, offset: u64| {
        json!({
            "path": format!("~/.claude/projects/-home-dev-demo/{file}"), "session": session, "offset": offset, "kind": "line",
        })
    };
    let tokens = |output: u64| {
        json!({
            "input": 10, "output": output, "cache_read": 100_000, "cache_write_5m": 200, "cache_write_1h": 1_000,
            "unsplit": 0,
        })
    };
    let copy = |place: Value, output, is_origin: bool, lesser: Value| {
        json!({
            "at": NINE, "place": place, "tokens": tokens(output), "is_origin": is_origin, "lesser": lesser,
        })
    };
    let line = |class: &str, tokens: u64, rate: &str, usd: &str| {
        json!({
            "class": class, "tokens": tokens, "usd_per_million": rate, "rate_from": "listed", "usd": usd,
        })
    };
    let expected = json!({
        "schema": "clawspend.explain/1",
        "responses": [{
            "response": "1f75126634ada482",
            "at": NINE,
            "source": "claude-code",
            "tokens": tokens(159),
            "web_searches": 2,
            "cost_usd": "0.150550000",
            "recorded_usd": null,
            "rule": "computed",
            "computed_usd": "0.150550000",
            "receipt": {
                "price_of": "book", "provider": "anthropic", "model": "claude-opus-5", "match": "exact",
                "by_owner": true, "since": null, "tier": null, "by_time_of_day": false,
                "lines": [
                    line("input", 10, "5", "0.000050000"),
                    line("output", 159, "25", "0.003975000"),
                    line("cache_read", 100_000, "0.5", "0.050000000"),
                    line("cache_write_5m", 200, "6.25", "0.001250000"),
                    line("cache_write_1h", 1_000, "10", "0.010000000"),
                ],
                "factors": { "fast": "2", "batch": null, "us_only": null },
                "searches_usd": "0.020000000",
                "total_usd": "0.150550000",
            },
            "figures_from": place("s1.jsonl", "s1", 857),
            "origin": place("s1.jsonl", "s1", 0),
            "gateway": "", "agent": "main", "subagent": "", "project": "/home/dev/demo", "branch": "main",
            "session": "s1", "session_key": "", "label": "", "parent": "", "created": "", "channel": "",
            "chat_type": "", "provider": "", "model": "claude-opus-5", "api": "", "stop_reason": "end_turn",
            "copies": {
                "found": [
                    copy(place("s1.jsonl", "s1", 0), 3, true, json!("earlier_snapshot")),
                    copy(place("s1.jsonl", "s1", 857), 159, false, Value::Null),
                    copy(place("s1/subagents/agent-7.jsonl", "s1", 0), 159, false, json!("side_chain")),
                    copy(place("s2.jsonl", "s2", 0), 159, false, json!("repeats")),
                ],
                "gone": [],
                "unread": [],
            },
        }],
    });
    assert_eq!(told, expected);
}

#[test]
fn an_archived_record_is_told_by_its_byte_in_the_unpacked_text() {
    let home = Home::new();
    home.openclaw_fixture();
    let session = home.json("explain 09589ff0-0a54-4933-a9ee-241dded721d3 --json");
    let id = session["responses"][0]["response"]
        .as_str()
        .expect("a name");
    let told = tell(&home, &format!("explain {id}"));
    let (_, places) = told.split_once("Where it is told\n\n").expect("places");
    let session = "09589ff0-0a54-4933-a9ee-241dded721d3";
    let said =
        format!("(80 output, 1,580 in all; 2026-11-20 12:29:11.519 +00:00, session {session})");
    let expected = format!(
        "  ~/.openclaw/agents/main/agent/openclaw-agent.sqlite, archive of session {session}, byte 1100 of the unpacked text
      its figures count; the earliest: it says when, and whose it is {said}
  ~/.openclaw/agents/main/sessions/{session}.jsonl.deleted.2026-11-20T12-39-34.760Z.f6462a0f3b1740808df9290e393a5996.zst, byte 1100 of the unpacked text
      a copy in a store of lower rank {said}
"
    );
    assert_eq!(places, expected);
    let told = home.json(&format!("explain {id} --json"));
    let found = told["responses"][0]["copies"]["found"].as_array();
    let kinds: Vec<&Value> = found
        .expect("copies")
        .iter()
        .map(|copy| &copy["place"]["kind"])
        .collect();
    assert_eq!(kinds, ["archive", "unpacked"]);
}

#[test]
fn what_a_deleted_log_told_is_explained_all_the_same() {
    let home = home();
    home.tell("report --json");
    for log in ["s1.jsonl", "s1/subagents/agent-7.jsonl"] {
        std::fs::remove_file(
            home.path()
                .join(".claude/projects/-home-dev-demo")
                .join(log),
        )
        .expect("removed");
    }
    let told = tell(&home, &format!("explain {ID}"));
    let (_, places) = told.split_once("Where it is told\n\n").expect("places");
    assert_eq!(
        places,
        "  ~/.claude/projects/-home-dev-demo/s2.jsonl, byte 0\n      says the same (159 output, 101,369 in all; \
         2026-11-20 09:00:00.000 +00:00, session s2)\n  \
         ~/.claude/projects/-home-dev-demo/s1.jsonl, byte 857\n      counted when it was read; no longer there\n  \
         ~/.claude/projects/-home-dev-demo/s1.jsonl, byte 0\n      counted when it was read; no longer there\n"
    );
}

#[test]
fn what_is_not_known_or_not_clear_is_said() {
    let home = home();
    home.claude(
        "-home-dev-demo/s3.jsonl",
        &[crate::home::response(9, NINE + HOUR, 10)],
    );
    for (what, message, hint) in [
        (
            "s9",
            "the ledger knows no response, session or day \"s9\"",
            "give a day (2026-11-20), a session's id, label or key, or the name of a response as `clawspend explain` of \
             its day lists it",
        ),
        (
            "s",
            "2 sessions begin with \"s\"",
            "give more of the id: s1, s2",
        ),
        (
            "2026-11-20T10:00:00",
            "the ledger knows no response, session or day \"2026-11-20T10:00:00\"",
            "give a day (2026-11-20), a session's id, label or key, or the name of a response as `clawspend explain` of \
             its day lists it",
        ),
        (
            "0000000000000000",
            "the ledger knows no response, session or day \"0000000000000000\"",
            "give a day (2026-11-20), a session's id, label or key, or the name of a response as `clawspend explain` of \
             its day lists it",
        ),
    ] {
        assert_eq!(
            home.run(&format!("explain {what}")),
            Answer {
                code: Some(1),
                out: String::new(),
                err: format!("clawspend: {message}\nHint: {hint}\n"),
            }
        );
    }
    assert_eq!(tell(&home, "explain 2026-11-19"), "No response is known.\n");
}
