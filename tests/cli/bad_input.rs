//! Logs that cannot be read, or say what cannot be: told or counted, and everything else counts on.

use crate::home::{Home, MINUTE, NINE, append, response};
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::{fs, io::Write as _};

const REPORT: &str = "report --since 2026-01-01 --until 2026-12-31 --timezone UTC --json";

fn responses(home: &Home) -> u64 {
    home.json(REPORT)["totals"]["responses"]
        .as_u64()
        .expect("a count")
}

/// A line like [`response`]'s with something replaced.
fn bent(number: u32, from: &str, to: &str) -> Vec<u8> {
    let line = response(number, NINE, 10);
    assert!(line.contains(from), "{line}");
    line.replace(from, to).into_bytes()
}

#[test]
fn a_line_that_cannot_be_read_is_counted_with_its_place_and_the_next_ones_count() {
    let at = r#""timestamp":"2026-11-20T09:00:00.000Z""#;
    let output = r#""output_tokens":10"#;
    let mut not_utf8 = bent(2, "Done.", "Done?");
    let place = not_utf8
        .iter()
        .rposition(|byte| *byte == b'?')
        .expect("a mark");
    not_utf8[place] = 0xFF;
    let mut cut = response(2, NINE, 10).into_bytes();
    cut.truncate(cut.len() - 100);
    let cases: [(&str, Vec<u8>, u64, Option<&str>); 14] = [
        ("text that is not UTF-8", not_utf8, 3, None),
        ("a line cut short", cut, 2, Some("not_json")),
        ("NULs", vec![0; 4096], 2, Some("not_json")),
        (
            "binary",
            b"\x7fELF\x02\"usage\"".to_vec(),
            2,
            Some("not_json"),
        ),
        (
            "an array",
            br#"[{"usage":1}]"#.to_vec(),
            2,
            Some("not_json"),
        ),
        (
            "negative tokens",
            bent(2, output, r#""output_tokens":-10"#),
            3,
            None,
        ),
        (
            "tokens as words",
            bent(2, output, r#""output_tokens":"ten""#),
            3,
            None,
        ),
        (
            "more tokens than there can be",
            bent(2, output, r#""output_tokens":99999999999"#),
            2,
            Some("absurd_tokens"),
        ),
        (
            "more than an integer holds",
            bent(2, output, r#""output_tokens":1e300"#),
            2,
            Some("absurd_tokens"),
        ),
        // The line before tells the time.
        ("no timestamp", bent(2, at, r#""other":1"#), 3, None),
        (
            "a timestamp that is none",
            bent(2, at, r#""timestamp":"soon""#),
            3,
            None,
        ),
        (
            "a year that never comes",
            bent(2, at, r#""timestamp":"+012026-11-20T09:00:00.000Z""#),
            3,
            None,
        ),
        // It is told, but on its own day.
        (
            "the far future",
            bent(2, at, r#""timestamp":"2099-01-01T00:00:00.000Z""#),
            2,
            None,
        ),
        (
            "not a log line at all",
            b"Traceback (most recent call last):".to_vec(),
            2,
            Some("not_json"),
        ),
    ];
    for (case, line, expected, fault) in cases {
        let home = Home::new();
        let first = response(1, NINE, 10) + "\n";
        let last = response(3, NINE, 10) + "\n";
        let path = home.write(
            ".claude/projects/p/a.jsonl",
            [first.as_bytes(), &line, b"\n", last.as_bytes()].concat(),
        );
        assert_eq!(responses(&home), expected, "{case}");
        let doctor = home.json("doctor --json --no-refresh");
        let broken: Vec<Value> = fault
            .iter()
            .map(|fault| json!({"fault": fault, "path": path, "offset": first.len()}))
            .collect();
        assert_eq!(doctor["broken"], json!(broken), "{case}");
        assert_eq!(
            doctor["diagnostics"]["broken_lines"],
            broken.len(),
            "{case}"
        );
    }
}

#[test]
fn a_line_without_any_time_before_it_is_broken() {
    let home = Home::new();
    let line = bent(
        1,
        r#""timestamp":"2026-11-20T09:00:00.000Z""#,
        r#""other":1"#,
    );
    let line = String::from_utf8(line).expect("UTF-8");
    let path = home.claude("p/a.jsonl", &[line, response(2, NINE, 10)]);
    assert_eq!(responses(&home), 1);
    let doctor = home.json("doctor --json");
    let broken = json!([{"fault": "bad_timestamp", "path": path, "offset": 0}]);
    assert_eq!(doctor["broken"], broken);
}

#[test]
fn f15_a_line_of_a_hundred_megabytes_is_passed_over_in_little_memory() {
    let home = Home::new();
    let path = home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
    let offset = fs::metadata(&path).expect("a file").len();
    let mut file = fs::OpenOptions::new()
        .append(true)
        .open(&path)
        .expect("a file");
    file.write_all(br#"{"type":"user","message":""#)
        .expect("room");
    for _ in 0..100 {
        file.write_all(&[b'x'; 1 << 20]).expect("room");
    }
    file.write_all(b"\"}\n").expect("room");
    append(&path, &response(2, NINE, 10));
    peak_memory::stays_below(&home, REPORT, 100 << 20);
    assert_eq!(responses(&home), 2);
    let doctor = home.json("doctor --json");
    let broken = json!([{"fault": "too_long", "path": path, "offset": offset}]);
    assert_eq!(doctor["broken"], broken);
}

#[cfg(target_os = "linux")]
mod peak_memory {
    use super::Home;
    use std::process::Stdio;
    use wait4::Wait4 as _;

    pub(super) fn stays_below(home: &Home, arguments: &str, bytes: u64) {
        let mut child = home
            .command(arguments)
            .stdout(Stdio::null())
            .spawn()
            .expect("the command starts");
        let used = child.wait4().expect("it ends");
        assert!(used.status.success());
        assert!(used.rusage.maxrss < bytes, "{} bytes", used.rusage.maxrss);
    }
}

#[cfg(not(target_os = "linux"))]
mod peak_memory {
    use super::Home;

    pub(super) fn stays_below(home: &Home, arguments: &str, _: u64) {
        home.tell(arguments);
    }
}

#[test]
fn f12_a_last_line_without_newline_waits_for_its_end() {
    let home = Home::new();
    let path = home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
    let line = response(2, NINE, 10);
    let (begin, end) = line.split_at(line.len() - 1);
    let file = fs::OpenOptions::new().append(true).open(&path);
    file.and_then(|mut file| file.write_all(begin.as_bytes()))
        .expect("room");
    assert_eq!(responses(&home), 1);
    append(&path, end);
    assert_eq!(responses(&home), 2);
    assert_eq!(home.json("doctor --json")["broken"], json!([]));
}

#[test]
fn a_log_that_vanishes_takes_nothing_with_it() {
    let home = Home::new();
    let path = home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
    assert_eq!(responses(&home), 1);
    fs::remove_file(path).expect("a file");
    assert_eq!(responses(&home), 1);
}

#[test]
fn a_log_that_is_rewritten_is_read_again() {
    let home = Home::new();
    let path = home.claude("p/a.jsonl", &[response(1, NINE, 10), response(2, NINE, 10)]);
    assert_eq!(responses(&home), 2);
    fs::write(
        &path,
        response(3, NINE, 10) + "\n" + &response(4, NINE, 10) + "\n",
    )
    .expect("room");
    assert_eq!(
        responses(&home),
        4,
        "what was told stays, what is new counts"
    );
}

#[cfg(unix)]
mod links {
    use super::{Home, NINE, response, responses};
    use std::os::unix::fs::symlink;

    #[test]
    fn f39_links_to_nowhere_and_in_circles_are_passed_over_and_a_file_counts_once() {
        let home = Home::new();
        let path = home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
        let folder = path.parent().expect("a folder");
        symlink("nowhere.jsonl", folder.join("dangling.jsonl")).expect("a link");
        symlink(folder, folder.join("circle")).expect("a link");
        symlink("a.jsonl", folder.join("again.jsonl")).expect("a link");
        std::fs::hard_link(&path, folder.join("hard.jsonl")).expect("a link");
        assert_eq!(responses(&home), 1);
        assert_eq!(
            home.json("doctor --json")["diagnostics"]["counted_lines"],
            1
        );
    }
}

#[cfg(unix)]
#[test]
fn f39_a_link_to_itself_is_told_and_the_rest_counts() {
    let home = Home::new();
    home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
    let link = home.path().join(".claude/projects/p/self.jsonl");
    std::os::unix::fs::symlink("self.jsonl", &link).expect("a link");
    let answer = home.run(REPORT);
    let cause = fs::metadata(&link).expect_err("a loop");
    assert_eq!(
        (answer.code, answer.err),
        (
            Some(0),
            format!(
                "clawspend: cannot read {}: {cause}\n\
                 Hint: it is a link that leads to no file: remove or mend it\n",
                link.display()
            )
        )
    );
    let report: Value = serde_json::from_str(&answer.out).expect("JSON");
    assert_eq!(report["totals"]["responses"], 1);
}

#[cfg(unix)]
mod permissions {
    use super::{Home, NINE, REPORT, response, responses};
    use crate::{
        home::{Answer, ended},
        together::unprivileged,
    };
    use serde_json::Value;
    use std::{fs, os::unix::fs::PermissionsExt as _, path::Path};

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("our own file");
    }

    #[test]
    fn what_may_not_be_read_is_told_and_the_rest_counts() {
        let home = Home::new();
        home.claude("open/a.jsonl", &[response(1, NINE, 10)]);
        let folder = home.claude("locked/b.jsonl", &[response(2, NINE, 10)]);
        let folder = folder.parent().expect("a folder");
        let file = home.claude("open/c.jsonl", &[response(3, NINE, 10)]);
        let command = unprivileged(&home);
        let run = |arguments: &str| ended(&mut command(arguments));
        let report =
            |answer: &Answer| -> Value { serde_json::from_str(&answer.out).expect("JSON") };
        mode(folder, 0o000);
        mode(&file, 0o000);
        let answer = run(REPORT);
        let told = |path: &Path| {
            format!(
                "clawspend: cannot read {}: Permission denied (os error 13)\n\
                 Hint: let your user read it; until then its figures stay as they were last seen\n",
                path.display()
            )
        };
        assert_eq!(
            (answer.code, answer.err.clone()),
            (Some(0), told(folder) + &told(&file))
        );
        assert_eq!(report(&answer)["totals"]["responses"], 1);
        let doctor = run("doctor --json");
        assert_eq!(doctor.err, "");
        let problems = report(&doctor)["problems"].clone();
        let problems: Vec<(&str, &str)> = problems
            .as_array()
            .expect("problems")
            .iter()
            .map(|problem| {
                let text = |key: &str| problem[key].as_str().expect("a text");
                (text("code"), text("message"))
            })
            .collect();
        let message = |path: &Path| {
            format!(
                "cannot read {}: Permission denied (os error 13)",
                path.display()
            )
        };
        assert_eq!(
            problems,
            [
                ("unreadable", message(folder).as_str()),
                ("unreadable", &message(&file))
            ]
        );
        mode(folder, 0o700);
        mode(&file, 0o600);
        let answer = run(REPORT);
        assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
        assert_eq!(report(&answer)["totals"]["responses"], 3);
        assert_eq!(responses(&home), 3);
    }

    #[test]
    fn a_root_that_may_not_be_read_is_told() {
        let home = Home::new();
        home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
        let command = unprivileged(&home);
        let run = |arguments: &str| ended(&mut command(arguments));
        let root = home.path().join(".claude/projects");
        mode(&root, 0o000);
        let doctor: Value = serde_json::from_str(&run("doctor --json").out).expect("JSON");
        mode(&root, 0o700);
        let reason = "Permission denied (os error 13)";
        assert_eq!(
            doctor["roots"][1]["state"],
            serde_json::json!({"kind": "unreadable", "reason": reason})
        );
        assert_eq!(
            doctor["problems"][0]["message"],
            format!("cannot read {}: {reason}", root.display())
        );
    }

    #[test]
    fn a_data_folder_that_may_not_be_written_is_a_failure_with_a_hint() {
        let home = Home::new();
        home.claude("p/a.jsonl", &[response(1, NINE, 10)]);
        fs::create_dir(home.data()).expect("a folder");
        let command = unprivileged(&home);
        let run = |arguments: &str| ended(&mut command(arguments));
        mode(&home.data(), 0o500);
        assert_eq!(
            run(REPORT),
            Answer {
                code: Some(1),
                out: String::new(),
                err: format!(
                    "clawspend: cannot open the ledger {}: Permission denied (os error 13)\n\
                     Hint: check that the folder can be written, or set CLAWSPEND_DATA_DIR to one that can\n",
                    home.ledger().display()
                ),
            }
        );
        mode(&home.data(), 0o700);
        assert_eq!(run(REPORT).code, Some(0));
    }
}

/// OpenClaw's database of the agent `main`.
fn database(home: &Home) -> Connection {
    let path = home
        .path()
        .join(".openclaw/agents/main/agent/openclaw-agent.sqlite");
    Connection::open(path).expect("the fixture")
}

#[test]
fn f30_a_database_in_use_is_told_and_read_later() {
    let home = Home::new();
    home.openclaw_fixture();
    home.claude("p/a.jsonl", &[response(1, NINE + MINUTE, 10)]);
    let owner = database(&home);
    owner
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA locking_mode = EXCLUSIVE; CREATE TABLE theirs (x); BEGIN EXCLUSIVE",
        )
        .expect("a lock");
    let answer = home.run(REPORT);
    let path = owner.path().expect("a path").to_owned();
    assert_eq!(
        (answer.code, answer.err),
        (
            Some(0),
            format!(
                "clawspend: {path}: the database is locked\n\
                 Hint: nothing to do: its figures stay as they were last read, and it is tried again\n"
            )
        )
    );
    let report: Value = serde_json::from_str(&answer.out).expect("JSON");
    assert_eq!(
        report["totals"]["responses"], 5,
        "all but the thirteen of main"
    );
    let doctor: Value = serde_json::from_str(&home.run("doctor --json").out).expect("JSON");
    assert_eq!(doctor["problems"][0]["code"], "database_busy");
    drop(owner);
    assert_eq!(responses(&home), 18);
}

#[test]
fn f30_a_database_of_an_unknown_kind_is_told_and_the_rest_counts() {
    let home = Home::new();
    home.openclaw_fixture();
    assert_eq!(responses(&home), 17);
    let owner = database(&home);
    owner
        .execute_batch("CREATE TABLE transcript_embeddings (x); PRAGMA user_version = 99")
        .expect("a change");
    assert_eq!(responses(&home), 17, "tables that are not needed may come");
    owner
        .execute_batch("ALTER TABLE transcript_events RENAME COLUMN event_json TO event_cbor")
        .expect("a change");
    let path = owner.path().expect("a path").to_owned();
    drop(owner);
    let answer = home.run(REPORT);
    assert_eq!(
        (answer.code, answer.err),
        (
            Some(0),
            format!(
                "clawspend: {path}: the database has no column transcript_events.event_json\n\
                 Hint: update Clawspend: this OpenClaw keeps its transcripts in a form it does not know\n"
            )
        )
    );
    let report: Value = serde_json::from_str(&answer.out).expect("JSON");
    assert_eq!(report["totals"]["responses"], 17, "what was told stays");
}

#[test]
fn a_table_of_an_unknown_kind_is_told_as_long_as_it_is_there() {
    let home = Home::new();
    home.openclaw_fixture();
    let owner = database(&home);
    let archive = "session_transcript_archives";
    owner
        .execute_batch(&format!(
            "DROP TABLE IF EXISTS {archive}; CREATE TABLE {archive} (session_id TEXT, archive_cbor BLOB)"
        ))
        .expect("a change");
    let path = owner.path().expect("a path").to_owned();
    drop(owner);
    for look in ["the first", "one that finds nothing new"] {
        let answer = home.run(REPORT);
        assert_eq!(
            (answer.code, answer.err),
            (
                Some(0),
                format!(
                    "clawspend: {path} keeps {archive} in a form that is not known; the rest of it was read\n\
                     Hint: update Clawspend: the figures may leave out what only stands there\n"
                )
            ),
            "{look}"
        );
        let report: Value = serde_json::from_str(&answer.out).expect("JSON");
        assert_eq!(report["totals"]["responses"], 17, "{look}");
    }
}

#[test]
fn counts_at_the_edge_of_belief_add_up() {
    let home = Home::new();
    let lines: Vec<String> = (1..=9)
        .map(|number| {
            ClaudeLine {
                uuid: &format!("00000000-0000-4000-8000-{number:012}"),
                message_id: &format!("msg_{number:024}"),
                at: NINE,
                usage: ClaudeUsage {
                    input: 10_000_000_000,
                    ..ClaudeUsage::default()
                },
                ..ClaudeLine::default()
            }
            .to_string()
        })
        .collect();
    home.claude("p/a.jsonl", &lines);
    let totals = &home.json(REPORT)["totals"];
    assert_eq!(
        (&totals["input_tokens"], &totals["cost_usd"]),
        (&json!(90_000_000_000_u64), &json!("180000.000000000"))
    );
}
