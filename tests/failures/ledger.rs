//! What happens to the ledger while it is written: every step of a batch that fails, a log cut off at any byte, pages
//! that never reached the disk. Whatever remains, going on ends as if nothing had happened.

use crate::told::{Told, line, lines, once, positions, read, told, write};
use clawspend_core::{
    follow::{Follower, Queue},
    ledger::{Ledger, LedgerError},
    pricing::Prices,
    time::UnixMillis,
};
use clawspend_tests::corpus::{ClaudeLine, Corpus, Options};
use clawspend_tests::home::{Home, drain, utc};
use jiff::tz::TimeZone;
use rusqlite::Connection;
use std::{fs, path::PathBuf};

fn ledger(home: &Home) -> PathBuf {
    home.data().join("ledger.sqlite")
}

fn beside(home: &Home, suffix: &str) -> PathBuf {
    home.data().join(format!("ledger.sqlite{suffix}"))
}

fn sound(home: &Home) {
    let answer: String = Connection::open(ledger(home))
        .and_then(|ledger| ledger.query_row("PRAGMA integrity_check", [], |row| row.get(0)))
        .expect("a ledger");
    assert_eq!(answer, "ok");
}

/// Two files, one with a record that cannot be read; what is written to them next touches every table.
fn begun() -> (Home, Told) {
    let home = Home::new();
    write(&home.claude("a.jsonl"), lines(0..3));
    write(&home.claude("b.jsonl"), lines(3..6) + "cut\n");
    let told = read(&home);
    (home, told)
}

fn go_on(home: &Home) {
    write(
        &home.claude("a.jsonl"),
        lines(0..3) + "{cut\n" + &lines(6..8),
    );
    let other = ClaudeLine {
        uuid: "00000000-0000-4000-8000-000000000099",
        message_id: "msg_000000000000000000000099",
        at: ClaudeLine::default().at + 60_000,
        cwd: "/home/dev/other",
        branch: "other",
        model: "claude-opus-5",
        ..ClaudeLine::default()
    };
    write(&home.claude("c.jsonl"), format!("{other}\n{}", line(8)));
}

/// What [`begun`] and [`go_on`] come to where nothing fails.
fn in_the_end() -> Told {
    let (home, _) = begun();
    go_on(&home);
    read(&home)
}

#[test]
fn f17_whatever_step_of_a_batch_fails_none_of_it_stays() {
    let expected = in_the_end();
    for table in [
        "broken",
        "days",
        "files",
        "calls",
        "names",
        "owners",
        "responses",
        "rollups",
        "state",
    ] {
        let (home, before) = begun();
        go_on(&home);
        let mut ingest = home.ingest();
        let other = Connection::open(ledger(&home)).expect("a ledger");
        for event in ["INSERT", "UPDATE"] {
            let fails = format!(
                "CREATE TRIGGER {event}_fails AFTER {event} ON {table} BEGIN SELECT RAISE(ABORT, 'no'); END"
            );
            other.execute_batch(&fails).expect("a trigger");
        }
        ingest.scan().expect("a look");
        let later = UnixMillis::now().plus(3_600_000);
        let error = ingest.step(later).expect_err(table);
        assert!(matches!(error, LedgerError::Sqlite { .. }), "{error}");
        other
            .execute_batch("DROP TRIGGER INSERT_fails; DROP TRIGGER UPDATE_fails")
            .expect("mended");
        assert_eq!(told(&home, &ingest), before, "{table}");
        drain(&mut ingest);
        assert_eq!(told(&home, &ingest), expected, "{table}: it goes on");
        drop(ingest);
        assert_eq!(read(&home), expected, "{table}: another process");
        sound(&home);
    }
}

/// The batch is durable, but the process that wrote it was told otherwise: it takes its positions from the ledger.
#[test]
fn f19_a_commit_that_failed_and_is_there_all_the_same() {
    let (home, _) = begun();
    go_on(&home);
    let roots = || home.environment().roots(&utc());
    let (mut ledger, _) = Ledger::open(&ledger(&home)).expect("a ledger");
    let mut told_wrong = Follower::new(roots(), &ledger).expect("positions");
    let mut queue = Queue::default();
    queue.extend(told_wrong.scan(Some(&mut ledger)).expect("a look"));
    assert!(!queue.is_empty());
    let expected = in_the_end();
    assert_eq!(read(&home), expected, "written");
    let before = positions(&home);
    told_wrong.reload(&ledger).expect("positions");
    let mut prices = Prices::default();
    while !queue.is_empty() {
        let changed = told_wrong.read_batch(
            &mut queue,
            &mut ledger,
            &TimeZone::UTC,
            &mut |response| prices.cost(response),
            UnixMillis::now().plus(3_600_000),
        );
        assert!(!changed.expect("a batch"), "nothing is new");
    }
    drop(ledger);
    assert_eq!((read(&home), positions(&home)), (expected, before));
}

