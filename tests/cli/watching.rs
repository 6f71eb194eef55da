//! What the system's watcher loses or refuses, and few descriptors.

use crate::home::{Home, Watch, append, ended, now, response, zone_far_from_midnight};
use crate::together::unprivileged;
use clawspend_tests::corpus::rest;
use serde_json::{Value, json};
use std::{
    fs::{self, File},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::Command,
};

/// A home of today with one response in each of two projects.
fn home() -> Home {
    let mut home = Home::new();
    home.zone = zone_far_from_midnight();
    home.claude("p/a.jsonl", &[response(1, now(), 10)]);
    home.claude("q/b.jsonl", &[response(2, now(), 10)]);
    age(&home.path().join(".claude"));
    home
}

/// Files that nobody has written to for an hour are not looked at without an event.
fn age(path: &Path) {
    rest(path).expect("our own files");
}

fn signal(watch: &Watch, name: &str) {
    let pid = watch.child.id().to_string();
    let sent = Command::new("kill").args([name, &pid]).status();
    assert!(sent.expect("kill runs").success());
}

/// More events than the system keeps, while the process stands still: those of the line that matters are dropped.
/// Again and again, and after the last time the figure is right too.
#[test]
fn f32_f34_the_queue_of_events_overflows_again_and_again() {
    let home = home();
    let [a, b] =
        ["p/a.jsonl", "q/b.jsonl"].map(|log| home.path().join(".claude/projects").join(log));
    let kept = fs::read_to_string("/proc/sys/fs/inotify/max_queued_events").expect("a limit");
    let kept: usize = kept.trim().parse().expect("a number");
    let watch = Watch::start(&home);
    assert_eq!(watch.next().0, 2);
    for number in 3..6 {
        signal(&watch, "-STOP");
        // Each opening is an event; equal ones in a row would be one.
        for _ in 0..=kept / 2 {
            for path in [&a, &b] {
                File::open(path).expect("our own file");
            }
        }
        append(&a, &response(number, now(), 10));
        age(&a);
        signal(&watch, "-CONT");
        assert_eq!(watch.next().0, u64::from(number));
    }
}

/// Watching fails midway, as at the limit of watches: what is not watched is looked at now and then, and told.
#[test]
fn f33_a_root_that_cannot_be_watched_is_looked_at_instead() {
    let home = home();
    let root = home.path().join(".claude/projects");
    let locked = root.join("locked");
    fs::create_dir(&locked).expect("a folder");
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o000)).expect("our own folder");
    let command = unprivileged(&home);
    let watch = Watch::of(&mut command("today --watch --json"));
    assert_eq!(watch.next().0, 2);
    for (number, log) in [(3, "p/a.jsonl"), (4, "q/b.jsonl")] {
        append(&root.join(log), &response(number, now(), 10));
        age(&root.join(log));
    }
    let mut told = watch.next().0;
    if told == 3 {
        // One of the two was watched before the failure.
        told = watch.next().0;
    }
    assert_eq!(told, 4);
    let doctor = ended(&mut command("doctor --json --no-refresh"));
    let doctor: Value = serde_json::from_str(&doctor.out).expect("JSON");
    let denied = "Permission denied (os error 13)";
    assert_eq!(
        doctor["problems"],
        json!([
            {
                "code": "unreadable",
                "message": format!("cannot read {}: {denied}", locked.display()),
                "hint": "let your user read it; until then its figures stay as they were last seen",
                "serious": true
            },
            {
                "code": "unwatched",
                "message": format!("{} cannot be watched: {denied} about [{locked:?}]", root.display()),
                "hint": "it is looked at every 15 seconds instead; on Linux raise fs.inotify.max_user_watches",
                "serious": false
            }
        ])
    );
    fs::set_permissions(&locked, fs::Permissions::from_mode(0o700)).expect("our own folder");
}

#[test]
fn f40_many_files_need_few_descriptors() {
    const FILES: u32 = 1_000;
    let home = Home::new();
    for number in 0..FILES {
        let path = format!(
            "p{}/s{}/subagents/agent-{number}.jsonl",
            number % 10,
            number % 30
        );
        home.claude(&path, &[response(number, crate::home::NINE, 10)]);
    }
    let report = "report --since 2026-01-01 --until 2026-12-31 --timezone UTC --json";
    let mut limited = Command::new("sh");
    limited.args([
        "-c",
        "ulimit -n 24; exec \"$0\" \"$@\"",
        env!("CARGO_BIN_EXE_clawspend"),
    ]);
    home.prepare(&mut limited);
    let answer = ended(limited.args(report.split_whitespace()));
    assert_eq!((answer.code, answer.err.as_str()), (Some(0), ""));
    let told: Value = serde_json::from_str(&answer.out).expect("JSON");
    assert_eq!(told["totals"]["responses"], FILES);
    assert_eq!(answer.out, home.tell(report));
}

#[test]
fn a_pipe_is_told_each_thing_once() {
    let home = home();
    let watch = Watch::of(&mut home.command("today --watch"));
    let mut told = vec![watch.line()];
    let hear = |told: &mut Vec<String>, responses: &str| {
        while !told.last().expect("a line").ends_with(responses) {
            told.push(watch.line());
        }
    };
    hear(&mut told, " 2 responses");
    // Another setting, and then another figure.
    home.write("config/clawspend.toml", "[alerts]\nnotifications = false\n");
    std::thread::sleep(std::time::Duration::from_secs(1));
    let log = home.path().join(".claude/projects/p/a.jsonl");
    append(&log, &response(3, now(), 10));
    hear(&mut told, " 3 responses");
    let repeated: Vec<_> = told.windows(2).filter(|pair| pair[0] == pair[1]).collect();
    assert_eq!(repeated, Vec::<&[String]>::new());
}
