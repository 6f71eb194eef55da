use super::*;
use proptest::prelude::*;
use serde_json::{Value as Json, json};

const AT: UnixMillis = UnixMillis(1_795_165_205_000);

fn context() -> Context {
    Context {
        session: "row-session".into(),
        project: "folder".into(),
        agent: "ops".into(),
        subagent: String::new(),
        rank: 3,
        stored_at: Some(UnixMillis(1_795_000_000_000)),
    }
}

/// A response with 800 input, 300 output and 5000 cache read tokens.
fn response() -> Json {
    json!({
        "type": "message", "id": "e3", "parentId": "e2", "timestamp": "2026-11-20T09:01:00.000Z",
        "message": {
            "role": "assistant", "provider": "anthropic", "model": "claude-sonnet-5", "api": "anthropic-messages",
            "stopReason": "toolUse", "timestamp": AT.0,
            "usage": {
                "input": 800, "output": 300, "cacheRead": 5000, "cacheWrite": 0, "totalTokens": 6100,
                "cost": {"input": 0.0016, "output": 0.003, "cacheRead": 0.001, "cacheWrite": 0, "total": 0.0056},
            },
        },
    })
}

fn with(path: &str, value: Json) -> Json {
    let mut line = response();
    set(&mut line, path, value);
    line
}

fn set(line: &mut Json, path: &str, value: Json) {
    let (parent, key) = path.rsplit_once('/').expect("a pointer");
    let parent = line
        .pointer_mut(parent)
        .expect("the parent exists")
        .as_object_mut()
        .expect("an object");
    if value.is_null() {
        parent.remove(key);
    } else {
        parent.insert(key.into(), value);
    }
}

fn cluster(at: Option<UnixMillis>, input: u64, output: u64) -> u64 {
    let at = at.map_or(Vec::new(), |at| at.0.to_le_bytes().to_vec());
    let used = [input.to_le_bytes(), output.to_le_bytes()].concat();
    hash::cluster(&[b"openclaw", b"e3", &at, &used])
}

/// What [`response`] means.
fn observed() -> Observation<'static> {
    Observation {
        cluster: cluster(Some(AT), 800, 300),
        identity: Identity::Strong,
        request: 0,
        line: hash::id(b"e3"),
        parent: hash::id(b"e2"),
        at: AT,
        source: Source::OpenClaw,
        rank: 3,
        forked: false,
        has_speed: false,
        session: "row-session".into(),
        project: "folder".into(),
        agent: "ops".into(),
        branch: "".into(),
        gateway: "".into(),
        subagent: "".into(),
        provider: "anthropic".into(),
        model: "claude-sonnet-5".into(),
        api: "anthropic-messages".into(),
        stop: "toolUse".into(),
        tokens: Tokens {
            input: 800,
            output: 300,
            cache_read: 5000,
            ..Tokens::default()
        },
        modifiers: Modifiers::default(),
        recorded: Some(NanoUsd(5_600_000)),
        extras: Vec::new(),
    }
}

fn assert_means(case: &str, line: &Json, carry: &Carry, expected: Observation<'_>) {
    let line = line.to_string();
    let context = context();
    assert_eq!(
        parse(line.as_bytes(), &context, &mut carry.clone()),
        Line::Observation(Box::new(expected)),
        "{case}: {line}"
    );
}

#[test]
fn a_response_is_read_whole() {
    assert_means("all members", &response(), &Carry::default(), observed());
    let mut elsewhere = response();
    let usage = elsewhere["message"]["usage"].clone();
    set(&mut elsewhere, "/message/usage", Json::Null);
    set(&mut elsewhere, "/usage", usage);
    assert_means(
        "usage beside the message",
        &elsewhere,
        &Carry::default(),
        observed(),
    );
    let mirror = with(
        "/message/idempotencyKey",
        json!("codex-app-server:t:1:assistant"),
    );
    let turn = Observation {
        cluster: codex::turn_cluster("1"),
        identity: Identity::Weak,
        rank: MIRROR_RANK,
        ..observed()
    };
    assert_means(
        "O18 mirror of a Codex turn",
        &mirror,
        &Carry::default(),
        turn,
    );
}

