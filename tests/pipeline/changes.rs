//! What happens to files while nobody looks: the follower's failure modes, by their numbers in the reference.

use clawspend_core::time::UnixMillis;
use clawspend_tests::corpus::{ClaudeLine, ClaudeUsage};
use clawspend_tests::home::{Everything, Home, drain, drain_at};
use std::{fs, path::Path};

/// A line of its own response; all have the same length.
fn line(number: u32) -> String {
    let id = format!("msg_{number:024}");
    let uuid = format!("00000000-0000-4000-8000-{number:012}");
    let usage = ClaudeUsage {
        input: 10,
        output: 100,
        ..ClaudeUsage::default()
    };
    let line = ClaudeLine {
        message_id: &id,
        uuid: &uuid,
        parent: "",
        usage,
        ..ClaudeLine::default()
    };
    format!("{line}\n")
}

fn lines(numbers: impl IntoIterator<Item = u32>) -> String {
    numbers.into_iter().map(line).collect()
}

fn responses(everything: &Everything) -> (u64, u64) {
    (everything.totals.responses, everything.totals.tokens.output)
}

fn write(path: &Path, text: &str) {
    fs::write(path, text).expect("writable");
}

/// Writes `before`, reads, does `change`, reads again: how many responses there are then.
fn after(before: &str, change: impl FnOnce(&Home, &Path)) -> u64 {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, before);
    home.catch_up();
    change(&home, &path);
    let now = home.catch_up();
    assert_eq!(now.totals.tokens.output, 100 * now.totals.responses);
    now.totals.responses
}

#[test]
fn f01_f02_another_file_with_the_same_inode_or_name() {
    let longer = after(&lines(0..2), |_, path| write(path, &lines(10..15)));
    assert_eq!(longer, 7, "the same inode, rewritten longer");
    let deleted = after(&lines(0..2), |_, path| {
        fs::remove_file(path).expect("there");
        write(path, &lines(10..15));
    });
    assert_eq!(deleted, 7, "deleted and created anew");
}

#[test]
fn f04_a_small_file_grows() {
    let grown = after(&line(0), |_, path| write(path, &lines(0..5)));
    assert_eq!(grown, 5);
}

#[test]
fn f05_renamed_and_replaced() {
    let rotated = after(&lines(0..3), |home, path| {
        fs::rename(path, home.claude("a.old.jsonl")).expect("renamed");
        write(path, &lines(3..5));
    });
    assert_eq!(rotated, 5);
}

#[test]
fn f07_f08_truncated_and_rewritten() {
    assert_eq!(
        after(&lines(0..5), |_, path| write(path, &lines(5..7))),
        7,
        "shorter"
    );
    assert_eq!(
        after(&lines(0..2), |_, path| write(path, &lines(5..9))),
        6,
        "longer"
    );
}

#[test]
fn f09_rewritten_with_the_same_size_and_time() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, &lines(0..2));
    let mut ingest = home.ingest();
    // Within two seconds of a file's last change it is looked at again, whatever its size and time say.
    drain_at(&mut ingest, UnixMillis::now());
    let time = fs::metadata(&path)
        .and_then(|data| data.modified())
        .expect("a time");
    write(&path, &lines(5..7));
    filetime::set_file_mtime(&path, time.into()).expect("settable");
    drain_at(&mut ingest, UnixMillis::now());
    assert_eq!(responses(&home.everything()), (4, 400));
}

#[test]
fn f12_an_unfinished_last_line_is_counted_once() {
    let whole = lines(0..2);
    let (some, rest) = whole.split_at(whole.len() - 40);
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, some);
    assert_eq!(
        responses(&home.catch_up()),
        (1, 100),
        "the unfinished line waits"
    );
    write(&path, &format!("{some}{rest}"));
    assert_eq!(responses(&home.catch_up()), (2, 200), "completed");
}

#[test]
fn a_last_line_without_newline_counts_once_quiet_and_once_only() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, line(0).trim_end());
    let mut ingest = home.ingest();
    drain_at(&mut ingest, UnixMillis::now());
    assert_eq!(
        responses(&home.everything()),
        (0, 0),
        "it has just been written"
    );
    drain(&mut ingest);
    assert_eq!(responses(&home.everything()), (1, 100), "it has been quiet");
    write(&path, &lines(0..2));
    drain(&mut ingest);
    assert_eq!(
        responses(&home.everything()),
        (2, 200),
        "the newline and another line came after all"
    );
}

#[test]
fn f42_a_deleted_file_takes_nothing_with_it() {
    let left = after(&lines(0..3), |_, path| {
        fs::remove_file(path).expect("there");
    });
    assert_eq!(left, 3);
}

#[cfg(unix)]
#[test]
fn f39_links_are_read_once_and_loops_end() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, &lines(0..3));
    fs::hard_link(&path, home.claude("hard.jsonl")).expect("linked");
    std::os::unix::fs::symlink(&path, home.claude("soft.jsonl")).expect("linked");
    std::os::unix::fs::symlink("nowhere", home.claude("dangling.jsonl")).expect("linked");
    std::os::unix::fs::symlink("..", home.claude("loop")).expect("linked");
    let mut ingest = home.ingest();
    drain(&mut ingest);
    assert_eq!(responses(&home.everything()), (3, 300));
    assert_eq!(ingest.ledger.known_files().expect("files").len(), 1);
    assert_eq!(ingest.follower.problems(), []);
}

#[test]
fn f15_f16_garbage_between_good_lines_is_counted_with_its_place() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    let mut bytes = line(0).into_bytes();
    let mut places = Vec::new();
    for garbage in [
        b"\xff\xfe not utf-8".as_slice(),
        b"\0\0\0\0",
        b"{\"usage\": cut",
    ] {
        places.push(bytes.len() as u64);
        bytes.extend_from_slice(garbage);
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(line(1).as_bytes());
    fs::write(&path, bytes).expect("writable");
    let mut ingest = home.ingest();
    drain(&mut ingest);
    assert_eq!(responses(&home.everything()), (2, 200));
    let counts = ingest.ledger.counts().expect("counts");
    assert_eq!((counts.counted, counts.broken), (2, 3));
    let broken = ingest.ledger.broken_records(10).expect("places");
    assert_eq!(
        broken
            .iter()
            .map(|record| record.offset)
            .collect::<Vec<_>>(),
        places
    );
}
