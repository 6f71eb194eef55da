//! `forget`: what leaves the ledger, that it leaves it wholly, and that it does not come back.

use crate::home::{Answer, HOUR, Home, NINE, Watch, append, now, zone_far_from_midnight};
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage, OpenClawLine};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    time::{Duration, SystemTime},
};

const DAY: i64 = 24 * HOUR;

const REPORT: &str = "report --by day,project,session,label --since 2026-11-01 --until 2026-11-30 --timezone UTC --json";

fn line(number: u32, at: i64, project: &str, session: &str) -> String {
    ClaudeLine {
        uuid: &format!("00000000-0000-4000-8000-{number:012}"),
        message_id: &format!("msg_{number:024}"),
        request_id: &format!("req_{number:024}"),
        session,
        cwd: project,
        at,
        ..ClaudeLine::default()
    }
    .to_string()
}

/// Two projects of Claude Code over two days, and a session of OpenClaw that has a label.
fn home() -> Home {
    let home = Home::new();
    home.claude(
        "p/a.jsonl",
        &[
            line(1, NINE, "/w/secret", "plot"),
            line(2, NINE + DAY, "/w/secret", "plot"),
        ],
    );
    home.claude(
        "q/b.jsonl",
        &[
            line(3, NINE, "/w/open", "talk"),
            line(4, NINE + DAY, "/w/open", "talk"),
        ],
    );
    let event = OpenClawLine {
        at: NINE,
        ..OpenClawLine::default()
    };
    home.write(
        ".openclaw/agents/main/sessions/claws.jsonl",
        format!("{{\"type\":\"session\",\"id\":\"claws\",\"cwd\":\"/w/claw\"}}\n{event}\n"),
    );
    home.write(
        ".openclaw/agents/main/sessions/sessions.json",
        r#"{"agent:main:night": {"sessionId": "claws", "label": "hush hush"}}"#,
    );
    home
}

/// Day, project, session, label and responses of each row.
fn rows(home: &Home) -> Vec<String> {
    let report = home.json(REPORT);
    let rows = report["rows"].as_array().expect("rows").iter();
    let text = |row: &Value, name: &str| row[name].as_str().expect("a text").to_owned();
    let told = rows.map(|row| {
        let words = ["day", "project", "session", "label"].map(|name| text(row, name));
        format!("{} {}", words.join(" "), row["responses"])
    });
    told.collect()
}

const ALL: [&str; 5] = [
    "2026-11-20 /w/claw claws hush hush 1",
    "2026-11-20 /w/open talk  1",
    "2026-11-20 /w/secret plot  1",
    "2026-11-21 /w/open talk  1",
    "2026-11-21 /w/secret plot  1",
];

/// Every byte that the ledger's files hold.
fn holds(home: &Home, text: &str) -> bool {
    let files = fs::read_dir(home.data()).expect("a folder");
    let mut files = files.map(|entry| fs::read(entry.expect("an entry").path()).expect("a file"));
    let text = text.as_bytes();
    files.any(|bytes| bytes.windows(text.len()).any(|window| window == text))
}

/// The ledger's content, free of what its file's layout adds.
fn dump(home: &Home) -> Vec<u8> {
    let folder = tempfile::tempdir().expect("a folder");
    let copy = folder.path().join("copy");
    Connection::open(home.ledger())
        .and_then(|ledger| ledger.execute("VACUUM INTO ?1", [copy.to_str().expect("Unicode")]))
        .expect("a copy");
    fs::read(copy).expect("the copy")
}

/// That all is as it should be but for what was forgotten.
fn verified(home: &Home) -> Vec<String> {
    let verified = home.json("verify --json");
    let causes = verified["causes"].as_array().expect("causes").iter();
    let told = causes.map(|it| {
        let cause = it["cause"].as_str().expect("a text");
        format!(
            "{cause} {} {}",
            it["ledger"]["responses"], it["logs"]["responses"]
        )
    });
    told.collect()
}

#[test]
fn a_preview_shows_what_would_go_and_changes_nothing() {
    let home = home();
    // What was written a moment ago would be looked at again.
    for log in [
        ".claude/projects/p/a.jsonl",
        ".claude/projects/q/b.jsonl",
        ".openclaw/agents/main/sessions/claws.jsonl",
        ".openclaw/agents/main/sessions/sessions.json",
    ] {
        let log = File::options().append(true).open(home.path().join(log));
        let old = SystemTime::now() - Duration::from_secs(3600);
        log.and_then(|log| log.set_modified(old)).expect("a log");
    }
    assert_eq!(rows(&home), ALL);
    let before = dump(&home);
    assert_eq!(
        home.tell("forget --where project=/w/secret --where session=plot --timezone UTC"),
        "\
2 responses of 2026-11-20 to 2026-11-21 (days of UTC) would be forgotten: 224 tokens, $0.001.

source       project    responses  tokens    cost
───────────  ─────────  ─────────  ──────  ──────
claude-code  /w/secret          2     224  $0.001

Nothing has been changed. Add --yes to forget it for good.
"
    );
    assert_eq!(
        home.tell("forget --where project=/w/nothing"),
        "Nothing to forget: no response meets all conditions.\n"
    );
    assert!(dump(&home) == before, "the ledger was changed");
    assert_eq!(rows(&home), ALL);
}

