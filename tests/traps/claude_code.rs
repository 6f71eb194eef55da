//! Claude Code: one response is written many times, in many files, by many versions and endpoints.
//!
//! Unless a case says otherwise a response has input 2 and cache reads 100 of claude-sonnet-5, at $2 and $0.20 per
//! million: 24,000 nano-dollars, and 10,000 more for each token of output.

use crate::support::{A, B, File, Line, append, case, claude, response, telling, telling_of};
use clawspend_core::{
    api::{Reader, RootState},
    report::{Column, ReportRequest},
    time::UnixMillis,
};
use clawspend_tests::home::{Home, drain};
use jiff::{civil::date, tz::TimeZone};
use serde_json::json;
use std::fs;

/// The lines of one response, each following the one before, as the client writes its blocks.
fn chain(lines: impl IntoIterator<Item = Line>) -> Vec<Line> {
    let lines = lines.into_iter().enumerate();
    lines
        .map(|(at, line)| {
            line.with("uuid", format!("line {}", at + 1))
                .with("parentUuid", format!("line {at}"))
        })
        .collect()
}

fn one(lines: impl IntoIterator<Item = Line>) -> [File; 1] {
    [claude("s1.jsonl", lines)]
}

/// One row of one response: everything but its amount is as [`response`] says.
#[track_caller]
fn one_response(line: Line, amount: &str) {
    let row = format!("2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | {amount}");
    case(&one([line]), [row.as_str(), "counted 1"]);
}

#[test]
fn c01_three_snapshots_of_one_response() {
    let lines = chain([3, 3, 159].map(|output| response(A, "req_A", output)));
    case(
        &one(lines),
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 159 100 0 0 | 0.001614000",
            "counted 3",
        ],
    );
}

#[test]
fn c02_the_largest_snapshot_comes_first() {
    let lines = chain([159, 3, 3].map(|output| response(A, "req_A", output)));
    case(
        &one(lines),
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 159 100 0 0 | 0.001614000",
            "counted 3",
        ],
    );
}

/// Copies with equal times tell nothing about which file is older, and a file's own times change when it is copied or
/// restored. So the copy that says it was forked yields, and without that word the path decides: always the same way.
#[test]
fn c03_a_fork_copies_a_response_under_another_session() {
    let original = response(A, "req_A", 10);
    let copy = original.clone().with("sessionId", "s2");
    case(
        &[
            claude("s1.jsonl", [original.clone()]),
            claude("s2.jsonl", [copy.clone()]),
        ],
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
            "counted 2",
        ],
    );
    let says_so = copy.with("forkedFrom", json!({"sessionId": "s1", "messageUuid": "u"}));
    case(
        &[
            claude("s0.jsonl", [says_so]),
            claude("s1.jsonl", [original]),
        ],
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
            "counted 2",
        ],
    );
}

#[test]
fn c04_a_branch_holds_each_line_twice() {
    let lines = [response(A, "req_A", 10), response(B, "req_B", 20)];
    let forked = lines.clone().map(|line| {
        let line = line.with("forkedFrom", json!({"sessionId": "s1", "messageUuid": "u"}));
        line.with("sessionId", "s2")
    });
    let renamed = lines.clone().map(|line| line.with("sessionId", "s2"));
    case(
        &[
            claude("s1.jsonl", lines),
            claude("s2.jsonl", forked.into_iter().chain(renamed)),
        ],
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 2 | 4 30 200 0 0 | 0.000348000",
            "counted 6",
        ],
    );
}

/// [`case`] reads files in both orders, so this is C07 too.
#[test]
fn c05_c07_a_side_question_replays_the_parents_response() {
    let replay = response(A, "req_B", 10)
        .with("isSidechain", true)
        .with("message.usage.cache_read_input_tokens", 50_000);
    let side = claude("s1/subagents/agent-a1.jsonl", [replay]);
    let main = claude("s1.jsonl", [response(A, "req_A", 10)]);
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
        "counted 2",
    ];
    case(&[main.clone(), side.clone()], expected);
    case(&[side, main], expected);
}

#[test]
fn c06_a_subagents_response_belongs_to_the_parents_session() {
    let said = response(A, "req_A", 30).with("isSidechain", true);
    let told_by_the_path = response(B, "req_B", 30)
        .with("isSidechain", true)
        .without("sessionId");
    case(
        &[claude(
            "s1/subagents/agent-a1.jsonl",
            [said.clone(), told_by_the_path],
        )],
        [
            "2026-11-20 claude-code /w/demo subagent s1 claude-sonnet-5 | 2 | 4 60 200 0 0 | 0.000648000",
            "counted 2",
        ],
    );
    // The older layout, flat beside the sessions.
    case(
        &[claude("agent-a1.jsonl", [said])],
        [
            "2026-11-20 claude-code /w/demo subagent s1 claude-sonnet-5 | 1 | 2 30 100 0 0 | 0.000324000",
            "counted 1",
        ],
    );
}

