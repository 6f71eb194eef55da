//! What a gateway on another machine counts while nobody listens to it, in every figure of every door.

use clawspend_core::{
    api::Reader,
    dialects::openclaw::pushed::{self, Pushed},
    follow::roots::rank,
    forget::{ForgetRequest, forget},
    gateway::{Usage, remote},
    ledger::{Ledger, query::Dimension, remote_days::RemoteAnswer},
    pricing::{Gap, Prices},
    report::{Column, Filter, ReportRequest},
    summary::Amount,
    time::UnixMillis,
    usage::{Line, Source},
    verify::{Cause, verify},
};
use clawspend_tests::home::{Home, utc};
use jiff::{
    civil::{Date, date},
    tz::TimeZone,
};
use serde_json::Value;
use std::{fs, path::Path};

const DAY: Date = date(2026, 11, 20);

/// When the captured answer was computed: 12:45:48.
const CAPTURED: UnixMillis = UnixMillis(1_795_178_748_276);
const MINUTE: i64 = 60_000;

fn fixture(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/gateway");
    let text = fs::read_to_string(path.join(name)).expect("readable");
    serde_json::from_str(&text).expect("JSON")
}

/// A home that follows the gateway, with a ledger that knows nothing yet.
fn home() -> Home {
    let home = Home::new();
    let config = home.path().join("clawspend-config");
    fs::create_dir_all(&config).expect("can be created");
    let text = "[display]\ntimezone = \"UTC\"\n[[gateways]]\nname = \"home\"\nurl = \"ws://10.1.2.3:18789\"\n";
    fs::write(config.join("clawspend.toml"), text).expect("writable");
    drop(home.ingest());
    home
}

fn ledger(home: &Home) -> Ledger {
    Ledger::open_writer(&home.data().join("ledger.sqlite")).expect("a ledger")
}

/// Keeps the captured answer as the engine does: 15 responses, one of which used nothing, for $0.07563.
fn answer(home: &Home) {
    answer_of(home, "home");
}

fn answer_of(home: &Home, gateway: &str) {
    answer_as_of(home, gateway, CAPTURED);
}

fn answer_as_of(home: &Home, gateway: &str, updated_at: UnixMillis) {
    let payload = fixture("rpc/sessions.usage.allagents.json")["response"]["payload"].to_string();
    let usage: Usage = serde_json::from_str(&payload).expect("usage");
    let answer = RemoteAnswer {
        gateway,
        zone: "UTC",
        updated_at,
        taken_at: updated_at.plus(1_000),
        days: &remote::days(&usage, DAY, DAY).expect("amounts"),
        sessions: &remote::sessions(&usage),
    };
    ledger(home).keep_remote_days(&answer).expect("kept");
}

/// The answer of a captured turn, pushed at 12:35:03: one of main's seven of mock-large, for $0.00534.
fn pushed() -> Pushed {
    let events = fixture("events/turn-after-sessions.subscribe.json");
    let events = events.as_array().expect("events");
    let payload = events
        .iter()
        .map(|event| &event["payload"])
        .find(|payload| payload["message"]["role"] == "assistant")
        .expect("an answer");
    of_home(pushed::parse(payload.to_string().as_bytes(), rank::GATEWAY))
}

fn of_home(mut pushed: Pushed) -> Pushed {
    if let Line::Observation(observation) = &mut pushed.line {
        observation.gateway = "home".into();
    }
    pushed
}

/// The same, made after the answer.
fn later() -> Pushed {
    let mut later = pushed();
    if let Line::Observation(observation) = &mut later.line {
        observation.cluster = 7;
        observation.at = CAPTURED.plus(MINUTE);
        observation.session = "another".into();
    }
    later
}

fn push(home: &Home, pushed: Pushed) {
    let mut ledger = ledger(home);
    let basis = ledger.basis().expect("readable").expect("a basis");
    let mut prices = Prices::new(basis.terms);
    let heard = ledger.hear("home", &[pushed], &TimeZone::UTC, &mut |it| prices.cost(it));
    heard.expect("kept");
}

fn reader(home: &Home) -> Reader {
    Reader::open(home.environment()).expect("a ledger")
}

/// Cost, responses, those without a price, and tokens.
type Sums = (i64, u64, u64, u64);

fn sums(amount: &Amount) -> Sums {
    (
        amount.cost.0,
        amount.responses,
        amount.unpriced_responses,
        amount.tokens.total(),
    )
}