#[test]
fn days_before_one_are_forgotten_in_the_asked_zone() {
    let home = home();
    let figures = |responses: u64, input: u64, output: u64, cache_read: u64, cost: &str| {
        json!({
            "responses": responses, "input_tokens": input, "output_tokens": output, "cache_read_tokens": cache_read,
            "cache_write_5m_tokens": 0, "cache_write_1h_tokens": 0, "unsplit_tokens": 0, "cost_usd": cost,
            "unpriced_responses": 0,
        })
    };
    let row = |source: &str, project: &str, mut figures: Value| {
        figures["source"] = source.into();
        figures["project"] = project.into();
        figures
    };
    // Nine in the morning is still the day before in Honolulu.
    let told = home.json("forget --before 2026-11-20 --timezone Pacific/Honolulu --json");
    assert_eq!(
        (&told["forgotten"], &told["totals"]["responses"]),
        (&json!(false), &json!(3))
    );
    let nothing = home.json("forget --before 2026-11-20 --timezone UTC --json --yes");
    assert_eq!(nothing["totals"]["responses"], 0);
    assert_eq!(
        home.json(
            "forget --before 2026-11-21 --where source=claude-code --timezone UTC --json --yes"
        ),
        json!({
            "schema": "clawspend.forget/1", "timezone": "UTC", "forgotten": true, "first_day": "2026-11-20",
            "last_day": "2026-11-20",
            "rows": [
                row("claude-code", "/w/open", figures(1, 2, 10, 100, "0.000124000")),
                row("claude-code", "/w/secret", figures(1, 2, 10, 100, "0.000124000")),
            ],
            "totals": figures(2, 4, 20, 200, "0.000248000"),
            "stay": figures(0, 0, 0, 0, "0.000000000"),
        })
    );
    assert_eq!(rows(&home), [ALL[0], ALL[3], ALL[4]]);
    assert_eq!(verified(&home), ["forgotten 0 2"]);
}

#[test]
fn a_project_leaves_with_every_byte_of_its_names_and_does_not_come_back() {
    let home = home();
    assert_eq!(rows(&home), ALL);
    assert!(holds(&home, "/w/secret") && holds(&home, "plot"));
    assert_eq!(
        home.tell("forget --where project=/w/secret --yes --timezone UTC"),
        "\
2 responses of 2026-11-20 to 2026-11-21 (days of UTC) were forgotten: 224 tokens, $0.001.

source       project    responses  tokens    cost
───────────  ─────────  ─────────  ──────  ──────
claude-code  /w/secret          2     224  $0.001
"
    );
    let gone = |home: &Home| !holds(home, "/w/secret") && !holds(home, "plot");
    assert!(gone(&home));
    assert_eq!(
        rows(&home),
        ALL[..4]
            .iter()
            .copied()
            .filter(|row| !row.contains("secret"))
            .collect::<Vec<_>>()
    );

    // Read again whole, with a copy of what was forgotten in another file, and with one new response elsewhere.
    let log = home.path().join(".claude/projects/p/a.jsonl");
    let lines = fs::read_to_string(&log).expect("the log");
    fs::write(&log, format!("{{}}\n{lines}")).expect("the log");
    home.write(".claude/projects/p/fork.jsonl", &lines);
    append(
        &home.path().join(".claude/projects/q/b.jsonl"),
        &line(5, NINE, "/w/open", "talk"),
    );
    let left = [ALL[0], "2026-11-20 /w/open talk  2", ALL[3]];
    assert_eq!(rows(&home), left);
    assert!(gone(&home));
    assert_eq!(verified(&home), ["forgotten 0 2"]);

    // Once more, it finds nothing, and changes nothing.
    let before = rows(&home);
    assert_eq!(
        home.tell("forget --where project=/w/secret --yes"),
        "Nothing to forget: no response meets all conditions.\n"
    );
    assert_eq!(rows(&home), before);

    // A new response of the same project counts.
    append(&log, &line(6, NINE, "/w/secret", "plot"));
    let anew = "2026-11-20 /w/secret plot  1";
    assert_eq!(rows(&home), [left[0], left[1], anew, left[2]]);
    assert_eq!(verified(&home), ["forgotten 0 2"]);
}