#[test]
fn c08_snapshots_without_a_request_id() {
    let id = "chatcmpl-0123456789abcdef01234567";
    let lines = [3, 3, 159].map(|output| response(id, "", output).without("requestId"));
    case(
        &one(chain(lines)),
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 159 100 0 0 | 0.001614000",
            "counted 3",
        ],
    );
}

/// Five turns of a relay that gives every response the same id: inputs 100 to 500.
fn turns_with_one_id(id: &str) -> Vec<Line> {
    let turns = (1..=5).map(|turn| {
        let line = response(id, "", 10).without("requestId");
        line.with("uuid", format!("turn {turn}"))
            .with("message.usage.input_tokens", 100 * turn)
    });
    turns.collect()
}

#[test]
fn c09_a_relay_gives_every_response_one_short_id() {
    case(
        &one(turns_with_one_id("ocgo")),
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 5 | 1500 50 500 0 0 | 0.003600000",
            "counted 5",
        ],
    );
}

#[test]
fn c10_a_copy_of_such_a_session() {
    let copy = turns_with_one_id("ocgo")
        .into_iter()
        .map(|line| line.with("sessionId", "s2"));
    case(
        &[
            claude("s1.jsonl", turns_with_one_id("ocgo")),
            claude("s2.jsonl", copy),
        ],
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 5 | 1500 50 500 0 0 | 0.003600000",
            "counted 10",
        ],
    );
}

#[test]
fn c11_different_lines_without_any_id() {
    let nameless = |output| {
        response("", "", output)
            .without("message.id")
            .without("requestId")
    };
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 2 | 4 30 200 0 0 | 0.000348000",
        "counted 2",
    ];
    case(&one([nameless(10), nameless(20)]), expected);
    let lines = [nameless(10).without("uuid"), nameless(20).without("uuid")];
    case(&one(lines), expected);
}

#[test]
fn c12_the_same_line_twice_without_any_id() {
    let line = response("", "", 10)
        .without("message.id")
        .without("requestId");
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
        "counted 2",
    ];
    case(&one([line.clone(), line.clone()]), expected);
    let line = line.without("uuid");
    case(&one([line.clone(), line]), expected);
}

#[test]
fn c13_an_empty_id_is_no_id() {
    case(
        &one([
            response(A, "", 10),
            response("", "req_B", 20).with("uuid", "one"),
            response("", "req_B", 20).with("uuid", "two"),
        ]),
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 3 | 6 50 300 0 0 | 0.000572000",
            "counted 3",
        ],
    );
}

#[test]
fn c14_a_tools_result_repeats_what_its_subagent_used() {
    let usage = json!({"input_tokens": 5000, "output_tokens": 900});
    let result = Line(json!({
        "type": "user", "uuid": "u2", "sessionId": "s1", "timestamp": "2026-11-20T09:01:00.000Z",
        "message": {"role": "user", "content": []},
        "toolUseResult": {"totalTokens": 99_999, "totalToolUseCount": 3, "usage": usage}
    }));
    case(
        &one([response(A, "req_A", 10), result]),
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
            "counted 1, not_assistant 1",
        ],
    );
}

#[test]
fn c15_what_the_client_wrote_itself_is_no_response() {
    let error = response(A, "req_A", 0)
        .with("message.model", "<synthetic>")
        .with("isApiErrorMessage", true)
        .with("message.usage.input_tokens", 0)
        .with("message.usage.cache_read_input_tokens", 0);
    let failed = error.clone().with("message.model", "claude-sonnet-5");
    case(&one([error, failed]), ["synthetic 1, zero_usage 1"]);
}

#[test]
fn c16_nulls_in_known_places_drop_nothing() {
    let content = json!([{"type": "tool_use", "id": null, "name": null, "input": {"id": null, "usage": null}}]);
    let iterations =
        json!([{"type": "message", "model": null, "input_tokens": 2, "output_tokens": 10}]);
    let line = response(A, "req_A", 10)
        .with("message.content", content)
        .with("message.usage.speed", json!(null))
        .with("message.usage.service_tier", json!(null))
        .with("message.usage.inference_geo", json!(null))
        .with("message.usage.server_tool_use", json!(null))
        .with("message.usage.cache_creation", json!(null))
        .with("message.usage.iterations", iterations)
        .with("gitBranch", json!(null))
        .with("parentUuid", json!(null));
    one_response(line, "1 | 2 10 100 0 0 | 0.000124000");
}

