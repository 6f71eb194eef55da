//! What the watcher misses, and what becomes of it: events are hints, looks are the truth.

use crate::told::{line, lines, once, told, write};
use clawspend_core::{
    api::{Phase, Reader},
    engine::{Handle, Update},
    time::UnixMillis,
};
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage, rest};
use clawspend_tests::home::{Home, drain_at, started, today, wait};
use filetime::FileTime;
use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    sync::mpsc::Receiver,
};

/// A line of now; its output is its number.
fn now(number: u64) -> String {
    let line = ClaudeLine {
        message_id: &format!("msg_{number:024}"),
        uuid: &format!("00000000-0000-4000-8000-{number:012}"),
        at: UnixMillis::now().0,
        usage: ClaudeUsage {
            output: number,
            ..ClaudeUsage::default()
        },
        ..ClaudeLine::default()
    };
    format!("{line}\n")
}

fn append(path: &Path, text: &str) {
    let file = OpenOptions::new().append(true).open(path);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("writable");
}

/// A file that nobody has written to for an hour is looked at by a walk over everything only.
fn age(path: &Path) {
    rest(path).expect("our own file");
}

fn live(home: &Home) -> (Handle, Receiver<Update>) {
    let (engine, updates) = started(home);
    wait(&updates, "all is read", |update| {
        update.status.phase == Phase::Live
    });
    (engine, updates)
}

/// Waits until these lines, and no others, count.
fn counts(updates: &Receiver<Update>, numbers: std::ops::RangeInclusive<u64>) {
    let (count, sum) = (numbers.clone().count() as u64, numbers.sum::<u64>());
    let told = wait(updates, "all lines count", |update| {
        today(update).responses >= count
    });
    let today = today(&told);
    assert_eq!((today.responses, today.tokens.output), (count, sum));
    assert_eq!(told.status.problems, []);
}

#[test]
fn f31_a_tree_that_is_made_and_filled_in_one_go() {
    let home = Home::new();
    write(&home.claude("a.jsonl"), now(1));
    let (_engine, updates) = live(&home);
    for number in 2..=300 {
        write(
            &home.claude(&format!("s{number}/subagents/agent-{number}.jsonl")),
            now(number),
        );
    }
    counts(&updates, 1..=300);
}

/// The watch of a folder ends with it; the heartbeat finds the new one. Windows lets nobody delete a watched folder.
#[cfg(unix)]
#[test]
fn f35_a_root_is_deleted_and_made_anew() {
    let home = Home::new();
    write(&home.claude("a.jsonl"), now(1));
    let (_engine, updates) = live(&home);
    let root = home.path().join(".claude/projects");
    fs::remove_dir_all(&root).expect("deleted");
    let path = home.claude("b.jsonl");
    write(&path, now(2));
    age(&path);
    counts(&updates, 1..=2);
    // The new folder is watched, or this line would wait for minutes.
    append(&path, &now(3));
    age(&path);
    counts(&updates, 1..=3);
}

/// Writes through another name of the file make no event in the watched folder, as on a network home.
#[test]
fn f36_the_watcher_is_silent() {
    let home = Home::new();
    let (fresh, old) = (home.claude("fresh.jsonl"), home.claude("old.jsonl"));
    write(&fresh, now(1));
    write(&old, now(2));
    age(&old);
    let [fresh, old] = [(fresh, "fresh"), (old, "old")].map(|(path, name)| {
        let other = home.path().join(name);
        fs::hard_link(path, &other).expect("linked");
        other
    });
    let (engine, updates) = live(&home);
    append(&fresh, &now(3));
    counts(&updates, 1..=3);
    append(&old, &now(4));
    engine.refresh();
    counts(&updates, 1..=4);
}

/// A process that slept hears of the new day from the clock alone.
#[test]
fn f37_today_begins_anew_after_a_night_asleep() {
    let home = Home::new();
    let folder = home.path().join("clawspend-config");
    fs::create_dir_all(&folder).expect("can be created");
    write(
        &folder.join("clawspend.toml"),
        "[display]\ntimezone = \"Asia/Tokyo\"\n",
    );
    write(&home.claude("a.jsonl"), lines(0..3));
    home.catch_up();
    let mut reader = Reader::open(home.environment()).expect("a ledger");
    let mut figures = |at: &str| {
        let now = UnixMillis::parse_rfc3339(at).expect("a time");
        let summary = reader.summary(now).expect("a summary");
        let of = |amount: clawspend_core::summary::Amount| amount.responses;
        (summary.day.to_string(), of(summary.today), of(summary.week))
    };
    let told = |day: &str, today, week| (day.to_owned(), today, week);
    // The lines are of 18:00 in Tokyo, on a Friday.
    assert_eq!(figures("2026-11-20T14:59:59Z"), told("2026-11-20", 3, 3));
    assert_eq!(figures("2026-11-20T15:00:00Z"), told("2026-11-21", 0, 3));
    assert_eq!(figures("2026-11-22T15:00:00Z"), told("2026-11-23", 0, 0));
}

#[test]
fn f38_the_clock_is_set_back_and_forward_again() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    let day = 86_400_000;
    let real = UnixMillis::now();
    write(&path, lines(0..2));
    let mut ingest = home.ingest();
    drain_at(&mut ingest, real);
    // Set back by a day: what was written before lies in the future now.
    write(&path, lines(0..2) + line(2).trim_end());
    drain_at(&mut ingest, real.plus(-day));
    assert_eq!(told(&home, &ingest), once(0..3));
    ingest.scan().expect("a look");
    assert!(!ingest.is_behind(), "read, and not again and again");
    // What is written now seems older than what was read.
    let yesterday = FileTime::from_unix_time(real.plus(-day).0 / 1_000, 0);
    write(&path, lines(0..4));
    filetime::set_file_mtime(&path, yesterday).expect("settable");
    drain_at(&mut ingest, real.plus(-day));
    assert_eq!(told(&home, &ingest), once(0..4));
    // Forward again.
    write(&path, lines(0..5));
    drain_at(&mut ingest, real.plus(3_600_000));
    assert_eq!(told(&home, &ingest), once(0..5));
    ingest.scan().expect("a look");
    assert!(!ingest.is_behind());
}

/// A laptop that travels, and a container beside it: each line says its own offset.
#[test]
fn f38_two_time_zones_and_times_that_run_back_in_one_history() {
    let home = Home::new();
    let z = "2026-11-20T09:00:01.250Z";
    let at = |number, time: &str| {
        let line = line(number);
        assert!(line.contains(z));
        line.replace(z, time)
    };
    let text = at(0, "2026-11-20T18:00:01.250+09:00")
        + &at(1, z)
        + &at(2, "2026-11-19T23:30:00-10:00")
        + &at(3, "2026-11-19T09:00:01.250Z")
        + &at(4, "2026-11-20T00:30:00+05:45");
    write(&home.claude("a.jsonl"), text);
    let mut ingest = home.ingest();
    drain_at(&mut ingest, UnixMillis::now().plus(3_600_000));
    assert_eq!(told(&home, &ingest).counts, once(0..5).counts);
    let hours = home.everything().by(&[1]);
    let hours: Vec<(&str, u64)> = hours
        .iter()
        .map(|(hour, amount)| (hour[0].as_str(), amount.tokens.output))
        .collect();
    assert_eq!(
        hours,
        [
            ("2026-11-19T09:00+00:00", 8),
            ("2026-11-19T18:00+00:00", 16),
            ("2026-11-20T09:00+00:00", 1 + 2 + 4),
        ]
    );
}
