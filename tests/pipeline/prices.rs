//! What happens to the costs of a history when prices, or the rule which cost counts, become others.

use clawspend_core::{
    api::Reader,
    config::Config,
    ingest::{Ingest, Opened},
    ledger::Repriced,
    money::NanoUsd,
    pricing::{Change, Gap, Prices, Query},
    summary::Amount,
    time::UnixMillis,
    usage::Source,
};
use clawspend_tests::corpus::{ClaudeLine, OpenClawLine};
use clawspend_tests::home::{Home, drain, utc};
use std::{collections::BTreeSet, fs, path::Path};

/// Computed: $0.000124. Computed and recorded: $0.0056.
fn home() -> Home {
    let home = Home::new();
    fs::write(
        home.claude("a.jsonl"),
        format!("{}\n", ClaudeLine::default()),
    )
    .expect("writable");
    let sessions = home.path().join(".openclaw/agents/main/sessions");
    fs::create_dir_all(&sessions).expect("can be created");
    fs::write(
        sessions.join("b.jsonl"),
        format!("{}\n", OpenClawLine::default()),
    )
    .expect("writable");
    home
}

fn open(home: &Home, config: &Config) -> Box<Ingest> {
    match Ingest::open(&home.environment(), config).expect("a ledger") {
        Opened::Ours { ingest, .. } => ingest,
        Opened::Taken => panic!("somebody else has the ingest lock"),
    }
}

fn under(text: &str) -> Config {
    let config = clawspend_core::config::parse(text, None).expect("a config");
    Config {
        timezone: utc().timezone,
        ..config
    }
}

type Sums = (i64, u64, u64);

fn amount(told: &Amount) -> Sums {
    (told.cost.0, told.responses, told.unpriced_responses)
}

/// What is to be told: why, then cost, responses and those without a price, before and after.
fn told(repriced: Option<&Repriced>) -> Option<(Vec<Change>, [Sums; 2])> {
    let repriced = repriced?;
    Some((
        repriced.why.clone(),
        [amount(&repriced.before), amount(&repriced.after)],
    ))
}

const OWN: &str =
    "[[prices.model]]\nmodel = \"claude-sonnet-5\"\ninput = 1\noutput = 0\ncache_read = 0\n";

#[test]
fn other_terms_count_the_whole_history_anew_and_say_what_became_of_it() {
    let home = home();
    let mut ingest = open(&home, &utc());
    drain(&mut ingest);
    assert_eq!(ingest.repriced, None, "a new ledger has nothing to tell");
    drop(ingest);
    let whole = (5_724_000, 2, 0);
    assert_eq!(amount(&home.everything().totals), whole);
    let mut before = whole;
    for (text, why, after) in [
        (
            "[costs]\nclaude_code = \"recorded\"",
            Change::CostRule,
            (5_600_000, 2, 1),
        ),
        (
            "[costs]\nclaude_code = \"recorded-else-computed\"",
            Change::CostRule,
            whole,
        ),
        ("", Change::CostRule, whole),
        // OpenClaw's own figure still counts for OpenClaw.
        (OWN, Change::OwnPrices, (5_602_000, 2, 0)),
    ] {
        let ingest = open(&home, &under(text));
        let expected = Some((vec![why], [before, after]));
        assert_eq!(told(ingest.repriced.as_ref()), expected, "{text}");
        assert_eq!(ingest.ledger.repriced().expect("kept"), ingest.repriced);
        drop(ingest);
        assert_eq!(amount(&home.everything().totals), after, "{text}");
        let again = open(&home, &under(text));
        assert_eq!(again.repriced, None, "{text}");
        before = after;
    }
    // Both at once, by a process that goes on.
    let mut ingest = open(&home, &under(OWN));
    let both = under(&format!("{OWN}[costs]\nopenclaw = \"computed\"\n"));
    ingest
        .configure(&home.environment(), &both)
        .expect("other settings");
    let expected = Some((vec![Change::CostRule], [before, (802_000, 2, 0)]));
    assert_eq!(told(ingest.repriced.as_ref()), expected);
    drop(ingest);
    assert_eq!(amount(&home.everything().totals), (802_000, 2, 0));
}

/// Copies what is below `from`, for a fixture that is not to be changed.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("can be created");
    for entry in fs::read_dir(from).expect("a fixture") {
        let entry = entry.expect("readable");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a copy");
        }
    }
}