#[test]
fn f24_a_reader_that_stays_for_long_blocks_nobody() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, line(0));
    let mut ingest = home.ingest();
    drain(&mut ingest);
    let reader = Connection::open(ledger(&home)).expect("a ledger");
    let count = |reader: &Connection| -> i64 {
        let counted = "SELECT SUM(responses) FROM rollups";
        reader
            .query_row(counted, [], |row| row.get(0))
            .expect("a sum")
    };
    reader.execute_batch("BEGIN").expect("a snapshot");
    assert_eq!(count(&reader), 1);
    for number in 1..20 {
        write(&path, lines(0..=number));
        drain(&mut ingest);
        ingest.ledger.checkpoint().expect("as far as it goes");
        assert_eq!(count(&reader), 1, "it sees what it saw");
    }
    assert_eq!(told(&home, &ingest), once(0..20));
    // Frames in the log, and how many of them the ledger's file holds too.
    let checkpoint = || -> (i64, i64) {
        let other = Connection::open(ledger(&home)).expect("a ledger");
        let frames = |row: &rusqlite::Row<'_>| Ok((row.get(1)?, row.get(2)?));
        other
            .query_row("PRAGMA wal_checkpoint(PASSIVE)", [], frames)
            .expect("a checkpoint")
    };
    let (frames, moved) = checkpoint();
    assert!(
        moved < frames,
        "the reader pins {frames} frames, {moved} moved"
    );
    reader.execute_batch("COMMIT").expect("it ends");
    assert_eq!(count(&reader), 20);
    let (frames, moved) = checkpoint();
    assert_eq!(moved, frames);
    write(&path, lines(0..21));
    drain(&mut ingest);
    let (begun_anew, _) = checkpoint();
    assert!(begun_anew < frames, "{begun_anew} of {frames} frames");
}

/// A corpus read in several commits, whose write-ahead log was never moved into the ledger's file.
struct Torn {
    home: Home,
    /// The ledger's file before all commits but the first, and what the commits wrote.
    file: Vec<u8>,
    log: Vec<u8>,
    expected: Told,
}

impl Torn {
    fn new() -> Self {
        let home = Home::new();
        let options = Options {
            seed: 17,
            bytes: 200_000,
            files: 44,
            ..Options::default()
        };
        let whole = Corpus::plan(options);
        whole.write(home.path()).expect("a corpus");
        let path = home.claude("a.jsonl");
        write(&path, "");
        let mut ingest = home.ingest();
        // The reader keeps the log from being moved and removed.
        let reader = Connection::open(ledger(&home)).expect("a ledger");
        reader
            .execute_batch("BEGIN; SELECT COUNT(*) FROM files")
            .expect("a snapshot");
        for number in 0..6 {
            write(&path, lines(0..=number));
            drain(&mut ingest);
        }
        let mut expected = told(&home, &ingest);
        expected.problems.clear();
        Self {
            file: fs::read(ledger(&home)).expect("the ledger"),
            log: fs::read(beside(&home, "-wal")).expect("its log"),
            expected,
            home,
        }
    }

    /// Goes on from these files, as after a restart of the machine; twice, as the second time changes nothing.
    fn goes_on_from(&self, file: &[u8], log: Option<&[u8]>, case: &str) {
        for suffix in ["", "-wal", "-shm"] {
            fs::remove_file(beside(&self.home, suffix)).ok();
        }
        write(&ledger(&self.home), file);
        if let Some(log) = log {
            write(&beside(&self.home, "-wal"), log);
        }
        assert_eq!(read(&self.home), self.expected, "{case}");
        sound(&self.home);
    }
}

/// The log as it is after a power cut at any moment of any commit, or after a kill during the ledger's creation.
#[test]
fn f17_f18_the_log_cut_off_at_any_byte() {
    let torn = Torn::new();
    assert_eq!(&torn.log[..2], b"\x37\x7f", "a write-ahead log");
    let frame = 4096 + 24;
    let frames = (torn.log.len() - 32) / frame;
    assert!(frames > 60, "{frames}");
    for at in 0..frames {
        // At the frame's beginning, within its head, within its page; at a place that is another for each frame.
        let within = [0, 1 + at % 23, 24 + (at * 997) % 4095][at % 3];
        let cut = 32 + at * frame + within;
        torn.goes_on_from(&torn.file, Some(&torn.log[..cut]), &format!("cut at {cut}"));
    }
    for cut in [0, 1, 31, 32, torn.log.len() - 1, torn.log.len()] {
        torn.goes_on_from(&torn.file, Some(&torn.log[..cut]), &format!("cut at {cut}"));
    }
}

/// Blocks that were promised to the disk and never got there.
#[test]
fn f17_the_log_with_holes() {
    let torn = Torn::new();
    for block in (0..torn.log.len()).step_by(512 * 37) {
        let mut log = torn.log.clone();
        let end = log.len().min(block + 512);
        log[block..end].fill(0);
        torn.goes_on_from(&torn.file, Some(&log), &format!("no block at {block}"));
    }
}

/// A checkpoint that was cut off: any pages of the file are new, the others old, and the log is still there.
#[test]
fn f17_some_pages_of_the_file_are_newer_than_others() {
    let torn = Torn::new();
    torn.goes_on_from(&torn.file, Some(&torn.log), "nothing moved");
    let newer = fs::read(ledger(&torn.home)).expect("the ledger");
    assert!(newer.len() > torn.file.len());
    for stride in 1..12 {
        let mut mixed = torn.file.clone();
        mixed.resize(newer.len(), 0);
        for (page, bytes) in newer.chunks(4096).enumerate() {
            if page % 12 < stride {
                mixed[page * 4096..][..bytes.len()].copy_from_slice(bytes);
            }
        }
        torn.goes_on_from(&mixed, Some(&torn.log), &format!("{stride} of 12 pages"));
    }
}

/// Somebody cleared a cache: what the log held is read again from the logs of the agents.
#[test]
fn f17_our_own_log_was_deleted() {
    let torn = Torn::new();
    torn.goes_on_from(&torn.file, None, "no log");
    torn.goes_on_from(b"", None, "an empty file");
    fs::remove_file(ledger(&torn.home)).expect("there");
    assert_eq!(read(&torn.home), torn.expected, "no file at all");
}