#[test]
fn a_session_is_forgotten_by_its_label_and_the_label_does_not_come_back() {
    let home = home();
    assert_eq!(rows(&home), ALL);
    let log = home
        .path()
        .join(".openclaw/agents/main/sessions/claws.jsonl");
    fs::remove_file(&log).expect("the log");
    let told = home.json("forget --where label=hush* --yes --json");
    assert_eq!(told["totals"]["responses"], 1);
    // The log's name, its row and what was remembered of its head are gone too.
    let gone = |home: &Home| {
        ["hush hush", "claws", "/w/claw", "agent:main:night"].map(|text| holds(home, text))
            == [false; 4]
    };
    assert!(gone(&home));
    // The index still tells of the session, and is read again.
    home.write(
        ".openclaw/agents/main/sessions/sessions.json",
        r#"{"agent:main:night": {"sessionId": "claws", "label": "hush hush", "updatedAt": 2}}"#,
    );
    assert_eq!(rows(&home), &ALL[1..]);
    assert!(gone(&home));
    assert_eq!(verified(&home), [""; 0]);
}

/// An id too short to be unique may stand for several responses, also for some that come later.
#[test]
fn an_id_is_forgotten_whole_or_not_at_all() {
    let home = Home::new();
    let shared = |number: u32, at, input, output| {
        ClaudeLine {
            uuid: &format!("00000000-0000-4000-8000-{number:012}"),
            parent: "",
            message_id: "m1",
            request_id: &format!("req_{:024}", number % 10),
            at,
            usage: ClaudeUsage {
                input,
                output,
                ..ClaudeLine::default().usage
            },
            ..ClaudeLine::default()
        }
        .to_string()
    };
    home.claude(
        "p/a.jsonl",
        &[
            shared(1, NINE, 5, 10),
            shared(2, NINE + DAY, 7, 10),
            line(3, NINE, "/w/open", "talk"),
        ],
    );
    let forget = |more: &str| home.tell(&format!("forget --timezone UTC {more}"));
    assert_eq!(
        forget("--before 2026-11-21 --yes"),
        "\
1 response of 2026-11-20 to 2026-11-20 (days of UTC) was forgotten: 112 tokens, $0.001.

source       project  responses  tokens    cost
───────────  ───────  ─────────  ──────  ──────
claude-code  /w/open          1     112  $0.001

Left as it is, because others with the same id do not meet the conditions: 1 response.
"
    );
    let left = home.json(REPORT);
    assert_eq!(left["totals"]["responses"], 2);
    assert_eq!(left["totals"]["input_tokens"], 12);
    assert!(
        forget("--before 2026-11-22 --yes").starts_with("2 responses of 2026-11-20 to 2026-11-21")
    );
    assert_eq!(home.json(REPORT)["totals"]["responses"], 0);
    assert_eq!(home.json("today --json")["responses"], 0);
    assert_eq!(verified(&home), ["forgotten 0 3"]);

    // Later ones of that id count, one with another request and one with another input. What was forgotten does not,
    // not even with more output and in another file.
    let later = [
        shared(4, NINE + DAY, 7, 10),
        shared(12, NINE + DAY, 9, 10),
        shared(1, NINE, 5, 400),
        shared(2, NINE + DAY, 7, 10),
    ];
    home.claude("p/b.jsonl", &later);
    let input = |home: &Home| {
        let totals = &home.json(REPORT)["totals"];
        (totals["responses"].clone(), totals["input_tokens"].clone())
    };
    assert_eq!(input(&home), (json!(2), json!(16)));
    assert_eq!(verified(&home), ["forgotten 0 3"]);

    // They can be forgotten as well, and the first ones stay so.
    assert!(
        forget("--before 2026-11-22 --yes").starts_with("2 responses of 2026-11-21 to 2026-11-21")
    );
    home.claude("p/c.jsonl", &later);
    assert_eq!(input(&home), (json!(0), json!(0)));
    append(
        &home.path().join(".claude/projects/p/c.jsonl"),
        &shared(5, NINE + DAY, 11, 10),
    );
    assert_eq!(input(&home), (json!(1), json!(11)));
    assert_eq!(verified(&home), ["forgotten 0 5"]);
}