fn writes(total: u64, five_minutes: u64, one_hour: u64) -> Line {
    let split =
        json!({"ephemeral_5m_input_tokens": five_minutes, "ephemeral_1h_input_tokens": one_hour});
    response(A, "req_A", 10)
        .with("message.usage.cache_creation_input_tokens", total)
        .with("message.usage.cache_creation", split)
}

#[test]
fn c17_cache_writes_cost_by_their_lifetime() {
    one_response(writes(300, 100, 200), "1 | 2 10 100 100 200 | 0.001174000");
}

#[test]
fn c18_cache_writes_without_a_split_are_short() {
    let line = writes(300, 0, 0).without("message.usage.cache_creation");
    one_response(line, "1 | 2 10 100 300 0 | 0.000874000");
}

#[test]
fn c19_a_split_that_disagrees_with_the_total() {
    one_response(writes(300, 100, 400), "1 | 2 10 100 0 300 | 0.001324000");
    one_response(writes(300, 400, 100), "1 | 2 10 100 200 100 | 0.001024000");
    // Without a total the split is all there is.
    let line = writes(0, 100, 200).without("message.usage.cache_creation_input_tokens");
    one_response(line, "1 | 2 10 100 100 200 | 0.001174000");
}

/// A response that used nothing but these: model, time, usage.
fn used(model: &str, at: &str, usage: serde_json::Value) -> Line {
    response(A, "req_A", 0)
        .with("timestamp", at)
        .with("message.model", model)
        .with("message.usage", usage)
}

/// Asserts the one row these lines come to, each read alone: model, when, what was used, row.
#[track_caller]
fn prices<const N: usize>(table: [(&str, &str, serde_json::Value, &str); N]) {
    for (model, at, usage, amount) in table {
        let row = format!(
            "{} claude-code /w/demo main s1 {model} | {amount}",
            &at[..10]
        );
        case(&one([used(model, at, usage)]), [row.as_str(), "counted 1"]);
    }
}

const NOON: &str = "2026-11-20T12:00:00Z";

#[test]
fn c20_a_million_one_hour_writes_cost_twice_the_input() {
    let usage = json!({
        "cache_creation_input_tokens": 1_000_000, "cache_creation": {"ephemeral_1h_input_tokens": 1_000_000}
    });
    prices([(
        "claude-sonnet-4-6",
        NOON,
        usage,
        "1 | 0 0 0 0 1000000 | 6.000000000",
    )]);
}

#[test]
fn c21_cache_reads_cost_what_is_listed_not_a_tenth() {
    let usage = json!({"cache_read_input_tokens": 1_000_000});
    prices([
        (
            "claude-fable-5-1",
            NOON,
            usage.clone(),
            "1 | 0 0 1000000 0 0 | 0.250000000",
        ),
        (
            "claude-fable-5",
            NOON,
            usage,
            "1 | 0 0 1000000 0 0 | 1.000000000",
        ),
    ]);
}

#[test]
fn c22_a_long_request_is_dearer_in_every_class() {
    let usage = json!({
        "input_tokens": 1_000, "cache_read_input_tokens": 150_000, "cache_creation_input_tokens": 60_000,
        "output_tokens": 1_000
    });
    let row = "1 | 1000 1000 150000 60000 0 | 0.568500000";
    prices([("claude-sonnet-4-5", "2026-04-01T12:00:00Z", usage, row)]);
}

#[test]
fn c22b_the_dearer_tier_begins_above_its_threshold() {
    let usage = |read: u64| json!({"input_tokens": 1_000, "cache_read_input_tokens": read, "output_tokens": 1_000});
    prices([
        (
            "claude-haiku-5-5",
            NOON,
            usage(99_000),
            "1 | 1000 1000 99000 0 0 | 0.001590000",
        ),
        (
            "claude-haiku-5-5",
            NOON,
            usage(99_001),
            "1 | 1000 1000 99001 0 0 | 0.007950050",
        ),
    ]);
}

#[test]
fn c23_the_price_is_that_of_the_moment_in_utc() {
    let usage = json!({"input_tokens": 300_000});
    let model = "claude-opus-4-6";
    prices([
        (
            model,
            "2026-03-12T23:59:59.999Z",
            usage.clone(),
            "1 | 300000 0 0 0 0 | 3.000000000",
        ),
        (
            model,
            "2026-03-13T00:00:00.000Z",
            usage,
            "1 | 300000 0 0 0 0 | 1.500000000",
        ),
    ]);
}