/// A model that the tests and benchmarks use and the book does not know makes their figures say less than they seem to.
#[test]
fn every_model_in_use_has_a_price() {
    let home = Home::new();
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    copy(
        &fixtures.join("claude_code"),
        home.claude("s").parent().expect("a folder"),
    );
    let below = |folder: &str| home.path().join(folder);
    copy(
        &fixtures.join("openclaw"),
        &below(".openclaw/agents/main/sessions"),
    );
    copy(
        &fixtures.join("openclaw-sqlite/agents"),
        &below(".clawdbot/agents"),
    );
    copy(
        &fixtures.join("openclaw-jsonl/agents"),
        &below(".moltbot/agents"),
    );
    let computed = under("[costs]\nopenclaw = \"computed\"\n");
    drain(&mut open(&home, &computed));
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let seen = reader.models().expect("models");
    let mut used: BTreeSet<(String, String)> = seen
        .iter()
        .map(|model| (model.provider.to_string(), model.model.to_string()))
        .collect();
    assert!(
        used.contains(&(String::new(), "claude-opus-5".into())),
        "{used:?}"
    );
    let generated = clawspend_tests::corpus::models().into_iter();
    used.extend(generated.map(|(provider, model)| (provider.into(), model.into())));
    let mut prices = Prices::default();
    used.retain(|(provider, model)| {
        let (tokens, modifiers) = Default::default();
        let at = UnixMillis::parse_rfc3339("2026-11-20T12:00:00Z").expect("a timestamp");
        let query = Query {
            provider,
            model,
            at,
            tokens,
            modifiers,
        };
        prices.price(&query).cost().is_none()
    });
    // Those that are meant to be unknown.
    let unknown = [
        ("", "deepseek-v4"),
        ("mockanth", "mock-claude"),
        ("mock", "mock-free"),
        ("mock", "mock-large"),
    ];
    let unknown = unknown.map(|(provider, model)| (provider.to_owned(), model.to_owned()));
    assert_eq!(used, BTreeSet::from(unknown));
}

#[test]
fn while_no_config_can_be_read_the_terms_of_last_time_hold() {
    let home = home();
    drain(&mut open(&home, &under(OWN)));
    let before = home.everything();
    assert_eq!(amount(&before.totals), (5_602_000, 2, 0));
    let unread = Config {
        timezone: utc().timezone,
        ..Config::unread()
    };
    let mut ingest = open(&home, &unread);
    assert_eq!(ingest.repriced, None);
    let line = ClaudeLine {
        message_id: "msg_022222222222222222222222",
        request_id: "req_022222222222222222222222",
        ..ClaudeLine::default()
    };
    fs::write(home.claude("c.jsonl"), format!("{line}\n")).expect("writable");
    drain(&mut ingest);
    drop(ingest);
    assert_eq!(amount(&home.everything().totals), (5_604_000, 3, 0));
}

#[test]
fn the_window_tells_an_unknown_model_from_tokens_that_are_not_split() {
    let home = home();
    let unknown = ClaudeLine {
        model: "acme-9",
        ..ClaudeLine::default()
    };
    fs::write(home.claude("a.jsonl"), format!("{unknown}\n")).expect("writable");
    let unsplit = OpenClawLine {
        id: "fc550771",
        usage: r#"{"totalTokens":222}"#,
        ..OpenClawLine::default()
    };
    let path = home.path().join(".openclaw/agents/main/sessions/c.jsonl");
    fs::write(path, format!("{unsplit}\n")).expect("writable");
    drain(&mut open(&home, &utc()));
    let now = UnixMillis::parse_rfc3339("2026-11-20T18:00:00Z").expect("a timestamp");
    let told = |home: &Home| {
        let mut reader = Reader::open(home.environment()).expect("a ledger");
        let dashboard = reader.dashboard(30, now).expect("a dashboard");
        let gaps = dashboard.unpriced.into_iter().map(|model| {
            let gaps: Vec<(Gap, u64)> =
                model.gaps.iter().map(|it| (it.gap, it.responses)).collect();
            (model.source, model.name, model.amount.responses, gaps)
        });
        gaps.collect::<Vec<_>>()
    };
    let (claude, openclaw) = (Source::ClaudeCode, Source::OpenClaw);
    assert_eq!(
        told(&home),
        [
            (
                openclaw,
                "claude-sonnet-5".into(),
                2,
                vec![(Gap::UnsplitTokens, 1)]
            ),
            (claude, "acme-9".into(), 1, vec![(Gap::UnknownModel, 1)]),
        ]
    );
    drop(open(&home, &under("[costs]\nclaude_code = \"recorded\"\n")));
    let gaps = told(&home).into_iter().map(|(.., gaps)| gaps);
    assert_eq!(
        gaps.collect::<Vec<_>>(),
        [[(Gap::UnsplitTokens, 1)], [(Gap::NotRecorded, 1)]]
    );
}

#[test]
fn what_became_of_it_is_one_line() {
    let amount = |cents: i64, responses, unpriced_responses| Amount {
        cost: NanoUsd(cents * 10_000_000),
        responses,
        unpriced_responses,
        ..Amount::default()
    };
    let repriced = |why: &[Change], before, after| Repriced {
        at: clawspend_core::time::UnixMillis(0),
        why: why.to_vec(),
        before,
        after,
    };
    for (repriced, expected) in [
        (
            repriced(
                &[Change::Book],
                amount(1_250, 1_234, 0),
                amount(1_300, 1_234, 0),
            ),
            "another price book: $13.00 in all, $0.50 more than before; 1,234 responses",
        ),
        (
            repriced(
                &[Change::OwnPrices, Change::CostRule],
                amount(100, 1, 1),
                amount(100, 1, 1),
            ),
            "other prices of your own, another choice of which cost counts: $1.00 in all, as before; 1 response, 1 of \
             them without a price",
        ),
        (
            repriced(&[], amount(200, 9, 3), amount(100, 9, 0)),
            "other prices: $1.00 in all, $1.00 less than before; 9 responses, 0 of them without a price, 3 before",
        ),
    ] {
        assert_eq!(repriced.describe(), expected);
    }
}