#[test]
fn models_come_from_the_message_then_from_the_last_change() {
    let change =
        json!({"type": "model_change", "id": "e1", "provider": "openai", "modelId": "gpt-5.5"});
    let snapshot = json!({
        "type": "custom", "customType": "model-snapshot", "id": "e2", "data": {"provider": "openai", "modelId": "gpt-5.5"},
    });
    let mut silent = response();
    set(&mut silent, "/message/provider", Json::Null);
    set(&mut silent, "/message/model", Json::Null);
    let changed = Observation {
        provider: "openai".into(),
        model: "gpt-5.5".into(),
        ..observed()
    };
    for (case, event) in [("O01", change), ("O02", snapshot)] {
        for text in [
            event.to_string(),
            serde_json::to_string_pretty(&event).expect("JSON"),
        ] {
            let mut carry = Carry::default();
            assert_eq!(
                parse(text.as_bytes(), &Context::default(), &mut carry),
                Line::Ignored(Reason::NoUsage),
                "{case}"
            );
            assert_means(case, &silent, &carry, changed.clone());
            assert_means(
                "the message's own comes first",
                &response(),
                &carry,
                observed(),
            );
        }
    }
    let mut by_id = silent.clone();
    set(&mut by_id, "/message/modelId", json!("gpt-6"));
    let carry = Carry {
        model: Some("gpt-5.5".into()),
        provider: Some("openai".into()),
        ..Carry::default()
    };
    assert_means(
        "modelId",
        &by_id,
        &carry,
        Observation {
            model: "gpt-6".into(),
            ..changed
        },
    );
    let unknown = Observation {
        provider: "".into(),
        model: "unknown".into(),
        ..observed()
    };
    assert_means("nobody says", &silent, &Carry::default(), unknown);
}

#[test]
fn the_header_names_session_and_project() {
    let header = br#"{ "type" : "session", "id": "s1", "timestamp": "2026-11-20T09:00:00.000Z", "cwd": "/w" }"#;
    let mut carry = Carry::default();
    assert_eq!(
        parse(header, &Context::default(), &mut carry),
        Line::Ignored(Reason::NoUsage)
    );
    let expected = Carry {
        session: Some("s1".into()),
        project: Some("/w".into()),
        at: UnixMillis::parse_rfc3339("2026-11-20T09:00:00.000Z"),
        begun: UnixMillis::parse_rfc3339("2026-11-20T09:00:00.000Z"),
        ..Carry::default()
    };
    assert_eq!(carry, expected);
    let observed = Observation {
        session: "s1".into(),
        project: "/w".into(),
        ..observed()
    };
    assert_means("after the header", &response(), &carry, observed);
}

#[test]
fn time_comes_from_the_message_the_record_the_store() {
    let record_time = UnixMillis::parse_rfc3339("2026-11-20T09:01:00.000Z");
    let with_record_time = with("/message/timestamp", Json::Null);
    let mut timeless = with_record_time.clone();
    set(&mut timeless, "/timestamp", Json::Null);
    let carry = Carry {
        at: Some(UnixMillis(1_700_000_000_000)),
        ..Carry::default()
    };
    let seconds = UnixMillis(1_795_165_205_000);
    for (case, line, at, own) in [
        ("O15 the message decides", response(), AT, Some(AT)),
        (
            "seconds",
            with("/message/timestamp", json!(1_795_165_205)),
            seconds,
            Some(seconds),
        ),
        (
            "text",
            with("/message/timestamp", json!("2026-11-20T09:00:05Z")),
            AT,
            Some(AT),
        ),
        (
            "the record's",
            with_record_time,
            record_time.expect("a time"),
            record_time,
        ),
        (
            "the row's",
            timeless.clone(),
            UnixMillis(1_795_000_000_000),
            None,
        ),
    ] {
        assert_means(
            case,
            &line,
            &carry,
            Observation {
                at,
                cluster: cluster(own, 800, 300),
                ..observed()
            },
        );
    }
    let nowhere = Context::default();
    let line = timeless.to_string();
    assert_eq!(
        parse(line.as_bytes(), &nowhere, &mut Carry::default()),
        Line::Broken(Fault::BadTimestamp)
    );
    let Line::Observation(carried) = parse(line.as_bytes(), &nowhere, &mut carry.clone()) else {
        panic!("the last record's time serves");
    };
    assert_eq!(Some(carried.at), carry.at);
}