#[test]
fn c24_fast_mode_has_a_factor_of_its_own_for_each_model() {
    let usage =
        |speed: &str| json!({"input_tokens": 2_000, "output_tokens": 1_000, "speed": speed});
    prices([
        (
            "claude-opus-5",
            NOON,
            usage("standard"),
            "1 | 2000 1000 0 0 0 | 0.035000000",
        ),
        (
            "claude-opus-5",
            NOON,
            usage("fast"),
            "1 | 2000 1000 0 0 0 | 0.070000000",
        ),
        (
            "claude-opus-4-6",
            NOON,
            usage("fast"),
            "1 | 2000 1000 0 0 0 | 0.210000000",
        ),
        // No fast mode is known: not known is not the plain price.
        (
            "claude-sonnet-5",
            NOON,
            usage("fast"),
            "1 | 2000 1000 0 0 0 | 0.000000000 and 1 unpriced",
        ),
    ]);
}

#[test]
fn c25_inference_pinned_to_the_united_states() {
    for (geo, amount) in [
        ("us", "1 | 2 10 100 0 0 | 0.000136400"),
        ("global", "1 | 2 10 100 0 0 | 0.000124000"),
        ("not_available", "1 | 2 10 100 0 0 | 0.000124000"),
        ("", "1 | 2 10 100 0 0 | 0.000124000"),
    ] {
        one_response(
            response(A, "req_A", 10).with("message.usage.inference_geo", geo),
            amount,
        );
    }
}

#[test]
fn c26_web_searches_are_billed_each_and_fetches_are_not() {
    let tools = json!({"web_search_requests": 3, "web_fetch_requests": 7});
    let line = response(A, "req_A", 10).with("message.usage.server_tool_use", tools);
    one_response(line, "1 | 2 10 100 0 0 | 0.030124000");
}

#[test]
fn c27_an_iteration_of_the_message_itself_adds_nothing() {
    let iterations = json!([{"type": "message", "input_tokens": 2, "output_tokens": 350}]);
    let line = response(A, "req_A", 350).with("message.usage.iterations", iterations);
    one_response(line, "1 | 2 350 100 0 0 | 0.003524000");
}

#[test]
fn c28_a_compaction_comes_on_top() {
    let line = used(
        "claude-sonnet-5",
        NOON,
        json!({
            "input_tokens": 23_000, "output_tokens": 1_000,
            "iterations": [
                {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500},
                {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000}
            ]
        }),
    );
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 2 | 203000 4500 0 0 0 | 0.451000000",
        "counted 1",
    ];
    case(&one([line.clone()]), expected);
    // Its copies are the copies of the whole.
    let fork = line.clone().with("sessionId", "s2");
    let [row, _] = expected;
    case(
        &[
            claude("s1.jsonl", [line.clone(), line]),
            claude("s2.jsonl", [fork]),
        ],
        [row, "counted 3"],
    );
}

#[test]
fn c29_an_advisor_is_billed_by_its_own_model() {
    let iterations = json!([
        {"type": "message", "input_tokens": 2, "output_tokens": 10},
        {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 1_000, "output_tokens": 100}
    ]);
    case(
        &one([response(A, "req_A", 10).with("message.usage.iterations", iterations)]),
        [
            "2026-11-20 claude-code /w/demo main s1 claude-opus-5 | 1 | 1000 100 0 0 0 | 0.007500000",
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
            "counted 1",
        ],
    );
}

#[test]
fn c30_c31_an_unknown_model_has_tokens_and_no_price() {
    // The table has gpt-5 and claude-sonnet-5; a longer name is another model.
    for model in ["foo-9", "gpt-5-micro", "claude-sonnet-5-mini", "sonnet"] {
        let line = response(A, "req_A", 10).with("message.model", model);
        let known = response(B, "req_B", 10).with("message.model", "claude-sonnet-5");
        let home = Home::new();
        one([line, known]).iter().for_each(|file| file.write(&home));
        let unknown = format!(
            "2026-11-20 claude-code /w/demo main s1 {model} | 1 | 2 10 100 0 0 | 0.000000000 and 1 unpriced"
        );
        let known = "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000".to_owned();
        let mut expected = [unknown, known, "counted 2".to_owned()];
        expected[..2].sort();
        assert_eq!(telling(&home), expected, "{model}");
        // The total says that it is a lower bound.
        let totals = home.everything().totals;
        assert_eq!(
            (totals.responses, totals.unpriced_responses),
            (2, 1),
            "{model}"
        );
    }
}

/// One price. The rows keep the model as it was written: on Bedrock the spelling alone says that a request was pinned
/// to a region, which costs more, so one row for all of them would mix prices.
#[test]
fn c32_every_spelling_of_a_model_has_its_price() {
    let row = |model| {
        format!("2026-11-20 claude-code /w/demo main s1 {model} | 1 | 2 10 100 0 0 | 0.000124000")
    };
    for model in [
        "claude-sonnet-5@20260601",
        "claude-sonnet-5-20260601",
        "us.anthropic.claude-sonnet-5-v1:0",
        "anthropic/claude-sonnet-5",
        "claude-sonnet-5[1m]",
        "Claude-Sonnet-5",
    ] {
        let line = response(A, "req_A", 10).with("message.model", model);
        case(&one([line]), [row(model).as_str(), "counted 1"]);
    }
}

