//! What happens to files while nobody looks.

use crate::told::{Told, line, lines, once, positions, read, told, write};
use clawspend_core::{ledger::files::Counts, time::UnixMillis, usage::Fault};
use clawspend_tests::home::{Home, drain, drain_at};
use std::{fs, path::Path};

/// These responses once, and the counters of files that now hold `counted` lines.
fn with_counted(numbers: impl IntoIterator<Item = u32>, counted: u64) -> Told {
    let mut told = once(numbers);
    told.counts.counted = counted;
    told
}

/// Writes `before`, reads, does `change`, reads again.
fn after(before: &str, change: impl FnOnce(&Home, &Path)) -> (Home, Told) {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, before);
    read(&home);
    change(&home, &path);
    let told = read(&home);
    (home, told)
}

/// A position at the end of this text, in the first content of a file that is there.
fn at_end(name: &str, text: &str) -> (String, u32, u64, bool) {
    (name.to_owned(), 0, text.len() as u64, false)
}

#[cfg(unix)]
fn inode(path: &Path) -> u64 {
    std::os::unix::fs::MetadataExt::ino(&fs::metadata(path).expect("there"))
}

/// On file systems that give a freed inode out again at once, the new file has it; on others this is a new file in
/// the old one's place, which must end the same.
#[test]
fn f01_another_file_with_the_inode_of_a_deleted_one() {
    let (_, told) = after(&lines(0..2), |home, path| {
        fs::remove_file(path).expect("there");
        write(&home.claude("b.jsonl"), lines(10..15));
    });
    let mut rows = once((0..2).chain(10..15));
    // Where the inode is another, the deleted file keeps its counter.
    rows.counts.counted = told.counts.counted;
    assert_eq!(told, rows);
    assert!(matches!(told.counts.counted, 5 | 7), "{told:?}");
}

#[cfg(unix)]
#[test]
fn f02_the_same_inode_and_name_with_longer_content() {
    let (home, told) = after(&lines(0..2), |_, path| {
        let before = inode(path);
        write(path, lines(10..15));
        assert_eq!(inode(path), before);
    });
    assert_eq!(told, with_counted((0..2).chain(10..15), 5));
    let end = lines(10..15).len() as u64;
    assert_eq!(positions(&home), [("a.jsonl".to_owned(), 1, end, false)]);
}

#[test]
fn f03_a_forked_session_begins_like_the_one_it_came_from() {
    let home = Home::new();
    assert!(lines(0..3).len() > 1024);
    let texts = [lines(0..5), lines((0..3).chain(7..9))];
    for (name, text) in ["a.jsonl", "b.jsonl"].iter().zip(&texts) {
        write(&home.claude(name), text);
    }
    assert_eq!(read(&home), with_counted((0..5).chain(7..9), 10));
    let [a, b] = &texts;
    assert_eq!(
        positions(&home),
        [at_end("a.jsonl", a), at_end("b.jsonl", b)]
    );
}

#[test]
fn f04_a_small_file_grows() {
    let small = r#"{"type":"summary","leafUuid":"0000000"}"#;
    assert_eq!(small.len(), 39);
    let text = format!("{small}\n");
    let (home, told) = after(&text, |_, path| {
        write(path, format!("{text}{}", lines(0..5)));
    });
    let mut expected = once(0..5);
    expected.counts.no_usage = 1;
    assert_eq!(told, expected);
    let grown = text + &lines(0..5);
    assert_eq!(positions(&home), [at_end("a.jsonl", &grown)]);
    // What proves the beginning has grown with it: a change in there is seen.
    write(&home.claude("a.jsonl"), lines(5..9) + &line(9));
    assert_eq!(read(&home), with_counted(0..10, 5));
}

/// The old file goes on where it was, the new one begins.
#[test]
fn f05_renamed_and_replaced() {
    let (old, new) = (lines(0..3), lines(3..5));
    let (home, told) = after(&old, |home, path| {
        fs::rename(path, home.claude("b.jsonl")).expect("renamed");
        write(path, &new);
    });
    assert_eq!(told, once(0..5));
    let both = [at_end("a.jsonl", &new), at_end("b.jsonl", &old)];
    // Where files have no numbers, a renamed one is read from its beginning.
    assert!(cfg!(not(unix)) || positions(&home) == both);
    // Two files that change places.
    let [a, b, other] = ["a.jsonl", "b.jsonl", "c.jsonl"].map(|name| home.claude(name));
    for (from, to) in [(&a, &other), (&b, &a), (&other, &b)] {
        fs::rename(from, to).expect("renamed");
    }
    assert_eq!(read(&home), once(0..5));
    let both = [at_end("a.jsonl", &old), at_end("b.jsonl", &new)];
    assert!(cfg!(not(unix)) || positions(&home) == both);
    // One that takes the place of another: what the other told stays.
    fs::rename(&a, &b).expect("renamed");
    assert_eq!(read(&home).rows, once(0..5).rows);
}

