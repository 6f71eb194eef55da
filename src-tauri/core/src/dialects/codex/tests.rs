use super::*;
use crate::time::UnixMillis;
use proptest::prelude::*;

const COUNTS: &str = r#"{"timestamp":"2026-11-20T09:00:05.000Z","type":"event_msg","payload":{"type":"token_count","info":{"total_token_usage":{"input_tokens":9000,"cached_input_tokens":4000,"output_tokens":70,"reasoning_output_tokens":30,"total_tokens":9070},"last_token_usage":{"input_tokens":5000,"cached_input_tokens":3000,"cache_write_input_tokens":500,"output_tokens":40,"reasoning_output_tokens":20,"total_tokens":5040},"model_context_window":258400},"rate_limits":null}}"#;

fn context() -> Context {
    Context {
        session: "from-the-name".into(),
        agent: "main".into(),
        rank: 1,
        ..Context::default()
    }
}

/// Reads lines one after the other; the last one's meaning.
fn last<'a>(lines: &[&'a str], context: &'a Context, carry: &mut Carry) -> Line<'a> {
    let meanings = lines
        .iter()
        .map(|line| parse(line.as_bytes(), context, carry));
    meanings.last().expect("a line")
}

#[test]
fn a_count_is_a_response_of_its_turn() {
    let (context, mut carry) = (context(), Carry::default());
    let lines = [
        r#"{"timestamp":"2026-11-20T09:00:00.000Z","type":"session_meta","payload":{"id":"thread-1","cwd":"/w","model_provider":"openai"}}"#,
        r#"{"timestamp":"2026-11-20T08:00:00.000Z","type":"session_meta","payload":{"id":"its-parent","cwd":"/old","model_provider":"azure"}}"#,
        r#"{"timestamp":"2026-11-20T09:00:01.000Z","type":"event_msg","payload":{"type":"task_started","turn_id":"turn-1"}}"#,
        r#"{"timestamp":"2026-11-20T09:00:02.000Z","type":"turn_context","payload":{"cwd":"/w/deeper","model":"gpt-5.6-sol"}}"#,
        COUNTS,
    ];
    let Line::Observation(found) = last(&lines, &context, &mut carry) else {
        panic!("no observation")
    };
    let expected = Observation {
        cluster: turn_cluster("turn-1"),
        identity: Identity::Weak,
        request: found.request,
        line: 0,
        parent: 0,
        at: UnixMillis::parse_rfc3339("2026-11-20T09:00:05Z").expect("a time"),
        source: Source::OpenClaw,
        rank: 1,
        forked: false,
        has_speed: false,
        session: "thread-1".into(),
        project: "/w/deeper".into(),
        agent: "main".into(),
        subagent: "".into(),
        branch: "".into(),
        gateway: "".into(),
        provider: "openai".into(),
        model: "gpt-5.6-sol".into(),
        api: "".into(),
        stop: "".into(),
        tokens: Tokens {
            input: 1500,
            output: 40,
            cache_read: 3000,
            cache_write_5m: 500,
            ..Tokens::default()
        },
        modifiers: Modifiers::default(),
        recorded: None,
        extras: Vec::new(),
    };
    assert_eq!(*found, expected);
    assert_ne!(found.request, 0);
    let again = last(&[COUNTS], &context, &mut carry);
    assert_eq!(
        again,
        Line::Ignored(Reason::ZeroUsage),
        "nothing was used since"
    );
}

#[test]
fn what_counts_nothing_says_why() {
    let turn = r#"{"timestamp":"2026-11-20T09:00:02.000Z","type":"turn_context","payload":{"turn_id":"t","model":"gpt-5.5"}}"#;
    let timeless = COUNTS.replace(r#""timestamp":"2026-11-20T09:00:05.000Z","#, "");
    let absurd = COUNTS.replace(r#""output_tokens":40"#, r#""output_tokens":40000000000"#);
    let zero = COUNTS
        .replace("5000", "0")
        .replace("3000", "0")
        .replace("500", "0");
    let zero = zero.replace(r#""output_tokens":40"#, r#""output_tokens":0"#);
    let timeless_turn = turn.replace(r#""timestamp":"2026-11-20T09:00:02.000Z","#, "");
    for (case, lines, expected) in [
        ("no turn", vec![COUNTS], Fault::NamelessTurn.into()),
        (
            "no time",
            vec![&timeless_turn, &timeless],
            Fault::BadTimestamp.into(),
        ),
        ("absurd", vec![turn, &absurd], Fault::AbsurdTokens.into()),
        ("zero", vec![turn, &zero], Reason::ZeroUsage.into()),
        (
            "limits alone",
            vec![
                turn,
                r#"{"type":"event_msg","payload":{"type":"token_count","info":null,"rate_limits":{}}}"#,
            ],
            Reason::NoUsage.into(),
        ),
        (
            "what the user quotes",
            vec![
                turn,
                r#"{"type":"response_item","payload":{"type":"message","content":"a \"token_count\" of mine"}}"#,
            ],
            Reason::NoUsage.into(),
        ),
        (
            "cut",
            vec![turn, &COUNTS[..COUNTS.len() - 1]],
            Fault::NotJson.into(),
        ),
        ("blank", vec![turn, ""], Reason::Blank.into()),
    ] {
        let context = context();
        let found = last(&lines, &context, &mut Carry::default());
        assert_eq!(found, expected, "{case}");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_some_line(bytes in prop::collection::vec(any::<u8>(), 0..200), at in any::<prop::sample::Index>()) {
        let context = context();
        let mut glued = COUNTS.as_bytes().to_vec();
        let at = at.index(glued.len());
        glued.splice(at..at, bytes.iter().copied());
        for line in [bytes, glued] {
            let found = parse(&line, &context, &mut Carry::default());
            prop_assert!(!matches!(found, Line::Observation(_)), "no turn is under way");
        }
    }
}