fn by(home: &Home, by: &[Column], only: &[Filter]) -> Vec<(Vec<String>, Sums)> {
    let request = ReportRequest {
        by: by.to_vec(),
        only: only.to_vec(),
        since: DAY,
        until: DAY,
        zone: TimeZone::UTC,
    };
    let report = reader(home).report(request).expect("a report");
    let rows = report.rows.iter();
    rows.map(|row| (row.values.clone(), sums(&row.amount)))
        .collect()
}

fn row(values: &[&str], sums: Sums) -> (Vec<String>, Sums) {
    (values.iter().map(|it| (*it).to_owned()).collect(), sums)
}

fn all(responses: u64, cost: i64, tokens: u64) -> Sums {
    (cost, responses, 1, tokens)
}

/// What each door says of the day, added up.
fn doors(home: &Home, now: UnixMillis) -> Vec<(&'static str, Sums)> {
    let mut reader = reader(home);
    let add = |amounts: &mut dyn Iterator<Item = Amount>| {
        let mut sum = Amount::default();
        amounts.for_each(|amount| sum += amount);
        sums(&sum)
    };
    let summary = reader.summary(now).expect("a summary");
    let chart = reader.chart(3, now).expect("a chart");
    let window = reader.dashboard(3, now).expect("a dashboard");
    let models = reader.models().expect("models");
    let days = chart.iter().flat_map(|day| &day.models);
    let mut doors = vec![
        ("today", sums(&summary.today)),
        ("its week", sums(&summary.week)),
        (
            "its models",
            add(&mut summary.models.iter().map(|it| it.amount)),
        ),
        ("the chart", add(&mut days.map(|it| it.amount))),
        ("models", add(&mut models.iter().map(|it| it.amount))),
    ];
    let tables = [window.by_model, window.by_project, window.by_session];
    for rows in tables {
        let table = add(&mut rows.iter().map(|it| it.amount));
        doors.push(("the window's table", table));
    }
    for (column, word) in Column::ALL {
        let sum = by(home, &[column], &[])
            .into_iter()
            .fold((0, 0, 0, 0), |sum, (_, row)| {
                (sum.0 + row.0, sum.1 + row.1, sum.2 + row.2, sum.3 + row.3)
            });
        doors.push((word, sum));
    }
    let told = reader.doctor(now).expect("an answer");
    assert_eq!(told.responses, summary.today.responses, "doctor");
    doors
}

#[test]
fn every_door_counts_it_and_a_push_counts_once() {
    let before = all(14, 75_630_000, 28_674);
    let after = all(15, 80_970_000, 30_694);
    let answer: fn(&Home) = answer;
    let push: fn(&Home) = |home| self::push(home, pushed());
    let later: fn(&Home) = |home| self::push(home, self::later());
    for (order, expected) in [
        ([answer, push, later], [before, before, after]),
        ([answer, later, push], [before, after, after]),
        (
            [push, answer, later],
            [(5_340_000, 1, 0, 2_020), before, after],
        ),
        (
            [later, answer, push],
            [(5_340_000, 1, 0, 2_020), after, after],
        ),
        (
            [push, later, answer],
            [(5_340_000, 1, 0, 2_020), (10_680_000, 2, 0, 4_040), after],
        ),
    ] {
        let home = home();
        for (step, expected) in order.into_iter().zip(expected) {
            step(&home);
            home.catch_up();
            for (door, sums) in doors(&home, CAPTURED.plus(5 * MINUTE)) {
                assert_eq!(sums, expected, "{door}");
            }
        }
    }
}

#[test]
fn a_push_of_what_began_before_the_answer_and_was_stored_after_it_counts_on_top() {
    let stored = UnixMillis(1_795_178_103_561);
    for (updated_at, expected) in [
        (stored.plus(-1), all(15, 80_970_000, 30_694)),
        (stored, all(14, 75_630_000, 28_674)),
    ] {
        let home = home();
        answer_as_of(&home, "home", updated_at);
        for _ in 0..2 {
            push(&home, pushed());
            home.catch_up();
            for (door, sums) in doors(&home, CAPTURED.plus(5 * MINUTE)) {
                assert_eq!(sums, expected, "{door}");
            }
        }
    }
}