#[test]
fn f06_renamed_and_replaced_between_the_look_and_the_read() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, lines(0..2));
    let mut ingest = home.ingest();
    drain(&mut ingest);
    write(&path, lines(0..3));
    ingest.scan().expect("a look");
    fs::rename(&path, home.claude("b.jsonl")).expect("renamed");
    write(&path, lines(10..12));
    while ingest.is_behind() {
        let later = UnixMillis::now().plus(3_600_000);
        ingest.step(later).expect("a batch");
    }
    assert_eq!(
        told(&home, &ingest).rows,
        once((0..2).chain(10..12)).rows,
        "what lies there now was read, from its beginning"
    );
    drain(&mut ingest);
    assert_eq!(told(&home, &ingest), once((0..3).chain(10..12)));
}

#[test]
fn f07_truncated_and_rewritten_shorter() {
    let (home, told) = after(&lines(0..5), |_, path| {
        write(path, "");
        assert_eq!(length(path), 0);
        write(path, lines(5..7));
    });
    assert_eq!(told, with_counted(0..7, 2));
    let end = lines(5..7).len() as u64;
    assert_eq!(positions(&home), [("a.jsonl".to_owned(), 1, end, false)]);
}

fn length(path: &Path) -> u64 {
    fs::metadata(path).expect("there").len()
}

#[test]
fn f08_truncated_and_rewritten_as_long_or_longer_between_looks() {
    for (new, counted) in [(6..7, 1), (7..9, 2), (6..10, 4)] {
        let text = lines(new.clone());
        let (_, told) = after(&line(4), |_, path| write(path, &text));
        let mut expected = once([4].into_iter().chain(new));
        expected.counts.counted = counted;
        assert_eq!(told, expected);
    }
}

#[test]
fn f09_rewritten_with_the_same_size_and_time() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, lines(4..6));
    let mut ingest = home.ingest();
    // Within two seconds of a file's last change it is looked at again, whatever its size and time say.
    drain_at(&mut ingest, UnixMillis::now());
    let before = fs::metadata(&path).expect("there");
    write(&path, line(6) + &line(5));
    let time = before.modified().expect("a time");
    filetime::set_file_mtime(&path, time.into()).expect("settable");
    let now = fs::metadata(&path).expect("there");
    assert_eq!((now.len(), now.modified().ok()), (before.len(), Some(time)));
    drain_at(&mut ingest, UnixMillis::now());
    assert_eq!(told(&home, &ingest), with_counted(4..7, 2));
}

/// A limit: neither the first kilobyte nor the last half of one before the offset has changed, so nobody can tell
/// without reading everything again. What was counted stays right.
#[test]
fn f10_a_line_in_the_middle_is_edited() {
    let text = lines(0..4) + &line(4) + &lines(7..11);
    let (home, told) = after(&text, |_, path| {
        write(path, lines(0..4) + &line(5) + &lines(7..11));
    });
    assert_eq!(told, once((0..5).chain(7..11)));
    assert_eq!(positions(&home), [at_end("a.jsonl", &text)]);
    // Any other file name, or a change at its beginning, lets it be read again.
    let other = home.claude("b.jsonl");
    fs::copy(home.claude("a.jsonl"), &other).expect("copied");
    assert_eq!(read(&home).rows, once((0..6).chain(7..11)).rows);
}

/// A network home may say that a file is shorter than it is.
#[test]
fn f11_a_size_below_the_offset_while_the_bytes_are_there() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    let text = lines(0..4);
    write(&path, &text);
    let mut ingest = home.ingest();
    drain(&mut ingest);
    write(&path, &text[..100]);
    ingest.scan().expect("a look");
    assert!(ingest.is_behind());
    write(&path, &text);
    ingest
        .step(UnixMillis::now().plus(3_600_000))
        .expect("a batch");
    assert_eq!(told(&home, &ingest), once(0..4));
    assert_eq!(positions(&home), [at_end("a.jsonl", &text)], "no reset");
}

#[test]
fn f12_an_unfinished_last_line_is_counted_once() {
    let whole = lines(0..2);
    let home = Home::new();
    let path = home.claude("a.jsonl");
    for end in [whole.len() - 40, whole.len() - 2, whole.len() - 1] {
        write(&path, &whole[..end]);
        let mut ingest = home.ingest();
        drain_at(&mut ingest, UnixMillis::now());
        assert_eq!(told(&home, &ingest), once(0..1), "it waits");
    }
    write(&path, &whole);
    assert_eq!(read(&home), once(0..2), "completed");
}