#[test]
fn identity_leaves_the_session_out_unless_there_is_no_id() {
    let context = context();
    let other = Context {
        session: "fork".into(),
        rank: 0,
        ..context.clone()
    };
    let key = |line: &Json, context| match parse(
        line.to_string().as_bytes(),
        context,
        &mut Carry::default(),
    ) {
        Line::Observation(observation) => observation.cluster,
        _ => panic!("a response"),
    };
    assert_eq!(
        key(&response(), &context),
        key(&response(), &other),
        "O03, O04, O09: copies meet"
    );
    let nameless = with("/id", json!(""));
    assert_ne!(key(&nameless, &context), key(&nameless, &other));
    assert_eq!(key(&nameless, &context), key(&nameless, &context));
    for (case, line) in [
        ("another id", with("/id", json!("e4"))),
        ("another time", with("/message/timestamp", json!(AT.0 + 1))),
        ("other input", with("/message/usage/input", json!(801))),
        ("other output", with("/message/usage/output", json!(301))),
    ] {
        assert_ne!(
            key(&line, &context),
            key(&response(), &context),
            "{case}: 8-hex ids repeat"
        );
    }
}

#[test]
fn usage_is_read_in_every_spelling() {
    let tokens = |input, output, cache_read, cache_write_5m| Tokens {
        input,
        output,
        cache_read,
        cache_write_5m,
        ..Tokens::default()
    };
    for (case, usage, expected) in [
        (
            "short",
            json!({"input": 9, "output": 8, "cacheRead": 7, "cacheWrite": 6}),
            tokens(9, 8, 7, 6),
        ),
        (
            "camel",
            json!({"inputTokens": 9, "outputTokens": 8, "cacheReadTokens": 7, "cacheWriteTokens": 6}),
            tokens(9, 8, 7, 6),
        ),
        (
            "Anthropic",
            json!({"input_tokens": 9, "output_tokens": 8, "cache_read_input_tokens": 7, "cache_creation_input_tokens": 6}),
            tokens(9, 8, 7, 6),
        ),
        (
            "OpenAI chat: cached tokens are inside the prompt",
            json!({"prompt_tokens": 1000, "completion_tokens": 50, "total_tokens": 1050, "prompt_tokens_details": {"cached_tokens": 800}}),
            tokens(200, 50, 800, 0),
        ),
        (
            "OpenAI responses",
            json!({"input_tokens": 1000, "output_tokens": 50, "input_tokens_details": {"cached_tokens": 800}}),
            tokens(200, 50, 800, 0),
        ),
        (
            "flat",
            json!({"promptTokens": 1000, "completionTokens": 50, "cached_tokens": 800}),
            tokens(200, 50, 800, 0),
        ),
        (
            "more cached than read",
            json!({"prompt_tokens": 5, "cached_tokens": 8}),
            tokens(0, 0, 8, 0),
        ),
        (
            "the first spelling counts",
            json!({"output_tokens": 1, "output": 8, "input": null, "input_tokens": 9}),
            tokens(9, 8, 0, 0),
        ),
        (
            "O14",
            json!({"totalTokens": 222}),
            Tokens {
                unsplit: 222,
                ..Tokens::default()
            },
        ),
        (
            "O14 with parts of zero",
            json!({"input": 0, "output": 0, "total_tokens": 222}),
            Tokens {
                unsplit: 222,
                ..Tokens::default()
            },
        ),
        (
            "the total is never added",
            json!({"input": 9, "totalTokens": 222}),
            tokens(9, 0, 0, 0),
        ),
        (
            "C46",
            json!({"input": -9, "output": "8", "cacheRead": 7.9}),
            tokens(0, 8, 7, 0),
        ),
    ] {
        let cluster = cluster(Some(AT), expected.input, expected.output);
        let expected = Observation {
            cluster,
            tokens: expected,
            recorded: None,
            ..observed()
        };
        assert_means(
            case,
            &with("/message/usage", usage),
            &Carry::default(),
            expected,
        );
    }
}

#[test]
fn a_recorded_cost_counts_when_it_means_something() {
    for (case, provider, model, cost, recorded) in [
        (
            "OpenClaw's figure",
            "moonshot",
            "kimi",
            json!({"total": 0.012_299_999_999_999_998}),
            Some(12_300_000),
        ),
        ("O11", "moonshot", "kimi", json!({"total": 0}), None),
        ("O12", "ollama", "llama4", json!({"total": 0}), Some(0)),
        (
            "absurd",
            "openai",
            "gpt-5.5",
            json!({"total": 9_000_000_000_u64}),
            None,
        ),
        (
            "LM Studio",
            "LM-Studio",
            "qwen",
            json!({"total": 0.0}),
            Some(0),
        ),
        (
            "llama.cpp",
            "llama.cpp",
            "qwen",
            json!({"total": 0}),
            Some(0),
        ),
        (
            "hosted by Ollama",
            "ollama",
            "gpt-oss:120b-cloud",
            json!({"total": 0}),
            None,
        ),
        (
            "billed at nothing",
            "openrouter",
            "free",
            json!({"total": 0, "totalOrigin": "provider-billed"}),
            Some(0),
        ),
        ("negative", "moonshot", "kimi", json!({"total": -0.5}), None),
        ("text", "moonshot", "kimi", json!({"total": "0.5"}), None),
        ("absurd", "moonshot", "kimi", json!({"total": 1e300}), None),
        ("missing", "ollama", "llama4", json!({}), None),
    ] {
        let mut line = with("/message/usage/cost", cost);
        set(&mut line, "/message/provider", json!(provider));
        set(&mut line, "/message/model", json!(model));
        let recorded = recorded.map(NanoUsd);
        let expected = Observation {
            provider: provider.into(),
            model: model.into(),
            recorded,
            ..observed()
        };
        assert_means(case, &line, &Carry::default(), expected);
    }
}