#[test]
fn its_rows_say_what_is_known_and_nothing_else() {
    let home = home();
    answer(&home);
    push(&home, pushed());
    push(&home, later());
    let of = Column::Of;
    let columns = [
        Column::Hour,
        of(Dimension::Gateway),
        of(Dimension::Agent),
        of(Dimension::Session),
        of(Dimension::Provider),
        of(Dimension::Model),
    ];
    let session = "0b243ddd-d81c-428f-8097-d4747d0a7f41";
    let noon = "2026-11-20T12:00+00:00";
    let heard = (5_340_000, 1, 0, 2_020);
    let expected = [
        row(&["", "home", "", "", "mock", "mock-free"], (0, 1, 1, 1_580)),
        row(
            &["", "home", "", "", "mock", "mock-large"],
            (33_060_000, 4, 0, 10_940),
        ),
        row(
            &["", "home", "", "", "mockanth", "mock-claude"],
            (7_050_000, 1, 0, 1_754),
        ),
        row(
            &["", "home", "main", "", "mock", "mock-large"],
            (27_990_000, 6, 0, 11_130),
        ),
        row(
            &["", "home", "ops", "", "mock", "mock-large"],
            (2_190_000, 1, 0, 1_250),
        ),
        row(
            &[noon, "home", "main", session, "mock", "mock-large"],
            heard,
        ),
        row(
            &[noon, "home", "main", "another", "mock", "mock-large"],
            heard,
        ),
    ];
    let mut expected = expected.to_vec();
    expected.sort();
    assert_eq!(by(&home, &columns, &[]), expected);
    let only = |column, pattern: &str| Filter {
        column,
        pattern: pattern.into(),
    };
    for (filter, expected) in [
        (only(Column::Hour, ""), (70_290_000, 13, 1, 26_654)),
        (only(Column::Hour, "2026*"), (10_680_000, 2, 0, 4_040)),
        (only(Column::Source, "claude-code"), (0, 0, 0, 0)),
        (
            only(of(Dimension::Agent), "main"),
            (38_670_000, 8, 0, 15_170),
        ),
    ] {
        let rows = by(&home, &[], std::slice::from_ref(&filter));
        let sum = rows.first().map_or((0, 0, 0, 0), |(_, sums)| *sums);
        assert_eq!(sum, expected, "{filter:?}");
    }
    // The hour, which rules about hours go by, is not made up.
    let slots = ledger(&home).slot_costs(0..i64::MAX).expect("costs");
    let costs: Vec<i64> = slots.iter().map(|(_, cost)| cost.0).collect();
    assert_eq!(costs, [5_340_000, 5_340_000]);
}

#[test]
fn what_has_no_price_there_and_what_may_be_missing_is_said() {
    let home = home();
    let remarks = |minutes: i64| {
        let mut reader = reader(&home);
        let told = reader.remarks(DAY, DAY, CAPTURED.plus(minutes * MINUTE));
        told.expect("remarks")
    };
    assert_eq!(remarks(20), [""; 0]);
    answer(&home);
    push(&home, pushed());
    let totals = "OpenClaw: 13 responses of these days (at least $0.07) are known from the totals of the gateway home alone; \
                  they count copies in forked sessions again, which cannot be seen from outside.";
    let old = "OpenClaw: the gateway home last told what it counts at 2026-11-20 12:45; what was spent there since and not \
               heard is not in.";
    assert_eq!(remarks(15), [totals]);
    assert_eq!(remarks(16), [totals, old]);
    // A range that had ended by then lacks nothing of it.
    let before = reader(&home).remarks(
        date(2026, 11, 18),
        date(2026, 11, 19),
        CAPTURED.plus(24 * 60 * MINUTE),
    );
    assert_eq!(before.expect("remarks"), [""; 0]);
    let window = reader(&home).dashboard(1, CAPTURED).expect("a dashboard");
    assert_eq!(window.remarks, [totals]);
    let unpriced = window.unpriced.iter().map(|model| {
        let gaps: Vec<(Gap, u64)> = model.gaps.iter().map(|it| (it.gap, it.responses)).collect();
        (model.name.as_str(), sums(&model.amount), gaps)
    });
    assert_eq!(
        unpriced.collect::<Vec<_>>(),
        [(
            "mock-free",
            (0, 1, 1, 1_580),
            vec![(Gap::PriceMissingThere, 1)]
        )]
    );
}

#[test]
fn verify_knows_that_there_is_nothing_to_read_again() {
    let home = home();
    answer(&home);
    push(&home, pushed());
    push(&home, later());
    let told = verify(&home.environment(), &utc(), &mut |_| {}).expect("an answer");
    assert_eq!((told.files, told.ledger, told.logs), (0, 15, 0));
    let nothing = (0, 0, 0, 0);
    let differences = told.differences.iter().map(|it| {
        assert_eq!((it.day, it.source), (DAY, Source::OpenClaw));
        (it.cause, &*it.model, sums(&it.ledger), sums(&it.logs))
    });
    assert_eq!(
        differences.collect::<Vec<_>>(),
        [
            (
                Cause::HeardFromGateway,
                "mock-large",
                (10_680_000, 2, 0, 4_040),
                nothing
            ),
            (
                Cause::GatewayTotals,
                "mock-claude",
                (7_050_000, 1, 0, 1_754),
                nothing
            ),
            (Cause::GatewayTotals, "mock-free", (0, 1, 1, 1_580), nothing),
            (
                Cause::GatewayTotals,
                "mock-large",
                (63_240_000, 11, 0, 23_320),
                nothing
            ),
        ]
    );
    assert!(told.differences.iter().all(|it| it.cause.is_explained()));
    // Nor is the row of its counters a log that is gone.
    let ingest = home.ingest();
    assert_eq!(ingest.ledger.known_files().expect("files"), []);
    assert_eq!(ingest.ledger.counts().expect("counts").counted, 2);
}