#[test]
fn f13_what_was_unfinished_is_dropped_with_the_content_it_was_part_of() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    let first = lines(0..2);
    write(&path, &first[..first.len() - 40]);
    let mut ingest = home.ingest();
    drain_at(&mut ingest, UnixMillis::now());
    // What would complete the line stands at the beginning of the new content.
    let new = format!("{}{}", &first[first.len() - 40..], line(2));
    write(&path, &new);
    drain_at(&mut ingest, UnixMillis::now());
    let mut expected = with_counted([0, 2], 1);
    expected.counts.broken = 1;
    expected.broken = vec![(Fault::NotJson, "a.jsonl".to_owned(), 0)];
    assert_eq!(told(&home, &ingest), expected);
}

#[test]
fn f14_a_character_or_line_end_that_arrives_in_pieces() {
    let text = line(0).replace("/home/dev/demo", "/home/dév/dëmo🦀");
    let text = text.replace('\n', "\r\n") + &line(1);
    let whole = Home::new();
    write(&whole.claude("a.jsonl"), &text);
    let expected = read(&whole);
    let projects: Vec<&str> = expected.rows.keys().map(|row| row[3].as_str()).collect();
    assert_eq!(projects, ["/home/dev/demo", "/home/dév/dëmo🦀"]);
    let not_ascii = (1..text.len()).filter(|at| !text.is_char_boundary(*at));
    let line_end = text.find("\r\n").expect("a line end") + 1;
    for cut in not_ascii.chain([line_end, line_end + 1]) {
        let home = Home::new();
        let path = home.claude("a.jsonl");
        let mut ingest = home.ingest();
        write(&path, &text.as_bytes()[..cut]);
        drain_at(&mut ingest, UnixMillis::now());
        write(&path, &text);
        drain_at(&mut ingest, UnixMillis::now());
        assert_eq!(told(&home, &ingest), expected, "cut at {cut}");
    }
}

#[test]
fn f15_an_endless_line_is_told_of_and_counts_on_when_it_ends() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    let mut bytes = line(0).into_bytes();
    let at = bytes.len() as u64;
    bytes.resize(bytes.len() + (65 << 20), b'x');
    write(&path, &bytes);
    let mut expected = once(0..1);
    expected.counts.broken = 1;
    expected.broken = vec![(Fault::TooLong, "a.jsonl".to_owned(), at)];
    assert_eq!(read(&home), expected);
    bytes.push(b'\n');
    bytes.extend_from_slice(line(1).as_bytes());
    write(&path, &bytes);
    let ended = Told {
        broken: expected.broken.clone(),
        counts: Counts {
            counted: 2,
            ..expected.counts
        },
        ..once(0..2)
    };
    assert_eq!(read(&home), ended);
}

#[test]
fn f16_zeros_where_the_writers_machine_lost_power() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    let mut bytes = line(0).into_bytes();
    let at = bytes.len() as u64;
    bytes.extend_from_slice(&[0; 300]);
    write(&path, &bytes);
    let zeros = vec![(Fault::NotJson, "a.jsonl".to_owned(), at)];
    let expected = |numbers: std::ops::Range<u32>| {
        let mut expected = once(numbers);
        expected.counts.broken = 1;
        expected.broken.clone_from(&zeros);
        expected
    };
    assert_eq!(read(&home), expected(0..1), "at the end");
    // The writer goes on behind them.
    bytes.extend_from_slice(lines(1..3).as_bytes());
    write(&path, &bytes);
    assert_eq!(read(&home), expected(0..3));
}

#[test]
fn f16_garbage_between_good_lines_is_counted_with_its_place() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    let mut bytes = line(0).into_bytes();
    let mut expected = once(0..2);
    for garbage in [
        b"\xff\xfe not utf-8".as_slice(),
        b"\0\0\0\0",
        b"{\"usage\": cut",
    ] {
        let place = (Fault::NotJson, "a.jsonl".to_owned(), bytes.len() as u64);
        expected.broken.push(place);
        expected.counts.broken += 1;
        bytes.extend_from_slice(garbage);
        bytes.push(b'\n');
    }
    bytes.extend_from_slice(line(1).as_bytes());
    write(&path, bytes);
    assert_eq!(read(&home), expected);
}

