use super::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const AT: UnixMillis = UnixMillis(1_795_165_201_250);

fn context() -> Context {
    Context {
        session: "file-session".into(),
        project: "file-project".into(),
        subagent: "Explore".into(),
        ..Context::default()
    }
}

/// A response with 2 input, 100 cache reads and 7 output tokens.
fn response() -> Json {
    json!({
        "type": "assistant", "uuid": "u2", "parentUuid": "u1", "sessionId": "s1", "requestId": "req_A",
        "timestamp": "2026-11-20T09:00:01.250Z", "cwd": "/w/demo", "gitBranch": "main", "isSidechain": false,
        "message": {
            "id": "msg_01ABCDEFGHIJ", "role": "assistant", "model": "claude-sonnet-5", "content": [],
            "stop_reason": "end_turn",
            "usage": { "input_tokens": 2, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 100, "output_tokens": 7 },
        },
    })
}

/// The same with the member at `path` replaced; `null` removes nothing.
fn with(path: &str, value: Json) -> Json {
    let mut line = response();
    set(&mut line, path, value);
    line
}

fn set(line: &mut Json, path: &str, value: Json) {
    let (parent, key) = path.rsplit_once('/').expect("a pointer");
    line.pointer_mut(parent)
        .expect("the parent exists")
        .as_object_mut()
        .expect("an object")
        .insert(key.into(), value);
}

fn without(path: &str) -> Json {
    let mut line = response();
    let (parent, key) = path.rsplit_once('/').expect("a pointer");
    line.pointer_mut(parent)
        .expect("the parent exists")
        .as_object_mut()
        .expect("an object")
        .remove(key);
    line
}

fn with_usage(usage: Json) -> Json {
    with("/message/usage", usage)
}

/// What [`response`] means.
fn observed() -> Observation<'static> {
    Observation {
        cluster: hash::cluster(&[b"claude-code", b"msg_01ABCDEFGHIJ"]),
        identity: Identity::Strong,
        request: hash::id(b"req_A"),
        line: hash::id(b"u2"),
        parent: hash::id(b"u1"),
        at: AT,
        source: Source::ClaudeCode,
        rank: 0,
        forked: false,
        has_speed: false,
        session: "s1".into(),
        project: "/w/demo".into(),
        agent: "main".into(),
        branch: "main".into(),
        gateway: "".into(),
        subagent: "".into(),
        provider: "".into(),
        model: "claude-sonnet-5".into(),
        api: "".into(),
        stop: "end_turn".into(),
        tokens: Tokens {
            input: 2,
            output: 7,
            cache_read: 100,
            ..Tokens::default()
        },
        modifiers: Modifiers::default(),
        recorded: None,
        extras: Vec::new(),
    }
}

fn assert_means(case: &str, line: &Json, expected: Observation<'_>) {
    let line = line.to_string();
    let context = context();
    assert_eq!(
        parse(line.as_bytes(), &context, &mut Carry::default()),
        Line::Observation(Box::new(expected)),
        "{case}: {line}"
    );
}

fn assert_line(case: &str, line: &[u8], expected: &Line<'_>) {
    assert_eq!(
        &parse(line, &context(), &mut Carry::default()),
        expected,
        "{case}"
    );
}