#[test]
fn what_is_forgotten_of_it_stays_forgotten() {
    let home = home();
    answer(&home);
    push(&home, pushed());
    push(&home, later());
    let request = |model: &str| ForgetRequest {
        before: Some(date(2026, 11, 21)),
        only: vec![Filter {
            column: Column::Of(Dimension::Model),
            pattern: model.into(),
        }],
        zone: TimeZone::UTC,
    };
    let shown = reader(&home)
        .forgettable(&request("mock-large"))
        .expect("a choice");
    let done = forget(&home.environment(), &utc(), &request("mock-large")).expect("forgotten");
    assert_eq!(done.choice, shown);
    assert_eq!(sums(&shown.chosen), (73_920_000, 13, 0, 27_360));
    assert_eq!(
        (shown.days, sums(&shown.stay)),
        (Some((DAY, DAY)), (0, 0, 0, 0))
    );
    let left = [
        row(&["mock-claude"], (7_050_000, 1, 0, 1_754)),
        row(&["mock-free"], (0, 1, 1, 1_580)),
    ];
    let by_model = || by(&home, &[Column::Of(Dimension::Model)], &[]);
    assert_eq!(by_model(), left);
    answer(&home);
    push(&home, pushed());
    push(&home, later());
    home.catch_up();
    assert_eq!(by_model(), left);
}

/// After the captured databases have been read, the gateway is known to be the one of this machine.
#[test]
fn logs_that_turn_up_after_the_answer_take_its_place() {
    let home = home();
    answer(&home);
    push(&home, pushed());
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/openclaw-sqlite/agents");
    let agents = home.path().join(".openclaw/agents");
    for entry in walkdir::WalkDir::new(&fixture) {
        let entry = entry.expect("readable");
        let to = agents.join(entry.path().strip_prefix(&fixture).expect("below it"));
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).expect("can be created");
        } else {
            fs::copy(entry.path(), to).expect("copied");
        }
    }
    let with_gateway = home.catch_up();
    let only_logs = {
        let home = super::reconcile::home(&["main", "ops"]);
        home.everything()
    };
    assert_eq!(with_gateway.totals.cost.0, 84_450_000);
    assert_eq!(with_gateway, only_logs);
}

#[test]
fn a_gateway_that_gets_another_name_counts_once() {
    let home = home();
    let follow = |minutes, gateways: &[(&str, &str)]| {
        let own = |(name, address): &(&str, &str)| ((*name).to_owned(), (*address).to_owned());
        let gateways: Vec<_> = gateways.iter().map(own).collect();
        ledger(&home)
            .follow_gateways(&gateways, CAPTURED.plus(minutes * MINUTE))
            .expect("followed");
    };
    let here = "ws://10.1.2.3:18789";
    follow(-60, &[("home", here)]);
    answer(&home);
    push(&home, pushed());
    let gateway = [Column::Of(Dimension::Gateway)];
    let before = by(&home, &gateway, &[]);
    assert_eq!(before, [row(&["home"], all(14, 75_630_000, 28_674))]);
    follow(1, &[("office", here), ("other", "ws://10.1.2.4:18789")]);
    assert_eq!(by(&home, &gateway, &[]), before);
    // It tells again: what was pushed keeps the name that it had then.
    answer_of(&home, "office");
    let renamed = [
        row(&["home"], (5_340_000, 1, 0, 2_020)),
        row(&["office"], all(13, 70_290_000, 26_654)),
    ];
    assert_eq!(by(&home, &gateway, &[]), renamed);
    // With another address it is still the same.
    follow(2, &[("office", "ws://10.1.2.5:18789"), ("new", here)]);
    answer_of(&home, "office");
    assert_eq!(by(&home, &gateway, &[]), renamed);
    let summary = reader(&home).summary(CAPTURED).expect("figures");
    assert_eq!(summary.today.responses, 14);
    assert_eq!(ledger(&home).integrity().expect("an answer"), ["ok"]);
}
