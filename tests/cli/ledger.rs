//! A ledger that is damaged, too new, somebody else's, or has no room.

use crate::home::{Answer, Home, NINE, response};
use rusqlite::Connection;
use serde_json::{Value, json};
use std::fs;

const REPORT: &str = "report --since 2026-01-01 --until 2026-12-31 --timezone UTC --json";

fn home(responses: u32) -> Home {
    let home = Home::new();
    let lines: Vec<String> = (1..=responses)
        .map(|number| response(number, NINE, 10))
        .collect();
    home.claude("p/a.jsonl", &lines);
    home
}

#[test]
fn f22_a_damaged_ledger_is_set_aside_rebuilt_and_told() {
    type Damage = fn(&mut Vec<u8>);
    let damages: [(&str, Damage); 3] = [
        ("all of it", |bytes| {
            *bytes = b"no database at all".repeat(500);
        }),
        ("the schema", |bytes| bytes[100..4096].fill(0xAA)),
        ("cut in half", |bytes| bytes.truncate(bytes.len() / 2)),
    ];
    for (case, damage) in damages {
        let home = home(300);
        let clean = home.tell(REPORT);
        let mut bytes = fs::read(home.ledger()).expect("the ledger");
        damage(&mut bytes);
        fs::write(home.ledger(), &bytes).expect("the ledger");
        let answer = home.run(REPORT);
        assert_eq!(
            (answer.code, &answer.out),
            (Some(0), &clean),
            "{case}: {}",
            answer.err
        );
        let aside = fs::read_dir(home.data())
            .expect("a folder")
            .map(|entry| entry.expect("an entry").path())
            .find(|path| path.to_string_lossy().contains("ledger.sqlite.damaged-20"))
            .expect("the damaged file");
        assert_eq!(fs::read(&aside).expect("it"), bytes, "{case}");
        assert_eq!(
            answer.err,
            format!(
                "clawspend: the ledger was damaged; it is kept as {} and has been rebuilt from the logs\n\
                 Hint: figures of logs that no longer exist are only in the old file\n",
                aside.display()
            ),
            "{case}"
        );
        assert_eq!(home.tell(REPORT), clean, "{case}");
    }
}

#[test]
fn f22_an_empty_file_becomes_a_ledger() {
    let home = home(1);
    home.write("data/ledger.sqlite", "");
    let report: Value = serde_json::from_str(&home.tell(REPORT)).expect("JSON");
    assert_eq!(report["totals"]["responses"], 1);
}

#[test]
fn what_is_not_ours_to_write_is_refused_and_left_as_it_is() {
    let newer = home(1);
    newer.tell(REPORT);
    let ledger = Connection::open(newer.ledger()).expect("the ledger");
    let version: i64 = ledger
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .expect("a version");
    ledger
        .execute_batch(&format!(
            "PRAGMA user_version = {}; PRAGMA journal_mode = DELETE",
            version + 1
        ))
        .expect("a change");
    drop(ledger);
    let foreign = home(1);
    fs::create_dir(foreign.data()).expect("a folder");
    Connection::open(foreign.ledger())
        .and_then(|other| {
            other.execute_batch("CREATE TABLE notes (text); INSERT INTO notes VALUES ('mine')")
        })
        .expect("a database");
    let cases = [
        (
            &newer,
            format!(
                "the ledger {} has schema {}, this Clawspend understands up to {version}\n\
                 Hint: update Clawspend, or set CLAWSPEND_DATA_DIR to another folder\n",
                newer.ledger().display(),
                version + 1
            ),
        ),
        (
            &foreign,
            format!(
                "{} is not a Clawspend ledger\nHint: set CLAWSPEND_DATA_DIR to another folder\n",
                foreign.ledger().display()
            ),
        ),
    ];
    for (home, message) in cases {
        let before = fs::read(home.ledger()).expect("the file");
        for arguments in [REPORT, "today", "report --no-refresh"] {
            let expected = Answer {
                code: Some(1),
                out: String::new(),
                err: format!("clawspend: {message}"),
            };
            assert_eq!(home.run(arguments), expected, "{arguments}");
        }
        // A doctor tells what can be told without it.
        let doctor = home.run("doctor --json");
        let ends = (doctor.code, doctor.err);
        assert_eq!(ends, (Some(1), format!("clawspend: {message}")));
        let told: Value = serde_json::from_str(&doctor.out).expect("JSON");
        let roots = told["roots"].as_array().expect("roots");
        let files: u64 = roots.iter().filter_map(|root| root["files"].as_u64()).sum();
        let (sentence, hint) = message.split_once("\nHint: ").expect("a hint");
        assert_eq!(
            (files, &told["ledger"]["integrity"], &told["problems"]),
            (
                1,
                &json!([sentence]),
                &json!([{
                    "code": "ledger", "message": sentence, "hint": hint.trim_end(), "serious": true
                }])
            )
        );
        assert_eq!(fs::read(home.ledger()).expect("the file"), before);
    }
}

#[cfg(target_os = "linux")]
mod room {
    use super::{Connection, Home, REPORT, home};
    use crate::home::{Answer, Watch, ended, now, response, zone_far_from_midnight};
    use std::{
        io::{BufRead as _, BufReader},
        process::{Command, Stdio},
    };

    fn shell(home: &Home, script: &str) -> Answer {
        let mut command = Command::new("sh");
        command.args(["-c", script, env!("CARGO_BIN_EXE_clawspend")]);
        home.prepare(&mut command);
        ended(command.args(REPORT.split_whitespace()))
    }