#[test]
fn a_note_names_the_kind_of_a_subagent() {
    for (note, expected) in [
        (&br#"{"agentType":"Explore","x":[1]}"#[..], Some("Explore")),
        (br#"{"agentType":null}"#, None),
        (br#"{"agentType":"Expl"#, None),
        (b"{}", None),
        (b"", None),
    ] {
        assert_eq!(agent_type(note).as_deref(), expected);
    }
}

#[test]
fn a_response_is_read_whole() {
    assert_means("all members", &response(), observed());
    let spaced = serde_json::to_string_pretty(&response())
        .expect("JSON")
        .replace(':', " : ");
    let spaced = spaced.replace("09 : 00 : 01", "09:00:01");
    let context = context();
    let read = parse(spaced.as_bytes(), &context, &mut Carry::default());
    assert_eq!(
        read,
        Line::Observation(Box::new(observed())),
        "C45: spaces after colons"
    );
    let ended = format!("{}\r", response());
    assert_eq!(
        parse(ended.as_bytes(), &context, &mut Carry::default()),
        read,
        "a carriage return is white space"
    );
}

#[test]
fn identity_comes_from_the_best_id_there_is() {
    let cluster = |parts: &[&[u8]]| hash::cluster(&[&[&b"claude-code"[..]], parts].concat());
    let said = [AT.0.cast_unsigned(), 2, 0, 100, 7].map(u64::to_le_bytes);
    let by_uuid = Observation {
        cluster: cluster(&[b"uuid", b"u2"]),
        ..observed()
    };
    let by_content = Observation {
        cluster: cluster(&[b"said", b"claude-sonnet-5", said.as_flattened()]),
        line: 0,
        ..observed()
    };
    let mut nameless = without("/message/id");
    set(&mut nameless, "/uuid", Json::Null);
    let mut short = with("/message/id", json!("ocgo"));
    set(&mut short, "/requestId", Json::Null);
    for (case, line, expected) in [
        (
            "C13 empty requestId",
            with("/requestId", json!("")),
            Observation {
                request: 0,
                ..observed()
            },
        ),
        (
            "C47 no requestId",
            without("/requestId"),
            Observation {
                request: 0,
                ..observed()
            },
        ),
        (
            "C13 empty message.id",
            with("/message/id", json!("")),
            by_uuid.clone(),
        ),
        ("C11 no message.id", without("/message/id"), by_uuid.clone()),
        (
            "message.id of another kind",
            with("/message/id", json!(5)),
            by_uuid,
        ),
        ("C12 no id at all", nameless, by_content),
        (
            "C09 short id",
            short,
            Observation {
                cluster: cluster(&[b"ocgo"]),
                identity: Identity::Weak,
                request: 0,
                ..observed()
            },
        ),
        (
            "fifteen characters are short",
            with("/message/id", json!("123456789012345")),
            Observation {
                cluster: cluster(&[b"123456789012345"]),
                identity: Identity::Weak,
                ..observed()
            },
        ),
        (
            "C08 sixteen are not",
            with("/message/id", json!("1234567890123456")),
            Observation {
                cluster: cluster(&[b"1234567890123456"]),
                ..observed()
            },
        ),
        (
            "no parent",
            with("/parentUuid", Json::Null),
            Observation {
                parent: 0,
                ..observed()
            },
        ),
    ] {
        assert_means(case, &line, expected);
    }
}

#[test]
fn where_and_by_whom_it_was_spent() {
    for (case, line, expected) in [
        (
            "C06 side chain",
            with("/isSidechain", json!(true)),
            Observation {
                rank: 1,
                agent: "subagent".into(),
                subagent: "Explore".into(),
                ..observed()
            },
        ),
        (
            "C04 fork",
            with("/forkedFrom", json!({"sessionId": "s0"})),
            Observation {
                forked: true,
                ..observed()
            },
        ),
        ("no fork", with("/forkedFrom", Json::Null), observed()),
        (
            "session of the file",
            without("/sessionId"),
            Observation {
                session: "file-session".into(),
                ..observed()
            },
        ),
        (
            "project of the folder",
            without("/cwd"),
            Observation {
                project: "file-project".into(),
                ..observed()
            },
        ),
        (
            "escaped path",
            with("/cwd", json!("C:\\work\\\"x\"")),
            Observation {
                project: "C:\\work\\\"x\"".into(),
                ..observed()
            },
        ),
        (
            "no branch",
            with("/gitBranch", json!("")),
            Observation {
                branch: "".into(),
                ..observed()
            },
        ),
        (
            "no model",
            without("/message/model"),
            Observation {
                model: "unknown".into(),
                ..observed()
            },
        ),
        (
            "unknown members and nulls",
            with("/message/content", json!({"usage": null, "id": null})),
            observed(),
        ),
        (
            "cost of old versions",
            with("/costUSD", json!(0.0123)),
            Observation {
                recorded: Some(NanoUsd(12_300_000)),
                ..observed()
            },
        ),
        (
            "cost of nothing is unknown",
            with("/costUSD", json!(0)),
            observed(),
        ),
        ("negative cost", with("/costUSD", json!(-1)), observed()),
    ] {
        assert_means(case, &line, expected);
    }
}

#[test]
fn tokens_and_what_changes_their_price() {
    let write = |m5, h1| Tokens {
        cache_write_5m: m5,
        cache_write_1h: h1,
        ..Tokens::default()
    };
    let split = |m5: u64, h1: u64| json!({"ephemeral_5m_input_tokens": m5, "ephemeral_1h_input_tokens": h1});
    let none = Modifiers::default();
    for (case, usage, tokens, modifiers) in [
        (
            "C17",
            json!({"cache_creation_input_tokens": 300, "cache_creation": split(100, 200)}),
            write(100, 200),
            none,
        ),
        (
            "C18",
            json!({"cache_creation_input_tokens": 300}),
            write(300, 0),
            none,
        ),
        (
            "C19",
            json!({"cache_creation_input_tokens": 300, "cache_creation": split(100, 400)}),
            write(0, 300),
            none,
        ),
        (
            "C19",
            json!({"cache_creation_input_tokens": 300, "cache_creation": split(500, 0)}),
            write(300, 0),
            none,
        ),
        (
            "split without total",
            json!({"cache_creation": split(100, 200)}),
            write(100, 200),
            none,
        ),
        (
            "no split",
            json!({"cache_creation_input_tokens": 300, "cache_creation": null}),
            write(300, 0),
            none,
        ),
        (
            "C33",
            json!({"output_tokens": 22_572, "output_tokens_details": {"thinking_tokens": 9_820}}),
            Tokens {
                output: 22_572,
                ..Tokens::default()
            },
            none,
        ),
        (
            "C27",
            json!({"input_tokens": 2, "output_tokens": 350, "iterations": [{"type": "message", "input_tokens": 2, "output_tokens": 350}]}),
            Tokens {
                input: 2,
                output: 350,
                ..Tokens::default()
            },
            none,
        ),
        (
            "C46",
            json!({"input_tokens": -5, "output_tokens": "12", "cache_read_input_tokens": 7.9, "cache_creation_input_tokens": null}),
            Tokens {
                output: 12,
                cache_read: 7,
                ..Tokens::default()
            },
            none,
        ),
        (
            "output without input",
            json!({"input_tokens": 0, "output_tokens": 1}),
            Tokens {
                output: 1,
                ..Tokens::default()
            },
            none,
        ),
        (
            "C25 us",
            json!({"input_tokens": 1, "inference_geo": "us"}),
            Tokens {
                input: 1,
                ..Tokens::default()
            },
            Modifiers {
                us_only: true,
                ..none
            },
        ),
        (
            "C25 elsewhere",
            json!({"input_tokens": 1, "inference_geo": "not_available"}),
            Tokens {
                input: 1,
                ..Tokens::default()
            },
            none,
        ),
        (
            "batch",
            json!({"input_tokens": 1, "service_tier": "batch"}),
            Tokens {
                input: 1,
                ..Tokens::default()
            },
            Modifiers {
                batch: true,
                ..none
            },
        ),
        (
            "C26",
            json!({"server_tool_use": {"web_search_requests": 3, "web_fetch_requests": 9}}),
            Tokens::default(),
            Modifiers {
                web_searches: 3,
                ..none
            },
        ),
    ] {
        assert_means(
            case,
            &with_usage(usage),
            Observation {
                tokens,
                modifiers,
                ..observed()
            },
        );
    }
    for (case, speed, fast, has_speed) in [
        ("C24", json!("fast"), true, true),
        ("standard", json!("standard"), false, true),
        ("C16", Json::Null, false, false),
    ] {
        let expected = Observation {
            modifiers: Modifiers { fast, ..none },
            has_speed,
            ..observed()
        };
        assert_means(case, &with("/message/usage/speed", speed), expected);
    }
}

#[test]
fn steps_beside_the_message_are_responses_of_their_own() {
    let extra = |index: u64| Observation {
        cluster: hash::cluster(&[
            &observed().cluster.to_le_bytes(),
            b"#iter",
            &index.to_le_bytes(),
        ]),
        has_speed: true,
        ..observed()
    };
    let fast = Modifiers {
        fast: true,
        web_searches: 0,
        ..Modifiers::default()
    };
    let usage = json!({
        "input_tokens": 23_000, "output_tokens": 1_000, "speed": "fast", "server_tool_use": {"web_search_requests": 2},
        "iterations": [
            {"type": "compaction", "input_tokens": 180_000, "output_tokens": 3_500, "model": null},
            {"type": "message", "input_tokens": 23_000, "output_tokens": 1_000},
            {"type": "advisor_message", "model": "claude-opus-5", "input_tokens": 40, "output_tokens": 5},
            {"type": "compaction", "input_tokens": 0, "output_tokens": 0},
        ],
    });
    let expected = Observation {
        tokens: Tokens {
            input: 23_000,
            output: 1_000,
            ..Tokens::default()
        },
        modifiers: Modifiers {
            web_searches: 2,
            ..fast
        },
        has_speed: true,
        extras: vec![
            Observation {
                tokens: Tokens {
                    input: 180_000,
                    output: 3_500,
                    ..Tokens::default()
                },
                modifiers: fast,
                ..extra(0)
            },
            Observation {
                tokens: Tokens {
                    input: 40,
                    output: 5,
                    ..Tokens::default()
                },
                model: "claude-opus-5".into(),
                modifiers: Modifiers::default(),
                ..extra(2)
            },
        ],
        ..observed()
    };
    assert_means("C28 and C29", &with_usage(usage), expected);
}

#[test]
fn what_counts_nothing_says_why() {
    let zero = json!({"input_tokens": 0, "output_tokens": 0});
    let mut failed = with("/message/model", json!("<synthetic>"));
    set(&mut failed, "/message/usage", zero.clone());
    let user = json!({"type": "user", "message": {"role": "user"}, "toolUseResult": {"totalTokens": 9, "usage": {"input_tokens": 9}}});
    for (case, line, reason) in [
        ("C14", user.to_string(), Reason::NotAssistant),
        ("C15", failed.to_string(), Reason::Synthetic),
        (
            "other client texts",
            with("/message/model", json!("<local>")).to_string(),
            Reason::Synthetic,
        ),
        ("zeros", with_usage(zero).to_string(), Reason::ZeroUsage),
        (
            "usage of another kind",
            with_usage(json!("usage")).to_string(),
            Reason::NoUsage,
        ),
        (
            "usage elsewhere",
            json!({"type": "assistant", "usage": {"input_tokens": 1}}).to_string(),
            Reason::NoUsage,
        ),
        (
            "progress of something else",
            json!({"type": "progress", "data": {"usage": 1}}).to_string(),
            Reason::NotAssistant,
        ),
        ("no usage", r#" {"type":"user"} "#.into(), Reason::NoUsage),
        (
            "escaped usage",
            json!({"text": "\"usage\""}).to_string(),
            Reason::NoUsage,
        ),
        ("nothing", String::new(), Reason::Blank),
        ("white space", " \t\r".into(), Reason::Blank),
    ] {
        assert_line(case, line.as_bytes(), &Line::Ignored(reason));
    }
}

#[test]
fn what_is_broken_says_what_is_wrong() {
    let whole = response().to_string();
    for (case, line, fault) in [
        (
            "C39 cut",
            whole[..whole.len() - 1].to_owned(),
            Fault::NotJson,
        ),
        ("C39 cut early", whole[..9].to_owned(), Fault::NotJson),
        ("C40 garbage", "\u{0}\u{0}\u{0}".into(), Fault::NotJson),
        (
            "C40 garbage with usage",
            r#"warning: "usage""#.into(),
            Fault::NotJson,
        ),
        ("two in one line", format!("{whole}{whole}"), Fault::NotJson),
        ("not an object", r#"["usage"]"#.into(), Fault::NotJson),
        (
            "C46 huge",
            with("/message/usage/input_tokens", json!(10_000_000_001u64)).to_string(),
            Fault::AbsurdTokens,
        ),
        (
            "C46 huge text",
            with("/message/usage/output_tokens", json!("1e99")).to_string(),
            Fault::AbsurdTokens,
        ),
        (
            "huge step",
            with(
                "/message/usage/iterations",
                json!([{"type": "compaction", "input_tokens": 1e12}]),
            )
            .to_string(),
            Fault::AbsurdTokens,
        ),
        (
            "countless searches",
            with(
                "/message/usage/server_tool_use",
                json!({"web_search_requests": 1_000_000}),
            )
            .to_string(),
            Fault::AbsurdTokens,
        ),
        (
            "no time",
            without("/timestamp").to_string(),
            Fault::BadTimestamp,
        ),
        (
            "another age",
            with("/timestamp", json!("1970-01-01T00:00:00Z")).to_string(),
            Fault::BadTimestamp,
        ),
    ] {
        assert_line(case, line.as_bytes(), &Line::Broken(fault));
    }
}

#[test]
fn c40_bytes_that_are_not_unicode_hurt_only_their_own_text() {
    let mut line = with("/message/content", json!("PLACE"))
        .to_string()
        .into_bytes();
    let place = memchr::memmem::find(&line, b"PLACE").expect("it is there");
    line[place..place + 5].copy_from_slice(b"\xff\xfe\xc3(\x80");
    let context = context();
    assert_eq!(
        parse(&line, &context, &mut Carry::default()),
        Line::Observation(Box::new(observed()))
    );
}

#[test]
fn c38_a_line_of_many_megabytes_is_counted() {
    let line = with("/message/content", json!("\"\\\n".repeat(2_800_000))).to_string();
    assert!(line.len() > 16 << 20);
    let context = context();
    let read = parse(line.as_bytes(), &context, &mut Carry::default());
    assert_eq!(read, Line::Observation(Box::new(observed())));
}

#[test]
fn a_line_without_a_time_takes_the_last_one_then_the_stores() {
    let timeless = without("/timestamp").to_string();
    let stored = Context {
        stored_at: Some(UnixMillis(1_700_000_000_000)),
        ..context()
    };
    let at = |line: Line<'_>| match line {
        Line::Observation(observation) => Some(observation.at),
        _ => None,
    };
    let mut carry = Carry::default();
    assert_eq!(
        at(parse(timeless.as_bytes(), &stored, &mut carry)),
        stored.stored_at
    );
    assert_eq!(
        carry,
        Carry::default(),
        "the store's time is not the line's"
    );
    let _ = parse(response().to_string().as_bytes(), &stored, &mut carry);
    assert_eq!(
        carry,
        Carry {
            at: Some(AT),
            ..Carry::default()
        }
    );
    assert_eq!(
        at(parse(timeless.as_bytes(), &stored, &mut carry)),
        Some(AT)
    );
}

#[test]
fn a_progress_line_holds_the_record_of_a_subagent() {
    let mut inner = response();
    for member in ["sessionId", "timestamp", "cwd", "gitBranch", "isSidechain"] {
        inner.as_object_mut().expect("an object").remove(member);
    }
    let mut outer = response();
    outer.as_object_mut().expect("an object").remove("message");
    set(&mut outer, "/type", json!("progress"));
    set(&mut outer, "/uuid", json!("outer"));
    set(
        &mut outer,
        "/data",
        json!({"type": "agent_progress", "message": inner}),
    );
    assert_means(
        "outer session and time",
        &outer,
        Observation {
            rank: 1,
            agent: "subagent".into(),
            subagent: "Explore".into(),
            ..observed()
        },
    );
    set(&mut outer, "/sessionId", json!("another"));
    set(&mut outer, "/timestamp", json!("2026-11-21T00:00:00Z"));
    set(&mut outer, "/data/message", response());
    assert_means("its own", &outer, observed());
}

#[test]
fn of_members_written_twice_the_last_counts() {
    let line = response().to_string().replacen(
        '{',
        r#"{"message":{"id":"x","usage":{"input_tokens":5}},"uuid":"u0","#,
        1,
    );
    let context = context();
    assert_eq!(
        parse(line.as_bytes(), &context, &mut Carry::default()),
        Line::Observation(Box::new(observed()))
    );
}

#[test]
fn a_session_tells_its_responses() {
    let log = include_bytes!("../../../../../tests/fixtures/claude_code/session.jsonl");
    let context = context();
    let mut carry = Carry::default();
    let lines: Vec<_> = log
        .split(|byte| *byte == b'\n')
        .map(|line| parse(line, &context, &mut carry))
        .collect();
    insta::assert_debug_snapshot!(lines);
}

proptest! {
    #[test]
    fn any_bytes_are_some_line(bytes in prop::collection::vec(any::<u8>(), 0..200), glue in 0usize..4) {
        let around: (&[u8], &[u8]) = [
            (&b""[..], &b""[..]),
            (b"{\"usage\":", b"}"),
            (b"{\"type\":\"assistant\",\"message\":{\"usage\":{\"iterations\":", b"}}}"),
            (b"{\"type\":\"progress\",\"data\":{\"message\":{\"usage\":", b"}}}"),
        ][glue];
        let line = [around.0, &bytes, around.1].concat();
        let _ = parse(&line, &context(), &mut Carry::default());
    }

    #[test]
    fn a_line_cut_anywhere_is_never_an_observation(text: String, cut: prop::sample::Index) {
        let line = with("/message/content", json!([{"type": "text", "text": text}])).to_string();
        let cut = &line.as_bytes()[..cut.index(line.len())];
        let context = context();
        prop_assert!(!matches!(parse(cut, &context, &mut Carry::default()), Line::Observation(_)));
    }
}