/// Copies of one response may differ in input, where a proxy writes zeros first.
#[test]
fn a_unique_id_stays_forgotten_whatever_its_copies_say() {
    let home = Home::new();
    let copy = |uuid: u32, parent: &str, input, output| {
        ClaudeLine {
            uuid: &format!("00000000-0000-4000-8000-{uuid:012}"),
            parent,
            at: NINE,
            usage: ClaudeUsage {
                input,
                output,
                ..ClaudeLine::default().usage
            },
            ..ClaudeLine::default()
        }
        .to_string()
    };
    let log = home.claude("p/a.jsonl", &[copy(1, "", 0, 1)]);
    let told = home.json("forget --where source=claude-code --yes --json");
    assert_eq!(told["totals"]["responses"], 1);
    let parent = "00000000-0000-4000-8000-000000000001";
    append(&log, &copy(2, parent, 5, 1));
    append(&log, &copy(2, parent, 5, 400));
    assert_eq!(home.json(REPORT)["totals"]["responses"], 0);
    assert_eq!(verified(&home), ["forgotten 0 1"]);
}

/// Numbers of texts that are gone are not given again: a reader still knows what they stood for.
#[test]
fn numbers_of_names_are_not_given_twice() {
    let home = home();
    assert_eq!(rows(&home), ALL);
    let highest = || -> Vec<i64> {
        let ledger = Connection::open(home.ledger()).expect("the ledger");
        let of = |table| {
            let sql = format!("SELECT MAX(id) FROM {table}");
            ledger.query_row(&sql, [], |row| row.get(0)).expect("rows")
        };
        ["names", "owners", "calls"].map(of).into()
    };
    let before = highest();
    for _ in 0..2 {
        home.tell("forget --where source=* --yes");
        let now = highest();
        assert!(
            now.iter().zip(&before).all(|(now, then)| now >= then),
            "{now:?} {before:?}"
        );
    }
    append(
        &home.path().join(".claude/projects/q/b.jsonl"),
        &line(7, NINE, "/w/new", "talk"),
    );
    assert_eq!(rows(&home), ["2026-11-20 /w/new talk  1"]);
    assert!(highest().iter().zip(&before).all(|(now, then)| now > then));
}

#[test]
fn nothing_is_forgotten_while_another_process_follows_the_logs() {
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    home.claude("p/a.jsonl", &[line(1, now(), "/w/secret", "plot")]);
    let watch = Watch::start(&home);
    assert_eq!(watch.next().0, 1);
    assert_eq!(
        home.run("forget --where project=/w/secret --yes"),
        Answer {
            code: Some(1),
            out: String::new(),
            err: "clawspend: nothing can be forgotten while another Clawspend follows the logs\n\
                  Hint: quit the tray app, end `clawspend today --watch`, then try again\n"
                .into(),
        }
    );
    assert_eq!(home.json("today --json")["responses"], 1);
    drop(watch);
    let told = home.json("forget --where project=/w/secret --yes --json");
    assert_eq!(told["totals"]["responses"], 1);
    assert_eq!(home.json("today --json")["responses"], 0);
}

/// The write-ahead log stays as long as somebody has the ledger open.
#[cfg(unix)]
#[test]
fn an_open_reader_keeps_no_byte_of_it() {
    let home = Home::new();
    home.claude("q/b.jsonl", &[line(3, NINE, "/w/open", "talk")]);
    assert_eq!(rows(&home), [ALL[1]]);
    let reader = Connection::open(home.ledger()).expect("the ledger");
    // Looked at by another process: this one would lose its locks on files that it closes.
    let holds = |text: &str| {
        let files = fs::read_dir(home.data()).expect("a folder");
        let files = files.map(|entry| entry.expect("an entry").path());
        let mut cat = std::process::Command::new("cat");
        let bytes = cat.args(files).output().expect("their bytes").stdout;
        bytes
            .windows(text.len())
            .any(|window| window == text.as_bytes())
    };
    let count = |reader: &Connection| -> i64 {
        reader
            .query_row("SELECT SUM(responses) FROM rollups", [], |row| row.get(0))
            .expect("a sum")
    };
    assert_eq!(count(&reader), 1);
    home.claude("p/a.jsonl", &[line(1, NINE, "/w/secret", "plot")]);
    assert_eq!(rows(&home), ALL[1..3]);
    assert!(holds("/w/secret") && holds("plot"));
    home.tell("forget --where project=/w/secret --yes");
    assert!(!holds("/w/secret") && !holds("plot"));
    assert_eq!(count(&reader), 1);

    // In the middle of reading it needs what it began with.
    reader.execute_batch("BEGIN").expect("a transaction");
    assert_eq!(count(&reader), 1);
    let answer = home.run("forget --where project=/w/open --yes");
    assert_eq!(
        (answer.code, answer.err.as_str()),
        (
            Some(0),
            "clawspend: another program reads the ledger; its old pages are overwritten once that has ended\n"
        )
    );
    assert_eq!(count(&reader), 1);
    drop(reader);
    home.tell("forget --where project=/w/open --yes");
    assert!(!holds("/w/open") && !holds("talk"));
}