    /// Blocks of 512 bytes: enough for the schema, not for the responses.
    #[test]
    fn f20_a_file_that_may_not_grow_fails_with_a_hint_and_loses_nothing() {
        let (limited, free) = (home(4_000), home(4_000));
        let answer = shell(&limited, "ulimit -f 600; trap '' XFSZ; exec \"$0\" \"$@\"");
        assert_eq!((answer.code, answer.out.as_str()), (Some(1), ""));
        assert_eq!(
            answer.err,
            format!(
                "clawspend: cannot use the ledger {}: disk I/O error\n\
                 Hint: try again; if it stays, run `clawspend doctor`\n",
                limited.ledger().display()
            )
        );
        let sound: String = Connection::open(limited.ledger())
            .and_then(|ledger| ledger.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
            .expect("an answer");
        assert_eq!(sound, "ok");
        assert_eq!(limited.tell(REPORT), free.tell(REPORT));
    }

    /// A small disk of one's own, where the machine allows mounts; else a file that may not grow, for which the system
    /// gives another error.
    #[test]
    fn f20_a_full_disk_is_told() {
        let home = home(4_000);
        std::fs::create_dir(home.data()).expect("a folder");
        let mounts = "mount -t tmpfs -o size=384k none \"$CLAWSPEND_DATA_DIR\"";
        let mut probe = Command::new("unshare");
        home.prepare(probe.args(["-rm", "sh", "-c", mounts]));
        let mounted = probe.output().is_ok_and(|output| output.status.success());
        let path = home.ledger().display().to_string();
        let (script, told) = if mounted {
            (
                format!("exec unshare -rm sh -c '{mounts} && exec \"$0\" \"$@\"' \"$0\" \"$@\""),
                format!(
                    "the disk is full: the ledger {path} cannot be written\n\
                     Hint: free some space; Clawspend goes on by itself\n"
                ),
            )
        } else {
            (
                "ulimit -f 600; trap '' XFSZ; exec \"$0\" \"$@\"".to_owned(),
                format!(
                    "cannot use the ledger {path}: disk I/O error\n\
                     Hint: try again; if it stays, run `clawspend doctor`\n"
                ),
            )
        };
        let expected = Answer {
            code: Some(1),
            out: String::new(),
            err: format!("clawspend: {told}"),
        };
        assert_eq!(shell(&home, &script), expected);
    }

    #[test]
    fn f20_a_watch_goes_on_by_itself_when_there_is_room_again() {
        let mut home = Home::new();
        home.zone = zone_far_from_midnight();
        let lines: Vec<String> = (1..=4_000)
            .map(|number| response(number, now(), 10))
            .collect();
        home.claude("p/a.jsonl", &lines);
        let mut command = Command::new("sh");
        // A soft limit: it can be lifted.
        let script = "ulimit -S -f 300; trap '' XFSZ; exec \"$0\" today --watch --json";
        command.args(["-c", script, env!("CARGO_BIN_EXE_clawspend")]);
        home.prepare(&mut command);
        let mut watch = Watch::of(command.stderr(Stdio::piped()));
        let mut told = String::new();
        let mut errors = BufReader::new(watch.child.stderr.take().expect("a pipe"));
        errors.read_line(&mut told).expect("a line");
        let path = home.ledger().display().to_string();
        assert_eq!(
            told,
            format!("clawspend: cannot use the ledger {path}: disk I/O error\n")
        );
        let pid = watch.child.id().to_string();
        let lifted = Command::new("prlimit")
            .args(["--pid", &pid, "--fsize=unlimited"])
            .status();
        assert!(lifted.expect("prlimit runs").success());
        assert_eq!(watch.next().0, 4_000);
    }

    /// At every size of 512-byte blocks the ledger and its side files may have: an answer with a hint, or the figures.
    /// The file that is mapped into memory fails like the others and does not end the process.
    #[test]
    fn f21_whichever_file_may_not_grow_it_ends_with_a_hint() {
        let home = home(40);
        let free = home.tell(REPORT);
        let (mut refused, mut answered) = (0, 0);
        for blocks in [
            0, 1, 8, 16, 40, 60, 64, 70, 100, 140, 180, 220, 260, 400, 2_000,
        ] {
            std::fs::remove_dir_all(home.data()).expect("our own folder");
            let answer = shell(
                &home,
                &format!("ulimit -f {blocks}; trap '' XFSZ; exec \"$0\" \"$@\""),
            );
            let path = home.ledger().display().to_string();
            if answer.code == Some(0) {
                answered += 1;
                assert_eq!(
                    (answer.out, answer.err),
                    (free.clone(), String::new()),
                    "{blocks} blocks"
                );
            } else {
                refused += 1;
                let told = format!(
                    "clawspend: cannot use the ledger {path}: disk I/O error\n\
                     Hint: try again; if it stays, run `clawspend doctor`\n"
                );
                let expected = Answer {
                    code: Some(1),
                    out: String::new(),
                    err: told,
                };
                assert_eq!(answer, expected, "{blocks} blocks");
            }
            assert_eq!(
                home.tell(REPORT),
                free,
                "{blocks} blocks, then without a limit"
            );
        }
        assert!(
            refused > 0 && answered > 0,
            "{refused} refused, {answered} answered"
        );
    }
}
