//! A database that belongs to OpenClaw, through the whole pipeline.

use crate::told::{Told, read};
use clawspend_tests::home::Home;
use rusqlite::Connection;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// A closed database as OpenClaw's agent `main` or `ops` left it.
fn sample(agent: &str) -> PathBuf {
    let samples = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/openclaw-sqlite/agents"
    );
    let path = Path::new(samples).join(agent);
    path.join("agent/openclaw-agent.sqlite")
}

/// Where the database of the agent `main` lies in this home.
fn place(home: &Home) -> PathBuf {
    let folder = home.path().join(".openclaw/agents/main/agent");
    fs::create_dir_all(&folder).expect("can be created");
    folder.join("openclaw-agent.sqlite")
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let name = path.file_name().expect("a name").to_string_lossy();
    path.with_file_name(format!("{name}{suffix}"))
}

fn listing(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let folder = fs::read_dir(path.parent().expect("a folder")).expect("listed");
    let files = folder.map(|entry| {
        let entry = entry.expect("an entry");
        let bytes = fs::read(entry.path()).expect("readable");
        (entry.file_name().to_string_lossy().into_owned(), bytes)
    });
    files.collect()
}

/// What this sample alone comes to.
fn alone(agent: &str) -> Told {
    let home = Home::new();
    fs::copy(sample(agent), place(&home)).expect("copied");
    read(&home)
}

#[test]
fn f25_a_closed_database_is_read_and_left_as_it_was() {
    let home = Home::new();
    let path = place(&home);
    fs::copy(sample("main"), &path).expect("copied");
    let before = listing(&path);
    assert_eq!(before.len(), 1);
    let told = read(&home);
    assert_eq!((told.counts.counted > 0, &told.problems), (true, &vec![]));
    assert_eq!(told, alone("main"));
    assert_eq!(read(&home), told);
    assert!(listing(&path) == before, "its folder has changed");
}

#[test]
fn f26_what_a_crash_left_in_the_databases_log_counts() {
    let home = Home::new();
    let path = place(&home);
    let elsewhere = Home::new();
    let original = place(&elsewhere);
    fs::copy(sample("ops"), &original).expect("copied");
    let owner = Connection::open(&original).expect("a database");
    owner
        .execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
             CREATE TABLE theirs (text); INSERT INTO theirs VALUES (zeroblob(9000))",
        )
        .expect("written");
    for suffix in ["", "-wal"] {
        fs::copy(beside(&original, suffix), beside(&path, suffix)).expect("copied");
    }
    let before = listing(&path);
    assert!(before["openclaw-agent.sqlite-wal"].len() > 4096);
    assert_eq!(read(&home), alone("ops"));
    let mut after = listing(&path);
    // Whoever opens it next makes the log's index.
    after.remove("openclaw-agent.sqlite-shm");
    assert!(after == before, "the owner's files have changed");
}

/// The log's index is a link to itself: it can be opened by nobody, whatever the user may do.
#[cfg(unix)]
#[test]
fn f27_a_database_that_cannot_be_opened_keeps_its_last_figures() {
    use clawspend_core::api::Problem;
    let home = Home::new();
    let path = place(&home);
    fs::copy(sample("main"), &path).expect("copied");
    let good = read(&home);
    fs::write(beside(&path, "-wal"), [0; 100]).expect("writable");
    let index = beside(&path, "-shm");
    std::os::unix::fs::symlink(&index, &index).expect("a link");
    let cause = fs::metadata(&index).expect_err("a loop");
    let problem = |code: &str, message: String, hint: &str| Problem {
        code: code.into(),
        message,
        hint: hint.into(),
        serious: true,
    };
    let problems = vec![
        problem(
            "database_busy",
            format!(
                "{}: the database cannot be read: unable to open database file",
                path.display()
            ),
            "nothing to do: its figures stay as they were last read, and it is tried again",
        ),
        problem(
            "unreadable",
            format!("cannot read {}: {cause}", index.display()),
            "it is a link that leads to no file: remove or mend it",
        ),
    ];
    assert_eq!(
        read(&home),
        Told {
            problems,
            ..good.clone()
        }
    );
    for suffix in ["-wal", "-shm"] {
        fs::remove_file(beside(&path, suffix)).expect("there");
    }
    assert_eq!(read(&home), good);
}

#[test]
fn f28_another_database_takes_its_place() {
    let home = Home::new();
    let path = place(&home);
    fs::copy(sample("main"), &path).expect("copied");
    read(&home);
    let other = home.path().join("other.sqlite");
    fs::copy(sample("ops"), &other).expect("copied");
    fs::rename(&other, &path).expect("renamed");
    let mut both = alone("main").rows;
    for (key, amount) in alone("ops").rows {
        *both.entry(key).or_default() += amount;
    }
    assert_eq!(read(&home).rows, both, "what the first told stays");
}