#[test]
fn c33_thinking_is_inside_the_output() {
    let details = json!({"thinking_tokens": 9_820});
    let line = response(A, "req_A", 22_572).with("message.usage.output_tokens_details", details);
    one_response(line, "1 | 2 22572 100 0 0 | 0.225744000");
}

/// A ledger that counts in this zone, with one response at each of these times.
fn in_zone(zone: &str, times: &[String]) -> Home {
    let home = Home::new();
    let folder = home.path().join("clawspend-config");
    fs::create_dir_all(&folder).expect("can be created");
    let text = format!("[display]\ntimezone = \"{zone}\"\n");
    fs::write(folder.join("clawspend.toml"), text).expect("writable");
    let lines = times.iter().enumerate().map(|(at, time)| {
        response(&format!("msg_{at:024}"), "req", 10).with("timestamp", time.as_str())
    });
    claude("s1.jsonl", lines).write(&home);
    let (config, problems) = home.environment().config();
    assert_eq!(problems, []);
    let opened = clawspend_core::ingest::Ingest::open(&home.environment(), &config);
    let Ok(clawspend_core::ingest::Opened::Ours { mut ingest, .. }) = opened else {
        panic!("no ledger")
    };
    drain(&mut ingest);
    home
}

/// Responses by these columns, in the zone's days.
fn responses_by(home: &Home, zone: &str, by: Column) -> Vec<(String, u64)> {
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let request = ReportRequest {
        by: vec![by],
        only: Vec::new(),
        since: date(2026, 1, 1),
        until: date(2026, 12, 31),
        zone: TimeZone::get(zone).expect("a zone"),
    };
    let rows = reader.report(request).expect("a report").rows;
    rows.into_iter()
        .map(|mut row| (row.values.remove(0), row.amount.responses))
        .collect()
}

fn at(time: &str) -> UnixMillis {
    UnixMillis::parse_rfc3339(time).expect("a time")
}

#[test]
fn c34_a_day_is_the_viewers() {
    for (zone, day) in [
        ("Asia/Tokyo", "2026-11-20"),
        ("America/Los_Angeles", "2026-11-19"),
        ("UTC", "2026-11-19"),
    ] {
        let home = in_zone(zone, &["2026-11-19T23:30:00Z".to_owned()]);
        assert_eq!(
            responses_by(&home, zone, Column::Day),
            [(day.to_owned(), 1)]
        );
        let mut reader = Reader::open(home.environment()).expect("a ledger");
        let summary = reader
            .summary(at("2026-11-19T23:45:00Z"))
            .expect("a summary");
        let today = (summary.day.to_string(), summary.today.responses);
        assert_eq!(today, (day.to_owned(), 1), "{zone}");
    }
}

#[test]
fn c35_the_day_on_which_clocks_go_back_has_25_hours() {
    let zone = "America/New_York";
    // From 00:30 to 23:30 local time, and twice at 01:30.
    let times: Vec<String> = (4..29)
        .map(|hour| format!("2026-11-{:02}T{:02}:30:00Z", 1 + hour / 24, hour % 24))
        .collect();
    let home = in_zone(zone, &times);
    assert_eq!(
        responses_by(&home, zone, Column::Day),
        [("2026-11-01".to_owned(), 25)]
    );
    let hours = responses_by(&home, zone, Column::Hour);
    let mut expected: Vec<_> = (0..24)
        .map(|hour| {
            let offset = if hour < 2 { "-04:00" } else { "-05:00" };
            (format!("2026-11-01T{hour:02}:00{offset}"), 1)
        })
        .collect();
    expected.insert(2, ("2026-11-01T01:00-05:00".to_owned(), 1));
    assert_eq!(hours, expected);
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let summary = reader
        .summary(at("2026-11-02T04:59:59Z"))
        .expect("a summary");
    assert_eq!(summary.today.responses, 25);
}

/// Whoever asks after midnight gets the new day: nothing is kept but the ledger. That a process which runs over midnight
/// asks, is a test of the command line's (`cli/days.rs`).
#[test]
fn c36_today_begins_anew_at_local_midnight() {
    let home = in_zone("Europe/Berlin", &["2026-11-20T22:59:59.999Z".to_owned()]);
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    for (now, day, today, yesterday) in [
        ("2026-11-20T22:59:59.999Z", "2026-11-20", 1, 0),
        ("2026-11-20T23:00:00Z", "2026-11-21", 0, 1),
        ("2026-11-21T08:00:00Z", "2026-11-21", 0, 1),
        ("2026-11-21T23:00:00Z", "2026-11-22", 0, 0),
    ] {
        let summary = reader.summary(at(now)).expect("a summary");
        let found = (
            summary.day.to_string(),
            summary.today.responses,
            summary.yesterday.responses,
        );
        assert_eq!(found, (day.to_owned(), today, yesterday), "{now}");
    }
}