#[test]
fn what_counts_nothing_says_why() {
    let mut mirror = with("/message/provider", json!("openclaw"));
    set(&mut mirror, "/message/model", json!("delivery-mirror"));
    let mut injected = mirror.clone();
    set(&mut injected, "/message/model", json!("gateway-injected"));
    let zero = json!({"input": 0, "output": 0, "cacheRead": 0, "cacheWrite": 0, "totalTokens": 0, "cost": {"total": 0}});
    for (case, line, reason) in [
        ("O13", mirror.to_string(), Reason::Synthetic),
        ("O13 injected", injected.to_string(), Reason::Synthetic),
        (
            "O13 transcript",
            with("/message/api", json!("openclaw-transcript")).to_string(),
            Reason::Synthetic,
        ),
        (
            "a failed call",
            with("/message/usage", zero).to_string(),
            Reason::ZeroUsage,
        ),
        (
            "a user's message",
            with("/message/role", json!("user")).to_string(),
            Reason::NotAssistant,
        ),
        (
            "another event",
            with("/type", json!("compaction")).to_string(),
            Reason::NotAssistant,
        ),
        (
            "usage of another kind",
            with("/message/usage", json!(["usage"])).to_string(),
            Reason::NoUsage,
        ),
        (
            "another custom event",
            json!({"type": "custom", "data": {"usage": 1}}).to_string(),
            Reason::NoUsage,
        ),
        (
            "no usage",
            r#"{"id":"x","type":"message"}"#.into(),
            Reason::NoUsage,
        ),
        ("white space", " \r".into(), Reason::Blank),
    ] {
        assert_eq!(
            parse(line.as_bytes(), &context(), &mut Carry::default()),
            Line::Ignored(reason),
            "{case}"
        );
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
        (
            "C39 a header cut",
            r#"{"type":"session","id":"s1""#.into(),
            Fault::NotJson,
        ),
        (
            "C39 cut before the usage",
            whole[..20].to_owned(),
            Fault::NotJson,
        ),
        ("C40 garbage", "\u{0}garbage".into(), Fault::NotJson),
        (
            "C46 huge",
            with("/message/usage/input", json!(10_000_000_001u64)).to_string(),
            Fault::AbsurdTokens,
        ),
        (
            "C46 huge total",
            with("/message/usage", json!({"total": 1e11})).to_string(),
            Fault::AbsurdTokens,
        ),
    ] {
        let mut carry = Carry::default();
        assert_eq!(
            parse(line.as_bytes(), &context(), &mut carry),
            Line::Broken(fault),
            "{case}"
        );
        assert_eq!(carry.session, None, "{case}");
    }
}

#[test]
fn sessions_tell_their_responses() {
    for (name, log) in [
        (
            "session-v3",
            &include_bytes!("../../../../../tests/fixtures/openclaw/session-v3.jsonl")[..],
        ),
        (
            "session-v4",
            include_bytes!("../../../../../tests/fixtures/openclaw/session-v4.jsonl"),
        ),
    ] {
        let context = context();
        let mut carry = Carry::default();
        let lines: Vec<_> = log
            .split(|byte| *byte == b'\n')
            .map(|line| parse(line, &context, &mut carry))
            .collect();
        insta::assert_debug_snapshot!(name, (lines, carry));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_some_line(bytes in prop::collection::vec(any::<u8>(), 0..200), glue in 0usize..4) {
        let around: (&[u8], &[u8]) = [
            (&b""[..], &b""[..]),
            (b"{\"type\":\"custom\",\"customType\":\"model-snapshot\",\"data\":", b"}"),
            (b"{\"type\":\"message\",\"message\":{\"role\":\"assistant\",\"usage\":{\"cost\":", b"}}}"),
            (b"{\"type\":\"session\",\"usage\":", b"}"),
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