#[test]
fn a_last_line_without_newline_counts_once_quiet_and_once_only() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    let mut ingest = home.ingest();
    for (tail, quiet) in [
        (line(0), once(0..1)),
        (
            "{\"type\":\"user\",\"message\":{}}\n".to_owned(),
            Told {
                counts: Counts {
                    no_usage: 1,
                    ..Counts::default()
                },
                ..once([])
            },
        ),
    ] {
        fs::remove_file(&path).ok();
        write(&path, tail.trim_end());
        drain_at(&mut ingest, UnixMillis::now());
        assert_eq!(
            told(&home, &ingest).counts,
            Counts::default(),
            "just written"
        );
        drain(&mut ingest);
        assert_eq!(told(&home, &ingest).counts, quiet.counts, "quiet");
        drain(&mut ingest);
        assert_eq!(told(&home, &ingest).counts, quiet.counts, "no second time");
        for more in ["\n".to_owned(), format!("\r\n{}", line(1))] {
            write(&path, format!("{}{more}", tail.trim_end()));
            drain(&mut ingest);
            let mut expected = quiet.counts;
            expected.counted += u64::from(more.len() > 2);
            assert_eq!(told(&home, &ingest).counts, expected, "{more:?} after all");
        }
        fs::remove_file(&path).expect("there");
    }
    assert_eq!(home.everything().rows, once(0..2).rows);
}

/// A writer that was killed leaves part of a line.
#[test]
fn a_last_line_cut_short_is_told_of_until_it_is_completed() {
    let home = Home::new();
    let path = home.claude("a.jsonl");
    let whole = lines(0..3);
    let cut = lines(0..2).len() - 40;
    let at = line(0).len() as u64;
    write(&path, &whole[..cut]);
    let mut ingest = home.ingest();
    drain_at(&mut ingest, UnixMillis::now());
    assert_eq!(told(&home, &ingest), once(0..1), "it may still grow");
    let mut expected = once(0..1);
    expected.counts.broken = 1;
    expected.broken = vec![(Fault::NotJson, "a.jsonl".to_owned(), at)];
    for more in [0, 5, 5] {
        write(&path, &whole[..cut + more]);
        drain(&mut ingest);
        assert_eq!(told(&home, &ingest), expected);
    }
    write(&path, &whole);
    drain(&mut ingest);
    assert_eq!(told(&home, &ingest), once(0..3));
}

#[test]
fn a_deleted_file_takes_nothing_with_it() {
    let (home, told) = after(&lines(0..3), |_, path| {
        fs::remove_file(path).expect("there");
    });
    assert_eq!(told, once(0..3));
    let end = lines(0..3).len() as u64;
    assert_eq!(positions(&home), [("a.jsonl".to_owned(), 0, end, true)]);
}

#[cfg(unix)]
#[test]
fn f39_links_are_read_once_and_loops_end() {
    use std::os::unix::fs::symlink;
    let home = Home::new();
    let path = home.claude("a.jsonl");
    write(&path, lines(0..3));
    fs::hard_link(&path, home.claude("hard.jsonl")).expect("linked");
    symlink(&path, home.claude("soft.jsonl")).expect("linked");
    symlink("nowhere", home.claude("dangling.jsonl")).expect("linked");
    symlink("..", home.claude("loop")).expect("linked");
    let mut expected = once(0..3);
    assert_eq!(read(&home), expected);
    assert_eq!(positions(&home), [at_end("a.jsonl", &lines(0..3))]);
    // A link that leads to itself leads to no log: that is a problem of its own.
    let own = home.claude("self.jsonl");
    symlink("self.jsonl", &own).expect("linked");
    let cause = fs::metadata(&own).expect_err("a loop");
    expected.problems = vec![clawspend_core::api::Problem {
        code: "unreadable".into(),
        message: format!("cannot read {}: {cause}", own.display()),
        hint: "it is a link that leads to no file: remove or mend it".into(),
        serious: true,
    }];
    assert_eq!(read(&home), expected);
}

#[test]
fn f40_of_ten_thousand_files_only_the_one_that_changed_is_read() {
    let home = Home::new();
    for number in 0..10_000 {
        let path = home.claude(&format!("{}/{number}.jsonl", number % 100));
        write(&path, "{}\n");
    }
    write(&home.claude("7/7.jsonl"), line(0));
    let mut ingest = home.ingest();
    drain(&mut ingest);
    assert_eq!(ingest.progress().files_total, 10_000);
    write(&home.claude("7/7.jsonl"), lines(0..2));
    drain(&mut ingest);
    let progress = ingest.progress();
    assert_eq!((progress.files_total, progress.files_done), (1, 1));
    let mut expected = once(0..2);
    expected.counts.no_usage = 9_999;
    assert_eq!(told(&home, &ingest), expected);
}