/// [`case`] restarts between the two lines.
#[test]
fn c37_a_response_that_ends_after_midnight_is_of_the_day_it_began() {
    let lines = chain([
        response(A, "req_A", 3).with("timestamp", "2026-11-19T23:59:59.900Z"),
        response(A, "req_A", 159).with("timestamp", "2026-11-20T00:00:00.400Z"),
    ]);
    case(
        &one(lines),
        [
            "2026-11-19 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 159 100 0 0 | 0.001614000",
            "counted 2",
        ],
    );
}

#[test]
fn c38_a_line_of_eight_megabytes() {
    let content = json!([{"type": "text", "text": "x".repeat(8 << 20)}]);
    let long = response(A, "req_A", 10).with("message.content", content);
    one_response(long, "1 | 2 10 100 0 0 | 0.000124000");
}

#[test]
fn c38b_a_line_too_long_to_be_read_is_told_with_its_place() {
    let home = Home::new();
    let before = text_of(&response(A, "req_A", 10));
    let mut bytes = before.clone().into_bytes();
    bytes.resize(bytes.len() + (65 << 20), b'x');
    bytes.push(b'\n');
    bytes.extend_from_slice(text_of(&response(B, "req_B", 10)).as_bytes());
    let path = ".claude/projects/-w-demo/s1.jsonl".to_owned();
    File { path, bytes }.write(&home);
    let broken = format!(
        "TooLong at .claude/projects/-w-demo/s1.jsonl:{}",
        before.len()
    );
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 2 | 4 20 200 0 0 | 0.000248000",
        "counted 2, broken 1",
        &broken,
    ];
    assert_eq!(telling(&home), expected);
}

fn text_of(line: &Line) -> String {
    format!("{line}\n")
}

#[test]
fn c39_a_line_cut_anywhere_counts_once_it_is_whole() {
    let whole = text_of(&response(A, "req_A", 10));
    let row =
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000";
    let broken = "NotJson at .claude/projects/-home-dev-demo/s1.jsonl:0";
    for cut in (1..whole.len() - 1).step_by(37) {
        let home = Home::new();
        let path = home.claude("s1.jsonl");
        fs::write(&path, &whole[..cut]).expect("writable");
        assert_eq!(
            telling(&home),
            ["broken 1", broken],
            "cut at {cut}, and quiet"
        );
        append(&path, &whole.as_bytes()[cut..]);
        assert_eq!(
            telling(&home),
            [row, "counted 1"],
            "cut at {cut}, and whole"
        );
    }
}

#[test]
fn c40_garbage_between_good_lines_is_told_with_its_place() {
    let good = text_of(&response(A, "req_A", 10));
    let mut bytes = good.clone().into_bytes();
    bytes.extend_from_slice(b"\xff\xfe not text\n\n{\"usage\": cut\n");
    bytes.extend_from_slice(text_of(&response(B, "req_B", 10)).as_bytes());
    let path = ".claude/projects/-w-demo/s1.jsonl".to_owned();
    let first = format!("NotJson at {path}:{}", good.len());
    let second = format!("NotJson at {path}:{}", good.len() + 13);
    case(
        &[File { path, bytes }],
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 2 | 4 20 200 0 0 | 0.000248000",
            "counted 2, blank 1, broken 2",
            &first,
            &second,
        ],
    );
}

#[test]
fn c41_a_file_rewritten_with_the_same_size() {
    let home = Home::new();
    let path = home.claude("s1.jsonl");
    fs::write(&path, text_of(&response(A, "req_A", 10))).expect("writable");
    drain(&mut home.ingest());
    let other = text_of(&response(B, "req_B", 10));
    assert_eq!(
        fs::metadata(&path).expect("there").len(),
        other.len() as u64
    );
    fs::write(&path, other).expect("writable");
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 2 | 4 20 200 0 0 | 0.000248000",
        "counted 1",
    ];
    assert_eq!(telling(&home), expected, "what the old content told stays");
}

#[test]
fn c42_a_file_deleted_by_retention() {
    let home = Home::new();
    let path = home.claude("s1.jsonl");
    fs::write(&path, text_of(&response(A, "req_A", 10))).expect("writable");
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
        "counted 1",
    ];
    assert_eq!(telling(&home), expected);
    fs::remove_file(path).expect("there");
    let mut ingest = home.ingest();
    assert_eq!(telling_of(&home, &mut ingest), expected);
    let known = ingest.ledger.known_files().expect("files");
    let gone: Vec<bool> = known.iter().map(|file| file.gone).collect();
    assert_eq!(gone, [true]);
}

#[cfg(unix)]
#[test]
fn c43_a_root_reached_by_a_link_too() {
    let home = Home::new();
    claude("s1.jsonl", [response(A, "req_A", 10)]).write(&home);
    fs::create_dir_all(home.path().join(".config")).expect("can be created");
    let link = home.path().join(".config/claude");
    std::os::unix::fs::symlink(home.path().join(".claude"), link).expect("linked");
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
        "counted 1",
    ];
    assert_eq!(telling(&home), expected);
}

#[test]
fn c44_a_list_of_folders_one_of_which_is_missing() {
    let mut home = Home::new();
    let (a, b) = (home.path().join("a"), home.path().join("b"));
    claude("s9.jsonl", [response(B, "req_B", 10)]).write(&home);
    let mut file = claude("s1.jsonl", [response(A, "req_A", 10)]);
    file.path = "b/projects/-w-demo/s1.jsonl".to_owned();
    file.write(&home);
    home.set(
        "CLAUDE_CONFIG_DIR",
        format!("{}, {}", a.display(), b.display()),
    );
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
        "counted 1",
    ];
    let mut ingest = home.ingest();
    assert_eq!(
        telling_of(&home, &mut ingest),
        expected,
        "the defaults are replaced"
    );
    let roots = ingest.follower.root_report();
    let roots: Vec<_> = roots
        .iter()
        .filter(|root| root.origin == "CLAUDE_CONFIG_DIR")
        .map(|root| (root.path.clone(), root.state.clone(), root.files))
        .collect();
    let below = |folder: &std::path::Path| folder.join("projects").display().to_string();
    assert_eq!(
        roots,
        [
            (below(&a), RootState::Missing, 0),
            (below(&b), RootState::Found, 1)
        ]
    );
}

#[test]
fn c45_spaces_after_colons() {
    let spaced = response(A, "req_A", 10).to_string().replace("\":", "\" : ");
    assert!(spaced.contains(r#""usage" : {"input_tokens" : 2"#));
    case(
        &[claude("s1.jsonl", [spaced])],
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
            "counted 1",
        ],
    );
}

#[test]
fn c46_token_values_that_are_no_counts() {
    let odd = |input: serde_json::Value| {
        response(A, "req_A", 10).with("message.usage.input_tokens", input)
    };
    for (input, amount) in [
        (json!(-5), "1 | 0 10 100 0 0 | 0.000120000"),
        (json!(2.7), "1 | 2 10 100 0 0 | 0.000124000"),
        (json!("2"), "1 | 2 10 100 0 0 | 0.000124000"),
        (json!("many"), "1 | 0 10 100 0 0 | 0.000120000"),
        (json!({"n": 2}), "1 | 0 10 100 0 0 | 0.000120000"),
        (json!(true), "1 | 0 10 100 0 0 | 0.000120000"),
    ] {
        one_response(odd(input), amount);
    }
    for absurd in [json!(u64::MAX), json!(1e300)] {
        let fault = "AbsurdTokens at .claude/projects/-w-demo/s1.jsonl:0";
        case(&one([odd(absurd)]), ["broken 1", fault]);
    }
}

#[test]
fn c47_the_same_response_with_and_without_a_request_id() {
    case(
        &one([
            response(A, "req_A", 10),
            response(A, "", 10).without("requestId"),
        ]),
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
            "counted 2",
        ],
    );
}

/// A writer that was killed leaves its last line without a newline: the record counts. Later the newline alone, or with
/// more behind it, or a record of the next session glued to it, changes nothing that was counted.
#[test]
fn c48_a_last_line_without_its_newline() {
    let first = response(A, "req_A", 10).to_string();
    let second = text_of(&response(B, "req_B", 10));
    let one_row =
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000";
    let both =
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 2 | 4 20 200 0 0 | 0.000248000";
    for (then, expected) in [
        ("\n".to_owned(), [one_row, "counted 1"]),
        ("\r\n".to_owned(), [one_row, "counted 1"]),
        (format!("\n{second}"), [both, "counted 2"]),
        (second, [both, "counted 2"]),
    ] {
        let home = Home::new();
        let path = home.claude("s1.jsonl");
        fs::write(&path, &first).expect("writable");
        assert_eq!(telling(&home), [one_row, "counted 1"]);
        append(&path, then.as_bytes());
        assert_eq!(telling(&home), expected, "{then:?}");
    }
}

/// A session that goes on after its writer was killed within a line: that line is lost and told, the next is not.
#[test]
fn c49_a_line_cut_for_good() {
    let first = text_of(&response(A, "req_A", 10));
    let home = Home::new();
    let path = home.claude("s1.jsonl");
    fs::write(&path, &first[..200]).expect("writable");
    let broken = "NotJson at .claude/projects/-home-dev-demo/s1.jsonl:0";
    assert_eq!(telling(&home), ["broken 1", broken]);
    append(&path, format!("\n{}", response(B, "req_B", 10)).as_bytes());
    let expected = [
        "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
        "counted 1, broken 1",
        broken,
    ];
    assert_eq!(telling(&home), expected);
}

/// The batch tier costs half, its searches do not.
#[test]
fn c50_the_batch_tier() {
    let line = response(A, "req_A", 10).with("message.usage.service_tier", "batch");
    one_response(line.clone(), "1 | 2 10 100 0 0 | 0.000062000");
    let tools = json!({"web_search_requests": 1});
    let line = line.with("message.usage.server_tool_use", tools);
    one_response(line, "1 | 2 10 100 0 0 | 0.010062000");
}

/// Very old versions wrote what they thought a response cost; it is computed all the same.
#[test]
fn c51_a_recorded_cost_does_not_replace_the_computed_one() {
    one_response(
        response(A, "req_A", 10).with("costUSD", 12.5),
        "1 | 2 10 100 0 0 | 0.000124000",
    );
    let unknown = response(A, "req_A", 10)
        .with("costUSD", 12.5)
        .with("message.model", "foo-9");
    case(
        &one([unknown]),
        [
            "2026-11-20 claude-code /w/demo main s1 foo-9 | 1 | 2 10 100 0 0 | 0.000000000 and 1 unpriced",
            "counted 1",
        ],
    );
}

/// Old versions nested a subagent's record in the parent's `progress` lines; newer ones give it a file. Both may be there.
#[test]
fn c52_a_subagents_record_inside_a_progress_line() {
    let record = response(A, "req_A", 10).with("isSidechain", true);
    let mut inner = record
        .clone()
        .without("sessionId")
        .without("cwd")
        .without("isSidechain");
    inner = inner.without("gitBranch");
    let progress = Line(json!({
        "type": "progress", "uuid": "p1", "sessionId": "s1", "timestamp": "2026-11-20T09:00:01.000Z", "cwd": "/w/demo",
        "data": {"type": "agent_progress", "message": inner.0}
    }));
    let expected = "2026-11-20 claude-code /w/demo subagent s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000";
    case(&one([progress.clone()]), [expected, "counted 1"]);
    let file = claude("s1/subagents/agent-a1.jsonl", [record]);
    case(
        &[claude("s1.jsonl", [progress]), file],
        [expected, "counted 2"],
    );
}

/// The same store below two roots, copied, as after a move from one to the other.
#[test]
fn c53_a_store_copied_to_the_other_root() {
    let old = claude(
        "s1.jsonl",
        [response(A, "req_A", 10), response(B, "req_B", 10)],
    );
    let mut new = old.clone();
    new.path = new.path.replace(".claude/", ".config/claude/");
    case(
        &[old, new],
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 2 | 4 20 200 0 0 | 0.000248000",
            "counted 4",
        ],
    );
}

/// Some proxies write zeros before they know the input. Lines that follow each other are one response.
#[test]
fn c54_a_snapshot_of_zeros_before_the_true_one() {
    for id in ["ocgo", A] {
        let zeros = response(id, "", 1)
            .with("message.usage.input_tokens", 0)
            .with("message.usage.cache_read_input_tokens", 0);
        case(
            &one(chain([zeros, response(id, "", 10)])),
            [
                "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 1 | 2 10 100 0 0 | 0.000124000",
                "counted 2",
            ],
        );
    }
}

/// A relay may as well give one *long* id to every response; a file that shows it to be shared splits it everywhere.
#[test]
fn c55_a_long_id_that_many_responses_share() {
    let id = "chatcmpl-000000000000000000000000";
    case(
        &[
            claude("s1.jsonl", turns_with_one_id(id)),
            claude(
                "s2.jsonl",
                [response(id, "", 10)
                    .with("uuid", "another turn")
                    .with("sessionId", "s2")
                    .with("message.usage.input_tokens", 900)],
            ),
        ],
        [
            "2026-11-20 claude-code /w/demo main s1 claude-sonnet-5 | 5 | 1500 50 500 0 0 | 0.003600000",
            "2026-11-20 claude-code /w/demo main s2 claude-sonnet-5 | 1 | 900 10 100 0 0 | 0.001920000",
            "counted 6",
        ],
    );
}
